//! Every format of the delivery metrics, on the same mixed measurements, on nothing, and on hostile names.

mod dashboard;
mod exposition;
mod fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use exposition::{Family, parse};
use fixture::{AS_OF, HOSTILE_NAME, empty, hostile_key, many, mixed};
use pipewarden::dora::{GroupKind, MeasureStatus, Measurements};
use pipewarden::report::dora::{DORA_FORMATS, DoraFormat, DoraSummary};
use pipewarden::report::visible;
use serde_json::{Value, json};

fn written(format: &dyn DoraFormat, measurements: &Measurements) -> String {
    let mut bytes = Vec::new();
    format.write(measurements, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn format(name: &str) -> &'static dyn DoraFormat {
    *DORA_FORMATS.iter().find(|format| format.name() == name).unwrap()
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn table(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let row =
        |row: csv::StringRecord| headers.iter().zip(row.iter()).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    reader.records().map(Result::unwrap).map(row).collect()
}

/// The samples are made by this test: `UPDATE_SAMPLES=1 cargo test --test main report_dora` writes them.
#[test]
fn every_format_writes_its_sample() {
    let measurements = mixed();
    fs::create_dir_all(project("reports/samples/dora")).unwrap();
    for format in DORA_FORMATS {
        // The version of the tool is in the snapshot; a sample outlives it.
        let text = written(*format, &measurements).replace(env!("CARGO_PKG_VERSION"), "0.0.0");
        let path = project("reports/samples/dora").join(format.file_name());
        if std::env::var_os("UPDATE_SAMPLES").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let sample = fs::read_to_string(&path).unwrap_or_default();
        assert!(sample == text, "{} is old; UPDATE_SAMPLES=1 writes it", path.display());
    }
}

#[test]
fn formats_have_names_of_their_own_and_write_the_same_bytes_twice() {
    let names: BTreeSet<&str> = DORA_FORMATS.iter().map(|format| format.name()).collect();
    let files: BTreeSet<&str> = DORA_FORMATS.iter().map(|format| format.file_name()).collect();
    assert_eq!((names.len(), files.len()), (DORA_FORMATS.len(), DORA_FORMATS.len()));
    for format in DORA_FORMATS {
        assert!(!format.about().is_empty());
        assert_eq!(written(*format, &mixed()), written(*format, &mixed()), "{}", format.name());
    }
}

#[test]
fn json_follows_its_schema() {
    let schema: Value =
        serde_json::from_slice(&fs::read(project("reports/schema/dora.v1.schema.json")).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for measurements in [mixed(), empty()] {
        let document: Value = serde_json::from_str(&written(format("json"), &measurements)).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&document).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        assert_eq!(document["schemaVersion"], Measurements::SCHEMA_VERSION);
    }
    let mut document: Value = serde_json::from_str(&written(format("json"), &mixed())).unwrap();
    document["groups"][0]["measures"][0]["status"] = json!("fine");
    assert!(!validator.is_valid(&document));
    let mut document: Value = serde_json::from_str(&written(format("json"), &mixed())).unwrap();
    document["deployments"][0]["kind"] = json!("sideways");
    assert!(!validator.is_valid(&document));
}

#[test]
fn metrics_csv_has_every_number_and_every_missing_one() {
    let measurements = mixed();
    let rows = table(&written(format("metrics-csv"), &measurements));
    let ratio = rows
        .iter()
        .find(|row| {
            row["group_name"] == "checkout" && row["metric"] == "change_fail_rate" && row["statistic"] == "ratio"
        })
        .unwrap();
    assert_eq!(ratio["value"], "0.250000");
    assert_eq!((ratio["unit"].as_str(), ratio["n"].as_str(), ratio["status"].as_str()), ("ratio", "8", "ok"));
    assert_eq!((ratio["basis"].as_str(), ratio["window"].as_str()), ("deployment_signal", "28d"));
    assert_eq!((ratio["as_of"].as_str(), ratio["from"].as_str()), ("2026-06-29T00:00:00Z", "2026-06-01T00:00:00Z"));
    let lost: Vec<_> = rows.iter().filter(|row| row["group_name"] == "partner-portal").collect();
    assert_eq!(lost.len(), 8);
    for row in lost {
        assert_eq!((row["value"].as_str(), row["status"].as_str()), ("", "not_collected"));
        assert!(!row["reasons"].is_empty());
    }
    let quiet =
        rows.iter().find(|row| row["group_name"] == "quiet" && row["metric"] == "deployment_frequency").unwrap();
    assert_eq!(quiet["value"], "0.000000");
    assert!(rows.iter().any(|row| row["metric"] == "quick_check" && row["labels"] == "benchmark_year=2023"));
    let seconds = rows.iter().filter(|row| row["unit"] == "seconds" && !row["value"].is_empty());
    assert!(seconds.map(|row| &row["value"]).all(|value| value.bytes().all(|byte| byte.is_ascii_digit())));
}

#[test]
fn deployments_and_lead_times_come_back_row_by_row() {
    let measurements = mixed();
    let rows = table(&written(format("deployments-csv"), &measurements));
    assert_eq!(rows.len(), measurements.deployments.len());
    let failed = rows.iter().find(|row| row["deployment"].ends_with("execution-9")).unwrap();
    assert_eq!((failed["evidence"].as_str(), failed["is_failed_change"].as_str()), ("E3; E6", "true"));
    assert_eq!(failed["error_codes"], "HEALTH_CONSTRAINTS");
    assert_eq!((failed["finished"].as_str(), failed["duration_seconds"].as_str()), ("2026-06-27T11:00:00Z", "1500"));
    assert_eq!(failed["actor"], "alice@example.com (ReleaseApprover)");
    let unfinished = rows.iter().find(|row| row["deployment"].ends_with("execution-10")).unwrap();
    assert_eq!((unfinished["finished"].as_str(), unfinished["duration_seconds"].as_str()), ("", ""));
    let rows = table(&written(format("lead-times-csv"), &measurements));
    assert_eq!(rows.len(), measurements.lead_times.len());
    assert_eq!((rows[0]["fate"].as_str(), rows[0]["lead_time_seconds"].as_str()), ("no_predecessor", ""));
    assert_eq!((rows[1]["fate"].as_str(), rows[1]["lead_time_seconds"].as_str()), ("deployed", "10800"));
}

#[test]
fn no_cell_is_a_formula() {
    for name in ["metrics-csv", "deployments-csv", "lead-times-csv"] {
        let rows = table(&written(format(name), &mixed()));
        for cell in rows.iter().flat_map(BTreeMap::values) {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{name}: {cell:?}");
        }
        assert!(rows.iter().any(|row| row.values().any(|cell| cell.contains(HOSTILE_NAME))), "{name}");
    }
}

fn snapshot(measurements: &Measurements) -> Vec<Family> {
    parse(&written(format("openmetrics"), measurements), true)
}

#[test]
fn the_snapshot_is_openmetrics_and_the_same_in_the_older_text() {
    for measurements in [mixed(), empty()] {
        let families = snapshot(&measurements);
        let samples = |families: &[Family]| -> BTreeSet<String> {
            let all = families.iter().flat_map(|family| &family.samples);
            let name = |name: &str| name.replace("_gcount", "_count").replace("_gsum", "_sum");
            all.map(|sample| format!("{} {:?} {}", name(&sample.name), sample.labels, sample.value)).collect()
        };
        let text = parse(&written(format("prometheus"), &measurements), false);
        assert_eq!(samples(&families), samples(&text));
        assert!(families.iter().flat_map(|family| &family.samples).all(|sample| sample.time.is_none()));
        assert!(families.iter().all(|family| family.name.starts_with("pipewarden_")));
    }
}

#[test]
fn what_is_not_known_is_no_sample() {
    let measurements = mixed();
    let families = snapshot(&measurements);
    let of = |service: &str| -> BTreeSet<&str> {
        let all = families.iter().flat_map(|family| &family.samples);
        all.filter(|sample| sample.labels.get("service_name").is_some_and(|name| name == service))
            .map(|sample| sample.name.as_str())
            .collect()
    };
    let silent = BTreeSet::from(["pipewarden_metric_status", "pipewarden_service_info"]);
    assert_eq!(of("partner-portal"), silent);
    assert_eq!(of("batch-jobs"), silent);
    let quiet = of("quiet");
    assert!(quiet.contains("pipewarden_deployments") && quiet.contains("pipewarden_deployment_frequency_per_day"));
    assert!(
        !quiet.contains("pipewarden_change_fail_ratio")
            && !quiet.contains("pipewarden_last_deployment_timestamp_seconds")
    );
    let family = |name: &str| families.iter().find(|family| family.name == name).unwrap();
    let statuses = &family("pipewarden_metric_status").samples;
    assert_eq!(statuses.len(), 7 * 8 * MeasureStatus::ALL.len());
    assert_eq!(statuses.iter().filter(|sample| sample.value > 0.5).count(), 7 * 8);
    let info = family("pipewarden_service").samples.iter().find(|sample| sample.labels["service_name"] == "checkout");
    assert_eq!(info.unwrap().labels["tag_team"], "payments");
    assert_eq!(info.unwrap().labels["ou"], "/Workloads/Prod");
}

#[test]
fn no_label_tells_of_single_deployments_or_moves_a_cursor() {
    for sample in snapshot(&mixed()).iter().flat_map(|family| &family.samples) {
        for (name, text) in &sample.labels {
            assert!(!["commit", "execution", "deployment", "actor"].contains(&name.as_str()), "{sample:?}");
            assert_eq!(visible(text), text.as_str());
        }
    }
}

#[test]
fn the_past_has_a_sample_a_day_in_ascending_order_and_nothing_of_today() {
    let families = parse(&written(format("backfill"), &mixed()), true);
    let names: Vec<&str> = families.iter().map(|family| family.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "pipewarden_daily_change_lead_time_median_seconds",
            "pipewarden_daily_changes",
            "pipewarden_daily_changes_failed",
            "pipewarden_daily_deployments"
        ]
    );
    let days = &families.last().unwrap().samples;
    let of = |service: &str| days.iter().filter(|sample| sample.labels["service_name"] == service).count();
    // The last day of the window ends now.
    assert_eq!((of("checkout"), of("search"), of("batch-jobs"), of("quiet")), (27, 20, 0, 27));
    for sample in days {
        let time = sample.time.unwrap();
        assert!(time <= AS_OF.unix_timestamp() - 3 * 3_600 && time % 86_400 == 0, "{sample:?}");
    }
    assert_eq!(written(format("backfill"), &empty()), "# EOF\n");
}

#[test]
fn emf_keeps_to_the_limits_and_says_what_it_left_out() {
    let text = written(format("emf"), &mixed());
    let (mut refused, mut metrics) = (0, BTreeSet::new());
    for line in text.lines() {
        assert!(line.len() < 256 * 1_024);
        let event: Value = serde_json::from_str(line).unwrap();
        let Some(directive) = event.get("_aws") else {
            assert!(event["message"].as_str().unwrap().contains("older than two weeks"), "{line}");
            refused += 1;
            continue;
        };
        let time = directive["Timestamp"].as_i64().unwrap() / 1_000;
        assert!(time <= AS_OF.unix_timestamp() && time > AS_OF.unix_timestamp() - 14 * 86_400);
        for directive in directive["CloudWatchMetrics"].as_array().unwrap() {
            assert_eq!(directive["Namespace"], "Pipewarden/DORA");
            assert!(directive["Metrics"].as_array().unwrap().len() <= 100);
            for dimensions in directive["Dimensions"].as_array().unwrap() {
                assert!(dimensions.as_array().unwrap().len() <= 30);
                for key in dimensions.as_array().unwrap() {
                    let value = event[key.as_str().unwrap()].as_str().unwrap();
                    assert!(value.is_ascii() && value.len() <= 1_024 && !value.trim().is_empty(), "{value:?}");
                }
            }
            for metric in directive["Metrics"].as_array().unwrap() {
                let name = metric["Name"].as_str().unwrap();
                assert!(event[name].is_number(), "{name}");
                assert!(["Count", "Seconds", "Percent", "None"].contains(&metric["Unit"].as_str().unwrap()));
                metrics.insert(name.to_owned());
                if name == "ChangeFailRateRatio" && event["Service"].as_str().unwrap().ends_with(":checkout") {
                    assert_eq!((&event[name], &metric["Unit"]), (&json!(25.0), &json!("Percent")));
                }
            }
        }
    }
    assert_eq!(refused, 1);
    assert!(metrics.contains("ChangeLeadTimeMedian") && metrics.contains("DailyDeployments"), "{metrics:?}");
    assert!(!metrics.contains("ChangeLeadTimeP90"), "it is not known of any service");
}

#[test]
fn the_summary_says_first_what_was_not_seen_and_then_the_worst() {
    for name in ["summary", "markdown", "html"] {
        let text = written(format(name), &mixed());
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what:?} in {name}:\n{text}"));
        assert!(place("7 services (") < place("What was seen"));
        assert!(place("What was seen") < place("organization"));
        let services = text.to_lowercase().find("where to look first").unwrap();
        let after =
            |what: &str| services + text[services..].find(what).unwrap_or_else(|| panic!("no {what} in {name}"));
        // An open failure, then a high fail rate, then the others; those without numbers are one list at the end.
        assert!(after("ledger") < after("checkout") && after("checkout") < after("quiet"), "{name}");
        assert!(after("quiet") < after("partner-portal") && after("quiet") < after("batch-jobs"), "{name}");
        place("2 services without numbers: 1 with no known deployment to production, 1 not collected");
        place("7 services (3 complete, 2 in part, 1 not measurable, 1 not collected)");
        place("28 days until 2026-06-29 00:00 UTC");
        place("2 h 30 min");
        place("25 %");
        place("role pipewarden-audit was refused");
        place("not recovered");
    }
}

