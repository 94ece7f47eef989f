//! Where a finding points.
//!
//! In: a finding and the resource it is about. Out: the place of what is wrong: an action that the evidence names, the
//! expression that has no value, the property that decides, or, where something is missing, the resource itself.
//!
//! Two paths come with it. The property path names the place for people (`Stages/Prod/Deploy`), with names instead of
//! positions. The fingerprint keeps only its first name (`Stages`): there is one finding of a control on a resource,
//! whatever number of actions it names, so a second ungated action is the same finding, grown worse, and not another one.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::removals::{Effect, Removals, members, properties, unescaped, value_at};
use super::stages::{Step, steps};
use super::surroundings::Surroundings;
use crate::evaluate::{Deciding, Policies};
use crate::finding::{ComplianceType, Finding, Related, SourcePlace};
use crate::inventory::{Affects, Position, Span};
use crate::template::{DeclaredResource, Holes};

/// Where to look.
#[derive(Debug, PartialEq)]
pub(super) struct Pointed {
    pub(super) place: SourcePlace,
    /// `Stages/Prod/Deploy`; empty for the resource itself.
    pub(super) property_path: String,
    pub(super) related: Vec<Related>,
}

impl Pointed {
    /// The part of the path that stays when the finding grows or shrinks.
    pub(super) fn stable_path(&self) -> &str {
        self.property_path.split('/').next().unwrap_or_default()
    }
}

/// The demands of controls, each read once.
pub(super) struct Demands<'a> {
    policies: &'a Policies,
    read: Mutex<BTreeMap<String, Arc<Deciding>>>,
}

impl<'a> Demands<'a> {
    pub(super) fn new(policies: &'a Policies) -> Self {
        Self { policies, read: Mutex::default() }
    }

    pub(super) fn of(&self, control: &str) -> Arc<Deciding> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.get(control) {
            return Arc::clone(known);
        }
        let deciding = Arc::new(self.policies.deciding(control));
        read.insert(control.to_owned(), Arc::clone(&deciding));
        deciding
    }
}

/// Everything that places are found with, under one choice.
pub(super) struct Pointing<'a> {
    demands: &'a Demands<'a>,
    pub(super) declared: &'a [DeclaredResource],
    holes: &'a Holes,
    removals: Removals<'a>,
    steps: RefCell<BTreeMap<usize, Rc<Vec<Step>>>>,
    /// What gaps say of each hole: the whole sentence, and how it begins.
    sentences: OnceCell<Vec<(usize, String, String)>>,
}

/// Elements of one set that are looked for as actions, at most.
const MOST_NAMED: usize = 50;

/// How far below a property its members are tried.
const DEEPEST: usize = 6;

impl<'a> Pointing<'a> {
    pub(super) fn new(
        demands: &'a Demands<'a>,
        declared: &'a [DeclaredResource],
        holes: &'a Holes,
        surroundings: &'a Surroundings<'a>,
    ) -> Self {
        let removals = Removals::new(declared, holes, surroundings);
        Self { demands, declared, holes, removals, steps: RefCell::default(), sentences: OnceCell::new() }
    }

    /// The place of a finding on the resource of that number.
    pub(super) fn of(&self, nth: usize, finding: &Finding) -> Option<Pointed> {
        let declared = self.declared.get(nth)?;
        let undecided = finding.compliance == ComplianceType::InsufficientData;
        if !undecided && finding.compliance != ComplianceType::NonCompliant {
            return Some(at_resource(declared));
        }
        let deciding = self.demands.of(&finding.control);
        let failing = deciding.failing(&finding.evidence);
        let mut pointed = self
            .at_actions(nth, declared, finding, &deciding, &failing)
            .or_else(|| self.at_property(nth, declared, &failing, &deciding.must_be_empty()))
            .unwrap_or_else(|| at_resource(declared));
        if undecided && let Some(place) = self.open_value(&finding.gaps) {
            pointed.place = place;
            pointed.related.clear();
        } else {
            pointed.related.extend(self.beside(nth, finding, &deciding, &failing));
            pointed.related.dedup();
        }
        Some(pointed)
    }

