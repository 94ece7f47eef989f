//! The bytes of a log file, a piece at a time.
//!
//! In: a reader. Out: the bytes that are held, with room made by forgetting the first of them; so memory does not grow
//! with the file, and a byte is moved only where a record goes over an edge.

use std::io::{self, Read};

use super::{Limits, ScanError};

/// Why no more pieces come.
#[derive(Debug)]
enum Failure {
    Read(io::Error),
    TooLarge,
}

/// The part of the file that is held.
pub(super) struct Pieces<'b, R> {
    source: R,
    buffer: &'b mut Vec<u8>,
    filled: usize,
    pub(super) inflated: u64,
    limits: Limits,
    pub(super) ended: bool,
    failed: Option<Failure>,
}

impl<'b, R: Read> Pieces<'b, R> {
    pub(super) fn new(source: R, buffer: &'b mut Vec<u8>, limits: Limits) -> Self {
        let mut pieces = Self { source, buffer, filled: 0, inflated: 0, limits, ended: false, failed: None };
        pieces.make_room(0);
        pieces
    }

    /// Why no more pieces come, if it is not that the source ended.
    pub(super) fn failure(&mut self) -> Option<ScanError> {
        self.failed.take().map(|failure| match failure {
            Failure::Read(error) => ScanError::Read { inflated: self.inflated, error },
            Failure::TooLarge => ScanError::TooLarge { limit: self.limits.file },
        })
    }

    pub(super) fn held(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    /// Reads a piece, less only at the end.
    pub(super) fn fill(&mut self) {
        let full = self.filled + self.limits.piece;
        while !self.ended && self.filled < full {
            let Some(room) = self.buffer.get_mut(self.filled..full) else { return };
            match self.source.read(room) {
                Ok(0) => self.ended = true,
                Ok(count) => {
                    self.filled += count;
                    self.inflated += count as u64;
                    if self.inflated > self.limits.file {
                        self.ended = true;
                        self.failed = Some(Failure::TooLarge);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.ended = true;
                    self.failed = Some(Failure::Read(error));
                }
            }
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.filled >= self.limits.window
    }

    /// Forgets the first bytes, and makes room for a piece.
    pub(super) fn make_room(&mut self, forgotten: usize) {
        if forgotten > 0 {
            self.buffer.copy_within(forgotten..self.filled, 0);
            self.filled = self.filled.saturating_sub(forgotten);
        }
        if self.buffer.len() < self.filled + self.limits.piece {
            let room = (self.buffer.len() * 2).max(self.filled + self.limits.piece);
            self.buffer.resize(room, 0);
        }
    }
}
