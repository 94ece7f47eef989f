//! Messages: webhooks and e-mail, to all and to owners, and what a receiver may do to them.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pipewarden::deliver::{Contacts, Deliveries, Outcome, Status, table, write_record};
use pipewarden::finding::{Change, ComplianceType, Finding, Gone, Owner, OwnerSource};
use serde_json::{Value, json};

use super::runs::{HOME, changed, deliver_configured, deliver_with_retries, fail_with, finding, sealed};
use super::server::{OWN, Reply, Server};
use super::{A, B, FIRST, SECOND, in_runtime, violated};

const TOKEN: &str = "T00-secret-token-that-nobody-prints";

fn owned(finding: Finding, owner: &str) -> Finding {
    let source = OwnerSource::ResourceTag { key: "owner".to_owned() };
    Finding { owner: Some(Owner { name: owner.to_owned(), source }), ..finding }
}

/// Addresses of hooks by the variable that holds them.
fn variables(server: &Server) -> BTreeMap<&'static str, String> {
    ["HOOK", "PAYMENTS", "SEARCH"]
        .into_iter()
        .map(|name| (name, format!("{}/{name}/{TOKEN}?sig={TOKEN}", server.endpoint)))
        .chain([("SIGNING", format!("{TOKEN}-signing"))])
        .collect()
}

fn path(variable: &str) -> String {
    format!("/{variable}/{TOKEN}")
}

fn slack() -> Value {
    json!({"webhook": {"name": "chat", "url_env": "HOOK", "format": "slack", "when": "always"}})
}

async fn deliver(server: &Server, out: &Path, run: &pipewarden::run::RunDirectory, tables: Value) -> Outcome {
    let contacts: BTreeMap<String, Vec<String>> =
        BTreeMap::from([("payments".to_owned(), vec!["payments@example.com".to_owned()])]);
    let contacts = Contacts::read(&contacts).unwrap();
    let deliveries = Deliveries::read_with(&serde_json::from_value(tables).unwrap(), &contacts).unwrap();
    let outcomes = deliver_configured(server, out, run, &deliveries, &variables(server), &[]).await;
    write_record(out, FIRST, &outcomes).unwrap();
    // Whatever happened: no address is in what is printed or kept.
    let printed = format!("{}{outcomes:?}", table(&outcomes));
    let kept = kept(out);
    for text in [&printed, &kept] {
        assert!(!text.contains(TOKEN) && !text.contains("sig="), "{text}");
    }
    outcomes.into_iter().next().unwrap()
}

/// All memories and records.
fn kept(out: &Path) -> String {
    let files = fs::read_dir(out.join("deliveries")).unwrap();
    files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

fn answers(server: &Server, variable: &str, answers: Vec<Reply>) {
    server.with(|world| world.hook_answers.insert(path(variable), VecDeque::from(answers)));
}

fn posted(server: &Server, variable: &str) -> Vec<Value> {
    server.with(|world| {
        let of = world.posted.iter().filter(|asked| asked.path == path(variable));
        of.map(|asked| serde_json::from_slice(&asked.body).unwrap()).collect()
    })
}

fn refusal(status: u16) -> Reply {
    Reply(status, Vec::new(), String::new())
}

#[test]
fn a_hook_that_is_busy_is_asked_again_and_takes_the_message_once() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let run = sealed(out.path(), FIRST, vec![violated(A, HOME, "web")], &[]);
        answers(&server, "HOOK", vec![Reply(429, vec![("retry-after", "1".to_owned())], String::new()), refusal(503)]);
        let outcome = deliver(&server, out.path(), &run, slack()).await;
        assert_eq!((outcome.status, outcome.sent), (Status::Delivered, 1), "{outcome:?}");
        assert_eq!(outcome.receiver, "Slack webhook at 127.0.0.1");
        let ids: Vec<String> = server.with(|world| {
            assert!(world.posted.iter().all(|asked| asked.header("x-pipewarden-run") == Some(FIRST)));
            world.posted.iter().map(|asked| asked.header("webhook-id").unwrap().to_owned()).collect()
        });
        assert_eq!(ids, vec![format!("chat-{FIRST}"); 3], "one message, three tries");
        let message = posted(&server, "HOOK").remove(2);
        assert_eq!(message["blocks"][0]["type"], "header");
        assert!(message["text"].as_str().unwrap().contains("Pipelines are of type V2"), "{message}");
        let again = deliver(&server, out.path(), &run, slack()).await;
        assert_eq!((again.sent, again.unchanged), (0, 1));
        assert_eq!(posted(&server, "HOOK").len(), 3);
    });
}

