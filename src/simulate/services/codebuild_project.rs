//! A build project, rendered from its knobs.

use serde_json::{Value, json};

use super::super::PLANTED_SECRET;
use super::super::estate::OUTSIDE_ACCOUNT;
use super::super::estate::{
    Activity, BuildKey, BuildSpec, Buildspec, Cache, Hook, Host, Image, Logs, Network, ProjectSpec, RepositoryRef,
    Visibility, build_image, word,
};
use super::super::protocol::timestamp;
use super::super::world::World;
use super::days_ago;

/// A project as `BatchGetProjects` has it.
pub(super) fn project(world: &World, spec: &ProjectSpec) -> Value {
    let settings = BuildSpec::of(world, spec);
    let created = match settings.activity {
        Activity::Built { .. } => 450,
        Activity::Never { days } => days,
    };
    let mut project = json!({
        "name": spec.name(), "arn": spec.arn(world), "source": source(spec, &settings), "secondarySources": [],
        "artifacts": artifacts(world, spec, &settings), "secondaryArtifacts": [],
        "cache": cache(world, spec, settings.cache),
        "environment": {
            "type": "LINUX_CONTAINER", "image": image(world, spec, settings.image),
            "computeType": "BUILD_GENERAL1_SMALL", "environmentVariables": variables(world, spec, &settings),
            "privilegedMode": spec.privileged, "imagePullCredentialsType": "CODEBUILD"
        },
        "serviceRole": world.role_arn(spec.account, "CodeBuildService"), "timeoutInMinutes": settings.timeout,
        "queuedTimeoutInMinutes": 480, "tags": [{ "key": "team", "value": "delivery" }],
        "created": timestamp(days_ago(world, created, spec.number)),
        "lastModified": timestamp(days_ago(world, 10, spec.number)),
        "projectVisibility": if settings.visibility == Visibility::Public { "PUBLIC_READ" } else { "PRIVATE" }
    });
    let Some(fields) = project.as_object_mut() else { return project };
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    add("concurrentBuildLimit", settings.limit.map(Value::from));
    add("webhook", settings.hook.map(webhook));
    add("logsConfig", logs(settings.logs));
    add(
        "vpcConfig",
        (settings.network == Network::Vpc)
            .then(|| json!({ "vpcId": "vpc-0a1b2c3d", "subnets": ["subnet-0a"], "securityGroupIds": ["sg-0a"] })),
    );
    add(
        "encryptionKey",
        match settings.key {
            BuildKey::Unset => None,
            BuildKey::Aws => Some(Value::from(world.arn("kms", spec.region, spec.account, "alias/aws/s3"))),
            BuildKey::Customer(key) => Some(Value::from(key.arn(world))),
        },
    );
    project
}

fn source(spec: &ProjectSpec, settings: &BuildSpec) -> Value {
    // The pipeline's build, its tests and its Terraform all run in this project, so its own commands deploy nothing.
    let buildspec = match settings.buildspec {
        Buildspec::Empty => "",
        Buildspec::Path => "ci/buildspec.yml",
        Buildspec::Inline => "version: 0.2\nphases:\n  build:\n    commands:\n      - make\n",
        Buildspec::Bucket => "arn:aws:s3:::build-specifications/build.yml",
    };
    if !spec.has_repository() {
        return json!({ "type": "CODEPIPELINE", "buildspec": buildspec, "insecureSsl": false });
    }
    let (kind, host, insecure) = match settings.host {
        Host::GitHub => ("GITHUB", "github.com", false),
        Host::Enterprise { checked } => ("GITHUB_ENTERPRISE", "git.example.com", !checked),
    };
    let user = if settings.credentials { format!("builder:{PLANTED_SECRET}url@") } else { String::new() };
    let owner = if settings.stranger { "stranger" } else { "example" };
    let repository = word(spec.account, spec.number);
    json!({
        "type": kind, "location": format!("https://{user}{host}/{owner}/{repository}.git"), "gitCloneDepth": 1,
        "buildspec": buildspec, "insecureSsl": insecure
    })
}

fn artifacts(world: &World, spec: &ProjectSpec, settings: &BuildSpec) -> Value {
    match spec.bucket {
        None => json!({ "type": "CODEPIPELINE", "encryptionDisabled": false }),
        Some(bucket) => json!({
            "type": "S3", "location": bucket.name(world), "name": spec.name(), "packaging": "ZIP",
            "namespaceType": "BUILD_ID", "encryptionDisabled": settings.plain_artifacts
        }),
    }
}

