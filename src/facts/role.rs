//! `AWS::IAM::Role`: the roles that pipelines, actions, builds and deployments work with.
//!
//! In: a role, and everything that is known to use it. Out: its facts: what it may do that leads further, whom it trusts
//! beyond its users, and whether production and anything else share it.

use serde_json::Value;

use super::delivery_path::{Duty, RoleUse};
use super::escalation;
use super::joins::Joins;
use super::let_in::LetIn;
use super::permissions::Permissions;
use super::seen::{Found, Seen, name, property};
use super::trust::Trust;
use super::{Facts, ResourceKind};
use crate::inventory::{AccountId, Arn, Resource, TypeName};

/// Roles on the delivery path.
pub struct Role;

impl ResourceKind for Role {
    fn type_name(&self) -> TypeName {
        TypeName::ROLE
    }

    fn action(&self) -> &'static str {
        "Assume"
    }

    fn facts(&self, resource: &Resource, joins: &Joins) -> Facts {
        let mut facts = Facts::default();
        let name = name(resource, "RoleName");
        facts.know("name", name.rsplit('/').next().unwrap_or(name));
        facts.put_tags(resource);
        let uses = joins.delivery.users_of(resource.uid.as_str());
        put_use(&mut facts, uses, resource, joins);
        put_trust(&mut facts, uses, resource, joins);
        let permissions = Permissions::of_role(resource);
        facts.put("administrativePolicies", escalation::administrative(&permissions).decided());
        let escalations = escalation::escalations(resource.uid.as_str(), &permissions);
        facts.put("privilegeEscalations", escalations.decided());
        facts
    }
}

/// Who works with the role, and for what.
fn put_use(facts: &mut Facts, uses: &[RoleUse], resource: &Resource, joins: &Joins) {
    let (mut used_by, mut production, mut other) = (Found::default(), Found::default(), Found::default());
    let mut abroad = Found::default();
    // One that nobody owned up to stands in the account that names it; its ARN says where it is.
    let said = Arn::parse(resource.uid.as_str()).ok().and_then(|arn| arn.account.parse::<AccountId>().ok());
    let home = said.as_ref().unwrap_or(&resource.account);
    let mut serves = false;
    for one in uses {
        used_by.add(&one.label);
        serves |= one.duty != Duty::Action;
        if one.duty == Duty::Action && one.account != *home {
            abroad.add(&one.label);
        }
        if let Some(in_production) = &one.production {
            production.add_if(&one.label, in_production);
            other.add_if(&one.label, &in_production.clone().map(|holds| !holds));
        }
    }
    // Beside the role, and in accounts that it trusts: a gap anywhere would leave every role in doubt.
    let kinds = [TypeName::PIPELINE, TypeName::PROJECT, TypeName::DEPLOYMENT_GROUP];
    let mut hidden = joins.hidden_uses(home, &kinds);
    if *home != resource.account {
        // What the account that owns it does with it, nobody saw.
        hidden.extend(resource.unseen.get("*").map(crate::inventory::Gap::sentence));
    }
    let let_in = LetIn::of(&property(resource, "AssumeRolePolicyDocument"), &["sts:AssumeRole"]);
    // Only actions of pipelines work with roles of other accounts.
    let why = |account: &AccountId| joins.hidden_uses(account, &[TypeName::PIPELINE]);
    let hidden_abroad = joins.hidden_abroad(home, &let_in, why);
    for found in [&mut used_by, &mut production, &mut other] {
        found.doubt(&hidden);
        found.doubt(&hidden_abroad);
    }
    abroad.doubt(&hidden_abroad);
    facts.put("usedBy", used_by.decided());
    facts.put("serviceRole", if serves || hidden.is_empty() { Ok(serves) } else { Err(hidden) });
    facts.put("crossAccountActions", abroad.decided());
    facts.put("productionUses", production.decided());
    facts.put("nonProductionUses", other.decided());
}

