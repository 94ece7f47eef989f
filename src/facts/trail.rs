//! `AWS::CloudTrail::Trail`: the record of who did what.
//!
//! In: a trail, as its owner describes it and as other accounts see it. Out: its facts, once per trail, and what
//! accounts and buckets need to know of it.

use super::event_selector::{ObjectWrites, records_management_writes};
use super::joins::Joins;
use super::seen::{Found, Seen, is_set, name, property, text};
use super::{Facts, ResourceKind};
use crate::inventory::{AccountId, Arn, Region, Resource, TypeName};

/// Trails, organization trails included.
pub struct Trail;

/// What accounts and buckets need to know of a trail.
#[derive(Debug)]
pub(super) struct TrailEntry {
    arn: String,
    owner: AccountId,
    /// The first account that the trail was seen from.
    first_seen_from: AccountId,
    /// What only the owner is told; `None` until the owner's copy was indexed.
    told: Option<Told>,
    pub(super) multi_region: Seen<bool>,
    home: Option<Region>,
}

#[derive(Debug)]
struct Told {
    logging: Seen<bool>,
    management_writes: Seen<bool>,
    writes: Seen<ObjectWrites>,
}

impl TrailEntry {
    /// Whether the trail is switched on and records the calls that change something.
    pub(super) fn records_changes(&self, joins: &Joins) -> Seen<bool> {
        let Some(told) = &self.told else { return Err(self.why_untold(joins)) };
        match (&told.logging, &told.management_writes) {
            (Ok(false), _) | (_, Ok(false)) => Ok(false),
            (Ok(true), Ok(true)) => Ok(true),
            (Err(sentences), _) | (_, Err(sentences)) => Err(sentences.clone()),
        }
    }

    /// Whether the trail records writes to every object of a bucket.
    pub(super) fn records(&self, bucket: &str, region: &Region, joins: &Joins) -> Seen<bool> {
        let Some(told) = &self.told else { return Err(self.why_untold(joins)) };
        // A trail of one Region sees nothing of buckets elsewhere.
        if !self.multi_region.clone()? && self.home.as_ref().is_some_and(|home| home != region) {
            return Ok(false);
        }
        match (&told.writes, &told.logging) {
            (Ok(writes), _) if !writes.cover(bucket) => Ok(false),
            (_, Ok(false)) => Ok(false),
            (Ok(_), Ok(true)) => Ok(true),
            (Err(sentences), _) | (_, Err(sentences)) => Err(sentences.clone()),
        }
    }

    fn why_untold(&self, joins: &Joins) -> Vec<String> {
        let gaps = joins.why_unseen(&self.owner, None, &TypeName::TRAIL);
        if gaps.is_empty() {
            vec![format!("trail {} was not seen from its owner {}", self.arn, self.owner)]
        } else {
            gaps.into_iter().map(|gap| format!("trail {}: {gap}", self.arn)).collect()
        }
    }
}

/// Whether this copy of a trail is the one to judge: the owner's, or the first where the owner's was never seen.
pub(super) fn is_the_judged_copy(resource: &Resource, joins: &Joins) -> bool {
    let entry = joins.trails.get(resource.uid.as_str());
    is_owners_copy(resource)
        || entry.is_none_or(|entry| entry.told.is_none() && entry.first_seen_from == resource.account)
}

fn owner(resource: &Resource) -> AccountId {
    let arn = Arn::parse(resource.uid.as_str()).ok();
    arn.and_then(|arn| arn.account_id()).unwrap_or_else(|| resource.account.clone())
}

fn is_owners_copy(resource: &Resource) -> bool {
    owner(resource) == resource.account
}

impl ResourceKind for Trail {
    fn type_name(&self) -> TypeName {
        TypeName::TRAIL
    }

    fn action(&self) -> &'static str {
        "Record"
    }

    fn index(&self, resource: &Resource, joins: &mut Joins) {
        let arn = resource.uid.as_str();
        joins.trails_seen_from.entry(resource.account.clone()).or_default().insert(arn.to_owned());
        let multi_region = is_set(resource, "IsMultiRegionTrail");
        let home = text(resource, "HomeRegion").ok().flatten().and_then(|home| home.parse().ok());
        let told = is_owners_copy(resource).then(|| Told {
            logging: is_set(resource, "IsLogging"),
            management_writes: management_writes(resource),
            writes: object_writes(resource),
        });
        if let Some(entry) = joins.trails.get_mut(arn) {
            if resource.account < entry.first_seen_from {
                entry.first_seen_from = resource.account.clone();
            }
            if told.is_some() || entry.multi_region.is_err() {
                entry.multi_region = multi_region;
            }
            entry.home = entry.home.take().or(home);
            entry.told = told.or_else(|| entry.told.take());
        } else {
            let first_seen_from = resource.account.clone();
            let arn = arn.to_owned();
            let entry =
                TrailEntry { arn: arn.clone(), owner: owner(resource), first_seen_from, told, multi_region, home };
            joins.trails.insert(arn, entry);
        }
    }

    fn facts(&self, resource: &Resource, joins: &Joins) -> Facts {
        let mut facts = Facts::default();
        facts.know("name", name(resource, "TrailName"));
        facts.put("organizationTrail", is_set(resource, "IsOrganizationTrail"));
        facts.put("multiRegion", is_set(resource, "IsMultiRegionTrail"));
        facts.put("logFileValidation", is_set(resource, "EnableLogFileValidation"));
        facts.put("customerKey", is_named(resource, "KMSKeyId"));
        facts.put("cloudWatchLogs", is_named(resource, "CloudWatchLogsLogGroupArn"));
        facts.put("bucketName", text(resource, "S3BucketName").map(Option::unwrap_or_default));
        facts.put("bucketWeaknesses", bucket_weaknesses(resource, joins).and_then(Found::decided));
        if is_owners_copy(resource) {
            facts.put("logging", is_set(resource, "IsLogging"));
            facts.put("recordsArtifactWrites", object_writes(resource).map(|writes| writes.cover_all()));
        } else {
            let entry = joins.trails.get(resource.uid.as_str());
            let why = entry.map_or_else(Vec::new, |entry| entry.why_untold(joins));
            facts.put::<bool>("logging", Err(why.clone()));
            facts.put::<bool>("recordsArtifactWrites", Err(why));
        }
        facts.put_tags(resource);
        facts
    }
}

