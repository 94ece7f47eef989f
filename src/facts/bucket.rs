//! `AWS::S3::Bucket`: where artifacts and logs lie.
//!
//! In: a bucket's settings and policy, and everything that names the bucket. Out: its facts, and what trails need to
//! know of the bucket that they write to.

use std::collections::BTreeSet;

use serde_json::Value;

use super::joins::Joins;
use super::let_in::LetIn;
use super::policy_document::{PolicyDocument, Statement};
use super::production::Environment;
use super::seen::{Found, Seen, at, flag, list_at, name, number, property, tags, text_at};
use super::{Facts, ResourceKind};
use crate::inventory::{AccountId, Region, Resource, TypeName};

/// Buckets named by pipelines, projects, deployment groups or trails.
pub struct Bucket;

/// Something that names a bucket.
#[derive(Debug)]
pub(super) struct BucketUser {
    /// `123456789012/web`
    pub(super) label: String,
    /// For a pipeline: whether it deploys to production.
    pub(super) production: Option<Seen<bool>>,
}

/// What trails need to know of their bucket.
#[derive(Debug)]
pub(super) struct BucketEntry {
    pub(super) weaknesses: Found,
    /// Whether earlier versions of objects stay.
    pub(super) versioned: Seen<bool>,
    pub(super) region: Seen<Region>,
}

/// The four switches that keep a bucket from the public.
const PUBLIC_ACCESS_BLOCKS: [&str; 4] =
    ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"];

/// Actions that put, replace or remove objects, or decide who may.
const WRITES: &[&str] = &[
    "s3:PutObject",
    "s3:PutObjectAcl",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:ReplicateObject",
    "s3:PutBucketPolicy",
    "s3:PutBucketVersioning",
    "s3:PutLifecycleConfiguration",
];

impl ResourceKind for Bucket {
    fn type_name(&self) -> TypeName {
        TypeName::BUCKET
    }

    fn action(&self) -> &'static str {
        "StoreArtifact"
    }

    fn index(&self, resource: &Resource, joins: &mut Joins) {
        let mut weaknesses = Found::default();
        weaknesses.add_if("public access", &public_access_gaps(resource).map(|gaps| !gaps.is_empty()));
        weaknesses.add_if("versioning", &versioning(resource).map(|status| status != "Enabled"));
        weaknesses.add_if("object lock retention", &lock(resource).map(|lock| lock.mode == "NONE" || lock.days == 0));
        let name = name(resource, "BucketName").to_owned();
        let clearer =
            joins.buckets.get(&name).is_none_or(|known| known.weaknesses.doubts.len() > weaknesses.doubts.len());
        if clearer {
            let versioned = versioning(resource).map(|status| status == "Enabled");
            let region = super::bucket_upkeep::region(resource);
            joins.buckets.insert(name, BucketEntry { weaknesses, versioned, region });
        }
    }

    fn facts(&self, resource: &Resource, joins: &Joins) -> Facts {
        let name = name(resource, "BucketName");
        let mut facts = Facts::default();
        facts.know("name", name);
        facts.put_tags(resource);
        let overwritten = put_use(&mut facts, name, resource, joins);
        let lock = lock(resource);
        facts.put("objectLockEnabled", lock.as_ref().map(|lock| lock.enabled).map_err(Clone::clone));
        facts.put("objectLockMode", lock.as_ref().map(|lock| lock.mode).map_err(Clone::clone));
        facts.put("objectLockRetentionDays", lock.map(|lock| lock.days));
        facts.put("versioning", versioning(resource));
        facts.put("mfaDelete", mfa_delete(resource));
        let rule = encryption_rule(resource);
        facts.put("encryptionDeclared", rule.as_ref().map(Option::is_some).map_err(Clone::clone));
        facts.put("bucketKeyEnabled", rule.clone().map(bucket_key_enabled));
        facts.put("encryption", rule.and_then(|rule| encryption(rule, resource, joins)));
        facts.put("publicAccessGaps", public_access_gaps(resource));
        facts.put("aclsEnabled", acls_enabled(resource));
        facts.put("accessLogged", access_logged(resource));
        facts.put("dataEventsRecorded", data_events_recorded(name, resource, joins));
        super::bucket_upkeep::put(&mut facts, name, resource, joins, &overwritten);
        match property(resource, "PolicyDocument") {
            Ok(document) => {
                let document = document.map(PolicyDocument::new);
                facts.know("tlsOnly", document.as_ref().is_some_and(|document| tls_only(document, name, resource)));
                let writers = document.map_or_else(Found::default, |d| unknown_writers(&d, resource, joins));
                facts.put("unknownWriters", writers.decided());
            }
            Err(sentences) => {
                facts.put::<bool>("tlsOnly", Err(sentences.clone()));
                facts.put::<bool>("unknownWriters", Err(sentences));
            }
        }
        facts
    }
}

