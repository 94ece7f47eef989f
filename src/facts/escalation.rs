//! Ways from a role to more than the role: administration, and what leads to it.
//!
//! In: a role's permissions. Out: the policies that grant everything, and the actions by which the role could take more
//! for itself. Whether something is scoped is asked with a role that no policy names: what is allowed on that one is
//! allowed on any.

use std::collections::BTreeSet;

use serde_json::Value;

use super::permissions::{Answer, Permissions};
use super::policy_document::{PolicyDocument, Statement, strings};
use super::seen::Found;
use crate::inventory::Arn;

/// A name that no policy means.
const ANY: &str = "any-name-that-no-policy-means";

/// On which kind of thing an action works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Role,
    User,
    Group,
    Policy,
}

/// Actions by which permissions are taken.
const ESCALATIONS: &[(&str, On)] = &[
    ("iam:AddUserToGroup", On::Group),
    ("iam:AttachGroupPolicy", On::Group),
    ("iam:AttachRolePolicy", On::Role),
    ("iam:AttachUserPolicy", On::User),
    ("iam:CreateAccessKey", On::User),
    ("iam:CreateLoginProfile", On::User),
    ("iam:CreatePolicyVersion", On::Policy),
    ("iam:DeleteRolePermissionsBoundary", On::Role),
    ("iam:PutGroupPolicy", On::Group),
    ("iam:PutRolePermissionsBoundary", On::Role),
    ("iam:PutRolePolicy", On::Role),
    ("iam:PutUserPolicy", On::User),
    ("iam:SetDefaultPolicyVersion", On::Policy),
    ("iam:UpdateAssumeRolePolicy", On::Role),
    ("iam:UpdateLoginProfile", On::User),
    ("sts:AssumeRole", On::Role),
];

/// What a role does to itself with one of these needs no other role.
const ON_ITSELF: &[&str] = &["iam:AttachRolePolicy", "iam:DeleteRolePermissionsBoundary", "iam:PutRolePolicy"];

const PASS_ROLE: &str = "iam:PassRole";

/// Condition keys that say what may be granted, passed or touched; any other leaves the door open.
const NARROWING: &[&str] = &[
    "iam:associatedresourcearn",
    "iam:awsservicename",
    "iam:passedtoservice",
    "iam:permissionsboundary",
    "iam:policyarn",
    "aws:resourceaccount",
];

/// The policies that grant every action on everything.
pub(super) fn administrative(permissions: &Permissions) -> Found {
    let mut found = Found { doubts: permissions.hidden.clone(), ..Found::default() };
    let granting = permissions.policies.iter().filter(|policy| grants_everything(&policy.document));
    for policy in granting {
        let bounded = match &permissions.boundary {
            Ok(None) => Ok(true),
            Ok(Some(boundary)) => Ok(grants_everything(boundary)),
            Err(sentences) => Err(sentences.clone()),
        };
        found.add_if(&policy.name, &bounded);
    }
    found
}

/// Whether a statement names every action and every resource, whatever its condition.
fn grants_everything(document: &Value) -> bool {
    let every = |statement: &Statement<'_>, element: &str| {
        strings(statement.fields().get(element)).any(|pattern| matches!(pattern, "*" | "*:*" | "**"))
    };
    let holds =
        |statement: Statement<'_>| statement.allows() && every(&statement, "Action") && every(&statement, "Resource");
    PolicyDocument::new(document).statements().any(holds)
}

/// The actions by which the role could take more than it has.
pub(super) fn escalations(role: &str, permissions: &Permissions) -> Found {
    let mut found = Found::default();
    let Ok(arn) = Arn::parse(role) else { return found };
    let any = |kind: &str| format!("arn:{}:iam::{}:{kind}/{ANY}", arn.partition, arn.account);
    for (action, on) in ESCALATIONS {
        let (kind, word) = match on {
            On::Role => ("role", "role"),
            On::User => ("user", "user"),
            On::Group => ("group", "group"),
            On::Policy => ("policy", "policy"),
        };
        let anywhere = permissions.allows(action, &any(kind)).map(opens);
        if anywhere == Ok(false) && ON_ITSELF.contains(action) {
            let itself = permissions.allows(action, role).map(opens);
            found.add_if(format!("{action} on itself"), &itself);
        } else {
            found.add_if(format!("{action} on any {word}"), &anywhere);
        }
    }
    let passes = permissions.allows(PASS_ROLE, &any("role")).map(opens);
    found.add_if(format!("{PASS_ROLE} of any role to any service"), &passes);
    found.doubts = BTreeSet::from_iter(std::mem::take(&mut found.doubts)).into_iter().collect();
    found
}

