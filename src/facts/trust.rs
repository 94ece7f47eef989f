//! Who may become a role.
//!
//! In: a role's trust policy, and what is known to use the role. Out: whom it trusts beyond that, which services it
//! trusts without saying for whom they must be working, and how exactly it names the GitHub workflows that it lets in.

use std::collections::BTreeSet;

use serde_json::Value;

use super::delivery_path::{Duty, RoleUse, account_of};
use super::joins::Joins;
use super::policy_document::{PolicyDocument, Statement, demands, is_own_organization, one_or_many, strings};
use super::seen::{Found, Seen};
use crate::inventory::{AccountId, TypeName};

/// What lets a caller become a role.
const ASSUME: [&str; 3] = ["sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML"];

/// Services whose documentation says that they send the source of a request when they assume a role.
const SENDS_SOURCE: [&str; 2] = ["codebuild", "codedeploy"];

/// The identity provider of GitHub's workflows, in the provider's ARN and in condition keys.
const GITHUB: &str = "token.actions.githubusercontent.com";

/// A trusted principal and the statement that trusts it.
struct Trusted<'a> {
    kind: &'a str,
    name: &'a str,
    statement: Statement<'a>,
}

/// A trust policy, read for one role.
pub(super) struct Trust<'a> {
    document: PolicyDocument<'a>,
}

impl<'a> Trust<'a> {
    pub(super) fn new(document: &'a Value) -> Self {
        Self { document: PolicyDocument::new(document) }
    }

    fn trusted(&self) -> Vec<Trusted<'_>> {
        let lets_in = |statement: &Statement<'_>| {
            statement.allows() && ASSUME.iter().any(|action| statement.covers_action(action))
        };
        self.document.statements().filter(lets_in).flat_map(principals).collect()
    }

    /// Everyone, by name.
    pub(super) fn principals(&self) -> BTreeSet<String> {
        self.trusted().iter().map(|trusted| trusted.name.to_owned()).collect()
    }

    /// Whom the role trusts beyond those that are known to use it.
    pub(super) fn excess(&self, role_account: &AccountId, uses: &[RoleUse], joins: &Joins) -> Found {
        let users = Users::of(role_account, uses);
        let kinds = [TypeName::PIPELINE, TypeName::PROJECT, TypeName::DEPLOYMENT_GROUP];
        let mut found = Found::default();
        for trusted in self.trusted() {
            let (expected, hidden) = match trusted.kind {
                "Service" => {
                    let service = delivery_service(trusted.name);
                    let hidden = service.map(|_| joins.hidden_uses(role_account, &kinds));
                    (service.is_some_and(|service| users.services.contains(service)), hidden)
                }
                "AWS" => {
                    let account = trusted.name.parse().ok().or_else(|| account_of(trusted.name));
                    // A unique id stands where a deleted role or user was named.
                    let nobody = account.is_none() && !trusted.name.contains('*');
                    let hidden = account.map(|account| joins.hidden_uses(&account, &[TypeName::PIPELINE]));
                    (nobody || users.include(trusted.name) || users.cover_condition(trusted.statement), hidden)
                }
                _ => (false, None),
            };
            match hidden.filter(|sentences| !sentences.is_empty()) {
                _ if expected => {}
                // Something that nobody saw may use the role from there.
                Some(sentences) => found.doubt(&sentences),
                None => found.add(trusted.name),
            }
        }
        found
    }

    /// Services that are trusted for whomever they work.
    pub(super) fn unguarded_services(&self, role_account: &AccountId, organization: Option<&str>) -> Found {
        let sends = |trusted: &Trusted<'_>| {
            let sends = delivery_service(trusted.name).is_some_and(|service| SENDS_SOURCE.contains(&service));
            trusted.kind == "Service" && sends
        };
        let mut found = Found::default();
        for trusted in self.trusted().into_iter().filter(sends) {
            let named = names_source(trusted.statement, role_account, organization);
            found.add_if(trusted.name, &named.map(|named| !named));
        }
        found
    }

    /// Whether workflows of GitHub may become the role.
    pub(super) fn trusts_github(&self) -> bool {
        self.trusted().iter().any(|trusted| is_github(trusted))
    }

    /// In what the trust in GitHub's workflows is not exact.
    pub(super) fn loose_github(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for trusted in self.trusted().into_iter().filter(is_github) {
            let of_claim = |claim: &str| -> Vec<(&str, &Value)> {
                let key = format!("{GITHUB}:{claim}");
                let named = trusted.statement.conditions().filter(|(_, name, _)| {
                    // The issuer of an enterprise has a path between host and claim.
                    name.eq_ignore_ascii_case(&key)
                        || name.starts_with(GITHUB) && name.to_ascii_lowercase().ends_with(&format!(":{claim}"))
                });
                named.map(|(operator, _, value)| (operator, value)).filter(|(operator, _)| demands(operator)).collect()
            };
            let audiences = of_claim("aud");
            if audiences.is_empty() || audiences.iter().all(|(operator, value)| wild(operator, value).next().is_some())
            {
                found.insert("aud is not checked".to_owned());
            }
            let subjects = of_claim("sub");
            if subjects.is_empty() {
                found.insert("sub is not checked: every repository on GitHub is let in".to_owned());
            } else if !subjects.iter().any(|(operator, value)| wild(operator, value).next().is_none()) {
                for (operator, value) in subjects {
                    found.extend(wild(operator, value).map(|value| format!("sub {value}")));
                }
            }
        }
        found
    }
}

