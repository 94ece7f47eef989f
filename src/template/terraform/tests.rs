//! Plans of our own making: each says one thing that a plan says differently from a template.

#![expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::hole::{has_holes, whole};
use super::super::source::{Files, Place};
use super::super::{Document, Limits, format_of};
use super::*;

/// Files in memory.
#[derive(Default)]
struct Shelf(BTreeMap<String, String>);

impl Files for Shelf {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0.get(path).map(|text| text.clone().into_bytes()).ok_or_else(|| "missing".to_owned())
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let folder = if folder == "." { "" } else { folder };
        let of = |path: &&String| path.rsplit_once('/').map_or("", |(folder, _)| folder) == folder;
        self.0.keys().filter(of).cloned().collect()
    }
}

fn parsed_with(plan: &Value, shelf: &Shelf) -> Parsed {
    let text = serde_json::to_string_pretty(plan).unwrap();
    let document = Document::read("plan.json", text.as_bytes(), &Limits::default()).unwrap();
    let format = format_of(&document).unwrap();
    let place = Place::new(None, None);
    let reading = Reading { files: shelf, parameters: &BTreeMap::new(), place: &place, limits: Limits::default() };
    format.read(document, &reading)
}

fn parsed(plan: &Value) -> Parsed {
    parsed_with(plan, &Shelf::default())
}

/// What is declared, by address, holes spoken.
fn spoken(source: &dyn Source) -> BTreeMap<String, Value> {
    let mut holes = Holes::default();
    let raws = source.declare(&Assignment::new(), &mut holes);
    let text = |value: &Value| holes.spoken(&value.to_string());
    raws.iter()
        .map(|raw| (raw.logical_id.clone(), serde_json::from_str(&text(&raw.properties.to_value())).unwrap()))
        .collect()
}

fn after(plan: &Value) -> BTreeMap<String, Value> {
    spoken(parsed(plan).groups[0].source.as_ref())
}

/// A resource of a plan: its values, what is unknown of it, and its configuration.
struct One {
    address: &'static str,
    after: Value,
    unknown: Value,
    expressions: Value,
}

fn one(address: &'static str, after: Value, unknown: Value, expressions: Value) -> One {
    One { address, after, unknown, expressions }
}

/// References as Terraform lists them.
fn to(reference: &str) -> Value {
    json!({"references": [reference]})
}

fn is(value: &str) -> Value {
    json!({"constant_value": value})
}

fn head(address: &str) -> serde_json::Map<String, Value> {
    let (_, rest) = super::address::split_modules(super::address::parts(address));
    let (data, rest) = if rest[0].name == "data" { ("data", &rest[1..]) } else { ("managed", &rest[..]) };
    let mut head = json!({"address": address, "mode": data, "type": rest[0].name, "name": rest[1].name});
    if let Some(key) = &rest[1].key {
        head["index"] = key.parse::<i64>().map_or_else(|_| json!(key), |number| json!(number));
    }
    head.as_object().unwrap().clone()
}

/// A plan that creates resources; those in modules have no configuration unless `configuration` brings it.
fn creating(all: &[One], configuration: Option<Value>) -> Value {
    let with = |one: &One, more: Value| {
        let mut entry = head(one.address);
        entry.extend(more.as_object().unwrap().clone());
        Value::Object(entry)
    };
    let planned: Vec<Value> = all.iter().map(|one| with(one, json!({"values": one.after}))).collect();
    let changes: Vec<Value> = all
        .iter()
        .map(|one| {
            with(
                one,
                json!({"change": {"actions": ["create"], "before": null, "after": one.after,
                                        "after_unknown": one.unknown, "after_sensitive": {}}}),
            )
        })
        .collect();
    let configured: Vec<Value> = all
        .iter()
        .map(|one| {
            let mut entry = with(one, json!({"expressions": one.expressions}));
            let plain = one.address.split('[').next().unwrap();
            entry["address"] = json!(plain);
            entry
        })
        .collect();
    let configuration = configuration.unwrap_or_else(|| json!({"root_module": {"resources": configured}}));
    json!({"format_version": "1.2", "planned_values": {"root_module": {"resources": planned}},
           "resource_changes": changes, "configuration": configuration})
}

