//! Metrics and deployments → bytes. One format is one file; all of them stand in [`DORA_FORMATS`].
//!
//! In: [`Measurements`]. Out: bytes in a writer. A number that is not known is absent in every format, never zero.

mod json;

pub use json::DoraJson;

use std::io::{self, Write};

use crate::dora::Measurements;

/// All formats of `dora`.
pub const DORA_FORMATS: &[&dyn DoraFormat] = &[&DoraJson];

/// One way to write measurements.
pub trait DoraFormat: Sync {
    /// Value of `--format`.
    fn name(&self) -> &'static str;
    /// Name of the file in the folder `dora` of a run.
    fn file_name(&self) -> &'static str;
    /// One line for `--help`.
    fn about(&self) -> &'static str;
    /// Writes everything.
    ///
    /// # Errors
    /// Whatever the writer answers.
    fn write(&self, measurements: &Measurements, out: &mut dyn Write) -> io::Result<()>;
}
