//! The tree of organizational units, walked to any depth, and the flat list of accounts where a branch of it is refused.
//!
//! In: the roots. Out: all accounts with their place. The flat list says a place in ids, and a rule of the configuration
//! speaks of names: a path is known only where the walk saw the name of every unit on it, and is a gap otherwise.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_organizations::Client;
use aws_sdk_organizations::types::{Account as ListedAccount, PolicyTypeStatus};

use super::{Account, Tagged, UNKNOWN_STATE};
use crate::collect::{CallError, Scope, all_pages};
use crate::inventory::{Affects, Gap, TypeName};

const ACCOUNTS_OF: &str = "organizations:ListAccountsForParent";
const UNITS_OF: &str = "organizations:ListOrganizationalUnitsForParent";
const ALL_ACCOUNTS: &str = "organizations:ListAccounts";

/// A root or organizational unit on the way down.
pub(super) struct Node {
    id: String,
    parent_ids: Vec<String>,
    path: String,
    /// Policy types that are enabled; a unit has none of its own.
    policy_types: BTreeSet<String>,
}

impl Node {
    /// The ids down to this one.
    fn ids(&self) -> Vec<String> {
        let mut ids = self.parent_ids.clone();
        ids.push(self.id.clone());
        ids
    }
}

/// What the walk brought.
#[derive(Default)]
struct Walked {
    accounts: Vec<Account>,
    /// Names of the units that were listed, by id.
    names: BTreeMap<String, String>,
    refusals: Vec<Refusal>,
}

/// A call of the walk that brought nothing.
struct Refusal {
    /// The root or unit that was asked about; none where the roots themselves were refused.
    at: Option<String>,
    error: CallError,
}

/// The policy types that are enabled on the roots: without that, a policy is attached to nothing and means nothing.
pub(super) fn policy_types(roots: &[Node]) -> BTreeSet<String> {
    roots.iter().flat_map(|root| root.policy_types.iter().cloned()).collect()
}

/// All accounts, and the gaps of what was refused on the way. What the walk found comes before what the flat list has of
/// the same account.
pub(super) async fn accounts(
    scope: &Scope,
    client: &Client,
    roots: Result<Vec<Node>, CallError>,
) -> Result<(Vec<Account>, Vec<Gap>), CallError> {
    let mut walked = match roots {
        Ok(roots) => walk(scope, client, roots).await,
        Err(error) => Walked { refusals: vec![Refusal { at: None, error }], ..Walked::default() },
    };
    if walked.refusals.is_empty() {
        return Ok((walked.accounts, Vec::new()));
    }
    match flat(scope, client, &walked).await {
        Ok(listed) => {
            walked.accounts.extend(listed);
            // Every account is listed now: what was refused hides where some of them stand, and none of them.
            let gaps = walked.refusals.into_iter().map(|refusal| refusal.error.gap(scope, Affects::Details)).collect();
            Ok((walked.accounts, gaps))
        }
        Err(error) if walked.accounts.is_empty() => Err(error),
        Err(error) => {
            let errors = walked.refusals.into_iter().map(|refusal| refusal.error).chain([error]);
            let gaps = errors.map(|error| error.unlisted(scope, &[TypeName::ACCOUNT])).collect();
            Ok((walked.accounts, gaps))
        }
    }
}

/// Walks down from the roots, with a list of what is left to ask instead of recursion: the depth of the tree costs no
/// stack.
async fn walk(scope: &Scope, client: &Client, roots: Vec<Node>) -> Walked {
    let mut walked = Walked::default();
    let mut asks_for_accounts = true;
    let mut nodes = roots;
    while let Some(node) = nodes.pop() {
        if asks_for_accounts {
            match accounts_of(scope, client, &node).await {
                Ok(accounts) => walked.accounts.extend(accounts),
                Err(error) => {
                    // What is refused in the root is refused in every unit as well. The names of the units are worth
                    // their calls all the same: the flat list has none.
                    asks_for_accounts = !node.parent_ids.is_empty();
                    walked.refusals.push(Refusal { at: Some(node.id.clone()), error });
                }
            }
        }
        match units_of(scope, client, &node.id).await {
            Ok(units) => {
                walked.names.extend(units.iter().cloned());
                nodes.extend(units.into_iter().map(|(id, name)| Node {
                    id,
                    parent_ids: node.ids(),
                    path: format!("{}/{name}", node.path),
                    policy_types: BTreeSet::new(),
                }));
            }
            Err(error) => walked.refusals.push(Refusal { at: Some(node.id.clone()), error }),
        }
    }
    walked
}

