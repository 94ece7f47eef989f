//! Rows of a table of CloudTrail events, as Athena and CloudTrail Lake answer them and as they stand in a CSV file.
//!
//! In: names of columns and the texts of a row. Out: the record that the row was made from, as far as the columns tell.
//! It exists because tables of AWS Glue know lower-case names only and write a struct in three ways: as JSON, as the
//! text `{type=IAMUser, arn=…}`, and, with the queries of this tool, as JSON with dotted names.

use serde_json::{Map, Value};

/// Columns that are read, as the record's members are called.
const COLUMNS: &[&str] = &[
    "eventID",
    "eventTime",
    "eventSource",
    "eventName",
    "awsRegion",
    "recipientAccountId",
    "userIdentity",
    "sourceIPAddress",
    "userAgent",
    "errorCode",
    "requestID",
    "readOnly",
    "requestParameters",
    "responseElements",
    "additionalEventData",
];

/// Columns without which a row says nothing.
const NEEDED: &[&str] = &["eventID", "eventTime", "eventSource", "eventName"];

/// Members of `userIdentity` that lose their capitals in a table.
const IDENTITY: &[&str] = &[
    "type",
    "principalId",
    "arn",
    "accountId",
    "accessKeyId",
    "userName",
    "invokedBy",
    "identityProvider",
    "onBehalfOf",
    "userId",
    "identityStoreArn",
    "inScopeOf",
    "sessionContext",
    "sessionIssuer",
    "sourceIdentity",
    "attributes",
    "creationDate",
    "mfaAuthenticated",
    "webIdFederationData",
    "federatedProvider",
    "ec2RoleDelivery",
    "ec2IssuedInVpc",
    "sourceArn",
    "sourceAccount",
    "issuerType",
    "credentialsIssuedTo",
    "credentiaIsIssuedTo",
    "additionalEventData",
];

/// Depth at which the text of a struct is no longer followed.
const DEEPEST: usize = 16;

/// The longest name of a member that is looked for.
const LONGEST_NAME: usize = 64;

/// The columns of a table or file, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventColumns(Vec<Option<&'static str>>);

impl EventColumns {
    /// Reads a header. Names are compared without regard to case; further columns are left out.
    ///
    /// # Errors
    /// The names of the necessary columns that are missing.
    pub(super) fn of<'a>(header: impl IntoIterator<Item = &'a str>) -> Result<Self, Vec<&'static str>> {
        let known = |name: &str| COLUMNS.iter().copied().find(|column| column.eq_ignore_ascii_case(name.trim()));
        let columns: Vec<Option<&'static str>> = header.into_iter().map(known).collect();
        let has = |name: &&&str| columns.contains(&Some(**name));
        let mut missing: Vec<&'static str> = NEEDED.iter().filter(|name| !has(name)).copied().collect();
        // Whose event it is stands in either of two columns.
        if !["recipientAccountId", "userIdentity"].iter().any(|name| has(&name)) {
            missing.push("recipientAccountId");
        }
        if missing.is_empty() { Ok(Self(columns)) } else { Err(missing) }
    }

    /// The record of a row; what is empty is left out.
    pub(super) fn record<'a>(&self, row: impl IntoIterator<Item = Option<&'a str>>) -> Value {
        let mut record = Map::new();
        for (column, text) in self.0.iter().zip(row) {
            let (Some(column), Some(text)) = (column, text.map(str::trim).filter(|text| !text.is_empty())) else {
                continue;
            };
            let value = match *column {
                "eventTime" => Value::from(time(text)),
                "userIdentity" => structure(text).map(unfolded).map(named).unwrap_or_default(),
                "requestParameters" | "responseElements" | "additionalEventData" => structure(text).unwrap_or_default(),
                _ => Value::from(text),
            };
            record.insert((*column).to_owned(), value);
        }
        Value::Object(record)
    }
}

