//! IAM: the roles that pipelines, actions, builds and deployments work with.
//!
//! In: a scope and references to roles of its account, by ARN or name. Out: `AWS::IAM::Role` with every document that
//! decides what the role may do: its trust, its own policies, the attached ones and its permissions boundary. A managed
//! policy that several roles share is read once.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_iam::Client;
use aws_sdk_iam::types::Role;
use serde_json::Value;

use super::fields::{Fields, document};
use super::pages::{Listed, all_pages, in_order};
use super::{CallError, Collected, Collector, Reach, Scope};
use crate::inventory::{Arn, Reference, Resource, TypeName};

/// Reads IAM.
#[derive(Debug, Clone, Copy)]
pub struct Iam;

const GET_ROLE: &str = "iam:GetRole";
const LIST_ROLE_POLICIES: &str = "iam:ListRolePolicies";
const GET_ROLE_POLICY: &str = "iam:GetRolePolicy";
const LIST_ATTACHED: &str = "iam:ListAttachedRolePolicies";
const GET_POLICY: &str = "iam:GetPolicy";
const GET_POLICY_VERSION: &str = "iam:GetPolicyVersion";

#[async_trait]
impl Collector for Iam {
    fn service(&self) -> &'static str {
        "iam"
    }

    fn actions(&self) -> &'static [&'static str] {
        &[GET_ROLE, LIST_ROLE_POLICIES, GET_ROLE_POLICY, LIST_ATTACHED, GET_POLICY, GET_POLICY_VERSION]
    }

    fn types(&self) -> &'static [TypeName] {
        const { &[TypeName::ROLE] }
    }

    fn reach(&self) -> Reach {
        Reach::Referenced
    }

    async fn collect(&self, scope: &Scope, wanted: &[Reference]) -> Collected {
        let client = Client::new(scope.config());
        let names: BTreeSet<&str> = wanted.iter().map(|reference| reference.name.as_str()).collect();
        let mut roles = in_order(names.iter().map(|name| read_role(scope, &client, name)).collect()).await;
        let managed: BTreeSet<String> =
            roles.iter().flat_map(|read| read.attached.iter().chain(&read.boundary)).cloned().collect();
        let answers = in_order(managed.iter().map(|arn| managed_document(scope, &client, arn)).collect()).await;
        let documents: BTreeMap<&str, Result<Value, CallError>> =
            managed.iter().map(String::as_str).zip(answers).collect();
        for role in &mut roles {
            role.put_managed(scope, &documents);
        }
        Collected { resources: roles.into_iter().map(|role| role.resource).collect(), ..Collected::default() }
    }
}

/// A role, and the managed policies that it names.
struct ReadRole {
    resource: Resource,
    attached: Vec<String>,
    boundary: Option<String>,
}

impl ReadRole {
    /// Adds the documents of the managed policies; one that could not be read hides that there is no other.
    fn put_managed(&mut self, scope: &Scope, documents: &BTreeMap<&str, Result<Value, CallError>>) {
        let mut read = Vec::new();
        for arn in &self.attached {
            match documents.get(arn.as_str()) {
                Some(Ok(document)) => {
                    let policy =
                        Fields::new().text("PolicyArn", Some(arn)).put("PolicyDocument", Some(document.clone()));
                    read.push(policy.value());
                }
                Some(Err(error)) => error.clone().hides(scope, &mut self.resource, &["AttachedPolicies"]),
                None => {}
            }
        }
        if !read.is_empty() {
            self.resource.properties.insert("AttachedPolicies".to_owned(), Value::Array(read));
        }
        match self.boundary.as_deref().and_then(|arn| documents.get(arn)) {
            Some(Ok(document)) => {
                self.resource.properties.insert("PermissionsBoundaryDocument".to_owned(), document.clone());
            }
            Some(Err(error)) => error.clone().hides(scope, &mut self.resource, &["PermissionsBoundaryDocument"]),
            None => {}
        }
    }
}

