//! `findings.sarif`: SARIF 2.1.0 of what runs in the accounts, for code scanning and every viewer of SARIF.
//!
//! In: a report. Out: one log, or several where one would be over what GitHub takes: `findings-2.sarif` and so on.
//! Violations are results of kind `fail`, what could not be seen is of kind `open` under a rule of its own, and what passed
//! is only counted in the run's properties: GitHub does not read `kind`, and would open an alert for it. For the same
//! reason what is resolved is no result with `baselineState` `absent` but a notification.
//!
//! A violation that cannot be looked at this time keeps the rule of the violation: under the other one GitHub would close
//! its alert, and nobody knows whether it is mended.
//!
//! A resource is a logical location. GitHub refuses a whole file if one result has no artifact
//! (<https://github.com/github/codeql-action/issues/1738>), so there is one that names the same resource as a path below a
//! base that says of itself that it is no folder.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::iter::Peekable;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::blind_spot::Blind;
use super::markup::plain;
use super::sarif_model::{
    ArtifactLocation, AutomationDetails, Configuration, Driver, Invocation, Location, LogicalLocation, Message,
    Notification, NotificationText, PhysicalLocation, Properties, RUNS, Result, Rule, RuleProperties, Run,
    RunProperties, SCHEMA, STORED_RESULTS, Suppression, Text, Tool, UriBase, VERSION, level, repository, rule_id,
    security_severity, without_links,
};
use super::text::{NAME, counted, remediation, short, visible};
use super::wording::{evidence_in_words, skipped_by_reason};
use super::{Report, ReportFolder, ReportFormat, uri};
use crate::finding::{Change, ComplianceType, Control, Finding, Gone};

/// The `sarif` format.
pub struct Sarif;

const BASE: &str = "ORGANIZATION";
const BASE_IS: &str = "No folder: the resources of the organization by account, Region, type and name, under paths that stay the \
     same from run to run.";
/// Tags of a rule; GitHub takes 20 and shows 10.
const TAGS: usize = 20;
/// Accounts and Regions that a notification names.
const NAMED: usize = 5;

/// Limits of GitHub's code scanning.
struct Limits {
    /// Results of a run.
    results: usize,
    /// Runs of a file.
    runs: usize,
    /// Bytes of a file, packed; 10 MB may arrive, and the last result is packed after it was asked for.
    packed: u64,
}

const GITHUB: Limits = Limits { results: STORED_RESULTS, runs: RUNS, packed: 9_500_000 };
/// One stream cannot be split into files.
const ONE_FILE: Limits = Limits { results: STORED_RESULTS, runs: usize::MAX, packed: u64::MAX };

impl ReportFormat for Sarif {
    fn name(&self) -> &'static str {
        "sarif"
    }

    fn file_name(&self) -> &'static str {
        "findings.sarif"
    }

    fn about(&self) -> &'static str {
        "SARIF 2.1.0 for code scanning: violations, and what could not be seen"
    }

    fn write(&self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
        let mut results = listed(report)?.peekable();
        Logs::of(report, &ONE_FILE).write_file(&mut results, out)
    }

    fn owns(&self, relative: &str) -> bool {
        let number = relative.strip_prefix("findings-").and_then(|rest| rest.strip_suffix(".sarif"));
        relative == self.file_name() || number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    }

    fn write_files(&self, report: &Report<'_>, folder: &mut dyn ReportFolder) -> io::Result<()> {
        write_split(report, &GITHUB, folder)
    }
}

fn write_split(report: &Report<'_>, limits: &Limits, folder: &mut dyn ReportFolder) -> io::Result<()> {
    let mut results = listed(report)?.peekable();
    let mut logs = Logs::of(report, limits);
    let mut number = 1_u64;
    loop {
        let name = if number == 1 { Sarif.file_name().to_owned() } else { format!("findings-{number}.sarif") };
        logs.write_file(&mut results, folder.create(&name)?)?;
        if results.peek().is_none() {
            return Ok(());
        }
        number += 1;
    }
}

/// What becomes a result.
enum Listed {
    Here(Arc<Finding>),
    /// The run before had it, and this one could not look.
    NotSeen(Box<Gone>),
}

/// Violations and what could not be seen, in order; then what the run before knew of and this one has no finding of.
fn listed<'a>(report: &'a Report<'_>) -> io::Result<impl Iterator<Item = io::Result<Listed>> + 'a> {
    let asks = |finding: &Finding| {
        matches!(finding.compliance, ComplianceType::NonCompliant | ComplianceType::InsufficientData)
    };
    let here = report.findings.findings()?.filter_map(move |finding| match finding {
        Ok(finding) => asks(&finding).then(|| Ok(Listed::Here(finding))),
        Err(error) => Some(Err(error)),
    });
    let gone = report.findings.gone()?.filter_map(move |gone| match gone {
        Ok(gone) => {
            let change = gone.finding.lifecycle.as_ref().map(|lifecycle| lifecycle.change);
            (asks(&gone.finding) && change == Some(Change::NotSeen)).then(|| Ok(Listed::NotSeen(Box::new(gone))))
        }
        Err(error) => Some(Err(error)),
    });
    Ok(here.chain(gone))
}

