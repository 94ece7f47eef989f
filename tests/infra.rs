//! The templates of `infra/`: lint, what they promise of data and rights, and that they allow what is called and no more.
//!
//! Tools are set up by the tests: CloudFormation's linter stands in moto's environment, the parser of Terraform's language in
//! one of its own (`tests/infra-requirements.txt`). The provider of Terraform is not to be had everywhere; where it is not,
//! `terraform validate` is said to be left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use parquet::file::reader::{FileReader, SerializedFileReader};
use pipewarden::collect::COLLECTORS;
use pipewarden::deliver::KINDS;
use pipewarden::history::ACCOUNT_SOURCES;
use pipewarden::history::athena::ATHENA_ACTIONS;
use pipewarden::organization::DIRECTORY_ACTIONS;
use serde_json::Value;

use super::moto;

/// A property that one of them does not know is an error.
const REGIONS: [&str; 2] = ["us-east-1", "eu-central-1"];
/// Of another partition, which has no Lambda Hooks.
const GOVERNMENT: [&str; 1] = ["us-gov-west-1"];
const MEMBER: &str = "infra/member/template.json";
const HUB: &str = "infra/hub/template.yaml";
const FAN_OUT: &str = "infra/fan-out/template.yaml";
const HISTORY: &str = "infra/history/template.yaml";
const RECHECK: &str = "infra/recheck/template.yaml";
const STATE_MACHINE: &str = "infra/fan-out/state-machine.asl.json";
/// The most that CloudFormation takes without a bucket.
const LONGEST_TEMPLATE: usize = 51_200;

/// What the folder of runs in a bucket is read and written with, its key included.
const STORE_ACTIONS: [&str; 7] = [
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
];

fn project(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

fn text(relative: &str) -> String {
    fs::read_to_string(project(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// Every file under `infra/`, by its path from the project's folder.
fn files() -> BTreeSet<String> {
    let root = project("infra");
    walkdir::WalkDir::new(&root)
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.is_file() && !path.components().any(|part| part.as_os_str() == ".terraform"))
        .map(|path| path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_string_lossy().into_owned())
        .collect()
}

/// Templates of CloudFormation among them.
fn paths() -> BTreeSet<String> {
    files().into_iter().filter(|path| text(path).contains("AWSTemplateFormatVersion")).collect()
}

/// The templates, read by the linter's own reader, intrinsic functions in their long form.
fn templates() -> &'static BTreeMap<String, Value> {
    static TEMPLATES: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    TEMPLATES.get_or_init(|| {
        let output = Command::new(moto::environment().join("bin/python"))
            .arg(project("tests/infra-templates.py"))
            .args(paths())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    })
}

fn resources(path: &str) -> &'static serde_json::Map<String, Value> {
    templates()[path]["Resources"].as_object().unwrap()
}

/// Every value in a document with the path to it.
fn visit<'a>(node: &'a Value, at: &str, found: &mut dyn FnMut(&str, &'a Value)) {
    found(at, node);
    match node {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| visit(value, &format!("{at}/{name}"), found)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(nth, value)| visit(value, &format!("{at}/{nth}"), found));
        }
        _ => {}
    }
}