async fn read_role(scope: &Scope, client: &Client, name: &str) -> ReadRole {
    let role_name = role_name(name);
    let mut resource = Resource::live(TypeName::ROLE, uid_of(scope, name), scope.account.clone(), scope.region.clone());
    resource.properties.insert("RoleName".to_owned(), Value::from(role_name));
    let mut read = ReadRole { resource, attached: Vec::new(), boundary: None };
    let answer = scope.call(GET_ROLE, || client.get_role().role_name(role_name).send()).await;
    let role =
        answer.and_then(|answer| answer.role.ok_or_else(|| CallError::malformed(GET_ROLE, "the answer holds no role")));
    match role {
        Ok(role) => put_role(scope, &mut read, &role),
        Err(error) => {
            error.hides(scope, &mut read.resource, &["*"]);
            return read;
        }
    }
    read_inline(scope, client, role_name, &mut read.resource).await;
    let listed = attached_policies(scope, client, role_name).await;
    if let Some(error) = listed.error {
        error.hides(scope, &mut read.resource, &["ManagedPolicyArns", "AttachedPolicies"]);
    }
    read.attached = listed.items;
    read.attached.sort();
    read.attached.dedup();
    let fields = Fields::new().texts("ManagedPolicyArns", &read.attached);
    read.resource.properties.extend(fields.properties());
    read
}

fn put_role(scope: &Scope, read: &mut ReadRole, role: &Role) {
    read.resource.tags = role.tags().iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect();
    match role.assume_role_policy_document().map(|text| decoded(GET_ROLE, text)).transpose() {
        Ok(trust) => {
            let fields = Fields::new().put("AssumeRolePolicyDocument", trust);
            read.resource.properties.extend(fields.properties());
        }
        Err(error) => error.hides(scope, &mut read.resource, &["AssumeRolePolicyDocument"]),
    }
    let boundary = role.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn());
    read.boundary = boundary.map(str::to_owned);
    let fields = Fields::new().text("PermissionsBoundary", boundary);
    read.resource.properties.extend(fields.properties());
}

/// The policies that are part of the role itself.
async fn read_inline(scope: &Scope, client: &Client, role_name: &str, resource: &mut Resource) {
    let listed = all_pages(LIST_ROLE_POLICIES, |marker| async move {
        let ask = || client.list_role_policies().role_name(role_name).set_marker(marker.clone()).send();
        let page = scope.call(LIST_ROLE_POLICIES, ask).await?;
        let next = page.marker.filter(|_| page.is_truncated);
        Ok((page.policy_names, next))
    })
    .await;
    let mut names = listed.items;
    names.sort();
    names.dedup();
    let jobs = names.iter().map(|name| inline_document(scope, client, role_name, name)).collect();
    let mut policies = Vec::new();
    for (name, answer) in names.iter().zip(in_order(jobs).await) {
        match answer {
            Ok(document) => {
                let policy = Fields::new().text("PolicyName", Some(name)).put("PolicyDocument", Some(document));
                policies.push(policy.value());
            }
            Err(error) => error.hides(scope, resource, &["Policies"]),
        }
    }
    if let Some(error) = listed.error {
        error.hides(scope, resource, &["Policies"]);
    }
    // What was read stays beside the gap: one policy that grants too much is enough for a finding.
    if !policies.is_empty() {
        resource.properties.insert("Policies".to_owned(), Value::Array(policies));
    }
}

async fn inline_document(scope: &Scope, client: &Client, role: &str, policy: &str) -> Result<Value, CallError> {
    let ask = || client.get_role_policy().role_name(role).policy_name(policy).send();
    let answer = scope.call(GET_ROLE_POLICY, ask).await?;
    decoded(GET_ROLE_POLICY, answer.policy_document())
}

async fn attached_policies(scope: &Scope, client: &Client, role_name: &str) -> Listed<String> {
    all_pages(LIST_ATTACHED, |marker| async move {
        let ask = || client.list_attached_role_policies().role_name(role_name).set_marker(marker.clone()).send();
        let page = scope.call(LIST_ATTACHED, ask).await?;
        let next = page.marker.filter(|_| page.is_truncated);
        let policies = page.attached_policies.unwrap_or_default();
        Ok((policies.into_iter().filter_map(|policy| policy.policy_arn).collect(), next))
    })
    .await
}

