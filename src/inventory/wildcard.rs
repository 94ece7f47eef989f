//! Patterns of names, as configurations and the rules of source hosts write them.
//!
//! In: a pattern and a text. Out: whether they fit. One rule for all of them, so that a star means the same everywhere.

/// Whether the text is what the pattern says; `*` stands for anything, also nothing.
#[must_use]
pub fn wildcard_matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::wildcard_matches;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text) in
            [("web", "web"), ("*", "a/b"), ("w*b", "web"), ("arn:*:web", "arn:aws:x:web"), ("*e*", "web")]
        {
            assert!(wildcard_matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("web", "web2"), ("we", "web"), ("a*b", "web"), ("w*x*b", "web"), ("", "web")] {
            assert!(!wildcard_matches(pattern, text), "{pattern} {text}");
        }
    }
}
