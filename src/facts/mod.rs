//! What policies read: facts derived from properties, and the joins between resources of many accounts.
//!
//! In: resources in CloudFormation's words. Out: a [`Subject`] per resource with camelCase facts. It exists because
//! Cedar has no quantifier over records: order of stages, any/all over actions and everything that joins two resources
//! is decided here, and kept as a set that explains itself. Pure: no clock, environment, network or file.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::inventory::{AccountId, Region, ResourceUid, Tags, TypeName};

/// The value of a fact, as far as Cedar needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Cedar `Bool`.
    Bool(bool),
    /// Cedar `Long`.
    Long(i64),
    /// Cedar `String`.
    Text(String),
    /// Cedar `Set<String>`; elements say what they are about (`Deploy/ProdCluster`).
    Set(BTreeSet<String>),
    /// Cedar `datetime`, RFC 3339 in UTC with milliseconds.
    Datetime(String),
}

/// The facts of one resource. A fact is in exactly one of the two maps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What is known.
    pub known: BTreeMap<Cow<'static, str>, Fact>,
    /// What is not known, and one sentence per gap that says why.
    pub unknown: BTreeMap<Cow<'static, str>, Vec<String>>,
}

/// One resource, ready to be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// ARN or template id.
    pub uid: ResourceUid,
    /// CloudFormation type name, which is the Cedar entity type too.
    pub type_name: TypeName,
    /// Owning account: the Cedar principal.
    pub account: AccountId,
    /// Region, or global.
    pub region: Region,
    /// Tags, for exceptions and ownership.
    pub tags: Tags,
    /// Facts.
    pub facts: Facts,
}

pub fn action_of(_t: &TypeName) -> Option<&'static str> { None }
