//! Deployments of `CodeDeploy`.
//!
//! In: an account and Region with an application or deployment group. Out: every deployment that was created in the
//! period, those of deleted groups included, because the list is asked without naming a group. Deployments that had not
//! ended are asked for again by id.
//!
//! AWS does not say how long it keeps deployments. An empty month is taken as empty, unless the execution of an action
//! names a deployment there that is not to be had: then the group's history up to it is a gap.
//!
//! <https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_ListDeployments.html>,
//! <https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_BatchGetDeployments.html> (25 ids a call)

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::types::{DeploymentInfo, DeploymentOverview, RevisionLocation, TimeRange};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use super::aws_time::{moment, sdk_time};
use super::look::{Look, unseen};
use super::message::first_line;
use super::{
    AccountHistory, AutoRollback, CodeDeployment, History, HistoryGap, HistorySource, InstanceCounts, Period, Question,
    Revision,
};
use crate::collect::{CallError, Scope, all_pages, in_order};
use crate::inventory::hex;
use crate::inventory::{Arn, TypeName};

/// Reads deployments of `CodeDeploy`.
#[derive(Debug, Clone, Copy)]
pub(super) struct CodeDeployments;

const LIST: &str = "codedeploy:ListDeployments";
const BATCH_GET: &str = "codedeploy:BatchGetDeployments";

/// Ids that one batch call takes.
const PER_CALL: usize = 25;

#[async_trait]
impl AccountHistory for CodeDeployments {
    fn source(&self) -> HistorySource {
        HistorySource::Deployments
    }

    fn actions(&self) -> &'static [&'static str] {
        &[LIST, BATCH_GET]
    }

    async fn collect(&self, scope: &Scope, question: Question<'_>) -> History {
        let deploys = [TypeName::APPLICATION, TypeName::DEPLOYMENT_GROUP];
        if !question.resources.iter().any(|resource| deploys.contains(&resource.type_name)) {
            return History::default();
        }
        let reader = Reader { scope, client: Client::new(scope.config()) };
        let look = Look { scope, source: HistorySource::Deployments, subject: None };
        let mut history = History::default();
        for period in look.missing(&question) {
            reader.period(&look, period, &mut history).await;
        }
        let known: BTreeSet<String> = history.deployments.iter().map(|deployment| deployment.id.clone()).collect();
        let open = open(scope, &question).into_iter().filter(|id| !known.contains(id)).collect();
        let again = reader.get(open).await;
        history.deployments.extend(again.deployments);
        history.coverage.gaps.extend(again.errors.into_iter().map(|error| look.gap(error, question.period)));
        let gone = vanished(scope, &question, &history);
        history.coverage.gaps.extend(gone);
        history
    }
}

struct Reader<'a> {
    scope: &'a Scope,
    client: Client,
}

/// What came of asking for deployments by id.
#[derive(Debug, Default)]
struct Got {
    deployments: Vec<CodeDeployment>,
    errors: Vec<CallError>,
}

