//! What a release is made of: image, build, workflows. They run elsewhere, so what can be held by reading is held here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pipewarden::template::{Document, Limits};
use regex_lite::Regex;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    Document::read(path, text(path).as_bytes(), &Limits::default())
        .unwrap_or_else(|error| panic!("{path}: {error:?}"))
        .root
        .to_value()
}

/// Instructions of a Dockerfile: name and the rest, lines joined, comments gone.
fn instructions(dockerfile: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = dockerfile.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    joined
        .lines()
        .filter_map(|line| line.trim().split_once(' '))
        .map(|(name, rest)| (name.to_owned(), rest.trim().to_owned()))
        .collect()
}

fn all<'a>(instructions: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    instructions.iter().filter(|(known, _)| known == name).map(|(_, rest)| rest.as_str()).collect()
}

#[test]
fn every_base_of_the_image_is_pinned_by_tag_and_digest() {
    let pinned = Regex::new("^[a-z0-9./-]+:[A-Za-z0-9._-]+@sha256:[0-9a-f]{64}( AS [a-z]+)?$").unwrap();
    let instructions = instructions(&text("Dockerfile"));
    let bases = all(&instructions, "FROM");
    assert_eq!(bases.len(), 2, "{bases:?}");
    assert!(bases.iter().all(|base| pinned.is_match(base)), "{bases:?}");
    assert!(!pinned.is_match("debian:bookworm") && !pinned.is_match("debian@sha256:0"), "the pattern would be noticed");
}

#[test]
fn the_image_runs_as_nobody_in_particular_and_writes_to_one_place() {
    let instructions = instructions(&text("Dockerfile"));
    let last = instructions.iter().rposition(|(name, _)| name == "FROM").unwrap();
    let last = &instructions[last..];
    let users = all(last, "USER");
    let (user, group) = users.last().unwrap().split_once(':').unwrap();
    assert!(user.parse::<u32>().unwrap() > 0 && group.parse::<u32>().unwrap() > 0, "{users:?}");
    assert_eq!(all(last, "ENTRYPOINT"), ["[\"/pipewarden\"]"]);
    assert_eq!(all(last, "VOLUME"), ["[\"/tmp\"]"]);
    assert_eq!(all(last, "WORKDIR"), ["/"], "a run without --out must not write into the container");
    assert!(all(last, "RUN").is_empty(), "there is no shell in the last stage");
    assert!(all(last, "ADD").is_empty() && all(last, "EXPOSE").is_empty());
    for copied in all(last, "COPY") {
        assert!(copied.contains("--chmod=0555 ") || copied.contains("--chmod=0444 "), "{copied}");
    }
}

#[test]
fn toolchain_and_tools_are_the_same_wherever_something_is_released() {
    let dockerfile = text("Dockerfile");
    let toolchain = Regex::new("FROM rust:([0-9]+[.][0-9]+[.][0-9]+)-").unwrap();
    let toolchain = toolchain.captures(&dockerfile).unwrap()[1].to_owned();
    assert_eq!(yaml(".github/workflows/release.yml")["env"]["RUST"], *toolchain);
    assert!(text(".github/workflows/ci.yml").contains(&format!("container: rust:{toolchain}-")));
    let numbers = |version: &str| -> Vec<u32> { version.split('.').map(|part| part.parse().unwrap()).collect() };
    let manifest = text("Cargo.toml");
    let oldest = Regex::new("rust-version = \"([0-9.]+)\"").unwrap().captures(&manifest).unwrap()[1].to_owned();
    assert!(numbers(&toolchain) >= numbers(&oldest), "{toolchain} is older than {oldest}");

    let tool = Regex::new("(cargo-(?:auditable|cyclonedx))@([0-9.]+)").unwrap();
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in ["Dockerfile", ".github/workflows/release.yml"] {
        let text = text(file);
        let found: Vec<_> = tool.captures_iter(&text).collect();
        assert!(found.len() >= 2, "{file} installs no tools");
        for found in found {
            versions.entry(found[1].to_owned()).or_default().insert(found[2].to_owned());
        }
    }
    assert!(versions.len() == 2 && versions.values().all(|versions| versions.len() == 1), "{versions:?}");
}

