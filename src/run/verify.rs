//! Does a run still hold?
//!
//! In: the folder of a finished run. Out: the first file that is not what the manifest says, or the word that all are,
//! and whether the run before is still the one that the manifest saw.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::manifest::{files_in, hash_file};
use super::pruning::kept_manifest;
use super::signature::{self, PublicKey, SIGNATURE, SignatureError};
use super::{MANIFEST, Manifest, RunError, RunId};

/// A run that does not hold.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The folder or its manifest cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The manifest names a file that is gone.
    #[error("{} is missing, but the manifest names it", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file is not the one that was written.
    #[error("{} was changed: the manifest says SHA-256 {expected}, but it has {found}", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// By the manifest.
        expected: String,
        /// By the disk.
        found: String,
    },
    /// A file was added later.
    #[error("{} was added: the manifest does not name it", path.display())]
    Unlisted {
        /// The file.
        path: PathBuf,
    },
    /// The run before was changed, or this manifest was.
    #[error("the chain is broken: {} has SHA-256 {found}, but run {run_id} recorded {expected}", path.display())]
    Chain {
        /// This run.
        run_id: String,
        /// The previous run's manifest.
        path: PathBuf,
        /// By this run's manifest.
        expected: String,
        /// By the disk.
        found: String,
    },
    /// The signature does not hold.
    #[error("{}: {problem}", path.display())]
    Signature {
        /// The run.
        path: PathBuf,
        /// What does not fit.
        problem: SignatureError,
    },
    /// A public key was given, and the run is not signed.
    #[error("{} is not signed: it has no {SIGNATURE}; sign it with `pipewarden sign`", path.display())]
    NotSigned {
        /// The run.
        path: PathBuf,
    },
    /// The folder was renamed, or the manifest belongs to another run.
    #[error("{} is the manifest of run {found}, which is not the name of its folder", path.display())]
    Renamed {
        /// The manifest.
        path: PathBuf,
        /// The run it says.
        found: String,
    },
}

/// How a run is linked to the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// There was none.
    First,
    /// It is there, or its manifest was kept when it was pruned, and that manifest is the one that was seen.
    Holds(RunId),
    /// Nothing is left of it, so nobody can say.
    Gone(RunId),
}

/// A run that holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// Its manifest.
    pub manifest: Manifest,
    /// SHA-256 of the manifest, hex: written down elsewhere, it fixes the whole chain.
    pub manifest_sha256: String,
    /// How it is linked to the run before.
    pub previous: Link,
    /// Who signed it.
    pub signature: Signed,
}

/// Whether a run is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// It has no signature.
    No,
    /// It has one; no public key was given to check it.
    Unchecked {
        /// The key by the signature's own words.
        key_arn: String,
    },
    /// The holder of the given key signed it.
    Checked {
        /// [`PublicKey::sha256`] of that key.
        public_key_sha256: String,
        /// The key by the signature's own words: the signature is over the manifest, not over them.
        key_arn: String,
    },
}

/// Reads every file of the run at `path` again and compares it with the manifest; with a key, the signature as well.
///
/// # Errors
/// [`VerifyError`] with the first thing that does not hold.
pub fn verify(path: &Path, key: Option<&PublicKey>) -> Result<Verified, VerifyError> {
    let manifest_path = path.join(MANIFEST);
    if !manifest_path.is_file() {
        return Err(RunError::NotARun { path: path.to_owned(), missing: MANIFEST }.into());
    }
    let manifest = Manifest::read(&manifest_path)?;
    let folder = std::path::absolute(path).map_err(RunError::io("find", path))?;
    if folder.file_name().and_then(|name| name.to_str()) != Some(manifest.run.run_id.as_str()) {
        return Err(VerifyError::Renamed { path: manifest_path, found: manifest.run.run_id });
    }
    let mut unlisted: BTreeMap<String, PathBuf> = files_in(path)?.into_iter().collect();
    for entry in &manifest.files {
        // A forged manifest must not make us read what lies outside the run.
        if !Path::new(&entry.path).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(VerifyError::Missing { path: PathBuf::from(&entry.path) });
        }
        let Some(file) = unlisted.remove(&entry.path) else {
            return Err(VerifyError::Missing { path: path.join(&entry.path) });
        };
        let (bytes, found) = hash_file(&file).map_err(RunError::io("read", &file))?;
        if found != entry.sha256 || bytes != entry.bytes {
            return Err(VerifyError::Changed { path: file, expected: entry.sha256.clone(), found });
        }
    }
    if let Some((_, path)) = unlisted.pop_first() {
        return Err(VerifyError::Unlisted { path });
    }
    let (_, manifest_sha256) = hash_file(&manifest_path).map_err(RunError::io("read", &manifest_path))?;
    let previous = link_of(&folder, &manifest)?;
    let signature = signed(path, &manifest_path, key)?;
    Ok(Verified { manifest, manifest_sha256, previous, signature })
}

fn signed(path: &Path, manifest: &Path, key: Option<&PublicKey>) -> Result<Signed, VerifyError> {
    match (signature::read(path)?, key) {
        (None, None) => Ok(Signed::No),
        (None, Some(_)) => Err(VerifyError::NotSigned { path: path.to_owned() }),
        (Some(signature), None) => Ok(Signed::Unchecked { key_arn: signature.key_arn }),
        (Some(signature), Some(key)) => {
            let bytes = std::fs::read(manifest).map_err(RunError::io("read", manifest))?;
            let checked = signature.check(&bytes, key);
            checked.map_err(|problem| VerifyError::Signature { path: path.to_owned(), problem })?;
            Ok(Signed::Checked { public_key_sha256: key.sha256().to_owned(), key_arn: signature.key_arn })
        }
    }
}

/// How the run in a folder, given by its absolute path, is linked to the run before; only that run's manifest is read.
///
/// # Errors
/// [`VerifyError::Chain`] if the run before is not the one that was seen, or it cannot be read.
pub fn link_of(folder: &Path, manifest: &Manifest) -> Result<Link, VerifyError> {
    let Some(previous) = &manifest.previous else { return Ok(Link::First) };
    let mut path = folder.with_file_name(previous.run_id.as_str()).join(MANIFEST);
    if let (false, Some(out)) = (path.exists(), folder.parent().and_then(Path::parent)) {
        path = kept_manifest(out, &previous.run_id);
    }
    match hash_file(&path) {
        Ok((_, found)) if found == previous.manifest_sha256 => Ok(Link::Holds(previous.run_id.clone())),
        Ok((_, found)) => Err(VerifyError::Chain {
            run_id: manifest.run.run_id.clone(),
            path,
            expected: previous.manifest_sha256.clone(),
            found,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Link::Gone(previous.run_id.clone())),
        Err(error) => Err(RunError::io("read", &path)(error).into()),
    }
}

/// Whether a run leads back to run `until` over manifests that are all at hand, those of pruned runs included. `folder`
/// is the absolute path of any run beside it.
///
/// # Errors
/// As [`link_of`].
pub fn leads_back_to(folder: &Path, manifest: &Manifest, until: &RunId) -> Result<bool, VerifyError> {
    let Some(out) = folder.parent().and_then(Path::parent) else { return Ok(false) };
    let mut link = link_of(folder, manifest)?;
    loop {
        match link {
            Link::Holds(run) if run == *until => return Ok(true),
            Link::Holds(run) if run > *until => {
                let kept = kept_manifest(out, &run);
                if !kept.is_file() {
                    return Ok(false);
                }
                link = link_of(folder, &Manifest::read(&kept)?)?;
            }
            _ => return Ok(false),
        }
    }
}
