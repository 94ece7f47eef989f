//! The history that AWS's own clients read is the one that the truth tells.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use aws_smithy_types::DateTime;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::Value;
use time::Duration;

use super::tests::{member, quiet, serve};
use super::*;

#[test]
fn the_default_world_has_every_kind_of_end_and_every_broken_rule() {
    let truth = Simulation::new(SimulationOptions::default()).delivery_truth();
    let codes: BTreeSet<&str> = truth.facts.iter().map(|fact| fact.code).collect();
    let wanted = ["G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G9", "G10", "G12", "G13"];
    assert_eq!(codes, BTreeSet::from(wanted), "{codes:?}");
    let statuses: BTreeSet<&str> =
        truth.pipelines.iter().flat_map(|p| &p.executions).map(|(_, status)| *status).collect();
    assert_eq!(statuses, BTreeSet::from(["Succeeded", "Failed", "Superseded", "Stopped", "InProgress"]));
    let all: Vec<&DeploymentTruth> = truth.pipelines.iter().flat_map(|pipeline| &pipeline.deployments).collect();
    let kinds: BTreeSet<&str> = all.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, BTreeSet::from(["forward", "rollback", "redeploy_same", "restart", "scaling"]));
    let evidence: BTreeSet<&str> = all.iter().flat_map(|one| &one.failed_by).copied().collect();
    assert_eq!(evidence, BTreeSet::from(["E1", "E2", "E3"]));
    let outcomes: BTreeSet<&str> = all.iter().map(|one| one.outcome).collect();
    assert_eq!(outcomes, BTreeSet::from(["succeeded", "failed", "stopped", "error_no_impact"]));
    assert!(all.iter().any(|one| one.attempts == 2 && one.outcome == "succeeded"));
    for pipeline in &truth.pipelines {
        assert!((5..=70).contains(&pipeline.executions.len()), "{}: {}", pipeline.arn, pipeline.executions.len());
        let ids: BTreeSet<&str> = pipeline.executions.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids.len(), pipeline.executions.len());
        assert!(pipeline.deployments.iter().all(|one| one.started <= one.finished && one.finished < truth.to));
        assert!(pipeline.changes.iter().all(|change| change.committed < change.deployed));
    }
    assert!(truth.pipelines.iter().any(|p| p.window.failed_changes > 0 && p.window.rollbacks > 0));
    assert!(truth.pipelines.iter().filter(|p| p.production && p.visible).count() > 10);
    assert!(!truth.denied.is_empty());
    let again = Simulation::new(SimulationOptions::default()).delivery_truth();
    assert_eq!(truth, again);
    let other = Simulation::new(SimulationOptions { seed: 2, ..SimulationOptions::default() }).delivery_truth();
    assert_ne!(truth, other);
}

#[test]
fn a_run_never_begins_before_the_one_before_it() {
    let world = World::new(SimulationOptions { accounts: 30, ..SimulationOptions::default() });
    for spec in (0..30).flat_map(|account| estate::PipelineSpec::all(&world, account, 0)) {
        let story = estate::Story::of(&world, &spec);
        for pair in story.runs.windows(2) {
            let [before, after] = pair else { continue };
            assert!(before.started < after.started, "{} {:?} {:?}", spec.name(), before.scene, after.scene);
            if let (Some((_, left)), Some((reached, _))) = (before.production(), after.production()) {
                assert!(left <= reached, "{} {:?} {:?}", spec.name(), before.scene, after.scene);
            }
        }
    }
}

