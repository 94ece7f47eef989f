//! G3: who changed a pipeline last, or what its roles may do.
//!
//! In: calls of `CodePipeline` about a pipeline, IAM's calls about its roles and their policies, wherever the roles live,
//! and the roles as the inventory has them. Out: the last change of each before a moment, and why there may be a later one.
//! A role of another account is changed there, so it is that account's record that is asked; a policy belongs to a role
//! only where the inventory says so, and else a change of any policy beside the role may be one of it.

use time::OffsetDateTime;

use super::verdict::Verdict;
use super::view::{Pipe, View};
use crate::history::Event;
use crate::inventory::{AccountId, Arn, Partition, Region};

/// Calls that change what a pipeline is.
const EDITS: &[&str] = &["CreatePipeline", "UpdatePipeline"];
/// Calls that change what a role may do.
const ROLE_EDITS: &[&str] = &[
    "PutRolePolicy",
    "AttachRolePolicy",
    "UpdateAssumeRolePolicy",
    "DeleteRolePermissionsBoundary",
    "CreatePolicyVersion",
    "SetDefaultPolicyVersion",
    "PutRolePermissionsBoundary",
    "DetachRolePolicy",
    "DeleteRolePolicy",
];

/// A change of something that decides what an approval lets through.
pub(super) struct Edit<'a> {
    /// What was changed: `pipeline web`, `role Release`.
    pub(super) subject: String,
    /// What it may belong to, where that is not certain.
    pub(super) of: String,
    /// The call.
    pub(super) event: &'a Event,
    /// Whether it is known to be of the pipeline or of one of its roles.
    pub(super) is_certain: bool,
}

/// The last changes before a moment, one of each subject; of several in one second, all: their order is not known.
pub(super) fn last_edits<'a>(
    view: &View<'a>,
    pipe: &Pipe,
    moment: OffsetDateTime,
    verdict: &mut Verdict,
) -> Vec<Edit<'a>> {
    verdict.blind(view.sight.calls(&pipe.account, &pipe.region, EDITS));
    if view.unnamed(&pipe.account, &pipe.region, "codepipeline", EDITS).any(|event| event.time <= moment) {
        let (account, region) = (&pipe.account, &pipe.region);
        verdict.doubt(format!("an update of some pipeline in {account} {region} was too large to be recorded"));
    }
    let subject = format!("pipeline {}", pipe.name);
    let of_pipeline = EDITS.iter().flat_map(|name| view.all_calls(pipe, name));
    let mut edits = last(view, moment, &subject, &pipe.arn, true, of_pipeline);
    let roles = view.roles(pipe);
    if roles.is_empty() {
        verdict.doubt(format!("the role of {} is not known", pipe.arn));
    }
    if let Some(gap) = view.estate.resource(&pipe.arn).and_then(|it| it.gap_over("Stages").or(it.gap_over("RoleArn"))) {
        verdict.doubt(format!("which roles {} works with is not known: {}", pipe.arn, gap.sentence()));
    }
    for role in roles {
        edits.extend(of_role(view, pipe, &role, moment, verdict));
    }
    edits
}

fn of_role<'a>(
    view: &View<'a>,
    pipe: &Pipe,
    role: &str,
    moment: OffsetDateTime,
    verdict: &mut Verdict,
) -> Vec<Edit<'a>> {
    let parsed = Arn::parse(role).ok().and_then(|arn| Some((arn.account_id()?, arn.resource.rsplit('/').next()?)));
    let Some((account, name)) = parsed else {
        verdict.doubt(format!("whose role `{role}` of {} is, is not known", pipe.arn));
        return Vec::new();
    };
    // IAM is global: its calls are recorded in one Region of the partition.
    let home = Partition::of_region(&pipe.region).default_region();
    verdict.blind(view.sight.calls(&account, &home, ROLE_EDITS));
    if unnamed(view, &account, &home, moment) {
        verdict.doubt(format!("a change of some role of {account} was too large to be recorded"));
    }
    let subject = format!("role {name}");
    let about = |name: &str| view.index.role_events.get(&(account.clone(), name.to_owned())).into_iter().flatten();
    let known = view.estate.resource(role).filter(|it| it.gap_over("ManagedPolicyArns").is_none());
    let Some(known) = known else {
        // Which policies are attached is not known, so any of the account's may be.
        let first = (account.clone(), "arn:".to_owned());
        let policies = view.index.role_events.range(first..).take_while(|(key, _)| key.0 == account);
        let mut edits = last(view, moment, &subject, role, true, about(name).copied());
        for ((_, policy), events) in policies.filter(|((_, name), _)| name.starts_with("arn:")) {
            edits.extend(last(view, moment, &format!("policy {policy}"), role, false, events.iter().copied()));
        }
        return edits;
    };
    let attached = known.properties.get("ManagedPolicyArns").and_then(|arns| arns.as_array()).into_iter().flatten();
    let names: Vec<&str> = std::iter::once(name).chain(attached.filter_map(|arn| arn.as_str())).collect();
    last(view, moment, &subject, role, true, names.into_iter().flat_map(about).copied())
}

fn unnamed(view: &View<'_>, account: &AccountId, home: &Region, moment: OffsetDateTime) -> bool {
    view.unnamed(account, home, "iam", ROLE_EDITS).any(|event| event.time <= moment)
}

fn last<'a>(
    view: &View<'_>,
    moment: OffsetDateTime,
    subject: &str,
    of: &str,
    is_certain: bool,
    events: impl Iterator<Item = &'a Event>,
) -> Vec<Edit<'a>> {
    let before = events.filter(|event| event.succeeded() && event.time <= moment && view.in_window(event.time));
    let before: Vec<&Event> = before.collect();
    let Some(time) = before.iter().map(|event| event.time).max() else { return Vec::new() };
    let edit = |event: &'a Event| Edit { subject: subject.to_owned(), of: of.to_owned(), event, is_certain };
    before.into_iter().filter(|event| event.time == time).map(edit).collect()
}
