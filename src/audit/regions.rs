//! Which Regions of an account are looked at.

use aws_sdk_account::Client;
use aws_sdk_account::types::RegionOptStatus;

use crate::collect::{COLLECTORS, CallError, Pages, Reach, Scope};
use crate::inventory::{Affects, Gap, Partition, Region, TypeName};

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

/// The Regions to look at, sorted, and a gap if more than these may be enabled.
pub(super) async fn of_account(scope: &Scope, choice: &RegionChoice) -> (Vec<Region>, Option<Gap>) {
    match choice {
        RegionChoice::Listed(regions) => {
            let mut regions = regions.clone();
            regions.sort();
            regions.dedup();
            (regions, None)
        }
        RegionChoice::Enabled => match enabled(scope).await {
            Ok(regions) => (regions, None),
            Err(error) => {
                let mut gap = error.gap(scope, Affects::Types { types: regional_types() });
                gap.region = Region::GLOBAL;
                (enabled_by_default(scope.partition), Some(gap))
            }
        },
    }
}

async fn enabled(scope: &Scope) -> Result<Vec<Region>, CallError> {
    const ACTION: &str = "account:ListRegions";
    let client = Client::new(scope.config());
    let mut regions = Vec::new();
    let mut pages = Pages::of(ACTION);
    let mut token: Option<String> = None;
    loop {
        let page = scope
            .call(ACTION, || {
                client
                    .list_regions()
                    .region_opt_status_contains(RegionOptStatus::Enabled)
                    .region_opt_status_contains(RegionOptStatus::EnabledByDefault)
                    .set_next_token(token.clone())
                    .send()
            })
            .await?;
        for region in page.regions.unwrap_or_default() {
            let name = region.region_name.unwrap_or_default();
            regions.push(name.parse().map_err(|error| CallError::malformed(ACTION, format!("{error}")))?);
        }
        match pages.after(page.next_token)? {
            Some(next) => token = Some(next),
            None => break,
        }
    }
    regions.sort();
    Ok(regions)
}

/// Types that live in Regions, of which some may be where nobody looked.
fn regional_types() -> Vec<TypeName> {
    let regional = COLLECTORS.iter().filter(|collector| collector.reach() == Reach::EveryRegion);
    regional.flat_map(|collector| collector.types().iter().cloned()).collect()
}
