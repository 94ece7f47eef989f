//! Answers of the APIs as they are printed, in every form that is read.

use serde_json::{Value, json};

use super::super::source::Files;
use super::super::{Limits, shape};
use super::*;

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("no files".to_owned())
    }

    fn list(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

fn raws_of(text: &str) -> (Vec<Raw>, Holes) {
    let place = Place::new(None, None);
    let reading = Reading { files: &NoFiles, parameters: &BTreeMap::new(), place: &place, limits: Limits::default() };
    let document = Document::read("t", text.as_bytes(), &Limits::default()).unwrap();
    assert!(ApiJson.recognises(&document), "{text}");
    let parsed = ApiJson.read(document, &reading);
    let mut holes = Holes::default();
    let raws = parsed.groups.iter().flat_map(|group| group.source.declare(&Assignment::new(), &mut holes)).collect();
    (raws, holes)
}

fn raws(value: &Value) -> (Vec<Raw>, Holes) {
    raws_of(&value.to_string())
}

fn without(raw: &Raw, hidden: &[&str]) -> Value {
    let mut value = raw.properties.to_value();
    for property in hidden {
        value.as_object_mut().unwrap().shift_remove(*property);
    }
    value
}

fn pipeline() -> Value {
    json!({
        "name": "web", "roleArn": "arn:aws:iam::111122223333:role/pipeline", "version": 3, "pipelineType": "V2",
        "artifactStores": {
            "us-east-1": {"type": "S3", "location": "far"},
            "eu-west-1": {"type": "S3", "location": "near", "encryptionKey": {"id": "alias/a", "type": "KMS"}},
        },
        "stages": [{
            "name": "Prod",
            "actions": [{
                "name": "Deploy", "runOrder": 2, "inputArtifacts": [], "outputArtifacts": [{"name": "Out"}],
                "actionTypeId": {"category": "Deploy", "owner": "AWS", "provider": "ECS", "version": "1"},
                "configuration": {"ClusterName": "c", "fileName": "x.json"},
                "environmentVariables": [{"name": "A", "value": "b", "type": "PLAINTEXT"}],
            }],
            "onFailure": {"result": "ROLLBACK", "conditions": [{"result": "ROLLBACK", "rules": [{
                "name": "Watch", "configuration": {"alarmName": "errors"},
                "ruleTypeId": {"category": "Rule", "owner": "AWS", "provider": "CloudWatchAlarm", "version": "1"}}]}]},
        }],
        "triggers": [{"providerType": "CodeStarSourceConnection", "gitConfiguration": {
            "sourceActionName": "Source", "push": [{"filePaths": {"includes": ["src/**"]}}]}}],
    })
}

#[test]
fn a_pipeline_as_get_pipeline_prints_it() {
    let printed = json!({"pipeline": pipeline(), "metadata": {
        "pipelineArn": "arn:aws:codepipeline:eu-west-1:444455556666:web", "created": "2026-01-01T00:00:00Z"}});
    let (raws, holes) = raws(&printed);
    let [raw] = raws.as_slice() else { panic!("{raws:?}") };
    assert_eq!((raw.type_name.as_str(), raw.name.as_str()), ("AWS::CodePipeline::Pipeline", "web"));
    assert_eq!((raw.place.account.as_str(), raw.place.region.as_str()), ("444455556666", "eu-west-1"));
    let id = |category: &str, provider: &str| json!({"Category": category, "Owner": "AWS", "Provider": provider, "Version": "1"});
    assert_eq!(
        without(raw, &["Tags", "DisableInboundStageTransitions", "Webhooks"]),
        json!({
            "Name": "web", "RoleArn": "arn:aws:iam::111122223333:role/pipeline", "Version": 3, "PipelineType": "V2",
            "Stages": [{
                "Name": "Prod",
                "Actions": [{
                    "Name": "Deploy", "RunOrder": 2, "OutputArtifacts": [{"Name": "Out"}],
                    "ActionTypeId": id("Deploy", "ECS"),
                    "Configuration": {"ClusterName": "c", "fileName": "x.json"},
                    "EnvironmentVariables": [{"Name": "A", "Value": "b", "Type": "PLAINTEXT"}],
                }],
                "OnFailure": {"Result": "ROLLBACK", "Conditions": [{"Result": "ROLLBACK", "Rules": [{
                    "Name": "Watch", "Configuration": {"alarmName": "errors"},
                    "RuleTypeId": id("Rule", "CloudWatchAlarm")}]}]},
            }],
            "Triggers": [{"ProviderType": "CodeStarSourceConnection", "GitConfiguration": {
                "SourceActionName": "Source", "Push": [{"FilePaths": {"Includes": ["src/**"]}}]}}],
            "ArtifactStores": [
                {"Region": "eu-west-1", "ArtifactStore":
                    {"Type": "S3", "Location": "near", "EncryptionKey": {"Id": "alias/a", "Type": "KMS"}}},
                {"Region": "us-east-1", "ArtifactStore": {"Type": "S3", "Location": "far"}},
            ],
        })
    );
    let tags = raw.property("Tags").and_then(Node::as_str).and_then(super::super::hole::whole).unwrap();
    let affects = crate::inventory::Affects::Details;
    let gap = holes.gap(tags, &raw.place.account, &raw.place.region, affects).unwrap();
    assert!(matches!(gap.cause, crate::inventory::GapCause::Elsewhere { .. }), "{gap:?}");
}

#[test]
fn a_pipeline_alone_is_in_the_account_of_its_role_and_one_with_tags_has_them() {
    let (bare, _) = raws(&pipeline());
    assert_eq!(bare[0].place.account.as_str(), "111122223333");
    assert!(!bare[0].place.region_known);
    let (tagged, _) = raws(&json!({"pipeline": pipeline(), "tags": [{"key": "env", "value": "prod"}]}));
    let tags = json!([{"Key": "env", "Value": "prod"}]);
    assert_eq!(tagged[0].property("Tags").unwrap().to_value(), tags);
}

#[test]
fn recorded_answers_and_lists_of_them_are_read() {
    let printed = json!({"pipeline": pipeline()});
    let (recorded, _) = raws(&json!({"status_code": 200, "data": printed}));
    assert_eq!(recorded.len(), 1);
    let (listed, _) = raws(&json!([printed, {"projects": []}, printed]));
    assert_eq!(listed.iter().map(|raw| raw.logical_id.as_str()).collect::<Vec<_>>(), ["web", "web#2"]);
}

#[test]
fn yaml_output_has_the_lines_of_the_yaml() {
    let (raws, _) = raws_of("pipeline:\n  name: web\n  roleArn: r\n  stages:\n  - name: Prod\n    actions: []\n");
    assert_eq!(raws[0].span.start.line, 2);
    assert_eq!(raws[0].property("Stages").unwrap().elements()[0].span.start.line, 5);
}

#[test]
fn deployment_groups_in_all_their_forms() {
    let group = json!({
        "applicationName": "web", "deploymentGroupName": "prod", "deploymentGroupId": "x", "computePlatform": "ECS",
        "serviceRoleArn": "arn:aws:iam::111122223333:role/deploy",
        "autoScalingGroups": [{"name": "fleet", "hook": "h"}],
        "ecsServices": [{"serviceName": "s", "clusterName": "c"}],
        "targetRevision": {"revisionType": "S3", "s3Location": {"bucket": "b", "key": "k", "eTag": "e"}},
        "autoRollbackConfiguration": {"enabled": true, "events": ["DEPLOYMENT_FAILURE"]},
        "alarmConfiguration": {"enabled": false, "ignorePollAlarmFailure": false, "alarms": []},
        "loadBalancerInfo": {"targetGroupPairInfoList": [{"testTrafficRoute": {"listenerArns": ["l"]}}]},
    });
    let expected = json!({
        "ApplicationName": "web", "DeploymentGroupName": "prod", "ComputePlatform": "ECS",
        "ServiceRoleArn": "arn:aws:iam::111122223333:role/deploy",
        "ECSServices": [{"ServiceName": "s", "ClusterName": "c"}],
        "AutoRollbackConfiguration": {"Enabled": true, "Events": ["DEPLOYMENT_FAILURE"]},
        "AlarmConfiguration": {"Enabled": false, "IgnorePollAlarmFailure": false},
        "LoadBalancerInfo": {"TargetGroupPairInfoList": [{"TestTrafficRoute": {"ListenerArns": ["l"]}}]},
        "AutoScalingGroups": ["fleet"],
        "Deployment": {"Revision": {"RevisionType": "S3", "S3Location": {"Bucket": "b", "Key": "k", "ETag": "e"}}},
    });
    for (form, tags_hidden) in [
        (json!({"deploymentGroupInfo": group}), true),
        (json!({"deploymentGroupsInfo": [group], "errorMessage": ""}), true),
        (group.clone(), false),
    ] {
        let (raws, _) = raws(&form);
        assert_eq!(raws.len(), 1);
        assert_eq!((raws[0].logical_id.as_str(), raws[0].name.as_str()), ("web/prod", "prod"));
        assert_eq!(without(&raws[0], &["Tags"]), expected);
        assert_eq!(raws[0].property("Tags").is_some(), tags_hidden);
        assert_eq!(raws[0].place.account.as_str(), "111122223333");
    }
}

#[test]
fn a_build_project_without_what_nobody_may_read() {
    let project = json!({
        "name": "web", "arn": "arn:aws:codebuild:eu-west-1:111122223333:project/web", "created": 1.5,
        "serviceRole": "arn:aws:iam::111122223333:role/build", "projectVisibility": "PRIVATE",
        "source": {"type": "GITHUB", "location": "https://github.com/o/r", "buildspec": "ci/build.yml", "insecureSsl": true},
        "environment": {"type": "LINUX_CONTAINER", "image": "i", "privilegedMode": true, "environmentVariables": []},
        "webhook": {"url": "https://hook.example", "secret": "hunter2", "branchFilter": "main", "filterGroups": [[{"type": "EVENT", "pattern": "PUSH"}]]},
        "badge": {"badgeEnabled": false}, "tags": [{"key": "team", "value": "web"}],
    });
    let (raws, _) = raws(&json!({"projects": [project], "projectsNotFound": []}));
    assert_eq!((raws[0].name.as_str(), raws[0].place.region.as_str()), ("web", "eu-west-1"));
    assert_eq!(
        raws[0].properties.to_value(),
        json!({
            "Name": "web", "ServiceRole": "arn:aws:iam::111122223333:role/build", "Visibility": "PRIVATE",
            "Source": {"Type": "GITHUB", "Location": "https://github.com/o/r", "BuildSpec": "ci/build.yml", "InsecureSsl": true},
            "Environment": {"Type": "LINUX_CONTAINER", "Image": "i", "PrivilegedMode": true},
            "Tags": [{"Key": "team", "Value": "web"}],
            "Triggers": {"Webhook": true, "BranchFilter": "main", "FilterGroups": [[{"Type": "EVENT", "Pattern": "PUSH"}]]},
            "BadgeEnabled": false,
        })
    );
    // Under the names that facts look for.
    let judged = &shape::declared(&raws, &Holes::default())[0].resource.properties;
    assert_eq!((&judged["Source"]["InsecureSsl"], &judged["Triggers"]["BranchFilter"]), (&json!(true), &json!("main")));
}

#[test]
fn other_documents_are_not_of_the_api() {
    for text in [
        "{\"pipeline\": \"web\"}",
        "{\"projects\": [{\"name\": \"x\"}]}",
        "pipeline:\n  name: x\n  stages: [build, test]\n",
        "stages: [build]\nname: x\n",
        "{\"applicationName\": \"a\", \"deploymentGroupName\": \"g\", \"revision\": {}}",
    ] {
        let document = Document::read("t", text.as_bytes(), &Limits::default()).unwrap();
        assert!(!ApiJson.recognises(&document), "{text}");
    }
}
