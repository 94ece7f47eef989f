//! What Security Hub is told of a run, finding by finding.
//!
//! In: a report. Out: [`Told`]: findings in the AWS Security Finding Format with the account and Region that must import
//! them. It stands between the format and the deliveries, so that neither knows the other.

use std::io;

use serde_json::{Value, json};

use crate::inventory::{AccountId, Partition, Region};
use crate::report::Report;
use crate::report::asff::{AsffFinding, asff_findings};

/// Fields that say when, or by which run, and change although nothing of the finding does.
const OF_THE_RUN: [&str; 4] = ["CreatedAt", "UpdatedAt", "FirstObservedAt", "LastObservedAt"];
/// The most fields that `ProductFields` may have.
const MOST_PRODUCT_FIELDS: usize = 50;
const OF_THE_RUN_IN_PRODUCT_FIELDS: [&str; 4] = ["Run", "PolicyHash", "Version", "Change"];

/// One finding in the format.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub account: AccountId,
    /// Never global.
    pub region: Region,
    pub value: Value,
}

impl Told {
    pub(super) fn of(finding: AsffFinding) -> io::Result<Self> {
        let value = serde_json::to_value(&finding)?;
        Ok(Self { account: finding.aws_account_id, region: finding.region, value })
    }

    fn text(&self, pointer: &str) -> &str {
        self.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn id(&self) -> &str {
        self.text("/Id")
    }

    /// `PASSED`, `FAILED`, `WARNING` or `NOT_AVAILABLE`
    pub(super) fn status(&self) -> &str {
        self.text("/Compliance/Status")
    }

    pub(super) fn is_archived(&self) -> bool {
        self.text("/RecordState") == "ARCHIVED"
    }

    /// It was looked at, and is over.
    pub(super) fn archive(&mut self) {
        self.set("RecordState", json!("ARCHIVED"));
    }

    /// It is told for as long as it is so.
    pub(super) fn activate(&mut self) {
        self.set("RecordState", json!("ACTIVE"));
    }

    fn set(&mut self, key: &str, value: Value) {
        if let Some(fields) = self.value.as_object_mut() {
            fields.insert(key.to_owned(), value);
        }
    }

    /// The same finding as one of another account's: only the account itself may import into its default product.
    pub(super) fn moved_to(mut self, account: &AccountId, region: &Region, partition: Partition) -> Self {
        let from = std::mem::replace(&mut self.account, account.clone());
        self.region = region.clone();
        self.set("AwsAccountId", json!(account));
        self.set("ProductArn", json!(product_arn(partition, region, account)));
        if let Some(Value::Object(fields)) = self.value.get_mut("ProductFields") {
            // The format has room for fifty.
            if fields.len() >= MOST_PRODUCT_FIELDS {
                fields.remove("PolicyHash");
            }
            fields.insert("Account".to_owned(), json!(from));
        }
        self
    }

    /// The finding without what changes in every run.
    pub(super) fn lasting(&self) -> Value {
        lasting(self.value.clone())
    }
}

/// A finding without what changes in every run.
pub(super) fn lasting(mut finding: Value) -> Value {
    if let Some(fields) = finding.as_object_mut() {
        for key in OF_THE_RUN {
            fields.remove(key);
        }
    }
    if let Some(Value::Object(fields)) = finding.get_mut("ProductFields") {
        for key in OF_THE_RUN_IN_PRODUCT_FIELDS {
            fields.remove(key);
        }
    }
    finding
}

fn product_arn(partition: Partition, region: &Region, account: &AccountId) -> String {
    format!("arn:{partition}:securityhub:{region}:{account}:product/{account}/default")
}

/// Findings in the format, one after the other.
pub(super) type ToldPass<'a> = Box<dyn Iterator<Item = io::Result<Told>> + Send + 'a>;

/// Everything that Security Hub is told of a run, in the order of accounts and Regions.
pub(super) fn all<'a>(report: &'a Report<'_>, home: &'a Region) -> io::Result<ToldPass<'a>> {
    Ok(Box::new(asff_findings(report, home)?.map(|finding| Told::of(finding?))))
}
