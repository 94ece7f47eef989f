//! `AWS::CodeBuild::Project`, its report groups and source credentials.
//!
//! In: a project as a template writes it. Out: the project as `BatchGetProjects` answers it, without scripts, values of
//! variables and credentials in addresses.

use serde_json::json;

use super::super::hole::whole;
use super::super::node::{Node, Tree};
use super::Shape;
use super::conversion::{Conversion, as_declared};
use super::form::{Form, TEXT_LIST, change, with};
use super::{script, secret_text};
use crate::inventory::{TypeName, is_inline_buildspec, source_location, user_info};

const SOURCE: Form = Form::Map(&[
    ("Type", Form::Text),
    ("SourceIdentifier", Form::Text),
    ("Location", Form::Text),
    ("LocationUserInfo", Form::Text),
    ("BuildSpec", Form::Text),
    ("InsecureSsl", Form::Flag),
    ("Auth", Form::Map(&[("Type", Form::Text)])),
]);

const ARTIFACTS: Form = Form::Map(&[
    ("Type", Form::Text),
    ("ArtifactIdentifier", Form::Text),
    ("Location", Form::Text),
    ("EncryptionDisabled", Form::Flag),
]);

const ENVIRONMENT: Form = Form::Map(&[
    ("Type", Form::Text),
    ("Image", Form::Text),
    ("ImagePullCredentialsType", Form::Text),
    ("RegistryCredential", Form::Map(&[("Credential", Form::Text), ("CredentialProvider", Form::Text)])),
    ("PrivilegedMode", Form::Flag),
    (
        "EnvironmentVariables",
        Form::List(&Form::Map(&[("Name", Form::Text), ("Type", Form::Text), ("Value", Form::Text)])),
    ),
]);

const FILTER: Form = Form::Map(&[("Type", Form::Text), ("Pattern", Form::Text), ("ExcludeMatchedPattern", Form::Flag)]);

const TRIGGERS: Form = Form::Map(&[
    ("Webhook", Form::Flag),
    ("BuildType", Form::Text),
    // Of Terraform and the API only: CloudFormation has filter groups.
    ("BranchFilter", Form::Text),
    ("FilterGroups", Form::List(&Form::List(&FILTER))),
    ("ScopeConfiguration", Form::Map(&[("Name", Form::Text), ("Domain", Form::Text), ("Scope", Form::Text)])),
    ("PullRequestBuildPolicy", Form::Map(&[("RequiresCommentApproval", Form::Text), ("ApproverRoles", TEXT_LIST)])),
]);

/// Projects. When a project was last built, and with what result, only its deployment shows.
pub(super) const PROJECT: Shape = Shape {
    type_name: "AWS::CodeBuild::Project",
    becomes: TypeName::PROJECT,
    form: Form::Map(&[
        ("Name", Form::Text),
        ("ServiceRole", Form::Text),
        ("Source", SOURCE),
        ("SecondarySources", Form::List(&SOURCE)),
        ("DeployCommands", Form::Any),
        ("CheckCommands", Form::Any),
        ("Artifacts", ARTIFACTS),
        ("SecondaryArtifacts", Form::List(&ARTIFACTS)),
        (
            "Cache",
            Form::Map(&[
                ("Type", Form::Text),
                ("Location", Form::Text),
                ("Modes", TEXT_LIST),
                ("CacheNamespace", Form::Text),
            ]),
        ),
        (
            "LogsConfig",
            Form::Map(&[
                ("CloudWatchLogs", Form::Map(&[("Status", Form::Text)])),
                (
                    "S3Logs",
                    Form::Map(&[("Status", Form::Text), ("Location", Form::Text), ("EncryptionDisabled", Form::Flag)]),
                ),
            ]),
        ),
        ("EncryptionKey", Form::Text),
        ("Environment", ENVIRONMENT),
        ("Triggers", TRIGGERS),
        ("Visibility", Form::Text),
        ("VpcConfig", Form::Map(&[("VpcId", Form::Text), ("Subnets", TEXT_LIST), ("SecurityGroupIds", TEXT_LIST)])),
        ("TimeoutInMinutes", Form::Number),
        ("QueuedTimeoutInMinutes", Form::Number),
        ("ConcurrentBuildLimit", Form::Number),
    ]),
    convert: project,
    only_deployed: &["Created", "LastBuildReportArns", "LastBuildStartTime", "LastBuildStatus"],
};