/// Who uses the bucket, and whether that makes it production. Answers whether anything but pipelines does: these never
/// store two artifacts under one key, others may.
fn put_use(facts: &mut Facts, name: &str, resource: &Resource, joins: &Joins) -> Seen<bool> {
    let users = joins.bucket_users.get(name).map_or(&[][..], Vec::as_slice);
    let mut used_by = Found::default();
    let mut production_use = Found::default();
    let mut other_use = Found::default();
    let mut others = Found::default();
    for user in users {
        used_by.add(&user.label);
        if let Some(production) = &user.production {
            production_use.add_if(&user.label, production);
            other_use.add_if(&user.label, &production.clone().map(|production| !production));
        } else {
            others.add(&user.label);
        }
    }
    // Beside the bucket, and in accounts that its policy lets in: a gap anywhere would leave every bucket in doubt.
    let home = &resource.account;
    let let_in = LetIn::of(&property(resource, "PolicyDocument"), &["s3:PutObject", "s3:GetObject"]);
    let why_stores = |account: &AccountId| {
        let mut why = joins.hidden_in(account, &[TypeName::PIPELINE, TypeName::PROJECT, TypeName::DEPLOYMENT_GROUP]);
        why.extend(joins.hidden_stores.get(account).into_iter().flatten().cloned());
        why
    };
    let why_releases = |account: &AccountId| joins.hidden_pipelines(account);
    let mut stores = why_stores(home);
    stores.extend(joins.hidden_abroad(home, &let_in, why_stores));
    used_by.doubt(&stores);
    others.doubt(&stores);
    let mut releases = why_releases(home);
    releases.extend(joins.hidden_abroad(home, &let_in, why_releases));
    production_use.doubt(&releases);
    other_use.doubt(&releases);
    facts.put("artifactBucket", used_by.clone().decided().map(|users| !users.is_empty()));
    facts.put("usedBy", used_by.clone().decided());

    let environment = environment(name, resource, joins);
    let (production, why) = match (environment, production_use.decided()) {
        (_, Ok(by)) if !by.is_empty() => {
            let by: Vec<String> = by.into_iter().collect();
            (Ok(true), Ok(format!("production pipeline {}", by.join(", "))))
        }
        (Ok(Environment::Production(why)), _) => (Ok(true), Ok(why)),
        (Ok(other), Ok(_)) => (Ok(false), Ok(other.into_words())),
        (environment, use_of_it) => {
            let doubts: Vec<String> =
                environment.err().into_iter().flatten().chain(use_of_it.err().into_iter().flatten()).collect();
            (Err(doubts.clone()), Err(doubts))
        }
    };
    let shared = match &production {
        Ok(true) => other_use.decided(),
        Ok(false) => Ok(BTreeSet::new()),
        Err(sentences) => Err(sentences.clone()),
    };
    facts.put("production", production);
    facts.put("productionClassification", why);
    facts.put("sharedWithNonProduction", shared);
    others.decided().map(|others| !others.is_empty())
}

/// What the bucket's own account, tags and name say.
fn environment(name: &str, resource: &Resource, joins: &Joins) -> Seen<Environment> {
    let rules = &joins.classifier;
    let mut doubts = Vec::new();
    let account = joins.environment_of(&resource.account).unwrap_or_else(|sentences| {
        doubts.extend(sentences);
        Environment::Undecided
    });
    let tagged = match tags(resource) {
        Ok(tags) => rules.by_tags(tags, "bucket"),
        Err(sentences) => {
            doubts.extend(sentences);
            Environment::Undecided
        }
    };
    let answer = account.or_else(|| tagged).or_else(|| rules.by_name("bucket name", name));
    if answer == Environment::Undecided && !doubts.is_empty() { Err(doubts) } else { Ok(answer) }
}

