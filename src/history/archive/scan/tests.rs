//! The scanner against a full parse: whatever a record looks like, a wanted one is found, and nothing else is an event.

use std::fmt::Write as _;
use std::io::{self, Read};

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const SOURCES: &[&str] = &["codepipeline.amazonaws.com", "sts.amazonaws.com", "s3.amazonaws.com"];
const NAMES: &[&str] = &["PutApprovalResult", "GetObject", "PutBucketPolicy"];

const PIECE: usize = 128 << 10;
const WINDOW: usize = 256 << 10;

/// Pieces and windows so small that every few records one ends.
const SMALL: Limits = Limits { record: 8 << 20, file: 4 << 30, piece: 300, window: 700 };

fn wanted() -> Wanted {
    Wanted::new([("codepipeline.amazonaws.com", "PutApprovalResult"), ("s3.amazonaws.com", "PutBucketPolicy")])
}

fn is_wanted(record: &Value) -> bool {
    let text = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or_default();
    matches!(
        (text("eventSource"), text("eventName")),
        ("codepipeline.amazonaws.com", "PutApprovalResult") | ("s3.amazonaws.com", "PutBucketPolicy")
    )
}

/// Gives its bytes in pieces of a size.
struct Dripping<'a>(&'a [u8], usize);

impl Read for Dripping<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(room.len()).min(self.0.len());
        let (now, later) = self.0.split_at(count);
        room[..count].copy_from_slice(now);
        self.0 = later;
        Ok(count)
    }
}

fn scanned(bytes: &[u8], piece: usize, limits: Limits) -> (Vec<Value>, Result<(), ScanError>) {
    let mut found = Vec::new();
    let outcome = scan(Dripping(bytes, piece), &mut Vec::new(), &wanted(), limits, &mut |record| {
        found.extend(serde_json::from_slice::<Value>(record).ok());
    });
    found.retain(is_wanted);
    (found, outcome)
}

fn oracle(bytes: &[u8]) -> Vec<Value> {
    let file: Value = serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).unwrap();
    file["Records"].as_array().unwrap().iter().filter(|record| is_wanted(record)).cloned().collect()
}

/// A text as JSON, any letter of it perhaps as an escape.
fn spelled(text: &str, escapes: &[bool]) -> String {
    let mut out = String::from("\"");
    for (index, letter) in text.chars().enumerate() {
        if escapes.get(index).copied().unwrap_or(false) {
            let _ = write!(out, "\\u{:04x}", u32::from(letter));
        } else {
            out.push_str(serde_json::to_string(&letter.to_string()).unwrap().trim_matches('"'));
        }
    }
    out + "\""
}

fn white() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => Just(""), 1 => Just(" "), 1 => Just("\n\t "), 1 => Just("                                ")]
}

fn word(text: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        9 => Just(spelled(text, &[])),
        1 => proptest::collection::vec(any::<bool>(), text.len()).prop_map(move |at| spelled(text, &at)),
    ]
}

/// Values that look like records, or like their ends.
fn filler() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("-12.5e3".to_owned()),
        ".{0,20}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        proptest::sample::select(vec![
            r#""eventSource""#,
            r#""\"eventSource\":\"codepipeline.amazonaws.com\",\"eventName\":\"PutApprovalResult\"""#,
            r#""}]},{\"eventSource\":\"s3.amazonaws.com\"""#,
            r#""\\""#,
            r#""\\\"""#,
            r#""a\\\\\\""#,
            r#""[{{]""#,
            r#""Records\":[""#,
            r#""\u003d\u0026\ud83d\ude00""#,
            r#""\u0065ventSource""#,
            r#"",{\"eventVersion\":""#,
            r#""[""#,
            r#""]""#,
            r#""}]""#,
            r#""[{""#,
            r#""\":[\"a""#,
            r#""\\]""#,
            r#""a]b[c""#,
            r#"["","",[""],[","],{"":[]}]"#,
            r#"[[[[1],[]],"]["],{"a":[true]}]"#,
            r#"[ "a" , { "b" : [ ] } ]"#,
            r#"[{":":["x"]},{"}":"]"},[":",{}]]"#,
            r#"[{},{"eventVersion":"1","eventSource":"s3.amazonaws.com","eventName":"PutBucketPolicy"},{"eventVersion":"1"}]"#,
            "{}",
            "[]",
        ])
        .prop_map(str::to_owned),
        r#"[\[\]{}":, \\]{0,12}"#.prop_map(|text| serde_json::to_string(&text).unwrap()),
        (0_usize..300).prop_map(|length| format!("\"{}\"", "x".repeat(length))),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            (proptest::sample::select(vec!["a", "eventSource", "eventName", "Records"]), inner)
                .prop_map(|(key, value)| format!("{{\"{key}\":{value}}}")),
            Just(
                r#"[{"eventSource":"codepipeline.amazonaws.com","eventName":"PutApprovalResult","eventID":"forged"}]"#
                    .to_owned()
            ),
            Just(r#"{"eventSource":"s3.amazonaws.com","eventName":"PutBucketPolicy"}"#.to_owned()),
        ]
    })
}

