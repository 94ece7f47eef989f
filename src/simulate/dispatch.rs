//! From a request to a response: who calls, what, whether it may pass, and in which protocol the answer goes back.
//!
//! In: method, path, query, headers and body. Out: status, headers, body. No socket here, so that all of it can be
//! tested without one.

use std::time::Instant;

use hyper::HeaderMap;
use serde_json::{Value, json};

use time::OffsetDateTime;

use super::Simulation;
use super::planting;
use super::protocol::{ApiError, Body, Protocol, decode_form, unescape};
use super::services::{ACCESS_KEY_PREFIX, AUDIT_ROLE, Call, Operation, SERVICES, Service, action_of, s3};
use super::world::Refusal;

/// A request, as far as it matters.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
}

/// Who signed the request, as its credential scope says.
struct Signer<'a> {
    access_key: &'a str,
    region: &'a str,
    service: &'a str,
}

impl Request<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …`
    fn signer(&self) -> Option<Signer<'_>> {
        let credential = self.header("authorization")?.split("Credential=").nth(1)?.split(',').next()?;
        let mut parts = credential.split('/');
        let access_key = parts.next()?;
        let (_, region, service) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Signer { access_key, region, service })
    }
}

/// Answers one request.
pub(crate) fn respond(simulation: &Simulation, request: &Request<'_>) -> Response {
    if let Some(response) = super::hosted::respond(simulation, request) {
        return response;
    }
    let (protocol, route) = route(request);
    let outcome = match request.signer() {
        None => {
            Err(ApiError::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token".to_owned()))
        }
        Some(signer) => match route {
            Route::Rpc { service, operation } => rpc(simulation, request, &signer, protocol, service, operation),
            Route::S3 => s3_answer(simulation, request, &signer),
            Route::Unknown(what) => Err(unknown_operation(&what)),
        },
    };
    let mut response = match outcome {
        Ok(response) => response,
        Err(error) => failure(protocol, &as_written(simulation, error), request.method),
    };
    let id = super::protocol::REQUEST_ID.to_owned();
    response.headers.push(("x-amzn-requestid", id.clone()));
    response.headers.push(("x-amz-request-id", id));
    if protocol == Protocol::Cbor {
        response.headers.push(("smithy-protocol", "rpc-v2-cbor".to_owned()));
    }
    response
}

/// The error as it is sent.
fn as_written(simulation: &Simulation, error: ApiError) -> ApiError {
    if simulation.world.options.secrets_in_texts {
        ApiError { message: planting::in_message(&error.message), ..error }
    } else {
        error
    }
}

fn failure(protocol: Protocol, error: &ApiError, method: &str) -> Response {
    let mut body = protocol.encode_error(error);
    if method == "HEAD" {
        body.bytes.clear();
    }
    let mut headers = Vec::new();
    if matches!(protocol, Protocol::Json { .. } | Protocol::RestJson) {
        headers.push(("x-amzn-errortype", error.code.to_owned()));
    }
    Response { status: error.status, headers, body }
}

fn unknown_operation(what: &str) -> ApiError {
    ApiError::new(400, "UnknownOperationException", format!("the operation {what} is not known here"))
}

/// Where a request goes.
enum Route {
    Rpc { service: &'static Service, operation: &'static Operation },
    S3,
    Unknown(String),
}

fn route(request: &Request<'_>) -> (Protocol, Route) {
    let json = Protocol::Json { newer: true };
    if let Some(rest) = request.path.strip_prefix("/service/") {
        let (target, name) = rest.split_once("/operation/").unwrap_or((rest, ""));
        return (Protocol::Cbor, find(|service| service.target == target, name));
    }
    if let Some(target) = request.header("x-amz-target") {
        let older = request.header("content-type").is_some_and(|kind| kind.starts_with("application/x-amz-json-1.0"));
        let (service, name) = target.rsplit_once('.').unwrap_or(("", target));
        let service = service.rsplit('.').next().unwrap_or_default();
        let found = find(|known| known.target == service, name);
        return (Protocol::Json { newer: !older }, found);
    }
    let signed_for = request.signer().map_or("", |signer| signer.service);
    if signed_for == "account" {
        let name = if request.path == "/listRegions" { "ListRegions" } else { request.path };
        return (Protocol::RestJson, find(|service| service.prefix == "account", name));
    }
    if signed_for == "codestar-notifications" {
        let path = request.path.trim_start_matches('/');
        let known =
            SERVICES.iter().filter(|service| service.prefix == signed_for).flat_map(|service| service.operations);
        let name = known.map(|operation| operation.name).find(|name| name.eq_ignore_ascii_case(path));
        return (Protocol::RestJson, find(|service| service.prefix == signed_for, name.unwrap_or(path)));
    }
    if signed_for == "s3" || request.method != "POST" {
        return (Protocol::RestXml, Route::S3);
    }
    let form = request.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if form || signed_for == "sts" || signed_for == "monitoring" {
        let input = decode_form(request.body);
        let name = input.get("Action").and_then(Value::as_str).unwrap_or_default();
        let prefix = if signed_for == "monitoring" { "cloudwatch" } else { signed_for };
        return (Protocol::Query, find(|service| service.prefix == prefix || prefix.is_empty(), name));
    }
    (json, Route::Unknown(format!("{} {}", request.method, request.path)))
}

fn find(wanted: impl Fn(&Service) -> bool, name: &str) -> Route {
    SERVICES
        .iter()
        .filter(|service| wanted(service))
        .find_map(|service| {
            let operation = service.operations.iter().find(|operation| operation.name == name)?;
            Some(Route::Rpc { service, operation })
        })
        .unwrap_or_else(|| Route::Unknown(name.to_owned()))
}

/// Digits of an account id.
const ACCOUNT_ID: usize = 12;

/// The account that an access key stands for, as long as its session lasts.
fn caller(simulation: &Simulation, signer: &Signer<'_>) -> Result<usize, ApiError> {
    let Some(session) = signer.access_key.strip_prefix(ACCESS_KEY_PREFIX) else { return Ok(0) };
    let (id, ends) = session.split_at_checked(ACCOUNT_ID).unwrap_or((session, ""));
    let account = simulation.world.position_of(id).ok_or_else(|| {
        let message = "The security token included in the request is invalid.".to_owned();
        ApiError::new(403, "UnrecognizedClientException", message)
    })?;
    if ends.parse().is_ok_and(|ends: i64| ends < OffsetDateTime::now_utc().unix_timestamp()) {
        let message = "The security token included in the request is expired".to_owned();
        return Err(ApiError::new(403, "ExpiredTokenException", message));
    }
    Ok(account)
}

/// Counts the call, and refuses it if it is too fast or not allowed.
fn admit(
    simulation: &Simulation,
    account: usize,
    region: Option<usize>,
    action: &'static str,
    service: &str,
) -> Result<(), ApiError> {
    simulation.statistics.count(action);
    if !simulation.limiter.admits(account, region, action, Instant::now()) {
        simulation.statistics.count("throttled");
        return Err(throttled(service));
    }
    // Whether a role can be assumed is the role's matter, and STS answers it itself.
    let refusal = if action == "sts:AssumeRole" { None } else { simulation.world.refusal(account, action) };
    match refusal {
        None => Ok(()),
        Some(Refusal::Unknown) => Err(unknown_operation(action)),
        Some(Refusal::Denied) => Err(denied(simulation, account, action, service)),
    }
}

fn throttled(service: &str) -> ApiError {
    let message = "Rate exceeded".to_owned();
    match service {
        "s3" => ApiError::new(503, "SlowDown", "Please reduce your request rate.".to_owned()),
        "organizations" => ApiError::new(400, "TooManyRequestsException", message),
        "sts" => ApiError::new(400, "Throttling", message),
        "account" => ApiError::new(429, "TooManyRequestsException", message),
        _ => ApiError::new(400, "ThrottlingException", message),
    }
}

fn denied(simulation: &Simulation, account: usize, action: &str, service: &str) -> ApiError {
    let world = &simulation.world;
    let id = world.account_id(account);
    let caller = format!("arn:{}:sts::{id}:assumed-role/{AUDIT_ROLE}/pipewarden", world.partition);
    let message = format!(
        "User: {caller} is not authorized to perform: {action} because no identity-based policy allows the {action} action"
    );
    match service {
        "s3" | "sts" => ApiError::new(403, "AccessDenied", message),
        "account" => ApiError::new(403, "AccessDeniedException", message),
        _ => ApiError::new(400, "AccessDeniedException", message),
    }
}

fn rpc(
    simulation: &Simulation,
    request: &Request<'_>,
    signer: &Signer<'_>,
    protocol: Protocol,
    service: &Service,
    operation: &Operation,
) -> Result<Response, ApiError> {
    let account = caller(simulation, signer)?;
    let region = simulation.world.region_position(signer.region);
    let input = protocol.decode(request.body)?;
    admit(simulation, account, region, action_of(operation, &input), service.prefix)?;
    let call = Call { world: &simulation.world, account, region, input: &input };
    let mut answer = (operation.answer)(&call)?;
    if simulation.world.options.secrets_in_texts {
        planting::in_answer(&mut answer);
    }
    Ok(Response { status: 200, headers: Vec::new(), body: protocol.encode(operation.name, &answer) })
}

fn s3_answer(simulation: &Simulation, request: &Request<'_>, signer: &Signer<'_>) -> Result<Response, ApiError> {
    let account = caller(simulation, signer)?;
    let path = request.path.trim_start_matches('/');
    let name = unescape(path.split('/').next().unwrap_or_default());
    let key = unescape(&path.split_once('/').unwrap_or_default().1.replace('+', "%2B"));
    let question = s3::Question::of(request.method, !name.is_empty(), !key.is_empty(), request.query)
        .ok_or_else(|| ApiError::new(501, "NotImplemented", "this is not simulated".to_owned()))?;
    let region = simulation.world.region_position(signer.region);
    let lists = matches!(question, s3::Question::ListBuckets | s3::Question::ListObjects);
    let input = if lists { decode_form(request.query.as_bytes()) } else { json!({}) };
    let call = Call { world: &simulation.world, account, region, input: &input };
    let outcome = admit(simulation, account, region, question.action(), "s3")
        .and_then(|()| s3::answer(&call, question, &name, &key, request.header("x-amz-expected-bucket-owner")));
    match outcome {
        Ok(answer) => {
            let content_type = if answer.json { "application/json" } else { "application/xml" };
            let headers = answer.region.map(|region| ("x-amz-bucket-region", region)).into_iter().collect();
            let planted = simulation.world.options.secrets_in_texts && !answer.json;
            let bytes = if planted { planting::in_tag_set(answer.body) } else { answer.body };
            Ok(Response { status: 200, headers, body: Body { bytes, content_type } })
        }
        Err(error) => {
            let mut response = failure(Protocol::RestXml, &as_written(simulation, error), request.method);
            // S3 tells a bucket's Region even to those whom it refuses everything else.
            let region = s3::region_of(&simulation.world, &name);
            response.headers.extend(region.map(|region| ("x-amz-bucket-region", region)));
            Ok(response)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::SimulationOptions;

    fn signed(service: &str, headers: &[(&'static str, &str)]) -> HeaderMap {
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/us-east-1/{service}/aws4_request, Signature=00");
        let mut map = HeaderMap::new();
        map.insert("authorization", authorization.parse().unwrap());
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        map
    }

    fn ask(method: &str, path: &str, query: &str, headers: &HeaderMap, body: &[u8]) -> (u16, String, Response) {
        let simulation = Simulation::new(SimulationOptions { limits: false, ..SimulationOptions::default() });
        let response = respond(&simulation, &Request { method, path, query, headers, body });
        (response.status, String::from_utf8_lossy(&response.body.bytes).into_owned(), response)
    }

    #[test]
    fn every_rpc_service_answers_json_and_cbor_alike() {
        for service in SERVICES {
            let Some(operation) = service.operations.first() else { panic!("{} has no operation", service.prefix) };
            let target = format!("{}.{}", service.target, operation.name);
            let kind = ("content-type", "application/x-amz-json-1.1");
            let headers = signed(service.prefix, &[("x-amz-target", &target), kind]);
            let (json_status, json_body, _) = ask("POST", "/", "", &headers, b"{}");
            let path = format!("/service/{}/operation/{}", service.target, operation.name);
            let headers = signed(service.prefix, &[("smithy-protocol", "rpc-v2-cbor")]);
            let (cbor_status, _, response) = ask("POST", &path, "", &headers, b"\xa0");
            assert_eq!(json_status, cbor_status, "{target}: {json_body}");
            assert_eq!(response.body.content_type, "application/cbor");
            assert!(response.headers.contains(&("smithy-protocol", "rpc-v2-cbor".to_owned())));
            let read = Protocol::Cbor.decode(&response.body.bytes).unwrap();
            let json: Value = serde_json::from_str(&json_body).unwrap();
            for name in read.as_object().unwrap().keys() {
                assert!(json.get(name).is_some(), "{target} answers {name} in CBOR only");
            }
        }
    }

    #[test]
    fn targets_may_be_long_and_older_clients_keep_their_type() {
        let target = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.ListTrails";
        let headers = signed("cloudtrail", &[("x-amz-target", target), ("content-type", "application/x-amz-json-1.0")]);
        let (status, body, response) = ask("POST", "/", "", &headers, b"{}");
        assert_eq!((status, response.body.content_type), (200, "application/x-amz-json-1.0"), "{body}");
    }

    #[test]
    fn query_clients_are_answered_in_xml() {
        let form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        let (status, body, _) = ask("POST", "/", "", &signed("sts", &[form]), b"Action=GetCallerIdentity&Version=1");
        assert_eq!(status, 200);
        assert!(body.starts_with("<GetCallerIdentityResponse"), "{body}");
        let alarms = b"Action=DescribeAlarms&AlarmNames.member.1=x";
        let (status, body, _) = ask("POST", "/", "", &signed("monitoring", &[form]), alarms);
        assert_eq!(status, 200);
        assert!(body.contains("<MetricAlarms></MetricAlarms>"), "{body}");
        let (status, body, _) = ask("POST", "/", "", &signed("sts", &[form]), b"Action=AssumeRole");
        assert_eq!(status, 400);
        assert!(body.contains("<ErrorResponse><Error><Type>Sender</Type><Code>ValidationException"), "{body}");
    }

    #[test]
    fn what_is_not_simulated_is_an_error_of_the_protocol() {
        let headers = signed("codepipeline", &[("x-amz-target", "CodePipeline_20150709.DeletePipeline")]);
        let (status, body, response) = ask("POST", "/", "", &headers, b"{}");
        assert_eq!(status, 400);
        assert!(body.contains("\"__type\":\"UnknownOperationException\""), "{body}");
        assert!(response.headers.contains(&("x-amzn-errortype", "UnknownOperationException".to_owned())));
        let (status, body, _) = ask("PUT", "/bucket", "", &signed("s3", &[]), b"");
        assert_eq!(status, 501);
        assert!(body.contains("<Error><Code>NotImplemented</Code>"), "{body}");
        let (status, body, _) = ask("GET", "/nothing", "policy=", &signed("s3", &[]), b"");
        assert_eq!(status, 404);
        assert!(body.contains("<Code>NoSuchBucket</Code>"), "{body}");
    }
}
