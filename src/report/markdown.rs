//! `summary.md`: the summary of a CI job, or the text of a ticket.
//!
//! In: a report. Out: GitHub-flavoured Markdown with the same sections as the terminal's page. Names cannot become
//! links, mentions, HTML or table columns.

use std::io::{self, Write};

use super::blind_spot::BlindSpot;
use super::digest::{AccountViolations, Digest, Limits};
use super::markup::plain;
use super::out_of_sight::{OutOfSight, what_to_do};
use super::text::{NAME, counted, grouped};
use super::wording::{
    Verdict, account_label, age, calls_by_service, calls_in_words, changes_in_words, evidence_in_words, looked_at,
    news, regions_in_words, remedy, skipped_by_reason, verdict,
};
use super::{Report, ReportFormat};
use crate::finding::ComplianceType;
use crate::inventory::Region;

/// The `markdown` format.
pub struct Markdown;

/// A job's summary may have one mebibyte; this stays far below with the longest names.
const LIMITS: Limits = Limits { accounts: 10, controls: 5, resources: 2 };
const ROWS: usize = 20;
const ACCOUNTS: usize = 5;

impl ReportFormat for Markdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn file_name(&self) -> &'static str {
        "summary.md"
    }

    fn about(&self) -> &'static str {
        "the worst first, for a CI job's summary or a ticket"
    }

    fn write(&self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
        let digest = Digest::of(report, LIMITS)?;
        write_head(out, report, &digest)?;
        write_news(out, report, &digest)?;
        if !digest.accounts.is_empty() {
            writeln!(out, "\n## Violations, worst first")?;
        }
        for account in &digest.accounts {
            write_account(out, report, account)?;
        }
        if digest.more_accounts > 0 {
            let accounts = counted(digest.more_accounts, "more account");
            let violations = counted(digest.more_account_violations, "violation");
            writeln!(out, "\n… and {accounts} with {violations} in `findings.csv`")?;
        }
        write_blind(out, report, &digest)?;
        write_calls(out, report)?;
        write_exceptions(out, &digest)?;
        write_controls(out, report, &digest)
    }
}

fn write_head(out: &mut dyn Write, report: &Report<'_>, digest: &Digest) -> io::Result<()> {
    let (tone, name, sentence) = verdict(report, digest);
    let mark = match tone {
        Verdict::Bad => "❌",
        Verdict::Unsure => "❔",
        Verdict::Good => "✅",
    };
    writeln!(out, "# {mark} {name}\n\n{}\n", plain(&sentence, 400))?;
    writeln!(out, "| non-compliant | insufficient data | compliant | not applicable |\n|--:|--:|--:|--:|")?;
    for compliance in ComplianceType::ALL {
        write!(out, "| {} ", grouped(report.counts.of(compliance)))?;
    }
    writeln!(out, "|\n\n{}\n", plain(&looked_at(report), 400))?;
    if let Some(comparison) = &report.over_time.comparison {
        writeln!(out, "Changed {}\n", plain(&changes_in_words(comparison), 400))?;
    }
    let run = &report.run;
    write!(out, "Run {} by pipewarden {}", plain(&run.run_id, NAME), plain(&run.tool_version, NAME))?;
    if !run.organization.is_empty() {
        write!(out, ", organization {}", plain(&run.organization, NAME))?;
    }
    writeln!(out)
}

fn write_news(out: &mut dyn Write, report: &Report<'_>, digest: &Digest) -> io::Result<()> {
    if digest.news.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## New or worse since the run before, worst first\n")?;
    for finding in &digest.news {
        let resource = &finding.resource;
        writeln!(
            out,
            "- **{}** {} {}: **{}** in {} {}",
            finding.severity,
            news(report, finding).unwrap_or_default(),
            plain(&finding.control, NAME),
            plain(resource.uid.short_name(), NAME),
            plain(&account_label(report, &resource.account), 200),
            resource.region
        )?;
    }
    if digest.more_news > 0 {
        writeln!(out, "- … and {}: `pipewarden diff` names them", counted(digest.more_news, "more violation"))?;
    }
    Ok(())
}

