//! The delivery path of every pipeline: who works with which role, and what a deployment touches in which account.
//!
//! In: pipelines, build projects, deployment groups, roles and keys of every account. Out: small indexes: who uses a role
//! or a key, what the roles may do to pipelines, which alarms watch a group. It exists because the path leads through
//! accounts: a pipeline here, the role it deploys with there.

use std::collections::{BTreeMap, BTreeSet};

use super::joins::{ByPlace, Joins, Place, place};
use super::permissions::Permissions;
use super::pipeline_definition::Definition;
use super::principal_denials::Denials;
use super::seen::{Found, Seen, at, list_at, name, property, text, text_at};
use crate::inventory::{AccountId, Arn, Partition, Region, Resource, TypeName};

/// What approves, opens or rewrites a pipeline.
pub(super) const APPROVE: &str = "codepipeline:PutApprovalResult";
pub(super) const UPDATE: &str = "codepipeline:UpdatePipeline";
pub(super) const OVERRIDE: &str = "codepipeline:OverrideStageCondition";
pub(super) const ENABLE: &str = "codepipeline:EnableStageTransition";
pub(super) const DISABLE: &str = "codepipeline:DisableStageTransition";
const ON_PIPELINES: &[&str] = &[APPROVE, UPDATE, OVERRIDE, ENABLE, DISABLE];

/// As what a role is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    /// The service role of a pipeline.
    Pipeline,
    /// The role of one action.
    Action,
    /// The service role of a build project, named by the project.
    Project,
    /// The same, because a pipeline runs the project.
    Build,
    /// The service role of a deployment group.
    Group,
}

/// One use of a role.
#[derive(Debug, Clone)]
pub(super) struct RoleUse {
    pub(super) duty: Duty,
    /// `111122223333/web`, with the action where one uses it.
    pub(super) label: String,
    /// The account of what uses it.
    pub(super) account: AccountId,
    /// Whether it works for production; `None` where only a pipeline could say.
    pub(super) production: Option<Seen<bool>>,
    /// The role that assumes this one: the pipeline's own.
    pub(super) assumed_by: Option<String>,
}

/// A deployment group as a chain shows it.
#[derive(Debug)]
pub(super) struct GroupEntry {
    pub(super) arn: String,
    pub(super) role: Seen<Option<String>>,
    pub(super) alarms: Seen<BTreeSet<String>>,
}

/// A pipeline that encrypts with a key.
#[derive(Debug)]
pub(super) struct KeyUser {
    pub(super) label: String,
    pub(super) production: Seen<bool>,
}

/// The indexes.
#[derive(Debug, Default)]
pub(super) struct DeliveryPaths {
    pub(super) users: BTreeMap<String, Vec<RoleUse>>,
    /// Roles that something on a delivery path uses, by the account they live in.
    by_account: BTreeMap<AccountId, BTreeSet<String>>,
    /// What a role may do to pipelines, by ARN.
    pub(super) permissions: BTreeMap<String, Permissions>,
    projects: ByPlace<Seen<Option<String>>>,
    pub(super) groups: ByPlace<GroupEntry>,
    pub(super) key_users: BTreeMap<String, Vec<KeyUser>>,
    /// Why a pipeline, project or group of an account may use a role that nobody saw.
    hidden: BTreeMap<AccountId, Vec<(TypeName, String)>>,
    pub(super) denials: Denials,
}

/// Where the roles of one pipeline come from.
#[derive(Debug)]
pub(super) struct PipelinePath {
    pub(super) account: AccountId,
    pub(super) role: Option<String>,
    pub(super) actions: Vec<ActionPath>,
    keys: Seen<Vec<(String, Region)>>,
}

/// The same of one action.
#[derive(Debug)]
pub(super) struct ActionPath {
    pub(super) label: String,
    /// Index into [`Definition::actions`].
    pub(super) action: usize,
    pub(super) role: Option<String>,
    /// Where it acts.
    pub(super) place: Place,
    project: Option<String>,
    pub(super) group: Option<String>,
}

