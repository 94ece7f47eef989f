//! What the roles around a pipeline may do to it, and the chain that each deployment goes through.
//!
//! In: a pipeline, and the roles, deployment groups and policies of every account. Out: who could approve, open or
//! rewrite the pipeline although it is the one that builds or deploys, and one line per deploying action that leads from
//! the action to the key of its artifacts.

use std::collections::BTreeSet;

use super::Facts;
use super::delivery_path::{APPROVE, ActionPath, DISABLE, ENABLE, OVERRIDE, PipelinePath, UPDATE, account_of};
use super::deploying::{self, Effect, Judged};
use super::joins::Joins;
use super::permissions::{Answer, Request};
use super::pipeline_definition::Definition;
use super::policy_document::matches_pattern;
use super::seen::{Found, Seen, list_at, property, text_at};
use crate::inventory::Resource;

/// All facts that [`put`] adds; they are unknown together if the definition could not be seen.
pub(super) const FACTS: &[&str] = &[
    "approvalRestrictedBy",
    "deliveryChain",
    "gateBypassingRoles",
    "manualApprovals",
    "otherApprovers",
    "releaseManagers",
    "selfApprovingRoles",
    "selfMutationRoles",
];

/// Adds the facts about the roles around the pipeline.
pub(super) fn put(
    facts: &mut Facts,
    resource: &Resource,
    definition: &Definition<'_>,
    judged: &[(usize, &Judged)],
    stack: Option<&str>,
    joins: &Joins,
) {
    let path = match PipelinePath::of(resource) {
        Ok(path) => path,
        Err(sentences) => {
            for fact in FACTS {
                facts.put::<bool>(fact, Err(sentences.clone()));
            }
            return;
        }
    };
    let around = Around { resource, path: &path, joins };
    let gates: BTreeSet<String> = definition.gates().map(super::pipeline_definition::Action::label).collect();
    let own = around.path.roles(joins);
    let everyone = joins.delivery_roles(&path.account);
    facts.put("selfApprovingRoles", around.approving(&own, &gates).decided());
    let itself = self_mutation(&around, definition, stack);
    facts.put("gateBypassingRoles", around.bypassing(&everyone, definition, &itself).decided());
    facts.know("selfMutationRoles", itself);
    put_approvers(facts, &around, &everyone, &gates);
    facts.know("manualApprovals", gates);
    facts.put("deliveryChain", chain(&around, definition, judged));
}

/// A pipeline among its roles.
struct Around<'a> {
    resource: &'a Resource,
    path: &'a PipelinePath,
    joins: &'a Joins,
}

impl Around<'_> {
    /// ARN of a stage or an action, as `PutApprovalResult` and transitions name them.
    fn arn_of(&self, label: &str) -> String {
        format!("{}/{label}", self.resource.uid)
    }

    /// Whether a role may do something to the pipeline, its own policies and those of the organization taken together.
    fn may(&self, role: &str, action: &str, resource: &str) -> Seen<Answer> {
        let Some(permissions) = self.joins.delivery.permissions.get(role) else {
            let sentences = self.joins.gaps.over_resource(role);
            return Err(if sentences.is_empty() { vec![format!("role {role} was not looked at")] } else { sentences });
        };
        let answer = permissions.allows(action, resource)?;
        if answer == Answer::No {
            return Ok(answer);
        }
        let request = Request { action, resource, principal: role };
        let left = self.joins.delivery.denials.leave(&self.path.account, request)?;
        Ok(answer.and(left))
    }

    /// The roles among `roles` that may approve one of the gates.
    fn approving(&self, roles: &Found, gates: &BTreeSet<String>) -> Found {
        let mut found = Found::default();
        if gates.is_empty() {
            return found;
        }
        found.doubt(&roles.doubts);
        for role in &roles.certain {
            for gate in gates {
                match self.may(role, APPROVE, &self.arn_of(gate)) {
                    Ok(Answer::No) => {}
                    Ok(answer) => found.add(said(role, &answer)),
                    Err(sentences) => found.doubt(&sentences),
                }
            }
        }
        found
    }

    /// The roles of the account that may pass by the gates, and how.
    fn bypassing(&self, roles: &Found, definition: &Definition<'_>, itself: &BTreeSet<String>) -> Found {
        let mut found = Found::default();
        found.doubt(&roles.doubts);
        let pipeline = self.resource.uid.as_str().to_owned();
        let stages = definition.stages.iter().map(|stage| self.arn_of(text_at(Some(stage), &["Name"])));
        let places: Vec<String> = std::iter::once(pipeline.clone()).chain(stages).collect();
        for role in &roles.certain {
            for action in [UPDATE, OVERRIDE, ENABLE, DISABLE] {
                if action == UPDATE && itself.contains(role) {
                    continue;
                }
                let targets = if action == UPDATE { std::slice::from_ref(&pipeline) } else { places.as_slice() };
                for target in targets {
                    match self.may(role, action, target) {
                        Ok(Answer::No) => {}
                        Ok(answer) => found.add(format!("{} ({action})", said(role, &answer))),
                        Err(sentences) => found.doubt(&sentences),
                    }
                }
            }
        }
        found
    }
}

