//! Features that only the tests ask of a shared dependency make cargo build it, and everything above it, twice.

use std::collections::BTreeSet;
use std::process::Command;

fn tree(edges: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--offline", "--prefix", "none", "--format", "{p} {f}", "--edges", edges])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo tree runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| line.trim_end_matches(" (*)").to_owned())
        .filter(|line| !line.starts_with("pipewarden "))
        .collect()
}

#[test]
fn the_program_and_its_tests_build_dependencies_with_the_same_features() {
    let program = tree("normal,build");
    let tests = tree("normal,build,dev");
    let rebuilt: Vec<_> = program.difference(&tests).collect();
    assert!(
        rebuilt.is_empty(),
        "the tests ask other features of these; repeat the features in [dependencies]: {rebuilt:#?}"
    );
    assert!(program.len() > 100, "the tree was not read");
}
