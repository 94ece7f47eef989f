//! The golden numbers, their variants, and what must hold for every delivery.

use proptest::prelude::*;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::fixture::{
    AS_OF, account, arn, at, change, deployment, evidence, four_weeks, golden, key, limit, run, service, silent, span,
    test_run,
};
use super::measure;
use crate::dora::{
    Basis, Bucket, BucketLength, ChangeFate, Delivery, DeploymentKind, EvidenceCode, GroupKind, GroupMeasurements,
    Limit, Measure, MeasureStatus, Measurements, MetricName, Options, Outcome, QuickCheck, RunOutcome, Tier, Unit,
    Value,
};
use crate::history::{HistoryGap, HistorySource};
use crate::inventory::{Affects, Gap, GapCause, Region};

use MetricName::{
    ChangeFailRate as Fails, ChangeLeadTime as Lead, DeploymentFrequency as Often, DeploymentReworkRate as Rework,
    FailedDeploymentRecoveryTime as Recovery, PipelineDuration as Took, PipelineLeadTime as Pipeline,
    TestPassRate as Tests,
};

fn group(measurements: &Measurements, kind: GroupKind) -> &GroupMeasurements {
    measurements.groups.iter().find(|group| group.group.kind == kind).unwrap()
}

fn of(measurements: &Measurements, kind: GroupKind, metric: MetricName) -> &Measure {
    group(measurements, kind).measures.iter().find(|measure| measure.metric == metric).unwrap()
}

/// A metric of the first service.
fn said(delivery: &Delivery, metric: MetricName) -> Measure {
    of(&measure(delivery, &four_weeks()), GroupKind::Service, metric).clone()
}

fn found<'a>(measure: &'a Measure, statistic: &str, labels: &[(&str, &str)]) -> &'a Value {
    let same = |value: &&Value| {
        value.statistic == statistic
            && value.labels.len() == labels.len()
            && labels.iter().all(|(name, text)| value.labels.iter().any(|(n, t)| n == name && t == text))
    };
    measure.values.iter().find(same).unwrap_or_else(|| panic!("{statistic} {labels:?} in {measure:?}"))
}

fn value(measure: &Measure, statistic: &str) -> Option<f64> {
    found(measure, statistic, &[]).value
}

fn labelled(measure: &Measure, statistic: &str, labels: &[(&str, &str)]) -> Option<f64> {
    found(measure, statistic, labels).value
}

fn rounded(value: Option<f64>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| format!("{value:.3}"))
}

fn check(delivery: &Delivery) -> QuickCheck {
    group(&measure(delivery, &four_weeks()), GroupKind::Service).quick_check.clone().unwrap()
}

fn days(measurements: &Measurements) -> Vec<Bucket> {
    let buckets = &group(measurements, GroupKind::Service).buckets;
    buckets.iter().filter(|bucket| bucket.length == BucketLength::Day).cloned().collect()
}

#[test]
fn the_golden_delivery_has_the_golden_frequency() {
    let often = said(&golden(), Often);
    assert_eq!((often.status, often.n), (MeasureStatus::Ok, 7));
    assert_eq!(often.values[0].statistic, "per_day");
    assert_eq!(value(&often, "per_day"), Some(0.25));
    assert_eq!(value(&often, "per_week"), Some(1.75));
    assert_eq!(value(&often, "count"), Some(7.0));
    let by = |kind, outcome| labelled(&often, "deployments", &[("kind", kind), ("outcome", outcome)]);
    assert_eq!(by("forward", "succeeded"), Some(7.0));
    assert_eq!(by("forward", "failed"), Some(1.0));
    assert_eq!(by("rollback", "succeeded"), Some(2.0));
    assert_eq!(by("redeploy_same", "succeeded"), Some(1.0));
    // Weeks: e1 e3 | e4 e5 e6 | e8 | e11.
    assert_eq!(value(&often, "median_per_week"), Some(1.5));
    assert_eq!(value(&often, "median_deploy_days_per_week"), Some(1.5));
    assert_eq!(found(&often, "median_per_week", &[]).n, 4);
    assert_eq!(found(&often, "median_gap", &[]).n, 6);
    // e4 and e7 failed at first, of eight.
    assert_eq!(value(&often, "first_try_ratio"), Some(0.75));
    assert_eq!(rounded(value(&often, "rollback_ratio")), "0.222");
    assert_eq!(value(&often, "batch_size_median"), Some(1.0));
    assert!(often.reasons.is_empty() && often.observed_from.is_none());
    assert_eq!(often.sources, [HistorySource::PipelineExecutions, HistorySource::Deployments]);
}

#[test]
fn the_golden_delivery_has_the_golden_lead_time() {
    let lead = said(&golden(), Lead);
    assert_eq!((lead.status, lead.n, lead.tier), (MeasureStatus::Ok, 9, Some(Tier::B)));
    assert_eq!(value(&lead, "median"), Some(2.5 * 3_600.0));
    assert_eq!(value(&lead, "commit_ratio"), Some(1.0));
    assert_eq!(value(&lead, "p90"), None, "nine are too few for a ninetieth percentile");
    assert_eq!(labelled(&lead, "excluded", &[("fate", "no_predecessor")]), Some(1.0));
    assert!(lead.reasons[0].starts_with("1 change left out"), "{:?}", lead.reasons);
    let distribution = lead.distribution.unwrap();
    assert_eq!(distribution.bounds, [3_600, 86_400, 604_800, 2_592_000, 15_552_000]);
    assert_eq!(distribution.counts, [2, 7, 0, 0, 0, 0]);
    assert!((distribution.sum - 24.5 * 3_600.0).abs() < 1e-6);
}

