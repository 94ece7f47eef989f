//! `findings.asff.json`: findings in the AWS Security Finding Format 2018-10-08, as `BatchImportFindings` takes them.
//!
//! In: a report. Out: an array with one finding a line, for every finding that is told of (`standing`). Each belongs to the
//! default product of its own account and Region and keeps its id over runs. Only what was looked at and is over is
//! `ARCHIVED`; what could not be seen stays `ACTIVE`. Everything keeps the receiver's limits, and what a limit leaves out is
//! named in `ProductFields`. The file is what the deliveries send, in batches of [`BATCH_FINDINGS`] and [`BATCH_BYTES`].

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::asff_fit::LeftOut;
pub use super::asff_model::{
    AsffFinding, AsffResource, AsffSeverity, BATCH_BYTES, BATCH_FINDINGS, Compliance, Details, FINDING_BYTES,
    FindingProviderFields, Recommendation, Remediation, StatusReason,
};
use super::standing::{Standing, Told, change, exception_in_words, home_partition, partition, standing, title, told};
use super::wording::evidence_in_words;
use super::{Report, ReportFormat};
use crate::finding::{Change, ComplianceType, Control, Finding, Gone, Severity, spoken};
use crate::inventory::{Region, ResourceUid, TypeName};

/// The `asff` format.
pub struct Asff;

/// The longest texts, in characters, as the API reference gives them.
const TITLE: usize = 256;
const DESCRIPTION: usize = 1024;
const RECOMMENDATION: usize = 512;
const RESOURCE_ID: usize = 512;
const REQUIREMENT: usize = 64;
const REQUIREMENTS: usize = 32;
const PRODUCT_FIELDS: usize = 50;
const KEY: usize = 128;
const VALUE: usize = 2048;
/// The longest text of a field that only names something.
const NAME: usize = 256;
/// Reasons of a status: one gap is often behind all of them.
const REASONS: usize = 8;
/// What evidence may take of [`FINDING_BYTES`], counted as if every byte were escaped; the other fields need less than the
/// rest by their limits.
const EVIDENCE_BYTES: usize = 100_000;

/// The types of resources that the format names:
/// <https://docs.aws.amazon.com/securityhub/latest/userguide/asff-resources.html>
const TYPES: &[(TypeName, &str)] = &[
    (TypeName::ACCOUNT, "AwsAccount"),
    (TypeName::ALARM, "AwsCloudWatchAlarm"),
    (TypeName::BUCKET, "AwsS3Bucket"),
    (TypeName::IMAGE_REPOSITORY, "AwsEcrRepository"),
    (TypeName::KEY, "AwsKmsKey"),
    (TypeName::PROJECT, "AwsCodeBuildProject"),
    (TypeName::ROLE, "AwsIamRole"),
    (TypeName::SECRET, "AwsSecretsManagerSecret"),
    (TypeName::TOPIC, "AwsSnsTopic"),
    (TypeName::TRAIL, "AwsCloudTrailTrail"),
];

impl ReportFormat for Asff {
    fn name(&self) -> &'static str {
        "asff"
    }

    fn file_name(&self) -> &'static str {
        "findings.asff.json"
    }

    fn about(&self) -> &'static str {
        "AWS Security Finding Format 2018-10-08, as Security Hub imports it"
    }

    fn write(&self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
        let home = home_region(report);
        let mut separator: &[u8] = b"\n";
        // A finding is made in memory: a serialiser writes a few bytes at a time.
        let mut buffer = Vec::new();
        out.write_all(b"[")?;
        for finding in asff_findings(report, &home)? {
            buffer.clear();
            buffer.extend_from_slice(separator);
            separator = b",\n";
            serde_json::to_writer(&mut buffer, &finding?)?;
            out.write_all(&buffer)?;
        }
        out.write_all(b"\n]\n")
    }
}

