//! One pass over a run: what belongs in which ticket, and what became of what is in them.
//!
//! In: a sealed run's findings, and what is known of tickets. Out: [`Look`], which holds a few numbers per ticket and no
//! findings, so that a run of any size can be delivered.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::decision::{Seen, Standing};
use super::known::Known;
use super::{Keys, Rules};
use crate::deliver::security_hub_ended::Position;
use crate::deliver::{DeliveryError, Package};
use crate::finding::{Change, ComplianceType, Finding, Severity, hex};
use crate::report::Report;
use crate::run::{GONE, SPOOL};

/// Raised when a page shows the same thing in another way, so that all are written anew.
const SHAPE: &str = "1";

/// What belongs in one ticket.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) owner: Option<String>,
    pub(super) worst: Severity,
    /// RFC 3339.
    pub(super) oldest: String,
    pub(super) seen: Seen,
    shown: Sha256,
}

/// What a run says of tickets.
#[derive(Debug, Clone, Default)]
pub(super) struct Look {
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) standings: BTreeMap<String, Standing>,
    /// Findings in tickets that are over.
    pub(super) over: BTreeSet<String>,
}

impl Look {
    /// Of the sealed run.
    pub(super) fn of(
        package: &Package<'_>,
        keys: &Keys,
        rules: &Rules,
        known: &Known,
        (baseline, delivered): (&str, Option<&Position>),
    ) -> Result<Self, DeliveryError> {
        let mut pass = Pass::of(package.report, keys, rules, known, baseline);
        let (spool, gone_file) = (package.run.path().join(SPOOL), package.run.path().join(GONE));
        for finding in package.report.findings.findings().map_err(DeliveryError::unreadable(&spool))? {
            pass.finding(&*finding.map_err(DeliveryError::unreadable(&spool))?);
        }
        for gone in package.report.findings.gone().map_err(DeliveryError::unreadable(&gone_file))? {
            pass.gone(&gone.map_err(DeliveryError::unreadable(&gone_file))?.finding);
        }
        let over = super::ended::over(package, pass.unmet.clone(), delivered)?;
        Ok(pass.finish(&over))
    }

    /// Hash over what a ticket's page shows.
    pub(super) fn content(&self, key: &str) -> String {
        let Some(group) = self.groups.get(key) else { return String::new() };
        let standing = self.standing(key);
        let mut hash = group.shown.clone();
        for count in [standing.unseen, standing.excepted, standing.elsewhere] {
            hash.update(count.to_be_bytes());
        }
        hash.update(SHAPE);
        hex(hash.finalize().get(..12).unwrap_or_default())
    }

    pub(super) fn standing(&self, key: &str) -> Standing {
        self.standings.get(key).copied().unwrap_or_default()
    }

    pub(super) fn seen(&self, key: &str) -> Seen {
        self.groups.get(key).map(|group| group.seen).unwrap_or_default()
    }
}

/// Whether a finding has a place in a ticket: it violates, no exception covers it, and it is bad enough or is in there.
pub(super) fn belongs(finding: &Finding, key: &str, rules: &Rules, known: &Known) -> bool {
    finding.compliance == ComplianceType::NonCompliant
        && finding.exception.is_none()
        && (finding.severity >= rules.severity
            || known.findings.get(&finding.id).is_some_and(|tickets| tickets.contains_key(key)))
}

/// When a violation was first seen, RFC 3339.
pub(super) fn first_seen<'a>(finding: &'a Finding, report: &'a Report<'_>) -> &'a str {
    finding.lifecycle.as_ref().map_or(report.run.started_at.as_str(), |lifecycle| &lifecycle.first_observed_at)
}

struct Pass<'a> {
    report: &'a Report<'a>,
    keys: &'a Keys,
    rules: &'a Rules,
    known: &'a Known,
    baseline: &'a str,
    look: Look,
    unmet: BTreeSet<String>,
}

impl<'a> Pass<'a> {
    fn of(report: &'a Report<'_>, keys: &'a Keys, rules: &'a Rules, known: &'a Known, baseline: &'a str) -> Self {
        let unmet = known.findings.keys().cloned().collect();
        Self { report, keys, rules, known, baseline, look: Look::default(), unmet }
    }

