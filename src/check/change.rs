//! What a change does to findings.
//!
//! In: what was found now, and what is found in an earlier state of the same resources. Out: which findings are new,
//! worse or known, which are mended, and which protections the change takes away. It exists so that a gate can be switched
//! on before everything old is mended, without letting anything get worse.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::judge::{Check, Checked, Looked};
use super::protection;
use crate::finding::{Change, ComplianceType, Removal, TemplateFinding};
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
    changes: BTreeMap<(ResourceUid, String), Change>,
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
    fn changed(&self, old: &TemplateFinding, now: &TemplateFinding) -> Change {
        use ComplianceType::{InsufficientData, NonCompliant};
        let (before, after) = (&old.finding, &now.finding);
        match (before.compliance, after.compliance) {
            (NonCompliant, NonCompliant) => {
                let worse = self.policies.deciding(&after.control).is_worse(&before.evidence, &after.evidence);
                if worse || after.severity > before.severity { Change::Worsened } else { Change::Known }
            }
            (InsufficientData, NonCompliant) => Change::Worsened,
            (InsufficientData | NonCompliant, InsufficientData) => Change::Known,
            _ => Change::New,
        }
    }
}

fn is_open(finding: &TemplateFinding) -> bool {
    matches!(finding.finding.compliance, ComplianceType::NonCompliant | ComplianceType::InsufficientData)
}

/// A resource now, and the same one before.
pub(super) type Pair<'a> = (&'a Looked, &'a Looked);

/// Which resources are the same, each at most once: by file and logical id, and where one of them is gone, by what else
/// names it.
fn pairs<'a>(now: &'a [Looked], before: &'a [Looked], matching: &Matching) -> Vec<Pair<'a>> {
    let file = |old: &Looked| matching.moved.get(&old.declared.file).unwrap_or(&old.declared.file).to_string();
    let kind = |one: &Looked| one.declared.resource.type_name.to_string();
    let id = |one: &Looked| one.declared.logical_id.clone();
    let name = |one: &Looked| one.name.clone();
    let rounds: [&dyn Fn(&Looked, bool) -> String; 4] = [
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
