//! The audit against moto: discovery, `AssumeRole`, isolation and collectors on a server that nobody here wrote.
//!
//! The test sets everything up itself: a virtual environment in the build directory with the versions pinned in
//! `tests/moto-requirements.txt`, and a server on a free port of loopback. Only python3 with venv and pip is assumed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_smithy_types::retry::RetryConfig;
use serde_json::Value;

use crate::loopback;

const REGIONS: [&str; 2] = ["eu-central-1", "us-east-1"];

/// Where the build keeps what the tests install.
fn installed(name: &str) -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_pipewarden"));
    let target = binary.parent().and_then(Path::parent).expect("the binary lies in <target>/<profile>");
    target.join(name)
}

fn run(command: &mut Command, what: &str) {
    let output =
        command.output().unwrap_or_else(|error| panic!("{what}: {error}; the test needs python3 with venv and pip"));
    assert!(
        output.status.success(),
        "{what} failed; the test needs python3 (3.11 or later) with venv and pip, and the Python package index\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The virtual environment, made once per set of pinned versions; other tests ask its botocore and its validators.
pub(crate) fn environment() -> PathBuf {
    static ENVIRONMENT: OnceLock<PathBuf> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| installed_from("moto-environment", "tests/moto-requirements.txt")).clone()
}

/// A virtual environment of what a file pins; to be called from one test at a time.
pub(crate) fn installed_from(name: &str, requirements: &str) -> PathBuf {
    let folder = installed(name);
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join(requirements);
    let pinned = fs::read_to_string(&requirements).unwrap();
    let stamp = folder.join("requirements.installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pinned) {
        return folder;
    }
    let _ = fs::remove_dir_all(&folder);
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder), "making a virtual environment");
    let pip = folder.join("bin/pip");
    run(
        Command::new(pip)
            .args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"])
            .arg(&requirements),
        "installing what is pinned",
    );
    fs::write(stamp, pinned).unwrap();
    folder
}

/// A moto server on a free port; gone when dropped.
pub(crate) struct Moto {
    server: Child,
    pub(crate) endpoint: String,
}

impl Moto {
    pub(crate) fn start() -> Self {
        let python = environment().join("bin/python");
        // Port 0 lets the system choose; the port is read from what the server says of itself.
        let script = "import sys\nfrom werkzeug.serving import make_server\nfrom moto.server import DomainDispatcherApplication, create_backend_app\n\
                      server = make_server('127.0.0.1', 0, DomainDispatcherApplication(create_backend_app), threaded=True)\n\
                      print(server.server_port, flush=True)\nserver.serve_forever()\n";
        let mut server = Command::new(python)
            .args(["-c", script])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("MOTO_IAM_LOAD_MANAGED_POLICIES", "false")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto starts");
        let mut port = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let port: u16 = port.trim().parse().unwrap_or_else(|_| panic!("moto did not start: `{port}`"));
        Self { server, endpoint: format!("http://127.0.0.1:{port}") }
    }

    pub(crate) fn config(&self, credentials: Credentials, region: &str) -> SdkConfig {
        loopback::config(&self.endpoint, credentials, region, RetryConfig::disabled())
    }
}

