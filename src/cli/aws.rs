//! AWS as this machine reaches it: credentials, endpoint, HTTP client.

use std::time::Duration;

use aws_config::{AppName, BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_types::timeout::TimeoutConfig;
use clap::Args;

use super::failure::Failure;
use super::secrets::Secrets;
use crate::collect::git_hosts::{self, SourceHosts};
use crate::collect::{CallGate, Scope};
use crate::config::Config;
use crate::inventory::{AccountId, Arn, Partition, Redaction, Region};
use crate::organization::Sessions;

/// How AWS is reached.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct AwsOptions {
    /// Profile of the AWS configuration to use
    #[arg(long, value_name = "NAME")]
    pub(super) profile: Option<String>,
    /// Send all calls here instead of to AWS (an emulator, or `pipewarden simulate`)
    #[arg(long, value_name = "URL")]
    pub(super) endpoint_url: Option<String>,
    /// Audit only the account whose credentials are used
    #[arg(long)]
    pub(super) single_account: bool,
}

/// No single try may hang a run; AWS answers these reads in well under a second.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(30))
        .build()
}

/// The SDK's own configuration, from the environment and the AWS configuration files.
pub(super) async fn from_environment(options: &AwsOptions, home_region: Option<&Region>) -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http).timeout_config(timeouts());
    if let Ok(name) = AppName::new("pipewarden") {
        loader = loader.app_name(name);
    }
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(url) = &options.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    if let Some(region) = home_region {
        loader = loader.region(aws_config::Region::new(region.as_str().to_owned()));
    }
    loader.load().await
}

/// A configuration for a server on loopback: no TLS, no environment, credentials that mean nothing outside.
pub(super) fn for_loopback(endpoint_url: &str, region: &Region) -> SdkConfig {
    let credentials = Credentials::new("AKIASIMULATED", "simulated", None, None, "simulation");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(aws_smithy_async::rt::sleep::TokioSleep::new()))
        .time_source(aws_smithy_async::time::SystemTimeSource::new())
        .retry_config(aws_smithy_types::retry::RetryConfig::standard())
        .timeout_config(timeouts())
        .identity_cache(aws_config::identity::IdentityCache::lazy().build())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .region(aws_config::Region::new(region.as_str().to_owned()))
        .endpoint_url(endpoint_url)
        .build()
}

/// The configured source hosts, with their secrets.
pub(super) fn source_hosts(config: &Config, secrets: &Secrets) -> Result<SourceHosts, Failure> {
    let file = |path: &std::path::Path| config.read_named(path);
    let read = git_hosts::Secrets { variable: secrets, file: &file };
    config.source_hosts(&read).map_err(|error| secrets.failure(error))
}

/// Finds out whose credentials these are, and prepares the way into every account.
pub(super) async fn sessions(
    sdk: SdkConfig,
    config: &Config,
    hosts: SourceHosts,
    redaction: Redaction,
) -> Result<Sessions, Failure> {
    let gate = CallGate::new(config.audit.concurrency).with_hosts(hosts).with_redaction(redaction);
    let asked_in =
        sdk.region().and_then(|region| region.as_ref().parse().ok()).unwrap_or_else(|| Partition::Aws.default_region());
    let unknown: AccountId =
        "000000000000".parse().map_err(|error: crate::inventory::IdentityError| Failure::because(error))?;
    let scope = Scope::new(unknown, Partition::of_region(&asked_in), asked_in, &sdk, gate.clone());
    let client = aws_sdk_sts::Client::new(scope.config());
    let identity = scope.call("sts:GetCallerIdentity", || client.get_caller_identity().send()).await.map_err(|error| {
        Failure::because(format!(
            "no usable AWS credentials: {}; set AWS_PROFILE or --profile, or run where a role is attached; to try without AWS, `pipewarden demo`",
            error.cause
        ))
    })?;
    let arn = identity.arn().unwrap_or_default();
    let partition = Arn::parse(arn).ok().and_then(|arn| arn.partition.parse().ok()).unwrap_or(Partition::Aws);
    let account = identity
        .account()
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| Failure::because(format!("sts:GetCallerIdentity answered no account id (`{arn}`)")))?;
    let home = config.home_region.clone().unwrap_or_else(|| partition.default_region());
    Ok(Sessions::new(sdk, account, partition, home, config.audit.sessions.clone(), gate))
}

/// A runtime for the stages that talk to AWS.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| Failure::failed(&error))
}
