//! What of a pipeline is production.
//!
//! In: a pipeline's definition, or, where there is none, what its executions show. Out: the `stage/action` that deploy to
//! production with the rule that says so, or why there is none. What "deploys" and "production" mean is decided in
//! `facts`, for policies and history alike.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::index::{Attempts, Index};
use crate::dora::Options;
use crate::facts::{Deploying, ProductionJudge, Verdict, matches_pattern};
use crate::history::ActionExecution;
use crate::inventory::{AccountId, Region, Resource, TypeName};

/// A deployment group as an action names it: account, Region, `application/group`.
pub(super) type GroupPlace = (AccountId, Region, String);

/// What of a pipeline is production.
#[derive(Debug, Clone, Default)]
pub(super) struct Production {
    /// `(stage, action)` of actions that deploy to production.
    pub(super) actions: BTreeSet<(String, String)>,
    /// Deployment groups that its actions name, and whether they are production.
    pub(super) groups: BTreeMap<GroupPlace, bool>,
    /// The rule in words; none if nothing of it is production, or it is not known.
    pub(super) why: Option<String>,
    /// Whether it is only the last that deploys.
    pub(super) is_assumed: bool,
    /// Why nothing of it is production.
    pub(super) why_not: Option<String>,
    /// Whether it is known that nothing of it is: a definition was read, and a rule calls everything that deploys
    /// something else.
    pub(super) is_elsewhere: bool,
}

impl Production {
    /// What of a pipeline is production; `known` is the pipeline as the inventory has it.
    pub(super) fn of(
        pipeline: (&str, &AccountId, &Region),
        known: Option<&Resource>,
        judge: &ProductionJudge,
        index: &Index<'_>,
        options: &Options,
    ) -> Self {
        let is_named = |stage: &str, action: &str| {
            let label = format!("{stage}/{action}");
            options.deploy_actions.iter().any(|pattern| matches_pattern(pattern, &label, true))
        };
        let defined = known.map(|resource| judge.actions(resource, is_named));
        let shown = shown(pipeline, known, index);
        let has_run = shown.is_some();
        let shown = shown.map(|resource| judge.actions(&resource, is_named));
        let shown = shown.and_then(Result::ok).unwrap_or_default();
        match defined {
            Some(Ok(defined)) => {
                // Executions of an earlier definition ran actions that stand there no more.
                let labels: BTreeSet<(&str, &str)> = known.map(labels).unwrap_or_default();
                let gone = shown.into_iter().filter(|it| !labels.contains(&(it.stage.as_str(), it.action.as_str())));
                let gone: Vec<_> = gone.collect();
                let mut production = Self::decided(&defined, &gone);
                let all = || defined.iter().chain(&gone);
                production.is_elsewhere = production.why.is_none()
                    && all().all(|it| it.deploys.is_ok())
                    && all().any(|it| it.deploys == Ok(true));
                production
            }
            Some(Err(sentences)) if shown.is_empty() => Self { why_not: Some(sentences.join("; ")), ..Self::default() },
            // Nothing ran and nothing is defined, as far as anybody could see: that says nothing.
            None if !has_run => Self::default(),
            _ => Self::decided(&shown, &[]),
        }
    }

    fn decided(actions: &[Deploying], gone: &[Deploying]) -> Self {
        let mut production = Self::default();
        production.take(actions);
        let mut earlier = Self::default();
        earlier.take(gone);
        production.actions.append(&mut earlier.actions);
        for (group, is_production) in earlier.groups {
            production.groups.entry(group).or_insert(is_production);
        }
        if production.why.is_none() {
            production.is_assumed = earlier.is_assumed;
            production.why = earlier.why;
        }
        if production.why.is_some() {
            production.why_not = None;
        }
        production
    }

    fn take(&mut self, actions: &[Deploying]) {
        let sure = || actions.iter().filter(|it| it.deploys == Ok(true));
        let mut chosen: Vec<(&Deploying, String)> = Vec::new();
        for action in sure() {
            if let Ok(Verdict::Production { why, is_assumed }) = &action.verdict {
                self.is_assumed |= is_assumed;
                chosen.push((action, why.clone()));
            }
        }
        if chosen.is_empty() {
            // What no rule calls something else, where the last of it is.
            let open = || sure().filter(|it| !matches!(it.verdict, Ok(Verdict::Other { .. })));
            let last = open().map(|it| it.position).max();
            chosen.extend(
                open()
                    .filter(|it| Some(it.position) == last)
                    .map(|it| (it, "assumed: last deploying stage".to_owned())),
            );
            self.is_assumed = !chosen.is_empty();
        }
        for action in sure() {
            let is_chosen = chosen.iter().any(|(it, _)| std::ptr::eq(*it, action));
            if let Some(group) = &action.group {
                let place = (action.account.clone(), action.region.clone(), group.clone());
                *self.groups.entry(place).or_default() |= is_chosen;
            }
        }
        if chosen.is_empty() {
            self.why_not = Some(why_not(actions));
            return;
        }
        let words: BTreeSet<String> =
            chosen.iter().map(|(it, why)| format!("{}/{}: {why}", it.stage, it.action)).collect();
        self.why = Some(words.into_iter().collect::<Vec<_>>().join("; "));
        self.actions = chosen.into_iter().map(|(it, _)| (it.stage.clone(), it.action.clone())).collect();
    }
}

