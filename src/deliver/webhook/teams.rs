//! A [`Notice`] as an Adaptive Card, as a workflow of Teams takes it.
//!
//! In: a notice. Out: JSON within Teams' limit. All text stands in `RichTextBlock`s, which know no Markdown, so that no name
//! becomes a link.
//!
//! <https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>,
//! <https://adaptivecards.io/explorer/RichTextBlock.html>

use serde_json::{Value, json};

use crate::deliver::{Notice, NoticeFinding};

/// Teams takes 28 KB, and counts two bytes for each character where it stores text as UTF-16.
pub(super) const MESSAGE: usize = 28_000;

/// Findings of a card, at most; more than a person reads.
const MOST_FINDINGS: usize = 20;

/// The body of the request; findings are left out, and counted, until it fits.
pub(super) fn message(notice: &Notice) -> Value {
    let all = notice.findings.len().min(MOST_FINDINGS);
    let fitting = (0..=all).rev().map(|count| card(notice, count, 600)).find(|card| size(card) <= MESSAGE);
    fitting.unwrap_or_else(|| card(notice, 0, 200))
}

/// As Teams counts it, whichever way it does.
pub(super) fn size(card: &Value) -> usize {
    let text = card.to_string();
    text.len().max(2 * text.chars().map(char::len_utf16).sum::<usize>())
}

/// `longest`: characters of a sentence.
fn card(notice: &Notice, count: usize, longest: usize) -> Value {
    let mut body = vec![block(&[run(&notice.title, longest, true, "Large")])];
    body.extend(notice.sentences.iter().take(10).map(|sentence| block(&[run(sentence, longest, false, "Default")])));
    if !notice.findings.is_empty() {
        let head = if notice.changes.is_some() { "New or worse" } else { "Worst" };
        body.push(block(&[run(head, longest, true, "Default")]));
    }
    body.extend(notice.findings.iter().take(count).map(|finding| line(finding, longest)));
    let more = notice.more_findings + notice.findings.len().saturating_sub(count) as u64;
    if more > 0 {
        body.push(block(&[run(&format!("and {more} more"), longest, false, "Default")]));
    }
    if !notice.not_seen.is_empty() {
        body.push(block(&[run("Not seen", longest, true, "Default")]));
        body.extend(notice.not_seen.iter().take(10).map(|cause| block(&[run(cause, longest, false, "Default")])));
        if notice.more_not_seen > 0 {
            let more = format!("and {} more causes", notice.more_not_seen);
            body.push(block(&[run(&more, longest, false, "Default")]));
        }
    }
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "fallbackText": short(&notice.title, longest),
        "body": body,
    });
    let is_address = notice.report.starts_with("https://") && notice.report.chars().count() <= 500;
    if let Some(members) = card.as_object_mut() {
        if is_address {
            let open = json!([{"type": "Action.OpenUrl", "title": "Open the report", "url": notice.report}]);
            members.insert("actions".to_owned(), open);
        } else if let Some(Value::Array(body)) = members.get_mut("body") {
            body.push(block(&[run(&format!("Report: {}", notice.report), longest, false, "Default")]));
        }
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card,
        }],
    })
}

fn line(finding: &NoticeFinding, longest: usize) -> Value {
    block(&[
        run(&format!("{} ", finding.severity), longest, true, "Default"),
        run(&format!("{}: ", finding.title), longest, false, "Default"),
        run(&finding.place(), longest, false, "Small"),
    ])
}

fn block(runs: &[Value]) -> Value {
    json!({"type": "RichTextBlock", "inlines": runs})
}

fn run(text: &str, longest: usize, is_bold: bool, size: &str) -> Value {
    let weight = if is_bold { "Bolder" } else { "Default" };
    json!({"type": "TextRun", "text": short(text, longest), "weight": weight, "size": size})
}

fn short(text: &str, longest: usize) -> String {
    // A control character takes six in JSON.
    let mut characters = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    let mut out: String = characters.by_ref().take(longest).collect();
    if characters.next().is_some() {
        out.pop();
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::deliver::webhook::samples;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_message_is_within_the_limit(notice in samples::any_notice()) {
            let message = message(&notice);
            assert!(size(&message) <= MESSAGE, "{}", size(&message));
        }
    }

    #[test]
    fn names_stand_where_no_markdown_is_read() {
        let mut notice = samples::notice();
        notice.findings = vec![samples::finding("[click](https://evil.example) <at>everyone</at>")];
        let message = message(&notice);
        let card = &message["attachments"][0]["content"];
        for block in card["body"].as_array().unwrap() {
            assert_eq!(block["type"], "RichTextBlock");
            assert!(block["inlines"].as_array().unwrap().iter().all(|run| run["type"] == "TextRun"));
        }
        assert_eq!(card["actions"][0]["url"], "https://reports.example.com/1/report.html");
        assert_eq!(card["msteams"].get("entities"), None);
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let mut notice = samples::notice();
        notice.findings = (0..40).map(|nth| samples::finding(&format!("{nth}{}", "名".repeat(500)))).collect();
        notice.more_findings = 3;
        let message = message(&notice);
        assert!(size(&message) <= MESSAGE);
        let text = message.to_string();
        let named = text.matches("arn:aws:").count() as u64;
        assert!(named < 40 && text.contains(&format!("and {} more", 43 - named)), "{named}");
    }
}
