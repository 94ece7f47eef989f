//! STS: who is asking, and the audit role.

use serde_json::json;
use time::OffsetDateTime;

use super::super::Trust;
use super::super::organization::{Part, State};
use super::super::protocol::{ApiError, timestamp};
use super::{Answer, Call, Operation, Service};
use crate::inventory::Arn;

/// The one role that can be assumed.
pub(in super::super) const AUDIT_ROLE: &str = "PipewardenAudit";
/// Access keys that this service gives begin so; the account's id and the second at which the session ends follow.
pub(in super::super) const ACCESS_KEY_PREFIX: &str = "ASIASIM";

pub(super) const SERVICE: Service = Service {
    prefix: "sts",
    target: "AWSSecurityTokenServiceV20110615",
    operations: &[
        Operation { name: "AssumeRole", action: "sts:AssumeRole", answer: assume_role },
        Operation { name: "GetCallerIdentity", action: "sts:GetCallerIdentity", answer: get_caller_identity },
    ],
};

fn assume_role(call: &Call<'_>) -> Answer {
    let world = call.world;
    let role = call.required("RoleArn")?;
    let session = call.required("RoleSessionName")?;
    let denied = || {
        let caller = format!("arn:{}:iam::{}:user/auditor", world.partition, world.account_id(call.account));
        let message = format!("User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role}");
        ApiError::new(403, "AccessDenied", message)
    };
    let arn = Arn::parse(role).map_err(|_| ApiError::new(400, "ValidationError", format!("{role} is invalid")))?;
    let account = world.position_of(arn.account).ok_or_else(denied)?;
    let trusted = matches!(world.member(call.account).part, Part::Management | Part::Tooling);
    let named = arn.service == "iam" && arn.resource.rsplit('/').next() == Some(AUDIT_ROLE);
    let open = world.member(account).state == State::Active && !world.role_denied(account);
    if !trusted || !named || !open || !meets(call, &world.options.trust) {
        return Err(denied());
    }
    let seconds = call.number("DurationSeconds").and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or(3600);
    // Clients compare the expiry with their own clock, not with the world's.
    let lasts = world.options.session.and_then(|session| session.try_into().ok());
    let lasts = lasts.unwrap_or_else(|| time::Duration::seconds(seconds.clamp(900, 43_200)));
    let expiration = OffsetDateTime::now_utc() + lasts;
    let id = world.account_id(account);
    Ok(json!({
        "Credentials": {
            "AccessKeyId": format!("{ACCESS_KEY_PREFIX}{id}{}", expiration.unix_timestamp()),
            "SecretAccessKey": "simulated/secret/access/key/of/no/use/00",
            "SessionToken": format!("simulated-session-token-{id}"),
            "Expiration": timestamp(expiration)
        },
        "AssumedRoleUser": {
            "AssumedRoleId": format!("AROASIM{id}:{session}"),
            "Arn": format!("arn:{}:sts::{id}:assumed-role/{AUDIT_ROLE}/{session}", world.partition)
        }
    }))
}

/// Whether a request is what the trust policy of the audit role asks for.
fn meets(call: &Call<'_>, trust: &Trust) -> bool {
    let given = |name: &str, wanted: &Option<String>| wanted.is_none() || call.text(name) == wanted.as_deref();
    let tagged = trust.session_tag.as_ref().is_none_or(|(key, value)| call.texts("Tags") == [key, value]);
    given("ExternalId", &trust.external_id) && given("SourceIdentity", &trust.source_identity) && tagged
}

fn get_caller_identity(call: &Call<'_>) -> Answer {
    if call.input.get("Action").is_some() && call.text("Action") != Some("GetCallerIdentity") {
        return Err(ApiError::invalid("the action is not GetCallerIdentity".to_owned()));
    }
    let id = call.world.account_id(call.account);
    let (user, arn) = if call.account == 0 {
        ("AIDASIMAUDITOR".to_owned(), format!("arn:{}:iam::{id}:user/auditor", call.world.partition))
    } else {
        let arn = format!("arn:{}:sts::{id}:assumed-role/{AUDIT_ROLE}/pipewarden", call.world.partition);
        (format!("AROASIM{id}:pipewarden"), arn)
    };
    Ok(json!({ "UserId": user, "Account": id, "Arn": arn }))
}
