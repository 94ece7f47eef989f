//! Whom a thing's own policy lets in from other accounts, and whether some of them could not be seen whole.
//!
//! In: the policy of a bucket, a key or a role, and what kept accounts from being seen. Out: why something that nobody saw
//! may use the thing from another account. It exists because "nothing else uses it" is only true if everybody who may was
//! looked at; an account that the policy does not let in leaves no doubt, however dark it is.

use std::collections::BTreeSet;

use serde_json::Value;

use super::joins::Joins;
use super::policy_document::{PolicyDocument, Principal, Statement, account_of, demands, one_or_many};
use super::seen::Seen;
use crate::inventory::{AccountId, TypeName};

/// How many accounts that could not be seen a doubt names; one is enough to act on, thousands are no use to anybody.
const NAMED: usize = 3;

/// Accounts that a policy lets in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LetIn {
    /// These and no others.
    Only(BTreeSet<AccountId>),
    /// Any account, as far as one can tell.
    Anyone,
    /// The policy itself was not seen.
    Unseen(Vec<String>),
}

impl LetIn {
    /// Reads a policy: who may do any of the actions. What it denies is not looked at.
    pub(super) fn of(policy: &Seen<Option<&Value>>, actions: &[&str]) -> Self {
        let document = match policy {
            Ok(Some(document)) => PolicyDocument::new(document),
            Ok(None) => return Self::Only(BTreeSet::new()),
            Err(sentences) => return Self::Unseen(sentences.clone()),
        };
        let mut accounts = BTreeSet::new();
        let speaks = |statement: &Statement<'_>| actions.iter().any(|action| statement.covers_action(action));
        for statement in document.statements().filter(|statement| statement.allows() && speaks(statement)) {
            for principal in statement.principals() {
                match principal {
                    // A service works for the account that asked it, with a role that is judged itself.
                    Principal::Service | Principal::Other(_) => {}
                    Principal::Aws(name) => match account_of(name) {
                        Some(account) => {
                            accounts.insert(account);
                        }
                        // A unique id stands where a deleted role or user was named.
                        None if name.contains('*') => return Self::Anyone,
                        None => {}
                    },
                    Principal::Anyone => match narrowed(statement) {
                        Some(named) => accounts.extend(named),
                        None => return Self::Anyone,
                    },
                }
            }
        }
        Self::Only(accounts)
    }
}

/// The accounts that a condition leaves of everyone, if one names them.
fn narrowed(statement: Statement<'_>) -> Option<BTreeSet<AccountId>> {
    statement.conditions().filter(|(operator, ..)| demands(operator)).find_map(|(_, key, value)| {
        let key = key.to_ascii_lowercase();
        if !matches!(key.as_str(), "aws:principalaccount" | "kms:calleraccount" | "aws:principalarn") {
            return None;
        }
        let values = one_or_many(Some(value)).iter();
        let accounts: Option<BTreeSet<AccountId>> = values.map(|value| account_of(value.as_str()?)).collect();
        accounts.filter(|accounts| !accounts.is_empty())
    })
}

impl Joins {
    /// Why something in another account than `home` may use what the policy is about. `why` tells what of an account
    /// could not be seen.
    pub(super) fn hidden_abroad(
        &self,
        home: &AccountId,
        let_in: &LetIn,
        why: impl Fn(&AccountId) -> Vec<String>,
    ) -> Vec<String> {
        let others = self.not_seen_whole.iter().filter(|account| *account != home);
        let admitted = others.filter(|account| match let_in {
            LetIn::Only(accounts) => accounts.contains(*account),
            LetIn::Anyone | LetIn::Unseen(_) => true,
        });
        let mut sentences: Vec<String> =
            admitted.filter_map(|account| why(account).into_iter().min()).take(NAMED).collect();
        // A template that is checked on its own knows no accounts at all.
        if !self.accounts.is_empty() {
            sentences.extend(self.never_listed(home, let_in).take(NAMED.saturating_sub(sentences.len())));
        }
        if let (LetIn::Unseen(reasons), false) = (let_in, sentences.is_empty()) {
            sentences.extend_from_slice(reasons);
        }
        sentences
    }

