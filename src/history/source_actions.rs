//! Which repositories executions took their revisions from.
//!
//! In: the pipelines of a question, and the executions that are known. Out: for each repository, the commits that were
//! delivered from it, in order of delivery. What an action was told when it ran decides; only where that is not known,
//! the pipeline's definition of today does.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use time::OffsetDateTime;

use super::{ActionExecution, Question};
use crate::inventory::{AccountId, Arn, Region, Resource, TypeName};

/// Heads of a branch, by the time of their execution.
type Delivered<'a> = BTreeSet<(OffsetDateTime, &'a str)>;

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In `CodeCommit`.
    CodeCommit {
        account: AccountId,
        region: Region,
        /// Its name.
        repository: String,
    },
    /// On a source host.
    Hosted {
        /// The name that inventories know it by: `arn:…:connection/id/acme/web`, `https://github.com/acme/web`.
        alias: String,
        /// `acme/web`
        repository: String,
    },
}

/// Commits that one source action of one pipeline delivered, oldest first, each once; the first may be the last one from
/// before the period.
pub(super) type Heads = Vec<String>;

/// The heads of every source action, by repository.
pub(super) fn heads(question: &Question<'_>) -> BTreeMap<Place, Vec<Heads>> {
    let pipelines: BTreeMap<&str, &Resource> = question
        .resources
        .iter()
        .filter(|resource| resource.type_name == TypeName::PIPELINE)
        .map(|pipeline| (pipeline.uid.as_str(), pipeline))
        .collect();
    let ran: BTreeMap<(&str, &str, &str), &ActionExecution> = question
        .so_far
        .actions
        .iter()
        .filter(|action| action.category == "Source")
        .map(|action| ((action.pipeline.as_str(), action.execution.as_str(), action.action.as_str()), action))
        .collect();
    let mut delivered: BTreeMap<(Place, &str, &str), Delivered<'_>> = BTreeMap::new();
    for execution in &question.so_far.executions {
        let Some(pipeline) = pipelines.get(execution.pipeline.as_str()) else { continue };
        if execution.started >= question.period.to {
            continue;
        }
        for revision in execution.revisions.iter().filter(|revision| is_commit(&revision.id)) {
            let key = (execution.pipeline.as_str(), execution.id.as_str(), revision.action.as_str());
            let place = match ran.get(&key) {
                Some(action) => place_of(action, pipeline),
                None => place_in(pipeline, &revision.action),
            };
            if let Some(place) = place {
                let heads =
                    delivered.entry((place, execution.pipeline.as_str(), revision.action.as_str())).or_default();
                heads.insert((execution.started, revision.id.as_str()));
            }
        }
    }
    let mut found: BTreeMap<Place, Vec<Heads>> = BTreeMap::new();
    for ((place, ..), heads) in delivered {
        let heads = in_period(&heads, question.period.from);
        if !heads.is_empty() {
            found.entry(place).or_default().push(heads);
        }
    }
    found
}

/// The heads from `from` on, and the one before them.
fn in_period(heads: &BTreeSet<(OffsetDateTime, &str)>, from: OffsetDateTime) -> Heads {
    let before = heads.iter().rfind(|(started, _)| *started < from);
    let within = heads.iter().filter(|(started, _)| *started >= from);
    let mut seen = BTreeSet::new();
    let wanted = before.into_iter().chain(within).map(|(_, id)| *id);
    let heads: Heads = wanted.filter(|id| seen.insert(*id)).map(str::to_owned).collect();
    // Nothing was delivered in the period.
    if before.is_some() && heads.len() == 1 { Heads::new() } else { heads }
}

/// Whether a revision is the full id of a commit, and not the version of an object or image.
fn is_commit(id: &str) -> bool {
    matches!(id.len(), 40 | 64) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn place_of(action: &ActionExecution, pipeline: &Resource) -> Option<Place> {
    let setting = |name: &str| action.configuration.get(name).map(String::as_str).unwrap_or_default();
    let region = action.region.as_ref().map_or("", Region::as_str);
    place(pipeline, &action.provider, &setting, action.role_arn.as_deref().unwrap_or_default(), region)
}

fn place_in(pipeline: &Resource, name: &str) -> Option<Place> {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let actions = list(pipeline.properties.get("Stages")).into_iter().flat_map(|stage| list(stage.get("Actions")));
    let action = actions.into_iter().find(|action| {
        action.get("Name").and_then(Value::as_str) == Some(name)
            && action.pointer("/ActionTypeId/Category").and_then(Value::as_str) == Some("Source")
    })?;
    let text = |path: &str| action.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let settings = action.get("Configuration");
    let setting = |name: &str| settings.and_then(|all| all.get(name)).and_then(Value::as_str).unwrap_or_default();
    place(pipeline, text("/ActionTypeId/Provider"), &setting, text("/RoleArn"), text("/Region"))
}

fn place<'a>(
    pipeline: &Resource,
    provider: &str,
    setting: &dyn Fn(&str) -> &'a str,
    role: &str,
    region: &str,
) -> Option<Place> {
    let known = |text: &'a str| (!text.is_empty() && !text.contains("#{")).then_some(text);
    match provider {
        "CodeCommit" => {
            let account = Arn::parse(role).ok().and_then(|role| role.account_id());
            Some(Place::CodeCommit {
                account: account.unwrap_or_else(|| pipeline.account.clone()),
                region: region.parse().unwrap_or_else(|_| pipeline.region.clone()),
                repository: known(setting("RepositoryName"))?.to_owned(),
            })
        }
        "CodeStarSourceConnection" => {
            let (connection, repository) = (known(setting("ConnectionArn"))?, known(setting("FullRepositoryId"))?);
            Some(Place::Hosted { alias: format!("{connection}/{repository}"), repository: repository.to_owned() })
        }
        "GitHub" => {
            let repository = format!("{}/{}", known(setting("Owner"))?, known(setting("Repo"))?);
            Some(Place::Hosted { alias: format!("https://github.com/{repository}"), repository })
        }
        _ => None,
    }
}
