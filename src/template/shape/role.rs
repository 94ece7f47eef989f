//! `AWS::IAM::Role`, with the policies that stand beside it.
//!
//! In: a role as a template writes it, `AWS::IAM::Policy`, `AWS::IAM::RolePolicy` and `AWS::IAM::ManagedPolicy`. Out: the
//! role as the collector reads it, with the document of every policy that the template shows. A policy whose document is
//! not shown leaves what the role may do open: it may allow anything.

use serde_json::{Value, json};

use super::super::identity;
use super::super::node::{Node, Tree};
use super::Shape;
use super::conversion::{Conversion, elsewhere, names};
use super::form::{Form, TEXT_LIST, map};
use crate::inventory::{GapCause, TypeName};

const ROLE_TYPE: &str = "AWS::IAM::Role";
const MANAGED: &str = "AWS::IAM::ManagedPolicy";

/// Roles.
pub(super) const ROLE: Shape = Shape {
    type_name: ROLE_TYPE,
    becomes: TypeName::ROLE,
    form: Form::Map(&[
        ("RoleName", Form::Text),
        ("AssumeRolePolicyDocument", Form::Policy),
        ("Policies", Form::List(&Form::Map(&[("PolicyName", Form::Text), ("PolicyDocument", Form::Policy)]))),
        ("ManagedPolicyArns", TEXT_LIST),
        ("AttachedPolicies", Form::List(&Form::Map(&[("PolicyArn", Form::Text), ("PolicyDocument", Form::Policy)]))),
        ("PermissionsBoundary", Form::Text),
        ("PermissionsBoundaryDocument", Form::Policy),
    ]),
    convert: role,
    only_deployed: &[],
};

fn role(conversion: &mut Conversion<'_>) {
    put_own(conversion);
    put_attached(conversion);
    put_boundary(conversion);
}

fn put_own(conversion: &mut Conversion<'_>) {
    let Some(mut own) = list(conversion, "Policies") else { return };
    let given_to = |policy: &&super::Raw| {
        let several = policy.property("Roles").map(Node::elements).unwrap_or_default().iter();
        several.chain(policy.property("RoleName")).filter_map(Node::as_str).any(|role| names(role, conversion.raw()))
    };
    let beside = conversion.all("AWS::IAM::Policy").chain(conversion.all("AWS::IAM::RolePolicy")).filter(given_to);
    own.extend(beside.filter_map(|policy| {
        let document = policy.property("PolicyDocument")?.clone();
        let name = policy.property("PolicyName").cloned();
        let name = name.unwrap_or_else(|| Node::text(policy.name.as_str(), policy.span));
        let at = document.clone();
        Some(map(vec![("PolicyName", name), ("PolicyDocument", document)], &at))
    }));
    let span = conversion.raw().span;
    conversion.set("Policies", Node::new(Tree::List(own), span));
}

/// A list to add to; `None` where it is a hole as a whole and stays one.
fn list(conversion: &Conversion<'_>, property: &str) -> Option<Vec<Node>> {
    match conversion.property(property) {
        Some(Node { tree: Tree::List(items), .. }) => Some(items.clone()),
        Some(Node { tree: Tree::String(_), .. }) => None,
        Some(one) => Some(vec![one.clone()]),
        None => Some(Vec::new()),
    }
}

