//! ARNs of what AWS lists by name only.
//!
//! In: a scope and a name. Out: the ARN, which is the uid of the resource and the address for tags.

use super::Scope;
pub(super) use crate::inventory::alarm_name;
use crate::inventory::{Arn, Reference, TypeName};

/// `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE` in the scope's account and Region.
pub(super) fn in_scope(scope: &Scope, service: &str, resource: &str) -> String {
    format!("arn:{}:{service}:{}:{}:{resource}", scope.partition, scope.region, scope.account)
}

/// `arn:PARTITION:s3:::NAME`
pub(super) fn of_bucket(scope: &Scope, name: &str) -> String {
    format!("arn:{}:s3:::{name}", scope.partition)
}

/// A bucket's name, whether it is written as a name or as an ARN, with or without a path.
pub(super) fn bucket_name(text: &str) -> &str {
    let name = Arn::parse(text).map_or(text, |arn| arn.resource);
    name.split('/').next().unwrap_or(name)
}

/// A reference from the scope, unless the name is empty.
pub(super) fn reference(scope: &Scope, type_name: TypeName, name: &str) -> Option<Reference> {
    (!name.is_empty()).then(|| Reference {
        type_name,
        name: name.to_owned(),
        account: scope.account.clone(),
        region: scope.region.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_out_of_arns() {
        assert_eq!(bucket_name("arn:aws:s3:::artifacts/web"), "artifacts");
        assert_eq!(bucket_name("artifacts"), "artifacts");
        assert_eq!(alarm_name("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:errors: 5xx"), "errors: 5xx");
        assert_eq!(alarm_name("errors: 5xx"), "errors: 5xx");
    }
}
