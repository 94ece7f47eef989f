//! Builds of `CodeBuild` and their test reports.
//!
//! In: the projects of an account and Region. Out: builds newest first, only as far back as they are not known yet, and
//! the test reports that they name. AWS deletes reports after 30 days: those that are gone by then are a gap over the
//! time before, not a failure.
//!
//! <https://docs.aws.amazon.com/codebuild/latest/APIReference/API_ListBuildsForProject.html>,
//! <https://docs.aws.amazon.com/codebuild/latest/APIReference/API_BatchGetBuilds.html> and
//! <https://docs.aws.amazon.com/codebuild/latest/APIReference/API_BatchGetReports.html> (100 a call)

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_codebuild::Client;
use aws_sdk_codebuild::types::{Build as SdkBuild, Report};
use time::{Duration, OffsetDateTime};

use super::aws_time::moment;
use super::look::{Look, ReadBack, floor, read_back, unseen};
use super::{AccountHistory, Build, History, HistorySource, Period, Question, TestReport};
use crate::collect::{CallError, Scope, in_order};
use crate::inventory::{Resource, TypeName};

/// Reads builds and test reports.
#[derive(Debug, Clone, Copy)]
pub(super) struct Builds;

const LIST: &str = "codebuild:ListBuildsForProject";
const BATCH_GET: &str = "codebuild:BatchGetBuilds";
const GET_REPORTS: &str = "codebuild:BatchGetReports";

/// Ids that one batch call takes.
const PER_CALL: usize = 100;
/// "A report expires 30 days after it is created."
const REPORTS_KEPT: Duration = Duration::days(30);

#[async_trait]
impl AccountHistory for Builds {
    fn source(&self) -> HistorySource {
        HistorySource::Builds
    }

    fn actions(&self) -> &'static [&'static str] {
        &[LIST, BATCH_GET, GET_REPORTS]
    }

    async fn collect(&self, scope: &Scope, question: Question<'_>) -> History {
        let reader = Reader { scope, client: Client::new(scope.config()), question };
        let projects = question.resources.iter().filter(|resource| resource.type_name == TypeName::PROJECT);
        let jobs = projects.map(|project| reader.project(project)).collect();
        let mut history = History::default();
        for found in in_order(jobs).await {
            history.absorb(found);
        }
        history
    }
}

struct Reader<'a> {
    scope: &'a Scope,
    client: Client,
    question: Question<'a>,
}

