//! Makes foreign text safe to show: control and bidirectional characters are
//! escaped, and columns of a terminal are counted.
//!
//! Owns the rules for what may reach a terminal. Never prints.

use crate::diagnostics::position::floor;
use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

/// Whether a terminal or a log viewer could act on `c` instead of showing it.
fn is_unsafe(c: char) -> bool {
    // What looks like a space and is none to SQLite is part of a name.
    c.is_control()
        || matches!(c, '\u{A0}' | '\u{61C}' | '\u{2000}'..='\u{200F}' | '\u{2028}'..='\u{202F}' | '\u{205F}'..='\u{2069}' | '\u{FEFF}')
}

/// Appends `c` to `out`, escaped as in a Rust string if it is not safe to show.
fn push_shown(out: &mut String, c: char) {
    if is_unsafe(c) {
        out.extend(c.escape_default());
    } else {
        out.push(c);
    }
}

/// `text` with control and bidirectional characters, and spaces that are none to SQLite,
/// escaped (`\n`, `\u{1b}`, `\u{a0}`).
///
/// The same rule serves file names, descriptions and SQLite's messages, all of
/// which can hold what the author of a script or of a database put there.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_unsafe) {
        let mut out = String::with_capacity(text.len() + 8);
        text.chars().for_each(|c| push_shown(&mut out, c));
        Cow::Owned(out)
    } else {
        Cow::Borrowed(text)
    }
}

/// Like [`escape`] for a piece of source text: a tab stays a tab, so that what
/// is printed below with the same tabs is aligned whatever the tab stops are.
pub(crate) fn push_source(out: &mut String, c: char) {
    if c == '\t' {
        out.push(c);
    } else {
        push_shown(out, c);
    }
}

/// How many columns a terminal gives to `c`: 0, 1 or 2.
///
/// From Unicode's `EastAsianWidth.txt` (W and F), `emoji-data.txt`
/// (`Emoji_Presentation`) and the combining marks of the scripts in common use.
#[must_use]
pub fn width(c: char) -> usize {
    fn within(table: &[(u32, u32)], c: u32) -> bool {
        let after = table.partition_point(|&(first, _)| first <= c);
        after > 0 && c <= table[after - 1].1
    }
    let c = u32::from(c);
    if c < 0x300 {
        1
    } else if within(ZERO_WIDTH, c) {
        0
    } else if within(DOUBLE_WIDTH, c) {
        2
    } else {
        1
    }
}

const ZERO_WIDTH: &[(u32, u32)] = &[
    (0x300, 0x36F),
    (0x483, 0x489),
    (0x591, 0x5BD),
    (0x5BF, 0x5BF),
    (0x5C1, 0x5C2),
    (0x5C4, 0x5C5),
    (0x610, 0x61A),
    (0x64B, 0x65F),
    (0x670, 0x670),
    (0x6D6, 0x6DC),
    (0x93A, 0x93A),
    (0x93C, 0x93C),
    (0x941, 0x948),
    (0x94D, 0x94D),
    (0xE31, 0xE31),
    (0xE34, 0xE3A),
    (0xE47, 0xE4E),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20F0),
    (0x302A, 0x302D),
    (0x3099, 0x309A),
    (0xFE00, 0xFE0F),
    (0xFE20, 0xFE2F),
    (0xE0100, 0xE01EF),
];

