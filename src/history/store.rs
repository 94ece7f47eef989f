//! Histories on disk, append-only: what was read once is never asked again, and outlives AWS's own windows.
//!
//! In: what a source brought. Out: one more segment, a file that appears whole and is never changed; and back again, all
//! segments as one [`History`], with the SHA-256 of each. It exists because CloudTrail forgets after 90 days and
//! CodePipeline after twelve months; from the first run on, the store remembers.
//!
//! ```text
//! <out>/history/account=<id>/region=<name>/<source>/<run-id>.jsonl.gz
//! <out>/history/account=all/region=all/<source>/<run-id>.jsonl.gz        sources that belong to no account
//! ```

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    ActionExecution, AlarmTransition, Build, CodeDeployment, Commit, Event, History, HistoryGap, HistorySource,
    Incident, Merge, Period, PipelineExecution, RuleExecution, SCHEMA_VERSION, Span, TestReport,
};
use crate::inventory::hex;
use crate::inventory::json_lines::{LineError, LinesReader, LinesWriter, PendingFile};
use crate::inventory::{AccountId, Region};

/// A store that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk refused.
    #[error("{path}: cannot be {verb}: {source}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// `read` or `written`.
        verb: &'static str,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// A segment is damaged.
    #[error(
        "{path}, line {line}: {problem}; a segment is never changed, so this one was damaged: restore it, or move it away, and what it held is asked for again as far as AWS still knows it"
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// From one.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// A segment of another version.
    #[error("{path}: written in version {found} of the history format; this pipewarden reads version {SCHEMA_VERSION}")]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

/// Ending of a segment's name.
const SUFFIX: &str = ".jsonl.gz";

