//! The mapping file of owners: which lines match a resource, the last of them wins, as in a CODEOWNERS file.
//!
//! In: text. Out: lines with their selectors, or every line that cannot be read, with its number. A line about a unit may
//! match an account whose unit nobody saw: then it names nobody, and the owner of the line before it says so.
//!
//! ```text
//! # everything that nobody else answers for
//! *                                              platform-team
//! /Workloads/Payments                            payments-team
//! account:sandbox-*                              developers@example.com
//! 111122223333  AWS::CodePipeline::Pipeline      release-team
//! arn:aws:s3:::checkout-*                        checkout-team
//! "/Workloads/Core Banking"                      #banking
//! ```
//!
//! A comment begins at the line's start, or with a `#` that stands alone; a `#` before a word belongs to it. What has spaces
//! stands in double quotes. An owner that reads like a selector is a forgotten owner, and an error.

use std::str::FromStr;

use super::Owned;
use crate::finding::{Owner, OwnerSource};
use crate::inventory::{AccountId, Arn, wildcard_matches};

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
            if line.trim_start().starts_with('#') {
                continue;
            }
            match words(line).and_then(owner_and_selectors) {
                Ok(Some((owner, selectors))) => lines.push(Line { number, selectors, owner }),
                Ok(None) => {}
                Err(problem) => wrong.push(format!("line {number}: {problem}")),
            }
        }
        if wrong.is_empty() { Ok(Self { lines }) } else { Err(MappingError(wrong)) }
    }
}

/// The words of a line without its comment; double quotes keep spaces in a word.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut signs = line.trim().chars().peekable();
    loop {
        while signs.next_if(|sign| sign.is_whitespace()).is_some() {}
        if signs.peek().is_none() {
            return Ok(words);
        }
        let (mut word, mut has_quotes, mut is_open) = (String::new(), false, false);
        while let Some(sign) = signs.next_if(|sign| is_open || !sign.is_whitespace()) {
            if sign == '"' {
                (has_quotes, is_open) = (true, !is_open);
            } else {
                word.push(sign);
            }
        }
        if is_open {
            return Err(format!("the quote before `{word}` has no end; close it with `\"`"));
        }
        if word == "#" && !has_quotes {
            return Ok(words);
        }
        words.push(word);
    }
}

/// What the words of a line say, if there are any.
fn owner_and_selectors(mut words: Vec<String>) -> Result<Option<(String, Vec<Selector>)>, String> {
    let Some(owner) = words.pop() else { return Ok(None) };
    if owner.is_empty() || owner.parse::<Selector>().is_ok() {
        return Err(format!(
            "`{owner}` stands where the owner does, and is none; write who owns what the line selects as its last word"
        ));
    }
    if words.is_empty() {
        return Err(format!("`{owner}` stands alone; write what it owns before it: {SELECTORS}"));
    }
    let selectors: Result<Vec<Selector>, String> = words.iter().map(|word| word.parse()).collect();
    let problem = |word| {
        format!("`{word}` says nothing; before the owner stands {SELECTORS}; what has spaces stands in double quotes")
    };
    Ok(Some((owner, selectors.map_err(problem)?)))
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
        // What follows a prefix may be written like anything, also like a type.
        let account = named("account:").map(Self::AccountName);
        let region = || named("region:").map(Self::Region);
        let name = || named("name:").map(Self::Name);
        let arn = || named("arn:").map(|_| Self::Arn(word.to_owned()));
        let type_name = || word.contains("::").then(|| Self::TypeName(word.to_owned()));
        account.or_else(region).or_else(name).or_else(arn).or_else(type_name).ok_or_else(|| word.to_owned())
    }
}

impl Mapping {
    /// The owner of the last line that matches.
    #[must_use]
    pub fn owner_of(&self, owned: &Owned<'_>) -> Option<Owner> {
        let mut in_doubt = Vec::new();
        for line in self.lines.iter().rev() {
            match line.matches(owned) {
                None => in_doubt.push(line.owner.as_str()),
                Some(false) => {}
                Some(true) => {
                    let source = OwnerSource::MappingFile { line: line.number };
                    let may_be_another = in_doubt.iter().any(|owner| *owner != line.owner);
                    let source =
                        if may_be_another { OwnerSource::UnitNotSeen { instead: Box::new(source) } } else { source };
                    return Some(Owner { name: line.owner.clone(), source });
                }
            }
        }
        None
    }
}

