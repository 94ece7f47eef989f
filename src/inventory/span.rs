//! Places in a text file.
//!
//! In: what parsers count. Out: one-based lines and columns that an editor understands.

use serde::{Deserialize, Serialize};

/// A line and a column, both one-based; a column counts characters, not bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

/// From the first character to just behind the last one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// Where it begins.
    pub start: Position,
    /// Just behind its end.
    pub end: Position,
}

impl Span {
    /// From the begin of this span to the end of the other one.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }
}
