//! Which of the declared resources are part of the delivery path.
//!
//! In: all resources of a group in the inventory's shape. Out: those that deliver, and what they name, directly or step by
//! step. It follows the references of the collectors: a bucket for uploads of users is nobody's artifact store, and the
//! audit never looks at it either.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::source::DeclaredResource;
use crate::inventory::{Arn, Resource, TypeName, alarm_name};

/// Types that are looked at only where something names them.
const NAMED_ONLY: &[TypeName] = &[
    TypeName::ALARM,
    TypeName::BUCKET,
    TypeName::COMPOSITE_ALARM,
    TypeName::CONNECTION,
    TypeName::IMAGE_REPOSITORY,
    TypeName::KEY,
    TypeName::REPOSITORY,
    TypeName::ROLE,
    TypeName::SECRET,
    TypeName::TOPIC,
];

/// A name under which something of a type is meant.
type Name = (TypeName, String);

/// Those that deliver, and what they name, in the order of the file.
pub(super) fn reached(declared: Vec<DeclaredResource>) -> Vec<DeclaredResource> {
    let is_named_only = |one: &DeclaredResource| NAMED_ONLY.contains(&one.resource.type_name);
    let mut kept: BTreeSet<usize> =
        declared.iter().enumerate().filter(|(_, one)| !is_named_only(one)).map(|(nth, _)| nth).collect();
    let mut pending: Vec<usize> = kept.iter().copied().collect();
    while let Some(names) = pending.pop().and_then(|nth| declared.get(nth)).map(|one| names_in(&one.resource)) {
        for (nth, one) in declared.iter().enumerate() {
            if !kept.contains(&nth) && names.iter().any(|name| is_meant(&one.resource, name)) {
                kept.insert(nth);
                pending.push(nth);
            }
        }
    }
    declared.into_iter().enumerate().filter(|(nth, _)| kept.contains(nth)).map(|(_, one)| one).collect()
}

/// What a resource names, as the collector of its type would.
fn names_in(resource: &Resource) -> BTreeSet<Name> {
    let mut names = Names { resource, found: BTreeSet::new() };
    match &resource.type_name {
        kind if *kind == TypeName::PIPELINE => names.of_pipeline(),
        kind if *kind == TypeName::PROJECT => names.of_project(),
        kind if *kind == TypeName::DEPLOYMENT_GROUP => names.of_group(),
        kind if *kind == TypeName::BUCKET => {
            let rules = "/BucketEncryption/ServerSideEncryptionConfiguration";
            names.each(rules, "/ServerSideEncryptionByDefault/KMSMasterKeyID", &TypeName::KEY);
            names.each("/ReplicationConfiguration/Rules", "/Destination/Bucket", &TypeName::BUCKET);
        }
        kind if *kind == TypeName::TRAIL => {
            names.one("/S3BucketName", &TypeName::BUCKET);
            names.one("/KMSKeyId", &TypeName::KEY);
        }
        kind if *kind == TypeName::NOTIFICATION_RULE => names.each("/Targets", "/TargetAddress", &TypeName::TOPIC),
        kind if *kind == TypeName::IMAGE_REPOSITORY => names.one("/EncryptionConfiguration/KmsKey", &TypeName::KEY),
        kind if *kind == TypeName::COMPOSITE_ALARM => names.each("/AlarmsInRule", "", &TypeName::ALARM),
        _ => {}
    }
    names.found
}

struct Names<'a> {
    resource: &'a Resource,
    found: BTreeSet<Name>,
}

fn at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

impl<'a> Names<'a> {
    fn add(&mut self, type_name: &TypeName, name: &str) {
        if !name.is_empty() {
            self.found.insert((type_name.clone(), name.to_owned()));
        }
    }

