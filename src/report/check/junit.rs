//! `JUnit` XML, which CodeBuild, Jenkins, GitLab and others show as test results.
//!
//! In: a report. Out: a suite per file, a case per control and resource. A violation is a failure, what could not be
//! decided an error, and what does not apply, is known or excepted is skipped with the reason.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::{CheckFormat, CheckReport, UnreadableFile, wording};
use crate::finding::{ComplianceType, TemplateChange, TemplateFinding};
use crate::report::text::{NAME, short};
use crate::report::xml::{attribute, writable};

/// The `junit` format.
pub struct Junit;

/// How a case ends, with its message.
enum End {
    Passed,
    Failure(String),
    Error(String),
    Skipped(String),
}

struct Case {
    name: String,
    class: String,
    end: End,
    /// What a failure is about, in several lines.
    text: String,
}

impl CheckFormat for Junit {
    fn name(&self) -> &'static str {
        "junit"
    }

    fn about(&self) -> &'static str {
        "JUnit XML: test results for CodeBuild, Jenkins, GitLab"
    }

    fn write(&self, report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
        let mut suites: BTreeMap<String, Vec<Case>> = BTreeMap::new();
        for file in &report.unreadable {
            suites.entry(report.roots.path(&file.file)).or_default().push(unreadable(file));
        }
        for finding in &report.findings {
            suites.entry(report.roots.path(&finding.place.file)).or_default().push(case(report, finding));
        }
        for file in &report.files {
            suites.entry(report.roots.path(&file.file)).or_default();
        }
        let mut xml = Writer::new_with_indent(out, b' ', 2);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let mut root = BytesStart::new("testsuites");
        root.push_attribute(("name", "pipewarden"));
        let all: Vec<&Case> = suites.values().flatten().collect();
        counts(&mut root, &all);
        xml.write_event(Event::Start(root))?;
        for (file, cases) in &suites {
            let mut suite = BytesStart::new("testsuite");
            attribute(&mut suite, "name", &short(file, 4 * NAME));
            counts(&mut suite, &cases.iter().collect::<Vec<_>>());
            xml.write_event(Event::Start(suite))?;
            for case in cases {
                write(&mut xml, case)?;
            }
            xml.write_event(Event::End(BytesEnd::new("testsuite")))?;
        }
        xml.write_event(Event::End(BytesEnd::new("testsuites")))?;
        writeln!(xml.into_inner())
    }
}

fn counts(element: &mut BytesStart<'_>, cases: &[&Case]) {
    let of = |wanted: fn(&End) -> bool| cases.iter().filter(|case| wanted(&case.end)).count().to_string();
    element.push_attribute(("tests", cases.len().to_string().as_str()));
    element.push_attribute(("failures", of(|end| matches!(end, End::Failure(_))).as_str()));
    element.push_attribute(("errors", of(|end| matches!(end, End::Error(_))).as_str()));
    element.push_attribute(("skipped", of(|end| matches!(end, End::Skipped(_))).as_str()));
    // Nothing is measured, and some readers do not take a suite without it.
    element.push_attribute(("time", "0"));
}

fn unreadable(file: &UnreadableFile) -> Case {
    let at = file.at.map_or_else(String::new, |at| format!("{}:{}: ", at.line, at.column));
    let message = format!("cannot be read: {at}{}", short(&file.message, 400));
    Case { name: "can be read".to_owned(), class: "file".to_owned(), end: End::Error(message), text: String::new() }
}

fn case(report: &CheckReport, finding: &TemplateFinding) -> Case {
    let control = &finding.finding.control;
    let end = match finding.finding.compliance {
        ComplianceType::Compliant => End::Passed,
        ComplianceType::NotApplicable => End::Skipped("not applicable".to_owned()),
        ComplianceType::InsufficientData if finding.is_gap() => End::Error(wording::undecided(finding)),
        ComplianceType::InsufficientData => {
            End::Skipped("only the deployed account can say it; `pipewarden audit` looks at it".to_owned())
        }
        ComplianceType::NonCompliant => match wording::exception(finding) {
            Some(exception) => End::Skipped(exception),
            None if finding.change == TemplateChange::Known => {
                End::Skipped("violated before this change, no better".to_owned())
            }
            None => End::Failure(format!("{}: {}", finding.finding.severity, wording::title(report, control))),
        },
    };
    let text = if matches!(end, End::Failure(_)) {
        let place = wording::at(report, &finding.place);
        format!("{place}: {}\n{}", wording::subject(finding), wording::advice(report, finding))
    } else {
        String::new()
    };
    let class = format!("{}.{}", finding.finding.resource.type_name.as_str(), short(&finding.logical_id, 2 * NAME));
    Case { name: short(control, 2 * NAME), class, end, text }
}

fn write(xml: &mut Writer<&mut dyn Write>, case: &Case) -> io::Result<()> {
    let mut element = BytesStart::new("testcase");
    attribute(&mut element, "name", &case.name);
    attribute(&mut element, "classname", &case.class);
    element.push_attribute(("time", "0"));
    let (name, message) = match &case.end {
        End::Passed => return xml.write_event(Event::Empty(element)),
        End::Failure(message) => ("failure", message),
        End::Error(message) => ("error", message),
        End::Skipped(message) => ("skipped", message),
    };
    xml.write_event(Event::Start(element))?;
    let mut inner = BytesStart::new(name);
    attribute(&mut inner, "message", message);
    if case.text.is_empty() {
        xml.write_event(Event::Empty(inner))?;
    } else {
        xml.write_event(Event::Start(inner))?;
        let lines: Vec<Cow<'_, str>> = case.text.lines().map(writable).collect();
        xml.write_event(Event::Text(BytesText::new(&lines.join("\n"))))?;
        xml.write_event(Event::End(BytesEnd::new(name)))?;
    }
    xml.write_event(Event::End(BytesEnd::new("testcase")))
}
