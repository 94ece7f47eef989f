//! Secrets that the program fetches when it needs them: the real binary against Secrets Manager on loopback, moto's and one
//! of our own that counts, rotates and refuses.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use pipewarden::collect::COLLECTORS;
use pipewarden::simulate::{Simulation, SimulationOptions, SimulationServer};
use serde_json::{Value, json};

use crate::lambda::{Api, Running, binary, call, plenty, request, simulation};
use crate::moto::Moto;
use crate::{loopback, secrets};

const REGION: &str = "eu-west-1";
const SECRET: &str = "hunter2hunter2";

fn arn(name: &str) -> String {
    format!("arn:aws:secretsmanager:{REGION}:111122223333:secret:{name}-AbCdEf")
}

/// What Secrets Manager says: a secret's text, or a code and a message.
type Said = Result<String, (&'static str, String)>;

/// Secrets Manager, and the secrets that it was asked for, in order.
struct Vault {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Vault {
    /// Answers by the secret's ARN and the number of times that it was asked for before.
    fn start(says: impl Fn(&str, usize) -> Said + Send + 'static) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", server.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for mut stream in server.incoming().map_while(Result::ok) {
                let Some((_, headers, body)) = request(&stream) else { continue };
                let has =
                    |start: &str, part: &str| headers.iter().any(|one| one.starts_with(start) && one.contains(part));
                assert!(has("x-amz-target:", "secretsmanager.getsecretvalue"), "{headers:?}");
                // The Region is the one of the ARN, whatever the process is set to.
                assert!(has("authorization:", &format!("/{REGION}/secretsmanager/")), "{headers:?}");
                let body: Value = serde_json::from_slice(&body).unwrap();
                let id = body["SecretId"].as_str().unwrap().to_owned();
                let before = {
                    let mut asked = log.lock().unwrap();
                    asked.push(id.clone());
                    asked.iter().filter(|one| **one == id).count() - 1
                };
                let (status, body) = match says(&id, before) {
                    Ok(text) => ("200 OK", json!({"ARN": id, "Name": "x", "VersionId": "1", "SecretString": text})),
                    Err((code, message)) => ("400 Bad Request", json!({"__type": code, "Message": message})),
                };
                let body = body.to_string();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn with_secrets(command: &mut Command, folder: &Path, vault: &str, list: &str) {
    command.current_dir(folder).env("TMPDIR", folder).env("PIPEWARDEN_SECRETS", list);
    command.env("AWS_ENDPOINT_URL_SECRETS_MANAGER", vault).env("AWS_EC2_METADATA_DISABLED", "true");
}

/// A function that lives until it is dropped, with all that it logs.
fn function(api: &Api, folder: &Path, vault: &Vault, list: &str, endpoint: &str) -> Running {
    let mut command = binary();
    with_secrets(&mut command, folder, &vault.address, list);
    command.args([
        "lambda",
        "--config",
        "pipewarden.toml",
        "--out",
        "out",
        "--format",
        "json",
        "--endpoint-url",
        endpoint,
    ]);
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    command.env("AWS_LAMBDA_RUNTIME_API", &api.address).env("PIPEWARDEN_LOG", "trace");
    Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap())
}

/// Nothing of what was read is in any file of a folder, unpacked, the log of everything among them.
fn holds_nothing(folder: &Path, read: &[&str]) {
    let mut searched = 0;
    for path in secrets::files(folder) {
        let text = secrets::text(&path);
        searched += 1;
        for secret in read {
            assert!(!text.contains(secret), "{} holds {secret}", path.display());
        }
    }
    assert!(searched > 5, "{searched} files");
}

#[test]
fn functions_ask_source_hosts_with_tokens_that_they_fetch_once_for_each_event() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let options = SimulationOptions {
        accounts: 4,
        pipelines_per_account_region: 2,
        limits: false,
        denials: false,
        ..SimulationOptions::default()
    };
    let world = Arc::new(Simulation::new(options));
    let server = SimulationServer::start(world, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let server = runtime.block_on(server).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (mut text, mut list, mut keys) = (String::new(), String::new(), BTreeMap::new());
    let secret = arn("pipewarden/hosts");
    for (nth, host) in server.hosts().into_iter().enumerate() {
        text += &format!("[[hosts]]\nhost = {:?}\napi = {:?}\ntoken_env = \"TOKEN_{nth}\"\n", host.host, host.api);
        // Both ways to name a key of one secret.
        list += &if nth % 2 == 0 {
            format!("TOKEN_{nth}={secret}#k{nth}, ")
        } else {
            format!("TOKEN_{nth}={secret}:k{nth}::\n")
        };
        keys.insert(format!("k{nth}"), host.token);
    }
    assert!(keys.len() > 2);
    fs::write(folder.path().join("pipewarden.toml"), text).unwrap();
    let stored = serde_json::to_string(&keys).unwrap();
    let vault = Vault::start(move |_, _| Ok(stored.clone()));

    let api = Api::start(plenty(&[json!({"audit": {}})]));
    let first = function(&api, folder.path(), &vault, &list, &server.endpoint_url());
    let night = api.next();
    assert!(night.path.ends_with("/r-0/response"), "{night:?}");
    drop(first);
    assert_eq!(vault.asked(), std::slice::from_ref(&secret));
    let report = folder.path().join(night.body["report"].as_str().unwrap());
    let findings: Value = serde_json::from_slice(&fs::read(report.join("findings.json")).unwrap()).unwrap();
    let findings = findings["findings"].as_array().unwrap();
    let of = |control: &str, compliance: &str| {
        findings.iter().filter(|one| one["control"] == control && one["compliance"] == compliance).count()
    };
    // Without a token nothing would be known of any.
    let seen = of("git-repository-not-public", "Compliant") + of("git-repository-not-public", "NonCompliant");
    assert!(seen > 0, "{} unseen", of("git-repository-not-public", "InsufficientData"));
    let pipeline =
        &findings.iter().find(|one| one["resource"]["typeName"] == "AWS::CodePipeline::Pipeline").unwrap()["resource"];
    let (account, region) = (pipeline["account"].as_str().unwrap(), pipeline["region"].as_str().unwrap());
    let name = pipeline["uid"].as_str().unwrap().rsplit(':').next().unwrap();

    let api = Api::start(plenty(&[
        call("codepipeline", "UpdatePipeline", account, region, json!({"pipeline": {"name": name}})),
        json!({"stage": "begin"}),
    ]));
    let second = function(&api, folder.path(), &vault, &list, &server.endpoint_url());
    let changed = api.next();
    assert!(changed.path.ends_with("/r-0/response"), "{changed:?}");
    assert_eq!(changed.body["resources"], json!([pipeline["uid"]]));
    let begun = api.next();
    assert!(begun.body["count"].as_u64().unwrap() > 0, "{begun:?}");
    drop(second);
    let stage = json!({"stage": "account", "runId": begun.body["runId"], "account": account});
    let api = Api::start(plenty(&[stage]));
    let _third = function(&api, folder.path(), &vault, &list, &server.endpoint_url());
    let collected = api.next();
    assert_eq!(collected.body["account"], account, "{collected:?}");
    assert!(collected.body["resources"].as_u64().unwrap() > 0, "{collected:?}");
    assert_eq!(vault.asked(), vec![secret; 4], "once for each event, whatever the number of keys");

    let read: Vec<&str> = keys.values().map(String::as_str).collect();
    holds_nothing(folder.path(), &read);
    runtime.block_on(server.stop());
}

#[test]
fn a_delivery_takes_the_address_as_it_is_now_and_says_when_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/services/", receiver.local_addr().unwrap());
    let posted = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&posted);
    thread::spawn(move || {
        for mut stream in receiver.incoming().map_while(Result::ok) {
            let Some((first, ..)) = request(&stream) else { continue };
            log.lock().unwrap().push(first.split(' ').nth(1).unwrap_or_default().to_owned());
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        }
    });
    let configuration = "[[deliveries.webhook]]\nname = \"chat\"\nformat = \"slack\"\nurl_env = \"CHAT\"\nwhen = \"always\"\n\
                         [secrets]\nfingerprint_key_env = \"FINGERPRINTS\"\n";
    fs::write(folder.path().join("pipewarden.toml"), configuration).unwrap();
    let (chat, fingerprints) = (arn("pipewarden/chat"), arn("pipewarden/fingerprints"));
    let refused = chat.clone();
    let vault = Vault::start(move |id, before| match (id == refused, before) {
        (false, _) => Ok("0123456789abcdef-fingerprints".to_owned()),
        (true, 0) => Ok(format!("{address}first-{SECRET}\n")),
        (true, 1) => Ok(format!("{address}second-{SECRET}")),
        (true, _) => Err((
            "AccessDeniedException",
            format!("User: x is not authorized to perform: secretsmanager:GetSecretValue on resource: {id}"),
        )),
    });
    let list = format!("CHAT={chat} FINGERPRINTS={fingerprints}");
    let (_simulation, endpoint) = simulation("2");
    let api = Api::start(plenty(&[json!({"audit": {}}), json!({"audit": {}}), json!({"audit": {}})]));
    let function = function(&api, folder.path(), &vault, &list, &endpoint);
    let mut last = Value::Null;
    for nth in 0..3 {
        let night = api.next();
        assert!(night.path.ends_with(&format!("/r-{nth}/response")), "{night:?}");
        last = night.body["runId"].clone();
    }
    drop(function);
    let expected = ["first", "second"].map(|rotated| format!("/services/{rotated}-{SECRET}"));
    assert_eq!(*posted.lock().unwrap(), expected, "the address of its event");
    let asked = vault.asked();
    assert_eq!(asked.len(), 6, "{asked:?}");
    assert_eq!(asked.iter().filter(|id| **id == chat).count(), 3);
    // The report stands; what keeps people from hearing of it is said with its ARN, and with what to allow.
    let record = folder.path().join(format!("out/deliveries/{}.json", last.as_str().unwrap()));
    for text in [fs::read_to_string(record).unwrap(), fs::read_to_string(folder.path().join("log")).unwrap()] {
        for part in ["`CHAT`", chat.as_str(), "allow `secretsmanager:GetSecretValue`", "AccessDeniedException"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    assert!(!folder.path().join("out/fingerprint.key").exists(), "there is a key of Secrets Manager");
    holds_nothing(folder.path(), &[SECRET, "0123456789abcdef"]);
}

/// A command that needs a token before anything else; its exit code, and what it said.
fn audited(vault: &str, list: &str, more: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.toml"), "[[hosts]]\nhost = \"github.com\"\ntoken_env = \"SOURCE_TOKEN\"\n")
        .unwrap();
    let mut command = binary();
    with_secrets(&mut command, folder.path(), vault, list);
    // Nobody answers there, so a token that was had leads to the next thing that is missing.
    command.args(["audit", "--config", "p.toml", "--out", "out", "--endpoint-url", "http://127.0.0.1:9"]);
    command.envs(more.iter().copied()).env("AWS_MAX_ATTEMPTS", "1");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains(SECRET) && !String::from_utf8_lossy(&output.stdout).contains(SECRET), "{said}");
    (output.status.code(), said)
}

const NEXT: &str = "no usable AWS credentials";

#[test]
fn what_cannot_be_read_is_told_with_what_to_mend() {
    use aws_sdk_secretsmanager::Client;
    use aws_sdk_secretsmanager::primitives::Blob;
    let moto = Moto::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::new(&moto.config(loopback::credentials(), REGION));
    let make = |name: &str, text: &str| {
        let made = runtime.block_on(client.create_secret().name(name).secret_string(text).send()).unwrap();
        made.arn().unwrap().to_owned()
    };
    let text = make("pipewarden/text", SECRET);
    let json = make("pipewarden/json", &json!({"token": SECRET, "other": [SECRET]}).to_string());
    let deleted = make("pipewarden/deleted", SECRET);
    runtime.block_on(client.delete_secret().secret_id(&deleted).send()).unwrap();
    let binary = client.create_secret().name("pipewarden/binary").secret_binary(Blob::new(SECRET));
    let binary = runtime.block_on(binary.send()).unwrap().arn().unwrap().to_owned();
    let missing = text.replace("pipewarden/text", "pipewarden/nothing");
    for (place, code, parts) in [
        (text.clone(), 3, vec![NEXT]),
        (format!("{json}#token"), 3, vec![NEXT]),
        (format!("{json}:token:AWSCURRENT:"), 3, vec![NEXT]),
        (json.clone(), 3, vec!["is JSON", "`#KEY`"]),
        (format!("{json}#Token"), 3, vec!["has no key `Token`"]),
        (format!("{json}#other"), 3, vec!["no text under its key `other`"]),
        (format!("{text}#token"), 3, vec!["no JSON object"]),
        (format!("{text}::AWSPREVIOUS:"), 3, vec!["has no such version", "ResourceNotFoundException"]),
        (binary.clone(), 3, vec!["is binary"]),
        (deleted.clone(), 3, vec!["restore it", "InvalidRequestException"]),
        (missing, 3, vec!["mend its ARN", "ResourceNotFoundException"]),
        (SECRET.to_owned(), 64, vec!["entry 1 of PIPEWARDEN_SECRETS cannot be read: ", "no ARN of a secret"]),
    ] {
        let (ended, said) = audited(&moto.endpoint, &format!("SOURCE_TOKEN={place}"), &[]);
        assert_eq!(ended, Some(code), "{place}: {said}");
        for part in &parts {
            assert!(said.contains(part), "{place}: {part}: {said}");
        }
        if code == 3 && parts != [NEXT] {
            let arn = place.split(['#']).next().unwrap().split("::").next().unwrap();
            assert!(said.contains("github.com") && said.contains("`SOURCE_TOKEN`") && said.contains(arn), "{said}");
        }
    }
}

#[test]
fn a_variable_that_is_set_comes_first_and_a_vault_that_is_not_there_is_told() {
    let vault = Vault::start(|id, _| Err(("AccessDeniedException", format!("not on {id}"))));
    let list = format!("SOURCE_TOKEN={}", arn("x"));
    let (code, said) = audited(&vault.address, &list, &[("SOURCE_TOKEN", SECRET)]);
    assert!(code == Some(3) && said.contains(NEXT), "{said}");
    assert!(vault.asked().is_empty(), "nobody needed it");
    // What a template sets to nothing is not set.
    let (code, said) = audited(&vault.address, &list, &[("SOURCE_TOKEN", "")]);
    assert!(code == Some(3) && said.contains("was refused: allow"), "{said}");
    assert_eq!(vault.asked(), [arn("x")]);
    let (code, said) = audited("http://127.0.0.1:9", &list, &[]);
    assert!(code == Some(3) && said.contains("a way to Secrets Manager") && said.contains(&arn("x")), "{said}");
    let (code, said) = audited(&vault.address, "", &[]);
    assert!(code == Some(64) && said.contains("`SOURCE_TOKEN` is not set"), "{said}");
}

#[test]
fn a_function_with_a_malformed_list_does_not_begin() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pipewarden.toml"), "").unwrap();
    let vault = Vault::start(|_, _| Ok(SECRET.to_owned()));
    let api = Api::start(plenty(&[json!({"audit": {}})]));
    let mut function = function(&api, folder.path(), &vault, SECRET, "http://127.0.0.1:9");
    let posted = api.next();
    assert_eq!(posted.path, "/2018-06-01/runtime/init/error");
    assert_eq!(posted.kind.as_deref(), Some("pipewarden.usage"));
    let message = posted.body["errorMessage"].as_str().unwrap();
    assert!(
        message.starts_with("entry 1 of PIPEWARDEN_SECRETS cannot be read: ") && !message.contains(SECRET),
        "{message}"
    );
    assert_eq!(function.0.wait().unwrap().code(), Some(64));
    assert!(vault.asked().is_empty());
}

/// What a collector could ask for, the role in every account would be allowed.
#[test]
fn collectors_never_ask_for_the_value_of_a_secret() {
    for collector in COLLECTORS {
        for action in collector.actions() {
            assert!(!action.starts_with("secretsmanager:") || action.ends_with(":DescribeSecret"), "{action}");
        }
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut asking = Vec::new();
    for path in secrets::files(&source) {
        let text = fs::read_to_string(&path).unwrap_or_default();
        if ["get_secret_value()", "batch_get_secret_value"].iter().any(|call| text.contains(call)) {
            asking.push(path.strip_prefix(&source).unwrap().to_owned());
        }
    }
    assert_eq!(asking, [Path::new("cli/secrets.rs")]);
}
