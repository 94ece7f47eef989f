//! What a build runs in, and what it is given.
//!
//! In: a project's environment, network and limits. Out: how far a build could reach if somebody else decided what it
//! does.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Facts;
use super::joins::Joins;
use super::project_use::Identity;
use super::seen::{Found, Seen, at, flag, list_at, number, property, tags, text_at};
use crate::inventory::{AccountId, Resource, is_redacted, is_redacted_secret, looks_secret};

/// The service's own limit where a project has none.
const DEFAULT_TIMEOUT_MINUTES: i64 = 60;

/// Images that AWS maintains and CodeBuild offers by name.
const MANAGED_IMAGES: &str = "aws/codebuild/";

/// Types of variables whose value says where the secret is, not what it is.
const REFERENCES: [&str; 2] = ["PARAMETER_STORE", "SECRETS_MANAGER"];

/// Facts about the environment, unknown together.
const FACTS: &[&str] = &[
    "image",
    "imageOrigin",
    "imagePinned",
    "imagePullCredentials",
    "plaintextSecretVariables",
    "privilegedMode",
    "secretVariables",
];

pub(super) fn put(facts: &mut Facts, resource: &Resource, joins: &Joins) {
    let environment = property(resource, "Environment");
    facts.put("buildPowers", powers(resource, &environment, joins).decided());
    facts.put("privilegedModeAllowed", privileged_mode_allowed(resource, joins));
    facts.put("inVpc", property(resource, "VpcConfig").map(|vpc| !text_at(vpc, &["VpcId"]).is_empty()));
    facts.put("timeoutMinutes", whole(resource, "TimeoutInMinutes", DEFAULT_TIMEOUT_MINUTES));
    facts.put("concurrentBuildLimit", whole(resource, "ConcurrentBuildLimit", 0));
    let environment = match environment {
        Ok(environment) => environment,
        Err(sentences) => {
            for fact in FACTS {
                facts.put::<bool>(fact, Err(sentences.clone()));
            }
            return;
        }
    };
    facts.know("privilegedMode", privileged(environment));
    facts.know("secretVariables", variables(environment, &is_reference));
    facts.know("plaintextSecretVariables", variables(environment, &is_plaintext_secret));
    let image = text_at(environment, &["Image"]);
    facts.know("image", image);
    facts.know("imagePinned", image.contains("@sha256:"));
    facts.put("imageOrigin", image_origin(image, resource, joins));
    facts.know("imagePullCredentials", text_at(environment, &["ImagePullCredentialsType"]));
}

fn whole(resource: &Resource, name: &str, default: i64) -> Seen<i64> {
    Ok(property(resource, name)?.and_then(number).unwrap_or(default))
}

fn privileged(environment: Option<&Value>) -> bool {
    at(environment, &["PrivilegedMode"]).and_then(flag).unwrap_or(false)
}

/// Why whoever decides what the build does would gain something.
fn powers(resource: &Resource, environment: &Seen<Option<&Value>>, joins: &Joins) -> Found {
    let mut found = Found::default();
    match environment {
        Ok(environment) => {
            if privileged(*environment) {
                found.add("privileged mode");
            }
            let secret = |variable: &Value| is_reference(variable) || is_plaintext_secret(variable);
            let secrets = variables(*environment, &secret);
            found.certain.extend(secrets.into_iter().map(|name| format!("secret {name}")));
        }
        Err(sentences) => found.doubt(sentences),
    }
    match Identity::of(resource, joins).environment(joins) {
        Ok(environment) if environment.is_production() => found.add(environment.into_words()),
        Ok(_) => {}
        Err(sentences) => found.doubt(&sentences),
    }
    found
}

/// The names of variables for which `holds`.
fn variables(environment: Option<&Value>, holds: &dyn Fn(&Value) -> bool) -> BTreeSet<String> {
    let variables = list_at(environment, &["EnvironmentVariables"]).iter().filter(|variable| holds(variable));
    variables.map(|variable| text_at(Some(variable), &["Name"]).to_owned()).collect()
}

fn is_reference(variable: &Value) -> bool {
    let [kind, value] = ["Type", "Value"].map(|field| text_at(Some(variable), &[field]));
    REFERENCES.contains(&kind) && !is_redacted_secret(value)
}

/// Collectors leave a word in the value's place; templates may still hold the value. What stands in a reference and
/// looks like a secret is no reference.
fn is_plaintext_secret(variable: &Value) -> bool {
    let [name, value, kind] = ["Name", "Value", "Type"].map(|field| text_at(Some(variable), &[field]));
    is_redacted_secret(value) || !REFERENCES.contains(&kind) && !is_redacted(value) && looks_secret(name, value)
}

/// Whether the configuration allows this project what builds of images need.
fn privileged_mode_allowed(resource: &Resource, joins: &Joins) -> Seen<bool> {
    let rules = &joins.rules.builds;
    if rules.privileged_projects.contains(&Identity::of(resource, joins).label()) {
        return Ok(true);
    }
    if rules.privileged_tags.is_empty() {
        return Ok(false);
    }
    let allows = |(key, value): (&String, &String)| {
        rules.privileged_tags.iter().any(|(known, values)| {
            let named = values.is_empty() || values.iter().any(|allowed| allowed.eq_ignore_ascii_case(value));
            known.eq_ignore_ascii_case(key) && named
        })
    };
    Ok(tags(resource)?.iter().any(allows))
}

/// `aws-managed`, `own-registry` (an ECR registry of the organization), `other-registry`, or `none`.
fn image_origin(image: &str, resource: &Resource, joins: &Joins) -> Seen<&'static str> {
    if image.is_empty() {
        return Ok("none");
    }
    if image.starts_with(MANAGED_IMAGES) {
        return Ok("aws-managed");
    }
    let Some(account) = registry_account(image) else { return Ok("other-registry") };
    let own = account == resource.account || joins.is_own_account(&account)?;
    Ok(if own { "own-registry" } else { "other-registry" })
}

