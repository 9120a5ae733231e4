//! Files and history, joined: the state of every version.
//!
//! Owns every decision about what is pending and what is a reason to refuse.
//! `status` prints the plan, `check` judges it, `apply` executes it. Never reads
//! a file, never opens a database, cannot fail.

#[cfg(test)]
mod exhaustive;
pub(crate) mod foreign;
pub(crate) mod history;
mod kinds;
pub(crate) mod policy;
pub(crate) mod renumbered;
mod replaced;
pub(crate) mod settled;
pub(crate) mod targets;

use crate::diagnostics::problem::{Finding, Problem};
use crate::diagnostics::sorted::sort;
use crate::files::migration::{Kind, Migration};
use crate::plan::history::AppliedMigration;
use crate::plan::renumbered::Moved;
use crate::plan::replaced::Squash;

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
    /// A file with `-- replaces:`, all or some of whose versions have a row: it is
    /// not run, its own row takes the place of theirs. It may have a row itself, of
    /// the script that had its number before.
    Replaces(&'a Migration, Option<&'a AppliedMigration>),
    /// A row that goes when the file that replaces its version is recorded.
    ReplacedRow(Option<&'a Migration>, &'a AppliedMigration),
    /// A file without a row that another file replaces: it is not run.
    ReplacedFile(&'a Migration),
}

impl<'a> State<'a> {
    /// The version.
    #[must_use]
    pub fn version(&self) -> i64 {
        match self {
            Self::Pending(migration)
            | Self::Applied(migration, _)
            | Self::Modified(migration, _)
            | Self::Replaces(migration, _)
            | Self::ReplacedFile(migration) => migration.version,
            Self::Missing(row) | Self::Failed(_, row) | Self::ReplacedRow(_, row) => row.version,
        }
    }

    /// The file, if there is one.
    #[must_use]
    pub fn migration(&self) -> Option<&'a Migration> {
        match self {
            Self::Pending(migration)
            | Self::Applied(migration, _)
            | Self::Modified(migration, _)
            | Self::Replaces(migration, _)
            | Self::ReplacedFile(migration) => Some(migration),
            Self::Failed(migration, _) | Self::ReplacedRow(migration, _) => *migration,
            Self::Missing(_) => None,
        }
    }

    /// The row, if there is one.
    #[must_use]
    pub fn row(&self) -> Option<&'a AppliedMigration> {
        match self {
            Self::Pending(_) | Self::ReplacedFile(_) => None,
            Self::Replaces(_, row) => *row,
            Self::Applied(_, row)
            | Self::Modified(_, row)
            | Self::Missing(row)
            | Self::Failed(_, row)
            | Self::ReplacedRow(_, row) => Some(row),
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
            Self::Replaces(..) => "replaces",
            Self::ReplacedRow(..) | Self::ReplacedFile(_) => "replaced",
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
    /// By version.
    squashes: Vec<Squash<'a>>,
    /// By the version of the row.
    moved: Vec<Moved<'a>>,
    /// The versions of files that hold what was applied as another version, in order.
    moved_here: Vec<i64>,
    newest_file: Option<i64>,
    newest_applied: Option<i64>,
}

