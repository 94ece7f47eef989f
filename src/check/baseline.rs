//! Findings that were accepted once, in a file.
//!
//! In: findings, or the text of a baseline. Out: the text of a baseline, or which findings stand in it. It exists for
//! those who have no earlier state to compare with; it keeps what each finding was about, so that one that got worse is
//! not hidden by it.
//!
//! An entry is found again by its fingerprint and its file; if its file holds nothing any more, by its fingerprint alone,
//! once. So a file can be moved, and a second file with the same logical ids is not covered by the first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::judge::Check;
use crate::evaluate::Policies;
use crate::finding::{ComplianceType, Severity, TemplateChange, TemplateFinding};

/// Version of the form of a baseline.
pub const BASELINE_SCHEMA_VERSION: u32 = 1;

/// A baseline that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It is no JSON of the right form.
    #[error("is not a baseline: {0}; write one with --write-baseline")]
    Form(#[from] serde_json::Error),
    /// Another version wrote it.
    #[error("has schemaVersion {0}, and this version reads 1; write it again with --write-baseline")]
    Version(u32),
}

/// Accepted findings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Baseline {
    schema_version: u32,
    findings: Vec<Accepted>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Accepted {
    fingerprint: String,
    control: String,
    severity: Severity,
    compliance: ComplianceType,
    logical_id: String,
    file: Arc<str>,
    /// The facts that made the verdict.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    evidence: BTreeMap<String, Value>,
}

impl Baseline {
    /// Accepts everything that is open among these findings.
    #[must_use]
    pub fn of(findings: &[TemplateFinding], policies: &Policies) -> Self {
        let open = findings.iter().filter(|finding| Self::takes(finding));
        let mut findings: Vec<Accepted> = open
            .map(|one| Accepted {
                fingerprint: one.fingerprint.clone(),
                control: one.finding.control.clone(),
                severity: one.finding.severity,
                compliance: one.finding.compliance,
                logical_id: one.logical_id.clone(),
                file: one.place_of_resource(),
                evidence: policies.deciding(&one.finding.control).of_evidence(&one.finding.evidence),
            })
            .collect();
        findings.sort_by(|a, b| (&a.fingerprint, &a.file).cmp(&(&b.fingerprint, &b.file)));
        Self { schema_version: BASELINE_SCHEMA_VERSION, findings }
    }

    /// Whether a baseline of now would hold a finding.
    #[must_use]
    pub fn takes(finding: &TemplateFinding) -> bool {
        is_open(finding) && finding.finding.exception.is_none()
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`BaselineError`], to be said after the name of the file.
    pub fn read(text: &str) -> Result<Self, BaselineError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            schema_version: u32,
        }
        let Version { schema_version } = serde_json::from_str(text)?;
        if schema_version != BASELINE_SCHEMA_VERSION {
            return Err(BaselineError::Version(schema_version));
        }
        Ok(serde_json::from_str(text)?)
    }

    /// Its text: one finding a line, sorted, so that versions of it can be compared.
    ///
    /// # Errors
    /// What the serialiser answers.
    pub fn write(&self) -> Result<String, BaselineError> {
        let lines: Result<Vec<String>, _> = self.findings.iter().map(serde_json::to_string).collect();
        let lines = lines?.join(",\n    ");
        let findings = if lines.is_empty() { "[]".to_owned() } else { format!("[\n    {lines}\n  ]") };
        Ok(format!("{{\n  \"schemaVersion\": {},\n  \"findings\": {findings}\n}}\n", self.schema_version))
    }

    /// How many findings are accepted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.findings.len()
    }

    /// Whether nothing is accepted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }
}

impl Check<'_> {
    /// Marks the findings that a baseline holds, except those that `decided` says something better is known of. `exists`
    /// says whether a file that was not looked at is still there. Answers how many entries occur no more.
    pub fn accept(
        &self,
        findings: &mut [TemplateFinding],
        baseline: &Baseline,
        decided: &dyn Fn(&TemplateFinding) -> bool,
        exists: &dyn Fn(&str) -> bool,
    ) -> usize {
        let present: BTreeSet<Arc<str>> = findings.iter().map(TemplateFinding::place_of_resource).collect();
        let is_gone = |entry: &Accepted| !present.contains(&entry.file) && !exists(&entry.file);
        let mut left: BTreeMap<&str, Vec<&Accepted>> = BTreeMap::new();
        for entry in &baseline.findings {
            left.entry(&entry.fingerprint).or_default().push(entry);
        }
        let mut open: Vec<&mut TemplateFinding> = findings.iter_mut().filter(|one| is_open(one)).collect();
        open.sort_by(|a, b| (&a.fingerprint, &a.place).cmp(&(&b.fingerprint, &b.place)));
        for in_its_file in [true, false] {
            open.retain_mut(|finding| {
                let Some(entries) = left.get_mut(finding.fingerprint.as_str()) else { return false };
                let file = finding.place_of_resource();
                let at = entries.iter().position(|entry| {
                    entry.control == finding.finding.control
                        && if in_its_file { entry.file == file } else { is_gone(entry) }
                });
                let Some(entry) = at.map(|at| entries.remove(at)) else { return true };
                if !decided(finding) {
                    finding.change = self.since(entry, finding);
                }
                false
            });
        }
        left.values().flatten().filter(|entry| present.contains(&entry.file) || is_gone(entry)).count()
    }

    fn since(&self, entry: &Accepted, finding: &TemplateFinding) -> TemplateChange {
        let now = &finding.finding;
        let worse = match (entry.compliance, now.compliance) {
            (ComplianceType::NonCompliant, ComplianceType::NonCompliant) => {
                let deciding = self.demands.of(&now.control);
                deciding.is_worse(&entry.evidence, &now.evidence) || now.severity > entry.severity
            }
            (ComplianceType::InsufficientData, ComplianceType::NonCompliant) => true,
            _ => false,
        };
        if worse { TemplateChange::Worsened } else { TemplateChange::Known }
    }
}

