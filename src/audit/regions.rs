//! Which Regions of an account are looked at.

use aws_sdk_account::Client;
use aws_sdk_account::types::RegionOptStatus;

use crate::collect::{COLLECTORS, CallError, Reach, Scope, all_pages};
use crate::inventory::{Affects, Gap, Partition, Region, Skip, TypeName};

/// Regions as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegionChoice {
    /// Those that the account has enabled, asked of the Account API.
    Enabled,
    /// Exactly these.
    Listed(Vec<Region>),
}

/// Regions that are enabled by default in every account of a partition; looked at where the account itself cannot be
/// asked. Source: AWS's list of Regions, those without opt-in.
fn enabled_by_default(partition: Partition) -> Vec<Region> {
    let names: &[&str] = match partition {
        Partition::Aws => &[
            "ap-northeast-1",
            "ap-northeast-2",
            "ap-northeast-3",
            "ap-south-1",
            "ap-southeast-1",
            "ap-southeast-2",
            "ca-central-1",
            "eu-central-1",
            "eu-north-1",
            "eu-west-1",
            "eu-west-2",
            "eu-west-3",
            "sa-east-1",
            "us-east-1",
            "us-east-2",
            "us-west-1",
            "us-west-2",
        ],
        Partition::AwsCn => &["cn-north-1", "cn-northwest-1"],
        Partition::AwsUsGov => &["us-gov-east-1", "us-gov-west-1"],
    };
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

/// What is looked at of an account, and what is not.
#[derive(Debug, PartialEq)]
pub(super) struct Chosen {
    /// The Regions to look at, sorted.
    pub(super) regions: Vec<Region>,
    /// Regions that the account has enabled, and that the configuration leaves out.
    pub(super) left_out: Vec<Skip>,
    /// Why more Regions than these may be enabled.
    pub(super) gap: Option<Gap>,
}

/// The Regions to look at. The account is asked even where the configuration lists them: what is left out has to be
/// said.
pub(super) async fn of_account(scope: &Scope, choice: &RegionChoice) -> Chosen {
    let enabled = enabled(scope).await;
    let gap = |error: CallError, affects| {
        let mut gap = error.gap(scope, affects);
        gap.region = Region::GLOBAL;
        Some(gap)
    };
    match (choice, enabled) {
        (RegionChoice::Listed(listed), enabled) => {
            let mut regions = listed.clone();
            regions.sort();
            regions.dedup();
            match enabled {
                Ok(enabled) => Chosen { left_out: left_out(scope, &enabled, &regions), regions, gap: None },
                Err(error) => Chosen { regions, left_out: Vec::new(), gap: gap(error, Affects::Details) },
            }
        }
        (RegionChoice::Enabled, Ok(regions)) => Chosen { regions, left_out: Vec::new(), gap: None },
        (RegionChoice::Enabled, Err(error)) => Chosen {
            regions: enabled_by_default(scope.partition),
            left_out: Vec::new(),
            gap: gap(error, Affects::Types { types: regional_types() }),
        },
    }
}

fn left_out(scope: &Scope, enabled: &[Region], listed: &[Region]) -> Vec<Skip> {
    let others = enabled.iter().filter(|region| !listed.contains(region));
    let reason = "enabled in the account, but not among `regions.only` of the configuration";
    others
        .map(|region| Skip { account: scope.account.clone(), region: region.clone(), reason: reason.to_owned() })
        .collect()
}

async fn enabled(scope: &Scope) -> Result<Vec<Region>, CallError> {
    const ACTION: &str = "account:ListRegions";
    let client = Client::new(scope.config());
    let client = &client;
    let listed = all_pages(ACTION, |token| async move {
        let ask = || {
            client
                .list_regions()
                .region_opt_status_contains(RegionOptStatus::Enabled)
                .region_opt_status_contains(RegionOptStatus::EnabledByDefault)
                .set_next_token(token.clone())
                .send()
        };
        let page = scope.call(ACTION, ask).await?;
        Ok((page.regions.unwrap_or_default(), page.next_token))
    })
    .await
    .whole()?;
    let mut regions = Vec::new();
    for region in listed {
        let name = region.region_name.unwrap_or_default();
        regions.push(name.parse().map_err(|error| CallError::malformed(ACTION, format!("{error}")))?);
    }
    regions.sort();
    Ok(regions)
}

/// Types that live in Regions, of which some may be where nobody looked.
fn regional_types() -> Vec<TypeName> {
    let regional = COLLECTORS.iter().filter(|collector| collector.reach() == Reach::EveryRegion);
    regional.flat_map(|collector| collector.types().iter().cloned()).collect()
}
