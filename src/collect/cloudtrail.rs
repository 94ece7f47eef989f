//! CloudTrail: the trails that record an account, and, from their owner, whether and what they record.
//!
//! In: a scope in the account's home Region. Out: `AWS::CloudTrail::Trail`, and references to the bucket and key of the
//! account's own trails. An organization trail is seen from every account it records; only its owner is asked for more.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::types::{AdvancedEventSelector, EventSelector, Trail};
use serde_json::Value;

use super::fields::Fields;
use super::pages::{all_pages, in_order};
use super::{CallError, Collected, Collector, Reach, Scope, arn};
use crate::inventory::{Arn, Gap, Properties, Reference, Region, Resource, TypeName};

/// Reads CloudTrail.
#[derive(Debug, Clone, Copy)]
pub struct CloudTrail;

const LIST_TRAILS: &str = "cloudtrail:ListTrails";
const DESCRIBE_TRAILS: &str = "cloudtrail:DescribeTrails";
const GET_TRAIL_STATUS: &str = "cloudtrail:GetTrailStatus";
const GET_EVENT_SELECTORS: &str = "cloudtrail:GetEventSelectors";

#[async_trait]
impl Collector for CloudTrail {
    fn service(&self) -> &'static str {
        "cloudtrail"
    }

    fn actions(&self) -> &'static [&'static str] {
        &[LIST_TRAILS, DESCRIBE_TRAILS, GET_TRAIL_STATUS, GET_EVENT_SELECTORS]
    }

    fn types(&self) -> &'static [TypeName] {
        const { &[TypeName::TRAIL] }
    }

    fn reach(&self) -> Reach {
        Reach::Account
    }

    async fn collect(&self, scope: &Scope, _wanted: &[Reference]) -> Collected {
        let mut collected = Collected::default();
        let (listed, seen) = tokio::join!(list(scope), describe(scope));
        let (listed, gaps) = listed;
        collected.gaps.extend(gaps);
        let (mut trails, error) = seen;
        collected.gaps.extend(error.as_ref().map(|error| error.clone().unlisted(scope, &[TypeName::TRAIL])));
        // A trail of one Region only is described nowhere but in that Region.
        let mut failed: BTreeMap<&Region, CallError> = error.map(|error| (&scope.region, error)).into_iter().collect();
        let elsewhere: BTreeSet<&Region> =
            listed.iter().filter(|(uid, _)| !trails.contains_key(*uid)).map(|(_, home)| home).collect();
        for home in elsewhere.into_iter().filter(|home| **home != scope.region) {
            let (described, error) = describe(&scope.in_region(home)).await;
            failed.extend(error.map(|error| (home, error)));
            for (uid, trail) in described {
                trails.entry(uid).or_insert(trail);
            }
        }
        for (uid, home) in listed.iter().filter(|(uid, _)| !trails.contains_key(*uid)) {
            let missing =
                || CallError::malformed(DESCRIBE_TRAILS, "a listed trail is not described in its home Region");
            let error = failed.get(home).cloned().unwrap_or_else(missing);
            let mut resource = Resource::live(TypeName::TRAIL, uid.clone(), scope.account.clone(), home.clone());
            error.hides(&scope.in_region(home), &mut resource, &["*"]);
            collected.resources.push(resource);
        }
        let jobs = trails.iter().map(|(uid, trail)| read_trail(scope, uid, trail)).collect();
        for trail in in_order(jobs).await {
            collected.absorb(trail);
        }
        collected
    }
}

/// Trails seen from the scope's Region by ARN, and why there may be more.
async fn describe(scope: &Scope) -> (BTreeMap<String, Trail>, Option<CallError>) {
    let client = Client::new(scope.config());
    let answer = scope.call(DESCRIBE_TRAILS, || client.describe_trails().include_shadow_trails(true).send()).await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return (BTreeMap::new(), Some(error)),
    };
    let mut trails = BTreeMap::new();
    let mut error = None;
    for trail in answer.trail_list.unwrap_or_default() {
        match trail.trail_arn() {
            Some(uid) if Arn::parse(uid).is_ok() => {
                trails.insert(uid.to_owned(), trail);
            }
            _ => error = Some(CallError::malformed(DESCRIBE_TRAILS, "a trail without an ARN")),
        }
    }
    (trails, error)
}

