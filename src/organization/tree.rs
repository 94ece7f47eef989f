//! The tree of organizational units, walked to any depth.

use aws_sdk_organizations::Client;
use aws_sdk_organizations::types::Account as ListedAccount;

use super::{Account, Tagged, UNKNOWN_STATE};
use crate::collect::{CallError, Pages, Scope};
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
    let mut pages = Pages::of("organizations:ListAccounts");
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
        match pages.after(page.next_token)? {
            Some(next) => token = Some(next),
            None => return Ok(accounts),
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
        state: state.unwrap_or_else(|| UNKNOWN_STATE.to_owned()),
        parent_ids,
        path,
        tags: Tagged::NotAsked,
    })
}

async fn roots(scope: &Scope, client: &Client) -> Result<Vec<Node>, CallError> {
    let mut roots = Vec::new();
    let mut pages = Pages::of("organizations:ListRoots");
    let mut token: Option<String> = None;
    loop {
        let page =
            scope.call("organizations:ListRoots", || client.list_roots().set_next_token(token.clone()).send()).await?;
        for root in page.roots.unwrap_or_default() {
            let without_id = || CallError::malformed("organizations:ListRoots", "a root without an id");
            roots.push(Node { id: root.id.ok_or_else(without_id)?, parent_ids: Vec::new(), path: String::new() });
        }
        match pages.after(page.next_token)? {
            Some(next) => token = Some(next),
            None => return Ok(roots),
        }
    }
}

async fn accounts_of(scope: &Scope, client: &Client, parent: &str) -> Result<Vec<ListedAccount>, CallError> {
    let mut accounts = Vec::new();
    let mut pages = Pages::of("organizations:ListAccountsForParent");
    let mut token: Option<String> = None;
    loop {
        let page = scope
            .call("organizations:ListAccountsForParent", || {
                client.list_accounts_for_parent().parent_id(parent).set_next_token(token.clone()).send()
            })
            .await?;
        accounts.extend(page.accounts.unwrap_or_default());
        match pages.after(page.next_token)? {
            Some(next) => token = Some(next),
            None => return Ok(accounts),
        }
    }
}

async fn units_of(scope: &Scope, client: &Client, parent: &str) -> Result<Vec<(String, String)>, CallError> {
    let mut units = Vec::new();
    let mut pages = Pages::of("organizations:ListOrganizationalUnitsForParent");
    let mut token: Option<String> = None;
    loop {
        let page = scope
            .call("organizations:ListOrganizationalUnitsForParent", || {
                client.list_organizational_units_for_parent().parent_id(parent).set_next_token(token.clone()).send()
            })
            .await?;
        for unit in page.organizational_units.unwrap_or_default() {
            const ACTION: &str = "organizations:ListOrganizationalUnitsForParent";
            let id = unit.id.ok_or_else(|| CallError::malformed(ACTION, "an organizational unit without an id"))?;
            units.push((id, unit.name.unwrap_or_default()));
        }
        match pages.after(page.next_token)? {
            Some(next) => token = Some(next),
            None => return Ok(units),
        }
    }
}
