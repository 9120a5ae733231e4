//! A place in a file, with the line it is on and a caret below it.
//!
//! Owns the arithmetic of lines, columns and carets, which exists nowhere else.
//! Never reads a file: it is made from text that was just run or checked.

use crate::diagnostics::text::{escape, push_source, width};
use std::fmt;
use std::path::{Path, PathBuf};

/// The widest piece of a source line that an excerpt shows, in columns.
const EXCERPT_COLUMNS: usize = 100;

/// How many bytes around a place are enough to show it, in a piece of a file.
pub(crate) const CONTEXT: usize = 1024;

/// A place in a text file: 1-based line, 1-based column counted in characters
/// (a leading byte order mark is not one), and the line itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file, as it was named by the caller.
    pub path: PathBuf,
    /// The line, from 1; lines end at LF.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The part of the line around the column, safe to print, and what stands
    /// before the caret: as wide as the line's part up to the column.
    excerpt: Box<(String, String)>,
}

/// The last place up to `offset` that is between two characters.
pub(crate) fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// Where a piece of a file begins in it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Origin {
    /// How many lines end before it.
    lines: usize,
    /// How many characters of its first line stand before it.
    columns: usize,
    /// It is not the file's beginning.
    is_later: bool,
}

/// How many lines end in a text. Eight bytes at a time, because our own code is built for
/// size, and this goes over every byte of a long script.
fn newlines(bytes: &[u8]) -> usize {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    const NEWLINES: u64 = 0x0A0A_0A0A_0A0A_0A0A;
    let mut words = bytes.chunks_exact(8);
    let mut count = 0;
    for word in &mut words {
        let word: [u8; 8] = word.try_into().unwrap_or_default();
        let differs = u64::from_ne_bytes(word) ^ NEWLINES;
        // The high bit of each byte that is zero, and of no other.
        let zero = !(((differs & LOW) + LOW) | differs | LOW);
        if zero != 0 {
            count += zero.count_ones() as usize;
        }
    }
    let rest = words.remainder().iter();
    count + rest.filter(|byte| **byte == b'\n').count()
}

impl Origin {
    /// What follows `text`, a piece that begins here.
    pub(crate) fn pass_over(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let text = match self.is_later {
            false => text.strip_prefix('\u{FEFF}').unwrap_or(text),
            true => text,
        };
        self.is_later = true;
        match text.rfind('\n') {
            Some(newline) => {
                self.lines += newlines(text.as_bytes());
                self.columns = text[newline + 1..].chars().count();
            }
            None => self.columns += text.chars().count(),
        }
    }
}

impl Position {
    /// The place of the byte `offset` of `text`, the content of `path`.
    ///
    /// An offset that is past the end or inside a character is moved back to
    /// the nearest place there is.
    #[must_use]
    pub fn new(path: &Path, text: &str, offset: usize) -> Self {
        Self::within(path, text, offset, Origin::default())
    }

    /// The same of a piece of the file. Around the offset it has a kilobyte, if the file
    /// has.
    pub(crate) fn within(path: &Path, text: &str, offset: usize, origin: Origin) -> Self {
        let text = text.strip_suffix('\0').unwrap_or(text);
        let offset = floor(text, offset);
        let has_bom = !origin.is_later && text.starts_with('\u{FEFF}');
        let bom = if has_bom { 3 } else { 0 };
        let offset = offset.max(bom);
        let newline = text[..offset].rfind('\n');
        let start = newline.map_or(bom, |newline| newline + 1);
        let before = newline.map_or(origin.columns, |_| 0);
        let rest = &text[start..];
        let line_text = rest.find('\n').map_or(rest, |end| &rest[..end]);
        let line_text = line_text.strip_suffix('\r').unwrap_or(line_text);
        let excerpt = excerpt(line_text, (offset - start).min(line_text.len()), before > 0);
        Self {
            path: path.to_owned(),
            line: origin.lines + text[..start].matches('\n').count() + 1,
            column: before + text[start..offset].chars().count() + 1,
            excerpt: Box::new(excerpt),
        }
    }

    /// The beginning of a line of the file `path` that is at hand without the others.
    #[must_use]
    pub(crate) fn of_line(path: &Path, line: usize, text: &str) -> Self {
        Self {
            line,
            ..Self::new(path, text, 0)
        }
    }

    /// The two lines that show the place:
    ///
    /// ```text
    ///    12 | SELECT nosuch FROM orders;
    ///       |        ^
    /// ```
    #[must_use]
    pub fn excerpt(&self) -> [String; 2] {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len().max(5));
        let (line, indent) = &*self.excerpt;
        [
            format!("{number:>5} | {line}"),
            format!("{margin} | {indent}^"),
        ]
    }
}

