//! `AWS::ECR::Repository`: where images wait to be deployed.
//!
//! In: a repository, and what its registry says of scanning and signing. Out: its facts. Rules of the registry name
//! repositories by patterns; which of them decides for this one is said here.

use std::collections::BTreeSet;

use serde_json::Value;

use super::joins::Joins;
use super::policy_document::{PolicyDocument, matches_pattern};
use super::seen::{Found, Seen, at, flag, list_at, name, property, text_at, text_or};
use super::{Facts, ResourceKind};
use crate::inventory::{AccountId, Resource, TypeName};

/// Repositories named by pipelines or build projects.
pub struct ImageRepository;

impl ResourceKind for ImageRepository {
    fn type_name(&self) -> TypeName {
        TypeName::IMAGE_REPOSITORY
    }

    fn action(&self) -> &'static str {
        "Publish"
    }

    fn facts(&self, resource: &Resource, joins: &Joins) -> Facts {
        let name = repository_name(resource);
        let mut facts = Facts::default();
        facts.know("name", name);
        facts.put_tags(resource);
        facts.put("tagMutability", text_or(resource, "ImageTagMutability", "MUTABLE"));
        facts.put("movableReleaseTags", movable_release_tags(resource));
        let scanning = scanning(name, resource);
        facts.put("scannedOnPush", scanning.as_ref().map(|(scanned, _)| *scanned).map_err(Clone::clone));
        facts.put("scanningDecidedBy", scanning.map(|(_, by)| by));
        facts.put("encryption", encryption(resource, joins));
        facts.put("signingProfiles", signing_profiles(name, resource));
        facts.put("unknownPrincipals", unknown_principals(resource, joins).and_then(Found::decided));
        facts
    }
}

fn repository_name(resource: &Resource) -> &str {
    let name = name(resource, "RepositoryName");
    name.strip_prefix("repository/").unwrap_or(name)
}

/// What releases are tagged with: what an exclusion may not cover.
const RELEASE_TAGS: &[&str] = &[
    "1.0.0",
    "v1.0.0",
    "release-1.0.0",
    "prod",
    "production",
    "stable",
    "20260101",
    "0123456789abcdef0123456789abcdef01234567",
    "sha-0123456",
];

/// The patterns of tags under which a released image can be replaced: all (`*`), or exclusions that releases fall under.
fn movable_release_tags(resource: &Resource) -> Seen<BTreeSet<String>> {
    let mutability = property(resource, "ImageTagMutability")?.and_then(Value::as_str).unwrap_or("MUTABLE");
    let exclusions = list_at(property(resource, "ImageTagMutabilityExclusionFilters")?, &[]).iter();
    let covers = |filter: &&str| RELEASE_TAGS.iter().any(|tag| matches_pattern(filter, tag, false));
    Ok(match mutability {
        "IMMUTABLE" => BTreeSet::new(),
        "IMMUTABLE_WITH_EXCLUSION" => exclusions
            .map(|filter| text_at(Some(filter), &["ImageTagMutabilityExclusionFilterValue"]))
            .filter(covers)
            .map(str::to_owned)
            .collect(),
        // With `MUTABLE_WITH_EXCLUSION` the exclusions are what stays; all else moves.
        _ => BTreeSet::from(["*".to_owned()]),
    })
}

/// Whether images are scanned when they are pushed, and which setting says so.
fn scanning(name: &str, resource: &Resource) -> Seen<(bool, String)> {
    let registry = property(resource, "RegistryScanningConfiguration")?;
    let mut matching = None;
    let rules = list_at(registry, &["Rules"]);
    for rule in rules {
        let filters = list_at(Some(rule), &["RepositoryFilters"]).iter();
        let mut filters = filters.map(|filter| text_at(Some(filter), &["Filter"]));
        if let Some(filter) = filters.find(|filter| covers_repository(filter, name)) {
            let frequency = text_at(Some(rule), &["ScanFrequency"]);
            let scanned = matches!(frequency, "SCAN_ON_PUSH" | "CONTINUOUS_SCAN");
            let by = format!("registry rule {filter} ({frequency})");
            if scanned {
                return Ok((true, by));
            }
            matching = Some((false, by));
        }
    }
    if let Some(matching) = matching {
        return Ok(matching);
    }
    // Where the registry has rules, what they leave out is not scanned on push; enhanced scanning has nothing else.
    if !rules.is_empty() || text_at(registry, &["ScanType"]) == "ENHANCED" {
        return Ok((false, "no rule of the registry covers it".to_owned()));
    }
    let own = property(resource, "ImageScanningConfiguration")?;
    let scanned = at(own, &["ScanOnPush"]).and_then(flag).unwrap_or(false);
    let by = if scanned { "the repository's own ScanOnPush (legacy)" } else { "neither registry nor repository" };
    Ok((scanned, by.to_owned()))
}

