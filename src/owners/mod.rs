//! Who answers for a resource.
//!
//! In: the tags of a resource and of its account, and rules. Out: an [`Owner`], from the nearest source that names one:
//! tag of the resource, tag of the account, last matching line of the mapping file. Where the tags of the resource could not
//! be seen, or the organizational unit that a line asks for, the owner says so: a missing permission must not look like a
//! resource that changed hands. Pure: no file is read here.

mod mapping;

pub use mapping::{Mapping, MappingError};

use crate::finding::{Owner, OwnerSource};
use crate::inventory::{AccountId, Region, ResourceUid, Tags, TypeName};

/// What is known of a resource that somebody answers for.
#[derive(Debug, Clone, Copy)]
pub struct Owned<'a> {
    /// The resource.
    pub uid: &'a ResourceUid,
    /// Its type.
    pub type_name: &'a TypeName,
    /// Its tags; those that were seen, where not all of them were.
    pub tags: &'a Tags,
    /// Whether all its tags were seen.
    pub tags_seen: bool,
    /// Its account.
    pub account: &'a AccountId,
    /// Name of the account, or empty.
    pub account_name: &'a str,
    /// `/Workloads/Prod`, or empty where it was not seen.
    pub organizational_unit_path: &'a str,
    /// Tags of the account.
    pub account_tags: &'a Tags,
    /// Its Region, or global.
    pub region: &'a Region,
}

/// Where owners are looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owners {
    /// Keys of tags on resources; the first that is there and not empty wins. Compared without case.
    pub resource_tags: Vec<String>,
    /// Keys of tags on accounts, read the same way.
    pub account_tags: Vec<String>,
    /// Lines of the mapping file.
    pub mapping: Mapping,
}

impl Owners {
    /// Who answers for it, if anybody is named.
    #[must_use]
    pub fn owner_of(&self, owned: &Owned<'_>) -> Option<Owner> {
        let of_resource = || {
            let (key, name) = tagged(&self.resource_tags, owned.tags)?;
            Some(Owner { name, source: OwnerSource::ResourceTag { key } })
        };
        let of_account = || {
            let (key, name) = tagged(&self.account_tags, owned.account_tags)?;
            Some(Owner { name, source: OwnerSource::AccountTag { key } })
        };
        let nearest_but_tags = || {
            let Owner { name, source } = of_account().or_else(|| self.mapping.owner_of(owned))?;
            let may_be_another = !owned.tags_seen && !self.resource_tags.is_empty();
            let source = if may_be_another { OwnerSource::TagsNotSeen { instead: Box::new(source) } } else { source };
            Some(Owner { name, source })
        };
        of_resource().or_else(nearest_but_tags)
    }
}

/// The first of the keys that has a value: the tag's own key, and the value without space around it.
fn tagged(keys: &[String], tags: &Tags) -> Option<(String, String)> {
    keys.iter().find_map(|wanted| {
        let mut found = tags.iter().filter(|(key, value)| key.eq_ignore_ascii_case(wanted) && !value.trim().is_empty());
        found.next().map(|(key, value)| (key.clone(), value.trim().to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        uid: ResourceUid,
        tags: Tags,
        tags_seen: bool,
        account_tags: Tags,
    }

    impl World {
        fn owner(&self, owners: &Owners) -> Option<Owner> {
            owners.owner_of(&Owned {
                uid: &self.uid,
                type_name: &TypeName::PIPELINE,
                tags: &self.tags,
                tags_seen: self.tags_seen,
                account: &"111122223333".parse().unwrap(),
                account_name: "payments-prod",
                organizational_unit_path: "/Workloads/Prod",
                account_tags: &self.account_tags,
                region: &"eu-west-1".parse().unwrap(),
            })
        }
    }

    fn tags(of: &[(&str, &str)]) -> Tags {
        of.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn world() -> World {
        World {
            uid: ResourceUid("arn:aws:codepipeline:eu-west-1:111122223333:checkout".to_owned()),
            tags: tags(&[("Team", "checkout"), ("owner", " ")]),
            tags_seen: true,
            account_tags: tags(&[("owner", "payments")]),
        }
    }

    #[test]
    fn the_nearest_source_that_names_somebody_wins() {
        let keys = || vec!["owner".to_owned(), "team".to_owned()];
        let owners = Owners { resource_tags: keys(), account_tags: keys(), mapping: "* everybody".parse().unwrap() };
        let mut world = world();
        let owner = world.owner(&owners).unwrap();
        assert_eq!((owner.name.as_str(), owner.source), ("checkout", OwnerSource::ResourceTag { key: "Team".into() }));
        world.tags.clear();
        let owner = world.owner(&owners).unwrap();
        assert_eq!((owner.name.as_str(), owner.source), ("payments", OwnerSource::AccountTag { key: "owner".into() }));
        world.account_tags.clear();
        let owner = world.owner(&owners).unwrap();
        assert_eq!((owner.name.as_str(), owner.source), ("everybody", OwnerSource::MappingFile { line: 1 }));
        assert_eq!(world.owner(&Owners::default()), None);
    }

    #[test]
    fn where_tags_were_not_seen_the_owner_says_so() {
        let keys = || vec!["owner".to_owned(), "team".to_owned()];
        let mut owners =
            Owners { resource_tags: keys(), account_tags: keys(), mapping: "* everybody".parse().unwrap() };
        let mut world = World { tags_seen: false, ..world() };
        assert_eq!(
            world.owner(&owners).unwrap().source,
            OwnerSource::ResourceTag { key: "Team".into() },
            "that was seen"
        );
        world.tags.clear();
        let owner = world.owner(&owners).unwrap();
        assert_eq!(owner.name, "payments");
        assert_eq!(owner.source.to_string(), "tag owner of the account (tags of the resource were not seen)");
        let written = serde_json::to_value(&owner).unwrap();
        let source = serde_json::json!({"kind": "TagsNotSeen", "instead": {"kind": "AccountTag", "key": "owner"}});
        assert_eq!(written["source"], source);
        assert_eq!(serde_json::from_value::<Owner>(written).unwrap(), owner);
        world.account_tags.clear();
        let owner = world.owner(&owners).unwrap();
        assert_eq!(owner.source.to_string(), "line 1 of the owners file (tags of the resource were not seen)");
        // Nobody looks for an owner there.
        owners.resource_tags.clear();
        assert_eq!(world.owner(&owners).unwrap().source, OwnerSource::MappingFile { line: 1 });
    }
}
