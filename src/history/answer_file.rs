//! Answers of AWS that somebody saved: what `aws codepipeline list-pipeline-executions`, `aws codepipeline
//! list-action-executions` and `aws deploy batch-get-deployments` print.
//!
//! In: a file, and what these answers do not say themselves: which pipeline, or which account and Region, they are of. Out: a
//! [`History`] with the same records as a collection makes of them, without secrets, or every problem of the file with its
//! place. It exists for accounts that nobody may enter, and for outcomes that AWS has forgotten since.
//!
//! A file says what is in it and nothing of what is not, so it adds no span: numbers from it alone are partial. Several answers
//! may follow each other in one file. Times are what the command line writes: RFC 3339, or seconds since 1970.
//!
//! Members: <https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ListPipelineExecutions.html>,
//! <https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ListActionExecutions.html>,
//! <https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_BatchGetDeployments.html>

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::message::{first_line, revision_summary, setting};
use super::{
    ActionExecution, AutoRollback, CodeDeployment, History, InstanceCounts, PipelineExecution, Revision,
    SourceRevision, Trigger,
};
use crate::inventory::hex;
use crate::inventory::{AccountId, Arn, Region, source_location};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;
/// Problems that are listed; more help nobody.
const LISTED: usize = 20;

const EXECUTIONS: &str = "pipelineExecutionSummaries";
const ACTIONS: &str = "actionExecutionDetails";
const DEPLOYMENTS: &str = "deploymentsInfo";

/// What saved answers are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerPlace {
    account: AccountId,
    region: Region,
    /// The pipeline's ARN; none for deployments, which name their application themselves.
    pipeline: Option<String>,
}

impl std::str::FromStr for AnswerPlace {
    type Err = String;

    /// A pipeline's ARN, or `111122223333/eu-west-1`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is neither the ARN of a pipeline nor an account and Region (111122223333/eu-west-1)");
        if let Ok(arn) = Arn::parse(text) {
            let account = arn.account_id().filter(|_| arn.service == "codepipeline").ok_or_else(wrong)?;
            let region: Region = arn.region.parse().map_err(|_| wrong())?;
            return Ok(Self { account, region, pipeline: Some(text.to_owned()) });
        }
        let (account, region) = text.split_once('/').ok_or_else(wrong)?;
        let account: AccountId = account.parse().map_err(|_| wrong())?;
        let region: Region = region.parse().map_err(|_| wrong())?;
        Ok(Self { account, region, pipeline: None })
    }
}

/// A file of answers that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AnswerFileError {
    /// The disk refused.
    #[error("cannot read the answers in {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// More than is held in memory.
    #[error("{} is larger than 64 MiB; save it in parts, e.g. with `--max-items` and `--starting-token`", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The content is wrong.
    #[error("{file}: {}", listed(problems))]
    Invalid {
        /// The file's name.
        file: String,
        /// What is wrong and where, in the file's order; never empty.
        problems: Vec<String>,
    },
}

fn listed(problems: &[String]) -> String {
    let more = problems.len().saturating_sub(LISTED);
    let mut text = problems.iter().take(LISTED).cloned().collect::<Vec<_>>().join("\n  ");
    if more > 0 {
        text.push_str("\n  and more of the same");
    }
    text
}

/// Reads a file of answers.
///
/// # Errors
/// [`AnswerFileError`] if it cannot be read, or anything in it is wrong: half of a list of executions would count as a
/// better record.
pub fn read_answer_file(place: &AnswerPlace, path: &Path) -> Result<History, AnswerFileError> {
    let io = |source| AnswerFileError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(io)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST {
        return Err(AnswerFileError::TooLarge { path: path.to_owned() });
    }
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    parse_answers(place, &name, &bytes)
}

