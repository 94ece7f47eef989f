//! From the working folder to the bucket: a run's plan first, its manifest last.
//!
//! In: files that a command made. Out: the same in the bucket; whoever finds a manifest there finds the whole run. A file
//! of a run that is there is never replaced by another, except a report that a killed attempt left without a manifest. Of
//! an account's part the first one counts, whoever brought it.

use std::collections::BTreeMap;
use std::io::Read as _;

use aws_sdk_s3::types::ChecksumMode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;

use super::fetch::{FETCHED, is_memory};
use super::objects::{hash_of, refused};
use super::upload::Condition;
use super::{AT_ONCE, Fetched, Store, StoreError};
use crate::inventory::json_lines::PendingFile;
use crate::run::directory::{FAILED, RUNS};
use crate::run::{LastWords, MANIFEST, PLAN, PRUNED, RunId, SIGNATURE, write_words};

/// What was brought there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// Files.
    pub files: u64,
    /// Names of files of which another process's stands there.
    pub theirs: Vec<String>,
}

impl Sent {
    fn add(&mut self, name: &str, outcome: Outcome) {
        match outcome {
            Outcome::New => self.files += 1,
            Outcome::Same => {}
            Outcome::Other => self.theirs.push(name.to_owned()),
        }
    }
}

/// What came of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    New,
    Same,
    /// Another is there.
    Other,
}

impl Store {
    /// Brings a run there, as far as it is. `root` is the folder that has `runs/`: empty, or one such as `rechecks/`.
    ///
    /// # Errors
    /// [`StoreError::Another`] if somebody else wrote the same run otherwise; any other [`StoreError`] if S3 or the disk
    /// refuses. Then there is no manifest, and the same again goes on.
    pub async fn send_run(&self, root: &str, run_id: &RunId) -> Result<Sent, StoreError> {
        let folder = format!("{root}{RUNS}/{run_id}/");
        let here = self.names_under(&folder)?;
        let mut sent = Sent::default();
        let named = |name: &str| format!("{folder}{name}");
        let (plan, manifest) = (named(PLAN), named(MANIFEST));
        if here.contains(&plan) {
            let outcome = self.send_first(&plan).await?;
            if outcome == Outcome::Other {
                return Err(
                    self.another(&plan, "another process began this run with another question; begin at another time")
                );
            }
            sent.add(&plan, outcome);
        }
        let there: BTreeMap<String, Option<String>> =
            self.objects.list(&folder).await?.into_iter().map(|object| (object.name, object.e_tag)).collect();
        let is_sealed = there.contains_key(&manifest);
        if is_sealed {
            if here.contains(&manifest) && self.compare(&manifest).await? == Outcome::Other {
                return Err(self.another(&manifest, "another process has concluded this run, and its report counts"));
            }
        } else {
            let last = [plan.as_str(), manifest.as_str(), &named(SIGNATURE), &named(FAILED)];
            let early = here.iter().filter(|name| !last.contains(&name.as_str()));
            let (of, known) = (folder.as_str(), &there);
            let mut under_way = futures_util::stream::iter(early)
                .map(|name| async move { (name, self.send_of_run(name, of, known).await) })
                .buffer_unordered(AT_ONCE);
            while let Some((name, outcome)) = under_way.next().await {
                sent.add(name, outcome?);
            }
            drop(under_way);
            if here.contains(&manifest) {
                // What a killed attempt left and this one did not write would be no part of the run.
                for name in there.keys().filter(|name| !here.contains(name)) {
                    self.objects.remove(name).await?;
                }
            }
            for name in [named(FAILED), manifest].iter().filter(|name| here.contains(name)) {
                let outcome = self.send_first(name).await?;
                if outcome == Outcome::Other {
                    return Err(self.another(name, "another process has concluded this run, and its report counts"));
                }
                sent.add(name, outcome);
            }
        }
        let signature = named(SIGNATURE);
        if here.contains(&signature) {
            // Signatures of the same manifest may differ, and each holds.
            sent.add(&signature, self.send_first(&signature).await?);
        }
        Ok(sent)
    }

    /// A file of a run that has no manifest yet.
    async fn send_of_run(
        &self,
        name: &str,
        folder: &str,
        there: &BTreeMap<String, Option<String>>,
    ) -> Result<Outcome, StoreError> {
        if self.is_unchanged(name)? {
            return Ok(Outcome::Same);
        }
        let Some(e_tag) = there.get(name) else {
            let outcome = self.send_first(name).await?;
            if outcome != Outcome::Other {
                return Ok(outcome);
            }
            return Err(self.another(
                name,
                "another process is at work on this run; wait until it has ended, then repeat the command",
            ));
        };
        if self.compare(name).await? == Outcome::Same {
            return Ok(Outcome::Same);
        }
        let is_inventory = name.strip_prefix(folder).is_some_and(|name| name.starts_with("inventory/"));
        match e_tag {
            Some(e_tag) if !is_inventory => {
                let condition = Condition::InPlaceOf(e_tag.clone());
                if self.objects.put(name, &self.path(name), &condition).await? {
                    return Ok(Outcome::New);
                }
                Err(self.another(
                    name,
                    "another process is at work on this run; wait until it has ended, then repeat the command",
                ))
            }
            _ => Err(self.another(name, "another process collected it too, and its part counts; repeat the command")),
        }
    }

