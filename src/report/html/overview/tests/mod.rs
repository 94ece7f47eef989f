//! The overview on runs of every kind.

mod fixture;

use self::fixture::Fixture;
use crate::finding::{Change, ComplianceType, Severity};

/// What a person reads, without markup.
fn words(html: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for character in html.chars() {
        match character {
            '<' => inside = true,
            '>' => {
                inside = false;
                out.push(' ');
            }
            other if !inside => out.push(other),
            _ => {}
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One panel of the page.
fn panel<'a>(page: &'a str, id: &str) -> &'a str {
    let start = page.find(&format!("id=\"overview-{id}\"")).unwrap_or_else(|| panic!("no panel {id}"));
    page.get(start..).and_then(|rest| rest.split("</section>").next()).expect("panels end")
}

/// Elements open and close in order; void elements stand alone. A browser mends what is wrong, and shows something else.
fn check_markup(page: &str) {
    let mut open: Vec<String> = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, behind) = after.split_once('>').expect("tags end");
        rest = behind;
        let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        if tag.starts_with('/') {
            assert_eq!(
                open.pop().as_deref(),
                Some(name.as_str()),
                "</{name}> before {}",
                behind.chars().take(80).collect::<String>()
            );
        } else if !tag.ends_with('/') && name != "br" {
            open.push(name);
        }
        for (attribute, why) in
            [(" style=", "the policy forbids style attributes"), (" on", "the policy forbids handlers")]
        {
            let outside_of_values: String = tag.split('"').step_by(2).collect();
            assert!(!outside_of_values.contains(attribute), "{why}: <{tag}>");
        }
    }
    assert!(open.is_empty(), "{open:?} never end");
}

/// Ids are unique, every label names one, and every link within the page leads somewhere.
fn check_references(page: &str) {
    let values = |attribute: &str| -> Vec<String> {
        let begin = format!(" {attribute}=\"");
        page.split(begin.as_str()).skip(1).map(|after| after.split('"').next().unwrap().to_owned()).collect()
    };
    let ids = values("id");
    let unique: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len(), "{ids:?}");
    for named in values("aria-labelledby").iter().flat_map(|names| names.split(' ')) {
        assert!(ids.iter().any(|id| id == named), "nothing has the id {named}");
    }
    for link in values("href") {
        let leads = link.starts_with("#findings?")
            || link == "dora/dora.html"
            || link.strip_prefix('#').is_some_and(|id| ids.iter().any(|other| other == id));
        assert!(leads, "{link} leads nowhere");
    }
}

fn checked(fixture: &Fixture) -> String {
    let page = fixture.page();
    check_markup(&page);
    check_references(&page);
    assert_eq!(page, fixture.page(), "the same report gives the same bytes");
    page
}

#[test]
fn an_empty_run_is_no_good_news() {
    let page = checked(&Fixture::default());
    let shown = words(&page);
    assert!(shown.contains("NOTHING WAS JUDGED"), "{shown}");
    assert!(!page.contains("class=\"verdict good\""), "{shown}");
    assert!(shown.contains("No call was made in this run"), "{shown}");
    for id in [
        "severity",
        "new",
        "fixes",
        "coverage",
        "heat",
        "trend",
        "owners",
        "exceptions",
        "remediation",
        "frameworks",
        "delivery",
    ] {
        panel(&page, id);
    }
}

#[test]
fn the_first_run_calls_nothing_new() {
    let page = checked(&Fixture::first_run());
    let shown = words(&page);
    assert!(shown.contains("There is no run before this one to compare with"), "{shown}");
    assert!(words(panel(&page, "new")).contains("Violations, worst first"), "{shown}");
    assert!(!words(panel(&page, "severity")).contains("resolved"), "{shown}");
    assert!(words(panel(&page, "remediation")).contains("Not known"), "{shown}");
    assert!(words(panel(&page, "trend")).contains("at least two runs"), "{shown}");
}

#[test]
fn what_changed_stands_by_severity_and_leads_to_the_findings() {
    let page = checked(&Fixture::typical());
    let severity = panel(&page, "severity");
    let shown = words(severity);
    assert!(shown.contains("Critical 3"), "{shown}");
    assert!(shown.contains("▲ 2 new or worse"), "{shown}");
    assert!(shown.contains("▼ 1 resolved or better"), "{shown}");
    assert!(shown.contains("? 1 not seen this time"), "{shown}");
    assert!(
        severity.contains("href=\"#findings?change=New&amp;result=NonCompliant&amp;severity=CRITICAL\""),
        "{severity}"
    );
    assert!(
        severity.contains("href=\"#findings?result=NonCompliant&amp;excepted=no&amp;severity=CRITICAL\""),
        "{severity}"
    );
    let verdict = words(panel(&page, "verdict"));
    assert!(verdict.contains("NOT COMPLIANT"), "{verdict}");
    assert!(
        verdict.contains(
            "Since the run of 2026-11-20 02:00 UTC: 2 new, 1 worsened, 1 improved, 2 resolved, 1 not seen this time."
        ),
        "{verdict}"
    );
}

