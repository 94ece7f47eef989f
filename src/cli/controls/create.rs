//! `controls new`: a control and its cases to start from, valid and passing as they are written.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use clap::Args;

use super::super::Exit;
use super::super::failure::Failure;
use super::super::options::{PolicyOptions, print};
use crate::config::Config;
use crate::evaluate::{FactWord, Policies, PolicySource, Vocabulary};
use crate::facts;
use crate::inventory::TypeName;

/// Options of `controls new`.
#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// Its id: lower-case words joined by `-`
    id: String,
    /// The resource type it judges, e.g. `AWS::CodePipeline::Pipeline`
    #[arg(long = "type", value_name = "TYPE")]
    resource_type: String,
}

pub(super) fn run(args: &NewArgs, options: &PolicyOptions, config: &Config) -> Result<Exit, Failure> {
    let folder = options.policies.first().or(config.policies.folders.first()).ok_or_else(|| {
        Failure::usage("say with `--policies DIR` which folder the control goes into; it is made if there is none")
    })?;
    let id = args.id.as_str();
    let well_formed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if id.is_empty() || id.starts_with('-') || !id.bytes().all(well_formed) {
        return Err(Failure::usage(format!("`{id}` is not a control id; use lower-case words joined by `-`")));
    }
    let type_name = TypeName::from(args.resource_type.clone());
    let vocabulary = Vocabulary::of(&Policies::embedded_schema().text);
    let (Some(action), Some(rule)) = (facts::action_of(&type_name), rule(vocabulary.of_type(type_name.as_str())))
    else {
        let known: Vec<String> = facts::KINDS.iter().map(|kind| kind.type_name().to_string()).collect();
        let problem = format!("`{type_name}` is not a type that is judged; those are: {}", known.join(", "));
        return Err(Failure::usage(problem));
    };
    let place = folder.join("controls").join(service(&type_name));
    fs::create_dir_all(&place)
        .map_err(|error| Failure::usage(format!("{} cannot be made: {error}", place.display())))?;
    let (policy, cases) = (place.join(format!("{id}.cedar")), place.join(format!("{id}.tests.json")));
    for path in [&policy, &cases] {
        if path.exists() {
            let problem = format!("{} is there already; choose another id, or edit it", path.display());
            return Err(Failure::usage(problem));
        }
    }
    write(&policy, &rule.control(id, &type_name, action))?;
    write(&cases, &rule.cases())?;
    let shown = folder.display();
    let file = format!("/{id}.cedar");
    let built_in = |source: &PolicySource| matches!(source, PolicySource::Control(text) if text.file.ends_with(&file));
    let replaces = Policies::embedded().iter().any(built_in);
    print(&|out| {
        writeln!(out, "wrote {}\nwrote {}\n", policy.display(), cases.display())?;
        if replaces {
            writeln!(
                out,
                "There is a built-in control `{id}`: this one replaces it. Choose another id to keep both.\n"
            )?;
        }
        writeln!(out, "Change what it asks, then:")?;
        writeln!(out, "  pipewarden controls validate --policies {shown}")?;
        writeln!(out, "  pipewarden controls test --policies {shown} --control {id}")
    })?;
    Ok(Exit::Compliant)
}

/// Never writes over a file, even one that appeared just now.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = OpenOptions::new().write(true).create_new(true).open(path);
    written
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Failure::usage(format!("{} cannot be written: {error}", path.display())))
}

/// `AWS::CodePipeline::Pipeline` → `codepipeline`, `Git::Branch` → `git`.
fn service(type_name: &TypeName) -> String {
    let mut parts = type_name.as_str().split("::").skip_while(|part| *part == "AWS");
    parts.next().unwrap_or_default().to_ascii_lowercase()
}

/// A first rule, and a fact that meets it and one that does not.
struct Rule {
    fact: String,
    unless: String,
    good: &'static str,
    bad: &'static str,
}

