//! The fixes that remove most risk.
//!
//! In: the tally. Out: a table of controls, because all violations of one control are mended by the same change, with what
//! to do and where most of them are.

use super::element::{CLOSE_PANEL, account, add, label, linked, open_panel, share, text};
use super::links::Filter;
use super::risk::DEFINITION;
use super::tally::Tally;
use crate::report::Report;
use crate::report::text::{counted, grouped, words};

/// Fixes shown.
const FIXES: usize = 10;

/// The panel.
pub(super) fn panel(report: &Report<'_>, tally: &Tally) -> String {
    let mut out = open_panel("fixes", "Top fixes by risk removed");
    if tally.fixes.is_empty() {
        out.push_str("<p>There is no open violation to fix, as far as was seen.</p>\n");
        out.push_str(CLOSE_PANEL);
        return out;
    }
    add(
        &mut out,
        format_args!(
            "<p class=\"quiet\">{DEFINITION} A fix is everything that one control asks for, in all accounts.</p>\n<div class=\"wide\"><table>\n\
             <caption>What to do first</caption>\n<thead><tr><th scope=\"col\" class=\"number\">risk removed</th>\
             <th scope=\"col\">fix</th><th scope=\"col\" class=\"number\">violations</th><th scope=\"col\">most of them in</th></tr></thead>\n<tbody>\n"
        ),
    );
    let mut removed = 0;
    for fix in tally.fixes.iter().take(FIXES) {
        removed += fix.risk;
        let control = report.controls.get(&fix.control);
        let title = control.map_or(fix.control.as_str(), |control| control.title.as_str());
        let advice = control.map_or_else(String::new, |control| without_facts(&control.remediation));
        let filter = Filter::open().control(&fix.control);
        let mut places: Vec<String> = fix
            .most
            .iter()
            .map(|(id, count)| {
                format!(
                    "<li>{} <span class=\"quiet\">{}</span></li>",
                    account(report, id, &filter.clone().account(id)),
                    grouped(*count)
                )
            })
            .collect();
        let more = fix.accounts.saturating_sub(fix.most.len() as u64);
        if more > 0 {
            places.push(format!("<li>and {}</li>", counted(more, "more account")));
        }
        add(
            &mut out,
            format_args!(
                "<tr><td class=\"number\"><b>{}</b><br><span class=\"quiet\">{}</span></td><th scope=\"row\" class=\"long\">{} {} <span class=\"id\">{}</span>\
                 <p class=\"advice\">{}</p></th><td class=\"number\">{}</td><td class=\"long\"><ul class=\"accounts\">{}</ul></td></tr>\n",
                grouped(fix.risk),
                share(fix.risk, tally.risk),
                label(fix.severity),
                text(title, 240),
                text(&fix.control, 96),
                text(&advice, 600),
                linked(fix.violations, &filter),
                places.concat()
            ),
        );
    }
    out.push_str("</tbody></table></div>\n");
    let more = tally.fixes.len().saturating_sub(FIXES) as u64;
    let rest = if more == 0 { String::new() } else { format!("; {} the rest", fixes_have(more)) };
    add(
        &mut out,
        format_args!(
            "<p>Together they remove {} of {} risk ({}){rest}.</p>\n",
            grouped(removed),
            grouped(tally.risk),
            share(removed, tally.risk)
        ),
    );
    out.push_str(CLOSE_PANEL);
    out
}

fn fixes_have(more: u64) -> String {
    format!("{} {}", counted(more, "more control"), if more == 1 { "has" } else { "have" })
}

/// A remediation for all resources at once: `{unapprovedActions}` is "the unapproved actions".
fn without_facts(remediation: &str) -> String {
    let mut out = String::with_capacity(remediation.len());
    let mut rest = remediation;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}') {
            Some((fact, behind)) if !fact.is_empty() && fact.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                out.push_str("the ");
                out.push_str(&words(fact));
                rest = behind;
            }
            _ => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_for_all_resources_names_facts_in_words() {
        assert_eq!(
            without_facts("Gate {unapprovedProductionActions}, see {\"a\": 1} and {x"),
            "Gate the unapproved production actions, see {\"a\": 1} and {x"
        );
    }
}
