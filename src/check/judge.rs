//! One group of declared resources → its findings.
//!
//! In: a [`Group`]. Out: a [`TemplateFinding`] per control and resource, whatever the number of choices and holes.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::causes::Causes;
use super::place::{Demands, Pointing};
use super::surroundings::Surroundings;
use super::worlds::{World, left_out, worlds};
use super::{facts, verdict};
use crate::evaluate::{Asking, EvaluateError, Policies, Principal, Settings};
use crate::facts::{Facts, Rules, Subject};
use crate::finding::{ComplianceType, Finding, TemplateChange, TemplateFinding};
use crate::inventory::{AccountId, Inventory, ResourceUid, TypeName};
use crate::template::{DeclaredResource, Group, Holes, Place, Source, shape};

/// A check that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A policy failed.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// The moment of the check cannot be written.
    #[error("the time cannot be written as RFC 3339: {0}")]
    Time(#[from] time::error::Format),
}

/// Nobody knows the accounts that templates will be deployed to.
static NOBODY: BTreeMap<AccountId, Principal> = BTreeMap::new();

/// Everything that is the same for all groups.
pub struct Check<'a> {
    pub(super) demands: Demands<'a>,
    asking: Asking<'a>,
    rules: &'a Rules,
    now: OffsetDateTime,
    stale_alarm_days: i64,
    audited: Option<&'a [Inventory]>,
    place: &'a Place,
}

/// Groups up to here are looked through for the types in them; of more, all types may be among them.
const FEW: usize = 4;

/// Types of everything that may be judged in these groups, so that only their controls need be loaded; nothing where that
/// is not worth knowing.
#[must_use]
pub fn types_of(groups: &[Group]) -> Option<BTreeSet<TypeName>> {
    if groups.len() > FEW {
        return None;
    }
    // Stand-ins of what is only named, and what SAM makes, are declared nowhere.
    let mut types = BTreeSet::from([TypeName::BUCKET, TypeName::DEPLOYMENT_GROUP, TypeName::ROLE]);
    for source in groups.iter().flat_map(|group| [Some(&group.source), group.before.as_ref()]).flatten() {
        for world in worlds(&source.choices()) {
            let raws = source.declare(&world.assignment, &mut Holes::default());
            types.extend(raws.iter().filter_map(|raw| shape::judged_as(&raw.type_name)));
        }
    }
    Some(types)
}

/// What was found in a group.
#[derive(Debug, Default)]
pub struct Checked {
    /// One finding per control and resource, in the order of [`TemplateFinding::order`].
    pub findings: Vec<TemplateFinding>,
    /// How many resources were judged.
    pub resources: usize,
    /// What was looked at, to be compared with another state.
    pub looked: Vec<Looked>,
    /// What of the open choices could not be tried, as a sentence; of one group only.
    pub left_out: Option<String>,
}

impl Checked {
    /// Adds what was found in another group.
    pub fn add(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.resources += other.resources;
        self.looked.extend(other.looked);
    }
}

/// A resource that was looked at, under the first choice that declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct Looked {
    /// The resource.
    pub declared: DeclaredResource,
    /// Its name as a person reads it; the logical id where it has none.
    pub name: String,
    /// Its facts; none for a type that is only joined to others.
    pub facts: Facts,
}

/// One answer, in one world.
struct Answer {
    world: usize,
    declared: usize,
    finding: Finding,
}