fn record() -> impl Strategy<Value = String> {
    let member = |key: String, value: String, gaps: (&str, &str)| format!("{key}{}:{}{value}", gaps.0, gaps.1);
    let source = (word("eventSource"), proptest::sample::select(SOURCES).prop_flat_map(word), (white(), white()))
        .prop_map(move |(key, value, gaps)| member(key, value, gaps));
    let name = (word("eventName"), proptest::sample::select(NAMES).prop_flat_map(word), (white(), white()))
        .prop_map(move |(key, value, gaps)| member(key, value, gaps));
    let others = proptest::collection::vec(filler(), 0..4).prop_map(|values| {
        values.into_iter().enumerate().map(|(at, value)| format!("\"other{at}\":{value}")).collect::<Vec<_>>()
    });
    (proptest::option::weighted(0.95, source), proptest::option::weighted(0.95, name), others, any::<bool>(), white())
        .prop_flat_map(|(source, name, mut others, usual, gap)| {
            if usual {
                let at = others.len() / 2;
                others.splice(at..at, source.into_iter().chain(name));
                (Just(others), Just(gap)).boxed()
            } else {
                others.extend(source);
                others.extend(name);
                (Just(others).prop_shuffle(), Just(gap)).boxed()
            }
        })
        .prop_map(|(members, gap)| format!("{{{gap}{}{gap}}}", members.join(&format!("{gap},"))))
}

/// A record as CloudTrail begins it, and long enough to be leapt over.
fn usual_record() -> impl Strategy<Value = String> {
    let fillers = || {
        proptest::collection::vec(filler(), 0..3).prop_map(|values| {
            let members = values.into_iter().enumerate().map(|(at, value)| format!("\"k{at}\":{value},"));
            members.collect::<Vec<String>>().concat()
        })
    };
    let names = (proptest::sample::select(SOURCES), proptest::sample::select(NAMES));
    (fillers(), names, fillers(), 0_usize..700, white()).prop_map(|(before, (source, name), after, pad, gap)| {
        format!(
            r#"{{"eventVersion":"1.11",{before}"eventSource":{gap}"{source}","eventName":"{name}",{after}"pad":"{}"}}"#,
            "p".repeat(pad)
        )
    })
}