    /// Accounts that may be of the organization, but that the run does not know of; strangers are told of by other
    /// controls, and are none of what is audited.
    fn never_listed<'a>(&'a self, home: &'a AccountId, let_in: &'a LetIn) -> impl Iterator<Item = String> + 'a {
        let is_whole = self.organization.is_some() && self.gaps.over_type(&TypeName::ACCOUNT).is_empty();
        let named = if let LetIn::Only(accounts) = let_in { Some(accounts) } else { None };
        let unlisted = named.into_iter().flatten().filter(move |account| {
            *account != home && !self.accounts.contains_key(*account) && !self.not_seen_whole.contains(*account)
        });
        let unlisted = unlisted.map(|account| format!("account {account} is not among the accounts that were listed"));
        let anyone = named.is_none().then(|| "the organization's accounts were not listed".to_owned());
        unlisted.chain(anyone).filter(move |_| !is_whole)
    }

    /// Why the account may have pipelines, or pipelines may release or name something, that nobody saw.
    pub(super) fn hidden_pipelines(&self, account: &AccountId) -> Vec<String> {
        let mut sentences = self.hidden_in(account, &[TypeName::PIPELINE]);
        sentences.extend(self.hidden_releases.get(account).into_iter().flatten().cloned());
        sentences
    }

    /// What of an account's pipelines, projects and deployment groups could not be seen.
    pub(super) fn hidden_in(&self, account: &AccountId, kinds: &[TypeName]) -> Vec<String> {
        kinds.iter().flat_map(|kind| self.gaps.over(account, None, kind)).collect()
    }
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::testing::{account, denied, denied_types, joins, member};
    use super::*;
    use crate::inventory::{Affects, Gap};

    const ACTIONS: &[&str] = &["s3:PutObject"];

    fn of(principal: Value, condition: Value) -> LetIn {
        let policy = json!({"Statement": {
            "Effect": "Allow", "Action": "s3:*", "Resource": "*", "Principal": principal, "Condition": condition,
        }});
        LetIn::of(&Ok(Some(&policy)), ACTIONS)
    }

    fn only(accounts: &[&str]) -> LetIn {
        LetIn::Only(accounts.iter().map(|account| account.parse().unwrap()).collect())
    }

    #[test]
    fn accounts_are_let_in_by_name_and_everyone_by_a_star() {
        assert_eq!(
            of(json!({"AWS": ["222222222222", "arn:aws:iam::333333333333:role/x"]}), json!({})),
            only(&["222222222222", "333333333333"])
        );
        assert_eq!(of(json!("*"), json!({})), LetIn::Anyone);
        assert_eq!(of(json!({"AWS": "*"}), json!({"StringEquals": {"aws:PrincipalOrgID": "o-own"}})), LetIn::Anyone);
        assert_eq!(of(json!({"Service": "codebuild.amazonaws.com"}), json!({})), only(&[]));
        assert_eq!(LetIn::of(&Ok(None), ACTIONS), only(&[]));
        let other = json!({"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Principal": "*"}});
        assert_eq!(LetIn::of(&Ok(Some(&other)), ACTIONS), only(&[]));
    }

    #[test]
    fn a_condition_narrows_everyone_only_if_it_demands_accounts() {
        let narrowed = |condition: Value| of(json!({"AWS": "*"}), condition);
        assert_eq!(narrowed(json!({"StringEquals": {"kms:CallerAccount": "222222222222"}})), only(&["222222222222"]));
        assert_eq!(
            narrowed(json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::222222222222:role/*"}})),
            only(&["222222222222"])
        );
        assert_eq!(narrowed(json!({"StringEqualsIfExists": {"aws:PrincipalAccount": "222222222222"}})), LetIn::Anyone);
        assert_eq!(
            narrowed(
                json!({"ArnLike": {"aws:PrincipalArn": ["arn:aws:iam::222222222222:role/*", "arn:aws:iam::*:role/x"]}})
            ),
            LetIn::Anyone
        );
    }

    #[test]
    fn only_a_dark_account_that_is_let_in_leaves_a_doubt() {
        let dark =
            |id: &str| Gap { account: id.parse().unwrap(), affects: Affects::Account, ..denied("sts:AssumeRole") };
        let members: Vec<_> = ["111111111111", "222222222222", "333333333333"].map(|id| member(id, None)).into();
        let joins = joins(&members, &[dark("333333333333")]);
        let why = |account: &AccountId| joins.hidden_in(account, &[TypeName::PIPELINE]);
        let doubts = |let_in: LetIn| joins.hidden_abroad(&account(), &let_in, why);
        assert!(doubts(only(&["222222222222"])).is_empty());
        assert!(doubts(only(&["333333333333"])).join("").contains("sts:AssumeRole in 333333333333"));
        assert_eq!(doubts(LetIn::Anyone).len(), 1);
        assert_eq!(doubts(LetIn::Unseen(vec!["the policy".to_owned()])).len(), 2);
        assert!(joins.hidden_abroad(&"333333333333".parse().unwrap(), &LetIn::Anyone, why).is_empty());
    }

    #[test]
    fn a_policy_that_was_not_seen_is_no_doubt_where_every_account_was() {
        let joins = joins(&[member("111111111111", None)], &[]);
        let unseen = LetIn::Unseen(vec!["the policy".to_owned()]);
        assert!(joins.hidden_abroad(&account(), &unseen, |_| vec!["dark".to_owned()]).is_empty());
    }

    #[test]
    fn an_account_that_the_run_never_knew_was_not_looked_at() {
        let mut own = member("111111111111", None);
        let nothing = |_: &AccountId| Vec::new();
        let both = only(&["111111111111", "222222222222"]);
        // Where all accounts were listed, it is a stranger's.
        assert!(joins(&[own.clone()], &[]).hidden_abroad(&account(), &both, nothing).is_empty());
        let unlisted = denied_types("organizations:ListAccounts", &[TypeName::ACCOUNT]);
        let listed_in_part = joins(&[own.clone()], &[unlisted]);
        let expected = ["account 222222222222 is not among the accounts that were listed"];
        assert_eq!(listed_in_part.hidden_abroad(&account(), &both, nothing), expected);
        // An account that is audited alone is of no organization that anybody knows.
        own.uid.0 = "111111111111".to_owned();
        let alone = joins(&[own], &[]);
        assert_eq!(alone.hidden_abroad(&account(), &both, nothing), expected);
        assert_eq!(alone.hidden_abroad(&account(), &LetIn::Anyone, nothing).len(), 1);
        let template = joins(&[], &[]);
        assert!(template.hidden_abroad(&account(), &only(&["222222222222"]), nothing).is_empty());
    }

    #[test]
    fn a_closed_account_uses_nothing_and_a_crowd_is_named_in_part() {
        let ids: Vec<String> = (2..9).map(|digit: u64| format!("{}", digit * 111_111_111_111)).collect();
        let mut members: Vec<_> = ids.iter().map(|id| member(id, None)).collect();
        for (closed, state) in members.iter_mut().zip(["SUSPENDED", "CLOSED", "PENDING_ACTIVATION"]) {
            closed.properties.insert("State".to_owned(), json!(state));
        }
        let gaps: Vec<Gap> = ids
            .iter()
            .map(|id| Gap { account: id.parse().unwrap(), affects: Affects::Account, ..denied("sts:AssumeRole") })
            .collect();
        let joins = joins(&members, &gaps);
        let doubts =
            joins.hidden_abroad(&account(), &LetIn::Anyone, |account| joins.hidden_in(account, &[TypeName::PIPELINE]));
        assert_eq!(doubts.len(), NAMED);
        for closed in ["222222222222", "333333333333", "444444444444"] {
            assert!(!doubts.join("").contains(closed), "{doubts:?}");
        }
    }
}
