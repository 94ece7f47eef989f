//! Who owns what a resource names: a bucket may live in any account, a key says its account in its ARN.
//!
//! In: references. Out: the ones that the account at hand can answer, and the rest.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::collect::{COLLECTORS, Reach, Scope};
use crate::inventory::{
    AccountId, Affects, Arn, Gap, GapCause, Inventory, Reference, Region, Resource, ResourceUid, TypeName,
};

/// Fetches what is named, and what that names in turn, as far as this account owns it. Returns what is left for others.
pub(super) async fn fetch_owned(
    scope: &Scope,
    inventory: &mut Inventory,
    references: Vec<Reference>,
) -> Vec<Reference> {
    let mut elsewhere = BTreeSet::new();
    let mut seen: BTreeSet<Reference> = BTreeSet::new();
    let mut pending: BTreeSet<Reference> = references.into_iter().collect();
    let mut own_buckets: Option<Option<BTreeSet<String>>> = None;
    while !pending.is_empty() {
        let mut owned: BTreeMap<(Region, TypeName), Vec<Reference>> = BTreeMap::new();
        for reference in std::mem::take(&mut pending) {
            if !seen.insert(reference.clone()) {
                continue;
            }
            let region = if reference.type_name == TypeName::BUCKET {
                if own_buckets.is_none() {
                    own_buckets = Some(own_bucket_names(scope, inventory).await);
                }
                let names = own_buckets.as_ref().and_then(Option::as_ref);
                names.is_some_and(|names| names.contains(&reference.name)).then(|| scope.region.clone())
            } else {
                place_of(&reference, &scope.region)
                    .filter(|(account, _)| *account == scope.account)
                    .map(|(_, region)| region)
            };
            match region {
                Some(region) => owned.entry((region, reference.type_name.clone())).or_default().push(reference),
                None => {
                    elsewhere.insert(reference);
                }
            }
        }
        for ((region, type_name), wanted) in owned {
            let scope = scope.in_region(&region);
            let collectors =
                COLLECTORS.iter().filter(|c| c.reach() == Reach::Referenced && c.types().contains(&type_name));
            for collector in collectors {
                let collected = collector.collect(&scope, &wanted).await;
                inventory.resources.extend(collected.resources);
                inventory.gaps.extend(collected.gaps);
                pending.extend(collected.references);
            }
        }
    }
    elsewhere.into_iter().collect()
}

/// The names of the account's own buckets; a refused listing leaves a gap and every bucket to others.
async fn own_bucket_names(scope: &Scope, inventory: &mut Inventory) -> Option<BTreeSet<String>> {
    match crate::collect::s3::list_own_buckets(scope).await {
        Ok(names) => Some(names),
        Err(error) => {
            inventory.gaps.push(error.gap(scope, Affects::Details));
            None
        }
    }
}

/// The account and Region that a reference's name points to. An ARN says both (an ARN without a Region is asked for in
/// the account's home Region); any other name is of the naming account's own.
fn place_of(reference: &Reference, home: &Region) -> Option<(AccountId, Region)> {
    match Arn::parse(&reference.name) {
        Ok(arn) if arn.region.is_empty() => Some((arn.account_id()?, home.clone())),
        Ok(arn) => Some((arn.account_id()?, arn.region.parse().ok()?)),
        Err(_) => Some((reference.account.clone(), reference.region.clone())),
    }
}

/// Whether things of a type are fetched because something names them.
pub(super) fn is_referenced(type_name: &TypeName) -> bool {
    COLLECTORS.iter().any(|collector| collector.reach() == Reach::Referenced && collector.types().contains(type_name))
}