/// A scanning filter without `*` is meant as a part of the name.
fn covers_repository(filter: &str, name: &str) -> bool {
    if filter.contains('*') {
        matches_pattern(filter, name, false)
    } else {
        !filter.is_empty() && name.contains(filter)
    }
}

fn encryption(resource: &Resource, joins: &Joins) -> Seen<&'static str> {
    let configuration = property(resource, "EncryptionConfiguration")?;
    if !text_at(configuration, &["EncryptionType"]).starts_with("KMS") {
        return Ok("aes256");
    }
    let key = text_at(configuration, &["KmsKey"]);
    if key.is_empty() {
        return Ok("aws-managed-key");
    }
    let manager = joins.key_manager(key, &resource.account, &resource.region)?;
    Ok(if manager == "CUSTOMER" { "customer-key" } else { "aws-managed-key" })
}

/// The profiles that sign every image on push; a rule without filters is for all repositories.
fn signing_profiles(name: &str, resource: &Resource) -> Seen<BTreeSet<String>> {
    let rules = list_at(property(resource, "SigningConfiguration")?, &["Rules"]).iter();
    let covering = rules.filter(|rule| {
        let filters = list_at(Some(rule), &["RepositoryFilters"]);
        let covers = |filter: &Value| matches_pattern(text_at(Some(filter), &["Filter"]), name, false);
        filters.is_empty() || filters.iter().any(covers)
    });
    let profiles = covering.map(|rule| text_at(Some(rule), &["SigningProfileArn"]).to_owned());
    Ok(profiles.filter(|profile| !profile.is_empty()).collect())
}