/// Writes one log after the other.
struct Logs<'a> {
    report: &'a Report<'a>,
    limits: &'a Limits,
    /// Place of a control's first rule; the one about what could not be decided follows it.
    rules: BTreeMap<&'a str, usize>,
    runs: usize,
}

impl<'a> Logs<'a> {
    fn of(report: &'a Report<'_>, limits: &'a Limits) -> Self {
        let rules = report.controls.keys().enumerate().map(|(place, id)| (id.as_str(), 2 * place)).collect();
        Self { report, limits, rules, runs: 0 }
    }

    /// Writes what fits in one file.
    fn write_file(
        &mut self,
        results: &mut Peekable<impl Iterator<Item = io::Result<Listed>>>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut out = Packed::of(out);
        write!(out, "{{\"$schema\":\"{SCHEMA}\",\"version\":\"{VERSION}\",\"runs\":[")?;
        let mut runs = 0;
        while runs == 0 || (runs < self.limits.runs && out.size() < self.limits.packed && results.peek().is_some()) {
            out.write_all(if runs == 0 { b"\n" } else { b",\n" })?;
            self.write_run(results, &mut out)?;
            runs += 1;
        }
        out.write_all(b"]}\n")
    }

    fn write_run(
        &mut self,
        results: &mut impl Iterator<Item = io::Result<Listed>>,
        out: &mut Packed<'_>,
    ) -> io::Result<()> {
        let head = serde_json::to_string(&self.run())?;
        // The results are its last field, and there are none in it yet.
        out.write_all(head.strip_suffix("]}").unwrap_or(&head).as_bytes())?;
        self.runs += 1;
        let mut line = Vec::new();
        let mut written = 0;
        while written < self.limits.results && (written == 0 || out.size() < self.limits.packed) {
            let Some(listed) = results.next().transpose()? else { break };
            line.clear();
            line.extend_from_slice(if written == 0 { b"\n" } else { b",\n" });
            let result = match &listed {
                Listed::Here(finding) => self.result(finding, None),
                Listed::NotSeen(gone) => self.result(&gone.finding, Some(&gone.reason)),
            };
            serde_json::to_writer(&mut line, &result)?;
            out.write_all(&line)?;
            written += 1;
        }
        out.write_all(b"]}")
    }

