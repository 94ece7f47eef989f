//! Bytes → text.
//!
//! In: a file's bytes. Out: text. Tools on Windows write UTF-16 (`terraform show -json > plan.json` in `PowerShell` does)
//! and byte order marks, so both are read.

/// Decodes UTF-8 and, by its byte order mark or its zero bytes, UTF-16.
pub(super) fn decode(bytes: &[u8]) -> Result<String, String> {
    match bytes {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [first, 0, ..] if *first != 0 => utf16(bytes, u16::from_le_bytes),
        [0, second, ..] if *second != 0 => utf16(bytes, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest),
        _ => utf8(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("byte {} is neither UTF-8 nor UTF-16; save the file as UTF-8", error.valid_up_to()))?;
    Ok(text.to_owned())
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, String> {
    let units: Vec<u16> = bytes.chunks(2).filter_map(|pair| <[u8; 2]>::try_from(pair).ok()).map(unit).collect();
    if bytes.len() % 2 == 1 {
        return Err("the file looks like UTF-16 but has an odd number of bytes; save it as UTF-8".to_owned());
    }
    String::from_utf16(&units).map_err(|_| "the file is no valid UTF-16; save it as UTF-8".to_owned())
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
        assert_eq!(decode(&[&[0xEF, 0xBB, 0xBF][..], "é".as_bytes()].concat()).unwrap(), "é");
        assert!(decode(&[b'a', 0xFF, b'b']).unwrap_err().contains("byte 1"));
        assert!(decode(&[b'a', 0, b'b']).is_err());
    }
}
