//! Which runs are kept, and what is left of the others.
//!
//! In: the folder that keeps the runs, and limits. Out: runs removed, oldest first, each with its manifest kept beside
//! the runs, so that the chain of the runs that stay can still be checked. The newest finished run of each organization is
//! never removed, nor one that an unfinished run builds on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use super::directory::{RUNS, lock, names_in, run_ids};
use super::listing::{ListedRun, RunState, list};
use super::{MANIFEST, PLAN, Plan, RunDirectory, RunError, RunId, SIGNATURE};
use crate::inventory::json_lines::{PendingFile, sync_folder_of};

/// Folder beside the runs with the manifests of those that were pruned.
pub const PRUNED: &str = "pruned";
const ENDING: &str = ".pruned";

/// Limits; a run beyond any of them goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keeping {
    /// How many finished runs stay, the newest first.
    pub runs: Option<usize>,
    /// How old a run may become, in days since its start.
    pub days: Option<u32>,
}

impl Default for Keeping {
    fn default() -> Self {
        Self { runs: Some(90), days: Some(400) }
    }
}

/// A run that was pruned, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// Its id.
    pub run_id: RunId,
    /// Why: `beyond the newest 90 runs`.
    pub reason: String,
    /// Whether it was finished, so that its manifest is kept.
    pub finished: bool,
}

/// The name under which the manifest of a pruned run is kept.
pub(super) fn kept_manifest(out: &Path, run_id: &RunId) -> PathBuf {
    out.join(PRUNED).join(format!("{run_id}.{MANIFEST}"))
}

/// Removes the runs beyond the limits, oldest first, and answers which those were; with `dry_run` only answers. `holder`
/// is the run of this process that holds the folder, if one does.
///
/// # Errors
/// [`RunError`] if the folder cannot be read or written, or another process works there; what was removed until then is
/// removed whole.
pub fn prune(
    out: &Path,
    keeping: Keeping,
    now: OffsetDateTime,
    holder: Option<&RunDirectory>,
    dry_run: bool,
) -> Result<Vec<Pruned>, RunError> {
    let runs = out.join(RUNS);
    if dry_run {
        return Ok(beyond(&list(out)?, keeping, now));
    }
    if run_ids(&runs)?.is_empty() {
        return Ok(Vec::new());
    }
    // Before anything is decided: a run may end while others are being counted.
    let held = if holder.is_none() { Some(lock(&runs)?) } else { None };
    remove_leftovers(&runs)?;
    let mut removed = Vec::new();
    for pruned in beyond(&list(out)?, keeping, now) {
        if remove(out, &runs.join(pruned.run_id.as_str()), &pruned)? {
            removed.push(pruned);
        }
    }
    drop(held);
    Ok(removed)
}

/// The runs beyond the limits, oldest first.
fn beyond(listed: &[ListedRun], keeping: Keeping, now: OffsetDateTime) -> Vec<Pruned> {
    let needed = needed(listed);
    let oldest = keeping.days.map(|days| now - Duration::days(i64::from(days)));
    let mut finished_after = listed.iter().filter(|run| run.manifest().is_some()).count();
    let mut beyond = Vec::new();
    for run in listed {
        let finished = run.manifest().is_some();
        finished_after -= usize::from(finished);
        if needed.contains(&run.run_id) || matches!(run.state, RunState::Unreadable(_)) {
            continue;
        }
        let started = OffsetDateTime::parse(&run.run_id.started_at(), &Rfc3339).ok();
        let too_old = started.zip(oldest).is_some_and(|(started, oldest)| started < oldest);
        let reason = match keeping.runs {
            Some(count) if finished_after >= count => format!("beyond the newest {count} runs"),
            _ if too_old => format!("older than {} days", keeping.days.unwrap_or_default()),
            _ => continue,
        };
        beyond.push(Pruned { run_id: run.run_id.clone(), reason, finished });
    }
    beyond
}

