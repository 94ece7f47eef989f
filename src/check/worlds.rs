//! Which choices are tried.
//!
//! In: the open choices of a group. Out: assignments, the default one first, then those that change the least. Small sets
//! of choices are tried in every combination. Of larger ones every single change is tried, then pairs of changes, as many
//! as the bound allows: hardly anything hangs on three parameters at once, and the work must stay bounded.

use crate::template::{Assignment, Choice};

/// Combinations up to here are all tried.
const ALL_COMBINATIONS: usize = 16;

/// No more worlds than these are tried.
const MOST: usize = 96;

/// One way to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct World {
    pub(super) assignment: Assignment,
    /// What differs from the first world.
    pub(super) changed: Assignment,
    /// Whether nobody has to give anything for it.
    pub(super) default: bool,
}

impl World {
    /// `A=x, B=y`: what differs from the first world; of the first world, its values of the parameters in `of`.
    pub(super) fn when(&self, of: &[&str]) -> String {
        let said = |assignment: &Assignment, all: bool| {
            let named = assignment.iter().filter(|(name, _)| all || of.contains(&name.as_str()));
            let value = |value: &String| if value.is_empty() { "''".to_owned() } else { value.clone() };
            named.map(|(name, chosen)| format!("{name}={}", value(chosen))).collect::<Vec<_>>().join(", ")
        };
        if self.changed.is_empty() { said(&self.assignment, of.is_empty()) } else { said(&self.changed, true) }
    }
}

/// All ways that are tried; always at least one.
pub(super) fn worlds(choices: &[Choice]) -> Vec<World> {
    let base: Assignment = choices.iter().filter_map(|c| Some((c.name.clone(), c.values.first()?.clone()))).collect();
    let combinations = choices.iter().try_fold(1_usize, |all, choice| all.checked_mul(choice.values.len().max(1)));
    let mut changes: Vec<Assignment> = vec![Assignment::new()];
    if combinations.is_some_and(|all| all <= ALL_COMBINATIONS) {
        for choice in choices {
            let more: Vec<Assignment> =
                others(choice).flat_map(|one| changes.iter().map(move |c| with(c, &one))).collect();
            changes.extend(more);
        }
        changes.sort_by_key(Assignment::len);
    } else {
        let single: Vec<(String, String)> = choices.iter().flat_map(others).collect();
        let singles = single.iter().map(|one| with(&Assignment::new(), one));
        let pairs = single.iter().enumerate().flat_map(|(nth, one)| {
            let later = single.iter().skip(nth + 1).filter(|(name, _)| *name != one.0);
            later.map(move |other| with(&with(&Assignment::new(), one), other))
        });
        changes.extend(singles.chain(pairs).take(MOST - 1));
    }
    changes
        .into_iter()
        .map(|changed| {
            let mut assignment = base.clone();
            assignment.extend(changed.clone());
            let default = choices.iter().all(|c| c.default.is_some() && c.default.as_ref() == assignment.get(&c.name));
            World { assignment, changed, default }
        })
        .collect()
}

/// What is not tried of these choices, as a sentence; single changes and pairs are what is wanted of many.
pub(super) fn left_out(choices: &[Choice]) -> Option<String> {
    let combinations = choices.iter().try_fold(1_usize, |all, choice| all.checked_mul(choice.values.len().max(1)));
    if combinations.is_some_and(|all| all <= ALL_COMBINATIONS) {
        return None;
    }
    let others: Vec<usize> = choices.iter().map(|choice| choice.values.len().saturating_sub(1)).collect();
    let singles: usize = others.iter().sum();
    let within: usize = others.iter().map(|count| count.saturating_mul(*count)).fold(0, usize::saturating_add);
    let pairs = singles.saturating_mul(singles).saturating_sub(within) / 2;
    if singles.saturating_add(pairs) < MOST {
        return None;
    }
    let what = if singles < MOST { "every single change of them, but not every two together" } else { "not every one" };
    let names = choices.iter().take(3).map(|choice| choice.name.as_str()).collect::<Vec<_>>().join(", ");
    Some(format!(
        "{} open parameters or conditions decide something here ({names} …), and {what} could be tried, so an answer may \
         hang on one that was not; pass their values with --parameters FILE",
        choices.len()
    ))
}

/// Every value but the first.
fn others(choice: &Choice) -> impl Iterator<Item = (String, String)> {
    choice.values.iter().skip(1).map(|value| (choice.name.clone(), value.clone()))
}

fn with(assignment: &Assignment, (name, value): &(String, String)) -> Assignment {
    let mut changed = assignment.clone();
    changed.insert(name.clone(), value.clone());
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(name: &str, values: &[&str]) -> Choice {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        Choice { name: name.to_owned(), default: values.first().cloned(), values }
    }

    #[test]
    fn few_choices_are_combined_and_of_many_every_pair_is_tried_within_bounds() {
        let said = |choices: &[Choice]| worlds(choices).iter().map(|world| world.when(&[])).collect::<Vec<_>>();
        assert_eq!(said(&[]), [""]);
        let two = [choice("A", &["x", "y"]), choice("B", &["1", "2"])];
        assert_eq!(said(&two), ["A=x, B=1", "A=y", "B=2", "A=y, B=2"]);
        let ten: Vec<Choice> = (0..10).map(|n| choice(&format!("P{n}"), &["No", "Yes"])).collect();
        assert_eq!(said(&ten).len(), 1 + 10 + 45);
        assert!(worlds(&ten).first().unwrap().default);
        let many: Vec<Choice> = (0..40).map(|n| choice(&format!("P{n}"), &["a", "b", "c"])).collect();
        assert_eq!(said(&many).len(), MOST);
        assert!(said(&many).contains(&"P39=c".to_owned()), "single changes come before pairs");
    }

    #[test]
    fn what_is_not_tried_is_said() {
        let many = |count, values| {
            let choices: Vec<Choice> = (0..count).map(|n| choice(&format!("P{n}"), values)).collect();
            (worlds(&choices).len(), left_out(&choices))
        };
        assert_eq!(many(4, &["a", "b"]), (16, None));
        assert_eq!(many(13, &["a", "b"]), (1 + 13 + 78, None));
        let (tried, said) = many(14, &["a", "b"]);
        assert_eq!(tried, MOST);
        assert!(said.unwrap().contains("14 open parameters or conditions"), "pairs are left out");
        assert!(many(96, &["a", "b"]).1.unwrap().contains("not every one"));
        assert!(many(8, &["a", "b", "c"]).1.is_some());
    }

    #[test]
    fn a_value_without_text_is_shown() {
        let said: Vec<String> = worlds(&[choice("A", &["", "x"])]).iter().map(|world| world.when(&[])).collect();
        assert_eq!(said, ["A=''", "A=x"]);
    }

    #[test]
    fn the_default_names_only_what_the_others_change() {
        let three = [choice("A", &["x", "y"]), choice("B", &["1", "2"]), choice("C", &["u", "v"])];
        let worlds = worlds(&three);
        assert_eq!(worlds.first().unwrap().when(&["B"]), "B=1");
        let sizes: Vec<usize> = worlds.iter().map(|world| world.changed.len()).collect();
        assert_eq!(sizes, [0, 1, 1, 1, 2, 2, 2, 3]);
    }
}