fn pipeline(store: Value, store_unknown: Value, expressions: Value) -> One {
    one(
        "aws_codepipeline.web",
        json!({"name": "web", "artifact_store": store, "stage": []}),
        json!({"arn": true, "artifact_store": store_unknown}),
        json!({"name": is("web"), "artifact_store": expressions}),
    )
}

#[test]
fn unknown_and_not_configured_is_not_set() {
    let bucket = one(
        "aws_s3_bucket.b",
        json!({"bucket": "artifacts", "force_destroy": false}),
        json!({"object_lock_enabled": true, "versioning": true, "id": true, "server_side_encryption_configuration": true}),
        json!({"bucket": is("artifacts")}),
    );
    assert_eq!(after(&creating(&[bucket], None))["aws_s3_bucket.b"], json!({"BucketName": "artifacts"}));
}

#[test]
fn null_from_a_variable_is_not_set_and_an_open_value_is_a_hole() {
    let bucket = |reference: &str| {
        one(
            "aws_s3_bucket_server_side_encryption_configuration.b",
            json!({"bucket": "artifacts", "rule": [{"apply_server_side_encryption_by_default": [{"sse_algorithm": "aws:kms"}]}]}),
            json!({"rule": [{"apply_server_side_encryption_by_default": [{"kms_master_key_id": true}]}]}),
            json!({"bucket": is("artifacts"), "rule": [{"apply_server_side_encryption_by_default": [
                {"sse_algorithm": is("aws:kms"), "kms_master_key_id": to(reference)}]}]}),
        )
    };
    let plain =
        || one("aws_s3_bucket.b", json!({"bucket": "artifacts"}), json!({}), json!({"bucket": is("artifacts")}));
    let key = |reference: &str| {
        let mut plan = creating(&[plain(), bucket(reference)], None);
        plan["configuration"]["root_module"]["variables"] = json!({"none": {"default": null}});
        let rule = &after(&plan)["aws_s3_bucket.b"]["BucketEncryption"]["ServerSideEncryptionConfiguration"][0];
        rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"].clone()
    };
    assert_eq!(key("var.none"), Value::Null);
    assert_eq!(key("other_thing.x.key"), json!("${other_thing.x.key}"));
    assert_eq!(key("local.key"), json!("${local.key}"));
}

/// root → module cicd → module store: the location goes out of one module and into another.
fn three_hops() -> Value {
    let bucket = one(
        "module.store.aws_s3_bucket.this[0]",
        json!({"bucket_prefix": "web-"}),
        json!({"bucket": true, "id": true}),
        json!({}),
    );
    let mut web = pipeline(json!([{"type": "S3", "region": ""}]), json!([{"location": true}]), json!([]));
    web.address = "module.cicd.module.web.aws_codepipeline.web";
    let versioning = one(
        "module.store.aws_s3_bucket_versioning.this[0]",
        json!({"versioning_configuration": [{"status": "Enabled"}]}),
        json!({"bucket": true, "versioning_configuration": [{"mfa_delete": true}]}),
        json!({}),
    );
    let configured = |address: &str, type_name: &str, expressions: Value| json!({"address": address, "mode": "managed", "type": type_name, "name": "this", "expressions": expressions});
    let store = json!({
        "outputs": {"name": {"expression": {"references": ["aws_s3_bucket.this[0].id", "aws_s3_bucket.this[0]", "aws_s3_bucket.this"]}}},
        "resources": [
            configured("aws_s3_bucket.this", "aws_s3_bucket", json!({"bucket_prefix": is("web-")})),
            configured("aws_s3_bucket_versioning.this", "aws_s3_bucket_versioning",
                json!({"bucket": to("aws_s3_bucket.this[0].id"), "versioning_configuration": [{"status": is("Enabled")}]}))],
    });
    let web_module = json!({
        "variables": {"bucket": {}},
        "resources": [configured("aws_codepipeline.web", "aws_codepipeline",
            json!({"name": is("web"), "artifact_store": [{"type": is("S3"), "location": to("var.bucket")}]}))],
    });
    let cicd = json!({
        "variables": {"artifacts": {}},
        "module_calls": {"web": {"source": "./web", "expressions": {"bucket": to("var.artifacts")}, "module": web_module}},
    });
    let root = json!({"root_module": {"module_calls": {
        "store": {"source": "./store", "module": store},
        "cicd": {"source": "./cicd", "expressions": {"artifacts": {"references": ["module.store.name", "module.store"]}}, "module": cicd},
    }}});
    creating(&[bucket, web, versioning], Some(root))
}

