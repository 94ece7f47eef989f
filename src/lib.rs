//! Pipewarden audits the software delivery path of a whole AWS Organization against Cedar policies.
pub mod collect;
pub mod facts;
pub mod finding;
pub mod inventory;
pub mod report;
pub mod simulate;