impl PipelinePath {
    /// Reads it; the reasons if the definition could not be seen.
    pub(super) fn of(resource: &Resource) -> Seen<Self> {
        let definition = Definition::read(property(resource, "Stages")?);
        let mut actions = Vec::new();
        for (index, action) in definition.actions.iter().enumerate() {
            let role = role_arn(action.text("RoleArn"), resource);
            let account = role.as_deref().and_then(account_of).unwrap_or_else(|| resource.account.clone());
            let region = action.text("Region").parse().unwrap_or_else(|_| resource.region.clone());
            let (application, group) = (action.setting("ApplicationName"), action.setting("DeploymentGroupName"));
            let project = action.setting("ProjectName");
            actions.push(ActionPath {
                label: action.label(),
                action: index,
                role,
                place: (account, region),
                project: (!project.is_empty() && action.provider == "CodeBuild").then(|| project.to_owned()),
                group: (!group.is_empty()).then(|| format!("{application}/{group}")),
            });
        }
        Ok(Self {
            account: resource.account.clone(),
            role: role_arn(text(resource, "RoleArn")?.unwrap_or_default(), resource),
            actions,
            keys: keys(resource),
        })
    }

    /// The roles of the pipeline's own account that work on the path.
    pub(super) fn roles(&self, joins: &Joins) -> Found {
        let mut found = Found::default();
        let mut add = |role: Option<&String>| found.certain.extend(role.filter(|role| self.is_beside(role)).cloned());
        add(self.role.as_ref());
        let mut doubts = Vec::new();
        for action in &self.actions {
            add(action.role.as_ref());
            for role in [action.project_role(joins), action.group_role(joins)] {
                match role {
                    Ok(role) => add(role.as_ref()),
                    Err(sentences) if action.place.0 == self.account => doubts.extend(sentences),
                    Err(_) => {}
                }
            }
        }
        found.doubts = doubts;
        found
    }

    /// A role of another account cannot touch this one's pipelines.
    fn is_beside(&self, role: &str) -> bool {
        account_of(role).is_none_or(|account| account == self.account)
    }
}

impl ActionPath {
    /// The role of the build project that the action runs.
    pub(super) fn project_role(&self, joins: &Joins) -> Seen<Option<String>> {
        let Some(project) = &self.project else { return Ok(None) };
        if let Some(role) = joins.delivery.projects.get(&self.place).and_then(|projects| projects.get(project)) {
            return role.clone();
        }
        let (account, region) = &self.place;
        let mut sentences = joins.gaps.over(account, Some(region), &TypeName::PROJECT);
        sentences.extend(joins.why_region_not_looked_at(&self.place));
        if sentences.is_empty() { Ok(None) } else { Err(sentences) }
    }

    /// The deployment group that the action deploys to, if it is known.
    pub(super) fn group_entry<'a>(&self, joins: &'a Joins) -> Seen<Option<&'a GroupEntry>> {
        let Some(group) = &self.group else { return Ok(None) };
        if let Some(entry) = joins.delivery.groups.get(&self.place).and_then(|groups| groups.get(group)) {
            return Ok(Some(entry));
        }
        let mut sentences = joins.gaps.over(&self.place.0, Some(&self.place.1), &TypeName::DEPLOYMENT_GROUP);
        sentences.extend(joins.why_region_not_looked_at(&self.place));
        if sentences.is_empty() { Ok(None) } else { Err(sentences) }
    }

    fn group_role(&self, joins: &Joins) -> Seen<Option<String>> {
        self.group_entry(joins)?.map_or(Ok(None), |entry| entry.role.clone())
    }
}

/// The keys that the artifact stores name, and the Regions from which.
fn keys(resource: &Resource) -> Seen<Vec<(String, Region)>> {
    let own = property(resource, "ArtifactStore")?.map(|store| (store, resource.region.clone()));
    let several = list_at(property(resource, "ArtifactStores")?, &[])
        .iter()
        .filter_map(|entry| Some((entry.get("ArtifactStore")?, text_at(Some(entry), &["Region"]).parse().ok()?)));
    let keys = own.into_iter().chain(several).filter_map(|(store, region)| {
        let key = text_at(Some(store), &["EncryptionKey", "Id"]);
        (!key.is_empty()).then(|| (key.to_owned(), region))
    });
    Ok(keys.collect())
}

