//! When a run is worth a message.
//!
//! In: a report. Out: yes or no. It is a question of its own because silence is an answer that people act on.

use serde::{Deserialize, Serialize};

use super::notice::{Verdict, judged};
use crate::finding::{Change, ComplianceType};
use crate::report::{Report, went_dark};

/// When a message is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// On every run.
    Always,
    /// When a violation is new, worse, better, resolved or not seen any more, when less can be seen than before or
    /// something that could be seen before cannot be seen, when the verdict is another (not where a run only stops asking for
    /// violations of earlier ones), and on a run that has none to
    /// compare with.
    #[default]
    Changed,
    /// When there are violations that no exception covers.
    Violations,
}

impl When {
    /// Whether this run is worth a message.
    #[must_use]
    pub fn applies(self, report: &Report<'_>) -> bool {
        match self {
            Self::Always => true,
            Self::Violations => report.counts.violations.values().any(|count| *count > 0),
            Self::Changed => report.over_time.comparison.as_ref().is_none_or(|comparison| {
                let told_before = |change: Change| if change == Change::NotSeen { comparison.set_aside } else { 0 };
                let changed =
                    |(change, count): (&Change, &u64)| *change != Change::Unchanged && *count > told_before(*change);
                comparison.violations.iter().any(changed)
                    || sees_less(report, &comparison.previous.run_id)
                    || something_went_dark(report)
            }),
        }
    }
}

/// Whether something is unknown now that the earlier run saw, or did not ask for: another place may have come back, so
/// that as much is unknown as before.
fn something_went_dark(report: &Report<'_>) -> bool {
    if report.counts.of(ComplianceType::InsufficientData) == 0 {
        return false;
    }
    // Whoever sends the message reads the same findings, and says what is wrong with them.
    let Ok(mut findings) = report.findings.findings() else { return true };
    findings.any(|finding| finding.map_or(true, |finding| went_dark(report, &finding)))
}

/// Whether less can be seen than in the earlier run, or the verdict is another one. A place that goes dark changes no
/// violation where none was known, and must not be silence.
fn sees_less(report: &Report<'_>, previous: &str) -> bool {
    let unknown = report.counts.of(ComplianceType::InsufficientData);
    let gaps = report.gaps.len() as u64;
    match report.over_time.trend.iter().find(|point| point.run_id == previous) {
        Some(before) => {
            unknown > before.counts.of(ComplianceType::InsufficientData)
                || gaps > before.gaps
                || Verdict::of(&report.counts, gaps, 0) != Verdict::of(&before.counts, before.gaps, 0)
        }
        // How much the earlier run saw is not known.
        None => unknown > 0 || gaps > 0 || judged(&report.counts) == 0,
    }
}
