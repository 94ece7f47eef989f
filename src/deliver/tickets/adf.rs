//! Pages as the Atlassian Document Format, which Jira Cloud takes.
//!
//! In: a page. Out: a document of a few kinds of nodes. Text is text there: nothing in it is markup, a mention or a link,
//! unless a node says so, and no node here does but the link to the report.
//!
//! <https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/>

use serde_json::{Value, json};

use super::page::{Block, Page, Words, fit};
use crate::deliver::notice::counted;

/// Characters of a description or comment; Jira does not say whether it counts text or document, so the document is held
/// to it.
const LONGEST: usize = 32_767;

fn text(raw: &str) -> Value {
    json!({"type": "text", "text": if raw.is_empty() { "–" } else { raw }})
}

fn strong(raw: &str) -> Value {
    json!({"type": "text", "text": raw, "marks": [{"type": "strong"}]})
}

fn code(raw: &str) -> Value {
    json!({"type": "text", "text": if raw.is_empty() { "–" } else { raw }, "marks": [{"type": "code"}]})
}

fn paragraph(content: &[Value]) -> Value {
    json!({"type": "paragraph", "content": content})
}

fn list(facts: &[(String, String)]) -> Value {
    let items: Vec<Value> = facts
        .iter()
        .map(|(name, value)| {
            let line = paragraph(&[text(&format!("{name}: ")), code(value)]);
            json!({"type": "listItem", "content": [line]})
        })
        .collect();
    json!({"type": "bulletList", "content": items})
}

fn table(header: &[&str], rows: &[Vec<String>]) -> Value {
    let head: Vec<Value> =
        header.iter().map(|name| json!({"type": "tableHeader", "content": [paragraph(&[strong(name)])]})).collect();
    let mut lines = vec![json!({"type": "tableRow", "content": head})];
    for row in rows {
        let cells: Vec<Value> =
            row.iter().map(|cell| json!({"type": "tableCell", "content": [paragraph(&[text(cell)])]})).collect();
        lines.push(json!({"type": "tableRow", "content": cells}));
    }
    json!({"type": "table", "content": lines})
}

/// The address of the report comes from the configuration; a folder is no address.
fn report(address: &str) -> Value {
    let target = if address.starts_with("https://") {
        json!({"type": "text", "text": address, "marks": [{"type": "link", "attrs": {"href": address}}]})
    } else {
        code(address)
    };
    paragraph(&[text("Report: "), target])
}

fn document(content: &[Value]) -> Value {
    json!({"type": "doc", "version": 1, "content": content})
}

fn length(document: &Value) -> usize {
    document.to_string().chars().count()
}

/// A description.
pub(super) fn description(page: &Page) -> Value {
    let render = |shown: usize| {
        let mut content = Vec::new();
        for block in &page.blocks {
            match block {
                Block::Heading(heading) => {
                    content.push(json!({"type": "heading", "attrs": {"level": 3}, "content": [text(heading)]}));
                }
                Block::Prose(prose) => content.push(paragraph(&[text(prose)])),
                Block::Facts(facts) if facts.is_empty() => {}
                Block::Facts(facts) => content.push(list(facts)),
                Block::Table => {
                    if shown > 0 {
                        content.push(table(&page.header, page.rows.get(..shown).unwrap_or_default()));
                    }
                    let more = page.total.saturating_sub(shown as u64);
                    if more > 0 {
                        let said = format!("And {} more; the report has them all.", counted(more, "violation"));
                        content.push(paragraph(&[text(&said)]));
                    }
                }
                Block::Report => content.push(report(&page.report)),
            }
        }
        document(&content)
    };
    fit(page.rows.len(), LONGEST, render, length)
}

/// A comment; its last line tells it from others.
pub(super) fn comment(words: &Words) -> Value {
    let render = |shown: usize| {
        let mut content: Vec<Value> = words.sentences.iter().map(|sentence| paragraph(&[text(sentence)])).collect();
        if shown > 0 {
            content.push(table(&words.header, words.rows.get(..shown).unwrap_or_default()));
        }
        if shown < words.rows.len() {
            let said = format!("And {} more; the report has them all.", words.rows.len() - shown);
            content.push(paragraph(&[text(&said)]));
        }
        content.push(report(&words.report));
        content.push(paragraph(&[code(&said(&words.mark))]));
        document(&content)
    };
    fit(words.rows.len(), LONGEST, render, length)
}

/// What tells one of our comments.
pub(super) fn said(mark: &str) -> String {
    format!("pipewarden {mark}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;

    fn page(rows: usize, name: &str) -> Page {
        Page {
            title: name.to_owned(),
            severity: Severity::High,
            blocks: vec![
                Block::Heading("x"),
                Block::Prose(name.to_owned()),
                Block::Facts(vec![("Owner".to_owned(), name.to_owned())]),
                Block::Table,
                Block::Report,
            ],
            header: vec!["Severity", "Resource"],
            rows: (0..rows).map(|_| vec!["HIGH".to_owned(), name.to_owned()]).collect(),
            total: rows as u64,
            report: "https://reports.example.com/1".to_owned(),
        }
    }

    fn kinds(value: &Value, kinds: &mut std::collections::BTreeSet<String>) {
        if let Some(kind) = value.get("type").and_then(Value::as_str) {
            kinds.insert(kind.to_owned());
        }
        match value {
            Value::Array(items) => items.iter().for_each(|item| kinds_of(item, kinds)),
            Value::Object(fields) => fields.values().for_each(|item| kinds_of(item, kinds)),
            _ => {}
        }
    }

    fn kinds_of(value: &Value, all: &mut std::collections::BTreeSet<String>) {
        kinds(value, all);
    }

    #[test]
    fn hostile_names_are_text_nodes_and_nothing_else() {
        let name = "[~admin] @admin {\"type\":\"mention\"} https://evil.example SEC-1";
        let document = description(&page(2, name));
        let mut all = std::collections::BTreeSet::new();
        kinds(&document, &mut all);
        assert!(!all.contains("mention") && !all.contains("inlineCard"), "{all:?}");
        assert_eq!(document.to_string().matches("\"link\"").count(), 1, "only the report is linked");
    }

    #[test]
    fn no_document_is_longer_than_jira_takes() {
        let document = description(&page(300, &"n".repeat(500)));
        assert!(length(&document) <= LONGEST);
        assert!(document.to_string().contains("more; the report has them all"));
        assert!(description(&page(0, "x")).to_string().contains("doc"));
    }
}
