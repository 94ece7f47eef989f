//! `AWS::CodeBuild::Project`: builds that may be deployments, and buckets that hold what they build.
//!
//! In: build projects. Out: whether a project's own specification deploys, and which buckets it writes to. Projects are
//! not judged themselves; the pipelines that run them are.

use super::bucket::BucketUser;
use super::check;
use super::joins::{Joins, place};
use super::seen::{Seen, list_at, name, property, text_at};
use crate::inventory::Resource;

pub(super) fn index(resource: &Resource, joins: &mut Joins) {
    check::index_project(resource, joins);
    let name = name(resource, "Name");
    joins.projects.entry(place(resource)).or_default().insert(name.to_owned(), deploys(resource));
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

/// Whether the build specification runs a deploy command, as far as it is part of the project.
fn deploys(resource: &Resource) -> Seen<bool> {
    Ok(!list_at(property(resource, "DeployCommands")?, &[]).is_empty())
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
    use crate::inventory::TypeName;

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
}