fn write_account(out: &mut dyn Write, report: &Report<'_>, account: &AccountViolations) -> io::Result<()> {
    let label = plain(&account_label(report, &account.account), 200);
    writeln!(out, "\n### {label} ({})\n", account.violations.in_words())?;
    for violated in &account.controls {
        let control = report.controls.get(&violated.id);
        let title = control.map_or(violated.id.as_str(), |control| control.title.as_str());
        writeln!(out, "- **{}** {} ({})", violated.severity, plain(title, 400), plain(&violated.id, NAME))?;
        for finding in &violated.shown {
            let name = plain(finding.resource.uid.short_name(), NAME);
            let mark = news(report, finding).map_or_else(String::new, |mark| format!("{mark} "));
            let age = age(finding, &report.run).map_or_else(String::new, |age| format!(", {age}"));
            write!(out, "  - {mark}**{name}** ({}{age})", finding.resource.region)?;
            let evidence = evidence_in_words(finding);
            if !evidence.is_empty() {
                write!(out, ": {}", plain(&evidence, 1_000))?;
            }
            let advice = control.map_or_else(String::new, |control| control.remediation_for(&finding.evidence));
            if !advice.is_empty() {
                write!(out, "<br>→ {}", plain(&advice, 600))?;
            }
            writeln!(out)?;
        }
        let more = violated.total - violated.shown.len() as u64;
        if more > 0 {
            writeln!(out, "  - … and {} in `findings.csv`", counted(more, "more resource"))?;
        }
    }
    if account.more_violations > 0 {
        let violations = counted(account.more_violations, "more violation");
        writeln!(out, "- … and {violations} of {}", counted(account.more_controls, "other control"))?;
    }
    Ok(())
}

