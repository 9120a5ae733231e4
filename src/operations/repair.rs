//! Brings the history in line with the files, by name: baseline and repair.
//!
//! Owns the changes of the history that no script goes with. Never touches
//! anything else in the database, and nothing that was not named.

use crate::database::location::file_of;
use crate::database::settings::Settings;
use crate::database::transaction::{begin, commit, roll_back};
use crate::diagnostics::error::{Cause, Error};
use crate::diagnostics::problem::{Problem, Renumbering};
use crate::files::migration::{Checksum, Kind, Migration};
use crate::files::read;
use crate::plan::foreign;
use crate::plan::history::{self, WriteError};
use crate::plan::policy::Options;
use crate::plan::targets::{refuse_problems, refuse_unknown_target};
use crate::plan::{Plan, State, plan};
use crate::schema::history_table::HistoryTable;
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// One change of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A pending migration was recorded as applied.
    Recorded(Migration),
    /// The recorded checksum is now the file's.
    Corrected {
        /// The file.
        migration: Migration,
        /// The checksum that was recorded.
        before: Vec<u8>,
    },
    /// The row of a missing or failed version was removed.
    Removed {
        /// The version.
        version: i64,
        /// Its description in the history.
        description: String,
    },
    /// The row of a version got the number and description that its file has now.
    Renumbered {
        /// The number that it had.
        version: i64,
        /// The description that it had.
        description: String,
        /// The file.
        migration: Migration,
    },
    /// The row of a file took the place of those that the file replaces.
    Replaced {
        /// The file.
        migration: Migration,
        /// Their versions.
        versions: Vec<i64>,
    },
    /// A version that was named is in order, or nowhere: nothing was changed.
    InOrder {
        /// The version.
        version: i64,
        /// Its state, if it has one.
        state: Option<&'static str>,
    },
}

/// Records the pending migrations up to and including `to` as applied, or without it
/// those that another tool's history names, without running them, for a database that
/// already has what they make: rows as if applied, with an `execution_time` of 0, in one
/// transaction.
///
/// # Errors
///
/// [`Error::NoSuchVersion`]; [`Error::Refused`] as for `up`; [`Error::Declined`]
/// if the database has no tables, unless `force` says that this is meant, or if no other
/// tool's history names them.
pub fn baseline(
    connection: &mut Connection,
    migrations: &[Migration],
    to: Option<i64>,
    force: bool,
    options: &Options,
) -> Result<Vec<Change>, Error> {
    refuse_unknown_target(migrations, to)?;
    record_as_applied(connection, migrations, options, |connection| {
        let has_tables = history::has_other_tables(connection, &options.table)
            .map_err(|error| Error::database(connection, "read the schema", &error))?;
        let is_new = history::read(connection, &options.table)?.is_empty();
        if !has_tables && is_new && !force {
            return Err(declined(
                connection,
                "the database has no tables, so nothing of these migrations can be in it: apply them with `litemigrate up`, or say --force",
            ));
        }
        let Some(to) = to else {
            return foreign::applied_elsewhere(connection, migrations);
        };
        let applies = |file: &&Migration| file.kind != Kind::Down && file.version <= to;
        let wanted = migrations.iter().filter(applies);
        Ok(wanted.map(|file| (file.version, None)).collect())
    })
}

/// Records what is pending of the versions that `applied` gives, in that order, as
/// applied at the times that it gives, in one transaction.
pub(crate) fn record_as_applied(
    connection: &mut Connection,
    migrations: &[Migration],
    options: &Options,
    applied: impl FnOnce(&Connection) -> Result<Vec<(i64, Option<String>)>, Error>,
) -> Result<Vec<Change>, Error> {
    let table = &options.table;
    in_one_transaction(connection, options, |connection| {
        let applied = applied(connection)?;
        let history = history::read(connection, &options.table)?;
        let plan = plan(migrations, &history);
        let recordable = recordable(&plan, options, applied)?;
        if !recordable.is_empty() {
            history::create(connection, table)?;
        }
        recordable
            .into_iter()
            .map(|(migration, installed_on)| {
                let Some(rows) = plan.replaced_by(migration.version) else {
                    let written =
                        history::record_at(connection, table, &migration, installed_on.as_deref());
                    clean(connection, table, written)?;
                    return Ok(Change::Recorded(migration));
                };
                clean(
                    connection,
                    table,
                    history::replace(connection, table, &migration, rows),
                )?;
                Ok(Change::Replaced {
                    versions: rows.to_vec(),
                    migration,
                })
            })
            .collect()
    })
}

