//! Text that a field with a limit takes.
//!
//! In: text that anybody may have chosen. Out: one line without hidden characters, no longer than the field, never blank;
//! and a list of what was left out, because nothing is cut silently.

use std::collections::BTreeMap;

use super::text::{short, visible};

/// What did not fit, by field; there are few fields, so that the list itself fits.
#[derive(Debug, Default)]
pub(super) struct LeftOut(BTreeMap<&'static str, Missing>);

/// What is missing of one field.
#[derive(Debug, Default)]
struct Missing {
    texts: usize,
    characters: usize,
    of: usize,
    items: usize,
}

impl LeftOut {
    /// `text` with its end left out where it is too long.
    pub(super) fn end(&mut self, field: &'static str, text: &str, longest: usize) -> String {
        let shown = visible(text);
        if !self.is_longer(field, &shown, longest) {
            return present(shown.into_owned());
        }
        present(shown.chars().take(longest.saturating_sub(1)).chain(['…']).collect())
    }

    /// `text` with its middle left out where it is too long: both ends tell names apart.
    pub(super) fn middle(&mut self, field: &'static str, text: &str, longest: usize) -> String {
        self.is_longer(field, &visible(text), longest);
        present(short(text, longest))
    }

    /// Notes that `count` things are missing altogether.
    pub(super) fn items(&mut self, field: &'static str, count: usize) {
        if count > 0 {
            self.0.entry(field).or_default().items += count;
        }
    }

    fn is_longer(&mut self, field: &'static str, shown: &str, longest: usize) -> bool {
        if shown.len() <= longest {
            return false;
        }
        let length = shown.chars().count();
        if length <= longest {
            return false;
        }
        let missing = self.0.entry(field).or_default();
        missing.texts += 1;
        missing.of += length;
        // The sign for it takes the place of one more.
        missing.characters += length - longest + 1;
        true
    }

    /// All in one line; nothing where everything fits.
    pub(super) fn in_words(&self) -> Option<String> {
        let phrases = self.0.iter().map(|(field, missing)| {
            let mut parts = Vec::new();
            if missing.texts > 0 {
                let texts = if missing.texts > 1 { format!(" in {} texts", missing.texts) } else { String::new() };
                parts.push(format!("{} of {} characters{texts}", missing.characters, missing.of));
            }
            if missing.items > 0 {
                parts.push(format!("{} more", missing.items));
            }
            format!("{field}: {}", parts.join(", "))
        });
        (!self.0.is_empty()).then(|| phrases.collect::<Vec<_>>().join("; "))
    }
}

/// Security Hub refuses a blank text (`.*\S.*`).
fn present(text: String) -> String {
    if text.trim().is_empty() { "-".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_said_and_what_fits_is_untouched() {
        let mut left_out = LeftOut::default();
        assert_eq!(left_out.end("Title", "short", 5), "short");
        assert_eq!(left_out.middle("Id", "short", 5), "short");
        assert_eq!(left_out.in_words(), None);
        assert_eq!(left_out.end("Title", "longer", 5), "long…");
        assert_eq!(left_out.middle("Id", "abcdefgh", 5), "ab…gh");
        assert_eq!(left_out.middle("Id", "abcdefghi", 5), "ab…hi");
        left_out.items("Fields", 0);
        left_out.items("Title", 3);
        left_out.items("Reasons", 2);
        assert_eq!(
            left_out.in_words().unwrap(),
            "Id: 9 of 17 characters in 2 texts; Reasons: 2 more; Title: 2 of 6 characters, 3 more"
        );
    }

    #[test]
    fn no_text_is_blank_or_breaks_a_line() {
        let mut left_out = LeftOut::default();
        for blank in ["", " ", "\u{2003}"] {
            assert_eq!(left_out.end("Title", blank, 9), "-");
        }
        assert_eq!(left_out.end("Title", "a\nb", 9), "a\\nb");
    }
}
