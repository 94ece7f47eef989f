//! Exceptions: Cedar `permit`s that say which violation is accepted, by whom, why and until when.
//!
//! In: the files in `exceptions/`. Out: what covers a violation today. An excepted finding stays in every report, marked;
//! it only stops counting for the exit code.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, ResourceConstraint, ValidationMode, Validator};
use serde_json::{Value, json};

use super::control::{RESERVED, collect_reads, looks_at_account};
use super::error::{PolicyError, SourceText};
use super::place;
use super::vocabulary::Vocabulary;
use crate::facts;
use crate::finding::{Control, ExceptionRef};
use crate::inventory::TypeName;

/// One exception as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The controls it is about, by id.
    pub controls: BTreeSet<String>,
    /// What reports say of it.
    pub reference: ExceptionRef,
    /// Who agreed to it; empty where nobody has to.
    pub approved_by: String,
    /// Where it is written, as a person would look for it.
    pub file: String,
    /// The one resource that its scope names, if it does.
    pub(super) resource: Option<String>,
}

impl Exception {
    /// `exceptions/legacy.cedar#id`: the same wherever the folder lies.
    #[must_use]
    pub fn uid(&self) -> String {
        let file = self.file.replace('\\', "/");
        let within = file.rfind("exceptions/").and_then(|at| file.get(at..)).unwrap_or(&file);
        format!("{within}#{}", self.reference.id)
    }
}

/// What is asked of exceptions beyond their form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExceptionRules {
    /// Who may approve; empty means that nobody has to.
    pub approvers: BTreeSet<String>,
    /// `YYYY-MM-DD`: what ended before is an error; `None` leaves it to the findings.
    pub today: Option<String>,
}

/// The exceptions from one control, ready to be asked.
#[derive(Debug, Default)]
pub(super) struct Covering {
    pub(super) policies: PolicySet,
    /// Number of each, in [`Exceptions::all`].
    pub(super) numbers: BTreeMap<PolicyId, usize>,
}

/// All exceptions, and by the control they are about.
#[derive(Debug, Default)]
pub(super) struct Exceptions {
    pub(super) all: Vec<Exception>,
    pub(super) by_control: BTreeMap<String, Covering>,
    texts: Vec<String>,
    /// Facts that any of them reads, of resources and of accounts.
    pub(super) reads: BTreeSet<String>,
    pub(super) reads_of_account: BTreeSet<String>,
    /// Whether any of them looks at the account at all.
    pub(super) looks_at_account: bool,
}

const DATE: &[time::format_description::BorrowedFormatItem<'_>] =
    time::macros::format_description!("[year]-[month]-[day]");
const MANDATORY: [&str; 6] = ["id", "control", "owner", "ticket", "reason", "expires"];
const SCOPES: &str = "scope it by resource (`resource == TYPE::\"ARN\"`), by account or unit (`principal ==`, `principal in`), or by a fact that the type has";

/// What exceptions are checked against.
pub(super) struct Checking<'a> {
    pub(super) validator: &'a Validator,
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) controls: &'a BTreeMap<String, Control>,
    /// Switched off in the configuration.
    pub(super) disabled: &'a BTreeSet<String>,
    pub(super) rules: &'a ExceptionRules,
}

/// One exception in its file.
struct Statement<'a> {
    source: &'a SourceText,
    range: Range<usize>,
    policy: &'a Policy,
    json: Value,
}

impl Exceptions {
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(String::as_str)
    }

    /// Reads all exceptions of one file; what is wrong with any of them goes into `errors`.
    pub(super) fn load(&mut self, source: &SourceText, checking: &Checking<'_>, errors: &mut Vec<PolicyError>) {
        let set = match source.text.parse::<PolicySet>() {
            Ok(set) => set,
            Err(error) => return errors.push(PolicyError::parse(source, error)),
        };
        for (nth, range) in place::statements(&source.text).into_iter().enumerate() {
            // Cedar names the policies of a file by their number.
            let Some(policy) = set.policy(&PolicyId::new(format!("policy{nth}"))) else { continue };
            let json = match policy.to_json() {
                Ok(json) => json,
                Err(error) => return errors.push(PolicyError::cedar(error)),
            };
            let statement = Statement { source, range, policy, json };
            let before = errors.len();
            let exception = statement.read(checking, errors);
            if let (Some(exception), true) = (exception, errors.len() == before) {
                self.add(&statement, exception, errors);
            }
        }
        self.texts.push(source.text.clone());
    }

    fn add(&mut self, statement: &Statement<'_>, exception: Exception, errors: &mut Vec<PolicyError>) {
        let id = &exception.reference.id;
        if let Some(first) = self.all.iter().find(|other| other.reference.id == *id) {
            let problem = format!("the exception id `{id}` is used twice; first in {}", first.file);
            return errors.push(statement.wrong("id", problem, "give each exception its own `@id`"));
        }
        collect_reads(&statement.json, "resource", &mut self.reads);
        collect_reads(&statement.json, "principal", &mut self.reads_of_account);
        self.looks_at_account |= looks_at_account(&statement.json);
        let id = PolicyId::new(id);
        for control in &exception.controls {
            let covering = self.by_control.entry(control.clone()).or_default();
            if let Err(error) = covering.policies.add(statement.policy.new_id(id.clone())) {
                errors.push(PolicyError::cedar(error));
            }
            covering.numbers.insert(id.clone(), self.all.len());
        }
        self.all.push(exception);
    }
}

