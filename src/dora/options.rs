//! What is asked: window, moment, time zone, and what the organization calls a deployment.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use time::OffsetDateTime;

use crate::facts::ProductionRules;

/// An option that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// Not a length of time.
    #[error("`{0}` is no window: write a number and a unit, e.g. `90d`, `12w` or `48h`, of at least one hour")]
    Window(String),
    /// Not a time zone.
    #[error("`{0}` is no time zone: write an IANA name such as `Europe/Berlin`, an offset such as `+09:00`, or `UTC`")]
    TimeZone(String),
    /// A pattern that says nothing.
    #[error("`{pattern}`: {problem}")]
    Pattern {
        /// As written.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// A rule of the mapping file: what belongs to a service. The first that matches wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRule {
    /// Name of the service.
    pub service: String,
    /// Patterns of ARNs of pipelines and deployment groups; `*` stands for anything.
    pub arns: Vec<String>,
    /// Tag that the pipeline or deployment group carries, key and value.
    pub tags: BTreeMap<String, String>,
}

/// A time in which nothing is deployed to production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreezeWindow {
    /// What it is called: `Christmas 2026`.
    pub name: String,
    /// From, inclusive.
    pub from: OffsetDateTime,
    /// To, exclusive.
    pub to: OffsetDateTime,
    /// Patterns of services and ARNs that it holds for; empty: all.
    pub services: Vec<String>,
}

/// Everything that decides how a history is read.
#[derive(Debug, Clone)]
pub struct Options {
    /// The moment that "now" is.
    pub as_of: OffsetDateTime,
    /// Length of the window that ends at [`Self::as_of`].
    pub window: Duration,
    /// As given.
    pub window_text: String,
    /// How far before the window predecessors are looked for.
    pub look_back: Duration,
    /// The time zone of buckets.
    pub time_zone: TimeZone,
    /// Its name as given.
    pub time_zone_name: String,
    /// Deployments younger than this may still turn out to have failed; they are left out of change fail rate.
    pub observation_lag: Duration,
    /// How long after a deployment an incident is laid to it.
    pub max_attribution: Duration,
    /// Whether a fix within a day is evidence (E7).
    pub suspect_fixes: bool,
    /// What production is.
    pub production: ProductionRules,
    /// Patterns of `stage/action` of build, invoke and compute actions that deploy, beside those whose words say so.
    pub deploy_actions: Vec<String>,
    /// What belongs to which service; without a match, each pipeline is a service.
    pub services: Vec<ServiceRule>,
    /// Key of the tag whose value names the service.
    pub service_tag: Option<String>,
    /// Keys of tags to group by.
    pub group_by_tags: Vec<String>,
    /// Freeze windows.
    pub freezes: Vec<FreezeWindow>,
    /// Who is who: an identity as it occurs (login, address, session) → the person. Keys are lower case.
    pub people: BTreeMap<String, String>,
    /// Patterns of the principals that report results of lifecycle hooks: ARNs or names of roles, ARNs of callers. Empty:
    /// they are not known.
    pub hooks: Vec<String>,
}

impl Options {
    /// Defaults at a moment: 90 days, UTC, a day's lag, three days' attribution.
    #[must_use]
    pub fn at(as_of: OffsetDateTime) -> Self {
        const DAY: u64 = 86_400;
        Self {
            as_of,
            window: Duration::from_secs(90 * DAY),
            window_text: "90d".to_owned(),
            look_back: Duration::from_secs(60 * DAY),
            time_zone: TimeZone::UTC,
            time_zone_name: "UTC".to_owned(),
            observation_lag: Duration::from_secs(DAY),
            max_attribution: Duration::from_secs(3 * DAY),
            suspect_fixes: false,
            production: ProductionRules::default(),
            deploy_actions: Vec::new(),
            services: Vec::new(),
            service_tag: None,
            group_by_tags: Vec::new(),
            freezes: Vec::new(),
            people: BTreeMap::new(),
            hooks: Vec::new(),
        }
    }

    /// With a window as written: `90d`, `12w`, `48h`.
    ///
    /// # Errors
    /// [`OptionsError::Window`].
    pub fn with_window(mut self, text: &str) -> Result<Self, OptionsError> {
        self.window = duration(text).ok_or_else(|| OptionsError::Window(text.to_owned()))?;
        text.clone_into(&mut self.window_text);
        Ok(self)
    }

    /// With a time zone as written: an IANA name or an offset.
    ///
    /// # Errors
    /// [`OptionsError::TimeZone`].
    pub fn with_time_zone(mut self, text: &str) -> Result<Self, OptionsError> {
        self.time_zone = time_zone(text).ok_or_else(|| OptionsError::TimeZone(text.to_owned()))?;
        text.clone_into(&mut self.time_zone_name);
        Ok(self)
    }

    /// Begin of the window.
    #[must_use]
    pub fn from(&self) -> OffsetDateTime {
        self.as_of - self.window
    }

    /// Begin of the time that is looked at at all.
    #[must_use]
    pub fn earliest(&self) -> OffsetDateTime {
        self.from() - self.look_back
    }
}

/// A number and a unit: `90d`.
#[must_use]
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let seconds: u64 = match unit {
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return None,
    };
    // A century is more than any history holds, and keeps times within what they can be.
    let total = number.parse::<u64>().ok()?.checked_mul(seconds)?;
    (1..=100 * 366 * 86_400).contains(&total).then(|| Duration::from_secs(total))
}

fn time_zone(text: &str) -> Option<TimeZone> {
    if text.eq_ignore_ascii_case("utc") || text == "Z" {
        return Some(TimeZone::UTC);
    }
    if let Some(sign) = text.chars().next().filter(|c| "+-".contains(*c)) {
        let (hours, minutes) = text.get(1..)?.split_once(':')?;
        let both_two_digits = [hours, minutes].iter().all(|part| part.len() == 2);
        let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
        if !both_two_digits || hours > 14 || minutes > 59 {
            return None;
        }
        let seconds = (hours * 60 + minutes) * 60;
        let offset = jiff::tz::Offset::from_seconds(if sign == '-' { -seconds } else { seconds }).ok()?;
        return Some(TimeZone::fixed(offset));
    }
    jiff::tz::TimeZoneDatabase::bundled().get(text).ok()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn windows_and_zones_are_read_or_refused_in_words() {
        let options = || Options::at(datetime!(2026-06-29 0:00 UTC));
        assert_eq!(options().with_window("28d").unwrap().from(), datetime!(2026-06-01 0:00 UTC));
        for wrong in ["", "d", "28", "28x", "0d", "-3d", "99999999999999999999d"] {
            assert!(options().with_window(wrong).is_err(), "{wrong}");
        }
        for right in ["UTC", "Europe/Berlin", "+09:00", "-03:30"] {
            assert!(options().with_time_zone(right).is_ok(), "{right}");
        }
        for wrong in ["", "Mars/Olympus", "+9", "+99:00", "CEST!"] {
            assert!(options().with_time_zone(wrong).is_err(), "{wrong}");
        }
    }
}
