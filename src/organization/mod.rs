//! The organization: which accounts there are, where they stand, and how to enter them.
//!
//! In: the credentials of the audit account. Out: a [`Directory`] of accounts with their place in the tree, tags and
//! policies, and a [`Scope`](crate::collect::Scope) per account through [`Sessions`]. It exists so that
//! collectors never think about roles.

mod delegation;
mod directory;
mod filter;
mod policies;
mod role;
mod sessions;
mod tree;

pub use directory::{Account, Directory, DiscoveryError, Tagged};
pub use filter::{AccountFilter, FilterError};
pub use role::{RoleHop, RolePattern, RolePatternError};
pub use sessions::{SessionOptions, Sessions};

/// Stands for the state of an account of which AWS answered none.
const UNKNOWN_STATE: &str = "UNKNOWN";

/// IAM actions that discovery calls in the management account or a delegated administrator.
pub const DIRECTORY_ACTIONS: &[&str] = &[
    "organizations:DescribeOrganization",
    "organizations:DescribePolicy",
    "organizations:ListAccounts",
    "organizations:ListAccountsForParent",
    "organizations:ListDelegatedAdministrators",
    "organizations:ListDelegatedServicesForAccount",
    "organizations:ListOrganizationalUnitsForParent",
    "organizations:ListPolicies",
    "organizations:ListRoots",
    "organizations:ListTagsForResource",
    "organizations:ListTargetsForPolicy",
];
