//! `findings.junit.xml`: findings as test results, for CodeBuild, Jenkins, GitLab and others.
//!
//! In: a report, which is read twice, because XML wants the counts first. Out: a suite per account, a case per control and
//! resource. A violation is a failure, what could not be seen an error, and what does not apply or is excepted is skipped
//! with the reason. A report of nothing has a case that is an error.

use std::collections::BTreeMap;
use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::standing::{Standing, Told, change, exception_in_words, standing, title, told};
use super::text::{NAME, short};
use super::wording::{account_label, evidence_in_words};
use super::xml::{attribute, writable};
use super::{Report, ReportFormat};
use crate::finding::Finding;
use crate::inventory::AccountId;

/// The `junit` format.
pub struct Junit;

/// The longest message.
const MESSAGE: usize = 900;

/// How a case ends, with its message.
enum End {
    Passed,
    Failure(String),
    Error(String),
    Skipped(String),
}

/// Cases by their end.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    tests: u64,
    failures: u64,
    errors: u64,
    skipped: u64,
}

impl Tally {
    fn count(&mut self, stands: Option<Standing>) {
        self.tests += 1;
        match stands {
            Some(Standing::Violated) => self.failures += 1,
            Some(Standing::NotSeen { .. }) => self.errors += 1,
            Some(Standing::Excepted | Standing::Closed) | None => self.skipped += 1,
            Some(Standing::Passed) => {}
        }
    }

    fn add(&mut self, other: Self) {
        self.tests += other.tests;
        self.failures += other.failures;
        self.errors += other.errors;
        self.skipped += other.skipped;
    }

    /// `testsuites` has no place for the skipped ones.
    fn write(self, element: &mut BytesStart<'_>, skipped: bool) {
        element.push_attribute(("tests", self.tests.to_string().as_str()));
        element.push_attribute(("failures", self.failures.to_string().as_str()));
        element.push_attribute(("errors", self.errors.to_string().as_str()));
        if skipped {
            element.push_attribute(("skipped", self.skipped.to_string().as_str()));
        }
        // Nothing is measured, and some readers do not take a suite without it.
        element.push_attribute(("time", "0"));
    }
}

impl ReportFormat for Junit {
    fn name(&self) -> &'static str {
        "junit"
    }

    fn file_name(&self) -> &'static str {
        "findings.junit.xml"
    }

    fn about(&self) -> &'static str {
        "JUnit XML: findings as test results for CodeBuild, Jenkins, GitLab"
    }

    fn write(&self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
        let mut accounts: BTreeMap<AccountId, Tally> = BTreeMap::new();
        for one in cases(report)? {
            let one = one?;
            accounts.entry(one.finding.resource.account.clone()).or_default().count(stands(&one));
        }
        let mut all = Tally::default();
        for tally in accounts.values() {
            all.add(*tally);
        }
        let nothing = accounts.is_empty();
        if nothing {
            all = Tally { tests: 1, errors: 1, ..Tally::default() };
        }
        let mut xml = Writer::new_with_indent(out, b' ', 1);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let mut root = BytesStart::new("testsuites");
        root.push_attribute(("name", "pipewarden"));
        all.write(&mut root, false);
        xml.write_event(Event::Start(root))?;
        if nothing {
            start(&mut xml, report, "pipewarden", all)?;
            let message = "no control was asked about any resource; this is no pass";
            case(&mut xml, "something was judged", "pipewarden", &End::Error(message.to_owned()), "")?;
            xml.write_event(Event::End(BytesEnd::new("testsuite")))?;
        } else {
            suites(&mut xml, report, &accounts)?;
        }
        xml.write_event(Event::End(BytesEnd::new("testsuites")))?;
        writeln!(xml.into_inner())
    }
}

/// What becomes a case: what does not apply is one as well, unless it is gone.
fn cases<'a>(report: &'a Report<'_>) -> io::Result<impl Iterator<Item = io::Result<Told>> + 'a> {
    let silent = |told: &Told| told.gone.is_some() && stands(told).is_none();
    Ok(told(report)?.filter(move |one| !one.as_ref().is_ok_and(silent)))
}

fn stands(told: &Told) -> Option<Standing> {
    standing(&told.finding, told.gone.is_some())
}

