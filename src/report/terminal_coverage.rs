//! The part of the terminal's page about what was looked at and what was not.
//!
//! In: the ledger and the blind spots of a report. Out: three sections. They are as loud as the violations, because a
//! result that nobody could see is not a good one.

use std::io;

use super::Report;
use super::blind_spot::BlindSpot;
use super::digest::Digest;
use super::out_of_sight::{OutOfSight, what_to_do};
use super::page::{Page, TEXT};
use super::text::{counted, grouped, short};
use super::tone::Tone;
use super::wording::{account_label, calls_by_service, calls_in_words, regions_in_words, remedy, skipped_by_reason};
use crate::finding::ComplianceType;
use crate::inventory::Region;

/// Causes named before the rest is only counted.
const SPOTS: usize = 12;
/// Reasons named why violations of earlier runs are out of sight.
const REASONS: usize = 8;
/// Accounts named per cause or reason.
const ACCOUNTS: usize = 5;
/// Services in the table of calls.
const SERVICES: usize = 16;

pub(super) fn write(page: &mut Page<'_>, report: &Report<'_>, digest: &Digest) -> io::Result<()> {
    write_blind(page, report, digest)?;
    write_skipped(page, report)?;
    write_calls(page, report)
}

fn write_blind(page: &mut Page<'_>, report: &Report<'_>, digest: &Digest) -> io::Result<()> {
    page.heading("What could not be seen", "")?;
    let unknown = report.counts.of(ComplianceType::InsufficientData);
    if digest.blind.is_empty() && digest.out_of_sight.total == 0 {
        return page.line(2, "Nothing: every call that mattered was answered.");
    }
    if unknown > 0 {
        let be = if unknown == 1 { "is" } else { "are" };
        let line = format!(
            "{} {be} unknown because of this; a result may wait for several of these.",
            counted(unknown, "result")
        );
        page.wrapped(2, 2, None, &line)?;
    }
    for spot in digest.blind.iter().take(SPOTS) {
        write_spot(page, report, spot)?;
    }
    let more = digest.blind.len().saturating_sub(SPOTS) as u64;
    if more > 0 {
        page.line(2, &format!("… and {} in coverage.json", counted(more, "more cause")))?;
    }
    write_out_of_sight(page, &digest.out_of_sight, !digest.blind.is_empty())
}

fn write_out_of_sight(page: &mut Page<'_>, out_of_sight: &OutOfSight, after_others: bool) -> io::Result<()> {
    let Some(said) = out_of_sight.in_words() else { return Ok(()) };
    if after_others {
        page.line(0, "")?;
    }
    page.wrapped(2, 2, None, &said)?;
    let reasons = out_of_sight.by_count(REASONS);
    for (reason, count) in &reasons {
        page.line(0, "")?;
        page.labelled(&grouped(*count), Tone::Worrying, &short(reason, 400))?;
        page.wrapped(TEXT, TEXT + 2, None, &format!("→ {}", what_to_do(reason)))?;
    }
    match out_of_sight.rest_in_words(&reasons) {
        Some(rest) => page.line(2, &rest),
        None => Ok(()),
    }
}

fn write_spot(page: &mut Page<'_>, report: &Report<'_>, spot: &BlindSpot) -> io::Result<()> {
    let tone = if spot.unknown > 0 { Tone::Worrying } else { Tone::Quiet };
    let accounts = counted(spot.accounts.len() as u64, "account");
    let action = short(&spot.action, 200);
    let head = format!("{action} · {} unknown · {accounts}", counted(spot.unknown, "result"));
    page.line(0, "")?;
    page.labelled(&spot.word, tone, &head)?;
    for (id, account) in spot.accounts.iter().take(ACCOUNTS) {
        let line = format!(
            "• {}: {} ({} unknown)",
            account_label(report, id),
            regions_in_words(&account.regions),
            grouped(account.unknown)
        );
        page.wrapped(TEXT, TEXT + 2, None, &line)?;
    }
    let more = spot.accounts.len().saturating_sub(ACCOUNTS) as u64;
    if more > 0 {
        page.line(TEXT, &format!("• … and {} in coverage.json", counted(more, "more account")))?;
    }
    if !spot.example.is_empty() {
        let lead = if spot.has_others { "for example: " } else { "" };
        page.wrapped(TEXT, TEXT + 1, Some(Tone::Quiet), &format!("{lead}“{}”", short(&spot.example, 300)))?;
    }
    match remedy(spot) {
        Some(remedy) => page.wrapped(TEXT, TEXT + 2, None, &format!("→ {remedy}")),
        None => Ok(()),
    }
}

fn write_skipped(page: &mut Page<'_>, report: &Report<'_>) -> io::Result<()> {
    if report.coverage.skipped.is_empty() {
        return Ok(());
    }
    page.heading("Left out on purpose", "")?;
    for (reason, places) in skipped_by_reason(report) {
        page.wrapped(2, 4, Some(Tone::Strong), &short(reason, 300))?;
        for (id, regions) in places.iter().take(ACCOUNTS) {
            let whole = regions.contains(&Region::GLOBAL);
            let part = if whole { String::new() } else { format!(": {}", regions_in_words(regions)) };
            page.wrapped(4, 6, None, &format!("• {}{part}", account_label(report, id)))?;
        }
        let more = places.len().saturating_sub(ACCOUNTS) as u64;
        if more > 0 {
            page.line(4, &format!("• … and {} in coverage.csv", counted(more, "more account")))?;
        }
    }
    Ok(())
}

fn write_calls(page: &mut Page<'_>, report: &Report<'_>) -> io::Result<()> {
    page.heading("Calls", "")?;
    page.line(2, &calls_in_words(&report.calls))?;
    let services = calls_by_service(report);
    if services.is_empty() {
        return Ok(());
    }
    let title = page.paint(Tone::Quiet, "     calls         ok    denied  throttled     error  service");
    page.line(2, &title)?;
    for (service, counts) in services.iter().take(SERVICES) {
        let row = format!(
            "{:>10} {:>10} {:>9} {:>10} {:>9}  {}",
            grouped(counts.calls()),
            grouped(counts.ok),
            grouped(counts.denied),
            grouped(counts.throttled),
            grouped(counts.error),
            short(service, 32)
        );
        page.line(2, &row)?;
    }
    match services.len().saturating_sub(SERVICES) as u64 {
        0 => Ok(()),
        more => page.line(2, &format!("… and {} in coverage.csv", counted(more, "more service"))),
    }
}
