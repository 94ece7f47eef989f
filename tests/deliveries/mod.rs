//! Deliveries over the wire: what is sent, what is not sent twice, and what a receiver may do to them.

mod messages;
mod rechecks;
mod runs;
mod server;
mod tickets;
mod trackers;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use pipewarden::deliver::{KINDS, Status, read_record, write_record};
use pipewarden::finding::{Change, ComplianceType, Gone};
use pipewarden::inventory::Partition;
use serde_json::{Value, json};

use runs::{HOME, changed, configured, deliver, deliver_with_gone, fail, finding, sealed, sealed_again, sealed_among};
use server::{OWN, Server};

const FIRST: &str = "20261121T020000Z";
const SECOND: &str = "20261122T020000Z";
const LATER: &str = "20270121T020000Z";
const A: &str = "111111111111";
const B: &str = "222222222222";

fn in_runtime<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test)
}

fn violated(account: &str, region: &str, name: &str) -> pipewarden::finding::Finding {
    finding(account, region, name, ComplianceType::NonCompliant)
}

fn archive() -> Value {
    json!({"s3": {
        "name": "archive", "bucket": "archive", "prefix": "audit/", "region": "eu-west-1",
        "kms_key": "arn:aws:kms:eu-west-1:111122223333:key/k", "object_lock_mode": "COMPLIANCE", "object_lock_days": 10,
        "expected_bucket_owner": "111122223333",
    }})
}

/// A run with a file of three parts.
fn with_large(out: &std::path::Path) -> (pipewarden::run::RunDirectory, Vec<u8>) {
    let large: Vec<u8> = (0..20_000_000_u32).map(|nth| u8::try_from(nth % 251).unwrap()).collect();
    let run = sealed(out, FIRST, vec![violated(A, HOME, "web")], &[("large.bin", large.clone())]);
    (run, large)
}

#[test]
fn a_run_lies_in_the_bucket_as_it_does_on_the_disk_and_the_manifest_came_last() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let (run, large) = with_large(out.path());
        let outcomes = deliver(&server, out.path(), &run, archive()).await;
        assert_eq!(outcomes[0].status, Status::Delivered, "{outcomes:?}");
        let folder = format!("audit/runs/{FIRST}/");
        let manifest = run.manifest().unwrap();
        server.with(|world| {
            assert_eq!(world.objects.len(), manifest.files.len() + 1);
            for file in &manifest.files {
                let object = &world.objects[&format!("{folder}{}", file.path)];
                assert_eq!(object.bytes, fs::read(run.path().join(&file.path)).unwrap(), "{}", file.path);
            }
            let large_object = &world.objects[&format!("{folder}large.bin")];
            assert!(large_object.bytes == large && large_object.checksum.ends_with("-3"));
            let last = world.asked.last().unwrap();
            assert!(last.path.ends_with("/manifest.json") && last.method == "PUT", "{last:?}");
            for (key, object) in &world.objects {
                let header = |name: &str| object.asked.header(name).map(str::to_owned);
                assert_eq!(header("x-amz-server-side-encryption").as_deref(), Some("aws:kms"), "{key}");
                assert_eq!(header("x-amz-server-side-encryption-bucket-key-enabled").as_deref(), Some("true"));
                assert!(header("x-amz-server-side-encryption-aws-kms-key-id").unwrap().ends_with("key/k"));
                assert_eq!(header("x-amz-object-lock-mode").as_deref(), Some("COMPLIANCE"));
                assert_eq!(header("x-amz-object-lock-retain-until-date").as_deref(), Some("2026-12-01T03:00:00Z"));
            }
            for asked in &world.asked {
                assert_eq!(asked.header("x-amz-expected-bucket-owner"), Some("111122223333"), "{}", asked.path);
                assert_eq!(asked.region(), "eu-west-1");
            }
            world.asked.clear();
        });
        let again = deliver(&server, out.path(), &run, archive()).await;
        assert_eq!((again[0].sent, again[0].unchanged), (0, manifest.files.len() as u64 + 1));
        assert!(server.with(|world| world.asked.is_empty()), "the memory knows that it is there");
    });
}

