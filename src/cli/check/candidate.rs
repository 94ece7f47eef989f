//! Which files could be what is judged.
//!
//! In: a file's name and its beginning. Out: whether it is worth reading, and as what. It exists because a folder holds
//! thousands of files that are none of it, and because text that merely speaks of a pipeline is no pipeline.

use std::path::Path;

/// What a file could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Candidate {
    /// A template, a plan, a manifest or a definition.
    Document,
    /// Terraform's own language, which is read from a plan.
    Terraform,
    /// Anything else, as far as its name says.
    Unsure,
    /// Source code, prose, pictures: never.
    No,
}

/// Extensions of what people deploy.
const DOCUMENTS: [&str; 5] = ["yaml", "yml", "json", "template", "cfn"];

/// Extensions of what may speak of pipelines and is none.
const OTHERS: [&str; 62] = [
    "adoc", "avif", "bash", "bat", "bmp", "bz2", "c", "cc", "cfg", "class", "cpp", "cs", "css", "csv", "dll", "doc",
    "docx", "drawio", "exe", "gif", "go", "gz", "h", "hcl", "htm", "html", "ico", "ini", "ipynb", "jar", "java",
    "jpeg", "jpg", "js", "jsx", "kt", "lock", "md", "mdx", "mjs", "mp4", "pdf", "php", "png", "ps1", "py", "rb", "rs",
    "rst", "scala", "sh", "so", "sql", "svg", "swift", "tfvars", "toml", "ts", "tsx", "webp", "xml", "zip",
];

impl Candidate {
    /// By name.
    pub(super) fn named(file: &str) -> Self {
        let lower = file.to_ascii_lowercase();
        let path = Path::new(&lower);
        let extension = |path: &Path| path.extension().and_then(|extension| extension.to_str()).map(str::to_owned);
        let before = path.file_stem().and_then(|stem| extension(Path::new(stem)));
        match extension(path).as_deref() {
            Some("tf") => Self::Terraform,
            Some("json") if before.as_deref() == Some("tf") => Self::Terraform,
            Some(extension) if DOCUMENTS.contains(&extension) => Self::Document,
            Some(extension) if OTHERS.contains(&extension) => Self::No,
            _ => Self::Unsure,
        }
    }
}

/// Whether a file begins like a document that could be judged: like JSON, or with a template's own words.
pub(super) fn begins_like_one(beginning: &[u8]) -> bool {
    // UTF-16 of such words has a zero beside every letter.
    let text: Vec<u8> = beginning.iter().copied().filter(|byte| *byte != 0).collect();
    let text = String::from_utf8_lossy(&text);
    let start =
        text.trim_start_matches(|first: char| first.is_whitespace() || matches!(first, '\u{FEFF}' | '\u{FFFD}'));
    start.starts_with(['{', '['])
        || start.contains("AWSTemplateFormatVersion")
        || start.lines().any(|line| line.trim_end() == "Resources:")
}

/// Whether a file holds a plan as `terraform plan -out` writes it.
pub(super) fn is_binary_plan(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") && bytes.get(30..36) == Some(b"tfplan")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_what_a_file_could_be() {
        for (file, expected) in [
            ("a/b.YAML", Candidate::Document),
            ("a.template.json", Candidate::Document),
            ("main.tf", Candidate::Terraform),
            ("main.tf.json", Candidate::Terraform),
            ("README.md", Candidate::No),
            ("app.py", Candidate::No),
            ("Makefile", Candidate::Unsure),
            ("pipeline.yaml.j2", Candidate::Unsure),
        ] {
            assert_eq!(Candidate::named(file), expected, "{file}");
        }
    }

    #[test]
    fn a_beginning_tells_the_rest() {
        assert!(begins_like_one(b"\xEF\xBB\xBF\n {\"a\": 1}"));
        assert!(begins_like_one(b"# about\nAWSTemplateFormatVersion: 2010-09-09\n"));
        assert!(begins_like_one(b"Parameters:\n  A: {}\nResources:\r\n"));
        assert!(begins_like_one(b"\xFF\xFE{\0\"\0"));
        assert!(!begins_like_one(b"#!/bin/sh\necho hello\n"));
        assert!(!begins_like_one(b"Resources: see AWS::CodePipeline::Pipeline\n"));
    }
}
