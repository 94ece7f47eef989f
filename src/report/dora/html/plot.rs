//! Plots as inline SVG, drawn without scripts and without style attributes, which the page's policy forbids.
//!
//! In: buckets, distributions, spreads. Out: figures with a title and a description that say in words what is drawn.

use super::{add, text};
use crate::dora::{Bucket, BucketLength, Distribution, MetricName, Unit};
use crate::report::dora::numbers::{duration, float, words};
use crate::report::dora::ranking::{Row, Spread};
use crate::report::text::{counted, grouped};

const WIDTH: f64 = 640.0;
const LEFT: f64 = 8.0;
/// Weeks of a year and a bit; more would be too narrow to see.
const WEEKS: usize = 60;
const DOTS: usize = 400;

/// Deployments per week with the failed ones, and the median lead time below them.
pub(super) fn trend(row: &Row<'_>, anchor: &str) -> String {
    let weeks: Vec<&Bucket> = row.numbers.buckets.iter().filter(|bucket| bucket.length == BucketLength::Week).collect();
    let skipped = weeks.len().saturating_sub(WEEKS);
    let weeks: Vec<&Bucket> = weeks.into_iter().skip(skipped).collect();
    if weeks.is_empty() {
        return String::new();
    }
    let step = (WIDTH - 2.0 * LEFT) / float(weeks.len() as u64);
    let most = weeks.iter().filter_map(|week| week.deployments.max(week.completed)).max().unwrap_or(0).max(1);
    let (base, height) = (140.0, 110.0);
    let mut drawn = format!("<line class=\"axis\" x1=\"{LEFT}\" y1=\"{base}\" x2=\"{}\" y2=\"{base}\"/>", WIDTH - LEFT);
    let every = weeks.len().div_ceil(8).max(1);
    for (place, week) in weeks.iter().enumerate() {
        let x = LEFT + step * float(place as u64);
        let (bar, middle) = ((step * 0.72).max(1.0), x + step / 2.0);
        let left = middle - bar / 2.0;
        match week.deployments {
            Some(count) => {
                let tall = height * float(count) / float(most);
                let class = if week.is_partial { "soft" } else { "bar" };
                drawn.push_str(&rect(class, left, base - tall, bar, tall));
                let failed = week.failed.unwrap_or(0);
                let red = height * float(failed) / float(most);
                drawn.push_str(&rect("failed", left, base - red, bar, red));
                if step >= 14.0 {
                    let y = base - tall.max(red) - 4.0;
                    add(
                        &mut drawn,
                        format_args!(
                            "<text class=\"strong\" text-anchor=\"middle\" x=\"{middle:.1}\" y=\"{y:.1}\">{}</text>",
                            grouped(count)
                        ),
                    );
                }
            }
            None => drawn.push_str(&rect("unseen", left, base - height, bar, height)),
        }
        if place % every == 0 {
            add(&mut drawn, format_args!("<text x=\"{x:.1}\" y=\"{:.1}\">{}</text>", base + 16.0, text(&week.day, 10)));
        }
    }
    drawn.push_str(&lead_times(&weeks, step));
    let unseen = weeks.iter().filter(|week| week.deployments.is_none()).count() as u64;
    let total: u64 = weeks.iter().filter_map(|week| week.deployments).sum();
    let busiest = weeks.iter().filter_map(|week| week.deployments).max().unwrap_or(0);
    let failed: u64 = weeks.iter().filter_map(|week| week.failed).sum();
    let description = format!(
        "{} in {}, {} failed; {} not seen; the busiest week had {}.",
        counted(total, "successful deployment"),
        counted(weeks.len() as u64, "week"),
        counted(failed, "change"),
        counted(unseen, "week"),
        grouped(busiest)
    );
    let svg = svg(&format!("{anchor}-trend"), "Weeks", &description, 240.0, &drawn);
    format!(
        "<figure>{svg}<figcaption>Per week: successful deployments (bar), failed changes (red), weeks that the window cuts (pale), weeks not seen (dashed); \
         below, the median lead time of each week. {}</figcaption></figure>\n",
        text(&description, 300)
    )
}

/// A line through the medians; a week without one breaks it.
fn lead_times(weeks: &[&Bucket], step: f64) -> String {
    let longest = weeks.iter().filter_map(|week| week.lead_time_median_seconds).fold(0.0_f64, f64::max);
    if longest <= 0.0 {
        return String::new();
    }
    let (base, height) = (225.0, 50.0);
    let mut path = String::new();
    let mut dots = String::new();
    let mut is_down = false;
    for (place, week) in weeks.iter().enumerate() {
        let Some(seconds) = week.lead_time_median_seconds.filter(|seconds| seconds.is_finite()) else {
            is_down = false;
            continue;
        };
        let x = LEFT + step * (float(place as u64) + 0.5);
        let y = base - height * seconds / longest;
        add(&mut path, format_args!("{}{x:.1} {y:.1}", if is_down { " L" } else { " M" }));
        add(
            &mut dots,
            format_args!(
                "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"><title>{}: {}</title></circle>",
                text(&week.day, 10),
                duration(seconds)
            ),
        );
        is_down = true;
    }
    format!(
        "<line class=\"axis\" x1=\"{LEFT}\" y1=\"{base}\" x2=\"{}\" y2=\"{base}\"/><path class=\"trace\" d=\"{}\"/>{dots}<text x=\"{LEFT}\" y=\"{:.1}\">lead time, at most {}</text>",
        WIDTH - LEFT,
        path.trim_start(),
        base + 13.0,
        duration(longest)
    )
}

