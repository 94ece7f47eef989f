//! IAM: the roles of the delivery path with all their documents.

use std::fmt::Write;

use serde_json::{Value, json};

use super::super::estate::{Duty, Grants, RoleRef, RoleSpec, Trusts, Workflows};
use super::super::protocol::{ApiError, timestamp};
use super::super::world::World;
use super::{Answer, Call, Operation, Service, days_ago};

pub(super) const SERVICE: Service = Service {
    prefix: "iam",
    target: "AWSIdentityManagementV20100508",
    operations: &[
        Operation { name: "GetRole", action: "iam:GetRole", answer: get_role },
        Operation { name: "ListRolePolicies", action: "iam:ListRolePolicies", answer: list_role_policies },
        Operation { name: "GetRolePolicy", action: "iam:GetRolePolicy", answer: get_role_policy },
        Operation {
            name: "ListAttachedRolePolicies",
            action: "iam:ListAttachedRolePolicies",
            answer: list_attached_role_policies,
        },
        Operation { name: "GetPolicy", action: "iam:GetPolicy", answer: get_policy },
        Operation { name: "GetPolicyVersion", action: "iam:GetPolicyVersion", answer: get_policy_version },
    ],
};

/// An account that is no member.
const STRANGER: &str = "100000000001";
/// The managed policy that every role has.
const BASE: &str = "delivery-base";
/// The permissions boundary.
const BOUNDARY: &str = "delivery-boundary";
/// The policies that are part of a role.
const WORK: &str = "work";
const MORE: &str = "more";
const VERSION: &str = "v2";

fn missing(what: &str) -> ApiError {
    ApiError::new(404, "NoSuchEntity", format!("{what} cannot be found."))
}

fn role(call: &Call<'_>) -> Result<(RoleRef, RoleSpec), ApiError> {
    let name = call.required("RoleName")?;
    let role = RoleRef::named(call.world, call.account, name);
    let role = role.ok_or_else(|| missing(&format!("The role with name {name}")))?;
    Ok((role, role.spec(call.world)))
}

