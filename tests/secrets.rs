//! Secrets in everything that people and services write freely: an audit of an organization full of them, and every
//! file of its run, unpacked, searched.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parquet::file::reader::{FileReader, SerializedFileReader};
use pipewarden::finding::ComplianceType;
use pipewarden::inventory::REDACTED_SECRET;
use pipewarden::simulate::{PLANTED_SECRET, SimulationOptions};

use crate::audit::audit;

/// Whose answer is about the very variables in which secrets are planted.
const ABOUT_SECRETS: [&str; 2] = ["codebuild-no-plaintext-secrets", "codepipeline-actions-no-plaintext-secrets"];

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// What a file says to whoever can read its format.
pub(crate) fn text(path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension {
        "gz" => {
            let mut text = Vec::new();
            flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        }
        "parquet" => {
            let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
            reader.get_row_iter(None).unwrap().map(|row| format!("{}\n", row.unwrap())).collect()
        }
        "html" => {
            let page = String::from_utf8(bytes).unwrap();
            let blocks = page.split("<script type=\"application/octet-stream\" id=\"").skip(1).map(|rest| {
                let packed = rest.split_once("\">").unwrap().1.split_once("</script>").unwrap().0;
                let mut block = Vec::new();
                let packed = STANDARD.decode(packed).unwrap();
                flate2::read::DeflateDecoder::new(packed.as_slice()).read_to_end(&mut block).unwrap();
                String::from_utf8_lossy(&block).into_owned()
            });
            let unpacked: Vec<String> = blocks.collect();
            assert!(unpacked.len() > 2, "the page has no blocks");
            page.clone() + &unpacked.concat()
        }
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

#[test]
fn no_secret_in_any_free_text_reaches_any_file_and_every_fact_stays() {
    let options = SimulationOptions { accounts: 16, ..SimulationOptions::default() };
    let clean = audit(options.clone());
    let planted = audit(SimulationOptions { secrets_in_texts: true, ..options });

    let mut formats = BTreeSet::new();
    let mut leaks = BTreeSet::new();
    let mut redacted = 0;
    for path in files(planted.directory.path()) {
        let text = text(&path);
        formats.insert(path.extension().unwrap_or_default().to_string_lossy().into_owned());
        redacted += text.matches(REDACTED_SECRET).count();
        for (at, _) in text.match_indices(PLANTED_SECRET) {
            let around: String = text[..at].chars().rev().take(160).collect::<Vec<_>>().into_iter().rev().collect();
            leaks.insert(format!("{}: {around}{PLANTED_SECRET}", path.file_name().unwrap().display()));
        }
    }
    assert!(leaks.is_empty(), "{} leaks: {:#?}", leaks.len(), leaks.iter().take(20).collect::<Vec<_>>());
    for format in ["gz", "html", "parquet", "json", "csv", "sarif", "xml", "md"] {
        assert!(formats.contains(format), "no file of format {format} was searched: {formats:?}");
    }
    assert!(redacted > 1_000, "only {redacted} values were planted");
    let told = planted.gaps.iter().filter(|gap| format!("{gap:?}").contains(REDACTED_SECRET)).count();
    assert!(told > 0, "no message of a service had a secret");

    let mut differences = Vec::new();
    let mut found = BTreeSet::new();
    for (key, before) in &clean.verdicts {
        let after = planted.verdicts.get(key);
        // It applies to projects that hold a secret, and now some more of them do.
        if key.0 == "codebuild-buildspec-not-author-controlled" && *before == ComplianceType::NotApplicable {
            continue;
        }
        if ABOUT_SECRETS.contains(&key.0.as_str()) && *before == ComplianceType::Compliant {
            found.extend((after == Some(&ComplianceType::NonCompliant)).then(|| key.0.clone()));
        } else if after != Some(before) {
            differences.push(format!("{key:?} was {before} and is {after:?}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{} facts changed: {:#?}",
        differences.len(),
        &differences[..differences.len().min(20)]
    );
    assert_eq!(clean.verdicts.len(), planted.verdicts.len());
    assert_eq!(found.len(), ABOUT_SECRETS.len(), "planted secrets were found by {found:?} only");
}
