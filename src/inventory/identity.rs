//! Names of things: accounts, Regions, partitions, ARNs, type names.
//!
//! In: strings from AWS, configuration or a command line. Out: validated newtypes that sort and print the same
//! everywhere.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A string that is not the identifier it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Account ids are twelve digits.
    #[error("`{0}` is not an AWS account id: expected 12 digits")]
    AccountId(String),
    /// Region names look like `eu-central-1`.
    #[error("`{0}` is not an AWS Region name: expected something like `eu-central-1`")]
    Region(String),
    /// Partitions are a short closed list.
    #[error("`{0}` is not an AWS partition: expected `aws`, `aws-cn` or `aws-us-gov`")]
    Partition(String),
    /// ARNs have six colon-separated parts.
    #[error("`{0}` is not an ARN: expected `arn:partition:service:region:account:resource`")]
    Arn(String),
}

/// An AWS account id: twelve digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(String);

impl AccountId {
    /// The twelve digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AccountId {
    type Error = IdentityError;
    fn try_from(text: String) -> Result<Self, IdentityError> {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text))
        } else {
            Err(IdentityError::AccountId(text))
        }
    }
}

impl FromStr for AccountId {
    type Err = IdentityError;
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        Self::try_from(text.to_owned())
    }
}

impl From<AccountId> for String {
    fn from(id: AccountId) -> Self {
        id.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A Region name such as `eu-central-1`, or [`Region::GLOBAL`] for services without Regions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(Cow<'static, str>);

impl Region {
    /// Stands where a service has no Region (Organizations) or every Region is meant.
    pub const GLOBAL: Self = Self(Cow::Borrowed("global"));

    /// The name as AWS writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Region {
    type Error = IdentityError;
    fn try_from(text: String) -> Result<Self, IdentityError> {
        let parts = text.split('-').count();
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let numbered = text.ends_with(|c: char| c.is_ascii_digit());
        if text == "global" || (parts >= 3 && plain && numbered && text.len() <= 32) {
            Ok(Self(Cow::Owned(text)))
        } else {
            Err(IdentityError::Region(text))
        }
    }
}

impl FromStr for Region {
    type Err = IdentityError;
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        Self::try_from(text.to_owned())
    }
}

impl From<Region> for String {
    fn from(region: Region) -> Self {
        region.0.into_owned()
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A partition of AWS: a group of Regions with its own accounts, endpoints and ARN prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Partition {
    /// Commercial Regions.
    #[serde(rename = "aws")]
    Aws,
    /// China.
    #[serde(rename = "aws-cn")]
    AwsCn,
    /// AWS `GovCloud` (US).
    #[serde(rename = "aws-us-gov")]
    AwsUsGov,
}

impl Partition {
    /// As written in ARNs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::AwsCn => "aws-cn",
            Self::AwsUsGov => "aws-us-gov",
        }
    }

    /// The Region that answers for global services (Organizations, STS) and is asked first.
    #[must_use]
    pub fn default_region(self) -> Region {
        Region(Cow::Borrowed(match self {
            Self::Aws => "us-east-1",
            Self::AwsCn => "cn-northwest-1",
            Self::AwsUsGov => "us-gov-west-1",
        }))
    }

    /// The partition a Region belongs to, by its prefix.
    #[must_use]
    pub fn of_region(region: &Region) -> Self {
        if region.as_str().starts_with("cn-") {
            Self::AwsCn
        } else if region.as_str().starts_with("us-gov-") {
            Self::AwsUsGov
        } else {
            Self::Aws
        }
    }
}

impl FromStr for Partition {
    type Err = IdentityError;
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        match text {
            "aws" => Ok(Self::Aws),
            "aws-cn" => Ok(Self::AwsCn),
            "aws-us-gov" => Ok(Self::AwsUsGov),
            _ => Err(IdentityError::Partition(text.to_owned())),
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An ARN taken apart; borrows the text it was read from.
///
/// Shape: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: &'a str,
    /// The service's namespace, e.g. `codepipeline`.
    pub service: &'a str,
    /// Empty for global services.
    pub region: &'a str,
    /// Empty for S3 buckets.
    pub account: &'a str,
    /// Everything after the fifth colon.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Takes `text` apart.
    ///
    /// # Errors
    /// [`IdentityError::Arn`] if it does not begin with `arn:` or has fewer than six parts.
    pub fn parse(text: &'a str) -> Result<Self, IdentityError> {
        let mut parts = text.splitn(6, ':');
        match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("arn"), Some(partition), Some(service), Some(region), Some(account), Some(resource)) => {
                Ok(Self { partition, service, region, account, resource })
            }
            _ => Err(IdentityError::Arn(text.to_owned())),
        }
    }

    /// The account, where the ARN names one.
    #[must_use]
    pub fn account_id(&self) -> Option<AccountId> {
        self.account.parse().ok()
    }
}

/// The id of a resource: its ARN when live, `path#LogicalId` in a template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceUid(pub String);

impl ResourceUid {
    /// The id as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the id of what only a history tells of: the deliveries of a service (by a pipeline, a deployment
    /// group or a name), or of an account and Region.
    #[must_use]
    pub fn is_of_history(&self) -> bool {
        if self.0.starts_with("delivery://") {
            return true;
        }
        let Ok(arn) = Arn::parse(&self.0) else { return false };
        // Another resource may be called so: a repository of images has any path, a deployment group one of two parts.
        let last = arn.resource.strip_suffix("/deliveries");
        match arn.service {
            "cloudtrail" => arn.resource == "deliveries",
            "codepipeline" => last.is_some(),
            "codedeploy" => last.is_some_and(|group| group.contains('/')),
            _ => false,
        }
    }

