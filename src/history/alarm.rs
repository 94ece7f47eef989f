//! Changes of alarms' states, from CloudWatch's alarm history, which is kept for about two weeks.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// State of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    /// Within the threshold.
    Ok,
    /// Not enough data points.
    InsufficientData,
    /// Outside the threshold.
    Alarm,
}

/// An alarm changed its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmTransition {
    /// ARN of the alarm.
    pub alarm: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// The state before, if the history says it.
    pub from: Option<AlarmState>,
    /// The state after.
    pub to: AlarmState,
}
