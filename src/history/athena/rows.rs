//! Rows of an answer → events.
//!
//! In: a header and rows of texts, page by page. Out: events of the period, and gaps that name what cannot be read.

use serde_json::Value;

use super::TableSelection;
use crate::history::event_columns::{EventColumns, opened};
use crate::history::{Event, is_wanted};

/// Rows that cannot be read and are named one by one; the rest is counted.
const NAMED: usize = 50;

/// Why a table's identities say nothing.
const IDENTITY_WITHOUT_NAMES: &str = "`useridentity` comes as a list without names, so nobody is known; let the \
                                      workgroup use version 3 of Athena's engine";

/// Events gathered from rows.
#[derive(Debug)]
pub(super) struct EventRows<'a> {
    wanted: &'a TableSelection,
    columns: EventColumns,
    opens_maps: bool,
    nameless: bool,
    pub(super) events: Vec<Event>,
    problems: Vec<String>,
    unreadable: usize,
}

impl<'a> EventRows<'a> {
    /// No rows yet.
    ///
    /// # Errors
    /// What the header lacks.
    pub(super) fn of<'h>(
        wanted: &'a TableSelection,
        header: impl IntoIterator<Item = &'h str>,
        opens_maps: bool,
    ) -> Result<Self, String> {
        let lacks = |names: Vec<&str>| format!("the answer lacks the columns {}", names.join(", "));
        let columns = EventColumns::of(header).map_err(lacks)?;
        let (events, problems) = (Vec::new(), Vec::new());
        Ok(Self { wanted, columns, opens_maps, nameless: false, events, problems, unreadable: 0 })
    }

    /// Adds a row.
    pub(super) fn push<'t>(&mut self, row: impl IntoIterator<Item = Option<&'t str>>) {
        let mut record = self.columns.record(row);
        if self.opens_maps {
            for name in ["requestParameters", "responseElements", "additionalEventData"] {
                if let Some(value) = record.get_mut(name) {
                    *value = opened(value.take());
                }
            }
        }
        // A cast that yields `[…]` is no object, which the columns leave out as null.
        self.nameless |= record.get("userIdentity").is_some_and(Value::is_null);
        match Event::from_value(&record) {
            Ok(event) if is_wanted(&event.source, &event.name) && self.wanted.period.contains(event.time) => {
                self.events.push(event);
            }
            Ok(_) => {}
            Err(error) => {
                self.unreadable += 1;
                if self.problems.len() < NAMED {
                    let id = record.get("eventID").and_then(Value::as_str).unwrap_or("without an id");
                    self.problems.push(format!("event {id} cannot be read: {error}"));
                }
            }
        }
    }

    /// The events, and what is wrong with the others.
    pub(super) fn finish(mut self) -> (Vec<Event>, Vec<String>) {
        if let Some(more) = self.unreadable.checked_sub(NAMED).filter(|more| *more > 0) {
            self.problems.push(format!("{more} more events cannot be read"));
        }
        if self.nameless {
            self.problems.push(IDENTITY_WITHOUT_NAMES.to_owned());
        }
        (self.events, self.problems)
    }
}
