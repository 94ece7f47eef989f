//! Who is who: whether two identities are one person.
//!
//! In: principals of calls, ARNs and logins, whom the roles of the inventory trust, and the organization's own list of
//! people. Out: a person, a program, or somebody of whom nothing can be said. Roles are never compared, and an identity
//! that nobody told us is neither the same person nor another.
//!
//! A call's record says with which program it was made, and whether somebody vouched for a workflow. An ARN alone, which is
//! all that an execution tells, does not: there a function's session looks like a person's. So an ARN is a person only
//! where the session or whom its role trusts says so.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::Estate;
use crate::history::{Event, Principal};
use crate::inventory::{Resource, TypeName};

/// Whom an identity stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// One person, as one text.
    Person(String),
    /// A program; the text names it.
    Machine(String),
    /// The root user of an account.
    Root(String),
    /// Nobody that could be compared; the text names the identity.
    Unknown(String),
}

/// Who may take a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trust {
    /// Services of AWS only.
    Services,
    /// Services, and workloads that an OIDC provider vouches for.
    Programs,
    /// Users of a SAML provider, or whoever showed a second factor.
    People,
    /// Anything else.
    Open,
}

/// Whom the roles of the inventory trust, by account and name: a session does not tell its role's path.
#[derive(Debug, Default)]
pub(super) struct Roles(BTreeMap<(String, String), Trust>);

impl Roles {
    pub(super) fn of(estate: &Estate) -> Self {
        let name = |role: &Resource| {
            let name = role.uid.as_str().rsplit('/').next().unwrap_or_default().to_owned();
            (role.account.as_str().to_owned(), name)
        };
        Self(estate.of_type(&TypeName::ROLE).map(|role| (name(role), trust(role))).collect())
    }

    fn trust(&self, principal: &Principal) -> Option<Trust> {
        let (account, name) = principal.role_name()?;
        self.0.get(&(account.to_owned(), name.to_owned())).copied()
    }
}

