//! `AWS::ECR::Repository`, with what its registry says.
//!
//! In: a repository as a template writes it, and the registry's scanning and signing, which some template of the account
//! declares once for all repositories. Out: the repository as ECR answers it. Rules of the registry overrule what a
//! repository says of itself, so where they are not declared here, they are not known.

use serde_json::json;

use super::super::node::{Node, Tree};
use super::Shape;
use super::conversion::{Conversion, elsewhere};
use super::form::{Form, map};
use crate::inventory::{GapCause, TypeName};

const FILTERS: Form = Form::List(&Form::Map(&[("Filter", Form::Text), ("FilterType", Form::Text)]));

/// Image repositories.
pub(super) const IMAGE_REPOSITORY: Shape = Shape {
    type_name: "AWS::ECR::Repository",
    becomes: TypeName::IMAGE_REPOSITORY,
    form: Form::Map(&[
        ("RepositoryName", Form::Text),
        ("ImageTagMutability", Form::Text),
        (
            "ImageTagMutabilityExclusionFilters",
            Form::List(&Form::Map(&[
                ("ImageTagMutabilityExclusionFilterType", Form::Text),
                ("ImageTagMutabilityExclusionFilterValue", Form::Text),
            ])),
        ),
        ("ImageScanningConfiguration", Form::Map(&[("ScanOnPush", Form::Flag)])),
        ("EncryptionConfiguration", Form::Map(&[("EncryptionType", Form::Text), ("KmsKey", Form::Text)])),
        ("RepositoryPolicyText", Form::Policy),
        (
            "RegistryScanningConfiguration",
            Form::Map(&[
                ("ScanType", Form::Text),
                ("Rules", Form::List(&Form::Map(&[("ScanFrequency", Form::Text), ("RepositoryFilters", FILTERS)]))),
            ]),
        ),
        (
            "SigningConfiguration",
            Form::Map(&[(
                "Rules",
                Form::List(&Form::Map(&[("SigningProfileArn", Form::Text), ("RepositoryFilters", FILTERS)])),
            )]),
        ),
    ]),
    convert: repository,
    only_deployed: &[],
};

fn repository(conversion: &mut Conversion<'_>) {
    conversion.set_default("ImageTagMutability", &json!("MUTABLE"));
    conversion.set_default("ImageScanningConfiguration", &json!({"ScanOnPush": false}));
    conversion.set_default("EncryptionConfiguration", &json!({"EncryptionType": "AES256"}));
    for (property, type_name, said) in [
        ("RegistryScanningConfiguration", "AWS::ECR::RegistryScanningConfiguration", "the registry's scanning"),
        ("SigningConfiguration", "AWS::ECR::SigningConfiguration", "the registry's signing"),
    ] {
        match conversion.all(type_name).last() {
            Some(registry) => conversion.set(property, rules_as_list(&registry.properties)),
            None => conversion.hide(property, GapCause::Elsewhere { message: elsewhere(said) }),
        }
    }
}

/// What is declared of a registry has no other fields than the API's answer.
fn rules_as_list(registry: &Node) -> Node {
    match &registry.tree {
        Tree::Map(_) => registry.clone(),
        _ => map(Vec::new(), registry),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::*;
    use crate::template::Raw;

    const IMAGE: &str = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/web:1";

    fn building() -> Raw {
        raw("AWS::CodeBuild::Project", "Build", json!({"Environment": {"Image": IMAGE}}))
    }

    #[test]
    fn what_a_repository_does_not_say_is_what_ecr_does() {
        let all =
            [building(), raw("AWS::ECR::Repository", "Web", json!({"RepositoryName": "web", "LifecyclePolicy": {}}))];
        assert_eq!(
            Value::Object(properties(&all, "Web")),
            json!({"RepositoryName": "web", "ImageTagMutability": "MUTABLE", "ImageScanningConfiguration": {"ScanOnPush": false},
                   "EncryptionConfiguration": {"EncryptionType": "AES256"}})
        );
        let expected = [("RegistryScanningConfiguration".to_owned(), 'e'), ("SigningConfiguration".to_owned(), 'e')];
        assert_eq!(unseen(&all, "Web"), expected);
    }

    #[test]
    fn the_registry_of_the_same_template_decides() {
        let rules = json!([{"ScanFrequency": "SCAN_ON_PUSH", "RepositoryFilters": [{"Filter": "*", "FilterType": "WILDCARD"}]}]);
        let registry =
            raw("AWS::ECR::RegistryScanningConfiguration", "R", json!({"ScanType": "BASIC", "Rules": rules}));
        let policy = json!({"Statement": []});
        let repository = json!({"RepositoryName": "web", "RepositoryPolicyText": policy.to_string()});
        let found = properties(&[building(), raw("AWS::ECR::Repository", "Web", repository), registry], "Web");
        assert_eq!(found["RegistryScanningConfiguration"], json!({"ScanType": "BASIC", "Rules": rules}));
        assert_eq!(found["RepositoryPolicyText"], policy);
    }
}
