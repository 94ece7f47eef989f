//! `[owners]`: as written → as resolved.
//!
//! In: the table, and the mapping file that it names. Out: [`Owners`], or every line of the file that cannot be read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{ConfigError, Written};
use crate::owners::{Mapping, Owners};

/// `[owners]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenOwners {
    /// Keys of tags on resources that name an owner, the first that is there wins.
    pub resource_tags: Vec<String>,
    /// Keys of tags on accounts that do.
    pub account_tags: Vec<String>,
    /// File with a line per pattern, for what no tag answers.
    pub file: Option<PathBuf>,
    /// Owner → e-mail addresses, for deliveries. They decide nothing that a run says, so they are no part of a run.
    #[serde(skip_serializing)]
    pub contacts: BTreeMap<String, Vec<String>>,
}

impl Default for WrittenOwners {
    fn default() -> Self {
        let keys = || ["owner", "team"].map(str::to_owned).to_vec();
        Self { resource_tags: keys(), account_tags: keys(), file: None, contacts: BTreeMap::new() }
    }
}

impl WrittenOwners {
    pub(super) fn is_default(&self) -> bool {
        Self { contacts: BTreeMap::new(), ..self.clone() } == Self::default()
    }
}

impl Written {
    pub(super) fn owners(&self, file: &str, folder: &Path) -> Result<Owners, ConfigError> {
        let wrong = |problem| ConfigError::Value { file: file.to_owned(), key: "owners.file".to_owned(), problem };
        let mapping = match &self.owners.file {
            None => Mapping::default(),
            Some(path) => {
                let path = folder.join(path);
                let shown = path.display();
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| wrong(format!("{shown} cannot be read: {error}")))?;
                text.parse().map_err(|error| wrong(format!("{shown}:\n{error}")))?
            }
        };
        Ok(Owners {
            resource_tags: self.owners.resource_tags.clone(),
            account_tags: self.owners.account_tags.clone(),
            mapping,
        })
    }
}
