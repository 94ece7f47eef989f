//! A file of incidents, as an incident manager exports it or somebody keeps it by hand.
//!
//! In: CSV with a header, or JSON. Out: [`Incident`]s, or every problem of the file at once, with line, column and how
//! to mend it. It exists because no service of AWS's delivery path knows what users suffered from.
//!
//! ```text
//!  id,service,started_at,resolved_at,caused_by
//!  INC-7,web,2026-06-10T09:50:00Z,2026-06-10T10:20:00Z,d-ABCDEF123
//! ```
//!
//! JSON is an array of objects with the same members, or `{"incidents": […]}`. Columns stand in any order, further ones
//! are ignored, and `startedAt` is as good as `started_at`. An empty `resolved_at` is an incident that is still open, so
//! the column itself must be there. Times are RFC 3339, with their offset from UTC.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{History, HistoryCoverage, HistorySource, Incident, Period, Span};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Problems that are listed; more help nobody.
const LISTED: usize = 20;

const ID: &str = "id";
const SERVICE: &str = "service";
const STARTED_AT: &str = "started_at";
const RESOLVED_AT: &str = "resolved_at";
const CAUSED_BY: &str = "caused_by";

/// The columns, and whether a header must have them.
const COLUMNS: &[(&str, bool)] =
    &[(ID, true), (SERVICE, true), (STARTED_AT, true), (RESOLVED_AT, true), (CAUSED_BY, false)];

/// Something wrong with one place of a file of incidents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentProblem {
    /// `line 3`, or `incident 2` of a JSON file; empty for the file as a whole.
    pub place: String,
    /// The column, if it is about one.
    pub column: Option<&'static str>,
    /// What is wrong.
    pub problem: String,
    /// How to mend it.
    pub hint: String,
}

impl fmt::Display for IncidentProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        if !self.place.is_empty() {
            f.write_str(&self.place)?;
            before = ", ";
        }
        if let Some(column) = self.column {
            write!(f, "{before}column `{column}`")?;
            before = ": ";
        } else if !before.is_empty() {
            before = ": ";
        }
        write!(f, "{before}{}; {}", self.problem, self.hint)
    }
}

/// A file of incidents that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IncidentFileError {
    /// The disk refused.
    #[error("cannot read the incidents in {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// More than anybody has incidents.
    #[error("{} is larger than 64 MiB, which no file of incidents is; check the path", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The content is wrong.
    #[error("{file}: {}", listed(problems))]
    Invalid {
        /// The file's name.
        file: String,
        /// What is wrong, in the file's order; never empty.
        problems: Vec<IncidentProblem>,
    },
}

fn listed(problems: &[IncidentProblem]) -> String {
    if let [one] = problems {
        return one.to_string();
    }
    let mut text = format!("{} problems", problems.len());
    for problem in problems.iter().take(LISTED) {
        text.push_str("\n  ");
        text.push_str(&problem.to_string());
    }
    if let Some(more) = problems.len().checked_sub(LISTED).filter(|more| *more > 0) {
        // Writing to a string does not fail.
        let _ = write!(text, "\n  and {more} more");
    }
    text
}

/// Reads a file of incidents, which by being given says what happened in `period`: a time without an incident in it was
/// one without an incident.
///
/// # Errors
/// [`IncidentFileError`] if the file cannot be read or anything in it is wrong: half a list of incidents would count as
/// a better record.
pub fn read_incident_file(path: &Path, period: Period) -> Result<History, IncidentFileError> {
    let io = |source| IncidentFileError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(io)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST {
        return Err(IncidentFileError::TooLarge { path: path.to_owned() });
    }
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let incidents = parse_incidents(&name, &bytes)?;
    let span = Span {
        source: HistorySource::IncidentFile,
        account: None,
        region: None,
        subject: None,
        from: period.from,
        to: period.to,
    };
    let mut history =
        History { incidents, coverage: HistoryCoverage { spans: vec![span], gaps: Vec::new() }, ..History::default() };
    history.normalise();
    Ok(history)
}

