//! Stretches of time: what was looked at, and how long services were down.
//!
//! In: pairs of moments in any order. Out: the same, sorted and without overlap.

use time::OffsetDateTime;

/// Sorted stretches of time, half open, that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Intervals(Vec<(OffsetDateTime, OffsetDateTime)>);

impl Intervals {
    /// One stretch; empty if it ends before it begins.
    pub(super) fn one(from: OffsetDateTime, to: OffsetDateTime) -> Self {
        [(from, to)].into_iter().collect()
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Begin of the first.
    pub(super) fn begin(&self) -> Option<OffsetDateTime> {
        self.0.first().map(|(from, _)| *from)
    }

    /// Whether all of `from..to` lies in one of them.
    pub(super) fn cover(&self, from: OffsetDateTime, to: OffsetDateTime) -> bool {
        let behind = self.0.partition_point(|(begin, _)| *begin <= from);
        behind.checked_sub(1).and_then(|index| self.0.get(index)).is_some_and(|(_, end)| to <= *end)
    }

    /// Whether a moment lies in one of them.
    pub(super) fn contain(&self, moment: OffsetDateTime) -> bool {
        let behind = self.0.partition_point(|(begin, _)| *begin <= moment);
        behind.checked_sub(1).and_then(|index| self.0.get(index)).is_some_and(|(_, end)| moment < *end)
    }

    /// What lies in both.
    pub(super) fn within(&self, other: &Self) -> Self {
        let (mut ours, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut both = Vec::new();
        while let (Some((a, b)), Some((c, d))) = (ours.peek(), theirs.peek()) {
            let (from, to) = (*a.max(c), *b.min(d));
            if from < to {
                both.push((from, to));
            }
            if b <= d {
                ours.next();
            } else {
                theirs.next();
            }
        }
        Self(both)
    }

    /// What lies outside of `from..to`.
    pub(super) fn without(&self, from: OffsetDateTime, to: OffsetDateTime) -> Self {
        if from >= to {
            return self.clone();
        }
        self.0.iter().flat_map(|(begin, end)| [(*begin, (*end).min(from)), ((*begin).max(to), *end)]).collect()
    }

    /// Length of all of them together.
    pub(super) fn seconds(&self) -> f64 {
        self.0.iter().map(|(from, to)| super::statistics::seconds(*from, *to)).sum()
    }
}

impl FromIterator<(OffsetDateTime, OffsetDateTime)> for Intervals {
    fn from_iter<I: IntoIterator<Item = (OffsetDateTime, OffsetDateTime)>>(iterator: I) -> Self {
        let mut all: Vec<_> = iterator.into_iter().filter(|(from, to)| from < to).collect();
        all.sort_unstable();
        all.dedup_by(|later, kept| {
            let touch = later.0 <= kept.1;
            if touch {
                kept.1 = kept.1.max(later.1);
            }
            touch
        });
        Self(all)
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    fn at(hour: i64) -> OffsetDateTime {
        datetime!(2026-06-01 0:00 UTC) + Duration::hours(hour)
    }

    fn hours(pairs: &[(i64, i64)]) -> Intervals {
        pairs.iter().map(|(a, b)| (at(*a), at(*b))).collect()
    }

    #[test]
    fn what_touches_is_one_and_a_hole_stays() {
        assert_eq!(hours(&[(5, 7), (1, 3), (3, 4), (2, 3), (9, 9)]), hours(&[(1, 4), (5, 7)]));
        assert!(hours(&[(1, 4), (5, 7)]).cover(at(1), at(4)));
        assert!(!hours(&[(1, 4), (5, 7)]).cover(at(3), at(6)));
        assert!(!hours(&[(1, 4)]).contain(at(4)) && hours(&[(1, 4)]).contain(at(1)));
    }

    #[test]
    fn both_and_all_but() {
        assert_eq!(hours(&[(1, 4), (5, 9)]).within(&hours(&[(3, 6), (8, 20)])), hours(&[(3, 4), (5, 6), (8, 9)]));
        assert_eq!(hours(&[(1, 9)]).without(at(3), at(4)), hours(&[(1, 3), (4, 9)]));
        assert_eq!(hours(&[(1, 9)]).without(at(0), at(10)), Intervals::default());
        assert!((hours(&[(1, 3), (4, 5)]).seconds() - 10_800.0).abs() < f64::EPSILON);
    }
}
