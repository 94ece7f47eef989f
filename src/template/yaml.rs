//! YAML → tree.
//!
//! In: the text of one YAML document. Out: its tree, tags kept, aliases and merge keys expanded. It drives
//! `saphyr-parser`'s events itself, because no YAML value type keeps tags and places both.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span as Marked, Tag};

use super::advice;
use super::document::{Limits, Read, SyntaxError, holds};
use super::hole::RESERVED;
use super::node::{Entry, Node, Tree};
use super::oddity::Oddities;
use super::scalar;
use crate::inventory::{Position, Span};

/// Types of YAML itself.
const CORE: &str = "tag:yaml.org,2002:";

/// Characters that end a line for YAML 1.1, which `CloudFormation` reads, and not for 1.2, which is read here.
const BREAKS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// Reads one document.
pub(super) fn read(text: &str, limits: &Limits) -> Read {
    let limits = limits.of_yaml();
    acceptable(text, &limits)?;
    let mut builder = Builder {
        limits: &limits,
        stack: Vec::new(),
        root: None,
        anchors: BTreeMap::new(),
        nodes: 0,
        bytes: 0,
        documents: 0,
        oddities: Oddities::default(),
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) =
            event.map_err(|error| SyntaxError::new(Some(position(*error.marker())), advice::of_yaml(error.info())))?;
        if matches!(event, Event::StreamEnd) {
            break;
        }
        builder.take(event, span_of(span))?;
    }
    let nothing = Node::new(Tree::Null, Span::default());
    Ok((builder.root.unwrap_or(nothing), builder.oddities.finish()))
}

/// Refuses what the parser would need much memory for, or would read in another way than a deployment does.
fn acceptable(text: &str, limits: &Limits) -> Result<(), SyntaxError> {
    if text.len() > Limits::YAML_BYTES {
        let most = Limits::YAML_BYTES >> 20;
        let message =
            format!("YAML of more than {most} MiB is not read (CloudFormation takes 1 MB); check it in smaller parts");
        return Err(SyntaxError::limit(None, message));
    }
    // The parser holds a list in brackets as tokens until it ends, and these are what makes many of them.
    let signs = text.bytes().filter(|byte| matches!(byte, b',' | b':' | b'[' | b'{')).count();
    if signs > limits.nodes {
        return Err(SyntaxError::limit(None, limits.too_many()));
    }
    if holds(text, &BREAKS) {
        let at = text.find(BREAKS).unwrap_or_default();
        let before = text.get(..at).unwrap_or_default();
        let code = text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, u32::from);
        let message = format!(
            "U+{code:04X} stands here, an invisible line break that programs read differently; remove it, or write it as `\\u{code:04x}` in double quotes"
        );
        return Err(SyntaxError::limit(Some(super::encoding::end_of(before)), message));
    }
    Ok(())
}

fn position(marker: Marker) -> Position {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Position { line: count(marker.line()), column: count(marker.col()).saturating_add(1) }
}

fn span_of(span: Marked) -> Span {
    Span { start: position(span.start), end: position(span.end) }
}

/// A key that waits for its value.
struct Key {
    text: String,
    span: Span,
    /// Whether it is YAML 1.1's `<<`.
    merges: bool,
}

/// A mapping or sequence that is not closed yet.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<Key>,
    /// What `<<` brings in.
    merged: Vec<Node>,
    /// Where its last value ends.
    end: Position,
}

/// What a value costs each time it is used again.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

