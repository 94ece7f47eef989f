//! What a delivery remembers between runs: the number of an owner's issue, the batches that were taken.
//!
//! In: keys and values of one delivery. Out: a file of JSON Lines in `<out>/deliveries/<name>.jsonl`, of which the last line
//! of a key counts, so that a killed delivery loses at most what it did not yet hear of. Lines are only ever added, until
//! most of them are out of date: then the file is written anew, under another name first.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::DeliveryError;
use crate::inventory::json_lines::PendingFile;
use crate::run::{LastWords, Word, lock, write_words};

/// Name of the folder beside the runs.
const FOLDER: &str = "deliveries";

/// The memory of one delivery.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    entries: BTreeMap<String, Value>,
    /// None: only looked at.
    file: Option<File>,
    /// Locked for as long as it is open; a file of its own, because the memory's may be replaced.
    _lock: Option<File>,
}

impl Memory {
    /// Opens the memory of the delivery `name` in the folder that keeps the runs, and holds it until it is dropped: two
    /// processes that deliver the same would each send what the other has sent. If most of it is out of date, it is
    /// written anew.
    ///
    /// # Errors
    /// [`DeliveryError::Memory`] if it cannot be read or written, [`DeliveryError::Busy`] if another process holds it. A
    /// last line that was cut off is dropped.
    pub fn open(out: &Path, name: &str) -> Result<Self, DeliveryError> {
        let folder = out.join(FOLDER);
        let path = folder.join(format!("{name}.jsonl"));
        let failed = |action| {
            let path = path.display().to_string();
            move |source| DeliveryError::Memory { action, path, source }
        };
        fs::create_dir_all(&folder).map_err(failed("write"))?;
        let locked = locked(&folder.join(format!(".{name}.lock"))).map_err(failed("write"))?;
        let Some(locked) = locked else {
            return Err(DeliveryError::Busy { name: name.to_owned(), path: path.display().to_string() });
        };
        let append = || OpenOptions::new().create(true).append(true).open(&path).map_err(failed("write"));
        let words = LastWords::read(&path).map_err(failed("read"))?;
        let mut file = append()?;
        // What follows must begin on a line of its own.
        file.set_len(words.bytes).map_err(failed("write"))?;
        if words.is_stale() {
            // A long memory is as good as a short one.
            if let Err(error) = write_anew(&path, &words.entries) {
                tracing::warn!("{} could not be written anew: {error}", path.display());
            }
            // Whichever of the two has the name now.
            file = append()?;
        }
        Ok(Self { path, entries: words.entries, file: Some(file), _lock: Some(locked) })
    }

    /// As [`Self::open`], for looking only: nothing is made or changed, and [`Self::put`] is refused.
    ///
    /// # Errors
    /// [`DeliveryError::Memory`] if it cannot be read.
    pub fn look(out: &Path, name: &str) -> Result<Self, DeliveryError> {
        let path = out.join(FOLDER).join(format!("{name}.jsonl"));
        let words = LastWords::read(&path).map_err(|source| DeliveryError::Memory {
            action: "read",
            path: path.display().to_string(),
            source,
        })?;
        Ok(Self { path, entries: words.entries, file: None, _lock: None })
    }

    /// What is remembered under a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(key)
    }

    /// All keys that begin so, in order.
    pub fn keys<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.entries
            .range(prefix.to_owned()..)
            .map(|(key, _)| key.as_str())
            .take_while(move |key| key.starts_with(prefix))
    }

    /// Remembers; [`Value::Null`] forgets.
    ///
    /// # Errors
    /// [`DeliveryError::Memory`] if the disk refuses.
    pub fn put(&mut self, key: &str, value: Value) -> Result<(), DeliveryError> {
        self.put_all([(key.to_owned(), value)])
    }

    /// Remembers many things, brought to the disk once.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn put_all(&mut self, entries: impl IntoIterator<Item = (String, Value)>) -> Result<(), DeliveryError> {
        let words: Vec<Word> = entries.into_iter().map(|(key, value)| Word { key, value }).collect();
        let write = |file: Option<&mut File>| {
            let file =
                file.ok_or_else(|| io::Error::new(io::ErrorKind::PermissionDenied, "opened for looking only"))?;
            let mut text = Vec::new();
            write_words(words.iter().map(|word| (word.key.as_str(), &word.value)), &mut text)?;
            file.write_all(&text)?;
            file.sync_data()
        };
        write(self.file.as_mut()).map_err(|source| DeliveryError::Memory {
            action: "write",
            path: self.path.display().to_string(),
            source,
        })?;
        for word in words {
            word.enter(&mut self.entries);
        }
        Ok(())
    }
}

