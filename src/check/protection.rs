//! Protections that a change takes away.
//!
//! In: the same resource before and after. Out: what protected it before and does no longer, by name. It exists because a
//! finding says what is wrong, but a reviewer needs to read what the change removes, even where enough is left to pass.

use std::collections::BTreeSet;

use serde_json::Value;

use super::change::Pair;
use super::judge::Looked;
use super::place::place_of;
use crate::facts::{Fact, Facts};
use crate::finding::{Removal, SourcePlace};
use crate::inventory::TypeName;

/// When a fact says that a protection is gone.
enum Lost {
    /// It was true.
    WasTrue,
    /// It was false: the fact names the absence.
    WasFalse,
    /// It was this text.
    Was(&'static str),
    /// It was another text than this, which stands for no protection.
    Became(&'static str),
    /// The set lost elements, and got fewer others for them.
    Elements,
    /// The set of what lacks the protection got elements that the second fact held before.
    Lacking(&'static str),
    /// The set of what lacks the protection got elements.
    LackingAny,
    /// The number got smaller.
    Shrank,
}

/// One kind of protection.
struct Protection {
    type_name: TypeName,
    fact: &'static str,
    lost: Lost,
    /// What it is, `{}` for the element or number.
    what: &'static str,
    /// The property that holds it.
    property: &'static str,
}

const fn protection(
    type_name: TypeName,
    fact: &'static str,
    lost: Lost,
    what: &'static str,
    property: &'static str,
) -> Protection {
    Protection { type_name, fact, lost, what, property }
}

use Lost::{Became, Elements, Lacking, LackingAny, Shrank, Was, WasFalse, WasTrue};

const PIPELINE: TypeName = TypeName::PIPELINE;
const GROUP: TypeName = TypeName::DEPLOYMENT_GROUP;
const BUCKET: TypeName = TypeName::BUCKET;
const PROJECT: TypeName = TypeName::PROJECT;

/// What protects, in the order of importance.
const PROTECTIONS: &[Protection] = &[
    protection(PIPELINE, "manualApprovals", Elements, "approval {}", "Stages"),
    protection(PIPELINE, "unapprovedDeployingActions", Lacking("deployingActions"), "approval before {}", "Stages"),
    protection(PIPELINE, "untestedDeployingActions", Lacking("deployingActions"), "test before {}", "Stages"),
    protection(
        PIPELINE,
        "unscannedProductionActions",
        Lacking("deployingActions"),
        "security scan before {}",
        "Stages",
    ),
    protection(PIPELINE, "productionStagesWithoutRollback", Lacking("stages"), "rollback of stage {}", "Stages"),
    protection(PIPELINE, "productionStagesWithoutAlarmCondition", Lacking("stages"), "alarm of stage {}", "Stages"),
    protection(PIPELINE, "productionStagesWithoutWindow", Lacking("stages"), "deployment window of stage {}", "Stages"),
    protection(PIPELINE, "productionStagesWithoutEntryAlarm", Lacking("stages"), "entry alarm of stage {}", "Stages"),
    protection(PIPELINE, "artifactStoreKey", Was("customer"), "customer key of the artifact store", "ArtifactStore"),
    protection(
        PIPELINE,
        "crossRegionStoresWithoutCustomerKey",
        Lacking("crossRegionStores"),
        "customer key of the artifact store in {}",
        "ArtifactStores",
    ),
    protection(PIPELINE, "executionMode", Became("PARALLEL"), "order of executions", "ExecutionMode"),
    protection(PIPELINE, "failureNotifications", Elements, "failure notification {}", ""),
    protection(PIPELINE, "heldStages", Elements, "hold before stage {}", "DisableInboundStageTransitions"),
    protection(GROUP, "rollbackEnabled", WasTrue, "rollback", "AutoRollbackConfiguration"),
    protection(GROUP, "rollbackEvents", Elements, "rollback on {}", "AutoRollbackConfiguration"),
    protection(GROUP, "alarmsEnabled", WasTrue, "alarms", "AlarmConfiguration"),
    protection(GROUP, "alarmNames", Elements, "alarm {}", "AlarmConfiguration"),
    protection(GROUP, "pollFailureIgnored", WasFalse, "stop when alarms cannot be read", "AlarmConfiguration"),
    protection(GROUP, "greenValidated", WasTrue, "validation of the new fleet", "BlueGreenDeploymentConfiguration"),
    protection(GROUP, "deploymentType", Was("BLUE_GREEN"), "blue/green deployment", "DeploymentStyle"),
    protection(GROUP, "trafficRouting", Became("AllAtOnce"), "gradual shift of traffic", "DeploymentConfigName"),
    protection(GROUP, "minimumHealthyHosts", Shrank, "minimum of {} healthy hosts", "DeploymentConfigName"),
    protection(GROUP, "targetRevision", Was("pinned"), "pinned revision", "Deployment"),
    protection(GROUP, "triggerEvents", Elements, "notification of {}", "TriggerConfigurations"),
    protection(BUCKET, "objectLockEnabled", WasTrue, "Object Lock", "ObjectLockConfiguration"),
    protection(BUCKET, "objectLockMode", Was("COMPLIANCE"), "compliance mode", "ObjectLockConfiguration"),
    protection(BUCKET, "objectLockRetentionDays", Shrank, "retention of {} days", "ObjectLockConfiguration"),
    protection(BUCKET, "versioning", Was("Enabled"), "versioning", "VersioningConfiguration"),
    protection(BUCKET, "mfaDelete", WasTrue, "MFA delete", "VersioningConfiguration"),
    protection(BUCKET, "encryption", Was("customer-key"), "customer key", "BucketEncryption"),
    protection(BUCKET, "encryptionDeclared", WasTrue, "default encryption", "BucketEncryption"),
    protection(BUCKET, "tlsOnly", WasTrue, "refusal of requests without TLS", "PolicyDocument"),
    protection(BUCKET, "encryptionPolicyGaps", LackingAny, "refusal of uploads under {}", "PolicyDocument"),
    protection(BUCKET, "publicAccessGaps", LackingAny, "public access block {}", "PublicAccessBlockConfiguration"),
    protection(BUCKET, "aclsEnabled", WasFalse, "ownership that disables ACLs", "OwnershipControls"),
    protection(BUCKET, "accessLogged", WasTrue, "access log", "LoggingConfiguration"),
    protection(BUCKET, "replicas", Elements, "replica {}", "ReplicationConfiguration"),
    protection(TypeName::KEY, "rotationEnabled", WasTrue, "rotation", "EnableKeyRotation"),
    protection(PROJECT, "privilegedMode", WasFalse, "unprivileged mode", "Environment"),
    protection(PROJECT, "inVpc", WasTrue, "network of its own", "VpcConfig"),
    protection(PROJECT, "logDestinations", Elements, "log in {}", "LogsConfig"),
    protection(PROJECT, "s3LogsEncrypted", WasTrue, "encryption of logs", "LogsConfig"),
    protection(PROJECT, "unencryptedArtifacts", Lacking("s3Artifacts"), "encryption of artifact {}", "Artifacts"),
    protection(PROJECT, "insecureSources", LackingAny, "TLS verification of source {}", "Source"),
    protection(PROJECT, "unanchoredWebhookFilters", LackingAny, "anchor of {}", "Triggers"),
    protection(PROJECT, "pullRequestGroupsWithoutActor", LackingAny, "actor filter of {}", "Triggers"),
    protection(PROJECT, "forkBuildsApproved", WasTrue, "approval of builds from forks", "Triggers"),
    protection(TypeName::IMAGE_REPOSITORY, "tagMutability", Was("IMMUTABLE"), "immutable tags", "ImageTagMutability"),
    protection(TypeName::IMAGE_REPOSITORY, "scannedOnPush", WasTrue, "scan on push", "ImageScanningConfiguration"),
    protection(TypeName::TRAIL, "logFileValidation", WasTrue, "log file validation", "EnableLogFileValidation"),
    protection(TypeName::ALARM, "actionsEnabled", WasTrue, "actions", "ActionsEnabled"),
];

/// Resources that are protections themselves.
const PROTECTING: &[(TypeName, &str)] = &[
    (TypeName::ALARM, "alarm"),
    (TypeName::COMPOSITE_ALARM, "composite alarm"),
    (TypeName::NOTIFICATION_RULE, "notification rule"),
    (TypeName::TRAIL, "trail"),
];

/// Everything that protected before and does not now, sorted and each once.
pub(super) fn removed(pairs: &[Pair<'_>], now: &[Looked], before: &[Looked]) -> Vec<Removal> {
    let mut removed = BTreeSet::new();
    for (new, old) in pairs {
        for one in PROTECTIONS.iter().filter(|one| one.type_name == old.declared.resource.type_name) {
            for said in one.lost(&old.facts, &new.facts) {
                let what = one.what.replace("{}", &said);
                removed.insert(removal(&what, new, one.property));
            }
        }
        for trigger in unrestricted_triggers(old, new) {
            removed.insert(removal(&format!("branch restriction of trigger {trigger}"), new, "Triggers"));
        }
    }
    let kept: BTreeSet<_> = pairs.iter().map(|(_, old)| &old.declared.id).collect();
    // What is only named stands in for something elsewhere: nothing of it is seen.
    let seen = |old: &&Looked| !old.declared.resource.unseen.contains_key("*");
    for old in before.iter().filter(|old| !kept.contains(&old.declared.id)).filter(seen) {
        let kind = PROTECTING.iter().find(|(name, _)| *name == old.declared.resource.type_name);
        if let Some((_, said)) = kind {
            removed.insert(Removal { what: format!("{said} {}", old.name), place: beside(old, now) });
        }
    }
    // An approval that is gone is named once, not again for everything that it stood before.
    let gone: BTreeSet<SourcePlaceOf> = removed
        .iter()
        .filter(|one| one.what.starts_with("approval ") && !one.what.starts_with("approval before "))
        .map(SourcePlaceOf::of)
        .collect();
    removed.retain(|one| !one.what.starts_with("approval before ") || !gone.contains(&SourcePlaceOf::of(one)));
    removed.into_iter().collect()
}

/// What two removals of one resource share.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct SourcePlaceOf(SourcePlace, String);

impl SourcePlaceOf {
    fn of(removal: &Removal) -> Self {
        let resource = removal.what.rsplit_once(" of ").map_or("", |(_, resource)| resource);
        Self(removal.place.clone(), resource.to_owned())
    }
}

fn removal(what: &str, of: &Looked, property: &str) -> Removal {
    let kind = spoken_type(&of.declared.resource.type_name);
    let place = place_of(&of.declared, &format!("/{property}")).unwrap_or_else(|| resource_place(of));
    Removal { what: format!("{what} of {kind} {}", of.name), place }
}

fn resource_place(of: &Looked) -> SourcePlace {
    SourcePlace { file: of.declared.file.clone(), span: of.declared.span }
}

/// Where a resource that is gone was: in its file as it was, unless that file is still judged; then at its top.
fn beside(old: &Looked, now: &[Looked]) -> SourcePlace {
    let still = now.iter().any(|new| new.declared.file == old.declared.file);
    let span = if still { crate::inventory::Span::default() } else { old.declared.span };
    SourcePlace { file: old.declared.file.clone(), span }
}

/// `AWS::CodeDeploy::DeploymentGroup` → `deployment group`
fn spoken_type(name: &TypeName) -> String {
    let last = name.as_str().rsplit("::").next().unwrap_or_default();
    let mut spoken = String::with_capacity(last.len() + 2);
    for (index, character) in last.chars().enumerate() {
        if character.is_ascii_uppercase() && index > 0 {
            spoken.push(' ');
        }
        spoken.push(character.to_ascii_lowercase());
    }
    spoken
}

impl Protection {
    /// What to put in the place of `{}`, once for each protection that is gone.
    fn lost(&self, before: &Facts, now: &Facts) -> Vec<String> {
        let (Some(old), Some(new)) = (before.known.get(self.fact), now.known.get(self.fact)) else {
            return Vec::new();
        };
        let once = |lost: bool| if lost { vec![String::new()] } else { Vec::new() };
        match (&self.lost, old, new) {
            (WasTrue, Fact::Bool(old), Fact::Bool(new)) => once(*old && !*new),
            (WasFalse, Fact::Bool(old), Fact::Bool(new)) => once(!*old && *new),
            (Was(text), Fact::Text(old), Fact::Text(new)) => once(old == text && new != text),
            (Became(text), Fact::Text(old), Fact::Text(new)) => once(!old.is_empty() && old != text && new == text),
            (Elements, Fact::Set(old), Fact::Set(new)) => gone(old, new),
            (Lacking(of), Fact::Set(old), Fact::Set(new)) => {
                let there = there_before(before, of);
                let added = new.difference(old);
                added.filter(|one| there.contains(&named(one))).map(|one| named(one).to_owned()).collect()
            }
            (LackingAny, Fact::Set(old), Fact::Set(new)) => new.difference(old).cloned().collect(),
            (Shrank, Fact::Long(old), Fact::Long(new)) if new < old => vec![old.to_string()],
            _ => Vec::new(),
        }
    }
}

/// `errors (does not exist)` → `errors`
fn named(element: &str) -> &str {
    element.split_once(" (").map_or(element, |(named, _)| named)
}

/// What there was to protect: a set, or the stages of all deploying actions.
fn there_before<'f>(before: &'f Facts, of: &str) -> BTreeSet<&'f str> {
    let fact = if of == "stages" { "deployingActions" } else { of };
    let Some(Fact::Set(items)) = before.known.get(fact) else { return BTreeSet::new() };
    let stage = |item: &'f str| item.split_once('/').map_or(item, |(stage, _)| stage);
    items.iter().map(|item| if of == "stages" { stage(item) } else { named(item) }).collect()
}

/// Elements that are gone: one that only moved or was renamed came back as another one.
fn gone(old: &BTreeSet<String>, new: &BTreeSet<String>) -> Vec<String> {
    let last = |item: &str| item.rsplit('/').next().unwrap_or_default().to_owned();
    let mut added: Vec<&String> = new.difference(old).collect();
    let mut lost: Vec<&String> = old.difference(new).collect();
    lost.retain(|item| {
        let moved = added.iter().position(|other| last(other) == last(item));
        moved.map(|at| added.remove(at)).is_none()
    });
    lost.into_iter().skip(added.len()).cloned().collect()
}

/// Source actions whose pushes started the pipeline on some branches only, and now start it on others too.
fn unrestricted_triggers(old: &Looked, new: &Looked) -> Vec<String> {
    let (before, after) = (branches(old), branches(new));
    let Some(after) = after else { return Vec::new() };
    let lost = before.unwrap_or_default().into_iter().filter_map(|(source, restricted)| {
        let restricted = restricted?;
        let (_, now) = after.iter().find(|(name, _)| *name == source)?;
        let wider = now.as_ref().is_none_or(|now| now.iter().any(|one| !restricted.contains(one) && one.contains('*')));
        wider.then_some(source)
    });
    lost.collect()
}

/// Branches by source action; `None` for all branches.
type Branches = Vec<(String, Option<BTreeSet<String>>)>;

fn branches(of: &Looked) -> Option<Branches> {
    if of.declared.resource.type_name != TypeName::PIPELINE || of.declared.resource.gap_over("Triggers").is_some() {
        return None;
    }
    let triggers = of.declared.resource.properties.get("Triggers").and_then(Value::as_array);
    let found = triggers.into_iter().flatten().filter_map(|trigger| {
        let git = trigger.get("GitConfiguration")?;
        let source = git.get("SourceActionName")?.as_str()?.to_owned();
        let pushes = git.get("Push").and_then(Value::as_array);
        let mut all = BTreeSet::new();
        for push in pushes.into_iter().flatten() {
            let Some(includes) = push.pointer("/Branches/Includes").and_then(Value::as_array) else {
                return Some((source, None));
            };
            all.extend(includes.iter().filter_map(Value::as_str).map(str::to_owned));
        }
        Some((source, (!all.is_empty()).then_some(all)))
    });
    Some(found.collect())
}