impl Reader<'_> {
    async fn project(&self, project: &Resource) -> History {
        let subject = Some(project.uid.as_str());
        let look = Look { scope: self.scope, source: HistorySource::Builds, subject };
        let name = name_of(project);
        let mut history = History::default();
        let missing = look.missing(&self.question);
        let to = self.question.period.to;
        if let Some(from) = missing.first().map(|period| period.from) {
            let asked = Period { from, to };
            let read = self.builds(name, asked).await;
            let seen = missing.into_iter().map(|part| Period { from: part.from.max(read.reached), to: part.to });
            history.coverage.spans.extend(seen.filter(|part| part.from < part.to).map(|part| look.span(part)));
            let unseen = Period { from, to: read.reached };
            history.coverage.gaps.extend(read.error.map(|error| look.gap(error, unseen)));
            self.record(&look, &mut history, &read.items);
        }
        let known: BTreeSet<&str> = history.builds.iter().map(|build| build.id.as_str()).collect();
        let open = self.question.so_far.builds.iter().filter(|build| {
            build.project == name
                && build.account == self.scope.account
                && build.region == self.scope.region
                && build.status == "IN_PROGRESS"
                && !known.contains(build.id.as_str())
        });
        let open: Vec<String> = open.map(|build| build.id.clone()).collect();
        for ids in open.chunks(PER_CALL) {
            match self.batch(ids).await {
                Ok(builds) => self.record(&look, &mut history, &builds),
                Err(error) => history.coverage.gaps.push(look.gap(error, self.question.period)),
            }
        }
        history.builds.retain(|build| build.started < to);
        self.reports(subject, name, &mut history).await;
        history
    }

    /// Newest first, with a hundred builds a page. An order is not asked for: AWS answers that with an error for projects
    /// with more than a hundred builds, and newest first is what it does anyway.
    async fn builds(&self, name: &str, wanted: Period) -> ReadBack<SdkBuild> {
        let ask = |token: Option<String>| async move {
            let ask = || self.client.list_builds_for_project().project_name(name).set_next_token(token.clone()).send();
            let page = self.scope.call(LIST, ask).await?;
            let ids = page.ids.unwrap_or_default();
            let mut builds = Vec::with_capacity(ids.len());
            for ids in ids.chunks(PER_CALL) {
                builds.extend(self.batch(ids).await?);
            }
            Ok((builds, page.next_token))
        };
        read_back(LIST, wanted, |build| build.start_time().and_then(moment), ask, |_| false).await
    }

    /// Builds in the order of their ids; one that is gone by now is left out.
    async fn batch(&self, ids: &[String]) -> Result<Vec<SdkBuild>, CallError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ask = || self.client.batch_get_builds().set_ids(Some(ids.to_vec())).send();
        let answer = self.scope.call(BATCH_GET, ask).await?;
        let builds = answer.builds.unwrap_or_default().into_iter();
        let mut by_id: BTreeMap<String, SdkBuild> =
            builds.filter_map(|build| Some((build.id.clone()?, build))).collect();
        Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
    }

    fn record(&self, look: &Look<'_>, history: &mut History, builds: &[SdkBuild]) {
        let read: Vec<Build> = builds.iter().filter_map(|build| self.build(build)).collect();
        if read.len() < builds.len() {
            let error = CallError::malformed(BATCH_GET, "a build without its id, status or begin");
            history.coverage.gaps.push(look.gap(error, self.question.period));
        }
        history.builds.extend(read);
    }

    fn build(&self, build: &SdkBuild) -> Option<Build> {
        let id = build.id()?;
        let project = build.project_name().or_else(|| id.split(':').next())?;
        Some(Build {
            account: self.scope.account.clone(),
            region: self.scope.region.clone(),
            id: id.to_owned(),
            project: project.to_owned(),
            initiator: build.initiator().filter(|by| !by.is_empty()).map(str::to_owned),
            resolved_source_version: build.resolved_source_version().filter(|v| !v.is_empty()).map(str::to_owned),
            status: build.build_status()?.as_str().to_owned(),
            started: build.start_time().and_then(moment)?,
            ended: build.end_time().and_then(moment),
            report_arns: build.report_arns().to_vec(),
        })
    }

    /// The reports of the project's builds that are not known with their end yet.
    async fn reports(&self, subject: Option<&str>, name: &str, history: &mut History) {
        let look = Look { scope: self.scope, source: HistorySource::TestReports, subject };
        let made = self.made_reports(name, history);
        let arns: Vec<String> = made.keys().cloned().collect();
        let jobs = arns.chunks(PER_CALL).map(|arns| self.batch_of_reports(arns)).collect();
        let mut found = BTreeSet::new();
        let mut errors = Vec::new();
        for answer in in_order(jobs).await {
            match answer {
                Ok(reports) => {
                    found.extend(reports.iter().filter_map(|report| report.arn()).map(str::to_owned));
                    history.reports.extend(reports.iter().filter_map(report));
                }
                Err(error) => errors.push(error),
            }
        }
        let floor = floor(self.question.asked, REPORTS_KEPT);
        let gone = made.iter().filter(|(arn, _)| errors.is_empty() && !found.contains(*arn)).map(|(_, at)| *at);
        let (expired, lost): (Vec<_>, Vec<_>) = gone.partition(|at| *at < floor);
        if !lost.is_empty() {
            let message = format!("{} test reports of builds of the last 30 days do not exist", lost.len());
            errors.push(unseen(GET_REPORTS, "ReportsNotFound", message));
        }
        // Reports are known where their builds are.
        let seen: Vec<Period> =
            history.coverage.spans.iter().map(|span| Period { from: span.from, to: span.to }).collect();
        for period in seen {
            let cut = if expired.iter().any(|at| period.contains(*at)) { floor } else { period.from };
            if period.from < cut {
                let unseen = Period { from: period.from, to: cut.min(period.to) };
                history.coverage.gaps.push(look.expired(
                    GET_REPORTS,
                    unseen,
                    "CodeBuild keeps test reports for 30 days",
                ));
            }
            if errors.is_empty() && cut < period.to {
                history.coverage.spans.push(look.span(Period { from: cut.max(period.from), to: period.to }));
            }
        }
        history.coverage.gaps.extend(errors.into_iter().map(|error| look.gap(error, self.question.period)));
    }

    /// Reports by ARN with the begin of their build: of builds that came now, and of known ones whose report had not
    /// ended or never came.
    fn made_reports(&self, name: &str, history: &History) -> BTreeMap<String, OffsetDateTime> {
        let so_far = self.question.so_far;
        let ended = so_far.reports.iter().filter(|report| report.status != "GENERATING");
        let ended: BTreeSet<&str> = ended.map(|report| report.arn.as_str()).collect();
        let floor = floor(self.question.asked, REPORTS_KEPT);
        let known = so_far.builds.iter().filter(|build| {
            let here = build.account == self.scope.account && build.region == self.scope.region;
            // What has expired since will not come again.
            here && build.project == name && build.started >= floor
        });
        let builds = history.builds.iter().chain(known);
        builds
            .flat_map(|build| build.report_arns.iter().map(|arn| (arn, build.started)))
            .filter(|(arn, _)| !ended.contains(arn.as_str()))
            .map(|(arn, started)| (arn.clone(), started))
            .collect()
    }

    async fn batch_of_reports(&self, arns: &[String]) -> Result<Vec<Report>, CallError> {
        let ask = || self.client.batch_get_reports().set_report_arns(Some(arns.to_vec())).send();
        Ok(self.scope.call(GET_REPORTS, ask).await?.reports.unwrap_or_default())
    }
}