#[test]
fn a_broken_delivery_goes_on_and_leaves_neither_a_manifest_nor_parts_before_it_is_whole() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let (run, _) = with_large(out.path());
        server.with(|world| world.breaks_after = Some(3));
        let outcomes = deliver(&server, out.path(), &run, archive()).await;
        assert_eq!(outcomes[0].status, Status::Failed);
        assert!(
            outcomes[0].problem.as_ref().unwrap().contains("pipewarden role --for audit --deliveries --config FILE"),
            "{outcomes:?}"
        );
        server.with(|world| {
            assert!(!world.objects.keys().any(|key| key.ends_with("manifest.json")));
            world.breaks_after = None;
        });
        let before = server.with(|world| world.objects.len());
        // As a process leaves it that is killed in the middle of a large file.
        let key = format!("audit/runs/{FIRST}/large.bin");
        server.with(|world| {
            world.objects.remove(&key);
            let begun = world.asked[0].clone();
            world.uploads.insert("old".to_owned(), (key.clone(), begun, BTreeMap::new()));
        });
        let line = json!({"key": format!("upload/{key}"), "value": {"uploadId": "old"}});
        let memory = out.path().join("deliveries/archive.jsonl");
        let earlier = fs::read_to_string(&memory).unwrap_or_default();
        fs::write(&memory, format!("{earlier}{line}\n")).unwrap();
        let outcomes = deliver(&server, out.path(), &run, archive()).await;
        assert_eq!(outcomes[0].status, Status::Delivered, "{outcomes:?}");
        assert!(outcomes[0].unchanged > 0 && outcomes[0].unchanged <= before as u64, "{outcomes:?}");
        server.with(|world| assert!(world.uploads.is_empty(), "{:?}", world.uploads.keys()));
        let total = run.manifest().unwrap().files.len() as u64 + 1;
        assert_eq!(outcomes[0].sent + outcomes[0].unchanged, total);
    });
}

#[test]
fn without_its_memory_a_delivery_asks_the_bucket_and_sends_nothing_twice() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let (run, _) = with_large(out.path());
        deliver(&server, out.path(), &run, archive()).await;
        fs::remove_dir_all(out.path().join("deliveries")).unwrap();
        server.with(|world| world.asked.clear());
        let outcomes = deliver(&server, out.path(), &run, archive()).await;
        assert_eq!((outcomes[0].status, outcomes[0].sent), (Status::Delivered, 0), "{outcomes:?}");
        let methods: BTreeSet<String> = server.with(|world| world.asked.iter().map(|a| a.method.clone()).collect());
        assert_eq!(methods.into_iter().collect::<Vec<_>>(), ["GET", "HEAD"]);
    });
}

#[test]
fn another_object_is_never_overwritten_and_a_changed_run_is_never_sent() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let (run, _) = with_large(out.path());
        deliver(&server, out.path(), &run, archive()).await;
        fs::remove_dir_all(out.path().join("deliveries")).unwrap();
        let (plan, manifest) = (format!("audit/runs/{FIRST}/plan.json"), format!("audit/runs/{FIRST}/manifest.json"));
        server.with(|world| {
            let object = world.objects.get_mut(&plan).unwrap();
            object.checksum = "another".to_owned();
            world.objects.remove(&manifest);
        });
        let outcomes = deliver(&server, out.path(), &run, archive()).await;
        assert_eq!(outcomes[0].status, Status::Incomplete);
        assert!(outcomes[0].refused.iter().any(|line| line.contains("plan.json is there with other content")));
        assert!(!server.with(|world| world.objects.contains_key(&manifest)), "half a run must not look whole");

        let other = tempfile::tempdir().unwrap();
        let (run, _) = with_large(other.path());
        fs::write(run.path().join("findings.json"), "{}").unwrap();
        let tables = json!({"s3": {"bucket": "vault", "prefix": "x/"}});
        let outcomes = deliver(&server, other.path(), &run, tables).await;
        assert!(outcomes[0].problem.as_ref().unwrap().contains("changed after its manifest"), "{outcomes:?}");
    });
}

fn hub() -> Value {
    json!({"security_hub": {"role": "PipewardenDeliver"}})
}

