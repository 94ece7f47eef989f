//! Tickets over the wire: who gets one, what keeps it up to date, and what never happens to it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pipewarden::collect::git_hosts::Secrets;
use pipewarden::deliver::{Outcome, Pace, Preview, Status, Way};
use pipewarden::finding::{Change, ComplianceType, ExceptionRef, Finding, Gone, Owner, OwnerSource, Severity};
use pipewarden::inventory::ResourceUid;
use pipewarden::run::RunDirectory;
use serde_json::{Value, json};

use super::runs::{HOME, changed, deliver_through, finding, preview_through, sealed, sealed_among, sessions_at};
use super::trackers::{GITHUB_TOKEN, Issue, JIRA_TOKEN, JIRA_USER, Trackers};
use super::{A, FIRST, SECOND, in_runtime};

const THIRD: &str = "20261123T020000Z";
const FOURTH: &str = "20261124T020000Z";

/// Waits for nothing, and writes down how long it would have.
#[derive(Default)]
struct Noted(Mutex<Vec<Duration>>);

#[async_trait::async_trait]
impl Pace for Noted {
    fn chance(&self) -> f64 {
        0.0
    }
    async fn pause(&self, length: Duration) {
        self.0.lock().unwrap().push(length);
    }
}

async fn deliver_gone(
    server: &Trackers,
    out: &Path,
    run: &RunDirectory,
    tables: Value,
    gone: &[Gone],
) -> (Outcome, Vec<Duration>) {
    let variable = |name: &str| match name {
        "GITHUB" => Some(GITHUB_TOKEN.to_owned()),
        "JIRA" => Some(JIRA_TOKEN.to_owned()),
        _ => None,
    };
    let secrets = Secrets { variable: &variable, file: &|path| fs::read(path) };
    let sessions = sessions_at(&server.endpoint);
    let pace = Arc::new(Noted::default());
    let way = Way { sessions: &sessions, secrets: &secrets, pace: pace.clone() };
    let outcome = deliver_through(&way, out, run, tables, gone).await.remove(0);
    let pauses = pace.0.lock().unwrap().clone();
    (outcome, pauses)
}

async fn deliver(server: &Trackers, out: &Path, run: &RunDirectory, tables: Value) -> Outcome {
    deliver_gone(server, out, run, tables, &[]).await.0
}

async fn preview(server: &Trackers, out: &Path, run: &RunDirectory, tables: Value) -> Preview {
    let variable = |_: &str| Some(GITHUB_TOKEN.to_owned());
    let secrets = Secrets { variable: &variable, file: &|path| fs::read(path) };
    let sessions = sessions_at(&server.endpoint);
    let way = Way { sessions: &sessions, secrets: &secrets, pace: Arc::new(Noted::default()) };
    preview_through(&way, out, run, tables).await.remove(0)
}

fn with(mut table: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        table[key] = value.clone();
    }
    table
}

fn github(server: &Trackers, more: &Value) -> Value {
    let table = json!({
        "repository": "acme/security", "api": server.endpoint, "token_env": "GITHUB", "labels": ["audit"],
        "owners": {"team-a": "acme/a", "team-b": {"repository": "acme/b", "assignees": ["bob"]}},
    });
    json!({"github": with(table, more)})
}

fn cloud(server: &Trackers, more: &Value) -> Value {
    let table = json!({
        "site": server.endpoint, "deployment": "cloud", "project": "SEC", "email": JIRA_USER, "token_env": "JIRA",
        "priority": {"HIGH": "Major", "CRITICAL": "Blocker"}, "labels": ["audit"],
        "owners": {"team-a": "PAY", "team-b": {"component": "Web", "assignee": "account-1"}},
    });
    json!({"jira": with(table, more)})
}

fn data_center(server: &Trackers, more: &Value) -> Value {
    let table = json!({"site": server.endpoint, "project": "SEC", "token_env": "JIRA", "owners": {"team-a": "PAY"}});
    json!({"jira": with(table, more)})
}

/// One tracker each.
type Table = fn(&Trackers, &Value) -> Value;
const TRACKERS: [(&str, Table, &str); 3] =
    [("GitHub", github, "acme/a"), ("Jira Cloud", cloud, "PAY"), ("Jira Data Center", data_center, "PAY")];

fn of(name: &str, owner: &str, compliance: ComplianceType) -> Finding {
    let owner = Owner { name: owner.to_owned(), source: OwnerSource::MappingFile { line: 1 } };
    Finding { owner: Some(owner), ..finding(A, HOME, name, compliance) }
}

fn bad(name: &str, owner: &str) -> Finding {
    of(name, owner, ComplianceType::NonCompliant)
}

fn good(name: &str, owner: &str) -> Finding {
    of(name, owner, ComplianceType::Compliant)
}

