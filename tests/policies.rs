//! Every control: its form, its cases, and the contract between facts and policies.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected here is a failed test"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityUid, Policy, PolicyId, PolicySet, Request, RestrictedExpression,
    Schema, SchemaFragment, ValidationMode, Validator,
};
use pipewarden::facts::{self, Fact, Facts, Joins, KINDS, Rules, Subject};
use pipewarden::inventory::{Affects, Gap, GapCause, Inventory, Region, Resource, TypeName};
use serde_json::{Value, json};

const ACCOUNT: &str = "111111111111";
const ACTION: &str = "Pipewarden::Action";

fn policies() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

fn schema_text() -> String {
    fs::read_to_string(policies().join("schema.cedarschema")).unwrap()
}

fn schema() -> Schema {
    Schema::from_cedarschema_str(&schema_text()).unwrap_or_else(|error| panic!("{error:?}")).0
}

pub(crate) struct Control {
    pub(crate) path: PathBuf,
    pub(crate) policy: Policy,
    /// Cedar's JSON form.
    pub(crate) json: Value,
}

impl Control {
    pub(crate) fn id(&self) -> &str {
        self.policy.annotation("id").unwrap_or_default()
    }

    fn clauses(&self) -> Vec<&str> {
        self.json["conditions"].as_array().unwrap().iter().map(|c| c["kind"].as_str().unwrap()).collect()
    }

    fn resource_type(&self) -> String {
        match self.policy.resource_constraint() {
            cedar_policy::ResourceConstraint::Is(name) => name.to_string(),
            other => panic!("{}: the scope names no resource type: {other:?}", self.id()),
        }
    }

    fn action(&self) -> EntityUid {
        match self.policy.action_constraint() {
            cedar_policy::ActionConstraint::Eq(uid) => uid,
            other => panic!("{}: the scope names no action: {other:?}", self.id()),
        }
    }

    fn reads(&self) -> BTreeSet<String> {
        let mut reads = BTreeSet::new();
        collect_reads(&self.json, &mut reads);
        reads
    }

    /// The scope and `when` alone: fires where the control applies.
    fn applicability(&self) -> Policy {
        let mut json = self.json.clone();
        json["conditions"].as_array_mut().unwrap().retain(|condition| condition["kind"] == "when");
        Policy::from_json(Some(PolicyId::new("applies")), json).unwrap()
    }
}

fn collect_reads(node: &Value, reads: &mut BTreeSet<String>) {
    match node {
        Value::Object(fields) => {
            if let Some(access) = fields.get(".").filter(|access| access["left"]["Var"] == "resource") {
                reads.insert(access["attr"].as_str().unwrap().to_owned());
            }
            fields.values().for_each(|child| collect_reads(child, reads));
        }
        Value::Array(items) => items.iter().for_each(|child| collect_reads(child, reads)),
        _ => {}
    }
}

pub(crate) fn controls() -> Vec<Control> {
    let mut paths = Vec::new();
    for folder in fs::read_dir(policies().join("controls")).unwrap() {
        for file in fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "cedar") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    assert!(!paths.is_empty());
    paths.into_iter().map(read).collect()
}

fn read(path: PathBuf) -> Control {
    let text = fs::read_to_string(&path).unwrap();
    let policy = Policy::parse(None, &text).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
    let json = policy.to_json().unwrap();
    let policy = policy.new_id(PolicyId::new("control"));
    Control { path, policy, json }
}

#[test]
fn every_control_has_the_form_of_a_control() {
    let validator = Validator::new(schema());
    for control in controls() {
        let place = control.path.display();
        let stem = control.path.file_stem().unwrap().to_str().unwrap();
        assert_eq!(control.id(), stem, "{place}: @id is the file's name");
        for annotation in ["title", "severity", "remediation", "frameworks", "rationale"] {
            let text = control.policy.annotation(annotation).unwrap_or_default();
            assert!(!text.trim().is_empty(), "{place}: @{annotation} is missing");
        }
        let severity = control.policy.annotation("severity").unwrap();
        assert!(["CRITICAL", "HIGH", "MEDIUM", "LOW"].contains(&severity), "{place}: @severity({severity})");
        assert_eq!(control.policy.effect(), cedar_policy::Effect::Forbid, "{place}");
        assert!(
            matches!(control.clauses().as_slice(), ["unless"] | ["when", "unless"]),
            "{place}: {:?}",
            control.clauses()
        );
        let set = PolicySet::from_policies([control.policy.clone()]).unwrap();
        let result = validator.validate(&set, ValidationMode::Strict);
        let problems: Vec<String> = result
            .validation_errors()
            .map(ToString::to_string)
            .chain(result.validation_warnings().map(ToString::to_string))
            .collect();
        assert!(problems.is_empty(), "{place}: {problems:?}");
    }
}

