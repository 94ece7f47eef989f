//! Organizational units against services: where violations are, and where nobody knows.
//!
//! In: the tally. Out: a table whose cells are coloured by risk; a cell with unknown results is hatched, so that it never
//! looks like a zero. It is its own text alternative.

use std::collections::{BTreeMap, BTreeSet};

use super::element::{CLOSE_PANEL, add, float, open_panel, text};
use super::links::Filter;
use super::tally::{NO_UNIT, Results, Tally};
use crate::report::Report;
use crate::report::accounts::{Accounts, Sight};
use crate::report::text::{counted, grouped};

/// Units with a row of their own.
const UNITS: usize = 25;
/// Services with a column of their own.
const SERVICES: usize = 20;

/// One row.
struct Unit<'a> {
    /// None for the rest of the units together.
    path: Option<&'a str>,
    name: String,
    accounts: BTreeMap<Sight, u64>,
    cells: BTreeMap<&'a str, Results>,
}

impl Unit<'_> {
    fn sum(&self) -> Results {
        let mut sum = Results::default();
        for cell in self.cells.values() {
            sum.absorb(cell);
        }
        sum
    }

    fn accounts_of(&self, sight: Sight) -> u64 {
        self.accounts.get(&sight).copied().unwrap_or(0)
    }
}

/// The panel.
pub(super) fn panel(report: &Report<'_>, tally: &Tally, accounts: &Accounts<'_>) -> String {
    let mut out = open_panel("heat", "Where");
    let services = columns(tally);
    if services.is_empty() {
        out.push_str("<p>Nothing was judged, so there is nothing to show by unit.</p>\n");
        out.push_str(CLOSE_PANEL);
        return out;
    }
    let rows = rows(report, tally, accounts);
    let most = rows.iter().flat_map(|row| row.cells.values()).map(Results::risk).max().unwrap_or(0);
    out.push_str(
        "<div class=\"wide\"><table class=\"heat\">\n<caption>Open violations by organizational unit and service; a stronger colour is more risk. \
         Hatched with a question mark: results that could not be seen, which are no zero. A dot: nothing of that kind was asked about.</caption>\n\
         <thead><tr><th scope=\"col\">organizational unit</th>",
    );
    for service in &services {
        add(&mut out, format_args!("<th scope=\"col\" class=\"turned\"><span>{}</span></th>", text(service, 24)));
    }
    out.push_str("<th scope=\"col\" class=\"number\">all</th></tr></thead>\n<tbody>\n");
    for row in &rows {
        add(
            &mut out,
            format_args!(
                "<tr><th scope=\"row\"><span class=\"path\">{}</span> <span class=\"quiet\">{}</span></th>",
                text(&row.name, 64),
                seen(row)
            ),
        );
        for service in &services {
            let cell = row.cells.get(service.as_str()).copied().unwrap_or_default();
            out.push_str(&cell_of(&cell, most, row.path.map(|path| (path, service.as_str()))));
        }
        let sum = row.sum();
        let unknown = if sum.unknown > 0 {
            format!(" <span class=\"unknown-text\">{} ?</span>", grouped(sum.unknown))
        } else {
            String::new()
        };
        let open = row
            .path
            .filter(|path| *path != NO_UNIT)
            .map_or_else(|| grouped(sum.open()), |path| super::element::linked(sum.open(), &Filter::open().unit(path)));
        add(&mut out, format_args!("<td class=\"number sum\">{open}{unknown}</td></tr>\n"));
    }
    out.push_str("</tbody></table></div>\n");
    out.push_str(CLOSE_PANEL);
    out
}

/// `12 accounts, 2 dark`
fn seen(row: &Unit<'_>) -> String {
    let all: u64 = row.accounts.values().sum();
    let mut said = vec![counted(all, "account")];
    for (sight, word) in [(Sight::Dark, "dark"), (Sight::LeftOut, "left out")] {
        let count = row.accounts_of(sight);
        if count > 0 {
            said.push(format!("{} {word}", grouped(count)));
        }
    }
    said.join(", ")
}

/// Services with most risk first come first; the others are one column.
fn columns(tally: &Tally) -> Vec<String> {
    let all: BTreeSet<&str> = tally.heat.values().flat_map(BTreeMap::keys).map(String::as_str).collect();
    let mut sums: Vec<(u64, u64, &str)> = all
        .into_iter()
        .map(|service| {
            let cells = tally.heat.values().filter_map(|row| row.get(service));
            let (risk, unknown) = cells.fold((0, 0), |sum, cell| (sum.0 + cell.risk(), sum.1 + cell.unknown));
            (risk, unknown, service)
        })
        .collect();
    sums.sort_by(|a, b| (b.0, b.1).cmp(&(a.0, a.1)).then_with(|| a.2.cmp(b.2)));
    sums.into_iter().take(SERVICES).map(|(_, _, service)| service.to_owned()).collect()
}

