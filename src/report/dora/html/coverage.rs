//! What was seen, and what was not: the first section.

use super::{add, text};
use crate::dora::{Measurements, Unit};
use crate::report::dora::numbers::{minute, words};
use crate::report::dora::seen;
use crate::report::dora::wording::gaps_in_words;
use crate::report::text::{counted, grouped};

const GAPS: usize = 50;

/// The section on coverage.
pub(super) fn section(measurements: &Measurements) -> String {
    let mut out = String::from("<section id=\"seen\">\n<h2>What was seen</h2>\n");
    let sources = seen::by_source(measurements);
    if sources.is_empty() {
        out.push_str("<p class=\"bad\">Nothing: no source of history was asked, so no number can be said.</p>\n");
    } else {
        out.push_str(
            "<div class=\"wide\"><table>\n<caption>Each source over the window and all places where it was asked</caption>\n\
             <thead><tr><th scope=\"col\">source</th><th scope=\"col\">of the window</th><th scope=\"col\">first seen</th>\
             <th scope=\"col\" class=\"number\">places</th><th scope=\"col\" class=\"number\">gaps</th></tr></thead>\n<tbody>\n",
        );
        for seen in &sources {
            let share = words(Some(seen.share), Unit::Ratio);
            let class = if seen.is_worrying() { "warn" } else { "good" };
            let from = seen.from.map_or_else(|| "never".to_owned(), minute);
            add(
                &mut out,
                format_args!(
                    "<tr><th scope=\"row\">{}</th><td><meter min=\"0\" max=\"1\" value=\"{:.4}\">{share}</meter> <span class=\"{class}\">{share}</span></td>\
                 <td class=\"time\">{from}</td><td class=\"number\">{}</td><td class=\"number\">{}</td></tr>\n",
                    text(seen.source.name(), 40),
                    seen.share,
                    grouped(seen.places),
                    text(&gaps_in_words(seen), 80)
                ),
            );
        }
        out.push_str("</tbody></table></div>\n");
    }
    out.push_str(&gaps(measurements));
    out.push_str("</section>\n");
    out
}

fn gaps(measurements: &Measurements) -> String {
    let all = &measurements.coverage.gaps;
    let gaps = seen::together(all.iter());
    if gaps.is_empty() {
        return String::new();
    }
    let title = counted(all.len() as u64, "gap");
    let mut out = format!(
        "<details open><summary>{title}: what could not be seen, and why</summary>\n<div class=\"wide\"><table>\n\
         <thead><tr><th scope=\"col\">source</th><th scope=\"col\">from</th><th scope=\"col\">to</th><th scope=\"col\">what</th>\
         <th scope=\"col\">why</th></tr></thead>\n<tbody>\n"
    );
    for gap in gaps.iter().take(GAPS) {
        let time = |time: Option<time::OffsetDateTime>| time.map_or_else(|| "not known".to_owned(), minute);
        add(
            &mut out,
            format_args!(
                "<tr><th scope=\"row\">{}</th><td class=\"time\">{}</td><td class=\"time\">{}</td><td class=\"long\">{}</td><td class=\"long\">{}</td></tr>\n",
                gap.source.name(),
                time(gap.from),
                time(gap.to),
                text(&what(gap), 200),
                text(&gap.sentence, 400)
            ),
        );
    }
    out.push_str("</tbody></table></div>\n");
    let more = gaps.len().saturating_sub(GAPS) as u64;
    if more > 0 {
        add(&mut out, format_args!("<p>… and {} in <code>dora.json</code></p>\n", counted(more, "more gap")));
    }
    out.push_str("</details>\n");
    out
}

/// What gaps are about.
fn what(gap: &seen::Shared<'_>) -> String {
    let subjects: Vec<&str> = gap.subjects.iter().map(|subject| subject.unwrap_or("everything there")).collect();
    match subjects.as_slice() {
        [one] => (*one).to_owned(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        [] => String::new(),
    }
}
