//! Forms by which a secret is known wherever it stands.
//!
//! In: text. Out: whether a part of it is a token of a well-known form, an address with a password or the value of
//! a name such as `password`. It stands alone because variables, tags, texts, messages and excerpts are judged alike.

use super::redaction::{is_redacted, looks_secret};
use super::secret_name::{is_arn, is_prose, names_secret};
use super::secret_value::userinfo;

/// Prefixes of tokens; nothing else begins so.
const PREFIXES: &[&str] = &["ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-"];
/// Prefixes of tokens that may begin a name as well; a token is varied.
const PREFIXES_OF_VARIED: &[&str] = &["glrt-", "gldt-", "npm_", "xapp-", "xoxa-", "xoxb-", "xoxp-", "xoxr-", "xoxs-"];
/// Characters behind a prefix from which on it is a token.
const SHORTEST_REST: usize = 12;
/// The length of an access key id of AWS.
const ACCESS_KEY: usize = 20;
/// Addresses that whoever knows them may post to.
const WEBHOOKS: &[&str] = &[
    "hooks.slack.com/services/",
    "hooks.slack.com/workflows/",
    "hooks.slack.com/triggers/",
    "discord.com/api/webhooks/",
    "discordapp.com/api/webhooks/",
    "office.com/webhook",
];
/// Parameters of addresses that are good for whoever has them.
const SIGNATURES: &[&str] = &["x-amz-signature=", "x-goog-signature="];
/// Values that say of a secret that there is none, or how it is.
const NO_VALUES: &[&str] = &[
    "none", "null", "nil", "n/a", "true", "false", "yes", "no", "unset", "empty", "required", "optional", "missing",
    "invalid", "expired", "string",
];

/// Whether the word is a token of a well-known form.
pub(super) fn is_token(word: &str) -> bool {
    let rest_of = |prefix: &&str| word.strip_prefix(*prefix).filter(|rest| rest.len() >= SHORTEST_REST);
    PREFIXES.iter().any(|prefix| rest_of(prefix).is_some())
        || PREFIXES_OF_VARIED.iter().filter_map(rest_of).any(is_varied)
        || word.split(|c: char| !c.is_ascii_alphanumeric()).any(is_access_key)
}

/// `(AKIA|ASIA)` and sixteen more, as the IAM user guide has them; `ASIA-PACIFIC` is none.
fn is_access_key(word: &str) -> bool {
    word.len() == ACCESS_KEY
        && (word.starts_with("AKIA") || word.starts_with("ASIA"))
        && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Digits, or letters of both cases: what a name in small letters does not have.
fn is_varied(text: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| text.bytes().any(|byte| kind(&byte));
    has(u8::is_ascii_digit) || has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase)
}

/// Whether a part of the text has a well-known form of a secret.
#[must_use]
pub fn has_secret_form(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
    text.contains("-----BEGIN") || words.any(is_token) || holds_jwt(text) || is_open_address(text) || holds_bearer(text)
}

/// A JSON Web Token: three parts of base64url, the first two of them JSON objects.
fn holds_jwt(text: &str) -> bool {
    text.match_indices("eyJ").any(|(at, _)| {
        let rest = text.get(at..).unwrap_or_default();
        let end =
            rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.')).unwrap_or(rest.len());
        let mut parts = rest.get(..end).unwrap_or_default().split('.');
        let first = parts.next().unwrap_or_default();
        first.len() > 8 && parts.next().is_some_and(|second| second.starts_with("eyJ")) && parts.next().is_some()
    })
}

/// A webhook or a signed address.
fn is_open_address(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let followed = |known: &&str| {
        text.match_indices(*known).any(|(at, _)| {
            let next = text.get(at + known.len()..).and_then(|rest| rest.chars().next());
            next.is_some_and(|next| !next.is_whitespace())
        })
    };
    WEBHOOKS.iter().chain(SIGNATURES).any(followed)
}

fn holds_bearer(text: &str) -> bool {
    let mut words = text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';'));
    let mut before = "";
    words.any(|word| {
        let found = before.eq_ignore_ascii_case("bearer")
            && word.len() >= 16
            && is_varied(word)
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
        before = word;
        found
    })
}

