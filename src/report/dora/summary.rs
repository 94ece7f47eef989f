//! `dora.txt` and what a person sees on the terminal.
//!
//! In: measurements. Out: a page for somebody who leads the teams: what was seen, how the services are distributed, then
//! the services in the order in which to look at them, each number with how many it is made of. It reads the same without
//! colour.

use std::io::{self, Write};

use super::DoraFormat;
use super::numbers::{short_title, words};
use super::ranking::{FIVE, Row, Spread, by_numbers, repeated, services};
use super::seen;
use super::wording::{footing, frame, names, number, reasons, seen_in_words, services_in_words, unit_of, wordless};
use crate::dora::{Measurements, MetricName, Unit};
use crate::report::page::Page;
use crate::report::text::{NAME, counted, grouped, short, visible};
use crate::report::tone::Tone;

/// The `summary` format.
#[derive(Debug, Clone, Copy)]
pub struct DoraSummary {
    width: usize,
    color: bool,
    services: usize,
}

/// Width of a column of numbers; five of them and the indent fit the narrowest page.
const COLUMN: usize = 15;
/// Width of a column of quartiles.
const QUARTILE: usize = 14;
const INDENT: usize = 4;
const REASONS: usize = 3;
const GAPS: usize = 5;
/// Names of services in one line.
const NAMES: usize = 8;

impl DoraSummary {
    /// What the folder of a run gets: 100 columns, no colour.
    pub const PLAIN: Self = Self { width: 100, color: false, services: 20 };

    /// For a terminal of `width` columns.
    #[must_use]
    pub fn new(width: usize, color: bool) -> Self {
        Self { width, color, ..Self::PLAIN }
    }

    /// Shows at most so many services.
    #[must_use]
    pub fn with_services(self, services: usize) -> Self {
        Self { services, ..self }
    }
}

impl DoraFormat for DoraSummary {
    fn name(&self) -> &'static str {
        "summary"
    }

    fn file_name(&self) -> &'static str {
        "dora.txt"
    }

    fn about(&self) -> &'static str {
        "what was seen, how services are distributed, and where to look first, for reading"
    }

    fn write(&self, measurements: &Measurements, out: &mut dyn Write) -> io::Result<()> {
        let rows = services(measurements);
        let mut page = Page::new(out, self.width, self.color);
        page.wrapped(0, 0, Some(Tone::Strong), &visible(&format!("Delivery, {}", frame(measurements))))?;
        page.line(0, "")?;
        page.wrapped(0, 0, None, &services_in_words(&rows))?;
        write_seen(&mut page, measurements)?;
        write_organization(&mut page, &rows)?;
        write_services(&mut page, &rows, self.services)?;
        page.heading("Everything in full", "")?;
        page.line(2, "dora.html   metrics.csv   deployments.csv   lead_times.csv   dora.json")
    }
}

fn write_seen(page: &mut Page<'_>, measurements: &Measurements) -> io::Result<()> {
    page.heading("What was seen", "")?;
    let sources = seen::by_source(measurements);
    if sources.is_empty() {
        page.wrapped(2, 2, Some(Tone::Worrying), "nothing: no source of history was asked")?;
    }
    for seen in &sources {
        let tone = if seen.is_worrying() { Tone::Worrying } else { Tone::Good };
        let name = page.paint(tone, &format!("{:<22}", seen.source.name()));
        page.line(2, &format!("{name}{}", seen_in_words(seen)))?;
    }
    let gaps = seen::gaps(measurements);
    for sentence in gaps.iter().take(GAPS) {
        page.wrapped(2, 4, None, &format!("• {}", short(sentence, 300)))?;
    }
    let more = gaps.len().saturating_sub(GAPS) as u64;
    if more > 0 {
        page.line(2, &format!("… and {} in dora.json", counted(more, "more gap")))?;
    }
    Ok(())
}

