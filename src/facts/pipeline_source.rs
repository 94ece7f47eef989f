//! Where a pipeline's code comes from: the branches that its source actions take, and whether they are protected.
//!
//! In: a pipeline, the branches that were read, and the owners that the configuration allows. Out: facts of the pipeline.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Facts;
use super::branch::BranchEntry;
use super::joins::Joins;
use super::pipeline_definition::{Action, Definition};
use super::seen::{Found, Seen, list_at, property, text_at};
use crate::inventory::{Arn, Resource, TypeName};

/// A branch that a source action takes.
struct Source {
    /// `Stage/Action`
    label: String,
    /// The name that it goes by; why it cannot be told where the action leaves it open.
    alias: Seen<String>,
    /// `main`
    branch: String,
    /// `acme/web`
    repository: String,
    /// `acme`; empty for `CodeCommit`, whose repositories an account owns.
    owner: String,
}

/// Facts that are unknown together if the stages could not be seen.
pub(super) const FACTS: &[&str] = &["disallowedSourceOwners", "sourceBranches", "sourceOwners", "unprotectedSources"];

/// The names of the branches that a pipeline takes, as far as they can be told.
pub(super) fn branches(resource: &Resource) -> Vec<String> {
    let sources = property(resource, "Stages").map(|stages| sources(resource, &Definition::read(stages)));
    let aliases: BTreeSet<String> = sources.into_iter().flatten().filter_map(|source| source.alias.ok()).collect();
    aliases.into_iter().collect()
}

pub(super) fn put(facts: &mut Facts, resource: &Resource, joins: &Joins) {
    let allowed = &joins.rules.allowed_source_owners;
    facts.know("sourceOwnersRestricted", !allowed.is_empty());
    let sources = property(resource, "Stages").map(|stages| sources(resource, &Definition::read(stages)));
    let sources = match sources {
        Ok(sources) => sources,
        Err(sentences) => {
            for fact in FACTS {
                facts.put::<bool>(fact, Err(sentences.clone()));
            }
            return;
        }
    };
    let (mut taken, mut owners, mut disallowed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut unprotected = Found::default();
    for source in &sources {
        taken.insert(format!("{} ({} of {})", source.label, source.branch, source.repository));
        if !source.owner.is_empty() {
            owners.insert(source.owner.clone());
            if !allowed.iter().any(|owner| owner.eq_ignore_ascii_case(&source.owner)) {
                disallowed.insert(format!("{} ({})", source.label, source.repository));
            }
        }
        judge(source, resource, joins, &mut unprotected);
    }
    match property(resource, "Triggers") {
        Ok(triggers) => {
            for (source, other) in other_starts(triggers, &sources) {
                unprotected.doubt(&[format!("{source} also starts from {other}, whose protection was not looked at")]);
            }
        }
        Err(gaps) if !sources.is_empty() => unprotected.doubt(&gaps),
        Err(_) => {}
    }
    facts.know("sourceBranches", taken);
    facts.know("sourceOwners", owners);
    facts.know("disallowedSourceOwners", disallowed);
    facts.put("unprotectedSources", unprotected.decided());
}

fn judge(source: &Source, resource: &Resource, joins: &Joins, unprotected: &mut Found) {
    let alias = match &source.alias {
        Ok(alias) => alias,
        Err(sentences) => return unprotected.doubt(sentences),
    };
    let Some(entry) = entry(alias, resource, joins) else {
        let owner = Arn::parse(alias).ok().and_then(|arn| arn.account_id());
        let owner = owner.unwrap_or_else(|| resource.account.clone());
        let gaps = joins.gaps.over(&owner, None, &TypeName::BRANCH);
        let unseen = format!(
            "{} takes branch {} of {}, which was not looked at",
            source.label, source.branch, source.repository
        );
        return unprotected.doubt(&if gaps.is_empty() { vec![unseen] } else { gaps });
    };
    let weaknesses = entry.weaknesses(joins);
    let found: Vec<String> = weaknesses.certain.into_iter().collect();
    if found.is_empty() {
        unprotected.doubt(&weaknesses.doubts);
    } else {
        unprotected.add(format!("{} ({} of {}: {})", source.label, source.branch, source.repository, found.join(", ")));
    }
}

/// What was seen of a branch; a repository outside AWS is asked for anew from every account that names it.
fn entry<'a>(alias: &str, resource: &Resource, joins: &'a Joins) -> Option<&'a BranchEntry> {
    let seen = joins.branches.get(alias)?;
    seen.get(&resource.account).or_else(|| seen.values().next())
}

