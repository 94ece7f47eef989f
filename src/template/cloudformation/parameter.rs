//! Parameters of a template.
//!
//! In: its `Parameters` section. Out: what each one may be. Values are the resolver's matter.

use std::collections::BTreeMap;

use crate::inventory::Span;
use crate::template::node::{Node, Tree};

/// Stands for a value that equals none of those that a template compares with.
pub(super) const ANYTHING_ELSE: &str = "anything else";

/// Stands for a default that must not be shown.
pub(super) const HIDDEN_DEFAULT: &str = "its default";

/// A declared parameter.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    type_name: String,
    /// As text; lists with commas.
    pub(super) default: Option<String>,
    /// As text; empty if everything is allowed.
    pub(super) allowed: Vec<String>,
    /// Whether its value is never shown.
    pub(super) hidden: bool,
    /// Where its name is written.
    pub(super) span: Span,
}

impl Parameter {
    /// Whether it has many values.
    pub(super) fn is_list(&self) -> bool {
        self.type_name == "CommaDelimitedList" || self.type_name.contains("List<")
    }

    /// Whether its value is the path of a parameter in Systems Manager, which has the value.
    pub(super) fn is_path(&self) -> bool {
        self.type_name.starts_with("AWS::SSM::Parameter::Value<")
    }

    /// The default, if it is a value.
    pub(super) fn default_value(&self) -> Option<&str> {
        self.default.as_deref().filter(|_| !self.is_path())
    }

    /// Whether its name says that it names an environment, and anything may be given for it.
    pub(super) fn names_an_environment(&self, name: &str) -> bool {
        const ENDS: &[&str] = &["env", "environment", "stage", "tier"];
        let lower: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        let lower =
            ["name", "type", "suffix", "prefix"].iter().find_map(|end| lower.strip_suffix(end)).unwrap_or(&lower);
        let starts = |end: &str| {
            // `TargetEnv` and `env`, but not `Backstage`.
            let at = lower.len().saturating_sub(end.len());
            let letters: Vec<char> = name.chars().filter(char::is_ascii_alphanumeric).collect();
            at == 0 || letters.get(at).is_some_and(char::is_ascii_uppercase) || at == 1
        };
        self.type_name == "String"
            && !self.hidden
            && self.allowed.is_empty()
            && ENDS.iter().any(|end| lower.ends_with(end) && starts(end))
    }

    /// Whether it may have a value.
    pub(super) fn allows(&self, value: &str) -> bool {
        let single = |value: &str| self.allowed.iter().any(|allowed| same(allowed, value));
        self.allowed.is_empty()
            || single(value)
            || self.is_list() && value.split(',').all(|element| single(element.trim()))
    }
}

/// All parameters of a template by name.
pub(super) fn parameters(root: &Node) -> BTreeMap<String, Parameter> {
    let entries = root.get("Parameters").map(Node::entries).unwrap_or_default();
    entries.iter().map(|entry| (entry.key.clone(), parameter(&entry.value, entry.key_span))).collect()
}

fn parameter(node: &Node, span: Span) -> Parameter {
    let texts = |node: Option<&Node>| -> Vec<String> {
        node.map(Node::elements).unwrap_or_default().iter().filter_map(Node::scalar).collect()
    };
    let default = node.get("Default").and_then(|default| match &default.tree {
        // `Default:` with nothing behind it is the empty text.
        Tree::Null => Some(String::new()),
        Tree::List(_) => Some(texts(Some(default)).join(",")),
        _ => default.scalar(),
    });
    Parameter {
        type_name: node.text_at(&["Type"]).unwrap_or("String").trim().to_owned(),
        default,
        allowed: texts(node.get("AllowedValues")),
        hidden: node.get("NoEcho").and_then(Node::scalar).is_some_and(|flag| same(&flag, "true")),
        span,
    }
}

/// Whether two texts are the same value. YAML reads `Yes` as a flag where it stands without quotation marks, but nobody
/// who gives `Yes` on a command line means anything else.
pub(super) fn same(one: &str, other: &str) -> bool {
    let flag = |text: &str| match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    };
    let is_plain = |text: &str| matches!(text, "true" | "false");
    one == other || (is_plain(one) || is_plain(other)) && flag(one).is_some() && flag(one) == flag(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_environment() {
        let parameter = |name: &str, more: &str| {
            let text = format!("Parameters: {{{name}: {{Type: String{more}}}}}");
            let document =
                crate::template::Document::read("t.yaml", text.as_bytes(), &crate::template::Limits::default());
            parameters(&document.unwrap().root)[name].clone()
        };
        for name in
            ["Environment", "EnvironmentName", "env", "pEnv", "StageName", "DeployStage", "TargetEnvType", "Env"]
        {
            assert!(parameter(name, "").names_an_environment(name), "{name}");
        }
        for name in ["Backstage", "EnvironmentId", "StageTopicArn", "Name", "Frontier", "ProjectName"] {
            assert!(!parameter(name, "").names_an_environment(name), "{name}");
        }
        assert!(!parameter("Env", ", AllowedValues: [qa]").names_an_environment("Env"));
        assert!(!parameter("Env", ", NoEcho: true").names_an_environment("Env"));
    }

    #[test]
    fn flags_without_quotation_marks_are_what_people_give() {
        for (one, other, expected) in [
            ("true", "Yes", true),
            ("Yes", "true", true),
            ("Yes", "yes", false),
            ("false", "no", true),
            ("true", "no", false),
            ("1", "true", false),
        ] {
            assert_eq!(same(one, other), expected, "{one} {other}");
        }
    }
}