    /// The expression that the first gap is about.
    fn open_value(&self, gaps: &[String]) -> Option<SourcePlace> {
        let sentences = self.sentences.get_or_init(|| {
            let Some(first) = self.declared.first() else { return Vec::new() };
            let (account, region) = (&first.resource.account, &first.resource.region);
            let said = self.holes.iter().filter_map(|(number, hole)| {
                let sentence = self.holes.gap(number, account, region, Affects::Details)?.sentence();
                let start = hole.span.start;
                Some((number, sentence, format!("{}:{}:{}: ", hole.file, start.line, start.column)))
            });
            said.collect()
        });
        gaps.iter().find_map(|gap| {
            // Some facts say in front of a sentence what it is about.
            let about = |sentence: &str, begin: &str| gap.ends_with(sentence) || gap.starts_with(begin);
            let (number, _, _) = sentences.iter().find(|(_, sentence, begin)| about(sentence, begin))?;
            let hole = self.holes.get(*number).filter(|hole| hole.span.start.line > 0)?;
            Some(SourcePlace { file: Arc::clone(&hole.file), span: hole.span })
        })
    }

    /// The actions and stages that the evidence names.
    fn at_actions(
        &self,
        nth: usize,
        declared: &DeclaredResource,
        finding: &Finding,
        deciding: &Deciding,
        failing: &BTreeSet<String>,
    ) -> Option<Pointed> {
        let stages = declared.resource.properties.get("Stages")?;
        let steps = Rc::clone(self.steps.borrow_mut().entry(nth).or_insert_with(|| Rc::new(steps(stages, self.holes))));
        let wrong = deciding.must_be_empty();
        let mut named: Vec<(&Step, String)> = Vec::new();
        let mut approval = false;
        for fact in failing.iter().filter(|fact| wrong.contains(fact.as_str())) {
            let of_stages = fact.contains("Stages") || fact.contains("stages");
            approval |= fact.starts_with("unapproved");
            let elements = finding.evidence.get(fact).and_then(Value::as_array).into_iter().flatten();
            for element in elements.filter_map(Value::as_str).take(MOST_NAMED) {
                if let Some(step) = Step::named_by(&steps, element, of_stages)
                    && named.iter().all(|(known, _)| known.pointer != step.pointer)
                {
                    named.push((step, step.rest_of(element).to_owned()));
                }
            }
        }
        named.sort_by_key(|(step, _)| step.position());
        let (first, rest) = named.first()?;
        let inner = variable(declared, first, rest);
        let pointer = inner.as_deref().unwrap_or(&first.pointer);
        let mut pointed = self.at(declared, pointer)?;
        if approval {
            pointed.related.extend(nearest_approval(declared, first, &steps));
        }
        for (step, _) in named.iter().skip(1) {
            let place = place_of(declared, &step.pointer)?;
            pointed.related.push(Related { place, message: format!("{} too", step.label) });
        }
        Some(pointed)
    }

    /// The deepest property without which the facts would be others.
    fn at_property(
        &self,
        nth: usize,
        declared: &DeclaredResource,
        failing: &BTreeSet<String>,
        wrong: &BTreeSet<&str>,
    ) -> Option<Pointed> {
        let effects = |pointers: Vec<String>| -> Vec<(String, Effect)> {
            let found = pointers.into_iter().filter_map(|pointer| {
                let effect = self.removals.effect(nth, &pointer, failing, wrong)?;
                Some((pointer, effect))
            });
            found.collect()
        };
        let top = effects(properties(declared));
        let mut at = top.iter().min_by_key(|(_, effect)| *effect).map(|(pointer, _)| pointer.clone())?;
        for _ in 0..DEEPEST {
            let below = effects(members(declared, &at));
            let of_list = value_at(declared, &at).is_some_and(Value::is_array);
            let mut culprits = below.into_iter().filter(|(_, effect)| *effect == Effect::Changes);
            match (culprits.next(), culprits.next()) {
                (Some((pointer, _)), None) => at = pointer,
                // Any element of a list is one of those that are wrong; of two members, neither alone is.
                (Some((pointer, _)), Some(_)) if of_list => at = pointer,
                _ => break,
            }
        }
        self.at(declared, &at)
    }

    fn at(&self, declared: &DeclaredResource, pointer: &str) -> Option<Pointed> {
        let property_path = self.holes.spoken(&path(declared, pointer));
        Some(Pointed { place: place_of(declared, pointer)?, property_path, related: Vec::new() })
    }

    /// Other resources of the group that the evidence names.
    fn beside(&self, nth: usize, finding: &Finding, deciding: &Deciding, failing: &BTreeSet<String>) -> Vec<Related> {
        let wrong = deciding.must_be_empty();
        let facts = failing.iter().filter(|fact| wrong.contains(fact.as_str()));
        let elements = facts.filter_map(|fact| finding.evidence.get(fact)).filter_map(Value::as_array).flatten();
        let names = elements.filter_map(Value::as_str).take(MOST_NAMED);
        let found = names.filter_map(|element| {
            let name = element.split_once(" (").map_or(element, |(name, _)| name);
            let mut others = self.declared.iter().enumerate().filter(|(number, _)| *number != nth);
            let (_, other) = others.find(|(_, other)| is_called(other, name, self.holes))?;
            let place = SourcePlace { file: Arc::clone(&other.file), span: other.span };
            Some(Related { place, message: format!("{name} is defined here") })
        });
        found.collect()
    }
}

