//! Paths on the command line → groups to judge.
//!
//! In: files, folders, patterns and stdin. Out: everything that was recognised in them; a file that cannot be read never
//! keeps another one from being read. What is left out is counted, and what somebody named and holds nothing is said.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::super::failure::Failure;
use super::candidate::{Candidate, begins_like_one, is_binary_plan};
use super::walk::{Asked, shown, walk};
use crate::inventory::{Position, Span};
use crate::template::{
    Document, FORMATS, Files, Group, Limits, Node, Parsed, Place, Reading, Unreadable, format_of, mentions_delivery,
};

/// What the paths hold.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) groups: Vec<Group>,
    pub(super) documents: Vec<Document>,
    pub(super) unreadable: Vec<Unreadable>,
    pub(super) notices: Vec<(Arc<str>, Span, String)>,
    /// Files with nothing of the delivery path in them.
    pub(super) ignored: usize,
}

/// Files of the disk.
pub(super) struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let limits = Limits::default();
        match open(path, limits.bytes)? {
            Content::Whole(bytes) => Ok(bytes),
            Content::TooLarge(size, _) => Err(limits.too_large(size)),
        }
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let folder = if folder.is_empty() { "." } else { folder };
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut files: Vec<String> =
            entries.map(|entry| entry.path()).filter(|path| path.is_file()).map(|path| shown(&path)).collect();
        files.sort();
        files
    }
}

/// What a file holds, or its beginning if it holds too much.
enum Content {
    Whole(Vec<u8>),
    TooLarge(u64, Vec<u8>),
}

/// Bytes of a large file that are looked at for what it speaks of.
const BEGINNING: u64 = 4 << 20;

/// Bytes of a file that tell what it is.
const SNIFFED: u64 = 1024;

fn open(path: &str, most: usize) -> Result<Content, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    content(file, size, most)
}

/// Never reads more than the limit, whatever a file says of its size: it may be a pipe.
fn content(mut from: impl Read, size: u64, most: usize) -> Result<Content, String> {
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    let take = if size > most { BEGINNING } else { most.saturating_add(1) };
    let mut bytes = Vec::new();
    from.by_ref().take(take).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let read = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok(if size > most || read > most { Content::TooLarge(size.max(read), bytes) } else { Content::Whole(bytes) })
}

/// What became of a file.
enum Outcome {
    Parsed(Parsed),
    Unreadable(Unreadable),
    /// Nothing that is judged; said if there is something to say.
    Nothing(Option<String>),
}

/// Reads everything.
pub(super) fn read(
    paths: &[String],
    parameters: &BTreeMap<String, String>,
    place: &Place,
    limits: Limits,
) -> Result<Inputs, Failure> {
    let walked = walk(paths)?;
    let reading = Reading { files: &Disk, parameters, place, limits };
    let mut outcomes = outcomes(walked.files.iter().map(|(file, asked)| (file, *asked)).collect(), &|file, asked| {
        look(file, asked, &reading)
    });
    if walked.stdin {
        let outcome = match content(std::io::stdin().lock(), 0, limits.bytes) {
            Ok(content) => held("stdin", Candidate::Unsure, Asked::Named, content, &reading),
            Err(message) => Outcome::Unreadable(unreadable("stdin", message)),
        };
        outcomes.push(("stdin".to_owned(), outcome));
    }
    let mut inputs = Inputs::default();
    inputs.unreadable.extend(walked.closed.into_iter().map(|(folder, why)| unreadable(&folder, why)));
    for (path, why) in walked.left {
        inputs.note(&path, why);
    }
    for folder in walked.empty {
        inputs.note(&folder, "this folder is empty, so nothing in it was judged".to_owned());
    }
    inputs.take(outcomes);
    Ok(inputs)
}

