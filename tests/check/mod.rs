//! `pipewarden check` as a user meets it.

/// What a change is compared with: commits, files, baselines.
mod change;
