//! What is around the resources of a template.
//!
//! In: the rules, the moment, and what an earlier audit saw. Out: finished joins for any set of declared resources. What
//! neither the template nor an audit shows is a gap here, so that nothing that is only absent counts as missing.
//!
//! What absence means depends on who asks. Users of a thing (the pipelines of a bucket) are those that were given: a
//! template is judged as what it says. A thing that is *named* and not there lives elsewhere. What only the organization
//! or a deployed account can say is known after deployment.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use time::OffsetDateTime;

use super::named::{Named, builders, groups, named, stores};
use crate::facts::{Joins, Rules};
use crate::inventory::{
    AccountId, Affects, Gap, GapCause, Inventory, Origin, Properties, Region, Resource, ResourceUid, Tags, TypeName,
};
use crate::template::hole::has_holes;
use crate::template::{DeclaredResource, Holes, Place, Spans};

/// What does not change between two tries.
pub(super) struct Surroundings<'a> {
    pub(super) rules: &'a Rules,
    pub(super) now: OffsetDateTime,
    pub(super) stale_alarm_days: i64,
    /// What the last audit saw, if it was given.
    pub(super) audited: Option<&'a [Inventory]>,
    pub(super) place: &'a Place,
}

/// Types that no template says enough about, with what of them is not known before.
const ONLY_DEPLOYED: &[(TypeName, &str)] = &[
    (TypeName::TRAIL, "which trails record the account"),
    (TypeName::RECORDER, "whether AWS Config records in the account"),
    (TypeName::CONFIG_RULE, "what AWS Config finds in the account"),
    (TypeName::POLICY, "which policies of the organization govern the account"),
    (TypeName::BRANCH, "how the source branches are protected"),
];

/// How a person calls a kind of thing.
fn said(name: &TypeName) -> &'static str {
    match name {
        kind if *kind == TypeName::ALARM => "alarm",
        kind if *kind == TypeName::ROLE => "role",
        kind if *kind == TypeName::KEY => "key",
        kind if *kind == TypeName::TOPIC => "topic",
        kind if *kind == TypeName::BUCKET => "bucket",
        kind if *kind == TypeName::PROJECT => "build project",
        kind if *kind == TypeName::DEPLOYMENT_GROUP => "deployment group",
        kind if *kind == TypeName::DEPLOYMENT_CONFIG => "deployment configuration",
        kind if *kind == TypeName::APPLICATION => "CodeDeploy application",
        _ => "resource",
    }
}

