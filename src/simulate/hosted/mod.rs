//! The APIs of source hosts, beside AWS's on the same socket: GitHub's REST API (also as GitHub Enterprise Server has
//! it), GitLab's, and Bitbucket Cloud's.
//!
//! In: a request below `/hosted/`. Out: what the host would answer of a repository of the estate. Every host wants its
//! own token and answers 401 without it. The shapes follow the providers' published descriptions.

mod bitbucket;
mod github;
mod github_history;
mod gitlab;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::dispatch::{Request, Response};
use super::estate::{HostedSpec, Hoster, Trouble};
use super::protocol::{Body, decode_form, unescape};
use super::world::World;
use super::{PLANTED_SECRET, Simulation, planting};

const DOOR: &str = "/hosted/";
/// Items on a page at most, however many are asked for, so that listings have several.
const PAGE: usize = 5;

/// How a simulated source host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAccess {
    /// As in a repository's address: `github.com`.
    pub host: String,
    /// As a connection says it: `GitHub`.
    pub provider: String,
    /// Address of its API.
    pub api: String,
    /// The token that it takes.
    pub token: String,
}

/// All source hosts behind a server's address.
pub(super) fn access(endpoint_url: &str) -> Vec<HostAccess> {
    let of = |hoster: Hoster| HostAccess {
        host: hoster.host().to_owned(),
        provider: hoster.provider().to_owned(),
        api: format!("{endpoint_url}{}", door(hoster)),
        token: token(hoster),
    };
    Hoster::ALL.into_iter().map(of).collect()
}

fn door(hoster: Hoster) -> String {
    let below = match hoster {
        Hoster::GitHub => "github",
        Hoster::GitHubEnterprise => "enterprise/api/v3",
        Hoster::GitLab => "gitlab/api/v4",
        Hoster::Bitbucket => "bitbucket/2.0",
    };
    format!("{DOOR}{below}")
}

fn token(hoster: Hoster) -> String {
    format!("{PLANTED_SECRET}{}", hoster.host().replace('.', "-"))
}

/// Repositories whose first question was already refused.
#[derive(Debug, Default)]
pub(super) struct Asked(Mutex<BTreeSet<(Hoster, usize)>>);

impl Asked {
    fn is_first(&self, spec: &HostedSpec) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((spec.hoster, spec.id()))
    }
}

/// A question to a host, after its token was checked.
struct Question<'a> {
    world: &'a World,
    hoster: Hoster,
    /// Parts of the path below the API's base, unescaped.
    parts: Vec<String>,
    query: Value,
    /// The API's base as the client knows it.
    base: String,
    /// Path as the client wrote it.
    path: &'a str,
}

impl Question<'_> {
    fn parts(&self) -> Vec<&str> {
        self.parts.iter().map(String::as_str).collect()
    }

    fn text(&self, name: &str) -> &str {
        self.query.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The page that is asked for, and the address of the next.
    fn page(&self, items: Vec<Value>) -> (Vec<Value>, Option<String>) {
        let page = self.text("page").parse::<usize>().unwrap_or(1).max(1);
        let origin = self.base.strip_suffix(&door(self.hoster)).unwrap_or_default();
        let more = items.len() > page * PAGE;
        let kept = items.into_iter().skip((page - 1) * PAGE).take(PAGE).collect();
        let others = self.query.as_object().into_iter().flatten().filter(|(name, _)| *name != "page");
        let others: String = others.filter_map(|(name, value)| Some(format!("{name}={}&", value.as_str()?))).collect();
        (kept, more.then(|| format!("{origin}{}?{others}page={}", self.path, page + 1)))
    }

    /// A page whose successor is named in the `Link` header.
    fn linked(&self, items: Vec<Value>) -> Reply {
        let (page, next) = self.page(items);
        let headers = next.map(|next| ("link", format!("<{next}>; rel=\"next\""))).into_iter().collect();
        Reply { status: 200, headers, body: page.into() }
    }
}

/// What a host answers.
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Value,
}

impl Reply {
    fn ok(body: Value) -> Self {
        Self { status: 200, headers: Vec::new(), body }
    }

    fn message(status: u16, message: &str) -> Self {
        Self { status, headers: Vec::new(), body: json!({ "message": message }) }
    }

