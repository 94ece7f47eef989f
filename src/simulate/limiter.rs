//! Token buckets per account, Region and API, as AWS throttles.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::rates;

#[derive(Debug, Clone, Copy)]
struct Tokens {
    left: f64,
    at: Instant,
}

/// Which bucket a call draws from: caller's account, Region, IAM action.
type BucketKey = (usize, Option<usize>, &'static str);

/// All token buckets; a bucket exists from its first call on.
#[derive(Debug)]
pub(crate) struct Limiter {
    enabled: bool,
    buckets: Mutex<BTreeMap<BucketKey, Tokens>>,
}

impl Limiter {
    /// A limiter; one that is not `enabled` lets everything pass.
    pub(crate) fn new(enabled: bool) -> Self {
        Self { enabled, buckets: Mutex::new(BTreeMap::new()) }
    }

    /// Whether a call of `action` (`service:Operation`) may pass now.
    pub(crate) fn admits(&self, account: usize, region: Option<usize>, action: &'static str, now: Instant) -> bool {
        if !self.enabled {
            return true;
        }
        let (service, operation) = action.split_once(':').unwrap_or((action, ""));
        let rate = rates::rate(service, operation);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let tokens = buckets.entry((account, region, action)).or_insert(Tokens { left: rate.burst, at: now });
        let refill = now.saturating_duration_since(tokens.at).as_secs_f64() * rate.per_second;
        tokens.left = (tokens.left + refill).min(rate.burst);
        tokens.at = now;
        let admitted = tokens.left >= 1.0;
        if admitted {
            tokens.left -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_throttled_and_refills() {
        let limiter = Limiter::new(true);
        let start = Instant::now();
        let passed = (0..30).filter(|_| limiter.admits(1, Some(0), "cloudtrail:ListTrails", start)).count();
        assert_eq!(passed, 10);
        let later = start + Duration::from_millis(500);
        let passed = (0..30).filter(|_| limiter.admits(1, Some(0), "cloudtrail:ListTrails", later)).count();
        assert_eq!(passed, 5);
        assert!(limiter.admits(2, Some(0), "cloudtrail:ListTrails", start), "another account has its own tokens");
        assert!(limiter.admits(1, Some(1), "cloudtrail:ListTrails", start), "another Region has its own tokens");
    }

    #[test]
    fn without_limits_everything_passes() {
        let limiter = Limiter::new(false);
        let now = Instant::now();
        assert!((0..1000).all(|_| limiter.admits(0, None, "cloudtrail:ListTrails", now)));
    }
}
