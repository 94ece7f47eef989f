//! The stages that ask AWS: begin, one account, and one account for what others name of it; and the stage between them.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::super::aws;
use super::super::collect;
use super::super::failure::Failure;
use super::super::fingerprint;
use super::super::kept::Kept;
use super::super::options::{begin_at, moment};
use super::super::progress::Shown;
use super::{Asked, Stage, StageOptions, items};
use crate::audit::{AccountPart, Collection, listed_accounts, to_ask};
use crate::inventory::{AccountId, Reference};
use crate::organization::Sessions;
use crate::run::{FAILED, INVENTORY, MANIFEST, ORGANIZATION, PLAN, REFERENCED, RunDirectory, RunId};

/// Accounts whose parts are on this machine at once while their references are read.
const PARTS_AT_ONCE: usize = 64;

pub(super) fn begin(at: Option<&str>, options: &StageOptions) -> Result<Value, Failure> {
    let now = time::OffsetDateTime::now_utc();
    let at = at.map(|text| moment(text).and_then(|at| begin_at(at, now))).transpose().map_err(Failure::usage)?;
    let asked = Asked::of(options)?;
    let kept = options.run.open(options.aws.profile.as_deref())?;
    kept.fingerprint_key(&asked.config)?;
    let begun = match at {
        Some(at) => Some(RunId::at(at).map_err(|error| Failure::failed(&error))?),
        None => kept.named(None)?,
    };
    if let Some(run_id) = &begun {
        fetch(&kept, run_id, &[])?;
    }
    let folder = options.run.within(&kept);
    let (run, mut listed) = aws::runtime()?.block_on(async {
        let sessions = sessions(&asked, options, &folder.out).await?;
        let run = match at {
            Some(at) => folder.run_at(&asked.question, 0, at)?,
            None => folder.run_directory(&asked.question, 0, now)?,
        };
        let listed = if run.is_finished() {
            listed(&run)?
        } else {
            collection(&run, &sessions, &asked).begin().await.map_err(collect::failure)?
        };
        Ok::<_, Failure>((run, listed))
    })?;
    let run_id = &run.plan().run_id;
    if !send(&kept, run_id, &[PLAN.to_owned()])?.is_empty() {
        return Err(Failure::usage(format!(
            "another process began run {run_id} in this second with another question; begin at another time"
        )));
    }
    if !send(&kept, run_id, &[part_name(None, ORGANIZATION)])?.is_empty() {
        // Another process began the same run; its list of accounts counts.
        listed = self::listed(&run)?;
    }
    let stages: Vec<Stage> =
        listed.into_iter().map(|account| Stage::Account { run_id: run_id.clone(), account }).collect();
    items::write(&folder.out, run_id, items::ACCOUNTS, &stages)?;
    kept.send_beside()?;
    Ok(items::answer(run_id, &place(&kept, run_id, items::ACCOUNTS), &stages))
}

pub(super) fn account(run_id: &RunId, account: &AccountId, options: &StageOptions) -> Result<Value, Failure> {
    one_account(run_id, account, INVENTORY, options, async |collection, _| {
        collection.account(account).await.map_err(|error| Failure::failed(&error))
    })
}

pub(super) fn referenced(run_id: &RunId, account: &AccountId, options: &StageOptions) -> Result<Value, Failure> {
    one_account(run_id, account, REFERENCED, options, async |collection, out| {
        let wanted: BTreeSet<Reference> = items::read(out, run_id, items::REFERENCES)?;
        collection.referenced(account, &wanted).await.map_err(|error| Failure::failed(&error))
    })
}