/// Whom a role trusts, by its `AssumeRolePolicyDocument`.
fn trust(role: &Resource) -> Trust {
    if role.gap_over("AssumeRolePolicyDocument").is_some() {
        return Trust::Open;
    }
    let statements = role.properties.get("AssumeRolePolicyDocument").and_then(|document| document.get("Statement"));
    let statements: Vec<&Value> = match statements {
        Some(Value::Array(several)) => several.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let allows = |statement: &&Value| statement.get("Effect").and_then(Value::as_str) != Some("Deny");
    let kinds: BTreeSet<Trust> = statements.into_iter().filter(allows).flat_map(trusted).collect();
    match kinds.into_iter().collect::<Vec<_>>().as_slice() {
        [one] => *one,
        [Trust::Services, Trust::Programs] => Trust::Programs,
        _ => Trust::Open,
    }
}

/// Whom one statement lets in.
fn trusted(statement: &Value) -> Vec<Trust> {
    let Some(principals) = statement.get("Principal").and_then(Value::as_object) else { return vec![Trust::Open] };
    let second_factor = asks_for_second_factor(statement);
    let each = principals.iter().flat_map(|(kind, names)| {
        let names: Vec<&str> = match names {
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        names.into_iter().map(move |name| match kind.as_str() {
            "Service" => Trust::Services,
            "Federated" if name.contains(":saml-provider/") => Trust::People,
            "Federated" => Trust::Programs,
            "AWS" if second_factor => Trust::People,
            _ => Trust::Open,
        })
    });
    each.collect()
}

/// Whether nobody gets in without a second factor. `BoolIfExists` lets in whoever's request does not say, as requests with
/// long-lived keys do (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>).
fn asks_for_second_factor(statement: &Value) -> bool {
    let is_true = |value: &Value| {
        value.as_bool().unwrap_or_else(|| value.as_str().is_some_and(|it| it.eq_ignore_ascii_case("true")))
    };
    let lines = statement.get("Condition").and_then(|condition| condition.get("Bool")).and_then(Value::as_object);
    lines.into_iter().flatten().any(|(key, value)| {
        key.eq_ignore_ascii_case("aws:MultiFactorAuthPresent")
            && match value {
                // One of several values is enough for AWS.
                Value::Array(several) => !several.is_empty() && several.iter().all(is_true),
                one => is_true(one),
            }
    })
}

/// The organization's own list, and what roles tell of those who take them.
#[derive(Clone, Copy)]
pub(super) struct People<'a> {
    pub(super) list: &'a BTreeMap<String, String>,
    pub(super) roles: &'a Roles,
}

impl People<'_> {
    fn listed(self, identity: &str) -> Option<String> {
        self.list.get(&identity.to_lowercase()).map(|person| person.to_lowercase())
    }

    /// Who made a call.
    pub(super) fn caller(self, event: &Event) -> Who {
        if !event.principal.is_root() && is_program(event) {
            return Who::Machine(event.principal.shown());
        }
        self.principal(&event.principal)
    }

    /// Whom a principal stands for.
    pub(super) fn principal(self, principal: &Principal) -> Who {
        if principal.is_root() {
            return Who::Root(format!("root of {}", principal.account.as_deref().unwrap_or("an unknown account")));
        }
        let trust = self.roles.trust(principal);
        if principal.is_machine() || trust == Some(Trust::Services) {
            return Who::Machine(principal.shown());
        }
        let names = [&principal.source_identity, &principal.session, &principal.user_name, &principal.on_behalf_of];
        let person = principal.person();
        let listed = person.iter().chain(names.into_iter().flatten()).find_map(|name| self.listed(name));
        // Of a session that only an ARN names, nothing says whether a person or a program is behind it.
        let is_session = principal.is_bare && principal.session.is_some();
        let is_told = !is_session || principal.names_a_person() || trust == Some(Trust::People);
        match listed.or(person.filter(|_| is_told && trust != Some(Trust::Programs))) {
            Some(person) => Who::Person(person),
            None if trust == Some(Trust::Programs) => Who::Machine(principal.shown()),
            // A workflow names its session as it likes; who is vouched for by such a provider must be told.
            None if principal.federated_provider.is_some() => Who::Machine(principal.shown()),
            None => Who::Unknown(principal.shown()),
        }
    }

    /// Whom a name stands for: an ARN speaks for itself, a login or address only if the list holds it.
    pub(super) fn name(self, name: &str) -> Who {
        if let Some(person) = self.listed(name) {
            return Who::Person(person);
        }
        if name.starts_with("arn:") {
            return self.principal(&Principal::of_arn(name));
        }
        Who::Unknown(name.to_owned())
    }
}

