//! Findings that are read once for all formats.
//!
//! In: a report and its formats. Out: their files, complete under temporary names. The spool is decoded on one thread, and
//! its findings go in batches through bounded channels to every format, each on a thread of its own: a format that is
//! slow holds the reader back, so that only a few batches are in memory. Formats do not know of each other: one that asks
//! for a second pass reads the spool anew, and one that stops early or never asks just hangs up.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::RunError;
use super::pending_folder::PendingFolder;
use crate::finding::Finding;
use crate::report::{FindingPass, FindingSource, GonePass, Report, ReportFormat};

/// Findings that go through a channel at once; waking a thread costs more than any one of them.
const BATCH: usize = 256;
/// Batches that wait for the slowest format.
const DEPTH: usize = 4;

#[derive(Clone)]
enum Message {
    Findings(Arc<[Arc<Finding>]>),
    /// The source failed.
    Failed(Arc<io::Error>),
    /// There are no more. A channel that ends without it ended too early.
    End,
}

/// Writes the report in all `formats` at once, and gives the files in the order of the formats.
///
/// # Errors
/// [`RunError::Report`] of the first of the formats, in their order, that failed; all are waited for.
pub(super) fn write_formats(
    report: &Report<'_>,
    formats: &[&dyn ReportFormat],
    root: &Path,
) -> Result<PendingFolder, RunError> {
    let (speakers, listeners): (Vec<_>, Vec<_>) = formats.iter().map(|_| sync_channel(DEPTH)).unzip();
    let written: Vec<io::Result<PendingFolder>> = thread::scope(|scope| {
        let threads: Vec<_> = formats
            .iter()
            .zip(listeners)
            .map(|(format, messages)| scope.spawn(move || write_one(report, *format, messages, root)))
            .collect();
        speak(report.findings, speakers);
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        joined.map(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let mut all = PendingFolder::of(root);
    let mut first_error = None;
    for (format, written) in formats.iter().zip(written) {
        if let Err(source) = written.and_then(|folder| all.absorb(folder)) {
            let path = root.join(format.file_name());
            first_error.get_or_insert(RunError::Report { format: format.name(), path, source });
        }
    }
    first_error.map_or(Ok(all), Err)
}

fn write_one(
    report: &Report<'_>,
    format: &dyn ReportFormat,
    messages: Receiver<Message>,
    root: &Path,
) -> io::Result<PendingFolder> {
    let listener = Listener { source: report.findings, first: Mutex::new(Some(messages)) };
    let report = Report {
        run: report.run.clone(),
        controls: report.controls.clone(),
        frameworks: report.frameworks.clone(),
        accounts: report.accounts.clone(),
        counts: report.counts.clone(),
        coverage: report.coverage,
        gaps: report.gaps,
        findings: &listener,
        calls: report.calls,
        over_time: report.over_time.clone(),
    };
    let mut folder = PendingFolder::of(root);
    format.write_files(&report, &mut folder)?;
    folder.end_file()?;
    Ok(folder)
}

/// Reads the findings once, for as long as anybody listens.
fn speak(source: &dyn FindingSource, mut speakers: Vec<SyncSender<Message>>) {
    let mut say = |message: Message| {
        speakers.retain(|speaker| speaker.send(message.clone()).is_ok());
        !speakers.is_empty()
    };
    let mut pass = match source.findings() {
        Ok(pass) => pass,
        Err(error) => {
            say(Message::Failed(Arc::new(error)));
            return;
        }
    };
    loop {
        let batch: io::Result<Vec<Arc<Finding>>> = pass.by_ref().take(BATCH).collect();
        let heard = match batch {
            Ok(batch) if batch.is_empty() => {
                say(Message::End);
                return;
            }
            Ok(batch) => say(Message::Findings(batch.into())),
            Err(error) => {
                say(Message::Failed(Arc::new(error)));
                return;
            }
        };
        if !heard {
            return;
        }
    }
}

/// The findings as one format sees them.
struct Listener<'a> {
    source: &'a dyn FindingSource,
    /// Taken by the first pass.
    first: Mutex<Option<Receiver<Message>>>,
}

impl FindingSource for Listener<'_> {
    fn findings(&self) -> io::Result<FindingPass<'_>> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        match first {
            Some(messages) => Ok(Box::new(Heard { messages: Some(messages), batch: Arc::default(), next: 0 })),
            None => self.source.findings(),
        }
    }

    fn gone(&self) -> io::Result<GonePass<'_>> {
        self.source.gone()
    }
}

/// A pass over what comes through a channel.
struct Heard {
    /// None after the end.
    messages: Option<Receiver<Message>>,
    batch: Arc<[Arc<Finding>]>,
    next: usize,
}

impl Iterator for Heard {
    type Item = io::Result<Arc<Finding>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(finding) = self.batch.get(self.next) {
                self.next += 1;
                return Some(Ok(Arc::clone(finding)));
            }
            let error = match self.messages.as_ref()?.recv() {
                Ok(Message::Findings(batch)) => {
                    (self.batch, self.next) = (batch, 0);
                    continue;
                }
                Ok(Message::End) => None,
                Ok(Message::Failed(error)) => Some(io::Error::new(error.kind(), error.to_string())),
                Err(_) => Some(io::Error::other("the findings ended in the middle")),
            };
            self.messages = None;
            return error.map(Err);
        }
    }
}

#[cfg(test)]
mod tests;
