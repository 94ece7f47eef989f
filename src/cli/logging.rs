//! Logs on stderr: plain lines, or JSON on request.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

/// Options of every subcommand.
#[derive(Debug, Args)]
pub(super) struct LogOptions {
    /// How logs on stderr look
    #[arg(long, global = true, value_enum, default_value = "text", env = "PIPEWARDEN_LOG_FORMAT")]
    pub(super) log_format: LogFormat,
    /// What is logged, e.g. `debug` or `pipewarden=debug,warn` [default: info, or warn beside a progress bar]
    #[arg(long, global = true, env = "PIPEWARDEN_LOG")]
    pub(super) log: Option<String>,
}

/// Starts logging.
pub(super) fn start(options: &LogOptions) {
    let quiet = std::io::stderr().is_terminal();
    let default = if quiet { "error,pipewarden=warn" } else { "error,pipewarden=info" };
    let filter = EnvFilter::new(options.log.as_deref().unwrap_or(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second start happens only in tests that run commands in one process; the first one's choice stands.
    let _ = match options.log_format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => builder.with_ansi(quiet).compact().try_init(),
    };
}
