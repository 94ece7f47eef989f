//! One run's folder, from its plan to its manifest.
//!
//! In: inventories and a report. Out: files that appear whole, each at its place. A run without a manifest is
//! unfinished; only the newest run is ever continued, and only for some hours, because an older one would be yesterday's
//! truth. A run that ended without a verdict says so in a file of its own: it is no link of the chain, and nobody goes on
//! with it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use time::{Duration, OffsetDateTime};

use super::broadcast::write_formats;
use super::gone::GONE;
use super::manifest::{entries_of, files_in, hash_file};
use super::stored_report::{self, STORED_REPORT, StoredReport};
use super::{FindingSpool, FindingSpoolWriter, MANIFEST, Manifest, PLAN, Plan, PreviousRun, RunError, RunId, SPOOL};
use crate::inventory::file as inventory_file;
use crate::inventory::json_lines::{PendingFile, sync_folder_of};
use crate::inventory::{AccountId, Inventory};
use crate::report::{FORMATS, Report, ReportFormat};

/// The part with an account's own resources; an account is complete when it has one.
pub const INVENTORY: &str = "inventory";
/// The part with what other accounts' resources name and this account holds.
pub const REFERENCED: &str = "referenced";
/// The part of the organization itself, which belongs to no account.
pub const ORGANIZATION: &str = "organization";

/// Name of the file that says why a run has no verdict.
pub const FAILED: &str = "failed.txt";

pub(super) const RUNS: &str = "runs";
const LOCK: &str = ".lock";
const ACCOUNT: &str = "account=";

/// One run's folder.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    plan: Plan,
    /// Held from the first change on; the system lets go of it when the process ends, however it ends.
    lock: Mutex<Option<File>>,
}

impl RunDirectory {
    /// Makes the folder of a new run under `out`, with its plan in it.
    ///
    /// # Errors
    /// [`RunError`] if `out` cannot be written, another process works there, or the run is there already. Nothing
    /// half-written stays behind.
    pub fn create(out: &Path, plan: Plan) -> Result<Self, RunError> {
        let runs = out.join(RUNS);
        fs::create_dir_all(&runs).map_err(RunError::not_writable(&runs))?;
        let lock = lock(&runs)?;
        let path = runs.join(plan.run_id.as_str());
        if path.exists() {
            return Err(RunError::Exists { run_id: plan.run_id, path });
        }
        // Made under another name first: a run's folder always has a plan.
        let draft = runs.join(format!(".{}.partial", plan.run_id));
        let made =
            write_draft(&draft, &plan).and_then(|()| fs::rename(&draft, &path)).and_then(|()| sync_folder_of(&path));
        if let Err(source) = made {
            // The first error is the one to tell.
            let _ = fs::remove_dir_all(&draft);
            return Err(RunError::NotWritable { path, source });
        }
        Ok(Self { path, plan, lock: Mutex::new(Some(lock)) })
    }

    /// How old an unfinished run may be to be gone on with. One of the night before holds what was so then, and its time of
    /// beginning is the one that reports show.
    pub const GOES_ON_FOR: Duration = Duration::hours(12);

    /// The newest run under `out`, if it was left unfinished, was asked the same [`Plan::question`] and did not begin more
    /// than [`Self::GOES_ON_FOR`] before `now`.
    ///
    /// # Errors
    /// [`RunError`] if the folder cannot be read or another process works there.
    pub fn unfinished(out: &Path, question: &str, now: OffsetDateTime) -> Result<Option<Self>, RunError> {
        let runs = out.join(RUNS);
        let Some(newest) = run_ids(&runs)?.pop() else { return Ok(None) };
        let path = runs.join(newest.as_str());
        if path.join(MANIFEST).exists() || path.join(FAILED).exists() {
            return Ok(None);
        }
        // A plan that this pipewarden cannot read is another question.
        let Ok(plan) = Plan::read(&path.join(PLAN)) else { return Ok(None) };
        if plan.question != question || plan.run_id != newest {
            return Ok(None);
        }
        if newest.is_older_than(Self::GOES_ON_FOR, now) {
            tracing::info!(run = %newest, "an unfinished run began too long ago to go on with it");
            return Ok(None);
        }
        let lock = lock(&runs)?;
        let run = Self { path, plan, lock: Mutex::new(Some(lock)) };
        run.remove_leftovers()?;
        Ok(Some(run))
    }

