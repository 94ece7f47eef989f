//! Walls between modules. The table below is their source; the module documents only explain them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pipewarden::collect::COLLECTORS;
use pipewarden::facts::{Joins, KINDS, Rules};
use pipewarden::inventory::Resource;
use syn::visit::Visit;

/// Module, the modules of this crate it may use, and the crates that are found only there (or in one of the files named
/// in [`ALSO`]).
const WALLS: &[(&str, &[&str], &[&str])] = &[
    ("inventory", &[], &[]),
    ("template", &["inventory"], &["saphyr_parser"]),
    ("facts", &["inventory"], &[]),
    ("finding", &["inventory"], &[]),
    (
        "organization",
        &["inventory", "collect"],
        &["aws_config", "aws_sdk_organizations", "aws_sdk_sts", "aws_credential_types"],
    ),
    (
        "collect",
        &["inventory"],
        &[
            "aws_sdk_codepipeline",
            "aws_sdk_codedeploy",
            "aws_sdk_codebuild",
            "aws_sdk_s3",
            "aws_sdk_kms",
            "aws_sdk_cloudwatch",
            "aws_sdk_cloudtrail",
            "aws_sdk_config",
            "aws_sdk_codecommit",
            "aws_sdk_codeconnections",
            "aws_sdk_codestarnotifications",
            "aws_sdk_ecr",
            "aws_sdk_iam",
            "aws_sdk_secretsmanager",
            "aws_sdk_sns",
            "octocrab",
            "reqwest",
            "rustls",
            "aws_smithy_runtime_api",
            "aws_smithy_types",
            "aws_types",
        ],
    ),
    ("evaluate", &["inventory", "facts", "finding"], &["cedar_policy"]),
    ("owners", &["inventory", "finding"], &[]),
    ("history", &["inventory", "collect"], &["aws_sdk_athena", "memchr", "ring"]),
    ("dora", &["inventory", "history", "facts"], &["jiff"]),
    (
        "report",
        &["inventory", "finding", "history", "dora"],
        &["csv", "annotate_snippets", "quick_xml", "parquet", "base64"],
    ),
    ("run", &["inventory", "finding", "report"], &[]),
    (
        "audit",
        &[
            "inventory",
            "organization",
            "collect",
            "facts",
            "evaluate",
            "finding",
            "owners",
            "history",
            "dora",
            "report",
            "run",
        ],
        &["aws_sdk_account", "rayon"],
    ),
    (
        "deliver",
        &["inventory", "finding", "organization", "collect", "report", "run"],
        &["aws_sdk_securityhub", "aws_sdk_sesv2"],
    ),
    ("check", &["inventory", "template", "facts", "evaluate", "finding"], &[]),
    ("simulate", &["inventory", "finding"], &["hyper", "hyper_util", "http_body_util", "ciborium", "fastrand"]),
    (
        "config",
        &[
            "inventory",
            "organization",
            "collect",
            "facts",
            "evaluate",
            "owners",
            "history",
            "dora",
            "run",
            "audit",
            "deliver",
        ],
        &["toml"],
    ),
    (
        "cli",
        &[
            "inventory",
            "organization",
            "collect",
            "facts",
            "evaluate",
            "finding",
            "report",
            "run",
            "audit",
            "simulate",
            "config",
            "template",
            "check",
            "history",
            "dora",
            "owners",
            "deliver",
        ],
        &["walkdir", "glob", "clap", "miette", "indicatif", "tracing_subscriber", "aws_smithy_http_client"],
    ),
];

