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
use crate::inventory::{Arn, TypeName};

/// Reads deployments of `CodeDeploy`.
#[derive(Debug, Clone, Copy)]
pub struct CodeDeployments;

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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
