//! What a ticket says, in no tracker's language.
//!
//! In: a [`Sheet`] and the run. Out: a [`Page`] and [`Words`] for comments. Names come from AWS, where anybody may have
//! chosen them: they are made visible here, and each tracker's language keeps them from being anything but text.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::decision::{Said, Standing};
use super::groups::Group;
use super::sheets::{Row, Sheet};
use super::{GroupBy, digest};
use crate::deliver::Package;
use crate::deliver::notice::counted;
use crate::finding::{Severity, spoken};
use crate::report::{Report, visible};

/// Longest title that all trackers take.
const TITLE: usize = 250;
/// Longest text of a control's remediation.
const PROSE: usize = 4_000;
/// Longest value of a fact.
const FACT: usize = 300;
/// Facts that are shown of a single violation, and controls that are named.
const MOST_FACTS: usize = 20;

/// A ticket as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// One line.
    pub(super) title: String,
    pub(super) severity: Severity,
    pub(super) blocks: Vec<Block>,
    /// Names of the columns.
    pub(super) header: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
    /// Violations, those without a row included.
    pub(super) total: u64,
    /// Where the report is.
    pub(super) report: String,
}

/// A piece of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// Our own words.
    Heading(&'static str),
    /// A paragraph.
    Prose(String),
    /// Names and values, to be copied.
    Facts(Vec<(String, String)>),
    /// The table of violations.
    Table,
    /// Where the report is.
    Report,
}

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    /// Tells it from other comments.
    pub(super) mark: String,
    pub(super) sentences: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    pub(super) header: Vec<&'static str>,
    pub(super) report: String,
}

