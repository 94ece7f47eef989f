//! Patterns of webhook filters: whether one can only match a whole value.
//!
//! In: a regular expression. Out: yes or no. CodeBuild searches for a pattern anywhere in the value, so `12345` also
//! lets account `9123456` in. Anything that is not surely anchored counts as not anchored.

/// Whether every way in which the pattern can match begins and ends with the value.
pub(super) fn is_anchored(pattern: &str) -> bool {
    let alternatives = alternatives(pattern);
    !alternatives.is_empty() && alternatives.into_iter().all(is_whole)
}

/// Whether the pattern repeats anything; an identity that may repeat is no identity.
pub(super) fn repeats(pattern: &str) -> bool {
    let mut escaped = false;
    pattern.char_indices().any(|(index, character)| {
        let counted =
            || pattern.get(index + 1..).and_then(|rest| rest.split_once('}')).is_some_and(|(count, _)| is_count(count));
        let repeats = !escaped && (matches!(character, '*' | '+') || character == '{' && counted());
        escaped = !escaped && character == '\\';
        repeats
    })
}

/// The inside of `{8}`, `{1,}` or `{1,12}`.
fn is_count(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || c == ',')
}

fn is_whole(alternative: &str) -> bool {
    if let Some(inner) = inside_group(alternative) {
        return is_anchored(inner);
    }
    let Some(rest) = alternative.strip_prefix('^') else { return false };
    let Some(body) = rest.strip_suffix('$') else { return false };
    let escapes = body.chars().rev().take_while(|character| *character == '\\').count();
    let open = [".*", ".+", "(.*", "(.+"].iter().any(|open| body.starts_with(open));
    escapes % 2 == 0 && !open
}

/// The parts between `|` that stand in no group and no class.
fn alternatives(pattern: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut depth, mut class, mut escaped) = (0, 0_i32, false, false);
    for (index, character) in pattern.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match character {
            '\\' => escaped = true,
            '[' if !class => class = true,
            ']' if class => class = false,
            '(' if !class => depth += 1,
            ')' if !class => depth -= 1,
            '|' if !class && depth == 0 => {
                found.extend(pattern.get(start..index));
                start = index + 1;
            }
            _ => {}
        }
    }
    found.extend(pattern.get(start..));
    found
}

/// What stands in the one group that is the whole text.
fn inside_group(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?;
    let (mut depth, mut class, mut escaped) = (0_i32, false, false);
    for character in inner.chars() {
        if escaped {
            escaped = false;
            continue;
        }
        match character {
            '\\' => escaped = true,
            '[' if !class => class = true,
            ']' if class => class = false,
            '(' if !class => depth += 1,
            ')' if !class => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    let inner = inner.strip_prefix("?:").unwrap_or(inner);
    (!escaped && !inner.starts_with('?')).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_values_only() {
        for pattern in [
            "^12345$",
            "^(12345|67890)$",
            "^12345$|^67890$",
            "(^12345$|^67890$)",
            "(?:^1$)|(^2$)",
            "^refs/heads/main$",
            "^refs/heads/release/.*$",
            "^a\\\\$",
            "^[|]$",
        ] {
            assert!(is_anchored(pattern), "{pattern}");
        }
    }

    #[test]
    fn anything_that_can_match_a_part() {
        for pattern in [
            "",
            "12345",
            "^12345",
            "12345$",
            "^12345|67890$",
            "12345|^67890$",
            "^(1)$|2",
            "(^1$)|(2)",
            "(1)(2)",
            "^12345\\$",
            "^.*main$",
            "^(.*)main$",
            "(?i)^main$",
            "(?=x)",
            "^1$|",
        ] {
            assert!(!is_anchored(pattern), "{pattern}");
        }
    }

    #[test]
    fn repetitions() {
        assert!(repeats("^[0-9]+$") && repeats("^.*$"));
        assert!(!repeats("^1\\+2$") && !repeats("^(1|2)$"));
    }

    #[test]
    fn counted_repetitions_repeat() {
        for pattern in ["^[0-9]{8}$", "^.{1,}$", "^1*$", "^1+$"] {
            assert!(repeats(pattern), "{pattern}");
        }
        for pattern in ["^12345$", r"^\{8}$", "^{0a1b-2c}$", r"^1\*$"] {
            assert!(!repeats(pattern), "{pattern}");
        }
    }
}
