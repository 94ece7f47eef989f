//! `owners/…`: an index of owners, and for each of them what is theirs to act upon.
//!
//! In: a report. Out: `owners/index.csv`, and a folder per owner with `findings.csv` (violations, also under an exception, and
//! what could not be seen) and `summary.md`. What is good stands in the counts, and in the run's `findings.csv`.
//!
//! Findings do not come by owner, and one file is open at a time. So rows are dealt, compressed, to a fixed number of
//! buckets by owner, and each bucket is read again for one owner with much, or for several with little: memory holds the
//! compressed rows and one group, whoever owns how much.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use sha2::{Digest, Sha256};

use super::finding_table::{COLUMNS, FindingTable};
use super::markup::plain;
use super::owner_share::{OwnerShare, OwnerShares};
use super::spreadsheet::{table, write_row};
use super::text::{NAME, counted, grouped, short};
use super::{Report, ReportFolder, ReportFormat};
use crate::finding::{Change, ComplianceType, Finding, Severity, hex};

/// The `owners` format.
pub struct Owners;

const INDEX: &str = "owners/index.csv";
/// Folder of what nobody is named for; every owner's has a digest at its end.
const NOBODY: &str = "nobody";
/// Owners with a folder, at most: those with the worst violations. The index has all.
const MOST_FOLDERS: usize = 10_000;
const BUCKETS: usize = 64;
/// Rows that are unpacked at once.
const GROUP: u64 = 8 << 20;
/// Characters of the owner's name in the name of the folder.
const SPOKEN: usize = 40;

const INDEX_COLUMNS: [&str; 16] = [
    "owner",
    "folder",
    "critical",
    "high",
    "medium",
    "low",
    "excepted",
    "could_not_be_seen",
    "compliant",
    "not_applicable",
    "new",
    "worsened",
    "improved",
    "unchanged",
    "resolved",
    "not_seen_this_time",
];

impl ReportFormat for Owners {
    fn name(&self) -> &'static str {
        "owners"
    }

    fn file_name(&self) -> &'static str {
        INDEX
    }

    fn about(&self) -> &'static str {
        "an index of owners, and for each of them a folder with what is theirs to act upon"
    }

    fn owns(&self, relative: &str) -> bool {
        relative.starts_with("owners/")
    }

    fn write(&self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
        let shares = OwnerShares::of(report, &|_| true)?;
        write_index(&ranked(&shares), out)
    }

    fn write_files(&self, report: &Report<'_>, folder: &mut dyn ReportFolder) -> io::Result<()> {
        let mut shares = OwnerShares::default();
        let mut rows = Rows::default();
        for finding in report.findings.findings()? {
            let finding = finding?;
            shares.add(report, &finding);
            if is_open(&finding) {
                rows.deal(report, &finding)?;
            }
        }
        for gone in report.findings.gone()? {
            shares.add_gone(report, &gone?);
        }
        let ranked = ranked(&shares);
        write_index(&ranked, folder.create(INDEX)?)?;
        let mut folders = BTreeMap::new();
        for owner in ranked.iter().take(MOST_FOLDERS) {
            write_summary(report, owner, folder.create(&format!("owners/{}/summary.md", owner.folder))?)?;
            folders.insert(owner.name, owner.folder.as_str());
        }
        rows.write(&folders, folder)
    }
}

/// What somebody has to act upon, or to know of.
fn is_open(finding: &Finding) -> bool {
    matches!(finding.compliance, ComplianceType::NonCompliant | ComplianceType::InsufficientData)
}

/// An owner, or nobody.
struct Ranked<'a> {
    name: Option<&'a str>,
    folder: String,
    share: &'a OwnerShare,
}

/// The worst first; what nobody owns comes last, if there is any.
fn ranked(shares: &OwnerShares) -> Vec<Ranked<'_>> {
    let of = |share: &OwnerShare, severity| share.counts.violations.get(&severity).copied().unwrap_or(0);
    let weight = |share: &OwnerShare| Severity::ALL.map(|severity| std::cmp::Reverse(of(share, severity)));
    let mut ranked: Vec<Ranked<'_>> =
        shares.owned.iter().map(|(name, share)| Ranked { name: Some(name), folder: folder_of(name), share }).collect();
    // Names are in order already, and the sort is stable.
    ranked.sort_by_key(|owner| weight(owner.share));
    let unowned = &shares.unowned;
    if *unowned != OwnerShare::default() {
        // Nobody's findings are the ones that nobody else will read: they always have a folder.
        let place = ranked.len().min(MOST_FOLDERS - 1);
        ranked.insert(place, Ranked { name: None, folder: NOBODY.to_owned(), share: unowned });
    }
    ranked
}

