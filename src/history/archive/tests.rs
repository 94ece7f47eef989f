//! Whole archives: in folders, in buckets, with and without digests, damaged in every way.

use std::io::{Cursor, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use time::macros::datetime;

use super::*;

const DAY: &str = "2026/06/10";

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn event(id: &str, source: &str, name: &str, time: &str) -> Value {
    json!({
        "eventVersion": "1.11", "userIdentity": {"type": "IAMUser", "userName": "carol", "accountId": "111122223333"},
        "eventTime": time, "eventSource": format!("{source}.amazonaws.com"), "eventName": name, "awsRegion": "eu-west-1",
        "eventID": id, "recipientAccountId": "111122223333", "requestParameters": null
    })
}

fn approval(id: &str) -> Value {
    event(id, "codepipeline", "PutApprovalResult", "2026-06-10T10:55:03Z")
}

fn file(records: &[Value]) -> String {
    json!({ "Records": records }).to_string()
}

fn log_key(time: &str, letter: char) -> String {
    format!(
        "AWSLogs/o-1/111122223333/CloudTrail/eu-west-1/{DAY}/111122223333_CloudTrail_eu-west-1_{time}_{}.json.gz",
        String::from(letter).repeat(16)
    )
}

fn selection() -> ArchiveSelection {
    let period = Period { from: datetime!(2026-06-10 8:00 UTC), to: datetime!(2026-06-10 14:00 UTC) };
    ArchiveSelection { accounts: vec![], regions: vec![], period, verify: None }
}

/// A bucket, which can only list what S3 can list.
#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Vec<u8>>,
    lists: AtomicUsize,
}

impl Bucket {
    fn of(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        Self { objects: files.into_iter().collect(), lists: AtomicUsize::new(0) }
    }
}

impl ArchiveObjects for Bucket {
    fn place(&self) -> String {
        "s3://trail".to_owned()
    }

    fn folders(&self, prefix: &str) -> Result<Vec<String>, GapCause> {
        self.lists.fetch_add(1, Ordering::Relaxed);
        let mut names: Vec<String> = self
            .objects
            .keys()
            .filter_map(|key| Some(key.strip_prefix(prefix)?.split_once('/')?.0.to_owned()))
            .collect();
        names.dedup();
        Ok(names)
    }

    fn keys(&self, range: KeyRange<'_>) -> Result<Vec<String>, GapCause> {
        self.lists.fetch_add(1, Ordering::Relaxed);
        assert!(!range.prefix.is_empty());
        Ok(self.objects.keys().filter(|key| range.contains(key)).cloned().collect())
    }

    fn open(&self, key: &str) -> Result<Opened, GapCause> {
        let bytes = self.objects.get(key).cloned().ok_or(GapCause::AccessDenied { message: "no".to_owned() })?;
        Ok(Opened { body: Box::new(Cursor::new(bytes)), signature: None })
    }
}

fn ids(history: &History) -> Vec<&str> {
    history.events.iter().map(|event| event.id.as_str()).collect()
}

fn gap_of<'a>(history: &'a History, key: &str) -> &'a HistoryGap {
    history
        .coverage
        .gaps
        .iter()
        .find(|gap| gap.subject.as_deref() == Some(key))
        .unwrap_or_else(|| panic!("{history:#?}"))
}

