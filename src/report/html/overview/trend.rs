//! Violations and unknown results over runs, as a plot and as a table.
//!
//! In: the trend of a report. Out: inline SVG, one bar per run, and the same numbers as a table. Runs whose policies changed
//! are marked, because a step there may be no change in AWS.

use super::element::{CLOSE_PANEL, add, class, float, open_panel, text, title};
use super::headline::moment;
use crate::finding::{ComplianceType, Severity};
use crate::report::text::{counted, grouped};
use crate::report::{Report, TREND_RUNS, TrendPoint};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 8.0;
/// Where the violations stand, and how high they can be.
const BASE: f64 = 200.0;
const HEIGHT: f64 = 168.0;
/// As above, for unknown results.
const UNKNOWN_BASE: f64 = 300.0;
const UNKNOWN_HEIGHT: f64 = 64.0;
const BOTTOM: f64 = 322.0;

/// The panel.
pub(super) fn panel(report: &Report<'_>) -> String {
    let mut out = open_panel("trend", "Trend");
    let all = &report.over_time.trend;
    let points: Vec<&TrendPoint> = all.iter().skip(all.len().saturating_sub(TREND_RUNS)).collect();
    if points.len() < 2 {
        out.push_str(
            "<p>A trend needs at least two runs that are kept; this is the first that this report knows of.</p>\n",
        );
        out.push_str(CLOSE_PANEL);
        return out;
    }
    add(
        &mut out,
        format_args!(
            "<figure>{}<figcaption>{}Each bar is a run, oldest left. Above: open violations by severity. Below: results that nobody knows (hatched). \
             A dashed line marks a run with other policies or another version of pipewarden than the run before it.</figcaption></figure>\n",
            plot(&points),
            severity_legend()
        ),
    );
    out.push_str(&table(&points, all.len()));
    out.push_str(CLOSE_PANEL);
    out
}

fn severity_legend() -> String {
    let mut out = String::from("<span class=\"legend-line\">");
    for severity in Severity::ALL {
        add(
            &mut out,
            format_args!(
                "<svg class=\"swatch\" viewBox=\"0 0 12 12\" aria-hidden=\"true\"><rect class=\"fill-{}\" width=\"12\" height=\"12\"/></svg> {} ",
                class(severity),
                title(severity)
            ),
        );
    }
    out.push_str(
        "<svg class=\"swatch\" viewBox=\"0 0 12 12\" aria-hidden=\"true\"><rect class=\"fill-unknown\" width=\"12\" height=\"12\"/></svg> Unknown</span> ",
    );
    out
}

fn violations(point: &TrendPoint) -> u64 {
    point.counts.violations.values().sum()
}

fn unknown(point: &TrendPoint) -> u64 {
    point.counts.of(ComplianceType::InsufficientData)
}

/// The next number above that is easy to read and easy to halve.
fn round_up(most: u64) -> u64 {
    const STEPS: [u64; 10] = [10, 12, 16, 20, 24, 30, 40, 50, 60, 80];
    if most <= 10 {
        return most.max(1);
    }
    let mut power: u64 = 1;
    loop {
        let rounded = STEPS.into_iter().map(|step| step.saturating_mul(power)).find(|rounded| *rounded >= most);
        if let Some(rounded) = rounded {
            return rounded;
        }
        power = power.saturating_mul(10);
    }
}

fn plot(points: &[&TrendPoint]) -> String {
    let step = (WIDTH - LEFT - RIGHT) / float(points.len() as u64);
    // A few runs do not become planks.
    let bar = (step * 0.72).clamp(2.0, 56.0);
    let most = round_up(points.iter().map(|point| violations(point)).max().unwrap_or(0).max(1));
    let most_unknown = round_up(points.iter().map(|point| unknown(point)).max().unwrap_or(0).max(1));
    let mut drawn = axes(most, most_unknown);
    let every = points.len().div_ceil(8).max(1);
    for (place, point) in points.iter().enumerate() {
        let middle = LEFT + step * (float(place as u64) + 0.5);
        if point.other_policies {
            add(
                &mut drawn,
                format_args!(
                    "<line class=\"policies\" x1=\"{middle:.1}\" y1=\"14\" x2=\"{middle:.1}\" y2=\"{UNKNOWN_BASE}\"><title>{}: other policies</title></line>",
                    moment(&point.started_at)
                ),
            );
        }
        add(&mut drawn, format_args!("<g><title>{}</title>", text(&sentence(point), 300)));
        let mut base = BASE;
        for severity in Severity::ALL {
            let count = point.counts.violations.get(&severity).copied().unwrap_or(0);
            if count == 0 {
                continue;
            }
            let tall = (HEIGHT * float(count) / float(most)).max(1.0);
            base -= tall;
            rect(&mut drawn, class(severity), middle - bar / 2.0, base, bar, tall);
        }
        let unseen = unknown(point);
        if unseen > 0 {
            let tall = (UNKNOWN_HEIGHT * float(unseen) / float(most_unknown)).max(1.5);
            rect(&mut drawn, "unknown", middle - bar / 2.0, UNKNOWN_BASE - tall, bar, tall);
        }
        drawn.push_str("</g>");
        if place % every == 0 {
            let day = point.started_at.get(5..10).unwrap_or_default();
            add(
                &mut drawn,
                format_args!(
                    "<text text-anchor=\"middle\" x=\"{middle:.1}\" y=\"{:.1}\">{}</text>",
                    BOTTOM - 4.0,
                    text(day, 10)
                ),
            );
        }
    }
    format!(
        "<svg class=\"plot\" role=\"img\" viewBox=\"0 0 {WIDTH} {BOTTOM}\" aria-labelledby=\"trend-title trend-desc\">\
         <title id=\"trend-title\">Violations and unknown results over runs</title><desc id=\"trend-desc\">{}</desc>{drawn}</svg>",
        text(&description(points), 600)
    )
}

