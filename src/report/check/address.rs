//! Paths as given → paths in the repository.
//!
//! In: a path of the command line, and where the repository and the current folder are. Out: the path that code hosts
//! know the file by, plain or as a URI. Nothing is asked of the disk.

use crate::report::uri::encoded;

/// What paths are relative to; both absolute, with `/`, and empty where not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roots {
    /// The root of the repository, or the current folder if it is in none.
    pub repository: String,
    /// The folder that paths were given in.
    pub current: String,
}

impl Roots {
    /// The path inside the repository with `/`, or the absolute path of a file outside of it.
    #[must_use]
    pub fn path(&self, given: &str) -> String {
        let given = given.replace('\\', "/");
        let whole =
            if is_absolute(&given) || self.current.is_empty() { given } else { format!("{}/{given}", self.current) };
        let whole = normal(&whole);
        let repository = normal(&self.repository);
        match whole.strip_prefix(repository.as_str()) {
            Some(inside) if !repository.is_empty() => match inside.strip_prefix('/') {
                Some(inside) => inside.to_owned(),
                None if repository.ends_with('/') => inside.to_owned(),
                None => whole,
            },
            _ => whole,
        }
    }

    /// The same as a URI, and whether it is relative to the repository.
    #[must_use]
    pub fn uri(&self, given: &str) -> (String, bool) {
        let path = self.path(given);
        if path.starts_with('/') {
            (format!("file://{}", encoded(&path)), false)
        } else if is_absolute(&path) {
            (format!("file:///{}", encoded(&path)), false)
        } else {
            (encoded(&path), true)
        }
    }
}

fn is_absolute(path: &str) -> bool {
    let mut characters = path.chars();
    match (characters.next(), characters.next(), characters.next()) {
        (Some('/'), ..) => true,
        (Some(drive), Some(':'), Some('/')) => drive.is_ascii_alphabetic(),
        _ => false,
    }
}

/// Without `.` and `..`, as far as the path itself says what they are.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if path.starts_with('/') => {}
            other => parts.push(other),
        }
    }
    let joined = parts.join("/");
    if path.starts_with('/') { format!("/{joined}") } else { joined }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_repository() {
        let roots = Roots { repository: "/home/me/repo".to_owned(), current: "/home/me/repo/infra".to_owned() };
        for (given, path) in [
            ("a.yaml", "infra/a.yaml"),
            ("./x/../a.yaml", "infra/a.yaml"),
            ("../app/a.yaml", "app/a.yaml"),
            ("/home/me/repo/a.yaml", "a.yaml"),
            ("/home/me/repository/a.yaml", "/home/me/repository/a.yaml"),
            ("../../other/a.yaml", "/home/me/other/a.yaml"),
            ("sub\\a.yaml", "infra/sub/a.yaml"),
        ] {
            assert_eq!(roots.path(given), path, "{given}");
        }
        assert_eq!(Roots::default().path("./a/b.yaml"), "a/b.yaml");
    }

    #[test]
    fn uris_are_encoded_and_say_where_they_begin() {
        let roots = Roots { repository: "/r".to_owned(), current: "/r".to_owned() };
        assert_eq!(roots.uri("a b/ü#%:?.yaml"), ("a%20b/%C3%BC%23%25%3A%3F.yaml".to_owned(), true));
        assert_eq!(roots.uri("/tmp/x.yaml"), ("file:///tmp/x.yaml".to_owned(), false));
        assert_eq!(roots.uri("C:/x y.yaml"), ("file:///C%3A/x%20y.yaml".to_owned(), false));
    }
}
