//! `[[deliveries.jira]]`: tickets as issues of Jira, Cloud or Data Center.
//!
//! In: the table. Out: a receiver whose tracker is Jira.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use serde_json::Value;

use super::access::Access;
use super::http::{Http, LONGEST_WAIT};
use super::jira_settings::JiraOptions;
use super::jira_tracker::ToJira;
use super::to_tracker::ToTracker;
use super::{Rules, Tracker as _};
use crate::deliver::{Delivery, DeliveryError, Grant, Kind, Receiver, Way};
use crate::inventory::Partition;

/// `[[deliveries.jira]]`
#[derive(Debug)]
pub(in crate::deliver) struct Jira;

impl Kind for Jira {
    fn table(&self) -> &'static str {
        "jira"
    }

    fn about(&self) -> &'static str {
        "issues of Jira projects, by owner, for violations; closed when all in them was seen to be over"
    }

    fn actions(&self) -> &'static [&'static str] {
        &[]
    }

    fn takes_one_by_one(&self) -> bool {
        true
    }

    fn read(&self, name: &str, mut table: Value) -> Result<Arc<dyn Receiver>, String> {
        let rules = Rules::take(&mut table)?;
        let options = JiraOptions::read(table)?;
        Ok(Arc::new(Configured { name: name.to_owned(), rules, options }))
    }
}

#[derive(Debug, Clone)]
struct Configured {
    name: String,
    rules: Rules,
    options: JiraOptions,
}

impl Receiver for Configured {
    fn grants(&self, _partition: Partition) -> Vec<Grant> {
        Vec::new()
    }

    fn open(&self, way: &Way<'_>) -> Result<Box<dyn Delivery>, DeliveryError> {
        let options = &self.options;
        let receiver = format!("Jira at {}", options.site.host_str().unwrap_or_default());
        let access = Access::with_token(&receiver, options.email.as_deref(), &options.secret, way.secrets)?;
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        let wait = options.longest_wait_seconds.map_or(LONGEST_WAIT, Duration::from_secs);
        let http = Http::new(options.site.clone(), headers, Arc::clone(&way.pace), wait)
            .map_err(|problem| DeliveryError::Receiver { receiver, problem, hint: "mend `site`".to_owned() })?;
        let tracker = ToJira::new(http, access, options.clone());
        let receiver = tracker.receiver();
        Ok(Box::new(ToTracker {
            name: self.name.clone(),
            rules: self.rules.clone(),
            tracker: Box::new(tracker),
            pace: Arc::clone(&way.pace),
            receiver,
        }))
    }
}
