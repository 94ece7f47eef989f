//! The policies that come with this version.
//!
//! In: what `build.rs` put into the program. Out: sources, to be loaded like anybody's. Reading Cedar's text and validating
//! it costs half a millisecond a control, which a check of one template would pay for all of them; so the controls are
//! also kept in Cedar's JSON form (`policies/compiled.tsv`), which the tests write from the validated text. `build.rs`
//! leaves out every line whose control has changed since, so that an old one can only cost time.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::error::{PolicyErrors, SourceText};
use super::policy_set::{PolicySource, source};
use super::{Loading, Policies};
use crate::inventory::TypeName;

include!(concat!(env!("OUT_DIR"), "/embedded_policies.rs"));

impl Policies {
    /// Sources of the controls that come with this version, their cases, and the frameworks.
    #[must_use]
    pub fn embedded() -> Vec<PolicySource> {
        let controls = EMBEDDED_CONTROLS.iter().map(|(file, text)| PolicySource::Control(source(file, text)));
        let cases = EMBEDDED_CASES.iter().map(|(file, text)| PolicySource::Cases(source(file, text)));
        let frameworks = EMBEDDED_FRAMEWORKS.iter().map(|(file, text)| PolicySource::Framework(source(file, text)));
        controls.chain(cases).chain(frameworks).collect()
    }

    /// The same controls, ready to be asked of resources of these types (of all, without any), without cases and
    /// frameworks. The others stay part of [`Self::hash`].
    #[must_use]
    pub fn compiled(types: Option<&BTreeSet<TypeName>>) -> Vec<PolicySource> {
        let ready = |(file, text): &(&'static str, &'static str)| {
            let text = source(file, text);
            match COMPILED_CONTROLS
                .binary_search_by_key(file, |(of, _, _)| of)
                .ok()
                .and_then(|at| COMPILED_CONTROLS.get(at))
            {
                Some((_, type_name, _))
                    if types.is_some_and(|types| !types.iter().any(|one| one.as_str() == *type_name)) =>
                {
                    PolicySource::Unasked(text)
                }
                Some((_, _, json)) => PolicySource::Compiled(text, json),
                None => PolicySource::Control(text),
            }
        };
        EMBEDDED_CONTROLS.iter().map(ready).collect()
    }

    /// What `policies/compiled.tsv` has to hold: a line per control with its file, a hash of its text, its type and its
    /// JSON form.
    ///
    /// # Errors
    /// [`PolicyErrors`] if a control is no good.
    pub fn compilation() -> Result<String, PolicyErrors> {
        let policies = Self::load_all(&Loading { built_in: Self::embedded(), ..Loading::default() })?;
        let mut lines = String::new();
        for (file, text) in EMBEDDED_CONTROLS {
            let of_file = policies
                .controls()
                .values()
                .find(|control| policies.text(&control.id).is_some_and(|text| text.file == *file));
            let Some(asked) = of_file.and_then(|control| policies.asked(&control.id)) else { continue };
            let _ = writeln!(lines, "{file}\t{:016x}\t{}\t{}", fnv(text), asked.control.resource_type, asked.json);
        }
        Ok(lines)
    }

    /// The schema that comes with this version.
    #[must_use]
    pub fn embedded_schema() -> SourceText {
        source("policies/schema.cedarschema", EMBEDDED_SCHEMA)
    }
}

/// FNV-1a with 64 bits: tells an old line from a new one; `build.rs` has the same.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_controls_are_the_validated_ones() {
        let texts = Policies::load_all(&Loading { built_in: Policies::embedded(), ..Loading::default() }).unwrap();
        let compiled =
            Policies::load_all(&Loading { built_in: Policies::compiled(None), ..Loading::default() }).unwrap();
        assert_eq!(texts.controls(), compiled.controls());
        assert_eq!(texts.hash(), compiled.hash());
        for id in texts.controls().keys() {
            assert_eq!(texts.guidance(id), compiled.guidance(id), "{id}");
            assert_eq!(texts.asked(id).map(|asked| &asked.json), compiled.asked(id).map(|asked| &asked.json), "{id}");
            assert_eq!(texts.facts_shown_by(id), compiled.facts_shown_by(id), "{id}");
        }
        assert_eq!(
            COMPILED_CONTROLS.len(),
            EMBEDDED_CONTROLS.len(),
            "UPDATE_DOCUMENTS=1 cargo test --test main documents"
        );
    }

    #[test]
    fn the_hash_is_of_all_controls_even_if_few_are_asked() {
        let types = BTreeSet::from([TypeName::BUCKET]);
        let of_buckets =
            Policies::load_all(&Loading { built_in: Policies::compiled(Some(&types)), ..Loading::default() }).unwrap();
        let all = Policies::load_all(&Loading { built_in: Policies::embedded(), ..Loading::default() }).unwrap();
        assert_eq!(of_buckets.hash(), all.hash());
        assert!(!of_buckets.controls().is_empty());
        assert!(of_buckets.controls().values().all(|control| control.resource_type == TypeName::BUCKET));
    }
}
