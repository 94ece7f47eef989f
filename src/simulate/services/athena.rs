//! Athena over the organization trail's archive: a very small answerer.
//!
//! In: SQL. Out: rows. It does not read SQL, but the texts in it: accounts, Regions, event sources, event names, and the
//! times between which events lie. Two questions are known: columns of events, and (with `GROUP BY`) of which accounts
//! and Regions anything came, when first and last, and on which days.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::super::estate::STORY_DAYS;
use super::super::protocol::{ApiError, timestamp};
use super::super::world::World;
use super::archive::hole;
use super::pages::{page, with_token};
use super::trail_events::{records, rfc3339, title, written};
use super::{Answer, Call, Operation, Service};

pub(super) const SERVICE: Service = Service {
    prefix: "athena",
    target: "AmazonAthena",
    operations: &[
        Operation { name: "GetQueryExecution", action: "athena:GetQueryExecution", answer: get_query_execution },
        Operation { name: "StartQueryExecution", action: "athena:StartQueryExecution", answer: start_query_execution },
        Operation { name: "GetQueryResults", action: "athena:GetQueryResults", answer: get_query_results },
    ],
};

fn start_query_execution(call: &Call<'_>) -> Answer {
    let sql = call.required("QueryString")?;
    Ok(json!({ "QueryExecutionId": call.world.remember_query(sql) }))
}

fn query(call: &Call<'_>) -> Result<(String, String), ApiError> {
    let id = call.required("QueryExecutionId")?;
    let missing = || ApiError::new(400, "InvalidRequestException", format!("QueryExecution {id} was not found"));
    Ok((id.to_owned(), call.world.query(id).ok_or_else(missing)?))
}

fn get_query_execution(call: &Call<'_>) -> Answer {
    let (id, sql) = query(call)?;
    let now = timestamp(call.world.options.now);
    // Looking at it costs nothing; only the rows are made.
    Ok(json!({ "QueryExecution": {
        "QueryExecutionId": id, "Query": sql, "StatementType": "DML", "WorkGroup": "primary",
        "Status": { "State": "SUCCEEDED", "SubmissionDateTime": now, "CompletionDateTime": now },
        "Statistics": { "DataScannedInBytes": 4_096_000, "EngineExecutionTimeInMillis": 900 },
        "ResultConfiguration": { "OutputLocation": format!("s3://query-results/{id}.csv") }
    } }))
}

fn get_query_results(call: &Call<'_>) -> Answer {
    let (_, sql) = query(call)?;
    let table = Table::of(call.world, &sql);
    let limit = call.number("MaxResults");
    let (range, next) = page(table.rows.len(), call.text("NextToken"), limit, 1000, "InvalidRequestException")?;
    let row = |cells: &Vec<Option<String>>| {
        let cell =
            |cell: &Option<String>| cell.as_ref().map_or_else(|| json!({}), |text| json!({ "VarCharValue": text }));
        json!({ "Data": cells.iter().map(cell).collect::<Vec<Value>>() })
    };
    let rows: Vec<Value> = table.rows.get(range).unwrap_or_default().iter().map(row).collect();
    let column = |name: &String| json!({ "Name": name, "Label": name, "Type": "varchar", "Nullable": "UNKNOWN" });
    let columns: Vec<Value> = table.columns.iter().map(column).collect();
    let answer = json!({ "ResultSet": { "Rows": rows, "ResultSetMetadata": { "ColumnInfo": columns } } });
    Ok(with_token(answer, "NextToken", next))
}

/// The texts in single quotes.
fn literals(sql: &str) -> Vec<&str> {
    sql.split('\'').skip(1).step_by(2).collect()
}

/// Columns of an answer, and rows of which the first repeats them, as Athena has it.
struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
}

/// What is wanted, as far as the texts tell.
struct Wanted<'a> {
    accounts: Vec<usize>,
    regions: Vec<usize>,
    names: Vec<&'a str>,
    sources: Vec<&'a str>,
    from: OffsetDateTime,
    to: OffsetDateTime,
}

