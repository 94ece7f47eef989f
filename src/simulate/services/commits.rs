//! `CodeCommit`'s commits, as the story of the repository's pipeline has them.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::super::estate::{PipelineSpec, SourceSpec, Story, number_in, sha};
use super::super::protocol::ApiError;
use super::{Answer, Call};

fn story(call: &Call<'_>) -> Result<Story, ApiError> {
    let name = call.required("repositoryName")?;
    let found = call.region.and_then(|region| {
        SourceSpec::code_commit(call.world, call.account, region, name)?;
        let number = number_in(call.account, "source", name, call.world.pipeline_count(call.account, region))?;
        Some(Story::of(call.world, &PipelineSpec::new(call.world, call.account, region, number)))
    });
    found.ok_or_else(|| ApiError::new(400, "RepositoryDoesNotExistException", format!("{name} does not exist")))
}

fn commit(call: &Call<'_>, story: &Story, id: &str) -> Option<Value> {
    let at = story.commits.iter().position(|commit| commit.id == id)?;
    let commit = story.commits.get(at)?;
    let before = at.checked_sub(1).and_then(|before| story.commits.get(before));
    let mut parents: Vec<String> = before.map(|commit| commit.id.clone()).into_iter().collect();
    if commit.merge {
        parents.push(sha(call.world, story.place(), &format!("side-{}", story.spec.number), at));
    }
    let person = |time: OffsetDateTime| {
        let address = commit.author.address();
        let name = address.split('@').next().unwrap_or_default();
        json!({ "name": name, "email": address, "date": format!("{} +0000", time.unix_timestamp()) })
    };
    Some(json!({
        "commitId": id, "treeId": sha(call.world, story.place(), "tree", at), "parents": parents,
        "message": format!("{}\n", commit.message), "author": person(commit.authored),
        "committer": person(commit.committed), "additionalData": ""
    }))
}

pub(super) fn batch_get_commits(call: &Call<'_>) -> Answer {
    let story = story(call)?;
    let ids = call.texts("commitIds");
    if ids.len() > 100 {
        let message = "at most 100 commit ids can be asked for".to_owned();
        return Err(ApiError::new(400, "CommitIdsLimitExceededException", message));
    }
    let (mut commits, mut errors) = (Vec::new(), Vec::new());
    for id in ids {
        match commit(call, &story, id) {
            Some(commit) => commits.push(commit),
            None => errors.push(json!({
                "commitId": id, "errorCode": "CommitDoesNotExistException", "errorMessage": "there is no such commit"
            })),
        }
    }
    Ok(json!({ "commits": commits, "errors": errors }))
}

pub(super) fn get_commit(call: &Call<'_>) -> Answer {
    let (story, id) = (story(call)?, call.required("commitId")?);
    let missing = || ApiError::new(400, "CommitIdDoesNotExistException", format!("{id} does not exist"));
    Ok(json!({ "commit": commit(call, &story, id).ok_or_else(missing)? }))
}
