//! Notices for tests: one that is plain, and any.

use proptest::prelude::*;

use crate::deliver::{Notice, NoticeFinding};
use crate::finding::Severity;
use crate::report::RunInfo;

pub(super) fn notice() -> Notice {
    let run = RunInfo {
        run_id: "20261121T020000Z".to_owned(),
        started_at: "2026-11-21T02:00:00Z".to_owned(),
        tool_version: "1".to_owned(),
        organization: String::new(),
        policy_hash: String::new(),
    };
    Notice::of_failure(run, "no account could be entered", "https://reports.example.com/1/report.html".to_owned())
}

pub(super) fn finding(name: &str) -> NoticeFinding {
    NoticeFinding {
        id: "0".repeat(32),
        severity: Severity::High,
        control: "c".to_owned(),
        title: name.to_owned(),
        resource: format!("arn:aws:codepipeline:eu-west-1:111122223333:{name}"),
        account: "111122223333".parse().unwrap(),
        account_name: name.to_owned(),
        region: "eu-west-1".to_owned(),
        change: None,
        owner: Some(name.to_owned()),
    }
}

fn text(most: usize) -> impl Strategy<Value = String> {
    let hostile = prop::sample::select(vec!["<!channel>", "&amp", "<", ">", "&", "*", "`", "\n", "𝒳", "名", "a"]);
    let pieces = prop::collection::vec(prop_oneof![hostile.prop_map(str::to_owned), ".{0,9}"], 0..12);
    (pieces, 0..most).prop_map(|(pieces, times)| pieces.concat().repeat(times.max(1)))
}

/// Long, hostile and empty in every part.
pub(super) fn any_notice() -> impl Strategy<Value = Notice> {
    let findings = prop::collection::vec(text(60), 0..70);
    let sentences = || prop::collection::vec(text(80), 0..12);
    (text(40), sentences(), findings, sentences(), any::<bool>(), text(200), 0_u64..9).prop_map(
        |(title, sentences, findings, not_seen, compared, report, more)| Notice {
            title: format!("pipewarden: {title}"),
            sentences: [vec!["There is a first sentence.".to_owned()], sentences].concat(),
            findings: findings.iter().map(|name| finding(name)).collect(),
            more_findings: more,
            changes: compared.then(Default::default),
            not_seen,
            more_not_seen: more,
            report: if compared { format!("https://reports.example.com/{report}") } else { report },
            ..notice()
        },
    )
}
