//! Everything as one JSON document.

use std::io::{self, Write};

use super::DoraFormat;
use crate::dora::Measurements;

/// One JSON document; its shape is in `reports/schema/dora.v1.schema.json`.
#[derive(Debug, Clone, Copy)]
pub struct DoraJson;

impl DoraFormat for DoraJson {
    fn name(&self) -> &'static str {
        "json"
    }

    fn file_name(&self) -> &'static str {
        "dora.json"
    }

    fn about(&self) -> &'static str {
        "everything as one JSON document"
    }

    fn write(&self, measurements: &Measurements, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, measurements)?;
        out.write_all(b"\n")
    }
}
