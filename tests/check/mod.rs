//! `pipewarden check`.

mod soundness;
