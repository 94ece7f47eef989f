//! What a change is compared with.
//!
//! In: `--base`, `--baseline`, and what was found. Out: findings that say whether the change made them, what it takes away,
//! and what it mends.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::super::failure::Failure;
use super::git::{Commit, named, names_commit};
use super::inputs::{Inputs, read, read_listed};
use crate::check::{Baseline, Check, CheckError, Checked, Comparison, Matching};
use crate::evaluate::Policies;
use crate::finding::{Removal, TemplateChange, TemplateFinding};
use crate::inventory::Span;
use crate::template::{Document, Files as _, Limits, Place};

/// The word for the state before that a plan carries itself.
const PLAN: &str = "plan";

/// Options of what a change is compared with.
#[derive(Debug, Clone, Args)]
pub(super) struct BaseOptions {
    /// Block only what is new or worse than in a branch, tag or commit, a file or folder, or `plan`
    ///
    /// Of a branch, the commit counts at which the change left it. A file or folder may be of another format: resources
    /// are matched by name. `plan` stands for the state before that a Terraform plan carries itself. Findings that were
    /// there before are shown as known. What the change takes away is named, even where enough is left to pass.
    #[arg(long, value_name = "REF|FILE|DIR|plan")]
    base: Option<String>,
    /// Do not block what stands in this file, unless it got worse
    ///
    /// Keep the file where the change under review cannot edit it, or a repository accepts its own findings. With --base
    /// and a commit, a file of the repository is taken as it was there.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write everything that is open now into a file for --baseline
    #[arg(long, value_name = "FILE")]
    write_baseline: Option<PathBuf>,
}

/// What there was to compare, and with what values.
pub(super) struct Now<'a> {
    pub(super) paths: &'a [String],
    pub(super) inputs: &'a Inputs,
    pub(super) parameters: &'a BTreeMap<String, String>,
    pub(super) place: &'a Place,
    pub(super) limits: Limits,
}

/// What the comparison gave.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) removed: Vec<Removal>,
    pub(super) resolved: Vec<TemplateFinding>,
    pub(super) notices: Vec<(Arc<str>, Span, String)>,
    /// Files that are gone, for those who point into them.
    pub(super) documents: Vec<Document>,
}

/// An earlier state.
#[derive(Default)]
struct Before {
    inputs: Inputs,
    matching: Matching,
    commit: Option<Commit>,
    /// How messages name it.
    name: String,
}

impl BaseOptions {
    /// Whether findings are told apart by what the change did.
    pub(super) fn compares(&self) -> bool {
        self.base.is_some() || self.baseline.is_some()
    }

    /// Compares, and marks the findings.
    pub(super) fn compare(
        &self,
        check: &Check<'_>,
        policies: &Policies,
        now: &Now<'_>,
        checked: &mut Checked,
    ) -> Result<Compared, Failure> {
        let failed = |error: CheckError| Failure::failed(&error);
        let before = self.before(now)?;
        let mut earlier = Checked::default();
        let planned: BTreeSet<&str> =
            now.inputs.groups.iter().filter(|group| group.before.is_some()).map(|group| &*group.file).collect();
        for group in before.inputs.groups.iter().filter(|group| !planned.contains(&*group.file)) {
            earlier.add(check.judge(group).map_err(failed)?);
        }
        for group in &now.inputs.groups {
            if let Some(source) = &group.before {
                earlier.add(check.judge_source(source.as_ref()).map_err(failed)?);
            }
        }
        let mut comparison = Comparison::default();
        if self.base.is_some() || !planned.is_empty() {
            comparison = check.compare(checked, &earlier, &before.matching);
        }
        if self.base.is_some() {
            comparison.apply(&mut checked.findings);
        }
        let mut compared = Compared::default();
        self.accept(check, &before, &comparison, checked, &mut compared)?;
        self.write(policies, now, checked)?;
        let noted = before.inputs.unreadable.iter().map(|one| {
            let message = format!(
                "as it was in {} it cannot be read, so everything in it counts as new: {}",
                before.name, one.message
            );
            (Arc::clone(&one.file), Span::default(), message)
        });
        compared.notices.extend(noted);
        let still: BTreeSet<&str> = now.inputs.documents.iter().map(|one| &*one.file).collect();
        compared.documents = before.inputs.documents;
        compared.documents.retain(|one| !still.contains(&*one.file));
        compared.removed = comparison.removed;
        compared.resolved = comparison.resolved;
        Ok(compared)
    }

