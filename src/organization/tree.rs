//! The tree of organizational units, walked to any depth.

use std::collections::BTreeSet;

use aws_sdk_organizations::Client;
use aws_sdk_organizations::types::{Account as ListedAccount, PolicyTypeStatus};

use super::{Account, Tagged, UNKNOWN_STATE};
use crate::collect::{CallError, Scope, all_pages};
use crate::inventory::{Affects, Gap, TypeName};

/// A root or organizational unit on the way down.
pub(super) struct Node {
    id: String,
    parent_ids: Vec<String>,
    path: String,
    /// Policy types that are enabled; a unit has none of its own.
    policy_types: BTreeSet<String>,
}

/// The policy types that are enabled on the roots: without that, a policy is attached to nothing and means nothing.
pub(super) fn policy_types(roots: &[Node]) -> BTreeSet<String> {
    roots.iter().flat_map(|root| root.policy_types.iter().cloned()).collect()
}

/// All accounts, by walking down from the roots. Breadth first, so that the depth of the tree costs no stack.
pub(super) async fn walk(
    scope: &Scope,
    client: &Client,
    roots: Vec<Node>,
    gaps: &mut Vec<Gap>,
) -> Result<Vec<Account>, CallError> {
    let mut accounts = Vec::new();
    let mut nodes = roots;
    while let Some(node) = nodes.pop() {
        let mut parents = node.parent_ids.clone();
        parents.push(node.id.clone());
        match accounts_of(scope, client, &node.id).await {
            Ok(listed) => {
                for account in listed {
                    let path = if node.path.is_empty() { "/".to_owned() } else { node.path.clone() };
                    accounts.push(account_from(&account, parents.clone(), path)?);
                }
            }
            Err(error) if node.parent_ids.is_empty() => return Err(error),
            Err(error) => gaps.push(error.gap(scope, Affects::Types { types: vec![TypeName::ACCOUNT] })),
        }
        match units_of(scope, client, &node.id).await {
            Ok(units) => nodes.extend(units.into_iter().map(|(id, name)| Node {
                id,
                parent_ids: parents.clone(),
                path: format!("{}/{name}", node.path),
                policy_types: BTreeSet::new(),
            })),
            Err(error) => gaps.push(error.gap(scope, Affects::Types { types: vec![TypeName::ACCOUNT] })),
        }
    }
    Ok(accounts)
}

/// All accounts from the flat list; the place in the tree comes from `Paths`, in ids instead of names.
pub(super) async fn flat(scope: &Scope, client: &Client) -> Result<Vec<Account>, CallError> {
    const ACTION: &str = "organizations:ListAccounts";
    let listed = all_pages(ACTION, |token| async move {
        let page = scope.call(ACTION, || client.list_accounts().set_next_token(token.clone()).send()).await?;
        Ok((page.accounts.unwrap_or_default(), page.next_token))
    })
    .await
    .whole()?;
    let mut accounts = Vec::new();
    for account in listed {
        let ids = account.paths().first().map(String::as_str).unwrap_or_default();
        let parents: Vec<String> =
            ids.split('/').filter(|id| id.starts_with("r-") || id.starts_with("ou-")).map(str::to_owned).collect();
        let path = format!("/{}", parents.iter().skip(1).cloned().collect::<Vec<_>>().join("/"));
        accounts.push(account_from(&account, parents, path)?);
    }
    Ok(accounts)
}

fn account_from(listed: &ListedAccount, parent_ids: Vec<String>, path: String) -> Result<Account, CallError> {
    let malformed = || {
        CallError::malformed(
            "organizations:ListAccountsForParent",
            format!("an account without a valid id: {:?}", listed.id()),
        )
    };
    let id = listed.id().and_then(|id| id.parse().ok()).ok_or_else(malformed)?;
    // AWS is retiring `Status` in favour of `State`; older endpoints only answer the former.
    let state = listed
        .state()
        .map(|state| state.as_str().to_owned())
        .or_else(|| listed.status().map(|status| status.as_str().to_owned()));
    Ok(Account {
        id,
        arn: listed.arn().unwrap_or_default().to_owned(),
        name: listed.name().unwrap_or_default().to_owned(),
        state: state.unwrap_or_else(|| UNKNOWN_STATE.to_owned()),
        parent_ids,
        path,
        tags: Tagged::NotAsked,
    })
}

/// The roots of the organization.
pub(super) async fn roots(scope: &Scope, client: &Client) -> Result<Vec<Node>, CallError> {
    const ACTION: &str = "organizations:ListRoots";
    let listed = all_pages(ACTION, |token| async move {
        let page = scope.call(ACTION, || client.list_roots().set_next_token(token.clone()).send()).await?;
        Ok((page.roots.unwrap_or_default(), page.next_token))
    })
    .await
    .whole()?;
    let mut roots = Vec::new();
    for root in listed {
        let enabled = root.policy_types().iter().filter(|policy| policy.status() == Some(&PolicyTypeStatus::Enabled));
        let policy_types = enabled.filter_map(|policy| policy.r#type()).map(|kind| kind.as_str().to_owned()).collect();
        let id = root.id.ok_or_else(|| CallError::malformed(ACTION, "a root without an id"))?;
        roots.push(Node { id, parent_ids: Vec::new(), path: String::new(), policy_types });
    }
    Ok(roots)
}

async fn accounts_of(scope: &Scope, client: &Client, parent: &str) -> Result<Vec<ListedAccount>, CallError> {
    const ACTION: &str = "organizations:ListAccountsForParent";
    let listed = all_pages(ACTION, |token| async move {
        let ask = || client.list_accounts_for_parent().parent_id(parent).set_next_token(token.clone()).send();
        let page = scope.call(ACTION, ask).await?;
        Ok((page.accounts.unwrap_or_default(), page.next_token))
    });
    listed.await.whole()
}

async fn units_of(scope: &Scope, client: &Client, parent: &str) -> Result<Vec<(String, String)>, CallError> {
    const ACTION: &str = "organizations:ListOrganizationalUnitsForParent";
    let listed = all_pages(ACTION, |token| async move {
        let ask =
            || client.list_organizational_units_for_parent().parent_id(parent).set_next_token(token.clone()).send();
        let page = scope.call(ACTION, ask).await?;
        Ok((page.organizational_units.unwrap_or_default(), page.next_token))
    })
    .await
    .whole()?;
    let mut units = Vec::new();
    for unit in listed {
        let id = unit.id.ok_or_else(|| CallError::malformed(ACTION, "an organizational unit without an id"))?;
        units.push((id, unit.name.unwrap_or_default()));
    }
    Ok(units)
}
