//! What a condition leaves of a statement that denies.
//!
//! In: one line of a condition, and the account that the policy reaches. Out: whom it spares, in which Regions it holds,
//! or why it cannot be counted on. It exists because a guardrail with a condition is one only if the condition spares
//! named principals, and nobody else.
//!
//! Grammar: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>

use std::collections::BTreeSet;

use serde_json::Value;

use super::policy_document::{matches_pattern, strings};
use crate::inventory::{AccountId, Arn};

/// What one line of a condition does to a denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Narrowing {
    /// Nothing: it holds for everyone in the account.
    Nothing,
    /// It spares these, by name.
    Spares(BTreeSet<String>),
    /// It holds outside these Regions only.
    OutsideRegions(BTreeSet<String>),
    /// It makes the denial depend on something else, or void.
    Weakens(String),
}

/// Whom a policy reaches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reached<'a> {
    /// The account that it is attached above.
    pub(super) account: &'a AccountId,
    /// The organization, where its id is known.
    pub(super) organization: Option<&'a str>,
    /// Whether it speaks to everyone who touches the account's resources, not only to the account's own principals.
    pub(super) anyone: bool,
}

/// A role and a user that nobody has named: whoever spares them spares everyone of their kind.
const SOMEBODY: [&str; 2] = ["role/~somebody~", "user/~somebody~"];
/// The same as `aws:userid` and `aws:username` know them.
const SOMEBODY_BY_ID: [&str; 3] = ["AROA~SOMEBODY~:~session~", "AIDA~SOMEBODY~", "~somebody~"];

/// A Region that nobody has named.
const SOMEWHERE: &str = "zz-somewhere-0";

/// An operator without its prefix for sets and its suffix for missing keys.
struct Operator<'a> {
    name: &'a str,
    negated: bool,
    /// Whether `*` and `?` in values are patterns.
    patterns: bool,
}

fn operator(written: &str) -> Operator<'_> {
    let name = written.rsplit(':').next().unwrap_or(written);
    let name = name.strip_suffix("IfExists").unwrap_or(name);
    Operator {
        name,
        negated: name.starts_with("StringNot") || name.starts_with("ArnNot"),
        patterns: matches!(name, "StringLike" | "StringNotLike") || name.starts_with("Arn"),
    }
}

/// Reads one line (`operator`, `key`, `value`) of the condition of a statement that denies.
pub(super) fn narrowing(written: &str, key: &str, value: &Value, reached: Reached<'_>) -> Narrowing {
    let Reached { account, organization, anyone } = reached;
    let operator = operator(written);
    let means =
        |value: &&str, text: &str| if operator.patterns { matches_pattern(value, text, false) } else { *value == text };
    let values: BTreeSet<&str> = strings(Some(value)).collect();
    let compares = operator.name.starts_with("String") || operator.name.starts_with("Arn");
    let lower = key.to_ascii_lowercase();
    let only_where = || Narrowing::Weakens(format!("only where {written} {key}"));
    // No policy of the organization reaches what AWS's own services do.
    if lower == "aws:principalisawsservice" && operator.name == "Bool" {
        let never = *value == Value::Bool(false) || values.iter().all(|text| text.eq_ignore_ascii_case("false"));
        return if never && *value != Value::Bool(true) { Narrowing::Nothing } else { only_where() };
    }
    if !compares || values.is_empty() {
        return only_where();
    }
    match lower.as_str() {
        "aws:requestedregion" if operator.negated => {
            let open = operator.patterns && values.iter().any(|value| matches_pattern(value, SOMEWHERE, false));
            if open { only_where() } else { Narrowing::OutsideRegions(owned(&values)) }
        }
        "aws:principalarn" if operator.negated => {
            let spares_somebody = values
                .iter()
                .any(|value| (operator.patterns || value.contains("${")) && spares_everyone(value, account));
            let elsewhere = |value: &&str| {
                Arn::parse(value).ok().and_then(|arn| arn.account_id()).is_some_and(|other| other != *account)
            };
            let spared: BTreeSet<&str> = values.iter().copied().filter(|value| anyone || !elsewhere(value)).collect();
            if spares_somebody {
                Narrowing::Weakens(format!("spares everyone by {written} {key}"))
            } else if spared.is_empty() {
                Narrowing::Nothing
            } else {
                Narrowing::Spares(owned(&spared))
            }
        }
        "aws:principalaccount" => {
            let named = values.iter().any(|value| means(value, account.as_str()));
            if anyone && operator.negated && !named {
                return Narrowing::Spares(named_by(key, &values));
            }
            if !anyone && named != operator.negated { Narrowing::Nothing } else { only_where() }
        }
        "aws:principalorgid" => {
            // Of an organization whose id is not known, nobody can say whether it is meant.
            let Some(own) = organization else { return only_where() };
            let own = values.iter().any(|value| means(value, own));
            if own == operator.negated { only_where() } else { Narrowing::Nothing }
        }
        "aws:userid" | "aws:username" if operator.negated => {
            let all = |value: &&str| SOMEBODY_BY_ID.iter().any(|who| matches_pattern(&open(value), who, false));
            if operator.patterns && values.iter().any(all) {
                only_where()
            } else {
                Narrowing::Spares(named_by(key, &values))
            }
        }
        tag if tag.starts_with("aws:principaltag/") && operator.negated => Narrowing::Spares(named_by(key, &values)),
        _ => only_where(),
    }
}

