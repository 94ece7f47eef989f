//! One question per resource, all controls answered.
//!
//! In: a subject, the account that owns it, the policies. Out: a finding per control. Cedar's answer is read as
//! design says: violated controls stand in `reason()`, controls that touched an unknown fact in `errors()`, and the
//! applicability policies, which are `forbid`s too so that they stand in `reason()` beside the others, say which of
//! the remaining controls apply at all.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Entities, Entity, EntityId, EntityUid, EvaluationError, Request, Response,
    RestrictedExpression,
};
use serde_json::Value;

use super::error::EvaluateError;
use super::policy_set::{Applies, Asked, Partition, Policies, Slot, entity_uid};
use super::usage::Usage;
use crate::facts::{Fact, Facts, Subject};
use crate::finding::{ComplianceType, Finding, ResourceRef, StableIds};
use crate::inventory::{AccountId, Affects, Gap, Region, ResourceUid, TypeName};

/// Thresholds that policies read as `context.settings`, so that nobody edits a policy to change a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings(pub BTreeMap<String, i64>);

impl Default for Settings {
    fn default() -> Self {
        let defaults = [
            ("objectLockRetentionDays", 30),
            ("blueTerminationWaitMinutes", 5),
            ("alarmWithoutDataDays", 7),
            ("secretRotationDays", 30),
            ("staleProjectDays", 90),
            ("buildTimeoutMinutes", 120),
            ("approvalWaitMinutes", 7 * 24 * 60),
            ("regionFanOut", 3),
            ("branchApprovals", 1),
            ("productionBranchApprovals", 2),
            ("ownerAdministratorsMax", 5),
            ("rollbackMinutes", 5),
            ("rollbackWindowDays", 30),
            ("changeFailPercentMax", 15),
            ("changeLeadTimeMinutesMax", 60),
            ("recoveryMinutesMax", 60),
            ("pipelineDurationMinutesMax", 15),
            ("testPassPercentMin", 95),
        ];
        Self(defaults.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

/// The account that owns a resource: Cedar's principal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Principal {
    /// Facts of the account, empty if Organizations could not be asked.
    pub facts: Facts,
    /// Ids of all organizational units and roots above it.
    pub units: Vec<String>,
}

/// Everything about a question that is the same for all resources.
#[derive(Debug)]
pub struct Asking<'a> {
    pub(super) policies: &'a Policies,
    pub(super) authorizer: Authorizer,
    context: Context,
    pub(super) principals: BTreeMap<AccountId, Entity>,
    accounts: &'a BTreeMap<AccountId, Principal>,
    /// `YYYY-MM-DD`, to know which exceptions still hold.
    pub(super) today: String,
    /// What every exception was met with so far.
    pub(super) usage: Usage,
}

impl<'a> Asking<'a> {
    /// Prepares to ask. `now` is RFC 3339 in UTC; `mode` is `live` or `template`.
    ///
    /// # Errors
    /// [`EvaluateError::Entity`] if Cedar does not take the time or an account.
    pub fn new(
        policies: &'a Policies,
        now: &str,
        mode: &str,
        settings: &Settings,
        accounts: &'a BTreeMap<AccountId, Principal>,
    ) -> Result<Self, EvaluateError> {
        let settings =
            record(settings.0.iter().map(|(name, value)| (name.clone(), RestrictedExpression::new_long(*value))))
                .map_err(|message| EvaluateError::Entity { resource: "context.settings".to_owned(), message })?;
        let context = Context::from_pairs([
            ("now".to_owned(), RestrictedExpression::new_datetime(cedar_time(now))),
            ("mode".to_owned(), RestrictedExpression::new_string(mode.to_owned())),
            ("settings".to_owned(), settings),
        ])
        .map_err(|error| EvaluateError::Entity { resource: "context".to_owned(), message: error.to_string() })?;
        let principals = accounts
            .iter()
            .map(|(account, principal)| {
                Ok((account.clone(), principal_entity(account, principal, &policies.reads_of_account)?))
            })
            .collect::<Result<_, EvaluateError>>()?;
        let today = now.get(..10).unwrap_or_default().to_owned();
        let usage = Usage::of(policies.exceptions().len());
        Ok(Self { policies, authorizer: Authorizer::new(), context, principals, accounts, today, usage })
    }