fn cache(world: &World, spec: &ProjectSpec, cache: Cache) -> Value {
    let bucket = format!("caches-{}-{}", world.account_id(spec.account), world.region_name(spec.region));
    match cache {
        Cache::Off => json!({ "type": "NO_CACHE" }),
        Cache::Own => json!({ "type": "S3", "location": format!("{bucket}/{}", spec.name()) }),
        Cache::Shared => json!({ "type": "S3", "location": format!("{bucket}/shared"), "cacheNamespace": "shared" }),
        Cache::Local => json!({ "type": "LOCAL", "modes": ["LOCAL_DOCKER_LAYER_CACHE"] }),
    }
}

fn image(world: &World, spec: &ProjectSpec, image: Image) -> String {
    let digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let registry = |account: &str| format!("{account}.dkr.ecr.{}.amazonaws.com", world.region_name(spec.region));
    let own = build_image(world, spec).map_or("", RepositoryRef::name);
    let own = format!("{}/{own}", registry(world.account_id(spec.account).as_str()));
    match image {
        Image::Managed => "aws/codebuild/standard:7.0".to_owned(),
        Image::Own { pinned: true } => format!("{own}@{digest}"),
        Image::Own { pinned: false } => format!("{own}:latest"),
        Image::Foreign => format!("{}/builder-{}@{digest}", registry(OUTSIDE_ACCOUNT), spec.account),
        Image::Public => "public.example.com/builders/node:22".to_owned(),
    }
}

fn variables(world: &World, spec: &ProjectSpec, settings: &BuildSpec) -> Vec<Value> {
    let mut variables = vec![json!({ "name": "STAGE", "value": "all", "type": "PLAINTEXT" })];
    if spec.secret {
        let value = format!("{PLANTED_SECRET}project-{}", spec.number);
        variables.push(json!({ "name": "API_TOKEN", "value": value, "type": "PLAINTEXT" }));
    }
    if let Some((secret, form)) = settings.secret {
        let value = secret.written(world, form);
        variables.push(json!({ "name": "DB_PASSWORD", "value": value, "type": "SECRETS_MANAGER" }));
    }
    variables
}

fn logs(logs: Logs) -> Option<Value> {
    let both =
        |cloudwatch: &str, bucket: Value| Some(json!({ "cloudWatchLogs": { "status": cloudwatch }, "s3Logs": bucket }));
    let off = || json!({ "status": "DISABLED", "encryptionDisabled": false });
    match logs {
        Logs::Unset => None,
        Logs::CloudWatch => both("ENABLED", off()),
        Logs::Bucket { encrypted } => both(
            "DISABLED",
            json!({ "status": "ENABLED", "location": "build-logs/all", "encryptionDisabled": !encrypted }),
        ),
        Logs::Off => both("DISABLED", off()),
    }
}

fn webhook(hook: Hook) -> Value {
    let filter =
        |kind: &str, pattern: &str| json!({ "type": kind, "pattern": pattern, "excludeMatchedPattern": false });
    let push = || json!([filter("EVENT", "PUSH"), filter("HEAD_REF", "^refs/heads/main$")]);
    let pulls = |actors: Option<&str>| {
        let mut filters = vec![
            filter("EVENT", "PULL_REQUEST_CREATED, PULL_REQUEST_UPDATED"),
            filter("BASE_REF", "^refs/heads/main$"),
        ];
        filters.extend(actors.map(|actors| filter("ACTOR_ACCOUNT_ID", actors)));
        Value::from(filters)
    };
    let groups = match hook {
        Hook::Push => vec![push()],
        Hook::LooseBranch => vec![json!([filter("EVENT", "PUSH"), filter("HEAD_REF", "refs/heads/main")])],
        Hook::Strangers | Hook::ForksApproved | Hook::ReadersApprove => vec![pulls(None)],
        Hook::NamedActors => vec![push(), pulls(Some("^(1024|2048)$"))],
        Hook::LooseActors => vec![pulls(Some("1024|2048"))],
        Hook::NoFilters => Vec::new(),
    };
    let policy = match hook {
        Hook::ForksApproved => json!({
            "requiresCommentApproval": "FORK_PULL_REQUESTS", "approverRoles": ["GITHUB_ADMIN", "GITHUB_MAINTAIN"]
        }),
        Hook::ReadersApprove => json!({
            "requiresCommentApproval": "ALL_PULL_REQUESTS", "approverRoles": ["GITHUB_WRITE", "GITHUB_READ"]
        }),
        _ => json!({ "requiresCommentApproval": "DISABLED" }),
    };
    json!({
        "url": "https://git.example.com/hooks/7", "payloadUrl": "https://codebuild.example.com/webhooks",
        "secret": format!("{PLANTED_SECRET}webhook"), "filterGroups": groups, "buildType": "BUILD",
        "manualCreation": false, "pullRequestBuildPolicy": policy
    })
}
