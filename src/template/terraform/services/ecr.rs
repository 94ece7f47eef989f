//! `aws_ecr_repository`, its policy, and the settings of the registry.

use super::{Joining, Kind, Split, kind};
use crate::template::terraform::mapping::{Attribute, json, many, one, same, tags};

const REPOSITORY: &[Attribute] = &[
    same("name", "RepositoryName"),
    same("image_tag_mutability", "ImageTagMutability"),
    many(
        "image_tag_mutability_exclusion_filter",
        "ImageTagMutabilityExclusionFilters",
        &[
            same("filter_type", "ImageTagMutabilityExclusionFilterType"),
            same("filter", "ImageTagMutabilityExclusionFilterValue"),
        ],
    ),
    one("image_scanning_configuration", "ImageScanningConfiguration", &[same("scan_on_push", "ScanOnPush")]),
    one(
        "encryption_configuration",
        "EncryptionConfiguration",
        &[same("encryption_type", "EncryptionType"), same("kms_key", "KmsKey")],
    ),
    tags("tags", "Tags"),
    tags("tags_all", "Tags"),
];
const SCANNING: &[Attribute] = &[
    same("scan_type", "ScanType"),
    many(
        "rule",
        "Rules",
        &[
            same("scan_frequency", "ScanFrequency"),
            many(
                "repository_filter",
                "RepositoryFilters",
                &[same("filter", "Filter"), same("filter_type", "FilterType")],
            ),
        ],
    ),
];

pub(super) const KINDS: &[Kind] = &[
    kind("aws_ecr_repository", "AWS::ECR::Repository", "name", REPOSITORY),
    kind("aws_ecr_registry_scanning_configuration", "AWS::ECR::RegistryScanningConfiguration", "", SCANNING),
];

pub(super) const SPLITS: &[Split] = &[Split {
    terraform: "aws_ecr_repository_policy",
    owner: "AWS::ECR::Repository",
    by: "repository",
    property: "RepositoryPolicyText",
    inline: "",
    joining: Joining::Set,
    attributes: &[json("policy", "RepositoryPolicyText")],
}];
