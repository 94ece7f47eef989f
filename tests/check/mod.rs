//! The gate in a pull request.

/// Live and declared resources give the same facts.
mod shape;
/// What is open never leads to a wrong answer.
mod soundness;