/// Reads files of an earlier state by their names; they, and what they refer to, come from `files`.
pub(super) fn read_listed(
    listed: &BTreeSet<String>,
    files: &dyn Files,
    parameters: &BTreeMap<String, String>,
    place: &Place,
    limits: Limits,
) -> Inputs {
    let reading = Reading { files, parameters, place, limits };
    let looked = |file: &str, asked: Asked| {
        let candidate = Candidate::named(file);
        if matches!(candidate, Candidate::No | Candidate::Terraform) {
            return Outcome::Nothing(None);
        }
        match files.read(file) {
            Ok(bytes) if candidate == Candidate::Unsure && !begins_like_one(&bytes) => Outcome::Nothing(None),
            Ok(bytes) => held(file, candidate, asked, Content::Whole(bytes), &reading),
            Err(message) => Outcome::Unreadable(unreadable(file, message)),
        }
    };
    let mut inputs = Inputs::default();
    inputs.take(outcomes(listed.iter().map(|file| (file, Asked::Found)).collect(), &looked));
    inputs
}

/// What became of each file. A manifest says what belongs to it; read first, its files need not be read twice. Outer ones
/// come before inner ones.
fn outcomes(mut files: Vec<(&String, Asked)>, look: &dyn Fn(&str, Asked) -> Outcome) -> Vec<(String, Outcome)> {
    let is_manifest = |file: &str| Path::new(file).file_name().is_some_and(|name| name == "manifest.json");
    files.sort_by_key(|(file, _)| (!is_manifest(file), file.matches('/').count(), *file));
    let mut outcomes: Vec<(String, Outcome)> = Vec::new();
    let mut claimed: BTreeSet<String> = BTreeSet::new();
    let all: Vec<&String> = files.iter().map(|(file, _)| *file).collect();
    for (file, asked) in files {
        if claimed.contains(file) {
            continue;
        }
        let outcome = look(file, asked);
        if is_manifest(file)
            && let Outcome::Parsed(parsed) = &outcome
        {
            claimed.extend(claims(file, parsed, all.iter().copied()));
        }
        outcomes.push((file.clone(), outcome));
    }
    outcomes
}

fn unreadable(file: &str, message: String) -> Unreadable {
    Unreadable { file: file.into(), at: None, message }
}

/// Files that belong to what was read and are not to be read on their own; all files of a folder, if it is claimed.
fn claims<'f>(file: &str, parsed: &Parsed, all: impl Iterator<Item = &'f String>) -> BTreeSet<String> {
    let (folders, files): (Vec<&String>, Vec<&String>) =
        parsed.claimed.iter().partition(|claimed| claimed.ends_with('/'));
    let folders: Vec<String> = folders.into_iter().map(|folder| format!("{}/", shown(Path::new(folder)))).collect();
    let inside = all.filter(|other| folders.iter().any(|folder| other.starts_with(folder.as_str()))).cloned();
    let named = files.into_iter().map(|claimed| shown(Path::new(claimed)));
    named.chain(inside).filter(|claimed| claimed != file).collect()
}

impl Inputs {
    fn note(&mut self, file: &str, message: String) {
        let start = Position { line: 1, column: 1 };
        self.notices.push((file.into(), Span { start, end: start }, message));
    }

    /// Takes what no other file claims, in the order of paths.
    fn take(&mut self, mut outcomes: Vec<(String, Outcome)>) {
        let mut claimers: Vec<(&String, BTreeSet<String>)> = outcomes
            .iter()
            .filter_map(|(file, outcome)| {
                let Outcome::Parsed(parsed) = outcome else { return None };
                Some((file, claims(file, parsed, outcomes.iter().map(|(file, _)| file))))
            })
            .collect();
        claimers.sort_by_key(|(file, _)| (file.matches('/').count(), *file));
        let mut claimed = BTreeSet::new();
        for (file, claims) in claimers {
            // What belongs to something else claims nothing: two files that claim each other would both be gone.
            if !claimed.contains(file) {
                claimed.extend(claims);
            }
        }
        outcomes.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (file, outcome) in outcomes {
            if claimed.contains(&file) {
                continue;
            }
            match outcome {
                Outcome::Parsed(parsed) => {
                    self.groups.extend(parsed.groups);
                    self.documents.extend(parsed.documents);
                    self.unreadable.extend(parsed.unreadable);
                    self.notices.extend(parsed.notices);
                }
                Outcome::Unreadable(unreadable) => self.unreadable.push(unreadable),
                Outcome::Nothing(said) => {
                    self.ignored += 1;
                    if let Some(message) = said {
                        self.note(&file, message);
                    }
                }
            }
        }
    }
}

