//! What a role may do: its documents, its permissions boundary and its organization's denials taken together.
//!
//! In: a role as collected, then an action and a resource. Out: an [`Answer`]: yes, only under conditions, or no, and
//! why it cannot be said. Conditions on the role itself are decided, all others are named. A boundary and a `Deny` only
//! take away; a document that could not be seen may do either.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::policy_document::{PolicyDocument, Statement, matches_pattern, one_or_many, strings};
use super::seen::{Seen, list_at, property, text_at};
use crate::inventory::{Arn, Resource};

/// Whether something is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Whatever the circumstances.
    Yes,
    /// Only where conditions hold; their keys in small letters.
    Conditionally(BTreeSet<String>),
    /// Nothing allows it, or something denies it.
    No,
}

impl Answer {
    /// Both must allow it.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, other) | (other, Self::Yes) => other,
            (Self::Conditionally(mut keys), Self::Conditionally(more)) => {
                keys.extend(more);
                Self::Conditionally(keys)
            }
        }
    }

    /// One that allows it is enough.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::No, other) | (other, Self::No) => other,
            (Self::Conditionally(mut keys), Self::Conditionally(more)) => {
                keys.extend(more);
                Self::Conditionally(keys)
            }
        }
    }
}

/// A document and the name a person knows it by.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) document: Value,
}

/// Everything that decides what one role may do.
#[derive(Debug, Clone)]
pub(super) struct Permissions {
    arn: String,
    pub(super) policies: Vec<Named>,
    /// Why there may be policies that nobody saw.
    pub(super) hidden: Vec<String>,
    /// The permissions boundary, if there is one.
    pub(super) boundary: Seen<Option<Value>>,
}

impl Permissions {
    /// Reads the documents of a role.
    pub(super) fn of_role(role: &Resource) -> Self {
        let mut policies = Vec::new();
        let mut hidden = Vec::new();
        for (list, name) in [("Policies", "PolicyName"), ("AttachedPolicies", "PolicyArn")] {
            // What was read is in the list even where not everything was.
            for policy in list_at(role.properties.get(list), &[]) {
                let name = text_at(Some(policy), &[name]).rsplit('/').next().unwrap_or_default().to_owned();
                let document = policy.get("PolicyDocument").cloned().unwrap_or_default();
                policies.push(Named { name, document });
            }
            hidden.extend(property(role, list).err().into_iter().flatten());
        }
        hidden.sort();
        hidden.dedup();
        let boundary = match property(role, "PermissionsBoundary") {
            Ok(None) => Ok(None),
            Ok(Some(_)) => property(role, "PermissionsBoundaryDocument").map(Option::<&Value>::cloned),
            Err(sentences) => Err(sentences),
        };
        Self { arn: role.uid.as_str().to_owned(), policies, hidden, boundary }
    }

    /// Only the statements that speak of one of `actions`: small enough to keep for every role of an organization.
    pub(super) fn about(self, actions: &[&str]) -> Self {
        let policies = self.policies.into_iter().filter_map(|policy| {
            let document = about(&policy.document, actions)?;
            Some(Named { document, ..policy })
        });
        let boundary =
            self.boundary.map(|boundary| boundary.map(|document| about(&document, actions).unwrap_or_default()));
        Self { policies: policies.collect(), boundary, ..self }
    }

    /// Whether the role may do `action` on `resource`.
    pub(super) fn allows(&self, action: &str, resource: &str) -> Seen<Answer> {
        let request = Request { action, resource, principal: &self.arn };
        let own = request.answered_by(self.policies.iter().map(|policy| &policy.document));
        match own {
            // Nothing else can allow what a seen document denies.
            Own::Denied => return Ok(Answer::No),
            Own::Says(Answer::No) if self.hidden.is_empty() => return Ok(Answer::No),
            Own::Says(_) => {}
        }
        let bounded = match &self.boundary {
            Ok(None) => Ok(Answer::Yes),
            Ok(Some(document)) => Ok(request.answered_by(std::iter::once(document)).into_answer()),
            Err(sentences) => Err(sentences.clone()),
        };
        if bounded == Ok(Answer::No) {
            return Ok(Answer::No);
        }
        if !self.hidden.is_empty() {
            return Err(self.hidden.clone());
        }
        Ok(own.into_answer().and(bounded?))
    }
}