/// Reads answers from the bytes of a file called `name`.
///
/// # Errors
/// [`AnswerFileError::Invalid`] with everything that is wrong.
pub fn parse_answers(place: &AnswerPlace, name: &str, bytes: &[u8]) -> Result<History, AnswerFileError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = Reader { place, history: History::default(), problems: Vec::new(), lists: 0 };
    for document in serde_json::Deserializer::from_slice(bytes).into_iter::<Value>() {
        match document {
            Ok(document) => reader.document(&document),
            Err(error) => {
                reader.problems.push(format!("line {}: it is no JSON: {error}", error.line()));
                break;
            }
        }
    }
    if reader.lists == 0 && reader.problems.is_empty() {
        reader.problems.push(format!(
            "it holds none of `{EXECUTIONS}`, `{ACTIONS}` and `{DEPLOYMENTS}`; save the whole output of `aws codepipeline \
             list-pipeline-executions`, `aws codepipeline list-action-executions` or `aws deploy batch-get-deployments`, \
             as JSON"
        ));
    }
    if !reader.problems.is_empty() {
        return Err(AnswerFileError::Invalid { file: name.to_owned(), problems: reader.problems });
    }
    reader.history.normalise();
    Ok(reader.history)
}

struct Reader<'a> {
    place: &'a AnswerPlace,
    history: History,
    problems: Vec<String>,
    lists: u32,
}

impl Reader<'_> {
    fn document(&mut self, document: &Value) {
        for list in [EXECUTIONS, ACTIONS, DEPLOYMENTS] {
            let Some(value) = document.get(list) else { continue };
            self.lists += 1;
            let Some(items) = value.as_array() else {
                self.problems.push(format!("`{list}` is no list"));
                continue;
            };
            if list != DEPLOYMENTS && self.place.pipeline.is_none() {
                self.problems.push(format!("`{list}` does not say of which pipeline it is; give the pipeline's ARN"));
                continue;
            }
            for (nth, item) in items.iter().enumerate() {
                let read = match list {
                    EXECUTIONS => self.execution(item).map(|record| self.history.executions.push(record)),
                    ACTIONS => self.action(item).map(|record| self.history.actions.push(record)),
                    _ => self.deployment(item).map(|record| self.history.deployments.push(record)),
                };
                if let Err(problem) = read {
                    self.problems.push(format!("{list}[{nth}]: {problem}"));
                }
            }
        }
    }

    fn pipeline(&self) -> String {
        self.place.pipeline.clone().unwrap_or_default()
    }

    fn execution(&self, item: &Value) -> Result<PipelineExecution, String> {
        let (account, region) = (self.place.account.clone(), self.place.region.clone());
        let (id, status) = (needed(item, "pipelineExecutionId")?, needed(item, "status")?);
        let started = needed_time(item, "startTime")?;
        let new = PipelineExecution::new(self.pipeline(), account, region, id, status, started);
        let revisions = item.get("sourceRevisions").and_then(Value::as_array).into_iter().flatten();
        let trigger = item.get("trigger").and_then(|trigger| {
            let detail = text(trigger, "triggerDetail").as_deref().and_then(first_line);
            Some(Trigger { kind: text(trigger, "triggerType")?, detail })
        });
        Ok(PipelineExecution {
            updated: moment(item, "lastUpdateTime")?,
            revisions: revisions.filter_map(revision).collect(),
            trigger,
            mode: text(item, "executionMode"),
            execution_type: text(item, "executionType"),
            rollback_target: item
                .get("rollbackMetadata")
                .and_then(|rollback| text(rollback, "rollbackTargetPipelineExecutionId")),
            ..new
        })
    }

    fn action(&self, item: &Value) -> Result<ActionExecution, String> {
        let empty = Value::Null;
        let input = item.get("input").unwrap_or(&empty);
        let kind = input.get("actionTypeId").unwrap_or(&empty);
        let result = item.pointer("/output/executionResult").unwrap_or(&empty);
        let region = text(input, "region").and_then(|region| region.parse::<Region>().ok());
        let settings = input.get("resolvedConfiguration").or_else(|| input.get("configuration"));
        let settings = settings.and_then(Value::as_object).into_iter().flatten();
        let configuration: BTreeMap<String, String> =
            settings.filter_map(|(name, value)| Some((name.clone(), setting(name, value.as_str()?)))).collect();
        Ok(ActionExecution {
            pipeline: self.pipeline(),
            execution: needed(item, "pipelineExecutionId")?,
            id: needed(item, "actionExecutionId")?,
            stage: needed(item, "stageName")?,
            action: needed(item, "actionName")?,
            category: text(kind, "category").unwrap_or_default(),
            provider: text(kind, "provider").unwrap_or_default(),
            pipeline_version: item.get("pipelineVersion").and_then(Value::as_i64),
            status: needed(item, "status")?,
            started: needed_time(item, "startTime")?,
            updated: moment(item, "lastUpdateTime")?,
            updated_by: text(item, "updatedBy"),
            role_arn: text(input, "roleArn"),
            region: region.filter(|region| *region != self.place.region),
            configuration,
            external_execution_id: text(result, "externalExecutionId"),
            error_code: result.get("errorDetails").and_then(|error| text(error, "code")),
            summary: text(result, "externalExecutionSummary").as_deref().and_then(first_line),
        })
    }

    fn deployment(&self, item: &Value) -> Result<CodeDeployment, String> {
        let rollback = |name: &str| item.get("rollbackInfo").and_then(|rollback| text(rollback, name));
        let flag = |name: &str| item.get(name).and_then(Value::as_bool);
        Ok(CodeDeployment {
            account: self.place.account.clone(),
            region: self.place.region.clone(),
            id: needed(item, "deploymentId")?,
            application: needed(item, "applicationName")?,
            group: text(item, "deploymentGroupName"),
            compute_platform: text(item, "computePlatform"),
            status: needed(item, "status")?,
            creator: text(item, "creator"),
            created: needed_time(item, "createTime")?,
            started: moment(item, "startTime")?,
            completed: moment(item, "completeTime")?,
            revision: item.get("revision").and_then(delivered),
            rollback_deployment: rollback("rollbackDeploymentId"),
            rollback_triggering_deployment: rollback("rollbackTriggeringDeploymentId"),
            error_code: item.get("errorInformation").and_then(|error| text(error, "code")),
            counts: item.get("deploymentOverview").and_then(Value::as_object).map(counts),
            mode: text(item, "deploymentMode"),
            ignore_application_stop_failures: flag("ignoreApplicationStopFailures"),
            auto_rollback: item.get("autoRollbackConfiguration").map(|rollback| AutoRollback {
                enabled: rollback.get("enabled").and_then(Value::as_bool).unwrap_or_default(),
                events: texts(rollback, "events"),
            }),
            overrides_alarms: Some(item.get("overrideAlarmConfiguration").is_some_and(|it| !it.is_null())),
            description: text(item, "description").as_deref().and_then(first_line),
        })
    }
}