/// ARNs and home Regions of the account's trails, wherever they are.
async fn list(scope: &Scope) -> (BTreeMap<String, Region>, Vec<Gap>) {
    let client = &Client::new(scope.config());
    let listed = all_pages(LIST_TRAILS, |token| async move {
        let page = scope.call(LIST_TRAILS, || client.list_trails().set_next_token(token.clone()).send()).await?;
        Ok((page.trails.unwrap_or_default(), page.next_token))
    })
    .await;
    let mut errors: Vec<CallError> = listed.error.into_iter().collect();
    let mut trails = BTreeMap::new();
    for trail in listed.items {
        let home = trail.home_region().and_then(|region| region.parse().ok());
        match (trail.trail_arn, home) {
            (Some(uid), Some(home)) if Arn::parse(&uid).is_ok() => {
                trails.insert(uid, home);
            }
            _ => errors.push(CallError::malformed(LIST_TRAILS, "a trail without ARN or home Region")),
        }
    }
    (trails, errors.into_iter().map(|error| error.unlisted(scope, &[TypeName::TRAIL])).collect())
}

async fn read_trail(scope: &Scope, uid: &str, trail: &Trail) -> Collected {
    let home = trail.home_region().and_then(|region| region.parse().ok()).unwrap_or_else(|| scope.region.clone());
    let mut resource = Resource::live(TypeName::TRAIL, uid.to_owned(), scope.account.clone(), home.clone());
    resource.properties = properties(trail);
    let owned = Arn::parse(uid).is_ok_and(|arn| arn.account == scope.account.as_str());
    if !owned {
        return Collected { resources: vec![resource], ..Collected::default() };
    }
    let scope = &scope.in_region(&home);
    let client = Client::new(scope.config());
    let status = scope.call(GET_TRAIL_STATUS, || client.get_trail_status().name(uid).send()).await;
    let logging = status.and_then(|status| {
        status.is_logging().ok_or_else(|| CallError::malformed(GET_TRAIL_STATUS, "the status does not say IsLogging"))
    });
    match logging {
        Ok(logging) => {
            resource.properties.insert("IsLogging".to_owned(), Value::from(logging));
        }
        Err(error) => error.hides(scope, &mut resource, &["IsLogging"]),
    }
    match scope.call(GET_EVENT_SELECTORS, || client.get_event_selectors().trail_name(uid).send()).await {
        Ok(answer) => {
            let selectors = Fields::new().list("EventSelectors", answer.event_selectors(), event_selector).list(
                "AdvancedEventSelectors",
                answer.advanced_event_selectors(),
                advanced_event_selector,
            );
            resource.properties.extend(selectors.properties());
        }
        Err(error) => error.hides(scope, &mut resource, &["EventSelectors", "AdvancedEventSelectors"]),
    }
    let bucket = trail.s3_bucket_name().and_then(|name| arn::reference(scope, TypeName::BUCKET, name));
    let key = trail.kms_key_id().and_then(|name| arn::reference(scope, TypeName::KEY, name));
    Collected { resources: vec![resource], references: bucket.into_iter().chain(key).collect(), ..Collected::default() }
}

fn properties(trail: &Trail) -> Properties {
    Fields::new()
        .text("TrailName", trail.name())
        .text("S3BucketName", trail.s3_bucket_name())
        .put("IsMultiRegionTrail", trail.is_multi_region_trail())
        .put("IsOrganizationTrail", trail.is_organization_trail())
        .put("EnableLogFileValidation", trail.log_file_validation_enabled())
        .text("KMSKeyId", trail.kms_key_id())
        .text("CloudWatchLogsLogGroupArn", trail.cloud_watch_logs_log_group_arn())
        .put("IncludeGlobalServiceEvents", trail.include_global_service_events())
        .text("HomeRegion", trail.home_region())
        .properties()
}