/// Second homes of a crate, with the reason.
const ALSO: &[(&str, &str, &str)] = &[
    ("aws_config", "cli", "the command line loads the user's AWS configuration"),
    ("aws_credential_types", "cli", "the demo's credentials mean nothing and are made there"),
    ("aws_sdk_sts", "cli", "whose credentials are these"),
    ("aws_smithy_types", "cli", "timeouts"),
    ("aws_sdk_cloudwatch", "cli", "`dora` delivers its numbers with PutMetricData; nothing else here writes to AWS"),
    ("hyper", "cli", "`dora serve` answers scrapes"),
    ("hyper_util", "cli", "`dora serve` answers scrapes"),
    ("http_body_util", "cli", "`dora serve` answers scrapes"),
    ("reqwest", "cli", "a hook asks Lambda's runtime API, and fetches the template of the operation"),
    ("rustls", "cli", "the provider of that client's TLS"),
    ("toml", "cli", "tables of frameworks, which only `controls lint` reads"),
    ("aws_smithy_types", "organization", "times of sessions"),
    ("aws_types", "organization", "the shared SDK configuration"),
    ("toml", "evaluate", "frameworks are data files"),
    ("aws_sdk_cloudtrail", "history", "LookupEvents and Lake"),
    ("aws_sdk_cloudwatch", "history", "the history of alarms"),
    ("aws_sdk_codebuild", "history", "builds and test reports"),
    ("aws_sdk_codecommit", "history", "commits"),
    ("aws_sdk_codedeploy", "history", "deployments"),
    ("aws_sdk_codepipeline", "history", "executions"),
    ("aws_sdk_s3", "history", "the archive of a trail"),
    ("aws_smithy_types", "history", "times of calls"),
    ("csv", "history", "files of incidents, and Athena's answers"),
    ("rayon", "history", "an archive is read on all cores"),
    ("rayon", "run", "the files of a run are hashed on all cores"),
    ("ring", "inventory", "fingerprints of values that are taken out"),
    ("saphyr_parser", "inventory", "where a command of a build specification ends"),
    ("ring", "cli", "a key for them"),
    ("ring", "run", "signatures of manifests"),
    ("base64", "run", "signatures of manifests"),
    ("aws_sdk_kms", "cli", "manifests are signed"),
    ("aws_sdk_secretsmanager", "cli", "tokens by the names of variables, with the identity that runs the program"),
    ("aws_sdk_s3", "run", "runs are kept in a bucket, in a file of its own"),
    ("aws_smithy_runtime_api", "run", "what S3 answers with a refusal"),
    ("aws_types", "run", "the shared SDK configuration"),
    ("aws_sdk_s3", "deliver", "runs are kept in a bucket too"),
    ("aws_sdk_sns", "deliver", "messages on runs"),
    ("base64", "deliver", "checksums as S3 writes them"),
    ("aws_smithy_types", "deliver", "bodies and times of calls"),
    ("reqwest", "deliver", "webhooks and trackers"),
    ("rustls", "deliver", "the provider of that client's TLS"),
    ("octocrab", "deliver", "a GitHub App signs its question for a token"),
    ("ring", "deliver", "signatures of webhooks, ids of messages"),
];

/// Modules that know no clock, environment, network or file.
const PURE: &[&str] = &["facts", "finding", "owners", "evaluate", "template", "check", "dora"];
const IMPURE: &[&str] =
    &["std::fs", "std::env", "std::net", "std::process", "std::time::SystemTime", "std::time::Instant", "tokio"];

/// Lines of a file before its tests, at most.
const LONGEST_FILE: usize = 500;

