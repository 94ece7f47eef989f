//! What findings share: controls, accounts, Regions, types, owners, times.
//!
//! In: a report, and every finding once. Out: small numbers that stand for the names, and at the end one block with the
//! names. It grows with the organization, never with the number of findings.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::block;
use super::chunk::Size;
use crate::finding::{Control, Framework};
use crate::inventory::AccountId;
use crate::report::{Report, RunInfo};

/// Version of the shape of the blocks; the script beside it in the same page reads only this one.
const SHAPE: u32 = 1;

/// Names in the order in which they were first met.
#[derive(Default)]
struct Names {
    numbers: BTreeMap<String, u32>,
    names: Vec<String>,
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.numbers.insert(name.to_owned(), number);
        self.names.push(name.to_owned());
        number
    }
}

/// The names that findings share.
pub(super) struct Dictionary {
    controls: Names,
    accounts: Names,
    regions: Names,
    types: Names,
    owners: Names,
    times: Names,
    sizes: Vec<Size>,
}

impl Dictionary {
    /// Begins with the controls and accounts of the report, in their order, whether or not a finding names them.
    pub(super) fn of(report: &Report<'_>) -> Self {
        let mut controls = Names::default();
        for id in report.controls.keys() {
            controls.number(id);
        }
        let mut accounts = Names::default();
        for id in report.accounts.keys() {
            accounts.number(id.as_str());
        }
        let (mut owners, mut times) = (Names::default(), Names::default());
        // Number 0 stands for "nobody" and for "not known".
        owners.number("");
        times.number("");
        Self {
            controls,
            accounts,
            regions: Names::default(),
            types: Names::default(),
            owners,
            times,
            sizes: Vec::new(),
        }
    }

    pub(super) fn control(&mut self, id: &str) -> u32 {
        self.controls.number(id)
    }

    pub(super) fn account(&mut self, id: &str) -> u32 {
        self.accounts.number(id)
    }

    pub(super) fn region(&mut self, name: &str) -> u32 {
        self.regions.number(name)
    }

    pub(super) fn type_name(&mut self, name: &str) -> u32 {
        self.types.number(name)
    }

    /// 0 for no owner.
    pub(super) fn owner(&mut self, name: &str) -> u32 {
        self.owners.number(name)
    }

    /// 0 for a time that is not known. Times are those of runs, so there are few.
    pub(super) fn time(&mut self, rfc3339: &str) -> u32 {
        self.times.number(rfc3339)
    }

    /// The number of the next chunk.
    pub(super) fn next_chunk(&self) -> usize {
        self.sizes.len()
    }

    /// A chunk has been written.
    pub(super) fn add_chunk(&mut self, size: Size) {
        self.sizes.push(size);
    }

    /// Writes everything that the numbers stand for.
    pub(super) fn write(&self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
        let names = &self.controls.names;
        let document = Document {
            shape: SHAPE,
            run: &report.run,
            compared_with: report.over_time.comparison.as_ref().map(|comparison| &comparison.previous),
            chunks: &self.sizes,
            controls: names.iter().map(|id| ControlEntry::of(id, report.controls.get(id))).collect(),
            accounts: self.accounts.names.iter().map(|id| account(report, id)).collect(),
            regions: &self.regions.names,
            types: &self.types.names,
            owners: &self.owners.names,
            times: &self.times.names,
            frameworks: report.frameworks.values().map(FrameworkEntry::of).collect(),
        };
        block::write(out, "dictionary", &serde_json::to_vec(&document)?)
    }
}

/// Id, name and unit.
fn account<'a>(report: &'a Report<'_>, id: &'a str) -> [&'a str; 3] {
    let known = id.parse().ok().and_then(|id: AccountId| report.accounts.get(&id));
    known.map_or([id, "", ""], |info| [id, &info.name, &info.organizational_unit_path])
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    shape: u32,
    run: &'a RunInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared_with: Option<&'a RunInfo>,
    chunks: &'a [Size],
    controls: Vec<ControlEntry<'a>>,
    accounts: Vec<[&'a str; 3]>,
    regions: &'a [String],
    types: &'a [String],
    owners: &'a [String],
    times: &'a [String],
    frameworks: Vec<FrameworkEntry<'a>>,
}

#[derive(Serialize)]
struct ControlEntry<'a> {
    id: &'a str,
    title: &'a str,
    remediation: &'a str,
    frameworks: &'a [String],
}

impl<'a> ControlEntry<'a> {
    fn of(id: &'a str, control: Option<&'a Control>) -> Self {
        Self {
            id,
            title: control.map_or("", |control| &control.title),
            remediation: control.map_or("", |control| &control.remediation),
            frameworks: control.map(|control| control.frameworks.as_slice()).unwrap_or_default(),
        }
    }
}

#[derive(Serialize)]
struct FrameworkEntry<'a> {
    id: &'a str,
    name: &'a str,
    requirements: BTreeMap<&'a str, &'a str>,
}

impl<'a> FrameworkEntry<'a> {
    fn of(framework: &'a Framework) -> Self {
        let requirements =
            framework.requirements.iter().map(|requirement| (requirement.id.as_str(), requirement.title.as_str()));
        Self { id: &framework.id, name: &framework.name, requirements: requirements.collect() }
    }
}
