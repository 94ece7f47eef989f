//! What was seen, what was not and why, and what to do about it.
//!
//! In: a report, its tally and its accounts. Out: the panel on coverage, in the same words as the other pages for people.

use super::element::{CLOSE_PANEL, Piece, account, add, bar, legend, linked, open_panel, share, text};
use super::links::Filter;
use super::tally::Tally;
use crate::finding::{Change, ComplianceType};
use crate::inventory::Region;
use crate::report::Report;
use crate::report::accounts::{Accounts, Sight};
use crate::report::blind_spot::BlindSpot;
use crate::report::out_of_sight::what_to_do;
use crate::report::text::{NAME, counted, grouped};
use crate::report::wording::{account_label, calls_by_service, regions_in_words, remedy, skipped_by_reason};

/// Causes shown.
const SPOTS: usize = 20;
/// Accounts named per cause or reason, and dark ones.
const ACCOUNTS: usize = 5;
const DARK: usize = 20;
/// Reasons for leaving something out.
const REASONS: usize = 20;
/// Services with a line in the table of calls.
const SERVICES: usize = 40;

/// The panel.
pub(super) fn panel(report: &Report<'_>, tally: &Tally, accounts: &Accounts<'_>) -> String {
    let mut out = open_panel("coverage", "What was seen");
    let pieces: Vec<Piece<'_>> =
        Sight::ALL.into_iter().map(|sight| (sight.class(), sight.in_words(), accounts.count(sight))).collect();
    add(&mut out, format_args!("<div class=\"columns\">\n<div><h3>{}</h3>\n", counted(accounts.total(), "account")));
    out.push_str(&bar("coverage-accounts", "Accounts by what was seen of them", &pieces));
    out.push_str(&legend(&pieces));
    out.push_str("</div>\n");
    let calls = &report.calls;
    let pieces: [Piece<'_>; 4] = [
        ("good", "answered", calls.ok),
        ("critical", "denied", calls.denied),
        ("medium", "throttled", calls.throttled),
        ("high", "ended in another error", calls.error),
    ];
    add(
        &mut out,
        format_args!("<div><h3>{}, {} answered</h3>\n", counted(calls.calls(), "call"), share(calls.ok, calls.calls())),
    );
    out.push_str(&bar("coverage-calls", "Calls by their end", &pieces));
    out.push_str(&legend(&pieces));
    out.push_str("</div>\n</div>\n");
    out.push_str(&dark(report, accounts));
    out.push_str(&blind(report, tally));
    out.push_str(&out_of_sight(tally));
    out.push_str(&left_out(report));
    out.push_str(&calls_table(report));
    out.push_str(CLOSE_PANEL);
    out
}

fn dark(report: &Report<'_>, accounts: &Accounts<'_>) -> String {
    let count = accounts.count(Sight::Dark);
    if count == 0 {
        return String::new();
    }
    let mut out = format!(
        "<h3>{} dark</h3>\n<p>Nothing of {} is known: neither good nor bad.</p>\n<ul class=\"accounts\">\n",
        counted(count, "account"),
        if count == 1 { "it" } else { "them" }
    );
    for id in accounts.of_sight(Sight::Dark).take(DARK) {
        let unit = report.accounts.get(id).map_or("", |account| account.organizational_unit_path.as_str());
        add(
            &mut out,
            format_args!(
                "<li>{} <span class=\"quiet\">{}</span></li>\n",
                account(report, id, &Filter::unknown().account(id)),
                text(unit, 64)
            ),
        );
    }
    out.push_str("</ul>\n");
    let more = count.saturating_sub(DARK as u64);
    if more > 0 {
        add(&mut out, format_args!("<p>… and {} in <code>coverage.csv</code></p>\n", counted(more, "more account")));
    }
    out
}

fn blind(report: &Report<'_>, tally: &Tally) -> String {
    let unknown = report.counts.of(ComplianceType::InsufficientData);
    let mut out = format!(
        "<h3>Blind spots</h3>\n<p>{} for the causes below.</p>\n",
        match unknown {
            0 => "No result is unknown".to_owned(),
            1 => format!("{} result is unknown", linked(1, &Filter::unknown())),
            more => format!("{} results are unknown", linked(more, &Filter::unknown())),
        }
    );
    if tally.digest.blind.is_empty() {
        return if report.calls.calls() == 0 {
            "<h3>Blind spots</h3>\n<p>No call was made in this run, so nothing says what can be seen.</p>\n".to_owned()
        } else if tally.digest.out_of_sight.total > 0 {
            String::new()
        } else {
            "<h3>Blind spots</h3>\n<p>None: every call that mattered was answered.</p>\n".to_owned()
        };
    }
    out.push_str(
        "<div class=\"wide\"><table>\n<caption>What could not be seen, by cause, most unknown results first</caption>\n\
         <thead><tr><th scope=\"col\" class=\"number\">results unknown</th><th scope=\"col\">action</th><th scope=\"col\">cause</th><th scope=\"col\">where</th>\
         <th scope=\"col\">what to do</th></tr></thead>\n<tbody>\n",
    );
    for spot in tally.digest.blind.iter().take(SPOTS) {
        add(
            &mut out,
            format_args!(
                "<tr><td class=\"number\">{}</td><th scope=\"row\" class=\"long\">{}</th><td><span class=\"tag unknown\">{}</span></td><td class=\"long\">{}</td><td class=\"long\">{}{}</td></tr>\n",
                grouped(spot.unknown),
                text(&spot.action, 200),
                text(&spot.word, NAME),
                places(report, spot),
                text(&remedy(spot).unwrap_or_else(|| "see the cause in full".to_owned()), 400),
                example(spot)
            ),
        );
    }
    out.push_str("</tbody></table></div>\n");
    let more = tally.digest.blind.len().saturating_sub(SPOTS) as u64;
    if more > 0 {
        add(&mut out, format_args!("<p>… and {} in <code>coverage.json</code></p>\n", counted(more, "more cause")));
    }
    out
}