/// A name that every file system takes and that no two owners share: what can be spoken of theirs, and a digest of all.
fn folder_of(owner: &str) -> String {
    let mut spoken = String::new();
    for character in owner.chars() {
        if spoken.len() >= SPOKEN {
            break;
        }
        match character.to_ascii_lowercase() {
            plain if plain.is_ascii_alphanumeric() => spoken.push(plain),
            _ if spoken.ends_with('-') || spoken.is_empty() => {}
            _ => spoken.push('-'),
        }
    }
    let digest = hex(&Sha256::digest(owner.as_bytes()));
    let digest: String = digest.chars().take(32).collect();
    match spoken.trim_end_matches('-') {
        "" => digest,
        spoken => format!("{spoken}-{digest}"),
    }
}

fn write_index(ranked: &[Ranked<'_>], out: &mut dyn Write) -> io::Result<()> {
    let mut table = table(out);
    table.write_record(INDEX_COLUMNS)?;
    for (nth, owner) in ranked.iter().enumerate() {
        let counts = &owner.share.counts;
        let mut cells = vec![
            owner.name.unwrap_or_default().to_owned(),
            if nth < MOST_FOLDERS { owner.folder.clone() } else { String::new() },
        ];
        let of = |severity| counts.violations.get(&severity).copied().unwrap_or(0);
        cells.extend(Severity::ALL.map(|severity| of(severity).to_string()));
        cells.push(counts.excepted.to_string());
        let results = [ComplianceType::InsufficientData, ComplianceType::Compliant, ComplianceType::NotApplicable];
        cells.extend(results.map(|result| counts.of(result).to_string()));
        let changed = |change| owner.share.changes.get(&change).copied().unwrap_or(0);
        cells.extend(Change::ALL.map(|change| changed(change).to_string()));
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        write_row(&mut table, &cells)?;
    }
    table.flush()
}

fn write_summary(report: &Report<'_>, owner: &Ranked<'_>, out: &mut dyn Write) -> io::Result<()> {
    let share = owner.share;
    let name = owner.name.map_or_else(|| "Nobody is named for these".to_owned(), |name| plain(name, NAME));
    let violations: u64 = share.counts.violations.values().sum();
    writeln!(out, "# {name}: {}\n", counted(violations, "violation"))?;
    let run = &report.run;
    write!(out, "Run {} by pipewarden {}", plain(&run.run_id, NAME), plain(&run.tool_version, NAME))?;
    if !run.organization.is_empty() {
        write!(out, ", organization {}", plain(&run.organization, NAME))?;
    }
    writeln!(out, "\n\n| critical | high | medium | low | under an exception | could not be seen | good |")?;
    writeln!(out, "|--:|--:|--:|--:|--:|--:|--:|")?;
    for severity in Severity::ALL {
        write!(out, "| {} ", grouped(share.counts.violations.get(&severity).copied().unwrap_or(0)))?;
    }
    let of = |result| grouped(share.counts.of(result));
    let (unknown, good) = (of(ComplianceType::InsufficientData), of(ComplianceType::Compliant));
    writeln!(out, "| {} | {unknown} | {good} |\n", grouped(share.counts.excepted))?;
    if let Some(comparison) = &report.over_time.comparison {
        let changes: Vec<String> = Change::ALL
            .into_iter()
            .filter_map(|change| Some((change, *share.changes.get(&change)?)))
            .map(|(change, count)| format!("{} {}", grouped(count), in_words(change)))
            .collect();
        let changes = if changes.is_empty() { "nothing".to_owned() } else { changes.join(", ") };
        writeln!(out, "Since run {}: {changes}.\n", plain(&comparison.previous.run_id, NAME))?;
    }
    if let Some(recheck) = &report.over_time.recheck {
        let resources = counted(recheck.resources.len() as u64, "resource");
        writeln!(out, "Only {resources} and what names them was looked at; nothing is said of the rest.\n")?;
    }
    let dark = share.counts.of(ComplianceType::InsufficientData) + share.not_seen + share.set_aside;
    if dark > 0 {
        writeln!(out, "What could not be seen is no pass and not resolved: {}.\n", counted(dark, "result"))?;
    }
    if !report.gaps.is_empty() {
        let gaps = counted(report.gaps.len() as u64, "thing");
        writeln!(out, "This run could not see {gaps} in all; whose they are is not always known (`coverage.json`).\n")?;
    }
    if report.over_time.comparison.is_some() {
        write_list(report, out, "New or worse since the run before", &share.news, share.more_news)?;
    }
    write_list(report, out, "The worst", &share.worst, share.more_worst)?;
    writeln!(out, "All that is open is in `findings.csv` beside this file; what is good is in the run's own.")
}

fn in_words(change: Change) -> &'static str {
    match change {
        Change::New => "new",
        Change::Worsened => "worse",
        Change::Improved => "better",
        Change::Unchanged => "unchanged",
        Change::Resolved => "resolved",
        Change::NotSeen => "not seen this time",
    }
}

