//! Names of alarms, alone and in the rules of composite alarms.
//!
//! In: a name, an ARN or a rule as `CloudWatch` writes it. Out: names. It stands here because deployed and declared alarms
//! must be found under the same names.

use std::collections::BTreeSet;

use super::Arn;

/// An alarm's name, whether it is written as a name or as an ARN.
#[must_use]
pub fn alarm_name(text: &str) -> &str {
    match Arn::parse(text) {
        Ok(arn) if arn.service == "cloudwatch" => arn.resource.strip_prefix("alarm:").unwrap_or(arn.resource),
        _ => text,
    }
}

/// The alarms that the rule of a composite alarm names: `ALARM("errors") OR NOT OK(arn:…:alarm:latency)`.
#[must_use]
pub fn alarms_in_rule(rule: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let mut rest = rule;
    // A name may hold brackets and spaces where it stands in quotation marks.
    while let Some((before, after)) = rest.split_once('(') {
        rest = after;
        let asks = ["ALARM", "OK", "INSUFFICIENT_DATA"].iter().any(|state| before.trim_end().ends_with(state));
        let after = after.trim_start();
        let quoted = after.strip_prefix('"').and_then(|text| text.split_once('"'));
        let (name, left) = quoted.or_else(|| after.split_once(')')).unwrap_or((after, ""));
        if asks && !name.trim().is_empty() {
            found.insert(alarm_name(name.trim()));
            rest = left;
        }
    }
    found
}