/// The Region of findings on what has none, where nothing else is configured: the partition's own.
#[must_use]
pub fn home_region(report: &Report<'_>) -> Region {
    home_partition(report).default_region()
}

/// Everything that Security Hub is told of a run, in the order of accounts and Regions (those without a Region come where
/// `global` sorts); `home` is the Region of what has none.
///
/// # Errors
/// If the findings cannot be read; the items carry errors of reading on.
pub fn asff_findings<'a>(
    report: &'a Report<'_>,
    home: &'a Region,
) -> io::Result<impl Iterator<Item = io::Result<AsffFinding>> + 'a> {
    let all = told(report)?;
    Ok(all.filter_map(move |told| told.map(|told| asff(report, &told, home)).transpose()))
}

/// One finding of the run; none where its control does not apply and never did.
#[must_use]
pub fn asff_finding(report: &Report<'_>, finding: &Finding, home: &Region) -> Option<AsffFinding> {
    asff(report, &Told { finding: finding.clone().into(), gone: None }, home)
}

/// One finding that only the run before had.
#[must_use]
pub fn asff_finding_of_gone(report: &Report<'_>, gone: &Gone, home: &Region) -> Option<AsffFinding> {
    asff(report, &Told::of_gone(gone.clone()), home)
}

impl AsffFinding {
    /// The id under which a receiver keeps a finding; `home` is the Region of what has none.
    #[must_use]
    pub fn id_of(finding: &Finding, home: &Region) -> String {
        let resource = &finding.resource;
        let region = if resource.region == Region::GLOBAL { home } else { &resource.region };
        format!("{region}/{}/{}", resource.account, finding.id)
    }
}

fn asff(report: &Report<'_>, told: &Told, home: &Region) -> Option<AsffFinding> {
    let finding: &Finding = &told.finding;
    let stands = standing(finding, told.gone.is_some())?;
    let control = report.controls.get(&finding.control);
    let resource = &finding.resource;
    let region = if resource.region == Region::GLOBAL { home } else { &resource.region };
    let account = &resource.account;
    let partition = partition(report, &resource.uid, &resource.region);
    let mut left_out = LeftOut::default();
    let advice = control
        .filter(|_| matches!(stands, Standing::Violated | Standing::Excepted))
        .map(|control| left_out.end("Recommendation", &control.remediation_for(&finding.evidence), RECOMMENDATION));
    let started = &report.run.started_at;
    let lifecycle = finding.lifecycle.as_ref();
    let first = lifecycle.map_or(started, |lifecycle| &lifecycle.first_observed_at);
    let last = match lifecycle {
        Some(lifecycle) => lifecycle.last_observed_at.as_ref(),
        None => (finding.compliance != ComplianceType::InsufficientData).then_some(started),
    };
    Some(AsffFinding {
        schema_version: "2018-10-08",
        id: AsffFinding::id_of(finding, home),
        product_arn: format!("arn:{partition}:securityhub:{region}:{account}:product/{account}/default"),
        product_name: "pipewarden",
        company_name: "pipewarden",
        generator_id: left_out.middle("GeneratorId", &finding.control, RESOURCE_ID),
        aws_account_id: account.clone(),
        region: region.clone(),
        created_at: first.clone(),
        updated_at: started.clone(),
        first_observed_at: first.clone(),
        last_observed_at: last.cloned(),
        title: left_out.end("Title", title(control, finding), TITLE),
        description: left_out.end("Description", &description(told, control, stands), DESCRIPTION),
        remediation: advice.map(|text| Remediation { recommendation: Recommendation { text } }),
        resources: vec![AsffResource {
            r#type: type_of(&resource.type_name, &resource.uid),
            id: left_out.middle("Resources.Id", resource.uid.as_str(), RESOURCE_ID),
            partition: partition.as_str(),
            region: region.clone(),
            details: Details {
                other: BTreeMap::from([
                    ("ResourceName", left_out.middle("ResourceName", resource.uid.short_name(), NAME)),
                    ("ResourceType", left_out.middle("ResourceType", resource.type_name.as_str(), NAME)),
                ]),
            },
        }],
        compliance: compliance(told, control, stands, &mut left_out),
        finding_provider_fields: FindingProviderFields {
            severity: AsffSeverity { label: label(finding.severity, stands), original: finding.severity.as_str() },
            types: ["Software and Configuration Checks/Industry and Regulatory Standards/Software Delivery"],
        },
        record_state: record_state(stands),
        product_fields: product_fields(report, told, left_out),
    })
}