fn about(document: &Value, actions: &[&str]) -> Option<Value> {
    let document = PolicyDocument::new(document);
    let statements: Vec<Value> = document
        .statements()
        .filter(|statement| actions.iter().any(|action| statement.covers_action(action)))
        .map(|statement| Value::Object(statement.fields().clone()))
        .collect();
    (!statements.is_empty())
        .then(|| Value::Object(Map::from_iter([("Statement".to_owned(), Value::Array(statements))])))
}

/// What one role asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) action: &'a str,
    pub(super) resource: &'a str,
    /// ARN of the role.
    pub(super) principal: &'a str,
}

/// What documents say together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Own {
    /// A statement denies it under every circumstance.
    Denied,
    /// What the allowing statements come to.
    Says(Answer),
}

impl Own {
    fn into_answer(self) -> Answer {
        match self {
            Self::Denied => Answer::No,
            Self::Says(answer) => answer,
        }
    }
}

impl Request<'_> {
    /// What identity documents say of the request.
    pub(super) fn answered_by<'a>(self, documents: impl Iterator<Item = &'a Value>) -> Own {
        let mut allowed = Answer::No;
        let mut unless: BTreeSet<String> = BTreeSet::new();
        for document in documents {
            for statement in PolicyDocument::new(document).statements() {
                match (self.applies(statement), statement.allows(), statement.denies()) {
                    (Answer::No, _, _) => {}
                    (Answer::Yes, _, true) => return Own::Denied,
                    (Answer::Conditionally(keys), _, true) => unless.extend(keys),
                    (applies, true, _) => allowed = allowed.or(applies),
                    _ => {}
                }
            }
        }
        if !unless.is_empty() {
            allowed = allowed.and(Answer::Conditionally(unless));
        }
        Own::Says(allowed)
    }

    /// Whether a statement is about the request: its action, its resource and its conditions.
    pub(super) fn applies(self, statement: Statement<'_>) -> Answer {
        if !statement.covers_action(self.action) {
            return Answer::No;
        }
        let resource = self.names_resource(statement);
        if resource == Answer::No {
            return Answer::No;
        }
        statement
            .conditions()
            .fold(resource, |answer, (operator, key, value)| answer.and(self.meets(operator, key, value)))
    }

    fn names_resource(self, statement: Statement<'_>) -> Answer {
        let fields = statement.fields();
        let named = |element| {
            strings(fields.get(element)).fold(Answer::No, |answer, pattern| answer.or(self.matches_resource(pattern)))
        };
        if fields.contains_key("NotResource") {
            match named("NotResource") {
                Answer::Yes => Answer::No,
                Answer::No => Answer::Yes,
                conditional @ Answer::Conditionally(_) => conditional,
            }
        } else {
            named("Resource")
        }
    }

    /// A policy variable stands for text that is not known here.
    fn matches_resource(self, pattern: &str) -> Answer {
        let Some((_, after)) = pattern.split_once("${") else {
            return if matches_pattern(pattern, self.resource, false) { Answer::Yes } else { Answer::No };
        };
        let mut open = pattern.to_owned();
        while let Some((before, rest)) = open.split_once("${") {
            let rest = rest.split_once('}').map_or("", |(_, rest)| rest);
            open = format!("{before}*{rest}");
        }
        let variable = after.split('}').next().unwrap_or_default().to_ascii_lowercase();
        if matches_pattern(&open, self.resource, false) { Answer::Conditionally([variable].into()) } else { Answer::No }
    }

    /// Whether a condition holds; only those on the role itself can be decided.
    fn meets(self, operator: &str, key: &str, value: &Value) -> Answer {
        let key = key.to_ascii_lowercase();
        let known = match key.as_str() {
            "aws:principalarn" => Some(self.principal.to_owned()),
            "aws:principalaccount" => {
                Arn::parse(self.principal).ok().and_then(|arn| arn.account_id()).map(|id| id.to_string())
            }
            _ => None,
        };
        let holds = known.and_then(|known| compares(operator, &known, value));
        match holds {
            Some(true) => Answer::Yes,
            Some(false) => Answer::No,
            None => Answer::Conditionally([key].into()),
        }
    }
}