/// All accounts from the flat list, in places as far as the list and the walk know them together.
async fn flat(scope: &Scope, client: &Client, walked: &Walked) -> Result<Vec<Account>, CallError> {
    let listed = all_pages(ALL_ACCOUNTS, |token| async move {
        let page = scope.call(ALL_ACCOUNTS, || client.list_accounts().set_next_token(token.clone()).send()).await?;
        Ok((page.accounts.unwrap_or_default(), page.next_token))
    })
    .await
    .whole()?;
    listed
        .iter()
        .map(|account| {
            let (parent_ids, path) = match parents(account) {
                Some(ids) => {
                    let path = walked.path(scope, &ids);
                    (Ok(ids), path)
                }
                None => (Err(walked.hidden(scope, None)), Err(walked.hidden(scope, None))),
            };
            account_from(ALL_ACCOUNTS, account, parent_ids, path)
        })
        .collect()
}

/// The root and the units above an account: ids are all that `Paths` has (`o-…/r-…/ou-…/111122223333/`).
/// <https://docs.aws.amazon.com/organizations/latest/APIReference/API_Account.html>
fn parents(listed: &ListedAccount) -> Option<Vec<String>> {
    let [path] = listed.paths() else { return None };
    let is_above = |id: &&str| id.starts_with("r-") || id.starts_with("ou-");
    let ids: Vec<String> = path.split('/').filter(is_above).map(str::to_owned).collect();
    ids.first().is_some_and(|id| id.starts_with("r-")).then_some(ids)
}

impl Walked {
    /// The names of the units behind a root; `/` where there are none.
    fn path(&self, scope: &Scope, ids: &[String]) -> Result<String, Box<Gap>> {
        let mut path = String::new();
        for (above, id) in ids.iter().zip(ids.iter().skip(1)) {
            let name = self.names.get(id).ok_or_else(|| self.hidden(scope, Some(above)))?;
            path.push('/');
            path.push_str(name);
        }
        Ok(if path.is_empty() { "/".to_owned() } else { path })
    }

    /// The gap of the call that would have listed the units in `parent`; of the first that was refused, where none is
    /// known to be that one.
    fn hidden(&self, scope: &Scope, parent: Option<&String>) -> Box<Gap> {
        let lists_it = |refusal: &&Refusal| refusal.at.as_ref() == parent && refusal.error.action == UNITS_OF;
        let refusal = self.refusals.iter().find(lists_it).or_else(|| self.refusals.first());
        let unsaid = || CallError::malformed(ALL_ACCOUNTS, "an account without its place in the organization's tree");
        let error = refusal.map_or_else(unsaid, |refusal| refusal.error.clone());
        Box::new(error.gap(scope, Affects::Details))
    }
}

fn account_from(
    action: &'static str,
    listed: &ListedAccount,
    parent_ids: Result<Vec<String>, Box<Gap>>,
    path: Result<String, Box<Gap>>,
) -> Result<Account, CallError> {
    let malformed = || CallError::malformed(action, format!("an account without a valid id: {:?}", listed.id()));
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

/// The accounts that stand in a root or unit itself.
async fn accounts_of(scope: &Scope, client: &Client, node: &Node) -> Result<Vec<Account>, CallError> {
    let parent = node.id.as_str();
    let listed = all_pages(ACCOUNTS_OF, |token| async move {
        let ask = || client.list_accounts_for_parent().parent_id(parent).set_next_token(token.clone()).send();
        let page = scope.call(ACCOUNTS_OF, ask).await?;
        Ok((page.accounts.unwrap_or_default(), page.next_token))
    });
    let listed = listed.await.whole()?;
    let path = if node.path.is_empty() { "/" } else { node.path.as_str() };
    listed.iter().map(|account| account_from(ACCOUNTS_OF, account, Ok(node.ids()), Ok(path.to_owned()))).collect()
}

async fn units_of(scope: &Scope, client: &Client, parent: &str) -> Result<Vec<(String, String)>, CallError> {
    let listed = all_pages(UNITS_OF, |token| async move {
        let ask =
            || client.list_organizational_units_for_parent().parent_id(parent).set_next_token(token.clone()).send();
        let page = scope.call(UNITS_OF, ask).await?;
        Ok((page.organizational_units.unwrap_or_default(), page.next_token))
    })
    .await
    .whole()?;
    let mut units = Vec::new();
    for unit in listed {
        let (Some(id), Some(name)) = (unit.id, unit.name) else {
            return Err(CallError::malformed(UNITS_OF, "an organizational unit without id or name"));
        };
        units.push((id, name));
    }
    Ok(units)
}