#[test]
fn the_golden_delivery_has_the_golden_rates() {
    let fails = said(&golden(), Fails);
    assert_eq!((fails.status, fails.n, fails.basis), (MeasureStatus::Ok, 8, Some(Basis::DeploymentSignal)));
    assert_eq!(value(&fails, "ratio"), Some(0.25));
    assert_eq!((rounded(value(&fails, "low")), rounded(value(&fails, "high"))), ("0.071".into(), "0.591".into()));
    assert_eq!((value(&fails, "failed"), value(&fails, "completed")), (Some(2.0), Some(8.0)));
    assert_eq!(value(&fails, "pending"), Some(0.0));
    for code in ["E1", "E2", "E3"] {
        assert_eq!(labelled(&fails, "failed_by_evidence", &[("evidence", code)]), Some(1.0), "{code}");
    }
    let rework = said(&golden(), Rework);
    assert_eq!((rework.status, rework.n), (MeasureStatus::Ok, 10));
    assert_eq!(rounded(value(&rework, "ratio")), "0.300");
    assert_eq!((rounded(value(&rework, "low")), rounded(value(&rework, "high"))), ("0.108".into(), "0.603".into()));
    assert_eq!((value(&rework, "rollbacks"), value(&rework, "unplanned")), (Some(2.0), Some(1.0)));
}

#[test]
fn the_golden_delivery_has_the_golden_recovery_and_scores() {
    let recovery = said(&golden(), Recovery);
    assert_eq!((recovery.status, recovery.n), (MeasureStatus::Ok, 2));
    assert_eq!(value(&recovery, "median"), Some(35.0 * 60.0));
    assert_eq!((value(&recovery, "open"), value(&recovery, "p90")), (Some(0.0), None));
    let check = check(&golden());
    assert_eq!(check.benchmark_year, 2025);
    assert_eq!(check.scores, [(Lead, 8.0), (Often, 6.0), (Recovery, 10.0), (Fails, 7.5), (Rework, 7.0)]);
    assert_eq!((check.throughput, check.stability), (Some(8.0), Some(7.25)));
    assert_eq!(rounded(check.overall), "7.700");
}

#[test]
fn the_golden_pipeline_took_and_waited() {
    let duration = said(&golden(), Took);
    assert_eq!((duration.status, duration.n), (MeasureStatus::Ok, 9));
    assert_eq!(value(&duration, "median"), Some(1_200.0));
    assert_eq!(value(&duration, "total_median"), Some(2_400.0));
    assert_eq!(value(&duration, "approval_wait_median"), Some(600.0));
    assert_eq!(labelled(&duration, "runs", &[("outcome", "superseded")]), Some(1.0));
    assert_eq!(value(&duration, "superseded_ratio"), Some(0.1));
    let pipeline = said(&golden(), Pipeline);
    assert_eq!((pipeline.n, pipeline.tier), (7, Some(Tier::D)));
    assert_eq!(value(&pipeline, "median"), Some(2_400.0));
    assert_eq!(value(&pipeline, "first_production_median"), Some(2_400.0));
}

#[test]
fn incidents_change_the_basis_and_the_end_of_an_episode() {
    let mut delivery = golden();
    // An incident of e11, told twice, lasted from 13:00 to 15:30.
    let incident = evidence(EvidenceCode::E6, Some(at(24, 15, 30)));
    delivery.deployments[10].evidence = vec![incident.clone(), incident];
    let fails = said(&delivery, Fails);
    assert_eq!(fails.basis, Some(Basis::Incident));
    assert_eq!(value(&fails, "failed"), Some(3.0), "two incidents of a deployment are one failure");
    let recovery = said(&delivery, Recovery);
    assert_eq!((recovery.n, recovery.basis), (3, Some(Basis::Incident)));
    // 30, 40 and 180 minutes.
    assert_eq!(value(&recovery, "median"), Some(2_400.0));
    // A file of incidents that names none of ours is a basis too: somebody would have said so.
    let mut delivery = golden();
    let mut file = span(HistorySource::IncidentFile, datetime!(2026-01-01 0:00 UTC), AS_OF);
    (file.account, file.region) = (None, None);
    delivery.coverage.spans.push(file);
    let fails = said(&delivery, Fails);
    assert_eq!((fails.basis, value(&fails, "ratio")), (Some(Basis::Incident), Some(0.25)));
    assert!(fails.sources.contains(&HistorySource::IncidentFile));
}

#[test]
fn the_time_zone_moves_days_and_no_total() {
    let (utc, tokyo) = (measure(&golden(), &four_weeks()), {
        let options = four_weeks().with_time_zone("+09:00").unwrap();
        measure(&golden(), &options)
    });
    assert_eq!((days(&utc).len(), days(&tokyo).len()), (28, 29));
    let on = |buckets: &[Bucket], day: &str| buckets.iter().find(|bucket| bucket.day == day).unwrap().deployments;
    // e3 finished at 15:00 UTC, which is midnight of the fourth in Tokyo.
    assert_eq!((on(&days(&utc), "2026-06-03"), on(&days(&utc), "2026-06-04")), (Some(1), Some(0)));
    assert_eq!((on(&days(&tokyo), "2026-06-03"), on(&days(&tokyo), "2026-06-04")), (Some(0), Some(1)));
    for metric in [Lead, Fails, Recovery, Rework] {
        assert_eq!(of(&utc, GroupKind::Service, metric), of(&tokyo, GroupKind::Service, metric));
    }
    for statistic in ["per_day", "count", "median_gap"] {
        let of = |measurements| value(of(measurements, GroupKind::Service, Often), statistic);
        assert_eq!(of(&utc), of(&tokyo));
    }
}

#[test]
fn a_later_window_counts_only_what_is_in_it() {
    let options = Options::at(AS_OF).with_window("20d").unwrap();
    assert_eq!(options.from(), at(9, 0, 0));
    let measurements = measure(&golden(), &options);
    let lead = of(&measurements, GroupKind::Service, Lead);
    assert_eq!(lead.n, 6, "c5 has a predecessor before the window");
    assert!(lead.values.iter().all(|value| value.statistic != "excluded"));
    assert_eq!(value(of(&measurements, GroupKind::Service, Often), "count"), Some(4.0));
    assert_eq!(measurements.deployments.len(), 8);
    assert_eq!(measurements.lead_times.len(), 6);
    // 9 to 28 June: the week of the 8th is cut, the weeks of the 15th and 22nd are whole.
    assert_eq!(found(of(&measurements, GroupKind::Service, Often), "median_per_week", &[]).n, 2);
}

