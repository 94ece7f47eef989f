//! Which choices are tried.
//!
//! In: the open choices of a group. Out: assignments, the default one first. Small sets of choices are tried in every
//! combination; larger ones one choice at a time, beside the default, so that the work stays linear.

use crate::template::{Assignment, Choice};

/// Combinations up to here are all tried.
const ALL_COMBINATIONS: usize = 16;

/// More single changes than these are not tried.
const MOST: usize = 64;

/// One way to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct World {
    pub(super) assignment: Assignment,
    /// `A=x, B=y`: what differs from the default, or the default itself.
    pub(super) when: String,
    /// Whether nobody has to give anything for it.
    pub(super) default: bool,
}

/// All ways that are tried; always at least one.
pub(super) fn worlds(choices: &[Choice]) -> Vec<World> {
    let base: Assignment = choices.iter().filter_map(|c| Some((c.name.clone(), c.values.first()?.clone()))).collect();
    let combinations = choices.iter().try_fold(1_usize, |all, choice| all.checked_mul(choice.values.len().max(1)));
    let mut assignments = vec![base.clone()];
    if combinations.is_some_and(|all| all <= ALL_COMBINATIONS) {
        for choice in choices {
            let more: Vec<Assignment> = choice
                .values
                .iter()
                .skip(1)
                .flat_map(|value| {
                    assignments.iter().map(|known| {
                        let mut changed = known.clone();
                        changed.insert(choice.name.clone(), value.clone());
                        changed
                    })
                })
                .collect();
            assignments.extend(more);
        }
    } else {
        let single = choices.iter().flat_map(|choice| choice.values.iter().skip(1).map(move |value| (choice, value)));
        assignments.extend(single.take(MOST).map(|(choice, value)| {
            let mut changed = base.clone();
            changed.insert(choice.name.clone(), value.clone());
            changed
        }));
    }
    assignments.into_iter().map(|assignment| world(assignment, &base, choices)).collect()
}

fn world(assignment: Assignment, base: &Assignment, choices: &[Choice]) -> World {
    let said = |differs: bool| -> Vec<String> {
        let of = assignment.iter().filter(|(name, value)| !differs || base.get(*name) != Some(value));
        of.map(|(name, value)| format!("{name}={value}")).collect()
    };
    let different = said(true);
    let when = if different.is_empty() { said(false) } else { different }.join(", ");
    let default = choices
        .iter()
        .all(|choice| choice.default.is_some() && choice.default.as_ref() == assignment.get(&choice.name));
    World { assignment, when, default }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(name: &str, values: &[&str]) -> Choice {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        Choice { name: name.to_owned(), default: values.first().cloned(), values }
    }

    #[test]
    fn few_choices_are_combined_and_many_are_not() {
        let said = |choices: &[Choice]| worlds(choices).into_iter().map(|world| world.when).collect::<Vec<_>>();
        assert_eq!(said(&[]), [""]);
        let two = [choice("A", &["x", "y"]), choice("B", &["1", "2"])];
        assert_eq!(said(&two), ["A=x, B=1", "A=y", "B=2", "A=y, B=2"]);
        let many: Vec<Choice> = (0..10).map(|n| choice(&format!("P{n}"), &["No", "Yes"])).collect();
        assert_eq!(said(&many).len(), 11);
        assert!(worlds(&many).first().unwrap().default);
    }
}
