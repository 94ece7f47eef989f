//! The organization's policies of one type: what they say, and where they are attached.
//!
//! In: a scope in the management account or a delegated administrator, and a policy type. Out: the policies as resources,
//! and by target which of them are attached to it. Asking per policy instead of per account costs calls in the number of
//! policies, of which there are few.

use std::collections::BTreeMap;

use aws_sdk_organizations::Client;
use aws_sdk_organizations::types::{PolicySummary, PolicyType};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};

use crate::collect::{CallError, Scope, all_pages};
use crate::inventory::{Affects, Gap, Region, Resource, TypeName};

/// By target (root, unit or account), the attached policies as `{Id, Name, TargetId}`; or why that is not known.
pub(super) type Attached = Result<BTreeMap<String, Vec<Value>>, Gap>;

/// Policies read at once.
const AT_ONCE: usize = 8;

/// All policies of a type, and their attachments; a list that was refused leaves none of the former and a gap for the
/// latter.
pub(super) async fn read(scope: &Scope, client: &Client, kind: &PolicyType) -> (Vec<Resource>, Attached) {
    match listed(scope, client, kind).await {
        Ok((resources, attached)) => (resources, Ok(attached)),
        Err(error) => (Vec::new(), Err(error.gap(scope, Affects::Types { types: vec![TypeName::POLICY] }))),
    }
}

async fn listed(
    scope: &Scope,
    client: &Client,
    kind: &PolicyType,
) -> Result<(Vec<Resource>, BTreeMap<String, Vec<Value>>), CallError> {
    const ACTION: &str = "organizations:ListPolicies";
    let summaries = all_pages(ACTION, |token| async move {
        let ask = || client.list_policies().filter(kind.clone()).set_next_token(token.clone()).send();
        let page = scope.call(ACTION, ask).await?;
        Ok((page.policies.unwrap_or_default(), page.next_token))
    })
    .await
    .whole()?;
    let jobs = summaries.into_iter().map(|summary| read_policy(scope, client, kind, summary));
    let policies: Vec<Policy> = stream::iter(jobs).buffered(AT_ONCE).try_collect().await?;
    let mut attached: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for policy in &policies {
        for target in &policy.targets {
            let attachment = json!({"Id": policy.id, "Name": policy.name, "TargetId": target});
            attached.entry(target.clone()).or_default().push(attachment);
        }
    }
    for list in attached.values_mut() {
        list.sort_by_key(Value::to_string);
    }
    Ok((policies.into_iter().map(|policy| policy.resource).collect(), attached))
}

struct Policy {
    id: String,
    name: String,
    targets: Vec<String>,
    resource: Resource,
}

async fn read_policy(
    scope: &Scope,
    client: &Client,
    kind: &PolicyType,
    summary: PolicySummary,
) -> Result<Policy, CallError> {
    const ACTION: &str = "organizations:DescribePolicy";
    let (Some(id), Some(arn)) = (summary.id, summary.arn) else {
        return Err(CallError::malformed("organizations:ListPolicies", "a policy without id or ARN"));
    };
    let name = summary.name.unwrap_or_default();
    let targets = targets(scope, client, &id).await?;
    let mut resource = Resource::live(TypeName::POLICY, arn, scope.account.clone(), Region::GLOBAL);
    let mut set = |name: &str, value: Value| resource.properties.insert(name.to_owned(), value);
    set("Id", json!(id));
    set("Name", json!(name));
    set("Type", json!(kind.as_str()));
    set("AwsManaged", json!(summary.aws_managed));
    set("TargetIds", json!(targets));
    let described = scope.call(ACTION, || client.describe_policy().policy_id(&id).send()).await;
    let content = described.and_then(|answer| {
        let missing = || CallError::malformed(ACTION, "a policy without content");
        answer.policy.and_then(|policy| policy.content).ok_or_else(missing)
    });
    match content {
        Ok(content) => {
            let content = serde_json::from_str(&content).unwrap_or(Value::String(content));
            resource.properties.insert("Content".to_owned(), content);
        }
        Err(error) => error.hides(scope, &mut resource, &["Content"]),
    }
    Ok(Policy { id, name, targets, resource })
}

async fn targets(scope: &Scope, client: &Client, policy: &str) -> Result<Vec<String>, CallError> {
    const ACTION: &str = "organizations:ListTargetsForPolicy";
    let listed = all_pages(ACTION, |token| async move {
        let ask = || client.list_targets_for_policy().policy_id(policy).set_next_token(token.clone()).send();
        let page = scope.call(ACTION, ask).await?;
        Ok((page.targets.unwrap_or_default(), page.next_token))
    })
    .await
    .whole()?;
    let mut targets = Vec::new();
    for target in listed {
        targets.push(target.target_id.ok_or_else(|| CallError::malformed(ACTION, "a target without an id"))?);
    }
    targets.sort();
    Ok(targets)
}