/// The Regions that a line of the condition of a statement that allows holds it to; `None` if it names none, or all.
pub(super) fn only_in_regions(written: &str, key: &str, value: &Value) -> Option<BTreeSet<String>> {
    let operator = operator(written);
    let values: BTreeSet<&str> = strings(Some(value)).collect();
    let positive = operator.name.starts_with("String") && !operator.negated;
    let open = operator.patterns && values.iter().any(|value| matches_pattern(value, SOMEWHERE, false));
    let names = key.eq_ignore_ascii_case("aws:RequestedRegion") && positive && !open && !values.is_empty();
    names.then(|| owned(&values))
}

/// A pattern with a star for each policy variable: whatever stands for whoever asks may stand for anyone.
pub(super) fn open(pattern: &str) -> String {
    let mut open = pattern.to_owned();
    while let Some((before, rest)) = open.split_once("${") {
        let rest = rest.split_once('}').map_or("", |(_, rest)| rest);
        open = format!("{before}*{rest}");
    }
    open
}

/// Whether a pattern for ARNs of principals takes in a principal of the account that nobody has named.
fn spares_everyone(pattern: &str, account: &AccountId) -> bool {
    let pattern = &open(pattern);
    ["aws", "aws-cn", "aws-us-gov"].iter().any(|partition| {
        let names = |who: &&str| matches_pattern(pattern, &format!("arn:{partition}:iam::{account}:{who}"), false);
        SOMEBODY.iter().any(names)
    })
}

