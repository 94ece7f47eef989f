//! A run among the runs before it in the same folder.
//!
//! In: a run's findings as they were judged. Out: the same with their lifecycle, what is gone, and what a report shows of
//! the runs before. It reads only finished runs, so that a killed run that goes on says what an unbroken one would.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::comparison::{Compared, Earlier, Merged, Tally, compare, known};
use super::directory::run_ids;
use super::gone::{GONE, GoneWriter};
use super::sight::{Finders, Seen, Sight};
use super::stored_report::{STORED_REPORT, StoredReport, over_time_of};
use super::{FindingSpool, MANIFEST, Manifest, RunDirectory, RunError, RunId, SPOOL};
use crate::finding::{Finding, Severity};
use crate::inventory::ResourceUid;
use crate::report::{Comparison, OverTime, Remediation, Report, RunInfo, TREND_RUNS, TrendPoint};

/// A run may judge the inventories of a run that judged the inventories of another, and so on; a plan that lies about it
/// must not lead in circles.
const HOPS: usize = 16;

/// The run that another is compared with.
pub(super) struct Before {
    pub(super) report: StoredReport,
    /// When it looked.
    pub(super) observed_at: String,
}

impl Before {
    /// A finished run with everything that a comparison reads.
    pub(super) fn read(run: &RunDirectory) -> Result<Self, RunError> {
        run.manifest()?;
        Ok(Self { report: run.stored_report()?, observed_at: run.observed_at() })
    }
}

impl Tally {
    /// What a report says of it.
    pub(super) fn comparison(self, before: &Before) -> Comparison {
        let previous = before.report.run().clone();
        let observed_at = Some(before.observed_at.clone()).filter(|at| *at != previous.started_at);
        let Self { violations, remediation, set_aside, .. } = self;
        Comparison { previous, observed_at, violations, remediation, set_aside }
    }
}

impl RunDirectory {
    /// RFC 3339 time at which AWS was looked at: the start of the run, or of the run whose inventories this one judges
    /// again.
    #[must_use]
    pub fn observed_at(&self) -> String {
        let mut at = self.plan().started_at.clone();
        let mut source = self.inventories_of();
        for _ in 0..HOPS {
            let Some(run_id) = source else { break };
            at = run_id.started_at();
            source = self.sibling(&run_id).and_then(|path| Self::open(&path).ok()).and_then(|run| run.inventories_of());
        }
        at
    }

    /// The run whose inventories this one judges again, if it does.
    fn inventories_of(&self) -> Option<RunId> {
        inventories_of(&self.plan().config)
    }

    /// Another run in the same folder, if it is there.
    fn sibling(&self, run_id: &RunId) -> Option<PathBuf> {
        let path = self.path().parent()?.join(run_id.as_str());
        path.is_dir().then_some(path)
    }

    /// Compares the findings of this run with the run before, and writes them with their lifecycle, and with `more` of
    /// them in their places. Answers them, and what a report shows of the runs before.
    ///
    /// # Errors
    /// [`RunError`] if this run's findings cannot be read or written. An earlier run that cannot be read is passed over.
    pub fn put_among_runs(
        &self,
        report: &Report<'_>,
        more: Vec<Finding>,
        finders: &Finders,
    ) -> Result<(FindingSpool, OverTime), RunError> {
        let at = self.observed_at();
        let before = self.before(&report.run)?;
        let seen_at = |started_at: &str| self.seen_at(before.as_ref(), started_at, finders);
        let written: BTreeSet<ResourceUid> = more
            .iter()
            .filter(|finding| finders.is_written(&finding.resource.type_name))
            .map(|finding| finding.resource.uid.clone())
            .collect();
        let sight = Sight::of(report, finders, &seen_at).with_written(written);
        let mut spool = self.spool()?;
        let mut lost = GoneWriter::create(&self.path().join(GONE))?;
        let mut tally = Tally { at: at.clone(), ..Tally::default() };
        let mut earlier = None;
        if let Some(before) = &before {
            tally.earlier.clone_from(&before.observed_at);
            earlier = Some(Earlier { started_at: &before.observed_at, findings: known(before.report.source())? });
        }
        let later = Merged {
            one: report.findings.findings()?.peekable(),
            other: more.into_iter().map(|finding| Ok(Arc::new(finding))).peekable(),
        };
        compare::<RunError>(earlier, later, &sight, &at, &mut |compared| {
            tally.add(&compared, report);
            match compared {
                Compared::Finding(finding, _) => spool.push(finding),
                Compared::Gone(gone) => lost.push(&gone),
            }
        })?;
        lost.finish()?;
        let spool = spool.finish()?;
        if self.inventories_of().is_some() {
            // Other policies judged the same inventories: nobody mended anything.
            tally.remediation.clear();
        }
        let comparison = before.as_ref().map(|before| tally.comparison(before));
        let known = before.as_ref().map(|before| before.report.over_time());
        let mut trend = self.trend(report, &spool, known)?;
        if let Some(newest) = trend.last_mut() {
            newest.remediation = comparison.as_ref().map(|comparison| comparison.remediation.clone());
        }
        Ok((spool, OverTime { comparison, trend, ..OverTime::default() }))
    }

