//! What every page for people says in the same words.
//!
//! In: a report and its digest. Out: the verdict, labels and short sentences. They stand here and not in a format, so
//! that a ticket and a terminal never disagree.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::accounts::{Accounts, Sight};
use super::blind_spot::BlindSpot;
use super::digest::{Digest, Violations};
use super::text::{NAME, counted, grouped, short, value, visible, words};
use super::{Comparison, Report, RunInfo};
use crate::finding::{Change, ComplianceType, Finding};
use crate::inventory::{AccountId, CallCounts, Region};

/// Regions named before the rest is only counted.
const REGIONS: usize = 4;

/// What the findings say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Something is not good.
    Bad,
    /// Nobody can say.
    Unsure,
    /// Looked at, and good.
    Good,
}

/// The verdict, its name, and one sentence about it. What was not seen is never called good.
pub(super) fn verdict(report: &Report<'_>, digest: &Digest) -> (Verdict, &'static str, String) {
    verdict_on(report, digest.violations)
}

/// [`verdict`], where the violations are counted already.
pub(super) fn verdict_on(report: &Report<'_>, found: Violations) -> (Verdict, &'static str, String) {
    let unknown = report.counts.of(ComplianceType::InsufficientData);
    let good = report.counts.of(ComplianceType::Compliant);
    let judged: u64 = report.counts.by_compliance.values().sum();
    let excepted = match report.counts.excepted {
        0 => String::new(),
        count => format!("; {} under a valid exception", counted(count, "violation")),
    };
    if found.total() > 0 {
        let also = if unknown == 0 { String::new() } else { format!("; {} unknown", counted(unknown, "result")) };
        let violations = counted(found.total(), "violation");
        return (Verdict::Bad, "NOT COMPLIANT", format!("{violations} ({}){also}{excepted}", found.in_words()));
    }
    if judged == 0 {
        return (Verdict::Unsure, "NOTHING WAS JUDGED", "no control was asked about any resource".to_owned());
    }
    if unknown > 0 {
        let text = format!("no violation was seen, but {} unknown{excepted}", are(unknown, "result"));
        return (Verdict::Unsure, "NOT KNOWN", text);
    }
    let hidden = report.over_time.hidden();
    if hidden > 0 {
        let what = counted(hidden, "violation");
        let text = format!("no violation was seen, but {what} of earlier runs could not be looked at again{excepted}");
        return (Verdict::Unsure, "NOT KNOWN", text);
    }
    if good + report.counts.excepted == 0 {
        return (Verdict::Unsure, "NOTHING TO JUDGE", "no control applies to what was seen".to_owned());
    }
    let aside = match report.over_time.comparison.as_ref().map_or(0, |comparison| comparison.set_aside) {
        0 => String::new(),
        count => format!("; {} of earlier runs that nobody asks for any more", counted(count, "violation")),
    };
    let text = format!("{} good{excepted}", are(good, "result"));
    if !report.gaps.is_empty() {
        let gaps = counted(report.gaps.len() as u64, "thing");
        let text = format!("{text}; {gaps} that no control reads could not be seen{aside}");
        return (Verdict::Unsure, "COMPLIANT WHERE SEEN", text);
    }
    match Accounts::of(report).count(Sight::Dark) {
        0 => (Verdict::Good, "COMPLIANT", format!("{text}{aside}")),
        dark => {
            let text = format!("{text}; nothing of {} was seen{aside}", counted(dark, "account"));
            (Verdict::Unsure, "COMPLIANT WHERE SEEN", text)
        }
    }
}

/// `1 result is`, `2 results are`.
fn are(number: u64, noun: &str) -> String {
    format!("{} {}", counted(number, noun), if number == 1 { "is" } else { "are" })
}

