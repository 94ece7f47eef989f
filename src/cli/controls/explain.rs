//! `controls explain`: why a control says what it says about a resource of a run.

use std::path::PathBuf;

use clap::Args;

use super::super::Exit;
use super::super::failure::Failure;
use super::super::kept::{Kept, StoreOptions};
use super::super::options::{named_run, width};
use super::Output;
use super::page::{Page, print_json};
use crate::audit::{Evaluation, ExplainError, Explained, FactOrigin};
use crate::config::Config;
use crate::evaluate::{Explanation, Outcome, Policies};
use crate::finding::spoken;

/// Options of `controls explain`.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The control
    #[arg(long, value_name = "ID")]
    control: String,
    /// The resource: its ARN, or its name where that is enough
    #[arg(long, value_name = "ARN")]
    resource: String,
    /// The run whose inventory is read [default: the newest in --out]
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Folder that keeps the runs, or `s3://BUCKET/PREFIX`
    #[arg(long, value_name = "DIR", env = "PIPEWARDEN_OUT", default_value = "pipewarden-out")]
    out: PathBuf,
    #[command(flatten)]
    store: StoreOptions,
    /// How to write it
    #[arg(long, value_enum, default_value = "text")]
    format: Output,
}

pub(super) fn run(args: &ExplainArgs, policies: &Policies, config: &Config) -> Result<Exit, Failure> {
    let kept = Kept::open(&args.out, &args.store, None)?;
    kept.fetch_named(args.run.as_deref(), &[])?;
    let run = named_run(args.run.as_deref(), kept.folder())?;
    let evaluation =
        Evaluation { policies, settings: config.settings.clone(), rules: config.rules.clone(), owners: &config.owners };
    let explained = evaluation.explain(&run, &args.control, &args.resource).map_err(|error| match error {
        ExplainError::Evaluation(error) => Failure::failed(&error),
        wrong => Failure::usage(wrong),
    })?;
    match args.format {
        Output::Json => print_json(&explained)?,
        Output::Text => page(&explained).print()?,
    }
    Ok(Exit::Compliant)
}

fn page(explained: &Explained) -> Page {
    let explanation = &explained.explanation;
    let mut page = Page::new(width());
    page.entry("control", 10, &explanation.control);
    // In one piece, so that it can be copied.
    page.line(0, &format!("resource  {}", explained.resource));
    let verdict = match explanation.decided_by {
        "scope" => format!("{}: the scope of the control names other accounts", explanation.compliance),
        clause => format!("{}, decided by `{clause}`", explanation.compliance),
    };
    page.entry("verdict", 10, &verdict);
    for gap in &explanation.gaps {
        page.entry("unseen", 10, gap);
    }
    page.line(0, "");
    clauses(&mut page, explanation, 0);
    page.heading("Facts");
    for fact in &explained.facts {
        let value = match &fact.value {
            Some(value) => value.to_string(),
            None => "unknown".to_owned(),
        };
        page.words(2, &format!("{} = {value}", fact.name));
        page.words(4, &format!("from {}", origin(fact)));
        for sentence in &fact.unknown {
            page.words(4, &format!("because {sentence}"));
        }
    }
    page.heading("Exceptions");
    if explanation.exceptions.is_empty() {
        page.line(2, "none is about this control");
    }
    for considered in &explanation.exceptions {
        page.words(2, &format!("{} ({}): {}", considered.exception.id, considered.file, considered.outcome));
    }
    page
}

/// Where a fact came from, in words.
fn origin(fact: &FactOrigin) -> String {
    let mut from: Vec<String> = Vec::new();
    if !fact.properties.is_empty() {
        let properties = serde_json::json!(fact.properties);
        let (noun, names) = (if fact.properties.len() == 1 { "property" } else { "properties" }, spoken(&properties));
        from.push(format!("{noun} {names}"));
    }
    if fact.unset && fact.properties.is_empty() {
        from.push("a property that is not set".to_owned());
    }
    if fact.joined {
        from.push("other resources, joined with this one".to_owned());
    }
    if from.is_empty() { "the resource's name and place".to_owned() } else { from.join(", and ") }
}

/// The clauses of a control with the value of every part.
pub(super) fn clauses(page: &mut Page, explanation: &Explanation, indent: usize) {
    for clause in &explanation.clauses {
        let decided = clause.kind == explanation.decided_by;
        page.line(indent, &format!("{}{}", clause.kind, if decided { "  (decided)" } else { "" }));
        for step in &clause.steps {
            let value = match &step.value {
                Outcome::Known(value) => value.as_str(),
                Outcome::Unknown => "unknown",
                Outcome::NotAsked => "not asked",
            };
            // Long sets are shown whole under the facts.
            let value: String = value.chars().take(120).collect();
            let (indent, line) = (indent + 2 + 2 * step.depth, format!("{}  →  {value}", step.text));
            if page.fits(indent, &line) {
                page.line(indent, &line);
            } else {
                page.words(indent, &line);
            }
        }
    }
}
