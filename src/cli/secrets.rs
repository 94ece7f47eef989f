//! Secrets by the names of variables: from the environment, or from Secrets Manager where a secret is named for them.
//!
//! In: names of variables, as the configuration writes them, and the list in `PIPEWARDEN_SECRETS`. Out: their values. A
//! secret is fetched when it is first needed and kept for one command or one event, so that a function that lives on sees
//! what was rotated. It exists because Lambda hands functions no secrets. The identity that runs this program reads them,
//! never the role that is entered in accounts; what is read is in no file, log or error.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use serde_json::Value;

use super::aws::{self, AwsOptions};
use super::failure::Failure;
use crate::collect::git_hosts::Variables;
use crate::inventory::{AccountId, Region};
use crate::report::visible;

/// The list of names and secrets.
const LIST: &str = "PIPEWARDEN_SECRETS";
/// Where the SDK finds another address of this one service.
const ENDPOINT: &str = "AWS_ENDPOINT_URL_SECRETS_MANAGER";
/// How an entry is written.
const FORM: &str = "write NAME=arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-AbCdEf, with #KEY behind it for one key of \
                    a JSON secret, and a comma or white space between entries";

/// The secrets of one command or one event.
#[derive(Default)]
pub(super) struct Secrets {
    named: BTreeMap<String, Place>,
    aws: AwsOptions,
    /// What was answered, so that nothing is asked for twice.
    read: Mutex<BTreeMap<Stored, Result<String, String>>>,
    refused: AtomicBool,
}

/// Where one value is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    stored: Stored,
    region: Region,
    /// Of a JSON secret.
    key: Option<String>,
}

/// One version of a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Stored {
    arn: String,
    stage: Option<String>,
    version: Option<String>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("named", &self.named).finish_non_exhaustive()
    }
}

impl Secrets {
    /// Reads the list; asks for nothing yet.
    pub(super) fn open(aws: &AwsOptions) -> Result<Self, Failure> {
        let list = match std::env::var(LIST) {
            Err(std::env::VarError::NotUnicode(_)) => return Err(Failure::usage(format!("{LIST} is no text; {FORM}"))),
            list => list.unwrap_or_default(),
        };
        let mut aws = aws.clone();
        // The more specific address counts, as for every client of AWS.
        if std::env::var_os(ENDPOINT).is_some_and(|address| !address.is_empty()) {
            aws.endpoint_url = None;
        }
        Ok(Self { named: listed(&list).map_err(Failure::usage)?, aws, ..Self::default() })
    }

    /// What a value could not be had for: wrong usage, or a secret that could not be read.
    pub(super) fn failure(&self, problem: impl fmt::Display) -> Failure {
        if self.refused.load(Ordering::Relaxed) { Failure::because(problem) } else { Failure::usage(problem) }
    }

    fn stored(&self, place: &Place) -> Result<String, String> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        match read.entry(place.stored.clone()) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(new) => new.insert(self.ask(place)).clone(),
        }
    }

    fn ask(&self, place: &Place) -> Result<String, String> {
        let asking = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| format!("cannot be asked for: {error}"))?.block_on(self.fetch(place))
        };
        // Whoever asks may be a task itself, which must not wait for another runtime on its own thread.
        let asked = std::thread::scope(|scope| scope.spawn(asking).join());
        asked.unwrap_or_else(|_| Err("cannot be asked for: that broke off, which is a defect of pipewarden".to_owned()))
    }

    async fn fetch(&self, place: &Place) -> Result<String, String> {
        let Stored { arn, stage, version } = &place.stored;
        let sdk = aws::from_environment(&self.aws, Some(&place.region)).await;
        let asking = Client::new(&sdk).get_secret_value().secret_id(arn);
        let asking = asking.set_version_stage(stage.clone()).set_version_id(version.clone());
        let answer = asking.send().await.map_err(|error| refusal(&error))?;
        tracing::debug!(secret = arn, "a secret was read");
        let text = answer.secret_string().map(str::to_owned);
        text.ok_or_else(|| "is binary: store it as text, or as one key of a JSON text".to_owned())
    }
}

