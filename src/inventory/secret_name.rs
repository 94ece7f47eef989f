//! Names of values that are secrets.
//!
//! In: the name of a variable, of a member or of an option, with its value. Out: whether a value under this name is
//! a secret. Names are read as words, so that `DbPass` is one of a secret and `compass` and `bypass` are not.

/// Parts of a name that nothing but a secret has.
const PARTS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "private_key",
    "private-key",
    "privatekey",
    "credential",
];
/// What holds such a part and is no secret: the service, and the prefix of GitHub's condition keys.
const NO_SECRETS: &[&str] =
    &["secretsmanager", "secrets_manager", "secrets-manager", "token.actions.githubusercontent.com"];
/// Last words of a name that stand for a secret.
const SHORT_WORDS: &[&str] = &["pass", "pwd", "creds", "cred"];
/// Words that end like one.
const ENDS_LIKE_PASS: &[&str] = &["bypass", "compass", "encompass", "overpass", "surpass", "trespass", "underpass"];
/// Last words of names that say where a secret is, not what it is.
const OF_REFERENCES: &[&str] = &["arn", "name", "path", "id", "file", "url"];

/// Whether a value under this name is a secret.
pub(super) fn names_secret(name: &str, value: &str) -> bool {
    let words = words(name);
    let last = words.last().map_or("", String::as_str);
    if OF_REFERENCES.contains(&last) && has_part(name) {
        return !is_reference(last, value);
    }
    match last {
        "" | "stdin" => false,
        // The working directory, in every shell.
        "pwd" if is_path(value) => false,
        // `API_AUTH=IAM` names a way, `API_AUTH=9f86d081` is one.
        "auth" => has_part(name) || value.len() >= 8 && value.bytes().any(|byte| byte.is_ascii_digit()),
        _ => has_part(name) || SHORT_WORDS.contains(&last) || last.ends_with("pass") && !ENDS_LIKE_PASS.contains(&last),
    }
}

/// Whether the name is a word of prose as well: `pass: all tests`.
pub(super) fn is_prose(name: &str) -> bool {
    SHORT_WORDS.iter().any(|word| name.eq_ignore_ascii_case(word))
}

fn has_part(name: &str) -> bool {
    let mut name = name.to_ascii_lowercase();
    for known in NO_SECRETS {
        name = name.replace(known, "");
    }
    PARTS.iter().any(|part| name.contains(part))
}

/// `DB_PASS`, `DbPass`, `DBPass` and `db-pass` are the words `db` and `pass`.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut letters = name.chars().peekable();
    let mut before = ' ';
    while let Some(letter) = letters.next() {
        let begins = letter.is_uppercase()
            && (before.is_lowercase()
                || before.is_ascii_digit()
                || before.is_uppercase() && letters.peek().is_some_and(|next| next.is_lowercase()));
        if (begins || !letter.is_alphanumeric()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if letter.is_alphanumeric() {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Whether the value says where something is, as the last word of its name promises.
fn is_reference(last: &str, value: &str) -> bool {
    let value = value.trim();
    let is_arn = is_arn(value);
    match last {
        "arn" => is_arn,
        "url" => is_plain_url(value),
        _ => is_arn || is_plain_url(value) || is_path(value) || is_identifier(value),
    }
}

/// Whether the text is an ARN and nothing else.
pub(super) fn is_arn(value: &str) -> bool {
    value.starts_with("arn:") && !value.contains(char::is_whitespace)
}

/// An address without anything that could be a secret; what stands in its path is judged by its form.
fn is_plain_url(value: &str) -> bool {
    value.split_once("://").is_some_and(|(scheme, rest)| {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '+' | '.' | '-' | '\u{FDD0}' | '\u{FDD1}');
        scheme.chars().all(plain) && !rest.contains(['@', '?', '#']) && !rest.contains(char::is_whitespace)
    })
}

fn is_path(value: &str) -> bool {
    let drive = value.get(1..3).is_some_and(|rest| rest == ":\\" || rest == ":/");
    !value.contains(['\n', '=', '@']) && (drive || value.starts_with(['/', '~']) || value.starts_with("./"))
}

/// Characters of names of secrets and parameters; holes of templates and variables may stand among them.
fn is_identifier(value: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || "/_+.@-:${}#\u{FDD0}\u{FDD1}".contains(c);
    !value.is_empty() && value.chars().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_words() {
        for name in [
            "DB_PASSWORD",
            "DbPass",
            "DBPass",
            "DBPASS",
            "db.pwd",
            "SSH_PASSPHRASE",
            "npmToken",
            "_authToken",
            "registry-credentials",
            "GIT_CREDS",
            "SECRETS_MANAGER_TOKEN",
        ] {
            assert!(names_secret(name, "swordfish"), "{name}");
        }
        for name in
            ["compass", "bypass", "BYPASS_CHECKS", "passed", "passRole", "author", "keyboard", "secretsmanager", ""]
        {
            assert!(!names_secret(name, "swordfish"), "{name}");
        }
        assert!(names_secret("API_AUTH", "9f86d081884c") && !names_secret("API_AUTH", "cognito"));
        assert!(!names_secret("PWD", "/codebuild/output") && names_secret("PWD", "hunter2"));
    }

    #[test]
    fn a_name_of_a_reference_needs_a_value_that_is_one() {
        for (name, value) in [
            ("SECRET_ARN", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db"),
            ("secretArn", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db"),
            ("TOKEN_URL", "https://auth.example.com/oauth2/token"),
            ("TOKEN_PATH", "/ci/token"),
            ("PASSWORD_FILE", "C:\\secrets\\db"),
            ("SECRET_NAME", "prod/db:password::"),
            ("SECRET_ID", "prod-\u{FDD0}0\u{FDD1}"),
        ] {
            assert!(!names_secret(name, value), "{name} {value}");
        }
        for (name, value) in [
            ("SECRET_ARN", "hunter2"),
            ("TOKEN_URL", "https://me:hunter2@example.com/"),
            ("TOKEN_URL", "https://example.com/?key=hunter2"),
            ("SECRET_NAME", "correct horse"),
            ("SECRET_FILE", "password=hunter2"),
        ] {
            assert!(names_secret(name, value), "{name} {value}");
        }
    }
}
