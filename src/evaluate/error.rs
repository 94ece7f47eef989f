//! What can be wrong with policies, and what ends a run.

use std::error::Error;
use std::fmt;
use std::ops::Range;

use super::place;

/// A policy file as read, so that an error can point into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// Path as a person would look for it.
    pub file: String,
    /// Its whole text.
    pub text: String,
}

impl SourceText {
    /// `file:line:column` of a byte.
    #[must_use]
    pub fn place(&self, offset: usize) -> String {
        let (line, column) = place::line_column(&self.text, offset);
        format!("{}:{line}:{column}", self.file)
    }
}

/// One thing that is wrong with the policies. Nothing is judged with half a policy set.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Not Cedar.
    #[error("`{}` is not a Cedar policy", .source_text.file)]
    Parse {
        /// The file.
        source_text: Box<SourceText>,
        /// Cedar's error, with its place in the text.
        #[source]
        error: Box<cedar_policy::ParseErrors>,
    },
    /// The schema is not a Cedar schema.
    #[error("`{}` is not a Cedar schema", .source_text.file)]
    Schema {
        /// The file.
        source_text: Box<SourceText>,
        /// Cedar's error, with its place in the text.
        #[source]
        error: Box<cedar_policy::CedarSchemaError>,
    },
    /// The policy names something that the schema does not have, or compares what cannot be compared.
    #[error("`{}` does not agree with the schema", .source_text.file)]
    Invalid {
        /// The file.
        source_text: Box<SourceText>,
        /// Cedar's error, with its place in the text.
        #[source]
        error: Box<cedar_policy::ValidationError>,
    },
    /// Something that Cedar only warns of, such as a policy that can never apply.
    #[error("`{}` has a policy that Cedar warns of", .source_text.file)]
    Warned {
        /// The file.
        source_text: Box<SourceText>,
        /// Cedar's warning, with its place in the text.
        #[source]
        warning: Box<cedar_policy::ValidationWarning>,
    },
    /// Cedar, but not a control or exception of the form this tool asks for; or cases that do not fit their control.
    #[error("{}: {problem}; {hint}", .source_text.place(.span.start))]
    Form {
        /// The file.
        source_text: Box<SourceText>,
        /// The bytes it is about.
        span: Range<usize>,
        /// What is wrong.
        problem: String,
        /// How to mend it.
        hint: String,
    },
    /// The configuration asks for something that the policies do not have.
    #[error("{problem}; {hint}")]
    Configuration {
        /// What is wrong.
        problem: String,
        /// How to mend it.
        hint: String,
    },
    /// Something Cedar refuses that a valid policy set cannot contain.
    #[error("cedar refused the policy set: {0}")]
    Cedar(Box<dyn Error + Send + Sync>),
}

/// Everything that is wrong with the policies, in the order of the files.
#[derive(Debug)]
pub struct PolicyErrors(pub Vec<PolicyError>);

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if nth == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl Error for PolicyErrors {}

impl From<PolicyError> for PolicyErrors {
    fn from(error: PolicyError) -> Self {
        Self(vec![error])
    }
}

impl PolicyError {
    pub(super) fn form(
        source: &SourceText,
        span: Range<usize>,
        problem: impl fmt::Display,
        hint: impl fmt::Display,
    ) -> Self {
        let (problem, hint) = (problem.to_string(), hint.to_string());
        Self::Form { source_text: Box::new(source.clone()), span, problem, hint }
    }

    pub(super) fn parse(source: &SourceText, error: cedar_policy::ParseErrors) -> Self {
        Self::Parse { source_text: Box::new(source.clone()), error: Box::new(error) }
    }

    pub(super) fn cedar(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Cedar(Box::new(error))
    }
}

/// An evaluation that cannot be trusted, and therefore ends the run.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// A policy erred although every fact it reads is known: the policy or a fact is broken.
    #[error(
        "control `{control}` failed on `{resource}` although no gap explains it: {message}; this is a defect in the policy or in a fact, not in your account"
    )]
    BrokenPolicy {
        /// Control id.
        control: String,
        /// Resource uid.
        resource: String,
        /// Cedar's message.
        message: String,
    },
    /// Somebody asks about a control that there is not, or not for that type.
    #[error("control `{control}` does not judge `{resource}`")]
    NotAsked {
        /// Control id.
        control: String,
        /// Resource uid.
        resource: String,
    },
    /// A fact or name that Cedar does not take.
    #[error("`{resource}` could not be put before Cedar: {message}")]
    Entity {
        /// Resource uid.
        resource: String,
        /// Cedar's message.
        message: String,
    },
}
