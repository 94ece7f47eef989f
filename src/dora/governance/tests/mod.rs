//! Every rule both ways, and unknown: violations that were seen, what is good, and what nobody looked at.

#![expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]

mod account;
mod approvals;
mod definitions;
mod golden;
mod releases;
mod sight;

use serde_json::{Value, json};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::*;
use crate::dora::{Confidence, DeploymentKind, Member, Outcome, ServiceKey, Target, TriggerKind};
use crate::history::{
    ActionExecution, CodeDeployment, Event, HistorySource, Merge, PipelineExecution, SourceRevision, Span, Trigger,
};
use crate::inventory::{Inventory, Tags};

pub(super) const ACCOUNT: &str = "111122223333";
pub(super) const PIPELINE: &str = "arn:aws:codepipeline:eu-west-1:111122223333:web";
pub(super) const GROUP: &str = "arn:aws:codedeploy:eu-west-1:111122223333:deploymentgroup:web/fleet";
pub(super) const ROLE: &str = "arn:aws:iam::111122223333:role/WebPipeline";
/// What [`World::define`] knows.
const KINDS: &[TypeName] = &[TypeName::PIPELINE, TypeName::DEPLOYMENT_GROUP, TypeName::TRAIL, TypeName::ROLE];
/// In the middle of the window.
pub(super) const NOON: OffsetDateTime = datetime!(2026-06-10 12:00 UTC);
const AS_OF: OffsetDateTime = datetime!(2026-06-29 0:00 UTC);

pub(super) fn session(name: &str) -> String {
    format!("arn:aws:sts::{ACCOUNT}:assumed-role/Release/{name}")
}

pub(super) fn commit(letter: char) -> String {
    letter.to_string().repeat(40)
}

/// A history under construction, of one service with one pipeline.
#[derive(Clone)]
pub(super) struct World {
    pub(super) history: History,
    pub(super) delivery: Delivery,
    pub(super) estate: Estate,
    pub(super) options: Options,
    next: u32,
}

impl World {
    /// Everything was looked at, and nothing happened.
    pub(super) fn quiet() -> Self {
        let options = Options::at(AS_OF).with_window("28d").unwrap();
        let mut world = Self {
            history: History::default(),
            delivery: Delivery::default(),
            estate: Estate::default(),
            options,
            next: 0,
        };
        let (from, to) = (world.options.earliest(), AS_OF);
        for region in ["eu-west-1", "us-east-1"] {
            world.look(HistorySource::LookupEvents, Some(region), None, from, to);
        }
        world.look(HistorySource::PipelineExecutions, Some("eu-west-1"), Some(PIPELINE), from, to);
        world.look(HistorySource::Deployments, Some("eu-west-1"), None, from, to);
        world.delivery.services.push(Service {
            key: ServiceKey(PIPELINE.to_owned()),
            name: "web".to_owned(),
            pipelines: vec![PIPELINE.to_owned()],
            deployment_groups: Vec::new(),
            account: ACCOUNT.parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            organizational_unit: None,
            tags: Tags::from([("team".to_owned(), "payments".to_owned())]),
            production: Some("stage name Prod".to_owned()),
            production_is_assumed: false,
            not_measurable: None,
            is_elsewhere: false,
        });
        world.define(Some("CodeCommit"));
        world
    }

    fn look(
        &mut self,
        source: HistorySource,
        region: Option<&str>,
        subject: Option<&str>,
        from: OffsetDateTime,
        to: OffsetDateTime,
    ) {
        self.history.coverage.spans.push(Span {
            source,
            account: Some(ACCOUNT.parse().unwrap()),
            region: region.map(|region| region.parse().unwrap()),
            subject: subject.map(str::to_owned),
            from,
            to,
        });
        self.delivery.coverage = self.history.coverage.clone();
    }

    /// The merges of a source host were read.
    pub(super) fn look_at_host(&mut self) {
        let (from, to) = (self.options.earliest(), AS_OF);
        self.look(HistorySource::SourceHost, None, Some("acme/web"), from, to);
    }

    /// Changes what the inventory has of a resource.
    pub(super) fn amend(&mut self, uid: &str, change: impl Fn(&mut Resource)) {
        let mut resources: Vec<Resource> = KINDS.iter().flat_map(|kind| self.estate.of_type(kind)).cloned().collect();
        resources.iter_mut().filter(|resource| resource.uid.as_str() == uid).for_each(change);
        self.estate = Estate::default();
        self.estate.absorb(&Inventory { resources, ..Inventory::default() });
    }

