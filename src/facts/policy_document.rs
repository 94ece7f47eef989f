//! Resource policies: who may do what, under which condition.
//!
//! In: a policy document as parsed JSON, in any of the spellings that IAM accepts. Out: statements that answer the few
//! questions facts ask. It exists because a statement may be one or a list, an action a word or a pattern, a principal
//! a star, a string or an object.
//!
//! Grammar: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::seen::Found;
use super::seen::Seen;
use crate::inventory::{AccountId, Arn};

/// A policy document taken apart.
#[derive(Debug)]
pub(super) struct PolicyDocument<'a> {
    document: Cow<'a, Value>,
}

/// One statement of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statement<'a>(&'a Map<String, Value>);

/// Who a statement speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Principal<'a> {
    /// Anyone, signed in or not.
    Anyone,
    /// An AWS account, role, user or unique id.
    Aws(&'a str),
    /// An AWS service.
    Service,
    /// An identity provider or a canonical user.
    Other(&'a str),
}

impl<'a> PolicyDocument<'a> {
    /// Reads a document given as an object or as JSON text; anything else has no statements.
    pub(super) fn new(document: &'a Value) -> Self {
        let document = match document {
            Value::String(text) => Cow::Owned(serde_json::from_str(text).unwrap_or(Value::Null)),
            parsed => Cow::Borrowed(parsed),
        };
        Self { document }
    }

    pub(super) fn statements(&self) -> impl Iterator<Item = Statement<'_>> {
        one_or_many(self.document.get("Statement")).iter().filter_map(Value::as_object).map(Statement)
    }
}

impl<'a> Statement<'a> {
    pub(super) fn allows(self) -> bool {
        self.0.get("Effect").and_then(Value::as_str) == Some("Allow")
    }

    pub(super) fn denies(self) -> bool {
        self.0.get("Effect").and_then(Value::as_str) == Some("Deny")
    }

    /// The statement as written.
    pub(super) fn fields(self) -> &'a Map<String, Value> {
        self.0
    }

    /// Whether the statement speaks of the action (`s3:PutObject`).
    pub(super) fn covers_action(self, action: &str) -> bool {
        let named = |element| strings(self.0.get(element)).any(|pattern| matches_pattern(pattern, action, true));
        if self.0.contains_key("NotAction") { !named("NotAction") } else { named("Action") }
    }

    /// Whether the statement speaks of every action of a service (`s3`).
    pub(super) fn covers_service(self, service: &str) -> bool {
        if self.0.contains_key("NotAction") {
            strings(self.0.get("NotAction")).all(|pattern| {
                let of = pattern.split(':').next().unwrap_or_default();
                !matches_pattern(of, service, true)
            })
        } else {
            self.covers_action(&format!("{service}:~any~"))
        }
    }

    /// Whether the statement leaves nobody out.
    pub(super) fn is_for_everyone(self) -> bool {
        !self.0.contains_key("NotPrincipal") && self.principals().contains(&Principal::Anyone)
    }

    /// Whether the statement speaks of the resource; `NotResource` is never taken to.
    pub(super) fn covers_resource(self, arn: &str) -> bool {
        strings(self.0.get("Resource")).any(|pattern| matches_pattern(pattern, arn, false))
    }

    /// Who is meant, as a permission is read; a denial for everyone but a few is none for everyone
    /// ([`Self::is_for_everyone`]).
    pub(super) fn principals(self) -> Vec<Principal<'a>> {
        // Everyone but a few is everyone, as far as an audit is concerned.
        if self.0.contains_key("NotPrincipal") {
            return vec![Principal::Anyone];
        }
        match self.0.get("Principal") {
            Some(Value::String(text)) if text == "*" => vec![Principal::Anyone],
            Some(Value::String(text)) => vec![Principal::Aws(text)],
            Some(Value::Object(kinds)) => kinds.iter().flat_map(|(kind, names)| principals_of(kind, names)).collect(),
            _ => Vec::new(),
        }
    }

    /// The condition, flattened to (operator, key, value).
    pub(super) fn conditions(self) -> impl Iterator<Item = (&'a str, &'a str, &'a Value)> {
        self.0.get("Condition").and_then(Value::as_object).into_iter().flatten().flat_map(|(operator, keys)| {
            keys.as_object().into_iter().flatten().map(move |(key, value)| (operator.as_str(), key.as_str(), value))
        })
    }

    /// Whether the statement holds for every request without TLS, and for nothing else it might be read to need.
    pub(super) fn is_about_missing_tls(self) -> bool {
        let mut conditions = self.conditions();
        let only = conditions.next();
        conditions.next().is_none()
            && only.is_some_and(|(operator, key, value)| {
                matches!(operator, "Bool" | "BoolIfExists")
                    && key.eq_ignore_ascii_case("aws:SecureTransport")
                    && one_or_many(Some(value)).iter().all(is_false)
            })
    }

    /// Who outside the organization the statement lets in. `knows` says whether an account belongs to it, `organization`
    /// is its id where that is known.
    pub(super) fn strangers(
        self,
        knows: &dyn Fn(&AccountId) -> Seen<bool>,
        organization: Option<&str>,
        found: &mut Found,
    ) {
        let principals = self.principals();
        if principals.iter().all(|principal| *principal == Principal::Service) {
            return;
        }
        // Every operator must hold, so one that admits only known callers is enough.
        let mut doubts = Vec::new();
        for (operator, key, value) in self.conditions() {
            match admits_only_known(operator, key, value, knows, organization) {
                Ok(true) => return,
                Ok(false) => {}
                Err(sentences) => doubts.extend(sentences),
            }
        }
        for principal in principals {
            let stranger = match principal {
                Principal::Service => Ok(false),
                Principal::Anyone | Principal::Other(_) => Ok(true),
                Principal::Aws(text) => match account_of(text) {
                    Some(account) => knows(&account).map(|known| !known),
                    // A unique id stands where a deleted role or user was named: nobody can become it again.
                    None => Ok(text.contains('*')),
                },
            };
            // A condition that may restrict the statement leaves every stranger in it in doubt.
            let stranger = match stranger {
                Ok(true) if !doubts.is_empty() => Err(doubts.clone()),
                other => other,
            };
            let name = match principal {
                Principal::Aws(text) | Principal::Other(text) => text,
                _ => "*",
            };
            found.add_if(name, &stranger);
        }
    }
}

