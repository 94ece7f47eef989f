//! `pipewarden role`: what the audit role must be allowed, from the collectors themselves; and what deliveries must be, from
//! the receivers.
//!
//! In: the actions that collectors and receivers declare. Out: an IAM policy, or a template that makes the role in every
//! account of an organization as a `StackSet`. JSON, which CloudFormation takes as it takes YAML. Deliveries write, so their
//! permissions are never in the same policy as the audit's, which reads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::Exit;
use super::failure::Failure;
use super::options::{print, say};
use crate::audit::ACCOUNT_ACTIONS;
use crate::collect::COLLECTORS;
use crate::config::Config;
use crate::deliver::{Grant, KINDS, Target};
use crate::history::ACCOUNT_SOURCES;
use crate::inventory::{Partition, Region};
use crate::organization::DIRECTORY_ACTIONS;

/// Which role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RoleOf {
    /// The role in every account
    Member,
    /// The identity that discovers the organization and assumes the others
    Audit,
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// An IAM policy
    Policy,
    /// A template for a stack set: the member role with its trust and permissions
    Cloudformation,
}

/// Options of `role`.
#[derive(Debug, Args)]
pub(super) struct RoleArgs {
    /// Whose permissions
    #[arg(long = "for", value_enum, default_value = "member")]
    role: RoleOf,
    /// What to print
    #[arg(long, value_enum, default_value = "policy")]
    format: Form,
    /// With what `--history` of `audit` reads
    #[arg(long)]
    history: bool,
    /// What deliveries do instead: for the identity that delivers, or its role in the accounts of findings
    #[arg(long, conflicts_with = "history")]
    deliveries: bool,
    /// With --deliveries: allow only what this configuration file delivers to
    #[arg(long, value_name = "FILE", requires = "deliveries")]
    config: Option<PathBuf>,
}

/// The longest managed policy that IAM takes, without white space.
const LONGEST_POLICY: usize = 6_144;

/// What a template says of its role.
struct Words {
    name: &'static str,
    /// Of the role.
    description: &'static str,
    /// Of its policies.
    permissions: &'static str,
}

const AUDIT: Words = Words {
    name: "PipewardenAudit",
    description: "Entered by pipewarden to audit the software delivery path; read-only",
    permissions: "Reads the configuration of the delivery path, never its contents",
};
const DELIVER: Words = Words {
    name: "PipewardenDeliver",
    description: "Entered by pipewarden to deliver findings; reads nothing",
    permissions: "Imports findings of pipewarden",
};

pub(super) fn run(args: &RoleArgs) -> Result<Exit, Failure> {
    let (actions, words) =
        if args.deliveries { (of_deliveries(args.role), DELIVER) } else { (actions(args.role, args.history), AUDIT) };
    let document = match (args.format, args.role) {
        (Form::Policy, role) => {
            let policy = match (args.deliveries, role) {
                (true, RoleOf::Audit) => {
                    let (targets, partition) = targets(args)?;
                    let policy = delivering(&targets, partition, targets.is_empty() && args.config.is_none());
                    // IAM takes no policy without a statement.
                    if policy.pointer("/Statement/0").is_none() {
                        say("what is configured calls no AWS service, so there is nothing to allow");
                        return Ok(Exit::Compliant);
                    }
                    policy
                }
                _ => policy(&actions),
            };
            if length(&policy) > LONGEST_POLICY {
                say(&format!(
                    "this policy has more than {LONGEST_POLICY} characters, the most that IAM takes as one; `--format cloudformation` splits it"
                ));
            }
            policy
        }
        (Form::Cloudformation, RoleOf::Member) => template(&actions, &words),
        (Form::Cloudformation, RoleOf::Audit) => {
            return Err(Failure::usage(
                "the template is of the role in every account; `--for audit` prints what the identity that starts the audit may do, as a policy",
            ));
        }
    };
    let text = serde_json::to_string_pretty(&document).map_err(|error| Failure::failed(&error))?;
    print(&|out| writeln!(out, "{text}"))?;
    Ok(Exit::Compliant)
}

fn actions(role: RoleOf, history: bool) -> Vec<&'static str> {
    let sources = ACCOUNT_SOURCES.iter().filter(|_| history).flat_map(|source| source.actions());
    let actions: BTreeSet<&str> = match role {
        RoleOf::Member => {
            COLLECTORS.iter().flat_map(|c| c.actions()).chain(ACCOUNT_ACTIONS).chain(sources).copied().collect()
        }
        RoleOf::Audit => DIRECTORY_ACTIONS.iter().copied().chain(["sts:AssumeRole"]).collect(),
    };
    actions.into_iter().collect()
}

