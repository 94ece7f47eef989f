//! The official OCSF schema as a JSON Schema.
//!
//! What the schema says of the class `compliance_finding` with a set of profiles is compiled: types with their patterns and
//! ranges, enumerations, required attributes, constraints, objects. Stricter than the schema, unknown and deprecated
//! attributes are refused, attributes of other profiles too, and a caption must be that of its number.

use std::fs;

use serde_json::{Map, Value, json};

use super::project;

pub(super) struct Ocsf {
    schema: Value,
    profiles: Vec<String>,
    validator: jsonschema::Validator,
}

impl Ocsf {
    pub(super) fn read(profiles: &[&str]) -> Self {
        let file = project("tests/fixtures/third-party/ocsf-1.6.0/compliance_finding.json");
        let schema: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        assert_eq!(schema["version"], "1.6.0");
        let profiles: Vec<String> = profiles.iter().map(|&profile| profile.to_owned()).collect();
        let objects = schema["objects"].as_object().unwrap();
        let definitions: Map<String, Value> =
            objects.iter().map(|(name, object)| (name.clone(), members(&schema, object, &profiles))).collect();
        let mut compiled = members(&schema, &schema["classes"]["compliance_finding"], &profiles);
        compiled["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        compiled["$defs"] = Value::Object(definitions);
        let validator = jsonschema::validator_for(&compiled).unwrap();
        Self { schema, profiles, validator }
    }

    /// Everything that is wrong with an event.
    pub(super) fn problems(&self, event: &Value) -> Vec<String> {
        let errors = self.validator.iter_errors(event);
        let mut problems: Vec<String> = errors.map(|error| format!("{error} at {}", error.instance_path())).collect();
        self.captions(&self.schema["classes"]["compliance_finding"], event, "", &mut problems);
        if event["type_uid"]
            != json!(event["class_uid"].as_u64().unwrap_or(0) * 100 + event["activity_id"].as_u64().unwrap_or(0))
        {
            problems.push("type_uid is not class and activity".to_owned());
        }
        if event["metadata"]["version"] != self.schema["version"] {
            problems.push("metadata.version is not the schema's".to_owned());
        }
        if event["metadata"]["profiles"] != json!(self.profiles) {
            problems.push("metadata.profiles are not those that were applied".to_owned());
        }
        problems
    }

    /// A number with a caption beside it has the schema's own; `Other` (99) has any.
    fn captions(&self, of: &Value, value: &Value, path: &str, problems: &mut Vec<String>) {
        for (name, inner) in value.as_object().into_iter().flatten() {
            let attribute = &of["attributes"][name];
            let path = format!("{path}/{name}");
            if let (Some(sibling), Some(number)) = (attribute["sibling"].as_str(), inner.as_u64()) {
                let caption = &attribute["enum"][number.to_string()]["caption"];
                if number != 99 && !value[sibling].is_null() && value[sibling] != *caption {
                    problems.push(format!("{path}: {} is not the caption {caption}", value[sibling]));
                }
            }
            let object = &self.schema["objects"][attribute["object_type"].as_str().unwrap_or_default()];
            let items = inner.as_array().map_or(std::slice::from_ref(inner), Vec::as_slice);
            for item in items {
                self.captions(object, item, &path, problems);
            }
        }
    }
}

fn members(schema: &Value, of: &Value, profiles: &[String]) -> Value {
    let attributes = of["attributes"].as_object().unwrap();
    let applied = attributes.iter().filter(|(_, attribute)| {
        let profile = attribute["profile"].as_str();
        profile.is_none_or(|profile| profiles.iter().any(|applied| applied == profile))
            && attribute.get("@deprecated").is_none()
    });
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, attribute) in applied {
        properties.insert(name.clone(), shape(schema, attribute));
        if attribute["requirement"] == "required" {
            required.push(name.clone());
        }
    }
    // The object without attributes stands for any.
    let open = attributes.is_empty();
    let mut compiled = json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": open
    });
    let each = |names: &Value| -> Vec<Value> {
        names.as_array().into_iter().flatten().map(|name| json!({"required": [name]})).collect()
    };
    for (constraint, keyword) in [("at_least_one", "anyOf"), ("just_one", "oneOf")] {
        let names = each(&of["constraints"][constraint]);
        if !names.is_empty() {
            compiled[keyword] = Value::Array(names);
        }
    }
    compiled
}

fn shape(schema: &Value, attribute: &Value) -> Value {
    let mut one = match attribute["type"].as_str().unwrap() {
        "object_t" => {
            let object = attribute["object_type"].as_str().unwrap();
            // What is not kept in the fixture is refused.
            if schema["objects"][object].is_null() {
                json!(false)
            } else {
                json!({"$ref": format!("#/$defs/{object}")})
            }
        }
        name => scalar(schema, name),
    };
    if let Some(values) = attribute["enum"].as_object() {
        let whole = attribute["type"] != "string_t";
        let allowed = values.keys().map(|key| if whole { json!(key.parse::<i64>().unwrap()) } else { json!(key) });
        one["enum"] = allowed.collect();
    }
    if attribute["is_array"] == true { json!({"type": "array", "items": one}) } else { one }
}

fn scalar(schema: &Value, name: &str) -> Value {
    let of = &schema["types"][name];
    assert!(of.is_object(), "no type {name}");
    let mut compiled = match of["type"].as_str().unwrap_or(name) {
        "boolean_t" => json!({"type": "boolean"}),
        "integer_t" => json!({"type": "integer", "minimum": i32::MIN, "maximum": i32::MAX}),
        "long_t" => json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX}),
        "float_t" => json!({"type": "number"}),
        "json_t" => json!({}),
        "string_t" => json!({"type": "string"}),
        other => panic!("type {other} is not compiled"),
    };
    if let Some(pattern) = of["regex"].as_str() {
        compiled["pattern"] = json!(pattern);
    }
    if let Some(longest) = of["max_len"].as_u64() {
        compiled["maxLength"] = json!(longest);
    }
    if let Some([least, most]) = of["range"].as_array().map(Vec::as_slice) {
        compiled["minimum"] = least.clone();
        compiled["maximum"] = most.clone();
    }
    compiled
}
