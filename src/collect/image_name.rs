//! Who names an image repository: build images by their registry's host, actions by a setting.
//!
//! In: a build image, or the actions of a pipeline. Out: references to repositories by ARN. It stands apart because
//! collectors of several services need it.

use aws_sdk_codepipeline::types::{ActionDeclaration, PipelineDeclaration};

use super::{Scope, arn};
use crate::inventory::{Arn, Partition, Reference, Region, TypeName};

/// The repository of a build image, if it lies in a private registry: `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG`.
pub(super) fn of_image(scope: &Scope, image: &str) -> Option<Reference> {
    let (host, path) = image.split_once('/')?;
    let (account, rest) = host.split_once(".dkr")?;
    // Also `.dkr.ecr-fips.`, and `.dkr-ecr.` of the hosts that speak both generations of IP.
    let (service, rest) = rest.get(1..)?.split_once('.')?;
    if !matches!(service, "ecr" | "ecr-fips") || account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let region: Region = rest.split('.').next()?.parse().ok()?;
    let name = path.split('@').next()?.split(':').next().filter(|name| !name.is_empty())?;
    let partition = Partition::of_region(&region);
    let repository = format!("arn:{partition}:ecr:{region}:{account}:repository/{name}");
    arn::reference(scope, TypeName::IMAGE_REPOSITORY, &repository)
}

/// The repositories that a pipeline's actions read from, push to or scan.
pub(super) fn of_pipeline(scope: &Scope, pipeline: &PipelineDeclaration) -> Vec<Reference> {
    let actions = pipeline.stages().iter().flat_map(aws_sdk_codepipeline::types::StageDeclaration::actions);
    actions.filter_map(|action| of_action(scope, action)).collect()
}

fn of_action(scope: &Scope, action: &ActionDeclaration) -> Option<Reference> {
    let setting = |name: &str| action.configuration().and_then(|settings| settings.get(name)).map(String::as_str);
    let name = match action.action_type_id()?.provider() {
        "ECR" => setting("RepositoryName")?,
        "ECRBuildAndPublish" if setting("RegistryType") == Some("public") => return None,
        "ECRBuildAndPublish" | "InspectorScan" => setting("ECRRepositoryName")?,
        _ => return None,
    };
    // A variable is known only when the pipeline runs.
    if name.is_empty() || name.contains("#{") {
        return None;
    }
    let role = action.role_arn().and_then(|role| Arn::parse(role).ok()?.account_id());
    let account = role.unwrap_or_else(|| scope.account.clone());
    let region = action.region().and_then(|region| region.parse().ok()).unwrap_or_else(|| scope.region.clone());
    let repository = format!("arn:{}:ecr:{region}:{account}:repository/{name}", scope.partition);
    arn::reference(scope, TypeName::IMAGE_REPOSITORY, &repository)
}

#[cfg(test)]
mod tests {
    use aws_sdk_codepipeline::types::{ActionCategory, ActionOwner, ActionTypeId};

    use super::super::test_support::{by_operation, endpoint};
    use super::*;

    const ARN: &str = "arn:aws:ecr:eu-west-1:111122223333:repository/team/web";

    #[tokio::test]
    async fn images_name_their_repository() {
        let endpoint = endpoint(by_operation(&[]), &[]).await;
        let named = |image: &str| of_image(&endpoint.scope, image).map(|reference| reference.name);
        for image in [
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/web:1.2",
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/web@sha256:00",
            "111122223333.dkr.ecr-fips.eu-west-1.amazonaws.com/team/web",
            "111122223333.dkr-ecr.eu-west-1.on.aws/team/web:1.2@sha256:00",
        ] {
            assert_eq!(named(image).as_deref(), Some(ARN), "{image}");
        }
        let china = named("111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/web");
        assert_eq!(china.as_deref(), Some("arn:aws-cn:ecr:cn-north-1:111122223333:repository/web"));
        for image in ["aws/codebuild/standard:7.0", "public.ecr.aws/x/y:1", "golang:1", "x.dkr.ecr.eu-west-1.z/y", ""] {
            assert_eq!(named(image), None, "{image}");
        }
    }

    #[tokio::test]
    async fn actions_name_their_repository() {
        let endpoint = endpoint(by_operation(&[]), &[]).await;
        let named = |provider: &str, settings: &[(&str, &str)], role: Option<&str>| {
            let id = ActionTypeId::builder().category(ActionCategory::Source).owner(ActionOwner::Aws).version("1");
            let mut action = ActionDeclaration::builder().name("a").set_role_arn(role.map(str::to_owned));
            for (key, value) in settings {
                action = action.configuration(*key, *value);
            }
            let action = action.action_type_id(id.provider(provider).build().unwrap()).build().unwrap();
            of_action(&endpoint.scope, &action).map(|reference| reference.name)
        };
        assert_eq!(named("ECR", &[("RepositoryName", "team/web")], None).as_deref(), Some(ARN));
        let elsewhere = named("ECR", &[("RepositoryName", "web")], Some("arn:aws:iam::222222222222:role/x"));
        assert_eq!(elsewhere.as_deref(), Some("arn:aws:ecr:eu-west-1:222222222222:repository/web"));
        assert_eq!(named("ECRBuildAndPublish", &[("ECRRepositoryName", "team/web")], None).as_deref(), Some(ARN));
        let public = [("ECRRepositoryName", "web"), ("RegistryType", "public")];
        assert_eq!(named("ECRBuildAndPublish", &public, None), None);
        assert_eq!(named("InspectorScan", &[("ECRRepositoryName", "#{build.NAME}")], None), None);
        assert_eq!(named("S3", &[("RepositoryName", "web")], None), None);
    }
}
