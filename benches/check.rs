//! What `pipewarden check` costs: CPU seconds and peak memory of whole processes, beside its peers on the same files.
//!
//! `cargo bench --bench check` judges 200 templates that it writes itself; `PIPEWARDEN_BENCH_TEMPLATES=DIR` takes a
//! folder of yours. Peers are measured where they are on the PATH. The floor is parsing the same files and nothing else.
//! Linux only, because it reads `/proc`; nothing here can fail a test.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints figures and stops where it cannot go on"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use pipewarden::template::{Document, Limits};

const TEMPLATES: usize = 200;
const PROCESSES: u32 = 50;

/// CPU seconds of this process and of the children that it has waited for.
fn cpu(own: bool) -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<f64> =
        stat.rsplit(')').next().unwrap().split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect();
    // Fields 14 to 17 of proc(5): utime, stime, cutime, cstime; the list here begins with the third, state.
    let ticks: f64 = fields.iter().skip(if own { 11 } else { 13 }).take(2).sum();
    ticks / 100.0
}

/// CPU seconds and peak memory in MiB of a command, over `times` runs.
fn run(command: &mut dyn FnMut() -> Command, times: u32) -> (f64, f64) {
    let before = cpu(false);
    let mut peak: f64 = 0.0;
    for _ in 0..times {
        let mut child = command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let status = PathBuf::from(format!("/proc/{}/status", child.id()));
        while child.try_wait().unwrap().is_none() {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let high = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
            let kilobytes: f64 = high.trim().trim_end_matches(" kB").parse().unwrap_or(0.0);
            peak = peak.max(kilobytes / 1024.0);
            thread::sleep(Duration::from_millis(1));
        }
    }
    ((cpu(false) - before) / f64::from(times), peak)
}