#[test]
fn the_summary_keeps_to_its_width_and_says_the_same_in_colour() {
    let measurements = mixed();
    for width in [80, 100, 120] {
        let plain = written(&DoraSummary::new(width, false), &measurements);
        for line in plain.lines() {
            assert!(line.chars().count() <= width, "{} columns: {line}", line.chars().count());
        }
        assert!(!plain.contains('\u{1b}'));
        let mut coloured = written(&DoraSummary::new(width, true), &measurements);
        for code in ["1;31", "1;33", "1;32", "1", "2", "0"] {
            coloured = coloured.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(coloured, plain);
    }
}

#[test]
fn the_same_sentence_of_five_metrics_is_one_line() {
    let mut measurements = mixed();
    for group in measurements.groups.iter_mut().filter(|it| it.group.kind == GroupKind::Service) {
        for measure in &mut group.measures {
            measure.reasons = vec![format!("{} cannot be said: nobody looked.", measure.metric.title())];
        }
    }
    for name in ["summary", "markdown", "html"] {
        let text = written(format(name), &measurements);
        assert!(!text.contains("cannot be said"), "{text}");
        assert!(text.contains("all metrics"), "{text}");
    }
}

#[test]
fn services_of_one_name_are_told_apart_by_their_place() {
    let mut measurements = mixed();
    for group in measurements.groups.iter_mut().filter(|it| it.group.kind == GroupKind::Service) {
        if group.group.name == "ledger" {
            group.group.name = "checkout".to_owned();
        }
    }
    let text = written(format("markdown"), &measurements);
    assert_eq!(text.matches("| checkout (").count(), 2, "{text}");
}

#[test]
fn nothing_never_reads_as_good() {
    for name in ["summary", "markdown", "html"] {
        let text = written(format(name), &empty());
        assert!(
            text.contains("No service was found") && text.to_lowercase().contains("no source of history was asked"),
            "{text}"
        );
    }
}

#[test]
fn hostile_names_stay_text_for_people() {
    for name in ["summary", "markdown"] {
        let text = written(format(name), &mixed());
        for character in text.chars().filter(|character| *character != '\n') {
            assert_eq!(visible(character.encode_utf8(&mut [0; 4])), character.to_string(), "{name}");
        }
        assert!(
            name != "markdown" || !(text.contains("<img") || text.contains("<script") || text.contains("https://"))
        );
    }
}

/// What a browser would take for a tag.
fn tags(page: &str) -> Vec<&str> {
    page.split('<').skip(1).map(|part| part.split('>').next().unwrap()).collect()
}

#[test]
fn the_page_is_closed_and_holds_no_tag_that_somebody_else_wrote() {
    let page = written(format("html"), &mixed());
    let known = [
        "!DOCTYPE",
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "h1",
        "h2",
        "h3",
        "p",
        "nav",
        "a",
        "main",
        "section",
        "div",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "span",
        "meter",
        "details",
        "summary",
        "code",
        "figure",
        "figcaption",
        "svg",
        "desc",
        "rect",
        "line",
        "path",
        "circle",
        "text",
        "dl",
        "dt",
        "dd",
        "ul",
        "li",
        "strong",
        "br",
        "b",
    ];
    for tag in tags(&page) {
        let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap();
        assert!(known.contains(&name) && name != "b", "{tag:?}");
        assert!(!tag.contains(" style=") && !tag.contains(" on") && !tag.contains("src="), "{tag:?}");
        assert!(!tag.contains("href=\"") || tag.contains("href=\"#"), "{tag:?}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "the name is shown as it is");
    assert!(!page.contains('\u{202e}') && !page.contains('\u{1b}'));
    assert!(page.contains("default-src 'none'; style-src 'sha256-"));
    let mut anchors = BTreeSet::new();
    for part in page.split(" id=\"").skip(1) {
        let id = part.split('"').next().unwrap();
        assert!(anchors.insert(id), "{id} twice");
    }
    for part in page.split("href=\"#").skip(1) {
        let id = part.split('"').next().unwrap();
        assert!(anchors.contains(id), "#{id} leads nowhere");
    }
    for part in page.split("aria-labelledby=\"").skip(1) {
        for id in part.split('"').next().unwrap().split(' ') {
            assert!(anchors.contains(id), "{id}");
        }
    }
}

#[test]
fn many_services_stay_a_page_of_bounded_size() {
    let page = written(format("html"), &many(600));
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    assert!(page.contains("… and 400 more services in <code>metrics.csv</code>"));
    assert!(page.contains("are shown in detail below; the deployments and numbers of 575 other services are in"));
    assert!(written(format("markdown"), &many(600)).len() < 60_000);
    assert!(written(format("summary"), &many(600)).contains("… and 580 more services in metrics.csv"));
    parse(&written(format("openmetrics"), &many(600)), true);
}

#[test]
fn promtool_takes_the_snapshot_and_the_past() {
    let Ok(version) = Command::new("promtool").arg("--version").output() else {
        eprintln!("promtool is not installed; only this project's own parser has looked at the exposition");
        return;
    };
    assert!(version.status.success());
    let folder = tempfile::tempdir().unwrap();
    let past = folder.path().join("dora.backfill.om");
    fs::write(&past, written(format("backfill"), &mixed())).unwrap();
    let blocks = folder.path().join("blocks");
    let import =
        Command::new("promtool").args(["tsdb", "create-blocks-from", "openmetrics"]).arg(&past).arg(&blocks).output();
    let import = import.unwrap();
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    assert!(fs::read_dir(&blocks).unwrap().count() > 20);
}

/// A writer that is full from the start.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::StorageFull, "no space left"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_of_every_format() {
    for format in DORA_FORMATS {
        assert!(format.write(&mixed(), &mut Full).is_err(), "{}", format.name());
    }
    assert!(hostile_key().contains(HOSTILE_NAME));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_name_breaks_a_format(name in ".{1,60}") {
        let mut measurements = mixed();
        measurements.groups.retain(|group| group.group.name == HOSTILE_NAME);
        measurements.groups[0].group.key = format!("{name}/key");
        measurements.groups[0].group.name.clone_from(&name);
        measurements.services.retain(|service| service.name == HOSTILE_NAME);
        measurements.services[0].key.0 = format!("{name}/key");
        measurements.deployments.iter_mut().for_each(|deployment| deployment.service.0 = format!("{name}/key"));
        for sample in snapshot(&measurements).iter().flat_map(|family| &family.samples) {
            if let Some(shown) = sample.labels.get("service_name") {
                proptest::prop_assert_eq!(shown.as_str(), visible(&name));
            }
        }
        parse(&written(format("backfill"), &measurements), true);
        for line in written(format("emf"), &measurements).lines() {
            proptest::prop_assert!(serde_json::from_str::<Value>(line).is_ok());
        }
        let page = written(format("html"), &measurements);
        proptest::prop_assert_eq!(tags(&page).iter().filter(|tag| tag.starts_with("section ")).count(), 5);
        let rows = table(&written(format("metrics-csv"), &measurements));
        let key = format!("{name}/key");
        let is_kept = rows.iter().all(|row| row["group_key"].ends_with(&key));
        proptest::prop_assert!(is_kept);
    }
}
