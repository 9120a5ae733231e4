//! What a script's text says by itself, before SQLite sees it.
//!
//! Owns the comments, strings and names of SQL's text as far as they must be told apart
//! to find its end (sqlite.org/src/file/src/tokenize.c). Knows no grammar.

use crate::diagnostics::position::Position;
use crate::diagnostics::problem::Finding;
use std::path::Path;

/// Where the text goes on after white space and comments, `;` among them if
/// `semicolons_too`; `None` if nothing follows.
pub(crate) fn skip_blank(text: &str, semicolons_too: bool) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        // For each statement, so it is done by bytes.
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0C);
        at += bytes[at..].iter().take_while(|byte| is_blank(byte)).count();
        let rest = &text[at..];
        at += match rest.as_bytes() {
            [b'-', b'-', ..] => rest.find('\n').unwrap_or(rest.len()),
            [b'/', b'*', ..] => rest[2..].find("*/").map_or(rest.len(), |end| end + 4),
            [b';', ..] if semicolons_too => 1,
            [0xEF, 0xBB, 0xBF, ..] => 3,
            [] => return None,
            [0, ..] if rest.trim_start_matches('\0').is_empty() => return None,
            _ => return Some(at),
        };
    }
}

/// How much white space, comments and semicolons a text begins with; a comment that it may
/// not hold to its end is not counted.
pub(crate) fn blank_length(text: &str) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0c', ';']);
        let end = if rest.starts_with("--") {
            rest.find('\n')
        } else {
            let comment = rest.strip_prefix("/*");
            comment.and_then(|comment| comment.find("*/").map(|end| end + 4))
        };
        match end {
            Some(end) => rest = &rest[end..],
            None => return text.len() - rest.len(),
        }
    }
}

/// Which bytes are among these: asked of each byte of a script.
pub(super) const fn table(bytes: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
}

const OPENERS: [bool; 256] = table(b"'\"`[-/");

/// Each comment, string and quoted name of a text that begins between two tokens: where it
/// begins, and how long it is if it ends.
fn closed_tokens(text: &str) -> impl Iterator<Item = (usize, Option<usize>)> {
    let bytes = text.as_bytes();
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let from = next?;
        let found = bytes[from..]
            .iter()
            .position(|b| OPENERS[usize::from(*b)])?;
        let at = from + found;
        let rest = &text[at..];
        let length = if rest.starts_with("--") {
            rest.find('\n')
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.find("*/").map(|end| end + 4)
        } else {
            match bytes[at] {
                // The rest of what they begin may follow.
                b'-' | b'/' => (rest.len() > 1).then_some(1),
                // A doubled quote ends one string and begins another: the same to us.
                b'[' => rest.find(']').map(|end| end + 1),
                quote => rest[1..].find(char::from(quote)).map(|end| end + 2),
            }
        };
        next = length.map(|length| at + length);
        Some((at, length))
    })
}

/// Where a comment, a string or a quoted name begins that does not end in the text, which
/// begins between two tokens.
pub(crate) fn open_token(text: &str) -> Option<usize> {
    let (at, _) = closed_tokens(text).find(|(_, length)| length.is_none())?;
    Some(at)
}

/// Where a comment begins that is never closed and holds more than white space. The text
/// begins between two tokens.
pub(crate) fn unclosed_comment(text: &str) -> Option<usize> {
    let at = open_token(text)?;
    let comment = text[at..].strip_prefix("/*")?;
    let blank = ['\0', ' ', '\n', '\r', '\t'];
    (!comment.trim_matches(blank).is_empty()).then_some(at)
}

/// What a new file holds until somebody writes into it.
pub(crate) const TEMPLATE: &str = "-- Write your migration here\n";