fn has(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A pipeline with everything that a template of its size usually has, no two alike.
fn template(number: usize) -> String {
    let mut text = String::from(
        "AWSTemplateFormatVersion: '2010-09-09'\nParameters:\n  Approve: {Type: String, Default: 'No', AllowedValues: ['No', 'Yes']}\n  Repository: {Type: String}\nConditions:\n  Approves: !Equals [!Ref Approve, 'Yes']\nResources:\n",
    );
    let _ = write!(
        text,
        "  Artifacts{number}:\n    Type: AWS::S3::Bucket\n    Properties:\n      VersioningConfiguration: {{Status: Enabled}}\n      BucketEncryption:\n        ServerSideEncryptionConfiguration:\n          - ServerSideEncryptionByDefault: {{SSEAlgorithm: aws:kms, KMSMasterKeyID: !GetAtt Key.Arn}}\n  Key:\n    Type: AWS::KMS::Key\n    Properties:\n      EnableKeyRotation: true\n      KeyPolicy: {{Version: '2012-10-17', Statement: [{{Effect: Allow, Principal: {{AWS: !Sub 'arn:aws:iam::${{AWS::AccountId}}:root'}}, Action: 'kms:*', Resource: '*'}}]}}\n  Build:\n    Type: AWS::CodeBuild::Project\n    Properties:\n      ServiceRole: !GetAtt Role.Arn\n      Artifacts: {{Type: CODEPIPELINE}}\n      Environment: {{Type: LINUX_CONTAINER, ComputeType: BUILD_GENERAL1_SMALL, Image: aws/codebuild/standard:7.0}}\n      Source:\n        Type: CODEPIPELINE\n        BuildSpec: |\n          version: 0.2\n          phases: {{build: {{commands: [make test, make package]}}}}\n  Role:\n    Type: AWS::IAM::Role\n    Properties:\n      AssumeRolePolicyDocument: {{Version: '2012-10-17', Statement: [{{Effect: Allow, Principal: {{Service: [codepipeline.amazonaws.com, codebuild.amazonaws.com]}}, Action: 'sts:AssumeRole'}}]}}\n  Pipeline:\n    Type: AWS::CodePipeline::Pipeline\n    Properties:\n      RoleArn: !GetAtt Role.Arn\n      ArtifactStore: {{Type: S3, Location: !Ref Artifacts{number}}}\n      Stages:\n        - Name: Source\n          Actions:\n            - {{Name: Code, ActionTypeId: {{Category: Source, Owner: AWS, Provider: CodeStarSourceConnection, Version: '1'}}, Configuration: {{FullRepositoryId: !Ref Repository, BranchName: main}}, OutputArtifacts: [{{Name: Code}}]}}\n        - Name: Build\n          Actions:\n            - {{Name: Build, ActionTypeId: {{Category: Build, Owner: AWS, Provider: CodeBuild, Version: '1'}}, Configuration: {{ProjectName: !Ref Build}}, InputArtifacts: [{{Name: Code}}], OutputArtifacts: [{{Name: Built}}]}}\n        - !If\n          - Approves\n          - Name: Gate\n            Actions: [{{Name: Approve, ActionTypeId: {{Category: Approval, Owner: AWS, Provider: Manual, Version: '1'}}}}]\n          - !Ref AWS::NoValue\n",
    );
    for stage in 0..=number % 4 {
        let _ = write!(
            text,
            "        - Name: Deploy{stage}\n          Actions:\n            - {{Name: Stack{stage}, ActionTypeId: {{Category: Deploy, Owner: AWS, Provider: CloudFormation, Version: '1'}}, Configuration: {{ActionMode: CREATE_UPDATE, StackName: 'app-{stage}', TemplatePath: 'Built::t.yaml'}}, InputArtifacts: [{{Name: Built}}]}}\n"
        );
    }
    text
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn main() {
    let written = tempfile::tempdir().unwrap();
    let folder = env::var_os("PIPEWARDEN_BENCH_TEMPLATES").map_or_else(|| written.path().join("all"), PathBuf::from);
    if env::var_os("PIPEWARDEN_BENCH_TEMPLATES").is_none() {
        fs::create_dir(&folder).unwrap();
        for number in 0..TEMPLATES {
            fs::write(folder.join(format!("{number:03}.yaml")), template(number)).unwrap();
        }
    }
    let all = files(&folder);
    let bytes: u64 = all.iter().filter_map(|file| fs::metadata(file).ok()).map(|file| file.len()).sum();
    println!("{} files, {:.1} MiB", all.len(), bytes as f64 / 1_048_576.0);

    let before = cpu(true);
    for _ in 0..5 {
        for file in &all {
            let text = fs::read(file).unwrap();
            let _ = std::hint::black_box(Document::read("t", &text, &Limits::default()));
        }
    }
    let floor = (cpu(true) - before) / 5.0;
    println!("{:<34} {floor:>8.3} CPU s", "parsing alone (the floor)");

    let program = env!("CARGO_BIN_EXE_pipewarden");
    let check = |path: PathBuf| {
        move || {
            let mut command = Command::new(program);
            command.args(["check", "--format", "json"]).arg(&path).env_remove("PIPEWARDEN_CONFIG");
            command
        }
    };
    let (ours, memory) = run(&mut check(folder.clone()), 3);
    println!("{:<34} {ours:>8.3} CPU s {memory:>6.0} MiB  {:.1} x the floor", "pipewarden check, all", ours / floor);
    let one = all.iter().find(|file| file.extension().is_some_and(|e| e == "yaml")).unwrap();
    let (single, memory) = run(&mut check(one.clone()), PROCESSES);
    println!("{:<34} {:>8.1} CPU ms {memory:>5.0} MiB", "pipewarden check, one template", single * 1000.0);

    let folder_text = folder.to_str().unwrap().to_owned();
    let peers: [(&str, Vec<&str>); 3] = [
        ("pipeline_check", vec!["--pipeline", "cloudformation", "--cfn-template", &folder_text]),
        ("checkov", vec!["--quiet", "--compact", "-d", &folder_text]),
        ("cfn-lint", vec![]),
    ];
    for (peer, arguments) in peers {
        if !has(peer) {
            println!("{peer:<34} not installed");
            continue;
        }
        let (cost, memory) = run(
            &mut || {
                let mut command = Command::new(peer);
                command.args(&arguments);
                if peer == "cfn-lint" {
                    command.args(&all);
                }
                command
            },
            1,
        );
        println!("{peer:<34} {cost:>8.3} CPU s {memory:>6.0} MiB  {:.0} x pipewarden", cost / ours);
    }
}