struct Paths(Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let for_tests = item.attrs.iter().any(|a| a.path().is_ident("cfg") && quote(&a.meta).contains("test"));
        if !for_tests {
            syn::visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let mut trees: Vec<(Vec<String>, &syn::UseTree)> = vec![(Vec::new(), &item.tree)];
        while let Some((mut prefix, tree)) = trees.pop() {
            match tree {
                syn::UseTree::Path(path) => {
                    prefix.push(path.ident.to_string());
                    trees.push((prefix, &path.tree));
                }
                syn::UseTree::Group(group) => trees.extend(group.items.iter().map(|item| (prefix.clone(), item))),
                syn::UseTree::Name(name) => self.0.push([prefix, vec![name.ident.to_string()]].concat()),
                syn::UseTree::Rename(name) => self.0.push([prefix, vec![name.ident.to_string()]].concat()),
                syn::UseTree::Glob(_) => self.0.push(prefix),
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.0.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        syn::visit::visit_path(self, path);
    }
}

fn quote(meta: &syn::Meta) -> String {
    match meta {
        syn::Meta::List(list) => list.tokens.to_string(),
        _ => String::new(),
    }
}

fn sources() -> Vec<(String, PathBuf)> {
    fn find(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                find(&path, files);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    find(&root, &mut files);
    files.sort();
    let module = |file: &Path| {
        let first = file.strip_prefix(&root).unwrap().components().next().unwrap();
        first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
    };
    files.into_iter().map(|file| (module(&file), file)).collect()
}

fn paths_of(file: &Path) -> Vec<Vec<String>> {
    let parsed = syn::parse_file(&fs::read_to_string(file).unwrap()).unwrap();
    // A file that only exists for tests is no part of the walls.
    let mut paths = Paths(Vec::new());
    paths.visit_file(&parsed);
    paths.0
}

fn only_for_tests(file: &Path) -> bool {
    let name = file.file_stem().unwrap().to_str().unwrap();
    let Some(folder) = file.parent() else { return false };
    let Ok(parent) = fs::read_to_string(folder.join("mod.rs")) else { return false };
    name == "tests"
        || parent.contains(&format!("#[cfg(test)]\nmod {name};"))
        || parent.contains(&format!("#[cfg(test)]\npub(crate) mod {name};"))
}

#[test]
fn every_module_uses_only_what_its_wall_lets_through() {
    let mut broken = BTreeSet::new();
    for (module, file) in sources() {
        if ["lib", "main"].contains(&module.as_str()) || only_for_tests(&file) {
            continue;
        }
        let Some((_, may_use, _)) = WALLS.iter().find(|(name, ..)| *name == module) else {
            broken.insert(format!("src/{module} has no row in the table of walls"));
            continue;
        };
        for path in paths_of(&file) {
            if let [first, used, ..] = path.as_slice() {
                let known = WALLS.iter().any(|(name, ..)| name == used);
                if first == "crate" && known && *used != module && !may_use.contains(&used.as_str()) {
                    broken.insert(format!("{} uses crate::{used}, which {module} may not", file.display()));
                }
            }
            for (home, _, crates) in WALLS {
                for name in *crates {
                    let second_home = ALSO.iter().any(|(also, place, _)| also == name && *place == module);
                    if path.first().is_some_and(|first| first == name) && *home != module && !second_home {
                        broken.insert(format!("{} uses {name}, which belongs in {home}", file.display()));
                    }
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn pure_modules_know_no_clock_environment_network_or_file() {
    let mut broken = BTreeSet::new();
    for (module, file) in
        sources().into_iter().filter(|(module, file)| PURE.contains(&module.as_str()) && !only_for_tests(file))
    {
        for path in paths_of(&file) {
            let path = path.join("::");
            if IMPURE.iter().any(|impure| path == *impure || path.starts_with(&format!("{impure}::"))) {
                broken.insert(format!("{module}: {} uses {path}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn collectors_and_formats_do_not_know_each_other() {
    let mut broken = Vec::new();
    for (module, implements) in [("collect", "impl Collector for "), ("report", "impl ReportFormat for ")] {
        let files: Vec<PathBuf> = sources().into_iter().filter(|(of, _)| of == module).map(|(_, file)| file).collect();
        let stem = |file: &Path| file.file_stem().unwrap().to_str().unwrap().to_owned();
        let alike: BTreeSet<String> = files
            .iter()
            .filter(|file| fs::read_to_string(file).unwrap().contains(implements))
            .map(|file| stem(file))
            .collect();
        assert!(alike.len() > 3, "{module}: {alike:?}");
        for file in files.iter().filter(|file| stem(file) != "mod") {
            for path in paths_of(file) {
                let used = match path.as_slice() {
                    [parent, used, ..] if parent == "super" => used,
                    [first, of, used, ..] if first == "crate" && of == module => used,
                    _ => continue,
                };
                if alike.contains(used) && !stem(file).starts_with(used.as_str()) {
                    broken.push(format!("{} uses {}", file.display(), path.join("::")));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_collector_stands_in_the_documents() {
    let read = |name: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap();
    let (calls, resources) = (read("calls.md"), read("resources.md"));
    let mut missing = BTreeSet::new();
    for collector in COLLECTORS {
        let types = collector.types().iter().filter(|name| !resources.contains(&format!("`{name}`")));
        missing.extend(types.map(|name| format!("docs/resources.md does not describe {name}")));
        let service = collector.service();
        if !calls.contains(&format!("\n| {service} |")) {
            missing.insert(format!("docs/calls.md has no row of {service}"));
        }
        // S3's actions are not named as its operations are.
        let operations = collector.actions().iter().filter_map(|action| action.split_once(':')).map(|(_, name)| name);
        let unsaid = operations.filter(|name| service != "s3" && !calls.contains(&format!("`{name}`")));
        missing.extend(unsaid.map(|name| format!("docs/calls.md does not say when {service} asks for {name}")));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Tags that nobody asks for look like a resource without tags, so the documents have to admit it.
#[test]
fn tags_that_policies_may_read_are_read_or_admitted() {
    const READ: [&str; 5] =
        ["ListTagsForResource", "ListResourceTags", "GetBucketTagging", "tags included", "tags of the"];
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/resources.md");
    let resources = fs::read_to_string(file).unwrap();
    let (_, admitted) = resources.split_once("\n- Tags are not read of ").unwrap();
    let (admitted, _) = admitted.split_once(": their").unwrap();
    let joins = Joins::new(Rules::default(), time::OffsetDateTime::UNIX_EPOCH, 0);
    let mut broken = BTreeSet::new();
    let mut tagged = 0;
    for kind in KINDS {
        let name = format!("`{}`", kind.type_name());
        let uid = "arn:aws:service:eu-west-1:111122223333:name".to_owned();
        let account = "111122223333".parse().unwrap();
        let resource = Resource::live(kind.type_name(), uid, account, "eu-west-1".parse().unwrap());
        let facts = kind.facts(&resource, &joins);
        if !facts.known.contains_key("tags") && !facts.unknown.contains_key("tags") {
            continue;
        }
        tagged += 1;
        let row = resources.lines().find(|line| line.starts_with(&format!("| {name}")));
        let is_read = row.is_some_and(|row| READ.iter().any(|word| row.contains(word)));
        if is_read == admitted.contains(&name) {
            broken.insert(format!("docs/resources.md has to say of {name} what reads its tags, or that nothing does"));
        }
    }
    assert!(tagged > 10, "{tagged}");
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_file_says_what_it_is_for_and_can_be_held_in_mind() {
    let mut broken = Vec::new();
    for (_, file) in sources() {
        let text = fs::read_to_string(&file).unwrap();
        if !text.starts_with("//!") {
            broken.push(format!("{} does not open with //!", file.display()));
        }
        let before_tests = text.split("\n#[cfg(test)]\n").next().unwrap().lines().count();
        if before_tests > LONGEST_FILE && !only_for_tests(&file) {
            broken.push(format!("{} has {before_tests} lines before its tests", file.display()));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_walls_would_be_noticed() {
    let parsed = syn::parse_file(
        "use crate::evaluate::Policies; fn f() { cedar_policy::x(); } #[cfg(test)] mod tests { use crate::cli; }",
    )
    .unwrap();
    let mut paths = Paths(Vec::new());
    paths.visit_file(&parsed);
    let flat: Vec<String> = paths.0.iter().map(|path| path.join("::")).collect();
    assert!(
        flat.contains(&"crate::evaluate::Policies".to_owned()) && flat.contains(&"cedar_policy::x".to_owned()),
        "{flat:?}"
    );
    assert!(!flat.iter().any(|path| path.contains("cli")), "{flat:?}");
}
