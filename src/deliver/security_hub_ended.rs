//! What Security Hub still has, and a run shows no more.
//!
//! In: ids that a pass over a run did not come by, and the sealed runs since the one that was delivered last. Out: those of
//! them that are over, as they are to be archived. A run tells only once that something ended; where that run was never
//! delivered, this one has to say it. Whatever no run saw ending stays as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::asff::Told;
use super::{DeliveryError, Package};
use crate::finding::{Change, ComplianceType, Finding, Gone, Lifecycle};
use crate::inventory::{Affects, Gap, Region};
use crate::report::asff::{AsffFinding, asff_finding, asff_finding_of_gone};
use crate::report::{FindingSource, Report};
use crate::run::{GONE, RunDirectory, RunId, SPOOL};

/// When a run looked, then which run it is: the order in which Security Hub may hear of runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(super) struct Position(pub String, pub String);

impl Position {
    pub(super) fn of(run: &RunDirectory) -> Self {
        Self(run.observed_at(), run.plan().run_id.to_string())
    }
}

/// How a finding was seen by the newest run that knew of it.
pub(super) enum Word {
    /// It is over: one sentence.
    Over(String),
    /// It could not be looked at then, and no violation was known; over where this run looks.
    Unknown,
    /// A violation that nobody saw ending.
    Stands,
}

/// Those of `unmet` that are over, for Security Hub; `delivered` is the run that was delivered last.
pub(super) fn ended(
    package: &Package<'_>,
    home: &Region,
    mut unmet: BTreeSet<String>,
    delivered: Option<&Position>,
) -> Result<Vec<Told>, DeliveryError> {
    let mut over = BTreeMap::new();
    if unmet.is_empty() {
        return Ok(Vec::new());
    }
    let looked = Looked::of(package.report, &unmet);
    let search = Search { package, home, looked };
    search.through(package.run.path(), package.report.findings, &mut unmet, &mut over)?;
    for run in earlier(package, delivered) {
        if unmet.is_empty() {
            break;
        }
        let stored = match run.stored_report() {
            Ok(stored) => stored,
            Err(error) => {
                // What this run said is not known, so what older ones said may be out of date.
                tracing::warn!(run = %run.plan().run_id, "what ended in an earlier run is not told: {error}");
                break;
            }
        };
        search.through(run.path(), stored.report().findings, &mut unmet, &mut over)?;
    }
    let mut over: Vec<Told> = over.into_values().collect();
    over.sort_by(|one, other| (&one.account, &one.region, one.id()).cmp(&(&other.account, &other.region, other.id())));
    Ok(over)
}

/// Finished runs of the organization that looked before this one and not before the one that was delivered last, newest
/// first.
pub(super) fn earlier(package: &Package<'_>, delivered: Option<&Position>) -> Vec<RunDirectory> {
    let this = Position::of(package.run);
    let names = package.run.path().parent().and_then(|runs| std::fs::read_dir(runs).ok());
    let mut runs: Vec<(Position, RunDirectory)> = names
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<RunId>().is_ok()))
        .filter_map(|entry| RunDirectory::open(&entry.path()).ok())
        .map(|run| (Position::of(&run), run))
        .filter(|(position, _)| *position < this && delivered.is_none_or(|delivered| position >= delivered))
        .filter(|(_, run)| {
            run.manifest().is_ok_and(|manifest| manifest.run.organization == package.manifest.run.organization)
        })
        .collect();
    runs.sort_by(|(one, _), (other, _)| other.cmp(one));
    runs.into_iter().map(|(_, run)| run).collect()
}

struct Search<'a> {
    package: &'a Package<'a>,
    home: &'a Region,
    looked: Looked<'a>,
}

impl Search<'_> {
    /// Takes what a run knows out of `unmet`, and what of it is over into `over`.
    fn through(
        &self,
        folder: &Path,
        run: &dyn FindingSource,
        unmet: &mut BTreeSet<String>,
        over: &mut BTreeMap<String, Told>,
    ) -> Result<(), DeliveryError> {
        let (spool, gone_file) = (folder.join(SPOOL), folder.join(GONE));
        for gone in run.gone().map_err(DeliveryError::unreadable(&gone_file))? {
            let Gone { finding, reason } = gone.map_err(DeliveryError::unreadable(&gone_file))?;
            let is_resolved = finding.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.change == Change::Resolved);
            let word = if is_resolved { Word::Over(reason) } else { Word::Stands };
            self.take(&finding.into(), word, unmet, over)?;
        }
        for finding in run.findings().map_err(DeliveryError::unreadable(&spool))? {
            let finding = finding.map_err(DeliveryError::unreadable(&spool))?;
            self.take(&finding, word_of(&finding), unmet, over)?;
        }
        Ok(())
    }

    fn take(
        &self,
        finding: &Arc<Finding>,
        word: Word,
        unmet: &mut BTreeSet<String>,
        over: &mut BTreeMap<String, Told>,
    ) -> Result<(), DeliveryError> {
        let id = AsffFinding::id_of(finding, self.home);
        if !unmet.remove(&id) {
            return Ok(());
        }
        let reason = match word {
            Word::Over(reason) => reason,
            Word::Unknown if self.looked.at(self.package.report, finding) => {
                "this run looked, and there is none".to_owned()
            }
            Word::Unknown | Word::Stands => return Ok(()),
        };
        let (report, finding) = (self.package.report, closed(finding, self.package));
        let finding = if finding.compliance == ComplianceType::NotApplicable {
            asff_finding(report, &finding, self.home)
        } else {
            asff_finding_of_gone(report, &Gone { finding, reason }, self.home)
        };
        if let Some(finding) = finding {
            let told = Told::of(finding).map_err(DeliveryError::unreadable(Path::new(SPOOL)))?;
            over.insert(id, told);
        }
        Ok(())
    }
}