#[test]
fn what_a_hook_refuses_is_not_tried_again_and_is_sent_when_it_takes_it() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let run = sealed(out.path(), FIRST, vec![violated(A, HOME, "web")], &[]);
        let echo = format!("{{\"error\": \"no such hook {TOKEN}\"}}");
        for (reply, tries, needle) in [
            (Reply(404, Vec::new(), "no_service".to_owned()), 1, "404 Not Found (no_service)"),
            (Reply(400, Vec::new(), echo), 1, "400 Bad Request; it does not take"),
            (Reply(302, vec![("location", format!("{}/HOOK/x", server.endpoint))], String::new()), 1, "not followed"),
            (Reply(429, vec![("retry-after", "3600".to_owned())], String::new()), 1, "left alone for 3600 seconds"),
        ] {
            answers(&server, "HOOK", vec![reply]);
            let before = server.with(|world| world.posted.len());
            let outcome = deliver(&server, out.path(), &run, slack()).await;
            assert_eq!(outcome.status, Status::Failed);
            assert!(outcome.problem.as_ref().unwrap().contains(needle), "{needle}: {outcome:?}");
            assert_eq!(server.with(|world| world.posted.len()) - before, tries);
        }
        answers(&server, "HOOK", (0..5).map(|_| refusal(500)).collect());
        let outcome = deliver(&server, out.path(), &run, slack()).await;
        assert!(outcome.problem.unwrap().contains("500 Internal Server Error"));
        assert_eq!(deliver(&server, out.path(), &run, slack()).await.sent, 1);
    });
}

#[test]
fn a_hook_that_is_not_there_or_not_named_is_said_without_its_address() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let run = sealed(out.path(), FIRST, vec![violated(A, HOME, "web")], &[]);
        let deliveries = Deliveries::read(&serde_json::from_value(slack()).unwrap()).unwrap();
        // A port that nobody listens on.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for (address, needle) in [
            (Some(format!("http://{free}/HOOK/{TOKEN}")), "127.0.0.1 cannot be reached"),
            (Some(format!("http://hooks.example.com/{TOKEN}")), "does not begin with https://"),
            (Some(format!("https://user:{TOKEN}@hooks.example.com/")), "user or password"),
            (Some(TOKEN.to_owned()), "the variable HOOK: it holds no address"),
            (Some(" ".to_owned()), "the variable HOOK is empty"),
            (None, "the variable HOOK is not set"),
        ] {
            let variables: BTreeMap<&str, String> = address.map(|address| ("HOOK", address)).into_iter().collect();
            let outcomes = deliver_configured(&server, out.path(), &run, &deliveries, &variables, &[]).await;
            let problem = outcomes[0].problem.clone().unwrap();
            assert!(problem.contains(needle) && !problem.contains(TOKEN), "{problem}");
        }
    });
}

