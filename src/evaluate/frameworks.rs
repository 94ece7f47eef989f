//! Framework files → [`Framework`]s.
//!
//! In: TOML files, the embedded ones and those of `frameworks/` in a policy folder. Out: the frameworks, sorted by id; a
//! later file replaces an earlier one with the same id.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{PolicyError, SourceText};
use crate::finding::Framework;

/// Reads one file into `frameworks`.
pub(super) fn load(source: &SourceText, frameworks: &mut BTreeMap<String, Framework>) -> Result<(), PolicyError> {
    let framework: Framework = toml::from_str(&source.text).map_err(|error| {
        let message = error.message().to_owned();
        PolicyError::form(source, error.span().unwrap_or(0..0), message, FORM)
    })?;
    let prefix = format!("{}-", framework.id);
    let mut ids = BTreeSet::new();
    for requirement in &framework.requirements {
        // The last one written is the one too many.
        let at = source.text.rfind(&format!("\"{}\"", requirement.id)).unwrap_or_default();
        let span = at..at + requirement.id.len() + 2;
        if !requirement.id.starts_with(&prefix) {
            let problem = format!("the requirement `{}` does not begin with `{prefix}`", requirement.id);
            return Err(PolicyError::form(source, span, problem, FORM));
        }
        if !ids.insert(requirement.id.as_str()) {
            let problem = format!("the requirement `{}` is there twice", requirement.id);
            return Err(PolicyError::form(source, span, problem, "leave one of them out"));
        }
    }
    frameworks.insert(framework.id.clone(), framework);
    Ok(())
}

const FORM: &str = "a framework has `id`, `name`, `version`, `source`, `note` and `[[requirement]]` tables with `id` (which begins with the framework's) and `title`";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BTreeMap<String, Framework>, String> {
        let mut frameworks = BTreeMap::new();
        let source = SourceText { file: "x.toml".to_owned(), text: text.to_owned() };
        load(&source, &mut frameworks).map_err(|error| error.to_string())?;
        Ok(frameworks)
    }

    const HEAD: &str = "id = \"X\"\nname = \"n\"\nversion = \"1\"\nsource = \"s\"\nnote = \"n\"\n";

    #[test]
    fn a_framework_is_read_and_its_mistakes_are_named() {
        let one = "[[requirement]]\nid = \"X-1\"\ntitle = \"t\"\n";
        assert_eq!(read(&format!("{HEAD}{one}")).unwrap()["X"].requirements.len(), 1);
        for (text, needle) in [
            (format!("{HEAD}{one}{one}"), "twice"),
            (format!("{HEAD}[[requirement]]\nid = \"Y-1\"\ntitle = \"t\"\n"), "does not begin with `X-`"),
            (format!("{HEAD}[[requirement]]\nid = \"X-1\"\n"), "missing field `title`"),
            (format!("{HEAD}colour = 1\n{one}"), "unknown field `colour`"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains("x.toml") && error.contains(needle), "{error}");
        }
    }
}