/// Takes the lock; none if another process has it.
fn locked(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    match lock(&file) {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        // Some network file systems have no locks; there, keeping deliveries apart is up to whoever starts them.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(Some(file)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Replaces a memory by one that says each thing once; whenever this is interrupted, one of the two is there.
fn write_anew(path: &Path, entries: &BTreeMap<String, Value>) -> io::Result<()> {
    let mut file = PendingFile::create(path)?;
    write_words(entries.iter().map(|(key, value)| (key.as_str(), value)), &mut file)?;
    file.keep()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_word_on_a_key_counts_and_a_cut_line_is_dropped() {
        let out = tempfile::tempdir().unwrap();
        let mut memory = Memory::open(out.path(), "jira").unwrap();
        memory.put("issue/a", json!(1)).unwrap();
        memory.put("issue/a", json!(2)).unwrap();
        memory.put("issue/b", json!(3)).unwrap();
        memory.put("issue/b", Value::Null).unwrap();
        memory.put("run", json!("x")).unwrap();
        drop(memory);
        let path = out.path().join("deliveries/jira.jsonl");
        let mut cut = fs::read(&path).unwrap();
        cut.extend_from_slice(b"{\"key\": \"iss");
        fs::write(&path, cut).unwrap();
        let mut memory = Memory::open(out.path(), "jira").unwrap();
        assert_eq!(memory.get("issue/a"), Some(&json!(2)));
        assert_eq!(memory.keys("issue/").collect::<Vec<_>>(), ["issue/a"]);
        memory.put("issue/c", json!(4)).unwrap();
        drop(memory);
        assert_eq!(Memory::open(out.path(), "jira").unwrap().keys("issue/").count(), 2);
    }

    #[test]
    fn two_at_once_do_not_deliver_the_same() {
        let out = tempfile::tempdir().unwrap();
        let held = Memory::open(out.path(), "hub").unwrap();
        let refused = Memory::open(out.path(), "hub").unwrap_err().to_string();
        assert!(refused.contains("another pipewarden delivers `hub`"), "{refused}");
        assert!(Memory::look(out.path(), "hub").is_ok() && Memory::open(out.path(), "topic").is_ok());
        drop(held);
        assert!(Memory::open(out.path(), "hub").is_ok());
    }

    /// Puts words into a memory that is opened again after each chunk, and answers what it has.
    fn told(out: &Path, words: &[(u8, Option<u8>)], at_once: usize) -> BTreeMap<String, Value> {
        for chunk in words.chunks(at_once) {
            let mut memory = Memory::open(out, "hub").unwrap();
            let entries = chunk.iter().map(|(key, value)| (format!("k/{key}"), json!(value)));
            memory.put_all(entries).unwrap();
        }
        Memory::open(out, "hub").unwrap().entries
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn writing_a_memory_anew_never_changes_what_it_answers(
            words in proptest::collection::vec((0..8_u8, proptest::option::of(0..4_u8)), 900..3_000),
            at_once in 200..1_500_usize,
        ) {
            let out = tempfile::tempdir().unwrap();
            let mut expected = BTreeMap::new();
            for (key, value) in &words {
                Word { key: format!("k/{key}"), value: json!(value) }.enter(&mut expected);
            }
            prop_assert_eq!(told(out.path(), &words, at_once), expected);
            let lines = LastWords::read(&out.path().join("deliveries/hub.jsonl")).unwrap().lines;
            prop_assert!(lines <= 1_016 + at_once as u64, "{} lines", lines);
        }
    }

    #[test]
    fn a_memory_killed_while_it_was_written_anew_is_the_old_or_the_new_one() {
        let out = tempfile::tempdir().unwrap();
        let words: Vec<(u8, Option<u8>)> =
            (0..2_500_u32).map(|nth| (u8::try_from(nth % 5).unwrap(), Some(7))).collect();
        let mut memory = Memory::open(out.path(), "hub").unwrap();
        memory.put_all(words.iter().map(|(key, value)| (format!("k/{key}"), json!(value)))).unwrap();
        let expected = memory.entries.clone();
        drop(memory);
        let path = out.path().join("deliveries/hub.jsonl");
        let long = fs::read(&path).unwrap();
        // Before it got its name, half of it is beside the old one.
        let mut half = PendingFile::create(&path).unwrap();
        half.write_all(b"{\"key\":\"k/0\",\"value\":7}\n{\"key\":\"k/1").unwrap();
        half.flush().unwrap();
        std::mem::forget(half);
        assert_eq!(fs::read(&path).unwrap(), long);
        assert_eq!(Memory::look(out.path(), "hub").unwrap().entries, expected);
        // After that, it is the new one, and what is said from then on stands in it.
        let mut memory = Memory::open(out.path(), "hub").unwrap();
        assert_eq!(memory.entries, expected);
        assert_eq!(LastWords::read(&path).unwrap().lines, 5);
        memory.put("k/0", json!(8)).unwrap();
        assert!(matches!(Memory::open(out.path(), "hub"), Err(DeliveryError::Busy { .. })), "it is still held");
        drop(memory);
        assert_eq!(Memory::open(out.path(), "hub").unwrap().get("k/0"), Some(&json!(8)));
        let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(left.len() == 2 && left.iter().any(|name| name == ".hub.lock"), "{left:?}");
    }
}