/// Reads incidents from the bytes of a file called `name`, in the file's order.
///
/// # Errors
/// [`IncidentFileError::Invalid`] with everything that is wrong.
pub fn parse_incidents(name: &str, bytes: &[u8]) -> Result<Vec<Incident>, IncidentFileError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let rows = match first {
        Some(b'[' | b'{') => rows_of_json(bytes),
        Some(_) => rows_of_csv(bytes),
        None => Err(vec![whole("it is empty", "expected a CSV header or a JSON array")]),
    };
    let invalid = |problems| IncidentFileError::Invalid { file: name.to_owned(), problems };
    let (rows, mut problems) = rows.map_err(invalid)?;
    let mut incidents = Vec::new();
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for row in rows {
        match row.incident(name) {
            Ok(incident) => {
                if let Some(first) = seen.get(&incident.id) {
                    problems.push(row.problem(
                        ID,
                        format!("`{}` stands at {first} already", incident.id),
                        "give each incident an id of its own",
                    ));
                    continue;
                }
                seen.insert(incident.id.clone(), row.place.clone());
                incidents.push(incident);
            }
            Err(more) => problems.extend(more),
        }
    }
    if problems.is_empty() { Ok(incidents) } else { Err(invalid(problems)) }
}

fn whole(problem: impl Into<String>, hint: impl Into<String>) -> IncidentProblem {
    IncidentProblem { place: String::new(), column: None, problem: problem.into(), hint: hint.into() }
}

/// One incident as written: texts by column.
struct Row {
    place: String,
    texts: BTreeMap<&'static str, String>,
}

impl Row {
    fn problem(&self, column: &'static str, problem: impl Into<String>, hint: impl Into<String>) -> IncidentProblem {
        IncidentProblem { place: self.place.clone(), column: Some(column), problem: problem.into(), hint: hint.into() }
    }

    fn text(&self, column: &str) -> Option<&str> {
        self.texts.get(column).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    fn needed(&self, column: &'static str, hint: &str) -> Result<&str, IncidentProblem> {
        self.text(column).ok_or_else(|| self.problem(column, "it is empty", hint))
    }

    fn time(&self, column: &'static str, text: &str) -> Result<OffsetDateTime, IncidentProblem> {
        OffsetDateTime::parse(text, &Rfc3339).map(|time| time.to_offset(time::UtcOffset::UTC)).map_err(|_| {
            self.problem(
                column,
                format!("`{text}` is no time"),
                "expected RFC 3339 with the offset: 2026-06-10T09:50:00Z or 2026-06-10T11:50:00+02:00",
            )
        })
    }

    fn incident(&self, source: &str) -> Result<Incident, Vec<IncidentProblem>> {
        let id = self.needed(ID, "give the incident an id");
        let service = self.needed(SERVICE, "name the service: its key, a pipeline's ARN or name, or a mapped name");
        let started = self
            .needed(STARTED_AT, "say when the degradation began: 2026-06-10T09:50:00Z")
            .and_then(|text| self.time(STARTED_AT, text));
        let resolved = self.text(RESOLVED_AT).map(|text| self.time(RESOLVED_AT, text)).transpose();
        match (id, service, started, resolved) {
            (Ok(_), Ok(_), Ok(started), Ok(Some(resolved))) if resolved < started => Err(vec![self.problem(
                RESOLVED_AT,
                "it was resolved before it started",
                "check both times and their offsets, or leave it empty while the incident is open",
            )]),
            (Ok(id), Ok(service), Ok(started), Ok(resolved)) => Ok(Incident {
                id: id.to_owned(),
                service: service.to_owned(),
                started,
                resolved,
                caused_by: self.text(CAUSED_BY).map(str::to_owned),
                source: source.to_owned(),
            }),
            (id, service, started, resolved) => {
                Err([id.err(), service.err(), started.err(), resolved.err()].into_iter().flatten().collect())
            }
        }
    }
}

type Rows = Result<(Vec<Row>, Vec<IncidentProblem>), Vec<IncidentProblem>>;

/// The column that a name stands for: `Started At`, `startedAt` and `started_at` are one.
fn column_of(name: &str) -> Option<&'static str> {
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let name = plain(name);
    COLUMNS.iter().map(|(column, _)| *column).find(|column| plain(column) == name)
}

