//! What judging costs: CPU µs per resource, its growth, and the ratio to Cedar's bare `is_authorized`.
//!
//! The floor asks Cedar the same controls on prebuilt entities, partitioned by type: no entity is built, no result is
//! told from another, no evidence is gathered. `cargo bench --bench evaluate`; nothing here can fail a test.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a benchmark prints figures and stops where it cannot go on"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityId, EntityUid, PolicySet, Request, ResourceConstraint,
    RestrictedExpression,
};
use pipewarden::audit::{Collection, Silent};
use pipewarden::collect::CallGate;
use pipewarden::config::Written;
use pipewarden::evaluate::{Asking, Policies, PolicySource, Principal, Settings};
use pipewarden::facts::{Fact, Joins, Rules, Subject, subjects};
use pipewarden::inventory::{AccountId, Inventory, Partition, ResourceUid, TypeName};
use pipewarden::organization::Sessions;
use pipewarden::run::{INVENTORY, ORGANIZATION, Plan, REFERENCED, RunDirectory, RunId};
use pipewarden::simulate::{Simulation, SimulationOptions, SimulationServer};

const ACCOUNTS: usize = 60;
const SIZES: [usize; 4] = [1_000, 10_000, 50_000, 100_000];
const NOW: &str = "2026-11-21T00:00:00Z";

/// Seconds this thread has been on a CPU.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e9
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = cpu_seconds();
    let result = work();
    (cpu_seconds() - start, result)
}

fn collect(out: &std::path::Path) -> RunDirectory {
    let simulation = Simulation::new(SimulationOptions {
        accounts: ACCOUNTS,
        denials: false,
        limits: false,
        ..SimulationOptions::default()
    });
    let config = Written::default().resolve("bench").unwrap();
    let run = RunDirectory::create(
        out,
        Plan::new(RunId::at(SimulationOptions::default().now).unwrap(), serde_json::Value::Null, 1),
    )
    .unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let server = SimulationServer::start(Arc::new(simulation.clone()), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .await
            .unwrap();
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
                aws_smithy_async::rt::sleep::TokioSleep::new(),
            ))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "AKIABENCH",
                "bench",
                None,
                None,
                "bench",
            )))
            .region(aws_config::Region::new("us-east-1"))
            .endpoint_url(server.endpoint_url())
            .build();
        let gate = CallGate::new(config.audit.concurrency);
        let home = Partition::Aws.default_region();
        let sessions = Sessions::new(
            sdk,
            simulation.management_account(),
            Partition::Aws,
            home,
            config.audit.sessions.clone(),
            gate,
        );
        Collection { sessions: &sessions, options: &config.audit, run: &run, progress: &Silent }
            .complete()
            .await
            .unwrap();
        server.stop().await;
    });
    run
}

fn inventories(run: &RunDirectory) -> Vec<Inventory> {
    let mut inventories = vec![run.read_inventory(None, ORGANIZATION).unwrap()];
    for account in run.accounts().unwrap() {
        let mut inventory = run.read_inventory(Some(&account), INVENTORY).unwrap();
        if run.has_part(Some(&account), REFERENCED) {
            inventory.absorb(run.read_inventory(Some(&account), REFERENCED).unwrap());
        }
        inventories.push(inventory);
    }
    inventories
}

/// As many subjects as asked for: the collected ones, over and over, under other names.
fn multiplied(subjects: &[Subject], count: usize) -> Vec<Subject> {
    (0..count)
        .zip(subjects.iter().cycle())
        .map(|(nth, subject)| Subject { uid: ResourceUid(format!("{}-{nth}", subject.uid)), ..subject.clone() })
        .collect()
}

fn expression(fact: &Fact) -> RestrictedExpression {
    match fact {
        Fact::Bool(value) => RestrictedExpression::new_bool(*value),
        Fact::Long(value) => RestrictedExpression::new_long(*value),
        Fact::Text(text) => RestrictedExpression::new_string(text.clone()),
        Fact::Datetime(text) => RestrictedExpression::new_datetime(text),
        Fact::Set(items) => RestrictedExpression::new_set(items.iter().cloned().map(RestrictedExpression::new_string)),
    }
}

/// The controls alone, by type.
fn bare_policies() -> BTreeMap<String, PolicySet> {
    let mut by_type: BTreeMap<String, Vec<cedar_policy::Policy>> = BTreeMap::new();
    for source in Policies::embedded() {
        let PolicySource::Control(text) = source else { continue };
        let set: PolicySet = text.text.parse().unwrap();
        for policy in set.policies() {
            let ResourceConstraint::Is(of) = policy.resource_constraint() else { continue };
            let id = cedar_policy::PolicyId::new(policy.annotation("id").unwrap());
            by_type.entry(of.to_string()).or_default().push(policy.new_id(id));
        }
    }
    by_type.into_iter().map(|(of, policies)| (of, PolicySet::from_policies(policies).unwrap())).collect()
}

