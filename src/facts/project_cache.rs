//! The cache of a build project, and who else can put something into it.
//!
//! In: cache, webhook and use of every project. Out: who shares a cache across a boundary of trust. It exists because
//! what a pull request of a stranger leaves in a cache runs in the next build of a release.

use serde_json::Value;

use super::Facts;
use super::joins::Joins;
use super::project_use::Identity;
use super::project_webhook::Webhook;
use super::seen::{Found, Seen, name, property, text_at};
use crate::inventory::{Resource, TypeName};

/// A project that keeps its cache in a place.
#[derive(Debug)]
pub(super) struct CacheUser {
    identity: Identity,
    pull_requests: Seen<bool>,
}

pub(super) fn index(resource: &Resource, joins: &mut Joins) {
    match property(resource, "Cache") {
        Ok(cache) => {
            if let Some(location) = location(cache) {
                let user =
                    CacheUser { identity: Identity::of(resource, joins), pull_requests: takes_pull_requests(resource) };
                joins.caches.entry(location).or_default().push(user);
            }
        }
        Err(sentences) => joins.hidden_caches.entry(resource.account.clone()).or_default().extend(sentences),
    }
}

fn takes_pull_requests(resource: &Resource) -> Seen<bool> {
    Ok(Webhook::of(resource)?.is_some_and(|webhook| webhook.takes_pull_requests()))
}

fn kind(cache: Option<&Value>) -> &str {
    match text_at(cache, &["Type"]) {
        "" => "NO_CACHE",
        kind => kind,
    }
}

/// `bucket/prefix`, for a cache that others could reach. The namespace does not count: whoever may write to the place may
/// write to all of it.
fn location(cache: Option<&Value>) -> Option<String> {
    let location = text_at(cache, &["Location"]);
    let location = location.strip_prefix("arn:").and_then(|rest| rest.splitn(5, ':').nth(4)).unwrap_or(location);
    let location = location.trim_end_matches('/');
    (kind(cache) == "S3" && !location.is_empty()).then(|| location.to_owned())
}

pub(super) fn put(facts: &mut Facts, resource: &Resource, joins: &Joins) {
    let cache = property(resource, "Cache");
    facts.put("cacheType", cache.clone().map(kind));
    facts.put("cacheSharedWith", cache.and_then(|cache| shared_with(cache, resource, joins)?.decided()));
}

/// Who uses the cache under another trust: builds of the same project that a stranger starts and builds that nobody
/// outside does, and other projects of which one is production or builds pull requests and the other is not.
fn shared_with(cache: Option<&Value>, resource: &Resource, joins: &Joins) -> Seen<Found> {
    let mut found = Found::default();
    if kind(cache) == "NO_CACHE" {
        return Ok(found);
    }
    let webhook = Webhook::of(resource)?;
    let own = Identity::of(resource, joins);
    let pull_requests = webhook.as_ref().is_some_and(Webhook::takes_pull_requests);
    if pull_requests {
        if webhook.is_some_and(|webhook| webhook.takes_pushes()) {
            found.add("its own builds of pushes");
        }
        let pipelines = own.used_by(joins);
        found.certain.extend(pipelines.certain.into_iter().map(|pipeline| format!("pipeline {pipeline}")));
        found.doubt(&pipelines.doubts);
    }
    let Some(location) = location(cache) else { return Ok(found) };
    let production = own.production(joins);
    for other in joins.caches.get(&location).into_iter().flatten() {
        if other.identity.place == own.place && other.identity.name == name(resource, "Name") {
            continue;
        }
        let label = format!("project {}", other.identity.label());
        let differs = differs(&Ok(pull_requests), &other.pull_requests);
        match differs {
            Ok(true) => found.add(label),
            _ => match super::deploying::any(
                [differs, self::differs(&production, &other.identity.production(joins))].into_iter(),
            ) {
                Ok(true) => found.add(label),
                Ok(false) => {}
                Err(sentences) => found.doubt(&sentences),
            },
        }
    }
    // Only projects of the same account are asked for: a gap anywhere would leave every cache in doubt.
    found.doubt(&joins.gaps.over(&resource.account, None, &TypeName::PROJECT));
    found.doubt(joins.hidden_caches.get(&resource.account).map_or(&[], Vec::as_slice));
    Ok(found)
}

fn differs(one: &Seen<bool>, other: &Seen<bool>) -> Seen<bool> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok(one != other),
        (Err(sentences), _) | (_, Err(sentences)) => Err(sentences.clone()),
    }
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::super::{Fact, Project, ResourceKind};
    use super::*;

    fn project(name: &str, cache: Value, events: Option<&str>) -> Resource {
        let groups = events.map(|events| json!({"FilterGroups": [[{"Type": "EVENT", "Pattern": events}]]}));
        resource(TypeName::PROJECT, name, json!({"Name": name, "Cache": cache, "Triggers": groups}))
    }

    fn shared(all: &[Resource], gaps: &[crate::inventory::Gap]) -> Option<Vec<String>> {
        let facts = Project.facts(&all[0], &joins(all, gaps));
        match facts.known.get("cacheSharedWith") {
            Some(Fact::Set(set)) => Some(set.iter().cloned().collect()),
            _ => None,
        }
    }

    fn s3(location: &str) -> Value {
        json!({"Type": "S3", "Location": location})
    }

    #[test]
    fn builds_of_one_project_under_two_trusts() {
        let local = || json!({"Type": "LOCAL", "Modes": ["LOCAL_DOCKER_LAYER_CACHE"]});
        let own = |cache: Value, events: Option<&str>| shared(&[project("web", cache, events)], &[]).unwrap();
        assert_eq!(own(local(), Some("PUSH,PULL_REQUEST_CREATED")), ["its own builds of pushes"]);
        assert!(own(local(), Some("PUSH")).is_empty() && own(local(), Some("PULL_REQUEST_CREATED")).is_empty());
        assert!(own(json!({"Type": "NO_CACHE"}), Some("PUSH,PULL_REQUEST_CREATED")).is_empty());
        let gap = denied_types("codepipeline:ListPipelines", &[TypeName::PIPELINE]);
        assert_eq!(shared(&[project("web", local(), Some("PULL_REQUEST_CREATED"))], &[gap]), None);
    }

    #[test]
    fn projects_of_different_trust_in_one_place() {
        let web = || project("web", s3("caches/shared"), None);
        let with = |other: Resource| shared(&[web(), other], &[]).unwrap();
        assert!(with(project("api", s3("caches/shared/"), Some("PUSH"))).is_empty());
        assert_eq!(
            with(project("api", s3("caches/shared"), Some("PULL_REQUEST_CREATED"))),
            ["project 111111111111/api"]
        );
        assert_eq!(with(project("api-prod", s3("caches/shared"), None)), ["project 111111111111/api-prod"]);
        assert!(with(project("api-prod", s3("caches/other"), None)).is_empty());
    }

    #[test]
    fn projects_that_could_not_be_seen_leave_it_open() {
        let gap = denied_types("codebuild:ListProjects", &[TypeName::PROJECT]);
        assert_eq!(shared(&[project("web", s3("caches/shared"), None)], &[gap]), None);
        let mut hidden = project("api", json!(null), None);
        hidden.properties.clear();
        hidden.unseen.insert("*".to_owned(), denied("codebuild:BatchGetProjects"));
        assert_eq!(shared(&[project("web", s3("caches/shared"), None), hidden], &[]), None);
    }
}
