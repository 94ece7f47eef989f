//! What the configuration says about how the organization releases.
//!
//! In: nothing. Out: [`PracticeRules`]: branches and the environments they may reach, checks that are asked for, tiers,
//! templates, and services that go one after the other. Whatever is empty was not said, and is not judged.

use std::collections::{BTreeMap, BTreeSet};

use crate::inventory::CheckKind;

/// How the organization releases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PracticeRules {
    /// Words in names that mark a check, beside those that are known, by kind.
    pub markers: BTreeMap<CheckKind, Vec<String>>,
    /// Checks that come before every production deployment.
    pub before_production: BTreeSet<CheckKind>,
    /// Key of the tag that says a pipeline's tier.
    pub tier_tag: String,
    /// The tier of pipelines without that tag.
    pub default_tier: Option<String>,
    /// Checks that a pipeline of a tier has.
    pub tiers: BTreeMap<String, BTreeSet<CheckKind>>,
    /// Branches that may reach an environment, as patterns in which `*` stands for anything.
    pub branches: BTreeMap<String, Vec<String>>,
    /// Tags that say that a pipeline comes from an approved template.
    pub template_tags: BTreeMap<String, BTreeSet<String>>,
    /// Names of stacks of approved templates, as patterns in which `*` stands for anything.
    pub template_stacks: Vec<String>,
    /// Names of pipelines, and of those that deploy before them.
    pub services: BTreeMap<String, BTreeSet<String>>,
}

impl PracticeRules {
    /// Services that wait for each other, in the order in which they do; `None` where every order can be kept.
    #[must_use]
    pub fn service_cycle(&self) -> Option<Vec<String>> {
        let mut done = BTreeSet::new();
        self.services.keys().find_map(|service| self.cycle_from(service, &mut Vec::new(), &mut done))
    }

    fn cycle_from<'a>(
        &'a self,
        service: &'a str,
        path: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|before| *before == service) {
            let circle = path.iter().skip(start).copied().chain([service]);
            return Some(circle.map(str::to_owned).collect());
        }
        if !done.insert(service) {
            return None;
        }
        path.push(service);
        let upstream = self.services.get(service).into_iter().flatten();
        let found = upstream.into_iter().find_map(|next| self.cycle_from(next, path, done));
        path.pop();
        found
    }
}

/// Whether a text fits a pattern in which `*` stands for anything, also for nothing.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "a/b"),
            ("main", "main"),
            ("release/*", "release/1.2"),
            ("a*b*c", "axxbyyc"),
            ("*-x", "-x"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("main", "maintenance"), ("release/*", "release"), ("a*b", "ab-"), ("aba*aba", "aba"), ("", "x")]
        {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn services_that_wait_for_each_other_are_named() {
        let rules = |pairs: &[(&str, &[&str])]| {
            let services = pairs.iter().map(|(service, before)| {
                ((*service).to_owned(), before.iter().map(|name| (*name).to_owned()).collect())
            });
            PracticeRules { services: services.collect(), ..PracticeRules::default() }.service_cycle()
        };
        assert_eq!(rules(&[("web", &["orders", "identity"]), ("orders", &["identity"])]), None);
        assert_eq!(rules(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])]).unwrap(), ["b", "c", "b"]);
        assert_eq!(rules(&[("a", &["a"])]).unwrap(), ["a", "a"]);
    }
}