#[test]
fn young_deployments_are_pending_and_in_neither_part() {
    let mut options = Options::at(at(15, 14, 0)).with_window("15d").unwrap();
    let fails = |options: &Options| of(&measure(&golden(), options), GroupKind::Service, Fails).clone();
    let with_lag = fails(&options);
    assert_eq!((value(&with_lag, "pending"), value(&with_lag, "completed")), (Some(2.0), Some(5.0)));
    assert_eq!((value(&with_lag, "failed"), value(&with_lag, "ratio")), (Some(1.0), Some(0.2)));
    assert!(with_lag.reasons[0].contains("younger than 24 h"));
    options.observation_lag = std::time::Duration::ZERO;
    assert_eq!(value(&fails(&options), "completed"), Some(7.0));
}

#[test]
fn an_open_episode_is_shown_with_its_age_and_never_dropped() {
    let mut delivery = golden();
    let mut bad = deployment("S", "e12", at(27, 12, 0));
    (bad.outcome, bad.evidence) = (Outcome::Failed, vec![evidence(EvidenceCode::E3, None)]);
    let mut worse = deployment("S", "e13", at(28, 12, 0));
    (worse.outcome, worse.evidence) = (Outcome::Failed, vec![evidence(EvidenceCode::E3, None)]);
    delivery.deployments.extend([bad, worse]);
    let recovery = said(&delivery, Recovery);
    assert_eq!((recovery.n, value(&recovery, "median")), (2, Some(2_100.0)));
    assert_eq!(value(&recovery, "open"), Some(1.0), "failures one after the other are one episode");
    assert_eq!(value(&recovery, "oldest_open_age"), Some(36.0 * 3_600.0 + 600.0));
    assert!(recovery.reasons.iter().any(|reason| reason.contains("still open, the oldest for 36 h")));
    // The next success ends it, for both.
    delivery.deployments.push(deployment("S", "e14", at(28, 18, 0)));
    let recovery = said(&delivery, Recovery);
    assert_eq!((recovery.n, value(&recovery, "open"), value(&recovery, "failed")), (3, Some(0.0), Some(4.0)));
}

#[test]
fn a_failure_before_the_window_that_is_still_open_is_shown() {
    let mut delivery = silent("S");
    let mut bad = deployment("S", "old", datetime!(2026-05-20 12:00 UTC));
    bad.evidence = vec![evidence(EvidenceCode::E6, None)];
    delivery.deployments = vec![bad, deployment("S", "e1", at(5, 12, 0))];
    let recovery = said(&delivery, Recovery);
    assert_eq!((recovery.status, value(&recovery, "median")), (MeasureStatus::InsufficientData, None));
    assert_eq!(value(&recovery, "open"), Some(1.0), "an incident that is not resolved is not ended by a deployment");
}

#[test]
fn what_never_arrived_is_ended_by_the_version_before_it_and_what_arrived_is_not() {
    for (outcome, open) in [(Outcome::Failed, 0.0), (Outcome::Succeeded, 1.0)] {
        let mut delivery = silent("S");
        let mut bad = deployment("S", "bad", at(5, 12, 0));
        (bad.outcome, bad.evidence) = (outcome, vec![evidence(EvidenceCode::E3, None)]);
        let mut again = deployment("S", "again", at(5, 13, 0));
        again.kind = DeploymentKind::RedeploySame;
        let mut restart = deployment("S", "restart", at(5, 12, 30));
        restart.kind = DeploymentKind::Restart;
        delivery.deployments = vec![bad, restart, again];
        assert_eq!(value(&said(&delivery, Recovery), "open"), Some(open), "{outcome:?}");
    }
}

#[test]
fn a_service_that_was_seen_to_deploy_nothing_has_a_true_zero_and_no_other_number() {
    let delivery = silent("S");
    let often = said(&delivery, Often);
    assert_eq!((often.status, value(&often, "per_day")), (MeasureStatus::Ok, Some(0.0)));
    assert_eq!(value(&often, "median_per_week"), Some(0.0));
    for metric in [Lead, Fails, Recovery, Rework, Took, Tests, Pipeline] {
        let measure = said(&delivery, metric);
        assert_eq!(measure.values[0].value, None, "{metric:?}");
        assert!(measure.reasons[0].contains("cannot be said"), "{:?}", measure.reasons);
        assert_ne!(measure.status, MeasureStatus::Ok);
    }
    let check = check(&delivery);
    assert_eq!((check.scores.len(), check.overall), (0, None));
    let buckets = days(&measure(&delivery, &four_weeks()));
    assert!(buckets.iter().all(|bucket| bucket.is_observed && bucket.deployments == Some(0)));
    assert!(buckets.iter().all(|bucket| bucket.lead_time_median_seconds.is_none()));
}

#[test]
fn a_service_that_nobody_looked_at_has_no_number_at_all() {
    let mut delivery = silent("S");
    delivery.coverage.spans.clear();
    let measurements = measure(&delivery, &four_weeks());
    for measure in &group(&measurements, GroupKind::Service).measures {
        assert_eq!(measure.status, MeasureStatus::NotCollected, "{measure:?}");
        assert!(measure.values.iter().all(|value| value.value.is_none()));
    }
    let reason = &of(&measurements, GroupKind::Service, Often).reasons[0];
    assert_eq!(reason, "Deployment frequency cannot be said: its executions were not looked at; 0 deployments seen.");
    assert!(days(&measurements).iter().all(|bucket| !bucket.is_observed && bucket.deployments.is_none()));
    let organization = of(&measurements, GroupKind::Organization, Often);
    assert_eq!(organization.status, MeasureStatus::NotCollected);
    let labels = [("over", "services"), ("status", "not_collected")];
    assert_eq!(labelled(organization, "services", &labels), Some(1.0));
}

#[test]
fn requests_alone_measure_nothing() {
    let mut delivery = golden();
    delivery.runs.clear();
    for deployment in &mut delivery.deployments {
        (deployment.outcome, deployment.finished) = (Outcome::Unknown, None);
    }
    delivery.changes.clear();
    delivery.coverage.spans = vec![span(HistorySource::LookupEvents, at(1, 0, 0), AS_OF)];
    for metric in MetricName::ALL {
        let measure = said(&delivery, metric);
        assert_eq!((measure.status, measure.values[0].value), (MeasureStatus::NotMeasurable, None), "{metric:?}");
    }
    let reason = &said(&delivery, Often).reasons[0];
    assert!(reason.contains("only requests are known") && reason.contains("11 deployments seen"), "{reason}");
}

