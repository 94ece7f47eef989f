//! The short message on a run → an SNS topic.
//!
//! In: a [`Notice`]. Out: one `Publish` per run and topic, with text for people (e-mail, chat) and JSON for programs (HTTPS,
//! SQS, Lambda) where the topic is a standard one. A run that was told is remembered and not told again; a FIFO topic drops
//! a second message of a run by itself, too.
//!
//! Limits: <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::receiver::settings;
use super::{
    Delivered, Delivery, DeliveryError, FailedRun, Grant, Kind, Memory, Notice, Package, Preview, PreviewLine,
    Receiver, Way, When,
};
use crate::collect::Scope;
use crate::inventory::{Arn, Partition, Region};
use crate::run::SPOOL;

/// A subject must be shorter than 100 characters.
const SUBJECT: usize = 99;
/// All of a message, its structure included.
const MESSAGE: usize = 256 * 1024;
/// A text message is billed by pieces of this size.
const SMS: usize = 140;

/// `[[deliveries.sns]]`
#[derive(Debug)]
pub(super) struct Sns;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The topic.
    topic_arn: String,
    /// `always`, `changed` or `violations`.
    #[serde(default)]
    when: When,
}

impl Kind for Sns {
    fn table(&self) -> &'static str {
        "sns"
    }

    fn about(&self) -> &'static str {
        "a short message: verdict, counts, changes, the worst news, what was not seen"
    }

    fn actions(&self) -> &'static [&'static str] {
        &["sns:Publish"]
    }

    fn read(&self, name: &str, table: Value) -> Result<Arc<dyn Receiver>, String> {
        let settings: Settings = settings(table)?;
        let region = region_of(&settings.topic_arn)
            .ok_or_else(|| format!("`topic_arn`: `{}` is no ARN of an SNS topic", settings.topic_arn))?;
        Ok(Arc::new(Configured { name: name.to_owned(), settings, region }))
    }
}

fn region_of(topic: &str) -> Option<Region> {
    let arn = Arn::parse(topic).ok().filter(|arn| arn.service == "sns" && arn.account_id().is_some())?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    arn.resource.bytes().all(plain).then_some(())?;
    arn.region.parse().ok()
}

#[derive(Debug, Clone)]
struct Configured {
    name: String,
    settings: Settings,
    region: Region,
}

impl Receiver for Configured {
    fn grants(&self, _partition: Partition) -> Vec<Grant> {
        vec![Grant { actions: vec!["sns:Publish"], resources: vec![self.settings.topic_arn.clone()] }]
    }

    fn open(&self, way: &Way<'_>) -> Result<Box<dyn Delivery>, DeliveryError> {
        let scope = way.sessions.own_scope().in_region(&self.region);
        Ok(Box::new(ToTopic { name: self.name.clone(), settings: self.settings.clone(), scope }))
    }
}

struct ToTopic {
    name: String,
    settings: Settings,
    scope: Scope,
}

/// What is published.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    subject: String,
    body: String,
    is_structured: bool,
}

impl Message {
    fn of(notice: &Notice, is_fifo: bool) -> Self {
        let subject = subject(&notice.title);
        // A FIFO topic delivers to queues only.
        if is_fifo {
            let body = shortened(&notice.json().to_string(), MESSAGE, || notice.text());
            return Self { subject, body, is_structured: false };
        }
        let text = cut(&notice.text(), MESSAGE / 8);
        let short = cut(&format!("{} {}", notice.title, notice.report), SMS);
        let structure = |program: &str| {
            json!({
                "default": text, "email": text, "email-json": program, "http": program, "https": program,
                "sqs": program, "lambda": program, "firehose": program, "sms": short,
            })
            .to_string()
        };
        let body =
            shortened(&structure(&notice.json().to_string()), MESSAGE, || json!({ "default": text }).to_string());
        Self { subject, body, is_structured: true }
    }
}

/// `body`, or what stands for it where it is too long.
fn shortened(body: &str, longest: usize, instead: impl FnOnce() -> String) -> String {
    if body.len() <= longest { body.to_owned() } else { cut(&instead(), longest) }
}

