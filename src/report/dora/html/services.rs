//! All services in one table, where to look first.

use super::{add, link, text};
use crate::dora::Unit;
use crate::report::dora::numbers::{short_title, words};
use crate::report::dora::ranking::{FIVE, Row, repeated};
use crate::report::dora::wording::{footing, names, number, wordless};
use crate::report::text::counted;

const ROWS: usize = 200;

/// Names of services in one line.
const NAMES: usize = 50;

/// The section with the table of services, and a list of those without numbers; the first `sections` have sections of
/// their own.
pub(super) fn section(rows: &[Row<'_>], unknown: &[Row<'_>], sections: usize) -> String {
    let mut out = String::from("<section id=\"services\">\n<h2>Services</h2>\n");
    if rows.is_empty() {
        out.push_str(if unknown.is_empty() { "<p>None.</p>\n" } else { "" });
        out.push_str(&without(rows, unknown));
        out.push_str("</section>\n");
        return out;
    }
    out.push_str("<div class=\"wide\"><table>\n<caption>Where to look first: failures that nothing has recovered, high change fail rates, then what nothing can be said of</caption>\n<thead><tr><th scope=\"col\">service</th>");
    for metric in FIVE {
        add(&mut out, format_args!("<th scope=\"col\" title=\"{}\">{}</th>", metric.title(), short_title(metric)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (place, row) in rows.iter().take(ROWS).enumerate() {
        let where_it_is =
            row.service.map_or_else(String::new, |service| format!("{} {}", service.account, service.region.as_str()));
        add(
            &mut out,
            format_args!(
                "<tr><th scope=\"row\">{}<span class=\"foot\">{}</span>{}</th>",
                link(row, place, sections),
                text(&where_it_is, 60),
                open(row)
            ),
        );
        for metric in FIVE {
            let measure = row.measure(metric);
            add(
                &mut out,
                format_args!(
                    "<td><span class=\"value\">{}</span><span class=\"foot\">{}</span></td>",
                    text(&number(measure), 40),
                    text(&footing(measure), 40)
                ),
            );
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    let more = rows.len().saturating_sub(ROWS) as u64;
    if more > 0 {
        add(&mut out, format_args!("<p>… and {} in <code>metrics.csv</code></p>\n", counted(more, "more service")));
    }
    let undetailed = rows.len().saturating_sub(sections) as u64;
    if undetailed > 0 {
        add(
            &mut out,
            format_args!(
                "<p>The first {sections} are shown in detail below; the deployments and numbers of {} are in \
             <code>deployments.csv</code> and <code>metrics.csv</code>.</p>\n",
                counted(undetailed, "other service")
            ),
        );
    }
    out.push_str(&without(rows, unknown));
    out.push_str("</section>\n");
    out
}

/// Services of which no number is known.
fn without(rows: &[Row<'_>], unknown: &[Row<'_>]) -> String {
    let Some(wordless) = wordless(unknown) else { return String::new() };
    let all: Vec<Row<'_>> = rows.iter().chain(unknown).copied().collect();
    let repeated = repeated(&all);
    let mut out = format!("<details><summary>{}</summary>\n<ul class=\"reasons\">\n", text(&wordless.title, 300));
    for (why, services) in wordless.groups.iter().take(ROWS) {
        let names = names(services, &repeated, NAMES);
        add(&mut out, format_args!("<li><strong>{}</strong>: {}</li>\n", text(&names, 2_000), text(why, 500)));
    }
    out.push_str("</ul>\n</details>\n");
    out
}

/// What is broken now.
pub(super) fn open(row: &Row<'_>) -> String {
    let open = row.open_failures();
    if open <= 0.0 {
        return String::new();
    }
    format!("<span class=\"foot bad\">not recovered: {}</span>", words(Some(open), Unit::Count))
}