/// The account of `123456789012.dkr.ecr.eu-west-1.amazonaws.com/name`.
fn registry_account(image: &str) -> Option<AccountId> {
    let host = image.split('/').next()?;
    let (account, rest) = host.split_once(".dkr.ecr")?;
    let rest = rest.strip_prefix("-fips").unwrap_or(rest);
    let of_aws = rest.starts_with('.') && (rest.ends_with(".amazonaws.com") || rest.ends_with(".amazonaws.com.cn"));
    if of_aws { account.parse().ok() } else { None }
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::super::{Fact, Project, ResourceKind, Rules};
    use super::*;
    use crate::inventory::TypeName;

    fn facts_in(environment: Value, others: &[Resource]) -> Facts {
        let project = resource(TypeName::PROJECT, "web", json!({ "Environment": environment }));
        Project.facts(&project, &joins(others, &[]))
    }

    fn facts(environment: Value) -> Facts {
        facts_in(environment, &[])
    }

    fn set(facts: &Facts, name: &str) -> Vec<String> {
        match &facts.known[name] {
            Fact::Set(set) => set.iter().cloned().collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn variables_and_what_a_build_could_reach() {
        let variable = |name: &str, kind: &str, value: &str| json!({"Name": name, "Type": kind, "Value": value});
        let facts = facts(json!({"PrivilegedMode": "true", "EnvironmentVariables": [
            variable("STAGE", "PLAINTEXT", "redacted"), variable("TOKEN", "PLAINTEXT", "redacted:secret-like"),
            {"Name": "PASSWORD", "Value": "hunter2"}, variable("DB", "SECRETS_MANAGER", "delivery/database"),
            variable("WRONG", "SECRETS_MANAGER", "redacted:secret-like"),
        ]}));
        assert_eq!(set(&facts, "plaintextSecretVariables"), ["PASSWORD", "TOKEN", "WRONG"]);
        assert_eq!(set(&facts, "secretVariables"), ["DB"]);
        assert_eq!(
            set(&facts, "buildPowers"),
            ["privileged mode", "secret DB", "secret PASSWORD", "secret TOKEN", "secret WRONG"]
        );
        let production = facts_in(json!({}), &[member("111111111111", Some(("environment", "prod")))]);
        assert_eq!(set(&production, "buildPowers"), ["account 111111111111 tagged environment=prod"]);
        assert!(set(&facts_in(json!({}), &[]), "buildPowers").is_empty());
    }

    #[test]
    fn where_an_image_comes_from() {
        let origin = |image: &str, others: &[Resource]| {
            facts_in(json!({ "Image": image }), others).known.get("imageOrigin").cloned()
        };
        let is = |word: &str| Some(Fact::Text(word.to_owned()));
        let members = [member("111111111111", None), member("222222222222", None)];
        assert_eq!(origin("aws/codebuild/standard:7.0", &[]), is("aws-managed"));
        assert_eq!(origin("111111111111.dkr.ecr.eu-west-1.amazonaws.com/x:1", &[]), is("own-registry"));
        assert_eq!(origin("222222222222.dkr.ecr-fips.us-gov-west-1.amazonaws.com/x:1", &members), is("own-registry"));
        assert_eq!(origin("333333333333.dkr.ecr.eu-west-1.amazonaws.com/x:1", &members), is("other-registry"));
        assert_eq!(origin("333333333333.dkr.ecr.eu-west-1.amazonaws.com/x:1", &[]), None);
        assert_eq!(origin("111111111111.dkr.ecr.example.com/x:1", &members), is("other-registry"));
        assert_eq!(origin("node:22", &[]), is("other-registry"));
        let pinned = |image: &str| facts(json!({ "Image": image })).known["imagePinned"] == Fact::Bool(true);
        assert!(pinned("node@sha256:0123") && !pinned("node:22"));
    }

    #[test]
    fn privileged_mode_by_tag_or_name_only_where_the_configuration_says_so() {
        let allowed = |change: fn(&mut Rules)| {
            let mut project = resource(TypeName::PROJECT, "images", json!({"Name": "images"}));
            project.tags.insert("Privileged-Build".to_owned(), "Approved".to_owned());
            let mut rules = Rules::default();
            change(&mut rules);
            Project.facts(&project, &joins_by(rules, &[], &[])).known["privilegedModeAllowed"] == Fact::Bool(true)
        };
        assert!(!allowed(|_| {}));
        assert!(allowed(|rules| {
            rules.builds.privileged_tags.insert("privileged-build".to_owned(), ["approved".to_owned()].into());
        }));
        assert!(allowed(|rules| {
            rules.builds.privileged_tags.insert("privileged-build".to_owned(), [].into());
        }));
        assert!(!allowed(|rules| {
            rules.builds.privileged_tags.insert("privileged-build".to_owned(), ["asked".to_owned()].into());
        }));
        assert!(allowed(|rules| {
            rules.builds.privileged_projects.insert("111111111111/images".to_owned());
        }));
        assert!(!allowed(|rules| {
            rules.builds.privileged_projects.insert("222222222222/images".to_owned());
        }));
    }

    #[test]
    fn limits_have_the_services_own_defaults() {
        let facts = facts(json!({}));
        assert_eq!(facts.known["timeoutMinutes"], Fact::Long(60));
        assert_eq!(facts.known["concurrentBuildLimit"], Fact::Long(0));
        assert_eq!(facts.known["inVpc"], Fact::Bool(false));
    }
}