#[derive(Debug)]
struct Lock {
    enabled: bool,
    mode: &'static str,
    days: i64,
}

/// Object Lock protects new objects by itself only with a default retention.
fn lock(resource: &Resource) -> Seen<Lock> {
    let configuration = property(resource, "ObjectLockConfiguration")?;
    let enabled = text_at(configuration, &["ObjectLockEnabled"]) == "Enabled"
        || property(resource, "ObjectLockEnabled")?.and_then(flag).unwrap_or(false);
    let retention = at(configuration, &["Rule", "DefaultRetention"]).filter(|_| enabled);
    let mode = match text_at(retention, &["Mode"]) {
        "COMPLIANCE" => "COMPLIANCE",
        "GOVERNANCE" => "GOVERNANCE",
        _ => "NONE",
    };
    let years = at(retention, &["Years"]).and_then(number).map(|years| years.saturating_mul(365));
    let days = at(retention, &["Days"]).and_then(number).or(years).unwrap_or(0);
    Ok(Lock { enabled, mode, days })
}

fn versioning(resource: &Resource) -> Seen<&'static str> {
    Ok(match text_at(property(resource, "VersioningConfiguration")?, &["Status"]) {
        "Enabled" => "Enabled",
        "Suspended" => "Suspended",
        _ => "Off",
    })
}

fn mfa_delete(resource: &Resource) -> Seen<bool> {
    let state = text_at(property(resource, "VersioningConfiguration")?, &["MFADelete"]);
    Ok(state.eq_ignore_ascii_case("enabled"))
}

fn encryption_rule(resource: &Resource) -> Seen<Option<&Value>> {
    Ok(list_at(property(resource, "BucketEncryption")?, &["ServerSideEncryptionConfiguration"]).first())
}

fn bucket_key_enabled(rule: Option<&Value>) -> bool {
    at(rule, &["BucketKeyEnabled"]).and_then(flag).unwrap_or(false)
}

/// With which keys; S3 encrypts with its own where nothing is declared.
fn encryption(rule: Option<&Value>, resource: &Resource, joins: &Joins) -> Seen<&'static str> {
    let algorithm = text_at(rule, &["ServerSideEncryptionByDefault", "SSEAlgorithm"]);
    if !algorithm.starts_with("aws:kms") {
        return Ok("sse-s3");
    }
    let key = text_at(rule, &["ServerSideEncryptionByDefault", "KMSMasterKeyID"]);
    if key.is_empty() {
        return Ok("aws-managed-key");
    }
    let manager = joins.key_manager(key, &resource.account, &resource.region)?;
    Ok(if manager == "CUSTOMER" { "customer-key" } else { "aws-managed-key" })
}

fn public_access_gaps(resource: &Resource) -> Seen<BTreeSet<String>> {
    let blocks = property(resource, "PublicAccessBlockConfiguration")?;
    let open = |block: &&str| !at(blocks, &[block]).and_then(flag).unwrap_or(false);
    Ok(PUBLIC_ACCESS_BLOCKS.iter().copied().filter(open).map(str::to_owned).collect())
}

fn acls_enabled(resource: &Resource) -> Seen<bool> {
    let rules = list_at(property(resource, "OwnershipControls")?, &["Rules"]);
    Ok(!rules.iter().any(|rule| text_at(Some(rule), &["ObjectOwnership"]) == "BucketOwnerEnforced"))
}

fn access_logged(resource: &Resource) -> Seen<bool> {
    Ok(!text_at(property(resource, "LoggingConfiguration")?, &["DestinationBucketName"]).is_empty())
}

fn data_events_recorded(name: &str, resource: &Resource, joins: &Joins) -> Seen<bool> {
    let (trails, doubts) = joins.trails_of(&resource.account);
    let mut found = Found { doubts, ..Found::default() };
    for (arn, trail) in trails {
        found.add_if(arn, &trail.records(name, &resource.region, joins));
    }
    found.decided().map(|trails| !trails.is_empty())
}

