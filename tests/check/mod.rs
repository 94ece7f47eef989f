//! `pipewarden check`, topic by topic.

/// The twelve ways in which pipelines stand, or seem to stand, behind an approval, written as templates.
mod approval;
/// Live and declared resources give the same facts.
mod shape;
/// What is open never leads to a wrong answer.
mod soundness;
