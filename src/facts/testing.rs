//! Small builders for the tests of this module.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

use super::{Joins, ProductionRules, Rules};
use crate::inventory::{AccountId, Affects, Gap, GapCause, Inventory, Region, Resource, TypeName};

pub(super) const NOW: OffsetDateTime = datetime!(2026-11-21 02:00 UTC);

pub(super) fn account() -> AccountId {
    "111111111111".parse().unwrap()
}

pub(super) fn region() -> Region {
    "eu-west-1".parse().unwrap()
}

pub(super) fn denied(action: &str) -> Gap {
    Gap {
        account: account(),
        region: region(),
        service: action.split(':').next().unwrap().to_owned(),
        action: action.to_owned(),
        cause: GapCause::AccessDenied { message: "no".to_owned() },
        affects: Affects::Details,
    }
}

pub(super) fn denied_types(action: &str, types: &[TypeName]) -> Gap {
    Gap { affects: Affects::Types { types: types.to_vec() }, ..denied(action) }
}

/// A live resource in the standard account and Region.
pub(super) fn resource(type_name: TypeName, name: &str, properties: Value) -> Resource {
    resource_in(type_name, account(), name, properties)
}

pub(super) fn resource_in(type_name: TypeName, account: AccountId, name: &str, properties: Value) -> Resource {
    let uid = match type_name.as_str() {
        "AWS::S3::Bucket" => format!("arn:aws:s3:::{name}"),
        "AWS::KMS::Key" => format!("arn:aws:kms:eu-west-1:{account}:key/{name}"),
        "AWS::CloudTrail::Trail" => format!("arn:aws:cloudtrail:eu-west-1:{account}:trail/{name}"),
        "AWS::CodeDeploy::DeploymentGroup" => format!("arn:aws:codedeploy:eu-west-1:{account}:deploymentgroup:{name}"),
        "AWS::Organizations::Account" => format!("arn:aws:organizations::999999999999:account/o-own/{account}"),
        "AWS::CloudWatch::Alarm" | "AWS::CloudWatch::CompositeAlarm" => {
            format!("arn:aws:cloudwatch:eu-west-1:{account}:alarm:{name}")
        }
        "AWS::CodeBuild::Project" => format!("arn:aws:codebuild:eu-west-1:{account}:project/{name}"),
        "AWS::CodeBuild::ReportGroup" => format!("arn:aws:codebuild:eu-west-1:{account}:report-group/{name}"),
        "AWS::CodeBuild::SourceCredential" => format!("arn:aws:codebuild:eu-west-1:{account}:token/{name}"),
        "AWS::SecretsManager::Secret" => format!("arn:aws:secretsmanager:eu-west-1:{account}:secret:{name}"),
        _ => format!("arn:aws:codepipeline:eu-west-1:{account}:{name}"),
    };
    let mut resource = Resource::live(type_name, uid, account, region());
    resource.properties = properties.as_object().unwrap().clone();
    resource
}

/// An account of the organization, with one tag.
pub(super) fn member(id: &str, tag: Option<(&str, &str)>) -> Resource {
    let properties = json!({
        "AccountId": id, "AccountName": format!("account-{id}"), "State": "ACTIVE", "ParentIds": ["r-1", "ou-1"],
        "OrganizationalUnitPath": "/Workloads", "ManagementAccount": false, "ServiceControlPolicies": [],
        "ResourceControlPolicies": [], "DelegatedServices": [],
        "EnabledPolicyTypes": ["RESOURCE_CONTROL_POLICY", "SERVICE_CONTROL_POLICY"],
    });
    let mut member = resource_in(TypeName::ACCOUNT, id.parse().unwrap(), id, properties);
    member.region = Region::GLOBAL;
    member.tags = tag.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    member
}

pub(super) fn joins(resources: &[Resource], gaps: &[Gap]) -> Joins {
    joins_under(ProductionRules::default(), resources, gaps)
}

pub(super) fn joins_under(production: ProductionRules, resources: &[Resource], gaps: &[Gap]) -> Joins {
    joins_by(Rules { production, ..Rules::default() }, resources, gaps)
}

pub(super) fn joins_by(rules: Rules, resources: &[Resource], gaps: &[Gap]) -> Joins {
    let mut joins = Joins::new(rules, NOW, 7);
    joins.index(&Inventory { resources: resources.to_vec(), gaps: gaps.to_vec(), ..Inventory::default() });
    joins.finish();
    joins
}
