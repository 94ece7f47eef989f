//! Which requirements there are: the ids in the frameworks' tables.
//!
//! In: TOML files with `[[requirement]]` tables, the built-in ones and those in `frameworks/` of the user's folders. Out:
//! the set of ids that `@frameworks` may name.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;

use super::super::failure::Failure;
use super::super::policies::{find, text_of};
use crate::evaluate::{Policies, SourceText};

#[derive(Debug, Deserialize)]
struct Table {
    #[serde(default)]
    requirement: Vec<Requirement>,
}

#[derive(Debug, Deserialize)]
struct Requirement {
    id: String,
}

/// All known ids; none if there is no table at all.
pub(super) fn known_ids(folders: &[PathBuf]) -> Result<BTreeSet<String>, Failure> {
    let mut files = Policies::embedded_frameworks();
    for folder in folders {
        for file in find(&folder.join("frameworks"), ".toml")? {
            files.push(text_of(&file)?);
        }
    }
    let mut ids = BTreeSet::new();
    for file in files {
        ids.extend(ids_of(&file)?);
    }
    Ok(ids)
}

fn ids_of(file: &SourceText) -> Result<Vec<String>, Failure> {
    let table: Table = toml::from_str(&file.text).map_err(|error| {
        Failure::usage(format!("{}: {error}; a table of a framework has `[[requirement]]` with `id`", file.file))
    })?;
    Ok(table.requirement.into_iter().map(|requirement| requirement.id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_whatever_else_a_table_says() {
        let file = |text: &str| SourceText { file: "f.toml".to_owned(), text: text.to_owned() };
        let text = "name = \"OWASP\"\n[[requirement]]\nid = \"OWASP-CICD-SEC-1\"\ntitle = \"x\"\n[[requirement]]\nid = \"b\"\n";
        assert_eq!(ids_of(&file(text)).unwrap(), ["OWASP-CICD-SEC-1", "b"]);
        assert!(ids_of(&file("[[requirement]]\nname = \"x\"\n")).is_err());
        assert!(ids_of(&file("")).unwrap().is_empty());
    }
}