    /// The last part of the id, as a person would call the resource.
    #[must_use]
    pub fn short_name(&self) -> &str {
        if let Some((_, address)) = self.0.split_once("://") {
            return address;
        }
        let resource = Arn::parse(&self.0).map_or(self.0.as_str(), |arn| arn.resource);
        let after_colon = resource.split_once(':').map_or(resource, |(_, name)| name);
        ["alarm:", "trail/", "key/"].iter().find_map(|p| resource.strip_prefix(p)).unwrap_or(after_colon)
    }
}

impl fmt::Display for ResourceUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A CloudFormation type name; the name of a kind of thing everywhere, AWS Config's and Cedar's included.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TypeName(Cow<'static, str>);

impl TypeName {
    /// `AWS::Organizations::Account`
    pub const ACCOUNT: Self = Self::new("AWS::Organizations::Account");
    /// `AWS::IAM::Role`
    pub const ROLE: Self = Self::new("AWS::IAM::Role");
    /// `AWS::SNS::Topic`
    pub const TOPIC: Self = Self::new("AWS::SNS::Topic");
    /// `AWS::SecretsManager::Secret`
    pub const SECRET: Self = Self::new("AWS::SecretsManager::Secret");
    /// `AWS::ECR::Repository`
    pub const IMAGE_REPOSITORY: Self = Self::new("AWS::ECR::Repository");
    /// `AWS::CodeBuild::SourceCredential`
    pub const SOURCE_CREDENTIAL: Self = Self::new("AWS::CodeBuild::SourceCredential");
    /// `AWS::CodeBuild::ReportGroup`
    pub const REPORT_GROUP: Self = Self::new("AWS::CodeBuild::ReportGroup");
    /// `AWS::CodeConnections::Connection`
    pub const CONNECTION: Self = Self::new("AWS::CodeConnections::Connection");
    /// `AWS::CodeStarNotifications::NotificationRule`
    pub const NOTIFICATION_RULE: Self = Self::new("AWS::CodeStarNotifications::NotificationRule");
    /// `AWS::Config::ConfigRule`
    pub const CONFIG_RULE: Self = Self::new("AWS::Config::ConfigRule");
    /// `Git::Repository`: a source repository of any provider, `CodeCommit` included. CloudFormation has no name for it.
    pub const REPOSITORY: Self = Self::new("Git::Repository");
    /// `Git::Branch`: a branch of such a repository, with the rules that protect it.
    pub const BRANCH: Self = Self::new("Git::Branch");
    /// `AWS::Organizations::Policy`
    pub const POLICY: Self = Self::new("AWS::Organizations::Policy");
    /// `AWS::CodePipeline::Pipeline`
    pub const PIPELINE: Self = Self::new("AWS::CodePipeline::Pipeline");
    /// `AWS::CodePipeline::Webhook`
    pub const WEBHOOK: Self = Self::new("AWS::CodePipeline::Webhook");
    /// `AWS::CodeDeploy::Application`
    pub const APPLICATION: Self = Self::new("AWS::CodeDeploy::Application");
    /// `AWS::CodeDeploy::DeploymentGroup`
    pub const DEPLOYMENT_GROUP: Self = Self::new("AWS::CodeDeploy::DeploymentGroup");
    /// `AWS::CodeDeploy::DeploymentConfig`
    pub const DEPLOYMENT_CONFIG: Self = Self::new("AWS::CodeDeploy::DeploymentConfig");
    /// `AWS::CodeBuild::Project`
    pub const PROJECT: Self = Self::new("AWS::CodeBuild::Project");
    /// `AWS::S3::Bucket`
    pub const BUCKET: Self = Self::new("AWS::S3::Bucket");
    /// `AWS::KMS::Key`
    pub const KEY: Self = Self::new("AWS::KMS::Key");
    /// `AWS::CloudWatch::Alarm`
    pub const ALARM: Self = Self::new("AWS::CloudWatch::Alarm");
    /// `AWS::CloudWatch::CompositeAlarm`
    pub const COMPOSITE_ALARM: Self = Self::new("AWS::CloudWatch::CompositeAlarm");
    /// `AWS::CloudTrail::Trail`
    pub const TRAIL: Self = Self::new("AWS::CloudTrail::Trail");
    /// `AWS::Config::ConfigurationRecorder`
    pub const RECORDER: Self = Self::new("AWS::Config::ConfigurationRecorder");
    /// `AWS::Config::DeliveryChannel`
    pub const DELIVERY_CHANNEL: Self = Self::new("AWS::Config::DeliveryChannel");

    /// `Delivery::Service`: what history says of a pipeline, or of a deployment group that no pipeline deploys to.
    pub const DELIVERY_SERVICE: Self = Self::new("Delivery::Service");
    /// `Delivery::Account`: what history says of an account and Region: changes to what keeps evidence.
    pub const DELIVERY_ACCOUNT: Self = Self::new("Delivery::Account");

    /// Whether only a history tells of it: without one there is nothing of this type that could have been seen.
    #[must_use]
    pub fn is_of_history(&self) -> bool {
        *self == Self::DELIVERY_SERVICE || *self == Self::DELIVERY_ACCOUNT
    }

    /// A type name known when compiling.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// As CloudFormation writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for TypeName {
    fn from(name: String) -> Self {
        Self(Cow::Owned(name))
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_ids_are_twelve_digits() {
        assert!("123456789012".parse::<AccountId>().is_ok());
        for wrong in ["", "12345678901", "1234567890123", "12345678901a", "١٢٣٤٥٦٧٨٩٠١٢"] {
            assert!(wrong.parse::<AccountId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn regions_and_their_partitions() {
        for (name, partition) in
            [("eu-central-1", Partition::Aws), ("cn-north-1", Partition::AwsCn), ("us-gov-east-1", Partition::AwsUsGov)]
        {
            let region: Region = name.parse().unwrap();
            assert_eq!(Partition::of_region(&region), partition);
        }
        for wrong in ["", "europe", "eu_central_1", "EU-CENTRAL-1", "eu-central-"] {
            assert!(wrong.parse::<Region>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn arns_keep_colons_in_the_resource() {
        let arn = Arn::parse("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a:b").unwrap();
        assert_eq!(arn.resource, "alarm:a:b");
        assert_eq!(arn.account_id().unwrap().as_str(), "123456789012");
        assert!(Arn::parse("arn:aws:s3").is_err());
    }

    #[test]
    fn short_names_are_what_a_person_says() {
        let name = |text: &str| ResourceUid(text.to_owned()).short_name().to_owned();
        assert_eq!(name("arn:aws:codepipeline:eu-west-1:123456789012:web"), "web");
        assert_eq!(name("arn:aws:codedeploy:eu-west-1:123456789012:deploymentgroup:app/prod"), "app/prod");
        assert_eq!(name("arn:aws:s3:::bucket"), "bucket");
        assert_eq!(name("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a:b"), "a:b");
        assert_eq!(name("template.yaml#Pipeline"), "template.yaml#Pipeline");
        assert_eq!(name("https://github.com/acme/web/refs/heads/main"), "github.com/acme/web/refs/heads/main");
    }
}
