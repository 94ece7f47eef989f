//! Data inside the page: packed, and in letters that mean nothing to HTML.
//!
//! In: bytes, in which anybody may have written names. Out: an element that no browser runs or parses, with base64 of
//! raw deflate (RFC 1951). Whatever stands in a name, it cannot end the element.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;

/// Writes one block; the script finds it by `id`.
pub(super) fn write(out: &mut dyn Write, id: &str, bytes: &[u8]) -> io::Result<()> {
    let mut packed = DeflateEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::default());
    packed.write_all(bytes)?;
    let packed = packed.finish()?;
    write!(out, "<script type=\"application/octet-stream\" id=\"{id}\">")?;
    out.write_all(STANDARD.encode(packed).as_bytes())?;
    out.write_all(b"</script>\n")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::DeflateDecoder;

    use super::*;

    #[test]
    fn a_block_gives_its_bytes_back_and_holds_no_markup() {
        let hostile = "</script><img src=x onerror=alert(1)>\u{2028}<!--".repeat(100);
        let mut written = Vec::new();
        write(&mut written, "light-0", hostile.as_bytes()).unwrap();
        let text = String::from_utf8(written).unwrap();
        let inner = text.strip_prefix("<script type=\"application/octet-stream\" id=\"light-0\">").unwrap();
        let inner = inner.strip_suffix("</script>\n").unwrap();
        assert!(inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)), "{inner}");
        let mut back = String::new();
        DeflateDecoder::new(&STANDARD.decode(inner).unwrap()[..]).read_to_string(&mut back).unwrap();
        assert_eq!(back, hostile);
    }
}
