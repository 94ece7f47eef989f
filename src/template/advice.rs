//! Why a text is no document, in words for the one who wrote it.
//!
//! In: what a parser complains about, and the text. Out: the same complaint, and how to mend it where the text shows the
//! cause: a template of a template, a tab, a merge that nobody finished.

use super::document::SyntaxError;
use crate::inventory::Position;

/// What begins a placeholder of a tool that renders templates, with what ends it.
const PLACEHOLDERS: [(&str, &str); 6] =
    [("{%", "%}"), ("{{", "}}"), ("<%", "%>"), ("%%", "%%"), ("@@", "@@"), ("[[", "]]")];

/// Bytes of a text whose lines are looked through.
const LARGEST: usize = 1 << 20;

/// What the YAML parser says, and what a person does about it where the parser does not say.
pub(super) fn of_yaml(said: &str) -> String {
    let mend = match said {
        "mapping values are not allowed in this context" => "; if `: ` is part of a text here, put the text in quotes",
        "simple key expect ':'" => "; a `:` is missing after the key before, or the line is indented too little",
        "while parsing node, found unknown anchor" => "; if `*` begins a text here, put the text in quotes",
        _ => "",
    };
    format!("this is no valid YAML: {said}{mend}")
}

/// Adds what would mend it.
pub(super) fn on(error: SyntaxError, text: &str) -> SyntaxError {
    if error.limit || text.len() > LARGEST {
        return error;
    }
    let line = error.at.map_or(1, |at| at.line);
    if let Some(at) = conflict(text) {
        let message = "a merge conflict is left in the file; resolve it".to_owned();
        return SyntaxError { at: Some(at), message, ..error };
    }
    if let Some((at, placeholder)) = placeholder(text, line) {
        let message = format!(
            "{}; line {at} holds `{placeholder}`, so this is a template of a template: render it first, and check what comes out",
            error.message
        );
        return SyntaxError { message, ..error };
    }
    if let Some(at) = tab(text, line) {
        let message = format!("{}; line {at} is indented with a tab, and YAML takes only spaces", error.message);
        return SyntaxError { message, ..error };
    }
    error
}

fn lines(text: &str) -> impl Iterator<Item = (u32, &str)> {
    (1..).zip(text.lines())
}

fn conflict(text: &str) -> Option<Position> {
    let line = lines(text).find(|(_, line)| line.starts_with("<<<<<<< "))?.0;
    text.lines().any(|line| line.starts_with(">>>>>>> ")).then_some(Position { line, column: 1 })
}

/// A placeholder around the line, else one that begins any line.
fn placeholder(text: &str, line: u32) -> Option<(u32, String)> {
    let near = lines(text).filter(|(at, _)| at.abs_diff(line) <= 1).find_map(|(at, text)| Some((at, within(text)?)));
    near.or_else(|| {
        lines(text).find_map(|(at, text)| {
            let text = text.trim_start();
            let begins = PLACEHOLDERS.iter().any(|(open, _)| text.starts_with(open));
            Some((at, begins.then(|| within(text)).flatten()?))
        })
    })
}

fn within(line: &str) -> Option<String> {
    PLACEHOLDERS.iter().find_map(|(open, close)| {
        let (_, after) = line.split_once(open)?;
        let (inner, _) = after.split_once(close)?;
        let named = inner.len() <= 80
            && inner.chars().any(char::is_alphabetic)
            // `{{resolve:ssm:name}}` is CloudFormation's own; lists and mappings inside each other hold quotes or colons.
            && !inner.trim_start().starts_with("resolve:")
            && !inner.contains(['"', '\'', ':']);
        named.then(|| format!("{open}{inner}{close}"))
    })
}

fn tab(text: &str, line: u32) -> Option<u32> {
    let near = lines(text).filter(|(at, _)| at.abs_diff(line) <= 1);
    near.filter(|(_, text)| text.trim_start_matches(' ').starts_with('\t')).map(|(at, _)| at).next()
}

#[cfg(test)]
mod tests {
    use crate::template::{Document, Limits};

    fn refused(text: &str) -> String {
        Document::read("t", text.as_bytes(), &Limits::default()).expect_err(text).message
    }

    #[test]
    fn a_template_of_a_template_must_be_rendered_first() {
        for text in [
            "Resources:\n  {{ cookiecutter.name }}:\n    Type: AWS::CodePipeline::Pipeline\n",
            "Resources:\n{% for name in names %}\n  A:\n    Type: AWS::CodePipeline::Pipeline\n{% endfor %}\n",
            "Name: %%name%%\n",
            "A: b\n<% if x %>\nB: c: d\n<% end %>\n",
            "{\"Resources\": {{ resources }} }",
        ] {
            assert!(refused(text).contains("render it first"), "{text}: {}", refused(text));
        }
    }

    #[test]
    fn nothing_is_blamed_that_is_not_to_blame() {
        for text in [
            "A: \"{{resolve:secretsmanager:a}}\"\nB: [1\n",
            "{\"a\": [[1, 2], [\"x\"]], } }",
            "A: {a: {b: c}}\nB: x: y\n",
        ] {
            assert!(!refused(text).contains("render"), "{text}: {}", refused(text));
        }
    }

    #[test]
    fn what_the_yaml_parser_says_is_said_with_its_mending() {
        assert!(refused("A: b: c\n").contains("put the text in quotes"), "{}", refused("A: b: c\n"));
        assert!(refused("Action: *\n").contains("YAML"), "{}", refused("Action: *\n"));
        assert!(refused("Action: *all\n").contains("put the text in quotes"), "{}", refused("Action: *all\n"));
    }

    #[test]
    fn tabs_and_conflicts_are_named() {
        assert!(
            refused("A:\n  B: 1\n\tC: 2\n").contains("line 3 is indented with a tab"),
            "{}",
            refused("A:\n\tC: 2\n")
        );
        assert!(refused("A: 1\n<<<<<<< ours\nB: 2\n=======\nB: 3\n>>>>>>> theirs\n").contains("merge conflict"));
    }
}
