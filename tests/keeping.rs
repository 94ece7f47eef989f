//! What is kept beside runs: what deliveries remember, in a bucket that several machines share, and the configuration.

use std::collections::BTreeMap;
use std::path::Path;

use pipewarden::deliver::Memory;
use pipewarden::run::{LastWords, Objects, Store, StoreAddress};
use serde_json::{Value, json};

use crate::cli::pipewarden;
use crate::loopback;
use crate::moto::Moto;

const NAME: &str = "deliveries/hub.jsonl";

async fn store(moto: &Moto, folder: &Path) -> Store {
    let sdk = moto.config(loopback::credentials(), "us-east-1");
    let address = StoreAddress::of(Path::new("s3://memories/nightly")).unwrap().unwrap();
    Store::new(Objects::open(&sdk, address).await.unwrap(), folder)
}

async fn fetched(moto: &Moto, folder: &Path) -> Store {
    let store = store(moto, folder).await;
    store.fetch_folder("deliveries/", &|_| true).await.unwrap();
    store
}

/// What a machine that comes later remembers, and how many lines that takes.
async fn remembered(moto: &Moto) -> (BTreeMap<String, Value>, u64) {
    let folder = tempfile::tempdir().unwrap();
    fetched(moto, folder.path()).await;
    let words = LastWords::read(&folder.path().join(NAME)).unwrap();
    (words.entries, words.lines)
}

fn say(folder: &Path, words: &[(&str, Value)]) {
    let mut memory = Memory::open(folder, "hub").unwrap();
    memory.put_all(words.iter().map(|(key, value)| ((*key).to_owned(), value.clone()))).unwrap();
}

#[test]
fn machines_that_deliver_at_once_lose_no_word_of_each_other_though_one_writes_the_memory_anew() {
    let moto = Moto::start();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let config = moto.config(loopback::credentials(), "us-east-1");
        let s3 =
            aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build());
        s3.create_bucket().bucket("memories").send().await.unwrap();
        let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let first = fetched(&moto, folders[0].path()).await;
        // A long life: three findings, told again and again.
        let mut memory = Memory::open(folders[0].path(), "hub").unwrap();
        for night in 0..400 {
            memory.put_all(["a", "b", "c"].map(|key| (key.to_owned(), json!(night)))).unwrap();
        }
        drop(memory);
        first.send_beside().await.unwrap();
        let (entries, lines) = remembered(&moto).await;
        assert_eq!(entries["a"], 399);
        assert!(lines > 1_006, "{lines}");

        // Two machines begin with that; both write it anew, and each says something else.
        let second = fetched(&moto, folders[1].path()).await;
        let third = fetched(&moto, folders[2].path()).await;
        say(folders[1].path(), &[("a", json!("second")), ("b", Value::Null), ("d", json!("second"))]);
        say(folders[2].path(), &[("c", json!("third")), ("e", json!("third"))]);
        assert!(LastWords::read(&folders[2].path().join(NAME)).unwrap().lines <= 5, "it was not written anew");
        second.send_beside().await.unwrap();
        third.send_beside().await.unwrap();
        let (entries, lines) = remembered(&moto).await;
        let expected = [("a", "second"), ("c", "third"), ("d", "second"), ("e", "third")];
        assert_eq!(entries, expected.map(|(key, value)| (key.to_owned(), json!(value))).into());
        assert!(lines < 20, "{lines}");

        // What this process said after it was sent the first time comes after what others said meanwhile, and nothing of
        // the first time is said again.
        let fourth = fetched(&moto, folders[0].path()).await;
        say(folders[0].path(), &[("a", json!("fourth"))]);
        second.send_beside().await.unwrap();
        fourth.send_beside().await.unwrap();
        say(folders[1].path(), &[("d", json!("second again"))]);
        second.send_beside().await.unwrap();
        let (entries, _) = remembered(&moto).await;
        assert_eq!(
            (&entries["a"], &entries["d"], &entries["c"]),
            (&json!("fourth"), &json!("second again"), &json!("third"))
        );
        // Where nothing was said, nothing changes.
        let (before, again) = (remembered(&moto).await, fetched(&moto, folders[2].path()).await);
        again.send_beside().await.unwrap();
        assert_eq!(remembered(&moto).await, before);
    });
}

#[test]
fn a_configuration_means_the_same_wherever_the_program_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let policy = "@id(\"ours\") @title(\"t\") @severity(\"LOW\") @remediation(\"r\") @frameworks(\"f\")\nforbid (principal, action == Pipewarden::Action::\"Release\", resource is AWS::CodePipeline::Pipeline)\nunless { resource.pipelineType == \"V2\" };\n";
    write("conf/ours/controls/ours.cedar", policy);
    let cases = json!({"cases": [
        {"name": "v2", "facts": {"pipelineType": "V2"}, "expect": "Compliant"},
        {"name": "v1", "facts": {"pipelineType": "V1"}, "expect": "NonCompliant"},
    ]});
    write("conf/ours/controls/ours.tests.json", &cases.to_string());
    write("conf/key", "0123456789abcdef0123456789abcdef");
    write("conf/OWNERS", "* platform\n");
    write(
        "conf/pipewarden.toml",
        "[policies]\nfolders = [\"ours\"]\n[owners]\nfile = \"OWNERS\"\n[secrets]\nfingerprint_key_file = \"key\"\n",
    );
    let controls = |from: &str, config: &str| {
        let args = ["controls", "--config", config, "list"];
        pipewarden(&args, &folder.path().join(from))
    };
    for (from, config) in
        [("", "conf/pipewarden.toml"), ("conf", "pipewarden.toml"), ("conf/ours", "../pipewarden.toml")]
    {
        let output = controls(from, config);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && said.contains("ours"),
            "{from}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let demo = ["demo", "--accounts", "1", "--pipelines", "1", "--no-limits", "--fail-on", "none", "--config"];
    let output = pipewarden(&[&demo[..], &["conf/pipewarden.toml"]].concat(), folder.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The place where it was looked for is told.
    std::fs::remove_file(folder.path().join("conf/OWNERS")).unwrap();
    let output = controls("", "conf/pipewarden.toml");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(64) && said.contains("conf/OWNERS"), "{said}");
}
