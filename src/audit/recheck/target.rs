//! One resource that is looked at again.
//!
//! In: an ARN. Out: its type, where it is, and how it is told among the resources of an inventory.

use crate::inventory::{AccountId, Arn, Reference, Region, Resource, ResourceUid, TypeName};

use super::super::ownership;
use super::RecheckError;

/// A resource that is looked at again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// As it was asked for.
    pub arn: String,
    /// Said by whoever asked, where the ARN does not: buckets.
    pub account: Option<AccountId>,
}

impl Target {
    /// A resource by its ARN.
    ///
    /// # Errors
    /// [`RecheckError::NoArn`]
    pub fn new(arn: &str, account: Option<AccountId>) -> Result<Self, RecheckError> {
        match Arn::parse(arn) {
            Ok(_) => Ok(Self { arn: arn.to_owned(), account }),
            Err(_) => Err(RecheckError::NoArn(arn.to_owned())),
        }
    }

    /// The account that the ARN, or whoever asked, says it is in.
    pub(super) fn said_account(&self) -> Option<AccountId> {
        Arn::parse(&self.arn).ok().and_then(|arn| arn.account_id()).or_else(|| self.account.clone())
    }

    /// The Region that the ARN says; none for what is global.
    pub(super) fn region(&self) -> Option<Region> {
        Arn::parse(&self.arn).ok().and_then(|arn| arn.region.parse().ok())
    }

    /// IAM prefix.
    pub(super) fn service(&self) -> &str {
        Arn::parse(&self.arn).map_or("", |arn| match arn.service {
            "codestar-connections" | "codeconnections" => "codeconnections",
            service => service,
        })
    }

    /// Its type, where the ARN says it.
    pub(super) fn type_name(&self) -> Option<TypeName> {
        let arn = Arn::parse(&self.arn).ok()?;
        let kind = arn.resource.split([':', '/']).next().unwrap_or_default();
        Some(match (arn.service, kind) {
            ("codepipeline", "webhook") => TypeName::WEBHOOK,
            ("codepipeline", _) => TypeName::PIPELINE,
            ("codedeploy", "deploymentgroup") => TypeName::DEPLOYMENT_GROUP,
            ("codedeploy", "application") => TypeName::APPLICATION,
            ("codedeploy", "deploymentconfig") => TypeName::DEPLOYMENT_CONFIG,
            ("codebuild", "project") => TypeName::PROJECT,
            ("codebuild", "report-group") => TypeName::REPORT_GROUP,
            ("codebuild", "token") => TypeName::SOURCE_CREDENTIAL,
            ("s3", _) => TypeName::BUCKET,
            ("kms", _) => TypeName::KEY,
            ("iam", "role") => TypeName::ROLE,
            ("sns", _) => TypeName::TOPIC,
            ("secretsmanager", _) => TypeName::SECRET,
            ("ecr", _) => TypeName::IMAGE_REPOSITORY,
            ("codestar-connections" | "codeconnections", _) => TypeName::CONNECTION,
            ("codestar-notifications", _) => TypeName::NOTIFICATION_RULE,
            ("cloudwatch", "alarm") => TypeName::ALARM,
            ("cloudtrail", _) => TypeName::TRAIL,
            ("codecommit", _) => TypeName::REPOSITORY,
            ("config", "config-rule") => TypeName::CONFIG_RULE,
            _ => return None,
        })
    }

    /// Whether a finding that stands for all things of a type is about it as well.
    pub(super) fn may_be_of(&self, type_name: &TypeName) -> bool {
        let Some(of) = self.type_name() else { return true };
        let more = if of == TypeName::REPOSITORY {
            Some(TypeName::BRANCH)
        } else {
            (of == TypeName::ALARM).then_some(TypeName::COMPOSITE_ALARM)
        };
        of == *type_name || more.as_ref() == Some(type_name)
    }

    /// Whether it goes by this id.
    pub(super) fn is_uid(&self, uid: &ResourceUid) -> bool {
        let uid = uid.as_str();
        if uid == self.arn {
            return true;
        }
        let is_of = |name: TypeName| self.type_name() == Some(name);
        if is_of(TypeName::ROLE) {
            // What happened to a role is told by its name, and its ARN has a path.
            return role_of(uid).is_some_and(|role| Some(role) == role_of(&self.arn));
        }
        if is_of(TypeName::SECRET) {
            // Secrets are named without the six characters that AWS adds.
            return uid.strip_prefix(&self.arn).is_some_and(|rest| rest.starts_with('-') && rest.len() == 7);
        }
        is_of(TypeName::REPOSITORY) && uid.strip_prefix(&self.arn).is_some_and(|rest| rest.starts_with("/refs/"))
    }

    /// Whether this is it.
    pub(super) fn is(&self, resource: &Resource) -> bool {
        self.is_uid(&resource.uid) || ownership::names_of(resource).iter().any(|uid| uid.as_str() == self.arn)
    }

    /// How it would be named by a resource, where it is found only because something names it.
    pub(super) fn reference(&self, account: &AccountId, home: &Region) -> Option<Reference> {
        let type_name = self.type_name()?;
        let arn = Arn::parse(&self.arn).ok()?;
        let name = match &type_name {
            name if *name == TypeName::BUCKET => arn.resource.to_owned(),
            name if *name == TypeName::ALARM => arn.resource.strip_prefix("alarm:")?.to_owned(),
            name if [TypeName::KEY, TypeName::ROLE, TypeName::TOPIC, TypeName::SECRET, TypeName::IMAGE_REPOSITORY]
                .contains(name) =>
            {
                self.arn.clone()
            }
            _ => return None,
        };
        let region = self.region().unwrap_or_else(|| home.clone());
        Some(Reference { type_name, name, account: account.clone(), region })
    }
}

/// Account and name of a role.
fn role_of(arn: &str) -> Option<(&str, &str)> {
    let arn = Arn::parse(arn).ok().filter(|arn| arn.service == "iam" && arn.resource.starts_with("role/"))?;
    Some((arn.account, arn.resource.rsplit('/').next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_known_by_its_name_and_a_branch_by_its_repository() {
        let role = Target::new("arn:aws:iam::111122223333:role/deploy", None).unwrap();
        assert!(role.is_uid(&ResourceUid("arn:aws:iam::111122223333:role/service/deploy".to_owned())));
        assert!(!role.is_uid(&ResourceUid("arn:aws:iam::444455556666:role/service/deploy".to_owned())));
        let repository = Target::new("arn:aws:codecommit:eu-west-1:111122223333:web", None).unwrap();
        let branch = "arn:aws:codecommit:eu-west-1:111122223333:web/refs/heads/main";
        assert!(repository.is_uid(&ResourceUid(branch.to_owned())));
        assert!(!repository.is_uid(&ResourceUid(branch.replace(":web/", ":web2/"))));
        assert!(Target::new("web", None).is_err());
    }
}