    /// Judges one resource by all controls of its type; empty if there are none.
    ///
    /// # Errors
    /// [`EvaluateError::BrokenPolicy`] if a policy errs and no gap explains it.
    pub fn judge(&self, subject: &Subject) -> Result<Vec<Finding>, EvaluateError> {
        let Some(partition) = self.policies.partitions.get(&subject.type_name) else { return Ok(Vec::new()) };
        let (request, entities) = self.question(subject, partition)?;
        let response = self.authorizer.is_authorized(&request, &partition.policies, &entities);
        let answer = Answer::read(&response, partition);
        let resource = Arc::new(reference(subject));
        let ids = StableIds::of(&resource);
        let mut findings = Vec::with_capacity(partition.controls.len());
        for (nth, asked) in partition.controls.iter().enumerate() {
            let compliance = answer.about(nth, asked, &subject.facts);
            let mut finding = finding(asked, ids.id(&asked.control.id), Arc::clone(&resource), compliance);
            if compliance == ComplianceType::InsufficientData {
                let account = self.accounts.get(&subject.account).map(|principal| &principal.facts);
                finding.gaps = explain(asked, subject, account, answer.error(nth))?;
            }
            if compliance != ComplianceType::NotApplicable {
                finding.evidence = evidence(asked, &subject.facts);
            }
            finding.exception = self.excepted(&asked.control.id, compliance, &request, &entities);
            findings.push(finding);
        }
        Ok(findings)
    }

    pub(super) fn question(
        &self,
        subject: &Subject,
        partition: &Partition,
    ) -> Result<(Request, Entities), EvaluateError> {
        let refused = |message: String| EvaluateError::Entity { resource: subject.uid.to_string(), message };
        let id = EntityId::new(subject.uid.as_str());
        let resource = EntityUid::from_type_name_and_id(partition.entity_type.clone(), id);
        // Most policy sets never look at the account; then Cedar need not index it for every resource.
        let (principal, account) = match self.principals.get(&subject.account) {
            Some(entity) => (entity.uid(), self.policies.looks_at_account.then(|| entity.clone())),
            None => (account_uid(&subject.account).map_err(refused)?, None),
        };
        let attributes = attributes(&subject.facts, &partition.attributes);
        let entity =
            Entity::new_with_tags(resource.clone(), attributes, [], []).map_err(|error| refused(error.to_string()))?;
        let request = self
            .request(principal, partition, resource)
            .ok_or_else(|| refused("cedar does not take the question".to_owned()))?;
        let entities = Entities::from_entities(std::iter::once(entity).chain(account), None)
            .map_err(|error| refused(error.to_string()))?;
        Ok((request, entities))
    }

    /// One question; without a schema there is nothing in it that Cedar could refuse.
    pub(super) fn request(&self, principal: EntityUid, partition: &Partition, resource: EntityUid) -> Option<Request> {
        Request::new(principal, partition.action.clone(), resource, self.context.clone(), None).ok()
    }
}

/// Cedar's answer, by the number of the control.
struct Answer<'r> {
    fired: Vec<bool>,
    erred: Vec<Option<&'r EvaluationError>>,
    applicable: Vec<bool>,
}

impl<'r> Answer<'r> {
    fn read(response: &'r Response, partition: &Partition) -> Self {
        let mut answer = Self {
            fired: vec![false; partition.controls.len()],
            erred: vec![None; partition.controls.len()],
            applicable: vec![false; partition.applicabilities],
        };
        for id in response.diagnostics().reason() {
            let place = match partition.slots.get(id) {
                Some(Slot::Control(nth)) => answer.fired.get_mut(*nth),
                Some(Slot::Applicability(nth)) => answer.applicable.get_mut(*nth),
                None => None,
            };
            if let Some(fired) = place {
                *fired = true;
            }
        }
        for error in response.diagnostics().errors() {
            let AuthorizationError::PolicyEvaluationError(error) = error;
            if let Some(Slot::Control(nth)) = partition.slots.get(error.policy_id())
                && let Some(place) = answer.erred.get_mut(*nth)
            {
                *place = Some(error.inner());
            }
        }
        answer
    }