fn write_list(report: &Report<'_>, out: &mut dyn Write, head: &str, findings: &[Finding], more: u64) -> io::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(out, "## {head}\n")?;
    for finding in findings {
        let control = report.controls.get(&finding.control);
        let title = control.map_or(finding.control.as_str(), |control| control.title.as_str());
        let resource = &finding.resource;
        let account = report.accounts.get(&resource.account).map_or("", |account| account.name.as_str());
        writeln!(
            out,
            "- **{}** {} ({}): **{}** in {} {} {}",
            finding.severity,
            plain(title, 400),
            plain(&finding.control, NAME),
            plain(resource.uid.short_name(), NAME),
            resource.account,
            plain(&short(account, 48), 96),
            resource.region
        )?;
    }
    if more > 0 {
        writeln!(out, "- … and {}", counted(more, "more violation"))?;
    }
    writeln!(out)
}

/// Rows by owner, compressed.
#[derive(Default)]
struct Rows {
    ordinals: BTreeMap<Option<String>, u32>,
    buckets: BTreeMap<usize, Bucket>,
}

struct Bucket {
    rows: DeflateEncoder<Vec<u8>>,
    /// Bytes of each owner.
    owners: BTreeMap<u32, u64>,
}

fn bucket_of(ordinal: u32) -> usize {
    usize::try_from(ordinal).unwrap_or_default() % BUCKETS
}

impl Rows {
    fn deal(&mut self, report: &Report<'_>, finding: &Finding) -> io::Result<()> {
        let next = u32::try_from(self.ordinals.len()).unwrap_or(u32::MAX);
        let name = finding.owner.as_ref().map(|owner| owner.name.clone());
        let ordinal = *self.ordinals.entry(name).or_insert(next);
        let mut row = Vec::new();
        let mut table = FindingTable::without_head(&mut row);
        table.push(report, finding)?;
        table.finish()?;
        drop(table);
        let bucket = self.buckets.entry(bucket_of(ordinal)).or_insert_with(|| Bucket {
            rows: DeflateEncoder::new(Vec::new(), Compression::fast()),
            owners: BTreeMap::new(),
        });
        let length = u32::try_from(row.len()).map_err(io::Error::other)?;
        bucket.rows.write_all(&ordinal.to_le_bytes())?;
        bucket.rows.write_all(&length.to_le_bytes())?;
        bucket.rows.write_all(&row)?;
        *bucket.owners.entry(ordinal).or_default() += u64::from(length);
        Ok(())
    }

    /// Writes `findings.csv` of everybody who has a folder, also of those who have no row.
    fn write(self, folders: &BTreeMap<Option<&str>, &str>, folder: &mut dyn ReportFolder) -> io::Result<()> {
        let mut by_ordinal: BTreeMap<u32, &str> = BTreeMap::new();
        let known: BTreeMap<Option<&str>, u32> =
            self.ordinals.iter().map(|(name, ordinal)| (name.as_deref(), *ordinal)).collect();
        for (name, path) in folders {
            match known.get(name) {
                Some(ordinal) => {
                    by_ordinal.insert(*ordinal, path);
                }
                None => begin(folder, path).map(drop)?,
            }
        }
        for bucket in self.buckets.into_values() {
            let packed = bucket.rows.finish()?;
            let owners = bucket.owners.into_iter().filter(|(ordinal, _)| by_ordinal.contains_key(ordinal));
            for group in groups(owners) {
                write_group(&packed, &group, &by_ordinal, folder)?;
            }
        }
        Ok(())
    }
}

/// Owners with much stand alone; the others are read together as long as their rows are few.
fn groups(owners: impl Iterator<Item = (u32, u64)>) -> Vec<Vec<u32>> {
    let mut groups = Vec::new();
    let (mut group, mut size) = (Vec::new(), 0);
    for (ordinal, bytes) in owners {
        if bytes > GROUP {
            groups.push(vec![ordinal]);
            continue;
        }
        if size + bytes > GROUP && !group.is_empty() {
            groups.push(std::mem::take(&mut group));
            size = 0;
        }
        group.push(ordinal);
        size += bytes;
    }
    if !group.is_empty() {
        groups.push(group);
    }
    groups
}