impl Surroundings<'_> {
    /// Joins over these resources and everything that is known around them.
    pub(super) fn joins(&self, resources: &[Resource]) -> Joins {
        let mut joins = Joins::new(self.rules.clone(), self.now, self.stale_alarm_days);
        for inventory in self.audited.unwrap_or_default() {
            joins.index(inventory);
        }
        let mut around = Inventory::default();
        let places: BTreeSet<(&AccountId, &Region)> = resources.iter().map(|one| (&one.account, &one.region)).collect();
        let accounts: BTreeSet<&AccountId> = places.iter().map(|(account, _)| *account).collect();
        for account in accounts.into_iter().filter(|account| !self.was_audited(account)) {
            around.gaps.extend(only_deployed(account));
        }
        for (account, region) in places.into_iter().filter(|(account, _)| !self.was_audited(account)) {
            let message = "a notification rule about it may be defined elsewhere".to_owned();
            around.gaps.push(elsewhere(account, region, TypeName::NOTIFICATION_RULE, self.hint(&message)));
        }
        let builders = builders(resources);
        for missing in self.missing(resources) {
            self.leave_open(&missing, &builders, &mut around);
        }
        around.resources.extend(resources.iter().map(indexed));
        joins.index(&around);
        joins.finish();
        joins
    }

    /// What is named, and neither declared nor audited.
    fn missing(&self, resources: &[Resource]) -> impl Iterator<Item = Named> + use<> {
        let audited = self.audited.unwrap_or_default().iter().flat_map(|inventory| &inventory.resources);
        let mut known: BTreeSet<&str> = BTreeSet::new();
        let mut aliases: BTreeSet<&str> = BTreeSet::new();
        for resource in resources.iter().chain(audited) {
            known.insert(resource.uid.as_str());
            let names = resource.properties.get("Aliases").and_then(Value::as_array).into_iter().flatten();
            aliases.extend(names.filter_map(Value::as_str));
        }
        let absent = |one: &Named| !known.contains(one.uid.as_str()) && !aliases.contains(one.name.as_str());
        let absent: Vec<Named> = named(resources).into_iter().filter(absent).collect();
        absent.into_iter()
    }

    /// Whether the last audit saw the account.
    fn was_audited(&self, account: &AccountId) -> bool {
        self.audited.unwrap_or_default().iter().any(|inventory| {
            inventory.coverage.rows().any(|(key, _)| key.account == *account)
                || inventory.resources.iter().any(|resource| resource.account == *account)
        })
    }

    /// The sentence with what to do about it.
    fn hint(&self, what: &str) -> String {
        if self.audited.is_some() && !self.place.account_known {
            format!("{what}; say with --account whose inventory is to be looked at")
        } else if self.audited.is_some() {
            format!("{what}; the audit given with --inventory does not show it either")
        } else {
            format!("{what}; give the last audit with --inventory")
        }
    }

    fn sentence(&self, one: &Named) -> String {
        let (name, options) = told_by_place(one);
        let what = format!("{} {name} is not defined in what was checked", said(&one.type_name));
        if has_holes(&one.name) {
            // Without a name, nothing can be looked up.
            let first = "its name is open: give it with --parameter or --parameters";
            return if self.audited.is_some() {
                format!("{what}; {first}, to look it up in the last audit")
            } else {
                format!("{what}; {first}, and the last audit with --inventory")
            };
        }
        if !options.is_empty() {
            // What stands for a place is in no audit.
            let first = format!("say with {} where it is deployed", options.join(" and "));
            return if self.audited.is_some() {
                format!("{what}; {first}, to look it up in the last audit")
            } else {
                format!("{what}; {first}, and give the last audit with --inventory")
            };
        }
        self.hint(&what)
    }

    /// Says of one thing that nobody knows it.
    fn leave_open(&self, one: &Named, builders: &BTreeSet<String>, around: &mut Inventory) {
        let message = self.sentence(one);
        let gap = |affects: Affects| Gap {
            account: one.account.clone(),
            region: one.region.clone(),
            service: "cloudformation".to_owned(),
            action: String::new(),
            cause: GapCause::Elsewhere { message: message.clone() },
            affects,
        };
        match &one.type_name {
            // A lookup of these asks for gaps over the type; each sentence names the one that it is about.
            kind if [TypeName::ALARM, TypeName::DEPLOYMENT_CONFIG, TypeName::APPLICATION].contains(kind) => {
                around.gaps.push(gap(Affects::Types { types: vec![kind.clone()] }));
            }
            // A gap over all projects or groups would leave every bucket in doubt that no pipeline here uses.
            kind if [TypeName::PROJECT, TypeName::DEPLOYMENT_GROUP].contains(kind) => {
                let hole = gap(Affects::Property { resource: ResourceUid(one.uid.clone()), property: "*".to_owned() });
                let mut project = stand_in(one, hole);
                if builders.contains(&one.uid) {
                    project.properties.insert("DeployCommands".to_owned(), Value::Array(Vec::new()));
                }
                around.resources.push(indexed(&project));
            }
            _ => {
                let affects = Affects::Property { resource: ResourceUid(one.uid.clone()), property: "*".to_owned() };
                around.gaps.push(gap(affects));
            }
        }
    }

    /// What is judged although nothing here declares it: the buckets that artifacts lie in, and the deployment groups
    /// that pipelines deploy to. Passing over them in silence would be a pass that nobody looked for.
    pub(super) fn stand_ins(&self, declared: &[DeclaredResource], holes: &Holes) -> Vec<DeclaredResource> {
        let mut found: BTreeMap<String, DeclaredResource> = BTreeMap::new();
        let known: BTreeSet<&str> = declared.iter().map(|one| one.resource.uid.as_str()).collect();
        for pipeline in declared.iter().filter(|one| one.resource.type_name == TypeName::PIPELINE) {
            let things = named(std::slice::from_ref(&pipeline.resource));
            let wanted = |kind: &TypeName, name: &str| {
                things
                    .iter()
                    .find(|one| one.type_name == *kind && one.name == name && !known.contains(one.uid.as_str()))
            };
            for (name, pointer, _) in stores(&pipeline.resource) {
                if let Some(one) = wanted(&TypeName::BUCKET, name) {
                    let part = pointer.trim_start_matches('/').trim_end_matches("/Location").replace('/', ".");
                    let made = || self.declared_elsewhere(one, pipeline, &part, &pointer, holes);
                    found.entry(one.uid.clone()).or_insert_with(made);
                }
            }
            for (name, pointer, label, _, _) in groups(&pipeline.resource) {
                if let Some(one) = wanted(&TypeName::DEPLOYMENT_GROUP, &name) {
                    let part = holes.spoken(&label);
                    let made = || self.declared_elsewhere(one, pipeline, &part, &pointer, holes);
                    found.entry(one.uid.clone()).or_insert_with(made);
                }
            }
        }
        found.into_values().collect()
    }

    fn declared_elsewhere(
        &self,
        one: &Named,
        by: &DeclaredResource,
        part: &str,
        pointer: &str,
        holes: &Holes,
    ) -> DeclaredResource {
        let id = ResourceUid(format!("{}.{part}", by.id));
        let gap = Gap {
            account: one.account.clone(),
            region: one.region.clone(),
            service: "cloudformation".to_owned(),
            action: String::new(),
            cause: GapCause::Elsewhere { message: holes.spoken(&self.sentence(one)) },
            affects: Affects::Property { resource: id.clone(), property: "*".to_owned() },
        };
        let audited = self.audited.unwrap_or_default().iter().flat_map(|inventory| &inventory.resources);
        let mut seen =
            audited.filter(|resource| resource.uid.as_str() == one.uid && resource.type_name == one.type_name);
        let mut resource = seen.next().cloned().unwrap_or_else(|| stand_in(one, gap));
        resource.origin = Origin::Template { file: by.file.to_string(), line: by.span.start.line };
        let span = by.spans.get(pointer).unwrap_or(by.span);
        DeclaredResource {
            resource,
            id,
            file: by.file.clone(),
            logical_id: format!("{}.{part}", by.logical_id),
            construct_path: by.construct_path.clone(),
            span,
            spans: Spans::default(),
        }
    }
}

