//! What an open value could be.
//!
//! In: where a hole stands and what its expression says. Out: the values to try. A hole that can only be a name or an
//! ARN is tried once, as itself: whatever its text will be, nothing depends on its letters. Whatever is neither known to
//! be a name nor listed here is tried as everything that a setting can be, so that a new fact cannot be forgotten. A test
//! holds that no value that a real resource has there leads to another answer than the ones that were tried.

use serde_json::{Value, json};

use super::samples::OBJECTS;
use crate::facts::Rules;

/// Where a hole stands.
pub(super) struct Spot<'a> {
    /// The keys from the resource's properties down to the hole; positions in lists are left out.
    pub(super) path: &'a [&'a str],
    /// What the hole says.
    pub(super) expression: &'a str,
    /// The account of the resource.
    pub(super) account: &'a str,
    /// The Region of the resource.
    pub(super) region: &'a str,
    /// What the configuration says: its own words count too.
    pub(super) rules: &'a Rules,
}

/// One way to fill a hole.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filler {
    /// Exactly this value.
    Value(Value),
    /// A name with this word in it: the name stays the same name, only the word counts.
    Word(&'static str),
}

/// Stands for an account that is none of those that are checked.
const STRANGER: &str = "999999999999";

/// Values to try for a whole value; empty if only its identity matters.
pub(super) fn whole(spot: &Spot<'_>) -> Vec<Filler> {
    if spot.fixed().is_some() {
        return Vec::new();
    }
    if spot.is_in_a_policy() {
        return spot.of_policies();
    }
    if let Some((_, samples)) = OBJECTS.iter().find(|(path, _)| spot.ends_with(path)) {
        let samples = samples.iter().filter_map(|text| serde_json::from_str(text).ok());
        return std::iter::once(Value::Null).chain(samples).map(Filler::Value).collect();
    }
    if let Some((_, words)) = WORDS.iter().find(|(path, _)| spot.ends_with(path)) {
        let words = if spot.says_what_it_names() { &[] } else { *words };
        return words.iter().copied().chain(spot.environments()).map(Filler::Word).collect();
    }
    // One command of a list, or the whole list.
    if spot.ends_with(&["Actions", "Commands"]) {
        let values = [json!(""), json!("terraform apply"), json!([]), json!(["terraform apply"])];
        return values.into_iter().map(Filler::Value).collect();
    }
    // Whatever `${AWS::StackName}` or `${BucketName}` comes to, it is no secret.
    if spot.ends_with(&["EnvironmentVariables", "Value"]) && !spot.says(SECRETS) {
        return Vec::new();
    }
    if let Some((_, values)) = TEXTS.iter().find(|(path, _)| spot.ends_with(path)) {
        return values.iter().map(|value| Filler::Value(Value::from(*value))).collect();
    }
    if spot.last() == "Region" {
        return [spot.region, "us-east-1", "eu-west-1"].map(|region| Filler::Value(Value::from(region))).to_vec();
    }
    if spot.ends_with(&["Actions", "RoleArn"]) {
        return vec![Filler::Value(json!(format!("arn:aws:iam::{STRANGER}:role/opaque")))];
    }
    let configured = spot.configured();
    if !configured.is_empty() {
        return configured;
    }
    if spot.is_name() {
        return spot.environments().map(Filler::Word).collect();
    }
    let settings =
        [json!("true"), json!("false"), json!(0), json!(1), json!(7), json!(45), json!(400), json!(1_000_000)];
    let others = [Value::Null, json!([]), json!(["opaque"])];
    settings.into_iter().chain(others).map(Filler::Value).collect()
}