#[test]
fn without_a_trail_nothing_changes_but_what_counts_its_events() {
    let without = measure(&golden(), &four_weeks());
    let mut delivery = golden();
    delivery.coverage.spans.push(span(HistorySource::TrailArchive, at(1, 0, 0), AS_OF));
    let mut with = measure(&delivery, &four_weeks());
    let mut joined = 0;
    for (group, other) in with.groups.iter_mut().zip(&without.groups) {
        for (measure, other) in group.measures.iter_mut().zip(&other.measures) {
            for (value, other) in measure.values.iter_mut().zip(&other.values) {
                if value.statistic == "joined_ratio" {
                    assert_eq!(other.value, None);
                    joined += 1;
                    *value = other.clone();
                }
            }
        }
    }
    assert!(joined > 0);
    assert_eq!(without.groups, with.groups);
}

#[test]
fn a_limit_that_blocks_says_why_and_how_much_was_seen() {
    let mut delivery = golden();
    delivery.limits = vec![limit(Some("S"), &[Fails], true, "no signal of failure and no incidents supplied.")];
    let fails = said(&delivery, Fails);
    assert_eq!((fails.status, fails.n), (MeasureStatus::NotMeasurable, 0));
    assert_eq!(
        fails.reasons,
        ["Change fail rate cannot be said: no signal of failure and no incidents supplied; 11 deployments seen."]
    );
    assert_eq!(said(&delivery, Often).status, MeasureStatus::Ok);
    let check = check(&delivery);
    assert_eq!((check.stability, rounded(check.overall)), (Some(7.0), "7.750".into()), "unanswered is left out");
    let buckets = days(&measure(&delivery, &four_weeks()));
    assert!(buckets.iter().all(|bucket| bucket.failed.is_none() && bucket.deployments.is_some()));
}

#[test]
fn a_service_that_cannot_be_measured_says_so() {
    let mut delivery = golden();
    delivery.services[0].not_measurable = Some("no action of the pipeline deploys".to_owned());
    let often = said(&delivery, Often);
    assert_eq!((often.status, often.values[0].value), (MeasureStatus::NotMeasurable, None));
    assert!(often.reasons[0].contains("no action of the pipeline deploys"));
}

#[test]
fn a_history_that_begins_within_the_window_is_partial_and_rates_are_of_what_was_seen() {
    let mut delivery = golden();
    for span in &mut delivery.coverage.spans {
        span.from = at(15, 0, 0);
    }
    let often = said(&delivery, Often);
    assert_eq!((often.status, often.observed_from), (MeasureStatus::Partial, Some(at(15, 0, 0))));
    // Two in the 14 days from the 15th on.
    assert_eq!(rounded(value(&often, "per_day")), "0.143");
    assert_eq!(found(&often, "median_per_week", &[]).n, 2);
    let buckets = days(&measure(&delivery, &four_weeks()));
    assert_eq!(buckets.iter().filter(|bucket| bucket.is_observed).count(), 14);
    assert!(buckets.iter().all(|bucket| bucket.deployments.is_some() == bucket.is_observed));
    let limit =
        |day| Limit { observed_from: Some(at(day, 0, 0)), ..limit(None, &[Often], false, "the trail is young") };
    let mut delivery = golden();
    delivery.limits = vec![limit(15)];
    assert_eq!(said(&delivery, Often).reasons, ["The trail is young."]);
    assert_eq!(
        (said(&delivery, Often).status, said(&delivery, Lead).status),
        (MeasureStatus::Partial, MeasureStatus::Ok)
    );
    delivery.limits = vec![limit(1)];
    assert_eq!(said(&delivery, Often).status, MeasureStatus::Ok, "a limit before the window limits nothing");
}

#[test]
fn a_gap_makes_the_metric_partial_and_a_hole_its_days_unseen() {
    let mut delivery = golden();
    delivery.coverage.gaps = vec![HistoryGap {
        source: HistorySource::PipelineExecutions,
        subject: Some(arn("S")),
        from: Some(at(4, 0, 0)),
        to: Some(at(6, 0, 0)),
        gap: Gap {
            account: account(),
            region: Region::try_from("eu-west-1".to_owned()).unwrap(),
            service: "codepipeline".to_owned(),
            action: "codepipeline:ListActionExecutions".to_owned(),
            cause: GapCause::Throttled { attempts: 7 },
            affects: Affects::Details,
        },
    }];
    let often = said(&delivery, Often);
    assert_eq!(often.status, MeasureStatus::Partial);
    assert!(often.reasons[0].contains("throttled 7 times"), "{:?}", often.reasons);
    let sentence = delivery.coverage.gaps[0].gap.sentence();
    delivery.limits = vec![limit(Some("S"), &[], false, &sentence)];
    assert_eq!(said(&delivery, Often).reasons.len(), 1, "what a limit says already is not said again");
    delivery.limits.clear();
    let (before, after) = (
        span(HistorySource::PipelineExecutions, at(1, 0, 0), at(4, 0, 0)),
        span(HistorySource::PipelineExecutions, at(6, 0, 0), AS_OF),
    );
    delivery.coverage.spans = vec![before, after];
    let buckets = days(&measure(&delivery, &four_weeks()));
    assert_eq!(buckets.iter().filter(|bucket| !bucket.is_observed).count(), 2);
    assert_eq!(found(&said(&delivery, Often), "median_per_week", &[]).n, 3);
    let mut delivery_of_another = golden();
    delivery_of_another.coverage.gaps = delivery.coverage.gaps.clone();
    let elsewhere = |change: fn(&mut HistoryGap)| {
        let mut delivery = delivery_of_another.clone();
        change(&mut delivery.coverage.gaps[0]);
        said(&delivery, Often).status
    };
    assert_eq!(elsewhere(|gap| gap.gap.region = Region::try_from("us-east-1".to_owned()).unwrap()), MeasureStatus::Ok);
    assert_eq!(elsewhere(|gap| gap.subject = Some(arn("T"))), MeasureStatus::Ok);
    assert_eq!(elsewhere(|gap| gap.gap.action = "codepipeline:ListRuleExecutions".to_owned()), MeasureStatus::Ok);
    assert_eq!(elsewhere(|gap| gap.to = Some(at(1, 0, 0))), MeasureStatus::Ok);
}

