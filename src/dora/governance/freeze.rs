//! G11: freezes: times in which nothing is deployed to production.
//!
//! In: the configured windows, deployments, and transitions that were enabled. Out: what was released in one. Going back
//! is always allowed.

use serde_json::Value;

use super::super::{DeploymentKind, FreezeWindow};
use super::bypass::of_deployment;
use super::verdict::{Observation, Verdict};
use super::view::View;
use crate::inventory::wildcard_matches;

/// The windows that hold for a service and touch the time that is looked at.
pub(super) fn freezes<'a>(view: &View<'a>) -> Vec<&'a FreezeWindow> {
    let service = view.service;
    let names: Vec<&str> = [service.key.0.as_str(), service.name.as_str()]
        .into_iter()
        .chain(service.pipelines.iter().chain(&service.deployment_groups).map(String::as_str))
        .collect();
    let holds = |freeze: &&FreezeWindow| {
        let for_it = freeze.services.is_empty()
            || freeze.services.iter().any(|pattern| names.iter().any(|name| wildcard_matches(pattern, name)));
        for_it && freeze.from < view.sight.window.to && view.sight.window.from < freeze.to
    };
    view.options.freezes.iter().filter(holds).collect()
}

/// Names of [`freezes`], as a property.
pub(super) fn names(view: &View<'_>) -> Value {
    let names: std::collections::BTreeSet<&str> = freezes(view).iter().map(|freeze| freeze.name.as_str()).collect();
    names.into_iter().collect()
}

/// Released in a freeze.
pub(super) fn broken(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let freezes = freezes(view);
    if freezes.is_empty() {
        return verdict;
    }
    for freeze in freezes {
        let within = |time| freeze.from <= time && time < freeze.to;
        for deployment in &view.deployments {
            let releases = matches!(deployment.kind, DeploymentKind::Forward | DeploymentKind::RedeploySame);
            if releases && within(deployment.started) {
                let what = format!("deployed in the freeze \"{}\":", freeze.name);
                verdict.see(of_deployment(deployment, &what, view));
            }
        }
        for pipe in &view.pipelines {
            for event in view.calls(pipe, "EnableStageTransition").filter(|event| within(event.time)) {
                let stage = event.request.text(&["stageName"]).unwrap_or_default();
                let what = format!("enabled {}/{stage} in the freeze \"{}\"", pipe.name, freeze.name);
                verdict.see(Observation::of(event, what));
            }
        }
    }
    verdict.blind(view.unseen_executions());
    verdict.blind(view.unheard(&["EnableStageTransition"]));
    verdict
}
