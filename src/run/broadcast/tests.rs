//! What formats may do with a pass, and that no way of it changes a byte or waits forever.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::inventory::{CallCounts, Coverage};
use crate::report::{Counts, OverTime, ReportFolder, RunInfo};

const FINDINGS: usize = 10 * BATCH + 7;

/// Counts its passes, and may fail after some findings.
struct Source {
    findings: Vec<Finding>,
    passes: AtomicUsize,
    fails_at: usize,
}

impl Source {
    fn of(count: usize) -> Self {
        let finding = |number: usize| {
            serde_json::from_value(serde_json::json!({
                "id": format!("{number:06}"), "control": "c", "severity": "LOW", "compliance": "Compliant",
                "resource": {"uid": "u", "typeName": "AWS::S3::Bucket", "account": "111111111111", "region": "global"}
            }))
            .unwrap()
        };
        Self { findings: (0..count).map(finding).collect(), passes: AtomicUsize::new(0), fails_at: usize::MAX }
    }
}

impl FindingSource for Source {
    fn findings(&self) -> io::Result<FindingPass<'_>> {
        self.passes.fetch_add(1, Ordering::SeqCst);
        let step = |(number, finding): (usize, &Finding)| {
            if number == self.fails_at {
                Err(io::Error::new(io::ErrorKind::InvalidData, "line 12 is damaged"))
            } else {
                Ok(Arc::new(finding.clone()))
            }
        };
        Ok(Box::new(self.findings.iter().enumerate().map(step)))
    }
}

type Way = fn(&Report<'_>, &mut dyn Write) -> io::Result<()>;

/// A format that reads in some way.
struct Reads(&'static str, Way);

impl ReportFormat for Reads {
    fn name(&self) -> &'static str {
        self.0
    }

    fn file_name(&self) -> &'static str {
        self.0
    }

    fn about(&self) -> &'static str {
        "for tests"
    }

    fn write(&self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
        (self.1)(report, out)
    }
}

fn all(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    for finding in report.findings.findings()? {
        writeln!(out, "{}", finding?.id)?;
    }
    Ok(())
}

const ALL: Reads = Reads("all", all);
const NEVER: Reads = Reads("never", |_, out| out.write_all(b"none"));
const FIRST_ONLY: Reads = Reads("first", |report, out| {
    let first = report.findings.findings()?.next().transpose()?;
    write!(out, "{}", first.map_or_else(String::new, |finding| finding.id.clone()))
});
const TWICE: Reads = Reads("twice", |report, out| {
    all(report, out)?;
    all(report, out)
});
/// Holds its first pass while it reads a second one to the end.
const TWO_AT_ONCE: Reads = Reads("both", |report, out| {
    let mut slow = report.findings.findings()?;
    let first = slow.next();
    all(report, out)?;
    for finding in first.into_iter().chain(slow) {
        writeln!(out, "{}", finding?.id)?;
    }
    Ok(())
});
/// Opens a pass and looks at it only after another one.
const LATE: Reads = Reads("late", |report, out| {
    let unused = report.findings.findings()?;
    all(report, out)?;
    drop(unused);
    Ok(())
});
const FAILS: Reads = Reads("fails", |report, _| {
    let _ = report.findings.findings()?.next();
    Err(io::Error::other("no room"))
});

fn with_report<T>(source: &dyn FindingSource, work: impl FnOnce(&Report<'_>) -> T) -> T {
    let coverage = Coverage::default();
    work(&Report {
        run: RunInfo {
            run_id: "20261121T020000Z".to_owned(),
            started_at: "2026-11-21T02:00:00Z".to_owned(),
            tool_version: "0".to_owned(),
            organization: String::new(),
            policy_hash: String::new(),
        },
        controls: std::collections::BTreeMap::new(),
        frameworks: std::collections::BTreeMap::new(),
        accounts: std::collections::BTreeMap::new(),
        counts: Counts::default(),
        coverage: &coverage,
        gaps: &[],
        findings: source,
        calls: CallCounts::default(),
        over_time: OverTime::default(),
    })
}

#[test]
fn every_way_to_read_writes_what_it_would_write_alone() {
    for count in [0, 1, BATCH, FINDINGS] {
        let source = Source::of(count);
        let formats: [&dyn ReportFormat; 7] =
            [&TWO_AT_ONCE, &LATE, &ALL, &NEVER, &FIRST_ONLY, &TWICE, &Reads("again", all)];
        let root = tempfile::tempdir().unwrap();
        with_report(&source, |report| write_formats(report, &formats, root.path()).unwrap().keep().unwrap());
        // One pass for all, and one more for each that reads twice.
        assert_eq!(source.passes.load(Ordering::SeqCst), 4, "{count}");
        for format in formats {
            let mut alone = Vec::new();
            with_report(&source, |report| format.write(report, &mut alone)).unwrap();
            assert!(std::fs::read(root.path().join(format.file_name())).unwrap() == alone, "{} {count}", format.name());
        }
    }
}

#[test]
fn the_first_format_that_fails_names_the_error_and_nothing_is_left() {
    let source = Source::of(FINDINGS);
    let root = tempfile::tempdir().unwrap();
    let other = Reads("fails-too", FAILS.1);
    let formats: [&dyn ReportFormat; 4] = [&ALL, &FAILS, &TWICE, &other];
    let error = with_report(&source, |report| write_formats(report, &formats, root.path()).unwrap_err());
    assert!(matches!(&error, RunError::Report { format: "fails", .. }), "{error}");
    assert!(error.to_string().contains("no room"), "{error}");
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn an_error_of_the_source_is_an_error_of_who_reads_and_of_nobody_else() {
    for fails_at in [0, BATCH, FINDINGS - 1] {
        let source = Source { fails_at, ..Source::of(FINDINGS) };
        let root = tempfile::tempdir().unwrap();
        let error = with_report(&source, |report| write_formats(report, &[&NEVER, &ALL], root.path()).unwrap_err());
        assert!(error.to_string().contains("cannot write the all report"), "{error}");
        let RunError::Report { source, .. } = error else { panic!("{error}") };
        assert_eq!((source.kind(), source.to_string().as_str()), (io::ErrorKind::InvalidData, "line 12 is damaged"));
    }
}

#[test]
fn a_channel_that_breaks_off_is_no_end() {
    let (speaker, messages) = sync_channel(1);
    let mut heard = Heard { messages: Some(messages), batch: Arc::default(), next: 0 };
    drop(speaker);
    assert!(heard.next().unwrap().is_err());
    assert!(heard.next().is_none());
}

#[test]
fn two_formats_of_one_name_are_an_error_of_the_second() {
    struct Same;
    impl ReportFormat for Same {
        fn name(&self) -> &'static str {
            "same"
        }
        fn file_name(&self) -> &'static str {
            "all"
        }
        fn about(&self) -> &'static str {
            "for tests"
        }
        fn write(&self, _: &Report<'_>, _: &mut dyn Write) -> io::Result<()> {
            Ok(())
        }
        fn write_files(&self, _: &Report<'_>, folder: &mut dyn ReportFolder) -> io::Result<()> {
            folder.create("deep/all").map(drop)?;
            folder.create("all").map(drop)
        }
    }
    let source = Source::of(1);
    let root = tempfile::tempdir().unwrap();
    let error = with_report(&source, |report| write_formats(report, &[&ALL, &Same], root.path()).unwrap_err());
    assert!(error.to_string().contains("same report") && error.to_string().contains("two formats write"), "{error}");
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0, "neither files nor folders stay");
}
