//! How an account is governed: whether somebody answers for it, what the organization keeps it from, whom it administers,
//! and whether AWS Config records and approves what is delivered from it.
//!
//! In: an account as Organizations lists it, the guardrails on its path, and what AWS Config says inside it. Out: facts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Facts;
use super::guardrail::{self, BUCKET_ACTIONS, KEY_ACTIONS, PIPELINE_ACTIONS, Rails, TRAIL_ACTIONS};
use super::joins::Joins;
use super::seen::{Found, Seen, is_set, list_at, property, tags, text_at};
use crate::inventory::{AccountId, Arn, Resource};

/// Actions that begin something in a Region; whoever may do all of them may deliver there.
const REGIONAL_ACTIONS: [&str; 8] = [
    "cloudformation:CreateStack",
    "codebuild:StartBuild",
    "codedeploy:CreateDeployment",
    "codepipeline:CreatePipeline",
    "ec2:RunInstances",
    "ecr:CreateRepository",
    "ecs:CreateService",
    "lambda:CreateFunction",
];

/// Adds all facts about how an account is governed.
pub(super) fn put(facts: &mut Facts, resource: &Resource, joins: &Joins) {
    facts.put("inOrganization", in_organization(resource));
    facts.put("missingTags", missing_tags(resource, joins));
    facts.put("serviceControlPoliciesEnabled", guardrail::service_control_enabled(resource));
    facts.put("resourceControlPolicies", names(resource, "ResourceControlPolicies"));
    put_guardrails(facts, &resource.account, joins);
    put_regions(facts, &resource.account, joins);
    put_delegation(facts, resource, joins);
    super::config_rule::put(facts, &resource.account, joins);
}

/// An account of an organization has the organization in its ARN; one that was audited alone was not asked.
fn in_organization(resource: &Resource) -> Seen<bool> {
    let arn = Arn::parse(resource.uid.as_str()).ok();
    let listed = arn.and_then(|arn| arn.resource.split('/').nth(1)).is_some_and(|id| id.starts_with("o-"));
    if listed { Ok(true) } else { is_set(resource, "ManagementAccount").map(|_| false) }
}

fn missing_tags(resource: &Resource, joins: &Joins) -> Seen<BTreeSet<String>> {
    let tags = tags(resource)?;
    let has = |wanted: &str| tags.iter().any(|(key, value)| key.eq_ignore_ascii_case(wanted) && !value.is_empty());
    Ok(joins.rules.required_account_tags.0.iter().filter(|wanted| !has(wanted)).cloned().collect())
}

fn names(resource: &Resource, name: &str) -> Seen<BTreeSet<String>> {
    let policies = list_at(property(resource, name)?, &[]).iter();
    Ok(policies.map(|policy| text_at(Some(policy), &["Name"]).to_owned()).collect())
}

fn put_guardrails(facts: &mut Facts, account: &AccountId, joins: &Joins) {
    let rails: BTreeMap<&str, Rails> =
        guardrail::protected().map(|action| (action, guardrail::rails(account, action, None, joins))).collect();
    let unguarded = |actions: &[&str]| {
        let mut found = Found::default();
        for (action, rails) in rails.iter().filter(|(action, _)| actions.contains(action)) {
            match rails.unguarded(action) {
                Ok(element) => found.certain.extend(element),
                Err(sentences) => found.doubt(&sentences),
            }
        }
        found.decided()
    };
    facts.put("unguardedTrailActions", unguarded(TRAIL_ACTIONS));
    facts.put("unguardedBucketActions", unguarded(BUCKET_ACTIONS));
    facts.put("unguardedKeyActions", unguarded(KEY_ACTIONS));
    facts.put("unguardedPipelineActions", unguarded(PIPELINE_ACTIONS));
    let spared = rails.iter().flat_map(|(action, rails)| {
        rails.denied.iter().flatten().map(move |principal| format!("{action}: {principal}"))
    });
    // Only denials that were found spare anybody, so this is known even where others could not be read.
    facts.know("guardrailExemptions", spared.collect::<BTreeSet<_>>());

    let (guards, doubts) = guardrail::guards(account, joins);
    let mut policies = Found { doubts: doubts.clone(), ..Found::default() };
    let mut missing = Found { doubts, ..Found::default() };
    for guard in guards {
        policies.add(guard.name);
        for action in guard.actions {
            match rails.get(action).map(|rails| rails.unguarded(action)) {
                Some(Ok(Some(_))) => missing.add(format!("{action}: {} ({})", guard.name, attached(guard.targets))),
                Some(Err(sentences)) => missing.doubt(&sentences),
                _ => {}
            }
        }
    }
    facts.put("guardrailPolicies", policies.decided());
    facts.put("guardrailsNotReaching", missing.decided());
}