/// A text that says something.
fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    let list = value.get(name).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn needed(value: &Value, name: &str) -> Result<String, String> {
    text(value, name).ok_or_else(|| format!("it has no `{name}`"))
}

fn needed_time(value: &Value, name: &str) -> Result<OffsetDateTime, String> {
    moment(value, name)?.ok_or_else(|| format!("it has no `{name}`"))
}

/// A time as the command line writes it, to the millisecond; none if it is absent.
fn moment(value: &Value, name: &str) -> Result<Option<OffsetDateTime>, String> {
    const NANOS_PER_MILLI: i128 = 1_000_000;
    let nanos = match value.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => {
            OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp_nanos)
        }
        // Through the decimal text: a float of seconds has no exact milliseconds.
        Some(Value::Number(number)) => nanoseconds(&number.to_string()),
        Some(_) => None,
    };
    let millis = nanos.map(|nanos| (nanos + NANOS_PER_MILLI / 2).div_euclid(NANOS_PER_MILLI) * NANOS_PER_MILLI);
    let time = millis.and_then(|nanos| OffsetDateTime::from_unix_timestamp_nanos(nanos).ok());
    match time.filter(|time| time.year() >= 0) {
        Some(time) => Ok(Some(time)),
        None => Err(format!("`{name}` is no time; expected 2026-06-10T09:50:00Z or seconds since 1970")),
    }
}