/// Facts of the trust policy, unknown together if it could not be seen.
const OF_TRUST: &[&str] =
    &["excessTrust", "looseGitHubTrust", "trustedPrincipals", "trustsGitHub", "unguardedServices"];

fn put_trust(facts: &mut Facts, uses: &[RoleUse], resource: &Resource, joins: &Joins) {
    let document: Seen<Option<&Value>> = property(resource, "AssumeRolePolicyDocument");
    let document = match document {
        Ok(document) => document.cloned().unwrap_or_default(),
        Err(sentences) => {
            for fact in OF_TRUST {
                facts.put::<bool>(fact, Err(sentences.clone()));
            }
            return;
        }
    };
    let trust = Trust::new(&document);
    facts.know("trustedPrincipals", trust.principals());
    facts.put("excessTrust", trust.excess(&resource.account, uses, joins).decided());
    let unguarded = trust.unguarded_services(&resource.account, joins.organization.as_deref());
    facts.put("unguardedServices", unguarded.decided());
    facts.know("trustsGitHub", trust.trusts_github());
    facts.know("looseGitHubTrust", trust.loose_github());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Fact;
    use super::super::testing::*;
    use super::*;

    const ROLE: &str = "arn:aws:iam::111111111111:role/Work";

    fn role(properties: Value) -> Resource {
        let mut role = resource(TypeName::ROLE, "Work", properties);
        role.uid.0 = ROLE.to_owned();
        role
    }

    fn pipeline(name: &str, stage: &str) -> Resource {
        let kind = json!({"Category": "Deploy", "Owner": "AWS", "Provider": "ECS", "Version": "1"});
        let build = json!({"Category": "Build", "Owner": "AWS", "Provider": "CodeBuild", "Version": "1"});
        resource(
            TypeName::PIPELINE,
            name,
            json!({"Name": name, "RoleArn": ROLE, "Stages": [
                {"Name": "Build", "Actions": [{"Name": "B", "ActionTypeId": build, "Configuration": {"ProjectName": "build"}}]},
                {"Name": stage, "Actions": [{"Name": "A", "ActionTypeId": kind}]},
            ]}),
        )
    }

    fn set(facts: &Facts, name: &str) -> Vec<String> {
        match facts.known.get(name) {
            Some(Fact::Set(set)) => set.iter().cloned().collect(),
            other => panic!("{name}: {other:?} {:?}", facts.unknown.get(name)),
        }
    }

    #[test]
    fn an_action_of_a_dark_account_may_work_with_a_role_that_trusts_it() {
        let dark = crate::inventory::Gap {
            account: "222222222222".parse().unwrap(),
            affects: crate::inventory::Affects::Account,
            ..denied("sts:AssumeRole")
        };
        let joins = joins(&[pipeline("web", "Production")], &[dark]);
        let trusting = |principal: serde_json::Value| {
            let statement = json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal});
            Role.facts(&role(json!({"AssumeRolePolicyDocument": {"Statement": statement}})), &joins)
        };
        let alone = trusting(json!({"Service": "codepipeline.amazonaws.com"}));
        assert!(set(&alone, "crossAccountActions").is_empty() && set(&alone, "nonProductionUses").is_empty());
        let open = trusting(json!({"AWS": "arn:aws:iam::222222222222:root"}));
        assert!(open.unknown["crossAccountActions"].join("").contains("sts:AssumeRole in 222222222222"));
        assert!(open.unknown.contains_key("nonProductionUses"));
        assert_eq!(set(&open, "productionUses"), ["111111111111/web"]);
    }

    #[test]
    fn production_and_the_rest_share_a_role() {
        let facts = |resources: &[Resource]| Role.facts(&role(json!({})), &joins(resources, &[]));
        let shared = facts(&[pipeline("web", "Prod"), pipeline("lab", "Dev")]);
        assert_eq!(set(&shared, "productionUses"), ["111111111111/web"]);
        assert_eq!(set(&shared, "nonProductionUses"), ["111111111111/lab"]);
        assert_eq!(shared.known["serviceRole"], Fact::Bool(true));
        let alone = facts(&[pipeline("web", "Prod")]);
        assert_eq!(set(&alone, "nonProductionUses"), Vec::<String>::new());
        assert_eq!(set(&alone, "crossAccountActions"), Vec::<String>::new());
    }

    #[test]
    fn a_build_works_for_the_pipelines_that_run_it() {
        let project =
            resource(TypeName::PROJECT, "build", json!({"Name": "build", "ServiceRole": ROLE, "DeployCommands": []}));
        let mut other = pipeline("web", "Prod");
        other.properties.insert("RoleArn".to_owned(), json!("arn:aws:iam::111111111111:role/Other"));
        let facts = Role.facts(&role(json!({})), &joins(&[other, project], &[]));
        assert_eq!(set(&facts, "productionUses"), ["111111111111/web Build/B"]);
        assert_eq!(set(&facts, "usedBy"), ["111111111111/web Build/B", "project 111111111111/build"]);
    }

    #[test]
    fn a_role_that_nobody_owned_up_to_is_not_of_the_account_that_names_it() {
        let mut nowhere = role(json!({}));
        nowhere.uid.0 = "arn:aws:iam::222222222222:role/Deploy".to_owned();
        nowhere.unseen.insert("*".to_owned(), denied("sts:AssumeRole"));
        let mut pipeline = pipeline("web", "Prod");
        pipeline.properties["Stages"][1]["Actions"][0]["RoleArn"] = json!(nowhere.uid.as_str());
        let facts = Role.facts(&nowhere, &joins(&[pipeline], &[]));
        assert_eq!(set(&facts, "crossAccountActions"), ["111111111111/web Prod/A"]);
        // What its own account does with it, nobody saw either.
        for fact in ["excessTrust", "nonProductionUses", "serviceRole"] {
            assert!(facts.unknown.contains_key(fact), "{fact}");
        }
    }

    #[test]
    fn a_role_of_another_account_knows_who_becomes_it() {
        let mut there = role(json!({"AssumeRolePolicyDocument": {"Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ["arn:aws:iam::111111111111:root", "333333333333"]}},
        ]}}));
        there.uid.0 = "arn:aws:iam::222222222222:role/Deploy".to_owned();
        there.account = "222222222222".parse().unwrap();
        let mut pipeline = pipeline("web", "Prod");
        pipeline.properties["Stages"][1]["Actions"][0]["RoleArn"] = json!(there.uid.as_str());
        let facts = Role.facts(&there, &joins(&[pipeline], &[]));
        assert_eq!(set(&facts, "crossAccountActions"), ["111111111111/web Prod/A"]);
        assert_eq!(set(&facts, "productionUses"), ["111111111111/web Prod/A"]);
        assert_eq!(set(&facts, "excessTrust"), ["333333333333"]);
        assert_eq!(facts.known["serviceRole"], Fact::Bool(false));
    }

    #[test]
    fn hidden_pipelines_leave_the_use_unknown() {
        let gap = denied_types("codepipeline:ListPipelines", &[TypeName::PIPELINE]);
        let facts = Role.facts(&role(json!({})), &joins(&[], &[gap]));
        for fact in ["usedBy", "serviceRole", "productionUses", "nonProductionUses"] {
            assert!(facts.unknown.contains_key(fact), "{fact}");
        }
    }

    #[test]
    fn each_unseen_property_leaves_its_facts_unknown() {
        let of_policies = vec!["administrativePolicies", "privilegeEscalations"];
        for (property, mut expected) in [
            ("AssumeRolePolicyDocument", OF_TRUST.to_vec()),
            ("Policies", of_policies.clone()),
            ("AttachedPolicies", of_policies),
            ("Tags", vec!["tags", "tagKeys"]),
        ] {
            let mut hidden = role(json!({"RoleName": "Work"}));
            hidden.unseen.insert(property.to_owned(), denied("iam:X"));
            let facts = Role.facts(&hidden, &joins(&[], &[]));
            expected.sort_unstable();
            assert_eq!(facts.unknown.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), expected, "{property}");
        }
    }
}