fn axes(most: u64, most_unknown: u64) -> String {
    let mut out = String::new();
    let right = WIDTH - RIGHT;
    for (base, height, top, name, name_y) in [
        (BASE, HEIGHT, most, "violations", 14.0),
        (UNKNOWN_BASE, UNKNOWN_HEIGHT, most_unknown, "unknown", UNKNOWN_BASE - UNKNOWN_HEIGHT - 8.0),
    ] {
        for (share, value) in [(1.0, Some(top)), (0.5, top.is_multiple_of(2).then_some(top / 2)), (0.0, Some(0))] {
            let Some(value) = value else { continue };
            let y = base - height * share;
            let class = if share == 0.0 { "axis" } else { "rule" };
            add(
                &mut out,
                format_args!(
                    "<line class=\"{class}\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>\
                     <text text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                    LEFT - 6.0,
                    y + 4.0,
                    grouped(value)
                ),
            );
        }
        add(&mut out, format_args!("<text class=\"strong\" x=\"0\" y=\"{name_y:.1}\">{name}</text>"));
    }
    out
}

fn rect(out: &mut String, class: &str, x: f64, y: f64, width: f64, height: f64) {
    add(
        out,
        format_args!(
            "<rect class=\"fill-{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        ),
    );
}

fn sentence(point: &TrendPoint) -> String {
    format!(
        "{}: {}, {}, {} that could not be seen",
        moment(&point.started_at),
        counted(violations(point), "violation"),
        counted(unknown(point), "unknown result"),
        counted(point.gaps, "thing")
    )
}

fn description(points: &[&TrendPoint]) -> String {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    let marked = points.iter().filter(|point| point.other_policies).count() as u64;
    format!(
        "{}. The first, {}. The last, {}. {} with other policies than the one before. The table below has all numbers.",
        counted(points.len() as u64, "run"),
        sentence(first),
        sentence(last),
        counted(marked, "run")
    )
}

fn table(points: &[&TrendPoint], all: usize) -> String {
    let mut out = String::from(
        "<details><summary>The numbers of the plot</summary>\n<div class=\"wide\"><table>\n<caption>Runs, newest first</caption>\n\
         <thead><tr><th scope=\"col\">run</th>",
    );
    for severity in Severity::ALL {
        add(&mut out, format_args!("<th scope=\"col\" class=\"number\">{}</th>", title(severity)));
    }
    out.push_str(
        "<th scope=\"col\" class=\"number\">excepted</th><th scope=\"col\" class=\"number\">unknown</th><th scope=\"col\" class=\"number\">not seen</th>\
         <th scope=\"col\" class=\"number\">accounts</th><th scope=\"col\" class=\"number\">calls not answered</th><th scope=\"col\">policies</th></tr></thead>\n<tbody>\n",
    );
    for point in points.iter().rev() {
        add(&mut out, format_args!("<tr><th scope=\"row\">{}</th>", moment(&point.started_at)));
        let severities = Severity::ALL.map(|severity| point.counts.violations.get(&severity).copied().unwrap_or(0));
        let others =
            [point.counts.excepted, unknown(point), point.gaps, point.accounts, point.calls.calls() - point.calls.ok];
        for count in severities.into_iter().chain(others) {
            add(&mut out, format_args!("<td class=\"number\">{}</td>", grouped(count)));
        }
        add(&mut out, format_args!("<td>{}</td></tr>\n", if point.other_policies { "changed" } else { "" }));
    }
    out.push_str("</tbody></table></div>\n");
    let more = all.saturating_sub(points.len()) as u64;
    if more > 0 {
        add(&mut out, format_args!("<p>{} not shown.</p>\n", counted(more, "older run")));
    }
    out.push_str("</details>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_numbers_that_are_easy_to_read() {
        for (most, top) in [(0, 1), (3, 3), (10, 10), (11, 12), (4_321, 5_000), (233, 240), (u64::MAX, u64::MAX)] {
            assert_eq!(round_up(most), top);
        }
    }
}