    fn error(&self, nth: usize) -> Option<&'r EvaluationError> {
        self.erred.get(nth).copied().flatten()
    }

    fn about(&self, nth: usize, asked: &Asked, facts: &Facts) -> ComplianceType {
        if self.fired.get(nth) == Some(&true) {
            return ComplianceType::NonCompliant;
        }
        if self.error(nth).is_some() {
            return ComplianceType::InsufficientData;
        }
        let applies = match &asked.applies {
            Applies::Always => Some(true),
            Applies::Where(condition) => condition.holds(facts),
            Applies::If(index) => self.applicable.get(*index).copied(),
        };
        match applies {
            Some(true) => ComplianceType::Compliant,
            Some(false) => ComplianceType::NotApplicable,
            // A fact that Cedar read is known, so this is a defect; it must not end as a pass.
            None => ComplianceType::InsufficientData,
        }
    }
}

/// What could not be seen, for a control that erred.
fn explain(
    asked: &Asked,
    subject: &Subject,
    account: Option<&Facts>,
    error: Option<&EvaluationError>,
) -> Result<Vec<String>, EvaluateError> {
    let of_resource = missing(&asked.reads, &subject.facts);
    let of_account = match account {
        Some(facts) => missing(&asked.reads_of_account, facts),
        None => asked.reads_of_account.iter().map(|_| Some(vec![unread(subject)])).collect(),
    };
    let explained: Option<Vec<Vec<String>>> = of_resource.into_iter().chain(of_account).collect();
    match explained {
        Some(gaps) if !gaps.is_empty() => Ok(gaps.into_iter().flatten().collect::<BTreeSet<_>>().into_iter().collect()),
        _ => Err(EvaluateError::BrokenPolicy {
            control: asked.control.id.clone(),
            resource: subject.uid.to_string(),
            message: error.map(ToString::to_string).unwrap_or_default(),
        }),
    }
}

/// For every fact that is read and not known: why, or nothing if no gap says.
fn missing(reads: &BTreeSet<String>, facts: &Facts) -> Vec<Option<Vec<String>>> {
    let not_known = reads.iter().filter(|name| !facts.known.contains_key(name.as_str()));
    not_known.map(|name| facts.unknown.get(name.as_str()).cloned()).collect()
}

fn unread(subject: &Subject) -> String {
    format!("nothing is known of account {}, because the organization did not name it", subject.account)
}

/// Findings for what could not even be listed: per account or type, one [`ComplianceType::InsufficientData`] per
/// control that would have judged it. The resource is `arn:…:service:region:account:*`, or the account's root where
/// the whole account is dark.
#[must_use]
pub fn unlisted(policies: &Policies, partition: &str, gaps: &[Gap]) -> Vec<Finding> {
    let mut sentences: BTreeMap<ResourceRef, BTreeSet<String>> = BTreeMap::new();
    for gap in gaps {
        for resource in placeholders(policies, partition, gap) {
            sentences.entry(resource).or_default().insert(gap.sentence());
        }
    }
    let of_type = |resource: &ResourceRef| policies.partitions.get(&resource.type_name);
    sentences
        .into_iter()
        .flat_map(|(resource, sentences)| {
            let controls = of_type(&resource).map(|p| p.controls.as_slice()).unwrap_or_default();
            let resource = Arc::new(resource);
            controls.iter().map(move |asked| Finding {
                gaps: sentences.iter().cloned().collect(),
                ..finding(
                    asked,
                    Finding::stable_id(&asked.control.id, &resource),
                    Arc::clone(&resource),
                    ComplianceType::InsufficientData,
                )
            })
        })
        .collect()
}

