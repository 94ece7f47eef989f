//! What the tests of this module share: a template, checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::Value;
use time::macros::datetime;

use super::judge::{Check, Checked};
use crate::evaluate::{Policies, Settings};
use crate::facts::Rules;
use crate::finding::{ComplianceType, TemplateFinding};
use crate::inventory::{Position, Span};
use crate::template::{
    Assignment, Choice, Document, Files, Holes, Limits, Node, Place, Raw, Reading, Source, format_of, identity,
};

static POLICIES: LazyLock<Policies> =
    LazyLock::new(|| Policies::load(&Policies::embedded(), &BTreeSet::new()).unwrap());
static RULES: LazyLock<Rules> = LazyLock::new(Rules::default);
static PLACE: LazyLock<Place> = LazyLock::new(|| Place::new(None, None));

struct Nothing;

impl Files for Nothing {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("not there".to_owned())
    }

    fn list(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

pub(crate) fn policies() -> &'static Policies {
    &POLICIES
}

pub(crate) fn check() -> Check<'static> {
    Check::new(&POLICIES, &Settings::default(), &RULES, datetime!(2026-11-21 00:00 UTC), None, &PLACE).unwrap()
}

/// Findings on a CloudFormation template.
pub(crate) fn checked(file: &str, text: &str) -> Checked {
    let document = Document::read(file, text.as_bytes(), &Limits::default()).unwrap();
    let parameters = BTreeMap::new();
    let reading = Reading { files: &Nothing, parameters: &parameters, place: &PLACE, limits: Limits::default() };
    let parsed = format_of(&document).unwrap().read(document, &reading);
    let mut all = Checked::default();
    for group in &parsed.groups {
        all.add(check().judge(group).unwrap());
    }
    all
}

/// The finding of a control.
pub(crate) fn finding<'c>(checked: &'c Checked, control: &str) -> &'c TemplateFinding {
    checked.findings.iter().find(|one| one.finding.control == control).unwrap()
}

pub(crate) fn open(checked: &Checked) -> Vec<&TemplateFinding> {
    checked.findings.iter().filter(|one| one.finding.compliance < ComplianceType::Compliant).collect()
}

/// Resources without a format; `${NAME}` as a whole value is a hole.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) file: &'static str,
    /// Type, logical id, properties.
    pub(crate) resources: Vec<(&'static str, &'static str, Value)>,
}

impl Source for Declared {
    fn choices(&self) -> Vec<Choice> {
        Vec::new()
    }

    fn declare(&self, _: &Assignment, holes: &mut Holes) -> Vec<Raw> {
        let at = |line: u32| {
            let start = Position { line, column: 1 };
            Span { start, end: Position { line, column: 9 } }
        };
        let resources = (1..).zip(&self.resources);
        let raws = resources.map(|(line, (type_name, id, properties))| {
            let mut properties = properties.clone();
            for value in properties.as_object_mut().unwrap().values_mut() {
                let name =
                    value.as_str().and_then(|text| text.strip_prefix("${")?.strip_suffix('}')).map(str::to_owned);
                if let Some(name) = name {
                    *value = holes.token(&name, &self.file.into(), at(100), "pass it with --parameters").into();
                }
            }
            let node = Node::from_value(&properties, at(line));
            let named = identity::naming_property(type_name).and_then(|property| node.text_at(&[property]));
            Raw {
                type_name: (*type_name).to_owned(),
                logical_id: (*id).to_owned(),
                name: identity::name(id, named),
                file: self.file.into(),
                span: at(line),
                construct_path: None,
                place: PLACE.clone(),
                stack: None,
                properties: node,
                more: None,
            }
        });
        raws.collect()
    }
}

/// A pipeline of a source, a build and these stages.
pub(crate) fn pipeline(stages: &str) -> String {
    let mut text = String::from(
        "Resources:\n  Web:\n    Type: AWS::CodePipeline::Pipeline\n    Properties:\n      Name: web\n      PipelineType: V2\n      Stages:\n",
    );
    text.push_str(&stage("Source", &[action("Checkout", "Source", "CodeStarSourceConnection", 1)]));
    text.push_str(&stage("Build", &[action("Compile", "Build", "CodeBuild", 1)]));
    text.push_str(stages);
    text
}

pub(crate) fn stage(name: &str, actions: &[String]) -> String {
    format!("      - Name: {name}\n        Actions:\n{}", actions.concat())
}

pub(crate) fn action(name: &str, category: &str, provider: &str, order: u32) -> String {
    format!(
        "        - ActionTypeId: {{Category: {category}, Owner: AWS, Provider: {provider}, Version: '1'}}\n          Name: {name}\n          RunOrder: {order}\n"
    )
}
