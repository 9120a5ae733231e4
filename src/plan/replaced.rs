//! Files that replace others, as `-- replaces: 1-40` in them says.
//!
//! Owns what becomes of the versions that such a file names, and of the file itself.
//! Pure, total and, but for the search of a version, linear.

use crate::diagnostics::problem::{Finding, Problem};
use crate::diagnostics::sorted::sort;
use crate::files::migration::Migration;
use crate::plan::State;

/// A file that replaces others, and what that means for this database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Squash<'a> {
    pub migration: &'a Migration,
    /// Whether its row takes the place of others, instead of it being run.
    pub takes_over: bool,
    /// The versions whose rows go then.
    pub rows: Vec<i64>,
    /// The versions without which it cannot.
    pub missing: Vec<i64>,
    /// A file that is not run because of this one, and how many there are.
    pub unneeded: Option<(&'a Migration, usize)>,
}

impl Squash<'_> {
    /// Why it can neither be run nor take over.
    pub fn problem(&self) -> Option<Problem> {
        (self.takes_over && !self.missing.is_empty()).then(|| Problem::ReplacesSome {
            version: self.migration.version,
            path: self.migration.path.clone(),
            missing: self.missing.clone(),
        })
    }

    /// That files are left in the folder which are not run.
    pub fn warning(&self) -> Option<Finding> {
        let (file, count) = self.unneeded?;
        let others = match count {
            1 => String::new(),
            2 => ", nor is one more".to_owned(),
            count => format!(", nor are {} more", count - 1),
        };
        let message = format!(
            "is not run{others}, because {} replaces it: take it out of the folder",
            self.migration.file_name()
        );
        Some(Finding::new("replaced", &file.path, message))
    }
}

/// Gives the versions that are replaced their states. What a newer file replaces
/// replaces nothing itself.
pub(super) fn settle<'a>(states: &mut [State<'a>]) -> Vec<Squash<'a>> {
    let replaces = |state: &State<'a>| match state {
        State::Pending(file) | State::Applied(file, _) | State::Modified(file, _) => {
            (!file.replaces.is_empty()).then_some(*file)
        }
        _ => None,
    };
    if !states.iter().any(|state| replaces(state).is_some()) {
        return Vec::new();
    }
    let record = Record::of(states);
    // The next state that no newer file has replaced, at or after each.
    let mut free: Vec<usize> = (0..=states.len()).collect();
    let mut squashes = Vec::new();
    for own in (0..states.len()).rev() {
        let Some(migration) = replaces(&states[own]) else {
            continue;
        };
        let mut squash = Squash {
            migration,
            takes_over: false,
            rows: Vec::new(),
            missing: record.lacks(migration),
            unneeded: None,
        };
        squash.takes_over = record.has_any(migration)
            && match states[own] {
                State::Pending(_) => true,
                // Its number was that of one that it replaces; if it is all that is
                // recorded, this file was edited after it had taken over.
                State::Modified(..) => {
                    let among =
                        |range: &std::ops::RangeInclusive<i64>| range.contains(&migration.version);
                    migration.replaces.iter().any(among)
                        && (squash.missing.is_empty() || record.has_another(migration))
                }
                _ => false,
            };
        if squash.takes_over {
            let row = states[own].row();
            squash.rows.extend(row.map(|row| row.version));
            states[own] = State::Replaces(migration, row);
        }
        for range in &migration.replaces {
            let (from, to) = record.places(*range.start(), *range.end());
            let mut at = next(&mut free, from);
            while at < to {
                if at != own {
                    squash.take(&mut states[at]);
                    free[at] = at + 1;
                }
                at = next(&mut free, at + 1);
            }
        }
        sort(&mut squash.rows, &Ord::cmp);
        squashes.push(squash);
    }
    squashes.reverse();
    squashes
}

impl<'a> Squash<'a> {
    /// What becomes of a version that this file replaces.
    fn take(&mut self, state: &mut State<'a>) {
        *state = match *state {
            State::Pending(file) => {
                let (first, count) = self.unneeded.unwrap_or((file, 0));
                self.unneeded = Some((first, count + 1));
                State::ReplacedFile(file)
            }
            State::Applied(file, row) | State::Modified(file, row) if self.takes_over => {
                self.rows.push(row.version);
                State::ReplacedRow(Some(file), row)
            }
            State::Missing(row) if self.takes_over => {
                self.rows.push(row.version);
                State::ReplacedRow(None, row)
            }
            other => other,
        }
    }
}

/// The first free place at or after `at`; the way there is shortened for the next.
fn next(free: &mut [usize], at: usize) -> usize {
    let mut end = at;
    while free[end] != end {
        end = free[end];
    }
    let mut step = at;
    while free[step] != end {
        step = std::mem::replace(&mut free[step], end);
    }
    end
}

/// Which versions are recorded as applied.
struct Record {
    versions: Vec<i64>,
    /// How many of the versions before each are recorded.
    before: Vec<usize>,
}

impl Record {
    fn of(states: &[State<'_>]) -> Self {
        let mut before = vec![0];
        let mut count = 0;
        for state in states {
            count += usize::from(state.row().is_some_and(|row| row.success));
            before.push(count);
        }
        Self {
            versions: states.iter().map(State::version).collect(),
            before,
        }
    }

    /// Where the versions of a range are.
    fn places(&self, first: i64, last: i64) -> (usize, usize) {
        (
            self.versions.partition_point(|version| *version < first),
            self.versions.partition_point(|version| *version <= last),
        )
    }

    fn count(&self, first: i64, last: i64) -> usize {
        let (from, to) = self.places(first, last);
        self.before[to].saturating_sub(self.before[from])
    }

    fn has_any(&self, migration: &Migration) -> bool {
        let ranges = &mut migration.replaces.iter();
        ranges.any(|range| self.count(*range.start(), *range.end()) > 0)
    }

    /// Whether a version that it replaces is recorded, besides its own.
    fn has_another(&self, migration: &Migration) -> bool {
        migration.replaces.iter().any(|range| {
            let own = match range.contains(&migration.version) {
                true => self.count(migration.version, migration.version),
                false => 0,
            };
            self.count(*range.start(), *range.end()) > own
        })
    }

    /// The ends of its ranges that are not recorded, in order.
    fn lacks(&self, migration: &Migration) -> Vec<i64> {
        let ranges = migration.replaces.iter();
        let mut lacking: Vec<i64> = ranges
            .flat_map(|range| [*range.start(), *range.end()])
            .filter(|version| self.count(*version, *version) == 0)
            .collect();
        sort(&mut lacking, &Ord::cmp);
        lacking.dedup();
        lacking
    }
}
