//! Two runs side by side, for people and for programs.
//!
//! In: violations that changed between two runs, one at a time. Out: a page for a terminal or in Markdown, new and worse
//! ones first, or a JSON document in the shape of `reports/schema/diff.v1.schema.json` with all of them. A page keeps a
//! bounded choice of the worst, however many there are.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::json_document::{ArrayWriter, end, start, write_field};
use super::markup::plain;
use super::out_of_sight::{OutOfSight, what_to_do};
use super::page::Page;
use super::text::{NAME, counted, grouped, short, visible};
use super::tone::Tone;
use super::wording::{changes_in_words, duration_in_words, stood_for};
use super::{Comparison, RunInfo};
use crate::finding::{Change, Finding, Severity};

/// Violations of one kind of change that a page shows.
const SHOWN: usize = 20;
/// Reasons that a page names before the rest is only counted.
const REASONS: usize = 20;

/// In the order of a page.
const ORDER: [Change; 5] = [Change::New, Change::Worsened, Change::Resolved, Change::NotSeen, Change::Improved];

/// One violation that is not in both runs as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Differing {
    /// Of the later run; of the earlier one where the later has none. It has a lifecycle.
    pub finding: Finding,
    /// The severity before, where there was a violation before.
    pub severity_before: Option<Severity>,
    /// RFC 3339: since when the violation stands, or stood.
    pub since: String,
    /// Why it is not there any more, or could not be seen.
    pub reason: Option<String>,
}

impl Differing {
    fn change(&self) -> Change {
        self.finding.lifecycle.as_ref().map_or(Change::Unchanged, |lifecycle| lifecycle.change)
    }
}

/// What is said of two runs together.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The later run.
    pub run: RunInfo,
    /// The earlier run, and everything counted.
    pub comparison: Comparison,
}

impl Difference {
    /// Whether policies or pipewarden changed, so that findings may differ without a change in AWS.
    #[must_use]
    pub fn other_policies(&self) -> bool {
        let (before, now) = (&self.comparison.previous, &self.run);
        before.policy_hash != now.policy_hash || before.tool_version != now.tool_version
    }
}

/// What is shown of one change, in its order.
type Shown = BTreeMap<(Reverse<Severity>, String, String, String), Differing>;

/// A page about two runs, while it is put together.
#[derive(Debug, Default)]
pub struct DifferencePage {
    shown: BTreeMap<Change, Shown>,
    out_of_sight: OutOfSight,
}

impl DifferencePage {
    /// Takes one more; the worst of each kind are kept.
    pub fn add(&mut self, differing: Differing) {
        let change = differing.change();
        if let (Change::NotSeen, Some(reason)) = (change, &differing.reason) {
            self.out_of_sight.add(reason);
        }
        let finding = &differing.finding;
        let resource = &finding.resource;
        let key = (
            Reverse(finding.severity),
            format!("{} {}", resource.account, resource.region),
            resource.uid.to_string(),
            finding.control.clone(),
        );
        let kept = self.shown.entry(change).or_default();
        kept.insert(key, differing);
        if kept.len() > SHOWN {
            kept.pop_last();
        }
    }

    /// Writes the page for a terminal of `width` columns.
    ///
    /// # Errors
    /// Whatever the writer answers.
    pub fn write_terminal(
        &self,
        difference: &Difference,
        width: usize,
        color: bool,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut page = Page::new(out, width, color);
        let (before, now) = (&difference.comparison.previous, &difference.run);
        page.line(0, &format!("pipewarden · run {} → run {}", visible(&before.run_id), visible(&now.run_id)))?;
        page.line(0, "")?;
        page.wrapped(0, 0, Some(Tone::Strong), &changes_in_words(&difference.comparison))?;
        if difference.other_policies() {
            page.wrapped(0, 0, Some(Tone::Worrying), OTHER_POLICIES)?;
        }
        for change in ORDER {
            let total = difference.comparison.violations.get(&change).copied().unwrap_or(0);
            if total == 0 {
                continue;
            }
            page.heading(title(change), &format!("({})", grouped(total)))?;
            let shown = self.shown.get(&change);
            for differing in shown.into_iter().flat_map(BTreeMap::values) {
                let tone = if change == Change::New || change == Change::Worsened { Tone::Bad } else { Tone::Quiet };
                page.labelled(differing.finding.severity.as_str(), tone, &what(differing))?;
                let about = about(differing, now);
                if !about.is_empty() {
                    page.wrapped(super::page::TEXT, super::page::TEXT, Some(Tone::Quiet), &about)?;
                }
            }
            let more = total.saturating_sub(shown.map_or(0, BTreeMap::len) as u64);
            if more > 0 {
                page.line(2, &format!("… and {}: `--format json` has all", grouped(more)))?;
            }
            if change == Change::NotSeen {
                for (reason, count) in self.out_of_sight.by_count(REASONS) {
                    page.line(0, "")?;
                    page.labelled(&grouped(count), Tone::Strong, &short(reason, 400))?;
                    page.wrapped(16, 18, None, &format!("→ {}", what_to_do(reason)))?;
                }
            }
        }
        if !difference.comparison.remediation.is_empty() {
            page.heading("Time to remediate", "")?;
            for (severity, text) in remediation(&difference.comparison) {
                page.labelled(severity.as_str(), Tone::Strong, &text)?;
            }
        }
        Ok(())
    }

