//! Commands that look at a change instead of deploying it: tests, linters and security scans.
//!
//! In: shell lines or a build specification as text. Out: the commands found, under one name each (`trivy image`), what
//! they look for, and whether a finding can stop the build. The text around them is never kept. It exists because most
//! scanners report and exit with success unless told otherwise, and because `|| true`, or one more command behind it,
//! turns a gate into decoration.

use std::fmt;
use std::str::FromStr;

use super::command_list::command_list;
use super::deploy_command::{follows, stands_before_a_program, words};
use super::shell::{Shell, failures};

/// What a check looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckKind {
    /// Tests of single parts.
    Unit,
    /// Tests of the whole, or of several parts together.
    Integration,
    /// Tests of what services promise each other.
    Contract,
    /// Style and well-known mistakes.
    Lint,
    /// A security scan of any kind; the only one that a name alone cannot tell apart further.
    Security,
    /// Static analysis of the source for weaknesses.
    Sast,
    /// Known vulnerabilities in dependencies.
    Dependencies,
    /// Licences of dependencies.
    Licence,
    /// Weaknesses in infrastructure as code.
    Iac,
    /// Vulnerabilities in a container image.
    Image,
    /// Secrets in the source.
    Secrets,
}

impl CheckKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Unit,
        Self::Integration,
        Self::Contract,
        Self::Lint,
        Self::Security,
        Self::Sast,
        Self::Dependencies,
        Self::Licence,
        Self::Iac,
        Self::Image,
        Self::Secrets,
    ];

    /// As configurations and findings write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Integration => "integration",
            Self::Contract => "contract",
            Self::Lint => "lint",
            Self::Security => "security",
            Self::Sast => "sast",
            Self::Dependencies => "dependencies",
            Self::Licence => "licence",
            Self::Iac => "iac",
            Self::Image => "image",
            Self::Secrets => "secrets",
        }
    }

    /// Whether it is a security scan.
    #[must_use]
    pub fn is_security(self) -> bool {
        !matches!(self, Self::Unit | Self::Integration | Self::Contract | Self::Lint)
    }
}

impl fmt::Display for CheckKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CheckKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = if text.eq_ignore_ascii_case("license") { "licence" } else { text };
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(text)).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("`{text}` is no kind of check; known are {known}")
        })
    }
}

/// A command that was recognised.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckCommand {
    /// Its name, `trivy image`.
    pub name: String,
    /// What it looks for.
    pub kind: CheckKind,
    /// Whether a finding ends the script with an error; `None` where that cannot be told.
    pub stops: Option<bool>,
}

/// When a program ends with an error because of what it found.
#[derive(Debug, Clone, Copy)]
enum Teeth {
    /// Unless one of these options is given.
    Unless(&'static [&'static str]),
    /// Only if one of these options is given, with a value other than `0` and `false`.
    Only(&'static [&'static str]),
}

/// A longer script is not read in the grammar of the shell. Real ones are far shorter.
const LONGEST: usize = 64 * 1024;

/// The words of a command that count; what comes later is no option of a check that somebody wrote.
const MOST_WORDS: usize = 200;

const ALWAYS: Teeth = Teeth::Unless(&[]);