pub(super) fn placeholders(policies: &Policies, partition: &str, gap: &Gap) -> Vec<ResourceRef> {
    let account = gap.account.as_str();
    match &gap.affects {
        Affects::Account => policies
            .partitions
            .keys()
            // An account that could not be looked at still has no history to be asked about.
            .filter(|type_name| !type_name.is_of_history())
            .map(|type_name| ResourceRef {
                uid: ResourceUid(format!("arn:{partition}:iam::{account}:root")),
                type_name: type_name.clone(),
                account: gap.account.clone(),
                region: Region::GLOBAL,
            })
            .collect(),
        Affects::Types { types } => types
            .iter()
            .map(|type_name| ResourceRef {
                uid: ResourceUid(format!("arn:{partition}:{}:{}:{account}:*", service_of(type_name), gap.region)),
                type_name: type_name.clone(),
                account: gap.account.clone(),
                region: gap.region.clone(),
            })
            .collect(),
        Affects::Property { .. } | Affects::Details => Vec::new(),
    }
}

/// `AWS::CodePipeline::Pipeline` → `codepipeline`.
fn service_of(type_name: &TypeName) -> String {
    type_name.as_str().split("::").nth(1).unwrap_or_default().to_ascii_lowercase()
}

fn finding(asked: &Asked, id: String, resource: Arc<ResourceRef>, compliance: ComplianceType) -> Finding {
    Finding {
        id,
        control: asked.control.id.clone(),
        severity: asked.control.severity,
        compliance,
        resource,
        evidence: BTreeMap::new(),
        gaps: Vec::new(),
        exception: None,
        owner: None,
        lifecycle: None,
    }
}

fn reference(subject: &Subject) -> ResourceRef {
    ResourceRef {
        uid: subject.uid.clone(),
        type_name: subject.type_name.clone(),
        account: subject.account.clone(),
        region: subject.region.clone(),
    }
}

pub(super) fn evidence(asked: &Asked, facts: &Facts) -> BTreeMap<String, Value> {
    asked
        .reads
        .iter()
        .chain(&asked.shows)
        .filter_map(|name| facts.known.get(name.as_str()).map(|fact| (name.clone(), as_json(fact))))
        .collect()
}

fn as_json(fact: &Fact) -> Value {
    match fact {
        Fact::Bool(value) => Value::Bool(*value),
        Fact::Long(value) => Value::from(*value),
        Fact::Text(text) | Fact::Datetime(text) => Value::String(text.clone()),
        Fact::Set(items) => items.iter().cloned().map(Value::String).collect(),
    }
}

/// The facts that some policy reads; the others would only be built to be thrown away.
fn attributes<'f>(
    facts: &'f Facts,
    read: &'f BTreeSet<String>,
) -> impl Iterator<Item = (String, RestrictedExpression)> + 'f {
    let known = facts.known.iter().filter(|(name, _)| read.contains(name.as_ref()));
    known.map(|(name, fact)| (name.to_string(), expression(fact)))
}

fn expression(fact: &Fact) -> RestrictedExpression {
    match fact {
        Fact::Bool(value) => RestrictedExpression::new_bool(*value),
        Fact::Long(value) => RestrictedExpression::new_long(*value),
        Fact::Text(text) => RestrictedExpression::new_string(text.clone()),
        Fact::Datetime(text) => RestrictedExpression::new_datetime(cedar_time(text)),
        Fact::Set(items) => RestrictedExpression::new_set(items.iter().cloned().map(RestrictedExpression::new_string)),
    }
}

/// Cedar wants seconds, and milliseconds of exactly three digits if any.
fn cedar_time(text: &str) -> String {
    match text.split_once('.') {
        Some((seconds, fraction)) => {
            let digits: String = fraction.chars().filter(char::is_ascii_digit).chain("000".chars()).take(3).collect();
            format!("{seconds}.{digits}Z")
        }
        None => text.to_owned(),
    }
}

fn principal_entity(
    account: &AccountId,
    principal: &Principal,
    read: &BTreeSet<String>,
) -> Result<Entity, EvaluateError> {
    let refused = |message: String| EvaluateError::Entity { resource: account.to_string(), message };
    let uid = account_uid(account).map_err(refused)?;
    let parents = principal
        .units
        .iter()
        .map(|id| entity_uid("AWS::Organizations::OrganizationalUnit", id))
        .collect::<Result<HashSet<_>, _>>()
        .map_err(|error| refused(error.to_string()))?;
    Entity::new_with_tags(uid, attributes(&principal.facts, read), parents, [])
        .map_err(|error| refused(error.to_string()))
}

