//! The page as its script finds it: blocks unpacked again, policy, hostile names.

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::read::DeflateDecoder;
use serde_json::{Value, json};

use super::*;
use crate::finding::{
    Change, ComplianceType, Control, ExceptionRef, Finding, Framework, Gone, Lifecycle, Owner, OwnerSource,
    Requirement, ResourceRef, Severity,
};
use crate::inventory::{AccountId, Coverage, ResourceUid, TypeName};
use crate::report::{AccountInfo, Counts, FindingPass, FindingSource, GonePass, OverTime, RunInfo};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const NAMES: [&str; 6] = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "line\u{2028}separator\u{202e}dorp",
    "'; alert(1); //",
    "javascript:alert(1)",
];

struct Source {
    findings: Vec<Finding>,
    gone: Vec<Gone>,
}

impl FindingSource for Source {
    fn findings(&self) -> io::Result<FindingPass<'_>> {
        self.findings.findings()
    }

    fn gone(&self) -> io::Result<GonePass<'_>> {
        Ok(Box::new(self.gone.iter().cloned().map(Ok)))
    }
}

fn finding(number: usize, name: &str, compliance: ComplianceType) -> Finding {
    let resource = ResourceRef {
        uid: ResourceUid(format!("arn:aws:codepipeline:eu-west-1:111122223333:{name}")),
        type_name: TypeName::PIPELINE,
        account: "111122223333".parse().unwrap(),
        region: "eu-west-1".parse().unwrap(),
    };
    let control = format!("control-{}", number % 3);
    Finding {
        id: Finding::stable_id(&control, &resource),
        control,
        severity: Severity::High,
        compliance,
        resource: resource.into(),
        evidence: BTreeMap::from([("pipelineType".to_owned(), json!(name))]),
        gaps: Vec::new(),
        exception: None,
        owner: None,
        lifecycle: None,
    }
}

fn control(id: &str, title: &str) -> Control {
    Control {
        id: id.to_owned(),
        title: title.to_owned(),
        severity: Severity::High,
        resource_type: TypeName::PIPELINE,
        remediation: "mend {pipelineType}".to_owned(),
        frameworks: vec!["X-1".to_owned()],
    }
}