/// A role's ARN, however it is named.
fn role_arn(named: &str, by: &Resource) -> Option<String> {
    if named.is_empty() || Arn::parse(named).is_ok() {
        return (!named.is_empty()).then(|| named.to_owned());
    }
    Some(format!("arn:{}:iam::{}:role/{named}", Partition::of_region(&by.region), by.account))
}

/// The account in an ARN.
pub(super) fn account_of(arn: &str) -> Option<AccountId> {
    Arn::parse(arn).ok().and_then(|arn| arn.account_id())
}

/// Leaves in the joins what delivery paths need of a resource, whatever its type.
pub(super) fn index(resource: &Resource, joins: &mut Joins) {
    let delivery = &mut joins.delivery;
    delivery.denials.index(resource);
    if resource.type_name == TypeName::ROLE {
        let permissions = Permissions::of_role(resource).about(ON_PIPELINES);
        let known = delivery.permissions.entry(resource.uid.as_str().to_owned()).or_insert_with(|| permissions.clone());
        // The same role may have been asked for twice, and answered only once.
        if known.hidden.len() > permissions.hidden.len() {
            *known = permissions;
        }
    } else if resource.type_name == TypeName::PROJECT {
        let name = name(resource, "Name").to_owned();
        let role = text(resource, "ServiceRole").map(|role| role_arn(role.unwrap_or_default(), resource));
        delivery.name(&role, Duty::Project, format!("project {}/{name}", resource.account), resource);
        delivery.projects.entry(place(resource)).or_default().insert(name, role);
    } else if resource.type_name == TypeName::DEPLOYMENT_GROUP {
        let target = target_name(resource);
        let role = text(resource, "ServiceRoleArn").map(|role| role_arn(role.unwrap_or_default(), resource));
        delivery.name(&role, Duty::Group, format!("deployment group {}/{target}", resource.account), resource);
        let alarms = property(resource, "AlarmConfiguration").map(|alarms| {
            let alarms = list_at(alarms, &["Alarms"]).iter();
            alarms.map(|alarm| text_at(at(Some(alarm), &["Name"]), &[]).to_owned()).collect()
        });
        let entry = GroupEntry { arn: resource.uid.as_str().to_owned(), role, alarms };
        delivery.groups.entry(place(resource)).or_default().insert(target, entry);
    } else if resource.type_name == TypeName::PIPELINE
        && let Err(sentences) = PipelinePath::of(resource).and_then(|path| path.keys)
    {
        delivery.hide(resource, sentences);
    }
}

fn target_name(resource: &Resource) -> String {
    let named = resource.uid.as_str().rsplit(':').next().unwrap_or_default().to_owned();
    let of = |property: &str| text_at(resource.properties.get(property), &[]);
    match (of("ApplicationName"), of("DeploymentGroupName")) {
        ("", _) | (_, "") => named,
        (application, group) => format!("{application}/{}", group.rsplit('/').next().unwrap_or_default()),
    }
}

impl DeliveryPaths {
    fn name(&mut self, role: &Seen<Option<String>>, duty: Duty, label: String, by: &Resource) {
        match role {
            Ok(Some(role)) => {
                let account = by.account.clone();
                self.add(role, RoleUse { duty, label, account, production: None, assumed_by: None });
            }
            Ok(None) => {}
            Err(sentences) => self.hide(by, sentences.clone()),
        }
    }

    /// Whatever `by` uses was not seen.
    fn hide(&mut self, by: &Resource, sentences: Vec<String>) {
        let hidden = self.hidden.entry(by.account.clone()).or_default();
        hidden.extend(sentences.into_iter().map(|sentence| (by.type_name.clone(), sentence)));
    }

