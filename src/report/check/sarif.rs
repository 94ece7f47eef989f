//! SARIF 2.1.0, for code scanning.
//!
//! In: a report. Out: one log. What GitHub takes and shows of a log is limited; results that are over a limit are spread
//! over further runs, and what fits in none is left out from the end, the least bad first, with a notification that says so.
//!
//! What could not be decided has a rule of its own, `<control>/undecided`: GitHub takes the severity of an alert from its
//! rule, and an open question is not as bad as a violation. What only a deployed account can say is one notification, not
//! an alert that no change of the file would ever close. The same goes for what a change mends: GitHub does not read
//! `baselineState`, and would open an alert for it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::rc::Rc;

use super::overview::Overview;
use super::{CheckFormat, CheckReport, Roots, wording};
use crate::finding::{ComplianceType, Severity, SourcePlace, TemplateChange, TemplateFinding};
use crate::inventory::{Position, Span};
use crate::report::markup::plain;
use crate::report::sarif_model::{
    ArtifactLocation, AutomationDetails, Configuration, Driver, Invocation, Location, Log, LogicalLocation, Message,
    Notification, NotificationLocation, NotificationText, PhysicalLocation, Properties, RUNS, Region, Result, Rule,
    RuleProperties, Run, SCHEMA, STORED_RESULTS, Suppression, Text, Tool, UriBase, VERSION, level, repository, rule_id,
    security_severity, without_links,
};
use crate::report::text::{NAME, counted, remediation, short, visible};

/// The `sarif` format.
pub struct Sarif;

const ROOT: &str = "%SRCROOT%";

/// Limits of GitHub's code scanning.
struct Limits {
    /// Results of a run that are shown; up to 25,000 are taken.
    results: usize,
    runs: usize,
    /// Bytes of all results. Logs shrink to less than a tenth when they are packed, and 10 MB is what may arrive.
    bytes: usize,
}

const GITHUB: Limits = Limits { results: STORED_RESULTS, runs: RUNS, bytes: 90_000_000 };
/// Related places of a result; GitHub takes 1,000.
const RELATED: usize = 100;
/// Tags of a rule; GitHub takes 20 and shows 10.
const TAGS: usize = 10;
const NOTIFICATIONS: usize = 200;

impl CheckFormat for Sarif {
    fn name(&self) -> &'static str {
        "sarif"
    }

    fn about(&self) -> &'static str {
        "SARIF 2.1.0, for code scanning"
    }

    fn write(&self, report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
        write_log(report, &GITHUB, out)
    }
}

fn write_log(report: &CheckReport, limits: &Limits, out: &mut dyn Write) -> io::Result<()> {
    let listed: Vec<&TemplateFinding> = report
        .findings
        .iter()
        .filter(|one| one.finding.compliance == ComplianceType::NonCompliant || one.is_gap())
        .collect();
    let mut builder = Builder { report, fingerprints: BTreeMap::new() };
    let mut runs: Vec<(Rules, Vec<Result<'_>>)> = vec![(Rules::default(), Vec::new())];
    let mut size = Size(0);
    let mut written = 0;
    for finding in &listed {
        if runs.last().is_some_and(|(_, results)| results.len() >= limits.results) {
            if runs.len() >= limits.runs {
                break;
            }
            runs.push((Rules::default(), Vec::new()));
        }
        let Some((rules, results)) = runs.last_mut() else { break };
        let result = builder.result(finding, rules);
        if listed.len() > limits.results {
            serde_json::to_writer(&mut size, &result)?;
            if size.0 > limits.bytes {
                break;
            }
        }
        results.push(result);
        written += 1;
    }
    let invocation = invocation(report, listed.len() - written);
    let runs = runs.into_iter().enumerate().map(|(number, (rules, results))| Run {
        tool: Tool { driver: driver(report, &rules) },
        automation_details: AutomationDetails {
            // Code scanning wants a category of its own for every run of a log; it ends at the last slash.
            id: if number == 0 { "pipewarden/".to_owned() } else { format!("pipewarden-{}/", number + 1) },
        },
        invocations: if number == 0 { vec![invocation.clone()] } else { vec![Invocation::quiet(&invocation)] },
        column_kind: "unicodeCodePoints",
        original_uri_base_ids: BTreeMap::from([(
            ROOT,
            UriBase { description: Message { text: "The root of the repository.".to_owned(), markdown: None } },
        )]),
        properties: None,
        results,
    });
    serde_json::to_writer(&mut *out, &Log { schema: SCHEMA, version: VERSION, runs: runs.collect() })?;
    writeln!(out)
}

/// Counts what is written.
struct Size(usize);

impl Write for Size {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The rules of a run, in the order in which results need them.
#[derive(Default)]
struct Rules {
    places: BTreeMap<String, usize>,
    /// Control, and whether the rule is about what could not be decided.
    rules: Vec<(String, bool)>,
}

impl Rules {
    fn index(&mut self, control: &str, undecided: bool) -> usize {
        let next = self.rules.len();
        let place = *self.places.entry(rule_id(control, undecided)).or_insert(next);
        if place == next {
            self.rules.push((control.to_owned(), undecided));
        }
        place
    }
}

fn driver<'a>(report: &'a CheckReport, rules: &Rules) -> Driver<'a> {
    Driver {
        name: "pipewarden",
        version: &report.tool_version,
        information_uri: repository(),
        rules: rules.rules.iter().map(|(control, undecided)| rule(report, control, *undecided)).collect(),
        properties: BTreeMap::from([("policyHash", report.policy_hash.as_str())]),
    }
}