fn account_uid(account: &AccountId) -> Result<EntityUid, String> {
    entity_uid(TypeName::ACCOUNT.as_str(), account.as_str()).map_err(|error| error.to_string())
}

fn record(pairs: impl Iterator<Item = (String, RestrictedExpression)>) -> Result<RestrictedExpression, String> {
    RestrictedExpression::new_record(pairs).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{PolicySource, SourceText};
    use crate::finding::Severity;
    use crate::inventory::{GapCause, Tags};

    const NOW: &str = "2026-11-21T00:00:00Z";

    fn source(text: &str) -> SourceText {
        SourceText { file: "test.cedar".to_owned(), text: text.to_owned() }
    }

    fn control(id: &str, scope: &str, clauses: &str) -> PolicySource {
        PolicySource::Control(source(&format!(
            "@id(\"{id}\") @title(\"t\") @severity(\"HIGH\") @remediation(\"r\") @frameworks(\"f\")\nforbid ({scope}, action == Pipewarden::Action::\"Release\", resource is AWS::CodePipeline::Pipeline) {clauses};"
        )))
    }

    fn exception(expires: &str, clause: &str) -> PolicySource {
        PolicySource::Exceptions(source(&format!(
            "@id(\"x\") @control(\"v2\") @owner(\"me\") @ticket(\"T-1\") @reason(\"r\") @expires(\"{expires}\")\npermit (principal, action, resource is AWS::CodePipeline::Pipeline) {clause};"
        )))
    }

    fn pipeline(known: &[(&'static str, Fact)], unknown: &[&'static str]) -> Subject {
        Subject {
            uid: ResourceUid("arn:aws:codepipeline:eu-west-1:111122223333:web".to_owned()),
            type_name: TypeName::PIPELINE,
            account: "111122223333".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            tags: Tags::new(),
            facts: Facts {
                known: known.iter().map(|(name, fact)| ((*name).into(), fact.clone())).collect(),
                unknown: unknown
                    .iter()
                    .map(|name| ((*name).into(), vec![format!("{name} could not be seen")]))
                    .collect(),
            },
        }
    }

    fn judge(sources: &[PolicySource], subject: &Subject, units: &[&str]) -> Result<Vec<Finding>, EvaluateError> {
        let policies = Policies::load(sources, &BTreeSet::new()).unwrap();
        let principal =
            Principal { units: units.iter().map(|unit| (*unit).to_owned()).collect(), ..Principal::default() };
        let principals = BTreeMap::from([(subject.account.clone(), principal)]);
        let asking = Asking::new(&policies, NOW, "live", &Settings::default(), &principals).unwrap();
        asking.judge(subject)
    }

    fn only(sources: &[PolicySource], subject: &Subject) -> Finding {
        judge(sources, subject, &[]).unwrap().remove(0)
    }

    const V2: &str = "unless { resource.pipelineType == \"V2\" }";

    fn version(version: &str) -> Subject {
        pipeline(&[("pipelineType", Fact::Text(version.to_owned()))], &[])
    }

    #[test]
    fn an_exception_marks_a_violation_until_it_expires() {
        let v2 = control("v2", "principal", V2);
        let covered = only(&[v2.clone(), exception("2026-11-21", "")], &version("V1"));
        assert_eq!(covered.compliance, ComplianceType::NonCompliant);
        assert_eq!(covered.exception.as_ref().map(|e| e.owner.as_str()), Some("me"));
        assert!(!covered.fails(Severity::Low));
        for uncovered in [
            only(&[v2.clone(), exception("2026-11-20", "")], &version("V1")),
            only(&[v2.clone(), exception("2027-01-01", "when { resource.pipelineType == \"V3\" }")], &version("V1")),
        ] {
            assert!(uncovered.exception.is_none() && uncovered.fails(Severity::High), "{uncovered:?}");
        }
        assert!(only(&[v2, exception("2027-01-01", "")], &version("V2")).exception.is_none());
    }

    #[test]
    fn a_scope_over_a_unit_is_where_a_control_applies() {
        let scoped = control("v2", "principal in AWS::Organizations::OrganizationalUnit::\"ou-1\"", V2);
        let result = |subject: &Subject, units: &[&str]| {
            judge(std::slice::from_ref(&scoped), subject, units).unwrap().remove(0).compliance
        };
        assert_eq!(result(&version("V1"), &["r-1", "ou-1"]), ComplianceType::NonCompliant);
        assert_eq!(result(&version("V2"), &["r-1", "ou-1"]), ComplianceType::Compliant);
        assert_eq!(result(&version("V2"), &["r-1", "ou-2"]), ComplianceType::NotApplicable);
        assert_eq!(result(&version("V1"), &["r-1", "ou-2"]), ComplianceType::NotApplicable);
    }

    #[test]
    fn an_unknown_fact_is_neither_a_pass_nor_a_violation() {
        let finding = only(&[control("v2", "principal", V2)], &pipeline(&[], &["pipelineType"]));
        assert_eq!(finding.compliance, ComplianceType::InsufficientData);
        assert_eq!(finding.gaps, ["pipelineType could not be seen"]);
        let when = control("v2", "principal", &format!("when {{ resource.deploys }} {V2}"));
        let unknown_where = pipeline(&[("pipelineType", Fact::Text("V2".to_owned()))], &["deploys"]);
        assert_eq!(only(&[when], &unknown_where).compliance, ComplianceType::InsufficientData);
    }

    #[test]
    fn an_unknown_fact_of_the_account_is_explained_too() {
        let control = control("v2", "principal", "unless { principal.production }");
        let policies = Policies::load(&[control], &BTreeSet::new()).unwrap();
        let subject = version("V2");
        let facts = Facts {
            unknown: BTreeMap::from([("production".into(), vec!["tags denied".to_owned()])]),
            ..Facts::default()
        };
        for (principals, gap) in [
            (BTreeMap::from([(subject.account.clone(), Principal { facts, units: Vec::new() })]), "tags denied"),
            (BTreeMap::new(), "did not name it"),
        ] {
            let asking = Asking::new(&policies, NOW, "live", &Settings::default(), &principals).unwrap();
            let finding = asking.judge(&subject).unwrap().remove(0);
            assert_eq!(finding.compliance, ComplianceType::InsufficientData);
            assert!(finding.gaps[0].contains(gap), "{:?}", finding.gaps);
        }
    }

    #[test]
    fn an_error_that_no_gap_explains_ends_the_run() {
        let error = judge(&[control("v2", "principal", V2)], &pipeline(&[], &[]), &[]).unwrap_err();
        assert!(error.to_string().contains("v2") && error.to_string().contains("defect"), "{error}");
    }

    #[test]
    fn what_could_not_be_listed_is_a_finding_per_control() {
        let policies =
            Policies::load(&[control("v2", "principal", V2), control("v3", "principal", V2)], &BTreeSet::new())
                .unwrap();
        let gap = |affects| Gap {
            account: "111122223333".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            service: "codepipeline".to_owned(),
            action: "codepipeline:ListPipelines".to_owned(),
            cause: GapCause::AccessDenied { message: "no".to_owned() },
            affects,
        };
        let findings = unlisted(&policies, "aws-cn", &[gap(Affects::Types { types: vec![TypeName::PIPELINE] })]);
        let uids: BTreeSet<&str> = findings.iter().map(|finding| finding.resource.uid.as_str()).collect();
        assert_eq!(uids, BTreeSet::from(["arn:aws-cn:codepipeline:eu-west-1:111122223333:*"]));
        assert_eq!(findings.len(), 2);
        assert!(
            findings
                .iter()
                .all(|finding| finding.compliance == ComplianceType::InsufficientData && finding.gaps.len() == 1)
        );
        assert_eq!(unlisted(&policies, "aws", &[gap(Affects::Account)]).len(), 2);
        assert!(unlisted(&policies, "aws", &[gap(Affects::Details)]).is_empty());
    }
}
