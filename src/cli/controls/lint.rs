//! `controls lint`: what is right as Cedar, but probably not meant.
//!
//! Whether a control can ever be violated is judged on the cases that stand beside controls, not proven: proving it takes
//! Cedar's symbolic compiler and an SMT solver, which would have to be installed beside this program.

use std::collections::BTreeSet;

use clap::Args;
use serde::Serialize;
use time::OffsetDateTime;

use super::super::Exit;
use super::super::failure::Failure;
use super::super::options::{PolicyOptions, say, width};
use super::Output;
use super::page::{Page, counted, print_json};
use crate::config::Config;
use crate::evaluate::{CorpusRow, Policies, corpus};
use crate::finding::{ComplianceType, Control};

/// Options of `controls lint`.
#[derive(Debug, Args)]
pub(super) struct LintArgs {
    /// Look at the built-in controls too [default: only at yours, if there are any]
    #[arg(long)]
    all: bool,
    /// How to write it
    #[arg(long, value_enum, default_value = "text")]
    format: Output,
}

/// One thing that is probably not meant.
#[derive(Debug, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
struct Doubt {
    file: String,
    /// Id of the control or exception.
    about: String,
    problem: String,
    hint: String,
}

pub(super) fn run(
    args: &LintArgs,
    policies: &Policies,
    options: &PolicyOptions,
    config: &Config,
    now: OffsetDateTime,
) -> Result<Exit, Failure> {
    let mut folders = config.policies.folders.clone();
    folders.extend(options.policies.iter().cloned());
    let rows = corpus(policies).map_err(Failure::policy)?;
    let any_yours = policies.controls().keys().any(|id| policies.is_yours(id));
    let looked_at: Vec<&Control> = policies
        .controls()
        .values()
        .filter(|control| args.all || !any_yours && folders.is_empty() || policies.is_yours(&control.id))
        .collect();
    let mut doubts = Vec::new();
    for control in &looked_at {
        words(control, policies, &mut doubts);
        results(control, policies, &rows, &mut doubts);
        shadows(control, policies, &rows, &mut doubts);
    }
    expired(policies, &now.date().to_string(), &mut doubts);
    doubts.sort();
    match args.format {
        Output::Json => print_json(&doubts)?,
        Output::Text => {
            let mut page = Page::new(width());
            for doubt in &doubts {
                page.words(0, &format!("{}: {}: {}", doubt.file, doubt.about, doubt.problem));
                page.words(4, &doubt.hint);
            }
            page.print()?;
        }
    }
    say(&format!(
        "{} about {} and {}, judged on {} (nothing is proven: that would take an SMT solver)",
        counted(doubts.len(), "doubt"),
        counted(looked_at.len(), "control"),
        counted(policies.exceptions().len(), "exception"),
        counted(rows.len(), "case")
    ));
    Ok(if doubts.is_empty() { Exit::Compliant } else { Exit::NonCompliant })
}

fn doubt(policies: &Policies, control: &Control, problem: String, hint: &str) -> Doubt {
    let file = policies.text(&control.id).map(|text| text.file.clone()).unwrap_or_default();
    Doubt { file, about: control.id.clone(), problem, hint: hint.to_owned() }
}

/// Annotations: what is missing, and requirements that nobody knows.
fn words(control: &Control, policies: &Policies, doubts: &mut Vec<Doubt>) {
    let texts = policies.guidance(&control.id).map(crate::evaluate::Guidance::texts);
    let missing: Vec<String> = texts
        .iter()
        .flatten()
        // The row of the catalogue is for the built-in controls only.
        .filter(|(name, text)| text.is_empty() && *name != "catalogue")
        .map(|(name, _)| format!("`@{name}`"))
        .collect();
    if !missing.is_empty() {
        let problem = format!("says nothing in {}", missing.join(", "));
        doubts.push(doubt(policies, control, problem, "whoever meets the finding will ask; add them"));
    }
    let shown = policies.facts_shown_by(&control.id);
    let filled = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let named = control.remediation.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
    for name in named.filter(|name| filled(name) && !shown.contains(*name)) {
        let problem = format!("shows `{{{name}}}` in `@remediation`, but its findings have no such fact");
        doubts.push(doubt(policies, control, problem, "name a fact that it reads, or that stands in `@evidence`"));
    }
    let known = |id: &str| policies.frameworks().values().any(|framework| framework.requirement(id).is_some());
    for id in control.frameworks.iter().filter(|id| !known(id)) {
        let problem = format!("names the requirement `{id}`, which is in no table of a framework");
        doubts.push(doubt(policies, control, problem, "correct `@frameworks`, or add a table to `frameworks/`"));
    }
}

/// Results that no case shows.
fn results(control: &Control, policies: &Policies, rows: &[CorpusRow], doubts: &mut Vec<Doubt>) {
    let own = rows.iter().filter(|row| row.control == control.id);
    let met: BTreeSet<ComplianceType> = own.filter_map(|row| row.answers.get(&control.id).copied()).collect();
    let mut say = |problem: &str, hint: &str| doubts.push(doubt(policies, control, problem.to_owned(), hint));
    if met.is_empty() {
        return say("has no cases", "write at least a violation, and a resource that is as it must be");
    }
    if !met.contains(&ComplianceType::NonCompliant) {
        say("is never violated in its cases: perhaps it cannot be", "add a case of a violation");
    }
    if !met.contains(&ComplianceType::Compliant) {
        say("is never met in its cases: perhaps it cannot be", "add a case of a resource that is as it must be");
    }
    let has_when = policies.applicability(&control.id).is_some_and(|form| !form.ends_with("None"));
    if has_when && !met.contains(&ComplianceType::NotApplicable) {
        say("applies in all of its cases: perhaps its `when` says nothing", "add a case that it does not apply to");
    }
}

/// Another control that is violated whenever this one is.
fn shadows(control: &Control, policies: &Policies, rows: &[CorpusRow], doubts: &mut Vec<Doubt>) {
    let form = policies.applicability(&control.id);
    let others = policies.controls().values().filter(|other| {
        other.id != control.id
            && other.resource_type == control.resource_type
            && policies.applicability(&other.id) == form
    });
    for other in others {
        let both: Vec<(ComplianceType, ComplianceType)> = rows
            .iter()
            .filter_map(|row| Some((*row.answers.get(&control.id)?, *row.answers.get(&other.id)?)))
            .collect();
        let violated = |of: ComplianceType| of == ComplianceType::NonCompliant;
        let bad = both.iter().filter(|(this, _)| violated(*this)).count();
        let alone = both.iter().any(|(this, that)| violated(*this) && !violated(*that));
        if bad > 0 && bad < both.len() && !alone {
            let problem = format!(
                "is violated only where `{}` is violated too, in the {} cases that both can be asked",
                other.id,
                both.len()
            );
            let hint = "if it adds nothing, delete it; if it does, add a case that shows where they differ";
            doubts.push(doubt(policies, control, problem, hint));
        }
    }
}

fn expired(policies: &Policies, today: &str, doubts: &mut Vec<Doubt>) {
    for exception in policies.exceptions().iter().filter(|exception| exception.reference.expires.as_str() < today) {
        doubts.push(Doubt {
            file: exception.file.clone(),
            about: exception.reference.id.clone(),
            problem: format!("ended on {}; it covers nothing any more", exception.reference.expires),
            hint: "agree on it again and move the date, or delete it".to_owned(),
        });
    }
}