fn only(server: &Trackers, place: &str) -> Issue {
    server.with(|world| {
        let of = world.of(place);
        assert_eq!(of.len(), 1, "{place}");
        of[0].clone()
    })
}

fn comments(server: &Trackers, place: &str) -> usize {
    only(server, place).comments.len()
}

fn forget(out: &Path) {
    fs::remove_dir_all(out.join("deliveries")).unwrap();
}

#[test]
fn owners_get_their_tickets_and_nobody_gets_one_twice() {
    for (name, table, place) in TRACKERS {
        in_runtime(async {
            let out = tempfile::tempdir().unwrap();
            let server = Trackers::start().await;
            server.with(|world| world.lag = 1);
            let mut findings =
                vec![bad("web", "team-a"), bad("api", "team-a"), bad("job", "team-b"), bad("x", "team-c")];
            findings.push(good("fine", "team-a"));
            findings.push(of("dark", "team-d", ComplianceType::InsufficientData));
            let mut minor = bad("minor", "team-e");
            minor.severity = Severity::Low;
            findings.push(minor);
            let exception = ExceptionRef {
                id: "x".to_owned(),
                owner: "x".to_owned(),
                ticket: "x".to_owned(),
                reason: "x".to_owned(),
                expires: "2027-01-01".to_owned(),
            };
            findings.push(Finding { exception: Some(exception), ..bad("excepted", "team-f") });
            let run = sealed(out.path(), FIRST, findings, &[]);
            let tables = table(&server, &json!({}));
            let outcome = deliver(&server, out.path(), &run, tables.clone()).await;
            assert_eq!((outcome.status, outcome.sent), (Status::Delivered, 3), "{name}: {outcome:?}");
            let issue = only(&server, place);
            assert!(issue.title.starts_with("HIGH: Pipelines are of type V2"), "{name}: {}", issue.title);
            let text = issue.body.to_string();
            assert!(text.contains("web") && text.contains("api") && !text.contains("job"), "{name}: {text}");
            assert!(text.contains("https://reports/1") && text.contains(FIRST), "{name}: {text}");
            let writes = server.with(|world| world.writes());
            for lost in [false, true, true] {
                if lost {
                    forget(out.path());
                }
                let again = deliver(&server, out.path(), &run, tables.clone()).await;
                assert_eq!(
                    (again.status, again.sent),
                    (Status::Delivered, if lost { 3 } else { 0 }),
                    "{name}: {again:?}"
                );
                server.with(|world| assert_eq!(world.issues.len(), 3, "{name}"));
                if !lost {
                    assert_eq!(server.with(|world| world.writes()), writes, "{name}");
                }
            }
            assert_eq!(comments(&server, place), 0, "{name}");
        });
    }
}

#[test]
fn fields_labels_assignees_and_priorities_are_those_of_the_owner() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Trackers::start().await;
        let run = sealed(out.path(), FIRST, vec![bad("web", "team-b")], &[]);
        deliver(&server, out.path(), &run, github(&server, &json!({}))).await;
        let issue = only(&server, "acme/b");
        assert!(issue.labels.contains("pipewarden") && issue.labels.contains("audit"));
        assert_eq!(issue.assignees, ["bob"]);
        let fields = json!({"fields": {"customfield_1": {"value": "Security"}}});
        deliver(&server, out.path(), &run, cloud(&server, &fields)).await;
        let issue = only(&server, "SEC");
        assert_eq!(issue.fields["priority"]["name"], "Major");
        assert_eq!(issue.fields["components"][0]["name"], "Web");
        assert_eq!(issue.fields["assignee"]["accountId"], "account-1");
        assert_eq!(issue.fields["customfield_1"]["value"], "Security");
        assert_eq!(issue.fields["issuetype"]["name"], "Task");
        assert!(issue.labels.contains("audit") && issue.properties.contains_key("pipewarden"));
    });
}

#[test]
fn a_delivery_that_is_killed_anywhere_writes_nothing_twice() {
    for (name, table, place) in TRACKERS {
        in_runtime(async {
            let tables = |server: &Trackers| table(server, &json!({}));
            // Killed when the ticket was opened, and when the comment was made, and nobody had heard of it.
            for (killed_at, expected) in [(0, 0), (1, 1)] {
                let out = tempfile::tempdir().unwrap();
                let server = Trackers::start().await;
                server.with(|world| world.lag = 1);
                let first = sealed(out.path(), FIRST, vec![bad("web", "team-a")], &[]);
                let second = sealed(out.path(), SECOND, vec![bad("web", "team-a"), bad("api", "team-a")], &[]);
                if killed_at == 1 {
                    deliver(&server, out.path(), &first, tables(&server)).await;
                }
                let run = if killed_at == 0 { &first } else { &second };
                server.with(|world| world.hangs_after = Some(0));
                tokio::select! {
                    _ = deliver(&server, out.path(), run, tables(&server)) => panic!("{name}: nobody killed it"),
                    () = server.hung.notified() => {}
                }
                for _ in 0..2 {
                    let outcome = deliver(&server, out.path(), run, tables(&server)).await;
                    assert_eq!(outcome.status, Status::Delivered, "{name}: {outcome:?}");
                }
                assert_eq!(comments(&server, place), expected, "{name}, killed at {killed_at}");
                let text = only(&server, place).body.to_string();
                assert_eq!(text.contains("api"), killed_at == 1, "{name}: {text}");
            }
        });
    }
}