    /// Opens a run that is there, finished or not.
    ///
    /// # Errors
    /// [`RunError`] if the folder is no run, or one of another version.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let plan_path = path.join(PLAN);
        if !plan_path.is_file() {
            return Err(RunError::NotARun { path: path.to_owned(), missing: PLAN });
        }
        let plan = Plan::read(&plan_path)?;
        Ok(Self { path: path.to_owned(), plan, lock: Mutex::new(None) })
    }

    /// The newest run under `out`, finished or not.
    ///
    /// # Errors
    /// [`RunError`] if the folder cannot be read.
    pub fn newest(out: &Path) -> Result<Option<Self>, RunError> {
        let runs = out.join(RUNS);
        run_ids(&runs)?.pop().map(|id| Self::open(&runs.join(id.as_str()))).transpose()
    }

    /// All runs under `out`, oldest first, finished or not.
    ///
    /// # Errors
    /// [`RunError`] if the folder or one of the runs cannot be read.
    pub fn all(out: &Path) -> Result<Vec<Self>, RunError> {
        let runs = out.join(RUNS);
        run_ids(&runs)?.iter().map(|id| Self::open(&runs.join(id.as_str()))).collect()
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was asked.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether the manifest is written; nothing changes after that.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.path.join(MANIFEST).exists()
    }

    /// Why the run ended without a verdict, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        fs::read_to_string(self.path.join(FAILED)).ok().map(|text| text.trim().to_owned())
    }

    /// The manifest of a finished run.
    ///
    /// # Errors
    /// [`RunError`] if the run is unfinished, or the manifest damaged or of another version.
    pub fn manifest(&self) -> Result<Manifest, RunError> {
        if !self.is_finished() {
            return Err(RunError::NotARun { path: self.path.clone(), missing: MANIFEST });
        }
        Manifest::read(&self.path.join(MANIFEST))
    }

    /// Whether this part of the account's inventory is complete.
    #[must_use]
    pub fn has_account(&self, account: &AccountId, part: &str) -> bool {
        self.has_part(Some(account), part)
    }

    /// As [`Self::has_account`]; without an account, for the organization's own part.
    #[must_use]
    pub fn has_part(&self, account: Option<&AccountId>, part: &str) -> bool {
        self.inventory_path(account, part).is_ok_and(|path| path.is_file())
    }

    /// Writes one part of an inventory; it appears when it is complete. Several processes may each write their accounts.
    ///
    /// # Errors
    /// [`RunError`] if the run is finished, `part` is no name, or the disk refuses.
    pub fn write_inventory(
        &self,
        account: Option<&AccountId>,
        part: &str,
        inventory: &Inventory,
    ) -> Result<(), RunError> {
        let path = self.inventory_path(account, part)?;
        self.still_open()?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(RunError::not_writable(folder))?;
        }
        Ok(inventory_file::write(&path, account, inventory)?)
    }

    /// Reads one part of an inventory.
    ///
    /// # Errors
    /// [`RunError`] if it is not there or damaged.
    pub fn read_inventory(&self, account: Option<&AccountId>, part: &str) -> Result<Inventory, RunError> {
        Ok(inventory_file::read(&self.inventory_path(account, part)?)?)
    }

    /// Where one part of an inventory stands, for reading it record by record.
    ///
    /// # Errors
    /// [`RunError::Part`] if `part` is no name.
    pub fn inventory_path(&self, account: Option<&AccountId>, part: &str) -> Result<PathBuf, RunError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if part.is_empty() || !part.bytes().all(plain) {
            return Err(RunError::Part(part.to_owned()));
        }
        let folder = self.path.join("inventory");
        let folder = account.map_or_else(|| folder.clone(), |account| folder.join(format!("{ACCOUNT}{account}")));
        Ok(folder.join(format!("{part}.jsonl.gz")))
    }

    /// Writes another document of the run, such as `dora/metrics.csv`; it appears when it is complete.
    ///
    /// # Errors
    /// [`RunError`] if the run is finished, `relative` leads out of it, or the disk refuses.
    pub fn write_document(
        &self,
        relative: &str,
        write: &dyn Fn(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), RunError> {
        let named = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', ':']);
        if !relative.split('/').all(named) {
            return Err(RunError::Part(relative.to_owned()));
        }
        self.still_open()?;
        let path = self.path.join(relative);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(RunError::not_writable(folder))?;
        }
        let keep = || {
            let mut file = PendingFile::create(&path)?;
            write(&mut file)?;
            file.keep()
        };
        keep().map_err(RunError::io("write", &path))
    }

    /// The accounts whose own inventory is complete, sorted.
    ///
    /// # Errors
    /// [`RunError`] if the folder cannot be listed.
    pub fn accounts(&self) -> Result<Vec<AccountId>, RunError> {
        let folder = self.path.join("inventory");
        let mut accounts: Vec<AccountId> = names_in(&folder)?
            .iter()
            .filter_map(|name| name.strip_prefix(ACCOUNT)?.parse().ok())
            .filter(|account| self.has_account(account, INVENTORY))
            .collect();
        accounts.sort();
        Ok(accounts)
    }

    /// Starts the spool of findings, from nothing.
    ///
    /// # Errors
    /// [`RunError`] if the run is finished, another process works on it, or the disk refuses.
    pub fn spool(&self) -> Result<FindingSpoolWriter, RunError> {
        self.claim()?;
        // What an earlier attempt found gone is found anew.
        let gone = self.path.join(GONE);
        match fs::remove_file(&gone) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(RunError::not_writable(&gone)(error)),
            _ => {}
        }
        FindingSpoolWriter::create(&self.path.join(SPOOL))
    }

    /// The findings of a run that was evaluated.
    ///
    /// # Errors
    /// [`RunError`] if the spool is missing or damaged.
    pub fn findings(&self) -> Result<FindingSpool, RunError> {
        FindingSpool::open(&self.path.join(SPOOL))
    }

    /// Everything that the reports of a finished run are made of, so that one more can be made.
    ///
    /// # Errors
    /// [`RunError`] if the run has no reports yet, or its files are damaged.
    pub fn stored_report(&self) -> Result<StoredReport, RunError> {
        StoredReport::open(&self.path.join(STORED_REPORT), self.findings()?)
    }

    /// Writes the reports in `formats` and those that are evidence, then the manifest, last and at once.
    ///
    /// # Errors
    /// [`RunError`] if a report cannot be written: then no report has its name, and the run stays unfinished.
    pub fn finish(&self, report: &Report<'_>, formats: &[&dyn ReportFormat]) -> Result<Manifest, RunError> {
        self.write_reports(report, formats)?;
        self.write_manifest(report)
    }

    /// Writes the reports, which say what could not be seen, and why the run has no verdict. There is no manifest, so
    /// the run is no evidence; the next one starts anew instead of going on with it.
    ///
    /// # Errors
    /// [`RunError`] if the run is finished, another process works on it, or the disk refuses.
    pub fn fail(&self, report: &Report<'_>, formats: &[&dyn ReportFormat], why: &str) -> Result<(), RunError> {
        self.write_reports(report, formats)?;
        let path = self.path.join(FAILED);
        let write = || {
            let mut file = PendingFile::create(&path)?;
            writeln!(file, "{why}")?;
            file.keep()
        };
        write().map_err(RunError::io("write", &path))
    }

    fn write_reports(&self, report: &Report<'_>, formats: &[&dyn ReportFormat]) -> Result<(), RunError> {
        self.claim()?;
        self.remove_leftovers()?;
        self.remove_reports()?;
        let evidence = FORMATS.iter().filter(|format| {
            format.is_evidence() && !formats.iter().any(|other| other.file_name() == format.file_name())
        });
        let formats: Vec<&dyn ReportFormat> = formats.iter().chain(evidence).copied().collect();
        let mut folder = write_formats(report, &formats, &self.path)?;
        stored_report::write(report, &mut folder).map_err(RunError::io("write", &self.path.join(STORED_REPORT)))?;
        folder.keep().map_err(RunError::io("write", &self.path))
    }

    fn write_manifest(&self, report: &Report<'_>) -> Result<Manifest, RunError> {
        let manifest = Manifest {
            schema_version: Manifest::VERSION,
            run: report.run.clone(),
            question: self.plan.question.clone(),
            config: self.plan.config.clone(),
            counts: report.counts.clone(),
            calls: report.calls,
            accounts: report.accounts.len() as u64,
            skipped: report.coverage.skipped.len() as u64,
            gaps: report.gaps.len() as u64,
            previous: self.previous()?,
            files: entries_of(&self.path)?,
        };
        let path = self.path.join(MANIFEST);
        let write = || {
            let mut file = PendingFile::create(&path)?;
            serde_json::to_writer_pretty(&mut file, &manifest)?;
            file.write_all(b"\n")?;
            file.keep()
        };
        write().map_err(RunError::io("write", &path))?;
        Ok(manifest)
    }

    /// The newest finished run that started before this one.
    fn previous(&self) -> Result<Option<PreviousRun>, RunError> {
        let Some(runs) = self.path.parent() else { return Ok(None) };
        for run_id in run_ids(runs)?.into_iter().rev().filter(|id| *id < self.plan.run_id) {
            let manifest = runs.join(run_id.as_str()).join(MANIFEST);
            match hash_file(&manifest) {
                Ok((_, manifest_sha256)) => return Ok(Some(PreviousRun { run_id, manifest_sha256 })),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(RunError::io("read", &manifest)(error)),
            }
        }
        Ok(None)
    }

    fn still_open(&self) -> Result<(), RunError> {
        if self.is_finished() { Err(RunError::Finished { run_id: self.plan.run_id.clone() }) } else { Ok(()) }
    }

    /// Makes sure that nobody else finishes a run in the same folder: the chain has one end.
    fn claim(&self) -> Result<(), RunError> {
        self.still_open()?;
        let mut held = self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if held.is_none() {
            let folder = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
            *held = Some(lock(folder.unwrap_or(Path::new(".")))?);
        }
        Ok(())
    }

    /// Files that a killed process was about to write.
    fn remove_leftovers(&self) -> Result<(), RunError> {
        self.remove(&|relative| relative.rsplit('/').next().is_some_and(PendingFile::is_leftover))
    }

    /// Reports of an attempt that was killed before its manifest: whoever goes on may write other formats, or a format in
    /// fewer files, and what nobody wrote must not become evidence.
    fn remove_reports(&self) -> Result<(), RunError> {
        self.still_open()?;
        self.remove(&|relative| relative == STORED_REPORT || FORMATS.iter().any(|format| format.owns(relative)))
    }

    fn remove(&self, is_one: &dyn Fn(&str) -> bool) -> Result<(), RunError> {
        for (relative, path) in files_in(&self.path)? {
            if is_one(&relative) {
                fs::remove_file(&path).map_err(RunError::not_writable(&path))?;
            }
        }
        Ok(())
    }
}