    /// Reads the earlier state.
    fn before(&self, now: &Now<'_>) -> Result<Before, Failure> {
        match self.base.as_deref() {
            None => Ok(Before::default()),
            Some(PLAN) if now.inputs.groups.iter().any(|group| group.before.is_some()) => Ok(Before::default()),
            Some(PLAN) => Err(Failure::usage(
                "--base plan: none of the files is a Terraform plan with a state before; write it with `terraform show -json`",
            )),
            Some(path) if Path::new(path).exists() => {
                if !path.contains(['/', '\\']) && names_commit(path, now.paths) {
                    let message = format!(
                        "--base {path}: it is a file or folder and a commit; write ./{path} or refs/heads/{path}"
                    );
                    return Err(Failure::usage(message));
                }
                Self::of_disk(path, now)
            }
            Some(name) => Self::of_commit(name, now),
        }
    }

    fn of_disk(path: &str, now: &Now<'_>) -> Result<Before, Failure> {
        let inputs = read(&[path.to_owned()], now.parameters, now.place, now.limits)?;
        let mut matching = Matching { loose: true, ..Matching::default() };
        if let [only] = now.paths
            && Path::new(only).is_dir() == Path::new(path).is_dir()
        {
            let (from, to) = (named(Path::new(path)), named(Path::new(only)));
            for document in &inputs.documents {
                if let Some(rest) = document.file.strip_prefix(from.as_str()) {
                    matching.moved.insert(Arc::clone(&document.file), format!("{to}{rest}").into());
                }
            }
        }
        Ok(Before { inputs, matching, commit: None, name: path.to_owned() })
    }

