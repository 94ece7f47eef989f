//! Who may push to a branch of `CodeCommit`: service control policies that deny it.
//!
//! In: accounts with the policies on their path, and the policies' contents. Out: whether actions on a branch are denied
//! to everyone, but for whom, and by which policies. `CodeCommit` has no branch protection of its own; identity policies
//! only ever give, so without such a denial anyone may push who is given the permission.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::joins::Joins;
use super::policy_condition::open;
use super::policy_document::{PolicyDocument, Statement, matches_pattern, strings};
use super::seen::{Seen, is_set, list_at, name, property, text_at};
use crate::inventory::{AccountId, Arn, Resource, TypeName};

/// Every way to change a branch without a pull request.
pub(super) const DIRECT_PUSH: &[&str] = &[
    "codecommit:GitPush",
    "codecommit:PutFile",
    "codecommit:DeleteFile",
    "codecommit:CreateCommit",
    "codecommit:MergeBranchesByFastForward",
    "codecommit:MergeBranchesBySquash",
    "codecommit:MergeBranchesByThreeWay",
];

/// Sets the approval rules of a pull request aside.
pub(super) const OVERRIDE: &str = "codecommit:OverridePullRequestApprovalRules";

/// A service control policy, as far as it denies anything in `CodeCommit`.
#[derive(Debug)]
pub(super) struct DenyingPolicy {
    name: String,
    /// Its denying statements, as a document.
    denials: Seen<Value>,
}

/// The policies on the path to an account.
#[derive(Debug)]
pub(super) struct AttachedPolicies {
    ids: Seen<Vec<String>>,
    /// No policy binds the management account.
    management: Seen<bool>,
}

/// A denial of some actions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Denial {
    /// Names of the policies.
    pub(super) by: BTreeSet<String>,
    /// Patterns of principals that it leaves out.
    pub(super) exceptions: BTreeSet<String>,
}

/// What is asked of a branch.
pub(super) struct Pushed<'a> {
    pub(super) account: &'a AccountId,
    /// ARN of the repository.
    pub(super) repository: &'a str,
    /// `refs/heads/main`
    pub(super) reference: &'a str,
}

pub(super) fn index_policy(resource: &Resource, joins: &mut Joins) {
    let Some(id) = resource.uid.as_str().rsplit('/').next() else { return };
    let denials = property(resource, "Content").map(|content| {
        let document = content.cloned().unwrap_or_default();
        let parsed = match &document {
            Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
            _ => document,
        };
        let statements = match parsed.get("Statement") {
            Some(Value::Array(statements)) => statements.clone(),
            Some(one) => vec![one.clone()],
            None => Vec::new(),
        };
        let denying = |statement: &Value| text_at(Some(statement), &["Effect"]) == "Deny";
        json!({"Statement": statements.into_iter().filter(denying).collect::<Vec<Value>>()})
    });
    let entry = DenyingPolicy { name: name(resource, "Name").to_owned(), denials };
    joins.denying_policies.insert(id.to_owned(), entry);
}

pub(super) fn index_account(resource: &Resource, joins: &mut Joins) {
    let ids = property(resource, "ServiceControlPolicies").map(|policies| {
        let ids = list_at(policies, &[]).iter().map(|policy| text_at(Some(policy), &["Id"]).to_owned());
        ids.collect::<BTreeSet<String>>().into_iter().collect()
    });
    let entry = AttachedPolicies { ids, management: is_set(resource, "ManagementAccount") };
    joins.attached_policies.insert(resource.account.clone(), entry);
}

/// Whether all of `actions` on a branch are denied to everyone but a few; `None` if one of them is open.
pub(super) fn denial(actions: &[&str], pushed: &Pushed<'_>, joins: &Joins) -> Seen<Option<Denial>> {
    let Some(attached) = joins.attached_policies.get(pushed.account).filter(|_| joins.organization.is_some()) else {
        return Err(vec![format!("service control policies over account {} were not looked at", pushed.account)]);
    };
    if attached.management.clone()? {
        return Ok(None);
    }
    let ids = attached.ids.as_ref().map_err(Clone::clone)?;
    let mut doubts = Vec::new();
    let mut policies = Vec::new();
    for id in ids {
        match joins.denying_policies.get(id) {
            Some(DenyingPolicy { name, denials: Ok(denials) }) => policies.push((name, PolicyDocument::new(denials))),
            Some(DenyingPolicy { denials: Err(sentences), .. }) => doubts.extend_from_slice(sentences),
            None => doubts.extend(not_found(id, joins)),
        }
    }
    let mut all = Denial::default();
    for action in actions {
        let statements = policies.iter().flat_map(|(name, document)| {
            document.statements().filter_map(move |statement| Some((*name, exceptions(statement, action, pushed)?)))
        });
        // Whoever one denial leaves out, another may bind: the one that leaves out the fewest says most.
        match statements.min_by_key(|(_, exceptions)| exceptions.len()) {
            Some((name, exceptions)) => {
                all.by.insert(name.clone());
                all.exceptions.extend(exceptions);
            }
            None if doubts.is_empty() => return Ok(None),
            None => return Err(doubts),
        }
    }
    Ok(Some(all))
}