/// Violations of earlier runs that nobody could look at again.
fn out_of_sight(tally: &Tally) -> String {
    let all = &tally.digest.out_of_sight;
    let Some(said) = all.in_words() else { return String::new() };
    let mut out = format!(
        "<h3>Out of sight</h3>\n<p>{} <a href=\"{}\">All that was not seen this time</a></p>\n\
         <div class=\"wide\"><table>\n<caption>Why violations of earlier runs could not be looked at again</caption>\n\
         <thead><tr><th scope=\"col\" class=\"number\">violations</th><th scope=\"col\">why</th><th scope=\"col\">what to do</th></tr></thead>\n<tbody>\n",
        text(&said, 500),
        Filter::change(Change::NotSeen).href()
    );
    let reasons = all.by_count(SPOTS);
    for (reason, count) in &reasons {
        add(
            &mut out,
            format_args!(
                "<tr><td class=\"number\">{}</td><th scope=\"row\" class=\"long\">{}</th><td class=\"long\">{}</td></tr>\n",
                grouped(*count),
                text(reason, 400),
                text(&what_to_do(reason), 400)
            ),
        );
    }
    out.push_str("</tbody></table></div>\n");
    if let Some(rest) = all.rest_in_words(&reasons) {
        add(&mut out, format_args!("<p>{}</p>\n", text(&rest, 200)));
    }
    out
}

fn example(spot: &BlindSpot) -> String {
    if spot.example.is_empty() {
        return String::new();
    }
    format!(
        "<details><summary>first of them in full</summary><p class=\"quiet\">{}</p></details>",
        text(&spot.example, 600)
    )
}

fn places(report: &Report<'_>, spot: &BlindSpot) -> String {
    let all = spot.accounts.len() as u64;
    let mut named: Vec<String> = spot
        .accounts
        .iter()
        .take(ACCOUNTS)
        .map(|(id, place)| {
            format!(
                "<li>{} <span class=\"quiet\">{}</span></li>",
                account(report, id, &Filter::unknown().account(id)),
                text(&regions_in_words(&place.regions), 160)
            )
        })
        .collect();
    let more = all.saturating_sub(ACCOUNTS as u64);
    if more > 0 {
        named.push(format!("<li>and {}</li>", counted(more, "more account")));
    }
    format!("<ul class=\"accounts\">{}</ul>", named.concat())
}

fn left_out(report: &Report<'_>) -> String {
    let reasons = skipped_by_reason(report);
    if reasons.is_empty() {
        return String::new();
    }
    let mut out = String::from("<h3>Left out on purpose</h3>\n<ul>\n");
    for (reason, places) in reasons.iter().take(REASONS) {
        let named: Vec<String> = places
            .iter()
            .take(ACCOUNTS)
            .map(|(id, regions)| {
                let label = text(&account_label(report, id), 200);
                if regions.contains(&Region::GLOBAL) {
                    label
                } else {
                    format!("{label}: {}", text(&regions_in_words(regions), 160))
                }
            })
            .collect();
        let more = match places.len().saturating_sub(ACCOUNTS) as u64 {
            0 => String::new(),
            more => format!("; and {} in <code>coverage.csv</code>", counted(more, "more account")),
        };
        add(&mut out, format_args!("<li>{}: {}{more}</li>\n", text(reason, 300), named.join("; ")));
    }
    out.push_str("</ul>\n");
    let more = reasons.len().saturating_sub(REASONS) as u64;
    if more > 0 {
        add(&mut out, format_args!("<p>… and {} in <code>coverage.csv</code></p>\n", counted(more, "more reason")));
    }
    out
}

fn calls_table(report: &Report<'_>) -> String {
    let services = calls_by_service(report);
    if services.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "<details><summary>Calls by service</summary>\n<div class=\"wide\"><table>\n<caption>Calls by service and end, most unanswered first</caption>\n\
         <thead><tr><th scope=\"col\">service</th>",
    );
    for end in ["calls", "answered", "denied", "throttled", "error"] {
        add(&mut out, format_args!("<th scope=\"col\" class=\"number\">{end}</th>"));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (service, counts) in services.iter().take(SERVICES) {
        add(&mut out, format_args!("<tr><th scope=\"row\">{}</th>", text(service, NAME)));
        for count in [counts.calls(), counts.ok, counts.denied, counts.throttled, counts.error] {
            add(&mut out, format_args!("<td class=\"number\">{}</td>", grouped(count)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n</details>\n");
    out
}
