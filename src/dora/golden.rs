//! The golden vector: one service whose numbers were worked out by hand.
//!
//! In: nothing. Out: a history, what the inventory says of it, and options. Every part of this module is tested with it,
//! so that deployments, metrics, delivery facts and exports agree on the same four weeks.
//!
//! Service `S`, one production stage, window of 28 days that ends 2026-06-29, UTC. Execution, commit, what became of it:
//!
//! | execution | committed | in production |
//! |---|---|---|
//! | e1 | c1 06-01 09:00 | 06-01 12:00 succeeded; nothing before it is known |
//! | e2 | c2 06-03 10:00 | superseded before production |
//! | e3 | c3 06-03 11:00 | 06-03 15:00 succeeded |
//! | e4 | c4 06-08 08:00 | first attempt failed 10:00, retried, 10:30 succeeded |
//! | e5 | c5 06-10 09:00 | 11:00 succeeded |
//! | r1 | rollback to e4 | 06-10 11:40 succeeded |
//! | e6 | c6 06-10 13:00 `hotfix: null check` | 14:00 succeeded |
//! | e7 | c7 06-15 09:00 | began 09:50, failed 10:00 by `HEALTH_CONSTRAINTS`, targets touched |
//! | d-RB | `CodeDeploy`'s rollback of e7 | 06-15 10:20 succeeded |
//! | e8 | c8 06-15 12:00 `fix flaky health check` | 13:00 succeeded |
//! | d-9 | a person deploys e8's revision again | 06-20 10:00 succeeded |
//! | e10 | c10 06-24 09:00 | failed in its unit tests |
//! | e11 | c11 06-24 11:00 | 12:30 succeeded |
//!
//! Ten executions ran unit tests; those of e10 failed. Nobody wrote commits' parents down, so lead times are of tier B.

#![expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::{Estate, Options};
use crate::history::{
    ActionExecution, AutoRollback, CodeDeployment, Commit, Event, History, HistoryCoverage, HistorySource, Incident,
    InstanceCounts, PipelineExecution, Revision, SourceRevision, Span, Trigger,
};
use crate::inventory::{AccountId, Inventory, Region, Resource, TypeName};

/// ARN of the pipeline, which is the service's key.
pub(crate) const PIPELINE: &str = "arn:aws:codepipeline:eu-west-1:111122223333:S";
/// ARN of the deployment group that the pipeline deploys to.
pub(crate) const GROUP: &str = "arn:aws:codedeploy:eu-west-1:111122223333:deploymentgroup:shop/fleet-prod";
/// End of the window.
pub(crate) const AS_OF: OffsetDateTime = datetime!(2026-06-29 0:00 UTC);
/// From when on everything was looked at: the window's begin and sixty days before it.
pub(crate) const OBSERVED_FROM: OffsetDateTime = datetime!(2026-04-02 0:00 UTC);
/// The repository.
pub(crate) const REPOSITORY: &str = "acme/shop";
/// Who approves every release.
pub(crate) const APPROVER: &str = "arn:aws:sts::111122223333:assumed-role/ReleaseApprover/alice@example.com";
/// The role that the pipeline acts through.
const PIPELINE_ROLE: &str = "arn:aws:iam::111122223333:role/PipelineRole";

pub(crate) fn account() -> AccountId {
    "111122223333".parse().unwrap()
}

pub(crate) fn region() -> Region {
    "eu-west-1".parse().unwrap()
}

/// Id of a commit: `c3` is `commit(3)`.
pub(crate) fn commit(number: u32) -> String {
    format!("c{number:039}")
}

/// The asked window: 28 days, UTC, a day's lag.
pub(crate) fn options() -> Options {
    Options::at(AS_OF).with_window("28d").unwrap()
}

/// An incident, for the variant with a file of incidents; remember a span of [`HistorySource::IncidentFile`].
pub(crate) fn incident(id: &str, started: OffsetDateTime, resolved: Option<OffsetDateTime>) -> Incident {
    Incident {
        id: id.to_owned(),
        service: PIPELINE.to_owned(),
        started,
        resolved,
        caused_by: None,
        source: "incidents.csv".to_owned(),
    }
}

/// A span in the service's place.
pub(crate) fn span(source: HistorySource, from: OffsetDateTime, to: OffsetDateTime) -> Span {
    Span { source, account: Some(account()), region: Some(region()), subject: None, from, to }
}

