//! G10, and the account's side of G8 and G9: what keeps evidence, and who changed it.
//!
//! In: calls of CloudTrail, S3, KMS, and those of `CodePipeline` and `CodeCommit` that name no single service. Out: per
//! account and Region, trails stopped or changed, buckets and keys of the delivery path weakened, updates that were too
//! large to be recorded. It matters twice: the same calls decide how much of everything else can be seen.
//!
//! What a bucket's new policy says is in no record that is kept, and one that a stack writes anew is as good as the last.
//! So `PutBucketPolicy` is told beside the findings ([`buckets_changed`]) and not judged: what the policy lets in now, the
//! controls of the bucket itself judge.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::Estate;
use super::sight::Sight;
use super::verdict::{Observation, Verdict};
use super::view::{Index, text};
use crate::history::Event;
use crate::inventory::{AccountId, Partition, Region, Resource, TypeName};

/// One account and Region.
pub(super) struct Place<'a> {
    pub(super) index: &'a Index<'a>,
    pub(super) sight: &'a Sight<'a>,
    pub(super) evidence: &'a Evidence,
    pub(super) estate: &'a Estate,
    pub(super) account: AccountId,
    pub(super) region: Region,
}

impl<'a> Place<'a> {
    fn calls(&self, service: &'static str, names: &'static [&'static str]) -> impl Iterator<Item = &'a Event> {
        let key = (self.account.clone(), self.region.clone(), service);
        let events = self.index.place_events.get(&key).map_or(&[][..], Vec::as_slice);
        let window = self.sight.window;
        let wanted = move |event: &&Event| names.contains(&event.name.as_str()) && window.contains(event.time);
        events.iter().copied().filter(wanted)
    }

    fn done(&self, service: &'static str, names: &'static [&'static str]) -> impl Iterator<Item = &'a Event> {
        self.calls(service, names).filter(|event| event.succeeded())
    }

    /// Why a bucket or key that nothing names may be of the delivery path.
    fn why_unknown(&self) -> Option<String> {
        self.evidence.why_unknown(self.estate, &self.account, &self.region)
    }

    fn unheard(&self, names: &[&str], verdict: &mut Verdict) {
        verdict.blind(self.sight.calls(&self.account, &self.region, names));
    }
}

/// What the delivery path keeps its artifacts and its record in.
pub(super) struct Evidence {
    buckets: BTreeSet<String>,
    keys: BTreeSet<String>,
    /// Whether the inventory knows anything that would name them.
    is_known: bool,
    /// Why pipelines or trails may name more: by account, and by Region for pipelines, which keep beside themselves.
    hidden: BTreeMap<AccountId, Vec<(Option<Region>, String)>>,
}

impl Evidence {
    /// Of pipelines and trails: whatever else the inventory holds is there because one of them names it.
    pub(super) fn of(estate: &Estate) -> Self {
        let mut evidence = Self {
            buckets: BTreeSet::new(),
            keys: BTreeSet::new(),
            is_known: !estate.is_empty(),
            hidden: BTreeMap::new(),
        };
        for pipeline in estate.of_type(&TypeName::PIPELINE) {
            evidence.hide(pipeline, &["ArtifactStore", "ArtifactStores"], Some(&pipeline.region));
            let several = pipeline.properties.get("ArtifactStores").and_then(Value::as_array).into_iter().flatten();
            let stores = several.filter_map(|entry| entry.get("ArtifactStore"));
            for store in stores.chain(pipeline.properties.get("ArtifactStore")) {
                evidence.buckets.insert(text(store, &["Location"]).to_owned());
                evidence.keys.insert(last(text(store, &["EncryptionKey", "Id"])).to_owned());
            }
        }
        for trail in estate.of_type(&TypeName::TRAIL) {
            evidence.hide(trail, &["S3BucketName", "KMSKeyId"], None);
            let told = |name: &str| trail.properties.get(name).and_then(Value::as_str).unwrap_or_default();
            evidence.buckets.insert(told("S3BucketName").to_owned());
            evidence.keys.insert(last(told("KMSKeyId")).to_owned());
        }
        for key in estate.of_type(&TypeName::KEY) {
            evidence.keys.insert(last(key.uid.as_str()).to_owned());
        }
        evidence.buckets.remove("");
        evidence.keys.remove("");
        evidence
    }

    fn hide(&mut self, resource: &Resource, properties: &[&str], region: Option<&Region>) {
        if let Some(gap) = properties.iter().find_map(|property| resource.gap_over(property)) {
            let hidden = self.hidden.entry(resource.account.clone()).or_default();
            hidden.push((region.cloned(), gap.sentence()));
        }
    }

    /// Why a bucket or key of a place may be one that evidence is kept in or with, although nothing in sight names it. Only
    /// what lives in the same account is asked: a gap anywhere would leave every bucket in doubt.
    fn why_unknown(&self, estate: &Estate, account: &AccountId, region: &Region) -> Option<String> {
        if !self.is_known {
            return Some("nothing of the inventory was read".to_owned());
        }
        let unlisted = estate.why_unlisted(&TypeName::PIPELINE, account, Some(region));
        let unlisted = unlisted.or_else(|| estate.why_unlisted(&TypeName::TRAIL, account, None));
        let hidden = || {
            let of_account = self.hidden.get(account).into_iter().flatten();
            of_account.filter(|(of, _)| of.as_ref().is_none_or(|of| of == region)).map(|(_, why)| why.clone()).next()
        };
        unlisted.map(crate::inventory::Gap::sentence).or_else(hidden)
    }
}

/// `arn:…:key/1234` → `1234`.
fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

const STOPS: &[&str] = &["StopLogging", "DeleteTrail"];
const CHANGES: &[&str] = &["UpdateTrail", "PutEventSelectors"];
const BUCKETS: &[&str] = &[
    "DeleteBucket",
    "DeleteBucketEncryption",
    "DeleteBucketPolicy",
    "DeleteBucketPublicAccessBlock",
    "PutBucketEncryption",
    "PutBucketLifecycle",
    "PutBucketLifecycleConfiguration",
    "PutBucketObjectLockConfiguration",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketVersioning",
    "PutObjectLockConfiguration",
];
const KEYS: &[&str] = &["DisableKey", "DisableKeyRotation", "PutKeyPolicy", "ScheduleKeyDeletion"];
const TEMPLATES: &[&str] = &["DeleteApprovalRuleTemplate", "UpdateApprovalRuleTemplateContent"];
const UPDATES: &[&str] = &["UpdatePipeline"];
const BUILDS: &[&str] = &["StartBuild", "StartBuildBatch"];
const DEPLOYMENTS: &[&str] = &["CreateDeployment", "UpdateDeploymentGroup"];

/// A trail was stopped or deleted.
pub(super) fn trails_stopped(place: &Place<'_>) -> Verdict {
    trails(place, STOPS)
}

/// What a trail records, or where it goes, was changed.
pub(super) fn trails_changed(place: &Place<'_>) -> Verdict {
    trails(place, CHANGES)
}

fn trails(place: &Place<'_>, names: &'static [&'static str]) -> Verdict {
    let mut verdict = Verdict::default();
    for event in place.done("cloudtrail", names) {
        let trail = event.request.text(&["name"]).or_else(|| event.request.text(&["trailName"])).unwrap_or_default();
        verdict.see(Observation::of(event, format!("{} of trail {trail}", event.name)));
    }
    place.unheard(names, &mut verdict);
    verdict
}

/// A bucket of the delivery path lost protection, or was changed by one of these calls.
pub(super) fn buckets_weakened(place: &Place<'_>) -> Verdict {
    buckets(place, true)
}

/// A bucket of the delivery path was changed in a way that need not weaken it.
pub(super) fn buckets_changed(place: &Place<'_>) -> Verdict {
    buckets(place, false)
}

fn buckets(place: &Place<'_>, weakened: bool) -> Verdict {
    let mut verdict = Verdict::default();
    for event in place.done("s3", BUCKETS) {
        let bucket = event.request.text(&["bucketName"]).unwrap_or_default();
        if place.evidence.buckets.contains(&bucket) {
            if weakens(event) == weakened {
                verdict.see(Observation::of(event, format!("{} of bucket {bucket}", event.name)));
            }
        } else if let Some(why) = place.why_unknown() {
            verdict.doubt(format!(
                "whether bucket {bucket}, which was changed, keeps artifacts or a trail is not known: {why}"
            ));
        }
    }
    place.unheard(BUCKETS, &mut verdict);
    verdict
}

fn weakens(event: &Event) -> bool {
    let holds = |value: &Value, wanted: &str| value.to_string().contains(wanted);
    match event.name.as_str() {
        "PutBucketVersioning" => {
            event.request.member(&["VersioningConfiguration"]).is_none_or(|it| holds(it, "Suspended"))
        }
        "PutBucketPublicAccessBlock" => {
            event.request.member(&["PublicAccessBlockConfiguration"]).is_none_or(|it| holds(it, "false"))
        }
        "PutBucketEncryption" | "PutBucketLifecycle" | "PutBucketLifecycleConfiguration" | "PutBucketPolicy" => false,
        // S3 lets nobody take a lock away, but its default retention can be.
        "PutBucketObjectLockConfiguration" | "PutObjectLockConfiguration" => {
            event.request.member(&["ObjectLockConfiguration"]).is_none_or(|it| it.get("Rule").is_none())
        }
        _ => true,
    }
}

/// A key of the delivery path was disabled, sentenced to deletion, or given to others.
pub(super) fn keys(place: &Place<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for event in place.done("kms", KEYS) {
        let key = event.request.text(&["keyId"]).unwrap_or_default();
        if place.evidence.keys.contains(last(&key)) {
            verdict.see(Observation::of(event, format!("{} of key {}", event.name, last(&key))));
        } else if let Some(why) = place.why_unknown() {
            verdict.doubt(format!(
                "whether anything is delivered with key {}, which was changed, is not known: {why}",
                last(&key)
            ));
        }
    }
    place.unheard(KEYS, &mut verdict);
    verdict
}

/// A template of approval rules was changed or deleted.
pub(super) fn templates(place: &Place<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for event in place.done("codecommit", TEMPLATES) {
        let template = event.request.text(&["approvalRuleTemplateName"]).unwrap_or_default();
        verdict.see(Observation::of(event, format!("{} of {template}", event.name)));
    }
    place.unheard(TEMPLATES, &mut verdict);
    verdict
}

/// A call had so much to say that CloudTrail left it out, a gate's removal included.
pub(super) fn unreadable(place: &Place<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let prefix =
        format!("arn:{}:codepipeline:{}:{}:", Partition::of_region(&place.region), place.region, place.account);
    let of_place = place.index.pipeline_events.range(prefix.clone()..).take_while(|(arn, _)| arn.starts_with(&prefix));
    let updates = of_place.flat_map(|(_, events)| events).copied().filter(|event| {
        UPDATES.contains(&event.name.as_str()) && event.succeeded() && place.sight.window.contains(event.time)
    });
    for event in updates.chain(place.done("codepipeline", UPDATES)) {
        if event.request.is_omitted() || event.response.is_omitted() {
            let name = event.request.text(&["pipeline", "name"]).or_else(|| event.response.text(&["pipeline", "name"]));
            let name = name.unwrap_or_else(|| "a pipeline whose name was left out too".to_owned());
            verdict.see(Observation::of(event, format!("updated {name} with more than CloudTrail records")));
        }
    }
    for (named, service, names) in
        [(&place.index.project_events, "codebuild", BUILDS), (&place.index.group_events, "codedeploy", DEPLOYMENTS)]
    {
        let first = (place.account.clone(), place.region.clone(), String::new());
        let of_place = named.range(first..).take_while(|(key, _)| key.0 == place.account && key.1 == place.region);
        let told = of_place.flat_map(|(key, events)| events.iter().map(move |event| (Some(&key.2), *event)));
        for (name, event) in told.chain(place.done(service, names).map(|event| (None, event))) {
            // What CodePipeline asks for stands in the pipeline's own executions.
            let is_unread = event.request.is_omitted() && event.succeeded() && !event.is_called_by("codepipeline");
            if is_unread && names.contains(&event.name.as_str()) && place.sight.window.contains(event.time) {
                let name = name.map_or("something whose name was left out too", String::as_str);
                let what = format!("called {} for {name} with more than CloudTrail records", event.name);
                verdict.see(Observation::of(event, what));
            }
        }
    }
    for names in [UPDATES, BUILDS, DEPLOYMENTS] {
        place.unheard(names, &mut verdict);
    }
    verdict
}

/// Somebody tried to take evidence away, and was refused. No fault.
pub(super) fn refused(place: &Place<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for (service, names) in [("cloudtrail", STOPS), ("cloudtrail", CHANGES), ("s3", BUCKETS), ("kms", KEYS)] {
        for event in place.calls(service, names) {
            if let Some(code) = &event.error_code {
                verdict.see(Observation::of(event, format!("was refused {} ({code})", event.name)));
            }
        }
        place.unheard(names, &mut verdict);
    }
    verdict
}
