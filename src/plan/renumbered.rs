//! Scripts that were applied and have another number now.
//!
//! Owns the search for them, by checksum. Pure, total and linear but for sorting.

use crate::diagnostics::problem::{Problem, Renumbering};
use crate::diagnostics::sorted::sort;
use crate::files::migration::{Checksum, Kind, Migration};
use crate::plan::State;
use crate::plan::history::AppliedMigration;
use std::collections::BTreeMap;

/// A row whose script is there under another number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moved<'a> {
    pub row: &'a AppliedMigration,
    /// The script; of several with the same content, one of them.
    pub file: &'a Migration,
    pub verdict: Renumbering,
}

impl<'a> Moved<'a> {
    /// Whether no other file can be meant.
    pub fn is_certain(&self) -> bool {
        !matches!(self.verdict, Renumbering::Ambiguous)
    }

    /// What is wrong. `newcomer` is the file that has the row's number now.
    pub fn problem(&self, newcomer: Option<&Migration>) -> Problem {
        Problem::Renumbered {
            version: self.row.version,
            description: self.row.description.clone(),
            path: self.file.path.clone(),
            now: self.file.version,
            newcomer: newcomer.map(|file| file.path.clone()),
            renumbering: self.verdict,
        }
    }
}

/// What has one content: rows whose version's file is gone or another, and files
/// that were not applied under their number.
#[derive(Default)]
struct Same<'a> {
    rows: Vec<(&'a AppliedMigration, Option<&'a Migration>)>,
    files: Vec<&'a Migration>,
}

/// Finds them, by the version of the row.
pub(super) fn find<'a>(states: &[State<'a>]) -> Vec<Moved<'a>> {
    let mut contents: BTreeMap<&[u8], Same<'a>> = BTreeMap::new();
    for state in states {
        let (row, newcomer) = match *state {
            State::Missing(row) => (row, None),
            State::Modified(file, row) => (row, Some(file)),
            // Only what undoes it was left behind.
            State::Applied(file, row) if file.kind == Kind::Down => (row, None),
            _ => continue,
        };
        let same = contents.entry(&row.checksum).or_default();
        same.rows.push((row, newcomer));
    }
    if contents.is_empty() {
        return Vec::new();
    }
    for state in states {
        if let State::Pending(file) | State::Modified(file, _) = *state
            && file.kind != Kind::Down
            && let Some(same) = contents.get_mut(&file.checksum.0[..])
        {
            same.files.push(file);
        }
    }
    let empty = Checksum::of(b"");
    let mut moved = Vec::new();
    for (content, same) in contents {
        pair(same, content == &empty.0[..], &mut moved);
    }
    sort(&mut moved, &|a, b| a.row.version.cmp(&b.row.version));
    judge(&mut moved, states);
    moved
}

/// Which row of one content belongs to which file: that of the same description, or
/// the only one that is left. Nothing can be said of empty scripts.
fn pair<'a>(same: Same<'a>, is_empty: bool, moved: &mut Vec<Moved<'a>>) {
    let mut named: BTreeMap<&str, Same<'a>> = BTreeMap::new();
    for (row, newcomer) in same.rows {
        let named = named.entry(&row.description).or_default();
        named.rows.push((row, newcomer));
    }
    let mut left = Same::default();
    for file in same.files {
        match named.get_mut(file.description.as_str()) {
            Some(named) => named.files.push(file),
            None => left.files.push(file),
        }
    }
    for named in named.into_values() {
        match (&named.rows[..], &named.files[..]) {
            ([(row, _)], [file]) => moved.push(Moved {
                row,
                file,
                verdict: Renumbering::Clear,
            }),
            _ => {
                left.rows.extend(named.rows);
                left.files.extend(named.files);
            }
        }
    }
    // A file that has kept its name was edited: that another one begins as it did
    // (an empty template, say) is chance.
    let was_edited = |&(row, newcomer): &(&AppliedMigration, Option<&Migration>)| {
        newcomer.is_some_and(|file| file.description == row.description)
    };
    left.rows.retain(|row| !was_edited(row));
    if is_empty || left.files.is_empty() {
        return;
    }
    let verdict = match (left.rows.len(), left.files.len()) {
        (1, 1) => Renumbering::Clear,
        _ => Renumbering::Ambiguous,
    };
    moved.extend(left.rows.iter().map(|&(row, _)| Moved {
        row,
        file: left.files[0],
        verdict,
    }));
}

/// The versions of the files, in order.
pub(super) fn files(moved: &[Moved<'_>]) -> Vec<i64> {
    let certain = moved.iter().filter(|moved| moved.is_certain());
    let mut versions: Vec<i64> = certain.map(|moved| moved.file.version).collect();
    sort(&mut versions, &Ord::cmp);
    versions
}

/// A row cannot get the number of another one that stays.
fn judge(moved: &mut [Moved<'_>], states: &[State<'_>]) {
    let moves: Vec<i64> = moved
        .iter()
        .filter(|moved| moved.is_certain())
        .map(|moved| moved.row.version)
        .collect();
    for moved in moved.iter_mut().filter(|moved| moved.is_certain()) {
        let version = moved.file.version;
        let found = states.binary_search_by_key(&version, State::version);
        let is_recorded = found.is_ok_and(|index| states[index].row().is_some());
        if is_recorded && moves.binary_search(&version).is_err() {
            moved.verdict = Renumbering::Taken;
        }
    }
}
