//! Bytes → a document: text, tree, and what is odd about it.
//!
//! In: a file as it lies on disk, in any of the encodings that people's tools write. Out: a [`Document`], or an
//! [`Unreadable`] that says where and why. Neither ever panics, and both are bounded in time and memory, because a pull
//! request is hostile input.

use std::sync::Arc;

use super::hole::RESERVED;
use super::node::Node;
use super::{encoding, json, yaml};
use crate::inventory::{Position, Span};

/// What a document may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a file.
    pub bytes: usize,
    /// Values in a document, aliases expanded.
    pub nodes: usize,
    /// Mappings and sequences inside each other.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 20, nodes: 2_000_000, depth: 200 }
    }
}

/// A document that was read.
#[derive(Debug, Clone)]
pub struct Document {
    /// The path as given, with `/` between its parts.
    pub file: Arc<str>,
    /// Its text; lines and columns count in it.
    pub text: Arc<str>,
    /// Its values.
    pub root: Node,
    /// What is odd but readable, e.g. a key that stands twice in a mapping.
    pub notices: Vec<(Span, String)>,
}

/// A document that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The path as given.
    pub file: Arc<str>,
    /// Where it fails, as far as that is known.
    pub at: Option<Position>,
    /// What is wrong, and how to mend it.
    pub message: String,
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Unreadable`] if it is larger than the limits, in no known encoding, or neither JSON nor YAML.
    pub fn read(file: &str, bytes: &[u8], limits: &Limits) -> Result<Self, Unreadable> {
        let file: Arc<str> = file.into();
        let refused = |at: Option<Position>, message: String| Unreadable { file: Arc::clone(&file), at, message };
        if bytes.len() > limits.bytes {
            let message = format!("{} bytes are more than the {} that are read of a file", bytes.len(), limits.bytes);
            return Err(refused(None, message));
        }
        let text = encoding::decode(bytes).map_err(|message| refused(None, message))?;
        let text: Arc<str> =
            if text.contains(RESERVED) { text.replace(RESERVED, "\u{FFFD}").into() } else { text.into() };
        let looks_like_json = text.trim_start().starts_with(['{', '[']);
        let read = if looks_like_json {
            // Flow style is YAML too: `{Resources: {...}}` is no JSON, but a template.
            json::read(&text, limits).or_else(|error| yaml::read(&text, limits).map_err(|_| error))
        } else {
            yaml::read(&text, limits)
        };
        let (root, notices) = read.map_err(|error| refused(error.at, error.message))?;
        Ok(Self { file, text, root, notices })
    }
}

/// Why a text is no document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) at: Option<Position>,
    pub(super) message: String,
}

/// A tree and what is odd about it.
pub(super) type Read = Result<(Node, Vec<(Span, String)>), SyntaxError>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json_give_the_same_values() {
        let read = |text: &str| Document::read("t", text.as_bytes(), &Limits::default()).unwrap();
        let yaml = read("A:\n  B: [1, true, x]\n  C: ~\n");
        let json = read("{\"A\": {\"B\": [1, true, \"x\"], \"C\": null}}");
        assert_eq!(yaml.root.to_value(), json.root.to_value());
        assert_eq!(yaml.root.at(&["A", "B"]).unwrap().span.start, Position { line: 2, column: 6 });
        assert_eq!(json.root.at(&["A", "B"]).unwrap().span.start, Position { line: 1, column: 13 });
    }

    #[test]
    fn short_tags_are_kept() {
        let read = Document::read("t", b"A: !GetAtt b.Arn\nC: !If [x, y, z]\n", &Limits::default()).unwrap();
        assert_eq!(read.root.get("A").unwrap().tag.as_deref(), Some("GetAtt"));
        assert_eq!(read.root.get("C").unwrap().tag.as_deref(), Some("If"));
        assert_eq!(read.root.get("C").unwrap().elements().len(), 3);
    }

    #[test]
    fn a_broken_document_says_where() {
        let error = Document::read("t", b"A: [1,\nB: 2\n", &Limits::default()).unwrap_err();
        assert_eq!(error.at.map(|at| at.line), Some(2), "{error:?}");
        let error = Document::read("t", b"{\"A\": \n 1,, }", &Limits::default()).unwrap_err();
        assert_eq!(error.at.map(|at| at.line), Some(2), "{error:?}");
    }
}
