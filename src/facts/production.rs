//! What counts as production, and why.
//!
//! In: the configuration's rules, and accounts, tags and names. Out: an [`Environment`] that carries the rule which
//! decided it, because every finding has to say so.

use std::collections::{BTreeMap, BTreeSet};

use super::deploying_name::is_called_a_deployment;
use super::words::words;
use crate::inventory::{AccountId, Tags};

/// What the configuration calls production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductionRules {
    /// Accounts that are production, whatever their tags say.
    pub accounts: BTreeSet<AccountId>,
    /// Prefixes of organizational unit paths, segment by segment (`/Workloads/Prod`), or ids of organizational units.
    pub organizational_unit_paths: Vec<String>,
    /// Values of account and resource tags that mean production, by key. The same key with any other value means not
    /// production. Letter case is ignored.
    pub tags: BTreeMap<String, BTreeSet<String>>,
    /// Words in names that mean production. Letter case is ignored.
    pub names: Vec<String>,
}

impl Default for ProductionRules {
    fn default() -> Self {
        let values: BTreeSet<String> = ["prod", "production", "prd", "live"].map(str::to_owned).into();
        Self {
            accounts: BTreeSet::new(),
            organizational_unit_paths: Vec::new(),
            tags: ["environment", "env", "stage"].map(|key| (key.to_owned(), values.clone())).into(),
            names: ["prod", "prd", "production", "live"].map(str::to_owned).into(),
        }
    }
}

/// What a rule says, with the rule in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Environment {
    /// A rule says production.
    Production(String),
    /// A rule says explicitly something else.
    NonProduction(String),
    /// No rule says anything.
    Undecided,
}

impl Environment {
    /// This answer, or the next one where no rule said anything.
    pub(super) fn or_else(self, next: impl FnOnce() -> Self) -> Self {
        if self == Self::Undecided { next() } else { self }
    }

    /// Production if either is; else not production if either is.
    fn strongest(self, other: Self) -> Self {
        match (self, other) {
            (Self::Production(why), _) | (_, Self::Production(why)) => Self::Production(why),
            (Self::NonProduction(why), _) | (_, Self::NonProduction(why)) => Self::NonProduction(why),
            _ => Self::Undecided,
        }
    }

    pub(super) fn is_production(&self) -> bool {
        matches!(self, Self::Production(_))
    }

    /// The deciding rule as a finding says it; empty where no rule said anything.
    pub(super) fn into_words(self) -> String {
        match self {
            Self::Production(why) => why,
            Self::NonProduction(why) => format!("not production: {why}"),
            Self::Undecided => String::new(),
        }
    }
}

/// Names of environments before production.
const NON_PRODUCTION: &[&str] = &[
    "dev",
    "develop",
    "development",
    "test",
    "qa",
    "uat",
    "stage",
    "staging",
    "stg",
    "beta",
    "sandbox",
    "nonprod",
    "nonprd",
    "nonproduction",
    "preprod",
    "preprd",
    "preproduction",
    "notprod",
];

/// A word that turns the production word after it into its opposite.
const NEGATIONS: &[&str] = &["pre", "non", "not", "no"];

/// The rules, prepared for asking.
#[derive(Debug, Clone)]
pub(super) struct Classifier {
    rules: ProductionRules,
    /// Each name of the rules, taken apart like the names it is compared with.
    names: Vec<Vec<String>>,
}

impl Classifier {
    pub(super) fn new(rules: ProductionRules) -> Self {
        let apart = |name: &String| words(name).into_iter().map(str::to_ascii_lowercase).collect::<Vec<_>>();
        let names = rules.names.iter().map(apart).filter(|name| !name.is_empty()).collect();
        Self { rules, names }
    }

    /// Whether the configuration names the account itself.
    pub(super) fn names_account(&self, account: &AccountId) -> bool {
        self.rules.accounts.contains(account)
    }

    /// Whether any rule compares the names of organizational units.
    pub(super) fn asks_for_path(&self) -> bool {
        let names_units = |rule: &String| rule.starts_with('/') && rule.split('/').any(|segment| !segment.is_empty());
        self.rules.organizational_unit_paths.iter().any(names_units)
    }

    /// Whether any rule compares the ids of organizational units.
    pub(super) fn asks_for_units(&self) -> bool {
        self.rules.organizational_unit_paths.iter().any(|rule| !rule.starts_with('/'))
    }

