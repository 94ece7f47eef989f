//! Pages as GitHub's Markdown.
//!
//! In: a page. Out: a body of an issue or a comment. Whatever is not our own word becomes text and nothing else: no
//! markup, no link, no `@mention` that would ping somebody, no `#1` that would be noted in another issue.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::page::{Block, Page, Words, cut, fit};
use super::{Content, Mark};
use crate::deliver::notice::counted;
use crate::finding::{Severity, hex};

/// Characters of a body: GitHub refuses more than 65,536.
const BODY: usize = 65_536;
/// Characters of a title: it refuses more than 256.
const TITLE: usize = 250;
/// Findings that a mark names at most; each has 22 characters.
const MOST_MARKED: usize = 1_000;
/// Keeps signs apart that would be a mention, a reference or a link together, and is not seen.
const APART: char = '\u{2060}';
const MARK: &str = "<!-- pipewarden of=";

/// Prose: every sign that means something to Markdown or HTML is written as an entity, which never means anything.
fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len() + 16);
    let mut before = ' ';
    for sign in raw.chars() {
        match sign {
            // Spaces at the beginning would be a block of code, and several are one anyway.
            ' ' if before == ' ' => {}
            '@' | '#' => {
                let _ = write!(out, "&#{};{APART}", u32::from(sign));
            }
            '/' if before == ':' => {
                let _ = write!(out, "{APART}/");
            }
            '.' if before.eq_ignore_ascii_case(&'w') => {
                let _ = write!(out, "{APART}.");
            }
            // `GH-1` is a reference as well.
            '-' if before.eq_ignore_ascii_case(&'h') => {
                let _ = write!(out, "{APART}&#45;");
            }
            plain if plain.is_alphanumeric() || " ,.:/()…".contains(plain) => out.push(plain),
            sign => {
                let _ = write!(out, "&#{};", u32::from(sign));
            }
        }
        before = sign;
    }
    out
}

/// Keeps signs apart as [`APART`] does, and is not copied with a name.
const APART_IN_CODE: &str = "<!-- -->";
/// Characters of a rendered name, so that the facts of a page have room in a body whatever signs they are of.
const NAME: usize = 2_000;

/// A name to be copied, and nothing can end it. GitHub makes links within `<code>` as well, where what looks like an
/// address is one piece of text.
fn code(raw: &str) -> String {
    if raw.is_empty() {
        return "–".to_owned();
    }
    let mut out = String::with_capacity(raw.len() + 16);
    let (mut before, mut length) = (' ', 0);
    for sign in raw.chars() {
        let piece = match sign {
            '/' if before == ':' => format!("{APART_IN_CODE}/"),
            '.' if before.eq_ignore_ascii_case(&'w') => format!("{APART_IN_CODE}."),
            '@' => format!("&#64;{APART_IN_CODE}"),
            plain if plain.is_alphanumeric() || " ,.:/-".contains(plain) => plain.to_string(),
            sign => format!("&#{};", u32::from(sign)),
        };
        length += piece.chars().count();
        if length > NAME {
            out.push('…');
            break;
        }
        out.push_str(&piece);
        before = sign;
    }
    format!("<code>{out}</code>")
}

/// The address of the report comes from the configuration; a folder is no address.
fn report(address: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'*+,;=%".contains(c);
    if address.starts_with("https://") && address.chars().all(is_plain) {
        format!("Report: <{address}>")
    } else {
        format!("Report: {}", code(address))
    }
}

fn table(out: &mut String, header: &[&str], rows: &[Vec<String>]) {
    let _ = writeln!(out, "\n| {} |", header.join(" | "));
    let _ = writeln!(out, "|{}", " --- |".repeat(header.len()));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| code(cell)).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out.push('\n');
}

/// A title: GitHub pings nobody from there, and shows only code in backticks.
pub(super) fn title(page: &Page) -> String {
    cut(&page.title.replace('@', "@\u{2060}").replace('`', "'"), TITLE)
}

/// The body of an issue.
pub(super) fn body(page: &Page, mark: &Mark) -> String {
    let mark = marked(mark);
    fit(page.rows.len(), BODY, |shown| rendered(page, &mark, shown), |body| body.chars().count())
}

fn rendered(page: &Page, mark: &str, shown: usize) -> String {
    let mut out = format!("{mark}\n");
    for block in &page.blocks {
        match block {
            Block::Heading(heading) => {
                let _ = writeln!(out, "\n### {heading}\n");
            }
            Block::Prose(prose) => {
                let _ = writeln!(out, "{}\n", text(prose));
            }
            Block::Facts(facts) => {
                for (name, value) in facts {
                    let _ = writeln!(out, "- {}: {}", text(name), code(value));
                }
            }
            Block::Table => {
                table(&mut out, &page.header, page.rows.get(..shown).unwrap_or_default());
                let more = page.total.saturating_sub(shown as u64);
                if more > 0 {
                    let _ = writeln!(out, "And {} more; the report has them all.\n", counted(more, "violation"));
                }
            }
            Block::Report => {
                let _ = writeln!(out, "{}\n", report(&page.report));
            }
        }
    }
    out
}

/// A comment.
pub(super) fn comment(words: &Words) -> String {
    fit(
        words.rows.len(),
        BODY,
        |shown| {
            let mut out = format!("{}\n", said(&words.mark));
            for sentence in &words.sentences {
                let _ = writeln!(out, "{}\n", text(sentence));
            }
            if !words.rows.is_empty() {
                table(&mut out, &words.header, words.rows.get(..shown).unwrap_or_default());
                if shown < words.rows.len() {
                    let _ = writeln!(out, "And {} more; the report has them all.\n", words.rows.len() - shown);
                }
            }
            let _ = writeln!(out, "{}", report(&words.report));
            out
        },
        |body| body.chars().count(),
    )
}

