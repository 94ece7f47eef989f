//! `JUnit` against the schema that Jenkins validates against; its counts against its cases.

use super::fixture::{Fixture, hostile, mixed};
use super::{format, python, written};

/// Validates, and says how many of each there are: by attribute of the root, by attributes of the suites, by elements.
const CHECK: &str = r#"
import sys, xml.etree.ElementTree as tree
import xmlschema
xmlschema.XMLSchema10("tests/fixtures/third-party/junit-10.xsd").validate(sys.argv[1])
root = tree.parse(sys.argv[1]).getroot()
cases = root.findall("testsuite/testcase")
kinds = {"tests": None, "failures": "failure", "errors": "error", "skipped": "skipped"}
for attribute, kind in kinds.items():
    elements = len(cases) if kind is None else len([case for case in cases if case.find(kind) is not None])
    suites = sum(int(suite.get(attribute)) for suite in root.findall("testsuite"))
    total = int(root.get(attribute, suites))
    if not elements == suites == total:
        sys.exit(f"{attribute}: {elements} elements, {suites} in suites, {total} in all")
    for suite in root.findall("testsuite"):
        of = suite.findall("testcase" if kind is None else f"testcase/{kind}")
        if len(of) != int(suite.get(attribute)):
            sys.exit(f"{attribute} of {suite.get('name')}: {len(of)}")
    print(attribute, elements)
"#;

fn counted(fixture: &Fixture) -> String {
    let text = written(format("junit"), &fixture.report());
    python(CHECK, &text).unwrap_or_else(|problem| panic!("{problem}\n{text}"))
}

#[test]
fn results_follow_the_schema_and_are_counted_right() {
    assert_eq!(counted(&mixed()), "tests 15\nfailures 5\nerrors 4\nskipped 4\n");
    assert_eq!(counted(&hostile()), "tests 7\nfailures 5\nerrors 1\nskipped 1\n");
}

#[test]
fn the_schema_refuses_what_are_no_results() {
    let good = written(format("junit"), &mixed().report());
    for (from, to) in [("failure", "broken"), (" tests=", " test="), (" classname=", " class=")] {
        let problem = python(CHECK, &good.replace(from, to)).unwrap_err();
        assert!(
            problem.contains("XMLSchemaChildrenValidationError") || problem.contains("XMLSchemaValidationError"),
            "{problem}"
        );
    }
}

#[test]
fn an_empty_run_is_an_error_and_no_pass() {
    assert_eq!(counted(&Fixture::empty()), "tests 1\nfailures 0\nerrors 1\nskipped 0\n");
}

#[test]
fn each_standing_has_its_element() {
    let text = written(format("junit"), &mixed().report());
    let case = |name: &str| {
        let start = text.find(&format!(".{name}\"")).unwrap_or_else(|| panic!("no case of {name}\n{text}"));
        let end = text[start..].find("<testcase").map_or(text.len(), |end| start + end);
        text[start..end].to_owned()
    };
    assert!(case("new").contains("<failure message=\"CRITICAL: A manual approval precedes"));
    assert!(case("new").contains("Put an approval before Deploy/Prod, Deploy/Migrate"));
    assert!(case("new").contains("owner: team-payments (tag owner of the resource)"));
    assert!(case("known").contains("Unchanged, since 2026-11-14T02:00:00Z"));
    assert!(case("never-seen").contains("<error message=\"could not be seen: access denied to s3:GetBucketPolicy\""));
    assert!(case("hidden").contains("<error message=\"could not be seen, violated when it was last seen: the account"));
    assert!(case("excepted").contains("<skipped message=\"excepted until 2027-01-31"));
    assert!(case("staging").contains("<skipped message=\"not applicable\""));
    assert!(!case("good").contains("message="));
}

#[test]
fn hostile_names_stay_text() {
    let text = written(format("junit"), &hostile().report());
    assert!(!text.contains("<script") && !text.contains("<x/>") && !text.contains("<b>"));
    assert!(
        text.chars()
            .all(|one| one == '\n' || (!one.is_control() && !['\u{202e}', '\u{fffe}', '\u{ffff}'].contains(&one)))
    );
}