/// What a template says where the Region is not told.
const REGION: &str = "${AWS::Region}";

/// A name as the template has it, without what stands in it for an account and a Region that nobody told, and the
/// options that tell them.
fn told_by_place(one: &Named) -> (String, Vec<&'static str>) {
    let of_account = one.name.contains(Place::NO_ACCOUNT);
    // `global` is a word that names have of their own. It stands for a Region where an ARN has its Region, and elsewhere
    // only beside what stands for the account, which no name has of its own.
    let untold = one.region == Region::GLOBAL;
    let named = if untold && one.name.starts_with("arn:") {
        let of_region = |nth: usize, field: &str| nth == 3 && field == Region::GLOBAL.as_str();
        let fields = one.name.split(':').enumerate();
        let told = fields.map(|(nth, field)| if of_region(nth, field) { REGION } else { field });
        told.collect::<Vec<_>>().join(":")
    } else if untold && of_account {
        with_region(&one.name)
    } else {
        one.name.clone()
    };
    let mut options = Vec::new();
    if named != one.name {
        options.push("--region");
    }
    if of_account {
        options.push("--account");
    }
    (named.replace(Place::NO_ACCOUNT, "${AWS::AccountId}"), options)
}

/// A name in which what stands for a Region is told, but not where it is part of a longer word.
fn with_region(name: &str) -> String {
    let region = Region::GLOBAL;
    let mut told = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once(region.as_str()) {
        told.push_str(before);
        let is_letter = |letter: char| letter.is_ascii_alphanumeric();
        let within = before.ends_with(is_letter) || after.starts_with(is_letter);
        told.push_str(if within { region.as_str() } else { REGION });
        rest = after;
    }
    told.push_str(rest);
    told
}