/// Whether every request without TLS is denied, to the bucket and to its objects, for everyone.
fn tls_only(document: &PolicyDocument<'_>, name: &str, resource: &Resource) -> bool {
    let partition = resource.uid.as_str().split(':').nth(1).filter(|_| resource.uid.as_str().starts_with("arn:"));
    let arn = format!("arn:{}:s3:::{name}", partition.unwrap_or("aws"));
    let denying: Vec<Statement<'_>> = document
        .statements()
        .filter(|statement| {
            statement.denies()
                && statement.is_about_missing_tls()
                && statement.is_for_everyone()
                && statement.covers_service("s3")
        })
        .collect();
    [arn.clone(), format!("{arn}/*")].iter().all(|arn| denying.iter().any(|statement| statement.covers_resource(arn)))
}

fn unknown_writers(document: &PolicyDocument<'_>, resource: &Resource, joins: &Joins) -> Found {
    let knows = |account: &AccountId| {
        if *account == resource.account { Ok(true) } else { joins.is_own_account(account) }
    };
    let mut found = Found::default();
    for statement in document.statements() {
        if statement.allows() && WRITES.iter().any(|action| statement.covers_action(action)) {
            statement.strangers(&knows, joins.organization.as_deref(), &mut found);
        }
    }
    found
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::Fact;
    use super::super::testing::*;
    use super::*;

    fn bucket(properties: Value) -> Resource {
        resource(TypeName::BUCKET, "artifacts", properties)
    }

    fn facts(properties: Value) -> Facts {
        Bucket.facts(&bucket(properties), &joins(&[member("111111111111", None), member("222222222222", None)], &[]))
    }

    fn deny_http(resources: Value) -> Value {
        json!({"Statement": [{
            "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": resources,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }]})
    }

    #[test]
    fn nothing_declared_is_sse_s3_and_open_settings() {
        let known = facts(json!({})).known;
        assert_eq!(known["encryption"], Fact::Text("sse-s3".to_owned()));
        assert_eq!(known["encryptionDeclared"], Fact::Bool(false));
        assert_eq!(known["versioning"], Fact::Text("Off".to_owned()));
        assert_eq!(known["aclsEnabled"], Fact::Bool(true));
        assert_eq!(known["objectLockMode"], Fact::Text("NONE".to_owned()));
        assert_eq!(known["publicAccessGaps"], Fact::Set(PUBLIC_ACCESS_BLOCKS.map(str::to_owned).into()));
    }

    #[test]
    fn the_lock_flag_alone_protects_nothing() {
        let known =
            facts(json!({"ObjectLockEnabled": true, "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}))
                .known;
        assert_eq!(known["objectLockEnabled"], Fact::Bool(true));
        assert_eq!(known["objectLockMode"], Fact::Text("NONE".to_owned()));
        assert_eq!(known["objectLockRetentionDays"], Fact::Long(0));
        let known = facts(json!({"ObjectLockConfiguration": {
            "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 2}},
        }}))
        .known;
        assert_eq!(known["objectLockMode"], Fact::Text("COMPLIANCE".to_owned()));
        assert_eq!(known["objectLockRetentionDays"], Fact::Long(730));
    }

    #[test]
    fn keys_of_buckets() {
        let encrypted = |key: Option<&str>| {
            json!({"BucketEncryption": {"ServerSideEncryptionConfiguration": [{
                "BucketKeyEnabled": true, "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key},
            }]}})
        };
        let own = resource(TypeName::KEY, "k1", json!({"KeyManager": "CUSTOMER", "Aliases": ["alias/artifacts"]}));
        let foreign = resource(TypeName::KEY, "k2", json!({"KeyManager": "AWS"}));
        let joins = joins(&[own, foreign], &[]);
        let encryption = |key: Option<&str>| {
            let facts = Bucket.facts(&bucket(encrypted(key)), &joins);
            match facts.known.get("encryption") {
                Some(Fact::Text(text)) => Ok(text.clone()),
                _ => Err(facts.unknown["encryption"].join("")),
            }
        };
        assert_eq!(encryption(None), Ok("aws-managed-key".to_owned()));
        assert_eq!(encryption(Some("alias/aws/s3")), Ok("aws-managed-key".to_owned()));
        assert_eq!(
            encryption(Some("arn:aws:kms:eu-west-1:111111111111:alias/aws/s3")),
            Ok("aws-managed-key".to_owned())
        );
        for name in ["k1", "alias/artifacts", "arn:aws:kms:eu-west-1:111111111111:key/k1"] {
            assert_eq!(encryption(Some(name)), Ok("customer-key".to_owned()), "{name}");
        }
        assert_eq!(encryption(Some("k2")), Ok("aws-managed-key".to_owned()));
        assert_eq!(encryption(Some("k3")), Err("KMS key k3 was not looked at".to_owned()));
    }

    #[test]
    fn tls_must_be_demanded_for_the_bucket_and_its_objects() {
        let tls = |document: Value| facts(json!({ "PolicyDocument": document })).known["tlsOnly"].clone();
        assert_eq!(tls(deny_http(json!(["arn:aws:s3:::artifacts", "arn:aws:s3:::artifacts/*"]))), Fact::Bool(true));
        assert_eq!(tls(deny_http(json!("*"))), Fact::Bool(true));
        assert_eq!(tls(deny_http(json!("arn:aws:s3:::artifacts/*"))), Fact::Bool(false));
        assert_eq!(tls(deny_http(json!(["arn:aws:s3:::other", "arn:aws:s3:::other/*"]))), Fact::Bool(false));
        let mut only_put = deny_http(json!("*"));
        only_put["Statement"][0]["Action"] = json!("s3:PutObject");
        assert_eq!(tls(only_put), Fact::Bool(false));
        let mut only_role = deny_http(json!("*"));
        only_role["Statement"][0]["Principal"] = json!({"AWS": "arn:aws:iam::111111111111:role/x"});
        assert_eq!(tls(only_role), Fact::Bool(false));
        let mut all_but_one = deny_http(json!("*"));
        all_but_one["Statement"][0].as_object_mut().unwrap().remove("Principal");
        all_but_one["Statement"][0]["NotPrincipal"] = json!({"AWS": "arn:aws:iam::111111111111:role/x"});
        assert_eq!(tls(all_but_one), Fact::Bool(false));
        let mut all_but_reading = deny_http(json!("*"));
        all_but_reading["Statement"][0].as_object_mut().unwrap().remove("Action");
        all_but_reading["Statement"][0]["NotAction"] = json!("s3:GetObject");
        assert_eq!(tls(all_but_reading), Fact::Bool(false));
    }

    #[test]
    fn writers_outside_the_organization() {
        let writers = |action: &str, principal: Value| {
            let document =
                json!({"Statement": {"Effect": "Allow", "Action": action, "Resource": "*", "Principal": principal}});
            match &facts(json!({ "PolicyDocument": document })).known["unknownWriters"] {
                Fact::Set(set) => set.iter().cloned().collect::<Vec<_>>(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(writers("s3:Put*", json!({"AWS": "arn:aws:iam::222222222222:root"})), Vec::<String>::new());
        assert_eq!(
            writers("s3:*", json!({"AWS": "arn:aws:iam::333333333333:root"})),
            ["arn:aws:iam::333333333333:root"]
        );
        assert_eq!(writers("s3:GetObject", json!("*")), Vec::<String>::new());
        assert_eq!(writers("s3:DeleteObject", json!("*")), ["*"]);
    }

    #[test]
    fn data_events_come_from_a_trail_seen_from_the_account() {
        let trail = |values: Value| {
            resource(
                TypeName::TRAIL,
                "t",
                json!({"IsMultiRegionTrail": true, "IsLogging": true, "EventSelectors": [
                    {"ReadWriteType": "All", "DataResources": [{"Type": "AWS::S3::Object", "Values": values}]},
                ]}),
            )
        };
        let recorded = |resources: &[Resource], gaps: &[crate::inventory::Gap]| {
            Bucket.facts(&bucket(json!({})), &joins(resources, gaps)).known.get("dataEventsRecorded").cloned()
        };
        assert_eq!(recorded(&[trail(json!(["arn:aws:s3:::artifacts/"]))], &[]), Some(Fact::Bool(true)));
        assert_eq!(recorded(&[trail(json!(["arn:aws:s3:::other/"]))], &[]), Some(Fact::Bool(false)));
        assert_eq!(recorded(&[bucket(json!({}))], &[]), Some(Fact::Bool(false)));
        assert_eq!(recorded(&[], &[denied_types("cloudtrail:DescribeTrails", &[TypeName::TRAIL])]), None);
    }

    #[test]
    fn a_bucket_is_production_through_the_pipelines_that_use_it() {
        let pipeline = |name: &str, stage: &str| {
            resource(
                TypeName::PIPELINE,
                name,
                json!({"Name": name, "ArtifactStore": {"Type": "S3", "Location": "artifacts"}, "Stages": [{"Name": stage, "Actions": [
                    {"Name": "A", "ActionTypeId": {"Category": "Deploy", "Owner": "AWS", "Provider": "ECS", "Version": "1"}},
                ]}]}),
            )
        };
        let facts = |resources: &[Resource]| Bucket.facts(&bucket(json!({})), &joins(resources, &[])).known;
        let known = facts(&[pipeline("web", "Production"), pipeline("lab", "Dev")]);
        assert_eq!(known["artifactBucket"], Fact::Bool(true));
        assert_eq!(known["production"], Fact::Bool(true));
        assert_eq!(known["productionClassification"], Fact::Text("production pipeline 111111111111/web".to_owned()));
        assert_eq!(known["sharedWithNonProduction"], Fact::Set(["111111111111/lab".to_owned()].into()));
        let known = facts(&[pipeline("lab", "Dev")]);
        assert_eq!(known["production"], Fact::Bool(false));
        let known = facts(&[bucket(json!({}))]);
        assert_eq!(known["artifactBucket"], Fact::Bool(false));
        assert_eq!(known["usedBy"], Fact::Set(BTreeSet::new()));
    }

    #[test]
    fn a_dark_account_that_the_policy_lets_in_may_store_its_artifacts_there() {
        let dark = crate::inventory::Gap {
            account: "222222222222".parse().unwrap(),
            affects: crate::inventory::Affects::Account,
            ..denied("sts:AssumeRole")
        };
        let joins = joins(&[member("111111111111", None), member("222222222222", None)], &[dark]);
        let open = |principal: Value| {
            let statement =
                json!({"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*", "Principal": principal});
            Bucket.facts(&bucket(json!({"PolicyDocument": {"Statement": statement}})), &joins)
        };
        let closed = open(json!({"AWS": "arn:aws:iam::111111111111:role/deploy"}));
        assert_eq!(closed.known["artifactBucket"], Fact::Bool(false));
        let open = open(json!({"AWS": "arn:aws:iam::222222222222:role/deploy"}));
        assert!(open.unknown["artifactBucket"].join("").contains("sts:AssumeRole in 222222222222"));
        assert!(open.unknown.contains_key("production"));
    }

    #[test]
    fn hidden_pipelines_leave_an_unused_bucket_unknown() {
        let gap = denied_types("codepipeline:ListPipelines", &[TypeName::PIPELINE]);
        let facts = Bucket.facts(&bucket(json!({})), &joins(&[], &[gap]));
        assert!(facts.unknown.contains_key("artifactBucket") && facts.unknown.contains_key("production"));
        let mut pipeline = resource(TypeName::PIPELINE, "web", json!({"Name": "web"}));
        pipeline.unseen.insert("*".to_owned(), denied("codepipeline:GetPipeline"));
        let facts = Bucket.facts(&bucket(json!({})), &joins(&[pipeline], &[]));
        assert!(facts.unknown["artifactBucket"].join("").contains("codepipeline:GetPipeline"));
    }

    #[test]
    fn each_unseen_property_leaves_its_facts_unknown() {
        for (property, expected) in [
            ("BucketEncryption", vec!["bucketKeyEnabled", "encryption", "encryptionDeclared"]),
            ("ObjectLockConfiguration", vec!["objectLockEnabled", "objectLockMode", "objectLockRetentionDays"]),
            ("VersioningConfiguration", vec!["mfaDelete", "versioning"]),
            ("PublicAccessBlockConfiguration", vec!["publicAccessGaps"]),
            ("OwnershipControls", vec!["aclsEnabled"]),
            ("PolicyDocument", vec!["encryptionPolicyGaps", "tlsOnly", "unknownWriters"]),
            ("LoggingConfiguration", vec!["accessLogged"]),
            ("LifecycleConfiguration", vec!["deletingRules", "growthBounded", "shortestExpirationDays"]),
            ("ReplicationConfiguration", vec!["replicas"]),
        ] {
            let mut hidden = bucket(json!({}));
            hidden.unseen.insert(property.to_owned(), denied("s3:X"));
            let facts = Bucket.facts(&hidden, &joins(std::slice::from_ref(&hidden), &[]));
            assert_eq!(facts.unknown.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), expected, "{property}");
        }
    }
}
