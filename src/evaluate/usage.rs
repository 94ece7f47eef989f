//! Which exceptions still cover something, and the findings about those that do not.
//!
//! In: every violation and every unknown result, as they are judged. Out: the exception that covers a violation, and at
//! the end two findings per exception: whether it has expired, and whether anything needs it. They are findings like any
//! other, so that every report shows them without knowing what an exception is; none of them can be excepted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use cedar_policy::{Entities, Entity, EntityId, EntityUid, Policy, PolicySet, Request};
use serde_json::{Value, json};

use super::control::RESERVED;
use super::engine::{Asking, placeholders, unlisted};
use super::exception::{Covering, Exception};
use super::explain::Considered;
use crate::finding::{ComplianceType, Control, ExceptionRef, Finding, ResourceRef, Severity};
use crate::inventory::{AccountId, Arn, Gap, Region, ResourceUid, TypeName};

/// What stands for an exception in a report.
pub const EXCEPTION: TypeName = TypeName::new("Pipewarden::Exception");

/// It matched a violation.
const MET: u8 = 1;
/// It may match something that could not be judged.
const UNDECIDED: u8 = 2;

/// What every exception was met with, by its number.
#[derive(Debug)]
pub(super) struct Usage(Vec<AtomicU8>);

impl Usage {
    pub(super) fn of(exceptions: usize) -> Self {
        Self((0..exceptions).map(|_| AtomicU8::new(0)).collect())
    }

    fn mark(&self, number: usize, what: u8) {
        if let Some(usage) = self.0.get(number) {
            usage.fetch_or(what, Ordering::Relaxed);
        }
    }

    fn has(&self, number: usize, what: u8) -> bool {
        self.0.get(number).is_some_and(|usage| usage.load(Ordering::Relaxed) & what != 0)
    }
}

/// What the exceptions from one control say about a resource, by number.
struct Matching {
    fired: Vec<usize>,
    unknown: Vec<usize>,
}