fn look(file: &str, asked: Asked, reading: &Reading<'_>) -> Outcome {
    let candidate = Candidate::named(file);
    if asked == Asked::Found {
        match candidate {
            Candidate::No => return Outcome::Nothing(None),
            Candidate::Unsure => {
                let mut beginning = Vec::new();
                let opened = File::open(file).map(|file| file.take(SNIFFED).read_to_end(&mut beginning));
                if opened.is_err() || !begins_like_one(&beginning) {
                    return Outcome::Nothing(None);
                }
            }
            Candidate::Document | Candidate::Terraform => {}
        }
    }
    match open(file, reading.limits.bytes) {
        Ok(content) => held(file, candidate, asked, content, reading),
        Err(message) => Outcome::Unreadable(unreadable(file, format!("the file cannot be read: {message}"))),
    }
}

/// What a file comes to by what it holds.
fn held(file: &str, candidate: Candidate, asked: Asked, content: Content, reading: &Reading<'_>) -> Outcome {
    let named = asked == Asked::Named;
    let bytes = match content {
        Content::Whole(bytes) => bytes,
        Content::TooLarge(size, beginning) => {
            let message = reading.limits.too_large(size);
            return if named || mentions(&beginning) {
                Outcome::Unreadable(unreadable(file, message))
            } else {
                Outcome::Nothing(Some(format!("{message}; its first 4 MiB speak of no pipeline")))
            };
        }
    };
    if candidate == Candidate::Terraform {
        return terraform(file, named, &bytes);
    }
    if named && is_binary_plan(&bytes) {
        let message = "this is a plan as Terraform keeps it; check what `terraform show -json` makes of it: `terraform show -json PLAN > plan.json`";
        return Outcome::Unreadable(unreadable(file, message.to_owned()));
    }
    let document = match Document::read(file, &bytes, &reading.limits) {
        Ok(document) => document,
        Err(unreadable) if candidate != Candidate::No && mentions(&bytes) => return Outcome::Unreadable(unreadable),
        Err(unreadable) => {
            let line = unreadable.at.map_or_else(String::new, |at| format!("line {}: ", at.line));
            let why = format!("nothing in it was judged, for it is no document: {line}{}", unreadable.message);
            return Outcome::Nothing(named.then_some(why));
        }
    };
    if let Some(format) = format_of(&document) {
        return Outcome::Parsed(format.read(document, reading));
    }
    if let Some((type_name, span)) = fragment(&document.root) {
        let message = format!(
            "a resource of type {type_name} is declared here, but the file is of no form that is known, so nothing in it was judged; check the template that it becomes a part of"
        );
        return Outcome::Unreadable(Unreadable { file: file.into(), at: Some(span.start), message });
    }
    let known: Vec<&str> = FORMATS.iter().map(|format| format.name()).collect();
    let why = || format!("nothing in it was judged, for it is of no form that is known ({})", known.join(", "));
    Outcome::Nothing(named.then(why))
}

/// Whether bytes speak of the delivery path, in whatever encoding.
fn mentions(bytes: &[u8]) -> bool {
    if bytes.contains(&0) {
        let letters: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
        return mentions_delivery(&String::from_utf8_lossy(&letters));
    }
    mentions_delivery(&String::from_utf8_lossy(bytes))
}

/// A resource of the delivery path in a document that is no template: a part of one, or one inside of something else.
fn fragment(node: &Node) -> Option<(String, Span)> {
    let type_name = node.text_at(&["Type"]).filter(|name| name.starts_with("AWS::") && mentions_delivery(name));
    if let (Some(type_name), true) = (type_name, node.get("Properties").is_some_and(Node::is_map)) {
        return Some((type_name.to_owned(), node.span));
    }
    let below = node.entries().iter().map(|entry| &entry.value).chain(node.elements());
    below.into_iter().find_map(fragment)
}