impl Reader<'_> {
    async fn period(&self, look: &Look<'_>, period: Period, history: &mut History) {
        let ids = all_pages(LIST, |token| async move {
            let ask = || {
                // The end is a whole second further, because times are sent without their fractions.
                let (start, end) = (sdk_time(period.from), sdk_time(period.to + Duration::SECOND));
                let range = TimeRange::builder().start(start).end(end).build();
                self.client.list_deployments().create_time_range(range).set_next_token(token.clone()).send()
            };
            let page = self.scope.call(LIST, ask).await?;
            Ok((page.deployments.unwrap_or_default(), page.next_token))
        })
        .await;
        let got = self.get(ids.items.into_iter().collect()).await;
        history.deployments.extend(got.deployments.into_iter().filter(|deployment| deployment.created < period.to));
        // The list has no documented order, so half of it covers nothing.
        let errors: Vec<CallError> = ids.error.into_iter().chain(got.errors).collect();
        if errors.is_empty() {
            history.coverage.spans.push(look.span(period));
        }
        history.coverage.gaps.extend(errors.into_iter().map(|error| look.gap(error, period)));
    }

    async fn get(&self, ids: BTreeSet<String>) -> Got {
        let ids: Vec<String> = ids.into_iter().collect();
        let jobs = ids.chunks(PER_CALL).map(|ids| self.batch(ids)).collect();
        let mut got = Got::default();
        for (ids, answer) in ids.chunks(PER_CALL).zip(in_order(jobs).await) {
            let infos = match answer {
                Ok(infos) => infos,
                Err(error) => {
                    got.errors.push(error);
                    continue;
                }
            };
            let came: BTreeSet<&str> = infos.iter().filter_map(|info| info.deployment_id()).collect();
            let missing: Vec<&str> = ids.iter().map(String::as_str).filter(|id| !came.contains(id)).collect();
            if !missing.is_empty() {
                let message = format!("listed, but not found when asked for: {}", missing.join(", "));
                got.errors.push(unseen(BATCH_GET, "DeploymentsNotFound", message));
            }
            for info in &infos {
                match self.deployment(info) {
                    Some(deployment) => got.deployments.push(deployment),
                    None => got.errors.push(CallError::malformed(BATCH_GET, "a deployment without its id or times")),
                }
            }
        }
        got
    }

    async fn batch(&self, ids: &[String]) -> Result<Vec<DeploymentInfo>, CallError> {
        let ask = || self.client.batch_get_deployments().set_deployment_ids(Some(ids.to_vec())).send();
        Ok(self.scope.call(BATCH_GET, ask).await?.deployments_info.unwrap_or_default())
    }

    fn deployment(&self, info: &DeploymentInfo) -> Option<CodeDeployment> {
        let rollback = info.rollback_info();
        let name = |name: Option<&str>| name.filter(|name| !name.is_empty()).map(str::to_owned);
        Some(CodeDeployment {
            account: self.scope.account.clone(),
            region: self.scope.region.clone(),
            id: info.deployment_id()?.to_owned(),
            application: info.application_name()?.to_owned(),
            group: name(info.deployment_group_name()),
            compute_platform: info.compute_platform().map(|platform| platform.as_str().to_owned()),
            status: info.status()?.as_str().to_owned(),
            creator: info.creator().map(|creator| creator.as_str().to_owned()),
            created: info.create_time().and_then(moment)?,
            started: info.start_time().and_then(moment),
            completed: info.complete_time().and_then(moment),
            revision: info.revision().and_then(revision),
            rollback_deployment: name(rollback.and_then(|rollback| rollback.rollback_deployment_id())),
            rollback_triggering_deployment: name(
                rollback.and_then(|rollback| rollback.rollback_triggering_deployment_id()),
            ),
            error_code: info.error_information().and_then(|error| error.code()).map(|code| code.as_str().to_owned()),
            counts: info.deployment_overview().map(counts),
            mode: info.deployment_mode().map(|mode| mode.as_str().to_owned()),
            ignore_application_stop_failures: Some(info.ignore_application_stop_failures()),
            auto_rollback: info.auto_rollback_configuration().map(|rollback| AutoRollback {
                enabled: rollback.enabled(),
                events: rollback.events().iter().map(|event| event.as_str().to_owned()).collect(),
            }),
            overrides_alarms: Some(info.override_alarm_configuration().is_some()),
            description: info.description().and_then(first_line),
        })
    }
}

fn counts(overview: &DeploymentOverview) -> InstanceCounts {
    let count = |n: i64| u64::try_from(n).unwrap_or_default();
    InstanceCounts {
        pending: count(overview.pending()),
        in_progress: count(overview.in_progress()),
        succeeded: count(overview.succeeded()),
        failed: count(overview.failed()),
        skipped: count(overview.skipped()),
        ready: count(overview.ready()),
    }
}