#[test]
fn a_program_gets_json_that_only_we_can_have_signed() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let run = sealed(out.path(), FIRST, vec![violated(A, HOME, "web")], &[]);
        let tables =
            json!({"webhook": {"url_env": "HOOK", "format": "json", "secret_env": "SIGNING", "when": "always"}});
        assert_eq!(deliver(&server, out.path(), &run, tables).await.sent, 1);
        let asked = server.with(|world| world.posted[0].clone());
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        assert_eq!((&body["schemaVersion"], &body["verdict"]), (&json!(1), &json!("NonCompliant")));
        let (id, at) = (asked.header("webhook-id").unwrap(), asked.header("webhook-timestamp").unwrap());
        let signature = asked.header("webhook-signature").unwrap().strip_prefix("v1,").unwrap();
        let signature = STANDARD.decode(signature).unwrap();
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, format!("{TOKEN}-signing").as_bytes());
        let signed = |body: &str| ring::hmac::verify(&key, format!("{id}.{at}.{body}").as_bytes(), &signature);
        let text = String::from_utf8(asked.body.clone()).unwrap();
        assert!(signed(&text).is_ok() && signed(&text.replace("NonCompliant", "Compliant")).is_err());
    });
}

/// Two owners who can be reached, one who cannot, and what nobody owns.
fn of_owners() -> Vec<Finding> {
    vec![
        owned(violated(A, HOME, "checkout"), "payments"),
        owned(violated(A, HOME, "refund"), "payments"),
        owned(violated(B, HOME, "index"), "search"),
        owned(violated(B, HOME, "other"), "others"),
        violated(B, HOME, "nobodys"),
    ]
}

#[test]
fn owners_hear_of_what_is_theirs_and_a_failure_is_repeated_for_one_alone() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let run = sealed(out.path(), FIRST, of_owners(), &[]);
        let tables = json!({"webhook": {
            "name": "chat", "url_env": "HOOK", "format": "json",
            "owners": {"payments": "PAYMENTS", "search": "SEARCH", "others": "NOT_SET", "gone": "NOT_SET"},
        }});
        answers(&server, "SEARCH", vec![refusal(403)]);
        let outcome = deliver(&server, out.path(), &run, tables.clone()).await;
        assert_eq!((outcome.status, outcome.sent), (Status::Incomplete, 2), "{outcome:?}");
        let refused = outcome.refused.join("\n");
        assert!(refused.contains("owner others: the variable NOT_SET is not set"), "{refused}");
        assert!(refused.contains("owner search: JSON webhook at 127.0.0.1: 127.0.0.1 answered 403"), "{refused}");
        assert_eq!(outcome.refused.len(), 2, "who owns nothing is no failure: {refused}");
        let everybody = posted(&server, "HOOK").remove(0);
        assert_eq!(everybody["counts"]["violations"]["HIGH"], 5, "{everybody}");
        assert_eq!(everybody.get("owner"), None);
        let theirs = posted(&server, "PAYMENTS").remove(0).to_string();
        assert!(theirs.contains("\"owner\":\"payments\"") && theirs.contains("2 violations, 2 high"), "{theirs}");
        for foreign in ["index", "other", "nobodys", B] {
            assert!(!theirs.contains(foreign), "{foreign}: {theirs}");
        }
        // The next time only the one who has not heard.
        let again = deliver(&server, out.path(), &run, tables).await;
        assert_eq!((again.sent, again.unchanged), (1, 2), "{again:?}");
        assert_eq!(posted(&server, "SEARCH").len(), 2);
        assert_eq!((posted(&server, "HOOK").len(), posted(&server, "PAYMENTS").len()), (1, 1));
    });
}

