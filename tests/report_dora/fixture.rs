//! Measurements made by hand: a healthy service, one with an open failure, one that is seen in part, one that nothing can
//! be said of, one that nobody could look at, one that did nothing, and one whose owner is hostile.

use pipewarden::dora::{
    Basis, Bucket, BucketLength, Change, ChangeFate, Confidence, Deployment, DeploymentKind, Distribution, Evidence,
    EvidenceCode, Group, GroupKind, GroupMeasurements, LeadTime, Measure, MeasureStatus, Measurements, Member,
    MetricName, Outcome, QuickCheck, Service, ServiceKey, Target, Tier, TriggerKind, Unit, Value,
};
use pipewarden::history::{HistoryCoverage, HistoryGap, HistorySource, Principal, SourceRevision, Span};
use pipewarden::inventory::{AccountId, Affects, Gap, GapCause, Region, Tags};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

pub(super) const AS_OF: OffsetDateTime = datetime!(2026-06-29 0:00 UTC);
pub(super) const HOSTILE_NAME: &str =
    "=cmd|'/c calc'!A0<script>alert(1)</script>\"><img src=x onerror=alert(1)>\u{202e}\\\n| [a](https://evil.example)";

pub(super) fn account(id: &str) -> AccountId {
    id.parse().unwrap()
}

pub(super) fn region(name: &str) -> Region {
    name.parse().unwrap()
}

fn arn(account: &str, name: &str) -> String {
    format!("arn:aws:codepipeline:eu-central-1:{account}:{name}")
}

fn from() -> OffsetDateTime {
    AS_OF - Duration::days(28)
}

/// Nothing at all.
pub(super) fn empty() -> Measurements {
    Measurements {
        schema_version: Measurements::SCHEMA_VERSION,
        as_of: AS_OF,
        from: from(),
        window_seconds: 28 * 86_400,
        window: "28d".to_owned(),
        time_zone: "UTC".to_owned(),
        services: Vec::new(),
        groups: Vec::new(),
        deployments: Vec::new(),
        lead_times: Vec::new(),
        coverage: HistoryCoverage::default(),
    }
}

/// Everything that occurs.
pub(super) fn mixed() -> Measurements {
    let mut all = empty();
    all.coverage = coverage();
    add(&mut all, "checkout", "222222222222", Some("/Workloads/Prod"), checkout());
    add(&mut all, "ledger", "222222222222", Some("/Workloads/Prod"), ledger());
    add(&mut all, "search", "333333333333", Some("/Workloads/Prod"), search());
    add(&mut all, "batch-jobs", "333333333333", None, without(MeasureStatus::NotMeasurable, NO_DEPLOY_ACTION));
    add(&mut all, "partner-portal", "555555555555", None, without(MeasureStatus::NotCollected, NOT_ENTERED));
    add(&mut all, "quiet", "222222222222", Some("/Workloads/Prod"), quiet());
    add(&mut all, HOSTILE_NAME, "333333333333", Some("/Workloads/\u{1b}[31mProd"), hostile());
    deployments(&mut all);
    add_groups(&mut all);
    all
}

const NO_DEPLOY_ACTION: &str =
    "no action of this pipeline deploys; name the ones that do in `deploy_actions` of the configuration";
const NOT_ENTERED: &str = "the account could not be entered: role pipewarden-audit was refused";

/// The one that a hostile owner named.
pub(super) fn hostile_key() -> String {
    format!("{HOSTILE_NAME}/key")
}

