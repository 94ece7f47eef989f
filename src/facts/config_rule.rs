//! What AWS Config itself records and finds in an account.
//!
//! In: recorders, and rules about the delivery path with their compliance. Out: the facts of the account that holds them.

use std::collections::{BTreeMap, BTreeSet};

use super::Facts;
use super::joins::{Joins, place};
use super::seen::{Found, Seen, is_set, name, text};
use crate::inventory::{AccountId, Region, Resource, TypeName};

/// Types that make a Region one in which something is delivered.
const DELIVERY: [TypeName; 3] = [TypeName::APPLICATION, TypeName::PIPELINE, TypeName::PROJECT];

/// What AWS Config does in an account, by Region.
#[derive(Debug, Default)]
pub(super) struct Configured {
    /// Where recorders and rules were asked for.
    asked: BTreeMap<AccountId, BTreeSet<Region>>,
    /// Where something is delivered.
    delivering: BTreeMap<AccountId, BTreeSet<Region>>,
    /// Whether any recorder of the place records.
    recording: BTreeMap<(AccountId, Region), Seen<bool>>,
    /// What AWS Config found by the rules of the place.
    rules: BTreeMap<(AccountId, Region), BTreeMap<String, Seen<String>>>,
}

impl Configured {
    /// AWS Config was asked for something there.
    pub(super) fn ask(&mut self, account: &AccountId, region: &Region) {
        self.asked.entry(account.clone()).or_default().insert(region.clone());
    }

    /// Something was seen there.
    pub(super) fn see(&mut self, resource: &Resource) {
        if DELIVERY.contains(&resource.type_name) {
            self.delivering.entry(resource.account.clone()).or_default().insert(resource.region.clone());
        }
    }
}

/// Leaves a recorder in the joins.
pub(super) fn index_recorder(resource: &Resource, joins: &mut Joins) {
    let records = is_set(resource, "Recording");
    let known = joins.configured.recording.entry(place(resource)).or_insert(Ok(false));
    if *known != Ok(true) && records != Ok(false) {
        *known = records;
    }
}

/// Leaves a rule in the joins.
pub(super) fn index(resource: &Resource, joins: &mut Joins) {
    let compliance = text(resource, "ComplianceType").map(|found| found.unwrap_or("INSUFFICIENT_DATA").to_owned());
    let name = name(resource, "ConfigRuleName").to_owned();
    joins.configured.rules.entry(place(resource)).or_default().insert(name, compliance);
}

/// Adds the facts of an account.
pub(super) fn put(facts: &mut Facts, account: &AccountId, joins: &Joins) {
    let everywhere = hidden(account, &Region::GLOBAL, joins);
    let found = || Found { doubts: everywhere.clone(), ..Found::default() };
    let (mut regions, mut silent, mut rules, mut violated) = (found(), found(), found(), found());
    let none = BTreeSet::new();
    let delivering = joins.configured.delivering.get(account).unwrap_or(&none);
    let asked = joins.configured.asked.get(account).unwrap_or(&none);
    for region in asked.union(delivering) {
        // Where deliveries may be hidden, whatever is wrong is wrong only if they are there.
        let hidden = if delivering.contains(region) { Vec::new() } else { hidden(account, region, joins) };
        if delivering.contains(region) {
            regions.add(region.as_str());
        } else if hidden.is_empty() {
            continue;
        }
        regions.doubt(&hidden);
        let mut here = Here::default();
        here.look(account, region, joins);
        for (of_account, of_region) in
            [(&mut silent, here.silent), (&mut rules, here.rules), (&mut violated, here.violated)]
        {
            if hidden.is_empty() {
                of_account.certain.extend(of_region.certain);
            } else if !of_region.certain.is_empty() {
                of_account.doubt(&hidden);
            }
            of_account.doubt(&of_region.doubts);
        }
    }
    facts.put("deliveryRegions", regions.decided());
    facts.put("regionsWithoutConfigRecorder", silent.decided());
    facts.put("deliveryConfigRules", rules.decided());
    facts.put("nonCompliantConfigRules", violated.decided());
}

/// Why something may be delivered from a Region although nothing was seen there.
fn hidden(account: &AccountId, region: &Region, joins: &Joins) -> Vec<String> {
    DELIVERY.iter().flat_map(|name| joins.gaps.over(account, Some(region), name)).collect()
}

/// What AWS Config does in one Region.
#[derive(Default)]
struct Here {
    silent: Found,
    rules: Found,
    violated: Found,
}

