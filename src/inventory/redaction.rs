//! Values that must not leave the collector: environment variables, tokens, build scripts.
//!
//! In: a name and a value as AWS answers them. Out: a word in the value's place that still says whether the value looked
//! like a secret, so that a control can judge it, and, with a key, a fingerprint by which equal values are seen to be
//! equal. The value itself is gone before the inventory exists.

use std::sync::Arc;

use ring::hmac;

use super::hexadecimal::hex;

use super::secret_form::{assigns_secret, has_secret_form, holds_password, is_token};
use super::secret_name::names_secret;

/// Stands for a plaintext value that does not look like a secret.
pub const REDACTED: &str = "redacted";
/// Stands for a plaintext value that looks like a secret, by its name or its form.
pub const REDACTED_SECRET: &str = "redacted:secret-like";

/// Bytes of a fingerprint: enough that two values of an organization have the same one by chance only once in billions.
const FINGERPRINT_BYTES: usize = 8;

/// How values are taken out. Without a key, all values are replaced alike.
///
/// The fingerprint is an HMAC-SHA-256 under a key of the organization's own, cut to 64 bits: without the key nobody can
/// try out passwords on it.
#[derive(Debug, Clone, Default)]
pub struct Redaction {
    key: Option<Arc<hmac::Key>>,
}

impl Redaction {
    /// The shortest key that is taken, in bytes.
    pub const SHORTEST_KEY: usize = 16;

    /// Fingerprints under this key; none if it is shorter than [`Self::SHORTEST_KEY`].
    #[must_use]
    pub fn with_key(key: &[u8]) -> Option<Self> {
        (key.len() >= Self::SHORTEST_KEY).then(|| Self { key: Some(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key))) })
    }

    /// What takes the place of a plaintext value.
    #[must_use]
    pub fn redact(&self, name: &str, value: &str) -> String {
        self.replace(if holds_secret(name, value) { REDACTED_SECRET } else { REDACTED }, value)
    }

    /// The word, with the value's fingerprint. What was redacted once keeps the fingerprint of the value that it had.
    pub(super) fn replace(&self, word: &str, value: &str) -> String {
        if is_redacted(value) {
            return value.to_owned();
        }
        // AWS's own mask says nothing of what is behind it.
        let masked = value.bytes().all(|byte| byte == b'*');
        match &self.key {
            Some(key) if !masked => {
                let tag = hmac::sign(key, value.as_bytes());
                format!("{word}:{}", hex(tag.as_ref().get(..FINGERPRINT_BYTES).unwrap_or_default()))
            }
            _ => word.to_owned(),
        }
    }
}

/// Whether a variable looks like a secret, by its name or by a well-known form of its value.
///
/// A name such as `SECRET_ARN` or `TOKEN_PATH` says where a secret is, not what it is, if its value is an ARN or a path.
#[must_use]
pub fn looks_secret(name: &str, value: &str) -> bool {
    let named = !value.is_empty() && !is_switch(value) && !is_dynamic_reference(value) && names_secret(name, value);
    let begin = value.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').next();
    // What was redacted once stays so.
    named || is_redacted_secret(value) || value.starts_with("-----BEGIN") || begin.is_some_and(is_token)
}

/// Whether the value is a secret by its name, or holds one anywhere: a token, `password=…`, an address with a password.
fn holds_secret(name: &str, value: &str) -> bool {
    looks_secret(name, value) || has_secret_form(value) || assigns_secret(value) || holds_password(value)
}

