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