/// Joins files and history. The latter must be sorted by version, as reading it
/// returns it.
///
/// A file that undoes has no state of its own: alone and not applied it is not
/// there, alone and applied it stands for its version.
#[must_use]
pub fn plan<'a>(migrations: &'a [Migration], history: &'a [AppliedMigration]) -> Plan<'a> {
    let mut states = Vec::with_capacity(migrations.len().max(history.len()));
    let mut rows = history.iter().peekable();
    let mut migrations: Vec<&Migration> = migrations.iter().collect();
    sort(&mut migrations, &|a, b| {
        (a.version, a.kind).cmp(&(b.version, b.kind))
    });
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
    let squashes = replaced::settle(&mut states);
    let moved = renumbered::find(&states);
    Plan {
        states,
        squashes,
        moved_here: renumbered::files(&moved),
        moved,
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

    /// What is to be said about a version, if anything.
    #[must_use]
    pub fn state(&self, version: i64) -> Option<State<'a>> {
        let found = self.states.binary_search_by_key(&version, State::version);
        found.ok().map(|index| self.states[index])
    }

    /// What is to be applied, in order, up to and including the version `to`.
    pub fn pending(&self, to: Option<i64>) -> impl Iterator<Item = &'a Migration> {
        self.states.iter().filter_map(move |state| match state {
            State::Pending(migration) | State::Replaces(migration, _)
                if to.is_none_or(|to| migration.version <= to) =>
            {
                Some(*migration)
            }
            _ => None,
        })
    }

    /// The file that holds the script that was applied as `version`, if it has
    /// another number now.
    #[must_use]
    pub fn moved_to(&self, version: i64) -> Option<&'a Migration> {
        let moved = self.moved(version).filter(|moved| moved.is_certain());
        moved.map(|moved| moved.file)
    }

    /// The rows whose scripts have other numbers now, by version.
    pub(crate) fn renumbered(&self) -> &[Moved<'a>] {
        &self.moved
    }

    /// Whether the file of `version` was applied, but as another version.
    pub(crate) fn was_moved_here(&self, version: i64) -> bool {
        self.moved_here.binary_search(&version).is_ok()
    }

    /// The file that replaces `version`, which still has its row.
    pub(crate) fn replacement_of(&self, version: i64) -> Option<&'a Migration> {
        let replaces = |squash: &&Squash<'a>| squash.rows.binary_search(&version).is_ok();
        let found = self.squashes.iter().find(replaces);
        found.map(|squash| squash.migration)
    }

    fn moved(&self, version: i64) -> Option<&Moved<'a>> {
        let found = self
            .moved
            .binary_search_by_key(&version, |moved| moved.row.version);
        found.ok().map(|index| &self.moved[index])
    }

    /// The versions whose rows the row of `version` takes the place of, if that is
    /// what is to be done with it.
    pub(crate) fn replaced_by(&self, version: i64) -> Option<&[i64]> {
        let found = self
            .squashes
            .binary_search_by_key(&version, |squash| squash.migration.version);
        let squash = &self.squashes[found.ok()?];
        squash.takes_over.then_some(&squash.rows)
    }

    /// Every reason to refuse, by version.
    #[must_use]
    pub fn problems(&self, policy: &Policy) -> Vec<Problem> {
        if let (None, Some(newest), false) =
            (self.newest_file, self.newest_applied, policy.allow_missing)
        {
            return vec![Problem::NoFiles {
                applied: self.states.len(),
                newest,
                directory: None,
                database: None,
            }];
        }
        self.states
            .iter()
            .filter_map(|state| self.problem(state, policy))
            .collect()
    }

    fn problem(&self, state: &State<'a>, policy: &Policy) -> Option<Problem> {
        if let State::Missing(row) | State::Modified(_, row) = state
            && let Some(moved) = self.moved(row.version)
            && (moved.is_certain()
                || matches!(state, State::Modified(..))
                || self.missing_or_edited(state, policy).is_some())
        {
            return Some(moved.problem(state.migration()));
        }
        if let State::Applied(file, row) = state
            && file.kind == Kind::Down
            && let Some(moved) = self.moved(row.version)
        {
            return Some(moved.problem(None));
        }
        self.missing_or_edited(state, policy)
    }

    /// Why to refuse, if no other file holds what was applied.
    fn missing_or_edited(&self, state: &State<'a>, policy: &Policy) -> Option<Problem> {
        match state {
            State::Applied(..) | State::ReplacedRow(..) | State::ReplacedFile(_) => None,
            State::Replaces(migration, _) => {
                let found = self
                    .squashes
                    .binary_search_by_key(&migration.version, |squash| squash.migration.version);
                found.ok().and_then(|index| self.squashes[index].problem())
            }
            State::Pending(migration) => {
                let newest = self.newest_applied?;
                let is_late = migration.version < newest;
                (is_late && policy.out_of_order == OutOfOrder::Refuse).then(|| {
                    Problem::OutOfOrder {
                        version: migration.version,
                        path: migration.path.clone(),
                        newest,
                    }
                })
            }
            // What is to be done about the file is said of the other version.
            State::Modified(_, row) if self.was_moved_here(row.version) => None,
            State::Modified(migration, row) => Some(Problem::Modified {
                version: row.version,
                path: migration.path.clone(),
                recorded: row.checksum.clone(),
                difference: None,
                recorded_as: (row.description != migration.description)
                    .then(|| row.description.clone()),
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
            State::Failed(file, row) => Some(Problem::Failed {
                has_file: file.is_some(),
                version: row.version,
                description: row.description.clone(),
            }),
        }
    }

    /// What the policy lets pass but a person should know, for what is to be
    /// applied up to and including the version `to`.
    #[must_use]
    pub fn warnings(&self, policy: &Policy, to: Option<i64>) -> Vec<Finding> {
        let mut warnings: Vec<Finding> = self.squashes.iter().filter_map(Squash::warning).collect();
        let is_pending = |state: &State<'a>| match state {
            State::Pending(file) if to.is_none_or(|to| file.version <= to) => Some(*file),
            _ => None,
        };
        let pending: Vec<&Migration> = self.states.iter().filter_map(is_pending).collect();
        warnings.extend(kinds::warnings(&pending));
        let Some(newest) = self.newest_applied else {
            return warnings;
        };
        if policy.out_of_order != OutOfOrder::Warn {
            return warnings;
        }
        let late = pending.iter().filter(|file| file.version < newest);
        warnings.extend(late.map(|file| {
            let message = format!(
                "version {} comes late: the newer version {newest} is already applied",
                file.version
            );
            Finding::new("out-of-order", &file.path, message)
        }));
        warnings
    }
}