/// At most so many characters.
pub(super) fn cut(text: &str, longest: usize) -> String {
    if text.chars().nth(longest).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(longest.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// As many of `rows` as leave `render` within `longest` characters.
pub(super) fn fit<T>(rows: usize, longest: usize, render: impl Fn(usize) -> T, length: impl Fn(&T) -> usize) -> T {
    let mut shown = rows;
    loop {
        let rendered = render(shown);
        let long = length(&rendered);
        if long <= longest || shown == 0 {
            return rendered;
        }
        shown = (shown.saturating_mul(longest) / long.max(1)).min(shown.saturating_sub(1));
    }
}

fn day(at: &str) -> String {
    at.split('T').next().unwrap_or(at).to_owned()
}

/// `2026-11-01, 20 days before this run`
fn age(since: &str, started_at: &str) -> String {
    let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    let days = parse(since).zip(parse(started_at)).map_or(0, |(since, now)| (now - since).whole_days());
    match u64::try_from(days) {
        Ok(days) if days > 0 => format!("{}, {} before this run", day(since), counted(days, "day")),
        _ => day(since),
    }
}

/// Everything that a page is made from.
pub(super) struct Material<'a> {
    pub(super) package: &'a Package<'a>,
    pub(super) by: GroupBy,
    pub(super) group: &'a Group,
    pub(super) sheet: &'a Sheet,
    pub(super) standing: Standing,
}

impl Material<'_> {
    fn report(&self) -> &Report<'_> {
        self.package.report
    }

    fn title_of<'a>(&'a self, control: &'a str) -> &'a str {
        self.report().controls.get(control).map_or(control, |known| known.title.as_str())
    }

    fn control(&self) -> &str {
        self.sheet.controls.first().map_or("", String::as_str)
    }

    fn resource(&self) -> &str {
        self.sheet.rows.first().map_or("", |row| row.resource.as_str())
    }

    fn title(&self) -> String {
        let worst = self.group.worst;
        let of = |owner: &Option<String>| owner.as_ref().map_or_else(String::new, |owner| format!(" ({owner})"));
        let title = match self.by {
            GroupBy::Control => format!("{worst}: {}{}", self.title_of(self.control()), of(&self.group.owner)),
            GroupBy::Resource => format!("{worst}: controls are violated on {}", self.resource()),
            GroupBy::Finding => format!("{worst}: {}: {}", self.title_of(self.control()), self.resource()),
        };
        cut(&visible(&title), TITLE)
    }

    /// The ticket's page.
    pub(super) fn page(&self) -> Page {
        let mut blocks = vec![Block::Facts(self.facts())];
        blocks.push(Block::Heading("What must hold"));
        for control in self.sheet.controls.iter().take(MOST_FACTS) {
            blocks.push(Block::Prose(cut(&visible(self.title_of(control)), PROSE)));
        }
        if self.sheet.controls.len() > MOST_FACTS {
            let more = self.sheet.controls.len() - MOST_FACTS;
            blocks.push(Block::Prose(format!("And {more} more controls; the report has them all.")));
        }
        self.why(&mut blocks);
        blocks.push(Block::Heading("What to do"));
        self.remediation(&mut blocks);
        blocks.push(Block::Heading("Affected resources"));
        blocks.push(Block::Table);
        blocks.push(Block::Report);
        blocks.push(Block::Prose(
            "Written by pipewarden, which keeps this text and the title up to date: what people write belongs into \
             comments. Closed as not to be done, the ticket is left alone until it gets worse."
                .to_owned(),
        ));
        Page {
            title: self.title(),
            severity: self.group.worst,
            blocks,
            header: header(self.by),
            rows: self.sheet.rows.iter().map(|row| cells(self.by, row)).collect(),
            total: self.sheet.findings.len() as u64,
            report: self.package.report_location.clone(),
        }
    }

    fn facts(&self) -> Vec<(String, String)> {
        let run = &self.package.manifest.run;
        let mut facts = Vec::new();
        let mut fact = |name: &str, value: &str| facts.push((name.to_owned(), cut(&visible(value), FACT)));
        fact("Severity", self.group.worst.as_str());
        let counts: Vec<String> =
            self.sheet.by_severity.iter().rev().map(|(severity, count)| format!("{count} {severity}")).collect();
        fact("Violations", &format!("{} ({})", self.sheet.findings.len(), counts.join(", ")));
        fact("Owner", self.group.owner.as_deref().unwrap_or("nobody is known"));
        fact("First seen", &age(&self.group.oldest, &run.started_at));
        match self.by {
            GroupBy::Resource => fact("Resource", self.resource()),
            _ => fact("Control", self.control()),
        }
        let standing = self.standing;
        let rest = [
            (standing.unseen, "could not be looked at this time"),
            (standing.excepted, "under an exception now"),
            (standing.elsewhere, "another owner answers for now"),
        ];
        let rest: Vec<String> =
            rest.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        if !rest.is_empty() {
            fact("Also in this ticket", &rest.join("; "));
        }
        fact("Run", &run.run_id);
        facts
    }

    fn why(&self, blocks: &mut Vec<Block>) {
        let controls = self.sheet.controls.iter().filter_map(|id| self.report().controls.get(id));
        let mut frameworks: Vec<&str> = controls.flat_map(|control| &control.frameworks).map(String::as_str).collect();
        frameworks.sort_unstable();
        frameworks.dedup();
        let sample = self.sheet.sample.as_ref().filter(|_| self.sheet.findings.len() == 1);
        let evidence = sample.map(|finding| &finding.evidence).filter(|evidence| !evidence.is_empty());
        if evidence.is_none() && frameworks.is_empty() {
            return;
        }
        blocks.push(Block::Heading("Why it matters, and what was seen"));
        let mut facts = Vec::new();
        if !frameworks.is_empty() {
            let named: Vec<&str> = frameworks.iter().copied().take(MOST_FACTS).collect();
            facts.push(("Requirements".to_owned(), cut(&visible(&named.join(", ")), FACT)));
        }
        for (name, value) in evidence.into_iter().flatten().take(MOST_FACTS) {
            facts.push((cut(&visible(name), FACT), cut(&visible(&spoken(value)), FACT)));
        }
        blocks.push(Block::Facts(facts));
    }

    fn remediation(&self, blocks: &mut Vec<Block>) {
        let single = self.sheet.sample.as_ref().filter(|_| self.sheet.findings.len() == 1);
        for control in self.sheet.controls.iter().take(MOST_FACTS).filter_map(|id| self.report().controls.get(id)) {
            let text = match single {
                Some(finding) => control.remediation_for(&finding.evidence),
                None => control.remediation.clone(),
            };
            for line in cut(&text, PROSE).lines().filter(|line| !line.trim().is_empty()) {
                blocks.push(Block::Prose(visible(line.trim()).into_owned()));
            }
        }
    }
}