/// Texts to try for a hole inside a longer text; empty if only its identity matters.
pub(super) fn embedded(spot: &Spot<'_>) -> Vec<Filler> {
    if spot.fixed().is_some() {
        return Vec::new();
    }
    let exact = |values: &[&str]| values.iter().map(|value| Filler::Value(Value::from(*value))).collect();
    // `arn:aws:iam::${ToolsAccountId}:root` is somebody's account, and it matters whose.
    if spot.says(&["account"]) && (spot.is_in_a_policy() || spot.last().to_ascii_lowercase().contains("rolearn")) {
        return exact(&[spot.account, STRANGER]);
    }
    if spot.is_in_a_policy() {
        return match spot.last() {
            "Action" | "NotAction" | "Resource" | "NotResource" => exact(&["*"]),
            _ => Vec::new(),
        };
    }
    if spot.last() == "Cron" {
        return exact(&["*"]);
    }
    if spot.last() == "FullRepositoryId" && !spot.rules.allowed_source_owners.is_empty() {
        let owners = spot.rules.allowed_source_owners.iter().map(String::as_str).chain(["stranger"]);
        return owners.map(|owner| Filler::Value(Value::from(owner))).collect();
    }
    spot.environments().map(Filler::Word).collect()
}

impl<'a> Spot<'a> {
    fn last(&self) -> &'a str {
        self.path.last().copied().unwrap_or_default()
    }

    fn ends_with(&self, path: &[&str]) -> bool {
        self.path.ends_with(path)
    }

    /// What a pseudo parameter comes to in the place of the resource.
    pub(super) fn fixed(&self) -> Option<&'a str> {
        match self.expression {
            "AWS::AccountId" => Some(self.account),
            "AWS::Region" => Some(self.region),
            "AWS::Partition" => Some("aws"),
            "AWS::URLSuffix" => Some("amazonaws.com"),
            _ => None,
        }
    }

    /// The words that the configuration gives a meaning: owners, branches, services. Without any, a name is a name.
    fn configured(&self) -> Vec<Filler> {
        let practice = &self.rules.practice;
        let owners = &self.rules.allowed_source_owners;
        let known: Vec<String> = match self.last() {
            "Owner" if self.path.contains(&"Configuration") => owners.iter().cloned().collect(),
            "FullRepositoryId" => owners.iter().map(|owner| format!("{owner}/opaque")).collect(),
            "Branch" | "BranchName" | "Includes" => {
                practice.branches.values().flatten().map(|pattern| pattern.replace('*', "opaque")).collect()
            }
            "UserParameters" => practice.services.values().flatten().cloned().collect(),
            _ => Vec::new(),
        };
        let stranger = (!known.is_empty()).then(|| "stranger/opaque".to_owned());
        known.into_iter().chain(stranger).map(|text| Filler::Value(Value::from(text))).collect()
    }

    /// Whether it stands inside a policy document.
    fn is_in_a_policy(&self) -> bool {
        self.path.iter().any(|key| *key == "Statement" || key.ends_with("PolicyDocument") || *key == "KeyPolicy")
            && self.last() != "PolicyName"
    }

    /// Everything that an element of a statement could be.
    fn of_policies(&self) -> Vec<Filler> {
        let account = self.account;
        let values: Vec<Value> = match self.last() {
            "Effect" => vec![json!("Allow"), json!("Deny")],
            "Action" | "NotAction" | "Resource" | "NotResource" | "Sid" => vec![json!("*")],
            "Principal" | "NotPrincipal" | "AWS" => vec![
                json!("*"),
                json!(format!("arn:aws:iam::{account}:root")),
                json!(format!("arn:aws:iam::{account}:role/opaque")),
                json!(format!("arn:aws:iam::{STRANGER}:root")),
            ],
            "Service" => vec![
                json!("codebuild.amazonaws.com"),
                json!("codepipeline.amazonaws.com"),
                json!("lambda.amazonaws.com"),
            ],
            "Federated" => vec![
                json!(format!("arn:aws:iam::{account}:oidc-provider/token.actions.githubusercontent.com")),
                json!("cognito-identity.amazonaws.com"),
            ],
            "Statement" | "PolicyDocument" | "KeyPolicy" | "AssumeRolePolicyDocument" => vec![
                Value::Null,
                json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}),
                json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*",
                       "Condition": {"Bool": {"aws:SecureTransport": "false"}}}),
            ],
            "Condition" => vec![Value::Null, json!({"StringEquals": {"aws:PrincipalAccount": account}})],
            _ => vec![
                json!("*"),
                json!("true"),
                json!("false"),
                json!(account),
                json!(STRANGER),
                json!("aws:kms"),
                json!(format!("arn:aws:iam::{account}:role/opaque")),
            ],
        };
        values.into_iter().map(Filler::Value).collect()
    }

    /// Whether it is a name, an id or an address, of which only the identity matters.
    fn is_name(&self) -> bool {
        const ENDS: &[&str] = &[
            "Name",
            "Names",
            "Arn",
            "ARN",
            "Arns",
            "ARNs",
            "Id",
            "ID",
            "Ids",
            "IDs",
            "Bucket",
            "Role",
            "Key",
            "Topic",
            "Address",
            "Location",
            "Prefix",
            "Namespace",
            "Description",
            "Title",
        ];
        const EXACT: &[&str] = &[
            "Branch",
            "CustomData",
            "ExternalEntityLink",
            "Image",
            "Includes",
            "Input",
            "Owner",
            "Path",
            "Repo",
            "Resource",
            "TemplatePath",
            "TemplateConfiguration",
            "ParameterOverrides",
            "Subnets",
            "ImageTag",
            "Tags",
            "Fqdn",
            "Subscription",
            "Endpoint",
            "Excludes",
            "AlarmActions",
            "Capabilities",
            "UserParameters",
            "Credential",
            "Account",
            "PrimarySource",
            "SourceIdentifier",
            "ArtifactIdentifier",
            "TargetPipeline",
            "TargetAction",
        ];
        let last = self.last();
        // The keys of an action's configuration that are switches stand in the table; the rest are names.
        let setting = self.path.iter().rev().nth(1).is_some_and(|key| *key == "Configuration");
        setting || EXACT.contains(&last) || ENDS.iter().any(|end| last.ends_with(end))
    }

    /// The environments that a name may turn out to mean, if its expression says that it means one: `${Environment}`
    /// may be production, `${ProjectName}` is only a name.
    fn environments(&self) -> impl Iterator<Item = &'static str> + use<> {
        let names = !self.expression.starts_with("AWS::")
            && self.says(&["env", "environment", "stage", "tier", "landscape", "account"]);
        if names { ["prod", "dev"].as_slice() } else { &[] }.iter().copied()
    }

    /// Whether the expression says that it names a thing, not what is done: no stack and no repository is called after
    /// the action that a pipeline takes with it.
    fn says_what_it_names(&self) -> bool {
        const THINGS: &[&str] = &[
            "app",
            "application",
            "branch",
            "bucket",
            "cluster",
            "function",
            "model",
            "owner",
            "product",
            "project",
            "repo",
            "repository",
            "service",
            "stack",
            "system",
            "team",
        ];
        self.last() == "Name"
            && !self.ends_with(&["EnvironmentVariables", "Name"])
            && (self.expression.starts_with("AWS::") || self.says(THINGS))
    }

    /// Whether the expression has one of these words.
    fn says(&self, wanted: &[&str]) -> bool {
        let mut words = Vec::new();
        let mut word = String::new();
        let mut before = ' ';
        for character in self.expression.chars() {
            let starts = !character.is_alphanumeric() || (character.is_uppercase() && !before.is_uppercase());
            if starts {
                words.push(std::mem::take(&mut word));
            }
            word.extend(character.to_lowercase().filter(|c| c.is_alphanumeric()));
            before = character;
        }
        words.push(word);
        words
            .iter()
            .any(|word| wanted.iter().any(|wanted| word == wanted || word.strip_suffix("name") == Some(*wanted)))
    }
}

