//! The records of a trail, and `LookupEvents`.
//!
//! In: acts of the estate, and calls that mean nothing. Out: records as a trail writes them, one for every act but
//! pushes, which have two. The fields follow AWS's record contents; those of requests are in `trail_requests`.

use serde_json::{Map, Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::super::estate::{Act, Caller, PipelineSpec, RoleRef, acts, uuid};
use super::super::protocol::{ApiError, timestamp};
use super::super::world::World;
use super::deployments::moment;
use super::pages::{page, with_token};
use super::trail_requests::{Recorded, recorded};
use super::{Answer, Call};

/// What is recorded, before it is written.
#[derive(Debug, Clone)]
pub(in super::super) struct Record {
    pub(in super::super) time: OffsetDateTime,
    pub(in super::super) id: String,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Act(Box<Act>),
    /// The first of the two records of a push.
    Greeting(Box<Act>),
    Noise(usize),
}

/// Calls that say nothing of delivery, though one is called as one that does: source, name, read-only.
const NOISE: &[(&str, &str, bool)] = &[
    ("ec2.amazonaws.com", "DescribeInstances", true),
    ("codepipeline.amazonaws.com", "GetPipelineState", true),
    ("sts.amazonaws.com", "AssumeRole", true),
    ("apigateway.amazonaws.com", "CreateDeployment", false),
    ("logs.amazonaws.com", "CreateLogStream", false),
    ("signin.amazonaws.com", "ConsoleLogin", false),
    ("s3.amazonaws.com", "GetBucketAcl", true),
];

/// Somebody looks at something every so many hours; a real account never rests, but its files would all look alike.
const NOISE_HOURS: i64 = 8;

/// Everything that is recorded of an account and Region from `from` to before `to`, oldest first.
pub(in super::super) fn records(
    world: &World,
    account: usize,
    region: usize,
    from: OffsetDateTime,
    to: OffsetDateTime,
) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let all = world.acts.get((account, region), || acts(world, account, region));
    for act in all.iter().filter(|act| from <= act.time && act.time < to).cloned() {
        if matches!(act.deed, super::super::estate::Deed::Push { .. }) {
            let id = act.second.clone();
            records.push(Record { time: act.time, id, what: What::Greeting(Box::new(act.clone())) });
        }
        records.push(Record { time: act.time, id: act.id.clone(), what: What::Act(Box::new(act)) });
    }
    let hour = |time: OffsetDateTime| time.unix_timestamp().div_euclid(3600);
    for hour in (hour(from)..=hour(to)).filter(|hour| hour % NOISE_HOURS == 0) {
        let number = usize::try_from(hour).unwrap_or(0);
        let mut rng = world.generator(account, region, "noise", number);
        for turn in 0..rng.usize(1..3) {
            let seconds = hour * 3600 + rng.i64(0..3600);
            let Ok(time) = OffsetDateTime::from_unix_timestamp(seconds) else { continue };
            // Most are reads; the others come now and then.
            let kind = if rng.u8(..8) == 0 { rng.usize(..NOISE.len()) } else { rng.usize(..3) };
            let id = uuid(world, (account, region), "noise", number * 4 + turn);
            if from <= time && time < to {
                records.push(Record { time, id, what: What::Noise(kind) });
            }
        }
    }
    records.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    records
}

/// The name of the session in which a caller comes, at a time.
fn session_of(caller: Caller, time: OffsetDateTime) -> String {
    match caller {
        Caller::Person { session, .. } => session.to_owned(),
        Caller::User(name) => name.to_owned(),
        Caller::Root => "root".to_owned(),
        Caller::Pipeline(_) => (time.unix_timestamp() * 1000 + 411).to_string(),
        Caller::Build => "AWSCodeBuild-2f1c7d30-55aa-4c1e-9a55-0d3c7c9f1b2e".to_owned(),
        Caller::Events => "2a7e5f0c9b8d4e6f1a3b5c7d9e0f2a4b".to_owned(),
        Caller::Automation => "AWSCloudFormation".to_owned(),
    }
}

/// The path and name of the role that a caller has become.
fn role_of(world: &World, caller: Caller, place: Option<(usize, usize)>) -> Option<(&'static str, String)> {
    match caller {
        Caller::Person { role, .. } if role.starts_with("AWSReservedSSO_") => {
            Some(("aws-reserved/sso.amazonaws.com/", role.to_owned()))
        }
        Caller::Person { role, .. } => Some(("", role.to_owned())),
        Caller::Pipeline(number) => {
            let (account, region) = place?;
            let spec = PipelineSpec::new(world, account, region, number);
            Some(("", RoleRef::of_pipeline(&spec).name(world)))
        }
        Caller::Build => Some(("", "CodeBuildService".to_owned())),
        Caller::Events => Some(("service-role/", "StartPipelines".to_owned())),
        Caller::Automation => Some(("", "StackDeployment".to_owned())),
        Caller::User(_) | Caller::Root => None,
    }
}

