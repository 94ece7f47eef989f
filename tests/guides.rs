//! The guides against the program: commands, messages, exit codes, links, paths and sums that they name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex_lite::Regex;

use crate::cli::pipewarden;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every document for people, by its path in the repository.
fn documents() -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["", "docs", "docs/decisions", "infra", "infra/terraform"] {
        let Ok(entries) = fs::read_dir(root().join(folder)) else { continue };
        let names = entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned());
        let names = names.filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "md"));
        found.extend(names.map(|name| if folder.is_empty() { name } else { format!("{folder}/{name}") }));
    }
    found.sort();
    assert!(found.len() > 20, "{found:?}");
    found
}

/// Command lines in fenced blocks and in text, in order.
fn commands(document: &str) -> Vec<String> {
    let mut fenced = false;
    let mut found = Vec::new();
    let span = Regex::new("`(pipewarden [^`]+)`").unwrap();
    let mut line = String::new();
    for part in document.lines() {
        if part.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if !fenced {
            found.extend(span.captures_iter(part).map(|command| command[1].to_owned()));
            continue;
        }
        line.push_str(part.trim());
        if let Some(more) = line.strip_suffix('\\') {
            line = more.to_owned();
            continue;
        }
        if line.starts_with("pipewarden ") {
            found.push(line.clone());
        }
        line.clear();
    }
    found
}

/// Words of a command line up to a comment, a pipe, a redirection or another command; what stands in quotes is one word.
fn words(command: &str) -> Vec<String> {
    let word = Regex::new("\"[^\"]*\"|'[^']*'|[^\\s\"']+").unwrap();
    let ends = |word: &str| word.starts_with(['#', '|', '>', '<', '&', ';']) || word.starts_with("2>");
    word.find_iter(command).map(|word| word.as_str().to_owned()).take_while(|word| !ends(word)).skip(1).collect()
}

/// Answers of `--help`, each asked for once.
#[derive(Default)]
struct Help(BTreeMap<Vec<String>, String>);

impl Help {
    fn of(&mut self, path: &[String]) -> &str {
        self.0.entry(path.to_vec()).or_insert_with(|| {
            let args: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
            let output = pipewarden(&args, root());
            String::from_utf8(output.stdout).unwrap()
        })
    }

    fn knows(&mut self, path: &[String], command: &str) -> bool {
        let help = self.of(path);
        let listed = help.split_once("Commands:").map_or("", |(_, rest)| rest);
        listed.lines().any(|line| line.starts_with("  ") && line.split_whitespace().next() == Some(command))
    }
}

