//! A small strict parser of what Prometheus reads. It refuses whatever the specification does not allow.

use std::collections::{BTreeMap, BTreeSet};

/// A family with its samples, in the order of the text.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) samples: Vec<Sample>,
}

#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
    pub(super) time: Option<i64>,
}

/// Reads `OpenMetrics` (`strict`) or the older text format.
pub(super) fn parse(text: &str, strict: bool) -> Vec<Family> {
    assert!(text.is_empty() || text.ends_with('\n'), "no line feed at the end");
    let body = if strict { text.strip_suffix("# EOF\n").expect("no # EOF at the end") } else { text };
    assert!(!body.contains("# EOF"), "# EOF in the middle");
    let mut families: Vec<Family> = Vec::new();
    let mut names = BTreeSet::new();
    let mut told: BTreeSet<String> = BTreeSet::new();
    for line in body.lines() {
        assert!(!line.is_empty() && !line.contains('\r'), "{line:?}");
        if let Some(metadata) = line.strip_prefix("# ") {
            let (what, rest) = metadata.split_once(' ').unwrap();
            let (name, rest) = rest.split_once(' ').unwrap();
            if what == "TYPE" {
                assert!(names.insert(name.to_owned()), "{name} twice");
                assert!(is_name(name, true), "{name}");
                families.push(Family { name: name.to_owned(), kind: rest.to_owned(), samples: Vec::new() });
                told.clear();
            }
            let family = families.last().expect("metadata of nothing");
            assert_eq!(family.name, name, "{line}");
            assert!(family.samples.is_empty() && told.insert(what.to_owned()), "{line}");
            match what {
                "TYPE" => {
                    let known: &[&str] =
                        if strict { &["gauge", "gaugehistogram", "info", "stateset"] } else { &["gauge", "histogram"] };
                    assert!(known.contains(&rest), "{line}");
                }
                "UNIT" => assert!(strict && name.ends_with(&format!("_{rest}")), "{line}"),
                "HELP" => drop(unescaped(rest)),
                _ => panic!("{line}"),
            }
        } else {
            let sample = sample(line, strict);
            families.last_mut().expect("a sample of nothing").samples.push(sample);
        }
    }
    families.iter().for_each(check);
    families
}

fn is_name(name: &str, with_colon: bool) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || (with_colon && c == ':'))
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        out.push(match character {
            '\\' => match characters.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('"') => '"',
                other => panic!("unknown escape {other:?} in {text:?}"),
            },
            other => other,
        });
    }
    out
}

fn sample(line: &str, strict: bool) -> Sample {
    let name_ends = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(name_ends);
    assert!(is_name(name, true), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        let mut inside = inside;
        while !inside.starts_with('}') {
            let (label, after) = inside.split_once("=\"").unwrap();
            assert!(is_name(label, false) && !label.starts_with("__"), "{line}");
            let mut end = 0;
            while !after[end..].starts_with('"') {
                let step = if after[end..].starts_with('\\') { 2 } else { 1 };
                end += after[end..].chars().take(step).map(char::len_utf8).sum::<usize>();
            }
            let known = labels.insert(label.to_owned(), unescaped(&after[..end]));
            assert!(known.is_none(), "{label} twice in {line}");
            inside = &after[end + 1..];
            inside = inside.strip_prefix(',').unwrap_or(inside);
        }
        rest = &inside[1..];
    }
    let mut parts = rest.strip_prefix(' ').unwrap().split(' ');
    let value: f64 = parts.next().unwrap().parse().unwrap();
    let time = parts.next().map(|time| time.parse().unwrap());
    assert!(parts.next().is_none() && value.is_finite(), "{line}");
    assert!(strict || time.is_none(), "{line}");
    Sample { name: name.to_owned(), labels, value, time }
}

fn check(family: &Family) {
    assert!(!family.samples.is_empty(), "{} has no sample", family.name);
    let allowed: &[&str] = match family.kind.as_str() {
        "info" => &["_info"],
        "gaugehistogram" => &["_bucket", "_gcount", "_gsum"],
        "histogram" => &["_bucket", "_count", "_sum"],
        _ => &[""],
    };
    let mut seen: BTreeMap<String, Option<i64>> = BTreeMap::new();
    let mut cumulative: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for sample in &family.samples {
        let suffix =
            sample.name.strip_prefix(&family.name).unwrap_or_else(|| panic!("{} in {}", sample.name, family.name));
        assert!(allowed.contains(&suffix), "{}", sample.name);
        let series = format!("{} {:?}", sample.name, sample.labels);
        match seen.insert(series.clone(), sample.time) {
            None => {}
            Some(before) => assert!(before.is_some() && before < sample.time, "{series} is there already"),
        }
        match family.kind.as_str() {
            "info" => assert!((sample.value - 1.0).abs() < f64::EPSILON, "{sample:?}"),
            "stateset" => {
                assert!([0.0, 1.0].contains(&sample.value) && sample.labels.contains_key(&family.name), "{sample:?}");
            }
            "gaugehistogram" | "histogram" if suffix == "_bucket" => {
                let mut labels = sample.labels.clone();
                let bound = labels.remove("le").unwrap();
                let bound: f64 = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
                let (last, count) =
                    cumulative.insert(format!("{labels:?}"), (bound, sample.value)).unwrap_or((-1.0, 0.0));
                assert!(last < bound && count <= sample.value, "{sample:?}");
            }
            "gaugehistogram" | "histogram" if suffix.ends_with("count") => {
                assert_eq!(cumulative[&format!("{:?}", sample.labels)], (f64::INFINITY, sample.value));
            }
            _ => {}
        }
    }
}
