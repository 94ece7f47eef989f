//! One pipeline, described live, in CloudFormation, in CDK output, in a Terraform plan and as the AWS CLI prints it: the
//! facts and the findings are the same.
//!
//! Live goes through the real collectors, against a server that answers with the files of `roads/`. What only a deployed
//! resource knows, and what one description does not hold, may be unknown; nothing may differ.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use aws_smithy_types::retry::RetryConfig;
use pipewarden::collect::codebuild::CodeBuild;
use pipewarden::collect::codedeploy::CodeDeploy;
use pipewarden::collect::codepipeline::CodePipeline;
use pipewarden::collect::{CallGate, Collector, Concurrency, Scope};
use pipewarden::evaluate::{Asking, Policies, Settings};
use pipewarden::facts::{Fact, Facts, Joins, Rules, subject};
use pipewarden::finding::ComplianceType;
use pipewarden::inventory::{AccountId, Affects, Gap, GapCause, Inventory, Partition, Region, Resource, TypeName};
use pipewarden::template::{Assignment, Document, Files, Holes, Limits, Place, Raw, Reading, format_of, shape};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::loopback;

const FOLDER: &str = "tests/check/roads";
const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";

/// Descriptions that are one file each, with the format that reads it. A further one is one more line.
const ROADS: &[(&str, &str)] = &[("CloudFormation", "template.yaml"), ("Terraform plan", "plan.json")];

/// As the AWS CLI prints it, one file for each call.
const PRINTED: &[&str] = &["get-pipeline.json", "batch-get-deployment-groups.json", "batch-get-projects.json"];

/// Facts that every road words in its own way, with the reason.
const WORDED_OTHERWISE: &[(&str, &str)] =
    &[("provenance", "live it is the tag that says what made the pipeline, else the file that declares it")];

/// The stack that all of it belongs to: live it is a tag that CloudFormation puts on everything.
const STACK: (&str, &str) = ("aws:cloudformation:stack-name", "release");

/// Roads that lead through no stack: what they make has no tag of one.
const WITHOUT_STACK: &[&str] = &["Terraform plan"];

/// Names that only AWS gives, so that every road has a word of its own instead: what live has, and what the road says.
const NAMED_BY_AWS: &[(&str, &str, &str)] = &[
    ("Terraform plan", ":key/Key", ":key/aws_kms_key.artifacts"),
    ("Terraform plan", r#""KeyId":"Key""#, r#""KeyId":"aws_kms_key.artifacts""#),
];

fn account() -> AccountId {
    ACCOUNT.parse().unwrap()
}

fn region() -> Region {
    REGION.parse().unwrap()
}

fn text(name: &str) -> String {
    std::fs::read_to_string(Path::new(FOLDER).join(name)).unwrap()
}

fn answer(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap()
}

struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(path).map_err(|error| error.to_string())
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut files: Vec<String> = entries.map(|entry| entry.path().to_string_lossy().into_owned()).collect();
        files.sort();
        files
    }
}

/// What a road brings: resources by type and name, as the inventory has them.
type Brought = Vec<Resource>;

fn declared(path: &str, format: &str) -> Brought {
    let place = Place::new(Some(account()), Some(region()));
    let parameters = BTreeMap::from([("AWS::StackName".to_owned(), STACK.1.to_owned())]);
    let reading = Reading { files: &Disk, parameters: &parameters, place: &place, limits: Limits::default() };
    let document = Document::read(path, &Disk.read(path).unwrap(), &Limits::default()).unwrap();
    let found = format_of(&document).unwrap();
    assert_eq!(found.name(), format, "{path}");
    let parsed = found.read(document, &reading);
    assert_eq!(parsed.unreadable, [], "{path}");
    let mut holes = Holes::default();
    let raws: Vec<Raw> =
        parsed.groups.iter().flat_map(|group| group.source.declare(&Assignment::new(), &mut holes)).collect();
    shape::declared(&raws, &holes).into_iter().map(|one| one.resource).collect()
}

fn one_file(format: &str, name: &str) -> Brought {
    declared(&format!("{FOLDER}/{name}"), format)
}