#[test]
fn a_location_goes_through_variables_and_outputs_of_three_modules() {
    let parsed = parsed(&three_hops());
    let mut holes = Holes::default();
    let raws = parsed.groups[0].source.declare(&Assignment::new(), &mut holes);
    let of = |type_name: &str| raws.iter().find(|raw| raw.type_name == type_name).unwrap();
    let bucket = of("AWS::S3::Bucket");
    assert_eq!(bucket.name, "web-module.store.aws_s3_bucket.this[0]");
    assert_eq!(bucket.properties.text_at(&["VersioningConfiguration", "Status"]), Some("Enabled"));
    let location =
        of("AWS::CodePipeline::Pipeline").properties.text_at(&["ArtifactStore", "Location"]).map(str::to_owned);
    assert_eq!(location.as_deref(), Some(bucket.name.as_str()));
    assert!(holes.is_empty());
}

#[test]
fn circles_of_modules_end() {
    let mut plan = three_hops();
    let calls = &mut plan["configuration"]["root_module"]["module_calls"];
    calls["store"]["module"]["outputs"]["name"]["expression"] = to("var.x");
    calls["store"]["module"]["variables"] = json!({"x": {}});
    calls["store"]["expressions"] = json!({"x": {"references": ["module.store.name", "var.x", "module.cicd.y"]}});
    let location = &after(&plan)["module.cicd.module.web.aws_codepipeline.web"]["ArtifactStore"]["Location"];
    assert_eq!(location, "${module.cicd.module.web.var.bucket}");
}

#[test]
fn instances_meet_those_of_the_same_key() {
    let bucket =
        |address| one(address, json!({}), json!({"bucket": true, "id": true}), json!({"bucket_prefix": is("x")}));
    let versioning = |address, status: &str| {
        one(
            address,
            json!({"versioning_configuration": [{"status": status}]}),
            json!({"bucket": true}),
            json!({"bucket": {"references": ["aws_s3_bucket.b", "each.key"]}, "versioning_configuration": [{"status": is(status)}]}),
        )
    };
    let plan = creating(
        &[
            bucket("aws_s3_bucket.b[\"eu\"]"),
            bucket("aws_s3_bucket.b[\"us\"]"),
            versioning("aws_s3_bucket_versioning.b[\"eu\"]", "Enabled"),
            versioning("aws_s3_bucket_versioning.b[\"us\"]", "Suspended"),
            pipeline(
                json!([{"region": "a"}, {"region": "b"}]),
                json!([{"location": true}, {"location": true}]),
                json!([{"region": is("a"), "location": to("aws_s3_bucket.b[\"eu\"].id")}, {"region": is("b"), "location": to("aws_s3_bucket.b")}]),
            ),
        ],
        None,
    );
    let after = after(&plan);
    assert_eq!(after["aws_s3_bucket.b[\"eu\"]"]["VersioningConfiguration"]["Status"], "Enabled");
    assert_eq!(after["aws_s3_bucket.b[\"us\"]"]["VersioningConfiguration"]["Status"], "Suspended");
    let stores = &after["aws_codepipeline.web"]["ArtifactStores"];
    assert_eq!(stores[0], json!({"Region": "a", "ArtifactStore": {"Location": "aws_s3_bucket.b[\"eu\"]"}}));
    assert_eq!(stores[1]["ArtifactStore"]["Location"], "${aws_s3_bucket.b}");
}

