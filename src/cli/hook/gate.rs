//! The check of one operation.
//!
//! In: the templates of an invocation. Out: the findings of the new one, those that the old one had marked as known.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::Gate;
use super::invocation::{Documents, Invocation};
use crate::check::Check;
use crate::finding::{Change, ComplianceType, TemplateFinding};
use crate::template::{Document, Files, Limits, Place, Reading, format_of, mentions_delivery};

/// What was found in an operation.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) findings: Vec<TemplateFinding>,
    pub(super) resources: usize,
}

/// A template in an invocation has no files beside it.
struct Alone;

impl Files for Alone {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("a hook sees the template alone".to_owned())
    }

    fn list(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

impl Gate {
    /// Judges the operation.
    pub(super) fn judge(&self, invocation: &Invocation, documents: &Documents) -> Result<Judged, String> {
        let mut judged = self.findings("template", &documents.template, invocation)?;
        if let Some(previous) = &documents.previous {
            // What cannot be read of the past excuses nothing.
            let known: Vec<String> = self
                .findings("previousTemplate", previous, invocation)
                .map(|before| before.findings)
                .unwrap_or_default()
                .into_iter()
                .filter(|finding| finding.finding.compliance == ComplianceType::NonCompliant)
                .map(|finding| finding.fingerprint)
                .collect();
            for finding in &mut judged.findings {
                if known.contains(&finding.fingerprint) {
                    finding.change = Change::Known;
                }
            }
        }
        Ok(judged)
    }

    fn findings(&self, name: &str, text: &str, invocation: &Invocation) -> Result<Judged, String> {
        let place = Place::new(invocation.account.clone(), invocation.region.clone());
        let limits = Limits::default();
        let document = match Document::read(name, text.as_bytes(), &limits) {
            Ok(document) => document,
            Err(error) if mentions_delivery(text) => {
                let at = error.at.map(|at| format!("{}:{}: ", at.line, at.column)).unwrap_or_default();
                return Err(format!("{name}:{at}{}", error.message));
            }
            Err(_) => return Ok(Judged::default()),
        };
        let Some(format) = format_of(&document) else { return Ok(Judged::default()) };
        let parameters = BTreeMap::new();
        let parsed = format.read(document, &Reading { files: &Alone, parameters: &parameters, place: &place, limits });
        let now = OffsetDateTime::now_utc();
        let check = Check::new(&self.policies, &self.config.settings, &self.config.rules, now, None, &place);
        let check = check.map_err(|error| error.to_string())?;
        let mut judged = Judged::default();
        for group in &parsed.groups {
            let checked = check.judge(group).map_err(|error| error.to_string())?;
            judged.findings.extend(checked.findings);
            judged.resources += checked.resources;
        }
        Ok(judged)
    }
}