/// `1780304400.123` → nanoseconds.
fn nanoseconds(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanos = fraction.chars().chain(std::iter::repeat('0')).take(9).collect::<String>();
    let (whole, nanos): (i128, i128) = (whole.parse().ok()?, nanos.parse().ok()?);
    (whole >= 0).then(|| whole * 1_000_000_000 + nanos)
}

fn revision(item: &Value) -> Option<SourceRevision> {
    Some(SourceRevision {
        action: text(item, "actionName").unwrap_or_default(),
        id: text(item, "revisionId")?,
        summary: text(item, "revisionSummary").as_deref().and_then(revision_summary),
        url: text(item, "revisionUrl").as_deref().map(source_location),
    })
}

/// What was deployed; `None` where the answer tells too little to know it again.
fn delivered(location: &Value) -> Option<Revision> {
    if let Some(s3) = location.get("s3Location") {
        return Some(Revision::S3 {
            bucket: text(s3, "bucket")?,
            key: text(s3, "key")?,
            version: text(s3, "version"),
            etag: text(s3, "eTag").map(|etag| etag.trim_matches('"').to_owned()),
        });
    }
    if let Some(github) = location.get("gitHubLocation") {
        return Some(Revision::GitHub { repository: text(github, "repository")?, commit: text(github, "commitId")? });
    }
    let written = location.get("appSpecContent").or_else(|| location.get("string"))?;
    let computed = text(written, "content").map(|content| hex(&Sha256::digest(content)));
    let sha256 = computed.or_else(|| text(written, "sha256").map(|sha256| sha256.to_lowercase()))?;
    Some(Revision::Content { sha256 })
}