/// What is pending of the versions that `applied` gives, in that order.
///
/// # Errors
///
/// [`Error::Refused`] if files and history do not fit together.
pub(crate) fn recordable(
    plan: &Plan<'_>,
    options: &Options,
    applied: Vec<(i64, Option<String>)>,
) -> Result<Vec<(Migration, Option<String>)>, Error> {
    refuse_problems(plan, &options.policy)?;
    // By version, as the plan is.
    let pending: Vec<&Migration> = plan.pending(None).collect();
    let find = |version| pending.binary_search_by_key(&version, |file| file.version);
    let applied = applied.into_iter();
    Ok(applied
        .filter_map(|(version, installed_on)| {
            Some((pending[find(version).ok()?].clone(), installed_on))
        })
        .collect())
}

/// What is to be repaired.
#[derive(Debug, Clone)]
pub enum Selection {
    /// These versions.
    Versions(Vec<i64>),
    /// Every edited script that differs from what was applied only in line
    /// endings, byte order mark or final newline.
    Spelling,
    /// Every script that was applied under another number than it has now.
    Renumbered,
}

/// Repairs what `selection` names, in one transaction: the recorded checksum of
/// an edited script becomes the file's, a missing or failed version is removed
/// from the history, the row of a renumbered script gets its number. A version that
/// is in order, or in neither the files nor the history, stays as it is.
///
/// # Errors
///
/// [`Error::Declined`] if what is selected cannot be repaired without a script being
/// run twice or passed over; [`Error::Refused`] with the versions that cannot be
/// renumbered.
pub fn repair(
    connection: &mut Connection,
    migrations: &[Migration],
    selection: &Selection,
    options: &Options,
) -> Result<Vec<Change>, Error> {
    let table = &options.table;
    in_one_transaction(connection, options, |connection| {
        let history = history::read(connection, table)?;
        let plan = plan(migrations, &history);
        match selection {
            // What is not mounted has no files either.
            Selection::Versions(_) if migrations.is_empty() && !history.is_empty() => {
                Err(declined(
                    connection,
                    "nothing is removed from the history while the folder holds no migration: it may be the wrong one (-m), or not mounted",
                ))
            }
            Selection::Versions(versions) => {
                let versions: BTreeSet<i64> = versions.iter().copied().collect();
                let changes = versions.into_iter();
                changes
                    .map(|version| mend(connection, table, &plan, version))
                    .collect()
            }
            Selection::Spelling => mend_spelling(connection, table, &plan),
            Selection::Renumbered => renumber(connection, table, &plan),
        }
    })
}

/// What one version needs, if anything.
fn mend(
    connection: &Connection,
    table: &HistoryTable,
    plan: &Plan<'_>,
    version: i64,
) -> Result<Change, Error> {
    let state = plan.state(version);
    let moved = plan.renumbered();
    let found = moved.binary_search_by_key(&version, |moved| moved.row.version);
    if let Some(moved) = found.ok().map(|at| &moved[at]) {
        let cure = match moved.verdict {
            Renumbering::Clear => ": see `litemigrate repair --renumbered`",
            Renumbering::Taken => ": give it back its number",
            Renumbering::Ambiguous => {
                ", or another file with the same content: give the right one back that number"
            }
        };
        let message = format!(
            "what was applied as version {version} is now {}{cure}",
            moved.file.file_name()
        );
        return Err(declined(connection, &message));
    }
    match state {
        Some(State::Modified(file, _)) if plan.was_moved_here(version) => {
            let message = format!(
                "{} was applied as another version: give it back its number",
                file.file_name()
            );
            Err(declined(connection, &message))
        }
        Some(State::Modified(migration, row)) => {
            correct(connection, table, migration, &row.checksum)
        }
        Some(State::Missing(row) | State::Failed(_, row)) => {
            clean(
                connection,
                table,
                history::remove(connection, table, row.version),
            )?;
            Ok(Change::Removed {
                version: row.version,
                description: row.description.clone(),
            })
        }
        _ => Ok(Change::InOrder {
            version,
            state: state.map(|state| state.name()),
        }),
    }
}

fn correct(
    connection: &Connection,
    table: &HistoryTable,
    file: &Migration,
    before: &[u8],
) -> Result<Change, Error> {
    clean(connection, table, history::correct(connection, table, file))?;
    Ok(Change::Corrected {
        migration: file.clone(),
        before: before.to_owned(),
    })
}

