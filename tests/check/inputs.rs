//! What `check` reads, what it leaves out, and what it says of both.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A pipeline whose type is not V2, so that there is a finding.
const PIPELINE: &str = "Resources:\n  Pipe:\n    Type: AWS::CodePipeline::Pipeline\n    Properties:\n      Name: web\n      PipelineType: V1\n";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn command(args: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipewarden"));
    command.arg("check").args(args).args(["--format", "json"]).current_dir(folder).env_clear();
    command
}

struct Checked {
    code: i32,
    report: Value,
    stderr: String,
}

impl Checked {
    fn of(output: &Output) -> Self {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!stderr.contains("panicked"), "{stderr}");
        let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Self { code: output.status.code().unwrap(), report, stderr }
    }

    /// Files of a list of the report, each once.
    fn files(&self, list: &str) -> Vec<&str> {
        let place = |entry: &'_ Value| entry["file"].as_str().or(entry["place"]["file"].as_str()).unwrap_or("").len();
        let mut files: Vec<&str> = self.report[list]
            .as_array()
            .unwrap_or_else(|| panic!("{} {}", self.code, self.stderr))
            .iter()
            .filter(|entry| place(entry) > 0)
            .map(|entry| entry["file"].as_str().or(entry["place"]["file"].as_str()).unwrap())
            .collect();
        files.dedup();
        files
    }

    fn message(&self, list: &str, file: &str) -> String {
        let entries = self.report[list].as_array().unwrap();
        let said = entries.iter().find(|entry| entry["file"] == file || entry["place"]["file"] == file);
        said.map_or_else(String::new, |entry| entry["message"].as_str().unwrap().to_owned())
    }

    fn ignored(&self) -> u64 {
        self.report["ignoredFiles"].as_u64().unwrap()
    }
}

fn check(args: &[&str], folder: &TempDir) -> Checked {
    Checked::of(&command(args, folder.path()).output().unwrap())
}