fn file() -> impl Strategy<Value = String> {
    let records = proptest::collection::vec(prop_oneof![9 => record(), 1 => filler()], 0..8);
    let beside = prop_oneof![5 => Just(None), 1 => filler().prop_map(Some)];
    (records, beside.clone(), beside, word("Records"), white(), any::<bool>()).prop_map(
        |(records, before, after, key, gap, mark)| {
            let before = before.map(|value| format!("\"before\":{value},")).unwrap_or_default();
            let after = after.map(|value| format!(",\"after\":{value}")).unwrap_or_default();
            let mark = if mark { "\u{feff}" } else { "" };
            format!("{mark}{{{gap}{before}{key}{gap}:{gap}[{}{gap}]{after}}}{gap}", records.join(","))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_a_full_parse_finds_is_found(file in file(), piece in 1_usize..400) {
        let (found, outcome) = scanned(file.as_bytes(), piece, Limits::default());
        prop_assert_eq!(found, oracle(file.as_bytes()));
        prop_assert!(outcome.is_ok(), "{:?}", outcome);
    }

    #[test]
    fn what_a_full_parse_finds_is_found_by_leaps(
        records in proptest::collection::vec(prop_oneof![12 => usual_record(), 1 => record(), 1 => filler()], 0..30),
        piece in 1_usize..900,
        small in any::<bool>(),
        after in prop_oneof![4 => Just(""), 1 => Just(r#","after":[{"eventVersion":"1"},{"eventVersion":"2","eventSource":"s3.amazonaws.com","eventName":"PutBucketPolicy"}]"#)],
    ) {
        let file = format!("{{\"Records\":[{}]{after}}}", records.join(","));
        let (found, outcome) = scanned(file.as_bytes(), piece, if small { SMALL } else { Limits::default() });
        prop_assert_eq!(found, oracle(file.as_bytes()));
        prop_assert!(outcome.is_ok(), "{:?}", outcome);
    }

    #[test]
    fn neighbours_of_a_bracket_tell_what_quotes_tell(json in filler()) {
        let (mut string, mut escaped) = (false, false);
        for (at, byte) in json.bytes().enumerate() {
            if b"[]".contains(&byte) {
                prop_assert!(arrays::in_string(json.as_bytes(), at).is_none_or(|told| told == string), "{}: {}", at, json);
            }
            let free = !std::mem::take(&mut escaped);
            escaped = free && byte == b'\\';
            string ^= free && byte == b'"';
        }
    }

    #[test]
    fn any_bytes_end_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0_usize..200) {
        let _ = scanned(&bytes, 7, Limits::default());
        let mut file = br#"{"Records":[{"eventSource":"s3.amazonaws.com","eventName":"PutBucketPolicy"}"#.to_vec();
        file.extend(bytes);
        let _ = scanned(&file, 7, Limits::default());
        let file = file.get(..cut).unwrap_or(&file);
        let _ = scanned(file, 7, Limits::default());
    }
}

const HIT: &str = r#"{"eventSource":"codepipeline.amazonaws.com","eventName":"PutApprovalResult","n":1}"#;

/// A file of more than one window, with a hit at a place that `before` bytes stand before.
fn long(before: usize, after: usize) -> String {
    let miss = r#"{"eventSource":"sts.amazonaws.com","eventName":"AssumeRole","p":{"x":["}]{",{"a":[1]}]}}"#;
    let fill = |bytes: usize| -> String {
        let whole = bytes / (miss.len() + 1);
        let rest = bytes - whole * (miss.len() + 1);
        " ".repeat(rest) + &format!("{miss},").repeat(whole)
    };
    format!("{{\"Records\":[{}{HIT},{}{{}}]}}", fill(before), fill(after))
}

#[test]
fn a_hit_at_each_edge_of_piece_and_window_is_found() {
    for edge in [PIECE, 2 * PIECE, WINDOW, WINDOW + PIECE] {
        for offset in (edge - 400..edge + 100).step_by(23) {
            let file = long(offset, 1000);
            let (found, outcome) = scanned(file.as_bytes(), usize::MAX, Limits::default());
            assert_eq!(found.len(), 1, "{offset}");
            assert!(outcome.is_ok(), "{offset}: {outcome:?}");
        }
    }
}

#[test]
fn each_edge_of_a_small_window_may_be_anywhere_in_a_record() {
    let miss = r#"{"eventVersion":"1.11","eventSource":"sts.amazonaws.com","eventName":"AssumeRole","p":{"x":["}]{",{"a":[1]}],"y":"[\"]\\"}}"#;
    let hit = HIT.replacen('{', r#"{"eventVersion":"1.11","#, 1);
    for offset in 0..800 {
        let first = format!(r#"{{"eventVersion":"{}"}}"#, "v".repeat(offset));
        let records =
            [first.as_str(), miss, miss, miss, &hit, miss, miss, &hit, &hit, miss, miss, miss, miss, miss, &hit];
        let file = format!("{{\"Records\":[{}]}}", records.join(","));
        let (found, outcome) = scanned(file.as_bytes(), usize::MAX, SMALL);
        assert_eq!(found.len(), 4, "{offset}");
        assert!(outcome.is_ok(), "{offset}: {outcome:?}");
    }
}

#[test]
fn a_key_spelled_with_escapes_is_found_however_far_behind_a_backslash() {
    for offset in 0..1100 {
        let file = format!(
            r#"{{"Records":[{{"eventVersion":"1.11","pad":"\"{}","ev\u0065ntSource":"s3.amazonaws.com","eventName":"PutBucketPolicy"}}]}}"#,
            "x".repeat(offset)
        );
        assert_eq!(scanned(file.as_bytes(), usize::MAX, Limits::default()).0.len(), 1, "{offset}");
    }
}

#[test]
fn a_long_forged_list_within_a_record_is_none() {
    let forged = HIT.replacen('{', r#"{"eventVersion":"1.11","#, 1);
    let list = vec![forged.as_str(); 40].join(",");
    for before in [0, 1000] {
        let record = format!(
            r#"{{"eventVersion":"1.11","pad":"{}","eventSource":"sts.amazonaws.com","eventName":"AssumeRole","requestParameters":{{"a":[{list}]}}}}"#,
            "y".repeat(before)
        );
        let file = format!(r#"{{"Records":[{record},{record},{forged},{record}]}}"#);
        for limits in [SMALL, Limits::default()] {
            assert_eq!(scanned(file.as_bytes(), 4096, limits).0.len(), 1, "{before}");
        }
    }
}

#[test]
fn a_forged_record_within_a_record_is_none() {
    for forged in [format!("[{HIT}]"), HIT.to_owned(), serde_json::to_string(HIT).unwrap()] {
        let file = format!(
            r#"{{"Records":[{{"eventSource":"sts.amazonaws.com","eventName":"AssumeRole","requestParameters":{{"a":{forged}}}}},{{}}]}}"#
        );
        assert_eq!(scanned(file.as_bytes(), 50, Limits::default()).0, Vec::<Value>::new(), "{file}");
    }
}

#[test]
fn what_is_before_the_end_of_a_cut_file_counts() {
    let file = long(2 * WINDOW, 300);
    for cut in [file.len() - 1, file.len() - 3, file.len() - 200] {
        let (found, outcome) = scanned(&file.as_bytes()[..cut], 4096, Limits::default());
        assert_eq!(found.len(), 1);
        assert!(matches!(outcome, Err(ScanError::CutOff { .. })), "{outcome:?}");
    }
}

#[test]
fn what_is_no_log_file_says_so() {
    for (text, problem) in [
        ("", "empty"),
        ("  \n", "empty"),
        ("<html>", "not a JSON object"),
        ("[]", "not a JSON object"),
        ("{}", "no array `Records`"),
        (r#"{"records":[]}"#, "no array `Records`"),
        (r#"{"Records":{}}"#, "no array `Records`"),
        (r#"{"Records":[]}}"#, "brackets"),
        (r#"{"Records":["#, "cut off"),
    ] {
        let (_, outcome) = scanned(text.as_bytes(), 10, Limits::default());
        assert!(outcome.as_ref().is_err_and(|error| error.to_string().contains(problem)), "{text}: {outcome:?}");
    }
    assert!(scanned(br#"{"Records":[]}"#, 3, Limits::default()).1.is_ok());
}

#[test]
fn a_record_over_the_limit_is_counted_only_if_it_was_wanted() {
    let limits = Limits { record: 4000, ..Limits::default() };
    let big = |source: &str, name: &str| {
        let pad = "y".repeat(3 * WINDOW);
        format!(
            r#"{{"Records":[{{"eventSource":"{source}","eventName":"{name}","pad":"{pad}"}},{HIT},{{"pad":"{pad}","eventSource":"{source}","eventName":"{name}"}}]}}"#
        )
    };
    let (found, outcome) = scanned(big("s3.amazonaws.com", "PutBucketPolicy").as_bytes(), 1 << 16, limits);
    assert_eq!(found.len(), 1);
    assert!(matches!(outcome, Err(ScanError::RecordsTooLarge { count: 2, .. })), "{outcome:?}");
    let (found, outcome) = scanned(big("s3.amazonaws.com", "GetObject").as_bytes(), 1 << 16, limits);
    assert_eq!(found.len(), 1);
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn a_file_over_the_limit_ends_there() {
    let limits = Limits { file: 3 * PIECE as u64, ..Limits::default() };
    let (found, outcome) = scanned(long(100, 2 * WINDOW).as_bytes(), 1 << 16, limits);
    assert_eq!(found.len(), 1);
    assert!(matches!(outcome, Err(ScanError::TooLarge { .. })), "{outcome:?}");
}

#[test]
fn memory_does_not_grow_with_the_file() {
    let file = long(8 * WINDOW, 8 * WINDOW);
    let mut buffer = Vec::new();
    scan(file.as_bytes(), &mut buffer, &wanted(), Limits::default(), &mut |_| ()).unwrap();
    assert!(buffer.len() <= 2 * WINDOW, "{}", buffer.len());
}
