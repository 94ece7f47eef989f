//! `findings.ocsf.jsonl`: findings as OCSF 1.6.0 Compliance Finding events (class 2003), one a line.
//!
//! In: a report. Out: an event for every finding that is told of (`standing`), with profile `cloud`. An event creates,
//! updates or closes its finding: `finding_info.uid` is the stable id, `metadata.uid` the event's own. What could not be seen
//! is a `Warning` ("did not yield a result due to missing information"), never a `Pass`; an exception is `Suppressed`. A
//! control that does not apply makes no event; a report without any event says so with one, since an empty file reads as good.

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::ocsf_model::{
    Account, Analytic, CATEGORY, CLASS, Cloud, Compliance, Event, Evidences, FindingInfo, Metadata, Named,
    Organization, Product, Remediation, ResourceDetails, Unmapped, User, VERSION, VendorAttributes, activity, result,
    status,
};
use super::standing::{Standing, Told, change, exception_in_words, home_partition, partition, standing, title, told};
use super::wording::evidence_in_words;
use super::{Report, ReportFormat};
use crate::finding::{Change, ComplianceType, Control, Finding, Gone, Severity};
use crate::inventory::AccountId;

/// The `ocsf` format.
pub struct Ocsf;

/// `finding_info.types`
const KIND: &str = "Software and Configuration Checks/Industry and Regulatory Standards";
/// The finding of a report that has nothing to tell of; the same one in every run.
const NOTHING: &str = "pipewarden-nothing-judged";
const INFORMATIONAL: Named = Named(1, "Informational");

impl ReportFormat for Ocsf {
    fn name(&self) -> &'static str {
        "ocsf"
    }

    fn file_name(&self) -> &'static str {
        "findings.ocsf.jsonl"
    }

    fn about(&self) -> &'static str {
        "OCSF 1.6.0 Compliance Finding events, one a line, for a SIEM or a security lake"
    }

    fn write(&self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
        let started = milliseconds(&report.run.started_at)?;
        let mut buffer = Vec::new();
        let mut empty = true;
        for one in told(report)? {
            let one = one?;
            if let Some(event) = event(report, &one, started)? {
                line(out, &event, &mut buffer)?;
                empty = false;
            }
        }
        if empty { line(out, &nothing(report, started), &mut buffer) } else { Ok(()) }
    }
}

/// The event of one finding of the run; none where its control does not apply and never did.
///
/// # Errors
/// If a time in the report is not RFC 3339.
pub fn ocsf_event(report: &Report<'_>, finding: &Finding) -> io::Result<Option<Value>> {
    value(report, &Told { finding: finding.clone().into(), gone: None })
}

/// The event of a finding that only the run before had.
///
/// # Errors
/// As [`ocsf_event`].
pub fn ocsf_event_of_gone(report: &Report<'_>, gone: &Gone) -> io::Result<Option<Value>> {
    value(report, &Told::of_gone(gone.clone()))
}

fn value(report: &Report<'_>, told: &Told) -> io::Result<Option<Value>> {
    let event = event(report, told, milliseconds(&report.run.started_at)?)?;
    Ok(event.map(serde_json::to_value).transpose()?)
}

/// A line is made in memory: a serialiser writes a few bytes at a time.
fn line(out: &mut dyn Write, event: &Event<'_>, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    serde_json::to_writer(&mut *buffer, event)?;
    buffer.push(b'\n');
    out.write_all(buffer)
}

fn milliseconds(text: &str) -> io::Result<i64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("`{text}` is no RFC 3339 time: {error}"))
    })?;
    Ok(time.unix_timestamp() * 1000 + i64::from(time.millisecond()))
}

fn severity(severity: Severity) -> Named {
    match severity {
        Severity::Low => Named(2, "Low"),
        Severity::Medium => Named(3, "Medium"),
        Severity::High => Named(4, "High"),
        Severity::Critical => Named(5, "Critical"),
    }
}