fn lint(paths: &[String], regions: &[&str], folder: &Path) {
    let output = Command::new(moto::environment().join("bin/cfn-lint"))
        .args(["--non-zero-exit-code", "informational", "--regions"])
        .args(regions)
        .arg("--")
        .args(paths)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_linter_of_cloudformation_says_nothing() {
    let paths: Vec<String> = paths().into_iter().collect();
    for path in [MEMBER, HUB, FAN_OUT, HISTORY, RECHECK] {
        assert!(paths.iter().any(|known| known == path), "{path} is not linted");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    lint(&paths, &REGIONS, folder);
    let without_hook: Vec<String> = paths.into_iter().filter(|path| !path.contains("/hook/")).collect();
    lint(&without_hook, &GOVERNMENT, folder);
}

/// The linter knows the language of state machines, but not that `${Partition}` is filled in.
#[test]
fn the_state_machine_is_one_when_its_substitutions_are_filled_in() {
    let folder = tempfile::tempdir().unwrap();
    let ignored = "    Metadata: {cfn-lint: {config: {ignore_checks: [E3601]}}}\n";
    let template = text(FAN_OUT);
    assert!(template.contains(ignored));
    let filled = template.replace(ignored, "").replace("arn:${Partition}:states", "arn:aws:states");
    let filled = filled.replace("        Partition: !Ref AWS::Partition\n", "");
    let linted = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        std::panic::catch_unwind(|| lint(&[name.to_owned()], &REGIONS, folder.path())).is_ok()
    };
    assert!(linted("whole.yaml", &filled), "see above");
    let broken = filled.replace("\"StartAt\": \"Begin\"", "\"StartAt\": \"Nowhere\"");
    assert!(broken != filled && !linted("broken.yaml", &broken), "the linter does not look at state machines");
}

#[test]
fn the_state_machine_stands_in_its_template_word_for_word() {
    let document: Value = serde_json::from_str(&text(STATE_MACHINE)).unwrap();
    let machine = &resources(FAN_OUT)["StateMachine"]["Properties"];
    let inside = machine["DefinitionString"].as_str().unwrap();
    assert!(inside == text(STATE_MACHINE), "{STATE_MACHINE} and {FAN_OUT} differ");
    let mut used = BTreeSet::new();
    for part in text(STATE_MACHINE).split("${").skip(1) {
        used.insert(part.split_once('}').unwrap().0.to_owned());
    }
    let filled: BTreeSet<String> = machine["DefinitionSubstitutions"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(used, filled, "substitutions");
    let mut targets = BTreeSet::new();
    let mut states = BTreeSet::new();
    visit(&document, "", &mut |at, node| {
        if let Some(name) =
            node.as_str().filter(|_| ["/Next", "/Default", "/StartAt"].iter().any(|end| at.ends_with(end)))
        {
            targets.insert(name.to_owned());
        }
        if let Some(named) = node.as_object().filter(|_| at.ends_with("/States")) {
            states.extend(named.keys().cloned());
        }
    });
    assert_eq!(targets, states, "states that nothing leads to, or that are not there");
}

#[test]
fn every_parameter_and_output_is_described_and_every_template_is_short_enough() {
    for (path, template) in templates() {
        assert!(text(path).len() <= LONGEST_TEMPLATE, "{path} is longer than CloudFormation takes without a bucket");
        assert!(template["Description"].as_str().is_some_and(|about| about.len() <= 1024), "{path}");
        for part in ["Parameters", "Outputs"] {
            for (name, says) in template.get(part).and_then(Value::as_object).into_iter().flatten() {
                assert!(says["Description"].as_str().is_some_and(|about| !about.is_empty()), "{path}: {name}");
            }
        }
    }
}

/// `infra/README.md` has a row for each, word for word.
#[test]
fn the_readme_has_every_parameter_as_it_is() {
    let readme = text("infra/README.md");
    let deployed = templates().iter().filter(|(path, _)| !path.contains("/ci/"));
    for (path, template) in deployed {
        for (name, says) in template["Parameters"].as_object().unwrap() {
            let default = match says.get("Default").map(|default| default.to_string().replace('"', "")) {
                None => "required".to_owned(),
                Some(nothing) if nothing.is_empty() => "none".to_owned(),
                Some(default) => format!("`{default}`"),
            };
            let row = format!("| `{name}` | {default} | {} |", says["Description"].as_str().unwrap());
            assert!(readme.contains(&row), "infra/README.md lacks a row of {path}: {row}");
        }
    }
    for alarm in ["NoRun", "RunFailed", "RunNotStarted", "ExecutionFailed", "DeadLetter", "GivenUp"] {
        assert!(readme.contains(&format!("`{alarm}`")), "{alarm}");
        assert!(templates().values().any(|template| template["Resources"].get(alarm).is_some()), "{alarm}");
    }
}

#[test]
fn templates_stand_in_no_partition_region_or_account() {
    for (path, template) in templates() {
        visit(&template["Resources"], "", &mut |at, node| {
            // A substitution that is filled in, and the state machine's own text of them.
            let Some(text) = node.as_str() else { return };
            for fixed in ["arn:aws:", "arn:aws-", "us-east-1", "eu-central-1", "amazonaws.com.cn"] {
                assert!(!text.contains(fixed), "{path}{at}: {text}");
            }
            let digits = text.split(|c: char| !c.is_ascii_digit()).any(|run| run.len() == 12);
            assert!(!digits, "{path}{at}: an account id: {text}");
        });
    }
}

/// What holds data, and how: kept when the stack goes, encrypted, not public.
#[test]
fn data_outlives_its_stack_and_is_encrypted() {
    let keeps = ["AWS::S3::Bucket", "AWS::KMS::Key", "AWS::Logs::LogGroup"];
    let mut seen = BTreeSet::new();
    for path in paths() {
        for (name, resource) in resources(&path) {
            let kind = resource["Type"].as_str().unwrap();
            if keeps.contains(&kind) {
                seen.insert(kind.to_owned());
                // A first deployment that fails leaves nothing behind that has its names.
                assert_eq!(resource["DeletionPolicy"], "RetainExceptOnCreate", "{path}: {name}");
                assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{path}: {name}");
            }
            let properties = &resource["Properties"];
            match kind {
                "AWS::S3::Bucket" => {
                    let blocked = properties["PublicAccessBlockConfiguration"].as_object().unwrap();
                    assert!(
                        blocked.len() == 4 && blocked.values().all(|on| *on == Value::Bool(true)),
                        "{path}: {name}"
                    );
                    assert_eq!(properties["VersioningConfiguration"]["Status"], "Enabled", "{path}: {name}");
                    assert!(properties.get("BucketEncryption").is_some(), "{path}: {name}");
                    let rules = properties["LifecycleConfiguration"]["Rules"].as_array().unwrap();
                    assert!(
                        rules.iter().any(|rule| rule.get("AbortIncompleteMultipartUpload").is_some()),
                        "{path}: {name}"
                    );
                    assert!(
                        rules.iter().any(|rule| rule.get("NoncurrentVersionExpiration").is_some()),
                        "{path}: {name}"
                    );
                    assert!(only_tls(&path, name), "{path}: {name} takes requests without TLS");
                }
                "AWS::SQS::Queue" => {
                    assert_eq!(properties["SqsManagedSseEnabled"], Value::Bool(true), "{path}: {name}");
                    assert!(only_tls(&path, name), "{path}: {name} takes requests without TLS");
                }
                "AWS::SNS::Topic" => assert!(properties.get("KmsMasterKeyId").is_some(), "{path}: {name}"),
                "AWS::KMS::Key" => assert_eq!(properties["EnableKeyRotation"], Value::Bool(true), "{path}: {name}"),
                "AWS::Logs::LogGroup" => assert!(properties.get("RetentionInDays").is_some(), "{path}: {name}"),
                "AWS::Lambda::Function" => {
                    for set in ["ReservedConcurrentExecutions", "DeadLetterConfig"] {
                        // CloudFormation waits for the hook's function and has no use for either.
                        assert!(path.contains("/hook/") || properties.get(set).is_some(), "{path}: {name}: {set}");
                    }
                    let command = words(&properties["ImageConfig"], "Command");
                    assert_eq!(command.first(), Some(&"lambda"), "{path}: {name}");
                }
                _ => {}
            }
        }
    }
    assert_eq!(seen.len(), keeps.len(), "{seen:?}");
}

/// EventBridge names no account when it invokes a function, so a permission that wants one refuses every event, silently.
#[test]
fn rules_may_invoke_what_they_are_for() {
    let mut looked_at = 0;
    for path in paths() {
        let permissions = resources(&path).iter().filter(|(_, resource)| resource["Type"] == "AWS::Lambda::Permission");
        for (name, permission) in permissions {
            let properties = &permission["Properties"];
            if properties["Principal"] == "events.amazonaws.com" {
                looked_at += 1;
                assert!(properties.get("SourceAccount").is_none(), "{path}: {name} is of no use");
                assert!(properties.get("SourceArn").is_some(), "{path}: {name} lets every rule in");
            }
        }
    }
    assert!(looked_at > 0);
}

/// What begins or concludes a run at night: its report is no fault, that nobody heard of it is one.
#[test]
fn a_night_that_reaches_nobody_is_a_failure() {
    let asks = |command: &[&str]| {
        let threshold = command.iter().position(|word| *word == "--fail-on").and_then(|at| command.get(at + 1));
        // A gap (2) would come before a run that was not delivered (4).
        threshold == Some(&"none") && command.contains(&"--fail-on-delivery") && !command.contains(&"--fail-on-gaps")
    };
    let task = &resources(HUB)["Task"]["Properties"]["ContainerDefinitions"][0]["Command"]["Fn::If"];
    for branch in [1, 2] {
        let command: Vec<&str> = task[branch].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        assert!(command[0] == "audit" && asks(&command), "{command:?}");
    }
    assert!(asks(&words(&resources(FAN_OUT)["Joiner"]["Properties"]["ImageConfig"], "Command")));
    let document: Value = serde_json::from_str(&text(STATE_MACHINE)).unwrap();
    let mut concluded = 0;
    visit(&document, "", &mut |_, node| {
        if let Some(array) = node.as_str().filter(|text| text.starts_with("States.Array('evaluate'")) {
            let command: Vec<&str> = array.split('\'').collect();
            assert!(command.contains(&"--conclude") && command.contains(&"--fail-on-delivery"), "{array}");
            assert!(array.contains("'--fail-on', 'none'") && !array.contains("gaps"), "{array}");
            concluded += 1;
        }
    });
    assert_eq!(concluded, 1);
    // What is not delivered is not tried again by itself: nothing would be said that was not said, and more tickets opened.
    assert!(!document.to_string().contains("Pipewarden.Undelivered"));
    let stopped = &resources(HUB)["RunStopped"]["Properties"]["EventPattern"]["detail"]["$or"][0];
    assert_eq!(stopped["containers"]["exitCode"], serde_json::json!([{"anything-but": [0, 1, 2]}]));
}

/// What failed may have failed for a moment only, as a download that broke off. What is wrong with the configuration stays so.
#[test]
fn every_function_that_fails_before_anybody_is_told_is_tried_again() {
    let document: Value = serde_json::from_str(&text(STATE_MACHINE)).unwrap();
    let mut invoked = 0;
    visit(&document, "", &mut |at, node| {
        if !node["Resource"].as_str().is_some_and(|resource| resource.ends_with(":lambda:invoke")) {
            return;
        }
        let retries = node["Retry"].as_array().unwrap();
        let errors: Vec<&str> = retries.iter().flat_map(|retry| words(retry, "ErrorEquals")).collect();
        // A conclusion that fails is told to everybody who hears of runs, so it is not made thrice.
        assert_eq!(errors.contains(&"Pipewarden.Failed"), !at.contains("Conclude"), "{at}: {errors:?}");
        assert!(!errors.contains(&"Pipewarden.Usage"), "{at}: {errors:?}");
        invoked += 1;
    });
    assert_eq!(invoked, 5);
}

/// Memory in MiB that Fargate takes with these CPU units:
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html>
fn fargate_takes(cpu: &str) -> BTreeSet<u64> {
    let (least, most, step) = match cpu {
        "256" => return [512, 1024, 2048].into(),
        "512" => (1, 4, 1),
        "1024" => (2, 8, 1),
        "2048" => (4, 16, 1),
        "4096" => (8, 30, 1),
        "8192" => (16, 60, 4),
        "16384" => (32, 120, 8),
        other => panic!("Fargate has no CPU of {other}"),
    };
    (least..=most).step_by(step).map(|gib| gib * 1024).collect()
}

#[test]
fn the_hub_lets_through_what_fargate_takes_and_nothing_else() {
    let template = &templates()[HUB];
    let lets_through = |cpu: &str, memory: &str| {
        let mut of_cpu = 0;
        for rule in template["Rules"].as_object().unwrap().values() {
            let condition = &rule["RuleCondition"]["Fn::Equals"];
            if condition[0]["Ref"] != "Cpu" || condition[1] != cpu {
                continue;
            }
            of_cpu += 1;
            let contains = &rule["Assertions"][0]["Assert"]["Fn::Contains"];
            assert_eq!(contains[1]["Ref"], "Memory");
            if !contains[0].as_array().unwrap().iter().any(|value| value == memory) {
                return false;
            }
        }
        assert_eq!(of_cpu, 1, "rules of Cpu {cpu}");
        true
    };
    let parameters = &template["Parameters"];
    let (cpus, memories) = (&parameters["Cpu"], &parameters["Memory"]);
    for cpu in words(cpus, "AllowedValues") {
        for memory in words(memories, "AllowedValues") {
            let fits = fargate_takes(cpu).contains(&memory.parse::<u64>().unwrap());
            assert_eq!(lets_through(cpu, memory), fits, "Cpu {cpu}, Memory {memory}");
        }
    }
    assert!(lets_through(cpus["Default"].as_str().unwrap(), memories["Default"].as_str().unwrap()));
}

/// A metric without datapoints is asked further back than the alarm says, so silence has to be a number.
#[test]
fn silence_is_counted_by_the_hour() {
    let alarm = &resources(HUB)["NoRun"]["Properties"];
    let metrics = alarm["Metrics"].as_array().unwrap();
    let asked = metrics.iter().find(|metric| metric["ReturnData"] == true).unwrap();
    assert_eq!(asked["Expression"], "FILL(finished, 0)");
    let finished = metrics.iter().find(|metric| metric["Id"] == "finished").unwrap();
    assert_eq!(finished["MetricStat"]["Period"], 3600);
    let counted = &resources(HUB)["RunsFinished"]["Properties"]["MetricTransformations"][0];
    for (of_alarm, of_filter) in [("MetricName", "MetricName"), ("Namespace", "MetricNamespace")] {
        assert_eq!(finished["MetricStat"]["Metric"][of_alarm], counted[of_filter]);
    }
    assert_eq!(alarm["TreatMissingData"], "breaching");
    for count in ["EvaluationPeriods", "DatapointsToAlarm"] {
        assert_eq!(alarm[count]["Ref"], "LongestSilenceHours");
    }
}

/// Lambda takes images of its own Region, so one value of `ImageUri` has to do for all Regions of a `StackSet`.
#[test]
fn the_hook_takes_its_image_from_its_own_region() {
    let image = &resources("infra/hook/template.yaml")["Function"]["Properties"]["Code"]["ImageUri"]["Fn::Sub"];
    assert_eq!(image[0], "${Registry}.dkr.ecr.${AWS::Region}.amazonaws.com${Image}");
    let digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    for (given, region, expected) in [
        ("111122223333.dkr.ecr.eu-central-1.amazonaws.com/a/b.c", "us-east-1", "us-east-1.amazonaws.com/a/b.c"),
        ("111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/p", "cn-northwest-1", "cn-northwest-1.amazonaws.com.cn/p"),
    ] {
        let part = |name: &str| {
            let select = &image[1][name]["Fn::Select"];
            let split = &select[1]["Fn::Split"];
            assert_eq!(split[1]["Ref"], "ImageUri");
            let nth = usize::try_from(select[0].as_u64().unwrap()).unwrap();
            format!("{given}@{digest}").split(split[0].as_str().unwrap()).nth(nth).unwrap().to_owned()
        };
        let filled = image[0].as_str().unwrap().replace("${Registry}", &part("Registry"));
        let filled = filled.replace("${AWS::Region}", region).replace("${Image}", &part("Image"));
        assert_eq!(filled, format!("111122223333.dkr.ecr.{expected}@{digest}"));
    }
}

/// As AWS's own deployment kit has them from `DescribeVpcEndpointServices`.
#[test]
fn endpoints_have_the_names_of_their_partition() {
    let mut seen = 0;
    for (name, endpoint) in resources(HUB).iter().filter(|(_, one)| one["Type"] == "AWS::EC2::VPCEndpoint") {
        let service = &endpoint["Properties"]["ServiceName"];
        let differs = ["StsEndpoint", "EcrApiEndpoint", "EcrImagesEndpoint"].contains(&name.as_str());
        let elsewhere = if differs { &service["Fn::If"][2] } else { service };
        let elsewhere = elsewhere["Fn::Sub"].as_str().unwrap();
        assert!(elsewhere.starts_with("com.amazonaws.${AWS::Region}."), "{name}: {elsewhere}");
        if differs {
            assert_eq!(service["Fn::If"][0], "InChina");
            assert_eq!(service["Fn::If"][1]["Fn::Sub"], format!("cn.{elsewhere}"), "{name}");
        }
        seen += 1;
    }
    assert_eq!(seen, 6);
    assert_eq!(templates()[HUB]["Conditions"]["InChina"]["Fn::Equals"][1], "aws-cn");
}

/// The same address of the template is no change, whatever lies there.
#[test]
fn another_version_changes_the_stack_set() {
    let properties = &resources("infra/member/stack-set.yaml")["MemberRoles"]["Properties"];
    assert!(properties["Description"]["Fn::Sub"].as_str().unwrap().contains("${Version}"));
    assert!(templates()["infra/member/stack-set.yaml"]["Parameters"]["Version"].get("Default").is_none());
    for guide in ["infra/README.md", "docs/operations.md"] {
        let guide = text(guide);
        let upload = guide.lines().find(|line| line.contains("aws s3 cp infra/member/template.json")).unwrap();
        assert!(upload.contains("/member-$VERSION.json"), "{upload}");
        for part in ["Version=$VERSION", "pipewarden-member-here"] {
            assert!(guide.contains(part), "{part}");
        }
    }
}

/// Athena works in the Glue catalog of its Region, of which it wants to see the default database too:
/// <https://docs.aws.amazon.com/athena/latest/ug/fine-grained-access-to-glue-resources.html>
#[test]
fn athena_may_see_the_default_database_and_nothing_in_it() {
    let default = "arn:${AWS::Partition}:glue:${AWS::Region}:${AWS::AccountId}:database/default";
    let on_default: Vec<Vec<&str>> = allowing(HISTORY)
        .iter()
        .filter(|(_, statement)| statement["Resource"].to_string().contains("default"))
        .map(|(_, statement)| {
            assert_eq!(statement["Resource"]["Fn::Sub"], default);
            words(statement, "Action")
        })
        .collect();
    assert_eq!(on_default, [["glue:GetDatabase"]]);
}

fn only_tls(path: &str, name: &str) -> bool {
    resources(path).values().any(|policy| {
        let properties = &policy["Properties"];
        let of = |key: &str| properties[key].to_string().contains(&format!("{{\"Ref\":\"{name}\"}}"));
        (of("Bucket") || of("Queues"))
            && statements(&properties["PolicyDocument"]).iter().any(|statement| {
                statement["Effect"] == "Deny" && statement["Condition"]["Bool"]["aws:SecureTransport"] == "false"
            })
    })
}

/// The statements of a policy, optional ones included.
fn statements(policy: &Value) -> Vec<&Value> {
    let list = policy["Statement"].as_array().map_or_else(|| vec![&policy["Statement"]], |list| list.iter().collect());
    list.into_iter().map(|one| one.get("Fn::If").map_or(one, |branches| &branches[1])).collect()
}

fn words<'a>(statement: &'a Value, key: &str) -> Vec<&'a str> {
    match &statement[key] {
        Value::String(one) => vec![one],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The policies of identities in a template: where, and the statements that allow.
fn allowing(path: &str) -> Vec<(String, &'static Value)> {
    let mut found = Vec::new();
    for (name, resource) in resources(path) {
        let properties = &resource["Properties"];
        let mut add = |policy: &'static Value| {
            found.extend(statements(policy).into_iter().map(|statement| (format!("{path}: {name}"), statement)));
        };
        match resource["Type"].as_str().unwrap() {
            "AWS::IAM::ManagedPolicy" | "AWS::IAM::RolePolicy" => add(&properties["PolicyDocument"]),
            "AWS::IAM::Role" => {
                for policy in properties["Policies"].as_array().into_iter().flatten() {
                    add(&policy["PolicyDocument"]);
                }
            }
            _ => {}
        }
    }
    found
}

/// Actions that a template allows the audit role.
fn of_the_audit_role(path: &str) -> BTreeSet<String> {
    let mut actions = BTreeSet::new();
    for resource in resources(path).values().filter(|resource| resource["Type"] == "AWS::IAM::RolePolicy") {
        for statement in statements(&resource["Properties"]["PolicyDocument"]) {
            actions.extend(words(statement, "Action").into_iter().map(str::to_owned));
        }
    }
    actions
}

/// Actions without a resource level, by AWS's service authorization reference.
const WITHOUT_RESOURCE: [&str; 15] = [
    "cloudtrail:ListPublicKeys",
    "ecr:GetAuthorizationToken",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "organizations:DescribeOrganization",
    "organizations:ListAccounts",
    "organizations:ListDelegatedAdministrators",
    "organizations:ListPolicies",
    "organizations:ListRoots",
];

#[test]
fn rights_name_their_actions_and_their_resources() {
    let mut looked_at = 0;
    for path in paths().into_iter().filter(|path| path != MEMBER) {
        for (place, statement) in allowing(&path) {
            looked_at += 1;
            assert_eq!(statement["Effect"], "Allow", "{place}");
            assert!(statement.get("NotAction").is_none() && statement.get("NotResource").is_none(), "{place}");
            let actions = words(statement, "Action");
            assert!(!actions.is_empty() && actions.iter().all(|action| !action.contains('*')), "{place}: {actions:?}");
            if words(statement, "Resource").contains(&"*") {
                for action in actions {
                    assert!(WITHOUT_RESOURCE.contains(&action), "{place}: {action} can name its resource");
                }
            }
        }
    }
    assert!(looked_at > 30, "{looked_at}");
}

/// A source identity and tags, where the configuration asks for them, go to every role that is entered.
#[test]
fn what_may_enter_a_role_may_name_its_session() {
    let statements = allowing(HUB);
    let on = |action: &str| {
        let allows = statements.iter().filter(|(_, statement)| words(statement, "Action").contains(&action));
        allows.map(|(_, statement)| &statement["Resource"]).collect::<Vec<&Value>>()
    };
    let entered = on("sts:AssumeRole");
    assert!(entered.len() >= 2, "{entered:?}");
    for action in ["sts:SetSourceIdentity", "sts:TagSession"] {
        let named = on(action);
        assert!(entered.iter().all(|role| named.contains(role)), "{action} on {named:?}, of {entered:?}");
    }
}

/// The role of the hub reads no configuration of its own account.
#[test]
fn every_guide_has_the_own_account_entered_too() {
    for guide in ["infra/README.md", "docs/operations.md"] {
        assert!(text(guide).contains("in_own_account = true"), "{guide}");
    }
}

/// Step Functions is not known to send a checksum, and Object Lock takes no object without one.
#[test]
fn results_of_the_map_go_where_nothing_is_locked() {
    let machine = &resources(FAN_OUT)["StateMachine"]["Properties"]["DefinitionSubstitutions"];
    assert_eq!(machine["Bucket"]["Ref"], "MapResults");
    assert!(resources(FAN_OUT)["MapResults"]["Properties"].get("ObjectLockConfiguration").is_none());
    let document: Value = serde_json::from_str(&text(STATE_MACHINE)).unwrap();
    let mut written = 0;
    visit(&document, "", &mut |at, node| {
        if node.as_str().is_some_and(|text| text.contains("${Bucket}")) {
            assert!(at.ends_with("/ResultWriter/Parameters/Bucket"), "{at}");
            written += 1;
        }
    });
    assert_eq!(written, 2);
}

/// Nobody else makes a service use these roles, queues, buses and topics.
#[test]
fn no_service_is_a_confused_deputy() {
    let mut looked_at = 0;
    for path in paths() {
        for (name, resource) in resources(&path) {
            let properties = &resource["Properties"];
            for policy in ["AssumeRolePolicyDocument", "PolicyDocument", "KeyPolicy"] {
                for statement in properties.get(policy).into_iter().flat_map(statements) {
                    let Some(service) = statement.get("Principal").and_then(|who| who.get("Service")) else { continue };
                    looked_at += 1;
                    let condition = statement.get("Condition").map(Value::to_string).unwrap_or_default();
                    let bound = ["aws:SourceAccount", "aws:SourceArn", "kms:EncryptionContext:aws:logs:arn"]
                        .iter()
                        .any(|key| condition.contains(key));
                    assert!(bound, "{path}: {name} trusts {service} of whatever account");
                }
            }
        }
    }
    assert!(looked_at > 12, "{looked_at}");
    let trust = &resources(MEMBER)["Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"];
    assert_eq!(trust.as_array().map(Vec::len), Some(1));
    let condition = &trust[0]["Condition"]["StringEquals"];
    assert_eq!(condition["aws:PrincipalOrgID"]["Ref"], "OrganizationId");
    assert!(condition["sts:ExternalId"].to_string().contains("ExternalId"));
    let bus = &resources(RECHECK)["BusPolicy"]["Properties"]["Statement"]["Condition"]["StringEquals"];
    assert_eq!(bus["aws:PrincipalOrgID"]["Ref"], "OrganizationId");
}

/// EventBridge knows no conditions in the policy of an encrypted topic, so it would have to be open to every account's rules:
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html>
#[test]
fn only_alarms_publish_to_the_topic() {
    let mut rules = 0;
    for path in paths() {
        for (name, resource) in resources(&path).iter().filter(|(_, resource)| resource["Type"] == "AWS::Events::Rule")
        {
            for target in resource["Properties"]["Targets"].as_array().unwrap() {
                rules += 1;
                let to = target["Arn"].to_string();
                assert!(!to.contains("Alarms") && !to.contains("AlarmTopicArn"), "{path}: {name}: {to}");
            }
        }
    }
    assert!(rules >= 4, "{rules}");
    let policy = &resources(HUB)["AlarmsPolicy"]["Properties"]["PolicyDocument"];
    let allowed: Vec<&Value> = statements(policy).into_iter().filter(|one| one["Effect"] == "Allow").collect();
    assert_eq!(allowed.len(), 1);
    assert_eq!(allowed[0]["Principal"]["Service"], "cloudwatch.amazonaws.com");
}

fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pipewarden")).args(arguments).env_clear().output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_member_role_is_the_one_that_the_program_prints() {
    let now = printed(&["role", "--for", "member", "--format", "cloudformation", "--history"]);
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        fs::write(project(MEMBER), &now).unwrap();
    }
    assert!(text(MEMBER) == now, "{MEMBER} is old: UPDATE_DOCUMENTS=1 cargo test --test main infra");
}

