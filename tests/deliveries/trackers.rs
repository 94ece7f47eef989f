//! A server on loopback that stands for GitHub and Jira: it keeps issues, checks who asks and what is sent, and misbehaves
//! as they do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::server::{decoded, pairs};

pub(super) const GITHUB_TOKEN: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
pub(super) const JIRA_TOKEN: &str = "ATATT3xFfGF0hunter2hunter2";
pub(super) const JIRA_USER: &str = "bot@acme.example";
const APP_TOKEN: &str = "ghs_installation0123456789";

/// One issue, of either.
#[derive(Debug, Clone, Default)]
pub(super) struct Issue {
    /// Repository or project.
    pub place: String,
    pub number: u64,
    pub title: String,
    /// Text of GitHub, description of Jira.
    pub body: Value,
    pub labels: BTreeSet<String>,
    pub assignees: Vec<String>,
    pub is_open: bool,
    /// GitHub's `state_reason`, Jira's resolution.
    pub reason: Option<String>,
    pub closed_at: Option<String>,
    pub comments: Vec<Value>,
    pub properties: BTreeMap<String, Value>,
    pub fields: Value,
    /// Listings before it was made.
    made_at: usize,
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub method: String,
    pub path: String,
}

impl Call {
    pub(super) fn writes(&self) -> bool {
        self.method != "GET" && !self.path.contains("/search") && !self.path.contains("access_tokens")
    }
}

