//! AWS's own clients against the server: what they read is what the knobs say.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::SdkConfig;

use super::*;
use crate::simulate::estate::{Duty, GroupSpec, KeyRef, PipelineSpec, RoleRef};

pub(super) fn quiet() -> SimulationOptions {
    SimulationOptions { denials: false, limits: false, ..SimulationOptions::default() }
}

pub(super) async fn serve(options: SimulationOptions) -> (Arc<Simulation>, SimulationServer) {
    let simulation = Arc::new(Simulation::new(options));
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = SimulationServer::start(Arc::clone(&simulation), listen).await.unwrap();
    (simulation, server)
}

fn config(server: &SimulationServer, credentials: Credentials, region: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(server.endpoint_url())
        .region(aws_types::region::Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

fn management(server: &SimulationServer) -> SdkConfig {
    config(server, Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"), "us-east-1")
}

pub(super) fn member(simulation: &Simulation, server: &SimulationServer, account: usize, region: &str) -> SdkConfig {
    let key = format!("ASIASIM{}", simulation.world.account_id(account));
    config(server, Credentials::new(key, "secret", Some("token".to_owned()), None, "test"), region)
}

#[tokio::test]
async fn sts_gives_keys_that_stand_for_the_account() {
    let (simulation, server) = serve(SimulationOptions { limits: false, ..SimulationOptions::default() }).await;
    let sts = aws_sdk_sts::Client::new(&management(&server));
    let role = simulation.world.role_arn(4, Simulation::audit_role_name());
    let answer = sts.assume_role().role_arn(role).role_session_name("audit").send().await.unwrap();
    let given = answer.credentials().unwrap();
    assert!(given.expiration().secs() > OffsetDateTime::now_utc().unix_timestamp());
    let credentials = Credentials::new(given.access_key_id(), given.secret_access_key(), None, None, "test");
    let own = aws_sdk_sts::Client::new(&config(&server, credentials, "us-east-1"));
    let identity = own.get_caller_identity().send().await.unwrap();
    assert_eq!(identity.account(), Some(simulation.world.account_id(4).as_str()));

    let denied = (0..12).find(|account| simulation.world.role_denied(*account)).unwrap();
    for role in [simulation.world.role_arn(denied, "PipewardenAudit"), simulation.world.role_arn(4, "Administrator")] {
        let error = sts.assume_role().role_arn(role).role_session_name("audit").send().await.unwrap_err();
        assert_eq!(error.into_service_error().code(), Some("AccessDenied"));
    }
}

#[tokio::test]
async fn organizations_lists_all_accounts_in_pages() {
    let (simulation, server) = serve(SimulationOptions { accounts: 45, ..quiet() }).await;
    let client = aws_sdk_organizations::Client::new(&management(&server));
    let pages = client.list_accounts().into_paginator().send().collect::<Result<Vec<_>, _>>().await.unwrap();
    let accounts: Vec<_> =
        pages.iter().flat_map(aws_sdk_organizations::operation::list_accounts::ListAccountsOutput::accounts).collect();
    assert_eq!(accounts.len(), 45);
    assert_eq!(simulation.statistics().get("organizations:ListAccounts"), Some(&3));
    assert!(accounts.iter().any(|a| a.state().is_none()) && accounts.iter().any(|a| a.state().is_some()));
    assert!(accounts.iter().any(|a| a.paths().is_empty()), "not every endpoint answers where an account stands");
    let place = accounts.iter().find(|a| a.id() == Some(simulation.world.account_id(4).as_str())).unwrap().paths();
    let [place] = place else { panic!("one account stands in one place: {place:?}") };
    let shape = |id: &str| id.split('-').next().unwrap_or_default().to_owned();
    let ids: Vec<String> = place.trim_end_matches('/').split('/').map(shape).collect();
    assert!(matches!(ids.as_slice(), [o, r, ou, ..] if o == "o" && r == "r" && ou == "ou"), "{place}");
    assert!(place.ends_with(&format!("/{}/", simulation.world.account_id(4))), "{place}");

    let roots = client.list_roots().send().await.unwrap();
    let mut parents = vec![roots.roots().first().unwrap().id().unwrap().to_owned()];
    let mut found = BTreeSet::new();
    while let Some(parent) = parents.pop() {
        let units = client.list_organizational_units_for_parent().parent_id(&parent).send().await.unwrap();
        parents.extend(units.organizational_units().iter().map(|unit| unit.id().unwrap().to_owned()));
        let pages = client.list_accounts_for_parent().parent_id(&parent).into_paginator().send();
        let pages = pages.collect::<Result<Vec<_>, _>>().await.unwrap();
        for account in pages
            .iter()
            .flat_map(aws_sdk_organizations::operation::list_accounts_for_parent::ListAccountsForParentOutput::accounts)
        {
            found.insert(account.id().unwrap().to_owned());
        }
    }
    assert_eq!(found.len(), 45, "the tree holds every account once");

    let filter = aws_sdk_organizations::types::PolicyType::ServiceControlPolicy;
    let policies = client.list_policies().filter(filter).send().await.unwrap();
    let id = policies.policies().last().unwrap().id().unwrap().to_owned();
    let policy = client.describe_policy().policy_id(id).send().await.unwrap();
    assert!(policy.policy().unwrap().content().unwrap().contains("Statement"));
    let administrators = client.list_delegated_administrators().send().await.unwrap();
    assert_eq!(administrators.delegated_administrators().len(), 2);

    let other = aws_sdk_organizations::Client::new(&member(&simulation, &server, 4, "us-east-1"));
    let error = other.list_roots().send().await.unwrap_err().into_service_error();
    assert!(error.is_access_denied_exception(), "{error:?}");
    server.stop().await;
}

#[tokio::test]
async fn account_management_tells_enabled_regions() {
    let (_simulation, server) = serve(quiet()).await;
    let client = aws_sdk_account::Client::new(&management(&server));
    let enabled = aws_sdk_account::types::RegionOptStatus::EnabledByDefault;
    let regions = client.list_regions().region_opt_status_contains(enabled).send().await.unwrap();
    let names: Vec<_> = regions.regions().iter().filter_map(|region| region.region_name()).collect();
    assert_eq!(names, ["eu-central-1", "us-east-1"]);
    assert_eq!(client.list_regions().send().await.unwrap().regions().len(), 5);
}

#[tokio::test]
async fn codepipeline_answers_every_pipeline_it_lists() {
    let (simulation, server) = serve(SimulationOptions { pipelines_per_account_region: 23, ..quiet() }).await;
    let client = aws_sdk_codepipeline::Client::new(&member(&simulation, &server, 4, "eu-central-1"));
    let pages = client.list_pipelines().max_results(10).into_paginator().items().send();
    let listed: Vec<_> = pages.collect::<Result<Vec<_>, _>>().await.unwrap();
    assert_eq!(listed.len(), 23);
    for (spec, summary) in PipelineSpec::all(&simulation.world, 4, 0).zip(&listed) {
        let name = summary.name().unwrap();
        let answer = client.get_pipeline().name(name).send().await.unwrap();
        let pipeline = answer.pipeline().unwrap();
        assert!(pipeline.stages().len() >= 2, "{name}");
        assert_eq!(pipeline.artifact_stores().map_or(1, std::collections::HashMap::len), spec.stores().count());
        let state = client.get_pipeline_state().name(name).send().await.unwrap();
        assert_eq!(state.stage_states().len(), pipeline.stages().len());
        let names: BTreeSet<_> =
            pipeline.stages().iter().map(aws_sdk_codepipeline::types::StageDeclaration::name).collect();
        assert_eq!(names.len(), pipeline.stages().len(), "stage names are unique");
        let tags = client.list_tags_for_resource().resource_arn(spec.arn(&simulation.world)).send().await.unwrap();
        assert!(!tags.tags().is_empty());
    }
    let webhooks = client.list_webhooks().send().await.unwrap();
    let expected = PipelineSpec::all(&simulation.world, 4, 0).filter(|spec| spec.webhook.is_some()).count();
    assert_eq!(webhooks.webhooks().len(), expected);
    let error = client.get_pipeline().name("nothing").send().await.unwrap_err().into_service_error();
    assert!(error.is_pipeline_not_found_exception(), "{error:?}");
    let error = client.list_pipelines().next_token("made-up").send().await.unwrap_err().into_service_error();
    assert!(error.is_invalid_next_token_exception(), "{error:?}");
}

#[tokio::test]
async fn codedeploy_answers_every_group_it_lists() {
    let (simulation, server) = serve(SimulationOptions { pipelines_per_account_region: 9, ..quiet() }).await;
    let client = aws_sdk_codedeploy::Client::new(&member(&simulation, &server, 3, "us-east-1"));
    let applications = client.list_applications().send().await.unwrap().applications().to_vec();
    let infos = client.batch_get_applications().set_application_names(Some(applications.clone())).send().await.unwrap();
    assert_eq!(infos.applications_info().len(), 5);
    let mut seen = 0;
    for application in &applications {
        let listed = client.list_deployment_groups().application_name(application).send().await.unwrap();
        let groups = client
            .batch_get_deployment_groups()
            .application_name(application)
            .set_deployment_group_names(Some(listed.deployment_groups().to_vec()))
            .send()
            .await
            .unwrap();
        for group in groups.deployment_groups_info() {
            seen += 1;
            let config = group.deployment_config_name().unwrap();
            let config = client.get_deployment_config().deployment_config_name(config).send().await.unwrap();
            let info = config.deployment_config_info().unwrap();
            assert_eq!(info.compute_platform(), group.compute_platform());
            assert!(info.minimum_healthy_hosts().is_some() || info.traffic_routing_config().is_some());
        }
    }
    assert_eq!(seen, 9);
    let group = GroupSpec::new(&simulation.world, 3, 1, 0);
    let tags = client.list_tags_for_resource().resource_arn(group.arn(&simulation.world)).send().await.unwrap();
    assert!(!tags.tags().is_empty());
    let error = client.get_application().application_name("nothing").send().await.unwrap_err().into_service_error();
    assert!(error.is_application_does_not_exist_exception(), "{error:?}");
}

#[tokio::test]
async fn codebuild_and_config_answer() {
    let (simulation, server) = serve(quiet()).await;
    let config = member(&simulation, &server, 3, "eu-central-1");
    let client = aws_sdk_codebuild::Client::new(&config);
    let names = client.list_projects().send().await.unwrap().projects().to_vec();
    assert_eq!(names.len(), 3);
    let found = client.batch_get_projects().set_names(Some(names)).names("nothing").send().await.unwrap();
    assert_eq!((found.projects().len(), found.projects_not_found()), (3, ["nothing".to_owned()].as_slice()));
    let bucket = found.projects().iter().find_map(|project| project.artifacts()?.location()).unwrap();
    assert!(bucket.starts_with("artifacts-"), "{bucket}");

    let client = aws_sdk_config::Client::new(&config);
    let recorders = client.describe_configuration_recorders().send().await.unwrap();
    let status = client.describe_configuration_recorder_status().send().await.unwrap();
    assert_eq!(recorders.configuration_recorders().len(), 1);
    assert_eq!(status.configuration_recorders_status().len(), 1);
    assert!(client.describe_delivery_channels().send().await.unwrap().delivery_channels().len() == 1);
}

#[tokio::test]
async fn iam_answers_roles_with_every_document() {
    let (simulation, server) = serve(quiet()).await;
    let world = &simulation.world;
    let client = aws_sdk_iam::Client::new(&member(&simulation, &server, 3, "us-east-1"));
    for duty in [Duty::Shared, Duty::Build, Duty::Action { from: 1 }] {
        let role = RoleRef { account: 3, duty };
        let name = role.name(world);
        let found = client.get_role().role_name(&name).send().await.unwrap().role.unwrap();
        assert_eq!(found.arn(), role.arn(world));
        assert!(found.assume_role_policy_document().unwrap().starts_with("%7B%22"), "percent-encoded, as IAM does it");
        for policy in client.list_role_policies().role_name(&name).send().await.unwrap().policy_names() {
            client.get_role_policy().role_name(&name).policy_name(policy).send().await.unwrap();
        }
        let attached = client.list_attached_role_policies().role_name(&name).send().await.unwrap();
        for policy in attached.attached_policies() {
            let arn = policy.policy_arn().unwrap();
            let policy = client.get_policy().policy_arn(arn).send().await.unwrap().policy.unwrap();
            let version = policy.default_version_id().unwrap();
            client.get_policy_version().policy_arn(arn).version_id(version).send().await.unwrap();
        }
    }
    let error = client.get_role().role_name("nobody").send().await.unwrap_err().into_service_error();
    assert!(error.is_no_such_entity_exception(), "{error:?}");
}

#[tokio::test]
async fn kms_finds_keys_by_every_name() {
    let (simulation, server) = serve(quiet()).await;
    let world = &simulation.world;
    let client = aws_sdk_kms::Client::new(&member(&simulation, &server, 3, "eu-central-1"));
    let key = KeyRef { account: 3, region: 0, slot: 1 };
    for name in [key.id(world), key.arn(world), key.alias(), key.alias_arn(world)] {
        let answer = client.describe_key().key_id(&name).send().await.unwrap();
        assert_eq!(answer.key_metadata().unwrap().arn(), Some(key.arn(world).as_str()), "{name}");
    }
    let status = client.get_key_rotation_status().key_id(key.id(world)).send().await.unwrap();
    assert_eq!(status.key_rotation_enabled(), key.spec(world).rotation);
    let policy = client.get_key_policy().key_id(key.arn(world)).send().await.unwrap();
    assert!(policy.policy().unwrap().contains("kms:*"));
    assert_eq!(client.list_resource_tags().key_id(key.id(world)).send().await.unwrap().tags().len(), 1);
    let managed = client.describe_key().key_id("alias/aws/s3").send().await.unwrap();
    assert_eq!(managed.key_metadata().unwrap().key_manager().unwrap().as_str(), "AWS");
    // A shared key can be described from other accounts, another account's own key cannot.
    let shared = KeyRef { account: 1, region: 0, slot: 0 };
    assert!(client.describe_key().key_id(shared.arn(world)).send().await.is_ok());
    let foreign = KeyRef { account: 4, region: 0, slot: 0 };
    let error = client.describe_key().key_id(foreign.arn(world)).send().await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("AccessDeniedException"));
    let error = client.describe_key().key_id("alias/nothing").send().await.unwrap_err().into_service_error();
    assert!(error.is_not_found_exception(), "{error:?}");
}

#[tokio::test]
async fn cloudwatch_speaks_cbor_both_ways() {
    let (simulation, server) = serve(quiet()).await;
    let client = aws_sdk_cloudwatch::Client::new(&member(&simulation, &server, 3, "eu-central-1"));
    let names = ["delivery-errors-0", "delivery-errors-2", "delivery-errors-4", "vanished-alarm"];
    let answer = client
        .describe_alarms()
        .set_alarm_names(Some(names.map(str::to_owned).to_vec()))
        .alarm_types(aws_sdk_cloudwatch::types::AlarmType::MetricAlarm)
        .alarm_types(aws_sdk_cloudwatch::types::AlarmType::CompositeAlarm)
        .send()
        .await
        .unwrap();
    let found: Vec<_> = answer.metric_alarms().iter().filter_map(|alarm| alarm.alarm_name()).collect();
    assert_eq!(found, ["delivery-errors-0", "delivery-errors-2"]);
    assert_eq!(answer.composite_alarms().len(), 1);
    let stuck = answer.metric_alarms().last().unwrap();
    let age = simulation.world.options.now.unix_timestamp() - stuck.state_transitioned_timestamp().unwrap().secs();
    assert!(age > 29 * 86_400, "{age}");
    assert_eq!(stuck.threshold(), Some(1.5));
}

#[tokio::test]
async fn cloudtrail_shows_the_organization_trail_to_members() {
    let (simulation, server) = serve(quiet()).await;
    for (account, region) in [(0, "eu-central-1"), (0, "us-east-1"), (4, "us-east-1")] {
        let client = aws_sdk_cloudtrail::Client::new(&member(&simulation, &server, account, region));
        let listed = client.list_trails().send().await.unwrap();
        let arn = listed.trails().iter().find_map(|trail| trail.trail_arn()).unwrap().to_owned();
        assert!(arn.contains(simulation.management_account().as_str()), "{arn}");
        let described = client.describe_trails().include_shadow_trails(true).send().await.unwrap();
        let trail = described.trail_list().first().unwrap();
        assert_eq!((trail.is_organization_trail(), trail.home_region()), (Some(true), Some("eu-central-1")));
        let status = client.get_trail_status().name(&arn).send().await.unwrap();
        assert_eq!(status.is_logging(), Some(true));
        assert!(client.get_event_selectors().trail_name(&arn).send().await.unwrap().event_selectors().len() == 1);
    }
    let client = aws_sdk_cloudtrail::Client::new(&member(&simulation, &server, 4, "us-east-1"));
    let none = client.describe_trails().include_shadow_trails(false).send().await.unwrap();
    assert!(none.trail_list().is_empty());
    let error = client.get_trail_status().name("nothing").send().await.unwrap_err().into_service_error();
    assert!(error.is_trail_not_found_exception(), "{error:?}");
}

#[tokio::test]
async fn s3_answers_settings_and_their_absence() {
    let (simulation, server) = serve(SimulationOptions { accounts: 40, ..quiet() }).await;
    let world = &simulation.world;
    let (mut locked, mut unlocked) = (0, 0);
    for account in [3, 4, 6, 7] {
        let client = aws_sdk_s3::Client::new(&member(&simulation, &server, account, "us-east-1"));
        let buckets = client.list_buckets().max_buckets(3).into_paginator().send();
        let pages: Vec<_> = buckets.collect::<Result<Vec<_>, _>>().await.unwrap();
        let names: Vec<_> = pages
            .iter()
            .flat_map(aws_sdk_s3::operation::list_buckets::ListBucketsOutput::buckets)
            .filter_map(|bucket| bucket.name())
            .collect();
        assert_eq!((pages.len(), names.len()), (3, 8));
        for name in names {
            let bucket = estate::BucketRef::named(world, name).unwrap();
            let spec = bucket.spec(world);
            let head = client.head_bucket().bucket(name).send().await.unwrap();
            assert!(name.contains(head.bucket_region().unwrap()), "{name}");
            let encryption = client.get_bucket_encryption().bucket(name).send().await.unwrap();
            assert_eq!(encryption.server_side_encryption_configuration().unwrap().rules().len(), 1);
            let versioning = client.get_bucket_versioning().bucket(name).send().await.unwrap();
            assert_eq!(versioning.status().map(|status| status.as_str() == "Enabled"), spec.versioning);
            match client.get_object_lock_configuration().bucket(name).send().await {
                Ok(_) => locked += 1,
                Err(error) => {
                    unlocked += 1;
                    let error = error.into_service_error();
                    assert_eq!(error.code(), Some("ObjectLockConfigurationNotFoundError"));
                }
            }
            let block = client.get_public_access_block().bucket(name).send().await;
            assert_eq!(block.is_ok(), spec.public_access_block.is_some());
            assert_eq!(
                client.get_bucket_ownership_controls().bucket(name).send().await.is_ok(),
                spec.ownership.is_some()
            );
            let logging = client.get_bucket_logging().bucket(name).send().await.unwrap();
            assert_eq!(logging.logging_enabled().is_some(), spec.logged);
            match client.get_bucket_policy().bucket(name).send().await {
                Ok(policy) => assert!(serde_json::from_str::<serde_json::Value>(policy.policy().unwrap()).is_ok()),
                Err(error) => assert_eq!(error.into_service_error().code(), Some("NoSuchBucketPolicy")),
            }
            assert_eq!(client.get_bucket_lifecycle_configuration().bucket(name).send().await.is_ok(), spec.lifecycle);
            assert!(client.get_bucket_location().bucket(name).send().await.is_ok());
            assert_eq!(client.get_bucket_tagging().bucket(name).send().await.is_ok(), bucket.slot != 1);
            let keeping = estate::Keeping::of(world, bucket, &spec);
            let replication = client.get_bucket_replication().bucket(name).send().await;
            assert_eq!(replication.is_ok(), keeping.replica.is_some());
        }
        // Another account's bucket: refused, but the Region is told.
        let foreign = estate::BucketRef { account: 1, region: 0, slot: 0 }.name(world);
        let error = client.get_bucket_policy().bucket(&foreign).send().await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().headers().get("x-amz-bucket-region"), Some("eu-central-1"));
        assert_eq!(error.into_service_error().code(), Some("AccessDenied"));
        let missing = client.head_bucket().bucket("no-such-bucket-anywhere").send().await.unwrap_err();
        assert!(missing.into_service_error().is_not_found());
    }
    assert!(locked > 0 && unlocked > 0);
}

#[tokio::test]
async fn ecr_answers_repositories_and_their_registry() {
    let (simulation, server) = serve(quiet()).await;
    let client = aws_sdk_ecr::Client::new(&member(&simulation, &server, 3, "eu-central-1"));
    let names = ["orders", "tools/build"].map(str::to_owned).to_vec();
    let found = client.describe_repositories().set_repository_names(Some(names)).send().await.unwrap();
    assert_eq!(found.repositories().len(), 2);
    for repository in found.repositories() {
        let name = repository.repository_name().unwrap();
        let arn = repository.repository_arn().unwrap();
        assert!(client.list_tags_for_resource().resource_arn(arn).send().await.is_ok(), "{arn}");
        if let Err(error) = client.get_repository_policy().repository_name(name).send().await {
            assert!(error.into_service_error().is_repository_policy_not_found_exception());
        }
    }
    let scanning = client.get_registry_scanning_configuration().send().await.unwrap();
    assert!(scanning.scanning_configuration().unwrap().scan_type().is_some());
    if let Err(error) = client.get_signing_configuration().send().await {
        assert!(error.into_service_error().is_signing_configuration_not_found_exception());
    }
    let missing = client.describe_repositories().repository_names("nothing").send().await.unwrap_err();
    assert!(missing.into_service_error().is_repository_not_found_exception());
}

#[tokio::test]
async fn refusals_and_throttling_carry_the_codes_that_clients_know() {
    let options = SimulationOptions {
        denials: false,
        deny_action: Some("codepipeline:GetPipeline".to_owned()),
        ..SimulationOptions::default()
    };
    let (simulation, server) = serve(options).await;
    let config = member(&simulation, &server, 3, "eu-central-1");
    let client = aws_sdk_codepipeline::Client::new(&config);
    let name = client.list_pipelines().send().await.unwrap().pipelines().first().unwrap().name().unwrap().to_owned();
    let error = client.get_pipeline().name(name).send().await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("AccessDeniedException"));
    assert!(error.message().unwrap().contains("codepipeline:GetPipeline"));

    let trails = aws_sdk_cloudtrail::Client::new(&config);
    let mut codes = BTreeSet::new();
    for _ in 0..40 {
        if let Err(error) = trails.list_trails().send().await {
            codes.insert(error.into_service_error().code().unwrap_or_default().to_owned());
        }
    }
    assert_eq!(codes, BTreeSet::from(["ThrottlingException".to_owned()]));
    assert!(simulation.statistics().get("throttled").is_some_and(|count| *count > 10));
    let alarms = aws_sdk_cloudwatch::Client::new(&config);
    let mut throttled = 0;
    for _ in 0..40 {
        if let Err(error) = alarms.describe_alarms().send().await {
            assert_eq!(error.into_service_error().code(), Some("ThrottlingException"));
            throttled += 1;
        }
    }
    assert!(throttled > 10, "{throttled}");
}

