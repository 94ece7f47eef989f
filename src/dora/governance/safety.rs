//! G7 and G13: the net under a deployment: rollback, alarms, stop scripts, and hooks that report for themselves.
//!
//! In: calls of `CodeDeploy` and `CloudWatch`, deployments as `CodeDeploy` knows them, and the alarms that the inventory
//! says a deployment group watches. Out: deployments whose net was taken away, alarms that were silenced beside one, and
//! hook results that the hook did not report.

use std::collections::BTreeSet;

use serde_json::Value;

use super::bypass::beside;
use super::identity::Who;
use super::verdict::{Observation, Record, Verdict};
use super::view::{Named, View, text};
use crate::history::Event;
use crate::inventory::wildcard_matches;
use crate::inventory::{AccountId, Partition, Region};

/// Calls that say what guards a deployment.
const WRITES: &[&str] = &["CreateDeployment", "UpdateDeploymentGroup"];

/// Deployed, or set up to deploy, without rollback, alarms or a working stop script; or stopped on its way without going
/// back.
pub(super) fn unguarded(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for group in &view.groups {
        for event in view.index.group_events.get(group).into_iter().flatten() {
            if !event.succeeded() || !view.in_window(event.time) {
                continue;
            }
            let (verb, taken) = match event.name.as_str() {
                "CreateDeployment" => ("deployed to", taken_from_deployment(event)),
                "UpdateDeploymentGroup" => ("set up", taken_from_group(event)),
                _ => continue,
            };
            if event.request.is_omitted() {
                verdict.doubt(format!("a {} of {} was too large to be recorded", event.name, group.2));
            }
            if !taken.is_empty() {
                verdict.see(Observation::of(event, format!("{verb} {} {}", group.2, taken.join(" and "))));
            }
        }
        if let Some(event) = view.unnamed(&group.0, &group.1, "codedeploy", WRITES).next() {
            verdict.doubt(format!("a {} in {} {} was too large to be recorded", event.name, group.0, group.1));
        }
        verdict.blind(view.sight.calls(
            &group.0,
            &group.1,
            &["CreateDeployment", "UpdateDeploymentGroup", "StopDeployment"],
        ));
    }
    // Stops are found by the deployment that they name.
    verdict.blind(view.unseen_deployments());
    for id in deployment_ids(view) {
        for event in view.index.deployment_events.get(&id).into_iter().flatten() {
            if event.name != "StopDeployment" || !event.succeeded() || !view.in_window(event.time) {
                continue;
            }
            match event.request.flag(&["autoRollbackEnabled"]) {
                Some(false) => verdict.see(Observation::of(event, format!("stopped {id} without rolling back"))),
                Some(true) => {}
                None => verdict.doubt(format!("whether the stop of {id} rolled back is not said")),
            }
        }
        if let Some(known) = view.index.code_deployments.get(id.as_str())
            && view.in_window(known.created)
            && !view
                .index
                .deployment_events
                .get(&id)
                .is_some_and(|events| events.iter().any(|e| e.name == "CreateDeployment" && !e.request.is_omitted()))
        {
            let mut taken = Vec::new();
            if known.ignore_application_stop_failures == Some(true) {
                taken.push("ignoring failures of its stop script");
            }
            if known.overrides_alarms == Some(true) {
                taken.push("with alarm settings of its own");
            }
            if !taken.is_empty() {
                verdict.see(Observation {
                    time: known.created,
                    actor: "somebody".to_owned(),
                    what: format!("deployed {id} {}", taken.join(" and ")),
                    records: BTreeSet::from([Record::Deployment(id.clone())]),
                });
            }
        }
    }
    verdict
}

fn taken_from_deployment(event: &Event) -> Vec<&'static str> {
    let mut taken = Vec::new();
    if event.request.flag(&["autoRollbackConfiguration", "enabled"]) == Some(false) {
        taken.push("with rollback switched off");
    }
    if event.request.member(&["overrideAlarmConfiguration"]).is_some() {
        taken.push("with alarm settings of its own");
    }
    if event.request.flag(&["ignoreApplicationStopFailures"]) == Some(true) {
        taken.push("ignoring failures of its stop script");
    }
    taken
}

fn taken_from_group(event: &Event) -> Vec<&'static str> {
    let mut taken = Vec::new();
    if event.request.flag(&["autoRollbackConfiguration", "enabled"]) == Some(false) {
        taken.push("with rollback switched off");
    }
    if event.request.flag(&["alarmConfiguration", "enabled"]) == Some(false) {
        taken.push("with alarms switched off");
    }
    if event.request.flag(&["alarmConfiguration", "ignorePollAlarmFailure"]) == Some(true) {
        taken.push("going on where alarms cannot be read");
    }
    taken
}

/// Ids of the service's deployments in `CodeDeploy`.
fn deployment_ids(view: &View<'_>) -> BTreeSet<String> {
    let members = view.all_deployments.iter().flat_map(|deployment| &deployment.members);
    members.flat_map(|member| member.code_deployments.iter().cloned()).collect()
}

/// Calls that silence an alarm.
const SILENCE: &[&str] = &["DisableAlarmActions", "DeleteAlarms", "SetAlarmState"];