fn event_selector(selector: &EventSelector) -> Value {
    Fields::new()
        .text("ReadWriteType", selector.read_write_type())
        .put("IncludeManagementEvents", selector.include_management_events())
        .list("DataResources", selector.data_resources(), |data| {
            Fields::new().text("Type", data.r#type()).texts("Values", data.values()).value()
        })
        .value()
}

fn advanced_event_selector(selector: &AdvancedEventSelector) -> Value {
    Fields::new()
        .text("Name", selector.name())
        .list("FieldSelectors", selector.field_selectors(), |field| {
            Fields::new()
                .text("Field", Some(field.field()))
                .texts("Equals", field.equals())
                .texts("StartsWith", field.starts_with())
                .texts("EndsWith", field.ends_with())
                .texts("NotEquals", field.not_equals())
                .texts("NotStartsWith", field.not_starts_with())
                .texts("NotEndsWith", field.not_ends_with())
                .value()
        })
        .value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_carries_cloudformation_names() {
        let trail = Trail::builder()
            .name("main")
            .is_multi_region_trail(true)
            .log_file_validation_enabled(false)
            .kms_key_id("k")
            .build();
        let properties = properties(&trail);
        assert_eq!(properties.get("TrailName"), Some(&Value::from("main")));
        assert_eq!(properties.get("EnableLogFileValidation"), Some(&Value::from(false)));
        assert_eq!(properties.get("KMSKeyId"), Some(&Value::from("k")));
        assert!(!properties.contains_key("IsOrganizationTrail"));
    }

    use std::sync::Arc;

    use serde_json::json;

    use super::super::test_support::{Answer, Answers, endpoint, every_refusal_leaves_a_gap};

    const OWN: &str = "arn:aws:cloudtrail:eu-west-1:111122223333:trail/own";
    const ORGANIZATION: &str = "arn:aws:cloudtrail:eu-west-1:999988887777:trail/org";

    fn answers(described: Value, listed: Value) -> Answers {
        Arc::new(move |operation, _| {
            let selector = json!({"ReadWriteType": "All", "IncludeManagementEvents": true,
                "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}]});
            Answer::Json(match operation {
                "ListTrails" => json!({"Trails": listed.clone()}),
                "DescribeTrails" => json!({"trailList": described.clone()}),
                "GetTrailStatus" => json!({"IsLogging": true}),
                _ => json!({"EventSelectors": [selector]}),
            })
        })
    }

    fn described(uid: &str) -> Value {
        json!({"Name": "t", "TrailARN": uid, "HomeRegion": "eu-west-1", "S3BucketName": "logs", "KmsKeyId": "k", "IsOrganizationTrail": true})
    }

    #[tokio::test]
    async fn only_the_owner_is_asked_for_more() {
        let listed = json!([{"TrailARN": OWN, "Name": "own", "HomeRegion": "eu-west-1"}]);
        let answers = answers(json!([described(OWN), described(ORGANIZATION)]), listed);
        let found = every_refusal_leaves_a_gap(&CloudTrail, CloudTrail.actions(), &[], answers, &[]).await;
        let [own, organization] = found.resources.as_slice() else { panic!("{:?}", found.resources) };
        assert_eq!(own.properties.get("IsLogging"), Some(&Value::from(true)));
        assert_eq!(own.properties.get("EventSelectors").unwrap()[0]["DataResources"][0]["Type"], "AWS::S3::Object");
        assert_eq!(organization.properties.get("IsLogging"), None);
        assert_eq!(organization.account.as_str(), "111122223333");
        assert_eq!(found.references.len(), 2);
    }

    #[tokio::test]
    async fn a_listed_trail_that_nobody_describes_is_unseen() {
        let listed = json!([{"TrailARN": OWN, "Name": "own", "HomeRegion": "us-east-1"}]);
        let endpoint = endpoint(answers(json!([]), listed), &[]).await;
        let found = CloudTrail.collect(&endpoint.scope, &[]).await;
        assert_eq!(endpoint.calls().iter().filter(|call| *call == "DescribeTrails").count(), 2);
        let trail = found.resources.first().unwrap();
        assert_eq!((trail.uid.as_str(), trail.region.as_str()), (OWN, "us-east-1"));
        assert_eq!(trail.gap_over("S3BucketName").unwrap().region.as_str(), "us-east-1");
    }
}
