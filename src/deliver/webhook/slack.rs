//! A [`Notice`] as a message of Slack: blocks, and a plain text for notifications and for receivers that know no blocks.
//!
//! In: a notice. Out: JSON within Slack's limits, in which no name is a link, a mention or markup of Slack's.
//!
//! Limits: <https://docs.slack.dev/reference/block-kit/blocks>, escaping:
//! <https://docs.slack.dev/messaging/formatting-message-text#escaping>

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::deliver::{Notice, NoticeFinding};

/// Characters of a header.
pub(super) const HEADER: usize = 150;
/// Characters of a section's text.
pub(super) const SECTION: usize = 3_000;
/// Blocks of a message.
pub(super) const BLOCKS: usize = 50;
/// Characters of the text beside the blocks, as Slack advises.
pub(super) const TEXT: usize = 4_000;

/// The body of the request.
pub(super) fn message(notice: &Notice) -> Value {
    let mut blocks = vec![json!({
        "type": "header",
        "text": {"type": "plain_text", "text": header(&notice.title), "emoji": false},
    })];
    blocks.push(section(&escaped(&notice.sentences.join("\n"), SECTION)));
    if !notice.findings.is_empty() {
        blocks.push(section(if notice.changes.is_some() { "*New or worse*" } else { "*Worst*" }));
        // The heading, what is more, what was not seen and the report need a block each.
        blocks.extend(notice.findings.iter().take(BLOCKS - 6).map(|finding| section(&line(finding))));
    }
    let unnamed = notice.findings.len().saturating_sub(BLOCKS - 6) as u64 + notice.more_findings;
    if unnamed > 0 {
        blocks.push(section(&format!("and {unnamed} more")));
    }
    if !notice.not_seen.is_empty() {
        let mut text = notice.not_seen.join("\n");
        if notice.more_not_seen > 0 {
            let _ = write!(text, "\nand {} more causes", notice.more_not_seen);
        }
        blocks.push(section(&format!("*Not seen*\n{}", escaped(&text, SECTION - 20))));
    }
    blocks.push(section(&report(&notice.report)));
    json!({"text": escaped(&unlinked(&notice.text()), TEXT), "blocks": blocks, "unfurl_links": false})
}

fn section(text: &str) -> Value {
    // `verbatim`: nothing in it becomes a link or a mention by itself.
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}})
}

fn line(finding: &NoticeFinding) -> String {
    let title = escaped(&finding.title, 800);
    format!("*{}* {title}\n{}", finding.severity, escaped(&finding.place(), SECTION - 1_000))
}

fn report(location: &str) -> String {
    let is_address = location.starts_with("https://") && !location.contains(['|', '>', '<', ' ']);
    let escaped = escaped(location, SECTION - 30);
    if is_address && location.len() < SECTION - 30 {
        format!("<{escaped}|Open the report>")
    } else {
        format!("Report: {escaped}")
    }
}

/// A header takes no markup at all, but what looks like a mention need not even look so.
fn header(title: &str) -> String {
    cut(title.replace('<', "‹").replace('>', "›").chars(), HEADER, |character, out| out.push(character))
}

/// Text that Slack shows as it is, in so many characters.
pub(super) fn escaped(text: &str, most: usize) -> String {
    cut(text.chars(), most, |character, out| match character {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        other => out.push(other),
    })
}

/// Receivers that read the text as Markdown make links of brackets and mentions of words that begin with `@`.
fn unlinked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for character in text.chars() {
        match character {
            '@' if !before.is_alphanumeric() => out.push('＠'),
            '(' if before == ']' => out.push_str(" ("),
            other => out.push(other),
        }
        before = character;
    }
    out
}

/// As many characters as fit, counted as JavaScript does; nothing is cut in its middle.
fn cut(text: impl Iterator<Item = char>, most: usize, mut push: impl FnMut(char, &mut String)) -> String {
    let length = |text: &str| text.chars().map(char::len_utf16).sum::<usize>();
    let (mut out, mut used) = (String::new(), 0);
    // Where the text is cut if it turns out to be too long: the last place that leaves room for the dots.
    let mut end = 0;
    for character in text {
        let mut piece = String::new();
        push(character, &mut piece);
        used += length(&piece);
        if used > most {
            out.truncate(end);
            out.push('…');
            return out;
        }
        out.push_str(&piece);
        if used < most {
            end = out.len();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::deliver::webhook::samples;

    fn units(text: &str) -> usize {
        text.encode_utf16().count()
    }

    /// What Slack's documents ask of a message; nothing else may stand in it.
    fn assert_taken(message: &Value) {
        assert!(units(message["text"].as_str().unwrap()) <= TEXT);
        let blocks = message["blocks"].as_array().unwrap();
        assert!((1..=BLOCKS).contains(&blocks.len()));
        for block in blocks {
            let text = block["text"]["text"].as_str().unwrap();
            match block["type"].as_str().unwrap() {
                "header" => {
                    assert_eq!(block["text"]["type"], "plain_text");
                    assert!((1..=HEADER).contains(&units(text)), "{text}");
                }
                "section" => {
                    assert_eq!(block["text"]["type"], "mrkdwn");
                    assert!((1..=SECTION).contains(&units(text)), "{text}");
                    // Slack's own markup begins with `<`; only the report's address may.
                    let own = text.starts_with("<https://") && text.ends_with("|Open the report>");
                    let inside = if own { text.trim_start_matches('<').trim_end_matches('>') } else { text };
                    assert!(!inside.contains(['<', '>']), "{text}");
                    let known = ["&amp;", "&lt;", "&gt;"];
                    for (at, _) in inside.match_indices('&') {
                        let rest = inside.get(at..).unwrap();
                        assert!(known.iter().any(|escape| rest.starts_with(escape)), "half an escape: {rest}");
                    }
                }
                other => panic!("{other}"),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_message_is_within_the_limits_and_escaped(notice in samples::any_notice()) {
            assert_taken(&message(&notice));
        }
    }

    #[test]
    fn names_are_neither_links_nor_mentions() {
        let mut notice = samples::notice();
        notice.findings =
            vec![samples::finding("<!channel> <https://evil.example|click> & @here [a](https://evil.example)")];
        notice.title = "<!here>".to_owned();
        let message = message(&notice);
        assert_taken(&message);
        let text = message.to_string();
        for live in ["<!channel>", "<!here>", "<https://evil", "](https"] {
            assert!(!message["text"].as_str().unwrap().contains(live), "{text}");
        }
        assert!(!message["text"].as_str().unwrap().contains(" @here"), "{text}");
        assert!(text.contains("&lt;!channel&gt;") && text.contains("‹!here›"), "{text}");
    }

    #[test]
    fn what_fits_is_whole_and_what_does_not_is_cut_before_an_escape() {
        assert_eq!(escaped("a&b", 7), "a&amp;b");
        assert_eq!(escaped("a&b", 6), "a…");
        assert_eq!(escaped("", 6), "");
        assert_eq!(escaped("abcdef", 6), "abcdef");
        assert_eq!(escaped("abcdefg", 6), "abcde…");
    }
}
