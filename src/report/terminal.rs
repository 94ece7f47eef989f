//! `summary.txt` and what a person sees on the terminal.
//!
//! In: a report. Out: a page for somebody who has ten minutes: the verdict, the worst violations with what to do, what
//! could not be seen and why, how the calls ended, and the controls worst first. It reads the same without colour.

use std::io::{self, Write};

use super::digest::{AccountViolations, ControlTally, Digest, Limits, ViolatedControl};
use super::page::{NARROWEST, Page, TEXT, WIDEST};
use super::text::{NAME, counted, grouped, short, visible};
use super::tone::Tone;
use super::wording::{Verdict, account_label, age, changes_in_words, evidence_in_words, looked_at, news, verdict};
use super::{Report, ReportFormat, terminal_coverage};
use crate::finding::{ComplianceType, Severity};

/// The `terminal` format.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    width: usize,
    color: bool,
    limits: Limits,
}

/// Controls named in the table before the rest is only counted.
const CONTROLS_IN_TABLE: usize = 20;

impl Terminal {
    /// What the run directory gets: 100 columns, no colour.
    pub const PLAIN: Self =
        Self { width: 100, color: false, limits: Limits { accounts: 5, controls: 5, resources: 2 } };

    /// For a terminal of `width` columns; text never gets wider than is pleasant to read.
    #[must_use]
    pub fn new(width: usize, color: bool) -> Self {
        Self { width: width.clamp(NARROWEST, WIDEST), color, ..Self::PLAIN }
    }

    /// Shows the violations of at most `accounts` accounts.
    #[must_use]
    pub fn with_accounts(self, accounts: usize) -> Self {
        Self { limits: Limits { accounts, ..self.limits }, ..self }
    }
}

impl ReportFormat for Terminal {
    fn name(&self) -> &'static str {
        "terminal"
    }

    fn file_name(&self) -> &'static str {
        "summary.txt"
    }

    fn about(&self) -> &'static str {
        "the worst first, for reading"
    }

    fn write(&self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
        let digest = Digest::of(report, self.limits)?;
        let mut page = Page::new(out, self.width, self.color);
        write_head(&mut page, report, &digest)?;
        write_news(&mut page, report, &digest)?;
        write_violations(&mut page, report, &digest)?;
        terminal_coverage::write(&mut page, report, &digest)?;
        write_exceptions(&mut page, report, &digest)?;
        write_controls(&mut page, report, &digest)?;
        page.heading("Everything in full", "")?;
        page.line(2, "report.html   findings.csv   findings.json   coverage.csv   coverage.json")?;
        let (tone, name, sentence) = verdict(report, &digest);
        page.line(0, "")?;
        page.wrapped(0, 0, Some(Tone::of_verdict(tone)), &format!("{name}: {sentence}"))
    }
}

impl Tone {
    fn of_verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Bad => Self::Bad,
            Verdict::Unsure => Self::Worrying,
            Verdict::Good => Self::Good,
        }
    }

    fn of_severity(severity: Severity) -> Self {
        match severity {
            Severity::Critical | Severity::High => Self::Bad,
            Severity::Medium => Self::Worrying,
            Severity::Low => Self::Quiet,
        }
    }
}

fn write_head(page: &mut Page<'_>, report: &Report<'_>, digest: &Digest) -> io::Result<()> {
    let run = &report.run;
    let organization = if run.organization.is_empty() {
        String::new()
    } else {
        format!(" · organization {}", visible(&run.organization))
    };
    page.line(0, &format!("pipewarden {} · run {}{organization}", visible(&run.tool_version), visible(&run.run_id)))?;
    page.line(0, "")?;
    let (tone, name, sentence) = verdict(report, digest);
    page.wrapped(0, 0, Some(Tone::of_verdict(tone)), &format!("{name}: {sentence}"))?;
    page.line(0, "")?;
    let of = |compliance| grouped(report.counts.of(compliance));
    let results = format!(
        "{} non-compliant · {} insufficient data · {} compliant · {} not applicable",
        of(ComplianceType::NonCompliant),
        of(ComplianceType::InsufficientData),
        of(ComplianceType::Compliant),
        of(ComplianceType::NotApplicable)
    );
    page.labelled("Results", Tone::Strong, &results)?;
    let violations: Vec<String> = Severity::ALL
        .into_iter()
        .map(|severity| {
            format!("{} {severity}", grouped(report.counts.violations.get(&severity).copied().unwrap_or(0)))
        })
        .collect();
    let excepted = match report.counts.excepted {
        0 => String::new(),
        count => format!(" · and {} under a valid exception", grouped(count)),
    };
    page.labelled("Violated", Tone::Strong, &format!("{}{excepted}", violations.join(" · ")))?;
    page.labelled("Looked at", Tone::Strong, &looked_at(report))?;
    match &report.over_time.comparison {
        Some(comparison) => page.labelled("Changed", Tone::Strong, &changes_in_words(comparison)),
        None => Ok(()),
    }
}