/// Units with most risk first, those with most unknown next; the others are one row.
fn rows<'a>(report: &'a Report<'_>, tally: &'a Tally, accounts: &Accounts<'_>) -> Vec<Unit<'a>> {
    let mut units: BTreeMap<&str, Unit<'_>> = BTreeMap::new();
    let unit = |path: &'a str| {
        let name = if path == NO_UNIT { "unit not known".to_owned() } else { path.to_owned() };
        Unit { path: Some(path), name, accounts: BTreeMap::new(), cells: BTreeMap::new() }
    };
    for (path, cells) in &tally.heat {
        let row = units.entry(path).or_insert_with(|| unit(path));
        row.cells = cells.iter().map(|(service, cell)| (service.as_str(), *cell)).collect();
    }
    for (id, sight) in accounts.sights() {
        let path = report.accounts.get(id).map_or(NO_UNIT, |account| account.organizational_unit_path.as_str());
        let row = units.entry(path).or_insert_with(|| unit(path));
        *row.accounts.entry(sight).or_default() += 1;
    }
    let mut rows: Vec<Unit<'_>> = units.into_values().collect();
    rows.sort_by_cached_key(|row| {
        let sum = row.sum();
        (std::cmp::Reverse((sum.risk(), sum.unknown)), row.name.clone())
    });
    let rest = rows.split_off(UNITS.min(rows.len()));
    if !rest.is_empty() {
        let name = format!("{} together", counted(rest.len() as u64, "more unit"));
        let mut together = Unit { path: None, name, accounts: BTreeMap::new(), cells: BTreeMap::new() };
        for row in rest {
            for (sight, count) in row.accounts {
                *together.accounts.entry(sight).or_default() += count;
            }
            for (service, cell) in row.cells {
                together.cells.entry(service).or_default().absorb(&cell);
            }
        }
        rows.push(together);
    }
    rows
}

fn cell_of(cell: &Results, most: u64, place: Option<(&str, &str)>) -> String {
    if cell.is_empty() {
        return "<td class=\"nothing\"><span aria-hidden=\"true\">·</span><span class=\"aside\">nothing asked</span></td>".to_owned();
    }
    let place = place.filter(|(unit, _)| *unit != NO_UNIT);
    let hatched = if cell.unknown > 0 { " hatched" } else { "" };
    let mut out = format!("<td class=\"heat-{}{hatched}\">", level(cell.risk(), most));
    let open = cell.open();
    if open > 0 || cell.unknown == 0 {
        match place.filter(|_| open > 0) {
            Some((unit, service)) => add(
                &mut out,
                format_args!("<a href=\"{}\">{}</a>", Filter::open().unit(unit).service(service).href(), grouped(open)),
            ),
            None => out.push_str(&grouped(open)),
        }
        out.push_str("<span class=\"aside\"> open</span>");
    }
    if cell.unknown > 0 {
        let shown = format!(
            "{}<span aria-hidden=\"true\"> ?</span><span class=\"aside\"> unknown</span>",
            grouped(cell.unknown)
        );
        match place {
            Some((unit, service)) => add(
                &mut out,
                format_args!(
                    " <a class=\"unknown-text\" href=\"{}\">{shown}</a>",
                    Filter::unknown().unit(unit).service(service).href()
                ),
            ),
            None => add(&mut out, format_args!(" <span class=\"unknown-text\">{shown}</span>")),
        }
    }
    out.push_str("</td>");
    out
}

/// How dark a cell is, from 0 (no violation) to 5 (the most risk on the page); steps are of equal ratio, because risks of
/// units differ by powers of ten.
fn level(risk: u64, most: u64) -> u8 {
    if risk == 0 || most == 0 {
        return 0;
    }
    let share = float(risk + 1).ln() / float(most + 1).ln();
    match share {
        low if low <= 0.2 => 1,
        low if low <= 0.4 => 2,
        middle if middle <= 0.6 => 3,
        high if high <= 0.8 => 4,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_no_violation_is_of_level_zero() {
        assert_eq!(level(0, 1_000), 0);
        assert!(level(1, 1_000_000) >= 1);
        assert_eq!(level(1_000, 1_000), 5);
        assert_eq!(level(1, 1), 5);
    }

    #[test]
    fn unknown_is_no_zero() {
        let nobody_knows = Results { unknown: 3, ..Results::default() };
        let good = Results { good: 3, ..Results::default() };
        let unseen = cell_of(&nobody_knows, 10, Some(("/Prod", "s3")));
        assert!(unseen.contains("hatched") && !unseen.contains(">0<"), "{unseen}");
        let seen = cell_of(&good, 10, Some(("/Prod", "s3")));
        assert!(seen.contains(">0<") && !seen.contains("hatched"), "{seen}");
        assert!(cell_of(&Results::default(), 10, None).contains("nothing asked"));
    }
}