#[test]
fn what_is_forwarded_is_what_the_program_rechecks() {
    let printed: Vec<Value> = serde_json::from_str(&printed(&["lambda", "--event-pattern"])).unwrap();
    let rules = resources("infra/recheck/member.yaml").iter();
    let rules = rules.filter(|(_, resource)| resource["Type"] == "AWS::Events::Rule");
    let (names, forwarded): (Vec<&String>, Vec<&Value>) =
        rules.map(|(name, rule)| (name, &rule["Properties"]["EventPattern"])).unzip();
    assert!(
        forwarded.len() == printed.len() && printed.iter().all(|pattern| forwarded.contains(&pattern)),
        "infra/recheck/member.yaml is not what `pipewarden lambda --event-pattern` prints"
    );
    // The bus lets through what they send, and no more than its kind.
    let taken = &resources(RECHECK)["Changed"]["Properties"]["EventPattern"];
    for pattern in printed {
        assert_eq!(pattern["detail"]["errorCode"], serde_json::json!([{"exists": false}]));
        for part in ["source", "detail-type"] {
            assert!(!taken[part].is_null() && taken[part] == pattern[part], "{RECHECK}: {part}");
        }
    }
    let queue = &resources("infra/recheck/member.yaml")["NotSentPolicy"]["Properties"]["PolicyDocument"];
    let queue = queue.to_string();
    for name in names {
        assert!(
            queue.contains(&serde_json::json!({"Fn::GetAtt": [name, "Arn"]}).to_string()),
            "{name}: no dead letters"
        );
    }
}

