//! A build specification, or the commands of an action → what the shell gets, one by one.
//!
//! In: the text. Out: each command of it. It exists because `CodeBuild` looks at the exit code of one element of
//! `commands` at a time, however many lines it has, and lines alone do not tell where an element ends.

use saphyr_parser::{Event, Parser};
use serde_json::Value;

/// Longer texts are read line by line.
const LONGEST: usize = 1 << 20;

/// What the shell gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CommandList {
    /// In their order; a block of several lines is one.
    pub(super) commands: Vec<String>,
    /// Whether it is known where each begins and ends.
    pub(super) is_exact: bool,
}

/// Reads YAML and JSON as such; of any other text, each line is a command.
pub(super) fn command_list(text: &str) -> CommandList {
    if let Some(commands) = of_json(text).or_else(|| of_yaml(text)) {
        return CommandList { commands, is_exact: true };
    }
    let lines = text.lines().map(str::to_owned);
    let looks_like_yaml = text.lines().any(|line| line.trim_start().starts_with("- "));
    CommandList { commands: lines.collect(), is_exact: !looks_like_yaml }
}

fn of_json(text: &str) -> Option<Vec<String>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let mut found = Vec::new();
    texts(serde_json::from_str(text).ok()?, &mut found);
    Some(found)
}

fn texts(value: Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(list) => list.into_iter().for_each(|value| texts(value, found)),
        Value::Object(fields) => fields.into_iter().for_each(|(_, value)| texts(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A list or a mapping that is not closed yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    List,
    /// A mapping whose next scalar is a key.
    BeforeKey,
    BeforeValue,
}

/// The scalars that are no keys; `None` where it is no YAML, or a mapping of nothing but scalars: `echo "a: b"` is one.
fn of_yaml(text: &str) -> Option<Vec<String>> {
    if text.len() > LONGEST {
        return None;
    }
    let mut parser = Parser::new_from_str(text);
    let mut open: Vec<Open> = Vec::new();
    let mut found = Vec::new();
    let mut has_parts = false;
    while let Some(event) = parser.next_event() {
        let (event, _) = event.ok()?;
        let is_node =
            matches!(event, Event::Scalar(..) | Event::Alias(_) | Event::SequenceStart(..) | Event::MappingStart(..));
        let is_key = is_node && open.last() == Some(&Open::BeforeKey);
        if let Some(last) = open.last_mut().filter(|last| is_node && **last != Open::List) {
            *last = if is_key { Open::BeforeValue } else { Open::BeforeKey };
        }
        match event {
            Event::Scalar(text, ..) if !is_key => found.push(text.into_owned()),
            Event::SequenceStart(..) => {
                has_parts = true;
                open.push(Open::List);
            }
            Event::MappingStart(..) => {
                has_parts |= !open.is_empty();
                open.push(Open::BeforeKey);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                open.pop();
            }
            _ => {}
        }
    }
    has_parts.then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exactly(text: &str) -> Vec<String> {
        let list = command_list(text);
        assert!(list.is_exact, "{text}");
        list.commands
    }

    #[test]
    fn an_element_is_one_command_however_many_lines_it_has() {
        let blocks = "build:\n  commands:\n    - |\n      one\n      two\n    - >\n      three\n      four\n";
        assert_eq!(exactly(blocks), ["one\ntwo\n", "three four\n"]);
        assert_eq!(exactly("x:\n  - five\n    six\n  - \"seven; eight\"\n"), ["five six", "seven; eight"]);
        assert_eq!(exactly("commands: [\"npm ci\", 'npm audit']"), ["npm ci", "npm audit"]);
        assert_eq!(exactly(r#"{"build": {"commands": ["one\ntwo", "three"]}}"#), ["one\ntwo", "three"]);
        assert_eq!(exactly("      - npm audit # always; yes"), ["npm audit"]);
    }

    #[test]
    fn any_other_text_is_a_command_a_line() {
        for text in ["npm ci\nnpm audit", "npm audit && echo \"a: b\"\nmake", "[ -f x ] && make\nmake", "{ make; }"] {
            assert_eq!(exactly(text), text.lines().collect::<Vec<_>>());
        }
        assert!(!command_list("phases:\n  - x\n bad: [\n").is_exact);
    }
}
