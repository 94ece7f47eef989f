//! Which accounts administer a service for the whole organization.
//!
//! In: a scope in the management account or a delegated administrator. Out: by account the service principals that it
//! was given. Such an account can do in every other what its service can do, so it has to be one that is trusted.

use std::collections::BTreeMap;

use aws_sdk_organizations::Client;

use crate::collect::{CallError, Scope, all_pages};
use crate::inventory::{AccountId, Affects, Gap};

/// By account the services that it administers; an account that is not there administers none.
pub(super) type Delegated = Result<BTreeMap<AccountId, Result<Vec<String>, Box<Gap>>>, Box<Gap>>;

/// All delegated administrators with their services.
pub(super) async fn read(scope: &Scope, client: &Client) -> Delegated {
    let administrators =
        administrators(scope, client).await.map_err(|error| Box::new(error.gap(scope, Affects::Details)))?;
    let mut delegated = BTreeMap::new();
    for account in administrators {
        let services = services(scope, client, &account).await.map_err(|error| {
            let mut gap = error.gap(scope, Affects::Details);
            gap.account = account.clone();
            Box::new(gap)
        });
        delegated.insert(account, services);
    }
    Ok(delegated)
}

async fn administrators(scope: &Scope, client: &Client) -> Result<Vec<AccountId>, CallError> {
    const ACTION: &str = "organizations:ListDelegatedAdministrators";
    let listed = all_pages(ACTION, |token| async move {
        let ask = || client.list_delegated_administrators().set_next_token(token.clone()).send();
        let page = scope.call(ACTION, ask).await?;
        Ok((page.delegated_administrators.unwrap_or_default(), page.next_token))
    })
    .await
    .whole()?;
    let mut accounts = Vec::new();
    for administrator in listed {
        let without_id = || CallError::malformed(ACTION, "a delegated administrator without a valid account id");
        accounts.push(administrator.id().and_then(|id| id.parse().ok()).ok_or_else(without_id)?);
    }
    accounts.sort();
    accounts.dedup();
    Ok(accounts)
}

async fn services(scope: &Scope, client: &Client, account: &AccountId) -> Result<Vec<String>, CallError> {
    const ACTION: &str = "organizations:ListDelegatedServicesForAccount";
    let listed = all_pages(ACTION, |token| async move {
        let ask = || {
            client
                .list_delegated_services_for_account()
                .account_id(account.as_str())
                .set_next_token(token.clone())
                .send()
        };
        let page = scope.call(ACTION, ask).await?;
        Ok((page.delegated_services.unwrap_or_default(), page.next_token))
    })
    .await
    .whole()?;
    let mut services: Vec<String> = listed.into_iter().filter_map(|service| service.service_principal).collect();
    services.sort();
    services.dedup();
    Ok(services)
}
