//! What the numbers of a group are made of: the raw observations of its services, of those that can be said.
//!
//! In: services with their deployments, changes, runs and tests. Out: a [`Pool`] for one metric. Groups are pooled from
//! raw observations; a median of medians says nothing.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use super::Metric;
use super::intervals::Intervals;
use super::observation::{Observation, Observed, Records, Register, Seen};
use super::statistics::size;
use super::window::Window;
use crate::dora::{
    Change, Delivery, Deployment, DeploymentKind, EvidenceCode, MeasureStatus, Options, Outcome, Run, Service,
    ServiceKey, TestRun,
};

/// Everything of one service.
#[derive(Debug)]
pub(super) struct ServiceData<'a> {
    /// The service.
    pub(super) service: &'a Service,
    /// Its deployments up to "now", by end and id; those before the window too.
    pub(super) deployments: Vec<&'a Deployment>,
    /// Its changes.
    pub(super) changes: Vec<&'a Change>,
    /// Runs of its pipelines.
    pub(super) runs: Vec<&'a Run>,
    /// Its tests.
    pub(super) tests: Vec<&'a TestRun>,
    /// How far it is known.
    pub(super) observation: Observation<'a>,
}

/// A service, or what one of its pipelines did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    /// The service.
    pub(super) data: &'a ServiceData<'a>,
    /// The pipeline, if only that is meant.
    pub(super) pipeline: Option<&'a str>,
}

/// When a deployment ended, or began if it has not ended or nobody knows.
pub(super) fn ended(deployment: &Deployment) -> OffsetDateTime {
    deployment.finished.unwrap_or(deployment.started)
}

/// Whether a deployment brought a new version to production.
pub(super) fn is_delivery(deployment: &Deployment) -> bool {
    deployment.kind == DeploymentKind::Forward && deployment.outcome == Outcome::Succeeded
}

/// Whether evidence says that a completed change failed. A fix that followed (E7) is evidence only if asked for.
pub(super) fn is_failed_change(deployment: &Deployment, options: &Options) -> bool {
    let counts = |code: EvidenceCode| code != EvidenceCode::E7 || options.suspect_fixes;
    deployment.is_completed_change() && deployment.evidence.iter().any(|evidence| counts(evidence.code))
}

/// Whether a deployment is so young that it may still turn out to have failed.
pub(super) fn is_pending(deployment: &Deployment, options: &Options) -> bool {
    options.as_of - ended(deployment) < options.observation_lag
}

/// The services of a delivery, each with everything of it, by key.
pub(super) fn gather<'a>(delivery: &'a Delivery, window: &Window) -> BTreeMap<&'a ServiceKey, ServiceData<'a>> {
    let register = Register::of(delivery);
    let deployments = by_service(delivery.deployments.iter().filter(|d| d.started < window.to), |d| &d.service);
    let changes = by_service(&delivery.changes, |change| &change.service);
    let runs = by_service(&delivery.runs, |run| &run.service);
    let tests = by_service(&delivery.tests, |test| &test.service);
    let data = delivery.services.iter().map(|service| {
        let key = &service.key;
        let mut deployments = deployments.get(key).cloned().unwrap_or_default();
        deployments.sort_by_key(|deployment| (ended(deployment), deployment.id.as_str()));
        let runs = runs.get(key).cloned().unwrap_or_default();
        let ends = |d: &&Deployment| !matches!(d.outcome, Outcome::Unknown | Outcome::InProgress);
        let records = match deployments.as_slice() {
            some if !runs.is_empty() || some.iter().any(ends) => Records::Outcomes,
            [] => Records::Nothing,
            _ => Records::Requests,
        };
        let observation = register.observe(service, records, window);
        let changes = changes.get(key).cloned().unwrap_or_default();
        let tests = tests.get(key).cloned().unwrap_or_default();
        (key, ServiceData { service, deployments, changes, runs, tests, observation })
    });
    data.collect()
}

fn by_service<'a, T>(
    records: impl IntoIterator<Item = &'a T>,
    key: impl Fn(&'a T) -> &'a ServiceKey,
) -> BTreeMap<&'a ServiceKey, Vec<&'a T>> {
    let mut all: BTreeMap<&ServiceKey, Vec<&T>> = BTreeMap::new();
    for record in records {
        all.entry(key(record)).or_default().push(record);
    }
    all
}

impl<'a> Part<'a> {
    /// Whether a deployment is of it.
    pub(super) fn holds(&self, deployment: &Deployment) -> bool {
        self.pipeline.is_none_or(|pipeline| deployment.pipeline.as_deref() == Some(pipeline))
    }

    /// Deployments, those before the window too.
    pub(super) fn deployments(&self) -> impl Iterator<Item = &'a Deployment> + use<'a> {
        let this = *self;
        self.data.deployments.iter().copied().filter(move |deployment| this.holds(deployment))
    }

    fn changes(&self) -> Vec<&'a Change> {
        let changes = self.data.changes.iter().copied();
        if self.pipeline.is_none() {
            return changes.collect();
        }
        let ids: BTreeSet<&str> = self.deployments().map(|deployment| deployment.id.as_str()).collect();
        changes.filter(|change| ids.contains(change.deployment.as_str())).collect()
    }

    /// Whether tests are known to be of it: they are told apart by service, not by pipeline.
    pub(super) fn owns_tests(&self) -> bool {
        self.pipeline.is_none() || self.data.service.pipelines.len() == 1
    }

    /// Runs of its pipelines.
    pub(super) fn runs(&self) -> impl Iterator<Item = &'a Run> + use<'a> {
        let pipeline = self.pipeline;
        let runs = self.data.runs.iter().copied();
        runs.filter(move |run| pipeline.is_none_or(|pipeline| run.pipeline == pipeline))
    }
}