struct Builder<'l> {
    limits: &'l Limits,
    stack: Vec<Open>,
    root: Option<Node>,
    anchors: BTreeMap<usize, (Node, Size)>,
    nodes: usize,
    /// Of text that stands in the tree more often than in the file.
    bytes: usize,
    documents: usize,
    oddities: Oddities,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), SyntaxError> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "a second YAML document begins here, and only one is read; give each its own file";
                    return Err(SyntaxError::limit(Some(span.start), message.to_owned()));
                }
            }
            Event::Scalar(value, style, anchor, tag) => {
                self.count(Size { nodes: 1, ..Size::default() }, span)?;
                self.scalar(value, style, anchor, Kind::of(tag), span)?;
            }
            Event::SequenceStart(anchor, tag) => self.open(Tree::List(Vec::new()), span, anchor, tag)?,
            Event::MappingStart(anchor, tag) => self.open(Tree::Map(Vec::new()), span, anchor, tag)?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.stack.pop() {
                    let anchor = open.anchor;
                    let node = self.closed(open, span)?;
                    self.put(node, anchor)?;
                }
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    let message = "the alias stands inside of what its anchor names, so it would never end";
                    return Err(SyntaxError::new(Some(span.start), message.to_owned()));
                };
                let (size, node) = (*size, Node { span, ..node.clone() });
                self.count(size, span)?;
                if self.stack.len() + size.depth > self.limits.depth {
                    return Err(SyntaxError::limit(Some(span.start), self.limits.too_deep()));
                }
                self.put(node, 0)?;
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        value: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        kind: Kind,
        span: Span,
    ) -> Result<(), SyntaxError> {
        let plain = style == ScalarStyle::Plain;
        let mut text = value.into_owned();
        // The file has none of them, but an escape can write one.
        if style == ScalarStyle::DoubleQuoted && text.contains(RESERVED) {
            text = text.replace(RESERVED, "\u{FFFD}");
        }
        let awaits_key = self.stack.last().is_some_and(|open| open.node.is_map() && open.key.is_none());
        if awaits_key && anchor == 0 {
            let merges = text == "<<" && (plain && kind == Kind::Untagged || kind == Kind::Core("merge"));
            self.key(Key { text, span, merges });
            return Ok(());
        }
        let (tree, tag) = match kind {
            Kind::Untagged if plain => (scalar::plain(text), None),
            Kind::Core("int" | "float" | "bool" | "null") => (scalar::plain(text), None),
            Kind::Untagged | Kind::Core(_) => (Tree::String(text), None),
            Kind::Named(tag) => (Tree::String(text), Some(tag)),
        };
        self.put(Node { tree, span, tag }, anchor)
    }

    fn key(&mut self, key: Key) {
        if let Some(open) = self.stack.last_mut() {
            open.end = key.span.end;
            open.key = Some(key);
        }
    }

    fn count(&mut self, more: Size, span: Span) -> Result<(), SyntaxError> {
        self.nodes = self.nodes.saturating_add(more.nodes);
        self.bytes = self.bytes.saturating_add(more.bytes);
        if self.nodes > self.limits.nodes || self.bytes > self.limits.bytes {
            return Err(SyntaxError::limit(Some(span.start), self.limits.too_many()));
        }
        Ok(())
    }

    fn open(&mut self, tree: Tree, span: Span, anchor: usize, tag: Option<Cow<'_, Tag>>) -> Result<(), SyntaxError> {
        self.count(Size { nodes: 1, ..Size::default() }, span)?;
        if self.stack.len() >= self.limits.depth {
            return Err(SyntaxError::limit(Some(span.start), self.limits.too_deep()));
        }
        let tag = if let Kind::Named(tag) = Kind::of(tag) { Some(tag) } else { None };
        self.stack.push(Open {
            node: Node { tree, span, tag },
            anchor,
            key: None,
            merged: Vec::new(),
            end: span.start,
        });
        Ok(())
    }

    fn closed(&mut self, mut open: Open, span: Span) -> Result<Node, SyntaxError> {
        // A block has no end of its own: the parser ends it where the next thing begins.
        let bracket = span.start.line == span.end.line && span.start.column < span.end.column;
        open.node.span.end = if bracket && span.start >= open.end { span.end } else { open.end };
        if let Tree::Map(entries) = &mut open.node.tree {
            self.oddities.repeated(entries);
            if !open.merged.is_empty() {
                merge(entries, open.merged)?;
            }
        }
        Ok(open.node)
    }

    fn put(&mut self, node: Node, anchor: usize) -> Result<(), SyntaxError> {
        if anchor != 0 {
            let size = size(&node);
            self.count(size, node.span)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.end = open.end.max(node.span.end);
        match (&mut open.node.tree, open.key.take()) {
            (Tree::Map(_), Some(key)) if key.merges => open.merged.push(node),
            (Tree::Map(entries), Some(key)) => {
                entries.push(Entry { key: key.text, key_span: key.span, value: node });
            }
            (Tree::Map(_), None) => {
                let Some(text) = node.scalar().or_else(|| node.is_null().then(String::new)) else {
                    let message = "a mapping or list cannot be a key; quote it if it is meant as text".to_owned();
                    return Err(SyntaxError::new(Some(node.span.start), message));
                };
                open.key = Some(Key { text, span: node.span, merges: false });
            }
            (Tree::List(items), _) => items.push(node),
            _ => {}
        }
        Ok(())
    }
}