#[tokio::test]
async fn executions_and_their_actions_agree_with_the_truth() {
    let (simulation, server) = serve(quiet()).await;
    let truth = simulation.delivery_truth();
    let mut joined = 0;
    for account in 3..10 {
        let config = member(&simulation, &server, account, "eu-central-1");
        let client = aws_sdk_codepipeline::Client::new(&config);
        let deployments = aws_sdk_codedeploy::Client::new(&config);
        for spec in estate::PipelineSpec::all(&simulation.world, account, 0) {
            let arn = spec.arn(&simulation.world);
            let expected = truth.pipelines.iter().find(|pipeline| pipeline.arn == arn).unwrap();
            let pages = client.list_pipeline_executions().pipeline_name(spec.name()).max_results(7);
            let runs: Vec<_> = pages.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.unwrap();
            let mut seen: Vec<(String, String)> = runs
                .iter()
                .map(|run| (run.pipeline_execution_id().unwrap().to_owned(), run.status().unwrap().to_string()))
                .collect();
            let newest_first = |pair: &[aws_sdk_codepipeline::types::PipelineExecutionSummary]| {
                pair[0].start_time() >= pair[1].start_time()
            };
            assert!(runs.windows(2).all(newest_first));
            seen.reverse();
            let told: Vec<(String, String)> =
                expected.executions.iter().map(|(id, status)| (id.clone(), (*status).to_owned())).collect();
            assert_eq!(seen, told, "{arn}");
            let pages = client.list_action_executions().pipeline_name(spec.name()).max_results(33);
            let actions: Vec<_> = pages.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.unwrap();
            let ids: BTreeSet<_> = actions.iter().filter_map(|action| action.action_execution_id()).collect();
            assert_eq!(ids.len(), actions.len(), "{arn}");
            for one in expected.deployments.iter().filter(|one| one.kind == "forward" || one.kind == "rollback") {
                let Some(run) = runs.iter().find(|run| run.pipeline_execution_id() == Some(&one.id)) else { continue };
                let own: Vec<_> =
                    actions.iter().filter(|action| action.pipeline_execution_id() == Some(&one.id)).collect();
                let at = |time: Option<&DateTime>| time.unwrap().secs();
                let finished = one.finished.unix_timestamp();
                assert!(
                    own.iter().any(|action| at(action.start_time()) == one.started.unix_timestamp()),
                    "{arn} {one:?}"
                );
                assert!(own.iter().any(|action| at(action.last_update_time()) == finished), "{arn} {one:?}");
                let rollback = run.execution_type().is_some_and(|kind| kind.as_str() == "ROLLBACK");
                assert_eq!(rollback, one.kind == "rollback");
                let backwards = own.iter().find(|action| action.start_time() > action.last_update_time());
                assert!(backwards.is_none(), "{arn}: {backwards:?} ends before it begins");
                let external = own.iter().filter_map(|action| {
                    action.output()?.execution_result()?.external_execution_id().filter(|id| id.starts_with("d-"))
                });
                for id in external.collect::<Vec<_>>() {
                    let answer = deployments.batch_get_deployments().deployment_ids(id).send().await.unwrap();
                    let info = answer.deployments_info().first().unwrap();
                    assert_eq!(info.deployment_id(), Some(id));
                    joined += 1;
                }
            }
            client.list_rule_executions().pipeline_name(spec.name()).send().await.unwrap();
        }
        let many = deployments.batch_get_deployments().set_deployment_ids(Some(vec!["d-1".to_owned(); 26]));
        let error = many.send().await.unwrap_err().into_service_error();
        assert!(error.is_batch_limit_exceeded_exception(), "{error:?}");
    }
    assert!(joined > 3, "{joined}");
}

