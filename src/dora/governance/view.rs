//! What the rules look at: a history in order, found by what it is about.
//!
//! In: a history, its deployments, the inventory, options. Out: for each service its pipelines, deployments of the
//! window, and the calls about them. It exists so that a rule asks for what it needs by name, and so that ten thousand
//! services do not each read every event.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use time::OffsetDateTime;

use super::super::{Delivery, Deployment, Estate, Options, Service};
use super::identity::People;
use super::sight::Sight;
use super::verdict::Record;
use crate::history::{ActionExecution, CodeDeployment, Commit, Event, History, Merge, PipelineExecution};
use crate::inventory::{AccountId, Arn, Gap, Partition, Region, Resource};

/// An account, a Region of it, and a name there.
pub(super) type Named = (AccountId, Region, String);

/// A history by what its records are about.
#[derive(Default)]
pub(super) struct Index<'a> {
    pub(super) pipeline_events: BTreeMap<String, Vec<&'a Event>>,
    pub(super) project_events: BTreeMap<Named, Vec<&'a Event>>,
    pub(super) group_events: BTreeMap<Named, Vec<&'a Event>>,
    /// By the deployment's id.
    pub(super) deployment_events: BTreeMap<String, Vec<&'a Event>>,
    pub(super) repository_events: BTreeMap<Named, Vec<&'a Event>>,
    /// `CodeCommit`'s calls that name a pull request only; its repository is not in them.
    pub(super) pull_request_events: BTreeMap<Named, Vec<&'a Event>>,
    /// Events of a service in an account and Region: alarms, and pipelines whose name was too much to record.
    pub(super) place_events: BTreeMap<(AccountId, Region, &'static str), Vec<&'a Event>>,
    /// Changes of what a role may do, by the role's name or the policy's ARN.
    pub(super) role_events: BTreeMap<(AccountId, String), Vec<&'a Event>>,
    pub(super) executions: BTreeMap<(&'a str, &'a str), &'a PipelineExecution>,
    /// By pipeline.
    pub(super) revisions: BTreeMap<&'a str, Vec<&'a PipelineExecution>>,
    /// By pipeline and execution.
    pub(super) actions: BTreeMap<(&'a str, &'a str), Vec<&'a ActionExecution>>,
    /// By pipeline.
    pub(super) all_actions: BTreeMap<&'a str, Vec<&'a ActionExecution>>,
    /// Builds and deployments that pipelines asked for.
    pub(super) asked_by_pipelines: BTreeSet<&'a str>,
    pub(super) code_deployments: BTreeMap<&'a str, &'a CodeDeployment>,
    pub(super) merges: BTreeMap<String, Vec<&'a Merge>>,
    pub(super) commits: BTreeMap<&'a str, &'a Commit>,
    /// Commits that a deployment brought, by the deployment's id.
    pub(super) changes: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Index<'a> {
    /// `history` must be normal ([`History::normalise`]).
    pub(super) fn of(history: &'a History, delivery: &'a Delivery) -> Self {
        let mut index = Self::default();
        // A call whose request was too large to be recorded is found by the deployment that it answered with.
        for deployment in &history.deployments {
            index.code_deployments.insert(&deployment.id, deployment);
        }
        for event in &history.events {
            index.event(event);
        }
        for execution in &history.executions {
            index.executions.insert((&execution.pipeline, &execution.id), execution);
            index.revisions.entry(&execution.pipeline).or_default().push(execution);
        }
        for action in &history.actions {
            index.actions.entry((&action.pipeline, &action.execution)).or_default().push(action);
            index.all_actions.entry(&action.pipeline).or_default().push(action);
            index.asked_by_pipelines.extend(action.external_execution_id.as_deref());
        }
        for merge in &history.merges {
            index.merges.entry(merge.repository.to_lowercase()).or_default().push(merge);
        }
        index.commits = history.commits.iter().map(|commit| (commit.id.as_str(), commit)).collect();
        for change in &delivery.changes {
            index.changes.entry(&change.deployment).or_default().push(&change.commit);
        }
        index
    }

    fn event(&mut self, event: &'a Event) {
        let place = || (event.account.clone(), event.region.clone());
        let named =
            |path: &[&str]| event.request.text(path).map(|name| (event.account.clone(), event.region.clone(), name));
        match event.source.strip_suffix(".amazonaws.com").unwrap_or_default() {
            "codepipeline" => match pipeline_of(event) {
                Some(pipeline) => self.pipeline_events.entry(pipeline).or_default().push(event),
                None => self.at(event, "codepipeline"),
            },
            "codebuild" => {
                let answered = || [["build", "projectName"], ["buildBatch", "projectName"]].into_iter();
                let project = event.request.text(&["projectName"]);
                match project.or_else(|| answered().find_map(|path| event.response.text(&path))) {
                    Some(project) => {
                        let (account, region) = place();
                        self.project_events.entry((account, region, project)).or_default().push(event);
                    }
                    None => self.at(event, "codebuild"),
                }
            }
            "codedeploy" => self.code_deploy(event),
            "codecommit" => {
                let repository = event.request.text(&["repositoryName"]);
                let repository = repository.or_else(|| event.additional.text(&["repositoryName"]));
                let several = event.request.member(&["repositoryNames"]).and_then(Value::as_array);
                let several = several.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
                let repositories: BTreeSet<String> = repository.into_iter().chain(several).collect();
                if !repositories.is_empty() {
                    for repository in repositories {
                        let (account, region) = place();
                        self.repository_events.entry((account, region, repository)).or_default().push(event);
                    }
                } else if let Some(number) = named(&["pullRequestId"]) {
                    self.pull_request_events.entry(number).or_default().push(event);
                } else {
                    self.at(event, "codecommit");
                }
            }
            "monitoring" => self.at(event, "monitoring"),
            "iam" => {
                let name = event.request.text(&["roleName"]).or_else(|| event.request.text(&["policyArn"]));
                match name {
                    Some(name) => self.role_events.entry((event.account.clone(), name)).or_default().push(event),
                    None => self.at(event, "iam"),
                }
            }
            "s3" => self.at(event, "s3"),
            "kms" => self.at(event, "kms"),
            "cloudtrail" => self.at(event, "cloudtrail"),
            _ => {}
        }
    }

    fn code_deploy(&mut self, event: &'a Event) {
        let asked = |name: &str| event.request.text(&[name]);
        let group = asked("deploymentGroupName").or_else(|| asked("currentDeploymentGroupName"));
        let id = asked("deploymentId").or_else(|| event.response.text(&["deploymentId"]));
        let named = asked("applicationName").zip(group).or_else(|| {
            let known = self.code_deployments.get(id.as_deref().filter(|_| event.request.is_omitted())?)?;
            Some((known.application.clone(), known.group.clone()?))
        });
        match named {
            Some((application, group)) => {
                let group = (event.account.clone(), event.region.clone(), format!("{application}/{group}"));
                self.group_events.entry(group).or_default().push(event);
            }
            None => self.at(event, "codedeploy"),
        }
        if let Some(id) = id {
            self.deployment_events.entry(id).or_default().push(event);
        }
    }

    fn at(&mut self, event: &'a Event, service: &'static str) {
        self.place_events.entry((event.account.clone(), event.region.clone(), service)).or_default().push(event);
    }
}