/// Brings in what `<<` names: a mapping's own keys win over it, and the first of several mappings over the rest.
fn merge(entries: &mut Vec<Entry>, merged: Vec<Node>) -> Result<(), SyntaxError> {
    let mut from: Vec<Entry> = Vec::new();
    // Like PyYAML: of several `<<`, the last one wins.
    for node in merged.into_iter().rev() {
        let wrong = "`<<` takes a mapping or a list of mappings";
        let refused = |node: &Node| SyntaxError::new(Some(node.span.start), wrong.to_owned());
        match (node.tree, node.tag) {
            (Tree::Map(entries), None) => from.extend(entries),
            (Tree::List(items), None) => {
                for item in items {
                    let error = refused(&item);
                    let (Tree::Map(entries), None) = (item.tree, item.tag) else { return Err(error) };
                    from.extend(entries);
                }
            }
            _ => return Err(SyntaxError::new(Some(node.span.start), wrong.to_owned())),
        }
    }
    let mut known: std::collections::BTreeSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
    from.retain(|entry| known.insert(entry.key.clone()));
    from.append(entries);
    *entries = from;
    Ok(())
}

fn size(node: &Node) -> Size {
    let mut size = Size { nodes: 1, bytes: 0, depth: 0 };
    let mut add = |below: Size| {
        size.nodes += below.nodes;
        size.bytes += below.bytes;
        size.depth = size.depth.max(below.depth + 1);
    };
    match &node.tree {
        Tree::List(items) => items.iter().for_each(|item| add(self::size(item))),
        Tree::Map(entries) => {
            for entry in entries {
                add(self::size(&entry.value));
                add(Size { nodes: 0, bytes: entry.key.len(), depth: 0 });
            }
        }
        Tree::String(text) => size.bytes = text.len(),
        Tree::Null | Tree::Bool(_) | Tree::Number(_) => {}
    }
    size
}

/// What a tag says of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Untagged,
    /// A type of YAML itself: `!!str`.
    Core(&'static str),
    /// `GetAtt` of `!GetAtt`.
    Named(Box<str>),
}

