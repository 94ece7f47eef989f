//! Delivery metrics, where the run has them.
//!
//! In: what the run knows of its page on delivery. Out: how the services of the organization are distributed, and where the
//! page is, which this file cannot bring with it. Without a history, it says how to get one.

use super::element::{CLOSE_PANEL, add, open_panel, text};
use crate::report::Report;
use crate::report::text::grouped;

/// The panel.
pub(super) fn panel(report: &Report<'_>) -> String {
    let mut out = open_panel("delivery", "Delivery");
    let Some(delivery) = &report.over_time.delivery else {
        out.push_str("<p>This run has no delivery metrics: they need a history (<code>--history</code>).</p>\n");
        out.push_str(CLOSE_PANEL);
        return out;
    };
    add(
        &mut out,
        format_args!(
            "<p>{}. <span class=\"quiet\">{}</span></p>\n<div class=\"wide\"><table>\n\
             <caption>How the services are distributed; there is no number of the organization, because it would mix what does not belong together</caption>\n\
             <thead><tr><th scope=\"col\">metric</th><th scope=\"col\" class=\"number\">a quarter below</th><th scope=\"col\" class=\"number\">half below</th>\
             <th scope=\"col\" class=\"number\">three quarters below</th><th scope=\"col\" class=\"number\">services with a number</th>\
             <th scope=\"col\" class=\"number\">without</th></tr></thead>\n<tbody>\n",
            text(&delivery.services, 400),
            text(&delivery.frame, 200)
        ),
    );
    for metric in &delivery.metrics {
        add(&mut out, format_args!("<tr><th scope=\"row\">{}</th>", text(&metric.title, 96)));
        for quartile in &metric.quartiles {
            add(&mut out, format_args!("<td class=\"number\">{}</td>", text(quartile, 40)));
        }
        add(
            &mut out,
            format_args!(
                "<td class=\"number\">{}</td><td class=\"number\">{}</td></tr>\n",
                grouped(metric.with),
                grouped(metric.without)
            ),
        );
    }
    out.push_str("</tbody></table></div>\n");
    out.push_str("<p>Beside this file in the run's folder there is <a href=\"dora/dora.html\">dora/dora.html</a>: every service, plots, and the deployments behind each number. Where this file came alone, ask for it there.</p>\n");
    out.push_str(CLOSE_PANEL);
    out
}