/// The CloudFormation template as `cdk synth` would have written it.
fn cdk_output() -> Brought {
    let template = Document::read("t", text("template.yaml").as_bytes(), &Limits::default()).unwrap();
    let mut resources = written_long(&template.root.get("Resources").unwrap().clone());
    for (id, resource) in resources.as_object_mut().unwrap() {
        resource["Metadata"] = json!({"aws:cdk:path": format!("Release/{id}/Resource")});
    }
    resources["CDKMetadata"] = json!({"Type": "AWS::CDK::Metadata", "Condition": "CDKMetadataAvailable"});
    let template = json!({
        "Resources": resources,
        "Conditions": {"CDKMetadataAvailable": {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]}},
        "Parameters": {"BootstrapVersion": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk/version"}},
    });
    let stack = json!({
        "type": "aws:cloudformation:stack", "environment": format!("aws://{ACCOUNT}/{REGION}"),
        "properties": {"templateFile": "Release.template.json", "stackName": "release"},
    });
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("cdk.out");
    std::fs::create_dir(&folder).unwrap();
    let manifest = json!({"version": "48.0.0", "artifacts": {"Release": stack}});
    std::fs::write(folder.join("Release.template.json"), template.to_string()).unwrap();
    std::fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
    declared(&folder.join("manifest.json").to_string_lossy(), "CDK")
}

/// Short tags written out, as CDK does.
fn written_long(node: &pipewarden::template::Node) -> Value {
    let value = match &node.tree {
        pipewarden::template::Tree::List(items) => Value::Array(items.iter().map(written_long).collect()),
        pipewarden::template::Tree::Map(entries) => {
            Value::Object(entries.iter().map(|entry| (entry.key.clone(), written_long(&entry.value))).collect())
        }
        _ => node.to_value(),
    };
    match node.tag.as_deref() {
        Some("Ref") => json!({"Ref": value}),
        Some("GetAtt") => {
            let (id, attribute) = value.as_str().and_then(|text| text.split_once('.')).unwrap();
            json!({"Fn::GetAtt": [id, attribute]})
        }
        _ => value,
    }
}

fn printed() -> Brought {
    PRINTED.iter().flat_map(|name| one_file("AWS CLI", name)).collect()
}

/// What the collectors bring of the same things.
fn live() -> Brought {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { break };
            thread::spawn(move || serve(stream));
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut brought: Brought = runtime.block_on(async {
        let config = loopback::config(&url, loopback::credentials(), REGION, RetryConfig::disabled());
        let gate = CallGate::new(Concurrency::default());
        let scope = Scope::new(account(), Partition::Aws, region(), &config, gate);
        let collectors: [&dyn Collector; 3] = [&CodePipeline, &CodeDeploy, &CodeBuild];
        let mut all = Vec::new();
        for collector in collectors {
            all.extend(collector.collect(&scope, &[]).await.resources);
        }
        all
    });
    brought.extend(beside());
    brought
}