impl Variables for Secrets {
    fn value(&self, name: &str) -> Result<Option<String>, String> {
        let set = std::env::var(name).ok();
        let Some(place) = self.named.get(name) else { return Ok(set) };
        // A template may set a variable to nothing.
        if let Some(set) = set.filter(|value| !value.trim().is_empty()) {
            return Ok(Some(set));
        }
        let value = self.stored(place).and_then(|text| picked(&text, place.key.as_deref()));
        value.map(Some).map_err(|problem| {
            self.refused.store(true, Ordering::Relaxed);
            let arn = &place.stored.arn;
            format!("the environment variable `{name}` is not set, and its secret {arn} of {LIST} {problem}")
        })
    }
}

/// Reads the list. What is wrong is told by its place: nobody knows what stands where an ARN should.
fn listed(text: &str) -> Result<BTreeMap<String, Place>, String> {
    let mut named = BTreeMap::new();
    let entries = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
    for (nth, entry) in entries.enumerate() {
        let wrong = |problem: &str| format!("entry {} of {LIST} cannot be read: {problem}; {FORM}", nth + 1);
        let (name, place) = listed_entry(entry).map_err(wrong)?;
        if named.insert(name.to_owned(), place).is_some() {
            return Err(wrong(&format!("`{name}` has a secret already; keep one of them")));
        }
    }
    Ok(named)
}

fn listed_entry(entry: &str) -> Result<(&str, Place), &'static str> {
    const NO_ARN: &str = "what stands behind `=` is no ARN of a secret";
    // Names of secrets may hold a `=`, those of variables may not.
    let (name, place) = entry.split_once('=').ok_or("there is no `=` between a name and an ARN")?;
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(letters) {
        return Err("what stands before `=` is no name of an environment variable");
    }
    let (arn, behind) = place.split_once('#').map_or((place, None), |(arn, key)| (arn, Some(key)));
    let parts: Vec<&str> = arn.split(':').collect();
    let (own, more) = parts.split_at_checked(7).ok_or(NO_ARN)?;
    let ["arn", partition, "secretsmanager", region, account, "secret", secret] = own else { return Err(NO_ARN) };
    let in_names = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
    let is_secret = !secret.is_empty() && secret.chars().all(in_names);
    let is_partition = partition.starts_with("aws") && partition.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let region: Region = region.parse().map_err(|_| NO_ARN)?;
    if !is_secret || !is_partition || account.parse::<AccountId>().is_err() {
        return Err(NO_ARN);
    }
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    // As ECS writes it: `…:secret:NAME-AbCdEf:KEY:STAGE:VERSION`, each of which may be nothing.
    let (key, stage, version) = match more {
        [] => (None, None, None),
        [key, stage, version] => (given(key), given(stage), given(version)),
        _ => return Err("behind the secret's name stand either nothing or three parts, KEY:STAGE:VERSION"),
    };
    let key = match (key, behind) {
        (Some(_), Some(_)) => return Err("the key stands there twice, in the ARN and behind `#`"),
        (None, Some("")) => return Err("there is no key behind `#`"),
        (key, behind) => behind.map(str::to_owned).or(key),
    };
    Ok((name, Place { stored: Stored { arn: own.join(":"), stage, version }, region, key }))
}

/// What of a secret's text is meant; in words why there is nothing, without a word of the text.
fn picked(text: &str, key: Option<&str>) -> Result<String, String> {
    let parsed = serde_json::from_str::<Value>(text).ok();
    let value = match (key, parsed) {
        // What the console writes; taken whole it would only look like a wrong token.
        (None, Some(Value::Object(_))) => {
            return Err("is JSON: name one of its keys, with `#KEY` behind the ARN".to_owned());
        }
        (None, _) => text.to_owned(),
        (Some(key), Some(Value::Object(fields))) => match fields.get(key) {
            Some(Value::String(value)) => value.clone(),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
            Some(_) => return Err(format!("has no text under its key `{key}`: mend the key, or the secret")),
            None => return Err(format!("has no key `{key}`: mend the key, or the secret")),
        },
        (Some(key), _) => {
            return Err(format!("is no JSON object, so it has no key `{key}`: leave the key out, or mend the secret"));
        }
    };
    if value.trim().is_empty() { Err("is empty: put a value there".to_owned()) } else { Ok(value) }
}

/// What AWS said, and how to mend it.
fn refusal(error: &SdkError<GetSecretValueError>) -> String {
    if let SdkError::ResponseError(_) = error {
        // Such an error repeats the answer, and the answer may hold the value.
        return "cannot be read from Secrets Manager's answer; see whether something stands between".to_owned();
    }
    let Some(service) = error.as_service_error() else {
        let said = Failure::failed(error).in_brief();
        return format!(
            "cannot be asked for: give this program credentials, and a way to Secrets Manager in that Region ({})",
            visible(&said)
        );
    };
    told(service.code().unwrap_or("an error without a code"), service.message().unwrap_or_default())
}

