//! Role names and ARN patterns as written in the configuration → the ARN for one account.

use std::fmt;
use std::str::FromStr;

use crate::inventory::{AccountId, Partition};

/// A pattern that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{pattern}` is not a role: {problem}; write a role name such as `PipewardenAudit`, a path and name such as `audit/PipewardenAudit`, or an ARN such as `arn:{{partition}}:iam::{{account}}:role/PipewardenAudit`"
)]
pub struct RolePatternError {
    pattern: String,
    problem: String,
}

/// A role name, or an ARN in which `{account}` and `{partition}` stand for the account's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePattern(String);

impl RolePattern {
    /// The role's ARN in an account.
    #[must_use]
    pub fn arn(&self, partition: Partition, account: &AccountId) -> String {
        if self.0.starts_with("arn:") {
            self.0.replace("{account}", account.as_str()).replace("{partition}", partition.as_str())
        } else {
            format!("arn:{partition}:iam::{account}:role/{}", self.0)
        }
    }
}

impl FromStr for RolePattern {
    type Err = RolePatternError;
    fn from_str(text: &str) -> Result<Self, RolePatternError> {
        let wrong = |problem: &str| RolePatternError { pattern: text.to_owned(), problem: problem.to_owned() };
        let filled = text.replace("{account}", "123456789012").replace("{partition}", "aws");
        if filled.contains(['{', '}']) {
            return Err(wrong("only `{account}` and `{partition}` may stand in braces"));
        }
        let name = if filled.starts_with("arn:") {
            let arn = crate::inventory::Arn::parse(&filled).map_err(|error| wrong(&error.to_string()))?;
            if arn.service != "iam" || arn.account_id().is_none() {
                return Err(wrong("it is not an IAM ARN with an account id"));
            }
            arn.resource.strip_prefix("role/").ok_or_else(|| wrong("its resource is not `role/…`"))?
        } else {
            filled.as_str()
        };
        let last = name.rsplit('/').next().unwrap_or_default();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
        if last.is_empty() || last.len() > 64 || !name.chars().all(|c| allowed(c) || c == '/') {
            return Err(wrong("a role name has 1 to 64 letters, digits or any of `+=,.@_-`"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RolePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One step on the way into an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleHop {
    /// The role to assume.
    pub role: RolePattern,
    /// The external id that its trust policy asks for.
    pub external_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_paths_and_patterns() {
        let account: AccountId = "111122223333".parse().unwrap();
        let arn = |text: &str| text.parse::<RolePattern>().unwrap().arn(Partition::AwsCn, &account);
        assert_eq!(arn("Audit"), "arn:aws-cn:iam::111122223333:role/Audit");
        assert_eq!(arn("security/Audit"), "arn:aws-cn:iam::111122223333:role/security/Audit");
        assert_eq!(arn("arn:{partition}:iam::{account}:role/x"), "arn:aws-cn:iam::111122223333:role/x");
        assert_eq!(arn("arn:aws:iam::999999999999:role/hub"), "arn:aws:iam::999999999999:role/hub");
    }

    #[test]
    fn what_is_no_role_is_refused() {
        for wrong in [
            "",
            "a b",
            "arn:aws:iam::{acount}:role/x",
            "arn:aws:s3:::x",
            "arn:aws:iam::111122223333:user/x",
            "audit/",
            "rôle",
        ] {
            assert!(wrong.parse::<RolePattern>().is_err(), "{wrong}");
        }
    }
}
