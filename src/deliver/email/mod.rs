//! The short message on a run → e-mail, through Amazon SES.
//!
//! In: a [`Notice`] and the findings. Out: one message per run to those who are configured, and one per owner who can be
//! reached, with text, HTML and a table of findings. SES sends every message that it takes, so what was taken is remembered at
//! once; its header has the run, and whoever gets it twice sees that.
//!
//! <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>

mod address;
mod body;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sesv2::types::{
    Attachment, AttachmentContentDisposition, AttachmentContentTransferEncoding, Body, Content, Destination,
    EmailContent, Message, MessageHeader,
};
use aws_smithy_types::Blob;
use aws_smithy_types::error::operation::BuildError;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use serde::Deserialize;
use serde_json::{Value, json};

use super::attachment::{Attach, Attached};
use super::contacts::Contacts;
use super::messenger::{Channel, Letter, Messenger};
use super::receiver::settings;
use super::{Delivery, DeliveryError, Grant, Kind, Receiver, Way, When};
use crate::collect::{CallError, Scope};
use crate::inventory::{Arn, Partition, Region};
use crate::report::visible;

pub(super) use address::Address;

/// Recipients of one message, as SES takes them.
pub(super) const MOST_RECIPIENTS: usize = 50;
/// Characters of a subject that people see in a list.
const SUBJECT: usize = 200;
/// Failures on end after which the next owner would hear the same: they all go by the same identity.
const PATIENCE: usize = 5;
/// Until there is a connection to SES.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Until SES has a whole message and has answered.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(3);

/// `[[deliveries.email]]`
#[derive(Debug)]
pub(super) struct Email;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// A verified address, or one in a verified domain.
    from: String,
    /// Who hears of the whole run.
    to: Vec<String>,
    #[serde(default)]
    reply_to: Vec<String>,
    configuration_set: Option<String>,
    /// Region of SES; the home Region if none is given.
    region: Option<String>,
    /// The identity that sends: needed where another account has verified it, and makes the grant exact.
    identity_arn: Option<String>,
    /// `always`, `changed` or `violations`.
    #[serde(default)]
    when: When,
    /// Which findings are attached.
    #[serde(default)]
    attach: Attach,
    /// Whether owners hear of what is theirs.
    #[serde(default)]
    to_owners: bool,
    /// Domains of owners that are addresses themselves, besides those of `from` and `to`.
    #[serde(default)]
    owner_domains: Vec<String>,
}

/// Settings that were checked.
#[derive(Debug, Clone)]
struct Checked {
    from: Address,
    to: Vec<String>,
    reply_to: Vec<String>,
    configuration_set: Option<String>,
    region: Option<Region>,
    identity_arn: Option<String>,
    when: When,
    attach: Attach,
    to_owners: bool,
    /// In lower case.
    domains: BTreeSet<String>,
    contacts: Contacts,
}

impl Settings {
    fn check(self, contacts: &Contacts) -> Result<Checked, String> {
        let from = Address::named(&self.from).map_err(|problem| format!("`from`: {problem}"))?;
        let all = |key: &str, addresses: &[String]| {
            let parsed: Result<Vec<Address>, String> = addresses.iter().map(|text| Address::bare(text)).collect();
            parsed.map_err(|problem| format!("`{key}`: {problem}"))
        };
        let (to, reply_to) = (all("to", &self.to)?, all("reply_to", &self.reply_to)?);
        if to.is_empty() || to.len() > MOST_RECIPIENTS {
            return Err(format!("`to`: write 1 to {MOST_RECIPIENTS} addresses; a distribution list reaches more"));
        }
        let mut domains: BTreeSet<String> = to.iter().chain([&from]).map(|address| address.domain.clone()).collect();
        for domain in &self.owner_domains {
            if !address::is_domain(domain) {
                return Err(format!("`owner_domains`: `{}` is no domain such as example.com", visible(domain)));
            }
            domains.insert(domain.to_ascii_lowercase());
        }
        if !self.owner_domains.is_empty() && !self.to_owners {
            return Err("`owner_domains` says nothing without `to_owners = true`".to_owned());
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if let Some(set) = self.configuration_set.as_ref().filter(|set| set.is_empty() || !set.bytes().all(plain)) {
            return Err(format!("`configuration_set`: `{}` is no name of one: letters, digits, - and _", visible(set)));
        }
        let region = self.region.as_deref().map(str::parse::<Region>).transpose();
        let mut region = region.map_err(|error| format!("`region`: {error}"))?;
        if let Some(text) = &self.identity_arn {
            let of_identity = identity_region(text)
                .ok_or_else(|| format!("`identity_arn`: `{}` is no ARN of an identity of SES", visible(text)))?;
            if region.as_ref().is_some_and(|region| *region != of_identity) {
                return Err("`region` and `identity_arn` are of two Regions; an identity sends in its own".to_owned());
            }
            region = Some(of_identity);
        }
        let bare = |addresses: Vec<Address>| addresses.into_iter().map(|address| address.bare).collect();
        Ok(Checked {
            from,
            to: bare(to),
            reply_to: bare(reply_to),
            configuration_set: self.configuration_set,
            region,
            identity_arn: self.identity_arn,
            when: self.when,
            attach: self.attach,
            to_owners: self.to_owners,
            domains,
            contacts: contacts.clone(),
        })
    }
}

fn identity_region(text: &str) -> Option<Region> {
    let arn = Arn::parse(text).ok().filter(|arn| arn.service == "ses" && arn.account_id().is_some())?;
    arn.resource.strip_prefix("identity/").filter(|name| !name.is_empty() && !name.contains('*'))?;
    arn.region.parse().ok()
}

impl Kind for Email {
    fn table(&self) -> &'static str {
        "email"
    }

