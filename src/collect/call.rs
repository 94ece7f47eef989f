//! How a call ended, in this tool's words.
//!
//! In: an SDK error of any service. Out: a [`CallError`] with the [`GapCause`] it amounts to. The one place that knows
//! AWS's many codes for "no" and "slow down".

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::collect::Scope;
use crate::inventory::{Affects, Gap, GapCause, Outcome, Resource, TypeName};

/// A call that brought no usable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// The IAM action, with prefix.
    pub action: &'static str,
    /// AWS's error code, empty if none came.
    pub code: String,
    /// Why.
    pub cause: GapCause,
}

const DENIED: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "AllAccessDisabled",
    "AuthFailure",
    "AuthorizationError",
    "ExpiredToken",
    "ExpiredTokenException",
    "Forbidden",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "KMS.AccessDeniedException",
    "NotAuthorized",
    "OptInRequired",
    "SignatureDoesNotMatch",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
    "SubscriptionRequiredException",
];
const THROTTLED: &[&str] = &[
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];
const UNSUPPORTED: &[&str] = &[
    "InvalidAction",
    "NotImplemented",
    "NotImplementedException",
    "UnknownOperationException",
    "UnsupportedOperation",
    "UnsupportedOperationException",
];

impl CallError {
    /// Reads an SDK error.
    #[must_use]
    pub fn from_sdk<E>(action: &'static str, error: &SdkError<E, HttpResponse>, attempts: u32) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let Some(service) = error.as_service_error() else {
            let message = chain(error);
            let cause = match (error, status) {
                // An endpoint that does not know an operation answers with its web server's error page, which no
                // protocol can read.
                (SdkError::ResponseError(_), Some(404 | 405 | 500 | 501)) => GapCause::Unsupported { message },
                (SdkError::ResponseError(_), Some(200..=299)) => GapCause::Malformed { message },
                _ => GapCause::Endpoint { message },
            };
            return Self { action, code: String::new(), cause };
        };
        let code = service.code().unwrap_or_default().to_owned();
        let message = service.message().unwrap_or_default().to_owned();
        let is = |codes: &[&str]| codes.contains(&code.as_str());
        let cause = if is(DENIED) || (code.is_empty() && matches!(status, Some(401 | 403))) {
            let message = if message.is_empty() { format!("HTTP {}", status.unwrap_or(403)) } else { message };
            GapCause::AccessDenied { message }
        } else if is(THROTTLED) || status == Some(429) {
            GapCause::Throttled { attempts }
        } else if is(UNSUPPORTED) || (code.is_empty() && matches!(status, Some(404 | 405 | 500 | 501))) {
            GapCause::Unsupported { message: if message.is_empty() { chain(error) } else { message } }
        } else if code.is_empty() {
            GapCause::Endpoint { message: chain(error) }
        } else {
            GapCause::Service { code: code.clone(), message }
        };
        Self { action, code, cause }
    }

    /// An answer that lacks what AWS documents as always there.
    #[must_use]
    pub fn malformed(action: &'static str, message: impl Into<String>) -> Self {
        Self { action, code: String::new(), cause: GapCause::Malformed { message: message.into() } }
    }

    /// How the ledger counts it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.cause {
            GapCause::AccessDenied { .. } | GapCause::RoleNotAssumed { .. } => Outcome::Denied,
            GapCause::Throttled { .. } => Outcome::Throttled,
            _ => Outcome::Error,
        }
    }

    /// The gap it leaves.
    #[must_use]
    pub fn gap(self, scope: &Scope, affects: Affects) -> Gap {
        Gap {
            account: scope.account.clone(),
            region: scope.region.clone(),
            service: self.action.split(':').next().unwrap_or_default().to_owned(),
            action: self.action.to_owned(),
            cause: self.cause,
            affects,
        }
    }

    /// The gap over which resources of `types` exist in the scope.
    #[must_use]
    pub fn unlisted(self, scope: &Scope, types: &[TypeName]) -> Gap {
        self.gap(scope, Affects::Types { types: types.to_vec() })
    }

    /// Marks properties of `resource` as unseen; `*` stands for everything but its name.
    pub fn hides(self, scope: &Scope, resource: &mut Resource, properties: &[&str]) {
        for property in properties {
            let affects = Affects::Property { resource: resource.uid.clone(), property: (*property).to_owned() };
            let gap = self.clone().gap(scope, affects);
            resource.unseen.insert((*property).to_owned(), gap);
        }
    }
}

/// An error and its causes on one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}
