//! One service: its numbers with their reasons, its weeks, its lead times, and the deployments behind them.

use super::services::open;
use super::{add, plot, text};
use crate::dora::{Deployment, LeadTime, Measure, MeasureStatus, MetricName};
use crate::history::{HistorySource, Principal};
use crate::report::dora::numbers::{duration, float, minute, value_in_words, words};
use crate::report::dora::ranking::{FIVE, Row, status_in_words};
use crate::report::dora::wording::{interval, number, reasons};
use crate::report::text::{counted, grouped};

const DEPLOYMENTS: usize = 40;
const CHANGES: usize = 40;

/// The section of a service.
pub(super) fn section(row: &Row<'_>, anchor: &str, deployments: &[&Deployment], changes: &[&LeadTime]) -> String {
    let mut out = format!("<section id=\"{anchor}\">\n<h2>{}</h2>\n{}", text(row.name(), 160), facts(row));
    out.push_str("<div class=\"tiles\">\n");
    for metric in MetricName::ALL {
        let measure = row.measure(metric);
        let is_said = measure.is_some_and(|measure| measure.status < MeasureStatus::NotMeasurable);
        if FIVE.contains(&metric) || is_said {
            out.push_str(&tile(metric, measure));
        }
    }
    out.push_str("</div>\n");
    let all = reasons(row);
    if !all.is_empty() {
        out.push_str("<ul class=\"reasons\">\n");
        for (metrics, reason) in &all {
            add(&mut out, format_args!("<li><strong>{}</strong>: {}</li>\n", text(metrics, 120), text(reason, 500)));
        }
        out.push_str("</ul>\n");
    }
    out.push_str("<div class=\"figures\">\n");
    out.push_str(&plot::trend(row, anchor));
    let distributed = [
        MetricName::ChangeLeadTime,
        MetricName::PipelineLeadTime,
        MetricName::FailedDeploymentRecoveryTime,
        MetricName::PipelineDuration,
    ];
    for metric in distributed {
        if let Some(distribution) = row.measure(metric).and_then(|measure| measure.distribution.as_ref()) {
            out.push_str(&plot::distribution(metric, distribution, anchor));
        }
    }
    out.push_str("</div>\n");
    out.push_str(&numbers(row));
    out.push_str(&table_of_deployments(anchor, deployments));
    out.push_str(&table_of_changes(anchor, changes));
    out.push_str("<p><a href=\"#services\">All services</a></p>\n</section>\n");
    out
}

fn facts(row: &Row<'_>) -> String {
    let mut parts = vec![format!("<code>{}</code>", text(row.key(), 300))];
    if let Some(service) = row.service {
        if let Some(unit) = &service.organizational_unit {
            parts.push(text(unit, 200));
        }
        parts.push(match (&service.production, service.production_is_assumed) {
            (Some(production), false) => format!("production: {}", text(production, 200)),
            (Some(production), true) => format!("production (assumed): {}", text(production, 200)),
            (None, _) => "<span class=\"warn\">nothing of it is known to be production</span>".to_owned(),
        });
        if let Some(why) = &service.not_measurable {
            parts.push(format!("<span class=\"warn\">not measurable: {}</span>", text(why, 300)));
        }
    }
    format!("<p class=\"quiet\">{}</p>\n{}", parts.join(" · "), open(row))
}

fn tile(metric: MetricName, measure: Option<&Measure>) -> String {
    let status = measure.map_or(MeasureStatus::NotCollected, |measure| measure.status);
    let mut lines = vec![format!(
        "<span class=\"mark {}\">{}</span> n {}",
        status.name(),
        status_in_words(status),
        measure
            .filter(|_| status < MeasureStatus::NotMeasurable)
            .map_or("–".to_owned(), |measure| grouped(measure.n))
    )];
    if let Some(measure) = measure {
        if let Some(interval) = interval(measure) {
            lines.push(format!("95 % interval {}", text(&interval, 60)));
        }
        if let Some(tier) = measure.tier {
            lines.push(format!("tier {}", tier.name()));
        }
        if let Some(basis) = measure.basis {
            lines.push(match basis {
                crate::dora::Basis::DeploymentSignal => "of deployments alone".to_owned(),
                crate::dora::Basis::Incident => "with incidents".to_owned(),
            });
        }
        if let Some(from) = measure.observed_from {
            lines.push(format!("known from {}", minute(from)));
        }
    }
    let lines = lines.iter().map(|line| format!("<p>{line}</p>")).collect::<Vec<_>>().concat();
    format!(
        "<div class=\"tile {}\"><h3>{}</h3><span class=\"value\">{}</span>{lines}</div>\n",
        status.name(),
        metric.title(),
        text(&number(measure), 40)
    )
}

