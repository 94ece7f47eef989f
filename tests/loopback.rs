//! SDK configuration for a server on loopback: no TLS, no environment, credentials that mean nothing outside.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_types::retry::RetryConfig;

/// Credentials that stand for the management account.
pub(crate) fn credentials() -> Credentials {
    Credentials::new("AKIATEST", "test", None, None, "test")
}

/// Calls go to `endpoint`, signed for `region`.
pub(crate) fn config(endpoint: &str, credentials: Credentials, region: &str, retry: RetryConfig) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .time_source(aws_smithy_async::time::SystemTimeSource::new())
        .identity_cache(aws_config::identity::IdentityCache::lazy().build())
        .retry_config(retry)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .region(aws_config::Region::new(region.to_owned()))
        .endpoint_url(endpoint)
        .build()
}
