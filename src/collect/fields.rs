//! SDK answers → properties: one place that knows what "AWS did not return it" looks like.
//!
//! In: names and optional values. Out: a JSON object without what was not returned. The SDK fills a missing required
//! string with `""` and a missing required word with a marker, so both count as not returned here.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::{Map, Value};

use crate::inventory::Properties;

/// What the SDK puts where AWS left out a required word of a closed list.
const NO_VALUE: &str = "no value was set";

/// An object of CloudFormation's property names under construction.
#[derive(Debug, Default)]
pub(super) struct Fields(Properties);

impl Fields {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A number, a truth value or an object.
    pub(super) fn put(mut self, name: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
        self
    }

    /// A string or a word of a closed list.
    pub(super) fn text<T: AsRef<str> + ?Sized>(self, name: &str, value: Option<&T>) -> Self {
        let value = value.map(AsRef::as_ref).filter(|text| !text.is_empty() && *text != NO_VALUE);
        self.put(name, value)
    }

    /// A list of strings or words; an empty one is left out.
    pub(super) fn texts<T: AsRef<str>>(self, name: &str, values: &[T]) -> Self {
        self.list(name, values, |value| Value::from(value.as_ref()))
    }

    /// A list of anything; an empty one is left out.
    pub(super) fn list<T>(self, name: &str, values: &[T], read: impl Fn(&T) -> Value) -> Self {
        let values: Vec<Value> = values.iter().map(read).collect();
        self.put(name, (!values.is_empty()).then_some(values))
    }

    /// The object as a resource's properties.
    pub(super) fn properties(self) -> Properties {
        self.0
    }

    /// The object as a property's value.
    pub(super) fn value(self) -> Value {
        Value::Object(self.0)
    }

    /// The object as a property's value, or nothing if it is empty.
    pub(super) fn unless_empty(self) -> Option<Value> {
        (!self.0.is_empty()).then_some(Value::Object(self.0))
    }
}

/// A moment as RFC 3339.
pub(super) fn moment(at: Option<&DateTime>) -> Option<Value> {
    at.and_then(|at| at.fmt(Format::DateTime).ok()).map(Value::from)
}

/// A policy document as AWS answers it: a JSON object in a string.
pub(super) fn document(text: &str) -> Result<Value, String> {
    match serde_json::from_str::<Map<String, Value>>(text) {
        Ok(object) => Ok(Value::Object(object)),
        Err(error) => Err(format!("the policy document is not a JSON object: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_not_returned_is_left_out() {
        let fields = Fields::new()
            .text("Kept", Some("x"))
            .text("Missing", None::<&str>)
            .text("Required", Some(""))
            .text("Word", Some(NO_VALUE))
            .put("False", Some(false))
            .texts::<String>("None", &[])
            .texts("Some", &["a"]);
        assert_eq!(fields.value(), json!({"Kept": "x", "False": false, "Some": ["a"]}));
        assert_eq!(Fields::new().unless_empty(), None);
    }

    #[test]
    fn a_policy_that_is_no_object_is_an_error() {
        assert!(document("{}").is_ok());
        assert!(document("[]").is_err());
        assert!(document("{").is_err());
    }
}