#[test]
fn references_of_a_configuration_find_their_keys() {
    let web = one(
        "aws_codepipeline.web",
        json!({"name": "web", "stage": [{"name": "S", "action": [{"name": "a", "configuration": {"BranchName": "main"}}]}]}),
        json!({"stage": [{"action": [{"configuration": {"ConnectionArn": true, "ProjectName": true}, "run_order": true}]}]}),
        json!({"name": is("web"), "stage": [{"name": is("S"), "action": [{"name": is("a"), "configuration": {"references": [
            "aws_codestarconnections_connection.c.arn", "aws_codestarconnections_connection.c", "aws_codebuild_project.p.name", "var.branch"]}}]}]}),
    );
    let connection = one("aws_codestarconnections_connection.c", json!({"name": "c"}), json!({"arn": true}), json!({}));
    let project =
        one("aws_codebuild_project.p", json!({}), json!({"name": true}), json!({"name": to("random_id.x.hex")}));
    let mut plan = creating(&[web, connection, project], None);
    plan["variables"] = json!({"branch": {"value": "main"}});
    plan["configuration"]["root_module"]["variables"] = json!({"branch": {}});
    let action = after(&plan)["aws_codepipeline.web"]["Stages"][0]["Actions"][0].clone();
    let configuration = &action["Configuration"];
    assert!(configuration["ConnectionArn"].as_str().unwrap().ends_with(":connection/c"), "{configuration}");
    assert_eq!(configuration["ProjectName"], "aws_codebuild_project.p");
    assert_eq!(action.get("RunOrder"), None, "a run order that nobody set is 1");
}

#[test]
fn blocks_made_by_dynamic_are_open_where_they_are_unknown() {
    let web = one(
        "aws_codepipeline.web",
        json!({"name": "web", "stage": [{"name": "A", "action": []}, {"name": "B", "action": [{"name": "x"}]}]}),
        json!({"stage": [{"action": []}, {"action": [{"role_arn": true, "run_order": true, "region": true}]}]}),
        json!({"name": is("web"), "stage": [{"name": is("A")}]}),
    );
    let stages = after(&creating(&[web], None))["aws_codepipeline.web"]["Stages"].clone();
    assert_eq!(stages[1]["Actions"][0], json!({"Name": "x", "RoleArn": "${aws_codepipeline.web.role_arn}"}));
}

fn updating(entries: &[(&str, &str, Value, Value)]) -> Value {
    let planned: Vec<Value> = entries
        .iter()
        .filter(|(_, _, _, after)| !after.is_null())
        .map(|(address, _, _, after)| {
            let mut entry = head(address);
            entry.insert("values".to_owned(), after.clone());
            Value::Object(entry)
        })
        .collect();
    let changes: Vec<Value> = entries
        .iter()
        .map(|(address, action, before, after)| {
            let mut entry = head(address);
            let change = json!({"actions": [action], "before": before, "after": after, "after_unknown": {}, "before_sensitive": {}});
            entry.insert("change".to_owned(), change);
            Value::Object(entry)
        })
        .collect();
    json!({"format_version": "1.2", "planned_values": {"root_module": {"resources": planned}}, "resource_changes": changes,
           "configuration": {"root_module": {"resources": [
               {"address": "aws_s3_bucket.b", "type": "aws_s3_bucket", "name": "b", "expressions": {"bucket": is("artifacts")}}]}}})
}

