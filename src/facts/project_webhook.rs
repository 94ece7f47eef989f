//! The webhook of a build project: who can start a build from outside, and with what.
//!
//! In: the project's triggers. Out: which filters can be tricked, which pull requests are built for anyone, and whether a
//! person of the repository has to approve builds of forks.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Facts;
use super::seen::{Seen, at, flag, list_at, property, text_at};
use super::webhook_pattern::{is_anchored, repeats};
use crate::inventory::Resource;

/// The webhook of a project.
pub(super) struct Webhook<'a> {
    triggers: &'a Value,
}

/// Filters that decide who and what is let in; the others choose among what is.
const GATES: &[&str] = &["ACTOR_ACCOUNT_ID", "BASE_REF", "HEAD_REF", "ORGANIZATION_NAME", "REPOSITORY_NAME"];

/// Events of a pull request that its author causes; merging takes somebody who may write.
const BY_AUTHORS: &[&str] =
    &["PULL_REQUEST_CREATED", "PULL_REQUEST_UPDATED", "PULL_REQUEST_REOPENED", "PULL_REQUEST_CLOSED"];

/// Events of somebody who may write.
const BY_WRITERS: &[&str] = &["PUSH", "PULL_REQUEST_MERGED", "RELEASED", "PRERELEASED"];

/// Roles that say nothing of trust: whoever reads or reports.
const UNTRUSTED_ROLES: &[&str] =
    &["BITBUCKET_READ", "GITHUB_READ", "GITHUB_TRIAGE", "GITLAB_GUEST", "GITLAB_PLANNER", "GITLAB_REPORTER"];

impl<'a> Webhook<'a> {
    /// The webhook, if there is one.
    pub(super) fn of(resource: &'a Resource) -> Seen<Option<Self>> {
        let triggers = property(resource, "Triggers")?.filter(|triggers| {
            let switched_off = at(Some(triggers), &["Webhook"]).and_then(flag) == Some(false);
            triggers.is_object() && !switched_off
        });
        Ok(triggers.map(|triggers| Self { triggers }))
    }

    fn groups(&self) -> Vec<&'a [Value]> {
        let groups = list_at(Some(self.triggers), &["FilterGroups"]).iter();
        groups.filter_map(Value::as_array).map(Vec::as_slice).collect()
    }

    /// Whether any build may begin with one of these events. Without filters every event does.
    fn takes(&self, events: &[&str]) -> bool {
        let groups = self.groups();
        groups.is_empty() || groups.iter().any(|group| group_takes(group, events))
    }

    /// Whether authors of pull requests start builds.
    pub(super) fn takes_pull_requests(&self) -> bool {
        self.takes(BY_AUTHORS)
    }

    /// Whether people who may write start builds.
    pub(super) fn takes_pushes(&self) -> bool {
        self.takes(BY_WRITERS)
    }

    /// Whether builds take their instructions from a workflow of the repository.
    pub(super) fn is_runner(&self) -> bool {
        text_at(Some(self.triggers), &["BuildType"]).starts_with("RUNNER_")
            || self
                .groups()
                .iter()
                .any(|group| events(group).is_some_and(|events| events.contains(&"WORKFLOW_JOB_QUEUED")))
    }

    /// `filter group 1: HEAD_REF main`
    fn unanchored(&self) -> BTreeSet<String> {
        let branch = text_at(Some(self.triggers), &["BranchFilter"]);
        let mut found: BTreeSet<String> = BTreeSet::new();
        if !branch.is_empty() && !is_anchored(branch) {
            found.insert(format!("branch filter {branch}"));
        }
        for (index, group) in self.groups().into_iter().enumerate() {
            for filter in group.iter().filter(|filter| is_gate(filter) && !is_tight(filter)) {
                let [kind, pattern] = ["Type", "Pattern"].map(|field| text_at(Some(filter), &[field]));
                found.insert(format!("filter group {}: {kind} {pattern}", index + 1));
            }
        }
        found
    }

    /// Filter groups that let pull requests of anyone in.
    fn groups_without_actor(&self) -> BTreeSet<String> {
        let groups = self.groups();
        if groups.is_empty() {
            return BTreeSet::from(["no filter group".to_owned()]);
        }
        let names_actors = |group: &&[Value]| {
            group.iter().any(|filter| {
                text_at(Some(filter), &["Type"]) == "ACTOR_ACCOUNT_ID" && is_gate(filter) && is_tight(filter)
            })
        };
        let open =
            groups.iter().enumerate().filter(|(_, group)| group_takes(group, BY_AUTHORS) && !names_actors(group));
        open.map(|(index, _)| format!("filter group {}", index + 1)).collect()
    }

    /// `DISABLED`, `FORK_PULL_REQUESTS`, `ALL_PULL_REQUESTS`; a webhook that says nothing asks nobody.
    fn approval(&self) -> &'a str {
        match text_at(Some(self.triggers), &["PullRequestBuildPolicy", "RequiresCommentApproval"]) {
            "" => "DISABLED",
            policy => policy,
        }
    }

    fn untrusted_approvers(&self) -> BTreeSet<String> {
        let roles = list_at(Some(self.triggers), &["PullRequestBuildPolicy", "ApproverRoles"]).iter();
        let roles =
            roles.filter_map(Value::as_str).filter(|role| UNTRUSTED_ROLES.contains(role) || role.ends_with("_READ"));
        roles.map(str::to_owned).collect()
    }

    fn forks_approved(&self) -> bool {
        matches!(self.approval(), "FORK_PULL_REQUESTS" | "ALL_PULL_REQUESTS") && self.untrusted_approvers().is_empty()
    }
}