/// Words in an expression that say that its value may be a secret.
const SECRETS: &[&str] =
    &["secret", "token", "password", "passwd", "pwd", "credential", "credentials", "key", "auth", "pat"];

/// Names whose words say what is done. What a project or function is called says so too, but there an open name's own
/// expression (`DeployFunction`) stands for it: a person has nothing else to go by either.
const WORDS: &[(&[&str], &[&str])] = &[
    (&["Stages", "Name"], &["deploy", "test", "prod", "update-pipeline", "security-scan", "alarm-check"]),
    (&["Actions", "Name"], &["deploy", "test", "prod", "update-pipeline", "security-scan", "alarm-check"]),
    (&["Rules", "Name"], &["alarm-check", "window-check"]),
    (&["EnvironmentVariables", "Name"], &["token", "path"]),
];

/// Settings of few words, the more exact paths first.
const TEXTS: &[(&[&str], &[&str])] = &[
    (&["VersioningConfiguration", "Status"], &["Enabled", "Suspended"]),
    (&["CloudWatchLogs", "Status"], &["ENABLED", "DISABLED"]),
    (&["S3Logs", "Status"], &["ENABLED", "DISABLED"]),
    (&["Status"], &["Enabled", "Disabled", "ENABLED", "DISABLED"]),
    (&["MFADelete"], &["Enabled", "Disabled"]),
    (&["ObjectLockEnabled"], &["Enabled", "true", "false"]),
    (&["Mode"], &["COMPLIANCE", "GOVERNANCE"]),
    (&["SSEAlgorithm"], &["AES256", "aws:kms", "aws:kms:dsse"]),
    (&["ObjectOwnership"], &["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"]),
    (&["ActionMode"], &["CREATE_UPDATE", "CHANGE_SET_REPLACE", "CHANGE_SET_EXECUTE", "DELETE_ONLY"]),
    (&["ActionTypeId", "Category"], &["Source", "Build", "Test", "Deploy", "Approval", "Invoke", "Compute"]),
    (
        &["ActionTypeId", "Provider"],
        &[
            "Manual",
            "CodeBuild",
            "CodeDeploy",
            "CloudFormation",
            "S3",
            "Lambda",
            "StepFunctions",
            "Commands",
            "CodeCommit",
            "CodeStarSourceConnection",
            "GitHub",
            "ECR",
            "InspectorScan",
            "ECRBuildAndPublish",
            "CodePipeline",
            "DeviceFarm",
        ],
    ),
    (&["RuleTypeId", "Provider"], &["CloudWatchAlarm", "DeploymentWindow", "LambdaInvoke", "VariableCheck"]),
    (&["ActionTypeId", "Owner"], &["AWS", "ThirdParty", "Custom"]),
    (&["Result"], &["ROLLBACK", "FAIL", "RETRY", "SKIP", "IGNORE"]),
    (&["Configuration", "Cron"], &["* * * * * *", "0 0 9-17 ? * MON-FRI *"]),
    (&["Configuration", "PollForSourceChanges"], &["true", "false"]),
    (&["Configuration", "InspectorRunMode"], &["SourceCodeScan", "ECRImageScan"]),
    (&["Configuration", "CriticalThreshold"], &["", "0"]),
    (&["Configuration", "HighThreshold"], &["", "0"]),
    (&["Configuration", "MediumThreshold"], &["", "0"]),
    (&["Configuration", "LowThreshold"], &["", "0"]),
    (&["Configuration", "BuildspecOverride"], &["", "buildspec.yml", "terraform apply"]),
    (&["Configuration", "OverwriteStackSet"], &["true", "false"]),
    (
        &["Configuration", "EnvironmentVariables"],
        &["[]", "[{\"name\":\"API_TOKEN\",\"value\":\"redacted:secret-like\",\"type\":\"PLAINTEXT\"}]"],
    ),
    (&["Configuration", "Command"], &["", "terraform apply"]),
    (&["RetryMode"], &["ALL_ACTIONS", "FAILED_ACTIONS"]),
    (&["Events"], &["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"]),
    (&["TriggerEvents"], &["DeploymentFailure", "DeploymentRollback", "DeploymentStop", "DeploymentSuccess"]),
    (&["DeploymentType"], &["IN_PLACE", "BLUE_GREEN"]),
    (&["DeploymentOption"], &["WITH_TRAFFIC_CONTROL", "WITHOUT_TRAFFIC_CONTROL"]),
    (&["ActionOnTimeout"], &["STOP_DEPLOYMENT", "CONTINUE_DEPLOYMENT"]),
    (&["TerminateBlueInstancesOnDeploymentSuccess", "Action"], &["TERMINATE", "KEEP_ALIVE"]),
    (&["RevisionType"], &["S3", "GitHub", "String", "AppSpecContent"]),
    (&["TrafficRoutingConfig", "Type"], &["AllAtOnce", "TimeBasedCanary", "TimeBasedLinear"]),
    (&["MinimumHealthyHosts", "Value"], &["0", "1", "50", "100"]),
    (&["MinimumHealthyHosts", "Type"], &["HOST_COUNT", "FLEET_PERCENT"]),
    (&["EnvironmentVariables", "Type"], &["PLAINTEXT", "SECRETS_MANAGER", "PARAMETER_STORE"]),
    (&["EnvironmentVariables", "Value"], &["redacted", "redacted:secret-like"]),
    (
        &["Environment", "Image"],
        &[
            "aws/codebuild/standard:7.0",
            "public.ecr.aws/opaque/opaque:latest",
            "999999999999.dkr.ecr.us-east-1.amazonaws.com/opaque@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        ],
    ),
    (&["ImagePullCredentialsType"], &["CODEBUILD", "SERVICE_ROLE"]),
    (&["Source", "BuildSpec"], &["", "buildspec.yml", "inline", "arn:aws:s3:::opaque/buildspec.yml"]),
    (&["Source", "Type"], SOURCES),
    (&["SecondarySources", "Type"], SOURCES),
    (&["Source", "Location"], LOCATIONS),
    (&["SecondarySources", "Location"], LOCATIONS),
    (&["LocationUserInfo"], &["", "name", "password"]),
    (&["Artifacts", "Type"], &["S3", "CODEPIPELINE", "NO_ARTIFACTS"]),
    (&["SecondaryArtifacts", "Type"], &["S3", "CODEPIPELINE", "NO_ARTIFACTS"]),
    (&["Cache", "Type"], &["NO_CACHE", "LOCAL", "S3"]),
    (&["Auth", "Type"], &["OAUTH", "CODECONNECTIONS", "SECRETS_MANAGER"]),
    (&["FilterGroups", "Type"], &["EVENT", "HEAD_REF", "BASE_REF", "ACTOR_ACCOUNT_ID", "FILE_PATH", "COMMIT_MESSAGE"]),
    (
        &["FilterGroups", "Pattern"],
        &["PUSH", "PULL_REQUEST_CREATED", "WORKFLOW_JOB_QUEUED", "^refs/heads/main$", ".*", "^[0-9]+$"],
    ),
    (&["Triggers", "BuildType"], &["BUILD", "BUILD_BATCH", "RUNNER_BUILDKITE_BUILD"]),
    (&["BranchFilter"], &["", "^main$", ".*"]),
    (&["Scope"], &["GITHUB_ORGANIZATION", "GITHUB_GLOBAL", "GITLAB_GROUP"]),
    (&["RequiresCommentApproval"], &["DISABLED", "FORK_PULL_REQUESTS", "ALL_PULL_REQUESTS"]),
    (&["ApproverRoles"], &["GITHUB_READ", "GITHUB_ADMIN"]),
    (
        &["EventTypeIds"],
        &["codepipeline-pipeline-pipeline-execution-failed", "codepipeline-pipeline-manual-approval-needed"],
    ),
    (&["TargetType"], &["SNS", "AWSChatbotSlack"]),
    (&["TargetStatus"], &["ACTIVE", "UNREACHABLE"]),
    (&["AllowedIPRange"], &["", "0.0.0.0/0", "192.0.2.0/24"]),
    (&["EncryptionType"], &["AES256", "KMS"]),
    (&["ScanFrequency"], &["SCAN_ON_PUSH", "CONTINUOUS_SCAN", "MANUAL"]),
    (&["ScanType"], &["BASIC", "ENHANCED"]),
    (&["ScheduleExpression"], &["rate(1 days)", "rate(400 days)", "cron(0 0 1 * ? *)"]),
    (&["ExportConfigType"], &["S3", "NO_EXPORT"]),
    (&["ReadWriteType"], &["All", "WriteOnly", "ReadOnly"]),
    (&["DataResources", "Type"], &["AWS::S3::Object", "AWS::Lambda::Function"]),
    (&["DataResources", "Values"], &["arn:aws:s3", "arn:aws:s3:::opaque/"]),
    (&["FieldSelectors", "Field"], &["eventCategory", "resources.type", "resources.ARN", "readOnly", "eventName"]),
    (&["FieldSelectors", "Equals"], &["Data", "AWS::S3::Object", "true", "false", "opaque"]),
    (&["FieldSelectors", "NotEquals"], &["true", "opaque"]),
    (&["FieldSelectors", "StartsWith"], &["arn:aws:s3:::", "arn:aws:s3:::opaque/"]),
    (&["FieldSelectors", "NotStartsWith"], &["arn:aws:s3:::", "arn:aws:s3:::opaque/"]),
    (&["ImageTagMutabilityExclusionFilterValue"], &["*", "opaque"]),
    (&["RepositoryFilters", "Filter"], &["*", "opaque"]),
];

const SOURCES: &[&str] = &["GITHUB", "CODEPIPELINE", "S3", "CODECOMMIT", "NO_SOURCE", "BITBUCKET"];

const LOCATIONS: &[&str] = &[
    "",
    "https://github.com/opaque/opaque.git",
    "http://opaque/opaque.git",
    "CODEBUILD_DEFAULT_WEBHOOK_SOURCE_LOCATION",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn spot<'a>(path: &'a [&'a str], expression: &'a str) -> Spot<'a> {
        static RULES: std::sync::LazyLock<Rules> = std::sync::LazyLock::new(Rules::default);
        Spot { path, expression, account: "111111111111", region: "eu-west-1", rules: &RULES }
    }

    #[test]
    fn names_are_opaque_unless_they_name_an_environment() {
        let path = ["Stages", "Actions", "Configuration", "StackName"];
        assert!(whole(&spot(&path, "ProjectName")).is_empty());
        assert!(whole(&spot(&path, "AWS::StackName")).is_empty());
        assert!(embedded(&spot(&path, "Percentage")).is_empty());
        for expression in ["Environment", "EnvName", "DeployStage", "pStage"] {
            assert_eq!(embedded(&spot(&path, expression)), [Filler::Word("prod"), Filler::Word("dev")], "{expression}");
        }
    }

    #[test]
    fn what_is_no_name_is_tried_as_everything() {
        let values = whole(&spot(&["NewSwitch", "SomethingNew"], "X"));
        assert!(values.contains(&Filler::Value(json!("true"))) && values.contains(&Filler::Value(Value::Null)));
    }

    #[test]
    fn samples_are_json() {
        for sample in OBJECTS.iter().flat_map(|(_, samples)| *samples) {
            assert!(serde_json::from_str::<Value>(sample).is_ok(), "{sample}");
        }
    }
}
