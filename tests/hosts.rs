//! The readers of source hosts against the simulated ones, over the wire: right properties, gaps, limits, no leaks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_smithy_types::retry::RetryConfig;
use futures_util::StreamExt;
use pipewarden::collect::git_hosts::{ACTIONS, HostEntry, Secrets, SourceHosts, read_branch};
use pipewarden::collect::{CallGate, Concurrency, Scope};
use pipewarden::inventory::{Gap, GapCause, Partition, Resource};
use pipewarden::simulate::{
    HostAccess, HostedBranch, PLANTED_SECRET, Seen, Simulation, SimulationOptions, SimulationServer,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::loopback;

/// A scope whose hosts are these; nothing of AWS is asked.
fn scope(hosts: SourceHosts, account: &str) -> Scope {
    let sdk = loopback::config("http://127.0.0.1:9", loopback::credentials(), "eu-west-1", RetryConfig::disabled());
    let gate = CallGate::new(Concurrency::default()).with_hosts(hosts);
    Scope::new(account.parse().unwrap(), Partition::Aws, "eu-west-1".parse().unwrap(), &sdk, gate)
}

pub(crate) fn open(access: &[HostAccess], change: impl Fn(&mut HostEntry)) -> SourceHosts {
    let entries: Vec<HostEntry> = access
        .iter()
        .map(|host| {
            let mut entry = HostEntry::with_token(&host.host, &host.api);
            change(&mut entry);
            entry
        })
        .collect();
    let variable = |name: &str| access.iter().find(|host| host.host == name).map(|host| host.token.clone());
    let file = |path: &Path| std::fs::read(path);
    SourceHosts::open(&entries, &Secrets { variable: &variable, file: &file }).unwrap()
}

async fn serve(options: SimulationOptions) -> (Arc<Simulation>, SimulationServer) {
    let simulation = Arc::new(Simulation::new(options));
    let server =
        SimulationServer::start(Arc::clone(&simulation), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
    (simulation, server)
}

async fn read(scope: &Scope, branch: &HostedBranch) -> [Resource; 2] {
    read_branch(scope, &branch.provider, &branch.host, &branch.repository, &branch.branch).await.unwrap()
}

async fn read_all(scope: &Scope, branches: &[HostedBranch]) -> Vec<[Resource; 2]> {
    let all = futures_util::stream::iter(branches).map(|branch| read(scope, branch));
    all.buffered(32).collect().await
}

/// What a resource shows besides its names.
fn shown(resource: &Resource) -> Seen {
    let mut properties = resource.properties.clone();
    for name in ["Provider", "RepositoryId", "BranchName", "Aliases"] {
        properties.remove(name);
    }
    Seen { properties, unseen: resource.unseen.keys().cloned().collect() }
}

/// As text, in one order.
fn text(seen: &Seen) -> String {
    let properties: BTreeMap<&String, &Value> = seen.properties.iter().collect();
    format!("{properties:?} unseen {:?}", seen.unseen)
}

fn calls(scope: &Scope) -> BTreeMap<String, u64> {
    let coverage = scope.take_coverage();
    let mut calls = BTreeMap::new();
    for (key, counts) in coverage.rows() {
        *calls.entry(format!("{}:{}", key.service, key.action)).or_default() += counts.calls();
    }
    calls
}

fn large() -> SimulationOptions {
    SimulationOptions { accounts: 60, ..SimulationOptions::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_branch_is_read_as_the_known_truth_and_asked_for_once() {
    let (simulation, server) = serve(large()).await;
    let branches = simulation.hosted_branches();
    assert!(branches.len() > 200);
    let scope = scope(open(&server.hosts(), |_| {}), "111122223333");
    let seen = read_all(&scope, &branches).await;
    let mut wrong = Vec::new();
    for (branch, [of_branch, of_repository]) in branches.iter().zip(&seen) {
        for (expected, resource) in [(&branch.of_branch, of_branch), (&branch.of_repository, of_repository)] {
            let (expected, shown) = (text(expected), text(&shown(resource)));
            if expected != shown {
                wrong.push(format!("{}\n  is        {shown}\n  should be {expected}", resource.uid));
            }
        }
        let uid = format!("https://{}/{}", branch.host, branch.repository);
        assert_eq!(of_repository.uid.as_str(), uid);
        assert_eq!(of_branch.uid.as_str(), format!("{uid}/refs/heads/{}", branch.branch));
        assert_eq!(of_branch.properties["Provider"], json!(branch.provider));
    }
    assert!(
        wrong.is_empty(),
        "{} differ, the first of them:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(10)].join("\n")
    );

    let ledger = calls(&scope);
    let mut served = simulation.statistics();
    assert!(served.remove("throttled").is_some_and(|count| count > 0), "nothing was rate-limited");
    assert_eq!(ledger, served, "the ledger counts what the hosts served");
    let known: BTreeSet<&str> = ACTIONS.iter().copied().flatten().copied().collect();
    let made: BTreeSet<&str> = ledger.keys().map(String::as_str).collect();
    let never: Vec<&&str> = known.difference(&made).collect();
    assert_eq!(never, [&"github:CreateInstallationAccessToken"]);
    assert!(made.is_subset(&known), "{made:?}");

    // A second reader of the same run asks nothing, and gets its own resources.
    let again = read_all(&scope, &branches).await;
    assert_eq!(again, seen);
    assert_eq!(calls(&scope), BTreeMap::new());
    // No organization is asked twice.
    assert!(ledger["github:GetOrganization"] <= 6, "{ledger:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_unseen_with_the_name_of_the_call() {
    let options = SimulationOptions { accounts: 40, denials: false, limits: false, ..SimulationOptions::default() };
    let (simulation, server) = serve(options.clone()).await;
    let branches = simulation.hosted_branches();
    let clear = scope(open(&server.hosts(), |_| {}), "111122223333");
    let clear = read_all(&clear, &branches).await;
    assert!(clear.iter().flatten().all(|resource| resource.unseen.is_empty()));
    for action in ACTIONS.iter().copied().flatten().copied() {
        // One stands in for another, and Apps have their own test.
        if ["github:GetBranch", "github:CreateInstallationAccessToken"].contains(&action) {
            continue;
        }
        let (_, server) = serve(SimulationOptions { deny_action: Some(action.to_owned()), ..options.clone() }).await;
        let scope = scope(open(&server.hosts(), |_| {}), "111122223333");
        let blind = read_all(&scope, &branches).await;
        let mut named = 0;
        for (before, after) in clear.iter().flatten().zip(blind.iter().flatten()) {
            named += after.unseen.values().filter(|gap| gap.action == action).count();
            for (name, value) in &shown(before).properties {
                // Without its name, a ruleset is still known by its number.
                if name == "ProtectedBy" && action == "github:GetRuleset" {
                    continue;
                }
                let hidden = after.gap_over(name).is_some();
                let same = after.properties.get(name) == Some(value);
                assert!(
                    hidden != same,
                    "{action} refused: {} {name} was {value}, is {:?}",
                    after.uid,
                    after.properties.get(name)
                );
            }
        }
        assert!(named > 0, "{action} refused, and no gap names it");
        let denied: u64 = scope.take_coverage().rows().map(|(_, counts)| counts.denied).sum();
        assert!(denied > 0, "{action} refused, and the ledger does not know");
    }
}

#[tokio::test]
async fn a_host_without_a_token_is_a_gap_and_is_not_asked() {
    let (simulation, server) = serve(SimulationOptions { accounts: 6, ..SimulationOptions::default() }).await;
    let branches = simulation.hosted_branches();
    let nothing = scope(SourceHosts::default(), "111122223333");
    for resource in read_all(&nothing, &branches).await.iter().flatten() {
        let gap = &resource.unseen["*"];
        assert!(matches!(&gap.cause, GapCause::NotConfigured { message } if message.contains("[[hosts]]")), "{gap:?}");
    }
    assert_eq!(calls(&nothing), BTreeMap::new());
    assert_eq!(simulation.statistics(), BTreeMap::new());

    // The wrong kind of host is no host either.
    let github: Vec<HostAccess> = server.hosts().into_iter().filter(|host| host.provider == "GitHub").collect();
    let scope = scope(open(&github, |_| {}), "111122223333");
    let [branch, _] = read_branch(&scope, "GitLab", "github.com", "example/web", "main").await.unwrap();
    assert!(matches!(&branch.unseen["*"].cause, GapCause::NotConfigured { message } if message.contains("`provider`")));
    assert!(read_branch(&scope, "AzureDevOps", "dev.azure.com", "a/b", "main").await.is_none());
}

#[tokio::test]
async fn a_wrong_token_is_told_once_and_shown_nowhere() {
    let (simulation, server) =
        serve(SimulationOptions { accounts: 12, limits: false, ..SimulationOptions::default() }).await;
    let mut access = server.hosts();
    for host in &mut access {
        host.token.push_str("-expired");
    }
    let branches: Vec<HostedBranch> =
        simulation.hosted_branches().into_iter().filter(|branch| branch.provider == "GitHub").collect();
    let scope = scope(open(&access, |_| {}), "111122223333");
    for branch in &branches {
        let [of_branch, of_repository] = read(&scope, branch).await;
        for resource in [&of_branch, &of_repository] {
            let gap = &resource.unseen["*"];
            assert!(matches!(&gap.cause, GapCause::AccessDenied { message } if message.contains("401")), "{gap:?}");
        }
    }
    assert!(branches.len() > 5);
    assert_eq!(calls(&scope), BTreeMap::from([("github:GetRepository".to_owned(), 1)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_is_in_anything_that_is_kept() {
    let (simulation, server) = serve(large()).await;
    let hosts = open(&server.hosts(), |_| {});
    let debug = format!("{hosts:?}");
    let scope = scope(hosts, "111122223333");
    let seen = read_all(&scope, &simulation.hosted_branches()).await;
    let kept = format!("{debug}{scope:?}{seen:?}{}", serde_json::to_string(&seen).unwrap());
    assert!(!kept.contains(PLANTED_SECRET));
}

/// A host that answers what it is told to, and writes down who asked.
struct Host {
    api: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Host {
    async fn start(answer: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                tokio::spawn(async move {
                    let mut buffer = vec![0; 16_384];
                    let length = stream.read(&mut buffer).await.unwrap_or(0);
                    let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    let number = {
                        let mut log = log.lock().unwrap();
                        log.push(request.clone());
                        log.len() - 1
                    };
                    let _ = stream.write_all(answer(number, &request).as_bytes()).await;
                });
            }
        });
        Self { api, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn scope(&self, longest_wait: Option<u64>) -> Scope {
        let access = HostAccess {
            host: "github.com".to_owned(),
            provider: "GitHub".to_owned(),
            api: self.api.clone(),
            token: format!("{PLANTED_SECRET}own"),
        };
        scope(open(&[access], |entry| entry.longest_wait_seconds = longest_wait), "111122223333")
    }
}

fn http(status: &str, headers: &[&str], body: &Value) -> String {
    let headers: String = headers.iter().flat_map(|header| [*header, "\r\n"]).collect();
    let body = body.to_string();
    format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

fn gap(resource: &Resource) -> &Gap {
    &resource.unseen["*"]
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let other = Host::start(|_, _| http("200 OK", &[], &json!({"full_name": "acme/web", "private": true}))).await;
    let location = format!("location: {}/repos/acme/web", other.api);
    let host = Host::start(move |_, _| http("301 Moved Permanently", &[&location], &json!({}))).await;
    let [branch, _] = read_branch(&host.scope(None), "GitHub", "github.com", "acme/web", "main").await.unwrap();
    assert!(
        matches!(&gap(&branch).cause, GapCause::Endpoint { message } if message.contains("not asked")),
        "{:?}",
        gap(&branch)
    );
    assert_eq!((host.asked().len(), other.asked().len()), (1, 0));
    assert!(host.asked()[0].to_lowercase().contains("authorization: bearer"));
}

#[tokio::test]
async fn a_short_rate_limit_is_waited_for_and_a_long_one_is_a_gap() {
    let host = Host::start(|number, _| match number {
        0 => http(
            "403 Forbidden",
            &["x-ratelimit-remaining: 0", "x-ratelimit-reset: 1"],
            &json!({"message": "API rate limit exceeded"}),
        ),
        1 => http("429 Too Many Requests", &["retry-after: 1"], &json!({})),
        _ => http("404 Not Found", &[], &json!({"message": "Not Found"})),
    })
    .await;
    let began = Instant::now();
    let [branch, _] = read_branch(&host.scope(None), "GitHub", "github.com", "acme/web", "main").await.unwrap();
    assert!(matches!(gap(&branch).cause, GapCause::AccessDenied { .. }), "{:?}", gap(&branch));
    assert_eq!(host.asked().len(), 3);
    assert!(began.elapsed() >= Duration::from_secs(2));

    let host =
        Host::start(|_, _| http("403 Forbidden", &["retry-after: 5"], &json!({"message": "secondary rate limit"})))
            .await;
    let scope = host.scope(Some(4));
    let began = Instant::now();
    let [branch, _] = read_branch(&scope, "GitHub", "github.com", "acme/web", "main").await.unwrap();
    assert_eq!(gap(&branch).cause, GapCause::Throttled { attempts: 1 });
    assert!(began.elapsed() < Duration::from_secs(4));
    assert_eq!(host.asked().len(), 1);
    let throttled: u64 = scope.take_coverage().rows().map(|(_, counts)| counts.throttled).sum();
    assert_eq!(throttled, 1);
}

#[tokio::test]
async fn a_host_that_fails_or_babbles_is_a_gap() {
    let host = Host::start(|_, _| http("502 Bad Gateway", &[], &json!({}))).await;
    let [branch, _] = read_branch(&host.scope(None), "GitHub", "github.com", "acme/web", "main").await.unwrap();
    assert!(matches!(&gap(&branch).cause, GapCause::Service { code, .. } if code == "HTTP 502"), "{:?}", gap(&branch));
    assert_eq!(host.asked().len(), 3);
    let host = Host::start(|_, _| http("200 OK", &[], &json!({"name": "web"}))).await;
    let [branch, _] = read_branch(&host.scope(None), "GitHub", "github.com", "acme/web", "main").await.unwrap();
    assert!(matches!(gap(&branch).cause, GapCause::Malformed { .. }), "{:?}", gap(&branch));
    // Words of the host come through, the secret in them does not.
    let host = Host::start(|_, _| {
        http("403 Forbidden", &[], &json!({"message": format!("the token {PLANTED_SECRET}own is no good")}))
    })
    .await;
    let [branch, _] = read_branch(&host.scope(None), "GitHub", "github.com", "acme/web", "main").await.unwrap();
    assert!(gap(&branch).sentence().contains("the token … is no good"), "{}", gap(&branch).sentence());
    let stranger = read_branch(&host.scope(None), "GitHub", "github.com", "../../orgs", "main").await.unwrap();
    assert!(matches!(gap(&stranger[0]).cause, GapCause::Malformed { .. }));
}

/// The entry of a host that is asked as a GitHub App.
fn as_app(entry: &mut HostEntry) {
    entry.token_env = None;
    (entry.app_id, entry.installation_id) = (Some(12), Some(34));
    entry.private_key_file = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/app.pem"));
}

fn github_without_token(host: &Host) -> HostAccess {
    HostAccess {
        host: "github.com".to_owned(),
        provider: "GitHub".to_owned(),
        api: host.api.clone(),
        token: String::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_exchanges_its_signature_for_one_token() {
    let (simulation, server) =
        serve(SimulationOptions { accounts: 12, limits: false, ..SimulationOptions::default() }).await;
    let branches: Vec<HostedBranch> =
        simulation.hosted_branches().into_iter().filter(|branch| branch.provider == "GitHub").collect();
    let github: Vec<HostAccess> = server.hosts().into_iter().filter(|host| host.provider == "GitHub").collect();
    let scope = scope(open(&github, as_app), "111122223333");
    for (branch, [of_branch, _]) in branches.iter().zip(read_all(&scope, &branches).await) {
        assert_eq!(text(&branch.of_branch), text(&shown(&of_branch)));
    }
    let ledger = calls(&scope);
    assert_eq!(ledger["github:CreateInstallationAccessToken"], 1);
    assert!(ledger["github:GetRepository"] > 5);
}

/// The calls in the ledgers of two accounts that ask the host of an App for a branch each, at once.
async fn ledgers_of_two(host: &Host) -> [BTreeMap<String, u64>; 2] {
    let sdk = loopback::config("http://127.0.0.1:9", loopback::credentials(), "eu-west-1", RetryConfig::disabled());
    let gate = CallGate::new(Concurrency::default()).with_hosts(open(&[github_without_token(host)], as_app));
    let scopes = ["111122223333", "444455556666"].map(|account| {
        Scope::new(account.parse().unwrap(), Partition::Aws, "eu-west-1".parse().unwrap(), &sdk, gate.clone())
    });
    let [one, two] = &scopes;
    let (web, api) = futures_util::future::join(
        read_branch(one, "GitHub", "github.com", "acme/web", "main"),
        read_branch(two, "GitHub", "github.com", "acme/api", "main"),
    )
    .await;
    assert!(web.is_some() && api.is_some());
    // A second branch of the same account adds no second call.
    read_branch(two, "GitHub", "github.com", "acme/web", "main").await.unwrap();
    scopes.map(|scope| calls(&scope))
}

#[tokio::test]
async fn the_token_of_an_app_stands_once_in_the_ledger_of_every_account_that_uses_it() {
    const TOKEN: &str = "github:CreateInstallationAccessToken";
    let given = Host::start(|_, request| {
        if request.starts_with("POST ") {
            http("201 Created", &[], &json!({"token": "ghs_own"}))
        } else {
            http("404 Not Found", &[], &json!({"message": "Not Found"}))
        }
    })
    .await;
    for ledger in ledgers_of_two(&given).await {
        assert_eq!(ledger.get(TOKEN), Some(&1), "{ledger:?}");
        assert!(ledger.contains_key("github:GetRepository"), "{ledger:?}");
    }
    let posted = |host: &Host| host.asked().iter().filter(|request| request.starts_with("POST ")).count();
    assert_eq!(posted(&given), 1);
    let refused = Host::start(|_, _| http("404 Not Found", &[], &json!({"message": "Integration not found"}))).await;
    for ledger in ledgers_of_two(&refused).await {
        assert_eq!(ledger, BTreeMap::from([(TOKEN.to_owned(), 1)]));
    }
    assert_eq!(posted(&refused), 1);
}

#[tokio::test]
async fn an_app_that_is_refused_is_a_gap_that_says_so() {
    let host = Host::start(|_, _| http("404 Not Found", &[], &json!({"message": "Integration not found"}))).await;
    let scope = scope(open(&[github_without_token(&host)], as_app), "111122223333");
    for repository in ["acme/web", "acme/api"] {
        let [branch, _] = read_branch(&scope, "GitHub", "github.com", repository, "main").await.unwrap();
        assert!(
            gap(&branch).sentence().contains("github:CreateInstallationAccessToken"),
            "{}",
            gap(&branch).sentence()
        );
    }
    assert_eq!(host.asked().len(), 1);
    assert!(host.asked()[0].starts_with("POST /app/installations/34/access_tokens "));
}