    fn run(&self) -> Run<'a> {
        let report = self.report;
        let invocation = invocation(report);
        let rules = report.controls.values().flat_map(|control| [rule(control, false), rule(control, true)]);
        let comparison = report.over_time.comparison.as_ref();
        Run {
            tool: Tool {
                driver: Driver {
                    name: "pipewarden",
                    version: &report.run.tool_version,
                    information_uri: repository(),
                    rules: rules.collect(),
                    properties: BTreeMap::from([("policyHash", report.run.policy_hash.as_str())]),
                },
            },
            automation_details: AutomationDetails {
                // What stands before the last slash is the category: each run of a log wants one of its own.
                id: match self.runs {
                    0 => format!("pipewarden-audit/{}", report.run.run_id),
                    before => format!("pipewarden-audit-{}/{}", before + 1, report.run.run_id),
                },
            },
            invocations: vec![if self.runs == 0 { invocation } else { Invocation::quiet(&invocation) }],
            column_kind: "unicodeCodePoints",
            original_uri_base_ids: BTreeMap::from([(
                BASE,
                UriBase { description: Message { text: BASE_IS.to_owned(), markdown: None } },
            )]),
            properties: Some(RunProperties {
                run_id: &report.run.run_id,
                organization: &report.run.organization,
                by_compliance: ComplianceType::ALL.map(|word| (word.as_str(), report.counts.of(word))).into(),
                excepted: report.counts.excepted,
                previous_run_id: comparison.map(|comparison| comparison.previous.run_id.as_str()),
            }),
            results: Vec::new(),
        }
    }

    /// `reason`: why there is no such finding in this run.
    fn result<'f>(&self, finding: &'f Finding, reason: Option<&'f str>) -> Result<'f>
    where
        'a: 'f,
    {
        let report = self.report;
        let seen = reason.is_none() && finding.compliance == ComplianceType::NonCompliant;
        let lifecycle = finding.lifecycle.as_ref();
        let last_known = lifecycle.and_then(|lifecycle| lifecycle.last_known);
        let was_violated =
            finding.compliance == ComplianceType::NonCompliant || last_known == Some(ComplianceType::NonCompliant);
        let undecided = !was_violated;
        let first_rule = self.rules.get(finding.control.as_str());
        let resource = &*finding.resource;
        let account = report.accounts.get(&resource.account);
        Result {
            rule_id: if undecided { rule_id(&finding.control, true).into() } else { Cow::Borrowed(&finding.control) },
            rule_index: first_rule.map(|place| place + usize::from(undecided)),
            kind: if seen { "fail" } else { "open" },
            level: seen.then(|| level(finding.severity)),
            message: self.message(finding, reason, was_violated),
            locations: vec![location(finding)],
            related_locations: Vec::new(),
            partial_fingerprints: BTreeMap::from([
                ("pipewarden/v1", finding.id.clone()),
                // The only one that GitHub reads; it would make one of the file, and there is none.
                ("primaryLocationLineHash", format!("{}:1", finding.id)),
            ]),
            suppressions: finding.exception.iter().filter(|_| seen).map(suppression).collect(),
            baseline_state: lifecycle.map(|lifecycle| baseline_state(lifecycle.change)),
            properties: Properties {
                account: Some(resource.account.as_str()),
                account_name: account.map(|account| account.name.as_str()),
                change: lifecycle.map(|lifecycle| lifecycle.change.as_str()),
                compliance: Some(if reason.is_some() {
                    ComplianceType::InsufficientData.as_str()
                } else {
                    finding.compliance.as_str()
                }),
                evidence: Some(&finding.evidence).filter(|evidence| !evidence.is_empty()),
                first_observed_at: lifecycle.map(|lifecycle| lifecycle.first_observed_at.as_str()),
                gaps: &finding.gaps,
                last_known: last_known.or(reason.map(|_| finding.compliance)).map(ComplianceType::as_str),
                last_observed_at: lifecycle.and_then(|lifecycle| lifecycle.last_observed_at.as_deref()),
                organizational_unit: account.map(|account| account.organizational_unit_path.as_str()),
                owner: finding.owner.as_ref().map(|owner| owner.name.as_str()),
                owner_source: finding.owner.as_ref().map(|owner| owner.source.to_string()),
                property_path: None,
                region: Some(resource.region.as_str()),
                resource_type: Some(resource.type_name.as_str()),
                severity: finding.severity.as_str(),
            },
        }
    }

    fn message(&self, finding: &Finding, reason: Option<&str>, was_violated: bool) -> Message {
        let control = self.report.controls.get(&finding.control);
        let title = control.map_or(finding.control.as_str(), |control| &control.title);
        let resource = &*finding.resource;
        let name = match self.report.accounts.get(&resource.account) {
            Some(account) if !account.name.is_empty() => format!("{} ({})", resource.account, account.name),
            _ => resource.account.to_string(),
        };
        let subject = format!("{} in account {name}, {}", name_of(resource.uid.as_str()), resource.region);
        let unseen = reason.is_some() || finding.compliance == ComplianceType::InsufficientData;
        let known = match &finding.lifecycle {
            Some(lifecycle) if unseen && was_violated => {
                let at = lifecycle.last_observed_at.as_ref().map_or_else(String::new, |at| format!(", {at}"));
                format!(" It was a violation when it was last seen{at}.")
            }
            _ => String::new(),
        };
        let (head, rest) = if let Some(reason) = reason {
            ("Not seen this time: ", format!("{reason}{known}"))
        } else if unseen {
            ("Not decided: ", format!("Could not be seen: {}.{known}", finding.gaps.join("; ")))
        } else {
            let mend = control.map_or_else(String::new, |control| control.remediation_for(&finding.evidence));
            let facts = evidence_in_words(finding);
            ("", if facts.is_empty() { mend } else { format!("Seen: {facts}. {mend}") })
        };
        let (title, subject, rest) = (short(title, 400), short(&subject, 600), short(&rest, 2_000));
        Message {
            text: without_links(&format!("{head}{title}: {subject}. {rest}")),
            markdown: Some(format!(
                "{head}**{}** {}\n\n{}",
                plain(&title, 400),
                plain(&subject, 600),
                plain(&rest, 2_000)
            )),
        }
    }
}

fn baseline_state(change: Change) -> &'static str {
    match change {
        Change::New => "new",
        // What is there to say of it is another thing than in the run before.
        Change::Worsened | Change::Improved | Change::NotSeen => "updated",
        Change::Unchanged => "unchanged",
        Change::Resolved => "absent",
    }
}