impl Moto {
    /// moto wants a pipeline's role to exist. One request by hand is cheaper than the IAM SDK.
    fn create_role(&self, access_key: &str, name: &str) {
        let trust = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22codepipeline.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";
        let body = format!("Action=CreateRole&Version=2010-05-08&RoleName={name}&AssumeRolePolicyDocument={trust}");
        let authority = self.endpoint.trim_start_matches("http://");
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential={access_key}/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n{body}",
            body.len()
        );
        let mut connection = TcpStream::connect(authority).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// An organization of one OU with two accounts, each with a pipeline, a deployment group, a bucket and a key of its own.
async fn build_organization(moto: &Moto) -> Vec<String> {
    let management = moto.config(loopback::credentials(), "us-east-1");
    let organizations = aws_sdk_organizations::Client::new(&management);
    organizations.create_organization().send().await.expect("organization");
    let root = organizations.list_roots().send().await.unwrap().roots()[0].id().unwrap().to_owned();
    let unit = organizations.create_organizational_unit().parent_id(&root).name("Workloads").send().await.unwrap();
    let unit = unit.organizational_unit().unwrap().id().unwrap().to_owned();
    let mut accounts = Vec::new();
    for (name, environment) in [("payments", "prod"), ("search", "dev")] {
        let created = organizations
            .create_account()
            .account_name(name)
            .email(format!("{name}@example.com"))
            .send()
            .await
            .unwrap();
        let account = created.create_account_status().unwrap().account_id().unwrap().to_owned();
        organizations
            .move_account()
            .account_id(&account)
            .source_parent_id(&root)
            .destination_parent_id(&unit)
            .send()
            .await
            .unwrap();
        let tag = aws_sdk_organizations::types::Tag::builder().key("environment").value(environment).build().unwrap();
        organizations.tag_resource().resource_id(&account).tags(tag).send().await.unwrap();
        furnish(moto, &management, &account).await;
        accounts.push(account);
    }
    accounts
}

async fn furnish(moto: &Moto, management: &SdkConfig, account: &str) {
    let assumed = aws_sdk_sts::Client::new(management)
        .assume_role()
        .role_arn(format!("arn:aws:iam::{account}:role/Setup"))
        .role_session_name("setup")
        .send()
        .await
        .unwrap();
    let session = assumed.credentials().unwrap();
    let credentials = Credentials::new(
        session.access_key_id(),
        session.secret_access_key(),
        Some(session.session_token().to_owned()),
        None,
        "test",
    );
    moto.create_role(session.access_key_id(), "pipeline");
    let config = moto.config(credentials, REGIONS[0]);
    let key = aws_sdk_kms::Client::new(&config).create_key().send().await.unwrap();
    let key = key.key_metadata().unwrap().arn().unwrap().to_owned();
    let bucket = format!("artifacts-{account}");
    let s3 = aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build());
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint(REGIONS[0].into()).build();
    s3.create_bucket().bucket(&bucket).create_bucket_configuration(place).send().await.unwrap();
    let versioned = aws_sdk_s3::types::VersioningConfiguration::builder()
        .status(aws_sdk_s3::types::BucketVersioningStatus::Enabled)
        .build();
    s3.put_bucket_versioning().bucket(&bucket).versioning_configuration(versioned).send().await.unwrap();
    let codedeploy = aws_sdk_codedeploy::Client::new(&config);
    codedeploy
        .create_application()
        .application_name("web")
        .compute_platform(aws_sdk_codedeploy::types::ComputePlatform::Server)
        .send()
        .await
        .unwrap();
    codedeploy
        .create_deployment_group()
        .application_name("web")
        .deployment_group_name("live")
        .service_role_arn(format!("arn:aws:iam::{account}:role/deploy"))
        .send()
        .await
        .unwrap();
    pipeline(&config, account, &bucket, &key).await;
}

async fn pipeline(config: &SdkConfig, account: &str, bucket: &str, key: &str) {
    use aws_sdk_codepipeline::types::{
        ActionCategory, ActionDeclaration, ActionOwner, ActionTypeId, ArtifactStore, ArtifactStoreType, EncryptionKey,
        EncryptionKeyType, InputArtifact, OutputArtifact, PipelineDeclaration, StageDeclaration,
    };
    let kind = |category, provider: &str| {
        ActionTypeId::builder()
            .category(category)
            .owner(ActionOwner::Aws)
            .provider(provider)
            .version("1")
            .build()
            .unwrap()
    };
    let source = ActionDeclaration::builder()
        .name("Source")
        .action_type_id(kind(ActionCategory::Source, "CodeCommit"))
        .configuration("RepositoryName", "web")
        .configuration("BranchName", "main")
        .configuration("PollForSourceChanges", "false")
        .output_artifacts(OutputArtifact::builder().name("source").build().unwrap())
        .build()
        .unwrap();
    let deploy = ActionDeclaration::builder()
        .name("DeployProd")
        .action_type_id(kind(ActionCategory::Deploy, "CodeDeploy"))
        .configuration("ApplicationName", "web")
        .configuration("DeploymentGroupName", "live")
        .input_artifacts(InputArtifact::builder().name("source").build().unwrap())
        .build()
        .unwrap();
    let stage = |name: &str, action| StageDeclaration::builder().name(name).actions(action).build().unwrap();
    let key = EncryptionKey::builder().id(key).r#type(EncryptionKeyType::Kms).build().unwrap();
    let store =
        ArtifactStore::builder().r#type(ArtifactStoreType::S3).location(bucket).encryption_key(key).build().unwrap();
    let declaration = PipelineDeclaration::builder()
        .name("web")
        .role_arn(format!("arn:aws:iam::{account}:role/pipeline"))
        .artifact_store(store)
        .stages(stage("Source", source))
        .stages(stage("Production", deploy))
        .build()
        .unwrap();
    aws_sdk_codepipeline::Client::new(config).create_pipeline().pipeline(declaration).send().await.unwrap();
}

