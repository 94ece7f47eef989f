//! What the inventory says of the things whose history is read: definitions, settings, tags, places.

use std::collections::BTreeMap;

use crate::inventory::{AccountId, Affects, Gap, Inventory, Region, Resource, ResourceUid, TypeName};

/// The resources that give a history its meaning. May be empty: then history speaks alone.
#[derive(Debug, Clone, Default)]
pub struct Estate {
    resources: BTreeMap<ResourceUid, Resource>,
    /// Why there may be more of them, by account.
    unlisted: BTreeMap<AccountId, Vec<Gap>>,
}

/// The types that are kept.
const KEPT: &[TypeName] = &[
    TypeName::PIPELINE,
    TypeName::DEPLOYMENT_GROUP,
    TypeName::APPLICATION,
    TypeName::PROJECT,
    TypeName::ACCOUNT,
    TypeName::ROLE,
    TypeName::BRANCH,
    TypeName::BUCKET,
    TypeName::KEY,
    TypeName::TRAIL,
    TypeName::ALARM,
];

impl Estate {
    /// Keeps what matters of an inventory.
    pub fn absorb(&mut self, inventory: &Inventory) {
        for resource in inventory.resources.iter().filter(|resource| KEPT.contains(&resource.type_name)) {
            let kept = self.resources.entry(resource.uid.clone()).or_insert_with(|| resource.clone());
            // An organization trail is seen from many accounts, and with everything only from its own.
            if resource.properties.len() > kept.properties.len() {
                *kept = resource.clone();
            }
        }
        for gap in &inventory.gaps {
            let matters = match &gap.affects {
                Affects::Account => true,
                Affects::Types { types } => types.iter().any(|name| KEPT.contains(name)),
                Affects::Property { .. } | Affects::Details => false,
            };
            if matters {
                self.unlisted.entry(gap.account.clone()).or_default().push(gap.clone());
            }
        }
    }

    /// Why resources of a type may exist in an account that are not here; in one Region, or in any.
    #[must_use]
    pub fn why_unlisted(&self, name: &TypeName, account: &AccountId, region: Option<&Region>) -> Option<&Gap> {
        let here = |of: &Region| *of == Region::GLOBAL || region.is_none_or(|region| region == of);
        self.unlisted.get(account)?.iter().find(|gap| match &gap.affects {
            Affects::Account => true,
            Affects::Types { types } => types.contains(name) && here(&gap.region),
            Affects::Property { .. } | Affects::Details => false,
        })
    }

    /// One resource by its ARN.
    #[must_use]
    pub fn resource(&self, uid: &str) -> Option<&Resource> {
        self.resources.get(&ResourceUid(uid.to_owned()))
    }

    /// All resources of a type, by ARN.
    pub fn of_type(&self, name: &TypeName) -> impl Iterator<Item = &Resource> {
        let name = name.clone();
        self.resources.values().filter(move |resource| resource.type_name == name)
    }

    /// An account, with its tags and place.
    #[must_use]
    pub fn account(&self, id: &AccountId) -> Option<&Resource> {
        self.of_type(&TypeName::ACCOUNT).find(|account| account.account == *id)
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }
}