#[test]
fn a_delivery_that_was_killed_goes_on_where_it_was() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let run = sealed(out.path(), FIRST, of_owners(), &[]);
        let tables = json!({"webhook": {
            "name": "chat", "url_env": "HOOK", "format": "slack", "owners": {"payments": "PAYMENTS", "search": "SEARCH"},
        }});
        deliver(&server, out.path(), &run, tables.clone()).await;
        // As it is left by a process that is killed while it writes down that the last one was told.
        let memory = out.path().join("deliveries/chat.jsonl");
        let lines = fs::read_to_string(&memory).unwrap();
        let cut = lines.lines().take(2).map(|line| format!("{line}\n")).collect::<String>() + "{\"key\":\"20";
        assert_eq!(lines.lines().count(), 3);
        fs::write(&memory, cut).unwrap();
        let again = deliver(&server, out.path(), &run, tables).await;
        assert_eq!((again.status, again.sent, again.unchanged), (Status::Delivered, 1, 2), "{again:?}");
        let ids: Vec<String> = server.with(|world| {
            let of = world.posted.iter().filter(|asked| asked.path == path("SEARCH"));
            of.map(|asked| asked.header("webhook-id").unwrap().to_owned()).collect()
        });
        assert_eq!(ids.len(), 2);
        assert_eq!(ids[0], ids[1], "the receiver can tell that it is the same message");
    });
}

#[test]
fn an_owner_is_told_when_something_of_theirs_changed() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        sealed(out.path(), FIRST, Vec::new(), &[]);
        let mut calm = changed(owned(violated(B, HOME, "index"), "search"), Change::Unchanged);
        calm.lifecycle.as_mut().unwrap().last_observed_at = Some("2026-11-22T02:00:00Z".to_owned());
        let mut dark =
            changed(owned(finding(A, HOME, "dark", ComplianceType::InsufficientData), "payments"), Change::NotSeen);
        dark.lifecycle.as_mut().unwrap().last_known = Some(ComplianceType::NonCompliant);
        let run = sealed(out.path(), SECOND, vec![calm, dark], &[]);
        let gone = [Gone {
            finding: changed(owned(violated(A, HOME, "hidden"), "payments"), Change::NotSeen),
            reason: "its account could not be entered".to_owned(),
        }];
        let tables = json!({"webhook": {
            "name": "chat", "url_env": "HOOK", "format": "json", "owners": {"payments": "PAYMENTS", "search": "SEARCH"},
        }});
        // Without a run to compare with, everybody is told; nothing that could not be seen is called good.
        let deliveries = Deliveries::read(&serde_json::from_value(tables).unwrap()).unwrap();
        let outcomes = deliver_configured(&server, out.path(), &run, &deliveries, &variables(&server), &gone).await;
        assert_eq!(outcomes[0].sent, 3, "{outcomes:?}");
        let theirs = posted(&server, "PAYMENTS").remove(0);
        assert_eq!(theirs["verdict"], "InsufficientData", "{theirs}");
        let sentences = theirs["sentences"].to_string();
        assert!(sentences.contains("could not be looked at again, which is not resolved"), "{sentences}");
        assert!(sentences.contains("1 result could not be seen, which is no pass"), "{sentences}");
    });
}

fn mail() -> Value {
    json!({"email": {
        "name": "mail", "from": "audit <audit@example.com>", "to": ["security@example.com", "boss@example.com"],
        "reply_to": ["help@example.com"], "configuration_set": "audit", "region": "us-east-1", "to_owners": true,
    }})
}

fn attached(mail: &Value) -> (String, Vec<u8>) {
    let attachment = &mail["Content"]["Simple"]["Attachments"][0];
    let name = attachment["FileName"].as_str().unwrap().to_owned();
    (name, STANDARD.decode(attachment["RawContent"].as_str().unwrap()).unwrap())
}

