//! Who did it: CloudTrail's `userIdentity` in one form.
//!
//! In: the identity of an event, or an ARN that an execution was changed by. Out: a [`Principal`] that says whether it
//! was a person, a machine or AWS, and one text per person that can be compared. Roles are never compared: two people
//! share one role.
//!
//! Fields: <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html>

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::inventory::Arn;

/// Who made a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Principal {
    /// `Root`, `IAMUser`, `AssumedRole`, `FederatedUser`, `AWSService`, `AWSAccount`, `IdentityCenterUser`, … Empty if
    /// the record does not say.
    #[serde(rename = "type")]
    pub kind: String,
    /// ARN of the caller, with the session of an assumed role.
    pub arn: Option<String>,
    /// Account of the caller.
    pub account: Option<String>,
    /// Name of an IAM user.
    pub user_name: Option<String>,
    /// ARN of the role behind the session.
    pub role: Option<String>,
    /// Name of the session.
    pub session: Option<String>,
    /// `sourceIdentity`, which a session cannot change.
    pub source_identity: Option<String>,
    /// User id of IAM Identity Center (`onBehalfOf.userId`).
    pub on_behalf_of: Option<String>,
    /// The AWS service that called: `codepipeline.amazonaws.com`.
    pub invoked_by: Option<String>,
    /// The identity provider behind a web identity: the ARN of an OIDC provider, as programs of other clouds and source
    /// hosts have them, or a name such as `accounts.google.com`.
    pub federated_provider: Option<String>,
    /// Whether an ARN is all that is known, as where an execution says who changed it: no identity, address or program of
    /// the caller stands beside it.
    #[serde(skip)]
    pub is_bare: bool,
}

/// What `invokedBy` says of whoever works in the console: no service calls by itself under these.
const CONSOLES: &[&str] = &["signin.amazonaws.com", "console.amazonaws.com", "AWS Internal"];
/// Session names that services and workflows of source hosts always take.
const PROGRAMS: &[&str] = &["AWSCloudFormation", "AutoScaling", "GitHubActions"];
/// What begins the names of the roles of IAM Identity Center, which only its users can take; no other role may be named so.
const RESERVED: &str = "AWSReservedSSO_";
/// Session names that SDKs and the command line make up: a person or a program, and nothing tells which.
const MADE_UP: &[&str] = &["aws-sdk-", "botocore-session-", "AWSCLI-Session"];

