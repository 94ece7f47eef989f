//! The key under which values that are taken out of inventories get their fingerprints.
//!
//! In: `[secrets]` of the configuration, the folder that keeps the runs. Out: the key: from the variable or the file that
//! is named, otherwise from a file beside the runs, which the first run makes. It is no part of a run, so that whoever
//! reads reports cannot try out passwords on them.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};

use super::failure::Failure;
use super::secrets::Secrets;
use crate::collect::git_hosts::Variables as _;
use crate::config::Config;
use crate::inventory::{Redaction, hex};

/// Name of the file beside the runs.
pub(super) const FILE: &str = "fingerprint.key";
/// Bytes of a key that is made here: as many as the hash has.
const LENGTH: usize = 32;

/// How this run takes secrets out.
pub(super) fn redaction(config: &Config, out: &Path, secrets: &Secrets) -> Result<Redaction, Failure> {
    let written = &config.written.secrets;
    // A configuration that names both was refused when it was read.
    let (key, source) = match (&written.fingerprint_key_env, &written.fingerprint_key_file) {
        (Some(name), _) => {
            let value = secrets.value(name).map_err(|problem| {
                secrets.failure(format!("{}: `secrets.fingerprint_key_env`: {problem}", config.file))
            })?;
            let value = value.ok_or_else(|| {
                Failure::usage(format!(
                    "{}: `secrets.fingerprint_key_env` names the variable {name}, which is not set",
                    config.file
                ))
            })?;
            (value.into_bytes(), format!("the variable {name}"))
        }
        (None, Some(path)) => {
            let path = config.within(path);
            let key = fs::read(&path).map_err(|error| {
                let (file, path) = (&config.file, path.display());
                Failure::usage(format!("{file}: `secrets.fingerprint_key_file`: {path} cannot be read: {error}"))
            })?;
            (key, path.display().to_string())
        }
        (None, None) => beside(out)?,
    };
    Redaction::with_key(key.trim_ascii()).ok_or_else(|| {
        Failure::usage(format!(
            "{source} holds a key of less than {} bytes; use 32 random ones",
            Redaction::SHORTEST_KEY
        ))
    })
}

/// The key beside the runs, which is made where there is none, and where it stands.
pub(super) fn beside(out: &Path) -> Result<(Vec<u8>, String), Failure> {
    let path = out.join(FILE);
    let key = own_key(out, &path).map_err(|error| {
        Failure::because(format!("{} cannot be read or made: {error}; name a folder that this user may write with --out, or a key under `[secrets]`", path.display()))
    })?;
    Ok((key, path.display().to_string()))
}

fn own_key(out: &Path, path: &Path) -> std::io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        read => return read,
    }
    let mut bytes = [0; LENGTH];
    SystemRandom::new().fill(&mut bytes).map_err(|_| std::io::Error::other("the system gives no random numbers"))?;
    // As text, so that the file can be put into a variable as it is.
    let mut key = hex(&bytes);
    key.push('\n');
    fs::create_dir_all(out)?;
    // Under its own name only when it is whole, and only if no other process was first.
    let draft = out.join(format!(".{FILE}.{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(key.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => fs::read(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        toml::from_str::<crate::config::Written>(text).unwrap().resolve("pipewarden.toml").unwrap()
    }

    #[test]
    fn the_key_beside_the_runs_is_made_once_and_is_nobody_elses() {
        let out = tempfile::tempdir().unwrap();
        let folder = out.path().join("new");
        let first = redaction(&config(""), &folder, &Secrets::default()).unwrap().redact("X", "hunter2");
        assert_eq!(redaction(&config(""), &folder, &Secrets::default()).unwrap().redact("X", "hunter2"), first);
        assert_ne!(redaction(&config(""), out.path(), &Secrets::default()).unwrap().redact("X", "hunter2"), first);
        let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [FILE]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(folder.join(FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_named_key_is_read_and_a_short_one_refused() {
        let out = tempfile::tempdir().unwrap();
        let path = out.path().join("key");
        let named = config(&format!("[secrets]\nfingerprint_key_file = {:?}", path.display().to_string()));
        assert!(redaction(&named, out.path(), &Secrets::default()).is_err());
        fs::write(&path, "short").unwrap();
        assert!(redaction(&named, out.path(), &Secrets::default()).is_err());
        fs::write(&path, "0123456789abcdef\n").unwrap();
        let expected = Redaction::with_key(b"0123456789abcdef").unwrap();
        assert_eq!(
            redaction(&named, out.path(), &Secrets::default()).unwrap().redact("X", "v"),
            expected.redact("X", "v")
        );
        assert!(!out.path().join(FILE).exists());
        let missing = config("[secrets]\nfingerprint_key_env = \"PIPEWARDEN_TEST_NO_SUCH_VARIABLE\"");
        assert!(redaction(&missing, out.path(), &Secrets::default()).is_err());
    }
}