/// What the inventory says of it.
pub(crate) fn estate() -> Estate {
    let mut pipeline = Resource::live(TypeName::PIPELINE, PIPELINE.to_owned(), account(), region());
    pipeline.tags = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
    let kind = |category: &str, provider: &str| json!({"Category": category, "Owner": "AWS", "Provider": provider, "Version": "1"});
    let stages = json!([
        {"Name": "Source", "Actions": [{"Name": "Source", "ActionTypeId": kind("Source", "CodeStarSourceConnection"),
            "Configuration": {"FullRepositoryId": REPOSITORY, "BranchName": "main"}}]},
        {"Name": "Build", "Actions": [
            {"Name": "Package", "ActionTypeId": kind("Build", "CodeBuild"), "Configuration": {"ProjectName": "shop-package"}},
            {"Name": "UnitTests", "ActionTypeId": kind("Test", "CodeBuild"), "Configuration": {"ProjectName": "shop-unit-tests"}},
        ]},
        {"Name": "Approve", "Actions": [{"Name": "Release", "ActionTypeId": kind("Approval", "Manual")}]},
        {"Name": "Prod", "Actions": [{"Name": "Deploy", "ActionTypeId": kind("Deploy", "CodeDeploy"),
            "Configuration": {"ApplicationName": "shop", "DeploymentGroupName": "fleet-prod"}}]},
    ]);
    put(&mut pipeline, json!({"Name": "S", "ExecutionMode": "SUPERSEDED", "Stages": stages, "RoleArn": PIPELINE_ROLE}));
    let mut group = Resource::live(TypeName::DEPLOYMENT_GROUP, GROUP.to_owned(), account(), region());
    put(&mut group, json!({"ApplicationName": "shop", "DeploymentGroupName": "fleet-prod"}));
    let uid = format!("arn:aws:organizations::999988887777:account/o-example/{}", account());
    let mut own = Resource::live(TypeName::ACCOUNT, uid, account(), Region::GLOBAL);
    let place = json!({"AccountId": account(), "AccountName": "shop", "OrganizationalUnitPath": "/Workloads/Prod"});
    put(&mut own, place);
    let mut estate = Estate::default();
    estate.absorb(&Inventory { resources: vec![pipeline, group, own], ..Inventory::default() });
    estate
}

fn put(resource: &mut Resource, properties: Value) {
    let Value::Object(properties) = properties else { panic!("an object") };
    resource.properties = properties;
}

/// The history, normalised.
pub(crate) fn history() -> History {
    let mut vector = Vector::default();
    vector.release(1, datetime!(2026-06-01 09:00 UTC), datetime!(2026-06-01 12:00 UTC));
    vector.superseded(2, datetime!(2026-06-03 10:00 UTC));
    vector.release(3, datetime!(2026-06-03 11:00 UTC), datetime!(2026-06-03 15:00 UTC));
    vector.retried(
        4,
        datetime!(2026-06-08 08:00 UTC),
        datetime!(2026-06-08 10:00 UTC),
        datetime!(2026-06-08 10:30 UTC),
    );
    vector.release(5, datetime!(2026-06-10 09:00 UTC), datetime!(2026-06-10 11:00 UTC));
    vector.rolled_back(datetime!(2026-06-10 11:40 UTC));
    vector.release(6, datetime!(2026-06-10 13:00 UTC), datetime!(2026-06-10 14:00 UTC));
    vector.failed(7, datetime!(2026-06-15 09:00 UTC), datetime!(2026-06-15 10:00 UTC), datetime!(2026-06-15 10:20 UTC));
    vector.release(8, datetime!(2026-06-15 12:00 UTC), datetime!(2026-06-15 13:00 UTC));
    vector.deployed_by_hand(datetime!(2026-06-20 10:00 UTC));
    vector.failed_in_tests(10, datetime!(2026-06-24 09:00 UTC));
    vector.release(11, datetime!(2026-06-24 11:00 UTC), datetime!(2026-06-24 12:30 UTC));
    let mut history = vector.0;
    let sources = [
        HistorySource::LookupEvents,
        HistorySource::PipelineExecutions,
        HistorySource::Deployments,
        HistorySource::Builds,
        HistorySource::SourceHost,
    ];
    let spans = sources.map(|source| span(source, OBSERVED_FROM, AS_OF)).to_vec();
    history.coverage = HistoryCoverage { spans, gaps: Vec::new() };
    history.normalise();
    history
}

#[derive(Default)]
struct Vector(History);