/// The ARN of a caller, with the session.
pub(super) fn arn_of(world: &World, account: usize, caller: Caller, time: OffsetDateTime) -> String {
    caller_arn(world, (account, 0), caller, time)
}

fn caller_arn(world: &World, place: (usize, usize), caller: Caller, time: OffsetDateTime) -> String {
    let (partition, id) = (world.partition, world.account_id(place.0));
    match role_of(world, caller, Some(place)) {
        Some((_, role)) => format!("arn:{partition}:sts::{id}:assumed-role/{role}/{}", session_of(caller, time)),
        None if caller == Caller::Root => format!("arn:{partition}:iam::{id}:root"),
        None => format!("arn:{partition}:iam::{id}:user/{}", session_of(caller, time)),
    }
}

fn identity(world: &World, place: (usize, usize), caller: Caller, time: OffsetDateTime) -> Value {
    let id = world.account_id(place.0);
    let arn = caller_arn(world, place, caller, time);
    let session = session_of(caller, time);
    let Some((path, role)) = role_of(world, caller, Some(place)) else {
        return if caller == Caller::Root {
            json!({ "type": "Root", "principalId": id, "arn": arn, "accountId": id, "accessKeyId": "" })
        } else {
            json!({
                "type": "IAMUser", "principalId": "AIDAEXAMPLE", "arn": arn, "accountId": id,
                "accessKeyId": "AKIAEXAMPLE", "userName": session
            })
        };
    };
    let created = rfc3339(time - Duration::minutes(20));
    let mut identity = json!({
        "type": "AssumedRole", "principalId": format!("AROAEXAMPLE{}:{session}", role.len()), "arn": arn,
        "accountId": id, "accessKeyId": "ASIAEXAMPLE",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role", "principalId": format!("AROAEXAMPLE{}", role.len()),
                "arn": format!("arn:{}:iam::{id}:role/{path}{role}", world.partition), "accountId": id,
                "userName": role
            },
            "attributes": { "creationDate": created, "mfaAuthenticated": "false" }
        }
    });
    let Some(fields) = identity.as_object_mut() else { return identity };
    match caller {
        Caller::Pipeline(_) => {
            fields.insert("invokedBy".to_owned(), json!("codepipeline.amazonaws.com"));
        }
        Caller::Events => {
            fields.insert("invokedBy".to_owned(), json!("events.amazonaws.com"));
        }
        Caller::Person { session, role } if role.starts_with("AWSReservedSSO_") => {
            let user = uuid(world, (0, 0), session, 0);
            let store =
                format!("arn:{}:identitystore::{}:identitystore/d-9067000000", world.partition, world.account_id(0));
            fields.insert("onBehalfOf".to_owned(), json!({ "userId": user, "identityStoreArn": store }));
        }
        _ => {}
    }
    identity
}

/// `2026-06-10T10:55:03Z`
pub(super) fn rfc3339(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}

/// `Jun 10, 2026, 10:55:03 AM`, as some responses have it.
pub(super) fn local(time: OffsetDateTime) -> String {
    let month = time.month().to_string();
    let (half, hour) = (if time.hour() < 12 { "AM" } else { "PM" }, (time.hour() + 11) % 12 + 1);
    let month = month.get(..3).unwrap_or_default();
    format!("{month} {}, {}, {hour}:{:02}:{:02} {half}", time.day(), time.year(), time.minute(), time.second())
}

/// What a record is called: its source and name.
pub(super) fn title(record: &Record) -> (&'static str, &'static str, bool) {
    match &record.what {
        What::Act(act) => {
            let (source, name) = super::trail_requests::title(&act.deed);
            (source, name, false)
        }
        What::Greeting(_) => ("codecommit.amazonaws.com", "GitPush", true),
        What::Noise(kind) => NOISE.get(*kind).copied().unwrap_or(("ec2.amazonaws.com", "DescribeInstances", true)),
    }
}

fn user(record: &Record) -> String {
    match &record.what {
        What::Act(act) | What::Greeting(act) => session_of(act.caller, record.time),
        What::Noise(_) => session_of(Caller::Automation, record.time),
    }
}

