//! What an event asks for.
//!
//! In: the event of an invocation. Out: what is to be done. A shape that is not known is an error that names those that
//! are, so that whoever sent it retries, keeps or alarms: nothing is ever silently passed over.

use serde_json::Value;

use super::changes;
use crate::audit::Target;

/// What an event asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Event {
    /// An invocation of a CloudFormation Lambda Hook.
    Hook,
    /// A stage of a fan-out.
    Stage(Value),
    /// Resources that a call changed.
    Changed(Vec<Target>),
    /// The whole audit.
    Audit,
    /// A call that changed nothing.
    Ignored(String),
}

/// `detail-type` of the calls that CloudTrail hands to EventBridge.
const CALL: &str = "AWS API Call via CloudTrail";
const SCHEDULED: &str = "Scheduled Event";

const KNOWN: &str = "known are the invocation of a CloudFormation Lambda Hook (`actionInvocationPoint`), a stage of a \
                     fan-out (`stage`), an EventBridge event of `detail-type` \"AWS API Call via CloudTrail\" or \
                     \"Scheduled Event\", and `{\"audit\": {}}`";

impl Event {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let event: Value =
            serde_json::from_str(text).map_err(|error| format!("the event is no JSON: {error}; {KNOWN}"))?;
        if event.get("actionInvocationPoint").is_some() {
            return Ok(Self::Hook);
        }
        if event.get("stage").is_some() {
            return Ok(Self::Stage(event));
        }
        match event.get("detail-type").and_then(Value::as_str) {
            Some(CALL) => return changes::read(&event),
            Some(SCHEDULED) => return Ok(Self::Audit),
            Some(other) => return Err(format!("an event of `detail-type` \"{other}\" asks for nothing; {KNOWN}")),
            None => {}
        }
        match event.get("audit") {
            Some(Value::Object(options)) if options.is_empty() => Ok(Self::Audit),
            Some(_) => Err(format!("`audit` takes no options in an event; they come from the environment; {KNOWN}")),
            None => Err(format!("nobody knows what the event asks for; {KNOWN}")),
        }
    }

    /// For the log.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Hook => "hook",
            Self::Stage(_) => "stage",
            Self::Changed(_) => "changed resource",
            Self::Audit => "audit",
            Self::Ignored(_) => "ignored",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_shape_is_told_apart_and_any_other_is_an_error() {
        let read = |event: Value| Event::read(&event.to_string());
        assert_eq!(read(json!({"actionInvocationPoint": "CREATE_PRE_PROVISION"})), Ok(Event::Hook));
        assert_eq!(read(json!({"audit": {}})), Ok(Event::Audit));
        assert_eq!(read(json!({"detail-type": "Scheduled Event", "source": "aws.events"})), Ok(Event::Audit));
        assert!(matches!(read(json!({"stage": "begin"})), Ok(Event::Stage(_))));
        for wrong in [json!({}), json!([]), json!(null), json!({"audit": {"x": 1}}), json!({"detail-type": "Other"})] {
            assert!(read(wrong.clone()).unwrap_err().contains("known are"), "{wrong}");
        }
        assert!(Event::read("{").unwrap_err().contains("no JSON"));
    }
}