fn piped(text: &[u8], folder: &TempDir) -> Checked {
    let mut child = command(&["-"], folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    Checked::of(&child.wait_with_output().unwrap())
}

#[test]
fn one_bad_file_never_changes_the_findings_of_the_others() {
    let good = folder(&[("a/good.yml", PIPELINE)]);
    let alone = check(&["."], &good);
    assert_eq!((alone.code, alone.files("files")), (1, vec!["a/good.yml"]));
    assert!(!alone.report["findings"].as_array().unwrap().is_empty());
    fs::write(good.path().join("a/bad.yml"), "Resources: [\n  AWS::CodePipeline::Pipeline\n").unwrap();
    fs::write(good.path().join("a/deep.json"), format!("{}\"AWS::CodeBuild::Project\"", "[".repeat(100_000))).unwrap();
    fs::write(good.path().join("a/type.yml"), "Resources:\n  P:\n    Type: {a: AWS::CodePipeline::Pipeline}\n")
        .unwrap();
    fs::write(good.path().join("a/bytes.yml"), b"AWS::CodePipeline::Pipeline\n\xFF\xFE\n").unwrap();
    fs::write(good.path().join("a/other.yml"), "a: [\n").unwrap();
    let with = check(&["."], &good);
    assert_eq!(with.code, 3);
    assert_eq!(with.report["findings"], alone.report["findings"]);
    assert_eq!(with.files("unreadable"), ["a/bad.yml", "a/bytes.yml", "a/deep.json"]);
    assert!(with.message("unreadable", "a/bytes.yml").contains("UTF-8"));
    assert_eq!(with.ignored(), 1, "{}", with.report);
}

#[test]
fn exit_codes_say_what_came_out() {
    let at = folder(&[
        ("bad.yml", PIPELINE),
        ("none.yml", "a: 1\n"),
        ("broken.yml", "AWS::CodePipeline::Pipeline: [\n"),
        ("empty.yml", ""),
    ]);
    assert_eq!(check(&["bad.yml"], &at).code, 1);
    assert_eq!(check(&["bad.yml", "--fail-on", "none"], &at).code, 0);
    assert_eq!(check(&["none.yml", "empty.yml"], &at).code, 0);
    assert_eq!(check(&["broken.yml"], &at).code, 3);
    assert_eq!(check(&["bad.yml", "broken.yml"], &at).code, 3);
    for wrong in ["missing.yml", "no/where", "*.json", "a[", "missing/**/*.yml"] {
        let refused = check(&["bad.yml", wrong], &at);
        assert_eq!(refused.code, 64, "{wrong}: {}", refused.stderr);
        assert!(refused.stderr.contains(wrong), "{}", refused.stderr);
    }
}

#[test]
fn a_folder_is_searched_for_what_could_be_a_template() {
    let at = folder(&[
        ("top.template", PIPELINE),
        ("deep/er/p.YAML", PIPELINE),
        ("deep/no-extension", PIPELINE),
        ("deep/json-in-disguise.dat", "{\"Resources\": {\"P\": {\"Type\": \"AWS::CodePipeline::Pipeline\"}}}"),
        (".github/p.yml", PIPELINE),
        (".gitignore", "cdk.out\n"),
        ("cdk.out/s.template.json", "{\"Resources\": {\"P\": {\"Type\": \"AWS::CodePipeline::Pipeline\"}}}"),
        ("README.md", "```yaml\nResources:\n  P: [AWS::CodePipeline::Pipeline\n```\n"),
        ("stack.py", "{'Type': 'AWS::CodePipeline::Pipeline'\n"),
        ("notes.txt", "AWS::CodePipeline::Pipeline: [\n"),
        ("node_modules/x/p.yml", PIPELINE),
        (".git/p.yml", PIPELINE),
        (".terraform/modules/p.yml", PIPELINE),
        ("rust/Cargo.toml", ""),
        ("rust/target/p.yml", PIPELINE),
        ("deploy/target/p.yml", PIPELINE),
    ]);
    let found = check(&[], &at);
    let expected = [
        ".github/p.yml",
        "cdk.out/s.template.json",
        "deep/er/p.YAML",
        "deep/json-in-disguise.dat",
        "deep/no-extension",
        "deploy/target/p.yml",
        "top.template",
    ];
    assert_eq!(found.files("files"), expected);
    assert_eq!(found.files("unreadable"), Vec::<&str>::new());
    assert_eq!(found.ignored(), 5, "{}", found.report);
    assert_eq!(
        check(&["node_modules", "./rust/target"], &at).files("files"),
        ["node_modules/x/p.yml", "rust/target/p.yml"]
    );
}

#[test]
fn a_file_that_is_named_twice_is_judged_once_under_its_shortest_path() {
    let at = folder(&[("a/p.yml", PIPELINE), ("b/q.yml", PIPELINE)]);
    let absolute = at.path().canonicalize().unwrap().join("a/p.yml");
    let found = check(&["./a/p.yml", "a/../a/p.yml", absolute.to_str().unwrap(), ".", "a", "a/*.yml"], &at);
    assert_eq!(found.files("files"), ["a/p.yml", "b/q.yml"]);
    assert_eq!(found.report["files"].as_array().unwrap().len(), 2);
}

#[test]
fn patterns_are_expanded_where_no_shell_did_it() {
    let at = folder(&[
        ("a/p.yml", PIPELINE),
        ("a/b/q.yml", PIPELINE),
        ("a/r.json", "{}"),
        ("node_modules/p.yml", PIPELINE),
        ("odd[1].yml", PIPELINE),
    ]);
    assert_eq!(check(&["a/*.yml"], &at).files("files"), ["a/p.yml"]);
    assert_eq!(check(&["**/*.yml"], &at).files("files"), ["a/b/q.yml", "a/p.yml", "odd[1].yml"]);
    assert_eq!(check(&["a/*"], &at).files("files"), ["a/b/q.yml", "a/p.yml"]);
    assert_eq!(check(&["odd[1].yml"], &at).files("files"), ["odd[1].yml"]);
}

#[test]
fn stdin_is_a_file_of_that_name() {
    let at = folder(&[]);
    let found = piped(PIPELINE.as_bytes(), &at);
    assert_eq!((found.code, found.files("files")), (1, vec!["stdin"]));
    let broken = piped(b"AWS::CodePipeline::Pipeline: [\n", &at);
    assert_eq!((broken.code, broken.files("unreadable")), (3, vec!["stdin"]));
    let nothing = piped(b"", &at);
    assert_eq!(nothing.code, 0);
    assert!(nothing.message("notices", "stdin").contains("nothing in it was judged"), "{}", nothing.report);
    let wide: Vec<u8> = format!("\u{FEFF}{PIPELINE}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(piped(&wide, &at).report["findings"], found.report["findings"]);
}

#[test]
fn what_somebody_named_and_holds_nothing_is_said() {
    let at = folder(&[
        ("README.md", "AWS::CodePipeline::Pipeline: [\n"),
        ("values.yml", "a: 1\n"),
        ("broken.yml", "a: [\n"),
        ("empty/x", ""),
    ]);
    fs::remove_file(at.path().join("empty/x")).unwrap();
    let named = check(&["README.md", "values.yml", "broken.yml", "empty"], &at);
    assert_eq!((named.code, named.ignored()), (0, 3));
    for file in ["README.md", "values.yml", "broken.yml"] {
        assert!(named.message("notices", file).contains("nothing in it was judged"), "{file}: {}", named.report);
    }
    assert!(named.message("notices", "empty").contains("empty"));
    assert_eq!(check(&["."], &at).files("notices"), Vec::<&str>::new());
}

#[test]
fn terraforms_own_language_asks_for_a_plan() {
    let at = folder(&[
        ("pipeline.tf", "locals {}\nresource \"aws_codepipeline\" \"this\" {\n}\n"),
        ("network.tf", "# not aws_codepipeline\nresource \"aws_vpc\" \"this\" {}\n"),
        ("generated.tf.json", "{\"resource\":\n {\"aws_codebuild_project\": {\"x\": {}}}}"),
        ("p.yml", PIPELINE),
    ]);
    let found = check(&["."], &at);
    assert_eq!(found.code, 3);
    assert_eq!(found.files("unreadable"), ["generated.tf.json", "pipeline.tf"]);
    assert!(found.message("unreadable", "pipeline.tf").contains("terraform show -json p > plan.json"));
    assert_eq!(found.report["unreadable"][1]["at"]["line"], 2);
    assert_eq!((found.ignored(), found.files("files")), (1, vec!["p.yml"]));
}

#[test]
fn a_part_of_a_template_is_not_passed_over() {
    let at = folder(&[
        ("part.yml", "P:\n  Type: AWS::CodePipeline::Pipeline\n  Properties: {Name: web}\n"),
        (
            "serverless.yml",
            "resources:\n  Resources:\n    P:\n      Type: AWS::CodeBuild::Project\n      Properties: {}\n",
        ),
        ("event.json", "{\"resourceType\": \"AWS::CodePipeline::Pipeline\"}"),
    ]);
    let found = check(&["."], &at);
    assert_eq!((found.code, found.files("unreadable")), (3, vec!["part.yml", "serverless.yml"]));
    assert_eq!(found.report["unreadable"][1]["at"]["line"], 4);
    assert_eq!(found.ignored(), 1);
}

#[test]
fn a_file_beyond_the_limit_is_not_read() {
    let at = folder(&[("p.yml", PIPELINE)]);
    let sparse = |name: &str, beginning: &str| {
        let path = at.path().join(name);
        fs::write(&path, beginning).unwrap();
        fs::OpenOptions::new().write(true).open(path).unwrap().set_len(100 << 20).unwrap();
    };
    sparse("pipeline.json", "{\"Type\": \"AWS::CodePipeline::Pipeline\"");
    sparse("data.json", "{\"a\": 1");
    let found = check(&["."], &at);
    assert_eq!((found.code, found.files("unreadable")), (3, vec!["pipeline.json"]));
    assert!(found.message("unreadable", "pipeline.json").contains("more than 64 MiB"));
    assert!(found.message("notices", "data.json").contains("speak of no pipeline"));
    assert_eq!(check(&["data.json"], &at).code, 3);
}

#[test]
fn a_plan_in_terraforms_own_form_says_how_to_make_it_readable() {
    let at = folder(&[]);
    let mut zip = b"PK\x03\x04".to_vec();
    zip.resize(30, 0);
    zip.extend(b"tfplan rest");
    fs::write(at.path().join("p"), zip).unwrap();
    let found = check(&["p"], &at);
    assert_eq!(found.code, 3);
    assert!(found.message("unreadable", "p").contains("terraform show -json"));
}

#[cfg(unix)]
#[test]
fn links_lead_neither_round_in_circles_nor_out() {
    use std::os::unix::fs::symlink;

    let outside = folder(&[("out.yml", PIPELINE)]);
    let at = folder(&[("a/p.yml", PIPELINE), ("b/q.yml", PIPELINE)]);
    let link = |target: &Path, name: &str| symlink(target, at.path().join(name)).unwrap();
    link(Path::new("."), "a/self");
    link(Path::new("../b"), "a/b");
    link(Path::new("../a"), "b/a");
    link(Path::new("nowhere"), "broken.yml");
    link(outside.path(), "outside");
    link(Path::new("a/p.yml"), "again.yml");
    let found = check(&["."], &at);
    assert_eq!(found.files("files"), ["a/p.yml", "b/q.yml"]);
    assert_eq!(found.files("notices"), ["outside"]);
    assert_eq!(check(&["a"], &at).files("files"), ["a/b/q.yml", "a/p.yml"]);
    assert_eq!(check(&["outside"], &at).files("files"), ["outside/out.yml"]);
    assert_eq!(check(&["broken.yml"], &at).code, 64);
}

#[cfg(unix)]
#[test]
fn what_may_not_be_read_is_no_pass() {
    use std::os::unix::fs::PermissionsExt as _;

    let at = folder(&[("a/p.yml", PIPELINE), ("secret.yml", PIPELINE)]);
    let path = at.path().join("secret.yml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    // Permissions bind nobody who is root.
    if fs::read(&path).is_ok() {
        return;
    }
    let found = check(&["."], &at);
    assert_eq!((found.code, found.files("unreadable"), found.files("files")), (3, vec!["secret.yml"], vec!["a/p.yml"]));
}