/// Whether an answer leaves a way: without a condition, or under conditions that narrow nothing.
fn opens(answer: Answer) -> bool {
    match answer {
        Answer::Yes => true,
        Answer::No => false,
        Answer::Conditionally(keys) => !keys.iter().any(|key| {
            NARROWING.contains(&key.as_str())
                || key.starts_with("aws:resourcetag/")
                || key.starts_with("iam:resourcetag/")
        }),
    }
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::testing::{denied, resource};
    use super::*;
    use crate::inventory::{Resource, TypeName};

    const ROLE: &str = "arn:aws:iam::111111111111:role/Build";

    fn role(statements: Value) -> Resource {
        let policies = json!([{"PolicyName": "own", "PolicyDocument": {"Statement": statements}}]);
        let mut role = resource(TypeName::ROLE, "Build", json!({ "Policies": policies }));
        role.uid.0 = ROLE.to_owned();
        role
    }

    fn found(statements: Value) -> Vec<String> {
        escalations(ROLE, &Permissions::of_role(&role(statements))).certain.into_iter().collect()
    }

    fn allow(action: &str, resource: &str, condition: Value) -> Value {
        json!({"Effect": "Allow", "Action": action, "Resource": resource, "Condition": condition})
    }

    #[test]
    fn everything_on_everything_is_administration() {
        let administrative = |statement: Value| administrative(&Permissions::of_role(&role(statement))).certain.len();
        assert_eq!(administrative(allow("*", "*", json!({}))), 1);
        assert_eq!(administrative(allow("*:*", "*", json!({"StringEquals": {"aws:RequestedRegion": "x"}}))), 1);
        assert_eq!(administrative(allow("s3:*", "*", json!({}))), 0);
        assert_eq!(administrative(allow("*", "arn:aws:s3:::x/*", json!({}))), 0);
        let mut bounded = role(allow("*", "*", json!({})));
        bounded.properties.insert("PermissionsBoundary".to_owned(), json!("arn:aws:iam::111111111111:policy/b"));
        let boundary = json!({ "Statement": allow("s3:*", "*", json!({})) });
        bounded.properties.insert("PermissionsBoundaryDocument".to_owned(), boundary);
        assert_eq!(super::administrative(&Permissions::of_role(&bounded)), Found::default());
    }

    #[test]
    fn a_seen_administrator_is_one_whatever_else_is_hidden() {
        let mut hidden = role(allow("*", "*", json!({})));
        hidden.unseen.insert("AttachedPolicies".to_owned(), denied("iam:GetPolicy"));
        assert!(administrative(&Permissions::of_role(&hidden)).decided().is_ok());
        let mut hidden = role(allow("s3:*", "*", json!({})));
        hidden.unseen.insert("AttachedPolicies".to_owned(), denied("iam:GetPolicy"));
        assert!(administrative(&Permissions::of_role(&hidden)).decided().is_err());
        assert!(escalations(ROLE, &Permissions::of_role(&hidden)).decided().is_err());
    }

    #[test]
    fn unscoped_actions_on_identities_are_a_way_up() {
        assert_eq!(found(allow("iam:PutRolePolicy", "*", json!({}))), ["iam:PutRolePolicy on any role"]);
        assert_eq!(found(allow("iam:PutRolePolicy", "arn:aws:iam::*:role/app-*", json!({}))), Vec::<String>::new());
        assert_eq!(
            found(allow("iam:PutRolePolicy", "arn:aws:iam::*:role/Bui*", json!({}))),
            ["iam:PutRolePolicy on itself"]
        );
        assert_eq!(found(allow("iam:Get*", "*", json!({}))), Vec::<String>::new());
        let boundary = json!({"StringEquals": {"iam:PermissionsBoundary": "arn:aws:iam::111111111111:policy/b"}});
        assert_eq!(found(allow("iam:PutRolePolicy", "*", boundary)), Vec::<String>::new());
        let region = json!({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}});
        assert_eq!(found(allow("iam:PutRolePolicy", "*", region)).len(), 1);
        assert_eq!(found(allow("sts:AssumeRole", "*", json!({}))), ["sts:AssumeRole on any role"]);
    }

    #[test]
    fn a_role_is_passed_by_name_or_to_a_named_service() {
        assert_eq!(found(allow("iam:PassRole", "*", json!({}))), ["iam:PassRole of any role to any service"]);
        let service = json!({"StringEqualsIfExists": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}});
        assert_eq!(found(allow("iam:PassRole", "*", service)), Vec::<String>::new());
        assert_eq!(
            found(allow("iam:PassRole", "arn:aws:iam::111111111111:role/Task", json!({}))),
            Vec::<String>::new()
        );
    }
}