#[tokio::test]
async fn an_operation_that_an_account_does_not_know_says_so() {
    let options = SimulationOptions { accounts: 40, limits: false, ..SimulationOptions::default() };
    let (simulation, server) = serve(options).await;
    let world = &simulation.world;
    let account = (0..40)
        .find(|account| world.member(*account).denied_action == Some("codedeploy:BatchGetDeploymentGroups"))
        .unwrap();
    let client = aws_sdk_codedeploy::Client::new(&member(&simulation, &server, account, "eu-central-1"));
    let group = GroupSpec::new(world, account, 0, 0);
    let application = estate::application_name(account, 0);
    let batch = client.batch_get_deployment_groups().application_name(&application);
    let error = batch.deployment_group_names(group.name()).send().await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("UnknownOperationException"));
    let single = client.get_deployment_group().application_name(&application);
    assert!(single.deployment_group_name(group.name()).send().await.is_ok());
}

#[test]
fn a_thousand_accounts_make_nothing_until_they_are_asked() {
    let options = SimulationOptions { accounts: 1000, pipelines_per_account_region: 10, ..quiet() };
    let simulation = Simulation::new(options);
    assert_eq!(simulation.world.made(), 0);
    let _ = PipelineSpec::new(&simulation.world, 500, 1, 3);
    assert!(simulation.world.made() < 5);
}