fn serve(mut stream: std::net::TcpStream) {
    let (mut head, mut byte) = (Vec::new(), [0_u8; 1]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or("");
    let mut body = vec![0_u8; header("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body).unwrap();
    let operation = header("x-amz-target").rsplit('.').next().unwrap_or_default().to_owned();
    let service = header("x-amz-target").split('_').next().unwrap_or_default().to_owned();
    let answered = answer_to(&service, &operation).to_string();
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answered}",
        answered.len()
    );
}

fn answer_to(service: &str, operation: &str) -> Value {
    match (service, operation) {
        ("codepipeline", "listpipelines") => json!({"pipelines": [{"name": "web"}]}),
        ("codepipeline", "getpipeline") => answer("get-pipeline.json"),
        ("codepipeline", "getpipelinestate") => json!({"pipelineName": "web", "stageStates": []}),
        ("codepipeline", "listtagsforresource") => {
            json!({"tags": [{"key": "team", "value": "web"}, {"key": STACK.0, "value": STACK.1}]})
        }
        ("codedeploy", "listapplications") => json!({"applications": ["web"]}),
        ("codedeploy", "batchgetapplications") => {
            json!({"applicationsInfo": [{"applicationName": "web", "computePlatform": "Server"}]})
        }
        ("codedeploy", "listdeploymentgroups") => json!({"applicationName": "web", "deploymentGroups": ["prod"]}),
        ("codedeploy", "batchgetdeploymentgroups") => answer("batch-get-deployment-groups.json"),
        ("codedeploy", "listtagsforresource") => json!({"Tags": [{"Key": STACK.0, "Value": STACK.1}]}),
        ("codedeploy", "getdeploymentconfig") => json!({"deploymentConfigInfo": {
            "deploymentConfigName": "CodeDeployDefault.OneAtATime", "computePlatform": "Server",
            "minimumHealthyHosts": {"type": "MOST_CONCURRENCY", "value": 1}}}),
        ("codebuild", "listprojects") => json!({"projects": ["web-build"]}),
        ("codebuild", "batchgetprojects") => answer("batch-get-projects.json"),
        _ => json!({}),
    }
}

/// The bucket and the key as their collectors bring them (`docs/resources.md`).
fn beside() -> [Resource; 2] {
    let key_arn = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/Key");
    let mut bucket =
        Resource::live(TypeName::BUCKET, "arn:aws:s3:::acme-web-artifacts".to_owned(), account(), region());
    bucket.properties = json!({
        "BucketName": "acme-web-artifacts",
        "VersioningConfiguration": {"Status": "Enabled"},
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [{
            "BucketKeyEnabled": false,
            "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_arn}}]},
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true, "RestrictPublicBuckets": true},
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "ObjectLockEnabled": false,
    })
    .as_object()
    .cloned()
    .unwrap();
    let mut key = Resource::live(TypeName::KEY, key_arn, account(), region());
    key.properties = json!({
        "KeyId": "Key", "KeyManager": "CUSTOMER", "KeyState": "Enabled", "KeySpec": "SYMMETRIC_DEFAULT",
        "Origin": "AWS_KMS", "MultiRegion": false, "EnableKeyRotation": true,
        "KeyPolicy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "kms:*", "Resource": "*"}]},
    })
    .as_object()
    .cloned()
    .unwrap();
    [bucket, key].map(|mut one| {
        one.tags.insert(STACK.0.to_owned(), STACK.1.to_owned());
        one
    })
}

/// What is said of a resource, by its type and uid.
type Said = BTreeMap<(String, String), (Facts, BTreeMap<String, ComplianceType>)>;

/// Types that none of the roads brings: what is said of them is unknown on all of them.
const ELSEWHERE: &[TypeName] = &[
    TypeName::ALARM,
    TypeName::COMPOSITE_ALARM,
    TypeName::TRAIL,
    TypeName::ROLE,
    TypeName::TOPIC,
    TypeName::NOTIFICATION_RULE,
    TypeName::BRANCH,
    TypeName::ACCOUNT,
    TypeName::DEPLOYMENT_CONFIG,
];

/// Judges what a road brought. `beside` stands in for what its description leaves to others.
fn said(mut resources: Vec<Resource>, beside: Vec<Resource>) -> Said {
    let names: BTreeSet<_> = resources.iter().map(|one| one.uid.clone()).collect();
    resources.extend(beside.into_iter().filter(|one| !names.contains(&one.uid)));
    let gap = |name: &TypeName| Gap {
        account: account(),
        region: Region::GLOBAL,
        service: "cloudformation".to_owned(),
        action: String::new(),
        cause: GapCause::Elsewhere { message: format!("{name} is defined elsewhere") },
        affects: Affects::Types { types: vec![name.clone()] },
    };
    let gaps = ELSEWHERE.iter().map(gap).collect();
    let mut joins = Joins::new(Rules::default(), OffsetDateTime::UNIX_EPOCH, 7);
    joins.index(&Inventory { resources: resources.clone(), gaps, ..Inventory::default() });
    joins.finish();
    let policies = Policies::load(&Policies::embedded(), &BTreeSet::new()).unwrap();
    let nobody = BTreeMap::new();
    let asking = Asking::new(&policies, "2026-11-21T00:00:00Z", "template", &Settings::default(), &nobody).unwrap();
    resources
        .iter()
        .filter(|one| names.contains(&one.uid))
        .filter_map(|resource| {
            let subject = subject(resource, &joins)?;
            let findings = asking.judge(&subject).unwrap();
            let findings = findings.into_iter().map(|finding| (finding.control, finding.compliance)).collect();
            Some(((resource.type_name.to_string(), resource.uid.to_string()), (subject.facts, findings)))
        })
        .collect()
}

/// What is said of the live things, in the words that a road has.
fn live_by(road: &str, live: &Brought) -> Said {
    let mut all = serde_json::to_string(live).unwrap();
    for (_, here, there) in NAMED_BY_AWS.iter().filter(|(named, ..)| *named == road) {
        assert!(all.contains(here), "{here}");
        all = all.replace(here, there);
    }
    let mut said = said(serde_json::from_str(&all).unwrap(), Vec::new());
    for (facts, _) in said.values_mut().filter(|_| WITHOUT_STACK.contains(&road)) {
        for name in ["tags", "tagKeys"] {
            if let Some(Fact::Set(tags)) = facts.known.get_mut(name) {
                tags.retain(|tag| !tag.starts_with(STACK.0));
            }
        }
    }
    said
}

/// Everything in which a road differs from live.
fn differences(live: &Said, road: &Said) -> Vec<String> {
    let mut lines = Vec::new();
    for (key, (facts, findings)) in road {
        let Some((live_facts, live_findings)) = live.get(key) else {
            lines.push(format!("{key:?} is not found live, which has {:?}", live.keys().collect::<Vec<_>>()));
            continue;
        };
        let worded = |name: &str| WORDED_OTHERWISE.iter().any(|(known, _)| *known == name);
        for (name, value) in live_facts.known.iter().filter(|(name, _)| !worded(name)) {
            match (facts.known.get(name), facts.unknown.get(name)) {
                (Some(said), _) if said == value => {}
                (Some(said), _) => lines.push(format!("{} {name}: {said:?}, live {value:?}", key.1)),
                (None, Some(sentences)) if excused(sentences) => {}
                (None, sentences) => lines.push(format!("{} {name}: unknown, because {sentences:?}", key.1)),
            }
        }
        for (control, compliance) in live_findings {
            let said = findings.get(control).copied();
            let unknown = said == Some(ComplianceType::InsufficientData);
            if said != Some(*compliance) && !unknown {
                lines.push(format!("{} {control}: {said:?}, live {compliance:?}", key.1));
            }
        }
    }
    lines
}

/// Whether all that is missing is known only of what is deployed, or stands in another description.
fn excused(sentences: &[String]) -> bool {
    let elsewhere = ["is known only of what is deployed", "is defined elsewhere", "--inventory", "was not looked at"];
    !sentences.is_empty() && sentences.iter().all(|sentence| elsewhere.iter().any(|part| sentence.contains(part)))
}

fn decided(said: &Said) -> usize {
    let decided =
        |compliance: &&ComplianceType| matches!(compliance, ComplianceType::Compliant | ComplianceType::NonCompliant);
    said.values().map(|(_, findings)| findings.values().filter(decided).count()).sum()
}

#[test]
fn the_same_pipeline_has_the_same_facts_and_findings_on_every_road() {
    let brought = live();
    let mut roads: Vec<(&str, Said)> =
        ROADS.iter().map(|(format, name)| (*format, said(one_file(format, name), Vec::new()))).collect();
    roads.push(("CDK", said(cdk_output(), Vec::new())));
    roads.push(("AWS CLI", said(printed(), beside().to_vec())));
    let pipeline = ("AWS::CodePipeline::Pipeline".to_owned(), format!("arn:aws:codepipeline:{REGION}:{ACCOUNT}:web"));
    for (road, said) in &roads {
        let live = live_by(road, &brought);
        assert!(live.len() >= 5, "{:?}", live.keys().collect::<Vec<_>>());
        let missing: Vec<_> = live.keys().filter(|key| !said.contains_key(key)).collect();
        assert!(missing.is_empty() || *road == "AWS CLI", "{road} does not have {missing:?}");
        let lines = differences(&live, said);
        assert!(lines.is_empty(), "{} differences between live and {road}:\n{}", lines.len(), lines.join("\n"));
        let (facts, findings) = &said[&pipeline];
        assert_eq!(findings["codepipeline-production-approval-required"], ComplianceType::Compliant, "{road}");
        assert!(
            matches!(facts.known.get("unapprovedProductionActions"), Some(Fact::Set(set)) if set.is_empty()),
            "{road}"
        );
        let (here, there) = (decided(said), decided(&live));
        assert!(here == there || *road == "AWS CLI", "{road} decides {here} of {there} findings");
    }
}