#[test]
fn findings_go_to_their_own_account_and_region_and_only_changes_are_sent_again() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let mut findings: Vec<_> = (0..130).map(|nth| violated(A, "eu-west-1", &format!("p{nth}"))).collect();
        findings.push(violated(A, "global", "everywhere"));
        findings.push(violated(B, "us-east-1", "web"));
        findings.push(finding(B, "us-east-1", "good", ComplianceType::Compliant));
        findings.push(finding(B, "us-east-1", "dark", ComplianceType::InsufficientData));
        let run = sealed(out.path(), FIRST, findings.clone(), &[]);
        let outcomes = deliver(&server, out.path(), &run, hub()).await;
        assert_eq!((outcomes[0].status, outcomes[0].sent), (Status::Delivered, 132), "{outcomes:?}");
        server.with(|world| {
            let places: Vec<(&str, usize)> =
                world.findings.iter().map(|(place, all)| (place.as_str(), all.len())).collect();
            assert_eq!(
                places,
                [("111111111111/eu-central-1", 1), ("111111111111/eu-west-1", 130), ("222222222222/us-east-1", 1)]
            );
            let roles: BTreeSet<String> =
                world.asked.iter().filter(|a| a.service() == "sts").map(|a| a.form()["RoleArn"].clone()).collect();
            assert!(roles.iter().all(|role| role.ends_with(":role/PipewardenDeliver")), "{roles:?}");
            assert_eq!(world.asked.iter().filter(|a| a.service() == "securityhub").count(), 4);
            world.asked.clear();
        });
        let again = deliver(&server, out.path(), &run, hub()).await;
        assert_eq!((again[0].sent, again[0].unchanged), (0, 132));
        assert!(server.with(|world| world.asked.is_empty()));

        // The next day one is worse, and after two months everything is told again before Security Hub forgets it.
        findings[0].severity = pipewarden::finding::Severity::Critical;
        let next = sealed(out.path(), SECOND, findings.clone(), &[]);
        let outcomes = deliver(&server, out.path(), &next, hub()).await;
        assert_eq!((outcomes[0].sent, outcomes[0].unchanged), (1, 131));
        let old = deliver(&server, out.path(), &run, hub()).await;
        assert_eq!((old[0].status, old[0].sent), (Status::Incomplete, 0));
        assert!(old[0].refused[0].contains("older than run 20261122T020000Z"), "{old:?}");
        let later = sealed(out.path(), LATER, findings, &[]);
        assert_eq!(deliver(&server, out.path(), &later, hub()).await[0].sent, 132);
    });
}

#[test]
fn only_what_was_looked_at_is_archived() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let names = ["fixed", "deleted", "hidden", "dark", "unvisited"];
        let run = sealed(out.path(), FIRST, names.map(|name| violated(A, HOME, name)).to_vec(), &[]);
        deliver(&server, out.path(), &run, hub()).await;
        // The second run saw one good and one gone, could not see two, and never came by the last one.
        let next = vec![
            changed(finding(A, HOME, "fixed", ComplianceType::Compliant), Change::Resolved),
            changed(finding(A, HOME, "dark", ComplianceType::InsufficientData), Change::NotSeen),
        ];
        let gone =
            |name: &str, change| Gone { finding: changed(violated(A, HOME, name), change), reason: "r".to_owned() };
        let gone = [gone("deleted", Change::Resolved), gone("hidden", Change::NotSeen)];
        let next = sealed(out.path(), SECOND, next, &[]);
        let outcomes = deliver_with_gone(&server, out.path(), &next, hub(), &gone).await;
        assert_eq!(outcomes[0].status, Status::Delivered, "{outcomes:?}");
        let states: BTreeMap<String, String> = server.with(|world| {
            let all = world.findings["111111111111/eu-central-1"].values();
            let name = |f: &Value| f["Resources"][0]["Id"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
            all.map(|f| (name(f), f["RecordState"].as_str().unwrap().to_owned())).collect()
        });
        let archived: Vec<&str> =
            states.iter().filter(|(_, state)| *state == "ARCHIVED").map(|(name, _)| name.as_str()).collect();
        assert_eq!(archived, ["deleted", "fixed"]);
        assert_eq!(states.len(), 5);
    });
}

