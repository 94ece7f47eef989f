//! `pipewarden check`: templates before they exist.

/// Files that try to break the readers, and what fuzzers start from.
mod hostile;
/// Files, folders, patterns and stdin: what is read, what is left out, and what is said of it.
mod inputs;
/// One pipeline, described in every way there is.
mod roads;