    /// Brings parts of a run there that several workers may have made; where another's stands, it comes into the working
    /// folder in the place of this one.
    ///
    /// # Errors
    /// [`StoreError`] if S3 or the disk refuses.
    pub async fn send_parts(&self, names: &[String]) -> Result<Sent, StoreError> {
        let mut sent = Sent::default();
        let mut under_way = futures_util::stream::iter(names)
            .map(|name| async move { (name, self.send_first_or_fetch(name).await) })
            .buffer_unordered(AT_ONCE);
        while let Some((name, outcome)) = under_way.next().await {
            sent.add(name, outcome?);
        }
        Ok(sent)
    }

    async fn send_first_or_fetch(&self, name: &str) -> Result<Outcome, StoreError> {
        if self.is_unchanged(name)? {
            return Ok(Outcome::Same);
        }
        let outcome = self.send_first(name).await?;
        if outcome == Outcome::Other {
            self.forget(name);
            self.fetch([name.to_owned()]).await?;
        }
        Ok(outcome)
    }

    /// Brings there whatever else stands in the working folder: what deliveries remember, histories, what stages hand on.
    ///
    /// # Errors
    /// [`StoreError`] if S3 or the disk refuses.
    pub async fn send_beside(&self) -> Result<Sent, StoreError> {
        let names = self.names_under("")?;
        let beside = names.iter().filter(|name| !name.split('/').any(|folder| [RUNS, PRUNED].contains(&folder)));
        let mut sent = Sent::default();
        for name in beside {
            sent.add(name, self.send_one_beside(name).await?);
        }
        Ok(sent)
    }

    async fn send_one_beside(&self, name: &str) -> Result<Outcome, StoreError> {
        if self.is_unchanged(name)? {
            return Ok(Outcome::Same);
        }
        if is_memory(name) {
            return self.send_memory(name).await;
        }
        if name.starts_with("history/") || !name.contains('/') {
            let outcome = self.send_first(name).await?;
            if outcome == Outcome::Other && name.starts_with("history/") {
                return Err(self.another(name, "another process read the same history; repeat the command"));
            }
            return Ok(outcome);
        }
        self.objects.put(name, &self.path(name), &Condition::Always).await?;
        Ok(Outcome::New)
    }

    /// What a delivery remembers: if another process brought words of its own meanwhile, this one's come after them.
    async fn send_memory(&self, name: &str) -> Result<Outcome, StoreError> {
        let path = self.path(name);
        for _ in 0..4 {
            let known = self.fetched().get(name).cloned();
            let condition = match &known {
                Some(fetched) => fetched.e_tag.clone().map_or(Condition::Always, Condition::InPlaceOf),
                None => Condition::First,
            };
            if self.objects.put(name, &path, &condition).await? {
                self.keep_as_fetched(name)?;
                if let Some(fetched) = known {
                    let (bytes, sha256) = hash_of(&path).map_err(StoreError::io(&path))?;
                    // The tag stays the old one: what is said from now on is joined to what stands there then.
                    self.fetched().insert(name.to_owned(), Fetched { bytes, sha256, ..fetched });
                }
                return Ok(Outcome::New);
            }
            if !self.join_memory(name).await? {
                return Ok(Outcome::Same);
            }
        }
        Err(self.another(name, "other processes deliver again and again; keep them apart, and deliver once more"))
    }

    /// Puts this process's words after those that are in the bucket now; whether there are any.
    async fn join_memory(&self, name: &str) -> Result<bool, StoreError> {
        let (path, theirs) = (self.path(name), self.beside(name, "theirs"));
        let arrived = self.objects.get(name, &theirs).await?;
        let join = || {
            if arrived.is_none() {
                std::fs::write(&theirs, b"")?;
            }
            let before = match LastWords::read(&self.beside(name, FETCHED))? {
                words if words.lines > 0 => words,
                // Nobody knows what this copy began with, other than what both begin with.
                _ => LastWords::of(both_begin_with(&std::fs::read(&theirs)?, &std::fs::read(&path)?))?,
            };
            let said = LastWords::read(&path)?.since(&before);
            let mut whole = std::fs::File::open(&theirs)?.take(LastWords::read(&theirs)?.bytes);
            let mut joined = PendingFile::create(&path)?;
            std::io::copy(&mut whole, &mut joined)?;
            write_words(said.iter().map(|word| (word.key.as_str(), &word.value)), &mut joined)?;
            joined.keep()?;
            std::fs::rename(&theirs, self.beside(name, FETCHED))?;
            Ok(!said.is_empty())
        };
        let is_said = join().map_err(StoreError::io(&path))?;
        let fetched =
            arrived.map(|arrived| Fetched { bytes: arrived.bytes, sha256: arrived.sha256, e_tag: arrived.e_tag });
        match fetched {
            Some(fetched) => self.fetched().insert(name.to_owned(), fetched),
            None => self.fetched().remove(name),
        };
        Ok(is_said)
    }

