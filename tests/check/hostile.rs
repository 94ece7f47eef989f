//! Files of a hostile pull request: reading them ends, within limits that are counted and not clocked.
//!
//! The corpora of the fuzzers run here through the function that the fuzzers call, so that what they once found stays
//! found on machines without a fuzzer.

use std::fs;
use std::path::Path;

use pipewarden::template::{Document, Limits, Unreadable, read_everything};
use proptest::prelude::*;
use proptest::sample::Index;

fn corpus() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut files = Vec::new();
    for target in ["template", "plan"] {
        for entry in fs::read_dir(root.join(target)).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{target}/{}", path.file_name().unwrap().to_str().unwrap());
            files.push((name, fs::read(path).unwrap()));
        }
    }
    files.sort();
    files
}

/// Limits that a file of a corpus cannot need more of, so that one that slips through them is noticed.
const SMALL: Limits = Limits { bytes: 256 << 10, nodes: 40_000, depth: 100 };

#[test]
fn every_file_of_the_corpora_is_read_or_refused_with_a_reason() {
    let files = corpus();
    assert!(files.len() > 50, "{} files", files.len());
    for (name, bytes) in files {
        for limits in [Limits::default(), SMALL] {
            if let Err(Unreadable { message, .. }) = read_everything(&bytes, &limits) {
                assert!(message.len() > 10, "{name}: {message}");
            }
        }
    }
}

#[test]
fn good_files_of_the_corpora_declare_something() {
    for (name, bytes) in corpus() {
        let read = read_everything(&bytes, &Limits::default());
        let base = name.rsplit('/').next().unwrap();
        if base.starts_with("pipeline") {
            assert!(read.as_ref().is_ok_and(|declared| *declared > 0), "{name}: {read:?}");
        }
    }
}

#[test]
fn bad_files_of_the_corpora_say_what_is_wrong() {
    for (name, line, words) in [
        ("alias-bomb.yml", None, "aliases counted"),
        ("alias-deep.yml", Some(3), "nested more than 200"),
        ("alias-of-itself.yml", Some(2), "never end"),
        ("comment.json", None, ""),
        ("conflict.yml", Some(1), "merge conflict"),
        ("cut.json", Some(1), "the file ends"),
        ("deep.json", Some(1), "nested more than 200"),
        ("deep.yml", Some(201), "nested more than 200"),
        ("line-separator.yml", Some(4), "U+2028"),
        ("merge-odd.yml", Some(3), "`<<` takes"),
        ("not-text.yml", Some(4), "UTF-8"),
        ("nul.yml", Some(4), "NUL"),
        ("odd-utf16.yml", None, "odd number of bytes"),
        ("second-document.yml", Some(4), "second YAML document"),
        ("tab.yml", Some(2), "tab"),
        ("template-of-a-template.yml", Some(2), "render it first"),
    ] {
        let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/template").join(name)).unwrap();
        let error = Document::read(name, &bytes, &Limits::default()).map(|_| ()).expect_err(name);
        assert!(error.message.contains(words), "{name}: {error:?}");
        assert!(line.is_none() || error.at.map(|at| at.line) == line, "{name}: {error:?}");
    }
}

#[test]
fn what_is_too_much_is_refused_before_it_is_built() {
    let limits = Limits { bytes: 1 << 20, nodes: 8_000, depth: 50 };
    let refused = |text: &str| Document::read("t", text.as_bytes(), &limits).map(|_| ()).unwrap_err().message;
    for text in [
        "[0,".repeat(300_000),
        format!("[{}0]", "0,".repeat(200_000)),
        "- a\n".repeat(200_000),
        format!("a: [{}]", "x,".repeat(200_000)),
        "{\"a\":".repeat(100_000),
        "? ".repeat(100_000),
        "&a [".repeat(100_000),
        format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(900)),
    ] {
        let message = refused(&text);
        assert!(message.contains("more than"), "{}: {message}", &text[..10]);
    }
    assert!(refused(&" ".repeat(2 << 20)).contains("not read"));
    // Long, but only one value.
    for text in
        [format!("a: {}", "b ".repeat(100_000)), format!("[\"{}\"]", "\\u0041".repeat(50_000)), "#\n".repeat(100_000)]
    {
        assert!(Document::read("t", text.as_bytes(), &limits).is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes that are changed, cut out, doubled, or brought in from another file.
    #[test]
    fn no_change_of_a_corpus_file_makes_reading_panic(
        which: Index,
        other: Index,
        changes in proptest::collection::vec((any::<Index>(), any::<Index>(), 0u8..5, any::<u8>()), 1..12),
    ) {
        let files = corpus();
        let mut bytes = files[which.index(files.len())].1.clone();
        let other = &files[other.index(files.len())].1;
        for (from, to, how, byte) in changes {
            if bytes.is_empty() {
                break;
            }
            let (at, end) = (from.index(bytes.len()), to.index(bytes.len()));
            let (at, end) = (at.min(end), at.max(end).min(at.min(end) + 400));
            match how {
                0 => bytes[at] = byte,
                1 => drop(bytes.drain(at..end)),
                2 => bytes.insert(at, b"[]{}:,\"'!&*-\n \t\\#|%0"[usize::from(byte) % 20]),
                3 => {
                    let part = bytes[at..end].to_vec();
                    bytes.splice(end..end, part);
                }
                _ if other.is_empty() => {}
                _ => {
                    let start = to.index(other.len());
                    let part = other[start..other.len().min(start + 200)].to_vec();
                    bytes.splice(at..at, part);
                }
            }
        }
        let _ = read_everything(&bytes, &SMALL);
    }
}
