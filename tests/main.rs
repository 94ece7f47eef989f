//! One test binary: what is slow to link is linked once.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and its helpers take what reads best"
)]

/// The walls between modules, and the rules of the house, read from the source.
mod architecture;
/// The whole audit against the simulated organization: truth, denials, resume, secrets.
mod audit;