/// The ARN of the pipeline that a call was about.
fn pipeline_of(event: &Event) -> Option<String> {
    let paths: [&[&str]; 3] = [&["pipelineName"], &["pipeline", "name"], &["name"]];
    let name = paths.iter().find_map(|path| event.request.text(path).or_else(|| event.response.text(path)))?;
    let partition = Partition::of_region(&event.region);
    Some(format!("arn:{partition}:codepipeline:{}:{}:{name}", event.region, event.account))
}

/// A pipeline of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pipe {
    pub(super) arn: String,
    pub(super) account: AccountId,
    pub(super) region: Region,
    pub(super) name: String,
}

/// What a pipeline takes its source from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    /// Name of the action.
    pub(super) action: String,
    /// `CodeCommit`, `CodeStarSourceConnection`, `GitHub`, `S3`, `ECR`, …
    pub(super) provider: String,
    /// As the action names it.
    pub(super) repository: String,
    pub(super) branch: String,
    /// Account and Region of a repository that AWS hosts: those of the action's role and Region, else the pipeline's.
    pub(super) place: (AccountId, Region),
}

impl Source {
    /// The repository, as calls of `CodeCommit` are found by it.
    pub(super) fn named(&self) -> Named {
        (self.place.0.clone(), self.place.1.clone(), self.repository.clone())
    }

