//! What can be wrong with policies, and what ends a run.

use std::error::Error;
use std::fmt;

/// A policy file as read, so that an error can point into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// Path as a person would look for it.
    pub file: String,
    /// Its whole text.
    pub text: String,
}

/// A policy set that cannot be used. Nothing is judged with half a policy set.
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
    /// Cedar, but not a control or exception of the form this tool asks for.
    #[error("`{file}`: {problem}; {hint}")]
    Form {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
        /// How to mend it.
        hint: String,
    },
    /// A case beside a control that does not come out as written.
    #[error("`{file}`: {problem}")]
    Cases {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// Something Cedar refuses that a valid policy set cannot contain.
    #[error("cedar refused the policy set: {0}")]
    Cedar(Box<dyn Error + Send + Sync>),
}

impl PolicyError {
    pub(super) fn form(file: &str, problem: impl fmt::Display, hint: impl fmt::Display) -> Self {
        Self::Form { file: file.to_owned(), problem: problem.to_string(), hint: hint.to_string() }
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
    /// A fact or name that Cedar does not take.
    #[error("`{resource}` could not be put before Cedar: {message}")]
    Entity {
        /// Resource uid.
        resource: String,
        /// Cedar's message.
        message: String,
    },
}