/// Terraform's own language is not evaluated here, because only Terraform knows what its modules and variables come to.
fn terraform(file: &str, named: bool, bytes: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(bytes);
    let types = ["\"aws_codepipeline", "\"aws_codebuild_", "\"aws_codedeploy_", "\"aws_codecommit_"];
    let json = Path::new(file).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let declares = |line: &str| {
        let line = line.trim_start();
        (json || line.starts_with("resource")) && types.iter().any(|name| line.contains(name))
    };
    let how = "`terraform plan -out p && terraform show -json p > plan.json`, and check plan.json with it";
    match (1..).zip(text.lines()).find(|(_, line)| declares(line)) {
        Some((line, _)) => Outcome::Unreadable(Unreadable {
            file: file.into(),
            at: Some(Position { line, column: 1 }),
            message: format!("this is Terraform's own language, which only Terraform can evaluate; make a plan: {how}"),
        }),
        None => Outcome::Nothing(
            named.then(|| format!("nothing in it was judged: Terraform's own language is read from a plan; {how}")),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(file: &str, claimed: &[&str]) -> (String, Outcome) {
        let note = (file.into(), Span::default(), String::new());
        let claimed = claimed.iter().map(|&file| file.to_owned()).collect();
        (file.to_owned(), Outcome::Parsed(Parsed { claimed, notices: vec![note], ..Parsed::default() }))
    }

    fn bad(file: &str) -> (String, Outcome) {
        (file.to_owned(), Outcome::Unreadable(unreadable(file, String::new())))
    }

    fn taken(outcomes: Vec<(String, Outcome)>) -> (Vec<String>, Vec<String>, usize) {
        let mut inputs = Inputs::default();
        inputs.take(outcomes);
        let kept = inputs.notices.iter().map(|(file, ..)| file.to_string()).collect();
        (kept, inputs.unreadable.iter().map(|one| one.file.to_string()).collect(), inputs.ignored)
    }

    #[test]
    fn what_belongs_to_another_file_is_left_to_it_in_any_order() {
        let nothing = || ("out/note".to_owned(), Outcome::Nothing(None));
        let expected = (vec!["a.yml".to_owned(), "out/manifest.json".to_owned()], vec!["b.tf".to_owned()], 0);
        let mut files: Vec<fn() -> (String, Outcome)> = vec![
            || parsed("a.yml", &[]),
            || parsed("out/manifest.json", &["./out/x.json", "out/in/manifest.json", "out/note", "out/c.tf"]),
            || parsed("out/x.json", &[]),
            || parsed("out/in/manifest.json", &["out/in/y.json", "a.yml", "out/manifest.json"]),
            || bad("out/c.tf"),
            || bad("b.tf"),
        ];
        for _ in 0..files.len() {
            files.rotate_left(1);
            let outcomes = files.iter().map(|make| make()).chain([nothing()]).collect();
            assert_eq!(taken(outcomes), expected);
        }
    }

    #[test]
    fn a_folder_that_is_claimed_is_claimed_with_everything_in_it() {
        let (kept, ..) = taken(vec![
            parsed("cdk.out/manifest.json", &["cdk.out/"]),
            parsed("cdk.out/assembly-Old/manifest.json", &["cdk.output/a.json"]),
            parsed("cdk.out/asset.1/b.json", &[]),
            parsed("cdk.output/a.json", &[]),
        ]);
        assert_eq!(kept, ["cdk.out/manifest.json", "cdk.output/a.json"]);
    }

    #[test]
    fn files_that_claim_each_other_are_not_both_gone() {
        let (kept, ..) = taken(vec![parsed("b", &["a", "b"]), parsed("a", &["b", "a"])]);
        assert_eq!(kept, ["a"]);
    }

    #[test]
    fn a_pipe_is_read_no_further_than_the_limit() {
        let endless = std::io::repeat(b'x');
        assert!(matches!(content(endless, 0, 1000), Ok(Content::TooLarge(1001, bytes)) if bytes.len() == 1001));
        assert!(matches!(content(&b"abc"[..], 3, 3), Ok(Content::Whole(bytes)) if bytes == b"abc"));
    }
}
