//! Queries of Athena: started, waited for, and read page by page.
//!
//! In: an [`AthenaTable`] and a selection. Out: a [`TableAnswer`]. A query that fails, is cancelled or may not be made
//! is a gap with Athena's own words and what to do about it.

use aws_sdk_athena::Client;
use aws_sdk_athena::types::{
    QueryExecution, QueryExecutionContext, QueryExecutionState, ResultConfiguration, ResultSet, Row,
};
use tokio::time::Duration;

use super::coverage::{Asked, Presence, presence_row};
use super::rows::EventRows;
use super::sql::Source;
use super::{AthenaTable, TableAnswer, TableSelection};
use crate::collect::{CallError, Scope};
use crate::history::HistorySource;
use crate::inventory::GapCause;

const START: &str = "athena:StartQueryExecution";
const WATCH: &str = "athena:GetQueryExecution";
const READ: &str = "athena:GetQueryResults";

/// IAM actions that [`query_athena`] calls itself. Athena reads the table's definition (`glue:GetTable`,
/// `glue:GetDatabase`, `glue:GetPartitions`), the log files (`s3:GetObject`, `s3:ListBucket`, `kms:Decrypt`) and writes
/// the result (`s3:PutObject`, `s3:GetBucketLocation`) in the caller's name, so the caller needs these too.
pub const ATHENA_ACTIONS: &[&str] = &[START, WATCH, READ];

/// Rows of one page; Athena's own maximum.
const PER_PAGE: i32 = 1000;

/// The pause before the second look at a query; each further one is half as long again.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Looks before a query is given up: about four hours, which is the longest that AWS lets one run.
const LOOKS: u32 = 3000;

/// Asks a table. `scope` is the account and Region in which the table is.
pub async fn query_athena(scope: &Scope, table: &AthenaTable, wanted: &TableSelection) -> TableAnswer {
    let name = format!("{}.{}", table.database, table.table);
    let asked = Asked { scope, source: HistorySource::Athena, table: &name, wanted };
    let client = &Client::new(scope.config());
    let source = Source::table(table, wanted);
    let (events, presence) = (source.events(wanted), source.presence(wanted));
    let events = Query { scope, client, table, sql: &events }.run(
        |header| {
            EventRows::of(wanted, header.iter().copied(), false).map_err(|problem| CallError::malformed(READ, problem))
        },
        |rows: &mut EventRows<'_>, row| rows.push(row.iter().copied()),
    );
    let presence = async {
        if !table.proves_coverage {
            return None;
        }
        let query = Query { scope, client, table, sql: &presence };
        let add = |found: &mut Presence, row: &[Option<&str>]| found.extend(presence_row(row));
        Some(query.run(|_| Ok(Presence::new()), add).await)
    };
    let (events, presence) = tokio::join!(events, presence);
    let mut answer = TableAnswer::default();
    let came = events.take(&mut answer);
    let (rows, error) = came;
    let whole = error.is_none();
    answer.history.coverage.gaps.extend(error.map(|error| asked.gap(error)));
    if let Some(rows) = rows {
        let (events, problems) = rows.finish();
        answer.history.events = events;
        let gaps = problems.into_iter().map(|problem| asked.gap(CallError::malformed(READ, problem)));
        answer.history.coverage.gaps.extend(gaps);
    }
    let presence = presence.map(|presence| presence.take(&mut answer));
    // What came before an error stays; only a whole answer says that the rest did not happen.
    match presence {
        _ if !whole => {}
        None => answer.history.coverage.absorb(asked.assumed()),
        Some((Some(presence), None)) => answer.history.coverage.absorb(asked.proven(&presence, READ)),
        Some((_, error)) => answer.history.coverage.gaps.extend(error.map(|error| asked.gap(error))),
    }
    answer.history.normalise();
    answer
}

/// How a query went: what was made of its rows, and why that is not all.
struct Ended<T> {
    rows: Option<T>,
    error: Option<CallError>,
    bytes_scanned: u64,
    id: Option<String>,
}

impl<T> Ended<T> {
    fn take(self, answer: &mut TableAnswer) -> (Option<T>, Option<CallError>) {
        answer.bytes_scanned += self.bytes_scanned;
        answer.queries.extend(self.id);
        (self.rows, self.error)
    }
}

#[derive(Clone, Copy)]
struct Query<'a> {
    scope: &'a Scope,
    client: &'a Client,
    table: &'a AthenaTable,
    sql: &'a str,
}

