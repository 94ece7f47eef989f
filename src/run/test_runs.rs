//! Finished runs for tests: findings of one bucket, and nothing else.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::{Finders, Plan, RunDirectory};
use crate::finding::{ComplianceType, Finding, ResourceRef, Severity};
use crate::inventory::{Coverage, Region, ResourceUid, TypeName};
use crate::report::{Counts, OverTime, Report, ReportFormat, RunInfo};

/// What a test run is of.
#[derive(Clone, Copy)]
pub(super) struct Made<'a> {
    pub(super) run_id: &'a str,
    pub(super) organization: &'a str,
    pub(super) policy_hash: &'a str,
}

impl<'a> Made<'a> {
    pub(super) fn of(run_id: &'a str) -> Self {
        Self { run_id, organization: "o-exampleorg1", policy_hash: "a" }
    }

    pub(super) fn plan(&self, config: Value) -> Plan {
        Plan::new(self.run_id.parse().unwrap(), config, 1)
    }

    fn info(&self, run: &RunDirectory) -> RunInfo {
        run.plan().run_info(self.organization, self.policy_hash)
    }

    /// Judges the run, puts it among those before it and finishes it.
    pub(super) fn finish(&self, run: &RunDirectory, formats: &[&dyn ReportFormat]) -> OverTime {
        let findings = vec![violation()];
        let coverage = Coverage::default();
        let report = Report {
            run: self.info(run),
            controls: BTreeMap::new(),
            frameworks: BTreeMap::new(),
            accounts: BTreeMap::new(),
            counts: Counts::default(),
            coverage: &coverage,
            gaps: &[],
            findings: &findings,
            calls: coverage.totals(),
            over_time: OverTime::default(),
        };
        let (spool, over_time) = run.put_among_runs(&report, Vec::new(), &Finders::default()).unwrap();
        let counts = spool.counts().clone();
        let whole = Report { counts, findings: &spool, over_time: over_time.clone(), ..report };
        run.finish(&whole, formats).unwrap();
        over_time
    }

    /// A finished run.
    pub(super) fn make(&self, out: &Path, config: Value) -> OverTime {
        self.finish(&RunDirectory::create(out, self.plan(config)).unwrap(), &[])
    }
}

fn violation() -> Finding {
    let resource = ResourceRef {
        uid: ResourceUid("arn:aws:s3:::bucket".to_owned()),
        type_name: TypeName::BUCKET,
        account: "111111111111".parse().unwrap(),
        region: Region::GLOBAL,
    };
    Finding {
        id: Finding::stable_id("bucket-good", &resource),
        control: "bucket-good".to_owned(),
        severity: Severity::High,
        compliance: ComplianceType::NonCompliant,
        resource: resource.into(),
        evidence: BTreeMap::new(),
        gaps: Vec::new(),
        exception: None,
        owner: None,
        lifecycle: None,
    }
}
