//! How a bucket keeps what lies in it: what its lifecycle deletes, where its copies are, and which encryption its policy
//! insists on.
//!
//! In: a bucket, and the buckets that it is copied to. Out: the facts that follow from its lifecycle, its replication and
//! its policy's statements on encryption.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Facts;
use super::joins::Joins;
use super::policy_document::{PolicyDocument, Statement, one_or_many, strings};
use super::seen::{Found, Seen, at, list_at, number, property, text_at};
use crate::inventory::{Region, Resource};

/// Adds the facts about what becomes of objects. `overwritten`: whether somebody may store under a key that is taken.
pub(super) fn put(facts: &mut Facts, name: &str, resource: &Resource, joins: &Joins, overwritten: &Seen<bool>) {
    facts.know("derivableName", is_derivable(name, resource));
    put_deletions(facts, resource, overwritten);
    facts.put("replicas", replicas(resource, joins).decided());
    let document = property(resource, "PolicyDocument");
    facts.put("encryptionPolicyGaps", document.map(|document| policy_gaps(document, name, resource)));
}

fn put_deletions(facts: &mut Facts, resource: &Resource, overwritten: &Seen<bool>) {
    let versioning = property(resource, "VersioningConfiguration");
    // Where it was ever on, versions of that time are still there.
    let versioned = versioning.map(|versioning| !text_at(versioning, &["Status"]).is_empty());
    match deletions(resource) {
        Ok(deletions) => {
            facts.put("deletingRules", deletions.sentences(&versioned, overwritten));
            facts.put("growthBounded", either(&versioned, |versioned| Ok(deletions.bound_growth(versioned))));
            let artifacts = |overwritten: bool| Ok(deletions.shortest(overwritten));
            let days = either(
                &versioned,
                |versioned| {
                    if versioned { either(overwritten, artifacts) } else { artifacts(false) }
                },
            );
            facts.put("shortestExpirationDays", days);
        }
        Err(sentences) => {
            facts.put::<BTreeSet<String>>("deletingRules", Err(sentences.clone()));
            facts.put::<bool>("growthBounded", Err(sentences.clone()));
            facts.put::<i64>("shortestExpirationDays", Err(sentences));
        }
    }
}

/// The answer where it is known whether `seen` holds, or where it is the same either way.
fn either<T: PartialEq>(seen: &Seen<bool>, answer: impl Fn(bool) -> Seen<T>) -> Seen<T> {
    match seen {
        Ok(holds) => answer(*holds),
        Err(sentences) => {
            let (with, without) = (answer(true)?, answer(false)?);
            if with == without { Ok(with) } else { Err(sentences.clone()) }
        }
    }
}

/// Where the bucket is; the account that merely names it does not say.
pub(super) fn region(resource: &Resource) -> Seen<Region> {
    match resource.gap_over("Region") {
        Some(gap) => Err(vec![gap.sentence()]),
        None => Ok(resource.region.clone()),
    }
}

/// Beginnings of the bucket names that tools derive from an account and a Region, so that anyone can say them ahead.
const DERIVED: &[&str] =
    &["cdk-hnb659fds-assets", "aws-glue-assets", "elasticbeanstalk", "sagemaker", "aws-emr-studio"];

fn is_derivable(name: &str, resource: &Resource) -> bool {
    let own = [resource.account.as_str(), resource.region.as_str()];
    DERIVED.iter().filter_map(|beginning| name.strip_prefix(beginning)).any(|rest| {
        let mut rest = rest.to_owned();
        for part in own {
            rest = rest.replacen(part, "", 1);
        }
        rest.chars().all(|character| character == '-')
    })
}

/// What a rule takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// What lies under a key now; in a bucket with versions, a delete marker hides it and it becomes an old version.
    Objects,
    OldVersions,
}

/// What one enabled rule deletes or hides.
#[derive(Debug)]
struct Deletion {
    sentence: String,
    taken: Taken,
    days: i64,
    /// Whether it leaves none of them.
    takes_all: bool,
}

/// What all rules delete or hide, by <https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html>.
#[derive(Debug, Default)]
struct Deletions(Vec<Deletion>);

impl Deletions {
    fn of(&self, taken: Taken) -> impl Iterator<Item = &Deletion> {
        self.0.iter().filter(move |deletion| deletion.taken == taken)
    }