fn add(all: &mut Measurements, name: &str, id: &str, unit: Option<&str>, measures: Vec<Measure>) {
    let key = if name == HOSTILE_NAME { hostile_key() } else { arn(id, name) };
    let known = measures.iter().any(|measure| measure.status <= MeasureStatus::InsufficientData);
    all.services.push(Service {
        key: ServiceKey(key.clone()),
        name: name.to_owned(),
        pipelines: vec![key.clone()],
        deployment_groups: Vec::new(),
        account: account(id),
        region: region("eu-central-1"),
        organizational_unit: unit.map(str::to_owned),
        tags: Tags::from([("team".to_owned(), "payments".to_owned())]),
        production: known.then(|| "stage Prod".to_owned()),
        production_is_assumed: name == "search",
        not_measurable: (name == "batch-jobs").then(|| NO_DEPLOY_ACTION.to_owned()),
        is_elsewhere: false,
    });
    let per_day: &[u64] = match name {
        "checkout" => &[1, 0, 0, 0, 1, 0, 0],
        "ledger" => &[1, 1, 0, 1, 1, 0, 0],
        _ => &[0],
    };
    all.groups.push(GroupMeasurements {
        group: Group { kind: GroupKind::Service, key: key.clone(), name: name.to_owned() },
        services: vec![ServiceKey(key)],
        measures,
        buckets: if known { buckets(per_day, name == "search") } else { Vec::new() },
        quick_check: (name == "checkout").then(|| QuickCheck {
            benchmark_year: 2023,
            scores: vec![(MetricName::DeploymentFrequency, 6.0), (MetricName::ChangeLeadTime, 8.0)],
            throughput: Some(7.0),
            stability: None,
            overall: Some(7.0),
        }),
    });
}

fn buckets(per_day: &[u64], starts_late: bool) -> Vec<Bucket> {
    let mut all: Vec<Bucket> = (0..28_i64).map(|day| bucket(BucketLength::Day, day, 1, per_day, starts_late)).collect();
    all.extend((0..4).map(|week| bucket(BucketLength::Week, week * 7, 7, per_day, starts_late)));
    all
}

fn bucket(length: BucketLength, first: i64, days: i64, per_day: &[u64], starts_late: bool) -> Bucket {
    let begin = from() + Duration::days(first);
    let is_observed = !starts_late || first >= 7;
    let of_day = |day: i64| per_day[usize::try_from(day).unwrap() % per_day.len()];
    let deployments: u64 = (first..first + days).map(of_day).sum();
    let failed = u64::from(deployments > 1 && first % 2 == 1);
    Bucket {
        length,
        day: begin.date().to_string(),
        from: begin,
        to: begin + Duration::days(days),
        is_partial: length == BucketLength::Week && first == 21 && starts_late,
        is_observed,
        deployments: is_observed.then_some(deployments),
        failed: is_observed.then_some(failed),
        completed: is_observed.then_some(deployments + failed),
        lead_time_median_seconds: (is_observed && deployments > 0)
            .then(|| 7_200.0 + 600.0 * f64::from(i32::try_from(first).unwrap())),
    }
}

fn value(statistic: &'static str, value: Option<f64>, unit: Unit, n: u64) -> Value {
    Value { statistic, value, unit, n, labels: Vec::new() }
}

fn measure(metric: MetricName, status: MeasureStatus, n: u64, values: Vec<Value>) -> Measure {
    Measure {
        metric,
        status,
        n,
        values,
        tier: None,
        basis: None,
        reasons: Vec::new(),
        observed_from: None,
        sources: vec![HistorySource::PipelineExecutions],
        distribution: None,
    }
}

