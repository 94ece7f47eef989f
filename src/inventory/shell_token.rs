//! A shell script → words, and the signs between them.
//!
//! In: the script. Out: its tokens. A word keeps its quotes and what is substituted in it; comments and here-documents
//! are left out. It exists because a `;` in quotes ends nothing, and one outside of them decides whose failure counts.

/// A part of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    /// One of [`SIGNS`].
    Sign(&'static str),
}

/// What stands between commands, the longer ones first.
const SIGNS: [&str; 11] = [";;&", ";;", ";&", "&&", "||", "|&", "|", "&", ";", "(", ")"];

/// The tokens of a script.
pub(super) fn tokens(script: &str) -> Vec<Token> {
    let mut lexer = Lexer { rest: script, ..Lexer::default() };
    while let Some(next) = lexer.rest.chars().next() {
        lexer.take(next);
    }
    lexer.end_word();
    lexer.tokens
}

#[derive(Default)]
struct Lexer<'a> {
    rest: &'a str,
    word: String,
    tokens: Vec<Token>,
    /// What ends the here-documents that begin after this line.
    here_documents: Vec<&'a str>,
    /// Brackets that are not closed yet.
    open: usize,
    /// Inside `((…))`: how many were open before.
    counts_since: Option<usize>,
}

impl<'a> Lexer<'a> {
    fn take(&mut self, next: char) {
        if next == '\n' {
            self.end_word();
            self.tokens.push(Token::Sign("\n"));
            self.skip(1);
            self.skip_here_documents();
        } else if next.is_whitespace() {
            self.end_word();
            self.skip(next.len_utf8());
        } else if next == '#' && self.word.is_empty() {
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.begins_with(&["\\\n", "\\\r\n"]) {
            // The line goes on, maybe in the middle of a word.
            self.skip(self.rest.find('\n').map_or(1, |at| at + 1));
        } else if next == '\\' {
            let escaped = self.rest.chars().nth(1).map_or(0, char::len_utf8);
            self.keep(1 + escaped);
        } else if self.begins_with(&["'", "\"", "`", "$(", "${"]) || next == '(' && self.expects_a_list() {
            self.keep(quoted(self.rest));
        } else if self.begins_with(&["<<<", "<&", ">&", "&>", ">|"]) {
            self.keep(if self.rest.starts_with("<<<") { 3 } else { 2 });
        } else if self.counts_since.is_none()
            && let Some(after) = self.rest.strip_prefix("<<")
        {
            self.here_document(after);
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| self.rest.starts_with(sign)) {
            self.end_word();
            self.count_brackets(sign);
            self.tokens.push(Token::Sign(sign));
            self.skip(sign.len());
        } else {
            self.keep(next.len_utf8());
        }
    }

    fn begins_with(&self, beginnings: &[&str]) -> bool {
        beginnings.iter().any(|beginning| self.rest.starts_with(beginning))
    }

    /// `x=(a b)` and `<(a)` are words.
    fn expects_a_list(&self) -> bool {
        self.word.ends_with(['=', '<', '>'])
    }

    /// In `((x << 2))`, `<<` is a shift.
    fn count_brackets(&mut self, sign: &str) {
        if sign == "(" {
            if self.counts_since.is_none() && self.rest.starts_with("((") {
                self.counts_since = Some(self.open);
            }
            self.open += 1;
        } else if sign == ")" {
            self.open = self.open.saturating_sub(1);
            self.counts_since = self.counts_since.filter(|before| self.open > *before);
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn keep(&mut self, bytes: usize) {
        self.word.push_str(self.rest.get(..bytes).unwrap_or_default());
        self.skip(bytes);
    }

    fn end_word(&mut self) {
        if !self.word.is_empty() {
            self.tokens.push(Token::Word(std::mem::take(&mut self.word)));
        }
    }

    fn here_document(&mut self, after: &'a str) {
        let after = after.strip_prefix('-').unwrap_or(after).trim_start_matches([' ', '\t']);
        let end = after.find([' ', '\t', '\r', '\n', ';', '&', '|', ')', '>']).unwrap_or(after.len());
        let name = after.get(..end).unwrap_or_default();
        self.here_documents.push(name.trim_matches(['"', '\'', '\\']));
        self.rest = after.get(end..).unwrap_or_default();
    }

    fn skip_here_documents(&mut self) {
        for name in std::mem::take(&mut self.here_documents) {
            while !self.rest.is_empty() {
                let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
                self.rest = rest;
                if line.trim() == name {
                    break;
                }
            }
        }
    }
}

/// How long what begins with a quote or a bracket is, its end included.
fn quoted(text: &str) -> usize {
    let mut closing: Vec<char> = Vec::new();
    // How many of them are `"`.
    let mut texts = 0_usize;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let inside = closing.last().copied();
        if inside == Some(character) {
            closing.pop();
            texts -= usize::from(character == '"');
            if closing.is_empty() {
                return at + character.len_utf8();
            }
            continue;
        }
        if inside == Some('\'') {
            continue;
        }
        let in_text = inside == Some('"') || inside == Some('}') && texts > 0;
        match character {
            '\\' => {
                characters.next();
            }
            '$' => {
                let bracket = characters.next_if(|(_, next)| matches!(*next, '(' | '{'));
                closing.extend(bracket.map(|(_, bracket)| if bracket == '(' { ')' } else { '}' }));
            }
            '`' => closing.push('`'),
            '\'' | '"' if !in_text => {
                closing.push(character);
                texts += usize::from(character == '"');
            }
            '(' if !in_text => closing.push(')'),
            _ => {}
        }
    }
    text.len()
}

/// The scripts that are substituted in a word.
pub(super) fn substituted(word: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let has_text = word.contains('"');
    let mut rest = word;
    while let Some(at) = rest.find(['\'', '\\', '`', '$']) {
        let here = rest.get(at..).unwrap_or_default();
        let whole = if here.starts_with('\\') {
            1 + here.chars().nth(1).map_or(0, char::len_utf8)
        } else if here.starts_with("$(") || here.starts_with('`') || here.starts_with('\'') && !has_text {
            quoted(here)
        } else {
            1
        };
        let piece = here.get(..whole).unwrap_or_default();
        let inner = piece.strip_prefix("$(").and_then(|piece| piece.strip_suffix(')'));
        let inner = inner.or_else(|| piece.strip_prefix('`').and_then(|piece| piece.strip_suffix('`')));
        // What counts begins with a second bracket.
        found.extend(inner.filter(|script| !script.starts_with('(')));
        rest = here.get(whole..).unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(script: &str) -> Vec<String> {
        let text = |token| match token {
            Token::Word(word) => word,
            Token::Sign(sign) => format!("<{}>", sign.replace('\n', "n")),
        };
        tokens(script).into_iter().map(text).collect()
    }

    #[test]
    fn signs_in_quotes_and_comments_end_nothing() {
        assert_eq!(read("a 'b; c' \"d && $(e \"f;\")\" g\\;h"), ["a", "'b; c'", "\"d && $(e \"f;\")\"", "g\\;h"]);
        assert_eq!(read("a # b; don't\nd"), ["a", "<n>", "d"]);
        assert_eq!(read("a \"${B:-it's}\"; c"), ["a", "\"${B:-it's}\"", "<;>", "c"]);
        assert_eq!(read("a 2>&1 &>log >|x <<<y"), ["a", "2>&1", "&>log", ">|x", "<<<y"]);
        assert_eq!(read("a ${B:-c d} x=(1 2) <(e)"), ["a", "${B:-c d}", "x=(1 2)", "<(e)"]);
    }

    #[test]
    fn signs_stand_between_words() {
        assert_eq!(read("a&&b||c|d"), ["a", "<&&>", "b", "<||>", "c", "<|>", "d"]);
        assert_eq!(read("e;f&(g)"), ["e", "<;>", "f", "<&>", "<(>", "g", "<)>"]);
        assert_eq!(read("{ a; }"), ["{", "a", "<;>", "}"]);
    }

    #[test]
    fn a_here_document_is_no_script() {
        assert_eq!(read("cat <<'END' > x\na; b\nEND\nc"), ["cat", ">", "x", "<n>", "c"]);
        assert_eq!(read("(( x << 2 ))\na"), ["<(>", "<(>", "x", "<<", "2", "<)>", "<)>", "<n>", "a"]);
        assert_eq!(read("((1))\na <<END\nb\nEND\nc"), ["<(>", "<(>", "1", "<)>", "<)>", "<n>", "a", "<n>", "c"]);
    }

    #[test]
    fn a_line_that_goes_on_leaves_no_word() {
        assert_eq!(read("a \\\n  b\\\nc \\\r\n d"), ["a", "bc", "d"]);
        assert_eq!(read("a && \\\n b"), ["a", "<&&>", "b"]);
    }

    #[test]
    fn what_is_substituted_is_a_script() {
        assert_eq!(substituted("\"$(a \"$(b)\")\"`c`$((1+2))"), ["a \"$(b)\"", "c"]);
        assert_eq!(substituted("'$(a)'"), Vec::<&str>::new());
        assert_eq!(substituted("${X}\\$(a)$"), Vec::<&str>::new());
    }

    #[test]
    fn what_never_ends_ends_with_the_script() {
        for script in ["'a", "\"a $(", "${", "a <<", "\\", "`", "$(((("] {
            tokens(script);
            substituted(script);
        }
    }
}
