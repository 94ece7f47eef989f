//! `AWS::CodeConnections::Connection`: the way to a repository that AWS does not host.
//!
//! In: a connection that a pipeline names. Out: whether it stands.

use super::joins::Joins;
use super::seen::{name, text_or};
use super::{Facts, ResourceKind};
use crate::inventory::{Resource, TypeName};

/// Connections.
pub struct Connection;

impl ResourceKind for Connection {
    fn type_name(&self) -> TypeName {
        TypeName::CONNECTION
    }

    fn action(&self) -> &'static str {
        "Connect"
    }

    fn facts(&self, resource: &Resource, _joins: &Joins) -> Facts {
        let mut facts = Facts::default();
        facts.know("name", name(resource, "ConnectionName"));
        facts.put("providerType", text_or(resource, "ProviderType", ""));
        facts.put("connectionStatus", text_or(resource, "ConnectionStatus", ""));
        facts.put("providerEndpoint", text_or(resource, "ProviderEndpoint", ""));
        facts
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Fact;
    use super::super::testing::*;
    use super::*;

    #[test]
    fn a_connection_says_its_state_or_why_not() {
        let properties = json!({"ConnectionName": "main", "ProviderType": "GitHub", "ConnectionStatus": "PENDING"});
        let mut connection = resource(TypeName::CONNECTION, "c", properties);
        let facts = Connection.facts(&connection, &joins(&[], &[]));
        assert_eq!(facts.known["connectionStatus"], Fact::Text("PENDING".to_owned()));
        connection.unseen.insert("ConnectionStatus".to_owned(), denied("codeconnections:GetConnection"));
        let facts = Connection.facts(&connection, &joins(&[], &[]));
        assert!(facts.unknown["connectionStatus"].join("").contains("codeconnections:GetConnection"));
    }
}