fn unknown_principals(resource: &Resource, joins: &Joins) -> Seen<Found> {
    let mut found = Found::default();
    let Some(document) = property(resource, "RepositoryPolicyText")? else { return Ok(found) };
    let knows = |account: &AccountId| {
        if *account == resource.account { Ok(true) } else { joins.is_own_account(account) }
    };
    for statement in PolicyDocument::new(document).statements().filter(|statement| statement.allows()) {
        statement.strangers(&knows, joins.organization.as_deref(), &mut found);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Fact;
    use super::super::testing::*;
    use super::*;

    fn repository(mut properties: Value) -> Resource {
        properties["RepositoryName"] = json!("team/web");
        resource(TypeName::IMAGE_REPOSITORY, "web", properties)
    }

    fn facts(properties: Value) -> Facts {
        ImageRepository.facts(&repository(properties), &joins(&[member("111111111111", None)], &[]))
    }

    fn set(fact: &Fact) -> Vec<String> {
        match fact {
            Fact::Set(set) => set.iter().cloned().collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn exclusions_may_not_cover_releases() {
        let movable = |mutability: &str, filters: &[&str]| {
            let filters: Vec<Value> =
                filters.iter().map(|filter| json!({"ImageTagMutabilityExclusionFilterValue": filter})).collect();
            let properties = json!({"ImageTagMutability": mutability, "ImageTagMutabilityExclusionFilters": filters});
            set(&facts(properties).known["movableReleaseTags"])
        };
        assert_eq!(movable("IMMUTABLE", &[]), Vec::<String>::new());
        assert_eq!(movable("MUTABLE", &[]), ["*"]);
        assert_eq!(movable("IMMUTABLE_WITH_EXCLUSION", &["latest", "dev-*", "cache*"]), Vec::<String>::new());
        assert_eq!(movable("IMMUTABLE_WITH_EXCLUSION", &["latest", "*"]), ["*"]);
        assert_eq!(movable("IMMUTABLE_WITH_EXCLUSION", &["v*", "prod"]), ["prod", "v*"]);
        assert_eq!(movable("MUTABLE_WITH_EXCLUSION", &["v*"]), ["*"]);
    }

    #[test]
    fn the_registry_decides_and_the_repository_only_under_basic_scanning() {
        let scanned = |kind: &str, rules: Value, own: bool| {
            let known = facts(json!({
                "RegistryScanningConfiguration": {"ScanType": kind, "Rules": rules},
                "ImageScanningConfiguration": {"ScanOnPush": own},
            }))
            .known;
            let Fact::Text(by) = known["scanningDecidedBy"].clone() else { panic!() };
            (known["scannedOnPush"] == Fact::Bool(true), by)
        };
        let rule = |frequency: &str, filter: &str| json!([{"ScanFrequency": frequency, "RepositoryFilters": [{"Filter": filter}]}]);
        for filter in ["*", "team/*", "*web", "eam"] {
            let by = format!("registry rule {filter} (SCAN_ON_PUSH)");
            assert_eq!(scanned("BASIC", rule("SCAN_ON_PUSH", filter), false), (true, by));
        }
        assert!(scanned("ENHANCED", rule("CONTINUOUS_SCAN", "*"), false).0);
        assert!(!scanned("ENHANCED", rule("CONTINUOUS_SCAN", "other"), true).0);
        assert!(!scanned("BASIC", rule("MANUAL", "*"), true).0);
        assert_eq!(scanned("BASIC", json!([]), true), (true, "the repository's own ScanOnPush (legacy)".to_owned()));
        assert!(!scanned("BASIC", rule("SCAN_ON_PUSH", "other/*"), true).0);
    }

    #[test]
    fn keys_of_repositories() {
        let key = resource(TypeName::KEY, "k1", json!({"KeyManager": "CUSTOMER"}));
        let joins = joins(&[key], &[]);
        let encryption = |configuration: Value| {
            let facts = ImageRepository.facts(&repository(json!({"EncryptionConfiguration": configuration})), &joins);
            facts.known.get("encryption").cloned()
        };
        let text = |text: &str| Some(Fact::Text(text.to_owned()));
        assert_eq!(encryption(json!({"EncryptionType": "AES256"})), text("aes256"));
        assert_eq!(encryption(json!({"EncryptionType": "KMS"})), text("aws-managed-key"));
        let arn = |id: &str| format!("arn:aws:kms:eu-west-1:111111111111:key/{id}");
        assert_eq!(encryption(json!({"EncryptionType": "KMS", "KmsKey": arn("k1")})), text("customer-key"));
        assert_eq!(encryption(json!({"EncryptionType": "KMS_DSSE", "KmsKey": arn("k1")})), text("customer-key"));
        assert_eq!(encryption(json!({"EncryptionType": "KMS", "KmsKey": arn("k2")})), None);
    }

    #[test]
    fn rules_without_filters_sign_everything() {
        let profiles =
            |rules: Value| set(&facts(json!({"SigningConfiguration": {"Rules": rules}})).known["signingProfiles"]);
        assert_eq!(profiles(json!([{"SigningProfileArn": "p"}])), ["p"]);
        let filtered = |filter: &str| json!([{"SigningProfileArn": "p", "RepositoryFilters": [{"Filter": filter}]}]);
        assert_eq!(profiles(filtered("team/*")), ["p"]);
        assert_eq!(profiles(filtered("web")), Vec::<String>::new());
        assert_eq!(profiles(json!([])), Vec::<String>::new());
    }

    #[test]
    fn strangers_are_named() {
        let strangers = |principal: Value| {
            let statement = json!({"Effect": "Allow", "Action": "ecr:*", "Principal": principal});
            set(&facts(json!({"RepositoryPolicyText": {"Statement": [statement]}})).known["unknownPrincipals"])
        };
        assert_eq!(strangers(json!("*")), ["*"]);
        assert_eq!(strangers(json!({"AWS": "arn:aws:iam::111111111111:root"})), Vec::<String>::new());
        assert_eq!(strangers(json!({"AWS": "arn:aws:iam::333333333333:root"})), ["arn:aws:iam::333333333333:root"]);
        assert_eq!(set(&facts(json!({})).known["unknownPrincipals"]), Vec::<String>::new());
    }

    #[test]
    fn each_unseen_property_leaves_its_facts_unknown() {
        for (property, expected) in [
            ("ImageTagMutability", vec!["movableReleaseTags", "tagMutability"]),
            ("RegistryScanningConfiguration", vec!["scannedOnPush", "scanningDecidedBy"]),
            ("ImageScanningConfiguration", vec!["scannedOnPush", "scanningDecidedBy"]),
            ("EncryptionConfiguration", vec!["encryption"]),
            ("SigningConfiguration", vec!["signingProfiles"]),
            ("RepositoryPolicyText", vec!["unknownPrincipals"]),
        ] {
            let mut hidden = repository(json!({}));
            hidden.unseen.insert(property.to_owned(), denied("ecr:X"));
            let facts = ImageRepository.facts(&hidden, &joins(&[], &[]));
            assert_eq!(facts.unknown.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), expected, "{property}");
        }
    }
}