fn is_named(resource: &Resource, property: &str) -> Seen<bool> {
    Ok(text(resource, property)?.is_some_and(|name| !name.is_empty()))
}

fn object_writes(resource: &Resource) -> Seen<ObjectWrites> {
    Ok(ObjectWrites::read(property(resource, "EventSelectors")?, property(resource, "AdvancedEventSelectors")?))
}

fn management_writes(resource: &Resource) -> Seen<bool> {
    let (basic, advanced) = (property(resource, "EventSelectors")?, property(resource, "AdvancedEventSelectors")?);
    Ok(records_management_writes(basic, advanced))
}

fn bucket_weaknesses(resource: &Resource, joins: &Joins) -> Seen<Found> {
    Ok(match text(resource, "S3BucketName")? {
        Some(bucket) => joins.bucket_weaknesses(bucket, &resource.account),
        None => Found::default(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::*;
    use super::super::{Fact, subjects};
    use super::*;
    use crate::inventory::Inventory;

    const OWNER: &str = "999999999999";

    fn copy(seen_from: &str, properties: Value) -> Resource {
        let mut trail = resource_in(TypeName::TRAIL, seen_from.parse().unwrap(), "org", properties);
        trail.uid.0 = format!("arn:aws:cloudtrail:eu-west-1:{OWNER}:trail/org");
        trail
    }

    fn judged(resources: &[Resource]) -> Vec<String> {
        let joins = joins(resources, &[]);
        let inventory = Inventory { resources: resources.to_vec(), ..Inventory::default() };
        subjects(&inventory, &joins).into_iter().map(|subject| subject.account.to_string()).collect()
    }

    #[test]
    fn a_trail_is_judged_once_from_its_owner() {
        let copies = ["111111111111", "222222222222", OWNER].map(|account| copy(account, json!({})));
        assert_eq!(judged(&copies), [OWNER]);
        assert_eq!(judged(&copies[..2]), ["111111111111"]);
    }

    #[test]
    fn without_the_owner_nobody_knows_whether_it_logs() {
        let shadow = copy("111111111111", json!({"IsMultiRegionTrail": true}));
        let facts = Trail.facts(&shadow, &joins(std::slice::from_ref(&shadow), &[]));
        assert_eq!(facts.known["multiRegion"], Fact::Bool(true));
        assert_eq!(
            facts.unknown.keys().map(AsRef::as_ref).collect::<Vec<&str>>(),
            ["logging", "recordsArtifactWrites"]
        );
        assert!(facts.unknown["logging"].join("").contains(OWNER));
    }

    #[test]
    fn the_bucket_behind_a_trail() {
        let trail = resource(TypeName::TRAIL, "t", json!({"S3BucketName": "logs"}));
        let weaknesses = |bucket: Option<Value>| {
            let bucket =
                bucket.map(|properties| resource_in(TypeName::BUCKET, OWNER.parse().unwrap(), "logs", properties));
            let facts = Trail.facts(&trail, &joins(bucket.as_slice(), &[]));
            match facts.known.get("bucketWeaknesses") {
                Some(Fact::Set(set)) => Ok(set.iter().cloned().collect::<Vec<_>>().join(", ")),
                _ => Err(facts.unknown["bucketWeaknesses"].join("")),
            }
        };
        let open = json!({"BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true, "RestrictPublicBuckets": true});
        let lock = |mode: &str| json!({"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": mode, "Days": 30}}});
        let good = json!({"VersioningConfiguration": {"Status": "Enabled"}, "PublicAccessBlockConfiguration": open, "ObjectLockConfiguration": lock("GOVERNANCE")});
        assert_eq!(weaknesses(Some(good)), Ok(String::new()));
        assert_eq!(weaknesses(Some(json!({}))), Ok("object lock retention, public access, versioning".to_owned()));
        assert_eq!(weaknesses(None), Err("bucket logs was not looked at".to_owned()));
    }

    #[test]
    fn each_unseen_property_leaves_its_facts_unknown() {
        for (property, expected) in [
            ("IsLogging", vec!["logging"]),
            ("EventSelectors", vec!["recordsArtifactWrites"]),
            ("AdvancedEventSelectors", vec!["recordsArtifactWrites"]),
            ("KMSKeyId", vec!["customerKey"]),
            ("EnableLogFileValidation", vec!["logFileValidation"]),
            ("CloudWatchLogsLogGroupArn", vec!["cloudWatchLogs"]),
            ("S3BucketName", vec!["bucketName", "bucketWeaknesses"]),
            ("IsOrganizationTrail", vec!["organizationTrail"]),
            ("IsMultiRegionTrail", vec!["multiRegion"]),
        ] {
            let mut trail = resource(TypeName::TRAIL, "t", json!({}));
            trail.unseen.insert(property.to_owned(), denied("cloudtrail:X"));
            let facts = Trail.facts(&trail, &joins(&[], &[]));
            assert_eq!(facts.unknown.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), expected, "{property}");
        }
    }
}