    /// Old versions come from other versions under their key, or from objects that expire.
    fn sentences(&self, versioned: &Seen<bool>, overwritten: &Seen<bool>) -> Seen<BTreeSet<String>> {
        let expires = self.of(Taken::Objects).next().is_some();
        let becomes_old = if expires { Ok(true) } else { overwritten.clone() };
        // One that does not hold decides, whatever the other is.
        let lacking =
            super::deploying::any([versioned.clone(), becomes_old].map(|holds| holds.map(|holds| !holds)).into_iter());
        let has_old = lacking.map(|lacking| !lacking);
        let mut found = Found::default();
        for deletion in &self.0 {
            match deletion.taken {
                Taken::Objects => found.add(&deletion.sentence),
                Taken::OldVersions => found.add_if(&deletion.sentence, &has_old),
            }
        }
        found.decided()
    }

    /// An artifact has a key of its own, so it becomes an old version only by expiring, and goes only as an old version:
    /// with versions, it takes both.
    fn bound_growth(&self, versioned: bool) -> bool {
        let takes_all = |taken| self.of(taken).any(|deletion| deletion.takes_all);
        takes_all(Taken::Objects) && (!versioned || takes_all(Taken::OldVersions))
    }

    /// After how many days an artifact may be out of reach; 0 where nothing takes any. A delete marker counts: who
    /// asks for the key gets nothing. The days of old versions begin only then; they count by themselves only where
    /// artifacts are overwritten.
    fn shortest(&self, overwritten: bool) -> i64 {
        let old = self.of(Taken::OldVersions).filter(|_| overwritten);
        self.of(Taken::Objects).chain(old).map(|deletion| deletion.days).min().unwrap_or(0)
    }
}

fn deletions(resource: &Resource) -> Seen<Deletions> {
    let rules = list_at(property(resource, "LifecycleConfiguration")?, &["Rules"]).iter();
    let mut found = Deletions::default();
    for rule in rules.filter(|rule| text_at(Some(rule), &["Status"]) == "Enabled") {
        let name = text_at(Some(rule), &["Id"]);
        let restricted = is_restricted(rule);
        let part = if restricted { " in a part of the bucket" } else { "" };
        let mut add = |taken: Taken, days: i64, keeps_some: bool| {
            let what = if taken == Taken::Objects { "objects" } else { "old versions" };
            let sentence = format!("{name} ({what} after {days} days{part})");
            found.0.push(Deletion { sentence, taken, days, takes_all: !(restricted || keeps_some) });
        };
        if let Some(days) = at(Some(rule), &["ExpirationInDays"]).and_then(number) {
            add(Taken::Objects, days, false);
        }
        // On its day such a rule takes objects of any age.
        if at(Some(rule), &["ExpirationDate"]).is_some() {
            add(Taken::Objects, 0, false);
        }
        let old = at(Some(rule), &["NoncurrentVersionExpiration"]);
        if let Some(days) = at(old, &["NoncurrentDays"]).and_then(number) {
            // The only old version of an artifact is among the newest that such a rule keeps.
            let keeps_some = at(old, &["NewerNoncurrentVersions"]).and_then(number).is_some_and(|kept| kept > 0);
            add(Taken::OldVersions, days, keeps_some);
        }
    }
    Ok(found)
}

/// Whether a rule speaks of some objects only.
fn is_restricted(rule: &Value) -> bool {
    let rule = Some(rule);
    !text_at(rule, &["Prefix"]).is_empty()
        || !list_at(rule, &["TagFilters"]).is_empty()
        || at(rule, &["ObjectSizeGreaterThan"]).is_some()
        || at(rule, &["ObjectSizeLessThan"]).is_some()
}