    /// The inventory without some of its resources.
    pub(super) fn forget(&mut self, uid: &str) {
        let resources = KINDS.iter().flat_map(|kind| self.estate.of_type(kind));
        let resources: Vec<Resource> = resources.filter(|resource| resource.uid.as_str() != uid).cloned().collect();
        self.estate = Estate::default();
        self.estate.absorb(&Inventory { resources, ..Inventory::default() });
    }

    /// The inventory: a pipeline, its deployment group with an alarm, its bucket and a trail.
    pub(super) fn define(&mut self, source: Option<&str>) {
        let kind = |category: &str, provider: &str| json!({"Category": category, "Provider": provider});
        let configuration = match source {
            Some("CodeCommit") => json!({"RepositoryName": "web", "BranchName": "main"}),
            _ => json!({"FullRepositoryId": "acme/web", "BranchName": "main"}),
        };
        let pipeline = json!({
            "Name": "web", "RoleArn": ROLE, "ArtifactStore": {"Location": "artifacts", "EncryptionKey": {"Id": "k-1"}},
            "Stages": [
                {"Name": "Source", "Actions": [{"Name": "Code", "ActionTypeId": kind("Source", source.unwrap_or("GitHub")),
                    "Configuration": configuration}]},
                {"Name": "Build", "Actions": [{"Name": "Build", "ActionTypeId": kind("Build", "CodeBuild"),
                    "Configuration": {"ProjectName": "web"}}]},
                {"Name": "Prod", "Actions": [
                    {"Name": "Approve", "ActionTypeId": kind("Approval", "Manual"), "RunOrder": 1},
                    {"Name": "Deploy", "ActionTypeId": kind("Deploy", "CodeDeploy"), "RunOrder": 2,
                        "Configuration": {"ApplicationName": "web", "DeploymentGroupName": "fleet"}}]},
            ],
        });
        let group = json!({"AlarmConfiguration": {"Enabled": true, "Alarms": [{"Name": "errors"}]}});
        let trail = json!({"TrailName": "all", "S3BucketName": "trail-logs"});
        let of = |name: TypeName, uid: &str, properties: Value| {
            let region = "eu-west-1".parse().unwrap();
            let mut resource = Resource::live(name, uid.to_owned(), ACCOUNT.parse().unwrap(), region);
            resource.properties = properties.as_object().unwrap().clone();
            resource
        };
        let company = json!({"Federated": format!("arn:aws:iam::{ACCOUNT}:saml-provider/company")});
        let people = json!({"AssumeRolePolicyDocument": {"Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRoleWithSAML", "Principal": company}]}});
        let path = json!({"ManagedPolicyArns": ["arn:aws:iam::111122223333:policy/deliver"]});
        self.estate = Estate::default();
        self.estate.absorb(&Inventory {
            resources: vec![
                of(TypeName::ROLE, &format!("arn:aws:iam::{ACCOUNT}:role/Release"), people),
                of(TypeName::ROLE, ROLE, path),
                of(TypeName::PIPELINE, PIPELINE, pipeline),
                of(TypeName::DEPLOYMENT_GROUP, GROUP, group),
                of(TypeName::TRAIL, "arn:aws:cloudtrail:eu-west-1:111122223333:trail/all", trail),
            ],
            ..Inventory::default()
        });
    }

    /// A call. `who` is a name of a session, or the ARN of something else.
    pub(super) fn call(
        &mut self,
        service: &str,
        name: &str,
        time: OffsetDateTime,
        who: &str,
        request: Value,
        response: Value,
    ) -> String {
        self.next += 1;
        let id = format!("e-{}", self.next);
        let region = if service == "iam" { "us-east-1" } else { "eu-west-1" };
        let identity = match who {
            "root" => json!({"type": "Root", "arn": format!("arn:aws:iam::{ACCOUNT}:root"), "accountId": ACCOUNT}),
            _ => json!({"type": "AssumedRole", "arn": session(who), "accountId": ACCOUNT,
                "sessionContext": {"sessionIssuer": {"arn": format!("arn:aws:iam::{ACCOUNT}:role/Release")}}}),
        };
        let record = json!({
            "eventID": id, "eventTime": written(time), "eventSource": format!("{service}.amazonaws.com"),
            "eventName": name, "awsRegion": region, "recipientAccountId": ACCOUNT, "userIdentity": identity,
            "requestParameters": request, "responseElements": response,
        });
        self.history.events.push(Event::from_value(&record).unwrap());
        id
    }

    /// The event of an id, to change it.
    pub(super) fn event(&mut self, id: &str) -> &mut Event {
        self.history.events.iter_mut().find(|event| event.id == id).unwrap()
    }

    /// An execution that reached production at a moment, approved ten minutes after it was asked, by whoever.
    pub(super) fn release(&mut self, execution: &str, time: OffsetDateTime, approver: Option<&str>) {
        let trigger = Some(Trigger { kind: "CloudWatchEvent".to_owned(), detail: Some("rule".to_owned()) });
        let (account, region): (AccountId, Region) = (ACCOUNT.parse().unwrap(), "eu-west-1".parse().unwrap());
        let head = SourceRevision { action: "Code".to_owned(), id: commit('a'), summary: None, url: None };
        self.history.executions.push(PipelineExecution {
            trigger,
            revisions: vec![head.clone()],
            ..PipelineExecution::new(
                PIPELINE,
                account.clone(),
                region.clone(),
                execution,
                "Succeeded",
                time - Duration::hours(1),
            )
        });
        let action = |name: &str, category: &str, provider: &str, started, updated| ActionExecution {
            pipeline: PIPELINE.to_owned(),
            execution: execution.to_owned(),
            id: format!("a-{execution}-{name}"),
            stage: "Prod".to_owned(),
            action: name.to_owned(),
            category: category.to_owned(),
            provider: provider.to_owned(),
            pipeline_version: Some(1),
            status: "Succeeded".to_owned(),
            started,
            updated: Some(updated),
            updated_by: None,
            role_arn: None,
            region: None,
            configuration: BTreeMap::new(),
            external_execution_id: None,
            error_code: None,
            summary: None,
        };
        let (asked, approved) = (time - Duration::minutes(15), time - Duration::minutes(5));
        let mut approval = action("Approve", "Approval", "Manual", asked, approved);
        approval.updated_by = approver.map(session);
        approval.summary = Some("looked at the diff".to_owned());
        let mut deploy = action("Deploy", "Deploy", "CodeDeploy", time, time + Duration::minutes(5));
        deploy.external_execution_id = Some(format!("d-{execution}"));
        self.history.actions.extend([approval, deploy]);
        self.code_deployment(&format!("d-{execution}"), time);
        let mut deployment = self.deployment(&format!("{PIPELINE}/{execution}"), time);
        deployment.pipeline = Some(PIPELINE.to_owned());
        deployment.execution = Some(execution.to_owned());
        deployment.revisions = vec![head];
        deployment.members = vec![member("Prod/Deploy", &format!("d-{execution}"), time)];
        self.delivery.deployments.push(deployment);
    }

    fn code_deployment(&mut self, id: &str, time: OffsetDateTime) {
        self.history.deployments.push(CodeDeployment {
            account: ACCOUNT.parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            id: id.to_owned(),
            application: "web".to_owned(),
            group: Some("fleet".to_owned()),
            compute_platform: Some("Server".to_owned()),
            status: "Succeeded".to_owned(),
            creator: Some("user".to_owned()),
            created: time,
            started: Some(time),
            completed: Some(time + Duration::minutes(5)),
            revision: None,
            rollback_deployment: None,
            rollback_triggering_deployment: None,
            error_code: None,
            counts: None,
            mode: None,
            ignore_application_stop_failures: None,
            auto_rollback: None,
            overrides_alarms: None,
            description: None,
        });
    }

    fn deployment(&self, id: &str, time: OffsetDateTime) -> Deployment {
        Deployment {
            id: id.to_owned(),
            service: self.delivery.services[0].key.clone(),
            account: ACCOUNT.parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            pipeline: None,
            execution: None,
            members: Vec::new(),
            revisions: Vec::new(),
            version: None,
            started: time,
            finished: Some(time + Duration::minutes(5)),
            first_finished: None,
            outcome: Outcome::Succeeded,
            first_attempt_failed: Some(false),
            attempts: 1,
            kind: DeploymentKind::Forward,
            kind_confidence: Confidence::Medium,
            trigger: TriggerKind::Change,
            actor: None,
            approvers: Vec::new(),
            evidence: Vec::new(),
            unplanned: false,
            unplanned_is_flagged: false,
            events: Vec::new(),
        }
    }

    /// A `CodeDeploy` deployment that no pipeline asked for.
    pub(super) fn direct(&mut self, id: &str, time: OffsetDateTime, trigger: TriggerKind) {
        self.code_deployment(id, time);
        let mut deployment = self.deployment(&format!("eu-west-1/{id}"), time);
        deployment.members = vec![member("fleet", id, time)];
        deployment.trigger = trigger;
        self.delivery.deployments.push(deployment);
    }

    /// A merged pull request of the host's repository.
    pub(super) fn merge(&mut self, commit: &str, author: &str, by: &str) {
        self.history.merges.push(Merge {
            repository: "acme/web".to_owned(),
            number: "7".to_owned(),
            merged: NOON - Duration::days(1),
            merge_commit: Some(commit.to_owned()),
            base: Some("main".to_owned()),
            head: Some("feature".to_owned()),
            author: Some(author.to_owned()),
            merged_by: Some(by.to_owned()),
            approved_by: Vec::new(),
            title: None,
            labels: Vec::new(),
        });
    }

    /// Nobody looked at CloudTrail.
    pub(super) fn without_events(mut self) -> Self {
        self.history.events.clear();
        self.without(HistorySource::tells_events)
    }

    /// These sources were not looked at.
    pub(super) fn without(mut self, source: impl Fn(HistorySource) -> bool) -> Self {
        self.history.coverage.spans.retain(|span| !source(span.source));
        self.delivery.coverage = self.history.coverage.clone();
        self
    }

    pub(super) fn observe(&self) -> Vec<Resource> {
        observe(&self.history, &self.delivery, &self.estate, &self.options)
    }

    fn of(&self, name: &TypeName, property: &str) -> Told {
        let resources = self.observe();
        let resource = resources.iter().find(|it| it.type_name == *name).unwrap();
        let list = resource.properties[property].as_array().unwrap();
        Told {
            seen: list
                .iter()
                .map(|it| format!("{} {}", it["Actor"].as_str().unwrap(), it["What"].as_str().unwrap()))
                .collect(),
            why: resource.unseen.get(property).map(Gap::sentence),
        }
    }

    /// What the service's resource says.
    pub(super) fn service(&self, property: &str) -> Told {
        self.of(&TypeName::DELIVERY_SERVICE, property)
    }

    /// What the account's resource says of the pipeline's Region.
    pub(super) fn account(&self, property: &str) -> Told {
        self.of(&TypeName::DELIVERY_ACCOUNT, property)
    }
}

