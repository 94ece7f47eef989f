//! From a request to a response: who calls, what, whether it may pass, and in which protocol the answer goes back.
//!
//! In: method, path, query, headers and body. Out: status, headers, body. No socket here, so that all of it can be
//! tested without one.

use std::time::Instant;

use hyper::HeaderMap;
use serde_json::{Value, json};

use super::Simulation;
use super::protocol::{ApiError, Body, Protocol, decode_form, unescape};
use super::services::{ACCESS_KEY_PREFIX, AUDIT_ROLE, Call, Operation, SERVICES, Service, s3};
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
        Err(error) => failure(protocol, &error, request.method),
    };
    let id = super::protocol::REQUEST_ID.to_owned();
    response.headers.push(("x-amzn-requestid", id.clone()));
    response.headers.push(("x-amz-request-id", id));
    if protocol == Protocol::Cbor {
        response.headers.push(("smithy-protocol", "rpc-v2-cbor".to_owned()));
    }
    response
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

/// The account that an access key stands for.
fn caller(simulation: &Simulation, signer: &Signer<'_>) -> Result<usize, ApiError> {
    match signer.access_key.strip_prefix(ACCESS_KEY_PREFIX) {
        None => Ok(0),
        Some(id) => simulation.world.position_of(id).ok_or_else(|| {
            let message = "The security token included in the request is invalid.".to_owned();
            ApiError::new(403, "UnrecognizedClientException", message)
        }),
    }
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
    admit(simulation, account, region, operation.action, service.prefix)?;
    let input = protocol.decode(request.body)?;
    let call = Call { world: &simulation.world, account, region, input: &input };
    let answer = (operation.answer)(&call)?;
    Ok(Response { status: 200, headers: Vec::new(), body: protocol.encode(operation.name, &answer) })
}

fn s3_answer(simulation: &Simulation, request: &Request<'_>, signer: &Signer<'_>) -> Result<Response, ApiError> {
    let account = caller(simulation, signer)?;
    let path = request.path.trim_start_matches('/');
    let name = unescape(path.split('/').next().unwrap_or_default());
    let question = s3::Question::of(request.method, !name.is_empty(), request.query)
        .ok_or_else(|| ApiError::new(501, "NotImplemented", "this is not simulated".to_owned()))?;
    let region = simulation.world.region_position(signer.region);
    let input = if question == s3::Question::ListBuckets { decode_form(request.query.as_bytes()) } else { json!({}) };
    let call = Call { world: &simulation.world, account, region, input: &input };
    let outcome = admit(simulation, account, region, question.action(), "s3")
        .and_then(|()| s3::answer(&call, question, &name, request.header("x-amz-expected-bucket-owner")));
    match outcome {
        Ok(answer) => {
            let content_type = if answer.json { "application/json" } else { "application/xml" };
            let headers = answer.region.map(|region| ("x-amz-bucket-region", region)).into_iter().collect();
            Ok(Response { status: 200, headers, body: Body { bytes: answer.body.into_bytes(), content_type } })
        }
        Err(error) => {
            let mut response = failure(Protocol::RestXml, &error, request.method);
            // S3 tells a bucket's Region even to those whom it refuses everything else.
            let region = s3::region_of(&simulation.world, &name);
            response.headers.extend(region.map(|region| ("x-amz-bucket-region", region)));
            Ok(response)
        }
    }
}