impl<'a> Wanted<'a> {
    fn of(world: &World, sql: &'a str) -> Self {
        let texts = literals(sql);
        let mut times: Vec<OffsetDateTime> = texts.iter().filter_map(|text| moment(text)).collect();
        times.sort();
        let now = world.options.now;
        let pick = |found: Vec<usize>, all: usize| if found.is_empty() { (0..all).collect() } else { found };
        let accounts = texts.iter().filter_map(|text| world.position_of(text)).collect();
        let regions = texts.iter().filter_map(|text| world.region_position(text)).collect();
        let is_name = |text: &&&str| {
            text.chars().next().is_some_and(char::is_uppercase) && text.chars().all(char::is_alphanumeric)
        };
        Self {
            accounts: pick(accounts, world.members().len()),
            regions: pick(regions, world.regions().len()),
            names: texts.iter().filter(is_name).copied().collect(),
            sources: texts.iter().filter(|text| text.ends_with(".amazonaws.com")).copied().collect(),
            from: times.first().copied().unwrap_or(now).max(now - Duration::days(STORY_DAYS)),
            to: times.last().copied().unwrap_or(now).min(now),
        }
    }
}

/// `2026-06-01T00:00:00Z`, `2026-06-01 00:00:00`
fn moment(text: &str) -> Option<OffsetDateTime> {
    let text = if text.ends_with('Z') { text.to_owned() } else { format!("{}Z", text.replace(' ', "T")) };
    OffsetDateTime::parse(&text, &Rfc3339).ok()
}

impl Table {
    fn of(world: &World, sql: &str) -> Self {
        let grouped = sql.to_ascii_uppercase().contains("GROUP BY");
        let columns: Vec<String> = if grouped {
            ["recipientaccountid", "awsregion", "first", "last", "days"].map(str::to_owned).to_vec()
        } else {
            columns(sql)
        };
        let mut rows = vec![columns.iter().cloned().map(Some).collect()];
        let wanted = Wanted::of(world, sql);
        for account in &wanted.accounts {
            for region in &wanted.regions {
                let place = (*account, *region);
                let mut found = records(world, place.0, place.1, wanted.from, wanted.to);
                // What was never delivered is in no table.
                let (hole_account, hole_region, begin) = hole(world);
                if place == (hole_account, hole_region) {
                    found.retain(|record| record.time < begin || record.time >= begin + Duration::hours(1));
                }
                if grouped {
                    if let (Some(first), Some(last)) = (found.first(), found.last()) {
                        let (id, name) = (world.account_id(place.0).to_string(), world.region_name(place.1).to_owned());
                        let days: BTreeSet<String> =
                            found.iter().map(|record| record.time.date().to_string()).collect();
                        let days = days.into_iter().collect::<Vec<_>>().join(",");
                        rows.push([id, name, rfc3339(first.time), rfc3339(last.time), days].map(Some).to_vec());
                    }
                    continue;
                }
                found.retain(|record| {
                    let (source, name, _) = title(record);
                    (wanted.names.is_empty() || wanted.names.contains(&name))
                        && (wanted.sources.is_empty() || wanted.sources.contains(&source))
                });
                rows.extend(found.iter().map(|record| {
                    let written = lowered(&written(world, place, record), 0);
                    columns.iter().map(|column| cell(&written, column)).collect()
                }));
            }
        }
        Self { columns, rows }
    }
}

/// What is selected, by alias or by the last part of its name.
fn columns(sql: &str) -> Vec<String> {
    let upper = sql.to_ascii_uppercase();
    let (from, to) = (upper.find("SELECT ").map_or(0, |at| at + 7), upper.find(" FROM ").unwrap_or(sql.len()));
    let selected = sql.get(from..to).unwrap_or_default();
    let (mut depth, mut parts) = (0_i32, vec![String::new()]);
    for sign in selected.chars() {
        depth += i32::from(sign == '(') - i32::from(sign == ')');
        match parts.last_mut() {
            Some(_) if sign == ',' && depth == 0 => parts.push(String::new()),
            Some(last) => last.push(sign),
            None => {}
        }
    }
    let named = |part: &String| part.split_whitespace().last().unwrap_or_default().trim_matches('"').to_lowercase();
    parts.iter().map(named).filter(|name| !name.is_empty()).collect()
}

/// With names in lower case, as a table has them: those of the record and of its identity.
fn lowered(value: &Value, depth: usize) -> Value {
    let Value::Object(fields) = value else { return value.clone() };
    let inner = |name: &str, value: &Value| {
        if depth > 0 || name == "userIdentity" { lowered(value, depth + 1) } else { value.clone() }
    };
    let fields: Map<String, Value> =
        fields.iter().map(|(name, value)| (name.to_lowercase(), inner(name, value))).collect();
    Value::Object(fields)
}

fn cell(record: &Value, column: &str) -> Option<String> {
    match record.get(column)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
