//! Reading properties without guessing.
//!
//! In: a resource's properties and the gaps over them. Out: values that are either seen or carry the sentences that say
//! why not. It exists so that no fact can forget the third possibility.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Fact, Facts};
use crate::inventory::{Resource, Tags};

/// A value, or the sentences that say why it could not be seen.
pub(super) type Seen<T> = Result<T, Vec<String>>;

/// The elements of a set of which some are sure and others could not be decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// In the set, whatever the doubts turn out to be.
    pub(super) certain: BTreeSet<String>,
    /// Why something else may be in the set as well.
    pub(super) doubts: Vec<String>,
}

impl Found {
    pub(super) fn add(&mut self, element: impl Into<String>) {
        self.certain.insert(element.into());
    }

    pub(super) fn doubt(&mut self, sentences: &[String]) {
        self.doubts.extend_from_slice(sentences);
    }

    /// Adds `element` if `holds`, doubts it if that could not be seen.
    pub(super) fn add_if(&mut self, element: impl Into<String>, holds: &Seen<bool>) {
        match holds {
            Ok(true) => self.add(element),
            Ok(false) => {}
            Err(sentences) => self.doubt(sentences),
        }
    }

    /// For sets that are asked whether they are empty: one sure element answers, whatever else is in doubt.
    pub(super) fn decided(self) -> Seen<BTreeSet<String>> {
        if self.certain.is_empty() && !self.doubts.is_empty() { Err(self.doubts) } else { Ok(self.certain) }
    }

    /// For sets whose every element counts: any doubt leaves the whole unknown.
    pub(super) fn exact(self) -> Seen<BTreeSet<String>> {
        if self.doubts.is_empty() { Ok(self.certain) } else { Err(self.doubts) }
    }
}

impl From<bool> for Fact {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Fact {
    fn from(value: i64) -> Self {
        Self::Long(value)
    }
}

impl From<String> for Fact {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&str> for Fact {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<BTreeSet<String>> for Fact {
    fn from(value: BTreeSet<String>) -> Self {
        Self::Set(value)
    }
}

impl Facts {
    /// Adds a fact as known or unknown, as it was seen.
    pub(super) fn put<T: Into<Fact>>(&mut self, name: &'static str, seen: Seen<T>) {
        match seen {
            Ok(value) => {
                self.known.insert(name.into(), value.into());
            }
            Err(mut sentences) => {
                sentences.sort();
                sentences.dedup();
                self.unknown.insert(name.into(), sentences);
            }
        }
    }

    /// Adds a fact that is always known.
    pub(super) fn know(&mut self, name: &'static str, value: impl Into<Fact>) {
        self.known.insert(name.into(), value.into());
    }

    /// Adds the facts that every kind with tags has.
    pub(super) fn put_tags(&mut self, resource: &Resource) {
        let tags = tags(resource);
        let pairs = tags.as_ref().map(|tags| tags.iter().map(|(key, value)| format!("{key}={value}")).collect());
        self.put::<BTreeSet<String>>("tags", pairs.map_err(Clone::clone));
        self.put::<BTreeSet<String>>("tagKeys", tags.map(|tags| tags.keys().cloned().collect()));
    }
}

/// A resource's tags, unless they could not be seen.
pub(super) fn tags(resource: &Resource) -> Seen<&Tags> {
    if (resource.tags.is_empty() || resource.unseen.contains_key("Tags"))
        && let Some(gap) = resource.gap_over("Tags")
    {
        return Err(vec![gap.sentence()]);
    }
    Ok(&resource.tags)
}

/// A top-level property: its value, `None` if it was seen to be unset, or why it could not be seen.
pub(super) fn property<'a>(resource: &'a Resource, name: &str) -> Seen<Option<&'a Value>> {
    if let Some(gap) = resource.unseen.get(name) {
        return Err(vec![gap.sentence()]);
    }
    match resource.properties.get(name) {
        Some(Value::Null) => Ok(None),
        Some(value) => Ok(Some(value)),
        None => match resource.unseen.get("*") {
            Some(gap) => Err(vec![gap.sentence()]),
            None => Ok(None),
        },
    }
}

/// A top-level property as text.
pub(super) fn text<'a>(resource: &'a Resource, name: &str) -> Seen<Option<&'a str>> {
    Ok(property(resource, name)?.and_then(Value::as_str))
}

/// A top-level property as text, or `default` where it is unset.
pub(super) fn text_or(resource: &Resource, name: &str, default: &str) -> Seen<String> {
    Ok(text(resource, name)?.unwrap_or(default).to_owned())
}

/// A top-level property as a boolean, false where it is unset.
pub(super) fn is_set(resource: &Resource, name: &str) -> Seen<bool> {
    Ok(property(resource, name)?.and_then(flag).unwrap_or(false))
}

/// The name a resource goes by: its naming property, else the last part of its id.
pub(super) fn name<'a>(resource: &'a Resource, property: &str) -> &'a str {
    resource.properties.get(property).and_then(Value::as_str).unwrap_or_else(|| resource.uid.short_name())
}

/// A boolean; templates write it as a string now and then.
pub(super) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A whole number; templates write it as a string now and then.
pub(super) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A value below `value`, step by step.
pub(super) fn at<'a>(value: Option<&'a Value>, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value?, |value, step| value.get(step)).filter(|value| !value.is_null())
}

/// Text below `value`, empty where there is none.
pub(super) fn text_at<'a>(value: Option<&'a Value>, path: &[&str]) -> &'a str {
    at(value, path).and_then(Value::as_str).unwrap_or_default()
}

/// The elements of a list below `value`; none where there is no list.
pub(super) fn list_at<'a>(value: Option<&'a Value>, path: &[&str]) -> &'a [Value] {
    at(value, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The fields of an object below `value`, if there is one.
pub(super) fn object_at<'a>(value: Option<&'a Value>, path: &[&str]) -> Option<&'a Map<String, Value>> {
    at(value, path).and_then(Value::as_object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{denied, resource};
    use super::*;
    use crate::inventory::TypeName;

    #[test]
    fn a_property_is_seen_unset_or_behind_a_gap() {
        let mut pipeline = resource(TypeName::PIPELINE, "web", json!({"Name": "web", "Triggers": null}));
        assert_eq!(text(&pipeline, "Name"), Ok(Some("web")));
        assert_eq!(property(&pipeline, "Triggers"), Ok(None));
        pipeline.unseen.insert("*".to_owned(), denied("codepipeline:GetPipeline"));
        assert_eq!(text(&pipeline, "Name"), Ok(Some("web")));
        assert!(property(&pipeline, "Stages").unwrap_err().join("").contains("codepipeline:GetPipeline"));
        assert!(tags(&pipeline).is_err());
    }

    #[test]
    fn a_sure_element_outweighs_doubts_only_where_emptiness_is_asked() {
        let mut found = Found::default();
        found.add_if("a", &Err(vec!["why".to_owned()]));
        assert_eq!(found.clone().decided(), Err(vec!["why".to_owned()]));
        found.add_if("b", &Ok(true));
        found.add_if("c", &Ok(false));
        assert_eq!(found.clone().decided(), Ok(BTreeSet::from(["b".to_owned()])));
        assert!(found.exact().is_err());
    }

    #[test]
    fn templates_write_booleans_and_numbers_as_strings() {
        assert_eq!(flag(&json!("True")), Some(true));
        assert_eq!(flag(&json!("yes")), None);
        assert_eq!(number(&json!("2")), Some(2));
        assert_eq!(number(&json!(3)), Some(3));
    }
}
