//! Some thousand findings as columns of numbers.
//!
//! In: findings, one at a time. Out: three blocks: `light-N` with what the table shows and filters by, `ids-N` with the
//! ids, `details-N` with what is only shown of an opened finding. A browser unpacks all of the first kind at the start and
//! the others when somebody asks. Memory is bounded by [`FINDINGS`] and [`DETAILS`]; a chunk is written when it is full.
//!
//! ```text
//! light    u32 n, u32 m · u32[n] control, owner, first observed, resource · u32[m] type, account, Region · u16[n] state ·
//!          JSON array of the m names; all numbers little-endian
//! ids      16 bytes each; zeros where an id is not 32 hexadecimal digits, which then stands in the details
//! details  u32 n · u32[n] end of each · JSON objects one after the other
//! ```

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::block;
use super::dictionary::Dictionary;
use super::was_violation;
use crate::finding::{Change, ComplianceType, ExceptionRef, Finding, Gone, Lifecycle, ResourceRef, Severity, Was};

/// A chunk holds so many findings.
const FINDINGS: usize = 8192;
/// A chunk holds so many bytes of details, and one finding more.
const DETAILS: usize = 4 << 20;

/// How many findings and resources a chunk holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Size {
    findings: usize,
    resources: usize,
}

/// What is only shown of an opened finding.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<&'a BTreeMap<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gaps: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<&'a ExceptionRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_observed: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_known: Option<ComplianceType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<&'a Was>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gone: Option<&'a str>,
}

/// Findings that are not written yet.
#[derive(Default)]
pub(super) struct Chunk {
    control: Vec<u32>,
    owner: Vec<u32>,
    first_observed: Vec<u32>,
    resource: Vec<u32>,
    state: Vec<u16>,
    resource_type: Vec<u32>,
    account: Vec<u32>,
    region: Vec<u32>,
    names: Vec<String>,
    last: Option<Arc<ResourceRef>>,
    ids: Vec<u8>,
    ends: Vec<u32>,
    details: Vec<u8>,
}

impl Chunk {
    /// Whether it has to be written before the next finding.
    pub(super) fn is_full(&self) -> bool {
        self.control.len() >= FINDINGS || self.details.len() >= DETAILS
    }

    /// Adds a finding of this run.
    pub(super) fn push(&mut self, finding: &Finding, dictionary: &mut Dictionary) -> io::Result<()> {
        self.add(finding, result_of(finding.compliance), None, dictionary)
    }

    /// Adds a finding that only the run before had.
    pub(super) fn push_gone(&mut self, gone: &Gone, dictionary: &mut Dictionary) -> io::Result<()> {
        let change = gone.finding.lifecycle.as_ref().map(|lifecycle| lifecycle.change);
        // What nobody looked at is not resolved.
        let result = if change == Some(Change::Resolved) { 4 } else { 5 };
        self.add(&gone.finding, result, Some(&gone.reason), dictionary)
    }

    fn add(
        &mut self,
        finding: &Finding,
        result: u16,
        gone: Option<&str>,
        dictionary: &mut Dictionary,
    ) -> io::Result<()> {
        let resource = self.resource_number(&finding.resource, dictionary);
        let lifecycle = finding.lifecycle.as_ref();
        self.control.push(dictionary.control(&finding.control));
        self.owner.push(finding.owner.as_ref().map_or(0, |owner| dictionary.owner(&owner.name)));
        self.first_observed.push(lifecycle.map_or(0, |lifecycle| dictionary.time(&lifecycle.first_observed_at)));
        self.resource.push(resource);
        self.state.push(state(finding, result));
        let id = bytes_of(&finding.id);
        self.ids.extend(id.unwrap_or_default());
        let details = Details {
            id: id.is_none().then_some(finding.id.as_str()),
            evidence: Some(&finding.evidence).filter(|evidence| !evidence.is_empty()),
            gaps: Some(finding.gaps.as_slice()).filter(|gaps| !gaps.is_empty()),
            exception: finding.exception.as_ref(),
            owner_from: finding.owner.as_ref().map(|owner| owner.source.to_string()),
            last_observed: lifecycle
                .and_then(|lifecycle| lifecycle.last_observed_at.as_deref())
                .map(|last| dictionary.time(last)),
            was: lifecycle.and_then(|lifecycle| lifecycle.was.as_ref()),
            last_known: lifecycle.and_then(|lifecycle| lifecycle.last_known).or(gone.map(|_| finding.compliance)),
            gone,
        };
        serde_json::to_writer(&mut self.details, &details)?;
        self.ends.push(number(self.details.len()));
        Ok(())
    }

