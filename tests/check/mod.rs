//! `pipewarden check`, topic by topic, through the library and the command line.

/// The twelve ways in which pipelines stand, or seem to stand, behind an approval, written as templates.
mod approval;
mod hook;
mod soundness;