fn rule(report: &CheckReport, id: &str, undecided: bool) -> Rule {
    let control = report.controls.get(id);
    let severity = control.map_or(Severity::Low, |control| control.severity);
    let title = wording::title(report, id);
    let fix = report.fixes.get(id).cloned().unwrap_or_default();
    let mend = control.map_or_else(String::new, |control| remediation(&control.remediation));
    let mut text = [title.as_str(), &fix.rationale, &mend].map(|text| visible(text).into_owned()).join("\n\n");
    let mut markdown = [title.as_str(), &fix.rationale, &mend].map(|text| plain(text, 2_000)).join("\n\n");
    for (name, language, fragment) in
        [("CloudFormation", "yaml", &fix.cloudformation), ("Terraform", "hcl", &fix.terraform)]
    {
        if !fragment.is_empty() {
            let lines: Vec<_> = fragment.lines().map(visible).collect();
            let lines = lines.join("\n");
            text.push_str(&["\n\n", name, ":\n", &lines].concat());
            markdown.push_str(&["\n\n", name, ":\n\n````", language, "\n", &lines, "\n````"].concat());
        }
    }
    let short_description = if undecided { format!("Not decided: {title}") } else { title };
    let full = if fix.rationale.is_empty() { short_description.clone() } else { short(&fix.rationale, 1_000) };
    let mut tags: Vec<String> = if undecided { Vec::new() } else { vec!["security".to_owned()] };
    tags.extend(control.iter().flat_map(|control| &control.frameworks).map(|id| short(id, NAME)));
    Rule {
        id: rule_id(id, undecided),
        short_description: Text { text: short_description },
        full_description: Text { text: full },
        help_uri: repository().map(|address| format!("{address}/blob/main/docs/controls.md#{id}")),
        help: Message { text, markdown: Some(markdown) },
        default_configuration: Configuration { level: if undecided { "note" } else { level(severity) } },
        properties: RuleProperties::of(tags, TAGS, (!undecided).then(|| security_severity(severity))),
    }
}

struct Builder<'a> {
    report: &'a CheckReport,
    /// How often a fingerprint was seen in a file.
    fingerprints: BTreeMap<(&'a str, &'a str), usize>,
}

