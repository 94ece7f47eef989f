//! Where the strings and brackets of JSON are, 64 bytes at a time.
//!
//! In: bytes, in order. Out: for each block of 64 four masks, bit `n` for byte `n`. It exists because a bracket counts
//! only outside of strings, and because looking at each byte by itself costs as much as inflating it does.

/// Bytes of a block.
pub(super) const BLOCK: usize = 64;

/// What stands in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Structure {
    /// The quotes that begin or end a string.
    pub(super) quotes: u64,
    /// Bytes of strings, from the quote that begins one on, without the quote that ends it.
    pub(super) strings: u64,
    /// `{` and `[` outside of strings.
    pub(super) opens: u64,
    /// `}` and `]` outside of strings.
    pub(super) closes: u64,
}

/// What goes over from one block to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Carry {
    /// All ones within a string.
    string: u64,
    /// Whether the first byte is escaped by the block before.
    escaped: bool,
}

impl Carry {
    /// Whether a string has begun and not ended.
    pub(super) fn is_in_string(self) -> bool {
        self.string != 0
    }

    /// Takes the next block. A block without any bracket, in strings or not, has nothing to tell, unless it is `asked`.
    #[inline]
    pub(super) fn next(&mut self, block: &[u8; BLOCK], asked: bool) -> Option<Structure> {
        let quotes = columns(block, |byte| byte == b'"');
        let backslashes = columns(block, |byte| byte == b'\\');
        // With this bit on, `[` is `{` and `]` is `}`, and nothing else is.
        let opens = columns(block, |byte| byte | 0x20 == b'{');
        let closes = columns(block, |byte| byte | 0x20 == b'}');
        let plain = backslashes == 0 && !self.escaped;
        if plain && !asked && opens | closes == 0 {
            self.string ^= 0_u64.wrapping_sub(u64::from(quotes.count_ones() & 1));
            return None;
        }
        let mut quotes = rows(quotes);
        if !plain {
            quotes &= !self.escaped_bytes(rows(backslashes));
        }
        let mut strings = quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            strings ^= strings << shift;
        }
        strings ^= self.string;
        self.string = 0_u64.wrapping_sub(strings >> 63);
        Some(Structure { quotes, strings, opens: rows(opens) & !strings, closes: rows(closes) & !strings })
    }

    /// The bytes that a backslash stands before which is not itself escaped.
    fn escaped_bytes(&mut self, backslashes: u64) -> u64 {
        let mut escaped = u64::from(self.escaped);
        // A backslash that is escaped escapes nothing; so of each run every other one does, from the first that may.
        let mut rest = backslashes & !escaped;
        self.escaped = false;
        while rest != 0 {
            let begin = rest.trailing_zeros();
            let run = (rest >> begin).trailing_ones();
            let end = begin + run;
            let mut target = begin + 1;
            while target <= end {
                if target < 64 {
                    escaped |= 1 << target;
                } else {
                    self.escaped = true;
                }
                target += 2;
            }
            rest = if end < 64 { rest >> end << end } else { 0 };
        }
        escaped
    }
}

/// What byte `n` of a block adds to its column: bit `n / 8`.
const ROWS: [u8; BLOCK] = {
    let mut rows = [0; BLOCK];
    let mut left: &mut [u8] = &mut rows;
    let mut number = 0;
    while let Some((row, rest)) = left.split_first_mut() {
        *row = 1 << (number / 8);
        number += 1;
        left = rest;
    }
    rows
};

/// The bytes that `is` holds for, as eight columns of eight rows: bit `r` of byte `c` is byte `8 r + c` of the block.
/// Written so that the compiler compares and folds sixteen bytes at once; whatever does not vectorise here shows in
/// the benchmark.
#[inline]
fn columns(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> u64 {
    let mut weights = [0_u8; BLOCK];
    for ((weight, byte), row) in weights.iter_mut().zip(block).zip(&ROWS) {
        *weight = if is(*byte) { *row } else { 0 };
    }
    weights.as_chunks::<8>().0.iter().fold(0, |columns, row| columns | u64::from_le_bytes(*row))
}

/// Columns to rows, so that bit `n` is byte `n`: the eight by eight bits, transposed.
#[inline]
fn rows(columns: u64) -> u64 {
    let mut bits = columns;
    for (shift, half) in [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)] {
        let swapped = (bits ^ (bits >> shift)) & half;
        bits ^= swapped ^ (swapped << shift);
    }
    bits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, byte by byte.
    fn plainly(bytes: &[u8]) -> Vec<(bool, bool, bool, bool)> {
        let (mut string, mut escaped) = (false, false);
        bytes
            .iter()
            .map(|&byte| {
                let free = !std::mem::take(&mut escaped);
                escaped = free && byte == b'\\';
                let quote = free && byte == b'"';
                string ^= quote;
                (quote, string, !string && b"{[".contains(&byte), !string && b"}]".contains(&byte))
            })
            .collect()
    }

    proptest! {
        #[test]
        fn masks_are_what_reading_byte_by_byte_gives(bytes in proptest::collection::vec(
            prop_oneof![4 => proptest::sample::select(b"\"\"\\\\\\{}[] a".to_vec()), 1 => any::<u8>()], 0..400
        )) {
            let mut padded = bytes.clone();
            padded.resize(bytes.len().next_multiple_of(BLOCK), b' ');
            let mut carry = Carry::default();
            let mut masks = Vec::new();
            for block in padded.as_chunks::<BLOCK>().0 {
                let mut lazy = carry;
                let s = carry.next(block, true).unwrap();
                let seen = lazy.next(block, false);
                prop_assert_eq!(lazy, carry);
                prop_assert_eq!(seen.unwrap_or(s), s);
                prop_assert!(seen.is_some() || s.opens | s.closes == 0);
                masks.extend((0..64).map(|bit| {
                    let on = |mask: u64| mask >> bit & 1 == 1;
                    (on(s.quotes), on(s.strings), on(s.opens), on(s.closes))
                }));
            }
            prop_assert_eq!(masks, plainly(&padded));
        }
    }
}
