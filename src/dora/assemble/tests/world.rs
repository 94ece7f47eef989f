//! Small histories, one record at a time.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::*;
use crate::history::{
    ActionExecution, CodeDeployment, Commit, Event, HistorySource, InstanceCounts, PipelineExecution, Revision,
    SourceRevision, Trigger,
};
use crate::inventory::{Inventory, Resource};

/// A moment of June 2026: day, hour, minute.
pub(super) fn at(day: u8, hour: u8, minute: u8) -> OffsetDateTime {
    datetime!(2026-06-01 0:00 UTC).replace_day(day).unwrap().replace_hour(hour).unwrap().replace_minute(minute).unwrap()
}

pub(super) struct World {
    pub(super) history: History,
    pub(super) resources: Vec<Resource>,
    pub(super) options: Options,
}

impl World {
    /// Nothing happened, and everybody looked.
    pub(super) fn new() -> Self {
        let mut history = History::default();
        let sources = [
            HistorySource::LookupEvents,
            HistorySource::PipelineExecutions,
            HistorySource::Deployments,
            HistorySource::Builds,
        ];
        history.coverage.spans =
            sources.map(|source| golden::span(source, golden::OBSERVED_FROM, golden::AS_OF)).to_vec();
        Self { history, resources: Vec::new(), options: golden::options() }
    }

    pub(super) fn delivery(&self) -> Delivery {
        let mut estate = Estate::default();
        estate.absorb(&Inventory { resources: self.resources.clone(), ..Inventory::default() });
        assemble(&self.history, &estate, &self.options)
    }

    /// An execution of one commit; `number` stands for the commit, 0 for none.
    pub(super) fn execution(
        &mut self,
        id: &str,
        number: u32,
        started: OffsetDateTime,
        status: &str,
    ) -> &mut PipelineExecution {
        let revision = SourceRevision {
            action: "Source".to_owned(),
            id: commit(number),
            summary: Some(format!("change {number}")),
            url: None,
        };
        self.history.executions.push(PipelineExecution {
            updated: Some(started + Duration::HOUR),
            revisions: if number == 0 { vec![] } else { vec![revision] },
            trigger: Some(Trigger { kind: "WebhookV2".to_owned(), detail: None }),
            ..PipelineExecution::new(PIPELINE, golden::account(), golden::region(), id, status, started)
        });
        self.history.executions.last_mut().unwrap()
    }

    /// An attempt of ten minutes of a deploy action.
    pub(super) fn deploy(
        &mut self,
        execution: &str,
        label: &str,
        started: OffsetDateTime,
        status: &str,
    ) -> &mut ActionExecution {
        let (stage, action) = label.split_once('/').unwrap();
        let count = self.history.actions.len();
        self.history.actions.push(ActionExecution {
            pipeline: PIPELINE.to_owned(),
            execution: execution.to_owned(),
            id: format!("a-{execution}-{count}"),
            stage: stage.to_owned(),
            action: action.to_owned(),
            category: "Deploy".to_owned(),
            provider: "ECS".to_owned(),
            pipeline_version: Some(1),
            status: status.to_owned(),
            started,
            updated: Some(started + 10 * Duration::MINUTE),
            updated_by: None,
            role_arn: None,
            region: None,
            configuration: BTreeMap::new(),
            external_execution_id: None,
            error_code: None,
            summary: None,
        });
        self.history.actions.last_mut().unwrap()
    }

    /// A release of a commit that succeeds in `Prod/Deploy`.
    pub(super) fn release(&mut self, id: &str, number: u32, started: OffsetDateTime) {
        self.execution(id, number, started, "Succeeded");
        self.deploy(id, "Prod/Deploy", started + 10 * Duration::MINUTE, "Succeeded");
    }

    /// A deployment of ten minutes of `shop` to a group, of an artifact with this version.
    pub(super) fn code(
        &mut self,
        id: &str,
        group: &str,
        version: &str,
        started: OffsetDateTime,
        status: &str,
    ) -> &mut CodeDeployment {
        self.history.deployments.push(CodeDeployment {
            account: golden::account(),
            region: golden::region(),
            id: id.to_owned(),
            application: "shop".to_owned(),
            group: Some(group.to_owned()),
            compute_platform: None,
            status: status.to_owned(),
            creator: Some("user".to_owned()),
            created: started,
            started: Some(started),
            completed: Some(started + 10 * Duration::MINUTE),
            revision: Some(Revision::S3 {
                bucket: "releases".to_owned(),
                key: "shop.zip".to_owned(),
                version: Some(version.to_owned()),
                etag: None,
            }),
            rollback_deployment: None,
            rollback_triggering_deployment: None,
            error_code: None,
            counts: Some(InstanceCounts { succeeded: 2, ..InstanceCounts::default() }),
            mode: None,
            ignore_application_stop_failures: None,
            auto_rollback: None,
            overrides_alarms: None,
            description: None,
        });
        self.history.deployments.last_mut().unwrap()
    }

    pub(super) fn commit(&mut self, number: u32, parents: &[u32], committed: Option<OffsetDateTime>) {
        self.history.commits.push(Commit {
            repository: golden::REPOSITORY.to_owned(),
            id: commit(number),
            parents: parents.iter().map(|parent| commit(*parent)).collect(),
            authored: None,
            committed,
            author_email: None,
            author_login: None,
            summary: None,
        });
    }

    pub(super) fn event(&mut self, service: &str, name: &str, time: OffsetDateTime, request: &Value) {
        let time = time.format(&time::format_description::well_known::Rfc3339).unwrap();
        let record = json!({
            "eventID": format!("{name}-{time}"), "eventTime": time, "eventName": name,
            "eventSource": format!("{service}.amazonaws.com"), "awsRegion": "eu-west-1",
            "recipientAccountId": golden::account(), "requestParameters": request,
            "userIdentity": {"type": "IAMUser", "userName": "carol", "accountId": golden::account()},
        });
        self.history.events.push(Event::from_value(&record).unwrap());
    }
}
