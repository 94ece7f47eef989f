//! What service control policies deny to single principals of an account.
//!
//! In: accounts with the policies on their path, the policies' documents, and a request. Out: whether a `Deny` stops it.
//! Only denials are read: they hold whatever else a policy allows. Policies do not bind the management account.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::permissions::{Answer, Request};
use super::policy_document::{PolicyDocument, Statement, matches_pattern, one_or_many};
use super::seen::{Seen, is_set, list_at, property, text_at};
use crate::inventory::{AccountId, Resource, TypeName};

/// The policies of an organization.
#[derive(Debug, Default)]
pub(super) struct Denials {
    /// Documents by policy id.
    documents: BTreeMap<String, Seen<Value>>,
    /// Ids and names of the policies over an account.
    over: BTreeMap<AccountId, Seen<Vec<(String, String)>>>,
}

/// Whom a statement may leave out.
pub(super) type Exempt<'a> = &'a BTreeSet<String>;

impl Denials {
    /// Takes in an account or a policy, and nothing else.
    pub(super) fn index(&mut self, resource: &Resource) {
        if resource.type_name == TypeName::POLICY {
            let id = resource.uid.as_str().rsplit('/').next().unwrap_or_default().to_owned();
            let content = property(resource, "Content").map(|content| content.cloned().unwrap_or_default());
            self.documents.insert(id, content);
        } else if resource.type_name == TypeName::ACCOUNT {
            let policies = match is_set(resource, "ManagementAccount") {
                Ok(true) => Ok(Vec::new()),
                Ok(false) => property(resource, "ServiceControlPolicies").map(|policies| {
                    let of = |policy, field| text_at(Some(policy), &[field]).to_owned();
                    list_at(policies, &[]).iter().map(|policy| (of(policy, "Id"), of(policy, "Name"))).collect()
                }),
                Err(sentences) => Err(sentences),
            };
            self.over.insert(resource.account.clone(), policies);
        }
    }

    /// The policies over an account; none where no organization was listed.
    fn of_account(&self, account: &AccountId) -> Seen<&[(String, String)]> {
        match self.over.get(account) {
            None => Ok(&[]),
            Some(Ok(policies)) => Ok(policies),
            Some(Err(sentences)) => Err(sentences.clone()),
        }
    }

    /// What is left of a request after all denials: `No` if one of them stops it, a condition if one may.
    pub(super) fn leave(&self, account: &AccountId, request: Request<'_>) -> Seen<Answer> {
        let mut left = Answer::Yes;
        let mut doubts = Vec::new();
        for (id, _) in self.of_account(account)? {
            match self.documents.get(id) {
                Some(Ok(document)) => {
                    for statement in PolicyDocument::new(document).statements().filter(|one| one.denies()) {
                        match request.applies(statement) {
                            Answer::Yes => return Ok(Answer::No),
                            conditionally @ Answer::Conditionally(_) => left = left.and(conditionally),
                            Answer::No => {}
                        }
                    }
                }
                Some(Err(sentences)) => doubts.extend(sentences.iter().cloned()),
                None => {}
            }
        }
        if doubts.is_empty() { Ok(left) } else { Err(doubts) }
    }

    /// Names of the policies over an account that deny `action` on all `resources` to everyone but `exempt`, patterns of
    /// principal ARNs.
    pub(super) fn reserve(
        &self,
        account: &AccountId,
        action: &str,
        resources: &[String],
        exempt: Exempt<'_>,
    ) -> Seen<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        let mut doubts = Vec::new();
        for (id, name) in self.of_account(account)? {
            match self.documents.get(id) {
                Some(Ok(document)) => {
                    let reserves = PolicyDocument::new(document).statements().any(|statement| {
                        statement.denies()
                            && statement.covers_action(action)
                            && resources.iter().all(|resource| statement.covers_resource(resource))
                            && leaves_out_only(statement, exempt)
                    });
                    if reserves {
                        found.insert(name.clone());
                    }
                }
                Some(Err(sentences)) => doubts.extend(sentences.iter().cloned()),
                None => {}
            }
        }
        if found.is_empty() && !doubts.is_empty() { Err(doubts) } else { Ok(found) }
    }
}

