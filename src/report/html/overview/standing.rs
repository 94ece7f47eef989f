//! Time: exceptions that end soon, how long violations stood before they were mended, how old the open ones are.
//!
//! In: a report and its tally. Out: two panels. "Soon" is counted from the start of the run, never from a clock.

use std::collections::BTreeMap;

use time::Date;
use time::macros::format_description;

use super::element::{CLOSE_PANEL, add, label, linked, open_panel, text};
use super::headline::moment;
use super::links::Filter;
use super::tally::{Covered, Tally};
use crate::finding::Severity;
use crate::report::text::{counted, grouped};
use crate::report::{Remediation, Report};

/// How many days are soon.
const SOON: i64 = 30;
/// Exceptions shown.
const EXCEPTIONS: usize = 15;

/// The day that a text begins with.
fn day(text: &str) -> Option<Date> {
    Date::parse(text.get(..10)?, format_description!("[year]-[month]-[day]")).ok()
}

/// Whole days between the days of two texts.
fn days(from: &str, to: &str) -> Option<i64> {
    Some((day(to)? - day(from)?).whole_days())
}

/// Exceptions that end soon.
pub(super) fn exceptions_panel(report: &Report<'_>, tally: &Tally) -> String {
    let mut out = open_panel("exceptions", "Exceptions that end soon");
    let now = report.run.started_at.as_str();
    // An end that cannot be read may be any day.
    let left = |covered: &Covered| days(now, &covered.expires);
    let soon: Vec<&Covered> =
        tally.exceptions.iter().filter(|covered| left(covered).is_none_or(|days| days <= SOON)).collect();
    let later = tally.exceptions.len().saturating_sub(soon.len()) as u64;
    if soon.is_empty() {
        let said = match tally.exceptions.first() {
            None => "No violation is under a valid exception.".to_owned(),
            Some(first) => format!(
                "None ends within {SOON} days. The next of {} that cover a violation ends on {}.",
                counted(later, "exception"),
                text(&first.expires, 40)
            ),
        };
        add(&mut out, format_args!("<p>{said}</p>\n{CLOSE_PANEL}"));
        return out;
    }
    add(
        &mut out,
        format_args!(
            "<div class=\"wide\"><table>\n<caption>Exceptions that cover violations and end within {SOON} days; from the day after, these violations count</caption>\n\
             <thead><tr><th scope=\"col\">last day</th><th scope=\"col\" class=\"number\">days left</th><th scope=\"col\">exception</th><th scope=\"col\">owner</th>\
             <th scope=\"col\">ticket</th><th scope=\"col\" class=\"number\">violations</th><th scope=\"col\">worst</th><th scope=\"col\">reason</th></tr></thead>\n<tbody>\n"
        ),
    );
    for covered in soon.iter().take(EXCEPTIONS) {
        add(
            &mut out,
            format_args!(
                "<tr><td class=\"time\">{}</td><td class=\"number\">{}</td><th scope=\"row\" class=\"long\"><a href=\"{}\">{}</a></th><td>{}</td><td>{}</td><td class=\"number\">{}</td><td>{}</td><td class=\"long\">{}</td></tr>\n",
                text(&covered.expires, 40),
                left(covered).map_or_else(|| "not known".to_owned(), |days| days.to_string()),
                // The table knows no exceptions by name: it shows what others accept of the same controls, too.
                Filter::excepted(covered.controls.iter().map(String::as_str)).href(),
                text(&covered.id, 96),
                text(&covered.owner, 64),
                text(&covered.ticket, 64),
                grouped(covered.violations),
                label(covered.worst),
                text(&covered.reason, 300)
            ),
        );
    }
    out.push_str("</tbody></table></div>\n");
    let more = soon.len().saturating_sub(EXCEPTIONS) as u64;
    if more > 0 {
        add(&mut out, format_args!("<p>… and {} within {SOON} days.</p>\n", counted(more, "more exception")));
    }
    if later > 0 {
        add(&mut out, format_args!("<p>{} later.</p>\n", ends(later)));
    }
    out.push_str(CLOSE_PANEL);
    out
}

fn ends(count: u64) -> String {
    format!("{} {}", counted(count, "exception"), if count == 1 { "ends" } else { "end" })
}