/// Whether a resource is the one that a name or ARN means.
fn is_called(declared: &DeclaredResource, name: &str, holes: &Holes) -> bool {
    if name.is_empty() {
        return false;
    }
    let uid = holes.spoken(declared.resource.uid.as_str());
    uid == name || uid.strip_suffix(name).is_some_and(|before| before.ends_with([':', '/']))
}

fn at_resource(declared: &DeclaredResource) -> Pointed {
    let place = SourcePlace { file: Arc::clone(&declared.file), span: declared.span };
    Pointed { place, property_path: String::new(), related: Vec::new() }
}

/// Where a property begins: the line that names it, not all of what it holds.
pub(super) fn place_of(declared: &DeclaredResource, pointer: &str) -> Option<SourcePlace> {
    let named = ["Name", "Sid", "Id"].iter().map(|key| format!("{pointer}/{key}"));
    let is_element = pointer.rsplit('/').next().is_some_and(|last| last.parse::<usize>().is_ok());
    let named = named.filter(|_| is_element).find_map(|inner| declared.spans.get(&inner));
    let span = named.or_else(|| declared.spans.get(pointer)).filter(|span| span.start.line > 0)?;
    let key = pointer.rsplit('/').next().filter(|_| !is_element).map_or(1, |key| unescaped(key).chars().count());
    Some(SourcePlace { file: Arc::clone(&declared.file), span: first_line(span, key) })
}

fn first_line(span: Span, length: usize) -> Span {
    if span.start.line == span.end.line {
        return span;
    }
    let column = span.start.column.saturating_add(u32::try_from(length).unwrap_or(1));
    Span { start: span.start, end: Position { line: span.start.line, column } }
}

/// Keys that tell one element of a list from the others.
const NAMES: &[&str] =
    &["Name", "Id", "Sid", "Key", "TriggerName", "PolicyName", "Region", "StageName", "ArtifactIdentifier"];

/// The names on the way to a property: `Stages/Prod/Deploy`.
fn path(declared: &DeclaredResource, pointer: &str) -> String {
    let mut names: Vec<String> = Vec::new();
    let mut so_far = String::new();
    for segment in pointer.split('/').skip(1) {
        so_far.push('/');
        so_far.push_str(segment);
        let is_element = segment.parse::<usize>().is_ok();
        let named = || {
            let element = value_at(declared, &so_far)?;
            let mut keys = NAMES.iter().filter_map(|key| element.get(*key)?.as_str());
            keys.next().map(str::to_owned)
        };
        let in_stage = segment == "Actions" && names.len() == 2 && names.first().is_some_and(|top| top == "Stages");
        if in_stage {
            continue;
        }
        let name = if is_element { named() } else { None };
        names.push(name.unwrap_or_else(|| unescaped(segment)));
    }
    names.join("/")
}

/// The variable of an action that the evidence goes on to name.
fn variable(declared: &DeclaredResource, step: &Step, rest: &str) -> Option<String> {
    let name = rest.strip_prefix('/').filter(|name| !name.is_empty())?;
    let listed = format!("{}/EnvironmentVariables", step.pointer);
    let of_list = value_at(declared, &listed).and_then(Value::as_array).and_then(|variables| {
        let index = variables.iter().position(|one| one.get("Name").and_then(Value::as_str) == Some(name))?;
        Some(format!("{listed}/{index}"))
    });
    let configured = format!("{}/Configuration/EnvironmentVariables", step.pointer);
    let found = of_list.or_else(|| declared.spans.contains(&configured).then_some(configured));
    found.filter(|pointer| declared.spans.contains(pointer))
}