/// A report of tests; reports of code coverage have no summary of tests.
fn report(report: &Report) -> Option<TestReport> {
    let count = |n: i32| u64::try_from(n).unwrap_or_default();
    let summary = report.test_summary()?;
    let mut status_counts = BTreeMap::new();
    for word in ["SUCCEEDED", "FAILED", "ERROR", "SKIPPED", "UNKNOWN"] {
        if let Some(n) = summary.status_counts().get(word) {
            status_counts.insert(word.to_owned(), count(*n));
        }
    }
    let arn = report.arn()?;
    Some(TestReport {
        arn: arn.to_owned(),
        // `…:report/group:id` is of `…:report-group/group`.
        group: report.report_group_arn().map_or_else(
            || arn.rsplit_once(':').map_or(arn, |(group, _)| group).replacen(":report/", ":report-group/", 1),
            str::to_owned,
        ),
        build: report
            .execution_id()
            .map(|build| build.split_once(":build/").map_or(build, |(_, id)| id).to_owned())
            .filter(|id| !id.is_empty()),
        status: report.status()?.as_str().to_owned(),
        created: report.created().and_then(moment)?,
        total: count(summary.total()),
        status_counts,
        duration_nanoseconds: u64::try_from(summary.duration_in_nano_seconds()).ok(),
    })
}

