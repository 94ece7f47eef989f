//! `AWS::CodeConnections::Connection`, under its old name too.
//!
//! In: a connection as a template writes it, and the host that it goes through. Out: the connection as `GetConnection`
//! answers it. A connection that a template makes is pending until a person completes it.

use super::super::node::Node;
use super::Shape;
use super::conversion::{Conversion, elsewhere};
use super::form::Form;
use crate::inventory::TypeName;

const FORM: Form = Form::Map(&[
    ("ConnectionName", Form::Text),
    ("ProviderType", Form::Text),
    ("HostArn", Form::Text),
    ("ProviderEndpoint", Form::Text),
]);

/// Connections.
pub(super) const CONNECTION: Shape = Shape {
    type_name: "AWS::CodeConnections::Connection",
    becomes: TypeName::CONNECTION,
    form: FORM,
    convert: connection,
    only_deployed: &["ConnectionStatus"],
};

/// Connections under the service's first name.
pub(super) const CODESTAR_CONNECTION: Shape = Shape {
    type_name: "AWS::CodeStarConnections::Connection",
    becomes: TypeName::CONNECTION,
    form: FORM,
    convert: connection,
    only_deployed: &["ConnectionStatus"],
};

fn connection(conversion: &mut Conversion<'_>) {
    let Some(host) = conversion.text("HostArn").map(str::to_owned) else { return };
    let declared = conversion.named("AWS::CodeConnections::Host", &host);
    if let Some(endpoint) = declared.and_then(|host| host.property("ProviderEndpoint")).cloned() {
        if conversion.property("ProviderType").is_none()
            && let Some(provider) = declared.and_then(|host| host.property("ProviderType"))
        {
            let provider: Node = provider.clone();
            conversion.set("ProviderType", provider);
        }
        conversion.set("ProviderEndpoint", endpoint);
    } else {
        let cause = conversion.why(&host, |host| elsewhere(&format!("the host {host}")));
        conversion.hide("ProviderEndpoint", cause);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use crate::inventory::TypeName;
    use crate::template::Raw;

    fn sourced(connection: &str) -> Raw {
        let action = json!({"Name": "Source", "ActionTypeId": {"Category": "Source", "Owner": "AWS", "Provider": "CodeStarSourceConnection"},
                            "Configuration": {"ConnectionArn": connection, "FullRepositoryId": "o/r", "BranchName": "main"}});
        raw("AWS::CodePipeline::Pipeline", "Web", json!({"Stages": [{"Name": "Source", "Actions": [action]}]}))
    }

    #[test]
    fn both_names_of_the_service_are_one_type() {
        for (type_name, prefix) in [
            ("AWS::CodeStarConnections::Connection", "codestar-connections"),
            ("AWS::CodeConnections::Connection", "codeconnections"),
        ] {
            let arn = format!("arn:aws:{prefix}:eu-west-1:111122223333:connection/Git");
            let all = [sourced(&arn), raw(type_name, "Git", json!({"ProviderType": "GitHub"}))];
            let found = one(&all, "Git").resource;
            assert_eq!((found.type_name, found.uid.as_str()), (TypeName::CONNECTION, arn.as_str()));
            assert_eq!(unseen(&all, "Git"), [("ConnectionStatus".to_owned(), 'd')]);
        }
    }

    #[test]
    fn the_endpoint_is_that_of_the_host() {
        let arn = "arn:aws:codeconnections:eu-west-1:111122223333:connection/Git";
        let host = "arn:aws:codeconnections:eu-west-1:111122223333:host/Host";
        let connection = raw("AWS::CodeConnections::Connection", "Git", json!({"HostArn": host}));
        let declared =
            json!({"ProviderType": "GitHubEnterpriseServer", "ProviderEndpoint": "https://git.acme.example"});
        let known = [sourced(arn), connection.clone(), raw("AWS::CodeConnections::Host", "Host", declared)];
        let found = properties(&known, "Git");
        assert_eq!(found["ProviderEndpoint"], "https://git.acme.example");
        assert_eq!(found["ProviderType"], "GitHubEnterpriseServer");
        let names: Vec<String> = unseen(&[sourced(arn), connection], "Git").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["ConnectionStatus", "ProviderEndpoint"]);
    }
}
