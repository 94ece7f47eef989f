//! The Grafana dashboard: its form, and whether each query asks for what the exporter writes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use super::exposition::parse;
use super::fixture::mixed;
use super::{format, project, written};

fn dashboard() -> Value {
    serde_json::from_slice(&fs::read(project("reports/dashboards/pipewarden-dora.json")).unwrap()).unwrap()
}

fn panels(dashboard: &Value) -> Vec<&Value> {
    dashboard["panels"].as_array().unwrap().iter().collect()
}

/// Every query: of panels and of variables.
fn queries(dashboard: &Value) -> Vec<String> {
    let mut all: Vec<String> = panels(dashboard)
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect();
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if variable["type"] == "query" {
            all.push(variable["query"]["query"].as_str().unwrap().to_owned());
        }
    }
    all
}

#[test]
fn panels_have_ids_of_their_own_and_do_not_overlap() {
    let dashboard = dashboard();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 38);
    assert!(dashboard["uid"].as_str().unwrap().len() <= 40);
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert!(
        variables.iter().any(|v| v["type"] == "datasource" && v["query"] == "prometheus" && v["name"] == "datasource")
    );
    let mut ids = BTreeSet::new();
    let mut taken: BTreeMap<(u64, u64), String> = BTreeMap::new();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap().to_owned();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24 && place("h") > 0, "{title}");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                let other = taken.insert((x, y), title.clone());
                assert!(other.is_none(), "{title} lies over {other:?}");
            }
        }
        if panel["type"] != "row" && panel["type"] != "text" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            assert!(
                !panel["description"].as_str().unwrap_or_default().is_empty(),
                "{title} does not say what it shows"
            );
            assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title}");
        }
    }
}

/// Words of a query that are no metric: `name` before `{`, `=`, or in `by (…)`.
fn labels_of(query: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    let mut rest = query;
    while let Some(at) = rest.find('{') {
        let (inside, after) = rest[at + 1..].split_once('}').unwrap();
        for matcher in inside.split("\",") {
            let name: String = matcher.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if !name.is_empty() {
                labels.insert(name);
            }
        }
        rest = after;
    }
    for word in ["by (", "on (", "group_left (", "without ("] {
        for part in query.split(word).skip(1) {
            labels.extend(part.split(')').next().unwrap().split(',').map(|name| name.trim().to_owned()));
        }
    }
    if let Some(inside) = query.strip_prefix("label_values(") {
        labels.insert(inside.trim_end_matches(')').rsplit(',').next().unwrap().trim().to_owned());
    }
    labels
}

#[test]
fn every_query_names_only_what_the_exporter_writes() {
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for name in ["openmetrics", "backfill"] {
        for sample in parse(&written(format(name), &mixed()), true).into_iter().flat_map(|family| family.samples) {
            known.entry(sample.name).or_default().extend(sample.labels.into_keys());
        }
    }
    let all_labels: BTreeSet<String> = known.values().flatten().cloned().collect();
    let queries = queries(&dashboard());
    assert!(queries.len() > 20);
    let mut used = BTreeSet::new();
    for query in &queries {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let words = query.split(|c: char| !is_name(c)).filter(|word| word.starts_with("pipewarden_"));
        let names: Vec<&str> = words.collect();
        assert!(!names.is_empty(), "{query}");
        for name in names {
            // The label that carries a state has its family's name.
            assert!(known.contains_key(name) || all_labels.contains(name), "{name} in {query}");
            used.insert(name.to_owned());
        }
        for label in labels_of(query) {
            assert!(all_labels.contains(&label), "{label} in {query}");
        }
        assert_eq!(query.matches('(').count(), query.matches(')').count(), "{query}");
        assert_eq!(query.matches('{').count(), query.matches('}').count(), "{query}");
    }
    for metric in ["pipewarden_change_fail_ratio", "pipewarden_metric_status", "pipewarden_coverage_ratio"] {
        assert!(used.contains(metric), "no panel shows {metric}");
    }
}