fn name_of(project: &Resource) -> &str {
    let name = project.properties.get("Name").and_then(serde_json::Value::as_str);
    name.unwrap_or_else(|| project.uid.as_str().rsplit('/').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};
    use time::macros::datetime;

    use super::super::look::EXPIRED;
    use super::super::testing::*;
    use super::*;
    use crate::collect::test_support::{Answer, Answers};
    use crate::inventory::GapCause;

    const WEB: &str = "arn:aws:codebuild:eu-west-1:111122223333:project/web";
    const GROUP: &str = "arn:aws:codebuild:eu-west-1:111122223333:report-group/web-unit";

    fn project() -> Resource {
        resource(TypeName::PROJECT, WEB, json!({"Name": "web"}))
    }

    fn report_arn(n: u8) -> String {
        format!("arn:aws:codebuild:eu-west-1:111122223333:report/web-unit:{n}")
    }

    /// A build a day from the 28th back, with a report each; reports of builds before the tenth are gone.
    fn daily(from: OffsetDateTime) -> Answers {
        Arc::new(move |operation, input| {
            Answer::Json(match operation {
                "ListBuildsForProject" => {
                    assert!(input.get("sortOrder").is_none(), "AWS refuses an order for large projects");
                    let newest: u8 = input["nextToken"].as_str().map_or(28, |token| token.parse().unwrap());
                    let ids: Vec<String> = (0..7).map(|n| format!("web:{}", newest - n)).collect();
                    json!({"ids": ids, "nextToken": (newest > 7).then(|| (newest - 7).to_string())})
                }
                "BatchGetBuilds" => {
                    let builds = input["ids"].as_array().unwrap().iter().rev().map(|id| {
                        let id = id.as_str().unwrap();
                        let n: u8 = id.strip_prefix("web:").unwrap().parse().unwrap();
                        json!({"id": id, "projectName": "web", "buildStatus": "SUCCEEDED", "initiator": "codepipeline/web",
                            "resolvedSourceVersion": "c1", "startTime": epoch(from.replace_day(n).unwrap()),
                            "endTime": epoch(from.replace_day(n).unwrap()), "reportArns": [report_arn(n)]})
                    });
                    json!({"builds": builds.collect::<Vec<Value>>()})
                }
                _ => {
                    let arns = input["reportArns"].as_array().unwrap().iter().map(|arn| arn.as_str().unwrap());
                    let number = |arn: &str| arn.rsplit(':').next().unwrap().parse::<u8>().unwrap();
                    let reports = arns.filter(|arn| number(arn) >= 10).map(|arn| {
                        json!({"arn": arn, "reportGroupArn": GROUP, "status": "FAILED", "created": epoch(day(number(arn))),
                            "executionId": format!("arn:aws:codebuild:eu-west-1:111122223333:build/web:{}", number(arn)),
                            "testSummary": {"total": 9, "statusCounts": {"SUCCEEDED": 7, "FAILED": 1, "SKIPPED": 1}, "durationInNanoSeconds": 5}})
                    });
                    json!({"reports": reports.collect::<Vec<Value>>()})
                }
            })
        })
    }

    fn asked(from_day: u8) -> Asked {
        let mut asked = Asked::of(vec![project()]);
        asked.period.from = day(from_day);
        asked
    }

    #[tokio::test]
    async fn every_refusal_is_a_gap_and_older_builds_are_not_asked_for() {
        let history = every_refusal_leaves_a_gap(&Builds, &asked(22), daily(FROM)).await;
        assert_eq!((history.builds.len(), history.reports.len()), (14, 14), "two pages show where the period begins");
        let build = history.builds.last().unwrap();
        assert_eq!((build.id.as_str(), build.initiator.as_deref()), ("web:28", Some("codepipeline/web")));
        assert_eq!(build.resolved_source_version.as_deref(), Some("c1"));
        let report = history.reports.last().unwrap();
        assert_eq!((report.build.as_deref(), report.group.as_str()), (Some("web:28"), GROUP));
        assert_eq!((report.total, report.status_counts["SUCCEEDED"], report.duration_nanoseconds), (9, 7, Some(5)));
        let spans: Vec<_> = history.coverage.spans.iter().map(|span| (span.source, span.from)).collect();
        assert_eq!(spans, [(HistorySource::Builds, day(22)), (HistorySource::TestReports, day(22))]);
    }

    #[tokio::test]
    async fn reports_that_expired_are_a_gap_over_the_time_before() {
        let mut asked = Asked::of(vec![project()]);
        asked.period.from = datetime!(2026-05-01 0:00 UTC);
        let (history, _) = collect(&Builds, &asked, daily(datetime!(2026-05-01 0:00 UTC)), &[]).await;
        let [gap] = history.coverage.gaps.as_slice() else { panic!("{:?}", history.coverage) };
        let floor = datetime!(2026-05-31 0:00 UTC);
        assert_eq!((gap.source, gap.from, gap.to), (HistorySource::TestReports, Some(asked.period.from), Some(floor)));
        assert!(matches!(&gap.gap.cause, GapCause::Service { code, .. } if code == EXPIRED));
        let spans: Vec<_> = history.coverage.spans.iter().map(|span| (span.source, span.from)).collect();
        assert_eq!(spans, [(HistorySource::Builds, asked.period.from), (HistorySource::TestReports, floor)]);
    }

    #[tokio::test]
    async fn a_young_report_that_is_gone_is_no_expiry() {
        let (history, _) = collect(&Builds, &asked(1), daily(FROM), &[]).await;
        let [gap] = history.coverage.gaps.as_slice() else { panic!("{:?}", history.coverage) };
        assert!(gap.gap.sentence().contains("9 test reports"), "{}", gap.gap.sentence());
        assert!(history.coverage.spans.iter().all(|span| span.source == HistorySource::Builds));
    }

    #[tokio::test]
    async fn builds_that_had_not_ended_are_asked_for_again() {
        let mut asked = asked(22);
        let (history, _) = collect(&Builds, &asked, daily(FROM), &[]).await;
        asked.known = history.coverage;
        asked.so_far = History { builds: history.builds, reports: history.reports, ..History::default() };
        let (nothing, calls) = collect(&Builds, &asked, daily(FROM), &[]).await;
        assert_eq!((nothing, calls), (History::default(), Vec::new()));
        asked.so_far.builds.iter_mut().filter(|build| build.id == "web:25").for_each(|build| {
            build.status = "IN_PROGRESS".to_owned();
            build.report_arns.clear();
        });
        let (again, calls) = collect(&Builds, &asked, daily(FROM), &[]).await;
        assert_eq!(calls, ["BatchGetBuilds"], "its report is known");
        assert_eq!(again.builds[0].status, "SUCCEEDED");
    }
}