/// Functions and containers call in sessions whose names look like anybody's; their SDK says where it runs.
fn is_program(event: &Event) -> bool {
    let agent = event.user_agent.as_deref().unwrap_or_default();
    event.principal.is_machine() || agent.contains("exec-env/AWS_Lambda") || agent.contains("exec-env/AWS_ECS")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_a_person_only_where_it_says_so_or_the_list_does() {
        let list = BTreeMap::from([
            ("octocat".to_owned(), "Alice@example.com".to_owned()),
            ("111122223333/carol".to_owned(), "carol@example.com".to_owned()),
        ]);
        let roles = Roles::default();
        let people = People { list: &list, roles: &roles };
        assert_eq!(people.name("Octocat"), Who::Person("alice@example.com".to_owned()));
        assert_eq!(people.name("hubot"), Who::Unknown("hubot".to_owned()));
        let arn = "arn:aws:sts::111122223333:assumed-role/Release/alice@example.com";
        assert_eq!(people.name(arn), Who::Person("alice@example.com".to_owned()));
        let user = "arn:aws:iam::111122223333:user/carol";
        assert_eq!(people.name(user), Who::Person("carol@example.com".to_owned()));
        let machine = people.name("arn:aws:sts::111122223333:assumed-role/Release/1790607633411");
        assert!(matches!(machine, Who::Machine(_)));
        assert!(matches!(people.name("arn:aws:iam::111122223333:root"), Who::Root(_)));
        let made_up = people.name("arn:aws:sts::111122223333:assumed-role/Release/botocore-session-1790607633");
        assert!(matches!(made_up, Who::Unknown(_)));
    }

    #[test]
    fn a_workflow_of_a_source_host_is_a_program_unless_the_list_names_it() {
        let identity = serde_json::json!({"type": "AssumedRole", "accountId": "111122223333",
            "arn": "arn:aws:sts::111122223333:assumed-role/Deploy/release"});
        let mut workflow = Principal::of_user_identity(&identity);
        let (nobody, roles) = (BTreeMap::new(), Roles::default());
        let people = |list| People { list, roles: &roles };
        assert_eq!(people(&nobody).principal(&workflow), Who::Person("release".to_owned()));
        workflow.federated_provider = Some("arn:aws:iam::111122223333:oidc-provider/example.com".to_owned());
        assert!(matches!(people(&nobody).principal(&workflow), Who::Machine(_)));
        let list = BTreeMap::from([("release".to_owned(), "alice@example.com".to_owned())]);
        assert_eq!(people(&list).principal(&workflow), Who::Person("alice@example.com".to_owned()));
    }

    fn trusting(principal: &Value, condition: &Value) -> Roles {
        let uid = "arn:aws:iam::111122223333:role/team/Deploy".to_owned();
        let mut role =
            Resource::live(TypeName::ROLE, uid, "111122223333".parse().unwrap(), crate::inventory::Region::GLOBAL);
        let document = serde_json::json!({"Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal, "Condition": condition}]});
        role.properties.insert("AssumeRolePolicyDocument".to_owned(), document);
        let mut estate = Estate::default();
        estate.absorb(&crate::inventory::Inventory { resources: vec![role], ..Default::default() });
        Roles::of(&estate)
    }

    #[test]
    fn a_session_that_only_an_arn_names_is_a_person_only_where_the_role_says_so() {
        use serde_json::json;
        let bare = Principal::of_arn("arn:aws:sts::111122223333:assumed-role/Deploy/approve-everything");
        let nobody = BTreeMap::new();
        let who = |principal: &Value, condition: &Value| {
            People { list: &nobody, roles: &trusting(principal, condition) }.principal(&bare)
        };
        let function = json!({"Service": ["lambda.amazonaws.com"]});
        assert!(matches!(who(&function, &json!(null)), Who::Machine(_)));
        let workload = json!({"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.example"});
        assert!(matches!(who(&workload, &json!(null)), Who::Machine(_)));
        let account = json!({"AWS": "arn:aws:iam::444455556666:root"});
        assert!(matches!(who(&account, &json!(null)), Who::Unknown(_)), "anybody there, programs too");
        assert!(matches!(who(&account, &json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}})), Who::Person(_)));
        assert!(matches!(who(&account, &json!({"Bool": {"AWS:multifactorauthpresent": [true]}})), Who::Person(_)));
        for other in [
            json!({"BoolIfExists": {"aws:MultiFactorAuthPresent": "true"}}),
            json!({"Bool": {"aws:MultiFactorAuthPresent": "false", "aws:SecureTransport": "true"}}),
            json!({"Bool": {"aws:MultiFactorAuthPresent": ["true", "false"]}}),
            json!({"Bool": {"aws:MultiFactorAuthPresent": []}}),
            json!({"Null": {"aws:MultiFactorAuthPresent": "true"}}),
            json!({"StringNotEquals": {"aws:MultiFactorAuthPresent": "true"}}),
            json!({"StringEquals": {"aws:PrincipalTag/true": "aws:MultiFactorAuthPresent"}}),
        ] {
            assert!(matches!(who(&account, &other), Who::Unknown(_)), "{other}");
        }
        let company = json!({"Federated": "arn:aws:iam::111122223333:saml-provider/company"});
        assert!(matches!(who(&company, &json!(null)), Who::Person(_)));
        let both = json!({"Service": "lambda.amazonaws.com", "Federated": "arn:aws:iam::1:saml-provider/company"});
        assert!(matches!(who(&both, &json!(null)), Who::Unknown(_)));
        let none = Roles::default();
        let unheard = People { list: &nobody, roles: &none };
        assert!(matches!(unheard.principal(&bare), Who::Unknown(_)), "a role that nobody looked at");
        let reserved = Principal::of_arn("arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Dev_0a1b/alice");
        assert_eq!(unheard.principal(&reserved), Who::Person("alice".to_owned()));
    }
}