/// Status, headers, body.
type Answer = (u16, Vec<(&'static str, String)>, Value);

#[derive(Default)]
pub(super) struct World {
    pub calls: Vec<Call>,
    pub issues: Vec<Issue>,
    /// Listings that do not show a new issue yet.
    pub lag: usize,
    listings: usize,
    /// RFC 3339.
    pub now: String,
    /// What is answered before anything else is: status, headers, body.
    pub first: VecDeque<Answer>,
    pub switched_off: BTreeSet<String>,
    /// Repositories that have another name now.
    pub renamed: BTreeSet<String>,
    /// Issues that are in another repository now: `acme/a#1`.
    pub moved: BTreeSet<String>,
    /// After so many writes more, one is done and never answered.
    pub hangs_after: Option<usize>,
    /// Fields that a project demands.
    pub demanded: BTreeSet<String>,
    /// Whether Jira's workflow lets nobody close.
    pub has_no_way: bool,
    /// Tokens of the App's installation that were asked for.
    pub app_tokens: usize,
}

impl World {
    pub(super) fn writes(&self) -> usize {
        self.calls.iter().filter(|call| call.writes()).count()
    }

    pub(super) fn of(&self, place: &str) -> Vec<&Issue> {
        self.issues.iter().filter(|issue| issue.place == place).collect()
    }

    fn shown(&self, issue: &Issue) -> bool {
        self.listings > issue.made_at + self.lag && !self.moved.contains(&format!("{}#{}", issue.place, issue.number))
    }

    fn add(&mut self, mut issue: Issue) -> Issue {
        issue.number = self.of(&issue.place).len() as u64 + 1;
        issue.is_open = true;
        issue.made_at = self.listings;
        self.issues.push(issue.clone());
        issue
    }

    fn find(&mut self, place: &str, number: &str) -> Option<&mut Issue> {
        let number: u64 = number.parse().ok()?;
        self.issues.iter_mut().find(|issue| issue.place == place && issue.number == number)
    }
}

/// Answers requests until it is dropped.
#[derive(Clone)]
pub(super) struct Trackers {
    pub world: Arc<Mutex<World>>,
    pub endpoint: String,
    pub hung: Arc<Notify>,
}

struct Reply(u16, Vec<(&'static str, String)>, Value);

fn ok(value: Value) -> Reply {
    Reply(200, Vec::new(), value)
}

impl Trackers {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let world = World { now: "2026-11-21T03:00:00Z".to_owned(), ..World::default() };
        let server = Self { world: Arc::new(Mutex::new(world)), endpoint, hung: Arc::default() };
        let answering = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answering = answering.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| answer(answering.clone(), request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        server
    }

    pub(super) fn with<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut self.world.lock().unwrap())
    }
}

async fn answer(
    server: Trackers,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    let path = decoded(head.uri.path());
    let query = pairs(head.uri.query().unwrap_or_default());
    let authorization = head.headers.get("authorization").unwrap().to_str().unwrap().to_owned();
    let call = Call { method: head.method.to_string(), path: path.clone() };
    let (Reply(status, headers, value), hangs) = {
        let mut world = server.world.lock().unwrap();
        world.calls.push(call.clone());
        if let Some((status, headers, value)) = world.first.pop_front() {
            (Reply(status, headers, value), false)
        } else {
            let hangs = call.writes() && world.hangs_after == Some(0);
            if call.writes() {
                world.hangs_after = world.hangs_after.map(|left| left.saturating_sub(1)).filter(|_| !hangs);
            }
            let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
            let reply = match parts.as_slice() {
                ["rest", "api", version, rest @ ..] => {
                    jira(&mut world, version, &call.method, rest, &query, &body, &authorization)
                }
                _ => github(&mut world, &call.method, &parts, &query, &body, &authorization),
            };
            (reply, hangs)
        }
    };
    if hangs {
        server.hung.notify_one();
        std::future::pending::<()>().await;
    }
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let text = if value.is_null() { String::new() } else { value.to_string() };
    Ok(response.body(Full::new(Bytes::from(text))).unwrap())
}

fn refused(status: u16, message: &str) -> Reply {
    Reply(status, Vec::new(), json!({"message": message}))
}

fn github_issue(issue: &Issue) -> Value {
    let labels: Vec<Value> = issue.labels.iter().map(|name| json!({"name": name})).collect();
    json!({
        "number": issue.number, "title": issue.title, "body": issue.body, "labels": labels,
        "state": if issue.is_open { "open" } else { "closed" }, "state_reason": issue.reason,
        "closed_at": issue.closed_at,
    })
}

fn github(
    world: &mut World,
    method: &str,
    parts: &[&str],
    query: &BTreeMap<String, String>,
    body: &Value,
    authorization: &str,
) -> Reply {
    if let ["app", "installations", "2", "access_tokens"] = parts {
        assert!(authorization.starts_with("Bearer ey"), "an App shows its signature");
        world.app_tokens += 1;
        return Reply(201, Vec::new(), json!({"token": APP_TOKEN}));
    }
    let bearer = authorization.strip_prefix("Bearer ").unwrap();
    if bearer != GITHUB_TOKEN && bearer != APP_TOKEN {
        return refused(401, &format!("Bad credentials {bearer}"));
    }
    let ["repos", owner, name, "issues", rest @ ..] = parts else { panic!("nobody asks {parts:?}") };
    let place = format!("{owner}/{name}");
    if world.switched_off.contains(&place) {
        return refused(410, "Issues are disabled for this repo");
    }
    let is_moved = rest.first().is_some_and(|number| world.moved.contains(&format!("{place}#{number}")));
    if is_moved || world.renamed.contains(&place) {
        return refused(301, "Moved Permanently");
    }
    for text in ["title", "body"].iter().filter_map(|name| body.get(*name)?.as_str()) {
        assert!(text.chars().count() <= 65_536);
    }
    let now = world.now.clone();
    match (method, rest) {
        ("GET", []) => {
            assert_eq!(query["state"], "all");
            world.listings += 1;
            let page: usize = query["page"].parse().unwrap();
            let all: Vec<Value> = world
                .issues
                .iter()
                .filter(|issue| issue.place == place && issue.labels.contains(&query["labels"]) && world.shown(issue))
                .map(github_issue)
                .collect();
            let (from, to) = ((page - 1) * 2, page * 2);
            let label = &query["labels"];
            let next = format!("<https://api.github.com/x?state=all&labels={label}&page={}>; rel=\"next\"", page + 1);
            let headers = if to < all.len() { vec![("link", next)] } else { Vec::new() };
            Reply(200, headers, json!(all.get(from..to.min(all.len())).unwrap_or_default()))
        }
        ("POST", []) => {
            let list = |name: &str| -> Vec<String> { serde_json::from_value(body[name].clone()).unwrap() };
            assert!(body["title"].as_str().unwrap().chars().count() <= 256);
            let issue = world.add(Issue {
                place,
                title: body["title"].as_str().unwrap().to_owned(),
                body: body["body"].clone(),
                labels: list("labels").into_iter().collect(),
                assignees: list("assignees"),
                ..Issue::default()
            });
            Reply(201, Vec::new(), github_issue(&issue))
        }
        (_, [number, rest @ ..]) => {
            let Some(issue) = world.find(&place, number) else { return refused(404, "Not Found") };
            match (method, rest) {
                ("GET", []) => ok(github_issue(issue)),
                ("GET", ["comments"]) => {
                    ok(json!(issue.comments.iter().map(|body| json!({"body": body})).collect::<Vec<_>>()))
                }
                ("POST", ["comments"]) => {
                    issue.comments.push(body["body"].clone());
                    Reply(201, Vec::new(), json!({"id": 1}))
                }
                ("PATCH", []) => {
                    if let Some(title) = body["title"].as_str() {
                        title.clone_into(&mut issue.title);
                        issue.body = body["body"].clone();
                    }
                    if let Some(state) = body["state"].as_str() {
                        issue.is_open = state == "open";
                        issue.reason = body["state_reason"].as_str().map(str::to_owned);
                        issue.closed_at = (!issue.is_open).then_some(now);
                    }
                    ok(github_issue(issue))
                }
                other => panic!("nobody asks {other:?}"),
            }
        }
        other => panic!("nobody asks {other:?}"),
    }
}

fn jira_issue(issue: &Issue) -> Value {
    let category = if issue.is_open { "new" } else { "done" };
    json!({"id": (1_000 + issue.number).to_string(), "key": format!("{}-{}", issue.place, issue.number), "fields": {
        "status": {"name": category, "statusCategory": {"key": category}},
        "resolution": issue.reason.as_ref().map(|name| json!({"name": name})),
        "resolutiondate": issue.closed_at,
        "labels": issue.labels,
    }})
}

fn jira_refused(status: u16, message: &str, errors: &Value) -> Reply {
    Reply(status, Vec::new(), json!({"errorMessages": [message], "errors": errors}))
}

fn jira(
    world: &mut World,
    version: &str,
    method: &str,
    parts: &[&str],
    query: &BTreeMap<String, String>,
    body: &Value,
    authorization: &str,
) -> Reply {
    let is_cloud = version == "3";
    let expected = if is_cloud {
        format!("Basic {}", STANDARD.encode(format!("{JIRA_USER}:{JIRA_TOKEN}")))
    } else {
        format!("Bearer {JIRA_TOKEN}")
    };
    if authorization != expected {
        return jira_refused(401, &format!("no {authorization}"), &json!({}));
    }
    // What this Jira takes as text.
    for text in [body.pointer("/fields/description"), body.get("body")].into_iter().flatten() {
        assert_eq!(text["type"] == "doc" && text["version"] == 1, is_cloud, "{text}");
        assert_eq!(text.is_string(), !is_cloud);
        assert!(text.to_string().len() < 40_000);
    }
    match (method, parts) {
        ("GET", ["project", key]) if world.switched_off.contains(*key) => {
            jira_refused(404, "No project could be found", &json!({}))
        }
        ("GET", ["project", key]) => ok(json!({"key": key})),
        ("POST", ["search", "jql"]) if is_cloud => {
            let found = search(world, body);
            let from: usize = body["nextPageToken"].as_str().map_or(0, |token| token.parse().unwrap());
            let page: Vec<&Value> = found.iter().skip(from).take(2).collect();
            let mut answer = json!({"issues": page, "isLast": from + 2 >= found.len()});
            if from + 2 < found.len() {
                answer["nextPageToken"] = json!((from + 2).to_string());
            }
            ok(answer)
        }
        ("POST", ["search"]) if !is_cloud => {
            let found = search(world, body);
            let from = usize::try_from(body["startAt"].as_u64().unwrap_or(0)).unwrap();
            let page: Vec<&Value> = found.iter().skip(from).take(2).collect();
            ok(json!({"issues": page, "startAt": from, "total": found.len()}))
        }
        ("POST", ["issue"]) => {
            let fields = &body["fields"];
            let missing = world.demanded.iter().filter(|name| fields.get(*name).is_none());
            let errors: serde_json::Map<String, Value> =
                missing.map(|name| (name.clone(), json!("Team is required."))).collect();
            if !errors.is_empty() {
                return jira_refused(400, "", &json!(errors));
            }
            let labels: BTreeSet<String> = serde_json::from_value(fields["labels"].clone()).unwrap();
            assert!(labels.iter().all(|label| !label.contains(' ')));
            assert!(fields["summary"].as_str().unwrap().chars().count() <= 255);
            let properties = body["properties"].as_array().unwrap().iter();
            let properties = properties.map(|p| (p["key"].as_str().unwrap().to_owned(), p["value"].clone())).collect();
            let issue = world.add(Issue {
                place: fields["project"]["key"].as_str().unwrap().to_owned(),
                title: fields["summary"].as_str().unwrap().to_owned(),
                body: fields["description"].clone(),
                labels,
                properties,
                fields: fields.clone(),
                ..Issue::default()
            });
            let key = format!("{}-{}", issue.place, issue.number);
            Reply(201, Vec::new(), json!({"id": "1", "key": key}))
        }
        (_, ["issue", key, rest @ ..]) => jira_issue_call(world, method, (key, rest), query, body),
        other => panic!("nobody asks {other:?} of version {version}"),
    }
}

fn jira_issue_call(
    world: &mut World,
    method: &str,
    (key, rest): (&str, &[&str]),
    query: &BTreeMap<String, String>,
    body: &Value,
) -> Reply {
    let now = world.now.replace('Z', ".000+0000");
    let has_no_way = world.has_no_way;
    let (place, number) = key.rsplit_once('-').unwrap();
    let hidden = world.switched_off.contains(place);
    let Some(issue) = world.find(place, number).filter(|_| !hidden) else {
        return jira_refused(404, "Issue does not exist", &json!({}));
    };
    match (method, rest) {
        ("GET", []) => ok(jira_issue(issue)),
        ("GET", ["properties", name]) => match issue.properties.get(*name) {
            Some(value) => ok(json!({"key": name, "value": value})),
            None => jira_refused(404, "no property", &json!({})),
        },
        ("GET", ["comment"]) => {
            assert_eq!(query["orderBy"], "-created");
            ok(json!({"comments": issue.comments.iter().map(|body| json!({"body": body})).collect::<Vec<_>>()}))
        }
        ("POST", ["comment"]) => {
            issue.comments.push(body["body"].clone());
            Reply(201, Vec::new(), json!({"id": "1"}))
        }
        ("PUT", []) => {
            body["fields"]["summary"].as_str().unwrap().clone_into(&mut issue.title);
            issue.body = body["fields"]["description"].clone();
            for property in body["properties"].as_array().unwrap() {
                issue.properties.insert(property["key"].as_str().unwrap().to_owned(), property["value"].clone());
            }
            Reply(204, Vec::new(), Value::Null)
        }
        ("GET", ["transitions"]) => {
            let way = |id: &str, name: &str, to: &str| json!({"id": id, "name": name, "to": {"name": to, "statusCategory": {"key": to}}});
            let ways = match (issue.is_open, has_no_way) {
                (_, true) => vec![way("11", "Begin", "indeterminate")],
                (true, _) => vec![way("11", "Begin", "indeterminate"), way("21", "Finish", "done")],
                (false, _) => vec![way("31", "Again", "new")],
            };
            ok(json!({"transitions": ways}))
        }
        ("POST", ["transitions"]) => {
            issue.is_open = body["transition"]["id"] != "21";
            issue.reason = (!issue.is_open).then(|| "Done".to_owned());
            issue.closed_at = (!issue.is_open).then_some(now);
            Reply(204, Vec::new(), Value::Null)
        }
        other => panic!("nobody asks {other:?}"),
    }
}

fn search(world: &mut World, body: &Value) -> Vec<Value> {
    world.listings += 1;
    let jql = body["jql"].as_str().unwrap();
    let label = jql.strip_prefix("labels = \"").and_then(|rest| rest.split('"').next()).expect(jql).to_owned();
    let world = &*world;
    let found = world.issues.iter().filter(|issue| {
        issue.labels.contains(&label) && world.shown(issue) && !world.switched_off.contains(&issue.place)
    });
    found.map(jira_issue).collect()
}
