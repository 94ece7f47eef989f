//! Scripts → what they do.
//!
//! In: commands or a build specification as a template writes them. Out: the properties `Commands`/`DeployCommands` and
//! `CheckCommands`, as the collectors have them. A script that is not known before deployment is a hole in their place,
//! never an empty list: an empty list would say that it was read and does nothing.

use serde_json::{Map, Value};

use super::super::hole::{has_holes, whole};
use super::super::node::Node;
use crate::inventory::{check_commands, command_lines, deploy_commands};

/// What a script does.
#[derive(Debug)]
pub(super) struct Script {
    /// The deploy commands that were recognised, or a hole.
    pub(super) deploys: Node,
    /// The checks that were recognised, or a hole.
    pub(super) checks: Node,
}

/// Reads a script that stands at `at`.
pub(super) fn read(text: &str, at: &Node) -> Script {
    let open = unknown_command(text).map(|hole| Node::text(hole, at.span));
    let found: Vec<Value> = deploy_commands(text).into_iter().map(Value::from).collect();
    // What is certain decides, whatever else the script does.
    let deploys = match &open {
        Some(open) if found.is_empty() => open.clone(),
        _ => Node::from_value(&Value::Array(found), at.span),
    };
    let checks = open.unwrap_or_else(|| Node::from_value(&Value::Array(checks(text)), at.span));
    Script { deploys, checks }
}

fn checks(text: &str) -> Vec<Value> {
    let found = check_commands(text).into_iter().map(|command| {
        let mut fields = Map::new();
        fields.insert("Name".to_owned(), Value::from(command.name));
        fields.insert("Kind".to_owned(), Value::from(command.kind.as_str()));
        if let Some(stops) = command.stops {
            fields.insert("Stops".to_owned(), Value::from(stops));
        }
        Value::Object(fields)
    });
    found.collect()
}

/// The first line that is a hole and nothing else where a command stands.
fn unknown_command(text: &str) -> Option<&str> {
    if !has_holes(text) {
        return None;
    }
    let mut commands = command_lines(text)
        .map(|line| line.trim().trim_start_matches("- ").trim_end_matches(',').trim_matches(['"', '\'', ' ']));
    commands.find(|command| whole(command).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inventory::Span;

    const HOLE: &str = "\u{FDD0}0\u{FDD1}";

    fn read_text(text: &str) -> (Value, Value) {
        let script = read(text, &Node::text("", Span::default()));
        (script.deploys.to_value(), script.checks.to_value())
    }

    #[test]
    fn only_what_a_script_does_is_kept() {
        let found = read_text("phases:\n  build:\n    commands:\n      - terraform apply\n      - npm audit\n");
        assert_eq!(
            found,
            (json!(["terraform apply"]), json!([{"Name": "npm audit", "Kind": "dependencies", "Stops": true}]))
        );
        assert_eq!(read_text("make"), (json!([]), json!([])));
    }

    #[test]
    fn a_command_that_nobody_knows_is_not_nothing() {
        assert_eq!(read_text(HOLE), (json!(HOLE), json!(HOLE)));
        let script = format!("phases:\n  build:\n    commands:\n      - \"{HOLE}\"\n");
        assert_eq!(read_text(&script), (json!(HOLE), json!(HOLE)));
        let certain = format!("- {HOLE}\n- cdk deploy\n");
        assert_eq!(read_text(&certain), (json!(["cdk deploy"]), json!(HOLE)));
    }

    #[test]
    fn a_hole_in_an_argument_or_a_path_hides_nothing() {
        let script = format!(
            "phases:\n  build:\n    commands:\n      - aws s3 sync . s3://{HOLE}\nartifacts:\n  files:\n    - {HOLE}\n"
        );
        assert_eq!(read_text(&script), (json!(["aws s3 sync"]), json!([])));
    }
}