fn mend_spelling(
    connection: &Connection,
    table: &HistoryTable,
    plan: &Plan<'_>,
) -> Result<Vec<Change>, Error> {
    let mut changes = Vec::new();
    let mut edited = 0;
    for state in &plan.states {
        if let State::Modified(migration, row) = state {
            match read::spelling_difference(migration, &row.checksum) {
                Some(_) => changes.push(correct(connection, table, migration, &row.checksum)?),
                None => edited += 1,
            }
        }
    }
    if changes.is_empty() && edited > 0 {
        return Err(declined(
            connection,
            "no script differs from what was applied only in line endings, byte order mark or final newline",
        ));
    }
    Ok(changes)
}

/// Gives every row whose script has another number now that number: all or none.
fn renumber(
    connection: &Connection,
    table: &HistoryTable,
    plan: &Plan<'_>,
) -> Result<Vec<Change>, Error> {
    let unclear: Vec<Problem> = plan
        .renumbered()
        .iter()
        .filter(|moved| moved.verdict != Renumbering::Clear)
        .map(|moved| moved.problem(plan.state(moved.row.version).and_then(|s| s.migration())))
        .collect();
    if !unclear.is_empty() {
        return Err(Error::Refused { problems: unclear });
    }
    let moves = plan.renumbered();
    // Rows whose numbers others are to get wait under numbers that nobody has.
    let taken: BTreeSet<i64> = moves.iter().map(|moved| moved.file.version).collect();
    let mut free = (i64::MIN..).filter(|number| plan.state(*number).is_none());
    let mut from = Vec::with_capacity(moves.len());
    for moved in moves {
        let row = moved.row;
        from.push(match taken.contains(&row.version) {
            true => {
                let number = free.next().unwrap_or(row.version);
                let written =
                    history::renumber(connection, table, row.version, number, &row.description);
                clean(connection, table, written)?;
                number
            }
            false => row.version,
        });
    }
    let mut changes = Vec::new();
    for (moved, from) in moves.iter().zip(from) {
        let file = moved.file;
        let written = history::renumber(connection, table, from, file.version, &file.description);
        clean(connection, table, written)?;
        changes.push(Change::Renumbered {
            version: moved.row.version,
            description: moved.row.description.clone(),
            migration: file.clone(),
        });
    }
    Ok(changes)
}

fn in_one_transaction<T>(
    connection: &mut Connection,
    options: &Options,
    work: impl FnOnce(&Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    let limits = options.limits();
    let settings = Settings::prepare(connection, &limits)?;
    let begun = begin(connection, &limits, &mut || {});
    let before = connection.total_changes();
    let result = begun.and_then(|()| work(connection)).and_then(|done| {
        if connection.total_changes() == before {
            roll_back(connection);
        } else if !options.dry_run {
            commit(connection, &limits).map_err(|(cause, message)| Error::Database {
                path: connection.path().unwrap_or_default().into(),
                doing: "commit the history",
                cause,
                // The commit can fail after it has happened, when the folder is synced.
                message: match cause {
                    Cause::Storage => {
                        format!("{message}; `litemigrate status` tells what the history is now")
                    }
                    _ => message,
                },
            })?;
        }
        Ok(done)
    });
    let given_back = settings.give_back(connection);
    result.and_then(|done| given_back.map(|()| done))
}

fn declined(connection: &Connection, message: &str) -> Error {
    Error::Declined {
        database: PathBuf::from(connection.path().unwrap_or_default()),
        message: message.to_owned(),
    }
}

/// What came of a change of the history, as this library's error.
fn clean(
    connection: &Connection,
    table: &HistoryTable,
    written: Result<(), WriteError>,
) -> Result<(), Error> {
    written.map_err(|error| match error {
        WriteError::Sqlite(error) if Cause::of(&error) != Cause::Statement => {
            Error::database(connection, "write to the history", &error)
        }
        error => Error::History {
            table: table.to_string(),
            database: file_of(connection),
            message: error.explained().1,
        },
    })
}

/// A checksum as stored, in hexadecimal, whatever its length.
#[must_use]
pub fn hexadecimal(checksum: &[u8]) -> String {
    match <[u8; 48]>::try_from(checksum) {
        Ok(bytes) => Checksum(bytes).to_string(),
        Err(_) => checksum.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
