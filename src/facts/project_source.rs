//! Where a build project takes its source and its instructions from.
//!
//! In: sources, build specification and webhook of a project. Out: whether credentials stand in an address, whose
//! repositories are built, and whether whoever may change the source decides what the build does.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Facts;
use super::joins::Joins;
use super::project_webhook::Webhook;
use super::seen::{Found, Seen, at, flag, list_at, property, text_at};
use crate::inventory::Resource;

/// Source providers whose repositories have an owner.
const PROVIDERS: &[&str] = &["GITHUB", "GITHUB_ENTERPRISE", "GITLAB", "GITLAB_SELF_MANAGED", "BITBUCKET"];

/// Stands for "whatever repository the webhook reports".
const ANY_REPOSITORY: &str = "CODEBUILD_DEFAULT_WEBHOOK_SOURCE_LOCATION";

pub(super) fn put(facts: &mut Facts, resource: &Resource, joins: &Joins) {
    let (sources, doubts) = sources(resource);
    let labels = |holds: &dyn Fn(&Value) -> bool| {
        let certain = sources.iter().filter(|(_, source)| holds(source)).map(|(label, _)| label.clone()).collect();
        Found { certain, doubts: doubts.clone() }
    };
    facts.put("credentialsInSource", labels(&holds_credentials).decided());
    facts.put(
        "insecureSources",
        labels(&|source| at(Some(source), &["InsecureSsl"]).and_then(flag) == Some(true)).decided(),
    );

    let mut owners = Found { doubts: doubts.clone(), ..Found::default() };
    for (label, source) in &sources {
        match owner(label, source, resource) {
            Ok(owner) => owners.certain.extend(owner),
            Err(sentences) => owners.doubt(&sentences),
        }
    }
    let allowed = &joins.rules.allowed_source_owners;
    let is_foreign = |owner: &&String| !allowed.contains(&owner.to_lowercase());
    let foreign =
        Found { certain: owners.certain.iter().filter(is_foreign).cloned().collect(), doubts: owners.doubts.clone() };
    facts.know("sourceOwnersJudged", !allowed.is_empty());
    facts.put("foreignSourceOwners", if allowed.is_empty() { Ok(BTreeSet::new()) } else { foreign.decided() });
    facts.put("sourceOwners", owners.decided());
    facts.put("buildspecSource", buildspec_source(resource));
}

/// Every source by what it is called, the first as `primary`, and why there may be more.
fn sources(resource: &Resource) -> (Vec<(String, &Value)>, Vec<String>) {
    let mut doubts = Vec::new();
    let mut seen = |name: &str| {
        property(resource, name).unwrap_or_else(|sentences| {
            doubts.extend(sentences);
            None
        })
    };
    let primary = seen("Source").map(|source| ("primary".to_owned(), source));
    let others = list_at(seen("SecondarySources"), &[]).iter();
    let others = others.map(|source| (text_at(Some(source), &["SourceIdentifier"]).to_owned(), source));
    (primary.into_iter().chain(others).collect(), doubts)
}

/// A password in an address, or a name that may be a token. Bitbucket writes the user's name into the addresses it
/// offers, and no token.
fn holds_credentials(source: &Value) -> bool {
    let location = text_at(Some(source), &["Location"]);
    let host = location.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
    match text_at(Some(source), &["LocationUserInfo"]) {
        "password" => true,
        "name" => host != "bitbucket.org",
        // A template may still hold the address as written.
        _ => host.contains('@') && (host.contains(':') || !host.ends_with("@bitbucket.org")),
    }
}

/// Who owns the repository of a source: `acme` of `https://github.com/acme/web.git`. Nobody, where it is no repository
/// of a provider that has owners.
fn owner(label: &str, source: &Value, resource: &Resource) -> Seen<Option<String>> {
    if !PROVIDERS.contains(&text_at(Some(source), &["Type"])) {
        return Ok(None);
    }
    let location = text_at(Some(source), &["Location"]);
    let unclear =
        || vec![format!("the owner of the {label} source of {} cannot be told from `{location}`", resource.uid)];
    if location == ANY_REPOSITORY {
        let triggers = property(resource, "Triggers")?;
        let name = text_at(triggers, &["ScopeConfiguration", "Name"]);
        let of_owner = text_at(triggers, &["ScopeConfiguration", "Scope"]) != "GITHUB_GLOBAL" && !name.is_empty();
        return if of_owner { Ok(Some(name.to_owned())) } else { Err(unclear()) };
    }
    let path = match (location.split_once("://"), location.split_once('@')) {
        (Some((_, rest)), _) => rest.split_once('/').map(|(_, path)| path),
        (None, Some((_, rest))) => rest.split_once(':').map(|(_, path)| path),
        (None, None) => None,
    };
    let mut parts = path.unwrap_or_default().split('/').filter(|part| !part.is_empty());
    match (parts.next(), parts.next()) {
        (Some(owner), Some(_)) => Ok(Some(owner.to_owned())),
        _ => Err(unclear()),
    }
}

