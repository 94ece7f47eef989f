//! `s3://BUCKET[/PREFIX]`

use std::fmt;
use std::path::Path;

/// What an address begins with.
const SCHEME: &str = "s3://";

/// A bucket, and the folder in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreAddress {
    bucket: String,
    /// Ends with `/`, unless it is empty.
    prefix: String,
}

impl StoreAddress {
    /// The address in the place of a path; nothing if it is the path of a folder.
    ///
    /// # Errors
    /// One sentence, if it begins as an address does and is none.
    #[must_use]
    pub fn of(path: &Path) -> Option<Result<Self, String>> {
        let address = path.to_str()?.strip_prefix(SCHEME)?;
        let (bucket, prefix) = address.split_once('/').unwrap_or((address, ""));
        let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(named) {
            return Some(Err(format!(
                "`{SCHEME}{address}`: `{bucket}` is no name of a bucket; write s3://BUCKET/PREFIX"
            )));
        }
        let prefix = prefix.trim_end_matches('/');
        if prefix.split('/').any(|part| [".", ".."].contains(&part)) || prefix.contains("//") || prefix.starts_with('/')
        {
            return Some(Err(format!("`{SCHEME}{address}`: write the prefix as names with `/` between them")));
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Some(Ok(Self { bucket: bucket.to_owned(), prefix }))
    }

    /// Name of the bucket.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The key of a file in the folder.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The name in the folder of a key.
    pub(super) fn name_of<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(self.prefix.as_str())
    }

    /// The folder that holds the key which this address was read from, and the key's last part.
    #[must_use]
    pub fn split_last(&self) -> Option<(Self, String)> {
        let key = self.prefix.trim_end_matches('/');
        let (folder, name) = key.rsplit_once('/').map_or(("", key), |(folder, name)| (folder, name));
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        (!name.is_empty()).then(|| (Self { bucket: self.bucket.clone(), prefix }, name.to_owned()))
    }
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_bucket_and_a_prefix() {
        let read = |text: &str| StoreAddress::of(Path::new(text));
        assert_eq!(read("pipewarden-out"), None);
        assert_eq!(read("/s3://x"), None);
        let address = read("s3://audit-runs/nightly/eu/").unwrap().unwrap();
        assert_eq!(address.to_string(), "s3://audit-runs/nightly/eu/");
        assert_eq!(address.key("runs/x"), "nightly/eu/runs/x");
        assert_eq!(address.name_of("nightly/eu/runs/x"), Some("runs/x"));
        assert_eq!(read("s3://audit-runs").unwrap().unwrap().key("runs/x"), "runs/x");
        for wrong in ["s3://", "s3://Ab", "s3://audit_runs", "s3://audit-runs/../x", "s3://audit-runs//x"] {
            assert!(read(wrong).unwrap().is_err(), "{wrong}");
        }
        let (folder, name) = read("s3://audit-runs/conf/pipewarden.toml").unwrap().unwrap().split_last().unwrap();
        assert_eq!((folder.to_string().as_str(), name.as_str()), ("s3://audit-runs/conf/", "pipewarden.toml"));
        assert!(read("s3://audit-runs").unwrap().unwrap().split_last().is_none());
    }
}