/// What tells one of our comments.
pub(super) fn said(mark: &str) -> String {
    format!("<!-- pipewarden said={mark} -->")
}

/// The hidden line that begins a body.
fn marked(mark: &Mark) -> String {
    let worst = mark.content.worst.map_or("-", Severity::as_str);
    let whole = mark.content.whole && mark.content.findings.len() <= MOST_MARKED;
    let findings = packed(&mark.content, MOST_MARKED);
    format!(
        "{MARK}{} key={} worst={worst} whole={} findings={findings} -->",
        mark.of,
        mark.key,
        if whole { "yes" } else { "no" }
    )
}

/// The first ids, 16 bytes each.
pub(super) fn packed(content: &Content, most: usize) -> String {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Vec::new();
    for id in content.findings.iter().take(most) {
        bytes.extend(id.as_bytes().chunks(2).filter_map(|pair| match pair {
            [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
            _ => None,
        }));
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The other way round; what is no ids is none.
pub(super) fn unpacked(text: &str) -> Option<std::collections::BTreeSet<String>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    (bytes.len() % 16 == 0).then(|| bytes.chunks(16).map(hex).collect())
}

/// The mark of a body, if it begins with one.
pub(super) fn mark_of(body: &str) -> Option<Mark> {
    let rest = body.trim_start().strip_prefix(MARK)?;
    let (line, _) = rest.split_once(" -->")?;
    let mut words = line.split(' ');
    let of = words.next()?.to_owned();
    let mut value = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
    let (key, worst, whole, findings) = (value("key")?, value("worst")?, value("whole")?, value("findings")?);
    let content = Content { findings: unpacked(&findings)?, worst: worst.parse().ok(), whole: whole == "yes" };
    Some(Mark { of, key, content })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(findings: usize) -> Mark {
        let findings = (0..findings).map(|nth| format!("{nth:032x}")).collect();
        let content = Content { findings, worst: Some(Severity::High), whole: true };
        Mark { of: "0123456789abcdef".to_owned(), key: "f".repeat(32), content }
    }

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
    fn a_body_carries_its_mark() {
        for findings in [0, 1, 3] {
            let mark = mark(findings);
            assert_eq!(mark_of(&body(&page(1, "x"), &mark)), Some(mark));
        }
        let many = mark_of(&body(&page(1, "x"), &mark(1_500))).unwrap();
        assert!(!many.content.whole && many.content.findings.len() == 1_000);
        for other in [
            "",
            "<!-- pipewarden of=x -->",
            "text <!-- pipewarden of=",
            "<!-- pipewarden of=a key=b worst=c whole=d findings=! -->",
        ] {
            assert_eq!(mark_of(other), None, "{other}");
        }
    }

    #[test]
    fn no_body_is_longer_than_github_takes_and_what_is_left_out_is_counted() {
        let body = body(&page(300, &"`a|b`".repeat(100)), &mark(1_500));
        assert!(body.chars().count() <= BODY, "{}", body.chars().count());
        assert!(body.contains("more; the report has them all"), "{body}");
    }

    #[test]
    fn what_looks_like_an_address_is_no_link_within_code() {
        for (name, expected) in [
            ("https://evil.example", "https:<!-- -->//evil.example"),
            ("www.evil.example", "www<!-- -->.evil.example"),
            ("WWW.evil.example", "WWW<!-- -->.evil.example"),
            ("a@b.example", "a&#64;<!-- -->b.example"),
            ("arn:aws:s3:::a/b.zip", "arn:aws:s3:::a/b.zip"),
        ] {
            assert_eq!(code(name), format!("<code>{expected}</code>"));
        }
        let long = code(&"@".repeat(5_000));
        assert!(long.ends_with("…</code>") && long.chars().count() < NAME + 20, "{}", long.len());
    }

    #[test]
    fn hostile_names_are_text() {
        let name = "@octocat #1 acme/web#2 GH-3 https://evil.example www.evil.example <img src=x> </code> ![x](y) `|` \
                    **b** -->  [a](javascript:x) a@b.example";
        let body = body(&page(1, name), &mark(1));
        let (_, seen) = body.split_once("-->\n").unwrap();
        // GitHub makes links of what stands together, in prose and within `<code>`.
        assert!(!seen.contains("://evil") && !seen.to_lowercase().contains("www.evil"), "{seen}");
        let own = seen.replace("<code>", "").replace("</code>", "").replace("<https://reports.example.com/1>", "");
        let own = own.replace(APART_IN_CODE, "");
        assert!(!own.contains(['<', '>', '@', '`', '*', '[', ']', '!', '_']), "{own}");
        // In prose, signs that stand together elsewhere are apart.
        let prose = text(name);
        assert!(!prose.contains("://") && !prose.contains("www."), "{prose}");
        assert!(prose.contains("&#64;\u{2060}octocat") && prose.contains("&#35;\u{2060}1"), "{prose}");
        assert!(prose.contains("GH\u{2060}&#45;3"), "{prose}");
        assert!(!title(&page(1, name)).contains("@octocat"));
        assert_eq!(seen.matches("<code>").count(), seen.matches("</code>").count());
    }
}
