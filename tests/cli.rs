//! The command line as a user meets it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// A pipewarden without anything of this machine's environment, so that no real credentials are ever found.
pub(crate) fn pipewarden(args: &[&str], folder: &Path) -> Output {
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
    refused(&["audit", "--config", "secret.toml"], at, 64, &["secret.toml", "`hosts.token`", "`token_env`"]);
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

/// Controls and exceptions in a folder, as a user would write them.
fn written(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

const OURS: &str = "@id(\"ours\")\n@title(\"t\") @severity(\"LOW\") @remediation(\"r\") @frameworks(\"f\")\nforbid (principal, action == Pipewarden::Action::\"Release\", resource is AWS::CodePipeline::Pipeline)\nunless { resource.pipelineType == \"V2\" };\n";
const CASES: &str =
    "{\"cases\": [\n{\"name\": \"v2\", \"facts\": {\"pipelineType\": \"V2\"}, \"expect\": \"Compliant\"}]}";

fn exception(id: &str, control: &str, expires: &str, more: &str, scope: &str) -> String {
    format!(
        "@id(\"{id}\")\n@control(\"{control}\")\n@owner(\"alice\") @ticket(\"T-1\") @reason(\"r\") {more}\n@expires(\"{expires}\")\npermit (principal, action, {scope};\n\n"
    )
}

#[test]
fn every_mistake_in_policies_is_named_at_once_with_file_line_column_and_mending() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let ended = exception("ended", "codepipeline-type-v2", "2026-01-01", "", "resource)");
    written(
        at,
        &[
            ("twice/controls/a.cedar", OURS),
            ("twice/controls/b.cedar", OURS),
            ("twice/controls/ours.tests.json", CASES),
            ("bare/controls/ours.cedar", OURS),
            ("nameless/controls/ours.cedar", &OURS.replace("@id(\"ours\")", "")),
            ("fact/controls/ours.cedar", &OURS.replace("pipelineType", "pipelineTipe")),
            ("fact/controls/ours.tests.json", &CASES.replace("pipelineType", "pipelineTipe")),
            ("unread/controls/ours.cedar", OURS),
            ("unread/controls/ours.tests.json", &CASES.replace("pipelineType", "deploys")),
            ("json/controls/ours.cedar", OURS),
            ("json/controls/ours.tests.json", "{\"cases\": [\n}"),
            ("orphan/controls/ours.cedar", OURS),
            ("orphan/controls/ours.tests.json", CASES),
            ("orphan/controls/their.tests.json", CASES),
            ("ended/exceptions/x.cedar", &ended),
            ("endless/exceptions/x.cedar", &ended.replace("@expires(\"2026-01-01\")", "")),
            (
                "tags/exceptions/x.cedar",
                &exception(
                    "x",
                    "codepipeline-type-v2",
                    "2999-01-01",
                    "",
                    "resource) when { resource.tag.contains(\"a=b\") }",
                ),
            ),
            (
                "other/exceptions/x.cedar",
                &exception("x", "codepipeline-type-v2", "2999-01-01", "", "resource is AWS::S3::Bucket)"),
            ),
            ("of/exceptions/x.cedar", &exception("x", "exception-expired", "2999-01-01", "", "resource)")),
            ("all/exceptions/x.cedar", &exception("x", "*", "2999-01-01", "", "resource)")),
            ("approvers.toml", "[exceptions]\napprovers = [\"alice\", \"security-team\"]\n"),
            (
                "approved/exceptions/x.cedar",
                &exception("x", "codepipeline-type-v2", "2999-01-01", "@approved_by(\"security-team\")", "resource)"),
            ),
            (
                "own/exceptions/x.cedar",
                &exception("x", "codepipeline-type-v2", "2999-01-01", "@approved_by(\"alice\")", "resource)"),
            ),
            (
                "stranger/exceptions/x.cedar",
                &exception("x", "codepipeline-type-v2", "2999-01-01", "@approved_by(\"bob\")", "resource)"),
            ),
        ],
    );
    for (policies, words) in [
        ("twice", vec!["twice/controls/b.cedar:1:1", "used twice", "twice/controls/a.cedar", "its own `@id`"]),
        ("bare", vec!["bare/controls/ours.cedar:1:1", "no cases", "ours.tests.json"]),
        ("nameless", vec!["nameless/controls/ours.cedar:2:1", "lacks `@id`"]),
        ("fact", vec!["fact/controls/ours.cedar:4:10", "pipelineTipe", "did you mean `pipelineType`"]),
        ("unread", vec!["unread/controls/ours.tests.json:2:26", "does not read `deploys`", "pipelineType"]),
        ("json", vec!["json/controls/ours.tests.json:2:1", "cases look like"]),
        ("orphan", vec!["orphan/controls/their.tests.json", "no control `their`"]),
        ("ended", vec!["ended/exceptions/x.cedar:4:1", "ended on 2026-01-01", "--allow-expired-exceptions"]),
        ("endless", vec!["endless/exceptions/x.cedar:1:1", "lacks `@expires`", "mandatory"]),
        ("tags", vec!["tags/exceptions/x.cedar:5:45", "has no fact `tag`", "principal in", "tagKeys"]),
        ("other", vec!["other/exceptions/x.cedar:5:40", "is about `AWS::S3::Bucket`", "AWS::CodePipeline::Pipeline"]),
        ("of", vec!["of/exceptions/x.cedar:2:1", "no exception from `exception-expired`"]),
        ("all", vec!["all/exceptions/x.cedar:2:1", "nearly everything"]),
    ] {
        refused(&["controls", "validate", "--policies", policies], at, 64, &words);
        refused(&["demo", "--policies", policies], at, 64, &words);
    }
    let approved =
        |folder: &str| ["controls", "validate", "--config", "approvers.toml", "--policies", folder].map(str::to_owned);
    let run = |folder: &str| {
        let args = approved(folder);
        pipewarden(&args.iter().map(String::as_str).collect::<Vec<_>>(), at)
    };
    assert_eq!(run("approved").status.code(), Some(0), "{}", stderr(&run("approved")));
    for (folder, word) in [("own", "of their own"), ("stranger", "`bob` may not"), ("other", "nobody has approved")] {
        let output = run(folder);
        assert_eq!(output.status.code(), Some(64));
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
    }
    let both = pipewarden(&["controls", "validate", "--policies", "bare", "--policies", "ended"], at);
    let text = stderr(&both);
    assert!(text.contains("bare/controls/ours.cedar:1:1") && text.contains("ended/exceptions/x.cedar:4:1"), "{text}");
    assert!(text.contains("2 things are wrong"), "{text}");
}

#[test]
fn exceptions_are_findings_too_and_every_verdict_can_be_explained() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    written(
        at,
        &[(
            "ours/exceptions/x.cedar",
            &[
                exception("ended", "codepipeline-type-v2", "2026-01-01", "", "resource)"),
                exception(
                    "needed",
                    "cloudtrail-*, codepipeline-actions-no-plaintext-secrets",
                    "2999-01-01",
                    "",
                    "resource)",
                ),
                exception(
                    "idle",
                    "kms-key-usable",
                    "2999-01-01",
                    "",
                    "resource == AWS::KMS::Key::\"arn:aws:kms:eu-west-1:999999999999:key/k\")",
                ),
            ]
            .concat(),
        )],
    );
    let small = ["demo", "--accounts", "3", "--pipelines", "2", "--regions", "eu-west-1", "--policies", "ours"];
    let output = pipewarden(&small, at);
    assert_eq!(output.status.code(), Some(64), "{}", stderr(&output));
    let output = pipewarden(&[small.as_slice(), &["--allow-expired-exceptions"]].concat(), at);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    fs::write(at.join("report.toml"), "[exceptions]\nexpired = \"report\"\n").unwrap();
    let configured = pipewarden(&[small.as_slice(), &["--config", "report.toml"]].concat(), at);
    assert_eq!(configured.status.code(), Some(0), "{}", stderr(&configured));
    let csv = String::from_utf8(pipewarden(&["report", "--format", "csv"], at).stdout).unwrap();
    let result = |control: &str, id: &str| {
        let line =
            csv.lines().find(|line| line.contains(control) && line.contains(&format!("exceptions/x.cedar#{id},")));
        line.unwrap_or_default().split(',').nth(4).unwrap_or_default().to_owned()
    };
    assert_eq!(result("exception-expired", "ended"), "NonCompliant", "{csv}");
    assert_eq!(result("exception-unused", "ended"), "NotApplicable");
    assert_eq!(result("exception-expired", "needed"), "Compliant");
    assert_eq!(result("exception-unused", "needed"), "Compliant");
    assert_eq!(result("exception-unused", "idle"), "NonCompliant");

    let arn = csv.split(',').find(|field| field.starts_with("arn:aws:codepipeline:")).unwrap();
    let explain = |control: &str, resource: &str, format: &str| {
        let policies = ["controls", "explain", "--policies", "ours", "--control", control, "--resource", resource];
        pipewarden(&[policies.as_slice(), &["--format", format]].concat(), at)
    };
    let text = String::from_utf8(explain("codepipeline-type-v2", arn, "text").stdout).unwrap();
    for word in
        ["decided by `unless`", "resource.pipelineType == \"V2\"", "from property PipelineType", "ended on 2026-01-01"]
    {
        assert!(text.contains(word), "{word}: {text}");
    }
    let json = explain("codepipeline-production-approval-required", arn, "json").stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let fact = json["facts"].as_array().unwrap().iter().find(|fact| fact["name"] == "approvalExpected").unwrap();
    assert!(fact["properties"].as_array().unwrap().contains(&"Stages".into()), "{fact}");
    assert!(json["explanation"]["clauses"][0]["steps"].is_array());
    for (control, resource, word) in [("nothing", arn, "controls list"), ("kms-key-usable", "nope", "there is")] {
        let output = explain(control, resource, "text");
        assert_eq!(output.status.code(), Some(64));
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
    }
}