fn prebuilt(subject: &Subject, context: &Context) -> (Request, Entities) {
    let uid = |of: &str, id: &str| EntityUid::from_type_name_and_id(of.parse().unwrap(), EntityId::new(id));
    let resource = uid(subject.type_name.as_str(), subject.uid.as_str());
    let principal = uid("AWS::Organizations::Account", subject.account.as_str());
    let attributes: HashMap<String, RestrictedExpression> =
        subject.facts.known.iter().map(|(name, fact)| (name.to_string(), expression(fact))).collect();
    let entities = [
        Entity::new(resource.clone(), attributes, HashSet::new()).unwrap(),
        Entity::new_no_attrs(principal.clone(), HashSet::new()),
    ];
    let action = uid("Pipewarden::Action", pipewarden::facts::action_of(&subject.type_name).unwrap());
    (
        Request::new(principal, action, resource, context.clone(), None).unwrap(),
        Entities::from_entities(entities, None).unwrap(),
    )
}

fn main() {
    // `cargo test --benches` asks every benchmark to prove that it starts, not to run.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let inventories = inventories(&collect(folder.path()));
    let resources: usize = inventories.iter().map(|inventory| inventory.resources.len()).sum();
    let (facts_seconds, all) = timed(|| {
        let now = SimulationOptions::default().now;
        let mut joins = Joins::new(Rules::default(), now, 7);
        for inventory in &inventories {
            joins.index(inventory);
        }
        joins.finish();
        inventories.iter().flat_map(|inventory| subjects(inventory, &joins)).collect::<Vec<_>>()
    });
    let policies = Policies::load(&Policies::embedded(), &BTreeSet::new()).unwrap();
    let principals: BTreeMap<AccountId, Principal> = all
        .iter()
        .filter(|subject| subject.type_name == TypeName::ACCOUNT)
        .map(|subject| {
            (
                subject.account.clone(),
                Principal { facts: subject.facts.clone(), units: vec!["r-ab12".to_owned(), "ou-ab12-1".to_owned()] },
            )
        })
        .collect();
    let asking = Asking::new(&policies, NOW, "live", &Settings::default(), &principals).unwrap();
    println!(
        "{resources} resources of {ACCOUNTS} simulated accounts, {} judged, by {} controls",
        all.len(),
        policies.controls().len()
    );
    println!("indexing, joining and deriving facts: {:.1} µs per resource\n", facts_seconds * 1e6 / resources as f64);

    println!("{:>10} {:>12} {:>14} {:>12}", "resources", "CPU s", "µs/resource", "findings");
    let mut ours = f64::NAN;
    for size in SIZES {
        let subjects = multiplied(&all, size);
        // Small sizes several times over, so that every line rests on as much work.
        let rounds = SIZES[SIZES.len() - 1] / size;
        let (seconds, findings) = timed(|| {
            let mut findings = 0;
            for _ in 0..rounds {
                findings = subjects.iter().map(|subject| asking.judge(subject).unwrap().len()).sum::<usize>();
            }
            findings
        });
        let seconds = seconds / rounds as f64;
        ours = seconds * 1e6 / size as f64;
        println!("{size:>10} {seconds:>12.2} {ours:>14.1} {findings:>12}");
    }

    let settings = RestrictedExpression::new_record(
        Settings::default().0.into_iter().map(|(name, value)| (name, RestrictedExpression::new_long(value))),
    )
    .unwrap();
    let context = Context::from_pairs([
        ("now".to_owned(), RestrictedExpression::new_datetime(NOW)),
        ("mode".to_owned(), RestrictedExpression::new_string("live".to_owned())),
        ("settings".to_owned(), settings),
    ])
    .unwrap();
    let bare = bare_policies();
    let asked: Vec<(Request, Entities, &PolicySet)> = all
        .iter()
        .filter_map(|subject| {
            let (request, entities) = prebuilt(subject, &context);
            Some((request, entities, bare.get(subject.type_name.as_str())?))
        })
        .collect();
    let authorizer = Authorizer::new();
    let rounds = 100_000 / asked.len().max(1);
    let (seconds, ()) = timed(|| {
        for _ in 0..rounds {
            for subject in &all {
                std::hint::black_box(prebuilt(subject, &context));
            }
        }
    });
    println!(
        "\nbuilding the floor's entities, which it does not count: {:.1} µs per resource",
        seconds * 1e6 / (rounds * all.len()) as f64
    );
    let (seconds, ()) = timed(|| {
        for _ in 0..rounds {
            for (request, entities, policies) in &asked {
                std::hint::black_box(authorizer.is_authorized(request, policies, entities));
            }
        }
    });
    let floor = seconds * 1e6 / (rounds * asked.len()) as f64;
    println!("Cedar's bare is_authorized, prebuilt and partitioned: {floor:.1} µs per resource");
    println!("ratio: {:.2} (goal: at most 2)", ours / floor);
}
