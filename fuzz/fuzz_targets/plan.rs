//! Terraform plans: the bytes stand in place of a part of one, so that the fuzzer need not find the way into the format.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pipewarden::template::{Limits, read_everything};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let _ = read_everything(bytes, &limits);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let plan = format!(
            r#"{{"format_version":"1.2","terraform_version":"1.11.4","planned_values":{{"root_module":{text}}},"resource_changes":[],"configuration":{{"root_module":{{}}}}}}"#
        );
        let _ = read_everything(plan.as_bytes(), &limits);
    }
});