    /// Whether this process is the first that takes this name.
    ///
    /// # Errors
    /// [`StoreError`] if S3 or the disk refuses.
    pub async fn claim(&self, name: &str) -> Result<bool, StoreError> {
        // Hidden, so that it is never taken for something that was made.
        let path = self.path(".claim");
        std::fs::write(&path, b"taken").map_err(StoreError::io(&path))?;
        self.objects.put(name, &path, &Condition::First).await
    }

    fn another(&self, name: &str, hint: &'static str) -> StoreError {
        StoreError::Another { place: self.objects.place(name), hint }
    }

    /// Sends a file that must be the first of its name.
    async fn send_first(&self, name: &str) -> Result<Outcome, StoreError> {
        if self.is_unchanged(name)? {
            return Ok(Outcome::Same);
        }
        if self.objects.put(name, &self.path(name), &Condition::First).await? {
            return Ok(Outcome::New);
        }
        self.compare(name).await
    }

    fn is_unchanged(&self, name: &str) -> Result<bool, StoreError> {
        let Some(known) = self.fetched().get(name).cloned() else { return Ok(false) };
        let path = self.path(name);
        let (bytes, sha256) = hash_of(&path).map_err(StoreError::io(&path))?;
        Ok(known.bytes == bytes && known.sha256 == sha256)
    }

    /// Whether the object that is there is the file that is here.
    async fn compare(&self, name: &str) -> Result<Outcome, StoreError> {
        let path = self.path(name);
        let (bytes, sha256) = hash_of(&path).map_err(StoreError::io(&path))?;
        let objects = &self.objects;
        let asked = objects
            .client
            .head_object()
            .bucket(objects.address.bucket())
            .key(objects.address.key(name))
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .map_err(|error| refused(&objects.place(name), "s3:GetObject", &error))?;
        if asked.content_length().and_then(|length| u64::try_from(length).ok()).is_some_and(|length| length != bytes) {
            return Ok(Outcome::Other);
        }
        // Of an object in parts S3 has the hash of hashes; then, or without one, only its bytes tell.
        let same = if let Some(sum) = asked.checksum_sha256().filter(|sum| !sum.contains('-')) {
            sum == of_hex(&sha256)
        } else {
            let copy = self.beside(name, "theirs");
            let theirs = objects.get(name, &copy).await;
            let _ = std::fs::remove_file(&copy);
            theirs?.is_some_and(|theirs| theirs.sha256 == sha256)
        };
        Ok(if same { Outcome::Same } else { Outcome::Other })
    }

    /// Names of the files under a folder of the working folder, without what no process is to see.
    fn names_under(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let path = self.path(&folder);
            if !path.is_dir() {
                continue;
            }
            for entry in std::fs::read_dir(&path).map_err(StoreError::io(&path))? {
                let entry = entry.map_err(StoreError::io(&path))?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                // Locks, and files that are not complete.
                if name.starts_with('.') {
                    continue;
                }
                if entry.file_type().map_err(StoreError::io(&path))?.is_dir() {
                    folders.push(format!("{folder}{name}/"));
                } else {
                    names.push(format!("{folder}{name}"));
                }
            }
        }
        names.sort();
        Ok(names)
    }
}

/// The lines that two copies of a file begin with.
fn both_begin_with<'a>(one: &[u8], other: &'a [u8]) -> &'a [u8] {
    let same = other.iter().zip(one).take_while(|(one, other)| one == other).count();
    let lines = other.get(..same).and_then(|head| head.iter().rposition(|byte| *byte == b'\n')).map_or(0, |at| at + 1);
    other.get(..lines).unwrap_or_default()
}

/// As S3 writes it.
fn of_hex(sha256: &str) -> String {
    let digit = |place: usize| sha256.get(place..place + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    STANDARD.encode((0..sha256.len()).step_by(2).filter_map(digit).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_begin_with_the_same_whole_lines() {
        for (one, other, begin) in [
            ("a\nb\n", "a\nc\n", "a\n"),
            ("a\nb\n", "a\nb\n", "a\nb\n"),
            ("a\nb\nc\n", "a\nb\n", "a\nb\n"),
            ("", "a\n", ""),
            ("ab\n", "ac\n", ""),
        ] {
            assert_eq!(both_begin_with(one.as_bytes(), other.as_bytes()), begin.as_bytes(), "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_hash_is_written_as_s3_writes_it() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(of_hex(empty), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
