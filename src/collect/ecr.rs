//! ECR: the image repositories that pipelines and build projects name.
//!
//! In: a scope and references to repositories of its account and Region. Out: `AWS::ECR::Repository`, each with what the
//! registry says of scanning and signing, because rules of the registry decide for every repository in it; and references
//! to the keys that images are encrypted with.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_ecr::Client;
use aws_sdk_ecr::types::{RegistryScanningConfiguration, Repository, SigningConfiguration};
use serde_json::Value;

use super::fields::{Fields, document};
use super::pages::in_order;
use super::{CallError, Collected, Collector, Reach, Scope, arn};
use crate::inventory::{Arn, Properties, Reference, Resource, TypeName};

/// Reads ECR.
#[derive(Debug, Clone, Copy)]
pub struct Ecr;

const DESCRIBE: &str = "ecr:DescribeRepositories";
const GET_POLICY: &str = "ecr:GetRepositoryPolicy";
const GET_SCANNING: &str = "ecr:GetRegistryScanningConfiguration";
const GET_SIGNING: &str = "ecr:GetSigningConfiguration";
const LIST_TAGS: &str = "ecr:ListTagsForResource";

/// Names that one call takes.
const NAMES_PER_CALL: usize = 100;

/// One name that does not exist fails the whole call, and so does one that no repository can have: `MyApp`.
/// <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeRepositories.html>
const FAIL_FOR_ONE: [&str; 2] = ["RepositoryNotFoundException", "InvalidParameterException"];

#[async_trait]
impl Collector for Ecr {
    fn service(&self) -> &'static str {
        "ecr"
    }

    fn actions(&self) -> &'static [&'static str] {
        &[DESCRIBE, GET_POLICY, GET_SCANNING, GET_SIGNING, LIST_TAGS]
    }

    fn types(&self) -> &'static [TypeName] {
        const { &[TypeName::IMAGE_REPOSITORY] }
    }

    fn reach(&self) -> Reach {
        Reach::Referenced
    }

    async fn collect(&self, scope: &Scope, wanted: &[Reference]) -> Collected {
        let client = &Client::new(scope.config());
        let names: BTreeSet<&str> = wanted.iter().map(|reference| name_of(&reference.name)).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let described = in_order(names.chunks(NAMES_PER_CALL).map(|names| describe(scope, client, names)).collect());
        let described: Vec<_> = described.await.into_iter().flatten().collect();
        let registry = if described.iter().any(|(_, answer)| answer.is_ok()) {
            Some(read_registry(scope, client).await)
        } else {
            None
        };
        let jobs = described.iter().map(|(name, answer)| read(scope, client, name, answer, registry.as_ref()));
        let mut collected = Collected::default();
        for repository in in_order(jobs.collect()).await {
            collected.absorb(repository);
        }
        collected
    }
}

/// What one name turned out to be.
type Described = (String, Result<Repository, CallError>);

async fn describe(scope: &Scope, client: &Client, names: &[&str]) -> Vec<Described> {
    match describe_together(scope, client, names).await {
        Ok(found) => found,
        Err(error) if FAIL_FOR_ONE.contains(&error.code.as_str()) && names.len() > 1 => {
            let alone = names.iter().map(std::slice::from_ref).map(|name| async move {
                match describe_together(scope, client, name).await {
                    Ok(found) => found,
                    Err(error) => name.iter().map(|name| ((*name).to_owned(), Err(error.clone()))).collect(),
                }
            });
            in_order(alone.collect()).await.into_iter().flatten().collect()
        }
        Err(error) => names.iter().map(|name| ((*name).to_owned(), Err(error.clone()))).collect(),
    }
}

