//! What can go wrong with a bucket that keeps runs, and how to mend it.

use std::io;
use std::path::{Path, PathBuf};

/// A store that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// S3 refused, or could not be asked.
    #[error("{place}: {action}: {problem}; {hint}")]
    Call {
        /// Address of the object or folder.
        place: String,
        /// IAM action, such as `s3:PutObject`.
        action: &'static str,
        /// S3's words.
        problem: String,
        /// How to mend it.
        hint: &'static str,
    },
    /// The working folder failed.
    #[error("{}: {source}; the working folder of this machine must be writable and have room (TMPDIR names another)", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Somebody else wrote the same file of a run otherwise.
    #[error("{place} is there with other content, and nothing of a run is ever overwritten; {hint}")]
    Another {
        /// Address of the object.
        place: String,
        /// How to go on.
        hint: &'static str,
    },
    /// A folder is not what it was taken for.
    #[error(
        "{place} holds {count} objects, which are fetched with a configuration; put it and what it names into a folder of their own"
    )]
    TooMuch {
        /// Address of the folder.
        place: String,
        /// How many there are.
        count: usize,
    },
    /// A body ended before its end.
    #[error("{place}: s3:GetObject: broke off: {problem}; try again")]
    BrokeOff {
        /// Address of the object.
        place: String,
        /// The connection's words.
        problem: String,
    },
    /// An object arrived otherwise than S3 has it.
    #[error("{place} arrived with SHA-256 {found}, but S3 has {expected}; fetch it again")]
    Damaged {
        /// Address of the object.
        place: String,
        /// By S3.
        expected: String,
        /// By what arrived.
        found: String,
    },
}

impl StoreError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