/// The numbers of a service that is seen well.
fn numbers(status: MeasureStatus, factor: f64, open: f64) -> Vec<Measure> {
    use MetricName as M;
    let seconds = |text, number: f64, n| value(text, Some(number * factor), Unit::Seconds, n);
    let ratio = |text, number: f64, n| value(text, Some((number * factor).min(1.0)), Unit::Ratio, n);
    let per_day = 0.25 * factor;
    let counted = |kind: &str, outcome: &str, count: f64| Value {
        labels: vec![("kind", kind.to_owned()), ("outcome", outcome.to_owned())],
        ..value("deployments", Some(count), Unit::Count, 10)
    };
    let mut all = vec![
        measure(
            M::DeploymentFrequency,
            status,
            7,
            vec![
                value("per_day", Some(per_day), Unit::PerDay, 7),
                value("per_week", Some(per_day * 7.0), Unit::PerWeek, 7),
                value("count", Some(7.0), Unit::Count, 7),
                counted("forward", "succeeded", 7.0),
                counted("rollback", "succeeded", 2.0),
            ],
        ),
        measure(
            M::ChangeLeadTime,
            status,
            9,
            vec![
                seconds("median", 9_000.0, 9),
                value("p90", None, Unit::Seconds, 9),
                Value { labels: vec![("tier", "A".to_owned())], ..seconds("median", 8_000.0, 4) },
            ],
        ),
        measure(
            M::ChangeFailRate,
            status,
            8,
            vec![
                ratio("ratio", 0.25, 8),
                ratio("low", 0.071, 8),
                ratio("high", 0.591, 8),
                value("failed", Some(2.0), Unit::Count, 8),
            ],
        ),
        measure(
            M::FailedDeploymentRecoveryTime,
            status,
            2,
            vec![seconds("median", 2_100.0, 2), value("open", Some(open), Unit::Count, 2)],
        ),
        measure(M::DeploymentReworkRate, status, 10, vec![ratio("ratio", 0.3, 10)]),
        measure(
            M::PipelineDuration,
            status,
            12,
            vec![seconds("median", 720.0, 12), seconds("total_median", 4_000.0, 12)],
        ),
        measure(
            M::TestPassRate,
            status,
            20,
            vec![Value { labels: vec![("level", "run".to_owned())], ..value("ratio", Some(0.95), Unit::Ratio, 20) }],
        ),
        measure(M::PipelineLeadTime, status, 7, vec![seconds("median", 3_000.0, 7)]),
    ];
    all[1].tier = Some(Tier::B);
    all[1].reasons = vec!["p90 needs 10 changes, there are 9".to_owned()];
    all[1].distribution = Some(Distribution {
        bounds: vec![3_600, 86_400, 604_800, 2_592_000, 15_552_000],
        counts: vec![2, 7, 0, 0, 0, 0],
        sum: 88_200.0 * factor,
    });
    all[2].basis = Some(Basis::DeploymentSignal);
    all[3].distribution = Some(Distribution { bounds: vec![3_600, 86_400], counts: vec![2, 0, 0], sum: 4_200.0 });
    all
}

fn checkout() -> Vec<Measure> {
    numbers(MeasureStatus::Ok, 1.0, 0.0)
}

fn ledger() -> Vec<Measure> {
    let mut all = numbers(MeasureStatus::Ok, 1.6, 1.0);
    all[2].basis = Some(Basis::Incident);
    all[3].reasons = vec!["one failed deployment of 2026-06-27 is not recovered, 1 d 13 h so far".to_owned()];
    all
}

fn search() -> Vec<Measure> {
    let mut all = numbers(MeasureStatus::Partial, 0.4, 0.0);
    for measure in &mut all {
        measure.observed_from = Some(datetime!(2026-06-08 0:00 UTC));
        measure.reasons = vec!["the history begins on 2026-06-08, a week after the window".to_owned()];
    }
    all[2].status = MeasureStatus::InsufficientData;
    all[2].n = 3;
    all[4] = measure(MetricName::DeploymentReworkRate, MeasureStatus::NotMeasurable, 0, Vec::new());
    all[4].reasons = vec!["no commit message and no flag says what was planned".to_owned()];
    all
}

fn without(status: MeasureStatus, reason: &str) -> Vec<Measure> {
    let unknown = |metric| {
        let values = vec![value("median", None, Unit::Seconds, 0)];
        let mut measure =
            measure(metric, status, 0, if metric == MetricName::ChangeLeadTime { values } else { Vec::new() });
        measure.reasons = vec![reason.to_owned()];
        measure.sources = Vec::new();
        measure
    };
    MetricName::ALL.into_iter().map(unknown).collect()
}

/// Seen, and nothing happened: its frequency is zero, all else has no number.
fn quiet() -> Vec<Measure> {
    let mut all = without(MeasureStatus::InsufficientData, "nothing was deployed in the window");
    all[0] = measure(
        MetricName::DeploymentFrequency,
        MeasureStatus::Ok,
        0,
        vec![value("per_day", Some(0.0), Unit::PerDay, 0)],
    );
    all
}

fn hostile() -> Vec<Measure> {
    let mut all = numbers(MeasureStatus::Ok, 0.5, 0.0);
    all[0].reasons = vec![format!("{HOSTILE_NAME} said so")];
    all[6].values[0].labels = vec![("level", HOSTILE_NAME.to_owned())];
    all
}

