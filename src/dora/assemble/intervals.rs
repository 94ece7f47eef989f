//! Stretches of time: joined, cut out of each other, summed.
//!
//! In: begins and ends in seconds. Out: the same as stretches that neither touch nor overlap, in order.

use time::OffsetDateTime;

/// Stretches that neither touch nor overlap, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Intervals(Vec<(i64, i64)>);

impl Intervals {
    pub(super) fn of(times: impl IntoIterator<Item = (OffsetDateTime, OffsetDateTime)>) -> Self {
        let all = times.into_iter().map(|(from, to)| (from.unix_timestamp(), to.unix_timestamp()));
        Self::joined(all.collect())
    }

    pub(super) fn single(from: i64, to: i64) -> Self {
        Self::joined(vec![(from, to)])
    }

    fn joined(mut all: Vec<(i64, i64)>) -> Self {
        all.retain(|(from, to)| from < to);
        all.sort_unstable();
        let mut joined: Vec<(i64, i64)> = Vec::new();
        for (from, to) in all {
            match joined.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => joined.push((from, to)),
            }
        }
        Self(joined)
    }

    pub(super) fn union(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        Self::joined(self.0)
    }

    /// What is in this and not in the other.
    pub(super) fn without(&self, other: &Self) -> Self {
        let mut rest = Vec::new();
        for &(from, to) in &self.0 {
            let mut at = from;
            for &(begin, end) in other.0.iter().filter(|(begin, end)| *begin < to && *end > from) {
                rest.push((at, begin.min(to)));
                at = at.max(end);
            }
            rest.push((at, to));
        }
        Self::joined(rest)
    }

    /// What is in both.
    pub(super) fn within(&self, other: &Self) -> Self {
        self.without(&self.without(other))
    }

    pub(super) fn seconds(&self) -> u64 {
        self.0.iter().map(|(from, to)| to.abs_diff(*from)).sum()
    }

    pub(super) fn each(&self) -> impl Iterator<Item = (i64, i64)> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(all: &[(i64, i64)]) -> Intervals {
        Intervals::joined(all.to_vec())
    }

    #[test]
    fn stretches_are_joined_and_cut() {
        assert_eq!(of(&[(5, 7), (0, 2), (2, 3), (9, 9), (6, 8)]), of(&[(0, 3), (5, 8)]));
        assert_eq!(of(&[(0, 10)]).without(&of(&[(2, 3), (5, 12)])), of(&[(0, 2), (3, 5)]));
        assert_eq!(of(&[(0, 10)]).within(&of(&[(2, 3), (8, 12)])), of(&[(2, 3), (8, 10)]));
        assert_eq!(of(&[(0, 2)]).union(of(&[(1, 4)])).seconds(), 4);
        assert_eq!(of(&[(0, 2)]).without(&of(&[])), of(&[(0, 2)]));
    }
}