/// What `.dockerignore` lets through: it names everything that may pass, so a new place is forgotten easily.
fn passes(ignored: &str, path: &str) -> bool {
    let allowed = |line: &str| {
        line.strip_prefix('!')
            .is_some_and(|kept| path.strip_prefix(kept).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    };
    ignored.lines().any(allowed)
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn everything_that_the_build_reads_gets_into_the_image() {
    let ignored = text(".dockerignore");
    assert!(ignored.lines().any(|line| line == "*"), "it begins with nothing");
    assert!(
        !passes(&ignored, "docs/adding.md") && !passes(&ignored, "srcs/main.rs") && !passes(&ignored, ".git/config")
    );

    let mut needed: BTreeSet<String> =
        ["Cargo.toml", "Cargo.lock", "LICENSE", "build.rs", "policies", ".ci/release"].map(str::to_owned).into();
    let manifest = text("Cargo.toml");
    let named = Regex::new("(?m)^(?:path|readme) = \"([^\"]+)\"").unwrap();
    needed.extend(named.captures_iter(&manifest).map(|named| named[1].to_owned()));
    let bench = Regex::new("\\[\\[bench\\]\\]\\s+name = \"([a-z_]+)\"").unwrap();
    needed.extend(bench.captures_iter(&manifest).map(|bench| format!("benches/{}.rs", &bench[1])));

    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    assert!(files.len() > 100, "the sources were not found");
    let included = Regex::new("include_(?:str|bytes)!\\(\"([^\"]+)\"\\)").unwrap();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        if file.components().any(|part| part.as_os_str() == "tests") || name.contains("tests") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for named in included.captures_iter(&text) {
            let path = file.parent().unwrap().join(&named[1]).canonicalize().unwrap();
            needed.insert(path.strip_prefix(root().canonicalize().unwrap()).unwrap().to_str().unwrap().to_owned());
        }
    }
    assert!(needed.iter().any(|path| path.starts_with("reports/html/")), "{needed:?}");
    let left_out: Vec<_> = needed.iter().filter(|path| !passes(&ignored, path)).collect();
    assert!(left_out.is_empty(), ".dockerignore keeps these from the build: {left_out:?}");
    let absent: Vec<_> = needed.iter().filter(|path| !root().join(path).exists()).collect();
    assert!(absent.is_empty(), "{absent:?}");
}

#[test]
fn the_release_build_is_locked_and_forgets_where_it_was_made() {
    let script = text(".ci/release");
    for needed in [
        "set -euo pipefail",
        "cargo auditable build --release --locked",
        "--remap-path-prefix=$source=",
        "--remap-path-prefix=$home=",
        "-ffile-prefix-map=$source=",
        "SOURCE_DATE_EPOCH",
        "cargo cyclonedx",
    ] {
        assert!(script.contains(needed), "{needed}");
    }
    assert!(text("Dockerfile").contains("bash .ci/release "), "the image is built by the same script");
    assert!(
        text(".github/workflows/release.yml").matches("bash .ci/release ").count() == 2,
        "and so are the archives, twice"
    );
}

const WORKFLOWS: [&str; 2] = [".github/workflows/ci.yml", ".github/workflows/release.yml"];

#[test]
fn there_are_no_workflows_but_those_that_are_looked_at() {
    let found = fs::read_dir(root().join(".github/workflows")).unwrap();
    let found: BTreeSet<String> =
        found.map(|entry| format!(".github/workflows/{}", entry.unwrap().file_name().to_str().unwrap())).collect();
    assert_eq!(found, WORKFLOWS.map(str::to_owned).into());
}

#[test]
fn every_action_is_pinned_by_its_commit_and_says_which_version_that_is() {
    let pinned = Regex::new("^[A-Za-z0-9_.-]+/[A-Za-z0-9_./-]+@[0-9a-f]{40} # v[0-9]+[.][0-9]+[.][0-9]+$").unwrap();
    let used = Regex::new("(?m)^\\s*(?:- )?uses: *(.+)$").unwrap();
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in WORKFLOWS {
        for action in used.captures_iter(&text(file)) {
            let action = action[1].trim();
            if action.starts_with("./") {
                assert!(root().join(action).exists(), "{file}: {action}");
                continue;
            }
            assert!(pinned.is_match(action), "{file}: {action}");
            let (name, version) = action.split_once('@').unwrap();
            versions.entry(name.to_owned()).or_default().insert(version.to_owned());
        }
    }
    assert!(versions.len() > 3 && versions.values().all(|versions| versions.len() == 1), "{versions:?}");
}

#[test]
fn no_job_may_do_more_than_it_says_and_none_runs_for_ever() {
    for file in WORKFLOWS {
        let workflow = yaml(file);
        assert_eq!(workflow["permissions"], serde_json::json!({}), "{file}: nothing, unless a job says so");
        let on = &workflow["on"];
        let triggers: Vec<&str> = match on {
            Value::Object(on) => on.keys().map(String::as_str).collect(),
            other => panic!("{file}: {other}"),
        };
        let allowed = ["push", "pull_request", "workflow_call"];
        assert!(triggers.iter().all(|trigger| allowed.contains(trigger)), "{file}: {triggers:?}");
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            let permissions = job["permissions"].as_object().unwrap_or_else(|| panic!("{file}: {name} says nothing"));
            let writes: Vec<&str> =
                permissions.iter().filter(|(_, level)| *level == "write").map(|(scope, _)| scope.as_str()).collect();
            let may: &[&str] = match name.as_str() {
                "image" => &["packages"],
                "sign" => &["attestations", "id-token", "packages"],
                "publish" => &["contents"],
                _ => &[],
            };
            assert_eq!(writes, may, "{file}: {name}");
            assert!(job.get("uses").is_some() || job["timeout-minutes"].as_u64().is_some(), "{file}: {name}");
            let builds = job.to_string().contains(".ci/r") || job.to_string().contains("buildx build");
            assert!(!builds || !writes.contains(&"id-token"), "{file}: {name} signs what it builds");
        }
    }
}