/// Findings come sorted by account, so a suite is open until the next one begins.
fn suites(
    xml: &mut Writer<&mut dyn Write>,
    report: &Report<'_>,
    accounts: &BTreeMap<AccountId, Tally>,
) -> io::Result<()> {
    let mut open: Option<AccountId> = None;
    for one in cases(report)? {
        let one = one?;
        let account = &one.finding.resource.account;
        if open.as_ref() != Some(account) {
            if open.is_some() {
                xml.write_event(Event::End(BytesEnd::new("testsuite")))?;
            }
            let tally = accounts.get(account).copied().unwrap_or_default();
            start(xml, report, &account_label(report, account), tally)?;
            open = Some(account.clone());
        }
        write(xml, report, &one)?;
    }
    if open.is_some() {
        xml.write_event(Event::End(BytesEnd::new("testsuite")))?;
    }
    Ok(())
}

fn start(xml: &mut Writer<&mut dyn Write>, report: &Report<'_>, name: &str, tally: Tally) -> io::Result<()> {
    let mut suite = BytesStart::new("testsuite");
    attribute(&mut suite, "name", name);
    tally.write(&mut suite, true);
    // The format knows no time zone; this is UTC.
    attribute(&mut suite, "timestamp", report.run.started_at.trim_end_matches('Z'));
    xml.write_event(Event::Start(suite))
}

fn write(xml: &mut Writer<&mut dyn Write>, report: &Report<'_>, told: &Told) -> io::Result<()> {
    let finding: &Finding = &told.finding;
    let control = report.controls.get(&finding.control);
    let title = title(control, finding);
    let gone = told.gone.as_deref();
    let end = match stands(told) {
        Some(Standing::Passed) => End::Passed,
        Some(Standing::Violated) => End::Failure(format!("{}: {title}", finding.severity)),
        Some(Standing::Excepted) => {
            End::Skipped(finding.exception.as_ref().map_or_else(String::new, exception_in_words))
        }
        Some(Standing::NotSeen { was_violated }) => {
            let why = gone.map_or_else(|| finding.gaps.join("; "), str::to_owned);
            let known = if was_violated { ", violated when it was last seen" } else { "" };
            End::Error(format!("could not be seen{known}: {why}"))
        }
        Some(Standing::Closed) => End::Skipped(gone.unwrap_or("does not apply any more").to_owned()),
        None => End::Skipped("not applicable".to_owned()),
    };
    let text = if matches!(end, End::Failure(_)) { failure(report, finding) } else { String::new() };
    let resource = &finding.resource;
    let name = short(resource.uid.short_name(), 2 * NAME);
    let class = format!("{}.{}.{name}", short(resource.type_name.as_str(), NAME), resource.region);
    case(xml, &short(&finding.control, 2 * NAME), &class, &end, &text)
}

/// What a failure is about, in several lines.
fn failure(report: &Report<'_>, finding: &Finding) -> String {
    let mut lines = vec![finding.resource.uid.to_string()];
    if !finding.evidence.is_empty() {
        lines.push(evidence_in_words(finding));
    }
    if let Some(control) = report.controls.get(&finding.control) {
        lines.push(short(&control.remediation_for(&finding.evidence), MESSAGE));
    }
    if let Some(owner) = &finding.owner {
        lines.push(format!("owner: {} ({})", owner.name, owner.source));
    }
    if let (Some(change), Some(lifecycle)) = (change(finding), &finding.lifecycle) {
        lines.push(format!("{change}, since {}", lifecycle.first_observed_at));
    }
    lines.iter().map(|line| writable(line)).collect::<Vec<_>>().join("\n")
}

fn case(xml: &mut Writer<&mut dyn Write>, name: &str, class: &str, end: &End, text: &str) -> io::Result<()> {
    let mut element = BytesStart::new("testcase");
    attribute(&mut element, "name", name);
    attribute(&mut element, "classname", class);
    element.push_attribute(("time", "0"));
    let (kind, message) = match end {
        End::Passed => return xml.write_event(Event::Empty(element)),
        End::Failure(message) => ("failure", message),
        End::Error(message) => ("error", message),
        End::Skipped(message) => ("skipped", message),
    };
    xml.write_event(Event::Start(element))?;
    let mut inner = BytesStart::new(kind);
    attribute(&mut inner, "message", &short(message, MESSAGE));
    if text.is_empty() {
        xml.write_event(Event::Empty(inner))?;
    } else {
        xml.write_event(Event::Start(inner))?;
        xml.write_event(Event::Text(BytesText::new(text)))?;
        xml.write_event(Event::End(BytesEnd::new(kind)))?;
    }
    xml.write_event(Event::End(BytesEnd::new("testcase")))
}
