//! The names and ARNs that declared resources will have.
//!
//! In: a type, a name and a place. Out: what `Ref` and `Fn::GetAtt` give, and the uid that the collectors would find it
//! under. It exists because joins between resources work on names and ARNs, live and declared alike: both sides of a
//! reference must come out as the same text.

use super::node::Node;
use super::source::{Place, Raw};

/// How a type is named: its naming property, its ARN, and what `Ref` gives.
struct Naming {
    type_name: &'static str,
    /// The property that sets the name; empty where there is none.
    property: &'static str,
    /// The ARN with `{p}` partition, `{r}` Region, `{a}` account and `{n}` name.
    arn: &'static str,
    /// What `Ref` gives, in the same form.
    reference: &'static str,
}

const fn naming(type_name: &'static str, property: &'static str, arn: &'static str, reference: &'static str) -> Naming {
    Naming { type_name, property, arn, reference }
}

/// Shapes of ARNs: <https://docs.aws.amazon.com/service-authorization/latest/reference/>; of references: the return values
/// of each type in the CloudFormation template reference.
const NAMINGS: &[Naming] = &[
    naming("AWS::CodePipeline::Pipeline", "Name", "arn:{p}:codepipeline:{r}:{a}:{n}", "{n}"),
    naming("AWS::CodePipeline::Webhook", "Name", "arn:{p}:codepipeline:{r}:{a}:webhook:{n}", "{n}"),
    naming("AWS::CodeDeploy::Application", "ApplicationName", "arn:{p}:codedeploy:{r}:{a}:application:{n}", "{n}"),
    naming(
        "AWS::CodeDeploy::DeploymentGroup",
        "DeploymentGroupName",
        "arn:{p}:codedeploy:{r}:{a}:deploymentgroup:{n}",
        "{n}",
    ),
    naming(
        "AWS::CodeDeploy::DeploymentConfig",
        "DeploymentConfigName",
        "arn:{p}:codedeploy:{r}:{a}:deploymentconfig:{n}",
        "{n}",
    ),
    naming("AWS::CodeBuild::Project", "Name", "arn:{p}:codebuild:{r}:{a}:project/{n}", "{n}"),
    naming(
        "AWS::CodeBuild::ReportGroup",
        "Name",
        "arn:{p}:codebuild:{r}:{a}:report-group/{n}",
        "arn:{p}:codebuild:{r}:{a}:report-group/{n}",
    ),
    naming(
        "AWS::CodeBuild::SourceCredential",
        "",
        "arn:{p}:codebuild:{r}:{a}:token/{n}",
        "arn:{p}:codebuild:{r}:{a}:token/{n}",
    ),
    naming(
        "AWS::CodeConnections::Connection",
        "ConnectionName",
        "arn:{p}:codeconnections:{r}:{a}:connection/{n}",
        "arn:{p}:codeconnections:{r}:{a}:connection/{n}",
    ),
    naming(
        "AWS::CodeStarConnections::Connection",
        "ConnectionName",
        "arn:{p}:codestar-connections:{r}:{a}:connection/{n}",
        "arn:{p}:codestar-connections:{r}:{a}:connection/{n}",
    ),
    naming(
        "AWS::CodeConnections::Host",
        "Name",
        "arn:{p}:codeconnections:{r}:{a}:host/{n}",
        "arn:{p}:codeconnections:{r}:{a}:host/{n}",
    ),
    naming(
        "AWS::CodeStarNotifications::NotificationRule",
        "Name",
        "arn:{p}:codestar-notifications:{r}:{a}:notificationrule/{n}",
        "arn:{p}:codestar-notifications:{r}:{a}:notificationrule/{n}",
    ),
    naming("AWS::CodeCommit::Repository", "RepositoryName", "arn:{p}:codecommit:{r}:{a}:{n}", "{n}"),
    naming("AWS::S3::Bucket", "BucketName", "arn:{p}:s3:::{n}", "{n}"),
    naming("AWS::KMS::Key", "", "arn:{p}:kms:{r}:{a}:key/{n}", "{n}"),
    naming("AWS::KMS::ReplicaKey", "", "arn:{p}:kms:{r}:{a}:key/{n}", "{n}"),
    naming("AWS::KMS::Alias", "AliasName", "arn:{p}:kms:{r}:{a}:{n}", "{n}"),
    naming("AWS::IAM::Role", "RoleName", "arn:{p}:iam::{a}:role/{n}", "{n}"),
    naming(
        "AWS::IAM::ManagedPolicy",
        "ManagedPolicyName",
        "arn:{p}:iam::{a}:policy/{n}",
        "arn:{p}:iam::{a}:policy/{n}",
    ),
    naming("AWS::SNS::Topic", "TopicName", "arn:{p}:sns:{r}:{a}:{n}", "arn:{p}:sns:{r}:{a}:{n}"),
    naming(
        "AWS::SecretsManager::Secret",
        "Name",
        "arn:{p}:secretsmanager:{r}:{a}:secret:{n}",
        "arn:{p}:secretsmanager:{r}:{a}:secret:{n}",
    ),
    naming("AWS::ECR::Repository", "RepositoryName", "arn:{p}:ecr:{r}:{a}:repository/{n}", "{n}"),
    naming("AWS::CloudWatch::Alarm", "AlarmName", "arn:{p}:cloudwatch:{r}:{a}:alarm:{n}", "{n}"),
    naming("AWS::CloudWatch::CompositeAlarm", "AlarmName", "arn:{p}:cloudwatch:{r}:{a}:alarm:{n}", "{n}"),
    naming("AWS::CloudTrail::Trail", "TrailName", "arn:{p}:cloudtrail:{r}:{a}:trail/{n}", "{n}"),
    naming("AWS::Config::ConfigRule", "ConfigRuleName", "arn:{p}:config:{r}:{a}:config-rule/{n}", "{n}"),
    naming("AWS::Config::ConfigurationRecorder", "Name", "arn:{p}:config:{r}:{a}:configuration-recorder/{n}", "{n}"),
    naming("AWS::Config::DeliveryChannel", "Name", "arn:{p}:config:{r}:{a}:delivery-channel/{n}", "{n}"),
    naming("AWS::DynamoDB::Table", "TableName", "arn:{p}:dynamodb:{r}:{a}:table/{n}", "{n}"),
    naming("AWS::ECS::Cluster", "ClusterName", "arn:{p}:ecs:{r}:{a}:cluster/{n}", "{n}"),
    naming("AWS::Events::Rule", "Name", "arn:{p}:events:{r}:{a}:rule/{n}", "{n}"),
    naming("AWS::IAM::Group", "GroupName", "arn:{p}:iam::{a}:group/{n}", "{n}"),
    naming("AWS::IAM::InstanceProfile", "InstanceProfileName", "arn:{p}:iam::{a}:instance-profile/{n}", "{n}"),
    naming("AWS::IAM::User", "UserName", "arn:{p}:iam::{a}:user/{n}", "{n}"),
    naming("AWS::Logs::LogGroup", "LogGroupName", "arn:{p}:logs:{r}:{a}:log-group:{n}:*", "{n}"),
    naming("AWS::SQS::Queue", "QueueName", "arn:{p}:sqs:{r}:{a}:{n}", "https://sqs.{r}.amazonaws.com/{a}/{n}"),
    naming("AWS::Lambda::Function", "FunctionName", "arn:{p}:lambda:{r}:{a}:function:{n}", "{n}"),
    naming("AWS::Serverless::Function", "FunctionName", "arn:{p}:lambda:{r}:{a}:function:{n}", "{n}"),
    naming(
        "AWS::StepFunctions::StateMachine",
        "StateMachineName",
        "arn:{p}:states:{r}:{a}:stateMachine:{n}",
        "arn:{p}:states:{r}:{a}:stateMachine:{n}",
    ),
];

