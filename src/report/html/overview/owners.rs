//! Who has most of it.
//!
//! In: the tally. Out: a table of owners by risk; what nobody is known to own stands below, also when it is nothing.

use super::element::{CLOSE_PANEL, add, class, number_cell, open_panel, text, title};
use super::links::Filter;
use super::tally::{Results, Tally};
use crate::finding::Severity;
use crate::report::text::{counted, grouped};

/// Owners shown.
const OWNERS: usize = 15;

/// The panel.
pub(super) fn panel(tally: &Tally) -> String {
    let mut out = open_panel("owners", "Owners with most violations");
    let mut named: Vec<(&str, &Results)> = tally
        .owners
        .iter()
        .filter_map(|(name, results)| Some((name.as_deref()?, results)))
        .filter(|(_, results)| results.open() > 0)
        .collect();
    let nobody = tally.owners.get(&None).copied().unwrap_or_default();
    if named.is_empty() && nobody.open() == 0 {
        out.push_str("<p>There is no open violation that anybody would own, as far as was seen.</p>\n");
        out.push_str(CLOSE_PANEL);
        return out;
    }
    named.sort_by(|(a, one), (b, other)| other.risk().cmp(&one.risk()).then_with(|| a.cmp(b)));
    out.push_str(
        "<div class=\"wide\"><table>\n<caption>Open violations by owner, most risk first</caption>\n<thead><tr><th scope=\"col\">owner</th>",
    );
    for severity in Severity::ALL {
        add(
            &mut out,
            format_args!(
                "<th scope=\"col\" class=\"number\"><span class=\"tag {}\">{}</span></th>",
                class(severity),
                title(severity)
            ),
        );
    }
    out.push_str("<th scope=\"col\" class=\"number\">new</th><th scope=\"col\" class=\"number\">risk</th></tr></thead>\n<tbody>\n");
    for (name, results) in named.iter().take(OWNERS) {
        let filter = Filter::open().owner(name);
        let link = format!("<a href=\"{}\">{}</a>", filter.href(), text(name, 80));
        row(&mut out, &link, results, Some(&filter));
    }
    let rest = named.iter().skip(OWNERS).fold(tally.more_owners.unwrap_or_default(), |mut sum, (_, results)| {
        sum.absorb(results);
        sum
    });
    if rest.open() > 0 {
        let more = named.len().saturating_sub(OWNERS) as u64;
        let name = if tally.more_owners.is_some() {
            format!("more than {}", counted(more, "other owner"))
        } else {
            counted(more, "other owner")
        };
        row(&mut out, &name, &rest, None);
    }
    row(&mut out, "<em>no owner known</em>", &nobody, Some(&Filter::open().owner("")));
    out.push_str("</tbody></table></div>\n");
    if nobody.open() > 0 {
        out.push_str("<p class=\"quiet\">An owner comes from a tag of the resource, a tag of its account, or the owners file.</p>\n");
    }
    out.push_str(CLOSE_PANEL);
    out
}

fn row(out: &mut String, name: &str, results: &Results, filter: Option<&Filter>) {
    add(out, format_args!("<tr><th scope=\"row\" class=\"long\">{name}</th>"));
    for (severity, count) in Severity::ALL.into_iter().zip(results.by_severity) {
        match filter {
            Some(filter) => out.push_str(&number_cell(count, &filter.clone().severity(severity))),
            None => add(out, format_args!("<td class=\"number\">{}</td>", grouped(count))),
        }
    }
    add(
        out,
        format_args!(
            "<td class=\"number\">{}</td><td class=\"number\">{}</td></tr>\n",
            grouped(results.new),
            grouped(results.risk())
        ),
    );
}