#[test]
fn a_ticket_is_kept_up_to_date_and_says_only_what_a_person_must_know() {
    for (name, table, place) in TRACKERS {
        in_runtime(async {
            let out = tempfile::tempdir().unwrap();
            let server = Trackers::start().await;
            let tables = || table(&server, &json!({}));
            let run = |id: &str, findings: Vec<Finding>| sealed(out.path(), id, findings, &[]);
            deliver(&server, out.path(), &run(FIRST, vec![bad("web", "team-a"), bad("api", "team-a")]), tables()).await;
            // One is mended: the page changes, and nobody is told.
            let second = run(SECOND, vec![bad("web", "team-a"), good("api", "team-a")]);
            let outcome = deliver(&server, out.path(), &second, tables()).await;
            assert_eq!((outcome.sent, outcome.unchanged), (1, 0), "{name}: {outcome:?}");
            assert_eq!(comments(&server, place), 0, "{name}");
            assert!(!only(&server, place).body.to_string().contains(":api"), "{name}");
            // Another one comes to it, and then it is worse.
            let third = run(THIRD, vec![bad("web", "team-a"), bad("job", "team-a")]);
            deliver(&server, out.path(), &third, tables()).await;
            assert_eq!(comments(&server, place), 1, "{name}");
            assert!(only(&server, place).comments[0].to_string().contains("job"), "{name}");
            let mut worse = vec![bad("web", "team-a"), bad("job", "team-a")];
            worse[1].severity = Severity::Critical;
            let fourth = run(FOURTH, worse);
            deliver(&server, out.path(), &fourth, tables()).await;
            let issue = only(&server, place);
            assert_eq!(issue.comments.len(), 2, "{name}");
            assert!(issue.title.starts_with("CRITICAL"), "{name}: {}", issue.title);
            // An older run takes nothing back.
            let old = deliver(&server, out.path(), &third, tables()).await;
            assert_eq!((old.status, old.sent), (Status::Incomplete, 0), "{name}: {old:?}");
            assert!(old.refused[0].contains("is older than run"), "{name}: {old:?}");
            let preview = preview(&server, out.path(), &third, tables()).await;
            assert!(
                matches!(&preview.things[..], [line] if line.count == 0 && line.what.contains("is older than run"))
            );
        });
    }
}

#[test]
fn only_what_was_looked_at_closes_a_ticket() {
    for (name, table, place) in TRACKERS {
        in_runtime(async {
            let out = tempfile::tempdir().unwrap();
            let server = Trackers::start().await;
            let tables = || table(&server, &json!({}));
            let names = ["fixed", "deleted", "hidden", "dark", "unvisited"];
            let all = names.map(|name| bad(name, "team-a")).to_vec();
            deliver(&server, out.path(), &sealed(out.path(), FIRST, all, &[]), tables()).await;
            let next =
                |id: &str, dark| sealed(out.path(), id, vec![good("fixed", "team-a"), of("dark", "team-a", dark)], &[]);
            let gone =
                |name: &str, change| Gone { finding: changed(bad(name, "team-a"), change), reason: "r".to_owned() };
            let hidden = [gone("deleted", Change::Resolved), gone("hidden", Change::NotSeen)];
            let second = next(SECOND, ComplianceType::InsufficientData);
            for lost in [false, false, true] {
                if lost {
                    forget(out.path());
                }
                let (outcome, _) = deliver_gone(&server, out.path(), &second, tables(), &hidden).await;
                assert_eq!(outcome.status, Status::Delivered, "{name}: {outcome:?}");
                assert!(only(&server, place).is_open, "{name}");
            }
            let said = only(&server, place).comments;
            assert!(said[0].to_string().contains("could not be looked at"), "{name}: {said:?}");
            // All was seen but one, which no run has a word of.
            let seen = [gone("deleted", Change::Resolved), gone("hidden", Change::Resolved)];
            deliver_gone(&server, out.path(), &next(THIRD, ComplianceType::Compliant), tables(), &seen).await;
            assert!(only(&server, place).is_open, "{name}");
            let seen = ["deleted", "hidden", "unvisited"].map(|name| gone(name, Change::Resolved));
            let (outcome, _) =
                deliver_gone(&server, out.path(), &next(FOURTH, ComplianceType::Compliant), tables(), &seen).await;
            assert_eq!(outcome.status, Status::Delivered, "{name}: {outcome:?}");
            let issue = only(&server, place);
            assert!(!issue.is_open, "{name}");
            assert!(issue.comments.last().unwrap().to_string().contains("is over"), "{name}: {:?}", issue.comments);
        });
    }
}

