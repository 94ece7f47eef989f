//! Which accounts are audited, and why the others are not.

use super::{Account, Tagged, UNKNOWN_STATE};
use crate::inventory::AccountId;

/// A filter expression that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` selects no accounts: write an account id (`123456789012`), an OU path (`/Workloads/Prod`), an OU or root id (`ou-ab12-…`, `r-ab12`), a tag (`tag:owner=payments`) or a state (`state:ACTIVE`)"
)]
pub struct FilterError(String);

/// One expression.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Selector {
    Account(AccountId),
    Path(String),
    Unit(String),
    Tag(String, String),
    State(String),
}

impl Selector {
    fn parse(text: &str) -> Result<Self, FilterError> {
        if let Ok(account) = text.parse() {
            return Ok(Self::Account(account));
        }
        if let Some((key, value)) = text.strip_prefix("tag:").and_then(|tag| tag.split_once('=')) {
            return Ok(Self::Tag(key.to_owned(), value.to_owned()));
        }
        if let Some(state) = text.strip_prefix("state:") {
            return Ok(Self::State(state.to_ascii_uppercase()));
        }
        if text.starts_with('/') {
            return Ok(Self::Path(text.trim_end_matches('/').to_owned()));
        }
        if text.starts_with("ou-") || text.starts_with("r-") {
            return Ok(Self::Unit(text.to_owned()));
        }
        Err(FilterError(text.to_owned()))
    }

    /// Whether it cannot be told if it selects the account. An account in doubt is looked at.
    fn is_in_doubt(&self, account: &Account) -> bool {
        match self {
            Self::Account(_) => false,
            Self::Path(path) => account.path.is_err() && !path.is_empty(),
            Self::Unit(_) => account.parent_ids.is_err(),
            Self::Tag(..) => matches!(account.tags, Tagged::Unknown(_)),
            Self::State(_) => account.state == UNKNOWN_STATE,
        }
    }

    fn selects(&self, account: &Account) -> bool {
        match self {
            Self::Account(id) => *id == account.id,
            // Everything stands somewhere below the root.
            Self::Path(path) if path.is_empty() => true,
            Self::Path(path) => account.path.as_ref().is_ok_and(|own| {
                own == path || own.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('/'))
            }),
            Self::Unit(id) => account.parent_ids.as_ref().is_ok_and(|ids| ids.contains(id)),
            Self::Tag(key, value) => matches!(&account.tags, Tagged::Known(tags) if tags.get(key) == Some(value)),
            Self::State(state) => account.state == *state,
        }
    }
}

/// Include and exclude expressions; exclude wins, and no include means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFilter {
    include: Vec<(String, Selector)>,
    exclude: Vec<(String, Selector)>,
}