fn put_attached(conversion: &mut Conversion<'_>) {
    let mut arns = match conversion.property("ManagedPolicyArns") {
        Some(Node { tree: Tree::List(items), .. }) => items.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let given = conversion.all(MANAGED).filter(|policy| {
        let roles = policy.property("Roles").map(Node::elements).unwrap_or_default();
        roles.iter().filter_map(Node::as_str).any(|role| conversion.is_named(role))
    });
    for policy in given {
        let arn = identity::uid_of(policy);
        if !arns.iter().any(|known| known.as_str() == Some(&arn)) {
            arns.push(Node::text(arn, policy.span));
        }
    }
    let mut attached = Vec::new();
    let mut hidden = None;
    for node in &arns {
        let Some(arn) = node.as_str() else { continue };
        match document_of(conversion, arn) {
            Ok(document) => {
                attached.push(map(vec![("PolicyArn", node.clone()), ("PolicyDocument", document)], node));
            }
            Err(cause) => hidden = hidden.or(Some(cause)),
        }
    }
    let span = conversion.raw().span;
    if !attached.is_empty() {
        conversion.set("AttachedPolicies", Node::new(Tree::List(attached), span));
    }
    if let Some(cause) = hidden {
        conversion.hide("AttachedPolicies", cause);
    }
    if !arns.is_empty() {
        let is_open =
            arns.len() == 1 && arns.first().is_some_and(|arn| super::whole(arn.as_str().unwrap_or("")).is_some());
        let value = match arns.pop().filter(|_| is_open) {
            // A hole may be a list.
            Some(hole) => hole,
            None => return,
        };
        conversion.set("ManagedPolicyArns", value);
    }
}

/// The document of a managed policy, or why it is not known.
fn document_of(conversion: &Conversion<'_>, arn: &str) -> Result<Node, GapCause> {
    if let Some(policy) = conversion.named(MANAGED, arn) {
        let document = policy.property("PolicyDocument").cloned();
        return document.ok_or_else(|| conversion.why(arn, |name| elsewhere(&format!("the document of {name}"))));
    }
    match arn.split_once(":iam::aws:policy/") {
        // The one policy of AWS whose document says in one line what it does, and always has.
        Some((_, "AdministratorAccess")) => {
            let document: Value = json!({"Version": "2012-10-17",
                                         "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
            Ok(Node::from_value(&document, conversion.raw().span))
        }
        Some(_) => Err(GapCause::OnlyDeployed { what: format!("the document of {arn}") }),
        None => Err(conversion.why(arn, |name| elsewhere(&format!("the managed policy {name}")))),
    }
}

fn put_boundary(conversion: &mut Conversion<'_>) {
    let Some(boundary) = conversion.text("PermissionsBoundary").map(str::to_owned) else { return };
    match document_of(conversion, &boundary) {
        Ok(document) => conversion.set("PermissionsBoundaryDocument", document),
        Err(cause) => conversion.hide("PermissionsBoundaryDocument", cause),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::inventory::Resource;
    use crate::template::Raw;

    fn found(role: Value, others: Vec<Raw>) -> Resource {
        let arn = "arn:aws:iam::111122223333:role/Role";
        let mut all = vec![naming(arn, "Store", ""), raw(ROLE_TYPE, "Role", role)];
        all.extend(others);
        one(&all, "Role").resource
    }

    fn allow(action: &str) -> Value {
        json!({"Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})
    }

    #[test]
    fn policies_beside_a_role_are_part_of_it() {
        let beside = json!({"PolicyName": "beside", "Roles": ["Other", "Role"], "PolicyDocument": allow("s3:*")});
        let single = json!({"PolicyName": "single", "RoleName": "Role", "PolicyDocument": allow("sns:*").to_string()});
        let managed = json!({"Roles": ["Role"], "PolicyDocument": allow("ecs:*")});
        let role = found(
            json!({"AssumeRolePolicyDocument": allow("sts:AssumeRole"), "Description": "x",
                   "Policies": [{"PolicyName": "own", "PolicyDocument": allow("kms:*")}],
                   "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]}),
            vec![
                raw("AWS::IAM::Policy", "Beside", beside),
                raw("AWS::IAM::RolePolicy", "Single", single),
                raw(MANAGED, "Shared", managed),
            ],
        );
        let names: Vec<&str> = role.properties["Policies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|policy| policy["PolicyName"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["own", "beside", "single"]);
        assert_eq!(role.properties["Policies"][2]["PolicyDocument"], allow("sns:*"));
        let attached: Vec<&str> = role.properties["AttachedPolicies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|policy| policy["PolicyArn"].as_str().unwrap())
            .collect();
        assert_eq!(
            attached,
            ["arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws:iam::111122223333:policy/Shared"]
        );
        assert!(role.unseen.is_empty());
    }

    #[test]
    fn a_document_that_is_not_shown_leaves_the_permissions_open() {
        let cause = |arns: Value| {
            found(json!({"ManagedPolicyArns": arns}), Vec::new()).unseen.remove("AttachedPolicies").unwrap().cause
        };
        assert!(matches!(cause(json!(["arn:aws:iam::aws:policy/PowerUserAccess"])), GapCause::OnlyDeployed { .. }));
        assert!(matches!(cause(json!(["arn:aws:iam::111122223333:policy/far"])), GapCause::Elsewhere { .. }));
        let both =
            found(json!({"ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess", "x"]}), Vec::new());
        assert!(both.properties.contains_key("AttachedPolicies") && both.unseen.contains_key("AttachedPolicies"));
    }

    #[test]
    fn a_boundary_is_read_where_it_is_declared() {
        let arn = "arn:aws:iam::111122223333:policy/Limit";
        let limit = raw(MANAGED, "Limit", json!({"PolicyDocument": allow("s3:*")}));
        let role = found(json!({"PermissionsBoundary": arn}), vec![limit]);
        assert_eq!(role.properties["PermissionsBoundaryDocument"], allow("s3:*"));
        let role = found(json!({"PermissionsBoundary": arn}), Vec::new());
        assert!(role.unseen.contains_key("PermissionsBoundaryDocument"));
    }
}