fn of(type_name: &str) -> Option<&'static Naming> {
    NAMINGS.iter().find(|naming| naming.type_name == type_name)
}

fn written(form: &str, name: &str, place: &Place) -> String {
    form.replace("{p}", place.partition().as_str())
        .replace("{r}", place.region.as_str())
        .replace("{a}", place.account.as_str())
        .replace("{n}", name)
}

/// The property that sets the name of a type's resources.
#[must_use]
pub fn naming_property(type_name: &str) -> Option<&'static str> {
    of(type_name).map(|naming| naming.property).filter(|property| !property.is_empty())
}

/// The name of a resource: what its naming property says, else its logical id, from which AWS makes one.
#[must_use]
pub fn name(logical_id: &str, named: Option<&str>) -> String {
    named.filter(|name| !name.is_empty()).unwrap_or(logical_id).to_owned()
}

/// The uid that collectors would find the resource under.
#[must_use]
pub fn uid(type_name: &str, name: &str, place: &Place) -> String {
    of(type_name).map_or_else(|| name.to_owned(), |naming| written(naming.arn, name, place))
}

/// The uid of a declared resource. A deployment group's has its application in front, which no name of its own says.
#[must_use]
pub fn uid_of(raw: &Raw) -> String {
    let application = raw.property("ApplicationName").and_then(Node::as_str).filter(|name| !name.is_empty());
    match application {
        Some(application) if raw.type_name == "AWS::CodeDeploy::DeploymentGroup" => {
            uid(&raw.type_name, &format!("{application}/{}", raw.name), &raw.place)
        }
        _ => uid(&raw.type_name, &raw.name, &raw.place),
    }
}

