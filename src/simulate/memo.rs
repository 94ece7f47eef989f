//! A few answers that are expensive to make, kept for whoever asks next.
//!
//! In: a key, and how its value is made. Out: the value, made anew only if it is not among the last that were asked for. It
//! exists because the world makes everything on demand, and a day of a trail is asked for file by file.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// The last few values, by key.
#[derive(Debug)]
pub(crate) struct Memo<K, V> {
    capacity: usize,
    entries: Mutex<VecDeque<(K, Arc<V>)>>,
}

impl<K: PartialEq, V> Memo<K, V> {
    /// Keeps so many values.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, entries: Mutex::new(VecDeque::new()) }
    }

    /// The value of a key. Two who ask at once may both make it; it is the same.
    pub(crate) fn get(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        let held = |entries: &VecDeque<(K, Arc<V>)>| {
            entries.iter().find(|(other, _)| *other == key).map(|(_, value)| Arc::clone(value))
        };
        if let Some(value) = held(&self.entries.lock().unwrap_or_else(PoisonError::into_inner)) {
            return value;
        }
        let value = Arc::new(make());
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = held(&entries) {
            return other;
        }
        if entries.len() >= self.capacity {
            entries.pop_front();
        }
        entries.push_back((key, Arc::clone(&value)));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_few_are_made_once() {
        let memo: Memo<u8, u8> = Memo::new(2);
        let mut made = 0;
        for key in [1, 1, 2, 1, 3, 2, 1] {
            let value = memo.get(key, || {
                made += 1;
                key * 10
            });
            assert_eq!(*value, key * 10);
        }
        assert_eq!(made, 4, "1, 2, 3, and 1 again");
    }
}
