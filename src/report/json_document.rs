//! A JSON document that is written field by field.
//!
//! In: values, one at a time. Out: a versioned object with one array element per line, so that it can be streamed,
//! compared line by line, and read by any JSON parser.

use std::io::{self, Write};

use serde::Serialize;

use super::SCHEMA_VERSION;

/// Begins the document with its version.
pub(super) fn start(out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{{\n\"schemaVersion\": {SCHEMA_VERSION}")
}

/// Ends the document.
pub(super) fn end(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"\n}\n")
}

/// A field of the document after its first.
pub(super) fn write_field<T: Serialize>(out: &mut dyn Write, name: &str, value: &T) -> io::Result<()> {
    write!(out, ",\n\"{name}\": ")?;
    serde_json::to_writer(out, value)?;
    Ok(())
}

/// A field that is an array with one element per line.
pub(super) fn write_array<T: Serialize>(
    out: &mut dyn Write,
    name: &str,
    items: impl Iterator<Item = io::Result<T>>,
) -> io::Result<()> {
    let mut array = ArrayWriter::start(out, name)?;
    for item in items {
        array.push(&item?)?;
    }
    array.end()
}

/// An array that is written element by element.
pub(super) struct ArrayWriter<'a> {
    out: &'a mut dyn Write,
    empty: bool,
    /// An item is made in memory: a serialiser writes a few bytes at a time.
    buffer: Vec<u8>,
}

impl<'a> ArrayWriter<'a> {
    pub(super) fn start(out: &'a mut dyn Write, name: &str) -> io::Result<Self> {
        write!(out, ",\n\"{name}\": [")?;
        Ok(Self { out, empty: true, buffer: Vec::new() })
    }

    pub(super) fn push<T: Serialize>(&mut self, item: &T) -> io::Result<()> {
        self.buffer.clear();
        self.buffer.extend_from_slice(if self.empty { b"\n" } else { b",\n" });
        self.empty = false;
        serde_json::to_writer(&mut self.buffer, item)?;
        self.out.write_all(&self.buffer)
    }

    pub(super) fn end(self) -> io::Result<()> {
        self.end_in().map(drop)
    }

    /// Ends it, and gives the document back for its next field.
    pub(super) fn end_in(self) -> io::Result<&'a mut dyn Write> {
        self.out.write_all(if self.empty { b"]" } else { b"\n]" })?;
        Ok(self.out)
    }
}
