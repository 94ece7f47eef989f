//! Counts calls by IAM action, so that a test can say how many calls an audit needed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Calls so far.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    calls: Mutex<BTreeMap<&'static str, u64>>,
}

impl Statistics {
    /// Counts one call, or one throttled call under `throttled`.
    pub(crate) fn count(&self, action: &'static str) {
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner).entry(action).or_default() += 1;
    }

    /// A copy of all counts.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().map(|(action, count)| ((*action).to_owned(), *count)).collect()
    }
}