/// What the beginning of a file says about all of it.
pub(crate) fn at_its_head(path: &Path, text: &str) -> Option<Finding> {
    let text = text.trim_end_matches('\0');
    let bare = text.strip_prefix('\u{FEFF}');
    if bare.unwrap_or(text).trim().is_empty() {
        let what = match (text.is_empty(), bare.is_some()) {
            (true, _) => "is empty",
            (false, true) => "holds a byte order mark and nothing else",
            (false, false) => "holds white space and nothing else",
        };
        let message = format!("{what}: is it the file that was meant? It counts as run");
        return Some(Finding::new("empty-script", path, message));
    }
    if text.trim_end() == TEMPLATE.trim_end() {
        let undoes = path.to_string_lossy().ends_with(".down.sql");
        let message = match undoes {
            true => {
                "holds what `litemigrate new` has written and nothing else, so it undoes nothing: write it first"
            }
            false => {
                "holds what `litemigrate new` has written and nothing else: write it first; what is applied now counts as run, and may not be edited"
            }
        };
        return Some(Finding::new("empty-script", path, message));
    }
    if let Some(at) = endless_comment(text) {
        let message = "a line ends in CR alone here, which to SQLite ends no comment: what follows these -- is passed over up to the next LF; save the file with LF or CR LF";
        let position = Position::new(path, text, at);
        return Some(Finding::at("unclosed-comment", position, message));
    }
    let is_comment = |line: &&str| line.trim().is_empty() || line.starts_with("--");
    let mut lines = text.lines().take_while(is_comment).skip(1);
    if let Some(line) = lines.find(|line| line.trim_end() == "-- no-transaction")
        && !text.starts_with("-- no-transaction")
    {
        let at = line.as_ptr() as usize - text.as_ptr() as usize;
        let message = "this counts only as the first bytes of a file: put it there";
        let position = Position::new(path, text, at);
        return Some(Finding::at("hidden-no-transaction", position, message));
    }
    if bare.is_some_and(|bare| bare.starts_with("-- no-transaction")) {
        let message = "the byte order mark before it hides `-- no-transaction`, which counts only as the first bytes of a file: save it without the mark";
        return Some(Finding::at(
            "hidden-no-transaction",
            Position::new(path, text, 0),
            message,
        ));
    }
    None
}

/// Where `--` begins a comment that goes on after a CR without LF, which ends none.
fn endless_comment(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_alone = |at: usize| bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
    (0..bytes.len()).find(|at| is_alone(*at))?;
    let goes_on = |comment: &str| {
        let lines = comment.split_once('\r');
        lines.is_some_and(|(_, after)| !after.trim().is_empty())
    };
    let mut all = closed_tokens(text);
    let (at, _) = all.find(|(at, length)| {
        let comment = &text[*at..length.map_or(text.len(), |length| at + length)];
        comment.starts_with("--") && goes_on(comment)
    })?;
    Some(at)
}

/// That a comment is never closed.
pub(crate) fn never_closed(position: Position) -> Finding {
    let message =
        "this comment is never closed, so all that follows it is passed over: end it with */";
    Finding::at("unclosed-comment", position, message)
}

#[cfg(test)]
mod tests {
    use super::{endless_comment, skip_blank, unclosed_comment};

    #[test]
    fn a_comment_that_only_cr_could_end_is_found() {
        for (text, expected) in [
            ("SELECT 1;\r-- a\rSELECT 2;\r", Some(10)),
            ("-- a\rSELECT 2;", Some(0)),
            ("SELECT 1;\n-- a\rSELECT 2;\nSELECT 3;", Some(10)),
            ("-- a\r\r\nSELECT 2;\r\n", None),
            ("SELECT '--';\rSELECT 2;\r-- end\r \r", None),
            ("SELECT 1; -- a\r\nSELECT 2;", None),
            ("SELECT 1; /* a\r */\rSELECT 2;", None),
        ] {
            assert_eq!(endless_comment(text), expected, "{text}");
        }
    }

    #[test]
    fn only_a_comment_that_is_never_closed_is_found() {
        for (text, expected) in [
            ("SELECT 1; /* open", Some(10)),
            ("SELECT 1 /* open ; CREATE TABLE t (x);", Some(9)),
            ("/* a */ SELECT '/* b'; -- /* c\n/* d", Some(31)),
            ("SELECT \"/*\", [/*], `/*` /* open", Some(24)),
            ("SELECT 'it''s /* in' /*/ open", Some(21)),
            ("SELECT 1 /* closed */;", None),
            ("SELECT 1; /*", None),
            ("SELECT 1; /* \n", None),
            ("SELECT 1; -- /* open", None),
            ("SELECT 1 - 2 / 3 -- x\n;", None),
            ("SELECT '/* open", None),
        ] {
            assert_eq!(unclosed_comment(text), expected, "{text}");
        }
    }

    #[test]
    fn blank_is_what_sqlite_passes_over() {
        assert_eq!(skip_blank(" -- a\n/* b */;x", true), Some(14));
        assert_eq!(skip_blank(" -- a\n/* b */;x", false), Some(13));
        assert_eq!(skip_blank("\u{FEFF} \n-- end\0", true), None);
        assert_eq!(skip_blank("/* open", true), None);
    }
}