#[test]
fn a_new_control_is_valid_passes_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let new = ["controls", "new", "our-rule", "--type", "AWS::S3::Bucket", "--policies", "ours"];
    assert_eq!(pipewarden(&new, at).status.code(), Some(0));
    let tested = pipewarden(&["controls", "test", "--policies", "ours", "--control", "our-rule"], at);
    assert_eq!(tested.status.code(), Some(0), "{}", stderr(&tested));
    assert!(String::from_utf8_lossy(&tested.stdout).contains("3 passed, 0 failed"));
    refused(&["controls", "validate", "--policies", "nowhere"], at, 64, &["no policies"]);
    refused(&new, at, 64, &["our-rule.cedar", "there already"]);
    refused(&["controls", "new", "Our", "--type", "AWS::S3::Bucket", "--policies", "ours"], at, 64, &["lower-case"]);
    refused(&["controls", "new", "x", "--type", "AWS::X::Y", "--policies", "ours"], at, 64, &["AWS::S3::Bucket"]);
    refused(&["controls", "new", "x", "--type", "AWS::S3::Bucket"], at, 64, &["--policies"]);
    let file = at.join("ours/controls/s3/our-rule.tests.json");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("[\"owner\"]", "[]")).unwrap();
    let failed = pipewarden(&["controls", "test", "--policies", "ours", "--control", "our-rule"], at);
    assert_eq!(failed.status.code(), Some(1));
    let text = String::from_utf8_lossy(&failed.stdout).into_owned();
    for word in [
        "FAILED our-rule: as it must be",
        "expected  Compliant",
        "got       NonCompliant, decided by unless",
        "given     tagKeys = []",
        "→  false",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn lint_names_what_is_probably_not_meant() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let table = "id = \"OURS\"\nname = \"Our rules\"\nversion = \"1\"\nsource = \"intranet\"\nnote = \"all\"\n[[requirement]]\nid = \"OURS-1\"\ntitle = \"t\"\n";
    let ended = exception("ended", "codepipeline-type-v2", "2026-01-01", "", "resource)");
    written(
        at,
        &[
            ("ours/controls/ours.cedar", &OURS.replace("\"r\"", "\"r {nothing}\"")),
            ("ours/controls/ours.tests.json", CASES),
            ("ours/frameworks/owasp.toml", table),
            ("ours/exceptions/x.cedar", &ended),
        ],
    );
    let output = pipewarden(&["controls", "lint", "--policies", "ours", "--format", "json"], at);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    for word in [
        "never violated in its cases",
        "`@rationale`",
        "the requirement `f`",
        "shows `{nothing}`",
        "only where `codepipeline-type-v2` is violated too",
        "ended on 2026-01-01",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(stderr(&output).contains("nothing is proven"));
}

#[test]
fn controls_can_be_chosen_and_read_by_programs() {
    let folder = tempfile::tempdir().unwrap();
    let list = |more: &[&str]| {
        let output = pipewarden(&[["controls", "list", "--format", "json"].as_slice(), more].concat(), folder.path());
        let controls: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
        controls
    };
    let all = list(&[]);
    for (filter, holds) in [
        (["--service", "kms"], "/resourceType"),
        (["--severity", "CRITICAL"], "/severity"),
        (["--framework", "OWASP-CICD"], "/frameworks"),
        (["--type", "AWS::S3::Bucket"], "/resourceType"),
    ] {
        let some = list(&filter);
        let wanted = filter[1].to_ascii_uppercase();
        assert!(!some.is_empty() && some.len() < all.len(), "{filter:?}");
        let fits = |control: &serde_json::Value| {
            control.pointer(holds).unwrap().to_string().to_ascii_uppercase().contains(&wanted)
        };
        assert!(some.iter().all(fits), "{filter:?}");
    }
    let show = pipewarden(&["controls", "show", "codepipeline-type-v2", "--format", "json"], folder.path());
    let show: serde_json::Value = serde_json::from_slice(&show.stdout).unwrap();
    assert_eq!(show["reads"][0]["name"], "pipelineType");
    assert_eq!(show["reads"][0]["comment"], "V1, V2");
    assert!(show["source"].as_str().unwrap().contains("forbid") && show["cases"].as_u64().unwrap() > 2);
}

#[test]
fn the_role_is_a_template_too() {
    let folder = tempfile::tempdir().unwrap();
    let print = |args: &[&str]| {
        let output = pipewarden(args, folder.path());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        output.stdout
    };
    let template = print(&["role", "--format", "cloudformation"]);
    assert_eq!(template, print(&["role", "--for", "member", "--format", "cloudformation"]));
    let template: serde_json::Value = serde_json::from_slice(&template).unwrap();
    let policy: serde_json::Value = serde_json::from_slice(&print(&["role"])).unwrap();
    let resources = template["Resources"].as_object().unwrap().values();
    let policies = resources.filter(|resource| resource["Type"] == "AWS::IAM::ManagedPolicy");
    let allowed: Vec<serde_json::Value> = policies
        .flat_map(|resource| {
            resource["Properties"]["PolicyDocument"]["Statement"][0]["Action"].as_array().unwrap().clone()
        })
        .collect();
    assert_eq!(&allowed, policy["Statement"][0]["Action"].as_array().unwrap());
    refused(&["role", "--for", "audit", "--format", "cloudformation"], folder.path(), 64, &["every account"]);
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
