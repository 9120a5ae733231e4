//! Where each statement of a script stands in its text.
//!
//! Owns the arithmetic of offsets. SQLite tells the end of a statement; nothing is
//! split here.

use super::text::{blank_length, skip_blank, table};
use super::window::Window;
use crate::diagnostics::error::{Error, sqlite_message};
use crate::diagnostics::position::{CONTEXT, Origin, Position, floor};
use crate::schema::tokens::tokens;
use rusqlite::Statement;
use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

/// A statement longer than this, in bytes, is not copied to find out where it ends.
const LONG: usize = 1 << 20;

/// The place of the current statement in a script.
pub(super) struct Place<'a> {
    pub path: &'a Path,
    pub window: Window<'a>,
    /// Where the text of the current statement begins and ends, in the window.
    pub start: usize,
    pub end: usize,
    /// Where the statement that was run last begins.
    last: usize,
    /// Up to where lines were counted, so that places one after the other cost no more
    /// than one.
    counted: Cell<(usize, Origin)>,
}

impl<'a> Place<'a> {
    pub(super) fn new(path: &'a Path, window: Window<'a>) -> Self {
        Self {
            path,
            window,
            start: 0,
            end: 0,
            last: 0,
            counted: Cell::default(),
        }
    }

    /// What is at hand of the script, and NUL.
    pub(super) fn sql(&self) -> &str {
        self.window.text()
    }

    /// Reads on, because what is next does not end in what is at hand.
    pub(super) fn read_on(&mut self) -> Result<(), Error> {
        let end = self.end;
        let read = self.window.read_on(end);
        self.counted.set((0, self.window.origin()));
        let cut = read?;
        self.start = self.start.saturating_sub(cut);
        self.end -= cut;
        // What is given up is ended.
        self.last = if self.last < cut { end } else { self.last } - cut;
        Ok(())
    }

    /// Nothing but comments and white space is at hand: passes over those that have ended.
    pub(super) fn pass_over_blank(&mut self) {
        let rest = &self.sql()[self.end..self.window.length()];
        self.end += blank_length(rest);
    }

    /// Whether all of the next statement may be at hand.
    pub(super) fn may_have_next(&self) -> bool {
        self.window.has_end_after(self.end)
    }

    /// Whether the current statement was ended by its own semicolon, and is followed by
    /// enough to show where it stands.
    pub(super) fn is_whole(&self) -> bool {
        self.window.is_complete() || self.end + CONTEXT <= self.window.length()
    }

    /// Whether more text could make another error of this one, or none, of the next
    /// statement.
    pub(super) fn is_cut_off(&self, error: &rusqlite::Error) -> bool {
        if self.window.is_complete() {
            return false;
        }
        let rest = &self.sql()[self.end..self.window.length()];
        // A word in the wrong place is wrong whatever follows; of anything else all of the
        // statement is to be seen.
        let message = sqlite_message(error);
        let at = match error {
            _ if message.contains("incomplete input") => None,
            rusqlite::Error::SqlInputError { offset, .. } if message.contains("syntax error") => {
                usize::try_from(*offset).ok()
            }
            _ => {
                let begins = skip_blank(rest, true).unwrap_or(rest.len());
                let mut tokens = tokens(&rest[begins..]);
                tokens
                    .find(|token| token.text == ";")
                    .map(|_| rest.len() - tokens.rest().len())
            }
        };
        at.is_none_or(|at| at + CONTEXT > rest.len())
    }

    /// The statement is about to run.
    pub(super) fn note_last(&mut self) {
        self.last = self.start;
    }

    /// Where the last statement begins; what follows the statements, if that is not at
    /// hand any more.
    pub(super) fn last(&self) -> usize {
        self.last
    }

    /// Moves on to `statement`. Texts follow each other without a gap, so that
    /// its length is all there is to find out, and SQLite tells its text. False if it does
    /// not fit: no statement may be run then, because it could be run twice.
    pub(super) fn advance(&mut self, statement: &Statement<'_>) -> bool {
        let text = Rc::clone(self.window.text());
        let rest = &text[self.end..];
        self.start = self.end;
        let length = match plain_length(rest) {
            Some(length) => {
                debug_assert_eq!(Some(length), told_length(rest, statement));
                Some(length)
            }
            None => told_length(rest, statement),
        };
        self.end += length.unwrap_or_default();
        length.is_some()
    }

    /// The text of the current statement.
    pub(super) fn text(&self) -> &str {
        &self.sql()[self.start..self.end.max(self.start)]
    }

    /// The byte where the current statement's first token begins.
    pub(super) fn first_token(&self) -> usize {
        let rest = &self.sql()[self.start..];
        self.start + skip_blank(rest, true).unwrap_or(rest.len())
    }

    pub(super) fn position(&self, offset: usize) -> Position {
        let sql = self.sql();
        let from = floor(sql, offset.saturating_sub(CONTEXT));
        let (mut counted, mut origin) = self.counted.get();
        if counted > from {
            (counted, origin) = (0, self.window.origin());
        }
        origin.pass_over(&sql[counted..from]);
        self.counted.set((from, origin));
        Position::within(self.path, &sql[from..], offset - from, origin)
    }

    /// The place of the current statement.
    pub(super) fn here(&self) -> Position {
        self.position(self.first_token())
    }
}

