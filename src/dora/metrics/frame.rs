//! One metric of one group, with how far it can be trusted.
//!
//! In: a metric and the services of a group. Out: a [`Measure`] that says its status, how many observations it is made
//! of, from when on, from which sources, and in words why it is less than everything.

use std::collections::BTreeSet;

use super::Metric;
use super::pool::{Part, Pool};
use super::reading::{Reading, counted};
use super::statistics::size;
use super::window::Window;
use crate::dora::{Measure, MeasureStatus, MetricName, Options, Value};
use crate::history::HistorySource;

/// Further reasons of a large group are counted, not listed.
const MOST_REASONS: usize = 3;

/// Measures one metric of the services of a group, pooled.
pub(super) fn measure(metric: &dyn Metric, parts: &[Part<'_>], options: &Options, window: &Window) -> Measure {
    let pool = Pool::of(metric, parts, options, window);
    if pool.measured.is_empty() {
        return unsaid(metric, &pool);
    }
    let reading = metric.read(&pool);
    let is_partial = !pool.less.is_empty() || !pool.blocked.is_empty();
    let status = match reading.status {
        MeasureStatus::Ok if is_partial => MeasureStatus::Partial,
        status => status,
    };
    let observed_from = pool.measured.iter().filter_map(|measured| measured.observed.begin()).max();
    let mut sources: BTreeSet<HistorySource> = BTreeSet::new();
    for measured in &pool.measured {
        sources.extend(measured.part.data.observation.sources(metric, reading.uses_events, window));
    }
    Measure {
        metric: metric.name(),
        status,
        n: reading.n,
        reasons: reasons(metric, &pool, &reading),
        tier: reading.tier,
        basis: reading.basis,
        observed_from: observed_from.filter(|from| *from > window.from),
        sources: sources.into_iter().collect(),
        distribution: reading.distribution,
        values: reading.values,
    }
}

/// A metric that cannot be said of any service of the group.
fn unsaid(metric: &dyn Metric, pool: &Pool<'_>) -> Measure {
    let exists = pool.blocked.iter().any(|(_, status, _)| *status == MeasureStatus::NotMeasurable);
    let status = if exists { MeasureStatus::NotMeasurable } else { MeasureStatus::NotCollected };
    let why = listed(pool.blocked.iter().map(|(_, _, reason)| reason.as_str()));
    let why = if why.is_empty() { "there is no service".to_owned() } else { why };
    let (statistic, unit) = metric.headline();
    Measure {
        metric: metric.name(),
        status,
        n: 0,
        values: vec![Value::new(statistic, None, unit, 0)],
        tier: None,
        basis: None,
        reasons: vec![cannot_be_said(metric.name(), &why, pool.seen_deployments())],
        observed_from: None,
        sources: Vec::new(),
        distribution: None,
    }
}

fn reasons(metric: &dyn Metric, pool: &Pool<'_>, reading: &Reading) -> Vec<String> {
    let mut own = reading.reasons.iter();
    let mut reasons = Vec::new();
    if reading.values.first().is_none_or(|value| value.value.is_none()) {
        let why = own.next().map_or("nothing was observed", String::as_str);
        reasons.push(cannot_be_said(metric.name(), why, pool.seen_deployments()));
    }
    reasons.extend(own.map(|reason| sentence(reason)));
    let all = size(&pool.measured) + size(&pool.blocked);
    if !pool.blocked.is_empty() {
        let why = listed(pool.blocked.iter().map(|(_, _, reason)| reason.as_str()));
        let blocked = size(&pool.blocked);
        reasons.push(sentence(&format!("{blocked} of {} left out: {why}", counted(all, "service"))));
    }
    if all == 1 {
        reasons.extend(pool.less.iter().flat_map(|(_, less)| less).map(|reason| sentence(reason)));
    } else if !pool.less.is_empty() {
        let why = listed(pool.less.iter().flat_map(|(_, less)| less).map(String::as_str));
        let known = counted(all, "service");
        reasons.push(sentence(&format!("{} of {known} known only in part: {why}", size(&pool.less))));
    }
    if metric.name() == MetricName::DeploymentFrequency {
        reasons.extend(assumed(pool));
    }
    let mut before = BTreeSet::new();
    reasons.retain(|reason| before.insert(reason.clone()));
    reasons
}

/// Says where production was only assumed: then everything rests on a guess.
fn assumed(pool: &Pool<'_>) -> Option<String> {
    let services = pool.measured.iter().map(|measured| measured.part.data.service);
    let assumed: Vec<_> = services.filter(|service| service.production_is_assumed).collect();
    let shown = assumed.first()?.production.as_deref().unwrap_or("the last stage that deploys");
    Some(if pool.measured.len() == 1 {
        sentence(&format!("what is production is only assumed: {}", shown.trim_end_matches('.')))
    } else {
        let all = counted(size(&pool.measured), "service");
        sentence(&format!("what is production is only assumed for {} of {all}", size(&assumed)))
    })
}

fn cannot_be_said(name: MetricName, why: &str, deployments: u64) -> String {
    sentence(&format!("{} cannot be said: {why}; {} seen", name.title(), counted(deployments, "deployment")))
}

/// The first few different reasons.
fn listed<'a>(reasons: impl Iterator<Item = &'a str>) -> String {
    let distinct: BTreeSet<&str> = reasons.collect();
    let more = distinct.len().saturating_sub(MOST_REASONS);
    let mut shown: Vec<String> = distinct.iter().take(MOST_REASONS).map(|reason| (*reason).to_owned()).collect();
    if more > 0 {
        shown.push(format!("and {more} other reasons"));
    }
    shown.join("; ")
}

/// With a capital, unless an identifier begins it (`codepipeline:ListActionExecutions`), and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim();
    let word = text.split_whitespace().next().unwrap_or_default().trim_end_matches([':', ';', ',', '.']);
    let is_identifier = word.contains(|it: char| !it.is_ascii_alphabetic() && it != '\'');
    let mut letters = text.chars();
    let first = letters.next().map(|first| if is_identifier { first } else { first.to_ascii_uppercase() });
    let mut sentence: String = first.into_iter().chain(letters).collect();
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn identifiers_keep_their_letters_at_the_begin_of_a_sentence() {
        assert_eq!(
            sentence("codepipeline:ListActionExecutions in 1 place"),
            "codepipeline:ListActionExecutions in 1 place."
        );
        assert_eq!(sentence("source-host could not be seen"), "source-host could not be seen.");
        assert_eq!(sentence("its executions were not looked at"), "Its executions were not looked at.");
    }
}
