//! What ends a run, printed once, on stderr, for the person who must act.

use std::fmt::Display;
use std::io::Write as _;

use miette::{GraphicalReportHandler, GraphicalTheme, NamedSource, Report};

use super::Exit;
use crate::evaluate::{PolicyError, SourceText};

/// A run that ended without a verdict.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    message: Message,
}

#[derive(Debug)]
enum Message {
    Plain(String),
    Diagnostic(String, Report),
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

    /// A policy that cannot be used; Cedar's own errors point into the file.
    pub(super) fn policy(error: PolicyError) -> Self {
        let with = |report: Report, source: SourceText| {
            let named = NamedSource::new(source.file.clone(), source.text);
            Message::Diagnostic(source.file, report.with_source_code(named))
        };
        let message = match error {
            PolicyError::Parse { source_text, error } => with(Report::new(*error), *source_text),
            PolicyError::Schema { source_text, error } => with(Report::new(*error), *source_text),
            PolicyError::Invalid { source_text, error } => with(Report::new(*error), *source_text),
            other => Message::Plain(other.to_string()),
        };
        Self { exit: Exit::Usage, message }
    }

    /// Prints it and says how the program ends.
    pub(super) fn print(self) -> Exit {
        let text = match &self.message {
            Message::Plain(text) => text.clone(),
            Message::Diagnostic(file, report) => {
                let mut text = String::new();
                let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
                let rendered = handler.render_report(&mut text, report.as_ref());
                if rendered.is_ok() {
                    format!("{file} cannot be used as it is\n{text}")
                } else {
                    format!("{file}: {report}")
                }
            }
        };
        // With stderr gone there is nobody left to tell.
        let _ = writeln!(std::io::stderr(), "error: {text}");
        self.exit
    }
}