/// A service's part in a pool.
#[derive(Debug)]
pub(super) struct Measured<'a> {
    /// The service or pipeline.
    pub(super) part: Part<'a>,
    /// What of the window was looked at.
    pub(super) observed: Intervals,
}

/// The observations of a group for one metric.
#[derive(Debug)]
pub(super) struct Pool<'a> {
    /// What was asked.
    pub(super) options: &'a Options,
    /// The window.
    pub(super) window: &'a Window,
    /// Services of which the metric can be said.
    pub(super) measured: Vec<Measured<'a>>,
    /// Services of which it cannot, and why.
    pub(super) blocked: Vec<(Part<'a>, MeasureStatus, String)>,
    /// Why less than everything is known, by service.
    pub(super) less: Vec<(Part<'a>, Vec<String>)>,
    /// Stretches in which all services that were collected were looked at.
    pub(super) shared: Intervals,
}

impl<'a> Pool<'a> {
    /// Sorts the parts of a group into those of which a metric can be said and those of which it cannot.
    pub(super) fn of(metric: &dyn Metric, parts: &[Part<'a>], options: &'a Options, window: &'a Window) -> Self {
        let mut pool = Self {
            options,
            window,
            measured: Vec::new(),
            blocked: Vec::new(),
            less: Vec::new(),
            shared: window.whole(),
        };
        for part in parts {
            let observation = &part.data.observation;
            let Observed { intervals, less } = observation.observed(metric, window);
            // Blocked services count here too: blocking one must not turn a week nobody saw whole into one.
            if matches!(observation.seen, Seen::Spans | Seen::Records) {
                pool.shared = pool.shared.within(&intervals);
            }
            if let Some((status, reason)) = observation.blocked(metric, window) {
                pool.blocked.push((*part, status, reason));
                continue;
            }
            if !less.is_empty() {
                pool.less.push((*part, less));
            }
            pool.measured.push(Measured { part: *part, observed: intervals });
        }
        pool
    }

    /// For the course over days and weeks: only the services that were seen the whole time, if there are any, so that one
    /// with a hole neither hides the others' course nor looks like growth where its hole ends.
    pub(super) fn steady(&self) -> Self {
        let (from, to) = (self.window.from, self.window.to);
        let whole = |measured: &&Measured<'_>| measured.observed.cover(from, to);
        let any = self.measured.iter().any(|measured| whole(&measured));
        let kept = self.measured.iter().filter(|measured| !any || whole(measured));
        Self {
            options: self.options,
            window: self.window,
            measured: kept.map(|one| Measured { part: one.part, observed: one.observed.clone() }).collect(),
            blocked: Vec::new(),
            less: Vec::new(),
            shared: if any { self.window.whole() } else { self.shared.clone() },
        }
    }

    /// Deployments that ended in the window, or, unfinished, began in it.
    pub(super) fn deployments(&self) -> impl Iterator<Item = &'a Deployment> + '_ {
        let window = self.window;
        self.measured
            .iter()
            .flat_map(|measured| measured.part.deployments())
            .filter(move |deployment| window.contains(ended(deployment)))
    }

    /// Forward deployments of the window that ended, old enough to be judged, and how many are too young.
    pub(super) fn settled_changes(&self) -> (Vec<&'a Deployment>, u64) {
        let completed = self.deployments().filter(|deployment| deployment.is_completed_change());
        let (pending, settled): (Vec<_>, Vec<_>) = completed.partition(|d| is_pending(d, self.options));
        (settled, size(&pending))
    }

    /// Changes deployed in the window.
    pub(super) fn changes(&self) -> impl Iterator<Item = &'a Change> + '_ {
        let changes = self.measured.iter().flat_map(|measured| measured.part.changes());
        changes.filter(|change| self.window.contains(change.deployed))
    }

    /// Changes deployed in the part of the window in which their service was looked at.
    pub(super) fn observed_changes(&self) -> impl Iterator<Item = &'a Change> + '_ {
        self.measured.iter().flat_map(|measured| {
            let changes = measured.part.changes().into_iter();
            changes.filter(|change| measured.observed.contain(change.deployed))
        })
    }

    /// Runs that ended in the window.
    pub(super) fn runs(&self) -> impl Iterator<Item = (&'a Run, OffsetDateTime)> + '_ {
        let runs = self.measured.iter().flat_map(|measured| measured.part.runs());
        let ended = runs.filter_map(|run| Some((run, run.finished?)));
        ended.filter(|(_, finished)| self.window.contains(*finished))
    }

    /// Runs of tests that began in the window.
    pub(super) fn tests(&self) -> impl Iterator<Item = &'a TestRun> + '_ {
        let parts = self.measured.iter().map(|measured| measured.part).filter(Part::owns_tests);
        let tests = parts.flat_map(|part| part.data.tests.iter().copied());
        tests.filter(|test| self.window.contains(test.started))
    }

    /// Deployments of the window, of blocked services too.
    pub(super) fn seen_deployments(&self) -> u64 {
        let blocked = self.blocked.iter().map(|(part, ..)| part);
        let parts = blocked.chain(self.measured.iter().map(|measured| &measured.part));
        let all = parts.flat_map(Part::deployments).filter(|deployment| self.window.contains(ended(deployment)));
        u64::try_from(all.count()).unwrap_or(u64::MAX)
    }
}
