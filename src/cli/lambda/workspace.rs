//! A folder for one event.
//!
//! In: where runs are kept. Out: the same, or a temporary folder where none was named: inside Lambda nothing but that can
//! be written, and nothing of one event may be found by the next.

use std::path::{Path, PathBuf};

/// What is used where nothing is named.
const NOT_NAMED: &str = "pipewarden-out";

/// Whether nobody named a folder for the runs.
pub(super) fn is_unnamed(out: &Path) -> bool {
    out == Path::new(NOT_NAMED)
}

/// Removes its folder when it is dropped.
pub(super) struct Workspace(Option<PathBuf>);

impl Workspace {
    /// Points `out` at a temporary folder if it names none.
    pub(super) fn of(out: &mut PathBuf, id: &str) -> Self {
        if !is_unnamed(out) {
            return Self(None);
        }
        let plain: String = id.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
        let folder = std::env::temp_dir().join(format!("pipewarden-{plain}"));
        out.clone_from(&folder);
        Self(Some(folder))
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let Some(folder) = &self.0 else { return };
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!("{} is left behind: {error}", folder.display());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_an_event_is_left_behind_and_a_named_folder_stays() {
        let mut out = PathBuf::from(NOT_NAMED);
        let workspace = Workspace::of(&mut out, "test/../of-a-workspace");
        assert!(out.ends_with("pipewarden-testofaworkspace"), "{}", out.display());
        std::fs::create_dir_all(out.join("runs")).unwrap();
        drop(workspace);
        assert!(!out.exists());
        let mut named = PathBuf::from("somewhere");
        drop(Workspace::of(&mut named, "x"));
        assert_eq!(named, Path::new("somewhere"));
    }
}
