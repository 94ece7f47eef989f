//! What could not be seen: data, never an `Err`, never dropped.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AccountId, Region, ResourceUid, TypeName};

/// Something that could not be seen, with the call that would have shown it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gap {
    /// The account that was looked at.
    pub account: AccountId,
    /// The Region asked, or [`Region::GLOBAL`].
    pub region: Region,
    /// The service's IAM prefix, e.g. `codepipeline`.
    pub service: String,
    /// The IAM action that would have shown it, e.g. `codepipeline:GetPipeline`.
    pub action: String,
    /// Why it could not be seen.
    pub cause: GapCause,
    /// What is unknown because of it.
    pub affects: Affects,
}

/// Why something could not be seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum GapCause {
    /// AWS refused the call.
    AccessDenied {
        /// AWS's own words.
        message: String,
    },
    /// AWS kept throttling until the retries were used up.
    Throttled {
        /// How many times it was tried.
        attempts: u32,
    },
    /// No answer, or the answer came from something that is not AWS.
    Endpoint {
        /// What the connection or the SDK said.
        message: String,
    },
    /// The endpoint does not know the operation.
    Unsupported {
        /// What the endpoint said.
        message: String,
    },
    /// An answer came, but without a part that AWS documents as always there.
    Malformed {
        /// What is missing or wrong.
        message: String,
    },
    /// Any other error that AWS answered.
    Service {
        /// AWS's error code.
        code: String,
        /// AWS's own words.
        message: String,
    },
    /// The account's audit role could not be assumed.
    RoleNotAssumed {
        /// The role that was asked for.
        role: String,
        /// AWS's own words.
        message: String,
    },
    /// The resource belongs to an account that this run does not see.
    OutsideOrganization {
        /// What is known of its place.
        message: String,
    },
    /// Nobody told the tool how to ask: a token or an address is missing in the configuration.
    NotConfigured {
        /// What is missing, and how to give it.
        message: String,
    },
    /// A template value that only a deployment resolves.
    Unresolved {
        /// The expression as written.
        expression: String,
        /// `file:line:column`
        place: String,
        /// What to give, so that it resolves.
        hint: String,
    },
    /// A template names something that is defined somewhere else.
    Elsewhere {
        /// What is named, and how it can be given.
        message: String,
    },
    /// No template says it: it is known only of what is deployed.
    OnlyDeployed {
        /// What is not known before.
        what: String,
    },
    /// It was looked at, and what was seen does not decide it: a version in between is missing, two approvals fit, nobody
    /// told who an identity is.
    Undecided {
        /// What does not decide, and what would.
        message: String,
    },
}

impl GapCause {
    /// What others wrote into it, or what an expression of a template may hold.
    pub(super) fn texts_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::Throttled { .. } => Vec::new(),
            Self::AccessDenied { message }
            | Self::Endpoint { message }
            | Self::Unsupported { message }
            | Self::Malformed { message }
            | Self::Service { message, .. }
            | Self::RoleNotAssumed { message, .. }
            | Self::OutsideOrganization { message }
            | Self::NotConfigured { message }
            | Self::Elsewhere { message }
            | Self::Undecided { message }
            | Self::OnlyDeployed { what: message } => vec![message],
            Self::Unresolved { expression, hint, .. } => vec![expression, hint],
        }
    }

    /// One word for tables: `denied`, `throttled`, `error` …
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::AccessDenied { .. } | Self::RoleNotAssumed { .. } => "denied",
            Self::Throttled { .. } => "throttled",
            Self::Endpoint { .. } | Self::Service { .. } => "error",
            Self::Unsupported { .. } => "unsupported",
            Self::Malformed { .. } => "malformed",
            Self::OutsideOrganization { .. } => "outside",
            Self::NotConfigured { .. } => "unconfigured",
            Self::Unresolved { .. } => "unresolved",
            Self::Elsewhere { .. } => "elsewhere",
            Self::OnlyDeployed { .. } => "only deployed",
            Self::Undecided { .. } => "undecided",
        }
    }
}

impl GapCause {
    /// Whether no call was made, because this is about a template: there is no account or Region to name.
    #[must_use]
    pub fn is_of_a_template(&self) -> bool {
        matches!(self, Self::Unresolved { .. } | Self::Elsewhere { .. } | Self::OnlyDeployed { .. })
    }
}

impl fmt::Display for GapCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessDenied { message } => write!(f, "access denied: {message}"),
            Self::Throttled { attempts: 1 } => f.write_str("throttled once"),
            Self::Throttled { attempts } => write!(f, "throttled {attempts} times"),
            Self::Endpoint { message } => write!(f, "no usable answer: {message}"),
            Self::Unsupported { message } => write!(f, "not supported by the endpoint: {message}"),
            Self::Malformed { message } => write!(f, "malformed answer: {message}"),
            Self::Service { code, message } => write!(f, "{code}: {message}"),
            Self::RoleNotAssumed { role, message } => write!(f, "role {role} could not be assumed: {message}"),
            Self::OutsideOrganization { message } => write!(f, "outside what this run sees: {message}"),
            Self::NotConfigured { message } => write!(f, "not configured: {message}"),
            Self::Unresolved { expression, place, hint } => {
                write!(f, "{place}: `{expression}` has no value before it is deployed; {hint}")
            }
            Self::Elsewhere { message } => f.write_str(message),
            Self::Undecided { message } => write!(f, "not decided: {message}"),
            Self::OnlyDeployed { what } => {
                write!(f, "{what} is known only of what is deployed; `pipewarden audit` looks at it")
            }
        }
    }
}

/// What is unknown because of a gap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum Affects {
    /// Everything in the account.
    Account,
    /// Which resources of these types exist in the account and Region.
    Types {
        /// CloudFormation type names.
        types: Vec<TypeName>,
    },
    /// One property of one resource; `*` means all but its name.
    Property {
        /// The resource.
        resource: ResourceUid,
        /// The CloudFormation property.
        property: String,
    },
    /// Details that no control reads as a type or property.
    Details,
}

impl Gap {
    /// Whether things of the type may be there that were not listed.
    #[must_use]
    pub fn hides_type(&self, name: &TypeName) -> bool {
        matches!(&self.affects, Affects::Types { types } if types.contains(name))
    }

    /// One line for a person: the action, where, and why.
    #[must_use]
    pub fn sentence(&self) -> String {
        if self.cause.is_of_a_template() {
            return self.cause.to_string();
        }
        format!("{} in {} {}: {}", self.action, self.account, self.region, self.cause)
    }
}
