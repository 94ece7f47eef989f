//! Names of branches with wildcards, as GitLab and Bitbucket write them in their rules.
//!
//! In: a pattern and a branch. Out: whether it is meant. The two differ in what one star stands for.

/// Whether `pattern` means `name`. `across`: one star stands for slashes too (GitLab); otherwise only two do.
pub(super) fn matches(pattern: &str, name: &str, across: bool) -> bool {
    fn rest(pattern: &[char], name: &[char], across: bool) -> bool {
        match pattern {
            [] => name.is_empty(),
            ['*', '*', tail @ ..] => (0..=name.len()).any(|at| rest(tail, name.get(at..).unwrap_or_default(), across)),
            ['*', tail @ ..] => {
                let reach = if across { name.len() } else { name.iter().take_while(|c| **c != '/').count() };
                (0..=reach).any(|at| rest(tail, name.get(at..).unwrap_or_default(), across))
            }
            [letter, tail @ ..] => {
                name.split_first().is_some_and(|(first, others)| first == letter && rest(tail, others, across))
            }
        }
    }
    // A pattern with very many stars would take very long; nobody writes one.
    if pattern.matches('*').count() > 8 {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    rest(&pattern, &name, across)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_what_the_provider_says() {
        for (pattern, name, gitlab, bitbucket) in [
            ("main", "main", true, true),
            ("main", "maintenance", false, false),
            ("m*", "main", true, true),
            ("*", "main", true, true),
            ("*", "release/1", true, false),
            ("**", "release/1", true, true),
            ("release/*", "release/1", true, true),
            ("release/*", "release/1/fix", true, false),
            ("*-stable", "1-stable", true, true),
            ("*********", "main", false, false),
        ] {
            assert_eq!(matches(pattern, name, true), gitlab, "{pattern} {name}");
            assert_eq!(matches(pattern, name, false), bitbucket, "{pattern} {name}");
        }
    }
}