fn stage(name: &str, category: &str) -> Value {
    json!({"name": name, "action": [{"name": name, "category": category, "owner": "AWS", "provider": "Manual", "version": "1", "run_order": 1}]})
}

fn removing_a_gate() -> Value {
    let bucket = json!({"bucket": "artifacts", "id": "artifacts", "arn": "arn:aws:s3:::artifacts",
                        "versioning": [{"enabled": true, "mfa_delete": false}]});
    let web = |stages: Value| json!({"name": "web", "arn": "arn:aws:codepipeline:eu-west-1:111122223333:web", "stage": stages});
    let versioning = json!({"bucket": "artifacts", "versioning_configuration": [{"status": "Enabled"}]});
    updating(&[
        (
            "aws_codepipeline.web",
            "update",
            web(json!([stage("Approve", "Approval"), stage("Prod", "Deploy")])),
            web(json!([stage("Prod", "Deploy")])),
        ),
        ("aws_s3_bucket.b", "no-op", bucket.clone(), bucket),
        (
            "aws_s3_bucket_public_access_block.b",
            "delete",
            json!({"bucket": "artifacts", "block_public_acls": true}),
            json!(null),
        ),
        ("aws_s3_bucket_versioning.b", "delete", versioning, json!(null)),
    ])
}

#[test]
fn before_and_after_of_an_update_tell_what_it_removes() {
    let parsed = parsed(&removing_a_gate());
    let group = &parsed.groups[0];
    let (after, before) = (spoken(group.source.as_ref()), spoken(group.before.as_deref().unwrap()));
    let stages = |side: &BTreeMap<String, Value>| side["aws_codepipeline.web"]["Stages"].as_array().unwrap().len();
    assert_eq!((stages(&before), stages(&after)), (2, 1));
    let status = |side: &BTreeMap<String, Value>| side["aws_s3_bucket.b"]["VersioningConfiguration"]["Status"].clone();
    assert_eq!(status(&before), "Enabled");
    assert_eq!(status(&after), Value::Null, "what the bucket says of itself is what the deleted resource made of it");
    let blocks = &after["aws_s3_bucket.b"]["PublicAccessBlockConfiguration"];
    assert_eq!(blocks["BlockPublicAcls"], false, "a deleted block is none, whatever new buckets have");
    let raws = group.source.declare(&Assignment::new(), &mut Holes::default());
    assert_eq!(raws[0].place.account.as_str(), "111122223333");
    assert_eq!(raws[0].place.region.as_str(), "eu-west-1");
}

#[test]
fn names_of_what_is_there_are_those_of_its_arns() {
    let arn = "arn:aws:kms:eu-west-1:111122223333:key/1234";
    let plan = updating(&[(
        "aws_kms_key.k",
        "no-op",
        json!({"arn": arn, "key_id": "1234"}),
        json!({"arn": arn, "key_id": "1234"}),
    )]);
    let raws = parsed(&plan).groups[0].source.declare(&Assignment::new(), &mut Holes::default());
    assert_eq!(super::super::identity::uid("AWS::KMS::Key", &raws[0].name, &raws[0].place), arn);
}

#[test]
fn states_are_read_too() {
    let state = json!({"format_version": "1.0", "terraform_version": "1.9.0", "values": {"root_module": {"child_modules": [
        {"address": "module.m", "resources": [{"address": "module.m.aws_s3_bucket.b", "mode": "managed", "type": "aws_s3_bucket",
            "name": "b", "values": {"bucket": "artifacts", "versioning": [{"enabled": true}]}}]}]}}});
    let parsed = parsed(&state);
    assert_eq!(parsed.groups[0].format, "Terraform state");
    assert!(parsed.groups[0].before.is_none());
    let declared = spoken(parsed.groups[0].source.as_ref());
    assert_eq!(declared["module.m.aws_s3_bucket.b"]["VersioningConfiguration"]["Status"], "Enabled");
}

