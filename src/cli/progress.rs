//! Progress: a bar on a terminal, plain log lines otherwise.

use std::io::IsTerminal;
use std::sync::OnceLock;

use indicatif::{ProgressBar, ProgressStyle};

use crate::audit::Progress;
use crate::inventory::AccountId;

/// Shows how a collection goes on.
#[derive(Debug, Default)]
pub(super) struct Shown {
    bar: OnceLock<ProgressBar>,
}

impl Shown {
    /// Nothing is shown yet.
    pub(super) const fn new() -> Self {
        Self { bar: OnceLock::new() }
    }
}

impl Progress for Shown {
    fn begin(&self, accounts: usize) {
        tracing::info!(accounts, "collecting");
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(accounts as u64);
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} accounts {elapsed} {wide_msg}") {
                bar.set_style(style);
            }
            let _ = self.bar.set(bar);
        }
    }

    fn collected(&self, account: &AccountId, resources: usize, gaps: usize) {
        tracing::info!(%account, resources, gaps, "account collected");
        if let Some(bar) = self.bar.get() {
            bar.inc(1);
            bar.set_message(account.to_string());
        }
    }

    fn joining(&self, references: usize) {
        tracing::info!(references, "fetching what accounts name of each other");
        if let Some(bar) = self.bar.get() {
            bar.set_message("fetching what accounts name of each other");
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