impl Asking<'_> {
    /// The exception that covers a violation today: the one that holds longest. Takes note of what every exception from
    /// the control was met with.
    pub(super) fn excepted(
        &self,
        control: &str,
        compliance: ComplianceType,
        request: &Request,
        entities: &Entities,
    ) -> Option<ExceptionRef> {
        if !matches!(compliance, ComplianceType::NonCompliant | ComplianceType::InsufficientData) {
            return None;
        }
        let covering = self.policies.exceptions.by_control.get(control)?;
        let matching = self.matching(covering, request, entities);
        matching.unknown.iter().for_each(|number| self.usage.mark(*number, UNDECIDED));
        let violated = compliance == ComplianceType::NonCompliant;
        matching.fired.iter().for_each(|number| self.usage.mark(*number, if violated { MET } else { UNDECIDED }));
        let exceptions = matching.fired.iter().filter_map(|number| self.policies.exceptions.all.get(*number));
        exceptions
            .map(|exception| &exception.reference)
            .filter(|reference| violated && !self.has_expired(reference))
            .max_by(|a, b| (&a.expires, &a.id).cmp(&(&b.expires, &b.id)))
            .cloned()
    }

    /// What every exception from a control says about a resource.
    pub(super) fn considered(&self, control: &str, request: &Request, entities: &Entities) -> Vec<Considered> {
        let Some(covering) = self.policies.exceptions.by_control.get(control) else { return Vec::new() };
        let matching = self.matching(covering, request, entities);
        let numbered = covering.numbers.values().filter_map(|n| Some((*n, self.policies.exceptions.all.get(*n)?)));
        numbered
            .map(|(number, exception)| Considered {
                exception: exception.reference.clone(),
                file: exception.file.clone(),
                outcome: if matching.unknown.contains(&number) {
                    "reads a fact that could not be seen, so it covers nothing here".to_owned()
                } else if !matching.fired.contains(&number) {
                    "does not cover this resource".to_owned()
                } else if self.has_expired(&exception.reference) {
                    format!("would cover this resource, but ended on {}", exception.reference.expires)
                } else {
                    format!("covers this resource until {}", exception.reference.expires)
                },
            })
            .collect()
    }

    /// [`unlisted`], and notes the exceptions that may be about what could not be listed.
    #[must_use]
    pub fn unlisted(&self, partition: &str, gaps: &[Gap]) -> Vec<Finding> {
        if !self.policies.exceptions.all.is_empty() {
            for gap in gaps {
                for resource in placeholders(self.policies, partition, gap) {
                    self.doubt(&resource);
                }
            }
        }
        unlisted(self.policies, partition, gaps)
    }

    fn doubt(&self, place: &ResourceRef) {
        let Some(partition) = self.policies.partitions.get(&place.type_name) else { return };
        for asked in &partition.controls {
            let Some(covering) = self.policies.exceptions.by_control.get(&asked.control.id) else { continue };
            for number in covering.numbers.values() {
                let Some(exception) = self.policies.exceptions.all.get(*number) else { continue };
                if !self.usage.has(*number, UNDECIDED) && self.may_be_about(exception, covering, *number, place) {
                    self.usage.mark(*number, UNDECIDED);
                }
            }
        }
    }

    /// Whether an exception may cover a resource that nobody could list, in an account and Region.
    fn may_be_about(&self, exception: &Exception, covering: &Covering, number: usize, place: &ResourceRef) -> bool {
        let uid = exception.resource.as_deref().unwrap_or(place.uid.as_str());
        if let (Some(named), Ok(arn)) = (&exception.resource, Arn::parse(uid)) {
            let elsewhere = |said: &str, here: &str| !said.is_empty() && said != here;
            let other_account = elsewhere(arn.account, place.account.as_str());
            let other_region = place.region != Region::GLOBAL && elsewhere(arn.region, place.region.as_str());
            if other_account || other_region || named.is_empty() {
                return false;
            }
        }
        let Some(partition) = self.policies.partitions.get(&place.type_name) else { return false };
        let Some(account) = self.principals.get(&place.account) else { return true };
        let resource = EntityUid::from_type_name_and_id(partition.entity_type.clone(), EntityId::new(uid));
        // Nothing is known of it: whatever an exception reads of it is unknown.
        let entities = [Entity::with_uid(resource.clone()), account.clone()];
        let question = self.request(account.uid(), partition, resource);
        let (Some(request), Ok(entities)) = (question, Entities::from_entities(entities, None)) else { return true };
        let matching = self.matching(covering, &request, &entities);
        matching.fired.contains(&number) || matching.unknown.contains(&number)
    }

    /// Whether one policy is satisfied.
    pub(super) fn fires(&self, policy: Policy, request: &Request, entities: &Entities) -> bool {
        let set = PolicySet::from_policies([policy]).unwrap_or_default();
        self.authorizer.is_authorized(request, &set, entities).diagnostics().reason().next().is_some()
    }

    fn matching(&self, covering: &Covering, request: &Request, entities: &Entities) -> Matching {
        let response = self.authorizer.is_authorized(request, &covering.policies, entities);
        let number = |id| covering.numbers.get(id).copied();
        let erred = response.diagnostics().errors().map(|error| match error {
            cedar_policy::AuthorizationError::PolicyEvaluationError(error) => error.policy_id(),
        });
        Matching {
            fired: response.diagnostics().reason().filter_map(number).collect(),
            unknown: erred.filter_map(number).collect(),
        }
    }

    fn has_expired(&self, reference: &ExceptionRef) -> bool {
        reference.expires.as_str() < self.today.as_str()
    }

    /// Two findings per exception, in the order of reports: whether it has expired, and whether anything needs it. Ask
    /// when everything is judged. They belong to the account that audits, because no other is answerable for them.
    #[must_use]
    pub fn exceptions(&self, account: &AccountId) -> Vec<Finding> {
        let controls = exception_controls();
        let mut findings: Vec<Finding> = Vec::new();
        for (number, exception) in self.policies.exceptions.all.iter().enumerate() {
            let resource = Arc::new(ResourceRef {
                uid: ResourceUid(exception.uid()),
                type_name: EXCEPTION,
                account: account.clone(),
                region: Region::GLOBAL,
            });
            let expired = self.has_expired(&exception.reference);
            let results = [
                if expired { ComplianceType::NonCompliant } else { ComplianceType::Compliant },
                self.use_of(number, expired),
            ];
            for (control, compliance) in controls.iter().zip(results) {
                let gap = format!("not everything that {} judges could be seen", joined(exception));
                let unknown = compliance == ComplianceType::InsufficientData;
                findings.push(Finding {
                    id: Finding::stable_id(&control.id, &resource),
                    control: control.id.clone(),
                    severity: control.severity,
                    compliance,
                    resource: Arc::clone(&resource),
                    evidence: evidence(exception),
                    gaps: if unknown { vec![gap] } else { Vec::new() },
                    exception: None,
                    owner: None,
                    lifecycle: None,
                });
            }
        }
        findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        findings
    }

    fn use_of(&self, number: usize, expired: bool) -> ComplianceType {
        if expired {
            ComplianceType::NotApplicable
        } else if self.usage.has(number, MET) {
            ComplianceType::Compliant
        } else if self.usage.has(number, UNDECIDED) {
            ComplianceType::InsufficientData
        } else {
            ComplianceType::NonCompliant
        }
    }
}

