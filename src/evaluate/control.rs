//! One control as written → what a report says of it, the policy, the facts it reads, and where it applies.

use std::collections::BTreeSet;

use cedar_policy::{Effect, Policy, PolicyId, ResourceConstraint};
use serde_json::Value;

use super::Guidance;
use super::error::{PolicyError, SourceText};
use crate::finding::{Control, Severity};
use crate::inventory::TypeName;

/// Where a control applies.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Applicability {
    /// To every resource of its type.
    Always,
    /// Where this fact is true: the most common `when`, answered without asking Cedar again.
    Fact(String),
    /// Where this policy, the control's scope and `when` in Cedar's JSON form, is satisfied; equal for controls that
    /// apply to the same resources.
    Policy(Value),
}

/// A control, ready to be put into a policy set.
#[derive(Debug, Clone)]
pub(super) struct LoadedControl {
    pub(super) control: Control,
    pub(super) policy: Policy,
    /// Facts that the policy reads of the resource.
    pub(super) reads: BTreeSet<String>,
    /// Facts that explain what the policy reads, from the annotation `@evidence`: shown, never needed.
    pub(super) shows: BTreeSet<String>,
    pub(super) applicability: Applicability,
    pub(super) guidance: Guidance,
    /// Facts that the policy reads of the account.
    pub(super) reads_of_account: BTreeSet<String>,
    /// Whether the policy looks at the account at all, be it only at where it stands.
    pub(super) looks_at_account: bool,
    pub(super) source: SourceText,
}

const FORM: &str = "write one `forbid (principal, action == …, resource is …)` with at most one `when` (where it applies) and then one `unless` (what must hold)";

/// Reads one control.
pub(super) fn load(source: &SourceText) -> Result<LoadedControl, PolicyError> {
    let file = source.file.as_str();
    let parsed = source
        .text
        .parse::<cedar_policy::PolicySet>()
        .map_err(|error| PolicyError::Parse { source_text: Box::new(source.clone()), error: Box::new(error) })?;
    let mut policies = parsed.policies();
    let (Some(policy), None) = (policies.next(), policies.next()) else {
        return Err(PolicyError::form(file, "a control file holds exactly one policy", FORM));
    };
    if policy.effect() != Effect::Forbid {
        return Err(PolicyError::form(file, "a control is a `forbid`", FORM));
    }
    let ResourceConstraint::Is(resource_type) = policy.resource_constraint() else {
        return Err(PolicyError::form(file, "the scope does not name one resource type", FORM));
    };
    let annotation = |name: &str| {
        policy.annotation(name).filter(|text| !text.trim().is_empty()).map(str::to_owned).ok_or_else(|| {
            PolicyError::form(
                file,
                format!("the annotation `@{name}` is missing"),
                format!("add `@{name}(\"…\")` above the policy"),
            )
        })
    };
    let severity: Severity = annotation("severity")?
        .parse()
        .map_err(|problem: String| PolicyError::form(file, problem, "correct `@severity`"))?;
    let control = Control {
        id: annotation("id")?,
        title: annotation("title")?,
        severity,
        resource_type: TypeName::from(resource_type.to_string()),
        remediation: annotation("remediation")?,
        frameworks: annotation("frameworks")?
            .split(',')
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect(),
    };
    if !control.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Err(PolicyError::form(
            file,
            format!("`{}` is not a control id", control.id),
            "use lower-case words joined by `-`",
        ));
    }
    let json = policy.to_json().map_err(PolicyError::cedar)?;
    let applicability = applicability(&json).ok_or_else(|| PolicyError::form(file, "unexpected clauses", FORM))?;
    let mut reads = BTreeSet::new();
    collect_reads(&json, "resource", &mut reads);
    let mut reads_of_account = BTreeSet::new();
    collect_reads(&json, "principal", &mut reads_of_account);
    let looks_at_account = looks_at_account(&json);
    let shows = policy.annotation("evidence").unwrap_or_default();
    let shows = shows.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    let guidance = Guidance::of(policy);
    let policy = policy.new_id(PolicyId::new(&control.id));
    Ok(LoadedControl {
        control,
        policy,
        reads,
        shows,
        applicability,
        guidance,
        reads_of_account,
        looks_at_account,
        source: source.clone(),
    })
}