const MINUTE: Duration = Duration::MINUTE;

impl Vector {
    /// Through all stages, to a deployment of ten minutes that succeeds.
    fn release(&mut self, number: u32, committed: OffsetDateTime, finished: OffsetDateTime) {
        self.begin(number, committed, "Succeeded", finished);
        self.until_production(number, committed, finished - 10 * MINUTE);
        self.deploy(&format!("e{number}"), 1, finished - 10 * MINUTE, finished, "Succeeded");
        self.code_deployment(&format!("d-E{number}"), number, finished - 10 * MINUTE, finished);
    }

    fn superseded(&mut self, number: u32, committed: OffsetDateTime) {
        self.begin(number, committed, "Superseded", committed + 65 * MINUTE);
        self.build(number, committed, "Succeeded");
    }

    fn retried(&mut self, number: u32, committed: OffsetDateTime, failed: OffsetDateTime, finished: OffsetDateTime) {
        self.begin(number, committed, "Succeeded", finished);
        self.until_production(number, committed, failed - 10 * MINUTE);
        let id = format!("e{number}");
        self.deploy(&id, 1, failed - 10 * MINUTE, failed, "Failed");
        self.deploy(&id, 2, finished - 10 * MINUTE, finished, "Succeeded");
        self.code_deployment(&format!("d-E{number}"), number, failed - 10 * MINUTE, failed);
        if let Some(first) = self.0.deployments.last_mut() {
            first.status = "Failed".to_owned();
            first.error_code = Some("TIMEOUT".to_owned());
            first.counts = Some(InstanceCounts { succeeded: 1, failed: 1, ..InstanceCounts::default() });
        }
        self.code_deployment(&format!("d-E{number}-2"), number, finished - 10 * MINUTE, finished);
        self.event(
            &format!("retry-{id}"),
            finished - 10 * MINUTE,
            ("codepipeline", "RetryStageExecution"),
            ("ReleaseManager", "carol@example.com"),
            json!({"pipelineName": "S", "stageName": "Prod", "pipelineExecutionId": id, "retryMode": "FAILED_ACTIONS"}),
            json!({"pipelineExecutionId": id}),
        );
    }

    fn rolled_back(&mut self, finished: OffsetDateTime) {
        let started = finished - 10 * MINUTE;
        self.0.executions.push(PipelineExecution {
            updated: Some(finished),
            revisions: vec![revision(4)],
            trigger: Some(Trigger {
                kind: "ManualRollback".to_owned(),
                detail: Some("arn:aws:sts::111122223333:assumed-role/ReleaseManager/carol@example.com".to_owned()),
            }),
            mode: Some("SUPERSEDED".to_owned()),
            execution_type: Some("ROLLBACK".to_owned()),
            rollback_target: Some("e4".to_owned()),
            ..PipelineExecution::new(PIPELINE, account(), region(), "r1", "Succeeded", started)
        });
        self.deploy("r1", 1, started, finished, "Succeeded");
        self.code_deployment("d-R1", 4, started, finished);
        self.event(
            "rollback-r1",
            started,
            ("codepipeline", "RollbackStage"),
            ("ReleaseManager", "carol@example.com"),
            json!({"pipelineName": "S", "stageName": "Prod", "targetPipelineExecutionId": "e4"}),
            json!({"pipelineExecutionId": "r1"}),
        );
    }

    fn failed(&mut self, number: u32, committed: OffsetDateTime, failed: OffsetDateTime, back: OffsetDateTime) {
        self.begin(number, committed, "Failed", failed);
        self.until_production(number, committed, failed - 10 * MINUTE);
        self.deploy(&format!("e{number}"), 1, failed - 10 * MINUTE, failed, "Failed");
        let id = format!("d-E{number}");
        self.code_deployment(&id, number, failed - 10 * MINUTE, failed);
        if let Some(deployment) = self.0.deployments.last_mut() {
            deployment.status = "Failed".to_owned();
            deployment.error_code = Some("HEALTH_CONSTRAINTS".to_owned());
            deployment.counts = Some(InstanceCounts { failed: 2, skipped: 2, ..InstanceCounts::default() });
            deployment.rollback_deployment = Some("d-RB".to_owned());
        }
        self.code_deployment("d-RB", 6, failed, back);
        if let Some(rollback) = self.0.deployments.last_mut() {
            rollback.creator = Some("codeDeployRollback".to_owned());
            rollback.rollback_triggering_deployment = Some(id);
        }
    }

