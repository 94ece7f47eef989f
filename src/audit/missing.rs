//! Parts that a stage of a fanned-out run never left.
//!
//! In: a run whose stages have ended, however they ended. Out: in the place of each part that is not there, a part that
//! says so. It exists so that a worker that died is a gap, and never silence.

use std::collections::BTreeSet;

use super::{listed_accounts, to_ask};
use crate::inventory::{AccountId, Affects, Gap, GapCause, Inventory, Reference, Region};
use crate::run::{INVENTORY, ORGANIZATION, REFERENCED, RunDirectory, RunError};

/// What the stages of a run left.
#[derive(Debug, Default)]
pub struct Left {
    /// The accounts that the run is about.
    pub selected: Vec<AccountId>,
    /// What they name of each other.
    pub elsewhere: BTreeSet<Reference>,
}

impl Left {
    /// Writes a gap in the place of every account's own part that is not there, and reads what the others name.
    ///
    /// # Errors
    /// [`RunError`] if a part is damaged or cannot be written.
    pub fn accounts(run: &RunDirectory) -> Result<Self, RunError> {
        let selected = listed_accounts(&run.read_inventory(None, ORGANIZATION)?);
        let mut elsewhere = BTreeSet::new();
        for account in &selected {
            if run.has_account(account, INVENTORY) {
                elsewhere.extend(run.read_inventory(Some(account), INVENTORY)?.references);
            } else {
                run.write_inventory(Some(account), INVENTORY, &left_nothing(account, "account", Affects::Account))?;
            }
        }
        Ok(Self { selected, elsewhere })
    }

    /// The same for what accounts were to be asked for.
    ///
    /// # Errors
    /// [`RunError`] if a part cannot be written.
    pub fn referenced(&self, run: &RunDirectory) -> Result<(), RunError> {
        for account in to_ask(&self.selected, &self.elsewhere) {
            if !run.has_part(Some(&account), REFERENCED) {
                let part = left_nothing(&account, "referenced", Affects::Details);
                run.write_inventory(Some(&account), REFERENCED, &part)?;
            }
        }
        Ok(())
    }
}

/// The part of an account of which a stage left nothing.
#[must_use]
pub fn left_nothing(account: &AccountId, stage: &str, affects: Affects) -> Inventory {
    let message = format!(
        "the stage `{stage}` of the run left nothing of this account: it failed, was stopped, or never began; its log says why"
    );
    let gap = Gap {
        account: account.clone(),
        region: Region::GLOBAL,
        service: "sts".to_owned(),
        action: "sts:AssumeRole".to_owned(),
        cause: GapCause::Service { code: "NotCollected".to_owned(), message },
        affects,
    };
    Inventory { gaps: vec![gap], ..Inventory::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Resource, TypeName};
    use crate::run::Plan;

    #[test]
    fn a_stage_that_left_nothing_is_a_gap_and_what_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan::new("20261121T020000Z".parse().unwrap(), serde_json::json!({}), 7);
        let run = RunDirectory::create(folder.path(), plan).unwrap();
        let ids: [AccountId; 2] = ["111111111111", "222222222222"].map(|id| id.parse().unwrap());
        let resources = ids
            .iter()
            .map(|id| Resource::live(TypeName::ACCOUNT, id.to_string(), id.clone(), Region::GLOBAL))
            .collect();
        run.write_inventory(None, ORGANIZATION, &Inventory { resources, ..Inventory::default() }).unwrap();
        let reference = Reference {
            type_name: TypeName::BUCKET,
            name: "artifacts".to_owned(),
            account: ids[0].clone(),
            region: "eu-west-1".parse().unwrap(),
        };
        let own = Inventory { references: vec![reference.clone()], ..Inventory::default() };
        run.write_inventory(Some(&ids[0]), INVENTORY, &own).unwrap();
        run.write_inventory(Some(&ids[0]), REFERENCED, &Inventory::default()).unwrap();
        let left = Left::accounts(&run).unwrap();
        left.referenced(&run).unwrap();
        assert_eq!(left.selected, ids);
        assert_eq!(left.elsewhere, BTreeSet::from([reference]));
        let gaps = |id: &AccountId, part: &str| run.read_inventory(Some(id), part).unwrap().gaps;
        assert!(gaps(&ids[0], INVENTORY).is_empty() && gaps(&ids[0], REFERENCED).is_empty());
        let missing = gaps(&ids[1], INVENTORY).remove(0);
        assert_eq!(missing.affects, Affects::Account);
        assert!(missing.cause.to_string().contains("the stage `account`"), "{}", missing.cause);
        let details = gaps(&ids[1], REFERENCED).remove(0);
        assert_eq!(details.affects, Affects::Details);
        assert!(details.cause.to_string().contains("the stage `referenced`"), "{}", details.cause);
    }
}