/// The events that a group names; `None` if it names none by inclusion, and so may take any.
fn events(group: &[Value]) -> Option<Vec<&str>> {
    let filter = group.iter().find(|filter| text_at(Some(filter), &["Type"]) == "EVENT" && !excludes(filter))?;
    Some(text_at(Some(filter), &["Pattern"]).split(',').map(str::trim).collect())
}

fn group_takes(group: &[Value], wanted: &[&str]) -> bool {
    events(group).is_none_or(|events| events.iter().any(|event| wanted.contains(event)))
}

fn excludes(filter: &Value) -> bool {
    at(Some(filter), &["ExcludeMatchedPattern"]).and_then(flag) == Some(true)
}

/// Whether the filter lets in what it matches, and so must match nothing else.
fn is_gate(filter: &Value) -> bool {
    GATES.contains(&text_at(Some(filter), &["Type"])) && !excludes(filter)
}

fn is_tight(filter: &Value) -> bool {
    let [kind, pattern] = ["Type", "Pattern"].map(|field| text_at(Some(filter), &[field]));
    is_anchored(pattern) && !(kind == "ACTOR_ACCOUNT_ID" && repeats(pattern))
}

/// Facts about the webhook, unknown together.
const FACTS: &[&str] = &[
    "forkBuildsApproved",
    "pullRequestApproval",
    "pullRequestBuilds",
    "pullRequestGroupsWithoutActor",
    "unanchoredWebhookFilters",
    "untrustedApproverRoles",
    "webhook",
];