impl AccountFilter {
    /// Reads the expressions.
    ///
    /// # Errors
    /// [`FilterError`] for the first that cannot be read.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, FilterError> {
        let read = |texts: &[String]| {
            texts.iter().map(|text| Ok((text.clone(), Selector::parse(text)?))).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self { include: read(include)?, exclude: read(exclude)? })
    }

    /// Whether any expression needs the tags of accounts, which cost a call each.
    #[must_use]
    pub fn needs_tags(&self) -> bool {
        self.include.iter().chain(&self.exclude).any(|(_, selector)| matches!(selector, Selector::Tag(..)))
    }

    /// Why an account is left out; `None` if it is audited.
    #[must_use]
    pub fn reason_to_skip(&self, account: &Account) -> Option<String> {
        if let Some((text, _)) = self.exclude.iter().find(|(_, selector)| selector.selects(account)) {
            return Some(format!("excluded by `{text}`"));
        }
        let asks_for_state = self.include.iter().any(|(_, selector)| matches!(selector, Selector::State(_)));
        // An account of unknown state is looked at: leaving it out would be silence. One that is about to be closed may
        // still run (docs/decisions/0005).
        let may_run = matches!(account.state.as_str(), "ACTIVE" | "PENDING_CLOSURE" | UNKNOWN_STATE);
        if !may_run && !asks_for_state {
            return Some(format!("account is {}", account.state));
        }
        let may_select = |selector: &Selector| selector.selects(account) || selector.is_in_doubt(account);
        let included = self.include.is_empty() || self.include.iter().any(|(_, selector)| may_select(selector));
        (!included).then(|| "not selected by any include filter".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Affects, Gap, GapCause, Region};

    fn account(path: &str, state: &str, tag: Option<(&str, &str)>) -> Account {
        Account {
            id: "111122223333".parse().unwrap(),
            arn: String::new(),
            name: String::new(),
            state: state.to_owned(),
            parent_ids: Ok(vec!["r-ab12".to_owned(), "ou-ab12-1".to_owned()]),
            path: Ok(path.to_owned()),
            tags: Tagged::Known(tag.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()),
        }
    }

    fn skip(include: &[&str], exclude: &[&str], account: &Account) -> Option<String> {
        let own = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        AccountFilter::new(&own(include), &own(exclude)).unwrap().reason_to_skip(account)
    }

    #[test]
    fn each_kind_of_expression_selects() {
        let prod = account("/Workloads/Prod", "ACTIVE", Some(("owner", "payments")));
        for text in [
            "111122223333",
            "/Workloads",
            "/Workloads/Prod",
            "/",
            "ou-ab12-1",
            "r-ab12",
            "tag:owner=payments",
            "state:active",
        ] {
            assert_eq!(skip(&[text], &[], &prod), None, "{text}");
            assert!(skip(&[], &[text], &prod).is_some(), "{text}");
        }
        for text in ["999999999999", "/Work", "/Workloads/Prod/X", "ou-ab12-2", "tag:owner=x", "state:SUSPENDED"] {
            assert!(skip(&[text], &[], &prod).is_some(), "{text}");
        }
    }

    fn throttled(action: &str) -> Box<Gap> {
        Box::new(Gap {
            account: "999999999999".parse().unwrap(),
            region: Region::GLOBAL,
            service: "organizations".to_owned(),
            action: action.to_owned(),
            cause: GapCause::Throttled { attempts: 7 },
            affects: Affects::Details,
        })
    }

    #[test]
    fn an_account_whose_tags_were_refused_is_looked_at() {
        let mut prod = account("/", "ACTIVE", None);
        prod.tags = Tagged::Unknown(throttled("organizations:ListTagsForResource"));
        assert_eq!(skip(&["tag:owner=payments"], &[], &prod), None);
        assert_eq!(skip(&[], &["tag:owner=payments"], &prod), None);
    }

    #[test]
    fn an_account_whose_place_was_not_seen_is_looked_at() {
        let mut prod = account("/", "ACTIVE", None);
        prod.path = Err(throttled("organizations:ListRoots"));
        assert_eq!(skip(&["/Workloads"], &[], &prod), None);
        assert_eq!(skip(&[], &["/Workloads"], &prod), None);
        assert!(skip(&[], &["/"], &prod).is_some(), "everything stands below the root");
        // Ids decide where they were seen.
        assert_eq!(skip(&["ou-ab12-1"], &[], &prod), None);
        assert!(skip(&["ou-ab12-2"], &[], &prod).is_some());
        assert!(skip(&[], &["ou-ab12-1"], &prod).is_some());
        prod.parent_ids = Err(throttled("organizations:ListRoots"));
        assert_eq!(skip(&["ou-ab12-2"], &[], &prod), None);
        assert_eq!(skip(&[], &["ou-ab12-1"], &prod), None);
        assert!(skip(&["999999999999"], &[], &prod).is_some(), "nothing else is in doubt");
    }

    #[test]
    fn an_account_of_unknown_state_is_looked_at() {
        let unknown = account("/", UNKNOWN_STATE, None);
        assert_eq!(skip(&["state:ACTIVE"], &[], &unknown), None);
        assert_eq!(skip(&[], &["state:SUSPENDED"], &unknown), None);
    }

    #[test]
    fn accounts_that_are_not_active_are_skipped_with_the_reason() {
        assert_eq!(skip(&[], &[], &account("/", "SUSPENDED", None)), Some("account is SUSPENDED".to_owned()));
        assert_eq!(skip(&["state:SUSPENDED"], &[], &account("/", "SUSPENDED", None)), None);
    }

    #[test]
    fn an_account_that_is_about_to_be_closed_may_still_run() {
        assert_eq!(skip(&[], &[], &account("/", "PENDING_CLOSURE", None)), None);
        assert_eq!(skip(&[], &[], &account("/", "CLOSED", None)), Some("account is CLOSED".to_owned()));
    }

    #[test]
    fn unreadable_expressions_are_errors() {
        assert!(AccountFilter::new(&["Workloads".to_owned()], &[]).is_err());
        assert!(AccountFilter::new(&[], &["tag:owner".to_owned()]).is_err());
    }
}