    pub(super) fn add(&mut self, role: &str, one: RoleUse) {
        if let Some(account) = account_of(role) {
            self.by_account.entry(account).or_default().insert(role.to_owned());
        }
        self.users.entry(role.to_owned()).or_default().push(one);
    }

    /// Accounts in which something was seen, but not what it uses.
    pub(super) fn hiding(&self) -> impl Iterator<Item = &AccountId> {
        self.hidden.keys()
    }

    pub(super) fn users_of(&self, role: &str) -> &[RoleUse] {
        self.users.get(role).map_or(&[], Vec::as_slice)
    }
}

/// What `finish` leaves of one pipeline: who uses which role and which key, and whether for production.
pub(super) fn join(
    path: &PipelinePath,
    label: &str,
    production: &Seen<bool>,
    in_production: &BTreeMap<usize, Seen<bool>>,
    joins: &mut Joins,
) {
    let mut uses = Vec::new();
    let mut push = |role: &String, duty, label: String, production: Seen<bool>| {
        let assumed_by = path.role.clone().filter(|_| duty == Duty::Action);
        let one = RoleUse { duty, label, account: path.account.clone(), production: Some(production), assumed_by };
        uses.push((role.clone(), one));
    };
    if let Some(role) = &path.role {
        push(role, Duty::Pipeline, label.to_owned(), production.clone());
    }
    for action in &path.actions {
        let label = format!("{label} {}", action.label);
        // An action that deploys nothing works for whatever the pipeline delivers.
        let of_action = in_production.get(&action.action).unwrap_or(production);
        if let Some(role) = &action.role {
            push(role, Duty::Action, label.clone(), of_action.clone());
        }
        if let Ok(Some(role)) = action.project_role(joins) {
            push(&role, Duty::Build, label, production.clone());
        }
    }
    for (role, one) in uses {
        joins.delivery.add(&role, one);
    }
    let keys: BTreeSet<String> =
        path.keys.iter().flatten().filter_map(|(id, region)| joins.key_arn(id, &path.account, region)).collect();
    for key in keys {
        let user = KeyUser { label: label.to_owned(), production: production.clone() };
        joins.delivery.key_users.entry(key).or_default().push(user);
    }
}

impl Joins {
    /// The ARN of the key that `id` names from an account and Region; `None` for an alias that nobody resolved.
    fn key_arn(&self, id: &str, account: &AccountId, region: &Region) -> Option<String> {
        let arn = Arn::parse(id).ok();
        let resource = arn.map_or(id, |arn| arn.resource);
        let owner = arn.and_then(|arn| arn.account_id()).unwrap_or_else(|| account.clone());
        let region = arn.and_then(|arn| arn.region.parse().ok()).unwrap_or_else(|| region.clone());
        if resource.starts_with("alias/") {
            return self.key_aliases.get(&(owner, region)).and_then(|aliases| aliases.get(resource)).cloned();
        }
        let built = || format!("arn:{}:kms:{region}:{owner}:key/{id}", Partition::of_region(&region));
        Some(if arn.is_some() { id.to_owned() } else { built() })
    }

    /// Why something in the account may use a role or a key that nobody saw it use.
    pub(super) fn hidden_uses(&self, account: &AccountId, kinds: &[TypeName]) -> Vec<String> {
        let mut sentences = self.hidden_in(account, kinds);
        let hidden = self.delivery.hidden.get(account).into_iter().flatten();
        sentences.extend(hidden.filter(|(kind, _)| kinds.contains(kind)).map(|(_, sentence)| sentence.clone()));
        sentences
    }

    /// The roles of an account that work on any delivery path.
    pub(super) fn delivery_roles(&self, account: &AccountId) -> Found {
        let doubts = self.hidden_uses(account, &[TypeName::PIPELINE, TypeName::PROJECT, TypeName::DEPLOYMENT_GROUP]);
        Found { certain: self.delivery.by_account.get(account).cloned().unwrap_or_default(), doubts }
    }
}
