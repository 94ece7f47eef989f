//! Documents that are written from the source, and framework ids that exist.

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

use pipewarden::evaluate::{Policies, handbook};

fn policies() -> Policies {
    Policies::load(&Policies::embedded(), &BTreeSet::new()).unwrap()
}

#[test]
fn the_handbook_of_controls_is_what_the_policies_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/controls.md");
    let now = handbook(&policies());
    if env::var_os("UPDATE_DOCUMENTS").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == now, "docs/controls.md is old: UPDATE_DOCUMENTS=1 cargo test --test main documents");
}

#[test]
fn the_compiled_controls_are_what_their_texts_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/compiled.tsv");
    let now = Policies::compilation().unwrap();
    if env::var_os("UPDATE_DOCUMENTS").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == now, "policies/compiled.tsv is old: UPDATE_DOCUMENTS=1 cargo test --test main documents");
}

#[test]
fn every_mapping_names_a_requirement_that_exists() {
    let policies = policies();
    let mut unknown = BTreeSet::new();
    for control in policies.controls().values() {
        assert!(!control.frameworks.is_empty(), "{} helps with nothing", control.id);
        for mapped in &control.frameworks {
            if !policies.frameworks().values().any(|framework| framework.requirement(mapped).is_some()) {
                unknown.insert(format!("{}: {mapped}", control.id));
            }
        }
    }
    assert!(unknown.is_empty(), "policies/frameworks does not know these: {unknown:#?}");
}

#[test]
fn every_built_in_control_says_why_and_how_in_every_way() {
    let policies = policies();
    let mut silent = BTreeSet::new();
    for id in policies.controls().keys() {
        let texts = policies.guidance(id).unwrap().texts();
        silent.extend(texts.iter().filter(|(_, text)| text.is_empty()).map(|(name, _)| format!("{id}: @{name}")));
    }
    assert!(silent.is_empty(), "built-in controls lack annotations: {silent:#?}");
}

/// The catalogue's rows by letter: pipelines, deployment groups, build projects, repositories, buckets, keys, image
/// repositories, trails, alarms, roles, the organization, the practice beyond them, and what only a history tells.
const CATALOGUE: [(&str, usize); 13] = [
    ("P", 24),
    ("D", 13),
    ("B", 20),
    ("R", 11),
    ("S", 12),
    ("K", 4),
    ("E", 5),
    ("T", 4),
    ("A", 4),
    ("I", 6),
    ("O", 5),
    ("X", 16),
    ("G", 13),
];

/// Rows without a control, and why.
const NOT_YET: &[(&str, &str)] = &[];

#[test]
fn every_row_of_the_catalogue_has_a_control() {
    let policies = policies();
    let answered: BTreeSet<String> = policies
        .controls()
        .keys()
        .flat_map(|id| policies.guidance(id).unwrap().catalogue.split(',').map(|row| row.trim().to_owned()))
        .collect();
    let rows: BTreeSet<String> =
        CATALOGUE.iter().flat_map(|(letter, count)| (1..=*count).map(move |row| format!("{letter}{row}"))).collect();
    let excused: BTreeSet<String> = NOT_YET.iter().map(|(row, _)| (*row).to_owned()).collect();
    let missing: BTreeSet<_> = rows.difference(&answered).filter(|row| !excused.contains(*row)).collect();
    assert!(missing.is_empty(), "rows without a control: {missing:?}");
    let unknown: BTreeSet<_> = answered.difference(&rows).collect();
    assert!(unknown.is_empty(), "rows that the catalogue does not have: {unknown:?}");
    assert!(excused.intersection(&answered).next().is_none(), "NOT_YET excuses a row that has a control");
}
