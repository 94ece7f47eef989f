//! The command line as a user meets it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// A pipewarden without anything of this machine's environment, so that no real credentials are ever found.
fn pipewarden(args: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(args)
        .current_dir(folder)
        .env_clear()
        .envs([("AWS_EC2_METADATA_DISABLED", "true"), ("HOME", "/nonexistent")])
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs and expects an error with an exit code and words that say what, where and how to mend.
fn refused(args: &[&str], folder: &Path, code: i32, words: &[&str]) {
    let output = pipewarden(args, folder);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{args:?}: `{word}` is not in: {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
    assert!(
        !folder.join("pipewarden-out/runs").is_dir()
            || fs::read_dir(folder.join("pipewarden-out/runs")).unwrap().flatten().all(|e| !e.path().is_dir()),
        "{args:?} left something behind"
    );
}

#[test]
fn bad_input_is_named_with_its_place_and_its_mending() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("unknown.toml", "[role]\nnmae = \"x\"\n");
    write("token.toml", "[[hosts]]\nhost = \"github.com\"\ntoken_env = \"NO_SUCH_TOKEN\"\n");
    write("secret.toml", "[[hosts]]\nhost = \"github.com\"\ntoken = \"hunter2\"\n");
    write("role.toml", "[role]\nname = \"not a role\"\n");
    write("broken/controls/x.cedar", "forbid (principal\n");
    write(
        "fact/controls/x.cedar",
        "@id(\"x\") @title(\"t\") @severity(\"LOW\") @remediation(\"r\") @frameworks(\"f\")\nforbid (principal, action == Pipewarden::Action::\"Release\", resource is AWS::CodePipeline::Pipeline)\nunless { resource.pipelineTipe == \"V2\" };\n",
    );
    write(
        "exception/exceptions/x.cedar",
        "@id(\"x\") @control(\"codepipeline-type-v2\")\npermit (principal, action, resource);\n",
    );
    fs::create_dir(folder.path().join("empty")).unwrap();
    let at = folder.path();
    refused(&["audit", "--config", "missing.toml"], at, 64, &["missing.toml", "cannot be read"]);
    refused(&["audit", "--config", "token.toml"], at, 64, &["github.com", "NO_SUCH_TOKEN", "not set"]);
    refused(&["collect", "--config", "token.toml"], at, 64, &["`token_env`", "NO_SUCH_TOKEN"]);
    refused(&["audit", "--config", "secret.toml"], at, 64, &["secret.toml", "`token`", "`token_env`"]);
    assert!(!stderr(&pipewarden(&["audit", "--config", "secret.toml"], at)).contains("hunter2"));
    refused(&["audit", "--config", "unknown.toml"], at, 64, &["unknown.toml", "line 2", "nmae", "expected"]);
    refused(&["audit", "--config", "role.toml"], at, 64, &["role.toml", "role.name", "not a role"]);
    refused(&["demo", "--policies", "broken"], at, 64, &["broken/controls/x.cedar"]);
    refused(&["demo", "--policies", "fact"], at, 64, &["fact/controls/x.cedar", "pipelineTipe", "pipelineType"]);
    refused(&["demo", "--policies", "exception"], at, 64, &["exception/exceptions/x.cedar", "@owner", "@expires"]);
    refused(&["demo", "--policies", "empty"], at, 64, &["empty", "no policies"]);
    refused(&["audit", "--no-such-flag"], at, 64, &["--no-such-flag"]);
    refused(&["audit", "--fail-on", "bad"], at, 64, &["bad", "CRITICAL"]);
    refused(&["controls", "show", "nothing"], at, 64, &["nothing", "controls list"]);
    refused(&["report"], at, 64, &["no run", "pipewarden audit"]);
}

#[test]
fn without_credentials_the_run_fails_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    refused(&["audit"], folder.path(), 3, &["credentials", "AWS_PROFILE", "pipewarden demo"]);
}

#[test]
fn an_output_folder_that_cannot_be_written_is_an_error_before_anything_is_collected() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    refused(&["demo", "--out", "file/out"], folder.path(), 3, &["file/out"]);
}