/// Verbs of IAM actions that only look.
const READS: [&str; 6] = ["BatchGet", "Describe", "Get", "List", "Lookup", "BatchDescribe"];

#[test]
fn the_member_role_only_reads() {
    for (place, statement) in allowing(MEMBER) {
        for action in words(statement, "Action") {
            let (_, verb) = action.split_once(':').unwrap();
            assert!(READS.iter().any(|reads| verb.starts_with(reads)), "{place}: {action}");
            // Contents and secrets are not configuration.
            for content in ["s3:GetObject", "secretsmanager:GetSecretValue", "kms:Decrypt", "codecommit:GetBlob"] {
                assert!(action != content, "{place}: {action}");
            }
        }
    }
}

/// A whole audit with history over the wire, and the folder of its run.
fn demo() -> &'static Path {
    static DEMO: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, run) = DEMO.get_or_init(|| {
        let out = tempfile::tempdir().unwrap();
        let demo = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
            .args(["demo", "--history", "--accounts", "10", "--out"])
            .arg(out.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(demo.success());
        let mut runs = fs::read_dir(out.path().join("runs")).unwrap().map(|entry| entry.unwrap().path());
        let run = runs.find(|path| path.is_dir()).unwrap();
        (out, run)
    });
    run
}

/// What it called: its ledger names every call.
fn called() -> BTreeSet<String> {
    let mut reader = csv::Reader::from_path(demo().join("coverage.csv")).unwrap();
    let columns = reader.headers().unwrap().clone();
    let column = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let (service, action, calls) = (column("service"), column("action"), column("calls"));
    reader
        .records()
        .map(Result::unwrap)
        .filter(|row| !row[calls].is_empty() && &row[calls] != "0")
        .map(|row| format!("{}:{}", &row[service], &row[action]))
        .collect()
}