#[test]
fn what_ended_in_a_run_that_was_never_delivered_closes_its_ticket_later() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Trackers::start().await;
        let tables = || github(&server, &json!({}));
        let (web, api) = (bad("web", "team-a"), bad("api", "team-b"));
        let first = sealed_among(out.path(), FIRST, vec![web, api.clone()]);
        deliver(&server, out.path(), &first, tables()).await;
        // The second run saw that `web` is gone, and was not delivered; the third has not a word of it.
        sealed_among(out.path(), SECOND, vec![api.clone()]);
        let third = sealed_among(out.path(), THIRD, vec![api]);
        let outcome = deliver(&server, out.path(), &third, tables()).await;
        assert_eq!(outcome.status, Status::Delivered, "{outcome:?}");
        assert!(!only(&server, "acme/a").is_open && only(&server, "acme/b").is_open);
    });
}

#[test]
fn what_ended_while_a_place_was_dark_closes_its_ticket_when_it_is_not() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Trackers::start().await;
        let tables = || github(&server, &json!({}));
        let (web, api) = (bad("web", "team-a"), bad("api", "team-b"));
        let first = sealed_among(out.path(), FIRST, vec![web, api.clone()]);
        deliver(&server, out.path(), &first, tables()).await;
        // Only the second run says that `web` is gone, and two deliveries find the repository closed.
        server.with(|world| world.switched_off.insert("acme/a".to_owned()));
        for id in [SECOND, THIRD] {
            let run = sealed_among(out.path(), id, vec![api.clone()]);
            assert_eq!(deliver(&server, out.path(), &run, tables()).await.status, Status::Incomplete);
        }
        server.with(|world| world.switched_off.clear());
        assert!(only(&server, "acme/a").is_open);
        let fourth = sealed_among(out.path(), FOURTH, vec![api]);
        let outcome = deliver(&server, out.path(), &fourth, tables()).await;
        assert_eq!((outcome.status, outcome.sent), (Status::Delivered, 1), "{outcome:?}");
        assert!(!only(&server, "acme/a").is_open && only(&server, "acme/b").is_open);
    });
}

#[test]
fn a_violation_that_comes_back_opens_its_ticket_again_or_a_new_one() {
    for (name, table, place) in TRACKERS {
        for reopen in [true, false] {
            in_runtime(async {
                let out = tempfile::tempdir().unwrap();
                let server = Trackers::start().await;
                let tables = || table(&server, &json!({"reopen": reopen}));
                let run = |id: &str, finding: Finding| sealed(out.path(), id, vec![finding], &[]);
                deliver(&server, out.path(), &run(FIRST, bad("web", "team-a")), tables()).await;
                server.with(|world| world.now = "2026-11-22T03:00:00Z".to_owned());
                let second = run(SECOND, good("web", "team-a"));
                deliver(&server, out.path(), &second, tables()).await;
                assert!(!only(&server, place).is_open, "{name}");
                let again = deliver(&server, out.path(), &second, tables()).await;
                assert_eq!(again.sent, 0, "{name}: {again:?}");
                let third = run(THIRD, bad("web", "team-a"));
                for _ in 0..2 {
                    deliver(&server, out.path(), &third, tables()).await;
                }
                server.with(|world| {
                    let open: Vec<bool> = world.of(place).iter().map(|issue| issue.is_open).collect();
                    assert_eq!(open, if reopen { vec![true] } else { vec![false, true] }, "{name}");
                });
            });
        }
    }
}

#[test]
fn a_new_ticket_beside_a_closed_one_is_opened_once_also_when_the_delivery_is_killed() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Trackers::start().await;
        let tables = || github(&server, &json!({"reopen": false}));
        let run = |id: &str, finding: Finding| sealed(out.path(), id, vec![finding], &[]);
        deliver(&server, out.path(), &run(FIRST, bad("web", "team-a")), tables()).await;
        server.with(|world| world.now = "2026-11-22T03:00:00Z".to_owned());
        deliver(&server, out.path(), &run(SECOND, good("web", "team-a")), tables()).await;
        assert!(!only(&server, "acme/a").is_open);
        let third = run(THIRD, bad("web", "team-a"));
        server.with(|world| {
            world.lag = 1;
            world.hangs_after = Some(0);
        });
        tokio::select! {
            _ = deliver(&server, out.path(), &third, tables()) => panic!("nobody killed it"),
            () = server.hung.notified() => {}
        }
        // The listing shows the closed one alone at first.
        for _ in 0..2 {
            let outcome = deliver(&server, out.path(), &third, tables()).await;
            assert_eq!(outcome.status, Status::Delivered, "{outcome:?}");
        }
        server.with(|world| {
            let open: Vec<bool> = world.of("acme/a").iter().map(|issue| issue.is_open).collect();
            assert_eq!(open, [false, true]);
        });
    });
}

