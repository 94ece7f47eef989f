//! `CodeBuild`.

use serde_json::{Value, json};

use super::super::PLANTED_SECRET;
use super::super::estate::{ProjectSpec, build_image, word};
use super::super::protocol::{ApiError, timestamp};
use super::super::world::World;
use super::pages::{page, with_token};
use super::{Answer, Call, Operation, Service, days_ago};

pub(super) const SERVICE: Service = Service {
    prefix: "codebuild",
    target: "CodeBuild_20161006",
    operations: &[
        Operation { name: "ListProjects", action: "codebuild:ListProjects", answer: list_projects },
        Operation { name: "BatchGetProjects", action: "codebuild:BatchGetProjects", answer: batch_get_projects },
    ],
};

fn list_projects(call: &Call<'_>) -> Answer {
    let names: Vec<String> = call
        .region
        .into_iter()
        .flat_map(|region| ProjectSpec::all(call.world, call.account, region))
        .map(|project| project.name())
        .collect();
    let (range, next) = page(names.len(), call.text("nextToken"), None, 100, "InvalidInputException")?;
    Ok(with_token(json!({ "projects": names.get(range).unwrap_or_default() }), "nextToken", next))
}

fn batch_get_projects(call: &Call<'_>) -> Answer {
    let names = call.texts("names");
    if names.is_empty() || names.len() > 100 {
        return Err(ApiError::new(400, "InvalidInputException", "names must have 1 to 100 elements".to_owned()));
    }
    let find = |name: &str| call.region.and_then(|region| ProjectSpec::named(call.world, call.account, region, name));
    let found: Vec<Value> = names.iter().filter_map(|name| find(name)).map(|spec| project(call, &spec)).collect();
    let missing: Vec<&&str> = names.iter().filter(|name| find(name).is_none()).collect();
    Ok(json!({ "projects": found, "projectsNotFound": missing }))
}

/// The image that a project builds in.
fn image(world: &World, spec: &ProjectSpec) -> String {
    match build_image(world, spec.account, spec.region, spec.number) {
        None => "aws/codebuild/standard:7.0".to_owned(),
        Some(repository) => {
            let (account, region) = (world.account_id(repository.account), world.region_name(repository.region));
            format!("{account}.dkr.ecr.{region}.amazonaws.com/{}:1.4.2", repository.name())
        }
    }
}

fn project(call: &Call<'_>, spec: &ProjectSpec) -> Value {
    let world = call.world;
    // The pipeline's build, its tests and its Terraform all run in this project, so its own commands deploy nothing.
    let inline = "version: 0.2\nphases:\n  build:\n    commands:\n      - make\n";
    let source = match (spec.number % 3 == 1, spec.bucket) {
        (true, _) => json!({ "type": "CODEPIPELINE", "buildspec": inline, "insecureSsl": false }),
        (false, None) => json!({ "type": "CODEPIPELINE", "buildspec": "ci/buildspec.yml", "insecureSsl": false }),
        (false, Some(_)) => {
            let repository = word(spec.account, spec.number);
            let location = format!("https://builder:{PLANTED_SECRET}url@git.example.com/{repository}.git");
            json!({ "type": "GITHUB_ENTERPRISE", "location": location, "gitCloneDepth": 1, "insecureSsl": false })
        }
    };
    let artifacts = match spec.bucket {
        None => json!({ "type": "CODEPIPELINE", "encryptionDisabled": false }),
        Some(bucket) => json!({
            "type": "S3", "location": bucket.name(world), "name": spec.name(), "packaging": "ZIP",
            "namespaceType": "BUILD_ID", "encryptionDisabled": false
        }),
    };
    let mut variables = vec![json!({ "name": "STAGE", "value": "all", "type": "PLAINTEXT" })];
    if spec.secret {
        let value = format!("{PLANTED_SECRET}project-{}", spec.number);
        variables.push(json!({ "name": "API_TOKEN", "value": value, "type": "PLAINTEXT" }));
    }
    json!({
        "name": spec.name(),
        "arn": world.arn("codebuild", spec.region, spec.account, &format!("project/{}", spec.name())),
        "source": source, "secondarySources": [], "artifacts": artifacts, "secondaryArtifacts": [],
        "cache": { "type": "NO_CACHE" },
        "environment": {
            "type": "LINUX_CONTAINER", "image": image(world, spec), "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": variables, "privilegedMode": spec.privileged,
            "imagePullCredentialsType": "CODEBUILD"
        },
        "serviceRole": world.role_arn(spec.account, "CodeBuildService"), "timeoutInMinutes": 60,
        "tags": [{ "key": "team", "value": "delivery" }],
        "created": timestamp(days_ago(world, 450, spec.number)),
        "lastModified": timestamp(days_ago(world, 30, spec.number)),
        "logsConfig": {
            "cloudWatchLogs": { "status": "ENABLED" }, "s3Logs": { "status": "DISABLED", "encryptionDisabled": false }
        },
        "projectVisibility": "PRIVATE"
    })
}
