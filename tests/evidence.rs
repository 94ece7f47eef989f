//! Runs as evidence, from the command line: the chain, what breaks it, signatures by a key that is not ours.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::moto;

const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/0a1b2c3d-0000-4000-8000-000000000001";

fn pipewarden(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(args)
        .current_dir(folder)
        .env_clear()
        .envs([
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("HOME", "/nonexistent"),
            ("AWS_ACCESS_KEY_ID", "AKIATEST"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
        ])
        .output()
        .unwrap()
}

fn succeeds(folder: &Path, args: &[&str]) -> String {
    let output = pipewarden(folder, args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn fails(folder: &Path, args: &[&str], words: &[&str]) {
    let output = pipewarden(folder, args);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{args:?}: {text}");
    for word in words {
        // Messages are wrapped to the width of a terminal.
        let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(plain.contains(word), "{args:?}: `{word}` is not in: {plain}");
    }
}

/// Runs of the smallest organization, oldest first.
fn runs(folder: &Path, number: usize) -> Vec<PathBuf> {
    for _ in 0..number {
        succeeds(folder, &["demo", "--accounts", "2", "--regions", "eu-central-1", "--pipelines", "1", "--no-limits"]);
    }
    let mut found: Vec<PathBuf> = fs::read_dir(folder.join("pipewarden-out/runs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    assert_eq!(found.len(), number);
    found
}

fn named(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

fn first_key(signers: &[Signer]) -> &str {
    signers[0].public_key.to_str().unwrap()
}

#[test]
fn the_first_thing_that_does_not_hold_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let runs = runs(at, 3);
    let text = succeeds(at, &["verify", "--all"]);
    let holds = |run: &Path| format!("{} holds:", named(run));
    let places: Vec<usize> = runs.iter().map(|run| text.find(&holds(run)).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");
    assert!(text.contains("the first of its chain") && text.contains("not signed"), "{text}");
    assert!(succeeds(at, &["verify"]).contains(&holds(&runs[2])));

    let findings = runs[1].join("findings.csv");
    let whole = fs::read(&findings).unwrap();
    fs::write(&findings, [whole.as_slice(), b"x"].concat()).unwrap();
    fails(at, &["verify", "--all"], &["findings.csv was changed"]);
    fs::write(&findings, whole).unwrap();
    fs::write(runs[1].join("more.txt"), "x").unwrap();
    fails(at, &["verify", "--all"], &["more.txt was added"]);
    fs::remove_file(runs[1].join("more.txt")).unwrap();
    succeeds(at, &["verify", "--all"]);

    let kept = fs::read_to_string(runs[1].join("manifest.json")).unwrap();
    fs::remove_dir_all(&runs[1]).unwrap();
    fails(at, &["verify", "--all"], &["the chain is broken", named(&runs[0]), "a run was taken away"]);
    assert!(succeeds(at, &["verify"]).contains("which is no longer here"));
    // As pruning leaves it: the manifest of the run that is gone still joins its neighbours.
    let pruned = at.join("pipewarden-out/pruned");
    fs::create_dir(&pruned).unwrap();
    let left = pruned.join(format!("{}.manifest.json", named(&runs[1])));
    fs::write(&left, &kept).unwrap();
    succeeds(at, &["verify", "--all"]);
    fs::write(&left, kept.replacen("\"gaps\": ", "\"gaps\": 1", 1)).unwrap();
    fails(at, &["verify", "--all"], &["the chain is broken", named(&runs[1])]);
}

#[test]
fn a_run_that_was_taken_away_at_the_oldest_end_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let runs = runs(at, 3);
    let kept = fs::read(runs[0].join("manifest.json")).unwrap();
    fs::remove_dir_all(&runs[0]).unwrap();
    let words = ["broken at its oldest end", named(&runs[0]), named(&runs[1]), "check the runs without --all"];
    fails(at, &["verify", "--all"], &words);
    for run in &runs[1..] {
        succeeds(at, &["verify", named(run)]);
    }
    // Pruning keeps the manifest, so that nobody has to be believed.
    let pruned = at.join("pipewarden-out/pruned");
    fs::create_dir(&pruned).unwrap();
    fs::write(pruned.join(format!("{}.manifest.json", named(&runs[0]))), kept).unwrap();
    succeeds(at, &["verify", "--all"]);
}

/// Gone when dropped.
struct Signer {
    server: Child,
    endpoint: String,
    public_key: PathBuf,
}

impl Signer {
    fn start(kind: &str, folder: &Path) -> Self {
        let public_key = folder.join(format!("{kind}.pem"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kms-signer.py");
        let mut server = Command::new(moto::environment().join("bin/python"))
            .arg(script)
            .arg(kind)
            .arg(&public_key)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { server, endpoint: format!("http://127.0.0.1:{}", port.trim()), public_key }
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn a_manifest_that_was_taken_away_is_missed_at_either_end() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let runs = runs(at, 2);
    for run in &runs {
        let manifest = run.join("manifest.json");
        let kept = fs::read(&manifest).unwrap();
        fs::remove_file(&manifest).unwrap();
        fails(at, &["verify", "--all"], &[named(run), "has report.jsonl.gz, but no manifest.json"]);
        fs::write(&manifest, kept).unwrap();
    }
    // One that never had a manifest is named, and so is one that ended without a verdict.
    for id in ["20271121T020000Z", "20271122T020000Z"] {
        let other = at.join("pipewarden-out/runs").join(id);
        fs::create_dir(&other).unwrap();
        fs::copy(runs[0].join("plan.json"), other.join("plan.json")).unwrap();
    }
    fs::write(at.join("pipewarden-out/runs/20271122T020000Z/failed.txt"), "no \u{1b}[2Jaccount").unwrap();
    let text = succeeds(at, &["verify", "--all"]);
    assert!(text.contains("20271121T020000Z is not checked: it is unfinished"), "{text}");
    assert!(text.contains("20271122T020000Z is not checked: it failed"), "{text}");
    assert!(text.contains("no \\u{1b}[2Jaccount") && !text.contains('\u{1b}'), "{text}");

    // A run is named by its id as well.
    let id = named(&runs[0]);
    assert!(succeeds(at, &["verify", id]).contains(&format!("{id} holds:")));
    let csv = String::from_utf8(fs::read(runs[0].join("findings.csv")).unwrap()).unwrap();
    assert_eq!(succeeds(at, &["report", id, "--format", "csv"]), csv);
}

#[test]
fn a_run_is_signed_by_kms_and_checked_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let runs = runs(at, 2);
    fs::write(at.join("signing.toml"), format!("[signing]\nkms_key = \"{KEY}\"\n")).unwrap();
    let signers = [Signer::start("p256", at), Signer::start("rsa", at)];
    for (signer, run) in signers.iter().zip(&runs) {
        let run = run.to_str().unwrap();
        succeeds(at, &["sign", run, "--config", "signing.toml", "--endpoint-url", &signer.endpoint]);
        fails(at, &["sign", run, "--config", "signing.toml", "--endpoint-url", &signer.endpoint], &["signed already"]);
        let key = signer.public_key.to_str().unwrap();
        let text = succeeds(at, &["verify", run, "--public-key", key]);
        assert!(text.contains("signature checked with the public key of SHA-256"), "{text}");
        assert!(text.contains(&format!("it says it is of {KEY}")), "{text}");
        assert!(succeeds(at, &["verify", run]).contains("not checked, give its --public-key"));
    }
    // The name of the key is not signed: whoever changes it changes words, and no terminal.
    let signature = runs[0].join("manifest.signature.json");
    let text = fs::read_to_string(&signature).unwrap();
    fs::write(&signature, text.replacen(KEY, "arn\\u001b[2J", 1)).unwrap();
    for args in [&["verify", named(&runs[0])][..], &["verify", named(&runs[0]), "--public-key", first_key(&signers)]] {
        let text = succeeds(at, args);
        assert!(text.contains("it is of arn\\u{1b}[2J") && !text.contains('\u{1b}'), "{text}");
    }
    fs::write(&signature, text).unwrap();
    let [first, second] = [&signers[0], &signers[1]].map(|signer| signer.public_key.to_str().unwrap());
    fails(at, &["verify", runs[0].to_str().unwrap(), "--public-key", second], &["not made with the private part"]);

    // Whoever rewrites a run, its manifest and the hash in the signature's file still has no key.
    let manifest = runs[0].join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replacen("\"gaps\": ", "\"gaps\": 1", 1)).unwrap();
    fails(at, &["verify", runs[0].to_str().unwrap(), "--public-key", first], &["one of them was changed"]);
    fs::write(&manifest, text).unwrap();
    succeeds(at, &["verify", runs[0].to_str().unwrap(), "--public-key", first]);

    fs::remove_file(runs[0].join("manifest.signature.json")).unwrap();
    fails(at, &["verify", runs[0].to_str().unwrap(), "--public-key", first], &["is not signed", "pipewarden sign"]);
}