fn project(conversion: &mut Conversion<'_>) {
    put_script(conversion);
    conversion.change(&["Source"], source);
    conversion.change(&["SecondarySources", "*"], source);
    conversion.change(&["Environment", "EnvironmentVariables"], secret_text::redact_variables);
    conversion.change(&["Environment"], |environment| {
        if environment.is_map() && environment.get("ImagePullCredentialsType").is_none_or(Node::is_null) {
            let credentials = Node::text("CODEBUILD", environment.span);
            *environment = with(environment.clone(), "ImagePullCredentialsType", credentials);
        }
    });
    conversion.set_default("Visibility", &json!("PRIVATE"));
    // Without a webhook there are no triggers, whatever filters it would have.
    let switched_off = conversion.property("Triggers").and_then(|triggers| triggers.get("Webhook"));
    if switched_off.and_then(Node::scalar).is_some_and(|webhook| webhook.eq_ignore_ascii_case("false")) {
        conversion.take("Triggers");
    }
}

/// Reads the specification of the primary source: what others do, no build runs by itself.
fn put_script(conversion: &mut Conversion<'_>) {
    let Some(specification) = conversion.property("Source").and_then(|source| source.get("BuildSpec")).cloned() else {
        return;
    };
    let text = written(&specification);
    if whole(&text).is_some() {
        for property in ["DeployCommands", "CheckCommands"] {
            conversion.set(property, specification.clone());
        }
    } else if is_inline_buildspec(&text) {
        let script = script::read(&text, &specification);
        conversion.set("DeployCommands", script.deploys);
        conversion.set("CheckCommands", script.checks);
    }
}

/// A specification as text; one that is written as a mapping is JSON.
fn written(specification: &Node) -> String {
    match &specification.tree {
        Tree::Map(_) | Tree::List(_) => specification.to_value().to_string(),
        _ => specification.scalar().unwrap_or_default(),
    }
}

fn source(source: &mut Node) {
    change(source, &["BuildSpec"], &mut |specification| {
        let text = written(specification);
        if whole(&text).is_none() && is_inline_buildspec(&text) {
            *specification = Node::text("inline", specification.span);
        }
    });
    let Some(location) = source.get("Location").cloned() else { return };
    let Some(text) = location.as_str().filter(|text| whole(text).is_none()) else { return };
    if let Some(said) = user_info(text) {
        *source = with(source.clone(), "LocationUserInfo", Node::text(said, location.span));
    }
    *source = with(source.clone(), "Location", Node::text(source_location(text), location.span));
}

/// Groups of test reports.
pub(super) const REPORT_GROUP: Shape = Shape {
    type_name: "AWS::CodeBuild::ReportGroup",
    becomes: TypeName::REPORT_GROUP,
    form: Form::Map(&[
        ("Name", Form::Text),
        ("Type", Form::Text),
        (
            "ExportConfig",
            Form::Map(&[
                ("ExportConfigType", Form::Text),
                (
                    "S3Destination",
                    Form::Map(&[
                        ("Bucket", Form::Text),
                        ("Path", Form::Text),
                        ("EncryptionKey", Form::Text),
                        ("EncryptionDisabled", Form::Flag),
                    ]),
                ),
            ]),
        ),
    ]),
    convert: as_declared,
    only_deployed: &[],
};