/// The format's name of a type; what stands for things that could not even be listed is none of them.
fn type_of(type_name: &TypeName, uid: &ResourceUid) -> &'static str {
    let stands_for_all = uid.as_str().ends_with(":*") || (uid.as_str().ends_with(":root"));
    match TYPES.iter().find(|(known, _)| known == type_name) {
        Some((_, name)) if !stands_for_all => name,
        _ => "Other",
    }
}

/// A violation under an exception stays one and is still said to be one, but it calls nobody.
fn label(severity: Severity, stands: Standing) -> &'static str {
    match stands {
        Standing::Violated | Standing::NotSeen { .. } => severity.as_str(),
        Standing::Excepted | Standing::Passed | Standing::Closed => "INFORMATIONAL",
    }
}

/// What is good is archived in every run and not only in the one that saw it mended: a finding that goes from `ARCHIVED` to
/// `ACTIVE` starts an analyst's workflow anew.
fn record_state(stands: Standing) -> &'static str {
    match stands {
        Standing::Passed | Standing::Closed => "ARCHIVED",
        Standing::Violated | Standing::Excepted | Standing::NotSeen { .. } => "ACTIVE",
    }
}

fn description(told: &Told, control: Option<&Control>, stands: Standing) -> String {
    let finding: &Finding = &told.finding;
    let resource = &finding.resource;
    let name = resource.uid.short_name();
    let what = format!("{} {name} in account {}", resource.type_name, resource.account);
    let title = title(control, finding);
    let reason = told.gone.as_deref();
    let seen = |said: &str| {
        if finding.evidence.is_empty() { said.to_owned() } else { format!("{said} {}.", evidence_in_words(finding)) }
    };
    match stands {
        Standing::Violated => seen(&format!("Violated by {what}: {title}.")),
        Standing::Excepted => {
            let exception = finding.exception.as_ref().map_or_else(String::new, exception_in_words);
            seen(&format!("Violated by {what}, {exception}. {title}."))
        }
        Standing::NotSeen { was_violated } => {
            let known = if was_violated { " It was violated when it was last seen." } else { "" };
            let why = reason.map_or_else(|| finding.gaps.join("; "), str::to_owned);
            format!("Could not be seen, so nobody knows whether it holds for {what}: {title}.{known} {why}")
        }
        Standing::Passed => seen(&format!("Looked at, and good, for {what}: {title}.")),
        Standing::Closed => {
            let why = reason.unwrap_or("the control does not apply to it any more");
            format!("Nothing to judge any more for {what}: {title}. {why}")
        }
    }
}

