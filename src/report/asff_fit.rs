//! Text that a field with a limit takes.
//!
//! In: text that anybody may have chosen. Out: one line without hidden characters, no longer than the field, never blank;
//! and a list of what was left out, because nothing is cut silently.

use super::text::{short, visible};

/// What did not fit, one phrase each.
#[derive(Debug, Default)]
pub(super) struct LeftOut(Vec<String>);

impl LeftOut {
    /// `text` with its end left out where it is too long.
    pub(super) fn end(&mut self, field: &str, text: &str, longest: usize) -> String {
        let shown = visible(text);
        let length = shown.chars().count();
        if length <= longest {
            return present(shown.into_owned());
        }
        self.note(format!("{field}: {} of {length} characters", length - longest + 1));
        present(shown.chars().take(longest.saturating_sub(1)).chain(['…']).collect())
    }

    /// `text` with its middle left out where it is too long: both ends tell names apart.
    pub(super) fn middle(&mut self, field: &str, text: &str, longest: usize) -> String {
        let length = visible(text).chars().count();
        if length > longest {
            self.note(format!("{field}: {} of {length} characters", length - longest + 1));
        }
        present(short(text, longest))
    }

    /// Notes that `count` things are missing altogether.
    pub(super) fn items(&mut self, field: &str, count: usize) {
        if count > 0 {
            self.note(format!("{field}: {count} more"));
        }
    }

    fn note(&mut self, phrase: String) {
        self.0.push(phrase);
    }

    /// All in one line; nothing where everything fits.
    pub(super) fn in_words(self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.join("; "))
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
        assert_eq!(left_out.end("Title", "longer", 5), "long…");
        assert_eq!(left_out.middle("Id", "abcdefgh", 5), "ab…gh");
        left_out.items("ProductFields", 0);
        left_out.items("ProductFields", 3);
        assert_eq!(
            left_out.in_words().unwrap(),
            "Title: 2 of 6 characters; Id: 4 of 8 characters; ProductFields: 3 more"
        );
        assert_eq!(LeftOut::default().in_words(), None);
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