/// Reads where a policy applies from its scope and `when`; `None` if it has other clauses than a control may have.
fn applicability(policy: &Value) -> Option<Applicability> {
    let conditions = policy.get("conditions")?.as_array()?;
    let kinds: Vec<&str> = conditions.iter().filter_map(|c| c.get("kind")?.as_str()).collect();
    let when = match (kinds.as_slice(), conditions.as_slice()) {
        (["unless"], _) => None,
        (["when", "unless"], [when, _]) => Some(when),
        _ => return None,
    };
    // A scope that names accounts or units decides as much as the `when` does.
    let every_account = policy.pointer("/principal/op").and_then(Value::as_str) == Some("All");
    if every_account {
        let Some(when) = when else { return Some(Applicability::Always) };
        let body = when.get("body")?;
        let of_resource = body.pointer("/./left/Var").and_then(Value::as_str) == Some("resource");
        if let (true, Some(fact)) = (of_resource, body.pointer("/./attr").and_then(Value::as_str)) {
            return Some(Applicability::Fact(fact.to_owned()));
        }
    }
    let mut derived = policy.as_object()?.clone();
    derived.remove("annotations");
    derived.insert("conditions".to_owned(), when.into_iter().cloned().collect());
    Some(Applicability::Policy(Value::Object(derived)))
}

/// Whether a policy names the principal in its scope or a condition.
pub(super) fn looks_at_account(policy: &Value) -> bool {
    fn mentions(node: &Value) -> bool {
        match node {
            Value::Object(fields) => {
                fields.get("Var").and_then(Value::as_str) == Some("principal") || fields.values().any(mentions)
            }
            Value::Array(items) => items.iter().any(mentions),
            _ => false,
        }
    }
    let everybody = policy.pointer("/principal/op").and_then(Value::as_str) == Some("All");
    !everybody || policy.get("conditions").is_some_and(mentions)
}

/// Collects every `variable.name` and `variable has name`, wherever it stands in Cedar's JSON form.
pub(super) fn collect_reads(node: &Value, variable: &str, reads: &mut BTreeSet<String>) {
    match node {
        Value::Object(fields) => {
            for operator in [".", "has"] {
                let Some(access) = fields.get(operator) else { continue };
                let of_variable = access.pointer("/left/Var").and_then(Value::as_str) == Some(variable);
                if let (true, Some(attribute)) = (of_variable, access.get("attr").and_then(Value::as_str)) {
                    reads.insert(attribute.to_owned());
                }
            }
            for child in fields.values() {
                collect_reads(child, variable, reads);
            }
        }
        Value::Array(items) => items.iter().for_each(|child| collect_reads(child, variable, reads)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> SourceText {
        SourceText { file: "test.cedar".to_owned(), text: text.to_owned() }
    }

    const HEAD: &str = r#"@id("a-b") @title("t") @severity("HIGH") @remediation("r") @frameworks("X-1, Y-2")
        forbid (principal, action == Pipewarden::Action::"Release", resource is AWS::CodePipeline::Pipeline)"#;

    #[test]
    fn a_control_says_what_it_reads_and_where_it_applies() {
        let control = load(&source(&format!(
            "{HEAD} when {{ resource.deploys && principal.state == \"ACTIVE\" }} unless {{ resource.unapproved.isEmpty() }};"
        )))
        .unwrap();
        assert_eq!(control.reads.iter().map(String::as_str).collect::<Vec<_>>(), ["deploys", "unapproved"]);
        assert_eq!(control.control.frameworks, ["X-1", "Y-2"]);
        let Applicability::Policy(policy) = control.applicability else { panic!("{:?}", control.applicability) };
        assert!(policy.to_string().contains("deploys") && !policy.to_string().contains("unapproved"));
    }

    #[test]
    fn where_a_control_applies() {
        let of = |text: String| load(&source(&text)).unwrap().applicability;
        let must = "unless { resource.unapproved.isEmpty() };";
        assert_eq!(of(format!("{HEAD} {must}")), Applicability::Always);
        assert_eq!(of(format!("{HEAD} when {{ resource.deploys }} {must}")), Applicability::Fact("deploys".to_owned()));
        let scoped = HEAD.replace("(principal,", r#"(principal in AWS::Organizations::OrganizationalUnit::"ou-1","#);
        for text in [format!("{scoped} {must}"), format!("{scoped} when {{ resource.deploys }} {must}")] {
            assert!(matches!(of(text), Applicability::Policy(_)));
        }
        assert!(matches!(of(format!("{HEAD} when {{ !resource.deploys }} {must}")), Applicability::Policy(_)));
    }

    #[test]
    fn forms_that_would_confuse_the_four_results_are_refused() {
        for wrong in [
            format!("{HEAD};"),
            format!("{HEAD} when {{ resource.deploys }};"),
            format!("{HEAD} unless {{ resource.deploys }} when {{ resource.name == \"x\" }};"),
            format!("{HEAD} unless {{ resource.deploys }}; {HEAD} unless {{ resource.deploys }};"),
            HEAD.replace("forbid", "permit") + " unless { resource.deploys };",
            HEAD.replace("@severity(\"HIGH\")", "") + " unless { resource.deploys };",
            HEAD.replace("HIGH", "WORST") + " unless { resource.deploys };",
            HEAD.replace("resource is AWS::CodePipeline::Pipeline", "resource")
                + " unless { context.mode == \"live\" };",
            "forbid (".to_owned(),
        ] {
            assert!(load(&source(&wrong)).is_err(), "{wrong}");
        }
    }
}
