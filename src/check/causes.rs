//! Why something is not known.
//!
//! In: the gaps of everything that was declared. Out: for the sentences of a finding, the class of its blindness. It
//! exists because a finding carries sentences only, and what a person can do about it depends on where they come from.

use std::collections::BTreeSet;

use super::surroundings::only_deployed;
use crate::finding::Blind;
use crate::inventory::{Affects, Gap, GapCause};
use crate::template::{DeclaredResource, Holes};

/// Sentences by what is behind them; every other sentence is about something that is defined elsewhere.
#[derive(Debug, Default)]
pub(super) struct Causes {
    only_deployed: BTreeSet<String>,
    unresolved: BTreeSet<String>,
}

impl Causes {
    /// Takes in what one world declares.
    pub(super) fn see(&mut self, declared: &[DeclaredResource], holes: &Holes) {
        for one in declared {
            one.resource.unseen.values().for_each(|gap| self.take(gap));
            for gap in only_deployed(&one.resource.account) {
                self.take(&gap);
            }
        }
        if let Some(one) = declared.first() {
            let resource = &one.resource;
            let gaps = holes
                .iter()
                .filter_map(|(hole, _)| holes.gap(hole, &resource.account, &resource.region, Affects::Details));
            for gap in gaps {
                self.take(&gap);
            }
        }
    }

    fn take(&mut self, gap: &Gap) {
        match gap.cause {
            GapCause::OnlyDeployed { .. } => self.only_deployed.insert(gap.sentence()),
            GapCause::Unresolved { .. } => self.unresolved.insert(gap.sentence()),
            _ => false,
        };
    }

    /// The class of a finding with these gaps. One thing that only deployment shows is enough: then nothing that a person
    /// gives would decide it. Without any gap, it is a choice that decides.
    pub(super) fn blind(&self, gaps: &[String]) -> Blind {
        let of = |known: &BTreeSet<String>, gap: &String| {
            // Some facts say in front of a sentence what it is about.
            known.contains(gap) || known.iter().any(|sentence| gap.ends_with(sentence.as_str()))
        };
        if gaps.iter().any(|gap| of(&self.only_deployed, gap)) {
            Blind::OnlyDeployed
        } else if gaps.iter().all(|gap| of(&self.unresolved, gap)) {
            Blind::Unresolved
        } else {
            Blind::Elsewhere
        }
    }
}
