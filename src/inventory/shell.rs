//! A shell script → its commands, and whether a failure of each ends the script with an error.
//!
//! In: what `CodeBuild` gives the shell at once: one element of `commands`. Out: the commands that are looked for. It
//! exists because the exit code of such a script is that of its last command: what fails before is forgotten, unless
//! `set -e`, `&&` or somebody who asks for `$?` remembers it. POSIX says when, in "Shell Command Language".

use super::deploy_command::stands_before_a_program;
use super::shell_piece::{Ending, Fate, Found, Piece};
use super::shell_token::{Token, substituted, tokens};

/// Options that hold for everything that the shell runs later.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shell {
    /// `set -e`
    pub(super) ends_at_once: bool,
    /// `set -o pipefail`
    pub(super) pipes_fail: bool,
    /// `trap … ERR`, or something that was not read: nobody knows what follows a failure.
    pub(super) is_obscure: bool,
}

/// Tells whether a command is looked for, and whether what it finds is a failure.
pub(super) type Look<T> = fn(&str) -> Option<(T, bool)>;

/// Deeper scripts in scripts are not followed.
const DEEPEST: usize = 40;

/// What is looked for in a script, and whether its failure ends it with an error; `None` where that cannot be told.
pub(super) fn failures<T>(script: &str, shell: &mut Shell, look: Look<T>) -> Vec<(T, Option<bool>)> {
    let piece = Reader::new(script, 0, shell, look).list(&[]);
    let both = |found: Found<T>| {
        let stops = found.stops();
        (found.what, stops)
    };
    piece.found.into_iter().map(both).collect()
}

struct Reader<'a, T> {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    shell: &'a mut Shell,
    look: Look<T>,
    /// The last place where somebody asks how the command before ended.
    last_question: Option<usize>,
    /// The last place where somebody waits for what runs beside.
    last_wait: Option<usize>,
}

impl<'a, T> Reader<'a, T> {
    fn new(script: &str, depth: usize, shell: &'a mut Shell, look: Look<T>) -> Self {
        let tokens = tokens(script);
        let last = |holds: fn(&str) -> bool| {
            tokens.iter().rposition(|token| if let Token::Word(word) = token { holds(word) } else { false })
        };
        let last_question = last(|word| ["$?", "${?", "PIPESTATUS"].iter().any(|asks| word.contains(asks)));
        let last_wait = last(|word| word == "wait");
        Self { tokens, at: 0, depth, shell, look, last_question, last_wait }
    }

