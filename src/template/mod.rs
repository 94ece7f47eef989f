//! Pipelines before they exist: CloudFormation, CDK, Terraform plans and pipeline definitions → the inventory's resources.
//!
//! In: files of a pull request. Out: [`DeclaredResource`]s in the very shape that the collectors bring, with file and
//! line of everything, and holes where no value is known before deployment.
//!
//! ```text
//!  bytes ─► Document ─► TemplateFormat ─► Source ─► Raw ─► shape ─► DeclaredResource
//!           tree with   by content        resolves   CloudFormation's  the inventory's
//!           places                        choices    own properties    shape
//! ```
//!
//! One format is one folder or file, and one line of [`FORMATS`].

mod advice;
pub mod api_json;
pub mod cdk;
pub mod cloudformation;
mod document;
mod encoding;
mod everything;
pub mod hole;
pub mod identity;
mod json;
pub mod node;
mod oddity;
mod scalar;
pub mod shape;
mod source;
mod yaml;

pub use document::{Document, Limits, Unreadable};
pub use everything::read_everything;
pub use hole::{Hole, Holes};
pub use node::{Entry, Node, Spans, Tree};
pub use source::{Assignment, Choice, DeclaredResource, Files, Group, Parsed, Place, Raw, Reading, Source};

use crate::inventory::TypeName;

/// A way in which people write down what is to be deployed.
pub trait TemplateFormat: Sync {
    /// As reports name it.
    fn name(&self) -> &'static str;
    /// Whether a document is of this format, by what is in it.
    fn recognises(&self, document: &Document) -> bool;
    /// What the document declares. What cannot be read of it stands in [`Parsed::unreadable`].
    fn read(&self, document: Document, reading: &Reading<'_>) -> Parsed;
}

/// All formats; the first one that recognises a document reads it.
pub const FORMATS: &[&dyn TemplateFormat] = &[&cdk::Cdk, &cloudformation::CloudFormation, &api_json::ApiJson];

/// The format of a document, if it is of any.
#[must_use]
pub fn format_of(document: &Document) -> Option<&'static dyn TemplateFormat> {
    FORMATS.iter().copied().find(|format| format.recognises(document))
}

/// Whether a text that could not be read as a document mentions anything of the delivery path, so that leaving it out
/// would be a pass that nobody looked for.
#[must_use]
pub fn mentions_delivery(text: &str) -> bool {
    let types = [TypeName::PIPELINE, TypeName::PROJECT, TypeName::DEPLOYMENT_GROUP, TypeName::APPLICATION];
    let others = [
        "AWS::CodePipeline::",
        "AWS::CodeBuild::",
        "AWS::CodeDeploy::",
        "AWS::CodeCommit::",
        "aws_codepipeline",
        "aws_codebuild_",
        "aws_codedeploy_",
        "aws_codecommit_",
        // SAM, and what `get-pipeline` and `get-deployment-group` answer.
        "DeploymentPreference",
        "\"actionTypeId\"",
        "\"deploymentGroupInfo\"",
    ];
    types.iter().map(TypeName::as_str).chain(others).any(|said| text.contains(said))
}
