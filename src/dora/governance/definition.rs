//! G8: what was taken out of a pipeline, or turned elsewhere.
//!
//! In: `CreatePipeline` and `UpdatePipeline`, whose answers hold the whole definition with its version
//! (<https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_UpdatePipeline.html>). Out: approvals, conditions and
//! rollbacks that the newer version lacks, and sources, roles and stores that are others. Two versions are compared only
//! if nothing lies between them: a version that nobody saw may have taken something out and put it back.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::verdict::{Observation, Verdict};
use super::view::{Pipe, View, text};
use crate::history::Event;

const WRITES: [&str; 2] = ["CreatePipeline", "UpdatePipeline"];

/// Approvals, conditions or rollbacks that an update took out or moved behind what they guard.
pub(super) fn removed_gates(view: &View<'_>) -> Verdict {
    compared(view, |before, after, _| lost(before, after))
}

/// Sources, roles, stores and keys that an update by hand turned elsewhere.
pub(super) fn redirected(view: &View<'_>) -> Verdict {
    compared(view, |before, after, event| {
        // What a stack changes was reviewed as code.
        if event.is_called_by("cloudformation") { Vec::new() } else { turned(before, after) }
    })
}

fn compared(view: &View<'_>, differ: impl Fn(&Value, &Value, &Event) -> Vec<String>) -> Verdict {
    let mut verdict = Verdict::default();
    for pipe in &view.pipelines {
        compare(view, pipe, &differ, &mut verdict);
        let key = (pipe.account.clone(), pipe.region.clone(), "codepipeline");
        let unnamed = view.index.place_events.get(&key).into_iter().flatten();
        if unnamed
            .clone()
            .any(|event| event.name == "UpdatePipeline" && event.succeeded() && view.in_window(event.time))
        {
            verdict.doubt(format!(
                "an update of some pipeline in {} {} was too large to be recorded",
                pipe.account, pipe.region
            ));
        }
    }
    verdict.blind(view.unheard(&WRITES));
    verdict
}

fn compare(
    view: &View<'_>,
    pipe: &Pipe,
    differ: &impl Fn(&Value, &Value, &Event) -> Vec<String>,
    verdict: &mut Verdict,
) {
    let mut writes: Vec<&Event> = WRITES.iter().flat_map(|name| view.all_calls(pipe, name)).collect();
    // A pipeline that is deleted and created again counts from 1 again.
    writes.sort_by_key(|event| (event.time, version(event), event.id.as_str()));
    let mut before: Option<(&Value, i64)> = None;
    let mut last_known: Option<&Value> = None;
    for event in writes {
        let now = definition(event).zip(version(event));
        let is_creation = event.name == "CreatePipeline";
        if view.in_window(event.time) {
            match (before, now) {
                (_, None) => verdict.doubt(format!("an update of {} was too large to be recorded", pipe.name)),
                (_, Some((new, is))) if is_creation => match last_known {
                    Some(old) => {
                        for change in differ(old, new, event) {
                            let what = format!("{change} in version {is} of {}, created again", pipe.name);
                            verdict.see(Observation::of(event, what));
                        }
                    }
                    None if view.all_calls(pipe, "DeletePipeline").any(|it| it.time <= event.time) => {
                        verdict.doubt(format!("what {} was before it was deleted is not known", pipe.name));
                    }
                    None => {}
                },
                (Some((old, was)), Some((new, is))) if was + 1 == is => {
                    for change in differ(old, new, event) {
                        verdict.see(Observation::of(event, format!("{change} in version {is} of {}", pipe.name)));
                    }
                }
                (Some((old, was)), Some((new, is))) if was == is => {
                    if old != new {
                        verdict.doubt(format!("two calls say otherwise what version {is} of {} is", pipe.name));
                    }
                }
                (Some((_, was)), Some((_, is))) => {
                    verdict.doubt(format!("versions of {} between {was} and {is} were not seen", pipe.name));
                }
                (None, Some((_, is))) => {
                    verdict.doubt(format!("what {} was before version {is} is not known", pipe.name));
                }
            }
        }
        before = now;
        last_known = now.map(|(definition, _)| definition).or(last_known);
    }
    let deployed = view.estate.resource(&pipe.arn).and_then(|it| it.properties.get("Version")).and_then(Value::as_i64);
    if let Some(((_, last), deployed)) = before.zip(deployed)
        && deployed > last
    {
        verdict.doubt(format!("versions of {} between {last} and {deployed} were not seen", pipe.name));
    }
}

/// The definition that a call left.
fn definition(event: &Event) -> Option<&Value> {
    event.response.member(&["pipeline"]).or_else(|| event.request.member(&["pipeline"]))
}

