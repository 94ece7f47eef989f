//! How fast AWS lets an account call each API: the table behind the simulated throttling.
//!
//! In: a service's IAM prefix and an operation. Out: a token bucket's size and refill. Published values are marked so;
//! AWS publishes none for the rest, and says only that they are throttled: those are assumptions on the careful side.

/// Tokens of one API in one account and Region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Tokens that come back in a second.
    pub per_second: f64,
    /// Tokens at rest.
    pub burst: f64,
}

const fn rate_of(per_second: f64, burst: f64) -> Rate {
    Rate { per_second, burst }
}

/// For everything that AWS publishes no rate for.
pub const ASSUMED: Rate = rate_of(20.0, 40.0);

/// The rate of `action` (an operation's name) of `service` (its IAM prefix), per account and Region.
///
/// | service | operations | rate | source |
/// |---|---|---|---|
/// | cloudtrail | `LookupEvents` | 2/s | published, `CloudTrail` quotas |
/// | cloudtrail | Describe, Get, List | 10/s | published, `CloudTrail` quotas |
/// | cloudwatch | `DescribeAlarms` | 9/s | published, `CloudWatch` quotas |
/// | kms | `DescribeKey`, `ListResourceTags` | 2000/s | published, KMS request quotas |
/// | kms | `GetKeyPolicy`, `GetKeyRotationStatus` | 1000/s | published, KMS request quotas |
/// | secretsmanager | `DescribeSecret` | 10000/s | published, Secrets Manager quotas, together with `GetSecretValue` |
/// | sts | all | 600/s | assumed: the default that AWS documents, shared by its operations |
/// | s3 | `GetObject` | 5500/s | published, per prefix of a bucket |
/// | s3 | requests on buckets' settings | 100/s | assumed; AWS publishes rates for objects only |
/// | organizations | all | 20/s, burst 40 | assumed; AWS's own values differ by operation |
/// | others | all | 20/s, burst 40 | assumed |
#[must_use]
pub fn rate(service: &str, action: &str) -> Rate {
    match (service, action) {
        ("cloudtrail", "LookupEvents") => rate_of(2.0, 2.0),
        ("cloudtrail", _) => rate_of(10.0, 10.0),
        ("cloudwatch", "DescribeAlarms") => rate_of(9.0, 9.0),
        ("kms", "GetKeyPolicy" | "GetKeyRotationStatus") => rate_of(1000.0, 1000.0),
        ("kms", _) => rate_of(2000.0, 2000.0),
        ("secretsmanager", "DescribeSecret") => rate_of(10_000.0, 10_000.0),
        ("sts", _) => rate_of(600.0, 600.0),
        ("s3", "GetObject") => rate_of(5500.0, 5500.0),
        ("s3", _) => rate_of(100.0, 200.0),
        _ => ASSUMED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_rates_and_the_assumption() {
        assert_eq!(rate("cloudtrail", "ListTrails"), rate_of(10.0, 10.0));
        assert_eq!(rate("cloudwatch", "DescribeAlarms"), rate_of(9.0, 9.0));
        assert_eq!(rate("codepipeline", "GetPipeline"), ASSUMED);
    }
}