#[test]
fn new_and_worst_lists_only_what_is_new_or_worse() {
    let page = checked(&Fixture::typical());
    let new = words(panel(&page, "new"));
    assert!(new.contains("checkout") && new.contains("payments-artifacts"), "{new}");
    assert!(!new.contains("long-known"), "{new}");
    assert!(new.find("checkout") < new.find("payments-artifacts"), "critical comes before high: {new}");
}

#[test]
fn a_violation_that_is_not_seen_is_never_resolved() {
    let page = checked(&Fixture::typical());
    let table = words(panel(&page, "severity"));
    // new, worsened, improved, unchanged, resolved, not seen
    assert!(table.contains("Critical 1 1 0 1 1 1"), "{table}");
}

#[test]
fn another_set_of_policies_is_said() {
    let mut fixture = Fixture::typical();
    fixture.over_time.comparison.as_mut().unwrap().previous.policy_hash = "other".to_owned();
    assert!(words(&checked(&fixture)).contains("The policies are others than those of that run"));
}

#[test]
fn a_run_with_everything_dark_says_so_first() {
    let page = checked(&Fixture::dark());
    let verdict = words(panel(&page, "verdict"));
    assert!(
        verdict.contains("NOT KNOWN") && verdict.contains("3 of 3 accounts are dark: nothing of them is known"),
        "{verdict}"
    );
    let coverage = words(panel(&page, "coverage"));
    assert!(coverage.contains("3 accounts dark"), "{coverage}");
    assert!(coverage.contains("deploy the audit role to these accounts"), "{coverage}");
    let heat = panel(&page, "heat");
    assert!(heat.contains("hatched") && !heat.contains(">0<"), "unknown is no zero: {heat}");
    assert!(!page.contains("class=\"verdict good\""));
}

#[test]
fn green_is_only_for_what_was_seen_as_a_whole() {
    let mut fixture = Fixture::good();
    let page = checked(&fixture);
    assert!(page.contains("class=\"verdict good\"") && words(&page).contains("COMPLIANT"), "{}", words(&page));
    fixture.refuse("111111111111", "eu-west-1", "codepipeline", "codepipeline:ListWebhooks");
    let page = checked(&fixture);
    let verdict = words(panel(&page, "verdict"));
    assert!(page.contains("class=\"verdict unsure\"") && verdict.contains("COMPLIANT WHERE SEEN"), "{verdict}");
    assert!(verdict.contains("1 of 2 accounts could be seen only in part"), "{verdict}");
}

#[test]
fn an_account_without_an_answer_is_dark_even_if_nobody_noted_a_gap() {
    let mut fixture = Fixture::good();
    fixture.account("333333333333", "silent", "/Workloads");
    let verdict = words(panel(&checked(&fixture), "verdict"));
    assert!(verdict.contains("COMPLIANT WHERE SEEN") && verdict.contains("1 of 3 accounts is dark"), "{verdict}");
}

#[test]
fn accounts_left_out_on_purpose_are_not_dark() {
    let mut fixture = Fixture::good();
    fixture.account("333333333333", "closed", "/Suspended");
    fixture.skip("333333333333", "account is SUSPENDED");
    let coverage = words(panel(&checked(&fixture), "coverage"));
    assert!(
        coverage.contains("1 left out on purpose") && coverage.contains("0 dark: nothing could be seen"),
        "{coverage}"
    );
    assert!(coverage.contains("account is SUSPENDED: 333333333333 closed"), "{coverage}");
}

#[test]
fn fixes_are_ranked_by_the_risk_that_they_remove() {
    let page = checked(&Fixture::typical());
    let fixes = words(panel(&page, "fixes"));
    // three critical at 27, two high at 9, one low at 1
    assert!(fixes.contains("81"), "{fixes}");
    assert!(fixes.find("A manual approval") < fixes.find("Artifact buckets"), "{fixes}");
    assert!(fixes.contains("before: the unapproved production actions"), "{fixes}");
    assert!(fixes.contains("Risk is a sum of weights"), "{fixes}");
}

#[test]
fn owners_include_nobody() {
    let page = checked(&Fixture::typical());
    let owners = panel(&page, "owners");
    assert!(words(owners).contains("team-payments 2 1 0 0 2 63"), "{}", words(owners));
    assert!(words(owners).contains("no owner known"), "{}", words(owners));
    assert!(owners.contains("owner=team-payments"), "{owners}");
}

