//! Where each statement of a script stands in its text.
//!
//! Owns the arithmetic of offsets. SQLite tells the end of a statement; nothing is
//! split here.

use super::text::skip_blank;
use crate::diagnostics::position::Position;
use crate::schema::tokens::tokens;
use rusqlite::Statement;
use std::path::Path;

/// A statement longer than this, in bytes, is not copied to find out where it ends.
const LONG: usize = 1 << 20;

/// The place of the current statement in a script.
pub(crate) struct Place<'a> {
    pub path: &'a Path,
    /// The whole script, NUL-terminated.
    pub sql: &'a str,
    /// Where the text of the current statement begins and ends.
    pub start: usize,
    pub end: usize,
}

impl Place<'_> {
    /// Moves on to `statement`. Texts follow each other without a gap, so that
    /// its length is all there is to find out, and SQLite tells its text.
    pub(crate) fn advance(&mut self, statement: &Statement<'_>) {
        let rest = &self.sql[self.end..];
        let semicolon = rest.find(';').map_or(rest.len(), |index| index + 1);
        self.start = self.end;
        if semicolon > LONG
            && let Some(length) = length_of_long(rest)
        {
            self.end += length;
            return;
        }
        let text = statement.expanded_sql().unwrap_or_default();
        if let Some(length) = source_length(rest, &text) {
            self.end += length;
        } else if let Some(offset) = rest.find(&text) {
            self.start += offset;
            self.end = self.start + text.len();
        }
    }

    /// The text of the current statement.
    pub(crate) fn text(&self) -> &str {
        &self.sql[self.start..self.end.max(self.start)]
    }

    /// The byte where the current statement's first token begins.
    pub(crate) fn first_token(&self) -> usize {
        let rest = &self.sql[self.start..];
        self.start + skip_blank(rest, true).unwrap_or(rest.len())
    }

    pub(crate) fn position(&self, offset: usize) -> Position {
        Position::new(self.path, self.sql, offset)
    }

    /// The place of the current statement.
    pub(crate) fn here(&self) -> Position {
        self.position(self.first_token())
    }
}

/// The length of a statement that is not worth a copy of megabytes: up to the semicolon
/// that is none of a string, a name or a comment. `None` of a trigger, which has more of
/// them.
fn length_of_long(rest: &str) -> Option<usize> {
    let mut tokens = tokens(rest).peekable();
    let blank = ["explain", "query", "plan", "create", "temp", "temporary"];
    while tokens
        .next_if(|token| blank.iter().any(|word| token.is_word(word)))
        .is_some()
    {}
    if tokens.peek().is_some_and(|token| token.is_word("trigger")) {
        return None;
    }
    let semicolon = tokens.find(|token| token.text == ";");
    let end = semicolon.map(|token| token.text.as_ptr() as usize - rest.as_ptr() as usize + 1);
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
            ("; SELECT 1;", Some(1)),
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