#[test]
fn incidents_that_may_be_missing_lessen_the_numbers_of_exactly_their_services() {
    let gap = |subject: Option<&str>| HistoryGap {
        source: HistorySource::IncidentFile,
        subject: subject.map(str::to_owned),
        from: None,
        to: None,
        gap: Gap {
            // The alarm stands in the account of operations.
            account: "999999999999".parse().unwrap(),
            region: Region::try_from("us-east-1".to_owned()).unwrap(),
            service: "cloudwatch".to_owned(),
            action: "cloudwatch:DescribeAlarmHistory".to_owned(),
            cause: GapCause::Throttled { attempts: 7 },
            affects: Affects::Details,
        },
    };
    let status = |gap: HistoryGap| {
        let mut delivery = golden();
        delivery.services.push(service("T"));
        delivery.coverage.gaps = vec![gap];
        let measured = measure(&delivery, &four_weeks());
        let of = |name: &str| {
            let group = measured
                .groups
                .iter()
                .find(|group| group.group.kind == GroupKind::Service && group.group.key == key(name).0);
            let measures = &group.unwrap().measures;
            let said = measures.iter().find(|measure| measure.metric == MetricName::ChangeFailRate).unwrap();
            said.reasons.iter().any(|reason| reason.contains("throttled 7 times"))
        };
        (of("S"), of("T"))
    };
    assert_eq!(status(gap(Some(&key("S").0))), (true, false));
    assert_eq!(status(gap(Some(&arn("T")))), (false, true));
    assert_eq!(status(gap(Some("S"))), (true, false), "by name");
    assert_eq!(status(gap(Some("nobody's"))), (true, true), "whose it is, nobody knows");
}

#[test]
fn the_share_of_deployments_that_a_call_names_is_known_only_where_calls_were_looked_at() {
    let mut delivery = golden();
    assert_eq!(labelled(&said(&delivery, Often), "joined_ratio", &[]), None);
    let from = delivery.coverage.spans[0].from;
    delivery.coverage.spans.push(span(HistorySource::LookupEvents, from, AS_OF));
    assert_eq!(labelled(&said(&delivery, Often), "joined_ratio", &[]), Some(0.0));
    let caller = serde_json::json!({"type": "IAMUser", "userName": "carol"});
    delivery.deployments[0].actor = Some(crate::history::Principal::of_user_identity(&caller));
    delivery.deployments[1].actor = Some(crate::history::Principal::of_arn("arn:aws:iam::111122223333:user/dave"));
    let often = said(&delivery, Often);
    let ratio = found(&often, "joined_ratio", &[]);
    assert!(ratio.value.is_some_and(|value| (value * number_of(ratio.n) - 1.0).abs() < 1e-9), "{ratio:?}");
}

fn number_of(n: u64) -> f64 {
    n.to_string().parse().unwrap()
}

#[test]
fn few_observations_keep_their_value_and_get_no_score() {
    let mut delivery = silent("S");
    let deployed: Vec<_> = [5, 6, 7].map(|day| deployment("S", &format!("e{day}"), at(day, 12, 0))).to_vec();
    delivery.changes = deployed.iter().map(|d| change("S", &d.id, d.started, d)).collect();
    delivery.deployments = deployed;
    for (metric, status) in [
        (Often, MeasureStatus::Ok),
        (Lead, MeasureStatus::InsufficientData),
        (Fails, MeasureStatus::InsufficientData),
        (Rework, MeasureStatus::InsufficientData),
    ] {
        let measure = said(&delivery, metric);
        assert_eq!((measure.status, measure.n), (status, 3), "{metric:?}");
        assert!(measure.values[0].value.is_some());
    }
    assert!(said(&delivery, Lead).reasons[0].contains("too few for a score"));
    assert_eq!(check(&delivery).scores, []);
}

#[test]
fn deployments_without_a_commit_have_pipeline_lead_time_only() {
    let mut delivery = golden();
    delivery.changes.clear();
    let lead = said(&delivery, Lead);
    assert_eq!((lead.status, value(&lead, "median")), (MeasureStatus::NotMeasurable, None));
    assert!(lead.reasons[0].contains("pipeline lead time is measured instead"));
    assert_eq!(said(&delivery, Pipeline).status, MeasureStatus::Ok);
}

#[test]
fn the_worst_tier_is_shown_and_each_has_its_median() {
    let mut delivery = golden();
    delivery.changes[1].tier = Tier::C;
    delivery.changes[2].tier = Tier::A;
    delivery.changes[3].fate = ChangeFate::Negative;
    delivery.changes[4].committed = None;
    delivery.coverage.spans.push(span(HistorySource::LookupEvents, at(1, 0, 0), AS_OF));
    let lead = said(&delivery, Lead);
    assert_eq!((lead.tier, lead.n), (Some(Tier::C), 7));
    assert_eq!(labelled(&lead, "median", &[("tier", "C")]), Some(5.0 * 3_600.0));
    assert_eq!(labelled(&lead, "median", &[("tier", "A")]), Some(4.0 * 3_600.0));
    assert_eq!(labelled(&lead, "excluded", &[("fate", "negative")]), Some(1.0));
    assert_eq!(labelled(&lead, "excluded", &[("fate", "no_time")]), Some(1.0));
    assert!(lead.sources.contains(&HistorySource::LookupEvents), "tier C is of events");
}

#[test]
fn restarts_scaling_and_failures_without_impact_are_in_no_rate() {
    let mut delivery = golden();
    for (n, kind) in (0..).zip([DeploymentKind::Restart, DeploymentKind::Scaling, DeploymentKind::AutoUpdate]) {
        let mut other = deployment("S", kind.name(), at(25, 10 + n, 0));
        (other.kind, other.unplanned) = (kind, true);
        delivery.deployments.push(other);
    }
    let mut nothing = deployment("S", "no-role", at(26, 10, 0));
    nothing.outcome = Outcome::ErrorNoImpact;
    nothing.evidence = vec![evidence(EvidenceCode::E3, None)];
    delivery.deployments.push(nothing);
    for metric in [Fails, Recovery, Rework] {
        assert_eq!(said(&delivery, metric), said(&golden(), metric));
    }
    let often = said(&delivery, Often);
    assert_eq!(often.n, 7);
    let labels = [("kind", "forward"), ("outcome", "error_no_impact")];
    assert_eq!(labelled(&often, "deployments", &labels), Some(1.0));
}

