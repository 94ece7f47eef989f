//! `pipewarden dora put-metric-data`: the numbers as metrics of CloudWatch.
//!
//! In: a measurement, the moment, and an SDK configuration. Out: requests of `PutMetricData` with at most 1000 points and
//! less than 1 MB each, and a [`Delivered`] that says what was sent and what CloudWatch would refuse. It is the one call
//! here that writes to AWS, so it is only made when it is asked for; it needs `cloudwatch:PutMetricData` with the condition
//! `cloudwatch:namespace` = `Pipewarden/DORA`, which the audit role does not have.
//!
//! Sent again, the same measurement adds the same values at the same times: averages, minima and maxima stay, sums and
//! sample counts do not. <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use aws_smithy_types::DateTime;
use aws_smithy_types::error::display::DisplayErrorContext;
use time::OffsetDateTime;

use crate::cli::failure::Failure;
use crate::dora::Measurements;
use crate::report::dora::{CLOUDWATCH_NAMESPACE, CloudWatchPoint, CloudWatchUnit, cloudwatch_points};

/// Points of a request, at most.
const MOST_POINTS: usize = 1_000;
/// Bytes of a request, at most, as estimated: far enough below the limit of 1 MB for what the estimate does not count.
const MOST_BYTES: usize = 800_000;

/// What was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delivered {
    /// Points.
    pub(super) points: u64,
    /// Requests.
    pub(super) requests: u64,
    /// What was not sent and why, one sentence each.
    pub(super) refusals: Vec<String>,
}

/// Sends everything that CloudWatch takes.
///
/// # Errors
/// If a request fails; the message says how many points were sent before.
pub(super) async fn put_metric_data(
    sdk: &SdkConfig,
    measurements: &Measurements,
    now: OffsetDateTime,
) -> Result<Delivered, Failure> {
    let all = cloudwatch_points(measurements, now);
    let client = Client::new(sdk);
    let mut delivered = Delivered { points: 0, requests: 0, refusals: all.refusals() };
    for batch in batches(&all.points) {
        let data: Vec<MetricDatum> = batch.iter().map(datum).collect();
        let sent = client.put_metric_data().namespace(CLOUDWATCH_NAMESPACE).set_metric_data(Some(data)).send().await;
        sent.map_err(|error| {
            Failure::because(format!(
                "cloudwatch:PutMetricData failed after {} points were sent: {}; allow it for the namespace {CLOUDWATCH_NAMESPACE}, then send again: the same points may be sent twice",
                delivered.points,
                DisplayErrorContext(&error)
            ))
        })?;
        delivered.requests += 1;
        delivered.points += batch.len() as u64;
    }
    Ok(delivered)
}

/// Points in order, in groups that fit a request.
fn batches(points: &[CloudWatchPoint]) -> Vec<&[CloudWatchPoint]> {
    let mut batches = Vec::new();
    let mut rest = points;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fitting = rest
            .iter()
            .take(MOST_POINTS)
            .take_while(|point| {
                bytes += size(point);
                bytes <= MOST_BYTES
            })
            .count()
            .max(1);
        let Some((batch, after)) = rest.split_at_checked(fitting) else { break };
        batches.push(batch);
        rest = after;
    }
    batches
}

/// What a point takes in a request at most: every text escaped, every key written out.
fn size(point: &CloudWatchPoint) -> usize {
    let dimensions: usize = point.dimensions.iter().map(|(name, value)| 3 * (name.len() + value.len()) + 120).sum();
    3 * point.name.len() + dimensions + 300
}

