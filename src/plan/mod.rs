//! Files and history, joined: the state of every version.
//!
//! Owns every decision about what is pending and what is a reason to refuse.
//! `status` prints the plan, `check` judges it, `apply` executes it. Never reads
//! a file, never opens a database, cannot fail.

pub(crate) mod foreign;
pub(crate) mod history;
pub(crate) mod policy;
pub(crate) mod targets;

use crate::diagnostics::problem::{Finding, Problem};
use crate::files::migration::{Kind, Migration};
use crate::plan::history::AppliedMigration;

/// What is to be said about one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State<'a> {
    /// A file, and no row.
    Pending(&'a Migration),
    /// A file and a row that fit together. The file is the one that undoes if
    /// the one that applies is gone, which sqlx accepts too.
    Applied(&'a Migration, &'a AppliedMigration),
    /// A file and a row with different checksums.
    Modified(&'a Migration, &'a AppliedMigration),
    /// A row, and no file.
    Missing(&'a AppliedMigration),
    /// A row that says that the script failed half way, with or without a file.
    Failed(Option<&'a Migration>, &'a AppliedMigration),
}

impl<'a> State<'a> {
    /// The version.
    #[must_use]
    pub fn version(&self) -> i64 {
        match self {
            Self::Pending(migration)
            | Self::Applied(migration, _)
            | Self::Modified(migration, _) => migration.version,
            Self::Missing(row) | Self::Failed(_, row) => row.version,
        }
    }

    /// The file, if there is one.
    #[must_use]
    pub fn migration(&self) -> Option<&'a Migration> {
        match self {
            Self::Pending(migration)
            | Self::Applied(migration, _)
            | Self::Modified(migration, _) => Some(migration),
            Self::Failed(migration, _) => *migration,
            Self::Missing(_) => None,
        }
    }

    /// The row, if there is one.
    #[must_use]
    pub fn row(&self) -> Option<&'a AppliedMigration> {
        match self {
            Self::Pending(_) => None,
            Self::Applied(_, row)
            | Self::Modified(_, row)
            | Self::Missing(row)
            | Self::Failed(_, row) => Some(row),
        }
    }

    /// The state's name, for people and programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pending(_) => "pending",
            Self::Applied(..) => "applied",
            Self::Modified(..) => "modified",
            Self::Missing(_) => "missing",
            Self::Failed(..) => "failed",
        }
    }
}

/// What to do with a version that is pending below the newest applied one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutOfOrder {
    /// Apply it and say so.
    #[default]
    Warn,
    /// Apply it.
    Allow,
    /// Refuse beforehand.
    Refuse,
}

/// What the user allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Applied versions below the newest file may have no file.
    pub allow_missing: bool,
    /// Applied versions above the newest file are no problem.
    pub allow_newer: bool,
    /// What to do with late versions.
    pub out_of_order: OutOfOrder,
}

/// The state of every version, sorted by version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<'a> {
    /// One for each version that has a row or a file that applies.
    pub states: Vec<State<'a>>,
    newest_file: Option<i64>,
    newest_applied: Option<i64>,
}

/// Joins files and history. The latter must be sorted by version, as
/// [`history::read`](crate::plan::history::read) returns it.
///
/// A file that undoes has no state of its own: alone and not applied it is not
/// there, alone and applied it stands for its version.
#[must_use]
pub fn plan<'a>(migrations: &'a [Migration], history: &'a [AppliedMigration]) -> Plan<'a> {
    let mut states = Vec::with_capacity(migrations.len().max(history.len()));
    let mut rows = history.iter().peekable();
    let mut migrations: Vec<&Migration> = migrations.iter().collect();
    migrations.sort_by_key(|migration| (migration.version, migration.kind));
    for files in migrations.chunk_by(|a, b| a.version == b.version) {
        let version = files[0].version;
        while let Some(row) = rows.next_if(|row| row.version < version) {
            states.push(orphan(row));
        }
        let applies = files.iter().copied().find(|file| file.kind != Kind::Down);
        let row = rows.next_if(|row| row.version == version);
        match (applies, row) {
            (file, Some(row)) if !row.success => states.push(State::Failed(file, row)),
            (Some(file), Some(row)) if file.checksum.0[..] != row.checksum[..] => {
                states.push(State::Modified(file, row));
            }
            (file, Some(row)) => states.push(State::Applied(file.unwrap_or(files[0]), row)),
            (Some(file), None) => states.push(State::Pending(file)),
            (None, None) => {}
        }
    }
    states.extend(rows.map(orphan));
    Plan {
        states,
        newest_file: migrations.last().map(|migration| migration.version),
        newest_applied: history.last().map(|row| row.version),
    }
}