/// At most so many bytes, and no half character.
fn cut(text: &str, longest: usize) -> String {
    const MORE: &str = "...";
    if text.len() <= longest {
        return text.to_owned();
    }
    let end = (0..=longest.saturating_sub(MORE.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}{MORE}", text.get(..end).unwrap_or_default())
}

/// Printable ASCII that begins with a letter, as the API wants it.
fn subject(title: &str) -> String {
    let plain: String = title.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    cut(&plain, SUBJECT)
}

impl ToTopic {
    fn is_fifo(&self) -> bool {
        self.settings.topic_arn.rsplit_once('.').is_some_and(|(_, end)| end == "fifo")
    }

    fn notice(&self, package: &Package<'_>) -> Result<Option<Message>, DeliveryError> {
        if !self.settings.when.applies(package.report) {
            return Ok(None);
        }
        let spool = package.run.path().join(SPOOL);
        let notice = Notice::of(package).map_err(DeliveryError::unreadable(&spool))?;
        Ok(Some(Message::of(&notice, self.is_fifo())))
    }

    /// What is remembered of a run that was told.
    fn key(&self, run: &str) -> String {
        format!("{}/{run}", self.settings.topic_arn)
    }

    /// `what`: the run, and which end of it.
    async fn publish(&self, what: &str, message: Message, memory: &mut Memory) -> Result<Delivered, DeliveryError> {
        let key = self.key(what);
        let client = aws_sdk_sns::Client::new(self.scope.config());
        let fifo = self.is_fifo();
        let answer = self
            .scope
            .call("sns:Publish", || {
                client
                    .publish()
                    .topic_arn(&self.settings.topic_arn)
                    .subject(&message.subject)
                    .message(&message.body)
                    .set_message_structure(message.is_structured.then(|| "json".to_owned()))
                    .set_message_group_id(fifo.then(|| "pipewarden".to_owned()))
                    .set_message_deduplication_id(fifo.then(|| format!("{}-{what}", self.name)))
                    .send()
            })
            .await
            .map_err(|error| {
                DeliveryError::of_call(
                    &self.receiver(),
                    &error,
                    "`pipewarden role --for audit --deliveries --config FILE` prints what must be allowed; the policies of the topic and of its key have to allow it too",
                )
            })?;
        memory.put(&key, json!(answer.message_id().unwrap_or_default()))?;
        Ok(Delivered { sent: 1, ..Delivered::default() })
    }
}

#[async_trait]
impl Delivery for ToTopic {
    fn name(&self) -> &str {
        &self.name
    }

    fn receiver(&self) -> String {
        self.settings.topic_arn.clone()
    }

    async fn preview(&self, package: &Package<'_>, memory: &Memory) -> Result<Preview, DeliveryError> {
        if memory.get(&self.key(&package.manifest.run.run_id)).is_some() {
            return Ok(Preview { things: Vec::new(), unchanged: 1 });
        }
        let message = self.notice(package)?.map(|message| PreviewLine {
            what: format!("message: {}", message.subject),
            count: 1,
            bytes: message.body.len() as u64,
        });
        Ok(Preview { things: message.into_iter().collect(), unchanged: 0 })
    }

    async fn deliver(&self, package: &Package<'_>, memory: &mut Memory) -> Result<Delivered, DeliveryError> {
        let run = package.manifest.run.run_id.clone();
        if memory.get(&self.key(&run)).is_some() {
            return Ok(Delivered { unchanged: 1, ..Delivered::default() });
        }
        match self.notice(package)? {
            None => Ok(Delivered::default()),
            Some(message) => self.publish(&run, message, memory).await,
        }
    }

    async fn deliver_failure(
        &self,
        failed: &FailedRun<'_>,
        memory: &mut Memory,
    ) -> Result<Option<Delivered>, DeliveryError> {
        let run = &failed.notice.run.run_id;
        // A run that broke off goes on the next time: each time that it breaks off is news, and so is its verdict.
        let what = match failed.run.failure() {
            Some(_) => format!("{run}-failed"),
            None => format!("{run}-broke-off-{}", failed.now.unix_timestamp()),
        };
        if memory.get(&self.key(&what)).is_some() {
            return Ok(Some(Delivered { unchanged: 1, ..Delivered::default() }));
        }
        let message = Message::of(&failed.notice, self.is_fifo());
        self.publish(&what, message, memory).await.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::RunInfo;

    fn notice(title: &str, why: &str) -> Notice {
        let run = RunInfo {
            run_id: "20261121T020000Z".to_owned(),
            started_at: "2026-11-21T02:00:00Z".to_owned(),
            tool_version: "1".to_owned(),
            organization: String::new(),
            policy_hash: String::new(),
        };
        Notice { title: title.to_owned(), ..Notice::of_failure(run, why, "/runs/1".to_owned()) }
    }

    #[test]
    fn a_subject_is_what_the_api_takes() {
        for title in ["kürz\u{202e}er\nSubject: x", &"long ".repeat(50)] {
            let subject = subject(title);
            assert!(subject.len() < 100 && subject.bytes().all(|b| b == b' ' || b.is_ascii_graphic()), "{subject}");
        }
    }

    #[test]
    fn people_get_text_and_programs_get_json() {
        let message = Message::of(&notice("title", "no account could be entered"), false);
        let structure: Value = serde_json::from_str(&message.body).unwrap();
        assert!(structure["email"].as_str().unwrap().contains("no account could be entered"));
        let program: Value = serde_json::from_str(structure["sqs"].as_str().unwrap()).unwrap();
        assert_eq!(program["verdict"], "Failed");
        assert!(structure["sms"].as_str().unwrap().len() <= SMS);
        let queued = Message::of(&notice("title", "x"), true);
        assert!(!queued.is_structured);
        assert_eq!(serde_json::from_str::<Value>(&queued.body).unwrap()["run"]["runId"], "20261121T020000Z");
    }

    #[test]
    fn no_message_is_longer_than_sns_takes() {
        for fifo in [false, true] {
            let message = Message::of(&notice("title", &"ä".repeat(300_000)), fifo);
            assert!(message.body.len() <= MESSAGE, "{}", message.body.len());
            assert!(fifo || serde_json::from_str::<Value>(&message.body).is_ok());
        }
    }

    #[test]
    fn only_topics_are_topics() {
        for wrong in ["", "topic", "arn:aws:sqs:eu-west-1:111122223333:q", "arn:aws:sns:eu-west-1:111122223333:a:b"] {
            assert_eq!(region_of(wrong), None, "{wrong}");
        }
        assert_eq!(region_of("arn:aws:sns:eu-west-1:111122223333:t.fifo").unwrap().as_str(), "eu-west-1");
    }
}
