//! Account Management: which Regions are enabled.

use serde_json::{Value, json};

use super::super::protocol::ApiError;
use super::pages::{page, with_token};
use super::{Answer, Call, Operation, Service};

pub(super) const SERVICE: Service = Service {
    prefix: "account",
    target: "Account",
    operations: &[Operation { name: "ListRegions", action: "account:ListRegions", answer: list_regions }],
};

/// Regions that exist and are not enabled.
const DISABLED: &[&str] = &["af-south-1", "ap-east-1", "me-south-1"];

fn list_regions(call: &Call<'_>) -> Answer {
    let asked = call.text("AccountId");
    if asked.is_some_and(|id| call.account != 0 && id != call.world.account_id(call.account).as_str()) {
        let message = "another account's Regions are for the management account to see".to_owned();
        return Err(ApiError::new(403, "AccessDeniedException", message));
    }
    let statuses = call.texts("RegionOptStatusContains");
    // Regions that were enabled by hand have another status than those that always are.
    let by_hand = |name: &str| DISABLED.contains(&name) || name.starts_with("me-");
    let enabled = call.world.regions().iter().map(|region| {
        let name = region.as_str();
        (name, if by_hand(name) { "ENABLED" } else { "ENABLED_BY_DEFAULT" })
    });
    let disabled = DISABLED.iter().copied().filter(|name| call.world.region_position(name).is_none());
    let regions: Vec<Value> = enabled
        .chain(disabled.map(|name| (name, "DISABLED")))
        .filter(|(_, status)| statuses.is_empty() || statuses.contains(status))
        .map(|(name, status)| json!({ "RegionName": name, "RegionOptStatus": status }))
        .collect();
    let wanted = call.number("MaxResults");
    let (range, next) = page(regions.len(), call.text("NextToken"), wanted, 50, "ValidationException")?;
    Ok(with_token(json!({ "Regions": regions.get(range).unwrap_or_default() }), "NextToken", next))
}