impl Line {
    /// Whether all of it matches; `None` if only the unit, which nobody saw, would tell.
    fn matches(&self, owned: &Owned<'_>) -> Option<bool> {
        let mut answer = Some(true);
        for selector in &self.selectors {
            match selector {
                // Whatever the unit is, it stands below the root.
                Selector::OrganizationalUnit(pattern) if owned.organizational_unit_path.is_empty() => {
                    answer = answer.filter(|_| pattern.is_empty());
                }
                _ if !selector.matches(owned) => return Some(false),
                _ => {}
            }
        }
        answer
    }
}

impl Selector {
    fn matches(&self, owned: &Owned<'_>) -> bool {
        match self {
            Self::Everything => true,
            Self::OrganizationalUnit(pattern) => is_at_or_below(pattern, owned.organizational_unit_path),
            Self::Account(account) => account == owned.account,
            Self::AccountName(pattern) => wildcard_matches(pattern, owned.account_name),
            Self::Region(pattern) => wildcard_matches(pattern, owned.region.as_str()),
            Self::TypeName(pattern) => wildcard_matches(pattern, owned.type_name.as_str()),
            Self::Arn(pattern) => wildcard_matches(pattern, owned.uid.as_str()),
            Self::Name(pattern) => wildcard_matches(pattern, name_of(owned.uid.as_str())),
        }
    }
}

/// Whether `path` begins with all parts of the pattern; a `*` stands for anything in one part.
fn is_at_or_below(pattern: &str, path: &str) -> bool {
    let parts = |text: &str| text.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (pattern, path) = (parts(pattern), parts(path));
    pattern.len() <= path.len() && pattern.iter().zip(&path).all(|(pattern, part)| wildcard_matches(pattern, part))
}

