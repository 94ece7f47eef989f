//! Assemblies: what is live, what is stale, nested ones, and values that cross stacks.

#![expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::source::{Assignment, Files, Place, Raw, Reading, Source};
use super::super::{Holes, Limits};
use super::*;

struct Folder(BTreeMap<String, String>);

impl Files for Folder {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0.get(path).map(|text| text.clone().into_bytes()).ok_or_else(|| "no such file".to_owned())
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let inside = |path: &&String| path.rsplit_once('/').map_or(".", |(folder, _)| folder) == folder;
        self.0.keys().filter(inside).cloned().collect()
    }
}

fn folder<const N: usize>(files: [(&str, Value); N]) -> Folder {
    Folder(files.into_iter().map(|(path, value)| (path.to_owned(), value.to_string())).collect())
}

fn stack(template: &str, environment: &str, name: &str) -> Value {
    json!({"type": "aws:cloudformation:stack", "environment": environment,
           "properties": {"templateFile": template, "stackName": name}})
}

fn manifest(artifacts: Value) -> Value {
    json!({"version": "48.0.0", "artifacts": artifacts})
}

fn bucket(name: &str) -> Value {
    json!({"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}, "Metadata": {"aws:cdk:path": format!("App/{name}/Resource")}})
}

fn parsed_with(files: &Folder, path: &str, parameters: &BTreeMap<String, String>) -> Parsed {
    let place = Place::new(None, None);
    let reading = Reading { files, parameters, place: &place, limits: Limits::default() };
    let document = Document::read(path, &files.read(path).unwrap(), &Limits::default()).unwrap();
    assert!(Cdk.recognises(&document));
    Cdk.read(document, &reading)
}

fn parsed(files: &Folder) -> Parsed {
    parsed_with(files, "cdk.out/manifest.json", &BTreeMap::new())
}

fn declared(parsed: &Parsed) -> Vec<Raw> {
    let source: &dyn Source = parsed.groups.first().unwrap().source.as_ref();
    source.declare(&Assignment::new(), &mut Holes::default())
}

#[test]
fn only_stacks_of_the_manifest_are_alive() {
    let files = folder([
        (
            "cdk.out/manifest.json",
            manifest(json!({
                "Live": stack("Live.template.json", "aws://111122223333/eu-west-1", "live"),
                "Stage": {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-Stage"}},
                "Tree": {"type": "cdk:tree", "properties": {"file": "tree.json"}},
            })),
        ),
        ("cdk.out/Live.template.json", json!({"Resources": {"A": bucket("a")}})),
        ("cdk.out/Stale.template.json", json!({"Resources": {"B": bucket("b")}})),
        (
            "cdk.out/assembly-Stage/manifest.json",
            manifest(
                json!({"Inner": stack("Inner.template.json", "aws://unknown-account/unknown-region", "stage-inner")}),
            ),
        ),
        ("cdk.out/assembly-Stage/Inner.template.json", json!({"Resources": {"C": bucket("c")}})),
    ]);
    let parsed = parsed(&files);
    assert_eq!(parsed.unreadable, []);
    let raws = declared(&parsed);
    let seen: Vec<_> = raws
        .iter()
        .map(|raw| {
            let account = raw.place.account_known.then(|| raw.place.account.as_str());
            (&*raw.file, raw.name.as_str(), account, raw.stack.as_deref(), raw.construct_path.as_deref())
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("cdk.out/Live.template.json", "a", Some("111122223333"), Some("live"), Some("App/a/Resource")),
            ("cdk.out/assembly-Stage/Inner.template.json", "c", None, Some("stage-inner"), Some("App/c/Resource")),
        ]
    );
    for file in [
        "",
        "manifest.json",
        "Stale.template.json",
        "assembly-Stage/manifest.json",
        "assembly-Stage/Inner.template.json",
    ] {
        assert!(parsed.claimed.contains(&format!("cdk.out/{file}")), "{file} in {:?}", parsed.claimed);
    }
    let notices: Vec<&str> = parsed.notices.iter().map(|(_, _, text)| text.as_str()).collect();
    assert!(
        notices.len() == 1 && notices[0].starts_with("Stale.template.json are named by no manifest"),
        "{notices:?}"
    );
    assert_eq!(parsed.documents.len(), 4);
}

#[test]
fn what_cannot_be_followed_is_unreadable_and_circles_end() {
    let files = folder([
        (
            "cdk.out/manifest.json",
            manifest(json!({
                "Gone": stack("Gone.template.json", "", "gone"),
                "Out": stack("../secret.json", "", "out"),
                "Self": {"type": "cdk:cloud-assembly", "properties": {"directoryName": "."}},
                "Up": {"type": "aws:cdk:cloud-assembly", "properties": {"directoryName": "../.."}},
                "Good": stack("Good.template.json", "", "good"),
            })),
        ),
        (
            "cdk.out/Good.template.json",
            json!({"Resources": {"Me": {"Type": "AWS::CloudFormation::Stack",
                "Metadata": {"aws:asset:path": "Good.template.json", "aws:asset:property": "TemplateURL"}},
                "Far": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "https://x/y.json"}},
                "A": bucket("a")}}),
        ),
    ]);
    let parsed = parsed(&files);
    let messages: Vec<&str> = parsed.unreadable.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert!(messages[0].contains("cdk.out/Gone.template.json is named here and cannot be read"));
    assert!(messages[1].contains("`../secret.json` is not a path inside the assembly"));
    assert!(messages[2].contains("`../../manifest.json`"));
    assert!(parsed.unreadable.iter().all(|one| one.at.is_some()));
    assert!(parsed.notices.iter().any(|(_, _, text)| text.contains("nested stack Far")), "{:?}", parsed.notices);
    let buckets = declared(&parsed).iter().filter(|raw| raw.type_name == "AWS::S3::Bucket").count();
    assert_eq!(buckets, 1);
}

#[test]
fn stacks_come_after_what_they_depend_on_and_have_the_tags_of_their_stack() {
    let mut first = stack("First.template.json", "", "first");
    first["dependencies"] = json!(["Second", "First", "Unknown"]);
    first["properties"]["tags"] = json!({"environment": "prod", "owner": "stack"});
    let mut template = json!({"Resources": {"A": bucket("a")}});
    template["Resources"]["A"]["Properties"]["Tags"] = json!([{"Key": "owner", "Value": "own"}]);
    let files = folder([
        (
            "cdk.out/manifest.json",
            manifest(json!({"First": first, "Second": stack("Second.template.json", "", "second")})),
        ),
        ("cdk.out/First.template.json", template),
        ("cdk.out/Second.template.json", json!({"Resources": {"B": bucket("b")}})),
    ]);
    let raws = declared(&parsed(&files));
    assert_eq!(raws.iter().map(|raw| raw.name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    let tags = json!([{"Key": "owner", "Value": "own"}, {"Key": "environment", "Value": "prod"}]);
    assert_eq!(raws[1].property("Tags").unwrap().to_value(), tags);
    assert_eq!(raws[0].property("Tags"), None);
}

#[test]
fn a_template_that_two_stacks_deploy_keeps_its_resources_apart() {
    let files = folder([
        (
            "cdk.out/manifest.json",
            manifest(json!({"One": stack("T.template.json", "", "one"), "Two": stack("T.template.json", "", "two")})),
        ),
        ("cdk.out/T.template.json", json!({"Resources": {"A": bucket("a")}})),
    ]);
    let raws = declared(&parsed(&files));
    assert_eq!(raws.iter().map(|raw| raw.logical_id.as_str()).collect::<Vec<_>>(), ["A", "two/A"]);
}

#[test]
fn other_documents_with_artifacts_are_no_assembly() {
    for text in [
        "version: 0.2\nartifacts:\n  files: ['**/*']\n",
        "{\"version\": \"1\", \"artifacts\": {\"a\": {\"type\": \"zip\"}}}",
    ] {
        let document = Document::read("t", text.as_bytes(), &Limits::default()).unwrap();
        assert!(!Cdk.recognises(&document), "{text}");
    }
}

fn get_att(id: &str, attribute: &str) -> Value {
    json!({"Fn::GetAtt": [id, attribute]})
}

fn pipeline(location: Value) -> Value {
    json!({"Type": "AWS::CodePipeline::Pipeline", "Properties": {"ArtifactStore": {"Type": "S3", "Location": location}}})
}

fn location(raws: &[Raw]) -> Vec<&str> {
    let pipelines = raws.iter().filter(|raw| raw.type_name == "AWS::CodePipeline::Pipeline");
    pipelines.map(|raw| raw.properties.text_at(&["ArtifactStore", "Location"]).unwrap()).collect()
}

#[test]
fn exports_reach_imports_in_any_order_and_only_of_their_own_place() {
    let import = json!({"Fn::ImportValue": "Base:Out"});
    let base = json!({
        "Resources": {"Store": {"Type": "AWS::S3::Bucket"}},
        "Outputs": {"Out": {"Value": {"Ref": "Store"}, "Export": {"Name": "Base:Out"}}},
    });
    let files = folder([
        (
            "cdk.out/manifest.json",
            manifest(json!({
                "User": stack("User.template.json", "aws://111122223333/eu-west-1", "user"),
                "Far": stack("Far.template.json", "aws://111122223333/us-east-1", "far"),
                "Base": stack("Base.template.json", "aws://111122223333/eu-west-1", "base"),
            })),
        ),
        ("cdk.out/Base.template.json", base),
        ("cdk.out/User.template.json", json!({"Resources": {"P": pipeline(import.clone())}})),
        ("cdk.out/Far.template.json", json!({"Resources": {"P": pipeline(import)}})),
    ]);
    let raws = declared(&parsed(&files));
    let locations = location(&raws);
    assert_eq!(locations[0], "Store");
    assert!(super::super::hole::whole(locations[1]).is_some(), "{locations:?}");
}

#[test]
fn values_flow_through_nested_stacks_both_ways() {
    let nested = |path: &str, parameters: Value| {
        json!({"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": {"Fn::Sub": "x"}, "Parameters": parameters},
               "Metadata": {"aws:asset:path": path, "aws:asset:property": "TemplateURL"}})
    };
    let files = folder([
        ("cdk.out/manifest.json", manifest(json!({"Root": stack("Root.template.json", "", "root")}))),
        (
            "cdk.out/Root.template.json",
            json!({"Resources": {
                "Users": nested("Users.nested.template.json", json!({"Store": get_att("Stores", "Outputs.Name")})),
                "Stores": nested("Stores.nested.template.json", json!({"Wanted": "artifacts"})),
                "P": pipeline(json!({"Fn::Sub": "${Stores.Outputs.Name}"})),
            }}),
        ),
        (
            "cdk.out/Stores.nested.template.json",
            json!({"Parameters": {"Wanted": {"Type": "String"}},
                   "Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": {"Ref": "Wanted"}}}},
                   "Outputs": {"Name": {"Value": {"Ref": "B"}}}}),
        ),
        (
            "cdk.out/Users.nested.template.json",
            json!({"Parameters": {"Store": {"Type": "String"}}, "Resources": {"Q": pipeline(json!({"Ref": "Store"}))}}),
        ),
    ]);
    let parsed = parsed(&files);
    assert_eq!(parsed.unreadable, []);
    let raws = declared(&parsed);
    assert_eq!(location(&raws), ["artifacts", "artifacts"]);
    let stacks: Vec<&str> = raws.iter().filter_map(|raw| raw.stack.as_deref()).collect();
    assert!(stacks.contains(&"root-Users") && stacks.contains(&"root-Stores"), "{stacks:?}");
    assert!(parsed.claimed.contains(&"cdk.out/Users.nested.template.json".to_owned()));
}