    /// The next token: a word as it is, a sign as it is written.
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(|token| match token {
            Token::Word(word) => word.as_str(),
            Token::Sign(sign) => *sign,
        })
    }

    fn is_sign(&self, wanted: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Sign(sign)) if *sign == wanted)
    }

    fn is_word(&self) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Word(_)))
    }

    /// Steps over it, if it is next.
    fn takes(&mut self, wanted: &str) -> bool {
        let is_next = self.peek() == Some(wanted);
        self.at += usize::from(is_next);
        is_next
    }

    /// Steps over everything before one of these.
    fn skip_to(&mut self, wanted: &[&str]) {
        while self.peek().is_some_and(|next| !wanted.contains(&next)) {
            self.at += 1;
        }
    }

    fn skip_lines(&mut self) {
        while self.is_sign("\n") {
            self.at += 1;
        }
    }

    /// Commands one after the other, up to one of these words or signs.
    fn list(&mut self, ends: &[&str]) -> Piece<T> {
        let mut all = Piece::new(Ending::Succeeds);
        let mut is_first = true;
        let mut settled = 0;
        loop {
            while self.takes(";") || self.takes("\n") || self.takes("&") {}
            if self.peek().is_none_or(|next| ends.contains(&next)) {
                return all;
            }
            let start = self.at;
            let mut next = self.chain();
            if self.at == start {
                self.at += 1;
                continue;
            }
            let is_asked = self.last_question.is_some_and(|question| question >= start);
            let later = if is_asked { Fate::Unknown } else { Fate::Forgotten };
            for found in all.found.iter_mut().skip(settled) {
                found.fate = if matches!(found.fate, Fate::Fails { .. }) { later } else { found.fate };
            }
            settled = all.found.len();
            if self.is_sign("&") {
                next.run_beside(self.last_wait.is_some_and(|wait| wait > self.at));
            } else if self.shell.ends_at_once {
                next.abort();
            }
            all.ending = match (all.ending, next.ending) {
                (_, ending) if is_first => ending,
                (Ending::ExitsWell | Ending::ExitsBadly | Ending::ExitsAsBefore, _) => all.ending,
                (Ending::Succeeds, Ending::ExitsAsBefore) => Ending::ExitsWell,
                (Ending::Fails, Ending::ExitsAsBefore) => Ending::ExitsBadly,
                (_, Ending::ExitsAsBefore) => Ending::Unknown,
                (_, ending) => ending,
            };
            is_first = false;
            all.found.extend(next.found);
        }
    }

    fn chain(&mut self) -> Piece<T> {
        let mut all = self.pipeline();
        loop {
            let is_and = self.takes("&&");
            if !is_and && !self.takes("||") {
                return all;
            }
            self.skip_lines();
            let next = self.pipeline();
            if is_and { all.and(next) } else { all.or(next) }
        }
    }

    fn pipeline(&mut self) -> Piece<T> {
        let mut is_negated = false;
        while self.takes("!") {
            is_negated = true;
        }
        let options = *self.shell;
        let mut all = self.command();
        // Each part of a pipe runs in a shell of its own, the last one too.
        while self.takes("|") || self.takes("|&") {
            self.skip_lines();
            all.feed(options.pipes_fail, !self.passes_on());
            *self.shell = options;
            let mut next = self.command();
            next.enclose();
            *self.shell = options;
            all.found.extend(next.found);
            all.ending = Ending::Unknown;
        }
        if is_negated {
            all.doubt();
        }
        all
    }

    /// Whether the next command only stores or shows what it reads.
    fn passes_on(&self) -> bool {
        let mut words = self.tokens.iter().skip(self.at).map_while(|token| match token {
            Token::Word(word) => Some(word.as_str()),
            Token::Sign(_) => None,
        });
        let program = words.find(|word| !stands_before_a_program(word)).and_then(|word| word.rsplit('/').next());
        program.is_some_and(|program| ["tee", "cat", "sort", "head", "tail", "less"].contains(&program))
    }

    fn command(&mut self) -> Piece<T> {
        if self.depth >= DEEPEST {
            let mut piece = Piece::new(Ending::Unknown);
            while self.is_word() {
                let words = self.words();
                piece.or_maybe(self.simple(&words));
            }
            piece.doubt();
            return piece;
        }
        self.depth += 1;
        let opening = self.peek().filter(|next| OPENINGS.contains(next)).map(str::to_owned);
        let piece = if let Some(opening) = opening {
            self.at += 1;
            let piece = self.compound(&opening);
            // Where its input and output go.
            while self.is_word() {
                self.at += 1;
            }
            piece
        } else {
            self.simple_or_function()
        };
        self.depth -= 1;
        piece
    }

    fn compound(&mut self, opening: &str) -> Piece<T> {
        match opening {
            "if" => self.branches(),
            "case" => self.cases(),
            "while" | "until" => {
                let mut condition = self.list(&["do"]);
                condition.doubt();
                condition.or_maybe(self.body());
                condition
            }
            "for" | "select" => {
                self.skip_to(&["do"]);
                self.body()
            }
            "(" => {
                let options = *self.shell;
                let mut list = self.list(&[")"]);
                *self.shell = options;
                self.takes(")");
                list.enclose();
                list
            }
            "{" => {
                let list = self.list(&["}"]);
                self.takes("}");
                list
            }
            // `function name`: its body runs where it is called.
            _ => {
                self.at += 1;
                self.function()
            }
        }
    }

    fn branches(&mut self) -> Piece<T> {
        let mut all = Piece::new(Ending::Unknown);
        loop {
            let mut condition = self.list(&["then"]);
            condition.doubt();
            all.or_maybe(condition);
            self.takes("then");
            all.or_maybe(self.list(&["elif", "else", "fi"]));
            if !self.takes("elif") {
                break;
            }
        }
        if self.takes("else") {
            all.or_maybe(self.list(&["fi"]));
        }
        self.takes("fi");
        all
    }

    fn cases(&mut self) -> Piece<T> {
        let mut all = Piece::new(Ending::Unknown);
        self.skip_to(&["in"]);
        self.at += 1;
        loop {
            while self.takes("\n") || self.takes(";;") || self.takes(";&") || self.takes(";;&") {}
            if self.takes("esac") || self.peek().is_none() {
                return all;
            }
            self.skip_to(&[")"]);
            self.at += 1;
            all.or_maybe(self.list(&[";;", ";&", ";;&", "esac"]));
        }
    }

    fn body(&mut self) -> Piece<T> {
        self.takes("do");
        let mut list = self.list(&["done"]);
        self.takes("done");
        list.repeat();
        list
    }

    fn function(&mut self) -> Piece<T> {
        while self.takes("(") || self.takes(")") || self.takes("\n") {}
        let mut body = self.command();
        body.doubt();
        body
    }

    fn simple_or_function(&mut self) -> Piece<T> {
        let words = self.words();
        if words.len() == 1 && self.is_sign("(") { self.function() } else { self.simple(&words) }
    }

    /// The words of a command; in `[[ … ]]`, signs are words.
    fn words(&mut self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut in_test = false;
        while let Some(next) = self.peek() {
            if !(self.is_word() || in_test) {
                break;
            }
            in_test = if words.is_empty() { next == "[[" } else { in_test && next != "]]" };
            words.push(next.to_owned());
            self.at += 1;
        }
        words
    }

    fn simple(&mut self, words: &[String]) -> Piece<T> {
        self.set_options(words);
        let mut piece = Piece::new(ending(words));
        if let Some((script, ends_at_once)) = inner_script(words) {
            piece.found = self.inner(&script, ends_at_once).found;
            return piece;
        }
        if let Some((found, fails)) = (self.look)(&words.join(" ")) {
            let fate = if fails { Fate::Fails { excused: false } } else { Fate::Forgotten };
            piece.found.push(Found { what: found, fate, is_read: false });
        }
        // `X=$(scan)` fails with the scan, `echo $(scan)` does not.
        let only_assigns = words.iter().all(|word| stands_before_a_program(word) && word.contains('='));
        let program = words.iter().find(|word| !stands_before_a_program(word)).map(String::as_str);
        let only_prints = matches!(program, Some("echo" | "printf"));
        for script in words.iter().flat_map(|word| substituted(word)) {
            let mut inner = self.inner(script, false);
            if !only_assigns {
                inner.each(|fate| if fate == Fate::Unknown { fate } else { Fate::Forgotten });
            }
            // `test -z "$(scan)"` decides by the output, and what is kept in `X` can be asked later.
            if !only_prints {
                inner.be_read();
            }
            piece.found.extend(inner.found);
        }
        if self.shell.is_obscure {
            piece.each(|_| Fate::Unknown);
        }
        piece
    }

    /// A script that a shell of its own runs.
    fn inner(&mut self, script: &str, ends_at_once: bool) -> Piece<T> {
        if self.depth >= DEEPEST {
            return Piece::new(Ending::Unknown);
        }
        let mut shell = Shell { ends_at_once, ..*self.shell };
        let mut piece = Reader::new(script, self.depth + 1, &mut shell, self.look).list(&[]);
        piece.enclose();
        piece
    }

    fn set_options(&mut self, words: &[String]) {
        let first = words.first().map(String::as_str);
        if first == Some("trap") && words.iter().any(|word| word.trim_matches(['"', '\'']) == "ERR") {
            self.shell.is_obscure = true;
        }
        if first != Some("set") {
            return;
        }
        let mut turns_on = true;
        for option in words.iter().skip(1) {
            let letters = option.strip_prefix(['-', '+']);
            turns_on = if letters.is_some() { option.starts_with('-') } else { turns_on };
            if option == "errexit" || letters.is_some_and(|letters| letters.contains('e')) {
                self.shell.ends_at_once = turns_on;
            }
        }
    }
}