/// What deliveries call, all kinds together.
fn of_deliveries(role: RoleOf) -> Vec<&'static str> {
    let actions: BTreeSet<&str> = KINDS
        .iter()
        .flat_map(|kind| match role {
            RoleOf::Member => kind.member_actions(),
            RoleOf::Audit => kind.actions(),
        })
        .copied()
        .collect();
    actions.into_iter().collect()
}

fn targets(args: &RoleArgs) -> Result<(Vec<Target>, Partition), Failure> {
    let config = Config::read(args.config.as_deref()).map_err(Failure::usage)?;
    let partition = partition(config.home_region, &|name| std::env::var(name).ok());
    Ok((config.deliveries.targets, partition))
}

/// Of the home Region, which the configuration names, or the environment as the SDKs read it. AWS is not asked.
fn partition(home: Option<Region>, variable: &dyn Fn(&str) -> Option<String>) -> Partition {
    let of_environment =
        || ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(|name| variable(name)?.parse().ok());
    home.or_else(of_environment).as_ref().map_or(Partition::Aws, Partition::of_region)
}

/// A policy of exactly what is configured; of everything that could be, where nobody names a configuration.
fn delivering(targets: &[Target], partition: Partition, all: bool) -> Value {
    let grants: Vec<Grant> = if all {
        vec![Grant { actions: of_deliveries(RoleOf::Audit), resources: vec!["*".to_owned()] }]
    } else {
        targets.iter().flat_map(|target| target.receiver.grants(partition)).collect()
    };
    let mut by_actions: BTreeMap<BTreeSet<&str>, BTreeSet<String>> = BTreeMap::new();
    for grant in grants {
        by_actions.entry(grant.actions.into_iter().collect()).or_default().extend(grant.resources);
    }
    let statements: Vec<Value> = by_actions
        .into_iter()
        .enumerate()
        .map(|(nth, (actions, resources))| {
            json!({"Sid": format!("PipewardenDelivers{}", nth + 1), "Effect": "Allow", "Action": actions, "Resource": resources})
        })
        .collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn policy(actions: &[&str]) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{"Sid": "Pipewarden", "Effect": "Allow", "Action": actions, "Resource": "*"}],
    })
}

/// As IAM counts: without white space.
fn length(policy: &Value) -> usize {
    policy.to_string().chars().filter(|character| !character.is_whitespace()).count()
}

/// The actions in as few policies as IAM takes them, in order.
fn split<'a>(actions: &[&'a str]) -> Vec<Vec<&'a str>> {
    let mut parts: Vec<Vec<&str>> = Vec::new();
    for action in actions {
        let fits = parts.last_mut().filter(|part| {
            let longer: Vec<&str> = part.iter().chain([action]).copied().collect();
            length(&policy(&longer)) <= LONGEST_POLICY
        });
        match fits {
            Some(part) => part.push(action),
            None => parts.push(vec![action]),
        }
    }
    parts
}

fn reference(name: &str) -> Value {
    json!({"Ref": name})
}

/// The member role for a `StackSet`: whom it trusts is a parameter, what it may do is not.
fn template(actions: &[&str], words: &Words) -> Value {
    json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "The role that pipewarden enters in every account. Deploy it as a service-managed StackSet with CAPABILITY_NAMED_IAM; StackSets leave the management account out, so add it there as a stack if that account is audited through a role.",
        "Parameters": parameters(words),
        "Conditions": {"WithExternalId": {"Fn::Not": [{"Fn::Equals": [reference("ExternalId"), ""]}]}},
        "Resources": resources(actions, words),
        "Outputs": {"RoleArn": {
            "Description": "The role in this account",
            "Value": {"Fn::GetAtt": ["Role", "Arn"]},
        }},
    })
}

fn parameters(words: &Words) -> Value {
    json!({
        "AuditRoleArn": {
            "Type": "String",
            "Description": "The role or user that starts the audit, or the last role of its chain",
            "AllowedPattern": "arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+",
        },
        "OrganizationId": {
            "Type": "String",
            "Description": "Only principals of this organization may enter",
            "AllowedPattern": "o-[a-z0-9]{10,32}",
        },
        "ExternalId": {
            "Type": "String",
            "Default": "",
            "Description": "The external id in pipewarden.toml, if one is used",
            "AllowedPattern": "|[A-Za-z0-9+=,.@:/_-]{2,1224}",
        },
        "RoleName": {
            "Type": "String",
            "Default": words.name,
            "Description": "The name in pipewarden.toml; the same in every account",
            "AllowedPattern": "[A-Za-z0-9+=,.@_-]{1,64}",
        },
        "MaxSessionDuration": {
            "Type": "Number",
            "Default": 3600,
            "MinValue": 3600,
            "MaxValue": 43200,
            "Description": "Seconds; at least duration_seconds in pipewarden.toml",
        },
    })
}

