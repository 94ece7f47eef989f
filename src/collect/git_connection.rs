//! `CodeConnections`: where a connection leads.
//!
//! In: the ARN of a connection. Out: the connection as a resource, and the provider and host behind it. Connections made
//! before the service was renamed carry its old name in their ARN, and IAM asks for the action of the same name.

use aws_sdk_codeconnections::Client;
use serde_json::Value;

use super::fields::Fields;
use super::git_source::Provider;
use super::{CallError, Scope};
use crate::inventory::{Affects, Gap, Resource, TypeName};

pub(super) const GET_CONNECTION: &str = "codeconnections:GetConnection";
pub(super) const GET_CONNECTION_OLD: &str = "codestar-connections:GetConnection";
pub(super) const GET_HOST: &str = "codeconnections:GetHost";
pub(super) const GET_HOST_OLD: &str = "codestar-connections:GetHost";

/// A connection, and where it leads.
pub(super) struct Connection {
    pub(super) resource: Resource,
    pub(super) leads_to: Result<(Provider, String), Gap>,
}

/// Asks for a connection, and for its host where customers run it themselves.
pub(super) async fn read(scope: &Scope, arn: &str) -> Connection {
    let client = Client::new(scope.config());
    let mut resource =
        Resource::live(TypeName::CONNECTION, arn.to_owned(), scope.account.clone(), scope.region.clone());
    let action = by_name(arn, GET_CONNECTION, GET_CONNECTION_OLD);
    let answer = scope.call(action, || client.get_connection().connection_arn(arn).send()).await;
    let connection = answer.and_then(|answer| {
        answer.connection.ok_or_else(|| CallError::malformed(action, "the answer holds no connection"))
    });
    let connection = match connection {
        Ok(connection) => connection,
        Err(error) => {
            error.clone().hides(scope, &mut resource, &["*"]);
            return Connection { resource, leads_to: Err(error.gap(scope, Affects::Details)) };
        }
    };
    resource.properties = Fields::new()
        .text("ConnectionName", connection.connection_name())
        .text("ProviderType", connection.provider_type())
        .text("ConnectionStatus", connection.connection_status())
        .text("HostArn", connection.host_arn())
        .properties();
    let word = connection.provider_type().map(AsRef::as_ref).unwrap_or_default();
    let leads_to = match (Provider::parse(word), connection.host_arn().filter(|host| !host.is_empty())) {
        (None, _) => Err(CallError::malformed(action, format!("`{word}` is no provider that is known"))),
        (Some(provider), Some(host)) => match endpoint(scope, &client, host).await {
            Ok(endpoint) => {
                resource.properties.insert("ProviderEndpoint".to_owned(), Value::from(endpoint.as_str()));
                Ok((provider, host_name(&endpoint)))
            }
            Err(error) => {
                error.clone().hides(scope, &mut resource, &["ProviderEndpoint"]);
                Err(error)
            }
        },
        (Some(provider), None) => {
            let host = provider.own_host().map(|host| (provider, host.to_owned()));
            host.ok_or_else(|| CallError::malformed(action, format!("a connection to {word} without a host")))
        }
    };
    Connection { resource, leads_to: leads_to.map_err(|error| error.gap(scope, Affects::Details)) }
}

async fn endpoint(scope: &Scope, client: &Client, host: &str) -> Result<String, CallError> {
    let action = by_name(host, GET_HOST, GET_HOST_OLD);
    let answer = scope.call(action, || client.get_host().host_arn(host).send()).await?;
    let endpoint = answer.provider_endpoint.filter(|endpoint| !host_name(endpoint).is_empty());
    endpoint.ok_or_else(|| CallError::malformed(action, "a host without an endpoint"))
}

/// The action of the service's name in the ARN.
fn by_name(arn: &str, new: &'static str, old: &'static str) -> &'static str {
    if arn.split(':').nth(2) == Some("codestar-connections") { old } else { new }
}

/// `git.example.com:8443` of `https://git.example.com:8443/`.
fn host_name(endpoint: &str) -> String {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_without_scheme_and_path() {
        assert_eq!(host_name("https://Git.example.com:8443/"), "git.example.com:8443");
        assert_eq!(host_name("git.example.com"), "git.example.com");
        assert_eq!(host_name("https://"), "");
    }

    #[test]
    fn the_action_has_the_name_that_the_arn_has() {
        let old = "arn:aws:codestar-connections:eu-west-1:111122223333:connection/c";
        assert_eq!(by_name(old, GET_CONNECTION, GET_CONNECTION_OLD), GET_CONNECTION_OLD);
        assert_eq!(by_name(&old.replace("codestar-", "code"), GET_CONNECTION, GET_CONNECTION_OLD), GET_CONNECTION);
    }
}