fn rows_of_csv(bytes: &[u8]) -> Rows {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let unreadable = |error: &csv::Error| IncidentProblem {
        place: error.position().map(|at| format!("line {}", at.line())).unwrap_or_default(),
        ..whole(format!("it cannot be read as CSV: {error}"), "save it as UTF-8, separated by commas")
    };
    let header = reader.headers().map_err(|error| vec![unreadable(&error)])?.clone();
    let columns: Vec<Option<&'static str>> = header.iter().map(column_of).collect();
    let expected = "the header is: id,service,started_at,resolved_at,caused_by";
    let mut problems = Vec::new();
    for (column, needed) in COLUMNS {
        let count = columns.iter().filter(|found| **found == Some(*column)).count();
        let problem = match count {
            0 if *needed => "the header does not have it",
            0 | 1 => continue,
            _ => "the header has it more than once",
        };
        let place = "line 1".to_owned();
        problems.push(IncidentProblem {
            place,
            column: Some(column),
            problem: problem.to_owned(),
            hint: expected.to_owned(),
        });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                problems.push(unreadable(&error));
                if matches!(error.kind(), csv::ErrorKind::Io(_)) {
                    break;
                }
                continue;
            }
        };
        let place = record.position().map(|at| format!("line {}", at.line())).unwrap_or_default();
        if record.len() > columns.len() {
            let problem = format!("it has {} fields, but the header has {}", record.len(), columns.len());
            problems.push(IncidentProblem { place, ..whole(problem, "put texts with commas between quotes") });
            continue;
        }
        let texts = columns.iter().zip(record.iter());
        let texts = texts.filter_map(|(column, text)| column.map(|column| (column, text.to_owned()))).collect();
        rows.push(Row { place, texts });
    }
    Ok((rows, problems))
}

