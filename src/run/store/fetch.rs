//! From the bucket to the working folder: no more than a command needs.
//!
//! In: names, or what a run is compared and chained with. Out: files in the working folder. Of former runs come only those
//! of the newest that a comparison, a trend and the chain look at, and of them only the files that they read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use time::OffsetDateTime;

use super::{AT_ONCE, Fetched, Store, StoreError};
use crate::report::TREND_RUNS;
use crate::run::directory::{FAILED, RUNS};
use crate::run::gone::GONE;
use crate::run::{MANIFEST, PLAN, PRUNED, RunDirectory, RunId, SIGNATURE, SPOOL, STORED_REPORT};

/// Former runs that are looked at: those of a trend, and some are of other kinds.
const FORMER: usize = TREND_RUNS + TREND_RUNS / 3;

/// Folder of the inventories of a run.
const INVENTORIES: &str = "inventory/";

/// Folders of the layout, which may stand beside a configuration.
const NO_SETTINGS: &[&str] = &[RUNS, PRUNED, "rechecks", "stages", "deliveries", "history", "fan-out"];
/// Files that a configuration may name.
const MOST_SETTINGS: usize = 5_000;

/// What a memory was when it was fetched, beside it: words that come in meanwhile are told from this process's own.
pub(super) const FETCHED: &str = "fetched";

/// Whether a file is what a delivery remembers; reports of runs may be JSON Lines, too.
pub(super) fn is_memory(name: &str) -> bool {
    let file = name.strip_prefix("deliveries/").map(Path::new);
    file.and_then(Path::extension).is_some_and(|extension| extension == "jsonl")
}

/// The name of a file of a run.
fn of_run(run_id: &RunId, name: &str) -> String {
    format!("{RUNS}/{run_id}/{name}")
}

impl Store {
    /// Where a name stands in the working folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A hidden file beside it, which is never sent.
    pub(super) fn beside(&self, name: &str, what: &str) -> PathBuf {
        let path = self.path(name);
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        path.with_file_name(format!(".{file}.{what}"))
    }