fn attached(targets: &BTreeSet<String>) -> String {
    if targets.is_empty() {
        return "attached to nothing".to_owned();
    }
    format!("attached to {}", targets.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
}

fn put_regions(facts: &mut Facts, account: &AccountId, joins: &Joins) {
    let mut unrestricted = Found::default();
    let mut allowed = BTreeSet::new();
    let mut spared = BTreeSet::new();
    for action in REGIONAL_ACTIONS {
        let rails = guardrail::rails(account, action, None, joins);
        match rails.unrestricted(action) {
            Ok(element) => unrestricted.certain.extend(element),
            Err(sentences) => unrestricted.doubt(&sentences),
        }
        allowed.extend(rails.regions.iter().flatten().cloned());
        spared.extend(rails.spared_in_regions.iter().cloned());
    }
    facts.put("regionUnrestrictedActions", unrestricted.decided());
    facts.know("allowedRegions", allowed);
    facts.know("regionExemptions", spared);
}

fn put_delegation(facts: &mut Facts, resource: &Resource, joins: &Joins) {
    let services = property(resource, "DelegatedServices");
    let texts = |services| -> BTreeSet<String> {
        list_at(services, &[]).iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let services = services.map(texts);
    let administers = services.as_ref().map_or(true, |services| !services.is_empty());
    facts.put("delegatedServices", services);
    let trusted = &joins.rules.delegated_administrators;
    // Whoever administers nothing needs nobody's word.
    let known = if trusted.is_empty() && administers {
        Err(vec![
            "nobody has said which delegated administrators are trusted; list them as `delegated_administrators` under `[organization]` in the configuration"
                .to_owned(),
        ])
    } else {
        Ok(trusted.contains(&resource.account))
    };
    facts.put("trustedDelegatedAdministrator", known);
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::super::{Account, Fact, ResourceKind, Rules};
    use super::*;
    use crate::inventory::{Region, TypeName};

    fn set(facts: &Facts, name: &str) -> Vec<String> {
        match facts.known.get(name) {
            Some(Fact::Set(set)) => set.iter().cloned().collect(),
            other => panic!("{name}: {other:?}, unknown: {:?}", facts.unknown),
        }
    }

    fn policy(id: &str, targets: Value, content: Value) -> Resource {
        let uid = format!("arn:aws:organizations::999999999999:policy/o-own/{id}");
        let mut policy = Resource::live(TypeName::POLICY, uid, "999999999999".parse().unwrap(), Region::GLOBAL);
        let properties = json!({
            "Id": id, "Name": format!("name-{id}"), "Type": "SERVICE_CONTROL_POLICY", "Content": content,
            "TargetIds": targets,
        });
        policy.properties = properties.as_object().unwrap().clone();
        policy
    }

    fn allow_all() -> Resource {
        policy("p-full", json!(["r-1"]), json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}))
    }

    fn facts_of(member: &Resource, policies: &[Resource]) -> Facts {
        let all: Vec<Resource> = policies.iter().cloned().chain([member.clone()]).collect();
        Account.facts(member, &joins(&all, &[]))
    }

    fn attached(ids: &[&str]) -> Resource {
        let mut account = member("111111111111", Some(("owner", "team")));
        let list: Vec<Value> = ids.iter().map(|id| json!({"Id": id, "Name": id, "TargetId": "r-1"})).collect();
        account.properties.insert("ServiceControlPolicies".to_owned(), json!(list));
        account
    }

    #[test]
    fn a_guardrail_on_a_sibling_is_named_as_not_reaching() {
        let content = json!({"Statement": {"Effect": "Deny", "Action": "kms:DisableKey", "Resource": "*",
            "Condition": {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Keys"}}}});
        let elsewhere = policy("p-1", json!(["ou-9"]), content);
        let facts = facts_of(&attached(&["p-full"]), &[allow_all(), elsewhere.clone()]);
        assert_eq!(set(&facts, "guardrailPolicies"), ["name-p-1"]);
        assert_eq!(set(&facts, "guardrailsNotReaching"), ["kms:DisableKey: name-p-1 (attached to ou-9)"]);
        assert_eq!(set(&facts, "unguardedKeyActions"), ["kms:DisableKey", "kms:ScheduleKeyDeletion"]);
        let facts = facts_of(&attached(&["p-full", "p-1"]), &[allow_all(), elsewhere]);
        assert_eq!(set(&facts, "guardrailsNotReaching"), Vec::<String>::new());
        assert_eq!(set(&facts, "unguardedKeyActions"), ["kms:ScheduleKeyDeletion"]);
        assert_eq!(set(&facts, "guardrailExemptions"), ["kms:DisableKey: arn:aws:iam::*:role/Keys"]);
    }

    #[test]
    fn without_any_guardrail_nothing_fails_to_reach() {
        let facts = facts_of(&attached(&["p-full"]), &[allow_all()]);
        assert_eq!(set(&facts, "guardrailPolicies"), Vec::<String>::new());
        assert_eq!(set(&facts, "guardrailsNotReaching"), Vec::<String>::new());
        assert_eq!(set(&facts, "unguardedTrailActions").len(), 2);
        assert_eq!(set(&facts, "regionUnrestrictedActions").len(), REGIONAL_ACTIONS.len());
    }

    #[test]
    fn a_policy_that_could_not_be_read_leaves_all_of_it_unknown() {
        let mut hidden = policy("p-1", json!([]), json!({}));
        hidden.properties.remove("Content");
        hidden.unseen.insert("Content".to_owned(), denied("organizations:DescribePolicy"));
        let facts = facts_of(&attached(&["p-full", "p-1"]), &[allow_all(), hidden]);
        for fact in [
            "unguardedTrailActions",
            "unguardedBucketActions",
            "unguardedKeyActions",
            "unguardedPipelineActions",
            "regionUnrestrictedActions",
            "guardrailPolicies",
            "guardrailsNotReaching",
        ] {
            assert!(facts.unknown[fact].join("").contains("organizations:DescribePolicy"), "{fact}");
        }
    }

    #[test]
    fn tags_may_be_written_in_any_case_but_not_empty() {
        let mut account = attached(&[]);
        assert_eq!(set(&facts_of(&account, &[]), "missingTags"), ["environment"]);
        account.tags.insert("Environment".to_owned(), String::new());
        assert_eq!(set(&facts_of(&account, &[]), "missingTags"), ["environment"]);
        account.tags.insert("ENVIRONMENT".to_owned(), "dev".to_owned());
        assert_eq!(set(&facts_of(&account, &[]), "missingTags"), Vec::<String>::new());
    }

    #[test]
    fn a_delegated_administrator_is_trusted_only_if_somebody_said_so() {
        let mut account = attached(&[]);
        account.properties.insert("DelegatedServices".to_owned(), json!(["config.amazonaws.com"]));
        let facts = facts_of(&account, &[]);
        assert_eq!(set(&facts, "delegatedServices"), ["config.amazonaws.com"]);
        assert!(facts.unknown["trustedDelegatedAdministrator"].join("").contains("[organization]"));
        for (id, expected) in [("111111111111", true), ("222222222222", false)] {
            let rules = Rules { delegated_administrators: [id.parse().unwrap()].into(), ..Rules::default() };
            let facts = Account.facts(&account, &joins_by(rules, std::slice::from_ref(&account), &[]));
            assert_eq!(facts.known["trustedDelegatedAdministrator"], Fact::Bool(expected));
        }
    }

    #[test]
    fn an_account_that_is_audited_alone_was_not_asked_about_its_organization() {
        let mut account = member("111111111111", None);
        account.uid.0 = "arn:aws:organizations::111111111111:account/none/111111111111".to_owned();
        account.properties.remove("ManagementAccount");
        account.unseen.insert("ManagementAccount".to_owned(), denied("organizations:DescribeOrganization"));
        let facts = facts_of(&account, &[]);
        assert!(facts.unknown.contains_key("inOrganization") && facts.unknown.contains_key("managementAccount"));
    }
}
