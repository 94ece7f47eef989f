//! The overview: what a security engineer reads at eight in the morning, without a script.
//!
//! In: a report. Out: HTML with inline SVG: the verdict, what is new and worst, what could not be seen, what to do first, who
//! does it. Each panel is a file. Everything that somebody else chose the name of is escaped; there is no style attribute and
//! no handler, which the page's policy forbids. What is shown is bounded, and says what it leaves out and where that is.

mod coverage;
mod delivery;
mod element;
mod fixes;
mod frameworks;
mod headline;
mod heat;
mod links;
mod owners;
mod risk;
mod standing;
mod tally;
mod trend;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use self::tally::Tally;
use crate::finding::Finding;
use crate::report::Report;
use crate::report::accounts::Accounts;

const NAVIGATION: &str = "<nav class=\"contents\" aria-label=\"Parts of the overview\">\n<a href=\"#overview-new\">New</a>\n<a href=\"#overview-fixes\">Fixes</a>\n\
                          <a href=\"#overview-coverage\">Coverage</a>\n<a href=\"#overview-heat\">Where</a>\n<a href=\"#overview-trend\">Trend</a>\n\
                          <a href=\"#overview-owners\">Owners</a>\n<a href=\"#overview-exceptions\">Exceptions</a>\n\
                          <a href=\"#overview-remediation\">Time</a>\n<a href=\"#overview-frameworks\">Frameworks</a>\n<a href=\"#overview-delivery\">Delivery</a>\n</nav>\n";

/// The hatching of everything that is not known.
const PATTERNS: &str = "<svg class=\"patterns\" aria-hidden=\"true\"><defs><pattern id=\"overview-hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">\
                        <rect class=\"hatch-ground\" width=\"6\" height=\"6\"/><path class=\"hatch-line\" d=\"M-1 7 L7 -1 M-1 1 L1 -1 M5 7 L7 5\"/></pattern></defs></svg>\n";

/// Writes the section, most urgent first; `watch` sees every finding before anything is written.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write, watch: &mut dyn FnMut(&Finding)) -> io::Result<()> {
    let tally = Tally::of(report, watch)?;
    let accounts = Accounts::of(report);
    out.write_all(b"<section id=\"overview\" class=\"overview\" aria-label=\"Overview\">\n")?;
    out.write_all(PATTERNS.as_bytes())?;
    let panels = [
        headline::verdict_panel(report, &tally, &accounts),
        NAVIGATION.to_owned(),
        headline::severity_panel(report, &tally),
        headline::worst_panel(report, &tally),
        fixes::panel(report, &tally),
        coverage::panel(report, &tally, &accounts),
        heat::panel(report, &tally, &accounts),
        trend::panel(report),
        owners::panel(&tally),
        standing::exceptions_panel(report, &tally),
        standing::remediation_panel(report, &tally),
        frameworks::panel(report, &tally),
        delivery::panel(report),
    ];
    for panel in panels {
        out.write_all(panel.as_bytes())?;
    }
    out.write_all(b"</section>\n")
}
