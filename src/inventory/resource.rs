//! One resource in CloudFormation's own words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AccountId, Gap, Region, ResourceUid, TypeName};

/// Properties under CloudFormation's property names. `docs/resources.md` lists them per type.
pub type Properties = Map<String, Value>;

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// Where a resource was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum Origin {
    /// In an account, through its API.
    Live,
    /// In a template, before it exists.
    Template {
        /// Path as given on the command line.
        file: String,
        /// One-based line of the logical id.
        line: u32,
    },
}

/// One resource: what was seen of it, and what was not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// ARN when live, `path#LogicalId` in a template.
    pub uid: ResourceUid,
    /// CloudFormation type name.
    pub type_name: TypeName,
    /// The account that owns it (for a trail: the account it was seen from).
    pub account: AccountId,
    /// Its Region, or [`Region::GLOBAL`].
    pub region: Region,
    /// Live or template.
    pub origin: Origin,
    /// Tags; empty as well when `Tags` stands in [`Self::unseen`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: Tags,
    /// CloudFormation property names and values.
    pub properties: Properties,
    /// Top-level properties that could not be seen, with the gap; `*` stands for everything but the name. A property
    /// that is neither in `properties` nor here was seen to be unset.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unseen: BTreeMap<String, Gap>,
}

impl Resource {
    /// A live resource without tags or properties yet.
    #[must_use]
    pub fn live(type_name: TypeName, uid: String, account: AccountId, region: Region) -> Self {
        Self {
            uid: ResourceUid(uid),
            type_name,
            account,
            region,
            origin: Origin::Live,
            tags: Tags::new(),
            properties: Properties::new(),
            unseen: BTreeMap::new(),
        }
    }

    /// Takes over the names that a second copy of the same resource was asked for under.
    pub(super) fn take_aliases(&mut self, other: &Self) {
        const NAME: &str = "Aliases";
        let of = |resource: &Self| resource.properties.get(NAME).and_then(Value::as_array).cloned().unwrap_or_default();
        let both: std::collections::BTreeSet<String> =
            of(self).iter().chain(&of(other)).filter_map(Value::as_str).map(str::to_owned).collect();
        if !both.is_empty() {
            self.properties.insert(NAME.to_owned(), both.into_iter().collect());
        }
    }

    /// The gap over a top-level property (or over everything), if it could not be seen.
    #[must_use]
    pub fn gap_over(&self, property: &str) -> Option<&Gap> {
        self.unseen.get(property).or_else(|| self.unseen.get("*"))
    }
}

/// Something that a resource names and that may live in another account or Region: a bucket, a key, an alarm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// What kind of thing is named.
    pub type_name: TypeName,
    /// As written by whoever names it: bucket name, alarm name, key ARN, key id or alias.
    pub name: String,
    /// The account and Region it is named from; a bucket may live elsewhere.
    pub account: AccountId,
    /// Region it is named from.
    pub region: Region,
}