/// Alarms of the service's deployment groups were silenced half an hour around a deployment.
pub(super) fn silenced(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.blind(view.unseen_deployments());
    for (account, region) in places(&view.groups) {
        verdict.blind(view.sight.calls(account, region, SILENCE));
        let mut watched = BTreeSet::new();
        let mut unknown = Vec::new();
        for group in view.groups.iter().filter(|group| (&group.0, &group.1) == (account, region)) {
            match alarms(view, group) {
                Some(names) => watched.extend(names),
                None => unknown.push(group.2.as_str()),
            }
        }
        let key = (account.clone(), region.clone(), "monitoring");
        for event in view.index.place_events.get(&key).into_iter().flatten() {
            let silences = SILENCE.contains(&event.name.as_str())
                && (event.name != "SetAlarmState" || event.request.text(&["stateValue"]).as_deref() == Some("OK"));
            if !silences || !event.succeeded() || !view.in_window(event.time) {
                continue;
            }
            let Some(deployment) = beside(view, event.time) else { continue };
            for alarm in named(event) {
                if watched.contains(&alarm) {
                    let verb = match event.name.as_str() {
                        "DisableAlarmActions" => "disabled the actions of",
                        "DeleteAlarms" => "deleted",
                        _ => "set to OK",
                    };
                    let what = format!("{verb} alarm {alarm} beside {}", view.shown(deployment));
                    verdict.see(Observation::of(event, what));
                } else if let Some(group) = unknown.first() {
                    verdict.doubt(format!("whether {group} watches alarm {alarm}, which was silenced, is not known"));
                }
            }
        }
    }
    verdict
}

fn places(groups: &BTreeSet<Named>) -> BTreeSet<(&AccountId, &Region)> {
    groups.iter().map(|(account, region, _)| (account, region)).collect()
}

/// Names of the alarms that a deployment group watches; none if it is not in the inventory.
fn alarms(view: &View<'_>, (account, region, name): &Named) -> Option<Vec<String>> {
    let partition = Partition::of_region(region);
    let group =
        view.estate.resource(&format!("arn:{partition}:codedeploy:{region}:{account}:deploymentgroup:{name}"))?;
    if group.gap_over("AlarmConfiguration").is_some() {
        return None;
    }
    let alarms = group.properties.get("AlarmConfiguration").and_then(|it| it.get("Alarms")).and_then(Value::as_array);
    Some(alarms.into_iter().flatten().map(|alarm| text(alarm, &["Name"]).to_owned()).collect())
}

fn named(event: &Event) -> Vec<String> {
    let several = event.request.member(&["alarmNames"]).and_then(Value::as_array);
    let several = several.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    several.chain(event.request.text(&["alarmName"])).collect()
}

/// Whether the configuration names the caller as a hook.
fn is_hook(view: &View<'_>, event: &Event) -> bool {
    let principal = &event.principal;
    let name = principal.role_name().map(|(_, name)| name);
    let names = [principal.role.as_deref(), principal.arn.as_deref(), name].into_iter().flatten();
    names.into_iter().any(|name| view.options.hooks.iter().any(|pattern| wildcard_matches(pattern, name)))
}

/// Whether the record says enough of the caller to tell that it is none of the hooks, which are named by roles.
fn is_named(event: &Event) -> bool {
    let principal = &event.principal;
    principal.role.is_some()
        || (principal.arn.is_some() && principal.session.is_none() && principal.kind != "AssumedRole")
}

/// Whether a function of Lambda called, as its SDK says.
fn is_function(event: &Event) -> bool {
    event.user_agent.as_deref().is_some_and(|agent| agent.contains("exec-env/AWS_Lambda"))
}

/// A hook's result was reported by somebody else than the hook.
pub(super) fn foreign_hooks(view: &View<'_>) -> Verdict {
    const HOOK: &str = "PutLifecycleEventHookExecutionStatus";
    let mut verdict = Verdict::default();
    verdict.blind(view.unseen_deployments());
    for id in deployment_ids(view) {
        for event in view.index.deployment_events.get(&id).into_iter().flatten() {
            if event.name != HOOK || !event.succeeded() || !view.in_window(event.time) {
                continue;
            }
            if is_hook(view, event) {
                continue;
            }
            let role = event.principal.role.as_deref().unwrap_or_default();
            let is_human = event.principal.is_root()
                || event.principal.kind == "IAMUser"
                || role.contains("AWSReservedSSO_")
                || event.principal.source_identity.is_some()
                || event.principal.on_behalf_of.is_some();
            match view.people.caller(event) {
                // The hook is a function; without a list, nothing says which role is its own.
                Who::Machine(_) if view.options.hooks.is_empty() && is_function(event) => {}
                _ if is_human || (!view.options.hooks.is_empty() && is_named(event)) => {
                    let status = event.request.text(&["status"]).unwrap_or_default();
                    verdict.see(Observation::of(event, format!("reported {status} for a hook of {id}")));
                }
                _ => verdict.doubt(format!(
                    "whether {}, which reported for a hook of {id}, is that hook is not known",
                    event.principal.shown()
                )),
            }
        }
    }
    for (account, region) in places(&view.groups) {
        verdict.blind(view.sight.calls(account, region, &[HOOK]));
    }
    verdict
}
