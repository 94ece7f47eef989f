//! The roles that delivery runs under: of pipelines, of their actions, of build projects and of deployment groups.
//!
//! In: every resource of a run. Out: role ARNs with who uses them, and why there may be more. It exists because what a
//! key's policy says of a role matters only where something delivers with that role.

use std::collections::{BTreeMap, BTreeSet};

use super::joins::Joins;
use super::pipeline_definition::Definition;
use super::seen::{Seen, name, property, text};
use crate::inventory::{AccountId, Resource, TypeName};

/// Roles by ARN.
#[derive(Debug, Default)]
pub(super) struct DeliveryRoles {
    users: BTreeMap<String, BTreeSet<String>>,
    hidden: BTreeMap<AccountId, Vec<String>>,
}

impl DeliveryRoles {
    /// `123456789012/web` of everything that uses the role.
    pub(super) fn users(&self, arn: &str) -> Option<&BTreeSet<String>> {
        self.users.get(arn)
    }

    /// All roles.
    pub(super) fn arns(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(String::as_str)
    }
}

pub(super) fn index(resource: &Resource, joins: &mut Joins) {
    let (roles, named) = match &resource.type_name {
        kind if *kind == TypeName::PIPELINE => (of_pipeline(resource), "Name"),
        kind if *kind == TypeName::PROJECT => (one(resource, "ServiceRole"), "Name"),
        kind if *kind == TypeName::DEPLOYMENT_GROUP => (one(resource, "ServiceRoleArn"), "DeploymentGroupName"),
        _ => return,
    };
    let label = format!("{}/{}", resource.account, name(resource, named));
    match roles {
        Ok(roles) => {
            for role in roles.into_iter().filter(|role| !role.is_empty()) {
                joins.delivery_roles.users.entry(role).or_default().insert(label.clone());
            }
        }
        Err(sentences) => {
            joins.delivery_roles.hidden.entry(resource.account.clone()).or_default().extend(sentences);
        }
    }
}

fn one(resource: &Resource, property: &str) -> Seen<BTreeSet<String>> {
    Ok(text(resource, property)?.into_iter().map(str::to_owned).collect())
}

fn of_pipeline(resource: &Resource) -> Seen<BTreeSet<String>> {
    let mut roles = one(resource, "RoleArn")?;
    let definition = Definition::read(property(resource, "Stages")?);
    roles.extend(definition.actions.iter().map(|action| action.text("RoleArn").to_owned()));
    Ok(roles)
}

/// Why a role of an account may be one that delivers although nothing that was seen names it. Only what lives beside it
/// is asked for: a gap anywhere would leave every role in doubt.
pub(super) fn why_unseen(account: &AccountId, joins: &Joins) -> Vec<String> {
    let mut sentences = joins.delivery_roles.hidden.get(account).cloned().unwrap_or_default();
    for kind in [TypeName::PIPELINE, TypeName::PROJECT, TypeName::DEPLOYMENT_GROUP] {
        sentences.extend(joins.gaps.over(account, None, &kind));
    }
    sentences
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::*;

    #[test]
    fn roles_and_who_uses_them() {
        let pipeline = resource(
            TypeName::PIPELINE,
            "web",
            json!({"Name": "web", "RoleArn": "one", "Stages": [{"Name": "S", "Actions": [{"Name": "A", "RoleArn": "two"}, {"Name": "B"}]}]}),
        );
        let project = resource(TypeName::PROJECT, "build", json!({"Name": "build", "ServiceRole": "two"}));
        let mut hidden = resource(TypeName::PROJECT, "dark", json!({"Name": "dark"}));
        hidden.unseen.insert("*".to_owned(), denied("codebuild:BatchGetProjects"));
        let joins = joins(&[pipeline, project, hidden], &[]);
        assert_eq!(joins.delivery_roles.arns().collect::<Vec<_>>(), ["one", "two"]);
        let users: Vec<_> = joins.delivery_roles.users("two").unwrap().iter().map(String::as_str).collect();
        assert_eq!(users, ["111111111111/build", "111111111111/web"]);
        assert!(why_unseen(&account(), &joins).join("").contains("codebuild:BatchGetProjects"));
    }
}
