//! What a format makes of a document.
//!
//! In: documents. Out: a [`Source`], which declares resources for any choice of parameter values. It exists so that the
//! judging side asks every format the same two questions: what can still be chosen, and what is declared then.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use super::hole::Holes;
use super::node::{Entry, Node, Spans, Tree};
use crate::inventory::{AccountId, Partition, Region, Resource, ResourceUid, Span};

/// Reads files for formats whose documents name others. Paths are as on the command line, with `/`.
pub trait Files: Sync {
    /// The bytes of a file.
    ///
    /// # Errors
    /// What is wrong, as a sentence without the path.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;
    /// Paths of the files directly in a folder, sorted; none if it cannot be listed.
    fn list(&self, folder: &str) -> Vec<String>;
}

/// Everything that reading needs besides the document.
pub struct Reading<'a> {
    /// Files beside the document.
    pub files: &'a dyn Files,
    /// Values of parameters, by name, that were given from outside.
    pub parameters: &'a BTreeMap<String, String>,
    /// Where it will be deployed, as far as that is known.
    pub place: &'a Place,
    /// What documents may cost.
    pub limits: super::Limits,
}

/// Where something is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The account, or [`Place::NO_ACCOUNT`].
    pub account: AccountId,
    /// The Region, or [`Region::GLOBAL`].
    pub region: Region,
    /// Whether the account was told.
    pub account_known: bool,
    /// Whether the Region was told.
    pub region_known: bool,
}

impl Place {
    /// Stands for an account that nobody told. No account has this id.
    pub const NO_ACCOUNT: &'static str = "000000000000";

    /// The place with what is known of it.
    ///
    /// # Panics
    /// Never: the stand-in is an account id.
    #[must_use]
    pub fn new(account: Option<AccountId>, region: Option<Region>) -> Self {
        let (account_known, region_known) = (account.is_some(), region.is_some());
        let account = account.or_else(|| Self::NO_ACCOUNT.parse().ok());
        let region = region.unwrap_or(Region::GLOBAL);
        #[expect(clippy::expect_used, reason = "the constant is twelve digits, and a test holds it")]
        let account = account.expect("twelve digits");
        Self { account, region, account_known, region_known }
    }

    /// The partition of the Region.
    #[must_use]
    pub fn partition(&self) -> Partition {
        Partition::of_region(&self.region)
    }
}

/// A value that is open before deployment and decides something: which resources, stages or properties there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The parameter's name, or a pseudo parameter's (`AWS::Region`).
    pub name: String,
    /// The value it has if nobody says anything.
    pub default: Option<String>,
    /// Every value worth trying, the default first; one more for "anything else" where a comparison has a negative side.
    pub values: Vec<String>,
}

/// One value for every [`Choice`] that was made; a choice that is missing has its default.
pub type Assignment = BTreeMap<String, String>;

/// A parsed template, assembly, plan or definition.
pub trait Source: Debug + Send + Sync {
    /// What can still be chosen.
    fn choices(&self) -> Vec<Choice>;
    /// What is declared under a choice. `holes` gets what has no value even so.
    fn declare(&self, assignment: &Assignment, holes: &mut Holes) -> Vec<Raw>;
}

/// What is judged together.
#[derive(Debug)]
pub struct Group {
    /// Name of the format, as reports say it: `CloudFormation`, `CDK`, `Terraform plan` …
    pub format: &'static str,
    /// The file that was named.
    pub file: Arc<str>,
    /// What it declares.
    pub source: Box<dyn Source>,
    /// The state before the change, where the document carries it itself (a Terraform plan does).
    pub before: Option<Box<dyn Source>>,
}

/// What reading a document gave.
#[derive(Debug, Default)]
pub struct Parsed {
    /// What there is to judge.
    pub groups: Vec<Group>,
    /// All documents that findings may point into, the named one included.
    pub documents: Vec<super::Document>,
    /// Files that belong to this document and are not to be read on their own; a path that ends with `/` is a folder with
    /// everything in it.
    pub claimed: Vec<String>,
    /// Files that belong to this document and cannot be read.
    pub unreadable: Vec<super::Unreadable>,
    /// Oddities, with file and place.
    pub notices: Vec<(Arc<str>, Span, String)>,
}

/// A resource as a format declares it: CloudFormation's type and properties, holes where there is no value.
#[derive(Debug, Clone, PartialEq)]
pub struct Raw {
    /// CloudFormation type name, of any type: the shape decides which ones matter.
    pub type_name: String,
    /// The logical id, or the address in a Terraform plan. Unique within the file.
    pub logical_id: String,
    /// The name it will have or, where that is not known, stand for: what `identity::name` gave when references to it
    /// were resolved.
    pub name: String,
    /// The file that findings point into.
    pub file: Arc<str>,
    /// Where the logical id is written.
    pub span: Span,
    /// Path of the CDK construct.
    pub construct_path: Option<String>,
    /// Where it is deployed.
    pub place: Place,
    /// The stack it belongs to; a hole where that is not known.
    pub stack: Option<String>,
    /// A mapping of CloudFormation's property names. A whole property without a value is text of exactly one hole.
    pub properties: Node,
    /// Why properties that are not here may exist after all (a macro may add them): a hole.
    pub more: Option<String>,
}

impl Raw {
    /// A property.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Node> {
        self.properties.get(name).filter(|value| !value.is_null())
    }

    /// Sets or replaces a property.
    pub fn set(&mut self, name: &str, value: Node) {
        let span = value.span;
        if let Tree::Map(entries) = &mut self.properties.tree {
            entries.retain(|entry| entry.key != name);
            entries.push(Entry { key: name.to_owned(), key_span: span, value });
        }
    }
}

/// A resource as the judging side takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredResource {
    /// In the shape of `docs/resources.md`, with holes; its uid is the ARN it will have, so that references find it.
    pub resource: Resource,
    /// How findings name it: `path#LogicalId`.
    pub id: ResourceUid,
    /// The file that findings point into.
    pub file: Arc<str>,
    /// The logical id.
    pub logical_id: String,
    /// Path of the CDK construct.
    pub construct_path: Option<String>,
    /// Where the logical id is written.
    pub span: Span,
    /// Where its properties are written, by JSON pointer into `resource.properties`.
    pub spans: Spans,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobodys_account_is_an_account_id() {
        let place = Place::new(None, None);
        assert_eq!(place.account.as_str(), Place::NO_ACCOUNT);
        assert!(!place.account_known && !place.region_known);
    }
}