/// What was deployed; `None` where the service tells too little to know it again.
fn revision(location: &RevisionLocation) -> Option<Revision> {
    if let Some(s3) = location.s3_location() {
        return Some(Revision::S3 {
            bucket: s3.bucket()?.to_owned(),
            key: s3.key()?.to_owned(),
            version: s3.version().map(str::to_owned),
            etag: s3.e_tag().map(|etag| etag.trim_matches('"').to_owned()),
        });
    }
    if let Some(github) = location.git_hub_location() {
        let (repository, commit) = (github.repository()?.to_owned(), github.commit_id()?.to_owned());
        return Some(Revision::GitHub { repository, commit });
    }
    let (content, sha256) = match (location.app_spec_content(), location.string()) {
        (Some(spec), _) => (spec.content(), spec.sha256()),
        // Lambda's revisions were once given this way.
        (None, Some(text)) => (text.content(), text.sha256()),
        (None, None) => return None,
    };
    // The service's own digest stands in only where it keeps the content back.
    let computed = content.filter(|content| !content.is_empty()).map(|content| hex(&Sha256::digest(content)));
    computed.or_else(|| sha256.map(str::to_lowercase)).map(|sha256| Revision::Content { sha256 })
}

/// Deployments that had not ended when they were last seen.
fn open(scope: &Scope, question: &Question<'_>) -> BTreeSet<String> {
    let here = |deployment: &&CodeDeployment| deployment.account == scope.account && deployment.region == scope.region;
    let ended = |status: &str| matches!(status, "Succeeded" | "Failed" | "Stopped");
    let open = question.so_far.deployments.iter().filter(here).filter(|deployment| !ended(&deployment.status));
    open.map(|deployment| deployment.id.clone()).collect()
}

