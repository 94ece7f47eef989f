//! Files of keys and values of which the last word on a key counts.
//!
//! In: JSON Lines, each a key and a value, null for one that is forgotten. Out: what they come to, and the words that lead
//! from one such file to another. It stands here because deliveries remember in such files, and the store brings them to a
//! bucket, where another process may have written into the same one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Lines that may be out of date before a file is worth writing anew, whatever its size.
const SPARE: u64 = 1_000;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// What it is on.
    pub key: String,
    /// Null: forgotten.
    pub value: Value,
}

/// What the lines of a file come to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LastWords {
    /// Key → value.
    pub entries: BTreeMap<String, Value>,
    /// Whole lines that were read.
    pub lines: u64,
    /// Bytes of the whole lines; what comes after them was cut off.
    pub bytes: u64,
}

impl LastWords {
    /// Reads a file; one that is not there has no words.
    ///
    /// # Errors
    /// If it cannot be read, or a whole line is none.
    pub fn read(path: &Path) -> io::Result<Self> {
        match File::open(path) {
            Ok(file) => Self::of(BufReader::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Reads whole lines; a last one that was cut off is passed over.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn of(mut lines: impl BufRead) -> io::Result<Self> {
        let mut words = Self::default();
        let mut text = Vec::new();
        loop {
            text.clear();
            let length = lines.read_until(b'\n', &mut text)?;
            if text.last() != Some(&b'\n') {
                return Ok(words);
            }
            serde_json::from_slice::<Word>(&text)?.enter(&mut words.entries);
            words.lines += 1;
            words.bytes += length as u64;
        }
    }

    /// Whether most of the file is out of date.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.lines > 2 * self.entries.len() as u64 + SPARE
    }

    /// The words that lead from `before` to this.
    #[must_use]
    pub fn since(&self, before: &Self) -> Vec<Word> {
        let word = |key: &String, value: &Value| Word { key: key.clone(), value: value.clone() };
        let forgotten = before.entries.keys().filter(|key| !self.entries.contains_key(*key));
        let changed = self.entries.iter().filter(|(key, value)| before.entries.get(*key) != Some(*value));
        forgotten.map(|key| word(key, &Value::Null)).chain(changed.map(|(key, value)| word(key, value))).collect()
    }
}

impl Word {
    /// Takes its place among others.
    pub fn enter(self, entries: &mut BTreeMap<String, Value>) {
        if self.value.is_null() {
            entries.remove(&self.key);
        } else {
            entries.insert(self.key, self.value);
        }
    }
}

/// Writes words as lines.
///
/// # Errors
/// Whatever `out` answers.
pub fn write_words<'a>(words: impl IntoIterator<Item = (&'a str, &'a Value)>, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        key: &'a str,
        value: &'a Value,
    }
    for (key, value) in words {
        serde_json::to_writer(&mut *out, &Line { key, value })?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn of(words: &[Word]) -> (LastWords, Vec<u8>) {
        let mut text = Vec::new();
        write_words(words.iter().map(|word| (word.key.as_str(), &word.value)), &mut text).unwrap();
        (LastWords::of(text.as_slice()).unwrap(), text)
    }

    fn words() -> impl Strategy<Value = Vec<Word>> {
        let value = prop_oneof![Just(Value::Null), (0..4).prop_map(|number| json!(number))];
        let word = ("[a-d]", value).prop_map(|(key, value)| Word { key, value });
        proptest::collection::vec(word, 0..20)
    }

    proptest! {
        #[test]
        fn what_was_said_since_leads_from_one_to_the_other(before in words(), after in words()) {
            let ((before, mut text), (after, _)) = (of(&before), of(&after));
            let since = after.since(&before);
            prop_assert!(since.len() <= before.entries.len() + after.entries.len());
            write_words(since.iter().map(|word| (word.key.as_str(), &word.value)), &mut text).unwrap();
            prop_assert_eq!(LastWords::of(text.as_slice()).unwrap().entries, after.entries);
        }
    }

    #[test]
    fn a_cut_line_is_no_word_and_a_line_of_something_else_is_an_error() {
        let (_, mut text) = of(&[Word { key: "a".to_owned(), value: json!(1) }]);
        let whole = text.len() as u64;
        text.extend_from_slice(b"{\"key\":\"a\",\"val");
        let read = LastWords::of(text.as_slice()).unwrap();
        assert_eq!((read.lines, read.bytes, read.entries.get("a")), (1, whole, Some(&json!(1))));
        assert!(LastWords::of(&b"no word\n"[..]).is_err());
        assert!(!LastWords { lines: SPARE, ..LastWords::default() }.is_stale());
        assert!(LastWords { lines: SPARE + 1, ..LastWords::default() }.is_stale());
    }
}
