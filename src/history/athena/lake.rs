//! CloudTrail Lake: the same questions, asked of an event data store.
//!
//! In: an event data store and a selection. Out: a [`TableAnswer`]. AWS has closed Lake to new customers at the end of
//! May 2026, so this is for those who have it.
//!
//! Columns: <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/query-supported-event-schemas.html>. Parameters
//! are maps whose values are texts, so what was an object is opened again where its text is JSON.

use std::collections::BTreeMap;

use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::types::QueryStatus;
use tokio::time::Duration;

use super::coverage::{Asked, Presence, presence_row};
use super::rows::EventRows;
use super::sql::{EVENT_COLUMNS, Source};
use super::{TableAnswer, TableSelection};
use crate::collect::{CallError, Scope};
use crate::history::HistorySource;
use crate::inventory::{Arn, GapCause};

const START: &str = "cloudtrail:StartQuery";
const WATCH: &str = "cloudtrail:DescribeQuery";
const READ: &str = "cloudtrail:GetQueryResults";

/// IAM actions that [`query_lake`] calls.
pub const CLOUD_TRAIL_LAKE_ACTIONS: &[&str] = &[START, WATCH, READ];

/// Rows of one page; Lake's own maximum.
const PER_PAGE: i32 = 1000;
/// The pause between two looks at a query.
const PAUSE: Duration = Duration::from_secs(2);
/// Looks before a query is given up: a little over the hour that AWS lets one run.
const LOOKS: u32 = 2000;

/// An event data store of CloudTrail Lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDataStore {
    id: String,
    /// Whether a second query asks what the store holds of each account and Region at all.
    pub proves_coverage: bool,
}

impl EventDataStore {
    /// An event data store by its ARN or id. `None` for a text that is neither: the id stands in SQL without quotes.
    #[must_use]
    pub fn named(name: &str, proves_coverage: bool) -> Option<Self> {
        let resource = Arn::parse(name).ok().map_or(name, |arn| arn.resource);
        let id = resource.strip_prefix("eventdatastore/").unwrap_or(resource);
        let fits = id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        fits.then(|| Self { id: id.to_owned(), proves_coverage })
    }
}

/// Asks an event data store. `scope` is the account and Region in which it is.
pub async fn query_lake(scope: &Scope, store: &EventDataStore, wanted: &TableSelection) -> TableAnswer {
    let asked = Asked { scope, source: HistorySource::CloudTrailLake, table: &store.id, wanted };
    let client = &Client::new(scope.config());
    let source = Source::store(&store.id, wanted);
    let mut answer = TableAnswer::default();
    let mut rows = match EventRows::of(wanted, EVENT_COLUMNS.iter().copied(), true) {
        Ok(rows) => rows,
        Err(problem) => {
            answer.history.coverage.gaps.push(asked.gap(CallError::malformed(READ, problem)));
            return answer;
        }
    };
    let query = Query { scope, client, sql: &source.events(wanted), columns: EVENT_COLUMNS };
    let whole = query.run(&mut answer, |row| rows.push(row.iter().copied())).await;
    let (events, problems) = rows.finish();
    answer.history.events = events;
    let gaps = problems.into_iter().map(|problem| asked.gap(CallError::malformed(READ, problem)));
    answer.history.coverage.gaps.extend(gaps);
    if let Err(error) = whole {
        answer.history.coverage.gaps.push(asked.gap(error));
    } else if store.proves_coverage {
        let mut presence = Presence::new();
        let columns = &["recipientaccountid", "awsregion", "first", "last", "days"];
        let query = Query { scope, client, sql: &source.presence(wanted), columns };
        match query.run(&mut answer, |row| presence.extend(presence_row(row))).await {
            Ok(()) => answer.history.coverage.absorb(asked.proven(&presence, READ)),
            Err(error) => answer.history.coverage.gaps.push(asked.gap(error)),
        }
    } else {
        answer.history.coverage.absorb(asked.assumed());
    }
    answer.history.normalise();
    answer
}

struct Query<'a> {
    scope: &'a Scope,
    client: &'a Client,
    sql: &'a str,
    /// The columns of the answer, in the statement's order.
    columns: &'a [&'a str],
}

impl Query<'_> {
    async fn run(&self, answer: &mut TableAnswer, mut add: impl FnMut(&[Option<&str>])) -> Result<(), CallError> {
        let started = self.scope.call(START, || self.client.start_query().query_statement(self.sql).send()).await?;
        let id = started.query_id.ok_or_else(|| CallError::malformed(START, "the answer has no QueryId"))?;
        answer.queries.push(id.clone());
        answer.bytes_scanned += self.wait(&id).await?;
        let mut token = None;
        loop {
            let ask = || {
                let request = self.client.get_query_results().query_id(&id).max_query_results(PER_PAGE);
                request.set_next_token(token.clone()).send()
            };
            let page = self.scope.call(READ, ask).await?;
            for row in page.query_result_rows.unwrap_or_default() {
                // Each cell is a map with the column's name as its one key.
                let cells = row.iter().filter_map(|cell| cell.iter().next());
                let cells: BTreeMap<String, &str> =
                    cells.map(|(name, text)| (name.to_ascii_lowercase(), text.as_str())).collect();
                let cell = |name: &&str| cells.get(*name).copied().filter(|text| *text != "null");
                add(&self.columns.iter().map(cell).collect::<Vec<_>>());
            }
            let next = page.next_token.filter(|next| !next.is_empty());
            if next.is_some() && next == token {
                return Err(CallError::malformed(READ, "a page token came twice, so the result has no end"));
            }
            token = next;
            if token.is_none() {
                return Ok(());
            }
        }
    }

    async fn wait(&self, id: &str) -> Result<u64, CallError> {
        for _ in 0..LOOKS {
            let answer = self.scope.call(WATCH, || self.client.describe_query().query_id(id).send()).await?;
            let scanned = answer
                .query_statistics()
                .and_then(aws_sdk_cloudtrail::types::QueryStatisticsForDescribeQuery::bytes_scanned);
            match answer.query_status() {
                Some(QueryStatus::Finished) => {
                    return Ok(scanned.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default());
                }
                Some(status @ (QueryStatus::Failed | QueryStatus::Cancelled | QueryStatus::TimedOut)) => {
                    let code = status.as_str().to_owned();
                    let own = answer.error_message().unwrap_or("CloudTrail Lake does not say why");
                    let cause = GapCause::Service { code: code.clone(), message: format!("query {id}: {own}") };
                    return Err(CallError { action: WATCH, code, cause });
                }
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
        let message = format!("query {id} has not ended for an hour; look at it in CloudTrail's console");
        Err(CallError { action: WATCH, code: String::new(), cause: GapCause::Endpoint { message } })
    }
}