fn write_organization(page: &mut Page<'_>, rows: &[Row<'_>]) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    page.heading("The organization", "how its services are distributed, never one number")?;
    let head = ["1st quartile", "median", "3rd quartile"];
    let title = head.map(|name| format!("{name:<QUARTILE$}")).concat();
    let title = page.paint(Tone::Quiet, &format!("{title}services  without"));
    page.line(2 + COLUMN, &title)?;
    for metric in MetricName::ALL {
        let spread = Spread::of(rows, metric);
        if spread.values.is_empty() && !FIVE.contains(&metric) {
            continue;
        }
        let unit = unit_of(rows, metric);
        let quartile = |share| format!("{:<QUARTILE$}", format!("{} ", words(spread.quantile(share), unit)));
        let quartiles = [0.25, 0.5, 0.75].map(quartile).concat();
        let counts = format!("{:>8}  {:>7}", grouped(spread.values.len() as u64), grouped(spread.without()));
        page.line(2, &format!("{:<COLUMN$}{quartiles}{counts}", short_title(metric)))?;
    }
    Ok(())
}

fn write_services(page: &mut Page<'_>, rows: &[Row<'_>], most: usize) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let (known, unknown) = by_numbers(rows);
    if known.is_empty() {
        return write_wordless(page, rows, &unknown);
    }
    page.heading("Services", "where to look first")?;
    let title = FIVE.map(|metric| format!("{:<COLUMN$}", short_title(metric))).concat();
    let title = page.paint(Tone::Quiet, title.trim_end());
    page.line(INDENT, &title)?;
    for row in known.iter().take(most) {
        write_service(page, row)?;
    }
    let more = known.len().saturating_sub(most) as u64;
    if more > 0 {
        page.line(0, "")?;
        page.line(2, &format!("… and {} in metrics.csv", counted(more, "more service")))?;
    }
    write_wordless(page, rows, &unknown)
}

fn write_wordless(page: &mut Page<'_>, rows: &[Row<'_>], unknown: &[Row<'_>]) -> io::Result<()> {
    let Some(wordless) = wordless(unknown) else { return Ok(()) };
    page.heading("Without numbers", "")?;
    page.wrapped(2, 2, None, &wordless.title)?;
    let repeated = repeated(rows);
    for (why, services) in wordless.groups.iter().take(GAPS) {
        let names = names(services, &repeated, NAMES);
        page.wrapped(2, 4, None, &format!("• {}: {}", short(why, 300), short(&visible(&names), 500)))?;
    }
    let more = wordless.groups.len().saturating_sub(GAPS) as u64;
    if more > 0 {
        page.line(2, &format!("… and {} in metrics.csv", counted(more, "more reason")))?;
    }
    Ok(())
}

fn write_service(page: &mut Page<'_>, row: &Row<'_>) -> io::Result<()> {
    page.line(0, "")?;
    let place = row.service.map_or(String::new(), |service| format!("  ({} {})", service.account, service.region));
    page.wrapped(2, 4, Some(Tone::Strong), &format!("{}{place}", short(row.name(), NAME)))?;
    let columns = |cell: &dyn Fn(MetricName) -> String| -> String {
        FIVE.map(|metric| format!("{:<COLUMN$}", format!("{} ", cell(metric)))).concat()
    };
    page.line(INDENT, columns(&|metric| number(row.measure(metric))).trim_end())?;
    let footings = columns(&|metric| footing(row.measure(metric)));
    let footings = page.paint(Tone::Quiet, footings.trim_end());
    page.line(INDENT, &footings)?;
    let open = row.open_failures();
    if open > 0.0 {
        let text = format!("not recovered yet: {}", words(Some(open), Unit::Count));
        page.wrapped(INDENT, INDENT, Some(Tone::Bad), &text)?;
    }
    let also: Vec<String> = MetricName::ALL
        .into_iter()
        .filter(|metric| !FIVE.contains(metric) && row.value(*metric).is_some())
        .map(|metric| {
            let measure = row.measure(metric);
            format!("{} {} ({})", short_title(metric), number(measure), footing(measure))
        })
        .collect();
    if !also.is_empty() {
        page.wrapped(INDENT, INDENT + 2, None, &format!("also: {}", also.join(" · ")))?;
    }
    let all = reasons(row);
    for (metrics, reason) in all.iter().take(REASONS) {
        page.wrapped(INDENT, INDENT + 2, None, &format!("• {metrics}: {}", short(reason, 300)))?;
    }
    let more = all.len().saturating_sub(REASONS) as u64;
    if more > 0 {
        page.line(INDENT, &format!("… and {} in metrics.csv", counted(more, "more reason")))?;
    }
    Ok(())
}
