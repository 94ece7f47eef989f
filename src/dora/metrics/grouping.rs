//! Which services belong together.
//!
//! In: services and options. Out: groups with their services: each service, pipeline, account, organizational unit with
//! everything below it, tag, and the organization; sorted by kind and key.

use std::collections::BTreeMap;

use super::pool::{Part, ServiceData};
use crate::dora::{Group, GroupKind, Options, Service};

/// All groups.
pub(super) fn groups<'a>(
    services: impl Iterator<Item = &'a ServiceData<'a>>,
    options: &Options,
) -> BTreeMap<Group, Vec<Part<'a>>> {
    let mut groups: BTreeMap<Group, Vec<Part<'a>>> = BTreeMap::new();
    groups.insert(Group { kind: GroupKind::Organization, key: String::new(), name: "organization".to_owned() }, vec![]);
    for data in services {
        for (group, pipeline) in of(data.service, options) {
            groups.entry(group).or_default().push(Part { data, pipeline });
        }
    }
    groups
}

fn of<'a>(service: &'a Service, options: &Options) -> Vec<(Group, Option<&'a str>)> {
    let group = |kind, key: &str, name: &str| Group { kind, key: key.to_owned(), name: name.to_owned() };
    let account = service.account.as_str();
    let mut groups = vec![
        (group(GroupKind::Service, &service.key.0, &service.name), None),
        (group(GroupKind::Account, account, account), None),
        (group(GroupKind::Organization, "", "organization"), None),
    ];
    groups.extend(service.pipelines.iter().map(|arn| {
        let name = arn.rsplit(':').next().unwrap_or(arn);
        (group(GroupKind::Pipeline, arn, name), Some(arn.as_str()))
    }));
    let paths = service.organizational_unit.as_deref().map(ancestors).unwrap_or_default();
    groups.extend(paths.iter().map(|path| (group(GroupKind::OrganizationalUnit, path, path), None)));
    for key in &options.group_by_tags {
        if let Some(value) = service.tags.get(key) {
            let tag = format!("{key}={value}");
            groups.push((group(GroupKind::Tag, &tag, &tag), None));
        }
    }
    groups.sort();
    // A key of a tag that is asked for twice does not count its services twice.
    groups.dedup();
    groups
}

/// `/Workloads/Prod` → `/Workloads`, `/Workloads/Prod`. The root itself is the organization.
fn ancestors(path: &str) -> Vec<String> {
    let mut above = String::new();
    let parts = path.split('/').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            above.push('/');
            above.push_str(part);
            above.clone()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_belongs_to_those_above_it() {
        assert_eq!(ancestors("/Workloads/Prod"), ["/Workloads", "/Workloads/Prod"]);
        assert_eq!(ancestors("Workloads/"), ["/Workloads"]);
        assert!(ancestors("/").is_empty());
    }
}