    fn deployed_by_hand(&mut self, finished: OffsetDateTime) {
        self.code_deployment("d-9", 8, finished - 10 * MINUTE, finished);
        self.event(
            "deploy-d-9",
            finished - 10 * MINUTE,
            ("codedeploy", "CreateDeployment"),
            ("Developer", "dave@example.com"),
            json!({"applicationName": "shop", "deploymentGroupName": "fleet-prod", "revision": {"revisionType": "S3",
                "s3Location": {"bucket": "releases", "key": "shop/8.zip", "version": "v8"}}}),
            json!({"deploymentId": "d-9"}),
        );
    }

    fn failed_in_tests(&mut self, number: u32, committed: OffsetDateTime) {
        self.begin(number, committed, "Failed", committed + 16 * MINUTE);
        self.build(number, committed, "Failed");
    }

    /// The execution and its commit.
    fn begin(&mut self, number: u32, committed: OffsetDateTime, status: &str, updated: OffsetDateTime) {
        self.0.commits.push(Commit {
            repository: REPOSITORY.to_owned(),
            id: commit(number),
            parents: Vec::new(),
            authored: Some(committed - 30 * MINUTE),
            committed: Some(committed),
            author_email: Some("bob@example.com".to_owned()),
            author_login: Some("bob".to_owned()),
            summary: Some(message(number)),
        });
        let started = committed + 5 * MINUTE;
        self.0.executions.push(PipelineExecution {
            updated: Some(updated),
            revisions: vec![revision(number)],
            trigger: Some(Trigger {
                kind: "WebhookV2".to_owned(),
                detail: Some("arn:aws:codeconnections:eu-west-1:111122223333:connection/c-1".to_owned()),
            }),
            mode: Some("SUPERSEDED".to_owned()),
            execution_type: Some("STANDARD".to_owned()),
            ..PipelineExecution::new(PIPELINE, account(), region(), format!("e{number}"), status, started)
        });
        let source = self.action(&format!("e{number}"), ("Source", "Source"), ("Source", "CodeStarSourceConnection"));
        source.started = started;
        source.updated = Some(started + MINUTE);
        source.configuration = settings(&[("FullRepositoryId", REPOSITORY), ("BranchName", "main")]);
    }

    /// A package, and unit tests that end as said.
    fn build(&mut self, number: u32, committed: OffsetDateTime, tests: &str) {
        let (id, started) = (format!("e{number}"), committed + 6 * MINUTE);
        let package = self.action(&id, ("Build", "Package"), ("Build", "CodeBuild"));
        package.started = started;
        package.updated = Some(started + 10 * MINUTE);
        package.configuration = settings(&[("ProjectName", "shop-package")]);
        package.external_execution_id = Some(format!("shop-package:{number}"));
        let unit_tests = self.action(&id, ("Build", "UnitTests"), ("Test", "CodeBuild"));
        unit_tests.started = started;
        unit_tests.updated = Some(started + 5 * MINUTE);
        unit_tests.configuration = settings(&[("ProjectName", "shop-unit-tests")]);
        unit_tests.external_execution_id = Some(format!("shop-unit-tests:{number}"));
        tests.clone_into(&mut unit_tests.status);
    }

    /// A build and an approval that is given when production begins.
    fn until_production(&mut self, number: u32, committed: OffsetDateTime, production: OffsetDateTime) {
        self.build(number, committed, "Succeeded");
        let id = format!("e{number}");
        let approval = self.action(&id, ("Approve", "Release"), ("Approval", "Manual"));
        approval.started = committed + 16 * MINUTE;
        approval.updated = Some(production);
        approval.updated_by = Some(APPROVER.to_owned());
        self.event(
            &format!("approve-{id}"),
            production,
            ("codepipeline", "PutApprovalResult"),
            ("ReleaseApprover", "alice@example.com"),
            json!({"pipelineName": "S", "stageName": "Approve", "actionName": "Release",
                "result": {"status": "Approved", "summary": "looks good"}, "token": "t"}),
            json!({"approvedAt": "Jun 1, 2026 11:50:00 AM"}),
        );
    }