/// `RecordState` of everything that Security Hub has, by the end of the resource's name.
fn states(server: &Server) -> BTreeMap<String, String> {
    server.with(|world| {
        let name = |f: &Value| f["Resources"][0]["Id"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
        let of = |f: &Value| (format!("{} {}", f["AwsAccountId"].as_str().unwrap(), name(f)), f["RecordState"].clone());
        let all = world.findings.values().flat_map(BTreeMap::values).map(of);
        all.map(|(name, state)| (name, state.as_str().unwrap().to_owned())).collect()
    })
}

fn is(server: &Server, expected: &[(&str, &str)]) {
    let states = states(server);
    let all: Vec<(&str, &str)> = states.iter().map(|(name, state)| (name.as_str(), state.as_str())).collect();
    assert_eq!(all, expected);
}

#[test]
fn what_ended_in_a_run_that_was_never_delivered_is_archived_once_it_can_be() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let (web, api) = (violated(A, HOME, "web"), violated(A, HOME, "api"));
        let run = sealed_among(out.path(), FIRST, vec![web.clone(), api.clone()]);
        deliver(&server, out.path(), &run, hub()).await;
        // The second run saw that `web` is gone, and was not delivered; the third has not a word of it.
        sealed_among(out.path(), SECOND, vec![api.clone()]);
        let third = sealed_among(out.path(), "20261123T020000Z", vec![api.clone()]);
        server.with(|world| world.refused_findings.insert(format!("{HOME}/{A}/{}", web.id)));
        let outcomes = deliver(&server, out.path(), &third, hub()).await;
        assert_eq!((outcomes[0].status, outcomes[0].unchanged), (Status::Incomplete, 1), "{outcomes:?}");
        is(&server, &[("111111111111 api", "ACTIVE"), ("111111111111 web", "ACTIVE")]);
        // What was refused is sent with the next delivery, although nothing of that run tells of it.
        server.with(|world| world.refused_findings.clear());
        let fourth = sealed_among(out.path(), "20261124T020000Z", vec![api.clone()]);
        let outcomes = deliver(&server, out.path(), &fourth, hub()).await;
        assert_eq!((outcomes[0].status, outcomes[0].sent, outcomes[0].unchanged), (Status::Delivered, 1, 1));
        is(&server, &[("111111111111 api", "ACTIVE"), ("111111111111 web", "ARCHIVED")]);
        let again = deliver(&server, out.path(), &fourth, hub()).await;
        assert_eq!((again[0].sent, again[0].unchanged), (0, 1));
    });
}

#[test]
fn what_is_mended_or_does_not_apply_any_more_is_archived_by_a_later_run_too() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let all = ["mended", "exempt"].map(|name| violated(A, HOME, name));
        let run = sealed_among(out.path(), FIRST, all.to_vec());
        deliver(&server, out.path(), &run, hub()).await;
        let exempt = finding(A, HOME, "exempt", ComplianceType::NotApplicable);
        let mended = finding(A, HOME, "mended", ComplianceType::Compliant);
        sealed_among(out.path(), SECOND, vec![mended, exempt.clone()]);
        let third = sealed_among(out.path(), "20261123T020000Z", vec![exempt]);
        let outcomes = deliver(&server, out.path(), &third, hub()).await;
        assert_eq!((outcomes[0].status, outcomes[0].sent), (Status::Delivered, 2), "{outcomes:?}");
        is(&server, &[("111111111111 exempt", "ARCHIVED"), ("111111111111 mended", "ARCHIVED")]);
    });
}

#[test]
fn what_no_run_saw_ending_is_not_archived() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let run = sealed_among(out.path(), FIRST, vec![violated(A, HOME, "web"), violated(B, HOME, "web")]);
        deliver(&server, out.path(), &run, hub()).await;
        // A run that was compared with none says nothing of what it does not show.
        sealed(out.path(), SECOND, Vec::new(), &[]);
        let third = sealed_among(out.path(), "20261123T020000Z", vec![violated(A, HOME, "api")]);
        let outcomes = deliver(&server, out.path(), &third, hub()).await;
        assert_eq!((outcomes[0].status, outcomes[0].sent), (Status::Delivered, 1), "{outcomes:?}");
        assert!(states(&server).values().all(|state| state == "ACTIVE"), "{:?}", states(&server));
    });
}

#[test]
fn what_could_not_be_listed_is_archived_once_it_is_listed_and_no_earlier() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let dark = |account: &str| finding(account, HOME, "*", ComplianceType::InsufficientData);
        let tables = json!({"security_hub": {"role": "PipewardenDeliver", "not_seen": true}});
        let run = sealed_among(out.path(), FIRST, vec![dark(A), dark(B)]);
        assert_eq!(deliver(&server, out.path(), &run, tables.clone()).await[0].sent, 2);
        // Nobody looked into the second account.
        let next = sealed_among(out.path(), SECOND, vec![finding(A, HOME, "web", ComplianceType::Compliant)]);
        assert_eq!(deliver(&server, out.path(), &next, tables).await[0].status, Status::Delivered);
        is(&server, &[("111111111111 *", "ARCHIVED"), ("222222222222 *", "ACTIVE")]);
    });
}

