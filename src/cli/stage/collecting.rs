//! The stages that ask AWS: begin, one account, and one account for what others name of it; and the stage between them.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::super::aws;
use super::super::collect;
use super::super::failure::Failure;
use super::super::fingerprint;
use super::super::options::{begin_at, moment};
use super::super::progress::Shown;
use super::{Asked, Stage, StageOptions, items};
use crate::audit::{AccountPart, Collection, listed_accounts, to_ask};
use crate::inventory::{AccountId, Reference};
use crate::organization::Sessions;
use crate::run::{INVENTORY, ORGANIZATION, RunDirectory, RunId};

pub(super) fn begin(at: Option<&str>, options: &StageOptions) -> Result<Value, Failure> {
    let now = time::OffsetDateTime::now_utc();
    let at = at.map(|text| moment(text).and_then(|at| begin_at(at, now))).transpose().map_err(Failure::usage)?;
    let asked = Asked::of(options)?;
    let out = &options.run.out;
    // A run is begun with the folder and its key, whatever becomes of the organization.
    let (run, listed) = aws::runtime()?.block_on(async {
        let sessions = sessions(&asked, options, out).await?;
        let run = match at {
            Some(at) => options.run.run_at(&asked.question, 0, at)?,
            None => options.run.run_directory(&asked.question, 0, now)?,
        };
        let listed = if run.is_finished() {
            listed(&run)?
        } else {
            collection(&run, &sessions, &asked).begin().await.map_err(collect::failure)?
        };
        Ok::<_, Failure>((run, listed))
    })?;
    let run_id = &run.plan().run_id;
    let stages: Vec<Stage> =
        listed.into_iter().map(|account| Stage::Account { run_id: run_id.clone(), account }).collect();
    items::write(out, run_id, items::ACCOUNTS, &stages)?;
    Ok(items::answer(run_id, &place(out, run_id, items::ACCOUNTS), &stages))
}

pub(super) fn account(run_id: &RunId, account: &AccountId, options: &StageOptions) -> Result<Value, Failure> {
    let asked = Asked::of(options)?;
    let run = asked.run(run_id, options)?;
    is_listed(&run, account)?;
    let part = aws::runtime()?.block_on(async {
        let sessions = sessions(&asked, options, &options.run.out).await?;
        let collection = collection(&run, &sessions, &asked);
        collection.account(account).await.map_err(|error| Failure::failed(&error))
    })?;
    Ok(told(account, &part))
}

/// Reads the accounts' parts one after the other; only what they name stays in memory.
pub(super) fn references(run_id: &RunId, options: &StageOptions) -> Result<Value, Failure> {
    let asked = Asked::of(options)?;
    let out = &options.run.out;
    let run = asked.run(run_id, options)?;
    let selected = listed(&run)?;
    let mut elsewhere: BTreeSet<Reference> = BTreeSet::new();
    for account in selected.iter().filter(|account| run.has_account(account, INVENTORY)) {
        let part = run.read_inventory(Some(account), INVENTORY).map_err(|error| Failure::failed(&error))?;
        elsewhere.extend(part.references);
    }
    let owners = if elsewhere.is_empty() { Vec::new() } else { to_ask(&selected, &elsewhere) };
    let stages: Vec<Stage> =
        owners.into_iter().map(|account| Stage::Referenced { run_id: run_id.clone(), account }).collect();
    items::write(out, run_id, items::REFERENCES, &elsewhere)?;
    items::write(out, run_id, items::REFERENCED, &stages)?;
    Ok(items::answer(run_id, &place(out, run_id, items::REFERENCED), &stages))
}

pub(super) fn referenced(run_id: &RunId, account: &AccountId, options: &StageOptions) -> Result<Value, Failure> {
    let asked = Asked::of(options)?;
    let run = asked.run(run_id, options)?;
    is_listed(&run, account)?;
    let wanted: BTreeSet<Reference> = items::read(&options.run.out, run_id, items::REFERENCES)?;
    let part = aws::runtime()?.block_on(async {
        let sessions = sessions(&asked, options, &options.run.out).await?;
        let collection = collection(&run, &sessions, &asked);
        collection.referenced(account, &wanted).await.map_err(|error| Failure::failed(&error))
    })?;
    Ok(told(account, &part))
}

async fn sessions(asked: &Asked, options: &StageOptions, out: &Path) -> Result<Sessions, Failure> {
    let hosts = aws::source_hosts(&asked.config)?;
    let redaction = fingerprint::redaction(&asked.config, out)?;
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

fn told(account: &AccountId, part: &AccountPart) -> Value {
    json!({"account": account, "resources": part.resources, "gaps": part.gaps})
}

/// Where a map finds its items.
fn place(out: &Path, run_id: &RunId, name: &str) -> Value {
    json!({"file": out.join(items::name_of(run_id, name)).display().to_string()})
}
