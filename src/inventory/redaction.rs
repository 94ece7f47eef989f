//! Values that must not leave the collector: environment variables, tokens, build scripts.
//!
//! In: a name and a value as AWS answers them. Out: a fixed word in the value's place that still says whether the value
//! looked like a secret, so that a control can judge it. The value itself is gone before the inventory exists.

/// Stands for a plaintext value that does not look like a secret.
pub const REDACTED: &str = "redacted";
/// Stands for a plaintext value that looks like a secret, by its name or its form.
pub const REDACTED_SECRET: &str = "redacted:secret-like";

const SECRET_NAMES: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "private_key",
    "privatekey",
    "credential",
];
const NAMES_OF_REFERENCES: &[&str] = &["_arn", "_name", "_path", "_id", "_file", "_url"];
const SECRET_PREFIXES: &[&str] =
    &["AKIA", "ASIA", "ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "-----BEGIN"];

/// Whether a variable looks like a secret, by its name or by a well-known form of its value.
///
/// A name such as `SECRET_ARN` or `TOKEN_PATH` says where a secret is, not what it is.
#[must_use]
pub fn looks_secret(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let named = SECRET_NAMES.iter().any(|word| name.contains(word))
        && !NAMES_OF_REFERENCES.iter().any(|suffix| name.ends_with(suffix));
    named && !value.is_empty() && !is_dynamic_reference(value)
        || SECRET_PREFIXES.iter().any(|prefix| value.starts_with(prefix) && value.len() >= prefix.len() + 12)
}

/// Whether a template says where the value is, not what it is: `{{resolve:secretsmanager:…}}`.
fn is_dynamic_reference(value: &str) -> bool {
    let inside = value.trim().strip_prefix("{{resolve:").and_then(|rest| rest.strip_suffix("}}"));
    inside.is_some_and(|inside| !inside.contains("}}"))
}

/// The word that takes a plaintext value's place.
#[must_use]
pub fn redact(name: &str, value: &str) -> &'static str {
    if looks_secret(name, value) { REDACTED_SECRET } else { REDACTED }
}

/// Whether a redacted value looked like a secret when it was collected.
#[must_use]
pub fn is_redacted_secret(value: &str) -> bool {
    value == REDACTED_SECRET
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
        assert_eq!(redact("GITHUB_TOKEN", "x"), REDACTED_SECRET);
        assert_eq!(redact("STAGE", "prod"), REDACTED);
    }
}