/// Steps of all jobs, and of the action.
fn steps(file: &str) -> Vec<Value> {
    let document = yaml(file);
    let of_jobs = document["jobs"].as_object().into_iter().flatten().map(|(_, job)| &job["steps"]);
    let lists = of_jobs.chain([&document["runs"]["steps"]]);
    lists.filter_map(Value::as_array).flatten().cloned().collect()
}

#[test]
fn no_text_of_an_event_becomes_part_of_a_script() {
    for file in WORKFLOWS.iter().chain(&["action.yml"]) {
        let steps = steps(file);
        assert!(!steps.is_empty(), "{file}");
        for step in steps {
            let script = step["run"].as_str().unwrap_or_default();
            assert!(!script.contains("${{"), "{file}: values travel as environment variables: {script}");
            assert!(!script.contains("curl") && !script.contains("| sh"), "{file}: {script}");
        }
    }
}

#[test]
fn checkouts_leave_no_credentials_behind() {
    let mut checkouts = 0;
    for step in WORKFLOWS.iter().flat_map(|file| steps(file)) {
        if step["uses"].as_str().is_some_and(|uses| uses.starts_with("actions/checkout@")) {
            assert_eq!(step["with"]["persist-credentials"], false, "{step}");
            checkouts += 1;
        }
    }
    assert!(checkouts > 3);
}

#[test]
#[cfg(unix)]
fn the_action_says_how_the_check_ended_and_where_its_findings_are() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;
    let steps = steps("action.yml");
    let script = steps.iter().find(|step| step["id"] == "check").unwrap()["run"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("bin")).unwrap();
    for code in ["0", "1", "2", "64"] {
        fs::write(at("bin/pipewarden"), format!("#!/bin/sh\n: > found.sarif\nexit {code}\n")).unwrap();
        fs::set_permissions(at("bin/pipewarden"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(at("output"), "").unwrap();
        let path = format!("{}:{}", at("bin").display(), std::env::var("PATH").unwrap());
        let empty = ["PATHS", "BASE", "CONFIG", "POLICIES", "PARAMETERS", "INVENTORY"].map(|name| (name, ""));
        // As a runner starts `shell: bash`.
        let status = Command::new("bash")
            .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script])
            .envs(empty)
            .envs([("PATH", path.as_str()), ("FAIL_ON", "low"), ("FAIL_ON_GAPS", "false"), ("SARIF", "found.sarif")])
            .env("GITHUB_OUTPUT", at("output"))
            .current_dir(folder.path())
            .status()
            .unwrap();
        assert_eq!(status.code().unwrap().to_string(), code);
        assert_eq!(fs::read_to_string(at("output")).unwrap(), format!("exit-code={code}\nsarif=found.sarif\n"));
    }
}

#[test]
fn a_tag_of_one_platform_is_no_index() {
    let release = text(".github/workflows/release.yml");
    let created: Vec<&str> = release.lines().filter(|line| line.contains("imagetools create")).collect();
    assert_eq!(created.len(), 3, "{created:?}");
    for line in created {
        let sources = line.matches("$IMAGE@").count();
        assert_eq!(sources == 1, line.contains("--prefer-index=false"), "{line}");
    }
}
