//! What a backup may not be put over, because it is not that of what is there.
//!
//! Owns how that is told: by the note beside the backup, by the two histories, and by what
//! the file is. What is meant to be replaced can be moved away first. Changes nothing.

use crate::database::limits::Limits;
use crate::database::location::Location;
use crate::database::look::{Access, look};
use crate::database::permission::place::lead_to_one;
use crate::diagnostics::error::{Cause, Error};
use crate::diagnostics::text::shown;
use crate::operations::backup::has_shared_row;
use crate::operations::backup::origin::{Found, Origin};
use crate::operations::copy::is_no_database;
use crate::plan::history::{self, AppliedMigration};
use crate::schema::history_table::HistoryTable;
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::path::Path;

/// Refuses to put `backup`, with this history, over another database, a backup, or what is
/// no database. A damaged one is replaced.
///
/// # Errors
///
/// [`Error::Declined`]; [`Error::Database`] if it is locked.
pub(super) fn refuse_another(
    backup: &Path,
    from: &Connection,
    database: &Location,
    table: &HistoryTable,
    history: &[AppliedMigration],
    limits: &Limits,
) -> Result<(), Error> {
    let Ok(target) = std::fs::canonicalize(&database.path) else {
        return Ok(());
    };
    let declined = |what: String| {
        Err(Error::Declined {
            database: database.path.clone(),
            message: format!("{what}; if it is to be replaced, move it away first"),
        })
    };
    if !matches!(Origin::read(&target), Found::Nothing) {
        return declined("it is a backup itself, by the note beside it".to_owned());
    }
    let real = std::fs::canonicalize(backup).unwrap_or_else(|_| backup.to_owned());
    if let Found::Known(origin) = Origin::read(&real) {
        if origin.is_of(&target) {
            return Ok(());
        }
        if origin.database.exists() && !lead_to_one(&origin.database, &target) {
            let whose = shown(&origin.database).to_string();
            return declined(format!(
                "{} is a backup of {whose}, by the note beside it, and not of this database",
                shown(backup)
            ));
        }
    }
    if is_no_database(&target) {
        return declined("it is no database, by its name and its content".to_owned());
    }
    let seen = look(database, Access::Look, limits, |connection| {
        Ok((history::read(connection, table)?, tables(connection)?))
    });
    let (found, there) = match seen {
        Ok(Some((found, _))) => found,
        Err(
            error @ Error::Database {
                cause: Cause::Busy, ..
            },
        ) => return Err(error),
        // Nothing is there, or it is damaged.
        Ok(None) | Err(_) => return Ok(()),
    };
    // By a script, or by when it was applied: its number or its text may have been repaired.
    let scripts: BTreeSet<_> = found.iter().map(|row| &row.checksum).collect();
    let mut rows = history.iter();
    let is_shared =
        rows.any(|row| scripts.contains(&row.checksum)) || has_shared_row(&found, history);
    // One from before the first migration has no history, and tables of the database.
    let is_earlier =
        || -> Result<bool, Error> { Ok(history.is_empty() && !tables(from)?.is_disjoint(&there)) };
    match is_shared || there.is_empty() || is_earlier()? {
        true => Ok(()),
        false if history.is_empty() => {
            declined("the backup has no history, and none of its tables".to_owned())
        }
        false if found.is_empty() => {
            declined("it has tables and no history, and the backup has one".to_owned())
        }
        false => declined(
            "its history and that of the backup have no migration in common (the right backup, the right database?)".to_owned(),
        ),
    }
}

/// The tables of a database, in lower case; not SQLite's own.
fn tables(connection: &Connection) -> Result<BTreeSet<String>, Error> {
    let failed = |error| Error::database(connection, "read the schema", &error);
    let query = "SELECT lower(name) FROM main.sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'";
    let mut names = connection.prepare(query).map_err(failed)?;
    let names = names.query_map([], |row| row.get(0)).map_err(failed)?;
    names.collect::<rusqlite::Result<_>>().map_err(failed)
}
