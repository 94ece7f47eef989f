//! Ways from a role to more than the role: administration, and what leads to it.
//!
//! In: a role's permissions. Out: the policies that grant everything, and the actions by which the role could take more
//! for itself. Whether something is scoped is asked with a role that no policy names: what is allowed on that one is
//! allowed on any.

use std::collections::BTreeSet;

use serde_json::{Value, json};

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
    (ASSUME, On::Role),
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
];

/// Those of them that every request carries, so that a condition which holds without them narrows all the same.
const ALWAYS_THERE: &[&str] = &["iam:passedtoservice", "iam:policyarn"];

const ASSUME: &str = "sts:AssumeRole";

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
    if !may_speak_of_identities(permissions) {
        return found;
    }
    let any = |kind: &str| format!("arn:{}:iam::{}:{kind}/{ANY}", arn.partition, arn.account);
    let (to_grant, to_assume) = (without_narrowing(permissions, PASS_ROLE), without_narrowing(permissions, ASSUME));
    for (action, on) in ESCALATIONS {
        let permissions = if *action == ASSUME { &to_assume } else { &to_grant };
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
    let passes = to_grant.allows(PASS_ROLE, &any("role")).map(opens);
    found.add_if(format!("{PASS_ROLE} of any role to any service"), &passes);
    found.doubts = BTreeSet::from_iter(std::mem::take(&mut found.doubts)).into_iter().collect();
    found
}

/// Whether anything that is known or hidden could allow an action of IAM or STS. Most roles are told apart here.
fn may_speak_of_identities(permissions: &Permissions) -> bool {
    let reaches = |pattern: &str| {
        let fixed = pattern.split(['*', '?', '$']).next().unwrap_or_default().to_ascii_lowercase();
        ["iam:", "sts:"].iter().any(|service| service.starts_with(&fixed) || fixed.starts_with(service))
    };
    let speaks = |document: &Value| {
        PolicyDocument::new(document).statements().any(|statement| {
            let fields = statement.fields();
            statement.allows() && (fields.contains_key("NotAction") || strings(fields.get("Action")).any(reaches))
        })
    };
    !permissions.hidden.is_empty() || permissions.policies.iter().any(|policy| speaks(&policy.document))
}

/// Whether an answer leaves a way: what narrows is no part of the permissions any more.
#[expect(clippy::needless_pass_by_value, reason = "it is given to `map`")]
fn opens(answer: Answer) -> bool {
    answer != Answer::No
}

/// The permissions as far as they leave a way: without statements that allow narrowly, and with those that deny all but
/// something narrow as denials of all. Statement by statement, because a narrow one takes nothing from a wide one.
fn without_narrowing(permissions: &Permissions, action: &str) -> Permissions {
    let mut left = permissions.clone();
    for policy in &mut left.policies {
        policy.document = unnarrowed(&policy.document, action);
    }
    left.boundary = left.boundary.map(|boundary| boundary.map(|document| unnarrowed(&document, action)));
    left
}

fn unnarrowed(document: &Value, action: &str) -> Value {
    let document = PolicyDocument::new(document);
    let statements = document.statements().filter_map(|statement| {
        let mut fields = statement.fields().clone();
        if statement.allows()
            && statement.conditions().any(|(operator, key, value)| narrows(operator, key, value, action))
        {
            return None;
        }
        if statement.denies()
            && let Some(lines) = fields.get_mut("Condition").and_then(Value::as_object_mut)
        {
            for (operator, keys) in lines {
                let Some(keys) = keys.as_object_mut() else { continue };
                keys.retain(|key, value| !spares_only_narrowly(operator, key, value, action));
            }
        }
        Some(Value::Object(fields))
    });
    json!({"Statement": statements.collect::<Vec<_>>()})
}

