//! Environments by name: not only production or something else, but which.
//!
//! In: the rule that decided a deployment's environment. Out: `development`, `qa`, `staging`, `production`, or a name of
//! the organization's own; or why it cannot be told. It reads the same evidence as the classification, never more.

use super::production::Environment;
use super::seen::Seen;
use super::words::words;

/// Names that mean the same, from the first environment to the last before production.
const KNOWN: &[(&str, &[&str])] = &[
    ("development", &["dev", "develop", "development", "sandbox"]),
    ("qa", &["qa", "test", "testing", "uat"]),
    ("staging", &["stage", "staging", "stg", "preprod", "preprd", "preproduction", "beta"]),
];

/// The environment after all others.
pub(super) const PRODUCTION: &str = "production";

/// How late an environment comes; `None` for names of the organization's own.
pub(super) fn rank(name: &str) -> Option<usize> {
    let known = KNOWN.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
    known.or_else(|| name.eq_ignore_ascii_case(PRODUCTION).then_some(KNOWN.len()))
}

/// The name of an environment; `own` are those of the organization, which come before the known ones.
pub(super) fn name<'a>(environment: &Environment, own: impl Iterator<Item = &'a str>) -> Seen<String> {
    let why = match environment {
        Environment::Production(_) => return Ok(PRODUCTION.to_owned()),
        Environment::Undecided => return Err(vec!["no rule says which environment that is".to_owned()]),
        Environment::NonProduction(why) => why,
    };
    let said = evidence(why);
    let own: Vec<String> = own.map(str::to_lowercase).collect();
    let mut found: Vec<&str> = Vec::new();
    let words = words(said);
    for (index, word) in words.iter().enumerate() {
        let word = word.to_lowercase();
        let before_production =
            word == "pre" && words.get(index + 1).is_some_and(|next| next.to_lowercase().starts_with("pr"));
        let known = KNOWN.iter().find(|(_, names)| names.contains(&word.as_str())).map(|(known, _)| *known);
        let one = own.iter().find(|own| **own == word).map(String::as_str);
        found.extend(one.or(known).or_else(|| before_production.then_some("staging")));
    }
    found.dedup();
    match found.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(vec![format!("{why} says only that it is not production")]),
        several => Err(vec![format!("{why} may be any of {}", several.join(", "))]),
    }
}

/// The part of a rule that holds the name: what stands before it only says what kind of name it is.
fn evidence(why: &str) -> &str {
    if let Some((_, tag)) = why.split_once(" tagged ") {
        return tag.split_once('=').map_or(tag, |(_, value)| value);
    }
    let rest = ["deployment group ", "state machine "].iter().find_map(|kind| why.strip_prefix(kind));
    rest.or_else(|| why.split_once(" name ").map(|(_, name)| name)).unwrap_or(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(why: &str) -> Seen<String> {
        name(&Environment::NonProduction(why.to_owned()), ["perf"].into_iter())
    }

    #[test]
    fn the_evidence_says_which() {
        for (why, expected) in [
            ("account 123456789012 tagged stage=dev", "development"),
            ("target account 123456789012 tagged environment=staging", "staging"),
            ("stage name Dev", "development"),
            ("stage name DeployStaging", "staging"),
            ("stack name web-qa2", "qa"),
            ("deployment group web-staging-01", "staging"),
            ("action name Deploy-PreProd", "staging"),
            ("environment name perf", "perf"),
        ] {
            assert_eq!(named(why).as_deref(), Ok(expected), "{why}");
        }
        assert_eq!(name(&Environment::Production(String::new()), [].into_iter()).as_deref(), Ok(PRODUCTION));
    }

    #[test]
    fn what_is_not_said_is_not_guessed() {
        for why in ["stack name nonprod", "account 1 tagged environment=security", "stack name test-web-staging"] {
            assert!(named(why).is_err(), "{why}");
        }
        assert!(name(&Environment::Undecided, [].into_iter()).is_err());
    }

    #[test]
    fn environments_follow_one_another() {
        assert!(rank("development") < rank("qa") && rank("qa") < rank("staging") && rank("staging") < rank(PRODUCTION));
        assert_eq!(rank("perf"), None);
    }
}