/// Whether the value only switches something on or off.
fn is_switch(value: &str) -> bool {
    ["true", "false"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Whether a template says where the value is, not what it is: `{{resolve:secretsmanager:…}}`.
fn is_dynamic_reference(value: &str) -> bool {
    let inside = value.trim().strip_prefix("{{resolve:").and_then(|rest| rest.strip_suffix("}}"));
    inside.is_some_and(|inside| !inside.contains("}}"))
}

/// Whether a value was taken out when it was collected.
#[must_use]
pub fn is_redacted(value: &str) -> bool {
    has_word(value, REDACTED)
}

/// Whether a redacted value looked like a secret when it was collected.
#[must_use]
pub fn is_redacted_secret(value: &str) -> bool {
    has_word(value, REDACTED_SECRET)
}

/// The word alone, or the word with a fingerprint. Nothing else that begins so, or a value could dress up as redacted.
fn has_word(value: &str, word: &str) -> bool {
    let is_fingerprint = |rest: &str| {
        rest.len() == 2 * FINGERPRINT_BYTES && rest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let Some(rest) = value.strip_prefix(word) else { return false };
    let rest = if word == REDACTED { rest.strip_prefix(":secret-like").unwrap_or(rest) } else { rest };
    rest.is_empty() || rest.strip_prefix(':').is_some_and(is_fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_forms_of_secrets() {
        assert!(looks_secret("DB_PASSWORD", "hunter2"));
        assert!(looks_secret("anything", "AKIAIOSFODNN7EXAMPLE"));
        assert!(!looks_secret("DB_PASSWORD_ARN", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x"));
        assert!(!looks_secret("STAGE", "prod"));
        assert!(!looks_secret("DB_PASSWORD", ""));
        assert!(!looks_secret("DB_PASSWORD", "{{resolve:secretsmanager:web:SecretString:password}}"));
        assert!(looks_secret("DB_PASSWORD", "{{resolve:ssm:/x}}hunter2{{resolve:ssm:/y}}"));
        let keyless = Redaction::default();
        assert_eq!(keyless.redact("GITHUB_TOKEN", "x"), REDACTED_SECRET);
        assert_eq!(keyless.redact("STAGE", "prod"), REDACTED);
        assert_eq!(keyless.redact("STAGE", REDACTED_SECRET), REDACTED_SECRET);
    }

    #[test]
    fn a_secret_anywhere_in_a_value_is_told() {
        let keyless = Redaction::default();
        for (name, value) in [
            ("DATABASE_URL", "postgres://app:hunter2@db/app"),
            ("GIT_REMOTE", "https://x-access-token:ghp_0123456789abcdef@github.com/o/r"),
            ("NPMRC", "//host/:_authToken=hunter2"),
            ("SLACK_URL", "https://hooks.slack.com/services/T0/B0/abc"),
            ("TOKEN_URL", "https://hooks.slack.com/services/T0/B0/abc"),
            ("ARGS", "deploy --password hunter2"),
            ("CONFIG", r#"{"db":{"password":"hunter2"}}"#),
            ("SECRET_ARN", "hunter2"),
            ("DbPass", "hunter2"),
        ] {
            assert_eq!(keyless.redact(name, value), REDACTED_SECRET, "{name}={value}");
        }
        for (name, value) in [
            ("API_URL", "https://example.com/change?id=5"),
            ("GIT_REMOTE", "https://oauth2:${TOKEN}@github.com/o/r"),
            ("TEAM", "ASIA-PACIFIC-payments"),
            ("SECRET_ID", "prod/db"),
            ("TOKEN_REQUIRED", "true"),
            ("ROLE", "arn:aws:iam::111122223333:role/secret"),
        ] {
            assert_eq!(keyless.redact(name, value), REDACTED, "{name}={value}");
        }
    }

    #[test]
    fn equal_values_have_equal_fingerprints_under_one_key_only() {
        let one = Redaction::with_key(b"0123456789abcdef").unwrap();
        let other = Redaction::with_key(b"0123456789abcdeg").unwrap();
        let fingerprint = |redaction: &Redaction, name: &str, value: &str| {
            let text = redaction.redact(name, value);
            assert!(!text.contains(value), "{text}");
            assert!(is_redacted(&text), "{text}");
            text.rsplit(':').next().unwrap().to_owned()
        };
        let password = fingerprint(&one, "DB_PASSWORD", "hunter2");
        assert_eq!(password.len(), 16);
        assert_eq!(fingerprint(&one, "STAGE", "hunter2"), password);
        assert_ne!(fingerprint(&one, "DB_PASSWORD", "hunter3"), password);
        assert_ne!(fingerprint(&other, "DB_PASSWORD", "hunter2"), password);
        assert!(is_redacted_secret(&one.redact("DB_PASSWORD", "hunter2")));
        assert!(!is_redacted_secret(&one.redact("STAGE", "prod")));
        assert!(!format!("{one:?}").contains("0123"));
        assert!(Redaction::with_key(b"short").is_none());
    }

    #[test]
    fn what_was_redacted_stays_and_nothing_else_passes_for_it() {
        let redaction = Redaction::with_key(b"0123456789abcdef").unwrap();
        for name in ["DB_PASSWORD", "STAGE"] {
            let once = redaction.redact(name, "hunter2");
            assert_eq!(redaction.redact("OTHER", &once), once);
        }
        assert_eq!(redaction.redact("TOKEN", "****"), REDACTED_SECRET, "a mask has no fingerprint");
        for dressed in ["redacted: hunter2", "redacted:hunter2", "redacted:secret-like:hunter2", "redactedhunter2"] {
            assert!(!is_redacted(dressed), "{dressed}");
            assert!(!redaction.redact("X", dressed).contains("hunter2"));
        }
    }
}