#[test]
fn a_bucket_policy_made_of_a_document_names_the_bucket_and_what_is_in_it() {
    let bucket = one(
        "aws_s3_bucket.b",
        json!({"bucket": "artifacts"}),
        json!({"arn": true, "id": true}),
        json!({"bucket": is("artifacts")}),
    );
    let document = one(
        "data.aws_iam_policy_document.d",
        json!({"statement": [{"effect": "Deny", "actions": ["s3:*"], "resources": [null, null],
            "principals": [{"type": "*", "identifiers": ["*"]}],
            "condition": [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["false"]}]}]}),
        json!({"json": true, "statement": [{"resources": [true, true]}]}),
        json!({"statement": [{"effect": is("Deny"), "actions": {}, "resources": {"references": ["aws_s3_bucket.b.arn", "aws_s3_bucket.b"]},
            "principals": [{"type": is("*"), "identifiers": {}}],
            "condition": [{"test": is("Bool"), "variable": is("aws:SecureTransport"), "values": {}}]}]}),
    );
    let policy = one(
        "aws_s3_bucket_policy.p",
        json!({}),
        json!({"bucket": true, "policy": true}),
        json!({"bucket": to("aws_s3_bucket.b.id"), "policy": to("data.aws_iam_policy_document.d.json")}),
    );
    let declared = after(&creating(&[bucket, document, policy], None));
    let expected = json!({"Effect": "Deny", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::artifacts/*", "arn:aws:s3:::artifacts"],
        "Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": ["false"]}}});
    assert_eq!(declared["aws_s3_bucket_policy.p"]["Bucket"], "artifacts");
    assert_eq!(declared["aws_s3_bucket_policy.p"]["PolicyDocument"]["Statement"], json!([expected]));
}

#[test]
fn split_resources_of_roles_webhooks_and_keys_are_put_together() {
    let role = one(
        "aws_iam_role.r",
        json!({"name": "r"}),
        json!({"id": true, "inline_policy": true}),
        json!({"name": is("r")}),
    );
    let policy = one(
        "aws_iam_role_policy.p",
        json!({"name": "p", "policy": "{\"Statement\":[{\"Effect\":\"Allow\"}]}"}),
        json!({"role": true}),
        json!({"role": to("aws_iam_role.r.id")}),
    );
    let attached = one(
        "aws_iam_role_policy_attachment.a",
        json!({"role": "r", "policy_arn": "arn:aws:iam::aws:policy/X"}),
        json!({}),
        json!({"role": is("r")}),
    );
    let project = one("aws_codebuild_project.b", json!({"name": "build"}), json!({}), json!({"name": is("build")}));
    let webhook = one(
        "aws_codebuild_webhook.w",
        json!({"project_name": "build", "build_type": "BUILD", "filter_group": [
        {"filter": [{"type": "EVENT", "pattern": "PUSH", "exclude_matched_pattern": false}]}]}),
        json!({"secret": true}),
        json!({"project_name": to("aws_codebuild_project.b.name")}),
    );
    let declared = after(&creating(&[role, policy, attached, project, webhook], None));
    assert_eq!(
        declared["aws_iam_role.r"],
        json!({"RoleName": "r", "ManagedPolicyArns": ["arn:aws:iam::aws:policy/X"],
        "Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": [{"Effect": "Allow"}]}}]})
    );
    assert_eq!(
        declared["aws_codebuild_project.b"]["Triggers"],
        json!({"Webhook": true, "BuildType": "BUILD",
        "FilterGroups": [[{"Type": "EVENT", "Pattern": "PUSH", "ExcludeMatchedPattern": false}]]})
    );
}

#[test]
fn a_part_of_nobody_knows_what_leaves_a_doubt() {
    let bucket = one("aws_s3_bucket.b", json!({"bucket": "artifacts"}), json!({}), json!({"bucket": is("artifacts")}));
    let versioning = one(
        "aws_s3_bucket_versioning.v",
        json!({"versioning_configuration": [{"status": "Enabled"}]}),
        json!({"bucket": true}),
        json!({"bucket": to("data.other.x.bucket")}),
    );
    let declared = after(&creating(&[bucket, versioning], None));
    assert_eq!(declared["aws_s3_bucket.b"]["VersioningConfiguration"], "${data.other.x.bucket}");
}

#[test]
fn sensitive_values_are_never_shown() {
    let secret = "correct-horse-battery";
    let project = one(
        "aws_codebuild_project.b",
        json!({"name": "build", "encryption_key": secret, "environment": [{"environment_variable": [{"name": "X", "type": "PLAINTEXT", "value": secret}]}]}),
        json!({}),
        json!({"name": is("build")}),
    );
    let mut plan = creating(&[project], None);
    plan["resource_changes"][0]["change"]["after_sensitive"] =
        json!({"encryption_key": true, "environment": [{"environment_variable": [{"value": true}]}]});
    let parsed = parsed(&plan);
    let declared = spoken(parsed.groups[0].source.as_ref());
    assert!(!declared["aws_codebuild_project.b"].to_string().contains(secret));
    assert_eq!(declared["aws_codebuild_project.b"]["EncryptionKey"], "${aws_codebuild_project.b.encryption_key}");
    let variable = &declared["aws_codebuild_project.b"]["Environment"]["EnvironmentVariables"][0];
    assert_eq!(variable["Value"], crate::inventory::REDACTED_SECRET);
    let shown: String = parsed.documents[0].text.lines().filter(|line| !line.contains("planned")).collect();
    assert!(shown.contains("\"address\": \"aws_codebuild_project.b\""));
    plan["planned_values"]["root_module"]["resources"][0]["sensitive_values"] =
        plan["resource_changes"][0]["change"]["after_sensitive"].clone();
    assert!(!super::tests::parsed(&plan).documents[0].text.contains(secret));
}

#[test]
fn files_beside_the_plan_give_lines_and_locals() {
    let mut web =
        pipeline(json!([{"type": "S3"}]), json!([{"location": true}]), json!([{"location": to("local.bucket")}]));
    web.after["stage"] = json!([stage("Approve", "Approval"), stage("Prod", "Deploy")]);
    let bucket = one("aws_s3_bucket.b", json!({}), json!({"bucket": true}), json!({"bucket_prefix": is("x")}));
    let versioning = one(
        "aws_s3_bucket_versioning.b",
        json!({"versioning_configuration": [{"status": "Enabled"}]}),
        json!({"bucket": true}),
        json!({"bucket": to("aws_s3_bucket.b.id")}),
    );
    let main = "locals {\n  bucket = try(aws_s3_bucket.b.id, \"\")\n}\nresource \"aws_codepipeline\" \"web\" {\n  name = \"web\"\n  stage {\n    name = \"Approve\"\n  }\n  stage {\n    name = \"Prod\"\n    action {\n      name = \"Prod\"\n    }\n  }\n}\n";
    let store = "\nresource \"aws_s3_bucket\" \"b\" {\n}\n";
    let more = "resource \"aws_s3_bucket_versioning\" \"b\" {\n}\n";
    let shelf = Shelf(
        [("main.tf", main), ("store.tf", store), ("more.tf", more)]
            .map(|(path, text)| (path.to_owned(), text.to_owned()))
            .into(),
    );
    let parsed = parsed_with(&creating(&[web, bucket, versioning], None), &shelf);
    assert_eq!(parsed.claimed, ["main.tf", "more.tf", "store.tf"]);
    assert!(parsed.documents.iter().any(|document| &*document.file == "main.tf" && &*document.text == main));
    let raws = parsed.groups[0].source.declare(&Assignment::new(), &mut Holes::default());
    let of = |address: &str| raws.iter().find(|raw| raw.logical_id == address).unwrap();
    let web = of("aws_codepipeline.web");
    let (value, spans) = web.properties.clone().into_value_with_spans();
    assert_eq!(value["ArtifactStore"]["Location"], "aws_s3_bucket.b");
    let line = |pointer: &str| spans.get(pointer).unwrap().start.line;
    assert_eq!((&*web.file, web.span.start.line), ("main.tf", 4));
    assert_eq!((line("/Name"), line("/Stages/0"), line("/Stages/1"), line("/Stages/1/Actions/0")), (5, 6, 9, 11));
    let bucket = of("aws_s3_bucket.b");
    assert_eq!((&*bucket.file, bucket.span.start.line), ("store.tf", 2));
    let (_, spans) = bucket.properties.clone().into_value_with_spans();
    assert_eq!(
        spans.get("/VersioningConfiguration").unwrap().start.line,
        2,
        "a part in another file has the place of the whole"
    );
}

#[test]
fn utf_16_is_read() {
    let text = removing_a_gate().to_string();
    let bytes: Vec<u8> = [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let document = Document::read("plan.json", &bytes, &Limits::default()).unwrap();
    assert_eq!(format_of(&document).map(TemplateFormat::name), Some("Terraform plan"));
}

/// Every value of a plan, one after the other, replaced by something else.
#[test]
fn wrong_types_anywhere_do_no_harm() {
    fn places(value: &Value, at: String, all: &mut Vec<String>) {
        all.push(at.clone());
        match value {
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(n, item)| places(item, format!("{at}/{n}"), all));
            }
            Value::Object(fields) => {
                fields.iter().for_each(|(key, item)| places(item, format!("{at}/{}", key.replace('/', "~1")), all));
            }
            _ => {}
        }
    }
    for plan in [three_hops(), removing_a_gate()] {
        let mut all = Vec::new();
        places(&plan, String::new(), &mut all);
        for at in all.iter().filter(|at| !at.is_empty()) {
            for wrong in [json!(null), json!(true), json!([["x"]])] {
                let mut changed = plan.clone();
                *changed.pointer_mut(at).unwrap() = wrong;
                let document = Document::read("p", changed.to_string().as_bytes(), &Limits::default()).unwrap();
                let place = Place::new(None, None);
                let reading = Reading {
                    files: &Shelf::default(),
                    parameters: &BTreeMap::new(),
                    place: &place,
                    limits: Limits::default(),
                };
                let parsed = Terraform.read(document, &reading);
                for raw in parsed.groups[0].source.declare(&Assignment::new(), &mut Holes::default()) {
                    assert!(raw.name.is_empty() || !has_holes(&raw.name) && whole(&raw.name).is_none());
                }
            }
        }
    }
}

#[test]
fn large_plans_are_read_whole() {
    let many = |count: usize| {
        let mut buckets = Vec::new();
        for number in 0..count {
            let name = format!("b{number}");
            buckets.push(json!({"address": format!("aws_s3_bucket.{name}"), "mode": "managed", "type": "aws_s3_bucket", "name": name, "values": {"bucket": name}}));
            buckets.push(json!({"address": format!("aws_s3_bucket_versioning.{name}"), "mode": "managed", "type": "aws_s3_bucket_versioning",
                "name": name, "values": {"bucket": name, "versioning_configuration": [{"status": "Enabled"}]}}));
        }
        json!({"format_version": "1.2", "planned_values": {"root_module": {"resources": buckets}}, "resource_changes": []}).to_string()
    };
    let declared = |count: usize| {
        let document = Document::read("p", many(count).as_bytes(), &Limits::default()).unwrap();
        let place = Place::new(None, None);
        let reading = Reading {
            files: &Shelf::default(),
            parameters: &BTreeMap::new(),
            place: &place,
            limits: Limits::default(),
        };
        let parsed = Terraform.read(document, &reading);
        let raws = parsed.groups[0].source.declare(&Assignment::new(), &mut Holes::default());
        raws.len()
    };
    assert_eq!(declared(2400), 2400);
}
