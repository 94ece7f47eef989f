//! Which pipelines run a build project, what for, and whether that makes it production.
//!
//! In: the actions of pipelines, then whether each pipeline releases to production. Out: facts of a project, and the
//! trust that others ask about. It exists because a project says nothing of who runs it.

use std::collections::BTreeSet;

use super::Facts;
use super::joins::{ByPlace, Joins, Place, place};
use super::pipeline_definition::Definition;
use super::production::{Environment, is_one_of};
use super::seen::{Found, Seen, name, property, tags};
use super::words::words;
use crate::inventory::{Arn, Resource};

/// An action that runs a project.
#[derive(Debug)]
pub(super) struct UsedProject {
    place: Place,
    name: String,
    /// `Stage/Action`, if the action is a test.
    test: Option<String>,
}

/// What pipelines do with a project.
#[derive(Debug, Default)]
pub(super) struct ProjectUse {
    /// `123456789012/web`
    by: BTreeSet<String>,
    /// Those of them that release to production.
    production: Found,
    /// `123456789012/web: Stage/Action`
    tests: BTreeSet<String>,
}

/// The projects that a pipeline runs; none where its stages could not be seen, which is kept elsewhere.
pub(super) fn of_pipeline(resource: &Resource) -> Vec<UsedProject> {
    let definition = Definition::read(property(resource, "Stages").ok().flatten());
    let builds = definition.actions.iter().filter(|action| action.provider == "CodeBuild");
    let used = builds.filter_map(|action| {
        let name = action.setting("ProjectName");
        let account = Arn::parse(action.text("RoleArn")).ok().and_then(|arn| arn.account_id());
        let region = action.text("Region").parse().unwrap_or_else(|_| resource.region.clone());
        (!name.is_empty()).then(|| UsedProject {
            place: (account.unwrap_or_else(|| resource.account.clone()), region),
            name: name.to_owned(),
            test: (action.category == "Test").then(|| action.label()),
        })
    });
    used.collect()
}

/// Keeps what a pipeline does, now that it is known whether it releases to production.
pub(super) fn finish(uses: &mut ByPlace<ProjectUse>, label: &str, used: &[UsedProject], production: &Seen<bool>) {
    for project in used {
        let of_place = uses.entry(project.place.clone()).or_default();
        let entry = of_place.entry(project.name.clone()).or_default();
        entry.by.insert(label.to_owned());
        entry.production.add_if(label, production);
        entry.tests.extend(project.test.iter().map(|action| format!("{label}: {action}")));
    }
}

/// A project as far as its environment depends on it, small enough to keep.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) place: Place,
    pub(super) name: String,
    tagged: Seen<Environment>,
}

impl Identity {
    pub(super) fn of(resource: &Resource, joins: &Joins) -> Self {
        Self {
            place: place(resource),
            name: name(resource, "Name").to_owned(),
            tagged: tags(resource).map(|tags| joins.classifier.by_tags(tags, "project")),
        }
    }

    /// `123456789012/web`
    pub(super) fn label(&self) -> String {
        format!("{}/{}", self.place.0, self.name)
    }

    fn uses<'a>(&self, joins: &'a Joins) -> Option<&'a ProjectUse> {
        joins.project_uses.get(&self.place)?.get(&self.name)
    }

    /// The pipelines that run it.
    pub(super) fn used_by(&self, joins: &Joins) -> Found {
        let certain = self.uses(joins).map(|uses| uses.by.clone()).unwrap_or_default();
        Found { certain, doubts: self.why_more_pipelines(joins) }
    }

    /// Only pipelines beside the project are asked for: a gap anywhere would leave every project in doubt.
    fn why_more_pipelines(&self, joins: &Joins) -> Vec<String> {
        joins.hidden_pipelines(&self.place.0)
    }

    /// A production pipeline that runs it decides; else its account, its tags and its name.
    pub(super) fn environment(&self, joins: &Joins) -> Seen<Environment> {
        let mut used = self.uses(joins).map(|uses| uses.production.clone()).unwrap_or_default();
        used.doubt(&self.why_more_pipelines(joins));
        if !used.certain.is_empty() {
            let by: Vec<String> = used.certain.into_iter().collect();
            return Ok(Environment::Production(format!("production pipeline {}", by.join(", "))));
        }
        let mut doubts = Vec::new();
        let named = joins.classifier.by_name("project name", &self.name);
        for answer in [joins.environment_of(&self.place.0), self.tagged.clone(), Ok(named)] {
            match answer {
                Ok(Environment::Undecided) => {}
                Ok(Environment::Production(why)) => return Ok(Environment::Production(why)),
                Ok(decided) if used.doubts.is_empty() => return Ok(decided),
                Ok(_) => break,
                Err(sentences) => doubts.extend(sentences),
            }
        }
        doubts.extend(used.doubts);
        if doubts.is_empty() { Ok(Environment::Undecided) } else { Err(doubts) }
    }

    /// Whether something production depends on it.
    pub(super) fn production(&self, joins: &Joins) -> Seen<bool> {
        Ok(self.environment(joins)?.is_production())
    }
}

