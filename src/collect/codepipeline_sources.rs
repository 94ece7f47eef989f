//! Source actions of a pipeline → the branches they take.
//!
//! In: a pipeline's declaration. Out: references to branches, their repositories and connections. A branch goes by the
//! name that its action gives it; what stands behind that name, `git` finds out.

use aws_sdk_codepipeline::types::{ActionDeclaration, PipelineDeclaration};

use super::{Scope, arn};
use crate::inventory::{AccountId, Arn, Reference, TypeName};

/// The branches that the source actions of a pipeline name.
pub(super) fn branches(scope: &Scope, pipeline: &PipelineDeclaration) -> Vec<Reference> {
    let actions = pipeline.stages().iter().flat_map(aws_sdk_codepipeline::types::StageDeclaration::actions);
    actions.filter_map(|action| branch(scope, action)).flat_map(|named| named.references(scope)).collect()
}

/// What one source action names.
struct Named {
    repository: String,
    branch: String,
    connection: Option<String>,
}

impl Named {
    /// The branch brings its repository and its connection along; both are named all the same, so that something stands
    /// for them where nobody in sight owns them.
    fn references(self, scope: &Scope) -> Vec<Reference> {
        let branch = format!("{}/refs/heads/{}", self.repository, self.branch);
        let named = [
            (TypeName::BRANCH, branch),
            (TypeName::REPOSITORY, self.repository),
            (TypeName::CONNECTION, self.connection.unwrap_or_default()),
        ];
        named.into_iter().filter_map(|(type_name, name)| arn::reference(scope, type_name, &name)).collect()
    }
}

fn branch(scope: &Scope, action: &ActionDeclaration) -> Option<Named> {
    let id = action.action_type_id().filter(|id| id.category().as_str() == "Source")?;
    let setting = |name: &str| {
        let value = action.configuration()?.get(name)?.as_str();
        // A variable is filled in by each execution: no one branch is meant.
        (!value.is_empty() && !value.contains("#{")).then(|| value.to_owned())
    };
    match (id.owner().as_str(), id.provider()) {
        ("AWS", "CodeCommit") => {
            let role = action.role_arn().and_then(|role| Arn::parse(role).ok()?.account_id());
            let account: AccountId = role.unwrap_or_else(|| scope.account.clone());
            let region = action.region().filter(|region| !region.is_empty()).unwrap_or(scope.region.as_str());
            let name = setting("RepositoryName")?;
            let repository = format!("arn:{}:codecommit:{region}:{account}:{name}", scope.partition);
            Some(Named { repository, branch: setting("BranchName")?, connection: None })
        }
        ("AWS", "CodeStarSourceConnection") => {
            let connection = setting("ConnectionArn")?;
            let repository = format!("{connection}/{}", setting("FullRepositoryId")?);
            Some(Named { repository, branch: setting("BranchName")?, connection: Some(connection) })
        }
        ("ThirdParty", "GitHub") => {
            let repository = format!("https://github.com/{}/{}", setting("Owner")?, setting("Repo")?);
            Some(Named { repository, branch: setting("Branch")?, connection: None })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use aws_sdk_codepipeline::types::{ActionCategory, ActionOwner, ActionTypeId, StageDeclaration};

    use super::super::test_support::{by_operation, endpoint};
    use super::*;

    fn action(
        owner: &str,
        provider: &str,
        settings: &[(&str, &str)],
    ) -> aws_sdk_codepipeline::types::builders::ActionDeclarationBuilder {
        let id = ActionTypeId::builder().category(ActionCategory::Source).owner(ActionOwner::from(owner));
        let settings: HashMap<String, String> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let id = id.provider(provider).version("1").build().unwrap();
        ActionDeclaration::builder().name("Source").action_type_id(id).set_configuration(Some(settings))
    }

    async fn names(action: aws_sdk_codepipeline::types::builders::ActionDeclarationBuilder) -> Vec<String> {
        let stage = StageDeclaration::builder().name("Source").actions(action.build().unwrap()).build().unwrap();
        let pipeline = PipelineDeclaration::builder().name("web").role_arn("r").stages(stage).build().unwrap();
        let endpoint = endpoint(by_operation(&[]), &[]).await;
        branches(&endpoint.scope, &pipeline).into_iter().map(|reference| reference.name).collect()
    }

    #[tokio::test]
    async fn each_provider_names_its_branch_in_its_own_way() {
        let own = action("AWS", "CodeCommit", &[("RepositoryName", "web"), ("BranchName", "main")]);
        assert_eq!(
            names(own.clone()).await,
            [
                "arn:aws:codecommit:eu-west-1:111122223333:web/refs/heads/main",
                "arn:aws:codecommit:eu-west-1:111122223333:web"
            ]
        );
        let elsewhere = own.region("us-east-1").role_arn("arn:aws:iam::444455556666:role/source");
        assert_eq!(names(elsewhere).await[1], "arn:aws:codecommit:us-east-1:444455556666:web");
        let arn = "arn:aws:codestar-connections:eu-west-1:111122223333:connection/c-1";
        let settings = [("ConnectionArn", arn), ("FullRepositoryId", "acme/web"), ("BranchName", "release/1")];
        assert_eq!(
            names(action("AWS", "CodeStarSourceConnection", &settings)).await,
            [format!("{arn}/acme/web/refs/heads/release/1"), format!("{arn}/acme/web"), arn.to_owned()]
        );
        let settings = [("Owner", "acme"), ("Repo", "web"), ("Branch", "main"), ("OAuthToken", "****")];
        assert_eq!(
            names(action("ThirdParty", "GitHub", &settings)).await,
            ["https://github.com/acme/web/refs/heads/main", "https://github.com/acme/web"]
        );
    }

    #[tokio::test]
    async fn what_names_no_branch_is_no_reference() {
        assert_eq!(names(action("AWS", "S3", &[("S3Bucket", "sources")])).await, Vec::<String>::new());
        let variable = [("RepositoryName", "web"), ("BranchName", "#{variables.branch}")];
        assert_eq!(names(action("AWS", "CodeCommit", &variable)).await, Vec::<String>::new());
    }
}