fn compliance(told: &Told, control: Option<&Control>, stands: Standing, left_out: &mut LeftOut) -> Compliance {
    let finding: &Finding = &told.finding;
    let status = match stands {
        Standing::Violated | Standing::Excepted => "FAILED",
        Standing::NotSeen { was_violated: true } => "WARNING",
        Standing::NotSeen { was_violated: false } | Standing::Closed => "NOT_AVAILABLE",
        Standing::Passed => "PASSED",
    };
    let mapped = control.map_or(&[][..], |control| control.frameworks.as_slice());
    let requirements = mapped
        .iter()
        .take(REQUIREMENTS)
        .map(|requirement| left_out.end("RelatedRequirements", requirement, REQUIREMENT))
        .collect();
    left_out.items("RelatedRequirements", mapped.len().saturating_sub(REQUIREMENTS));
    let (code, said) = match stands {
        Standing::NotSeen { .. } if told.gone.is_none() => ("INSUFFICIENT_DATA", finding.gaps.clone()),
        Standing::NotSeen { .. } => ("INSUFFICIENT_DATA", told.gone.iter().cloned().collect()),
        Standing::Excepted => ("EXCEPTED", finding.exception.iter().map(exception_in_words).collect()),
        Standing::Closed => ("NOT_APPLICABLE", told.gone.iter().cloned().collect()),
        Standing::Violated | Standing::Passed => ("", Vec::new()),
    };
    left_out.items("StatusReasons", said.len().saturating_sub(REASONS));
    let reasons = said
        .iter()
        .take(REASONS)
        .map(|text| StatusReason { reason_code: code, description: left_out.end("StatusReasons", text, VALUE) });
    Compliance { status, status_reasons: reasons.collect(), related_requirements: requirements }
}

fn product_fields(report: &Report<'_>, told: &Told, mut left_out: LeftOut) -> BTreeMap<String, String> {
    let finding: &Finding = &told.finding;
    let account = report.accounts.get(&finding.resource.account);
    let known = finding.lifecycle.as_ref().and_then(|lifecycle| lifecycle.last_known).map(ComplianceType::as_str);
    let result = match (&told.gone, standing(finding, told.gone.is_some())) {
        (None, _) => finding.compliance,
        (Some(_), Some(Standing::NotSeen { .. })) => ComplianceType::InsufficientData,
        (Some(_), _) => ComplianceType::NotApplicable,
    };
    let last_known = told.gone.as_ref().map(|_| finding.compliance.as_str()).or(known);
    let owner_source = finding.owner.as_ref().map(|owner| owner.source.to_string());
    let exception = finding.exception.as_ref();
    let fields = [
        ("Control", Some(finding.control.as_str())),
        ("Result", Some(result.as_str())),
        ("Change", change(finding).map(Change::as_str)),
        ("LastKnownResult", last_known),
        ("AccountName", account.map(|account| account.name.as_str())),
        ("OrganizationalUnit", account.map(|account| account.organizational_unit_path.as_str())),
        ("Owner", finding.owner.as_ref().map(|owner| owner.name.as_str())),
        ("OwnerSource", owner_source.as_deref()),
        ("ExceptionId", exception.map(|exception| exception.id.as_str())),
        ("ExceptionTicket", exception.map(|exception| exception.ticket.as_str())),
        ("ExceptionExpires", exception.map(|exception| exception.expires.as_str())),
        ("Run", Some(report.run.run_id.as_str())),
        ("PolicyHash", Some(report.run.policy_hash.as_str())),
        ("Version", Some(report.run.tool_version.as_str())),
    ];
    let mut all: BTreeMap<String, String> = fields
        .into_iter()
        .filter_map(|(key, text)| text.filter(|text| !text.is_empty()).map(|text| (key, text)))
        .map(|(key, text)| (key.to_owned(), left_out.middle(key, text, NAME)))
        .collect();
    let mut bytes = 0;
    let mut missing = 0;
    for (fact, value) in &finding.evidence {
        // One is kept for what was left out.
        if all.len() + 1 >= PRODUCT_FIELDS || bytes > EVIDENCE_BYTES {
            missing += 1;
            continue;
        }
        let key = left_out.middle("evidence names", &format!("evidence/{fact}"), KEY);
        let value = left_out.end("evidence", &spoken(value), VALUE);
        bytes += 2 * (key.len() + value.len());
        all.insert(key, value);
    }
    left_out.items("evidence", missing);
    if let Some(said) = left_out.in_words() {
        all.insert("LeftOut".to_owned(), LeftOut::default().end("LeftOut", &said, VALUE));
    }
    all
}