fn event<'a>(report: &'a Report<'_>, told: &'a Told, started: i64) -> io::Result<Option<Event<'a>>> {
    let finding: &Finding = &told.finding;
    let Some(stands) = standing(finding, told.gone.is_some()) else { return Ok(None) };
    let control = report.controls.get(&finding.control);
    let activity = activity_of(finding);
    let status = status_of(finding, stands);
    let own = severity(finding.severity);
    // Nothing is wrong any more, or was: the control's severity stands beside it.
    let told_severity = if matches!(stands, Standing::Passed | Standing::Closed) { INFORMATIONAL } else { own };
    let vendor = (told_severity != own).then_some(VendorAttributes { severity_id: own.0, severity: own.1 });
    let remediation = matches!(stands, Standing::Violated | Standing::Excepted)
        .then_some(control)
        .flatten()
        .map(|control| Remediation { desc: control.remediation_for(&finding.evidence) });
    let evidence = Evidences { name: "facts", data: &finding.evidence };
    Ok(Some(Event {
        status_code: change(finding).map(Change::as_str),
        status_detail: detail(told),
        comment: finding.exception.as_ref().filter(|_| stands == Standing::Excepted).map(exception_in_words),
        metadata: metadata(report, &finding.id),
        cloud: cloud(report, finding),
        finding_info: finding_info(report, told, control, started)?,
        compliance: compliance(report, told, control, stands),
        remediation,
        resources: vec![resource(report, finding)],
        evidences: if finding.evidence.is_empty() { Vec::new() } else { vec![evidence] },
        vendor_attributes: vendor,
        unmapped: Unmapped {
            policy_hash: &report.run.policy_hash,
            exception: finding.exception.as_ref(),
            owner_source: finding.owner.as_ref().map(|owner| owner.source.to_string()),
            last_known: last_known(told),
        },
        ..blank(report, activity, status, told_severity, started, message(told, control, stands))
    }))
}

/// An event with its class filled in.
fn blank<'a>(
    report: &'a Report<'_>,
    activity: Named,
    status: Named,
    severity: Named,
    time: i64,
    message: String,
) -> Event<'a> {
    let class_name = "Compliance Finding";
    Event {
        activity_id: activity.0,
        activity_name: activity.1,
        category_uid: CATEGORY,
        category_name: "Findings",
        class_uid: CLASS,
        class_name,
        type_uid: CLASS * 100 + activity.0,
        type_name: format!("{class_name}: {}", activity.1),
        time,
        severity_id: severity.0,
        severity: severity.1,
        status_id: status.0,
        status: status.1,
        status_code: None,
        status_detail: None,
        message,
        comment: None,
        metadata: metadata(report, NOTHING),
        cloud: Cloud {
            provider: "AWS",
            partition: home_partition(report).as_str(),
            region: None,
            account: None,
            org: organization(report, ""),
        },
        finding_info: FindingInfo {
            uid: NOTHING,
            title: "Nothing was judged",
            desc: String::new(),
            types: [KIND],
            created_time: time,
            first_seen_time: time,
            last_seen_time: Some(time),
            modified_time: time,
            analytic: analytic("pipewarden", "pipewarden"),
        },
        compliance: Compliance {
            control: "pipewarden",
            desc: "Something was judged",
            standards: Vec::new(),
            requirements: &[],
            status_id: result::UNKNOWN.0,
            status: result::UNKNOWN.1,
            status_code: None,
            status_details: Vec::new(),
        },
        remediation: None,
        resources: Vec::new(),
        evidences: Vec::new(),
        vendor_attributes: None,
        unmapped: Unmapped {
            policy_hash: &report.run.policy_hash,
            exception: None,
            owner_source: None,
            last_known: None,
        },
    }
}

