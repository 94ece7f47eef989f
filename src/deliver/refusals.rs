//! What a receiver refused, as sentences, and never more of them than a person reads.

use std::collections::BTreeSet;

/// The most sentences that are kept.
const MOST: usize = 100;

/// Sentences, each once.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    sentences: BTreeSet<String>,
    further: u64,
}

impl Refusals {
    pub(super) fn add(&mut self, sentence: String) {
        if self.sentences.len() < MOST || self.sentences.contains(&sentence) {
            self.sentences.insert(sentence);
        } else {
            self.further += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sentences.is_empty()
    }

    /// In order; the last one counts those that are not there.
    pub(super) fn into_sentences(self) -> Vec<String> {
        let further = (self.further > 0).then(|| format!("and {} more like these", self.further));
        self.sentences.into_iter().chain(further).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_counted() {
        let mut refusals = Refusals::default();
        for nth in 0..103 {
            refusals.add(format!("{nth:03}"));
            refusals.add("000".to_owned());
        }
        let sentences = refusals.into_sentences();
        assert_eq!(sentences.len(), MOST + 1);
        assert_eq!(sentences.last().map(String::as_str), Some("and 3 more like these"));
    }
}