#[test]
fn a_mail_has_text_html_table_and_run_and_is_sent_once() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let hostile = "<img src=x>\r\nBcc: evil@example.com";
        let mut findings = of_owners();
        findings.push(owned(violated(A, HOME, "=cmd()"), hostile));
        findings.push(owned(violated(A, HOME, "mine"), "dev@example.com"));
        findings.push(owned(violated(A, HOME, "stolen"), "eve@evil.example"));
        findings.push(finding(A, HOME, "good", ComplianceType::Compliant));
        let run = sealed(out.path(), FIRST, findings, &[]);
        let outcome = deliver(&server, out.path(), &run, mail()).await;
        assert_eq!((outcome.status, outcome.sent), (Status::Incomplete, 3), "{outcome:?}");
        assert!(outcome.refused[0].contains("the domain evil.example, because a tag chose it"), "{outcome:?}");
        assert_eq!(outcome.receiver, "e-mail to security@example.com and 1 more from audit@example.com");
        let mailed = server.with(|world| {
            assert!(world.asked.iter().all(|asked| asked.region() == "us-east-1" && asked.account() == OWN));
            world.mailed.clone()
        });
        let to = |mail: &Value| mail["Destination"]["ToAddresses"].clone();
        let all = mailed.iter().find(|mail| to(mail) == json!(["security@example.com", "boss@example.com"])).unwrap();
        assert_eq!(all["FromEmailAddress"], "\"audit\" <audit@example.com>");
        assert_eq!(all["ReplyToAddresses"], json!(["help@example.com"]));
        assert_eq!(all["ConfigurationSetName"], "audit");
        let simple = &all["Content"]["Simple"];
        assert!(simple["Subject"]["Data"].as_str().unwrap().contains("8 violations, 8 high"), "{simple}");
        let headers = simple["Headers"].as_array().unwrap();
        assert!(headers.contains(&json!({"Name": "X-Pipewarden-Run", "Value": FIRST})), "{headers:?}");
        let html = simple["Body"]["Html"]["Data"].as_str().unwrap();
        assert!(html.contains("&lt;img src=x&gt;") && !html.contains("<img"), "{html}");
        assert!(simple["Body"]["Text"]["Data"].as_str().unwrap().contains("https://reports/1"));
        let (name, table) = attached(all);
        let table = String::from_utf8(table).unwrap();
        assert_eq!(name, "findings.csv");
        assert_eq!(table.matches("codepipeline-type-v2").count(), 8, "what is open, and nothing good: {table}");
        // Owners by contact and by being an address; each table has only theirs.
        let theirs = mailed.iter().find(|mail| to(mail) == json!(["payments@example.com"])).unwrap();
        let table = String::from_utf8(attached(theirs).1).unwrap();
        assert!(table.contains("checkout") && table.contains("refund") && !table.contains("index"), "{table}");
        let mine = mailed.iter().find(|mail| to(mail) == json!(["dev@example.com"])).unwrap();
        assert_eq!(String::from_utf8(attached(mine).1).unwrap().lines().count(), 2);
        let again = deliver(&server, out.path(), &run, mail()).await;
        assert_eq!((again.sent, again.unchanged), (0, 3), "{again:?}");
        assert_eq!(server.with(|world| world.mailed.len()), 3);
    });
}

#[test]
fn a_large_table_is_packed() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let findings = (0..3_000).map(|nth| owned(violated(A, HOME, &format!("p{nth}")), "payments")).collect();
        let run = sealed(out.path(), FIRST, findings, &[]);
        let outcome = deliver(&server, out.path(), &run, mail()).await;
        assert_eq!((outcome.status, outcome.sent), (Status::Delivered, 2), "{outcome:?}");
        let path = out.path().join("findings.csv.zip");
        for mail in server.with(|world| world.mailed.clone()) {
            let (name, bytes) = attached(&mail);
            assert_eq!(name, "findings.csv.zip");
            fs::write(&path, bytes).unwrap();
            let script = "import sys, csv, io, zipfile\nz = zipfile.ZipFile(sys.argv[1])\n\
                          print(len(list(csv.DictReader(io.StringIO(z.read('findings.csv').decode())))))";
            let output = Command::new("python3").args(["-c", script]).arg(&path).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "3000", "{output:?}");
        }
    });
}

