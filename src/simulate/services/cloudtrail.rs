//! `CloudTrail`.

use serde_json::{Map, Value, json};

use super::super::estate::{DataEvents, Scope, TrailSpec, organization_trail, trails_of};
use super::super::protocol::{ApiError, timestamp};
use super::pages::{page, with_token};
use super::{Answer, Call, Operation, Service, days_ago};

pub(super) const SERVICE: Service = Service {
    prefix: "cloudtrail",
    target: "CloudTrail_20131101",
    operations: &[
        Operation { name: "ListTrails", action: "cloudtrail:ListTrails", answer: list_trails },
        Operation { name: "DescribeTrails", action: "cloudtrail:DescribeTrails", answer: describe_trails },
        Operation { name: "GetTrailStatus", action: "cloudtrail:GetTrailStatus", answer: get_trail_status },
        Operation { name: "GetEventSelectors", action: "cloudtrail:GetEventSelectors", answer: get_event_selectors },
        Operation {
            name: "LookupEvents",
            action: "cloudtrail:LookupEvents",
            answer: super::trail_events::lookup_events,
        },
        Operation { name: "ListPublicKeys", action: "cloudtrail:ListPublicKeys", answer: list_public_keys },
    ],
};

/// Every trail that the account sees, in whatever Region: its own and the organization's.
fn seen(call: &Call<'_>) -> Vec<TrailSpec> {
    let mut trails = trails_of(call.world, call.account);
    if call.account != 0 {
        trails.push(organization_trail(call.world));
    }
    trails
}

fn list_trails(call: &Call<'_>) -> Answer {
    let trails = seen(call);
    let (range, next) = page(trails.len(), call.text("NextToken"), None, 100, "InvalidNextTokenException")?;
    let listed: Vec<Value> = trails
        .get(range)
        .unwrap_or_default()
        .iter()
        .map(|trail| {
            let home = call.world.region_name(trail.region);
            json!({ "TrailARN": trail.arn(call.world), "Name": trail.name(), "HomeRegion": home })
        })
        .collect();
    Ok(with_token(json!({ "Trails": listed }), "NextToken", next))
}

#[expect(clippy::unnecessary_wraps, reason = "every operation answers an `Answer`")]
fn describe_trails(call: &Call<'_>) -> Answer {
    let names = call.texts("trailNameList");
    let shadows = call.flag("includeShadowTrails").unwrap_or(true);
    let described: Vec<Value> = seen(call)
        .iter()
        .filter(|trail| {
            let home = Some(trail.region) == call.region && trail.account == call.account;
            let here = home || shadows && (trail.multi_region() || Some(trail.region) == call.region);
            let arn = trail.arn(call.world);
            let asked = names.iter().any(|name| *name == arn || *name == trail.name());
            if names.is_empty() { here } else { asked && (here || names.contains(&arn.as_str())) }
        })
        .map(|trail| describe(call, trail))
        .collect();
    Ok(json!({ "trailList": described }))
}

fn describe(call: &Call<'_>, trail: &TrailSpec) -> Value {
    let world = call.world;
    let mut description = Map::new();
    let mut put = |name: &str, value: Value| {
        description.insert(name.to_owned(), value);
    };
    put("Name", json!(trail.name()));
    put("S3BucketName", json!(trail.bucket.name(world)));
    put("IncludeGlobalServiceEvents", json!(trail.multi_region()));
    put("IsMultiRegionTrail", json!(trail.multi_region()));
    put("HomeRegion", json!(world.region_name(trail.region)));
    put("TrailARN", json!(trail.arn(world)));
    put("LogFileValidationEnabled", json!(trail.validation));
    put("HasCustomEventSelectors", json!(trail.events != DataEvents::None));
    put("HasInsightSelectors", json!(false));
    put("IsOrganizationTrail", json!(trail.scope == Scope::Organization));
    if let Some(key) = trail.key {
        put("KmsKeyId", json!(key.arn(world)));
    }
    if trail.cloudwatch {
        put("CloudWatchLogsLogGroupArn", json!(world.arn("logs", trail.region, trail.account, "log-group:trail:*")));
        put("CloudWatchLogsRoleArn", json!(world.role_arn(trail.account, "TrailDelivery")));
    }
    Value::Object(description)
}