    fn about(&self) -> &'static str {
        "the short message as e-mail through Amazon SES with a table of findings, and to owners what is theirs"
    }

    fn actions(&self) -> &'static [&'static str] {
        // SES checks the second of messages that come in MIME; whether it does for attachments too is not documented.
        &["ses:SendEmail", "ses:SendRawEmail"]
    }

    fn read(&self, name: &str, table: Value) -> Result<Arc<dyn Receiver>, String> {
        self.read_with(name, table, &Contacts::default())
    }

    fn read_with(&self, name: &str, table: Value, contacts: &Contacts) -> Result<Arc<dyn Receiver>, String> {
        let settings: Settings = settings(table)?;
        Ok(Arc::new(Configured { name: name.to_owned(), checked: settings.check(contacts)? }))
    }
}

#[derive(Debug, Clone)]
struct Configured {
    name: String,
    checked: Checked,
}

impl Receiver for Configured {
    fn grants(&self, partition: Partition) -> Vec<Grant> {
        let Checked { from, region, identity_arn, configuration_set, .. } = &self.checked;
        let partition = region.as_ref().map_or(partition, Partition::of_region);
        let place = region.as_ref().map_or("*", Region::as_str);
        let mut resources = match identity_arn {
            Some(arn) => vec![arn.clone()],
            // Either of them may be what was verified.
            None => {
                [&from.bare, &from.domain].map(|name| format!("arn:{partition}:ses:{place}:*:identity/{name}")).to_vec()
            }
        };
        resources.extend(
            configuration_set.as_ref().map(|set| format!("arn:{partition}:ses:{place}:*:configuration-set/{set}")),
        );
        vec![Grant { actions: Email.actions().to_vec(), resources }]
    }

    fn open(&self, way: &Way<'_>) -> Result<Box<dyn Delivery>, DeliveryError> {
        let own = way.sessions.own_scope();
        let scope = self.checked.region.as_ref().map_or_else(|| own.clone(), |region| own.in_region(region));
        Ok(Box::new(Messenger(Mailer { name: self.name.clone(), settings: self.checked.clone(), scope })))
    }
}

struct Mailer {
    name: String,
    settings: Checked,
    scope: Scope,
}

impl Mailer {
    /// Where an owner is reached: by `[owners.contacts]`, or because they are an address themselves. Tags name owners, so
    /// whoever may tag would choose who hears of the findings; only configured domains do.
    fn addresses(&self, owner: &str) -> Result<Option<Vec<String>>, String> {
        if let Some(addresses) = self.settings.contacts.of(owner) {
            return Ok(Some(addresses.to_vec()));
        }
        let Ok(address) = Address::bare(owner) else { return Ok(None) };
        if self.settings.domains.contains(&address.domain) {
            return Ok(Some(vec![address.bare]));
        }
        Err(format!(
            "nothing is sent to the domain {}, because a tag chose it; add it to `owner_domains`, or write the owner into `[owners.contacts]`",
            address.domain
        ))
    }

