//! What a trail's selectors record.
//!
//! In: `EventSelectors` and `AdvancedEventSelectors` of a trail. Out: [`ObjectWrites`], which answers for all buckets
//! and for a single one, and whether [management writes](records_management_writes) are recorded.
//!
//! Rules: <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html> and
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-management-events-with-cloudtrail.html>

use serde_json::Value;

use super::seen::{at, flag, list_at, text_at};

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

/// Services whose many events AWS itself offers to leave out of a trail.
const LEFT_OUT_BY_OFFER: &[&str] = &["kms.amazonaws.com", "rdsdata.amazonaws.com"];

/// Whether the calls that change something are recorded, of every service on a delivery path. A trail without selectors
/// records them; one with advanced selectors records only what they name.
pub(super) fn records_management_writes(basic: Option<&Value>, advanced: Option<&Value>) -> bool {
    let (basic, advanced) = (list_at(basic, &[]), list_at(advanced, &[]));
    let of_basic = |selector: &Value| {
        at(Some(selector), &["IncludeManagementEvents"]).is_none_or(|included| flag(included) != Some(false))
            && text_at(Some(selector), &["ReadWriteType"]) != "ReadOnly"
    };
    basic.is_empty() && advanced.is_empty()
        || basic.iter().any(of_basic)
        || advanced.iter().any(names_management_writes)
}

fn names_management_writes(selector: &Value) -> bool {
    let fields = list_at(Some(selector), &["FieldSelectors"]);
    let of_category = |field: &Value| text_at(Some(field), &["Field"]) == "eventCategory";
    fields.iter().any(|field| of_category(field) && strings(field, "Equals").contains(&"Management"))
        && fields.iter().all(|field| match text_at(Some(field), &["Field"]) {
            "eventCategory" => true,
            "readOnly" => takes_writes(field),
            "eventSource" => {
                strings(field, "Equals").is_empty()
                    && strings(field, "NotEquals").iter().all(|source| LEFT_OUT_BY_OFFER.contains(source))
            }
            // Any other field leaves some events out.
            _ => false,
        })
}

/// Whether a selector on `readOnly` lets writes through.
fn takes_writes(field: &Value) -> bool {
    strings(field, "Equals").contains(&"false") || strings(field, "NotEquals").contains(&"true")
}

fn strings<'a>(field: &'a Value, operator: &str) -> Vec<&'a str> {
    list_at(Some(field), &[operator]).iter().filter_map(Value::as_str).collect()
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
        let values = |operator: &str| strings(field, operator).into_iter().map(str::to_owned);
        let equals = strings(field, "Equals");
        match text_at(Some(field), &["Field"]) {
            "eventCategory" => data = equals.contains(&"Data"),
            "resources.type" => of_objects = equals.contains(&"AWS::S3::Object"),
            "eventSource" if equals.contains(&"s3.amazonaws.com") => {}
            "readOnly" if takes_writes(field) => {}
            "resources.ARN" => {
                let by_ending = ["EndsWith", "NotEndsWith"].iter().any(|operator| !strings(field, operator).is_empty());
                if !equals.is_empty() || by_ending {
                    // Single objects, or keys by their ending, are never a whole bucket.
                    part.only.get_or_insert_default();
                }
                if !strings(field, "StartsWith").is_empty() {
                    part.only.get_or_insert_default().extend(values("StartsWith"));
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

    #[test]
    fn management_writes() {
        let basic = |selector: Value| records_management_writes(Some(&json!([selector])), None);
        assert!(records_management_writes(None, None) && records_management_writes(Some(&json!([])), None));
        assert!(basic(json!({"ReadWriteType": "WriteOnly"})));
        assert!(basic(json!({"ReadWriteType": "All", "IncludeManagementEvents": true})));
        assert!(!basic(json!({"ReadWriteType": "ReadOnly", "IncludeManagementEvents": true})));
        assert!(!basic(json!({"ReadWriteType": "All", "IncludeManagementEvents": false})));
        let advanced = |category: &str, extra: Value| {
            let mut fields = vec![json!({"Field": "eventCategory", "Equals": [category]})];
            fields.extend(extra.as_array().unwrap().iter().cloned());
            records_management_writes(None, Some(&json!([{"FieldSelectors": fields}])))
        };
        assert!(advanced("Management", json!([])) && !advanced("Data", json!([])));
        for (field, records) in [
            (json!({"Field": "readOnly", "Equals": ["false"]}), true),
            (json!({"Field": "readOnly", "Equals": ["true"]}), false),
            (json!({"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]}), true),
            (json!({"Field": "eventSource", "NotEquals": ["codepipeline.amazonaws.com"]}), false),
            (json!({"Field": "eventSource", "Equals": ["s3.amazonaws.com"]}), false),
            (json!({"Field": "eventName", "Equals": ["ConsoleLogin"]}), false),
        ] {
            assert_eq!(advanced("Management", json!([field])), records, "{field}");
        }
    }
}