    /// The run to compare with: of this organization and finished, and it is the one whose inventories are judged again,
    /// or else the one that looked last of those that started earlier. One that judged inventories again looked when
    /// they were collected, and is passed over if it asked other policies than this run: what if is not what was.
    fn before(&self, run: &RunInfo) -> Result<Option<Before>, RunError> {
        let Some(runs) = self.path().parent() else { return Ok(None) };
        let source = self.inventories_of();
        let ids = match &source {
            Some(run_id) => vec![run_id.clone()],
            None => run_ids(runs)?.into_iter().filter(|id| *id < self.plan().run_id).collect(),
        };
        let mut candidates: Vec<(String, RunId, Self)> = Vec::new();
        for run_id in ids {
            let path = runs.join(run_id.as_str());
            if !path.join(MANIFEST).is_file() {
                continue;
            }
            match Self::open(&path) {
                Ok(candidate) => candidates.push((candidate.observed_at(), run_id, candidate)),
                Err(error) => tracing::warn!(run = %run_id, "not compared with an earlier run: {error}"),
            }
        }
        // All are written as ids are, in UTC and to the second, so that text sorts as time does.
        candidates.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        for (_, run_id, candidate) in candidates.into_iter().rev() {
            match candidate.readable(run, source.is_some()) {
                Ok(Some(before)) => return Ok(Some(before)),
                Ok(None) => {}
                Err(error) => tracing::warn!(run = %run_id, "not compared with an earlier run: {error}"),
            }
        }
        Ok(None)
    }

    /// This finished run with everything a comparison reads, if `later` can be compared with it. A run whose inventories
    /// are judged again is, whatever policies it asked.
    fn readable(&self, later: &RunInfo, judged_again: bool) -> Result<Option<Before>, RunError> {
        let manifest = self.manifest()?;
        let asked_otherwise = self.inventories_of().is_some() && manifest.run.policy_hash != later.policy_hash;
        if manifest.run.organization != later.organization || asked_otherwise && !judged_again {
            return Ok(None);
        }
        Before::read(self).map(Some)
    }

    /// The runs, other than this one, that looked last at what this finished run could not see.
    ///
    /// # Errors
    /// [`RunError`] if its findings cannot be read.
    pub(super) fn looks(&self) -> Result<BTreeSet<RunId>, RunError> {
        let stored = self.stored_report()?;
        let own = self.observed_at();
        let mut looks: BTreeSet<String> = BTreeSet::new();
        for finding in known(stored.source())? {
            let finding = finding?;
            let last = finding.lifecycle.as_ref().and_then(|lifecycle| lifecycle.last_observed_at.as_ref());
            looks.extend(last.filter(|last| **last != own).cloned());
        }
        let id = |at: String| RunId::at(OffsetDateTime::parse(&at, &Rfc3339).ok()?).ok();
        Ok(looks.into_iter().filter_map(id).collect())
    }

    /// What a run could see that looked at `started_at`.
    pub(super) fn seen_at(&self, before: Option<&Before>, started_at: &str, finders: &Finders) -> Option<Seen> {
        if let Some(before) = before.filter(|before| before.observed_at == started_at) {
            return Some(before.report.seen(finders));
        }
        let run_id = RunId::at(OffsetDateTime::parse(started_at, &Rfc3339).ok()?).ok()?;
        let path = self.sibling(&run_id)?;
        let report = StoredReport::open(&path.join(STORED_REPORT), FindingSpool::unread(&path.join(SPOOL))).ok()?;
        Some(report.seen(finders))
    }

    /// The newest finished runs of the organization that looked at AWS before this one, and this one, oldest first.
    /// `known` is what the run that this one is compared with had to say of them.
    fn trend(
        &self,
        report: &Report<'_>,
        spool: &FindingSpool,
        known: Option<&OverTime>,
    ) -> Result<Vec<TrendPoint>, RunError> {
        let Some(runs) = self.path().parent() else { return Ok(Vec::new()) };
        let mut earlier: Vec<Manifest> = Vec::new();
        for run_id in run_ids(runs)?.into_iter().rev().filter(|id| *id < self.plan().run_id) {
            let path = runs.join(run_id.as_str()).join(MANIFEST);
            // A run that cannot be read is missing in a trend; `verify` says what is wrong with it.
            let Ok(manifest) = Manifest::read(&path) else { continue };
            // A run that judged inventories again shows AWS as another point does already, by policies that may be a what if.
            if manifest.run.organization == report.run.organization && manifest.inventories_of().is_none() {
                earlier.push(manifest);
            }
            // One more, which says whether the policies of the oldest that is shown are others.
            if earlier.len() == TREND_RUNS {
                break;
            }
        }
        let newest = TrendPoint {
            run_id: report.run.run_id.clone(),
            started_at: report.run.started_at.clone(),
            counts: spool.counts().clone(),
            accounts: report.accounts.len() as u64,
            gaps: report.gaps.len() as u64,
            calls: report.calls,
            other_policies: earlier.first().is_some_and(|before| differ(&before.run, &report.run)),
            remediation: None,
        };
        let mut points: Vec<TrendPoint> = Vec::new();
        for (place, manifest) in earlier.iter().enumerate().take(TREND_RUNS - 1) {
            let before = earlier.get(place + 1);
            let mut point = manifest.trend_point(before.is_some_and(|before| differ(&before.run, &manifest.run)));
            point.remediation = remediation_of(&point.run_id, known, runs);
            points.push(point);
        }
        points.reverse();
        points.push(newest);
        Ok(points)
    }
}