#[test]
fn what_a_person_closed_stays_closed_until_there_is_a_reason() {
    in_runtime(async {
        for (name, table, place, declined) in
            [("GitHub", github as Table, "acme/a", "not_planned"), ("Jira", cloud as Table, "PAY", "Won't Do")]
        {
            let out = tempfile::tempdir().unwrap();
            let server = Trackers::start().await;
            let tables = || table(&server, &json!({}));
            let run = |id: &str, findings: Vec<Finding>| sealed(out.path(), id, findings, &[]);
            deliver(&server, out.path(), &run(FIRST, vec![bad("web", "team-a")]), tables()).await;
            server.with(|world| {
                world.issues[0].is_open = false;
                world.issues[0].reason = Some(declined.to_owned());
                world.issues[0].closed_at = Some("2026-11-21T10:00:00.000+0000".to_owned());
            });
            let second = run(SECOND, vec![bad("web", "team-a")]);
            let outcome = deliver(&server, out.path(), &second, tables()).await;
            assert_eq!((outcome.sent, outcome.unchanged), (0, 1), "{name}: {outcome:?}");
            forget(out.path());
            deliver(&server, out.path(), &second, tables()).await;
            assert!(!only(&server, place).is_open, "{name}");
            let third = run(THIRD, vec![bad("web", "team-a"), bad("api", "team-a")]);
            deliver(&server, out.path(), &third, tables()).await;
            assert!(only(&server, place).is_open && comments(&server, place) == 1, "{name}: it is worse now");
        }
        // Closed as done, after the run had looked: only the next run can tell.
        let out = tempfile::tempdir().unwrap();
        let server = Trackers::start().await;
        let tables = || github(&server, &json!({}));
        let run = |id: &str| sealed(out.path(), id, vec![bad("web", "team-a")], &[]);
        let first = run(FIRST);
        deliver(&server, out.path(), &first, tables()).await;
        server.with(|world| {
            world.issues[0].is_open = false;
            world.issues[0].reason = Some("completed".to_owned());
            world.issues[0].closed_at = Some("2026-11-21T10:00:00Z".to_owned());
        });
        deliver(&server, out.path(), &first, tables()).await;
        assert!(!only(&server, "acme/a").is_open);
        deliver(&server, out.path(), &run(SECOND), tables()).await;
        assert!(only(&server, "acme/a").is_open);
        // A ticket that was deleted is opened anew.
        server.with(|world| world.issues.clear());
        deliver(&server, out.path(), &run(THIRD), tables()).await;
        assert!(only(&server, "acme/a").is_open);
    });
}

#[test]
fn an_issue_that_was_moved_is_written_by_nobody_and_what_is_new_gets_another() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Trackers::start().await;
        let tables = || github(&server, &json!({}));
        let run = |id: &str, findings: Vec<Finding>| sealed(out.path(), id, findings, &[]);
        deliver(&server, out.path(), &run(FIRST, vec![bad("web", "team-a")]), tables()).await;
        server.with(|world| world.moved.insert("acme/a#1".to_owned()));
        let second = run(SECOND, vec![bad("web", "team-a")]);
        let outcome = deliver(&server, out.path(), &second, tables()).await;
        assert_eq!((outcome.status, outcome.sent, outcome.unchanged), (Status::Delivered, 0, 1), "{outcome:?}");
        let third = run(THIRD, vec![bad("web", "team-a"), bad("api", "team-a")]);
        for sent in [1, 0] {
            let outcome = deliver(&server, out.path(), &third, tables()).await;
            assert_eq!((outcome.status, outcome.sent), (Status::Delivered, sent), "{outcome:?}");
        }
        server.with(|world| {
            let issues = world.of("acme/a");
            assert!(issues.len() == 2 && issues[1].body.to_string().contains("api"), "{issues:?}");
            let mut writes = world.calls.iter().filter(|call| call.writes());
            assert!(writes.all(|call| call.path.ends_with("/issues")), "nothing is written at the old address");
        });
    });
}

