//! What ends a run, printed once, on stderr, for the person who must act.

use std::fmt::Display;
use std::io::Write as _;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report};

use super::Exit;
use super::options::width;
use crate::evaluate::{PolicyError, PolicyErrors, SourceText};
use crate::inventory::{REDACTED_SECRET, looks_secret};

/// Characters of a failure in brief.
const LONGEST: usize = 400;

/// A run that ended without a verdict.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    message: Message,
}

#[derive(Debug)]
enum Message {
    Plain(String),
    /// Each with its file, where it has one.
    Diagnostics(Vec<Diagnostic>),
}

#[derive(Debug)]
enum Diagnostic {
    Plain(String),
    InFile(String, Report),
}

impl Failure {
    /// Wrong usage or configuration.
    pub(super) fn usage(message: impl Display) -> Self {
        Self { exit: Exit::Usage, message: Message::Plain(message.to_string()) }
    }

    /// Anything else.
    pub(super) fn failed(error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            source = cause.source();
        }
        Self { exit: Exit::Failed, message: Message::Plain(message) }
    }

    /// A message that is complete in itself.
    pub(super) fn because(message: impl Display) -> Self {
        Self { exit: Exit::Failed, message: Message::Plain(message.to_string()) }
    }

    /// Policies that cannot be used: all that is wrong with them, each pointing into its file.
    pub(super) fn policy(errors: impl Into<PolicyErrors>) -> Self {
        let diagnostics = errors.into().0.into_iter().map(Diagnostic::of).collect();
        Self { exit: Exit::Usage, message: Message::Diagnostics(diagnostics) }
    }

    /// How the program ends with it.
    pub(super) fn exit(&self) -> Exit {
        self.exit
    }

    /// Its first line, for those who are told of it elsewhere: short, and without anything that looks like a secret.
    pub(super) fn in_brief(&self) -> String {
        let text = match &self.message {
            Message::Plain(text) => text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default(),
            Message::Diagnostics(_) => "the policies cannot be used as they are",
        };
        let mut line = without_secrets(text);
        if let Some((end, _)) = line.char_indices().nth(LONGEST) {
            line.truncate(end);
            line.push_str("...");
        }
        line
    }

    /// Prints it and says how the program ends.
    pub(super) fn print(self) -> Exit {
        // With stderr gone there is nobody left to tell.
        let _ = writeln!(std::io::stderr(), "{}", self.text().trim_end());
        self.exit
    }

    fn text(&self) -> String {
        match &self.message {
            Message::Plain(text) => format!("error: {text}"),
            Message::Diagnostics(diagnostics) => {
                let several = diagnostics.len() > 1;
                let all = several.then(|| format!("error: {} things are wrong with the policies", diagnostics.len()));
                let each = diagnostics.iter().map(|diagnostic| format!("error: {}", diagnostic.text().trim_end()));
                each.chain(all).collect::<Vec<_>>().join("\n\n")
            }
        }
    }
}

impl Diagnostic {
    fn of(error: PolicyError) -> Self {
        let with = |report: Report, source: SourceText| {
            let at = report.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
            let place = at.map_or_else(|| source.file.clone(), |at| source.place(at));
            let named = NamedSource::new(source.file, source.text);
            Self::InFile(place, report.with_source_code(named))
        };
        match error {
            PolicyError::Parse { source_text, error } => with(Report::new(*error), *source_text),
            PolicyError::Schema { source_text, error } => with(Report::new(*error), *source_text),
            PolicyError::Invalid { source_text, error } => with(Report::new(*error), *source_text),
            PolicyError::Warned { source_text, warning } => with(Report::new(*warning), *source_text),
            PolicyError::Form { source_text, span, problem, hint } => {
                let label = LabeledSpan::underline(first_line(&source_text.text, span));
                let report = MietteDiagnostic::new(problem).with_help(hint).with_label(label);
                with(Report::new(report), *source_text)
            }
            other => Self::Plain(other.to_string()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Plain(text) => text.clone(),
            Self::InFile(file, report) => {
                let mut text = String::new();
                let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(width());
                match handler.render_report(&mut text, report.as_ref()) {
                    Ok(()) => format!("{file} cannot be used as it is\n{text}"),
                    Err(_) => format!("{file}: {report}"),
                }
            }
        }
    }
}

/// A line, word by word; what looks like a secret by its own form or by the name before it is replaced.
fn without_secrets(line: &str) -> String {
    let quotes = |c: char| "\"'`()[]{},;".contains(c);
    let mut name = "";
    let mut words = Vec::new();
    for word in line.split(' ') {
        let bare = word.trim_matches(quotes);
        let (own_name, value) = bare.split_once('=').unwrap_or((name, bare));
        let is_login = word
            .split_once("://")
            .is_some_and(|(_, rest)| rest.split('/').next().is_some_and(|host| host.contains('@')));
        let is_secret = is_login || looks_secret(own_name.trim_matches(quotes), value.trim_matches(quotes));
        words.push(if is_secret { REDACTED_SECRET } else { word });
        name = bare.strip_suffix([':', '=']).unwrap_or_default();
    }
    words.join(" ")
}

/// A whole policy underlined is a wall of text; its first line says as much.
fn first_line(text: &str, span: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let length = text.get(span.clone()).and_then(|part| part.lines().next()).map_or(0, str::len);
    span.start..span.start + length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_in_brief_is_one_short_line_without_secrets() {
        let line = "GET https://user:hunter2@git.example.com/x failed, password: hunter2, DB_PASSWORD=hunter2, key AKIAIOSFODNN7EXAMPLE";
        let brief = Failure::because(format!("\n{line}\nand more")).in_brief();
        assert!(brief.starts_with("GET ") && brief.contains(" failed, password: "), "{brief}");
        for gone in ["hunter2", "AKIA", "and more"] {
            assert!(!brief.contains(gone), "{brief}");
        }
        let plain = "cannot write to /out/runs: no space left on device; name a folder that this user may write";
        assert_eq!(Failure::because(plain).in_brief(), plain);
        assert_eq!(Failure::because("ä".repeat(1000)).in_brief().chars().count(), LONGEST + 3);
    }
}