#[test]
fn values_that_cdk_writes_into_another_region_are_read_there() {
    let name = "/cdk/exports/user/baseeuwest1RefStore";
    let writer = json!({"Type": "Custom::CrossRegionExportWriter",
        "Properties": {"WriterProps": {"region": "us-east-1", "exports": {name: {"Ref": "Store"}}}}});
    let reader = json!({"Type": "Custom::CrossRegionExportReader",
        "Properties": {"ReaderProps": {"region": "us-east-1", "prefix": "user", "imports": {name: format!("{{{{resolve:ssm:{name}}}}}")}}}});
    let files = folder([
        (
            "cdk.out/manifest.json",
            manifest(json!({
                "User": stack("User.template.json", "aws://111122223333/us-east-1", "user"),
                "Base": stack("Base.template.json", "aws://111122223333/eu-west-1", "base"),
            })),
        ),
        ("cdk.out/Base.template.json", json!({"Resources": {"Store": {"Type": "AWS::S3::Bucket"}, "Writer": writer}})),
        (
            "cdk.out/User.template.json",
            json!({"Resources": {"Reader": reader, "P": pipeline(get_att("Reader", name))}}),
        ),
    ]);
    assert_eq!(location(&declared(&parsed(&files))), ["Store"]);
}

#[test]
fn outputs_that_a_stack_asks_for_are_those_of_that_name_and_place() {
    let ask = |region: &str| {
        let asked = json!({"Fn::GetStackOutput": {"StackName": "base", "OutputName": "Store", "Region": region}});
        json!({"Resources": {"P": pipeline(asked)}})
    };
    let base = json!({
        "Resources": {"Store": {"Type": "AWS::S3::Bucket"}},
        "Outputs": {"Store": {"Value": {"Ref": "Store"}}},
    });
    let files = folder([
        (
            "cdk.out/manifest.json",
            manifest(json!({
                "User": stack("User.template.json", "aws://111122223333/us-east-1", "user"),
                "Lost": stack("Lost.template.json", "aws://111122223333/us-east-1", "lost"),
                "Base": stack("Base.template.json", "aws://111122223333/eu-west-1", "base"),
            })),
        ),
        ("cdk.out/Base.template.json", base),
        ("cdk.out/User.template.json", ask("eu-west-1")),
        ("cdk.out/Lost.template.json", ask("us-east-1")),
    ]);
    let parsed = parsed(&files);
    assert_eq!(parsed.notices, []);
    let raws = declared(&parsed);
    let locations = location(&raws);
    assert_eq!(locations[0], "Store");
    assert!(super::super::hole::whole(locations[1]).is_some(), "{locations:?}");
}

