//! `pipewarden dora report`: the measurements in one format on stdout, or in all of them in a folder.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::super::Exit;
use super::super::failure::Failure;
use super::super::options::{is_colorful, print, say, width};
use super::measure::MeasureOptions;
use crate::inventory::json_lines::PendingFile;
use crate::report::dora::{DORA_FORMATS, DoraSummary};

/// Options of `dora report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    measure: MeasureOptions,
    /// What to print [default: a summary]
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(DORA_FORMATS.iter().map(|f| f.name())), conflicts_with = "write")]
    format: Option<String>,
    /// Write all formats into this folder instead of printing one
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

pub(super) fn run(args: &ReportArgs) -> Result<Exit, Failure> {
    let measurements = args.measure.measure()?;
    if let Some(folder) = &args.write {
        let failed = |error: std::io::Error| Failure::because(format!("{}: {error}", folder.display()));
        std::fs::create_dir_all(folder).map_err(failed)?;
        for format in DORA_FORMATS {
            let mut file = PendingFile::create(&folder.join(format.file_name())).map_err(failed)?;
            format.write(&measurements, &mut file).and_then(|()| file.flush()).map_err(failed)?;
            file.keep().map_err(failed)?;
        }
        say(&format!("metrics: {}", folder.display()));
        return Ok(Exit::Compliant);
    }
    let named = |name: &String| DORA_FORMATS.iter().copied().find(|format| format.name() == name);
    let summary = DoraSummary::new(width(), is_colorful());
    let format = args.format.as_ref().and_then(named).unwrap_or(&summary);
    print(&|out| format.write(&measurements, out))?;
    Ok(Exit::Compliant)
}
