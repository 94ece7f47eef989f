//! `dora.html`: one page without scripts, with everything in it, for a browser or a printer.
//!
//! In: measurements. Out: HTML with inline plots. What could not be seen comes first. Everything that somebody else chose
//! the name of is escaped; the page's own policy allows nothing but its one style sheet. Each section is a function of
//! its own, so that another page can hold it too. The size is bounded: services and deployments beyond a number are only
//! counted, with the file where they are.

mod coverage;
mod organization;
mod plot;
mod service;
mod services;
mod style;

use std::fmt;
use std::io::{self, Write};

pub use style::content_security_policy;

use super::DoraFormat;
use super::ranking::{Row, by_numbers, deployments_by_service, lead_times_by_service, services};
use super::wording::{frame, services_in_words};
use crate::dora::Measurements;
use crate::report::text::short;

/// Services with a section of their own.
const SECTIONS: usize = 25;

/// The `html` format.
#[derive(Debug, Clone, Copy)]
pub struct DoraHtml;

impl DoraFormat for DoraHtml {
    fn name(&self) -> &'static str {
        "html"
    }

    fn file_name(&self) -> &'static str {
        "dora.html"
    }

    fn about(&self) -> &'static str {
        "one page with plots and the deployments behind each number"
    }

    fn write(&self, measurements: &Measurements, out: &mut dyn Write) -> io::Result<()> {
        let rows = services(measurements);
        let (known, unknown) = by_numbers(&rows);
        write_head(out, measurements)?;
        write!(
            out,
            "<body>\n<header>\n<h1>Delivery</h1>\n<p class=\"frame\">{}</p>\n<p class=\"lead\">{}.</p>\n{NAVIGATION}</header>\n<main>\n",
            text(&frame(measurements), 300),
            text(&services_in_words(&rows), 400)
        )?;
        out.write_all(coverage::section(measurements).as_bytes())?;
        out.write_all(organization::section(&rows).as_bytes())?;
        out.write_all(services::section(&known, &unknown, SECTIONS).as_bytes())?;
        let deployments = deployments_by_service(measurements);
        let lead_times = lead_times_by_service(measurements);
        for (place, row) in known.iter().take(SECTIONS).enumerate() {
            let own = deployments.get(row.key()).map_or(&[][..], Vec::as_slice);
            let changes = lead_times.get(row.key()).map_or(&[][..], Vec::as_slice);
            out.write_all(service::section(row, &anchor(place), own, changes).as_bytes())?;
        }
        out.write_all(GLOSSARY.as_bytes())?;
        out.write_all(b"</main>\n</body>\n</html>\n")
    }
}

const NAVIGATION: &str = "<nav aria-label=\"Sections\"><a href=\"#seen\">What was seen</a> <a href=\"#organization\">Organization</a> <a href=\"#services\">Services</a> <a href=\"#words\">Words</a></nav>\n";

fn write_head(out: &mut dyn Write, measurements: &Measurements) -> io::Result<()> {
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Delivery, {}</title>\n<style>{}</style>\n</head>\n",
        style::policy(),
        text(&frame(measurements), 200),
        style::SHEET
    )
}

const GLOSSARY: &str = r#"<section id="words">
<h2>Words</h2>
<dl class="words">
<dt>n</dt><dd>How many observations a number is made of.</dd>
<dt>complete, in part</dt><dd>A service is complete if each of the five metrics is; in part if any has a number.</dd>
<dt>complete, partial</dt><dd>Whether the whole window was looked at, or a part of it. The reasons stand beside it.</dd>
<dt>too few</dt><dd>Looked at, but fewer than a score or a band needs. The number is still shown.</dd>
<dt>not measurable</dt><dd>What is needed does not exist: no action that deploys, or nothing that tells a failure.</dd>
<dt>not collected</dt><dd>Nobody looked, or nobody could. This is not zero.</dd>
<dt>tier</dt><dd>Where a change begins: A every commit between two deployments, B the head commits of executions, C the push or merge, D the start of the execution.</dd>
<dt>basis</dt><dd>What speaks of failure: deployments alone (users may have suffered without one), or incidents too.</dd>
<dt>E1 to E7</dt><dd>Why a change counts as failed: E1 CodeDeploy rolled it back, E2 the pipeline went back behind it, E3 it failed with targets touched, E4 it was stopped with rollback, E5 an older version followed, E6 an incident, E7 a fix within a day (only where it is asked for).</dd>
</dl>
</section>
"#;

/// The anchor of a service's section.
fn anchor(place: usize) -> String {
    format!("s{}", place + 1)
}

/// More text at the end.
fn add(out: &mut String, text: fmt::Arguments<'_>) {
    // Writing into a `String` cannot fail.
    let _ = fmt::Write::write_fmt(out, text);
}

/// Whether a service has a section, and which.
fn link(row: &Row<'_>, place: usize, sections: usize) -> String {
    let name = text(row.name(), 96);
    if place < sections { format!("<a href=\"#{}\">{name}</a>", anchor(place)) } else { name }
}

/// Text that is only text in HTML, in an element or a quoted attribute, and no longer than a person reads.
fn text(text: &str, longest: usize) -> String {
    let text = short(text, longest);
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '`' => out.push_str("&#96;"),
            other => out.push(other),
        }
    }
    out
}