fn sources(resource: &Resource, definition: &Definition<'_>) -> Vec<Source> {
    let source_actions = definition.actions.iter().filter(|action| action.category == "Source");
    source_actions.filter_map(|action| source(resource, action)).collect()
}

fn source(resource: &Resource, action: &Action<'_>) -> Option<Source> {
    let (repository, branch, prefix) = match (action.owner, action.provider) {
        ("AWS", "CodeCommit") => {
            let partition = Arn::parse(resource.uid.as_str()).map_or("aws", |arn| arn.partition);
            let region = Some(action.text("Region")).filter(|region| !region.is_empty());
            let region = region.unwrap_or(resource.region.as_str());
            let role = Arn::parse(action.text("RoleArn")).ok().and_then(|arn| arn.account_id());
            let account = role.unwrap_or_else(|| resource.account.clone());
            let prefix = format!("arn:{partition}:codecommit:{region}:{account}:");
            (action.setting("RepositoryName").to_owned(), action.setting("BranchName"), prefix)
        }
        ("AWS", "CodeStarSourceConnection") => {
            let connection = action.setting("ConnectionArn");
            let prefix = if connection.is_empty() { String::new() } else { format!("{connection}/") };
            (action.setting("FullRepositoryId").to_owned(), action.setting("BranchName"), prefix)
        }
        ("ThirdParty", "GitHub") => {
            let [owner, name] = ["Owner", "Repo"].map(|key| action.setting(key));
            let both = if owner.is_empty() || name.is_empty() { String::new() } else { format!("{owner}/{name}") };
            (both, action.setting("Branch"), "https://github.com/".to_owned())
        }
        _ => return None,
    };
    let open = [repository.as_str(), branch, prefix.as_str()].iter().any(|part| part.is_empty() || part.contains("#{"));
    let alias = format!("{prefix}{repository}/refs/heads/{branch}");
    let owner = repository.split_once('/').map_or("", |(owner, _)| owner).to_owned();
    Some(Source {
        label: action.label(),
        alias: if open {
            Err(vec![format!("{} does not say which branch it takes", action.label())])
        } else {
            Ok(alias)
        },
        branch: branch.to_owned(),
        repository,
        owner: if action.provider == "CodeCommit" { String::new() } else { owner },
    })
}