#[test]
fn a_control_stands_with_the_service_of_its_resource() {
    for control in controls() {
        let folder = control.path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let service = control.resource_type().rsplit("::").nth(1).unwrap().to_ascii_lowercase();
        assert_eq!(folder, service, "{}", control.id());
        let type_name = TypeName::from(control.resource_type());
        let action = facts::action_of(&type_name).unwrap();
        assert_eq!(control.action().to_string(), format!("{ACTION}::\"{action}\""), "{}", control.id());
    }
}

#[test]
fn a_remediation_shows_only_what_the_policy_reads() {
    for control in controls() {
        let reads = control.reads();
        let remediation = control.policy.annotation("remediation").unwrap();
        for placeholder in remediation.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
        {
            assert!(reads.contains(placeholder), "{}: {{{placeholder}}} is never read", control.id());
        }
    }
}

#[test]
fn every_case_comes_out_as_it_says() {
    for control in controls() {
        let path = control.path.with_extension("tests.json");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let reads = control.reads();
        let mut results = BTreeSet::new();
        for case in file["cases"].as_array().unwrap() {
            let given = case["facts"].as_object().unwrap();
            let unread: Vec<&String> = given.keys().filter(|name| !reads.contains(*name)).collect();
            assert!(unread.is_empty(), "{}: {}: {unread:?} are never read", control.id(), case["name"]);
            let attributes = given.iter().map(|(name, value)| (name.clone(), of_json(value))).collect();
            let actual = judge(&control, attributes, case["context"].as_object());
            assert_eq!(case["expect"], actual, "{}: {}", control.id(), case["name"]);
            results.insert(actual);
        }
        let mut possible = BTreeSet::from(["Compliant", "NonCompliant", "InsufficientData"]);
        if control.clauses().contains(&"when") {
            possible.insert("NotApplicable");
        }
        assert_eq!(results, possible, "{}: each result needs a case", control.id());
    }
}

pub(crate) fn of_json(value: &Value) -> RestrictedExpression {
    match value {
        Value::Bool(value) => RestrictedExpression::new_bool(*value),
        Value::Number(number) => RestrictedExpression::new_long(number.as_i64().unwrap()),
        Value::String(text) => RestrictedExpression::new_string(text.clone()),
        Value::Array(items) => RestrictedExpression::new_set(items.iter().map(of_json)),
        other => panic!("{other} is no fact"),
    }
}

fn context(changes: Option<&serde_json::Map<String, Value>>) -> Context {
    let mut settings = BTreeMap::from([
        ("objectLockRetentionDays".to_owned(), 30),
        ("blueTerminationWaitMinutes".to_owned(), 5),
        ("alarmWithoutDataDays".to_owned(), 7),
        ("secretRotationDays".to_owned(), 30),
        ("staleProjectDays".to_owned(), 90),
        ("buildTimeoutMinutes".to_owned(), 120),
        ("approvalWaitMinutes".to_owned(), 10_080),
        ("regionFanOut".to_owned(), 3),
        ("branchApprovals".to_owned(), 1),
        ("productionBranchApprovals".to_owned(), 2),
        ("ownerAdministratorsMax".to_owned(), 5),
        ("rollbackMinutes".to_owned(), 5),
        ("rollbackWindowDays".to_owned(), 30),
        ("changeFailPercentMax".to_owned(), 15),
        ("changeLeadTimeMinutesMax".to_owned(), 60),
        ("recoveryMinutesMax".to_owned(), 60),
        ("pipelineDurationMinutesMax".to_owned(), 15),
        ("testPassPercentMin".to_owned(), 95),
    ]);
    for (name, value) in changes.into_iter().flatten() {
        assert!(settings.insert(name.clone(), value.as_i64().unwrap()).is_some(), "{name} is no setting");
    }
    let settings = settings.into_iter().map(|(name, value)| (name, RestrictedExpression::new_long(value)));
    Context::from_pairs([
        ("now".to_owned(), RestrictedExpression::new_datetime("2026-11-21T02:00:00Z")),
        ("mode".to_owned(), RestrictedExpression::new_string("live".to_owned())),
        ("settings".to_owned(), RestrictedExpression::new_record(settings).unwrap()),
    ])
    .unwrap()
}