async fn describe_together(scope: &Scope, client: &Client, names: &[&str]) -> Result<Vec<Described>, CallError> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let ask = || client.describe_repositories().set_repository_names(Some(names.clone())).send();
    let answer = scope.call(DESCRIBE, ask).await?;
    let repositories = answer.repositories.unwrap_or_default().into_iter();
    let mut by_name: BTreeMap<String, Repository> =
        repositories.filter_map(|repository| Some((repository.repository_name.clone()?, repository))).collect();
    let missing = || CallError::malformed(DESCRIBE, "a repository that was asked for is not in the answer");
    let found = names.into_iter().map(|name| {
        let repository = by_name.remove(&name).ok_or_else(missing);
        (name, repository)
    });
    Ok(found.collect())
}

/// What holds for every repository of an account and Region.
struct Registry {
    scanning: Result<Option<Value>, CallError>,
    signing: Result<Option<Value>, CallError>,
}

async fn read_registry(scope: &Scope, client: &Client) -> Registry {
    let (scanning, signing) = tokio::join!(
        scope.call(GET_SCANNING, || client.get_registry_scanning_configuration().send()),
        scope.call_or_unset(GET_SIGNING, &["SigningConfigurationNotFoundException"], || {
            client.get_signing_configuration().send()
        }),
    );
    Registry {
        scanning: scanning.map(|answer| answer.scanning_configuration().and_then(scanning_rules)),
        signing: signing.map(|answer| answer.and_then(|answer| answer.signing_configuration().and_then(signing_rules))),
    }
}

async fn read(
    scope: &Scope,
    client: &Client,
    name: &str,
    described: &Result<Repository, CallError>,
    registry: Option<&Registry>,
) -> Collected {
    let uid = arn::in_scope(scope, "ecr", &format!("repository/{name}"));
    let mut resource =
        Resource::live(TypeName::IMAGE_REPOSITORY, uid.clone(), scope.account.clone(), scope.region.clone());
    let repository = match described {
        Ok(repository) => repository,
        Err(error) => {
            resource.properties.insert("RepositoryName".to_owned(), Value::from(name));
            error.clone().hides(scope, &mut resource, &["*"]);
            return Collected { resources: vec![resource], ..Collected::default() };
        }
    };
    resource.properties = properties(name, repository);
    let (policy, tags) = tokio::join!(
        scope.call_or_unset(GET_POLICY, &["RepositoryPolicyNotFoundException"], || {
            client.get_repository_policy().repository_name(name).send()
        }),
        scope.call(LIST_TAGS, || client.list_tags_for_resource().resource_arn(&uid).send()),
    );
    let policy = policy.and_then(|answer| match answer.and_then(|answer| answer.policy_text) {
        Some(text) if !text.is_empty() => {
            document(&text).map(Some).map_err(|problem| CallError::malformed(GET_POLICY, problem))
        }
        _ => Ok(None),
    });
    let mut set = |property: &str, answer: Result<Option<Value>, CallError>| match answer {
        Ok(Some(value)) => {
            resource.properties.insert(property.to_owned(), value);
        }
        Ok(None) => {}
        Err(error) => error.hides(scope, &mut resource, &[property]),
    };
    set("RepositoryPolicyText", policy);
    if let Some(registry) = registry {
        set("RegistryScanningConfiguration", registry.scanning.clone());
        set("SigningConfiguration", registry.signing.clone());
    }
    match tags {
        Ok(answer) => {
            let tags = answer.tags.unwrap_or_default().into_iter();
            resource.tags = tags.map(|tag| (tag.key, tag.value)).collect();
        }
        Err(error) => error.hides(scope, &mut resource, &["Tags"]),
    }
    let key = repository.encryption_configuration().and_then(|encryption| encryption.kms_key());
    let references = key.and_then(|key| arn::reference(scope, TypeName::KEY, key)).into_iter().collect();
    Collected { resources: vec![resource], references, ..Collected::default() }
}

