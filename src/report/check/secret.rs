//! Lines of files without the secrets in them.
//!
//! In: a line that is going to be shown, and what stands before it. Out: the parts that must not be. A template of a pull
//! request may hold the very secrets that a control complains about, and a report is read by more people than the file.

use std::ops::Range;

use crate::inventory::{assigns_secret, has_secret_form, holds_password, looks_secret};

/// What stands in the place of a value.
pub(super) const HIDDEN: &str = "[redacted]";

/// Keys whose values are those of variables, whatever the variable is called.
const VALUES: [&str; 3] = ["value", "environmentvariables", "secrettoken"];

/// Keys that only name something.
const NAMES: [&str; 3] = ["name", "type", "id"];

/// Whether a control is about secrets in plain text, so that every value at its findings is one.
pub(super) fn is_about_secrets(control: &str) -> bool {
    ["plaintext", "no-credentials", "secret-files", "webhooks-authenticated"].iter().any(|word| control.contains(word))
}

/// The parts of a line to hide, in order and apart from each other. `before` is what stands left of it in the file, for
/// the name of a value that the line begins with; `all` hides every value.
pub(super) fn parts(line: &str, before: &str, all: bool) -> Vec<Range<usize>> {
    let mut found = assigned(line);
    found.extend(first_value(line, before));
    found.extend(userinfo(line));
    found.extend(words(line));
    found.extend(addresses(line));
    let told = found.iter().any(|part| part.start < part.end);
    // What is told in no way that has a place (`--password hunter2`) takes the line with it.
    if all || !told && (assigns_secret(line) || has_secret_form(line) || holds_password(line)) {
        found.extend(everything_but_the_key(line));
    }
    found.retain(|part| part.start < part.end);
    found.sort_by_key(|part| (part.start, part.end));
    let mut apart: Vec<Range<usize>> = Vec::with_capacity(found.len());
    for part in found {
        match apart.last_mut() {
            Some(last) if part.start <= last.end => last.end = last.end.max(part.end),
            _ => apart.push(part),
        }
    }
    apart
}

fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '.')
}

fn is_around_name(character: char) -> bool {
    matches!(character, ' ' | '\t' | '"' | '\'' | '\\')
}

/// The name that ends where a separator stands.
fn name_before(text: &str) -> &str {
    let text = text.trim_end_matches(is_around_name);
    let start = text
        .rfind(|character| !is_of_name(character))
        .map_or(0, |at| at + text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8));
    text.get(start..).unwrap_or_default()
}

/// The value that begins in `text`, without its quotes.
fn value_at(text: &str) -> Range<usize> {
    let start = text.len() - text.trim_start_matches([' ', '\t']).len();
    let rest = text.get(start..).unwrap_or_default();
    let slashes = rest.len() - rest.trim_start_matches('\\').len();
    let after = rest.get(slashes..).unwrap_or_default();
    if let Some(quote) = after.chars().next().filter(|first| matches!(first, '"' | '\'')) {
        let closing = format!("{}{quote}", "\\".repeat(slashes));
        let from = start + slashes + 1;
        let inside = text.get(from..).unwrap_or_default();
        return from..from + closed(inside, &closing, slashes);
    }
    let end = rest.find([',', '}', ']']).unwrap_or(rest.len());
    let value = rest.get(..end).unwrap_or_default().trim_end();
    start..start + value.len()
}

/// Where a quoted text ends; a quote behind more backslashes than the opening one belongs to the text.
fn closed(inside: &str, closing: &str, slashes: usize) -> usize {
    let mut from = 0;
    while let Some(found) = inside.get(from..).and_then(|rest| rest.find(closing)) {
        let at = from + found;
        let more = inside.get(..at).is_some_and(|left| left.ends_with('\\'));
        if !more || slashes > 0 {
            return at;
        }
        from = at + closing.len();
    }
    inside.len()
}

fn is_secret(name: &str, value: &str) -> bool {
    !value.is_empty() && (looks_secret(name, value) || VALUES.iter().any(|known| name.eq_ignore_ascii_case(known)))
}

/// Values behind `name:` and `name=`.
fn assigned(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices([':', '=']) {
        let (Some(left), Some(right)) = (line.get(..at), line.get(at + 1..)) else { continue };
        let value = value_at(right);
        if is_secret(name_before(left), right.get(value.clone()).unwrap_or_default()) {
            found.push(at + 1 + value.start..at + 1 + value.end);
        }
    }
    found
}

/// The value that the line begins with, if its name stands before the line.
fn first_value(line: &str, before: &str) -> Option<Range<usize>> {
    let name = name_before(before.trim_end_matches(is_around_name).strip_suffix([':', '='])?);
    let value = value_at(line);
    is_secret(name, line.get(value.clone())?).then_some(value)
}

