//! Which formats a check is written in, and where to.
//!
//! In: `--format`, `--output` and, where neither says what to print, the environment of a CI system. Out: bytes on stdout
//! and in files. Nobody gets a file that was not asked for.

use std::fs;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;
use sha2::{Digest, Sha256};

use super::super::failure::Failure;
use super::super::options::{print, width};
use crate::finding::hex;
use crate::report::check::{CHECK_FORMATS, CheckFormat, CheckMarkdown, CheckReport, CheckTerminal, Roots};

/// What to write.
#[derive(Debug, Clone, Args)]
pub(super) struct FormatOptions {
    /// Format to print [default: terminal; in GitHub Actions with annotations and a job summary]
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = PossibleValuesParser::new(CHECK_FORMATS.iter().map(|f| f.name())))]
    format: Vec<String>,
    /// Also write a format to a file; may be given several times
    #[arg(long, value_name = "NAME=FILE")]
    output: Vec<String>,
}

/// Formats and where they go.
pub(super) struct Outputs {
    printed: Vec<&'static dyn CheckFormat>,
    files: Vec<(&'static dyn CheckFormat, PathBuf)>,
    /// Whether lines of stdout may be read as commands.
    in_github: bool,
    /// Where GitHub collects the job summary.
    summary: Option<PathBuf>,
}

fn named(name: &str) -> Option<&'static dyn CheckFormat> {
    CHECK_FORMATS.iter().copied().find(|format| format.name() == name)
}

fn names() -> String {
    CHECK_FORMATS.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ")
}

impl FormatOptions {
    /// Settles where everything goes before anything is judged, so that a slip of the pen costs nothing.
    pub(super) fn resolve(&self) -> Result<Outputs, Failure> {
        let in_github = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        let asked: Vec<&str> = match (self.format.is_empty(), in_github) {
            (false, _) => self.format.iter().map(String::as_str).collect(),
            (true, true) => vec!["terminal", "github"],
            (true, false) => vec!["terminal"],
        };
        let mut printed: Vec<&'static dyn CheckFormat> = Vec::new();
        for format in asked.into_iter().filter_map(named) {
            if printed.iter().all(|known| known.name() != format.name()) {
                printed.push(format);
            }
        }
        if let Some(document) = printed.iter().find(|format| format.is_document()).filter(|_| printed.len() > 1) {
            let name = document.name();
            return Err(Failure::usage(format!(
                "`--format {}`: {name} is a document, and stdout can hold nothing beside it; write it with `--output {name}=FILE`",
                self.format.join(",")
            )));
        }
        let mut files: Vec<(&'static dyn CheckFormat, PathBuf)> = Vec::new();
        for given in &self.output {
            let (format, path) = output(given)?;
            if files.iter().any(|(_, known)| *known == path) {
                return Err(Failure::usage(format!(
                    "`--output {given}`: the file is written twice; give each format its own"
                )));
            }
            files.push((format, path));
        }
        let annotates = printed.iter().any(|format| format.name() == "github");
        let summary = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| annotates && !path.is_empty());
        Ok(Outputs { printed, files, in_github, summary: summary.map(PathBuf::from) })
    }
}

/// `NAME=FILE`
fn output(given: &str) -> Result<(&'static dyn CheckFormat, PathBuf), Failure> {
    let wrong = |what: String| Failure::usage(format!("`--output {given}`: {what}"));
    let Some((name, file)) = given.split_once('=') else {
        return Err(wrong("there is no `=`; write NAME=FILE, e.g. sarif=pipewarden.sarif".to_owned()));
    };
    let format = named(name).ok_or_else(|| wrong(format!("`{name}` is no format: expected one of {}", names())))?;
    if file.is_empty() {
        return Err(wrong("the file has no name; write NAME=FILE".to_owned()));
    }
    let path = PathBuf::from(file);
    if path.is_dir() {
        return Err(wrong(format!("{file} is a folder; name a file in it")));
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !parent.is_dir() {
        return Err(wrong(format!("the folder {} does not exist; make it first", parent.display())));
    }
    Ok((format, path))
}

impl Outputs {
    /// Writes everything: files first, so that they are complete even if nobody reads stdout to its end.
    pub(super) fn write(&self, report: &CheckReport) -> Result<(), Failure> {
        for (format, path) in &self.files {
            write_file(path, &|out| format.write(report, out))
                .map_err(|error| Failure::because(format!("{} cannot be written: {error}", path.display())))?;
        }
        for format in &self.printed {
            match format.name() {
                "terminal" => self.print_terminal(report)?,
                _ => print(&|out| format.write(report, out))?,
            }
        }
        if let Some(path) = &self.summary {
            append(path, report).map_err(|error| {
                Failure::because(format!("the job summary {} cannot be written: {error}", path.display()))
            })?;
        }
        Ok(())
    }

    fn print_terminal(&self, report: &CheckReport) -> Result<(), Failure> {
        let color = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let terminal = CheckTerminal::new(width(), color);
        if !self.in_github {
            return print(&|out| terminal.write(report, out));
        }
        let mut page = Vec::new();
        terminal.write(report, &mut page).map_err(|error| Failure::failed(&error))?;
        // GitHub obeys commands in any line, and names in a pull request are anybody's. It stops until it reads a word
        // that the page cannot hold: its own hash.
        let word = hex(&Sha256::digest(&page));
        print(&|out| {
            writeln!(out, "::stop-commands::{word}")?;
            out.write_all(&page)?;
            writeln!(out, "::{word}::")
        })
    }
}

type Writing<'a> = &'a dyn Fn(&mut dyn Write) -> io::Result<()>;

/// Writes beside the file and puts it in its place at the end, so that nobody ever reads half a report.
fn write_file(path: &Path, write: Writing<'_>) -> io::Result<()> {
    let into = |file: fs::File| {
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.flush()
    };
    match fs::metadata(path) {
        // A pipe or device is written to, not replaced.
        Ok(known) if !known.is_file() => return into(fs::OpenOptions::new().write(true).open(path)?),
        _ => {}
    }
    // A link stays one: what it points to is replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let mut name = target.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = target.with_file_name(name);
    let done = fs::OpenOptions::new().write(true).create_new(true).open(&beside).and_then(into);
    let done = done.and_then(|()| fs::rename(&beside, &target));
    if done.is_err() {
        // What is left of a failed write helps nobody; that it failed is what is reported.
        let _ = fs::remove_file(&beside);
    }
    done
}

/// GitHub reads the file after the step, and other commands of the step may write to it too.
fn append(path: &Path, report: &CheckReport) -> io::Result<()> {
    let mut page = Vec::new();
    CheckMarkdown.write(report, &mut page)?;
    page.push(b'\n');
    fs::OpenOptions::new().append(true).create(true).open(path)?.write_all(&page)
}

/// Where the repository begins and where we are.
pub(super) fn roots() -> Roots {
    let Ok(current) = std::env::current_dir() else { return Roots::default() };
    let repository = current.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(&current);
    let written = |path: &Path| path.to_string_lossy().replace('\\', "/");
    Roots { repository: written(repository), current: written(&current) }
}
