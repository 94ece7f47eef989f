//! `controls list`: which controls there are.

use std::io::IsTerminal as _;

use clap::Args;
use serde_json::{Value, json};

use super::super::Exit;
use super::super::failure::Failure;
use super::super::options::{print, say, width};
use super::Output;
use super::page::print_json;
use crate::evaluate::Policies;
use crate::finding::{Control, Severity};

/// Options of `controls list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only controls of this service, e.g. `codepipeline`
    #[arg(long)]
    service: Option<String>,
    /// Only controls at or above this severity
    #[arg(long)]
    severity: Option<Severity>,
    /// Only controls that help with this framework or requirement, e.g. `OWASP` or `CIS-SSC-5.2.3`
    #[arg(long)]
    framework: Option<String>,
    /// Only controls of this resource type, e.g. `AWS::S3::Bucket`
    #[arg(long = "type", value_name = "TYPE")]
    resource_type: Option<String>,
    /// How to write it
    #[arg(long, value_enum, default_value = "text")]
    format: Output,
}

pub(super) fn run(args: &ListArgs, policies: &Policies) -> Result<Exit, Failure> {
    let chosen: Vec<&Control> = policies.controls().values().filter(|control| args.takes(control)).collect();
    match args.format {
        Output::Json => {
            let all: Vec<Value> = chosen
                .iter()
                .map(|control| {
                    let mut value = json!(control);
                    if let Some(fields) = value.as_object_mut() {
                        fields.insert("builtIn".to_owned(), json!(!policies.is_yours(&control.id)));
                    }
                    value
                })
                .collect();
            print_json(&all)?;
        }
        Output::Text => table(&chosen)?,
    }
    if chosen.is_empty() {
        say("no control matches; `pipewarden controls list` without filters shows all");
    }
    Ok(Exit::Compliant)
}

impl ListArgs {
    fn takes(&self, control: &Control) -> bool {
        let service = service(control);
        self.service.as_ref().is_none_or(|wanted| service.eq_ignore_ascii_case(wanted))
            && self.severity.is_none_or(|least| control.severity >= least)
            && self.resource_type.as_ref().is_none_or(|wanted| {
                control.resource_type.as_str().eq_ignore_ascii_case(wanted)
                    || short_type(control).eq_ignore_ascii_case(wanted)
            })
            && self.framework.as_ref().is_none_or(|wanted| {
                let wanted = wanted.to_ascii_uppercase();
                control.frameworks.iter().any(|id| {
                    let id = id.to_ascii_uppercase();
                    id == wanted || id.strip_prefix(&wanted).is_some_and(|rest| rest.starts_with(['-', '.', '(']))
                })
            })
    }
}

/// `AWS::CodePipeline::Pipeline` → `CodePipeline`
fn service(control: &Control) -> &str {
    let mut parts = control.resource_type.as_str().split("::");
    match (parts.next(), parts.next()) {
        (Some("AWS"), Some(service)) => service,
        (Some(first), _) => first,
        (None, _) => "",
    }
}

fn short_type(control: &Control) -> &str {
    let name = control.resource_type.as_str();
    name.strip_prefix("AWS::").unwrap_or(name)
}

/// A line per control; on a terminal, titles end where it does, and a narrow one drops the type.
fn table(controls: &[&Control]) -> Result<(), Failure> {
    let on_terminal = std::io::stdout().is_terminal();
    let width = if on_terminal { width() } else { usize::MAX };
    let longest = |of: &dyn Fn(&Control) -> usize| controls.iter().map(|control| of(control)).max().unwrap_or(0);
    let ids = longest(&|control| control.id.len()).max("CONTROL".len());
    let types = longest(&|control| short_type(control).len()).max("JUDGES".len());
    let with_type = 10 + ids + 2 + types + 2 + 30 <= width;
    print(&|out| {
        let mut line = |severity: &str, id: &str, judges: &str, title: &str| {
            let judges = if with_type { format!("{judges:<types$}  ") } else { String::new() };
            let start = format!("{severity:<10}{id:<ids$}  {judges}");
            let room = width.saturating_sub(start.len());
            let title = if title.chars().count() > room {
                title.chars().take(room.saturating_sub(1)).chain(['…']).collect()
            } else {
                title.to_owned()
            };
            writeln!(out, "{}", format!("{start}{title}").trim_end())
        };
        if controls.is_empty() {
            return Ok(());
        }
        line("SEVERITY", "CONTROL", "JUDGES", "TITLE")?;
        controls
            .iter()
            .try_for_each(|control| line(control.severity.as_str(), &control.id, short_type(control), &control.title))
    })
}
