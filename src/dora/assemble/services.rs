//! Services: what a pipeline or deployment group belongs to, and where it stands.
//!
//! In: pipelines and deployment groups of the inventory and of the history, and the mapping rules. Out: a [`Landscape`]:
//! every [`Service`], and for every pipeline and group its service and its production. A pipeline that never ran is a
//! service too: that nothing was deployed is only worth saying of something that exists.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::index::Index;
use super::production::{GroupPlace, Production};
use crate::dora::{Estate, Options, Service, ServiceKey};
use crate::facts::{ProductionJudge, Verdict, matches_pattern};
use crate::history::CodeDeployment;
use crate::inventory::{AccountId, Arn, Partition, Region, Resource, Tags, TypeName};

/// A pipeline.
pub(super) struct PipelineEntry {
    pub(super) account: AccountId,
    pub(super) region: Region,
    pub(super) name: String,
    pub(super) service: ServiceKey,
    pub(super) production: Production,
}

/// A deployment group.
pub(super) struct GroupEntry {
    pub(super) arn: String,
    pub(super) service: ServiceKey,
    /// The pipeline that deploys to it, if one does.
    pub(super) pipeline: Option<String>,
    pub(super) is_production: bool,
    /// The rule in words.
    why: String,
    is_assumed: bool,
}

/// Everything that deployments go to and come from.
pub(super) struct Landscape {
    pub(super) services: Vec<Service>,
    pub(super) pipelines: BTreeMap<String, PipelineEntry>,
    pub(super) groups: BTreeMap<GroupPlace, GroupEntry>,
}

/// Where a deployment of `CodeDeploy` went.
pub(super) fn place_of(deployment: &CodeDeployment) -> GroupPlace {
    let group = deployment.group.as_deref().unwrap_or_default();
    (deployment.account.clone(), deployment.region.clone(), format!("{}/{group}", deployment.application))
}

impl Landscape {
    pub(super) fn of(index: &Index<'_>, estate: &Estate, options: &Options) -> Self {
        const JUDGED: [TypeName; 5] = [
            TypeName::ACCOUNT,
            TypeName::APPLICATION,
            TypeName::DEPLOYMENT_GROUP,
            TypeName::PIPELINE,
            TypeName::PROJECT,
        ];
        let judge = ProductionJudge::new(&options.production, JUDGED.iter().flat_map(|name| estate.of_type(name)));
        let mut pipelines = BTreeMap::new();
        for (arn, (account, region)) in known_pipelines(index, estate) {
            let resource = estate.resource(&arn);
            let production = Production::of((&arn, &account, &region), resource, &judge, index, options);
            let name = arn.rsplit(':').next().unwrap_or_default().to_owned();
            let service = key_of(&arn, resource.map(|it| &it.tags), options);
            pipelines.insert(arn, PipelineEntry { account, region, name, service, production });
        }
        let groups = groups(&pipelines, index, estate, &judge, options);
        let services = services(&pipelines, &groups, estate, options);
        Self { services, pipelines, groups }
    }

    pub(super) fn group(&self, deployment: &CodeDeployment) -> Option<&GroupEntry> {
        self.groups.get(&place_of(deployment))
    }
}

/// Pipelines of the inventory, of executions, and of requests.
fn known_pipelines(index: &Index<'_>, estate: &Estate) -> BTreeMap<String, (AccountId, Region)> {
    let mut known: BTreeMap<String, (AccountId, Region)> = BTreeMap::new();
    for resource in estate.of_type(&TypeName::PIPELINE) {
        known.insert(resource.uid.0.clone(), (resource.account.clone(), resource.region.clone()));
    }
    for execution in &index.history.executions {
        if !known.contains_key(&execution.pipeline) {
            known.insert(execution.pipeline.clone(), (execution.account.clone(), execution.region.clone()));
        }
    }
    for arn in index.pipelines_with_actions().filter_map(|text| Arn::parse(text).ok().map(|arn| (text, arn))) {
        let (text, arn) = arn;
        if let (false, Some(account), Ok(region)) = (known.contains_key(text), arn.account_id(), arn.region.parse()) {
            known.insert(text.to_owned(), (account, region));
        }
    }
    for (account, region, name) in index.requested() {
        let arn = format!("arn:{}:codepipeline:{region}:{account}:{name}", Partition::of_region(region));
        known.entry(arn).or_insert_with(|| ((*account).clone(), (*region).clone()));
    }
    known
}

