//! What the schema says of every fact: its type, and the comment that stands above it.
//!
//! In: the text of the schema. Out: the facts by entity type, in the order of the schema. Cedar drops comments, so they
//! are read here, for `controls show`, for `controls new` and for errors that name what there is.

use std::collections::BTreeMap;

/// One attribute of an entity type.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FactWord {
    /// As policies write it.
    pub name: String,
    /// `Bool`, `Long`, `String`, `Set<String>`, `datetime`.
    pub kind: String,
    /// The comment above it, as one line; empty if it explains itself.
    pub comment: String,
}

/// The facts of every entity type.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary(BTreeMap<String, Vec<FactWord>>);

impl Vocabulary {
    /// Reads a schema that Cedar has accepted; `namespace`, `entity` and each attribute stand on lines of their own.
    #[must_use]
    pub fn of(schema: &str) -> Self {
        let mut found = Self::default();
        let (mut namespace, mut entity, mut comment) = (String::new(), None, Vec::new());
        for line in schema.lines().map(str::trim) {
            if let Some(text) = line.strip_prefix("//") {
                comment.push(text.trim());
                continue;
            }
            if let Some(name) = line.strip_prefix("namespace ") {
                name.trim_end_matches('{').trim().clone_into(&mut namespace);
            } else if let Some(rest) = line.strip_prefix("entity ") {
                let name = rest.split([' ', '{', ';']).next().unwrap_or_default();
                let full = format!("{namespace}::{name}");
                found.0.insert(full.clone(), Vec::new());
                entity = line.ends_with('{').then_some(full);
            } else if line.starts_with('}') {
                entity = None;
            } else if let (Some(of), Some((name, kind))) = (&entity, line.split_once(':')) {
                found.0.entry(of.clone()).or_default().push(FactWord {
                    name: name.trim().trim_matches('"').to_owned(),
                    kind: kind.trim().trim_end_matches(',').trim().to_owned(),
                    comment: comment.join(" "),
                });
            }
            comment.clear();
        }
        found
    }

    /// The facts of a type; empty if there is no such type.
    #[must_use]
    pub fn of_type(&self, type_name: &str) -> &[FactWord] {
        self.0.get(type_name).map(Vec::as_slice).unwrap_or_default()
    }

    /// One fact of a type.
    #[must_use]
    pub fn fact(&self, type_name: &str, name: &str) -> Option<&FactWord> {
        self.of_type(type_name).iter().find(|fact| fact.name == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::evaluate::Policies;

    #[test]
    fn it_reads_what_cedar_reads() {
        let text = Policies::embedded_schema().text;
        let vocabulary = Vocabulary::of(&text);
        let (fragment, _) = cedar_policy::SchemaFragment::from_cedarschema_str(&text).unwrap();
        for (namespace, content) in fragment.to_json_value().unwrap().as_object().unwrap() {
            for (name, entity) in content["entityTypes"].as_object().unwrap() {
                let expected: BTreeSet<&str> = entity["shape"]["attributes"]
                    .as_object()
                    .map(|attributes| attributes.keys().map(String::as_str).collect())
                    .unwrap_or_default();
                let full = format!("{namespace}::{name}");
                let read = vocabulary.of_type(&full).iter().map(|fact| fact.name.as_str()).collect();
                assert_eq!(expected, read, "{full}: one attribute per line");
            }
        }
        let mode = vocabulary.fact("AWS::CodePipeline::Pipeline", "executionMode").unwrap();
        assert_eq!((mode.kind.as_str(), mode.comment.as_str()), ("String", "SUPERSEDED, QUEUED, PARALLEL"));
        assert_eq!(vocabulary.fact("AWS::CodePipeline::Pipeline", "name").unwrap().comment, "");
    }
}