#[test]
fn where_everything_was_refused_security_hub_has_no_run() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let first = sealed(out.path(), FIRST, vec![violated(A, HOME, "web")], &[]);
        let second = sealed(out.path(), SECOND, vec![violated(A, HOME, "web")], &[]);
        server.with(|world| world.not_entered.insert(A.to_owned()));
        assert_eq!(deliver(&server, out.path(), &second, hub()).await[0].status, Status::Incomplete);
        server.with(|world| world.not_entered.clear());
        let outcomes = deliver(&server, out.path(), &first, hub()).await;
        assert_eq!((outcomes[0].status, outcomes[0].sent), (Status::Delivered, 1), "{outcomes:?}");
    });
}

#[test]
fn old_inventories_that_were_judged_again_do_not_take_security_hub_back() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        sealed(out.path(), FIRST, vec![violated(A, HOME, "web")], &[]);
        let second = sealed(out.path(), SECOND, vec![violated(A, HOME, "web")], &[]);
        deliver(&server, out.path(), &second, hub()).await;
        let again = sealed_again(out.path(), "20261123T020000Z", FIRST, vec![violated(A, HOME, "old")]);
        let outcomes = deliver(&server, out.path(), &again, hub()).await;
        assert_eq!((outcomes[0].status, outcomes[0].sent), (Status::Incomplete, 0));
        assert!(outcomes[0].refused[0].contains("is older than run 20261122T020000Z"), "{outcomes:?}");
        fs::write(out.path().join("pipewarden.toml"), "[[deliveries.security_hub]]\nrole = \"PipewardenDeliver\"\n")
            .unwrap();
        let (code, text) = command(&server, out.path(), "deliver", &["20261123T020000Z", "--dry-run"]);
        let refused = "nothing would be sent: run 20261123T020000Z is older than run 20261122T020000Z";
        assert!(code == 0 && text.contains(refused) && !text.contains("nothing to send"), "{text}");
        let newest = sealed_again(out.path(), "20261124T020000Z", SECOND, vec![violated(A, HOME, "new")]);
        assert_eq!(deliver(&server, out.path(), &newest, hub()).await[0].sent, 1);
    });
}

#[test]
fn passes_are_active_only_where_they_are_asked_for() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let good = finding(A, HOME, "web", ComplianceType::Compliant);
        let run = sealed(out.path(), FIRST, vec![good.clone()], &[]);
        assert_eq!(deliver(&server, out.path(), &run, hub()).await[0].sent, 0);
        let tables = json!({"security_hub": {"role": "PipewardenDeliver", "passed": true}});
        assert_eq!(deliver(&server, out.path(), &run, tables.clone()).await[0].sent, 1);
        is(&server, &[("111111111111 web", "ACTIVE")]);
        assert_eq!(deliver(&server, out.path(), &run, tables).await[0].unchanged, 1);
        // Taken back, they are archived.
        assert_eq!(deliver(&server, out.path(), &run, hub()).await[0].sent, 1);
        is(&server, &[("111111111111 web", "ARCHIVED")]);
    });
}