const DOUBLE_WIDTH: &[(u32, u32)] = &[
    (0x1100, 0x115F),
    (0x231A, 0x231B),
    (0x2329, 0x232A),
    (0x23E9, 0x23EC),
    (0x23F0, 0x23F0),
    (0x23F3, 0x23F3),
    (0x25FD, 0x25FE),
    (0x2614, 0x2615),
    (0x2648, 0x2653),
    (0x267F, 0x267F),
    (0x2693, 0x2693),
    (0x26A1, 0x26A1),
    (0x26AA, 0x26AB),
    (0x26BD, 0x26BE),
    (0x26C4, 0x26C5),
    (0x26CE, 0x26CE),
    (0x26D4, 0x26D4),
    (0x26EA, 0x26EA),
    (0x26F2, 0x26F3),
    (0x26F5, 0x26F5),
    (0x26FA, 0x26FA),
    (0x26FD, 0x26FD),
    (0x2705, 0x2705),
    (0x270A, 0x270B),
    (0x2728, 0x2728),
    (0x274C, 0x274C),
    (0x274E, 0x274E),
    (0x2753, 0x2755),
    (0x2757, 0x2757),
    (0x2795, 0x2797),
    (0x27B0, 0x27B0),
    (0x27BF, 0x27BF),
    (0x2B1B, 0x2B1C),
    (0x2B50, 0x2B50),
    (0x2B55, 0x2B55),
    (0x2E80, 0x303E),
    (0x3041, 0x33FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0xA4CF),
    (0xA960, 0xA97F),
    (0xAC00, 0xD7A3),
    (0xF900, 0xFAFF),
    (0xFE10, 0xFE19),
    (0xFE30, 0xFE6F),
    (0xFF01, 0xFF60),
    (0xFFE0, 0xFFE6),
    (0x16FE0, 0x18CFF),
    (0x1AFF0, 0x1B2FF),
    (0x1F004, 0x1F004),
    (0x1F0CF, 0x1F0CF),
    (0x1F18E, 0x1F18E),
    (0x1F191, 0x1F19A),
    (0x1F200, 0x1F320),
    (0x1F32D, 0x1F335),
    (0x1F337, 0x1F37C),
    (0x1F37E, 0x1F393),
    (0x1F3A0, 0x1F3CA),
    (0x1F3CF, 0x1F3D3),
    (0x1F3E0, 0x1F3F0),
    (0x1F3F4, 0x1F3F4),
    (0x1F3F8, 0x1F43E),
    (0x1F440, 0x1F440),
    (0x1F442, 0x1F4FC),
    (0x1F4FF, 0x1F53D),
    (0x1F54B, 0x1F54E),
    (0x1F550, 0x1F567),
    (0x1F57A, 0x1F57A),
    (0x1F595, 0x1F596),
    (0x1F5A4, 0x1F5A4),
    (0x1F5FB, 0x1F64F),
    (0x1F680, 0x1F6C5),
    (0x1F6CC, 0x1F6CC),
    (0x1F6D0, 0x1F6D2),
    (0x1F6D5, 0x1F6D7),
    (0x1F6DC, 0x1F6DF),
    (0x1F6EB, 0x1F6EC),
    (0x1F6F4, 0x1F6FC),
    (0x1F7E0, 0x1F7EB),
    (0x1F7F0, 0x1F7F0),
    (0x1F90C, 0x1F93A),
    (0x1F93C, 0x1F945),
    (0x1F947, 0x1F9FF),
    (0x1FA70, 0x1FAFF),
    (0x20000, 0x3FFFD),
];

/// As much of `text` as fits into so many columns of a terminal, with an ellipsis
/// where something is left out.
#[must_use]
pub fn fitted(text: &str, columns: usize) -> Cow<'_, str> {
    if text.chars().map(width).sum::<usize>() <= columns {
        return Cow::Borrowed(text);
    }
    let mut used = 1;
    let fits = |c: &char| {
        used += width(*c);
        used <= columns
    };
    let beginning: String = text.chars().take_while(fits).collect();
    Cow::Owned(beginning + "…")
}

/// A message that may quote a script, of which a token can be megabytes: as much of its
/// beginning and of its end as makes `most` bytes.
#[must_use]
pub(crate) fn short(text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    let begins = floor(&text, most / 3 * 2);
    let ends = floor(&text, text.len() - most / 3);
    format!("{} … {}", &text[..begins], &text[ends..])
}

/// A path, safe to print.
#[must_use]
pub fn shown(path: &Path) -> String {
    escape(&path.to_string_lossy()).into_owned()
}

