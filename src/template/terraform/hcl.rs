//! Where blocks and attributes stand in a `.tf` file.
//!
//! In: the text. Out: its blocks with their lines. This reads structure alone: names, labels, braces, strings, heredocs
//! and comments; expressions are skipped, not understood. It never fails: what it does not recognise it steps over.

use crate::inventory::{Position, Span};

/// What stands between braces, or in a whole file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) attributes: Vec<Written>,
    pub(super) blocks: Vec<Block>,
}

/// An attribute and its expression as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) expression: String,
}

/// `resource "aws_codepipeline" "web" {`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) kind: String,
    pub(super) labels: Vec<String>,
    /// Of the header.
    pub(super) span: Span,
    pub(super) body: Body,
}

/// Blocks inside each other beyond this are not read.
const DEPTH: usize = 64;

impl Body {
    /// The structure of a file.
    pub(super) fn read(text: &str) -> Self {
        Scanner { bytes: text.as_bytes(), text, at: 0, line: 1, line_start: 0 }.body(0)
    }

    /// An attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&Written> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// The blocks that make values of an attribute, `dynamic` ones by what they hold.
    pub(super) fn blocks_of(&self, name: &str) -> Vec<(bool, Span, &Body)> {
        let of = |block: &'_ Block| block.kind == "dynamic" && block.labels.first().is_some_and(|label| label == name);
        self.blocks
            .iter()
            .filter_map(|block| {
                if block.kind == name {
                    return Some((false, block.span, &block.body));
                }
                let content = of(block).then(|| block.body.blocks.iter().find(|inner| inner.kind == "content"));
                content.map(|content| (true, block.span, content.map_or(&block.body, |content| &content.body)))
            })
            .collect()
    }
}

impl Written {
    /// The text, if the expression is nothing else.
    pub(super) fn literal(&self) -> Option<&str> {
        let inner = self.expression.trim().strip_prefix('"')?.strip_suffix('"')?;
        (!inner.contains(['"', '$', '\\'])).then_some(inner)
    }

    /// The references in the expression, as a plan would list them.
    pub(super) fn references(&self) -> Vec<String> {
        references(&self.expression)
    }
}

struct Scanner<'t> {
    bytes: &'t [u8],
    text: &'t str,
    at: usize,
    line: u32,
    line_start: usize,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || byte >= 0x80
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next_is(&self, word: &[u8]) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word))
    }

    fn step(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        if byte == b'\n' {
            self.line = self.line.saturating_add(1);
            self.line_start = self.at;
        }
        Some(byte)
    }

    fn position(&self) -> Position {
        // Columns of endless lines are counted in bytes, so that they cost nothing.
        let bytes = self.at.saturating_sub(self.line_start);
        let near = Some(bytes).filter(|bytes| *bytes < 1000).and_then(|_| self.text.get(self.line_start..self.at));
        let column = near.map_or(bytes, |before| before.chars().count());
        Position { line: self.line, column: u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1) }
    }

    fn skip_line(&mut self) {
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.step();
        }
    }

    fn skip_comment(&mut self) -> bool {
        if self.next_is(b"#") || self.next_is(b"//") {
            self.skip_line();
        } else if self.next_is(b"/*") {
            self.at += 2;
            while self.peek().is_some() && !self.next_is(b"*/") {
                self.step();
            }
            self.at = (self.at + 2).min(self.bytes.len());
        } else {
            return false;
        }
        true
    }

    fn skip_space(&mut self, lines: bool) {
        loop {
            match self.peek() {
                Some(b'\n') if !lines => return,
                Some(byte) if byte.is_ascii_whitespace() => {
                    self.step();
                }
                Some(_) if self.skip_comment() => {}
                _ => return,
            }
        }
    }

    fn word(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(is_word) {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default().to_owned()
    }

    fn body(&mut self, depth: usize) -> Body {
        let mut body = Body::default();
        loop {
            self.skip_space(true);
            match self.peek() {
                None => return body,
                Some(b'}') => {
                    self.step();
                    return body;
                }
                Some(byte) if is_word(byte) => self.entry(&mut body, depth),
                Some(_) => {
                    self.value();
                }
            }
        }
    }

    fn entry(&mut self, body: &mut Body, depth: usize) {
        let start = self.position();
        let name = self.word();
        self.skip_space(false);
        if self.peek() == Some(b'=') && !self.next_is(b"==") {
            self.step();
            self.skip_space(false);
            let from = self.at;
            let end = self.value();
            let expression = self.text.get(from..end).unwrap_or_default().trim_end().to_owned();
            body.attributes.push(Written { name, span: Span { start, end: self.position() }, expression });
            return;
        }
        let mut labels = Vec::new();
        loop {
            self.skip_space(false);
            match self.peek() {
                Some(b'"') => {
                    let from = self.at + 1;
                    self.string();
                    labels.push(self.text.get(from..self.at.saturating_sub(1)).unwrap_or_default().to_owned());
                }
                Some(byte) if is_word(byte) => labels.push(self.word()),
                Some(b'{') => {
                    let span = Span { start, end: self.position() };
                    self.step();
                    if depth >= DEPTH {
                        self.at = self.bytes.len();
                        return;
                    }
                    let inner = self.body(depth + 1);
                    body.blocks.push(Block { kind: name, labels, span, body: inner });
                    return;
                }
                _ => {
                    self.value();
                    return;
                }
            }
        }
    }

    /// Steps over an expression, to the end of its line or to the brace that closes the block; where it ends without
    /// the comment behind it.
    fn value(&mut self) -> usize {
        let mut open = 0_usize;
        let begin = self.at;
        let mut end = begin;
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' if open == 0 => return end,
                b'"' => self.string(),
                b'<' if self.next_is(b"<<") => self.heredoc(),
                b'(' | b'[' | b'{' => {
                    open += 1;
                    self.step();
                }
                b'}' if open == 0 => {
                    // A stray brace must not be looked at for ever.
                    if self.at == begin {
                        self.step();
                    }
                    return end;
                }
                b')' | b']' | b'}' => {
                    open = open.saturating_sub(1);
                    self.step();
                }
                _ => {
                    if self.skip_comment() {
                        continue;
                    }
                    self.step();
                }
            }
            end = self.at;
        }
        end
    }

    /// Steps over a string with all that is interpolated in it.
    fn string(&mut self) {
        // The open strings (true) and interpolations (false).
        let mut open = vec![true];
        self.step();
        while let Some(in_string) = open.last().copied() {
            let Some(byte) = self.step() else { return };
            match (in_string, byte) {
                (true, b'\\') => {
                    self.step();
                }
                (true, b'"') | (false, b'}') => {
                    open.pop();
                }
                (true, b'$' | b'%') if self.peek() == Some(b'{') => {
                    self.step();
                    open.push(false);
                }
                (true, b'\n') => return,
                (false, b'"') => open.push(true),
                (false, b'{') => open.push(false),
                _ => {}
            }
        }
    }

    fn heredoc(&mut self) {
        self.at += 2;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let tag = self.word();
        if tag.is_empty() {
            return;
        }
        self.skip_line();
        while self.peek().is_some() {
            self.step();
            let from = self.at;
            self.skip_line();
            if self.text.get(from..self.at).is_some_and(|line| line.trim() == tag) {
                return;
            }
        }
    }
}