fn properties(name: &str, repository: &Repository) -> Properties {
    let encryption = repository.encryption_configuration().map(|encryption| {
        let fields = Fields::new().text("EncryptionType", Some(encryption.encryption_type()));
        fields.text("KmsKey", encryption.kms_key()).value()
    });
    let scanning = repository
        .image_scanning_configuration()
        .map(|scanning| Fields::new().put("ScanOnPush", Some(scanning.scan_on_push())).value());
    let exclusions = repository.image_tag_mutability_exclusion_filters.as_deref().unwrap_or_default();
    Fields::new()
        .text("RepositoryName", Some(name))
        .text("ImageTagMutability", repository.image_tag_mutability())
        .list("ImageTagMutabilityExclusionFilters", exclusions, |filter| {
            Fields::new()
                .text("ImageTagMutabilityExclusionFilterType", Some(filter.filter_type()))
                .text("ImageTagMutabilityExclusionFilterValue", Some(filter.filter()))
                .value()
        })
        .put("ImageScanningConfiguration", scanning)
        .put("EncryptionConfiguration", encryption)
        .properties()
}

fn scanning_rules(configuration: &RegistryScanningConfiguration) -> Option<Value> {
    Fields::new()
        .text("ScanType", configuration.scan_type())
        .list("Rules", configuration.rules(), |rule| {
            Fields::new()
                .text("ScanFrequency", Some(rule.scan_frequency()))
                .list("RepositoryFilters", rule.repository_filters(), |filter| {
                    let fields = Fields::new().text("Filter", Some(filter.filter()));
                    fields.text("FilterType", Some(filter.filter_type())).value()
                })
                .value()
        })
        .unless_empty()
}

fn signing_rules(configuration: &SigningConfiguration) -> Option<Value> {
    let fields = Fields::new().list("Rules", configuration.rules(), |rule| {
        Fields::new()
            .text("SigningProfileArn", Some(rule.signing_profile_arn()))
            .list("RepositoryFilters", rule.repository_filters(), |filter| {
                let fields = Fields::new().text("Filter", Some(filter.filter()));
                fields.text("FilterType", Some(filter.filter_type())).value()
            })
            .value()
    });
    fields.unless_empty()
}