fn not_found(id: &str, joins: &Joins) -> Vec<String> {
    let sentences = joins.gaps.over_type(&TypeName::POLICY);
    if sentences.is_empty() { vec![format!("service control policy {id} was not looked at")] } else { sentences }
}

/// The principals that a statement leaves out of its denial of an action on the branch; `None` if it denies less than the
/// whole action.
fn exceptions(statement: Statement<'_>, action: &str, pushed: &Pushed<'_>) -> Option<BTreeSet<String>> {
    if !statement.denies() || !statement.covers_action(action) || !statement.covers_resource(pushed.repository) {
        return None;
    }
    // A request to set rules aside names no branch.
    let reference = (action != OVERRIDE).then_some(pushed.reference);
    let mut left_out = BTreeSet::new();
    for (operator, key, value) in statement.conditions() {
        match key.to_ascii_lowercase().as_str() {
            "codecommit:references" if holds_for(operator, value, reference) => {}
            "aws:principalarn" => {
                let negated = matches!(
                    operator.trim_end_matches("IfExists"),
                    "StringNotEquals" | "StringNotLike" | "ArnNotEquals" | "ArnNotLike"
                );
                let patterns: BTreeSet<String> = strings(Some(value)).map(str::to_owned).collect();
                if !negated || patterns.iter().any(|pattern| is_everyone(pattern, pushed)) {
                    return None;
                }
                left_out.extend(patterns);
            }
            _ => return None,
        }
    }
    Some(left_out)
}

/// Whether a condition on the pushed branch holds for this one. A push may name several: a condition on all of them is
/// evaded by pushing another one along.
fn holds_for(operator: &str, value: &Value, reference: Option<&str>) -> bool {
    let operator = operator.strip_prefix("ForAnyValue:").unwrap_or(operator);
    let if_exists = operator.ends_with("IfExists");
    let matched = |wildcards: bool| {
        reference.map(|reference| {
            strings(Some(value)).any(|text| text == reference || wildcards && matches_pattern(text, reference, false))
        })
    };
    match operator.trim_end_matches("IfExists") {
        "StringEquals" => matched(false).unwrap_or(if_exists),
        "StringLike" => matched(true).unwrap_or(if_exists),
        "StringNotEquals" => matched(false).is_none_or(|matched| !matched),
        "StringNotLike" => matched(true).is_none_or(|matched| !matched),
        "Null" => {
            let absent = *value == Value::Bool(true) || value.as_str() == Some("true");
            absent == reference.is_none()
        }
        _ => false,
    }
}

