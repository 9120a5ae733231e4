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
use crate::operations::backup::is_empty;
use crate::operations::backup::origin::{Found, Origin};
use crate::operations::copy::is_text;
use crate::plan::history::{self, AppliedMigration};
use crate::schema::history_table::HistoryTable;
use std::path::Path;

/// Refuses to put `backup`, with this history, over another database, a backup, or what is
/// no database. A damaged one is replaced.
///
/// # Errors
///
/// [`Error::Declined`]; [`Error::Database`] if it is locked.
pub(super) fn refuse_another(
    backup: &Path,
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
    if is_text(&target) {
        return declined("it is text, by its name and its content".to_owned());
    }
    let seen = look(database, Access::Look, limits, |connection| {
        Ok((history::read(connection, table)?, is_empty(connection)?))
    });
    let (found, is_empty) = match seen {
        Ok(Some((found, _))) => found,
        Err(
            error @ Error::Database {
                cause: Cause::Busy, ..
            },
        ) => return Err(error),
        // Nothing is there, or it is damaged.
        Ok(None) | Err(_) => return Ok(()),
    };
    // By the script, or by when it was applied: its number or its text may have been repaired.
    let is_shared = |row: &AppliedMigration| {
        let mut others = found.iter();
        others.any(|other| {
            let is_same_run = (&other.installed_on, other.execution_time)
                == (&row.installed_on, row.execution_time);
            let is_same_script = other.version == row.version && other.checksum == row.checksum;
            is_same_script || (is_same_run && row.execution_time > 0)
        })
    };
    match history.is_empty() || history.iter().any(is_shared) {
        true => Ok(()),
        false if !found.is_empty() => declined(
            "its history and that of the backup have no migration in common (the right backup, the right database?)".to_owned(),
        ),
        false if !is_empty => {
            declined("it has tables and no history, and the backup has one".to_owned())
        }
        false => Ok(()),
    }
}
