//! AWS Config's own rules about the delivery path, and what AWS Config finds by them.
//!
//! In: a scope. Out: `AWS::Config::ConfigRule` for every managed rule that looks at something a delivery is made of. All
//! other rules are left out: an account may have hundreds, and each page of their compliance is a slow call.

use std::collections::BTreeMap;

use aws_sdk_config::Client;
use aws_sdk_config::types::ConfigRule;

use super::fields::Fields;
use super::pages::all_pages;
use super::{CallError, Collected, Scope};
use crate::inventory::{Resource, TypeName};

pub(super) const DESCRIBE_RULES: &str = "config:DescribeConfigRules";
pub(super) const DESCRIBE_COMPLIANCE: &str = "config:DescribeComplianceByConfigRule";

/// Beginnings of the identifiers of managed rules about pipelines, builds, deployments and where artifacts lie.
const DELIVERY: [&str; 5] = ["CODEPIPELINE_", "CODEBUILD_", "CODEDEPLOY_", "ECR_", "S3_"];

/// Names that one call takes.
const NAMES_PER_CALL: usize = 25;

/// The rules with their compliance.
pub(super) async fn read(scope: &Scope, client: &Client) -> Collected {
    let listed = all_pages(DESCRIBE_RULES, |token| async move {
        let ask = || client.describe_config_rules().set_next_token(token.clone()).send();
        let page = scope.call(DESCRIBE_RULES, ask).await?;
        Ok((page.config_rules.unwrap_or_default(), page.next_token))
    })
    .await;
    let mut collected = Collected::default();
    let mut errors: Vec<CallError> = listed.error.into_iter().collect();
    let mut rules: Vec<(String, Resource)> = Vec::new();
    for rule in listed.items.iter().filter(|rule| is_about_delivery(rule)) {
        match resource(scope, rule) {
            Some(rule) => rules.push(rule),
            None => errors.push(CallError::malformed(DESCRIBE_RULES, "a rule without name or ARN")),
        }
    }
    collected.gaps = errors.into_iter().map(|error| error.unlisted(scope, &[TypeName::CONFIG_RULE])).collect();
    rules.sort_by(|(a, _), (b, _)| a.cmp(b));
    for chunk in rules.chunks_mut(NAMES_PER_CALL) {
        add_compliance(scope, client, chunk).await;
    }
    collected.resources = rules.into_iter().map(|(_, resource)| resource).collect();
    collected
}

fn is_about_delivery(rule: &ConfigRule) -> bool {
    let identifier = rule.source().and_then(|source| source.source_identifier()).unwrap_or_default();
    DELIVERY.iter().any(|beginning| identifier.starts_with(beginning))
}

fn resource(scope: &Scope, rule: &ConfigRule) -> Option<(String, Resource)> {
    let name = rule.config_rule_name().filter(|name| !name.is_empty())?;
    let uid = rule.config_rule_arn().filter(|arn| !arn.is_empty())?;
    let mut resource =
        Resource::live(TypeName::CONFIG_RULE, uid.to_owned(), scope.account.clone(), scope.region.clone());
    let source = rule.source().map(|source| {
        Fields::new().text("Owner", Some(source.owner())).text("SourceIdentifier", source.source_identifier()).value()
    });
    resource.properties = Fields::new()
        .text("ConfigRuleName", Some(name))
        .put("Source", source)
        .text("ConfigRuleState", rule.config_rule_state())
        .properties();
    Some((name.to_owned(), resource))
}

async fn add_compliance(scope: &Scope, client: &Client, rules: &mut [(String, Resource)]) {
    let names: Vec<String> = rules.iter().map(|(name, _)| name.clone()).collect();
    let names = &names;
    let listed = all_pages(DESCRIBE_COMPLIANCE, |token| async move {
        let ask = || {
            let call = client.describe_compliance_by_config_rule().set_config_rule_names(Some(names.clone()));
            call.set_next_token(token.clone()).send()
        };
        let page = scope.call(DESCRIBE_COMPLIANCE, ask).await?;
        Ok((page.compliance_by_config_rules.unwrap_or_default(), page.next_token))
    })
    .await;
    let found: BTreeMap<&str, &str> = listed
        .items
        .iter()
        .filter_map(|entry| Some((entry.config_rule_name()?, entry.compliance()?.compliance_type()?.as_str())))
        .collect();
    for (name, resource) in rules {
        match (found.get(name.as_str()), &listed.error) {
            (Some(compliance), _) => {
                resource.properties.insert("ComplianceType".to_owned(), (*compliance).into());
            }
            (None, Some(error)) => error.clone().hides(scope, resource, &["ComplianceType"]),
            (None, None) => {
                let missing = CallError::malformed(DESCRIBE_COMPLIANCE, "no compliance of a rule that exists");
                missing.hides(scope, resource, &["ComplianceType"]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_config::types::{Owner, Source};

    use super::*;

    #[test]
    fn only_rules_about_the_delivery_path_are_read() {
        let about = |identifier: &str| {
            let source = Source::builder().owner(Owner::Aws).source_identifier(identifier).build().unwrap();
            is_about_delivery(&ConfigRule::builder().source(source).build())
        };
        assert!(about("CODEPIPELINE_DEPLOYMENT_COUNT_CHECK") && about("S3_BUCKET_VERSIONING_ENABLED"));
        assert!(!about("IAM_PASSWORD_POLICY"));
        assert!(!about("arn:aws:lambda:eu-west-1:111122223333:function:S3_CHECK"));
        assert!(!is_about_delivery(&ConfigRule::builder().build()));
    }
}
