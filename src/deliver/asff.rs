//! What Security Hub is told of a run, finding by finding.
//!
//! In: a report. Out: [`Told`]: findings in the AWS Security Finding Format with the account and Region that must import
//! them. It stands between the format and the deliveries, so that neither knows the other.

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::finding::{Change, ComplianceType, Finding};
use crate::inventory::{AccountId, Partition, Region};
use crate::report::Report;

/// Fields that say when, or by which run, and change although nothing of the finding does.
const OF_THE_RUN: [&str; 4] = ["CreatedAt", "UpdatedAt", "FirstObservedAt", "LastObservedAt"];
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
            fields.insert("Account".to_owned(), json!(from));
        }
        self
    }

    /// The finding without what changes in every run.
    pub(super) fn lasting(&self) -> Value {
        let mut value = self.value.clone();
        if let Some(fields) = value.as_object_mut() {
            for key in OF_THE_RUN {
                fields.remove(key);
            }
        }
        if let Some(Value::Object(fields)) = value.get_mut("ProductFields") {
            for key in OF_THE_RUN_IN_PRODUCT_FIELDS {
                fields.remove(key);
            }
        }
        value
    }
}

fn product_arn(partition: Partition, region: &Region, account: &AccountId) -> String {
    format!("arn:{partition}:securityhub:{region}:{account}:product/{account}/default")
}

/// Findings in the format, one after the other.
pub(super) type ToldPass<'a> = Box<dyn Iterator<Item = io::Result<Told>> + Send + 'a>;

/// Everything that Security Hub is told of a run, in the order of accounts and Regions.
pub(super) fn all<'a>(report: &'a Report<'_>, home: &'a Region) -> io::Result<ToldPass<'a>> {
    let standing = report.findings.findings()?.map(|finding| Ok((finding?, false)));
    let gone = report.findings.gone()?.map(|gone| Ok((Arc::new(gone?.finding), true)));
    let both = standing.chain(gone);
    Ok(Box::new(both.filter_map(move |one: io::Result<(Arc<Finding>, bool)>| match one {
        Ok((finding, gone)) => asff(report, &finding, gone, home).map(Ok),
        Err(error) => Some(Err(error)),
    })))
}

fn asff(report: &Report<'_>, finding: &Finding, gone: bool, home: &Region) -> Option<Told> {
    let resource = &finding.resource;
    let region = if resource.region == Region::GLOBAL { home.clone() } else { resource.region.clone() };
    let change = finding.lifecycle.as_ref().map(|lifecycle| lifecycle.change);
    let (status, state) = match finding.compliance {
        _ if gone && change == Some(Change::Resolved) => ("NOT_AVAILABLE", "ARCHIVED"),
        _ if gone => ("WARNING", "ACTIVE"),
        ComplianceType::NonCompliant => ("FAILED", "ACTIVE"),
        ComplianceType::InsufficientData => ("WARNING", "ACTIVE"),
        ComplianceType::Compliant => ("PASSED", "ACTIVE"),
        ComplianceType::NotApplicable if change == Some(Change::Resolved) => ("NOT_AVAILABLE", "ARCHIVED"),
        ComplianceType::NotApplicable => return None,
    };
    let partition = Partition::of_region(&region);
    let title = report.controls.get(&finding.control).map_or(finding.control.as_str(), |control| &control.title);
    let first = finding.lifecycle.as_ref().map_or(&report.run.started_at, |lifecycle| &lifecycle.first_observed_at);
    let value = json!({
        "SchemaVersion": "2018-10-08",
        "Id": format!("{region}/{}/{}", resource.account, finding.id),
        "ProductArn": product_arn(partition, &region, &resource.account),
        "GeneratorId": finding.control,
        "AwsAccountId": resource.account,
        "CreatedAt": first,
        "UpdatedAt": report.run.started_at,
        "Title": title,
        "Description": title,
        "FindingProviderFields": {
            "Severity": {"Label": finding.severity.as_str(), "Original": finding.severity.as_str()},
            "Types": ["Software and Configuration Checks"],
        },
        "ProductFields": {"Run": report.run.run_id},
        "Resources": [{"Type": "Other", "Id": resource.uid.as_str(), "Partition": partition.as_str(), "Region": region}],
        "Compliance": {"Status": status},
        "RecordState": state,
    });
    Some(Told { account: resource.account.clone(), region, value })
}
