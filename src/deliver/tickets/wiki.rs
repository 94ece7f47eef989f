//! Pages as Jira's wiki text, which Jira Data Center takes.
//!
//! In: a page. Out: plain text in a block that Jira does not read as markup. Names come from AWS: none of them can end the
//! block, or be a mention of a person.

use std::fmt::Write as _;

use super::adf::said;
use super::page::{Block, Page, Words, fit};
use crate::deliver::notice::counted;

/// Characters of a description or comment.
const LONGEST: usize = 32_767;
/// Keeps signs apart that would mean something together, and is not seen.
const APART: char = '\u{2060}';

/// Text that ends no block and mentions nobody: Jira looks for `[~name]` even where it shows no markup.
fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len() + 8);
    for sign in raw.chars() {
        out.push(sign);
        if matches!(sign, '{' | '[' | '@') {
            out.push(APART);
        }
    }
    out
}

/// The address of the report comes from the configuration; a folder is no address.
fn report(address: &str) -> String {
    if address.starts_with("https://") && !address.contains(['[', ']', '{', '}', '|']) {
        format!("Report: {address}\n")
    } else {
        format!("{{noformat}}\nReport: {}\n{{noformat}}\n", text(address))
    }
}

fn block(body: &str) -> String {
    format!("{{noformat}}\n{}\n{{noformat}}\n", body.trim_matches('\n'))
}

fn table(out: &mut String, header: &[&str], rows: &[Vec<String>]) {
    let _ = writeln!(out, "{}", header.join(" | "));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| text(cell)).collect();
        let _ = writeln!(out, "{}", cells.join(" | "));
    }
}

/// A description.
pub(super) fn description(page: &Page) -> String {
    let render = |shown: usize| {
        let mut out = String::new();
        for part in &page.blocks {
            match part {
                Block::Heading(heading) => {
                    let _ = writeln!(out, "\n{}\n", heading.to_uppercase());
                }
                Block::Prose(prose) => {
                    let _ = writeln!(out, "{}", text(prose));
                }
                Block::Facts(facts) => {
                    for (name, value) in facts {
                        let _ = writeln!(out, "{}: {}", text(name), text(value));
                    }
                }
                Block::Table => {
                    table(&mut out, &page.header, page.rows.get(..shown).unwrap_or_default());
                    let more = page.total.saturating_sub(shown as u64);
                    if more > 0 {
                        let _ = writeln!(out, "And {} more; the report has them all.", counted(more, "violation"));
                    }
                }
                Block::Report => {}
            }
        }
        format!("{}{}", report(&page.report), block(&out))
    };
    fit(page.rows.len(), LONGEST, render, |text| text.chars().count())
}

/// A comment; its last line tells it from others.
pub(super) fn comment(words: &Words) -> String {
    let render = |shown: usize| {
        let mut out = String::new();
        for sentence in &words.sentences {
            let _ = writeln!(out, "{}", text(sentence));
        }
        if shown > 0 {
            table(&mut out, &words.header, words.rows.get(..shown).unwrap_or_default());
        }
        if shown < words.rows.len() {
            let _ = writeln!(out, "And {} more; the report has them all.", words.rows.len() - shown);
        }
        let _ = writeln!(out, "{}", said(&words.mark));
        format!("{}{}", report(&words.report), block(&out))
    };
    fit(words.rows.len(), LONGEST, render, |text| text.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;

    fn page(rows: usize, name: &str) -> Page {
        Page {
            title: name.to_owned(),
            severity: Severity::High,
            blocks: vec![Block::Prose(name.to_owned()), Block::Table, Block::Report],
            header: vec!["Severity", "Resource"],
            rows: (0..rows).map(|_| vec!["HIGH".to_owned(), name.to_owned()]).collect(),
            total: rows as u64,
            report: "https://reports.example.com/1".to_owned(),
        }
    }

    #[test]
    fn nothing_ends_the_block_and_nobody_is_mentioned() {
        let text = description(&page(2, "{noformat}[~admin] @admin !x.png! {code}"));
        assert_eq!(text.matches("{noformat}").count(), 2, "{text}");
        assert!(!text.contains("[~") && !text.contains("@admin") && !text.contains("{code}"), "{text}");
    }

    #[test]
    fn no_text_is_longer_than_jira_takes() {
        let text = description(&page(300, &"n".repeat(500)));
        assert!(text.chars().count() <= LONGEST && text.contains("more; the report has them all"), "{text}");
    }
}