    /// The rule that an account's place in the organization meets.
    pub(super) fn by_path(&self, path: &str, ids: &[String]) -> Option<&str> {
        let segments = || path.split('/').filter(|segment| !segment.is_empty());
        let meets = |rule: &&String| {
            ids.contains(*rule) || {
                let mut own = segments();
                let mut wanted = rule.split('/').filter(|segment| !segment.is_empty()).peekable();
                rule.starts_with('/') && wanted.peek().is_some() && wanted.all(|segment| own.next() == Some(segment))
            }
        };
        self.rules.organizational_unit_paths.iter().find(meets).map(String::as_str)
    }

    /// What tags say about their holder.
    pub(super) fn by_tags(&self, tags: &Tags, holder: &str) -> Environment {
        let mut answer = Environment::Undecided;
        for (key, value) in tags {
            let Some((_, values)) = self.rules.tags.iter().find(|(rule, _)| rule.eq_ignore_ascii_case(key)) else {
                continue;
            };
            if value.is_empty() {
                continue;
            }
            let why = format!("{holder} tagged {key}={value}");
            let production = values.iter().any(|known| known.eq_ignore_ascii_case(value));
            answer = answer.strongest(if production {
                Environment::Production(why)
            } else {
                Environment::NonProduction(why)
            });
        }
        answer
    }

    /// What a name says about the thing it names; production wins over everything else in the same name.
    pub(super) fn by_name(&self, kind: &str, name: &str) -> Environment {
        let words = words(name);
        let mut other = false;
        for index in 0..words.len() {
            let rest = words.get(index..).unwrap_or_default();
            if self.names.iter().any(|rule| begins_with(rest, rule)) {
                let before = index.checked_sub(1).and_then(|before| words.get(before));
                if before.is_some_and(|word| is_one_of(word, NEGATIONS)) {
                    other = true;
                } else {
                    return Environment::Production(format!("{kind} {name}"));
                }
            } else if rest.first().is_some_and(|word| is_one_of(word, NON_PRODUCTION))
                && !is_the_word_stage_itself(kind, name, index, &words)
                && !is_a_test_of_something(kind, index, &words)
            {
                other = true;
            }
        }
        if other { Environment::NonProduction(format!("{kind} {name}")) } else { Environment::Undecided }
    }

    /// What several names say together.
    pub(super) fn by_names<'a>(&self, names: impl IntoIterator<Item = (&'static str, &'a str)>) -> Environment {
        names.into_iter().fold(Environment::Undecided, |answer, (kind, name)| {
            if answer.is_production() { answer } else { answer.strongest(self.by_name(kind, name)) }
        })
    }
}

pub(super) fn is_one_of(word: &str, list: &[&str]) -> bool {
    list.iter().any(|known| known.eq_ignore_ascii_case(word))
}

fn begins_with(words: &[&str], rule: &[String]) -> bool {
    words.len() >= rule.len() && words.iter().zip(rule).all(|(word, rule)| word.eq_ignore_ascii_case(rule))
}

/// Kinds of names in which `test` may be part of what is made.
const NAMES_OF_PRODUCTS: &[&str] = &["application name", "service name", "project name", "function name"];

/// `TestAndDeploy` and `BuildDeployTest` say what is done beside deploying, and an application may be called `my-test-app`:
/// neither says where it is deployed to. `web-test` and `deploy-test` do.
fn is_a_test_of_something(kind: &str, index: usize, words: &[&str]) -> bool {
    if !words.get(index).is_some_and(|word| is_one_of(word, &["test"])) {
        return false;
    }
    let before = index.checked_sub(1).and_then(|before| words.get(before));
    let is_named_as_target = before.is_some_and(|before| is_one_of(before, &["to", "into", "in", "for"]));
    let is_done = words.iter().any(|word| is_one_of(word, &["and", "build"]))
        && words.iter().any(|word| is_called_a_deployment(word));
    let is_target = index + 1 == words.len() || before.is_some_and(|before| is_called_a_deployment(before));
    !is_named_as_target && (is_done || NAMES_OF_PRODUCTS.contains(&kind) && !is_target)
}