/// A program, the words that must follow it, what it looks for, and when it fails.
type Pattern = (&'static str, &'static [&'static str], CheckKind, Teeth);

const PATTERNS: &[Pattern] = &[
    ("semgrep", &["ci"], CheckKind::Sast, Teeth::Unless(&["--dry-run"])),
    ("semgrep", &["scan"], CheckKind::Sast, Teeth::Only(&["--error"])),
    ("semgrep", &[], CheckKind::Sast, Teeth::Only(&["--error"])),
    ("bandit", &[], CheckKind::Sast, Teeth::Unless(&["--exit-zero"])),
    ("gosec", &[], CheckKind::Sast, Teeth::Unless(&["-no-fail", "--no-fail"])),
    ("brakeman", &[], CheckKind::Sast, Teeth::Unless(&["--no-exit-on-warn"])),
    ("sonar-scanner", &[], CheckKind::Sast, Teeth::Only(&["-Dsonar.qualitygate.wait"])),
    ("snyk", &["code", "test"], CheckKind::Sast, ALWAYS),
    ("snyk", &["container", "test"], CheckKind::Image, ALWAYS),
    ("snyk", &["iac", "test"], CheckKind::Iac, ALWAYS),
    ("snyk", &["test"], CheckKind::Dependencies, ALWAYS),
    ("npm", &["audit"], CheckKind::Dependencies, Teeth::Unless(&["--audit-level=none"])),
    ("yarn", &["audit"], CheckKind::Dependencies, ALWAYS),
    ("pnpm", &["audit"], CheckKind::Dependencies, ALWAYS),
    ("pip-audit", &[], CheckKind::Dependencies, ALWAYS),
    ("safety", &["check"], CheckKind::Dependencies, Teeth::Unless(&["--continue-on-error"])),
    ("cargo", &["audit"], CheckKind::Dependencies, ALWAYS),
    ("cargo", &["deny"], CheckKind::Dependencies, ALWAYS),
    ("bundle-audit", &[], CheckKind::Dependencies, ALWAYS),
    ("govulncheck", &[], CheckKind::Dependencies, ALWAYS),
    ("osv-scanner", &[], CheckKind::Dependencies, ALWAYS),
    ("dependency-check", &[], CheckKind::Dependencies, Teeth::Only(&["--failOnCVSS"])),
    ("dependency-check.sh", &[], CheckKind::Dependencies, Teeth::Only(&["--failOnCVSS"])),
    ("license-checker", &[], CheckKind::Licence, Teeth::Only(&["--failOn", "--onlyAllow"])),
    ("pip-licenses", &[], CheckKind::Licence, Teeth::Only(&["--fail-on", "--allow-only"])),
    ("go-licenses", &["check"], CheckKind::Licence, ALWAYS),
    ("licensee", &[], CheckKind::Licence, ALWAYS),
    ("checkov", &[], CheckKind::Iac, Teeth::Unless(&["--soft-fail", "-s"])),
    ("tfsec", &[], CheckKind::Iac, Teeth::Unless(&["--soft-fail", "-s"])),
    ("terrascan", &["scan"], CheckKind::Iac, ALWAYS),
    ("kics", &["scan"], CheckKind::Iac, Teeth::Unless(&["--ignore-on-exit"])),
    ("cfn_nag_scan", &[], CheckKind::Iac, ALWAYS),
    ("cfn_nag", &[], CheckKind::Iac, ALWAYS),
    ("cfn-guard", &["validate"], CheckKind::Iac, ALWAYS),
    ("trivy", &["config"], CheckKind::Iac, Teeth::Only(&["--exit-code"])),
    ("trivy", &["image"], CheckKind::Image, Teeth::Only(&["--exit-code"])),
    ("trivy", &["fs"], CheckKind::Dependencies, Teeth::Only(&["--exit-code"])),
    ("trivy", &["repo"], CheckKind::Dependencies, Teeth::Only(&["--exit-code"])),
    ("grype", &[], CheckKind::Image, Teeth::Only(&["--fail-on", "-f"])),
    ("docker", &["scout", "cves"], CheckKind::Image, Teeth::Only(&["--exit-code", "-e"])),
    ("gitleaks", &[], CheckKind::Secrets, Teeth::Unless(&["--exit-code=0"])),
    ("trufflehog", &[], CheckKind::Secrets, Teeth::Only(&["--fail"])),
    ("detect-secrets-hook", &[], CheckKind::Secrets, ALWAYS),
    ("pytest", &[], CheckKind::Unit, ALWAYS),
    ("jest", &[], CheckKind::Unit, ALWAYS),
    ("vitest", &[], CheckKind::Unit, ALWAYS),
    ("npm", &["test"], CheckKind::Unit, ALWAYS),
    ("npm", &["run", "test"], CheckKind::Unit, ALWAYS),
    ("yarn", &["test"], CheckKind::Unit, ALWAYS),
    ("go", &["test"], CheckKind::Unit, ALWAYS),
    ("cargo", &["test"], CheckKind::Unit, ALWAYS),
    ("mvn", &["test"], CheckKind::Unit, ALWAYS),
    ("mvn", &["verify"], CheckKind::Integration, ALWAYS),
    ("gradle", &["test"], CheckKind::Unit, ALWAYS),
    ("gradlew", &["test"], CheckKind::Unit, ALWAYS),
    ("dotnet", &["test"], CheckKind::Unit, ALWAYS),
    ("newman", &["run"], CheckKind::Integration, ALWAYS),
    ("cypress", &["run"], CheckKind::Integration, ALWAYS),
    ("playwright", &["test"], CheckKind::Integration, ALWAYS),
    ("pact-verifier", &[], CheckKind::Contract, ALWAYS),
    ("pact-provider-verifier", &[], CheckKind::Contract, ALWAYS),
    ("eslint", &[], CheckKind::Lint, ALWAYS),
    ("npm", &["run", "lint"], CheckKind::Lint, ALWAYS),
    ("flake8", &[], CheckKind::Lint, Teeth::Unless(&["--exit-zero"])),
    ("ruff", &["check"], CheckKind::Lint, Teeth::Unless(&["--exit-zero"])),
    ("pylint", &[], CheckKind::Lint, Teeth::Unless(&["--exit-zero"])),
    ("golangci-lint", &["run"], CheckKind::Lint, Teeth::Unless(&["--issues-exit-code=0"])),
    ("cargo", &["clippy"], CheckKind::Lint, ALWAYS),
    ("cfn-lint", &[], CheckKind::Lint, ALWAYS),
    ("tflint", &[], CheckKind::Lint, Teeth::Unless(&["--force"])),
    ("hadolint", &[], CheckKind::Lint, Teeth::Unless(&["--no-fail"])),
    ("shellcheck", &[], CheckKind::Lint, ALWAYS),
];

/// All checks that `text` runs, sorted, each with the doubt or the certainty of its worst use.
#[must_use]
pub fn check_commands(text: &str) -> Vec<CheckCommand> {
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let failures_go_on = joined.contains("set +e");
    let bare = |line: &str| line.replace([' ', '"', '\''], "");
    let phases_go_on = joined.lines().any(|line| bare(line).contains("on-failure:CONTINUE"));
    let list = command_list(&joined);
    let is_certain = list.is_exact && !failures_go_on && !phases_go_on;
    // One shell runs all commands: what `set` says in one of them holds for the others.
    let mut shell = Shell { pipes_fail: joined.contains("pipefail"), ..Shell::default() };
    let mut found = Vec::new();
    for command in &list.commands {
        if command.len() > LONGEST {
            found.extend(without_grammar(command));
            // It may have set what it liked.
            shell.is_obscure = true;
            continue;
        }
        for ((name, kind), stops) in failures(command, &mut shell, look) {
            found.push(CheckCommand { name, kind, stops: stops.filter(|stops| is_certain || !stops) });
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The checks in a script, line by line; whether they stop it is not known.
fn without_grammar(script: &str) -> impl Iterator<Item = CheckCommand> {
    let parts = script.lines().flat_map(|line| line.split([';', '&', '|', '(', ')', '{', '}', '`']));
    parts.filter_map(recognise).map(|(name, kind, _)| CheckCommand { name, kind, stops: None })
}

fn look(command: &str) -> Option<((String, CheckKind), bool)> {
    recognise(command).map(|(name, kind, fails)| ((name, kind), fails))
}

fn recognise(command: &str) -> Option<(String, CheckKind, bool)> {
    let beginning = command.split_whitespace().take(MOST_WORDS).collect::<Vec<_>>().join(" ");
    let words = words(&beginning);
    for (index, word) in words.iter().enumerate() {
        let program = word.rsplit('/').next().unwrap_or(word);
        let arguments = words.get(index + 1..).unwrap_or_default();
        let found = PATTERNS.iter().find(|(name, expected, ..)| *name == program && follows(arguments, expected));
        if let Some((name, expected, kind, teeth)) = found {
            let full = std::iter::once(*name).chain(expected.iter().copied()).collect::<Vec<_>>().join(" ");
            return Some((full, *kind, bites(*teeth, arguments)));
        }
        let interpreter = matches!(program, "python" | "python3") && arguments.first() == Some(&"-m");
        if !(stands_before_a_program(word) || interpreter || *word == "-m") {
            return None;
        }
    }
    None
}

fn bites(teeth: Teeth, arguments: &[&str]) -> bool {
    match teeth {
        Teeth::Unless(options) => !options.iter().any(|option| is_given(arguments, option).is_some()),
        Teeth::Only(options) => options
            .iter()
            .any(|option| is_given(arguments, option).is_some_and(|value| value != "0" && value != "false")),
    }
}

/// The value of an option, or an empty one; `None` where it is not given. `--exit-code=0` asks for that value too.
fn is_given<'a>(arguments: &[&'a str], option: &str) -> Option<&'a str> {
    let (name, wanted) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
    let mut rest = arguments.iter().peekable();
    while let Some(argument) = rest.next() {
        let (given, inline) = argument.split_once('=').map_or((*argument, None), |(name, value)| (name, Some(value)));
        if given == name {
            let next = || rest.peek().filter(|next| !next.starts_with('-')).copied().copied();
            let value = inline.or_else(next).unwrap_or_default();
            return wanted.is_none_or(|wanted| wanted == value).then_some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> (String, CheckKind, Option<bool>) {
        let found = check_commands(text);
        let [command] = found.as_slice() else { panic!("{text}: {found:?}") };
        (command.name.clone(), command.kind, command.stops)
    }

    #[test]
    fn every_pattern_is_found_under_its_own_name() {
        for (program, words, kind, _) in PATTERNS {
            let command = std::iter::once(program).chain(words.iter()).copied().collect::<Vec<_>>().join(" ");
            let (name, found, _) = one(&format!("      - {command} -x"));
            assert_eq!((name, found), (command, *kind));
        }
    }

    #[test]
    fn scanners_that_only_report_stop_nothing() {
        for (text, stops) in [
            ("trivy image web:1", false),
            ("trivy image --exit-code 1 --severity HIGH,CRITICAL web:1", true),
            ("trivy image --exit-code=0 web:1", false),
            ("semgrep scan --config auto", false),
            ("semgrep scan --error", true),
            ("semgrep ci", true),
            ("checkov -d .", true),
            ("checkov -d . --soft-fail", false),
            ("grype web:1 --fail-on high", true),
            ("grype web:1", false),
            ("gitleaks detect --exit-code 0", false),
            ("npm audit --audit-level high", true),
            ("npm audit --audit-level none", false),
            ("sonar-scanner -Dsonar.qualitygate.wait=true", true),
        ] {
            assert_eq!(one(text).2, Some(stops), "{text}");
        }
    }

    #[test]
    fn what_the_shell_does_with_a_failure() {
        for (text, stops) in [
            ("npm audit || true", Some(false)),
            ("npm audit || echo ignored", Some(false)),
            ("npm audit || exit 1", Some(true)),
            ("npm audit || exit 0", Some(false)),
            ("npm audit || FAILED=1", None),
            ("npm audit | tee report", Some(false)),
            ("set -o pipefail\nnpm audit | tee report", Some(true)),
            ("set +e\nnpm audit", None),
            ("build:\n  on-failure: CONTINUE\n  commands:\n    - npm audit", None),
            ("{\"build\": {\"on-failure\": \"CONTINUE\", \"commands\": [\"npm audit\"]}}", None),
            ("- npm audit --audit-level high; echo done", Some(false)),
            ("- npm audit;", Some(true)),
            ("- npm audit # always; really", Some(true)),
            ("- npm audit && echo ok", Some(true)),
            ("- npm ci && npm audit", Some(true)),
            ("- npm audit && echo ok; echo done", Some(false)),
            ("- set -e; npm audit && echo ok; echo done", Some(false)),
            ("- npm audit &", Some(false)),
            ("- npm audit & wait $!", None),
            ("- if ! gitleaks detect; then echo leaks; fi", None),
            ("- if gitleaks detect; then echo none; else exit 1; fi", None),
            ("- while ! npm audit; do sleep 1; done", None),
            ("- '! npm audit'", None),
            ("- if test -f x; then npm audit; fi", Some(true)),
            ("- if test -f x; then npm audit; else echo none; fi", Some(true)),
            ("- if test -f x; then npm audit; fi; echo done", Some(false)),
            ("- for d in a b; do checkov -d $d; done", None),
            ("- set -e; for d in a b; do checkov -d $d; done", Some(true)),
            ("- case $X in a) npm audit ;; *) echo none ;; esac", Some(true)),
            ("- npm audit; exit $?", None),
            ("- |\n  npm audit\n  rc=$?\n  echo done\n  exit $rc", None),
            ("- npm audit || { echo bad; exit 1; }", Some(true)),
            ("- npm audit || (echo bad && exit 1)", Some(true)),
            ("- npm audit || { echo bad; exit 1; }; echo done", Some(true)),
            ("- (npm audit); echo done", Some(false)),
            ("- bash -c 'npm audit; echo done'", Some(false)),
            ("- bash -ec 'npm audit; echo done'", Some(true)),
            ("- X=$(npm audit)", Some(true)),
            ("- echo \"$(npm audit)\"", Some(false)),
            ("- cat x | npm audit", Some(true)),
            ("- npm audit | tee log", Some(false)),
            ("- npm audit --json | jq -e '.x == 0'", None),
            ("- test -z \"$(gitleaks detect -q)\"", None),
            ("- |\n  R=$(npm audit --json)\n  if [ $(echo $R | jq .x) -gt 0 ]; then exit 1; fi\n", None),
            ("- |\n  trap 'exit 1' ERR\n  npm audit\n  echo done\n", None),
        ] {
            assert_eq!(one(text).2, stops, "{text}");
        }
    }

    #[test]
    fn commands_of_one_element_hide_the_failure_of_those_before() {
        let scan = "trivy image --exit-code 1 web";
        for (text, stops) in [
            (format!("- |\n  {scan}\n  echo scanned\n"), Some(false)),
            (format!("- |\n  {scan}\n"), Some(true)),
            (format!("- |\n  {scan}\n  # no more\n- echo scanned\n"), Some(true)),
            (format!("- >\n  {scan};\n  echo scanned\n"), Some(false)),
            (format!("- >\n  {scan}\n  --severity HIGH\n"), Some(true)),
            (format!("- {scan}\n- echo scanned\n"), Some(true)),
            (format!("{scan}\necho scanned"), Some(true)),
            (format!("- |\n  set -e\n  {scan}\n  echo scanned\n"), Some(true)),
            (format!("- |\n  set -euo pipefail\n  {scan}\n  echo scanned\n"), Some(true)),
            (format!("- |\n  set -o errexit\n  {scan}\n  echo scanned\n"), Some(true)),
            (format!("- set -e\n- |\n  {scan}\n  echo scanned\n"), Some(true)),
            (format!("- |\n  {scan}\n  set -e\n  echo scanned\n"), Some(false)),
            (format!("{{\"commands\": [\"{scan}\\necho scanned\"]}}"), Some(false)),
            (format!("- bad: [\n- {scan}\n"), None),
        ] {
            assert_eq!(one(&text).2, stops, "{text}");
        }
    }

    #[test]
    fn quotes_and_brackets_of_the_shell_hide_no_option() {
        assert_eq!(one("- trivy image ${IMAGE} --exit-code 1").2, Some(true));
        assert_eq!(one("- semgrep scan --config 'a; b' --error").2, Some(true));
        assert_eq!(one("- 'npm audit > \"a;b\"'").2, Some(true));
        assert!(check_commands("- |\n  cat <<END\n  npm audit\n  END\n").is_empty());
        let deep = format!("- {}npm audit", "( ".repeat(5000));
        assert_eq!(one(&deep), ("npm audit".to_owned(), CheckKind::Dependencies, None));
    }

    #[test]
    fn of_a_very_long_script_only_the_checks_are_known() {
        let script = |lines: usize| format!("- |\n{}  cd x && npm audit\n", "  echo 0123456789\n".repeat(lines));
        assert_eq!(one(&script(100)).2, Some(true));
        assert_eq!(one(&script(12_000)).2, None);
        for part in ["[[ a a a ", "${${${", "npm -x "] {
            assert!(check_commands(&part.repeat(200_000 / part.len())).is_empty(), "{part}");
            assert!(check_commands(&part.repeat(60_000 / part.len())).is_empty(), "{part}");
        }
    }

    #[test]
    fn wrappers_lists_and_paths_do_not_hide_a_check() {
        assert_eq!(one("sudo ./bin/trivy fs --exit-code 1 .").0, "trivy fs");
        assert_eq!(one("python -m pytest -q").0, "pytest");
        assert_eq!(one("npx eslint .").0, "eslint");
        assert_eq!(one("commands: [\"npm ci\", \"npm audit\"]").0, "npm audit");
        assert_eq!(one("cd app && poetry run bandit -r src").0, "bandit");
        for text in ["echo trivy image web", "# npm audit", "make", "npm ci", "trivy --version"] {
            assert!(check_commands(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn kinds_are_read_back() {
        for kind in CheckKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!("License".parse(), Ok(CheckKind::Licence));
        assert!("dance".parse::<CheckKind>().unwrap_err().contains("known are unit"));
    }
}