fn write_news(page: &mut Page<'_>, report: &Report<'_>, digest: &Digest) -> io::Result<()> {
    if digest.news.is_empty() {
        return Ok(());
    }
    page.heading("New or worse since the run before, worst first", "")?;
    for finding in &digest.news {
        let resource = &finding.resource;
        let what = format!(
            "{} {}: {} in {} {}",
            news(report, finding).unwrap_or_default(),
            short(&finding.control, NAME),
            short(resource.uid.short_name(), NAME),
            account_label(report, &resource.account),
            resource.region
        );
        page.labelled(finding.severity.as_str(), Tone::of_severity(finding.severity), &what)?;
    }
    if digest.more_news > 0 {
        let more = counted(digest.more_news, "more violation");
        page.line(2, &format!("… and {more}: `pipewarden diff` names them"))?;
    }
    Ok(())
}

fn write_violations(page: &mut Page<'_>, report: &Report<'_>, digest: &Digest) -> io::Result<()> {
    if digest.accounts.is_empty() {
        return Ok(());
    }
    page.heading("Violations, worst first", "")?;
    for account in &digest.accounts {
        write_account(page, report, account)?;
    }
    if digest.more_accounts > 0 {
        page.line(0, "")?;
        let more = format!(
            "… and {} with {} in findings.csv",
            counted(digest.more_accounts, "more account"),
            counted(digest.more_account_violations, "violation")
        );
        page.line(2, &more)?;
    }
    Ok(())
}

fn write_account(page: &mut Page<'_>, report: &Report<'_>, account: &AccountViolations) -> io::Result<()> {
    page.line(0, "")?;
    let label = format!("{}  ({})", account_label(report, &account.account), account.violations.in_words());
    page.wrapped(0, 2, Some(Tone::Strong), &label)?;
    for control in &account.controls {
        write_violated(page, report, control)?;
    }
    if account.more_violations > 0 {
        let more = format!(
            "… and {} of {} in findings.csv",
            counted(account.more_violations, "more violation"),
            counted(account.more_controls, "other control")
        );
        page.line(2, &more)?;
    }
    Ok(())
}

fn write_violated(page: &mut Page<'_>, report: &Report<'_>, violated: &ViolatedControl) -> io::Result<()> {
    let control = report.controls.get(&violated.id);
    let title = control.map_or(violated.id.as_str(), |control| control.title.as_str());
    page.labelled(violated.severity.as_str(), Tone::of_severity(violated.severity), &short(title, 400))?;
    if control.is_some() {
        page.wrapped(TEXT, TEXT, Some(Tone::Quiet), &visible(&violated.id))?;
    }
    let advice: Vec<String> = violated
        .shown
        .iter()
        .map(|finding| {
            control.map_or_else(String::new, |control| short(&control.remediation_for(&finding.evidence), 600))
        })
        .collect();
    let shared = advice.first().filter(|first| advice.iter().all(|other| other == *first));
    for (finding, advice) in violated.shown.iter().zip(&advice) {
        let resource = &finding.resource;
        let name = short(resource.uid.short_name(), NAME);
        let mark = news(report, finding).map_or_else(String::new, |mark| format!("{mark} "));
        let age = age(finding, &report.run).map_or_else(String::new, |age| format!(", {age}"));
        page.wrapped(TEXT, TEXT + 2, None, &format!("• {mark}{name} ({}{age})", resource.region))?;
        let evidence = evidence_in_words(finding);
        if !evidence.is_empty() {
            page.wrapped(TEXT + 2, TEXT + 2, None, &evidence)?;
        }
        if shared.is_none() && !advice.is_empty() {
            page.wrapped(TEXT + 2, TEXT + 4, None, &format!("→ {advice}"))?;
        }
    }
    let more = violated.total - violated.shown.len() as u64;
    if more > 0 {
        page.line(TEXT, &format!("• … and {} in findings.csv", counted(more, "more resource")))?;
    }
    match shared {
        Some(advice) if !advice.is_empty() => page.wrapped(TEXT, TEXT + 2, None, &format!("→ {advice}")),
        _ => Ok(()),
    }
}

