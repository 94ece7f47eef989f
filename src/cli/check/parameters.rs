//! Values of template parameters, from the command line and from files.
//!
//! In: `--parameter NAME=VALUE` and `--parameters FILE`. Out: one value per name. Files are of the forms that people have
//! already: the template configuration of CodePipeline, the parameter list of the AWS CLI and of CDK, `NAME=VALUE` lists,
//! and a plain mapping; all of them as JSON or YAML.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;

use super::super::failure::Failure;
use crate::inventory::Position;
use crate::template::{Document, Limits, Node};

/// Options about parameters.
#[derive(Debug, Args)]
pub(super) struct ParameterArgs {
    /// Value of a template parameter, or of any open value by its expression; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    parameter: Vec<String>,
    /// File with values of parameters: the template configuration of a pipeline, a parameter file of the AWS CLI, or a
    /// mapping, as JSON or YAML; may be given several times, the last one counts
    #[arg(long, value_name = "FILE")]
    parameters: Vec<PathBuf>,
}

impl ParameterArgs {
    /// All values by name; the command line goes before files.
    pub(super) fn values(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut values = BTreeMap::new();
        for path in &self.parameters {
            read(path, &mut values)?;
        }
        for given in &self.parameter {
            let Some((name, value)) = given.split_once('=') else {
                return Err(Failure::usage(format!("`--parameter {given}` has no `=`; write NAME=VALUE")));
            };
            // `Condition X=true`: an expression may hold no `=`, a value may.
            values.insert(name.to_owned(), value.to_owned());
        }
        Ok(values)
    }

    /// Names on the command line that no document declares: most likely misspelled. Files may serve many templates.
    pub(super) fn unknown(&self, documents: &[Document]) -> Vec<String> {
        let declared = |name: &str| documents.iter().any(|document| document.root.at(&["Parameters", name]).is_some());
        let names = self.parameter.iter().filter_map(|given| Some(given.split_once('=')?.0));
        names
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !declared(name))
            .map(str::to_owned)
            .collect()
    }
}

fn read(path: &Path, values: &mut BTreeMap<String, String>) -> Result<(), Failure> {
    let file = path.to_string_lossy().replace('\\', "/");
    let bytes = std::fs::read(path).map_err(|error| Failure::usage(format!("{file} cannot be read: {error}")))?;
    let document = Document::read(&file, &bytes, &Limits::default()).map_err(|unreadable| {
        Failure::usage(match unreadable.at {
            Some(at) => format!("{}: {}", placed(&file, at), unreadable.message),
            None => format!("{file}: {}", unreadable.message),
        })
    })?;
    take(&document.root, values).map_err(|(at, message)| Failure::usage(format!("{}: {message}", placed(&file, at))))
}

fn placed(file: &str, at: Position) -> String {
    format!("{file}:{}:{}", at.line, at.column)
}

type Refused = (Position, String);

/// Takes the values of a file, whichever form it has.
fn take(root: &Node, values: &mut BTreeMap<String, String>) -> Result<(), Refused> {
    if root.is_map() {
        let mapping = root.get("Parameters").filter(|parameters| parameters.is_map()).unwrap_or(root);
        if let Some(list) = root.get("Parameters").filter(|parameters| !parameters.elements().is_empty()) {
            return take(list, values);
        }
        for entry in mapping.entries() {
            values.insert(entry.key.clone(), value(&entry.value, &entry.key)?);
        }
        return Ok(());
    }
    if root.elements().is_empty() {
        let message = "expected a mapping of names to values, or a list of `ParameterKey` and `ParameterValue`";
        return Err((root.span.start, message.to_owned()));
    }
    for element in root.elements() {
        if let Some((name, value)) = element.as_str().and_then(|text| text.split_once('=')) {
            values.insert(name.to_owned(), value.to_owned());
            continue;
        }
        let Some(name) = element.text_at(&["ParameterKey"]) else {
            let message = "expected `ParameterKey` and `ParameterValue`, or `NAME=VALUE`";
            return Err((element.span.start, message.to_owned()));
        };
        match element.get("ParameterValue") {
            Some(given) => values.insert(name.to_owned(), value(given, name)?),
            // What it was before is known only to the deployed stack.
            None if element.get("UsePreviousValue").is_some() => values.remove(name),
            None => return Err((element.span.start, format!("`{name}` has no `ParameterValue`"))),
        };
    }
    Ok(())
}

fn value(node: &Node, name: &str) -> Result<String, Refused> {
    if node.is_null() {
        return Ok(String::new());
    }
    let list: Option<Vec<String>> = node.elements().iter().map(Node::scalar).collect();
    let list = list.filter(|list| !list.is_empty()).map(|list| list.join(","));
    let expected = || format!("the value of `{name}` is neither a text nor a list of texts");
    node.scalar().or(list).ok_or_else(|| (node.span.start, expected()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> Result<Vec<(String, String)>, Refused> {
        let document = Document::read("p", text.as_bytes(), &Limits::default()).unwrap();
        let mut values = BTreeMap::new();
        take(&document.root, &mut values).map(|()| values.into_iter().collect())
    }

    #[test]
    fn every_form_gives_the_same_values() {
        let expected = vec![("Gate".to_owned(), "Yes".to_owned()), ("Size".to_owned(), "3".to_owned())];
        for text in [
            r#"{"Parameters": {"Gate": "Yes", "Size": 3}, "Tags": {"team": "web"}}"#,
            r#"[{"ParameterKey": "Gate", "ParameterValue": "Yes"}, {"ParameterKey": "Size", "ParameterValue": "3"}]"#,
            r#"["Gate=Yes", "Size=3"]"#,
            r#"{"Gate": "Yes", "Size": "3"}"#,
            "Gate: 'Yes'\nSize: 3\n",
            "Parameters:\n  - ParameterKey: Gate\n    ParameterValue: 'Yes'\n  - ParameterKey: Size\n    ParameterValue: 3\n",
            "- Gate=Yes\n- Size=3\n",
        ] {
            assert_eq!(taken(text), Ok(expected.clone()), "{text}");
        }
    }

    #[test]
    fn previous_values_stay_open_and_lists_are_joined() {
        let previous = r#"[{"ParameterKey": "Gate", "UsePreviousValue": true}, {"ParameterKey": "L", "ParameterValue": ["a", "b"]}]"#;
        assert_eq!(taken(previous), Ok(vec![("L".to_owned(), "a,b".to_owned())]));
    }

    #[test]
    fn what_is_no_value_is_refused_with_its_place() {
        for (text, line, word) in [
            ("A: x\nB:\n  c: d\n", 3, "`B`"),
            ("- A=x\n- nothing\n", 2, "ParameterKey"),
            ("[{\"ParameterKey\": \"A\"}]", 1, "ParameterValue"),
            ("word", 1, "mapping"),
        ] {
            let (at, message) = taken(text).unwrap_err();
            assert_eq!(at.line, line, "{text}: {message}");
            assert!(message.contains(word), "{message}");
        }
    }
}