/// As CloudTrail writes times: a timestamp of SQL is `2026-06-10 10:55:03.000`, in UTC.
pub(super) fn time(text: &str) -> String {
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    match text.split_once(' ') {
        Some((day, clock)) => format!("{day}T{clock}Z"),
        None => text.to_owned(),
    }
}

/// A struct or map, written as JSON or as SQL shows it. `None` for what is neither.
fn structure(text: &str) -> Option<Value> {
    match serde_json::from_str::<Value>(text) {
        Ok(value @ Value::Object(_)) => Some(value),
        Ok(_) => None,
        Err(_) => shown(text),
    }
}

/// `{"sessioncontext.sessionissuer.arn": …}` → nested; names without dots stay.
fn unfolded(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    if !members.keys().any(|name| name.contains('.')) {
        return Value::Object(members);
    }
    let mut whole = Map::new();
    for (name, value) in members.into_iter().filter(|(_, value)| !value.is_null()) {
        put(&mut whole, &name, value, 0);
    }
    Value::Object(whole)
}

fn put(place: &mut Map<String, Value>, path: &str, value: Value, depth: usize) {
    let Some((first, rest)) = path.split_once('.').filter(|_| depth < DEEPEST) else {
        place.insert(path.to_owned(), value);
        return;
    };
    let next = place.entry(first).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(inner) = next {
        put(inner, rest, value, depth + 1);
    }
}

/// Opens the texts of a map that are JSON themselves: a map of SQL has no other way to hold an object.
pub(super) fn opened(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let members = members.into_iter().map(|(name, value)| {
        let inner = value.as_str().filter(|text| text.starts_with(['{', '[']));
        let inner = inner.and_then(|text| serde_json::from_str(text).ok().or_else(|| shown(text)));
        (name, inner.unwrap_or(value))
    });
    Value::Object(members.collect())
}

/// The members of an identity under CloudTrail's own names.
fn named(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let name = |name: String| {
                let known = IDENTITY.iter().find(|known| known.eq_ignore_ascii_case(&name));
                known.map_or(name, |known| (*known).to_owned())
            };
            Value::Object(members.into_iter().map(|(key, value)| (name(key), named(value))).collect())
        }
        other => other,
    }
}

/// Reads `{type=IAMUser, sessioncontext={sessionissuer={arn=…}}}`, as Athena writes a struct into a result. The form
/// has no quotes: a text ends at the next `, name=` or at the closing brace.
fn shown(text: &str) -> Option<Value> {
    let mut rest = text.trim();
    let value = shown_struct(&mut rest, 0)?;
    rest.trim().is_empty().then_some(value)
}