/// The one event of a report that has nothing to tell of.
fn nothing<'a>(report: &'a Report<'_>, time: i64) -> Event<'a> {
    let said = if report.counts.by_compliance.values().sum::<u64>() == 0 {
        "no control was asked about any resource; this is no pass"
    } else {
        "no control applies to what was seen; this is no pass"
    };
    let mut event = blank(report, activity::CREATE, status::NEW, Named(0, "Unknown"), time, said.to_owned());
    said.clone_into(&mut event.finding_info.desc);
    event
}

fn activity_of(finding: &Finding) -> Named {
    match change(finding) {
        None | Some(Change::New) => activity::CREATE,
        Some(Change::Resolved) => activity::CLOSE,
        Some(Change::Worsened | Change::Improved | Change::Unchanged | Change::NotSeen) => activity::UPDATE,
    }
}

fn status_of(finding: &Finding, stands: Standing) -> Named {
    match stands {
        Standing::Passed | Standing::Closed => status::RESOLVED,
        Standing::Excepted => status::SUPPRESSED,
        Standing::Violated | Standing::NotSeen { .. } => match change(finding) {
            None | Some(Change::New) => status::NEW,
            Some(_) => status::IN_PROGRESS,
        },
    }
}

/// What the newest run that could look saw, where this one could not.
fn last_known(told: &Told) -> Option<&'static str> {
    let finding = &told.finding;
    if told.gone.is_some() {
        return Some(finding.compliance.as_str());
    }
    finding.lifecycle.as_ref().and_then(|lifecycle| lifecycle.last_known).map(ComplianceType::as_str)
}

/// Why it stands as it does, in AWS's or the run's own words.
fn detail(told: &Told) -> Option<String> {
    if let Some(reason) = &told.gone {
        return Some(reason.clone());
    }
    (!told.finding.gaps.is_empty()).then(|| told.finding.gaps.join("; "))
}

fn message(told: &Told, control: Option<&Control>, stands: Standing) -> String {
    let finding: &Finding = &told.finding;
    let said = match stands {
        Standing::Violated => "violated",
        Standing::Excepted => "violated under an exception",
        Standing::NotSeen { was_violated: true } => "not seen, violated when last seen",
        Standing::NotSeen { was_violated: false } => "not seen",
        Standing::Passed => "holds",
        Standing::Closed => "nothing to judge any more",
    };
    format!("{}: {} ({said})", finding.resource.uid.short_name(), title(control, finding))
}

fn metadata<'a>(report: &'a Report<'_>, finding: &str) -> Metadata<'a> {
    let run = &report.run;
    Metadata {
        version: VERSION,
        product: Product { name: "pipewarden", vendor_name: "pipewarden", version: &run.tool_version },
        profiles: ["cloud"],
        uid: format!("{finding}/{}", run.run_id),
        correlation_uid: &run.run_id,
        tenant_uid: &run.organization,
    }
}

fn account<'a>(report: &'a Report<'_>, id: &'a AccountId) -> Account<'a> {
    let name = report.accounts.get(id).map_or("", |account| account.name.as_str());
    Account { uid: id.as_str(), name, type_id: 10, r#type: "AWS Account" }
}

fn organization<'a>(report: &'a Report<'_>, unit: &'a str) -> Option<Organization<'a>> {
    let uid = report.run.organization.as_str();
    (!uid.is_empty()).then_some(Organization { uid, ou_name: unit })
}

fn cloud<'a>(report: &'a Report<'_>, finding: &'a Finding) -> Cloud<'a> {
    let resource = &finding.resource;
    let unit = report.accounts.get(&resource.account).map_or("", |account| account.organizational_unit_path.as_str());
    Cloud {
        provider: "AWS",
        partition: partition(report, &resource.uid, &resource.region).as_str(),
        region: Some(resource.region.as_str()),
        account: Some(account(report, &resource.account)),
        org: organization(report, unit),
    }
}

