//! The golden vector, put in order by hand.

use time::OffsetDateTime;
use time::macros::datetime;

use super::*;
use crate::dora::golden::{self, PIPELINE, commit};
use crate::dora::{
    Change, ChangeFate, Confidence, Deployment, DeploymentKind, EvidenceCode, Outcome, Tier, TriggerKind,
};

mod cases;
mod properties;
mod unknowns;
mod variants;
mod world;

/// The short name that the golden vector calls a deployment by.
fn name(deployment: &Deployment) -> &str {
    deployment.id.rsplit('/').next().unwrap_or_default()
}

fn find<'d>(delivery: &'d Delivery, wanted: &str) -> &'d Deployment {
    delivery.deployments.iter().find(|it| name(it) == wanted).unwrap_or_else(|| panic!("no {wanted}"))
}

fn evidence(deployment: &Deployment) -> Vec<(EvidenceCode, Confidence, &str, Option<OffsetDateTime>)> {
    deployment.evidence.iter().map(|it| (it.code, it.confidence, it.id.as_str(), it.time)).collect()
}

fn codes(delivery: &Delivery) -> Vec<(String, Vec<EvidenceCode>)> {
    let failed = delivery.deployments.iter().filter(|it| !it.evidence.is_empty());
    failed.map(|it| (name(it).to_owned(), it.evidence.iter().map(|it| it.code).collect())).collect()
}

fn hours(changes: &[Change]) -> Vec<(String, Tier, ChangeFate, f64)> {
    let short = |id: &str| format!("c{}", id.trim_start_matches(['c', '0']));
    changes
        .iter()
        .map(|it| {
            let hours = it.committed.map_or(f64::NAN, |committed| (it.deployed - committed).as_seconds_f64() / 3_600.0);
            (short(&it.commit), it.tier, it.fate, hours)
        })
        .collect()
}

fn golden() -> Delivery {
    assemble(&golden::history(), &golden::estate(), &golden::options())
}

#[test]
fn the_golden_deployments_are_told_apart() {
    use DeploymentKind::{Forward, RedeploySame, Rollback};
    use Outcome::{Failed, Succeeded};
    let delivery = golden();
    let found: Vec<_> = delivery
        .deployments
        .iter()
        .map(|it| (name(it), it.kind, it.outcome, it.attempts, it.first_attempt_failed, it.unplanned))
        .collect();
    assert_eq!(
        found,
        [
            ("e1", Forward, Succeeded, 1, Some(false), false),
            ("e3", Forward, Succeeded, 1, Some(false), false),
            ("e4", Forward, Succeeded, 2, Some(true), false),
            ("e5", Forward, Succeeded, 1, Some(false), false),
            ("r1", Rollback, Succeeded, 1, Some(false), false),
            ("e6", Forward, Succeeded, 1, Some(false), true),
            ("e7", Forward, Failed, 1, Some(true), false),
            ("d-RB", Rollback, Succeeded, 1, Some(false), false),
            ("e8", Forward, Succeeded, 1, Some(false), false),
            ("d-9", RedeploySame, Succeeded, 1, Some(false), false),
            ("e11", Forward, Succeeded, 1, Some(false), false),
        ]
    );
    let e4 = find(&delivery, "e4");
    assert_eq!(e4.started, datetime!(2026-06-08 09:50 UTC));
    assert_eq!(e4.finished, Some(datetime!(2026-06-08 10:30 UTC)));
    assert_eq!(e4.members[0].code_deployments, ["d-E4", "d-E4-2"]);
    assert_eq!(find(&delivery, "e7").started, datetime!(2026-06-15 09:50 UTC));
    assert!(!find(&delivery, "e6").unplanned_is_flagged);
    assert_eq!(find(&delivery, "d-RB").version, find(&delivery, "e6").version);
    assert_eq!(find(&delivery, "r1").version, e4.version);
    assert_eq!(find(&delivery, "d-9").revisions, find(&delivery, "e8").revisions);
}

#[test]
fn the_golden_evidence_names_its_rule_and_its_remedy() {
    let delivery = golden();
    assert_eq!(
        codes(&delivery),
        [("e5".to_owned(), vec![EvidenceCode::E2]), ("e7".to_owned(), vec![EvidenceCode::E1, EvidenceCode::E3])]
    );
    let high = Confidence::High;
    let back = Some(datetime!(2026-06-10 11:40 UTC));
    assert_eq!(evidence(find(&delivery, "e5")), [(EvidenceCode::E2, high, "r1", back)]);
    assert_eq!(
        evidence(find(&delivery, "e7")),
        [
            (EvidenceCode::E1, high, "d-RB", Some(datetime!(2026-06-15 10:20 UTC))),
            (EvidenceCode::E3, high, "d-E7", Some(datetime!(2026-06-15 10:00 UTC))),
        ]
    );
}