fn coverage() -> HistoryCoverage {
    let span = |source, id: &str, begin| Span {
        source,
        account: Some(account(id)),
        region: Some(region("eu-central-1")),
        subject: None,
        from: begin,
        to: AS_OF,
    };
    let gap = |source, id: &str, action: &str, cause| HistoryGap {
        source,
        subject: None,
        from: Some(from()),
        to: Some(AS_OF),
        gap: Gap {
            account: account(id),
            region: region("eu-central-1"),
            service: action.split(':').next().unwrap().to_owned(),
            action: action.to_owned(),
            cause,
            affects: Affects::Details,
        },
    };
    let refused = GapCause::RoleNotAssumed {
        role: "arn:aws:iam::555555555555:role/pipewarden-audit".to_owned(),
        message: "not authorized <b>at all</b>".to_owned(),
    };
    let mut coverage = HistoryCoverage {
        spans: vec![
            span(HistorySource::PipelineExecutions, "222222222222", datetime!(2026-03-01 0:00 UTC)),
            span(HistorySource::PipelineExecutions, "333333333333", datetime!(2026-06-08 0:00 UTC)),
            span(HistorySource::LookupEvents, "222222222222", from()),
        ],
        gaps: vec![
            gap(HistorySource::PipelineExecutions, "555555555555", "codepipeline:ListPipelineExecutions", refused),
            gap(
                HistorySource::LookupEvents,
                "333333333333",
                "cloudtrail:LookupEvents",
                GapCause::AccessDenied { message: "no identity-based policy allows it".to_owned() },
            ),
        ],
    };
    coverage.normalise();
    coverage
}

fn person(session: &str) -> Principal {
    Principal::of_arn(&format!("arn:aws:sts::222222222222:assumed-role/ReleaseApprover/{session}"))
}

struct Told<'a> {
    service: &'a str,
    number: u32,
    finished: Option<OffsetDateTime>,
    outcome: Outcome,
    kind: DeploymentKind,
    summary: &'a str,
}

fn deployment(told: &Told<'_>) -> Deployment {
    let started = told.finished.unwrap_or(AS_OF) - Duration::minutes(25);
    let name = told.service.rsplit(':').next().unwrap();
    Deployment {
        id: format!("{}/execution-{}", told.service, told.number),
        service: ServiceKey(told.service.to_owned()),
        account: account("222222222222"),
        region: region("eu-central-1"),
        pipeline: Some(told.service.to_owned()),
        execution: Some(format!("execution-{}", told.number)),
        members: vec![Member {
            name: "Prod/Deploy".to_owned(),
            target: Target {
                account: account("222222222222"),
                region: region("eu-central-1"),
                provider: "CodeDeploy".to_owned(),
            },
            attempts: 1,
            started,
            finished: told.finished,
            outcome: told.outcome,
            code_deployments: vec![format!("d-{:09}", told.number)],
            error_code: (told.outcome == Outcome::Failed).then(|| "HEALTH_CONSTRAINTS".to_owned()),
        }],
        revisions: vec![SourceRevision {
            action: "Source".to_owned(),
            id: format!("{:040x}", told.number),
            summary: Some(told.summary.to_owned()),
            url: None,
        }],
        version: Some(format!("{name}-{}", told.number)),
        started,
        finished: told.finished,
        first_finished: told.finished,
        outcome: told.outcome,
        first_attempt_failed: Some(told.number == 4),
        attempts: if told.number == 4 { 2 } else { 1 },
        kind: told.kind,
        kind_confidence: Confidence::High,
        trigger: TriggerKind::Change,
        actor: (told.number != 3).then(|| person("alice@example.com")),
        approvers: vec![person("bob@example.com")],
        evidence: Vec::new(),
        unplanned: told.summary.contains("hotfix"),
        unplanned_is_flagged: false,
        events: vec![format!("event-{}", told.number)],
    }
}

type Row<'a> = (&'a str, u32, Option<OffsetDateTime>, Outcome, DeploymentKind, &'a str);

