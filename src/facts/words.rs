//! Names taken apart into words.
//!
//! In: names as people write them (`TerraformDeployProd`, `eu-prod1`). Out: their words, as slices. It exists because
//! `delivery` contains `live` and `nonprod` contains `prod`: names are compared word by word, never by substring.

/// The words of a name: split at everything that is no letter or digit, between small and capital letters, and between
/// letters and digits.
pub(super) fn words(name: &str) -> Vec<&str> {
    #[derive(Clone, Copy, PartialEq)]
    enum Class {
        Small,
        Capital,
        Digit,
        Other,
    }
    let class = |c: char| {
        if c.is_uppercase() {
            Class::Capital
        } else if c.is_alphabetic() {
            Class::Small
        } else if c.is_numeric() {
            Class::Digit
        } else {
            Class::Other
        }
    };
    let mut found = Vec::new();
    let mut start = 0;
    let mut before = Class::Other;
    let mut characters = name.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        let now = class(character);
        let next = characters.peek().map(|(_, c)| class(*c));
        let boundary = match (before, now) {
            // `PRODCluster`: the last capital of a run belongs to the word that follows it.
            (Class::Capital, Class::Capital) => next == Some(Class::Small),
            // `Prod` is one word.
            (Class::Capital, Class::Small) => false,
            _ => before != now,
        };
        if boundary {
            if before != Class::Other {
                found.extend(name.get(start..index));
            }
            start = index;
        }
        before = now;
    }
    if before != Class::Other {
        found.extend(name.get(start..));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_capitals_and_digits_part_words() {
        assert_eq!(words("TerraformDeployProd"), ["Terraform", "Deploy", "Prod"]);
        assert_eq!(words("Prod1.Stack2-x"), ["Prod", "1", "Stack", "2", "x"]);
        assert_eq!(words("PRODCluster"), ["PROD", "Cluster"]);
        assert_eq!(words("deploy__to--PRD"), ["deploy", "to", "PRD"]);
        assert_eq!(words("Übung-Größe"), ["Übung", "Größe"]);
        assert_eq!(words("--"), Vec::<&str>::new());
        assert_eq!(words(""), Vec::<&str>::new());
    }
}