pub(super) fn put(facts: &mut Facts, resource: &Resource) {
    let webhook = match Webhook::of(resource) {
        Ok(webhook) => webhook,
        Err(sentences) => {
            for fact in FACTS {
                facts.put::<bool>(fact, Err(sentences.clone()));
            }
            return;
        }
    };
    let of = webhook.as_ref();
    facts.know("unanchoredWebhookFilters", of.map(Webhook::unanchored).unwrap_or_default());
    facts.know("pullRequestGroupsWithoutActor", of.map(Webhook::groups_without_actor).unwrap_or_default());
    facts.know("untrustedApproverRoles", of.map(Webhook::untrusted_approvers).unwrap_or_default());
    facts.know("pullRequestBuilds", of.is_some_and(Webhook::takes_pull_requests));
    facts.know("pullRequestApproval", of.map_or("DISABLED", Webhook::approval));
    facts.know("forkBuildsApproved", of.is_some_and(Webhook::forks_approved));
    facts.know("webhook", of.is_some());
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::Fact;
    use super::super::testing::*;
    use super::*;
    use crate::inventory::TypeName;

    fn facts(triggers: Value) -> Facts {
        let mut facts = Facts::default();
        put(&mut facts, &resource(TypeName::PROJECT, "web", json!({ "Triggers": triggers })));
        facts
    }

    fn group(filters: &[(&str, &str)]) -> Value {
        filters.iter().map(|(kind, pattern)| json!({"Type": kind, "Pattern": pattern})).collect()
    }

    fn set(facts: &Facts, name: &str) -> Vec<String> {
        match &facts.known[name] {
            Fact::Set(set) => set.iter().cloned().collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_filters_anyone_starts_anything() {
        let open = facts(json!({"Webhook": true}));
        assert_eq!(open.known["pullRequestBuilds"], Fact::Bool(true));
        assert_eq!(set(&open, "pullRequestGroupsWithoutActor"), ["no filter group"]);
        for none in [json!(null), json!({"Webhook": false})] {
            let facts = facts(none);
            assert_eq!(facts.known["webhook"], Fact::Bool(false));
            assert!(set(&facts, "pullRequestGroupsWithoutActor").is_empty());
        }
        let branch = facts(json!({"Webhook": true, "BranchFilter": "main"}));
        assert_eq!(set(&branch, "unanchoredWebhookFilters"), ["branch filter main"]);
    }

    #[test]
    fn an_actor_filter_counts_only_where_it_names_whole_accounts() {
        let open = |actor: &[(&str, &str)]| {
            let event = [("EVENT", "PUSH, PULL_REQUEST_CREATED")];
            let facts = facts(json!({"FilterGroups": [group(&[&event, actor].concat())]}));
            (set(&facts, "unanchoredWebhookFilters").len(), set(&facts, "pullRequestGroupsWithoutActor").len())
        };
        assert_eq!(open(&[]), (0, 1));
        assert_eq!(open(&[("ACTOR_ACCOUNT_ID", "^(12345|67890)$")]), (0, 0));
        assert_eq!(open(&[("ACTOR_ACCOUNT_ID", "12345|67890")]), (1, 1));
        assert_eq!(open(&[("ACTOR_ACCOUNT_ID", "^[0-9]+$")]), (1, 1));
        assert_eq!(open(&[("COMMIT_MESSAGE", "build")]), (0, 1));
        let excluded = json!({"Type": "ACTOR_ACCOUNT_ID", "Pattern": "666", "ExcludeMatchedPattern": true});
        let event = json!({"Type": "EVENT", "Pattern": "PULL_REQUEST_UPDATED"});
        let facts = facts(json!({"FilterGroups": [[event, excluded]]}));
        assert!(set(&facts, "unanchoredWebhookFilters").is_empty());
        assert_eq!(set(&facts, "pullRequestGroupsWithoutActor"), ["filter group 1"]);
    }

    #[test]
    fn pushes_and_merges_take_somebody_who_may_write() {
        for events in ["PUSH", "PULL_REQUEST_MERGED", "PUSH,RELEASED", "WORKFLOW_JOB_QUEUED"] {
            let facts = facts(json!({"FilterGroups": [group(&[("EVENT", events)])]}));
            assert_eq!(facts.known["pullRequestBuilds"], Fact::Bool(false), "{events}");
            assert!(set(&facts, "pullRequestGroupsWithoutActor").is_empty());
        }
        let without_event = facts(json!({"FilterGroups": [group(&[("HEAD_REF", "^refs/heads/main$")])]}));
        assert_eq!(without_event.known["pullRequestBuilds"], Fact::Bool(true));
    }

    #[test]
    fn forks_are_approved_by_people_who_may_write() {
        let approved = |policy: Value| {
            let facts = facts(json!({"Webhook": true, "PullRequestBuildPolicy": policy}));
            facts.known["forkBuildsApproved"] == Fact::Bool(true)
        };
        assert!(approved(json!({"RequiresCommentApproval": "FORK_PULL_REQUESTS"})));
        let roles = |role: &str| json!({"RequiresCommentApproval": "ALL_PULL_REQUESTS", "ApproverRoles": ["GITHUB_ADMIN", role]});
        assert!(approved(roles("GITHUB_WRITE")));
        assert!(!approved(roles("GITHUB_READ")) && !approved(roles("GITLAB_REPORTER")));
        assert!(!approved(json!({"RequiresCommentApproval": "DISABLED"})) && !approved(json!(null)));
    }

    #[test]
    fn runners_take_their_steps_from_the_repository() {
        let runner = |triggers: Value| {
            Webhook::of(&resource(TypeName::PROJECT, "web", json!({ "Triggers": triggers })))
                .unwrap()
                .unwrap()
                .is_runner()
        };
        assert!(runner(json!({"FilterGroups": [group(&[("EVENT", "WORKFLOW_JOB_QUEUED")])]})));
        assert!(runner(json!({"Webhook": true, "BuildType": "RUNNER_BUILDKITE_BUILD"})));
        assert!(!runner(json!({"Webhook": true, "BuildType": "BUILD"})));
    }
}