fn is_github(trusted: &Trusted<'_>) -> bool {
    trusted.kind == "Federated" && trusted.name.contains(&format!("oidc-provider/{GITHUB}"))
}

/// The values that stand for more than one.
fn wild<'v>(operator: &str, value: &'v Value) -> impl Iterator<Item = &'v str> {
    let pattern = operator.ends_with("StringLike");
    strings(Some(value)).filter(move |value| pattern && value.contains(['*', '?']))
}

fn principals(statement: Statement<'_>) -> Vec<Trusted<'_>> {
    let one = |kind, name| Trusted { kind, name, statement };
    let fields = statement.fields();
    if fields.contains_key("NotPrincipal") {
        return vec![one("AWS", "*")];
    }
    match fields.get("Principal") {
        Some(Value::String(name)) => vec![one("AWS", name)],
        Some(Value::Object(kinds)) => kinds
            .iter()
            .flat_map(|(kind, names)| strings(Some(names)).map(move |name| one(kind.as_str(), name)))
            .collect(),
        _ => Vec::new(),
    }
}

/// `codebuild` for `codebuild.amazonaws.com`, with or without a Region, in every partition.
fn delivery_service(principal: &str) -> Option<&'static str> {
    let mut parts = principal.split('.');
    let service = parts.next()?;
    let is_aws = parts.any(|part| part == "amazonaws");
    ["codebuild", "codedeploy", "codepipeline"].into_iter().find(|known| is_aws && *known == service)
}

/// Whether the statement says for which account, or for which organization, the service must be working.
fn names_source(statement: Statement<'_>, account: &AccountId, organization: Option<&str>) -> Seen<bool> {
    let lines = statement.conditions().filter(|(operator, ..)| demands(operator));
    super::deploying::any(lines.map(|(_, key, value)| {
        let values = one_or_many(Some(value));
        let stranger = values.iter().map(|value| {
            let text = value.as_str().unwrap_or_default();
            let own = match key.to_ascii_lowercase().as_str() {
                "aws:sourceaccount" => Ok(text == account.as_str()),
                "aws:sourcearn" => Ok(account_of(text).as_ref() == Some(account)),
                "aws:sourceorgid" => is_own_organization(text, organization),
                _ => Ok(false),
            };
            own.map(|own| !own)
        });
        Ok(!values.is_empty() && !super::deploying::any(stranger)?)
    }))
}

/// Those that are known to use a role.
struct Users {
    services: BTreeSet<&'static str>,
    /// Accounts whose pipelines become the role themselves.
    accounts: BTreeSet<AccountId>,
    /// The roles that they do it with.
    roles: BTreeSet<String>,
}

impl Users {
    fn of(role_account: &AccountId, uses: &[RoleUse]) -> Self {
        let mut users = Self { services: BTreeSet::new(), accounts: BTreeSet::new(), roles: BTreeSet::new() };
        for one in uses {
            let service = match one.duty {
                Duty::Pipeline => "codepipeline",
                Duty::Project | Duty::Build => "codebuild",
                Duty::Group => "codedeploy",
                Duty::Action => {
                    users.accounts.insert(one.account.clone());
                    users.roles.extend(one.assumed_by.clone());
                    // Actions of the pipeline's own account may be given to the service itself.
                    if one.account != *role_account {
                        continue;
                    }
                    "codepipeline"
                }
            };
            users.services.insert(service);
        }
        users
    }

