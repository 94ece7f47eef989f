//! Exceptions: Cedar `permit`s that say which violation is accepted, by whom, why and until when.
//!
//! An excepted finding stays in every report, marked; it only stops counting for the exit code.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Authorizer, Effect, Entities, Policy, PolicyId, PolicySet, Request, Validator};

use super::control::{collect_reads, looks_at_account};
use super::error::{PolicyError, SourceText};
use super::policy_set::validate;
use crate::finding::ExceptionRef;

/// One exception as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The control it is about.
    pub control: String,
    /// What reports say of it.
    pub reference: ExceptionRef,
    /// Where it is written.
    pub file: String,
}

/// All exceptions, by the control they are about.
#[derive(Debug, Default)]
pub(super) struct Exceptions {
    by_control: BTreeMap<String, (PolicySet, BTreeMap<PolicyId, Exception>)>,
    ids: BTreeSet<String>,
    texts: Vec<String>,
    /// Facts that any of them reads, of resources and of accounts.
    pub(super) reads: BTreeSet<String>,
    pub(super) reads_of_account: BTreeSet<String>,
    /// Whether any of them looks at the account at all.
    pub(super) looks_at_account: bool,
}

const DATE: &[time::format_description::BorrowedFormatItem<'_>] =
    time::macros::format_description!("[year]-[month]-[day]");

impl Exceptions {
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(String::as_str)
    }

    /// Refuses exceptions from controls that do not exist: they would silently do nothing.
    pub(super) fn check_controls(&self, exists: impl Fn(&str) -> bool) -> Result<(), PolicyError> {
        for (control, (_, exceptions)) in &self.by_control {
            if let (false, Some(exception)) = (exists(control), exceptions.values().next()) {
                return Err(PolicyError::form(
                    &exception.file,
                    format!("there is no control `{control}`"),
                    "correct `@control`; `pipewarden controls list` shows all ids",
                ));
            }
        }
        Ok(())
    }

    /// The exception that covers a violation today: the one that holds longest.
    pub(super) fn covering(
        &self,
        control: &str,
        today: &str,
        authorizer: &Authorizer,
        request: &Request,
        entities: &Entities,
    ) -> Option<ExceptionRef> {
        let (policies, exceptions) = self.by_control.get(control)?;
        let response = authorizer.is_authorized(request, policies, entities);
        let matching = response.diagnostics().reason().filter_map(|id| exceptions.get(id));
        matching
            .map(|exception| &exception.reference)
            .filter(|reference| reference.expires.as_str() >= today)
            .max_by(|a, b| (&a.expires, &a.id).cmp(&(&b.expires, &b.id)))
            .cloned()
    }
}

/// Reads all exceptions of one file into `exceptions`.
pub(super) fn load(source: &SourceText, validator: &Validator, exceptions: &mut Exceptions) -> Result<(), PolicyError> {
    let set = source
        .text
        .parse::<PolicySet>()
        .map_err(|error| PolicyError::Parse { source_text: Box::new(source.clone()), error: Box::new(error) })?;
    let mut policies: Vec<&Policy> = set.policies().collect();
    policies.sort_by_key(|policy| policy.id().to_string());
    for policy in policies {
        validate(validator, policy, source)?;
        let json = policy.to_json().map_err(PolicyError::cedar)?;
        collect_reads(&json, "resource", &mut exceptions.reads);
        collect_reads(&json, "principal", &mut exceptions.reads_of_account);
        exceptions.looks_at_account |= looks_at_account(&json);
        let exception = read(policy, &source.file)?;
        if !exceptions.ids.insert(exception.reference.id.clone()) {
            return Err(PolicyError::form(
                &source.file,
                format!("the exception id `{}` is used twice", exception.reference.id),
                "give each exception its own `@id`",
            ));
        }
        let id = PolicyId::new(&exception.reference.id);
        let (set, known) = exceptions.by_control.entry(exception.control.clone()).or_default();
        set.add(policy.new_id(id.clone())).map_err(PolicyError::cedar)?;
        known.insert(id, exception);
    }
    exceptions.texts.push(source.text.clone());
    Ok(())
}

fn read(policy: &Policy, file: &str) -> Result<Exception, PolicyError> {
    if policy.effect() != Effect::Permit {
        return Err(PolicyError::form(
            file,
            "an exception is a `permit`",
            "a `forbid` is a control and belongs in `controls/`",
        ));
    }
    let annotation = |name: &str| {
        policy.annotation(name).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(|| {
            PolicyError::form(
                file,
                format!("an exception lacks `@{name}`"),
                "`@id`, `@control`, `@owner`, `@ticket`, `@reason` and `@expires(\"YYYY-MM-DD\")` are all mandatory",
            )
        })
    };
    let expires = annotation("expires")?;
    if time::Date::parse(&expires, DATE).is_err() {
        return Err(PolicyError::form(file, format!("`{expires}` is not a date"), "write `@expires(\"YYYY-MM-DD\")`"));
    }
    Ok(Exception {
        control: annotation("control")?,
        reference: ExceptionRef {
            id: annotation("id")?,
            owner: annotation("owner")?,
            ticket: annotation("ticket")?,
            reason: annotation("reason")?,
            expires,
        },
        file: file.to_owned(),
    })
}