/// What a run resolved: as the newest run that is compared with says of those before it, which needs no other file, or
/// else as its own report says. None where nothing was compared.
fn remediation_of(run_id: &str, known: Option<&OverTime>, runs: &Path) -> Option<BTreeMap<Severity, Remediation>> {
    let told = known.and_then(|known| {
        let of_newest = known.trend.last().is_some_and(|newest| newest.run_id == run_id);
        let own = known.comparison.as_ref().filter(|_| of_newest).map(|comparison| comparison.remediation.clone());
        own.or_else(|| known.trend.iter().find(|point| point.run_id == run_id)?.remediation.clone())
    });
    told.or_else(|| Some(over_time_of(&runs.join(run_id).join(STORED_REPORT)).ok()?.comparison?.remediation))
}

/// Whether numbers may jump between two runs though nothing changed in AWS.
pub(super) fn differ(before: &RunInfo, now: &RunInfo) -> bool {
    before.policy_hash != now.policy_hash || before.tool_version != now.tool_version
}

fn inventories_of(config: &Value) -> Option<RunId> {
    config.pointer("/options/inventoriesOf")?.as_str()?.parse().ok()
}

impl Manifest {
    /// The run whose inventories this one judged again, if it did.
    #[must_use]
    pub fn inventories_of(&self) -> Option<RunId> {
        inventories_of(&self.config)
    }

    /// The run as a point of a trend.
    #[must_use]
    pub fn trend_point(&self, other_policies: bool) -> TrendPoint {
        TrendPoint {
            run_id: self.run.run_id.clone(),
            started_at: self.run.started_at.clone(),
            counts: self.counts.clone(),
            accounts: self.accounts,
            gaps: self.gaps,
            calls: self.calls,
            other_policies,
            remediation: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::run::test_runs::Made;

    #[test]
    fn the_run_before_is_the_one_that_looked_last_and_not_the_one_that_judged_last() {
        let out = tempfile::tempdir().unwrap();
        let out = out.path();
        let put = |made: Made<'_>, config| made.make(out, config).comparison.map(|before| before.previous.run_id);
        let of = |source: &str| json!({"options": {"inventoriesOf": source}});
        let (first, second, third) = ("20261101T020000Z", "20261120T020000Z", "20261121T020000Z");
        assert_eq!(put(Made::of(first), json!({})), None);
        assert_eq!(put(Made::of(second), json!({})).as_deref(), Some(first));
        let judge = |run_id, source, policy_hash| put(Made { policy_hash, ..Made::of(run_id) }, of(source));
        // In the afternoon somebody judges month-old inventories again, and asks what if.
        assert_eq!(judge("20261120T150000Z", first, "a").as_deref(), Some(first));
        assert_eq!(judge("20261120T160000Z", second, "b").as_deref(), Some(second));
        assert_eq!(put(Made::of(third), json!({})).as_deref(), Some(second));
        // Judged again by the policies that are asked from now on, it says best what changed.
        let again = "20261121T150000Z";
        assert_eq!(judge(again, third, "b").as_deref(), Some(third));
        let made = Made { policy_hash: "b", ..Made::of("20261122T020000Z") };
        assert_eq!(put(made, json!({})).as_deref(), Some(again));
    }

    #[test]
    fn a_trend_is_of_runs_that_looked() {
        let out = tempfile::tempdir().unwrap();
        let out = out.path();
        let put = |made: Made<'_>, config| -> Vec<String> {
            made.make(out, config).trend.into_iter().map(|point| point.run_id).collect()
        };
        let of = |source: &str| json!({"options": {"inventoriesOf": source}});
        let (first, second, third) = ("20261119T020000Z", "20261120T020000Z", "20261121T020000Z");
        put(Made::of(first), json!({}));
        put(Made { organization: "o-exampleorg2", ..Made::of("20261119T030000Z") }, json!({}));
        put(Made { policy_hash: "b", ..Made::of("20261119T150000Z") }, of(first));
        assert_eq!(put(Made::of(second), json!({})), [first, second]);
        let what_if = "20261120T150000Z";
        assert_eq!(put(Made { policy_hash: "b", ..Made::of(what_if) }, of(second)), [first, second, what_if]);
        assert_eq!(put(Made::of(third), json!({})), [first, second, third]);
    }
}