fn numbers(row: &Row<'_>) -> String {
    let mut out = String::from(
        "<details><summary>All numbers</summary>\n<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">metric</th><th scope=\"col\">statistic</th>\
         <th scope=\"col\" class=\"number\">value</th><th scope=\"col\" class=\"number\">n</th><th scope=\"col\">status</th><th scope=\"col\">sources</th></tr></thead>\n<tbody>\n",
    );
    for measure in &row.numbers.measures {
        let sources: Vec<&str> = measure.sources.iter().map(|source| HistorySource::name(*source)).collect();
        let tail = format!(
            "<td><span class=\"mark {}\">{}</span></td><td class=\"long\">{}</td></tr>\n",
            measure.status.name(),
            status_in_words(measure.status),
            sources.join(", ")
        );
        let head = format!("<tr><th scope=\"row\">{}</th>", measure.metric.title());
        if measure.values.is_empty() {
            add(&mut out, format_args!("{head}<td></td><td class=\"number\">–</td><td class=\"number\">–</td>{tail}"));
        }
        for value in &measure.values {
            let labels: Vec<String> = value.labels.iter().map(|(name, text)| format!(" {name}={text}")).collect();
            let statistic = format!("{}{}", value.statistic, labels.concat());
            add(
                &mut out,
                format_args!(
                    "{head}<td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>{tail}",
                    text(&statistic, 120),
                    text(&value_in_words(value), 40),
                    grouped(value.n)
                ),
            );
        }
    }
    out.push_str("</tbody></table></div>\n");
    if let Some(check) = &row.numbers.quick_check {
        let part = |name: &str, score: Option<f64>| format!("{name} {}", words(score, crate::dora::Unit::Score));
        add(
            &mut out,
            format_args!(
                "<p>Quick Check, benchmark of {}: {}; {}; {}. It orders nothing: services differ in what they do.</p>\n",
                check.benchmark_year,
                part("throughput", check.throughput),
                part("stability", check.stability),
                part("overall", check.overall)
            ),
        );
    }
    out.push_str("</details>\n");
    out
}

fn table_of_deployments(anchor: &str, deployments: &[&Deployment]) -> String {
    if deployments.is_empty() {
        return "<p class=\"quiet\">No deployment in the window was seen.</p>\n".to_owned();
    }
    let title = counted(deployments.len() as u64, "deployment");
    let mut out = format!(
        "<details id=\"{anchor}-deployments\"><summary>{title} behind these numbers, newest first</summary>\n<div class=\"wide\"><table>\n\
         <thead><tr><th scope=\"col\">finished (UTC)</th><th scope=\"col\">kind</th><th scope=\"col\">outcome</th><th scope=\"col\">took</th>\
         <th scope=\"col\">evidence of failure</th><th scope=\"col\">by, approved by</th><th scope=\"col\">what</th></tr></thead>\n<tbody>\n"
    );
    for (place, deployment) in deployments.iter().take(DEPLOYMENTS).enumerate() {
        out.push_str(&deployment_row(&format!("{anchor}-d{}", place + 1), deployment));
    }
    out.push_str("</tbody></table></div>\n");
    let more = deployments.len().saturating_sub(DEPLOYMENTS) as u64;
    if more > 0 {
        add(
            &mut out,
            format_args!("<p>… and {} in <code>deployments.csv</code></p>\n", counted(more, "more deployment")),
        );
    }
    out.push_str("</details>\n");
    out
}

