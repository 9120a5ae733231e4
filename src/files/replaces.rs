//! `-- replaces: 1-40`: which versions a script stands for.
//!
//! Owns the reading of that line. Never decides what follows from it.

use std::ops::RangeInclusive;

/// The versions that the comment lines at the head of a script name after
/// `-- replaces:`. A line that says anything else as well is an ordinary comment.
pub(crate) fn replaces(bytes: &[u8]) -> Vec<RangeInclusive<i64>> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut found = Vec::new();
    for line in bytes.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii();
        let Some(comment) = line.strip_prefix(b"--") else {
            match line.is_empty() {
                true => continue,
                false => break,
            }
        };
        let Some(list) = comment.trim_ascii().strip_prefix(b"replaces:") else {
            continue;
        };
        let list = std::str::from_utf8(list).unwrap_or_default();
        let ranges: Option<Vec<_>> = list.split(',').map(range).collect();
        found.extend(ranges.unwrap_or_default());
    }
    found
}

/// `5` or `1-40`; a version may be below zero.
fn range(text: &str) -> Option<RangeInclusive<i64>> {
    let text = text.trim();
    if let Ok(version) = text.parse() {
        return Some(version..=version);
    }
    let dash = text.get(1..)?.find('-')? + 1;
    let (first, last) = (text[..dash].trim_end(), text[dash + 1..].trim_start());
    let (first, last): (i64, i64) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::replaces;

    #[test]
    fn only_versions_and_nothing_else_count() {
        for (text, expected) in [
            ("-- replaces: 1-40\nCREATE", &[(1, 40)][..]),
            ("--replaces:1,2 , 5\r\n", &[(1, 1), (2, 2), (5, 5)]),
            ("\n-- why\n\n  --  replaces: 0001 - 0003\n", &[(1, 3)]),
            (
                "\u{FEFF}-- replaces: -5--2, +7\n-- replaces: 9",
                &[(-5, -2), (7, 7), (9, 9)],
            ),
            ("SELECT 1;\n-- replaces: 1", &[]),
            ("/* x */\n-- replaces: 1", &[]),
            ("-- replaces: 1-40 of the old ones", &[]),
            ("-- replaces: the table of 2024", &[]),
            ("-- replaces: 40-1", &[]),
            ("-- replaces: 1, x", &[]),
            ("-- replaces: 1,", &[]),
            ("-- replaces:", &[]),
            ("-- replaces: é-1", &[]),
            ("-- Replaces: 1", &[]),
            ("-- replaces 1", &[]),
            ("", &[]),
        ] {
            let found: Vec<(i64, i64)> = replaces(text.as_bytes())
                .into_iter()
                .map(|range| range.into_inner())
                .collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