    /// The value of a pointer whose first step is a property.
    fn value(&self, pointer: &str) -> Option<&'a Value> {
        let (property, rest) = pointer.strip_prefix('/')?.split_once('/').unwrap_or((pointer.strip_prefix('/')?, ""));
        let value = self.resource.properties.get(property)?;
        if rest.is_empty() { Some(value) } else { value.pointer(&format!("/{rest}")) }
    }

    fn one(&mut self, pointer: &str, type_name: &TypeName) {
        let name = self.value(pointer).and_then(Value::as_str).unwrap_or_default();
        self.add(type_name, name);
    }

    fn each(&mut self, list: &str, pointer: &str, type_name: &TypeName) {
        for item in self.list(list) {
            self.add(type_name, at(item, pointer));
        }
    }

    fn list(&self, pointer: &str) -> &'a [Value] {
        self.value(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn of_pipeline(&mut self) {
        self.one("/RoleArn", &TypeName::ROLE);
        self.one("/ArtifactStore/Location", &TypeName::BUCKET);
        self.one("/ArtifactStore/EncryptionKey/Id", &TypeName::KEY);
        self.each("/ArtifactStores", "/ArtifactStore/Location", &TypeName::BUCKET);
        self.each("/ArtifactStores", "/ArtifactStore/EncryptionKey/Id", &TypeName::KEY);
        for stage in self.list("/Stages") {
            for action in items(stage, "/Actions") {
                self.of_action(action);
            }
            for when in ["/BeforeEntry", "/OnSuccess", "/OnFailure"] {
                let conditions = items(stage, &format!("{when}/Conditions")).iter();
                for rule in conditions.flat_map(|condition| items(condition, "/Rules")) {
                    if at(rule, "/RuleTypeId/Provider") == "CloudWatchAlarm" {
                        self.add(&TypeName::ALARM, at(rule, "/Configuration/AlarmName"));
                    }
                }
            }
        }
    }

    fn of_action(&mut self, action: &Value) {
        let setting = |name: &str| at(action, &format!("/Configuration/{name}"));
        self.add(&TypeName::ROLE, at(action, "/RoleArn"));
        if at(action, "/ActionTypeId/Category") == "Approval" {
            self.add(&TypeName::TOPIC, setting("NotificationArn"));
        }
        match at(action, "/ActionTypeId/Provider") {
            "CodeCommit" => self.add(&TypeName::REPOSITORY, setting("RepositoryName")),
            "CodeStarSourceConnection" => self.add(&TypeName::CONNECTION, setting("ConnectionArn")),
            "ECR" => self.add(&TypeName::IMAGE_REPOSITORY, setting("RepositoryName")),
            "ECRBuildAndPublish" | "InspectorScan" => {
                self.add(&TypeName::IMAGE_REPOSITORY, setting("ECRRepositoryName"));
            }
            _ => {}
        }
        for variable in items(action, "/EnvironmentVariables") {
            self.of_variable(variable, ["/Type", "/Value"]);
        }
        let embedded: Vec<Value> = serde_json::from_str(setting("EnvironmentVariables")).unwrap_or_default();
        for variable in &embedded {
            self.of_variable(variable, ["/type", "/value"]);
        }
    }

    fn of_variable(&mut self, variable: &Value, [kind, value]: [&str; 2]) {
        if at(variable, kind) == "SECRETS_MANAGER" {
            self.add(&TypeName::SECRET, at(variable, value));
        }
    }

    fn of_project(&mut self) {
        self.one("/ServiceRole", &TypeName::ROLE);
        self.one("/EncryptionKey", &TypeName::KEY);
        let own = self.value("/Artifacts").into_iter();
        for artifacts in own.chain(self.list("/SecondaryArtifacts")) {
            if at(artifacts, "/Type") == "S3" {
                self.add(&TypeName::BUCKET, at(artifacts, "/Location"));
            }
        }
        for variable in self.list("/Environment/EnvironmentVariables") {
            self.of_variable(variable, ["/Type", "/Value"]);
        }
        let image = self.value("/Environment/Image").and_then(Value::as_str).and_then(image_repository);
        self.add(&TypeName::IMAGE_REPOSITORY, image.unwrap_or_default());
    }

    fn of_group(&mut self) {
        self.one("/ServiceRoleArn", &TypeName::ROLE);
        self.one("/Deployment/Revision/S3Location/Bucket", &TypeName::BUCKET);
        self.each("/AlarmConfiguration/Alarms", "/Name", &TypeName::ALARM);
        self.each("/TriggerConfigurations", "/TriggerTargetArn", &TypeName::TOPIC);
    }
}

/// The repository in `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG`.
fn image_repository(image: &str) -> Option<&str> {
    let (host, path) = image.split_once('/')?;
    let private = host.contains(".dkr.ecr.") || host.contains(".dkr.ecr-fips.") || host.contains(".dkr-ecr.");
    path.split(['@', ':']).next().filter(|_| private)
}

