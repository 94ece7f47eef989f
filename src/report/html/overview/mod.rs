//! The overview of the page.
//!
//! In: a report. Out: a section of HTML.

use std::io::{self, Write};

use crate::report::Report;

/// Writes the section.
pub(super) fn write(_report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"<section id=\"overview\" aria-label=\"Overview\"></section>\n")
}