#[test]
fn a_place_without_security_hub_keeps_no_other_from_being_told() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let mut findings: Vec<_> = (0..1200).map(|nth| violated(A, "eu-west-1", &format!("p{nth}"))).collect();
        findings.push(violated(A, "us-east-1", "web"));
        findings.push(violated(B, "eu-west-1", "web"));
        findings.push(violated("333333333333", "eu-west-1", "web"));
        let bad = violated("333333333333", "eu-west-1", "bad");
        findings.push(bad.clone());
        server.with(|world| {
            world.not_enabled.insert(format!("{A}/eu-west-1"));
            world.not_entered.insert(B.to_owned());
            world.refused_findings.insert(format!("eu-west-1/333333333333/{}", bad.id));
        });
        let run = sealed(out.path(), FIRST, findings, &[]);
        let outcomes = deliver(&server, out.path(), &run, hub()).await;
        let refused = outcomes[0].refused.join("\n");
        assert_eq!((outcomes[0].status, outcomes[0].sent), (Status::Incomplete, 2), "{refused}");
        for words in ["1200 findings not taken", "enable Security Hub CSPM", "222222222222", "InvalidInput: no"] {
            assert!(refused.contains(words), "{words}: {refused}");
        }
        let tries = server.with(|world| world.asked.iter().filter(|a| a.service() == "securityhub").count());
        assert!(tries < 12, "what is closed is not tried {tries} times");
        // What was refused is sent again once it can be.
        server.with(|world| {
            world.not_enabled.clear();
            world.not_entered.clear();
            world.refused_findings.clear();
        });
        let again = deliver(&server, out.path(), &run, hub()).await;
        assert_eq!((again[0].status, again[0].sent, again[0].unchanged), (Status::Delivered, 1202, 2));
    });
}

#[test]
fn all_findings_can_go_to_the_account_that_delivers() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let run = sealed(out.path(), FIRST, vec![violated(A, "eu-west-1", "a"), violated(B, "us-east-1", "b")], &[]);
        let outcomes = deliver(&server, out.path(), &run, json!({"security_hub": {"account": "own"}})).await;
        assert_eq!(outcomes[0].status, Status::Delivered, "{outcomes:?}");
        server.with(|world| {
            assert_eq!(world.findings[&format!("{OWN}/{HOME}")].len(), 2);
            assert!(world.asked.iter().all(|asked| asked.account() == OWN));
            let accounts: BTreeSet<&str> = world.findings[&format!("{OWN}/{HOME}")]
                .values()
                .map(|finding| finding["ProductFields"]["Account"].as_str().unwrap())
                .collect();
            assert_eq!(accounts.into_iter().collect::<Vec<_>>(), [A, B]);
        });
    });
}

const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:security";

#[test]
fn a_message_is_sent_once_per_run() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let run = sealed(out.path(), FIRST, vec![violated(A, HOME, "web")], &[]);
        let tables = json!({"sns": [
            {"name": "people", "topic_arn": TOPIC},
            {"name": "queue", "topic_arn": format!("{TOPIC}.fifo")},
        ]});
        for sent in [1, 0] {
            let outcomes = deliver(&server, out.path(), &run, tables.clone()).await;
            assert!(outcomes.iter().all(|o| (o.sent, o.unchanged) == (sent, 1 - sent)), "{outcomes:?}");
        }
        let published = server.with(|world| world.published.clone());
        assert_eq!(published.len(), 2);
        let of = |fifo: bool| published.iter().find(|form| form["TopicArn"].contains(".fifo") == fifo).unwrap();
        assert_eq!(of(true)["MessageDeduplicationId"], format!("queue-{FIRST}"));
        assert_eq!(of(true)["MessageGroupId"], "pipewarden");
        assert_eq!(of(false)["MessageStructure"], "json");
        assert!(of(false)["Subject"].contains("1 violation, 1 high"), "{}", of(false)["Subject"]);
        let text: Value = serde_json::from_str(&of(false)["Message"]).unwrap();
        let text = text["default"].as_str().unwrap();
        for words in ["Pipelines are of type V2", "payments (111111111111)", "https://reports/1"] {
            assert!(text.contains(words), "{text}");
        }
        assert!(server.with(|world| world.asked.iter().all(|asked| asked.region() == "us-east-1")));
    });
}

#[test]
fn a_run_without_a_verdict_is_told_to_people_and_to_nobody_else() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let plan = pipewarden::run::Plan::new(FIRST.parse().unwrap(), json!({}), 1);
        let run = pipewarden::run::RunDirectory::create(out.path(), plan).unwrap();
        let tables = json!({"s3": {"bucket": "archive"}, "security_hub": {"role": "R"}, "sns": {"topic_arn": TOPIC}});
        let outcomes = fail(&server, out.path(), &run, tables).await;
        assert_eq!(outcomes.iter().map(|o| (o.name.as_str(), o.sent)).collect::<Vec<_>>(), [("sns", 1)]);
        let message = server.with(|world| world.published[0]["Message"].clone());
        assert!(message.contains("no account could be entered"), "{message}");
        assert_eq!(server.with(|world| world.asked.len()), 1);
    });
}