/// Runs that stay whatever the limits are: the newest of all, the newest finished one of each organization, with which
/// its next one is compared, and those that unfinished ones build on: their link of the chain, and the inventories that
/// they judge again.
fn needed(listed: &[ListedRun]) -> BTreeSet<RunId> {
    let mut needed: BTreeSet<RunId> = BTreeSet::new();
    needed.extend(listed.last().map(|run| run.run_id.clone()));
    let mut before: Option<&RunId> = None;
    let mut newest: BTreeMap<&str, &RunId> = BTreeMap::new();
    for run in listed {
        match &run.state {
            RunState::Finished(manifest) => {
                before = Some(&run.run_id);
                newest.insert(&manifest.run.organization, &run.run_id);
            }
            RunState::Unfinished => {
                needed.extend(before.cloned());
                let plan = Plan::read(&run.path.join(PLAN)).ok();
                let source =
                    plan.and_then(|plan| plan.config.pointer("/options/inventoriesOf")?.as_str()?.parse().ok());
                needed.extend(source);
            }
            RunState::Failed(_) | RunState::Unreadable(_) => {}
        }
    }
    needed.extend(newest.into_values().cloned());
    needed
}

/// The manifest first: whenever this is interrupted, the chain can be checked. A run that was finished in the meantime,
/// where the file system has no locks, is not what was decided on, and stays.
fn remove(out: &Path, path: &Path, pruned: &Pruned) -> Result<bool, RunError> {
    if path.join(MANIFEST).is_file() != pruned.finished {
        return Ok(false);
    }
    if pruned.finished {
        let kept = kept_manifest(out, &pruned.run_id);
        let folder = out.join(PRUNED);
        let keep = || {
            fs::create_dir_all(&folder)?;
            copy(&path.join(SIGNATURE), &folder.join(format!("{}.{SIGNATURE}", pruned.run_id)))?;
            copy(&path.join(MANIFEST), &kept)
        };
        keep().map_err(RunError::io("write", &kept))?;
    }
    // Under another name nobody takes what is left of it for a run.
    let going = path.with_file_name(format!(".{}{ENDING}", pruned.run_id));
    let go = || {
        fs::rename(path, &going)?;
        sync_folder_of(path)?;
        fs::remove_dir_all(&going)
    };
    go().map_err(RunError::io("remove", path))?;
    Ok(true)
}

/// Copies a file, if it is there.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let bytes = match fs::read(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read?,
    };
    let mut file = PendingFile::create(to)?;
    file.write_all(&bytes)?;
    file.keep()
}

/// What an interrupted pruning left.
fn remove_leftovers(runs: &Path) -> Result<(), RunError> {
    for name in names_in(runs)? {
        if name.starts_with('.') && name.ends_with(ENDING) {
            let path = runs.join(name);
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(RunError::io("remove", &path)(error));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;
    use crate::run::test_runs::Made;

    #[test]
    fn the_newest_run_of_each_organization_stays() {
        let out = tempfile::tempdir().unwrap();
        let out = out.path();
        let other = |run_id| Made { organization: "o-exampleorg2", ..Made::of(run_id) };
        let (one, two, three) = ("20261118T020000Z", "20261119T020000Z", "20261120T020000Z");
        other(one).make(out, json!({}));
        other(two).make(out, json!({}));
        Made::of(three).make(out, json!({}));
        Made::of("20261121T020000Z").make(out, json!({}));
        let strict = Keeping { runs: Some(1), days: None };
        let pruned = prune(out, strict, datetime!(2026-11-21 3:00 UTC), None, false).unwrap();
        let ids: Vec<&str> = pruned.iter().map(|one| one.run_id.as_str()).collect();
        assert_eq!(ids, [one, three]);
        let next = other("20261122T020000Z").make(out, json!({}));
        assert_eq!(next.comparison.unwrap().previous.run_id, two, "it is still there to be compared with");
    }

    #[test]
    fn nothing_is_decided_while_another_process_works_and_what_ended_since_stays() {
        let out = tempfile::tempdir().unwrap();
        let out = out.path();
        let made = Made::of("20261101T020000Z");
        let run = RunDirectory::create(out, made.plan(json!({}))).unwrap();
        let decided = Pruned { run_id: run.plan().run_id.clone(), reason: String::new(), finished: false };
        made.finish(&run, &[]);
        let locked = prune(out, Keeping::default(), datetime!(2026-11-21 3:00 UTC), None, false);
        assert!(matches!(locked, Err(RunError::Locked { .. })), "{locked:?}");
        assert!(!remove(out, run.path(), &decided).unwrap());
        assert!(run.is_finished());
    }
}
