//! The last stage: the parts that are there, and gaps in the place of the others → findings, reports, signature, deliveries.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::super::Exit;
use super::super::aws;
use super::super::failure::Failure;
use super::super::options::judge;
use super::super::policies;
use super::super::progress::Shown;
use super::super::sign;
use super::{Asked, StageOptions, items};
use crate::audit::{Collection, Left};
use crate::collect::git_hosts::SourceHosts;
use crate::finding::ComplianceType;
use crate::inventory::{Redaction, Reference};
use crate::organization::Sessions;
use crate::report::Counts;
use crate::run::{RunDirectory, RunError, RunId};

pub(super) fn conclude(run_id: &RunId, options: &StageOptions) -> Result<Value, Failure> {
    let mut asked = Asked::of(options)?;
    let run = asked.run(run_id, options)?;
    let out = &options.run.out;
    let runtime = aws::runtime()?;
    // It asks no account, so it needs neither tokens of source hosts nor the key of fingerprints.
    let sdk = runtime.block_on(aws::from_environment(&options.aws, asked.config.home_region.as_ref()));
    let sessions =
        runtime.block_on(aws::sessions(sdk.clone(), &asked.config, SourceHosts::default(), Redaction::default()))?;
    let mut concluded = || {
        if run.is_finished() {
            return exit_of_finished(&run, options);
        }
        // An exception that has ended stops a run; what was collected stays, and can be concluded when that is mended.
        asked.policies = policies::load(&asked.config, &options.policies, time::OffsetDateTime::now_utc())?;
        settle(&run, out, &sessions, &asked)?;
        let judged = judge(&run, &asked.config, &asked.policies)?;
        let exit = options.report.seal(&run, &judged, &asked.policies, &|_| Ok(()))?;
        // A run that could not be signed is finished all the same.
        runtime.block_on(sign::sign(&run, &asked.config, &sdk)).map(|()| exit)
    };
    let concluded = concluded();
    let exit = runtime.block_on(options.deliver.after(concluded, &run, out, &asked.config, &sessions))?;
    let counts = run.manifest().map_err(|error| Failure::failed(&error))?.counts;
    Ok(json!({
        "runId": run_id,
        "verdict": verdict(&counts),
        "exitCode": exit as u8,
        "report": run.path().display().to_string(),
    }))
}

/// Makes the run whole: gaps in the place of what no worker left, and what is named but owned by nobody in sight.
fn settle(run: &RunDirectory, out: &Path, sessions: &Sessions, asked: &Asked) -> Result<(), Failure> {
    let failed = |error: RunError| Failure::failed(&error);
    let left = Left::accounts(run).map_err(failed)?;
    if left.elsewhere.is_empty() {
        return Ok(());
    }
    left.referenced(run).map_err(failed)?;
    let run_id = &run.plan().run_id;
    // What an account names that came after the references were read, nobody was asked for.
    let asked_for: BTreeSet<Reference> = items::read(out, run_id, items::REFERENCES).unwrap_or_default();
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
fn verdict(counts: &Counts) -> ComplianceType {
    if counts.violations.values().any(|count| *count > 0) {
        ComplianceType::NonCompliant
    } else if counts.of(ComplianceType::InsufficientData) > 0 {
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
        assert_eq!(verdict(&counts(&[good], &[])), ComplianceType::Compliant);
        assert_eq!(verdict(&counts(&[good, unknown], &[])), ComplianceType::InsufficientData);
        assert_eq!(verdict(&counts(&[good, unknown], &[(Severity::Low, 1)])), ComplianceType::NonCompliant);
    }
}