/// `user:password` of an address.
fn userinfo(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, scheme) in line.match_indices("://") {
        let start = at + scheme.len();
        let rest = line.get(start..).unwrap_or_default();
        let host = rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'')).unwrap_or(rest.len());
        if let Some(end) = rest.get(..host).and_then(|host| host.rfind('@')) {
            found.push(start..start + end);
        }
    }
    found
}

/// Words of a well-known form.
fn words(line: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = line.find("-----BEGIN").map(|at| at..line.len()).into_iter().collect();
    let mut start = None;
    let ends = line.char_indices().map(|(at, c)| (at, c.is_ascii_alphanumeric() || c == '_' || c == '-'));
    for (at, inside) in ends.chain(std::iter::once((line.len(), false))) {
        match (start, inside) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                if line.get(from..at).is_some_and(|word| looks_secret("", word)) {
                    found.push(from..at);
                }
                start = None;
            }
            _ => {}
        }
    }
    found
}

/// Webhooks, signed addresses and other tokens that no word shows whole.
fn addresses(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    for word in line.split(|c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\'' | ',')) {
        if (word.contains("://") || word.contains("eyJ")) && has_secret_form(word) {
            found.push(from..from + word.len());
        }
        from += word.len() + 1;
    }
    found
}

/// Everything behind the first key of the line, or all of it if it has none.
fn everything_but_the_key(line: &str) -> Option<Range<usize>> {
    let start = line.find(|c: char| !matches!(c, ' ' | '\t' | '-' | '{' | '[' | '"' | '\''))?;
    let rest = line.get(start..)?;
    let end = line.trim_end().len();
    let key = rest.find(|c: char| !is_of_name(c)).unwrap_or(rest.len());
    let after = rest.get(key..)?.trim_start_matches(is_around_name);
    let Some(value) = after.strip_prefix([':', '=']).filter(|_| key > 0) else { return Some(start..end) };
    let name = rest.get(..key)?;
    let only_names = NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)) && !value.contains([':', '=', ',']);
    let value = value.trim_start();
    (!only_names && !value.trim_matches(['{', '[', '|', '>', '-']).trim().is_empty())
        .then(|| line.len() - value.len()..end)
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "places of the test are at the borders of characters")]
mod tests {
    use super::*;

    fn shown(line: &str, before: &str, all: bool) -> String {
        let mut out = String::new();
        let mut from = 0;
        for part in parts(line, before, all) {
            out.push_str(&line[from..part.start]);
            out.push_str(HIDDEN);
            from = part.end;
        }
        out.push_str(&line[from..]);
        out
    }

    #[test]
    fn what_looks_like_a_secret_is_hidden() {
        for (line, expected) in [
            ("  DB_PASSWORD: hunter2", "  DB_PASSWORD: [redacted]"),
            ("  DB_PASSWORD: \"hunter 2\" # x", "  DB_PASSWORD: \"[redacted]\" # x"),
            ("{\"a\":1,\"apiToken\":\"hunt\\\"er2\",\"b\":2}", "{\"a\":1,\"apiToken\":\"[redacted]\",\"b\":2}"),
            ("- {Name: STAGE, Value: hunter2}", "- {Name: STAGE, Value: [redacted]}"),
            (
                "x: '[{\\\"name\\\":\\\"S\\\",\\\"value\\\":\\\"hunter2\\\"}]'",
                "x: '[{\\\"name\\\":\\\"S\\\",\\\"value\\\":\\\"[redacted]\\\"}]'",
            ),
            ("url: https://me:hunter2@example.com/x", "url: https://[redacted]@example.com/x"),
            ("- echo AKIAIOSFODNN7EXAMPLE > f", "- echo [redacted] > f"),
            ("password=hunter2", "password=[redacted]"),
            ("url: \"https://hooks.slack.com/services/T0/B0/x\"", "url: \"[redacted]\""),
            ("  run: deploy --password hunter2", "  run: [redacted]"),
        ] {
            assert_eq!(shown(line, "", false), expected);
        }
        assert_eq!(shown("\"hunter2\",\"b\":1", "{\"secret\": ", false), "\"[redacted]\",\"b\":1");
    }

    #[test]
    fn harmless_lines_stay() {
        for line in ["  Pipeline:", "    Type: AWS::CodePipeline::Pipeline", "  RunOrder: 1", "SECRET_ARN: arn:aws:x"] {
            assert_eq!(shown(line, "", false), line);
        }
        for line in ["  Build:", "  - Name: DB_PASSWORD", "      Environment: {", "  Run: |"] {
            assert_eq!(shown(line, "", true), line);
        }
    }

    #[test]
    fn findings_about_secrets_show_no_value_at_all() {
        for (line, expected) in [
            ("    Location: https://x", "    Location: [redacted]"),
            ("    hunter2", "    [redacted]"),
            ("  - {Name: X, Value: y, Type: z}", "  - {Name: [redacted]"),
            ("\"Token\" : \"y\"", "\"Token\" : [redacted]"),
        ] {
            assert_eq!(shown(line, "", true), expected);
        }
    }
}