fn rows_of_json(bytes: &[u8]) -> Rows {
    let expected = r#"expected [{"id": …, "service": …, "started_at": …, "resolved_at": …}] or {"incidents": […]}"#;
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        let place = format!("line {}", error.line());
        vec![IncidentProblem { place, ..whole(format!("it is no JSON: {error}"), expected) }]
    })?;
    let list = match &value {
        Value::Array(list) => Some(list),
        Value::Object(members) => members.get("incidents").and_then(Value::as_array),
        _ => None,
    };
    let Some(list) = list else { return Err(vec![whole("it holds no list of incidents", expected)]) };
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    for (nth, item) in list.iter().enumerate() {
        let mut row = Row { place: format!("incident {}", nth + 1), texts: BTreeMap::new() };
        let Some(members) = item.as_object() else {
            problems.push(IncidentProblem { place: row.place, ..whole("it is no object", expected) });
            continue;
        };
        for (name, value) in members {
            let Some(column) = column_of(name) else { continue };
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                Value::Number(number) if column == ID => number.to_string(),
                _ => {
                    problems.push(row.problem(column, "it is no text", "write it between quotes, or null"));
                    continue;
                }
            };
            if row.texts.insert(column, text).is_some() {
                problems.push(row.problem(column, "it stands twice under two spellings", "keep one of them"));
            }
        }
        rows.push(row);
    }
    Ok((rows, problems))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn problems(name: &str, text: &str) -> Vec<String> {
        match parse_incidents(name, text.as_bytes()) {
            Err(IncidentFileError::Invalid { problems, .. }) => problems.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn csv_and_json_say_the_same_in_any_order_of_columns() {
        let csv = "\u{feff}title,resolved_at,Service,Started At,id,caused_by\r\n\
                   \"down, twice\",2026-06-10T12:20:00+02:00,web,2026-06-10T09:50:00Z,INC-7,d-1\r\n\
                   x,,web,2026-06-11T09:50:00Z, INC-8 ,\r\n";
        let json = r#"{"incidents": [
            {"id": "INC-7", "service": "web", "startedAt": "2026-06-10T09:50:00Z", "resolved_at": "2026-06-10T10:20:00Z",
             "caused_by": "d-1", "severity": 1},
            {"id": "INC-8", "service": "web", "started_at": "2026-06-11T09:50:00Z", "resolved_at": null}]}"#;
        let of_csv = parse_incidents("i", csv.as_bytes()).unwrap();
        assert_eq!(of_csv, parse_incidents("i", json.as_bytes()).unwrap());
        let [first, second] = of_csv.as_slice() else { panic!("{of_csv:?}") };
        assert_eq!(first.resolved, Some(datetime!(2026-06-10 10:20 UTC)));
        assert_eq!(first.caused_by.as_deref(), Some("d-1"));
        assert_eq!((second.id.as_str(), second.resolved, second.caused_by.as_ref()), ("INC-8", None, None));
    }

    #[test]
    fn everything_wrong_is_said_at_once_with_line_and_column() {
        let text = "id,service,started_at,resolved_at\n\
                    1,web,yesterday,\n\
                    2,,2026-06-10T09:50:00Z,2026-06-10T09:00:00Z\n\
                    3,web,2026-06-10T09:50:00Z,2026-06-10T09:00:00Z\n\
                    4,web,2026-06-10T09:50:00,\n\
                    5,web,2026-06-10T09:50:00Z,,,\n\
                    6,web,2026-06-10T09:50:00Z,\n\
                    6,web,2026-06-10T09:50:00Z,\n";
        let found = problems("i.csv", text);
        let begins = [
            "line 2, column `started_at`: `yesterday` is no time",
            "line 3, column `service`: it is empty",
            "line 4, column `resolved_at`: it was resolved before it started",
            "line 5, column `started_at`: `2026-06-10T09:50:00` is no time",
            "line 8, column `id`: `6` stands at line 7 already",
        ];
        for begin in begins {
            assert!(found.iter().any(|line| line.starts_with(begin)), "{begin}: {found:#?}");
        }
        assert!(
            found.iter().any(|line| line.starts_with("line 6: it has 6 fields, but the header has 4")),
            "{found:#?}"
        );
        assert_eq!(found.len(), 6);
    }

    #[test]
    fn a_file_that_is_something_else_says_what_is_expected() {
        let missing = problems("i.csv", "id,service,started\n1,web,x\n");
        assert!(
            missing.iter().any(|line| line.starts_with("line 1, column `resolved_at`: the header does not have it"))
        );
        assert_eq!(problems("i", "").len(), 1);
        assert!(problems("i", "{\"a\": 1}")[0].contains("{\"incidents\": […]}"));
        assert!(problems("i", "[1]")[0].starts_with("incident 1: it is no object"));
        assert!(problems("i", "[{\"id\": 1,\n \"service\": }]")[0].starts_with("line 2: it is no JSON"));
        let typed = problems("i", r#"[{"id": 1, "service": "web", "started_at": 1780000000, "resolved_at": null}]"#);
        assert!(typed[0].starts_with("incident 1, column `started_at`: it is no text"), "{typed:?}");
        let torn = b"id,service,started_at,resolved_at\n\xff\xfe,web,2026-06-10T09:50:00Z,\n";
        assert!(parse_incidents("i", torn).is_err());
    }

    #[test]
    fn a_file_without_incidents_says_that_there_were_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("incidents.csv");
        std::fs::write(&path, "id,service,started_at,resolved_at,caused_by\n").unwrap();
        let period = Period { from: datetime!(2026-06-01 0:00 UTC), to: datetime!(2026-06-29 0:00 UTC) };
        let history = read_incident_file(&path, period).unwrap();
        assert!(history.incidents.is_empty());
        let [span] = history.coverage.spans.as_slice() else { panic!("{:?}", history.coverage) };
        assert_eq!((span.source, span.from, span.to), (HistorySource::IncidentFile, period.from, period.to));
        let missing = read_incident_file(&folder.path().join("no.csv"), period).unwrap_err();
        assert!(missing.to_string().contains("no.csv"));
    }
}