/// The buckets in other Regions that get a copy of every object, each with its Region.
fn replicas(resource: &Resource, joins: &Joins) -> Found {
    let mut found = Found::default();
    let rules = match property(resource, "ReplicationConfiguration") {
        Ok(configuration) => list_at(configuration, &["Rules"]),
        Err(sentences) => {
            found.doubt(&sentences);
            return found;
        }
    };
    for rule in rules.iter().filter(|rule| text_at(Some(rule), &["Status"]) == "Enabled") {
        let filter = at(Some(rule), &["Filter"]);
        if is_restricted(rule) || filter.is_some_and(is_restricted) {
            continue;
        }
        let destination = super::project::bucket_name(text_at(Some(rule), &["Destination", "Bucket"]));
        let copied = [copies_encrypted(rule, resource), is_elsewhere(destination, resource, joins)];
        // One that does not hold decides, whatever the other is.
        let lacking = super::deploying::any(copied.into_iter().map(|holds| holds.map(|holds| !holds)));
        let region = joins.buckets.get(destination).and_then(|entry| entry.region.as_ref().ok());
        let place = region.map_or("", Region::as_str);
        found.add_if(format!("{destination} ({place})"), &lacking.map(|lacking| !lacking));
    }
    found
}

fn is_elsewhere(destination: &str, resource: &Resource, joins: &Joins) -> Seen<bool> {
    let own = region(resource)?;
    match joins.buckets.get(destination) {
        Some(entry) => Ok(entry.region.clone()? != own),
        None => Err(vec![format!("bucket {destination} was not looked at")]),
    }
}

/// Objects under a key of KMS are left out of the copies unless the rule says otherwise.
fn copies_encrypted(rule: &Value, resource: &Resource) -> Seen<bool> {
    if text_at(Some(rule), &["SourceSelectionCriteria", "SseKmsEncryptedObjects", "Status"]) == "Enabled" {
        return Ok(true);
    }
    let rules = list_at(property(resource, "BucketEncryption")?, &["ServerSideEncryptionConfiguration"]);
    let algorithm = text_at(rules.first(), &["ServerSideEncryptionByDefault", "SSEAlgorithm"]);
    Ok(!algorithm.starts_with("aws:kms"))
}

const ALGORITHM: &str = "s3:x-amz-server-side-encryption";
const KEY_ID: &str = "s3:x-amz-server-side-encryption-aws-kms-key-id";

/// Which uploads the policy lets pass although they name another encryption than the bucket's: with a key of the
/// uploader's choice, or without a key of KMS. What an upload does not name, the bucket's default decides.
fn policy_gaps(document: Option<&Value>, name: &str, resource: &Resource) -> BTreeSet<String> {
    let (mut keys, mut algorithms) = (false, false);
    let document = document.map(PolicyDocument::new);
    let partition = resource.uid.as_str().split(':').nth(1).filter(|_| resource.uid.as_str().starts_with("arn:"));
    let objects = format!("arn:{}:s3:::{name}/*", partition.unwrap_or("aws"));
    for statement in document.iter().flat_map(PolicyDocument::statements) {
        let of_uploads = statement.covers_action("s3:PutObject") && statement.covers_resource(&objects);
        if !(statement.denies() && statement.is_for_everyone() && of_uploads) {
            continue;
        }
        match demand(statement) {
            Some(Demand::Key { even_unnamed }) => {
                keys = true;
                // Where no key is named, the request is denied too, and so is every other algorithm.
                algorithms |= even_unnamed;
            }
            Some(Demand::Algorithm) => algorithms = true,
            None => {}
        }
    }
    let gaps = [("another key", keys), ("without a key of KMS", algorithms)];
    gaps.into_iter().filter(|(_, closed)| !closed).map(|(gap, _)| gap.to_owned()).collect()
}

/// What a statement that denies uploads insists on.
enum Demand {
    Key { even_unnamed: bool },
    Algorithm,
}

