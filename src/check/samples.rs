//! What whole parts of a resource look like, where nothing of them is known.
//!
//! In: nothing. Out: for each part that a template may leave open as a whole, examples of what deployment may make of it,
//! as JSON. It exists beside the single values because a missing part decides as much as a wrong value in it.

/// Whole parts that may be there or not, with what they look like.
pub(super) const OBJECTS: &[(&[&str], &[&str])] = &[
    (
        &["Stages"],
        &[
            r"[]",
            r#"{"Name": "Gate", "Actions": [{"Name": "Approve", "ActionTypeId": {"Category": "Approval", "Owner": "AWS", "Provider": "Manual", "Version": "1"}}]}"#,
            r#"{"Name": "Deploy", "Actions": [{"Name": "Deploy", "ActionTypeId": {"Category": "Deploy", "Owner": "AWS", "Provider": "CodeDeploy", "Version": "1"}}]}"#,
            r#"{"Name": "Build", "Actions": [{"Name": "Build", "ActionTypeId": {"Category": "Build", "Owner": "AWS", "Provider": "CodeBuild", "Version": "1"}}]}"#,
        ],
    ),
    (
        &["Stages", "Actions"],
        &[
            r"[]",
            r#"{"Name": "Approve", "RunOrder": 1, "ActionTypeId": {"Category": "Approval", "Owner": "AWS", "Provider": "Manual", "Version": "1"}}"#,
            r#"{"Name": "Deploy", "RunOrder": 1, "ActionTypeId": {"Category": "Deploy", "Owner": "AWS", "Provider": "CodeDeploy", "Version": "1"}}"#,
            r#"{"Name": "Build", "RunOrder": 1, "ActionTypeId": {"Category": "Build", "Owner": "AWS", "Provider": "CodeBuild", "Version": "1"}}"#,
        ],
    ),
    (
        &["ActionTypeId"],
        &[
            r#"{"Category": "Approval", "Owner": "AWS", "Provider": "Manual", "Version": "1"}"#,
            r#"{"Category": "Deploy", "Owner": "AWS", "Provider": "CloudFormation", "Version": "1"}"#,
            r#"{"Category": "Source", "Owner": "AWS", "Provider": "CodeCommit", "Version": "1"}"#,
        ],
    ),
    (&["Actions", "Configuration"], &[r#"{"ActionMode": "DELETE_ONLY"}"#, r#"{"PollForSourceChanges": "false"}"#]),
    (&["ServerSideEncryptionByDefault"], &[r#"{"SSEAlgorithm": "AES256"}"#, r#"{"SSEAlgorithm": "aws:kms"}"#]),
    (
        &["ServerSideEncryptionConfiguration"],
        &[
            r#"[{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]"#,
            r#"{"BucketKeyEnabled": true, "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}"#,
        ],
    ),
    (
        &["ObjectLockConfiguration", "Rule"],
        &[
            r#"{"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 400}}"#,
            r#"{"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}"#,
        ],
    ),
    (&["DefaultRetention"], &[r#"{"Mode": "COMPLIANCE", "Days": 400}"#, r#"{"Mode": "GOVERNANCE", "Days": 1}"#]),
    (&["EncryptionKey"], &[r#"{"Id": "opaque", "Type": "KMS"}"#]),
    (
        &["BeforeEntry"],
        &[
            r#"{"Conditions": [{"Result": "FAIL", "Rules": [{"Name": "Alarm", "RuleTypeId": {"Provider": "CloudWatchAlarm"}}, {"Name": "Window", "RuleTypeId": {"Provider": "DeploymentWindow"}}]}]}"#,
        ],
    ),
    (
        &["OnSuccess"],
        &[
            r#"{"Conditions": [{"Result": "ROLLBACK", "Rules": [{"Name": "Alarm", "RuleTypeId": {"Provider": "CloudWatchAlarm"}}]}]}"#,
        ],
    ),
    (&["OnFailure"], &[r#"{"Result": "ROLLBACK"}"#, r#"{"Result": "SKIP"}"#]),
    (&["AlarmConfiguration", "Alarms"], &[r"[]", r#"[{"Name": "opaque"}]"#, r#"{"Name": "opaque"}"#]),
    (
        &["LifecycleConfiguration", "Rules"],
        &[
            r"[]",
            r#"{"Id": "opaque", "Status": "Enabled", "ExpirationInDays": 1}"#,
            r#"{"Id": "opaque", "Status": "Enabled", "ExpirationInDays": 400, "NoncurrentVersionExpiration": {"NoncurrentDays": 400}}"#,
            r#"[{"Id": "opaque", "Status": "Enabled", "ExpirationInDays": 400, "NoncurrentVersionExpiration": {"NoncurrentDays": 400}}]"#,
        ],
    ),
    (
        &["EnvironmentVariables"],
        &[r"[]", r#"[{"Name": "API_TOKEN", "Value": "redacted:secret-like", "Type": "PLAINTEXT"}]"#],
    ),
    (
        &["FilterGroups"],
        &[
            r"[]",
            r#"[[{"Type": "EVENT", "Pattern": "PULL_REQUEST_CREATED"}]]"#,
            r#"[{"Type": "EVENT", "Pattern": "PULL_REQUEST_CREATED"}]"#,
            r#"{"Type": "EVENT", "Pattern": "PULL_REQUEST_CREATED"}"#,
        ],
    ),
    (&["InputArtifacts"], &[r"[]", r#"{"Name": "opaque"}"#]),
    (&["OutputArtifacts"], &[r"[]", r#"{"Name": "opaque"}"#]),
];