    /// Writes the page as Markdown.
    ///
    /// # Errors
    /// Whatever the writer answers.
    pub fn write_markdown(&self, difference: &Difference, out: &mut dyn Write) -> io::Result<()> {
        let (before, now) = (&difference.comparison.previous, &difference.run);
        let (before, later) = (plain(&before.run_id, NAME), plain(&now.run_id, NAME));
        writeln!(out, "# Run {before} → run {later}\n\n{}", plain(&changes_in_words(&difference.comparison), 400))?;
        if difference.other_policies() {
            writeln!(out, "\n{OTHER_POLICIES}")?;
        }
        for change in ORDER {
            let total = difference.comparison.violations.get(&change).copied().unwrap_or(0);
            if total == 0 {
                continue;
            }
            writeln!(out, "\n## {} ({})\n", title(change), grouped(total))?;
            let shown = self.shown.get(&change);
            for differing in shown.into_iter().flat_map(BTreeMap::values) {
                write!(out, "- **{}** {}", differing.finding.severity, plain(&what(differing), 600))?;
                let about = about(differing, now);
                if !about.is_empty() {
                    write!(out, "<br>{}", plain(&about, 600))?;
                }
                writeln!(out)?;
            }
            let more = total.saturating_sub(shown.map_or(0, BTreeMap::len) as u64);
            if more > 0 {
                writeln!(out, "- … and {}: `--format json` has all", grouped(more))?;
            }
            if change == Change::NotSeen {
                writeln!(out, "\n| violations | why | what to do |\n|--:|---|---|")?;
                for (reason, count) in self.out_of_sight.by_count(REASONS) {
                    let (why, advice) = (plain(reason, 400), plain(&what_to_do(reason), 400));
                    writeln!(out, "| {} | {why} | {advice} |", grouped(count))?;
                }
            }
        }
        if !difference.comparison.remediation.is_empty() {
            writeln!(out, "\n## Time to remediate\n")?;
            for (severity, text) in remediation(&difference.comparison) {
                writeln!(out, "- **{severity}** {text}")?;
            }
        }
        Ok(())
    }
}

const OTHER_POLICIES: &str =
    "Policies or pipewarden changed between the two runs: some of this may differ without a change in AWS.";

fn title(change: Change) -> &'static str {
    match change {
        Change::New => "New",
        Change::Worsened => "Worsened",
        Change::Improved => "Improved, but still there",
        Change::Unchanged => "Unchanged",
        Change::Resolved => "Resolved",
        Change::NotSeen => "Not seen this time",
    }
}

fn what(differing: &Differing) -> String {
    let resource = &differing.finding.resource;
    format!(
        "{}: {} ({} {})",
        short(&differing.finding.control, NAME),
        short(resource.uid.short_name(), NAME),
        resource.account,
        resource.region
    )
}

/// What is to be said of one besides its name.
fn about(differing: &Differing, now: &RunInfo) -> String {
    let finding = &differing.finding;
    let mut parts = Vec::new();
    if let Some(before) = differing.severity_before.filter(|before| *before != finding.severity) {
        parts.push(format!("was {before}"));
    }
    if let Some(exception) = &finding.exception {
        parts.push(format!("under an exception until {}", short(&exception.expires, NAME)));
    }
    match differing.change() {
        Change::Resolved => {
            parts.push(stood_for("stood", &differing.since, &now.started_at));
            let fallback = || format!("looked at again: {}", finding.compliance);
            parts.push(differing.reason.as_deref().map_or_else(fallback, |reason| short(reason, 400)));
        }
        Change::NotSeen => {
            let last = finding.lifecycle.as_ref().and_then(|lifecycle| lifecycle.last_observed_at.as_deref());
            parts.push(format!("last seen {}", short(last.unwrap_or_default(), NAME)));
        }
        Change::New => {}
        _ => parts.push(stood_for("stands", &differing.since, &now.started_at)),
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

fn remediation(comparison: &Comparison) -> Vec<(Severity, String)> {
    let rows = comparison.remediation.iter().rev();
    rows.filter_map(|(severity, remediation)| {
        let mean = remediation.mean_hours()?;
        let resolved = counted(remediation.resolved, "violation");
        Some((*severity, format!("{} on average over {resolved}", duration_in_words(mean))))
    })
    .collect()
}

/// The JSON document, while it is written.
pub struct DifferenceJson<'a> {
    changes: ArrayWriter<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    change: Change,
    since: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity_before: Option<Severity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    finding: &'a Finding,
}

impl<'a> DifferenceJson<'a> {
    /// Begins the document.
    ///
    /// # Errors
    /// Whatever the writer answers.
    pub fn start(earlier: &RunInfo, later: &RunInfo, out: &'a mut dyn Write) -> io::Result<Self> {
        start(out)?;
        write_field(out, "earlier", earlier)?;
        write_field(out, "later", later)?;
        Ok(Self { changes: ArrayWriter::start(out, "changes")? })
    }

    /// Writes one more.
    ///
    /// # Errors
    /// Whatever the writer answers.
    pub fn add(&mut self, differing: &Differing) -> io::Result<()> {
        self.changes.push(&Row {
            change: differing.change(),
            since: &differing.since,
            severity_before: differing.severity_before,
            reason: differing.reason.as_deref(),
            finding: &differing.finding,
        })
    }

    /// Writes the counts and ends the document.
    ///
    /// # Errors
    /// Whatever the writer answers.
    pub fn end(self, difference: &Difference) -> io::Result<()> {
        let out = self.changes.end_in()?;
        let counts: BTreeMap<Change, u64> = Change::ALL
            .into_iter()
            .map(|change| (change, difference.comparison.violations.get(&change).copied().unwrap_or(0)))
            .collect();
        write_field(out, "violations", &counts)?;
        write_field(out, "remediation", &difference.comparison.remediation)?;
        write_field(out, "otherPolicies", &difference.other_policies())?;
        end(out)
    }
}
