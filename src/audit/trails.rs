//! The events of the whole organization from its trail: the bucket, Athena, or CloudTrail Lake.
//!
//! In: where the trail's records are, and a run whose inventories say which accounts and Regions matter. Out: segments of
//! the store that belong to no account, and one part of the run with the calls and gaps ([`TRAIL`]). It is asked once, with
//! the credentials of the audit account, in place of the event history of every account.

use std::collections::BTreeSet;

use time::Duration;

use super::deliveries::{DeliveriesError, delivering_regions};
use super::evaluation::own_parts;
use crate::collect::{CallError, Scope};
use crate::dora::Options;
use crate::history::archive::ArchiveSelection;
use crate::history::athena::{AthenaTable, EventDataStore, TableAnswer, TableSelection, query_athena, query_lake};
use crate::history::{
    ArchiveBucket, History, HistoryCoverage, HistoryGap, HistorySource, HistoryStore, Period, Span, list_public_keys,
};
use crate::inventory::{AccountId, Affects, GapCause, Inventory, Region};
use crate::organization::Sessions;
use crate::run::RunDirectory;

/// Part of a run with the calls and gaps of its trail; the trail was read when it is there.
pub const TRAIL: &str = "trail";

/// Files are delivered within a day of what they hold, so the last day that is known is read again.
const LATE: Duration = Duration::DAY;

/// The bucket of a trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailBucket {
    /// Name.
    pub bucket: String,
    /// Prefix before `AWSLogs`, if there is one.
    pub prefix: Option<String>,
    /// The Region to ask in; the bucket's own is found from there.
    pub region: Option<Region>,
    /// Whether digests are verified.
    pub verify_digests: bool,
}

/// Where the organization's events are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrailSources {
    /// The trail's bucket.
    pub bucket: Option<TrailBucket>,
    /// A table of Athena, and its Region.
    pub athena: Option<(AthenaTable, Option<Region>)>,
    /// An event data store, and its Region.
    pub lake: Option<(EventDataStore, Option<Region>)>,
}

/// Who and when is asked about.
struct Wanted {
    accounts: Vec<AccountId>,
    regions: Vec<Region>,
    period: Period,
}

impl TrailSources {
    /// Reads what is configured and the store does not hold yet.
    ///
    /// # Errors
    /// [`DeliveriesError`] if the run or the store fails; what goes wrong with a call or a file is a gap.
    pub async fn read(
        &self,
        sessions: &Sessions,
        run: &RunDirectory,
        store: &HistoryStore,
        options: &Options,
    ) -> Result<(), DeliveriesError> {
        if *self == Self::default() || run.has_part(None, TRAIL) {
            return Ok(());
        }
        let own = sessions.own_scope();
        let in_region =
            |region: &Option<Region>| region.as_ref().map_or_else(|| own.clone(), |name| own.in_region(name));
        let mut part = Inventory::default();
        let mut keep = |source: HistorySource, history: History| {
            part.gaps.extend(history.coverage.gaps.iter().map(|gap| gap.gap.clone()));
            store.append(None, source, run.plan().run_id.as_str(), &history)
        };
        if let Some(bucket) = &self.bucket {
            let wanted = wanted(run, store, options, &own, HistorySource::TrailArchive)?;
            let history = read_bucket(&in_region(&bucket.region), bucket, &wanted).await;
            keep(HistorySource::TrailArchive, history)?;
        }
        if let Some((table, region)) = &self.athena {
            let wanted = wanted(run, store, options, &own, HistorySource::Athena)?.selection();
            let TableAnswer { history, bytes_scanned, .. } = query_athena(&in_region(region), table, &wanted).await;
            tracing::info!(bytes_scanned, "Athena answered");
            keep(HistorySource::Athena, history)?;
        }
        if let Some((event_data_store, region)) = &self.lake {
            let wanted = wanted(run, store, options, &own, HistorySource::CloudTrailLake)?.selection();
            let answer = query_lake(&in_region(region), event_data_store, &wanted).await;
            tracing::info!(bytes_scanned = answer.bytes_scanned, "CloudTrail Lake answered");
            keep(HistorySource::CloudTrailLake, answer.history)?;
        }
        part.coverage = own.take_coverage();
        part.normalise();
        Ok(run.write_inventory(None, TRAIL, &part)?)
    }
}

impl Wanted {
    fn selection(self) -> TableSelection {
        TableSelection { accounts: self.accounts, regions: self.regions, period: self.period }
    }
}