fn shown_struct(rest: &mut &str, depth: usize) -> Option<Value> {
    if depth > DEEPEST {
        return None;
    }
    *rest = rest.strip_prefix('{')?;
    let mut members = Map::new();
    loop {
        *rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            *rest = after;
            return Some(Value::Object(members));
        }
        let end = rest.bytes().take(LONGEST_NAME).position(|byte| byte == b'=')?;
        let (name, after) = rest.split_at_checked(end)?;
        if !is_name(name) {
            return None;
        }
        let after = after.strip_prefix('=')?;
        *rest = after;
        let value = if rest.starts_with('{') { shown_struct(rest, depth + 1)? } else { shown_text(rest)? };
        if !value.is_null() {
            members.insert(name.to_owned(), value);
        }
        *rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// A text up to the next member or the end of its struct.
fn shown_text(rest: &mut &str) -> Option<Value> {
    let named = |next: &str| {
        let name = next.bytes().take(LONGEST_NAME).position(|byte| byte == b'=').and_then(|end| next.get(..end));
        name.is_some_and(is_name)
    };
    let ends = |at: &usize| {
        let Some((_, after)) = rest.split_at_checked(*at) else { return false };
        after.starts_with('}') || after.strip_prefix(", ").is_some_and(named)
    };
    let end = rest.match_indices([',', '}']).map(|(at, _)| at).find(ends)?;
    let (text, after) = rest.split_at_checked(end)?;
    *rest = after;
    Some(if text == "null" { Value::Null } else { Value::from(text) })
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::*;

    const HEADER: [&str; 9] = [
        "eventid",
        "eventtime",
        "eventsource",
        "eventname",
        "awsregion",
        "recipientaccountid",
        "useridentity",
        "readonly",
        "requestparameters",
    ];

    fn event(identity: &str, time: &str, request: &str) -> Event {
        let row = ["e1", time, "codepipeline.amazonaws.com", "PutApprovalResult", "eu-west-1", "111122223333"];
        let row = row.into_iter().chain([identity, "false", request]);
        let record = EventColumns::of(HEADER).unwrap().record(row.map(Some));
        Event::from_value(&record).unwrap()
    }

    const REQUEST: &str = r#"{"pipelineName":"web","result":{"status":"Approved","summary":"a, b={c}"}}"#;

    #[test]
    fn the_three_ways_to_write_an_identity_are_one() {
        let json = r#"{"type":"AssumedRole","principalid":"AROA:alice","arn":"arn:aws:sts::111122223333:assumed-role/Releaser/alice","accountid":"111122223333","invokedby":null,"sessioncontext":{"attributes":{"mfaauthenticated":"true"},"sessionissuer":{"arn":"arn:aws:iam::111122223333:role/Releaser"}}}"#;
        let text = "{type=AssumedRole, principalid=AROA:alice, arn=arn:aws:sts::111122223333:assumed-role/Releaser/alice, accountid=111122223333, invokedby=null, sessioncontext={attributes={mfaauthenticated=true}, sessionissuer={arn=arn:aws:iam::111122223333:role/Releaser}}}";
        let dotted = r#"{"type":"AssumedRole","principalid":"AROA:alice","arn":"arn:aws:sts::111122223333:assumed-role/Releaser/alice","accountid":"111122223333","invokedby":null,"sessioncontext.sessionissuer.arn":"arn:aws:iam::111122223333:role/Releaser","sessioncontext.sourceidentity":null}"#;
        let (a, b, c) = (
            event(json, "2026-06-10T10:55:03Z", REQUEST),
            event(text, "2026-06-10 10:55:03.000", REQUEST),
            event(dotted, "2026-06-10 10:55:03.000 UTC", REQUEST),
        );
        assert_eq!((&a, &b), (&b, &c));
        assert_eq!(a.principal.role.as_deref(), Some("arn:aws:iam::111122223333:role/Releaser"));
        assert_eq!(a.principal.person().as_deref(), Some("alice"));
        assert_eq!(a.request.text(&["result", "summary"]).as_deref(), Some("a, b={c}"));
        assert_eq!(a.read_only, Some(false));
    }

    #[test]
    fn a_text_with_commas_and_equals_signs_keeps_them() {
        let value = shown("{arn=arn:aws:sts::1:assumed-role/R/carol=x,y@example.com, a={}, username=null}").unwrap();
        assert_eq!(value, serde_json::json!({"arn": "arn:aws:sts::1:assumed-role/R/carol=x,y@example.com", "a": {}}));
        for torn in ["", "{", "{a", "{a=", "{a=b", "{=b}", "{a=b}}", "[1]", "{a={b=c}"] {
            assert_eq!(shown(torn), None, "{torn}");
        }
        let deep = "{a=".repeat(10_000);
        assert_eq!(shown(&deep), None);
    }

    #[test]
    fn a_map_of_texts_is_opened() {
        let map =
            serde_json::json!({"result": "{\"status\":\"Approved\"}", "references": "[1]", "pipelineName": "{web"});
        let expected = serde_json::json!({"result": {"status": "Approved"}, "references": [1], "pipelineName": "{web"});
        assert_eq!(opened(map), expected);
    }

    #[test]
    fn a_header_without_the_necessary_says_what_is_missing() {
        assert_eq!(
            EventColumns::of(["eventID", "eventTime", "x"]),
            Err(vec!["eventSource", "eventName", "recipientAccountId"])
        );
        assert!(EventColumns::of(HEADER).is_ok());
    }
}
