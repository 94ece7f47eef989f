//! Text that is safe and pleasant to read.
//!
//! In: names and messages that anybody with an AWS account may have chosen. Out: one line each, without anything that
//! moves a cursor, hides or reorders text, and not longer than a person reads.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

use crate::finding::spoken;

/// How many elements of a set are named before the rest is only counted.
const ELEMENTS: usize = 6;
/// The longest value of a fact.
const VALUE: usize = 240;
/// The longest name of a resource or account.
pub(super) const NAME: usize = 96;

/// `text` with everything that a terminal obeys, or that hides or reorders text, written out as an escape.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    // Most names are plain ASCII, and that is seen many bytes at a time.
    if is_plain_ascii(text) || !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            hidden if is_hidden(hidden) => {
                // Writing into a `String` cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(hidden));
            }
            plain => out.push(plain),
        }
    }
    Cow::Owned(out)
}

fn is_plain_ascii(text: &str) -> bool {
    text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'))
}

fn is_hidden(character: char) -> bool {
    if matches!(character, ' '..='~') {
        return false;
    }
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// [`visible`], and no longer than `longest` characters: the middle is left out, because both ends tell names apart.
pub(super) fn short(text: &str, longest: usize) -> String {
    if text.len() <= longest && is_plain_ascii(text) {
        return text.to_owned();
    }
    // What is left out need not be looked at: a name of megabytes costs no more than a short one.
    let head: String = text.chars().take(longest + 1).collect();
    let shown = visible(&head);
    if text.len() == head.len() && shown.chars().count() <= longest {
        return shown.into_owned();
    }
    let tail: String = {
        let reversed: Vec<char> = text.chars().rev().take(longest).collect();
        reversed.into_iter().rev().collect()
    };
    let tail = visible(&tail);
    let keep = longest.saturating_sub(1);
    let front = keep.div_ceil(2);
    let back = keep - front;
    let skip = tail.chars().count().saturating_sub(back);
    shown.chars().take(front).chain(std::iter::once('…')).chain(tail.chars().skip(skip)).collect()
}

/// `text` in lines of at most `width` characters; a word that is longer is broken.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let mut length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        } else if used > 0 {
            line.push(' ');
            used += 1;
        }
        let mut rest = word.chars();
        while length > width {
            lines.push(rest.by_ref().take(width).collect());
            length -= width;
        }
        line.extend(rest);
        used += length;
    }
    lines.push(line);
    lines
}

/// `unapprovedProductionActions` → `unapproved production actions`.
pub(super) fn words(fact: &str) -> String {
    let mut out = String::with_capacity(fact.len() + 4);
    let mut after_lower = false;
    if is_plain_ascii(fact) {
        for byte in fact.bytes() {
            if byte.is_ascii_uppercase() && after_lower {
                out.push(' ');
            }
            after_lower = byte.is_ascii_lowercase() || byte.is_ascii_digit();
            out.push(char::from(byte.to_ascii_lowercase()));
        }
        return out;
    }
    for character in visible(fact).chars() {
        if character.is_uppercase() && after_lower {
            out.push(' ');
        }
        after_lower = character.is_lowercase() || character.is_ascii_digit();
        out.extend(character.to_lowercase());
    }
    out
}

/// What to do about a control in general: `{unapprovedActions}` reads `<unapproved actions>`.
pub(super) fn remediation(template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}') {
            Some((fact, behind)) if !fact.is_empty() && fact.chars().all(|c| c.is_ascii_alphanumeric()) => {
                out.push_str(&["<", &words(fact), ">"].concat());
                rest = behind;
            }
            _ => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// A fact's value in words: `yes`, `none`, the first elements of a set and how many more.
pub(super) fn value(value: &Value) -> String {
    let text = match value {
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) if text.is_empty() => "none".to_owned(),
        Value::Array(items) if items.len() > ELEMENTS => {
            let named: Vec<String> = items.iter().take(ELEMENTS).map(spoken).collect();
            return format!("{} and {} more", short(&named.join(", "), VALUE), items.len() - ELEMENTS);
        }
        other => spoken(other),
    };
    short(&text, VALUE)
}

/// `1 finding`, `12,345 findings`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{} {noun}s", grouped(number)) }
}

/// `12,345`
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_that_a_terminal_obeys_stays() {
        assert_eq!(visible("plain – ünïcode 名前"), "plain – ünïcode 名前");
        let hostile = "\u{1b}[2J\u{7}\u{9b}31m\u{202e}txt\u{2066}\u{200b}\r\n\t\u{7f}\u{feff}\u{e0041}";
        let shown = visible(hostile);
        assert!(!shown.chars().any(|c| c.is_control() || is_hidden(c)), "{shown}");
        assert!(shown.starts_with("\\u{1b}[2J\\u{7}\\u{9b}31m\\u{202e}txt"), "{shown}");
        assert!(shown.contains("\\r\\n\\t"), "{shown}");
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(short("web", 10), "web");
        assert_eq!(short("abcdefghij", 10), "abcdefghij");
        assert_eq!(short("abcdefghijklm", 7), "abc…klm");
        let shown = short(&format!("start{}end", "\u{1b}".repeat(10_000)), 40);
        assert_eq!(shown.chars().count(), 40);
        assert!(shown.starts_with("start") && shown.ends_with("end"), "{shown}");
    }

    #[test]
    fn lines_never_exceed_the_width_and_lose_nothing() {
        let text = format!("a few words, then {} and more", "x".repeat(50));
        let lines = wrap(&text, 20);
        assert!(lines.iter().all(|line| line.chars().count() <= 20), "{lines:?}");
        assert_eq!(lines.join("").replace(' ', ""), text.replace(' ', ""));
        assert_eq!(wrap("", 20), [""]);
    }

    #[test]
    fn facts_read_as_words() {
        assert_eq!(words("unapprovedProductionActions"), "unapproved production actions");
        assert_eq!(words("usesV2Type"), "uses v2 type");
        assert_eq!(value(&json!(true)), "yes");
        assert_eq!(value(&json!([])), "none");
        assert_eq!(value(&json!("")), "none");
        assert_eq!(value(&json!(["a", "b"])), "a, b");
        let many: Vec<u32> = (0..20).collect();
        assert_eq!(value(&json!(many)), "0, 1, 2, 3, 4, 5 and 14 more");
    }

    #[test]
    fn facts_in_general_advice_are_words() {
        assert_eq!(
            remediation("Gate {unapprovedActions} in {} or {a b} {x"),
            "Gate <unapproved actions> in {} or {a b} {x"
        );
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(counted(1, "finding"), "1 finding");
        assert_eq!(counted(0, "finding"), "0 findings");
        assert_eq!(counted(1_234_567, "call"), "1,234,567 calls");
        assert_eq!(grouped(123_456), "123,456");
    }
}
