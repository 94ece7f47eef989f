//! What the run says of each framework, in one line.
//!
//! In: a report and its tally. Out: requirements by status, with a bar. No line says that a framework is met.

use super::element::{CLOSE_PANEL, Piece, add, bar, open_panel, text};
use super::links::Filter;
use super::tally::Tally;
use crate::report::Report;
use crate::report::framework_coverage::{Status, of_tallies};
use crate::report::text::grouped;

/// Frameworks shown; folders of policies may bring any number.
const FRAMEWORKS: usize = 30;

const STATUSES: [(Status, &str); 5] = [
    (Status::Violated, "critical"),
    (Status::NotSeen, "unknown"),
    (Status::NoViolation, "good"),
    (Status::NotApplicable, "skipped"),
    (Status::NoControl, "none"),
];

/// The panel.
pub(super) fn panel(report: &Report<'_>, tally: &Tally) -> String {
    let mut out = open_panel("frameworks", "Frameworks");
    let all = of_tallies(report, &tally.by_control);
    if all.is_empty() {
        out.push_str("<p>No framework is among the policies of this run.</p>\n");
        out.push_str(CLOSE_PANEL);
        return out;
    }
    out.push_str(
        "<p class=\"quiet\">Controls answer for parts of requirements: \"no violation found\" means that what these controls asked about was seen and is good, \
         not that a requirement is met as a whole.</p>\n<div class=\"wide\"><table>\n<caption>Requirements of each framework by what this run says of them</caption>\n\
         <thead><tr><th scope=\"col\">framework</th><td></td>",
    );
    for (status, _) in STATUSES {
        add(&mut out, format_args!("<th scope=\"col\" class=\"number\">{}</th>", status.as_str()));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (place, answered) in all.iter().take(FRAMEWORKS).enumerate() {
        let framework = answered.framework;
        let pieces: Vec<Piece<'_>> = STATUSES
            .into_iter()
            .map(|(status, class)| {
                (class, status.as_str(), answered.lines.iter().filter(|line| line.status == status).count() as u64)
            })
            .collect();
        add(
            &mut out,
            format_args!(
                "<tr><th scope=\"row\" class=\"long\"><a href=\"{}\">{}</a> <span class=\"quiet\">{}</span></th><td class=\"drawn\">{}</td>",
                Filter::open().framework(&framework.id).href(),
                text(&framework.name, 96),
                text(&framework.version, 40),
                bar(&format!("framework-{place}"), &format!("Requirements of {}", text(&framework.name, 96)), &pieces)
            ),
        );
        for (_, _, count) in pieces {
            add(&mut out, format_args!("<td class=\"number\">{}</td>", grouped(count)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    let more = all.len().saturating_sub(FRAMEWORKS);
    if more > 0 {
        add(&mut out, format_args!("<p>… and {more} more in <code>frameworks.md</code></p>\n"));
    }
    out.push_str(CLOSE_PANEL);
    out
}
