//! Several answers to one question → one finding.
//!
//! In: the verdict of a control on a resource in every world in which the resource exists. Out: one verdict, and the
//! alternatives where the worlds disagree.

use crate::finding::{Alternative, ComplianceType};

use super::worlds::World;

/// The verdict over all worlds, the number of the world that stands for it, and the answers if they differ.
///
/// A control that holds in one world and is violated in another is undecided: the choice decides. One that is violated
/// wherever it applies at all is violated.
pub(super) fn merged(answers: &[(&World, ComplianceType)]) -> (ComplianceType, usize, Vec<Alternative>) {
    let any = |wanted: ComplianceType| answers.iter().position(|(_, compliance)| *compliance == wanted);
    let violated = any(ComplianceType::NonCompliant);
    let unknown = any(ComplianceType::InsufficientData);
    let holds = any(ComplianceType::Compliant);
    let (verdict, at) = match (violated, unknown, holds) {
        (Some(at), None, None) => (ComplianceType::NonCompliant, at),
        (Some(at), _, _) => (ComplianceType::InsufficientData, unknown.unwrap_or(at)),
        (None, Some(at), _) => (ComplianceType::InsufficientData, at),
        (None, None, Some(at)) => (ComplianceType::Compliant, at),
        (None, None, None) => (ComplianceType::NotApplicable, 0),
    };
    let differ = answers.iter().any(|(_, compliance)| answers.first().is_some_and(|(_, first)| first != compliance));
    let speaks = verdict != ComplianceType::Compliant && verdict != ComplianceType::NotApplicable;
    let alternatives = if differ && speaks { said(answers) } else { Vec::new() };
    (verdict, at, alternatives)
}

/// One line per answer, the default's first, then the shortest way to every other one. The default's line names only what
/// the other lines change.
fn said(answers: &[(&World, ComplianceType)]) -> Vec<Alternative> {
    let mut told: Vec<(&World, ComplianceType)> = Vec::new();
    for (world, compliance) in answers {
        if told.iter().all(|(_, known)| known != compliance) {
            told.push((world, *compliance));
        }
    }
    let changed: Vec<&str> = told.iter().flat_map(|(world, _)| world.changed.keys()).map(String::as_str).collect();
    told.into_iter()
        .map(|(world, compliance)| Alternative { when: world.when(&changed), default: world.default, compliance })
        .collect()
}

#[cfg(test)]
mod tests {
    use ComplianceType::{Compliant, InsufficientData, NonCompliant, NotApplicable};

    use super::super::worlds::worlds;
    use super::*;
    use crate::template::Choice;

    #[test]
    fn disagreeing_worlds_are_undecided_and_say_both() {
        let values = vec!["No".to_owned(), "Yes".to_owned()];
        let choice = Choice { name: "Gate".to_owned(), default: Some("No".to_owned()), values };
        let worlds = worlds(&[choice]);
        let over = |answers: [ComplianceType; 2]| {
            let (verdict, _, said) = merged(&worlds.iter().zip(answers).collect::<Vec<_>>());
            (verdict, said.into_iter().map(|line| (line.when, line.compliance)).collect::<Vec<_>>())
        };
        let both = vec![("Gate=No".to_owned(), NonCompliant), ("Gate=Yes".to_owned(), Compliant)];
        assert_eq!(over([NonCompliant, Compliant]), (InsufficientData, both));
        assert_eq!(over([Compliant, Compliant]), (Compliant, vec![]));
        assert_eq!(over([NotApplicable, Compliant]).0, Compliant);
        assert_eq!(over([NotApplicable, NonCompliant]).0, NonCompliant);
        assert_eq!(over([InsufficientData, Compliant]).0, InsufficientData);
        assert_eq!(over([InsufficientData, NonCompliant]).0, InsufficientData);
        assert_eq!(over([NotApplicable, NotApplicable]).0, NotApplicable);
    }
}
