//! `-- replaces: 1-40`: which versions a script stands for.
//!
//! Owns the reading of that line. Never decides what follows from it.

use crate::diagnostics::position::Position;
use crate::diagnostics::problem::Finding;
use std::ops::RangeInclusive;
use std::path::Path;

/// The versions that the comment lines at the head of a script name after
/// `-- replaces:`. A line that says anything else as well is an ordinary comment.
pub(crate) fn replaces(bytes: &[u8]) -> Vec<RangeInclusive<i64>> {
    let read = lists(bytes).filter_map(|(_, list)| versions(list));
    read.flatten().collect()
}

/// Refuses a line that holds nothing but what such a list is made of, and is none: passed
/// over as a comment, its script would be run where it was to take the place of others.
pub(crate) fn check_replaces(path: &Path, bytes: &[u8]) -> Result<(), Finding> {
    let is_meant = |list: &str| {
        let may_stand_in_one =
            |c: char| c.is_ascii_digit() || " \t,;+-\u{2013}\u{2014}".contains(c);
        list.contains(|c: char| c.is_ascii_digit()) && list.chars().all(may_stand_in_one)
    };
    for (offset, list) in lists(bytes) {
        if versions(list).is_none() && is_meant(list) {
            let message = "is no list of versions: write `-- replaces: 1-40`, the lower number first, or `-- replaces: 1, 2, 5`";
            let text = String::from_utf8_lossy(bytes);
            let position = Position::new(path, &text, offset);
            return Err(Finding::at("replaces", position, message));
        }
    }
    Ok(())
}

/// What follows `-- replaces:` in the lines at the head, each with the line's place.
fn lists(bytes: &[u8]) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    std::iter::from_fn(move || {
        loop {
            let begins = rest.trim_ascii_start();
            // Most scripts end here: each is asked.
            if !begins.starts_with(b"--") {
                return None;
            }
            let end = begins.iter().position(|&byte| byte == b'\n');
            let (line, after) = begins.split_at(end.unwrap_or(begins.len()));
            let before = &rest[..rest.len() - begins.len()];
            let indent = before.iter().rev().take_while(|&&byte| byte != b'\n');
            let start = bytes.len() - begins.len() - indent.count();
            rest = after;
            let list = line[2..].trim_ascii().strip_prefix(b"replaces:");
            if let Some(list) = list {
                return Some((start, std::str::from_utf8(list).unwrap_or_default()));
            }
        }
    })
}

fn versions(list: &str) -> Option<Vec<RangeInclusive<i64>>> {
    list.split(',').map(range).collect()
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
    use super::{check_replaces, replaces};
    use std::path::Path;

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

    #[test]
    fn what_is_meant_as_a_list_and_is_none_is_refused() {
        for (text, refused) in [
            ("-- replaces: 40-1", true),
            ("-- why\n-- replaces: 1,\nSELECT 1;", true),
            ("--replaces:1 2", true),
            ("-- replaces: 1;2", true),
            ("-- replaces: 1-2-3", true),
            ("-- replaces: 1\u{2013}40", true),
            ("-- replaces: 99999999999999999999", true),
            ("-- replaces: 1-", true),
            ("-- replaces: 1-40", false),
            ("-- replaces: 1, x", false),
            ("-- replaces: 1-40 of the old ones", false),
            ("-- replaces:", false),
            ("-- replaces: -----", false),
            ("-- replaces 40-1", false),
            ("SELECT 1;\n-- replaces: 40-1", false),
        ] {
            let found = check_replaces(Path::new("1_a.sql"), text.as_bytes());
            assert_eq!(found.is_err(), refused, "{text:?}");
        }
        let text = b"\xEF\xBB\xBF\n  -- replaces: 2-1\r\n";
        let found = check_replaces(Path::new("1_a.sql"), text).unwrap_err();
        assert_eq!(found.position.unwrap().line, 2);
    }
}
