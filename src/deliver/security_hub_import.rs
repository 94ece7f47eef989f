//! `BatchImportFindings`: batches within its limits, and one call.
//!
//! In: findings of one account and Region after the other. Out: batches of at most [`BATCH_FINDINGS`] and [`BATCH_BYTES`],
//! and what Security Hub said of each finding. The findings go out as they are: the format is JSON already, so that nothing
//! of it can get lost in a second model of it.
//!
//! Limits: <https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchImportFindings.html>

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_securityhub::Client;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::collect::{CallError, Scope};
use crate::inventory::{AccountId, GapCause, Region};
use crate::organization::Sessions;
use crate::report::asff::{BATCH_BYTES, BATCH_FINDINGS};

const HEAD: &[u8] = b"{\"Findings\":[";
const TAIL: &[u8] = b"]}";

/// One finding, ready to be sent.
#[derive(Debug)]
pub(super) struct Item {
    pub id: String,
    pub account: AccountId,
    pub region: Region,
    /// JSON.
    pub body: Vec<u8>,
    /// What is remembered when Security Hub has taken it.
    pub remembered: Value,
}

impl Item {
    /// What is remembered of a finding that is over, until Security Hub has taken it.
    pub(super) fn to_remember_until_taken(&self) -> Option<Value> {
        if !self.remembered.is_null() {
            return None;
        }
        let finding: Value = serde_json::from_slice(&self.body).ok()?;
        Some(json!({"account": self.account, "region": self.region, "finding": finding}))
    }

    /// The same, as it was remembered.
    pub(super) fn pending(id: &str, remembered: &Value) -> Option<Self> {
        Some(Self {
            id: id.to_owned(),
            account: remembered.get("account")?.as_str()?.parse().ok()?,
            region: remembered.get("region")?.as_str()?.parse().ok()?,
            body: serde_json::to_vec(remembered.get("finding")?).ok()?,
            remembered: Value::Null,
        })
    }
}

/// Findings of one account and Region.
#[derive(Debug)]
pub(super) struct Batch {
    pub account: AccountId,
    pub region: Region,
    pub items: Vec<Item>,
    bytes: usize,
}

/// Findings, put together as they come.
#[derive(Debug, Default)]
pub(super) struct Batches {
    open: Option<Batch>,
}

impl Batches {
    /// Adds a finding; answers the batch that had no room for it, if there was one.
    pub(super) fn add(&mut self, item: Item) -> Option<Batch> {
        let size = item.body.len() + 1;
        if let Some(batch) = &mut self.open {
            let fits = batch.items.len() < BATCH_FINDINGS && batch.bytes + size <= BATCH_BYTES;
            if fits && batch.account == item.account && batch.region == item.region {
                batch.bytes += size;
                batch.items.push(item);
                return None;
            }
        }
        let bytes = HEAD.len() + TAIL.len() + size;
        let batch = Batch { account: item.account.clone(), region: item.region.clone(), items: vec![item], bytes };
        self.open.replace(batch)
    }

    /// What is left.
    pub(super) fn rest(&mut self) -> Option<Batch> {
        self.open.take()
    }
}

/// What came of a batch: what Security Hub said against single findings, or why it took none.
#[derive(Debug)]
pub(super) struct Imported {
    pub batch: Batch,
    pub taken: Result<BTreeMap<String, String>, String>,
}

/// An account that is entered once, when its first batch is sent.
#[derive(Debug)]
pub(super) struct Entered {
    pub account: AccountId,
    scope: OnceCell<Result<Scope, String>>,
}

impl Entered {
    pub(super) fn of(account: AccountId) -> Self {
        Self { account, scope: OnceCell::new() }
    }

    /// The account that delivers, with its own credentials.
    pub(super) fn own(sessions: &Sessions) -> Self {
        let scope = sessions.own_scope();
        Self { account: scope.account.clone(), scope: OnceCell::new_with(Some(Ok(scope))) }
    }