/// Every stack passes twice on what the one before it gave.
#[test]
fn values_that_double_with_every_stack_end() {
    let pass = |n: usize, asked: bool| {
        let before = n.saturating_sub(1);
        let value = if n == 0 {
            json!("x")
        } else if asked {
            json!({"Fn::GetStackOutput": {"StackName": format!("s{before:02}"), "OutputName": "O"}})
        } else {
            json!({"Fn::ImportValue": format!("e{before:02}")})
        };
        let output = json!({"Value": [value, value], "Export": {"Name": format!("e{n:02}")}});
        json!({"Resources": {"T": {"Type": "AWS::SNS::Topic"}}, "Outputs": {"O": output}})
    };
    for asked in [true, false] {
        let mut files = BTreeMap::new();
        let mut stacks = serde_json::Map::new();
        for n in 0..40 {
            let file = format!("S{n:02}.template.json");
            files.insert(format!("cdk.out/{file}"), pass(n, asked).to_string());
            stacks.insert(format!("S{n:02}"), stack(&file, "aws://111122223333/eu-west-1", &format!("s{n:02}")));
        }
        files.insert("cdk.out/manifest.json".to_owned(), manifest(Value::Object(stacks)).to_string());
        let raws = declared(&parsed(&Folder(files)));
        assert_eq!(raws.len(), 40);
    }
}

