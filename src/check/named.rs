//! What resources name.
//!
//! In: resources. Out: the alarms, roles, keys and other things that they name. It exists because a name in a template
//! that nothing in the template has is no mistake: the thing lives somewhere else, and every fact that depends on it has
//! to say so.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::facts::{is_called_a_deployment, is_named_otherwise};
use crate::inventory::{AccountId, Arn, Partition, Region, Resource, TypeName};

/// Something that is named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Named {
    /// What kind of thing.
    pub(super) type_name: TypeName,
    /// As a person would call it.
    pub(super) name: String,
    /// The uid that it would have.
    pub(super) uid: String,
    /// Where it would live.
    pub(super) account: AccountId,
    /// Where it would live.
    pub(super) region: Region,
}

/// Everything that resources name.
pub(super) fn named(resources: &[Resource]) -> BTreeSet<Named> {
    let mut found = BTreeSet::new();
    for resource in resources {
        let mut by = By { resource, found: &mut found };
        match &resource.type_name {
            kind if *kind == TypeName::PIPELINE => by.pipeline(),
            kind if *kind == TypeName::PROJECT => {
                by.role(text(resource.properties.get("ServiceRole")));
                by.key(text(resource.properties.get("EncryptionKey")));
            }
            kind if *kind == TypeName::DEPLOYMENT_GROUP => by.deployment_group(),
            kind if *kind == TypeName::BUCKET => by.bucket(),
            kind if *kind == TypeName::TRAIL => {
                by.thing(&TypeName::BUCKET, text(resource.properties.get("S3BucketName")), "arn:{p}:s3:::{n}");
                by.key(text(resource.properties.get("KMSKeyId")));
            }
            kind if *kind == TypeName::COMPOSITE_ALARM => {
                for alarm in list(resource.properties.get("AlarmsInRule")) {
                    by.alarm(text(Some(alarm)));
                }
            }
            kind if *kind == TypeName::NOTIFICATION_RULE => {
                for target in list(resource.properties.get("Targets")) {
                    by.topic(at(target, &["TargetAddress"]));
                }
            }
            kind if *kind == TypeName::IMAGE_REPOSITORY => {
                by.key(text(resource.properties.get("EncryptionConfiguration").and_then(|one| one.get("KmsKey"))));
            }
            _ => {}
        }
    }
    found
}

/// Build projects of which pipelines say more than a name: every action that runs one of them is a test, or it is named
/// for building, as is done in a stage called Build. A person who reads it takes it for that, even without the project.
pub(super) fn builders(resources: &[Resource]) -> BTreeSet<String> {
    let (mut building, mut other) = (BTreeSet::new(), BTreeSet::new());
    for pipeline in resources.iter().filter(|one| one.type_name == TypeName::PIPELINE) {
        // Where a pipeline that is called a deployment has none, one of its builds must be it.
        let deploys = |(_, action, _): (&Value, &Value, String)| at(action, &["ActionTypeId", "Category"]) == "Deploy";
        let hides_one =
            is_called_a_deployment(text(pipeline.properties.get("Name"))) && !actions(pipeline).any(deploys);
        for (stage, action, _) in actions(pipeline).filter(|(_, action, _)| of_codebuild(action)) {
            let mut found = BTreeSet::new();
            By { resource: pipeline, found: &mut found }.project(action);
            let project = found.into_iter().map(|one| one.uid);
            let says = is_named_otherwise(at(stage, &["Name"]), at(action, &["Name"]));
            let is_test = at(action, &["ActionTypeId", "Category"]) == "Test";
            if (says || is_test) && !hides_one { &mut building } else { &mut other }.extend(project);
        }
    }
    building.difference(&other).cloned().collect()
}

fn of_codebuild(action: &Value) -> bool {
    at(action, &["ActionTypeId", "Provider"]) == "CodeBuild"
}