/// The trail that `member` names: by ARN from anywhere, by name from its owner in its home Region.
fn named(call: &Call<'_>, member: &str) -> Result<TrailSpec, ApiError> {
    let name = call.required(member)?;
    seen(call)
        .into_iter()
        .find(|trail| {
            let by_name = trail.name() == name && trail.account == call.account && Some(trail.region) == call.region;
            by_name || trail.arn(call.world) == name
        })
        .ok_or_else(|| ApiError::new(400, "TrailNotFoundException", format!("Unknown trail: {name}")))
}

/// Digests are not signed here, so there is no key.
#[expect(clippy::unnecessary_wraps, reason = "every operation answers an `Answer`")]
fn list_public_keys(_: &Call<'_>) -> Answer {
    Ok(json!({ "PublicKeyList": [] }))
}

fn get_trail_status(call: &Call<'_>) -> Answer {
    let trail = named(call, "Name")?;
    let mut status = json!({
        "IsLogging": trail.logging, "StartLoggingTime": timestamp(days_ago(call.world, 300, trail.account))
    });
    if let Some(fields) = status.as_object_mut() {
        let delivered = if trail.logging { 0 } else { 40 };
        fields.insert("LatestDeliveryTime".to_owned(), timestamp(days_ago(call.world, delivered, trail.account)));
        if !trail.logging {
            fields.insert("StopLoggingTime".to_owned(), timestamp(days_ago(call.world, 40, trail.account)));
        }
    }
    Ok(status)
}

fn get_event_selectors(call: &Call<'_>) -> Answer {
    let trail = named(call, "TrailName")?;
    let partition = call.world.partition;
    let basic = |kind: &str, value: String| {
        json!([{
            "ReadWriteType": "All", "IncludeManagementEvents": true,
            "DataResources": [{ "Type": kind, "Values": [value] }], "ExcludeManagementEventSources": []
        }])
    };
    let field = |name: &str, value: &str| json!({ "Field": name, "Equals": [value] });
    let management = json!({ "Name": "Management", "FieldSelectors": [field("eventCategory", "Management")] });
    let (kind, selectors) = match trail.events {
        DataEvents::None => (
            "EventSelectors",
            json!([{ "ReadWriteType": "All", "IncludeManagementEvents": true, "DataResources": [],
                     "ExcludeManagementEventSources": [] }]),
        ),
        DataEvents::AllBuckets => ("EventSelectors", basic("AWS::S3::Object", format!("arn:{partition}:s3"))),
        DataEvents::AllBucketsColons => ("EventSelectors", basic("AWS::S3::Object", format!("arn:{partition}:s3:::"))),
        DataEvents::OneBucket(bucket) => {
            ("EventSelectors", basic("AWS::S3::Object", format!("{}/", bucket.arn(call.world))))
        }
        DataEvents::Functions => ("EventSelectors", basic("AWS::Lambda::Function", format!("arn:{partition}:lambda"))),
        DataEvents::AllBucketsAdvanced => {
            let objects = [field("eventCategory", "Data"), field("resources.type", "AWS::S3::Object")];
            ("AdvancedEventSelectors", json!([management, { "Name": "Objects", "FieldSelectors": objects }]))
        }
        DataEvents::OneBucketAdvanced(bucket) => {
            let arn = json!({ "Field": "resources.ARN", "StartsWith": [format!("{}/", bucket.arn(call.world))] });
            let objects = [field("eventCategory", "Data"), field("resources.type", "AWS::S3::Object"), arn];
            ("AdvancedEventSelectors", json!([management, { "Name": "Artifacts", "FieldSelectors": objects }]))
        }
    };
    let mut answer = Map::new();
    answer.insert("TrailARN".to_owned(), json!(trail.arn(call.world)));
    answer.insert(kind.to_owned(), selectors);
    Ok(Value::Object(answer))
}
