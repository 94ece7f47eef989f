//! `controls show`: everything about one control.

use clap::Args;
use serde_json::{Value, json};

use super::super::Exit;
use super::super::failure::Failure;
use super::super::options::width;
use super::page::{Page, print_json};
use super::{Output, unknown};
use crate::evaluate::{FactWord, Guidance, Policies, SourceText, run_cases};
use crate::finding::Control;

/// Options of `controls show`.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Its id
    id: String,
    /// How to write it
    #[arg(long, value_enum, default_value = "text")]
    format: Output,
}

/// What there is to show.
struct Shown<'a> {
    control: &'a Control,
    guidance: &'a Guidance,
    text: &'a SourceText,
    reads: Vec<&'a FactWord>,
    cases: usize,
}

pub(super) fn run(args: &ShowArgs, policies: &Policies) -> Result<Exit, Failure> {
    let id = &args.id;
    let (Some(control), Some(guidance), Some(text)) =
        (policies.controls().get(id), policies.guidance(id), policies.text(id))
    else {
        return Err(unknown(id));
    };
    let type_name = control.resource_type.as_str();
    let reads = policies.facts_read_by(id);
    let reads = reads.iter().filter_map(|name| policies.vocabulary().fact(type_name, name)).collect();
    let cases = match policies.cases(id) {
        Some(file) => run_cases(policies, id, file).map_err(Failure::policy)?.0.len(),
        None => 0,
    };
    let shown = Shown { control, guidance, text, reads, cases };
    match args.format {
        Output::Json => print_json(&shown.json())?,
        Output::Text => shown.page().print()?,
    }
    Ok(Exit::Compliant)
}

impl Shown<'_> {
    fn json(&self) -> Value {
        let mut value = json!(self.control);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("guidance".to_owned(), json!(self.guidance));
            fields.insert("reads".to_owned(), json!(self.reads));
            fields.insert("cases".to_owned(), json!(self.cases));
            fields.insert("file".to_owned(), json!(self.text.file));
            fields.insert("source".to_owned(), json!(self.text.text));
        }
        value
    }

    fn page(&self) -> Page {
        let (control, guidance) = (self.control, self.guidance);
        let mut page = Page::new(width());
        page.line(0, &control.id);
        page.words(0, &control.title);
        page.line(0, "");
        let severity = match guidance.severity_reason.as_str() {
            "" => control.severity.to_string(),
            reason => format!("{}: {reason}", control.severity),
        };
        page.entry("severity", 13, &severity);
        page.entry("judges", 13, control.resource_type.as_str());
        page.entry("frameworks", 13, &control.frameworks.join(", "));
        if !guidance.catalogue.is_empty() {
            page.entry("catalogue", 13, &guidance.catalogue);
        }
        page.entry("cases", 13, &self.cases.to_string());
        if !guidance.rationale.is_empty() {
            page.heading("Why");
            page.words(2, &guidance.rationale);
        }
        page.heading("What to do");
        page.words(2, &control.remediation);
        page.block("In the console", &guidance.console);
        page.block("With the AWS CLI", &guidance.cli);
        page.block("In CloudFormation", &guidance.cloudformation);
        page.block("In Terraform", &guidance.terraform);
        page.heading("Facts it reads");
        let longest = self.reads.iter().map(|fact| fact.name.len()).max().unwrap_or(0);
        let kinds = self.reads.iter().map(|fact| fact.kind.len()).max().unwrap_or(0);
        for fact in &self.reads {
            let start = format!("  {:<longest$}  {:<kinds$}  ", fact.name, fact.kind);
            page.entry(&start, start.len(), &fact.comment);
        }
        page.block(&format!("Policy ({})", self.text.file), &rule(&self.text.text));
        page
    }
}

/// The policy without the annotations, which are shown above.
fn rule(text: &str) -> String {
    let start = text.find("\nforbid").map_or(0, |at| at + 1);
    text.get(start..).unwrap_or(text).to_owned()
}