/// Words and signs that open a part of a script.
const OPENINGS: [&str; 9] = ["(", "{", "case", "for", "function", "if", "select", "until", "while"];

/// How a command ends, where its name says it.
fn ending(words: &[String]) -> Ending {
    let words: Vec<&str> = words.iter().map(|word| word.trim_matches(['"', '\''])).collect();
    match words.as_slice() {
        ["true" | ":" | "echo" | "printf", ..] => Ending::Succeeds,
        ["false", ..] => Ending::Fails,
        ["exit" | "return"] | ["exit" | "return", "$?", ..] => Ending::ExitsAsBefore,
        ["exit" | "return", code, ..] => match code.parse::<i64>() {
            Ok(0) => Ending::ExitsWell,
            Ok(_) => Ending::ExitsBadly,
            Err(_) => Ending::Unknown,
        },
        _ => Ending::Unknown,
    }
}

/// The script in `bash -ec 'script'`, and whether that shell ends at once.
fn inner_script(words: &[String]) -> Option<(String, bool)> {
    let shell =
        words.iter().position(|word| matches!(word.rsplit('/').next(), Some("bash" | "sh" | "dash" | "zsh")))?;
    let (before, rest) = words.split_at(shell);
    if !before.iter().all(|word| stands_before_a_program(word)) {
        return None;
    }
    let mut ends_at_once = false;
    let mut rest = rest.iter().skip(1);
    while let Some(word) = rest.next() {
        let letters = word.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
        ends_at_once |= word == "errexit" || letters.is_some_and(|letters| letters.contains('e'));
        if letters.is_some_and(|letters| letters.contains('c')) {
            return rest.next().map(|script| (without_quotes(script), ends_at_once));
        }
        if !word.starts_with('-') && !matches!(word.as_str(), "errexit" | "pipefail") {
            return None;
        }
    }
    None
}

