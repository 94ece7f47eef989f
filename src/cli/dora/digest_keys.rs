//! Public keys of a trail's digests from a file, as `aws cloudtrail list-public-keys` prints them.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::failure::Failure;
use crate::history::Period;
use crate::history::archive::{DigestKey, DigestKeys};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    public_key_list: Vec<Key>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Key {
    fingerprint: String,
    value: String,
    validity_start_time: Value,
    validity_end_time: Value,
}

/// Reads the file.
pub(super) fn digest_keys(path: &Path) -> Result<DigestKeys, Failure> {
    let wrong = |problem: String| {
        Failure::usage(format!(
            "{}: {problem}; make it with `aws cloudtrail list-public-keys --start-time … --end-time … --output json`",
            path.display()
        ))
    };
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let listed: Listed = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let keys = listed.public_key_list.into_iter().map(|key| {
        let der = aws_smithy_types::base64::decode(&key.value)
            .map_err(|_| wrong(format!("the value of key {} is not Base64", key.fingerprint)))?;
        let time = |written: &Value| {
            moment(written).ok_or_else(|| wrong(format!("`{written}` of key {} is no time", key.fingerprint)))
        };
        let valid = Period { from: time(&key.validity_start_time)?, to: time(&key.validity_end_time)? };
        Ok(DigestKey { fingerprint: key.fingerprint, der, valid })
    });
    Ok(DigestKeys { keys: keys.collect::<Result<_, Failure>>()? })
}

/// The command line prints times as text or, if it is set up so, as seconds.
fn moment(written: &Value) -> Option<OffsetDateTime> {
    match written {
        Value::String(text) => OffsetDateTime::parse(text, &Rfc3339).ok(),
        Value::Number(seconds) => {
            let whole = seconds.to_string();
            OffsetDateTime::from_unix_timestamp(whole.split('.').next()?.parse().ok()?).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_a_mistake_says_how_to_make_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let text = r#"{"PublicKeyList": [{"Value": "AQID", "Fingerprint": "ab", "ValidityStartTime": "2026-01-01T00:00:00+00:00",
            "ValidityEndTime": 1798761600.0}]}"#;
        std::fs::write(&path, text).unwrap();
        let keys = digest_keys(&path).ok().unwrap().keys;
        assert_eq!(keys.first().map(|key| key.der.clone()), Some(vec![1, 2, 3]));
        for wrong in ["{}", "x", &text.replace("AQID", "*"), &text.replace("2026-01-01", "2026-99-01")] {
            std::fs::write(&path, wrong).unwrap();
            assert!(digest_keys(&path).is_err(), "{wrong}");
        }
    }
}