/// The accounts of the run, the Regions in which anything is delivered, and the time that is not known of all of them.
fn wanted(
    run: &RunDirectory,
    store: &HistoryStore,
    options: &Options,
    own: &Scope,
    source: HistorySource,
) -> Result<Wanted, DeliveriesError> {
    let period = Period { from: options.from(), to: options.as_of };
    let accounts = run.accounts()?;
    // IAM's events are in the partition's first Region, wherever anything is delivered.
    let mut regions = BTreeSet::from([own.partition.default_region()]);
    for account in &accounts {
        regions.extend(delivering_regions(&own_parts(run, account)?).into_keys());
    }
    let (mut known, _) = store.read(&|id| id == "all", period)?;
    let of_source = known.coverage.gaps.iter().filter(|gap| gap.source == source);
    let settled: Vec<Span> = of_source.filter_map(|gap| settled(gap, period)).collect();
    known.coverage.spans.extend(settled);
    known.coverage.normalise();
    let unknown = accounts
        .iter()
        .flat_map(|account| regions.iter().map(move |region| (account, region)))
        .flat_map(|(account, region)| known.coverage.missing(source, account, region, None, period))
        .map(|missing| missing.from)
        .min();
    let from = unknown.unwrap_or(period.to).saturating_sub(LATE).max(period.from);
    Ok(Wanted { accounts, regions: regions.into_iter().collect(), period: Period { from, to: period.to } })
}

/// What was a hole a week ago stays one: nothing is delivered so late, and everything behind it is known.
fn settled(gap: &HistoryGap, period: Period) -> Option<Span> {
    let is_hole = matches!(gap.gap.cause, GapCause::OutsideOrganization { .. } | GapCause::NotConfigured { .. });
    // A table names itself in its gaps; a file names one of many.
    if !(is_hole && gap.subject.is_none() || gap.is_silent()) {
        return None;
    }
    // A gap without a Region is over all of the account's.
    let region = Some(gap.gap.region.clone()).filter(|region| *region != Region::GLOBAL);
    let account = Some(gap.gap.account.clone());
    let (from, to) = (gap.from?, gap.to?.min(period.to.saturating_sub(Duration::WEEK)));
    (from < to).then_some(Span { source: gap.source, account, region, subject: None, from, to })
}

async fn read_bucket(scope: &Scope, bucket: &TrailBucket, wanted: &Wanted) -> History {
    let unseen = |error: CallError| HistoryGap {
        source: HistorySource::TrailArchive,
        subject: Some(format!("s3://{}", bucket.bucket)),
        from: Some(wanted.period.from),
        to: Some(wanted.period.to),
        gap: error.gap(scope, Affects::Details),
    };
    let blind =
        |gap| History { coverage: HistoryCoverage { spans: Vec::new(), gaps: vec![gap] }, ..History::default() };
    let found = match ArchiveBucket::find(scope, &bucket.bucket, bucket.prefix.as_deref(), None).await {
        Ok(found) => found,
        Err(error) => return blind(unseen(error)),
    };
    let mut gaps = Vec::new();
    let mut verify = None;
    if bucket.verify_digests {
        // Digests are signed with the key of the Region that they are made in.
        for region in &wanted.regions {
            match list_public_keys(&scope.in_region(region), wanted.period).await {
                Ok(keys) => {
                    verify.get_or_insert_with(crate::history::archive::DigestKeys::default).keys.extend(keys.keys);
                }
                Err(error) => gaps.push(unseen(error)),
            }
        }
    }
    let selection = ArchiveSelection {
        accounts: wanted.accounts.clone(),
        regions: wanted.regions.clone(),
        period: wanted.period,
        verify,
    };
    let mut history = found.read(selection).await;
    history.coverage.gaps.extend(gaps);
    history
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::inventory::Gap;

    #[test]
    fn a_day_that_a_table_does_not_hold_is_asked_for_again_for_a_week_and_no_longer() {
        let period = Period { from: datetime!(2026-04-01 0:00 UTC), to: datetime!(2026-06-30 0:00 UTC) };
        let gap = |code: &str, from, to| HistoryGap {
            source: HistorySource::Athena,
            subject: Some("logs.cloudtrail".to_owned()),
            from: Some(from),
            to: Some(to),
            gap: Gap {
                account: "111122223333".parse().unwrap(),
                region: "eu-west-1".parse().unwrap(),
                service: "athena".to_owned(),
                action: "athena:GetQueryResults".to_owned(),
                cause: GapCause::Service { code: code.to_owned(), message: String::new() },
                affects: Affects::Details,
            },
        };
        let (may, june) = (datetime!(2026-05-01 0:00 UTC), datetime!(2026-06-28 0:00 UTC));
        let old = settled(&gap(HistoryGap::SILENT, may, may + Duration::DAY), period).unwrap();
        assert_eq!((old.source, old.from, old.to), (HistorySource::Athena, may, may + Duration::DAY));
        assert!(settled(&gap(HistoryGap::SILENT, june, june + Duration::DAY), period).is_none());
        let begun = settled(&gap(HistoryGap::SILENT, may, period.to), period).unwrap();
        assert_eq!(begun.to, datetime!(2026-06-23 0:00 UTC));
        assert!(settled(&gap("FAILED", may, june), period).is_none(), "a query that failed is asked again");
    }
}
