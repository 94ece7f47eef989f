//! Names that say what an action checks.
//!
//! In: names of actions, stages, projects and functions. Out: the kinds of checks that they say they are. Names are
//! compared word by word: `DeploySecurityGroup` is no scan.

use std::collections::{BTreeMap, BTreeSet};

use super::production::is_one_of;
use super::words::words;
use crate::inventory::CheckKind;

/// Words in a row that name a kind of check.
const NAMES: &[(CheckKind, &[&[&str]])] = &[
    (CheckKind::Unit, &[&["unit"], &["units"]]),
    (
        CheckKind::Integration,
        &[&["integration"], &["functional"], &["acceptance"], &["e", "2", "e"], &["end", "to", "end"]],
    ),
    (CheckKind::Contract, &[&["contract"], &["contracts"], &["pact"]]),
    (CheckKind::Lint, &[&["lint"], &["linter"], &["linting"], &["eslint"], &["tflint"], &["code", "style"]]),
    (
        CheckKind::Sast,
        &[
            &["sast"],
            &["semgrep"],
            &["sonar"],
            &["sonarqube"],
            &["codeql"],
            &["bandit"],
            &["gosec"],
            &["checkmarx"],
            &["fortify"],
            &["veracode"],
            &["static", "analysis"],
            &["code", "scan"],
        ],
    ),
    (
        CheckKind::Dependencies,
        &[
            &["sca"],
            &["snyk"],
            &["blackduck"],
            &["dependency", "check"],
            &["dependency", "scan"],
            &["dependency", "audit"],
            &["dependencies", "scan"],
            &["dependencies", "audit"],
        ],
    ),
    (CheckKind::Licence, &[&["licence"], &["licences"], &["license"], &["licenses"], &["fossa"], &["scancode"]]),
    (
        CheckKind::Iac,
        &[
            &["checkov"],
            &["tfsec"],
            &["terrascan"],
            &["kics"],
            &["cfn", "nag"],
            &["cdk", "nag"],
            &["cfn", "guard"],
            &["iac", "scan"],
            &["iac", "check"],
            &["iac", "security"],
            &["scan", "iac"],
        ],
    ),
    (
        CheckKind::Image,
        &[
            &["trivy"],
            &["grype"],
            &["clair"],
            &["image", "scan"],
            &["images", "scan"],
            &["container", "scan"],
            &["ecr", "scan"],
            &["scan", "image"],
            &["scan", "container"],
        ],
    ),
    (
        CheckKind::Secrets,
        &[&["gitleaks"], &["trufflehog"], &["secret", "scan"], &["secrets", "scan"], &["secret", "detection"]],
    ),
];

const SCANS: &[&str] = &["scan", "scans", "scanning", "scanner", "vulnerability", "vulnerabilities"];
const LOOKS: &[&str] = &["test", "tests", "testing", "check", "checks", "gate", "audit", "analysis", "review"];

/// Words that say that something is tried out.
const TESTS: &[&str] =
    &["test", "tests", "testing", "smoke", "verify", "verification", "acceptance", "integration", "contract", "e2e"];

/// What a name says that is checked; `markers` are the words of the organization's own.
pub(super) fn kinds(name: &str, markers: &BTreeMap<CheckKind, Vec<String>>) -> BTreeSet<CheckKind> {
    let said = words(name);
    let known = NAMES.iter().filter(|(_, names)| names.iter().any(|name| holds(&said, name))).map(|(kind, _)| *kind);
    let own = markers.iter().filter(|(_, names)| names.iter().any(|name| holds(&said, &words(name))));
    let mut found: BTreeSet<CheckKind> = known.chain(own.map(|(kind, _)| *kind)).collect();
    if !found.iter().any(|kind| kind.is_security()) && says_scan(&said) {
        found.insert(CheckKind::Security);
    }
    found
}

/// Whether a name says that something is tested, of whatever kind.
pub(super) fn says_test(name: &str) -> bool {
    let said = words(name);
    said.iter().any(|word| is_one_of(word, TESTS)) || holds(&said, &["e", "2", "e"])
}

fn says_scan(said: &[&str]) -> bool {
    let has = |list: &[&str]| said.iter().any(|word| is_one_of(word, list));
    let security = has(&["security"]);
    has(SCANS) || security && (has(LOOKS) || said.iter().all(|word| word.eq_ignore_ascii_case("security")))
}

fn holds(said: &[&str], name: &[&str]) -> bool {
    let same = |part: &[&str]| part.iter().zip(name).all(|(a, b)| a.eq_ignore_ascii_case(b));
    !name.is_empty() && said.windows(name.len()).any(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_kinds_word_by_word() {
        for (name, expected) in [
            ("UnitTest", vec![CheckKind::Unit]),
            ("integration-tests", vec![CheckKind::Integration]),
            ("RunE2ETests", vec![CheckKind::Integration]),
            ("Semgrep", vec![CheckKind::Sast]),
            ("SecurityScan", vec![CheckKind::Security]),
            ("security", vec![CheckKind::Security]),
            ("SecurityTests", vec![CheckKind::Security]),
            ("web-image-scan", vec![CheckKind::Image]),
            ("LicenseCheck", vec![CheckKind::Licence]),
            ("Lint", vec![CheckKind::Lint]),
            ("DeploySecurityGroup", vec![]),
            ("community", vec![]),
            ("Build", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(kinds(name, &BTreeMap::new()).into_iter().collect::<Vec<_>>(), expected, "{name}");
        }
    }

    #[test]
    fn the_organization_has_words_of_its_own() {
        let markers = BTreeMap::from([(CheckKind::Sast, vec!["acme-guardian".to_owned(), String::new()])]);
        assert_eq!(kinds("RunAcmeGuardian", &markers), BTreeSet::from([CheckKind::Sast]));
        assert!(kinds("Guardian", &markers).is_empty());
    }

    #[test]
    fn tests_of_no_particular_kind() {
        assert!(says_test("SmokeTests") && says_test("verify-deployment") && says_test("E2E"));
        assert!(!says_test("Build") && !says_test("contest"));
    }
}