/// What the build's instructions come from: `repository` (with the source; an empty setting means the file in its root),
/// `workflow` (a runner takes them from a workflow in the repository), `inline`, or `s3`.
fn buildspec_source(resource: &Resource) -> Seen<&'static str> {
    let source = property(resource, "Source")?;
    let given = match text_at(source, &["BuildSpec"]) {
        text if text.starts_with("arn:") => "s3",
        text if text == "inline" || text.contains(['\n', '{']) || text.contains(": ") => "inline",
        _ => return Ok("repository"),
    };
    let runner = Webhook::of(resource)?.is_some_and(|webhook| webhook.is_runner());
    Ok(if runner { "workflow" } else { given })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::super::{Fact, Project, ResourceKind, Rules};
    use super::*;
    use crate::inventory::TypeName;

    fn facts(properties: Value) -> Facts {
        let rules = Rules { allowed_source_owners: BTreeSet::from(["acme".to_owned()]), ..Rules::default() };
        Project.facts(&resource(TypeName::PROJECT, "web", properties), &joins_by(rules, &[], &[]))
    }

    fn set(facts: &Facts, name: &str) -> Vec<String> {
        match &facts.known[name] {
            Fact::Set(set) => set.iter().cloned().collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_empty_build_specification_is_the_file_in_the_repository() {
        let from = |source: Value, triggers: Value| match &facts(json!({"Source": source, "Triggers": triggers})).known
            ["buildspecSource"]
        {
            Fact::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(from(json!({"Type": "GITHUB"}), json!(null)), "repository");
        assert_eq!(from(json!({"Type": "CODEPIPELINE", "BuildSpec": "ci/build.yml"}), json!(null)), "repository");
        assert_eq!(from(json!({"Type": "GITHUB", "BuildSpec": "ci/steps.txt"}), json!(null)), "repository");
        assert_eq!(from(json!({"BuildSpec": "inline"}), json!(null)), "inline");
        assert_eq!(from(json!({"BuildSpec": "version: 0.2\n"}), json!(null)), "inline");
        assert_eq!(from(json!({"BuildSpec": "arn:aws:s3:::specs/build.yml"}), json!(null)), "s3");
        let jobs = json!({"FilterGroups": [[{"Type": "EVENT", "Pattern": "WORKFLOW_JOB_QUEUED"}]]});
        assert_eq!(from(json!({"BuildSpec": "inline"}), jobs), "workflow");
    }

    #[test]
    fn credentials_in_addresses() {
        let source = |location: &str, user: &str| json!({"Location": location, "LocationUserInfo": user});
        for (source, expected) in [
            (source("https://github.com/acme/web", "password"), 1),
            (source("https://github.com/acme/web", "name"), 1),
            (source("https://bitbucket.org/acme/web", "name"), 0),
            (json!({"Location": "https://github.com/acme/web@v1"}), 0),
            (json!({"Location": "https://me:pw@github.com/acme/web"}), 1),
            (json!({"Location": "https://me@bitbucket.org/acme/web"}), 0),
        ] {
            assert_eq!(set(&facts(json!({ "Source": source })), "credentialsInSource").len(), expected, "{source}");
        }
        let secondary = json!({"SourceIdentifier": "tools", "LocationUserInfo": "password", "InsecureSsl": true});
        let facts = facts(json!({"Source": {"InsecureSsl": false}, "SecondarySources": [secondary]}));
        assert_eq!(set(&facts, "credentialsInSource"), ["tools"]);
        assert_eq!(set(&facts, "insecureSources"), ["tools"]);
    }

    #[test]
    fn whose_repositories_are_built() {
        let of = |kind: &str, location: &str| facts(json!({"Source": {"Type": kind, "Location": location}}));
        for (location, foreign) in [
            ("https://github.com/Acme/web.git", Vec::new()),
            ("git@github.com:acme/web.git", Vec::new()),
            ("https://github.com/stranger/web", vec!["stranger"]),
            ("https://gitlab.com/stranger/group/web", vec!["stranger"]),
        ] {
            assert_eq!(set(&of("GITHUB", location), "foreignSourceOwners"), foreign, "{location}");
        }
        assert!(of("GITHUB", "https://github.com/web").unknown.contains_key("foreignSourceOwners"));
        assert!(set(&of("S3", "bucket/source.zip"), "sourceOwners").is_empty());
        let everything = |scope: Value| {
            facts(json!({
                "Source": {"Type": "GITHUB", "Location": ANY_REPOSITORY}, "Triggers": {"ScopeConfiguration": scope},
            }))
        };
        let organization = everything(json!({"Scope": "GITHUB_ORGANIZATION", "Name": "stranger"}));
        assert_eq!(set(&organization, "foreignSourceOwners"), ["stranger"]);
        let global = everything(json!({"Scope": "GITHUB_GLOBAL", "Name": "x"}));
        assert!(global.unknown.contains_key("foreignSourceOwners"));
    }
}
