//! Files of CloudTrail events: what `aws cloudtrail lookup-events` printed, a log file, JSON Lines, a result of Athena.
//!
//! In: bytes, gzip or not, told apart by their content. Out: a [`History`] whose spans reach from a file's earliest to
//! its latest event per account and Region and carry the file's name: they say what the file holds, and not that
//! nothing else happened. Reading streams; one record is in memory at a time beside the events that are kept.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::event_columns::EventColumns;
use super::{Event, History, HistoryGap, HistorySource, Span, is_wanted};
use crate::inventory::{AccountId, Affects, Gap, GapCause, Region};

/// The largest record that is read, in bytes: CloudTrail's own limit is 256 KB, and a record in a text in a record is
/// escaped twice.
const LARGEST_RECORD: u64 = 4 * 1024 * 1024;

/// Records that cannot be read and are named one by one; the rest is counted.
const NAMED: usize = 50;

const ACTION: &str = "event-file:Read";

const EXPECTED: &str = "expected the output of `aws cloudtrail lookup-events` ({\"Events\": […]}), a log file of a trail \
                        ({\"Records\": […]}), one record per line, or a CSV file of Athena with the columns eventid, \
                        eventtime, eventsource, eventname and recipientaccountid; each may be compressed with gzip";

/// A file that holds no events.
#[derive(Debug, thiserror::Error)]
pub enum EventFileError {
    /// The disk refused.
    #[error("cannot read the events in {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something else.
    #[error("{file} holds no CloudTrail events: {problem}; {EXPECTED}")]
    NotEvents {
        /// The file's name.
        file: String,
        /// What it holds instead.
        problem: String,
    },
}

/// Reads a file of events.
///
/// # Errors
/// [`EventFileError`] if it cannot be opened or holds something else. What is wrong with single records, or with the
/// rest of a file that began well, is a gap.
pub fn read_event_file(path: &Path) -> Result<History, EventFileError> {
    let io = |source| EventFileError::Io { path: path.to_owned(), source };
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let file = File::open(path).map_err(io)?;
    // A folder opens like a file on some systems and is told by reading it.
    if file.metadata().map_err(io)?.is_dir() {
        return Err(io(io::Error::other("it is a folder; name the files in it, or give it as the archive of a trail")));
    }
    read_events(&name, file)
}

/// Reads events from the bytes of a file called `name`.
///
/// # Errors
/// As [`read_event_file`].
pub fn read_events(name: &str, bytes: impl Read) -> Result<History, EventFileError> {
    let mut sink = Sink::new(name);
    let not_events = |problem: String| EventFileError::NotEvents { file: name.to_owned(), problem };
    let (bytes, zipped) = begins_with(bytes, &[0x1f, 0x8b], true).map_err(|error| not_events(error.to_string()))?;
    let bytes: Box<dyn Read + '_> =
        if zipped { Box::new(MultiGzDecoder::new(BufReader::new(bytes))) } else { Box::new(bytes) };
    let capped = Capped { bytes, left: Rc::clone(&sink.left) };
    let (bytes, _) = begins_with(capped, b"\xef\xbb\xbf", false).map_err(|error| not_events(error.to_string()))?;
    let mut bytes = BufReader::new(bytes);
    let problem = match first_bytes(&mut bytes) {
        Ok(None) => Some("it is empty".to_owned()),
        // Athena puts every name of its header between quotes; a text of JSON that is a record begins with a brace.
        Ok(Some((b'{' | b'[', _) | (b'"', Some(b'{')))) => read_json(bytes, &mut sink),
        Ok(Some(_)) => read_csv(bytes, &mut sink),
        Err(error) => Some(error.to_string()),
    };
    match problem {
        Some(problem) if sink.good == 0 => Err(not_events(problem)),
        Some(problem) => {
            sink.complain(None, None, format!("the file cannot be read to its end: {problem}"));
            Ok(sink.finish())
        }
        None if sink.good == 0 && sink.bad > 0 => {
            Err(not_events(sink.complaints.into_iter().next().map(|first| first.problem).unwrap_or_default()))
        }
        None => Ok(sink.finish()),
    }
}

/// The same bytes, and whether they begin so; a mark that is not kept is taken off.
fn begins_with<R: Read>(mut bytes: R, mark: &[u8], keeps: bool) -> io::Result<(impl Read + use<R>, bool)> {
    let mut head = Vec::new();
    bytes.by_ref().take(u64::try_from(mark.len()).unwrap_or_default()).read_to_end(&mut head)?;
    let same = head == mark;
    if same && !keeps {
        head.clear();
    }
    Ok((Cursor::new(head).chain(bytes), same))
}

