//! What the pages of a few tickets show.
//!
//! In: a sealed run and the keys of tickets that are to be written. Out: one [`Sheet`] each. It is a pass of its own over
//! a few tickets at a time, so that rows of all tickets are never held at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::groups::{belongs, first_seen};
use super::known::Known;
use super::{Keys, Rules};
use crate::deliver::{DeliveryError, Package};
use crate::finding::{Finding, Severity};
use crate::report::Report;
use crate::run::SPOOL;

/// Rows that a page is made from at most; no tracker has room for more.
const MOST_ROWS: usize = 300;
/// Rows of a comment.
const MOST_ADDED: usize = 20;

/// What one page shows.
#[derive(Debug, Clone, Default)]
pub(super) struct Sheet {
    /// Everything that is in the ticket now.
    pub(super) findings: BTreeMap<String, Severity>,
    /// The worst of them, and then in the order of reports.
    pub(super) rows: Vec<Row>,
    /// Those that were not in it, or became worse.
    pub(super) added: Vec<Row>,
    pub(super) more_added: u64,
    pub(super) by_severity: BTreeMap<Severity, u64>,
    pub(super) controls: BTreeSet<String>,
    /// The first of them.
    pub(super) sample: Option<Arc<Finding>>,
}

/// One violation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) severity: Severity,
    pub(super) control: String,
    pub(super) resource: String,
    pub(super) account: String,
    pub(super) region: String,
    /// RFC 3339.
    pub(super) since: String,
}

impl Row {
    fn of(finding: &Finding, report: &Report<'_>) -> Self {
        let resource = &finding.resource;
        let name = report.accounts.get(&resource.account).map_or("", |account| account.name.as_str());
        Self {
            severity: finding.severity,
            control: finding.control.clone(),
            resource: resource.uid.as_str().to_owned(),
            account: if name.is_empty() {
                resource.account.to_string()
            } else {
                format!("{name} {}", resource.account)
            },
            region: resource.region.to_string(),
            since: first_seen(finding, report).to_owned(),
        }
    }
}

/// The sheets of these tickets.
pub(super) fn sheets(
    package: &Package<'_>,
    keys: &Keys,
    rules: &Rules,
    known: &Known,
    wanted: &BTreeSet<&str>,
) -> Result<BTreeMap<String, Sheet>, DeliveryError> {
    let mut sheets: BTreeMap<String, Sheet> = BTreeMap::new();
    if wanted.is_empty() {
        return Ok(sheets);
    }
    let spool = package.run.path().join(SPOOL);
    for finding in package.report.findings.findings().map_err(DeliveryError::unreadable(&spool))? {
        let finding = finding.map_err(DeliveryError::unreadable(&spool))?;
        let key = keys.key(rules.group_by, &finding);
        if wanted.contains(key.as_str()) && belongs(&finding, &key, rules, known) {
            let before = known.findings.get(&finding.id).and_then(|tickets| tickets.get(&key)).copied();
            sheets.entry(key).or_default().add(&finding, package.report, before);
        }
    }
    Ok(sheets)
}

impl Sheet {
    fn add(&mut self, finding: &Arc<Finding>, report: &Report<'_>, before: Option<Severity>) {
        self.findings.insert(finding.id.clone(), finding.severity);
        *self.by_severity.entry(finding.severity).or_default() += 1;
        self.controls.insert(finding.control.clone());
        if self.sample.is_none() {
            self.sample = Some(Arc::clone(finding));
        }
        if before.is_none_or(|before| before < finding.severity) {
            if self.added.len() < MOST_ADDED {
                self.added.push(Row::of(finding, report));
            } else {
                self.more_added += 1;
            }
        }
        let place = self.rows.partition_point(|row| row.severity >= finding.severity);
        if place < MOST_ROWS {
            self.rows.insert(place, Row::of(finding, report));
            self.rows.truncate(MOST_ROWS);
        }
    }
}