    fn message(letter: &Letter<'_>) -> Result<Message, BuildError> {
        let content = |text: String| Content::builder().data(text).charset("UTF-8").build();
        let header = |name: &str, value: &str| MessageHeader::builder().name(name).value(value).build();
        let notice = letter.notice;
        let subject: String = visible(&notice.title).chars().take(SUBJECT).collect();
        let body = Body::builder().text(content(notice.text())?).html(content(body::html(notice))?).build();
        let mut message = Message::builder()
            .subject(content(subject)?)
            .body(body)
            .headers(header("X-Pipewarden-Run", &notice.run.run_id)?)
            .headers(header("X-Pipewarden-Message", &letter.id)?)
            // Nobody's absence is to be answered to a program.
            .headers(header("Auto-Submitted", "auto-generated")?);
        if let Some(Attached::File { name, content_type, bytes }) = letter.attached {
            let attachment = Attachment::builder()
                .raw_content(Blob::new(bytes.clone()))
                .content_disposition(AttachmentContentDisposition::Attachment)
                .content_transfer_encoding(AttachmentContentTransferEncoding::Base64)
                .content_type(*content_type)
                .file_name(*name)
                .build()?;
            message = message.attachments(attachment);
        }
        Ok(message.build())
    }

    /// SES takes every request for a new message, so what may have been taken is not sent again by itself. What it refuses
    /// because it is asked too fast was not taken, and the scope asks again.
    fn client(&self) -> aws_sdk_sesv2::Client {
        // An attachment takes longer than the questions that the scope's own limits are made for.
        let timeouts =
            TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ANSWER_TIMEOUT).build();
        let config = aws_sdk_sesv2::config::Builder::from(self.scope.config())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .build();
        aws_sdk_sesv2::Client::from_conf(config)
    }

    fn failed(&self, error: &CallError) -> DeliveryError {
        DeliveryError::of_call(&self.receiver(), error, hint_of(&error.code))
    }
}

/// What has to be done where SES does not send.
/// <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors>
fn hint_of(code: &str) -> &'static str {
    match code {
        "MessageRejected" => {
            "verify the identity of `from` in this Region; while SES is in its sandbox there, it also sends only to verified \
             addresses: verify them, or ask AWS for production access"
        }
        "MailFromDomainNotVerifiedException" => {
            "the custom MAIL FROM domain of the identity lacks its MX record: publish the record that SES shows, or let the \
             identity fall back to amazonses.com"
        }
        "AccountSuspendedException" | "SendingPausedException" => {
            "sending is paused for the account or the configuration set: see the account dashboard of SES, then deliver the run again"
        }
        "LimitExceededException" | "TooManyRequestsException" => {
            "the sending quota of SES is used up: deliver the run again later, or ask for a higher one"
        }
        "NotFoundException" => "there is no such `configuration_set` in this Region; create it, or leave the key out",
        "BadRequestException" => {
            "SES does not take the message as it is configured: compare `from`, `to` and `reply_to` with what it says"
        }
        _ => {
            "`pipewarden role --for audit --deliveries --config FILE` prints what must be allowed; SES has to be set up in this \
             Region, and in its sandbox a verified recipient's identity has to be allowed too"
        }
    }
}

#[async_trait]
impl Channel for Mailer {
    fn name(&self) -> &str {
        &self.name
    }

    fn receiver(&self) -> String {
        let more = match self.settings.to.len().saturating_sub(1) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let first = self.settings.to.first().map_or("", String::as_str);
        format!("e-mail to {first}{more} from {}", self.settings.from.bare)
    }

    fn when(&self) -> When {
        self.settings.when
    }

    fn tells_owners(&self) -> bool {
        self.settings.to_owners
    }

    fn reaches(&self, owner: &str) -> Result<bool, String> {
        self.addresses(owner).map(|addresses| addresses.is_some())
    }

    fn patience(&self) -> usize {
        PATIENCE
    }

    fn attaches(&self) -> Attach {
        self.settings.attach
    }

    fn size(&self, letter: &Letter<'_>) -> u64 {
        let attached = match letter.attached {
            Some(Attached::File { bytes, .. }) => bytes.len(),
            _ => 0,
        };
        (letter.notice.text().len() + body::html(letter.notice).len() + attached) as u64
    }