/// Whether an address in the text holds a password; `${TOKEN}` in its place is none.
#[must_use]
pub fn holds_password(text: &str) -> bool {
    text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '<' | '>'))
        .filter_map(userinfo)
        .filter_map(|user| user.split_once(':'))
        .any(|(_, password)| !password.is_empty() && !is_variable(password))
}

/// Whether the text holds an assignment such as `password=…`, `password: …` or `--password …`.
#[must_use]
pub fn assigns_secret(text: &str) -> bool {
    let text = without_references(text);
    text.match_indices([':', '=']).any(|(at, sign)| is_assignment(&text, at, sign)) || has_option(&text)
}

fn is_assignment(text: &str, at: usize, sign: &str) -> bool {
    let (Some(left), Some(right)) = (text.get(..at), text.get(at + 1..)) else { return false };
    if right.starts_with("//") || sign == ":" && is_in_arn(left) {
        return false;
    }
    let name = name_before(left);
    let value = right.trim_start_matches([' ', '\t', '=', '>', ':']);
    let spaced = value.len() < right.len() || left.ends_with(char::is_whitespace);
    assigns(name, first_word(value), spaced)
}

/// `--password hunter2`
fn has_option(text: &str) -> bool {
    let mut before = "";
    text.split_whitespace().any(|word| {
        let name = before.trim_start_matches(['"', '\'', '`', '(', '[']);
        let option = name.strip_prefix('-').map(|name| name.trim_start_matches('-')).filter(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        });
        before = word;
        !word.starts_with('-') && option.is_some_and(|name| assigns(name, first_word(word), true))
    })
}

fn assigns(name: &str, value: &str, spaced: bool) -> bool {
    let said = value.trim_end_matches(['.', '!', ')', ']', '}']);
    let is_value = !said.is_empty()
        && !NO_VALUES.iter().any(|word| said.eq_ignore_ascii_case(word))
        && !is_redacted(value)
        && !is_variable(value)
        && !is_arn(value)
        // `docker build --secret id=npm` names a secret of the build.
        && !value.starts_with("id=");
    is_value
        && (!spaced || !is_prose(name) || is_varied(value))
        && (names_secret(name, value) || looks_secret("", value))
}

/// The name that ends where a sign stands: letters, digits, `_`, `-` and `.`, perhaps in quotes.
fn name_before(left: &str) -> &str {
    let left = left.trim_end_matches([' ', '\t', '"', '\'', '\\']);
    let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    left.get(left.trim_end_matches(is_of_name).len()..).unwrap_or_default()
}

fn first_word(value: &str) -> &str {
    let value = value.trim_start_matches(['"', '\'', '\\', '`']);
    let end = value.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\' | '`' | ',' | ';' | '&'));
    value.get(..end.unwrap_or(value.len())).unwrap_or_default()
}

/// Whether what stands before a colon is the beginning of an ARN: `arn:aws:secretsmanager:eu-west-1:1:secret`.
fn is_in_arn(left: &str) -> bool {
    let start = left.trim_end_matches(|c: char| {
        !c.is_whitespace() && !matches!(c, '"' | '\'' | ',' | ';' | '=' | '(' | ')' | '[' | ']' | '<' | '>' | '&' | '?')
    });
    left.get(start.len()..).is_some_and(|word| word == "arn" || word.starts_with("arn:"))
}

/// Whether the value is only the name of a variable: `$TOKEN`, `${TOKEN}`, `$(command)`, `#{Source.Token}`, `%TOKEN%`.
fn is_variable(value: &str) -> bool {
    let is_name = |name: &str| {
        let known = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        !name.is_empty() && name.chars().all(known)
    };
    let within = |open: &str, close: &str| {
        value.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).is_some_and(|name| {
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ':' | ' '))
        })
    };
    value.strip_prefix('$').is_some_and(is_name)
        || within("${", "}")
        || within("#{", "}")
        || within("{{", "}}")
        || value.starts_with("$(")
        || value.strip_prefix('%').and_then(|rest| rest.strip_suffix('%')).is_some_and(is_name)
        // A hole of a template.
        || value.starts_with('\u{FDD0}') && value.ends_with('\u{FDD1}')
}

