//! The short message on a run for one owner: only what is theirs.
//!
//! In: an [`OwnerShare`] of a finished run. Out: a [`Notice`] that speaks of nothing else. What the run could not see may be
//! anybody's, so no owner is told that everything of theirs was looked at while the run has gaps.

use std::fmt::Write as _;

use super::estate_in_sight::set_aside_in_words;
use super::notice::{Verdict, counted, judged, of_organization, word};
use super::{Notice, NoticeFinding, Package, When};
use crate::finding::{Change, ComplianceType, Severity};
use crate::report::{OwnerShare, Report, visible};

/// Whether this owner is told of this run.
pub(super) fn applies(when: When, share: &OwnerShare, report: &Report<'_>) -> bool {
    match when {
        When::Always => share.says_something(),
        When::Violations => share.counts.violations.values().any(|count| *count > 0),
        When::Changed if report.over_time.comparison.is_none() => share.says_something(),
        When::Changed => share.has_changes(),
    }
}

/// The message for one owner.
pub(super) fn notice_for(owner: &str, share: &OwnerShare, package: &Package<'_>) -> Notice {
    let report = package.report;
    let compared = report.over_time.comparison.is_some();
    let verdict = Verdict::of(&share.counts, report.gaps.len() as u64, share.not_seen);
    let (named, more_findings) =
        if compared { (&share.news, share.more_news) } else { (&share.worst, share.more_worst) };
    let owner = visible(owner).into_owned();
    Notice {
        title: title(&owner, share, verdict, report),
        verdict,
        run: report.run.clone(),
        counts: share.counts.clone(),
        changes: compared.then(|| share.changes.clone()),
        // What was left out was nobody's findings.
        left_out: 0,
        sentences: sentences(&owner, share, verdict, report),
        findings: named.iter().map(|finding| NoticeFinding::of(finding, report)).collect(),
        more_findings,
        not_seen: Vec::new(),
        more_not_seen: 0,
        report: address(&package.report_location, &owner),
        owner: Some(owner),
    }
}

/// The page opens with the owner's findings; every other place is named as it is.
fn address(location: &str, owner: &str) -> String {
    let is_page = location.starts_with("https://") && location.ends_with("report.html");
    if !is_page {
        return location.to_owned();
    }
    let mut address = format!("{location}#findings?owner=");
    for byte in owner.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            address.push(char::from(byte));
        } else {
            let _ = write!(address, "%{byte:02X}");
        }
    }
    address
}

fn title(owner: &str, share: &OwnerShare, verdict: Verdict, report: &Report<'_>) -> String {
    let of = |change: Change| share.changes.get(&change).copied().unwrap_or(0);
    let violations: u64 = share.counts.violations.values().sum();
    let worst = Severity::ALL
        .into_iter()
        .find_map(|severity| Some((severity, share.counts.violations.get(&severity).copied().filter(|n| *n > 0)?)));
    let what = match worst {
        Some((severity, of_worst)) => {
            let all = format!("{}, {of_worst} {}", counted(violations, "violation"), severity.as_str().to_lowercase());
            match report.over_time.comparison {
                Some(_) => format!("{} new or worse; {all}", of(Change::New) + of(Change::Worsened)),
                None => all,
            }
        }
        None if judged(&share.counts) == 0 => "nothing was judged, so nothing is known to be good".to_owned(),
        None if verdict == Verdict::Compliant && share.counts.excepted > 0 => {
            format!("{} under an exception, all else is compliant", counted(share.counts.excepted, "violation"))
        }
        None if verdict == Verdict::Compliant => "everything that was found is compliant".to_owned(),
        None => "no violation seen, but not everything could be looked at".to_owned(),
    };
    // What was asked for may be another's, so it is not named.
    let recheck = if report.over_time.recheck.is_some() { "recheck: " } else { "" };
    format!("pipewarden: {recheck}{what}, for {owner}{}", of_organization(&report.run))
}