/// `path:line:column`, as compilers print it.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string_lossy();
        write!(f, "{}:{}:{}", escape(&path), self.line, self.column)
    }
}

/// The window of `line` around the byte `at`, and what is as wide as its part
/// before `at`. A line that fits is shown whole, unless it `is_cut` already.
fn excerpt(line: &str, at: usize, is_cut: bool) -> (String, String) {
    let mut start = 0;
    let is_far = line[..at].chars().count() > EXCERPT_COLUMNS / 2;
    if is_cut || (is_far && line.chars().count() > EXCERPT_COLUMNS) {
        start = line[..at]
            .char_indices()
            .rev()
            .nth(EXCERPT_COLUMNS / 2)
            .map_or(0, |(index, _)| index);
    }
    let (mut shown, mut indent) = if start > 0 {
        (String::from("…"), String::from(" "))
    } else {
        (String::new(), String::new())
    };
    let mut columns = 0;
    for (index, c) in line[start..].char_indices() {
        if columns >= EXCERPT_COLUMNS {
            shown.push('…');
            break;
        }
        let before = shown.len();
        push_source(&mut shown, c);
        let added: usize = shown[before..].chars().map(width).sum();
        columns += added;
        if start + index < at {
            if c == '\t' {
                indent.push(c);
            } else {
                indent.extend(std::iter::repeat_n(' ', added));
            }
        }
    }
    (shown, indent)
}

#[cfg(test)]
mod tests {
    use super::Position;
    use crate::diagnostics::text::width;
    use std::path::Path;

    fn at(text: &str, needle: &str) -> (usize, usize, [String; 2]) {
        let offset = text.find(needle).unwrap();
        let position = Position::new(Path::new("x.sql"), text, offset);
        (position.line, position.column, position.excerpt())
    }

    #[test]
    fn the_caret_stands_below_its_character() {
        let prefixes = [
            "",
            "a",
            "\t",
            "日本 ",
            "é\t😀",
            "e\u{301} ",
            "\u{202E}\x07",
            "\u{FEFF}",
            "\r",
        ];
        for first in prefixes {
            for second in prefixes {
                for ending in ["", "\n", "\r\n", ";\nmore\n"] {
                    let text = format!("{first}{second}X{ending}");
                    let (_, column, [line, caret]) = at(&text, "X");
                    let expected = text.trim_start_matches('\u{FEFF}');
                    let before = expected.split('X').next().unwrap();
                    if !text.starts_with("\u{FEFF}\u{FEFF}") {
                        assert_eq!(column, before.chars().count() + 1, "{text:?}");
                    }
                    let columns = |s: &str| {
                        s.chars()
                            .map(|c| if c == '\t' { 100 } else { width(c) })
                            .sum::<usize>()
                    };
                    let shown = line.split('X').next().unwrap();
                    assert_eq!(
                        columns(shown),
                        columns(caret.trim_end_matches('^')),
                        "{text:?}\n{line}\n{caret}"
                    );
                }
            }
        }
    }

    #[test]
    fn newlines_are_counted_eight_at_a_time() {
        for text in [
            "",
            "\n",
            "a\n\n\nb",
            "\u{8A}\n\x0b\n12345\n\n\n\n\n\n\n\n\n",
            "1234567\n1234567\n8",
        ] {
            assert_eq!(
                super::newlines(text.as_bytes()),
                text.matches('\n').count(),
                "{text:?}"
            );
        }
    }

    #[test]
    fn lines_are_counted_and_long_lines_are_cut() {
        let text = format!("one\r\ntwo\n{}X{}\n", "y".repeat(1000), "z".repeat(1000));
        let (line, column, [shown, caret]) = at(&text, "X");
        assert_eq!((line, column), (3, 1001));
        assert!(shown.chars().count() < 120, "{shown}");
        let place = caret.chars().position(|c| c == '^').unwrap();
        assert_eq!(shown.chars().nth(place), Some('X'));
    }

    #[test]
    fn every_offset_of_a_nasty_text_is_a_position() {
        let text = "\u{FEFF}a\r\n😀\té\n\n\u{301}\0";
        for offset in 0..text.len() + 3 {
            let position = Position::new(Path::new("x"), text, offset);
            assert!(position.line >= 1 && position.column >= 1);
            assert_eq!(position.excerpt().len(), 2);
        }
    }
}