#[tokio::test]
async fn the_same_seed_answers_the_same_bytes_and_unsigned_calls_are_refused() {
    use std::fmt::Write as _;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn raw(server: &SimulationServer, authorization: &str) -> String {
        let address = server.endpoint_url().trim_start_matches("http://").to_owned();
        let body = "{}";
        let mut request = String::new();
        write!(
            request,
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-amz-target: CodePipeline_20150709.ListPipelines\r\n\
             content-type: application/x-amz-json-1.1\r\n{authorization}content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split("\r\n\r\n").nth(1).unwrap().to_owned()
    }

    let (first, one) = serve(quiet()).await;
    let (_, two) = serve(quiet()).await;
    let key = format!("ASIASIM{}", first.world.account_id(3));
    let signed = format!(
        "authorization: AWS4-HMAC-SHA256 Credential={key}/20261121/eu-central-1/codepipeline/aws4_request, \
         SignedHeaders=host, Signature=00\r\n"
    );
    let answer = raw(&one, &signed).await;
    assert!(answer.contains("\"pipelines\":[{"), "{answer}");
    assert_eq!(answer, raw(&two, &signed).await);
    let unsigned = raw(&one, "").await;
    assert!(unsigned.contains("MissingAuthenticationToken"), "{unsigned}");
    let stranger = signed.replace(&key, "ASIASIM000000000000");
    assert!(raw(&one, &stranger).await.contains("UnrecognizedClientException"));
}