/// One part of one account, unless it is there.
fn one_account(
    run_id: &RunId,
    account: &AccountId,
    part: &str,
    options: &StageOptions,
    ask: impl AsyncFnOnce(&Collection<'_>, &Path) -> Result<AccountPart, Failure>,
) -> Result<Value, Failure> {
    let asked = Asked::of(options)?;
    let kept = options.run.open(options.aws.profile.as_deref())?;
    kept.fingerprint_key(&asked.config)?;
    let name = part_name(Some(account), part);
    fetch(&kept, run_id, &[&name])?;
    if part == REFERENCED {
        kept.fetch(async |store| store.fetch([items::name_of(run_id, items::REFERENCES)]).await)?;
    }
    let run = asked.run(run_id, kept.folder())?;
    is_listed(&run, account)?;
    let mut made = aws::runtime()?.block_on(async {
        let sessions = sessions(&asked, options, kept.folder()).await?;
        ask(&collection(&run, &sessions, &asked), kept.folder()).await
    })?;
    if !send(&kept, run_id, &[name])?.is_empty() {
        // Of two workers on one account the first counts.
        let inventory = run.read_inventory(Some(account), part).map_err(|error| Failure::failed(&error))?;
        made = AccountPart::of(inventory);
    }
    Ok(json!({"account": account, "resources": made.resources, "gaps": made.gaps}))
}

/// Reads the accounts' parts, a few at a time; only what they name stays. What was read once counts: workers may have been
/// asked for it already.
pub(super) fn references(run_id: &RunId, options: &StageOptions) -> Result<Value, Failure> {
    let asked = Asked::of(options)?;
    let kept = options.run.open(options.aws.profile.as_deref())?;
    fetch(&kept, run_id, &[])?;
    kept.fetch(async |store| store.fetch([items::name_of(run_id, items::REFERENCES)]).await)?;
    let out = kept.folder();
    let run = asked.run(run_id, out)?;
    let selected = listed(&run)?;
    let read: Option<BTreeSet<Reference>> = items::read_if_there(out, run_id, items::REFERENCES)?;
    let elsewhere = match read {
        Some(read) => read,
        None => all_references(&kept, &run, &selected)?,
    };
    items::write(out, run_id, items::REFERENCES, &elsewhere)?;
    let owners = if elsewhere.is_empty() { Vec::new() } else { to_ask(&selected, &elsewhere) };
    let stages: Vec<Stage> =
        owners.into_iter().map(|account| Stage::Referenced { run_id: run_id.clone(), account }).collect();
    items::write(out, run_id, items::REFERENCED, &stages)?;
    kept.send_beside()?;
    Ok(items::answer(run_id, &place(&kept, run_id, items::REFERENCED), &stages))
}

fn all_references(kept: &Kept, run: &RunDirectory, selected: &[AccountId]) -> Result<BTreeSet<Reference>, Failure> {
    let run_id = &run.plan().run_id;
    let mut elsewhere = BTreeSet::new();
    for accounts in selected.chunks(PARTS_AT_ONCE) {
        let name = |account| of_run(run_id, &part_name(Some(account), INVENTORY));
        let names: Vec<String> = accounts.iter().map(name).collect();
        kept.fetch(async |store| store.fetch(names.clone()).await)?;
        for account in accounts.iter().filter(|account| run.has_account(account, INVENTORY)) {
            let part = run.read_inventory(Some(account), INVENTORY).map_err(|error| Failure::failed(&error))?;
            elsewhere.extend(part.references);
        }
        kept.fetch(async |store| {
            for name in &names {
                store.forget(name);
            }
            Ok(())
        })?;
    }
    Ok(elsewhere)
}

/// Fetches what says how the run stands and which accounts it is about, and `more` of its files.
fn fetch(kept: &Kept, run_id: &RunId, more: &[&str]) -> Result<(), Failure> {
    let organization = part_name(None, ORGANIZATION);
    let mut names = vec![PLAN, MANIFEST, FAILED, organization.as_str()];
    names.extend(more);
    kept.fetch(async |store| store.fetch_of_run(run_id, &names).await).map(drop)
}

/// Brings parts of a run to the bucket, and answers those of which another process's stands there.
pub(super) fn send(kept: &Kept, run_id: &RunId, parts: &[String]) -> Result<Vec<String>, Failure> {
    let names: Vec<String> = parts.iter().map(|part| of_run(run_id, part)).collect();
    kept.fetch(async |store| store.send_parts(&names).await.map(|sent| sent.theirs))
}

fn of_run(run_id: &RunId, name: &str) -> String {
    format!("runs/{run_id}/{name}")
}

/// A part's name in the run.
pub(super) fn part_name(account: Option<&AccountId>, part: &str) -> String {
    account.map_or_else(
        || format!("inventory/{part}.jsonl.gz"),
        |account| format!("inventory/account={account}/{part}.jsonl.gz"),
    )
}

async fn sessions(asked: &Asked, options: &StageOptions, out: &Path) -> Result<Sessions, Failure> {
    let hosts = aws::source_hosts(&asked.config, &asked.secrets)?;
    let redaction = fingerprint::redaction(&asked.config, out, &asked.secrets)?;
    let sdk = aws::from_environment(&options.aws, asked.config.home_region.as_ref()).await;
    aws::sessions(sdk, &asked.config, hosts, redaction).await
}

fn collection<'a>(run: &'a RunDirectory, sessions: &'a Sessions, asked: &'a Asked) -> Collection<'a> {
    // One account needs no bar; what is collected stands in the log.
    static SHOWN: Shown = Shown::new();
    Collection { sessions, options: &asked.config.audit, run, progress: &SHOWN }
}

fn listed(run: &RunDirectory) -> Result<Vec<AccountId>, Failure> {
    let organization = run.read_inventory(None, ORGANIZATION).map_err(|error| Failure::failed(&error))?;
    Ok(listed_accounts(&organization))
}

/// Nothing is collected of an account that the run is not about.
fn is_listed(run: &RunDirectory, account: &AccountId) -> Result<(), Failure> {
    if listed(run)?.contains(account) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "account {account} is none of those that run {} was begun for; `accounts.json` of its stages has them all",
        run.plan().run_id
    )))
}

/// Where a map finds its items.
fn place(kept: &Kept, run_id: &RunId, name: &str) -> Value {
    let name = items::name_of(run_id, name);
    match kept.object(&name) {
        Some((bucket, key)) => json!({"bucket": bucket, "key": key}),
        None => json!({"file": kept.folder().join(name).display().to_string()}),
    }
}