/// Every uid a found thing goes by: its own, for a key the ARNs of the aliases it was asked for under, for a secret the
/// ARNs it was asked for by, with or without the six characters that AWS adds to its name, and for a branch and its
/// repository the names that were given to them.
pub(super) fn names_of(resource: &Resource) -> Vec<ResourceUid> {
    let listed = |property: &str| {
        let list = resource.properties.get(property).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str)
    };
    let mut names = vec![resource.uid.clone()];
    if let (true, Ok(arn)) = (resource.type_name == TypeName::KEY, Arn::parse(resource.uid.as_str())) {
        let (partition, region, account) = (arn.partition, arn.region, arn.account);
        let aliases = listed("Aliases").map(|alias| format!("arn:{partition}:kms:{region}:{account}:{alias}"));
        names.extend(aliases.map(ResourceUid));
    }
    if resource.type_name == TypeName::SECRET {
        let arns = listed("SecretIds").filter(|id| id.starts_with("arn:"));
        names.extend(arns.map(|id| ResourceUid(id.to_owned())));
    }
    if resource.type_name == TypeName::BRANCH || resource.type_name == TypeName::REPOSITORY {
        names.extend(listed("Aliases").map(|alias| ResourceUid(alias.to_owned())));
    }
    names
}

/// How far the owner of a thing was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Search {
    /// In all accounts but so many.
    AllBut(usize),
    /// Nowhere: only what accounts own for others names it, and that is looked at last.
    None,
}

/// Stands for a thing that no account of this run owns up to, so that it is unknown and not absent.
pub(super) fn nowhere(reference: &Reference, partition: &str, search: Search) -> Option<Resource> {
    let uid = if reference.type_name == TypeName::BUCKET {
        format!("arn:{partition}:s3:::{}", reference.name)
    } else if reference.name.starts_with("arn:") {
        reference.name.clone()
    } else {
        return None;
    };
    // Known only through whoever names it, so it stands in that account; its ARN says where it would be.
    let (account, region) = (reference.account.clone(), reference.region.clone());
    let mut resource = Resource::live(reference.type_name.clone(), uid, account.clone(), region.clone());
    let name = if reference.type_name == TypeName::BUCKET { Some("BucketName") } else { None };
    let name = name.or_else(|| (reference.type_name == TypeName::KEY).then_some("KeyId"));
    if let Some(name) = name {
        resource.properties.insert(name.to_owned(), reference.name.clone().into());
    }
    let message = match search {
        Search::AllBut(dark) => format!(
            "named in account {} but owned by none of the accounts that could be searched ({dark} could not)",
            reference.account
        ),
        Search::None => {
            format!("named by what account {} holds for another one; whose it is was not looked for", reference.account)
        }
    };
    // What would have been asked: a bucket is looked for in every account's own list, all else where its ARN points.
    let collector = COLLECTORS.iter().find(|collector| collector.types().contains(&reference.type_name))?;
    let action = if reference.type_name == TypeName::BUCKET {
        "s3:ListAllMyBuckets"
    } else {
        collector.actions().first().copied().unwrap_or_default()
    };
    let service = collector.service();
    resource.unseen.insert(
        "*".to_owned(),
        Gap {
            account,
            region,
            service: service.to_owned(),
            action: action.to_owned(),
            cause: GapCause::OutsideOrganization { message },
            affects: Affects::Property { resource: resource.uid.clone(), property: "*".to_owned() },
        },
    );
    Some(resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_by_its_aliases_too() {
        let account: AccountId = "111122223333".parse().unwrap();
        let uid = "arn:aws:kms:eu-west-1:111122223333:key/1".to_owned();
        let mut key = Resource::live(TypeName::KEY, uid, account, "eu-west-1".parse().unwrap());
        key.properties.insert("Aliases".to_owned(), serde_json::json!(["alias/artifacts"]));
        let names: Vec<String> = names_of(&key).into_iter().map(|uid| uid.0).collect();
        assert_eq!(
            names,
            ["arn:aws:kms:eu-west-1:111122223333:key/1", "arn:aws:kms:eu-west-1:111122223333:alias/artifacts"]
        );
    }

    #[test]
    fn a_secret_goes_by_the_arns_it_was_asked_for() {
        let account: AccountId = "111122223333".parse().unwrap();
        let short = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:database";
        let mut secret =
            Resource::live(TypeName::SECRET, format!("{short}-AbCdEf"), account, "eu-west-1".parse().unwrap());
        secret.properties.insert("SecretIds".to_owned(), serde_json::json!([short, "database"]));
        let names: Vec<String> = names_of(&secret).into_iter().map(|uid| uid.0).collect();
        assert_eq!(names, [format!("{short}-AbCdEf"), short.to_owned()]);
    }
}