#[test]
fn every_delivery_runs_whatever_the_others_do_and_the_run_is_not_touched() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let run = sealed(out.path(), FIRST, vec![violated(A, HOME, "web")], &[]);
        server.with(|world| world.breaks_after = Some(0));
        let tables = json!({
            "s3": {"bucket": "archive"}, "security_hub": {"role": "PipewardenDeliver"}, "sns": {"topic_arn": TOPIC},
        });
        let outcomes = deliver(&server, out.path(), &run, tables).await;
        let told: Vec<(&str, Status)> = outcomes.iter().map(|o| (o.name.as_str(), o.status)).collect();
        assert_eq!(told, [("s3", Status::Failed), ("security-hub", Status::Delivered), ("sns", Status::Delivered)]);
        let path = write_record(out.path(), FIRST, &outcomes).unwrap();
        assert_eq!(path, out.path().join("deliveries").join(format!("{FIRST}.json")));
        assert_eq!(read_record(out.path(), FIRST).unwrap(), outcomes);
        pipewarden::run::verify(run.path(), None).unwrap();
    });
}

/// What AWS does with the caller's permissions behind a call, or only where it is configured.
const IMPLIED: [&str; 6] = [
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "s3:PutObjectRetention",
    "ses:SendRawEmail",
    "sts:SetSourceIdentity",
    "sts:TagSession",
];

#[test]
fn what_is_called_is_exactly_what_the_policy_allows() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let (run, _) = with_large(out.path());
        let mut tables = archive();
        tables["security_hub"] = json!({"role": "PipewardenDeliver"});
        tables["sns"] = json!({"topic_arn": TOPIC});
        tables["email"] = json!({"from": "audit@example.com", "to": ["security@example.com"], "when": "always"});
        let leftover = json!({"key": format!("upload/audit/runs/{FIRST}/large.bin"), "value": {"uploadId": "old"}});
        fs::create_dir_all(out.path().join("deliveries")).unwrap();
        fs::write(out.path().join("deliveries/archive.jsonl"), format!("{leftover}\n")).unwrap();
        deliver(&server, out.path(), &run, tables.clone()).await;
        fs::remove_file(out.path().join("deliveries/archive.jsonl")).unwrap();
        deliver(&server, out.path(), &run, tables.clone()).await;
        let (own, members): (BTreeSet<String>, BTreeSet<String>) = server.with(|world| {
            let of = |mine: bool| {
                let asked = world.asked.iter().filter(move |asked| (asked.account() == OWN) == mine);
                asked.map(server::Asked::action).collect()
            };
            (of(true), of(false))
        });
        let listed = |actions: &dyn Fn(&dyn pipewarden::deliver::Kind) -> &'static [&'static str]| -> BTreeSet<String> {
            let all = KINDS.iter().flat_map(|kind| actions(*kind)).map(|action| (*action).to_owned());
            all.filter(|action| !IMPLIED.contains(&action.as_str())).collect()
        };
        assert_eq!(members, listed(&|kind| kind.member_actions()));
        // Where the delivering account has findings of its own, it imports them itself.
        let mut own = own;
        own.insert("securityhub:BatchImportFindings".to_owned());
        assert_eq!(own, listed(&|kind| kind.actions()));
        let granted: BTreeSet<&str> = configured(tables)
            .targets
            .iter()
            .flat_map(|target| target.receiver.grants(Partition::Aws))
            .flat_map(|grant| grant.actions)
            .collect();
        let all: BTreeSet<&str> = KINDS.iter().flat_map(|kind| kind.actions()).copied().collect();
        assert_eq!(granted, all);
    });
}

/// Runs a subcommand with `<out>/pipewarden.toml`; answers its exit code and what it printed.
fn command(server: &Server, out: &std::path::Path, subcommand: &str, args: &[&str]) -> (i32, String) {
    command_as(OWN, server, out, subcommand, args)
}

/// The same, with the credentials of an account.
fn command_as(account: &str, server: &Server, out: &std::path::Path, subcommand: &str, args: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .arg(subcommand)
        .args(args)
        .args(["--endpoint-url", &server.endpoint, "--config"])
        .arg(out.join("pipewarden.toml"))
        .arg("--out")
        .arg(out)
        .env_clear()
        .envs([
            ("AWS_ACCESS_KEY_ID", format!("AKIA{account}").as_str()),
            ("AWS_SECRET_ACCESS_KEY", "test-secret-that-nobody-prints"),
            ("AWS_REGION", HOME),
            ("AWS_MAX_ATTEMPTS", "1"),
        ])
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains("nobody-prints"), "{text}");
    (output.status.code().unwrap(), text)
}

