//! Changes: which commits a deployment brought, and when they were made.
//!
//! In: succeeded releases by time, executions, commits, merges and pushes. Out: every [`Change`] once per service, at its
//! first succeeded release. Tier A walks the commits from one release back to the last; where the walk finds no way
//! there, B takes the head commits of the executions between the two; C is a head commit of which only the push or merge
//! is known.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use super::index::Index;
use super::members::Draft;
use super::releases::is_rollback;
use crate::dora::{Change, ChangeFate, DeploymentKind, ServiceKey, Tier};
use crate::history::{History, PipelineExecution};

/// More commits than this between two releases are an import, not a release.
const MOST_COMMITS: usize = 5_000;

/// All changes, by service, time and id. The drafts are sorted by time.
pub(super) fn of(
    drafts: &[Draft<'_>],
    executions: &BTreeMap<String, Vec<PipelineExecution>>,
    index: &Index<'_>,
) -> Vec<Change> {
    let pushes = pushes(index.history);
    let mut lanes: BTreeMap<&str, Lane<'_>> = BTreeMap::new();
    let mut counted: BTreeSet<(&ServiceKey, String)> = BTreeSet::new();
    let mut changes = Vec::new();
    // An execution that failed before may be retried later: it is then a release of its own.
    let delivered: BTreeSet<(&str, &str)> = drafts
        .iter()
        .filter(|it| it.has_succeeded())
        .filter_map(|it| it.execution.map(|execution| (execution.pipeline.as_str(), execution.id.as_str())))
        .collect();
    for draft in drafts.iter().filter(|it| it.has_succeeded()) {
        let Some(deployed) = draft.deployment.finished else { continue };
        let is_release = matches!(
            draft.deployment.kind,
            DeploymentKind::Forward | DeploymentKind::Rollback | DeploymentKind::RedeploySame
        );
        let heads = heads(draft, index);
        if !is_release || heads.is_empty() {
            continue;
        }
        let lane = lanes.entry(&draft.lane).or_default();
        let (arrived, has_path) = lane.arrive(&heads, index);
        if draft.deployment.kind == DeploymentKind::Forward {
            let between = lane.between(draft, executions, &delivered);
            let found = if !lane.has_predecessor {
                heads.iter().map(|id| (id.clone(), Tier::B)).collect()
            } else if has_path && !arrived.is_empty() {
                arrived.into_iter().map(|id| (id, Tier::A)).collect::<Vec<_>>()
            } else {
                let of_others = between.into_iter().flat_map(|it| &it.revisions).map(|it| it.id.clone());
                let of_others = of_others.filter(|id| is_commit(id, index));
                heads.iter().cloned().chain(of_others).map(|id| (id, Tier::B)).collect()
            };
            for (id, tier) in found {
                if counted.insert((&draft.deployment.service, id.clone())) {
                    changes.push(change(draft, id, tier, deployed, lane.has_predecessor, index, &pushes));
                }
            }
        }
        lane.has_predecessor = true;
        if let Some(execution) = draft.execution.filter(|it| !is_rollback(it)) {
            lane.last = Some(lane.last.map_or(execution.started, |last| last.max(execution.started)));
        } else {
            lane.last = lane.last.or(Some(draft.deployment.started));
        }
    }
    changes.sort_by(|a, b| {
        (&a.service, a.deployed, &a.deployment, &a.commit).cmp(&(&b.service, b.deployed, &b.deployment, &b.commit))
    });
    changes
}

/// What has arrived by one way to production.
#[derive(Default)]
struct Lane<'a> {
    /// Commits that arrived, with everything behind them that is known.
    arrived: BTreeSet<&'a str>,
    /// Head commits that arrived, known or not.
    heads: BTreeSet<String>,
    has_predecessor: bool,
    /// Begin of the execution that delivered last.
    last: Option<OffsetDateTime>,
}

impl<'a> Lane<'a> {
    /// Takes heads and everything behind them as arrived. Says which commits are new, merge commits left out, and
    /// whether the walk met what had arrived before.
    fn arrive(&mut self, heads: &[String], index: &Index<'a>) -> (Vec<String>, bool) {
        let mut fresh = Vec::new();
        let mut walked: BTreeSet<&str> = BTreeSet::new();
        let mut meets = true;
        for head in heads {
            let mut met = self.heads.contains(head);
            let mut open: Vec<&'a str> = index.commit(head).map(|commit| commit.id.as_str()).into_iter().collect();
            while let Some(id) = open.pop() {
                met |= self.arrived.contains(id);
                let Some(commit) = index.commit(id).filter(|_| !self.arrived.contains(id)) else { continue };
                if !walked.insert(&commit.id) {
                    continue;
                }
                if commit.parents.len() < 2 {
                    fresh.push(commit.id.clone());
                }
                for parent in &commit.parents {
                    met |= self.heads.contains(parent);
                    open.push(parent);
                }
            }
            meets &= met;
        }
        meets &= walked.len() <= MOST_COMMITS;
        self.arrived.extend(walked);
        self.heads.extend(heads.iter().cloned());
        (fresh, meets)
    }

