//! The last stage: the parts that are there, and gaps in the place of the others → findings, reports, signature, deliveries.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::Exit;
use super::super::aws;
use super::super::deliver::Ended;
use super::super::failure::Failure;
use super::super::kept::Kept;
use super::super::options::judge;
use super::super::policies;
use super::super::progress::Shown;
use super::super::sign;
use super::collecting::{part_name, send};
use super::{Asked, StageOptions, items};
use crate::audit::{Collection, Left};
use crate::collect::git_hosts::SourceHosts;
use crate::finding::ComplianceType;
use crate::inventory::{AccountId, Redaction, Reference};
use crate::organization::Sessions;
use crate::report::Counts;
use crate::run::{INVENTORY, REFERENCED, RunDirectory, RunError, RunId};

pub(super) fn conclude(run_id: &RunId, options: &StageOptions) -> Result<Value, Failure> {
    let mut asked = Asked::of(options)?;
    let kept = options.run.open(options.aws.profile.as_deref())?;
    kept.tell_place(&mut asked.config);
    kept.fetch(async |store| {
        store.fetch_run(run_id).await?;
        store.fetch_former(Some(run_id)).await?;
        store.fetch([items::name_of(run_id, items::REFERENCES)]).await?;
        store.fetch_memories().await
    })?;
    let out = kept.folder();
    let run = asked.run(run_id, out)?;
    let runtime = aws::runtime()?;
    // It asks no account, so it needs neither tokens of source hosts nor the key of fingerprints.
    let sdk = runtime.block_on(aws::from_environment(&options.aws, asked.config.home_region.as_ref()));
    let sessions =
        runtime.block_on(aws::sessions(sdk.clone(), &asked.config, SourceHosts::default(), Redaction::default()))?;
    let mut concluded = || {
        if run.is_finished() {
            let exit = exit_of_finished(&run, options)?;
            // The attempt that finished it may have ended before it signed.
            if run.signature().map_err(|error| Failure::failed(&error))?.is_none() {
                runtime.block_on(sign::sign(&run, &asked.config, &sdk))?;
            }
            return Ok(exit);
        }
        // An exception that has ended stops a run; what was collected stays, and can be concluded when that is mended.
        asked.policies = policies::load(&asked.config, &options.policies, time::OffsetDateTime::now_utc())?;
        settle(&run, &kept, &sessions, &asked)?;
        let judged = judge(&run, &asked.config, &asked.policies)?;
        let exit = options.report.seal(&run, &judged, &asked.policies, &|_| Ok(()))?;
        // A run that could not be signed is finished all the same.
        runtime.block_on(sign::sign(&run, &asked.config, &sdk)).map(|()| exit)
    };
    let concluded = concluded();
    let sent = kept.send_run(&run);
    let is_kept = sent.is_ok();
    let concluded = concluded.and_then(|exit| sent.map(|()| exit));
    let Asked { config, secrets, .. } = &asked;
    let ended = Ended { concluded, is_kept, run: &run, out, config, sessions: &sessions, secrets };
    let exit = options.deliver.deliver(&runtime, &kept, ended)?;
    let manifest = run.manifest().map_err(|error| Failure::failed(&error))?;
    let hidden = run.stored_report().map_err(|error| Failure::failed(&error))?.report().over_time.hidden();
    Ok(json!({
        "runId": run_id,
        "verdict": verdict(&manifest.counts, manifest.gaps + hidden),
        "exitCode": exit as u8,
        "report": kept.place(&run),
    }))
}

/// Makes the run whole: gaps in the place of what no worker left, and what is named but owned by nobody in sight.
fn settle(run: &RunDirectory, kept: &Kept, sessions: &Sessions, asked: &Asked) -> Result<(), Failure> {
    let failed = |error: RunError| Failure::failed(&error);
    let run_id = &run.plan().run_id;
    let names = |accounts: &[AccountId], part| -> Vec<String> {
        accounts.iter().map(|account| part_name(Some(account), part)).collect()
    };
    let mut left = Left::accounts(run).map_err(failed)?;
    // The gap takes the place of the part for good: a worker that comes after this is too late, one that came first is not.
    if !send(kept, run_id, &names(&left.missing, INVENTORY))?.is_empty() {
        left = Left::accounts(run).map_err(failed)?;
    }
    if left.elsewhere.is_empty() {
        return Ok(());
    }
    let missing = left.referenced(run).map_err(failed)?;
    send(kept, run_id, &names(&missing, REFERENCED))?;
    // What an account names that came after the references were read, nobody was asked for.
    let asked_for: Option<BTreeSet<Reference>> = items::read_if_there(kept.folder(), run_id, items::REFERENCES)?;
    let asked_for = asked_for.unwrap_or_default();
    let unasked = if left.elsewhere.is_subset(&asked_for) { 0 } else { left.selected.len() };
    let shown = Shown::default();
    let collection = Collection { sessions, options: &asked.config.audit, run, progress: &shown };
    collection.unowned(&left.selected, &left.elsewhere, unasked).map_err(|error| Failure::failed(&error))
}

/// How a run ends that was concluded before: as it ended then.
fn exit_of_finished(run: &RunDirectory, options: &StageOptions) -> Result<Exit, Failure> {
    let stored = run.stored_report().map_err(|error| Failure::failed(&error))?;
    let report = stored.report();
    let gaps = report.gaps.len();
    options.report.exit(&report, gaps)
}

/// What was not seen is never called good.
fn verdict(counts: &Counts, unseen: u64) -> ComplianceType {
    let of = |compliance| counts.of(compliance) > 0;
    let is_judged = of(ComplianceType::Compliant) || counts.excepted > 0;
    if counts.violations.values().any(|count| *count > 0) {
        ComplianceType::NonCompliant
    } else if of(ComplianceType::InsufficientData) || unseen > 0 || !is_judged {
        ComplianceType::InsufficientData
    } else {
        ComplianceType::Compliant
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::finding::Severity;

    #[test]
    fn what_was_not_seen_is_no_pass() {
        let counts = |by: &[(ComplianceType, u64)], violations: &[(Severity, u64)]| Counts {
            by_compliance: by.iter().copied().collect(),
            violations: violations.iter().copied().collect::<BTreeMap<_, _>>(),
            ..Counts::default()
        };
        let good = (ComplianceType::Compliant, 3);
        let unknown = (ComplianceType::InsufficientData, 1);
        assert_eq!(verdict(&counts(&[good], &[]), 0), ComplianceType::Compliant);
        assert_eq!(verdict(&counts(&[good], &[]), 1), ComplianceType::InsufficientData);
        assert_eq!(verdict(&counts(&[], &[]), 0), ComplianceType::InsufficientData);
        assert_eq!(verdict(&counts(&[good, unknown], &[]), 0), ComplianceType::InsufficientData);
        assert_eq!(verdict(&counts(&[good, unknown], &[(Severity::Low, 1)]), 1), ComplianceType::NonCompliant);
    }
}