/// A line without the passwords that a pasted URL or ODBC string may hold: what stands
/// between `://` and `@`, and after `password=` and its like.
#[must_use]
pub fn discreet(line: &str) -> Cow<'_, str> {
    const SECRETS: [&str; 6] = ["password=", "pwd=", "token=", "secret=", "?key=", "&key="];
    let mut out = Cow::Borrowed(line);
    if !line.contains(['=', ':']) {
        return out;
    }
    let mut from = 0;
    while let Some(found) = out[from..].find("://") {
        from += found + 3;
        let end = out[from..].find(|c: char| c.is_whitespace() || "'\"`<>()".contains(c));
        let end = end.map_or(out.len(), |end| from + end);
        if let Some(at) = out[from..end].rfind('@') {
            out.to_mut().replace_range(from..from + at, "…");
        }
    }
    if !out.contains('=') {
        return out;
    }
    for secret in SECRETS {
        let mut from = 0;
        while let Some(found) = out[from..].to_ascii_lowercase().find(secret) {
            from += found + secret.len();
            let end = out[from..].find(|c: char| c.is_whitespace() || "'\"`;&".contains(c));
            let end = end.map_or(out.len(), |end| from + end);
            out.to_mut().replace_range(from..end, "…");
        }
    }
    out
}

/// `1 file is`, `2 files are`.
#[must_use]
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Seconds with as many decimals as there are, down to milliseconds: `5`, `0.25`.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    thousandths(duration.as_millis())
}

/// A thousandth of a number, exactly: `1234` is `1.234`. Without floating point,
/// whose reading and writing is 50 kB of program.
#[must_use]
pub fn thousandths(number: u128) -> String {
    let text = format!("{}.{:03}", number / 1000, number % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// How many characters must be changed, added or dropped to get from `a` to `b`.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().take(40).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// A value as a shell takes it for one word, and as a terminal may show it.
pub(crate) fn for_a_shell(value: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:,=@%+".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        return Cow::Borrowed(value);
    }
    if escape(value) == value {
        return Cow::Owned(format!("'{}'", value.replace('\'', "'\\''")));
    }
    // In the form of bash, zsh and POSIX 2024.
    let mut quoted = String::from("$'");
    for c in value.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            c if c.is_ascii() && !c.is_ascii_control() => quoted.push(c),
            c => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| {
                quoted.push_str(&format!("\\{byte:03o}"));
            }),
        }
    }
    quoted.push('\'');
    Cow::Owned(quoted)
}

#[cfg(test)]
mod tests {
    use super::{DOUBLE_WIDTH, ZERO_WIDTH, discreet, escape, width};

    #[test]
    fn control_and_bidirectional_characters_are_escaped() {
        assert_eq!(escape("plain é 日本"), "plain é 日本");
        assert_eq!(escape("a\x1b[31mb\n"), "a\\u{1b}[31mb\\n");
        assert_eq!(escape("id\u{a0}x"), "id\\u{a0}x");
        assert_eq!(escape("a\u{202E}b\u{9b}"), "a\\u{202e}b\\u{9b}");
    }

    #[test]
    fn what_is_nobody_elses_is_not_shown() {
        for (text, expected) in [
            ("a.db: as ever, p@q", "a.db: as ever, p@q"),
            ("sqlite://data.db", "sqlite://data.db"),
            ("no 'http://u:p@h/d' 'a@b'", "no 'http://…@h/d' 'a@b'"),
            ("x://u:p/p@h y://v@w", "x://…@h y://…@w"),
            ("Driver=x;PWD=p;Pwd=q", "Driver=x;PWD=…;Pwd=…"),
            ("x?authToken=é&b=1 token=2", "x?authToken=…&b=1 token=…"),
            ("x.db?key=1", "x.db?key=…"),
            ("PRAGMA foreign_key=1", "PRAGMA foreign_key=1"),
            ("password=", "password=…"),
        ] {
            assert_eq!(discreet(text), expected);
        }
    }

    #[test]
    fn widths() {
        for (c, expected) in [
            ('a', 1),
            ('é', 1),
            ('日', 2),
            ('😀', 2),
            ('\u{301}', 0),
            ('ｱ', 1),
        ] {
            assert_eq!(width(c), expected, "{c}");
        }
        for table in [ZERO_WIDTH, DOUBLE_WIDTH] {
            assert!(table.iter().all(|(first, last)| first <= last));
            assert!(table.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }
}
