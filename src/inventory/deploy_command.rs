//! Commands that change a deployment target, recognised in build scripts and in the commands of an action.
//!
//! In: shell lines or a build specification as text. Out: the commands found, under one name each
//! (`terraform apply`), never the text around them. It exists because more than half of the production deployments in
//! public pipelines run inside `CodeBuild`; the collector keeps these names and drops the script.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

/// A program and the words that must follow it, options aside.
type Pattern = (&'static str, &'static [&'static str]);

const PATTERNS: &[Pattern] = &[
    ("terraform", &["apply"]),
    ("tofu", &["apply"]),
    ("terragrunt", &["apply"]),
    ("terragrunt", &["run-all", "apply"]),
    ("cdk", &["deploy"]),
    ("sam", &["deploy"]),
    ("serverless", &["deploy"]),
    ("sls", &["deploy"]),
    ("cdktf", &["deploy"]),
    ("sst", &["deploy"]),
    ("chalice", &["deploy"]),
    ("ask", &["deploy"]),
    ("amplify", &["publish"]),
    ("deploy.sh", &[]),
    ("make", &["deploy"]),
    ("kubectl", &["apply"]),
    ("kubectl", &["replace"]),
    ("kubectl", &["rollout", "restart"]),
    ("kubectl", &["set", "image"]),
    ("helm", &["upgrade"]),
    ("helm", &["install"]),
    ("aws", &["cloudformation", "deploy"]),
    ("aws", &["cloudformation", "create-stack"]),
    ("aws", &["cloudformation", "update-stack"]),
    ("aws", &["cloudformation", "execute-change-set"]),
    ("aws", &["cloudformation", "update-stack-set"]),
    ("aws", &["cloudformation", "create-stack-instances"]),
    ("aws", &["cloudformation", "update-stack-instances"]),
    ("aws", &["cloudfront", "create-invalidation"]),
    ("aws", &["ecs", "update-service"]),
    ("aws", &["elasticbeanstalk", "update-environment"]),
    ("aws", &["lambda", "update-function-code"]),
    ("aws", &["lambda", "update-alias"]),
    ("aws", &["s3", "sync"]),
    ("aws", &["deploy", "create-deployment"]),
    ("copilot", &["deploy"]),
    ("copilot", &["svc", "deploy"]),
    ("copilot", &["env", "deploy"]),
    ("eb", &["deploy"]),
    ("pulumi", &["up"]),
    ("ansible-playbook", &[]),
];

/// Words that stand before a program without being one.
const WRAPPERS: &[&str] = &[
    "sudo", "env", "time", "exec", "command", "npx", "yarn", "pnpm", "npm", "bunx", "poetry", "uv", "pipenv", "bundle",
    "run", "if", "then", "else", "do", "!", "-", "bash", "sh", "&",
];

/// Options that make a command show what it would do instead of doing it.
const REHEARSALS: &[&str] = &["--dry-run", "--dryrun", "--no-execute", "--no-execute-changeset", "--check"];

/// The names of all deploy commands that `text` runs.
#[must_use]
pub fn deploy_commands(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let commands = without_other_parts(text);
    // A trailing backslash continues a command on the next line.
    let joined = commands.replace("\\\r\n", " ").replace("\\\n", " ");
    for line in joined.lines() {
        for command in line.split([';', '|', '[', ']', ',', '(', ')', '{', '}']).flat_map(|part| part.split("&&")) {
            if let Some(name) = recognise(command) {
                found.insert(name);
            }
        }
    }
    found
}

/// Parts of a build specification that name files and values, and no commands.
const NO_COMMANDS: &[&str] = &["artifacts", "batch", "cache", "env", "proxy", "reports"];

/// A build specification without the parts that hold no commands; any other text as it is.
fn without_other_parts(text: &str) -> Cow<'_, str> {
    if let Ok(Value::Object(mut parts)) = serde_json::from_str(text) {
        parts.retain(|name, _| !NO_COMMANDS.contains(&name.as_str()));
        return Cow::Owned(Value::Object(parts).to_string());
    }
    if !text.lines().any(|line| part_begun(line) == Some("phases")) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(command_lines(text).collect::<Vec<_>>().join("\n"))
}

/// The lines of a build specification but those of parts that hold no commands.
pub(crate) fn command_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut in_commands = true;
    text.lines().filter(move |line| {
        in_commands = part_begun(line).map_or(in_commands, |part| !NO_COMMANDS.contains(&part));
        in_commands
    })
}

