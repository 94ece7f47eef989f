//! Bytes → text.
//!
//! In: a file's bytes. Out: text. Tools on Windows write UTF-16 (`terraform show -json > plan.json` in `PowerShell` does)
//! and byte order marks, so both are read.

use super::document::SyntaxError;
use crate::inventory::Position;

/// Decodes UTF-8 and, by its byte order mark or its zero bytes, UTF-16.
pub(super) fn decode(bytes: &[u8]) -> Result<String, SyntaxError> {
    match bytes {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => {
            Err(SyntaxError::new(None, "the file is UTF-32; save it as UTF-8".to_owned()))
        }
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [first, 0, ..] if *first != 0 => utf16(bytes, u16::from_le_bytes),
        [0, second, ..] if *second != 0 => utf16(bytes, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest, 3),
        _ => utf8(bytes, 0),
    }
}

fn utf8(bytes: &[u8], before: usize) -> Result<String, SyntaxError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let good = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
            let at = before + error.valid_up_to() + 1;
            let message = format!("byte {at} of the file is neither UTF-8 nor UTF-16; save the file as UTF-8");
            Err(SyntaxError::new(Some(end_of(&good)), message))
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, SyntaxError> {
    let units = bytes.chunks_exact(2).map(|pair| match pair {
        [first, second] => unit([*first, *second]),
        _ => 0,
    });
    let mut text = String::with_capacity(bytes.len() / 2);
    for decoded in char::decode_utf16(units) {
        let Ok(character) = decoded else {
            let message = "half of a surrogate pair stands here; the file is no valid UTF-16: save it as UTF-8";
            return Err(SyntaxError::new(Some(end_of(&text)), message.to_owned()));
        };
        text.push(character);
    }
    if bytes.len() % 2 == 1 {
        let message = "the file looks like UTF-16 but has an odd number of bytes; save it as UTF-8";
        return Err(SyntaxError::new(None, message.to_owned()));
    }
    Ok(text)
}

/// The place just behind a text.
pub(super) fn end_of(text: &str) -> Position {
    let last = text.rsplit('\n').next().unwrap_or_default();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).saturating_add(1);
    Position { line: count(text.matches('\n').count()), column: count(last.chars().count()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_of_windows_are_read() {
        let little: Vec<u8> = "{}é".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "{}é".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(decode(&little).unwrap(), "{}é");
        assert_eq!(decode(&big).unwrap(), "{}é");
        assert_eq!(decode(&[&[0xFF, 0xFE][..], &little].concat()).unwrap(), "{}é");
        assert_eq!(decode(&[&[0xFE, 0xFF][..], &big].concat()).unwrap(), "{}é");
        assert_eq!(decode(&[&[0xEF, 0xBB, 0xBF][..], "é".as_bytes()].concat()).unwrap(), "é");
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_place() {
        let error = decode(&[b'a', b'\n', b'b', 0xFF, b'b']).unwrap_err();
        assert_eq!(error.at, Some(Position { line: 2, column: 2 }));
        assert!(error.message.contains("byte 4 "), "{error:?}");
        assert!(decode(&[b'a', 0, b'b']).unwrap_err().message.contains("odd number"));
        let lone: Vec<u8> = [0x7B, 0xD83D, 0x7D].iter().flat_map(|unit: &u16| unit.to_le_bytes()).collect();
        assert_eq!(decode(&lone).unwrap_err().at, Some(Position { line: 1, column: 2 }));
        assert!(decode(&[0xFF, 0xFE, 0, 0, b'{', 0, 0, 0]).unwrap_err().message.contains("UTF-32"));
    }
}