fn write_blind(out: &mut dyn Write, report: &Report<'_>, digest: &Digest) -> io::Result<()> {
    writeln!(out, "\n## What could not be seen\n")?;
    if digest.blind.is_empty() {
        if digest.out_of_sight.total == 0 {
            writeln!(out, "Nothing: every call that mattered was answered.")?;
        }
    } else {
        writeln!(out, "| results unknown | cause | action | where | what to do |\n|--:|---|---|---|---|")?;
    }
    for spot in digest.blind.iter().take(ROWS) {
        let cells = [
            grouped(spot.unknown),
            plain(&spot.word, NAME),
            plain(&spot.action, 200),
            places_of(report, spot),
            remedy(spot).map_or_else(String::new, |remedy| plain(&remedy, 400)),
        ];
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    let more = digest.blind.len().saturating_sub(ROWS) as u64;
    if more > 0 {
        writeln!(out, "\n… and {} in `coverage.json`", counted(more, "more cause"))?;
    }
    write_out_of_sight(out, &digest.out_of_sight, !digest.blind.is_empty())?;
    write_left_out(out, report)
}

fn write_out_of_sight(out: &mut dyn Write, out_of_sight: &OutOfSight, after_others: bool) -> io::Result<()> {
    let Some(said) = out_of_sight.in_words() else { return Ok(()) };
    if after_others {
        writeln!(out)?;
    }
    writeln!(out, "{said}\n\n| violations | why | what to do |\n|--:|---|---|")?;
    let reasons = out_of_sight.by_count(ROWS);
    for (reason, count) in &reasons {
        writeln!(out, "| {} | {} | {} |", grouped(*count), plain(reason, 400), plain(&what_to_do(reason), 400))?;
    }
    match out_of_sight.rest_in_words(&reasons) {
        Some(rest) => writeln!(out, "\n{rest}"),
        None => Ok(()),
    }
}

fn write_left_out(out: &mut dyn Write, report: &Report<'_>) -> io::Result<()> {
    if report.coverage.skipped.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nLeft out on purpose:\n")?;
    for (reason, places) in skipped_by_reason(report) {
        let named: Vec<String> = places
            .iter()
            .take(ACCOUNTS)
            .map(|(id, regions)| {
                let label = plain(&account_label(report, id), 200);
                if regions.contains(&Region::GLOBAL) {
                    label
                } else {
                    format!("{label}: {}", regions_in_words(regions))
                }
            })
            .collect();
        let more = match places.len().saturating_sub(ACCOUNTS) as u64 {
            0 => String::new(),
            more => format!("; and {} in `coverage.csv`", counted(more, "more account")),
        };
        writeln!(out, "- {}: {}{more}", plain(reason, 300), named.join("; "))?;
    }
    Ok(())
}

fn places_of(report: &Report<'_>, spot: &BlindSpot) -> String {
    let mut places: Vec<String> = spot
        .accounts
        .iter()
        .take(ACCOUNTS)
        .map(|(id, account)| {
            format!("{}: {}", plain(&account_label(report, id), 200), regions_in_words(&account.regions))
        })
        .collect();
    let more = spot.accounts.len().saturating_sub(ACCOUNTS) as u64;
    if more > 0 {
        places.push(format!("and {}", counted(more, "more account")));
    }
    places.join("<br>")
}

fn write_calls(out: &mut dyn Write, report: &Report<'_>) -> io::Result<()> {
    writeln!(out, "\n## Calls\n\n{}", calls_in_words(&report.calls))?;
    let services = calls_by_service(report);
    if services.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n| service | calls | ok | denied | throttled | error |\n|---|--:|--:|--:|--:|--:|")?;
    for (service, counts) in services {
        write!(out, "| {} ", plain(service, NAME))?;
        for count in [counts.calls(), counts.ok, counts.denied, counts.throttled, counts.error] {
            write!(out, "| {} ", grouped(count))?;
        }
        writeln!(out, "|")?;
    }
    Ok(())
}

fn write_exceptions(out: &mut dyn Write, digest: &Digest) -> io::Result<()> {
    if digest.excepted.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Under a valid exception, first to expire first\n")?;
    writeln!(out, "| until | control | resource | account | owner | ticket | reason |\n|---|---|---|---|---|---|---|")?;
    for finding in &digest.excepted {
        let Some(exception) = &finding.exception else { continue };
        let cells = [
            plain(&exception.expires, NAME),
            plain(&finding.control, NAME),
            plain(finding.resource.uid.short_name(), NAME),
            finding.resource.account.to_string(),
            plain(&exception.owner, NAME),
            plain(&exception.ticket, NAME),
            plain(&exception.reason, 240),
        ];
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    if digest.more_excepted > 0 {
        writeln!(out, "\n… and {} in `findings.csv`", counted(digest.more_excepted, "more violation"))?;
    }
    Ok(())
}

fn write_controls(out: &mut dyn Write, report: &Report<'_>, digest: &Digest) -> io::Result<()> {
    if digest.controls.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Controls, worst first\n")?;
    writeln!(out, "| control | severity | violated | excepted | unknown | good | not applicable |")?;
    writeln!(out, "|---|---|--:|--:|--:|--:|--:|")?;
    for (id, tally) in digest.controls.iter().take(ROWS) {
        let severity = report.controls.get(id).map_or("", |control| control.severity.as_str());
        write!(out, "| {} | {severity} ", plain(id, NAME))?;
        for count in [tally.violated, tally.excepted, tally.unknown, tally.good, tally.not_applicable] {
            write!(out, "| {} ", grouped(count))?;
        }
        writeln!(out, "|")?;
    }
    match digest.controls.len().saturating_sub(ROWS) as u64 {
        0 => Ok(()),
        more => writeln!(out, "\n… and {} in `findings.csv`", counted(more, "more control")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_markup() {
        let shown = plain("<img src=x> [a](b) `code` | col @team https://evil www.evil\nnext **b** $x$", 200);
        for live in ["<img", " | ", " @team", "https://", "www.", "\n", "[a]", " `code`", " **b**", "$x$"] {
            assert!(!shown.contains(live), "{live:?} in {shown}");
        }
        assert!(shown.contains("&lt;img src=x&gt;") && shown.contains("\\|"), "{shown}");
    }
}
