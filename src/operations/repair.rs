//! Brings the history in line with the files, by name: baseline and repair.
//!
//! Owns the changes of `_sqlx_migrations` that no script goes with. Never touches
//! anything else in the database, and nothing that was not named.

use crate::database::settings::Settings;
use crate::database::transaction::{begin, commit};
use crate::diagnostics::error::{Cause, Error, sqlite_message};
use crate::files::directory;
use crate::files::migration::{Checksum, Migration};
use crate::plan::foreign;
use crate::plan::history::{self, AppliedMigration, RecordError};
use crate::plan::policy::Options;
use crate::plan::targets::{refuse_problems, refuse_unknown_target};
use crate::plan::{State, plan};
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
        let query = "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND lower(name) != '_sqlx_migrations' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'";
        let tables: i64 = connection
            .query_row(query, [], |row| row.get(0))
            .map_err(|error| Error::database(connection, "read the schema", &error))?;
        if tables == 0 && !force {
            return Err(declined(
                connection,
                "the database has no tables, so nothing of these migrations can be in it: apply them with `litemigrate up`, or say --force",
            ));
        }
        let Some(to) = to else {
            return foreign::applied_elsewhere(connection, migrations);
        };
        let versions = migrations.iter().map(|migration| migration.version);
        let wanted = versions.filter(|version| *version <= to);
        Ok(wanted.map(|version| (version, None)).collect())
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
    in_one_transaction(connection, options, |connection| {
        let applied = applied(connection)?;
        let history = history::read(connection)?;
        let recordable = recordable(migrations, &history, options, applied)?;
        if !recordable.is_empty() {
            history::create(connection)?;
        }
        let record = |(migration, installed_on): (Migration, Option<String>)| {
            write(connection, |connection| {
                history::record_at(connection, &migration, installed_on.as_deref())
            })?;
            Ok(Change::Recorded(migration))
        };
        recordable.into_iter().map(record).collect()
    })
}

/// What is pending of the versions that `applied` gives, in that order.
///
/// # Errors
///
/// [`Error::Refused`] if files and history do not fit together.
pub(crate) fn recordable(
    migrations: &[Migration],
    history: &[AppliedMigration],
    options: &Options,
    applied: Vec<(i64, Option<String>)>,
) -> Result<Vec<(Migration, Option<String>)>, Error> {
    let plan = plan(migrations, history);
    refuse_problems(&plan, &options.policy)?;
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
}

/// Repairs what `selection` names, in one transaction: the recorded checksum of
/// an edited script becomes the file's, a missing or failed version is removed
/// from the history.
///
/// # Errors
///
/// [`Error::NoSuchVersion`] if a version is neither in a file nor in the
/// history, [`Error::Declined`] if one needs no repair.
pub fn repair(
    connection: &mut Connection,
    migrations: &[Migration],
    selection: &Selection,
    options: &Options,
) -> Result<Vec<Change>, Error> {
    in_one_transaction(connection, options, |connection| {
        let history = history::read(connection)?;
        let plan = plan(migrations, &history);
        let mut changes = Vec::new();
        for state in selected(connection, &plan.states, selection)? {
            changes.push(match state {
                State::Modified(migration, row) => {
                    write(connection, |connection| {
                        history::correct(connection, migration)
                    })?;
                    Change::Corrected {
                        migration: migration.clone(),
                        before: row.checksum.clone(),
                    }
                }
                State::Missing(row) | State::Failed(_, row) => {
                    write(connection, |connection| {
                        history::remove(connection, row.version)
                    })?;
                    Change::Removed {
                        version: row.version,
                        description: row.description.clone(),
                    }
                }
                State::Applied(..) | State::Pending(_) => {
                    let message = format!(
                        "version {} is {} and needs no repair",
                        state.version(),
                        state.name()
                    );
                    return Err(declined(connection, &message));
                }
            });
        }
        Ok(changes)
    })
}

fn selected<'a>(
    connection: &Connection,
    states: &[State<'a>],
    selection: &Selection,
) -> Result<Vec<State<'a>>, Error> {
    match selection {
        Selection::Versions(versions) => versions
            .iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(|version| {
                let found = states.iter().find(|state| state.version() == *version);
                found
                    .copied()
                    .ok_or(Error::NoSuchVersion { version: *version })
            })
            .collect(),
        Selection::Spelling => {
            let differs_in_spelling = |state: &&State<'_>| match state {
                State::Modified(migration, row) => {
                    directory::spelling_difference(migration, &row.checksum).is_some()
                }
                _ => false,
            };
            let found: Vec<State<'a>> =
                states.iter().filter(differs_in_spelling).copied().collect();
            if found.is_empty() {
                return Err(declined(
                    connection,
                    "no script differs from what was applied only in line endings, byte order mark or final newline",
                ));
            }
            Ok(found)
        }
    }
}

fn in_one_transaction<T>(
    connection: &mut Connection,
    options: &Options,
    work: impl FnOnce(&Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    let limits = options.limits();
    let settings = Settings::prepare(connection, &limits)?;
    let begun = begin(connection, &limits, &mut || {});
    let result = begun.and_then(|()| work(connection)).and_then(|done| {
        if !options.dry_run {
            commit(connection, &limits).map_err(|(cause, message)| Error::Database {
                path: connection.path().unwrap_or_default().into(),
                doing: "commit the history",
                cause,
                message,
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

/// Changes one row of the history, and refuses if that changed anything else.
fn write(
    connection: &Connection,
    change: impl FnOnce(&Connection) -> Result<(), RecordError>,
) -> Result<(), Error> {
    let before = connection.total_changes();
    let unusable = |message: String| Error::History {
        database: connection.path().unwrap_or_default().into(),
        message,
    };
    match change(connection) {
        Ok(()) if connection.total_changes() == before + 1 => Ok(()),
        Ok(()) => Err(unusable(
            "a trigger or a foreign key on it would change other rows too: drop it".to_owned(),
        )),
        Err(RecordError::Swallowed) => Err(unusable(
            "a trigger on it changed what was written: drop the trigger".to_owned(),
        )),
        Err(RecordError::Sqlite(error)) => match Cause::of(&error) {
            Cause::Statement => Err(unusable(sqlite_message(&error))),
            _ => Err(Error::database(
                connection,
                "write to _sqlx_migrations",
                &error,
            )),
        },
    }
}

/// A checksum as stored, in hexadecimal, whatever its length.
#[must_use]
pub fn hexadecimal(checksum: &[u8]) -> String {
    match <[u8; 48]>::try_from(checksum) {
        Ok(bytes) => Checksum(bytes).to_string(),
        Err(_) => checksum.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