#[test]
fn a_fix_that_follows_counts_only_if_asked_for() {
    let mut delivery = golden();
    delivery.deployments[0].evidence = vec![evidence(EvidenceCode::E7, None)];
    let fails = said(&delivery, Fails);
    assert_eq!(value(&fails, "failed"), Some(2.0));
    let mut options = four_weeks();
    options.suspect_fixes = true;
    let measurements = measure(&delivery, &options);
    assert_eq!(value(of(&measurements, GroupKind::Service, Fails), "failed"), Some(3.0));
}

#[test]
fn tests_are_counted_by_run_and_by_case_with_the_line() {
    let mut delivery = golden();
    delivery.tests = (0..20).map(|n| test_run("S", &n.to_string(), Some(n > 1), Some(n > 0))).collect();
    delivery.tests.push(test_run("S", "fault", None, None));
    let tests = said(&delivery, Tests);
    assert_eq!((tests.status, tests.n), (MeasureStatus::Ok, 20));
    assert_eq!(labelled(&tests, "ratio", &[("level", "run")]), Some(0.95));
    assert_eq!(labelled(&tests, "first_ratio", &[("level", "run")]), Some(0.9));
    assert_eq!((value(&tests, "line"), value(&tests, "meets_line")), (Some(0.95), Some(1.0)));
    // Reports: without runs, cases are the number to show, and of a window over 30 days only a part is known.
    let mut report = test_run("S", "report", None, None);
    (report.cases_passed, report.cases_run) = (Some(90), Some(100));
    delivery.tests = vec![report];
    let tests = said(&delivery, Tests);
    assert_eq!((tests.values[0].value, tests.status), (Some(0.9), MeasureStatus::Ok));
    assert_eq!(value(&tests, "meets_line"), Some(0.0));
    let long = measure(&delivery, &Options::at(AS_OF));
    let tests = of(&long, GroupKind::Service, Tests);
    assert_eq!(tests.status, MeasureStatus::Partial);
    assert!(tests.reasons[0].contains("30 days"), "{:?}", tests.reasons);
}

#[test]
fn unended_and_superseded_runs_are_in_no_duration() {
    let mut delivery = silent("S");
    delivery.runs = vec![run("S", "a", at(5, 9, 0), at(5, 10, 0)), run("S", "b", at(5, 11, 0), at(5, 12, 0))];
    delivery.runs[0].outcome = RunOutcome::Superseded;
    (delivery.runs[1].outcome, delivery.runs[1].finished) = (RunOutcome::InProgress, None);
    let duration = said(&delivery, Took);
    assert_eq!((duration.status, duration.n, value(&duration, "median")), (MeasureStatus::InsufficientData, 0, None));
}

/// Two services of one account: the golden one and one with four slow changes.
fn two_services() -> Delivery {
    let mut delivery = golden();
    let slow: Vec<_> = (10..16).map(|day| deployment("T", &format!("t{day}"), at(day, 12, 0))).collect();
    let mut service = service("T");
    service.organizational_unit = Some("/Workloads".to_owned());
    delivery.services.push(service);
    delivery.changes.extend(slow.iter().map(|d| change("T", &d.id, d.started - Duration::days(3), d)));
    delivery.deployments.extend(slow);
    delivery.deployments.sort_by_key(|d| (d.finished, d.id.clone()));
    delivery
}

#[test]
fn groups_are_pooled_from_observations_and_the_organization_is_a_distribution() {
    use GroupKind::{Account, Organization, OrganizationalUnit, Pipeline, Service, Tag};

    let mut options = four_weeks();
    options.group_by_tags = vec!["team".to_owned()];
    let measurements = measure(&two_services(), &options);
    let names: Vec<_> =
        measurements.groups.iter().map(|g| (g.group.kind, g.group.name.as_str(), g.services.len())).collect();
    assert_eq!(
        names,
        [
            (Service, "S", 1),
            (Service, "T", 1),
            (Pipeline, "S", 1),
            (Pipeline, "T", 1),
            (Account, "111122223333", 2),
            (OrganizationalUnit, "/Workloads", 2),
            (OrganizationalUnit, "/Workloads/Prod", 1),
            (Tag, "team=payments", 2),
            (Organization, "organization", 2),
        ]
    );
    let pooled = of(&measurements, Account, Lead);
    // Nine of hours and six of three days: the median of all is the eighth.
    assert_eq!((pooled.n, value(pooled, "median")), (15, Some(4.0 * 3_600.0)));
    assert!(value(pooled, "p90").is_some());
    let over = [("over", "services")];
    assert_eq!(labelled(pooled, "p50", &over), Some((2.5 * 3_600.0 + 3.0 * 86_400.0 + 600.0) / 2.0));
    assert_eq!(value(of(&measurements, Account, Often), "count"), Some(13.0));
    assert_eq!(group(&measurements, Account).quick_check, None, "a score is of one service");
    let organization = of(&measurements, Organization, Lead);
    assert_eq!((organization.status, organization.n), (MeasureStatus::Ok, 2));
    assert!(organization.values.iter().all(|value| value.labels.contains(&("over", "services".to_owned()))));
    let bucket = |name| labelled(organization, "services", &[("bucket", name), ("over", "services")]);
    assert_eq!((bucket("5"), bucket("4"), bucket("6")), (Some(1.0), Some(1.0), Some(0.0)));
    assert_eq!(group(&measurements, Organization).quick_check, None);
    let buckets = &group(&measurements, Organization).buckets;
    assert!(buckets.iter().all(|bucket| bucket.lead_time_median_seconds.is_none()));
    let count: u64 = buckets.iter().filter(|b| b.length == BucketLength::Day).filter_map(|b| b.deployments).sum();
    assert_eq!(count, 13);
}

