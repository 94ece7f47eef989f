//! The golden vector with something added, taken away or moved.

use super::*;
use crate::history::HistorySource;

fn without_coverage(history: &mut History, source: HistorySource) {
    history.coverage.spans.retain(|span| span.source != source);
}

#[test]
fn without_the_inventory_the_executions_speak_for_themselves() {
    let alone = assemble(&golden::history(), &Estate::default(), &golden::options());
    let with = golden();
    assert_eq!(alone.deployments, with.deployments);
    assert_eq!(alone.changes, with.changes);
    assert_eq!(alone.services[0].production, with.services[0].production);
}

#[test]
fn an_incident_is_laid_to_the_last_release_before_it_or_to_the_one_it_names() {
    let mut history = golden::history();
    let resolved = Some(datetime!(2026-06-03 18:00 UTC));
    history.incidents = vec![
        golden::incident("INC-1", datetime!(2026-06-03 16:00 UTC), resolved),
        golden::incident("INC-2", datetime!(2026-06-03 17:00 UTC), None),
        // Three days and a minute after e11.
        golden::incident("INC-3", datetime!(2026-06-27 12:31 UTC), None),
    ];
    let mut named = golden::incident("INC-4", datetime!(2026-06-25 9:00 UTC), None);
    named.caused_by = Some("e8".to_owned());
    let mut unknown = golden::incident("INC-5", datetime!(2026-06-25 9:00 UTC), None);
    unknown.caused_by = Some("e99".to_owned());
    history.incidents.extend([named, unknown]);
    let delivery = assemble(&history, &golden::estate(), &golden::options());
    assert_eq!(
        evidence(find(&delivery, "e3")),
        [
            (EvidenceCode::E6, Confidence::Medium, "INC-1", resolved),
            (EvidenceCode::E6, Confidence::Medium, "INC-2", None)
        ]
    );
    assert_eq!(evidence(find(&delivery, "e8")), [(EvidenceCode::E6, Confidence::High, "INC-4", None)]);
    assert!(find(&delivery, "e11").evidence.is_empty());
    let [limit] = delivery.limits.as_slice() else { panic!("{:?}", delivery.limits) };
    assert!(!limit.blocks && limit.reason.contains("INC-5") && limit.reason.contains("e99"));
}

#[test]
fn a_commit_names_the_release_that_brought_it() {
    let mut history = golden::history();
    let mut incident = golden::incident("INC-1", datetime!(2026-06-20 9:00 UTC), None);
    incident.service = "S".to_owned();
    incident.caused_by = Some(commit(2));
    history.incidents = vec![incident];
    let delivery = assemble(&history, &golden::estate(), &golden::options());
    assert_eq!(find(&delivery, "e3").evidence[0].code, EvidenceCode::E6);
}

#[test]
fn suspected_fixes_are_evidence_only_where_they_are_asked_for() {
    let mut options = golden::options();
    options.suspect_fixes = true;
    let delivery = assemble(&golden::history(), &golden::estate(), &options);
    // The last success before the hotfix e6 is the rollback r1, which is no release.
    assert_eq!(codes(&delivery), codes(&golden()));
    let mut history = golden::history();
    history.executions.retain(|it| it.id != "r1");
    history.actions.retain(|it| it.execution != "r1");
    history.deployments.retain(|it| it.id != "d-R1");
    let delivery = assemble(&history, &golden::estate(), &options);
    let when = Some(datetime!(2026-06-10 14:00 UTC));
    let id = format!("{PIPELINE}/e6");
    assert_eq!(evidence(find(&delivery, "e5")), [(EvidenceCode::E7, Confidence::Low, id.as_str(), when)]);
}

#[test]
fn a_window_that_begins_later_still_finds_predecessors() {
    let options = golden::options().with_window("20d").unwrap();
    assert_eq!(options.from(), datetime!(2026-06-09 0:00 UTC));
    let delivery = assemble(&golden::history(), &golden::estate(), &options);
    let c5 = delivery.changes.iter().find(|it| it.commit == commit(5)).unwrap();
    assert_eq!((c5.fate, c5.tier), (ChangeFate::Deployed, Tier::B));
    assert!(delivery.deployments.iter().any(|it| name(it) == "e4"));
}

#[test]
fn the_time_zone_changes_nothing_here() {
    let options = golden::options().with_time_zone("+09:00").unwrap();
    assert_eq!(assemble(&golden::history(), &golden::estate(), &options), golden());
}

#[test]
fn without_a_trail_nobody_is_named_and_nothing_else_changes() {
    let mut history = golden::history();
    history.events.clear();
    without_coverage(&mut history, HistorySource::LookupEvents);
    let (without, with) = (assemble(&history, &golden::estate(), &golden::options()), golden());
    assert_eq!(find(&without, "d-9").actor, None);
    // The executions themselves still name an approver and whoever rolled back.
    assert_eq!(find(&without, "e1").approvers.len(), 1);
    let key = |it: &Deployment| (it.id.clone(), it.kind, it.outcome, it.trigger, it.evidence.clone(), it.unplanned);
    let keys = |delivery: &Delivery| delivery.deployments.iter().map(key).collect::<Vec<_>>();
    assert_eq!(keys(&without), keys(&with));
    assert_eq!(without.changes, with.changes);
    assert_eq!(without.limits, []);
    assert!(without.runs.iter().all(|it| it.transition_disabled_seconds.is_none() && it.active_seconds.is_some()));
}

#[test]
fn requests_alone_say_nothing_of_how_it_ended() {
    let mut history = golden::history();
    for source in [HistorySource::PipelineExecutions, HistorySource::Deployments] {
        without_coverage(&mut history, source);
    }
    history.executions.clear();
    history.actions.clear();
    history.deployments.clear();
    for estate in [golden::estate(), Estate::default()] {
        let delivery = assemble(&history, &estate, &golden::options());
        assert_eq!((delivery.deployments.len(), delivery.runs.len(), delivery.tests.len()), (0, 0, 0));
        let service = delivery.services.iter().find(|it| it.key.0 == PIPELINE).unwrap();
        assert!(service.not_measurable.as_deref().is_some_and(|it| it.starts_with("only requests are known")));
        let limit = delivery.limits.iter().find(|it| it.blocks).unwrap();
        assert_eq!(limit.service.as_ref(), Some(&service.key));
        assert!(limit.metrics.is_empty() && limit.reason.contains("ListPipelineExecutions"));
    }
}
