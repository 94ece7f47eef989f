//! Embeds `policies/` into the program: a control is a file, and there is no list of them to keep.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| io::Error::other("no manifest folder"))?);
    let policies = root.join("policies");
    println!("cargo::rerun-if-changed={}", policies.display());
    let controls = find(&policies.join("controls"), ".cedar")?;
    let cases = find(&policies.join("controls"), ".tests.json")?;
    let frameworks = find(&policies.join("frameworks"), ".toml")?;
    let mut code = String::new();
    let schema = literal(&policies.join("schema.cedarschema"))?;
    let _ = writeln!(code, "const EMBEDDED_SCHEMA: &str = include_str!({schema});");
    compiled(&root, &controls, &mut code)?;
    for (list, files) in
        [("EMBEDDED_CONTROLS", controls), ("EMBEDDED_CASES", cases), ("EMBEDDED_FRAMEWORKS", frameworks)]
    {
        let _ = writeln!(code, "const {list}: &[(&str, &str)] = &[");
        for file in files {
            let name = file.strip_prefix(&root).unwrap_or(&file).display().to_string().replace('\\', "/");
            let _ = writeln!(code, "    ({name:?}, include_str!({})),", literal(&file)?);
        }
        let _ = writeln!(code, "];");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("no output folder"))?);
    fs::write(out.join("embedded_policies.rs"), code)
}

/// The JSON forms of those controls that have not changed since they were written down.
fn compiled(root: &Path, controls: &[PathBuf], code: &mut String) -> io::Result<()> {
    let known = fs::read_to_string(root.join("policies/compiled.tsv")).unwrap_or_default();
    let _ = writeln!(code, "const COMPILED_CONTROLS: &[(&str, &str, &str)] = &[");
    let mut lines = Vec::new();
    for line in known.lines() {
        let mut fields = line.splitn(4, '\t');
        let (Some(file), Some(hash), Some(type_name), Some(json)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let path = root.join(file);
        if controls.contains(&path) && format!("{:016x}", fnv(&fs::read_to_string(&path)?)) == hash {
            lines.push((file, type_name, json));
        }
    }
    lines.sort_unstable();
    for (file, type_name, json) in lines {
        let _ = writeln!(code, "    ({file:?}, {type_name:?}, {json:?}),");
    }
    let _ = writeln!(code, "];");
    Ok(())
}

/// FNV-1a with 64 bits, as in `src/evaluate/embedded.rs`.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A path as a string literal of Rust.
fn literal(path: &Path) -> io::Result<String> {
    let text = path.to_str().ok_or_else(|| io::Error::other(format!("{} is not UTF-8", path.display())))?;
    Ok(format!("{text:?}"))
}

/// All files under a folder whose names end so, sorted; none if there is no such folder.
fn find(folder: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = if folder.is_dir() { vec![folder.to_owned()] } else { Vec::new() };
    while let Some(folder) = folders.pop() {
        println!("cargo::rerun-if-changed={}", folder.display());
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_str().is_some_and(|name| name.ends_with(ending)) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
