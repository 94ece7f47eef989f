//! One control as written → what a report says of it, the policy, the facts it reads, and where it applies.

use std::collections::BTreeSet;

use cedar_policy::{Effect, Policy, PolicyId, ResourceConstraint};
use serde_json::Value;

use super::Guidance;
use super::condition::Condition;
use super::error::{PolicyError, SourceText};
use super::place;
use crate::finding::{Control, Severity};
use crate::inventory::TypeName;

/// Where a control applies.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Applicability {
    /// To every resource of its type.
    Always,
    /// Where these facts are so, answered without asking Cedar again.
    When(Condition),
    /// Where this policy, the control's scope and `when` in Cedar's JSON form, is satisfied; equal for controls that
    /// apply to the same resources.
    Policy(Value),
}

/// A control, ready to be put into a policy set.
#[derive(Debug, Clone)]
pub(super) struct LoadedControl {
    pub(super) control: Control,
    /// As written, for the validation.
    pub(super) policy: Policy,
    /// Cedar's JSON form, for the question and for explanations.
    pub(super) json: Value,
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

/// Ids of the findings about exceptions.
pub(super) const RESERVED: [&str; 2] = ["exception-expired", "exception-unused"];

const FORM: &str = "write one `forbid (principal, action == …, resource is …)` with at most one `when` (where it applies) and then one `unless` (what must hold)";

const MANDATORY: [&str; 5] = ["id", "title", "severity", "remediation", "frameworks"];

/// Reads one control; otherwise everything that is wrong with it.
pub(super) fn load(source: &SourceText) -> Result<LoadedControl, Vec<PolicyError>> {
    let parsed =
        source.text.parse::<cedar_policy::PolicySet>().map_err(|error| vec![PolicyError::parse(source, error)])?;
    let statements = place::statements(&source.text);
    let statement = statements.first().cloned().unwrap_or(0..0);
    let wrong = |problem: &str| PolicyError::form(source, statement.clone(), problem, FORM);
    let mut policies = parsed.policies();
    let (Some(policy), None) = (policies.next(), policies.next()) else {
        let second = statements.get(1).cloned().unwrap_or(0..0);
        return Err(vec![PolicyError::form(source, second, "a control file holds exactly one policy", FORM)]);
    };
    let mut errors = Vec::new();
    if policy.effect() != Effect::Forbid {
        errors.push(wrong("a control is a `forbid`"));
    }
    if !matches!(policy.resource_constraint(), ResourceConstraint::Is(_)) {
        errors.push(wrong("the scope does not name one resource type"));
    }
    let text = |name: &str| policy.annotation(name).map(str::trim).unwrap_or_default();
    let missing: Vec<String> =
        MANDATORY.iter().filter(|name| text(name).is_empty()).map(|name| format!("`@{name}`")).collect();
    if !missing.is_empty() {
        let problem = format!("the control lacks {}", missing.join(", "));
        let added: Vec<String> =
            MANDATORY.iter().filter(|name| text(name).is_empty()).map(|name| format!("`@{name}(\"…\")`")).collect();
        let hint = format!("add {} above the policy", added.join(", "));
        errors.push(PolicyError::form(source, statement.clone(), problem, &hint));
    }
    let at = |name: &str| place::annotation(&source.text, &statement, name).unwrap_or_else(|| statement.clone());
    let severity: Result<Severity, String> = text("severity").parse();
    if let (Err(problem), false) = (&severity, text("severity").is_empty()) {
        errors.push(PolicyError::form(source, at("severity"), problem, "correct `@severity`"));
    }
    let id = text("id");
    if !id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        let problem = format!("`{id}` is not a control id");
        errors.push(PolicyError::form(source, at("id"), problem, "use lower-case words joined by `-`"));
    }
    if RESERVED.contains(&id) {
        let problem = format!("`{id}` is what findings about exceptions are called");
        errors.push(PolicyError::form(source, at("id"), problem, "choose another `@id`"));
    }
    let json = policy.to_json().map_err(|error| vec![PolicyError::cedar(error)])?;
    if applicability(&json).is_none() {
        errors.push(wrong("unexpected clauses"));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    read(source, policy.new_id(PolicyId::new(id)), json).ok_or_else(|| vec![wrong("it cannot be read")])
}

/// A control of this version from the JSON form of its validated text, or from the text if the form is of no use.
pub(super) fn compiled(source: &SourceText, json: &str) -> Result<LoadedControl, Vec<PolicyError>> {
    let read = || {
        let json: Value = serde_json::from_str(json).ok()?;
        let id = json.pointer("/annotations/id")?.as_str()?.trim().to_owned();
        let policy = Policy::from_json(Some(PolicyId::new(id)), stripped(&json)).ok()?;
        read(source, policy, json)
    };
    read().map_or_else(|| load(source), Ok)
}

/// Everything that follows from the JSON form, in which annotations are texts.
fn read(source: &SourceText, policy: Policy, json: Value) -> Option<LoadedControl> {
    let annotations = json.get("annotations")?;
    let text = |name: &str| annotations.get(name).and_then(Value::as_str).unwrap_or_default().trim();
    let listed = |text: &str| -> Vec<String> {
        text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    };
    let resource_type = json.pointer("/resource/entity_type")?.as_str()?.to_owned();
    let mut reads = BTreeSet::new();
    collect_reads(&json, "resource", &mut reads);
    let mut reads_of_account = BTreeSet::new();
    collect_reads(&json, "principal", &mut reads_of_account);
    Some(LoadedControl {
        control: Control {
            id: text("id").to_owned(),
            title: text("title").to_owned(),
            severity: text("severity").parse().ok()?,
            resource_type: TypeName::from(resource_type),
            remediation: text("remediation").to_owned(),
            frameworks: listed(text("frameworks")),
        },
        policy,
        reads,
        shows: listed(text("evidence")).into_iter().collect(),
        applicability: applicability(&json)?,
        guidance: Guidance::of(&text),
        reads_of_account,
        looks_at_account: looks_at_account(&json),
        source: source.clone(),
        json,
    })
}

impl LoadedControl {
    /// Where an annotation stands, or the whole policy.
    pub(super) fn place_of(&self, annotation: &str) -> std::ops::Range<usize> {
        let statement = place::statements(&self.source.text).first().cloned().unwrap_or(0..0);
        place::annotation(&self.source.text, &statement, annotation).unwrap_or(statement)
    }
}

/// A policy without annotations and without what every question of its partition has in common: its type and action
/// need not be compared again for every resource.
pub(super) fn stripped(json: &Value) -> Value {
    let mut stripped = json.clone();
    if let Some(fields) = stripped.as_object_mut() {
        fields.remove("annotations");
        for scope in ["action", "resource"] {
            fields.insert(scope.to_owned(), serde_json::json!({"op": "All"}));
        }
    }
    stripped
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
        if let Some(condition) = Condition::read(when.get("body")?) {
            return Some(Applicability::When(condition));
        }
    }
    let mut derived = stripped(policy);
    derived.as_object_mut()?.insert("conditions".to_owned(), when.into_iter().cloned().collect());
    Some(Applicability::Policy(derived))
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
        assert_eq!(
            of(format!("{HEAD} when {{ resource.deploys }} {must}")),
            Applicability::When(Condition::Fact("deploys".to_owned()))
        );
        assert!(matches!(of(format!("{HEAD} when {{ !resource.deploys }} {must}")), Applicability::When(_)));
        let scoped = HEAD.replace("(principal,", r#"(principal in AWS::Organizations::OrganizationalUnit::"ou-1","#);
        for text in [format!("{scoped} {must}"), format!("{scoped} when {{ resource.deploys }} {must}")] {
            assert!(matches!(of(text), Applicability::Policy(_)));
        }
        let with_setting = "when { resource.days < context.settings.alarmWithoutDataDays }";
        assert!(matches!(of(format!("{HEAD} {with_setting} {must}")), Applicability::Policy(_)));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once_with_its_place() {
        let text = "// ours\n@id(\"A\") @title(\"t\")\n@severity(\"WORST\")\nforbid (principal, action, resource) unless { true };";
        let errors = load(&source(text)).unwrap_err();
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        for (wanted, text) in [
            "test.cedar:2:1: the scope",
            "test.cedar:2:1: the control lacks `@remediation`, `@frameworks`",
            "test.cedar:3:1: `WORST`",
            "test.cedar:2:1: `A` is not a control id",
        ]
        .iter()
        .zip(&texts)
        {
            assert!(text.starts_with(wanted), "{text}");
        }
        assert_eq!(texts.len(), 4, "{texts:?}");
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
            HEAD.replace("a-b", "exception-unused") + " unless { resource.deploys };",
            "forbid (".to_owned(),
        ] {
            assert!(load(&source(&wrong)).is_err(), "{wrong}");
        }
    }
}