#[test]
fn every_command_in_a_document_is_one() {
    let mut help = Help::default();
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    // A page that is written from the source, and commands of decisions that were not taken, are not looked at.
    let skipped =
        |file: &str| file == "docs/controls.md" || file == "CHANGELOG.md" || file.starts_with("docs/decisions/");
    for file in documents().into_iter().filter(|file| !skipped(file)) {
        for command in commands(&text(&file)) {
            let words = words(&command);
            let mut path: Vec<String> = Vec::new();
            for word in &words {
                let placeholder = word == "…" || word.starts_with('-');
                if placeholder || !help.knows(&path, word) {
                    break;
                }
                path.push(word.clone());
            }
            let named = words.first().is_some_and(|word| !word.starts_with(['-', '…']));
            if named && path.is_empty() {
                wrong.push(format!("{file}: `{command}`: there is no such command"));
                continue;
            }
            for option in words.iter().filter(|word| word.starts_with("--") && word.len() > 2) {
                let option = option.split('=').next().unwrap().trim_end_matches([',', '.', ':', ')', ']']);
                let known =
                    help.of(&path).split(|c: char| c.is_whitespace() || ",[]=".contains(c)).any(|word| word == option);
                if !known {
                    wrong.push(format!("{file}: `{command}`: {option} is no option of `{}`", path.join(" ")));
                }
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 30, "{looked_at} options were found");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_exit_code_is_explained() {
    let codes = Regex::new("(?m)^    [A-Z][A-Za-z]+ = ([0-9]+),$").unwrap();
    let source = text("src/cli/exit_code.rs");
    let guide = text("docs/operations.md");
    let codes: Vec<&str> = codes.captures_iter(&source).map(|code| code.get(1).unwrap().as_str()).collect();
    assert!(codes.len() >= 6, "{codes:?}");
    let missing: Vec<_> = codes.iter().filter(|code| !guide.contains(&format!("\n| {code} | "))).collect();
    assert!(missing.is_empty(), "docs/operations.md says nothing on {missing:?}");
}

/// As GitHub makes an anchor of a heading.
fn anchor(heading: &str) -> String {
    let link = Regex::new("\\[([^\\]]*)\\]\\([^)]*\\)").unwrap();
    let heading = link.replace_all(heading, "$1").to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Headings outside of fenced blocks.
fn anchors(document: &str) -> BTreeSet<String> {
    let mut fenced = false;
    let mut found = BTreeSet::new();
    for line in document.lines() {
        fenced ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        if !fenced && heading.len() < line.len() && heading.starts_with(' ') {
            found.insert(anchor(heading.trim()));
        }
    }
    found
}

#[test]
fn every_link_leads_somewhere() {
    let link = Regex::new("\\]\\(([^)\\s]+)\\)").unwrap();
    let mut dead = Vec::new();
    let mut looked_at = 0;
    for file in documents() {
        let document = text(&file);
        let folder = root().join(&file).parent().unwrap().to_owned();
        for target in link.captures_iter(&document).map(|link| link[1].to_owned()) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            looked_at += 1;
            let (path, heading) = target.split_once('#').unwrap_or((&target, ""));
            let path: PathBuf = if path.is_empty() { root().join(&file) } else { folder.join(path) };
            if !path.exists() {
                dead.push(format!("{file}: {target}"));
            } else if !heading.is_empty() && !anchors(&fs::read_to_string(&path).unwrap()).contains(heading) {
                dead.push(format!("{file}: {target}: there is no such heading"));
            }
        }
    }
    assert!(looked_at > 60, "{looked_at} links were found");
    assert!(dead.is_empty(), "{dead:#?}");
}

/// Texts in code spans, those with backticks in them too.
fn spans(line: &str) -> Vec<String> {
    let span = Regex::new("``(.+?)``|`([^`]+)`").unwrap();
    span.captures_iter(line).map(|found| found.get(1).or(found.get(2)).unwrap().as_str().trim().to_owned()).collect()
}

/// The source as one text in which string literals stand whole.
fn source() -> String {
    fn read(folder: &Path, all: &mut String) {
        let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                read(&path, all);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                all.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut all = String::new();
    read(&root().join("src"), &mut all);
    Regex::new("\\\\\n\\s*").unwrap().replace_all(&all, "").replace("\\\"", "\"")
}

/// The part of a document under a heading of the second level.
fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let (_, rest) = document.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    rest.split_once("\n## ").map_or(rest, |(section, _)| section)
}

#[test]
fn every_symptom_is_what_the_program_says() {
    let (guide, source) = (text("docs/operations.md"), source());
    let mut unsaid = Vec::new();
    let mut looked_at = 0;
    for line in section(&guide, "By symptom").lines().filter(|line| line.starts_with("| ")) {
        let cell = line.trim_start_matches("| ").split(" | ").next().unwrap();
        for message in spans(cell) {
            // An ellipsis stands for what differs; AWS's own words after ours are not ours.
            for part in message.split('…').map(str::trim).filter(|part| part.len() > 7) {
                looked_at += 1;
                if !source.contains(part) {
                    unsaid.push(format!("`{message}`: nothing says `{part}`"));
                }
            }
        }
    }
    assert!(looked_at > 20, "{looked_at} messages were found");
    assert!(unsaid.is_empty(), "{unsaid:#?}");
}

#[test]
fn every_place_that_is_named_as_evidence_exists() {
    let paths =
        Regex::new("^(?:src|tests|infra|docs|reports|policies|fuzz|\\.ci|\\.github)/[A-Za-z0-9_./-]+$").unwrap();
    let names = Regex::new("^[a-z][a-z0-9]*(?:_[a-z0-9]+){4,}$").unwrap();
    let source = source();
    let mut missing = Vec::new();
    let mut looked_at = 0;
    for file in ["docs/security.md", "docs/operations.md", "docs/releases.md", "SECURITY.md"] {
        for span in text(file).lines().flat_map(spans) {
            let exists = if paths.is_match(&span) {
                root().join(&span).exists()
            } else if names.is_match(&span) {
                source.contains(&format!("fn {span}("))
            } else {
                continue;
            };
            looked_at += 1;
            if !exists {
                missing.push(format!("{file}: {span}"));
            }
        }
    }
    assert!(looked_at > 30, "{looked_at} places were found");
    assert!(missing.is_empty(), "{missing:#?}");
}

fn number(text: &str) -> f64 {
    text.replace(',', "").parse().unwrap()
}

/// A sum of products, as the guides write it.
fn sum(text: &str) -> f64 {
    let products = text.split('+').map(|product| {
        let mut value = 1.0;
        for (nth, factors) in product.split('/').enumerate() {
            // Left to right: what stands after a `/` divides, until the next `×`.
            for (inner, factor) in factors.split('×').enumerate() {
                let factor = number(factor.trim());
                value = if nth > 0 && inner == 0 { value / factor } else { value * factor };
            }
        }
        value
    });
    products.sum()
}

#[test]
fn every_sum_in_the_operations_guide_is_right() {
    let sums = Regex::new("([0-9][0-9.,]*(?: [+×/] [0-9][0-9.,]*)+) = ([0-9][0-9,]*(?:[.][0-9]+)?)").unwrap();
    let guide = text("docs/operations.md");
    let mut wrong = Vec::new();
    let found: Vec<_> = sums.captures_iter(&guide).collect();
    assert!(found.len() > 40, "{} sums were found", found.len());
    for found in found {
        let (computed, said) = (sum(&found[1]), number(found[2].trim_end_matches(',')));
        // Rounded where it is said, never by more than a hundredth.
        if (computed - said).abs() > computed.abs() / 100.0 {
            wrong.push(format!("{} is {computed}, not {said}", &found[1]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!((sum("5,000 / 64 × 8 + 1") - 626.0).abs() < 0.1 && (sum("2 + 4 + 4") - 10.0).abs() < 0.001);
}