fn joined(exception: &Exception) -> String {
    exception.controls.iter().cloned().collect::<Vec<_>>().join(", ")
}

fn evidence(exception: &Exception) -> BTreeMap<String, Value> {
    let reference = &exception.reference;
    let mut evidence = BTreeMap::from([
        ("controls".to_owned(), json!(exception.controls)),
        ("owner".to_owned(), json!(reference.owner)),
        ("ticket".to_owned(), json!(reference.ticket)),
        ("reason".to_owned(), json!(reference.reason)),
        ("expires".to_owned(), json!(reference.expires)),
    ]);
    if !exception.approved_by.is_empty() {
        evidence.insert("approvedBy".to_owned(), json!(exception.approved_by));
    }
    evidence
}

/// The controls that exceptions themselves are judged by, for reports; they are rules of this tool, not policies.
#[must_use]
pub fn exception_controls() -> [Control; 2] {
    let [expired, unused] = RESERVED;
    let control = |id: &str, title: &str, severity, remediation: &str| Control {
        id: id.to_owned(),
        title: title.to_owned(),
        severity,
        resource_type: EXCEPTION,
        remediation: remediation.to_owned(),
        frameworks: Vec::new(),
    };
    [
        control(
            expired,
            "Exceptions have not expired",
            Severity::High,
            "It ended on {expires} and covers nothing any more: {owner} agrees on it again ({ticket}) or deletes it.",
        ),
        control(
            unused,
            "Exceptions cover a violation",
            Severity::Low,
            "Nothing that it covers violates {controls} any more: delete it, so that it cannot hide the next violation.",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::evaluate::{Policies, PolicySource, Principal, Settings, SourceText};
    use crate::facts::{Fact, Facts, Subject};
    use crate::inventory::{Affects, GapCause, Tags};

    const ACCOUNT: &str = "111122223333";

    fn source(text: &str) -> SourceText {
        SourceText { file: "our/exceptions/x.cedar".to_owned(), text: text.to_owned() }
    }

    fn exception(id: &str, expires: &str, scope: &str) -> String {
        format!(
            "@id(\"{id}\") @control(\"v2\") @owner(\"me\") @ticket(\"T-1\") @reason(\"r\") @expires(\"{expires}\") permit ({scope};\n"
        )
    }

    fn policies(exceptions: &str) -> Policies {
        let control = "@id(\"v2\") @title(\"t\") @severity(\"HIGH\") @remediation(\"r\") @frameworks(\"f\") forbid (principal, action == Pipewarden::Action::\"Release\", resource is AWS::CodePipeline::Pipeline) unless { resource.pipelineType == \"V2\" };";
        let sources = [PolicySource::Control(source(control)), PolicySource::Exceptions(source(exceptions))];
        Policies::load(&sources, &BTreeSet::new()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn pipeline(name: &str, version: Option<&str>, tags: Option<&str>) -> Subject {
        let mut facts = Facts::default();
        match version {
            Some(version) => drop(facts.known.insert("pipelineType".into(), Fact::Text(version.to_owned()))),
            None => drop(facts.unknown.insert("pipelineType".into(), vec!["denied".to_owned()])),
        }
        match tags {
            Some(tag) => drop(facts.known.insert("tags".into(), Fact::Set(BTreeSet::from([tag.to_owned()])))),
            None => drop(facts.unknown.insert("tags".into(), vec!["tags denied".to_owned()])),
        }
        Subject {
            uid: ResourceUid(format!("arn:aws:codepipeline:eu-west-1:{ACCOUNT}:{name}")),
            type_name: TypeName::PIPELINE,
            account: ACCOUNT.parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            tags: Tags::new(),
            facts,
        }
    }

    /// Results of the two controls of exceptions, by exception and control.
    fn judged(exceptions: &str, subjects: &[Subject], gaps: &[Gap]) -> BTreeMap<(String, String), ComplianceType> {
        let policies = policies(exceptions);
        let principals = BTreeMap::from([(ACCOUNT.parse().unwrap(), Principal::default())]);
        let asking = Asking::new(&policies, "2026-11-21T00:00:00Z", "live", &Settings::default(), &principals).unwrap();
        for subject in subjects {
            drop(asking.judge(subject).unwrap());
        }
        drop(asking.unlisted("aws", gaps));
        let findings = asking.exceptions(&ACCOUNT.parse().unwrap());
        assert!(findings.iter().all(|finding| finding.exception.is_none()));
        assert!(findings.iter().all(|f| (f.compliance == ComplianceType::InsufficientData) != f.gaps.is_empty()));
        findings.into_iter().map(|f| ((f.resource.uid.to_string(), f.control), f.compliance)).collect()
    }

    fn unused(exceptions: &str, subjects: &[Subject], gaps: &[Gap]) -> ComplianceType {
        judged(exceptions, subjects, gaps)[&("exceptions/x.cedar#x".to_owned(), "exception-unused".to_owned())]
    }

    const ANY: &str = "principal, action, resource)";

    #[test]
    fn an_exception_is_needed_as_long_as_something_violates_what_it_covers() {
        let any = exception("x", "2027-01-01", ANY);
        assert_eq!(unused(&any, &[pipeline("a", Some("V1"), Some("t=1"))], &[]), ComplianceType::Compliant);
        assert_eq!(unused(&any, &[pipeline("a", Some("V2"), Some("t=1"))], &[]), ComplianceType::NonCompliant);
        assert_eq!(unused(&any, &[], &[]), ComplianceType::NonCompliant);
        let tagged =
            exception("x", "2027-01-01", "principal, action, resource) when { resource.tags.contains(\"t=1\") }");
        assert_eq!(unused(&tagged, &[pipeline("a", Some("V1"), Some("t=1"))], &[]), ComplianceType::Compliant);
        assert_eq!(unused(&tagged, &[pipeline("a", Some("V1"), Some("t=2"))], &[]), ComplianceType::NonCompliant);
    }

    #[test]
    fn an_exception_reaches_as_far_as_its_scope() {
        let tags = Fact::Set(BTreeSet::from(["stage=sandbox".to_owned()]));
        let principal = Principal {
            facts: Facts { known: BTreeMap::from([("tags".into(), tags)]), ..Facts::default() },
            units: vec!["r-1".to_owned(), "ou-1".to_owned()],
        };
        let principals = BTreeMap::from([(ACCOUNT.parse().unwrap(), principal)]);
        for (scope, covers) in [
            ("principal in AWS::Organizations::OrganizationalUnit::\"ou-1\", action, resource)", true),
            ("principal in AWS::Organizations::OrganizationalUnit::\"ou-2\", action, resource)", false),
            ("principal == AWS::Organizations::Account::\"111122223333\", action, resource)", true),
            (
                "principal, action, resource == AWS::CodePipeline::Pipeline::\"arn:aws:codepipeline:eu-west-1:111122223333:a\")",
                true,
            ),
            (
                "principal, action, resource == AWS::CodePipeline::Pipeline::\"arn:aws:codepipeline:eu-west-1:111122223333:b\")",
                false,
            ),
            ("principal, action, resource) when { principal.tags.contains(\"stage=sandbox\") }", true),
            ("principal, action, resource) when { principal.tags.contains(\"stage=live\") }", false),
            ("principal, action, resource) when { resource.tags.contains(\"t=1\") }", true),
            (
                "principal, action, resource is AWS::CodePipeline::Pipeline) when { resource.tags.contains(\"t=2\") }",
                false,
            ),
        ] {
            let policies = policies(&exception("x", "2027-01-01", scope));
            let now = "2026-11-21T00:00:00Z";
            let asking = Asking::new(&policies, now, "live", &Settings::default(), &principals).unwrap();
            let finding = asking.judge(&pipeline("a", Some("V1"), Some("t=1"))).unwrap().remove(0);
            assert_eq!(finding.exception.is_some(), covers, "{scope}");
            assert_eq!(finding.fails(Severity::Low), !covers, "{scope}");
        }
    }

    #[test]
    fn what_could_not_be_judged_leaves_it_open() {
        let any = exception("x", "2027-01-01", ANY);
        assert_eq!(unused(&any, &[pipeline("a", None, Some("t=1"))], &[]), ComplianceType::InsufficientData);
        let tagged =
            exception("x", "2027-01-01", "principal, action, resource) when { resource.tags.contains(\"t=1\") }");
        assert_eq!(unused(&tagged, &[pipeline("a", Some("V1"), None)], &[]), ComplianceType::InsufficientData);
        let gap = |account: &str| Gap {
            account: account.parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            service: "codepipeline".to_owned(),
            action: "codepipeline:ListPipelines".to_owned(),
            cause: GapCause::AccessDenied { message: "no".to_owned() },
            affects: Affects::Types { types: vec![TypeName::PIPELINE] },
        };
        let here = [gap(ACCOUNT)];
        assert_eq!(unused(&any, &[], &here), ComplianceType::InsufficientData);
        assert_eq!(unused(&tagged, &[], &here), ComplianceType::InsufficientData);
        for (scope, expected) in [
            (
                "principal == AWS::Organizations::Account::\"111122223333\", action, resource)",
                ComplianceType::InsufficientData,
            ),
            (
                "principal == AWS::Organizations::Account::\"999922223333\", action, resource)",
                ComplianceType::NonCompliant,
            ),
            (
                "principal, action, resource == AWS::CodePipeline::Pipeline::\"arn:aws:codepipeline:eu-west-1:111122223333:gone\")",
                ComplianceType::InsufficientData,
            ),
            (
                "principal, action, resource == AWS::CodePipeline::Pipeline::\"arn:aws:codepipeline:eu-west-1:999922223333:gone\")",
                ComplianceType::NonCompliant,
            ),
            (
                "principal, action, resource == AWS::CodePipeline::Pipeline::\"arn:aws:codepipeline:eu-west-2:111122223333:gone\")",
                ComplianceType::NonCompliant,
            ),
        ] {
            assert_eq!(unused(&exception("x", "2027-01-01", scope), &[], &here), expected, "{scope}");
        }
    }

    #[test]
    fn what_has_expired_says_so_once() {
        let both = exception("x", "2026-11-20", ANY) + &exception("y", "2026-11-21", ANY);
        let results = judged(&both, &[pipeline("a", Some("V1"), Some("t=1"))], &[]);
        let of = |id: &str, control: &str| results[&(format!("exceptions/x.cedar#{id}"), control.to_owned())];
        assert_eq!(of("x", "exception-expired"), ComplianceType::NonCompliant);
        assert_eq!(of("x", "exception-unused"), ComplianceType::NotApplicable);
        assert_eq!(of("y", "exception-expired"), ComplianceType::Compliant);
        assert_eq!(of("y", "exception-unused"), ComplianceType::Compliant);
    }

    #[test]
    fn the_two_controls_explain_themselves() {
        let policies = policies(&exception("x", "2026-01-01", ANY));
        let exception = &policies.exceptions()[0];
        for control in exception_controls() {
            let text = control.remediation_for(&evidence(exception));
            assert!(!text.contains(['{', '}']), "{text}");
        }
    }
}
