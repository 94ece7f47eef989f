//! Identity of what was deployed: equal texts are equal versions.
//!
//! In: source revisions of executions, and revisions of `CodeDeploy`. Out: one text per version. A deployment that
//! somebody makes past the pipeline names an artifact, the pipeline names a commit: where a deployment of the pipeline
//! carried the same artifact, both are the same version.

use std::collections::{BTreeMap, BTreeSet};

use super::members::Draft;
use crate::history::{CodeDeployment, Revision, SourceRevision};

/// The version that source revisions make; none without revisions.
pub(super) fn of_revisions(revisions: &[SourceRevision]) -> Option<String> {
    let parts: BTreeSet<String> = revisions
        .iter()
        .filter(|revision| !revision.id.is_empty())
        .map(|revision| format!("{}={}", revision.action, revision.id))
        .collect();
    (!parts.is_empty()).then(|| parts.into_iter().collect::<Vec<_>>().join(","))
}

/// Every text that an artifact can be known by, the surest first. A key of S3 alone says nothing.
pub(super) fn of_artifact(revision: &Revision) -> Vec<String> {
    match revision {
        Revision::S3 { bucket, key, version, etag } => {
            let version = version.iter().map(|version| format!("s3://{bucket}/{key}?versionId={version}"));
            version.chain(etag.iter().map(|etag| format!("s3://{bucket}/{key}#{}", etag.trim_matches('"')))).collect()
        }
        Revision::GitHub { repository, commit } => vec![format!("github:{repository}@{commit}")],
        Revision::Content { sha256 } => vec![format!("sha256:{sha256}")],
    }
}

fn artifacts(code: &CodeDeployment) -> impl Iterator<Item = String> {
    code.revision.iter().flat_map(of_artifact)
}

/// Versions with what they were made of.
type Versions = BTreeSet<(String, Vec<SourceRevision>)>;

/// Gives deployments without source revisions a version: that of the pipeline's deployment with the same artifact, else
/// the artifact's own.
pub(super) fn resolve(drafts: &mut [Draft<'_>]) {
    // By lane and text; two versions with one artifact leave it open which of them it is.
    let mut known: BTreeMap<(String, String), Versions> = BTreeMap::new();
    for draft in drafts.iter() {
        let Some(version) = &draft.deployment.version else { continue };
        let commits = draft.deployment.revisions.iter().map(|revision| format!("commit:{}", revision.id));
        for text in draft.code.iter().flat_map(|code| artifacts(code)).chain(commits) {
            let of_pipeline = (version.clone(), draft.deployment.revisions.clone());
            known.entry((draft.lane.clone(), text)).or_default().insert(of_pipeline);
        }
    }
    for draft in drafts.iter_mut().filter(|draft| draft.deployment.version.is_none()) {
        let texts: Vec<String> = draft.code.iter().flat_map(|code| artifacts(code)).collect();
        let commit = draft.code.iter().find_map(|code| match &code.revision {
            Some(Revision::GitHub { commit, .. }) => Some(commit.clone()),
            _ => None,
        });
        let by_commit = commit.iter().map(|commit| format!("commit:{commit}"));
        let one = texts.iter().cloned().chain(by_commit).find_map(|text| {
            let versions = known.get(&(draft.lane.clone(), text))?;
            versions.first().filter(|_| versions.len() == 1)
        });
        if let Some((version, revisions)) = one {
            draft.deployment.version = Some(version.clone());
            draft.deployment.revisions.clone_from(revisions);
        } else {
            draft.deployment.version = texts.into_iter().next();
            draft.deployment.revisions = commit
                .map(|id| SourceRevision { action: "CodeDeploy".to_owned(), id, summary: None, url: None })
                .into_iter()
                .collect();
        }
    }
}
