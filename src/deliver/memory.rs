//! What a delivery remembers between runs: the number of an owner's issue, the batches that were taken.
//!
//! In: keys and values of one delivery. Out: an append-only file of JSON Lines in `<out>/deliveries/<name>.jsonl`, of
//! which the last line of a key counts, so that a killed delivery loses at most what it did not yet hear of.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::DeliveryError;
use crate::run::lock;

/// Name of the folder beside the runs.
const FOLDER: &str = "deliveries";

#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    /// Null: forgotten.
    value: Value,
}

/// The memory of one delivery.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    entries: BTreeMap<String, Value>,
    /// None: only looked at.
    file: Option<File>,
}

impl Memory {
    /// Opens the memory of the delivery `name` in the folder that keeps the runs, and holds it until it is dropped: two
    /// processes that deliver the same would each send what the other has sent.
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
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed("write"))?;
        match lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DeliveryError::Busy { name: name.to_owned(), path: path.display().to_string() });
            }
            // Some network file systems have no locks; there, keeping deliveries apart is up to whoever starts them.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(failed("write")(error)),
        }
        let (entries, whole) = read(&path).map_err(failed("read"))?;
        // What follows must begin on a line of its own.
        file.set_len(whole).map_err(failed("write"))?;
        Ok(Self { path, entries, file: Some(file) })
    }

    /// As [`Self::open`], for looking only: nothing is made or changed, and [`Self::put`] is refused.
    ///
    /// # Errors
    /// [`DeliveryError::Memory`] if it cannot be read.
    pub fn look(out: &Path, name: &str) -> Result<Self, DeliveryError> {
        let path = out.join(FOLDER).join(format!("{name}.jsonl"));
        let (entries, _) = read(&path).map_err(|source| DeliveryError::Memory {
            action: "read",
            path: path.display().to_string(),
            source,
        })?;
        Ok(Self { path, entries, file: None })
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
        let lines: Vec<Line> = entries.into_iter().map(|(key, value)| Line { key, value }).collect();
        let write = |file: Option<&mut File>| {
            let file =
                file.ok_or_else(|| io::Error::new(io::ErrorKind::PermissionDenied, "opened for looking only"))?;
            let mut text = Vec::new();
            for line in &lines {
                serde_json::to_writer(&mut text, line)?;
                text.push(b'\n');
            }
            file.write_all(&text)?;
            file.sync_data()
        };
        write(self.file.as_mut()).map_err(|source| DeliveryError::Memory {
            action: "write",
            path: self.path.display().to_string(),
            source,
        })?;
        for Line { key, value } in lines {
            if value.is_null() {
                self.entries.remove(&key);
            } else {
                self.entries.insert(key, value);
            }
        }
        Ok(())
    }
}

/// The entries, and the length of all whole lines.
fn read(path: &Path) -> io::Result<(BTreeMap<String, Value>, u64)> {
    let mut entries = BTreeMap::new();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((entries, 0)),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::new(file);
    let mut text = Vec::new();
    let mut whole = 0;
    loop {
        text.clear();
        let length = reader.read_until(b'\n', &mut text)?;
        if text.last() != Some(&b'\n') {
            return Ok((entries, whole));
        }
        let Line { key, value } = serde_json::from_slice(&text)?;
        if value.is_null() {
            entries.remove(&key);
        } else {
            entries.insert(key, value);
        }
        whole += length as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
}
