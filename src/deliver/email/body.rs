//! A [`Notice`] as the HTML of an e-mail.
//!
//! In: a notice. Out: a document that asks the network for nothing: tables and inline styles, which Outlook and phones show
//! alike; every name is escaped.

use std::fmt::Write as _;

use crate::deliver::{Notice, Verdict};
use crate::finding::Severity;
use crate::report::html_escaped as escaped;

/// The document.
pub(super) fn html(notice: &Notice) -> String {
    let colour = match notice.verdict {
        Verdict::Compliant => "#1a7f37",
        Verdict::NonCompliant => "#b3261e",
        Verdict::InsufficientData | Verdict::Failed => "#8a6100",
    };
    let mut out = String::from(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>pipewarden</title></head>\
         <body style=\"margin:0;padding:0;background:#ffffff;color:#1f2328\">\
         <table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\"><tr><td align=\"left\" style=\"padding:16px\">\
         <table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" style=\"max-width:720px;font-family:Arial,Helvetica,sans-serif;font-size:15px;line-height:1.45\">",
    );
    // Writing into a `String` cannot fail.
    let _ = write!(
        out,
        "<tr><td style=\"border-left:4px solid {colour};padding:4px 12px\"><h1 style=\"font-size:19px;margin:0\">{}</h1></td></tr>",
        escaped(&notice.title)
    );
    out.push_str("<tr><td style=\"padding:12px 0\">");
    for sentence in &notice.sentences {
        let _ = write!(out, "<p style=\"margin:0 0 6px 0\">{}</p>", escaped(sentence));
    }
    out.push_str("</td></tr>");
    write_findings(notice, &mut out);
    write_not_seen(notice, &mut out);
    let report = escaped(&notice.report);
    let report = if notice.report.starts_with("https://") {
        format!("<a href=\"{report}\" style=\"color:#0b57d0\">Open the report</a>")
    } else {
        format!("Report: {report}")
    };
    let _ = writeln!(
        out,
        "<tr><td style=\"padding:12px 0\">{report}</td></tr>\
         <tr><td style=\"padding:8px 0;border-top:1px solid #d0d7de;color:#59636e;font-size:13px\">Run {} by pipewarden {}</td></tr>\
         </table></td></tr></table></body></html>",
        escaped(&notice.run.run_id),
        escaped(&notice.run.tool_version)
    );
    out
}

fn write_findings(notice: &Notice, out: &mut String) {
    if notice.findings.is_empty() {
        return;
    }
    let head = if notice.changes.is_some() { "New or worse" } else { "Worst" };
    let _ = write!(
        out,
        "<tr><td><h2 style=\"font-size:16px;margin:8px 0\">{head}</h2>\
         <table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\">"
    );
    for finding in &notice.findings {
        let colour = match finding.severity {
            Severity::Critical => "#8c1d18",
            Severity::High => "#b3261e",
            Severity::Medium => "#8a6100",
            Severity::Low => "#59636e",
        };
        let _ = write!(
            out,
            "<tr><td style=\"padding:6px 0;border-top:1px solid #d0d7de\"><strong style=\"color:{colour}\">{}</strong> {}<br>\
             <span style=\"color:#59636e;font-size:13px;word-break:break-all\">{}</span></td></tr>",
            finding.severity,
            escaped(&finding.title),
            escaped(&finding.place())
        );
    }
    if notice.more_findings > 0 {
        let _ = write!(out, "<tr><td style=\"padding:6px 0\">and {} more</td></tr>", notice.more_findings);
    }
    out.push_str("</table></td></tr>");
}

fn write_not_seen(notice: &Notice, out: &mut String) {
    if notice.not_seen.is_empty() {
        return;
    }
    out.push_str("<tr><td><h2 style=\"font-size:16px;margin:12px 0 8px 0\">Not seen</h2><ul style=\"margin:0;padding-left:20px\">");
    for cause in &notice.not_seen {
        let _ = write!(out, "<li>{}</li>", escaped(cause));
    }
    if notice.more_not_seen > 0 {
        let _ = write!(out, "<li>and {} more causes</li>", notice.more_not_seen);
    }
    out.push_str("</ul></td></tr>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::RunInfo;

    #[test]
    fn names_are_text_and_nothing_is_fetched() {
        let run = RunInfo {
            run_id: "20261121T020000Z".to_owned(),
            started_at: "2026-11-21T02:00:00Z".to_owned(),
            tool_version: "1".to_owned(),
            organization: String::new(),
            policy_hash: String::new(),
        };
        let hostile = "<img src=x onerror=alert(1)>\"' & </td>";
        let mut notice = Notice::of_failure(run, hostile, format!("https://reports.example.com/\"><script>{hostile}"));
        notice.title = hostile.to_owned();
        notice.not_seen = vec![hostile.to_owned()];
        let html = html(&notice);
        for live in ["<img", "<script", "src=\"", "<link", "<style", "url(", "</td>\"", "onerror=alert(1)>"] {
            assert!(!html.contains(live), "{live}: {html}");
        }
        assert_eq!(html.matches("href=").count(), 1);
        assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;&quot;&#39; &amp; &lt;/td&gt;"), "{html}");
        // As a strict reader sees it: everything that is opened is closed.
        for tag in ["table", "tr", "td", "h1", "h2", "ul", "li", "p", "a", "html", "body", "head"] {
            let open = html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
            assert_eq!(open, html.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
}
