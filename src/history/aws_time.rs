//! Times of AWS's SDK and times of records.
//!
//! In: one of them. Out: the other. AWS writes seconds as floating-point numbers, so what comes is rounded to
//! milliseconds: the same answer gives the same bytes on every machine.

use aws_smithy_types::DateTime;
use time::OffsetDateTime;

const NANOS_PER_MILLI: i128 = 1_000_000;

/// A time of the SDK as a record holds it; `None` outside of the years 0 to 9999.
pub(super) fn moment(at: &DateTime) -> Option<OffsetDateTime> {
    let millis = (at.as_nanos() + NANOS_PER_MILLI / 2).div_euclid(NANOS_PER_MILLI);
    OffsetDateTime::from_unix_timestamp_nanos(millis * NANOS_PER_MILLI).ok().filter(|at| at.year() >= 0)
}

/// A time as the SDK sends it, to the second.
pub(super) fn sdk_time(at: OffsetDateTime) -> DateTime {
    DateTime::from_secs(at.unix_timestamp())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn times_come_through_to_the_millisecond() {
        let at = datetime!(2026-06-01 09:00:00.123 UTC);
        assert_eq!(moment(&DateTime::from_secs_f64(1_780_304_400.123)), Some(at));
        assert_eq!(sdk_time(at), DateTime::from_secs(1_780_304_400));
        assert_eq!(moment(&DateTime::from_secs(i64::MAX)), None);
    }
}