/// The text with a mark in the place of what CloudFormation fills in: `{{resolve:secretsmanager:db:SecretString:password}}`.
fn without_references(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{resolve:") {
        let Some((_, behind)) = after.split_once("}}") else { break };
        kept.push_str(before);
        kept.push_str("{{resolve}}");
        rest = behind;
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_known_wherever_they_stand() {
        for text in [
            "AKIAIOSFODNN7EXAMPLE",
            "key-AKIAIOSFODNN7EXAMPLE_old",
            "use ghu_0123456789abcdef now",
            "ghr_0123456789abcdef",
            "glrt-a1B2c3D4e5F6g7H8i9J0",
            "xapp-1-A012345-6789-abcdef",
            "npm_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
            "xoxr-2-1234567890",
            "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
            "https://b.s3.amazonaws.com/k?X-Amz-Signature=0123",
            "https://hooks.slack.com/services/T0/B0/abc",
            "https://discord.com/api/webhooks/1/abc",
            "https://x.webhook.office.com/webhookb2/abc",
            "Authorization: Bearer 0123456789abcdef0123",
            "-----BEGIN RSA PRIVATE KEY-----",
        ] {
            assert!(has_secret_form(text), "{text}");
        }
        for text in [
            "ASIA-PACIFIC-payments",
            "AKIA-services-of-the-region",
            "ASIAPACIFICPAYMENTSANDMORE",
            "ASIA_PACIFIC_PAYMENTS",
            "xapp-payments-service",
            "npm_config_userconfig",
            "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf",
            "https://hooks.slack.com/services/ is where it goes",
            "eyJust a word",
            "the bearer of this",
        ] {
            assert!(!has_secret_form(text), "{text}");
        }
    }

    #[test]
    fn assignments_of_secrets_are_found() {
        for text in [
            "password=hunter2",
            "password = hunter2",
            "DB password: hunter2",
            "password : hunter2",
            "deploy --password hunter2 now",
            "deploy -password 'hunter2'",
            "\"password\": \"hunter2\"",
            "{\"password\":\"hunter2\"}",
            "DbPass=hunter2",
            "user=me;pwd=hunter2",
            "//registry.example/:_authToken=hunter2",
            "https://example.com/?access_token=hunter2",
            "token => hunter2",
            "pass: hunter2",
        ] {
            assert!(assigns_secret(text), "{text}");
        }
        for text in [
            "secretsmanager:GetSecretValue",
            "may call secretsmanager:GetSecretValue and sts:GetSessionToken",
            "arn:aws:secretsmanager:eu-west-1:111122223333:secret:name",
            "uses the secret arn:aws:secretsmanager:eu-west-1:111122223333:secret:name.",
            "secret: arn:aws:secretsmanager:eu-west-1:111122223333:secret:name",
            "{{resolve:secretsmanager:db:SecretString:password}}",
            "https://example.com/change?id=5",
            "secret: none",
            "token: expired.",
            "first pass: all tests",
            "bypass=on",
            "--password $DB_PASSWORD --token ${TOKEN} --secret id=npm,src=.npmrc",
            "get-login-password | docker login --username AWS --password-stdin 1.dkr.ecr.eu-west-1.amazonaws.com",
            "get-secret-value --secret-id prod/db --query SecretString",
            "token.actions.githubusercontent.com:sub",
            "password=#{SourceVariables.Password}",
            "fix(token): refresh in time",
        ] {
            assert!(!assigns_secret(text), "{text}");
        }
    }

    #[test]
    fn passwords_in_addresses_are_found() {
        assert!(holds_password("postgres://app:hunter2@db/app"));
        assert!(holds_password("see redis://:hunter2@cache:6379 and more"));
        assert!(!holds_password("https://oauth2:${TOKEN}@github.com/o/r"));
        assert!(!holds_password("https://me@github.com/o/r and https://host:8443/x"));
    }
}
