//! A run about a few resources against a full run of another folder.
//!
//! In: findings on these resources as they were judged, and the full run that looked last. Out: the same with their
//! lifecycle, and what the full run had of these resources and this run has not. Findings of the full run on anything else
//! are not looked at, so nothing is said of them.

use super::RunError;
use super::among::Before;
use super::comparison::{Compared, Earlier, Tally, compare, known};
use super::gone::{GONE, GoneWriter};
use super::sight::{Finders, Sight};
use super::{FindingSpool, RunDirectory};
use crate::finding::ResourceRef;
use crate::report::{FindingPass, OverTime, Report};

impl RunDirectory {
    /// Compares the findings of this run with those of `full` that `is_about` says this run is about.
    ///
    /// # Errors
    /// [`RunError`] if this run's findings cannot be read or written, or those of `full` cannot be read.
    pub fn put_against(
        &self,
        full: Option<&Self>,
        report: &Report<'_>,
        is_about: &(dyn Fn(&ResourceRef) -> bool + Sync),
        finders: &Finders,
    ) -> Result<(FindingSpool, OverTime), RunError> {
        let at = self.observed_at();
        let before = full.map(Before::read).transpose()?;
        let of_this = |before: &Before| before.report.run().organization == report.run.organization;
        let before = before.filter(of_this);
        let seen_at = |started_at: &str| full?.seen_at(before.as_ref(), started_at, finders);
        let sight = Sight::of(report, finders, &seen_at);
        let mut spool = self.spool()?;
        let mut lost = GoneWriter::create(&self.path().join(GONE))?;
        let mut tally = Tally { at: at.clone(), ..Tally::default() };
        let mut earlier = None;
        if let Some(before) = &before {
            tally.earlier.clone_from(&before.observed_at);
            let all = known(before.report.source())?;
            // An error has to come through.
            let about = all.filter(|finding| finding.as_ref().map_or(true, |finding| is_about(&finding.resource)));
            let findings: FindingPass<'_> = Box::new(about);
            earlier = Some(Earlier { started_at: &before.observed_at, findings });
        }
        compare::<RunError>(earlier, report.findings.findings()?, &sight, &at, &mut |compared| {
            tally.add(&compared, report);
            match compared {
                Compared::Finding(finding, _) => spool.push(finding),
                Compared::Gone(gone) => lost.push(&gone),
            }
        })?;
        lost.finish()?;
        let comparison = before.as_ref().map(|before| tally.comparison(before));
        Ok((spool.finish()?, OverTime { comparison, ..OverTime::default() }))
    }
}
