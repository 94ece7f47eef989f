//! Findings as a file that goes with a message.
//!
//! In: a report, and whose findings. Out: CSV, in a ZIP file where it is large, or the sentence that says why there is none.
//! Memory holds what is attached and nothing else: what grows too large is given up while it is written.

use std::collections::BTreeMap;
use std::io::{self, Write};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use serde::{Deserialize, Serialize};

use crate::finding::{ComplianceType, Finding};
use crate::report::{FindingTable, Report};

/// A table that is larger is packed.
const LARGEST_PLAIN: usize = 256 << 10;
/// The largest attachment. Amazon SES takes 40 MB once it is encoded, but many that receive mail take 10 MB, and what they
/// refuse comes back to nobody.
const LARGEST: usize = 7 << 20;

/// Which findings are attached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Attach {
    /// Violations, also under an exception, and what could not be seen.
    #[default]
    Open,
    /// All.
    All,
    /// None.
    Nothing,
}

impl Attach {
    fn wants(self, finding: &Finding) -> bool {
        match self {
            Self::Open => {
                matches!(finding.compliance, ComplianceType::NonCompliant | ComplianceType::InsufficientData)
            }
            Self::All => true,
            Self::Nothing => false,
        }
    }
}

/// What comes of attaching.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attached {
    /// A file.
    File { name: &'static str, content_type: &'static str, bytes: Vec<u8> },
    /// It would be too large; the sentence is for whoever reads the message.
    LeftOut(String),
}

/// The table of a whole run.
pub(super) fn of_all(report: &Report<'_>, attach: Attach) -> io::Result<Option<Attached>> {
    if attach == Attach::Nothing {
        return Ok(None);
    }
    table_of(report, &|finding| attach.wants(finding)).map(Some)
}

/// The tables of some owners, made in one pass; those that have to be packed take one more each.
pub(super) fn of_owners<'a>(
    report: &Report<'_>,
    attach: Attach,
    owners: &[&'a str],
) -> io::Result<BTreeMap<&'a str, Attached>> {
    let mut attached = BTreeMap::new();
    if attach == Attach::Nothing || owners.is_empty() {
        return Ok(attached);
    }
    let mut tables: BTreeMap<&str, FindingTable<Capped>> = BTreeMap::new();
    for owner in owners {
        tables.insert(owner, FindingTable::start(Capped::new(LARGEST_PLAIN))?);
    }
    for finding in report.findings.findings()? {
        let finding = finding?;
        let Some(owner) = finding.owner.as_ref().filter(|_| attach.wants(&finding)) else { continue };
        if let Some(table) = tables.get_mut(owner.name.as_str()) {
            table.push(report, &finding)?;
        }
    }
    for owner in owners {
        let Some(mut table) = tables.remove(owner) else { continue };
        table.finish()?;
        let made = match table.written().whole() {
            Some(bytes) => plain(bytes.to_vec()),
            None => packed(report, &|finding| {
                finding.owner.as_ref().is_some_and(|of| of.name == **owner) && attach.wants(finding)
            })?,
        };
        attached.insert(*owner, made);
    }
    Ok(attached)
}

fn table_of(report: &Report<'_>, wants: &dyn Fn(&Finding) -> bool) -> io::Result<Attached> {
    let mut table = FindingTable::start(Capped::new(LARGEST_PLAIN))?;
    for finding in report.findings.findings()? {
        let finding = finding?;
        if wants(&finding) {
            table.push(report, &finding)?;
        }
        if table.written().is_full {
            return packed(report, wants);
        }
    }
    table.finish()?;
    match table.written().whole() {
        Some(bytes) => Ok(plain(bytes.to_vec())),
        None => packed(report, wants),
    }
}

fn plain(bytes: Vec<u8>) -> Attached {
    Attached::File { name: "findings.csv", content_type: "text/csv; charset=utf-8", bytes }
}

