//! The files of an archive that are wanted, found with as few listings as the layout allows.

use super::ArchiveSelection;
use super::layout::{Days, Filed, Kind, Place};
use super::objects::{ArchiveObjects, KeyRange};
use crate::inventory::{AccountId, GapCause, Region};

/// The folders of an account that are read.
const KINDS: [&str; 2] = ["CloudTrail", "CloudTrail-Digest"];

/// A place where the listing failed: account and Region, as far as they were known then, the key, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unlisted {
    pub(super) account: Option<AccountId>,
    pub(super) region: Option<Region>,
    pub(super) prefix: String,
    pub(super) cause: GapCause,
}

/// The wanted files.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) logs: Vec<Filed>,
    pub(super) digests: Vec<Filed>,
    /// Every account and Region that was looked for, whether it has files or not.
    pub(super) places: Vec<Place>,
    pub(super) unlisted: Vec<Unlisted>,
}

impl Listing {
    /// Lists.
    pub(super) fn of(objects: &dyn ArchiveObjects, selection: &ArchiveSelection) -> Self {
        let mut listing = Self::default();
        if objects.is_loose() {
            listing.everything(objects, selection);
        } else {
            listing.by_folders(objects, selection);
        }
        listing.logs.sort_by(|a, b| a.key.cmp(&b.key));
        listing.digests.sort_by(|a, b| (a.delivered, &a.key).cmp(&(b.delivered, &b.key)));
        listing.places.extend(listing.logs.iter().chain(&listing.digests).filter_map(|file| file.place.clone()));
        listing.places.sort();
        listing.places.dedup();
        listing
    }

    fn everything(&mut self, objects: &dyn ArchiveObjects, selection: &ArchiveSelection) {
        match objects.keys(KeyRange { prefix: "", after: "", before: "" }) {
            Ok(keys) => self.take(keys, selection),
            Err(cause) => self.unlisted.push(Unlisted { account: None, region: None, prefix: String::new(), cause }),
        }
        for account in &selection.accounts {
            for region in &selection.regions {
                self.places.push(Place { account: account.clone(), region: region.clone() });
            }
        }
    }

    fn by_folders(&mut self, objects: &dyn ArchiveObjects, selection: &ArchiveSelection) {
        let mut roots = vec!["AWSLogs/".to_owned()];
        let mut accounts: Vec<(AccountId, String)> = Vec::new();
        while let Some(root) = roots.pop() {
            for name in self.folders(objects, None, &root) {
                if let Ok(account) = name.parse() {
                    accounts.push((account, format!("{root}{name}/")));
                } else if name.starts_with("o-") && root == "AWSLogs/" {
                    roots.push(format!("{root}{name}/"));
                }
            }
        }
        for (account, folder) in accounts {
            if !selects(&selection.accounts, &account) {
                continue;
            }
            // A Region where nothing happens has digests and no log files.
            let mut regions = selection.regions.clone();
            if regions.is_empty() {
                for kind in KINDS {
                    let names = self.folders(objects, Some(&account), &format!("{folder}{kind}/"));
                    regions.extend(names.iter().filter_map(|name| name.parse::<Region>().ok()));
                }
            }
            regions.sort();
            regions.dedup();
            for region in regions {
                self.region(objects, selection, &Place { account: account.clone(), region }, &folder);
            }
        }
        for account in &selection.accounts {
            for region in &selection.regions {
                self.places.push(Place { account: account.clone(), region: region.clone() });
            }
        }
    }

    fn region(&mut self, objects: &dyn ArchiveObjects, selection: &ArchiveSelection, place: &Place, folder: &str) {
        for kind in KINDS {
            let prefix = format!("{folder}{kind}/{}/", place.region);
            let (after, before) = Days::of(selection.period).bounds(&prefix);
            match objects.keys(KeyRange { prefix: &prefix, after: &after, before: &before }) {
                Ok(keys) => self.take(keys, selection),
                Err(cause) => self.unlisted.push(Unlisted {
                    account: Some(place.account.clone()),
                    region: Some(place.region.clone()),
                    prefix,
                    cause,
                }),
            }
        }
        self.places.push(place.clone());
    }

    fn folders(&mut self, objects: &dyn ArchiveObjects, account: Option<&AccountId>, prefix: &str) -> Vec<String> {
        objects.folders(prefix).unwrap_or_else(|cause| {
            let account = account.cloned();
            self.unlisted.push(Unlisted { account, region: None, prefix: prefix.to_owned(), cause });
            Vec::new()
        })
    }

    /// Sorts keys into log files and digests, without those of other places and days.
    fn take(&mut self, keys: Vec<String>, selection: &ArchiveSelection) {
        let days = Days::of(selection.period);
        let wanted = |file: &Filed| {
            file.delivered.is_none_or(|time| days.contain(time))
                && file.place.as_ref().is_none_or(|place| {
                    selects(&selection.accounts, &place.account) && selects(&selection.regions, &place.region)
                })
        };
        for key in keys {
            match Kind::of(&key) {
                Kind::Log(file) if wanted(&file) => self.logs.push(file),
                Kind::Digest(file) if wanted(&file) => self.digests.push(file),
                _ => {}
            }
        }
    }
}

/// Whether a selection, empty for everything, has something.
pub(super) fn selects<T: PartialEq>(selection: &[T], one: &T) -> bool {
    selection.is_empty() || selection.contains(one)
}