/// The approval that comes too late, or where one would have to stand.
fn nearest_approval(declared: &DeclaredResource, ungated: &Step, steps: &[Step]) -> Option<Related> {
    let actions = || steps.iter().filter(|step| step.action.is_some());
    let after = actions()
        .filter(|step| step.is_approval && step.pointer != ungated.pointer && !step.precedes(ungated))
        .min_by_key(|step| (step.order(), step.position()));
    let (pointer, message) = if let Some(gate) = after {
        let message = if gate.order() == ungated.order() {
            format!("the nearest approval, {}, runs at the same time", gate.label)
        } else {
            format!("the nearest approval, {}, comes after it", gate.label)
        };
        (&gate.pointer, message)
    } else {
        let stages = steps.iter().filter(|step| step.action.is_none() && step.stage < ungated.stage);
        let last = stages.max_by_key(|step| step.stage)?;
        (&last.pointer, format!("{} is the last stage before it; no approval follows", last.label))
    };
    Some(Related { place: place_of(declared, pointer)?, message })
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "places of the test are at the borders of characters")]
mod tests {
    use std::fmt::Write as _;

    use serde_json::json;

    use super::super::testing::{Declared, action, check, checked, finding, pipeline, stage};
    use super::*;

    const APPROVAL: &str = "codepipeline-production-approval-required";

    fn deploy(name: &str, order: u32) -> String {
        action(name, "Deploy", "CodeDeploy", order)
    }