fn why_not(actions: &[Deploying]) -> String {
    let others: BTreeSet<&str> = actions
        .iter()
        .filter(|it| it.deploys == Ok(true))
        .filter_map(|it| match &it.verdict {
            Ok(Verdict::Other { why }) => Some(why.as_str()),
            _ => None,
        })
        .collect();
    if !others.is_empty() {
        let others: Vec<&str> = others.into_iter().collect();
        return format!("nothing of it deploys to production ({})", others.join("; "));
    }
    let doubts: BTreeSet<&str> =
        actions.iter().filter_map(|it| it.deploys.as_ref().err()).flatten().map(String::as_str).collect();
    let help = "name what deploys as `stage/action` in `deploy_actions`";
    if doubts.is_empty() {
        return format!("no action of it deploys, as far as providers and names say; {help}");
    }
    let doubts: Vec<&str> = doubts.into_iter().collect();
    format!("whether its builds deploy is not known ({}); {help}", doubts.join("; "))
}

/// `(stage, action)` of everything in a definition.
fn labels(resource: &Resource) -> BTreeSet<(&str, &str)> {
    let stages = resource.properties.get("Stages").and_then(Value::as_array).into_iter().flatten();
    stages
        .flat_map(|stage| {
            let stage_name = stage.get("Name").and_then(Value::as_str).unwrap_or_default();
            let actions = stage.get("Actions").and_then(Value::as_array).into_iter().flatten();
            actions.filter_map(move |action| Some((stage_name, action.get("Name")?.as_str()?)))
        })
        .collect()
}

/// The pipeline as its executions show it: every action that ran, in the order in which stages began.
pub(super) fn shown(
    (arn, account, region): (&str, &AccountId, &Region),
    known: Option<&Resource>,
    index: &Index<'_>,
) -> Option<Resource> {
    let mut stages: BTreeMap<&str, (time::Duration, BTreeMap<&str, &ActionExecution>)> = BTreeMap::new();
    let is_rollback =
        |id: &str| index.execution(arn, id).is_some_and(|it| it.execution_type.as_deref() == Some("ROLLBACK"));
    // A rollback begins with a late stage, so it says nothing about order.
    let (all, standard): (Vec<_>, Vec<_>) = index.executions_with_actions(arn).partition(|(id, _)| is_rollback(id));
    for (_, actions) in if standard.is_empty() { &all } else { &standard } {
        let Some(begin) = actions.iter().filter_map(first).map(|it| it.started).min() else { continue };
        for attempts in *actions {
            let Some(attempt) = first(attempts) else { continue };
            let offset = attempt.started - begin;
            let stage = stages.entry(attempts.stage).or_insert((offset, BTreeMap::new()));
            stage.0 = stage.0.min(offset);
            // The newest says how it is configured now.
            let newest = attempts.tries.last().copied().unwrap_or(attempt);
            let known = stage.1.entry(attempts.action).or_insert(newest);
            // Executions come by id, which says nothing of their order.
            if (known.started, &known.id) < (newest.started, &newest.id) {
                *known = newest;
            }
        }
    }
    let mut order: Vec<_> = stages.into_iter().collect();
    order.sort_by_key(|(name, (offset, _))| (*offset, *name));
    let stages: Vec<Value> = order
        .into_iter()
        .map(|(name, (_, actions))| json!({"Name": name, "Actions": actions.into_values().map(action).collect::<Vec<_>>()}))
        .collect();
    if stages.is_empty() {
        return None;
    }
    let mut resource = Resource::live(TypeName::PIPELINE, arn.to_owned(), account.clone(), region.clone());
    if let Some(known) = known {
        resource.tags = known.tags.clone();
    }
    let name = arn.rsplit(':').next().unwrap_or_default();
    resource.properties =
        Map::from_iter([("Name".to_owned(), Value::from(name)), ("Stages".to_owned(), Value::from(stages))]);
    Some(resource)
}

fn first<'a>(attempts: &Attempts<'a>) -> Option<&'a ActionExecution> {
    attempts.tries.first().copied()
}

fn action(execution: &ActionExecution) -> Value {
    let mut action = json!({
        "Name": execution.action,
        "ActionTypeId": {"Category": execution.category, "Provider": execution.provider},
        "Configuration": execution.configuration,
    });
    if let Some(fields) = action.as_object_mut() {
        if let Some(role) = &execution.role_arn {
            fields.insert("RoleArn".to_owned(), Value::from(role.as_str()));
        }
        if let Some(region) = &execution.region {
            fields.insert("Region".to_owned(), Value::from(region.as_str()));
        }
    }
    action
}