impl Kind {
    fn of(tag: Option<Cow<'_, Tag>>) -> Self {
        let Some(tag) = tag else { return Self::Untagged };
        let full = format!("{}{}", tag.handle, tag.suffix);
        if let Some(core) = full.strip_prefix(CORE) {
            let known = ["int", "float", "bool", "null", "merge"];
            return Self::Core(known.into_iter().find(|known| *known == core).unwrap_or("str"));
        }
        match full.strip_prefix('!').unwrap_or(&full) {
            // `! 12` says that a value is to be left as the text it is.
            "" => Self::Core("str"),
            name => Self::Named(name.into()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::format_push_string, reason = "texts are built as they are read")]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(text: &str) -> Node {
        read(text, &Limits::default()).unwrap_or_else(|error| panic!("{text}: {error:?}")).0
    }

    fn refused(text: &str) -> SyntaxError {
        read(text, &Limits::default()).map(|_| ()).expect_err(text)
    }

    fn at(line: u32, column: u32) -> Position {
        Position { line, column }
    }

    #[test]
    fn every_value_has_the_place_of_its_first_and_behind_its_last_character() {
        let node = parsed(
            "Resources:\n  Pipe:\n    Stages:\n      - Name: Source\n        On: {a: [1, 2]}\n      - é: !Sub 'ü'\n\n  # more\n  Other: x\n",
        );
        let pipe = node.at(&["Resources", "Pipe"]).unwrap();
        assert_eq!(
            node.at(&["Resources"]).unwrap().entry("Pipe").unwrap().key_span,
            Span { start: at(2, 3), end: at(2, 7) }
        );
        assert_eq!(pipe.span, Span { start: at(3, 5), end: at(6, 20) });
        let stages = pipe.get("Stages").unwrap();
        assert_eq!(stages.span, Span { start: at(4, 7), end: at(6, 20) });
        assert_eq!(stages.elements()[0].span, Span { start: at(4, 9), end: at(5, 24) });
        assert_eq!(stages.elements()[0].at(&["On", "a"]).unwrap().span, Span { start: at(5, 17), end: at(5, 23) });
        assert_eq!(stages.elements()[1].entry("é").unwrap().span(), Span { start: at(6, 9), end: at(6, 20) });
        assert_eq!(node.at(&["Resources", "Other"]).unwrap().span, Span { start: at(9, 10), end: at(9, 11) });
    }

    #[test]
    fn merge_keys_bring_in_what_is_not_there() {
        let node = parsed(
            "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\none:\n  <<: *base\n  b: 5\ntwo:\n  <<: [*base, *more]\n  d: 6\nquoted:\n  '<<': x\ntwice:\n  <<: *base\n  <<: *more\n",
        );
        let value = node.to_value();
        assert_eq!(value["one"], json!({"a": 1, "b": 5}));
        assert_eq!(value["two"], json!({"a": 1, "b": 2, "c": 4, "d": 6}));
        assert_eq!(value["quoted"], json!({"<<": "x"}));
        assert_eq!(value["twice"], json!({"a": 1, "b": 3, "c": 4}));
        for wrong in ["a:\n  <<: x\n", "a:\n  <<: [x]\n", "a:\n  <<: !If [b, {c: 1}, {d: 1}]\n", "a:\n  <<:\n"] {
            assert!(refused(wrong).message.contains("`<<` takes"), "{wrong}");
        }
    }

    #[test]
    fn an_alias_stands_where_it_is_written() {
        let node = parsed("a: &x\n  k: 1\nb: *x\n*x : 3\n".replace("*x : 3\n", "").as_str());
        assert_eq!(node.get("b").unwrap().span, Span { start: at(3, 4), end: at(3, 6) });
        assert_eq!(node.at(&["b", "k"]).unwrap().span.start, at(2, 6));
        assert_eq!(parsed("a: &k key\n*k : 1\n").to_value(), json!({"a": "key", "key": 1}));
        assert!(refused("a: &x [*x]\n").message.contains("never end"));
    }

    #[test]
    fn bombs_of_aliases_are_refused_before_they_go_off() {
        let bomb = |first: &str| {
            let mut text = format!("a0: &a0 {first}\n");
            for level in 1..40 {
                let below = format!("*a{}, ", level - 1).repeat(9);
                text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
            }
            text
        };
        assert!(refused(&bomb("[x]")).message.contains("aliases counted"));
        // Few values, but each of them long.
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(200_000), "*a, ".repeat(2_000));
        assert!(refused(&long).message.contains("aliases counted"));
        // Each level may stand in the next one, and so be deeper than it is written.
        let mut deep = format!("a0: &a0 {}x{}\n", "[".repeat(90), "]".repeat(90));
        for level in 1..100 {
            deep.push_str(&format!("a{level}: &a{level} {}*a{}{}\n", "[".repeat(90), level - 1, "]".repeat(90)));
        }
        let error = refused(&deep);
        assert!(error.message.contains("nested") && error.at.is_some_and(|at| at.line == 3), "{error:?}");
        // Anchors inside of anchors are kept once each.
        let nested = format!("{}{}{}", "&a [".repeat(150), "x, ".repeat(20_000), "]".repeat(150));
        assert!(refused(&nested).message.contains("values"));
    }