fn datum(point: &CloudWatchPoint) -> MetricDatum {
    let unit = match point.unit {
        CloudWatchUnit::Count => StandardUnit::Count,
        CloudWatchUnit::Seconds => StandardUnit::Seconds,
        CloudWatchUnit::Percent => StandardUnit::Percent,
        CloudWatchUnit::None => StandardUnit::None,
    };
    let dimensions = point.dimensions.iter().map(|(name, value)| Dimension::builder().name(name).value(value).build());
    let datum = MetricDatum::builder()
        .metric_name(&point.name)
        .value(point.value)
        .unit(unit)
        .timestamp(DateTime::from_secs(point.time.unix_timestamp()))
        .set_dimensions(Some(dimensions.collect()));
    datum.build()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http_body_util::{BodyExt, Full};
    use hyper::body::Bytes;
    use hyper_util::rt::TokioIo;
    use time::Duration;
    use time::macros::datetime;
    use tokio::net::TcpListener;

    use super::*;
    use crate::cli::aws::for_loopback;
    use crate::dora::metrics::measure;
    use crate::dora::{
        Bucket, BucketLength, Delivery, Group, GroupKind, GroupMeasurements, Measure, MeasureStatus, MetricName,
        Options, Unit, Value,
    };
    use crate::inventory::Region;

    const AS_OF: OffsetDateTime = datetime!(2026-06-29 0:00 UTC);

    fn measured(services: usize) -> Measurements {
        let mut measurements = measure(&Delivery::default(), &Options::at(AS_OF));
        measurements.groups = (0..services).map(service).collect();
        measurements
    }

    fn service(number: usize) -> GroupMeasurements {
        let name = format!("service-{number:05}-{}", "x".repeat(800));
        let value = |statistic, value, unit| Value { statistic, value, unit, n: 8, labels: Vec::new() };
        let measure = |metric, values| Measure {
            metric,
            status: MeasureStatus::Ok,
            n: 8,
            values,
            tier: None,
            basis: None,
            reasons: Vec::new(),
            observed_from: None,
            sources: Vec::new(),
            distribution: None,
        };
        let day = |back: i64| Bucket {
            length: BucketLength::Day,
            day: String::new(),
            from: AS_OF - Duration::days(back),
            to: AS_OF - Duration::days(back - 1),
            is_partial: false,
            is_observed: true,
            deployments: Some(2),
            failed: None,
            completed: None,
            lead_time_median_seconds: None,
        };
        GroupMeasurements {
            group: Group { kind: GroupKind::Service, key: name.clone(), name },
            services: Vec::new(),
            measures: vec![
                measure(MetricName::ChangeFailRate, vec![value("ratio", Some(0.25), Unit::Ratio)]),
                measure(MetricName::ChangeLeadTime, vec![value("median", None, Unit::Seconds)]),
            ],
            buckets: (1..=20).rev().map(day).collect(),
            quick_check: None,
        }
    }

    /// A server that keeps what it is sent; gone with the test's runtime.
    async fn cloudwatch(status: u16) -> (String, Arc<Mutex<Vec<Vec<u8>>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&bodies);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    let kept = Arc::clone(&kept);
                    async move {
                        let is_cbor = request.headers().get("smithy-protocol").is_some();
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        kept.lock().unwrap().push(body.to_vec());
                        let mut answer = hyper::Response::builder().status(status);
                        if is_cbor {
                            answer = answer
                                .header("smithy-protocol", "rpc-v2-cbor")
                                .header("content-type", "application/cbor");
                        }
                        let empty_map = if is_cbor { vec![0xbf, 0xff] } else { b"{}".to_vec() };
                        answer.body(Full::new(Bytes::from(empty_map)))
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        (format!("http://{address}"), bodies)
    }

    fn sdk(endpoint: &str) -> SdkConfig {
        let region: Region = "eu-central-1".parse().unwrap();
        for_loopback(endpoint, &region)
    }

    #[tokio::test]
    async fn requests_stay_below_the_limits_and_old_days_are_refused_in_words() {
        let (endpoint, bodies) = cloudwatch(200).await;
        let measurements = measured(150);
        let delivered = put_metric_data(&sdk(&endpoint), &measurements, AS_OF).await.unwrap();
        // Per service: one ratio, and the days that are younger than two weeks with an hour to spare.
        assert_eq!(delivered.points, 150 * (1 + 13));
        assert!(delivered.requests > 2, "{delivered:?}");
        let [refusal] = delivered.refusals.as_slice() else { panic!("{delivered:?}") };
        assert!(
            refusal.starts_with("1050 points were left out: CloudWatch takes nothing older than two weeks"),
            "{refusal}"
        );
        let bodies = bodies.lock().unwrap();
        assert_eq!(bodies.len() as u64, delivered.requests);
        for body in bodies.iter() {
            assert!(body.len() < 1_000_000, "{} bytes", body.len());
        }
    }

    #[tokio::test]
    async fn a_measurement_of_last_year_sends_nothing_and_says_so() {
        let (endpoint, bodies) = cloudwatch(200).await;
        let delivered = put_metric_data(&sdk(&endpoint), &measured(1), AS_OF + Duration::days(365)).await.unwrap();
        assert_eq!((delivered.points, delivered.requests, delivered.refusals.len()), (0, 0, 1));
        assert!(bodies.lock().unwrap().is_empty());
        let delivered = put_metric_data(&sdk(&endpoint), &measured(1), AS_OF - Duration::days(30)).await.unwrap();
        assert_eq!(delivered.points, 0);
        assert!(delivered.refusals.iter().any(|refusal| refusal.contains("clock")), "{delivered:?}");
    }

    #[tokio::test]
    async fn a_refusal_of_aws_is_an_error_that_says_what_to_allow() {
        let (endpoint, _) = cloudwatch(403).await;
        let error = put_metric_data(&sdk(&endpoint), &measured(1), AS_OF).await.unwrap_err();
        let message = format!("{error:?}");
        assert!(message.contains("cloudwatch:PutMetricData") && message.contains(CLOUDWATCH_NAMESPACE), "{message}");
    }

    #[test]
    fn ratios_are_percent_and_what_is_not_known_is_not_sent() {
        let all = cloudwatch_points(&measured(1), AS_OF);
        let ratio = all.points.iter().find(|point| point.name == "ChangeFailRateRatio").unwrap();
        assert_eq!((ratio.unit, ratio.value), (CloudWatchUnit::Percent, 25.0));
        assert!(all.points.iter().all(|point| !point.name.contains("LeadTime")));
        assert_eq!(all, cloudwatch_points(&measured(1), AS_OF));
    }
}