#[test]
fn the_demo_reports_and_its_exit_codes_follow_the_options() {
    let folder = tempfile::tempdir().unwrap();
    let small = ["demo", "--accounts", "3", "--pipelines", "1", "--regions", "eu-west-1"];
    let quiet = pipewarden(&small, folder.path());
    assert_eq!(quiet.status.code(), Some(0), "{}", stderr(&quiet));
    let summary = String::from_utf8(quiet.stdout).unwrap();
    assert!(summary.contains("NonCompliant") || summary.contains("non-compliant"), "{summary}");
    let failing = pipewarden(&[small.as_slice(), &["--fail", "--fresh"]].concat(), folder.path());
    assert_eq!(failing.status.code(), Some(1), "{}", stderr(&failing));
    let csv = pipewarden(&["report", "--format", "csv"], folder.path());
    assert_eq!(csv.status.code(), Some(0), "{}", stderr(&csv));
    assert!(String::from_utf8(csv.stdout).unwrap().starts_with("finding_id,"));
    let again = pipewarden(&["evaluate", "--fail-on", "none"], folder.path());
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
}

#[test]
fn a_run_that_could_enter_no_account_has_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let listed = pipewarden(&["demo", "--accounts", "3", "--no-denials", "--deny", "sts:AssumeRole"], folder.path());
    assert_eq!(listed.status.code(), Some(0), "the audit account itself needs no role: {}", stderr(&listed));
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let management = text.split_whitespace().find(|word| word.len() == 12 && word.bytes().all(|b| b.is_ascii_digit()));
    let management = management.unwrap_or_default();
    fs::write(folder.path().join("others.toml"), format!("[accounts]\nexclude = [\"{management}\"]\n")).unwrap();
    let args = ["demo", "--accounts", "3", "--no-denials", "--deny", "sts:AssumeRole", "--config", "others.toml"];
    let output = pipewarden(&args, folder.path());
    assert_eq!(output.status.code(), Some(3), "{}{}", String::from_utf8_lossy(&output.stdout), stderr(&output));
    assert!(stderr(&output).contains("no account could be entered"), "{}", stderr(&output));
    // It is neither gone on with nor a link of the chain: the next run starts anew, after the first.
    let again = pipewarden(&args, folder.path());
    assert_eq!(again.status.code(), Some(3), "{}", stderr(&again));
    let open = pipewarden(&["demo", "--accounts", "3", "--no-denials", "--config", "others.toml"], folder.path());
    assert_eq!(open.status.code(), Some(0), "{}", stderr(&open));
    let runs = folder.path().join("pipewarden-out/runs");
    let mut runs: Vec<_> = fs::read_dir(runs).unwrap().map(|run| run.unwrap().path()).filter(|p| p.is_dir()).collect();
    runs.sort();
    let [first, failed, failed_again, last] = runs.as_slice() else { panic!("{runs:?}") };
    for run in [failed, failed_again] {
        assert!(run.join("failed.txt").is_file() && run.join("coverage.csv").is_file());
        assert!(!run.join("manifest.json").exists(), "{}", run.display());
    }
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(last.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["previous"]["runId"].as_str(), first.file_name().unwrap().to_str());
}

#[test]
fn controls_can_be_listed_shown_and_tested() {
    let folder = tempfile::tempdir().unwrap();
    let list = String::from_utf8(pipewarden(&["controls", "list"], folder.path()).stdout).unwrap();
    assert!(list.lines().count() >= 30, "{list}");
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let tested = pipewarden(&["controls", "test", policies.to_str().unwrap()], folder.path());
    let text = String::from_utf8_lossy(&tested.stdout).into_owned();
    assert_eq!(tested.status.code(), Some(0), "{text}{}", stderr(&tested));
    assert!(text.contains(" 0 failed"), "{text}");
}

#[test]
fn the_roles_permissions_are_reads_only() {
    let folder = tempfile::tempdir().unwrap();
    for role in ["member", "audit"] {
        let output = pipewarden(&["role", "--for", role], folder.path());
        let policy: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let actions = policy["Statement"][0]["Action"].as_array().unwrap();
        assert!(actions.len() > 5);
        for action in actions {
            let (_, operation) = action.as_str().unwrap().split_once(':').unwrap();
            assert!(
                ["Get", "List", "Describe", "BatchGet", "AssumeRole"].iter().any(|read| operation.starts_with(read)),
                "{action}"
            );
        }
    }
}