/// The service of something: the first mapping rule with one of its patterns or all of its tags, else the tag that names
/// services, else itself.
fn key_of(arn: &str, tags: Option<&Tags>, options: &Options) -> ServiceKey {
    let carries = |wanted: &BTreeMap<String, String>| {
        !wanted.is_empty() && wanted.iter().all(|(key, value)| tags.and_then(|tags| tags.get(key)) == Some(value))
    };
    let rule = options
        .services
        .iter()
        .find(|rule| rule.arns.iter().any(|pattern| matches_pattern(pattern, arn, false)) || carries(&rule.tags));
    let tagged = || tags?.get(options.service_tag.as_ref()?).filter(|value| !value.is_empty());
    ServiceKey(rule.map(|rule| &rule.service).or_else(tagged).cloned().unwrap_or_else(|| arn.to_owned()))
}

fn groups(
    pipelines: &BTreeMap<String, PipelineEntry>,
    index: &Index<'_>,
    estate: &Estate,
    judge: &ProductionJudge,
    options: &Options,
) -> BTreeMap<GroupPlace, GroupEntry> {
    let owners = owners(pipelines, index);
    let mut known: BTreeMap<GroupPlace, Option<&Resource>> = BTreeMap::new();
    for resource in estate.of_type(&TypeName::DEPLOYMENT_GROUP) {
        let target = resource.uid.as_str().rsplit(':').next().unwrap_or_default().to_owned();
        known.insert((resource.account.clone(), resource.region.clone(), target), Some(resource));
    }
    for place in index.history.deployments.iter().map(place_of).chain(owners.keys().cloned()) {
        known.entry(place).or_default();
    }
    let verdicts: BTreeMap<&GroupPlace, Verdict> = known
        .iter()
        .map(|(place, resource)| {
            let made = resource.is_none().then(|| made_up(place));
            let judged = resource.or(made.as_ref()).map(|resource| judge.group(resource));
            (place, judged.and_then(Result::ok).unwrap_or(Verdict::Undecided))
        })
        .collect();
    // Where a rule finds production, nothing is assumed.
    let decided: BTreeSet<(&AccountId, &Region, &str)> = verdicts
        .iter()
        .filter(|(_, verdict)| matches!(verdict, Verdict::Production { .. }))
        .map(|(place, _)| application(place))
        .collect();
    let mut groups = BTreeMap::new();
    for (place, resource) in &known {
        let arn = group_arn(place);
        let owner = owners.get(place);
        let (is_production, why, is_assumed) = match (owner, verdicts.get(place)) {
            (Some((_, is_production)), _) => (*is_production, String::new(), false),
            (None, Some(Verdict::Production { why, is_assumed })) => (true, why.clone(), *is_assumed),
            (None, Some(Verdict::Other { why })) => (false, why.clone(), false),
            _ if decided.contains(&application(place)) => (false, String::new(), false),
            _ => (true, "assumed: no rule says what it is".to_owned(), true),
        };
        let service = owner
            .and_then(|(arn, _)| pipelines.get(arn))
            .map_or_else(|| key_of(&arn, resource.map(|it| &it.tags), options), |pipeline| pipeline.service.clone());
        let pipeline = owner.map(|(arn, _)| arn.clone());
        groups.insert(place.clone(), GroupEntry { arn, service, pipeline, is_production, why, is_assumed });
    }
    groups
}

/// The pipeline that deploys to a group, and whether it does so as production; of several, one that does.
fn owners(pipelines: &BTreeMap<String, PipelineEntry>, index: &Index<'_>) -> BTreeMap<GroupPlace, (String, bool)> {
    let mut owners: BTreeMap<GroupPlace, (String, bool)> = BTreeMap::new();
    let mut own = |place: GroupPlace, arn: &str, is_production: bool| {
        let owner = owners.entry(place).or_insert_with(|| (arn.to_owned(), is_production));
        if is_production && !owner.1 {
            *owner = (arn.to_owned(), true);
        }
    };
    for (arn, pipeline) in pipelines {
        for (place, is_production) in &pipeline.production.groups {
            own(place.clone(), arn, *is_production);
        }
        for (_, actions) in index.executions_with_actions(arn) {
            for attempts in actions {
                let label = (attempts.stage.to_owned(), attempts.action.to_owned());
                let is_production = pipeline.production.actions.contains(&label);
                for action in &attempts.tries {
                    let region = action.region.as_ref().unwrap_or(&pipeline.region);
                    let id = action.external_execution_id.as_deref();
                    if let Some(code) = id.and_then(|id| index.deployment(id, region)) {
                        own(place_of(code), arn, is_production);
                    }
                }
            }
        }
    }
    owners
}

fn application((account, region, target): &GroupPlace) -> (&AccountId, &Region, &str) {
    (account, region, target.split('/').next().unwrap_or_default())
}