    fn written(self, hoster: Hoster) -> Response {
        // Bitbucket wraps what is wrong.
        let body = match (hoster, self.status) {
            (Hoster::Bitbucket, 400..) => json!({ "type": "error", "error": self.body }),
            _ => self.body,
        };
        let bytes = if self.status == 204 { Vec::new() } else { body.to_string().into_bytes() };
        Response { status: self.status, headers: self.headers, body: Body { bytes, content_type: "application/json" } }
    }
}

/// What a path asks for: the ledger's word for the call, and the repository if it is about one.
#[expect(clippy::option_option, reason = "about none, about one that is not there, or about one")]
struct Subject {
    action: &'static str,
    repository: Option<Option<HostedSpec>>,
}

/// Answers a request, if it is for a source host.
pub(super) fn respond(simulation: &Simulation, request: &Request<'_>) -> Option<Response> {
    request.path.strip_prefix(DOOR)?;
    let found = Hoster::ALL.into_iter().find_map(|hoster| {
        let rest = request.path.strip_prefix(&door(hoster))?;
        (rest.is_empty() || rest.starts_with('/')).then_some((hoster, rest))
    });
    let Some((hoster, rest)) = found else { return Some(Reply::message(404, "Not Found").written(Hoster::GitHub)) };
    let mut reply = reply(simulation, request, hoster, rest);
    if simulation.world.options.secrets_in_texts {
        if reply.status < 400 {
            planting::in_answer(&mut reply.body);
        } else {
            planting::in_error(&mut reply.body);
        }
    }
    Some(reply.written(hoster))
}

fn reply(simulation: &Simulation, request: &Request<'_>, hoster: Hoster, rest: &str) -> Reply {
    let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let question = Question {
        world: &simulation.world,
        hoster,
        parts: rest.split('/').filter(|part| !part.is_empty()).map(unescape).collect(),
        query: decode_form(request.query.as_bytes()),
        base: format!("http://{}{}", header("host"), door(hoster)),
        path: request.path,
    };
    let shown = header("authorization").strip_prefix("Bearer ").unwrap_or_default();
    if hoster.is_github() && request.method == "POST" {
        return github::installation_token(&question, shown, &token(hoster));
    }
    if request.method != "GET" {
        return Reply::message(404, "Not Found");
    }
    if shown != token(hoster) {
        return Reply::message(401, "Bad credentials");
    }
    let subject = match hoster {
        Hoster::GitHub | Hoster::GitHubEnterprise => github::subject(&question),
        Hoster::GitLab => gitlab::subject(&question),
        Hoster::Bitbucket => bitbucket::subject(&question),
    };
    let Some(subject) = subject else { return Reply::message(404, "Not Found") };
    let troubled = |reply: Reply| {
        simulation.statistics.count("throttled");
        reply
    };
    let slow = |seconds: u32| Reply {
        status: if hoster.is_github() { 403 } else { 429 },
        headers: vec![("retry-after", seconds.to_string())],
        body: json!({ "message": "You have exceeded a secondary rate limit. Please wait before you try again." }),
    };
    if let Some(Some(spec)) = &subject.repository {
        if spec.trouble == Trouble::Waits && simulation.asked.is_first(spec) {
            return troubled(slow(1));
        }
        if spec.trouble == Trouble::Renamed
            && let Some(moved) = github::moved(&question, spec)
        {
            return moved;
        }
    }
    simulation.statistics.count(subject.action);
    if simulation.world.options.deny_action.as_deref() == Some(subject.action) {
        return Reply::message(403, "Resource not accessible by personal access token");
    }
    match &subject.repository {
        Some(None) => Reply::message(404, not_found(hoster)),
        Some(Some(spec)) if spec.trouble == Trouble::Missing => Reply::message(404, not_found(hoster)),
        Some(Some(spec)) if spec.trouble == Trouble::Limited => troubled(slow(3_600)),
        Some(Some(spec)) => match hoster {
            Hoster::GitHub | Hoster::GitHubEnterprise => github::of_repository(&question, subject.action, spec),
            Hoster::GitLab => gitlab::of_project(&question, subject.action, spec),
            Hoster::Bitbucket => bitbucket::of_repository(&question, subject.action, spec),
        },
        None => match hoster {
            Hoster::GitHub | Hoster::GitHubEnterprise => github::of_organization(&question, subject.action),
            Hoster::GitLab => gitlab::of_group(&question, subject.action),
            Hoster::Bitbucket => Reply::message(404, "Not Found"),
        },
    }
}

fn not_found(hoster: Hoster) -> &'static str {
    match hoster {
        Hoster::GitLab => "404 Project Not Found",
        _ => "Not Found",
    }
}