#[test]
fn a_service_with_a_hole_does_not_hide_the_course_of_the_others() {
    let mut delivery = two_services();
    let mut of_s = span(HistorySource::PipelineExecutions, at(1, 0, 0), AS_OF);
    of_s.subject = Some(arn("S"));
    let mut of_t = span(HistorySource::PipelineExecutions, at(12, 0, 0), AS_OF);
    of_t.subject = Some(arn("T"));
    delivery.coverage.spans = vec![of_s, of_t];
    let measurements = measure(&delivery, &four_weeks());
    let account = group(&measurements, GroupKind::Account);
    let total: u64 =
        account.buckets.iter().filter(|b| b.length == BucketLength::Day).filter_map(|b| b.deployments).sum();
    assert_eq!(total, 7, "the days of S alone, and none is missing");
    assert!(account.buckets.iter().all(|bucket| bucket.is_observed));
    let often = of(&measurements, GroupKind::Account, Often);
    assert_eq!((often.status, found(often, "median_per_week", &[]).n), (MeasureStatus::Partial, 4));
    // T: four of six in the 17 days that were seen.
    assert_eq!(rounded(value(often, "per_day")), format!("{:.3}", 0.25 + 4.0 / 17.0));
    assert!(often.reasons.iter().any(|reason| reason.contains("1 of 2 services that were seen the whole time")));
}

#[test]
fn a_group_says_of_whom_it_knows_nothing() {
    let mut delivery = two_services();
    delivery.limits = vec![limit(Some("T"), &[], true, "history not readable")];
    let measurements = measure(&delivery, &four_weeks());
    let often = of(&measurements, GroupKind::Account, Often);
    assert_eq!((often.status, value(often, "count")), (MeasureStatus::Partial, Some(7.0)));
    assert!(
        often.reasons.contains(&"1 of 2 services left out: history not readable.".to_owned()),
        "{:?}",
        often.reasons
    );
    let organization = of(&measurements, GroupKind::Organization, Often);
    assert_eq!(organization.n, 1);
    assert_eq!(organization.reasons, ["1 of 2 services without a number: 1 not_measurable."]);
}

#[test]
fn a_pipeline_of_several_counts_only_its_own() {
    let mut delivery = golden();
    delivery.services[0].pipelines.push(arn("S2"));
    let mut other = deployment("S", "x", at(26, 12, 0));
    other.pipeline = Some(arn("S2"));
    delivery.deployments.push(other);
    let measurements = measure(&delivery, &four_weeks());
    let of_pipeline = |name: &str, metric| {
        let group =
            measurements.groups.iter().find(|g| g.group.kind == GroupKind::Pipeline && g.group.key == arn(name));
        group.unwrap().measures.iter().find(|measure| measure.metric == metric).unwrap().clone()
    };
    assert_eq!(value(&of_pipeline("S", Often), "count"), Some(7.0));
    assert_eq!(value(&of_pipeline("S2", Often), "count"), Some(1.0));
    assert_eq!((of_pipeline("S", Lead).n, of_pipeline("S2", Lead).n), (9, 0));
    // What rolled e7 back was no pipeline's, and still ended its episode.
    assert_eq!(value(&of_pipeline("S", Recovery), "median"), Some(2_100.0));
    assert_eq!(of_pipeline("S2", Tests).status, MeasureStatus::NotMeasurable);
}

#[test]
fn every_group_has_every_metric_in_order() {
    let measurements = measure(&two_services(), &four_weeks());
    for group in &measurements.groups {
        let names: Vec<_> = group.measures.iter().map(|measure| measure.metric).collect();
        assert_eq!(names, MetricName::ALL);
    }
    let text = serde_json::to_string(&measurements).unwrap();
    assert_eq!(text, serde_json::to_string(&measure(&two_services(), &four_weeks())).unwrap());
}

#[test]
fn an_empty_delivery_is_an_organization_without_services() {
    let measurements = measure(&Delivery::default(), &four_weeks());
    assert_eq!(measurements.groups.len(), 1);
    let often = of(&measurements, GroupKind::Organization, Often);
    assert_eq!((often.status, often.n), (MeasureStatus::NotCollected, 0));
    assert_eq!(often.values[0].value, None);
}

/// Any delivery of up to three services, with holes in what was looked at.
fn any_delivery() -> impl Strategy<Value = Delivery> {
    let outcome = prop::sample::select(vec![
        Outcome::Succeeded,
        Outcome::Succeeded,
        Outcome::Failed,
        Outcome::Stopped,
        Outcome::ErrorNoImpact,
        Outcome::InProgress,
        Outcome::Unknown,
    ]);
    let kind = prop::sample::select(vec![
        DeploymentKind::Forward,
        DeploymentKind::Forward,
        DeploymentKind::Rollback,
        DeploymentKind::RedeploySame,
        DeploymentKind::Scaling,
    ]);
    let code =
        prop::sample::select(vec![None, None, Some(EvidenceCode::E2), Some(EvidenceCode::E6), Some(EvidenceCode::E7)]);
    let one = (0usize..3, 0i64..60 * 24 * 60, outcome, kind, code, any::<bool>(), 0i64..10_000);
    let all = prop::collection::vec(one, 0..50);
    let from = prop::collection::vec(0i64..40, 0..3);
    (all, from, any::<bool>()).prop_map(|(all, from, tests)| {
        const NAMES: [&str; 3] = ["S", "T", "U"];
        let mut delivery = Delivery { services: NAMES.map(service).to_vec(), ..Delivery::default() };
        delivery.coverage.spans = from
            .into_iter()
            .map(|days| {
                let mut span = span(HistorySource::PipelineExecutions, AS_OF - Duration::days(days), AS_OF);
                span.subject = Some(arn(NAMES[usize::try_from(days % 3).unwrap()]));
                span
            })
            .collect();
        for (n, (name, minutes, outcome, kind, code, unplanned, lead)) in all.into_iter().enumerate() {
            let id = format!("d{n}");
            let mut new = deployment(NAMES[name], &id, AS_OF - Duration::minutes(minutes));
            (new.outcome, new.kind, new.unplanned) = (outcome, kind, unplanned);
            if matches!(outcome, Outcome::InProgress | Outcome::Unknown) {
                new.finished = None;
            } else {
                let finished = new.finished.unwrap();
                delivery.changes.push(change(NAMES[name], &id, finished - Duration::minutes(lead - 100), &new));
                delivery.runs.push(run(NAMES[name], &id, finished - Duration::minutes(lead), finished));
            }
            new.evidence = code.map(|code| evidence(code, unplanned.then(|| ended_after(&new)))).into_iter().collect();
            delivery.deployments.push(new);
            if tests {
                delivery.tests.push(test_run(NAMES[name], &id, Some(unplanned), Some(unplanned || lead > 50)));
            }
        }
        delivery
    })
}

