//! `pipewarden check`, by topic.

/// Which outputs go where, as a user asks for them.
mod formats;
/// Every output on one report of mixed outcomes and hostile names.
mod outputs;