fn begin<'a>(folder: &'a mut dyn ReportFolder, path: &str) -> io::Result<&'a mut (dyn Write + Send)> {
    let out = folder.create(&format!("owners/{path}/findings.csv"))?;
    let mut head = table(Vec::new());
    head.write_record(COLUMNS)?;
    head.flush()?;
    out.write_all(head.get_ref())?;
    Ok(out)
}

fn write_group(
    packed: &[u8],
    group: &[u32],
    folders: &BTreeMap<u32, &str>,
    folder: &mut dyn ReportFolder,
) -> io::Result<()> {
    let path = |ordinal: &u32| folders.get(ordinal).copied().unwrap_or(NOBODY);
    if let [alone] = group {
        let out = begin(folder, path(alone))?;
        return unpack(packed, |ordinal, row| if ordinal == *alone { out.write_all(row) } else { Ok(()) });
    }
    let mut rows: BTreeMap<u32, Vec<u8>> = group.iter().map(|ordinal| (*ordinal, Vec::new())).collect();
    unpack(packed, |ordinal, row| {
        if let Some(rows) = rows.get_mut(&ordinal) {
            rows.extend_from_slice(row);
        }
        Ok(())
    })?;
    for (ordinal, rows) in &rows {
        begin(folder, path(ordinal))?.write_all(rows)?;
    }
    Ok(())
}

