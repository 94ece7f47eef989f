//! `--config`: a file of this machine, or an object in a bucket with everything beside it.
//!
//! In: what `--config` says. Out: the configuration. Of an object its whole folder comes too, so that the files and
//! folders of policies that the configuration names by relative paths are there.

use std::path::Path;
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
        let read = Written::read(Some(&working.path().join(&name)));
        let config = read.and_then(|(written, _)| written.resolve_in(&shown, working.path())).map_err(|error| {
            // Nobody knows the folder that it was fetched into.
            let local = format!("{}/", working.path().display());
            let there = shown.strip_suffix(name.as_str()).unwrap_or_default();
            Failure::usage(error.to_string().replace(&local, there))
        })?;
        Ok(Config { held: Some(Arc::new(working)), ..config })
    }
}

fn local(file: Option<&Path>) -> Result<Config, Failure> {
    Config::read(file).map_err(Failure::usage)
}