/// Everything of the form `a.b…` that stands outside of strings or in their interpolations.
fn references(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut literal: Vec<bool> = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((at, character)) = rest.next() {
        let in_string = literal.last() == Some(&true);
        match character {
            '\\' if in_string => {
                rest.next();
            }
            '"' if in_string => {
                literal.pop();
            }
            '"' => literal.push(true),
            '$' | '%' if in_string && rest.next_if(|(_, next)| *next == '{').is_some() => literal.push(false),
            '{' if !in_string && !literal.is_empty() => literal.push(false),
            '}' if literal.last() == Some(&false) => {
                literal.pop();
            }
            _ if in_string => {}
            first if first.is_ascii_alphabetic() || first == '_' => {
                let mut end = at + first.len_utf8();
                let mut bracket = false;
                while let Some((here, next)) = rest.next_if(|(_, next)| {
                    bracket && *next != '\n' || next.is_ascii_alphanumeric() || matches!(next, '_' | '-' | '.' | '[')
                }) {
                    bracket = match next {
                        '[' => true,
                        ']' => false,
                        _ => bracket,
                    };
                    end = here + next.len_utf8();
                }
                let one = text.get(at..end).unwrap_or_default().trim_end_matches('.');
                // What is called is no reference, and neither is the key of an object.
                let called = rest.peek().is_some_and(|(_, next)| *next == '(');
                if one.contains('.') && !called && found.len() < 64 {
                    found.push(one.replace(".*", "").replace("[*]", ""));
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"# resource "aws_s3_bucket" "commented" {}
locals {
  key = var.own ? aws_kms_key.a[0].arn : "${module.k.arn}-x" // local.no
}
/* resource "x" "y" { */
resource "aws_codepipeline" "web" {
  name = "a { b" # }
  policy = <<-EOT
    resource "in" "heredoc" {
  EOT
  stage {
    name = "Source"
    action { name = "x" }
  }
  dynamic "stage" {
    for_each = { a = 1 }
    content {
      name = stage.key
    }
  }
}
resource "aws_s3_bucket" "b" {}
"#;

    #[test]
    fn blocks_are_found_and_what_looks_like_them_is_not() {
        let body = Body::read(FILE);
        let found: Vec<(String, u32)> =
            body.blocks.iter().map(|block| (block.labels.join("."), block.span.start.line)).collect();
        let expected = [("", 2), ("aws_codepipeline.web", 6), ("aws_s3_bucket.b", 22)];
        assert_eq!(found, expected.map(|(name, line)| (name.to_owned(), line)));
        let web = &body.blocks[1].body;
        assert_eq!(web.attribute("name").unwrap().literal(), Some("a { b"));
        let stages = web.blocks_of("stage");
        assert_eq!(
            stages.iter().map(|(dynamic, at, _)| (*dynamic, at.start.line)).collect::<Vec<_>>(),
            [(false, 11), (true, 15)]
        );
        assert_eq!(stages[0].2.blocks_of("action")[0].1.start.line, 13);
        let key = body.blocks[0].body.attribute("key").unwrap();
        assert_eq!(key.references(), ["var.own", "aws_kms_key.a[0].arn", "module.k.arn"]);
    }

    #[test]
    fn odd_text_ends() {
        for text in [
            "", "}", "}}}", "a {", "a = \"${", "a = <<", "a = <<X", "\"", "{", "a \"b", "é = {", "/*", "a = {{{{",
            "= = =",
        ] {
            let _ = Body::read(text);
        }
        let _ = Body::read(&"a {".repeat(10_000));
        let _ = references("a.b[\"x\"].c ${ \" a. .. [");
    }
}