    /// `refs/heads/main`
    pub(super) fn reference(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }
}

/// One service, and everything that rules ask of it.
pub(super) struct View<'a> {
    pub(super) index: &'a Index<'a>,
    pub(super) delivery: &'a Delivery,
    pub(super) estate: &'a Estate,
    pub(super) options: &'a Options,
    pub(super) sight: &'a Sight<'a>,
    pub(super) people: People<'a>,
    pub(super) service: &'a Service,
    pub(super) pipelines: Vec<Pipe>,
    /// Its production deployments of the window.
    pub(super) deployments: Vec<&'a Deployment>,
    /// Those before the window too.
    pub(super) all_deployments: &'a [&'a Deployment],
    /// The deployment groups that it deploys to in production, as far as they are known.
    pub(super) groups: BTreeSet<Named>,
}

impl<'a> View<'a> {
    pub(super) fn in_window(&self, time: OffsetDateTime) -> bool {
        self.sight.window.contains(time)
    }

    /// Calls about a pipeline that did what they asked for, in the window.
    pub(super) fn calls(&self, pipe: &Pipe, name: &'static str) -> impl Iterator<Item = &'a Event> {
        self.all_calls(pipe, name).filter(|event| self.in_window(event.time))
    }

    /// The same, before the window too.
    pub(super) fn all_calls(&self, pipe: &Pipe, name: &'static str) -> impl Iterator<Item = &'a Event> + use<'a> {
        let events = self.index.pipeline_events.get(&pipe.arn).map_or(&[][..], Vec::as_slice);
        events.iter().copied().filter(move |event| event.name == name && event.succeeded())
    }

    /// Calls in a place that name nothing, because their request was too large to be recorded.
    pub(super) fn unnamed(
        &self,
        account: &AccountId,
        region: &Region,
        service: &'static str,
        names: &'static [&'static str],
    ) -> impl Iterator<Item = &'a Event> {
        let events = self.index.place_events.get(&(account.clone(), region.clone(), service));
        let window = self.sight.window;
        events.map_or(&[][..], Vec::as_slice).iter().copied().filter(move |event| {
            names.contains(&event.name.as_str())
                && event.request.is_omitted()
                && event.succeeded()
                && window.contains(event.time)
        })
    }

    /// Why calls of `CodePipeline` about the service may have been missed.
    pub(super) fn unheard(&self, names: &[&str]) -> Option<Gap> {
        self.pipelines.iter().find_map(|pipe| self.sight.calls(&pipe.account, &pipe.region, names))
    }

    /// Why executions of its pipelines may have been missed.
    pub(super) fn unseen_executions(&self) -> Option<Gap> {
        let source = crate::history::HistorySource::PipelineExecutions;
        self.pipelines.iter().find_map(|pipe| self.sight.records(source, &pipe.account, &pipe.region, &pipe.arn))
    }

    /// Why deployments to production may have been missed: a rule that finds something through them found nothing then.
    /// Those of a pipeline are known by its executions, others by `CodeDeploy` or by the calls that asked for them.
    pub(super) fn unseen_deployments(&self) -> Option<Gap> {
        self.unseen_executions().or_else(|| {
            self.groups.iter().find_map(|(account, region, name)| {
                let source = crate::history::HistorySource::Deployments;
                let unread = self.sight.records(source, account, region, name);
                unread.and_then(|gap| self.sight.calls(account, region, &["CreateDeployment"]).and(Some(gap)))
            })
        })
    }

    /// The executions of actions of a deployment's pipeline execution, by begin.
    pub(super) fn actions_of(&self, deployment: &'a Deployment) -> &'a [&'a ActionExecution] {
        let key = deployment.pipeline.as_deref().zip(deployment.execution.as_deref());
        key.and_then(|key| self.index.actions.get(&key)).map_or(&[], Vec::as_slice)
    }

    /// What the inventory knows of a pipeline.
    pub(super) fn definition(&self, pipe: &Pipe) -> Option<&'a Resource> {
        self.estate.resource(&pipe.arn).filter(|resource| resource.properties.contains_key("Stages"))
    }

    /// Whether it is known that no action of a pipeline deploys with `CodeDeploy`.
    pub(super) fn deploys_otherwise(&self, pipe: &Pipe) -> bool {
        let Some(definition) = self.definition(pipe).filter(|it| it.gap_over("Stages").is_none()) else { return false };
        let mut actions = defined_actions(definition);
        actions.all(|(_, action)| !text(action, &["ActionTypeId", "Provider"]).starts_with("CodeDeploy"))
    }

    /// Where a pipeline takes its source from: as it is defined, else as its executions were told.
    pub(super) fn sources(&self, pipe: &Pipe) -> BTreeSet<Source> {
        if let Some(definition) = self.definition(pipe) {
            return defined_actions(definition)
                .filter(|(_, action)| text(action, &["ActionTypeId", "Category"]) == "Source")
                .map(|(_, action)| {
                    let told = |name: &str| text(action, &["Configuration", name]).to_owned();
                    let place = place(pipe, text(action, &["RoleArn"]), text(action, &["Region"]).parse().ok());
                    source(text(action, &["Name"]), text(action, &["ActionTypeId", "Provider"]), place, told)
                })
                .collect();
        }
        let actions = self.index.all_actions.get(pipe.arn.as_str()).map_or(&[][..], Vec::as_slice);
        actions
            .iter()
            .filter(|action| action.category == "Source")
            .map(|action| {
                let told = |name: &str| action.configuration.get(name).cloned().unwrap_or_default();
                let place = place(pipe, action.role_arn.as_deref().unwrap_or_default(), action.region.clone());
                source(&action.action, &action.provider, place, told)
            })
            .collect()
    }

    /// ARNs of the roles that a pipeline and its actions run under, as far as they are known.
    pub(super) fn roles(&self, pipe: &Pipe) -> BTreeSet<String> {
        let mut roles = BTreeSet::new();
        if let Some(definition) = self.estate.resource(&pipe.arn) {
            roles.extend(definition.properties.get("RoleArn").and_then(Value::as_str).map(str::to_owned));
            roles.extend(defined_actions(definition).map(|(_, action)| text(action, &["RoleArn"]).to_owned()));
        }
        let actions = self.index.all_actions.get(pipe.arn.as_str()).map_or(&[][..], Vec::as_slice);
        roles.extend(actions.iter().filter_map(|action| action.role_arn.clone()));
        for name in ["CreatePipeline", "UpdatePipeline"] {
            let told = self.all_calls(pipe, name);
            roles.extend(told.filter_map(|event| event.request.text(&["pipeline", "roleArn"])));
        }
        roles.remove("");
        roles
    }

    /// Build projects that its pipelines run, with the place they run in.
    pub(super) fn projects(&self) -> BTreeSet<Named> {
        let mut projects = BTreeSet::new();
        for pipe in &self.pipelines {
            let mut add = |project: &str, region: Option<Region>| {
                if !project.is_empty() {
                    let region = region.unwrap_or_else(|| pipe.region.clone());
                    projects.insert((pipe.account.clone(), region, project.to_owned()));
                }
            };
            for (_, action) in self.definition(pipe).into_iter().flat_map(defined_actions) {
                if text(action, &["ActionTypeId", "Provider"]) == "CodeBuild" {
                    add(text(action, &["Configuration", "ProjectName"]), text(action, &["Region"]).parse().ok());
                }
            }
            for action in self.index.all_actions.get(pipe.arn.as_str()).into_iter().flatten() {
                if action.provider == "CodeBuild"
                    && let Some(project) = action.configuration.get("ProjectName")
                {
                    add(project, action.region.clone());
                }
            }
        }
        projects
    }

    /// Whether one of the service's pipelines made a call: by its own name, or in a numbered session of one of its roles.
    pub(super) fn is_by_pipeline(&self, event: &Event) -> bool {
        let numbered = event
            .principal
            .session
            .as_deref()
            .is_some_and(|name| name.len() == 13 && name.bytes().all(|byte| byte.is_ascii_digit()));
        let role = event.principal.role.as_deref().unwrap_or_default();
        event.is_called_by("codepipeline")
            || numbered && self.pipelines.iter().any(|pipe| self.roles(pipe).contains(role))
    }

    /// The record that a deployment is looked up by.
    #[expect(clippy::unused_self, reason = "it stands with the other words of a view")]
    pub(super) fn record(&self, deployment: &Deployment) -> Record {
        let id = || deployment.id.rsplit(['/', ':']).next().unwrap_or_default().to_owned();
        deployment.execution.clone().map_or_else(|| Record::Deployment(id()), Record::Execution)
    }

    /// As a report names a deployment: its execution, or `CodeDeploy`'s id.
    #[expect(clippy::unused_self, reason = "it stands with the other words of a view")]
    pub(super) fn shown(&self, deployment: &Deployment) -> String {
        match (&deployment.execution, &deployment.pipeline) {
            (Some(execution), Some(pipeline)) => {
                let name = pipeline.rsplit(':').next().unwrap_or_default();
                format!("execution {execution} of {name}")
            }
            _ => format!("deployment {}", deployment.id.rsplit(['/', ':']).next().unwrap_or_default()),
        }
    }
}