fn is_narrowing(key: &str, action: &str) -> bool {
    let key = key.to_ascii_lowercase();
    NARROWING.contains(&key.as_str())
        || key.starts_with("aws:resourcetag/")
        || key.starts_with("iam:resourcetag/")
        // Identities of other accounts cannot be touched anyway, only assumed.
        || action == ASSUME && key == "aws:resourceaccount"
}

/// An operator without its prefix for sets and its suffix for missing keys, and whether it holds without its key.
fn bare(operator: &str) -> (&str, bool) {
    let (set, name) = operator.rsplit_once(':').unwrap_or(("", operator));
    let optional = name.ends_with("IfExists") || set.eq_ignore_ascii_case("ForAllValues");
    (name.trim_end_matches("IfExists"), optional)
}

fn names_everything(value: &Value) -> bool {
    strings(Some(value)).any(|value| !value.is_empty() && value.bytes().all(|byte| byte == b'*'))
}

/// Whether a line of a permission's condition says what it is for.
fn narrows(operator: &str, key: &str, value: &Value, action: &str) -> bool {
    let (name, optional) = bare(operator);
    let positive = match name {
        "StringEquals" | "StringEqualsIgnoreCase" => true,
        "StringLike" | "ArnLike" | "ArnEquals" => !names_everything(value),
        "Null" => *value == false || *value == "false",
        _ => false,
    };
    positive && is_narrowing(key, action) && (!optional || ALWAYS_THERE.contains(&key.to_ascii_lowercase().as_str()))
}

/// Whether a line of a denial's condition spares nothing but what it names.
fn spares_only_narrowly(operator: &str, key: &str, value: &Value, action: &str) -> bool {
    let negative = match bare(operator).0 {
        "StringNotEquals" | "StringNotEqualsIgnoreCase" => true,
        "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => !names_everything(value),
        "Null" => *value == true || *value == "true",
        _ => false,
    };
    negative && is_narrowing(key, action)
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
    fn a_condition_narrows_only_what_its_own_statement_allows() {
        let to_build = json!({"StringEquals": {"iam:PassedToService": "codebuild.amazonaws.com"}});
        let from_office = json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}});
        let narrow = allow("iam:PassRole", "*", to_build);
        let wide = allow("iam:PassRole", "*", from_office);
        assert_eq!(found(narrow.clone()), Vec::<String>::new());
        assert_eq!(found(json!([narrow, wide])).len(), 1);
        // All but one thing is nearly everything.
        let but = json!({"StringNotEquals": {"iam:PassedToService": "ec2.amazonaws.com"}});
        assert_eq!(found(allow("iam:PassRole", "*", but)).len(), 1);
        let any = json!({"StringLike": {"iam:PassedToService": "*"}});
        assert_eq!(found(allow("iam:PassRole", "*", any)).len(), 1);
        let untagged = json!({"StringEqualsIfExists": {"aws:ResourceTag/team": "web"}});
        assert_eq!(found(allow("iam:PutRolePolicy", "*", untagged)).len(), 1);
        // Every role that it could touch is of its own account.
        let own = json!({"StringEquals": {"aws:ResourceAccount": "111111111111"}});
        assert_eq!(found(allow("iam:PutRolePolicy", "*", own.clone())).len(), 1);
        assert_eq!(found(allow("sts:AssumeRole", "*", own)), Vec::<String>::new());
    }

    #[test]
    fn a_denial_closes_only_what_it_denies() {
        let with = |condition: Value| {
            let deny = json!({"Effect": "Deny", "Action": "iam:*", "Resource": "*", "Condition": condition});
            found(json!([allow("iam:PutRolePolicy", "*", json!({})), deny]))
        };
        assert_eq!(with(json!({"StringEquals": {"aws:ResourceTag/protected": "true"}})).len(), 1);
        assert_eq!(with(json!({"StringNotEquals": {"aws:ResourceTag/team": "web"}})), Vec::<String>::new());
        assert_eq!(with(json!({})), Vec::<String>::new());
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
