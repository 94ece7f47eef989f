//! Who may change the definition of a pipeline besides the review that its source went through.
//!
//! In: a pipeline and the guardrails of its account. Out: the facts that say whether `UpdatePipeline` is denied on it,
//! and to whom it is not. It exists because a gate that everybody may take out of the definition is none.

use std::collections::BTreeSet;

use super::Facts;
use super::guardrail::rails;
use super::joins::Joins;
use crate::inventory::Resource;

const UPDATE: &str = "codepipeline:UpdatePipeline";

/// Adds the facts about changes of the definition.
pub(super) fn put(facts: &mut Facts, resource: &Resource, joins: &Joins) {
    let rails = rails(&resource.account, UPDATE, Some(resource.uid.as_str()), joins);
    let unguarded = rails.unguarded(UPDATE);
    let spared = unguarded.clone().map(|_| rails.denied.clone().unwrap_or_default());
    facts.put::<BTreeSet<String>>("unguardedDefinitionChanges", unguarded.map(|action| action.into_iter().collect()));
    facts.put("definitionChangers", spared);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::*;
    use super::super::{Fact, Pipeline, ResourceKind};
    use super::*;
    use crate::inventory::{Region, TypeName};

    fn facts(statement: &Value) -> Facts {
        let pipeline = resource(TypeName::PIPELINE, "web", json!({"Name": "web"}));
        let mut account = member("111111111111", None);
        let attached = json!([{"Id": "p-1", "Name": "Guard", "TargetId": "ou-1"}]);
        account.properties.insert("ServiceControlPolicies".to_owned(), attached);
        let uid = "arn:aws:organizations::999999999999:policy/o-own/p-1".to_owned();
        let mut policy = Resource::live(TypeName::POLICY, uid, "999999999999".parse().unwrap(), Region::GLOBAL);
        let allow = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
        let properties = json!({"Id": "p-1", "Name": "Guard", "Content": {"Statement": [allow, statement]}});
        policy.properties = properties.as_object().unwrap().clone();
        Pipeline.facts(&pipeline, &joins(&[pipeline.clone(), account, policy], &[]))
    }

    fn set(facts: &Facts, name: &str) -> Vec<String> {
        match facts.known.get(name) {
            Some(Fact::Set(set)) => set.iter().cloned().collect(),
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn a_denial_for_this_pipeline_is_enough_for_this_pipeline() {
        let deny = |resource: &str| json!({"Effect": "Deny", "Action": "codepipeline:*", "Resource": resource});
        for resource in ["*", "arn:aws:codepipeline:*:*:web", "arn:aws:codepipeline:eu-west-1:111111111111:w*"] {
            assert!(set(&facts(&deny(resource)), "unguardedDefinitionChanges").is_empty(), "{resource}");
        }
        let other = facts(&deny("arn:aws:codepipeline:*:*:other"));
        assert_eq!(
            set(&other, "unguardedDefinitionChanges"),
            ["codepipeline:UpdatePipeline (Guard: only for some resources)"]
        );
    }

    #[test]
    fn whom_the_denial_spares_is_named() {
        let role = "arn:aws:iam::*:role/Deployment";
        let condition = json!({"StringNotLike": {"aws:PrincipalArn": role}});
        let facts = facts(&json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}));
        assert!(set(&facts, "unguardedDefinitionChanges").is_empty());
        assert_eq!(set(&facts, "definitionChangers"), [role]);
    }

    #[test]
    fn without_the_organization_nothing_is_known() {
        let pipeline = resource(TypeName::PIPELINE, "web", json!({"Name": "web"}));
        let facts = Pipeline.facts(&pipeline, &joins(std::slice::from_ref(&pipeline), &[]));
        assert!(facts.unknown.contains_key("unguardedDefinitionChanges"));
        assert!(facts.unknown.contains_key("definitionChangers"));
    }
}