/// Two stacks of one template share its file, so that what is said of open values must tell them apart.
#[test]
fn calls_in_two_stacks_of_one_template_are_told_apart() {
    let template = json!({
        "Parameters": {"Key": {"Type": "String"}},
        "Resources": {"P": pipeline(json!({"Fn::Transform": {"Name": "Up", "Parameters": {"In": {"Ref": "Key"}}}}))},
    });
    let of = |name: &str, key: &str| {
        let mut one = stack("One.template.json", "aws://111122223333/eu-west-1", name);
        one["properties"]["parameters"] = json!({"Key": key});
        one
    };
    let files = folder([
        ("cdk.out/manifest.json", manifest(json!({"A": of("a", "s3cret1"), "B": of("b", "s3cret2")}))),
        ("cdk.out/One.template.json", template),
    ]);
    let raws = declared(&parsed(&files));
    let locations = location(&raws);
    assert_eq!(locations.len(), 2, "{locations:?}");
    assert_ne!(locations[0], locations[1]);
}

#[test]
fn stacks_that_use_the_same_logical_ids_are_told_apart() {
    let one = json!({"Resources": {"Store": {"Type": "AWS::S3::Bucket"}, "P": pipeline(json!({"Ref": "Store"}))}});
    let files = folder([
        (
            "cdk.out/manifest.json",
            manifest(json!({"A": stack("A.template.json", "", "beta"), "B": stack("B.template.json", "", "prod")})),
        ),
        ("cdk.out/A.template.json", one.clone()),
        ("cdk.out/B.template.json", one),
    ]);
    let raws = declared(&parsed(&files));
    assert_eq!(location(&raws), ["Store", "prod-Store"]);
    assert_eq!(raws.iter().map(|raw| raw.name.as_str()).collect::<Vec<_>>(), ["Store", "P", "prod-Store", "prod-P"]);
}