/// A record as a trail writes it.
pub(in super::super) fn written(world: &World, place: (usize, usize), record: &Record) -> Value {
    let (source, name, read_only) = title(record);
    let (caller, said, refused) = match &record.what {
        What::Act(act) => (act.caller, recorded(world, place, act), act.refused),
        What::Greeting(act) => (act.caller, greeting(&recorded(world, place, act)), false),
        What::Noise(_) => (Caller::Automation, Recorded::default(), false),
    };
    let service = match caller {
        Caller::Pipeline(_) => Some("codepipeline.amazonaws.com"),
        Caller::Events => Some("events.amazonaws.com"),
        Caller::Automation => Some("cloudformation.amazonaws.com"),
        _ => None,
    };
    let request_id = match &record.what {
        What::Act(act) | What::Greeting(act) => act.second.chars().rev().collect::<String>(),
        What::Noise(_) => record.id.chars().rev().collect(),
    };
    let mut written = Map::new();
    let mut put = |name: &str, value: Value| {
        written.insert(name.to_owned(), value);
    };
    put("eventVersion", json!("1.11"));
    put("userIdentity", identity(world, place, caller, record.time));
    put("eventTime", json!(rfc3339(record.time)));
    put("eventSource", json!(source));
    put("eventName", json!(name));
    put("awsRegion", json!(world.region_name(place.1)));
    put("sourceIPAddress", json!(service.unwrap_or("192.0.2.10")));
    put("userAgent", json!(service.unwrap_or("aws-cli/2.31.0 \"quoted\" \\ [Records]")));
    if refused {
        put("errorCode", json!("AccessDenied"));
        put("errorMessage", json!(format!("User is not authorized to perform: {name}")));
    }
    put("requestParameters", said.request);
    put("responseElements", if refused { Value::Null } else { said.response });
    if let Some(additional) = said.additional {
        put("additionalEventData", additional);
    }
    put("requestID", json!(request_id));
    put("eventID", json!(record.id));
    put("readOnly", json!(read_only));
    if let Some((kind, arn)) = said.resource {
        let account = world.account_id(place.0);
        put("resources", json!([{ "accountId": account, "type": kind, "ARN": arn }]));
    }
    put("eventType", json!("AwsApiCall"));
    put("managementEvent", json!(true));
    put("recipientAccountId", json!(world.account_id(place.0)));
    put("eventCategory", json!("Management"));
    Value::Object(written)
}

/// The record that comes before a push's own: nothing is said yet.
fn greeting(said: &Recorded) -> Recorded {
    let mut additional = said.additional.clone();
    if let Some(fields) = additional.as_mut().and_then(Value::as_object_mut) {
        fields.insert("dataTransferred".to_owned(), json!(false));
    }
    Recorded { request: Value::Null, response: Value::Null, additional, resource: said.resource.clone() }
}

/// How far back the service remembers.
const DAYS: i64 = 90;

pub(super) fn lookup_events(call: &Call<'_>) -> Answer {
    let wrong = |code, message: &str| Err(ApiError::new(400, code, message.to_owned()));
    let attributes = call.input.get("LookupAttributes").and_then(Value::as_array).cloned().unwrap_or_default();
    if attributes.len() > 1 {
        return wrong("InvalidLookupAttributesException", "You can specify only one lookup attribute");
    }
    if call.number("MaxResults").is_some_and(|wanted| wanted == 0 || wanted > 50) {
        return wrong("InvalidMaxResultsException", "MaxResults must be from 1 to 50");
    }
    let now = call.world.options.now;
    let (start, end) = (moment(call.input, "/StartTime"), moment(call.input, "/EndTime"));
    if start.zip(end).is_some_and(|(start, end)| start > end) {
        return wrong("InvalidTimeRangeException", "The start time is after the end time");
    }
    let from = start.unwrap_or(now).min(now).max(now - Duration::days(DAYS));
    let from = if start.is_none() { now - Duration::days(DAYS) } else { from };
    let to = end.unwrap_or(now).min(now);
    let Some(region) = call.region else { return Ok(json!({ "Events": [] })) };
    let text = |name: &str| attributes.first().and_then(|a| a.get(name)).and_then(Value::as_str).unwrap_or_default();
    let (key, value) = (text("AttributeKey"), text("AttributeValue"));
    let kept = |record: &Record| {
        let (source, name, read_only) = title(record);
        match key {
            "" => true,
            "EventName" => name == value,
            "EventSource" => source == value,
            "EventId" => record.id == value,
            "ReadOnly" => read_only.to_string() == value,
            "Username" => user(record) == value,
            _ => false,
        }
    };
    let mut found = records(call.world, call.account, region, from, to + Duration::seconds(1));
    found.retain(kept);
    found.reverse();
    let wanted = call.number("MaxResults");
    let (range, next) = page(found.len(), call.text("NextToken"), wanted, 50, "InvalidNextTokenException")?;
    let events: Vec<Value> = found
        .get(range)
        .unwrap_or_default()
        .iter()
        .map(|record| {
            let (source, name, read_only) = title(record);
            json!({
                "EventId": record.id, "EventName": name, "ReadOnly": read_only.to_string(),
                "EventTime": timestamp(record.time), "EventSource": source, "Username": user(record), "Resources": [],
                "CloudTrailEvent": written(call.world, (call.account, region), record).to_string()
            })
        })
        .collect();
    Ok(with_token(json!({ "Events": events }), "NextToken", next))
}