fn principals_of<'a>(kind: &str, names: &'a Value) -> Vec<Principal<'a>> {
    strings(Some(names))
        .map(|name| match kind {
            "AWS" if name == "*" => Principal::Anyone,
            "AWS" => Principal::Aws(name),
            "Service" => Principal::Service,
            _ if name == "*" => Principal::Anyone,
            _ => Principal::Other(name),
        })
        .collect()
}

/// The account that a principal or source names: twelve digits or an ARN with an account that is no pattern.
pub(super) fn account_of(text: &str) -> Option<AccountId> {
    text.parse().ok().or_else(|| Arn::parse(text).ok()?.account_id())
}

/// Whether a condition lets in only callers of known accounts. A condition that holds when its key is absent
/// (`…IfExists`, `ForAllValues:…`), or that only excludes, restricts nobody.
fn admits_only_known(
    operator: &str,
    key: &str,
    value: &Value,
    knows: &dyn Fn(&AccountId) -> Seen<bool>,
    organization: Option<&str>,
) -> Seen<bool> {
    if !demands(operator) {
        return Ok(false);
    }
    let key = key.to_ascii_lowercase();
    let values = one_or_many(Some(value));
    if values.is_empty() {
        return Ok(false);
    }
    let mut doubts = Vec::new();
    for value in values {
        let text = value.as_str().unwrap_or_default();
        let admitted = match key.as_str() {
            "aws:principalorgid" | "aws:sourceorgid" => is_own_organization(text, organization),
            "aws:principalorgpaths" | "aws:sourceorgpaths" => {
                is_own_organization(text.split('/').next().unwrap_or_default(), organization)
            }
            "aws:principalaccount"
            | "aws:sourceaccount"
            | "kms:calleraccount"
            | "aws:sourceowner"
            | "aws:principalarn"
            | "aws:sourcearn" => account_of(text).map_or(Ok(false), |account| knows(&account)),
            _ => Ok(false),
        };
        match admitted {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(sentences) => doubts.extend(sentences),
        }
    }
    if doubts.is_empty() { Ok(true) } else { Err(doubts) }
}

