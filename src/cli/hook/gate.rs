//! The check of one operation.
//!
//! In: the templates of an invocation. Out: the findings of the new one, those that the old one had marked as known.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::Gate;
use super::invocation::{Documents, Invocation};
use crate::check::{Check, Checked, Matching};
use crate::template::{Document, Files, Limits, Place, Reading, Unreadable, format_of, mentions_delivery};

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
    /// Judges the operation: what it declares, told apart from what was so before.
    pub(super) fn judge(&self, invocation: &Invocation, documents: &Documents) -> Result<Checked, String> {
        let place = Place::new(invocation.account.clone(), invocation.region.clone());
        let now = OffsetDateTime::now_utc();
        let check = Check::new(&self.policies, &self.config.settings, &self.config.rules, now, None, &place);
        let check = check.map_err(|error| error.to_string())?;
        let mut judged = checked(&check, &documents.template, &place)?;
        // What cannot be read of the past excuses nothing.
        let before = documents.previous.as_ref().and_then(|text| checked(&check, text, &place).ok());
        if let Some(before) = before {
            check.compare(&judged, &before, &Matching::default()).apply(&mut judged.findings);
        }
        Ok(judged)
    }
}

/// Both templates of an operation go by one name, so that their resources meet.
const NAME: &str = "template";

fn checked(check: &Check<'_>, text: &str, place: &Place) -> Result<Checked, String> {
    let limits = Limits::default();
    let document = match Document::read(NAME, text.as_bytes(), &limits) {
        Ok(document) => document,
        Err(error) if mentions_delivery(text) => return Err(unread(&error)),
        Err(_) => return Ok(Checked::default()),
    };
    let Some(format) = format_of(&document) else {
        return if mentions_delivery(text) {
            Err(format!("{NAME}: it speaks of pipelines, and declares no resources in any form that is known"))
        } else {
            Ok(Checked::default())
        };
    };
    let parameters = BTreeMap::new();
    let parsed = format.read(document, &Reading { files: &Alone, parameters: &parameters, place, limits });
    if let Some(error) = parsed.unreadable.first() {
        return Err(unread(error));
    }
    let mut all = Checked::default();
    for group in &parsed.groups {
        all.add(check.judge(group).map_err(|error| error.to_string())?);
    }
    Ok(all)
}

fn unread(error: &Unreadable) -> String {
    let at = error.at.map(|at| format!("{}:{}: ", at.line, at.column)).unwrap_or_default();
    format!("{}:{at}{}", error.file, error.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Written;
    use crate::evaluate::{Loading, Policies};

    #[test]
    fn what_speaks_of_pipelines_in_no_known_form_is_no_pass() {
        let policies =
            Policies::load_all(&Loading { built_in: Policies::compiled(None), ..Loading::default() }).unwrap();
        let config = Written::default().resolve("test").unwrap();
        let place = Place::new(None, None);
        let now = OffsetDateTime::UNIX_EPOCH;
        let check = Check::new(&policies, &config.settings, &config.rules, now, None, &place).unwrap();
        let read = |text: &str| checked(&check, text, &place).map(|checked| checked.resources);
        assert!(read("Modules: {Web: AWS::CodePipeline::Pipeline}").unwrap_err().contains("no resources"));
        assert!(read("A: [AWS::CodePipeline::Pipeline").is_err());
        assert_eq!(read("Resources: {Topic: {Type: AWS::EC2::VPC}}"), Ok(0));
        assert_eq!(read("Anything: else"), Ok(0));
    }
}