/// What is looked at where a statement's end is searched for.
const STOPS: [bool; 256] = table(b";'\"`[-/$@#:?\0");

/// The length of a statement as its quotes and comments tell it. `None` of what may hold
/// semicolons elsewhere, as a trigger and some parameters do, and of the last one.
fn plain_length(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut at = skip_blank(rest, true)?;
    // CREATE and EXPLAIN.
    if matches!(bytes[at], b'c' | b'C' | b'e' | b'E') {
        return None;
    }
    loop {
        at += bytes[at..].iter().position(|b| STOPS[usize::from(*b)])?;
        let until = |end: u8| bytes[at + 1..].iter().position(|b| *b == end);
        at += match bytes[at] {
            b';' => return Some(at + 1),
            b'[' => until(b']')? + 2,
            quote @ (b'\'' | b'"' | b'`') => until(quote)? + 2,
            b'-' if bytes.get(at + 1) == Some(&b'-') => until(b'\n')? + 2,
            b'/' if bytes.get(at + 1) == Some(&b'*') => rest[at + 2..].find("*/")? + 4,
            b'-' | b'/' => 1,
            _ => return None,
        };
    }
}

/// The length of a statement as SQLite tells it.
fn told_length(rest: &str, statement: &Statement<'_>) -> Option<usize> {
    let semicolon = rest.find(';').map_or(rest.len(), |index| index + 1);
    if semicolon > LONG
        && let Some(length) = length_of_long(rest)
    {
        return Some(length);
    }
    source_length(rest, &statement.expanded_sql().unwrap_or_default())
}

/// The length of a statement that is not worth a copy of megabytes: up to the semicolon
/// that is none of a string, a name or a comment. `None` of a trigger, which has more of
/// them.
fn length_of_long(rest: &str) -> Option<usize> {
    let mut tokens = tokens(rest).peekable();
    // An empty statement belongs to the one that follows it.
    while tokens.next_if(|token| token.text == ";").is_some() {}
    let blank = ["explain", "query", "plan", "create", "temp", "temporary"];
    while tokens
        .next_if(|token| blank.iter().any(|word| token.is_word(word)))
        .is_some()
    {}
    if tokens.peek().is_some_and(|token| token.is_word("trigger")) {
        return None;
    }
    let semicolon = tokens.find(|token| token.text == ";");
    let end = semicolon.map(|token| token.at(rest) + 1);
    Some(end.unwrap_or(rest.len()))
}

/// The length of the text in `source` that SQLite tells as `expanded`: the same,
/// except that each parameter is NULL in it. `None` if it is another text.
fn source_length(source: &str, expanded: &str) -> Option<usize> {
    if source.starts_with(expanded) {
        return Some(expanded.len());
    }
    let (source, mut rest) = (source.as_bytes(), expanded.as_bytes());
    let mut at = 0;
    while let Some((&byte, after)) = rest.split_first() {
        if source.get(at) == Some(&byte) {
            (at, rest) = (at + 1, after);
            continue;
        }
        rest = rest.strip_prefix(b"NULL")?;
        let is_name: fn(&u8) -> bool = match source.get(at)? {
            b'?' => u8::is_ascii_digit,
            b':' | b'@' | b'$' | b'#' => {
                |byte| byte.is_ascii_alphanumeric() || b"_$:".contains(byte) || *byte >= 0x80
            }
            _ => return None,
        };
        at += 1;
        at += source[at..].iter().take_while(|byte| is_name(byte)).count();
        // As in Tcl: `$name(index)`.
        if source[at - 1] != b'?' && source.get(at) == Some(&b'(') {
            let length = source[at..].iter().position(|byte| *byte == b')')?;
            at += length + 1;
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::{length_of_long, source_length};

    #[test]
    fn a_long_statement_ends_at_its_own_semicolon() {
        for (text, expected) in [
            ("INSERT INTO t VALUES ('a;b'); SELECT 1", Some(29)),
            ("SELECT \"a;\" /* ; */ -- ;\n; x", Some(26)),
            ("; /* a */; SELECT 1;", Some(20)),
            ("SELECT 1", Some(8)),
            ("EXPLAIN CREATE TEMP TRIGGER t AFTER", None),
            ("CREATE TABLE trigger_happy (x); y", Some(31)),
        ] {
            assert_eq!(length_of_long(text), expected, "{text}");
        }
    }

    #[test]
    fn parameters_are_skipped_whatever_they_are_called() {
        for (source, expanded) in [
            ("SELECT ?;", "SELECT NULL;"),
            (
                "SELECT ?12, NULL, :a_b, @é, $x::y, #1;",
                "SELECT NULL, NULL, NULL, NULL, NULL, NULL;",
            ),
            (
                "SELECT '?', \":p\", ?1||'NULL';",
                "SELECT '?', \":p\", NULL||'NULL';",
            ),
            ("SELECT 1;", "SELECT 1;"),
            (
                "SELECT $a(b), $a::b(c d), @x(y);",
                "SELECT NULL, NULL, NULL;",
            ),
        ] {
            let text = format!("{source} SELECT more");
            assert_eq!(
                source_length(&text, expanded),
                Some(source.len()),
                "{source}"
            );
        }
        assert_eq!(source_length("SELECT 1;", "SELECT 2;"), None);
        assert_eq!(source_length("SELECT", "SELECT 2;"), None);
    }
}