    fn finding(&mut self, finding: &Finding) {
        let violates = finding.compliance == ComplianceType::NonCompliant;
        let tickets = self.known.findings.get(&finding.id);
        let key = (violates || tickets.is_some()).then(|| self.keys.key(self.rules.group_by, finding));
        if let Some(tickets) = tickets {
            self.unmet.remove(&finding.id);
            if matches!(finding.compliance, ComplianceType::Compliant | ComplianceType::NotApplicable) {
                self.look.over.insert(finding.id.clone());
            }
            for ticket in tickets.keys() {
                let standing = self.look.standings.entry(ticket.clone()).or_default();
                let count = match finding.compliance {
                    ComplianceType::Compliant | ComplianceType::NotApplicable => &mut standing.over,
                    ComplianceType::InsufficientData => &mut standing.unseen,
                    ComplianceType::NonCompliant if finding.exception.is_some() => &mut standing.excepted,
                    ComplianceType::NonCompliant if key.as_ref() != Some(ticket) => &mut standing.elsewhere,
                    ComplianceType::NonCompliant => &mut standing.violated,
                };
                *count += 1;
            }
        }
        if let Some(key) = key.filter(|key| belongs(finding, key, self.rules, self.known)) {
            self.add(key, finding);
        }
    }

    fn add(&mut self, key: String, finding: &Finding) {
        let first = first_seen(finding, self.report);
        let before = self.known.findings.get(&finding.id).and_then(|tickets| tickets.get(&key)).copied();
        let group = self.look.groups.entry(key).or_insert_with(|| Group {
            owner: finding.owner.as_ref().map(|owner| owner.name.clone()),
            worst: finding.severity,
            oldest: first.to_owned(),
            seen: Seen::default(),
            shown: Sha256::new(),
        });
        group.worst = group.worst.max(finding.severity);
        if first < group.oldest.as_str() {
            first.clone_into(&mut group.oldest);
        }
        let seen = &mut group.seen;
        seen.violations += 1;
        seen.opens |= finding.severity >= self.rules.severity;
        seen.is_news |= first >= self.baseline
            || finding.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.change == Change::Worsened);
        seen.added += u64::from(before.is_none());
        seen.worse += u64::from(before.is_some_and(|before| before < finding.severity));
        let title = self.report.controls.get(&finding.control).map_or("", |control| control.title.as_str());
        // A run that was compared with none has no history to show.
        let since = finding.lifecycle.as_ref().map_or("", |lifecycle| &lifecycle.first_observed_at);
        for part in [finding.id.as_str(), finding.severity.as_str(), since, title] {
            group.shown.update(part);
            group.shown.update([0]);
        }
    }

    fn gone(&mut self, finding: &Finding) {
        let Some(tickets) = self.known.findings.get(&finding.id) else { return };
        self.unmet.remove(&finding.id);
        let is_over = finding.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.change == Change::Resolved);
        self.settle(&finding.id, tickets, is_over);
    }

    fn settle(&mut self, id: &str, tickets: &BTreeMap<String, Severity>, is_over: bool) {
        for ticket in tickets.keys() {
            let standing = self.look.standings.entry(ticket.clone()).or_default();
            if is_over {
                standing.over += 1;
                self.look.over.insert(id.to_owned());
            } else {
                standing.unseen += 1;
            }
        }
    }

    /// What the run has not a word of is over only if an earlier one saw it end.
    fn finish(mut self, over: &BTreeSet<String>) -> Look {
        let known = self.known;
        for id in std::mem::take(&mut self.unmet) {
            if let Some(tickets) = known.findings.get(&id) {
                self.settle(&id, tickets, over.contains(&id));
            }
        }
        self.look
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::decision::{Decision, Ticket, decide};
    use super::super::{Content, Remote, Status};
    use super::*;
    use crate::finding::{ExceptionRef, Gone, Lifecycle, Owner, OwnerSource, ResourceRef};
    use crate::inventory::{CallCounts, Coverage, ResourceUid, TypeName};
    use crate::report::{Counts, OverTime, RunInfo};

    /// What a run may say of a finding that is in a ticket.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Word {
        Good,
        DoesNotApply,
        Bad,
        BadElsewhere,
        Excepted,
        Unknown,
        Gone,
        GoneUnseen,
        Nothing,
        EndedEarlier,
    }

    const WORDS: [Word; 10] = [
        Word::Good,
        Word::DoesNotApply,
        Word::Bad,
        Word::BadElsewhere,
        Word::Excepted,
        Word::Unknown,
        Word::Gone,
        Word::GoneUnseen,
        Word::Nothing,
        Word::EndedEarlier,
    ];

    fn finding(name: &str, owner: &str) -> Finding {
        let resource = ResourceRef {
            uid: ResourceUid(format!("arn:aws:codepipeline:eu-west-1:111111111111:{name}")),
            type_name: TypeName::PIPELINE,
            account: "111111111111".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
        };
        Finding {
            id: Finding::stable_id("c", &resource),
            control: "c".to_owned(),
            severity: Severity::High,
            compliance: ComplianceType::NonCompliant,
            resource: resource.into(),
            evidence: BTreeMap::new(),
            gaps: Vec::new(),
            exception: None,
            owner: Some(Owner { name: owner.to_owned(), source: OwnerSource::MappingFile { line: 1 } }),
            lifecycle: None,
        }
    }

    fn said(finding: Finding, change: Change) -> Finding {
        let at = "2026-11-20T02:00:00Z".to_owned();
        let lifecycle = Lifecycle {
            change,
            first_observed_at: at.clone(),
            last_observed_at: Some(at),
            last_known: None,
            was: None,
        };
        Finding { lifecycle: Some(lifecycle), ..finding }
    }

    struct Run(Vec<Finding>, Vec<Gone>);

    fn run(words: &[Word]) -> (Run, BTreeSet<String>) {
        let (mut there, mut gone, mut ended) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (nth, word) in words.iter().enumerate() {
            let mut finding = finding(&format!("p{nth}"), "a");
            match word {
                Word::Good => finding.compliance = ComplianceType::Compliant,
                Word::DoesNotApply => finding.compliance = ComplianceType::NotApplicable,
                Word::Unknown => finding.compliance = ComplianceType::InsufficientData,
                Word::Bad => {}
                Word::BadElsewhere => finding.owner = None,
                Word::Excepted => {
                    finding.exception = Some(ExceptionRef {
                        id: "x".to_owned(),
                        owner: "x".to_owned(),
                        ticket: "x".to_owned(),
                        reason: "x".to_owned(),
                        expires: "2027-01-01".to_owned(),
                    });
                }
                Word::Gone | Word::GoneUnseen => {
                    let change = if *word == Word::Gone { Change::Resolved } else { Change::NotSeen };
                    gone.push(Gone { finding: said(finding, change), reason: String::new() });
                    continue;
                }
                Word::EndedEarlier => {
                    ended.insert(finding.id);
                    continue;
                }
                Word::Nothing => continue,
            }
            there.push(finding);
        }
        (Run(there, gone), ended)
    }

    fn look(words: &[Word]) -> (Look, String) {
        let (keys, rules) = (Keys::of("o", "d"), Rules::default());
        let key = keys.key(rules.group_by, &finding("p0", "a"));
        let mut known = Known::default();
        let content = Content {
            findings: (0..words.len()).map(|nth| finding(&format!("p{nth}"), "a").id).collect(),
            worst: Some(Severity::High),
            whole: true,
        };
        let remote = Remote { id: "1".to_owned(), status: Status::Open, number: 1, content: None };
        known.adopt(&key, &remote, Some(content));
        let (Run(there, gone), ended) = run(words);
        let (coverage, info) = (
            Coverage::default(),
            RunInfo {
                run_id: "20261121T020000Z".to_owned(),
                started_at: "2026-11-21T02:00:00Z".to_owned(),
                tool_version: String::new(),
                organization: "o".to_owned(),
                policy_hash: String::new(),
            },
        );
        let report = Report {
            run: info,
            controls: BTreeMap::new(),
            frameworks: BTreeMap::new(),
            accounts: BTreeMap::new(),
            counts: Counts::default(),
            coverage: &coverage,
            gaps: &[],
            findings: &there,
            calls: CallCounts::default(),
            over_time: OverTime::default(),
        };
        let mut pass = Pass::of(&report, &keys, &rules, &known, "2026-11-21T02:00:00Z");
        for finding in &there {
            pass.finding(finding);
        }
        for gone in &gone {
            pass.gone(&gone.finding);
        }
        (pass.finish(&ended), key)
    }

    proptest! {
        #[test]
        fn a_ticket_is_closed_only_if_everything_in_it_was_seen_to_be_over(
            words in proptest::collection::vec(proptest::sample::select(WORDS.to_vec()), 1..6),
        ) {
            let (look, key) = look(&words);
            let ticket = Ticket {
                status: &Status::Open, whole: true, is_known: true, is_current: true, standing: look.standing(&key), said: None,
            };
            let decision = decide(&Rules::default(), &look.seen(&key), Some(&ticket), "2026-11-21T02:00:00Z");
            let closes = matches!(decision, Decision::Change(change) if change.close);
            let over = [Word::Good, Word::DoesNotApply, Word::Gone, Word::EndedEarlier];
            prop_assert_eq!(closes, words.iter().all(|word| over.contains(word)));
            prop_assert_eq!(look.over.len(), words.iter().filter(|word| over.contains(word)).count());
        }
    }

    #[test]
    fn everything_in_a_ticket_stands_somewhere() {
        let (look, key) = look(&WORDS);
        let standing = look.standing(&key);
        assert_eq!(standing, Standing { over: 4, violated: 1, excepted: 1, elsewhere: 1, unseen: 3 });
        assert_eq!(look.seen(&key).violations, 1);
        assert_eq!(look.groups.len(), 2);
    }
}