#[test]
fn tickets_of_a_repository_that_was_renamed_are_known_by_its_new_name() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Trackers::start().await;
        let run = |id: &str, findings: Vec<Finding>| sealed(out.path(), id, findings, &[]);
        let first = run(FIRST, vec![bad("web", "team-a")]);
        deliver(&server, out.path(), &first, github(&server, &json!({}))).await;
        server.with(|world| {
            world.issues[0].place = "acme/new".to_owned();
            world.renamed.insert("acme/a".to_owned());
        });
        let tables = || github(&server, &json!({"owners": {"team-a": "acme/new"}}));
        let second = run(SECOND, vec![bad("web", "team-a"), bad("api", "team-a")]);
        let outcome = deliver(&server, out.path(), &second, tables()).await;
        // The old name is asked for once more, and what it held is found by the new one.
        assert_eq!((outcome.status, outcome.sent), (Status::Incomplete, 1), "{outcome:?}");
        assert!(outcome.refused[0].contains("acme/a is not there, was renamed"), "{outcome:?}");
        assert!(only(&server, "acme/new").body.to_string().contains("api"));
        let third = run(THIRD, vec![good("web", "team-a"), good("api", "team-a")]);
        let outcome = deliver(&server, out.path(), &third, tables()).await;
        assert_eq!((outcome.status, outcome.sent), (Status::Delivered, 1), "{outcome:?}");
        assert!(!only(&server, "acme/new").is_open);
    });
}

#[test]
fn one_delivery_opens_so_many_tickets_and_no_more_and_says_so() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Trackers::start().await;
        let findings: Vec<Finding> = (0..5)
            .map(|nth| Finding {
                severity: if nth == 4 { Severity::Critical } else { Severity::High },
                ..bad(&format!("p{nth}"), "team-a")
            })
            .collect();
        let run = sealed(out.path(), FIRST, findings, &[]);
        let tables = || github(&server, &json!({"group_by": "finding", "max_new": 2}));
        for (opened, waiting) in [(2, 3), (4, 1), (5, 0)] {
            let outcome = deliver(&server, out.path(), &run, tables()).await;
            server.with(|world| {
                assert_eq!(world.issues.len(), opened, "{outcome:?}");
                assert!(world.issues[0].title.starts_with("CRITICAL"), "the worst comes first");
            });
            let said = format!("{waiting} ticket");
            assert_eq!(outcome.refused.iter().any(|line| line.starts_with(&said)), waiting > 0, "{outcome:?}");
            assert_eq!(outcome.status == Status::Delivered, waiting == 0);
        }
    });
}

#[test]
fn limits_are_honoured_and_writes_are_a_second_apart() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Trackers::start().await;
        let run = sealed(out.path(), FIRST, vec![bad("web", "team-a"), bad("api", "team-b")], &[]);
        let tables = || github(&server, &json!({"longest_wait_seconds": 60}));
        let limited = |seconds: &str| {
            (403, vec![("retry-after", seconds.to_owned())], json!({"message": "secondary rate limit"}))
        };
        server.with(|world| world.first.push_back(limited("7")));
        let (outcome, pauses) = deliver_gone(&server, out.path(), &run, tables(), &[]).await;
        assert_eq!((outcome.status, outcome.sent), (Status::Delivered, 2), "{outcome:?}");
        assert!(pauses.contains(&Duration::from_secs(7)) && pauses.contains(&Duration::from_secs(1)), "{pauses:?}");
        // More patience than is granted: nothing is written, and the next delivery goes on.
        let next = sealed(out.path(), SECOND, vec![bad("web", "team-a"), bad("api", "team-b"), bad("x", "c")], &[]);
        let spent = [
            ("x-ratelimit-remaining", "0"),
            ("date", "Sat, 21 Nov 2026 02:00:00 GMT"),
            ("x-ratelimit-reset", "1795229999"),
        ];
        let spent = spent.map(|(name, value)| (name, value.to_owned())).to_vec();
        server.with(|world| world.first.push_back((403, spent, json!({"message": "API rate limit exceeded"}))));
        let outcome = deliver(&server, out.path(), &next, tables()).await;
        assert_eq!(outcome.status, Status::Failed, "{outcome:?}");
        let problem = outcome.problem.unwrap();
        assert!(problem.contains("wants no calls for 3599 seconds") && problem.contains("again later"), "{problem}");
        assert_eq!(deliver(&server, out.path(), &next, tables()).await.sent, 1);
    });
}

#[test]
fn a_repository_that_takes_no_issues_keeps_no_other_from_its_own() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Trackers::start().await;
        server.with(|world| world.switched_off.insert("acme/a".to_owned()));
        let run = sealed(out.path(), FIRST, vec![bad("web", "team-a"), bad("api", "team-b")], &[]);
        let outcome = deliver(&server, out.path(), &run, github(&server, &json!({}))).await;
        assert_eq!((outcome.status, outcome.sent), (Status::Incomplete, 1), "{outcome:?}");
        let said = &outcome.refused[0];
        assert!(said.contains("issues are switched off in acme/a") && said.contains("1 tickets not written"), "{said}");
        server.with(|world| world.switched_off.clear());
        let outcome = deliver(&server, out.path(), &run, github(&server, &json!({}))).await;
        assert_eq!((outcome.status, outcome.sent), (Status::Delivered, 1), "{outcome:?}");
    });
}