fn orphan(row: &AppliedMigration) -> State<'_> {
    if row.success {
        State::Missing(row)
    } else {
        State::Failed(None, row)
    }
}

impl<'a> Plan<'a> {
    /// The newest version of the history.
    #[must_use]
    pub fn newest_applied(&self) -> Option<i64> {
        self.newest_applied
    }

    /// What is to be applied, in order, up to and including the version `to`.
    pub fn pending(&self, to: Option<i64>) -> impl Iterator<Item = &'a Migration> {
        self.states.iter().filter_map(move |state| match state {
            State::Pending(migration) if to.is_none_or(|to| migration.version <= to) => {
                Some(*migration)
            }
            _ => None,
        })
    }

    /// Every reason to refuse, by version.
    #[must_use]
    pub fn problems(&self, policy: &Policy) -> Vec<Problem> {
        self.states
            .iter()
            .filter_map(|state| match state {
                State::Applied(..) => None,
                State::Pending(migration) => {
                    let newest = self.newest_applied?;
                    (policy.out_of_order == OutOfOrder::Refuse && migration.version < newest).then(
                        || Problem::OutOfOrder {
                            version: migration.version,
                            path: migration.path.clone(),
                            newest,
                        },
                    )
                }
                State::Modified(migration, row) => Some(Problem::Modified {
                    version: row.version,
                    path: migration.path.clone(),
                    recorded: row.checksum.clone(),
                    difference: None,
                }),
                State::Missing(row) if self.newest_file.is_some_and(|file| row.version > file) => {
                    (!policy.allow_newer).then(|| Problem::Newer {
                        version: row.version,
                        description: row.description.clone(),
                        installed_on: row.installed_on.clone(),
                    })
                }
                State::Missing(row) => (!policy.allow_missing).then(|| Problem::Missing {
                    version: row.version,
                    description: row.description.clone(),
                }),
                State::Failed(_, row) => Some(Problem::Failed {
                    version: row.version,
                    description: row.description.clone(),
                }),
            })
            .collect()
    }

    /// What the policy lets pass but a person should know, for what is to be
    /// applied up to and including the version `to`.
    #[must_use]
    pub fn warnings(&self, policy: &Policy, to: Option<i64>) -> Vec<Finding> {
        let Some(newest) = self.newest_applied else {
            return Vec::new();
        };
        if policy.out_of_order != OutOfOrder::Warn {
            return Vec::new();
        }
        self.pending(to)
            .filter(|migration| migration.version < newest)
            .map(|migration| {
                let message = format!(
                    "version {} comes late: the newer version {newest} is already applied",
                    migration.version
                );
                Finding::new("out-of-order", &migration.path, message)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::migration::Checksum;
    use std::path::PathBuf;

    fn file(version: i64, kind: Kind, content: u8) -> Migration {
        Migration {
            version,
            description: format!("d{version}"),
            kind,
            path: PathBuf::from(format!("{version}_d.sql")),
            checksum: Checksum([content; 48]),
            transactional: true,
            embedded: None,
        }
    }

    fn row(version: i64, content: u8, success: bool) -> AppliedMigration {
        AppliedMigration {
            version,
            description: format!("d{version}"),
            installed_on: String::new(),
            success,
            checksum: vec![content; 48],
            execution_time: 1,
        }
    }

    /// The five things that can be in a folder about a version, and the four in a history.
    const FILES: [&[Kind]; 5] = [
        &[],
        &[Kind::Simple],
        &[Kind::Up, Kind::Down],
        &[Kind::Down],
        &[Kind::Up],
    ];
    const ROWS: [Option<(u8, bool)>; 4] =
        [None, Some((1, true)), Some((2, true)), Some((1, false))];

    /// A version, the kinds of its files, and the content and success of its row.
    type Choice = (i64, &'static [Kind], Option<(u8, bool)>);

    /// The state that one version must get: the specification, case by case.
    fn expected(files: &[Kind], row: Option<(u8, bool)>) -> Option<&'static str> {
        let applies = files.iter().any(|kind| *kind != Kind::Down);
        match (files.is_empty(), applies, row) {
            (_, _, Some((_, false))) => Some("failed"),
            (true, _, Some(_)) => Some("missing"),
            (_, false, Some(_)) => Some("applied"),
            (_, true, Some((1, _))) => Some("applied"),
            (_, true, Some(_)) => Some("modified"),
            (_, true, None) => Some("pending"),
            (_, false, None) => None,
        }
    }

    #[test]
    fn every_combination_of_three_versions_has_exactly_the_states_it_should() {
        let cases = FILES.len() * ROWS.len();
        for number in 0..cases.pow(3) {
            let choices: Vec<Choice> = (0..3)
                .map(|place| {
                    let choice = number / cases.pow(place) % cases;
                    (i64::from(place) + 1, FILES[choice % 5], ROWS[choice / 5])
                })
                .collect();
            let migrations: Vec<_> = choices
                .iter()
                .flat_map(|(v, files, _)| files.iter().map(|kind| file(*v, *kind, 1)))
                .collect();
            let history: Vec<_> = choices
                .iter()
                .filter_map(|(v, _, r)| r.map(|(c, s)| row(*v, c, s)))
                .collect();
            let plan = plan(&migrations, &history);

            let states: Vec<_> = plan
                .states
                .iter()
                .map(|state| (state.version(), state.name()))
                .collect();
            let wanted: Vec<_> = choices
                .iter()
                .filter_map(|(v, files, row)| Some((*v, expected(files, *row)?)))
                .collect();
            assert_eq!(states, wanted, "{choices:?}");

            let newest_file = migrations.iter().map(|m| m.version).max();
            let newest_applied = history.iter().map(|r| r.version).max();
            for policy_number in 0..12 {
                let policy = Policy {
                    allow_missing: policy_number % 2 == 1,
                    allow_newer: policy_number / 2 % 2 == 1,
                    out_of_order: [OutOfOrder::Warn, OutOfOrder::Allow, OutOfOrder::Refuse]
                        [policy_number / 4],
                };
                let problems: Vec<_> = plan
                    .problems(&policy)
                    .iter()
                    .map(|p| (p.version(), p.kind()))
                    .collect();
                let wanted: Vec<_> = wanted
                    .iter()
                    .filter_map(|(version, state)| {
                        let late = newest_applied.is_some_and(|newest| *version < newest);
                        let newer = newest_file.is_some_and(|newest| *version > newest);
                        let kind = match *state {
                            "failed" | "modified" => *state,
                            "missing" if newer => (!policy.allow_newer).then_some("newer")?,
                            "missing" => (!policy.allow_missing).then_some("missing")?,
                            "pending" => (late && policy.out_of_order == OutOfOrder::Refuse)
                                .then_some("out-of-order")?,
                            _ => return None,
                        };
                        Some((*version, kind))
                    })
                    .collect();
                assert_eq!(problems, wanted, "{choices:?} {policy:?}");
                for to in [None, Some(0), Some(1), Some(2), Some(3)] {
                    let pending: Vec<_> = plan.pending(to).map(|m| m.version).collect();
                    let wanted: Vec<_> = plan
                        .states
                        .iter()
                        .filter(|s| s.name() == "pending" && to.is_none_or(|to| s.version() <= to))
                        .map(State::version)
                        .collect();
                    assert_eq!(pending, wanted);
                    let late = pending
                        .iter()
                        .filter(|version| newest_applied.is_some_and(|newest| **version < newest))
                        .count();
                    let warned = if policy.out_of_order == OutOfOrder::Warn {
                        late
                    } else {
                        0
                    };
                    assert_eq!(plan.warnings(&policy, to).len(), warned);
                }
            }
        }
    }
}