fn group_arn((account, region, target): &GroupPlace) -> String {
    let target = target.strip_suffix('/').unwrap_or(target);
    format!("arn:{}:codedeploy:{region}:{account}:deploymentgroup:{target}", Partition::of_region(region))
}

/// A group that only history knows.
fn made_up(place: &GroupPlace) -> Resource {
    let (account, region, target) = place;
    let (application, group) = target.split_once('/').unwrap_or((target, ""));
    let mut resource = Resource::live(TypeName::DEPLOYMENT_GROUP, group_arn(place), account.clone(), region.clone());
    resource.properties.insert("ApplicationName".to_owned(), Value::from(application));
    resource.properties.insert("DeploymentGroupName".to_owned(), Value::from(group));
    resource
}

/// What a service is made of, one pipeline or group at a time.
struct Part<'a> {
    arn: &'a str,
    name: &'a str,
    account: &'a AccountId,
    region: &'a Region,
    is_pipeline: bool,
    why: Option<&'a str>,
    is_assumed: bool,
    why_not: Option<&'a str>,
    is_elsewhere: bool,
}

fn services(
    pipelines: &BTreeMap<String, PipelineEntry>,
    groups: &BTreeMap<GroupPlace, GroupEntry>,
    estate: &Estate,
    options: &Options,
) -> Vec<Service> {
    let mut parts: BTreeMap<&ServiceKey, Vec<Part<'_>>> = BTreeMap::new();
    for (arn, pipeline) in pipelines {
        parts.entry(&pipeline.service).or_default().push(Part {
            arn,
            name: &pipeline.name,
            account: &pipeline.account,
            region: &pipeline.region,
            is_pipeline: true,
            why: pipeline.production.why.as_deref(),
            is_assumed: pipeline.production.is_assumed,
            why_not: pipeline.production.why_not.as_deref(),
            is_elsewhere: pipeline.production.is_elsewhere,
        });
    }
    for ((account, region, target), group) in groups {
        if group.pipeline.is_some() || !group.is_production {
            continue;
        }
        parts.entry(&group.service).or_default().push(Part {
            arn: &group.arn,
            name: target.strip_suffix('/').unwrap_or(target),
            account,
            region,
            is_pipeline: false,
            why: Some(&group.why),
            is_assumed: group.is_assumed,
            why_not: None,
            is_elsewhere: false,
        });
    }
    let units: BTreeMap<&AccountId, &str> = estate
        .of_type(&TypeName::ACCOUNT)
        .filter_map(|it| Some((&it.account, it.properties.get("OrganizationalUnitPath")?.as_str()?)))
        .collect();
    parts.into_iter().filter_map(|(key, parts)| service(key, &parts, &units, estate, options)).collect()
}

fn service(
    key: &ServiceKey,
    parts: &[Part<'_>],
    units: &BTreeMap<&AccountId, &str>,
    estate: &Estate,
    options: &Options,
) -> Option<Service> {
    let first = parts.first()?;
    let arns = |is_pipeline: bool| {
        let chosen = parts.iter().filter(|part| part.is_pipeline == is_pipeline);
        chosen.map(|part| part.arn.to_owned()).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    let tags_of = |part: &Part<'_>| estate.resource(part.arn).map(|it| it.tags.clone()).unwrap_or_default();
    let mut tags = tags_of(first);
    for part in parts {
        let others = tags_of(part);
        // What only a part of a service carries says nothing of the service.
        tags.retain(|key, value| others.get(key) == Some(value));
    }
    if let Some(tag) = &options.service_tag
        && parts.iter().any(|part| tags_of(part).get(tag) == Some(&key.0))
    {
        tags.insert(tag.clone(), key.0.clone());
    }
    let whys: BTreeSet<&str> = parts.iter().filter_map(|part| part.why).collect();
    let why_nots: BTreeSet<&str> = parts.iter().filter_map(|part| part.why_not).collect();
    let joined = |sentences: BTreeSet<&str>| {
        (!sentences.is_empty()).then(|| sentences.into_iter().collect::<Vec<_>>().join("; "))
    };
    let is_named_by_itself = parts.len() == 1 && key.0 == first.arn;
    let production = joined(whys);
    Some(Service {
        key: key.clone(),
        name: if is_named_by_itself { first.name.to_owned() } else { key.0.clone() },
        pipelines: arns(true),
        deployment_groups: arns(false),
        account: first.account.clone(),
        region: first.region.clone(),
        organizational_unit: units.get(first.account).map(|path| (*path).to_owned()),
        tags,
        production_is_assumed: parts.iter().any(|part| part.is_assumed),
        is_elsewhere: parts.iter().all(|part| part.is_elsewhere),
        not_measurable: if production.is_none() { joined(why_nots) } else { None },
        production,
    })
}