fn uid(type_name: &str, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(type_name.parse().unwrap(), cedar_policy::EntityId::new(id))
}

pub(crate) fn judge(
    control: &Control,
    attributes: HashMap<String, RestrictedExpression>,
    settings: Option<&serde_json::Map<String, Value>>,
) -> &'static str {
    let resource = uid(&control.resource_type(), "case");
    let principal = uid("AWS::Organizations::Account", ACCOUNT);
    let request = Request::new(principal, control.action(), resource.clone(), context(settings), None).unwrap();
    let entity = Entity::new(resource, attributes, HashSet::new()).unwrap();
    let entities = Entities::from_entities([entity], None).unwrap();
    let set = PolicySet::from_policies([control.policy.clone(), control.applicability()]).unwrap();
    let response = Authorizer::new().is_authorized(&request, &set, &entities);
    let fired: BTreeSet<String> = response.diagnostics().reason().map(ToString::to_string).collect();
    if fired.contains("control") {
        "NonCompliant"
    } else if response.diagnostics().errors().any(|error| error.to_string().contains("`control`")) {
        "InsufficientData"
    } else if fired.contains("applies") {
        "Compliant"
    } else {
        "NotApplicable"
    }
}

/// Attribute names of every entity type, from the schema.
fn attributes() -> BTreeMap<String, BTreeSet<String>> {
    let (fragment, _) = SchemaFragment::from_cedarschema_str(&schema_text()).unwrap();
    let json = fragment.to_json_value().unwrap();
    let mut found = BTreeMap::new();
    for (namespace, content) in json.as_object().unwrap() {
        for (name, entity) in content["entityTypes"].as_object().unwrap() {
            let attributes = entity["shape"]["attributes"].as_object();
            for (attribute, kind) in attributes.into_iter().flatten() {
                assert_ne!(kind["required"], false, "{namespace}::{name}.{attribute} must be required");
            }
            let names = attributes.into_iter().flatten().map(|(name, _)| name.clone()).collect();
            found.insert(format!("{namespace}::{name}"), names);
        }
    }
    found
}

fn live(type_name: TypeName, uid: &str, mut properties: Value) -> Resource {
    let region: Region = "eu-west-1".parse().unwrap();
    let mut resource = Resource::live(type_name, uid.to_owned(), ACCOUNT.parse().unwrap(), region);
    resource.properties = std::mem::take(properties.as_object_mut().unwrap());
    resource.tags.insert("owner".to_owned(), "platform".to_owned());
    resource
}