#[test]
fn exceptions_that_end_soon_are_counted_from_the_run_and_not_from_a_clock() {
    let mut fixture = Fixture::typical();
    let exceptions = words(panel(&checked(&fixture), "exceptions"));
    assert!(exceptions.contains("2026-12-01 10 web-preview-stays-v1"), "{exceptions}");
    fixture.run.started_at = "2026-10-01T02:00:00Z".to_owned();
    let exceptions = words(panel(&checked(&fixture), "exceptions"));
    assert!(
        exceptions
            .contains("None ends within 30 days. The next of 1 exception that cover a violation ends on 2026-12-01"),
        "{exceptions}"
    );
}

#[test]
fn time_to_remediate_is_a_mean_of_what_was_resolved() {
    let remediation = words(panel(&checked(&Fixture::typical()), "remediation"));
    // Six runs before this one resolved one each after a day, and this one another after three.
    assert!(remediation.contains("resolved in 13 runs since 2026-11-09 02:00 UTC"), "{remediation}");
    assert!(remediation.contains("Critical 7 30.9 hours 3"), "{remediation}");
    assert!(remediation.contains("Medium 0 – 0 –"), "nothing resolved has no mean: {remediation}");
    assert!(remediation.contains("2026-10-22 02:00 UTC 30 days"), "{remediation}");
}

#[test]
fn time_to_remediate_of_a_second_run_speaks_of_it_alone() {
    let mut fixture = Fixture::typical();
    fixture.over_time.trend.clear();
    let remediation = words(panel(&checked(&fixture), "remediation"));
    assert!(remediation.contains("resolved since 2026-11-20 02:00 UTC"), "{remediation}");
    assert!(remediation.contains("Critical 1 3.0 days 3"), "{remediation}");
}

#[test]
fn what_is_out_of_sight_is_no_compliance_and_has_its_reasons() {
    let mut fixture = Fixture::good();
    fixture.hide("control `switched-off` was not asked in this run", false);
    let page = checked(&fixture);
    let verdict = words(panel(&page, "verdict"));
    assert!(page.contains("class=\"verdict unsure\"") && verdict.contains("NOT KNOWN"), "{verdict}");
    assert!(verdict.contains("1 violation of earlier runs could not be looked at again"), "{verdict}");
    let coverage = words(panel(&page, "coverage"));
    assert!(coverage.contains("was not asked in this run ask the control again"), "{coverage}");
    assert!(!coverage.contains("every call that mattered was answered"), "{coverage}");
    // Told once, it is outside of the question.
    let mut fixture = Fixture::good();
    fixture.hide("control `switched-off` was not asked in this run", true);
    let page = checked(&fixture);
    let verdict = words(panel(&page, "verdict"));
    assert!(page.contains("class=\"verdict good\"") && verdict.contains("nobody asks for any more"), "{verdict}");
    let coverage = words(panel(&page, "coverage"));
    assert!(
        coverage.contains("1 violation of earlier runs") && coverage.contains("as an earlier run told"),
        "{coverage}"
    );
}

#[test]
fn the_trend_marks_other_policies_and_has_a_table() {
    let page = checked(&Fixture::typical());
    let trend = panel(&page, "trend");
    assert_eq!(trend.matches("class=\"policies\"").count(), 1, "{trend}");
    assert!(words(trend).contains("changed"), "{trend}");
    assert_eq!(trend.matches("<tr>").count(), 1 + 14, "{trend}");
    assert!(trend.contains("fill-unknown"), "{trend}");
}

#[test]
fn frameworks_never_say_that_they_are_met() {
    let page = checked(&Fixture::typical());
    let frameworks = words(panel(&page, "frameworks"));
    assert!(frameworks.contains("OWASP Top 10 CI/CD Security Risks 2022"), "{frameworks}");
    assert!(frameworks.contains("not that a requirement is met as a whole"), "{frameworks}");
}

#[test]
fn delivery_is_linked_only_where_the_run_has_it() {
    let mut fixture = Fixture::typical();
    assert!(!checked(&fixture).contains("dora/dora.html"));
    fixture.over_time.delivery = Some(crate::report::DeliveryInBrief {
        frame: "90 days until 2026-11-21 02:00 UTC".to_owned(),
        services: "12 services (9 complete, 3 not collected)".to_owned(),
        metrics: vec![crate::report::MetricInBrief {
            title: "Change fail rate".to_owned(),
            quartiles: ["1 %", "5 %", "12 %"].map(str::to_owned),
            with: 9,
            without: 3,
        }],
    });
    let page = checked(&fixture);
    let delivery = panel(&page, "delivery");
    assert!(delivery.contains("href=\"dora/dora.html\""), "{delivery}");
    assert!(words(delivery).contains("Change fail rate 1 % 5 % 12 % 9 3"), "{delivery}");
}

