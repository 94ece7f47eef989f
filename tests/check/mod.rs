//! `pipewarden check`.

/// One pipeline, described in every way there is.
mod roads;