fn counts(overview: &Map<String, Value>) -> InstanceCounts {
    let count = |name: &str| overview.get(name).and_then(Value::as_u64).unwrap_or_default();
    InstanceCounts {
        pending: count("Pending"),
        in_progress: count("InProgress"),
        succeeded: count("Succeeded"),
        failed: count("Failed"),
        skipped: count("Skipped"),
        ready: count("Ready"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    const WEB: &str = "arn:aws:codepipeline:eu-west-1:111122223333:web";

    fn read(place: &str, text: &str) -> Result<History, String> {
        parse_answers(&place.parse().unwrap(), "x.json", text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn executions_are_read_as_either_version_of_the_command_line_writes_them() {
        let answer = |time: Value| {
            json!({"pipelineExecutionSummaries": [{
                "pipelineExecutionId": "e1", "status": "Succeeded", "startTime": time, "lastUpdateTime": time,
                "sourceRevisions": [{"actionName": "Code", "revisionId": "c1", "revisionSummary": "fix: retry\n\nbody",
                    "revisionUrl": "https://u:p@example.com/c1"}],
                "trigger": {"triggerType": "Webhook", "triggerDetail": "hook"}, "executionMode": "SUPERSEDED",
                "executionType": "ROLLBACK", "rollbackMetadata": {"rollbackTargetPipelineExecutionId": "e0"}}]})
        };
        let second = read(WEB, &answer(json!("2026-06-01T11:00:00.123000+02:00")).to_string()).unwrap();
        let first = read(WEB, &answer(json!(1_780_304_400.123)).to_string()).unwrap();
        assert_eq!(first, second);
        let [execution] = first.executions.as_slice() else { panic!("{first:?}") };
        assert_eq!(execution.started, datetime!(2026-06-01 09:00:00.123 UTC));
        assert_eq!((execution.pipeline.as_str(), execution.account.as_str()), (WEB, "111122223333"));
        assert_eq!(execution.rollback_target.as_deref(), Some("e0"));
        assert_eq!(execution.revisions[0].summary.as_deref(), Some("fix: retry"));
        assert!(!serde_json::to_string(&first).unwrap().contains("u:p@"), "no secret comes through");
        assert!(first.coverage.spans.is_empty(), "a file says nothing of what is not in it");
    }

    #[test]
    fn actions_and_deployments_are_read_and_several_answers_may_follow_each_other() {
        let action = |id: &str| {
            json!({"actionExecutionDetails": [{
                "pipelineExecutionId": "e1", "actionExecutionId": id, "stageName": "Prod", "actionName": "Deploy",
                "status": "Succeeded", "startTime": "2026-06-01T09:00:00Z", "updatedBy": "arn:aws:iam::1:user/x",
                "input": {"actionTypeId": {"category": "Deploy", "owner": "AWS", "provider": "CodeDeploy", "version": "1"},
                    "region": "us-east-1", "configuration": {"ApplicationName": "web", "Password": "hunter2"}},
                "output": {"executionResult": {"externalExecutionId": "d-1", "externalExecutionSummary": "ok\nmore"}}}]})
        };
        let text = format!("\u{feff}{}\n{}", action("a1"), action("a2"));
        let history = read(WEB, &text).unwrap();
        assert_eq!(history.actions.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["a1", "a2"]);
        let one = &history.actions[0];
        assert_eq!((one.provider.as_str(), one.external_execution_id.as_deref()), ("CodeDeploy", Some("d-1")));
        assert_eq!(one.region.as_ref().map(Region::as_str), Some("us-east-1"));
        assert_ne!(one.configuration["Password"], "hunter2");

        let deployments = json!({"deploymentsInfo": [{
            "deploymentId": "d-1", "applicationName": "web", "deploymentGroupName": "fleet", "status": "Failed",
            "creator": "user", "createTime": "2026-06-01T09:00:00Z", "completeTime": "2026-06-01T09:05:00Z",
            "revision": {"revisionType": "S3", "s3Location": {"bucket": "b", "key": "k", "eTag": "\"e\""}},
            "errorInformation": {"code": "HEALTH_CONSTRAINTS"}, "deploymentOverview": {"Failed": 1, "Succeeded": 2},
            "rollbackInfo": {"rollbackDeploymentId": "d-2"}, "overrideAlarmConfiguration": {"enabled": false}}]});
        let history = read("111122223333/eu-west-1", &deployments.to_string()).unwrap();
        let [one] = history.deployments.as_slice() else { panic!("{history:?}") };
        assert_eq!((one.error_code.as_deref(), one.overrides_alarms), (Some("HEALTH_CONSTRAINTS"), Some(true)));
        assert!(one.counts.is_some_and(|counts| counts.failed == 1 && counts.succeeded == 2));
        assert!(matches!(&one.revision, Some(Revision::S3 { etag: Some(etag), .. }) if etag == "e"));
    }

    #[test]
    fn whatever_is_wrong_names_the_file_and_the_place() {
        let wrong = |place: &str, text: &str| read(place, text).unwrap_err();
        let two = r#"{"pipelineExecutionSummaries": [
            {"pipelineExecutionId": "e", "status": "Failed", "startTime": "yesterday"},
            {"pipelineExecutionId": "e", "startTime": 1}]}"#;
        let told = wrong(WEB, two);
        for part in ["x.json: ", "pipelineExecutionSummaries[0]: `startTime` is no time", "[1]: it has no `status`"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(wrong("111122223333/eu-west-1", two).contains("give the pipeline's ARN"));
        assert!(wrong(WEB, "{\"Events\": []}").contains("list-action-executions"));
        assert!(wrong(WEB, "").contains("it holds none of"));
        assert!(wrong(WEB, "{\n\"a\":").contains("line 2: it is no JSON"));
        assert!(wrong(WEB, "{\"deploymentsInfo\": 7}").contains("is no list"));
        assert!(read(WEB, "{\"actionExecutionDetails\": []}").unwrap().actions.is_empty());
        for text in ["web", "arn:aws:s3:::bucket", "1/eu-west-1", "111122223333/", "111122223333"] {
            assert!(text.parse::<AnswerPlace>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let missing = read_answer_file(&WEB.parse().unwrap(), Path::new("no/such.json")).unwrap_err();
        assert!(missing.to_string().contains("such.json"));
    }
}