fn ended_after(deployment: &crate::dora::Deployment) -> OffsetDateTime {
    deployment.finished.unwrap_or(deployment.started) + Duration::minutes(90)
}

fn any_limit(blocks: bool) -> impl Strategy<Value = Limit> {
    let service = prop::sample::select(vec![None, Some("S"), Some("T")]);
    let metrics = prop::sample::subsequence(MetricName::ALL.to_vec(), 0..3);
    let from = prop::option::of(0i64..40);
    (service, metrics, from).prop_map(move |(service, metrics, from)| Limit {
        observed_from: from.map(|days| AS_OF - Duration::days(days)),
        ..limit(service, &metrics, blocks, "because")
    })
}

/// Everything of a group that was said, by name, without how many services say it.
fn numbers(group: &GroupMeasurements) -> Vec<(String, Option<f64>)> {
    let mut all = Vec::new();
    for measure in &group.measures {
        for value in &measure.values {
            all.push((format!("{:?} {} {:?}", measure.metric, value.statistic, value.labels), value.value));
        }
    }
    for bucket in &group.buckets {
        let name = format!("{:?} {}", bucket.length, bucket.day);
        all.push((format!("{name} deployments"), bucket.deployments.map(|n| f64::from(u32::try_from(n).unwrap()))));
        all.push((format!("{name} failed"), bucket.failed.map(|n| f64::from(u32::try_from(n).unwrap()))));
        all.push((format!("{name} lead"), bucket.lead_time_median_seconds));
    }
    all
}

/// What was unknown and is now a number.
fn invented(before: &Measurements, after: &Measurements) -> Vec<String> {
    let mut invented = Vec::new();
    for (one, other) in before.groups.iter().zip(&after.groups) {
        assert_eq!(one.group, other.group);
        let known: std::collections::BTreeMap<_, _> = numbers(one).into_iter().collect();
        let new = numbers(other).into_iter().filter(|(name, value)| value.is_some() && known.get(name) == Some(&None));
        invented.extend(new.map(|(name, _)| format!("{:?} {name}", one.group)));
    }
    invented
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn order_changes_nothing(delivery in any_delivery(), seed in any::<u64>()) {
        let mut shuffled = delivery.clone();
        let key = |id: &str| id.bytes().fold(seed, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
        shuffled.deployments.sort_by_key(|d| key(&d.id));
        shuffled.changes.sort_by_key(|c| key(&c.commit));
        shuffled.runs.sort_by_key(|r| key(&r.execution));
        shuffled.tests.reverse();
        shuffled.coverage.spans.reverse();
        let (one, other) = (measure(&delivery, &four_weeks()), measure(&shuffled, &four_weeks()));
        prop_assert_eq!(one.groups, other.groups);
        prop_assert_eq!(one.deployments, other.deployments);
        prop_assert_eq!(one.lead_times, other.lead_times);
    }

    #[test]
    fn a_limit_never_makes_a_number_of_what_was_unknown(
        delivery in any_delivery(), first in any_limit(false), blocking in any_limit(true), lesser in any_limit(false),
    ) {
        let mut delivery = delivery;
        delivery.limits.push(first);
        let before = measure(&delivery, &four_weeks());
        for added in [blocking, lesser] {
            let mut limited = delivery.clone();
            limited.limits.push(added);
            let after = measure(&limited, &four_weeks());
            prop_assert_eq!(invented(&before, &after), Vec::<String>::new());
        }
    }

    #[test]
    fn the_time_zone_moves_buckets_and_no_totals(
        delivery in any_delivery(),
        zone in prop::sample::select(vec!["+09:00", "-11:00", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"]),
    ) {
        let utc = measure(&delivery, &four_weeks());
        let other = measure(&delivery, &four_weeks().with_time_zone(zone).unwrap());
        for (one, other) in utc.groups.iter().zip(&other.groups) {
            for (one, other) in one.measures.iter().zip(&other.measures) {
                let kept = |measure: &Measure| -> Vec<Value> {
                    let of_weeks = ["median_per_week", "median_deploy_days_per_week"];
                    measure.values.iter().filter(|v| !of_weeks.contains(&v.statistic)).cloned().collect()
                };
                prop_assert_eq!(kept(one), kept(other));
                prop_assert_eq!(one.status, other.status);
            }
            if one.buckets.iter().chain(&other.buckets).all(|bucket| bucket.is_observed) {
                let total = |buckets: &[Bucket], length| -> u64 {
                    let of_length = buckets.iter().filter(|bucket| bucket.length == length);
                    of_length.filter_map(|bucket| bucket.deployments).sum()
                };
                for length in [BucketLength::Day, BucketLength::Week] {
                    prop_assert_eq!(total(&one.buckets, length), total(&other.buckets, length));
                }
            }
        }
    }

    #[test]
    fn ratios_lie_in_their_intervals_and_nothing_is_below_zero(delivery in any_delivery()) {
        let measurements = measure(&delivery, &four_weeks());
        for measure in measurements.groups.iter().flat_map(|group| &group.measures) {
            for value in &measure.values {
                let Some(number) = value.value else { continue };
                prop_assert!(number.is_finite() && number >= 0.0, "{value:?}");
                prop_assert!(value.unit != Unit::Ratio || number <= 1.0, "{value:?}");
            }
            let of = |name| measure.values.iter().find(|value| value.statistic == name).and_then(|value| value.value);
            if let (Some(ratio), Some(low), Some(high)) = (of("ratio"), of("low"), of("high")) {
                prop_assert!(low <= ratio && ratio <= high);
            }
            let silent = measure.values[0].value.is_none();
            let refused = [MeasureStatus::NotCollected, MeasureStatus::NotMeasurable].contains(&measure.status);
            prop_assert!(!refused || silent, "{measure:?}");
            prop_assert!(!silent || !measure.reasons.is_empty(), "{measure:?}");
            prop_assert!(measure.status == MeasureStatus::Ok || !measure.reasons.is_empty(), "{measure:?}");
        }
    }
}