pub(super) fn word_of(finding: &Finding) -> Word {
    let last_known = finding.lifecycle.as_ref().map(|lifecycle| lifecycle.last_known);
    match finding.compliance {
        ComplianceType::Compliant => Word::Over("it was good when it was last looked at".to_owned()),
        ComplianceType::NotApplicable => Word::Over("the control does not apply to it any more".to_owned()),
        ComplianceType::InsufficientData => match last_known {
            Some(Some(ComplianceType::NonCompliant)) => Word::Stands,
            Some(_) => Word::Unknown,
            // Without a run to compare with, only what stands for things that could not be listed was surely no violation.
            None if stands_for_all(finding) => Word::Unknown,
            None => Word::Stands,
        },
        ComplianceType::NonCompliant => Word::Stands,
    }
}

fn stands_for_all(finding: &Finding) -> bool {
    let uid = finding.resource.uid.as_str();
    uid.ends_with(":*") || uid.ends_with(":root")
}

/// As it is told that something is over: in the words for things that are gone.
fn closed(finding: &Arc<Finding>, package: &Package<'_>) -> Finding {
    let started = &package.manifest.run.started_at;
    let (first, last, known) = finding.lifecycle.as_ref().map_or((started, Some(started), None), |lifecycle| {
        (&lifecycle.first_observed_at, lifecycle.last_observed_at.as_ref(), lifecycle.last_known)
    });
    let lifecycle = Lifecycle {
        change: Change::Resolved,
        first_observed_at: first.clone(),
        last_observed_at: last.cloned(),
        last_known: known,
        was: None,
    };
    let mut finding = Finding::clone(finding);
    finding.lifecycle = Some(lifecycle);
    finding
}

/// What the run looked at, in the accounts that matter.
struct Looked<'a> {
    /// Account, Region and service of calls that were answered.
    answered: BTreeSet<(&'a str, &'a Region, &'a str)>,
    gaps: BTreeMap<&'a str, Vec<&'a Gap>>,
}

impl<'a> Looked<'a> {
    fn of(report: &'a Report<'_>, unmet: &BTreeSet<String>) -> Self {
        let accounts: BTreeSet<&str> = unmet.iter().filter_map(|id| id.split('/').nth(1)).collect();
        let answered = report
            .coverage
            .rows()
            .filter(|(key, counts)| counts.ok > 0 && accounts.contains(key.account.as_str()))
            .map(|(key, _)| (key.account.as_str(), &key.region, key.service.as_str()))
            .collect();
        let mut gaps: BTreeMap<&str, Vec<&Gap>> = BTreeMap::new();
        for gap in report.gaps.iter().filter(|gap| accounts.contains(gap.account.as_str())) {
            gaps.entry(gap.account.as_str()).or_default().push(gap);
        }
        Self { answered, gaps }
    }

    /// Whether the run looked where the finding would be: the control was asked, the account and Region were not left out,
    /// the service answered there, and no gap is over it.
    fn at(&self, report: &Report<'_>, finding: &Finding) -> bool {
        let resource = &finding.resource;
        let account = resource.account.as_str();
        let near = |region: &Region| {
            *region == resource.region || *region == Region::GLOBAL || resource.region == Region::GLOBAL
        };
        let service = resource.type_name.as_str().split("::").nth(1).unwrap_or_default().to_ascii_lowercase();
        let skipped = &report.coverage.skipped;
        let left_out = skipped.iter().any(|skip| skip.account == resource.account && near(&skip.region));
        let hidden = self.gaps.get(account).into_iter().flatten().any(|gap| match &gap.affects {
            Affects::Account => true,
            Affects::Types { types } => near(&gap.region) && types.contains(&resource.type_name),
            Affects::Details => near(&gap.region),
            Affects::Property { resource: of, .. } => *of == resource.uid,
        });
        let answered =
            self.answered.iter().any(|(of, region, asked)| *of == account && *asked == service && near(region));
        report.controls.contains_key(&finding.control)
            && report.accounts.contains_key(&resource.account)
            && !left_out
            && !hidden
            && answered
    }
}