fn is_open(finding: &TemplateFinding) -> bool {
    matches!(finding.finding.compliance, ComplianceType::NonCompliant | ComplianceType::InsufficientData)
}

#[cfg(test)]
mod tests {
    use super::super::judge::Checked;
    use super::super::testing::{action, check, checked, finding, open, pipeline, policies, stage};
    use super::*;

    const APPROVAL: &str = "codepipeline-production-approval-required";

    fn ungated(file: &str, actions: &[&str]) -> Checked {
        let actions: Vec<String> = actions.iter().map(|name| action(name, "Deploy", "CodeDeploy", 1)).collect();
        checked(file, &pipeline(&stage("Prod", &actions)))
    }

    fn baseline(of: &Checked) -> Baseline {
        let text = Baseline::of(&of.findings, policies()).write().unwrap();
        Baseline::read(&text).unwrap()
    }

    fn accept(now: &mut Checked, baseline: &Baseline, exists: bool) -> usize {
        check().accept(&mut now.findings, baseline, &|_| false, &|_| exists)
    }

    #[test]
    fn what_stands_in_it_is_known_until_it_gets_worse() {
        let accepted = baseline(&ungated("a.yaml", &["Cluster"]));
        let mut same = ungated("a.yaml", &["Cluster"]);
        assert_eq!(accept(&mut same, &accepted, true), 0);
        assert!(open(&same).iter().all(|one| one.change == TemplateChange::Known));
        let mut worse = ungated("a.yaml", &["Cluster", "Site"]);
        accept(&mut worse, &accepted, true);
        assert_eq!(finding(&worse, APPROVAL).change, TemplateChange::Worsened);
    }

    #[test]
    fn a_copy_is_not_covered_and_a_moved_file_is() {
        let accepted = baseline(&ungated("a.yaml", &["Cluster"]));
        let mut both = ungated("a.yaml", &["Cluster"]);
        both.add(ungated("b.yaml", &["Cluster"]));
        accept(&mut both, &accepted, false);
        let of = |file: &str| {
            let mut all = both.findings.iter().filter(|one| one.finding.control == APPROVAL);
            all.find(|one| &*one.place.file == file).unwrap().change
        };
        assert_eq!((of("a.yaml"), of("b.yaml")), (TemplateChange::Known, TemplateChange::New));
        let mut moved = ungated("b.yaml", &["Cluster"]);
        accept(&mut moved, &accepted, false);
        assert_eq!(finding(&moved, APPROVAL).change, TemplateChange::Known);
        let mut beside = ungated("b.yaml", &["Cluster"]);
        assert_eq!(accept(&mut beside, &accepted, true), 0, "a.yaml is there, only not looked at");
        assert_eq!(finding(&beside, APPROVAL).change, TemplateChange::New);
    }

    #[test]
    fn entries_that_are_gone_are_counted() {
        let before = ungated("a.yaml", &["Cluster"]);
        let accepted = baseline(&before);
        let mut now = checked("a.yaml", &pipeline(""));
        let gone = accept(&mut now, &accepted, true);
        assert!(gone > 0 && gone <= accepted.len(), "{gone}");
    }

    #[test]
    fn it_is_written_the_same_each_time_one_finding_a_line() {
        let checked = ungated("a.yaml", &["Cluster"]);
        let write = |findings: &[TemplateFinding]| Baseline::of(findings, policies()).write().unwrap();
        let text = write(&checked.findings);
        let reversed: Vec<_> = checked.findings.iter().rev().cloned().collect();
        assert_eq!(text, write(&reversed));
        assert_eq!(text.lines().count(), baseline(&checked).len() + 5);
        assert_eq!(write(&[]), "{\n  \"schemaVersion\": 1,\n  \"findings\": []\n}\n");
    }

    #[test]
    fn another_version_or_another_file_says_what_to_do() {
        let version = Baseline::read("{\"schemaVersion\": 2, \"more\": 1}").unwrap_err().to_string();
        assert!(version.contains("schemaVersion 2") && version.contains("--write-baseline"), "{version}");
        let form = Baseline::read("[]").unwrap_err().to_string();
        assert!(form.contains("not a baseline") && form.contains("--write-baseline"), "{form}");
    }
}
