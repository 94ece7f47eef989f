//! `AWS::CodeCommit::Repository` → `Git::Repository`.
//!
//! In: a repository as a template writes it. Out: the repository as the collector asks its provider. CloudFormation has no
//! word for what protects a branch, so no branch comes out of a template.

use super::super::identity;
use super::super::node::{Node, Tree};
use super::Shape;
use super::conversion::Conversion;
use super::form::{Form, TEXT_LIST};
use crate::inventory::{GapCause, TypeName};

/// Repositories.
pub(super) const REPOSITORY: Shape = Shape {
    type_name: "AWS::CodeCommit::Repository",
    becomes: TypeName::REPOSITORY,
    form: Form::Map(&[
        ("Provider", Form::Text),
        ("RepositoryId", Form::Text),
        ("Aliases", TEXT_LIST),
        ("Owner", Form::Text),
        ("KmsKeyId", Form::Text),
    ]),
    convert: repository,
    only_deployed: &["DefaultBranch", "SecretFiles"],
};

fn repository(conversion: &mut Conversion<'_>) {
    conversion.set_text("Provider", "CodeCommit");
    let raw = conversion.raw();
    let (name, uid, span) = (raw.name.clone(), identity::uid_of(raw), raw.span);
    conversion.set_text("RepositoryId", name);
    conversion.set("Aliases", Node::new(Tree::List(vec![Node::text(uid, span)]), span));
    if conversion.raw().place.account_known {
        let account = conversion.raw().place.account.to_string();
        conversion.set_text("Owner", account);
    } else {
        let place = format!("{}:{}:{}", conversion.raw().file, span.start.line, span.start.column);
        let hint = "say with --account where it is deployed".to_owned();
        conversion.hide("Owner", GapCause::Unresolved { expression: "AWS::AccountId".to_owned(), place, hint });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::*;
    use crate::inventory::TypeName;

    #[test]
    fn a_repository_of_codecommit_is_a_repository() {
        let action = json!({"Name": "Source", "ActionTypeId": {"Category": "Source", "Owner": "AWS", "Provider": "CodeCommit"},
                            "Configuration": {"RepositoryName": "web", "BranchName": "main"}});
        let pipeline =
            raw("AWS::CodePipeline::Pipeline", "Web", json!({"Stages": [{"Name": "Source", "Actions": [action]}]}));
        let repository = raw("AWS::CodeCommit::Repository", "Repo", json!({"RepositoryName": "web", "Triggers": []}));
        let all = [pipeline, repository];
        let found = one(&all, "Repo").resource;
        let arn = "arn:aws:codecommit:eu-west-1:111122223333:web";
        assert_eq!((found.type_name, found.uid.as_str()), (TypeName::REPOSITORY, arn));
        assert_eq!(
            Value::Object(found.properties),
            json!({"Provider": "CodeCommit", "RepositoryId": "web", "Aliases": [arn], "Owner": "111122223333"})
        );
        assert_eq!(unseen(&all, "Repo"), ["DefaultBranch", "SecretFiles"].map(|name| (name.to_owned(), 'd')));
    }
}