/// One line of a segment.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Line<'a> {
    Segment { schema_version: u32, source: HistorySource },
    Event(Held<'a, Event>),
    Execution(Held<'a, PipelineExecution>),
    Action(Held<'a, ActionExecution>),
    Rule(Held<'a, RuleExecution>),
    Deployment(Held<'a, CodeDeployment>),
    Build(Held<'a, Build>),
    Report(Held<'a, TestReport>),
    Commit(Held<'a, Commit>),
    Merge(Held<'a, Merge>),
    Incident(Held<'a, Incident>),
    Transition(Held<'a, AlarmTransition>),
    Span(Held<'a, Span>),
    Gap(Held<'a, HistoryGap>),
}

/// Borrowed to be written, owned after reading.
#[derive(Debug)]
enum Held<'a, T> {
    Borrowed(&'a T),
    Owned(Box<T>),
}

impl<T: Serialize> Serialize for Held<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Borrowed(record) => record.serialize(serializer),
            Self::Owned(record) => record.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Held<'_, T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(|record| Self::Owned(Box::new(record)))
    }
}

impl<T: Clone> Held<'_, T> {
    fn take(self) -> T {
        match self {
            Self::Borrowed(record) => record.clone(),
            Self::Owned(record) => *record,
        }
    }
}

/// A segment that was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentEntry {
    /// Path below the store's folder, with `/`.
    pub path: String,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// Records in it, spans and gaps included.
    pub records: u64,
}

/// A folder of segments.
#[derive(Debug, Clone)]
pub struct HistoryStore {
    folder: PathBuf,
}

impl HistoryStore {
    /// The store of an output folder; nothing is made or read yet.
    #[must_use]
    pub fn of(out: &Path) -> Self {
        Self { folder: out.join("history") }
    }

    /// Adds a segment. A history without any record, span or gap leaves none.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the disk refuses; then nothing half-written stays behind.
    pub fn append(
        &self,
        place: Option<(&AccountId, &Region)>,
        source: HistorySource,
        run_id: &str,
        history: &History,
    ) -> Result<(), StoreError> {
        if *history == History::default() {
            return Ok(());
        }
        let (account, region) = place.map_or(("all", "all"), |(account, region)| (account.as_str(), region.as_str()));
        let folder =
            self.folder.join(format!("account={account}")).join(format!("region={region}")).join(source.name());
        let written = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io { path, verb: "written", source }
        };
        fs::create_dir_all(&folder).map_err(written(&folder))?;
        // A run that was killed and goes on has a segment of this name already, and segments are never replaced.
        let names =
            std::iter::once(format!("{run_id}{SUFFIX}")).chain((2_u32..).map(|nth| format!("{run_id}-{nth}{SUFFIX}")));
        let Some(path) = names.map(|name| folder.join(name)).find(|path| !path.exists()) else { return Ok(()) };
        write_segment(&path, source, history).map_err(written(&path))
    }

    /// All segments of these accounts, and of `all` for those of no account, as one history, of which only what touches
    /// `period` is kept, sorted and without repeats.
    ///
    /// # Errors
    /// [`StoreError`] for the first segment that cannot be read.
    pub fn read(
        &self,
        wanted: &dyn Fn(&str) -> bool,
        period: Period,
    ) -> Result<(History, Vec<SegmentEntry>), StoreError> {
        let mut history = History::default();
        let mut entries = Vec::new();
        for account in names_in(&self.folder)? {
            if !account.strip_prefix("account=").is_some_and(wanted) {
                continue;
            }
            for region in names_in(&self.folder.join(&account))? {
                for source in names_in(&self.folder.join(&account).join(&region))? {
                    let folder = self.folder.join(&account).join(&region).join(&source);
                    let names = names_in(&folder)?;
                    let mut names: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix(SUFFIX)).collect();
                    names.sort_unstable();
                    let mut of_source = History::default();
                    for name in names {
                        let name = format!("{name}{SUFFIX}");
                        let path = folder.join(&name);
                        let mut segment = History::default();
                        let (sha256, records) = read_segment(&path, period, &mut segment)?;
                        of_source.coverage.heal(&segment.coverage.spans, period);
                        of_source.absorb(segment);
                        entries.push(SegmentEntry {
                            path: format!("{account}/{region}/{source}/{name}"),
                            sha256,
                            records,
                        });
                    }
                    of_source.normalise();
                    history.absorb(of_source);
                }
            }
        }
        history.normalise();
        Ok((history, entries))
    }

    /// Whether there is anything in it.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the folder cannot be listed.
    pub fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(names_in(&self.folder)?.is_empty())
    }

    /// Where it stands.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

fn write_segment(path: &Path, source: HistorySource, history: &History) -> io::Result<()> {
    let mut lines = LinesWriter::new(PendingFile::create(path)?);
    lines.push(&Line::Segment { schema_version: SCHEMA_VERSION, source })?;
    let History {
        events,
        executions,
        actions,
        rules,
        deployments,
        builds,
        reports,
        commits,
        merges,
        incidents,
        transitions,
        coverage,
    } = history;
    events.iter().try_for_each(|record| lines.push(&Line::Event(Held::Borrowed(record))))?;
    executions.iter().try_for_each(|record| lines.push(&Line::Execution(Held::Borrowed(record))))?;
    actions.iter().try_for_each(|record| lines.push(&Line::Action(Held::Borrowed(record))))?;
    rules.iter().try_for_each(|record| lines.push(&Line::Rule(Held::Borrowed(record))))?;
    deployments.iter().try_for_each(|record| lines.push(&Line::Deployment(Held::Borrowed(record))))?;
    builds.iter().try_for_each(|record| lines.push(&Line::Build(Held::Borrowed(record))))?;
    reports.iter().try_for_each(|record| lines.push(&Line::Report(Held::Borrowed(record))))?;
    commits.iter().try_for_each(|record| lines.push(&Line::Commit(Held::Borrowed(record))))?;
    merges.iter().try_for_each(|record| lines.push(&Line::Merge(Held::Borrowed(record))))?;
    incidents.iter().try_for_each(|record| lines.push(&Line::Incident(Held::Borrowed(record))))?;
    transitions.iter().try_for_each(|record| lines.push(&Line::Transition(Held::Borrowed(record))))?;
    coverage.spans.iter().try_for_each(|record| lines.push(&Line::Span(Held::Borrowed(record))))?;
    coverage.gaps.iter().try_for_each(|record| lines.push(&Line::Gap(Held::Borrowed(record))))?;
    lines.finish()?.keep()
}

/// Hashes what passes through, so that a segment is read once.
struct Hashed<R> {
    input: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<&mut R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.hash.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

fn read_segment(path: &Path, period: Period, history: &mut History) -> Result<(String, u64), StoreError> {
    let unreadable = |source| StoreError::Io { path: path.to_owned(), verb: "read", source };
    let damaged = |line, problem: String| StoreError::Damaged { path: path.to_owned(), line, problem };
    let mut file = File::open(path).map_err(unreadable)?;
    let mut hashed = Hashed { input: &mut file, hash: Sha256::new() };
    let mut lines = LinesReader::new(&mut hashed);
    let mut records = 0;
    loop {
        let line = match lines.next_record::<Line<'_>>() {
            Ok(None) => break,
            Ok(Some(line)) => line,
            Err(LineError::Io(source)) => return Err(unreadable(source)),
            Err(error) => return Err(damaged(lines.line_number(), error.to_string())),
        };
        match line {
            Line::Segment { schema_version, .. } if schema_version != SCHEMA_VERSION => {
                return Err(StoreError::Version { path: path.to_owned(), found: schema_version });
            }
            Line::Segment { .. } => continue,
            _ if lines.line_number() == 1 => return Err(damaged(1, "not a segment of a history".to_owned())),
            line => keep(line, period, history),
        }
        records += 1;
    }
    drop(lines);
    // The reader stops at the end of the compressed stream; what may follow belongs to the file's hash as well.
    io::copy(&mut hashed, &mut io::sink()).map_err(unreadable)?;
    let digest = hashed.hash.finalize();
    Ok((hex(&digest), records))
}

/// Keeps a record that touches the period. What has no time of its own (commits, merges, incidents) is always kept.
fn keep(line: Line<'_>, period: Period, history: &mut History) {
    let touches = |started, ended: Option<_>| started < period.to && ended.unwrap_or(period.to) >= period.from;
    match line {
        Line::Segment { .. } => {}
        Line::Event(it) => push_if(&mut history.events, it.take(), |it| period.contains(it.time)),
        Line::Execution(it) => push_if(&mut history.executions, it.take(), |it| touches(it.started, it.updated)),
        Line::Action(it) => push_if(&mut history.actions, it.take(), |it| touches(it.started, it.updated)),
        Line::Rule(it) => push_if(&mut history.rules, it.take(), |it| touches(it.started, it.updated)),
        Line::Deployment(it) => push_if(&mut history.deployments, it.take(), |it| touches(it.created, it.completed)),
        Line::Build(it) => push_if(&mut history.builds, it.take(), |it| touches(it.started, it.ended)),
        Line::Report(it) => push_if(&mut history.reports, it.take(), |it| period.contains(it.created)),
        Line::Commit(it) => history.commits.push(it.take()),
        Line::Merge(it) => history.merges.push(it.take()),
        Line::Incident(it) => history.incidents.push(it.take()),
        Line::Transition(it) => push_if(&mut history.transitions, it.take(), |it| period.contains(it.time)),
        Line::Span(it) => push_if(&mut history.coverage.spans, it.take(), |it| touches(it.from, Some(it.to))),
        Line::Gap(it) => push_if(&mut history.coverage.gaps, it.take(), |it| {
            touches(it.from.unwrap_or(period.from), Some(it.to.unwrap_or(period.to)))
        }),
    }
}

fn push_if<T>(kept: &mut Vec<T>, record: T, wanted: impl Fn(&T) -> bool) {
    if wanted(&record) {
        kept.push(record);
    }
}

/// Names in a folder, sorted; none if it is not there.
fn names_in(folder: &Path) -> Result<Vec<String>, StoreError> {
    let unreadable = |source| StoreError::Io { path: folder.to_owned(), verb: "read", source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(unreadable)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use time::macros::datetime;

    use super::*;

    fn execution(id: &str, started: OffsetDateTime) -> PipelineExecution {
        let (account, region) = ("111122223333".parse().unwrap(), "eu-west-1".parse().unwrap());
        let mut execution = PipelineExecution::new(
            "arn:aws:codepipeline:eu-west-1:111122223333:web",
            account,
            region,
            id,
            "Failed",
            started,
        );
        execution.updated = Some(started);
        execution
    }

    fn of(executions: Vec<PipelineExecution>) -> History {
        History { executions, ..History::default() }
    }

    const ALL: Period = Period { from: datetime!(2026-01-01 0:00 UTC), to: datetime!(2027-01-01 0:00 UTC) };

    #[test]
    fn segments_add_up_and_none_is_ever_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let store = HistoryStore::of(folder.path());
        let (account, region) = ("111122223333".parse().unwrap(), "eu-west-1".parse().unwrap());
        let (a, b) = (execution("a", datetime!(2026-06-01 9:00 UTC)), execution("b", datetime!(2026-06-02 9:00 UTC)));
        let place = Some((&account, &region));
        let source = HistorySource::PipelineExecutions;
        assert!(store.is_empty().unwrap());
        store.append(place, source, "20260603T000000Z", &of(vec![a.clone()])).unwrap();
        store.append(place, source, "20260603T000000Z", &of(vec![b.clone(), a.clone()])).unwrap();
        store.append(None, source, "20260603T000000Z", &History::default()).unwrap();
        let (history, segments) = store.read(&|_| true, ALL).unwrap();
        assert_eq!(history.executions, [a.clone(), b.clone()]);
        assert_eq!(segments.iter().map(|entry| entry.records).collect::<Vec<_>>(), [1, 2]);
        let june_second = Period { from: datetime!(2026-06-02 0:00 UTC), to: datetime!(2026-06-03 0:00 UTC) };
        assert_eq!(store.read(&|_| true, june_second).unwrap().0.executions, [b]);
        assert_eq!(store.read(&|id| id == "999999999999", ALL).unwrap().0, History::default());
    }

    #[test]
    fn a_gap_is_healed_by_a_later_look_and_by_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = HistoryStore::of(folder.path());
        let (account, region): (AccountId, Region) = ("111122223333".parse().unwrap(), "eu-west-1".parse().unwrap());
        let day = |day: u8| datetime!(2026-06-01 0:00 UTC).replace_day(day).unwrap();
        let source = HistorySource::Builds;
        let gap = |subject: &str| HistoryGap {
            source,
            subject: Some(subject.to_owned()),
            from: Some(day(2)),
            to: Some(day(4)),
            gap: crate::inventory::Gap {
                account: account.clone(),
                region: region.clone(),
                service: "codebuild".to_owned(),
                action: "codebuild:BatchGetBuilds".to_owned(),
                cause: crate::inventory::GapCause::Throttled { attempts: 7 },
                affects: crate::inventory::Affects::Details,
            },
        };
        let span = |from, to| Span {
            source,
            account: Some(account.clone()),
            region: Some(region.clone()),
            subject: Some("web".to_owned()),
            from,
            to,
        };
        let with =
            |spans, gaps| History { coverage: crate::history::HistoryCoverage { spans, gaps }, ..History::default() };
        let place = Some((&account, &region));
        store.append(place, source, "1", &with(vec![span(day(1), day(5))], vec![gap("web"), gap("api")])).unwrap();
        store.append(place, source, "2", &with(vec![span(day(3), day(5))], vec![])).unwrap();
        let rest = HistoryGap { to: Some(day(3)), ..gap("web") };
        assert_eq!(store.read(&|_| true, ALL).unwrap().0.coverage.gaps, [gap("api"), rest]);
        let later = Period { from: day(3), to: day(9) };
        let seen = store.read(&|_| true, later).unwrap().0.coverage.gaps;
        assert_eq!(seen, [gap("api")], "the window has moved past what was never seen");
        store.append(place, source, "2", &with(vec![span(day(2), day(5))], vec![])).unwrap();
        assert_eq!(store.read(&|_| true, ALL).unwrap().0.coverage.gaps, [gap("api")]);
    }

    #[test]
    fn a_damaged_segment_is_named_and_never_half_read_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        let store = HistoryStore::of(folder.path());
        let started = datetime!(2026-06-01 9:00 UTC);
        store.append(None, HistorySource::PipelineExecutions, "r", &of(vec![execution("a", started)])).unwrap();
        let (_, segments) = store.read(&|_| true, ALL).unwrap();
        let path = store.folder().join(&segments.first().unwrap().path);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, bytes.get(..bytes.len() - 12).unwrap()).unwrap();
        let error = store.read(&|_| true, ALL).unwrap_err().to_string();
        assert!(error.contains("r.jsonl.gz") && error.contains("move it away"), "{error}");
    }
}