/// Whether a statement holds for every principal that none of the patterns names.
fn leaves_out_only(statement: Statement<'_>, exempt: Exempt<'_>) -> bool {
    statement.conditions().all(|(operator, key, value)| {
        let excludes = matches!(operator, "ArnNotLike" | "ArnNotEquals" | "StringNotLike" | "StringNotEquals");
        let values = one_or_many(Some(value));
        excludes
            && key.eq_ignore_ascii_case("aws:PrincipalArn")
            && values.iter().all(|value| {
                let value = value.as_str().unwrap_or("*");
                exempt.iter().any(|pattern| covers(pattern, value))
            })
    })
}

/// Whether everything that `narrow` matches is matched by `wide`, both patterns.
fn covers(wide: &str, narrow: &str) -> bool {
    // A question mark of the wide one stands for one character, a star of the narrow one for many.
    matches_pattern(wide, narrow, false) && !(wide.contains('?') && narrow.contains('*'))
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::testing::{account, denied, member, resource};
    use super::*;

    const APPROVE: &str = "codepipeline:PutApprovalResult";

    fn denials(statement: Value) -> Denials {
        let mut member = member("111111111111", None);
        let policies = json!([{"Id": "p-1", "Name": "Managers", "TargetId": "r-1"}]);
        member.properties.insert("ServiceControlPolicies".to_owned(), policies);
        let mut policy = resource(TypeName::POLICY, "p", json!({"Content": {"Statement": statement}}));
        policy.uid.0 = "arn:aws:organizations::999999999999:policy/o-1/service_control_policy/p-1".to_owned();
        let mut denials = Denials::default();
        denials.index(&member);
        denials.index(&policy);
        denials
    }

    fn deny(condition: Value) -> Value {
        json!({"Effect": "Deny", "Action": APPROVE, "Resource": "*", "Condition": condition})
    }

    fn reserved(statement: Value) -> usize {
        let managers = BTreeSet::from(["arn:aws:iam::*:role/ReleaseManager*".to_owned()]);
        let gates = ["arn:aws:codepipeline:eu-west-1:111111111111:web/S/G".to_owned()];
        denials(statement).reserve(&account(), APPROVE, &gates, &managers).unwrap().len()
    }

    #[test]
    fn only_release_managers_may_be_left_out() {
        let not_like = |value: Value| deny(json!({"ArnNotLike": {"aws:PrincipalArn": value}}));
        assert_eq!(reserved(not_like(json!("arn:aws:iam::*:role/ReleaseManager*"))), 1);
        assert_eq!(reserved(not_like(json!(["arn:aws:iam::*:role/ReleaseManagerPayments"]))), 1);
        assert_eq!(reserved(deny(json!({}))), 1);
        assert_eq!(reserved(not_like(json!("arn:aws:iam::*:role/*"))), 0);
        assert_eq!(reserved(not_like(json!(["arn:aws:iam::*:role/ReleaseManager", "arn:aws:iam::*:role/Admin"]))), 0);
        assert_eq!(reserved(deny(json!({"Bool": {"aws:MultiFactorAuthPresent": "false"}}))), 0);
        assert_eq!(reserved(deny(json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Build"}}))), 0);
        assert_eq!(reserved(json!({"Effect": "Deny", "Action": APPROVE, "Resource": "*:other/*"})), 0);
        assert_eq!(reserved(json!({"Effect": "Allow", "Action": "*", "Resource": "*"})), 0);
    }

    #[test]
    fn denials_name_their_principal() {
        let statement = deny(json!({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/ReleaseManager*"}}));
        let denials = denials(statement);
        let left = |role: &str| {
            let principal = format!("arn:aws:iam::111111111111:role/{role}");
            denials.leave(&account(), Request { action: APPROVE, resource: "x", principal: &principal }).unwrap()
        };
        assert_eq!((left("Build"), left("ReleaseManager")), (Answer::No, Answer::Yes));
    }

    #[test]
    fn an_unread_policy_is_no_policy_only_where_there_is_no_organization() {
        let mut denials = denials(deny(json!({})));
        denials.documents.insert("p-1".to_owned(), Err(vec![denied("organizations:DescribePolicy").sentence()]));
        let request = Request { action: APPROVE, resource: "x", principal: "arn:aws:iam::111111111111:role/x" };
        assert!(denials.leave(&account(), request).is_err());
        assert_eq!(Denials::default().leave(&account(), request), Ok(Answer::Yes));
    }
}