fn sentences(owner: &str, share: &OwnerShare, verdict: Verdict, report: &Report<'_>) -> Vec<String> {
    let counts = &share.counts;
    let violations: u64 = counts.violations.values().sum();
    let by_severity: Vec<String> = Severity::ALL
        .into_iter()
        .filter_map(|severity| Some((severity, counts.violations.get(&severity).copied().filter(|n| *n > 0)?)))
        .map(|(severity, count)| format!("{count} {}", severity.as_str().to_lowercase()))
        .collect();
    let mut first = format!("Of {owner}: {}", counted(violations, "violation"));
    if !by_severity.is_empty() {
        let _ = write!(first, " ({})", by_severity.join(", "));
    }
    if counts.excepted > 0 {
        let _ = write!(first, "; {} under an exception", counts.excepted);
    }
    let mut sentences = Vec::new();
    if report.over_time.recheck.is_some() {
        sentences
            .push("Only some resources and what names them was looked at; nothing is said of the rest.".to_owned());
    }
    sentences.push(format!("{first}; {} compliant results.", counts.of(ComplianceType::Compliant)));
    if let Some(comparison) = &report.over_time.comparison {
        let changes: Vec<String> = Change::ALL
            .into_iter()
            .filter(|change| *change != Change::Unchanged)
            .filter_map(|change| Some((change, share.changes.get(&change).copied().filter(|n| *n > 0)?)))
            .map(|(change, count)| format!("{count} {}", word(change)))
            .collect();
        let what = if changes.is_empty() { "nothing changed".to_owned() } else { changes.join(", ") };
        sentences.push(format!("Since run {}: {what}.", comparison.previous.run_id));
    }
    let unknown = counts.of(ComplianceType::InsufficientData);
    if unknown > 0 {
        let known = if share.went_dark > 0 {
            format!("; {} of them since the run before", share.went_dark)
        } else {
            String::new()
        };
        sentences.push(format!("{} could not be seen, which is no pass{known}.", counted(unknown, "result")));
    }
    if share.not_seen > 0 {
        let what = counted(share.not_seen, "violation");
        sentences.push(format!("{what} of earlier runs could not be looked at again, which is not resolved."));
    }
    sentences.extend(set_aside_in_words(share.set_aside));
    if !report.gaps.is_empty() {
        let gaps = counted(report.gaps.len() as u64, "thing");
        sentences.push(format!("The run could not see {gaps} in all; some may belong to {owner}."));
    } else if verdict == Verdict::Compliant {
        sentences.push("Everything that was asked could be seen.".to_owned());
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Control, Finding, Gone, Lifecycle, Owner, OwnerSource, ResourceRef};
    use crate::inventory::{CallCounts, Coverage, ResourceUid, TypeName};
    use crate::report::{
        AccountInfo, Comparison, Counts, FindingPass, FindingSource, GonePass, OverTime, OwnerShares, RecheckOf,
        RunInfo,
    };

    struct Source(Vec<Finding>, Vec<Gone>);

    impl FindingSource for Source {
        fn findings(&self) -> std::io::Result<FindingPass<'_>> {
            Ok(Box::new(self.0.iter().map(|finding| Ok(std::sync::Arc::new(finding.clone())))))
        }
        fn gone(&self) -> std::io::Result<GonePass<'_>> {
            Ok(Box::new(self.1.iter().cloned().map(Ok)))
        }
    }

    fn info(started_at: &str) -> RunInfo {
        RunInfo {
            run_id: "20261121T020000Z".to_owned(),
            started_at: started_at.to_owned(),
            tool_version: "1".to_owned(),
            organization: String::new(),
            policy_hash: String::new(),
        }
    }

    fn finding<'a>(
        owner: &str,
        compliance: ComplianceType,
        change: Change,
        last_observed_at: impl Into<Option<&'a str>>,
    ) -> Finding {
        let resource = ResourceRef {
            uid: ResourceUid("arn:aws:codepipeline:eu-west-1:111122223333:p".to_owned()),
            type_name: TypeName::PIPELINE,
            account: ACCOUNT.parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
        };
        let last = last_observed_at.into().map(str::to_owned);
        Finding {
            id: "0".repeat(32),
            control: "c".to_owned(),
            severity: Severity::High,
            compliance,
            resource: resource.into(),
            evidence: std::collections::BTreeMap::new(),
            gaps: Vec::new(),
            exception: None,
            owner: Some(Owner { name: owner.to_owned(), source: OwnerSource::MappingFile { line: 1 } }),
            lifecycle: Some(Lifecycle {
                change,
                first_observed_at: last.clone().unwrap_or_else(|| "2026-11-01T02:00:00Z".to_owned()),
                last_observed_at: last,
                last_known: (compliance == ComplianceType::InsufficientData && change == Change::NotSeen)
                    .then_some(ComplianceType::Compliant),
                was: None,
            }),
        }
    }

    const ACCOUNT: &str = "111122223333";

    fn info_of_account() -> AccountInfo {
        AccountInfo { id: ACCOUNT.parse().unwrap(), name: String::new(), organizational_unit_path: String::new() }
    }

    fn asked() -> Control {
        Control {
            id: "c".to_owned(),
            title: String::new(),
            severity: Severity::High,
            resource_type: TypeName::PIPELINE,
            remediation: String::new(),
            frameworks: Vec::new(),
        }
    }

    fn report<'a>(coverage: &'a Coverage, source: &'a Source, over_time: OverTime) -> Report<'a> {
        Report {
            run: info("2026-11-21T02:00:00Z"),
            controls: std::collections::BTreeMap::from([("c".to_owned(), asked())]),
            frameworks: std::collections::BTreeMap::new(),
            accounts: std::collections::BTreeMap::from([(ACCOUNT.parse().unwrap(), info_of_account())]),
            counts: Counts::default(),
            coverage,
            gaps: &[],
            findings: source,
            calls: CallCounts::default(),
            over_time,
        }
    }

    /// Who is told, in order.
    fn told(when: When, compared: bool, source: &Source) -> Vec<String> {
        let coverage = Coverage::default();
        let comparison = compared.then(|| Comparison {
            previous: info("2026-11-20T02:00:00Z"),
            observed_at: None,
            violations: std::collections::BTreeMap::new(),
            remediation: std::collections::BTreeMap::new(),
            set_aside: 0,
        });
        let report = report(&coverage, source, OverTime { comparison, ..OverTime::default() });
        let shares = OwnerShares::of(&report, &|_| true).unwrap();
        shares.owned.iter().filter(|(_, share)| applies(when, share, &report)).map(|(owner, _)| owner.clone()).collect()
    }

    /// A violation of a control that the run does not ask, as it was last seen.
    fn not_asked(owner: &str, last: &str) -> Gone {
        let mut finding = finding(owner, ComplianceType::NonCompliant, Change::NotSeen, last);
        finding.control = "switched-off".to_owned();
        Gone { finding, reason: "control `switched-off` was not asked in this run".to_owned() }
    }

    #[test]
    fn owners_hear_of_news_and_of_what_went_dark_and_not_of_what_stays() {
        use ComplianceType::{Compliant, InsufficientData, NonCompliant, NotApplicable};
        let (old, last, now) = ("2026-11-01T02:00:00Z", "2026-11-20T02:00:00Z", "2026-11-21T02:00:00Z");
        let source = Source(
            vec![
                finding("calm", NonCompliant, Change::Unchanged, now),
                finding("dark long since", InsufficientData, Change::NotSeen, old),
                finding("fixed", Compliant, Change::Resolved, now),
                finding("good", Compliant, Change::Unchanged, now),
                finding("new", NonCompliant, Change::New, now),
                finding("none", NotApplicable, Change::Unchanged, now),
                finding("never seen", InsufficientData, Change::Unchanged, None::<&str>),
                // As an earlier version wrote it.
                finding("never seen either", InsufficientData, Change::Unchanged, now),
                finding("not asked before", InsufficientData, Change::New, None::<&str>),
                finding("went dark", InsufficientData, Change::NotSeen, last),
            ],
            vec![
                Gone { finding: finding("hidden", NonCompliant, Change::NotSeen, old), reason: "r".to_owned() },
                not_asked("not asked any more", old),
                not_asked("not asked this time", last),
            ],
        );
        let changed = ["fixed", "hidden", "new", "not asked before", "not asked this time", "went dark"];
        assert_eq!(told(When::Changed, true, &source), changed);
        assert_eq!(told(When::Violations, true, &source), ["calm", "new"]);
        let all = [
            "calm",
            "dark long since",
            "fixed",
            "good",
            "hidden",
            "never seen",
            "never seen either",
            "new",
            "not asked any more",
            "not asked before",
            "not asked this time",
            "went dark",
        ];
        assert_eq!(told(When::Always, true, &source), all);
        assert_eq!(told(When::Changed, false, &source), all);
    }

    #[test]
    fn a_recheck_names_what_was_asked_for_to_no_owner() {
        let now = "2026-11-21T02:00:00Z";
        let source = Source(vec![finding("payments", ComplianceType::NonCompliant, Change::New, now)], Vec::new());
        let resources = ["one", "other"].map(|name| format!("arn:aws:codepipeline:eu-west-1:444455556666:{name}"));
        let coverage = Coverage::default();
        for asked in [&resources[..1], &resources[..]] {
            let recheck = RecheckOf { resources: asked.to_vec(), beside_run: None };
            let report = report(&coverage, &source, OverTime { recheck: Some(recheck), ..OverTime::default() });
            let shares = OwnerShares::of(&report, &|_| true).unwrap();
            let share = &shares.owned["payments"];
            let verdict = Verdict::of(&share.counts, 0, share.not_seen);
            let title = title("payments", share, verdict, &report);
            assert!(title.starts_with("pipewarden: recheck: 1 violation"), "{title}");
            let said = sentences("payments", share, verdict, &report);
            assert!(said[0].starts_with("Only some resources"), "{said:?}");
            assert!(!said.concat().contains("444455556666"), "{said:?}");
        }
    }

    #[test]
    fn the_page_opens_with_what_is_theirs() {
        let page = "https://reports.example.com/1/report.html";
        assert_eq!(address(page, "a&b, c"), format!("{page}#findings?owner=a%26b%2C%20c"));
        for other in ["/runs/1", "https://reports.example.com/1/", "s3://bucket/report.html"] {
            assert_eq!(address(other, "x"), other);
        }
    }
}