fn audit(moto: &Moto, out: &Path) -> (Vec<Value>, Vec<Value>, String) {
    let config = out.join("pipewarden.toml");
    fs::write(&config, format!("[regions]\nonly = {REGIONS:?}\n")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(["audit", "--endpoint-url", &moto.endpoint, "--fail-on", "none", "--config"])
        .arg(&config)
        .arg("--out")
        .arg(out)
        .env_clear()
        .envs([
            ("AWS_ACCESS_KEY_ID", "AKIATEST"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_MAX_ATTEMPTS", "1"),
        ])
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{text}");
    let run = fs::read_dir(out.join("runs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("manifest.json").is_file())
        .unwrap();
    let read = |name: &str| serde_json::from_str::<Value>(&fs::read_to_string(run.join(name)).unwrap()).unwrap();
    let list = |file: &str, name: &str| read(file)[name].as_array().cloned().unwrap_or_default();
    (list("findings.json", "findings"), list("coverage.json", "gaps"), text)
}

#[test]
fn the_audit_works_on_a_server_that_nobody_here_wrote() {
    let moto = Moto::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let accounts = runtime.block_on(build_organization(&moto));
    let out = tempfile::tempdir().unwrap();
    let (findings, gaps, text) = audit(&moto, out.path());

    let verdict = |account: &str, control: &str, type_name: &str| {
        let of = findings.iter().filter(|f| {
            f["resource"]["account"] == account && f["control"] == control && f["resource"]["typeName"] == type_name
        });
        of.map(|f| f["compliance"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // Tags and the tree were read: the same pipeline deploys to production in one account and not in the other.
    for (account, expected) in accounts.iter().zip(["NonCompliant", "NotApplicable"]) {
        assert_eq!(
            verdict(account, "codepipeline-production-approval-required", "AWS::CodePipeline::Pipeline"),
            [expected],
            "{text}"
        );
    }
    for account in &accounts {
        // Discovery, AssumeRole and isolation: exactly the one pipeline, group and bucket of each account.
        assert_eq!(
            verdict(account, "codedeploy-rollback-on-failure", "AWS::CodeDeploy::DeploymentGroup"),
            ["NonCompliant"],
            "{text}"
        );
        assert_eq!(verdict(account, "s3-artifact-bucket-tls-only", "AWS::S3::Bucket"), ["NonCompliant"], "{text}");
        // moto answers GetBucketVersioning with an XML root that AWS does not use, and the SDK refuses it.
        assert_eq!(
            verdict(account, "s3-artifact-bucket-versioning", "AWS::S3::Bucket"),
            ["InsufficientData"],
            "{text}"
        );
        assert_eq!(
            verdict(account, "codepipeline-artifact-store-customer-key", "AWS::CodePipeline::Pipeline"),
            ["Compliant"],
            "{text}"
        );
        assert_eq!(verdict(account, "kms-key-rotation-enabled", "AWS::KMS::Key"), ["NonCompliant"], "{text}");
        assert_eq!(
            verdict(account, "organizations-account-trail-logging", "AWS::Organizations::Account"),
            ["NonCompliant"],
            "{text}"
        );
    }
    // What moto lacks is a gap, and never a verdict.
    let by_action: BTreeMap<&str, usize> =
        gaps.iter().filter_map(|gap| gap["action"].as_str()).fold(BTreeMap::new(), |mut sum, action| {
            *sum.entry(action).or_default() += 1;
            sum
        });
    assert!(by_action.contains_key("codepipeline:GetPipelineState"), "{by_action:?}");
    assert!(by_action.contains_key("codepipeline:ListWebhooks"), "{by_action:?}");
    for account in &accounts {
        assert_eq!(
            verdict(account, "codepipeline-webhooks-authenticated", "AWS::CodePipeline::Pipeline"),
            ["InsufficientData"],
            "{text}"
        );
    }
}
