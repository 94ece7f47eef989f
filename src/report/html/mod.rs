//! `report.html`: the findings of an organization in one page, for a browser without a network.
//!
//! In: a report. Out: one file: an overview that needs no script, then every finding, also those that are good or no more
//! there, as packed columns (`chunk`), the names that they share (`dictionary`), and a script that shows them (`bundle`).
//! Findings are streamed once: a chunk is written when it is full. The page's own policy allows its one style and its one
//! script, by their hashes, and nothing else; names that others have chosen are escaped where they are markup, packed
//! where they are data, and only ever set as text by the script.

mod block;
mod bundle;
mod chunk;
mod dictionary;
mod overview;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io::{self, Write};

use self::chunk::Chunk;
use self::dictionary::Dictionary;
use super::digest::Violations;
use super::text::{NAME, short};
use super::wording::{Verdict, verdict_on};
use super::{Report, ReportFormat};
use crate::finding::{ComplianceType, Finding};

/// The part of the page that is the same in every report.
const FINDINGS: &str = include_str!("../../../reports/html/findings.html");

/// The `html` format.
pub struct Html;

impl ReportFormat for Html {
    fn name(&self) -> &'static str {
        "html"
    }

    fn file_name(&self) -> &'static str {
        "report.html"
    }

    fn about(&self) -> &'static str {
        "one page for a browser: overview, and every finding to search, filter and open; works offline"
    }

    fn write(&self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
        let (style, script) = (bundle::style(), bundle::script());
        out.write_all(head(report, &bundle::policy(&style, &script), &style).as_bytes())?;
        let mut data = Data::of(report);
        overview::write(report, out, &mut |finding| data.push(finding))?;
        out.write_all(FINDINGS.as_bytes())?;
        out.write_all(b"</main>\n")?;
        data.write(report, out)?;
        write!(out, "<script>{script}</script>\n</body>\n</html>\n")
    }
}

/// The findings as the table reads them. They stand behind the overview, which counts them, so what is packed waits in
/// memory: some forty bytes a finding.
struct Data {
    dictionary: Dictionary,
    chunk: Chunk,
    packed: Vec<u8>,
    /// The first error; nothing is added after it.
    failed: Option<io::Error>,
}

impl Data {
    fn of(report: &Report<'_>) -> Self {
        Self { dictionary: Dictionary::of(report), chunk: Chunk::default(), packed: Vec::new(), failed: None }
    }

    fn push(&mut self, finding: &Finding) {
        if self.failed.is_none()
            && let Err(error) = self.chunk.push(finding, &mut self.dictionary).and_then(|()| self.pack_full())
        {
            self.failed = Some(error);
        }
    }

    fn pack_full(&mut self) -> io::Result<()> {
        if self.chunk.is_full() { self.chunk.write(&mut self.dictionary, &mut self.packed) } else { Ok(()) }
    }

    /// Writes all of it, with what only the run before had.
    fn write(mut self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        for gone in report.findings.gone()? {
            self.chunk.push_gone(&gone?, &mut self.dictionary)?;
            self.pack_full()?;
        }
        self.chunk.write(&mut self.dictionary, &mut self.packed)?;
        out.write_all(&self.packed)?;
        self.dictionary.write(report, out)
    }
}

/// Everything before the overview.
fn head(report: &Report<'_>, policy: &str, style: &str) -> String {
    let run = &report.run;
    let organization = if run.organization.is_empty() { "one account" } else { &run.organization };
    let (verdict, name, sentence) = verdict_on(report, Violations::from(&report.counts));
    let tone = match verdict {
        Verdict::Bad => "bad",
        Verdict::Unsure => "unsure",
        Verdict::Good => "good",
    };
    let (organization, run_id) = (escaped(&short(organization, NAME)), escaped(&short(&run.run_id, NAME)));
    let mut text = String::with_capacity(style.len() + 4096);
    // Writing into a `String` cannot fail.
    let _ = write!(
        text,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{name} · {organization} · {run_id} · pipewarden</title>\n<link rel=\"icon\" href=\"data:,\">\n\
         <style>{style}</style>\n</head>\n<body>\n<header class=\"top\">\n<div class=\"masthead\">\n\
         <h1>Delivery path of {organization}</h1>\n\
         <p class=\"run\">run <code>{run_id}</code>, started {}, pipewarden {}</p>\n</div>\n\
         <p class=\"verdict {tone}\"><strong>{name}</strong> {}</p>\n\
         <nav class=\"tabs\" aria-label=\"Parts of this page\">\n<a href=\"#overview\">Overview</a>\n\
         <a id=\"findings-tab\" href=\"#findings\">Findings</a>\n</nav>\n\
         <button type=\"button\" id=\"theme\" class=\"quiet\" hidden>Theme</button>\n</header>\n<main>\n",
        escaped(&short(&run.started_at, NAME)),
        escaped(&short(&run.tool_version, NAME)),
        escaped(&sentence),
    );
    text
}

/// Whether the newest run that could look saw a violation: the overview counts by it and the table filters by it, so that a
/// number and the findings behind it agree.
fn was_violation(finding: &Finding) -> bool {
    let last_known = finding.lifecycle.as_ref().and_then(|lifecycle| lifecycle.last_known);
    last_known.unwrap_or(finding.compliance) == ComplianceType::NonCompliant
}

/// Text that HTML shows as it is, between tags and inside a quoted attribute.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
