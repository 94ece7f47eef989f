//! Which object writes a trail's selectors record.
//!
//! In: `EventSelectors` and `AdvancedEventSelectors` of a trail. Out: [`ObjectWrites`], which answers for all buckets
//! and for a single one.
//!
//! Rules: <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html>

use serde_json::Value;

use super::seen::{list_at, text_at};

/// The object writes that a trail records: the union of its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ObjectWrites(Vec<Part>);

/// What one selector takes in and leaves out, as ARN prefixes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Part {
    /// `None` takes in everything.
    only: Option<Vec<String>>,
    except: Vec<String>,
}

impl ObjectWrites {
    /// Reads both kinds of selectors.
    pub(super) fn read(basic: Option<&Value>, advanced: Option<&Value>) -> Self {
        let basic = list_at(basic, &[]).iter().filter_map(basic_part);
        let advanced = list_at(advanced, &[]).iter().filter_map(advanced_part);
        Self(basic.chain(advanced).collect())
    }

    /// Whether writes to every bucket are recorded, those of tomorrow included.
    pub(super) fn cover_all(&self) -> bool {
        self.0.iter().any(|part| part.only.is_none() && part.except.is_empty())
    }

    /// Whether writes of every object in the bucket are recorded.
    pub(super) fn cover(&self, bucket: &str) -> bool {
        self.0.iter().any(|part| {
            let whole = |prefix: &String| {
                let rest = bucket_and_key(prefix);
                rest.is_empty() || rest.strip_suffix('/') == Some(bucket)
            };
            // An exception for part of the bucket leaves the bucket partly unrecorded.
            let touches = |prefix: &String| {
                let rest = bucket_and_key(prefix);
                format!("{bucket}/").starts_with(rest) || rest.strip_prefix(bucket).is_some_and(|k| k.starts_with('/'))
            };
            part.only.as_ref().is_none_or(|only| only.iter().any(whole)) && !part.except.iter().any(touches)
        })
    }
}

/// `bucket/key…` of an object ARN or of a prefix of one; empty if it covers every bucket.
fn bucket_and_key(prefix: &str) -> &str {
    prefix.splitn(6, ':').nth(5).unwrap_or_default()
}

fn basic_part(selector: &Value) -> Option<Part> {
    if text_at(Some(selector), &["ReadWriteType"]) == "ReadOnly" {
        return None;
    }
    let objects = list_at(Some(selector), &["DataResources"]).iter();
    let only: Vec<String> = objects
        .filter(|data| text_at(Some(data), &["Type"]) == "AWS::S3::Object")
        .flat_map(|data| list_at(Some(data), &["Values"]))
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    if only.is_empty() {
        None
    } else if only.iter().any(|prefix| bucket_and_key(prefix).is_empty()) {
        Some(Part::default())
    } else {
        Some(Part { only: Some(only), except: Vec::new() })
    }
}

fn advanced_part(selector: &Value) -> Option<Part> {
    let mut part = Part::default();
    let mut of_objects = false;
    let mut data = false;
    for field in list_at(Some(selector), &["FieldSelectors"]) {
        let values = |operator: &str| -> Vec<String> {
            list_at(Some(field), &[operator]).iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let equals = values("Equals");
        match text_at(Some(field), &["Field"]) {
            "eventCategory" => data = equals.iter().any(|value| value == "Data"),
            "resources.type" => of_objects = equals.iter().any(|value| value == "AWS::S3::Object"),
            "eventSource" if equals.iter().any(|value| value == "s3.amazonaws.com") => {}
            "readOnly" if equals.iter().any(|value| value == "false") => {}
            "readOnly" if values("NotEquals").iter().any(|value| value == "true") => {}
            "resources.ARN" => {
                let starts = values("StartsWith");
                if !equals.is_empty() || !values("EndsWith").is_empty() || !values("NotEndsWith").is_empty() {
                    // Single objects, or keys by their ending, are never a whole bucket.
                    part.only.get_or_insert_default();
                }
                if !starts.is_empty() {
                    part.only.get_or_insert_default().extend(starts);
                }
                part.except.extend(values("NotStartsWith"));
                part.except.extend(values("NotEquals"));
            }
            // Any other field narrows the selection to some events.
            _ => part.only = Some(Vec::new()),
        }
    }
    (data && of_objects).then_some(part)
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::*;

    fn basic(kind: &str, values: &[&str]) -> ObjectWrites {
        let selectors =
            json!([{"ReadWriteType": kind, "DataResources": [{"Type": "AWS::S3::Object", "Values": values}]}]);
        ObjectWrites::read(Some(&selectors), None)
    }

    fn advanced(extra: Value) -> ObjectWrites {
        let mut fields = vec![
            json!({"Field": "eventCategory", "Equals": ["Data"]}),
            json!({"Field": "resources.type", "Equals": ["AWS::S3::Object"]}),
        ];
        fields.extend(extra.as_array().unwrap().iter().cloned());
        ObjectWrites::read(None, Some(&json!([{"Name": "s3", "FieldSelectors": fields}])))
    }

    #[test]
    fn basic_selectors() {
        for values in [["arn:aws:s3"], ["arn:aws:s3:::"]] {
            let all = basic("WriteOnly", &values);
            assert!(all.cover_all() && all.cover("artifacts"));
        }
        let one = basic("All", &["arn:aws:s3:::artifacts/"]);
        assert!(!one.cover_all() && one.cover("artifacts") && !one.cover("artifacts-2") && !one.cover("art"));
        assert!(!basic("All", &["arn:aws:s3:::artifacts/web/"]).cover("artifacts"));
        assert!(!basic("ReadOnly", &["arn:aws:s3:::"]).cover("artifacts"));
        assert!(!basic("All", &[]).cover_all());
    }

    #[test]
    fn advanced_selectors() {
        assert!(advanced(json!([])).cover_all());
        assert!(advanced(json!([{"Field": "readOnly", "Equals": ["false"]}])).cover_all());
        assert!(!advanced(json!([{"Field": "readOnly", "Equals": ["true"]}])).cover("artifacts"));
        assert!(!advanced(json!([{"Field": "eventName", "Equals": ["GetObject"]}])).cover("artifacts"));
        let one = advanced(json!([{"Field": "resources.ARN", "StartsWith": ["arn:aws:s3:::artifacts/"]}]));
        assert!(!one.cover_all() && one.cover("artifacts") && !one.cover("other"));
        let all_but = advanced(json!([{"Field": "resources.ARN", "NotStartsWith": ["arn:aws:s3:::trail-logs/"]}]));
        assert!(!all_but.cover_all() && all_but.cover("artifacts") && !all_but.cover("trail-logs"));
        let partly = advanced(json!([{"Field": "resources.ARN", "NotStartsWith": ["arn:aws:s3:::artifacts/tmp/"]}]));
        assert!(!partly.cover("artifacts"));
        assert!(
            !advanced(json!([{"Field": "resources.ARN", "Equals": ["arn:aws:s3:::artifacts/x"]}])).cover("artifacts")
        );
    }

    #[test]
    fn management_events_record_no_object() {
        let management = json!([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]);
        assert!(!ObjectWrites::read(None, Some(&management)).cover_all());
    }
}
