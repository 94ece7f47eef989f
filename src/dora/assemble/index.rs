//! Records by what joins them.
//!
//! In: a history in its one order. Out: lookups by execution, deployment, build, commit and request. The joins are
//! exact: an action names the deployment and the build that it asked for (`externalExecutionId`), a request or its answer
//! names the execution.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{ActionExecution, Build, CodeDeployment, Commit, Event, History, Merge, PipelineExecution};
use crate::inventory::{AccountId, Region};

/// Attempts of one action of one execution, in their order.
pub(super) struct Attempts<'a> {
    pub(super) stage: &'a str,
    pub(super) action: &'a str,
    pub(super) tries: Vec<&'a ActionExecution>,
}

impl Attempts<'_> {
    /// `stage/action`
    pub(super) fn label(&self) -> String {
        format!("{}/{}", self.stage, self.action)
    }
}

/// Lookups over a history.
pub(super) struct Index<'a> {
    pub(super) history: &'a History,
    executions: BTreeMap<(&'a str, &'a str), &'a PipelineExecution>,
    actions: BTreeMap<&'a str, BTreeMap<&'a str, Vec<Attempts<'a>>>>,
    deployments: BTreeMap<&'a str, Vec<&'a CodeDeployment>>,
    builds: BTreeMap<&'a str, &'a Build>,
    commits: BTreeMap<&'a str, &'a Commit>,
    merges: BTreeMap<&'a str, &'a Merge>,
    requests: BTreeMap<String, Vec<&'a Event>>,
    asked_for: BTreeSet<&'a str>,
    /// Roles that actions run under.
    roles: BTreeSet<&'a str>,
    by_pipeline: BTreeMap<&'a str, Vec<&'a PipelineExecution>>,
    /// Requests that approve, by name of the pipeline.
    approvals: BTreeMap<String, Vec<&'a Event>>,
    /// Pipelines that requests name: account, Region, name.
    requested: BTreeSet<(&'a AccountId, &'a Region, String)>,
    /// Rollbacks of `CodeDeploy` by what made them.
    rollbacks: BTreeMap<&'a str, Vec<&'a CodeDeployment>>,
}

