//! `AWS::SecretsManager::Secret`: what builds are given instead of a value in their settings.
//!
//! In: a secret's rotation, never its value. Out: whether it changes, how often it is meant to, and when it last did.

use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::joins::Joins;
use super::seen::{Seen, at, is_set, name, number, property, text, text_at};
use super::{Facts, ResourceKind};
use crate::inventory::{Resource, TypeName};

/// Secrets that builds and pipelines name.
pub struct Secret;

impl ResourceKind for Secret {
    fn type_name(&self) -> TypeName {
        TypeName::SECRET
    }

    fn action(&self) -> &'static str {
        "KeepSecret"
    }

    fn facts(&self, resource: &Resource, joins: &Joins) -> Facts {
        let mut facts = Facts::default();
        facts.know("name", name(resource, "Name"));
        facts.put_tags(resource);
        facts.put("rotationEnabled", is_set(resource, "RotationEnabled"));
        facts.put("rotationDays", rotation_days(resource));
        facts.put("daysSinceRotation", days_since_rotation(resource, joins.now));
        facts
    }
}

fn moment(resource: &Resource, name: &str) -> Seen<Option<OffsetDateTime>> {
    let Some(written) = text(resource, name)? else { return Ok(None) };
    let moment = OffsetDateTime::parse(written, &Rfc3339);
    moment.map(Some).map_err(|_| vec![format!("secret {}: `{written}` is not a time", resource.uid)])
}

/// Days between two rotations; 0 where it does not rotate. A schedule that names no interval is measured: from the last
/// rotation to the next.
fn rotation_days(resource: &Resource) -> Seen<i64> {
    if !is_set(resource, "RotationEnabled")? {
        return Ok(0);
    }
    let rules = property(resource, "RotationRules")?;
    if let Some(days) = at(rules, &["AutomaticallyAfterDays"]).and_then(number) {
        return Ok(days);
    }
    if let Some(days) = every(rules) {
        return Ok(days);
    }
    match (moment(resource, "LastRotatedDate")?, moment(resource, "NextRotationDate")?) {
        // A day that has begun counts, so that 30 days and an hour are more than 30.
        (Some(last), Some(next)) => Ok((next + Duration::seconds(86_399) - last).whole_days().max(0)),
        _ => Err(vec![format!("secret {} says neither how often it rotates nor when it will", resource.uid)]),
    }
}

/// The days of `rate(10 days)`; hours are part of a day.
fn every(rules: Option<&Value>) -> Option<i64> {
    let rate = text_at(rules, &["ScheduleExpression"]).strip_prefix("rate(")?.strip_suffix(')')?;
    let (count, unit) = rate.trim().split_once(' ')?;
    let count: i64 = count.parse().ok()?;
    match unit.trim().trim_end_matches('s') {
        "day" => Some(count),
        "hour" => Some(count.saturating_add(23) / 24),
        _ => None,
    }
}

/// Whole days since it last changed hands by rotation, or since it was made where it never did.
fn days_since_rotation(resource: &Resource, now: OffsetDateTime) -> Seen<i64> {
    let since = match moment(resource, "LastRotatedDate")? {
        Some(rotated) => Some(rotated),
        None => moment(resource, "CreatedDate")?,
    };
    let since =
        since.ok_or_else(|| vec![format!("secret {} says neither when it was rotated nor made", resource.uid)])?;
    Ok((now - since).whole_days().max(0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Fact;
    use super::super::testing::*;
    use super::*;

    fn facts(properties: Value) -> Facts {
        Secret.facts(&resource(TypeName::SECRET, "delivery/database-AbCdEf", properties), &joins(&[], &[]))
    }

    #[test]
    fn how_often_it_is_meant_to_rotate() {
        let days = |rules: Value| {
            let dates = ["2026-11-01T00:00:00Z", "2026-12-01T01:00:00Z"];
            let facts = facts(json!({
                "RotationEnabled": true, "RotationRules": rules, "LastRotatedDate": dates[0], "NextRotationDate": dates[1],
            }));
            facts.known["rotationDays"].clone()
        };
        assert_eq!(days(json!({"AutomaticallyAfterDays": 7, "ScheduleExpression": "rate(7 days)"})), Fact::Long(7));
        assert_eq!(days(json!({"ScheduleExpression": "rate(10 days)"})), Fact::Long(10));
        assert_eq!(days(json!({"ScheduleExpression": "rate(36 hours)"})), Fact::Long(2));
        assert_eq!(days(json!({"ScheduleExpression": "cron(0 16 1 * ? *)"})), Fact::Long(31));
        assert!(facts(json!({"RotationEnabled": true})).unknown.contains_key("rotationDays"));
        assert_eq!(facts(json!({})).known["rotationDays"], Fact::Long(0));
    }

    #[test]
    fn a_secret_that_never_rotated_is_as_old_as_it_is() {
        let days = |properties: Value| facts(properties).known.get("daysSinceRotation").cloned();
        assert_eq!(
            days(json!({"CreatedDate": "2020-01-01T00:00:00Z", "LastRotatedDate": "2026-11-11T02:00:00Z"})),
            Some(Fact::Long(10))
        );
        assert_eq!(days(json!({"CreatedDate": "2026-11-16T02:00:00Z"})), Some(Fact::Long(5)));
        assert_eq!(days(json!({})), None);
    }

    #[test]
    fn what_could_not_be_described_is_unknown() {
        let mut secret = resource(TypeName::SECRET, "delivery/database", json!({"Name": "delivery/database"}));
        secret.unseen.insert("*".to_owned(), denied("secretsmanager:DescribeSecret"));
        let facts = Secret.facts(&secret, &joins(&[], &[]));
        assert_eq!(
            facts.unknown.keys().map(AsRef::as_ref).collect::<Vec<&str>>(),
            ["daysSinceRotation", "rotationDays", "rotationEnabled", "tagKeys", "tags"]
        );
    }
}