    /// Findings come resource by resource, so only the last one has to be known.
    fn resource_number(&mut self, resource: &Arc<ResourceRef>, dictionary: &mut Dictionary) -> u32 {
        if self.last.as_deref() != Some(&**resource) {
            self.last = Some(Arc::clone(resource));
            self.resource_type.push(dictionary.type_name(resource.type_name.as_str()));
            self.account.push(dictionary.account(resource.account.as_str()));
            self.region.push(dictionary.region(resource.region.as_str()));
            self.names.push(resource.uid.as_str().to_owned());
        }
        number(self.names.len().saturating_sub(1))
    }

    /// Writes what there is, if there is anything, and begins anew.
    pub(super) fn write(&mut self, dictionary: &mut Dictionary, out: &mut dyn Write) -> io::Result<()> {
        if self.control.is_empty() {
            return Ok(());
        }
        let place = dictionary.next_chunk();
        let size = Size { findings: self.control.len(), resources: self.names.len() };
        block::write(out, &format!("light-{place}"), &self.light(size)?)?;
        block::write(out, &format!("ids-{place}"), &self.ids)?;
        let mut details = Vec::with_capacity(self.details.len() + 4 * self.ends.len() + 4);
        details.extend(number(size.findings).to_le_bytes());
        extend(&mut details, &self.ends);
        details.append(&mut self.details);
        block::write(out, &format!("details-{place}"), &details)?;
        dictionary.add_chunk(size);
        *self = Self::default();
        Ok(())
    }

    fn light(&self, size: Size) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        extend(&mut bytes, &[number(size.findings), number(size.resources)]);
        let columns = [&self.control, &self.owner, &self.first_observed, &self.resource];
        let of_resources = [&self.resource_type, &self.account, &self.region];
        for column in columns.into_iter().chain(of_resources) {
            extend(&mut bytes, column);
        }
        for state in &self.state {
            bytes.extend(state.to_le_bytes());
        }
        serde_json::to_writer(&mut bytes, &self.names)?;
        Ok(bytes)
    }
}

fn extend(bytes: &mut Vec<u8>, numbers: &[u32]) {
    bytes.reserve(4 * numbers.len());
    for number in numbers {
        bytes.extend(number.to_le_bytes());
    }
}

/// Numbers here are bounded by [`FINDINGS`] and [`DETAILS`].
fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Severity, result, change, exception, and whether the newest run that could look saw a violation, in ten bits, each worst
/// first; the script has the same order.
fn state(finding: &Finding, result: u16) -> u16 {
    let severity = match finding.severity {
        Severity::Critical => 0,
        Severity::High => 1,
        Severity::Medium => 2,
        Severity::Low => 3,
    };
    let change = finding.lifecycle.as_ref().map_or(0, change_of);
    let (excepted, was_violation) = (finding.exception.is_some(), was_violation(finding));
    severity | (result << 2) | (change << 5) | (u16::from(excepted) << 8) | (u16::from(was_violation) << 9)
}

fn result_of(compliance: ComplianceType) -> u16 {
    match compliance {
        ComplianceType::NonCompliant => 0,
        ComplianceType::InsufficientData => 1,
        ComplianceType::Compliant => 2,
        ComplianceType::NotApplicable => 3,
    }
}

/// 0 is "never compared".
fn change_of(lifecycle: &Lifecycle) -> u16 {
    let place = Change::ALL.iter().position(|change| *change == lifecycle.change);
    place.and_then(|place| u16::try_from(place + 1).ok()).unwrap_or(0)
}

/// The sixteen bytes of an id of 32 hexadecimal digits, as all stable ids are.
fn bytes_of(id: &str) -> Option<[u8; 16]> {
    let lower = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if id.len() != 32 || !lower {
        return None;
    }
    u128::from_str_radix(id, 16).ok().filter(|number| *number != 0).map(u128::to_be_bytes)
}