/// How long violations stood, and how old open ones are.
pub(super) fn remediation_panel(report: &Report<'_>, tally: &Tally) -> String {
    let mut out = open_panel("remediation", "Time to remediate");
    let Some(mended) = Mended::of(report) else {
        out.push_str("<p>Not known: that takes a run before this one.</p>\n");
        out.push_str(CLOSE_PANEL);
        return out;
    };
    add(
        &mut out,
        format_args!(
            "<div class=\"wide\"><table>\n<caption>Violations that were resolved {}, from the run that first saw them to the one that saw them resolved, and the oldest that are open</caption>\n\
             <thead><tr><th scope=\"col\">severity</th><th scope=\"col\" class=\"number\">resolved</th><th scope=\"col\" class=\"number\">mean time</th>\
             <th scope=\"col\" class=\"number\">open</th><th scope=\"col\">oldest open one since</th></tr></thead>\n<tbody>\n",
            mended.frame()
        ),
    );
    for severity in Severity::ALL {
        let remediation = mended.remediation.get(&severity).copied().unwrap_or_default();
        let one = tally.severities.get(&severity);
        let oldest = one.and_then(|one| one.oldest.as_deref());
        let oldest = oldest.map_or_else(
            || "–".to_owned(),
            |first| match days(first, &report.run.started_at) {
                Some(age) => format!(
                    "{} <span class=\"quiet\">{}</span>",
                    moment(first),
                    counted(u64::try_from(age).unwrap_or(0), "day")
                ),
                None => moment(first),
            },
        );
        add(
            &mut out,
            format_args!(
                "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td>{oldest}</td></tr>\n",
                label(severity),
                grouped(remediation.resolved),
                mean(remediation),
                linked(one.map_or(0, |one| one.open), &Filter::open().severity(severity))
            ),
        );
    }
    out.push_str("</tbody></table></div>\n");
    out.push_str("<p class=\"quiet\">A run sees a violation only when it looks: these times are as exact as runs are frequent. What was not seen this time is not resolved, and counts nowhere here.</p>\n");
    out.push_str(CLOSE_PANEL);
    out
}

/// What the runs of the trend resolved, as far as they were compared with others.
struct Mended<'a> {
    /// How many runs were.
    runs: u64,
    /// When the first of them began, if there is more than one.
    from: &'a str,
    /// When the run before this one began.
    previous: &'a str,
    remediation: BTreeMap<Severity, Remediation>,
}

impl<'a> Mended<'a> {
    fn of(report: &'a Report<'_>) -> Option<Self> {
        let comparison = report.over_time.comparison.as_ref()?;
        let own = (report.run.started_at.as_str(), &comparison.remediation);
        let earlier = report.over_time.trend.iter().filter(|point| point.run_id != report.run.run_id);
        let known = earlier.filter_map(|point| Some((point.started_at.as_str(), point.remediation.as_ref()?)));
        let mut mended =
            Self { runs: 0, from: "", previous: &comparison.previous.started_at, remediation: BTreeMap::new() };
        for (started_at, remediation) in known.chain([own]) {
            if mended.runs == 0 {
                mended.from = started_at;
            }
            mended.runs += 1;
            for (severity, one) in remediation {
                let sum = mended.remediation.entry(*severity).or_default();
                *sum = sum.and(*one);
            }
        }
        Some(mended)
    }

    /// `in 30 runs since 2026-10-22 02:00 UTC`
    fn frame(&self) -> String {
        match self.runs {
            0 | 1 => format!("since {}", moment(self.previous)),
            runs => format!("in {} since {}", counted(runs, "run"), moment(self.from)),
        }
    }
}

/// A mean in words; nothing resolved has none.
fn mean(remediation: Remediation) -> String {
    if remediation.resolved == 0 || !remediation.total_hours.is_finite() {
        return "–".to_owned();
    }
    let hours = (remediation.total_hours / super::element::float(remediation.resolved)).max(0.0);
    if hours >= 48.0 { format!("{:.1} days", hours / 24.0) } else { format!("{hours:.1} hours") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_resolved_has_no_mean() {
        assert_eq!(mean(Remediation::default()), "–");
        assert_eq!(mean(Remediation { resolved: 2, total_hours: 30.0 }), "15.0 hours");
        assert_eq!(mean(Remediation { resolved: 2, total_hours: 240.0 }), "5.0 days");
    }

    #[test]
    fn days_are_counted_between_days() {
        assert_eq!(days("2026-11-21T23:59:59Z", "2026-11-22"), Some(1));
        assert_eq!(days("2026-11-21T02:00:00Z", "2026-11-21"), Some(0));
        assert_eq!(days("2026-11-21T02:00:00Z", "soon"), None);
        assert_eq!(days("2026-11-21T02:00:00Z", "名前名前"), None);
    }
}