/// Whether `known` stands in the relation of an operator to the condition's values; `None` for operators that are not
/// about text.
fn compares(operator: &str, known: &str, value: &Value) -> Option<bool> {
    let operator = operator.rsplit(':').next().unwrap_or(operator);
    let operator = operator.strip_suffix("IfExists").unwrap_or(operator);
    let any = |same: &dyn Fn(&str) -> bool| one_or_many(Some(value)).iter().filter_map(Value::as_str).any(same);
    let like = |pattern: &str| matches_pattern(pattern, known, false);
    Some(match operator {
        "StringEquals" => any(&|text| text == known),
        "StringNotEquals" => !any(&|text| text == known),
        "StringEqualsIgnoreCase" => any(&|text| text.eq_ignore_ascii_case(known)),
        "StringNotEqualsIgnoreCase" => !any(&|text| text.eq_ignore_ascii_case(known)),
        // IAM reads `ArnEquals` as `ArnLike`.
        "StringLike" | "ArnLike" | "ArnEquals" => any(&like),
        "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => !any(&like),
        _ => return None,
    })
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::testing::{denied, resource};
    use super::*;
    use crate::inventory::TypeName;

    const APPROVE: &str = "codepipeline:PutApprovalResult";
    const GATE: &str = "arn:aws:codepipeline:eu-west-1:111111111111:web/Approve/Gate";

    fn role(properties: Value) -> Resource {
        let mut role = resource(TypeName::ROLE, "Build", properties);
        role.uid.0 = "arn:aws:iam::111111111111:role/Build".to_owned();
        role
    }

    fn inline(statements: Value) -> Value {
        json!({"Policies": [{"PolicyName": "own", "PolicyDocument": {"Statement": statements}}]})
    }

    fn answer(statements: Value) -> Answer {
        Permissions::of_role(&role(inline(statements))).allows(APPROVE, GATE).unwrap()
    }

    fn under(keys: &[&str]) -> Answer {
        Answer::Conditionally(keys.iter().map(|key| (*key).to_owned()).collect())
    }

    #[test]
    fn actions_and_resources_in_every_spelling() {
        let allow = |rest: Value| {
            let mut statement = json!({"Effect": "Allow"});
            statement.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            answer(statement)
        };
        assert_eq!(allow(json!({"Action": "*", "Resource": "*"})), Answer::Yes);
        assert_eq!(allow(json!({"Action": "CodePipeline:put*", "Resource": "*"})), Answer::Yes);
        assert_eq!(allow(json!({"Action": ["s3:*"], "Resource": "*"})), Answer::No);
        assert_eq!(allow(json!({"NotAction": "iam:*", "Resource": "*"})), Answer::Yes);
        assert_eq!(allow(json!({"NotAction": "codepipeline:*", "Resource": "*"})), Answer::No);
        let other = "arn:aws:codepipeline:*:*:other*";
        assert_eq!(allow(json!({"Action": "*", "Resource": other})), Answer::No);
        assert_eq!(allow(json!({"Action": "*", "NotResource": other})), Answer::Yes);
        assert_eq!(allow(json!({"Action": "*", "NotResource": "*:web/*"})), Answer::No);
        assert_eq!(allow(json!({"Action": "*"})), Answer::No);
        let tagged = "arn:aws:codepipeline:*:*:${aws:PrincipalTag/pipeline}/*";
        assert_eq!(allow(json!({"Action": "*", "Resource": tagged})), under(&["aws:principaltag/pipeline"]));
    }

    #[test]
    fn conditions_on_the_role_itself_are_decided_and_others_named() {
        let allow = |condition: Value| {
            answer(json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}))
        };
        assert_eq!(
            allow(json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}})),
            under(&["aws:multifactorauthpresent"])
        );
        assert_eq!(allow(json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Build"}})), Answer::Yes);
        assert_eq!(allow(json!({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Build"}})), Answer::No);
        assert_eq!(allow(json!({"StringEquals": {"aws:PrincipalAccount": "111111111111"}})), Answer::Yes);
        assert_eq!(allow(json!({"StringEquals": {"aws:PrincipalAccount": ["222222222222"]}})), Answer::No);
    }

    #[test]
    fn a_denial_wins_and_a_conditional_one_leaves_a_condition() {
        let allow = json!({"Effect": "Allow", "Action": "codepipeline:*", "Resource": "*"});
        let deny =
            |condition: Value| json!({"Effect": "Deny", "Action": APPROVE, "Resource": "*", "Condition": condition});
        assert_eq!(answer(json!([allow, deny(json!({}))])), Answer::No);
        assert_eq!(
            answer(json!([allow, deny(json!({"Bool": {"aws:ViaAWSService": "false"}}))])),
            under(&["aws:viaawsservice"])
        );
        assert_eq!(
            answer(json!([allow, deny(json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Other"}}))])),
            Answer::Yes
        );
    }

    #[test]
    fn a_boundary_only_takes_away() {
        let mut properties = inline(json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
        properties["PermissionsBoundary"] = json!("arn:aws:iam::111111111111:policy/b");
        let answer = |boundary: Value| {
            let mut properties = properties.clone();
            properties["PermissionsBoundaryDocument"] = json!({ "Statement": boundary });
            Permissions::of_role(&role(properties)).allows(APPROVE, GATE)
        };
        assert_eq!(answer(json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})), Ok(Answer::No));
        assert_eq!(answer(json!({"Effect": "Allow", "Action": "*", "Resource": "*"})), Ok(Answer::Yes));
        let mut hidden = role(properties.clone());
        hidden.unseen.insert("PermissionsBoundaryDocument".to_owned(), denied("iam:GetPolicyVersion"));
        assert!(
            Permissions::of_role(&hidden).allows(APPROVE, GATE).unwrap_err().join("").contains("iam:GetPolicyVersion")
        );
    }

    #[test]
    fn a_document_that_nobody_saw_may_allow_or_deny() {
        for (statements, expected) in [
            (json!({"Effect": "Deny", "Action": "*", "Resource": "*"}), Some(Answer::No)),
            (json!({"Effect": "Allow", "Action": "*", "Resource": "*"}), None),
            (json!([]), None),
        ] {
            let mut hidden = role(inline(statements.clone()));
            hidden.unseen.insert("AttachedPolicies".to_owned(), denied("iam:GetPolicy"));
            assert_eq!(Permissions::of_role(&hidden).allows(APPROVE, GATE).ok(), expected, "{statements}");
        }
        let mut unseen = role(json!({}));
        unseen.unseen.insert("*".to_owned(), denied("iam:GetRole"));
        assert!(Permissions::of_role(&unseen).allows(APPROVE, GATE).is_err());
    }

    #[test]
    fn what_is_kept_answers_as_the_whole() {
        let statements = json!([
            {"Effect": "Allow", "Action": "codepipeline:*", "Resource": "*"},
            {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
            {"Effect": "Deny", "Action": APPROVE, "Resource": "arn:aws:codepipeline:*:*:web/*"},
        ]);
        let kept = Permissions::of_role(&role(inline(statements))).about(&[APPROVE]);
        assert_eq!(kept.policies[0].document["Statement"].as_array().unwrap().len(), 2);
        assert_eq!(kept.allows(APPROVE, GATE), Ok(Answer::No));
    }
}
