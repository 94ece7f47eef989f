//! Our own limiter: a token bucket per (account, Region, service), and one for each action that AWS limits by itself.
//!
//! In: a rate and a burst. Out: waiting. It exists because the SDK's adaptive mode was measured to stall a whole scan
//! after a few throttled calls, while AWS's limits are per account and Region and mostly published.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Calls per second that AWS lets pass, and how many at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Sustained calls per second.
    pub per_second: f64,
    /// Calls that may go out at once after a pause.
    pub burst: f64,
}

impl Rate {
    /// The rate this tool allows itself for a service, per account and Region.
    ///
    /// Set a little under what AWS publishes for the read calls in question (`CloudTrail` 10 per second, `CloudWatch`
    /// `DescribeAlarms` 9 per second, Organizations by operation), and to 10 per second where AWS publishes nothing.
    #[must_use]
    pub fn of_service(service: &str) -> Self {
        match service {
            "cloudtrail" | "cloudwatch" => Self { per_second: 8.0, burst: 8.0 },
            "config" | "account" => Self { per_second: 4.0, burst: 4.0 },
            "organizations" => Self { per_second: 15.0, burst: 20.0 },
            "s3" | "kms" | "secretsmanager" => Self { per_second: 100.0, burst: 100.0 },
            "sts" => Self { per_second: 50.0, burst: 100.0 },
            _ => Self { per_second: 10.0, burst: 20.0 },
        }
    }

    /// The rate of an action that AWS limits apart from its service, or that is called so often that it would hold the
    /// service's other calls up; `None` for all others. The action is written with its prefix.
    ///
    /// `LookupEvents` is two per second, per account and Region. Without a burst no second ever sees three of them.
    #[must_use]
    pub fn of_action(action: &str) -> Option<Self> {
        match action {
            "cloudtrail:LookupEvents" => Some(Self { per_second: 1.9, burst: 1.0 }),
            // 10 per second with a burst of 30, per account and Region.
            "securityhub:BatchImportFindings" => Some(Self { per_second: 9.0, burst: 28.0 }),
            "s3:GetObject" => Some(Self { per_second: 1000.0, burst: 100.0 }),
            _ => None,
        }
    }

    /// The same rate, so many times faster.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { per_second: self.per_second * factor, burst: (self.burst * factor).max(1.0) }
    }
}

/// A token bucket; waiters are served in order of arrival because each takes its token before it waits.
#[derive(Debug)]
pub struct Limiter {
    rate: Rate,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    tokens: f64,
    counted_at: Instant,
    not_before: Instant,
}

impl Limiter {
    /// A full bucket.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let now = Instant::now();
        Self { rate, state: Mutex::new(State { tokens: rate.burst, counted_at: now, not_before: now }) }
    }

    /// Takes one token and waits until it is due.
    pub async fn acquire(&self) {
        let wait = self.reserve(Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// After a throttled answer: empties the bucket and holds everybody back for `pause`.
    pub fn throttled(&self, pause: Duration) {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tokens = state.tokens.min(0.0);
        state.not_before = state.not_before.max(now + pause);
    }

    fn reserve(&self, now: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = now.saturating_duration_since(state.counted_at).as_secs_f64();
        state.tokens = (state.tokens + elapsed * self.rate.per_second).min(self.rate.burst) - 1.0;
        state.counted_at = now;
        let debt = if state.tokens < 0.0 {
            Duration::from_secs_f64(-state.tokens / self.rate.per_second)
        } else {
            Duration::ZERO
        };
        debt.max(state.not_before.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_rest_is_spaced() {
        let limiter = Limiter::new(Rate { per_second: 10.0, burst: 5.0 });
        let now = Instant::now();
        for _ in 0..5 {
            assert!(limiter.reserve(now).is_zero());
        }
        for nth in 1..=10u32 {
            let wait = limiter.reserve(now).as_secs_f64();
            assert!((wait - f64::from(nth) / 10.0).abs() < 0.01, "{wait}");
        }
        assert!(limiter.reserve(now + Duration::from_secs(10)).is_zero());
    }

    #[test]
    fn no_second_sees_three_lookups() {
        let rate = Rate::of_action("cloudtrail:LookupEvents").unwrap();
        let limiter = Limiter::new(rate);
        let now = Instant::now();
        let waits: Vec<f64> = (0..20).map(|_| limiter.reserve(now).as_secs_f64()).collect();
        assert!(waits.windows(3).all(|three| three[2] - three[0] > 1.0), "{waits:?}");
        // After a long pause nothing has been saved up.
        let later = now + Duration::from_mins(1);
        let waits: Vec<f64> = (0..3).map(|_| limiter.reserve(later).as_secs_f64()).collect();
        assert!(waits[2] - waits[0] > 1.0, "{waits:?}");
        assert_eq!(Rate::of_action("cloudtrail:DescribeTrails"), None);
    }

    #[test]
    fn a_throttled_answer_holds_everybody_back() {
        let limiter = Limiter::new(Rate { per_second: 10.0, burst: 5.0 });
        let now = Instant::now();
        limiter.throttled(Duration::from_secs(2));
        assert!(limiter.reserve(now) >= Duration::from_secs(2));
    }
}
