//! `check --inventory`: what the last audit saw of the things that files name and do not define.
//!
//! In: a run directory and the groups that were read. Out: the part of the run that they are about, and the account that
//! they belong to, where the run tells.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;

use super::super::failure::Failure;
use crate::audit::{LookupError, Wanted, homes, look_up as look_up_in};
use crate::inventory::Inventory;
use crate::run::RunDirectory;
use crate::template::{Group, Holes, Place, shape};

/// Options about the last audit.
#[derive(Debug, Args)]
pub(super) struct InventoryArgs {
    /// Run directory of `pipewarden audit` or `collect`, to look up what the files name and do not define
    #[arg(long, value_name = "RUN")]
    inventory: Option<PathBuf>,
}

impl InventoryArgs {
    /// The run, if one was named.
    pub(super) fn open(&self) -> Result<Option<RunDirectory>, Failure> {
        let Some(path) = &self.inventory else { return Ok(None) };
        RunDirectory::open(path).map(Some).map_err(|error| Failure::usage(format!("--inventory: {error}")))
    }
}

fn failure(error: &LookupError) -> Failure {
    match error {
        LookupError::Incomplete { .. } => Failure::usage(format!("--inventory: {error}")),
        LookupError::Run(_) => Failure::failed(error),
    }
}

/// What the groups declare and name, under the values that nobody has to give.
fn wanted(groups: &[Group]) -> Wanted {
    let mut wanted = Wanted::default();
    for group in groups {
        for choice in std::iter::once(BTreeMap::new()).chain(single_choices(group)) {
            let mut holes = Holes::default();
            let raws = group.source.declare(&choice, &mut holes);
            for declared in shape::declared(&raws, &holes) {
                wanted.see(&declared.resource);
            }
        }
    }
    wanted
}

/// Most choices are about names: each value may name something else.
fn single_choices(group: &Group) -> impl Iterator<Item = BTreeMap<String, String>> {
    const MOST: usize = 32;
    let choices = group.source.choices().into_iter();
    let single = choices.flat_map(|choice| {
        let name = choice.name;
        choice.values.into_iter().map(move |value| BTreeMap::from([(name.clone(), value)]))
    });
    single.take(MOST)
}

/// Where the groups are deployed, if nobody said and one place of the run has their pipelines.
pub(super) fn home(run: &RunDirectory, groups: &[Group], place: &Place) -> Result<Option<Place>, Failure> {
    if place.account_known && place.region_known {
        return Ok(None);
    }
    let pipelines = wanted(groups).pipelines;
    if pipelines.is_empty() {
        return Ok(None);
    }
    let mut found = homes(run, &pipelines).map_err(|error| failure(&error))?;
    if place.account_known {
        found.retain(|(account, _)| *account == place.account);
    }
    if place.region_known {
        found.retain(|(_, region)| *region == place.region);
    }
    let accounts: BTreeSet<_> = found.iter().map(|(account, _)| account).collect();
    let regions: BTreeSet<_> = found.iter().map(|(_, region)| region).collect();
    let [account] = accounts.into_iter().collect::<Vec<_>>()[..] else { return Ok(None) };
    let region = if let [region] = regions.into_iter().collect::<Vec<_>>()[..] { Some(region.clone()) } else { None };
    Ok(Some(Place::new(Some(account.clone()), region.or_else(|| place.region_known.then(|| place.region.clone())))))
}

/// What the run knows of everything that the groups name.
pub(super) fn look_up(run: &RunDirectory, groups: &[Group]) -> Result<Vec<Inventory>, Failure> {
    look_up_in(run, &wanted(groups)).map_err(|error| failure(&error))
}