fn demand(statement: Statement<'_>) -> Option<Demand> {
    let mut demand = None;
    let mut only_named = None;
    for (operator, key, value) in statement.conditions() {
        let key = key.to_ascii_lowercase();
        if operator == "Null" {
            // Together with another condition: only where the header is there. Alone it demands that there be one.
            let absent = one_or_many(Some(value)).iter().all(|value| *value == "true" || *value == true);
            // A second one narrows it further, in a way that is not judged here.
            if only_named.replace((key, absent)).is_some() {
                return None;
            }
            continue;
        }
        // A negated operator holds where the key is missing, with and without `IfExists`:
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
        let named = operator.trim_end_matches("IfExists");
        let values: Vec<&str> = strings(Some(value)).collect();
        let fits = match (named, key.as_str()) {
            ("StringNotEquals" | "StringNotEqualsIgnoreCase", ALGORITHM) => {
                let kms = !values.is_empty() && values.iter().all(|value| value.starts_with("aws:kms"));
                kms.then_some(Demand::Algorithm)
            }
            ("StringNotEquals" | "StringNotLike" | "ArnNotEquals" | "ArnNotLike", KEY_ID) => {
                let exact = !values.is_empty() && values.iter().all(|value| !value.is_empty() && !value.contains('*'));
                exact.then_some(Demand::Key { even_unnamed: true })
            }
            _ => None,
        };
        // A second condition narrows what is denied in a way that is not judged here.
        if fits.is_none() || demand.is_some() {
            return None;
        }
        demand = fits;
    }
    match (demand, only_named) {
        (None, Some((key, true))) if key == KEY_ID => Some(Demand::Algorithm),
        (Some(Demand::Key { .. }), Some((key, false))) if key == KEY_ID => Some(Demand::Key { even_unnamed: false }),
        (Some(Demand::Algorithm), Some((key, false))) if key == ALGORITHM => Some(Demand::Algorithm),
        (demand, None) => demand,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{denied, joins, resource};
    use super::super::{Bucket, Fact, ResourceKind};
    use super::*;
    use crate::inventory::TypeName;

    fn bucket(name: &str, properties: Value) -> Resource {
        let mut bucket = resource(TypeName::BUCKET, name, properties);
        bucket.properties.insert("BucketName".to_owned(), json!(name));
        bucket
    }

    fn facts(properties: Value) -> Facts {
        Bucket.facts(&bucket("artifacts", properties), &joins(&[], &[]))
    }

    fn set(fact: &Fact) -> Vec<String> {
        match fact {
            Fact::Set(set) => set.iter().cloned().collect(),
            other => panic!("{other:?}"),
        }
    }

    fn rule(extra: &Value) -> Value {
        let mut rule = json!({"Id": "r", "Status": "Enabled"});
        rule.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        rule
    }

    /// A bucket with these rules, and another writer than pipelines if `written`.
    fn kept(versioning: Option<&str>, written: bool, rules: &[Value]) -> Facts {
        let mut properties = json!({"LifecycleConfiguration": {"Rules": rules}});
        if let Some(status) = versioning {
            properties["VersioningConfiguration"] = json!({"Status": status});
        }
        let artifacts = json!({"Name": "build", "Artifacts": {"Type": "S3", "Location": "artifacts"}});
        let project = resource(TypeName::PROJECT, "build", artifacts);
        let users = if written { vec![project] } else { Vec::new() };
        let mut bucket = bucket("artifacts", properties);
        if versioning == Some("unseen") {
            bucket.unseen.insert("VersioningConfiguration".to_owned(), denied("s3:GetBucketVersioning"));
        }
        Bucket.facts(&bucket, &joins(&users, &[]))
    }

    #[test]
    fn what_a_lifecycle_deletes() {
        let lifecycle = |versioning: Option<&str>, written: bool, rules: &[Value]| {
            let known = kept(versioning, written, rules).known;
            (set(&known["deletingRules"]), known["growthBounded"].clone(), known["shortestExpirationDays"].clone())
        };
        let nothing = (Vec::<String>::new(), Fact::Bool(false), Fact::Long(0));
        let found = |sentences: &[&str], bounded: bool, days: i64| {
            let sentences: Vec<String> = sentences.iter().map(|sentence| (*sentence).to_owned()).collect();
            (sentences, Fact::Bool(bounded), Fact::Long(days))
        };
        let (objects_90, old_1) = ("r (objects after 90 days)", "r (old versions after 1 days)");
        let objects = rule(&json!({"ExpirationInDays": 90}));
        let old = rule(&json!({"NoncurrentVersionExpiration": {"NoncurrentDays": 1}}));
        let both = rule(&json!({"ExpirationInDays": 90, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}));
        for on in ["Enabled", "Suspended"] {
            let on = Some(on);
            assert_eq!(lifecycle(on, false, &[]), nothing);
            assert_eq!(lifecycle(on, false, std::slice::from_ref(&old)), nothing);
            assert_eq!(lifecycle(on, true, std::slice::from_ref(&old)), found(&[old_1], false, 1));
            assert_eq!(lifecycle(on, false, std::slice::from_ref(&objects)), found(&[objects_90], false, 90));
            assert_eq!(lifecycle(on, false, std::slice::from_ref(&both)), found(&[objects_90, old_1], true, 90));
            assert_eq!(lifecycle(on, false, &[objects.clone(), old.clone()]), found(&[objects_90, old_1], true, 90));
            assert_eq!(lifecycle(on, true, std::slice::from_ref(&both)), found(&[objects_90, old_1], true, 1));
        }
        assert_eq!(lifecycle(None, true, std::slice::from_ref(&old)), nothing);
        assert_eq!(lifecycle(None, true, std::slice::from_ref(&objects)), found(&[objects_90], true, 90));
        assert_eq!(lifecycle(None, true, std::slice::from_ref(&both)), found(&[objects_90], true, 90));
        let on = Some("Enabled");
        let part = rule(&json!({"Prefix": "tmp/", "ExpirationInDays": 7}));
        let sentence = "r (objects after 7 days in a part of the bucket)";
        assert_eq!(lifecycle(None, false, std::slice::from_ref(&part)), found(&[sentence], false, 7));
        assert_eq!(lifecycle(on, false, &[part.clone(), old.clone()]).1, Fact::Bool(false));
        assert_eq!(lifecycle(on, false, &[part, both.clone()]).1, Fact::Bool(true));
        let newest = json!({"NoncurrentDays": 1, "NewerNoncurrentVersions": 3});
        let newest = rule(&json!({"ExpirationInDays": 90, "NoncurrentVersionExpiration": newest}));
        assert_eq!(lifecycle(on, false, &[newest]).1, Fact::Bool(false));
        let on_a_day = rule(&json!({"ExpirationDate": "2027-01-01T00:00:00Z"}));
        assert_eq!(lifecycle(None, false, &[on_a_day]).2, Fact::Long(0));
        assert_eq!(lifecycle(None, false, &[rule(&json!({"ExpiredObjectDeleteMarker": true}))]), nothing);
        let disabled = json!({"Id": "r", "Status": "Disabled", "ExpirationInDays": 7});
        assert_eq!(lifecycle(None, false, &[disabled]), nothing);
    }

    #[test]
    fn what_versions_would_change_is_unknown_without_them() {
        let unknown = |written: bool, rule: Value| {
            let facts = kept(Some("unseen"), written, &[rule]);
            let names = ["deletingRules", "growthBounded", "shortestExpirationDays"];
            names.into_iter().filter(|name| facts.unknown.contains_key(*name)).collect::<Vec<_>>()
        };
        let objects = rule(&json!({"ExpirationInDays": 90}));
        let old = rule(&json!({"NoncurrentVersionExpiration": {"NoncurrentDays": 1}}));
        let both = rule(&json!({"ExpirationInDays": 90, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}));
        assert_eq!(unknown(false, objects), ["growthBounded"]);
        assert_eq!(unknown(false, both.clone()), Vec::<&str>::new());
        assert_eq!(unknown(true, both), ["shortestExpirationDays"]);
        assert_eq!(unknown(false, old.clone()), Vec::<&str>::new());
        assert_eq!(unknown(true, old), ["deletingRules", "shortestExpirationDays"]);
    }

    #[test]
    fn a_replica_is_whole_and_elsewhere() {
        let replicas = |rule: Value, encrypted: bool, copies: Option<&str>| {
            let mut own = json!({"ReplicationConfiguration": {"Rules": [rule]}});
            if encrypted {
                own["BucketEncryption"] = json!({"ServerSideEncryptionConfiguration": [
                    {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}},
                ]});
            }
            let copies =
                copies.map(|region| Resource { region: region.parse().unwrap(), ..bucket("copies", json!({})) });
            let facts = Bucket.facts(&bucket("artifacts", own), &joins(&copies.into_iter().collect::<Vec<_>>(), &[]));
            match facts.known.get("replicas") {
                Some(fact) => Ok(set(fact)),
                None => Err(facts.unknown["replicas"].join("")),
            }
        };
        let rule = json!({"Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::copies"}});
        let there = Ok(vec!["copies (us-east-1)".to_owned()]);
        assert_eq!(replicas(rule.clone(), false, Some("us-east-1")), there);
        assert_eq!(replicas(rule.clone(), false, Some("eu-west-1")), Ok(vec![]));
        assert_eq!(replicas(rule.clone(), false, None), Err("bucket copies was not looked at".to_owned()));
        assert_eq!(replicas(rule.clone(), true, Some("us-east-1")), Ok(vec![]));
        assert_eq!(replicas(rule.clone(), true, None), Ok(vec![]));
        let mut with_keys = rule.clone();
        with_keys["SourceSelectionCriteria"] = json!({"SseKmsEncryptedObjects": {"Status": "Enabled"}});
        assert_eq!(replicas(with_keys, true, Some("us-east-1")), there);
        let mut part = rule.clone();
        part["Filter"] = json!({"Prefix": "web/"});
        assert_eq!(replicas(part, false, Some("us-east-1")), Ok(vec![]));
        let mut off = rule;
        off["Status"] = json!("Disabled");
        assert_eq!(replicas(off, false, Some("us-east-1")), Ok(vec![]));
    }

    #[test]
    fn uploads_under_other_encryption_are_denied() {
        let key = "arn:aws:kms:eu-west-1:111111111111:key/k";
        let gaps = |conditions: &[Value], extra: Value| {
            let statements: Vec<Value> = conditions
                .iter()
                .map(|condition| {
                    let mut statement = json!({"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
                        "Resource": "arn:aws:s3:::artifacts/*", "Condition": condition});
                    statement.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
                    statement
                })
                .collect();
            set(&facts(json!({"PolicyDocument": {"Statement": statements}})).known["encryptionPolicyGaps"])
        };
        let nothing = json!({});
        let own_key = json!({"StringNotEquals": {KEY_ID: key}});
        let own_key_if_any = json!({"StringNotEqualsIfExists": {KEY_ID: key}});
        let own_key_if_named = json!({"StringNotEquals": {KEY_ID: key}, "Null": {KEY_ID: "false"}});
        let kms_if_named = json!({"StringNotEquals": {ALGORITHM: "aws:kms"}, "Null": {ALGORITHM: "false"}});
        assert_eq!(gaps(std::slice::from_ref(&own_key), nothing.clone()), Vec::<String>::new());
        assert_eq!(gaps(&[own_key_if_any], nothing.clone()), Vec::<String>::new());
        assert_eq!(gaps(std::slice::from_ref(&own_key_if_named), nothing.clone()), ["without a key of KMS"]);
        assert_eq!(gaps(&[own_key_if_named, kms_if_named.clone()], nothing.clone()), Vec::<String>::new());
        assert_eq!(gaps(&[kms_if_named], nothing.clone()), ["another key"]);
        assert_eq!(gaps(&[json!({"Null": {ALGORITHM: "true"}})], nothing.clone()).len(), 2);
        assert_eq!(gaps(&[json!({"Null": {KEY_ID: "true"}})], nothing.clone()), ["another key"]);
        assert_eq!(gaps(&[json!({"StringNotLike": {KEY_ID: "*"}})], nothing.clone()).len(), 2);
        assert_eq!(gaps(&[json!({"StringNotEquals": {ALGORITHM: "AES256"}})], nothing).len(), 2);
        for narrowed in [
            json!({"Principal": {"AWS": "arn:aws:iam::111111111111:role/x"}}),
            json!({"Resource": "arn:aws:s3:::artifacts/web/*"}),
            json!({"Action": "s3:GetObject"}),
            json!({"Effect": "Allow"}),
        ] {
            assert_eq!(gaps(std::slice::from_ref(&own_key), narrowed.clone()).len(), 2, "{narrowed}");
        }
        let two = json!({"StringNotEquals": {KEY_ID: key, "aws:PrincipalArn": "arn:aws:iam::111111111111:role/x"}});
        assert_eq!(gaps(&[two], json!({})).len(), 2);
        assert_eq!(set(&facts(json!({})).known["encryptionPolicyGaps"]).len(), 2);
    }

    #[test]
    fn names_that_anyone_can_say_ahead() {
        let derivable = |name: &str| {
            let known = Bucket.facts(&bucket(name, json!({})), &joins(&[], &[])).known;
            known["derivableName"] == Fact::Bool(true)
        };
        assert!(derivable("cdk-hnb659fds-assets-111111111111-eu-west-1"));
        assert!(derivable("elasticbeanstalk-eu-west-1-111111111111"));
        assert!(!derivable("cdk-x7k2-assets-111111111111-eu-west-1"));
        assert!(!derivable("sagemaker-eu-west-1-111111111111-3f9a"));
        assert!(!derivable("artifacts"));
    }
}