/// What the artifact stores of a pipeline name: each bucket with the JSON pointer to its name and the Region it is in.
pub(super) fn stores(pipeline: &Resource) -> Vec<(&str, String, Option<Region>)> {
    let mut found = Vec::new();
    if let Some(store) = pipeline.properties.get("ArtifactStore") {
        found.push((at(store, &["Location"]), "/ArtifactStore/Location".to_owned(), None));
    }
    for (nth, entry) in list(pipeline.properties.get("ArtifactStores")).iter().enumerate() {
        let pointer = format!("/ArtifactStores/{nth}/ArtifactStore/Location");
        found.push((at(entry, &["ArtifactStore", "Location"]), pointer, at(entry, &["Region"]).parse().ok()));
    }
    found.retain(|(name, _, _)| !name.is_empty());
    found
}

/// The deployment groups that the actions of a pipeline deploy to: `application/group`, the JSON pointer to the action,
/// `Stage/Action`, and where it lives.
pub(super) fn groups(pipeline: &Resource) -> Vec<(String, String, String, AccountId, Region)> {
    let mut found = Vec::new();
    for (stage, action, pointer) in actions(pipeline) {
        let setting = |key| at(action, &["Configuration", key]);
        let (application, group) = (setting("ApplicationName"), setting("DeploymentGroupName"));
        let deploys = matches!(at(action, &["ActionTypeId", "Provider"]), "CodeDeploy" | "CodeDeployToECS");
        if deploys && !application.is_empty() && !group.is_empty() {
            let (account, region) = place(pipeline, action);
            let label = format!("{}/{}", at(stage, &["Name"]), at(action, &["Name"]));
            found.push((format!("{application}/{group}"), pointer, label, account, region));
        }
    }
    found
}

fn actions(pipeline: &Resource) -> impl Iterator<Item = (&Value, &Value, String)> {
    let stages = list(pipeline.properties.get("Stages")).iter().enumerate();
    stages.flat_map(|(of, stage)| {
        let actions = list(stage.get("Actions")).iter().enumerate();
        actions.map(move |(nth, action)| (stage, action, format!("/Stages/{of}/Actions/{nth}")))
    })
}

fn place(pipeline: &Resource, action: &Value) -> (AccountId, Region) {
    let account = Arn::parse(at(action, &["RoleArn"])).ok().and_then(|arn| arn.account_id());
    let region = at(action, &["Region"]).parse().ok();
    (account.unwrap_or_else(|| pipeline.account.clone()), region.unwrap_or_else(|| pipeline.region.clone()))
}

struct By<'a> {
    resource: &'a Resource,
    found: &'a mut BTreeSet<Named>,
}