/// Groups of which executions of actions name a deployment that is not to be had, with the time up to which that is so.
fn vanished(scope: &Scope, question: &Question<'_>, found: &History) -> Vec<HistoryGap> {
    let seen: BTreeSet<&str> =
        question.so_far.deployments.iter().chain(&found.deployments).map(|deployment| deployment.id.as_str()).collect();
    let covered = found.coverage.spans.iter().map(|span| Period { from: span.from, to: span.to });
    let covered: Vec<Period> = covered.collect();
    let mut until: BTreeMap<String, OffsetDateTime> = BTreeMap::new();
    for action in &question.so_far.actions {
        let setting = |name: &str| action.configuration.get(name).map(String::as_str).unwrap_or_default();
        let Some(id) = action.external_execution_id.as_deref() else { continue };
        let own = Arn::parse(&action.pipeline).is_ok_and(|arn| {
            let role = action.role_arn.as_deref().and_then(|role| Arn::parse(role).ok());
            let account = role.map_or(arn.account, |role| role.account);
            let region = action.region.as_ref().map_or(arn.region, |region| region.as_str());
            account == scope.account.as_str() && region == scope.region.as_str()
        });
        let asked = covered.iter().any(|period| period.contains(action.started));
        if own && asked && action.provider == "CodeDeploy" && id.starts_with("d-") && !seen.contains(id) {
            let group = format!("{}/{}", setting("ApplicationName"), setting("DeploymentGroupName"));
            let arn = format!(
                "arn:{}:codedeploy:{}:{}:deploymentgroup:{group}",
                scope.partition, scope.region, scope.account
            );
            let last = until.entry(arn).or_insert(action.started);
            *last = (*last).max(action.started);
        }
    }
    let gone = until.into_iter().map(|(arn, last)| {
        let look = Look { scope, source: HistorySource::Deployments, subject: Some(&arn) };
        let message = "pipelines name deployments of this group that CodeDeploy no longer lists";
        let period = Period { from: question.period.from, to: last + Duration::SECOND };
        look.gap(unseen(LIST, super::look::EXPIRED, message), period)
    });
    gone.collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::super::testing::*;
    use super::super::{ActionExecution, Span};
    use super::*;
    use crate::collect::test_support::{Answer, Answers};
    use crate::inventory::Resource;

    fn group() -> Resource {
        let uid = "arn:aws:codedeploy:eu-west-1:111122223333:deploymentgroup:web/prod";
        resource(TypeName::DEPLOYMENT_GROUP, uid, json!({"ApplicationName": "web", "DeploymentGroupName": "prod"}))
    }

    fn info(id: &str) -> Value {
        json!({"deploymentId": id, "applicationName": "web", "deploymentGroupName": "prod", "status": "Succeeded",
            "createTime": epoch(day(9))})
    }

    /// Lists these ids and knows all but those that begin with `d-gone`.
    fn answers(ids: &[&str]) -> Answers {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        Arc::new(move |operation, input| {
            Answer::Json(if operation == "ListDeployments" {
                assert_eq!(input["createTimeRange"]["start"], epoch(FROM));
                assert!(input.get("applicationName").is_none());
                json!({"deployments": ids})
            } else {
                let asked = input["deploymentIds"].as_array().unwrap();
                assert!(asked.len() <= PER_CALL);
                let known = asked.iter().map(|id| id.as_str().unwrap()).filter(|id| !id.starts_with("d-gone"));
                json!({"deploymentsInfo": known.map(info).collect::<Vec<_>>()})
            })
        })
    }

    #[tokio::test]
    async fn every_refusal_is_a_gap_and_ids_are_asked_for_in_batches() {
        let ids: Vec<String> = (0..60).map(|n| format!("d-{n:02}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let asked = Asked::of(vec![group()]);
        let history = every_refusal_leaves_a_gap(&CodeDeployments, &asked, answers(&ids)).await;
        assert_eq!(history.deployments.len(), 60);
        let (_, calls) = collect(&CodeDeployments, &asked, answers(&ids), &[]).await;
        assert_eq!(calls.len(), 4);
        let (refused, _) = collect(&CodeDeployments, &asked, answers(&ids), &[BATCH_GET]).await;
        assert_eq!(refused.coverage.spans, []);
        let (nothing, calls) = collect(&CodeDeployments, &Asked::of(vec![]), answers(&ids), &[]).await;
        assert_eq!((nothing, calls), (History::default(), Vec::new()));
    }

    async fn one(info: Value) -> CodeDeployment {
        let answers: Answers = Arc::new(move |operation, _| {
            Answer::Json(match operation {
                "ListDeployments" => json!({"deployments": ["d-1"]}),
                _ => json!({"deploymentsInfo": [info]}),
            })
        });
        let (history, _) = collect(&CodeDeployments, &Asked::of(vec![group()]), answers, &[]).await;
        assert_eq!(history.coverage.gaps, []);
        history.deployments.into_iter().next().unwrap()
    }

    #[tokio::test]
    async fn a_deployment_is_read_whole() {
        let deployment = one(json!({
            "deploymentId": "d-1", "applicationName": "web", "status": "Failed", "creator": "codeDeployRollback",
            "createTime": 1_780_304_400.5, "startTime": epoch(day(3)), "completeTime": epoch(day(2)),
            "computePlatform": "ECS", "deploymentMode": "RESTART", "ignoreApplicationStopFailures": true,
            "rollbackInfo": {"rollbackTriggeringDeploymentId": "d-0", "rollbackDeploymentId": ""},
            "errorInformation": {"code": "HEALTH_CONSTRAINTS", "message": "hunter2"},
            "deploymentOverview": {"Pending": 1, "Succeeded": 2, "Failed": 3},
            "autoRollbackConfiguration": {"enabled": true, "events": ["DEPLOYMENT_FAILURE"]},
            "overrideAlarmConfiguration": {"enabled": false},
            "description": "use password=hunter2",
            "revision": {"revisionType": "S3", "s3Location": {"bucket": "b", "key": "k", "version": "v", "eTag": "\"e\""}},
        }))
        .await;
        assert_eq!((deployment.group.as_deref(), deployment.creator.as_deref()), (None, Some("codeDeployRollback")));
        assert_eq!(deployment.rollback_triggering_deployment.as_deref(), Some("d-0"));
        assert_eq!(deployment.rollback_deployment, None);
        assert_eq!(deployment.error_code.as_deref(), Some("HEALTH_CONSTRAINTS"));
        let counts = deployment.counts.unwrap();
        assert_eq!((counts.pending, counts.succeeded, counts.failed, counts.touched()), (1, 2, 3, true));
        assert_eq!((deployment.mode.as_deref(), deployment.overrides_alarms), (Some("RESTART"), Some(true)));
        assert_eq!(deployment.auto_rollback.as_ref().unwrap().events, ["DEPLOYMENT_FAILURE"]);
        assert!(deployment.started > deployment.completed, "as AWS says it");
        let version = Some("v".to_owned());
        let expected = Revision::S3 { bucket: "b".into(), key: "k".into(), version, etag: Some("e".into()) };
        assert_eq!(deployment.revision, Some(expected));
        assert!(!serde_json::to_string(&deployment).unwrap().contains("hunter2"));
    }

    #[tokio::test]
    async fn revisions_are_known_again() {
        for (revision, expected) in [
            (
                json!({"revisionType": "GitHub", "gitHubLocation": {"repository": "acme/web", "commitId": "c"}}),
                Some(Revision::GitHub { repository: "acme/web".into(), commit: "c".into() }),
            ),
            (
                json!({"revisionType": "AppSpecContent", "appSpecContent": {"content": "abc", "sha256": "FF"}}),
                Some(Revision::Content {
                    sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".into(),
                }),
            ),
            (
                json!({"revisionType": "String", "string": {"sha256": "FF"}}),
                Some(Revision::Content { sha256: "ff".into() }),
            ),
            (json!({"revisionType": "S3", "s3Location": {"bucket": "b"}}), None),
        ] {
            let mut info = info("d-1");
            info["revision"] = revision;
            assert_eq!(one(info).await.revision, expected);
        }
    }

    #[tokio::test]
    async fn deployments_that_had_not_ended_are_asked_for_again() {
        let mut asked = Asked::of(vec![group()]);
        let mut open = one(info("d-1")).await;
        open.status = "Baking".to_owned();
        asked.so_far.deployments = vec![open];
        asked.known.spans = vec![Span {
            source: HistorySource::Deployments,
            account: None,
            region: None,
            subject: None,
            from: FROM,
            to: TO,
        }];
        let (history, calls) = collect(&CodeDeployments, &asked, answers(&[]), &[]).await;
        assert_eq!(calls, ["BatchGetDeployments"]);
        assert_eq!(history.deployments[0].status, "Succeeded");
    }

    #[tokio::test]
    async fn a_deployment_that_a_pipeline_names_and_nobody_lists_is_a_gap_of_its_group() {
        let named = |id: &str, role: Option<&str>| ActionExecution {
            pipeline: "arn:aws:codepipeline:eu-west-1:111122223333:web".to_owned(),
            execution: "e".to_owned(),
            id: id.to_owned(),
            stage: "Prod".to_owned(),
            action: "Deploy".to_owned(),
            category: "Deploy".to_owned(),
            provider: "CodeDeploy".to_owned(),
            pipeline_version: None,
            status: "Succeeded".to_owned(),
            started: day(5),
            updated: None,
            updated_by: None,
            role_arn: role.map(str::to_owned),
            region: None,
            configuration: [("ApplicationName", "web"), ("DeploymentGroupName", "prod")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            external_execution_id: Some(id.to_owned()),
            error_code: None,
            summary: None,
        };
        let mut asked = Asked::of(vec![group()]);
        let elsewhere = Some("arn:aws:iam::444455556666:role/deploy");
        asked.so_far.actions = vec![named("d-old", None), named("d-1", None), named("d-there", elsewhere)];
        let (history, _) = collect(&CodeDeployments, &asked, answers(&["d-1"]), &[]).await;
        let [gap] = history.coverage.gaps.as_slice() else { panic!("{:?}", history.coverage) };
        assert_eq!(gap.subject.as_deref(), Some(group().uid.as_str()));
        assert_eq!((gap.from, gap.to), (Some(FROM), Some(day(5) + Duration::SECOND)));
        assert_eq!(history.coverage.spans.len(), 1);
    }

    #[tokio::test]
    async fn what_is_listed_and_not_found_is_a_gap() {
        let (history, _) = collect(&CodeDeployments, &Asked::of(vec![group()]), answers(&["d-1", "d-gone"]), &[]).await;
        assert_eq!(history.deployments.len(), 1);
        assert!(history.coverage.gaps[0].gap.sentence().contains("d-gone"));
        assert_eq!(history.coverage.spans, []);
    }
}