/// `since run 20261120T020000Z: 3 new, 1 worsened, 4 resolved, 2 not seen this time`
pub(super) fn changes_in_words(comparison: &Comparison) -> String {
    let of = |change| comparison.violations.get(&change).copied().unwrap_or(0);
    let named = [
        (Change::New, "new"),
        (Change::Worsened, "worsened"),
        (Change::Improved, "improved"),
        (Change::Resolved, "resolved"),
        (Change::NotSeen, "not seen this time"),
        (Change::Unchanged, "unchanged"),
    ];
    let parts: Vec<String> = named
        .into_iter()
        .filter(|(change, _)| *change != Change::Improved || of(*change) > 0)
        .map(|(change, word)| format!("{} {word}", grouped(of(change))))
        .collect();
    format!("since run {}: {}", visible(&comparison.previous.run_id), parts.join(", "))
}

/// `3 days`, `5 hours`: the largest unit that is at least one.
pub(super) fn duration_in_words(hours: f64) -> String {
    let whole = |number: f64| {
        // Negative and endless numbers never come here; a cast of a rounded number below 2^53 is exact.
        let text = format!("{number:.0}");
        text.parse::<u64>().unwrap_or(0)
    };
    if hours >= 48.0 {
        counted(whole(hours / 24.0), "day")
    } else if hours >= 1.0 {
        counted(whole(hours), "hour")
    } else {
        "less than an hour".to_owned()
    }
}

/// `stands since 2026-11-18 (3 days)`; nothing where one of the times is none.
pub(super) fn stood_for(verb: &str, since: &str, until: &str) -> String {
    let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    let (Some(from), Some(to)) = (parse(since), parse(until)) else { return String::new() };
    let date = from.date();
    if to <= from {
        return format!("{verb} since {date}");
    }
    format!("{verb} since {date} ({})", duration_in_words((to - from).as_seconds_f64() / 3_600.0))
}

/// `first seen 2026-11-18 (3 days)`, for a violation that an earlier run saw too.
pub(super) fn age(finding: &Finding, run: &RunInfo) -> Option<String> {
    let lifecycle = finding.lifecycle.as_ref()?;
    let known = lifecycle.first_observed_at != run.started_at;
    known.then(|| stood_for("stands", &lifecycle.first_observed_at, &run.started_at)).filter(|text| !text.is_empty())
}

/// Whether a violation is new, or worse than before, since the run that the report was compared with.
pub(super) fn news(report: &Report<'_>, finding: &Finding) -> Option<&'static str> {
    report.over_time.comparison.as_ref()?;
    match finding.lifecycle.as_ref()?.change {
        Change::New => Some("NEW"),
        Change::Worsened => Some("WORSE"),
        _ => None,
    }
}

/// `222222222222  payments-prod  /Workloads/Prod`
pub(super) fn account_label(report: &Report<'_>, id: &AccountId) -> String {
    match report.accounts.get(id) {
        Some(account) => [id.as_str(), &short(&account.name, 48), &short(&account.organizational_unit_path, 48)]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("  "),
        None => id.to_string(),
    }
}

/// `deploys to production: yes · unapproved production actions: Deploy/Prod`
pub(super) fn evidence_in_words(finding: &Finding) -> String {
    finding
        .evidence
        .iter()
        .map(|(fact, seen)| format!("{}: {}", words(fact), value(seen)))
        .collect::<Vec<_>>()
        .join(" · ")
}

/// `12 accounts, 2 of them left out · 340 calls, 9 of them without a usable answer`
pub(super) fn looked_at(report: &Report<'_>) -> String {
    let skipped: BTreeSet<&AccountId> =
        report.coverage.skipped.iter().filter(|skip| skip.region == Region::GLOBAL).map(|skip| &skip.account).collect();
    let left_out = match skipped.len() as u64 {
        0 => String::new(),
        count => format!(", {} left out on purpose", grouped(count)),
    };
    let failed = report.calls.calls() - report.calls.ok;
    let unanswered =
        if failed == 0 { String::new() } else { format!(", {} of them without a usable answer", grouped(failed)) };
    let accounts = counted(report.accounts.len() as u64, "account");
    format!("{accounts}{left_out} · {}{unanswered}", counted(report.calls.calls(), "call"))
}

/// `340 calls: 331 ok, 6 denied, 2 throttled, 1 error`
pub(super) fn calls_in_words(calls: &CallCounts) -> String {
    format!(
        "{}: {} ok, {} denied, {} throttled, {} error",
        counted(calls.calls(), "call"),
        grouped(calls.ok),
        grouped(calls.denied),
        grouped(calls.throttled),
        grouped(calls.error)
    )
}

/// One word for a line of the ledger: its worst end.
pub(super) fn call_status(counts: &CallCounts) -> &'static str {
    match counts {
        CallCounts { denied: 1.., .. } => "denied",
        CallCounts { error: 1.., .. } => "error",
        CallCounts { throttled: 1.., .. } => "throttled",
        _ => "ok",
    }
}