    async fn send(&self, letter: &Letter<'_>) -> Result<Value, DeliveryError> {
        let refused = |problem: String| DeliveryError::Receiver {
            receiver: self.receiver(),
            problem,
            hint: "write the owner into `[owners.contacts]`".to_owned(),
        };
        let to = match letter.owner {
            None => self.settings.to.clone(),
            Some(owner) => self
                .addresses(owner)
                .map_err(refused)?
                .ok_or_else(|| refused("this owner has no address".to_owned()))?,
        };
        let message = Self::message(letter).map_err(|error| refused(error.to_string()))?;
        let content = EmailContent::builder().simple(message).build();
        let destination = Destination::builder().set_to_addresses(Some(to)).build();
        let client = self.client();
        let reply_to = Some(self.settings.reply_to.clone()).filter(|addresses| !addresses.is_empty());
        let answer = self
            .scope
            .call("ses:SendEmail", || {
                client
                    .send_email()
                    .from_email_address(&self.settings.from.written)
                    .set_from_email_address_identity_arn(self.settings.identity_arn.clone())
                    .destination(destination.clone())
                    .set_reply_to_addresses(reply_to.clone())
                    .set_configuration_set_name(self.settings.configuration_set.clone())
                    .content(content.clone())
                    .send()
            })
            .await
            .map_err(|error| self.failed(&error))?;
        Ok(json!(answer.message_id().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(table: Value) -> Result<Arc<dyn Receiver>, String> {
        Email.read("mail", table)
    }

    fn plain() -> Value {
        json!({"from": "audit <audit@example.com>", "to": ["security@example.com"]})
    }

    fn with(key: &str, value: Value) -> Value {
        let mut table = plain();
        table[key] = value;
        table
    }

    #[test]
    fn every_mistake_is_named_with_its_key() {
        for (table, needle) in [
            (json!({"to": ["a@example.com"]}), "missing field `from`"),
            (with("from", json!("audit")), "`from`: `audit` is no e-mail address"),
            (with("to", json!([])), "`to`: write 1 to 50"),
            (with("to", json!(vec!["a@example.com"; 51])), "`to`: write 1 to 50"),
            (with("to", json!(["a@example.com\r\nBcc: b@example.com"])), "`to`: `a@example.com\\r\\nBcc"),
            (with("reply_to", json!(["x"])), "`reply_to`"),
            (with("configuration_set", json!("a/b")), "`configuration_set`"),
            (with("region", json!("moon")), "`region`"),
            (with("identity_arn", json!("arn:aws:sns:eu-west-1:111122223333:x")), "`identity_arn`"),
            (with("owner_domains", json!(["example.org"])), "`to_owners = true`"),
            (with("owners", json!({})), "unknown field `owners`"),
            (with("attach", json!("everything")), "unknown variant `everything`"),
        ] {
            let error = read(table.clone()).err().unwrap_or_default();
            assert!(error.contains(needle), "{table}: {error}");
        }
        let mut both = with("identity_arn", json!("arn:aws:ses:eu-west-1:111122223333:identity/example.com"));
        both["region"] = json!("us-east-1");
        assert!(read(both).err().unwrap_or_default().contains("two Regions"));
    }

    #[test]
    fn only_the_identity_may_be_sent_from() {
        let grants = read(plain()).unwrap().grants(Partition::Aws);
        assert_eq!(grants.len(), 1);
        assert_eq!(grants[0].actions, ["ses:SendEmail", "ses:SendRawEmail"]);
        assert_eq!(
            grants[0].resources,
            ["arn:aws:ses:*:*:identity/audit@example.com", "arn:aws:ses:*:*:identity/example.com"]
        );
        let elsewhere = read(plain()).unwrap().grants(Partition::AwsUsGov).remove(0).resources;
        assert!(elsewhere.iter().all(|arn| arn.starts_with("arn:aws-us-gov:ses:*:*:identity/")), "{elsewhere:?}");
        let arn = "arn:aws-cn:ses:cn-north-1:111122223333:identity/example.com";
        let mut table = with("identity_arn", json!(arn));
        table["configuration_set"] = json!("audit");
        let resources = read(table).unwrap().grants(Partition::Aws).remove(0).resources;
        assert_eq!(resources, [arn, "arn:aws-cn:ses:cn-north-1:*:configuration-set/audit"]);
    }
}
