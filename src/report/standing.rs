//! How a finding stands, for receivers that keep findings and hear of them run by run.
//!
//! In: a report. Out: its findings and those that are gone, in one order, each with what has to be told of it. It exists so
//! that every such receiver hears the same: what could not be seen is told as that, and only what was looked at is closed.

use std::io;
use std::sync::Arc;

use super::{FindingPass, GonePass, Report};
use crate::finding::{Change, ComplianceType, Control, ExceptionRef, Finding, Gone};
use crate::inventory::{Arn, Partition, Region, ResourceUid};

/// What is told of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Looked at, and not good.
    Violated,
    /// Not good, and a valid exception covers it.
    Excepted,
    /// Nobody knows; `was_violated` where the newest run that could look saw a violation.
    NotSeen { was_violated: bool },
    /// Looked at, and good.
    Passed,
    /// There is nothing to judge any more: the resource is gone, or the control does not apply to it any more.
    Closed,
}

/// A finding of this run, or one that only the run before had.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) finding: Arc<Finding>,
    /// Why this run has it no more, if so.
    pub(super) gone: Option<String>,
}

impl Told {
    pub(super) fn of_gone(gone: Gone) -> Self {
        Self { finding: Arc::new(gone.finding), gone: Some(gone.reason) }
    }
}

impl From<Arc<Finding>> for Told {
    fn from(finding: Arc<Finding>) -> Self {
        Self { finding, gone: None }
    }
}

/// How it stands; nothing where a control does not apply and nothing was ever told of it.
pub(super) fn standing(finding: &Finding, gone: bool) -> Option<Standing> {
    let change = change(finding);
    match finding.compliance {
        ComplianceType::NotApplicable if gone || change != Some(Change::Resolved) => None,
        ComplianceType::NotApplicable => Some(Standing::Closed),
        seen if gone && change != Some(Change::Resolved) => {
            Some(Standing::NotSeen { was_violated: seen == ComplianceType::NonCompliant })
        }
        _ if gone => Some(Standing::Closed),
        ComplianceType::InsufficientData => {
            let known = finding.lifecycle.as_ref().and_then(|lifecycle| lifecycle.last_known);
            Some(Standing::NotSeen { was_violated: known == Some(ComplianceType::NonCompliant) })
        }
        ComplianceType::Compliant => Some(Standing::Passed),
        ComplianceType::NonCompliant if finding.exception.is_some() => Some(Standing::Excepted),
        ComplianceType::NonCompliant => Some(Standing::Violated),
    }
}

/// What changed since the run before, if that is known.
pub(super) fn change(finding: &Finding) -> Option<Change> {
    finding.lifecycle.as_ref().map(|lifecycle| lifecycle.change)
}

/// Findings of this run and those that are gone, in the order of [`Finding::sort_key`].
pub(super) fn told<'a>(report: &'a Report<'_>) -> io::Result<AllTold<'a>> {
    let (findings, gone) = (report.findings.findings()?, report.findings.gone()?);
    Ok(AllTold { findings, gone, next_finding: None, next_gone: None, started: false })
}

/// See [`told`].
pub(super) struct AllTold<'a> {
    findings: FindingPass<'a>,
    gone: GonePass<'a>,
    next_finding: Option<Arc<Finding>>,
    next_gone: Option<Gone>,
    started: bool,
}

impl AllTold<'_> {
    fn step(&mut self) -> io::Result<Option<Told>> {
        if !self.started {
            self.started = true;
            self.next_finding = self.findings.next().transpose()?;
            self.next_gone = self.gone.next().transpose()?;
        }
        let gone_first = match (&self.next_finding, &self.next_gone) {
            (Some(finding), Some(gone)) => gone.finding.sort_key() < finding.sort_key(),
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if gone_first {
            let told = self.next_gone.take().map(Told::of_gone);
            self.next_gone = self.gone.next().transpose()?;
            return Ok(told);
        }
        let told = self.next_finding.take().map(Told::from);
        if told.is_some() {
            self.next_finding = self.findings.next().transpose()?;
        }
        Ok(told)
    }
}

impl Iterator for AllTold<'_> {
    type Item = io::Result<Told>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// What must hold; the control's id where the report does not know the control.