fn deployments(all: &mut Measurements) {
    use DeploymentKind::{Forward, Rollback};
    use Outcome::{Failed, InProgress, Succeeded};
    let (checkout, ledger) = (arn("222222222222", "checkout"), arn("222222222222", "ledger"));
    let hostile = hostile_key();
    let rows: [Row<'_>; 9] = [
        (&checkout, 1, Some(datetime!(2026-06-01 12:00 UTC)), Succeeded, Forward, "first"),
        (
            &checkout,
            3,
            Some(datetime!(2026-06-03 15:00 UTC)),
            Succeeded,
            Forward,
            "=HYPERLINK(\"https://evil.example\")",
        ),
        (&checkout, 4, Some(datetime!(2026-06-08 10:30 UTC)), Succeeded, Forward, "retried"),
        (&checkout, 5, Some(datetime!(2026-06-10 11:00 UTC)), Succeeded, Forward, "new basket"),
        (&checkout, 6, Some(datetime!(2026-06-10 11:40 UTC)), Succeeded, Rollback, "back"),
        (&checkout, 7, Some(datetime!(2026-06-10 14:00 UTC)), Succeeded, Forward, "hotfix: null check"),
        (&hostile, 8, Some(datetime!(2026-06-11 14:00 UTC)), Succeeded, Forward, HOSTILE_NAME),
        (&ledger, 9, Some(datetime!(2026-06-27 11:00 UTC)), Failed, Forward, "rounding"),
        (&ledger, 10, None, InProgress, Forward, "rounding again"),
    ];
    for (service, number, finished, outcome, kind, summary) in rows {
        let mut made = deployment(&Told { service, number, finished, outcome, kind, summary });
        if number == 5 {
            made.evidence = vec![Evidence {
                code: EvidenceCode::E2,
                confidence: Confidence::High,
                id: "execution-6".to_owned(),
                time: Some(datetime!(2026-06-10 11:40 UTC)),
            }];
        }
        if number == 9 {
            let evidence = |code, confidence, id: &str| Evidence { code, confidence, id: id.to_owned(), time: None };
            made.evidence = vec![
                evidence(EvidenceCode::E3, Confidence::High, "d-000000009"),
                evidence(EvidenceCode::E6, Confidence::Medium, "INC-481"),
            ];
        }
        if matches!((finished, outcome, kind), (Some(_), Succeeded, Forward)) {
            all.lead_times.push(lead_time(&made, number));
        }
        all.deployments.push(made);
    }
}

fn lead_time(made: &Deployment, number: u32) -> LeadTime {
    let deployed = made.finished.unwrap();
    let fate = if number == 1 { ChangeFate::NoPredecessor } else { ChangeFate::Deployed };
    let committed = (number != 8).then(|| deployed - Duration::hours(i64::from(number)));
    let fate = if committed.is_none() { ChangeFate::NoTime } else { fate };
    LeadTime {
        change: Change {
            service: made.service.clone(),
            commit: made.revisions[0].id.clone(),
            committed,
            deployment: made.id.clone(),
            deployed,
            tier: Tier::B,
            fate,
        },
        seconds: (fate == ChangeFate::Deployed).then(|| 3_600 * u64::from(number)),
    }
}

fn add_groups(all: &mut Measurements) {
    let of = |kind, key: &str, name: &str, services: Vec<ServiceKey>, measures| GroupMeasurements {
        group: Group { kind, key: key.to_owned(), name: name.to_owned() },
        services,
        measures,
        buckets: Vec::new(),
        quick_check: None,
    };
    let key = |name: &str| ServiceKey(arn("222222222222", name));
    let payments = vec![key("checkout"), key("ledger")];
    let everything = all.services.iter().map(|service| service.key.clone()).collect();
    all.groups.push(of(GroupKind::Account, "222222222222", "payments-prod", payments.clone(), checkout()));
    all.groups.push(of(GroupKind::Tag, "team=payments", "payments", payments, checkout()));
    all.groups.push(of(GroupKind::Organization, "", "organization", everything, Vec::new()));
}

/// Many services.
pub(super) fn many(count: u32) -> Measurements {
    let mut all = empty();
    all.coverage = coverage();
    for number in 0..count {
        let open = f64::from(number % 7 / 6);
        let measures = numbers(MeasureStatus::Ok, f64::from(number % 50 + 1) / 20.0, open);
        add(&mut all, &format!("service-{number:04}"), "222222222222", Some("/Workloads/Prod"), measures);
    }
    for number in 0..count * 10 {
        let service = arn("222222222222", &format!("service-{:04}", number % count));
        let finished = from() + Duration::minutes(i64::from(number));
        all.deployments.push(deployment(&Told {
            service: &service,
            number,
            finished: Some(finished),
            outcome: Outcome::Succeeded,
            kind: DeploymentKind::Forward,
            summary: &"long message ".repeat(40),
        }));
    }
    all
}
