//! JSON → tree.
//!
//! In: the text of one JSON document. Out: its tree. It reads by itself and in one pass, because a pull request may hold
//! anything: values are counted while they are read and not after a tree of them was built, nothing recurses, and lines
//! and columns go along instead of being looked up. No crate gives that together with places and repeated keys, and YAML
//! parsers fail on JSON's surrogate pairs.

use serde_json::Number;

use super::document::{Limits, Read, SyntaxError};
use super::hole::RESERVED;
use super::node::{Entry, Node, Tree};
use super::oddity::Oddities;
use crate::inventory::{Position, Span};

/// Reads one document.
pub(super) fn read(text: &str, limits: &Limits) -> Read {
    let mut reader = Reader {
        text,
        at: 0,
        line: 1,
        counted: (0, 1),
        limits,
        nodes: 0,
        open: Vec::new(),
        oddities: Oddities::default(),
    };
    let root = reader.document()?;
    Ok((root, reader.oddities.finish()))
}

/// A mapping or list that is not closed yet.
enum Open {
    List { items: Vec<Node>, start: Position },
    Map { entries: Vec<Entry>, start: Position, key: (String, Span) },
}

struct Reader<'t> {
    text: &'t str,
    /// The next byte.
    at: usize,
    line: u32,
    /// A byte of this line, and its column.
    counted: (usize, u32),
    limits: &'t Limits,
    nodes: usize,
    open: Vec<Open>,
    oddities: Oddities,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Node, SyntaxError> {
        loop {
            self.white();
            let Some(mut node) = self.value()? else { continue };
            // What was read may be the last one of all that is open.
            loop {
                self.white();
                let Some(mut open) = self.open.pop() else {
                    return if self.peek().is_none() { Ok(node) } else { Err(self.unexpected("the end of the file")) };
                };
                match (&mut open, self.peek()) {
                    (Open::List { items, .. }, Some(b',')) => {
                        items.push(node);
                        self.at += 1;
                        self.open.push(open);
                        break;
                    }
                    (Open::Map { entries, key, .. }, Some(b',')) => {
                        let (key, key_span) = std::mem::take(key);
                        entries.push(Entry { key, key_span, value: node });
                        self.at += 1;
                        self.open.push(open);
                        self.key()?;
                        break;
                    }
                    (Open::List { items, .. }, Some(b']')) => items.push(node),
                    (Open::Map { entries, key, .. }, Some(b'}')) => {
                        let (key, key_span) = std::mem::take(key);
                        entries.push(Entry { key, key_span, value: node });
                    }
                    (Open::List { .. }, _) => return Err(self.unexpected("`,` or `]`")),
                    (Open::Map { .. }, _) => return Err(self.unexpected("`,` or `}`")),
                }
                self.at += 1;
                node = self.closed(open);
            }
        }
    }

    /// A value, unless one was opened that holds others.
    fn value(&mut self) -> Result<Option<Node>, SyntaxError> {
        let start = self.position();
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(SyntaxError::limit(Some(start), self.limits.too_many()));
        }
        let tree = match self.peek() {
            Some(b'{') => {
                self.enter(start)?;
                if self.peek() != Some(b'}') {
                    self.open.push(Open::Map { entries: Vec::new(), start, key: (String::new(), Span::default()) });
                    self.key()?;
                    return Ok(None);
                }
                self.at += 1;
                Tree::Map(Vec::new())
            }
            Some(b'[') => {
                self.enter(start)?;
                if self.peek() != Some(b']') {
                    self.open.push(Open::List { items: Vec::new(), start });
                    return Ok(None);
                }
                self.at += 1;
                Tree::List(Vec::new())
            }
            Some(b'"') => Tree::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => {
                let words = [("null", Tree::Null), ("true", Tree::Bool(true)), ("false", Tree::Bool(false))];
                let rest = self.text.get(self.at..).unwrap_or_default();
                let Some((word, tree)) = words.into_iter().find(|(word, _)| rest.starts_with(word)) else {
                    return Err(self.unexpected("a value"));
                };
                self.at += word.len();
                tree
            }
        };
        Ok(Some(Node::new(tree, Span { start, end: self.position() })))
    }

    fn enter(&mut self, start: Position) -> Result<(), SyntaxError> {
        if self.open.len() >= self.limits.depth {
            return Err(SyntaxError::limit(Some(start), self.limits.too_deep()));
        }
        self.at += 1;
        self.white();
        Ok(())
    }

    /// A key and its colon, for the mapping that was opened last.
    fn key(&mut self) -> Result<(), SyntaxError> {
        self.white();
        let start = self.position();
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a key in double quotes"));
        }
        let text = self.string()?;
        let span = Span { start, end: self.position() };
        self.white();
        if self.peek() != Some(b':') {
            return Err(self.unexpected("`:`"));
        }
        self.at += 1;
        if let Some(Open::Map { key, .. }) = self.open.last_mut() {
            *key = (text, span);
        }
        Ok(())
    }

    fn closed(&mut self, open: Open) -> Node {
        let end = self.position();
        match open {
            Open::List { items, start } => Node::new(Tree::List(items), Span { start, end }),
            Open::Map { entries, start, .. } => {
                self.oddities.repeated(&entries);
                Node::new(Tree::Map(entries), Span { start, end })
            }
        }
    }

    /// The text of a string, whose opening quote comes next.
    fn string(&mut self) -> Result<String, SyntaxError> {
        self.at += 1;
        let mut from = self.at;
        let mut before = String::new();
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let stop = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F));
            let Some(stop) = stop else {
                return Err(self.error("a `\"` is missing: the string that begins here has no end"));
            };
            self.at += stop;
            let plain = self.text.get(from..self.at).unwrap_or_default();
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    if before.is_empty() {
                        return Ok(plain.to_owned());
                    }
                    before.push_str(plain);
                    // The text has none of them, but an escape can write one.
                    return Ok(if before.contains(RESERVED) { before.replace(RESERVED, "\u{FFFD}") } else { before });
                }
                Some(b'\\') => {
                    before.push_str(plain);
                    let escaped = self.escaped()?;
                    before.push(escaped);
                    from = self.at;
                }
                _ => {
                    return Err(self.error(
                        "a string ends on the line it begins on; write `\\n` for a line break, `\\t` for a tab",
                    ));
                }
            }
        }
    }

    fn escaped(&mut self) -> Result<char, SyntaxError> {
        self.at += 1;
        let simple = match self.peek() {
            Some(b'u') => None,
            Some(b'n') => Some('\n'),
            Some(b't') => Some('\t'),
            Some(b'r') => Some('\r'),
            Some(b'b') => Some('\u{8}'),
            Some(b'f') => Some('\u{C}'),
            Some(same @ (b'"' | b'\\' | b'/')) => Some(char::from(same)),
            _ => return Err(self.error("`\\` does not go with what follows; write `\\\\` for a backslash")),
        };
        self.at += 1;
        if let Some(simple) = simple {
            return Ok(simple);
        }
        let Some(first) = self.hex(self.at) else {
            return Err(self.error("four hexadecimal digits are expected after `\\u`"));
        };
        self.at += 4;
        if let Some(whole) = char::from_u32(first) {
            return Ok(whole);
        }
        let second = if self.text.get(self.at..self.at + 2) == Some("\\u") { self.hex(self.at + 2) } else { None };
        if let (0xD800..=0xDBFF, Some(second @ 0xDC00..=0xDFFF)) = (first, second) {
            self.at += 6;
            let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let at = self.position();
        self.oddities.note(Span { start: at, end: at }, || {
            format!("`\\u{first:04x}` is half of a surrogate pair and stands for no character")
        });
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    }

    fn number(&mut self) -> Result<Tree, SyntaxError> {
        let from = self.at;
        let mut whole = true;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            whole = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            whole = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = self.text.get(from..self.at).unwrap_or_default();
        let number = if whole {
            text.parse::<i64>().ok().map(Number::from).or_else(|| text.parse::<u64>().ok().map(Number::from))
        } else {
            text.parse::<f64>().ok().and_then(Number::from_f64)
        };
        Ok(number.map_or_else(|| Tree::String(text.to_owned()), Tree::Number))
    }

    fn digits(&mut self) -> Result<(), SyntaxError> {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == from { Err(self.unexpected("a digit")) } else { Ok(()) }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn white(&mut self) {
        loop {
            match self.peek() {
                Some(b'\n') => {
                    self.at += 1;
                    self.line = self.line.saturating_add(1);
                    self.counted = (self.at, 1);
                }
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                _ => return,
            }
        }
    }

    /// Where reading is. Everything up to here is counted only once, however long the line is.
    fn position(&mut self) -> Position {
        let (from, column) = self.counted;
        let since = self.text.get(from..self.at).map_or(0, |text| text.chars().count());
        let column = column.saturating_add(u32::try_from(since).unwrap_or(u32::MAX));
        self.counted = (self.at, column);
        Position { line: self.line, column }
    }

    fn error(&mut self, message: &str) -> SyntaxError {
        SyntaxError::new(Some(self.position()), message.to_owned())
    }

    fn unexpected(&mut self, expected: &str) -> SyntaxError {
        let next = self.text.get(self.at..).and_then(|rest| rest.chars().next());
        let found = match next {
            None => "the file ends".to_owned(),
            Some(',') => "a comma stands (one too many?)".to_owned(),
            Some('/' | '#') => "a comment stands, which JSON does not have".to_owned(),
            Some(next @ '\u{21}'..='\u{7E}') => format!("`{next}` stands"),
            Some(next) => format!("U+{:04X} stands", u32::from(next)),
        };
        self.error(&format!("{found} where {expected} is expected"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn parsed(text: &str) -> Node {
        read(text, &Limits::default()).unwrap_or_else(|error| panic!("{text}: {error:?}")).0
    }

    fn refused(text: &str) -> SyntaxError {
        read(text, &Limits::default()).expect_err(text)
    }

    fn at(line: u32, column: u32) -> Position {
        Position { line, column }
    }

    #[test]
    fn every_value_has_the_place_of_its_first_and_behind_its_last_character() {
        let node = parsed("{\"é\": [1,\r\n  \"😀\", {}],\n\"b\" : -1.5e3 }\n");
        assert_eq!(node.span, Span { start: at(1, 1), end: at(3, 15) });
        let list = node.get("é").unwrap();
        assert_eq!(list.span, Span { start: at(1, 7), end: at(2, 11) });
        assert_eq!(node.entry("é").unwrap().key_span, Span { start: at(1, 2), end: at(1, 5) });
        assert_eq!(list.elements()[1].span, Span { start: at(2, 3), end: at(2, 6) });
        assert_eq!(list.elements()[2].span, Span { start: at(2, 8), end: at(2, 10) });
        assert_eq!(node.get("b").unwrap().span, Span { start: at(3, 7), end: at(3, 13) });
    }

    #[test]
    fn surrogate_pairs_are_one_character_and_halves_of_one_are_noticed() {
        assert_eq!(parsed(r#"["\ud83d\ude00", "\u00e9\/\b"]"#).to_value(), serde_json::json!(["😀", "é/\u{8}"]));
        for lone in [r#"["\ud83d"]"#, r#"["\ude00"]"#, r#"["\ud83dx"]"#, r#"["\ud83d\u0041"]"#] {
            let (node, notices) = read(lone, &Limits::default()).unwrap();
            assert!(node.elements()[0].as_str().unwrap().starts_with('\u{FFFD}'), "{lone}");
            assert!(notices[0].1.contains("surrogate"), "{notices:?}");
        }
        assert!(refused(r#"["\u12"]"#).message.contains("four hexadecimal digits"));
    }

    #[test]
    fn an_escape_cannot_forge_the_mark_of_an_open_value() {
        assert_eq!(parsed(r#"["\ufdd00\ufdd1"]"#).elements()[0].as_str(), Some("\u{FFFD}0\u{FFFD}"));
    }

    #[test]
    fn numbers_that_no_machine_number_holds_stay_text() {
        let huge = "123456789012345678901234567890";
        let node = parsed(&format!("[{huge}, -{huge}, 18446744073709551615, 1e400, -0, 1.0]"));
        let texts: Vec<Option<&str>> = node.elements().iter().map(Node::as_str).collect();
        assert_eq!(texts, [Some(huge), Some(&*format!("-{huge}")), None, Some("1e400"), None, None]);
        assert_eq!(node.elements()[2].scalar().as_deref(), Some("18446744073709551615"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, line, column, words) in [
            ("{\"A\": \n 1,, }", 2, 4, "a comma stands (one too many?) where a key in double quotes is expected"),
            ("[1,]", 1, 4, "`]` stands where a value is expected"),
            ("{\"a\": 1", 1, 8, "the file ends where `,` or `}` is expected"),
            ("{\"a\" 1}", 1, 6, "where `:` is expected"),
            ("{a: 1}", 1, 2, "`a` stands where a key in double quotes is expected"),
            ("[\"a\nb\"]", 1, 4, "a string ends on the line it begins on"),
            ("[\"\\x\"]", 1, 4, "does not go with what follows"),
            ("[01]", 1, 3, "`1` stands where `,` or `]` is expected"),
            ("[1] 2", 1, 5, "where the end of the file is expected"),
            ("[] // x", 1, 4, "a comment stands"),
            ("[\u{1}]", 1, 2, "U+0001 stands"),
            ("[-]", 1, 3, "where a digit is expected"),
            ("[\"abc", 1, 3, "has no end"),
        ] {
            let error = refused(text);
            assert_eq!(error.at, Some(at(line, column)), "{text}: {error:?}");
            assert!(error.message.contains(words), "{text}: {error:?}");
        }
    }

    #[test]
    fn a_bomb_is_refused_while_it_is_read() {
        let deep = refused(&"[".repeat(100_000));
        assert_eq!((deep.at, deep.limit), (Some(at(1, 201)), true), "{deep:?}");
        let deep = refused(&"{\"a\":".repeat(100_000));
        assert!(deep.limit && deep.message.contains("200"), "{deep:?}");
        let limits = Limits { nodes: 1000, ..Limits::default() };
        let many = read(&format!("[{}", "0,".repeat(100_000)), &limits).unwrap_err();
        assert_eq!((many.at, many.limit), (Some(at(1, 2000)), true), "{many:?}");
    }

    #[test]
    fn repeated_keys_are_noticed_however_many_there_are() {
        let (node, notices) = read("{\"a\": 1,\n\"a\": 2}", &Limits::default()).unwrap();
        assert_eq!(node.to_value(), serde_json::json!({"a": 2}));
        assert_eq!(notices.len(), 1);
        assert!(notices[0].1.contains("`a`") && notices[0].1.contains("line 1"), "{notices:?}");
        assert_eq!(notices[0].0.start.line, 2);
        let many: Vec<String> = (0..20_000).map(|number| format!("\"k{}\": 0", number / 2)).collect();
        let (_, notices) = read(&format!("{{{}}}", many.join(",")), &Limits::default()).unwrap();
        assert_eq!(notices.len(), 51);
        assert!(notices[50].1.contains("9950 more"), "{notices:?}");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// The parser that everybody uses is the judge.
        #[test]
        fn it_reads_and_refuses_what_serde_json_does(value in any_json(), pretty: bool, cut: proptest::sample::Index) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            if !text.contains(RESERVED) {
                prop_assert_eq!(parsed(&text).to_value(), value);
            }
            let mut broken: Vec<char> = text.chars().collect();
            broken.remove(cut.index(broken.len()));
            let broken: String = broken.into_iter().collect();
            let theirs = serde_json::from_str::<Value>(&broken).is_ok();
            prop_assert_eq!(read(&broken, &Limits::default()).is_ok(), theirs, "{}", broken);
        }
    }
}
