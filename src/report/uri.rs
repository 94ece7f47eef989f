//! Text inside URIs.
//!
//! In: paths, and names that anybody with an AWS account may have chosen. Out: the path of a URI, in which nothing ends a
//! scheme, begins a query or leads out of a folder.

use std::fmt::Write as _;

/// Percent-encoded, but for what may stand in a path. A colon may not, because in a first segment it ends a scheme.
pub(super) fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 8);
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a `String` cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// A name as one or more segments of a path; `/` in it stays, and no segment means a folder.
pub(super) fn segments(name: &str) -> String {
    let parts = name.split('/').map(|part| match part {
        "" => "-".to_owned(),
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        other => encoded(other),
    });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_their_folder() {
        assert_eq!(segments("trail/audit"), "trail/audit");
        assert_eq!(segments("../..//x"), "%2E%2E/%2E%2E/-/x");
        assert_eq!(segments("a:b c?#%"), "a%3Ab%20c%3F%23%25");
    }
}