/// The role and as many managed policies as its actions need.
fn resources(actions: &[&str], words: &Words) -> serde_json::Map<String, Value> {
    let parts = split(actions);
    let names: Vec<String> = (1..=parts.len()).map(|nth| format!("Reads{nth}")).collect();
    let policies: Vec<Value> = names.iter().map(|name| reference(name)).collect();
    let mut resources = serde_json::Map::new();
    for (name, part) in names.iter().zip(&parts) {
        let properties = json!({"Description": words.permissions, "PolicyDocument": policy(part)});
        resources.insert(name.clone(), json!({"Type": "AWS::IAM::ManagedPolicy", "Properties": properties}));
    }
    let role = json!({
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": reference("RoleName"),
            "Description": words.description,
            "MaxSessionDuration": reference("MaxSessionDuration"),
            "AssumeRolePolicyDocument": trust(),
            "ManagedPolicyArns": policies,
        },
    });
    resources.insert("Role".to_owned(), role);
    resources
}

/// Source identity and session tags are asked for by `[role]` in `pipewarden.toml`; STS wants them allowed here.
fn trust() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "TheAuditOfOurOrganization",
            "Effect": "Allow",
            "Principal": {"AWS": reference("AuditRoleArn")},
            "Action": ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"],
            "Condition": {"StringEquals": {
                "aws:PrincipalOrgID": reference("OrganizationId"),
                "sts:ExternalId": {"Fn::If": ["WithExternalId", reference("ExternalId"), reference("AWS::NoValue")]},
            }},
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(node: &Value, found: &mut BTreeSet<String>) {
        match node {
            Value::Object(fields) => {
                if let Some(name) = fields.get("Ref").and_then(Value::as_str) {
                    found.insert(name.to_owned());
                }
                fields.values().for_each(|child| references(child, found));
            }
            Value::Array(items) => items.iter().for_each(|child| references(child, found)),
            _ => {}
        }
    }

    /// Actions of all managed policies of a template; each is as short as IAM wants it.
    fn allowed(template: &Value) -> Vec<String> {
        let mut allowed = Vec::new();
        let resources = template["Resources"].as_object().unwrap();
        for resource in resources.values().filter(|resource| resource["Type"] == "AWS::IAM::ManagedPolicy") {
            let policy = &resource["Properties"]["PolicyDocument"];
            assert!(length(policy) <= LONGEST_POLICY, "{}", length(policy));
            let actions = policy["Statement"][0]["Action"].as_array().unwrap();
            allowed.extend(actions.iter().map(|action| action.as_str().unwrap().to_owned()));
        }
        allowed
    }

    #[test]
    fn the_template_allows_what_collectors_declare_and_refers_to_what_there_is() {
        let actions = actions(RoleOf::Member, false);
        let text = serde_json::to_string_pretty(&template(&actions, &AUDIT)).unwrap();
        let template: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(allowed(&template), actions);
        let mut used = BTreeSet::new();
        references(&template, &mut used);
        let parameters: BTreeSet<String> = template["Parameters"].as_object().unwrap().keys().cloned().collect();
        let known = |name: &str| {
            name == "AWS::NoValue" || parameters.contains(name) || template["Resources"].get(name).is_some()
        };
        assert!(used.iter().all(|name| known(name)), "{used:?}");
        assert!(parameters.iter().all(|name| used.contains(name)), "{parameters:?}");
        let trust = &template["Resources"]["Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0];
        assert_eq!(trust["Condition"]["StringEquals"]["aws:PrincipalOrgID"]["Ref"], "OrganizationId");
        assert_eq!(trust["Principal"]["AWS"]["Ref"], "AuditRoleArn");
        let condition = trust["Condition"]["StringEquals"]["sts:ExternalId"]["Fn::If"][0].as_str().unwrap();
        assert!(template["Conditions"].get(condition).is_some());
    }

    #[test]
    fn the_audit_may_not_do_what_deliveries_do() {
        let (member, audit) = (actions(RoleOf::Member, true), actions(RoleOf::Audit, false));
        for kind in KINDS {
            let writes = |action: &&str| !["sts:AssumeRole", "s3:ListBucket", "s3:GetObject"].contains(action);
            for action in kind.actions().iter().chain(kind.member_actions()).copied().filter(|action| writes(action)) {
                assert!(!member.contains(&action) && !audit.contains(&action), "{action}");
            }
        }
        let template = template(&of_deliveries(RoleOf::Member), &DELIVER);
        assert_eq!(allowed(&template), ["securityhub:BatchImportFindings"]);
        assert_eq!(template["Parameters"]["RoleName"]["Default"], "PipewardenDeliver");
    }

    #[test]
    fn deliveries_may_do_what_is_configured_and_no_more() {
        let everything = delivering(&[], Partition::Aws, true);
        assert_eq!(everything["Statement"][0]["Action"], json!(of_deliveries(RoleOf::Audit)));
        let tables = BTreeMap::from([(
            "s3".to_owned(),
            json!([{"name": "a", "bucket": "archive"}, {"name": "b", "bucket": "vault", "prefix": "x/"}]),
        )]);
        let deliveries = crate::deliver::Deliveries::read(&tables).unwrap();
        let policy = delivering(&deliveries.targets, Partition::Aws, false);
        let text = policy.to_string();
        assert!(!text.contains("\"*\"") && !text.contains("sns:") && !text.contains("kms:"), "{text}");
        let on_buckets = json!(["arn:aws:s3:::archive", "arn:aws:s3:::vault"]);
        let statements = policy["Statement"].as_array().unwrap();
        assert!(statements.iter().any(|s| s["Action"] == json!(["s3:ListBucket"]) && s["Resource"] == on_buckets));
        assert!(text.contains("arn:aws:s3:::vault/x/runs/*"), "{text}");
    }

    #[test]
    fn resources_are_in_the_partition_of_the_home_region() {
        let nothing = |_: &str| None;
        let environment = |name: &str| (name == "AWS_DEFAULT_REGION").then(|| "us-gov-west-1".to_owned());
        let home = || Some("cn-north-1".parse().unwrap());
        assert_eq!(partition(home(), &environment), Partition::AwsCn);
        assert_eq!(partition(None, &environment), Partition::AwsUsGov);
        assert_eq!(partition(None, &nothing), Partition::Aws);
        let tables = BTreeMap::from([
            ("s3".to_owned(), json!({"bucket": "archive"})),
            ("security_hub".to_owned(), json!({"role": "PipewardenDeliver"})),
            ("email".to_owned(), json!({"from": "audit@example.com", "to": ["security@example.com"]})),
        ]);
        let deliveries = crate::deliver::Deliveries::read(&tables).unwrap();
        let text = delivering(&deliveries.targets, Partition::AwsCn, false).to_string();
        assert!(text.contains("arn:aws-cn:iam::*:role/PipewardenDeliver"), "{text}");
        assert!(text.contains("arn:aws-cn:s3:::archive") && text.contains("arn:aws-cn:ses:"), "{text}");
        assert!(!text.contains("arn:aws:"), "{text}");
        let tables = BTreeMap::from([(
            "security_hub".to_owned(),
            json!({"role": "arn:{partition}:iam::{account}:role/team/PipewardenDeliver"}),
        )]);
        let deliveries = crate::deliver::Deliveries::read(&tables).unwrap();
        let text = delivering(&deliveries.targets, Partition::AwsUsGov, false).to_string();
        assert!(text.contains("arn:aws-us-gov:iam::*:role/team/PipewardenDeliver"), "{text}");
    }

    #[test]
    fn a_configuration_that_calls_no_aws_service_is_allowed_nothing() {
        let tables = BTreeMap::from([("webhook".to_owned(), json!({"url_env": "HOOK", "format": "slack"}))]);
        let deliveries = crate::deliver::Deliveries::read(&tables).unwrap();
        for targets in [deliveries.targets, Vec::new()] {
            assert_eq!(delivering(&targets, Partition::Aws, false)["Statement"], json!([]));
        }
    }

    #[test]
    fn many_actions_are_split_without_losing_any() {
        let many: Vec<String> =
            (0..1_000).map(|nth| format!("service{nth:04}:DescribeSomethingOfSomeLength")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let template = template(&many, &AUDIT);
        assert_eq!(allowed(&template), many);
        let attached = template["Resources"]["Role"]["Properties"]["ManagedPolicyArns"].as_array().unwrap();
        assert!(
            attached.len() > 5 && attached.len() <= 10,
            "IAM attaches ten policies to a role, not {}",
            attached.len()
        );
    }
}
