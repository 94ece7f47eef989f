//! Digests signed as CloudTrail signs them, and everything that may be wrong with one.

use ring::rand::SystemRandom;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use time::macros::datetime;

use super::*;
use crate::history::archive::DigestKey;

fn pair() -> RsaKeyPair {
    RsaKeyPair::from_pkcs8(include_bytes!("../testdata/digest-test-key.pk8")).unwrap()
}

fn keys() -> DigestKeys {
    let valid = Period { from: datetime!(2026-01-01 0:00 UTC), to: datetime!(2027-01-01 0:00 UTC) };
    let der = pair().public_key().as_ref().to_vec();
    DigestKeys { keys: vec![DigestKey { fingerprint: "31e8".to_owned(), der, valid }] }
}

const KEY: &str = "111122223333_CloudTrail-Digest_eu-west-1_t_eu-west-1_20260610T110131Z.json.gz";

fn content() -> Value {
    json!({
        "awsAccountId": "111122223333", "digestStartTime": "2026-06-10T10:01:31Z",
        "digestEndTime": "2026-06-10T11:01:31Z", "digestS3Bucket": "trail", "digestS3Object": format!("AWSLogs/x/{KEY}"),
        "digestPublicKeyFingerprint": "31e8", "digestSignatureAlgorithm": "SHA256withRSA",
        "previousDigestS3Object": null, "previousDigestHashValue": null, "previousDigestSignature": null,
        "logFiles": [{"s3Bucket": "trail", "s3Object": "AWSLogs/x/a.json.gz", "hashValue": "00ff", "hashAlgorithm": "SHA-256"}]
    })
}

/// What the documents say is signed, put together here anew.
fn signed(content: &Value) -> (Vec<u8>, String) {
    let bytes = serde_json::to_vec(content).unwrap();
    let text = format!(
        "{}\n{}/{}\n{}\n{}",
        content["digestEndTime"].as_str().unwrap(),
        content["digestS3Bucket"].as_str().unwrap(),
        content["digestS3Object"].as_str().unwrap(),
        hex(digest(&SHA256, &bytes).as_ref()),
        content["previousDigestSignature"].as_str().unwrap_or("null"),
    );
    let pair = pair();
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    (bytes, hex(&signature))
}

#[test]
fn a_signed_digest_is_believed_and_a_changed_one_is_not() {
    let (bytes, signature) = signed(&content());
    let read = |bytes: &[u8], signature: Option<&str>| Digest::of(KEY, bytes, signature.map(str::to_owned)).unwrap();
    assert_eq!(read(&bytes, Some(&signature)).objection(&keys()), None);
    assert_eq!(read(&bytes, Some(&signature)).log_files[0].name(), "a.json.gz");

    let mut changed = content();
    changed["logFiles"] = json!([]);
    let changed = serde_json::to_vec(&changed).unwrap();
    for (digest, why) in [
        (read(&changed, Some(&signature)), "was changed"),
        (read(&bytes, None), "no signature"),
        (read(&bytes, Some("zz")), "not hexadecimal"),
        (read(&bytes, Some("00")), "was changed"),
    ] {
        let objection = digest.objection(&keys()).unwrap();
        assert!(objection.contains(why), "{objection}");
    }
    assert!(read(&bytes, Some(&signature)).objection(&DigestKeys::default()).unwrap().contains("31e8"));
    let moved = Digest::of("other.json.gz", &bytes, Some(signature)).unwrap();
    assert!(moved.objection(&keys()).unwrap().contains("moved"));
}

#[test]
fn a_chain_holds_by_hash_and_signature() {
    let (first, signature) = signed(&content());
    let before = Digest::of(KEY, &first, Some(signature.clone())).unwrap();
    let mut next = content();
    next["previousDigestHashValue"] = Value::from(before.hash.clone());
    next["previousDigestSignature"] = Value::from(signature);
    let (bytes, signature) = signed(&next);
    let after = Digest::of(KEY, &bytes, Some(signature)).unwrap();
    assert!(after.continues(&before) && !before.continues(&after));
    assert_eq!(after.objection(&keys()), None);
}

#[test]
fn what_is_no_digest_says_so() {
    for text in ["", "[]", r#"{"digestStartTime":"x","digestEndTime":"y"}"#] {
        assert!(matches!(Digest::of(KEY, text.as_bytes(), None), Err(GapCause::Malformed { .. })));
    }
}