#[tokio::test]
async fn direct_deployments_and_undone_ones_are_listed_by_time_and_group() {
    let (simulation, server) = serve(quiet()).await;
    let truth = simulation.delivery_truth();
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    for (account, region) in (3..10).flat_map(|account| [(account, "eu-central-1"), (account, "us-east-1")]) {
        let client = aws_sdk_codedeploy::Client::new(&member(&simulation, &server, account, region));
        let mut ids: BTreeSet<String> = BTreeSet::new();
        let mut token = None;
        loop {
            let page = client.list_deployments().set_next_token(token).send().await.unwrap();
            ids.extend(page.deployments().iter().cloned());
            token = page.next_token().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        let id = simulation.world.account_id(account);
        let own = truth.pipelines.iter().filter(|pipeline| pipeline.account == id && pipeline.region == region);
        for one in own.flat_map(|pipeline| &pipeline.deployments).filter(|one| one.id.starts_with("d-")) {
            assert!(ids.contains(&one.id), "{one:?}");
            *met.entry(one.kind).or_default() += 1;
        }
        let since = DateTime::from_secs((truth.to - Duration::days(30)).unix_timestamp());
        let range = aws_sdk_codedeploy::types::TimeRange::builder().start(since).build();
        let recent = client.list_deployments().create_time_range(range).send().await.unwrap();
        assert!(recent.deployments().len() <= ids.len());
    }
    for kind in ["redeploy_same", "restart", "scaling", "rollback"] {
        assert!(met.contains_key(kind), "{kind}: {met:?}");
    }
}

#[tokio::test]
async fn every_broken_rule_of_the_last_ninety_days_is_found_by_its_event() {
    let (simulation, server) = serve(quiet()).await;
    let truth = simulation.delivery_truth();
    let floor = truth.to - Duration::days(90);
    let mut found = 0;
    for account in [3, 4, 5] {
        let id = simulation.world.account_id(account);
        let client = aws_sdk_cloudtrail::Client::new(&member(&simulation, &server, account, "eu-central-1"));
        let all = client.lookup_events().max_results(50).into_paginator().items().send();
        let all: Vec<_> = all.collect::<Result<Vec<_>, _>>().await.unwrap();
        assert!(all.windows(2).all(|pair| pair[0].event_time() >= pair[1].event_time()));
        let ids: BTreeSet<_> = all.iter().filter_map(|event| event.event_id()).collect();
        assert_eq!(ids.len(), all.len());
        for event in &all {
            let record: Value = serde_json::from_str(event.cloud_trail_event().unwrap()).unwrap();
            assert_eq!(record["eventID"].as_str(), event.event_id());
            assert_eq!(record["recipientAccountId"], id.as_str());
        }
        for fact in truth.facts.iter().filter(|fact| fact.account == id && fact.region == "eu-central-1") {
            assert_eq!(ids.contains(fact.event.as_str()), fact.time >= floor, "{fact:?}");
            found += 1;
        }
        let by = LookupAttribute::builder()
            .attribute_key(LookupAttributeKey::EventName)
            .attribute_value("CreateDeployment")
            .build()
            .unwrap();
        let named = client.lookup_events().lookup_attributes(by.clone()).send().await.unwrap();
        let sources: BTreeSet<_> = named.events().iter().filter_map(|event| event.event_source()).collect();
        assert!(sources.contains("apigateway.amazonaws.com"), "{sources:?}");
        let two = client.lookup_events().lookup_attributes(by.clone()).lookup_attributes(by).send().await;
        assert!(two.unwrap_err().into_service_error().is_invalid_lookup_attributes_exception());
    }
    assert!(found > 5, "{found}");
}

#[tokio::test]
async fn some_accounts_hide_their_history_and_nothing_else() {
    let options = SimulationOptions { limits: false, ..SimulationOptions::default() };
    let (simulation, server) = serve(options).await;
    let config = member(&simulation, &server, 7, "eu-central-1");
    let error = aws_sdk_cloudtrail::Client::new(&config).lookup_events().send().await.unwrap_err();
    assert_eq!(error.into_service_error().code(), Some("AccessDeniedException"));
    let id = simulation.world.account_id(7);
    assert!(simulation.delivery_truth().denied.contains(&(id, "cloudtrail:LookupEvents".to_owned())));
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unzipped(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut text).unwrap();
    text
}

#[tokio::test]
async fn the_archive_tells_what_lookups_tell() {
    use sha2::Digest as _;
    let (simulation, server) = serve(quiet()).await;
    let world = &simulation.world;
    let bucket = estate::organization_trail(world).bucket;
    let client = aws_sdk_s3::Client::new(&member(&simulation, &server, bucket.account, "eu-central-1"));
    let (account, organization) = (world.account_id(4), world.organization_id());
    let day = (world.options.now - Duration::days(4)).date();
    let (year, month, number) = (day.year(), u8::from(day.month()), day.day());
    let mut listed = Vec::new();
    for (kind, token, files) in [("CloudTrail", "Records", 3), ("CloudTrail-Digest", "logFiles", 24)] {
        let prefix = format!("AWSLogs/{organization}/{account}/{kind}/eu-central-1/{year}/{month:02}/{number:02}/");
        let list = client.list_objects_v2().bucket(bucket.name(world)).prefix(&prefix).max_keys(2);
        let pages: Vec<_> = list.into_paginator().send().collect::<Result<Vec<_>, _>>().await.unwrap();
        let keys: Vec<String> = pages
            .iter()
            .flat_map(aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output::contents)
            .map(|object| object.key().unwrap().to_owned())
            .collect();
        assert!(keys.len() >= files && keys.is_sorted(), "{kind}: {keys:?}");
        assert!(pages.len() > 1);
        let (mut texts, mut previous): (BTreeMap<String, Vec<u8>>, Option<String>) = (BTreeMap::new(), None);
        for key in &keys {
            let object = client.get_object().bucket(bucket.name(world)).key(key).send().await.unwrap();
            let text = unzipped(&object.body.collect().await.unwrap().into_bytes());
            let value: Value = serde_json::from_slice(&text).unwrap();
            assert!(value[token].is_array());
            if let Some(hash) = value["previousDigestHashValue"].as_str() {
                assert_eq!(previous.as_deref(), Some(hash));
            }
            previous = Some(hexadecimal(&sha2::Sha256::digest(&text)));
            texts.insert(key.clone(), text);
        }
        listed.push(texts);
    }
    let [logs, digests] = listed.as_slice() else { panic!() };
    let mut vouched = 0;
    for digest in digests.values() {
        let digest: Value = serde_json::from_slice(digest).unwrap();
        for file in digest["logFiles"].as_array().unwrap() {
            if let Some(text) = logs.get(file["s3Object"].as_str().unwrap()) {
                let hash = hexadecimal(&sha2::Sha256::digest(text));
                assert_eq!(file["hashValue"], hash);
                vouched += 1;
            }
        }
    }
    assert!(vouched > 1, "{vouched}");
    let folded = client.list_objects_v2().bucket(bucket.name(world)).prefix(format!("AWSLogs/{organization}/"));
    let folded = folded.delimiter("/").send().await.unwrap();
    assert_eq!(folded.common_prefixes().len(), 12);
    let missing = client.get_object().bucket(bucket.name(world)).key("nothing").send().await.unwrap_err();
    assert!(missing.into_service_error().is_no_such_key());
}

#[test]
fn an_archive_is_written_as_it_is_served_and_has_one_hole() {
    let simulation = Simulation::new(quiet());
    let folder = tempfile::tempdir().unwrap();
    let (account, regions) = (simulation.world.account_id(4), simulation.world.regions()[..1].to_vec());
    let count = simulation.write_archive(folder.path(), std::slice::from_ref(&account), &regions, 51).unwrap();
    assert!(count > 400, "{count}");
    let (_, _, from) = services::archive::hole(&simulation.world);
    assert!(from < simulation.world.options.now - Duration::days(5), "the hole is a past one");
    let mut records = Vec::new();
    let folder = folder.path().join(format!("AWSLogs/{}/{account}", simulation.world.organization_id()));
    let (year, month, day) = (from.year(), u8::from(from.month()), from.day());
    let digests = folder.join(format!("CloudTrail-Digest/eu-central-1/{year}/{month:02}/{day:02}"));
    assert_eq!(std::fs::read_dir(digests).unwrap().count(), 23);
    for entry in walkdir::WalkDir::new(folder.join("CloudTrail")).into_iter().map(Result::unwrap) {
        if entry.file_type().is_file() {
            let text = unzipped(&std::fs::read(entry.path()).unwrap());
            records.extend(serde_json::from_slice::<Value>(&text).unwrap()["Records"].as_array().unwrap().clone());
        }
    }
    let ids: BTreeSet<&str> = records.iter().map(|record| record["eventID"].as_str().unwrap()).collect();
    assert!(ids.len() > 100 && ids.len() < records.len(), "some records are delivered twice");
}

#[tokio::test]
async fn builds_reports_commits_and_alarms_have_a_history() {
    let (simulation, server) = serve(quiet()).await;
    let world = &simulation.world;
    let (mut reports, mut expired, mut commits) = (0, 0, 0);
    for account in 3..10 {
        let config = member(&simulation, &server, account, "eu-central-1");
        let (code, builds) = (aws_sdk_codecommit::Client::new(&config), aws_sdk_codebuild::Client::new(&config));
        for spec in estate::PipelineSpec::all(world, account, 0) {
            let project = estate::ProjectSpec::new(world, account, 0, spec.number).name();
            let ids = builds.list_builds_for_project().project_name(&project).send().await.unwrap();
            if !ids.ids().is_empty() {
                let ids = ids.ids().iter().take(100).cloned().collect();
                let found = builds.batch_get_builds().set_ids(Some(ids)).send().await.unwrap();
                assert!(found.builds_not_found().is_empty(), "{found:?}");
                let arns: Vec<String> = found.builds().iter().flat_map(|b| b.report_arns().to_vec()).collect();
                if !arns.is_empty() {
                    let arns = arns.into_iter().take(100).collect();
                    let found = builds.batch_get_reports().set_report_arns(Some(arns)).send().await.unwrap();
                    reports += found.reports().len();
                    expired += found.reports_not_found().len();
                }
            }
            let Some(source) = estate::SourceSpec::of(world, &spec) else { continue };
            if matches!(source.hosting, estate::Hosting::CodeCommit(_)) {
                let story = estate::Story::of(world, &spec);
                let ids: Vec<String> = story.commits.iter().rev().take(99).map(|commit| commit.id.clone()).collect();
                let wanted = code.batch_get_commits().repository_name(source.repository());
                let found = wanted.set_commit_ids(Some(ids.clone())).commit_ids("0000").send().await;
                let found = match found {
                    Ok(found) => found,
                    Err(error) => panic!("{error:?}"),
                };
                assert_eq!((found.commits().len(), found.errors().len()), (ids.len(), 1));
                commits += ids.len();
            }
        }
    }
    assert!(reports > 0 && expired > 0 && commits > 0, "{reports} {expired} {commits}");
    let alarms = aws_sdk_cloudwatch::Client::new(&member(&simulation, &server, 3, "eu-central-1"));
    let start = DateTime::from_secs((world.options.now - Duration::days(30)).unix_timestamp());
    let history =
        alarms.describe_alarm_history().alarm_name("delivery-errors-5").start_date(start).send().await.unwrap();
    let newest = history.alarm_history_items().first().unwrap();
    assert_eq!(newest.history_summary(), Some("Alarm updated from OK to ALARM"));
    assert_eq!(history.alarm_history_items().len(), 3);
}

#[tokio::test]
async fn athena_answers_the_texts_of_a_query() {
    let (simulation, server) = serve(quiet()).await;
    let client = aws_sdk_athena::Client::new(&member(&simulation, &server, 2, "eu-central-1"));
    let account = simulation.world.account_id(4);
    let sql = format!(
        "SELECT eventid, eventtime, eventname, json_format(CAST(useridentity AS JSON)) AS useridentity, \
         requestparameters FROM \"a\".\"b\" WHERE account IN ('{account}') AND region IN ('eu-central-1') AND \
         eventtime >= '2026-08-01T00:00:00Z' AND eventtime < '2026-11-21T00:00:00Z' AND ((eventsource = \
         'codepipeline.amazonaws.com' AND eventname IN ('UpdatePipeline', 'PutApprovalResult')))"
    );
    let started = client.start_query_execution().query_string(&sql).send().await.unwrap();
    let id = started.query_execution_id().unwrap();
    let state = client.get_query_execution().query_execution_id(id).send().await.unwrap();
    assert_eq!(state.query_execution().unwrap().status().unwrap().state().unwrap().as_str(), "SUCCEEDED");
    let pages = client.get_query_results().query_execution_id(id).max_results(10).into_paginator().send();
    let pages: Vec<_> = pages.collect::<Result<Vec<_>, _>>().await.unwrap();
    let rows: Vec<Vec<String>> = pages
        .iter()
        .flat_map(|page| page.result_set().unwrap().rows())
        .map(|row| row.data().iter().map(|cell| cell.var_char_value().unwrap_or_default().to_owned()).collect())
        .collect();
    let (header, rows) = rows.split_first().unwrap();
    assert_eq!(header.join(","), "eventid,eventtime,eventname,useridentity,requestparameters");
    assert!(rows.len() > 5 && rows.iter().all(|row| row[2] == "UpdatePipeline" || row[2] == "PutApprovalResult"));
    let identity: Value = serde_json::from_str(&rows[0][3]).unwrap();
    assert!(identity["sessioncontext"]["sessionissuer"]["arn"].is_string(), "{identity}");
}
