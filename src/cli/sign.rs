//! `pipewarden sign`, and the signature that ends an audit: a key of KMS signs the manifest.
//!
//! In: a finished run, `[signing]` of the configuration. Out: the signature beside the manifest, checked with the key's
//! public part before it is written.

use std::path::PathBuf;

use aws_config::{Region, SdkConfig};
use aws_sdk_kms::Client;
use aws_sdk_kms::error::DisplayErrorContext;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeyUsageType, MessageType, SigningAlgorithmSpec};
use clap::Args;

use super::Exit;
use super::aws::{self, AwsOptions};
use super::failure::Failure;
use super::kept::{Kept, StoreOptions};
use super::options::{named_run, say};
use crate::config::Config;
use crate::inventory::Arn;
use crate::run::{FAILED, MANIFEST, PLAN, PublicKey, RunDirectory, SIGNATURE, Signature, SigningAlgorithm};

/// Options of `sign`.
#[derive(Debug, Args)]
pub(super) struct SignArgs {
    /// The run, by its folder or id [default: the newest in --out]
    run: Option<PathBuf>,
    /// Folder that keeps the runs, or `s3://BUCKET/PREFIX`
    #[arg(long, value_name = "DIR", env = "PIPEWARDEN_OUT", default_value = "pipewarden-out")]
    out: PathBuf,
    #[command(flatten)]
    store: StoreOptions,
    /// Configuration file, whose `[signing]` names the key
    #[arg(long, value_name = "FILE", env = "PIPEWARDEN_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    aws: AwsOptions,
}

pub(super) fn run(args: &SignArgs) -> Result<Exit, Failure> {
    let profile = args.aws.profile.as_deref();
    let config = args.store.configuration(args.config.as_deref(), profile)?;
    let file = &config.file;
    if config.written.signing.kms_key.is_none() {
        return Err(Failure::usage(format!(
            "{file}: `signing.kms_key` names no key; write the ARN of an asymmetric KMS key"
        )));
    }
    let kept = Kept::open(&args.out, &args.store, profile)?;
    kept.fetch_named(args.run.as_deref(), &[PLAN, MANIFEST, FAILED, SIGNATURE])?;
    let run = named_run(args.run.as_deref(), kept.folder())?;
    if run.signature().map_err(|error| Failure::failed(&error))?.is_some() {
        return Err(Failure::because(format!("{} is signed already", kept.place(&run))));
    }
    aws::runtime()?.block_on(async {
        let sdk = aws::from_environment(&args.aws, config.home_region.as_ref()).await;
        sign(&run, &config, &sdk).await
    })?;
    kept.send_run(&run)?;
    Ok(Exit::Compliant)
}

/// Signs the manifest of a finished run with the configured key; does nothing where none is configured.
pub(super) async fn sign(run: &RunDirectory, config: &Config, sdk: &SdkConfig) -> Result<(), Failure> {
    let Some(key) = &config.written.signing.kms_key else { return Ok(()) };
    let failed = |action: &str, problem: String| {
        let again = format!(
            "the run is finished; sign it with `pipewarden sign {}`, with the same --out and --config",
            run.plan().run_id
        );
        Failure::because(format!("{action} with {key}: {problem}; {again}"))
    };
    let arn =
        Arn::parse(key).map_err(|error| Failure::usage(format!("{}: `signing.kms_key`: {error}", config.file)))?;
    let in_its_region = sdk.to_builder().region(Region::new(arn.region.to_owned())).build();
    let client = Client::new(&in_its_region);
    let public = client.get_public_key().key_id(key).send().await;
    let public = public.map_err(|error| failed("kms:GetPublicKey", DisplayErrorContext(&error).to_string()))?;
    if public.key_usage() != Some(&KeyUsageType::SignVerify) {
        return Err(failed("kms:Sign", "it is no key for signing: make one with key usage SIGN_VERIFY".to_owned()));
    }
    let algorithm = chosen(public.signing_algorithms()).ok_or_else(|| {
        let words: Vec<&str> = public.signing_algorithms().iter().map(SigningAlgorithmSpec::as_str).collect();
        let known = SigningAlgorithm::ALL.map(SigningAlgorithm::as_str).join(", ");
        failed(
            "kms:Sign",
            format!("it signs with {}, of which none can be checked here; known are {known}", words.join(", ")),
        )
    })?;
    let manifest = run.manifest_bytes().map_err(|error| Failure::failed(&error))?;
    let signed = client
        .sign()
        .key_id(key)
        .message(Blob::new(algorithm.digest(&manifest)))
        .message_type(MessageType::Digest)
        .signing_algorithm(SigningAlgorithmSpec::from(algorithm.as_str()))
        .send()
        .await
        .map_err(|error| failed("kms:Sign", DisplayErrorContext(&error).to_string()))?;
    let bytes = signed.signature().map(Blob::as_ref).unwrap_or_default();
    let signature = Signature::new(signed.key_id().unwrap_or(key), algorithm, &manifest, bytes);
    let public = PublicKey::read(public.public_key().map(Blob::as_ref).unwrap_or_default());
    let checked = public.and_then(|public| signature.check(&manifest, &public));
    checked.map_err(|error| failed("kms:Sign", format!("what it answered does not hold: {error}")))?;
    run.sign(&signature).map_err(|error| Failure::failed(&error))?;
    say(&format!("signed: {} with {}", signature.key_arn, algorithm.as_str()));
    Ok(())
}

fn chosen(offered: &[SigningAlgorithmSpec]) -> Option<SigningAlgorithm> {
    let is_offered = |algorithm: &SigningAlgorithm| offered.iter().any(|other| other.as_str() == algorithm.as_str());
    SigningAlgorithm::ALL.into_iter().find(is_offered)
}