/// The last part of an ARN, as people call the resource.
fn name_of(uid: &str) -> &str {
    let resource = Arn::parse(uid).map_or(uid, |arn| arn.resource);
    resource.rsplit(['/', ':']).next().unwrap_or(resource)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{ResourceUid, Tags, TypeName};

    fn owner(text: &str, uid: &str) -> Option<String> {
        owner_in("/Workloads/Prod", text, uid).map(|owner| owner.name)
    }

    fn owner_in(organizational_unit_path: &str, text: &str, uid: &str) -> Option<Owner> {
        let mapping: Mapping = text.parse().unwrap();
        let owned = Owned {
            uid: &ResourceUid(uid.to_owned()),
            type_name: &TypeName::PIPELINE,
            tags: &Tags::new(),
            tags_seen: true,
            account: &"111122223333".parse().unwrap(),
            account_name: "payments-prod",
            organizational_unit_path,
            account_tags: &Tags::new(),
            region: &"eu-west-1".parse().unwrap(),
        };
        mapping.owner_of(&owned)
    }

    const PIPELINE: &str = "arn:aws:codepipeline:eu-west-1:111122223333:checkout-web";

    #[test]
    fn the_last_line_that_matches_wins() {
        assert_eq!(owner("* a\n/Workloads b\n/Other c", PIPELINE).as_deref(), Some("b"));
        assert_eq!(owner("/Workloads b\n* a", PIPELINE).as_deref(), Some("a"));
        assert_eq!(owner("/Other c", PIPELINE), None);
    }

    #[test]
    fn where_the_unit_was_not_seen_the_owner_says_so() {
        let said = |text: &str| {
            let owner = owner_in("", text, PIPELINE).unwrap();
            format!("{}: {}", owner.name, owner.source)
        };
        let not_seen = " (the organizational unit of the account was not seen)";
        assert_eq!(said("* a\n/Workloads b"), format!("a: line 1 of the owners file{not_seen}"));
        // Only a later line could have won, one that matches in all else, and one that names somebody else.
        for text in ["/Workloads b\n* a", "* a\n/Workloads region:us-* b", "* a\n/Workloads a"] {
            assert!(said(text).starts_with("a: ") && !said(text).contains(not_seen), "{text}");
        }
        assert_eq!(said("* a\n/ b"), "b: line 2 of the owners file");
        assert_eq!(owner_in("", "/Workloads b", PIPELINE), None);
        let written = serde_json::to_value(owner_in("", "* a\n/Workloads b", PIPELINE).unwrap()).unwrap();
        let source = serde_json::json!({"kind": "UnitNotSeen", "instead": {"kind": "MappingFile", "line": 1}});
        assert_eq!(written["source"], source);
        let read: Owner = serde_json::from_value(written).unwrap();
        assert_eq!(Some(read), owner_in("", "* a\n/Workloads b", PIPELINE));
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
        let error = " # fine\n\n* ok\nalone\nPayments team\n".parse::<Mapping>().unwrap_err().to_string();
        assert!(error.contains("line 4: `alone` stands alone"), "{error}");
        assert!(error.contains("line 5: `Payments` says nothing"), "{error}");
        assert_eq!(error.lines().count(), 2);
    }

    #[test]
    fn a_forgotten_owner_is_no_owner() {
        for selector in [
            "111122223333 AWS::CodePipeline::Pipeline",
            "* *",
            "/Workloads",
            "* /Workloads # payments",
            "* 111122223333",
            "* name:checkout-*",
            "* \"account:Core Banking\"",
            "* arn:aws:s3:::x",
            "* \"\"",
        ] {
            let error = format!("* ok\n{selector}").parse::<Mapping>().unwrap_err().to_string();
            assert!(error.starts_with("line 2: ") && error.contains("where the owner does"), "{selector}: {error}");
        }
    }

    #[test]
    fn a_comment_is_a_hash_alone_and_a_channel_is_a_word() {
        assert_eq!(owner("* #payments", PIPELINE).as_deref(), Some("#payments"));
        assert_eq!(owner("* #payments # their channel", PIPELINE).as_deref(), Some("#payments"));
        assert_eq!(owner("* payments #\n#* nobody\n\t#x", PIPELINE).as_deref(), Some("payments"));
        let error = "* payments #theirs".parse::<Mapping>().unwrap_err().to_string();
        assert!(error.contains("line 1: `payments` says nothing"), "{error}");
    }

    #[test]
    fn a_prefix_says_what_a_selector_is() {
        let selector = |word: &str| word.parse::<Selector>().unwrap();
        assert_eq!(selector("name:a::b"), Selector::Name("a::b".to_owned()));
        assert_eq!(selector("account:a::b"), Selector::AccountName("a::b".to_owned()));
        assert_eq!(selector("arn:aws:s3:::b"), Selector::Arn("arn:aws:s3:::b".to_owned()));
        assert_eq!(selector("AWS::S3::*"), Selector::TypeName("AWS::S3::*".to_owned()));
        assert!("name:".parse::<Selector>().is_err());
    }

    #[test]
    fn names_with_spaces_stand_in_quotes() {
        let mapping: Mapping =
            "\"/Workloads/Core Banking\"  team\naccount:\"Core Banking\" \"Core Team\"".parse().unwrap();
        let first = mapping.lines.first().unwrap();
        assert_eq!(first.selectors, [Selector::OrganizationalUnit("/Workloads/Core Banking".to_owned())]);
        assert_eq!(first.owner, "team");
        let last = mapping.lines.last().unwrap();
        assert_eq!(last.selectors, [Selector::AccountName("Core Banking".to_owned())]);
        assert_eq!(last.owner, "Core Team");
        assert_eq!(owner("\"*\" \"#\"", PIPELINE).as_deref(), Some("#"));
        let error = "* ok\n\"/Workloads/Core Banking  team".parse::<Mapping>().unwrap_err().to_string();
        assert!(error.starts_with("line 2: the quote before") && error.contains("has no end"), "{error}");
    }
}
