//! Whether a deployment was unplanned: a fix that could not wait.
//!
//! In: what an execution, a commit message, a branch, labels and incidents say. Out: whether it was, and whether that was
//! told (a variable, a label, an incident that the message names) or guessed from words.

use super::index::Index;
use super::members::Draft;
use crate::dora::DeploymentKind;

/// Words of messages and branches that speak of a fix that could not wait.
const WORDS: &[&str] = &["emergency", "hotfix", "incident", "revert", "rollback"];

/// Labels that say so outright.
const LABELS: &[&str] = &["emergency", "hotfix", "incident", "revert", "rollback", "unplanned"];

/// Decides it for one draft, whose kind is known.
pub(super) fn decide(draft: &mut Draft<'_>, index: &Index<'_>) {
    if let Some(told) = draft.execution.and_then(|execution| execution.unplanned) {
        draft.deployment.unplanned = told;
        draft.deployment.unplanned_is_flagged = true;
        return;
    }
    if draft.deployment.kind != DeploymentKind::Forward {
        return;
    }
    let mut guessed = false;
    let mut told = false;
    for revision in &draft.deployment.revisions {
        let commit = index.commit(&revision.id).and_then(|commit| commit.summary.as_deref());
        let merge = index.merge(&revision.id);
        let texts = [revision.summary.as_deref(), commit, merge.and_then(|it| it.title.as_deref())];
        let branch = merge.and_then(|it| it.head.as_deref());
        guessed |= texts.into_iter().chain([branch]).flatten().any(says_so);
        told |= merge.is_some_and(|it| it.labels.iter().any(|label| is_one_of(label, LABELS)));
        told |= texts.into_iter().flatten().any(|text| {
            let mut incidents = index.history.incidents.iter();
            incidents.any(|incident| incident.started <= draft.time() && names(text, &incident.id))
        });
    }
    draft.deployment.unplanned = guessed || told;
    draft.deployment.unplanned_is_flagged = told;
}

/// Whether one of the words stands in a text as a word of its own.
pub(super) fn says_so(text: &str) -> bool {
    words(text).any(|word| is_one_of(word, WORDS))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

fn is_one_of(word: &str, list: &[&str]) -> bool {
    list.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Whether a message names an incident, as a word of its own. A number alone could be anything.
fn names(text: &str, incident: &str) -> bool {
    let is_name = incident.len() >= 4 && incident.chars().any(char::is_alphabetic);
    let (text, incident) = (text.to_lowercase(), incident.to_lowercase());
    let is_apart = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    is_name
        && text.match_indices(&incident).any(|(at, found)| {
            is_apart(text.get(..at).and_then(|before| before.chars().next_back()))
                && is_apart(text.get(at + found.len()..).and_then(|after| after.chars().next()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_alone() {
        for text in ["hotfix: null check", "Revert \"add x\"", "hotfix/null-check", "EMERGENCY", "fix after INCIDENT-7"]
        {
            assert!(says_so(text), "{text}");
        }
        for text in ["fix flaky health check", "incidental change", "reverted_index", "nohotfix", ""] {
            assert!(!says_so(text), "{text}");
        }
        assert!(names("Fix login (INC-123)", "INC-123") && names("inc-123", "INC-123"));
        assert!(!names("INC-1234", "INC-123") && !names("room 1234", "1234"));
    }
}
