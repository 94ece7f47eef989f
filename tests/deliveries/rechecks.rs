//! Rechecks of single resources, delivered: only what was looked at is told, nothing that was not is over, and what the
//! night said is not said again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use pipewarden::deliver::{Outcome, Status, read_record};
use pipewarden::finding::{ComplianceType, Finding};
use pipewarden::inventory::Region;
use pipewarden::run::{RunDirectory, list};
use pipewarden::simulate::{Simulation, SimulationOptions, SimulationServer};
use serde_json::{Value, json};

use super::runs::{HOME, deliver};
use super::server::{Server, answer};
use super::{TOPIC, command_as};
use crate::recheck::{World, copy, findings_of, gate, ungated, world};

/// An organization, and those who hear of it.
struct Heard {
    world: World,
    runtime: tokio::runtime::Runtime,
    server: Server,
}

/// What Security Hub has: id → finding.
type Hub = BTreeMap<String, Value>;

impl Heard {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let server = runtime.block_on(Server::start());
        Self { world: World::new(SimulationOptions { denials: false, ..world() }), runtime, server }
    }

    /// What came of the delivery, by name.
    fn deliver(&self, run: &RunDirectory) -> BTreeMap<String, Outcome> {
        self.server.with(|world| {
            world.asked.clear();
            world.published.clear();
        });
        let tables = json!({
            "s3": {"bucket": "archive"},
            "security_hub": {"role": "PipewardenDeliver"},
            "sns": {"topic_arn": TOPIC, "when": "always"},
        });
        let outcomes = self.runtime.block_on(deliver(&self.server, self.world.out.path(), run, tables));
        for outcome in &outcomes {
            assert_eq!(outcome.status, Status::Delivered, "{outcome:?}");
        }
        outcomes.into_iter().map(|outcome| (outcome.name.clone(), outcome)).collect()
    }

    fn hub(&self) -> Hub {
        self.server.with(|world| world.findings.values().flatten().map(|(id, one)| (id.clone(), one.clone())).collect())
    }

    /// Ids of what Security Hub was told last.
    fn imported(&self) -> BTreeSet<String> {
        let bodies: Vec<Value> = self.server.with(|world| {
            let imports = world.asked.iter().filter(|asked| asked.service() == "securityhub");
            imports.map(|asked| serde_json::from_slice(&asked.body).unwrap()).collect()
        });
        let ids = bodies.iter().flat_map(|body| body["Findings"].as_array().unwrap());
        ids.map(|finding| finding["Id"].as_str().unwrap().to_owned()).collect()
    }
}

fn id_of(finding: &Finding) -> String {
    let resource = &finding.resource;
    let region = if resource.region == Region::GLOBAL { HOME } else { resource.region.as_str() };
    format!("{region}/{}/{}", resource.account, finding.id)
}

/// The violations of a run, by the ids that Security Hub knows them by.
fn violations(run: &RunDirectory) -> BTreeSet<String> {
    let findings = findings_of(run);
    let violated =
        findings.values().filter(|one| one.compliance == ComplianceType::NonCompliant && one.exception.is_none());
    violated.map(id_of).collect()
}

/// A finding without its times, and without what names a run.
fn lasting(finding: &Value) -> Value {
    let mut finding = finding.clone();
    for key in ["CreatedAt", "UpdatedAt", "FirstObservedAt", "LastObservedAt"] {
        finding.as_object_mut().unwrap().remove(key);
    }
    for key in ["Run", "PolicyHash", "Version", "Change"] {
        finding["ProductFields"].as_object_mut().unwrap().remove(key);
    }
    finding
}

fn archived(hub: &Hub) -> BTreeSet<&str> {
    hub.iter().filter(|(_, one)| one["RecordState"] == "ARCHIVED").map(|(id, _)| id.as_str()).collect()
}

