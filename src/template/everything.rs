//! Any bytes → everything that reading them can do.
//!
//! In: a file of a hostile pull request. Out: how much was declared in it. It exists for the fuzzers and the tests that
//! run their corpora: both go the whole way from bytes to declared resources through one function.

use std::collections::BTreeMap;

use super::source::{Files, Place, Reading, Source};
use super::{Document, Holes, Limits, Unreadable, format_of, shape};

/// A disk without any file.
struct Nothing;

impl Files for Nothing {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("there is no such file".to_owned())
    }

    fn list(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

/// Reads a file, resolves it with every choice at its default and with each choice made each way, and brings what it
/// declares into the inventory's shape. Gives the number of declared resources over all of that.
///
/// # Errors
/// [`Unreadable`] if the file is no document; one that is of no known format declares nothing.
pub fn read_everything(bytes: &[u8], limits: &Limits) -> Result<usize, Unreadable> {
    let document = Document::read("stdin", bytes, limits)?;
    let Some(format) = format_of(&document) else { return Ok(0) };
    let (parameters, place) = (BTreeMap::new(), Place::new(None, None));
    let parsed =
        format.read(document, &Reading { files: &Nothing, parameters: &parameters, place: &place, limits: *limits });
    let sources = parsed.groups.iter().flat_map(|group| std::iter::once(&group.source).chain(&group.before));
    Ok(sources.map(|source| declared(source.as_ref())).sum())
}

/// Choices and values that are tried, at most: the fuzzers look for what breaks, not for verdicts.
const TRIED: usize = 4;

fn declared(source: &dyn Source) -> usize {
    let mut assignments = vec![BTreeMap::new()];
    for choice in source.choices().into_iter().take(TRIED) {
        let values = choice.values.into_iter().take(TRIED);
        assignments.extend(values.map(|value| BTreeMap::from([(choice.name.clone(), value)])));
    }
    assignments
        .iter()
        .map(|assignment| {
            let mut holes = Holes::default();
            let raws = source.declare(assignment, &mut holes);
            shape::declared(&raws, &holes).len()
        })
        .sum()
}