fn get_role(call: &Call<'_>) -> Answer {
    let (role, spec) = role(call)?;
    let world = call.world;
    let name = role.name(world);
    let mut rendered = json!({
        "Path": "/", "RoleName": name, "RoleId": format!("AROASIM{}", name.len()), "Arn": role.arn(world),
        "CreateDate": timestamp(days_ago(world, 400, name.len())),
        "AssumeRolePolicyDocument": encoded(&trust(world, role, spec)),
        "Tags": [{ "Key": "team", "Value": "delivery" }], "MaxSessionDuration": 3600
    });
    if let (Grants::AdministratorBounded, Some(fields)) = (spec.grants, rendered.as_object_mut()) {
        let arn = own_policy(call, BOUNDARY);
        let boundary = json!({ "PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn });
        fields.insert("PermissionsBoundary".to_owned(), boundary);
    }
    Ok(json!({ "Role": rendered }))
}

fn list_role_policies(call: &Call<'_>) -> Answer {
    let (_, spec) = role(call)?;
    let names = if more(call.world, spec).is_some() { vec![MORE, WORK] } else { vec![WORK] };
    Ok(json!({ "PolicyNames": names, "IsTruncated": false }))
}

fn get_role_policy(call: &Call<'_>) -> Answer {
    let (role, spec) = role(call)?;
    let name = call.required("PolicyName")?;
    let document = match name {
        WORK => Some(json!([allow(&json!(["s3:GetObject", "s3:PutObject", "logs:PutLogEvents"]), "*")])),
        MORE => more(call.world, spec),
        _ => None,
    };
    let statements = document.ok_or_else(|| missing(&format!("The role policy with name {name}")))?;
    let document = encoded(&json!({ "Version": "2012-10-17", "Statement": statements }));
    Ok(json!({ "RoleName": role.name(call.world), "PolicyName": name, "PolicyDocument": document }))
}

fn list_attached_role_policies(call: &Call<'_>) -> Answer {
    let (_, spec) = role(call)?;
    let mut attached = vec![json!({ "PolicyName": BASE, "PolicyArn": own_policy(call, BASE) })];
    if matches!(spec.grants, Grants::AdministratorAttached | Grants::AdministratorBounded) {
        let arn = administrator_access(call.world);
        attached.push(json!({ "PolicyName": "AdministratorAccess", "PolicyArn": arn }));
    }
    Ok(json!({ "AttachedPolicies": attached, "IsTruncated": false }))
}

fn get_policy(call: &Call<'_>) -> Answer {
    let arn = call.required("PolicyArn")?;
    managed(call, arn)?;
    let name = arn.rsplit('/').next().unwrap_or_default();
    Ok(json!({ "Policy": {
        "PolicyName": name, "PolicyId": "ANPASIM", "Arn": arn, "Path": "/", "DefaultVersionId": VERSION,
        "AttachmentCount": 1, "IsAttachable": true
    } }))
}

fn get_policy_version(call: &Call<'_>) -> Answer {
    let document = managed(call, call.required("PolicyArn")?)?;
    let version = call.required("VersionId")?;
    if version != VERSION {
        return Err(missing(&format!("Policy version {version}")));
    }
    Ok(json!({ "PolicyVersion": { "Document": encoded(&document), "VersionId": VERSION, "IsDefaultVersion": true } }))
}

fn own_policy(call: &Call<'_>, name: &str) -> String {
    format!("arn:{}:iam::{}:policy/{name}", call.world.partition, call.world.account_id(call.account))
}

fn administrator_access(world: &World) -> String {
    format!("arn:{}:iam::aws:policy/AdministratorAccess", world.partition)
}

/// The document of a managed policy.
fn managed(call: &Call<'_>, arn: &str) -> Answer {
    let statement = if arn == administrator_access(call.world) {
        allow(&json!("*"), "*")
    } else if arn == own_policy(call, BASE) {
        allow(&json!(["codebuild:BatchGetBuilds", "codebuild:StartBuild", "codedeploy:CreateDeployment"]), "*")
    } else if arn == own_policy(call, BOUNDARY) {
        allow(&json!(["s3:*", "logs:*"]), "*")
    } else {
        return Err(missing(&format!("Policy {arn}")));
    };
    Ok(json!({ "Version": "2012-10-17", "Statement": [statement] }))
}

fn allow(actions: &Value, resource: &str) -> Value {
    json!({ "Effect": "Allow", "Action": actions, "Resource": resource })
}

/// The statements beside a role's work, if it has any.
fn more(world: &World, spec: RoleSpec) -> Option<Value> {
    let everything = |actions: &[&str]| allow(&json!(actions), "*");
    let pipelines = format!("arn:{}:codepipeline:*:*:*", world.partition);
    Some(match spec.grants {
        Grants::Nothing | Grants::AdministratorAttached | Grants::AdministratorBounded => return None,
        Grants::AdministratorInline => json!([allow(&json!("*"), "*")]),
        Grants::PassesAnyRole => json!([everything(&["iam:PassRole"])]),
        Grants::PassesToServices => json!([{
            "Effect": "Allow", "Action": "iam:PassRole", "Resource": "*",
            "Condition": { "StringEqualsIfExists": { "iam:PassedToService": ["ecs-tasks.amazonaws.com"] } }
        }]),
        Grants::WritesPolicies => json!([everything(&["iam:PutRolePolicy", "iam:GetRole"])]),
        Grants::Approves => json!([allow(&json!("codepipeline:Put*"), &pipelines)]),
        Grants::ApprovesDenied => json!([
            allow(&json!("codepipeline:Put*"), &pipelines),
            { "Effect": "Deny", "Action": "codepipeline:PutApprovalResult", "Resource": "*" }
        ]),
        Grants::Updates => json!([allow(&json!("codepipeline:UpdatePipeline"), &pipelines)]),
        Grants::Transitions => {
            json!([allow(
                &json!(["codepipeline:EnableStageTransition", "codepipeline:DisableStageTransition"]),
                &pipelines
            )])
        }
        Grants::Overrides => json!([allow(&json!("codepipeline:Override*"), &pipelines)]),
    })
}

fn trust(world: &World, role: RoleRef, spec: RoleSpec) -> Value {
    let service = |name: &str, plain: bool| {
        let mut statement = json!({
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "Service": format!("{name}.amazonaws.com") }
        });
        if let (false, Some(fields)) = (plain, statement.as_object_mut()) {
            let account = world.account_id(role.account);
            fields.insert("Condition".to_owned(), json!({ "StringEquals": { "aws:SourceAccount": account } }));
        }
        statement
    };
    let plain = spec.trusts == Trusts::UsersOtherwise;
    let root = |account: &str| format!("arn:{}:iam::{account}:root", world.partition);
    let accounts =
        |names: Vec<String>| json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": names } });
    let mut statements = vec![match role.duty {
        Duty::Shared | Duty::Own { .. } => service("codepipeline", plain),
        Duty::Build => service("codebuild", plain),
        Duty::Deploy => service("codedeploy", plain),
        Duty::Action { .. } if plain => {
            let mut roles: Vec<String> =
                role.pipelines(world).iter().map(|spec| RoleRef::of_pipeline(spec).arn(world)).collect();
            roles.sort();
            roles.dedup();
            accounts(roles)
        }
        Duty::Action { from } => accounts(vec![root(world.account_id(from).as_str())]),
    }];
    match spec.trusts {
        Trusts::Users | Trusts::UsersOtherwise => {}
        Trusts::Stranger => statements.push(accounts(vec![STRANGER.to_owned()])),
        Trusts::Management => statements.push(accounts(vec![root(world.account_id(0).as_str())])),
    }
    statements.extend(spec.workflows.map(|workflows| github(world, role, workflows)));
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn github(world: &World, role: RoleRef, workflows: Workflows) -> Value {
    let host = "token.actions.githubusercontent.com";
    let (aud, sub) = (format!("{host}:aud"), format!("{host}:sub"));
    let condition = match workflows {
        Workflows::Exact => {
            json!({ "StringEquals": { aud: "sts.amazonaws.com", sub: "repo:example/web:ref:refs/heads/main" } })
        }
        Workflows::Pattern => {
            json!({ "StringEquals": { aud: "sts.amazonaws.com" }, "StringLike": { sub: "repo:example/*" } })
        }
        Workflows::NoAudience => json!({ "StringEquals": { sub: "repo:example/web:environment:production" } }),
    };
    let provider = format!("arn:{}:iam::{}:oidc-provider/{host}", world.partition, world.account_id(role.account));
    json!({
        "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": { "Federated": provider },
        "Condition": condition
    })
}

/// A document as IAM answers it: percent-encoded.
fn encoded(document: &Value) -> String {
    let mut text = String::new();
    for byte in document.to_string().bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