    /// An account as a whole, or the one role of it that becomes this one.
    fn include(&self, principal: &str) -> bool {
        let whole = principal.parse().ok().or_else(|| account_of(principal).filter(|_| principal.ends_with(":root")));
        whole.is_some_and(|account| self.accounts.contains(&account)) || self.roles.contains(principal)
    }

    /// Whether a condition lets in only them.
    fn cover_condition(&self, statement: Statement<'_>) -> bool {
        statement.conditions().any(|(operator, key, value)| {
            let values = one_or_many(Some(value));
            let known = |text: &str| match key.to_ascii_lowercase().as_str() {
                "aws:principalarn" => self.roles.contains(text),
                "aws:principalaccount" => text.parse().is_ok_and(|account| self.accounts.contains(&account)),
                _ => false,
            };
            demands(operator) && !values.is_empty() && values.iter().all(|value| value.as_str().is_some_and(known))
        })
    }
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::testing::{account, denied_types, joins};
    use super::*;
    use crate::inventory::Gap;

    const PIPELINE_ROLE: &str = "arn:aws:iam::222222222222:role/Pipeline";

    fn uses(duty: Duty, account: &str) -> RoleUse {
        let assumed_by = (duty == Duty::Action).then(|| PIPELINE_ROLE.to_owned());
        RoleUse { duty, label: "x".to_owned(), account: account.parse().unwrap(), production: None, assumed_by }
    }