/// A repository's name, whether it is written as a name or as an ARN.
fn name_of(text: &str) -> &str {
    let name = Arn::parse(text).map_or(text, |arn| arn.resource);
    name.strip_prefix("repository/").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::test_support::{Answer, Answers, endpoint, every_refusal_leaves_a_gap, reference};
    use super::*;

    const ARN: &str = "arn:aws:ecr:eu-west-1:111122223333:repository/team/web";

    fn answer(operation: &str, input: &Value) -> Answer {
        Answer::Json(match operation {
            "DescribeRepositories" => {
                let names: Vec<&str> =
                    input["repositoryNames"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
                if names.contains(&"gone") {
                    return Answer::Error(400, "RepositoryNotFoundException");
                }
                if names.contains(&"MyApp") {
                    return Answer::Error(400, "InvalidParameterException");
                }
                let all = names.iter().map(|name| {
                    json!({
                        "repositoryName": name, "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
                        "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "dev-*"}],
                        "imageScanningConfiguration": {"scanOnPush": true},
                        "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "arn:aws:kms:eu-west-1:111122223333:key/k"},
                    })
                });
                json!({"repositories": all.collect::<Vec<_>>()})
            }
            "GetRepositoryPolicy" => json!({"policyText": "{\"Statement\":[]}"}),
            "GetRegistryScanningConfiguration" => json!({"scanningConfiguration": {"scanType": "ENHANCED", "rules": [
                {"scanFrequency": "CONTINUOUS_SCAN", "repositoryFilters": [{"filter": "team/*", "filterType": "WILDCARD"}]},
            ]}}),
            "GetSigningConfiguration" => json!({"signingConfiguration": {"rules": [
                {"signingProfileArn": "arn:aws:signer:eu-west-1:111122223333:/signing-profiles/images"},
            ]}}),
            "ListTagsForResource" => json!({"tags": [{"Key": "env", "Value": "prod"}]}),
            _ => return Answer::Error(400, "UnknownOperationException"),
        })
    }

    #[tokio::test]
    async fn a_repository_with_the_rules_of_its_registry() {
        let answers: Answers = Arc::new(answer);
        let wanted = [reference(TypeName::IMAGE_REPOSITORY, ARN)];
        let found = every_refusal_leaves_a_gap(&Ecr, Ecr.actions(), &wanted, answers, &[]).await;
        let [repository] = found.resources.as_slice() else { panic!("{:?}", found.resources) };
        assert_eq!(repository.uid.as_str(), ARN);
        assert_eq!(repository.tags.get("env").map(String::as_str), Some("prod"));
        assert_eq!(
            Value::Object(repository.properties.clone()),
            json!({
                "RepositoryName": "team/web", "ImageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
                "ImageTagMutabilityExclusionFilters": [{
                    "ImageTagMutabilityExclusionFilterType": "WILDCARD",
                    "ImageTagMutabilityExclusionFilterValue": "dev-*",
                }],
                "ImageScanningConfiguration": {"ScanOnPush": true},
                "EncryptionConfiguration": {"EncryptionType": "KMS", "KmsKey": "arn:aws:kms:eu-west-1:111122223333:key/k"},
                "RepositoryPolicyText": {"Statement": []},
                "RegistryScanningConfiguration": {"ScanType": "ENHANCED", "Rules": [{"ScanFrequency": "CONTINUOUS_SCAN",
                    "RepositoryFilters": [{"Filter": "team/*", "FilterType": "WILDCARD"}]}]},
                "SigningConfiguration": {"Rules": [
                    {"SigningProfileArn": "arn:aws:signer:eu-west-1:111122223333:/signing-profiles/images"},
                ]},
            })
        );
        assert_eq!(found.references, [reference(TypeName::KEY, "arn:aws:kms:eu-west-1:111122223333:key/k")]);
    }

    #[tokio::test]
    async fn nothing_set_has_no_gap() {
        let answers: Answers = Arc::new(|operation, _| match operation {
            "DescribeRepositories" => Answer::Json(json!({"repositories": [{"repositoryName": "web"}]})),
            "GetRepositoryPolicy" => Answer::Error(400, "RepositoryPolicyNotFoundException"),
            "GetSigningConfiguration" => Answer::Error(400, "SigningConfigurationNotFoundException"),
            "GetRegistryScanningConfiguration" => {
                Answer::Json(json!({"scanningConfiguration": {"scanType": "BASIC", "rules": []}}))
            }
            _ => Answer::Json(json!({"tags": []})),
        });
        let endpoint = endpoint(answers, &[]).await;
        let found = Ecr.collect(&endpoint.scope, &[reference(TypeName::IMAGE_REPOSITORY, "web")]).await;
        let repository = found.resources.first().unwrap();
        assert!(repository.unseen.is_empty(), "{:?}", repository.unseen);
        let expected = json!({"RepositoryName": "web", "RegistryScanningConfiguration": {"ScanType": "BASIC"}});
        assert_eq!(Value::Object(repository.properties.clone()), expected);
    }

    #[tokio::test]
    async fn one_that_does_not_exist_or_cannot_hides_no_other() {
        for bad in ["MyApp", "gone"] {
            let answers: Answers = Arc::new(answer);
            let endpoint = endpoint(answers, &[]).await;
            let wanted = [bad, "web"].map(|name| reference(TypeName::IMAGE_REPOSITORY, name));
            let found = Ecr.collect(&endpoint.scope, &wanted).await;
            let [missing, web] = found.resources.as_slice() else { panic!("{:?}", found.resources) };
            assert_eq!(missing.properties["RepositoryName"], bad);
            assert_eq!(missing.gap_over("ImageTagMutability").unwrap().action, DESCRIBE);
            assert!(web.unseen.is_empty(), "{bad}: {:?}", web.unseen);
        }
    }
}
