//! What a person sees on the terminal.
//!
//! In: a report. Out: what the change takes away, the violations worst first with the line they stand in and what to do,
//! what could not be decided and what to give, and at the very end what blocks. It reads the same without colour.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::excerpt::{Excerpt, Excerpts};
use super::overview::{Ending, Overview, ending};
use super::{CheckFormat, CheckReport, secret, wording};
use crate::finding::{Severity, SourcePlace, TemplateFinding};
use crate::report::text::{NAME, counted, grouped, short, visible, wrap};
use crate::report::tone::Tone;

/// The `terminal` format.
#[derive(Debug, Clone, Copy)]
pub struct CheckTerminal {
    width: usize,
    color: bool,
}

const NARROWEST: usize = 60;
const WIDEST: usize = 120;
/// Where text begins beside a severity.
const TEXT: usize = 10;
/// Violations that are shown in full before the rest is only counted.
const VIOLATIONS: usize = 250;
/// Controls whose fragments are shown; the first ones are the worst.
const FRAGMENTS: usize = 8;
/// Second places that are shown with their line.
const RELATED: usize = 3;
/// Reasons for not deciding that are named, and controls at each.
const REASONS: usize = 20;
const CONTROLS: usize = 6;
/// Lines of any other list.
const LINES: usize = 20;

impl CheckTerminal {
    /// For logs: 100 columns, no colour.
    pub const PLAIN: Self = Self { width: 100, color: false };

    /// For a terminal of `width` columns; text never gets wider than is pleasant to read.
    #[must_use]
    pub fn new(width: usize, color: bool) -> Self {
        Self { width: width.clamp(NARROWEST, WIDEST), color }
    }
}

impl CheckFormat for CheckTerminal {
    fn name(&self) -> &'static str {
        "terminal"
    }

    fn about(&self) -> &'static str {
        "the worst first with the line it stands in, for reading"
    }

    fn is_document(&self) -> bool {
        false
    }

    fn write(&self, report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
        let overview = Overview::of(report);
        let mut page = Page {
            out,
            width: self.width,
            color: self.color,
            renderer: if self.color { Renderer::styled() } else { Renderer::plain() }.term_width(self.width.max(100)),
            excerpts: Excerpts::of(&report.sources),
            fragments: BTreeSet::new(),
        };
        page.removed(report)?;
        page.violations(report, &overview.violations)?;
        page.settled(report, &overview)?;
        page.undecided(report, &overview)?;
        page.oddities(report)?;
        page.summary(report, &overview)
    }
}

impl Tone {
    fn of(severity: Severity) -> Self {
        match severity {
            Severity::Critical | Severity::High => Self::Bad,
            Severity::Medium => Self::Worrying,
            Severity::Low => Self::Strong,
        }
    }
}

struct Page<'a> {
    out: &'a mut dyn Write,
    width: usize,
    color: bool,
    renderer: Renderer,
    excerpts: Excerpts<'a>,
    /// Controls whose fragment was shown.
    fragments: BTreeSet<String>,
}