#[test]
fn the_roles_allow_what_a_whole_audit_calls_and_nothing_else() {
    let called = called();
    let member: BTreeSet<String> =
        allowing(MEMBER).into_iter().flat_map(|(_, statement)| words(statement, "Action")).map(str::to_owned).collect();
    let hub = of_the_audit_role(HUB);
    let hosts = ["github:", "gitlab:", "bitbucket:"];
    // The simulated trail is read with the identity that audits, as any trail is.
    let of_hub =
        |action: &str| action.starts_with("organizations:") || action.starts_with("sts:") || action == "s3:GetObject";
    for action in called.iter().filter(|action| !hosts.iter().any(|host| action.starts_with(host))) {
        let (role, allowed) = if of_hub(action) { (HUB, &hub) } else { (MEMBER, &member) };
        assert!(allowed.contains(action), "{role} does not allow {action}, which was called");
    }
    assert!(called.len() > 80, "{called:#?}");

    let sources = ACCOUNT_SOURCES.iter().flat_map(|source| source.actions());
    let declared: BTreeSet<&str> = COLLECTORS
        .iter()
        .flat_map(|c| c.actions())
        .chain(pipewarden::audit::ACCOUNT_ACTIONS)
        .chain(sources)
        .copied()
        .collect();
    let unused: Vec<&String> = member.iter().filter(|action| !declared.contains(action.as_str())).collect();
    assert!(unused.is_empty(), "{MEMBER} allows what nobody calls: {unused:?}");

    let delivered = KINDS.iter().flat_map(|kind| kind.actions());
    let trail = ["cloudtrail:ListPublicKeys", "s3:ListBucket", "s3:GetObject"];
    let signed = ["kms:GetPublicKey", "kms:Sign"];
    // The program's own, never a collector's.
    let secrets = ["secretsmanager:GetSecretValue"];
    // What the configuration may ask of a session; STS wants it allowed on both sides.
    let session = ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"];
    let known: BTreeSet<&str> = DIRECTORY_ACTIONS
        .iter()
        .chain(delivered.clone())
        .chain(&STORE_ACTIONS)
        .chain(&trail)
        .chain(&signed)
        .chain(&secrets)
        .chain(&session)
        .copied()
        .collect();
    let unused: Vec<&String> = hub.iter().filter(|action| !known.contains(action.as_str())).collect();
    assert!(unused.is_empty(), "{HUB} allows what nobody calls: {unused:?}");
    // Findings go to other accounts' Security Hub through a role there.
    let lacking: Vec<&&str> = known
        .iter()
        .filter(|action| !hub.contains(**action) && **action != "securityhub:BatchImportFindings")
        .collect();
    assert!(lacking.is_empty(), "{HUB} does not allow {lacking:?}");
}