    /// Keeps what a memory is now apart from what this process will say.
    pub(super) fn keep_as_fetched(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name);
        std::fs::copy(&path, self.beside(name, FETCHED)).map(drop).map_err(StoreError::io(&path))
    }

    /// Fetches files; those that are not there are passed over. Answers how many came.
    ///
    /// # Errors
    /// [`StoreError`] for the first that could not be fetched.
    pub async fn fetch(&self, names: impl IntoIterator<Item = String> + Send) -> Result<usize, StoreError> {
        let names: Vec<String> = names.into_iter().collect();
        let mut under_way =
            futures_util::stream::iter(names).map(|name| self.fetch_one(name)).buffer_unordered(AT_ONCE);
        let mut came = 0;
        while let Some(one) = under_way.next().await {
            came += usize::from(one?);
        }
        Ok(came)
    }

    async fn fetch_one(&self, name: String) -> Result<bool, StoreError> {
        let path = self.path(&name);
        if self.fetched().contains_key(&name) && path.is_file() {
            return Ok(true);
        }
        let Some(arrived) = self.objects.get(&name, &path).await? else { return Ok(false) };
        if is_memory(&name) {
            self.keep_as_fetched(&name)?;
        }
        let fetched = Fetched { bytes: arrived.bytes, sha256: arrived.sha256, e_tag: arrived.e_tag };
        self.fetched().insert(name, fetched);
        Ok(true)
    }

    /// Fetches the files of a folder that are wanted, by their names in it.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub async fn fetch_folder(
        &self,
        folder: &str,
        wanted: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<usize, StoreError> {
        let listed = self.objects.list(folder).await?;
        let names = listed.into_iter().map(|object| object.name);
        let names: Vec<String> = names.filter(|name| name.strip_prefix(folder).is_some_and(wanted)).collect();
        self.fetch(names).await
    }

    /// Fetches what deliveries remember. The records of former runs stay where they are: there is one for every run and
    /// every recheck that ever was.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub async fn fetch_memories(&self) -> Result<usize, StoreError> {
        self.fetch_folder("deliveries/", &|name| is_memory(&format!("deliveries/{name}"))).await
    }

    /// Fetches a run as a whole.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub async fn fetch_run(&self, run_id: &RunId) -> Result<usize, StoreError> {
        // What was delivered of it before stands outside of its folder.
        self.fetch([format!("deliveries/{run_id}.json")]).await?;
        self.fetch_folder(&of_run(run_id, ""), &|_| true).await
    }

    /// Fetches these files of a run.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub async fn fetch_of_run(&self, run_id: &RunId, names: &[&str]) -> Result<usize, StoreError> {
        self.fetch(names.iter().map(|name| of_run(run_id, name)).collect::<Vec<_>>()).await
    }

    /// The ids of all runs, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Call`] if they cannot be listed.
    pub async fn runs(&self) -> Result<Vec<RunId>, StoreError> {
        let folders = self.objects.folders(&format!("{RUNS}/")).await?;
        let mut ids: Vec<RunId> = folders.iter().filter_map(|name| name.parse().ok()).collect();
        ids.sort();
        Ok(ids)
    }

    /// Fetches what says how runs stand: of all of them.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub async fn fetch_standing(&self, more: &[&str]) -> Result<Vec<RunId>, StoreError> {
        let ids = self.runs().await?;
        let standing = [PLAN, MANIFEST, FAILED, SIGNATURE];
        let names = standing.iter().chain(more);
        let names: Vec<String> = names.flat_map(|name| ids.iter().map(move |id| of_run(id, name))).collect();
        self.fetch(names).await?;
        self.fetch_folder(&format!("{PRUNED}/"), &|_| true).await?;
        Ok(ids)
    }

    /// Fetches what says how the newest runs stand that may be looked at, and answers them, newest first.
    async fn fetch_newest(&self, before: Option<&RunId>) -> Result<Vec<RunId>, StoreError> {
        let mut ids = self.runs().await?;
        ids.retain(|id| before.is_none_or(|before| id < before));
        let newest: Vec<RunId> = ids.into_iter().rev().take(FORMER).collect();
        let names = [PLAN, MANIFEST, FAILED];
        let names: Vec<String> = names.iter().flat_map(|name| newest.iter().map(move |id| of_run(id, name))).collect();
        self.fetch(names).await?;
        Ok(newest)
    }

    /// Fetches what a run is compared and chained with, and what a trend is made of: of the newest runs before `before`, or
    /// of the newest. Of an unfinished run comes what says that it is one.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub async fn fetch_former(&self, before: Option<&RunId>) -> Result<(), StoreError> {
        let mut known: BTreeSet<String> = BTreeSet::new();
        for run_id in &self.fetch_newest(before).await? {
            // One that cannot be read is passed over here as in a folder; `verify` says what is wrong with it.
            let Ok(run) = RunDirectory::open(&self.path(&of_run(run_id, ""))) else { continue };
            let Ok(manifest) = run.manifest() else { continue };
            if known.contains(&manifest.run.organization) {
                continue;
            }
            self.fetch_compared(run_id).await?;
            // One that judged inventories again may be passed over, and then the one before it counts.
            if run.observed_at() == run.plan().started_at {
                known.insert(manifest.run.organization);
            }
        }
        Ok(())
    }

    /// Fetches the newest run as a whole if it is unfinished and young enough for one that begins `now` to go on with it.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub async fn fetch_unfinished(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        let newest = self.runs().await?.pop();
        let Some(run_id) = newest.filter(|id| !id.is_older_than(RunDirectory::GOES_ON_FOR, now)) else { return Ok(()) };
        self.fetch_of_run(&run_id, &[PLAN, MANIFEST, FAILED]).await?;
        let has = |name| self.path(&of_run(&run_id, name)).is_file();
        if has(PLAN) && !has(MANIFEST) && !has(FAILED) {
            self.fetch_run(&run_id).await?;
        }
        Ok(())
    }

    /// Fetches what a comparison reads of a run, and of those that looked last at what it could not see.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub async fn fetch_compared(&self, run_id: &RunId) -> Result<(), StoreError> {
        self.fetch_of_run(run_id, &[PLAN, MANIFEST, FAILED, STORED_REPORT, SPOOL, GONE]).await?;
        let Ok(run) = RunDirectory::open(&self.path(&of_run(run_id, ""))) else { return Ok(()) };
        let looks = match run.looks() {
            Ok(looks) => looks,
            // A comparison passes over a run that cannot be read.
            Err(error) => {
                tracing::warn!(run = %run_id, "not compared: {error}");
                return Ok(());
            }
        };
        let names = [PLAN, MANIFEST, STORED_REPORT];
        let names: Vec<String> = looks.iter().flat_map(|id| names.map(|name| of_run(id, name))).collect();
        self.fetch(names).await.map(drop)
    }

    /// Fetches what a recheck is laid over, compared with and chained with: the inventories of the newest full run that is
    /// `alike` and what a comparison reads of it, and how the rechecks before it stand. The reports of a full run are many
    /// times that, and nobody goes on with a recheck or with a full run under way.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub async fn fetch_for_recheck(
        &self,
        rechecks: &str,
        alike: &(dyn Fn(&RunDirectory) -> bool + Sync),
    ) -> Result<(), StoreError> {
        for run_id in &self.fetch_newest(None).await? {
            let Ok(run) = RunDirectory::open(&self.path(&of_run(run_id, ""))) else { continue };
            if run.is_finished() && alike(&run) {
                self.fetch_compared(run_id).await?;
                self.fetch_folder(&of_run(run_id, INVENTORIES), &|_| true).await?;
                break;
            }
        }
        let folder = format!("{rechecks}{RUNS}/");
        let mut ids = self.objects.folders(&folder).await?;
        ids.sort();
        let newest = ids.iter().rev().filter(|id| id.parse::<RunId>().is_ok()).take(FORMER);
        let names: Vec<String> =
            newest.flat_map(|id| [PLAN, MANIFEST, FAILED].map(|name| format!("{folder}{id}/{name}"))).collect();
        self.fetch(names).await.map(drop)
    }

    /// Fetches a folder with a configuration and what it names; what is kept beside it of runs is no part of it.
    ///
    /// # Errors
    /// As [`Self::fetch`]; [`StoreError::TooMuch`] if it is not a folder of settings.
    pub async fn fetch_settings(&self) -> Result<usize, StoreError> {
        let (objects, folders) = self.objects.page_through("", true).await?;
        let mut names: Vec<String> = objects.into_iter().map(|object| object.name).collect();
        for folder in folders.iter().filter(|folder| !NO_SETTINGS.contains(&folder.as_str())) {
            names.extend(self.objects.list(&format!("{folder}/")).await?.into_iter().map(|object| object.name));
        }
        if names.len() > MOST_SETTINGS {
            return Err(StoreError::TooMuch { place: self.objects.address().to_string(), count: names.len() });
        }
        self.fetch(names).await
    }

    /// Takes a file out of the working folder, which then has room for others.
    pub fn forget(&self, name: &str) {
        self.fetched().remove(name);
        // What cannot be removed now goes with the folder.
        let _ = std::fs::remove_file(self.path(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_in_json_lines_is_no_memory() {
        assert!(is_memory("deliveries/security-hub.jsonl"));
        for name in ["runs/20261121T020000Z/findings.ocsf.jsonl", "deliveries/20261121T020000Z.json", "stages/x.jsonl"]
        {
            assert!(!is_memory(name), "{name}");
        }
    }
}
