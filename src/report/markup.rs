//! Text inside Markdown.
//!
//! In: names that anybody with an AWS account may have chosen. Out: the same, so that Markdown shows it as it is: no link,
//! mention, HTML or table column comes out of it.

use super::text::short;

/// Text that Markdown shows as it is, on one line.
pub(super) fn plain(text: &str, longest: usize) -> String {
    let text = short(text, longest);
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '$' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    // Addresses are made links without any markup.
    out.replace("://", ":&#47;&#47;").replace("www.", "www&#46;")
}
