//! What a hook answers.
//!
//! In: findings. Out: the status, a message that fits into what Hooks keep of it, and an annotation per control, worst
//! first.

use std::fmt::Write as _;

use serde::Serialize;

use super::Gate;
use crate::check::Checked;
use crate::finding::{ComplianceType, Severity, TemplateChange, TemplateFinding};

/// Characters of a message that Hooks keep for stack operations; Cloud Control keeps a quarter, so the worst comes first.
const LONGEST_MESSAGE: usize = 4096;

/// Annotations that are sent at most.
const MOST_ANNOTATIONS: usize = 100;

/// Whether the operation may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Status {
    Success,
    Failed,
}

/// Why it may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum ErrorCode {
    NonCompliant,
    InternalFailure,
}

/// The response of a Lambda Hook.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    pub(super) hook_status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_code: Option<ErrorCode>,
    message: String,
    client_request_token: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Annotation>,
}

/// One control, as the console shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Annotation {
    #[serde(rename = "annotationName")]
    control: String,
    status: &'static str,
    status_message: String,
    remediation_message: String,
    severity_level: &'static str,
}

impl Answer {
    pub(super) fn success(token: &str, why: &str) -> Self {
        Self::new(token, Status::Success, None, why)
    }

    /// The operation could not be looked at, so it may not go on.
    pub(super) fn broken(token: &str, problem: impl AsRef<str>) -> Self {
        let message = format!("pipewarden could not look at this operation: {}", problem.as_ref());
        Self::new(token, Status::Failed, Some(ErrorCode::InternalFailure), &message)
    }

    fn new(token: &str, status: Status, error_code: Option<ErrorCode>, message: &str) -> Self {
        Self {
            hook_status: status,
            error_code,
            message: cut(message),
            client_request_token: token.to_owned(),
            annotations: Vec::new(),
        }
    }

    /// The answer that findings amount to.
    pub(super) fn of(token: &str, judged: &Checked, gate: &Gate) -> Self {
        let blocking: Vec<&TemplateFinding> =
            judged.findings.iter().filter(|f| gate.fail_on.0.is_some_and(|from| f.blocks(from))).collect();
        let gaps = judged.findings.iter().filter(|finding| finding.is_gap()).count();
        let known = judged.findings.iter().filter(|f| violates(f) && f.change == TemplateChange::Known).count();
        let fails = !blocking.is_empty() || gate.fail_on_gaps && gaps > 0;
        let mut message = if blocking.is_empty() && gaps == 0 && known == 0 {
            format!("{} resources of the delivery path were looked at, and nothing blocks", judged.resources)
        } else {
            let counted = |number: usize, what: &str| (number > 0).then(|| format!("{number} {what}"));
            let parts = [
                counted(blocking.len(), "violations block this operation"),
                counted(known, "violations were there before"),
                counted(gaps, "answers need values or resources that a hook does not see"),
            ];
            parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
        };
        for finding in &blocking {
            let (severity, id) = (finding.finding.severity, &finding.logical_id);
            let _ = write!(
                message,
                "
{severity} {id}: {}",
                title(finding, gate)
            );
        }
        let (status, code) =
            if fails { (Status::Failed, Some(ErrorCode::NonCompliant)) } else { (Status::Success, None) };
        let shown = judged.findings.iter().filter(|finding| violates(finding) || finding.is_gap());
        let annotations = shown.take(MOST_ANNOTATIONS).map(|finding| annotation(finding, gate)).collect();
        Self { annotations, ..Self::new(token, status, code, &message) }
    }
}

fn violates(finding: &TemplateFinding) -> bool {
    finding.finding.compliance == ComplianceType::NonCompliant && finding.finding.exception.is_none()
}

fn title(finding: &TemplateFinding, gate: &Gate) -> String {
    let control = gate.policies.controls().get(&finding.finding.control);
    control.map_or_else(|| finding.finding.control.clone(), |control| control.title.clone())
}

fn annotation(finding: &TemplateFinding, gate: &Gate) -> Annotation {
    let control = gate.policies.controls().get(&finding.finding.control);
    let remediation = control.map(|control| control.remediation_for(&finding.finding.evidence)).unwrap_or_default();
    let violated = violates(finding);
    let subject = format!("{}: {}", finding.logical_id, title(finding, gate));
    Annotation {
        control: finding.finding.control.clone(),
        status: if violated { "FAILED" } else { "SKIPPED" },
        status_message: cut(&if violated {
            subject
        } else {
            format!("{subject}: {}", finding.finding.gaps.join("; "))
        }),
        remediation_message: cut(&remediation),
        severity_level: match finding.finding.severity {
            Severity::Critical => "CRITICAL",
            Severity::High => "HIGH",
            Severity::Medium => "MEDIUM",
            Severity::Low => "LOW",
        },
    }
}

fn cut(message: &str) -> String {
    const END: &str = "\n… (cut)";
    if message.chars().count() <= LONGEST_MESSAGE {
        return message.to_owned();
    }
    let kept: String = message.chars().take(LONGEST_MESSAGE - END.chars().count()).collect();
    kept + END
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_looked_at_fails_and_long_messages_are_cut() {
        let answer = Answer::broken("t", "x".repeat(10_000));
        assert_eq!((answer.hook_status, answer.error_code), (Status::Failed, Some(ErrorCode::InternalFailure)));
        assert_eq!(answer.message.chars().count(), LONGEST_MESSAGE);
        let written = serde_json::to_value(&answer).unwrap();
        assert_eq!(written["hookStatus"], "FAILED");
        assert_eq!(written["errorCode"], "InternalFailure");
        assert_eq!(written["clientRequestToken"], "t");
    }
}
