//! Delivery facts: who approved, who bypassed, what was weakened, as resources that policies judge.
//!
//! In: a history with its deployments, and what the inventory says. Out: resources of the types `Delivery::Service` and
//! `Delivery::Account`, whose properties `docs/resources.md` describes; `facts` makes facts of them as of any other.
//!
//! A rule is a function from a `View` to a `Verdict`: what was seen, and why there may
//! be more. What was seen stays a fact whatever else is unknown; "nothing was seen" is one only where somebody looked at
//! the whole window. Calls that failed did nothing. People are compared, roles never.

mod approval;
mod bypass;
mod definition;
mod editor;
mod evidence;
mod freeze;
mod gate;
mod identity;
mod performance;
mod review;
mod safety;
mod separation;
mod sight;
mod source;
mod start;
#[cfg(test)]
mod tests;
mod verdict;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use self::evidence::{Evidence, Place};
use self::identity::{People, Roles};
use self::sight::{Sight, written};
use self::verdict::{Verdict, hide, undecided};
use self::view::{Index, Pipe, View, group, pipe};
use super::{Delivery, Deployment, Estate, GroupKind, Options, Service, metrics};
use crate::history::{History, is_global};
use crate::inventory::{AccountId, Arn, Gap, Partition, Region, Resource, TypeName};