/// One list for tasks and functions, and one role that reads what is on it.
#[test]
fn the_hub_reads_the_secrets_of_its_list_and_nobody_reads_another() {
    let list = serde_json::json!({"Fn::If": ["WithSecrets", {"Ref": "Secrets"}, {"Ref": "AWS::NoValue"}]});
    let mut functions = 0;
    for path in [FAN_OUT, RECHECK] {
        for (name, function) in resources(path).iter().filter(|(_, one)| one["Type"] == "AWS::Lambda::Function") {
            functions += 1;
            let variables = &function["Properties"]["Environment"]["Variables"];
            assert_eq!(variables["PIPEWARDEN_SECRETS"], list, "{path}: {name}");
            // Its right to read them is the role's.
            assert_eq!(function["Properties"]["Role"]["Ref"], "AuditRoleArn", "{path}: {name}");
        }
    }
    assert_eq!(functions, 3);
    let container = &resources(HUB)["Task"]["Properties"]["ContainerDefinitions"][0];
    assert!(container.get("Secrets").is_none(), "what ECS hands out is in the environment of every stage");
    let variable = serde_json::json!({"Name": "PIPEWARDEN_SECRETS", "Value": {"Ref": "Secrets"}});
    assert!(container["Environment"].as_array().unwrap().iter().any(|one| one["Fn::If"][1] == variable));
    assert_eq!(templates()[HUB]["Outputs"]["Secrets"]["Value"]["Ref"], "Secrets");

    let arns = serde_json::json!({"Fn::Split": [",", {"Ref": "SecretArns"}]});
    let mut readers = Vec::new();
    for path in paths() {
        for (place, statement) in allowing(&path) {
            if words(statement, "Action").iter().any(|action| action.starts_with("secretsmanager:Get")) {
                assert_eq!(words(statement, "Action"), ["secretsmanager:GetSecretValue"], "{place}");
                assert_eq!(statement["Resource"], arns, "{place}");
                readers.push(place);
            }
        }
    }
    assert_eq!(readers, [format!("{HUB}: ReadSecrets")]);
    let reads = &resources(HUB)["ReadSecrets"]["Properties"];
    assert_eq!(reads["RoleName"]["Ref"], "AuditRole");
    let decrypts: Vec<&Value> =
        statements(&reads["PolicyDocument"]).into_iter().filter(|one| one["Action"] == "kms:Decrypt").collect();
    assert_eq!(decrypts.len(), 1);
    let condition = &decrypts[0]["Condition"]["StringLike"];
    assert_eq!(condition["kms:EncryptionContext:SecretARN"], arns);
    assert!(condition["kms:ViaService"]["Fn::Sub"].as_str().unwrap().starts_with("secretsmanager."));
}

