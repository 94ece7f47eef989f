//! Gaps above a single property: whole accounts, types in a Region, resources nobody could read.
//!
//! In: the gaps of every inventory. Out: the sentences that explain why a join found nothing. It exists because absent
//! and unseen look the same to a lookup, and must never be taken for each other.

use std::collections::BTreeMap;

use crate::inventory::{AccountId, Affects, Gap, Region, ResourceUid, TypeName};

/// Sentences by what they leave unknown.
#[derive(Debug, Default)]
pub(super) struct ScopeGaps {
    accounts: BTreeMap<AccountId, Vec<String>>,
    types: BTreeMap<TypeName, BTreeMap<AccountId, Vec<(Region, String)>>>,
    resources: BTreeMap<ResourceUid, Vec<String>>,
}

impl ScopeGaps {
    pub(super) fn index(&mut self, gap: &Gap) {
        match &gap.affects {
            Affects::Account => self.accounts.entry(gap.account.clone()).or_default().push(gap.sentence()),
            Affects::Types { types } => {
                for name in types {
                    let accounts = self.types.entry(name.clone()).or_default();
                    let sentences = accounts.entry(gap.account.clone()).or_default();
                    sentences.push((gap.region.clone(), gap.sentence()));
                }
            }
            Affects::Property { resource, property } if property == "*" => {
                self.resources.entry(resource.clone()).or_default().push(gap.sentence());
            }
            Affects::Property { .. } | Affects::Details => {}
        }
    }

    /// An account that was left out on purpose is not seen either.
    pub(super) fn leave_out(&mut self, account: &AccountId, region: &Region, reason: &str) {
        let sentence = format!("{account} {region} was left out: {reason}");
        if *region == Region::GLOBAL {
            self.accounts.entry(account.clone()).or_default().push(sentence);
        }
    }

    /// Why resources of a type in an account may be missing; with a Region, only what concerns that Region.
    pub(super) fn over(&self, account: &AccountId, region: Option<&Region>, name: &TypeName) -> Vec<String> {
        let whole = self.accounts.get(account).into_iter().flatten();
        let concerns = |seen: &Region| region.is_none_or(|asked| asked == seen || *seen == Region::GLOBAL);
        let some = self.types.get(name).and_then(|accounts| accounts.get(account)).into_iter().flatten();
        whole.chain(some.filter(|(region, _)| concerns(region)).map(|(_, sentence)| sentence)).cloned().collect()
    }

    /// Accounts of which things of these types may be missing.
    pub(super) fn accounts_over<'a>(&'a self, kinds: &'a [TypeName]) -> impl Iterator<Item = &'a AccountId> {
        let some = kinds.iter().filter_map(|kind| self.types.get(kind)).flat_map(BTreeMap::keys);
        self.accounts.keys().chain(some)
    }

    /// Why this one resource may be missing.
    pub(super) fn over_resource(&self, uid: &str) -> Vec<String> {
        self.resources.get(&ResourceUid(uid.to_owned())).cloned().unwrap_or_default()
    }

    /// Why resources of a type may be missing anywhere; whole accounts that could not be seen do not count.
    pub(super) fn over_type(&self, name: &TypeName) -> Vec<String> {
        let accounts = self.types.get(name).into_iter().flat_map(BTreeMap::values).flatten();
        accounts.map(|(_, sentence)| sentence.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{account, denied, region};
    use super::*;

    fn gap(affects: Affects) -> Gap {
        Gap { affects, ..denied("cloudwatch:DescribeAlarms") }
    }

    #[test]
    fn a_gap_covers_its_type_in_its_region_only() {
        let mut gaps = ScopeGaps::default();
        gaps.index(&gap(Affects::Types { types: vec![TypeName::ALARM] }));
        assert_eq!(gaps.over(&account(), Some(&region()), &TypeName::ALARM).len(), 1);
        assert_eq!(gaps.over(&account(), None, &TypeName::ALARM).len(), 1);
        assert!(gaps.over(&account(), Some(&"us-east-1".parse().unwrap()), &TypeName::ALARM).is_empty());
        assert!(gaps.over(&account(), Some(&region()), &TypeName::TRAIL).is_empty());
        assert!(gaps.over(&"999999999999".parse().unwrap(), None, &TypeName::ALARM).is_empty());
    }

    #[test]
    fn a_whole_account_covers_everything_in_it() {
        let mut gaps = ScopeGaps::default();
        gaps.index(&gap(Affects::Account));
        assert_eq!(gaps.over(&account(), Some(&region()), &TypeName::BUCKET).len(), 1);
    }

    #[test]
    fn a_global_gap_concerns_every_region_and_details_none() {
        let mut gaps = ScopeGaps::default();
        gaps.index(&Gap { region: Region::GLOBAL, ..gap(Affects::Types { types: vec![TypeName::BUCKET] }) });
        gaps.index(&gap(Affects::Details));
        assert_eq!(gaps.over(&account(), Some(&region()), &TypeName::BUCKET).len(), 1);
        gaps.leave_out(&account(), &Region::GLOBAL, "excluded");
        assert_eq!(gaps.over(&account(), Some(&region()), &TypeName::BUCKET).len(), 2);
    }
}