/// Whether a condition with the operator demands one of its values, and fails where its key is missing.
pub(super) fn demands(operator: &str) -> bool {
    let (set, operator) = operator.rsplit_once(':').unwrap_or(("", operator));
    !set.eq_ignore_ascii_case("ForAllValues")
        && matches!(operator, "StringEquals" | "StringLike" | "StringEqualsIgnoreCase" | "ArnEquals" | "ArnLike")
}

/// Whether the text names the organization that is audited; unknown where its id is.
pub(super) fn is_own_organization(text: &str, organization: Option<&str>) -> Seen<bool> {
    if !text.starts_with("o-") || text.contains(['*', '?']) {
        return Ok(false);
    }
    let unknown = || vec![format!("whether {text} is the own organization is not known: its accounts were not listed")];
    organization.map(|own| own == text).ok_or_else(unknown)
}

fn is_false(value: &Value) -> bool {
    *value == Value::Bool(false) || value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("false"))
}

pub(super) fn one_or_many(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(values)) => values,
        Some(Value::Null) | None => &[],
        Some(one) => std::slice::from_ref(one),
    }
}

pub(super) fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    one_or_many(value).iter().filter_map(Value::as_str)
}

/// IAM's patterns: `*` stands for any run of characters, `?` for one.
pub(crate) fn matches_pattern(pattern: &str, text: &str, ignore_case: bool) -> bool {
    let same = |a: u8, b: u8| a == b || ignore_case && a.eq_ignore_ascii_case(&b);
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(&wanted) if wanted == b'?' || same(wanted, byte) => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after_star, from)) => {
                    p = after_star;
                    t = from + 1;
                    retry = Some((after_star, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn strangers(statement: &Value) -> Seen<Vec<String>> {
        let document = json!({ "Statement": statement });
        let document = PolicyDocument::new(&document);
        let knows = |account: &AccountId| match account.as_str() {
            "111111111111" => Ok(true),
            "222222222222" => Err(vec!["organization not listed".to_owned()]),
            _ => Ok(false),
        };
        let mut found = Found::default();
        for statement in document.statements() {
            statement.strangers(&knows, Some("o-own"), &mut found);
        }
        found.decided().map(|set| set.into_iter().collect())
    }

    #[test]
    fn spellings_of_statements_actions_and_principals() {
        let one = json!({"Statement": {"Effect": "Allow", "Action": "s3:Put*", "Resource": "*", "Principal": "*"}});
        let document = PolicyDocument::new(&one);
        let statement = document.statements().next().unwrap();
        assert!(
            statement.allows() && statement.covers_action("s3:PutObject") && !statement.covers_action("s3:GetObject")
        );
        assert!(statement.covers_action("S3:putobject"));
        assert_eq!(statement.principals(), [Principal::Anyone]);

        let text =
            json!("{\"Statement\":[{\"Effect\":\"Deny\",\"NotAction\":[\"s3:Get*\"],\"Principal\":{\"AWS\":\"*\"}}]}");
        let document = PolicyDocument::new(&text);
        let statement = document.statements().next().unwrap();
        assert!(
            statement.denies() && statement.covers_action("s3:PutObject") && !statement.covers_action("s3:GetObject")
        );
        assert_eq!(statement.principals(), [Principal::Anyone]);
        assert_eq!(PolicyDocument::new(&json!("not json")).statements().count(), 0);
    }

    #[test]
    fn patterns() {
        assert!(matches_pattern("arn:aws:s3:::b/*", "arn:aws:s3:::b/x/y", false));
        assert!(!matches_pattern("arn:aws:s3:::b", "arn:aws:s3:::b/x", false));
        assert!(matches_pattern("s3:*Object*", "s3:DeleteObjectVersion", true));
        assert!(matches_pattern("s3:?utObject", "s3:PutObject", true));
        assert!(!matches_pattern("s3:Put", "s3:PutObject", true));
        assert!(matches_pattern("*", "", false));
    }

    #[test]
    fn missing_tls_is_the_only_condition() {
        let about = |condition: Value| {
            let document = json!({"Statement": [{"Effect": "Deny", "Condition": condition}]});
            let document = PolicyDocument::new(&document);
            document.statements().next().unwrap().is_about_missing_tls()
        };
        assert!(about(json!({"Bool": {"aws:SecureTransport": "false"}})));
        assert!(about(json!({"BoolIfExists": {"aws:securetransport": [false]}})));
        assert!(!about(json!({"Bool": {"aws:SecureTransport": "true"}})));
        assert!(!about(json!({"Bool": {"aws:SecureTransport": "false"}, "StringEquals": {"aws:x": "y"}})));
        assert!(!about(json!({})));
    }

    #[test]
    fn everyone_and_every_action_leave_nothing_out() {
        let deny = |fields: Value| {
            let mut statement = json!({"Effect": "Deny"});
            statement.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            let document = json!({"Statement": [statement]});
            let document = PolicyDocument::new(&document);
            let statement = document.statements().next().unwrap();
            (statement.is_for_everyone(), statement.covers_service("s3"))
        };
        assert_eq!(deny(json!({"Principal": {"AWS": "*"}, "Action": ["s3:*"]})), (true, true));
        assert_eq!(deny(json!({"Principal": "*", "NotAction": ["iam:*"]})), (true, true));
        let role = "arn:aws:iam::111111111111:role/x";
        assert_eq!(deny(json!({"NotPrincipal": {"AWS": role}, "Action": "*"})), (false, true));
        assert_eq!(deny(json!({"Principal": {"AWS": role}, "Action": "s3:Get*"})), (false, false));
        assert_eq!(deny(json!({"Principal": "*", "NotAction": "S3:GetObject"})), (true, false));
        assert_eq!(deny(json!({"Principal": "*", "NotAction": "*"})), (true, false));
    }

    #[test]
    fn an_organization_of_unknown_id_is_neither_own_nor_strange() {
        let document = json!({"Statement": {"Effect": "Allow", "Action": "*", "Principal": "*",
            "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-other"}}}});
        let mut found = Found::default();
        for statement in PolicyDocument::new(&document).statements() {
            statement.strangers(&|_: &AccountId| Ok(false), None, &mut found);
        }
        assert!(found.certain.is_empty() && !found.doubts.is_empty());
    }

    #[test]
    fn anyone_is_a_stranger_unless_a_condition_says_who() {
        let allow =
            |condition: Value| json!({"Effect": "Allow", "Action": "*", "Principal": "*", "Condition": condition});
        assert_eq!(strangers(&allow(json!({}))), Ok(vec!["*".to_owned()]));
        for condition in [
            json!({"StringEquals": {"aws:PrincipalOrgID": "o-own"}}),
            json!({"StringEquals": {"kms:CallerAccount": "111111111111", "kms:ViaService": "s3.eu-west-1.amazonaws.com"}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:aws:s3:eu-west-1:111111111111:x*"}}),
            json!({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": ["o-own/r-1/ou-1/*"]}}),
        ] {
            assert_eq!(strangers(&allow(condition.clone())), Ok(vec![]), "{condition}");
        }
        for condition in [
            json!({"StringEquals": {"aws:PrincipalOrgID": "o-other"}}),
            json!({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-own"}}),
            json!({"ForAllValues:StringEquals": {"aws:PrincipalOrgID": "o-own"}}),
            json!({"StringNotEquals": {"aws:PrincipalAccount": "111111111111"}}),
            json!({"StringEquals": {"aws:PrincipalAccount": ["111111111111", "999999999999"]}}),
            json!({"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}),
            json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/x"}}),
        ] {
            assert_eq!(strangers(&allow(condition.clone())), Ok(vec!["*".to_owned()]), "{condition}");
        }
        assert!(strangers(&allow(json!({"StringEquals": {"aws:SourceAccount": "222222222222"}}))).is_err());
    }

    #[test]
    fn accounts_services_and_deleted_roles() {
        let allow = |principal: Value| json!([{"Effect": "Allow", "Action": "*", "Principal": principal}]);
        assert_eq!(strangers(&allow(json!({"AWS": "arn:aws:iam::111111111111:root"}))), Ok(vec![]));
        assert_eq!(
            strangers(&allow(json!({"AWS": ["999999999999", "111111111111"]}))),
            Ok(vec!["999999999999".to_owned()])
        );
        assert_eq!(strangers(&allow(json!({"Service": "cloudtrail.amazonaws.com"}))), Ok(vec![]));
        assert_eq!(strangers(&allow(json!({"AWS": "AROAEXAMPLEID"}))), Ok(vec![]));
        assert_eq!(strangers(&allow(json!({"CanonicalUser": "abc"}))), Ok(vec!["abc".to_owned()]));
        assert!(strangers(&allow(json!({"AWS": "222222222222"}))).is_err());
    }
}
