//! What was seen of the history, and what follows from it.
//!
//! Owns the comparison of the history with what it was a moment ago. Writes nothing.

use super::Job;
use crate::diagnostics::error::Error;
use crate::diagnostics::problem::Finding;
use crate::files::migration::Migration;
use crate::plan::history::{self, AppliedMigration};
use crate::plan::targets::{Direction, targets};
use rusqlite::Connection;
use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What was seen of the history, and what follows from it.
pub(super) struct View<'a> {
    /// Changes when another connection writes (sqlite.org/pragma.html#pragma_data_version).
    pub data_version: i64,
    /// The scripts that are to be run, in order.
    pub targets: VecDeque<&'a Migration>,
    /// Of those that are not run because they replace others: whose rows go.
    pub replaced: BTreeMap<i64, Vec<i64>>,
    /// The rows of the history: a digest for each version.
    pub rows: BTreeMap<i64, u64>,
    pub warnings: Vec<Finding>,
}

impl<'a> View<'a> {
    pub(super) fn read(connection: &Connection, job: &Job<'a, '_>) -> Result<Self, Error> {
        // First, so that a write between the two is noticed under the lock.
        let data_version = data_version(connection)?;
        let history = history::read(connection, &job.options.table)?;
        let targets = targets(job.migrations, &history, job.options, job.direction)?;
        Ok(Self {
            data_version,
            targets: targets.scripts,
            replaced: targets.replaced,
            rows: history.iter().map(digest).collect(),
            warnings: targets.warnings,
        })
    }

    /// The script of `migration` was run, or took the place of others: the history has
    /// it, or has it no more.
    pub(super) fn move_on(&mut self, direction: Direction, migration: &Migration) {
        for version in self.replaced.remove(&migration.version).unwrap_or_default() {
            self.rows.remove(&version);
        }
        match direction {
            Direction::Up => {
                let (version, digest) = digest(&row_of(migration));
                self.rows.insert(version, digest);
            }
            Direction::Down => {
                self.rows.remove(&migration.version);
            }
        }
    }

    pub(super) fn newest(&self) -> Option<i64> {
        self.rows.last_key_value().map(|(version, _)| *version)
    }

    /// What is different in the history now.
    pub(super) fn compared(&self, now: &[AppliedMigration]) -> Changes {
        let now: BTreeMap<i64, u64> = now.iter().map(digest).collect();
        let is_new = |version: &i64| !self.rows.contains_key(version);
        let changed = |(version, digest): (&i64, &u64)| {
            let same = now.get(version).is_none_or(|other| other == digest);
            (!same).then_some(*version)
        };
        Changes {
            added: now
                .keys()
                .filter(|version| is_new(version))
                .copied()
                .collect(),
            lost: self
                .rows
                .keys()
                .filter(|version| !now.contains_key(version))
                .copied()
                .collect(),
            changed: self.rows.iter().filter_map(changed).collect(),
        }
    }

    /// The history is another now: what it has recorded is not run, and what it has not
    /// is not undone.
    pub(super) fn replace(&mut self, direction: Direction, now: &[AppliedMigration]) {
        self.rows = now.iter().map(digest).collect();
        let rows = &self.rows;
        let is_applied_for = direction == Direction::Down;
        self.targets
            .retain(|migration| rows.contains_key(&migration.version) == is_applied_for);
    }
}

/// The versions whose rows are not what they were.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub added: Vec<i64>,
    pub lost: Vec<i64>,
    pub changed: Vec<i64>,
}

impl Changes {
    pub(super) fn is_nothing(&self) -> bool {
        self.added.is_empty() && !self.harms()
    }

    /// Whether rows that were there are gone or others.
    pub(super) fn harms(&self) -> bool {
        !self.lost.is_empty() || !self.changed.is_empty()
    }

    /// As a phrase: `version 3 is gone, versions 4 and 5 are changed`.
    pub(super) fn phrase(&self) -> String {
        let mut phrases = Vec::new();
        for (versions, what) in [
            (&self.added, "recorded as applied, and is not run"),
            (&self.lost, "gone, and pending again"),
            (&self.changed, "changed"),
        ] {
            for version in versions.iter().take(5) {
                phrases.push(format!("version {version} is {what}"));
            }
            if versions.len() > 5 {
                phrases.push(format!("and {} more", versions.len() - 5));
            }
        }
        phrases.join(", ")
    }
}

/// The row that a migration gets, as far as anybody compares it.
pub(super) fn row_of(migration: &Migration) -> AppliedMigration {
    AppliedMigration {
        version: migration.version,
        description: migration.description.clone(),
        installed_on: String::new(),
        success: true,
        checksum: migration.checksum.0.to_vec(),
        execution_time: 0,
    }
}

/// What the next run looks at, in eight bytes.
fn digest(row: &AppliedMigration) -> (i64, u64) {
    let mut hasher = DefaultHasher::new();
    (row.success, &row.checksum, &row.description).hash(&mut hasher);
    (row.version, hasher.finish())
}

pub(super) fn data_version(connection: &Connection) -> Result<i64, Error> {
    connection
        .query_row("PRAGMA main.data_version", [], |row| row.get(0))
        .map_err(|error| Error::database(connection, "read the database", &error))
}

#[cfg(test)]
mod tests {
    use super::Changes;

    #[test]
    fn of_many_versions_five_are_named() {
        let phrase = |last| {
            let changed = (1..=last).collect();
            let changes = Changes {
                changed,
                ..Changes::default()
            };
            changes.phrase()
        };
        assert_eq!(phrase(1), "version 1 is changed");
        assert!(phrase(5).ends_with(", version 5 is changed"));
        assert!(phrase(6).ends_with(", version 5 is changed, and 1 more"));
        assert!(phrase(7).ends_with(", version 5 is changed, and 2 more"));
    }
}
