//! Accounts, Regions and names of the resources of a plan.
//!
//! In: what the caller told, the provider's configuration, and ARNs of what is there already. Out: a place and a name for
//! every resource, such that the ARN made of them is the ARN that the plan itself says, where it says one.

use std::collections::BTreeSet;

use super::super::identity;
use super::super::node::Node;
use super::super::source::Place;
use super::plan::{Instance, Plan};
use super::services::Kind;
use crate::inventory::{AccountId, Region};

/// What is known for all resources.
#[derive(Debug, Clone)]
pub(super) struct Whereabouts {
    place: Place,
}

fn arn_part(arn: &str, at: usize) -> Option<&str> {
    if !arn.starts_with("arn:") {
        return None;
    }
    arn.splitn(6, ':').nth(at).filter(|part| !part.is_empty())
}

impl Whereabouts {
    /// The place told, completed from the plan: its account if all ARNs agree on one.
    pub(super) fn of(plans: &[&Plan<'_>], told: &Place) -> Self {
        let instances = || plans.iter().flat_map(|plan| &plan.instances).filter(|one| !one.data);
        let arns = || instances().filter_map(|one| one.values.text_at(&["arn"]));
        let accounts: BTreeSet<&str> = arns().filter_map(|arn| arn_part(arn, 4)).collect();
        let account = match (told.account_known, accounts.len()) {
            (false, 1) => accounts.first().and_then(|account| account.parse::<AccountId>().ok()),
            (true, _) => Some(told.account.clone()),
            _ => None,
        };
        let region = told.region_known.then(|| told.region.clone());
        let region = region.or_else(|| plans.iter().find_map(|plan| provider_region(plan, "aws")));
        Self { place: Place::new(account, region) }
    }

    /// Where a resource is.
    pub(super) fn place(&self, plan: &Plan<'_>, instance: &Instance<'_>) -> Place {
        let arn = instance.values.text_at(&["arn"]).unwrap_or_default();
        let account = arn_part(arn, 4).and_then(|account| account.parse::<AccountId>().ok());
        let in_arn = arn_part(arn, 3).and_then(|region| region.parse::<Region>().ok());
        let own = || instance.values.text_at(&["region"]).and_then(|region| region.parse::<Region>().ok());
        let provider = || {
            let key = instance.configuration?.text_at(&["provider_config_key"])?;
            provider_region(plan, key)
        };
        let region = in_arn.or_else(own).or_else(provider);
        Place::new(
            account.or_else(|| self.place.account_known.then(|| self.place.account.clone())),
            region.or_else(|| self.place.region_known.then(|| self.place.region.clone())),
        )
    }

    /// The name of a resource: its own, that of its ARN, or its address where only AWS will make one.
    pub(super) fn name(&self, plan: &Plan<'_>, instance: &Instance<'_>, kind: &Kind) -> String {
        const MARK: &str = "\u{1}";
        if let Some(arn) = instance.values.text_at(&["arn"]).filter(|_| kind.named_by_arn) {
            let form = identity::uid(kind.cloudformation, MARK, &self.place(plan, instance));
            if let Some(name) = form.split(MARK).next().and_then(|begin| arn.strip_prefix(begin))
                && !name.is_empty()
            {
                return name.to_owned();
            }
        }
        let text = |name: &str| instance.values.text_at(&[name]).filter(|text| !text.is_empty());
        if let Some(name) = text(kind.name) {
            return name.to_owned();
        }
        let prefix = text(&format!("{}_prefix", kind.name)).unwrap_or_default();
        // ARNs are split at these two.
        format!("{prefix}{}", instance.address.replace([':', '/'], "-"))
    }
}

/// The Region in a provider's configuration, where that is a constant or a variable with a value.
fn provider_region(plan: &Plan<'_>, key: &str) -> Option<Region> {
    let providers = plan.root.at(&["configuration", "provider_config"])?;
    // A provider that a module inherits stands under the caller's key.
    let (_, plain) = key.rsplit_once(':').unwrap_or(("", key));
    let provider =
        providers.get(key).filter(|one| one.get("expressions").is_some()).or_else(|| providers.get(plain))?;
    let expression = provider.at(&["expressions", "region"])?;
    if let Some(constant) = expression.get("constant_value") {
        return constant.as_str()?.parse().ok();
    }
    let references = expression.get("references").map(Node::elements).unwrap_or_default();
    let name = references.iter().find_map(|reference| reference.as_str()?.strip_prefix("var."))?;
    let variable = || plan.module(&[])?.variables.get(name)?.text_at(&["default"]);
    let given = plan.root.at(&["variables", name]).and_then(|variable| variable.text_at(&["value"]));
    given.or_else(variable)?.parse().ok()
}
