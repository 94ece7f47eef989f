//! KMS.

use serde_json::{Value, json};

use super::super::estate::{
    ADMINISTRATORS, AWS_MANAGED_SLOT, Administration, DEPLOYERS, KeyRef, KeyState, OUTSIDE_ACCOUNT, Outsiders,
    administration as drawn,
};
use super::super::organization::Part;
use super::super::protocol::{ApiError, timestamp};
use super::super::world::World;
use super::{Answer, Call, Operation, Service, days_ago};
use crate::inventory::Arn;

pub(super) const SERVICE: Service = Service {
    prefix: "kms",
    target: "TrentService",
    operations: &[
        Operation { name: "DescribeKey", action: "kms:DescribeKey", answer: describe_key },
        Operation { name: "GetKeyRotationStatus", action: "kms:GetKeyRotationStatus", answer: get_key_rotation_status },
        Operation { name: "GetKeyPolicy", action: "kms:GetKeyPolicy", answer: get_key_policy },
        Operation { name: "ListResourceTags", action: "kms:ListResourceTags", answer: list_resource_tags },
    ],
};

/// The key that the call names by id, ARN, alias or alias ARN, if the caller may know of it.
fn key(call: &Call<'_>, aliases: bool) -> Result<KeyRef, ApiError> {
    let named = call.required("KeyId")?;
    let not_found = || ApiError::new(400, "NotFoundException", format!("Key '{named}' does not exist"));
    let (account, region, resource) = match Arn::parse(named) {
        Ok(arn) => {
            let account = call.world.position_of(arn.account).ok_or_else(not_found)?;
            (account, call.world.region_position(arn.region), arn.resource)
        }
        Err(_) => (call.account, call.region, named),
    };
    // A key's ARN works in its own Region only.
    let region = region.filter(|region| Some(*region) == call.region).ok_or_else(not_found)?;
    let alias = resource.starts_with("alias/");
    if alias && !aliases {
        return Err(ApiError::new(400, "InvalidArnException", format!("{named} is not the id or ARN of a key")));
    }
    let id = resource.strip_prefix("key/").unwrap_or(resource);
    let found = KeyRef::all(account, region)
        .find(|key| if alias { key.alias() == resource } else { key.id(call.world) == id })
        .ok_or_else(not_found)?;
    let shared = call.world.member(account).part == Part::Tooling;
    if account != call.account && !shared {
        let message = format!("The caller is not allowed to use the key {named} of another account");
        return Err(ApiError::new(400, "AccessDeniedException", message));
    }
    Ok(found)
}

fn own(call: &Call<'_>, key: KeyRef) -> Result<KeyRef, ApiError> {
    if key.account == call.account {
        Ok(key)
    } else {
        let message = "this operation does not work on keys of other accounts".to_owned();
        Err(ApiError::new(400, "AccessDeniedException", message))
    }
}

fn describe_key(call: &Call<'_>) -> Answer {
    let key = key(call, true)?;
    let spec = key.spec(call.world);
    let (state, enabled) = match spec.state {
        KeyState::Enabled => ("Enabled", true),
        KeyState::Disabled => ("Disabled", false),
        KeyState::PendingDeletion => ("PendingDeletion", false),
    };
    let manager = if key.slot == AWS_MANAGED_SLOT { "AWS" } else { "CUSTOMER" };
    let mut metadata = json!({
        "AWSAccountId": call.world.account_id(key.account), "KeyId": key.id(call.world), "Arn": key.arn(call.world),
        "CreationDate": timestamp(days_ago(call.world, 700, key.slot)), "Enabled": enabled, "Description": "artifacts",
        "KeyUsage": "ENCRYPT_DECRYPT", "KeyState": state, "Origin": "AWS_KMS", "KeyManager": manager,
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT", "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"], "MultiRegion": false
    });
    if let (KeyState::PendingDeletion, Some(fields)) = (spec.state, metadata.as_object_mut()) {
        fields.insert("DeletionDate".to_owned(), timestamp(days_ago(call.world, -20, key.slot)));
    }
    Ok(json!({ "KeyMetadata": metadata }))
}

fn get_key_rotation_status(call: &Call<'_>) -> Answer {
    let key = key(call, false)?;
    let enabled = key.slot == AWS_MANAGED_SLOT || key.spec(call.world).rotation;
    let mut answer = json!({ "KeyId": key.arn(call.world), "KeyRotationEnabled": enabled });
    if let (true, Some(fields)) = (enabled, answer.as_object_mut()) {
        fields.insert("RotationPeriodInDays".to_owned(), json!(365));
    }
    Ok(answer)
}

fn get_key_policy(call: &Call<'_>) -> Answer {
    let key = own(call, key(call, false)?)?;
    Ok(json!({ "Policy": policy(call.world, key).to_string(), "PolicyName": "default" }))
}

fn policy(world: &World, key: KeyRef) -> Value {
    let partition = world.partition;
    let administration = json!({
        "Sid": "Administration", "Effect": "Allow", "Action": "kms:*", "Resource": "*",
        "Principal": { "AWS": format!("arn:{partition}:iam::{}:root", world.account_id(key.account)) }
    });
    let actions = json!(["kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"]);
    let other = match key.spec(world).principals {
        Outsiders::None => None,
        Outsiders::OrganizationOnly => Some(json!({
            "Sid": "Organization", "Effect": "Allow", "Action": actions, "Resource": "*", "Principal": { "AWS": "*" },
            "Condition": { "StringEquals": { "aws:PrincipalOrgID": world.organization_id() } }
        })),
        Outsiders::Account => Some(json!({
            "Sid": "Partner", "Effect": "Allow", "Action": actions, "Resource": "*",
            "Principal": { "AWS": [format!("arn:{partition}:iam::{OUTSIDE_ACCOUNT}:root")] }
        })),
        Outsiders::Everybody => {
            Some(json!({ "Sid": "Anyone", "Effect": "Allow", "Action": actions, "Resource": "*", "Principal": "*" }))
        }
    };
    let mut statements: Vec<Value> = [Some(administration), other].into_iter().flatten().collect();
    let administer = json!(["kms:Decrypt", "kms:ScheduleKeyDeletion", "kms:PutKeyPolicy"]);
    let statement = |effect: &str, role: &str| {
        json!({
            "Sid": format!("{effect}{role}"), "Effect": effect, "Action": administer, "Resource": "*",
            "Principal": { "AWS": world.role_arn(key.account, role) }
        })
    };
    match drawn(world, key) {
        Administration::RootOnly => {}
        Administration::Administrators => statements.push(statement("Allow", ADMINISTRATORS)),
        Administration::Deployers => statements.push(statement("Allow", DEPLOYERS)),
        Administration::DeployersDenied => {
            statements.extend([statement("Allow", DEPLOYERS), statement("Deny", DEPLOYERS)]);
        }
    }
    json!({ "Version": "2012-10-17", "Id": "key", "Statement": statements })
}

fn list_resource_tags(call: &Call<'_>) -> Answer {
    let key = own(call, key(call, false)?)?;
    let tags =
        if key.slot == AWS_MANAGED_SLOT { json!([]) } else { json!([{ "TagKey": "team", "TagValue": "delivery" }]) };
    Ok(json!({ "Tags": tags, "Truncated": false }))
}