#[test]
fn functions_get_their_logs_and_queues_and_athena_what_it_works_with() {
    let of_functions = ["logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"];
    for path in [FAN_OUT, RECHECK] {
        assert_eq!(of_the_audit_role(path), of_functions.iter().map(|action| (*action).to_owned()).collect(), "{path}");
    }
    // Athena works in the caller's name.
    let works_with = [
        "glue:GetDatabase",
        "glue:GetPartitions",
        "glue:GetTable",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "s3:AbortMultipartUpload",
        "s3:GetBucketLocation",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
    ];
    let expected = ATHENA_ACTIONS.iter().chain(&works_with).map(|action| (*action).to_owned()).collect();
    assert_eq!(of_the_audit_role(HISTORY), expected);
}

/// Columns by name and type as `infra/athena/tables.sql` has them, which `tests/tables.rs` holds to the files of a run.
fn columns_of_sql(table: &str) -> Vec<(String, String)> {
    let sql = text("infra/athena/tables.sql");
    let (_, from) = sql.split_once(&format!("CREATE EXTERNAL TABLE IF NOT EXISTS pipewarden.{table} (")).unwrap();
    let (columns, _) = from.split_once("\n)").unwrap();
    columns
        .lines()
        .skip(1)
        .map(|line| {
            let line = line.split("--").next().unwrap().trim().trim_end_matches(',');
            let (name, kind) = line.split_once(' ').unwrap();
            (name.to_owned(), kind.trim().to_owned())
        })
        .collect()
}

