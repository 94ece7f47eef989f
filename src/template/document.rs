//! Bytes → a document: text, tree, and what is odd about it.
//!
//! In: a file as it lies on disk, in any of the encodings that people's tools write. Out: a [`Document`], or an
//! [`Unreadable`] that says where and why. Neither ever panics, and both are bounded in time and memory, because a pull
//! request is hostile input.

use std::sync::Arc;

use super::hole::RESERVED;
use super::node::Node;
use super::{advice, encoding, json, yaml};
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

impl Limits {
    /// Bytes of a YAML document: a reader of YAML must hold a whole list in braces before it knows what it is, and
    /// `CloudFormation` takes 1 MB.
    pub const YAML_BYTES: usize = 2 << 20;

    /// What is said of a file with too many bytes.
    #[must_use]
    pub fn too_large(&self, bytes: u64) -> String {
        let (most, mega) = (self.bytes >> 20, bytes.div_ceil(1 << 20));
        format!("the file has {mega} MiB, and files of more than {most} MiB are not read; check it in smaller parts")
    }

    /// Values of a YAML document, for the same reason.
    pub(super) fn of_yaml(self) -> Self {
        Self { nodes: self.nodes / 8, ..self }
    }

    pub(super) fn too_many(&self) -> String {
        let most = self.nodes;
        format!(
            "the document has more than {most} values, aliases counted as what they stand for; check it in smaller parts"
        )
    }

    pub(super) fn too_deep(&self) -> String {
        format!("values are nested more than {} deep here; no template needs that", self.depth)
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
    pub root: Arc<Node>,
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
        let refused = |error: SyntaxError| Unreadable { file: Arc::clone(&file), at: error.at, message: error.message };
        if bytes.len() > limits.bytes {
            let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            return Err(refused(SyntaxError::new(None, limits.too_large(size))));
        }
        let text = encoding::decode(bytes).map_err(refused)?;
        let text: Arc<str> =
            if holds(&text, &RESERVED) { text.replace(RESERVED, "\u{FFFD}").into() } else { text.into() };
        let (root, notices) = parse(&text, limits).map_err(|error| refused(advice::on(error, &text)))?;
        Ok(Self { file, text, root: Arc::new(root), notices })
    }
}

/// Whether one of the characters is in a text; one after the other, because a search for one is many times as fast.
pub(super) fn holds(text: &str, characters: &[char]) -> bool {
    characters.iter().any(|character| text.contains(*character))
}

fn parse(text: &str, limits: &Limits) -> Read {
    if let Some((before, _)) = text.split_once('\0') {
        let message = "a NUL byte stands here; the file is binary or damaged";
        return Err(SyntaxError::limit(Some(encoding::end_of(before)), message.to_owned()));
    }
    if !text.trim_start().starts_with(['{', '[']) {
        return yaml::read(text, limits);
    }
    // Flow style is YAML too: `{Resources: {...}}` is no JSON, but a template.
    json::read(text, limits).or_else(|error| {
        if error.limit || text.len() > Limits::YAML_BYTES {
            return Err(error);
        }
        yaml::read(text, limits).map_err(|yaml| if yaml.limit { yaml } else { error })
    })
}

/// Why a text is no document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) at: Option<Position>,
    pub(super) message: String,
    /// Whether the text may be well-formed and is refused all the same, so that no other reader need try.
    pub(super) limit: bool,
}

impl SyntaxError {
    pub(super) fn new(at: Option<Position>, message: String) -> Self {
        Self { at, message, limit: false }
    }

    pub(super) fn limit(at: Option<Position>, message: String) -> Self {
        Self { at, message, limit: true }
    }
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

    #[test]
    fn damaged_files_are_refused_in_words() {
        let read = |bytes: &[u8]| Document::read("t", bytes, &Limits::default()).unwrap_err();
        let error = read(b"A: 1\nB: x\0y\n");
        assert!(error.message.contains("NUL") && error.at == Some(Position { line: 2, column: 5 }), "{error:?}");
        assert!(read(b"{\"A\": \"\0\"}").message.contains("NUL"));
        let small = Limits { bytes: 10, ..Limits::default() };
        let error = Document::read("t", &[0xFF; 11], &small).unwrap_err();
        assert!(error.message.contains("smaller parts"), "{error:?}");
        // A limit of one reader is no reason to ask the other one.
        assert!(read("[".repeat(100_000).as_bytes()).message.contains("nested more than 200"));
        assert!(Document::read("t", b"", &Limits::default()).unwrap().root.is_null());
    }

    #[test]
    fn a_document_keeps_its_marks_of_open_values_to_itself() {
        let read = Document::read("t", "A: \u{FDD0}0\u{FDD1}\n".as_bytes(), &Limits::default()).unwrap();
        assert_eq!(read.root.get("A").and_then(Node::as_str), Some("\u{FFFD}0\u{FFFD}"));
    }

    #[test]
    fn utf_16_has_the_places_of_its_characters() {
        let bytes: Vec<u8> = "\u{FEFF}{\"😀\":\r\n 1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let read = Document::read("t", &bytes, &Limits::default()).unwrap();
        assert_eq!(read.root.entries()[0].key_span.end, Position { line: 1, column: 5 });
        assert_eq!(read.root.get("😀").unwrap().span.start, Position { line: 2, column: 2 });
    }
}