/// The first byte that is no white space, and the one after it; both stay unread.
fn first_bytes(bytes: &mut impl BufRead) -> io::Result<Option<(u8, Option<u8>)>> {
    loop {
        let buffer = bytes.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        let blank = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if let Some(first) = buffer.get(blank) {
            let found = (*first, buffer.get(blank + 1).copied());
            bytes.consume(blank);
            return Ok(Some(found));
        }
        bytes.consume(blank);
    }
}

/// A reader that ends with an error where one record has more bytes than any has.
struct Capped<R> {
    bytes: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::other("a record is larger than 4 MiB"));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.bytes.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left.set(left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX)));
        Ok(read)
    }
}

fn read_json(bytes: impl Read, sink: &mut Sink) -> Option<String> {
    let mut json = serde_json::Deserializer::from_reader(bytes);
    while json.end().is_err() {
        if let Err(error) = Document(sink).deserialize(&mut json) {
            return Some(error.to_string());
        }
    }
    None
}

fn read_csv(bytes: impl Read, sink: &mut Sink) -> Option<String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let columns = match reader.headers() {
        Ok(header) => EventColumns::of(header.iter()),
        Err(error) => return Some(error.to_string()),
    };
    let columns = match columns {
        Ok(columns) => columns,
        Err(missing) => return Some(format!("it is no JSON, and as a CSV file it lacks {}", missing.join(", "))),
    };
    let mut row = csv::StringRecord::new();
    loop {
        let place = |row: &csv::StringRecord| row.position().map_or(0, csv::Position::line);
        match reader.read_record(&mut row) {
            Ok(true) => {
                let record = columns.record(row.iter().map(Some));
                sink.record(&record, &format_args!("line {}", place(&row)));
            }
            // Only the rows that a span is made of count: an empty result is a result.
            Ok(false) => {
                sink.good += 1;
                return None;
            }
            Err(error) if matches!(error.kind(), csv::ErrorKind::Io(_)) => return Some(error.to_string()),
            Err(error) => sink.complain(None, None, error.to_string()),
        }
    }
}

/// One JSON value at the top of a file: an object with a list of events, a list, or a record.
struct Document<'a, 'b>(&'a mut Sink<'b>);

impl<'de> DeserializeSeed<'de> for Document<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CloudTrail events")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut record = Map::new();
        let mut lists = false;
        while let Some(name) = map.next_key::<String>()? {
            if name == "Events" || name == "Records" {
                map.next_value_seed(List(self.0))?;
                lists = true;
            } else {
                record.insert(name, map.next_value()?);
            }
        }
        if lists {
            // An empty list is an answer too.
            self.0.good += 1;
        } else {
            self.0.value(&Value::Object(record));
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        List(self.0).visit_seq(seq)
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.value(&Value::from(text));
        Ok(())
    }
}

/// A list of events.
struct List<'a, 'b>(&'a mut Sink<'b>);

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of CloudTrail events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(value) = seq.next_element::<Value>()? {
            self.0.value(&value);
        }
        Ok(())
    }
}

/// What could not be read of a file.
struct Complaint {
    account: Option<AccountId>,
    region: Option<Region>,
    problem: String,
}

/// What has been read of a file.
struct Sink<'a> {
    name: &'a str,
    left: Rc<Cell<u64>>,
    history: History,
    reach: BTreeMap<(AccountId, Region), (OffsetDateTime, OffsetDateTime)>,
    complaints: Vec<Complaint>,
    good: u64,
    bad: u64,
}

impl<'a> Sink<'a> {
    fn new(name: &'a str) -> Self {
        Self {
            name,
            left: Rc::new(Cell::new(LARGEST_RECORD)),
            history: History::default(),
            reach: BTreeMap::new(),
            complaints: Vec::new(),
            good: 0,
            bad: 0,
        }
    }

