//! AWS accounts → inventory. One AWS service is one file; all of them stand in [`COLLECTORS`].
//!
//! In: a [`Scope`] (an account, a Region, a session, the limits). Out: [`Collected`]: resources in CloudFormation's
//! words, gaps, and references to what lives elsewhere. A collector cannot fail as a whole: whatever goes wrong with
//! one call is a gap.

mod arn;
pub mod call;
mod checks;
pub mod cloudtrail;
pub mod cloudwatch;
pub mod codebuild;
mod codebuild_builds;
mod codebuild_properties;
mod codebuild_reports;
pub mod codedeploy;
mod codedeploy_properties;
pub mod codepipeline;
mod codepipeline_sources;
mod codepipeline_stages;
pub mod codestar_notifications;
pub mod config;
mod config_rules;
pub mod ecr;
mod fields;
pub mod git;
mod git_bitbucket;
mod git_codecommit;
mod git_connection;
mod git_github;
mod git_github_rules;
mod git_gitlab;
pub mod git_history;
mod git_host_entry;
pub mod git_hosts;
mod git_http;
mod git_secret_files;
mod git_sheet;
mod git_source;
pub mod iam;
mod image_name;
pub mod kms;
pub mod limiter;
mod pages;
pub mod s3;
mod s3_lifecycle;
mod s3_properties;
mod s3_replication;
mod scope;
mod secret_reference;
pub mod secretsmanager;
pub mod sns;
#[cfg(test)]
pub(crate) mod test_support;

pub use call::CallError;
pub(crate) use pages::{Listed, all_pages, in_order, pages_until};
pub use scope::{CallGate, Concurrency, Scope};

use async_trait::async_trait;

use crate::inventory::{Gap, Reference, Resource, TypeName};

/// All collectors. The audit role, the documents and the tests follow from this slice.
pub const COLLECTORS: &[&dyn Collector] = &[
    &codepipeline::CodePipeline,
    &codedeploy::CodeDeploy,
    &codebuild::CodeBuild,
    &cloudtrail::CloudTrail,
    &config::Config,
    &s3::S3,
    &ecr::Ecr,
    &kms::Kms,
    &iam::Iam,
    &cloudwatch::CloudWatch,
    &secretsmanager::SecretsManager,
    &codestar_notifications::CodeStarNotifications,
    &sns::Sns,
    &git::Git,
];

/// Where and when a collector is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// In every Region of every account. Its first call must be a cheap probe: an empty Region costs that one call.
    EveryRegion,
    /// Once per account, in its home Region.
    Account,
    /// In Regions where a collector of [`Reach::EveryRegion`] found something.
    OccupiedRegion,
    /// Only for references, in the account and Region that hold what they name.
    Referenced,
}

/// What a collector brings home.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Collected {
    /// Resources in CloudFormation's words, `docs/resources.md`.
    pub resources: Vec<Resource>,
    /// What could not be seen above a single property.
    pub gaps: Vec<Gap>,
    /// What these resources name that a [`Reach::Referenced`] collector should fetch.
    pub references: Vec<Reference>,
}

impl Collected {
    /// Adds everything of `other`.
    pub fn absorb(&mut self, other: Self) {
        self.resources.extend(other.resources);
        self.gaps.extend(other.gaps);
        self.references.extend(other.references);
    }
}

/// Reads one AWS service.
#[async_trait]
pub trait Collector: Send + Sync {
    /// The service's IAM prefix: `codepipeline`.
    fn service(&self) -> &'static str;
    /// Every IAM action that it may call, with prefix: `codepipeline:ListPipelines`. The audit role allows exactly the
    /// union of these; a test holds it against the calls really made.
    fn actions(&self) -> &'static [&'static str];
    /// Types of the resources it brings.
    fn types(&self) -> &'static [TypeName];
    /// Where it is asked.
    fn reach(&self) -> Reach;
    /// Collects. `wanted` holds the references to fetch for [`Reach::Referenced`] and is empty otherwise.
    async fn collect(&self, scope: &Scope, wanted: &[Reference]) -> Collected;
}
