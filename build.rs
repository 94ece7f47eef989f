//! Embeds `policies/` into the program: a control is a file, and there is no list of them to keep.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| io::Error::other("no manifest folder"))?);
    let policies = root.join("policies");
    println!("cargo::rerun-if-changed={}", policies.display());
    let mut files = Vec::new();
    find(&policies.join("controls"), "cedar", &mut files)?;
    files.sort();
    let mut code = String::new();
    let schema = literal(&policies.join("schema.cedarschema"))?;
    let _ = writeln!(code, "const EMBEDDED_SCHEMA: &str = include_str!({schema});");
    let _ = writeln!(code, "const EMBEDDED_CONTROLS: &[(&str, &str)] = &[");
    for file in files {
        let name = file.strip_prefix(&root).unwrap_or(&file).display().to_string().replace('\\', "/");
        let _ = writeln!(code, "    ({name:?}, include_str!({})),", literal(&file)?);
    }
    let _ = writeln!(code, "];");
    let _ = writeln!(code, "const EMBEDDED_FRAMEWORKS: &[(&str, &str)] = &[");
    let mut frameworks = Vec::new();
    find(&policies.join("frameworks"), "toml", &mut frameworks)?;
    frameworks.sort();
    for file in frameworks {
        let name = file.strip_prefix(&root).unwrap_or(&file).display().to_string().replace('\\', "/");
        let _ = writeln!(code, "    ({name:?}, include_str!({})),", literal(&file)?);
    }
    let _ = writeln!(code, "];");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("no output folder"))?);
    fs::write(out.join("embedded_policies.rs"), code)
}

/// A path as a string literal of Rust.
fn literal(path: &Path) -> io::Result<String> {
    let text = path.to_str().ok_or_else(|| io::Error::other(format!("{} is not UTF-8", path.display())))?;
    Ok(format!("{text:?}"))
}

fn find(folder: &Path, extension: &str, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, extension, files)?;
        } else if path.extension().is_some_and(|e| e == extension) {
            files.push(path);
        }
    }
    Ok(())
}