/// A rule on whatever fact of the type reads best; every type has one.
fn rule(facts: &[FactWord]) -> Option<Rule> {
    let of = |fact: &FactWord, unless: String, good, bad| Rule { fact: fact.name.clone(), unless, good, bad };
    if let Some(fact) = facts.iter().find(|fact| fact.name == "tagKeys") {
        return Some(of(fact, "resource.tagKeys.contains(\"owner\")".to_owned(), "[\"owner\"]", "[]"));
    }
    let kind = |wanted: &str| facts.iter().find(|fact| fact.kind == wanted);
    if let Some(fact) = kind("Set<String>") {
        return Some(of(fact, format!("resource.{}.isEmpty()", fact.name), "[]", "[\"something\"]"));
    }
    if let Some(fact) = kind("Bool") {
        return Some(of(fact, format!("resource.{}", fact.name), "true", "false"));
    }
    if let Some(fact) = kind("Long") {
        return Some(of(fact, format!("resource.{} >= 1", fact.name), "1", "0"));
    }
    let fact = kind("String")?;
    Some(of(fact, format!("resource.{} != \"\"", fact.name), "\"something\"", "\"\""))
}

impl Rule {
    fn control(&self, id: &str, type_name: &TypeName, action: &str) -> String {
        let Self { fact, unless, .. } = self;
        format!(
            r#"// `when {{ … }}` before the `unless` says where the control applies; without one it applies to every resource of the
// type. `unless {{ … }}` says what must hold. `pipewarden controls show` prints the facts that other controls read.
@id("{id}")
@title("Say in one sentence what must hold")
@severity("MEDIUM")
@severity_reason("Say why it is that bad.")
@rationale("Say what goes wrong without it.")
@remediation("Say what to do; {{{fact}}} is shown with its value.")
@console("Steps in the AWS console.")
@cli("An aws command that does it.")
@cloudformation("The property, as YAML.")
@terraform("The argument, as HCL.")
@frameworks("OWASP-CICD-SEC-7")
forbid (principal, action == Pipewarden::Action::"{action}", resource is {type_name})
unless {{ {unless} }};
"#
        )
    }

    fn cases(&self) -> String {
        let Self { fact, good, bad, .. } = self;
        format!(
            r#"{{
  "cases": [
    {{"name": "as it must be", "facts": {{"{fact}": {good}}}, "expect": "Compliant"}},
    {{"name": "as it must not be", "facts": {{"{fact}": {bad}}}, "expect": "NonCompliant"}},
    {{"name": "could not be seen", "facts": {{}}, "expect": "InsufficientData"}}
  ]
}}
"#
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::evaluate::{Loading, SourceText, run_cases};

    #[test]
    fn what_is_written_is_valid_and_passes_for_every_type() {
        let vocabulary = Vocabulary::of(&Policies::embedded_schema().text);
        for kind in facts::KINDS {
            let type_name = kind.type_name();
            let rule = rule(vocabulary.of_type(type_name.as_str())).unwrap();
            let source = |file: &str, text: String| SourceText { file: file.to_owned(), text };
            let cases = source("a-b.tests.json", rule.cases());
            let control = source("a-b.cedar", rule.control("a-b", &type_name, kind.action()));
            let yours = vec![PolicySource::Control(control), PolicySource::Cases(cases.clone())];
            let policies = Policies::load_all(&Loading { yours, ..Loading::default() })
                .unwrap_or_else(|e| panic!("{type_name}: {e}"));
            let (cases, failures) = run_cases(&policies, "a-b", &cases).unwrap();
            assert!(cases.len() == 3 && failures.is_empty(), "{type_name}: {failures:?}");
            let said: BTreeSet<bool> =
                policies.guidance("a-b").unwrap().texts()[..6].iter().map(|t| t.1.is_empty()).collect();
            assert_eq!(said, BTreeSet::from([false]));
        }
    }
}