impl Here {
    fn look(&mut self, account: &AccountId, region: &Region, joins: &Joins) {
        let place = (account.clone(), region.clone());
        let gaps = joins.gaps.over(account, Some(region), &TypeName::RECORDER);
        match joins.configured.recording.get(&place) {
            Some(Ok(true)) => {}
            Some(Err(sentences)) => self.silent.doubt(sentences),
            _ if !gaps.is_empty() => self.silent.doubt(&gaps),
            Some(Ok(false)) | None => self.silent.add(region.as_str()),
        }
        let gaps = joins.gaps.over(account, Some(region), &TypeName::CONFIG_RULE);
        self.rules.doubt(&gaps);
        self.violated.doubt(&gaps);
        for (name, compliance) in joins.configured.rules.get(&place).into_iter().flatten() {
            let label = format!("{region}/{name}");
            match compliance.as_deref() {
                Ok("NON_COMPLIANT") => self.violated.add(label.as_str()),
                Ok("INSUFFICIENT_DATA") => {
                    self.violated.doubt(&[format!("AWS Config has no result for its rule {label} yet")]);
                }
                Ok(_) => {}
                Err(sentences) => self.violated.doubt(sentences),
            }
            self.rules.add(label);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::*;
    use super::super::{Account, Fact, ResourceKind, Rules};
    use super::*;
    use crate::inventory::{CoverageKey, Gap, Inventory, Outcome};

    fn recorder(recording: bool) -> Resource {
        resource(TypeName::RECORDER, "default", json!({"Name": "default", "Recording": recording}))
    }

    fn rule(name: &str, compliance: Option<&str>) -> Resource {
        let properties: Value = match compliance {
            Some(compliance) => json!({"ConfigRuleName": name, "ComplianceType": compliance}),
            None => json!({ "ConfigRuleName": name }),
        };
        resource(TypeName::CONFIG_RULE, name, properties)
    }

    fn facts(resources: &[Resource], gaps: &[Gap]) -> Facts {
        facts_of(&[resources, &[resource(TypeName::PIPELINE, "web", json!({"Name": "web"}))]].concat(), gaps)
    }

    fn facts_of(resources: &[Resource], gaps: &[Gap]) -> Facts {
        let member = member("111111111111", None);
        let mut inventory = Inventory { resources: resources.to_vec(), gaps: gaps.to_vec(), ..Inventory::default() };
        inventory.resources.push(member.clone());
        let key = CoverageKey {
            account: account(),
            region: region(),
            service: "config".to_owned(),
            action: "DescribeConfigurationRecorders".to_owned(),
        };
        inventory.coverage.record(key, Outcome::Ok);
        let mut joins = Joins::new(Rules::default(), NOW, 7);
        joins.index(&inventory);
        joins.finish();
        Account.facts(&member, &joins)
    }

    fn set(facts: &Facts, name: &str) -> Vec<String> {
        match facts.known.get(name) {
            Some(Fact::Set(set)) => set.iter().cloned().collect(),
            other => panic!("{name}: {other:?}, unknown: {:?}", facts.unknown),
        }
    }

    #[test]
    fn a_region_without_a_running_recorder_is_named() {
        assert_eq!(set(&facts(&[], &[]), "regionsWithoutConfigRecorder"), ["eu-west-1"]);
        assert_eq!(set(&facts(&[recorder(false)], &[]), "regionsWithoutConfigRecorder"), ["eu-west-1"]);
        assert_eq!(set(&facts(&[recorder(true)], &[]), "regionsWithoutConfigRecorder"), Vec::<String>::new());
        assert_eq!(set(&facts(&[], &[]), "deliveryRegions"), ["eu-west-1"]);
    }

    #[test]
    fn a_recorder_that_could_not_be_seen_is_unknown() {
        let gap = denied_types("config:DescribeConfigurationRecorders", &[TypeName::RECORDER]);
        assert!(facts(&[], &[gap]).unknown.contains_key("regionsWithoutConfigRecorder"));
        let mut hidden = recorder(true);
        hidden.properties.remove("Recording");
        hidden.unseen.insert("Recording".to_owned(), denied("config:DescribeConfigurationRecorderStatus"));
        assert!(facts(&[hidden], &[]).unknown.contains_key("regionsWithoutConfigRecorder"));
    }

    #[test]
    fn what_config_finds_counts_and_what_it_does_not_know_yet_is_unknown() {
        let bad = rule("locks", Some("NON_COMPLIANT"));
        let good = rule("logs", Some("COMPLIANT"));
        let none = rule("keys", Some("INSUFFICIENT_DATA"));
        let facts_with = |rules: &[Resource]| facts(rules, &[]);
        let found = facts_with(&[bad.clone(), none.clone()]);
        assert_eq!(set(&found, "nonCompliantConfigRules"), ["eu-west-1/locks"]);
        assert_eq!(set(&found, "deliveryConfigRules"), ["eu-west-1/keys", "eu-west-1/locks"]);
        assert_eq!(set(&facts_with(std::slice::from_ref(&good)), "nonCompliantConfigRules"), Vec::<String>::new());
        assert!(facts_with(&[good, none]).unknown.contains_key("nonCompliantConfigRules"));
        assert!(facts_with(&[rule("new", None)]).unknown.contains_key("nonCompliantConfigRules"));
        let gap = denied_types("config:DescribeConfigRules", &[TypeName::CONFIG_RULE]);
        let hidden = facts(&[], &[gap]);
        assert!(hidden.unknown.contains_key("nonCompliantConfigRules"));
        assert!(hidden.unknown.contains_key("deliveryConfigRules"));
    }
    #[test]
    fn where_nothing_is_delivered_nothing_is_asked_of_config_and_where_it_is_hidden_it_is_unknown() {
        let bad = rule("locks", Some("NON_COMPLIANT"));
        let empty = facts_of(std::slice::from_ref(&bad), &[]);
        assert_eq!(set(&empty, "deliveryRegions"), Vec::<String>::new());
        assert_eq!(set(&empty, "nonCompliantConfigRules"), Vec::<String>::new());
        let gap = denied_types("codepipeline:ListPipelines", &[TypeName::PIPELINE]);
        let hidden = facts_of(&[bad], std::slice::from_ref(&gap));
        for fact in
            ["deliveryRegions", "regionsWithoutConfigRecorder", "deliveryConfigRules", "nonCompliantConfigRules"]
        {
            assert_eq!(hidden.unknown[fact], [gap.sentence()], "{fact}");
        }
        let elsewhere = Gap { region: Region::GLOBAL, ..gap };
        assert!(facts_of(&[], &[elsewhere]).unknown.contains_key("deliveryRegions"));
    }
}