/// Whether a pattern of principals leaves out any role of the account, whatever its name.
fn is_everyone(pattern: &str, pushed: &Pushed<'_>) -> bool {
    let partition = Arn::parse(pushed.repository).map_or("aws", |arn| arn.partition);
    let anybody = format!("arn:{partition}:iam::{}:role/\u{1}", pushed.account);
    matches_pattern(&open(pattern), &anybody, false)
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::inventory::Region;

    const REPOSITORY: &str = "arn:aws:codecommit:eu-west-1:111111111111:web";

    fn policy(id: &str, content: Value) -> Resource {
        let mut policy = resource(TypeName::POLICY, id, json!({"Name": format!("Deny{id}"), "Content": content}));
        policy.uid.0 = format!("arn:aws:organizations::999999999999:policy/o-own/service_control_policy/{id}");
        policy.region = Region::GLOBAL;
        policy
    }

    fn under(policies: &[Resource]) -> Joins {
        let mut member = member("111111111111", None);
        let ids =
            policies.iter().map(|policy| json!({"Id": policy.uid.as_str().rsplit('/').next(), "TargetId": "r-1"}));
        member.properties.insert("ServiceControlPolicies".to_owned(), ids.collect());
        let all: Vec<Resource> = policies.iter().cloned().chain([member]).collect();
        joins(&all, &[])
    }

    fn asked(actions: &[&str], joins: &Joins) -> Seen<Option<Denial>> {
        denial(actions, &Pushed { account: &account(), repository: REPOSITORY, reference: "refs/heads/main" }, joins)
    }

    fn deny(condition: Value) -> Value {
        json!({"Statement": {"Effect": "Deny", "Action": "codecommit:*", "Resource": "*", "Condition": condition}})
    }

    #[test]
    fn a_denial_on_the_branch_closes_it() {
        let condition = json!({
            "StringEqualsIfExists": {"codecommit:References": ["refs/heads/main", "refs/heads/prod"]},
            "Null": {"codecommit:References": "false"},
        });
        let joins = under(&[policy("p-1", deny(condition))]);
        let denied = asked(DIRECT_PUSH, &joins).unwrap().unwrap();
        assert_eq!(denied, Denial { by: ["Denyp-1".to_owned()].into(), exceptions: BTreeSet::new() });
        // The request to set rules aside carries no branch, so this statement does not speak of it.
        assert_eq!(asked(&[OVERRIDE], &joins), Ok(None));
        let elsewhere = Pushed { account: &account(), repository: REPOSITORY, reference: "refs/heads/dev" };
        assert_eq!(denial(DIRECT_PUSH, &elsewhere, &joins), Ok(None));
    }

    #[test]
    fn what_denies_less_closes_nothing() {
        let incomplete = json!({"Statement": [{"Effect": "Deny", "Action": ["codecommit:GitPush"], "Resource": "*"}]});
        let joins = under(&[policy("p-1", incomplete)]);
        assert_eq!(asked(DIRECT_PUSH, &joins), Ok(None));
        assert!(asked(&["codecommit:GitPush"], &joins).unwrap().is_some());
        for condition in [
            json!({"ForAllValues:StringEquals": {"codecommit:References": "refs/heads/main"}}),
            json!({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}),
            json!({"StringNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}),
            json!({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::${aws:PrincipalAccount}:role/*"}}),
            json!({"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Developer"}}),
            json!({"StringEquals": {"codecommit:References": "refs/heads/*"}}),
        ] {
            let joins = under(&[policy("p-1", deny(condition.clone()))]);
            assert_eq!(asked(DIRECT_PUSH, &joins), Ok(None), "{condition}");
        }
    }

    #[test]
    fn exceptions_are_named_and_the_strictest_denial_counts() {
        let but = |role: &str| {
            deny(
                json!({"ArnNotLike": {"aws:PrincipalArn": [role]}, "StringLike": {"codecommit:References": "refs/heads/m*"}}),
            )
        };
        let role = "arn:aws:iam::*:role/Release";
        let joins = under(&[policy("p-1", but(role))]);
        assert_eq!(asked(DIRECT_PUSH, &joins).unwrap().unwrap().exceptions, BTreeSet::from([role.to_owned()]));
        let joins = under(&[policy("p-1", but(role)), policy("p-2", deny(json!({})))]);
        assert_eq!(asked(DIRECT_PUSH, &joins).unwrap().unwrap().exceptions, BTreeSet::new());
    }

    #[test]
    fn what_could_not_be_read_may_deny() {
        let mut hidden = policy("p-1", json!({}));
        hidden.properties.remove("Content");
        hidden.unseen.insert("Content".to_owned(), denied("organizations:DescribePolicy"));
        let unknown = asked(DIRECT_PUSH, &under(std::slice::from_ref(&hidden))).unwrap_err();
        assert!(unknown.join("").contains("organizations:DescribePolicy"));
        let joins = under(&[hidden, policy("p-2", deny(json!({})))]);
        assert!(asked(DIRECT_PUSH, &joins).unwrap().is_some());
        assert!(asked(DIRECT_PUSH, &super::super::testing::joins(&[], &[])).is_err());
    }

    #[test]
    fn no_policy_binds_the_management_account() {
        let mut management = member("111111111111", None);
        management.properties.insert("ManagementAccount".to_owned(), json!(true));
        management.properties.insert("ServiceControlPolicies".to_owned(), json!([{"Id": "p-1"}]));
        let joins = joins(&[management, policy("p-1", deny(json!({})))], &[]);
        assert_eq!(asked(DIRECT_PUSH, &joins), Ok(None));
    }
}