#[test]
fn a_recheck_tells_what_it_saw_and_the_nights_say_neither_it_nor_each_other_again() {
    let heard = Heard::new();
    let (uid, account) = ungated(&heard.world);
    let night = heard.world.night(0, &|run| gate(run, &uid, &account));
    heard.deliver(&night);
    let before = heard.hub();
    let night_objects = heard.server.with(|world| world.objects.clone());
    assert!(before.len() > 20 && archived(&before).is_empty());

    let recheck = heard.world.rechecked(8, &[&uid], None);
    let outcomes = heard.deliver(&recheck);
    let (known, seen) = (violations(&night), violations(&recheck));
    let new: BTreeSet<String> = seen.difference(&known).cloned().collect();
    let told = heard.imported();
    assert!(!new.is_empty() && told.is_superset(&new), "{new:?} {told:?}");
    assert!(told.is_subset(&seen), "what was not looked at is not told");
    let hub = &outcomes["security-hub"];
    assert_eq!((hub.sent, hub.sent + hub.unchanged), (told.len() as u64, seen.len() as u64));
    let after = heard.hub();
    assert!(archived(&after).is_empty(), "what was not looked at is not over");
    for (id, finding) in &before {
        // The gate that is gone is evidence of other controls, too; what is as it was is not told again.
        let is_told = told.contains(id);
        assert_eq!(lasting(&after[id]) != lasting(finding), is_told, "{id}: {finding} {}", after[id]);
        assert!(is_told || after[id] == *finding, "{id}");
    }
    for id in &new {
        assert_eq!(
            (&after[id]["Compliance"]["Status"], &after[id]["RecordState"]),
            (&json!("FAILED"), &json!("ACTIVE"))
        );
    }

    let published = heard.server.with(|world| world.published.clone());
    assert_eq!(published.len(), 1);
    assert!(published[0]["Message"].contains(uid.rsplit(':').next().unwrap()), "{published:?}");
    let id = recheck.plan().run_id.to_string();
    heard.server.with(|world| {
        let added: Vec<&String> = world.objects.keys().filter(|key| !night_objects.contains_key(*key)).collect();
        assert!(added.iter().all(|key| key.starts_with(&format!("rechecks/runs/{id}/"))), "{added:?}");
        assert_eq!(added.len(), recheck.manifest().unwrap().files.len() + 1);
        assert!(night_objects.iter().all(|(key, object)| world.objects[key].bytes == object.bytes));
    });
    let again = heard.deliver(&recheck);
    assert!(again.values().all(|outcome| outcome.sent == 0), "{again:?}");

    // The next night sees the same: by the same ids, so nothing of it is told again.
    drop(night);
    let next = heard.world.night(24, &|_| {});
    assert!(violations(&next).is_superset(&new));
    heard.deliver(&next);
    let told = heard.imported();
    assert!(told.is_disjoint(&seen), "{:?}", told.intersection(&seen).collect::<Vec<_>>());
    assert!(archived(&heard.hub()).is_empty());
}

#[test]
fn what_a_recheck_sees_deleted_is_over_and_nothing_else() {
    let heard = Heard::new();
    let (uid, account) = ungated(&heard.world);
    let deleted = format!("{uid}-deleted");
    let night = heard.world.night(0, &|run| copy(run, &uid, &account, &deleted));
    heard.deliver(&night);
    let of_deleted: BTreeSet<String> = {
        let findings = findings_of(&night);
        let own = findings.values().filter(|one| one.resource.uid.as_str() == deleted);
        own.filter(|one| one.compliance == ComplianceType::NonCompliant).map(id_of).collect()
    };
    assert!(!of_deleted.is_empty());
    let recheck = heard.world.rechecked(2, &[&deleted], None);
    heard.deliver(&recheck);
    let hub = heard.hub();
    assert_eq!(archived(&hub), of_deleted.iter().map(String::as_str).collect());
    // It is over by a recheck, and the night that follows neither brings it back nor ends it again.
    drop(night);
    let next = heard.world.night(24, &|_| {});
    heard.deliver(&next);
    assert!(heard.imported().is_disjoint(&of_deleted));
    let hub = heard.hub();
    assert!(archived(&hub).is_superset(&of_deleted.iter().map(String::as_str).collect()));
}

