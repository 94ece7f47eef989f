//! Which resources of Terraform are which of CloudFormation.
//!
//! In: a Terraform type. Out: its table. Attribute names are those of the provider's documentation
//! (<https://registry.terraform.io/providers/hashicorp/aws/latest/docs>). One service is one file.

mod cloudtrail;
mod cloudwatch;
mod codebuild;
mod codecommit;
mod codedeploy;
mod codepipeline;
mod config;
mod connections;
mod ecr;
mod iam;
mod kms;
mod lambda;
mod s3;
mod secretsmanager;
mod sns;

use super::mapping::Attribute;

/// A resource that is one in CloudFormation too.
pub(super) struct Kind {
    pub(super) terraform: &'static str,
    pub(super) cloudformation: &'static str,
    /// The attribute that names it.
    pub(super) name: &'static str,
    /// Whether `id` is its ARN.
    pub(super) id_is_arn: bool,
    /// Whether its ARN ends with something else than its name, so that a known ARN says what to call it.
    pub(super) named_by_arn: bool,
    pub(super) attributes: &'static [Attribute],
}

const fn kind(
    terraform: &'static str,
    cloudformation: &'static str,
    name: &'static str,
    attributes: &'static [Attribute],
) -> Kind {
    Kind { terraform, cloudformation, name, id_is_arn: false, named_by_arn: false, attributes }
}

impl Kind {
    const fn with_arn_as_id(mut self) -> Self {
        self.id_is_arn = true;
        self
    }

    const fn named_by_arn(mut self) -> Self {
        self.named_by_arn = true;
        self
    }
}

/// How a split resource lands in what it belongs to.
pub(super) enum Joining {
    /// Its properties are set.
    Set,
    /// Its properties are lists; theirs are added.
    Append,
}

/// A resource that is a part of another one in CloudFormation.
pub(super) struct Split {
    pub(super) terraform: &'static str,
    /// CloudFormation's type of what it belongs to.
    pub(super) owner: &'static str,
    /// The attribute that names what it belongs to.
    pub(super) by: &'static str,
    /// The top-level property that it sets.
    pub(super) property: &'static str,
    /// The attribute of the owner that does the same, if there is one.
    pub(super) inline: &'static str,
    pub(super) joining: Joining,
    pub(super) attributes: &'static [Attribute],
}

const KINDS: &[&[Kind]] = &[
    cloudtrail::KINDS,
    cloudwatch::KINDS,
    codebuild::KINDS,
    codecommit::KINDS,
    codedeploy::KINDS,
    codepipeline::KINDS,
    config::KINDS,
    connections::KINDS,
    ecr::KINDS,
    iam::KINDS,
    kms::KINDS,
    lambda::KINDS,
    s3::KINDS,
    secretsmanager::KINDS,
    sns::KINDS,
];

const SPLITS: &[&[Split]] = &[codebuild::SPLITS, config::SPLITS, ecr::SPLITS, iam::SPLITS, kms::SPLITS, s3::SPLITS];

/// The table of a type.
pub(super) fn kind_of(terraform: &str) -> Option<&'static Kind> {
    KINDS.iter().copied().flatten().find(|kind| kind.terraform == terraform)
}

/// The table of a type whose resources are parts of others.
pub(super) fn split_of(terraform: &str) -> Option<&'static Split> {
    SPLITS.iter().copied().flatten().find(|split| split.terraform == terraform)
}

/// All types whose resources are parts of others.
pub(super) fn splits() -> impl Iterator<Item = &'static Split> {
    SPLITS.iter().copied().flatten()
}

/// The attribute by which a type names what it belongs to.
pub(super) fn owner_attribute(terraform: &str) -> Option<&'static str> {
    split_of(terraform).map(|split| split.by)
}

/// What an attribute may refer to, by a word in its name.
const FITTING: &[(&str, &[&str])] = &[
    ("bucket", &["aws_s3_bucket"]),
    ("location", &["aws_s3_bucket"]),
    ("kms", &["aws_kms_key", "aws_kms_alias", "aws_kms_replica_key", "aws_kms_external_key"]),
    ("encryptionkey", &["aws_kms_key", "aws_kms_alias"]),
    ("keyid", &["aws_kms_key", "aws_kms_alias"]),
    ("role", &["aws_iam_role"]),
    ("connection", &["aws_codestarconnections_connection", "aws_codeconnections_connection"]),
    ("project", &["aws_codebuild_project"]),
    ("deploymentgroup", &["aws_codedeploy_deployment_group"]),
    ("application", &["aws_codedeploy_app", "aws_elastic_beanstalk_application"]),
    ("appname", &["aws_codedeploy_app"]),
    ("repository", &["aws_codecommit_repository", "aws_ecr_repository"]),
    ("function", &["aws_lambda_function"]),
    ("lambda", &["aws_lambda_function"]),
    ("statemachine", &["aws_sfn_state_machine"]),
    ("topic", &["aws_sns_topic"]),
    ("notification", &["aws_sns_topic"]),
    ("address", &["aws_sns_topic"]),
    ("alarm", &["aws_cloudwatch_metric_alarm", "aws_cloudwatch_composite_alarm"]),
    ("policy", &["aws_iam_policy", "aws_iam_policy_document"]),
    ("boundary", &["aws_iam_policy"]),
    ("secret", &["aws_secretsmanager_secret"]),
    // The only `id` that is mapped is that of an artifact store's key.
    ("id", &["aws_kms_key", "aws_kms_alias"]),
];

/// Whether an attribute is likely to refer to resources of a type.
pub(super) fn fits(attribute: &str, type_name: &str) -> bool {
    let plain: String = attribute.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let exact = |word: &str| if word == "id" { plain == word } else { plain.contains(word) };
    FITTING.iter().find(|(word, _)| exact(word)).is_some_and(|(_, types)| types.contains(&type_name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_type_stands_in_one_table() {
        let all: Vec<&str> = KINDS
            .iter()
            .copied()
            .flatten()
            .map(|kind| kind.terraform)
            .chain(SPLITS.iter().copied().flatten().map(|split| split.terraform))
            .collect();
        let unique: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(unique.len(), all.len());
        for split in SPLITS.iter().copied().flatten() {
            assert!(
                KINDS.iter().copied().flatten().any(|kind| kind.cloudformation == split.owner),
                "{}",
                split.terraform
            );
        }
    }

    #[test]
    fn attributes_refer_to_what_their_names_say() {
        assert!(fits("kms_master_key_id", "aws_kms_key"));
        assert!(fits("ConnectionArn", "aws_codestarconnections_connection"));
        assert!(fits("DeploymentGroupName", "aws_codedeploy_deployment_group"));
        assert!(!fits("location", "aws_kms_key"));
        assert!(!fits("anything", "aws_kms_key"));
    }
}
