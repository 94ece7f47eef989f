//! `CodeDeploy`'s history of deployments.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::super::estate::{
    Asked, Deployed, Finish, GroupSpec, PipelineSpec, Platform, Story, application_name, deployed, sha,
};
use super::super::protocol::{ApiError, timestamp};
use super::super::world::World;
use super::codedeploy::{BAD_TOKEN, platform_name, rollback};
use super::pages::{page, with_token};
use super::{Answer, Call};

/// A deployment with where it belongs.
struct Found {
    group: GroupSpec,
    story: Story,
    one: Deployed,
}

/// All deployments of the account in the Region, newest first.
fn all(call: &Call<'_>) -> Vec<Found> {
    let mut all = Vec::new();
    for spec in call.region.into_iter().flat_map(|region| PipelineSpec::all(call.world, call.account, region)) {
        if !spec.uses_group() {
            continue;
        }
        let story = Story::of(call.world, &spec);
        let group = GroupSpec::new(call.world, spec.account, spec.region, spec.number);
        all.extend(deployed(call.world, &story).into_iter().map(|one| Found {
            group: group.clone(),
            story: story.clone(),
            one,
        }));
    }
    all.sort_by(|a, b| (b.one.created, &b.one.id).cmp(&(a.one.created, &a.one.id)));
    all
}

fn status(one: &Deployed) -> &'static str {
    match one.finish {
        Finish::Succeeded => "Succeeded",
        Finish::Failed { .. } => "Failed",
        Finish::Stopped => "Stopped",
    }
}

/// A moment of the input, in seconds since 1970.
pub(super) fn moment(input: &Value, pointer: &str) -> Option<OffsetDateTime> {
    let value = input.pointer(pointer)?;
    #[expect(clippy::cast_possible_truncation, reason = "parts of a second do not matter here")]
    let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64))?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

pub(super) fn list_deployments(call: &Call<'_>) -> Answer {
    let (application, group) = (call.text("applicationName"), call.text("deploymentGroupName"));
    if application.is_some() != group.is_some() {
        let message = "applicationName and deploymentGroupName go together".to_owned();
        return Err(ApiError::new(400, "ApplicationNameRequiredException", message));
    }
    let (from, to) = (moment(call.input, "/createTimeRange/start"), moment(call.input, "/createTimeRange/end"));
    let statuses = call.texts("includeOnlyStatuses");
    let kept = |found: &Found| {
        application.is_none_or(|name| name == application_name(call.account, found.group.application()))
            && group.is_none_or(|name| name == found.group.name())
            && from.is_none_or(|from| from <= found.one.created)
            && to.is_none_or(|to| found.one.created <= to)
            && (statuses.is_empty() || statuses.contains(&status(&found.one)))
    };
    let ids: Vec<String> = all(call).into_iter().filter(kept).map(|found| found.one.id).collect();
    let (range, next) = page(ids.len(), call.text("nextToken"), None, 100, BAD_TOKEN)?;
    Ok(with_token(json!({ "deployments": ids.get(range).unwrap_or_default() }), "nextToken", next))
}

pub(super) fn batch_get_deployments(call: &Call<'_>) -> Answer {
    let ids = call.texts("deploymentIds");
    if ids.len() > 25 {
        let message = "The number of elements in the batch is limited to 25".to_owned();
        return Err(ApiError::new(400, "BatchLimitExceededException", message));
    }
    let all = all(call);
    let found = ids.iter().filter_map(|id| all.iter().find(|found| found.one.id == *id));
    Ok(json!({ "deploymentsInfo": found.map(|found| info(call, found)).collect::<Vec<Value>>() }))
}

pub(super) fn get_deployment(call: &Call<'_>) -> Answer {
    let id = call.required("deploymentId")?;
    let all = all(call);
    let found = all
        .iter()
        .find(|found| found.one.id == id)
        .ok_or_else(|| ApiError::new(400, "DeploymentDoesNotExistException", format!("there is no deployment {id}")))?;
    Ok(json!({ "deploymentInfo": info(call, found) }))
}

