//! Free text that people and services write into histories: commit messages, comments of approvals, descriptions.
//!
//! In: the text as AWS or a host answers it. Out: its first line, short, without what looks like a secret. Nothing else
//! of a free text ever becomes part of a record.

use serde_json::Value;

use crate::inventory::{configuration_value, source_location};

/// Characters of a line that are kept.
const LONGEST_LINE: usize = 300;
/// Characters of a value of an action's configuration that are kept.
const LONGEST_VALUE: usize = 1_024;

/// The first line that says something. Where a part of it looks like a secret, the whole line is replaced by the word
/// that says so.
pub(super) fn first_line(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(short(&configuration_value("", line), LONGEST_LINE))
}

/// The first line of a source revision's summary; connections write `{"ProviderType":"GitHub","CommitMessage":"…"}`.
pub(super) fn revision_summary(text: &str) -> Option<String> {
    let message = serde_json::from_str::<Value>(text).ok();
    let message = message.as_ref().and_then(|json| json.get("CommitMessage")).and_then(Value::as_str);
    first_line(message.unwrap_or(text))
}

/// A value of an action's configuration, by its name.
pub(super) fn setting(name: &str, value: &str) -> String {
    let address = value.contains("://") && !value.contains(char::is_whitespace);
    let value =
        if address { configuration_value(name, &source_location(value)) } else { configuration_value(name, value) };
    short(&value, LONGEST_VALUE)
}

fn short(text: &str, longest: usize) -> String {
    let mut kept: String = text.chars().take(longest).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(longest).is_some() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::REDACTED_SECRET;

    #[test]
    fn the_first_line_is_kept_and_no_secret() {
        assert_eq!(first_line("\n  hotfix: null check \n\nlong story").as_deref(), Some("hotfix: null check"));
        assert_eq!(first_line(" \n"), None);
        let key = "AKIAIOSFODNN7EXAMPLE";
        assert_eq!(first_line(&format!("use {key} for now")).as_deref(), Some(REDACTED_SECRET));
        assert_eq!(first_line("deploy with password=hunter2").as_deref(), Some(REDACTED_SECRET));
        let long = first_line(&format!("{}{key}", "x ".repeat(400))).unwrap();
        assert_eq!(long, REDACTED_SECRET, "what is cut off is judged too");
        assert_eq!(first_line(&"ä".repeat(400)).unwrap().chars().count(), LONGEST_LINE + 1);
        assert_eq!(first_line("a\u{7}b").as_deref(), Some("a b"));
    }

    #[test]
    fn the_message_is_taken_out_of_what_a_connection_writes() {
        let text = r#"{"ProviderType":"GitHub","CommitMessage":"fix: retry\n\nbody"}"#;
        assert_eq!(revision_summary(text).as_deref(), Some("fix: retry"));
        assert_eq!(
            revision_summary("Amazon S3 version id: 3sL4kqtJ").as_deref(),
            Some("Amazon S3 version id: 3sL4kqtJ")
        );
    }

    #[test]
    fn settings_lose_user_information_and_values_of_variables() {
        assert_eq!(setting("Url", "https://u:p@example.com/x?token=1"), "https://example.com/x");
        assert!(!setting("EnvironmentVariables", r#"[{"name":"STAGE","value":"hunter2"}]"#).contains("hunter2"));
        assert_eq!(setting("ProjectName", "web"), "web");
    }
}
