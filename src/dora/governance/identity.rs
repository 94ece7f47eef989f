//! Who is who: whether two identities are one person.
//!
//! In: principals of calls, ARNs and logins, and the organization's own list of people. Out: a person, a program, or
//! somebody of whom nothing can be said. Roles are never compared, and an identity that nobody told us is neither the
//! same person nor another.

use std::collections::BTreeMap;

use crate::history::{Event, Principal};

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

/// The organization's own list.
#[derive(Clone, Copy)]
pub(super) struct People<'a>(pub(super) &'a BTreeMap<String, String>);

impl People<'_> {
    fn listed(self, identity: &str) -> Option<String> {
        self.0.get(&identity.to_lowercase()).map(|person| person.to_lowercase())
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
        if principal.is_machine() {
            return Who::Machine(principal.shown());
        }
        let names = [&principal.source_identity, &principal.session, &principal.user_name, &principal.on_behalf_of];
        let person = principal.person();
        let listed = person.iter().chain(names.into_iter().flatten()).find_map(|name| self.listed(name));
        match listed.or(person) {
            Some(person) => Who::Person(person),
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
        let people = People(&list);
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
        let mut workflow = Principal::of_arn("arn:aws:sts::111122223333:assumed-role/Deploy/release");
        let nobody = BTreeMap::new();
        assert_eq!(People(&nobody).principal(&workflow), Who::Person("release".to_owned()));
        workflow.federated_provider = Some("arn:aws:iam::111122223333:oidc-provider/example.com".to_owned());
        assert!(matches!(People(&nobody).principal(&workflow), Who::Machine(_)));
        let list = BTreeMap::from([("release".to_owned(), "alice@example.com".to_owned())]);
        assert_eq!(People(&list).principal(&workflow), Who::Person("alice@example.com".to_owned()));
    }
}