#[test]
fn a_bucket_and_a_copy_of_it_give_the_same() {
    let early = event("early", "codepipeline", "PutApprovalResult", "2026-06-10T07:59:59Z");
    let other = event("other", "sts", "AssumeRole", "2026-06-10T10:00:00Z");
    let files = [
        (log_key("20260610T1100Z", 'a'), gzip(&file(&[approval("2"), early, other]))),
        (log_key("20260610T1105Z", 'b'), gzip(&file(&[approval("1"), approval("2")]))),
        (log_key("20260610T1100Z", 'c').replace("CloudTrail", "CloudTrail-Insight"), gzip(&file(&[approval("3")]))),
        (log_key("20260613T0000Z", 'd').replace(DAY, "2026/06/13"), gzip(&file(&[approval("4")]))),
        (log_key("20260611T0000Z", 'e').replace(DAY, "2026/06/11"), gzip(&file(&[approval("5")]))),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (key, bytes) in &files {
        let path = folder.path().join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let bucket = Bucket::of(files);
    let from_bucket = read_archive(&bucket, &selection());
    assert_eq!(ids(&from_bucket), ["1", "2", "5"]);
    assert_eq!(bucket.lists.load(Ordering::Relaxed), 6, "two of roots, two of Regions, logs, digests");
    assert_eq!(read_archive(&ArchiveFolder::new(folder.path()), &selection()), from_bucket);
    let span = &from_bucket.coverage.spans[0];
    assert_eq!((span.from, span.to), (selection().period.from, selection().period.to));

    let nothing = ArchiveSelection { accounts: vec!["444455556666".parse().unwrap()], ..selection() };
    assert_eq!(read_archive(&bucket, &nothing).events, []);
}

#[test]
fn a_damaged_file_is_a_gap_that_names_it_and_what_could_be_read_counts() {
    let many: Vec<Value> = (0..3000).map(|n| approval(&format!("{n:04}"))).collect();
    let whole = gzip(&file(&many));
    let half = whole[..whole.len() / 2].to_vec();
    let mut corrupt = whole.clone();
    let end = corrupt.len() - 6;
    corrupt[end] ^= 0xff;
    let whole_file = file(&[approval("m1"), approval("m2")]);
    let (begin, end_of_file) = whole_file.split_at(100);
    let mut two = gzip(begin);
    two.extend(gzip(end_of_file));
    let key = |letter| log_key("20260610T1100Z", letter);
    let read = |bytes: Vec<u8>| read_archive(&Bucket::of([(key('a'), bytes)]), &selection());

    let history = read(half);
    assert!(history.events.len() > 500 && history.events.len() < 3000, "{}", history.events.len());
    let gap = gap_of(&history, &key('a'));
    assert!(gap.gap.cause.to_string().contains("reading failed"), "{gap:?}");
    assert_eq!(gap.from, Some(datetime!(2026-06-10 10:00 UTC)));

    let history = read(corrupt);
    assert_eq!(history.events.len(), 3000);
    gap_of(&history, &key('a'));

    assert_eq!(ids(&read(two)), ["m1", "m2"]);
    assert_eq!(ids(&read(file(&[approval("plain")]).into_bytes())), ["plain"]);
    assert_eq!(ids(&read(format!("\u{feff}{}", file(&[approval("bom")])).into_bytes())), ["bom"]);
    for (bytes, why) in [
        (Vec::new(), "empty"),
        (gzip(""), "empty"),
        (gzip("<Error/>"), "not a JSON object"),
        (b"\x1f\x8bnot gzip".to_vec(), "reading failed"),
        (
            gzip(r#"{"Records":[{"eventSource":"codepipeline.amazonaws.com","eventName":"PutApprovalResult"}]}"#),
            "eventID",
        ),
    ] {
        let history = read(bytes);
        let cause = gap_of(&history, &key('a')).gap.cause.to_string();
        assert!(cause.contains(why), "{cause}");
    }
}

#[test]
fn files_of_any_name_count_but_tell_no_span() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.json"), file(&[approval("1")])).unwrap();
    let history = read_archive(&ArchiveFolder::new(folder.path()), &selection());
    assert_eq!(ids(&history), ["1"]);
    assert_eq!(history.coverage.spans, []);
    assert!(history.coverage.gaps[0].gap.cause.to_string().contains("`mine.json`"));
}

fn digest_file(hour: u32, logs: &[(&str, &[u8])]) -> (String, Vec<u8>) {
    let name = format!(
        "AWSLogs/o-1/111122223333/CloudTrail-Digest/eu-west-1/{DAY}/111122223333_CloudTrail-Digest_eu-west-1_t_eu-west-1_20260610T{:02}0000Z.json.gz",
        hour + 1
    );
    let listed: Vec<Value> = logs
        .iter()
        .map(|(key, text)| {
            let hash = crate::inventory::hex(ring::digest::digest(&ring::digest::SHA256, text).as_ref());
            json!({"s3Bucket": "b", "s3Object": key, "hashValue": hash})
        })
        .collect();
    let content = json!({
        "digestStartTime": format!("2026-06-10T{hour:02}:00:00Z"), "digestEndTime": format!("2026-06-10T{:02}:00:00Z", hour + 1),
        "digestS3Bucket": "b", "digestS3Object": name, "logFiles": listed
    });
    (name, gzip(&content.to_string()))
}

#[test]
fn an_hour_with_a_digest_is_known_and_one_without_is_not() {
    let text = file(&[approval("1")]);
    let log = log_key("20260610T1030Z", 'a');
    let files: Vec<(String, Vec<u8>)> = [8, 9, 10, 12, 13]
        .into_iter()
        .map(|hour| if hour == 10 { digest_file(hour, &[(&log, text.as_bytes())]) } else { digest_file(hour, &[]) })
        .chain([(log.clone(), gzip(&text))])
        .collect();
    let history = read_archive(&Bucket::of(files.clone()), &selection());
    let spans: Vec<_> = history.coverage.spans.iter().map(|span| (span.from.hour(), span.to.hour())).collect();
    assert_eq!(spans, [(8, 11), (12, 14)]);
    assert_eq!(history.coverage.gaps.len(), 1);
    assert_eq!(history.coverage.gaps[0].from, Some(datetime!(2026-06-10 11:00 UTC)));

    // The listed file is taken away: its hour is not known any more.
    let history = read_archive(&Bucket::of(files.into_iter().filter(|(key, _)| *key != log)), &selection());
    let spans: Vec<_> = history.coverage.spans.iter().map(|span| (span.from.hour(), span.to.hour())).collect();
    assert_eq!(spans, [(8, 10), (12, 14)]);
    assert!(history.coverage.gaps.iter().any(|gap| gap.gap.cause.to_string().contains("not in the archive")));
}

#[test]
fn verifying_finds_changed_and_foreign_files() {
    let (text, changed) = (file(&[approval("1")]), file(&[approval("2")]));
    let (log, foreign) = (log_key("20260610T1030Z", 'a'), log_key("20260610T1031Z", 'b'));
    let files = [
        digest_file(10, &[(&log, text.as_bytes())]),
        (log, gzip(&changed)),
        (foreign.clone(), gzip(&file(&[approval("3")]))),
    ];
    let verify = Some(DigestKeys::default());
    let history = read_archive(&Bucket::of(files), &ArchiveSelection { verify, ..selection() });
    let causes: Vec<String> = history.coverage.gaps.iter().map(|gap| gap.gap.cause.to_string()).collect();
    for expected in ["its hash differs", "no signature", "no digest lists this log file"] {
        assert!(causes.iter().any(|cause| cause.contains(expected)), "{expected}: {causes:#?}");
    }
    assert_eq!(gap_of(&history, &foreign).gap.action, "s3:GetObject");
}

#[test]
fn traps_of_cloudtrail_come_through() {
    let mut refused = approval("refused");
    refused["errorCode"] = json!("AccessDenied");
    let mut push = event("push-1", "codecommit", "GitPush", "2026-06-10T10:00:00Z");
    push["readOnly"] = json!("true");
    let mut second = event("push-2", "codecommit", "GitPush", "2026-06-10T10:00:00Z");
    second["requestParameters"] = json!({"references": [{"commit": "c0ffee", "ref": "refs/heads/main"}]});
    let mut large = event("large", "codepipeline", "UpdatePipeline", "2026-06-10T10:00:00Z");
    large["requestParameters"] =
        json!({"reason": "requestParameters too large", "omitted": "true", "originalSize": "149893"});
    let mut dated = event("dated", "codebuild", "StartBuild", "2026-06-10T10:00:00Z");
    dated["responseElements"] = json!({"build": {"startTime": "Jun 10, 2026 10:00:00 AM"}});
    let about = event("about", "sts", "AssumeRole", "2026-06-10T10:00:00Z");
    let mut quoting = about.clone();
    quoting["requestParameters"] = json!({"policy": approval("quoted").to_string()});
    let bucket = Bucket::of([(
        log_key("20260610T1030Z", 'a'),
        gzip(&file(&[refused, push, second, large, dated, about, quoting])),
    )]);
    let history = read_archive(&bucket, &selection());
    assert_eq!(ids(&history), ["dated", "large", "push-1", "push-2", "refused"]);
    let by = |id: &str| history.events.iter().find(|event| event.id == id).unwrap();
    assert!(!by("refused").succeeded());
    assert_eq!((by("push-1").read_only, &by("push-1").request), (Some(true), &crate::history::Payload::Absent));
    assert!(by("push-2").request.member(&["references"]).is_some());
    assert_eq!(by("large").request, crate::history::Payload::Omitted { original_size: Some(149_893) });
}