#[test]
fn what_ses_may_have_taken_is_not_sent_again_by_itself() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let run = sealed(out.path(), FIRST, vec![violated(A, HOME, "web")], &[]);
        // An answer after which the SDK's own way is to send again.
        let slow = ("security@example.com".to_owned(), "RequestTimeout".to_owned());
        server.with(|world| world.not_mailed = [slow].into());
        let tables = json!({"email": {"from": "audit@example.com", "to": ["security@example.com"], "when": "always"}});
        let outcomes = deliver_with_retries(&server, out.path(), &run, tables.clone()).await;
        assert_eq!(outcomes[0].status, Status::Failed, "{outcomes:?}");
        let asked = || server.with(|world| world.asked.iter().filter(|asked| asked.service() == "ses").count());
        assert_eq!(asked(), 1);
        server.with(|world| world.not_mailed.clear());
        let outcomes = deliver_with_retries(&server, out.path(), &run, tables).await;
        assert_eq!((outcomes[0].status, outcomes[0].sent, asked()), (Status::Delivered, 1, 2), "{outcomes:?}");
    });
}

#[test]
fn what_ses_refuses_is_explained_and_sent_once_it_can_be() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let run = sealed(out.path(), FIRST, of_owners(), &[]);
        for (code, needle) in [
            ("MessageRejected", "sandbox"),
            ("MailFromDomainNotVerifiedException", "MX record"),
            ("SendingPausedException", "paused"),
            ("NotFoundException", "`configuration_set`"),
            ("AccessDeniedException", "pipewarden role --for audit --deliveries --config FILE"),
        ] {
            let everybody = ["security@example.com", "payments@example.com"];
            server.with(|world| world.not_mailed = everybody.map(|to| (to.to_owned(), code.to_owned())).into());
            let outcome = deliver(&server, out.path(), &run, mail()).await;
            assert_eq!(outcome.status, Status::Failed, "{outcome:?}");
            let problem = outcome.problem.unwrap();
            assert!(problem.contains(needle) && problem.contains("ses:SendEmail"), "{problem}");
        }
        // One owner cannot be reached: the others and all are, and only that one is repeated.
        let one = [("payments@example.com".to_owned(), "MessageRejected".to_owned())];
        server.with(|world| world.not_mailed = one.into());
        let outcome = deliver(&server, out.path(), &run, mail()).await;
        assert_eq!((outcome.status, outcome.sent), (Status::Incomplete, 1), "{outcome:?}");
        server.with(|world| world.not_mailed.clear());
        let outcome = deliver(&server, out.path(), &run, mail()).await;
        assert_eq!((outcome.status, outcome.sent, outcome.unchanged), (Status::Delivered, 1, 1), "{outcome:?}");
    });
}

#[test]
fn a_run_without_a_verdict_is_told_to_all_and_to_no_owner() {
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let plan = pipewarden::run::Plan::new(FIRST.parse().unwrap(), json!({}), 1);
        let run = pipewarden::run::RunDirectory::create(out.path(), plan).unwrap();
        let mut tables = mail();
        tables["webhook"] = json!([
            {"name": "chat", "url_env": "HOOK", "format": "teams", "owners": {"payments": "PAYMENTS"}},
        ]);
        let outcomes = fail_with(&server, out.path(), &run, tables, &variables(&server)).await;
        assert!(
            outcomes.iter().all(|outcome| (outcome.status, outcome.sent) == (Status::Delivered, 1)),
            "{outcomes:?}"
        );
        let card = posted(&server, "HOOK").remove(0);
        let kind = &card["attachments"][0]["contentType"];
        assert_eq!(kind, "application/vnd.microsoft.card.adaptive");
        assert!(card.to_string().contains("no account could be entered"), "{card}");
        assert_eq!(server.with(|world| (world.posted.len(), world.mailed.len())), (1, 1));
    });
}

