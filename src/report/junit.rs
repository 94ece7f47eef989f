//! `findings.junit.xml`: findings as test results, for CodeBuild, Jenkins, GitLab and others.
//!
//! In: a report; XML wants the counts first, so the cases of one account are held back until it ends. Out: a suite per account, a case per control and
//! resource. A violation is a failure, what could not be seen an error, and what does not apply or is excepted is skipped
//! with the reason. A report of nothing has a case that is an error.

use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::standing::{Standing, Told, change, exception_in_words, standing, title, told};
use super::text::{NAME, short};
use super::wording::{account_label, evidence_in_words};
use super::xml::{attribute, writable};
use super::{Report, ReportFormat};
use crate::finding::{ComplianceType, Finding};
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

    /// All cases of a report: what the run counted, and what only the run before had.
    fn of(report: &Report<'_>) -> io::Result<Self> {
        let counts = &report.counts;
        let of = |result| counts.by_compliance.get(&result).copied().unwrap_or_default();
        let mut all = Self {
            tests: counts.by_compliance.values().sum(),
            failures: of(ComplianceType::NonCompliant) - counts.excepted,
            errors: of(ComplianceType::InsufficientData),
            skipped: 0,
        };
        for gone in report.findings.gone()? {
            let gone = Told::of_gone(gone?);
            if !silent(&gone) {
                all.count(stands(&gone));
            }
        }
        Ok(all)
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
        let mut all = Tally::of(report)?;
        let nothing = all.tests == 0;
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
            suites(&mut xml, report)?;
        }
        xml.write_event(Event::End(BytesEnd::new("testsuites")))?;
        writeln!(xml.into_inner())
    }
}

/// What becomes a case: what does not apply is one as well, unless it is gone.
fn cases<'a>(report: &'a Report<'_>) -> io::Result<impl Iterator<Item = io::Result<Told>> + 'a> {
    Ok(told(report)?.filter(|one| !one.as_ref().is_ok_and(silent)))
}

fn silent(told: &Told) -> bool {
    told.gone.is_some() && stands(told).is_none()
}

fn stands(told: &Told) -> Option<Standing> {
    standing(&told.finding, told.gone.is_some())
}

/// Findings come sorted by account, so a suite is open until the next one begins.
fn suites(xml: &mut Writer<&mut dyn Write>, report: &Report<'_>) -> io::Result<()> {
    let mut open: Option<(AccountId, Suite)> = None;
    for one in cases(report)? {
        let one = one?;
        let account = &one.finding.resource.account;
        if let Some((ended, suite)) = open.take_if(|(open, _)| open != account) {
            suite.end(xml, report, &ended)?;
        }
        let (_, suite) = match &mut open {
            Some(open) => open,
            none => none.insert((account.clone(), Suite::begin()?)),
        };
        suite.tally.count(stands(&one));
        write(&mut suite.cases, report, &one)?;
    }
    open.map_or(Ok(()), |(ended, suite)| suite.end(xml, report, &ended))
}

/// The cases of one account, which are counted while they are written.
struct Suite {
    tally: Tally,
    cases: Writer<Vec<u8>>,
    /// Where the first case begins.
    from: usize,
}

impl Suite {
    fn begin() -> io::Result<Self> {
        let mut cases = Writer::new_with_indent(Vec::new(), b' ', 1);
        // As deep as they will stand.
        for above in ["testsuites", "testsuite"] {
            cases.write_event(Event::Start(BytesStart::new(above)))?;
        }
        let from = cases.get_ref().len();
        Ok(Self { tally: Tally::default(), cases, from })
    }

    fn end(self, xml: &mut Writer<&mut dyn Write>, report: &Report<'_>, account: &AccountId) -> io::Result<()> {
        start(xml, report, &account_label(report, account), self.tally)?;
        let text = self.cases.into_inner();
        xml.get_mut().write_all(text.get(self.from..).unwrap_or_default())?;
        xml.write_event(Event::End(BytesEnd::new("testsuite")))
    }
}

fn start(xml: &mut Writer<&mut dyn Write>, report: &Report<'_>, name: &str, tally: Tally) -> io::Result<()> {
    let mut suite = BytesStart::new("testsuite");
    attribute(&mut suite, "name", name);
    tally.write(&mut suite, true);
    // The format knows no time zone; this is UTC.
    attribute(&mut suite, "timestamp", report.run.started_at.trim_end_matches('Z'));
    xml.write_event(Event::Start(suite))
}

fn write(xml: &mut Writer<Vec<u8>>, report: &Report<'_>, told: &Told) -> io::Result<()> {
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

fn case<W: Write>(xml: &mut Writer<W>, name: &str, class: &str, end: &End, text: &str) -> io::Result<()> {
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
