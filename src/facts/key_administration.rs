//! Who may administer a key: whether its policy lets a role that delivers end it or rewrite its policy.
//!
//! In: a key's policy, and the roles that delivery runs under. Out: those of them that the policy itself makes
//! administrators, and whether it leaves administration to IAM. A statement for an account's root grants nothing to a
//! role by itself: it lets the account's own IAM policies decide, and the controls on roles judge those.

use super::Facts;
use super::delivery_role::why_unseen;
use super::joins::Joins;
use super::policy_document::{PolicyDocument, Principal, Statement, matches_pattern, strings};
use super::seen::{Found, Seen, property, text_or};
use crate::inventory::{AccountId, Arn, Resource};

/// Actions that end a key, or decide who may.
const ADMINISTRATION: &[&str] = &["kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:PutKeyPolicy"];

/// Adds the facts about a key's administrators.
pub(super) fn put(facts: &mut Facts, resource: &Resource, joins: &Joins) {
    let administration = of_key(resource, joins);
    let delegated = administration.as_ref().map(|found| found.delegated).map_err(Clone::clone);
    facts.put("administrationDelegatedToIam", delegated);
    facts.put("administeringDeployers", administration.and_then(|found| found.deployers.decided()));
}

#[derive(Debug, Default)]
struct Administration {
    deployers: Found,
    delegated: bool,
}

fn of_key(resource: &Resource, joins: &Joins) -> Seen<Administration> {
    let mut found = Administration::default();
    if text_or(resource, "KeyManager", "CUSTOMER")? == "AWS" {
        return Ok(found);
    }
    let Some(document) = property(resource, "KeyPolicy")? else { return Ok(found) };
    let document = PolicyDocument::new(document);
    let statements: Vec<Statement<'_>> = document.statements().collect();
    for statement in statements.iter().copied().filter(|statement| statement.allows()) {
        for principal in statement.principals() {
            let granted = ADMINISTRATION.iter().any(|action| {
                statement.covers_action(action) && !statements.iter().any(|other| denies(*other, &principal, action))
            });
            if granted {
                judge(statement, &principal, resource, joins, &mut found);
            }
        }
    }
    Ok(found)
}

/// Whether a statement takes an action from a principal whatever the circumstances.
fn denies(statement: Statement<'_>, principal: &Principal<'_>, action: &str) -> bool {
    let whole = !["NotPrincipal", "Condition"].iter().any(|element| statement.fields().contains_key(*element));
    let principals = statement.principals();
    let named = principals.contains(&Principal::Anyone) || principals.contains(principal);
    statement.denies() && whole && named && statement.covers_action(action)
}

fn judge(
    statement: Statement<'_>,
    principal: &Principal<'_>,
    resource: &Resource,
    joins: &Joins,
    found: &mut Administration,
) {
    let text = match principal {
        Principal::Anyone => return anyone(statement, resource, joins, &mut found.deployers),
        Principal::Aws(text) => *text,
        Principal::Service | Principal::Other(_) => return,
    };
    if text.parse::<AccountId>().is_ok() || Arn::parse(text).is_ok_and(|arn| arn.resource == "root") {
        found.delegated = true;
        return;
    }
    let Some((role, account)) = role_of(text) else { return };
    let conditional = statement.conditions().next().is_some();
    match joins.delivery_roles.users(&role) {
        Some(_) if conditional => found.deployers.doubt(&[condition(text)]),
        Some(users) => found.deployers.add(label(&role, users.iter().map(String::as_str))),
        None => found.deployers.doubt(&why_unseen(&account, joins)),
    }
}

/// A statement for everyone names the deployers too, unless its condition picks principals by name.
fn anyone(statement: Statement<'_>, resource: &Resource, joins: &Joins, found: &mut Found) {
    let mut picked: Option<Vec<&str>> = None;
    let mut odd = false;
    for (operator, key, value) in statement.conditions() {
        let by_name = matches!(operator, "ArnLike" | "ArnEquals" | "StringLike" | "StringEquals");
        match key.to_ascii_lowercase().as_str() {
            "aws:principalarn" if by_name => picked = Some(strings(Some(value)).collect()),
            // These choose accounts; all deployers of such an account remain.
            "kms:calleraccount" | "aws:principalaccount" | "aws:principalorgid" | "aws:principalorgpaths" => {}
            _ => odd = true,
        }
    }
    match picked {
        _ if odd => found.doubt(&[condition("everyone")]),
        None => found.add("*"),
        Some(patterns) => {
            let mut any = false;
            for role in joins.delivery_roles.arns() {
                if patterns.iter().any(|pattern| matches_pattern(pattern, role, false)) {
                    let users = joins.delivery_roles.users(role).into_iter().flatten().map(String::as_str);
                    found.add(label(role, users));
                    any = true;
                }
            }
            if !any {
                found.doubt(&why_unseen(&resource.account, joins));
            }
        }
    }
}

fn condition(who: &str) -> String {
    format!("the key's policy lets {who} administer it under a condition that cannot be judged from outside")
}

