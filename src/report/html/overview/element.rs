//! Small pieces of HTML that the panels are made of.
//!
//! In: text that anybody with an AWS account may have chosen, and numbers. Out: HTML in which that text is only text.
//! There are no style attributes and no handlers: the page's policy forbids both.

use std::fmt;

use crate::finding::{ComplianceType, Finding, Severity};
use crate::inventory::AccountId;
use crate::report::Report;
use crate::report::text::{grouped, short};

use super::links::Filter;

/// Text that is only text in HTML, in an element or a quoted attribute, and no longer than a person reads.
pub(super) fn text(text: &str, longest: usize) -> String {
    let text = short(text, longest);
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '`' => out.push_str("&#96;"),
            other => out.push(other),
        }
    }
    out
}

/// More text at the end.
pub(super) fn add(out: &mut String, text: fmt::Arguments<'_>) {
    // Writing into a `String` cannot fail.
    let _ = fmt::Write::write_fmt(out, text);
}

/// The beginning of a panel, with its heading.
pub(super) fn open_panel(id: &str, title: &str) -> String {
    format!(
        "<section class=\"panel\" id=\"overview-{id}\" aria-labelledby=\"overview-{id}-title\">\n<h2 id=\"overview-{id}-title\">{title}</h2>\n"
    )
}

/// The end of a panel.
pub(super) const CLOSE_PANEL: &str = "</section>\n";

/// The class of a severity, as the style sheet names its colour.
pub(super) fn class(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
    }
}

/// A severity as a person says it.
pub(super) fn title(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::High => "High",
        Severity::Medium => "Medium",
        Severity::Low => "Low",
    }
}

/// A severity as a label: colour and word.
pub(super) fn label(severity: Severity) -> String {
    format!("<span class=\"tag {}\">{}</span>", class(severity), title(severity))
}

/// A number that leads to the findings behind it; zero leads nowhere.
pub(super) fn linked(number: u64, filter: &Filter) -> String {
    match number {
        0 => "0".to_owned(),
        more => format!("<a href=\"{}\">{}</a>", filter.href(), grouped(more)),
    }
}

/// A cell with a number; zero is quiet.
pub(super) fn number_cell(number: u64, filter: &Filter) -> String {
    let class = if number == 0 { "number zero" } else { "number" };
    format!("<td class=\"{class}\">{}</td>", linked(number, filter))
}

/// An account as a link to its violations: its id, and its name where it has one.
pub(super) fn account(report: &Report<'_>, id: &AccountId, filter: &Filter) -> String {
    let name = report.accounts.get(id).map_or("", |account| account.name.as_str());
    let link = format!("<a class=\"id\" href=\"{}\">{id}</a>", filter.href());
    if name.is_empty() { link } else { format!("{link} {}", text(name, 48)) }
}

/// Whether a finding is an open violation: not good, and under no exception.
pub(super) fn is_open(finding: &Finding) -> bool {
    finding.compliance == ComplianceType::NonCompliant && finding.exception.is_none()
}

/// A count as a float.
#[expect(clippy::cast_precision_loss, reason = "counts of findings are far below 2^53")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// A part of a whole for people: never 0 % of something, never 100 % of less than all.
pub(super) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let percent = 100.0 * float(part) / float(whole);
    match percent {
        _ if part == 0 => "0 %".to_owned(),
        _ if part == whole => "100 %".to_owned(),
        small if small < 1.0 => "< 1 %".to_owned(),
        large if large > 99.0 => "> 99 %".to_owned(),
        other => format!("{other:.0} %"),
    }
}

/// One piece of a [`bar`]: class of its colour, what it counts, how many.
pub(super) type Piece<'a> = (&'a str, &'a str, u64);

/// A bar of pieces, whose text alternative says all of them.
pub(super) fn bar(id: &str, name: &str, pieces: &[Piece<'_>]) -> String {
    const WIDTH: f64 = 600.0;
    let total: u64 = pieces.iter().map(|(_, _, count)| count).sum();
    let mut drawn = String::new();
    let mut left = 0.0;
    for (class, what, count) in pieces.iter().filter(|(_, _, count)| *count > 0) {
        let width = WIDTH * float(*count) / float(total);
        add(
            &mut drawn,
            format_args!(
                "<rect class=\"fill-{class}\" x=\"{left:.1}\" y=\"0\" width=\"{:.1}\" height=\"14\"><title>{} {}</title></rect>",
                width.max(1.5),
                grouped(*count),
                text(what, 60)
            ),
        );
        left += width;
    }
    let said: Vec<String> =
        pieces.iter().map(|(_, what, count)| format!("{} {}", grouped(*count), text(what, 60))).collect();
    let said = if total == 0 { "nothing".to_owned() } else { said.join(", ") };
    format!(
        "<svg class=\"bar\" role=\"img\" viewBox=\"0 0 {WIDTH} 14\" preserveAspectRatio=\"none\" aria-labelledby=\"{id}-title {id}-desc\">\
         <title id=\"{id}-title\">{name}</title><desc id=\"{id}-desc\">{said}</desc>\
         <rect class=\"fill-none\" x=\"0\" y=\"0\" width=\"{WIDTH}\" height=\"14\"/>{drawn}</svg>"
    )
}

/// The names of the pieces of a bar with their colours, for the eye.
pub(super) fn legend(pieces: &[Piece<'_>]) -> String {
    let mut out = String::from("<ul class=\"legend\">");
    for (class, what, count) in pieces {
        add(
            &mut out,
            format_args!(
                "<li><svg class=\"swatch\" viewBox=\"0 0 12 12\" aria-hidden=\"true\"><rect class=\"fill-{class}\" width=\"12\" height=\"12\"/></svg> <b>{}</b> {}</li>",
                grouped(*count),
                text(what, 60)
            ),
        );
    }
    out.push_str("</ul>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let shown = text("<img src=x onerror=alert(1)>\"'`&</script>\u{202e}", 200);
        assert_eq!(shown, "&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&#96;&amp;&lt;/script&gt;\\u{202e}");
    }

    #[test]
    fn a_share_is_all_only_if_it_is_all() {
        assert_eq!(share(0, 10), "0 %");
        assert_eq!(share(10, 10), "100 %");
        assert_eq!(share(9_999, 10_000), "> 99 %");
        assert_eq!(share(1, 10_000), "< 1 %");
        assert_eq!(share(1, 3), "33 %");
        assert_eq!(share(0, 0), "–");
    }

    #[test]
    fn a_bar_of_nothing_says_so() {
        assert!(bar("x", "Calls", &[("good", "answered", 0)]).contains("<desc id=\"x-desc\">nothing</desc>"));
    }
}