/// What is deployed: an archive of the pipeline's store, or a specification.
pub(super) fn revision(world: &World, story: &Story, group: &GroupSpec, head: usize) -> Value {
    let commit = story.commits.get(head).map_or("", |commit| commit.id.as_str());
    if group.platform == Platform::Server {
        let key = format!("{}/BuildOutput/{}", story.spec.name(), commit.get(..7).unwrap_or_default());
        let tag = sha(world, story.place(), &format!("tag-{}", story.spec.number), head);
        return json!({ "revisionType": "S3", "s3Location": {
            "bucket": story.spec.store.bucket.name(world), "key": key, "bundleType": "zip",
            "eTag": tag.get(..32).unwrap_or_default()
        } });
    }
    let content = json!({ "version": 0.0, "Resources": [{ "target": { "Properties": { "Revision": commit } } }] });
    let hash = sha(world, story.place(), &format!("hash-{}", story.spec.number), head);
    let hash = format!("{hash}{}", hash.get(..24).unwrap_or_default());
    json!({ "revisionType": "AppSpecContent", "appSpecContent": { "content": content.to_string(), "sha256": hash } })
}

fn info(call: &Call<'_>, found: &Found) -> Value {
    let (world, one, group) = (call.world, &found.one, &found.group);
    let mut info = Map::new();
    let mut put = |name: &str, value: Value| {
        info.insert(name.to_owned(), value);
    };
    put("applicationName", json!(application_name(group.account, group.application())));
    put("deploymentGroupName", json!(group.name()));
    put("deploymentConfigName", json!(group.config.name));
    put("deploymentId", json!(one.id));
    put("computePlatform", json!(platform_name(group.platform)));
    put("revision", revision(world, &found.story, group, one.head));
    put("status", json!(status(one)));
    put("createTime", timestamp(one.created));
    put("completeTime", timestamp(one.completed));
    put("autoRollbackConfiguration", rollback(group.rollback));
    put("ignoreApplicationStopFailures", json!(false));
    let creator = match one.asked {
        // The service has no word for pipelines.
        Asked::Pipeline(_) | Asked::By(..) => "user",
        Asked::Scaling => "autoscaling",
        Asked::Rollback => "codeDeployRollback",
    };
    put("creator", json!(creator));
    let (mut pending, mut succeeded, mut failed, mut skipped) = (0, 0, 0, 0);
    match one.finish {
        Finish::Succeeded => succeeded = 3,
        Finish::Failed { touched: true, .. } => (succeeded, failed, skipped) = (1, 1, 1),
        Finish::Failed { touched: false, .. } => pending = 3,
        Finish::Stopped => (succeeded, skipped) = (1, 2),
    }
    put(
        "deploymentOverview",
        json!({
            "Pending": pending, "InProgress": 0, "Succeeded": succeeded, "Failed": failed, "Skipped": skipped, "Ready": 0
        }),
    );
    if let Finish::Failed { code, touched } = one.finish {
        put("errorInformation", json!({ "code": code, "message": "the deployment failed" }));
        if touched {
            put("startTime", timestamp(one.started));
        }
    } else {
        put("startTime", timestamp(one.started));
    }
    if one.finish == Finish::Stopped {
        put("errorInformation", json!({ "code": "MANUAL_STOP", "message": "stopped by a person" }));
    }
    if one.restarts() {
        put("deploymentMode", json!("RESTART"));
    }
    let mut undo = Map::new();
    let undoing = [("rollbackDeploymentId", &one.undone_by), ("rollbackTriggeringDeploymentId", &one.undoes)];
    undo.extend(undoing.into_iter().filter_map(|(name, id)| Some((name.to_owned(), json!(id.as_ref()?)))));
    if !undo.is_empty() {
        undo.insert("rollbackMessage".to_owned(), json!("an earlier revision is deployed"));
        put("rollbackInfo", Value::Object(undo));
    }
    Value::Object(info)
}
