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