    /// The text that a place underlines.
    fn at<'t>(text: &'t str, place: &SourcePlace) -> &'t str {
        let line = text.lines().nth(place.span.start.line as usize - 1).unwrap();
        assert_eq!(place.span.start.line, place.span.end.line);
        &line[place.span.start.column as usize - 1..place.span.end.column as usize - 1]
    }

    #[test]
    fn a_missing_approval_points_at_the_ungated_action_and_the_approval_that_comes_too_late() {
        let text = pipeline(
            &[
                stage("Prod", &[deploy("Cluster", 1), deploy("Site", 2)]),
                stage("Gate", &[action("Approve", "Approval", "Manual", 1)]),
            ]
            .concat(),
        );
        let checked = checked("a.yaml", &text);
        let found = finding(&checked, APPROVAL);
        assert_eq!(at(&text, &found.place), "Name: Cluster");
        assert_eq!(found.property_path, "Stages/Prod/Cluster");
        let related: Vec<_> = found.related.iter().map(|one| (at(&text, &one.place), one.message.as_str())).collect();
        let late = ("Name: Approve", "the nearest approval, Gate/Approve, comes after it");
        assert_eq!(related, [late, ("Name: Site", "Prod/Site too")]);
    }

    #[test]
    fn without_any_approval_the_last_stage_before_is_related() {
        let text = pipeline(&stage("Prod", &[deploy("Cluster", 1)]));
        let checked = checked("a.yaml", &text);
        let [related] = finding(&checked, APPROVAL).related.as_slice() else { panic!() };
        assert_eq!(at(&text, &related.place), "Name: Build");
        assert!(related.message.contains("Build is the last stage before it"));
    }

    #[test]
    fn the_fingerprint_stays_when_lines_move_and_another_action_goes_ungated() {
        let one = pipeline(&stage("Prod", &[deploy("Cluster", 1)]));
        let more = format!("# moved\n{}", pipeline(&stage("Prod", &[deploy("Another", 1), deploy("Cluster", 2)])));
        let (one, more) = (checked("a.yaml", &one), checked("b.yaml", &more));
        let (one, more) = (finding(&one, APPROVAL), finding(&more, APPROVAL));
        assert_ne!(one.property_path, more.property_path);
        assert_eq!(one.fingerprint, more.fingerprint);
    }

    #[test]
    fn a_stage_that_lacks_something_is_named_by_its_line() {
        let text = pipeline(&stage("Prod", &[deploy("Cluster", 1)]));
        let checked = checked("a.yaml", &text);
        let found = finding(&checked, "codepipeline-production-stage-rollback-on-failure");
        assert_eq!((at(&text, &found.place), found.property_path.as_str()), ("Name: Prod", "Stages/Prod"));
    }

    #[test]
    fn the_property_that_decides_is_pointed_at_and_a_missing_one_at_its_resource() {
        let bucket = |properties: &str| {
            let pipeline = pipeline(&stage("Prod", &[deploy("Cluster", 1)]));
            format!(
                "{pipeline}      ArtifactStore: {{Type: S3, Location: artifacts}}\n  Bucket:\n    Type: AWS::S3::Bucket\n    Properties:\n      BucketName: artifacts\n{properties}"
            )
        };
        let pointed = |properties: &str, control: &str| {
            let text = bucket(properties);
            let checked = checked("a.yaml", &text);
            let found = finding(&checked, control);
            assert_eq!(found.finding.compliance, ComplianceType::NonCompliant, "{found:?}");
            (at(&text, &found.place).to_owned(), found.property_path.clone())
        };
        let versioning = "s3-artifact-bucket-versioning";
        let suspended = "      VersioningConfiguration:\n        Status: Suspended\n";
        let path = "VersioningConfiguration/Status".to_owned();
        assert_eq!(pointed(suspended, versioning), ("Status: Suspended".to_owned(), path));
        assert_eq!(pointed("", versioning), ("Bucket".to_owned(), String::new()));
        let partly =
            "      PublicAccessBlockConfiguration:\n        BlockPublicAcls: true\n        IgnorePublicAcls: false\n";
        let (block, name) = ("PublicAccessBlockConfiguration".to_owned(), "PublicAccessBlockConfiguration".to_owned());
        assert_eq!(pointed(partly, "s3-artifact-bucket-public-access-blocked"), (block, name));
        let customer = "codepipeline-artifact-store-customer-key";
        assert_eq!(pointed("", customer), ("Web".to_owned(), String::new()));
    }

    #[test]
    fn a_part_that_holds_is_not_blamed_for_the_one_that_does_not() {
        let group = "Resources:\n  Group:\n    Type: AWS::CodeDeploy::DeploymentGroup\n    Properties:\n      AlarmConfiguration:\n        Enabled: true\n        Alarms: [{Name: errors}]\n      AutoRollbackConfiguration:\n        Enabled: true\n        Events: [DEPLOYMENT_FAILURE]\n";
        let checked = checked("a.yaml", group);
        let found = finding(&checked, "codedeploy-rollback-on-alarm");
        assert_eq!(found.property_path, "AutoRollbackConfiguration/Events/0");
        assert_eq!(found.place.span.start.line, 10);
    }

    #[test]
    fn an_execution_mode_is_the_place_and_not_the_stages() {
        let text = format!("{}      ExecutionMode: PARALLEL\n", pipeline(&stage("Prod", &[deploy("Cluster", 1)])));
        let checked = checked("a.yaml", &text);
        let found = finding(&checked, "codepipeline-production-execution-mode-ordered");
        assert_eq!(at(&text, &found.place), "ExecutionMode: PARALLEL");
    }

    #[test]
    fn an_open_value_points_at_its_expression() {
        let properties = json!({"BucketName": "b", "VersioningConfiguration": "${Versioning}"});
        let store = json!({"Name": "p", "Stages": [], "ArtifactStore": {"Location": "b"}});
        let resources = vec![("AWS::S3::Bucket", "B", properties), ("AWS::CodePipeline::Pipeline", "P", store)];
        let checked = check().judge_source(&Declared { file: "t.yaml", resources }).unwrap();
        let found = finding(&checked, "s3-artifact-bucket-versioning");
        assert_eq!(found.finding.compliance, ComplianceType::InsufficientData, "{found:?}");
        assert_eq!((found.place.span.start.line, &*found.place.file), (100, "t.yaml"));
        assert_eq!(found.property_path, "VersioningConfiguration");
        assert_eq!(found.related, []);
    }

    #[test]
    fn secrets_of_an_action_point_at_its_variables() {
        let build = "        - Name: Compile2\n          ActionTypeId: {Category: Build, Owner: AWS, Provider: CodeBuild, Version: '1'}\n          Configuration:\n            ProjectName: x\n            EnvironmentVariables: '[{\"name\":\"DB_PASSWORD\",\"value\":\"redacted:secret-like\",\"type\":\"PLAINTEXT\"}]'\n";
        let text = pipeline(&stage("More", &[build.to_owned()]));
        let checked = checked("a.yaml", &text);
        let found = finding(&checked, "codepipeline-actions-no-plaintext-secrets");
        assert_eq!(found.property_path, "Stages/More/Compile2/Configuration/EnvironmentVariables");
        assert!(at(&text, &found.place).starts_with("EnvironmentVariables:"));
    }

    #[test]
    fn many_properties_are_tried_in_bounded_time() {
        let mut text = String::from(
            "Resources:\n  Bucket:\n    Type: AWS::S3::Bucket\n    Properties:\n      BucketName: b\n      LifecycleConfiguration:\n        Rules:\n",
        );
        for nth in 0..3000 {
            writeln!(text, "        - {{Id: r{nth}, Status: Enabled, ExpirationInDays: 1}}").unwrap();
        }
        text.push_str("  Web:\n    Type: AWS::CodePipeline::Pipeline\n    Properties:\n      Stages: []\n      ArtifactStore: {Location: b}\n");
        let checked = checked("a.yaml", &text);
        let found = finding(&checked, "s3-artifact-bucket-growth-bounded");
        assert!(found.property_path.starts_with("LifecycleConfiguration/Rules"), "{}", found.property_path);
    }
}