#[test]
fn a_project_that_the_account_does_not_see_is_not_filled_with_the_same_again() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Trackers::start().await;
        let run = sealed(out.path(), FIRST, vec![bad("web", "team-a"), bad("api", "team-c")], &[]);
        let tables = || cloud(&server, &json!({}));
        deliver(&server, out.path(), &run, tables()).await;
        // Jira takes new issues from an account that may not see them.
        server.with(|world| world.switched_off.insert("PAY".to_owned()));
        for lost in [false, true] {
            if lost {
                forget(out.path());
            }
            let outcome = deliver(&server, out.path(), &run, tables()).await;
            assert_eq!(outcome.status, Status::Incomplete, "{outcome:?}");
            assert!(outcome.refused[0].contains("PAY: the account does not see this project"), "{outcome:?}");
            server.with(|world| assert_eq!(world.issues.len(), 2));
        }
    });
}

#[test]
fn a_dry_run_says_what_would_be_opened_and_asks_nobody() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Trackers::start().await;
        let preview = |run: RunDirectory| {
            let (out, server) = (out.path().to_owned(), server.clone());
            async move { preview(&server, &out, &run, github(&server, &json!({"max_new": 1}))).await }
        };
        let first = || sealed(out.path(), FIRST, vec![bad("web", "team-a"), bad("api", "team-b")], &[]);
        let things = preview(first()).await.things;
        let told: Vec<(&str, u64)> = things.iter().map(|thing| (thing.what.as_str(), thing.count)).collect();
        assert_eq!(told, [("tickets to open", 1), ("tickets that wait, because `max_new` is 1", 1)]);
        assert!(things[0].bytes > 100 && server.with(|world| world.calls.is_empty()));
        let run = RunDirectory::open(&out.path().join("runs").join(FIRST)).unwrap();
        for _ in 0..2 {
            deliver(&server, out.path(), &run, github(&server, &json!({}))).await;
        }
        let second = sealed(out.path(), SECOND, vec![good("web", "team-a"), bad("api", "team-b")], &[]);
        let preview = preview(second).await;
        let told: Vec<(&str, u64)> = preview.things.iter().map(|thing| (thing.what.as_str(), thing.count)).collect();
        assert_eq!((told, preview.unchanged), (vec![("tickets to close", 1)], 1));
    });
}

#[test]
fn jira_says_which_field_is_missing_and_which_way_there_is_none() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Trackers::start().await;
        let run = |id: &str, finding: Finding| sealed(out.path(), id, vec![finding], &[]);
        server.with(|world| world.demanded.insert("customfield_7".to_owned()));
        let first = run(FIRST, bad("web", "team-a"));
        let outcome = deliver(&server, out.path(), &first, cloud(&server, &json!({}))).await;
        assert_eq!(outcome.status, Status::Incomplete, "{outcome:?}");
        assert!(outcome.refused[0].contains("field `customfield_7`: Team is required."), "{outcome:?}");
        let tables = || cloud(&server, &json!({"fields": {"customfield_7": "x"}}));
        assert_eq!(deliver(&server, out.path(), &first, tables()).await.sent, 1);
        server.with(|world| world.has_no_way = true);
        let second = run(SECOND, good("web", "team-a"));
        for _ in 0..2 {
            let outcome = deliver(&server, out.path(), &second, tables()).await;
            assert!(
                outcome.refused[0].contains("name a transition as `close_transition` (offered: Begin)"),
                "{outcome:?}"
            );
        }
        assert_eq!(comments(&server, "PAY"), 1, "that all is over is said once");
        server.with(|world| world.has_no_way = false);
        let named = || cloud(&server, &json!({"close_transition": "finish", "close_resolution": "Fixed"}));
        assert_eq!(deliver(&server, out.path(), &second, named()).await.status, Status::Delivered);
        assert!(!only(&server, "PAY").is_open);
        assert_eq!(comments(&server, "PAY"), 1);
    });
}

#[test]
fn hostile_names_ping_nobody_link_nothing_and_are_no_markup() {
    let hostile =
        "@octocat [~admin] #1 acme/web#2 <img src=x onerror=alert(1)> **b** ![x](https://evil.example) `|` {noformat}";
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Trackers::start().await;
        let mut finding = bad("web", hostile);
        let mut resource = (*finding.resource).clone();
        resource.uid = ResourceUid(format!("arn:aws:codepipeline:{HOME}:{A}:{hostile}"));
        finding.id = Finding::stable_id(&finding.control, &resource);
        finding.resource = resource.into();
        let run = sealed(out.path(), FIRST, vec![finding], &[]);
        for table in [github as Table, cloud, data_center] {
            deliver(&server, out.path(), &run, table(&server, &json!({}))).await;
        }
        let text = only(&server, "acme/security").body.as_str().unwrap().to_owned();
        for sign in ["@octocat", "://evil", "[~", "<img", "**", "![", "`", " #1", "web#2"] {
            assert!(!text.contains(sign), "{sign}: {text}");
        }
        server.with(|world| {
            let jira: Vec<&Issue> = world.of("SEC");
            let document = jira.iter().find(|issue| issue.body.is_object()).unwrap().body.to_string();
            assert!(!document.contains("\"mention\"") && document.contains("@octocat"), "text is text there");
        });
    });
    // Data Center reads markup, so it is asked alone.
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Trackers::start().await;
        let run = sealed(out.path(), FIRST, vec![bad("web", hostile)], &[]);
        deliver(&server, out.path(), &run, data_center(&server, &json!({}))).await;
        let text = only(&server, "SEC").body.as_str().unwrap().to_owned();
        assert!(!text.contains("[~") && !text.contains("@octocat"), "{text}");
        assert_eq!(text.matches("{noformat}").count(), 2, "{text}");
    });
}