/// The version of a managed policy that is in force.
async fn managed_document(scope: &Scope, client: &Client, arn: &str) -> Result<Value, CallError> {
    let answer = scope.call(GET_POLICY, || client.get_policy().policy_arn(arn).send()).await?;
    let version = answer.policy.and_then(|policy| policy.default_version_id);
    let version = version.ok_or_else(|| CallError::malformed(GET_POLICY, "a policy without a default version"))?;
    let ask = || client.get_policy_version().policy_arn(arn).version_id(&version).send();
    let answer = scope.call(GET_POLICY_VERSION, ask).await?;
    let text = answer.policy_version.and_then(|version| version.document);
    let text = text.ok_or_else(|| CallError::malformed(GET_POLICY_VERSION, "a policy version without a document"))?;
    decoded(GET_POLICY_VERSION, &text)
}

/// A document as IAM answers it: JSON, percent-encoded.
fn decoded(action: &'static str, text: &str) -> Result<Value, CallError> {
    let plain = percent_decoded(text)
        .ok_or_else(|| CallError::malformed(action, "the policy document is not percent-encoded text"))?;
    document(&plain).map_err(|problem| CallError::malformed(action, problem))
}

/// Undoes percent-encoding (RFC 3986); a plus stays a plus.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let [high, low] = [rest.next()?, rest.next()?].map(|digit| char::from(digit).to_digit(16));
            bytes.push(u8::try_from(high? * 16 + low?).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The role's own name, without path.
fn role_name(name: &str) -> &str {
    let resource = Arn::parse(name).map_or(name, |arn| arn.resource);
    resource.rsplit('/').next().unwrap_or(resource)
}

fn uid_of(scope: &Scope, name: &str) -> String {
    match Arn::parse(name) {
        Ok(_) => name.to_owned(),
        Err(_) => format!("arn:{}:iam::{}:role/{name}", scope.partition, scope.account),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::test_support::{Answer, Answers, by_operation, endpoint, every_refusal_leaves_a_gap, reference};
    use super::*;

    const ARN: &str = "arn:aws:iam::111122223333:role/service-role/Build";
    const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

    fn answers() -> Answers {
        by_operation(&[
            (
                "GetRole",
                Answer::Xml(
                    "<GetRoleResponse><GetRoleResult><Role><Path>/service-role/</Path><RoleName>Build</RoleName>\
                     <RoleId>AROA1</RoleId><Arn>arn:aws:iam::111122223333:role/service-role/Build</Arn>\
                     <CreateDate>2026-01-01T00:00:00Z</CreateDate>\
                     <AssumeRolePolicyDocument>%7B%22Statement%22%3A%5B%5D%7D</AssumeRolePolicyDocument>\
                     <Tags><member><Key>team</Key><Value>web</Value></member></Tags>\
                     <PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType>\
                     <PermissionsBoundaryArn>arn:aws:iam::aws:policy/AdministratorAccess</PermissionsBoundaryArn>\
                     </PermissionsBoundary></Role></GetRoleResult></GetRoleResponse>",
                ),
            ),
            (
                "ListRolePolicies",
                Answer::Xml(
                    "<ListRolePoliciesResponse><ListRolePoliciesResult><PolicyNames><member>own</member></PolicyNames>\
                     <IsTruncated>false</IsTruncated></ListRolePoliciesResult></ListRolePoliciesResponse>",
                ),
            ),
            (
                "GetRolePolicy",
                Answer::Xml(
                    "<GetRolePolicyResponse><GetRolePolicyResult><RoleName>Build</RoleName><PolicyName>own</PolicyName>\
                     <PolicyDocument>%7B%22Statement%22%3A%7B%22Action%22%3A%22s3%3A%2A%22%7D%7D</PolicyDocument>\
                     </GetRolePolicyResult></GetRolePolicyResponse>",
                ),
            ),
            (
                "ListAttachedRolePolicies",
                Answer::Xml(
                    "<ListAttachedRolePoliciesResponse><ListAttachedRolePoliciesResult><AttachedPolicies><member>\
                     <PolicyName>AdministratorAccess</PolicyName>\
                     <PolicyArn>arn:aws:iam::aws:policy/AdministratorAccess</PolicyArn></member></AttachedPolicies>\
                     <IsTruncated>false</IsTruncated></ListAttachedRolePoliciesResult>\
                     </ListAttachedRolePoliciesResponse>",
                ),
            ),
            (
                "GetPolicy",
                Answer::Xml(
                    "<GetPolicyResponse><GetPolicyResult><Policy><DefaultVersionId>v3</DefaultVersionId></Policy>\
                     </GetPolicyResult></GetPolicyResponse>",
                ),
            ),
            (
                "GetPolicyVersion",
                Answer::Xml(
                    "<GetPolicyVersionResponse><GetPolicyVersionResult><PolicyVersion><VersionId>v3</VersionId>\
                     <Document>%7B%22Statement%22%3A%7B%22Action%22%3A%22%2A%22%7D%7D</Document></PolicyVersion>\
                     </GetPolicyVersionResult></GetPolicyVersionResponse>",
                ),
            ),
        ])
    }

    #[tokio::test]
    async fn a_role_is_brought_with_all_its_documents_and_no_refusal_is_lost() {
        let wanted = [reference(TypeName::ROLE, ARN)];
        let found = every_refusal_leaves_a_gap(&Iam, Iam.actions(), &wanted, answers(), &[]).await;
        let [role] = found.resources.as_slice() else { panic!("{:?}", found.resources) };
        assert_eq!(role.uid.as_str(), ARN);
        assert_eq!(role.tags.get("team").map(String::as_str), Some("web"));
        assert_eq!(
            Value::Object(role.properties.clone()),
            json!({
                "RoleName": "Build", "AssumeRolePolicyDocument": {"Statement": []},
                "Policies": [{"PolicyName": "own", "PolicyDocument": {"Statement": {"Action": "s3:*"}}}],
                "ManagedPolicyArns": [ADMINISTRATOR],
                "AttachedPolicies": [{"PolicyArn": ADMINISTRATOR, "PolicyDocument": {"Statement": {"Action": "*"}}}],
                "PermissionsBoundary": ADMINISTRATOR, "PermissionsBoundaryDocument": {"Statement": {"Action": "*"}},
            })
        );
    }

    #[tokio::test]
    async fn a_policy_that_two_roles_share_is_read_once() {
        let endpoint = endpoint(answers(), &[]).await;
        let other = "arn:aws:iam::111122223333:role/Deploy";
        let found = Iam.collect(&endpoint.scope, &[ARN, other].map(|name| reference(TypeName::ROLE, name))).await;
        assert_eq!(found.resources.len(), 2);
        assert_eq!(endpoint.calls().iter().filter(|call| *call == "GetPolicyVersion").count(), 1);
    }

    #[tokio::test]
    async fn a_refused_document_hides_only_itself() {
        let endpoint = endpoint(answers(), &[GET_ROLE_POLICY]).await;
        let found = Iam.collect(&endpoint.scope, &[reference(TypeName::ROLE, "Build")]).await;
        let role = found.resources.first().unwrap();
        assert_eq!(role.uid.as_str(), "arn:aws:iam::111122223333:role/Build");
        assert_eq!(role.unseen.keys().collect::<Vec<_>>(), ["Policies"]);
        assert!(role.properties.contains_key("AttachedPolicies"));
    }

    #[test]
    fn percent_encoding_is_undone() {
        assert_eq!(percent_decoded("%7B%22a%22%3A%22b+c%22%7D").as_deref(), Some("{\"a\":\"b+c\"}"));
        assert_eq!(percent_decoded("%7"), None);
        assert_eq!(percent_decoded("%zz"), None);
        assert_eq!(role_name("arn:aws:iam::111122223333:role/a/b/Name"), "Name");
    }
}