/// The part of a build specification that begins with this line.
fn part_begun(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(':').filter(|_| !line.starts_with([' ', '\t', '-', '#']))?;
    Some(name.trim_matches(['"', '\'']))
}

fn recognise(command: &str) -> Option<String> {
    let words = words(command);
    let first = words.iter().position(|word| !stands_before_a_program(word))?;
    let (before, after) = words.split_at(first);
    let only_reads = before.contains(&"-n") && before.iter().any(|word| matches!(*word, "bash" | "sh"));
    if only_reads || after.iter().any(|word| is_rehearsal(word)) {
        return None;
    }
    if is_script_of_a_package(&words, first) {
        return Some("run deploy".to_owned());
    }
    let mut rest = words.into_iter().skip(first);
    let program = rest.next().map(|word| word.rsplit('/').next().unwrap_or(word))?;
    if !PATTERNS.iter().any(|(name, _)| *name == program) {
        return None;
    }
    let arguments: Vec<&str> = rest.collect();
    let (name, words) = PATTERNS.iter().find(|(name, words)| *name == program && follows(&arguments, words))?;
    let full = std::iter::once(*name).chain(words.iter().copied()).collect::<Vec<_>>().join(" ");
    if full == "aws s3 sync" && is_download(&arguments) { None } else { Some(full) }
}

/// `npm run deploy`, `yarn deploy`: a script that a package calls so.
fn is_script_of_a_package(words: &[&str], first: usize) -> bool {
    let before = first.checked_sub(1).and_then(|before| words.get(before));
    words.get(first) == Some(&"deploy") && before.is_some_and(|word| ["run", "yarn", "pnpm"].contains(word))
}

/// The words of a command without quotes, up to a comment. A quoted argument counts as one word, its first, so that what
/// it says is not taken for a sub-command; a quote around a whole command is only dropped.
pub(super) fn words(command: &str) -> Vec<&str> {
    const QUOTES: [char; 3] = ['"', '\'', '`'];
    let raw: Vec<&str> = command.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
    let mut words: Vec<&str> = Vec::with_capacity(raw.len());
    let mut until = 0;
    for (index, word) in raw.iter().enumerate() {
        let opens =
            word.chars().next().filter(|c| QUOTES.contains(c)).filter(|c| word.len() == 1 || !word.ends_with(*c));
        if index >= until {
            if let Some(quote) = opens.filter(|_| words.iter().any(|word| !stands_before_a_program(word))) {
                let closing = raw.iter().skip(index + 1).position(|later| later.ends_with(quote));
                until = closing.map_or(0, |distance| index + distance + 2);
            }
            let bare = word.trim_matches(QUOTES);
            if !bare.is_empty() {
                words.push(bare);
            }
        }
    }
    words
}

pub(super) fn stands_before_a_program(word: &str) -> bool {
    WRAPPERS.contains(&word)
        || word.ends_with(':')
        || word.starts_with('-')
        || word.split_once('=').is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}

fn is_rehearsal(word: &str) -> bool {
    let (option, value) = word.split_once('=').unwrap_or((word, ""));
    REHEARSALS.contains(&option) && value != "none" && value != "false"
}

/// Whether `expected` are the first words of `arguments`, options and their values aside.
pub(super) fn follows(arguments: &[&str], expected: &[&str]) -> bool {
    let mut expected = expected.iter().peekable();
    let mut after_option = false;
    for argument in arguments {
        let Some(next) = expected.peek() else { return true };
        if *argument == **next {
            expected.next();
            after_option = false;
        } else if argument.starts_with('-') {
            after_option = !argument.contains('=');
        } else if after_option {
            after_option = false;
        } else {
            return false;
        }
    }
    expected.peek().is_none()
}

