//! The gate in a pull request.

/// Live and declared resources give the same facts.
mod shape;
