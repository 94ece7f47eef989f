//! Addresses and references of Terraform: `module.cicd["eu"].aws_s3_bucket.artifacts[0].arn`.
//!
//! In: the text. Out: its parts, each with the instance key behind it. Keys may hold dots and brackets, which is why
//! nothing here splits at dots.

/// One name between dots, and the key in brackets behind it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    pub(super) name: String,
    /// `0` of `[0]`, `eu` of `["eu"]`.
    pub(super) key: Option<String>,
}

/// A path of module calls from the root; instances of modules have keys.
pub(super) type ModulePath = Vec<Part>;

/// The parts of an address. A text that is none comes back as what it looks like.
pub(super) fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut characters = text.chars().peekable();
    let mut part = Part { name: String::new(), key: None };
    while let Some(character) = characters.next() {
        match character {
            '.' => parts.push(std::mem::replace(&mut part, Part { name: String::new(), key: None })),
            '[' => {
                let quoted = characters.next_if_eq(&'"').is_some();
                let mut key = String::new();
                while let Some(inner) = characters.next() {
                    match inner {
                        '\\' if quoted => key.extend(characters.next()),
                        '"' if quoted => {
                            characters.next_if_eq(&']');
                            break;
                        }
                        ']' if !quoted => break,
                        _ => key.push(inner),
                    }
                }
                // A second key belongs to the value, not to the instance.
                part.key.get_or_insert(key);
            }
            _ => part.name.push(character),
        }
    }
    parts.push(part);
    parts
}

/// The modules at the begin of an address, and the rest.
pub(super) fn split_modules(mut parts: Vec<Part>) -> (ModulePath, Vec<Part>) {
    let mut at = 0;
    while parts.get(at).is_some_and(|part| part.name == "module") && parts.get(at + 1).is_some() {
        at += 2;
    }
    let rest = parts.split_off(at);
    (parts.into_iter().skip(1).step_by(2).collect(), rest)
}

/// A path of modules as one text to compare.
pub(super) fn written(path: &[Part]) -> String {
    let one = |part: &Part| match &part.key {
        Some(key) => format!("module.{}[\"{key}\"]", part.name),
        None => format!("module.{}", part.name),
    };
    path.iter().map(one).collect::<Vec<_>>().join(".")
}

/// The names of a path of modules, as the configuration knows them: without keys.
pub(super) fn names(path: &[Part]) -> String {
    path.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join(".")
}

/// Of references that Terraform lists with all their beginnings, those that are no beginning of another one.
pub(super) fn longest<'r>(references: &[&'r str]) -> Vec<&'r str> {
    let begins = |short: &str, long: &str| long.strip_prefix(short).is_some_and(|rest| rest.starts_with(['.', '[']));
    let mut longest: Vec<&str> = Vec::new();
    for reference in references {
        if !references.iter().any(|other| begins(reference, other)) && !longest.contains(reference) {
            longest.push(reference);
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, key: Option<&str>) -> Part {
        Part { name: name.to_owned(), key: key.map(str::to_owned) }
    }

    #[test]
    fn keys_may_hold_anything() {
        let address = r#"module.a["x.y\"]z"].module.b.aws_s3_bucket.c[0].arn"#;
        let (modules, rest) = split_modules(parts(address));
        assert_eq!(modules, [part("a", Some("x.y\"]z")), part("b", None)]);
        assert_eq!(rest, [part("aws_s3_bucket", None), part("c", Some("0")), part("arn", None)]);
        assert_eq!(names(&modules), "a.b");
        assert!(written(&modules).ends_with(".module.b"));
        for odd in ["", ".", "[", "a[", "a[\"", "a[\"\\", "module", "module."] {
            let _ = split_modules(parts(odd));
        }
    }

    #[test]
    fn beginnings_of_references_are_dropped() {
        let all = ["aws_s3_bucket.b[0].id", "aws_s3_bucket.b[0]", "aws_s3_bucket.b", "var.x", "var.xy", "var.x"];
        assert_eq!(longest(&all), ["aws_s3_bucket.b[0].id", "var.x", "var.xy"]);
    }
}
