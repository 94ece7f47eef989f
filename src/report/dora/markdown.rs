//! `dora.md`: the summary of a CI job, or the text of a ticket.
//!
//! In: measurements. Out: GitHub-flavoured Markdown with the same sections as the terminal's page. Names cannot become
//! links, mentions, HTML or table columns.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::DoraFormat;
use super::numbers::{short_title, words};
use super::ranking::{FIVE, Row, Spread, by_numbers, repeated, services};
use super::seen;
use super::wording::{
    footing, frame, gaps_in_words, named, names, number, reasons, services_in_words, unit_of, wordless,
};
use crate::dora::{Measurements, Unit};
use crate::report::markup::plain;
use crate::report::text::{NAME, counted, grouped};

/// The `markdown` format.
#[derive(Debug, Clone, Copy)]
pub struct DoraMarkdown;

const SERVICES: usize = 30;
const REASONS: usize = 3;
const GAPS: usize = 10;
/// Names of services in one line.
const NAMES: usize = 20;

impl DoraFormat for DoraMarkdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn file_name(&self) -> &'static str {
        "dora.md"
    }

    fn about(&self) -> &'static str {
        "the same for a CI job's summary or a ticket"
    }

    fn write(&self, measurements: &Measurements, out: &mut dyn Write) -> io::Result<()> {
        let rows = services(measurements);
        writeln!(out, "# Delivery, {}\n\n{}", plain(&frame(measurements), 200), services_in_words(&rows))?;
        write_seen(out, measurements)?;
        if rows.is_empty() {
            return Ok(());
        }
        write_organization(out, &rows)?;
        write_services(out, &rows)
    }
}

fn write_seen(out: &mut dyn Write, measurements: &Measurements) -> io::Result<()> {
    writeln!(out, "\n## What was seen\n")?;
    let sources = seen::by_source(measurements);
    if sources.is_empty() {
        return writeln!(out, "Nothing: no source of history was asked.");
    }
    writeln!(out, "| source | places | of the window | gaps |\n|---|--:|--:|--:|")?;
    for seen in sources {
        let share = words(Some(seen.share), Unit::Ratio);
        let (places, gaps) = (grouped(seen.places), gaps_in_words(&seen));
        writeln!(out, "| {} | {places} | {share} | {gaps} |", seen.source.name())?;
    }
    let gaps = seen::gaps(measurements);
    for (place, sentence) in gaps.iter().take(GAPS).enumerate() {
        let break_before = if place == 0 { "\n" } else { "" };
        writeln!(out, "{break_before}- {}", plain(sentence, 400))?;
    }
    let more = gaps.len().saturating_sub(GAPS) as u64;
    if more > 0 {
        writeln!(out, "- … and {} in `dora.json`", counted(more, "more gap"))?;
    }
    Ok(())
}

fn write_organization(out: &mut dyn Write, rows: &[Row<'_>]) -> io::Result<()> {
    writeln!(out, "\n## The organization\n\nHow its services are distributed, never one number.\n")?;
    writeln!(out, "| metric | a quarter below | half below | three quarters below | services | without a number |")?;
    writeln!(out, "|---|--:|--:|--:|--:|--:|")?;
    for metric in FIVE {
        let spread = Spread::of(rows, metric);
        let unit = unit_of(rows, metric);
        write!(out, "| {} ", metric.title())?;
        for share in [0.25, 0.5, 0.75] {
            write!(out, "| {} ", words(spread.quantile(share), unit))?;
        }
        writeln!(out, "| {} | {} |", grouped(spread.values.len() as u64), grouped(spread.without()))?;
    }
    Ok(())
}

fn write_services(out: &mut dyn Write, all: &[Row<'_>]) -> io::Result<()> {
    let (rows, unknown) = by_numbers(all);
    let repeated = repeated(all);
    if rows.is_empty() {
        return write_wordless(out, &unknown, &repeated);
    }
    writeln!(out, "\n## Services, where to look first\n")?;
    write!(out, "| service |")?;
    for metric in FIVE {
        write!(out, " {} |", short_title(metric))?;
    }
    writeln!(out, "\n|---|--:|--:|--:|--:|--:|")?;
    for row in rows.iter().take(SERVICES) {
        write!(out, "| {} |", plain(&named(row, &repeated), NAME))?;
        for metric in FIVE {
            let measure = row.measure(metric);
            write!(out, " {} ({}) |", number(measure), footing(measure))?;
        }
        writeln!(out)?;
    }
    let more = rows.len().saturating_sub(SERVICES) as u64;
    if more > 0 {
        writeln!(out, "\n… and {} in `metrics.csv`", counted(more, "more service"))?;
    }
    for row in rows.iter().take(SERVICES) {
        let all = reasons(row);
        let open = row.open_failures();
        if all.is_empty() && open <= 0.0 {
            continue;
        }
        writeln!(out, "\n### {}\n", plain(&named(row, &repeated), NAME))?;
        if open > 0.0 {
            writeln!(out, "- **not recovered yet: {}**", words(Some(open), Unit::Count))?;
        }
        for (metrics, reason) in all.iter().take(REASONS) {
            writeln!(out, "- {metrics}: {}", plain(reason, 400))?;
        }
        let more = all.len().saturating_sub(REASONS) as u64;
        if more > 0 {
            writeln!(out, "- … and {} in `metrics.csv`", counted(more, "more reason"))?;
        }
    }
    write_wordless(out, &unknown, &repeated)
}

fn write_wordless(out: &mut dyn Write, unknown: &[Row<'_>], repeated: &BTreeSet<&str>) -> io::Result<()> {
    let Some(wordless) = wordless(unknown) else { return Ok(()) };
    writeln!(out, "\n## Without numbers\n\n{}\n", wordless.title)?;
    for (why, services) in wordless.groups.iter().take(GAPS) {
        let names = names(services, repeated, NAMES);
        writeln!(out, "- {}: {}", plain(why, 400), plain(&names, 1_000))?;
    }
    let more = wordless.groups.len().saturating_sub(GAPS) as u64;
    if more > 0 {
        writeln!(out, "- … and {} in `metrics.csv`", counted(more, "more reason"))?;
    }
    Ok(())
}
