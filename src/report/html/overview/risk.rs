//! How much a violation weighs, where panels rank.
//!
//! In: a severity. Out: a weight. It is a convention for ranking, written out on the page; it is no probability and no
//! amount of money.

use crate::finding::Severity;

/// What the page says of it.
pub(super) const DEFINITION: &str = "Risk is a sum of weights, only for ranking: an open violation weighs 27 if it is critical, 9 if high, 3 if medium, 1 if low; \
     one under a valid exception weighs nothing.";

/// The weight of one open violation: each severity weighs three times the one below.
pub(super) fn weight(severity: Severity) -> u64 {
    match severity {
        Severity::Critical => 27,
        Severity::High => 9,
        Severity::Medium => 3,
        Severity::Low => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_says_the_weights() {
        for severity in Severity::ALL {
            let said = format!("{} if", weight(severity));
            assert!(DEFINITION.contains(&said), "{said}");
        }
    }
}