fn write_exceptions(page: &mut Page<'_>, report: &Report<'_>, digest: &Digest) -> io::Result<()> {
    if digest.excepted.is_empty() {
        return Ok(());
    }
    page.heading("Under a valid exception, first to expire first", "")?;
    for finding in &digest.excepted {
        let Some(exception) = &finding.exception else { continue };
        let what = format!(
            "{}: {} in {} {}",
            short(&finding.control, NAME),
            short(finding.resource.uid.short_name(), NAME),
            account_label(report, &finding.resource.account),
            finding.resource.region
        );
        page.labelled(finding.severity.as_str(), Tone::Quiet, &what)?;
        let why = format!(
            "until {} · {} · {} · {}",
            visible(&exception.expires),
            short(&exception.owner, NAME),
            short(&exception.ticket, NAME),
            short(&exception.reason, 240)
        );
        page.wrapped(TEXT, TEXT, None, &why)?;
    }
    if digest.more_excepted > 0 {
        page.line(2, &format!("… and {} in findings.csv", counted(digest.more_excepted, "more violation")))?;
    }
    Ok(())
}

fn write_controls(page: &mut Page<'_>, report: &Report<'_>, digest: &Digest) -> io::Result<()> {
    if digest.controls.is_empty() {
        return Ok(());
    }
    page.heading("Controls, worst first", "")?;
    let title = page.paint(Tone::Quiet, "violated  unknown     good      n/a  severity  control");
    page.line(2, &title)?;
    let quiet = |tally: &ControlTally| tally.violated + tally.excepted + tally.unknown == 0;
    let shown = digest.controls.iter().filter(|(_, tally)| !quiet(tally)).take(CONTROLS_IN_TABLE);
    let mut rows = 0;
    for (id, tally) in shown {
        rows += 1;
        let numbers = format!(
            "{:>8}  {:>7} {:>8} {:>8}  {:<8}",
            grouped(tally.violated),
            grouped(tally.unknown),
            grouped(tally.good),
            grouped(tally.not_applicable),
            report.controls.get(id).map_or("", |control| control.severity.as_str())
        );
        let excepted = match tally.excepted {
            0 => String::new(),
            count => format!(" (and {} excepted)", grouped(count)),
        };
        let name = format!("{}{excepted}", short(id, NAME));
        if numbers.chars().count() + name.chars().count() + 4 <= page.width {
            page.line(2, &format!("{numbers}  {name}"))?;
        } else if numbers.chars().count() + short(id, NAME).chars().count() + 4 <= page.width {
            page.line(2, &format!("{numbers}  {}", short(id, NAME)))?;
            page.wrapped(TEXT, TEXT, None, excepted.trim())?;
        } else {
            page.line(2, &numbers)?;
            page.wrapped(TEXT, TEXT, None, &name)?;
        }
    }
    let loud = digest.controls.iter().filter(|(_, tally)| !quiet(tally)).count();
    let more = (loud - rows) as u64;
    if more > 0 {
        page.line(2, &format!("… and {} with violations or unknown results", counted(more, "more control")))?;
    }
    let silent = (digest.controls.len() - loud) as u64;
    if silent > 0 {
        page.line(2, &format!("{} without violations or unknown results", counted(silent, "control")))?;
    }
    Ok(())
}