/// A gap of a refused call.
pub(super) fn denied(action: &str) -> Gap {
    Gap {
        account: ACCOUNT.parse().unwrap(),
        region: "eu-west-1".parse().unwrap(),
        service: action.split(':').next().unwrap().to_owned(),
        action: action.to_owned(),
        cause: crate::inventory::GapCause::AccessDenied { message: "no".to_owned() },
        affects: crate::inventory::Affects::Details,
    }
}

fn member(name: &str, id: &str, time: OffsetDateTime) -> Member {
    Member {
        name: name.to_owned(),
        target: Target {
            account: ACCOUNT.parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            provider: "CodeDeploy".to_owned(),
        },
        attempts: 1,
        started: time,
        finished: Some(time + Duration::minutes(5)),
        outcome: Outcome::Succeeded,
        code_deployments: vec![id.to_owned()],
        error_code: None,
    }
}

/// A property of a resource: sentences, and why there may be more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) seen: Vec<String>,
    pub(super) why: Option<String>,
}

impl Told {
    /// Nothing was seen, and everything was looked at.
    #[track_caller]
    pub(super) fn is_good(&self) {
        assert_eq!(*self, Self { seen: Vec::new(), why: None });
    }

    /// Nothing was seen, and it is said why that means nothing.
    #[track_caller]
    pub(super) fn is_open(&self, word: &str) {
        assert!(self.seen.is_empty(), "{:?}", self.seen);
        assert!(self.why.as_deref().is_some_and(|why| why.contains(word)), "{:?} should say {word}", self.why);
    }

    /// Exactly one thing was seen.
    #[track_caller]
    pub(super) fn is_bad(&self, sentence: &str) {
        let [seen] = self.seen.as_slice() else { panic!("expected one observation: {self:?}") };
        assert!(seen.contains(sentence), "{seen} should say {sentence}");
    }
}