impl<'a> Check<'a> {
    /// Prepares to judge. `audited` is what the last audit saw, to look up what is defined elsewhere.
    ///
    /// # Errors
    /// [`CheckError`] if Cedar does not take the settings.
    pub fn new(
        policies: &'a Policies,
        settings: &Settings,
        rules: &'a Rules,
        now: OffsetDateTime,
        audited: Option<&'a [Inventory]>,
        place: &'a Place,
    ) -> Result<Self, CheckError> {
        let written = now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339)?;
        let asking = Asking::new(policies, &written, "template", settings, &NOBODY)?;
        let stale_alarm_days = settings.0.get("alarmWithoutDataDays").copied().unwrap_or(7);
        Ok(Self { demands: Demands::new(policies), asking, rules, now, stale_alarm_days, audited, place })
    }

    /// Judges what a group declares.
    ///
    /// # Errors
    /// [`CheckError`] if a policy is broken.
    pub fn judge(&self, group: &Group) -> Result<Checked, CheckError> {
        self.judge_source(group.source.as_ref())
    }

    /// Judges one source of a group: what it declares, or what it declared before.
    ///
    /// # Errors
    /// [`CheckError`] if a policy is broken.
    pub fn judge_source(&self, source: &dyn Source) -> Result<Checked, CheckError> {
        let choices = source.choices();
        let worlds = worlds(&choices);
        let surroundings = self.surroundings();
        let mut causes = Causes::default();
        let mut answers: BTreeMap<(ResourceUid, String), Vec<Answer>> = BTreeMap::new();
        let mut all: Vec<(Vec<DeclaredResource>, Holes)> = Vec::new();
        let mut judged: BTreeMap<ResourceUid, (Subject, Vec<Finding>)> = BTreeMap::new();
        let mut first: BTreeMap<ResourceUid, Facts> = BTreeMap::new();
        for (number, world) in worlds.iter().enumerate() {
            let mut holes = Holes::default();
            let raws = source.declare(&world.assignment, &mut holes);
            let mut declared = shape::declared(&raws, &holes);
            declared.extend(surroundings.stand_ins(&declared, &holes));
            causes.see(&declared, &holes);
            for (nth, mut subject) in facts::subjects(&declared, &holes, &surroundings, worlds.len()) {
                let Some(one) = declared.get(nth) else { continue };
                subject.uid = one.id.clone();
                let findings = match judged.get(&one.id) {
                    Some((known, findings)) if *known == subject => findings.clone(),
                    _ => self.asking.judge(&subject)?,
                };
                for finding in &findings {
                    let key = (one.id.clone(), finding.control.clone());
                    answers.entry(key).or_default().push(Answer {
                        world: number,
                        declared: nth,
                        finding: finding.clone(),
                    });
                }
                if let Some((known, _)) = judged.insert(one.id.clone(), (subject, findings)) {
                    first.entry(one.id.clone()).or_insert(known.facts);
                }
            }
            all.push((declared, holes));
        }
        let pointing: Vec<Pointing<'_>> =
            all.iter().map(|(declared, holes)| Pointing::new(&self.demands, declared, holes, &surroundings)).collect();
        let mut findings: Vec<TemplateFinding> =
            answers.into_values().filter_map(|answers| finding(&answers, &worlds, &pointing, &causes)).collect();
        drop(pointing);
        findings.sort_by(|a, b| a.order().cmp(&b.order()));
        let resources = judged.len();
        for (id, (subject, _)) in judged {
            first.entry(id).or_insert(subject.facts);
        }
        Ok(Checked { findings, resources, looked: looked(all, first), left_out: left_out(&choices) })
    }

    fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            rules: self.rules,
            now: self.now,
            stale_alarm_days: self.stale_alarm_days,
            audited: self.audited,
            place: self.place,
        }
    }

    /// The facts that the policies are asked about, each with the number of its resource. What depends on a hole is
    /// unknown.
    #[must_use]
    pub fn facts(&self, declared: &[DeclaredResource], holes: &Holes) -> Vec<(usize, Subject)> {
        facts::subjects(declared, holes, &self.surroundings(), 1)
    }
}

fn looked(all: Vec<(Vec<DeclaredResource>, Holes)>, mut facts: BTreeMap<ResourceUid, Facts>) -> Vec<Looked> {
    let mut looked: BTreeMap<ResourceUid, Looked> = BTreeMap::new();
    for (declared, holes) in all {
        for one in declared {
            if !looked.contains_key(&one.id) {
                let named = shape::name_of(&one.resource);
                let name = named.map_or_else(|| one.logical_id.clone(), |name| holes.spoken(name));
                let facts = facts.remove(&one.id).unwrap_or_default();
                looked.insert(one.id.clone(), Looked { declared: one, name, facts });
            }
        }
    }
    looked.into_values().collect()
}

fn finding(answers: &[Answer], worlds: &[World], all: &[Pointing<'_>], causes: &Causes) -> Option<TemplateFinding> {
    let said: Vec<(&World, ComplianceType)> =
        answers.iter().filter_map(|answer| Some((worlds.get(answer.world)?, answer.finding.compliance))).collect();
    let (compliance, at, alternatives) = verdict::merged(&said);
    let answer = answers.get(at)?;
    let pointing = all.get(answer.world)?;
    let declared = pointing.declared.get(answer.declared)?;
    let mut finding = answer.finding.clone();
    finding.compliance = compliance;
    let open = (compliance == ComplianceType::InsufficientData).then(|| causes.blind(&finding.gaps));
    if finding.gaps.is_empty() && compliance == ComplianceType::InsufficientData {
        finding.gaps =
            alternatives.iter().map(|line| format!("it is {} when {}", line.compliance, line.when)).collect();
    }
    let pointed = pointing.of(answer.declared, &finding)?;
    Some(TemplateFinding {
        fingerprint: TemplateFinding::fingerprint_of(&finding.control, &declared.logical_id, pointed.stable_path()),
        finding,
        logical_id: declared.logical_id.clone(),
        construct_path: declared.construct_path.clone(),
        place: pointed.place,
        related: pointed.related,
        property_path: pointed.property_path,
        alternatives,
        blind: open,
        change: TemplateChange::New,
    })
}
