//! `Git::Repository`: a repository that something builds from, and who owns it.
//!
//! In: a repository as its provider tells of it, and the pipelines that take its branches. Out: its facts.

use std::collections::BTreeSet;

use serde_json::Value;

use super::branch::{aliases, provider, put_use, texts, told};
use super::joins::Joins;
use super::seen::{Seen, flag, name, number, text_or};
use super::{Facts, ResourceKind};
use crate::inventory::{Resource, TypeName};

/// Source repositories.
pub struct Repository;

impl ResourceKind for Repository {
    fn type_name(&self) -> TypeName {
        TypeName::REPOSITORY
    }

    fn action(&self) -> &'static str {
        "Host"
    }

    fn facts(&self, resource: &Resource, joins: &Joins) -> Facts {
        let mut facts = Facts::default();
        facts.know("name", name(resource, "RepositoryId"));
        facts.put("provider", provider(resource).map(str::to_owned));
        facts.put("enforceable", provider(resource).map(enforceable));
        let prefixes: Vec<String> = aliases(resource).iter().map(|alias| format!("{alias}/refs/heads/")).collect();
        let users = prefixes.iter().flat_map(|prefix| {
            let branches =
                joins.source_users.range(prefix.clone()..).take_while(move |(name, _)| name.starts_with(prefix));
            branches.flat_map(|(_, users)| users)
        });
        put_use(&mut facts, resource, users, joins);
        // An empty repository has no default branch.
        facts.put("defaultBranch", text_or(resource, "DefaultBranch", ""));
        facts.put("owner", where_enforceable(resource, "owner", "Owner", word));
        facts.put("visibility", where_enforceable(resource, "visibility", "Visibility", word));
        facts.put(
            "ownerDefaultPermission",
            where_enforceable(resource, "basePermission", "OwnerDefaultPermission", word),
        );
        facts.put("ownerAdministrators", where_enforceable(resource, "administrators", "OwnerAdministrators", number));
        facts.put("secretFiles", where_enforceable(resource, "secretFiles", "SecretFiles", texts));
        for (fact, feature, property) in [
            ("secretScanning", "secretScanning", "SecretScanning"),
            ("secretScanningPushProtection", "pushProtection", "SecretScanningPushProtection"),
            ("dependencyAlerts", "dependencyAlerts", "DependencyAlerts"),
            ("ownerTwoFactorRequired", "twoFactor", "OwnerTwoFactorRequired"),
        ] {
            facts.put(fact, where_enforceable(resource, feature, property, flag));
        }
        facts
    }
}

/// What each provider can be asked about a repository and its owner. Who enters an AWS account is no matter of
/// `CodeCommit`; scans that run in a CI job are no setting that could be asked for.
fn enforceable(provider: &str) -> BTreeSet<String> {
    let names: &[&str] = match provider {
        "CodeCommit" => &["owner", "secretFiles"],
        "GitHub" | "GitHubEnterpriseServer" => &[
            "owner",
            "visibility",
            "basePermission",
            "administrators",
            "secretScanning",
            "pushProtection",
            "dependencyAlerts",
            "twoFactor",
        ],
        "GitLab" | "GitLabSelfManaged" => &["owner", "visibility", "administrators", "twoFactor"],
        "Bitbucket" => &["owner", "visibility"],
        _ => &["owner", "visibility", "basePermission", "administrators", "twoFactor"],
    };
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn where_enforceable<T: Default>(
    resource: &Resource,
    feature: &str,
    name: &str,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Seen<T> {
    if enforceable(provider(resource)?).contains(feature) { told(resource, name, read) } else { Ok(T::default()) }
}

fn word(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Fact;
    use super::super::testing::*;
    use super::*;

    fn repository(provider: &str, properties: Value) -> Resource {
        let mut repository = resource(TypeName::REPOSITORY, "web", properties);
        repository.uid.0 = "https://github.com/acme/web".to_owned();
        repository.properties.insert("Provider".to_owned(), json!(provider));
        repository.properties.insert("RepositoryId".to_owned(), json!("acme/web"));
        repository
    }

    fn complete() -> Value {
        json!({
            "Owner": "acme", "DefaultBranch": "main", "Visibility": "private", "SecretScanning": true,
            "SecretScanningPushProtection": false, "DependencyAlerts": true, "OwnerTwoFactorRequired": true,
            "OwnerDefaultPermission": "read", "OwnerAdministrators": 3,
        })
    }

    #[test]
    fn what_the_provider_tells_and_what_it_cannot() {
        let facts = Repository.facts(&repository("GitHub", complete()), &joins(&[], &[]));
        assert!(facts.unknown.is_empty(), "{:?}", facts.unknown);
        assert_eq!(facts.known["ownerDefaultPermission"], Fact::Text("read".to_owned()));
        assert_eq!(facts.known["secretFiles"], Fact::Set(BTreeSet::new()));
        let own = json!({"Owner": "111111111111", "DefaultBranch": "main", "SecretFiles": [".env"]});
        let facts = Repository.facts(&repository("CodeCommit", own), &joins(&[], &[]));
        assert!(facts.unknown.is_empty(), "{:?}", facts.unknown);
        assert_eq!(facts.known["secretFiles"], Fact::Set(BTreeSet::from([".env".to_owned()])));
        assert_eq!(facts.known["visibility"], Fact::Text(String::new()));
    }

    #[test]
    fn a_silent_provider_has_not_said_no() {
        for property in complete().as_object().unwrap().keys().filter(|name| *name != "DefaultBranch") {
            let mut silent = repository("GitHub", complete());
            silent.properties.remove(property);
            let facts = Repository.facts(&silent, &joins(&[], &[]));
            assert_eq!(facts.unknown.len(), 1, "{property}: {:?}", facts.unknown);
            let mut hidden = repository("GitHub", complete());
            hidden.unseen.insert(property.clone(), denied("github:GetRepository"));
            let facts = Repository.facts(&hidden, &joins(&[], &[]));
            assert_eq!(facts.unknown.len(), 1, "{property}: {:?}", facts.unknown);
        }
    }

    #[test]
    fn its_branches_users_are_its_own() {
        let settings = json!({"Owner": "acme", "Repo": "web", "Branch": "main"});
        let pipeline = resource(
            TypeName::PIPELINE,
            "site",
            json!({"Name": "site", "Stages": [{"Name": "Source", "Actions": [{"Name": "Code",
                "ActionTypeId": {"Category": "Source", "Owner": "ThirdParty", "Provider": "GitHub"}, "Configuration": settings}]}]}),
        );
        let facts = Repository.facts(&repository("GitHub", complete()), &joins(&[pipeline], &[]));
        assert_eq!(facts.known["builtBy"], Fact::Set(BTreeSet::from(["111111111111/site".to_owned()])));
        assert_eq!(facts.known["releasesToProduction"], Fact::Bool(false));
    }
}