/// Where an action of a pipeline acts: in the account of its role, and in its Region.
fn place(pipe: &Pipe, role: &str, region: Option<Region>) -> (AccountId, Region) {
    let account = Arn::parse(role).ok().and_then(|arn| arn.account_id());
    (account.unwrap_or_else(|| pipe.account.clone()), region.unwrap_or_else(|| pipe.region.clone()))
}

fn source(action: &str, provider: &str, place: (AccountId, Region), told: impl Fn(&str) -> String) -> Source {
    let first = |names: &[&str]| names.iter().map(|name| told(name)).find(|it| !it.is_empty()).unwrap_or_default();
    let owned = match (told("Owner"), told("Repo")) {
        (owner, repo) if !owner.is_empty() && !repo.is_empty() => format!("{owner}/{repo}"),
        _ => String::new(),
    };
    let repository = first(&["RepositoryName", "FullRepositoryId"]);
    Source {
        action: action.to_owned(),
        provider: provider.to_owned(),
        repository: if repository.is_empty() { owned } else { repository },
        branch: first(&["BranchName", "Branch"]),
        place,
    }
}

/// Names of stages, and their actions, of a pipeline in CloudFormation's words.
fn defined_actions(definition: &Resource) -> impl Iterator<Item = (&str, &Value)> {
    let stages = definition.properties.get("Stages").and_then(Value::as_array).into_iter().flatten();
    stages.flat_map(|stage| {
        let actions = stage.get("Actions").and_then(Value::as_array).into_iter().flatten();
        actions.map(move |action| (text(stage, &["Name"]), action))
    })
}

/// Text below a value, empty where there is none.
pub(super) fn text<'v>(value: &'v Value, path: &[&str]) -> &'v str {
    path.iter().try_fold(value, |value, key| value.get(key)).and_then(Value::as_str).unwrap_or_default()
}

/// A pipeline by its ARN.
pub(super) fn pipe(arn: &str) -> Option<Pipe> {
    let parsed = Arn::parse(arn).ok().filter(|arn| arn.service == "codepipeline")?;
    Some(Pipe {
        arn: arn.to_owned(),
        account: parsed.account_id()?,
        region: parsed.region.parse().ok()?,
        name: parsed.resource.to_owned(),
    })
}

/// A deployment group by its ARN: `application/group`.
pub(super) fn group(arn: &str) -> Option<Named> {
    let parsed = Arn::parse(arn).ok().filter(|arn| arn.service == "codedeploy")?;
    let name = parsed.resource.strip_prefix("deploymentgroup:")?;
    Some((parsed.account_id()?, parsed.region.parse().ok()?, name.to_owned()))
}
