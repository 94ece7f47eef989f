//! The page's own style and script, and the policy that lets nothing else run.
//!
//! In: the sources in `reports/html`. Out: one style sheet, one script, and a Content Security Policy that names their
//! hashes. The sources are modules as browsers have them; joining them means leaving out `import` and `export`, in an order
//! that is written down here, so that what a page holds can be read beside what it was made of.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// Colours first.
const STYLES: [&str; 3] = [
    include_str!("../../../reports/html/theme.css"),
    include_str!("../../../reports/html/overview.css"),
    include_str!("../../../reports/html/findings.css"),
];

/// Each module only uses those before it.
const MODULES: [&str; 13] = [
    include_str!("../../../reports/html/words.js"),
    include_str!("../../../reports/html/blocks.js"),
    include_str!("../../../reports/html/data.js"),
    include_str!("../../../reports/html/elements.js"),
    include_str!("../../../reports/html/console.js"),
    include_str!("../../../reports/html/facets.js"),
    include_str!("../../../reports/html/order.js"),
    include_str!("../../../reports/html/address.js"),
    include_str!("../../../reports/html/export.js"),
    include_str!("../../../reports/html/filters.js"),
    include_str!("../../../reports/html/grid.js"),
    include_str!("../../../reports/html/detail.js"),
    include_str!("../../../reports/html/page.js"),
];

/// The text of the page's `style` element.
pub(super) fn style() -> String {
    STYLES.concat()
}

/// The text of the page's `script` element.
pub(super) fn script() -> String {
    let mut joined = String::from("\n(() => {\n'use strict';\n");
    for line in MODULES.iter().flat_map(|module| module.lines()) {
        if !line.starts_with("import ") {
            joined.push_str(line.strip_prefix("export ").unwrap_or(line));
            joined.push('\n');
        }
    }
    joined.push_str("})();\n");
    joined
}

/// The policy of a page with this style and script: no network, no frame, no form, and no text is ever made markup
/// (<https://www.w3.org/TR/CSP3/>, <https://www.w3.org/TR/trusted-types/>). Images are the empty icon.
pub(super) fn policy(style: &str, script: &str) -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())));
    format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        hash(script),
        hash(style)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_one_piece_that_cannot_end_its_element() {
        let script = script();
        for line in script.lines() {
            assert!(!line.starts_with("import") && !line.starts_with("export"), "{line}");
        }
        let lower = script.to_lowercase();
        for never in ["</script", "<!--", "\r", "innerhtml", "outerhtml", "insertadjacenthtml", "eval(", "new function"]
        {
            assert!(!lower.contains(never), "{never:?}");
        }
        assert!(!style().to_lowercase().contains("</style") && !style().contains('\r'));
    }

    /// What a line at the margin of a module declares.
    fn declared(line: &str) -> Option<&str> {
        let rest = line.strip_prefix("export ").unwrap_or(line);
        let rest = rest.strip_prefix("async ").unwrap_or(rest);
        let rest = ["function ", "const ", "class ", "let "].iter().find_map(|word| rest.strip_prefix(word))?;
        rest.split(|sign: char| !sign.is_alphanumeric() && sign != '_').next()
    }

    #[test]
    fn modules_use_only_what_comes_before_them_and_share_no_name() {
        let (mut exported, mut names) = (Vec::new(), Vec::new());
        for module in MODULES {
            for line in module.lines().filter(|line| line.starts_with("import ")) {
                let (used, _) = line.strip_prefix("import { ").unwrap().split_once(" } from './").unwrap();
                for name in used.split(", ") {
                    assert!(exported.contains(&name), "{name} is used before it is there: {line}");
                }
            }
            for (line, name) in module.lines().filter_map(|line| Some((line, declared(line)?))) {
                assert!(!names.contains(&name), "two modules have {name}");
                names.push(name);
                if line.starts_with("export ") {
                    exported.push(name);
                }
            }
        }
        assert!(exported.len() > 30 && names.len() > exported.len(), "{names:?}");
    }
}
