//! Deliveries for tests: the golden one, written by hand as it must come out of its history.

use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use crate::dora::{
    Change, ChangeFate, Confidence, Delivery, Deployment, DeploymentKind, Evidence, EvidenceCode, Limit, MetricName,
    Options, Outcome, Run, RunOutcome, Service, ServiceKey, TestRun, Tier, TriggerKind,
};
use crate::history::{HistoryCoverage, HistorySource, Span};
use crate::inventory::{AccountId, Region};

/// "Now" of the golden delivery.
pub(super) const AS_OF: OffsetDateTime = datetime!(2026-06-29 0:00 UTC);

/// A moment of June 2026.
pub(super) fn at(day: u8, hour: u8, minute: u8) -> OffsetDateTime {
    datetime!(2026-06-01 0:00 UTC).replace_day(day).unwrap()
        + Duration::hours(i64::from(hour))
        + Duration::minutes(i64::from(minute))
}

/// Four weeks from the first of June 2026, a Monday.
pub(super) fn four_weeks() -> Options {
    Options::at(AS_OF).with_window("28d").unwrap()
}

pub(super) fn key(name: &str) -> ServiceKey {
    ServiceKey(arn(name))
}

pub(super) fn arn(name: &str) -> String {
    format!("arn:aws:codepipeline:eu-west-1:111122223333:{name}")
}

pub(super) fn account() -> AccountId {
    "111122223333".parse().unwrap()
}

fn region() -> Region {
    Region::try_from("eu-west-1".to_owned()).unwrap()
}

/// A service with one pipeline of its name.
pub(super) fn service(name: &str) -> Service {
    Service {
        key: key(name),
        name: name.to_owned(),
        pipelines: vec![arn(name)],
        deployment_groups: vec![],
        account: account(),
        region: region(),
        organizational_unit: Some("/Workloads/Prod".to_owned()),
        tags: [("team".to_owned(), "payments".to_owned())].into(),
        production: Some("stage Prod".to_owned()),
        production_is_assumed: false,
        not_measurable: None,
        is_elsewhere: false,
    }
}

/// A forward deployment that took ten minutes and succeeded.
pub(super) fn deployment(name: &str, id: &str, finished: OffsetDateTime) -> Deployment {
    Deployment {
        id: id.to_owned(),
        service: key(name),
        account: account(),
        region: region(),
        pipeline: Some(arn(name)),
        execution: Some(id.to_owned()),
        members: vec![],
        revisions: vec![],
        version: Some(id.to_owned()),
        started: finished - Duration::minutes(10),
        finished: Some(finished),
        first_finished: Some(finished),
        outcome: Outcome::Succeeded,
        first_attempt_failed: Some(false),
        attempts: 1,
        kind: DeploymentKind::Forward,
        kind_confidence: Confidence::High,
        trigger: TriggerKind::Change,
        actor: None,
        approvers: vec![],
        evidence: vec![],
        unplanned: false,
        unplanned_is_flagged: false,
        events: vec![],
    }
}

pub(super) fn evidence(code: EvidenceCode, time: Option<OffsetDateTime>) -> Evidence {
    Evidence { code, confidence: Confidence::High, id: format!("evidence-{}", code.name()), time }
}

/// A change of which everything is known.
pub(super) fn change(name: &str, commit: &str, committed: OffsetDateTime, in_it: &Deployment) -> Change {
    Change {
        service: key(name),
        commit: commit.to_owned(),
        committed: Some(committed),
        deployment: in_it.id.clone(),
        deployed: in_it.finished.unwrap(),
        tier: Tier::B,
        fate: ChangeFate::Deployed,
    }
}

/// A run of which everything is known; it worked for half of its time.
pub(super) fn run(name: &str, id: &str, started: OffsetDateTime, finished: OffsetDateTime) -> Run {
    let seconds = u64::try_from((finished - started).whole_seconds()).unwrap();
    Run {
        service: key(name),
        pipeline: arn(name),
        execution: id.to_owned(),
        outcome: RunOutcome::Succeeded,
        started,
        finished: Some(finished),
        active_seconds: Some(seconds / 2),
        approval_wait_seconds: Some(seconds / 4),
        gap_seconds: Some(seconds / 8),
        transition_disabled_seconds: Some(0),
        retry_idle_seconds: Some(seconds / 8),
        retried_actions: 0,
        category_seconds: std::collections::BTreeMap::new(),
    }
}

pub(super) fn test_run(name: &str, id: &str, first: Option<bool>, passed: Option<bool>) -> TestRun {
    TestRun {
        service: key(name),
        id: id.to_owned(),
        started: at(10, 9, 0),
        first_passed: first,
        passed,
        cases_passed: None,
        cases_run: None,
    }
}