    #[test]
    fn depth_and_number_of_values_are_limited_before_they_cost() {
        for (text, line) in [
            ("[".repeat(100_000), 1),
            ("{a: ".repeat(100_000), 1),
            ("- ".repeat(100_000), 1),
            ("? ".repeat(100_000), 1),
            ("a: ".to_owned() + &"[".repeat(100_000), 1),
            ((0..1000).map(|depth| " ".repeat(depth) + "a:\n").collect::<String>(), 201),
        ] {
            let error = refused(&text);
            let start: String = text.chars().take(9).collect();
            assert!(error.at.is_some_and(|at| at.line == line), "{start}: {error:?}");
        }
        assert!(refused(&format!("[{}", "0,".repeat(1_000_000))).limit);
        assert!(refused(&"#".repeat(5 << 20)).message.contains("2 MiB"));
    }

    #[test]
    fn tags_are_kept_by_the_name_they_come_to() {
        let node = parsed(
            "%TAG !c! !\n---\na: !Ref x\nb: !<!Ref> x\nc: !c!Ref x\nd: !!str 12\ne: !!int '12'\nf: ! 12\ng: !!bool yes\nh: !Join\n  - ','\n  - [a]\ni: !<tag:yaml.org,2002:str> 1\nj: !GetAtt a.b\n",
        );
        for key in ["a", "b", "c"] {
            assert_eq!(node.get(key).unwrap().tag.as_deref(), Some("Ref"), "{key}");
        }
        assert_eq!(node.get("h").unwrap().tag.as_deref(), Some("Join"));
        let value = node.to_value();
        assert_eq!(value["d"], "12");
        assert_eq!(value["e"], 12);
        assert_eq!(value["f"], "12");
        assert_eq!(value["g"], true);
        assert_eq!(value["i"], "1");
        assert_eq!(value["j"], "a.b");
    }

    #[test]
    fn keys_are_text_as_they_are_written() {
        let node = parsed("Yes: 1\n012345678901: 2\n1.10: 3\n~: 4\n? long\n: 5\n");
        let keys: Vec<&str> = node.entries().iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(keys, ["Yes", "012345678901", "1.10", "~", "long"]);
        assert!(refused("[a]: 1\n").message.contains("cannot be a key"));
        let long = "k".repeat(2000);
        assert_eq!(parsed(&format!("? {long}\n: 1\n")).entries()[0].key, long);
        let (node, notices) = read("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n", &Limits::default()).unwrap();
        assert_eq!(node.to_value(), json!({"a": 3, "b": {"c": 2}}));
        let said: Vec<(u32, bool)> = notices
            .iter()
            .map(|(span, text)| (span.start.line, text.contains("after line 3") || text.contains("after line 1")))
            .collect();
        assert_eq!(said, [(4, true), (5, true)]);
    }

    #[test]
    fn an_escape_cannot_forge_the_mark_of_an_open_value() {
        assert_eq!(parsed("a: \"\\uFDD00\\uFDD1\"\n").get("a").and_then(Node::as_str), Some("\u{FFFD}0\u{FFFD}"));
    }

    #[test]
    fn what_reads_differently_elsewhere_is_refused_with_its_place() {
        let error = refused("a: 1 # note\u{2028}b: 2\n");
        assert!(error.message.contains("U+2028") && error.at == Some(at(1, 12)), "{error:?}");
        let error = refused("a: 1\n---\nb: 2\n");
        assert!(error.message.contains("second YAML document") && error.at == Some(at(2, 1)), "{error:?}");
        assert!(parsed("").is_null() && parsed("# nothing\n").is_null() && parsed("---\n").is_null());
        assert_eq!(parsed("---\r\na: b\r\nc: |\r\n  d\r\n  e\r\n...\r\n").to_value(), json!({"a": "b", "c": "d\ne\n"}));
    }
}
