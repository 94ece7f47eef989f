//! Which actions of pipelines, and which deployment groups, are production, for those who are not policies.
//!
//! In: the configuration's rules, resources, and a pipeline as it is defined or as its executions show it. Out: a
//! [`Deploying`] for every action that deploys or may. It exists so that history and policies mean the same by
//! "production": nothing is decided here that `deploying` and `production` do not decide.

use serde_json::Value;

use super::deploying::{self, Candidate, Judged};
use super::joins::Joins;
use super::pipeline_definition::Definition;
use super::production::{Environment, ProductionRules};
use super::rules::Rules;
use super::seen::property;
use super::{deployment_group, pipeline};
use crate::inventory::{AccountId, Inventory, Region, Resource};

/// What the rules say of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is production.
    Production {
        /// The rule in words.
        why: String,
        /// Whether it is only the last that deploys.
        is_assumed: bool,
    },
    /// It is something else.
    Other {
        /// The rule in words.
        why: String,
    },
    /// No rule says anything.
    Undecided,
}

impl From<Environment> for Verdict {
    fn from(environment: Environment) -> Self {
        match environment {
            Environment::Production(why) => Self::Production { is_assumed: why.starts_with("assumed: "), why },
            Environment::NonProduction(why) => Self::Other { why },
            Environment::Undecided => Self::Undecided,
        }
    }
}

/// An action that changes a target, or may.
#[derive(Debug, Clone)]
pub(crate) struct Deploying {
    /// Position of its stage.
    pub(crate) position: usize,
    /// Name of its stage.
    pub(crate) stage: String,
    /// Its name.
    pub(crate) action: String,
    /// Where it acts.
    pub(crate) account: AccountId,
    /// Where it acts.
    pub(crate) region: Region,
    /// `application/group`, if it deploys through `CodeDeploy`.
    pub(crate) group: Option<String>,
    /// Whether it changes a target, or why that is not known.
    pub(crate) deploys: Result<bool, Vec<String>>,
    /// What the target is, or why that is not known.
    pub(crate) verdict: Result<Verdict, Vec<String>>,
}

/// Judges pipelines and deployment groups by the configuration's rules.
pub(crate) struct ProductionJudge(Joins);

impl ProductionJudge {
    /// A judge that knows these resources.
    pub(crate) fn new<'a>(rules: &ProductionRules, resources: impl Iterator<Item = &'a Resource>) -> Self {
        let rules = Rules { production: rules.clone(), ..Rules::default() };
        // Neither the moment nor stale alarms have a say in what production is.
        let mut joins = Joins::new(rules, time::OffsetDateTime::UNIX_EPOCH, 0);
        joins.index(&Inventory { resources: resources.cloned().collect(), ..Inventory::default() });
        joins.finish();
        Self(joins)
    }

    /// The actions of a pipeline that deploy or may; those whose stage and name `is_named` deploy whatever they are.
    ///
    /// # Errors
    /// The sentences of the gap over its stages.
    pub(crate) fn actions(
        &self,
        resource: &Resource,
        is_named: impl Fn(&str, &str) -> bool,
    ) -> Result<Vec<Deploying>, Vec<String>> {
        let mut stages = property(resource, "Stages")?.cloned();
        if let Some(stages) = stages.as_mut() {
            call_deployments(stages, is_named);
        }
        let definition = Definition::read(stages.as_ref());
        let candidates = deploying::candidates(resource, &definition, pipeline::stack(resource), &self.0);
        let judged = deploying::judge(&candidates, &pipeline::tagged(resource, &self.0), &self.0);
        let both = candidates.into_iter().zip(judged);
        Ok(both.filter_map(|(candidate, judged)| of(&definition, candidate, judged)).collect())
    }

    /// What a deployment group is.
    pub(crate) fn group(&self, resource: &Resource) -> Result<Verdict, Vec<String>> {
        deployment_group::environment(resource, &self.0).map(Verdict::from)
    }
}

fn of(definition: &Definition<'_>, candidate: Candidate, judged: Judged) -> Option<Deploying> {
    let action = definition.actions.get(candidate.action)?;
    Some(Deploying {
        position: candidate.stage,
        stage: action.stage_name.to_owned(),
        action: action.name.to_owned(),
        account: candidate.account,
        region: candidate.region,
        group: candidate.group,
        deploys: judged.deploys,
        verdict: judged.environment.map(Verdict::from),
    })
}

/// Gives the named actions the category that says what they are.
fn call_deployments(stages: &mut Value, is_named: impl Fn(&str, &str) -> bool) {
    for stage in stages.as_array_mut().into_iter().flatten() {
        let name = stage.get("Name").and_then(Value::as_str).unwrap_or_default().to_owned();
        for action in stage.get_mut("Actions").and_then(Value::as_array_mut).into_iter().flatten() {
            let is_named = action.get("Name").and_then(Value::as_str).is_some_and(|action| is_named(&name, action));
            let kind = action.get_mut("ActionTypeId").and_then(Value::as_object_mut);
            if let Some(kind) = kind.filter(|_| is_named) {
                kind.insert("Category".to_owned(), Value::from("Deploy"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::*;
    use crate::inventory::TypeName;

    #[test]
    fn an_action_that_is_named_deploys_and_is_judged_like_any_other() {
        let stages = json!([{"Name": "Live", "Actions": [{"Name": "Job",
            "ActionTypeId": {"Category": "Invoke", "Provider": "Lambda"}, "Configuration": {"FunctionName": "job"}}]},
            {"Name": "After", "Actions": [{"Name": "Migrate",
            "ActionTypeId": {"Category": "Invoke", "Provider": "Lambda"}, "Configuration": {"FunctionName": "job"}}]}]);
        let pipeline = resource(TypeName::PIPELINE, "web", json!({"Name": "web", "Stages": stages}));
        let judge = ProductionJudge::new(&ProductionRules::default(), std::iter::empty());
        let named = judge.actions(&pipeline, |stage, action| (stage, action) == ("After", "Migrate")).unwrap();
        let found: Vec<_> = named.iter().map(|it| (it.stage.as_str(), it.deploys.clone())).collect();
        assert_eq!(found, [("Live", Ok(true)), ("After", Ok(true))]);
        assert!(matches!(named[0].verdict, Ok(Verdict::Production { is_assumed: false, .. })));
        let unnamed = judge.actions(&pipeline, |_, _| false).unwrap();
        assert_eq!(unnamed.len(), 1);
    }
}