#[test]
fn the_golden_changes_are_counted_once_at_their_first_release() {
    use ChangeFate::{Deployed, NoPredecessor};
    let mut expected: Vec<_> = [
        ("c1", NoPredecessor, 3.0),
        ("c2", Deployed, 5.0),
        ("c3", Deployed, 4.0),
        ("c4", Deployed, 2.5),
        ("c5", Deployed, 2.0),
        ("c6", Deployed, 1.0),
        ("c7", Deployed, 4.0),
        ("c8", Deployed, 1.0),
        ("c10", Deployed, 3.5),
        ("c11", Deployed, 1.5),
    ]
    .map(|(name, fate, hours)| (name.to_owned(), Tier::B, fate, hours))
    .to_vec();
    let mut found = hours(&golden().changes);
    let key = |it: &(String, Tier, ChangeFate, f64)| it.0.clone();
    found.sort_by_key(key);
    expected.sort_by_key(key);
    assert_eq!(found, expected);
}

#[test]
fn with_parents_known_the_same_changes_are_of_tier_a() {
    let mut history = golden::history();
    for number in [2, 3, 4, 5, 6, 7, 8, 10, 11] {
        let parent = if number == 10 { 8 } else { number - 1 };
        let own = history.commits.iter_mut().find(|it| it.id == commit(number)).unwrap();
        own.parents = vec![commit(parent)];
    }
    let delivery = assemble(&history, &golden::estate(), &golden::options());
    let key = |it: &(String, Tier, ChangeFate, f64)| it.0.clone();
    let (mut of_a, mut of_b) = (hours(&delivery.changes), hours(&golden().changes));
    of_a.sort_by_key(key);
    of_b.sort_by_key(key);
    let times = |all: &[(String, Tier, ChangeFate, f64)]| {
        all.iter().map(|it| (it.0.clone(), it.2, it.3.to_bits())).collect::<Vec<_>>()
    };
    assert_eq!(times(&of_a), times(&of_b));
    assert!(of_a.iter().all(|it| it.1 == Tier::A || it.0 == "c1"));
}

#[test]
fn who_began_and_who_approved_is_named() {
    let delivery = golden();
    let trigger = |wanted: &str| find(&delivery, wanted).trigger;
    assert_eq!(trigger("e1"), TriggerKind::Change);
    assert_eq!(trigger("r1"), TriggerKind::ManualRollback);
    assert_eq!(trigger("d-RB"), TriggerKind::AutomatedRollback);
    assert_eq!(trigger("d-9"), TriggerKind::Direct);
    let person = |wanted: &str| find(&delivery, wanted).actor.as_ref().and_then(crate::history::Principal::person);
    assert_eq!(person("r1").as_deref(), Some("carol@example.com"));
    assert_eq!(person("d-9").as_deref(), Some("dave@example.com"));
    assert_eq!(person("e1"), None);
    let e4 = find(&delivery, "e4");
    let approvers: Vec<_> = e4.approvers.iter().filter_map(crate::history::Principal::person).collect();
    assert_eq!(approvers, ["alice@example.com"]);
    assert_eq!(e4.events, ["approve-e4", "retry-e4"]);
    assert_eq!(find(&delivery, "r1").events, ["rollback-r1"]);
    assert_eq!(find(&delivery, "d-9").events, ["deploy-d-9"]);
}

#[test]
fn the_service_stands_where_the_inventory_says() {
    let delivery = golden();
    let [service] = delivery.services.as_slice() else { panic!("{:?}", delivery.services) };
    assert_eq!((service.key.0.as_str(), service.name.as_str()), (PIPELINE, "S"));
    assert_eq!(service.organizational_unit.as_deref(), Some("/Workloads/Prod"));
    assert_eq!(service.tags.get("team").map(String::as_str), Some("shop"));
    assert_eq!(service.production.as_deref(), Some("Prod/Deploy: stage name Prod"));
    assert!(!service.production_is_assumed && service.not_measurable.is_none());
    assert!(delivery.deployments.iter().all(|it| it.service == service.key));
    assert_eq!(delivery.limits, []);
}

#[test]
fn runs_say_where_their_time_went() {
    let delivery = golden();
    let runs: Vec<&str> = delivery.runs.iter().map(|it| it.execution.as_str()).collect();
    assert_eq!(runs, ["e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8", "e10", "e11"]);
    let e4 = &delivery.runs[3];
    // Source and build 11 minutes, two attempts of 10; approval from 08:16 to 09:50; 20 minutes until the retry.
    assert_eq!(e4.active_seconds, Some(31 * 60));
    assert_eq!(e4.approval_wait_seconds, Some(94 * 60));
    assert_eq!(e4.retry_idle_seconds, Some(20 * 60));
    assert_eq!((e4.gap_seconds, e4.transition_disabled_seconds, e4.retried_actions), (Some(0), Some(0), 1));
    let category = |name: &str| e4.category_seconds.get(name).copied();
    assert_eq!(
        (category("Deploy"), category("Approval"), category("Test")),
        (Some(20 * 60), Some(94 * 60), Some(5 * 60))
    );
    assert_eq!(e4.finished, Some(datetime!(2026-06-08 10:30 UTC)));
}

#[test]
fn unit_tests_passed_in_nine_of_ten_runs() {
    let delivery = golden();
    let passed: Vec<_> = delivery.tests.iter().map(|it| (it.first_passed, it.passed)).collect();
    assert_eq!(passed.len(), 10);
    assert_eq!(passed.iter().filter(|it| **it == (Some(true), Some(true))).count(), 9);
    assert_eq!(passed.iter().filter(|it| **it == (Some(false), Some(false))).count(), 1);
}
