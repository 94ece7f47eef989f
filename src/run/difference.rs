//! Any two finished runs, compared by the rules of every run with the run before it.
//!
//! In: two run directories. Out: each violation that is not in both as it was, in the order of reports, and everything
//! counted. Nothing is written.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::iter::Peekable;

use super::among::Before;
use super::comparison::{Compared, Earlier, Tally, compare, known};
use super::sight::{Finders, Sight};
use super::{FindingSpool, RunDirectory, RunError};
use crate::finding::{Change, ComplianceType, Finding, Gone, Lifecycle};
use crate::inventory::ResourceUid;
use crate::report::{Difference, Differing, FindingSource, GonePass};

/// Compares two finished runs and gives each violation that changed to `take`.
///
/// # Errors
/// [`RunError`] if a run is unfinished or its files are damaged, or whatever `take` answers.
pub fn difference(
    earlier: &RunDirectory,
    later: &RunDirectory,
    finders: &Finders,
    take: &mut dyn FnMut(Differing) -> Result<(), RunError>,
) -> Result<Difference, RunError> {
    let before = Before::read(earlier)?;
    let stored = later.stored_report()?;
    let report = stored.report();
    let at = later.observed_at();
    let seen_at = |started_at: &str| earlier.seen_at(Some(&before), started_at, finders);
    let sight = Sight::of(&report, finders, &seen_at).with_written(written_in(stored.source(), finders)?);
    let mut tally = Tally { earlier: before.observed_at.clone(), at: at.clone(), ..Tally::default() };
    let mut told = Told(stored.source().gone()?.peekable());
    // The later run's own word on its findings is more exact than that of two runs which may be months apart.
    let own: RefCell<Option<Lifecycle>> = RefCell::new(None);
    let later_findings = stored.source().findings()?.inspect(|finding| {
        own.replace(finding.as_ref().ok().and_then(|finding| finding.lifecycle.clone()));
    });
    let findings = Earlier { started_at: &before.observed_at, findings: known(before.report.source())? };
    compare::<RunError>(Some(findings), later_findings, &sight, &at, &mut |compared| {
        let compared = match compared {
            Compared::Gone(gone) => Compared::Gone(told.word_on(gone)?),
            finding @ Compared::Finding(..) => finding,
        };
        tally.add(&compared, &report);
        differing(compared, own.borrow().as_ref()).map_or(Ok(()), &mut *take)
    })?;
    Ok(Difference { run: report.run.clone(), comparison: tally.comparison(&before) })
}

/// What a page or document says of it; nothing where nothing changed or nothing was ever a violation.
fn differing(compared: Compared, own: Option<&Lifecycle>) -> Option<Differing> {
    match compared {
        Compared::Gone(gone) => {
            let lifecycle = gone.finding.lifecycle.as_ref()?;
            let since = lifecycle.first_observed_at.clone();
            let severity_before = Some(gone.finding.severity);
            Some(Differing { since, severity_before, reason: Some(gone.reason), finding: gone.finding })
        }
        Compared::Finding(finding, before) => {
            let lifecycle = finding.lifecycle.as_ref()?;
            let violated = finding.compliance == ComplianceType::NonCompliant;
            let known_before = before.as_ref().and_then(|before| violation_since(before));
            let (since, reason) = match lifecycle.change {
                Change::Unchanged => return None,
                Change::Resolved => (known_before.clone().unwrap_or_default(), None),
                Change::NotSeen if lifecycle.last_known == Some(ComplianceType::NonCompliant) => {
                    let why = finding.gaps.first().map(|gap| format!("it could not be looked at: {gap}"));
                    (lifecycle.first_observed_at.clone(), why)
                }
                _ if violated => {
                    let lifecycle = own.unwrap_or(lifecycle);
                    (lifecycle.first_observed_at.clone(), None)
                }
                _ => return None,
            };
            let severity_before = known_before.and_then(|_| before.map(|before| before.severity));
            Some(Differing { finding, severity_before, since, reason })
        }
    }
}

/// Since when it was a violation, if it was one when somebody could look last.
fn violation_since(before: &Finding) -> Option<String> {
    let lifecycle = before.lifecycle.as_ref();
    let known = match before.compliance {
        ComplianceType::InsufficientData => lifecycle.and_then(|lifecycle| lifecycle.last_known),
        seen => Some(seen),
    };
    (known == Some(ComplianceType::NonCompliant))
        .then(|| lifecycle.map(|lifecycle| lifecycle.first_observed_at.clone()).unwrap_or_default())
}

/// Things of the policies that a run shows.
fn written_in(findings: &FindingSpool, finders: &Finders) -> io::Result<BTreeSet<ResourceUid>> {
    let mut written = BTreeSet::new();
    for finding in findings.findings()? {
        let resource = &finding?.resource;
        if finders.is_written(&resource.type_name) {
            written.insert(resource.uid.clone());
        }
    }
    Ok(written)
}

/// What the later run itself says of what is gone: it may have been hidden by a run between the two, and mended since.
struct Told<'a>(Peekable<GonePass<'a>>);

impl Told<'_> {
    fn word_on(&mut self, gone: Gone) -> io::Result<Gone> {
        while let Some(own) =
            self.0.next_if(|own| own.as_ref().map_or(true, |own| own.finding.sort_key() <= gone.finding.sort_key()))
        {
            let own = own?;
            if own.finding.sort_key() == gone.finding.sort_key() {
                return Ok(own);
            }
        }
        Ok(gone)
    }
}