    fn of_commit(name: &str, now: &Now<'_>) -> Result<Before, Failure> {
        let commit = Commit::of(name, now.paths, now.limits.bytes)?;
        let here = [".".to_owned()];
        let mut listed: BTreeSet<String> = BTreeSet::new();
        for path in if now.paths.is_empty() { &here } else { now.paths } {
            if Path::new(path).exists() {
                listed.extend(commit.below(path));
            } else if let Ok(pattern) = glob::Pattern::new(path.strip_prefix("./").unwrap_or(path)) {
                let fixed = path.split(['*', '?', '[']).next().unwrap_or_default();
                let root = fixed.rsplit_once('/').map_or(".", |(root, _)| if root.is_empty() { "/" } else { root });
                let rules = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::default() };
                listed.extend(commit.below(root).into_iter().filter(|file| pattern.matches_with(file, rules)));
            }
        }
        let mut moved = BTreeMap::new();
        let missing: Vec<&Arc<str>> =
            now.inputs.documents.iter().map(|one| &one.file).filter(|file| !listed.contains(&***file)).collect();
        if !missing.is_empty() {
            let renames = commit.renames();
            for file in missing {
                if let Some(old) = renames.get(&**file) {
                    listed.insert(old.clone());
                    moved.insert(Arc::from(old.as_str()), Arc::clone(file));
                }
            }
        }
        let inputs = read_listed(&listed, &commit, now.parameters, now.place, now.limits);
        let name = format!("{name} ({})", commit.short());
        Ok(Before { inputs, matching: Matching { moved, loose: false }, commit: Some(commit), name })
    }

    /// Marks what the baseline holds.
    fn accept(
        &self,
        check: &Check<'_>,
        before: &Before,
        comparison: &Comparison,
        checked: &mut Checked,
        compared: &mut Compared,
    ) -> Result<(), Failure> {
        let Some(path) = &self.baseline else { return Ok(()) };
        let file = named(path);
        let here = (Arc::from(file.as_str()), Span::default());
        let bytes = match before.commit.as_ref().filter(|commit| commit.holds(&file)) {
            Some(commit) => match commit.read(&file) {
                Ok(bytes) => bytes,
                Err(why) => {
                    let message =
                        format!("the baseline is not used: with --base it is taken from {}, and {why}", before.name);
                    compared.notices.push((here.0, here.1, message));
                    return Ok(());
                }
            },
            None => std::fs::read(path).map_err(|error| {
                Failure::usage(format!("--baseline {file}: {error}; write one with --write-baseline"))
            })?,
        };
        let baseline = Baseline::read(&String::from_utf8_lossy(&bytes))
            .map_err(|error| Failure::usage(format!("--baseline {file} {error}")))?;
        let decided = |finding: &TemplateFinding| comparison.knows(finding);
        let gone = check.accept(&mut checked.findings, &baseline, &decided, &|file| Path::new(file).exists());
        if gone > 0 {
            let (noun, verb) = if gone == 1 { ("entry", "is") } else { ("entries", "are") };
            let message = format!("{gone} {noun} of the baseline {verb} gone: write it again with --write-baseline");
            compared.notices.push((here.0, here.1, message));
        }
        Ok(())
    }

    /// Writes a baseline, and takes what stands in it as known.
    fn write(&self, policies: &Policies, now: &Now<'_>, checked: &mut Checked) -> Result<(), Failure> {
        let Some(path) = &self.write_baseline else { return Ok(()) };
        if let Some(one) = now.inputs.unreadable.first() {
            let message =
                format!("--write-baseline: nothing is written while {} cannot be read: {}", one.file, one.message);
            return Err(Failure::because(message));
        }
        let text = Baseline::of(&checked.findings, policies).write();
        let text = text.map_err(|error| Failure::because(format!("--write-baseline: {error}")))?;
        std::fs::write(path, text)
            .map_err(|error| Failure::because(format!("--write-baseline {}: {error}", path.display())))?;
        for finding in &mut checked.findings {
            if Baseline::takes(finding) {
                finding.change = TemplateChange::Known;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::testing::{Declared, check, policies};
    use crate::finding::ComplianceType;
    use crate::template::{Group, Source};

    fn bucket(versioning: &str) -> Box<dyn Source> {
        let store = json!({"Name": "p", "Stages": [], "ArtifactStore": {"Location": "b"}});
        let properties = json!({"BucketName": "b", "VersioningConfiguration": {"Status": versioning}});
        let resources =
            vec![("AWS::S3::Bucket", "aws_s3_bucket.b", properties), ("AWS::CodePipeline::Pipeline", "p", store)];
        Box::new(Declared { file: "plan.json", resources })
    }

    fn planned(before: &str, after: &str, base: Option<&str>) -> (Compared, TemplateChange) {
        let group = Group {
            format: "Terraform plan",
            file: "plan.json".into(),
            source: bucket(after),
            before: Some(bucket(before)),
        };
        let inputs = Inputs { groups: vec![group], ..Inputs::default() };
        let (paths, parameters, place) = (["plan.json".to_owned()], BTreeMap::new(), Place::new(None, None));
        let limits = Limits::default();
        let now = Now { paths: &paths, inputs: &inputs, parameters: &parameters, place: &place, limits };
        let mut checked = check().judge(&inputs.groups[0]).unwrap();
        let options = BaseOptions { base: base.map(str::to_owned), baseline: None, write_baseline: None };
        let compared = options.compare(&check(), policies(), &now, &mut checked).unwrap();
        let mut findings = checked.findings.iter();
        let found = findings.find(|one| one.finding.control == "s3-artifact-bucket-versioning").unwrap();
        assert_eq!(found.finding.compliance, ComplianceType::NonCompliant);
        (compared, found.change)
    }

    #[test]
    fn a_plan_names_what_it_removes_by_itself_and_tells_old_from_new_when_asked() {
        let (compared, change) = planned("Enabled", "Suspended", None);
        let removed: Vec<&str> = compared.removed.iter().map(|one| one.what.as_str()).collect();
        assert_eq!((removed, change), (vec!["versioning of bucket b"], TemplateChange::New));
        assert_eq!(
            planned("Suspended", "Suspended", None).1,
            TemplateChange::New,
            "everything blocks unless told otherwise"
        );
        assert_eq!(planned("Suspended", "Suspended", Some("plan")).1, TemplateChange::Known);
        assert_eq!(planned("Enabled", "Suspended", Some("plan")).1, TemplateChange::New);
    }
}