#[test]
fn hostile_names_are_text_in_every_field() {
    for hostile in [
        "<img src=x onerror=\"window.__pwned=1\">",
        "</script><script>window.__pwned=1</script>",
        "\"><svg onload=window.__pwned=1>",
        "javascript:window.__pwned=1",
        "' onmouseover='window.__pwned=1",
        "</section></main>{{7*7}}",
        "\u{202e}gpj.exe\u{0}\u{1b}[2J",
    ] {
        let page = checked(&Fixture::hostile(hostile));
        for live in
            ["<img", "<script", "<svg onload", "href=\"javascript", "' onmouseover='", "</main>", "\u{202e}", "\u{1b}"]
        {
            assert!(!page.contains(live), "{live} of {hostile}");
        }
        assert!(page.contains("window.__pwned") || !hostile.contains("__pwned"), "{hostile} is shown as text");
    }
}

#[test]
fn five_thousand_accounts_fit_on_a_page() {
    let fixture = Fixture::huge(5_000);
    let page = checked(&fixture);
    assert!(page.len() < 300_000, "{} bytes", page.len());
    assert!(words(panel(&page, "heat")).contains("more units together"), "units are bounded");
    assert!(words(panel(&page, "owners")).contains("other owners"), "owners are bounded");
    let coverage = words(panel(&page, "coverage"));
    assert!(coverage.contains("more accounts in coverage.csv"), "{coverage}");
    let all: u64 = fixture.findings.iter().filter(|one| one.compliance == ComplianceType::NonCompliant).count() as u64;
    let verdict = words(panel(&page, "verdict"));
    assert!(verdict.contains(&crate::report::text::grouped(all)), "{verdict}");
}

#[test]
fn an_error_of_the_findings_is_an_error_of_the_page() {
    struct Broken;
    impl crate::report::FindingSource for Broken {
        fn findings(&self) -> std::io::Result<crate::report::FindingPass<'_>> {
            Ok(Box::new(std::iter::once(Err(std::io::Error::other("torn")))))
        }
    }
    let fixture = Fixture::typical();
    let mut report = fixture.report();
    report.findings = &Broken;
    let error = super::write(&report, &mut Vec::new(), &mut |_| ()).expect_err("a torn spool is no report");
    assert_eq!(error.to_string(), "torn");
}

#[test]
fn every_colour_of_the_theme_can_be_read() {
    let sheet = include_str!("../../../../../reports/html/theme.css");
    let themes: Vec<std::collections::BTreeMap<&str, &str>> = sheet
        .split('{')
        .filter(|block| block.contains("--bg:"))
        .map(|block| {
            let block = block.split('}').next().unwrap();
            block
                .lines()
                .filter_map(|line| line.trim().strip_prefix("--")?.trim_end_matches(';').split_once(": "))
                .collect()
        })
        .collect();
    assert_eq!(themes.len(), 4, "light, dark by the system, dark by choice, print");
    assert_eq!(themes[1], themes[2], "dark is dark, whoever asked for it");
    for theme in &themes {
        for ground in ["bg", "card"] {
            for ink in ["fg", "muted", "accent", "critical", "high", "medium", "low", "unknown", "good"] {
                let contrast = contrast(theme[ink], theme[ground]);
                assert!(contrast >= 4.5, "{ink} on {ground}: {contrast:.2}");
            }
        }
        for ground in ["heat-1", "heat-2", "heat-3", "heat-4", "heat-5", "hatch"] {
            assert!(contrast(theme["fg"], theme[ground]) >= 4.5, "{ground}");
        }
    }
}

/// The contrast ratio of WCAG 2.2 (<https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio>).
fn contrast(one: &str, other: &str) -> f64 {
    let luminance = |colour: &str| {
        let channel = |place: usize| {
            let value = f64::from(u8::from_str_radix(colour.get(place..place + 2).unwrap(), 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn the_changes_of_the_table_are_those_of_the_comparison() {
    let fixture = Fixture::typical();
    let report = fixture.report();
    let tally = super::Tally::of(&report, &mut |_| ()).unwrap();
    let comparison = report.over_time.comparison.as_ref().unwrap();
    for change in Change::ALL {
        let counted: u64 = tally.severities.values().map(|one| one.changes.get(&change).copied().unwrap_or(0)).sum();
        assert_eq!(counted, comparison.violations.get(&change).copied().unwrap_or(0), "{change}");
    }
    for severity in Severity::ALL {
        let open = report.counts.violations.get(&severity).copied().unwrap_or(0);
        assert_eq!(tally.severities[&severity].open, open, "{severity}");
    }
}