#[test]
fn parameters_of_one_name_are_chosen_stack_by_stack() {
    let gated = json!({
        "Parameters": {"Gate": {"Type": "String", "Default": "No", "AllowedValues": ["No", "Yes"]}},
        "Conditions": {"Gated": {"Fn::Equals": [{"Ref": "Gate"}, "Yes"]}},
        "Resources": {"P": {"Type": "AWS::CodePipeline::Pipeline", "Condition": "Gated"}},
    });
    let files = folder([
        (
            "cdk.out/manifest.json",
            manifest(json!({"A": stack("A.template.json", "", "beta"), "B": stack("B.template.json", "", "prod")})),
        ),
        ("cdk.out/A.template.json", gated.clone()),
        ("cdk.out/B.template.json", gated),
    ]);
    let all = parsed(&files);
    let source = all.groups.first().unwrap().source.as_ref();
    let names: Vec<String> = source.choices().into_iter().map(|choice| choice.name).collect();
    assert_eq!(names, ["beta:Gate", "prod:Gate"]);
    let chosen = Assignment::from([("prod:Gate".to_owned(), "Yes".to_owned())]);
    let raws = source.declare(&chosen, &mut Holes::default());
    assert_eq!(raws.iter().filter_map(|raw| raw.stack.as_deref()).collect::<Vec<_>>(), ["prod"]);
    let given = BTreeMap::from([("beta:Gate".to_owned(), "Yes".to_owned())]);
    let raws = declared(&parsed_with(&files, "cdk.out/manifest.json", &given));
    assert_eq!(raws.iter().filter_map(|raw| raw.stack.as_deref()).collect::<Vec<_>>(), ["beta"]);
}

#[test]
fn what_cdk_adds_is_no_choice() {
    let template = json!({
        "Parameters": {"BootstrapVersion": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk-bootstrap/x/version"}},
        "Conditions": {"CDKMetadataAvailable": {"Fn::Or": [{"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]}]}},
        "Resources": {"A": bucket("a"), "CDKMetadata": {"Type": "AWS::CDK::Metadata", "Condition": "CDKMetadataAvailable"}},
        "Rules": {"CheckBootstrapVersion": {"Assertions": [{"Assert": {"Fn::Not": [{"Fn::Contains": [["1"], {"Ref": "BootstrapVersion"}]}]}}]}},
    });
    let files = folder([
        ("cdk.out/manifest.json", manifest(json!({"A": stack("A.template.json", "", "a")}))),
        ("cdk.out/A.template.json", template),
    ]);
    let parsed = parsed(&files);
    assert_eq!(parsed.groups.first().unwrap().source.choices(), []);
    assert_eq!(declared(&parsed).len(), 1);
    assert_eq!(parsed.notices, []);
}