impl Query<'_> {
    /// Runs it to its end. `begin` gets the header, `add` each row.
    async fn run<T>(
        self,
        begin: impl FnOnce(&[&str]) -> Result<T, CallError>,
        add: impl Fn(&mut T, &[Option<&str>]),
    ) -> Ended<T> {
        let mut ended = Ended { rows: None, error: None, bytes_scanned: 0, id: None };
        ended.error = self.steps(begin, add, &mut ended).await.err();
        ended
    }

    async fn steps<T>(
        &self,
        begin: impl FnOnce(&[&str]) -> Result<T, CallError>,
        add: impl Fn(&mut T, &[Option<&str>]),
        ended: &mut Ended<T>,
    ) -> Result<(), CallError> {
        let id = self.start().await?;
        ended.id = Some(id.clone());
        ended.bytes_scanned = self.wait(&id).await?;
        let mut begin = Some(begin);
        let mut token = None;
        loop {
            let ask = || {
                let request = self.client.get_query_results().query_execution_id(&id).max_results(PER_PAGE);
                request.set_next_token(token.clone()).send()
            };
            let page = self.scope.call(READ, ask).await?;
            let (rows, columns) = results(page.result_set);
            let mut rows = rows.iter();
            if let Some(begin) = begin.take() {
                // The first row of the first page, and only it, is the header.
                let first = rows.next().map(texts).unwrap_or_default();
                let names: Vec<&str> = first.iter().map(|name| name.unwrap_or_default()).collect();
                let declared: Vec<&str> = columns.iter().map(String::as_str).collect();
                let headed = declared.is_empty() || names == declared;
                let mut made = begin(if headed { &names } else { &declared })?;
                if !headed && !first.is_empty() {
                    add(&mut made, &first);
                }
                ended.rows = Some(made);
            }
            if let Some(made) = &mut ended.rows {
                rows.for_each(|row| add(made, &texts(row)));
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

    async fn start(&self) -> Result<String, CallError> {
        let context = QueryExecutionContext::builder()
            .database(&self.table.database)
            .set_catalog(self.table.catalog.clone())
            .build();
        let place = self.table.output_location.clone();
        let place = place.map(|place| ResultConfiguration::builder().output_location(place).build());
        let ask = || {
            self.client
                .start_query_execution()
                .query_string(self.sql)
                .query_execution_context(context.clone())
                .set_result_configuration(place.clone())
                .set_work_group(self.table.workgroup.clone())
                .send()
        };
        let answer = self.scope.call(START, ask).await.map_err(hinted)?;
        answer.query_execution_id.ok_or_else(|| CallError::malformed(START, "the answer has no QueryExecutionId"))
    }

    /// Waits for the query's end; answers with the bytes that it scanned.
    async fn wait(&self, id: &str) -> Result<u64, CallError> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..LOOKS {
            let ask = || self.client.get_query_execution().query_execution_id(id).send();
            let execution = self.scope.call(WATCH, ask).await?.query_execution;
            let execution = execution.ok_or_else(|| CallError::malformed(WATCH, "the answer has no QueryExecution"))?;
            let scanned =
                execution.statistics().and_then(aws_sdk_athena::types::QueryExecutionStatistics::data_scanned_in_bytes);
            let scanned = scanned.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
            match execution.status().and_then(|status| status.state()) {
                Some(QueryExecutionState::Succeeded) => {
                    tracing::info!(query = id, table = self.table.table, bytes_scanned = scanned, "Athena answered");
                    return Ok(scanned);
                }
                Some(state @ (QueryExecutionState::Failed | QueryExecutionState::Cancelled)) => {
                    return Err(ended_badly(&execution, state, id));
                }
                _ => tokio::time::sleep(pause).await,
            }
            pause = pause.mul_f32(1.5).min(LONGEST_PAUSE);
        }
        let message = format!("query {id} has not ended for hours; look at it in Athena's console");
        Err(CallError { action: WATCH, code: String::new(), cause: GapCause::Endpoint { message } })
    }
}

fn ended_badly(execution: &QueryExecution, state: &QueryExecutionState, id: &str) -> CallError {
    let status = execution.status();
    let own = status.and_then(|status| status.state_change_reason());
    let own = own.or_else(|| status.and_then(|status| status.athena_error()).and_then(|error| error.error_message()));
    let message = format!("query {id}: {}", own.unwrap_or("Athena does not say why"));
    let code = state.as_str().to_owned();
    hinted(CallError { action: WATCH, code: code.clone(), cause: GapCause::Service { code, message } })
}

/// Words of Athena's messages, and what to do about them.
const HINTS: &[(&str, &str)] = &[
    (
        "scanned limit",
        "raise the workgroup's limit of bytes per query, name the table's partition columns, or ask for a shorter time",
    ),
    ("output location", "give an output location, or set one in the workgroup"),
    ("injected", "name the accounts: the table's partitions are injected, so a query must say which it wants"),
    ("TABLE_NOT_FOUND", "check catalog, database and table"),
    ("SCHEMA_NOT_FOUND", "check catalog and database"),
    (
        "COLUMN_NOT_FOUND",
        "the table needs the columns that AWS documents for trails; check the names of the partition columns, too",
    ),
    (
        "cannot be resolved",
        "the table needs the columns that AWS documents for trails; check the names of the partition columns, too",
    ),
    ("HIVE_BAD_DATA", "check that the table reads only log files of the trail and no digests"),
    ("Access Denied", "the role needs the log files, the bucket of results, and the keys of both"),
    ("Insufficient permissions", "the role needs the table in AWS Glue or Lake Formation"),
    ("WorkGroup", "check the workgroup's name and Region"),
];

/// The error with what to do about it, where its words tell.
fn hinted(mut error: CallError) -> CallError {
    if let GapCause::Service { message, .. } | GapCause::AccessDenied { message } = &mut error.cause
        && let Some((_, hint)) = HINTS.iter().find(|(words, _)| message.contains(words))
    {
        message.push_str("; ");
        message.push_str(hint);
    }
    error
}

fn texts(row: &Row) -> Vec<Option<&str>> {
    row.data().iter().map(|datum| datum.var_char_value()).collect()
}

/// The rows of a page and the names of its columns.
fn results(set: Option<ResultSet>) -> (Vec<Row>, Vec<String>) {
    let (rows, metadata) = set.map(|set| (set.rows, set.result_set_metadata)).unwrap_or_default();
    let columns = metadata.and_then(|metadata| metadata.column_info).unwrap_or_default();
    (rows.unwrap_or_default(), columns.into_iter().map(|column| column.name).collect())
}
