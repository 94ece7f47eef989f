//! Scripts → the checks in them.
//!
//! In: a script or a build specification. Out: the property `CheckCommands`, names and consequences of the commands that
//! were recognised. The script itself may hold secrets and stays behind.

use serde_json::Value;

use super::fields::Fields;
use crate::inventory::check_commands;

/// The recognised checks of a script, worst use of each included.
pub(super) fn checks(script: &str) -> Vec<Value> {
    let found = check_commands(script).into_iter().map(|command| {
        let fields = Fields::new().text("Name", Some(&command.name)).text("Kind", Some(command.kind.as_str()));
        fields.put("Stops", command.stops).value()
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_names_and_consequences_are_kept() {
        let found = checks("export TOKEN=hunter2\nnpm audit || true\nset +e\ncheckov -d . --token hunter2");
        assert_eq!(
            found,
            [
                json!({"Name": "checkov", "Kind": "iac"}),
                json!({"Name": "npm audit", "Kind": "dependencies", "Stops": false}),
            ]
        );
        assert_eq!(checks("make"), Vec::<Value>::new());
    }
}