fn owned(values: &BTreeSet<&str>) -> BTreeSet<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn named_by(key: &str, values: &BTreeSet<&str>) -> BTreeSet<String> {
    values.iter().map(|value| format!("{key}={value}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::account;
    use super::*;

    fn of(operator: &str, key: &str, value: &Value) -> Narrowing {
        let reached = Reached { account: &account(), organization: Some("o-own"), anyone: false };
        narrowing(operator, key, value, reached)
    }

    fn set(values: &[&str]) -> BTreeSet<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn a_denial_may_spare_named_principals() {
        let deploy = "arn:aws:iam::*:role/Deployment";
        for operator in
            ["StringNotLike", "ArnNotLike", "ArnNotEquals", "StringNotLikeIfExists", "ForAllValues:StringNotLike"]
        {
            assert_eq!(
                of(operator, "aws:PrincipalARN", &json!(deploy)),
                Narrowing::Spares(set(&[deploy])),
                "{operator}"
            );
        }
        let tagged = of("StringNotEquals", "aws:PrincipalTag/team", &json!(["platform"]));
        assert_eq!(tagged, Narrowing::Spares(set(&["aws:PrincipalTag/team=platform"])));
        // A role of another account spares nobody here.
        let other = json!("arn:aws:iam::999999999999:role/Deployment");
        assert_eq!(of("ArnNotLike", "aws:PrincipalArn", &other), Narrowing::Nothing);
    }

    #[test]
    fn a_policy_that_speaks_to_everyone_spares_other_accounts_by_name() {
        let account = account();
        let reached = Reached { account: &account, organization: Some("o-own"), anyone: true };
        let role = "arn:aws:iam::999999999999:role/Backup";
        let spared = narrowing("ArnNotLike", "aws:PrincipalArn", &json!(role), reached);
        assert_eq!(spared, Narrowing::Spares(set(&[role])));
        let spared = narrowing("StringNotEquals", "aws:PrincipalAccount", &json!("999999999999"), reached);
        assert_eq!(spared, Narrowing::Spares(set(&["aws:PrincipalAccount=999999999999"])));
        for operator in ["StringEquals", "StringNotEquals"] {
            let own = narrowing(operator, "aws:PrincipalAccount", &json!("111111111111"), reached);
            assert!(matches!(own, Narrowing::Weakens(_)), "{operator}");
        }
    }

    #[test]
    fn an_organization_of_unknown_id_leaves_a_denial_uncertain() {
        let account = account();
        let reached = Reached { account: &account, organization: None, anyone: false };
        let left = narrowing("StringNotEquals", "aws:PrincipalOrgID", &json!("o-own"), reached);
        assert!(matches!(left, Narrowing::Weakens(_)), "{left:?}");
    }

    #[test]
    fn a_denial_that_spares_everyone_or_hangs_on_something_else_is_none() {
        for (operator, key, value) in [
            ("StringNotLike", "aws:PrincipalArn", json!("arn:aws:iam::*:role/*")),
            ("ArnNotLike", "aws:PrincipalArn", json!(["arn:aws:iam::*:role/Deployment", "*"])),
            ("ArnNotEquals", "aws:PrincipalArn", json!("arn:aws:iam::111111111111:*")),
            ("ArnNotLike", "aws:PrincipalArn", json!("arn:aws:iam::*:user/*")),
            ("StringLike", "aws:PrincipalArn", json!("arn:aws:iam::*:root")),
            ("ArnNotLike", "aws:PrincipalArn", json!("arn:aws:iam::${aws:PrincipalAccount}:role/*")),
            ("StringNotEquals", "aws:PrincipalArn", json!("${aws:PrincipalArn}")),
            ("StringNotLike", "aws:userid", json!("*:*")),
            ("StringNotLike", "aws:userid", json!("AROA*")),
            ("StringNotLike", "aws:PrincipalAccount", json!("1111*")),
            ("StringNotLike", "aws:PrincipalOrgID", json!("o-*")),
            ("BoolIfExists", "aws:MultiFactorAuthPresent", json!("false")),
            ("BoolIfExists", "aws:ViaAWSService", json!("false")),
            ("StringNotEquals", "aws:PrincipalAccount", json!("111111111111")),
            ("StringEquals", "aws:PrincipalAccount", json!("999999999999")),
            ("StringNotEquals", "aws:PrincipalOrgID", json!("o-own")),
            ("StringEquals", "aws:ResourceTag/keep", json!("true")),
            ("StringNotLike", "aws:RequestedRegion", json!("*")),
            ("StringNotLike", "aws:UserId", json!("*")),
            ("Null", "aws:PrincipalTag/team", json!("true")),
            ("StringNotEquals", "aws:PrincipalArn", json!([])),
        ] {
            assert!(matches!(of(operator, key, &value), Narrowing::Weakens(_)), "{operator} {key} {value}");
        }
    }

    #[test]
    fn some_conditions_hold_for_everyone_in_the_account() {
        for (operator, key, value) in [
            ("Bool", "aws:PrincipalIsAWSService", json!("false")),
            ("StringEquals", "aws:PrincipalOrgID", json!("o-own")),
            ("StringNotEquals", "aws:PrincipalAccount", json!(["999999999999"])),
            ("StringEquals", "aws:PrincipalAccount", json!(["111111111111"])),
        ] {
            assert_eq!(of(operator, key, &value), Narrowing::Nothing, "{operator} {key} {value}");
        }
    }

    #[test]
    fn regions_are_named_by_denials_and_by_permissions() {
        let regions = json!(["eu-central-1", "eu-west-1"]);
        let outside = Narrowing::OutsideRegions(set(&["eu-central-1", "eu-west-1"]));
        assert_eq!(of("StringNotEquals", "aws:RequestedRegion", &regions), outside);
        let some = only_in_regions("StringLike", "aws:requestedregion", &json!("eu-*"));
        assert_eq!(some, Some(set(&["eu-*"])));
        assert_eq!(only_in_regions("StringLike", "aws:RequestedRegion", &json!("*")), None);
        assert_eq!(only_in_regions("StringNotEquals", "aws:RequestedRegion", &regions), None);
        assert_eq!(only_in_regions("StringEquals", "aws:PrincipalArn", &regions), None);
    }
}
