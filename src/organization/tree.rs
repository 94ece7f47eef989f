//! The tree of organizational units, walked to any depth.

use aws_sdk_organizations::Client;
use aws_sdk_organizations::types::Account as ListedAccount;

use super::{Account, Tagged};
use crate::collect::{CallError, Scope};
use crate::inventory::{Affects, Gap, TypeName};

/// A root or organizational unit on the way down.
struct Node {
    id: String,
    parent_ids: Vec<String>,
    path: String,
}

/// All accounts, by walking down from the roots. Breadth first, so that the depth of the tree costs no stack.
pub(super) async fn walk(scope: &Scope, client: &Client, gaps: &mut Vec<Gap>) -> Result<Vec<Account>, CallError> {
    let mut accounts = Vec::new();
    let mut nodes: Vec<Node> = roots(scope, client).await?;
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
            })),
            Err(error) => gaps.push(error.gap(scope, Affects::Types { types: vec![TypeName::ACCOUNT] })),
        }
    }
    Ok(accounts)
}

/// All accounts from the flat list; the place in the tree comes from `Paths`, in ids instead of names.
pub(super) async fn flat(scope: &Scope, client: &Client) -> Result<Vec<Account>, CallError> {
    let mut accounts = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let page = scope
            .call("organizations:ListAccounts", || client.list_accounts().set_next_token(token.clone()).send())
            .await?;
        for account in page.accounts.unwrap_or_default() {
            let ids = account.paths().first().map(String::as_str).unwrap_or_default();
            let parents: Vec<String> =
                ids.split('/').filter(|id| id.starts_with("r-") || id.starts_with("ou-")).map(str::to_owned).collect();
            let path = format!("/{}", parents.iter().skip(1).cloned().collect::<Vec<_>>().join("/"));
            accounts.push(account_from(&account, parents, path)?);
        }
        match page.next_token {
            Some(next) if Some(&next) != token.as_ref() => token = Some(next),
            _ => return Ok(accounts),
        }
    }
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
        state: state.unwrap_or_else(|| "UNKNOWN".to_owned()),
        parent_ids,
        path,
        tags: Tagged::NotAsked,
    })
}

async fn roots(scope: &Scope, client: &Client) -> Result<Vec<Node>, CallError> {
    let mut roots = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let page =
            scope.call("organizations:ListRoots", || client.list_roots().set_next_token(token.clone()).send()).await?;
        let ids = page.roots.unwrap_or_default().into_iter().filter_map(|root| root.id);
        roots.extend(ids.map(|id| Node { id, parent_ids: Vec::new(), path: String::new() }));
        match page.next_token {
            Some(next) if Some(&next) != token.as_ref() => token = Some(next),
            _ => return Ok(roots),
        }
    }
}

async fn accounts_of(scope: &Scope, client: &Client, parent: &str) -> Result<Vec<ListedAccount>, CallError> {
    let mut accounts = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let page = scope
            .call("organizations:ListAccountsForParent", || {
                client.list_accounts_for_parent().parent_id(parent).set_next_token(token.clone()).send()
            })
            .await?;
        accounts.extend(page.accounts.unwrap_or_default());
        match page.next_token {
            Some(next) if Some(&next) != token.as_ref() => token = Some(next),
            _ => return Ok(accounts),
        }
    }
}

async fn units_of(scope: &Scope, client: &Client, parent: &str) -> Result<Vec<(String, String)>, CallError> {
    let mut units = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let page = scope
            .call("organizations:ListOrganizationalUnitsForParent", || {
                client.list_organizational_units_for_parent().parent_id(parent).set_next_token(token.clone()).send()
            })
            .await?;
        let named = page.organizational_units.unwrap_or_default().into_iter();
        units.extend(named.filter_map(|unit| Some((unit.id?, unit.name.unwrap_or_default()))));
        match page.next_token {
            Some(next) if Some(&next) != token.as_ref() => token = Some(next),
            _ => return Ok(units),
        }
    }
}
