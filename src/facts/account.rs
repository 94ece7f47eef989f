//! `AWS::Organizations::Account`: who owns everything else, and whether anyone records what happens in it.
//!
//! In: the account as Organizations lists it, and the trails seen from it. Out: its facts, and the entry that every
//! other resource's classification asks.

use serde_json::Value;

use super::joins::{AccountEntry, Joins};
use super::production::Environment;
use super::seen::{Found, Seen, is_set, list_at, name, property, tags, text, text_at, text_or};
use super::{Facts, ResourceKind};
use crate::inventory::{Arn, Resource, TypeName};

/// Accounts of the organization.
pub struct Account;

impl ResourceKind for Account {
    fn type_name(&self) -> TypeName {
        TypeName::ACCOUNT
    }

    fn action(&self) -> &'static str {
        "Govern"
    }

    fn index(&self, resource: &Resource, joins: &mut Joins) {
        let organization = Arn::parse(resource.uid.as_str()).ok().and_then(|arn| arn.resource.split('/').nth(1));
        if let Some(id) = organization.filter(|id| id.starts_with("o-")) {
            joins.organization.get_or_insert_with(|| id.to_owned());
        }
        let parents = property(resource, "ParentIds").unwrap_or_default();
        let ids: Vec<String> = list_at(parents, &[]).iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let environment = environment(resource, &ids, joins);
        let entry = AccountEntry {
            name: name(resource, "AccountName").to_owned(),
            state: text_or(resource, "State", "").unwrap_or_default(),
            unit_ids: ids,
            organizational_unit_path: text_or(resource, "OrganizationalUnitPath", "/").unwrap_or_default(),
            tags: resource.tags.clone(),
            environment,
        };
        joins.accounts.insert(resource.account.clone(), entry);
        super::guardrail::index_account(resource, joins);
    }

    fn facts(&self, resource: &Resource, joins: &Joins) -> Facts {
        let mut facts = Facts::default();
        facts.know("accountId", resource.account.as_str());
        facts.put("name", text_or(resource, "AccountName", ""));
        facts.put("state", text_or(resource, "State", ""));
        facts.put("managementAccount", is_set(resource, "ManagementAccount"));
        facts.put("organizationalUnitPath", text_or(resource, "OrganizationalUnitPath", "/"));
        facts.put_tags(resource);
        let environment = joins.environment_of(&resource.account);
        facts.put("production", environment.as_ref().map(Environment::is_production).map_err(Clone::clone));
        facts.put("productionClassification", environment.map(Environment::into_words));
        facts.put("serviceControlPolicies", policies(resource).map(|found| found.certain));
        facts.put("loggingTrails", logging_trails(resource, joins).decided());
        super::account_governance::put(&mut facts, resource, joins);
        facts
    }
}

fn environment(resource: &Resource, ids: &[String], joins: &Joins) -> Seen<Environment> {
    let id = &resource.account;
    if joins.classifier.names_account(id) {
        return Ok(Environment::Production(format!("account {id} named in the configuration")));
    }
    let path = text(resource, "OrganizationalUnitPath");
    let known = path.as_ref().map_or("/", |path| path.unwrap_or("/"));
    if let Some(rule) = joins.classifier.by_path(known, ids) {
        return Ok(Environment::Production(format!("account {id} in organizational unit {rule}")));
    }
    let mut doubts = Vec::new();
    // Names and ids are seen apart: the flat list of accounts has no names.
    if joins.classifier.asks_for_path() {
        doubts.extend(path.err().into_iter().flatten());
    }
    if joins.classifier.asks_for_units() {
        doubts.extend(property(resource, "ParentIds").err().into_iter().flatten());
    }
    let tagged = match tags(resource) {
        Ok(tags) => joins.classifier.by_tags(tags, &format!("account {id}")),
        Err(sentences) => {
            doubts.extend(sentences);
            Environment::Undecided
        }
    };
    if tagged.is_production() || doubts.is_empty() { Ok(tagged) } else { Err(doubts) }
}

fn policies(resource: &Resource) -> Seen<Found> {
    let mut found = Found::default();
    for policy in list_at(property(resource, "ServiceControlPolicies")?, &[]) {
        found.add(text_at(Some(policy), &["Name"]));
    }
    Ok(found)
}

