//! The mapping file of owners: which lines match a resource, the last of them wins, as in a CODEOWNERS file.
//!
//! In: text. Out: lines with their selectors, or every line that cannot be read, with its number.
//!
//! ```text
//! # everything that nobody else answers for
//! *                                              platform-team
//! /Workloads/Payments                            payments-team
//! account:sandbox-*                              developers@example.com
//! 111122223333  AWS::CodePipeline::Pipeline      release-team
//! arn:aws:s3:::checkout-*                        checkout-team
//! ```

use std::str::FromStr;

use super::Owned;
use crate::finding::{Owner, OwnerSource};
use crate::inventory::{AccountId, Arn};

/// All lines of a mapping file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    number: u32,
    /// All of them must match.
    selectors: Vec<Selector>,
    owner: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Selector {
    Everything,
    /// That unit and everything below it.
    OrganizationalUnit(String),
    Account(AccountId),
    AccountName(String),
    Region(String),
    TypeName(String),
    Arn(String),
    /// The last part of the ARN.
    Name(String),
}

/// A mapping file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct MappingError(
    /// One sentence per wrong line, with its number.
    pub Vec<String>,
);

const SELECTORS: &str = "`*`, `/OU/path`, a 12-digit account id, `account:name`, `region:name`, `name:name`, `AWS::Type::Name` or `arn:…`, with `*` for anything";

impl FromStr for Mapping {
    type Err = MappingError;

    fn from_str(text: &str) -> Result<Self, MappingError> {
        let mut lines = Vec::new();
        let mut wrong = Vec::new();
        for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
            // A `#` inside a word belongs to it: `#payments` is a channel, but only after a selector.
            let line = line.split(" #").next().unwrap_or_default().trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words: Vec<&str> = line.split_whitespace().collect();
            let owner = words.pop().unwrap_or_default().to_owned();
            let selectors: Result<Vec<Selector>, String> = words.iter().map(|word| word.parse()).collect();
            match selectors {
                Ok(selectors) if selectors.is_empty() => {
                    wrong.push(format!(
                        "line {number}: `{owner}` stands alone; write what it owns before it: {SELECTORS}"
                    ));
                }
                Ok(selectors) => lines.push(Line { number, selectors, owner }),
                Err(word) => {
                    wrong.push(format!("line {number}: `{word}` says nothing; before the owner stands {SELECTORS}"));
                }
            }
        }
        if wrong.is_empty() { Ok(Self { lines }) } else { Err(MappingError(wrong)) }
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let named = |prefix: &str| word.strip_prefix(prefix).filter(|rest| !rest.is_empty()).map(str::to_owned);
        if word == "*" {
            return Ok(Self::Everything);
        }
        if word.starts_with('/') {
            return Ok(Self::OrganizationalUnit(word.trim_end_matches('/').to_owned()));
        }
        if let Ok(account) = word.parse() {
            return Ok(Self::Account(account));
        }
        if word.starts_with("arn:") {
            return Ok(Self::Arn(word.to_owned()));
        }
        if word.contains("::") {
            return Ok(Self::TypeName(word.to_owned()));
        }
        let account = named("account:").map(Self::AccountName);
        let region = || named("region:").map(Self::Region);
        let name = || named("name:").map(Self::Name);
        account.or_else(region).or_else(name).ok_or_else(|| word.to_owned())
    }
}

impl Mapping {
    /// The owner of the last line that matches.
    #[must_use]
    pub fn owner_of(&self, owned: &Owned<'_>) -> Option<Owner> {
        let line =
            self.lines.iter().rev().find(|line| line.selectors.iter().all(|selector| selector.matches(owned)))?;
        Some(Owner { name: line.owner.clone(), source: OwnerSource::MappingFile { line: line.number } })
    }
}