/// How many observations lie between bounds.
pub(super) fn distribution(metric: MetricName, distribution: &Distribution, anchor: &str) -> String {
    let bars = distribution.counts.len();
    let total: u64 = distribution.counts.iter().sum();
    let most = distribution.counts.iter().copied().max().unwrap_or(0).max(1);
    if bars == 0 || total == 0 {
        return String::new();
    }
    let step = (WIDTH - 2.0 * LEFT) / float(bars as u64);
    let (base, height) = (190.0, 160.0);
    let mut drawn = format!("<line class=\"axis\" x1=\"{LEFT}\" y1=\"{base}\" x2=\"{}\" y2=\"{base}\"/>", WIDTH - LEFT);
    let mut said = Vec::new();
    for (place, count) in distribution.counts.iter().enumerate() {
        let name = match distribution.bounds.get(place) {
            Some(bound) => format!("≤ {}", duration(float(*bound))),
            None => "longer".to_owned(),
        };
        let tall = height * float(*count) / float(most);
        let middle = LEFT + step * (float(place as u64) + 0.5);
        drawn.push_str(&rect("bar", middle - step * 0.4, base - tall, step * 0.8, tall));
        add(
            &mut drawn,
            format_args!(
                "<text class=\"strong\" text-anchor=\"middle\" x=\"{middle:.1}\" y=\"{:.1}\">{}</text><text text-anchor=\"middle\" x=\"{middle:.1}\" y=\"{:.1}\">{name}</text>",
                base - tall - 4.0,
                grouped(*count),
                base + 16.0
            ),
        );
        if *count > 0 {
            said.push(format!("{} {name}", grouped(*count)));
        }
    }
    let description = format!("{}: {}.", counted(total, "observation"), said.join(", "));
    let id = format!("{anchor}-{}", metric.name().replace('_', "-"));
    let svg = svg(&id, metric.title(), &description, 220.0, &drawn);
    format!("<figure>{svg}<figcaption>{}: n {}</figcaption></figure>\n", metric.title(), grouped(total))
}

/// One dot per service along an axis; durations on a logarithmic one.
pub(super) fn spread(spread: &Spread, unit: Unit) -> String {
    let (axis, middle) = (74.0, 42.0);
    let id = format!("spread-{}", spread.metric.name().replace('_', "-"));
    let (Some(least), Some(most)) = (spread.values.first().copied(), spread.values.last().copied()) else {
        let drawn = format!(
            "<rect class=\"unseen\" x=\"{LEFT}\" y=\"20\" width=\"{}\" height=\"44\"/><text text-anchor=\"middle\" x=\"{}\" y=\"46\">no service has a number</text>",
            WIDTH - 2.0 * LEFT,
            WIDTH / 2.0
        );
        return svg(&id, spread.metric.title(), "No service has a number.", 100.0, &drawn);
    };
    let place_of = |value: f64| {
        let share = if unit == Unit::Seconds {
            let (low, high) = (least.max(1.0).ln(), most.max(1.0).ln());
            if high > low { (value.max(1.0).ln() - low) / (high - low) } else { 0.5 }
        } else if most > 0.0 {
            value / most
        } else {
            0.0
        };
        LEFT + 12.0 + share.clamp(0.0, 1.0) * (WIDTH - 2.0 * LEFT - 24.0)
    };
    let quartiles = [0.25, 0.5, 0.75].map(|share| spread.quantile(share).unwrap_or(least));
    let [lower, half, upper] = quartiles;
    let mut drawn = format!("<line class=\"axis\" x1=\"{LEFT}\" y1=\"{axis}\" x2=\"{}\" y2=\"{axis}\"/>", WIDTH - LEFT);
    let (from, to) = (place_of(lower), place_of(upper));
    drawn.push_str(&rect("box", from, middle - 16.0, (to - from).max(2.0), 32.0));
    for value in spread.values.iter().take(DOTS) {
        add(
            &mut drawn,
            format_args!(
                "<circle class=\"service\" cx=\"{:.1}\" cy=\"{middle}\" r=\"6\"><title>{}</title></circle>",
                place_of(*value),
                words(Some(*value), unit)
            ),
        );
    }
    let line = place_of(half);
    add(
        &mut drawn,
        format_args!(
            "<line class=\"middle\" x1=\"{line:.1}\" y1=\"{}\" x2=\"{line:.1}\" y2=\"{}\"/>",
            middle - 22.0,
            middle + 22.0
        ),
    );
    let left = if unit == Unit::Seconds { least } else { 0.0 };
    add(
        &mut drawn,
        format_args!(
            "<text x=\"{LEFT}\" y=\"{:.1}\">{}</text><text text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            axis + 16.0,
            words(Some(left), unit),
            WIDTH - LEFT,
            axis + 16.0,
            words(Some(most), unit)
        ),
    );
    let description = format!(
        "{} from {} to {}; a quarter below {}, half below {}, three quarters below {}.",
        counted(spread.values.len() as u64, "service"),
        words(Some(least), unit),
        words(Some(most), unit),
        words(Some(lower), unit),
        words(Some(half), unit),
        words(Some(upper), unit)
    );
    svg(&id, spread.metric.title(), &description, 100.0, &drawn)
}

fn rect(class: &str, x: f64, y: f64, width: f64, height: f64) -> String {
    if height <= 0.0 {
        return String::new();
    }
    format!("<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>")
}

fn svg(id: &str, title: &str, description: &str, height: f64, drawn: &str) -> String {
    format!(
        "<svg role=\"img\" viewBox=\"0 0 {WIDTH} {height}\" aria-labelledby=\"{id}-title {id}-desc\"><title id=\"{id}-title\">{}</title>\
         <desc id=\"{id}-desc\">{}</desc>{drawn}</svg>",
        text(title, 100),
        text(description, 600)
    )
}