/// Credentials for sources, never the credential.
pub(super) const SOURCE_CREDENTIAL: Shape = Shape {
    type_name: "AWS::CodeBuild::SourceCredential",
    becomes: TypeName::SOURCE_CREDENTIAL,
    form: Form::Map(&[("ServerType", Form::Text), ("AuthType", Form::Text)]),
    convert: as_declared,
    only_deployed: &[],
};

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::*;
    use crate::inventory::Properties;

    const HOLE: &str = "\u{FDD0}0\u{FDD1}";

    fn project(value: Value) -> Properties {
        properties(&[raw("AWS::CodeBuild::Project", "Build", value)], "Build")
    }

    #[test]
    fn scripts_values_and_credentials_stay_behind() {
        let script =
            "version: 0.2\nphases:\n  build:\n    commands:\n      - export X=hunter2\n      - terraform apply\n";
        let found = project(json!({
            "Source": {"Type": "GITHUB", "Location": "https://me:pw@github.com/o/r.git?token=t", "BuildSpec": script, "GitCloneDepth": 1},
            "SecondarySources": [{"Type": "S3", "SourceIdentifier": "more", "BuildSpec": "{\"version\": 0.2}"}],
            "Environment": {"Type": "LINUX_CONTAINER", "Image": "aws/codebuild/standard:7.0", "PrivilegedMode": "true",
                            "EnvironmentVariables": [{"Name": "DB_PASSWORD", "Value": "hunter3", "Type": "PLAINTEXT"}]},
            "TimeoutInMinutes": "30", "Artifacts": {"Type": "NO_ARTIFACTS"},
        }));
        assert_eq!(
            Value::Object(found),
            json!({
                "Name": "Build",
                "Source": {"Type": "GITHUB", "Location": "https://github.com/o/r.git", "LocationUserInfo": "password", "BuildSpec": "inline"},
                "SecondarySources": [{"Type": "S3", "SourceIdentifier": "more", "BuildSpec": "inline"}],
                "DeployCommands": ["terraform apply"], "CheckCommands": [],
                "Environment": {"Type": "LINUX_CONTAINER", "Image": "aws/codebuild/standard:7.0", "PrivilegedMode": true,
                                "ImagePullCredentialsType": "CODEBUILD",
                                "EnvironmentVariables": [{"Name": "DB_PASSWORD", "Type": "PLAINTEXT", "Value": "redacted:secret-like"}]},
                "Visibility": "PRIVATE", "TimeoutInMinutes": 30, "Artifacts": {"Type": "NO_ARTIFACTS"},
            })
        );
    }

    #[test]
    fn a_path_stays_and_an_open_specification_is_unknown() {
        let found = project(json!({"Source": {"BuildSpec": "ci/build.yml"}}));
        assert_eq!(found["Source"]["BuildSpec"], "ci/build.yml");
        assert!(!found.contains_key("DeployCommands"));
        let found = project(json!({"Source": {"BuildSpec": HOLE}}));
        assert_eq!(found["Source"]["BuildSpec"], HOLE);
        assert!(!found.contains_key("DeployCommands") && !found.contains_key("CheckCommands"));
        let found = project(
            json!({"Source": {"BuildSpec": {"version": 0.2, "phases": {"build": {"commands": ["cdk deploy"]}}}}}),
        );
        assert_eq!(
            (&found["Source"]["BuildSpec"], &found["DeployCommands"]),
            (&json!("inline"), &json!(["cdk deploy"]))
        );
    }

    #[test]
    fn only_a_deployed_project_was_built() {
        let known = unseen(&[raw("AWS::CodeBuild::Project", "Build", json!({}))], "Build");
        let expected = ["Created", "LastBuildReportArns", "LastBuildStartTime", "LastBuildStatus"];
        assert_eq!(known, expected.map(|name| (name.to_owned(), 'd')));
    }

    #[test]
    fn a_webhook_that_is_switched_off_is_none() {
        let triggers = |webhook: Value| json!({"Triggers": {"Webhook": webhook, "FilterGroups": [[{"Type": "EVENT", "Pattern": "PUSH"}]]}});
        assert!(!project(triggers(json!("false"))).contains_key("Triggers"));
        let found = project(triggers(json!(true)));
        assert_eq!(
            found["Triggers"],
            json!({"Webhook": true, "FilterGroups": [[{"Type": "EVENT", "Pattern": "PUSH"}]]})
        );
        let found = project(json!({"Triggers": {"Webhook": true, "BranchFilter": "main", "Secret": "hunter2"}}));
        assert_eq!(found["Triggers"], json!({"Webhook": true, "BranchFilter": "main"}));
    }

    #[test]
    fn report_groups_and_credentials() {
        let export = json!({"ExportConfigType": "S3", "S3Destination": {"Bucket": "b", "EncryptionDisabled": "true", "Packaging": "ZIP"}});
        let group = raw(
            "AWS::CodeBuild::ReportGroup",
            "Reports",
            json!({"Type": "TEST", "ExportConfig": export, "DeleteReports": true}),
        );
        assert_eq!(
            Value::Object(properties(&[group], "Reports")),
            json!({"Name": "Reports", "Type": "TEST",
                   "ExportConfig": {"ExportConfigType": "S3", "S3Destination": {"Bucket": "b", "EncryptionDisabled": true}}})
        );
        let credential =
            json!({"ServerType": "GITHUB", "AuthType": "PERSONAL_ACCESS_TOKEN", "Token": "hunter2", "Username": "me"});
        let found = one(&[raw("AWS::CodeBuild::SourceCredential", "Cred", credential)], "Cred");
        assert_eq!(
            Value::Object(found.resource.properties),
            json!({"ServerType": "GITHUB", "AuthType": "PERSONAL_ACCESS_TOKEN"})
        );
    }
}