    /// Executions that began after the one that delivered last and before this one, and delivered nothing themselves.
    fn between<'e>(
        &self,
        draft: &Draft<'_>,
        executions: &'e BTreeMap<String, Vec<PipelineExecution>>,
        delivered: &BTreeSet<(&str, &str)>,
    ) -> Vec<&'e PipelineExecution> {
        let Some(own) = draft.execution else { return Vec::new() };
        let all = executions.get(&own.pipeline).into_iter().flatten();
        let between = all.filter(|it| {
            it.started < own.started
                && self.last.is_some_and(|last| it.started > last)
                && !delivered.contains(&(it.pipeline.as_str(), it.id.as_str()))
                && !is_rollback(it)
        });
        between.collect()
    }
}

/// The head commits of what was deployed, sorted.
fn heads(draft: &Draft<'_>, index: &Index<'_>) -> Vec<String> {
    let ids = draft.deployment.revisions.iter().map(|revision| &revision.id).filter(|id| is_commit(id, index));
    ids.cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether the id of a revision is a commit's; versions of objects and digests of images are none.
fn is_commit(id: &str, index: &Index<'_>) -> bool {
    let is_hash = matches!(id.len(), 40 | 64) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash || index.commit(id).is_some()
}

fn change(
    draft: &Draft<'_>,
    commit: String,
    tier: Tier,
    deployed: OffsetDateTime,
    has_predecessor: bool,
    index: &Index<'_>,
    pushes: &BTreeMap<String, OffsetDateTime>,
) -> Change {
    let committed = index.commit(&commit).and_then(|commit| commit.committed);
    let brought = || {
        let merged = index.merge(&commit).map(|merge| merge.merged);
        [merged, pushes.get(&commit).copied()].into_iter().flatten().min()
    };
    let (committed, tier) = match committed {
        Some(time) => (Some(time), tier),
        None => brought().map_or((None, tier), |time| (Some(time), Tier::C)),
    };
    let fate = match committed {
        _ if !has_predecessor => ChangeFate::NoPredecessor,
        None => ChangeFate::NoTime,
        Some(time) if time > deployed => ChangeFate::Negative,
        Some(_) => ChangeFate::Deployed,
    };
    Change {
        service: draft.deployment.service.clone(),
        commit,
        committed,
        deployment: draft.deployment.id.clone(),
        deployed,
        tier,
        fate,
    }
}

/// When a commit came to its repository, as `CodeCommit`'s requests say. Of a push there are two records; only one has
/// references, and it may have many.
fn pushes(history: &History) -> BTreeMap<String, OffsetDateTime> {
    let mut pushes: BTreeMap<String, OffsetDateTime> = BTreeMap::new();
    for event in history.events.iter().filter(|it| it.source == "codecommit.amazonaws.com" && it.succeeded()) {
        let references = event.request.member(&["references"]).and_then(serde_json::Value::as_array);
        let pushed = references.into_iter().flatten().filter_map(|it| it.get("commit")?.as_str().map(str::to_owned));
        let made = match event.name.as_str() {
            "CreateCommit"
            | "PutFile"
            | "MergeBranchesByFastForward"
            | "MergeBranchesBySquash"
            | "MergeBranchesByThreeWay" => event.response.text(&["commitId"]),
            name if name.starts_with("MergePullRequestBy") => merged(event.response.member(&["pullRequest"])),
            _ => None,
        };
        for id in pushed.chain(made) {
            let first = pushes.entry(id).or_insert(event.time);
            *first = (*first).min(event.time);
        }
    }
    pushes
}

/// The commit that a merge made: `pullRequestTargets[].mergeMetadata.mergeCommitId`.
fn merged(pull_request: Option<&serde_json::Value>) -> Option<String> {
    let targets = pull_request?.get("pullRequestTargets")?.as_array()?;
    let made = targets.iter().find_map(|it| it.get("mergeMetadata")?.get("mergeCommitId")?.as_str());
    made.map(str::to_owned)
}
