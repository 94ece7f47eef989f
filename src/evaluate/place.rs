//! Where something stands in a policy file.
//!
//! In: the text of a file. Out: byte ranges of its statements and annotations, and lines and columns. Cedar points into
//! a file for its own errors only; this tool's rules want annotations, and should point as well.

use std::ops::Range;

/// `text` with everything inside of strings and comments blanked, byte for byte, so that a search finds code only.
fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let (mut quoted, mut comment, mut escaped) = (false, false, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let hidden = if comment {
            comment = character != '\n';
            comment
        } else if quoted {
            let ends = character == '"' && !escaped;
            escaped = character == '\\' && !escaped;
            quoted = !ends;
            !ends
        } else {
            quoted = character == '"';
            comment = character == '/' && characters.peek() == Some(&'/');
            comment
        };
        if hidden {
            code.extend(std::iter::repeat_n(' ', character.len_utf8()));
        } else {
            code.push(character);
        }
    }
    code
}

/// The statements of a file, each with its `;`, in order.
pub(super) fn statements(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, character) in code_only(text).char_indices() {
        if start.is_none() && !character.is_whitespace() {
            start = Some(at);
        }
        if character == ';'
            && let Some(from) = start.take()
        {
            found.push(from..at + 1);
        }
    }
    found
}

/// The annotation `@name(…)` within a statement.
pub(super) fn annotation(text: &str, statement: &Range<usize>, name: &str) -> Option<Range<usize>> {
    let code = code_only(text);
    let within = code.get(statement.clone())?;
    let wanted = format!("@{name}");
    let (at, _) = within.match_indices(&wanted).find(|(at, _)| {
        let next = within.get(at + wanted.len()..).and_then(|rest| rest.chars().next());
        !next.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })?;
    let rest = within.get(at..)?;
    let end = rest.find(')').map_or(wanted.len(), |end| end + 1);
    Some(statement.start + at..statement.start + at + end)
}

/// The first place of `words` in the code of a statement.
pub(super) fn words(text: &str, statement: &Range<usize>, words: &str) -> Option<Range<usize>> {
    let at = code_only(text).get(statement.clone())?.find(words)?;
    Some(statement.start + at..statement.start + at + words.len())
}

/// The first place of `words` anywhere in a text, strings included.
pub(super) fn anywhere(text: &str, words: &str) -> Range<usize> {
    text.find(words).map_or(0..0, |at| at..at + words.len())
}

/// The byte at a line and column as parsers of JSON count them, from one.
pub(super) fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column.saturating_sub(1)).min(text.len())
}

/// Line and column of a byte, from one; columns count characters.
pub(super) fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "the text is ASCII")]
mod tests {
    use super::*;

    const TEXT: &str = "// one; two\n@id(\"a;b\") @reason(\"ask @owner (me)\")\npermit (principal, action, resource);\n\n@owner(\"x\")\npermit (principal, action, resource) when { resource.tags.contains(\"; \\\" ;\") };\n";

    #[test]
    fn statements_are_told_from_strings_and_comments() {
        let found = statements(TEXT);
        assert_eq!(found.len(), 2);
        assert!(TEXT[found[0].clone()].starts_with("@id") && TEXT[found[0].clone()].ends_with("resource);"));
        assert!(TEXT[found[1].clone()].starts_with("@owner") && TEXT[found[1].clone()].ends_with("};"));
    }

    #[test]
    fn annotations_are_found_in_their_own_statement_only() {
        let found = statements(TEXT);
        assert_eq!(annotation(TEXT, &found[0], "owner"), None);
        let owner = annotation(TEXT, &found[1], "owner").unwrap();
        assert_eq!(&TEXT[owner.clone()], "@owner(\"x\")");
        assert_eq!(line_column(TEXT, owner.start), (5, 1));
        assert_eq!(&TEXT[annotation(TEXT, &found[0], "id").unwrap()], "@id(\"a;b\")");
        assert_eq!(annotation(TEXT, &found[0], "i"), None);
        assert_eq!(line_column(TEXT, words(TEXT, &found[1], "resource.tags").unwrap().start), (6, 45));
    }

    #[test]
    fn lines_and_columns_go_both_ways() {
        assert_eq!(offset("ab\ncd", 2, 2), 4);
        assert_eq!(line_column("ab\ncd", 4), (2, 2));
        assert_eq!(offset("ab", 9, 9), 2);
    }
}