impl By<'_> {
    fn add(&mut self, type_name: &TypeName, name: &str, uid: String, account: AccountId, region: Region) {
        self.found.insert(Named { type_name: type_name.clone(), name: name.to_owned(), uid, account, region });
    }

    /// Something beside the resource.
    fn thing(&mut self, type_name: &TypeName, name: &str, form: &str) {
        let (account, region) = (self.resource.account.clone(), self.resource.region.clone());
        self.thing_at(type_name, name, form, account, region);
    }

    fn thing_at(&mut self, type_name: &TypeName, name: &str, form: &str, account: AccountId, region: Region) {
        if name.is_empty() {
            return;
        }
        let uid = if name.starts_with("arn:") {
            name.to_owned()
        } else {
            form.replace("{p}", Partition::of_region(&region).as_str())
                .replace("{r}", region.as_str())
                .replace("{a}", account.as_str())
                .replace("{n}", name)
        };
        self.add(type_name, name, uid, account, region);
    }

    fn role(&mut self, role: &str) {
        self.thing(&TypeName::ROLE, role, "arn:{p}:iam::{a}:role/{n}");
    }

    fn topic(&mut self, topic: &str) {
        if let Ok(arn) = Arn::parse(topic)
            && arn.service != "sns"
        {
            return;
        }
        // A topic is looked up under exactly what is written.
        if !topic.is_empty() {
            let (account, region) = (self.resource.account.clone(), self.resource.region.clone());
            self.add(&TypeName::TOPIC, topic, topic.to_owned(), account, region);
        }
    }

    fn alarm(&mut self, alarm: &str) {
        self.thing(&TypeName::ALARM, alarm, "arn:{p}:cloudwatch:{r}:{a}:alarm:{n}");
    }

    fn key(&mut self, key: &str) {
        let arn = Arn::parse(key).ok();
        let resource = arn.map_or(key, |arn| arn.resource);
        if key.is_empty() || resource.starts_with("alias/aws/") {
            return;
        }
        let account = arn.and_then(|arn| arn.account_id()).unwrap_or_else(|| self.resource.account.clone());
        let region = arn.and_then(|arn| arn.region.parse().ok()).unwrap_or_else(|| self.resource.region.clone());
        let uid = if arn.is_some() || resource.starts_with("alias/") {
            key.to_owned()
        } else {
            format!("arn:{}:kms:{region}:{account}:key/{key}", Partition::of_region(&region))
        };
        self.add(&TypeName::KEY, key, uid, account, region);
    }

    fn pipeline(&mut self) {
        let pipeline = self.resource;
        self.role(text(pipeline.properties.get("RoleArn")));
        let own = pipeline.properties.get("ArtifactStore");
        let several = list(pipeline.properties.get("ArtifactStores")).iter().filter_map(|one| one.get("ArtifactStore"));
        for store in own.into_iter().chain(several) {
            self.key(at(store, &["EncryptionKey", "Id"]));
        }
        for (name, _, region) in stores(pipeline) {
            let region = region.unwrap_or_else(|| pipeline.region.clone());
            self.thing_at(&TypeName::BUCKET, name, "arn:{p}:s3:::{n}", pipeline.account.clone(), region);
        }
        for (name, _, _, account, region) in groups(pipeline) {
            let form = "arn:{p}:codedeploy:{r}:{a}:deploymentgroup:{n}";
            self.thing_at(&TypeName::DEPLOYMENT_GROUP, &name, form, account, region);
        }
        for (_, action, _) in actions(pipeline) {
            let setting = |key| at(action, &["Configuration", key]);
            self.role(at(action, &["RoleArn"]));
            self.topic(setting("NotificationArn"));
            if of_codebuild(action) {
                self.project(action);
            }
        }
    }

    fn project(&mut self, action: &Value) {
        let (account, region) = place(self.resource, action);
        let form = "arn:{p}:codebuild:{r}:{a}:project/{n}";
        self.thing_at(&TypeName::PROJECT, at(action, &["Configuration", "ProjectName"]), form, account, region);
    }

    fn deployment_group(&mut self) {
        let group = self.resource;
        self.role(text(group.properties.get("ServiceRoleArn")));
        for alarm in list(group.properties.get("AlarmConfiguration").and_then(|one| one.get("Alarms"))) {
            self.alarm(at(alarm, &["Name"]));
        }
        for trigger in list(group.properties.get("TriggerConfigurations")) {
            self.topic(at(trigger, &["TriggerTargetArn"]));
        }
        let configuration = text(group.properties.get("DeploymentConfigName"));
        if !configuration.starts_with("CodeDeployDefault.") {
            let form = "arn:{p}:codedeploy:{r}:{a}:deploymentconfig:{n}";
            self.thing(&TypeName::DEPLOYMENT_CONFIG, configuration, form);
        }
        if text(group.properties.get("ComputePlatform")).is_empty() && !group.unseen.contains_key("ComputePlatform") {
            let form = "arn:{p}:codedeploy:{r}:{a}:application:{n}";
            self.thing(&TypeName::APPLICATION, text(group.properties.get("ApplicationName")), form);
        }
    }

    fn bucket(&mut self) {
        let bucket = self.resource;
        let encryption = bucket.properties.get("BucketEncryption");
        for rule in list(encryption.and_then(|one| one.get("ServerSideEncryptionConfiguration"))) {
            self.key(at(rule, &["ServerSideEncryptionByDefault", "KMSMasterKeyID"]));
        }
        for rule in list(bucket.properties.get("ReplicationConfiguration").and_then(|one| one.get("Rules"))) {
            self.thing(&TypeName::BUCKET, at(rule, &["Destination", "Bucket"]), "arn:{p}:s3:::{n}");
        }
    }
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn at<'v>(value: &'v Value, path: &[&str]) -> &'v str {
    path.iter().try_fold(value, |value, step| value.get(step)).and_then(Value::as_str).unwrap_or_default()
}
