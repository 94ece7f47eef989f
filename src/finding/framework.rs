//! Frameworks that controls help to meet: their requirements, as data.
//!
//! In: nothing; they are read where policies are read. Out: [`Framework`], for the reports that show which requirement
//! is met, violated, not seen, or covered by no control at all.

use serde::{Deserialize, Serialize};

/// A framework with the requirements that it is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framework {
    /// What the ids of its requirements begin with, e.g. `CIS-SSC`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The version that its requirements are of.
    pub version: String,
    /// Where it is published.
    pub source: String,
    /// What part of it this is.
    pub note: String,
    /// Its requirements, in its own order.
    #[serde(rename = "requirement")]
    pub requirements: Vec<Requirement>,
}

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// As controls name it: `CIS-SSC-1.1.3`.
    pub id: String,
    /// What it asks for, in few words.
    pub title: String,
}

impl Framework {
    /// The requirement that a control's mapping names; an enhancement, as in `SC-8(1)`, counts for its control.
    #[must_use]
    pub fn requirement(&self, mapped: &str) -> Option<&Requirement> {
        let id = mapped.split_once('(').map_or(mapped, |(id, _)| id);
        self.requirements.iter().find(|requirement| requirement.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enhancement_counts_for_its_control() {
        let requirement = |id: &str| Requirement { id: id.to_owned(), title: String::new() };
        let framework = Framework {
            id: "X".to_owned(),
            name: String::new(),
            version: String::new(),
            source: String::new(),
            note: String::new(),
            requirements: vec![requirement("X-1"), requirement("X-2")],
        };
        assert_eq!(framework.requirement("X-2(1)"), framework.requirements.last());
        assert_eq!(framework.requirement("X-2"), framework.requirements.last());
        assert_eq!(framework.requirement("X-21"), None);
    }
}
