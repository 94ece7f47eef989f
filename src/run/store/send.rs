//! From the working folder to the bucket: a run's plan first, its manifest last.
//!
//! In: files that a command made. Out: the same in the bucket; whoever finds a manifest there finds the whole run. A file
//! of a run that is there is never replaced by another, except a report that a killed attempt left without a manifest. Of
//! an account's part the first one counts, whoever brought it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use aws_sdk_s3::types::ChecksumMode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;

use super::objects::{hash_of, refused};
use super::upload::Condition;
use super::{AT_ONCE, Store, StoreError};
use crate::run::directory::{FAILED, RUNS};
use crate::run::{MANIFEST, PLAN, PRUNED, RunId, SIGNATURE};

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
        if Path::new(name).extension().is_some_and(|extension| extension == "jsonl") {
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

    /// A file that only ever grows: if another process made it longer meanwhile, this one's lines come after its.
    async fn send_memory(&self, name: &str) -> Result<Outcome, StoreError> {
        for _ in 0..4 {
            let known = self.fetched().get(name).cloned();
            let condition = match &known {
                Some(fetched) => fetched.e_tag.clone().map_or(Condition::Always, Condition::InPlaceOf),
                None => Condition::First,
            };
            let path = self.path(name);
            if self.objects.put(name, &path, &condition).await? {
                return Ok(Outcome::New);
            }
            let ours = std::fs::read(&path).map_err(StoreError::io(&path))?;
            self.forget(name);
            self.fetch([name.to_owned()]).await?;
            let theirs = if path.is_file() { std::fs::read(&path).map_err(StoreError::io(&path))? } else { Vec::new() };
            let added = added_to(&theirs, &ours);
            if added.is_empty() {
                return Ok(Outcome::Same);
            }
            let append = || std::fs::OpenOptions::new().append(true).create(true).open(&path)?.write_all(added);
            append().map_err(StoreError::io(&path))?;
        }
        Err(self.another(name, "other processes deliver again and again; keep them apart, and deliver once more"))
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
            let copy = path.with_file_name(format!(".{}.theirs", file_name(&path)));
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

/// The lines of a file that only grows which another copy of it lacks: what comes after the lines that both begin with.
fn added_to<'a>(theirs: &[u8], ours: &'a [u8]) -> &'a [u8] {
    let same = ours.iter().zip(theirs).take_while(|(one, other)| one == other).count();
    let lines = ours.get(..same).and_then(|head| head.iter().rposition(|byte| *byte == b'\n')).map_or(0, |at| at + 1);
    ours.get(lines..).unwrap_or_default()
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
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
    fn only_lines_that_are_not_there_are_added() {
        for (theirs, ours, added) in [
            ("a\nb\n", "a\nc\n", "c\n"),
            ("a\nb\n", "a\nb\n", ""),
            ("a\nb\nc\n", "a\nb\n", ""),
            ("", "a\n", "a\n"),
            ("ab\n", "ac\n", "ac\n"),
        ] {
            assert_eq!(added_to(theirs.as_bytes(), ours.as_bytes()), added.as_bytes(), "{theirs:?} {ours:?}");
        }
    }

    #[test]
    fn a_hash_is_written_as_s3_writes_it() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(of_hex(empty), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
