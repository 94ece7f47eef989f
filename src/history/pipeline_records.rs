//! Answers of `CodePipeline` → records.
//!
//! In: executions as the SDK reads them. Out: records without secrets, or nothing where AWS left out what it documents
//! as always there. Messages and comments keep their first line; of what an action was told, values that look like a
//! secret go.
//!
//! No list of executions holds the values of pipeline variables, so [`PipelineExecution::unplanned`] is read from where
//! a variable of that name reached an action's configuration.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_codepipeline::types::{
    ActionExecutionDetail, ActionExecutionInput, PipelineExecutionSummary, RuleExecutionDetail,
    SourceRevision as Source,
};

use super::aws_time::moment;
use super::message::{first_line, revision_summary, setting};
use super::{ActionExecution, PipelineExecution, RuleExecution, SourceRevision, Trigger};
use crate::inventory::{AccountId, Region, source_location};

/// The pipeline that records are of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) pipeline: &'a str,
    pub(super) account: &'a AccountId,
    pub(super) region: &'a Region,
}

/// A word of a closed list; the SDK puts a marker where AWS left out a required one.
fn word(word: &str) -> String {
    if word == "no value was set" { String::new() } else { word.to_owned() }
}

impl Of<'_> {
    /// An execution of the pipeline; `None` without id, status or begin.
    pub(super) fn execution(&self, summary: &PipelineExecutionSummary) -> Option<PipelineExecution> {
        let id = summary.pipeline_execution_id()?;
        let status = summary.status()?.as_str();
        let started = summary.start_time().and_then(moment)?;
        let new = PipelineExecution::new(self.pipeline, self.account.clone(), self.region.clone(), id, status, started);
        Some(PipelineExecution {
            updated: summary.last_update_time().and_then(moment),
            revisions: summary.source_revisions().iter().filter_map(revision).collect(),
            trigger: summary.trigger().and_then(|trigger| {
                let kind = trigger.trigger_type()?.as_str().to_owned();
                Some(Trigger { kind, detail: trigger.trigger_detail().and_then(first_line) })
            }),
            mode: summary.execution_mode().map(|mode| mode.as_str().to_owned()),
            execution_type: summary.execution_type().map(|kind| kind.as_str().to_owned()),
            rollback_target: summary
                .rollback_metadata()
                .and_then(|rollback| rollback.rollback_target_pipeline_execution_id())
                .map(str::to_owned),
            ..new
        })
    }

    /// An execution of an action; `None` without ids, names, status or begin.
    pub(super) fn action(&self, detail: &ActionExecutionDetail) -> Option<ActionExecution> {
        let input = detail.input();
        let kind = input.and_then(|input| input.action_type_id());
        let result = detail.output().and_then(|output| output.execution_result());
        let region = input.and_then(|input| input.region()).and_then(|region| region.parse::<Region>().ok());
        Some(ActionExecution {
            pipeline: self.pipeline.to_owned(),
            execution: detail.pipeline_execution_id()?.to_owned(),
            id: detail.action_execution_id()?.to_owned(),
            stage: detail.stage_name()?.to_owned(),
            action: detail.action_name()?.to_owned(),
            category: kind.map(|kind| word(kind.category().as_str())).unwrap_or_default(),
            provider: kind.map(|kind| word(kind.provider())).unwrap_or_default(),
            pipeline_version: detail.pipeline_version().map(i64::from),
            status: detail.status()?.as_str().to_owned(),
            started: detail.start_time().and_then(moment)?,
            updated: detail.last_update_time().and_then(moment),
            updated_by: detail.updated_by().filter(|by| !by.is_empty()).map(str::to_owned),
            role_arn: input.and_then(|input| input.role_arn()).filter(|role| !role.is_empty()).map(str::to_owned),
            region: region.filter(|region| region != self.region),
            configuration: input.map(configuration).unwrap_or_default(),
            external_execution_id: result
                .and_then(|result| result.external_execution_id())
                .filter(|id| !id.is_empty())
                .map(str::to_owned),
            error_code: result
                .and_then(|result| result.error_details())
                .and_then(|error| error.code())
                .map(str::to_owned),
            summary: result.and_then(|result| result.external_execution_summary()).and_then(first_line),
        })
    }

    /// An execution of a rule; `None` without ids, names, status or begin.
    pub(super) fn rule(&self, detail: &RuleExecutionDetail) -> Option<RuleExecution> {
        Some(RuleExecution {
            pipeline: self.pipeline.to_owned(),
            execution: detail.pipeline_execution_id()?.to_owned(),
            id: detail.rule_execution_id()?.to_owned(),
            stage: detail.stage_name()?.to_owned(),
            rule: detail.rule_name()?.to_owned(),
            status: detail.status()?.as_str().to_owned(),
            started: detail.start_time().and_then(moment)?,
            updated: detail.last_update_time().and_then(moment),
            updated_by: detail.updated_by().filter(|by| !by.is_empty()).map(str::to_owned),
        })
    }
}

fn revision(revision: &Source) -> Option<SourceRevision> {
    Some(SourceRevision {
        action: revision.action_name().to_owned(),
        id: revision.revision_id().filter(|id| !id.is_empty())?.to_owned(),
        summary: revision.revision_summary().and_then(revision_summary),
        url: revision.revision_url().filter(|url| !url.is_empty()).map(source_location),
    })
}

/// With variables filled in where AWS says it; older executions have it as it was written only.
fn configuration(input: &ActionExecutionInput) -> BTreeMap<String, String> {
    let settings = input.resolved_configuration().or_else(|| input.configuration());
    let mut kept = BTreeMap::new();
    if let Some(settings) = settings {
        for name in sorted(settings) {
            if let Some(value) = settings.get(name) {
                kept.insert(name.clone(), setting(name, value));
            }
        }
    }
    kept
}

/// What the pipeline variable `unplanned` held, if an action was told it.
pub(super) fn unplanned(input: &ActionExecutionInput) -> Option<bool> {
    const VARIABLE: &str = "#{variables.unplanned}";
    let (written, resolved) = (input.configuration()?, input.resolved_configuration()?);
    sorted(written).into_iter().find_map(|name| {
        let (before, after) = written.get(name)?.split_once(VARIABLE)?;
        let value = resolved.get(name)?.strip_prefix(before)?.strip_suffix(after)?;
        match value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" | "" => Some(false),
            _ => None,
        }
    })
}

fn sorted(settings: &HashMap<String, String>) -> Vec<&String> {
    let mut names: Vec<&String> = settings.keys().collect();
    names.sort();
    names
}