    async fn scope(&self, sessions: &Sessions) -> Result<Scope, String> {
        let enter = async {
            match sessions.open(&self.account).await {
                (scope, Ok(())) => Ok(scope),
                (_, Err(gap)) => Err(format!(
                    "{}; deploy the role with `pipewarden role --deliveries --for member --format cloudformation`",
                    gap.cause
                )),
            }
        };
        self.scope.get_or_init(|| enter).await.clone()
    }
}

/// Sends one batch.
pub(super) async fn import(sessions: &Sessions, session: Arc<Entered>, batch: Batch) -> Imported {
    let scope = match session.scope(sessions).await {
        Ok(scope) => scope.in_region(&batch.region),
        Err(problem) => return Imported { batch, taken: Err(problem) },
    };
    let body = Arc::new(body_of(&batch));
    let client = Client::new(scope.config());
    let answer = scope
        .call("securityhub:BatchImportFindings", || {
            let body = Arc::clone(&body);
            client
                .batch_import_findings()
                .set_findings(Some(Vec::new()))
                .customize()
                .mutate_request(move |request| {
                    request.headers_mut().insert("content-length", body.len().to_string());
                    *request.body_mut() = SdkBody::from(body.as_slice());
                })
                .send()
        })
        .await;
    let taken = match answer {
        Ok(answer) => Ok(answer
            .failed_findings()
            .iter()
            .map(|failed| {
                let said = format!(
                    "{}: {}",
                    failed.error_code().unwrap_or_default(),
                    failed.error_message().unwrap_or_default()
                );
                (failed.id().unwrap_or_default().to_owned(), said)
            })
            .collect()),
        Err(error) => Err(problem_of(&error)),
    };
    Imported { batch, taken }
}

fn body_of(batch: &Batch) -> Vec<u8> {
    let mut body = Vec::with_capacity(batch.bytes);
    body.extend_from_slice(HEAD);
    for (nth, item) in batch.items.iter().enumerate() {
        if nth > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&item.body);
    }
    body.extend_from_slice(TAIL);
    body
}

fn problem_of(error: &CallError) -> String {
    let hint = match (error.code.as_str(), &error.cause) {
        ("InvalidAccessException", _) => "enable Security Hub CSPM in this account and Region",
        (_, GapCause::AccessDenied { .. }) => {
            "the delivering role must allow securityhub:BatchImportFindings, and its account must be the finding's own"
        }
        _ => "deliver the run again",
    };
    format!("{}: {}; {hint}", error.action, error.cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::asff::FINDING_BYTES;

    fn item(nth: usize, account: &str, bytes: usize) -> Item {
        Item {
            id: format!("{nth}"),
            account: account.parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            body: vec![b'1'; bytes],
            remembered: Value::Null,
        }
    }

    fn batches(items: impl Iterator<Item = Item>) -> Vec<Batch> {
        let mut batches = Batches::default();
        let mut all: Vec<Batch> = items.filter_map(|item| batches.add(item)).collect();
        all.extend(batches.rest());
        all
    }

    #[test]
    fn a_batch_has_one_account_and_no_more_than_security_hub_takes() {
        let of = |batches: &[Batch]| batches.iter().map(|batch| batch.items.len()).collect::<Vec<_>>();
        let many = batches((0..250).map(|nth| item(nth, "111122223333", 10)));
        assert_eq!(of(&many), [100, 100, 50]);
        let large = batches((0..60).map(|nth| item(nth, "111122223333", FINDING_BYTES)));
        assert_eq!(of(&large), [24, 24, 12]);
        assert!(large.iter().all(|batch| body_of(batch).len() <= BATCH_BYTES));
        let two = batches((0..4).map(|nth| item(nth, if nth < 3 { "111122223333" } else { "444455556666" }, 10)));
        assert_eq!(of(&two), [3, 1]);
        assert!(batches(std::iter::empty()).is_empty());
    }

    #[test]
    fn the_body_is_one_document() {
        let batch = batches((0..3).map(|nth| item(nth, "111122223333", 2))).remove(0);
        assert_eq!(body_of(&batch), br#"{"Findings":[11,11,11]}"#);
        assert!(batch.bytes >= body_of(&batch).len());
    }
}