fn write_draft(draft: &Path, plan: &Plan) -> io::Result<()> {
    if draft.exists() {
        fs::remove_dir_all(draft)?;
    }
    fs::create_dir(draft)?;
    let mut file = PendingFile::create(&draft.join(PLAN))?;
    plan.write(&mut file)?;
    file.keep()
}

pub(super) fn lock(runs: &Path) -> Result<File, RunError> {
    let path = runs.join(LOCK);
    let options = OpenOptions::new().create(true).truncate(false).write(true).clone();
    let file = options.open(&path).map_err(RunError::not_writable(&path))?;
    match super::lock::lock(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RunError::Locked { path: runs.to_owned() }),
        // Some network file systems have no locks; there, keeping runs apart is up to whoever starts them.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => Err(RunError::not_writable(&path)(error)),
    }
}

/// The runs in the folder, oldest first; none if the folder is not there.
pub(super) fn run_ids(runs: &Path) -> Result<Vec<RunId>, RunError> {
    let mut ids: Vec<RunId> = names_in(runs)?.iter().filter_map(|name| name.parse().ok()).collect();
    ids.sort();
    Ok(ids)
}

pub(super) fn names_in(folder: &Path) -> Result<Vec<String>, RunError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(RunError::io("list", folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(RunError::io("list", folder))?.file_name().into_string());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::report::Csv;
    use crate::run::test_runs::Made;

    fn listed(run: &RunDirectory) -> Vec<String> {
        run.manifest().unwrap().files.into_iter().map(|file| file.path).collect()
    }

    #[test]
    fn what_a_killed_attempt_reported_is_no_evidence_of_the_next() {
        let out = tempfile::tempdir().unwrap();
        let made = Made::of("20261121T020000Z");
        let run = RunDirectory::create(out.path(), made.plan(json!({}))).unwrap();
        run.write_document("dora/metrics.csv", &|out| out.write_all(b"x")).unwrap();
        let stale =
            ["findings-2.sarif", "findings-11.sarif", "findings.json", "parquet/gaps/gaps.parquet", "report.html"];
        for name in stale {
            let path = run.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"of the attempt before").unwrap();
        }
        made.finish(&run, &[&Csv]);
        let files = listed(&run);
        for name in stale {
            assert!(!files.iter().any(|file| file == name) && !run.path().join(name).exists(), "{name}");
        }
        for name in ["dora/metrics.csv", "findings.csv", "coverage.csv", PLAN, STORED_REPORT] {
            assert!(files.iter().any(|file| file == name), "{name}");
        }
    }

    #[test]
    fn every_report_belongs_to_one_format() {
        let out = tempfile::tempdir().unwrap();
        let made = Made::of("20261121T020000Z");
        let run = RunDirectory::create(out.path(), made.plan(json!({}))).unwrap();
        made.finish(&run, FORMATS);
        let reports =
            listed(&run).into_iter().filter(|file| ![PLAN, SPOOL, GONE, STORED_REPORT].contains(&file.as_str()));
        for file in reports {
            assert_eq!(FORMATS.iter().filter(|format| format.owns(&file)).count(), 1, "{file}");
        }
        for other in [PLAN, SPOOL, GONE, MANIFEST, FAILED, "history.json", "dora/dora.html", "inventory/a.jsonl.gz"] {
            assert!(!FORMATS.iter().any(|format| format.owns(other)), "{other}");
        }
    }
}
