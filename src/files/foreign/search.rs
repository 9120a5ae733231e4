//! The search for lines of other tools in a script that is pending.
//!
//! Owns where in a text such a line counts, and what refuses a script that has one. Reads a
//! script in pieces: memory does not grow with it.

use crate::diagnostics::position::Position;
use crate::diagnostics::problem::Finding;
use crate::files::foreign::Tool;
use crate::files::foreign::marker::{
    Annotation, WITH_ANNOTATIONS, annotation, is_other_way_back, is_word,
};
use crate::files::migration::Migration;
use crate::files::pieces::Pieces;
use std::io::{self, BufRead};

/// How much of a line is looked at.
const LINE: usize = 200;

/// Where in the text the search is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Code,
    /// After a `-` that may begin a comment.
    Dash,
    /// After a `/` that may begin a comment.
    Slash,
    LineComment,
    BlockComment,
    /// After a `*` that may end a comment.
    Star,
    /// In a string or a quoted name that ends with this byte.
    Quoted(u8),
}

/// A search through a text for lines of other tools and for statements.
#[derive(Debug)]
pub(crate) struct Search {
    place: Place,
    /// The number of lines before this one.
    line: usize,
    /// Whether only a comment stands on this line so far.
    is_own_line: bool,
    /// The comment that is being read, if it has the line to itself.
    comment: Vec<u8>,
    /// The last byte that is part of a statement.
    last: Option<u8>,
    /// Whether a statement was seen after the way back, or at all.
    statement: bool,
    saw_up: bool,
    /// The tool whose annotation stands in the text.
    pub tool: Option<Tool>,
    /// The line that marks the way back: its number from 1, itself, and whose it is.
    way_back: Option<(usize, String, Option<Tool>)>,
}

impl Search {
    pub(crate) fn new() -> Self {
        Self {
            place: Place::Code,
            line: 0,
            is_own_line: true,
            comment: Vec::new(),
            last: None,
            statement: false,
            saw_up: false,
            tool: None,
            way_back: None,
        }
    }

    /// Goes on with the next piece of the text.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.step(byte);
        }
    }

    fn step(&mut self, byte: u8) {
        self.place = match (self.place, byte) {
            (Place::Code, b'-') => Place::Dash,
            (Place::Code, b'/') => Place::Slash,
            (Place::Dash, b'-') => {
                self.comment.clear();
                self.comment.extend_from_slice(b"--");
                Place::LineComment
            }
            (Place::Slash, b'*') => {
                self.is_own_line = false;
                Place::BlockComment
            }
            (Place::Code, _) => self.code(byte),
            (Place::Dash, _) => {
                self.significant(b'-');
                self.code(byte)
            }
            (Place::Slash, _) => {
                self.significant(b'/');
                self.code(byte)
            }
            (Place::LineComment, b'\n') => {
                self.end_of_comment();
                Place::Code
            }
            (Place::LineComment, _) => {
                if self.is_own_line && self.comment.len() < LINE {
                    self.comment.push(byte);
                }
                Place::LineComment
            }
            (Place::BlockComment | Place::Star, b'*') => Place::Star,
            (Place::Star, b'/') => Place::Code,
            (Place::BlockComment | Place::Star, _) => Place::BlockComment,
            (Place::Quoted(end), _) if byte == end => Place::Code,
            (Place::Quoted(end), _) => Place::Quoted(end),
        };
        if byte == b'\n' {
            self.line += 1;
            self.is_own_line = self.place == Place::Code;
        }
    }

    /// A byte outside of comments and quotes.
    fn code(&mut self, byte: u8) -> Place {
        match byte {
            b'-' => return Place::Dash,
            b'/' => return Place::Slash,
            b' ' | b'\t' | b'\r' | b'\n' | 0x0C => return Place::Code,
            _ => self.significant(byte),
        }
        match byte {
            b'\'' | b'"' | b'`' => Place::Quoted(byte),
            b'[' => Place::Quoted(b']'),
            _ => Place::Code,
        }
    }

    fn significant(&mut self, byte: u8) {
        self.is_own_line = false;
        self.last = Some(byte);
        self.statement |= byte != b';';
    }

    fn end_of_comment(&mut self) {
        if !self.is_own_line || self.has_found() {
            return;
        }
        let line = String::from_utf8_lossy(&self.comment).into_owned();
        let line = line.trim_end();
        let mut is_way_back = is_other_way_back(line) || (self.saw_up && is_word(line, "down"));
        let mut of = None;
        for tool in WITH_ANNOTATIONS {
            match annotation(tool, line) {
                Some(Annotation::Down(_)) => {
                    (is_way_back, of) = (true, Some(tool));
                    self.tool = self.tool.or(Some(tool));
                }
                Some(Annotation::Up(_)) => self.tool = self.tool.or(Some(tool)),
                _ => {}
            }
        }
        self.saw_up |= is_word(line, "up");
        if is_way_back && self.way_back.is_none() {
            self.way_back = Some((self.line + 1, line.to_owned(), of));
            self.statement = false;
        }
    }

    /// Whether a way back was found that holds statements: nothing more is needed.
    fn has_found(&self) -> bool {
        self.way_back.is_some() && self.statement
    }

    /// Whether the text holds a statement.
    pub(crate) fn has_statement(&self) -> bool {
        self.statement
    }

    /// Whether the last statement of the text has its semicolon, or there is none.
    pub(crate) fn is_ended(&self) -> bool {
        self.last.is_none_or(|byte| byte == b';') && self.place != Place::Dash
    }
}