fn told(code: &str, message: &str) -> String {
    let is_denied = code.contains("AccessDenied");
    let mend = match code {
        "DecryptionFailure" => KEY,
        _ if is_denied && (message.contains("KMS") || message.contains("kms:")) => KEY,
        _ if is_denied => {
            "was refused: allow `secretsmanager:GetSecretValue` on it to the identity that runs this program; a secret of \
             another account must allow it too"
        }
        "ResourceNotFoundException" => "is not there, or has no such version: mend its ARN, or give it a value",
        "InvalidRequestException" if message.contains("deletion") || message.contains("deleted") => {
            "is marked for deletion: restore it (`aws secretsmanager restore-secret`), or name another"
        }
        _ => "was not given out",
    };
    let said = Failure::because(format!("{code}: {message}")).in_brief();
    format!("{mend} ({})", visible(said.trim_end_matches([':', ' '])))
}

const KEY: &str = "cannot be decrypted: allow `kms:Decrypt` on its KMS key to the identity that runs this program, and see \
                   that the key is enabled";

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:pipewarden/git=hub-AbCdEf";
    const SECRET: &str = "hunter2hunter2";

    fn place(arn: &str, [key, stage, version]: [Option<&str>; 3]) -> Place {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let region = arn.split(':').nth(3).unwrap().parse().unwrap();
        Place {
            stored: Stored { arn: arn.to_owned(), stage: own(stage), version: own(version) },
            region,
            key: own(key),
        }
    }

    #[test]
    fn one_list_serves_functions_and_the_form_of_ecs() {
        let text = format!(
            "A={ARN}\n B_2={ARN}#token,c={ARN}:token::, D={ARN}:::,E={ARN}:token:AWSPREVIOUS:, F={ARN}::AWSPENDING:7#k,"
        );
        let expected = [
            ("A", [None, None, None]),
            ("B_2", [Some("token"), None, None]),
            ("D", [None, None, None]),
            ("E", [Some("token"), Some("AWSPREVIOUS"), None]),
            ("F", [Some("k"), Some("AWSPENDING"), Some("7")]),
            ("c", [Some("token"), None, None]),
        ];
        let expected: BTreeMap<String, Place> =
            expected.into_iter().map(|(name, parts)| (name.to_owned(), place(ARN, parts))).collect();
        assert_eq!(listed(&text), Ok(expected));
        for nothing in ["", " \n", ",", " , "] {
            assert_eq!(listed(nothing), Ok(BTreeMap::new()));
        }
        let china = "arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:x";
        assert_eq!(listed(&format!("A={china}")), Ok([("A".to_owned(), place(china, [None; 3]))].into()));
    }

    #[test]
    fn a_malformed_list_is_told_by_its_place_and_repeats_nothing() {
        let good = format!("GOOD={ARN}");
        for (wrong, problem) in [
            (SECRET.to_owned(), "there is no `=`"),
            (format!("={ARN}"), "no name of an environment variable"),
            (format!("{SECRET}-x={ARN}"), "no name of an environment variable"),
            (format!("2A={ARN}"), "no name of an environment variable"),
            (format!("TOKEN={SECRET}"), "no ARN of a secret"),
            (format!("TOKEN=arn:aws:secretsmanager:{SECRET}:1:secret:x"), "no ARN of a secret"),
            (format!("TOKEN={}", ARN.replace("111122223333", SECRET)), "no ARN of a secret"),
            (format!("TOKEN={}", ARN.replace("arn:aws:", "arn:x:")), "no ARN of a secret"),
            (format!("TOKEN={}", ARN.replace(":secret:", ":function:")), "no ARN of a secret"),
            (format!("TOKEN={}", ARN.replace("secretsmanager", "ssm")), "no ARN of a secret"),
            (format!("TOKEN={ARN}{{}}"), "no ARN of a secret"),
            (format!("TOKEN={ARN}:{SECRET}"), "either nothing or three parts"),
            (format!("TOKEN={ARN}:k::#{SECRET}"), "twice"),
            (format!("TOKEN={ARN}#"), "no key behind"),
            (good.clone(), "`GOOD` has a secret already"),
        ] {
            let error = listed(&format!("{good},{wrong}")).unwrap_err();
            assert!(
                error.starts_with("entry 2 of PIPEWARDEN_SECRETS cannot be read: ") && error.contains(problem),
                "{wrong}: {error}"
            );
            assert!(error.contains("NAME=arn:aws:secretsmanager:") && !error.contains(SECRET), "{error}");
        }
    }

    #[test]
    fn a_key_is_picked_and_what_cannot_be_is_told_without_the_text() {
        let json = format!("{{\"token\": \"{SECRET}\", \"port\": 443, \"list\": [\"{SECRET}\"], \"none\": \"\"}}");
        assert_eq!(picked(&json, Some("token")), Ok(SECRET.to_owned()));
        assert_eq!(picked(&json, Some("port")), Ok("443".to_owned()));
        // Any other text is what it is, numbers and quotes included.
        for whole in [SECRET, "\"quoted\"", "12345", "https://hooks.example.com/x", "[1]"] {
            assert_eq!(picked(whole, None), Ok(whole.to_owned()));
        }
        for (text, key, problem) in [
            (json.as_str(), None, "`#KEY` behind"),
            (&json, Some("Token"), "has no key `Token`"),
            (&json, Some("list"), "no text under its key `list`"),
            (&json, Some("none"), "is empty"),
            (SECRET, Some("token"), "no JSON object"),
            ("", None, "is empty"),
            (" \n", None, "is empty"),
        ] {
            let error = picked(text, key).unwrap_err();
            assert!(error.contains(problem) && !error.contains(SECRET), "{error}");
        }
    }

    #[test]
    fn every_refusal_says_how_to_mend_it_in_the_words_that_functions_answer_with() {
        let denied = format!(
            "User: arn:aws:sts::111122223333:assumed-role/PipewardenHub/pipewarden-recheck is not authorized to perform: \
             secretsmanager:GetSecretValue on resource: {ARN} because no identity-based policy allows the \
             secretsmanager:GetSecretValue action"
        );
        for (code, message, mend) in [
            ("AccessDeniedException", denied.as_str(), "allow `secretsmanager:GetSecretValue`"),
            ("AccessDeniedException", "Access to KMS is not allowed", "allow `kms:Decrypt`"),
            ("DecryptionFailure", "", "allow `kms:Decrypt`"),
            ("ResourceNotFoundException", "Secrets Manager can't find the specified secret.", "mend its ARN"),
            (
                "InvalidRequestException",
                "You can't perform this operation on the secret because it was marked for deletion.",
                "restore it",
            ),
            ("InternalServiceError", "An error occurred on the server side.", "was not given out"),
        ] {
            let problem = told(code, message);
            assert!(problem.contains(mend) && problem.contains(code), "{problem}");
            let arn = ARN.replace('=', "-");
            let text = format!(
                "`hosts` (github.com): `token_env`: the environment variable `SOURCE_TOKEN` is not set, and its secret {arn} of {LIST} {problem}"
            );
            let brief = Failure::because(text).in_brief();
            for part in [mend, arn.as_str(), "`SOURCE_TOKEN`", LIST] {
                assert!(brief.contains(part), "{part}: {brief}");
            }
        }
    }

    #[test]
    fn what_was_read_is_in_no_debug_output() {
        let secrets = Secrets { named: listed(&format!("A={ARN}#k")).unwrap(), ..Secrets::default() };
        let stored = secrets.named["A"].stored.clone();
        secrets.read.lock().unwrap().insert(stored, Ok(format!("{{\"k\": \"{SECRET}\"}}")));
        assert_eq!(secrets.value("A"), Ok(Some(SECRET.to_owned())));
        let shown = format!("{secrets:?}");
        assert!(shown.contains(ARN) && !shown.contains(SECRET), "{shown}");
        assert_eq!(secrets.value("PIPEWARDEN_TEST_NO_SUCH_VARIABLE"), Ok(None));
        assert_eq!(secrets.failure("x").exit(), crate::cli::Exit::Usage);
        secrets.read.lock().unwrap().values_mut().for_each(|known| *known = Err("is gone".to_owned()));
        assert!(secrets.value("A").unwrap_err().contains("is gone"));
        assert_eq!(secrets.failure("x").exit(), crate::cli::Exit::Failed);
    }
}