/// Hands all rows of a bucket over, in the order in which they were dealt.
fn unpack(packed: &[u8], mut take: impl FnMut(u32, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut rows = io::BufReader::new(DeflateDecoder::new(packed));
    let mut row = Vec::new();
    loop {
        let mut number = [0; 4];
        match rows.read_exact(&mut number) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let ordinal = u32::from_le_bytes(number);
        rows.read_exact(&mut number)?;
        row.resize(usize::try_from(u32::from_le_bytes(number)).map_err(io::Error::other)?, 0);
        rows.read_exact(&mut row)?;
        take(ordinal, &row)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Owner, OwnerSource, ResourceRef};
    use crate::inventory::{CallCounts, Coverage, ResourceUid, TypeName};
    use crate::report::{Counts, FindingSource, OverTime, RunInfo};

    #[derive(Default)]
    struct Memory {
        files: Vec<(String, Vec<u8>)>,
    }

    impl ReportFolder for Memory {
        fn create(&mut self, relative: &str) -> io::Result<&mut (dyn Write + Send)> {
            assert!(!self.files.iter().any(|(name, _)| name == relative), "{relative} twice");
            self.files.push((relative.to_owned(), Vec::new()));
            Ok(&mut self.files.last_mut().unwrap().1)
        }
    }

    fn finding(nth: usize, owner: Option<&str>, compliance: ComplianceType) -> Finding {
        let resource = ResourceRef {
            uid: ResourceUid(format!("arn:aws:codepipeline:eu-west-1:111122223333:p{nth:06}")),
            type_name: TypeName::PIPELINE,
            account: "111122223333".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
        };
        let source = OwnerSource::MappingFile { line: 1 };
        Finding {
            id: format!("{nth:032}"),
            control: "c".to_owned(),
            severity: Severity::High,
            compliance,
            resource: resource.into(),
            evidence: BTreeMap::new(),
            gaps: Vec::new(),
            exception: None,
            owner: owner.map(|name| Owner { name: name.to_owned(), source }),
            lifecycle: None,
        }
    }

    fn written(findings: &dyn FindingSource) -> Vec<(String, Vec<u8>)> {
        let coverage = Coverage::default();
        let report = Report {
            run: RunInfo {
                run_id: "20261121T020000Z".to_owned(),
                started_at: "2026-11-21T02:00:00Z".to_owned(),
                tool_version: "1".to_owned(),
                organization: String::new(),
                policy_hash: String::new(),
            },
            controls: BTreeMap::new(),
            frameworks: BTreeMap::new(),
            accounts: BTreeMap::new(),
            counts: Counts::default(),
            coverage: &coverage,
            gaps: &[],
            findings,
            calls: CallCounts::default(),
            over_time: OverTime::default(),
        };
        let mut folder = Memory::default();
        Owners.write_files(&report, &mut folder).unwrap();
        folder.files
    }

    #[test]
    fn no_owner_leads_out_of_the_folder_or_into_that_of_another() {
        let hostile = [
            "",
            ".",
            "..",
            "../../etc",
            "/",
            "\\",
            "nobody",
            "NOBODY",
            "Nobody ",
            "con",
            "a/b",
            "a-b",
            "a b",
            "A B",
            "CON.txt",
            "\u{202e}x",
            "\n",
            "=1+1",
            "ünïcode",
            "名前",
            &"x".repeat(5_000),
            &"x".repeat(5_001),
            "payments@example.com",
        ];
        let findings: Vec<Finding> = hostile
            .iter()
            .enumerate()
            .map(|(nth, owner)| finding(nth, Some(owner), ComplianceType::NonCompliant))
            .chain([finding(99, None, ComplianceType::NonCompliant)])
            .collect();
        let files = written(&findings);
        assert_eq!(files.len(), 1 + 2 * (hostile.len() + 1));
        for (name, bytes) in &files {
            let rest = name.strip_prefix("owners/").unwrap();
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-./".contains(&byte);
            assert!(rest.bytes().all(plain) && !rest.contains("..") && rest.len() < 100, "{name}");
            if name.ends_with("findings.csv") {
                assert_eq!(String::from_utf8_lossy(bytes).matches("arn:aws:").count(), 1, "{name}");
            }
        }
        let folders: std::collections::BTreeSet<String> = hostile.iter().map(|owner| folder_of(owner)).collect();
        assert_eq!(folders.len(), hostile.len());
        assert!(!folders.contains(NOBODY));
    }

    #[test]
    fn each_finding_is_with_its_owner_in_the_order_of_the_report_and_nothing_good_is() {
        let names: Vec<String> = (0..300).map(|nth| format!("team {nth}")).collect();
        let findings: Vec<Finding> = (0..6_000)
            .map(|nth| {
                // One has half of everything, more than is unpacked at once.
                let owner = if nth % 2 == 0 { None } else { names.get(nth % 300).map(String::as_str) };
                let result = match nth % 5 {
                    0 => ComplianceType::Compliant,
                    1 => ComplianceType::InsufficientData,
                    _ => ComplianceType::NonCompliant,
                };
                let mut finding = finding(nth, owner, result);
                finding.evidence.insert("text".to_owned(), serde_json::json!("x".repeat(4_000)));
                finding
            })
            .collect();
        let files = written(&findings);
        assert_eq!(files, written(&findings), "the same twice");
        let ids = |bytes: &[u8]| -> Vec<String> {
            let mut reader = csv::Reader::from_reader(bytes);
            reader.records().map(|row| row.unwrap().get(0).unwrap().to_owned()).collect()
        };
        let mut seen = 0;
        for owner in names.iter().map(|name| Some(name.as_str())).chain([None]) {
            let expected: Vec<String> = findings
                .iter()
                .filter(|finding| finding.owner.as_ref().map(|owner| owner.name.as_str()) == owner && is_open(finding))
                .map(|finding| finding.id.clone())
                .collect();
            let path = format!("owners/{}/findings.csv", owner.map_or_else(|| NOBODY.to_owned(), folder_of));
            match files.iter().find(|(name, _)| *name == path) {
                Some((_, bytes)) => assert_eq!(ids(bytes), expected, "{path}"),
                None => assert!(expected.is_empty(), "{path}"),
            }
            seen += expected.len();
        }
        assert_eq!(seen, findings.iter().filter(|finding| is_open(finding)).count());
        let (_, index) = files.first().unwrap();
        let index = String::from_utf8_lossy(index);
        assert!(index.contains("\r\n,nobody,0,1800,0,0,0,600,600,0,"), "{index}");
    }

    #[test]
    fn whose_rows_are_many_is_read_alone() {
        let groups = groups([(0, 1), (64, GROUP + 1), (128, GROUP - 1), (192, 1), (256, 2)].into_iter());
        assert_eq!(groups, [vec![64], vec![0, 128], vec![192, 256]]);
    }

    #[test]
    fn an_owner_cannot_write_markup_or_formulas() {
        let owner = "=HYPERLINK(1) <script> [x](https://evil.example) @team";
        let files = written(&vec![finding(1, Some(owner), ComplianceType::NonCompliant)]);
        let of = |end: &str| {
            let (_, bytes) = files.iter().find(|(name, _)| name.ends_with(end)).unwrap();
            String::from_utf8_lossy(bytes).into_owned()
        };
        assert!(of("index.csv").contains("'=HYPERLINK"), "{}", of("index.csv"));
        let summary = of("summary.md");
        for live in ["<script>", "[x](", "https://", " @team"] {
            assert!(!summary.contains(live), "{summary}");
        }
    }
}