impl<'a> Index<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        let mut actions: BTreeMap<&str, BTreeMap<&str, Vec<Attempts<'a>>>> = BTreeMap::new();
        for action in &history.actions {
            let of_execution = actions.entry(&action.pipeline).or_default().entry(&action.execution).or_default();
            let known = of_execution.iter_mut().find(|it| it.stage == action.stage && it.action == action.action);
            // The history is sorted by begin, so attempts come in their order.
            match known {
                Some(attempts) => attempts.tries.push(action),
                None => {
                    of_execution.push(Attempts { stage: &action.stage, action: &action.action, tries: vec![action] });
                }
            }
        }
        let mut deployments: BTreeMap<&str, Vec<&CodeDeployment>> = BTreeMap::new();
        for deployment in &history.deployments {
            deployments.entry(&deployment.id).or_default().push(deployment);
        }
        let mut by_pipeline: BTreeMap<&str, Vec<&PipelineExecution>> = BTreeMap::new();
        for execution in &history.executions {
            by_pipeline.entry(&execution.pipeline).or_default().push(execution);
        }
        let mut rollbacks: BTreeMap<&str, Vec<&CodeDeployment>> = BTreeMap::new();
        for deployment in &history.deployments {
            if let Some(id) = &deployment.rollback_triggering_deployment {
                rollbacks.entry(id).or_default().push(deployment);
            }
        }
        Self {
            history,
            by_pipeline,
            rollbacks,
            approvals: approvals(history),
            requested: requested(history),
            executions: history.executions.iter().map(|it| ((it.pipeline.as_str(), it.id.as_str()), it)).collect(),
            actions,
            deployments,
            builds: history.builds.iter().map(|build| (build.id.as_str(), build)).collect(),
            commits: history.commits.iter().map(|commit| (commit.id.as_str(), commit)).collect(),
            merges: history.merges.iter().filter_map(|it| Some((it.merge_commit.as_deref()?, it))).collect(),
            requests: requests(history),
            roles: history.actions.iter().filter_map(|it| it.role_arn.as_deref()).collect(),
            asked_for: history.actions.iter().filter_map(|it| it.external_execution_id.as_deref()).collect(),
        }
    }

    pub(super) fn execution(&self, pipeline: &str, id: &str) -> Option<&'a PipelineExecution> {
        self.executions.get(&(pipeline, id)).copied()
    }

    /// Executions of a pipeline, by begin.
    pub(super) fn executions(&self, pipeline: &str) -> &[&'a PipelineExecution] {
        self.by_pipeline.get(pipeline).map_or(&[], Vec::as_slice)
    }

    /// Pipelines that requests name.
    pub(super) fn requested(&self) -> impl Iterator<Item = &(&'a AccountId, &'a Region, String)> {
        self.requested.iter()
    }

    /// Rollbacks that the failure of a deployment made.
    pub(super) fn rollbacks(&self, id: &str) -> &[&'a CodeDeployment] {
        self.rollbacks.get(id).map_or(&[], Vec::as_slice)
    }

    /// Requests that approve something of a pipeline of that name, in whichever account.
    pub(super) fn approvals(&self, name: &str) -> &[&'a Event] {
        self.approvals.get(name).map_or(&[], Vec::as_slice)
    }

    /// Actions of an execution, by the begin of their first attempt.
    pub(super) fn actions(&self, pipeline: &str, execution: &str) -> &[Attempts<'a>] {
        self.actions.get(pipeline).and_then(|executions| executions.get(execution)).map_or(&[], Vec::as_slice)
    }

    /// Executions of a pipeline of which actions are known.
    pub(super) fn executions_with_actions(&self, pipeline: &str) -> impl Iterator<Item = (&'a str, &[Attempts<'a>])> {
        self.actions.get(pipeline).into_iter().flatten().map(|(id, actions)| (*id, actions.as_slice()))
    }

    /// Pipelines of which actions are known.
    pub(super) fn pipelines_with_actions(&self) -> impl Iterator<Item = &'a str> {
        self.actions.keys().copied()
    }

    /// A deployment by its id, the one of the Region if several Regions know the id.
    pub(super) fn deployment(&self, id: &str, region: &Region) -> Option<&'a CodeDeployment> {
        let known = self.deployments.get(id)?;
        known.iter().find(|it| it.region == *region).or_else(|| known.first()).copied()
    }

    /// Whether an action of a pipeline asked for the deployment or build.
    pub(super) fn is_asked_for(&self, id: &str) -> bool {
        self.asked_for.contains(id)
    }

    /// Whether actions of pipelines run under the role.
    pub(super) fn is_pipeline_role(&self, role: &str) -> bool {
        self.roles.contains(role)
    }

    pub(super) fn build(&self, id: &str) -> Option<&'a Build> {
        self.builds.get(id).copied()
    }

    pub(super) fn commit(&self, id: &str) -> Option<&'a Commit> {
        self.commits.get(id).copied()
    }

    /// The merge that made a commit.
    pub(super) fn merge(&self, commit: &str) -> Option<&'a Merge> {
        self.merges.get(commit).copied()
    }

    /// Requests about an execution of a pipeline or a deployment, by time and id; those that failed are not among them.
    pub(super) fn requests(&self, id: &str) -> &[&'a Event] {
        self.requests.get(id).map_or(&[], Vec::as_slice)
    }
}

fn requested(history: &History) -> BTreeSet<(&AccountId, &Region, String)> {
    let events = history.events.iter().filter(|event| event.succeeded() && event.name != "DeletePipeline");
    let of_pipelines = events.filter(|event| event.source == "codepipeline.amazonaws.com");
    let named = of_pipelines.filter_map(|event| {
        let member = if event.name == "StartPipelineExecution" { "name" } else { "pipelineName" };
        Some((&event.account, &event.region, event.request.text(&[member])?))
    });
    named.collect()
}

fn approvals(history: &History) -> BTreeMap<String, Vec<&Event>> {
    let mut approvals: BTreeMap<String, Vec<&Event>> = BTreeMap::new();
    for event in &history.events {
        if event.is("codepipeline", "PutApprovalResult")
            && event.succeeded()
            && event.request.text(&["result", "status"]).as_deref() == Some("Approved")
            && let Some(name) = event.request.text(&["pipelineName"])
        {
            approvals.entry(name).or_default().push(event);
        }
    }
    approvals
}

fn requests(history: &History) -> BTreeMap<String, Vec<&Event>> {
    let mut requests: BTreeMap<String, Vec<&Event>> = BTreeMap::new();
    for event in history.events.iter().filter(|event| event.succeeded()) {
        let member = match event.source.as_str() {
            "codepipeline.amazonaws.com" => "pipelineExecutionId",
            "codedeploy.amazonaws.com" => "deploymentId",
            _ => continue,
        };
        let ids: BTreeSet<String> =
            [&event.request, &event.response].into_iter().filter_map(|payload| payload.text(&[member])).collect();
        for id in ids {
            requests.entry(id).or_default().push(event);
        }
    }
    requests
}