fn header(by: GroupBy) -> Vec<&'static str> {
    match by {
        GroupBy::Resource => vec!["Severity", "Control", "First seen"],
        GroupBy::Control | GroupBy::Finding => vec!["Severity", "Resource", "Account", "Region", "First seen"],
    }
}

fn cells(by: GroupBy, row: &Row) -> Vec<String> {
    let cells = match by {
        GroupBy::Resource => vec![row.severity.to_string(), row.control.clone(), day(&row.since)],
        GroupBy::Control | GroupBy::Finding => vec![
            row.severity.to_string(),
            row.resource.clone(),
            row.account.clone(),
            row.region.clone(),
            day(&row.since),
        ],
    };
    cells.into_iter().map(|cell| visible(&cell).into_owned()).collect()
}

/// Tells a comment from others: said of the same again, it is the same.
pub(super) fn mark_of(key: &str, said: Said, content: &str) -> String {
    let mut mark = digest(&["said", key, &format!("{said:?}"), content]);
    mark.truncate(16);
    mark
}

/// A comment on a ticket; `sheet` is there where violations are.
pub(super) fn words(
    package: &Package<'_>,
    by: GroupBy,
    mark: String,
    said: Said,
    sheet: Option<&Sheet>,
    standing: Standing,
) -> Words {
    let run = &package.manifest.run;
    let (mut sentences, shows_rows) = match said {
        Said::Grown => (vec!["More is violated than before, or worse than before:".to_owned()], true),
        Said::Back => (
            vec![
                "This ticket was closed, or was said to be over, but its violation is there (again), or is worse:"
                    .to_owned(),
            ],
            true,
        ),
        Said::Unseen if standing.unseen == 0 => (
            vec![
                "What else was in this ticket is not known any more.".to_owned(),
                "Nobody can say that it is over, so the ticket stays open until somebody closes it. This is said once."
                    .to_owned(),
            ],
            false,
        ),
        Said::Unseen => (
            vec![
                format!("{} in this ticket could not be looked at.", counted(standing.unseen, "finding")),
                "Nobody knows whether it still stands, so the ticket stays open. This is said once.".to_owned(),
            ],
            false,
        ),
        Said::Excepted => (
            vec![
                format!("All that is left here is under an exception ({}).", counted(standing.excepted, "finding")),
                "The ticket stays open until it is mended, or somebody closes it. This is said once.".to_owned(),
            ],
            false,
        ),
        Said::Elsewhere => (
            vec![
                format!(
                    "Another owner answers now for what is left here ({}), which has a ticket of its own.",
                    counted(standing.elsewhere, "finding")
                ),
                "This one is closed when it is mended. This is said once.".to_owned(),
            ],
            false,
        ),
        Said::Resolved => (
            vec![format!(
                "Everything in this ticket was looked at and is over: {} good, gone, or not applicable any more.",
                counted(standing.over, "finding")
            )],
            false,
        ),
    };
    let shown = sheet.filter(|_| shows_rows);
    let more = shown.map_or(0, |sheet| sheet.more_added);
    if more > 0 {
        sentences.push(format!("{more} more are in the report."));
    }
    sentences.push(format!("pipewarden, run {}", visible(&run.run_id)));
    Words {
        mark,
        sentences,
        rows: shown.into_iter().flat_map(|sheet| &sheet.added).map(|row| cells(by, row)).collect(),
        header: header(by),
        report: package.report_location.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_rows_are_shown_as_there_is_room_for() {
        let shown = |rows, longest| fit(rows, longest, |shown| "x".repeat(shown * 10 + 5), String::len).len();
        assert_eq!(shown(3, 1_000), 35);
        assert_eq!(shown(300, 100), 95);
        assert_eq!(shown(300, 5), 5);
        assert_eq!(shown(300, 1), 5);
    }

    #[test]
    fn ages_are_of_the_run_and_not_of_a_clock() {
        assert_eq!(age("2026-11-01T02:00:00Z", "2026-11-21T02:00:00Z"), "2026-11-01, 20 days before this run");
        assert_eq!(age("2026-11-21T02:00:00Z", "2026-11-21T02:00:00Z"), "2026-11-21");
        assert_eq!(age("never", "2026-11-21T02:00:00Z"), "never");
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
    }
}