#[test]
fn secrets_stand_in_nothing_that_is_written_or_said() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Trackers::start().await;
        let run = sealed(out.path(), FIRST, vec![bad("web", "team-a")], &[]);
        let mut said = String::new();
        // A tracker that repeats what it was shown.
        for (status, message) in [(401, "no"), (403, "no"), (404, "no"), (422, "no"), (418, "no")] {
            for (table, secret) in [(github as Table, GITHUB_TOKEN), (cloud, JIRA_TOKEN)] {
                let value = json!({
                    "message": format!("{message} Bearer {secret}"), "errorMessages": [format!("Bearer {secret}")],
                    "errors": {"field": secret},
                });
                server.with(|world| world.first.push_back((status, Vec::new(), value)));
                let outcome = deliver(&server, out.path(), &run, table(&server, &json!({}))).await;
                let _ = write!(said, "{outcome:?}");
            }
        }
        for (table, name) in [(github as Table, "token_env"), (cloud, "token_env")] {
            let outcome = deliver(&server, out.path(), &run, table(&server, &json!({name: "NOTHING"}))).await;
            assert_eq!(outcome.status, Status::Failed);
            assert!(outcome.problem.as_ref().unwrap().contains("`NOTHING` holds no token"), "{outcome:?}");
        }
        for table in [github as Table, cloud] {
            deliver(&server, out.path(), &run, table(&server, &json!({}))).await;
        }
        for entry in fs::read_dir(out.path().join("deliveries")).unwrap() {
            said.push_str(&fs::read_to_string(entry.unwrap().path()).unwrap());
        }
        for secret in [GITHUB_TOKEN, JIRA_TOKEN] {
            assert!(!said.contains(secret), "{said}");
        }
    });
}

#[test]
fn a_github_app_shows_a_token_of_its_installation() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Trackers::start().await;
        let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/app.pem");
        let table = json!({"github": {
            "repository": "acme/security", "api": server.endpoint, "app_id": 1, "installation_id": 2,
            "private_key_file": key,
        }});
        let run = sealed(out.path(), FIRST, vec![bad("web", "team-a")], &[]);
        let outcome = deliver(&server, out.path(), &run, table.clone()).await;
        assert_eq!((outcome.status, outcome.sent), (Status::Delivered, 1), "{outcome:?}");
        assert_eq!(server.with(|world| world.app_tokens), 1, "one token for the whole delivery");
        // A token that has ended is exchanged once.
        server.with(|world| {
            let ended = json!({"message": "Bad credentials"});
            world.first.push_back((201, Vec::new(), json!({"token": "ghs_old"})));
            world.first.push_back((401, Vec::new(), ended));
        });
        let outcome = deliver(&server, out.path(), &run, table).await;
        assert_eq!((outcome.status, outcome.unchanged), (Status::Delivered, 1), "{outcome:?}");
    });
}

#[test]
fn new_violations_alone_open_tickets_where_that_is_asked_for() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Trackers::start().await;
        let tables = || github(&server, &json!({"when": "new"}));
        // Known for a day when the first delivery is made.
        let old = changed(bad("web", "team-a"), Change::Unchanged);
        let first = sealed(out.path(), FIRST, vec![old.clone(), bad("api", "team-b")], &[]);
        deliver(&server, out.path(), &first, tables()).await;
        let places = |server: &Trackers| -> BTreeMap<String, usize> {
            server.with(|world| {
                world.issues.iter().fold(BTreeMap::new(), |mut places, issue| {
                    *places.entry(issue.place.clone()).or_default() += 1;
                    places
                })
            })
        };
        assert_eq!(places(&server), BTreeMap::from([("acme/b".to_owned(), 1)]));
        let worse = changed(bad("web", "team-a"), Change::Worsened);
        let second = sealed(out.path(), SECOND, vec![worse, bad("api", "team-b")], &[]);
        deliver(&server, out.path(), &second, tables()).await;
        assert_eq!(places(&server).len(), 2);
    });
}
