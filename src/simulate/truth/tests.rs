//! The truth holds together: every result occurs, and denials reach what they hide.

use super::*;
use crate::simulate::SimulationOptions;

fn world(change: impl FnOnce(&mut SimulationOptions)) -> World {
    let mut options = SimulationOptions { accounts: 40, pipelines_per_account_region: 6, ..Default::default() };
    change(&mut options);
    World::new(options)
}

fn results(truth: &Truth, control: &str) -> BTreeMap<Expected, usize> {
    let mut counts = BTreeMap::new();
    for ((id, _, _, _), expected) in &truth.findings {
        if id == control {
            *counts.entry(*expected).or_default() += 1;
        }
    }
    counts
}

fn every_control() -> Vec<&'static str> {
    KINDS.iter().chain(NAMED).flat_map(|kind| (kind.controls)()).collect()
}

#[test]
fn the_same_seed_has_the_same_truth() {
    assert_eq!(truth(&world(|_| {})), truth(&world(|_| {})));
    assert_ne!(truth(&world(|_| {})), truth(&world(|options| options.seed = 2)));
}

#[test]
fn every_control_has_good_and_bad_cases() {
    let truths = [1, 2, 3].map(|seed| truth(&world(|options| options.seed = seed)));
    for control in every_control() {
        let counts: BTreeMap<Expected, usize> = truths.iter().flat_map(|truth| results(truth, control)).collect();
        for expected in [Expected::Compliant, Expected::NonCompliant, Expected::InsufficientData] {
            assert!(counts.contains_key(&expected), "{control} has no {}", expected.as_str());
        }
    }
}

#[test]
fn without_denials_everything_is_seen() {
    let truth = truth(&world(|options| options.denials = false));
    // A person is no organization with rules of its own, and no provider tells of them.
    let of_owner = |id: &str| id.starts_with("git-repository-owner-");
    let unknown = truth.findings.iter().filter(|(_, expected)| **expected == Expected::InsufficientData);
    // Who else may approve cannot be seen by reading, whatever is allowed.
    let unknown = unknown.filter(|((id, ..), _)| !of_owner(id) && id != role::APPROVERS);
    // Nor what belongs to strangers.
    let unknown = unknown.filter(|((_, uid, ..), _)| !uid.contains(crate::simulate::estate::OUTSIDE_ACCOUNT));
    let unknown: BTreeSet<&str> = unknown.map(|((control, ..), _)| control.as_str()).collect();
    assert!(unknown.is_subset(&BTreeSet::from(practice::MAY_STAY_UNKNOWN)), "{unknown:?}");
    assert!(truth.denied_accounts.is_empty());
    assert_eq!(truth.skipped_accounts.len(), 1);
}

#[test]
fn a_refused_role_hides_every_control_of_the_account() {
    let truth = truth(&world(|_| {}));
    let denied = truth.denied_accounts.first().unwrap().to_string();
    let findings: Vec<_> = truth.findings.iter().filter(|((_, _, account, _), _)| *account == denied).collect();
    assert_eq!(findings.len(), every_control().len());
    for ((_, uid, _, region), expected) in findings {
        assert_eq!((uid.as_str(), region.as_str()), (format!("arn:aws:iam::{denied}:root").as_str(), "global"));
        assert_eq!(*expected, Expected::InsufficientData);
    }
}

#[test]
fn a_refused_listing_leaves_one_placeholder_for_each_region() {
    let world = world(|options| {
        options.denials = false;
        options.deny_action = Some("codepipeline:ListPipelines".to_owned());
    });
    let truth = truth(&world);
    let id = world.account_id(3);
    let uid = format!("arn:aws:codepipeline:us-east-1:{id}:*");
    let key = ("codepipeline-type-v2".to_owned(), uid, id.to_string(), "us-east-1".to_owned());
    assert_eq!(truth.findings.get(&key), Some(&Expected::InsufficientData));
    assert!(truth.findings.keys().filter(|key| key.0 == "codepipeline-type-v2").all(|key| key.1.ends_with(":*")));
}

#[test]
fn a_refused_property_hides_only_what_needs_it() {
    let seen = truth(&world(|options| options.denials = false));
    let hidden = truth(&world(|options| {
        options.denials = false;
        options.deny_action = Some("s3:GetBucketPolicy".to_owned());
    }));
    let changed: BTreeSet<&str> = seen
        .findings
        .iter()
        .filter(|(key, expected)| hidden.findings.get(*key) != Some(expected))
        .map(|(key, _)| key.0.as_str())
        .collect();
    let read = [
        "s3-artifact-bucket-known-writers",
        "s3-artifact-bucket-other-encryption-denied",
        "s3-artifact-bucket-tls-only",
    ];
    assert_eq!(changed, BTreeSet::from(read));
}

#[test]
fn unknown_parts_decide_nothing_that_is_decided() {
    assert_eq!(all([Some(true), None]), None);
    assert_eq!(all([None, Some(false)]), Some(false));
    assert_eq!(any([None, Some(true)]), Some(true));
    assert_eq!(any([None, Some(false)]), None);
    assert_eq!(judged(None, Some(true)), Expected::InsufficientData);
    assert_eq!(judged(Some(false), None), Expected::NotApplicable);
}

#[test]
fn a_stopped_organization_trail_leaves_accounts_uncovered() {
    let counts = results(&truth(&world(|options| options.seed = 3)), "organizations-account-trail-logging");
    assert!(counts.contains_key(&Expected::NonCompliant) && counts.contains_key(&Expected::Compliant), "{counts:?}");
    let counts = results(&truth(&world(|_| {})), "organizations-account-trail-logging");
    assert!(!counts.contains_key(&Expected::NonCompliant), "{counts:?}");
}
