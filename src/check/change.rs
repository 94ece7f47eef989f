//! What a change does to findings.
//!
//! In: what was found now, and what is found in an earlier state of the same resources. Out: which findings are new,
//! worse or known, which are mended, and which protections the change takes away. It exists so that a gate can be switched
//! on before everything old is mended, without letting anything get worse.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::judge::{Check, Checked, Looked};
use super::protection;
use crate::finding::{ComplianceType, Removal, TemplateChange, TemplateFinding};
use crate::inventory::ResourceUid;

/// How resources of two states are recognised as the same.
#[derive(Debug, Clone, Default)]
pub struct Matching {
    /// Files of the earlier state that have another path now.
    pub moved: BTreeMap<Arc<str>, Arc<str>>,
    /// Whether the two sides need not be the same files: then the only resource of a type on both sides is the same.
    pub loose: bool,
}

/// Two states, compared.
#[derive(Debug, Default)]
pub struct Comparison {
    changes: BTreeMap<(ResourceUid, String), TemplateChange>,
    /// Resources that were there before.
    matched: BTreeSet<ResourceUid>,
    /// What the change takes away, sorted.
    pub removed: Vec<Removal>,
    /// What the change mends, in the order of [`TemplateFinding::order`].
    pub resolved: Vec<TemplateFinding>,
}

impl Comparison {
    /// Writes into findings what the change did to them.
    pub fn apply(&self, findings: &mut [TemplateFinding]) {
        for finding in findings {
            let key = (finding.finding.resource.uid.clone(), finding.finding.control.clone());
            if let Some(change) = self.changes.get(&key) {
                finding.change = *change;
            }
        }
    }

    /// Whether the resource of a finding was there before, so that the comparison has the last word on it.
    #[must_use]
    pub fn knows(&self, finding: &TemplateFinding) -> bool {
        self.matched.contains(&finding.finding.resource.uid)
    }
}

impl Check<'_> {
    /// Compares what was found with what is found in an earlier state.
    #[must_use]
    pub fn compare(&self, now: &Checked, before: &Checked, matching: &Matching) -> Comparison {
        let pairs = pairs(&now.looked, &before.looked, matching);
        let old_of: BTreeMap<&ResourceUid, &ResourceUid> =
            pairs.iter().map(|(new, old)| (&new.declared.id, &old.declared.id)).collect();
        let mut earlier: BTreeMap<(&ResourceUid, &str), &TemplateFinding> = BTreeMap::new();
        for finding in &before.findings {
            earlier.insert((&finding.finding.resource.uid, finding.finding.control.as_str()), finding);
        }
        let mut comparison =
            Comparison { matched: old_of.keys().map(|id| (*id).clone()).collect(), ..Comparison::default() };
        let mut still: BTreeSet<(&ResourceUid, &str)> = BTreeSet::new();
        for finding in &now.findings {
            let (uid, control) = (&finding.finding.resource.uid, finding.finding.control.as_str());
            let old = old_of.get(uid).and_then(|old| earlier.get(&(*old, control)));
            let Some(old) = old else { continue };
            let change = self.changed(old, finding);
            if is_open(finding) {
                still.insert((&old.finding.resource.uid, control));
            }
            comparison.changes.insert((uid.clone(), control.to_owned()), change);
        }
        let mended = before.findings.iter().filter(|old| {
            old.finding.compliance == ComplianceType::NonCompliant
                && !still.contains(&(&old.finding.resource.uid, old.finding.control.as_str()))
        });
        comparison.resolved = mended.cloned().collect();
        comparison.resolved.sort_by(|a, b| a.order().cmp(&b.order()));
        comparison.removed = protection::removed(&pairs, &now.looked, &before.looked);
        comparison
    }

    /// What became of a finding; what is known only now is worse than what was open.
    fn changed(&self, old: &TemplateFinding, now: &TemplateFinding) -> TemplateChange {
        use ComplianceType::{InsufficientData, NonCompliant};
        let (before, after) = (&old.finding, &now.finding);
        match (before.compliance, after.compliance) {
            (NonCompliant, NonCompliant) => {
                let worse = self.demands.of(&after.control).is_worse(&before.evidence, &after.evidence);
                if worse || after.severity > before.severity { TemplateChange::Worsened } else { TemplateChange::Known }
            }
            (InsufficientData, NonCompliant) => TemplateChange::Worsened,
            (InsufficientData | NonCompliant, InsufficientData) => TemplateChange::Known,
            _ => TemplateChange::New,
        }
    }
}

