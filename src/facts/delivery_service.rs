//! `Delivery::Service`: what history says of how a service is delivered.
//!
//! In: observations per rule, and the gaps over them. Out: sets that explain themselves, each element one observation with
//! when, who, what and the records behind it. A list that is there and not empty was seen, whatever else could not be; an
//! empty one is a fact only without a gap over it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::joins::Joins;
use super::seen::{Seen, flag, list_at, name, number, property, text_at, text_or};
use super::{Facts, ResourceKind};
use crate::inventory::{Resource, TypeName};

/// Services, as their history shows them.
pub struct DeliveryService;

/// Properties that hold observations, and the facts that they become.
const OBSERVATIONS: &[(&str, &str)] = &[
    ("StarterApprovals", "starterApprovals"),
    ("AuthorApprovals", "authorApprovals"),
    ("NamedAuthorApprovals", "namedAuthorApprovals"),
    ("EditorApprovals", "editorApprovals"),
    ("MachineApprovals", "machineApprovals"),
    ("HastyApprovals", "hastyApprovals"),
    ("ManualStarts", "manualStarts"),
    ("PinnedStarts", "pinnedStarts"),
    ("BypassDeployments", "bypassDeployments"),
    ("BuildOverrides", "buildOverrides"),
    ("DeploymentGroupChanges", "deploymentGroupChanges"),
    ("OverriddenConditions", "overriddenConditions"),
    ("ReopenedTransitions", "reopenedTransitions"),
    ("SkippedRejections", "skippedRejections"),
    ("AbandonedDeployments", "abandonedDeployments"),
    ("Retries", "retries"),
    ("Rollbacks", "rollbacks"),
    ("RefusedAttempts", "refusedAttempts"),
    ("UnguardedDeployments", "unguardedDeployments"),
    ("SilencedAlarms", "silencedAlarms"),
    ("ForeignHookResults", "foreignHookResults"),
    ("RemovedGates", "removedGates"),
    ("RedirectedPipelines", "redirectedPipelines"),
    ("ReviewRuleChanges", "reviewRuleChanges"),
    ("DirectPushes", "directPushes"),
    ("FreezeDeployments", "freezeDeployments"),
];

/// Properties that hold a whole number.
const NUMBERS: &[(&str, &str)] = &[
    ("WindowDays", "windowDays"),
    ("Deployments", "deployments"),
    ("ChangeFailPercent", "changeFailPercent"),
    ("ChangeLeadTimeMinutes", "changeLeadTimeMinutes"),
    ("RecoveryMinutes", "recoveryMinutes"),
    ("PipelineDurationMinutes", "pipelineDurationMinutes"),
    ("TestPassPercent", "testPassPercent"),
];

impl ResourceKind for DeliveryService {
    fn type_name(&self) -> TypeName {
        TypeName::DELIVERY_SERVICE
    }

    fn action(&self) -> &'static str {
        "Deliver"
    }

    fn facts(&self, resource: &Resource, _joins: &Joins) -> Facts {
        let mut facts = Facts::default();
        facts.know("name", name(resource, "Name"));
        facts.put_tags(resource);
        facts.put("productionClassification", text_or(resource, "ProductionClassification", ""));
        facts.put("freezes", freezes(resource));
        for (from, fact) in
            [("DeploysToProduction", "deploysToProduction"), ("DeploysWithCodeDeploy", "deploysWithCodeDeploy")]
        {
            facts.put(fact, told(resource, from, flag));
        }
        for (from, fact) in NUMBERS {
            facts.put(fact, told(resource, from, number));
        }
        for (from, fact) in OBSERVATIONS {
            facts.put(fact, observed(resource, from));
        }
        facts
    }
}

fn freezes(resource: &Resource) -> Seen<BTreeSet<String>> {
    let names = list_at(property(resource, "Freezes")?, &[]).iter().filter_map(Value::as_str);
    Ok(names.map(str::to_owned).collect())
}

/// A property that is always there where it could be seen.
pub(super) fn told<T>(resource: &Resource, name: &str, read: fn(&Value) -> Option<T>) -> Seen<T> {
    let value = property(resource, name)?.and_then(read);
    value.ok_or_else(|| vec![format!("the history of {} does not say `{name}`", resource.uid)])
}

/// Observations as sentences. One that was seen is a fact, whatever lies over the rest.
pub(super) fn observed(resource: &Resource, name: &str) -> Seen<BTreeSet<String>> {
    let list = list_at(resource.properties.get(name), &[]);
    if !list.is_empty() {
        return Ok(list.iter().map(sentence).collect());
    }
    match property(resource, name)? {
        Some(Value::Array(_)) => Ok(BTreeSet::new()),
        _ => Err(vec![format!("the history of {} does not say `{name}`", resource.uid)]),
    }
}

/// `2026-06-10T10:55:03Z alice (Release) approved and started execution 12 of web (event 3c1e, action 77aa)`
fn sentence(observation: &Value) -> String {
    let told = |name: &str| text_at(Some(observation), &[name]);
    let records: Vec<&str> = list_at(Some(observation), &["Records"]).iter().filter_map(Value::as_str).collect();
    format!("{} {} {} ({})", told("Time"), told("Actor"), told("What"), records.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Fact;
    use super::super::testing::*;
    use super::*;

    fn one() -> Value {
        json!([{"Time": "2026-06-10T10:55:03Z", "Actor": "alice", "What": "did it", "Records": ["event e-1", "action a-2"]}])
    }

    #[test]
    fn what_was_seen_is_a_fact_and_nothing_seen_only_without_a_gap() {
        let read = |properties: Value, hidden: bool| {
            let mut service = resource(TypeName::DELIVERY_SERVICE, "web", properties);
            if hidden {
                service.unseen.insert("ManualStarts".to_owned(), denied("cloudtrail:LookupEvents"));
            }
            DeliveryService.facts(&service, &joins(&[], &[]))
        };
        let expected =
            Fact::Set(BTreeSet::from(["2026-06-10T10:55:03Z alice did it (event e-1, action a-2)".to_owned()]));
        for hidden in [false, true] {
            assert_eq!(read(json!({"ManualStarts": one()}), hidden).known["manualStarts"], expected);
        }
        assert_eq!(read(json!({"ManualStarts": []}), false).known["manualStarts"], Fact::Set(BTreeSet::new()));
        let blind = read(json!({"ManualStarts": []}), true);
        assert!(blind.unknown["manualStarts"][0].contains("cloudtrail:LookupEvents"));
        assert!(read(json!({}), false).unknown.contains_key("manualStarts"), "nothing said is not nothing seen");
    }

    #[test]
    fn a_number_that_is_not_there_is_unknown() {
        let mut service = resource(TypeName::DELIVERY_SERVICE, "web", json!({"ChangeFailPercent": 12}));
        service.unseen.insert("RecoveryMinutes".to_owned(), denied("codepipeline:ListActionExecutions"));
        let facts = DeliveryService.facts(&service, &joins(&[], &[]));
        assert_eq!(facts.known["changeFailPercent"], Fact::Long(12));
        assert!(facts.unknown.contains_key("recoveryMinutes") && facts.unknown.contains_key("testPassPercent"));
    }
}
