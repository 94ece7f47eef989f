//! `pipewarden check`, through the library and the command line.

mod hook;
