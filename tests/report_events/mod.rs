//! OCSF, ASFF and `JUnit` of findings, each against its official schema.

mod asff;
mod fixture;
mod junit;
mod ocsf;
mod ocsf_schema;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pipewarden::report::{FORMATS, Report, ReportFormat};

use crate::moto;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn format(name: &str) -> &'static dyn ReportFormat {
    *FORMATS.iter().find(|format| format.name() == name).unwrap()
}

fn written(format: &dyn ReportFormat, report: &Report<'_>) -> String {
    let mut bytes = Vec::new();
    format.write(report, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Runs a script of ours on a text, and answers what it says; `Err` if it refuses.
fn python(script: &str, text: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("written");
    fs::write(&file, text).unwrap();
    let output = Command::new(moto::environment().join("bin/python"))
        .args(["-c", script])
        .arg(&file)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("AWS_DEFAULT_REGION", "eu-central-1")
        .env("PYTHONUTF8", "1")
        .current_dir(project(""))
        .output()
        .unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