/// A thing of which only the name is known.
fn stand_in(one: &Named, gap: Gap) -> Resource {
    let mut properties = Properties::new();
    let mut name = |property: &str, value: &str| properties.insert(property.to_owned(), Value::from(value));
    match &one.type_name {
        kind if *kind == TypeName::BUCKET => {
            name("BucketName", &one.name);
        }
        kind if *kind == TypeName::PROJECT => {
            name("Name", one.name.rsplit('/').next().unwrap_or_default());
        }
        _ => {
            let (application, group) = one.name.split_once('/').unwrap_or(("", &one.name));
            name("ApplicationName", application);
            name("DeploymentGroupName", group);
        }
    }
    Resource {
        uid: ResourceUid(one.uid.clone()),
        type_name: one.type_name.clone(),
        account: one.account.clone(),
        region: one.region.clone(),
        origin: Origin::Live,
        tags: Tags::new(),
        properties,
        unseen: BTreeMap::from([("*".to_owned(), gap)]),
    }
}

/// The resource as the joins take it. What is hidden of a thing that only has a name here says nothing about the buckets
/// that others use.
fn indexed(resource: &Resource) -> Resource {
    let mut resource = resource.clone();
    let hidden = resource.unseen.get("*").is_some_and(|gap| matches!(gap.cause, GapCause::Elsewhere { .. }));
    let uses: &[&str] = match &resource.type_name {
        kind if *kind == TypeName::PROJECT => &["Artifacts", "SecondaryArtifacts", "Cache"],
        kind if *kind == TypeName::DEPLOYMENT_GROUP => &["Deployment"],
        _ => &[],
    };
    if hidden {
        resource.properties.extend(uses.iter().map(|property| ((*property).to_owned(), Value::Null)));
    }
    resource
}

/// What only the deployed account can say.
pub(super) fn only_deployed(account: &AccountId) -> impl Iterator<Item = Gap> {
    ONLY_DEPLOYED.iter().map(|(name, what)| Gap {
        account: account.clone(),
        region: Region::GLOBAL,
        service: "cloudformation".to_owned(),
        action: String::new(),
        cause: GapCause::OnlyDeployed { what: (*what).to_owned() },
        affects: Affects::Types { types: vec![name.clone()] },
    })
}

fn elsewhere(account: &AccountId, region: &Region, name: TypeName, message: String) -> Gap {
    Gap {
        account: account.clone(),
        region: region.clone(),
        service: "cloudformation".to_owned(),
        action: String::new(),
        cause: GapCause::Elsewhere { message },
        affects: Affects::Types { types: vec![name] },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_a_place_is_told_as_the_place() {
        let told = |name: &str, account: &str, region: Region| {
            let account = account.parse().unwrap();
            told_by_place(&Named {
                type_name: TypeName::BUCKET,
                name: name.to_owned(),
                uid: String::new(),
                account,
                region,
            })
        };
        let (nobody, both) = (Place::NO_ACCOUNT, vec!["--region", "--account"]);
        let (known, role) = ("111122223333", "arn:aws:iam::111122223333:role/global-pipeline");
        for (name, account, expected, options) in [
            ("a-global-000000000000", nobody, "a-${AWS::Region}-${AWS::AccountId}", both.clone()),
            ("a-globally-000000000000", nobody, "a-globally-${AWS::AccountId}", vec!["--account"]),
            // With an account that is known, `global` is a word like others.
            ("a-global-111122223333", known, "a-global-111122223333", vec![]),
            ("acme-global-111122223333", known, "acme-global-111122223333", vec![]),
            (role, known, role, vec![]),
            ("arn:aws:sns:global:111122223333:T", known, "arn:aws:sns:${AWS::Region}:111122223333:T", vec!["--region"]),
            (
                "arn:aws:kms:global:000000000000:alias/global-key",
                nobody,
                "arn:aws:kms:${AWS::Region}:${AWS::AccountId}:alias/global-key",
                both.clone(),
            ),
            ("arn:aws:sns:global:000000000000:T", nobody, "arn:aws:sns:${AWS::Region}:${AWS::AccountId}:T", both),
            ("arn:aws:iam::000000000000:role/R", nobody, "arn:aws:iam::${AWS::AccountId}:role/R", vec!["--account"]),
            ("my-global-store", nobody, "my-global-store", vec![]),
        ] {
            assert_eq!(told(name, account, Region::GLOBAL), (expected.to_owned(), options), "{name}");
        }
        let here = told("a-global-111122223333", "111122223333", "eu-west-1".parse().unwrap());
        assert_eq!(here, ("a-global-111122223333".to_owned(), vec![]));
    }
}
