//! The HTML report in headless Chromium: what runs, what is shown, what is asked of the network, how fast it is.
//!
//! The test sets everything up itself, in the build directory: the npm packages pinned in `tests/browser/package-lock.json`
//! and, where no Chromium is found (`CHROMIUM`, or one on the `PATH`), the one that `tests/browser/chromium` pins, which needs
//! no root. Only Node.js with npm is assumed. What is tested stands in `tests/browser/report.test.mjs`; the reports are
//! written here, by the format itself.

mod estate;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use pipewarden::report::{FORMATS, Report, ReportFormat};
use serde_json::{Value, json};

use self::estate::{Estate, Names};

const HINT: &str = "the test needs node (20 or later) and npm, and the npm registry the first time";

/// The largest page that an engineer still mails around, in bytes.
const LARGEST: u64 = 25 * 1024 * 1024;
const FINDINGS: u64 = 200_000;

/// Where the build keeps what the tests install.
fn installed() -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_pipewarden"));
    let target = binary.parent().and_then(Path::parent).expect("the binary lies in <target>/<profile>");
    target.join("browser-environment")
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser")
}

fn run(command: &mut Command, what: &str) {
    let output = command.output().unwrap_or_else(|error| panic!("{what}: {error}; {HINT}"));
    assert!(
        output.status.success(),
        "{what} failed; {HINT}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The packages of a folder of the sources, installed once per lock file.
fn packages(source: &Path, folder: &Path) {
    let lock = fs::read_to_string(source.join("package-lock.json")).unwrap();
    let stamp = folder.join("lock.installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return;
    }
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).unwrap();
    for file in ["package.json", "package-lock.json", ".npmrc"] {
        fs::copy(source.join(file), folder.join(file)).unwrap();
    }
    run(Command::new("npm").arg("ci").current_dir(folder), "installing the packages of the browser tests");
    fs::write(stamp, lock).unwrap();
}

/// A Chromium of this machine.
fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        let path = PathBuf::from(named);
        assert!(path.is_file(), "CHROMIUM names {}, where there is no file", path.display());
        return Some(path);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
        .into_iter()
        .flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name)).collect::<Vec<_>>())
        .find(|candidate| candidate.is_file())
}

fn format(name: &str) -> &'static dyn ReportFormat {
    FORMATS.iter().copied().find(|format| format.name() == name).expect("there is such a format")
}

fn write(folder: &Path, name: &str, report: &Report<'_>) -> u64 {
    write_as(format("html"), &folder.join(format!("{name}.html")), report)
}

fn write_as(format: &dyn ReportFormat, path: &Path, report: &Report<'_>) -> u64 {
    let mut out = BufWriter::new(File::create(path).unwrap());
    format.write(report, &mut out).unwrap();
    out.into_inner().map_err(io::IntoInnerError::into_error).unwrap().flush().unwrap();
    fs::metadata(path).unwrap().len()
}

/// Writes all reports, and what the browser should find in them.
fn pages(folder: &Path) -> Value {
    let typical = Estate::new(24, 3_000, Names::Plain).compared();
    write(folder, "typical", &typical.report());
    write_as(format("csv"), &folder.join("typical.csv"), &typical.report());
    write(folder, "first", &Estate::new(6, 400, Names::Plain).report());
    write(folder, "empty", &Estate::new(0, 0, Names::Plain).report());
    write(folder, "dark", &Estate::new(5, 400, Names::Plain).unreachable().report());
    let hostile = Estate::new(8, 900, Names::Hostile).compared();
    write(folder, "hostile", &hostile.report());
    let large = Estate::new(500, FINDINGS, Names::Plain).compared();
    let size = write(folder, "large", &large.report());
    #[expect(clippy::print_stdout, reason = "a figure for whoever runs the test with --nocapture")]
    {
        println!("{FINDINGS} findings: {:.1} MiB of HTML", f64::from(u32::try_from(size / 1024).unwrap()) / 1024.0);
    }
    assert!(size < LARGEST, "{size} bytes are more than {LARGEST}");
    json!({
        "typical": typical.expected(),
        "hostile": {
            "findings": hostile.some_of_each_result(),
            "hashes": [
                "#<img src=x onerror=window.__pwned=1>",
                "#findings?q=%3Cimg%20src%3Dx%20onerror%3Dwindow.__pwned%3D1%3E",
                "#findings?finding=javascript:window.__pwned=1",
                "#findings?account=%3Cscript%3Ewindow.__pwned%3D1%3C%2Fscript%3E&owner=%E0%A4%A",
                "#findings?group=constructor&sort=__proto__&columns=__proto__,toString",
                "#javascript:window.__pwned=1",
                "#findings?severity",
                "#findings?sort&group&columns&result&finding&q&owner&=&&?",
            ],
        },
        "large": { "all": large.all(), "account": large.first_account(), "resources": large.resources() },
    })
}

#[test]
fn the_report_behaves_in_a_browser() {
    let environment = installed();
    packages(&sources(), &environment);
    let mut node = Command::new("node");
    if let Some(path) = chromium() {
        node.env("CHROMIUM", path);
    } else {
        let folder = installed().with_file_name("browser-chromium");
        packages(&sources().join("chromium"), &folder);
        // The package unpacks what it brings where temporary files go.
        let unpacked = folder.join("unpacked");
        fs::create_dir_all(&unpacked).unwrap();
        node.env("CHROMIUM_FOLDER", &folder).env("TMPDIR", unpacked);
    }
    for script in ["browser.mjs", "report.test.mjs"] {
        fs::copy(sources().join(script), environment.join(script)).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let expected = pages(folder.path());
    fs::write(folder.path().join("expected.json"), serde_json::to_vec_pretty(&expected).unwrap()).unwrap();
    if let Some(kept) = std::env::var_os("PAGES_KEPT") {
        for entry in fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, Path::new(&kept).join(path.file_name().unwrap())).unwrap();
        }
    }
    let output = node
        .args(["--test-reporter=spec", "--test-timeout=900000", "report.test.mjs"])
        .env("PAGES", folder.path())
        .current_dir(&environment)
        .output()
        .unwrap_or_else(|error| panic!("node: {error}; {HINT}"));
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(
        output.status.success(),
        "the report does not behave in Chromium; if Chromium itself does not start, name one in CHROMIUM or install it \
         (`apt-get install -y chromium`)\n{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