/// A rule over a service, by the property that holds what it found.
type ServiceRule = (&'static str, for<'a> fn(&View<'a>) -> Verdict);
/// A rule over an account and Region.
type AccountRule = (&'static str, for<'a> fn(&Place<'a>) -> Verdict);

/// Every rule over services.
const SERVICE_RULES: &[ServiceRule] = &[
    ("StarterApprovals", |view| separation::starter(view)),
    ("AuthorApprovals", |view| separation::author(view)),
    ("NamedAuthorApprovals", |view| separation::named_author(view)),
    ("EditorApprovals", |view| separation::editor(view)),
    ("MachineApprovals", |view| review::machine(view)),
    ("HastyApprovals", |view| review::haste(view)),
    ("ManualStarts", |view| start::manual(view)),
    ("PinnedStarts", |view| start::pinned(view)),
    ("BypassDeployments", |view| bypass::deployments(view)),
    ("BuildOverrides", |view| bypass::builds(view)),
    ("DeploymentGroupChanges", |view| bypass::groups(view)),
    ("OverriddenConditions", |view| gate::overridden(view)),
    ("ReopenedTransitions", |view| gate::reopened(view)),
    ("SkippedRejections", |view| gate::skipped_rejections(view)),
    ("AbandonedDeployments", |view| gate::abandoned(view)),
    ("Retries", |view| gate::retries(view)),
    ("Rollbacks", |view| gate::rollbacks(view)),
    ("RefusedAttempts", |view| gate::refused(view)),
    ("UnguardedDeployments", |view| safety::unguarded(view)),
    ("SilencedAlarms", |view| safety::silenced(view)),
    ("ForeignHookResults", |view| safety::foreign_hooks(view)),
    ("RemovedGates", |view| definition::removed_gates(view)),
    ("RedirectedPipelines", |view| definition::redirected(view)),
    ("ReviewRuleChanges", |view| source::review_rules(view)),
    ("DirectPushes", |view| source::direct(view)),
    ("FreezeDeployments", |view| freeze::broken(view)),
];

/// Every rule over accounts.
const ACCOUNT_RULES: &[AccountRule] = &[
    ("StoppedTrails", |place| evidence::trails_stopped(place)),
    ("ChangedTrails", |place| evidence::trails_changed(place)),
    ("WeakenedBuckets", |place| evidence::buckets_weakened(place)),
    ("ChangedBuckets", |place| evidence::buckets_changed(place)),
    ("WeakenedKeys", |place| evidence::keys(place)),
    ("ChangedApprovalTemplates", |place| evidence::templates(place)),
    ("UnreadableUpdates", |place| evidence::unreadable(place)),
    ("RefusedAttempts", |place| evidence::refused(place)),
];

/// What history says of every service and account, sorted by type and uid.
#[must_use]
pub fn observe(history: &History, delivery: &Delivery, estate: &Estate, options: &Options) -> Vec<Resource> {
    let mut ordered = history.clone();
    ordered.normalise();
    let history = &ordered;
    let index = Index::of(history, delivery);
    let roles = Roles::of(estate);
    let sight = Sight::new(&history.coverage, options);
    let measurements = metrics::measure(delivery, options);
    let mut by_service: BTreeMap<&str, Vec<&Deployment>> = BTreeMap::new();
    for deployment in &delivery.deployments {
        by_service.entry(&deployment.service.0).or_default().push(deployment);
    }
    let mut resources = Vec::new();
    for service in &delivery.services {
        let mut all = by_service.remove(service.key.0.as_str()).unwrap_or_default();
        all.sort_by(|a, b| (a.started, &a.id).cmp(&(b.started, &b.id)));
        let view = view(service, &all, (&index, delivery, estate, options, &sight, &roles));
        let mut resource = of_service(&view);
        let group = measurements
            .groups
            .iter()
            .find(|measured| measured.group.kind == GroupKind::Service && measured.group.key == service.key.0);
        performance::write(&mut resource, group);
        resources.push(resource);
    }
    let evidence = Evidence::of(estate);
    for (account, region) in places(history, delivery) {
        let place = Place { index: &index, sight: &sight, evidence: &evidence, estate, account, region };
        resources.push(of_account(&place, estate));
    }
    resources.sort_by(|a, b| (&a.type_name, &a.uid, &a.account).cmp(&(&b.type_name, &b.uid, &b.account)));
    resources
}

type Known<'a> = (&'a Index<'a>, &'a Delivery, &'a Estate, &'a Options, &'a Sight<'a>, &'a Roles);

fn view<'a>(
    service: &'a Service,
    all: &'a [&'a Deployment],
    (index, delivery, estate, options, sight, roles): Known<'a>,
) -> View<'a> {
    let named = service.pipelines.iter().map(String::as_str);
    let used = all.iter().filter_map(|deployment| deployment.pipeline.as_deref());
    let pipelines: BTreeSet<Pipe> = named.chain(used).filter_map(pipe).collect();
    let of_ids = all.iter().flat_map(|deployment| &deployment.members).flat_map(|member| &member.code_deployments);
    let of_ids = of_ids.filter_map(|id| index.code_deployments.get(id.as_str())).filter_map(|deployment| {
        let group = deployment.group.as_ref()?;
        Some((deployment.account.clone(), deployment.region.clone(), format!("{}/{group}", deployment.application)))
    });
    let named = service.deployment_groups.iter().filter_map(|arn| group(arn));
    let in_window =
        |deployment: &&&Deployment| sight.window.contains(deployment.finished.unwrap_or(deployment.started));
    View {
        index,
        delivery,
        estate,
        options,
        sight,
        people: People { list: &options.people, roles },
        service,
        pipelines: pipelines.into_iter().collect(),
        deployments: all.iter().filter(in_window).copied().collect(),
        all_deployments: all,
        groups: named.chain(of_ids).collect(),
    }
}

/// The resource of a service.
fn of_service(view: &View<'_>) -> Resource {
    let service = view.service;
    let (account, region) = (service.account.clone(), service.region.clone());
    let mut resource = Resource::live(TypeName::DELIVERY_SERVICE, uid(service), account, region);
    resource.tags.clone_from(&service.tags);
    let properties = json!({
        "Name": service.name,
        "ServiceKey": service.key.0,
        "Pipelines": service.pipelines,
        "DeploymentGroups": service.deployment_groups,
        "Window": {"From": written(view.sight.window.from), "To": written(view.sight.window.to)},
        "WindowDays": (view.sight.window.to - view.sight.window.from).whole_days(),
        "ProductionClassification": service.production.as_deref().unwrap_or_default(),
        "Freezes": freeze::names(view),
        "Deployments": view.deployments.len(),
    });
    resource.properties.extend(properties.as_object().cloned().unwrap_or_default());
    let put = |resource: &mut Resource, property: &str, value: Result<bool, String>| match value {
        Ok(value) => {
            resource.properties.insert(property.to_owned(), Value::Bool(value));
        }
        Err(why) => {
            let gap = undecided(resource, why);
            hide(resource, property, gap);
        }
    };
    put(&mut resource, "DeploysToProduction", deploys_to_production(view));
    put(&mut resource, "DeploysWithCodeDeploy", deploys_with_code_deploy(view));
    if let Some(gap) = view.unseen_executions() {
        hide(&mut resource, "Deployments", gap);
    }
    for (property, rule) in SERVICE_RULES {
        rule(view).write(&mut resource, property);
    }
    resource
}

/// An id that no other resource has: what the service is named by, and that it is about its deliveries.
fn uid(service: &Service) -> String {
    if Arn::parse(&service.key.0).is_ok() {
        return format!("{}/deliveries", service.key);
    }
    format!("delivery://{}", service.key)
}

fn deploys_to_production(view: &View<'_>) -> Result<bool, String> {
    match (&view.service.production, &view.service.not_measurable) {
        (Some(_), _) => Ok(true),
        (None, _) if !view.all_deployments.is_empty() => Ok(true),
        (None, _) if view.service.is_elsewhere => Ok(false),
        (None, Some(why)) => Err(why.clone()),
        (None, None) => Ok(false),
    }
}

fn deploys_with_code_deploy(view: &View<'_>) -> Result<bool, String> {
    if !view.groups.is_empty() {
        return Ok(true);
    }
    let mut members = view.all_deployments.iter().flat_map(|deployment| &deployment.members).peekable();
    if members.peek().is_some() {
        return Ok(members.any(|member| member.target.provider.starts_with("CodeDeploy")));
    }
    // Nothing was deployed: then what its pipelines would deploy with decides, if all of them can be seen.
    let seen = view.unseen_executions().is_none() && view.service.not_measurable.is_none();
    if seen && !view.pipelines.is_empty() && view.pipelines.iter().all(|pipe| view.deploys_otherwise(pipe)) {
        return Ok(false);
    }
    Err("nothing was deployed, so with what it is deployed is not known".to_owned())
}

/// Accounts and Regions that history looked at, or was meant to.
fn places(history: &History, delivery: &Delivery) -> BTreeSet<(AccountId, Region)> {
    let mut places: BTreeSet<(AccountId, Region)> =
        delivery.services.iter().map(|service| (service.account.clone(), service.region.clone())).collect();
    // Where only global services were asked about, or tell of themselves, nothing of a place was looked at.
    let of_place = |subject: Option<&str>| !subject.is_some_and(is_global);
    let events = history.events.iter().filter(|event| !is_global(&event.name));
    places.extend(events.map(|event| (event.account.clone(), event.region.clone())));
    let spans =
        history.coverage.spans.iter().filter(|span| span.source.tells_events() && of_place(span.subject.as_deref()));
    places.extend(spans.filter_map(|span| Some((span.account.clone()?, span.region.clone()?))));
    let gaps = history.coverage.gaps.iter().filter(|gap| gap.source.tells_events() && gap.subject.is_none());
    places.extend(gaps.map(|gap| (gap.gap.account.clone(), gap.gap.region.clone())));
    // A place without a Region stands for all of the account's; alone, it is all that is known of it.
    let with_regions: BTreeSet<AccountId> =
        places.iter().filter(|(_, region)| *region != Region::GLOBAL).map(|(account, _)| account.clone()).collect();
    places.retain(|(account, region)| *region != Region::GLOBAL || !with_regions.contains(account));
    places
}

fn of_account(place: &Place<'_>, estate: &Estate) -> Resource {
    let (account, region) = (&place.account, &place.region);
    let uid = format!("arn:{}:cloudtrail:{region}:{account}:deliveries", Partition::of_region(region));
    let mut resource = Resource::live(TypeName::DELIVERY_ACCOUNT, uid, account.clone(), region.clone());
    let window = place.sight.window;
    let entry = estate.account(account);
    let name = entry.and_then(|entry| entry.properties.get("AccountName")).and_then(Value::as_str);
    resource.properties.insert("Name".to_owned(), Value::from(name.map_or_else(|| account.to_string(), str::to_owned)));
    let span = json!({"From": written(window.from), "To": written(window.to)});
    resource.properties.insert("Window".to_owned(), span);
    resource.properties.insert("WindowDays".to_owned(), Value::from((window.to - window.from).whole_days()));
    if let Some(entry) = entry {
        resource.tags.clone_from(&entry.tags);
        let hidden: Option<Gap> = entry.gap_over("Tags").cloned();
        if let Some(gap) = hidden {
            hide(&mut resource, "Tags", gap);
        }
    }
    for (property, rule) in ACCOUNT_RULES {
        rule(place).write(&mut resource, property);
    }
    resource
}