fn said(role: &str, answer: &Answer) -> String {
    match answer {
        Answer::Conditionally(keys) => {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            format!("{role} under conditions on {}", keys.join(", "))
        }
        _ => role.to_owned(),
    }
}

/// The roles with which the pipeline replaces its own definition; they have to be able to.
fn self_mutation(around: &Around<'_>, definition: &Definition<'_>, stack: Option<&str>) -> BTreeSet<String> {
    let mut roles = BTreeSet::new();
    for action in &around.path.actions {
        let Some(declared) = definition.actions.get(action.action) else { continue };
        if deploying::effect(declared, stack, around.joins) != Effect::UpdatesItself {
            continue;
        }
        roles.extend(action.role.clone().or_else(|| around.path.role.clone()));
        roles.extend(action.project_role(around.joins).ok().flatten());
        let execution = declared.setting("RoleArn");
        roles.extend((!execution.is_empty()).then(|| execution.to_owned()));
    }
    roles
}

/// Who may approve, compared with the release managers of the configuration.
fn put_approvers(facts: &mut Facts, around: &Around<'_>, everyone: &Found, gates: &BTreeSet<String>) {
    let managers = &around.joins.rules.release_managers;
    facts.know("releaseManagers", managers.clone());
    if managers.is_empty() || gates.is_empty() {
        facts.know("approvalRestrictedBy", BTreeSet::new());
        facts.know("otherApprovers", BTreeSet::new());
        return;
    }
    let account = &around.path.account;
    let targets: Vec<String> = gates.iter().map(|gate| around.arn_of(gate)).collect();
    facts.put("approvalRestrictedBy", around.joins.delivery.denials.reserve(account, APPROVE, &targets, managers));
    let mut others = around.approving(everyone, gates);
    others.certain.retain(|role| {
        let arn = role.split(' ').next().unwrap_or(role);
        !managers.iter().any(|manager| matches_pattern(manager, arn, false))
    });
    others.doubts.push(format!(
        "of account {account} only the roles on its delivery paths are read, so who else may approve is not known; a \
         service control policy that denies {APPROVE} to everyone but release managers would settle it"
    ));
    facts.put("otherApprovers", others.decided());
}

/// One line per deploying action, from the action to the key of its artifacts.
fn chain(around: &Around<'_>, definition: &Definition<'_>, judged: &[(usize, &Judged)]) -> Seen<BTreeSet<String>> {
    let mut lines = BTreeSet::new();
    for (index, judged) in judged.iter().filter(|(_, judged)| judged.deploys != Ok(false)) {
        let Some(action) = around.path.actions.iter().find(|action| action.action == *index) else { continue };
        let mut links =
            vec![if judged.deploys.is_ok() { action.label.clone() } else { format!("{} (may deploy)", action.label) }];
        let role = action.role.as_ref().or(around.path.role.as_ref());
        if let Some(role) = role {
            let account = account_of(role).map_or_else(String::new, |account| format!(" ({account})"));
            links.push(format!("role {role}{account}"));
        }
        if definition.actions.get(*index).is_some_and(|declared| !declared.setting("ProjectName").is_empty()) {
            links.push(match action.project_role(around.joins) {
                Ok(Some(role)) => format!("build role {role}"),
                Ok(None) => "build project (not found)".to_owned(),
                Err(_) => "build role (could not be seen)".to_owned(),
            });
        }
        links.extend(group_links(action, around.joins));
        links.extend(store_links(around.resource, action)?);
        lines.insert(links.join(" → "));
    }
    Ok(lines)
}

