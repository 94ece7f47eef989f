//! All deliveries of a run, each for itself.
//!
//! In: the configured receivers and a sealed run. Out: an [`Outcome`] for every one of them: one that cannot be opened,
//! fails or breaks off keeps no other from being delivered.

use std::path::Path;

use futures_util::future::join_all;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Delivery, DeliveryError, Memory, Notice, Outcome, Package, Preview, Status, Target, Way};
use crate::run::RunDirectory;

/// A run that ended without a verdict, or broke off before it had one.
pub struct FailedRun<'a> {
    /// Its folder; it has no [`RunDirectory::failure`] where it broke off and may go on.
    pub run: &'a RunDirectory,
    /// What is said of it.
    pub notice: Notice,
    /// When it is said.
    pub now: OffsetDateTime,
}

/// A receiver that was opened, or why it could not be.
pub struct Opened<'a> {
    target: &'a Target,
    delivery: Result<Box<dyn Delivery>, DeliveryError>,
}

/// Opens receivers; those that cannot be opened are told of when they should deliver.
#[must_use]
pub fn open_all<'a>(targets: &[&'a Target], way: &Way<'_>) -> Vec<Opened<'a>> {
    targets.iter().copied().map(|target| Opened { target, delivery: target.receiver.open(way) }).collect()
}

fn at(now: OffsetDateTime) -> String {
    now.format(&Rfc3339).unwrap_or_default()
}

/// Delivers a sealed run to all, at the same time; `out` keeps their memories.
pub async fn deliver_all(package: &Package<'_>, opened: Vec<Opened<'_>>, out: &Path) -> Vec<Outcome> {
    let each = opened.into_iter().map(|Opened { target, delivery }| async move {
        let (receiver, result) = match delivery {
            Err(error) => (target.kind.to_owned(), Err(error)),
            Ok(delivery) => {
                let result = async {
                    let mut memory = Memory::open(out, &target.name)?;
                    delivery.deliver(package, &mut memory).await
                };
                (delivery.receiver(), result.await)
            }
        };
        let outcome = Outcome::of(&target.name, target.kind, receiver, &at(package.now), result);
        log(&outcome, package.manifest.run.run_id.as_str());
        outcome
    });
    join_all(each).await
}

/// Says to all receivers of messages that a run has no verdict; the others are not in the answer.
pub async fn notify_failure(failed: &FailedRun<'_>, opened: Vec<Opened<'_>>, out: &Path) -> Vec<Outcome> {
    let each = opened.into_iter().map(|Opened { target, delivery }| async move {
        let (receiver, result) = match delivery {
            Err(error) => (target.kind.to_owned(), Err(error)),
            Ok(delivery) => {
                let result = async {
                    let mut memory = Memory::open(out, &target.name)?;
                    delivery.deliver_failure(failed, &mut memory).await
                };
                (delivery.receiver(), result.await)
            }
        };
        let result = result.transpose()?;
        let outcome = Outcome::of(&target.name, target.kind, receiver, &at(failed.now), result);
        log(&outcome, failed.notice.run.run_id.as_str());
        Some(outcome)
    });
    join_all(each).await.into_iter().flatten().collect()
}

/// What would be sent to each, by name; nothing is asked and nothing is sent.
pub async fn preview_all(
    package: &Package<'_>,
    opened: Vec<Opened<'_>>,
    out: &Path,
) -> Vec<(String, Result<(String, Preview), DeliveryError>)> {
    let mut previews = Vec::new();
    for Opened { target, delivery } in opened {
        let preview = async {
            let delivery = delivery?;
            let memory = Memory::look(out, &target.name)?;
            Ok((delivery.receiver(), delivery.preview(package, &memory).await?))
        };
        previews.push((target.name.clone(), preview.await));
    }
    previews
}

fn log(outcome: &Outcome, run: &str) {
    let Outcome { name, kind, sent, unchanged, .. } = outcome;
    let (refused, status) = (outcome.refused.len(), outcome.status.as_str());
    match (outcome.status, &outcome.problem) {
        (Status::Delivered, _) => tracing::info!(run, name, kind, sent, unchanged, status, "delivery"),
        (_, problem) => {
            let problem = problem.as_deref().unwrap_or_default();
            tracing::warn!(run, name, kind, sent, unchanged, refused, status, problem, "delivery");
        }
    }
}