/// The trails that record what changes in every Region and are switched on, as seen from the account.
fn logging_trails(resource: &Resource, joins: &Joins) -> Found {
    let (trails, doubts) = joins.trails_of(&resource.account);
    let mut found = Found { doubts, ..Found::default() };
    for (arn, trail) in trails {
        match &trail.multi_region {
            Ok(true) => found.add_if(arn, &trail.records_changes(joins)),
            Ok(false) => {}
            Err(sentences) => found.doubt(sentences),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::super::testing::*;
    use super::super::{Fact, ProductionRules};
    use super::*;
    use crate::inventory::{Affects, Gap};

    fn trail(multi: bool, logging: bool) -> Resource {
        resource(
            TypeName::TRAIL,
            "t",
            json!({"IsMultiRegionTrail": multi, "IsLogging": logging, "HomeRegion": "eu-west-1"}),
        )
    }

    fn trails(resources: &[Resource], gaps: &[Gap]) -> Result<usize, Vec<String>> {
        let member = member("111111111111", None);
        let all: Vec<Resource> = resources.iter().cloned().chain([member.clone()]).collect();
        let facts = Account.facts(&member, &joins(&all, gaps));
        match facts.known.get("loggingTrails") {
            Some(Fact::Set(set)) => Ok(set.len()),
            _ => Err(facts.unknown.get("loggingTrails").unwrap().clone()),
        }
    }

    #[test]
    fn only_multi_region_trails_that_log_count() {
        assert_eq!(trails(&[trail(true, true)], &[]), Ok(1));
        assert_eq!(trails(&[trail(true, false)], &[]), Ok(0));
        assert_eq!(trails(&[trail(false, true)], &[]), Ok(0));
    }

    #[test]
    fn a_trail_of_data_events_alone_records_no_account() {
        let with = |selectors: serde_json::Value| {
            let mut trail = trail(true, true);
            trail.properties.extend(selectors.as_object().unwrap().clone());
            trails(&[trail], &[])
        };
        let advanced = |category: &str| {
            let fields = json!([{"Field": "eventCategory", "Equals": [category]}]);
            json!({"AdvancedEventSelectors": [{"FieldSelectors": fields}]})
        };
        assert_eq!(with(advanced("Data")), Ok(0));
        assert_eq!(with(advanced("Management")), Ok(1));
        assert_eq!(with(json!({"EventSelectors": [{"IncludeManagementEvents": false}]})), Ok(0));
    }

    #[test]
    fn no_trail_is_known_only_where_somebody_looked() {
        let bucket = resource(TypeName::BUCKET, "b", json!({}));
        assert_eq!(trails(std::slice::from_ref(&bucket), &[]), Ok(0));
        assert_eq!(trails(&[], &[]), Err(vec!["account 111111111111 was not looked at".to_owned()]));
        let gap = denied_types("cloudtrail:DescribeTrails", &[TypeName::TRAIL]);
        assert_eq!(trails(&[bucket], std::slice::from_ref(&gap)), Err(vec![gap.sentence()]));
        assert_eq!(trails(&[trail(true, true)], &[gap]), Ok(1));
    }

    #[test]
    fn an_organization_trail_counts_only_if_its_owner_was_seen() {
        let mut shadow =
            resource(TypeName::TRAIL, "org", json!({"IsMultiRegionTrail": true, "IsOrganizationTrail": true}));
        shadow.uid.0 = "arn:aws:cloudtrail:eu-west-1:999999999999:trail/org".to_owned();
        assert!(trails(std::slice::from_ref(&shadow), &[]).unwrap_err().join("").contains("999999999999"));
        let owner = resource_in(
            TypeName::TRAIL,
            "999999999999".parse().unwrap(),
            "org",
            json!({"IsMultiRegionTrail": true, "IsOrganizationTrail": true, "IsLogging": true}),
        );
        assert_eq!(trails(&[shadow, owner], &[]), Ok(1));
    }

    #[test]
    fn rules_for_accounts_come_in_their_order() {
        let tagged = member("111111111111", Some(("environment", "dev")));
        let production = |rules: ProductionRules| {
            let joins = joins_under(rules, std::slice::from_ref(&tagged), &[]);
            let facts = Account.facts(&tagged, &joins);
            (facts.known["production"].clone(), facts.known["productionClassification"].clone())
        };
        let (answer, why) = production(ProductionRules::default());
        assert_eq!(answer, Fact::Bool(false));
        assert_eq!(why, Fact::Text("not production: account 111111111111 tagged environment=dev".to_owned()));
        let rules =
            ProductionRules { organizational_unit_paths: vec!["/Workloads".to_owned()], ..ProductionRules::default() };
        assert_eq!(production(rules).0, Fact::Bool(true));
        let rules = ProductionRules { accounts: BTreeSet::from([account()]), ..ProductionRules::default() };
        assert_eq!(production(rules).0, Fact::Bool(true));
    }

    #[test]
    fn an_account_from_the_flat_list_is_not_known_to_be_no_production() {
        let mut listed = member("111111111111", Some(("environment", "dev")));
        listed.properties.remove("OrganizationalUnitPath");
        listed.unseen.insert("OrganizationalUnitPath".to_owned(), denied("organizations:ListRoots"));
        let production = |listed: &Resource, units: &[&str]| {
            let organizational_unit_paths = units.iter().map(|unit| (*unit).to_owned()).collect();
            let rules = ProductionRules { organizational_unit_paths, ..ProductionRules::default() };
            let joins = joins_under(rules, std::slice::from_ref(listed), &[]);
            let of_account = Account.facts(listed, &joins).known.get("production").cloned();
            (of_account, joins.environment_of(&account()))
        };
        let (fact, environment) = production(&listed, &["/Workloads"]);
        assert_eq!(fact, None);
        assert!(environment.unwrap_err().join("").contains("organizations:ListRoots"));
        // Ids decide where ids are asked for, and the root says nothing.
        assert_eq!(production(&listed, &["/Workloads", "ou-1"]).0, Some(Fact::Bool(true)));
        assert_eq!(production(&listed, &["ou-2", "/"]).0, Some(Fact::Bool(false)));
        listed.properties.remove("ParentIds");
        listed.unseen.insert("ParentIds".to_owned(), denied("organizations:ListRoots"));
        assert_eq!(production(&listed, &["ou-2"]).0, None);
        assert_eq!(production(&listed, &["/"]).0, Some(Fact::Bool(false)));
        listed.tags.insert("environment".to_owned(), "prod".to_owned());
        assert_eq!(production(&listed, &["/Workloads", "ou-2"]).0, Some(Fact::Bool(true)));
    }

    #[test]
    fn unseen_tags_leave_production_unknown() {
        let mut hidden = member("111111111111", None);
        hidden.unseen.insert("Tags".to_owned(), denied("organizations:ListTagsForResource"));
        let facts = Account.facts(&hidden, &joins(std::slice::from_ref(&hidden), &[]));
        for fact in ["tags", "tagKeys", "production", "productionClassification"] {
            assert!(facts.unknown[fact].join("").contains("organizations:ListTagsForResource"), "{fact}");
        }
        assert!(facts.known.contains_key("state"));
    }

    #[test]
    fn an_account_left_out_on_purpose_is_not_an_account_without_a_trail() {
        let member = member("111111111111", None);
        let mut joins = Joins::new(super::super::Rules::default(), NOW, 7);
        let mut inventory = crate::inventory::Inventory::default();
        inventory.resources.push(member.clone());
        inventory.coverage.skipped.push(crate::inventory::Skip {
            account: account(),
            region: crate::inventory::Region::GLOBAL,
            reason: "excluded by filter".to_owned(),
        });
        joins.index(&inventory);
        joins.finish();
        let facts = Account.facts(&member, &joins);
        assert!(facts.unknown["loggingTrails"].join("").contains("excluded by filter"));
    }

    #[test]
    fn a_gap_over_the_whole_account_hides_its_trails() {
        let gap = Gap { affects: Affects::Account, ..denied("sts:AssumeRole") };
        assert!(trails(&[], &[gap]).unwrap_err().join("").contains("sts:AssumeRole"));
    }
}
