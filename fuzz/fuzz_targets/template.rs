//! Any bytes, from templates on: whatever is in a file, reading it ends, and neither panics nor eats the machine.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pipewarden::template::{Limits, read_everything};

fuzz_target!(|bytes: &[u8]| {
    let _ = read_everything(bytes, &Limits::default());
});