/// One complete resource of every kind that is judged, as a collector would bring it.
#[expect(clippy::too_many_lines, reason = "one of every kind")]
fn complete() -> Vec<Resource> {
    let arn = |service: &str, rest: &str| format!("arn:aws:{service}:eu-west-1:{ACCOUNT}:{rest}");
    let kind = |category: &str, provider: &str| json!({"Category": category, "Owner": "AWS", "Provider": provider, "Version": "1"});
    vec![
        live(
            TypeName::ACCOUNT,
            &format!("arn:aws:organizations::{ACCOUNT}:account/o-example/{ACCOUNT}"),
            json!({
                "AccountId": ACCOUNT, "AccountName": "web-prod", "State": "ACTIVE", "ParentIds": ["r-1", "ou-1"],
                "OrganizationalUnitPath": "/Workloads", "ManagementAccount": false,
                "ServiceControlPolicies": [{"Id": "p-1", "Name": "FullAWSAccess", "TargetId": "r-1"}],
                "ResourceControlPolicies": [], "EnabledPolicyTypes": ["SERVICE_CONTROL_POLICY"], "DelegatedServices": [],
            }),
        ),
        live(
            TypeName::POLICY,
            &format!("arn:aws:organizations::{ACCOUNT}:policy/o-example/p-1"),
            json!({
                "Id": "p-1", "Name": "FullAWSAccess", "Type": "SERVICE_CONTROL_POLICY", "TargetIds": ["r-1"],
                "Content": {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
            }),
        ),
        live(
            TypeName::PIPELINE,
            &arn("codepipeline", "web"),
            json!({
                "Name": "web", "PipelineType": "V2", "ExecutionMode": "QUEUED",
                "ArtifactStore": {"Type": "S3", "Location": "artifacts", "EncryptionKey": {"Id": arn("kms", "key/k1"), "Type": "KMS"}},
                "Stages": [
                    {"Name": "Source", "Actions": [{"Name": "Code", "ActionTypeId": kind("Source", "CodeStarSourceConnection"),
                        "Configuration": {"ConnectionArn": arn("codeconnections", "connection/c-1"), "FullRepositoryId": "acme/web", "BranchName": "main"}}]},
                    {"Name": "Build", "Actions": [{"Name": "Build", "ActionTypeId": kind("Build", "CodeBuild"), "Configuration": {"ProjectName": "web", "BuildspecOverride": "version: 0.2\nphases: {}"}}]},
                    {"Name": "Prod", "Actions": [{"Name": "Deploy", "ActionTypeId": kind("Deploy", "CodeDeploy"),
                        "Configuration": {"ApplicationName": "web", "DeploymentGroupName": "fleet"}}]},
                ],
            }),
        ),
        live(
            TypeName::DEPLOYMENT_GROUP,
            &arn("codedeploy", "deploymentgroup:web/fleet"),
            json!({
                "ApplicationName": "web", "DeploymentGroupName": "fleet", "ComputePlatform": "Server",
                "DeploymentConfigName": "CodeDeployDefault.OneAtATime",
                "AlarmConfiguration": {"Enabled": true, "Alarms": [{"Name": "errors"}]},
            }),
        ),
        live(
            TypeName::BUCKET,
            "arn:aws:s3:::artifacts",
            json!({
                "BucketName": "artifacts",
                "BucketEncryption": {"ServerSideEncryptionConfiguration": [
                    {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn("kms", "key/k1")}},
                ]},
            }),
        ),
        live(
            TypeName::KEY,
            &arn("kms", "key/k1"),
            json!({"KeyId": "k1", "KeyManager": "CUSTOMER", "KeyState": "Enabled"}),
        ),
        live(
            TypeName::ROLE,
            &format!("arn:aws:iam::{ACCOUNT}:role/PipelineService"),
            json!({
                "RoleName": "PipelineService",
                "AssumeRolePolicyDocument": {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                    "Principal": {"Service": "codepipeline.amazonaws.com"}}]},
                "Policies": [{"PolicyName": "own", "PolicyDocument": {"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}}],
            }),
        ),
        live(
            TypeName::ALARM,
            &arn("cloudwatch", "alarm:errors"),
            json!({"AlarmName": "errors", "StateValue": "OK", "StateTransitionedTimestamp": "2026-11-20T12:30:00.5Z"}),
        ),
        live(
            TypeName::CONNECTION,
            &arn("codeconnections", "connection/c-1"),
            json!({"ConnectionName": "main", "ProviderType": "GitHub", "ConnectionStatus": "AVAILABLE"}),
        ),
        live(
            TypeName::BRANCH,
            "https://github.com/acme/web/refs/heads/main",
            json!({
                "Provider": "GitHub", "RepositoryId": "acme/web", "BranchName": "main", "DefaultBranch": true,
                "Aliases": [format!("{}/acme/web/refs/heads/main", arn("codeconnections", "connection/c-1"))],
                "RequiresPullRequest": true, "RequiredApprovingReviewCount": 2, "DismissesStaleReviews": true,
                "RequiresCodeOwnerReview": true, "CodeOwnersFile": true, "RequiredStatusChecks": ["ci"],
                "StrictStatusChecks": true, "AllowsForcePushes": false, "AllowsDeletions": false,
                "RequiresSignatures": true, "RequiresLastPushApproval": true, "BypassActors": [],
                "ProtectedBy": ["branch protection"],
            }),
        ),
        live(
            TypeName::REPOSITORY,
            "https://github.com/acme/web",
            json!({
                "Provider": "GitHub", "RepositoryId": "acme/web", "Owner": "acme", "DefaultBranch": "main",
                "Visibility": "private", "SecretScanning": true, "SecretScanningPushProtection": true,
                "DependencyAlerts": true, "OwnerTwoFactorRequired": true, "OwnerDefaultPermission": "read",
                "OwnerAdministrators": 2,
            }),
        ),
        live(
            TypeName::TRAIL,
            &arn("cloudtrail", "trail/all"),
            json!({"TrailName": "all", "S3BucketName": "artifacts", "IsMultiRegionTrail": true, "IsLogging": true}),
        ),
        live(
            TypeName::PROJECT,
            &arn("codebuild", "project/web"),
            json!({
                "Name": "web", "Source": {"Type": "GITHUB", "Location": "https://github.com/acme/web.git"},
                "Environment": {"Type": "LINUX_CONTAINER", "Image": "aws/codebuild/standard:7.0"},
                "Created": "2026-01-01T00:00:00Z", "LastBuildStartTime": "2026-11-20T00:00:00Z",
                "LastBuildStatus": "SUCCEEDED",
            }),
        ),
        live(
            TypeName::SOURCE_CREDENTIAL,
            &arn("codebuild", "token/github"),
            json!({"ServerType": "GITHUB", "AuthType": "CODECONNECTIONS"}),
        ),
        live(TypeName::REPORT_GROUP, &arn("codebuild", "report-group/web-tests"), json!({"Name": "web-tests"})),
        live(
            TypeName::SECRET,
            &arn("secretsmanager", "secret:delivery/database-AbCdEf"),
            json!({
                "Name": "delivery/database", "RotationEnabled": true, "LastRotatedDate": "2026-11-20T00:00:00Z",
                "RotationRules": {"AutomaticallyAfterDays": 30},
            }),
        ),
        live(
            TypeName::IMAGE_REPOSITORY,
            &arn("ecr", "repository/web"),
            json!({
                "RepositoryName": "web", "ImageTagMutability": "IMMUTABLE",
                "EncryptionConfiguration": {"EncryptionType": "KMS", "KmsKey": arn("kms", "key/k1")},
            }),
        ),
        live(
            TypeName::DELIVERY_SERVICE,
            &arn("codepipeline", "web/deliveries"),
            told(
                SERVICE_LISTS,
                &json!({
                    "Name": "web", "ProductionClassification": "stage name Prod", "Freezes": ["Christmas"],
                    "DeploysToProduction": true, "DeploysWithCodeDeploy": true, "WindowDays": 90, "Deployments": 12,
                    "ChangeFailPercent": 8, "ChangeLeadTimeMinutes": 50, "RecoveryMinutes": 20, "PipelineDurationMinutes": 12,
                    "TestPassPercent": 97,
                }),
            ),
        ),
        live(
            TypeName::DELIVERY_ACCOUNT,
            &arn("cloudtrail", "deliveries"),
            told(ACCOUNT_LISTS, &json!({"Name": "web-prod", "WindowDays": 90})),
        ),
    ]
}

/// What history observes of a service, by property.
const SERVICE_LISTS: &str = "StarterApprovals AuthorApprovals NamedAuthorApprovals EditorApprovals MachineApprovals \
    HastyApprovals ManualStarts PinnedStarts BypassDeployments BuildOverrides DeploymentGroupChanges \
    OverriddenConditions ReopenedTransitions SkippedRejections AbandonedDeployments Retries Rollbacks RefusedAttempts \
    UnguardedDeployments SilencedAlarms ForeignHookResults RemovedGates RedirectedPipelines ReviewRuleChanges \
    DirectPushes FreezeDeployments";

/// And of an account and Region.
const ACCOUNT_LISTS: &str = "StoppedTrails ChangedTrails WeakenedBuckets ChangedBuckets WeakenedKeys \
    ChangedApprovalTemplates UnreadableUpdates RefusedAttempts";

/// These properties, and nothing observed by any rule.
fn told(lists: &str, properties: &Value) -> Value {
    let mut all = properties.as_object().unwrap().clone();
    all.extend(lists.split_whitespace().map(|name| (name.to_owned(), json!([]))));
    Value::Object(all)
}

fn subjects(resources: Vec<Resource>) -> Vec<Subject> {
    let inventory = Inventory { resources, ..Inventory::default() };
    let now = time::macros::datetime!(2026-11-21 02:00 UTC);
    let mut joins = Joins::new(Rules::default(), now, 7);
    joins.index(&inventory);
    joins.finish();
    facts::subjects(&inventory, &joins)
}

fn of_fact(fact: &Fact) -> RestrictedExpression {
    match fact {
        Fact::Bool(value) => RestrictedExpression::new_bool(*value),
        Fact::Long(value) => RestrictedExpression::new_long(*value),
        Fact::Text(text) => RestrictedExpression::new_string(text.clone()),
        Fact::Set(items) => RestrictedExpression::new_set(items.iter().cloned().map(RestrictedExpression::new_string)),
        Fact::Datetime(text) => RestrictedExpression::new_datetime(text),
    }
}

fn names(facts: &Facts) -> BTreeSet<String> {
    facts.known.keys().chain(facts.unknown.keys()).map(ToString::to_string).collect()
}

#[test]
fn facts_of_complete_resources_are_exactly_what_the_schema_declares() {
    let attributes = attributes();
    let schema = schema();
    let subjects = subjects(complete());
    assert_eq!(subjects.len(), KINDS.len(), "complete() holds one resource of every kind in KINDS");
    for subject in subjects {
        let type_name = subject.type_name.as_str();
        assert_eq!(subject.facts.unknown, BTreeMap::new(), "{type_name}");
        assert_eq!(names(&subject.facts), attributes[type_name], "{type_name}: its file in src/facts, and the schema");
        let known = subject.facts.known.iter().map(|(name, fact)| (name.to_string(), of_fact(fact))).collect();
        let resource = uid(type_name, subject.uid.as_str());
        let entity = Entity::new(resource.clone(), known, HashSet::new()).unwrap();
        Entities::from_entities([entity], Some(&schema)).unwrap_or_else(|error| panic!("{type_name}: {error}"));
        let action = uid(ACTION, facts::action_of(&subject.type_name).unwrap());
        let principal = uid("AWS::Organizations::Account", ACCOUNT);
        Request::new(principal, action, resource, context(None), Some(&schema))
            .unwrap_or_else(|error| panic!("{type_name}: {error}"));
    }
}

#[test]
fn facts_of_unseen_resources_are_the_same_and_each_in_one_place_only() {
    let attributes = attributes();
    let mut resources = complete();
    for resource in &mut resources {
        resource.properties.clear();
        resource.tags.clear();
        let gap = Gap {
            account: resource.account.clone(),
            region: resource.region.clone(),
            service: "any".to_owned(),
            action: "any:Get".to_owned(),
            cause: GapCause::AccessDenied { message: "no".to_owned() },
            affects: Affects::Property { resource: resource.uid.clone(), property: "*".to_owned() },
        };
        resource.unseen.insert("*".to_owned(), gap);
    }
    for subject in subjects(resources) {
        let type_name = subject.type_name.as_str();
        assert_eq!(names(&subject.facts), attributes[type_name], "{type_name}: its file in src/facts, and the schema");
        for (name, sentences) in &subject.facts.unknown {
            assert!(!subject.facts.known.contains_key(name), "{type_name}.{name} is known and unknown");
            assert!(!sentences.is_empty(), "{type_name}.{name} is unknown without a reason");
        }
        // Nothing was seen: whatever is known still must come from its name or from elsewhere.
        assert!(subject.facts.unknown.len() > subject.facts.known.len(), "{type_name}: {:?}", subject.facts.known);
    }
}

#[test]
fn every_judged_type_has_controls_and_every_fact_a_type_in_the_schema() {
    let judged: BTreeSet<String> = KINDS.iter().map(|kind| kind.type_name().to_string()).collect();
    let controlled: BTreeSet<String> = controls().iter().map(Control::resource_type).collect();
    assert_eq!(judged, controlled, "the types in KINDS, and those that policies/controls ask about");
    let declared: BTreeSet<String> =
        attributes().into_keys().filter(|name| !name.ends_with("OrganizationalUnit")).collect();
    assert_eq!(judged, declared, "the types in KINDS, and the entities of policies/schema.cedarschema");
}