fn is_open(finding: &TemplateFinding) -> bool {
    matches!(finding.finding.compliance, ComplianceType::NonCompliant | ComplianceType::InsufficientData)
}

/// A resource now, and the same one before.
pub(super) type Pair<'a> = (&'a Looked, &'a Looked);

/// What a resource is known by, now or earlier.
type Key<'k> = dyn Fn(&Looked, bool) -> String + 'k;

/// Which resources are the same, each at most once: by file and logical id, and where one of them is gone, by what else
/// names it.
fn pairs<'a>(now: &'a [Looked], before: &'a [Looked], matching: &Matching) -> Vec<Pair<'a>> {
    let file = |old: &Looked| matching.moved.get(&old.declared.file).unwrap_or(&old.declared.file).to_string();
    let kind = |one: &Looked| one.declared.resource.type_name.to_string();
    let id = |one: &Looked| one.declared.logical_id.clone();
    let name = |one: &Looked| one.name.clone();
    let rounds: [&Key<'_>; 4] = [
        &|one, earlier| {
            let file = if earlier { file(one) } else { one.declared.file.to_string() };
            [kind(one), file, id(one)].join("\0")
        },
        &|one, _| [kind(one), id(one), name(one)].join("\0"),
        &|one, _| [kind(one), name(one)].join("\0"),
        &|one, _| [kind(one), id(one)].join("\0"),
    ];
    let (mut now, mut before): (Vec<&Looked>, Vec<&Looked>) = (now.iter().collect(), before.iter().collect());
    let mut pairs = Vec::new();
    for key in rounds {
        take_pairs(&mut now, &mut before, key, &mut pairs);
    }
    if matching.loose {
        take_pairs(&mut now, &mut before, &|one, _| kind(one), &mut pairs);
    }
    pairs.sort_by(|a, b| a.0.declared.id.cmp(&b.0.declared.id));
    pairs
}