fn suppression(exception: &crate::finding::ExceptionRef) -> Suppression {
    let said = format!(
        "{} ({}; {} answers for it until {}; exception {})",
        exception.reason, exception.ticket, exception.owner, exception.expires, exception.id
    );
    Suppression { kind: "external", status: "accepted", justification: short(&said, 1_000) }
}

/// What an ARN names, without partition, service, Region and account.
fn name_of(uid: &str) -> &str {
    match uid.strip_prefix("arn:") {
        Some(arn) => arn.splitn(5, ':').nth(4).unwrap_or(uid),
        None => uid,
    }
}

fn location(finding: &Finding) -> Location {
    let resource = &*finding.resource;
    let name = short(name_of(resource.uid.as_str()), 6 * NAME);
    let of_type = resource.type_name.as_str().replace("::", "/");
    let path = [resource.account.as_str(), resource.region.as_str(), &of_type, &name].join("/");
    Location {
        id: None,
        physical: PhysicalLocation {
            artifact_location: ArtifactLocation { uri: uri::segments(&path), uri_base_id: Some(BASE) },
            region: None,
        },
        logical_locations: vec![LogicalLocation {
            name,
            fully_qualified_name: short(resource.uid.as_str(), 2_048),
            kind: "resource",
        }],
        message: None,
    }
}

fn rule(control: &Control, undecided: bool) -> Rule {
    let mend = remediation(&control.remediation);
    let title = short(&control.title, 1_000);
    let mut tags: Vec<String> = if undecided { Vec::new() } else { vec!["security".to_owned()] };
    tags.extend(control.frameworks.iter().map(|id| short(id, NAME)));
    let described = if undecided { format!("Not decided: {title}") } else { title.clone() };
    Rule {
        id: rule_id(&control.id, undecided),
        short_description: Text { text: described.clone() },
        full_description: Text { text: described },
        help_uri: repository().map(|address| format!("{address}/blob/main/docs/controls.md#{}", control.id)),
        help: Message {
            text: format!("{}\n\n{}", visible(&control.title), visible(&mend)),
            markdown: Some(format!("{}\n\n{}", plain(&title, 2_000), plain(&mend, 2_000))),
        },
        default_configuration: Configuration { level: if undecided { "note" } else { level(control.severity) } },
        properties: RuleProperties::of(tags, TAGS, (!undecided).then(|| security_severity(control.severity))),
    }
}

/// What could not be seen and what was left out, one notification for each cause; `coverage.json` has them one by one.
fn invocation(report: &Report<'_>) -> Invocation {
    let note = |level, text: String| Notification {
        level,
        message: NotificationText { text: without_links(&text) },
        locations: Vec::new(),
    };
    let mut notifications = Vec::new();
    for spot in Blind::of(report).into_spots() {
        let mut accounts: Vec<&str> = spot.accounts.iter().map(|(account, _)| account.as_str()).collect();
        accounts.sort_unstable();
        let named = named(&accounts);
        let (action, cause) = (short(&spot.action, NAME), short(&spot.example, 400));
        let places = counted(accounts.len() as u64, "account");
        let text = format!("Could not be seen: {action} ({}) in {places}: {named}. {cause}", spot.word);
        notifications.push(note("warning", text));
    }
    for (reason, accounts) in skipped_by_reason(report) {
        let ids: Vec<&str> = accounts.keys().map(|account| account.as_str()).collect();
        let places = counted(ids.len() as u64, "account");
        notifications.push(note("note", format!("Left out in {places}: {}: {}", named(&ids), short(reason, 300))));
    }
    let resolved = report
        .over_time
        .comparison
        .as_ref()
        .map_or(0, |comparison| comparison.violations.get(&Change::Resolved).copied().unwrap_or(0));
    if resolved > 0 {
        let text = format!("{} of the run before resolved; no results here", counted(resolved, "violation"));
        notifications.push(note("note", text));
    }
    Invocation {
        execution_successful: report.calls.ok > 0 || report.calls.calls() == 0,
        start_time_utc: Some(report.run.started_at.clone()),
        tool_execution_notifications: notifications,
    }
}

fn named(ids: &[&str]) -> String {
    let first: Vec<&str> = ids.iter().take(NAMED).copied().collect();
    match ids.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// Passes bytes on, and knows how many they would be if they were packed.
struct Packed<'a> {
    out: &'a mut dyn Write,
    packer: GzEncoder<Size>,
}

struct Size(u64);

impl<'a> Packed<'a> {
    fn of(out: &'a mut dyn Write) -> Self {
        // Whoever uploads packs better than this, so this is an upper bound.
        Self { out, packer: GzEncoder::new(Size(0), Compression::fast()) }
    }

    fn size(&self) -> u64 {
        self.packer.get_ref().0
    }
}

impl Write for Packed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.packer.write_all(bytes.get(..written).unwrap_or_default())?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Write for Size {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
