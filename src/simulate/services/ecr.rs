//! ECR.

use serde_json::{Value, json};

use super::super::estate::OUTSIDE_ACCOUNT;
use super::super::estate::{
    ImageEncryption, Mutability, Outsiders, RepositoryRef, Scanning, Signing, TOOLS_FILTER, registry,
};
use super::super::protocol::{ApiError, timestamp};
use super::{Answer, Call, Operation, Service, days_ago};

pub(super) const SERVICE: Service = Service {
    prefix: "ecr",
    target: "AmazonEC2ContainerRegistry_V20150921",
    operations: &[
        Operation {
            name: "GetRegistryScanningConfiguration",
            action: "ecr:GetRegistryScanningConfiguration",
            answer: get_registry_scanning_configuration,
        },
        Operation { name: "DescribeRepositories", action: "ecr:DescribeRepositories", answer: describe_repositories },
        Operation { name: "GetRepositoryPolicy", action: "ecr:GetRepositoryPolicy", answer: get_repository_policy },
        Operation {
            name: "GetSigningConfiguration",
            action: "ecr:GetSigningConfiguration",
            answer: get_signing_configuration,
        },
        Operation { name: "ListTagsForResource", action: "ecr:ListTagsForResource", answer: list_tags_for_resource },
    ],
};

fn named(call: &Call<'_>, name: &str) -> Result<RepositoryRef, ApiError> {
    let found = call.region.and_then(|region| RepositoryRef::named(call.world, call.account, region, name));
    found.ok_or_else(|| {
        let message = format!("The repository with name '{name}' does not exist in the registry");
        ApiError::new(400, "RepositoryNotFoundException", message)
    })
}

fn describe_repositories(call: &Call<'_>) -> Answer {
    let names = call.texts("repositoryNames");
    if names.is_empty() || names.len() > 100 {
        let message = "only 1 to 100 repositoryNames are simulated".to_owned();
        return Err(ApiError::new(400, "InvalidParameterException", message));
    }
    // One name that does not exist fails the call.
    let found: Result<Vec<Value>, ApiError> =
        names.into_iter().map(|name| named(call, name).map(|repository| describe(call, repository))).collect();
    Ok(json!({ "repositories": found? }))
}

fn describe(call: &Call<'_>, repository: RepositoryRef) -> Value {
    let spec = repository.spec(call.world);
    let (mutability, exclusions): (&str, &[&str]) = match spec.mutability {
        Mutability::Immutable => ("IMMUTABLE", &[]),
        Mutability::Mutable => ("MUTABLE", &[]),
        Mutability::WorkingTags => ("IMMUTABLE_WITH_EXCLUSION", &["latest", "dev-*"]),
        Mutability::ReleaseTags => ("IMMUTABLE_WITH_EXCLUSION", &["latest", "v*"]),
    };
    let filters: Vec<Value> =
        exclusions.iter().map(|filter| json!({ "filterType": "WILDCARD", "filter": filter })).collect();
    let encryption = match spec.encryption {
        ImageEncryption::Aes => json!({ "encryptionType": "AES256" }),
        ImageEncryption::AwsManaged(key) | ImageEncryption::Customer(key) => {
            json!({ "encryptionType": "KMS", "kmsKey": key.arn(call.world) })
        }
    };
    let host =
        format!("{}.dkr.ecr.{}", call.world.account_id(repository.account), call.world.region_name(repository.region));
    json!({
        "repositoryArn": repository.arn(call.world), "registryId": call.world.account_id(repository.account),
        "repositoryName": repository.name(),
        "repositoryUri": format!("{host}.amazonaws.com/{}", repository.name()),
        "createdAt": timestamp(days_ago(call.world, 600, repository.account)),
        "imageTagMutability": mutability, "imageTagMutabilityExclusionFilters": filters,
        "imageScanningConfiguration": { "scanOnPush": spec.scan_on_push }, "encryptionConfiguration": encryption
    })
}

fn get_repository_policy(call: &Call<'_>) -> Answer {
    let name = call.required("repositoryName")?;
    let repository = named(call, name)?;
    let world = call.world;
    let mut statement = json!({
        "Sid": "Pull", "Effect": "Allow", "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    });
    match repository.spec(world).readers {
        Outsiders::None => {
            let message = format!("Repository policy does not exist for the repository with name '{name}'");
            return Err(ApiError::new(400, "RepositoryPolicyNotFoundException", message));
        }
        Outsiders::OrganizationOnly => {
            put(&mut statement, "Principal", json!("*"));
            let condition = json!({ "StringEquals": { "aws:PrincipalOrgID": world.organization_id() } });
            put(&mut statement, "Condition", condition);
        }
        Outsiders::Account => {
            let root = format!("arn:{}:iam::{OUTSIDE_ACCOUNT}:root", world.partition);
            put(&mut statement, "Principal", json!({ "AWS": root }));
        }
        Outsiders::Everybody => put(&mut statement, "Principal", json!("*")),
    }
    let text = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
    Ok(json!({ "registryId": world.account_id(call.account), "repositoryName": name, "policyText": text }))
}

fn put(statement: &mut Value, element: &str, value: Value) {
    if let Some(fields) = statement.as_object_mut() {
        fields.insert(element.to_owned(), value);
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as every operation")]
fn get_registry_scanning_configuration(call: &Call<'_>) -> Answer {
    let scanning = registry(call.world, call.account, call.region.unwrap_or_default()).scanning;
    let rule = |frequency: &str, filter: &str| {
        json!([{
            "scanFrequency": frequency, "repositoryFilters": [{ "filter": filter, "filterType": "WILDCARD" }]
        }])
    };
    let (kind, rules) = match scanning {
        Scanning::ByRepository => ("BASIC", json!([])),
        Scanning::BasicAll => ("BASIC", rule("SCAN_ON_PUSH", "*")),
        Scanning::BasicTools => ("BASIC", rule("SCAN_ON_PUSH", TOOLS_FILTER)),
        Scanning::EnhancedAll => ("ENHANCED", rule("CONTINUOUS_SCAN", "*")),
        Scanning::EnhancedTools => ("ENHANCED", rule("SCAN_ON_PUSH", TOOLS_FILTER)),
    };
    Ok(json!({
        "registryId": call.world.account_id(call.account), "scanningConfiguration": { "scanType": kind, "rules": rules }
    }))
}

fn get_signing_configuration(call: &Call<'_>) -> Answer {
    let region = call.region.unwrap_or_default();
    let profile = call.world.arn("signer", region, call.account, "/signing-profiles/images");
    let rule = match registry(call.world, call.account, region).signing {
        Signing::Nothing => {
            let message = "The signing configuration does not exist".to_owned();
            return Err(ApiError::new(400, "SigningConfigurationNotFoundException", message));
        }
        Signing::Everything => json!({ "signingProfileArn": profile }),
        Signing::Tools => json!({
            "signingProfileArn": profile,
            "repositoryFilters": [{ "filter": TOOLS_FILTER, "filterType": "WILDCARD_MATCH" }]
        }),
    };
    let id = call.world.account_id(call.account);
    Ok(json!({ "registryId": id, "signingConfiguration": { "rules": [rule] } }))
}

fn list_tags_for_resource(call: &Call<'_>) -> Answer {
    let arn = call.required("resourceArn")?;
    let name = arn.split_once(":repository/").map_or("", |(_, name)| name);
    named(call, name)?;
    Ok(json!({ "tags": [{ "Key": "team", "Value": "delivery" }] }))
}
