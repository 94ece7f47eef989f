//! Files that hold keys or credentials, told by their names.
//!
//! In: the path of a file in a repository. Out: whether its name says that a secret is in it. Contents are never read.

/// Names that only such files have.
const NAMES: &[&str] = &[
    ".env",
    ".git-credentials",
    ".htpasswd",
    ".netrc",
    ".pgpass",
    ".pypirc",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "id_rsa",
];

/// Endings of key and credential stores, and of Terraform's state, which holds every secret in plain text.
const ENDINGS: &[&str] =
    &[".jks", ".kdbx", ".key", ".keystore", ".p12", ".pem", ".pfx", ".ppk", ".tfstate", ".tfstate.backup"];

/// Files whose folder says what they are.
const PLACES: &[&str] = &[".aws/credentials", ".docker/config.json", ".kube/config"];

/// What a file is called that shows the form of a secret one.
const SAMPLES: &[&str] = &["dist", "example", "sample", "template", "tmpl"];

/// Whether a file's name says that it holds a key or a credential.
pub(super) fn is_secret_file(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let name = path.rsplit('/').next().unwrap_or_default();
    let placed = PLACES.iter().any(|place| path == *place || path.ends_with(&format!("/{place}")));
    let variables = name.strip_prefix(".env.").is_some_and(|rest| !rest.split('.').any(|word| SAMPLES.contains(&word)));
    placed || variables || NAMES.contains(&name) || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_inside() {
        for secret in [
            ".env",
            "app/.env",
            ".env.production",
            "keys/id_rsa",
            "deploy.pem",
            "store.P12",
            "home/.aws/credentials",
            ".aws/credentials",
            "infra/terraform.tfstate",
            "infra/terraform.tfstate.backup",
            "tls/server.key",
        ] {
            assert!(is_secret_file(secret), "{secret}");
        }
        for harmless in [
            ".env.example",
            ".env.production.sample",
            "environment.ts",
            "id_rsa.pub",
            "docs/credentials",
            "keyboard.rs",
            "pem.txt",
            "src/.environment",
            "config.json",
            "README.md",
        ] {
            assert!(!is_secret_file(harmless), "{harmless}");
        }
    }
}