fn group_links(action: &ActionPath, joins: &Joins) -> Vec<String> {
    let Some(group) = &action.group else { return Vec::new() };
    let (account, region) = &action.place;
    match action.group_entry(joins) {
        Ok(Some(entry)) => {
            let alarms = match &entry.alarms {
                Ok(alarms) if alarms.is_empty() => "no alarms".to_owned(),
                Ok(alarms) => format!("alarms {}", alarms.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
                Err(_) => "alarms (could not be seen)".to_owned(),
            };
            vec![format!("deployment group {}", entry.arn), alarms]
        }
        Ok(None) => vec![format!("deployment group {group} (not found in {account} {region})")],
        Err(_) => vec![format!("deployment group {group} (could not be seen in {account} {region})")],
    }
}

/// Bucket and key of the store in the Region where the action works.
fn store_links(resource: &Resource, action: &ActionPath) -> Seen<Vec<String>> {
    let several = list_at(property(resource, "ArtifactStores")?, &[]).iter();
    let mut here = several.filter(|entry| text_at(Some(entry), &["Region"]) == action.place.1.as_str());
    let store = here.find_map(|entry| entry.get("ArtifactStore"));
    let Some(store) = store.or(property(resource, "ArtifactStore")?) else { return Ok(Vec::new()) };
    let key = text_at(Some(store), &["EncryptionKey", "Id"]);
    let key = if key.is_empty() { "no key of its own".to_owned() } else { format!("key {key}") };
    Ok(vec![format!("bucket {}", text_at(Some(store), &["Location"])), key])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::super::{Fact, Pipeline, ResourceKind, Rules};
    use super::*;
    use crate::inventory::{Gap, TypeName};

    const SERVICE: &str = "arn:aws:iam::111111111111:role/Pipeline";
    const BUILD: &str = "arn:aws:iam::111111111111:role/Build";
    const DEPLOY: &str = "arn:aws:iam::222222222222:role/Deploy";

    fn role(arn: &str, action: &str) -> Resource {
        let document = json!({"Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}});
        let policies = json!([{"PolicyName": "own", "PolicyDocument": document}]);
        let mut role = resource(TypeName::ROLE, "x", json!({ "Policies": policies }));
        role.uid.0 = arn.to_owned();
        role.account = account_of(arn).unwrap();
        role
    }

    fn project() -> Resource {
        resource(TypeName::PROJECT, "build", json!({"Name": "build", "ServiceRole": BUILD, "DeployCommands": []}))
    }

    fn pipeline() -> Resource {
        let kind = |category: &str, provider: &str| json!({"Category": category, "Owner": "AWS", "Provider": provider, "Version": "1"});
        resource(
            TypeName::PIPELINE,
            "web",
            json!({
                "Name": "web", "RoleArn": SERVICE,
                "ArtifactStore": {"Type": "S3", "Location": "artifacts", "EncryptionKey": {"Id": "k1"}},
                "Stages": [
                    {"Name": "Build", "Actions": [
                        {"Name": "SelfMutate", "ActionTypeId": kind("Build", "CodeBuild"), "Configuration": {"ProjectName": "build"}},
                    ]},
                    {"Name": "Approve", "Actions": [{"Name": "Gate", "ActionTypeId": kind("Approval", "Manual")}]},
                    {"Name": "Prod", "Actions": [{"Name": "Deploy", "ActionTypeId": kind("Deploy", "CodeDeploy"), "RoleArn": DEPLOY,
                        "Configuration": {"ApplicationName": "web", "DeploymentGroupName": "fleet"}}]},
                ],
            }),
        )
    }

    fn facts_by(rules: Rules, more: &[Resource], gaps: &[Gap]) -> Facts {
        let all: Vec<Resource> = more.iter().cloned().chain([pipeline(), project()]).collect();
        Pipeline.facts(&pipeline(), &joins_by(rules, &all, gaps))
    }

    fn set(facts: &Facts, name: &str) -> Result<Vec<String>, String> {
        match facts.known.get(name) {
            Some(Fact::Set(set)) => Ok(set.iter().cloned().collect()),
            _ => Err(facts.unknown[name].join("")),
        }
    }

    fn with(service: &str, build: &str) -> Vec<Resource> {
        vec![role(SERVICE, service), role(BUILD, build), role(DEPLOY, "*")]
    }

    #[test]
    fn a_machine_that_approves_itself() {
        let facts = facts_by(Rules::default(), &with("s3:*", "codepipeline:Put*"), &[]);
        assert_eq!(set(&facts, "selfApprovingRoles"), Ok(vec![BUILD.to_owned()]));
        // The role of the other account may do everything there, and nothing here.
        let facts = facts_by(Rules::default(), &with("s3:*", "s3:*"), &[]);
        assert_eq!(set(&facts, "selfApprovingRoles"), Ok(vec![]));
        assert_eq!(set(&facts, "manualApprovals"), Ok(vec!["Approve/Gate".to_owned()]));
    }

    #[test]
    fn only_self_mutation_may_rewrite_the_pipeline() {
        let facts =
            facts_by(Rules::default(), &with("codepipeline:UpdatePipeline", "codepipeline:UpdatePipeline"), &[]);
        let expected = format!("{SERVICE} (codepipeline:UpdatePipeline)");
        assert_eq!(set(&facts, "gateBypassingRoles").map(|found| found.contains(&expected)), Ok(false));
        assert_eq!(set(&facts, "selfMutationRoles"), Ok(vec![BUILD.to_owned(), SERVICE.to_owned()]));
        let facts = facts_by(Rules::default(), &with("s3:*", "codepipeline:OverrideStageCondition"), &[]);
        let expected = format!("{BUILD} (codepipeline:OverrideStageCondition)");
        assert_eq!(set(&facts, "gateBypassingRoles"), Ok(vec![expected]));
    }

    #[test]
    fn a_role_that_nobody_saw_may_do_anything() {
        let facts = facts_by(Rules::default(), &[role(SERVICE, "s3:*")], &[]);
        assert_eq!(set(&facts, "selfApprovingRoles"), Err(format!("role {BUILD} was not looked at")));
        let gap = denied_types("codebuild:ListProjects", &[TypeName::PROJECT]);
        let facts = facts_by(Rules::default(), &with("s3:*", "s3:*"), &[gap]);
        assert!(set(&facts, "gateBypassingRoles").unwrap_err().contains("codebuild:ListProjects"));
    }

    fn managers() -> Rules {
        Rules { release_managers: ["arn:aws:iam::*:role/ReleaseManager*".to_owned()].into(), ..Rules::default() }
    }

    #[test]
    fn release_managers_and_everybody_else() {
        let facts = facts_by(Rules::default(), &with("*", "*"), &[]);
        assert_eq!((set(&facts, "releaseManagers"), set(&facts, "otherApprovers")), (Ok(vec![]), Ok(vec![])));
        let facts = facts_by(managers(), &with("s3:*", "codepipeline:*"), &[]);
        assert_eq!(set(&facts, "otherApprovers"), Ok(vec![BUILD.to_owned()]));
        let facts = facts_by(managers(), &with("s3:*", "s3:*"), &[]);
        assert!(set(&facts, "otherApprovers").unwrap_err().contains("only the roles on its delivery paths are read"));
        assert_eq!(set(&facts, "approvalRestrictedBy"), Ok(vec![]));
    }

    #[test]
    fn a_policy_of_the_organization_settles_who_approves() {
        let mut own = member("111111111111", None);
        own.properties.insert("ServiceControlPolicies".to_owned(), json!([{"Id": "p-1", "Name": "Managers"}]));
        let statement = json!({"Effect": "Deny", "Action": APPROVE, "Resource": "*",
            "Condition": {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/ReleaseManager*"}}});
        let mut policy = resource(TypeName::POLICY, "p", json!({"Content": {"Statement": statement}}));
        policy.uid.0 = "arn:aws:organizations::999999999999:policy/o-1/service_control_policy/p-1".to_owned();
        let mut all = with("s3:*", "codepipeline:*");
        all.extend([own, policy]);
        let facts = facts_by(managers(), &all, &[]);
        assert_eq!(set(&facts, "approvalRestrictedBy"), Ok(vec!["Managers".to_owned()]));
        assert_eq!(set(&facts, "selfApprovingRoles"), Ok(vec![]), "what an organization denies is not allowed");
    }

    #[test]
    fn the_chain_leads_through_accounts() {
        let mut group = resource_in(
            TypeName::DEPLOYMENT_GROUP,
            "222222222222".parse().unwrap(),
            "web/fleet",
            json!({"ApplicationName": "web", "DeploymentGroupName": "fleet",
                "AlarmConfiguration": {"Enabled": true, "Alarms": [{"Name": "latency"}, {"Name": "errors"}]}}),
        );
        let line = |group: &Resource| {
            let facts = facts_by(Rules::default(), std::slice::from_ref(group), &[]);
            set(&facts, "deliveryChain").unwrap().join("\n")
        };
        assert_eq!(
            line(&group),
            format!(
                "Prod/Deploy → role {DEPLOY} (222222222222) → deployment group {} → alarms errors, latency → bucket \
                 artifacts → key k1",
                group.uid
            )
        );
        group.account = account();
        assert!(line(&group).contains("deployment group web/fleet (not found in 222222222222 eu-west-1)"));
    }

    #[test]
    fn an_unseen_definition_leaves_all_of_it_unknown() {
        let mut hidden = pipeline();
        hidden.properties = json!({"Name": "web"}).as_object().unwrap().clone();
        hidden.unseen.insert("*".to_owned(), denied("codepipeline:GetPipeline"));
        let facts = Pipeline.facts(&hidden, &joins(std::slice::from_ref(&hidden), &[]));
        assert!(FACTS.iter().all(|fact| facts.unknown.contains_key(*fact)));
    }
}