    fn trust(principal: Value, condition: Value) -> Value {
        json!({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal, "Condition": condition}})
    }

    fn excess(document: Value, uses: &[RoleUse], gaps: &[Gap]) -> Option<Vec<String>> {
        let found = Trust::new(&document).excess(&account(), uses, &joins(&[], gaps));
        found.decided().ok().map(|set| set.into_iter().collect())
    }

    #[test]
    fn a_service_role_trusts_the_services_that_use_it() {
        let build = [uses(Duty::Project, "111111111111")];
        let own = json!({"Service": "codebuild.amazonaws.com"});
        assert_eq!(excess(trust(own, json!({})), &build, &[]), Some(vec![]));
        let regional = json!({"Service": ["codedeploy.eu-west-1.amazonaws.com"]});
        assert_eq!(excess(trust(regional, json!({})), &[uses(Duty::Group, "111111111111")], &[]), Some(vec![]));
        let two = json!({"Service": ["codebuild.amazonaws.com", "ec2.amazonaws.com"], "AWS": "111111111111"});
        let two = trust(two, json!({}));
        assert_eq!(excess(two, &build, &[]), Some(vec!["111111111111".to_owned(), "ec2.amazonaws.com".to_owned()]));
    }

    #[test]
    fn an_action_role_trusts_the_account_or_role_that_uses_it() {
        let action = [uses(Duty::Action, "222222222222")];
        for known in ["arn:aws:iam::222222222222:root", "222222222222", PIPELINE_ROLE, "AROAEXAMPLE"] {
            assert_eq!(excess(trust(json!({ "AWS": known }), json!({})), &action, &[]), Some(vec![]), "{known}");
        }
        for more in ["*", "arn:aws:iam::333333333333:root", "arn:aws:iam::222222222222:role/Admin"] {
            let found = excess(trust(json!({ "AWS": more }), json!({})), &action, &[]);
            assert_eq!(found, Some(vec![more.to_owned()]), "{more}");
        }
        let narrowed = json!({"ArnEquals": {"aws:PrincipalArn": PIPELINE_ROLE}});
        assert_eq!(excess(trust(json!("*"), narrowed), &action, &[]), Some(vec![]));
        let evaded = json!({"ForAllValues:ArnEquals": {"aws:PrincipalArn": PIPELINE_ROLE}});
        assert_eq!(excess(trust(json!("*"), evaded), &action, &[]), Some(vec!["*".to_owned()]));
        let organization = json!({"StringEquals": {"aws:PrincipalOrgID": "o-own"}});
        assert_eq!(excess(trust(json!("*"), organization), &action, &[]), Some(vec!["*".to_owned()]));
    }

    #[test]
    fn a_user_that_nobody_saw_is_a_doubt() {
        let gap = denied_types("codepipeline:ListPipelines", &[TypeName::PIPELINE]);
        let build = [uses(Duty::Project, "111111111111")];
        let both = json!({"Service": ["codebuild.amazonaws.com", "codepipeline.amazonaws.com"]});
        assert_eq!(excess(trust(both.clone(), json!({})), &build, std::slice::from_ref(&gap)), None);
        assert!(excess(trust(both, json!({})), &build, &[]).is_some_and(|found| found.len() == 1));
        let stranger = json!({"Service": "ec2.amazonaws.com"});
        assert!(excess(trust(stranger, json!({})), &build, &[gap]).is_some_and(|found| found.len() == 1));
    }

    #[test]
    fn services_that_name_their_source() {
        let unguarded = |service: &str, condition: Value| {
            let document = trust(json!({ "Service": service }), condition);
            Trust::new(&document).unguarded_services(&account(), Some("o-own")).certain.len()
        };
        let build = |condition: Value| unguarded("codebuild.amazonaws.com", condition);
        assert_eq!(build(json!({})), 1);
        assert_eq!(build(json!({"StringEquals": {"aws:SourceAccount": "111111111111"}})), 0);
        assert_eq!(build(json!({"ArnLike": {"aws:SourceArn": "arn:aws:codebuild:*:111111111111:project/*"}})), 0);
        assert_eq!(build(json!({"StringEquals": {"aws:SourceOrgID": "o-own"}})), 0);
        assert_eq!(build(json!({"StringEquals": {"aws:SourceAccount": ["111111111111", "333333333333"]}})), 1);
        assert_eq!(build(json!({"ArnLike": {"aws:SourceArn": "arn:aws:codebuild:*:*:project/*"}})), 1);
        assert_eq!(build(json!({"StringNotEquals": {"aws:SourceAccount": "111111111111"}})), 1);
        assert_eq!(build(json!({"StringEqualsIfExists": {"aws:SourceAccount": "111111111111"}})), 1);
        assert_eq!(build(json!({"ForAllValues:StringEquals": {"aws:SourceAccount": "111111111111"}})), 1);
        let organization = trust(
            json!({"Service": "codebuild.amazonaws.com"}),
            json!({"StringEquals": {"aws:SourceOrgID": "o-other"}}),
        );
        let unknown = Trust::new(&organization).unguarded_services(&account(), None);
        assert!(unknown.certain.is_empty() && !unknown.doubts.is_empty());
        assert_eq!(unguarded("codepipeline.amazonaws.com", json!({})), 0);
    }

    #[test]
    fn workflows_are_named_exactly() {
        let loose = |condition: Value| {
            let provider = format!("arn:aws:iam::111111111111:oidc-provider/{GITHUB}");
            let document = json!({"Statement": {
                "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": provider},
                "Condition": condition,
            }});
            assert!(Trust::new(&document).trusts_github());
            Trust::new(&document).loose_github().into_iter().collect::<Vec<_>>()
        };
        let aud = format!("{GITHUB}:aud");
        let sub = format!("{GITHUB}:sub");
        let exact = "repo:acme/web:ref:refs/heads/main";
        assert_eq!(loose(json!({"StringEquals": {&aud: "sts.amazonaws.com", &sub: exact}})), Vec::<String>::new());
        assert_eq!(
            loose(json!({"StringEquals": {&aud: "sts.amazonaws.com"}, "StringLike": {&sub: exact}})),
            Vec::<String>::new()
        );
        assert_eq!(
            loose(json!({"StringEquals": {&aud: "sts.amazonaws.com"}, "StringLike": {&sub: ["repo:acme/*", exact]}})),
            ["sub repo:acme/*"]
        );
        assert_eq!(loose(json!({"StringEquals": {&sub: exact}})), ["aud is not checked"]);
        assert_eq!(loose(json!({"StringEqualsIfExists": {&aud: "x", &sub: exact}})).len(), 2);
        assert_eq!(loose(json!({"ForAllValues:StringEquals": {&aud: "x", &sub: exact}})).len(), 2);
        let plain = trust(json!({"Service": "codebuild.amazonaws.com"}), json!({}));
        assert!(!Trust::new(&plain).trusts_github());
    }
}