impl Statement<'_> {
    fn wrong(&self, annotation: &str, problem: impl std::fmt::Display, hint: impl std::fmt::Display) -> PolicyError {
        let place = place::annotation(&self.source.text, &self.range, annotation);
        PolicyError::form(self.source, place.unwrap_or_else(|| self.range.clone()), problem, hint)
    }

    fn text(&self, annotation: &str) -> &str {
        self.policy.annotation(annotation).map(str::trim).unwrap_or_default()
    }

    fn read(&self, checking: &Checking<'_>, errors: &mut Vec<PolicyError>) -> Option<Exception> {
        if self.policy.effect() != Effect::Permit {
            let hint = "a `forbid` is a control and belongs in `controls/`";
            errors.push(PolicyError::form(self.source, self.range.clone(), "an exception is a `permit`", hint));
            return None;
        }
        let missing: Vec<String> =
            MANDATORY.iter().filter(|name| self.text(name).is_empty()).map(|name| format!("`@{name}`")).collect();
        if !missing.is_empty() {
            let problem = format!("the exception lacks {}", missing.join(", "));
            let hint =
                "`@id`, `@control`, `@owner`, `@ticket`, `@reason` and `@expires(\"YYYY-MM-DD\")` are all mandatory";
            errors.push(PolicyError::form(self.source, self.range.clone(), problem, hint));
        }
        self.check_date(checking.rules, errors);
        self.check_approval(checking.rules, errors);
        let controls = self.controls(checking, errors);
        self.check_facts(&controls, checking, errors);
        let text = |name: &str| self.text(name).to_owned();
        Some(Exception {
            controls,
            reference: ExceptionRef {
                id: text("id"),
                owner: text("owner"),
                ticket: text("ticket"),
                reason: text("reason"),
                expires: text("expires"),
            },
            approved_by: text("approved_by"),
            file: self.source.file.clone(),
            resource: match self.policy.resource_constraint() {
                ResourceConstraint::Eq(uid) => Some(uid.id().unescaped().to_owned()),
                _ => None,
            },
        })
    }

    fn check_date(&self, rules: &ExceptionRules, errors: &mut Vec<PolicyError>) {
        let expires = self.text("expires");
        if expires.is_empty() {
            return;
        }
        if time::Date::parse(expires, DATE).is_err() {
            let problem = format!("`{expires}` is not a date");
            errors.push(self.wrong("expires", problem, "write `@expires(\"YYYY-MM-DD\")`"));
        } else if rules.today.as_deref().is_some_and(|today| expires < today) {
            let problem = format!("the exception ended on {expires}; it covers nothing any more");
            let hint = "agree on it again and move the date, or delete it; `--allow-expired-exceptions` reports it as a finding instead";
            errors.push(self.wrong("expires", problem, hint));
        }
    }

    fn check_approval(&self, rules: &ExceptionRules, errors: &mut Vec<PolicyError>) {
        if rules.approvers.is_empty() {
            return;
        }
        let who = rules.approvers.iter().cloned().collect::<Vec<_>>().join(", ");
        let approver = self.text("approved_by");
        if approver.is_empty() {
            let hint = format!("add `@approved_by(\"…\")`, one of: {who}");
            errors.push(self.wrong("approved_by", "nobody has approved the exception", hint));
        } else if !rules.approvers.contains(approver) {
            let problem = format!("`{approver}` may not approve exceptions");
            errors.push(self.wrong("approved_by", problem, format!("approvers are: {who}")));
        } else if approver == self.text("owner") {
            let problem = format!("`{approver}` approves an exception of their own");
            errors.push(self.wrong("approved_by", problem, format!("somebody else has to, one of: {who}")));
        }
    }

    /// The controls it is about: ids with commas between, or the beginning of ids with a `*` behind.
    fn controls(&self, checking: &Checking<'_>, errors: &mut Vec<PolicyError>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let patterns = self.text("control").split(',').map(str::trim).filter(|pattern| !pattern.is_empty());
        for pattern in patterns {
            let hint = "correct `@control`; `pipewarden controls list` shows all ids";
            let before = found.len();
            match pattern.strip_suffix('*') {
                Some(prefix) if prefix.len() < 3 => {
                    let problem = format!("`{pattern}` would except from nearly everything");
                    errors.push(self.wrong("control", problem, "write more of the ids before the `*`"));
                    continue;
                }
                Some(prefix) => found.extend(checking.controls.keys().filter(|id| id.starts_with(prefix)).cloned()),
                None => found.extend(checking.controls.get_key_value(pattern).map(|(id, _)| id.clone())),
            }
            if found.len() > before || found.contains(pattern) {
                continue;
            }
            let problem = if RESERVED.contains(&pattern) {
                format!("there is no exception from `{pattern}`: it is about exceptions")
            } else if checking.disabled.contains(pattern) {
                format!("the control `{pattern}` is switched off in the configuration")
            } else {
                format!("there is no control `{pattern}`")
            };
            errors.push(self.wrong("control", problem, hint));
        }
        found
    }

    /// An exception has to make sense for the type of each of its controls, and for no others.
    fn check_facts(&self, controls: &BTreeSet<String>, checking: &Checking<'_>, errors: &mut Vec<PolicyError>) {
        let types: BTreeMap<&TypeName, &str> = controls
            .iter()
            .filter_map(|id| checking.controls.get(id))
            .map(|control| (&control.resource_type, control.id.as_str()))
            .collect();
        let mut reads = BTreeSet::new();
        collect_reads(&self.json, "resource", &mut reads);
        for (type_name, control) in types {
            let scope = self.json.pointer("/resource/entity_type").or(self.json.pointer("/resource/entity/type"));
            if let Some(other) = scope.and_then(Value::as_str).filter(|other| *other != type_name.as_str()) {
                let problem = format!("it is about `{other}`, but the control `{control}` judges `{type_name}`");
                let at = place::words(&self.source.text, &self.range, other).unwrap_or_else(|| self.range.clone());
                errors.push(PolicyError::form(self.source, at, problem, "correct the scope or `@control`"));
                continue;
            }
            let known = checking.vocabulary.of_type(type_name.as_str());
            let unknown: Vec<&String> =
                reads.iter().filter(|name| !known.iter().any(|fact| fact.name == **name)).collect();
            for name in &unknown {
                let at = place::words(&self.source.text, &self.range, &format!("resource.{name}"));
                let names: Vec<&str> = known.iter().map(|fact| fact.name.as_str()).collect();
                let problem = format!("`{type_name}`, which `{control}` judges, has no fact `{name}`");
                let hint = format!("{SCOPES}: {}", names.join(", "));
                errors.push(PolicyError::form(self.source, at.unwrap_or_else(|| self.range.clone()), problem, hint));
            }
            if unknown.is_empty() {
                self.validate(type_name, checking.validator, errors);
            }
        }
    }

    /// Strict validation, as if the scope named the type and action of the control.
    fn validate(&self, type_name: &TypeName, validator: &Validator, errors: &mut Vec<PolicyError>) {
        let mut narrowed = self.json.clone();
        if narrowed.pointer("/resource/op").and_then(Value::as_str) == Some("All")
            && let Some(resource) = narrowed.get_mut("resource")
        {
            *resource = json!({"op": "is", "entity_type": type_name.as_str()});
        }
        if narrowed.pointer("/action/op").and_then(Value::as_str) == Some("All")
            && let (Some(action), Some(name)) = (narrowed.get_mut("action"), facts::action_of(type_name))
        {
            *action = json!({"op": "==", "entity": {"type": "Pipewarden::Action", "id": name}});
        }
        let problems = match Policy::from_json(Some(self.policy.id().clone()), narrowed) {
            Ok(policy) => problems(&policy, validator),
            Err(error) => return errors.push(PolicyError::cedar(error)),
        };
        // Cedar points into the text only for the policy as written, which may be wrong for other types as well.
        let set = PolicySet::from_policies([self.policy.clone()]).unwrap_or_default();
        let written = validator.validate(&set, ValidationMode::Strict);
        for problem in problems {
            let located = written.validation_errors().find(|error| error.to_string() == problem);
            errors.push(match located {
                Some(error) => {
                    PolicyError::Invalid { source_text: Box::new(self.source.clone()), error: Box::new(error.clone()) }
                }
                None => PolicyError::form(
                    self.source,
                    self.range.clone(),
                    problem,
                    format!("change it so that Cedar takes it for `{type_name}`"),
                ),
            });
        }
    }
}

/// Cedar's errors and warnings, as text.
fn problems(policy: &Policy, validator: &Validator) -> Vec<String> {
    let set = PolicySet::from_policies([policy.clone()]).unwrap_or_default();
    let result = validator.validate(&set, ValidationMode::Strict);
    let errors = result.validation_errors().map(ToString::to_string);
    errors.chain(result.validation_warnings().map(ToString::to_string)).collect()
}
