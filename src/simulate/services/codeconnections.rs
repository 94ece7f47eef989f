//! `CodeConnections`, under its older name as well.

use serde_json::{Value, json};

use super::super::estate::{ConnectionSpec, SourceSpec};
use super::super::protocol::ApiError;
use super::{Answer, Call, Operation, Service};

pub(super) const SERVICE: Service = Service {
    prefix: "codeconnections",
    target: "CodeConnections_20231201",
    operations: &[
        Operation { name: "GetConnection", action: "codeconnections:GetConnection", answer: get_connection },
        Operation { name: "GetHost", action: "codeconnections:GetHost", answer: get_host },
    ],
};

/// The action under the service's older name, which IAM wants for what carries that name.
pub(super) fn older_action(operation: &Operation, input: &Value) -> Option<&'static str> {
    let (member, older) = match operation.action {
        "codeconnections:GetConnection" => ("ConnectionArn", "codestar-connections:GetConnection"),
        "codeconnections:GetHost" => ("HostArn", "codestar-connections:GetHost"),
        _ => return None,
    };
    let arn = input.get(member).and_then(Value::as_str)?;
    (arn.split(':').nth(2) == Some("codestar-connections")).then_some(older)
}

fn connections<'a>(call: &Call<'a>) -> impl Iterator<Item = ConnectionSpec> + use<'a> {
    let (world, account) = (call.world, call.account);
    call.region.into_iter().flat_map(move |region| SourceSpec::all(world, account, region)).filter_map(|s| s.connection)
}

fn missing(arn: &str) -> ApiError {
    ApiError::new(400, "ResourceNotFoundException", format!("there is no {arn}"))
}

fn get_connection(call: &Call<'_>) -> Answer {
    let arn = call.required("ConnectionArn")?;
    let spec = connections(call).find(|connection| connection.arn(call.world) == arn).ok_or_else(|| missing(arn))?;
    let mut connection = json!({
        "ConnectionName": spec.name(), "ConnectionArn": arn, "ProviderType": spec.provider,
        "OwnerAccountId": call.world.account_id(spec.account), "ConnectionStatus": spec.status
    });
    if let (Some(host), Some(fields)) = (spec.host_arn(call.world), connection.as_object_mut()) {
        fields.insert("HostArn".to_owned(), json!(host));
    }
    Ok(json!({ "Connection": connection }))
}

fn get_host(call: &Call<'_>) -> Answer {
    let arn = call.required("HostArn")?;
    let found = connections(call).find(|connection| connection.host_arn(call.world).as_deref() == Some(arn));
    let spec = found.ok_or_else(|| missing(arn))?;
    Ok(json!({
        "Name": spec.name(), "Status": "AVAILABLE", "ProviderType": spec.provider,
        "ProviderEndpoint": "https://github.example.com/"
    }))
}