fn label<'a>(role: &str, users: impl Iterator<Item = &'a str>) -> String {
    format!("{role} ({})", users.collect::<Vec<_>>().join(", "))
}

/// The ARN of the role that a principal is, or is a session of, and its account.
fn role_of(principal: &str) -> Option<(String, AccountId)> {
    let arn = Arn::parse(principal).ok()?;
    let account = arn.account_id()?;
    match arn.resource.strip_prefix("assumed-role/") {
        Some(session) if arn.service == "sts" => {
            let name = session.split('/').next()?;
            Some((format!("arn:{}:iam::{account}:role/{name}", arn.partition), account))
        }
        _ if arn.resource.starts_with("role/") => Some((principal.to_owned(), account)),
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::*;
    use super::super::{Fact, Key, ResourceKind};
    use crate::inventory::{Gap, TypeName};

    const ROLE: &str = "arn:aws:iam::111111111111:role/Build";

    fn policy(statements: Value) -> Value {
        json!({"KeyManager": "CUSTOMER", "KeyPolicy": {"Statement": statements}})
    }

    fn deployers(statements: Value, gaps: &[Gap]) -> Result<Vec<String>, String> {
        let project = resource(TypeName::PROJECT, "web", json!({"Name": "web", "ServiceRole": ROLE}));
        let facts = Key.facts(&resource(TypeName::KEY, "k1", policy(statements)), &joins(&[project], gaps));
        match facts.known.get("administeringDeployers") {
            Some(Fact::Set(set)) => Ok(set.iter().cloned().collect()),
            _ => Err(facts.unknown["administeringDeployers"].join("")),
        }
    }

    fn allow(principal: Value, action: &str) -> Value {
        json!({"Effect": "Allow", "Action": action, "Resource": "*", "Principal": principal})
    }

    #[test]
    fn a_role_that_delivers_is_named_with_its_user() {
        let named = Ok(vec![format!("{ROLE} (111111111111/web)")]);
        for action in ["kms:*", "kms:Disable*", "kms:PutKeyPolicy", "*"] {
            assert_eq!(deployers(json!([allow(json!({"AWS": ROLE}), action)]), &[]), named, "{action}");
        }
        let session = "arn:aws:sts::111111111111:assumed-role/Build/session";
        assert_eq!(deployers(json!([allow(json!({"AWS": session}), "kms:*")]), &[]), named);
        assert_eq!(deployers(json!([allow(json!({"AWS": ROLE}), "kms:Decrypt")]), &[]), Ok(vec![]));
        assert_eq!(deployers(json!([allow(json!("*"), "kms:*")]), &[]), Ok(vec!["*".to_owned()]));
        let deny = json!({"Effect": "Deny", "Action": "kms:*", "Resource": "*", "Principal": {"AWS": ROLE}});
        assert_eq!(deployers(json!([allow(json!({"AWS": ROLE}), "kms:*"), deny]), &[]), Ok(vec![]));
    }

    #[test]
    fn the_root_of_an_account_leaves_it_to_iam() {
        let root = allow(json!({"AWS": "arn:aws:iam::111111111111:root"}), "kms:*");
        assert_eq!(deployers(json!([root]), &[]), Ok(vec![]));
        let facts = Key.facts(&resource(TypeName::KEY, "k1", policy(json!([root]))), &joins(&[], &[]));
        assert_eq!(facts.known["administrationDelegatedToIam"], Fact::Bool(true));
        let facts = Key.facts(&resource(TypeName::KEY, "k1", policy(json!([]))), &joins(&[], &[]));
        assert_eq!(facts.known["administrationDelegatedToIam"], Fact::Bool(false));
    }

    #[test]
    fn another_role_may_be_one_that_could_not_be_seen() {
        let other = json!([allow(json!({"AWS": "arn:aws:iam::111111111111:role/Keys"}), "kms:*")]);
        assert_eq!(deployers(other.clone(), &[]), Ok(vec![]));
        let gap = denied_types("codepipeline:ListPipelines", &[TypeName::PIPELINE]);
        assert!(deployers(other, &[gap]).unwrap_err().contains("codepipeline:ListPipelines"));
    }

    #[test]
    fn conditions_pick_or_leave_a_doubt() {
        let under = |principal: Value, condition: Value| {
            let mut statement = allow(principal, "kms:*");
            statement["Condition"] = condition;
            deployers(json!([statement]), &[])
        };
        let anyone = || json!("*");
        let named = Ok(vec![format!("{ROLE} (111111111111/web)")]);
        let pattern = json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/B*"}});
        assert_eq!(under(anyone(), pattern), named);
        let other = json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Keys"}});
        assert_eq!(under(anyone(), other), Ok(vec![]));
        let account = json!({"StringEquals": {"kms:CallerAccount": "111111111111"}});
        assert_eq!(under(anyone(), account), Ok(vec!["*".to_owned()]));
        let service = json!({"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}});
        assert!(under(anyone(), service.clone()).is_err());
        assert!(under(json!({"AWS": ROLE}), service).is_err());
    }
}