/// Whether a resource is what a name of that type means.
fn is_meant(resource: &Resource, (type_name, name): &Name) -> bool {
    let own = |property: &str| resource.properties.get(property).and_then(Value::as_str).unwrap_or_default();
    let kind = &resource.type_name;
    let alarm = *type_name == TypeName::ALARM && *kind == TypeName::COMPOSITE_ALARM;
    if kind != type_name && !alarm {
        return false;
    }
    if *name == *resource.uid.as_str() {
        return true;
    }
    let part = Arn::parse(name).map_or(name.as_str(), |arn| arn.resource);
    match kind {
        kind if *kind == TypeName::BUCKET => part.split('/').next() == Some(own("BucketName")),
        kind if *kind == TypeName::ALARM || *kind == TypeName::COMPOSITE_ALARM => alarm_name(name) == own("AlarmName"),
        kind if *kind == TypeName::KEY => {
            let aliases = resource.properties.get("Aliases").and_then(Value::as_array).into_iter().flatten();
            name == own("KeyId") || aliases.filter_map(Value::as_str).any(|alias| alias == part)
        }
        kind if *kind == TypeName::ROLE => name == own("RoleName"),
        kind if *kind == TypeName::SECRET => {
            let id = name.strip_prefix(resource.uid.as_str()).or_else(|| name.strip_prefix(own("Name")));
            id.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        }
        kind if *kind == TypeName::IMAGE_REPOSITORY => {
            part.strip_prefix("repository/").unwrap_or(part) == own("RepositoryName")
        }
        kind if *kind == TypeName::REPOSITORY => name == own("RepositoryId"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::*;

    #[test]
    fn only_what_the_delivery_path_names_is_judged() {
        let bucket = |id: &str, more: Value| raw("AWS::S3::Bucket", id, more);
        let key = |id: &str| raw("AWS::KMS::Key", id, json!({}));
        let encrypted = json!({"BucketEncryption": {"ServerSideEncryptionConfiguration": [
            {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:eu-west-1:111122223333:key/Inner"}}]},
            "ReplicationConfiguration": {"Rules": [{"Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::Copy"}}]},
            "LoggingConfiguration": {"DestinationBucketName": "Logs"}});
        let all = [
            bucket("Uploads", json!({})),
            bucket("Copy", json!({})),
            bucket("Logs", json!({})),
            key("Inner"),
            key("Other"),
            bucket("Store", encrypted),
            naming("arn:aws:iam::111122223333:role/Role", "Store", "alias/artifacts"),
            key("Outer"),
            raw("AWS::KMS::Alias", "A", json!({"AliasName": "alias/artifacts", "TargetKeyId": "Outer"})),
            raw("AWS::IAM::Role", "Role", json!({})),
            raw("AWS::IAM::Role", "Lambda", json!({})),
        ];
        let ids: Vec<String> = shape(&all).into_iter().map(|one| one.logical_id).collect();
        assert_eq!(ids, ["Copy", "Inner", "Store", "Naming", "Outer", "Role"]);
    }

    #[test]
    fn alarms_are_named_by_groups_by_conditions_and_by_other_alarms() {
        let alarm = |id: &str| raw("AWS::CloudWatch::Alarm", id, json!({}));
        let rule = json!({"RuleTypeId": {"Provider": "CloudWatchAlarm"}, "Configuration": {"AlarmName": "Watched"}});
        let stage = json!({"Name": "Prod", "OnFailure": {"Conditions": [{"Rules": [rule]}]}});
        let all = [
            raw(
                "AWS::CodeDeploy::DeploymentGroup",
                "Group",
                json!({"AlarmConfiguration": {"Alarms": [{"Name": "Both"}]}}),
            ),
            raw("AWS::CloudWatch::CompositeAlarm", "Both", json!({"AlarmRule": "ALARM(Inner)"})),
            raw("AWS::CodePipeline::Pipeline", "Web", json!({"Stages": [stage]})),
            alarm("Inner"),
            alarm("Watched"),
            alarm("Cpu"),
        ];
        let ids: Vec<String> = shape(&all).into_iter().map(|one| one.logical_id).collect();
        assert_eq!(ids, ["Group", "Both", "Web", "Inner", "Watched"]);
    }

    #[test]
    fn a_name_that_is_open_on_both_sides_is_the_same_name() {
        let hole = "\u{FDD0}0\u{FDD1}";
        let all = [naming("r", hole, ""), raw("AWS::S3::Bucket", "Store", json!({"BucketName": hole}))];
        assert_eq!(shape(&all).len(), 2);
    }

    #[test]
    fn repositories_images_and_secrets() {
        let image = "000000000000.dkr.ecr.global.amazonaws.com/tools:1";
        let variables = json!([{"Name": "A", "Type": "SECRETS_MANAGER", "Value": "Db:password"}]);
        let all = [
            raw(
                "AWS::CodeBuild::Project",
                "Build",
                json!({"Environment": {"Image": image, "EnvironmentVariables": variables}}),
            ),
            raw("AWS::ECR::Repository", "Tools", json!({"RepositoryName": "tools"})),
            raw("AWS::ECR::Repository", "App", json!({"RepositoryName": "app"})),
            raw("AWS::SecretsManager::Secret", "Db", json!({})),
            raw("AWS::SecretsManager::Secret", "Dbx", json!({})),
        ];
        let ids: Vec<String> = shape(&all).into_iter().map(|one| one.logical_id).collect();
        assert_eq!(ids, ["Build", "Tools", "Db"]);
    }

    use serde_json::Value;
}
