//! `AWS::CodeBuild::Project`: builds that may be deployments, and buckets that hold what they build.
//!
//! In: build projects. Out: their facts, one file per subject; and for pipelines and buckets, whether a project's own
//! specification deploys, and which buckets it writes to.

use super::bucket::BucketUser;
use super::check;
use super::deploying::BuildSpec;
use super::joins::{Joins, place};
use super::seen::{Seen, list_at, name, property, text_at};
use super::{Facts, ResourceKind, project_cache, project_environment, project_output, project_source};
use super::{project_use, project_webhook};
use crate::inventory::{Resource, TypeName};

/// Build projects.
pub struct Project;

impl ResourceKind for Project {
    fn type_name(&self) -> TypeName {
        TypeName::PROJECT
    }

    fn action(&self) -> &'static str {
        "Build"
    }

    fn index(&self, resource: &Resource, joins: &mut Joins) {
        index(resource, joins);
        project_cache::index(resource, joins);
    }

    fn facts(&self, resource: &Resource, joins: &Joins) -> Facts {
        let mut facts = Facts::default();
        facts.know("name", name(resource, "Name"));
        facts.put_tags(resource);
        project_use::put(&mut facts, resource, joins);
        project_source::put(&mut facts, resource, joins);
        project_webhook::put(&mut facts, resource);
        project_environment::put(&mut facts, resource, joins);
        project_cache::put(&mut facts, resource, joins);
        project_output::put(&mut facts, resource, joins);
        facts
    }
}

fn index(resource: &Resource, joins: &mut Joins) {
    check::index_project(resource, joins);
    let name = name(resource, "Name");
    joins.projects.entry(place(resource)).or_default().insert(name.to_owned(), build_spec(resource));
    let label = format!("{}/{name}", resource.account);
    for list in ["Artifacts", "SecondaryArtifacts"] {
        match property(resource, list) {
            Ok(artifacts) => {
                let one = artifacts.filter(|value| value.is_object()).into_iter();
                for artifacts in one.chain(list_at(artifacts, &[])) {
                    let bucket = bucket_name(text_at(Some(artifacts), &["Location"]));
                    if text_at(Some(artifacts), &["Type"]) == "S3" && !bucket.is_empty() {
                        let user = BucketUser { label: label.clone(), production: None };
                        joins.bucket_users.entry(bucket.to_owned()).or_default().push(user);
                    }
                }
            }
            Err(sentences) => joins.hidden_stores.entry(resource.account.clone()).or_default().extend(sentences),
        }
    }
}

/// Whether the build specification runs a deploy command, if it is part of the project.
fn build_spec(resource: &Resource) -> Seen<BuildSpec> {
    Ok(match property(resource, "DeployCommands")? {
        None => BuildSpec::Elsewhere,
        Some(commands) if list_at(Some(commands), &[]).is_empty() => BuildSpec::DeploysNothing,
        Some(_) => BuildSpec::Deploys,
    })
}

/// The bucket in a location: a name, a name with a prefix, or an ARN.
pub(super) fn bucket_name(location: &str) -> &str {
    let path = if location.starts_with("arn:") { location.splitn(6, ':').nth(5).unwrap_or_default() } else { location };
    path.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::*;

    #[test]
    fn locations_of_buckets() {
        for location in ["artifacts", "artifacts/web", "arn:aws:s3:::artifacts", "arn:aws:s3:::artifacts/web"] {
            assert_eq!(bucket_name(location), "artifacts");
        }
        assert_eq!(bucket_name(""), "");
    }

    #[test]
    fn projects_name_their_buckets() {
        let project = resource(
            TypeName::PROJECT,
            "build",
            json!({
                "Name": "build", "Artifacts": {"Type": "S3", "Location": "one"},
                "SecondaryArtifacts": [{"Type": "S3", "Location": "two/x"}, {"Type": "CODEPIPELINE", "Location": "three"}],
            }),
        );
        let joins = joins(&[project], &[]);
        assert_eq!(joins.bucket_users.keys().collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(joins.bucket_users["one"][0].label, "111111111111/build");
    }

    #[test]
    fn each_unseen_property_leaves_its_facts_unknown() {
        for (property, expected) in [
            (
                "Source",
                vec![
                    "buildspecSource",
                    "credentialsInSource",
                    "foreignSourceOwners",
                    "insecureSources",
                    "sourceOwners",
                ],
            ),
            ("SecondarySources", vec!["credentialsInSource", "foreignSourceOwners", "insecureSources"]),
            (
                "Triggers",
                vec![
                    "buildspecSource",
                    "cacheSharedWith",
                    "forkBuildsApproved",
                    "pullRequestApproval",
                    "pullRequestBuilds",
                    "pullRequestGroupsWithoutActor",
                    "unanchoredWebhookFilters",
                    "untrustedApproverRoles",
                    "webhook",
                ],
            ),
            (
                "Environment",
                vec![
                    "buildPowers",
                    "image",
                    "imageOrigin",
                    "imagePinned",
                    "imagePullCredentials",
                    "plaintextSecretVariables",
                    "privilegedMode",
                    "secretVariables",
                ],
            ),
            ("Cache", vec!["cacheSharedWith", "cacheType"]),
            ("LogsConfig", vec!["logDestinations", "s3LogsEnabled", "s3LogsEncrypted"]),
            ("Artifacts", vec!["s3Artifacts", "unencryptedArtifacts"]),
            ("EncryptionKey", vec!["artifactKey"]),
            ("Visibility", vec!["visibility"]),
            ("VpcConfig", vec!["inVpc"]),
            ("TimeoutInMinutes", vec!["timeoutMinutes"]),
            ("ConcurrentBuildLimit", vec!["concurrentBuildLimit"]),
            ("LastBuildStartTime", vec!["built", "idleDays", "publishesReports"]),
            ("LastBuildReportArns", vec!["publishesReports"]),
            (
                "Tags",
                vec![
                    "buildPowers",
                    "privilegedModeAllowed",
                    "production",
                    "productionClassification",
                    "tagKeys",
                    "tags",
                ],
            ),
        ] {
            let mut project = resource(
                TypeName::PROJECT,
                "web",
                json!({
                    "Source": {"Type": "GITHUB", "Location": "https://github.com/acme/web.git", "BuildSpec": "inline"},
                    "Triggers": {"Webhook": true}, "Cache": {"Type": "S3", "Location": "caches/web"},
                    "Created": "2026-01-01T00:00:00Z", "LastBuildStartTime": "2026-11-20T00:00:00Z",
                    "LastBuildStatus": "SUCCEEDED",
                }),
            );
            project.properties.remove(property);
            project.unseen.insert(property.to_owned(), denied("codebuild:X"));
            let mut rules = crate::facts::Rules::default();
            rules.allowed_source_owners.insert("acme".to_owned());
            rules.builds.privileged_tags.insert("privileged".to_owned(), std::collections::BTreeSet::new());
            let facts = Project.facts(&project, &joins_by(rules, std::slice::from_ref(&project), &[]));
            assert_eq!(facts.unknown.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), expected, "{property}");
        }
    }
}