fn page(source: &Source, organization: &str) -> String {
    let mut counts = Counts::default();
    source.findings.iter().for_each(|finding| counts.add(finding));
    let account: AccountId = "111122223333".parse().unwrap();
    let info =
        AccountInfo { id: account.clone(), name: NAMES[1].to_owned(), organizational_unit_path: NAMES[0].to_owned() };
    let framework = Framework {
        id: "X".to_owned(),
        name: "Ten".to_owned(),
        version: "1".to_owned(),
        source: String::new(),
        note: String::new(),
        requirements: vec![Requirement { id: "X-1".to_owned(), title: "one".to_owned() }],
    };
    let coverage = Coverage::default();
    let report = Report {
        run: RunInfo {
            run_id: "20261121T020000Z".to_owned(),
            started_at: "2026-11-21T02:00:00Z".to_owned(),
            tool_version: "0.1.0".to_owned(),
            organization: organization.to_owned(),
            policy_hash: String::new(),
        },
        controls: BTreeMap::from([("control-0".to_owned(), control("control-0", NAMES[2]))]),
        frameworks: BTreeMap::from([("X".to_owned(), framework)]),
        accounts: BTreeMap::from([(account, info)]),
        counts,
        coverage: &coverage,
        gaps: &[],
        findings: source,
        calls: coverage.totals(),
        over_time: OverTime::default(),
    };
    let mut bytes = Vec::new();
    Html.write(&report, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn hostile() -> Source {
    let mut findings: Vec<Finding> =
        NAMES.iter().enumerate().map(|(number, name)| finding(number, name, ComplianceType::ALL[number % 4])).collect();
    findings[0].owner =
        Some(Owner { name: NAMES[1].to_owned(), source: OwnerSource::ResourceTag { key: NAMES[0].to_owned() } });
    findings[0].exception = Some(ExceptionRef {
        id: NAMES[0].to_owned(),
        owner: NAMES[1].to_owned(),
        ticket: NAMES[5].to_owned(),
        reason: NAMES[2].to_owned(),
        expires: "2027-01-31".to_owned(),
    });
    findings[1].gaps = NAMES.iter().map(|name| (*name).to_owned()).collect();
    findings[5].id = NAMES[0].to_owned();
    Source { findings, gone: Vec::new() }
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let rest = text.split_once(from).unwrap_or_else(|| panic!("no {from:?}")).1;
    rest.split_once(to).unwrap_or_else(|| panic!("no {to:?}")).0
}

fn block(page: &str, id: &str) -> Vec<u8> {
    let packed = STANDARD.decode(between(page, &format!("id=\"{id}\">"), "</script>")).unwrap();
    let mut bytes = Vec::new();
    DeflateDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
    bytes
}

fn dictionary(page: &str) -> Value {
    serde_json::from_slice(&block(page, "dictionary")).unwrap()
}

/// Columns of a chunk: control, owner, first observed, resource; type, account, Region; state; names.
struct Light {
    columns: Vec<Vec<u32>>,
    states: Vec<u16>,
    names: Vec<String>,
}

fn light(page: &str, chunk: usize) -> Light {
    let bytes = block(page, &format!("light-{chunk}"));
    let mut place = 0;
    let mut numbers = |count: usize| -> Vec<u32> {
        let part = &bytes[place..place + 4 * count];
        place += 4 * count;
        part.chunks(4).map(|four| u32::from_le_bytes(four.try_into().unwrap())).collect()
    };
    let sizes = numbers(2);
    let (findings, resources) = (sizes[0] as usize, sizes[1] as usize);
    let mut columns: Vec<Vec<u32>> = (0..4).map(|_| numbers(findings)).collect();
    columns.extend((0..3).map(|_| numbers(resources)));
    let states = bytes[place..place + 2 * findings].chunks(2);
    let states = states.map(|two| u16::from_le_bytes(two.try_into().unwrap())).collect();
    let names: Vec<String> = serde_json::from_slice(&bytes[place + 2 * findings..]).unwrap();
    assert_eq!(names.len(), resources);
    Light { columns, states, names }
}

fn details(page: &str, chunk: usize) -> Vec<Value> {
    let bytes = block(page, &format!("details-{chunk}"));
    let number = |place: usize| u32::from_le_bytes(bytes[place..place + 4].try_into().unwrap()) as usize;
    let count = number(0);
    let base = 4 + 4 * count;
    let mut start = 0;
    (0..count)
        .map(|at| {
            let end = number(4 + 4 * at);
            let value = serde_json::from_slice(&bytes[base + start..base + end]).unwrap();
            start = end;
            value
        })
        .collect()
}

#[test]
fn the_policy_names_the_hashes_of_the_only_style_and_the_only_script() {
    let page = page(&hostile(), "o-exampleorg1");
    let policy = between(&page, "http-equiv=\"Content-Security-Policy\" content=\"", "\"");
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    let (style, script) = (between(&page, "<style>", "</style>"), between(&page, "<script>", "</script>"));
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(policy.contains(&format!("script-src 'sha256-{}';", hash(script))), "{policy}");
    assert!(policy.contains(&format!("style-src 'sha256-{}';", hash(style))), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains('*'), "{policy}");
    assert_eq!(page.matches("<script>").count(), 1);
    assert_eq!(page.matches("<style").count(), 1);
}

/// The tags of a page without the values of their attributes, in which names may stand.
fn tags(page: &str) -> Vec<String> {
    let tags = page.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag);
    tags.map(|tag| tag.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")).collect()
}

#[test]
fn the_page_asks_for_nothing_outside_itself() {
    let page = page(&hostile(), "o-exampleorg1");
    let (style, script) = (between(&page, "<style>", "</style>"), between(&page, "<script>", "</script>"));
    let markup = page.replace(style, "").replace(script, "");
    let tags = tags(&markup);
    assert!(tags.len() > 50);
    for tag in &tags {
        for never in [" src=", " srcset=", " style=", " on", " ping=", "iframe", "object", "embed", "base", "form"] {
            assert!(!tag.contains(never) && !tag.starts_with(never), "{never} in <{tag}>");
        }
    }
    assert!(!markup.contains("http://") && !markup.contains("https://"));
    assert!(!style.replace("url(#", "").contains("url(") && !style.contains("@import"));
}

#[test]
fn hostile_names_are_never_markup_and_come_back_exactly() {
    let source = hostile();
    for organization in NAMES {
        let page = page(&source, organization);
        // Base64 has no angle bracket, so everything that a browser could take for a tag stands here.
        assert_eq!(page.matches("<script").count(), 5, "one chunk's three blocks, the dictionary, the script");
        for never in ["<img", "<svg onload", "<script>alert", "\u{2028}", "\u{202e}"] {
            assert!(!page.contains(never), "{never:?} from {organization:?}");
        }
        assert!(
            tags(&page).iter().all(|tag| !tag.contains("alert(1)") || tag.starts_with("script")),
            "{organization:?}"
        );
        let light = light(&page, 0);
        for (finding, details) in source.findings.iter().zip(details(&page, 0)) {
            assert!(light.names.contains(&finding.resource.uid.as_str().to_owned()));
            assert_eq!(details["evidence"]["pipelineType"], finding.evidence["pipelineType"]);
        }
        assert_eq!(dictionary(&page)["accounts"], json!([["111122223333", NAMES[1], NAMES[0]]]));
    }
}

#[test]
fn every_finding_is_a_row_with_its_names() {
    let source = hostile();
    let page = page(&source, "o-exampleorg1");
    let (dictionary, light) = (dictionary(&page), light(&page, 0));
    assert_eq!(dictionary["chunks"], json!([{"findings": 6, "resources": 6}]));
    assert_eq!(dictionary["shape"], 1);
    let ids = block(&page, "ids-0");
    let all = details(&page, 0);
    for (row, finding) in source.findings.iter().enumerate() {
        let resource = light.columns[3][row] as usize;
        assert_eq!(light.names[resource], finding.resource.uid.as_str());
        assert_eq!(dictionary["controls"][light.columns[0][row] as usize]["id"], finding.control);
        assert_eq!(dictionary["types"][light.columns[4][resource] as usize], finding.resource.type_name.as_str());
        assert_eq!(dictionary["regions"][light.columns[6][resource] as usize], "eu-west-1");
        let owner = finding.owner.as_ref().map_or("", |owner| &owner.name);
        assert_eq!(dictionary["owners"][light.columns[1][row] as usize], owner);
        assert_eq!(light.states[row] & 3, 1, "high");
        assert_eq!(usize::from((light.states[row] >> 2) & 7), row % 4);
        assert_eq!((light.states[row] >> 8) & 1 == 1, finding.exception.is_some());
        assert_eq!(light.states[row] >> 9 == 1, finding.compliance == ComplianceType::NonCompliant);
        let id = crate::finding::hex(&ids[16 * row..16 * row + 16]);
        assert!(id == finding.id || all[row]["id"] == finding.id, "{id}");
    }
    assert_eq!(all[0]["exception"]["ticket"], NAMES[5]);
    assert_eq!(all[0]["ownerFrom"], format!("tag {} of the resource", NAMES[0]));
    assert_eq!(all[1]["gaps"], json!(NAMES));
}

#[test]
fn what_is_gone_says_why_and_only_what_was_looked_at_is_resolved() {
    let gone = |change: Option<Change>, reason: &str| {
        let mut finding = finding(0, reason, ComplianceType::NonCompliant);
        finding.lifecycle = change.map(|change| Lifecycle {
            change,
            first_observed_at: "2026-11-01T02:00:00Z".to_owned(),
            last_observed_at: Some("2026-11-20T02:00:00Z".to_owned()),
            was: None,
            last_known: None,
        });
        Gone { finding, reason: reason.to_owned() }
    };
    let gone =
        vec![gone(Some(Change::Resolved), "deleted"), gone(Some(Change::NotSeen), "denied"), gone(None, "unsaid")];
    let source = Source { findings: Vec::new(), gone };
    let page = page(&source, "");
    let (light, details, dictionary) = (light(&page, 0), details(&page, 0), dictionary(&page));
    assert_eq!(light.states.iter().map(|state| (state >> 2) & 7).collect::<Vec<_>>(), [4, 5, 5]);
    assert_eq!(light.states.iter().map(|state| (state >> 5) & 7).collect::<Vec<_>>(), [5, 6, 0]);
    assert_eq!(details.iter().map(|details| &details["gone"]).collect::<Vec<_>>(), ["deleted", "denied", "unsaid"]);
    assert!(details.iter().all(|details| details["lastKnown"] == "NonCompliant"));
    assert_eq!(dictionary["times"][light.columns[2][0] as usize], "2026-11-01T02:00:00Z");
    assert_eq!(
        dictionary["times"][usize::try_from(details[0]["lastObserved"].as_u64().unwrap()).unwrap()],
        "2026-11-20T02:00:00Z"
    );
}

#[test]
fn many_findings_are_several_chunks_and_the_same_bytes_twice() {
    let findings: Vec<Finding> =
        (0..20_000).map(|number| finding(number, &format!("p{:05}", number / 20), ComplianceType::Compliant)).collect();
    let source = Source { findings, gone: Vec::new() };
    let page = page(&source, "o-exampleorg1");
    assert!(page == self::page(&source, "o-exampleorg1"));
    let chunks = dictionary(&page)["chunks"].clone();
    let sizes: Vec<u64> = chunks.as_array().unwrap().iter().map(|size| size["findings"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [8192, 8192, 3616]);
    // A resource that two chunks share stands in both.
    assert_eq!(light(&page, 0).names.last(), light(&page, 1).names.first());
    assert_eq!(details(&page, 2).len(), 3616);
}

#[test]
fn long_details_end_a_chunk_too() {
    let long = "n".repeat(1 << 20);
    let findings = (0..10)
        .map(|number| {
            let mut finding = finding(number, &format!("p{number}"), ComplianceType::NonCompliant);
            finding.evidence.insert("long".to_owned(), json!(long));
            finding
        })
        .collect();
    let page = page(&Source { findings, gone: Vec::new() }, "o-exampleorg1");
    assert_eq!(dictionary(&page)["chunks"].as_array().unwrap().len(), 3);
}

#[test]
fn an_empty_report_is_a_page_that_says_so() {
    let page = page(&Source { findings: Vec::new(), gone: Vec::new() }, "o-exampleorg1");
    assert!(page.contains("NOTHING WAS JUDGED"));
    assert!(page.contains("<noscript>") && page.contains("findings.csv"));
    assert_eq!(dictionary(&page)["chunks"], json!([]));
    assert!(page.ends_with("</html>\n"));
}

#[test]
fn the_script_has_the_numbers_of_the_blocks() {
    let words = include_str!("../../../reports/html/words.js");
    let keys = |list: &str| -> Vec<String> {
        let list = between(words, &format!("export const {list} = ["), "];");
        list.split("key: '").skip(1).filter_map(|rest| Some(rest.split_once('\'')?.0.to_owned())).collect()
    };
    assert_eq!(keys("SEVERITIES"), Severity::ALL.map(Severity::as_str));
    assert_eq!(keys("RESULTS")[..4], ComplianceType::ALL.map(ComplianceType::as_str));
    assert_eq!(keys("RESULTS")[4..], ["Gone", "GoneNotSeen"]);
    assert_eq!(keys("CHANGES")[0], "None");
    assert_eq!(keys("CHANGES")[1..], Change::ALL.map(Change::as_str));
    for (place, compliance) in ComplianceType::ALL.into_iter().enumerate() {
        let source = Source { findings: vec![finding(0, "p", compliance)], gone: Vec::new() };
        let state = light(&page(&source, ""), 0).states[0];
        assert_eq!(usize::from((state >> 2) & 7), place);
        assert_eq!(
            keys("KNOWN")[usize::from(state >> 9)] == "NonCompliant",
            compliance == ComplianceType::NonCompliant
        );
    }
}

#[test]
fn what_was_not_seen_says_whether_it_was_a_violation() {
    let findings = [Some(ComplianceType::NonCompliant), Some(ComplianceType::Compliant), None].map(|last_known| {
        let mut finding = finding(0, "p", ComplianceType::InsufficientData);
        finding.lifecycle = Some(Lifecycle {
            change: Change::NotSeen,
            first_observed_at: "2026-11-01T02:00:00Z".to_owned(),
            last_observed_at: Some("2026-11-20T02:00:00Z".to_owned()),
            was: None,
            last_known,
        });
        finding
    });
    let page = page(&Source { findings: findings.to_vec(), gone: Vec::new() }, "");
    assert_eq!(light(&page, 0).states.iter().map(|state| state >> 9).collect::<Vec<_>>(), [1, 0, 0]);
}

/// 200,000 findings of 10,000 resources, which nothing but their number makes alike.
fn many() -> Source {
    let mut seed = 7_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let findings = (0..200_000)
        .map(|number| {
            let compliance = ComplianceType::ALL[[2, 2, 2, 2, 2, 3, 3, 0, 0, 1][usize::try_from(random(10)).unwrap()]];
            let mut finding = finding(
                number % 20,
                &format!("service-{:05}-{}", number / 20, number / 20 * 7919 % 10_007),
                compliance,
            );
            finding.control = format!("control-{}", number % 20);
            finding.id = Finding::stable_id(&finding.control, &finding.resource);
            let stages: Vec<String> = (0..3).map(|_| format!("Stage{:x}", random(1 << 20))).collect();
            finding.evidence.insert("unapprovedProductionActions".to_owned(), json!(stages));
            finding
                .evidence
                .insert("role".to_owned(), json!(format!("arn:aws:iam::111122223333:role/{:x}", random(1 << 30))));
            if compliance == ComplianceType::InsufficientData {
                finding.gaps = vec![format!("codepipeline:GetPipeline was denied: request {:x}", random(1 << 40))];
            }
            finding.owner = Some(Owner {
                name: format!("team-{}@example.com", random(120)),
                source: OwnerSource::ResourceTag { key: "owner".to_owned() },
            });
            finding.lifecycle = Some(Lifecycle {
                change: if random(20) == 0 { Change::New } else { Change::Unchanged },
                first_observed_at: format!("2026-10-{:02}T02:00:00Z", 1 + random(31)),
                last_observed_at: Some("2026-11-21T02:00:00Z".to_owned()),
                was: None,
                last_known: None,
            });
            finding
        })
        .collect();
    Source { findings, gone: Vec::new() }
}

/// `PAGE=/tmp/report.html cargo test --lib two_hundred_thousand -- --ignored` keeps the page, to open it.
#[test]
#[ignore = "takes half a minute where nothing is optimised; the tests in a browser write such a page too"]
fn two_hundred_thousand_findings_are_less_than_25_mebibytes() {
    let page = page(&many(), "o-exampleorg1");
    assert!(page.len() < 25 << 20, "{} bytes", page.len());
    if let Some(path) = std::env::var_os("PAGE") {
        std::fs::write(path, page).unwrap();
    }
}