/// `eu-central-1, eu-west-1`, or how many if there are more than a line holds.
pub(super) fn regions_in_words(regions: &BTreeSet<Region>) -> String {
    let named: Vec<&str> = regions.iter().take(REGIONS).map(Region::as_str).collect();
    match regions.len().saturating_sub(REGIONS) {
        0 => named.join(", "),
        more => format!("{} and {} more", named.join(", "), more),
    }
}

/// Reason → account → Regions.
pub(super) fn skipped_by_reason<'a>(
    report: &'a Report<'_>,
) -> BTreeMap<&'a str, BTreeMap<&'a AccountId, BTreeSet<Region>>> {
    let mut reasons: BTreeMap<&str, BTreeMap<&AccountId, BTreeSet<Region>>> = BTreeMap::new();
    for skip in &report.coverage.skipped {
        let accounts = reasons.entry(skip.reason.as_str()).or_default();
        accounts.entry(&skip.account).or_default().insert(skip.region.clone());
    }
    reasons
}

/// Calls by service; those with unanswered calls first.
pub(super) fn calls_by_service<'a>(report: &'a Report<'_>) -> Vec<(&'a str, CallCounts)> {
    let mut services: BTreeMap<&str, CallCounts> = BTreeMap::new();
    for (key, counts) in report.coverage.rows() {
        let sum = services.entry(key.service.as_str()).or_default();
        sum.ok += counts.ok;
        sum.denied += counts.denied;
        sum.throttled += counts.throttled;
        sum.error += counts.error;
    }
    let mut services: Vec<_> = services.into_iter().collect();
    services.sort_by(|(a, one), (b, other)| {
        let failed = |counts: &CallCounts| counts.calls() - counts.ok;
        failed(other).cmp(&failed(one)).then_with(|| a.cmp(b))
    });
    services
}

/// Whether a call went to a source host, where AWS's permissions do not count.
fn on_source_host(action: &str) -> bool {
    ["github:", "gitlab:", "bitbucket:"].iter().any(|host| action.starts_with(host))
}

/// What to do so that it is seen the next time.
pub(super) fn remedy(spot: &BlindSpot) -> Option<String> {
    let text = match (spot.word.as_str(), spot.action.as_str()) {
        ("denied", "sts:AssumeRole") => "deploy the audit role to these accounts, or mend its trust policy".to_owned(),
        ("denied", action) if on_source_host(action) => format!(
            "let the token or App in `[[hosts]]` see it ({}); a host also says \"not found\" of what it hides",
            short(action, NAME)
        ),
        ("denied", action) => format!(
            "allow {} to the audit role; if it is allowed, a service control, resource or key policy denies it",
            short(action, NAME)
        ),
        ("throttled", _) => "run again when less is going on, or with fewer requests a second".to_owned(),
        ("error", _) => "run again; if it stays, the message says whom to ask".to_owned(),
        ("unsupported", _) => "this endpoint does not know the call: ask AWS's own".to_owned(),
        ("malformed", _) => {
            "AWS answered in a form that pipewarden does not know: report it with the message".to_owned()
        }
        // It lists the archive of a trail: no account that is missing would fill a hole there.
        ("outside", "s3:ListBucket") => {
            "see why the trail wrote nothing then: its logging, the bucket's policy and lifecycle; what was not logged cannot be seen later".to_owned()
        }
        ("undecided", _) => "each says what it lacks: column `gaps` of findings.csv".to_owned(),
        ("outside", _) => "add the account that owns it to the run, or have it judged there".to_owned(),
        ("unresolved", _) => "only a deployment resolves this value: audit the account it is deployed to".to_owned(),
        _ => return None,
    };
    Some(text)
}