/// Pushes that start a source action from something else than its own branch, with what that is.
fn other_starts(triggers: Option<&Value>, sources: &[Source]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for git in list_at(triggers, &[]).iter().filter_map(|trigger| trigger.get("GitConfiguration")) {
        let name = text_at(Some(git), &["SourceActionName"]);
        let named = |source: &&Source| source.label.rsplit('/').next() == Some(name);
        let Some(source) = sources.iter().find(named) else { continue };
        for push in list_at(Some(git), &["Push"]) {
            let branches = list_at(Some(push), &["Branches", "Includes"]);
            // All but a few are others than the one that is taken.
            let excluded = list_at(Some(push), &["Branches", "Excludes"]);
            if branches.is_empty() && !excluded.is_empty() {
                found.push((source.label.clone(), "every branch that its trigger does not exclude".to_owned()));
            }
            let others = branches.iter().filter_map(|branch| branch.as_str()).filter(|branch| *branch != source.branch);
            found.extend(others.map(|branch| (source.label.clone(), format!("branches {branch}"))));
            let tags = list_at(Some(push), &["Tags", "Includes"]).iter().filter_map(|tag| tag.as_str());
            found.extend(tags.map(|tag| (source.label.clone(), format!("tags {tag}"))));
        }
    }
    found
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::super::{Fact, Rules};
    use super::*;

    const CONNECTION: &str = "arn:aws:codeconnections:eu-west-1:111111111111:connection/c-1";

    fn pipeline(provider: &str, settings: Value, triggers: Value) -> Resource {
        let owner = if provider == "GitHub" { "ThirdParty" } else { "AWS" };
        let action = json!({"Name": "Code", "ActionTypeId": {"Category": "Source", "Owner": owner, "Provider": provider}, "Configuration": settings});
        resource(
            TypeName::PIPELINE,
            "web",
            json!({"Name": "web", "Stages": [{"Name": "Source", "Actions": [action]}], "Triggers": triggers}),
        )
    }

    fn connected(triggers: Value) -> Resource {
        let settings = json!({"ConnectionArn": CONNECTION, "FullRepositoryId": "Acme/web", "BranchName": "main"});
        pipeline("CodeStarSourceConnection", settings, triggers)
    }

    fn branch(required: bool, approvals: i64) -> Resource {
        let mut branch = resource(
            TypeName::BRANCH,
            "main",
            json!({"Provider": "GitHub", "RequiresPullRequest": required, "RequiredApprovingReviewCount": approvals,
                "Aliases": [format!("{CONNECTION}/Acme/web/refs/heads/main")]}),
        );
        branch.uid.0 = "https://github.com/Acme/web/refs/heads/main".to_owned();
        branch
    }

    fn facts(pipeline: &Resource, others: &[Resource], owners: &[&str]) -> Facts {
        let owners = owners.iter().map(|owner| (*owner).to_owned()).collect();
        let rules = Rules { allowed_source_owners: owners, ..Rules::default() };
        let mut facts = Facts::default();
        put(&mut facts, pipeline, &joins_by(rules, others, &[]));
        facts
    }

    fn set(facts: &Facts, name: &str) -> Result<Vec<String>, String> {
        match facts.known.get(name) {
            Some(Fact::Set(set)) => Ok(set.iter().cloned().collect()),
            _ => Err(facts.unknown[name].join("; ")),
        }
    }

    #[test]
    fn a_source_is_as_protected_as_its_branch() {
        let unprotected = |others: &[Resource]| set(&facts(&connected(json!([])), others, &[]), "unprotectedSources");
        assert_eq!(unprotected(&[branch(true, 1)]), Ok(Vec::new()));
        assert_eq!(
            unprotected(&[branch(false, 0)]).unwrap(),
            ["Source/Code (main of Acme/web: direct pushes possible, no approval required)"]
        );
        assert!(unprotected(&[]).unwrap_err().contains("was not looked at"));
        let mut hidden = branch(true, 1);
        hidden.unseen.insert("RequiresPullRequest".to_owned(), denied("github:GetBranch"));
        assert!(unprotected(&[hidden]).unwrap_err().contains("github:GetBranch"));
    }

    #[test]
    fn other_branches_and_tags_that_start_it_are_not_its_branch() {
        let triggers = |push: Value| json!([{"GitConfiguration": {"SourceActionName": "Code", "Push": [push]}}]);
        let unprotected = |push| set(&facts(&connected(triggers(push)), &[branch(true, 1)], &[]), "unprotectedSources");
        assert_eq!(unprotected(json!({"Branches": {"Includes": ["main"]}})), Ok(Vec::new()));
        assert!(
            unprotected(json!({"Branches": {"Includes": ["main", "release/*"]}})).unwrap_err().contains("release/*")
        );
        assert!(unprotected(json!({"Tags": {"Includes": ["v*"]}})).unwrap_err().contains("tags v*"));
        assert!(unprotected(json!({"Branches": {"Excludes": ["dev"]}})).unwrap_err().contains("does not exclude"));
    }

    #[test]
    fn owners_are_compared_without_letter_case() {
        let all = facts(&connected(json!([])), &[], &["acme"]);
        assert_eq!(set(&all, "disallowedSourceOwners"), Ok(Vec::new()));
        assert_eq!(all.known["sourceOwnersRestricted"], Fact::Bool(true));
        let other = facts(&connected(json!([])), &[], &["example"]);
        assert_eq!(set(&other, "disallowedSourceOwners").unwrap(), ["Source/Code (Acme/web)"]);
        let settings = json!({"RepositoryName": "web", "BranchName": "main"});
        let own = facts(&pipeline("CodeCommit", settings, json!([])), &[], &["example"]);
        assert_eq!(set(&own, "sourceOwners"), Ok(Vec::new()));
    }

    #[test]
    fn an_action_that_leaves_its_branch_open_is_in_doubt() {
        let settings = json!({"RepositoryName": "web", "BranchName": "#{variables.branch}"});
        let open = pipeline("CodeCommit", settings, json!([]));
        assert!(branches(&open).is_empty());
        assert!(set(&facts(&open, &[], &[]), "unprotectedSources").unwrap_err().contains("does not say which branch"));
        let s3 = pipeline("S3", json!({"S3Bucket": "sources"}), json!([]));
        assert_eq!(set(&facts(&s3, &[], &[]), "sourceBranches"), Ok(Vec::new()));
    }

    #[test]
    fn names_are_those_that_the_collector_gives() {
        let settings = json!({"Owner": "acme", "Repo": "web", "Branch": "main"});
        assert_eq!(branches(&pipeline("GitHub", settings, json!([]))), ["https://github.com/acme/web/refs/heads/main"]);
        assert_eq!(branches(&connected(json!([]))), [format!("{CONNECTION}/Acme/web/refs/heads/main")]);
        let settings = json!({"RepositoryName": "web", "BranchName": "main"});
        assert_eq!(
            branches(&pipeline("CodeCommit", settings, json!([]))),
            ["arn:aws:codecommit:eu-west-1:111111111111:web/refs/heads/main"]
        );
    }
}
