//! What AWS Config itself records and finds in an account.
//!
//! In: recorders, and rules about the delivery path with their compliance. Out: the facts of the account that holds them.

use std::collections::{BTreeMap, BTreeSet};

use super::Facts;
use super::joins::{Joins, place};
use super::seen::{Found, Seen, is_set, name, text};
use crate::inventory::{AccountId, Region, Resource, TypeName};

/// What AWS Config does in an account, by Region.
#[derive(Debug, Default)]
pub(super) struct Configured {
    /// Where recorders were asked for: Regions in which something is delivered.
    asked: BTreeMap<AccountId, BTreeSet<Region>>,
    /// Whether any recorder of the place records.
    recording: BTreeMap<(AccountId, Region), Seen<bool>>,
    /// By `Region/name`, what AWS Config found by the rule.
    rules: BTreeMap<AccountId, BTreeMap<String, Seen<String>>>,
}

impl Configured {
    /// AWS Config was asked for something there.
    pub(super) fn ask(&mut self, account: &AccountId, region: &Region) {
        self.asked.entry(account.clone()).or_default().insert(region.clone());
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
    let label = format!("{}/{}", resource.region, name(resource, "ConfigRuleName"));
    joins.configured.rules.entry(resource.account.clone()).or_default().insert(label, compliance);
}

/// Adds the facts of an account.
pub(super) fn put(facts: &mut Facts, account: &AccountId, joins: &Joins) {
    let asked = joins.configured.asked.get(account);
    let mut silent = Found::default();
    for region in asked.into_iter().flatten() {
        let gaps = joins.gaps.over(account, Some(region), &TypeName::RECORDER);
        match joins.configured.recording.get(&(account.clone(), region.clone())) {
            Some(Ok(true)) => {}
            Some(Err(sentences)) => silent.doubt(sentences),
            _ if !gaps.is_empty() => silent.doubt(&gaps),
            Some(Ok(false)) | None => silent.add(region.as_str()),
        }
    }
    let unseen = joins.why_unseen(account, None, &TypeName::CONFIG_RULE);
    let rules = joins.configured.rules.get(account);
    let mut violated = Found { doubts: unseen.clone(), ..Found::default() };
    for (label, compliance) in rules.into_iter().flatten() {
        match compliance.as_deref() {
            Ok("NON_COMPLIANT") => violated.add(label),
            Ok("INSUFFICIENT_DATA") => violated.doubt(&[format!("AWS Config has no result for its rule {label} yet")]),
            Ok(_) => {}
            Err(sentences) => violated.doubt(sentences),
        }
    }
    let labels: BTreeSet<String> = rules.into_iter().flatten().map(|(label, _)| label.clone()).collect();
    let regions: BTreeSet<String> = asked.into_iter().flatten().map(ToString::to_string).collect();
    facts.put("deliveryRegions", found_or_unseen(regions, &joins.why_unseen(account, None, &TypeName::RECORDER)));
    facts.put("regionsWithoutConfigRecorder", silent.decided());
    facts.put("deliveryConfigRules", found_or_unseen(labels, &unseen));
    facts.put("nonCompliantConfigRules", violated.decided());
}

/// A set that is asked whether it is empty.
fn found_or_unseen(certain: BTreeSet<String>, doubts: &[String]) -> Seen<BTreeSet<String>> {
    Found { certain, doubts: doubts.to_vec() }.decided()
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
        assert_eq!(set(&facts_with(&[good.clone()]), "nonCompliantConfigRules"), Vec::<String>::new());
        assert!(facts_with(&[good, none]).unknown.contains_key("nonCompliantConfigRules"));
        assert!(facts_with(&[rule("new", None)]).unknown.contains_key("nonCompliantConfigRules"));
        let gap = denied_types("config:DescribeConfigRules", &[TypeName::CONFIG_RULE]);
        let hidden = facts(&[], &[gap]);
        assert!(hidden.unknown.contains_key("nonCompliantConfigRules"));
        assert!(hidden.unknown.contains_key("deliveryConfigRules"));
    }
}