pub(super) fn span(source: HistorySource, from: OffsetDateTime, to: OffsetDateTime) -> Span {
    Span { source, account: Some(account()), region: Some(region()), subject: None, from, to }
}

/// Executions and deployments, looked at from April on.
pub(super) fn looked_at() -> HistoryCoverage {
    let spans = [HistorySource::PipelineExecutions, HistorySource::Deployments];
    let spans = spans.map(|source| span(source, datetime!(2026-04-01 0:00 UTC), AS_OF)).to_vec();
    HistoryCoverage { spans, gaps: vec![] }
}

pub(super) fn limit(service: Option<&str>, metrics: &[MetricName], blocks: bool, reason: &str) -> Limit {
    let reason = reason.to_owned();
    Limit { service: service.map(key), metrics: metrics.to_vec(), blocks, observed_from: None, reason }
}

/// A service that deployed nothing, looked at the whole time.
pub(super) fn silent(name: &str) -> Delivery {
    Delivery { services: vec![service(name)], coverage: looked_at(), ..Delivery::default() }
}

/// The golden deployments of service `S`.
pub(super) fn golden() -> Delivery {
    let new = |id: &str, day, hour, minute| deployment("S", id, at(day, hour, minute));
    let e1 = new("e1", 1, 12, 0);
    let e3 = new("e3", 3, 15, 0);
    let mut e4 = new("e4", 8, 10, 30);
    (e4.first_attempt_failed, e4.attempts) = (Some(true), 2);
    let mut e5 = new("e5", 10, 11, 0);
    e5.evidence = vec![evidence(EvidenceCode::E2, Some(at(10, 11, 40)))];
    let mut r1 = new("r1", 10, 11, 40);
    (r1.kind, r1.trigger, r1.version) = (DeploymentKind::Rollback, TriggerKind::ManualRollback, Some("e4".to_owned()));
    let mut e6 = new("e6", 10, 14, 0);
    e6.unplanned = true;
    let mut e7 = new("e7", 15, 10, 0);
    (e7.outcome, e7.first_attempt_failed) = (Outcome::Failed, Some(true));
    e7.evidence =
        vec![evidence(EvidenceCode::E1, Some(at(15, 10, 20))), evidence(EvidenceCode::E3, Some(at(15, 10, 0)))];
    let mut d_rb = new("d-rb", 15, 10, 20);
    (d_rb.kind, d_rb.trigger) = (DeploymentKind::Rollback, TriggerKind::AutomatedRollback);
    (d_rb.pipeline, d_rb.execution, d_rb.version) = (None, None, Some("e6".to_owned()));
    let e8 = new("e8", 15, 13, 0);
    let mut d9 = new("d9", 20, 10, 0);
    (d9.kind, d9.trigger) = (DeploymentKind::RedeploySame, TriggerKind::Manual);
    (d9.pipeline, d9.execution, d9.version) = (None, None, Some("e8".to_owned()));
    let e11 = new("e11", 24, 12, 30);
    let mut first = change("S", "c1", at(1, 9, 0), &e1);
    first.fate = ChangeFate::NoPredecessor;
    let changes = vec![
        first,
        change("S", "c2", at(3, 10, 0), &e3),
        change("S", "c3", at(3, 11, 0), &e3),
        change("S", "c4", at(8, 8, 0), &e4),
        change("S", "c5", at(10, 9, 0), &e5),
        change("S", "c6", at(10, 13, 0), &e6),
        change("S", "c7", at(15, 9, 0), &e8),
        change("S", "c8", at(15, 12, 0), &e8),
        change("S", "c10", at(24, 9, 0), &e11),
        change("S", "c11", at(24, 11, 0), &e11),
    ];
    let mut runs: Vec<Run> = [&e1, &e3, &e4, &e5, &e6, &e7, &e8, &e11]
        .map(|d| run("S", &d.id, d.finished.unwrap() - Duration::minutes(40), d.finished.unwrap()))
        .to_vec();
    let mut e2 = run("S", "e2", at(3, 10, 5), at(3, 11, 5));
    e2.outcome = RunOutcome::Superseded;
    let mut e10 = run("S", "e10", at(24, 9, 5), at(24, 9, 25));
    e10.outcome = RunOutcome::Failed;
    runs.extend([e2, e10]);
    runs.sort_by_key(|run| (run.started, run.execution.clone()));
    Delivery {
        services: vec![service("S")],
        deployments: vec![e1, e3, e4, e5, r1, e6, e7, d_rb, e8, d9, e11],
        changes,
        runs,
        coverage: looked_at(),
        ..Delivery::default()
    }
}