fn without_quotes(word: &str) -> String {
    for quote in ['\'', '"'] {
        let inner = word.strip_prefix(quote).and_then(|inner| inner.strip_suffix(quote));
        if let Some(inner) = inner {
            return if quote == '"' { inner.replace("\\\"", "\"") } else { inner.to_owned() };
        }
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(command: &str) -> Option<((), bool)> {
        command.starts_with("scan").then_some(((), true))
    }

    fn read(script: &str) -> Vec<Option<bool>> {
        failures(script, &mut Shell::default(), scan).into_iter().map(|((), stops)| stops).collect()
    }

    #[test]
    fn the_last_command_decides() {
        assert_eq!(read("scan a; scan b"), [Some(false), Some(true)]);
        assert_eq!(read("scan a && scan b"), [Some(true), Some(true)]);
        assert_eq!(read("scan a || scan b"), [None, Some(true)]);
        assert_eq!(read("scan a | tee log | scan b"), [None, Some(true)]);
        assert_eq!(read("f() { scan; }\nf"), [None]);
        assert_eq!(read("{ scan; } > log 2>&1"), [Some(true)]);
        assert_eq!(read("[[ -f x && -f y ]] && scan"), [Some(true)]);
        assert_eq!(read("{ set -e; scan; echo; } || true"), [None]);
        assert_eq!(read("(set -e; scan; echo); echo"), [Some(false)]);
        assert_eq!(read("set -e\nset +e\nscan\necho"), [Some(false)]);
        assert_eq!(read("find . | while read x; do scan $x || exit 1; done\necho done"), [Some(false)]);
        assert_eq!(read("find . | while read x; do scan $x || exit 1; done"), [Some(true)]);
        assert_eq!(read("cat x | { scan || exit 1; }; echo done"), [Some(false)]);
        assert_eq!(read("{ scan || exit 1; } | cat; echo done"), [Some(false)]);
        assert_eq!(read("echo | { set -e; cat; }\nscan\necho done"), [Some(false)]);
        assert_eq!(read("{ set -e; cat x; } | cat\nscan\necho done"), [Some(false)]);
        assert_eq!(read("set -e\n(cd app && scan && echo ok)\necho done"), [Some(true)]);
        assert_eq!(read("set -e\ncd app && scan && echo ok\necho done"), [Some(false)]);
    }

    #[test]
    fn what_reads_the_output_may_decide() {
        assert_eq!(read("scan | tee log"), [Some(false)]);
        assert_eq!(read("scan | sudo /usr/bin/tee log | head"), [Some(false)]);
        for reader in ["jq -e .x", "grep x", "awk 1", "xargs test", "while read x; do exit 1; done", "tee log | jq"] {
            assert_eq!(read(&format!("scan | {reader}")), [None], "{reader}");
        }
        let mut shell = Shell { pipes_fail: true, ..Shell::default() };
        let found: Vec<_> = failures("scan | jq .x", &mut shell, scan).into_iter().map(|((), stops)| stops).collect();
        assert_eq!(found, [Some(true)]);
        assert_eq!(read("echo $(scan)"), [Some(false)]);
        assert_eq!(read("test -z \"$(scan)\""), [None]);
        assert_eq!(read("[ $(echo $(scan) | wc -l) = 0 ]"), [None]);
        assert_eq!(read("R=$(scan)"), [Some(true)]);
        assert_eq!(read("R=$(scan)\necho $R"), [None]);
        assert_eq!(read("R=$(scan || true)\necho $R"), [None]);
        assert_eq!(read("R=$(scan) || true\necho $R"), [None]);
        assert_eq!(read("set -e\nR=$(scan)\necho $R"), [Some(true)]);
    }

    #[test]
    fn a_trap_for_errors_may_do_anything() {
        assert_eq!(read("scan a\ntrap 'exit 1' ERR\nscan b\necho"), [Some(false), None]);
        assert_eq!(read("trap 'rm x' EXIT\nscan\necho"), [Some(false)]);
        assert_eq!(read("(trap 'exit 1' ERR)\nscan\necho"), [Some(false)]);
    }

    #[test]
    fn long_scripts_are_read_to_their_end() {
        assert!(read(&format!("[[ {}", "a ".repeat(100_000))).is_empty());
        assert!(read(&"${".repeat(100_000)).is_empty());
        assert!(read(&format!("\"{}", "${".repeat(100_000))).is_empty());
        assert!(read(&"'a'".repeat(70_000)).is_empty());
        assert_eq!(read(&format!("[[ {}]]\nscan", "a ".repeat(100_000))), [Some(true)]);
    }

    #[test]
    fn what_is_no_shell_is_read_to_its_end() {
        for script in ["", ";;", "|| &&", "if", "if scan", "case x in", "for", "while do", "(", "function", "[[ ("] {
            read(script);
        }
        assert_eq!(read("; ) scan"), [Some(true)]);
    }
}