pub(super) fn title<'a>(control: Option<&'a Control>, finding: &'a Finding) -> &'a str {
    control.map_or(finding.control.as_str(), |control| control.title.as_str())
}

/// `excepted until 2027-01-31 by web-legacy (owner web, SEC-1): the reason`
pub(super) fn exception_in_words(exception: &ExceptionRef) -> String {
    format!(
        "excepted until {} by {} (owner {}, {}): {}",
        exception.expires, exception.id, exception.owner, exception.ticket, exception.reason
    )
}

/// The partition that a resource lies in: of its ARN, of its Region, or of the Regions that the run asked.
pub(super) fn partition(report: &Report<'_>, uid: &ResourceUid, region: &Region) -> Partition {
    let named = Arn::parse(uid.as_str()).ok().and_then(|arn| arn.partition.parse().ok());
    named.unwrap_or_else(
        || if *region == Region::GLOBAL { home_partition(report) } else { Partition::of_region(region) },
    )
}

/// The partition of the whole run: an organization never spans two.
pub(super) fn home_partition(report: &Report<'_>) -> Partition {
    let asked = report.coverage.rows().map(|(key, _)| &key.region).find(|region| **region != Region::GLOBAL);
    asked.map_or(Partition::Aws, Partition::of_region)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Lifecycle, ResourceRef, Severity};
    use crate::inventory::TypeName;

    fn finding(compliance: ComplianceType, change: Option<Change>) -> Finding {
        let resource = ResourceRef {
            uid: ResourceUid("arn:aws:s3:::web".to_owned()),
            type_name: TypeName::BUCKET,
            account: "111122223333".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
        };
        Finding {
            id: Finding::stable_id("a", &resource),
            control: "a".to_owned(),
            severity: Severity::High,
            compliance,
            resource: resource.into(),
            evidence: std::collections::BTreeMap::new(),
            gaps: Vec::new(),
            exception: None,
            owner: None,
            lifecycle: change.map(|change| Lifecycle {
                change,
                first_observed_at: "2026-11-20T02:00:00Z".to_owned(),
                last_observed_at: Some("2026-11-20T02:00:00Z".to_owned()),
                was: None,
                last_known: (change == Change::NotSeen).then_some(ComplianceType::NonCompliant),
            }),
        }
    }

    #[test]
    fn only_what_was_looked_at_is_closed() {
        use ComplianceType::{Compliant, InsufficientData, NonCompliant, NotApplicable};
        for compliance in ComplianceType::ALL {
            for change in Change::ALL.map(Some).into_iter().chain([None]) {
                for gone in [false, true] {
                    let stands = standing(&finding(compliance, change), gone);
                    if stands == Some(Standing::Closed) {
                        assert_eq!(change, Some(Change::Resolved), "{compliance}");
                    }
                    if stands == Some(Standing::Passed) {
                        assert_eq!((compliance, gone), (Compliant, false));
                    }
                }
            }
        }
        let of = |compliance, change| standing(&finding(compliance, Some(change)), false);
        assert_eq!(of(NonCompliant, Change::Unchanged), Some(Standing::Violated));
        assert_eq!(of(Compliant, Change::Resolved), Some(Standing::Passed));
        assert_eq!(of(NotApplicable, Change::Resolved), Some(Standing::Closed));
        assert_eq!(of(NotApplicable, Change::Unchanged), None);
        assert_eq!(of(InsufficientData, Change::NotSeen), Some(Standing::NotSeen { was_violated: true }));
        assert_eq!(of(InsufficientData, Change::New), Some(Standing::NotSeen { was_violated: false }));
    }

    #[test]
    fn a_finding_that_is_gone_without_a_look_is_not_seen() {
        use ComplianceType::{Compliant, NonCompliant, NotApplicable};
        let of = |compliance, change| standing(&finding(compliance, change), true);
        assert_eq!(of(NonCompliant, Some(Change::NotSeen)), Some(Standing::NotSeen { was_violated: true }));
        assert_eq!(of(Compliant, Some(Change::NotSeen)), Some(Standing::NotSeen { was_violated: false }));
        assert_eq!(of(NonCompliant, None), Some(Standing::NotSeen { was_violated: true }));
        assert_eq!(of(NonCompliant, Some(Change::Resolved)), Some(Standing::Closed));
        assert_eq!(of(NotApplicable, Some(Change::Resolved)), None);
    }
}
