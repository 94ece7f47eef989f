//! Where an archive's bytes come from.
//!
//! In: a bucket or a folder. Out: keys, and readers of the objects. The reader of archives knows CloudTrail's layout;
//! whoever implements [`ArchiveObjects`] knows only how to list and to open. Everything is synchronous, because files
//! are inflated and read on rayon's threads; an implementation that asks over a network blocks the thread it is on.

use std::io::Read;

use crate::inventory::GapCause;

/// An object, opened.
pub struct Opened {
    /// Its bytes as they are stored: still gzip. It is read to its end, once. An error while reading is a gap that names
    /// the object; what was read before counts.
    pub body: Box<dyn Read + Send>,
    /// For a digest file: the object's `signature` metadata (`x-amz-meta-signature`, hexadecimal), if it has any.
    pub signature: Option<String>,
}

/// Which keys are wanted. All comparisons are of bytes, as in S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRange<'a> {
    /// Keys begin with it (`AWSLogs/111122223333/CloudTrail/eu-west-1/`); never empty except where
    /// [`ArchiveObjects::is_loose`].
    pub prefix: &'a str,
    /// Keys are larger than this one (`StartAfter` of `ListObjectsV2`); empty for the first.
    pub after: &'a str,
    /// Keys are smaller than this one; empty for no bound.
    pub before: &'a str,
}

impl KeyRange<'_> {
    /// Whether a key is wanted.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        key.starts_with(self.prefix)
            && (self.after.is_empty() || key > self.after)
            && (self.before.is_empty() || key < self.before)
    }
}

/// A bucket or folder that a trail delivers to. Keys are relative to the place that `AWSLogs/` lies in: an
/// implementation takes the trail's own prefix off and puts it before again.
pub trait ArchiveObjects: Sync {
    /// The place in words, for gaps and messages: `s3://bucket/prefix`, `/var/trail`.
    fn place(&self) -> String;

    /// The names of the folders directly in `prefix` (empty, or ending in `/`), without slashes: `CommonPrefixes` of
    /// `ListObjectsV2` with the delimiter `/`. A prefix that holds none is an empty list.
    ///
    /// # Errors
    /// Why it could not be listed; it becomes a gap.
    fn folders(&self, prefix: &str) -> Result<Vec<String>, GapCause>;

    /// All keys in a range, at any depth, in any order.
    ///
    /// # Errors
    /// Why it could not be listed; it becomes a gap.
    fn keys(&self, range: KeyRange<'_>) -> Result<Vec<String>, GapCause>;

    /// Opens an object for reading. Called from many threads at once.
    ///
    /// # Errors
    /// Why it could not be opened; it becomes a gap that names the object.
    fn open(&self, key: &str) -> Result<Opened, GapCause>;

    /// Whether everything may be listed at once because it is small and need not lie as CloudTrail puts it: a folder
    /// that somebody copied files into. A bucket is not loose.
    fn is_loose(&self) -> bool {
        false
    }
}