fn is_download(arguments: &[&str]) -> bool {
    let mut paths = arguments.iter().skip_while(|word| **word != "sync").skip(1).filter(|word| !word.starts_with('-'));
    let from_s3 = paths.next().is_some_and(|path| path.starts_with("s3://"));
    let to_s3 = paths.next().is_some_and(|path| path.starts_with("s3://") || path.starts_with('$'));
    from_s3 && !to_s3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        deploy_commands(text).into_iter().collect()
    }

    #[test]
    fn every_pattern_is_found_under_its_own_name() {
        for (program, words) in PATTERNS {
            let command = std::iter::once(program).chain(words.iter()).copied().collect::<Vec<_>>().join(" ");
            assert_eq!(found(&format!("- {command} x")), [command.as_str()], "{command}");
        }
    }

    #[test]
    fn options_wrappers_and_quotes_do_not_hide_a_command() {
        assert_eq!(found("cd infra && terraform -chdir=live apply -auto-approve"), ["terraform apply"]);
        assert_eq!(found("      - npx cdk --app 'node x' deploy --all"), ["cdk deploy"]);
        assert_eq!(found("- 'terraform apply'"), ["terraform apply"]);
        assert_eq!(found("- bash -c 'sam deploy'"), ["sam deploy"]);
        assert_eq!(found("      - npx cdk --profile release deploy --all"), ["cdk deploy"]);
        assert_eq!(found("aws --region eu-west-1 ecs update-service --cluster c"), ["aws ecs update-service"]);
        assert_eq!(found("STAGE=prod ./node_modules/.bin/serverless deploy"), ["serverless deploy"]);
        assert_eq!(found("commands: [\"terraform init\", \"terraform apply\"]"), ["terraform apply"]);
        assert_eq!(found("if test -f x; then sudo kubectl -n web apply -f x; fi"), ["kubectl apply"]);
        assert_eq!(found("  - npm run deploy -- --stage prod"), ["run deploy"]);
        assert_eq!(found("yarn deploy"), ["run deploy"]);
        assert_eq!(found("bash ./scripts/deploy.sh prod"), ["deploy.sh"]);
        let json = "{\"phases\": {\"build\": {\"commands\": [\"./deploy.sh prod\"]}}}";
        assert_eq!(found(json), ["deploy.sh"]);
        assert_eq!(
            found("env:\n  shell: bash\nphases:\n  build:\n    commands:\n      - ./deploy.sh\n"),
            ["deploy.sh"]
        );
        assert_eq!(found("aws cloudformation \\\n  deploy --stack-name x"), ["aws cloudformation deploy"]);
    }

    #[test]
    fn looking_is_not_deploying() {
        for text in [
            "terraform plan -out apply",
            "terraform validate",
            "# terraform apply",
            "echo terraform apply",
            "kubectl apply --dry-run=client -f x",
            "helm template web",
            "aws cloudformation deploy --no-execute-changeset",
            "aws s3 sync s3://artifacts ./dist",
            "aws s3 ls",
            "npm run deploy-docs",
            "make deploy-docs",
            "STAGE: deploy",
            "name: deploy",
            "yarn add deploy",
            "npm run deploy -- --dry-run",
            "bash -n scripts/deploy.sh",
            "version: 0.2\nphases:\n  build:\n    commands:\n      - make\nartifacts:\n  files:\n    - scripts/deploy.sh\n",
            "env:\n  variables:\n    SCRIPT: deploy.sh\nphases: {}\n",
            "{\"phases\": {}, \"artifacts\": {\"files\": [\"deploy.sh\"]}}",
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
        assert_eq!(found("aws s3 sync ./dist s3://site"), ["aws s3 sync"]);
        assert_eq!(found("kubectl apply --dry-run=none -f x"), ["kubectl apply"]);
    }

    #[test]
    fn several_commands_are_all_named() {
        assert_eq!(found("sam deploy; aws s3 sync a s3://b | tee log"), ["aws s3 sync", "sam deploy"]);
    }
}