/// The version that a call left; the answer counts on from the request.
fn version(event: &Event) -> Option<i64> {
    let of = |text: Option<String>| text.and_then(|text| text.parse::<i64>().ok());
    of(event.response.text(&["pipeline", "version"])).or_else(|| {
        let asked = of(event.request.text(&["pipeline", "version"]));
        if event.name == "CreatePipeline" { Some(1) } else { asked.map(|version| version + 1) }
    })
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// What stands in a definition, by its place.
#[derive(Default)]
struct Gates {
    /// `Stage/Action` of approvals.
    approvals: BTreeSet<String>,
    /// Deploying actions with the approvals before them.
    deploying: BTreeMap<String, BTreeSet<String>>,
    /// `Stage BeforeEntry rule AlarmCheck`, `Stage rollback on failure`.
    conditions: BTreeSet<String>,
}

impl Gates {
    fn of(definition: &Value) -> Self {
        let mut gates = Self::default();
        for stage in list(definition, "stages") {
            let name = text(stage, &["name"]);
            let mut actions: Vec<(i64, &Value)> = list(stage, "actions")
                .map(|action| (action.get("runOrder").and_then(Value::as_i64).unwrap_or(1), action))
                .collect();
            actions.sort_by_key(|(order, action)| (*order, text(action, &["name"])));
            // Actions of one order run at once, so an approval guards only what comes after its own.
            let before_stage = gates.approvals.clone();
            let mut earlier: Vec<(i64, String)> = Vec::new();
            for (order, action) in actions {
                let place = format!("{name}/{}", text(action, &["name"]));
                match text(action, &["actionTypeId", "category"]) {
                    "Approval" => {
                        earlier.push((order, place.clone()));
                        gates.approvals.insert(place);
                    }
                    "Deploy" => {
                        let own = earlier.iter().filter(|(of, _)| *of < order).map(|(_, place)| place.clone());
                        gates.deploying.insert(place, before_stage.iter().cloned().chain(own).collect());
                    }
                    _ => {}
                }
            }
            gates.conditions_of(name, stage);
        }
        gates
    }

    /// Deploying actions behind an approval.
    fn guarded_by(&self, approval: &str) -> impl Iterator<Item = &String> {
        self.deploying.iter().filter(move |(_, approvals)| approvals.contains(approval)).map(|(action, _)| action)
    }

    fn conditions_of(&mut self, name: &str, stage: &Value) {
        for (member, shown) in [("beforeEntry", "BeforeEntry"), ("onSuccess", "OnSuccess"), ("onFailure", "OnFailure")]
        {
            let Some(point) = stage.get(member) else { continue };
            if text(point, &["result"]) == "ROLLBACK" {
                self.conditions.insert(format!("the rollback {shown} of {name}"));
            }
            for condition in list(point, "conditions") {
                for rule in list(condition, "rules") {
                    self.conditions.insert(format!("the rule {} {shown} of {name}", text(rule, &["name"])));
                }
            }
        }
    }
}

/// What guards less than before.
fn lost(before: &Value, after: &Value) -> Vec<String> {
    let (before, after) = (Gates::of(before), Gates::of(after));
    let mut added: BTreeSet<&String> = after.approvals.difference(&before.approvals).collect();
    let mut lost = Vec::new();
    for approval in before.approvals.difference(&after.approvals) {
        // Another name in front of the same actions guards as much.
        let guarded = before.guarded_by(approval).filter(|action| after.deploying.contains_key(*action));
        let guarded: BTreeSet<&String> = guarded.collect();
        let renamed = added.iter().copied().find(|other| {
            let guards: BTreeSet<&String> = after.guarded_by(other).collect();
            guarded.is_subset(&guards)
        });
        match renamed {
            Some(other) => {
                added.remove(other);
            }
            None => lost.push(format!("removed approval {approval}")),
        }
    }
    for (action, approvals) in &before.deploying {
        let Some(now) = after.deploying.get(action) else { continue };
        let moved = approvals.difference(now).filter(|approval| after.approvals.contains(*approval));
        lost.extend(moved.map(|approval| format!("moved approval {approval} behind {action}")));
    }
    if !before.approvals.is_empty() {
        let new = after.deploying.iter().filter(|(action, _)| !before.deploying.contains_key(*action));
        let bare = new.filter(|(_, approvals)| approvals.is_empty());
        lost.extend(bare.map(|(action, _)| format!("put {action} in front of every approval")));
    }
    lost.extend(before.conditions.difference(&after.conditions).map(|condition| format!("removed {condition}")));
    lost
}

/// What points elsewhere than before.
fn turned(before: &Value, after: &Value) -> Vec<String> {
    let (old, new) = (pointers(before), pointers(after));
    let changed = old.iter().filter_map(|(what, was)| {
        let is = new.get(what)?;
        (is != was).then(|| format!("changed {what} from {was} to {is}"))
    });
    changed.collect()
}

/// Where a pipeline takes its source from, under which role it runs and where it keeps what it made.
fn pointers(definition: &Value) -> BTreeMap<String, String> {
    let or_none = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
    let mut pointers = BTreeMap::from([
        ("the role".to_owned(), or_none(text(definition, &["roleArn"]))),
        ("the artifact store".to_owned(), or_none(text(definition, &["artifactStore", "location"]))),
        ("the artifact key".to_owned(), or_none(text(definition, &["artifactStore", "encryptionKey", "id"]))),
        ("the execution mode".to_owned(), or_none(text(definition, &["executionMode"]))),
    ]);
    for (region, store) in definition.get("artifactStores").and_then(Value::as_object).into_iter().flatten() {
        pointers.insert(format!("the artifact store of {region}"), or_none(text(store, &["location"])));
        pointers.insert(format!("the artifact key of {region}"), or_none(text(store, &["encryptionKey", "id"])));
    }
    for stage in list(definition, "stages") {
        for action in list(stage, "actions") {
            let place = format!("{}/{}", text(stage, &["name"]), text(action, &["name"]));
            if text(action, &["actionTypeId", "category"]) == "Source" {
                let told = |name: &str| text(action, &["configuration", name]);
                let names =
                    ["RepositoryName", "FullRepositoryId", "Owner", "Repo", "S3Bucket", "S3ObjectKey", "ImageTag"];
                let from: Vec<&str> = names.into_iter().map(told).filter(|it| !it.is_empty()).collect();
                pointers.insert(format!("the source of {place}"), or_none(&from.join("/")));
                let branch = ["BranchName", "Branch"].into_iter().map(told).find(|it| !it.is_empty());
                pointers.insert(format!("the branch of {place}"), or_none(branch.unwrap_or_default()));
                let polls = or_none(told("PollForSourceChanges"));
                pointers.insert(format!("PollForSourceChanges of {place}"), polls);
            }
            pointers.insert(format!("the role of {place}"), or_none(text(action, &["roleArn"])));
        }
    }
    pointers
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn action(name: &str, category: &str, order: i64) -> Value {
        json!({"name": name, "runOrder": order, "actionTypeId": {"category": category}})
    }

    fn pipeline(prod: &[Value]) -> Value {
        json!({"stages": [{"name": "Prod", "actions": prod}]})
    }

    #[test]
    fn an_approval_beside_or_behind_what_it_guards_guards_nothing() {
        let good = pipeline(&[action("Ok", "Approval", 1), action("Ship", "Deploy", 2)]);
        let beside = pipeline(&[action("Ok", "Approval", 2), action("Ship", "Deploy", 2)]);
        let gone = pipeline(&[action("Ship", "Deploy", 2)]);
        assert_eq!(lost(&good, &beside), ["moved approval Prod/Ok behind Prod/Ship"]);
        assert_eq!(lost(&good, &gone), ["removed approval Prod/Ok"]);
        assert!(lost(&gone, &good).is_empty() && lost(&good, &good).is_empty());
    }

    #[test]
    fn another_name_in_front_of_the_same_action_takes_nothing_away() {
        let good = pipeline(&[action("Ok", "Approval", 1), action("Ship", "Deploy", 2)]);
        let renamed = pipeline(&[action("Review", "Approval", 1), action("Ship", "Deploy", 2)]);
        let behind = pipeline(&[action("Review", "Approval", 3), action("Ship", "Deploy", 2)]);
        let more = pipeline(&[action("Fast", "Deploy", 1), action("Ok", "Approval", 1), action("Ship", "Deploy", 2)]);
        let other = pipeline(&[action("Ok", "Approval", 1), action("Fast", "Deploy", 1)]);
        assert!(lost(&good, &renamed).is_empty());
        assert_eq!(lost(&good, &behind), ["removed approval Prod/Ok"]);
        assert_eq!(lost(&good, &more), ["put Prod/Fast in front of every approval"]);
        assert_eq!(lost(&good, &other), ["put Prod/Fast in front of every approval"]);
        let guarded = pipeline(&[action("Ok", "Approval", 1), action("Late", "Deploy", 2)]);
        assert!(lost(&good, &guarded).is_empty());
    }

    #[test]
    fn a_rule_or_rollback_that_is_gone_is_named() {
        let stage = |entry: Value, failure: Value| json!({"stages": [{"name": "Prod", "actions": [], "beforeEntry": entry, "onFailure": failure}]});
        let guarded = stage(
            json!({"conditions": [{"result": "FAIL", "rules": [{"name": "Alarm"}]}]}),
            json!({"result": "ROLLBACK"}),
        );
        let bare = stage(json!({"conditions": []}), json!({"result": "FAIL"}));
        assert_eq!(
            lost(&guarded, &bare),
            ["removed the rollback OnFailure of Prod", "removed the rule Alarm BeforeEntry of Prod"]
        );
    }

    #[test]
    fn what_points_elsewhere_says_from_where_to_where() {
        let of = |branch: &str, role: &str| {
            json!({"roleArn": role, "stages": [{"name": "Source", "actions": [
                {"name": "Code", "actionTypeId": {"category": "Source"}, "configuration": {"BranchName": branch}}]}]})
        };
        assert_eq!(
            turned(&of("main", "a"), &of("hack", "b")),
            ["changed the branch of Source/Code from main to hack", "changed the role from a to b"]
        );
        assert!(turned(&of("main", "a"), &of("main", "a")).is_empty());
    }
}
