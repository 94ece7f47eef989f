//! `--config`: a file of this machine, or an object in a bucket with everything beside it.
//!
//! In: what `--config` says. Out: the configuration. Of an object its whole folder comes too, so that the files and
//! folders of policies that the configuration names by relative paths are there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::failure::Failure;
use super::working_folder::WorkingFolder;
use super::{Opened, StoreOptions, address_of};
use crate::config::{Config, Written};
use crate::run::{Store, StoreAddress};

impl StoreOptions {
    /// Reads a configuration, from wherever it is.
    pub(in crate::cli) fn configuration(&self, file: Option<&Path>, profile: Option<&str>) -> Result<Config, Failure> {
        let Some(path) = file else { return local(None) };
        match address_of(path)? {
            None => local(Some(path)),
            Some(address) => self.fetched(path, &address, profile),
        }
    }

    fn fetched(&self, named: &Path, address: &StoreAddress, profile: Option<&str>) -> Result<Config, Failure> {
        let shown = named.display().to_string();
        let (folder, name) = address
            .split_last()
            .ok_or_else(|| Failure::usage(format!("`{shown}` names no object; write s3://BUCKET/KEY")))?;
        let Opened { objects, runtime } = self.open(folder, profile)?;
        let working = WorkingFolder::create("config")?;
        let store = Store::new(objects, working.path());
        runtime.block_on(store.fetch_settings()).map_err(|error| Failure::failed(&error))?;
        if !working.path().join(&name).is_file() {
            return Err(Failure::usage(format!("{shown} cannot be read: there is no such object; mend --config")));
        }
        let (written, _) = Written::read(Some(&working.path().join(&name))).map_err(|error| {
            let local = working.path().join(&name).display().to_string();
            Failure::usage(error.to_string().replace(&local, &shown))
        })?;
        let config = resolved(written, &shown, working.path())?;
        Ok(Config { held: Some(Arc::new(working)), ..config })
    }
}

fn local(file: Option<&Path>) -> Result<Config, Failure> {
    let (written, file) = Written::read(file).map_err(Failure::usage)?;
    written.resolve(&file).map_err(Failure::usage)
}

/// Relative paths lead into the folder. What the configuration says of itself stays as it is written: two machines that
/// fetch it ask the same.
fn resolved(mut written: Written, file: &str, folder: &Path) -> Result<Config, Failure> {
    let within = |path: &PathBuf| folder.join(path);
    let owners = written.owners.file.clone();
    written.owners.file = owners.as_ref().map(within);
    let mut config = written.resolve(file).map_err(Failure::usage)?;
    for incidents in &mut config.incidents {
        *incidents = within(incidents);
    }
    config.written.owners.file = owners;
    for folder in &mut config.policies.folders {
        *folder = within(folder);
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_lead_into_the_folder_and_the_question_stays() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("OWNERS"), "* platform\n").unwrap();
        let text = "[owners]\nfile = \"OWNERS\"\n[policies]\nfolders = [\"ours\", \"/abs\"]\n[history]\nincidents = [\"i.csv\"]\n";
        let written = || toml::from_str::<Written>(text).unwrap();
        let config = resolved(written(), "s3://b/pipewarden.toml", folder.path()).map_err(|_| "failed").unwrap();
        assert_eq!(config.policies.folders, [folder.path().join("ours"), PathBuf::from("/abs")]);
        assert_eq!(config.incidents, [folder.path().join("i.csv")]);
        assert_eq!(config.written.history.incidents, [PathBuf::from("i.csv")]);
        assert_eq!(config.written.owners.file, Some(PathBuf::from("OWNERS")));
        assert_eq!(config.written.policies.folders, [PathBuf::from("ours"), PathBuf::from("/abs")]);
        assert_eq!(config.file, "s3://b/pipewarden.toml");
    }
}
