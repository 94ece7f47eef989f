//! The verdict in a sentence, and what changed since the run before.
//!
//! In: a report and its tally. Out: the first two panels. Where something was not seen, the page never says "good" alone.

use std::collections::BTreeMap;

use super::element::{CLOSE_PANEL, add, class, label, linked, number_cell, open_panel, text, title};
use super::links::Filter;
use super::tally::{SeverityTally, Tally};
use crate::finding::{Change, Severity};
use crate::report::accounts::Accounts;
use crate::report::text::{counted, grouped};
use crate::report::wording::{Verdict, looked_at, verdict};
use crate::report::{Comparison, Report};

/// What an eye should meet first.
pub(super) fn verdict_panel(report: &Report<'_>, tally: &Tally, accounts: &Accounts<'_>) -> String {
    let (found, name, sentence) = verdict(report, &tally.digest);
    let unseen = accounts.unseen_in_words();
    let tone = match found {
        Verdict::Bad => "bad",
        Verdict::Unsure => "unsure",
        Verdict::Good => "good",
    };
    let mut out = format!(
        "<section class=\"verdict {tone}\" id=\"overview-verdict\" aria-labelledby=\"overview-verdict-title\">\n\
         <h2 id=\"overview-verdict-title\">{name}</h2>\n<p class=\"lead\">{}.</p>\n",
        text(&sentence, 500)
    );
    if let Some(unseen) = unseen {
        add(
            &mut out,
            format_args!("<p class=\"not-seen\"><a href=\"#overview-coverage\">{}</a>.</p>\n", text(&unseen, 500)),
        );
    }
    add(&mut out, format_args!("<p>{}</p>\n", since(report)));
    add(&mut out, format_args!("<p class=\"quiet\">{}</p>\n", text(&looked_at(report), 500)));
    out.push_str(CLOSE_PANEL);
    out
}

/// `Since 2026-11-20 02:00 UTC: 3 new, 1 resolved.`
fn since(report: &Report<'_>) -> String {
    let Some(comparison) = &report.over_time.comparison else {
        return "There is no run before this one to compare with, so nothing here is called new or known.".to_owned();
    };
    let said: Vec<String> = Change::ALL
        .into_iter()
        .filter(|change| *change != Change::Unchanged)
        .filter_map(|change| {
            let count = comparison.violations.get(&change).copied().unwrap_or(0);
            (count > 0).then(|| format!("<b>{}</b> {}", linked(count, &Filter::change(change)), in_words(change)))
        })
        .collect();
    let said = if said.is_empty() { "no violation changed".to_owned() } else { said.join(", ") };
    format!(
        "Since the run of {}: {said}.{}",
        moment(&comparison.previous.started_at),
        other_question(report, comparison)
    )
}

/// Numbers may jump without a change in AWS.
fn other_question(report: &Report<'_>, comparison: &Comparison) -> &'static str {
    let (now, before) = (&report.run, &comparison.previous);
    if now.policy_hash != before.policy_hash {
        " The policies are others than those of that run, so some of it may be no change in AWS."
    } else if now.tool_version != before.tool_version {
        " That run was made by another version of pipewarden, so some of it may be no change in AWS."
    } else {
        ""
    }
}

/// A change as a person says it.
pub(super) fn in_words(change: Change) -> &'static str {
    match change {
        Change::New => "new",
        Change::Worsened => "worsened",
        Change::Improved => "improved",
        Change::Unchanged => "unchanged",
        Change::Resolved => "resolved",
        Change::NotSeen => "not seen this time",
    }
}

/// `2026-11-20 02:00 UTC` of an RFC 3339 time in UTC; any other text stays as it is.
pub(super) fn moment(at: &str) -> String {
    match (at.get(..10), at.get(11..16), at.ends_with('Z')) {
        (Some(day), Some(minute), true) => text(&format!("{day} {minute} UTC"), 40),
        _ => text(at, 40),
    }
}

/// Counts by severity, with what changed.
pub(super) fn severity_panel(report: &Report<'_>, tally: &Tally) -> String {
    let mut out = open_panel("severity", "Violations by severity");
    out.push_str("<div class=\"tiles\">\n");
    for severity in Severity::ALL {
        let one = tally.severities.get(&severity).cloned().unwrap_or_default();
        out.push_str(&tile(report, severity, &one));
    }
    out.push_str("</div>\n");
    if report.over_time.comparison.is_some() {
        out.push_str(&change_table(tally));
    }
    out.push_str(CLOSE_PANEL);
    out
}

fn tile(report: &Report<'_>, severity: Severity, one: &SeverityTally) -> String {
    let filter = Filter::open().severity(severity);
    let mut out = format!(
        "<div class=\"tile {}\"><h3>{}</h3><p class=\"value\">{}</p>",
        class(severity),
        title(severity),
        linked(one.open, &filter)
    );
    if report.over_time.comparison.is_some() {
        let of = |change| one.changes.get(&change).copied().unwrap_or(0);
        let worse = of(Change::New) + of(Change::Worsened);
        let better = of(Change::Resolved) + of(Change::Improved);
        let mut said = Vec::new();
        if worse > 0 {
            said.push(format!("<span class=\"worse\">▲ {} new or worse</span>", grouped(worse)));
        }
        if better > 0 {
            said.push(format!("<span class=\"better\">▼ {} resolved or better</span>", grouped(better)));
        }
        if of(Change::NotSeen) > 0 {
            said.push(format!(
                "<span class=\"unknown-text\">? {} not seen this time</span>",
                grouped(of(Change::NotSeen))
            ));
        }
        if said.is_empty() {
            said.push("no change".to_owned());
        }
        add(&mut out, format_args!("<p>{}</p>", said.join("<br>")));
    }
    if one.excepted > 0 {
        add(&mut out, format_args!("<p>and {} under an exception</p>", grouped(one.excepted)));
    }
    out.push_str("</div>\n");
    out
}