fn analytic<'a>(control: &'a str, title: &'a str) -> Analytic<'a> {
    Analytic { type_id: 1, r#type: "Rule", uid: control, name: title }
}

fn finding_info<'a>(
    report: &'a Report<'_>,
    told: &'a Told,
    control: Option<&'a Control>,
    started: i64,
) -> io::Result<FindingInfo<'a>> {
    let finding: &Finding = &told.finding;
    let (first, last) = match &finding.lifecycle {
        Some(lifecycle) => {
            let last = lifecycle.last_observed_at.as_deref().map(milliseconds).transpose()?;
            (milliseconds(&lifecycle.first_observed_at)?, last)
        }
        None => (started, (finding.compliance != ComplianceType::InsufficientData).then_some(started)),
    };
    let title = title(control, finding);
    let resource = &finding.resource;
    let account = report.accounts.get(&resource.account).map_or("", |account| account.name.as_str());
    let mut desc = format!("{title}. {} {} in account {}", resource.type_name, resource.uid, resource.account);
    if !account.is_empty() {
        desc.extend([" (", account, ")"]);
    }
    if !finding.evidence.is_empty() {
        desc.extend([". ", &evidence_in_words(finding)]);
    }
    Ok(FindingInfo {
        uid: &finding.id,
        title,
        desc,
        types: [KIND],
        created_time: first,
        first_seen_time: first,
        last_seen_time: last,
        modified_time: started,
        analytic: analytic(&finding.control, title),
    })
}

fn compliance<'a>(
    report: &'a Report<'_>,
    told: &'a Told,
    control: Option<&'a Control>,
    stands: Standing,
) -> Compliance<'a> {
    let finding: &Finding = &told.finding;
    let result = match stands {
        Standing::Violated | Standing::Excepted => result::FAIL,
        Standing::NotSeen { .. } => result::WARNING,
        Standing::Passed => result::PASS,
        Standing::Closed => result::NOT_APPLICABLE,
    };
    // A finding that is gone carries what was seen before; that is no result of this run.
    let code = match (&told.gone, stands) {
        (None, _) => finding.compliance.as_str(),
        (Some(_), Standing::NotSeen { .. }) => ComplianceType::InsufficientData.as_str(),
        (Some(_), _) => ComplianceType::NotApplicable.as_str(),
    };
    let reasons = told.gone.iter().map(|reason| Cow::Borrowed(reason.as_str()));
    let gaps = finding.gaps.iter().filter(|_| told.gone.is_none()).map(|gap| Cow::Borrowed(gap.as_str()));
    Compliance {
        control: &finding.control,
        desc: title(control, finding),
        standards: control.map_or_else(Vec::new, |control| standards(report, control)),
        requirements: control.map_or(&[], |control| control.frameworks.as_slice()),
        status_id: result.0,
        status: result.1,
        status_code: Some(code),
        status_details: reasons.chain(gaps).collect(),
    }
}

/// Names and versions of the frameworks that a control's requirements are of, in the order of their ids.
fn standards(report: &Report<'_>, control: &Control) -> Vec<String> {
    let of = |id: &str| {
        let within = |mapped: &String| mapped.strip_prefix(id).is_some_and(|rest| rest.starts_with('-'));
        control.frameworks.iter().any(within)
    };
    let named = report.frameworks.values().filter(|framework| of(&framework.id));
    named.map(|framework| format!("{} {}", framework.name, framework.version)).collect()
}

fn resource<'a>(report: &'a Report<'_>, finding: &'a Finding) -> ResourceDetails<'a> {
    let resource = &finding.resource;
    ResourceDetails {
        uid: resource.uid.as_str(),
        name: resource.uid.short_name(),
        r#type: resource.type_name.as_str(),
        region: resource.region.as_str(),
        cloud_partition: partition(report, &resource.uid, &resource.region).as_str(),
        role_id: 3,
        role: "Affected",
        owner: User {
            account: account(report, &resource.account),
            name: finding.owner.as_ref().map(|owner| owner.name.as_str()),
        },
    }
}