    fn deploy(&mut self, id: &str, attempt: u32, started: OffsetDateTime, ended: OffsetDateTime, status: &str) {
        let suffix = if attempt == 1 { String::new() } else { format!("-{attempt}") };
        let deploy = self.action(id, ("Prod", "Deploy"), ("Deploy", "CodeDeploy"));
        deploy.id = format!("a-{id}-Prod-Deploy{suffix}");
        deploy.started = started;
        deploy.updated = Some(ended);
        status.clone_into(&mut deploy.status);
        deploy.configuration = settings(&[("ApplicationName", "shop"), ("DeploymentGroupName", "fleet-prod")]);
        deploy.external_execution_id = Some(format!("d-{}{suffix}", id.to_uppercase()));
    }

    fn action(&mut self, id: &str, name: (&str, &str), kind: (&str, &str)) -> &mut ActionExecution {
        self.0.actions.push(ActionExecution {
            pipeline: PIPELINE.to_owned(),
            execution: id.to_owned(),
            id: format!("a-{id}-{}-{}", name.0, name.1),
            stage: name.0.to_owned(),
            action: name.1.to_owned(),
            category: kind.0.to_owned(),
            provider: kind.1.to_owned(),
            pipeline_version: Some(1),
            status: "Succeeded".to_owned(),
            started: AS_OF,
            updated: None,
            updated_by: None,
            role_arn: None,
            region: None,
            configuration: BTreeMap::new(),
            external_execution_id: None,
            error_code: None,
            summary: None,
        });
        self.0.actions.last_mut().unwrap()
    }

    /// A deployment of what the commit with this number built.
    fn code_deployment(&mut self, id: &str, number: u32, started: OffsetDateTime, completed: OffsetDateTime) {
        self.0.deployments.push(CodeDeployment {
            account: account(),
            region: region(),
            id: id.to_owned(),
            application: "shop".to_owned(),
            group: Some("fleet-prod".to_owned()),
            compute_platform: Some("Server".to_owned()),
            status: "Succeeded".to_owned(),
            creator: Some("user".to_owned()),
            created: started,
            started: Some(started),
            completed: Some(completed),
            revision: Some(Revision::S3 {
                bucket: "releases".to_owned(),
                key: format!("shop/{number}.zip"),
                version: Some(format!("v{number}")),
                etag: None,
            }),
            rollback_deployment: None,
            rollback_triggering_deployment: None,
            error_code: None,
            counts: Some(InstanceCounts { succeeded: 4, ..InstanceCounts::default() }),
            mode: Some("STANDARD".to_owned()),
            ignore_application_stop_failures: Some(false),
            auto_rollback: Some(AutoRollback { enabled: true, events: vec!["DEPLOYMENT_FAILURE".to_owned()] }),
            overrides_alarms: Some(false),
            description: None,
        });
    }

    fn event(
        &mut self,
        id: &str,
        time: OffsetDateTime,
        call: (&str, &str),
        who: (&str, &str),
        request: Value,
        response: Value,
    ) {
        let time = time.format(&time::format_description::well_known::Rfc3339).unwrap();
        let ((service, name), (role, session), account) = (call, who, account());
        let record = json!({
            "eventVersion": "1.11", "eventID": id, "eventTime": time,
            "eventSource": format!("{service}.amazonaws.com"), "eventName": name,
            "awsRegion": "eu-west-1", "recipientAccountId": account, "readOnly": false, "sourceIPAddress": "192.0.2.10",
            "userIdentity": {
                "type": "AssumedRole", "accountId": account, "principalId": format!("AROAEXAMPLE:{session}"),
                "arn": format!("arn:aws:sts::{account}:assumed-role/{role}/{session}"),
                "sessionContext": {"sessionIssuer": {"type": "Role", "arn": format!("arn:aws:iam::{account}:role/{role}")}},
            },
            "requestParameters": request, "responseElements": response,
        });
        self.0.events.push(Event::from_value(&record).unwrap());
    }
}

fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn message(number: u32) -> String {
    match number {
        6 => "hotfix: null check".to_owned(),
        8 => "fix flaky health check".to_owned(),
        _ => format!("change {number}"),
    }
}

fn revision(number: u32) -> SourceRevision {
    SourceRevision {
        action: "Source".to_owned(),
        id: commit(number),
        summary: Some(message(number)),
        url: Some(format!("https://github.com/{REPOSITORY}/commit/{}", commit(number))),
    }
}

#[test]
fn the_history_is_in_its_one_order_and_complete() {
    let (one, mut twice) = (history(), history());
    twice.absorb(history());
    twice.normalise();
    assert_eq!(one, twice);
    assert_eq!((one.executions.len(), one.deployments.len(), one.commits.len()), (11, 12, 10));
    assert!(estate().resource(PIPELINE).is_some());
}