#[test]
fn an_audit_that_breaks_off_is_told_to_people_and_to_nobody_else() {
    let out = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = runtime.block_on(Server::start());
    let config = format!(
        "[[deliveries.s3]]\nname = \"archive\"\nbucket = \"archive\"\n[[deliveries.sns]]\ntopic_arn = \"{TOPIC}\"\n"
    );
    fs::write(out.path().join("pipewarden.toml"), config).unwrap();
    let (code, text) = command(&server, out.path(), "audit", &[]);
    assert_ne!(code, 0, "{text}");
    let message = server.with(|world| world.published[0]["Message"].clone());
    assert!(message.contains("ended without a verdict") && message.contains("organizations:"), "{message}\n{text}");
    assert!(server.with(|world| world.objects.is_empty()));
    let (code, text) = command(&server, out.path(), "audit", &["--no-deliver"]);
    assert_ne!(code, 0, "{text}");
    assert_eq!(server.with(|world| world.published.len()), 1);
}

#[test]
fn the_command_delivers_what_looked_last_and_says_where_nobody_can_be_told() {
    let out = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = runtime.block_on(Server::start());
    let config = "[[deliveries.s3]]\nname = \"archive\"\nbucket = \"archive\"\n";
    fs::write(out.path().join("pipewarden.toml"), config).unwrap();
    sealed(out.path(), FIRST, vec![violated(A, HOME, "web")], &[]);
    sealed(out.path(), SECOND, vec![violated(A, HOME, "web")], &[]);
    sealed_again(out.path(), "20261123T020000Z", FIRST, vec![violated(A, HOME, "web")]);
    let (code, text) = command(&server, out.path(), "deliver", &[]);
    assert_eq!(code, 0, "{text}");
    assert!(server.with(|world| world.objects.keys().all(|key| key.starts_with(&format!("runs/{SECOND}/")))), "{text}");
    // A run without a verdict, and nobody who takes messages.
    let plan = pipewarden::run::Plan::new(LATER.parse().unwrap(), json!({}), 1);
    let run = pipewarden::run::RunDirectory::create(out.path(), plan).unwrap();
    fs::write(run.path().join(pipewarden::run::FAILED), "no account could be entered\n").unwrap();
    drop(run);
    let (code, text) = command(&server, out.path(), "deliver", &[]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("no account could be entered") && text.contains("nobody was told"), "{text}");
}

#[test]
fn the_command_previews_delivers_and_says_how_it_ended() {
    let out = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = runtime.block_on(Server::start());
    sealed(out.path(), FIRST, vec![violated(A, HOME, "web")], &[]);
    fs::write(
        out.path().join("pipewarden.toml"),
        format!("[[deliveries.s3]]\nname = \"archive\"\nbucket = \"archive\"\n[[deliveries.sns]]\nname = \"people\"\ntopic_arn = \"{TOPIC}\"\n"),
    )
    .unwrap();
    let run = |args: &[&str]| command(&server, out.path(), "deliver", args);
    let (code, text) = run(&["--dry-run"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("files to s3://archive/runs/") && text.contains("message: pipewarden:"), "{text}");
    assert!(server.with(|world| world.objects.is_empty() && world.published.is_empty()));
    assert!(!out.path().join("deliveries").exists(), "a dry run writes nothing down");
    server.with(|world| world.breaks_after = Some(2));
    let (code, text) = run(&[]);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("archive") && text.contains("failed") && text.contains("AccessDenied"), "{text}");
    server.with(|world| world.breaks_after = None);
    let (code, text) = run(&["--only", "archive"]);
    assert_eq!(code, 0, "{text}");
    let record = read_record(out.path(), FIRST).unwrap();
    assert!(record.iter().all(|outcome| outcome.status == Status::Delivered) && record.len() == 2, "{record:?}");
    assert_eq!(server.with(|world| world.published.len()), 1);
    let (code, text) = run(&["--only", "pigeon"]);
    assert_eq!(code, 64, "{text}");
    assert!(text.contains("known are archive, people"), "{text}");
}