fn change_table(tally: &Tally) -> String {
    let mut out = String::from(
        "<div class=\"wide\"><table>\n<caption>Changes since the run before; violations under a valid exception are counted here too</caption>\n\
         <thead><tr><th scope=\"col\">severity</th>",
    );
    for change in Change::ALL {
        add(&mut out, format_args!("<th scope=\"col\" class=\"number\">{}</th>", in_words(change)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    let mut sums: BTreeMap<Change, u64> = BTreeMap::new();
    for severity in Severity::ALL {
        add(&mut out, format_args!("<tr><th scope=\"row\">{}</th>", label(severity)));
        for change in Change::ALL {
            let changes = tally.severities.get(&severity).map(|one| &one.changes);
            let count = changes.and_then(|changes| changes.get(&change)).copied().unwrap_or(0);
            *sums.entry(change).or_default() += count;
            out.push_str(&number_cell(count, &Filter::change(change).severity(severity)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n<tfoot><tr><th scope=\"row\">all</th>");
    for change in Change::ALL {
        let count = sums.get(&change).copied().unwrap_or(0);
        out.push_str(&number_cell(count, &Filter::change(change)));
    }
    out.push_str("</tr></tfoot></table></div>\n");
    out
}

/// What is new and worst, or the worst of a run that was not compared.
pub(super) fn worst_panel(report: &Report<'_>, tally: &Tally) -> String {
    let is_compared = report.over_time.comparison.is_some();
    let mut out = open_panel("new", if is_compared { "New and worst" } else { "Worst" });
    if tally.worst.is_empty() {
        let said = if is_compared {
            "No violation is new or worse than in the run before. What could not be seen this time is listed below and may hide some."
        } else {
            "No violation was seen. What could not be seen is listed below and may hide some."
        };
        add(&mut out, format_args!("<p>{said}</p>\n{CLOSE_PANEL}"));
        return out;
    }
    out.push_str("<div class=\"wide\"><table>\n");
    let caption = if is_compared { "New and worsened violations, worst first" } else { "Violations, worst first" };
    add(
        &mut out,
        format_args!(
            "<caption>{caption}</caption>\n<thead><tr><th scope=\"col\">severity</th>{}<th scope=\"col\">what must hold</th>\
             <th scope=\"col\">resource</th><th scope=\"col\">account</th><th scope=\"col\">owner</th></tr></thead>\n<tbody>\n",
            if is_compared { "<th scope=\"col\">change</th>" } else { "" }
        ),
    );
    for finding in &tally.worst {
        let control = report.controls.get(&finding.control);
        let title = control.map_or(finding.control.as_str(), |control| control.title.as_str());
        let resource = &finding.resource;
        let owner = finding
            .owner
            .as_ref()
            .map_or_else(|| "<span class=\"quiet\">not known</span>".to_owned(), |owner| text(&owner.name, 64));
        add(&mut out, format_args!("<tr><td>{}</td>", label(finding.severity)));
        if let Some(lifecycle) = finding.lifecycle.as_ref().filter(|_| is_compared) {
            add(&mut out, format_args!("<td>{}</td>", in_words(lifecycle.change)));
        } else if is_compared {
            out.push_str("<td></td>");
        }
        add(
            &mut out,
            format_args!(
                "<td class=\"long\">{} <a class=\"id\" href=\"{}\">{}</a></td><th scope=\"row\" class=\"long\"><a href=\"{}\">{}</a> <span class=\"quiet\">{}</span></th>\
                 <td class=\"long\">{}</td><td>{owner}</td></tr>\n",
                text(title, 200),
                Filter::open().control(&finding.control).href(),
                text(&finding.control, 96),
                Filter::finding(&finding.id).href(),
                text(resource.uid.short_name(), 96),
                text(resource.region.as_str(), 40),
                super::element::account(report, &resource.account, &Filter::open().account(&resource.account)),
            ),
        );
    }
    out.push_str("</tbody></table></div>\n");
    let more = tally.worst_total.saturating_sub(tally.worst.len() as u64);
    if more > 0 {
        let all = if is_compared {
            format!(
                "<a href=\"{}\">all new</a>, <a href=\"{}\">all worsened</a>",
                Filter::change(Change::New).href(),
                Filter::change(Change::Worsened).href()
            )
        } else {
            format!("<a href=\"{}\">all of them</a>", Filter::open().href())
        };
        add(&mut out, format_args!("<p>… and {}: {all}</p>\n", counted(more, "more violation")));
    }
    out.push_str(CLOSE_PANEL);
    out
}