impl<'a> Page<'a> {
    fn paint(&self, tone: Tone, text: &str) -> String {
        if self.color { format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code()) } else { text.to_owned() }
    }

    fn line(&mut self, indent: usize, text: &str) -> io::Result<()> {
        if text.is_empty() { writeln!(self.out) } else { writeln!(self.out, "{:indent$}{text}", "") }
    }

    /// `text` at `indent`, its further lines at `hanging`.
    fn wrapped(&mut self, indent: usize, hanging: usize, tone: Option<Tone>, text: &str) -> io::Result<()> {
        for (number, line) in wrap(text, self.width.saturating_sub(indent.max(hanging))).iter().enumerate() {
            let painted = tone.map_or_else(|| line.clone(), |tone| self.paint(tone, line));
            self.line(if number == 0 { indent } else { hanging }, &painted)?;
        }
        Ok(())
    }

    /// A short label, and text beside it.
    fn labelled(&mut self, label: &str, tone: Tone, text: &str) -> io::Result<()> {
        for (number, line) in wrap(text, self.width.saturating_sub(TEXT)).iter().enumerate() {
            if number == 0 {
                let gap = TEXT.saturating_sub(label.chars().count()).max(1);
                let label = self.paint(tone, label);
                self.line(0, &format!("{label}{:gap$}{line}", ""))?;
            } else {
                self.line(TEXT, line)?;
            }
        }
        Ok(())
    }

    fn heading(&mut self, title: &str) -> io::Result<()> {
        let rule = "─".repeat(self.width.saturating_sub(title.chars().count() + 1).max(3));
        let title = self.paint(Tone::Strong, title);
        self.line(0, &format!("{title} {rule}"))?;
        self.line(0, "")
    }

    fn removed(&mut self, report: &CheckReport) -> io::Result<()> {
        if report.removed.is_empty() {
            return Ok(());
        }
        self.heading("This change removes")?;
        for removal in &report.removed {
            let what = format!("{} ({})", short(&removal.what, 300), wording::at(report, &removal.place));
            self.wrapped(2, 4, Some(Tone::Bad), &format!("- {what}"))?;
        }
        self.line(0, "")
    }

    fn violations(&mut self, report: &CheckReport, violations: &[&'a TemplateFinding]) -> io::Result<()> {
        if violations.is_empty() {
            return Ok(());
        }
        self.heading("What must hold and does not, worst first")?;
        // What points at the same place is shown together, under its worst.
        let mut places: BTreeMap<(&SourcePlace, &str), usize> = BTreeMap::new();
        let mut groups: Vec<Vec<&'a TemplateFinding>> = Vec::new();
        for finding in violations.iter().take(VIOLATIONS).copied() {
            let place = *places.entry((&finding.place, finding.logical_id.as_str())).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => group.push(finding),
                None => groups.push(vec![finding]),
            }
        }
        for group in groups {
            self.group(report, &group)?;
        }
        let more = violations.len().saturating_sub(VIOLATIONS) as u64;
        if more > 0 {
            let more = counted(more, "more violation");
            self.wrapped(
                0,
                2,
                None,
                &format!("… and {more}, none of them worse; `--format json` or `sarif` names all"),
            )?;
            self.line(0, "")?;
        }
        Ok(())
    }

    /// All that is wrong at one place.
    fn group(&mut self, report: &CheckReport, group: &[&'a TemplateFinding]) -> io::Result<()> {
        let Some(worst) = group.first() else { return Ok(()) };
        let secret = group.iter().any(|one| secret::is_about_secrets(&one.finding.control));
        let (at, subject) = (wording::at(report, &worst.place), wording::subject(worst));
        let heading = format!("{at} · {subject}");
        if heading.chars().count() <= self.width {
            self.wrapped(0, 2, Some(Tone::Strong), &heading)?;
        } else {
            // An address that is broken can be neither clicked nor copied.
            let at = self.paint(Tone::Strong, &at);
            self.line(0, &at)?;
            self.wrapped(2, 2, Some(Tone::Strong), &subject)?;
        }
        if let Some(excerpt) = self.excerpts.at(&worst.place, secret) {
            self.excerpt(&excerpt, level(worst.finding.severity), AnnotationKind::Primary, "")?;
        }
        let mut shown: BTreeSet<(&SourcePlace, &str)> = BTreeSet::new();
        let related = group.iter().flat_map(|one| &one.related);
        for related in related.filter(|one| shown.insert((&one.place, &one.message))).take(RELATED).collect::<Vec<_>>()
        {
            let place = wording::at(report, &related.place);
            let message = short(&related.message, 200);
            match self.excerpts.at(&related.place, secret) {
                Some(excerpt) => {
                    let place = self.paint(Tone::Quiet, &place);
                    self.line(2, &place)?;
                    self.excerpt(&excerpt, Level::NOTE, AnnotationKind::Context, &message)?;
                }
                None => self.wrapped(2, 4, Some(Tone::Quiet), &format!("{place}: {message}"))?,
            }
        }
        for finding in group {
            self.violation(report, finding)?;
        }
        self.line(0, "")
    }

    fn excerpt(&mut self, excerpt: &Excerpt, level: Level<'_>, kind: AnnotationKind, label: &str) -> io::Result<()> {
        let mut annotation = kind.span(excerpt.marked.clone());
        if !label.is_empty() {
            annotation = annotation.label(label);
        }
        let snippet = Snippet::source(excerpt.text.as_str()).line_start(excerpt.line).annotation(annotation);
        let drawn = self.renderer.render(&[Group::with_level(level).element(snippet)]);
        for line in drawn.lines() {
            self.line(2, line.trim_end())?;
        }
        Ok(())
    }

    fn violation(&mut self, report: &CheckReport, finding: &TemplateFinding) -> io::Result<()> {
        let severity = finding.finding.severity;
        let control = finding.finding.control.as_str();
        let change = wording::change(report, finding).map_or_else(String::new, |change| format!(" [{change}]"));
        let title = format!("{}{change}", wording::title(report, control));
        self.labelled(severity.as_str(), Tone::of(severity), &title)?;
        let property = short(&finding.property_path, 2 * NAME);
        let aside =
            if property.is_empty() { short(control, NAME) } else { format!("{} at {property}", short(control, NAME)) };
        self.wrapped(TEXT, TEXT, Some(Tone::Quiet), &aside)?;
        let advice = wording::advice(report, finding);
        if !advice.is_empty() {
            self.wrapped(TEXT, TEXT, None, &advice)?;
        }
        if !finding.alternatives.is_empty() {
            self.wrapped(TEXT, TEXT, None, &wording::alternatives(&finding.alternatives))?;
        }
        let fragment = wording::fragment(report, finding);
        if !fragment.is_empty() && self.fragments.len() < FRAGMENTS && self.fragments.insert(control.to_owned()) {
            for line in fragment.lines() {
                let line = self.paint(Tone::Quiet, &visible(line));
                self.line(TEXT + 2, &line)?;
            }
        }
        Ok(())
    }

    /// What needs nobody now: known, excepted and mended.
    fn settled(&mut self, report: &CheckReport, overview: &Overview<'_>) -> io::Result<()> {
        let mut something = false;
        if !overview.known.is_empty() {
            let known = counted(overview.known.len() as u64, "violation");
            let worst = overview.known.first().map_or(Severity::Low, |one| one.finding.severity);
            self.wrapped(0, 2, None, &format!("Known before this change, the worst {worst}: {known}"))?;
            something = true;
        }
        if !report.resolved.is_empty() {
            let names: Vec<String> = report
                .resolved
                .iter()
                .take(CONTROLS)
                .map(|one| format!("{} of {}", short(&one.finding.control, NAME), short(&one.logical_id, NAME)))
                .collect();
            let more = more(report.resolved.len(), CONTROLS);
            let mended = counted(report.resolved.len() as u64, "violation");
            self.wrapped(0, 2, Some(Tone::Good), &format!("This change mends {mended}: {}{more}", names.join(", ")))?;
            something = true;
        }
        for finding in overview.excepted.iter().take(LINES) {
            let exception = wording::exception(finding).unwrap_or_default();
            let (control, place) = (short(&finding.finding.control, NAME), wording::at(report, &finding.place));
            let text = format!(
                "{} {control} of {} ({place}) is {exception}",
                finding.finding.severity,
                short(&finding.logical_id, NAME)
            );
            self.wrapped(0, 2, Some(Tone::Quiet), &text)?;
            something = true;
        }
        let left = overview.excepted.len().saturating_sub(LINES) as u64;
        if left > 0 {
            self.line(0, &format!("… and {} under a valid exception", counted(left, "more violation")))?;
        }
        if something { self.line(0, "") } else { Ok(()) }
    }

    fn undecided(&mut self, report: &CheckReport, overview: &Overview<'_>) -> io::Result<()> {
        if !overview.undecided.is_empty() {
            self.heading("Not decided")?;
        }
        for reason in overview.undecided.iter().take(REASONS) {
            let answers = counted(reason.findings.len() as u64, "answer");
            let because = wording::because(reason);
            let text = format!("{answers}, the worst {}: {because}", reason.worst());
            self.wrapped(0, 2, None, &text)?;
            let controls: BTreeSet<&str> = reason.findings.iter().map(|one| one.finding.control.as_str()).collect();
            let places: BTreeSet<&SourcePlace> = reason.findings.iter().map(|one| &one.place).collect();
            let names: Vec<String> = controls.iter().take(CONTROLS).map(|name| short(name, NAME)).collect();
            let names = format!("{}{}", names.join(", "), more(controls.len(), CONTROLS));
            let first = places.first().map_or_else(String::new, |place| wording::at(report, place));
            let others = match places.len().saturating_sub(1) as u64 {
                0 => String::new(),
                others => format!(" and {}", counted(others, "more place")),
            };
            self.wrapped(2, 4, Some(Tone::Quiet), &format!("{names} at {first}{others}"))?;
        }
        let rest = overview.undecided.iter().skip(REASONS);
        let left: usize = rest.clone().map(|reason| reason.findings.len()).sum();
        if left > 0 {
            let reasons = counted(rest.count() as u64, "more reason");
            let answers = counted(left as u64, "answer");
            self.line(0, &format!("… and {reasons} for {answers}; `--format json` names them"))?;
        }
        if !overview.undecided.is_empty() {
            self.line(0, "")?;
        }
        if !overview.only_deployed.is_empty() {
            self.wrapped(0, 2, Some(Tone::Quiet), &wording::only_deployed(overview.only_deployed.len()))?;
            self.line(0, "")?;
        }
        Ok(())
    }

    fn oddities(&mut self, report: &CheckReport) -> io::Result<()> {
        for notice in report.notices.iter().take(LINES) {
            let text = format!("note: {}: {}", wording::at(report, &notice.place), short(&notice.message, 300));
            self.wrapped(0, 2, Some(Tone::Quiet), &text)?;
        }
        let left = report.notices.len().saturating_sub(LINES) as u64;
        if left > 0 {
            self.line(0, &format!("… and {}", counted(left, "more note")))?;
        }
        if !report.notices.is_empty() {
            self.line(0, "")?;
        }
        for file in &report.unreadable {
            let at = file.at.map_or_else(String::new, |at| format!(":{}:{}", at.line, at.column));
            let path = short(&report.roots.path(&file.file), 2 * NAME);
            let text = format!("cannot be read: {path}{at}: {}", short(&file.message, 400));
            self.wrapped(0, 2, Some(Tone::Bad), &text)?;
        }
        if report.unreadable.is_empty() { Ok(()) } else { self.line(0, "") }
    }

    fn summary(&mut self, report: &CheckReport, overview: &Overview<'_>) -> io::Result<()> {
        self.heading("Summary")?;
        self.labelled("Files", Tone::Strong, &wording::files(report))?;
        if !report.findings.is_empty() {
            self.labelled("Answers", Tone::Strong, &overview.answers().join(" · "))?;
        }
        if !overview.violations.is_empty() {
            self.labelled("Violated", Tone::Strong, &overview.by_severity())?;
        }
        if !overview.violations.is_empty() {
            self.labelled(
                "More",
                Tone::Strong,
                "`pipewarden controls show ID` says why a control matters and how to mend it",
            )?;
        }
        let (end, sentence) = ending(report, overview);
        let tone = match end {
            Ending::Blocked | Ending::NoVerdict => Tone::Bad,
            Ending::NotDecided | Ending::NothingToJudge => Tone::Worrying,
            Ending::Passed => Tone::Good,
        };
        self.line(0, "")?;
        self.wrapped(0, 0, Some(tone), &format!("{}: {sentence}", end.name()))
    }
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Critical | Severity::High => Level::ERROR,
        Severity::Medium => Level::WARNING,
        Severity::Low => Level::NOTE,
    }
}

fn more(all: usize, shown: usize) -> String {
    match all.saturating_sub(shown) as u64 {
        0 => String::new(),
        left => format!(" and {} more", grouped(left)),
    }
}