/// Words that say that a project tests.
const TEST_WORDS: &[&str] = &["test", "tests", "testing"];

pub(super) fn put(facts: &mut Facts, resource: &Resource, joins: &Joins) {
    let identity = Identity::of(resource, joins);
    let environment = identity.environment(joins);
    facts.put("production", environment.as_ref().map(Environment::is_production).map_err(Clone::clone));
    facts.put("productionClassification", environment.map(Environment::into_words));
    facts.put("usedBy", identity.used_by(joins).decided());
    let mut tests = Found { doubts: identity.why_more_pipelines(joins), ..Found::default() };
    tests.certain.extend(identity.uses(joins).into_iter().flat_map(|uses| uses.tests.iter().cloned()));
    if words(&identity.name).iter().any(|word| is_one_of(word, TEST_WORDS)) {
        tests.add(format!("project name {}", identity.name));
    }
    facts.put("testProject", tests.decided().map(|tests| !tests.is_empty()));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::*;
    use super::super::{Fact, Project, ResourceKind};
    use super::*;
    use crate::inventory::{Gap, TypeName};

    fn pipeline(name: &str, stage: &str, category: &str) -> Resource {
        let kind = |category: &str, provider: &str| json!({"Category": category, "Provider": provider, "Owner": "AWS"});
        let stages = json!([
            {"Name": "Build", "Actions": [
                {"Name": "Run", "ActionTypeId": kind(category, "CodeBuild"), "Configuration": {"ProjectName": "web"}},
            ]},
            {"Name": stage, "Actions": [{"Name": "Deploy", "ActionTypeId": kind("Deploy", "ECS")}]},
        ]);
        resource(TypeName::PIPELINE, name, json!({"Name": name, "Stages": stages}))
    }

    fn facts(name: &str, others: &[Resource], gaps: &[Gap]) -> Facts {
        let project = resource(TypeName::PROJECT, name, json!({"Name": name}));
        let all: Vec<Resource> = others.iter().cloned().chain([project.clone()]).collect();
        Project.facts(&project, &joins(&all, gaps))
    }

    fn known(facts: &Facts, name: &str) -> Option<Fact> {
        facts.known.get(name).cloned()
    }

    #[test]
    fn what_makes_a_project_production() {
        let production = |name: &str, others: &[Resource], gaps: &[Gap]| {
            let facts = facts(name, others, gaps);
            known(&facts, "productionClassification").map(|why| (known(&facts, "production").unwrap(), why))
        };
        let answer = |flag: bool, why: &str| Some((Fact::Bool(flag), Fact::Text(why.to_owned())));
        let dev = member("111111111111", Some(("environment", "dev")));
        let live = pipeline("ship", "Live", "Build");
        let gap = denied_types("codepipeline:ListPipelines", &[TypeName::PIPELINE]);
        let used = answer(true, "production pipeline 111111111111/ship");
        assert_eq!(production("web", &[], &[]), answer(false, ""));
        assert_eq!(production("web", std::slice::from_ref(&live), &[]), used);
        assert_eq!(production("web", &[pipeline("ship", "Dev", "Build")], &[]), answer(false, ""));
        let in_dev = "not production: account 111111111111 tagged environment=dev";
        assert_eq!(production("web", std::slice::from_ref(&dev), &[]), answer(false, in_dev));
        assert_eq!(production("web", &[dev], std::slice::from_ref(&gap)), None);
        assert_eq!(production("web", &[], std::slice::from_ref(&gap)), None);
        assert_eq!(production("web-prod", &[], &[gap]), answer(true, "project name web-prod"));
    }

    #[test]
    fn tests_are_known_by_the_action_or_the_name() {
        let tests = |name: &str, others: &[Resource], gaps: &[Gap]| known(&facts(name, others, gaps), "testProject");
        assert_eq!(tests("web", &[pipeline("ship", "Dev", "Test")], &[]), Some(Fact::Bool(true)));
        assert_eq!(tests("web", &[pipeline("ship", "Dev", "Build")], &[]), Some(Fact::Bool(false)));
        assert_eq!(tests("unit-tests", &[], &[]), Some(Fact::Bool(true)));
        assert_eq!(tests("latest", &[], &[]), Some(Fact::Bool(false)));
        let gap = denied_types("codepipeline:ListPipelines", &[TypeName::PIPELINE]);
        assert_eq!(tests("web", &[], &[gap]), None);
    }

    #[test]
    fn a_pipeline_runs_a_project_where_its_role_and_region_say() {
        let action: Value = json!({
            "Name": "Run", "ActionTypeId": {"Category": "Build", "Provider": "CodeBuild"}, "Region": "us-east-1",
            "RoleArn": "arn:aws:iam::222222222222:role/build", "Configuration": {"ProjectName": "web"},
        });
        let pipeline = resource(TypeName::PIPELINE, "p", json!({"Stages": [{"Name": "S", "Actions": [action]}]}));
        let [used] = &of_pipeline(&pipeline)[..] else { panic!() };
        assert_eq!(used.place, ("222222222222".parse().unwrap(), "us-east-1".parse().unwrap()));
        assert_eq!((used.name.as_str(), &used.test), ("web", &None));
    }
}