#[test]
fn tables_of_runs_have_the_columns_of_their_files() {
    for (resource, table, place) in [
        ("FindingsTable", "findings", "parquet/findings"),
        ("GoneTable", "gone", "parquet/gone"),
        ("CallsTable", "calls", "parquet/calls"),
        ("GapsTable", "gaps", "parquet/gaps"),
        ("MetricsTable", "metrics", "dora/parquet"),
    ] {
        let input = &resources(HISTORY)[resource]["Properties"]["TableInput"];
        assert_eq!(input["Name"], table);
        let declared = columns_of_glue(input);
        assert_eq!(declared, columns_of_sql(table), "{table}");
        let template = input["Parameters"]["storage.location.template"]["Fn::Sub"].as_str().unwrap();
        assert!(template.ends_with(&format!("/runs/${{!run}}/{place}/")), "{template}");
        let file = demo().join(place).join(format!("{table}.parquet"));
        assert_eq!(columns_of_file(&file), declared, "{}", file.display());
        let beside = fs::read_dir(demo().join(place)).unwrap().count();
        assert_eq!(beside, 1, "a table of Athena reads every file of {place}");
    }
}

/// As Athena names what a file holds.
fn columns_of_file(path: &Path) -> Vec<(String, String)> {
    use parquet::basic::{ConvertedType, Type};
    let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let fields = reader.metadata().file_metadata().schema().get_fields().iter();
    let kind = |field: &parquet::schema::types::Type| {
        if field.is_group() {
            return "array<string>";
        }
        match (field.get_physical_type(), field.get_basic_info().converted_type()) {
            (Type::BYTE_ARRAY, ConvertedType::UTF8) => "string",
            (Type::INT64, ConvertedType::TIMESTAMP_MILLIS) => "timestamp",
            (Type::INT64, _) => "bigint",
            (Type::INT32, ConvertedType::DATE) => "date",
            (Type::BOOLEAN, _) => "boolean",
            (Type::DOUBLE, _) => "double",
            other => panic!("{other:?}"),
        }
    };
    fields.map(|field| (field.name().to_owned(), kind(field).to_owned())).collect()
}

/// The same rows in the same order, with numbers in the place of texts.
#[test]
fn the_table_of_metrics_says_what_their_csv_says() {
    use parquet::record::Field;
    let mut csv = csv::Reader::from_path(demo().join("dora/metrics.csv")).unwrap();
    let names = csv.headers().unwrap().clone();
    let lines: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
    let file = fs::File::open(demo().join("dora/parquet/metrics.parquet")).unwrap();
    let rows: Vec<BTreeMap<String, Field>> = SerializedFileReader::new(file)
        .unwrap()
        .get_row_iter(None)
        .unwrap()
        .map(|row| row.unwrap().into_columns().into_iter().collect())
        .collect();
    assert_eq!(rows.len(), lines.len());
    let (mut numbers, mut unknown) = (0, 0);
    for (row, line) in rows.iter().zip(&lines) {
        let cell = |name: &str| &line[names.iter().position(|column| column == name).unwrap()];
        for name in ["metric", "statistic", "unit", "status"] {
            let text = match &row[name] {
                Field::Str(text) => text.as_str(),
                _ => "",
            };
            assert_eq!(text, cell(name), "{name}");
        }
        match &row["value"] {
            Field::Double(value) => {
                let written: f64 = cell("value").parse().unwrap();
                assert!((value - written).abs() <= 0.5, "{value} and {written}");
                numbers += 1;
            }
            other => {
                assert!(*other == Field::Null && cell("value").is_empty(), "{other:?}");
                unknown += 1;
            }
        }
    }
    assert!(numbers > 100 && unknown > 0, "{numbers} and {unknown}");
}

fn columns_of_glue(input: &Value) -> Vec<(String, String)> {
    let columns = input["StorageDescriptor"]["Columns"].as_array().unwrap().iter();
    columns
        .map(|column| (column["Name"].as_str().unwrap().to_owned(), column["Type"].as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn our_own_check_finds_nothing_in_our_own_templates() {
    let output = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(["check", "infra"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("0 violated"), "{said}");
}

#[test]
fn every_document_can_be_read() {
    let mut read = 0;
    for path in files() {
        let is = |extension: &str| Path::new(&path).extension().is_some_and(|found| found == extension);
        if is("json") {
            serde_json::from_str::<Value>(&text(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        }
        if is("yaml") || is("yml") {
            let program = "import sys, yaml\nfor path in sys.argv[1:]: yaml.compose(open(path))";
            let python = moto::environment().join("bin/python");
            let read = Command::new(python).args(["-c", program]).arg(project(&path)).output().unwrap();
            assert!(read.status.success(), "{path}: {}", String::from_utf8_lossy(&read.stderr));
        }
        read += 1;
    }
    assert!(read > 15, "{read}");
}

#[test]
fn the_terraform_module_deploys_these_templates() {
    let python = moto::installed_from("infra-environment", "tests/infra-requirements.txt").join("bin/python");
    let mut checking = Command::new(python)
        .arg(project("tests/infra-terraform.py"))
        .arg(project("infra/terraform"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(checking.stdin.take().unwrap(), templates()).unwrap();
    let output = checking.wait_with_output().unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.is_empty(), "{said}{wrong}");
}

fn terraform(arguments: &[&str], folder: &Path) -> Option<std::process::Output> {
    let client = Command::new("terraform").args(arguments).current_dir(folder).env("TF_IN_AUTOMATION", "1").output();
    client.ok()
}

#[test]
fn terraform_reads_the_module_where_there_is_terraform() {
    let Some(format) = terraform(&["fmt", "-check", "-recursive", "-diff"], &project("infra/terraform")) else {
        eprintln!("not checked: there is no terraform here, so neither its format nor its schema");
        return;
    };
    assert!(format.status.success(), "{}", String::from_utf8_lossy(&format.stdout));
    let copy = tempfile::tempdir().unwrap();
    for path in files().into_iter().filter(|path| path.starts_with("infra/")) {
        let to = copy.path().join(&path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(project(&path), to).unwrap();
    }
    let example = copy.path().join("infra/terraform/example");
    let ready = terraform(&["init", "-backend=false", "-input=false", "-no-color"], &example).unwrap();
    if !ready.status.success() {
        eprintln!("not checked: `terraform validate`, because the provider is not to be had here");
        return;
    }
    let valid = terraform(&["validate", "-no-color"], &example).unwrap();
    assert!(valid.status.success(), "{}", String::from_utf8_lossy(&valid.stderr));
}