impl Principal {
    /// Reads `userIdentity`; what is missing stays missing.
    #[must_use]
    pub fn of_user_identity(identity: &Value) -> Self {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned);
        let member = |name: &str| text(identity.get(name));
        let context = identity.get("sessionContext");
        let issuer = context.and_then(|context| context.get("sessionIssuer"));
        let arn = member("arn");
        let session_of_arn = arn.as_deref().and_then(session_of).map(str::to_owned);
        let session_of_id = member("principalId").and_then(|id| id.split_once(':').map(|(_, name)| name.to_owned()));
        let kind = member("type").unwrap_or_default();
        let assumed = kind == "AssumedRole" || session_of_arn.is_some();
        Self {
            role: issuer.and_then(|issuer| text(issuer.get("arn"))),
            session: session_of_arn.or(if assumed { session_of_id } else { None }),
            source_identity: context.and_then(|context| text(context.get("sourceIdentity"))),
            on_behalf_of: identity.get("onBehalfOf").and_then(|behalf| text(behalf.get("userId"))),
            account: member("accountId"),
            user_name: member("userName"),
            invoked_by: member("invokedBy").filter(|service| !CONSOLES.contains(&service.as_str())),
            federated_provider: context
                .and_then(|context| text(context.get("webIdFederationData")?.get("federatedProvider"))),
            is_bare: false,
            kind,
            arn,
        }
    }

    /// Reads the ARN of a caller, as executions name whoever changed them.
    #[must_use]
    pub fn of_arn(arn: &str) -> Self {
        let parsed = Arn::parse(arn).ok();
        let resource = parsed.map_or("", |arn| arn.resource);
        let kind = match resource.split(['/', ':']).next().unwrap_or_default() {
            "assumed-role" => "AssumedRole",
            "user" => "IAMUser",
            "federated-user" => "FederatedUser",
            "root" => "Root",
            _ => "",
        };
        let role = resource
            .strip_prefix("assumed-role/")
            .and_then(|rest| rest.split('/').next())
            .zip(parsed)
            .map(|(name, arn)| format!("arn:{}:iam::{}:role/{name}", arn.partition, arn.account));
        Self {
            kind: kind.to_owned(),
            account: parsed.map(|arn| arn.account.to_owned()).filter(|account| !account.is_empty()),
            user_name: resource.strip_prefix("user/").and_then(|path| path.rsplit('/').next()).map(str::to_owned),
            role,
            session: session_of(arn).map(str::to_owned),
            arn: Some(arn.to_owned()),
            is_bare: true,
            ..Self::default()
        }
    }

    /// Whether an AWS service made the call.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.kind == "AWSService" || self.invoked_by.is_some()
    }

    /// Whether the root user made the call.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.kind == "Root" && !self.is_service()
    }

    /// Whether a program did it rather than a person: sessions of AWS services are numbers or carry the service's name.
    #[must_use]
    pub fn is_machine(&self) -> bool {
        let numbered = |name: &str| name.len() == 13 && name.bytes().all(|byte| byte.is_ascii_digit());
        let named = |name: &str| name.starts_with("AWSCodeBuild-") || PROGRAMS.contains(&name);
        // Tasks of ECS and rules of EventBridge.
        let of_task = |name: &str| name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let of_instance = |name: &str| {
            name.strip_prefix("i-").is_some_and(|id| id.len() >= 8 && id.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        self.is_service()
            || self
                .session
                .as_deref()
                .is_some_and(|name| numbered(name) || named(name) || of_instance(name) || of_task(name))
    }

    /// One text per person, in lower case, that can be compared with others of the same organization: the source
    /// identity, else an address or name of the session, else the IAM user. `None` for machines, services, root, web
    /// identities, and sessions whose name tells nobody.
    #[must_use]
    pub fn person(&self) -> Option<String> {
        if self.is_machine() || self.is_root() || self.federated_provider.is_some() {
            return None;
        }
        let told = |name: &&String| !MADE_UP.iter().any(|prefix| name.starts_with(prefix));
        let account = self.account.as_deref().unwrap_or_default();
        let name =
            self.source_identity.clone().or_else(|| self.session.as_ref().filter(told).cloned()).or_else(|| {
                // The same user name in two accounts is two users.
                self.user_name.as_ref().map(|name| format!("{account}/{name}"))
            })?;
        Some(name.to_lowercase())
    }

    /// Account and name of the role behind the session, without its path.
    #[must_use]
    pub fn role_name(&self) -> Option<(&str, &str)> {
        let role = Arn::parse(self.role.as_deref()?).ok()?;
        Some((role.account, role.resource.rsplit('/').next()?))
    }

    /// Whether the session's own name says that a person took it: a role of IAM Identity Center, whose sessions carry the
    /// user's name, or an address. Functions name their sessions like anybody else.
    #[must_use]
    pub fn names_a_person(&self) -> bool {
        let address = |name: &str| name.split_once('@').is_some_and(|(who, at)| !who.is_empty() && at.contains('.'));
        self.session.as_deref().is_some_and(address)
            || self.role_name().is_some_and(|(_, name)| name.starts_with(RESERVED))
    }

    /// As a report names it: the shortest that tells who.
    #[must_use]
    pub fn shown(&self) -> String {
        let role = self.role.as_deref().and_then(|arn| arn.rsplit('/').next());
        match (&self.invoked_by, &self.session, &self.user_name) {
            (Some(service), ..) => service.clone(),
            (None, Some(session), _) => role.map_or_else(|| session.clone(), |role| format!("{session} ({role})")),
            (None, None, Some(user)) => user.clone(),
            _ if self.kind == "Root" => "root".to_owned(),
            _ => self.arn.clone().unwrap_or_else(|| "unknown".to_owned()),
        }
    }
}

/// The session's name in `arn:aws:sts::111122223333:assumed-role/Role/session`.
fn session_of(arn: &str) -> Option<&str> {
    let resource = Arn::parse(arn).ok()?.resource;
    resource.strip_prefix("assumed-role/")?.split_once('/').map(|(_, session)| session).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_person_is_the_session_and_never_the_role() {
        let identity = |session: &str| {
            Principal::of_user_identity(&json!({
                "type": "AssumedRole", "principalId": format!("AROAEXAMPLE:{session}"), "accountId": "111122223333",
                "arn": format!("arn:aws:sts::111122223333:assumed-role/ReleaseApprover/{session}"),
                "sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::111122223333:role/ReleaseApprover"}}
            }))
        };
        assert_eq!(identity("Alice@example.com").person().unwrap(), "alice@example.com");
        assert_ne!(identity("alice").person(), identity("bob").person());
        assert_eq!(identity("1790607633411").person(), None);
        assert_eq!(identity("AWSCodeBuild-0f0e").person(), None);
        assert_eq!(identity("AWSCloudFormation").person(), None);
        assert_eq!(identity("0123456789abcdef0123456789abcdef").person(), None);
        assert_eq!(identity("alice").shown(), "alice (ReleaseApprover)");
        let by_arn = Principal::of_arn("arn:aws:sts::111122223333:assumed-role/ReleaseApprover/alice");
        assert_eq!(by_arn.person(), identity("alice").person());
        assert!(by_arn.is_bare && !identity("alice").is_bare);
        assert_eq!(by_arn.role_name(), Some(("111122223333", "ReleaseApprover")));
    }

    #[test]
    fn only_some_sessions_say_by_themselves_that_a_person_took_them() {
        let of = |role: &str, session: &str| {
            Principal::of_arn(&format!("arn:aws:sts::111122223333:assumed-role/{role}/{session}")).names_a_person()
        };
        assert!(of("AWSReservedSSO_Dev_0a1b", "alice") && of("Release", "alice@example.com"));
        assert!(!of("Release", "alice") && !of("ApproveAll", "approve-all") && !of("Release", "@example.com"));
        assert!(!of("MyAWSReservedSSO_Dev", "alice"));
    }

    #[test]
    fn users_services_and_root_are_told_apart() {
        let user = Principal::of_arn("arn:aws:iam::111122223333:user/team/Carol");
        assert_eq!(user.person().unwrap(), "111122223333/carol");
        let service =
            Principal::of_user_identity(&json!({"type": "AWSService", "invokedBy": "codepipeline.amazonaws.com"}));
        assert!(service.is_machine() && service.person().is_none());
        let root = Principal::of_user_identity(&json!({"type": "Root", "arn": "arn:aws:iam::111122223333:root"}));
        assert!(root.is_root() && root.person().is_none());
        assert_eq!(Principal::of_user_identity(&json!(null)).person(), None);
    }

    #[test]
    fn whoever_works_in_the_console_is_no_service() {
        for console in ["signin.amazonaws.com", "console.amazonaws.com", "AWS Internal"] {
            let of = |kind: &str, arn: &str, user: Option<&str>| {
                Principal::of_user_identity(&json!({"type": kind, "arn": arn, "accountId": "111122223333",
                    "userName": user, "invokedBy": console}))
            };
            let user = of("IAMUser", "arn:aws:iam::111122223333:user/carol", Some("carol"));
            assert_eq!(user.person().as_deref(), Some("111122223333/carol"));
            let role = of("AssumedRole", "arn:aws:sts::111122223333:assumed-role/Admin/alice", None);
            assert_eq!(role.person().as_deref(), Some("alice"));
            let root = of("Root", "arn:aws:iam::111122223333:root", None);
            assert!(root.is_root() && !root.is_machine() && root.invoked_by.is_none());
            assert!([user, role].iter().all(|it| !it.is_service() && !it.is_machine()));
        }
        let service = json!({"type": "AssumedRole", "invokedBy": "cloudformation.amazonaws.com"});
        assert!(Principal::of_user_identity(&service).is_service());
    }

    #[test]
    fn a_session_that_a_program_named_tells_nobody() {
        for session in ["botocore-session-1790607633", "aws-sdk-js-1790607633", "AWSCLI-Session-1", "AWSCLI-Session"] {
            let mut made_up = Principal::of_arn(&format!("arn:aws:sts::111122223333:assumed-role/Dev/{session}"));
            assert!(made_up.person().is_none() && !made_up.is_machine(), "{session}");
            made_up.source_identity = Some("Alice".to_owned());
            assert_eq!(made_up.person().as_deref(), Some("alice"));
        }
    }

    #[test]
    fn a_web_identity_says_who_vouched_for_it() {
        let provider = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com";
        let of = |data: Value| {
            Principal::of_user_identity(&json!({"type": "AssumedRole", "accountId": "111122223333",
                "arn": "arn:aws:sts::111122223333:assumed-role/Deploy/release-web",
                "sessionContext": {"webIdFederationData": data}}))
        };
        let web = of(json!({"federatedProvider": provider, "attributes": {}}));
        assert_eq!(web.federated_provider.as_deref(), Some(provider));
        assert_eq!(web.person(), None);
        assert_eq!(of(json!({})).person().as_deref(), Some("release-web"));
        let old: Principal = serde_json::from_value(json!({"type": "AssumedRole"})).unwrap();
        assert_eq!(old.federated_provider, None);
    }
}
