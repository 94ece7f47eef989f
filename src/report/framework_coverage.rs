//! How far the controls of a run answer for each requirement of each framework.
//!
//! In: a report, of which the findings are read once. Out: one line per requirement, with a status that never says more
//! than was seen. It exists so that both formats on frameworks count alike.

use std::collections::BTreeMap;
use std::io;

use super::Report;
use crate::finding::{ComplianceType, Finding, Framework, Requirement};

/// What a run says of one requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// A control found a violation.
    Violated,
    /// No violation was found, but something could not be seen.
    NotSeen,
    /// Everything that was asked was seen and is good. Controls cover parts of a requirement, so this is no proof of it.
    NoViolation,
    /// There are controls, but nothing that they apply to.
    NotApplicable,
    /// No control of this run is mapped to it.
    NoControl,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Violated => "violated",
            Self::NotSeen => "not fully seen",
            Self::NoViolation => "no violation found",
            Self::NotApplicable => "not applicable",
            Self::NoControl => "no control",
        }
    }
}

/// Findings of the controls that answer for something, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) compliant: u64,
    /// Under no exception.
    pub(super) violations: u64,
    pub(super) excepted: u64,
    pub(super) insufficient: u64,
}

impl Tally {
    /// Counts one more finding.
    pub(super) fn count(&mut self, finding: &Finding) {
        match finding.compliance {
            ComplianceType::Compliant => self.compliant += 1,
            ComplianceType::NonCompliant if finding.exception.is_some() => self.excepted += 1,
            ComplianceType::NonCompliant => self.violations += 1,
            ComplianceType::InsufficientData => self.insufficient += 1,
            ComplianceType::NotApplicable => {}
        }
    }

    fn add(&mut self, other: Self) {
        self.compliant += other.compliant;
        self.violations += other.violations;
        self.excepted += other.excepted;
        self.insufficient += other.insufficient;
    }

    fn status(self) -> Status {
        // An accepted violation is still one: an exception is a decision, not a remedy.
        if self.violations + self.excepted > 0 {
            Status::Violated
        } else if self.insufficient > 0 {
            Status::NotSeen
        } else if self.compliant > 0 {
            Status::NoViolation
        } else {
            Status::NotApplicable
        }
    }
}

/// One requirement with what answers for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) requirement: &'a Requirement,
    /// Ids of the controls that are mapped to it, sorted.
    pub(super) controls: Vec<&'a str>,
    pub(super) tally: Tally,
    pub(super) status: Status,
}

/// All requirements of one framework, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered<'a> {
    pub(super) framework: &'a Framework,
    pub(super) lines: Vec<Line<'a>>,
}

/// Counts the findings of a report by control, and the controls by requirement.
pub(super) fn of<'a>(report: &'a Report<'_>) -> io::Result<Vec<Answered<'a>>> {
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for finding in report.findings.findings()? {
        let finding = finding?;
        tallies.entry(finding.control.clone()).or_default().count(&finding);
    }
    Ok(of_tallies(report, &tallies))
}

/// As [`of`], where the findings are counted by control already.
pub(super) fn of_tallies<'a>(report: &'a Report<'_>, tallies: &BTreeMap<String, Tally>) -> Vec<Answered<'a>> {
    report.frameworks.values().map(|framework| answered(report, framework, tallies)).collect()
}

fn answered<'a>(report: &'a Report<'_>, framework: &'a Framework, tallies: &BTreeMap<String, Tally>) -> Answered<'a> {
    let mut controls: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for control in report.controls.values() {
        for requirement in control.frameworks.iter().filter_map(|mapped| framework.requirement(mapped)) {
            let mapped = controls.entry(&requirement.id).or_default();
            if mapped.last() != Some(&control.id.as_str()) {
                mapped.push(&control.id);
            }
        }
    }
    let lines = framework.requirements.iter().map(|requirement| {
        let controls = controls.remove(requirement.id.as_str()).unwrap_or_default();
        let mut tally = Tally::default();
        for control in &controls {
            tally.add(tallies.get(*control).copied().unwrap_or_default());
        }
        let status = if controls.is_empty() { Status::NoControl } else { tally.status() };
        Line { requirement, controls, tally, status }
    });
    Answered { framework, lines: lines.collect() }
}
