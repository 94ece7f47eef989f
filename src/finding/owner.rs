//! Who answers for a finding.
//!
//! In: nothing; the rules are in `owners`. Out: a name and where it comes from, so that a wrong one can be mended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who answers for the resource of a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// As the tag or the file writes it: a team, an address, a handle.
    pub name: String,
    /// Where the name comes from.
    pub source: OwnerSource,
}

/// Where the name of an owner comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum OwnerSource {
    /// A tag of the resource.
    ResourceTag {
        /// Its key.
        key: String,
    },
    /// A tag of the account.
    AccountTag {
        /// Its key.
        key: String,
    },
    /// A line of the mapping file.
    MappingFile {
        /// Its number, from 1 on.
        line: u32,
    },
    /// The tags of the resource could not be seen, and might have named somebody else.
    TagsNotSeen {
        /// The next source that names somebody.
        instead: Box<OwnerSource>,
    },
    /// The organizational unit of the account could not be seen, and a later line of the mapping file might have named
    /// somebody else for it.
    UnitNotSeen {
        /// The line that matches wherever the account stands.
        instead: Box<OwnerSource>,
    },
}

impl fmt::Display for OwnerSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ResourceTag { key } => write!(f, "tag {key} of the resource"),
            Self::AccountTag { key } => write!(f, "tag {key} of the account"),
            Self::MappingFile { line } => write!(f, "line {line} of the owners file"),
            Self::TagsNotSeen { instead } => write!(f, "{instead} (tags of the resource were not seen)"),
            Self::UnitNotSeen { instead } => {
                write!(f, "{instead} (the organizational unit of the account was not seen)")
            }
        }
    }
}
