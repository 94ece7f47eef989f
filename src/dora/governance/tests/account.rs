//! G10.

use super::*;

fn done(service: &str, name: &str, request: Value) -> World {
    let mut world = World::quiet();
    world.call(service, name, NOON, "mallory", request, json!(null));
    world
}

#[test]
fn a_trail_that_is_stopped_or_changed() {
    let stopped = done("cloudtrail", "StopLogging", json!({"name": "all"}));
    stopped.account("StoppedTrails").is_bad("mallory (Release) StopLogging of trail all");
    stopped.account("ChangedTrails").is_good();
    let changed = done("cloudtrail", "PutEventSelectors", json!({"trailName": "all"}));
    changed.account("ChangedTrails").is_bad("PutEventSelectors of trail all");
    let mut refused = stopped.clone();
    refused.history.events[0].error_code = Some("AccessDenied".to_owned());
    refused.account("StoppedTrails").is_good();
    refused.account("RefusedAttempts").is_bad("was refused StopLogging (AccessDenied)");
    stopped.without_events().account("StoppedTrails").is_open("CloudTrail's events");
}

#[test]
fn a_bucket_of_the_delivery_path_that_loses_protection() {
    let put = |bucket: &str, status: &str| {
        let request = json!({"bucketName": bucket, "VersioningConfiguration": {"Status": status}});
        done("s3", "PutBucketVersioning", request)
    };
    put("artifacts", "Suspended").account("WeakenedBuckets").is_bad("PutBucketVersioning of bucket artifacts");
    put("trail-logs", "Suspended").account("WeakenedBuckets").is_bad("trail-logs");
    put("artifacts", "Enabled").account("WeakenedBuckets").is_good();
    put("artifacts", "Enabled").account("ChangedBuckets").is_bad("PutBucketVersioning");
    put("holiday-pictures", "Suspended").account("WeakenedBuckets").is_good();
    let mut unknown = put("holiday-pictures", "Suspended");
    unknown.estate = Estate::default();
    unknown.account("WeakenedBuckets").is_open("holiday-pictures");
    let block = |value: bool| {
        let request = json!({"bucketName": "artifacts", "PublicAccessBlockConfiguration": {"BlockPublicAcls": value}});
        done("s3", "PutBucketPublicAccessBlock", request).account("WeakenedBuckets")
    };
    block(true).is_good();
    block(false).is_bad("PutBucketPublicAccessBlock");
}

#[test]
fn a_bucket_of_an_account_whose_pipelines_were_denied_may_be_one_of_them() {
    let request = json!({"bucketName": "holiday-pictures", "VersioningConfiguration": {"Status": "Suspended"}});
    let mut world = done("s3", "PutBucketVersioning", request);
    world.call("kms", "DisableKey", NOON, "mallory", json!({"keyId": "k-9"}), json!(null));
    let unlisted = |account: &str, region: &str, kind: TypeName| {
        let mut world = world.clone();
        let mut gap = denied("codepipeline:ListPipelines");
        gap.account = account.parse().unwrap();
        gap.region = region.parse().unwrap();
        gap.affects = crate::inventory::Affects::Types { types: vec![kind] };
        world.estate.absorb(&Inventory { gaps: vec![gap], ..Inventory::default() });
        world
    };
    let blind = unlisted(ACCOUNT, "eu-west-1", TypeName::PIPELINE);
    blind.account("WeakenedBuckets").is_open("codepipeline:ListPipelines");
    blind.account("ChangedBuckets").is_open("holiday-pictures");
    blind.account("WeakenedKeys").is_open("k-9");
    unlisted(ACCOUNT, "us-east-1", TypeName::TRAIL).account("WeakenedBuckets").is_open("holiday-pictures");
    // A pipeline's bucket stands in its own Region and account.
    unlisted(ACCOUNT, "us-east-1", TypeName::PIPELINE).account("WeakenedBuckets").is_good();
    unlisted("444455556666", "eu-west-1", TypeName::PIPELINE).account("WeakenedBuckets").is_good();
    unlisted(ACCOUNT, "eu-west-1", TypeName::ALARM).account("WeakenedBuckets").is_good();
    let mut hidden = world.clone();
    hidden.amend(PIPELINE, |pipeline| {
        pipeline.properties.shift_remove("ArtifactStore");
        hide(pipeline, "*", denied("codepipeline:GetPipeline"));
    });
    hidden.account("WeakenedBuckets").is_open("codepipeline:GetPipeline");
}

#[test]
fn a_new_policy_of_a_bucket_is_told_and_not_judged() {
    let world = done("s3", "PutBucketPolicy", json!({"bucketName": "artifacts", "bucketPolicy": {"Statement": []}}));
    world.account("WeakenedBuckets").is_good();
    world.account("ChangedBuckets").is_bad("PutBucketPolicy of bucket artifacts");
}

#[test]
fn a_key_of_the_delivery_path_that_is_taken_away() {
    let disable = |key: &str| done("kms", "DisableKey", json!({"keyId": key})).account("WeakenedKeys");
    disable("arn:aws:kms:eu-west-1:111122223333:key/k-1").is_bad("DisableKey of key k-1");
    disable("k-2").is_good();
}

#[test]
fn a_template_of_approval_rules_that_is_changed() {
    let world = done("codecommit", "UpdateApprovalRuleTemplateContent", json!({"approvalRuleTemplateName": "two"}));
    world.account("ChangedApprovalTemplates").is_bad("UpdateApprovalRuleTemplateContent of two");
}

#[test]
fn a_place_that_could_not_be_looked_at_is_there_and_says_so() {
    let mut world = World::quiet();
    world.history.coverage.gaps.push(crate::history::HistoryGap {
        source: HistorySource::LookupEvents,
        subject: None,
        from: None,
        to: None,
        gap: Gap {
            account: "444455556666".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            service: "sts".to_owned(),
            action: "sts:AssumeRole".to_owned(),
            cause: crate::inventory::GapCause::AccessDenied { message: "no".to_owned() },
            affects: crate::inventory::Affects::Account,
        },
    });
    let dark = world.observe().into_iter().find(|it| it.account.as_str() == "444455556666").unwrap();
    assert_eq!(dark.type_name, TypeName::DELIVERY_ACCOUNT);
    assert!(dark.unseen["StoppedTrails"].sentence().contains("sts:AssumeRole"));
}