#[test]
fn what_a_recheck_could_not_see_is_not_over() {
    let mut heard = Heard::new();
    let (uid, _) = ungated(&heard.world);
    let night = heard.world.night(0, &|_| {});
    heard.deliver(&night);
    let before = heard.hub();
    let deny_action = Some("codepipeline:ListPipelines".to_owned());
    heard.world.simulation = Simulation::new(SimulationOptions { deny_action, denials: false, ..world() });
    let recheck = heard.world.rechecked(2, &[&uid], None);
    assert!(findings_of(&recheck).values().all(|one| one.compliance == ComplianceType::InsufficientData));
    heard.deliver(&recheck);
    let hub = heard.hub();
    assert!(archived(&hub).is_empty());
    assert_eq!(hub.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    for id in heard.imported() {
        assert_ne!(hub[&id]["Compliance"]["Status"], "PASSED");
    }
}

/// One address for all of AWS: what deliveries ask is answered by a server that writes it down, all else by the simulated
/// organization.
async fn gateway(server: &Server, organization: String) -> String {
    let listener = tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (world, client) = (Arc::clone(&server.world), reqwest::Client::new());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (world, client, organization) = (Arc::clone(&world), client.clone(), organization.clone());
            tokio::spawn(async move {
                let service = service_fn(|request: Request<Incoming>| {
                    let (world, client, organization) = (Arc::clone(&world), client.clone(), organization.clone());
                    async move {
                        if is_delivery(&request) {
                            return answer(world, request).await;
                        }
                        Ok(passed_on(&client, &organization, request).await)
                    }
                });
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    endpoint
}

fn is_delivery(request: &Request<Incoming>) -> bool {
    let signed = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    // Collectors ask SNS too, in the one Region that the organization has.
    signed.contains("/securityhub/")
        || signed.contains("/us-east-1/sns/")
        || signed.contains("/s3/") && request.uri().path().starts_with("/archive")
}

async fn passed_on(client: &reqwest::Client, to: &str, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut headers = head.headers;
    headers.remove("host");
    let asked = client.request(head.method, format!("{to}{}", head.uri)).headers(headers).body(body);
    let answer = asked.send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if name != "transfer-encoding" && name != "content-length" {
            response = response.header(name, value);
        }
    }
    response.body(Full::new(answer.bytes().await.unwrap())).unwrap()
}

/// The simulated organization has one role.
const CONFIGURATION: &str = "[[deliveries.s3]]\nbucket = \"archive\"\n[[deliveries.security_hub]]\nrole = \"PipewardenAudit\"\n\
                             [[deliveries.sns]]\ntopic_arn = \"arn:aws:sns:us-east-1:111122223333:security\"\nwhen = \"always\"\n";

#[test]
fn the_command_delivers_a_recheck_by_the_memory_of_the_night() {
    let out = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let options = SimulationOptions {
        accounts: 4,
        pipelines_per_account_region: 2,
        regions: vec![HOME.parse::<Region>().unwrap()],
        limits: false,
        denials: false,
        latency: Duration::ZERO,
        ..SimulationOptions::default()
    };
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let simulation = Simulation::new(options);
    let own = simulation.management_account().to_string();
    let organization = runtime.block_on(SimulationServer::start(Arc::new(simulation), listen)).unwrap();
    let server = runtime.block_on(Server::start());
    let endpoint = runtime.block_on(gateway(&server, organization.endpoint_url()));
    let server = Server { endpoint, ..server };
    fs::write(out.path().join("pipewarden.toml"), CONFIGURATION).unwrap();
    let (code, text) = command_as(&own, &server, out.path(), "audit", &["--fail-on", "none", "--fail-on-delivery"]);
    assert_eq!(code, 0, "{text}");
    let (night, findings) = server.with(|world| (world.objects.clone(), world.findings.clone()));
    assert!(!findings.is_empty() && !night.is_empty());
    let told = findings.values().flatten().find(|(_, one)| one["Resources"][0]["Type"] == "AwsCodePipelinePipeline");
    let told = told.or_else(|| findings.values().flatten().find(|(_, one)| one.to_string().contains(":codepipeline:")));
    let uid = told.unwrap().1["Resources"][0]["Id"].as_str().unwrap().to_owned();

    let args = ["--resource", &uid, "--fail-on", "none", "--fail-on-delivery"];
    let (code, text) = command_as(&own, &server, out.path(), "audit", &args);
    assert_eq!(code, 0, "{text}");
    let rechecks = list(&out.path().join("rechecks")).unwrap();
    let [recheck] = rechecks.as_slice() else { panic!("{rechecks:?}") };
    let id = recheck.run_id.to_string();
    let outcomes = read_record(out.path(), &id).unwrap();
    let of = |name: &str| outcomes.iter().find(|outcome| outcome.name == name).unwrap();
    assert_eq!((of("security-hub").sent, of("security-hub").status), (0, Status::Delivered), "{outcomes:?}");
    assert!(of("security-hub").unchanged > 0, "the night has said it: {outcomes:?}");
    assert_eq!(of("sns").sent, 1);
    server.with(|world| {
        assert!(world.findings == findings, "nothing is over, and nothing else is told");
        let added: Vec<&String> = world.objects.keys().filter(|key| !night.contains_key(*key)).collect();
        assert!(
            !added.is_empty() && added.iter().all(|key| key.starts_with(&format!("rechecks/runs/{id}/"))),
            "{added:?}"
        );
        assert!(world.asked.iter().rfind(|asked| asked.service() == "s3").unwrap().path.ends_with("/manifest.json"));
    });
}