#[test]
fn the_command_previews_and_sends_messages_and_prints_no_address() {
    let out = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = runtime.block_on(Server::start());
    sealed(out.path(), FIRST, of_owners(), &[]);
    let config = "[owners.contacts]\npayments = [\"payments@example.com\"]\n\
                  [[deliveries.email]]\nname = \"mail\"\nfrom = \"audit@example.com\"\nto = [\"security@example.com\"]\nto_owners = true\n\
                  [[deliveries.webhook]]\nname = \"chat\"\nurl_env = \"HOOK\"\nformat = \"slack\"\n\
                  [deliveries.webhook.owners]\npayments = \"PAYMENTS\"\n";
    fs::write(out.path().join("pipewarden.toml"), config).unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
            .args(["deliver", "--endpoint-url", &server.endpoint, "--config"])
            .arg(out.path().join("pipewarden.toml"))
            .arg("--out")
            .arg(out.path())
            .args(args)
            .env_clear()
            .envs(variables(&server))
            .envs([("AWS_ACCESS_KEY_ID", format!("AKIA{OWN}").as_str()), ("AWS_SECRET_ACCESS_KEY", "x")])
            .envs([("AWS_REGION", HOME), ("AWS_MAX_ATTEMPTS", "1")])
            .output()
            .unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!text.contains(TOKEN), "{text}");
        (output.status.code().unwrap(), text)
    };
    let (code, text) = run(&["--dry-run"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("message: pipewarden: 5 violations") && text.contains("1 messages to owners"), "{text}");
    assert!(text.contains("Slack webhook at 127.0.0.1") && text.contains("e-mail to security@example.com"), "{text}");
    assert!(server.with(|world| world.posted.is_empty() && world.mailed.is_empty()));
    let (code, text) = run(&["--only", "chat"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(server.with(|world| (world.posted.len(), world.mailed.len())), (2, 0));
    let (code, text) = run(&[]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(server.with(|world| (world.posted.len(), world.mailed.len())), (2, 2));
}

#[test]
fn the_mail_is_kept_by_a_server_that_nobody_here_wrote() {
    let moto = crate::moto::Moto::start();
    in_runtime(async {
        let out = tempfile::tempdir().unwrap();
        let server = Server { world: std::sync::Arc::default(), endpoint: moto.endpoint.clone() };
        let run = sealed(out.path(), FIRST, of_owners(), &[]);
        let tables = json!({"email": {
            "name": "mail", "from": "audit <audit@example.com>", "to": ["security@example.com"], "region": "us-east-1",
        }});
        let outcome = deliver(&server, out.path(), &run, tables.clone()).await;
        let problem = outcome.problem.unwrap();
        assert!(problem.contains("not verified") && problem.contains("sandbox"), "{problem}");
        let credentials = aws_credential_types::Credentials::new(format!("AKIA{OWN}"), "test", None, None, "test");
        let client = aws_sdk_sesv2::Client::new(&moto.config(credentials, "us-east-1"));
        client.create_email_identity().email_identity("example.com").send().await.unwrap();
        let outcome = deliver(&server, out.path(), &run, tables).await;
        assert_eq!((outcome.status, outcome.sent), (Status::Delivered, 1), "{outcome:?}");
        let kept: Value = serde_json::from_str(&fetched(&format!("{}/moto-api/data.json", moto.endpoint))).unwrap();
        let messages = kept["ses"]["Message"].as_array().unwrap();
        let message = messages.iter().find(|message| message["source"] == "\"audit\" <audit@example.com>").unwrap();
        assert_eq!(message["destinations"]["ToAddresses"], json!(["security@example.com"]));
        assert!(message["subject"].as_str().unwrap().contains("5 violations, 5 high"), "{message}");
        let body = message["body"].as_str().unwrap();
        assert!(body.starts_with("<!DOCTYPE html>") && body.contains("Pipelines are of type V2"), "{body}");
    });
}

/// What is there, by a GET of loopback.
fn fetched(address: &str) -> String {
    let script = "import sys, urllib.request\nsys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode())";
    let output = Command::new("python3").args(["-c", script, address]).env_clear().output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