fn packed(report: &Report<'_>, wants: &dyn Fn(&Finding) -> bool) -> io::Result<Attached> {
    let mut file =
        Packed { out: DeflateEncoder::new(Capped::new(LARGEST), Compression::default()), crc: Crc::new(), length: 0 };
    let mut rows: u64 = 0;
    {
        let mut table = FindingTable::start(&mut file)?;
        for finding in report.findings.findings()? {
            let finding = finding?;
            if wants(&finding) {
                table.push(report, &finding)?;
                rows += 1;
            }
        }
        table.finish()?;
    }
    Ok(match file.zip()? {
        Some(bytes) => Attached::File { name: "findings.csv.zip", content_type: "application/zip", bytes },
        None => Attached::LeftOut(format!(
            "The table of {rows} findings is larger than {} MB even when it is compressed, so it is not attached; the report has them all.",
            LARGEST >> 20
        )),
    })
}

/// Bytes up to a limit; what is more is counted as too much and forgotten.
struct Capped {
    bytes: Vec<u8>,
    most: usize,
    is_full: bool,
}

impl Capped {
    fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), most, is_full: false }
    }

    fn whole(&self) -> Option<&[u8]> {
        (!self.is_full).then_some(self.bytes.as_slice())
    }
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_full || self.bytes.len().saturating_add(bytes.len()) > self.most {
            self.is_full = true;
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One file on its way into a ZIP file, which every desktop and phone opens.
struct Packed {
    out: DeflateEncoder<Capped>,
    crc: Crc,
    length: u64,
}

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.out.write(bytes)?;
        self.crc.update(bytes.get(..taken).unwrap_or_default());
        self.length += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Packed {
    /// A ZIP file of one entry; none where it is too large.
    /// <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>
    fn zip(self) -> io::Result<Option<Vec<u8>>> {
        const NAME: &[u8] = b"findings.csv";
        let data = self.out.finish()?;
        let (Some(data), Ok(length)) = (data.whole(), u32::try_from(self.length)) else { return Ok(None) };
        let packed = u32::try_from(data.len()).map_err(io::Error::other)?;
        // Version 2.0, a name in ASCII, deflate, and 1980-01-01 as the time: the same findings are the same bytes.
        let mut common = vec![20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0];
        common.extend(self.crc.sum().to_le_bytes());
        common.extend(packed.to_le_bytes());
        common.extend(length.to_le_bytes());
        common.extend(u16::try_from(NAME.len()).map_err(io::Error::other)?.to_le_bytes());
        common.extend([0, 0]);
        let mut zip = b"PK\x03\x04".to_vec();
        zip.extend(&common);
        zip.extend(NAME);
        zip.extend(data);
        let directory = u32::try_from(zip.len()).map_err(io::Error::other)?;
        zip.extend(b"PK\x01\x02\x14\0");
        zip.extend(&common);
        // No comment, one disk, no attributes, and the entry at the file's beginning.
        zip.extend([0; 14]);
        zip.extend(NAME);
        let end = u32::try_from(zip.len()).map_err(io::Error::other)?;
        zip.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
        zip.extend((end - directory).to_le_bytes());
        zip.extend(directory.to_le_bytes());
        zip.extend([0, 0]);
        Ok(Some(zip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zipped(text: &[u8], most: usize) -> Option<Vec<u8>> {
        let out = DeflateEncoder::new(Capped::new(most), Compression::default());
        let mut file = Packed { out, crc: Crc::new(), length: 0 };
        file.write_all(text).unwrap();
        file.zip().unwrap()
    }

    #[test]
    fn a_zip_file_is_what_others_read() {
        let text = "finding_id,control\r\n".repeat(10_000);
        let zip = zipped(text.as_bytes(), LARGEST).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("findings.csv.zip");
        std::fs::write(&path, zip).unwrap();
        let script = "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n\
                      sys.stdout.buffer.write(z.read('findings.csv'))";
        let output = std::process::Command::new("python3").args(["-c", script]).arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.stdout, text.as_bytes());
    }

    #[test]
    fn what_is_too_large_is_given_up() {
        assert_eq!(zipped(&vec![7; 100_000], 50), None);
        let mut capped = Capped::new(3);
        capped.write_all(b"abcd").unwrap();
        capped.write_all(b"a").unwrap();
        assert!(capped.whole().is_none() && capped.bytes.is_empty());
    }
}