impl<'a> Builder<'a> {
    fn result(&mut self, finding: &'a TemplateFinding, rules: &mut Rules) -> Result<'a> {
        let report = self.report;
        let control = &finding.finding.control;
        let undecided = finding.finding.compliance == ComplianceType::InsufficientData;
        let times = self.fingerprints.entry((&finding.place.file, &finding.fingerprint)).or_default();
        *times += 1;
        let fingerprint =
            if *times == 1 { finding.fingerprint.clone() } else { format!("{}:{times}", finding.fingerprint) };
        let related = finding.related.iter().take(RELATED).enumerate().map(|(number, one)| Location {
            id: Some(number + 1),
            physical: physical(&report.roots, &one.place),
            logical_locations: Vec::new(),
            message: Some(Message { text: short(&one.message, 300), markdown: None }),
        });
        let suppressions = wording::exception(finding).into_iter().map(|justification| Suppression {
            kind: "external",
            status: "accepted",
            justification,
        });
        let properties = Properties {
            property_path: Some(finding.property_path.as_str()).filter(|path| !path.is_empty()),
            severity: finding.finding.severity.as_str(),
            ..Properties::default()
        };
        Result {
            rule_id: rule_id(control, undecided).into(),
            rule_index: Some(rules.index(control, undecided)),
            kind: if undecided { "review" } else { "fail" },
            level: (!undecided).then(|| level(finding.finding.severity)),
            message: message(report, finding),
            locations: vec![Location {
                id: None,
                physical: physical(&report.roots, &finding.place),
                logical_locations: logical(finding),
                message: None,
            }],
            related_locations: related.collect(),
            partial_fingerprints: BTreeMap::from([("pipewarden/v1", fingerprint)]),
            suppressions: suppressions.collect(),
            baseline_state: report.compared.then_some(match finding.change {
                TemplateChange::New => "new",
                TemplateChange::Worsened => "updated",
                TemplateChange::Known => "unchanged",
            }),
            properties,
        }
    }
}

fn message(report: &CheckReport, finding: &TemplateFinding) -> Message {
    let text = wording::message(report, finding);
    let mut markdown = format!(
        "**{}** {}\n\n{}",
        plain(&wording::title(report, &finding.finding.control), 400),
        plain(&wording::subject(finding), 600),
        if finding.finding.compliance == ComplianceType::InsufficientData {
            format!("Not decided: {}", plain(&wording::undecided(finding), 900))
        } else {
            plain(&wording::advice(report, finding), 900)
        }
    );
    for (number, related) in finding.related.iter().take(RELATED).enumerate() {
        markdown.push_str(&["\n- [", &plain(&related.message, 300), "](", &(number + 1).to_string(), ")"].concat());
    }
    Message { text: without_links(&text), markdown: Some(markdown) }
}

fn physical(roots: &Roots, place: &SourcePlace) -> PhysicalLocation {
    let (uri, relative) = roots.uri(&place.file);
    PhysicalLocation {
        artifact_location: ArtifactLocation { uri, uri_base_id: relative.then_some(ROOT) },
        region: region(&place.span),
    }
}

fn region(span: &Span) -> Option<Region> {
    let (start, end) = (span.start, span.end.max(span.start));
    (start.line > 0).then(|| Region {
        start_line: start.line,
        start_column: start.column.max(1),
        end_line: end.line,
        end_column: end.column.max(1),
    })
}

fn logical(finding: &TemplateFinding) -> Vec<LogicalLocation> {
    let resource = LogicalLocation {
        name: short(&finding.logical_id, 2 * NAME),
        fully_qualified_name: short(finding.finding.resource.uid.as_str(), 6 * NAME),
        kind: "resource",
    };
    let construct = finding.construct_path.as_ref().map(|path| LogicalLocation {
        name: short(path.rsplit('/').next().unwrap_or(path), 2 * NAME),
        fully_qualified_name: short(path, 6 * NAME),
        kind: "construct",
    });
    std::iter::once(resource).chain(construct).collect()
}

fn invocation(report: &CheckReport, left_out: usize) -> Invocation {
    let overview = Overview::of(report);
    let mut notifications: Vec<Notification> = Vec::new();
    let mut say = |level, text: String, place: Option<SourcePlace>| {
        let locations = place
            .iter()
            .map(|place| NotificationLocation { physical_location: Rc::new(physical(&report.roots, place)) })
            .collect();
        notifications.push(Notification { level, message: NotificationText { text }, locations });
    };
    if left_out > 0 {
        let results = counted(left_out as u64, "result");
        let text = format!(
            "{results} left out, none worse than those here: code scanning takes no more; `--format json` has all"
        );
        say("warning", text, None);
    }
    for file in &report.unreadable {
        let at = file.at.unwrap_or_default();
        let end = Position { line: at.line, column: at.column + u32::from(at.line > 0) };
        let place = SourcePlace { file: std::sync::Arc::clone(&file.file), span: Span { start: at, end } };
        say("error", format!("cannot be read: {}", short(&file.message, 400)), Some(place));
    }
    for removal in &report.removed {
        let text = format!("This change removes: {}", short(&removal.what, 300));
        say("warning", text, Some(removal.place.clone()));
    }
    for reason in &overview.undecided {
        let answers = counted(reason.findings.len() as u64, "answer");
        say("note", format!("Not decided: {answers}: {}", short(&wording::because(reason), 900)), None);
    }
    if !overview.only_deployed.is_empty() {
        say("note", wording::only_deployed(overview.only_deployed.len()), None);
    }
    if !report.resolved.is_empty() {
        say("note", format!("This change mends {}", counted(report.resolved.len() as u64, "violation")), None);
    }
    let more = notifications.len().saturating_sub(NOTIFICATIONS);
    if more > 0 {
        notifications.truncate(NOTIFICATIONS);
        let text = format!("and {}; `--format json` has all", counted(more as u64, "more notification"));
        notifications.push(Notification { level: "note", message: NotificationText { text }, locations: Vec::new() });
    }
    Invocation {
        execution_successful: report.unreadable.is_empty(),
        start_time_utc: None,
        tool_execution_notifications: notifications,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::fixture::{finding, report, undecided};
    use super::*;
    use crate::finding::Blind;

    fn log(report: &CheckReport, limits: &Limits) -> Value {
        let mut bytes = Vec::new();
        write_log(report, limits, &mut bytes).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    fn many() -> CheckReport {
        let severity = |line: u32| if line == 30 { Severity::Critical } else { Severity::Low };
        report((1..=30).map(|line| finding(&format!("c{}", line % 3), severity(line), "a.yaml", line)).collect())
    }

    #[test]
    fn what_is_over_a_limit_goes_to_further_runs_and_then_is_counted() {
        let log = log(&many(), &Limits { results: 10, runs: 2, bytes: usize::MAX });
        let runs = log["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 2);
        assert!(runs.iter().all(|run| run["results"].as_array().unwrap().len() == 10));
        assert_eq!(runs[0]["results"][0]["level"], "error", "the worst is first");
        assert_ne!(runs[0]["automationDetails"]["id"], runs[1]["automationDetails"]["id"]);
        let said = runs[0]["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"].as_str().unwrap();
        assert!(said.starts_with("10 results left out"), "{said}");
        for run in runs {
            for result in run["results"].as_array().unwrap() {
                let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
                assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
            }
        }
    }

    #[test]
    fn what_is_too_large_is_cut_and_counted() {
        let log = log(&many(), &Limits { results: 10, runs: 20, bytes: 5_000 });
        let written: usize =
            log["runs"].as_array().unwrap().iter().map(|run| run["results"].as_array().unwrap().len()).sum();
        assert!(written > 0 && written < 30, "{written}");
        let said =
            log["runs"][0]["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"].as_str().unwrap();
        assert!(said.starts_with(&format!("{} results left out", 30 - written)), "{said}");
    }

    #[test]
    fn open_questions_have_rules_of_their_own_and_what_only_deployment_shows_is_no_result() {
        let mut findings = vec![finding("c", Severity::High, "a.yaml", 1)];
        findings.push(undecided("c", 2, Blind::Unresolved, "`X` has no value"));
        findings.push(undecided("c", 3, Blind::OnlyDeployed, "only deployed"));
        let log = log(&report(findings), &GITHUB);
        let run = &log["runs"][0];
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), 2);
        assert_eq!((&results[0]["ruleId"], &results[1]["ruleId"]), (&Value::from("c"), &Value::from("c/undecided")));
        assert_eq!((&results[1]["kind"], &results[1]["level"]), (&Value::from("review"), &Value::Null));
        let rules = &run["tool"]["driver"]["rules"];
        assert_eq!(rules[0]["properties"]["security-severity"], "8.0");
        assert_eq!(rules[0]["properties"]["tags"].as_array().unwrap().len(), 10);
        assert_eq!(rules[1]["properties"].get("security-severity"), None);
        assert_eq!(rules[1]["defaultConfiguration"]["level"], "note");
        assert!(rules[0]["help"]["text"].as_str().unwrap().contains("Mend <thing>."));
        let said = run["invocations"][0]["toolExecutionNotifications"].to_string();
        assert!(said.contains("1 answer needs the deployed account") && said.contains("`X` has no value"), "{said}");
    }

    #[test]
    fn equal_fingerprints_of_a_file_are_told_apart() {
        let mut findings = vec![finding("c", Severity::Low, "a.yaml", 1), finding("c", Severity::Low, "a.yaml", 2)];
        findings[1].fingerprint = findings[0].fingerprint.clone();
        let log = log(&report(findings), &GITHUB);
        let of = |nth: usize| log["runs"][0]["results"][nth]["partialFingerprints"]["pipewarden/v1"].clone();
        assert_eq!(of(1), format!("{}:2", of(0).as_str().unwrap()));
    }
}