    /// A value of JSON: a record, an event of `LookupEvents` or of EventBridge around it, or a record in a text.
    fn value(&mut self, value: &Value) {
        let nth = self.good + self.bad + 1;
        let inner = value.as_str().or_else(|| value.get("CloudTrailEvent").and_then(Value::as_str));
        if let Some(text) = inner {
            match serde_json::from_str::<Value>(text) {
                Ok(record) => self.record(&record, &format_args!("record {nth}")),
                Err(error) => {
                    let id = value.get("EventId").and_then(Value::as_str).unwrap_or("without an id");
                    self.left.set(LARGEST_RECORD);
                    self.complain(
                        None,
                        None,
                        format!("record {nth}, event {id}: its CloudTrailEvent is no JSON: {error}"),
                    );
                }
            }
            return;
        }
        let detail = value.get("detail").filter(|detail| detail.get("eventID").is_some());
        self.record(detail.unwrap_or(value), &format_args!("record {nth}"));
    }

    fn record(&mut self, record: &Value, place: &fmt::Arguments<'_>) {
        self.left.set(LARGEST_RECORD);
        let text = |name: &str| record.get(name).and_then(Value::as_str);
        let unread = text("eventSource").zip(text("eventName")).is_some_and(|(source, name)| !is_wanted(source, name));
        if unread {
            let time = text("eventTime").and_then(|time| OffsetDateTime::parse(time, &Rfc3339).ok());
            let account = text("recipientAccountId").and_then(|id| id.parse().ok());
            let region = text("awsRegion").and_then(|name| name.parse().ok());
            if let (Some(time), Some(account), Some(region)) = (time, account, region) {
                self.reached(account, region, time.to_offset(time::UtcOffset::UTC));
            }
            self.good += 1;
            return;
        }
        match Event::from_value(record) {
            Ok(event) => {
                self.reached(event.account.clone(), event.region.clone(), event.time);
                self.history.events.push(event);
                self.good += 1;
            }
            Err(error) => {
                let id = text("eventID").map(|id| format!(", event {id}")).unwrap_or_default();
                let account = text("recipientAccountId").and_then(|id| id.parse().ok());
                let region = text("awsRegion").and_then(|name| name.parse().ok());
                self.complain(account, region, format!("{place}{id}: {error}"));
            }
        }
    }

    fn reached(&mut self, account: AccountId, region: Region, time: OffsetDateTime) {
        let (from, to) = self.reach.entry((account, region)).or_insert((time, time));
        *from = time.min(*from);
        *to = time.max(*to);
    }

    fn complain(&mut self, account: Option<AccountId>, region: Option<Region>, problem: String) {
        self.bad += 1;
        if self.complaints.len() < NAMED {
            self.complaints.push(Complaint { account, region, problem });
        }
    }

