//! `aws_codecommit_repository`.

use super::{Kind, kind};
use crate::template::terraform::mapping::{Attribute, same, tags};

const REPOSITORY: &[Attribute] = &[
    same("repository_name", "RepositoryName"),
    same("description", "RepositoryDescription"),
    same("kms_key_id", "KmsKeyId"),
    tags("tags", "Tags"),
    tags("tags_all", "Tags"),
];

pub(super) const KINDS: &[Kind] =
    &[kind("aws_codecommit_repository", "AWS::CodeCommit::Repository", "repository_name", REPOSITORY)];
