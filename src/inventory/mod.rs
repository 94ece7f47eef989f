//! What was looked at, and what could not be seen.
//!
//! In: nothing but values; collectors and template parsers build these types. Out: an [`Inventory`] per account,
//! written as compressed JSON Lines and read back by every later stage. It exists so that collecting and judging are
//! two steps: yesterday's inventory can be judged by today's policies without asking AWS again.
//!
//! The types know no clock, environment, network or file; [`mod@file`] and the [`json_lines`] under it alone touch the disk.

mod alarm_rule;
mod check_command;
mod command_list;
mod coverage;
mod deploy_command;
pub mod file;
mod gap;
mod hexadecimal;
mod identity;
pub mod json_lines;
mod redaction;
mod resource;
mod secret_form;
mod secret_name;
mod secret_value;
mod shell;
mod shell_piece;
mod shell_token;
mod span;
mod wildcard;

pub use alarm_rule::{alarm_name, alarms_in_rule};
pub use check_command::{CheckCommand, CheckKind, check_commands};
pub use coverage::{CallCounts, Coverage, CoverageKey, Outcome, Skip};
pub(crate) use deploy_command::command_lines;
pub use deploy_command::deploy_commands;
pub use gap::{Affects, Gap, GapCause};
pub use hexadecimal::hex;
pub use identity::{AccountId, Arn, IdentityError, Partition, Region, ResourceUid, TypeName};
pub use redaction::{REDACTED, REDACTED_SECRET, Redaction, is_redacted, is_redacted_secret, looks_secret};
pub use resource::{Origin, Properties, Reference, Resource, Tags};
pub use secret_form::{assigns_secret, has_secret_form, holds_password};
pub use secret_value::{configuration_value, is_inline_buildspec, source_location, user_info, variable_value};
pub use span::{Position, Span};
pub use wildcard::wildcard_matches;

use serde::{Deserialize, Serialize};

/// Version of the shape of everything in this module as it is written to files.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything seen in one account (or one template): resources in CloudFormation's words, the gaps, and the ledger of
/// calls.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// Sorted by type name, then uid.
    pub resources: Vec<Resource>,
    /// What could not be seen above the level of a single resource's property.
    pub gaps: Vec<Gap>,
    /// How many calls were made for what, and how they ended.
    pub coverage: Coverage,
    /// What these resources name, which some other account or Region may hold.
    pub references: Vec<Reference>,
}

impl Inventory {
    /// Adds everything of `other` to this inventory.
    pub fn absorb(&mut self, other: Self) {
        self.resources.extend(other.resources);
        self.gaps.extend(other.gaps);
        self.references.extend(other.references);
        self.coverage.absorb(&other.coverage);
    }

    /// Puts everything in its one order and drops repeats, so that the same things seen give the same bytes.
    pub fn normalise(&mut self) {
        self.resources.sort_by(|a, b| (&a.type_name, &a.uid, &a.account).cmp(&(&b.type_name, &b.uid, &b.account)));
        self.resources.dedup_by(|later, kept| {
            let same = later.uid == kept.uid && later.account == kept.account && later.type_name == kept.type_name;
            if same {
                kept.take_aliases(later);
            }
            same
        });
        self.gaps.sort();
        self.gaps.dedup();
        self.references.sort();
        self.references.dedup();
    }
}