    fn finish(mut self) -> History {
        let unnamed = self.bad.saturating_sub(u64::try_from(NAMED).unwrap_or(u64::MAX));
        if unnamed > 0 {
            let problem = format!("{unnamed} more records cannot be read");
            self.complaints.push(Complaint { account: None, region: None, problem });
        }
        // A record that does not say whose it is belongs, as far as anybody can tell, to the file's first account.
        let first = self.reach.keys().next().map(|(account, _)| account.clone());
        let first = first.or_else(|| "0".repeat(12).parse().ok());
        for complaint in self.complaints {
            let Some(account) = complaint.account.or_else(|| first.clone()) else { continue };
            let gap = Gap {
                account,
                region: complaint.region.unwrap_or(Region::GLOBAL),
                service: "cloudtrail".to_owned(),
                action: ACTION.to_owned(),
                cause: GapCause::Malformed { message: format!("{}: {}", self.name, complaint.problem) },
                affects: Affects::Details,
            };
            self.history.coverage.gaps.push(HistoryGap {
                source: HistorySource::EventFile,
                subject: Some(self.name.to_owned()),
                from: None,
                to: None,
                gap,
            });
        }
        let spans = self.reach.into_iter().map(|((account, region), (from, to))| Span {
            source: HistorySource::EventFile,
            account: Some(account),
            region: Some(region),
            subject: Some(self.name.to_owned()),
            from,
            // CloudTrail's times are whole seconds, and a span's end is outside of it.
            to: to + Duration::SECOND,
        });
        self.history.coverage.spans.extend(spans);
        self.history.normalise();
        self.history
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    fn record(nth: u32) -> Value {
        let (source, name) = match nth % 4 {
            0 => ("codepipeline.amazonaws.com", "PutApprovalResult"),
            1 => ("codedeploy.amazonaws.com", "CreateDeployment"),
            2 => ("codecommit.amazonaws.com", "GitPush"),
            _ => ("launchwizard.amazonaws.com", "CreateDeployment"),
        };
        let time = datetime!(2026-06-10 10:00 UTC) + Duration::minutes(i64::from(nth));
        json!({
            "eventID": format!("e{nth}"), "eventTime": time.format(&Rfc3339).unwrap(), "eventSource": source,
            "eventName": name, "awsRegion": if nth.is_multiple_of(2) { "eu-west-1" } else { "us-east-1" },
            "recipientAccountId": "111122223333", "readOnly": false, "sourceIPAddress": "192.0.2.1",
            "userIdentity": {"type": "AssumedRole", "accountId": "111122223333",
                "arn": "arn:aws:sts::111122223333:assumed-role/Releaser/alice", "sessionContext":
                {"sessionIssuer": {"arn": "arn:aws:iam::111122223333:role/Releaser"}}},
            "requestParameters": {"pipelineName": "we\"b, {x=y}\n", "n": nth.to_string()},
        })
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Form {
        Log,
        Lookup,
        Lines,
        Pretty,
        Texts,
        Bridge,
        Csv,
    }

    const FORMS: [Form; 7] = [Form::Log, Form::Lookup, Form::Lines, Form::Pretty, Form::Texts, Form::Bridge, Form::Csv];

    fn written(form: Form, records: &[Value]) -> Vec<u8> {
        match form {
            Form::Log => json!({"Records": records}).to_string().into_bytes(),
            Form::Lookup => {
                let event = |r: &Value| json!({"EventId": r["eventID"], "EventName": r["eventName"], "Resources": [], "CloudTrailEvent": r.to_string()});
                let events: Vec<Value> = records.iter().map(event).collect();
                serde_json::to_vec_pretty(&json!({"Events": events})).unwrap()
            }
            Form::Lines => records.iter().flat_map(|r| format!("{r}\n").into_bytes()).collect(),
            Form::Pretty => serde_json::to_vec_pretty(records).unwrap(),
            Form::Texts => {
                let texts: Vec<String> = records.iter().map(Value::to_string).collect();
                serde_json::to_vec(&texts).unwrap()
            }
            Form::Bridge => {
                records.iter().flat_map(|r| format!("{}\n", json!({"id": "x", "detail": r})).into_bytes()).collect()
            }
            Form::Csv => {
                let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
                let columns = [
                    "eventid",
                    "eventtime",
                    "eventsource",
                    "eventname",
                    "awsregion",
                    "recipientaccountid",
                    "useridentity",
                    "sourceipaddress",
                    "readonly",
                    "requestparameters",
                ];
                writer.write_record(columns).unwrap();
                let names = [
                    "eventID",
                    "eventTime",
                    "eventSource",
                    "eventName",
                    "awsRegion",
                    "recipientAccountId",
                    "userIdentity",
                    "sourceIPAddress",
                    "readOnly",
                    "requestParameters",
                ];
                for record in records {
                    let cell =
                        |name: &str| record[name].as_str().map_or_else(|| record[name].to_string(), str::to_owned);
                    writer.write_record(names.map(cell)).unwrap();
                }
                writer.into_inner().unwrap()
            }
        }
    }

    fn zipped(bytes: &[u8]) -> Vec<u8> {
        // Two members, as `cat a.gz b.gz` makes them.
        let (a, b) = bytes.split_at(bytes.len() / 2);
        let member = |part: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(part).unwrap();
            encoder.finish().unwrap()
        };
        [member(a), member(b)].concat()
    }

    #[test]
    fn every_form_is_recognised_by_its_content_and_says_the_same() {
        let records: Vec<Value> = (0..9).map(record).collect();
        let expected = read_events("f", written(Form::Log, &records).as_slice()).unwrap();
        assert_eq!(expected.events.len(), 7);
        let spans = &expected.coverage.spans;
        assert_eq!(spans.len(), 2);
        assert_eq!((spans[0].from, spans[0].to), (datetime!(2026-06-10 10:00 UTC), datetime!(2026-06-10 10:08:01 UTC)));
        // The file tells of a time in which something else happened, too.
        assert_eq!((spans[1].from, spans[1].to), (datetime!(2026-06-10 10:01 UTC), datetime!(2026-06-10 10:07:01 UTC)));
        assert!(spans.iter().all(|span| span.subject.as_deref() == Some("f")));
        for form in FORMS {
            let plain = written(form, &records);
            assert_eq!(read_events("f", plain.as_slice()).unwrap(), expected, "{form:?}");
            assert_eq!(read_events("f", zipped(&plain).as_slice()).unwrap(), expected, "{form:?} in gzip");
            let marked = [b"\xef\xbb\xbf \n".as_slice(), &plain].concat();
            if form != Form::Csv {
                assert_eq!(read_events("f", marked.as_slice()).unwrap(), expected, "{form:?} with a mark");
            }
        }
    }

    #[test]
    fn something_else_is_an_error_that_says_what_is_expected() {
        let something: [(&[u8], &str); 7] = [
            (b"", "it is empty"),
            (b" \n", "it is empty"),
            (b"{\"a\": 1}", "eventID"),
            (b"[1, 2]", "no JSON object"),
            (b"{\"Records\": [", "EOF"),
            (b"id,service\n1,2\n", "lacks eventID, eventTime"),
            (b"\x1f\x8b\x08torn", ""),
        ];
        for (bytes, problem) in something {
            let error = read_events("f.json", bytes).unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains("expected the output of"), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(read_event_file(folder.path()).unwrap_err().to_string().contains("it is a folder"));
        assert!(read_event_file(&folder.path().join("no.json")).unwrap_err().to_string().contains("no.json"));
    }

    #[test]
    fn nothing_found_is_an_answer() {
        for empty in [
            &b"{\"Events\": []}"[..],
            b"{\"Records\": []}",
            b"eventid,eventtime,eventsource,eventname,recipientaccountid\n",
        ] {
            assert_eq!(read_events("f", empty).unwrap(), History::default());
        }
    }

    #[test]
    fn a_bad_record_and_a_cut_file_are_gaps_that_name_the_file() {
        let mut records: Vec<Value> = (0..3).map(record).collect();
        records[1]["eventTime"] = Value::Null;
        let history = read_events("f", written(Form::Lookup, &records).as_slice()).unwrap();
        assert_eq!(history.events.len(), 2);
        let [gap] = history.coverage.gaps.as_slice() else { panic!("{:?}", history.coverage.gaps) };
        assert!(gap.gap.sentence().contains("f: record 2, event e1: the record has no usable `eventTime`"));
        let whole = written(Form::Log, &(0..3).map(record).collect::<Vec<_>>());
        for cut in [whole.len() - 2, whole.len() - 40] {
            let history = read_events("f", &whole[..cut]).unwrap();
            assert!(!history.events.is_empty() && history.coverage.gaps.len() == 1, "{:?}", history.coverage);
        }
        let torn = json!({"Events": [{"EventId": "x", "CloudTrailEvent": "{"}, record(0)]}).to_string();
        let history = read_events("f", torn.as_bytes()).unwrap();
        assert!(history.coverage.gaps[0].gap.sentence().contains("event x"), "{:?}", history.coverage.gaps);
    }

    #[test]
    fn many_bad_records_are_counted_and_a_huge_one_ends_the_file() {
        let mut text = record(0).to_string();
        (0..200).for_each(|_| text.push_str("\n{}"));
        let history = read_events("f", text.as_bytes()).unwrap();
        assert_eq!(history.coverage.gaps.len(), NAMED + 1);
        assert!(history.coverage.gaps.iter().any(|gap| gap.gap.sentence().contains("150 more records")));
        let huge = format!("{}\n{{\"eventID\": \"{}\"}}", record(0), "x".repeat(5 * 1024 * 1024));
        let history = read_events("f", huge.as_bytes()).unwrap();
        assert!(history.coverage.gaps[0].gap.sentence().contains("larger than 4 MiB"), "{:?}", history.coverage.gaps);
        let bomb = zipped(&vec![b'['; 8 * 1024 * 1024]);
        assert!(read_events("f", bomb.as_slice()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn order_and_repetition_change_nothing(
            order in Just((0..12u32).chain(0..12).collect::<Vec<_>>()).prop_shuffle(),
            form in prop::sample::select(FORMS.to_vec()),
        ) {
            let expected = read_events("f", written(Form::Log, &(0..12).map(record).collect::<Vec<_>>()).as_slice()).unwrap();
            let shuffled: Vec<Value> = order.into_iter().map(record).collect();
            prop_assert_eq!(read_events("f", written(form, &shuffled).as_slice()).unwrap(), expected);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_events("f", bytes.as_slice());
        }
    }
}