/// What `Ref` gives.
#[must_use]
pub fn reference(type_name: &str, name: &str, place: &Place) -> String {
    of(type_name).map_or_else(|| name.to_owned(), |naming| written(naming.reference, name, place))
}

/// What `Fn::GetAtt` gives, for attributes that are names or ARNs; `None` for all others.
#[must_use]
pub fn attribute(type_name: &str, name: &str, attribute: &str, place: &Place) -> Option<String> {
    of(type_name)?;
    let arn = || Some(uid(type_name, name, place));
    match (type_name, attribute) {
        (_, "Arn")
        | ("AWS::CodeConnections::Connection" | "AWS::CodeStarConnections::Connection", "ConnectionArn")
        | ("AWS::CodeConnections::Host", "HostArn")
        | ("AWS::IAM::ManagedPolicy", "PolicyArn")
        | ("AWS::SNS::Topic", "TopicArn")
        | ("AWS::SecretsManager::Secret", "Id")
        // No attribute of CloudFormation, but of tools that add some.
        | ("AWS::CodePipeline::Pipeline", "PipelineArn")
        | ("AWS::CloudWatch::Alarm" | "AWS::CloudWatch::CompositeAlarm", "AlarmArn") => arn(),
        ("AWS::KMS::Key" | "AWS::KMS::ReplicaKey", "KeyId")
        | ("AWS::SNS::Topic", "TopicName")
        | ("AWS::SQS::Queue", "QueueName")
        | (_, "Name" | "RepositoryName") => Some(name.to_owned()),
        ("AWS::ECR::Repository", "RepositoryUri") => {
            let suffix = if place.partition().as_str() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
            Some(format!("{}.dkr.ecr.{}.{suffix}/{name}", place.account, place.region))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_meet_what_they_refer_to() {
        let place = Place::new("111122223333".parse().ok(), "eu-west-1".parse().ok());
        let arn = "arn:aws:kms:eu-west-1:111122223333:key/Key";
        assert_eq!(attribute("AWS::KMS::Key", "Key", "Arn", &place).as_deref(), Some(arn));
        assert_eq!(uid("AWS::KMS::Key", "Key", &place), arn);
        assert_eq!(reference("AWS::S3::Bucket", "artifacts", &place), "artifacts");
        assert_eq!(reference("Custom::Thing", "Thing", &place), "Thing");
        assert_eq!(name("Bucket", None), "Bucket");
        assert_eq!(naming_property("AWS::KMS::Key"), None);
    }

    #[test]
    fn every_attribute_is_what_the_other_side_is_found_under() {
        let place = Place::new("111122223333".parse().ok(), "eu-west-1".parse().ok());
        let get = |type_name: &str, wanted: &str| attribute(type_name, "Web", wanted, &place);
        for (type_name, wanted) in [
            ("AWS::SNS::Topic", "TopicArn"),
            ("AWS::IAM::ManagedPolicy", "PolicyArn"),
            ("AWS::SecretsManager::Secret", "Id"),
            ("AWS::CodeStarConnections::Connection", "ConnectionArn"),
            ("AWS::CodeBuild::Project", "Arn"),
        ] {
            assert_eq!(get(type_name, wanted), Some(uid(type_name, "Web", &place)), "{type_name}");
        }
        let image = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/Web";
        assert_eq!(get("AWS::ECR::Repository", "RepositoryUri").as_deref(), Some(image));
        assert_eq!(get("AWS::IAM::Role", "RoleId"), None);
        assert_eq!(get("Custom::Thing", "Arn"), None);
    }

    #[test]
    fn shapes_of_arns_are_arns() {
        let place = Place::new(None, None);
        for naming in NAMINGS {
            let uid = uid(naming.type_name, "Web", &place);
            assert!(crate::inventory::Arn::parse(&uid).is_ok(), "{uid}");
            assert!(!uid.contains('{') && !reference(naming.type_name, "Web", &place).contains('{'), "{uid}");
        }
    }
}