/// A search that has gone through all of `text`.
pub(crate) fn searched(text: &str) -> Search {
    let mut search = Search::new();
    search.feed(text.as_bytes());
    if search.place == Place::LineComment {
        search.end_of_comment();
    }
    search
}

/// What a pending script shows of another tool.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The tool whose annotations it has.
    pub tool: Option<Tool>,
    /// Why it may not be run: it holds its way back.
    pub refusal: Option<Finding>,
}

/// Whether a comment line could be an annotation of any tool.
fn is_candidate(line: &[u8]) -> bool {
    // Nearly all others are told by how they begin.
    let first = line.iter().find(|byte| !matches!(byte, b'-' | 0..=b' '));
    let begins = first.is_some_and(|first| b"m/=!dD".contains(first) || *first >= 0x80);
    if !begins && !line.contains(&b'+') {
        return false;
    }
    let Some(line) = std::str::from_utf8(line).ok().map(str::trim) else {
        return false;
    };
    let says = |tool: &Tool| {
        let found = annotation(*tool, line);
        matches!(found, Some(Annotation::Up(_) | Annotation::Down(_)))
    };
    WITH_ANNOTATIONS.iter().any(says) || is_other_way_back(line) || is_word(line, "down")
}

/// Whether a piece of a script has a line that could be an annotation. This looks at the
/// beginnings of lines only, which is many times faster than to tell comments from
/// strings; a line that is cut off by the end of the piece could be anything.
fn has_candidate(piece: &[u8], mut is_line_start: bool) -> io::Result<bool> {
    let is_cut_off = !piece.ends_with(b"\n");
    let mut rest = piece;
    while !rest.is_empty() {
        if is_line_start {
            // Blank lines are passed over at once.
            rest = rest.trim_ascii_start();
            if is_cut_off && (rest.is_empty() || rest == b"-") {
                return Ok(true);
            }
            if rest.starts_with(b"--") {
                let mut lines = rest.split(|byte| *byte == b'\n');
                let is_it = lines.next().is_some_and(is_candidate);
                if is_it || (is_cut_off && lines.next().is_none()) {
                    return Ok(true);
                }
            }
        }
        rest.skip_until(b'\n')?;
        is_line_start = true;
    }
    Ok(false)
}