impl Selector {
    fn matches(&self, owned: &Owned<'_>) -> bool {
        match self {
            Self::Everything => true,
            Self::OrganizationalUnit(path) => is_at_or_below(path, owned.organizational_unit_path),
            Self::Account(account) => account == owned.account,
            Self::AccountName(pattern) => matches(pattern, owned.account_name),
            Self::Region(pattern) => matches(pattern, owned.region.as_str()),
            Self::TypeName(pattern) => matches(pattern, owned.type_name.as_str()),
            Self::Arn(pattern) => matches(pattern, owned.uid.as_str()),
            Self::Name(pattern) => matches(pattern, name_of(owned.uid.as_str())),
        }
    }
}

/// Whether `path` begins with all parts of the pattern; a `*` stands for anything in one part.
fn is_at_or_below(pattern: &str, path: &str) -> bool {
    if path.is_empty() {
        return false;
    }
    let parts = |text: &str| text.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (pattern, path) = (parts(pattern), parts(path));
    pattern.len() <= path.len() && pattern.iter().zip(&path).all(|(pattern, part)| matches(pattern, part))
}

/// The last part of an ARN, as people call the resource.
fn name_of(uid: &str) -> &str {
    let resource = Arn::parse(uid).map_or(uid, |arn| arn.resource);
    resource.rsplit(['/', ':']).next().unwrap_or(resource)
}

/// Whether the text is what the pattern says; `*` stands for anything, also nothing.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{ResourceUid, Tags, TypeName};

    fn owner(text: &str, uid: &str) -> Option<String> {
        let mapping: Mapping = text.parse().unwrap();
        let owned = Owned {
            uid: &ResourceUid(uid.to_owned()),
            type_name: &TypeName::PIPELINE,
            tags: &Tags::new(),
            account: &"111122223333".parse().unwrap(),
            account_name: "payments-prod",
            organizational_unit_path: "/Workloads/Prod",
            account_tags: &Tags::new(),
            region: &"eu-west-1".parse().unwrap(),
        };
        mapping.owner_of(&owned).map(|owner| owner.name)
    }

    const PIPELINE: &str = "arn:aws:codepipeline:eu-west-1:111122223333:checkout-web";

    #[test]
    fn the_last_line_that_matches_wins() {
        assert_eq!(owner("* a\n/Workloads b\n/Other c", PIPELINE).as_deref(), Some("b"));
        assert_eq!(owner("/Workloads b\n* a", PIPELINE).as_deref(), Some("a"));
        assert_eq!(owner("/Other c", PIPELINE), None);
    }

    #[test]
    fn every_selector_selects_and_all_of_a_line_must() {
        for selector in [
            "/Workloads",
            "/Workloads/Prod/",
            "/Work*/Prod",
            "/",
            "111122223333",
            "account:payments-*",
            "region:eu-*",
            "name:checkout-*",
            "name:*web",
            "name:*out*w*",
            "AWS::CodePipeline::*",
            "arn:aws:codepipeline:*:checkout-web",
        ] {
            assert_eq!(owner(&format!("{selector} team"), PIPELINE).as_deref(), Some("team"), "{selector}");
        }
        for selector in [
            "/Workloads/Prod/Eu",
            "/Work",
            "111122224444",
            "account:payments",
            "region:us-*",
            "name:web",
            "name:*out*x*",
            "AWS::S3::*",
            "name:checkout",
            "name:checkout-web*x",
        ] {
            assert_eq!(owner(&format!("{selector} team"), PIPELINE), None, "{selector}");
        }
        assert_eq!(owner("111122223333 region:us-* team", PIPELINE), None);
        assert_eq!(owner("111122223333 region:eu-* team # theirs", PIPELINE).as_deref(), Some("team"));
    }

    #[test]
    fn every_wrong_line_is_named() {
        let error = "# fine\n\n* ok\nalone\nPayments team\n".parse::<Mapping>().unwrap_err().to_string();
        assert!(error.contains("line 4: `alone` stands alone"), "{error}");
        assert!(error.contains("line 5: `Payments` says nothing"), "{error}");
        assert_eq!(error.lines().count(), 2);
    }
}