/// Takes those out of both lists whose key stands exactly once on each side: two that look alike are not guessed at.
fn take_pairs<'a>(
    now: &mut Vec<&'a Looked>,
    before: &mut Vec<&'a Looked>,
    key: &dyn Fn(&Looked, bool) -> String,
    pairs: &mut Vec<Pair<'a>>,
) {
    let mut sides: BTreeMap<String, (Vec<&'a Looked>, Vec<&'a Looked>)> = BTreeMap::new();
    for one in now.iter() {
        sides.entry(key(one, false)).or_default().0.push(one);
    }
    for one in before.iter() {
        sides.entry(key(one, true)).or_default().1.push(one);
    }
    let mut taken: BTreeSet<&ResourceUid> = BTreeSet::new();
    let mut taken_before: BTreeSet<&ResourceUid> = BTreeSet::new();
    for (new, old) in sides.into_values() {
        if let ([new], [old]) = (new.as_slice(), old.as_slice()) {
            taken.insert(&new.declared.id);
            taken_before.insert(&old.declared.id);
            pairs.push((new, old));
        }
    }
    now.retain(|one| !taken.contains(&one.declared.id));
    before.retain(|one| !taken_before.contains(&one.declared.id));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Declared, action, check, checked, finding, open, pipeline, stage};
    use super::*;

    const APPROVAL: &str = "codepipeline-production-approval-required";

    fn deploy(name: &str) -> String {
        action(name, "Deploy", "CodeDeploy", 2)
    }

    fn approval() -> String {
        action("Approve", "Approval", "Manual", 1)
    }

    fn compared(now: &Checked, before: &Checked, matching: &Matching) -> (Comparison, Checked) {
        let comparison = check().compare(now, before, matching);
        let mut now = Checked { findings: now.findings.clone(), ..Checked::default() };
        comparison.apply(&mut now.findings);
        (comparison, now)
    }

    fn removed(comparison: &Comparison) -> Vec<&str> {
        comparison.removed.iter().map(|one| one.what.as_str()).collect()
    }

    #[test]
    fn what_did_not_change_is_known() {
        let text = pipeline(&stage("Prod", &[deploy("Cluster")]));
        let (before, now) = (checked("a.yaml", &text), checked("a.yaml", &format!("# a line\n{text}")));
        let (comparison, now) = compared(&now, &before, &Matching::default());
        assert!(!open(&now).is_empty());
        assert!(open(&now).iter().all(|one| one.change == TemplateChange::Known));
        assert!(comparison.removed.is_empty() && comparison.resolved.is_empty());
    }

    #[test]
    fn an_approval_that_goes_is_new_and_named_and_one_that_comes_is_resolved() {
        let without = checked("a.yaml", &pipeline(&stage("Prod", &[deploy("Cluster")])));
        let with = checked("a.yaml", &pipeline(&stage("Prod", &[approval(), deploy("Cluster")])));
        let (comparison, now) = compared(&without, &with, &Matching::default());
        assert_eq!(finding(&now, APPROVAL).change, TemplateChange::New);
        assert_eq!(removed(&comparison), ["approval Prod/Approve of pipeline web"]);
        let (comparison, _) = compared(&with, &without, &Matching::default());
        assert!(comparison.resolved.iter().any(|one| one.finding.control == APPROVAL));
        assert_eq!(removed(&comparison), Vec::<&str>::new());
    }

    #[test]
    fn an_approval_that_moves_behind_the_deployment_is_named_by_what_it_stood_before() {
        let gate = stage("Gate", &[approval()]);
        let prod = stage("Prod", &[deploy("Cluster")]);
        let before = checked("a.yaml", &pipeline(&[gate.clone(), prod.clone()].concat()));
        let now = checked("a.yaml", &pipeline(&[prod, gate].concat()));
        let (comparison, _) = compared(&now, &before, &Matching::default());
        assert_eq!(removed(&comparison), ["approval before Prod/Cluster of pipeline web"]);
    }

    #[test]
    fn another_ungated_action_makes_it_worse() {
        let before = checked("a.yaml", &pipeline(&stage("Prod", &[deploy("Cluster")])));
        let now = checked("a.yaml", &pipeline(&stage("Prod", &[deploy("Cluster"), deploy("Site")])));
        let (_, changed) = compared(&now, &before, &Matching::default());
        assert_eq!(finding(&changed, APPROVAL).change, TemplateChange::Worsened);
        let (_, better) = compared(&before, &now, &Matching::default());
        assert_eq!(finding(&better, APPROVAL).change, TemplateChange::Known);
    }

    #[test]
    fn a_moved_file_and_a_renamed_resource_stay_what_they_were() {
        let text = pipeline(&stage("Prod", &[deploy("Cluster")]));
        let before = checked("old.yaml", &text);
        let is_known = |now: &Checked, matching: &Matching| {
            let (_, now) = compared(now, &before, matching);
            finding(&now, APPROVAL).change == TemplateChange::Known
        };
        assert!(is_known(&checked("new.yaml", &text), &Matching::default()));
        assert!(is_known(&checked("old.yaml", &text.replace("  Web:", "  Site:")), &Matching::default()));
        let other = text.replace("  Web:", "  Site:").replace("Name: web", "Name: site");
        assert!(!is_known(&checked("new.yaml", &other), &Matching::default()));
        assert!(is_known(&checked("new.yaml", &other), &Matching { loose: true, ..Matching::default() }));
    }

    #[test]
    fn a_copy_beside_the_old_one_is_new() {
        let text = pipeline(&stage("Prod", &[deploy("Cluster")]));
        let before = checked("a.yaml", &text);
        let mut both = checked("a.yaml", &text);
        both.add(checked("b.yaml", &text));
        let (_, now) = compared(&both, &before, &Matching::default());
        let changes: Vec<(&str, TemplateChange)> = now
            .findings
            .iter()
            .filter(|one| one.finding.control == APPROVAL)
            .map(|one| (&*one.place.file, one.change))
            .collect();
        assert_eq!(changes, [("a.yaml", TemplateChange::Known), ("b.yaml", TemplateChange::New)]);
    }

    #[test]
    fn everything_that_protected_is_named_when_it_goes() {
        let bucket = |properties: serde_json::Value| ("AWS::S3::Bucket", "Artifacts", properties);
        let group = |properties: serde_json::Value| ("AWS::CodeDeploy::DeploymentGroup", "Group", properties);
        let pipeline = || {
            ("AWS::CodePipeline::Pipeline", "Web", json!({"ArtifactStore": {"Type": "S3", "Location": "Artifacts"}}))
        };
        let before = Declared {
            file: "p.json",
            resources: vec![
                bucket(json!({
                    "VersioningConfiguration": {"Status": "Enabled"}, "ObjectLockEnabled": true,
                    "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled",
                        "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 30}}},
                })),
                group(json!({
                    "AutoRollbackConfiguration": {"Enabled": true, "Events": ["DEPLOYMENT_FAILURE"]},
                    "AlarmConfiguration": {"Enabled": true, "Alarms": [{"Name": "errors"}]},
                })),
                pipeline(),
            ],
        };
        let now = Declared {
            file: "p.json",
            resources: vec![
                bucket(json!({"VersioningConfiguration": {"Status": "Suspended"}})),
                group(json!({})),
                pipeline(),
            ],
        };
        let (before, now) = (check().judge_source(&before).unwrap(), check().judge_source(&now).unwrap());
        let (comparison, _) = compared(&now, &before, &Matching::default());
        let said = removed(&comparison);
        for what in [
            "versioning of bucket Artifacts",
            "Object Lock of bucket Artifacts",
            "retention of 30 days of bucket Artifacts",
            "compliance mode of bucket Artifacts",
            "rollback of deployment group Group",
            "rollback on DEPLOYMENT_FAILURE of deployment group Group",
            "alarms of deployment group Group",
            "alarm errors of deployment group Group",
        ] {
            assert!(said.contains(&what), "{what}: {said:?}");
        }
    }

    #[test]
    fn a_trigger_that_listens_to_more_branches_is_named() {
        let pipeline = |branches: serde_json::Value| {
            let push = json!([{"Branches": branches}]);
            let git = json!({"SourceActionName": "Checkout", "Push": push});
            let properties = json!({"Name": "web", "Stages": [], "Triggers": [{"GitConfiguration": git}]});
            let resources = vec![("AWS::CodePipeline::Pipeline", "Web", properties)];
            check().judge_source(&Declared { file: "p.json", resources }).unwrap()
        };
        let said = |before: serde_json::Value, now: serde_json::Value| {
            let (comparison, _) = compared(&pipeline(now), &pipeline(before), &Matching::default());
            removed(&comparison).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let main = json!({"Includes": ["main"]});
        let named = ["branch restriction of trigger Checkout of pipeline web"];
        assert_eq!(said(main.clone(), json!({})), named);
        assert_eq!(said(main.clone(), json!({"Includes": ["**"]})), named);
        assert_eq!(said(main.clone(), json!({"Includes": ["release"]})), Vec::<String>::new());
        assert_eq!(said(main.clone(), main), Vec::<String>::new());
    }

    #[test]
    fn what_was_open_and_is_violated_now_is_worse() {
        let bucket = |versioning: serde_json::Value| {
            let store = json!({"Name": "p", "Stages": [], "ArtifactStore": {"Location": "b"}});
            let properties = json!({"BucketName": "b", "VersioningConfiguration": versioning});
            let resources = vec![("AWS::S3::Bucket", "B", properties), ("AWS::CodePipeline::Pipeline", "P", store)];
            check().judge_source(&Declared { file: "t", resources }).unwrap()
        };
        let (unknown, off) = (bucket(json!("${V}")), bucket(json!({"Status": "Suspended"})));
        let change = |now: &Checked, before: &Checked| {
            let (_, now) = compared(now, before, &Matching::default());
            finding(&now, "s3-artifact-bucket-versioning").change
        };
        assert_eq!(change(&off, &unknown), TemplateChange::Worsened);
        assert_eq!(change(&unknown, &off), TemplateChange::Known);
        assert_eq!(change(&unknown, &unknown), TemplateChange::Known);
        assert_eq!(change(&unknown, &bucket(json!({"Status": "Enabled"}))), TemplateChange::New);
    }
}
