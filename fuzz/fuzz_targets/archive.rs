//! Log files of CloudTrail: any bytes end without a panic, and a file that is whole JSON gives the events that a full
//! parse gives.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use pipewarden::history::archive::{ArchiveObjects, ArchiveSelection, KeyRange, Opened, read_archive};
use pipewarden::history::{Event, Period, is_wanted};
use pipewarden::inventory::GapCause;
use time::OffsetDateTime;

struct One(Vec<u8>);

impl ArchiveObjects for One {
    fn place(&self) -> String {
        "fuzz".to_owned()
    }
    fn folders(&self, _: &str) -> Result<Vec<String>, GapCause> {
        Ok(Vec::new())
    }
    fn keys(&self, _: KeyRange<'_>) -> Result<Vec<String>, GapCause> {
        Ok(vec!["one.json".to_owned()])
    }
    fn open(&self, _: &str) -> Result<Opened, GapCause> {
        Ok(Opened { body: Box::new(Cursor::new(self.0.clone())), signature: None })
    }
    fn is_loose(&self) -> bool {
        true
    }
}

fuzz_target!(|bytes: &[u8]| {
    let period =
        Period { from: OffsetDateTime::UNIX_EPOCH, to: OffsetDateTime::UNIX_EPOCH + time::Duration::days(60_000) };
    let selection = ArchiveSelection { accounts: vec![], regions: vec![], period, verify: None };
    let read = read_archive(&One(bytes.to_vec()), &selection);
    // `json!`'s map keeps the last of equal keys; files in which a record has a key twice are not compared.
    let Ok(file) = serde_json::from_slice::<serde_json::Value>(bytes) else { return };
    let Some(records) = file.get("Records").and_then(|records| records.as_array()) else { return };
    let twice = |key: &str| String::from_utf8_lossy(bytes).matches(key).count() > records.len();
    if twice("eventSource") || twice("eventName") || twice("Records") || bytes.windows(2).any(|pair| pair == b"\\u") {
        return;
    }
    let mut ids: Vec<String> = records
        .iter()
        .filter_map(|record| Event::from_value(record).ok())
        .filter(|event| is_wanted(&event.source, &event.name) && period.contains(event.time))
        .map(|event| event.id)
        .collect();
    ids.sort();
    ids.dedup();
    let mut found: Vec<String> = read.events.into_iter().map(|event| event.id).collect();
    found.sort();
    found.dedup();
    assert_eq!(found, ids);
});
