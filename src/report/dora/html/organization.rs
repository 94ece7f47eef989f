//! How the services of the organization are distributed. There is no number of the organization.

use super::{add, plot, text};
use crate::dora::MetricName;
use crate::report::dora::numbers::words;
use crate::report::dora::ranking::{FIVE, Row, Spread, status_in_words};
use crate::report::dora::wording::unit_of;
use crate::report::text::grouped;

/// The section on the organization.
pub(super) fn section(rows: &[Row<'_>]) -> String {
    let mut out = String::from("<section id=\"organization\">\n<h2>The organization</h2>\n");
    if rows.is_empty() {
        out.push_str("<p>No service was found: nothing that deploys was seen, or nobody looked.</p>\n</section>\n");
        return out;
    }
    out.push_str(
        "<p class=\"quiet\">Each dot is a service, the box holds the middle half of them, the line is the middle one. A number over all of \
         them would mix what does not belong together, so there is none.</p>\n<div class=\"figures\">\n",
    );
    let metrics = MetricName::ALL.into_iter();
    for metric in metrics.filter(|metric| FIVE.contains(metric) || rows.iter().any(|row| row.value(*metric).is_some()))
    {
        let spread = Spread::of(rows, metric);
        let unit = unit_of(rows, metric);
        let statuses: Vec<String> = spread
            .statuses
            .iter()
            .map(|(status, count)| format!("{} {}", grouped(*count), status_in_words(*status)))
            .collect();
        let middle = words(spread.quantile(0.5), unit);
        let caption = format!("{}: half of the services below {middle} ({})", metric.title(), statuses.join(", "));
        let figure = plot::spread(&spread, unit);
        add(&mut out, format_args!("<figure>{figure}<figcaption>{}</figcaption></figure>\n", text(&caption, 300)));
    }
    out.push_str("</div>\n</section>\n");
    out
}
