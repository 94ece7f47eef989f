//! `controls test`: whether every case comes out as written, and if not, why.

use std::path::PathBuf;

use clap::Args;

use super::super::Exit;
use super::super::failure::Failure;
use super::super::options::width;
use super::super::policies::{find, text_of};
use super::explain::clauses;
use super::page::Page;
use crate::evaluate::{CaseFailure, Policies, SourceText, run_cases};

/// Options of `controls test`.
#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// Only the cases in these folders [default: all built-in ones and those in `--policies`]
    folders: Vec<PathBuf>,
    /// Only the cases of this control
    #[arg(long, value_name = "ID")]
    control: Option<String>,
}

pub(super) fn run(args: &TestArgs, policies: &Policies) -> Result<Exit, Failure> {
    let mut files: Vec<(String, SourceText)> = Vec::new();
    if args.folders.is_empty() {
        let all = policies.controls().keys();
        files.extend(all.filter_map(|id| policies.cases(id).map(|file| (id.clone(), file.clone()))));
    }
    for folder in &args.folders {
        if !folder.is_dir() {
            return Err(Failure::usage(format!("{} is not a folder", folder.display())));
        }
        for file in find(folder, ".tests.json")? {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let id = name.strip_suffix(".tests.json").unwrap_or_default().to_owned();
            files.push((id, text_of(&file)?));
        }
    }
    files.retain(|(id, _)| args.control.as_ref().is_none_or(|wanted| wanted == id));
    if files.is_empty() {
        return Err(Failure::usage("there are no cases to run; name a folder with `<control id>.tests.json` files"));
    }
    let mut page = Page::new(width());
    let (mut passed, mut failed) = (0, 0);
    for (control, file) in &files {
        let (cases, failures) = run_cases(policies, control, file).map_err(Failure::policy)?;
        passed += cases.len() - failures.len();
        failed += failures.len();
        for failure in &failures {
            difference(&mut page, policies, control, &file.file, failure);
        }
    }
    page.line(0, &format!("{passed} passed, {failed} failed, of {} controls", files.len()));
    page.print()?;
    Ok(if failed == 0 { Exit::Compliant } else { Exit::NonCompliant })
}

/// What was expected, what came out, on which facts, and what decided.
fn difference(page: &mut Page, policies: &Policies, control: &str, file: &str, failure: &CaseFailure) {
    let case = &failure.case;
    page.line(0, &format!("FAILED {control}: {}", case.name));
    page.line(2, &format!("in        {file}"));
    page.line(2, &format!("expected  {}", case.expect));
    match &failure.actual {
        Ok(explanation) => {
            page.line(2, &format!("got       {}, decided by {}", explanation.compliance, explanation.decided_by));
        }
        Err(problem) => page.line(2, &format!("got       no result: {problem}")),
    }
    for (name, value) in &case.facts {
        page.line(2, &format!("given     {name} = {value}"));
    }
    for (name, value) in &case.context {
        page.line(2, &format!("setting   {name} = {value}"));
    }
    for name in failure.left_out(policies, control) {
        page.line(2, &format!("unknown   {name} (left out of the case)"));
    }
    if let Ok(explanation) = &failure.actual {
        clauses(page, explanation, 2);
    }
    page.line(0, "");
}