/// `DeployStage` says that it is a stage, not that it is staging: as the name of a stage, and in every name that a CDK
/// application makes of its stages (`AppStage-Network`).
fn is_the_word_stage_itself(kind: &str, name: &str, index: usize, words: &[&str]) -> bool {
    let Some((before, "Stage")) =
        index.checked_sub(1).and_then(|before| words.get(before)).zip(words.get(index).copied())
    else {
        return false;
    };
    let last = kind == "stage name" && index + 1 == words.len();
    let is_capital = |word: &&str| word.starts_with(char::is_uppercase);
    let in_one = words.iter().take(index).all(is_capital)
        && name.starts_with(&format!("{}Stage", words.get(..index).unwrap_or_default().concat()));
    last || in_one && is_capital(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Environment {
        Classifier::new(ProductionRules::default()).by_name("stack name", text)
    }

    #[test]
    fn names_that_say_production() {
        for text in [
            "prod",
            "Production",
            "DeployPrd",
            "TerraformDeployProd",
            "Prod1.Stack1.Deploy",
            "Deploy_Prod",
            "eu-prod-1",
            "PRODCluster",
            "go-live",
            "prod-test-data",
            "ProdUS",
            "app2prod",
        ] {
            assert!(name(text).is_production(), "{text}");
        }
    }

    #[test]
    fn names_that_say_something_else_or_nothing() {
        for text in
            ["nonprod", "non-prod", "NonProd", "preprod", "Pre-Prod", "PreProd", "Staging", "DeployTo-test", "qa2"]
        {
            assert!(matches!(name(text), Environment::NonProduction(_)), "{text}");
        }
        for text in ["delivery", "DeliveryBuild", "Deploy", "product", "reproduce", "Wave1", "olive", "latest", ""] {
            assert_eq!(name(text), Environment::Undecided, "{text}");
        }
    }

    #[test]
    fn a_stage_called_stage_is_not_staging() {
        let classifier = Classifier::new(ProductionRules::default());
        for name in ["DeployStage", "MyStage", "Deploy-Stage"] {
            assert_eq!(classifier.by_name("stage name", name), Environment::Undecided, "{name}");
        }
        for name in ["AppStage-Network", "MyStage", "PaymentsAppStage"] {
            assert_eq!(classifier.by_name("stack name", name), Environment::Undecided, "{name}");
        }
        for name in ["Stage", "webStage", "Web-Stage", "Web-AppStage", "Stage-Web"] {
            let said = classifier.by_name("stack name", name);
            assert!(matches!(said, Environment::NonProduction(_)), "{name}");
        }
        assert!(matches!(classifier.by_name("stage name", "Stage"), Environment::NonProduction(_)));
        assert!(matches!(classifier.by_name("stack name", "web-stage"), Environment::NonProduction(_)));
    }

    #[test]
    fn a_test_on_the_way_is_no_environment() {
        let classifier = Classifier::new(ProductionRules::default());
        for name in ["TestAndDeploy", "BuildTestDeploy", "Build-Test-Deploy", "DeployAndTest", "BuildDeployTest"] {
            assert_eq!(classifier.by_name("action name", name), Environment::Undecided, "{name}");
        }
        assert_eq!(classifier.by_name("application name", "my-test-app"), Environment::Undecided);
        for (kind, name) in [
            ("action name", "DeployToTest"),
            ("action name", "BuildAndDeployToTest"),
            ("action name", "DeployTest"),
            ("stage name", "Test-Deploy"),
            ("stack name", "web-test"),
            ("deployment group", "test"),
            ("application name", "web-staging"),
            ("project name", "web-deploy-test"),
            ("service name", "web-test"),
        ] {
            assert!(matches!(classifier.by_name(kind, name), Environment::NonProduction(_)), "{kind} {name}");
        }
    }

    #[test]
    fn tags_decide_without_letter_case_and_production_wins() {
        let classifier = Classifier::new(ProductionRules::default());
        let tags = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(
            classifier.by_tags(&tags(&[("Environment", "Prod"), ("stage", "qa")]), "account 1"),
            Environment::Production("account 1 tagged Environment=Prod".to_owned())
        );
        assert_eq!(
            classifier.by_tags(&tags(&[("env", "dev")]), "pipeline"),
            Environment::NonProduction("pipeline tagged env=dev".to_owned())
        );
        assert_eq!(classifier.by_tags(&tags(&[("owner", "prod"), ("env", "")]), "pipeline"), Environment::Undecided);
    }

    #[test]
    fn paths_match_by_whole_segments() {
        let rules = ProductionRules {
            organizational_unit_paths: vec!["/Workloads/Prod".to_owned(), "ou-ab12-prod".to_owned(), "/".to_owned()],
            ..ProductionRules::default()
        };
        let classifier = Classifier::new(rules);
        assert_eq!(classifier.by_path("/Workloads/Prod/Payments", &[]), Some("/Workloads/Prod"));
        assert_eq!(classifier.by_path("/Workloads/Production", &[]), None);
        assert_eq!(classifier.by_path("/", &["r-1".to_owned(), "ou-ab12-prod".to_owned()]), Some("ou-ab12-prod"));
    }

    #[test]
    fn configured_names_may_have_several_words() {
        let rules = ProductionRules { names: vec!["blue-green".to_owned()], ..ProductionRules::default() };
        let classifier = Classifier::new(rules);
        assert!(classifier.by_name("stage name", "DeployBlueGreen").is_production());
        assert_eq!(classifier.by_name("stage name", "DeployGreen"), Environment::Undecided);
    }
}