/// Looks through a pending script, in pieces, by way of `buffer`.
///
/// # Errors
///
/// What the system says if it cannot be read.
pub(crate) fn look_through(migration: &Migration, buffer: &mut Vec<u8>) -> io::Result<Seen> {
    let mut search = Search::new();
    if let Some(text) = &migration.embedded {
        search.feed(text.as_bytes());
    } else {
        let mut is_line_start = true;
        let mut has_any = false;
        Pieces::open(&migration.path)?.0.each(buffer, |piece| {
            has_any = has_any || has_candidate(piece, is_line_start)?;
            is_line_start = piece.ends_with(b"\n");
            Ok(())
        })?;
        if !has_any {
            return Ok(Seen::default());
        }
        Pieces::open(&migration.path)?.0.each(buffer, |piece| {
            search.feed(piece);
            Ok(())
        })?;
    }
    let refusal = match &search.way_back {
        Some((line, text, tool)) if search.statement => {
            let position = Position::of_line(&migration.path, *line, text);
            let import = match tool {
                Some(tool) => format!(
                    ", or bring the folder over with `litemigrate import` ({} made it)",
                    tool.form().name
                ),
                None => String::new(),
            };
            let message = format!(
                "what follows `{text}` is the way back, and would be run as part of the way forward: move it into {}.down.sql{import}",
                migration.short_name()
            );
            Some(Finding::at("way-back", position, message))
        }
        _ => None,
    };
    Ok(Seen {
        tool: search.tool,
        refusal,
    })
}

#[cfg(test)]
mod tests {
    use super::{has_candidate, searched};

    #[test]
    fn a_way_back_counts_only_with_a_statement_after_it() {
        for (text, found) in [
            ("A;\n-- migrate:down\nDROP TABLE t;\n", true),
            ("A;\r\n-- +goose Down\r\nDROP TABLE t;\r\n", true),
            ("A;\n  -- +goose Down\nB", true),
            ("-- +migrate Down\nB", true),
            ("A;\n-- //@UNDO\nB;", true),
            ("A;\n-- ==== DOWN ====\nB;", true),
            ("A;\n-- !Downs\nB;", true),
            ("A;\n-- +micrate Down\nB;", true),
            ("A;\n-- rambler down\nB;", true),
            ("A;\n-- Down Migration\nB;", true),
            ("A;\n-- after a down migration\nB;", false),
            ("-- Up\nA;\n-- Down\nB;", true),
            ("A;\n-- Down\nB;", false),
            ("A;\n-- migrate:down\n", false),
            ("A;\n-- migrate:down", false),
            ("A;\n-- migrate:down\n -- nothing\n/* to\ndo */ ;\n", false),
            ("INSERT INTO t VALUES ('\n-- migrate:down\n'); B;", false),
            ("/*\n-- migrate:down\n*/ B;", false),
            ("A; -- migrate:down\nB;", false),
            (
                "SELECT 1 - 2 / 3, \"-- x\", [--], `--`;\n-- +goose Up\nB;",
                false,
            ),
        ] {
            let search = searched(text);
            assert_eq!(
                search.way_back.is_some() && search.statement,
                found,
                "{text}"
            );
        }
    }

    #[test]
    fn only_lines_that_could_be_annotations_are_looked_at_closely() {
        for (piece, at_start, found) in [
            ("INSERT INTO t VALUES ('-- x');\n", true, false),
            ("-- a comment\nSELECT 1;\n", true, false),
            ("SELECT 1;\n  -- +goose Down\nSELECT 1;\n", true, true),
            ("-- migrate:down\n", false, false),
            ("SELECT 1;\n-- migr", true, true),
            ("SELECT 1;\n  ", true, true),
            ("SELECT 1;\n-", true, true),
            ("SELECT 1;\n\n", true, false),
            ("SELECT 1;\nS", true, false),
        ] {
            let seen = has_candidate(piece.as_bytes(), at_start).unwrap();
            assert_eq!(seen, found, "{piece}");
        }
    }

    #[test]
    fn a_statement_has_its_end_or_not() {
        for (text, ended) in [
            ("A;", true),
            ("A; -- x", true),
            ("A -- ;", false),
            ("A ';'", false),
            ("", true),
            ("A; /* x", true),
            ("A", false),
        ] {
            assert_eq!(searched(text).is_ended(), ended, "{text}");
        }
    }
}