fn deployment_row(anchor: &str, deployment: &Deployment) -> String {
    let finished = deployment.finished.map_or_else(|| "not known".to_owned(), minute);
    let took = deployment.finished.map_or_else(
        || "–".to_owned(),
        |finished| duration(float(u64::try_from((finished - deployment.started).whole_seconds().max(0)).unwrap_or(0))),
    );
    let retried = if deployment.attempts > 1 { format!(", {} attempts", deployment.attempts) } else { String::new() };
    let unplanned = match (deployment.unplanned, deployment.unplanned_is_flagged) {
        (false, _) => "",
        (true, true) => ", unplanned",
        (true, false) => ", perhaps unplanned",
    };
    let evidence: Vec<String> = deployment
        .evidence
        .iter()
        .map(|evidence| format!("{} ({}) {}", evidence.code.name(), evidence.confidence.name(), text(&evidence.id, 60)))
        .collect();
    let class = if deployment.evidence.is_empty() { "long" } else { "long bad" };
    let actor = deployment.actor.as_ref().map_or_else(|| "not known".to_owned(), Principal::shown);
    let approvers: Vec<String> = deployment.approvers.iter().map(Principal::shown).collect();
    let approved = if approvers.is_empty() { String::new() } else { format!("; {}", approvers.join(", ")) };
    let summary = deployment
        .revisions
        .iter()
        .map(|revision| match &revision.summary {
            Some(summary) => format!("{} {}", revision.id, summary),
            None => revision.id.clone(),
        })
        .collect::<Vec<_>>()
        .join("; ");
    format!(
        "<tr id=\"{anchor}\"><th scope=\"row\" class=\"time\">{finished}</th><td>{}{}</td><td>{}{retried}</td><td>{took}</td><td class=\"{class}\">{}</td>\
         <td class=\"long\">{}{}</td><td class=\"long\">{}<span class=\"foot\"><code>{}</code></span></td></tr>\n",
        deployment.kind.name(),
        unplanned,
        deployment.outcome.name(),
        evidence.join("<br>"),
        text(&actor, 100),
        text(&approved, 200),
        text(&summary, 160),
        text(deployment.execution.as_deref().unwrap_or(&deployment.id), 80)
    )
}

fn table_of_changes(anchor: &str, changes: &[&LeadTime]) -> String {
    if changes.is_empty() {
        return String::new();
    }
    let title = counted(changes.len() as u64, "change");
    let mut out = format!(
        "<details id=\"{anchor}-changes\"><summary>{title} and their lead times, slowest first</summary>\n<div class=\"wide\"><table>\n\
         <thead><tr><th scope=\"col\">commit</th><th scope=\"col\">committed (UTC)</th><th scope=\"col\">deployed (UTC)</th>\
         <th scope=\"col\">lead time</th><th scope=\"col\">tier</th></tr></thead>\n<tbody>\n"
    );
    let mut sorted: Vec<&&LeadTime> = changes.iter().collect();
    sorted.sort_by(|a, b| b.seconds.cmp(&a.seconds).then_with(|| a.change.commit.cmp(&b.change.commit)));
    for lead_time in sorted.iter().take(CHANGES) {
        let change = &lead_time.change;
        let lead = match lead_time.seconds {
            Some(seconds) => duration(float(seconds)),
            None => format!("does not count: {}", fate_in_words(change.fate)),
        };
        add(
            &mut out,
            format_args!(
                "<tr><th scope=\"row\"><code>{}</code></th><td class=\"time\">{}</td><td class=\"time\">{}</td><td>{lead}</td><td>{}</td></tr>\n",
                text(&change.commit, 60),
                change.committed.map_or_else(|| "not known".to_owned(), minute),
                minute(change.deployed),
                change.tier.name()
            ),
        );
    }
    out.push_str("</tbody></table></div>\n");
    let more = changes.len().saturating_sub(CHANGES) as u64;
    if more > 0 {
        add(&mut out, format_args!("<p>… and {} in <code>lead_times.csv</code></p>\n", counted(more, "more change")));
    }
    out.push_str("</details>\n");
    out
}

fn fate_in_words(fate: crate::dora::ChangeFate) -> &'static str {
    match fate {
        crate::dora::ChangeFate::Deployed => "its time is not known",
        crate::dora::ChangeFate::NoPredecessor => "no earlier deployment is in sight",
        crate::dora::ChangeFate::Negative => "it is younger than its deployment",
        crate::dora::ChangeFate::NoTime => "nothing says when it was committed",
    }
}
