//! What is said when a statement stops a script.
//!
//! Owns the cause, the place and the cure of each.

use super::Stopped;
use super::referring::referring;
use super::remedy::{KEPT, RENAMED, UNFILLED, remedy};
use super::runner::Runner;
use super::seen::saw;
use crate::diagnostics::error::{Cause, Error, NO_TEMPORARY, sqlite_message};
use crate::diagnostics::text::short;
use rusqlite::ffi::{
    SQLITE_CONSTRAINT_FOREIGNKEY, SQLITE_CONSTRAINT_TRIGGER, SQLITE_CORRUPT_VTAB,
    SQLITE_IOERR_GETTEMPPATH, SQLITE_READONLY_DIRECTORY,
};
use rusqlite::{Connection, ErrorCode};
use std::os::unix::fs::MetadataExt;

/// Why a contained script stopped.
const OUTSIDE: &str = "this statement touches another file, which it may not do where scripts run in memory only to see what they make";

/// Why a script of another user than root stopped, and what to do.
pub(super) const FOREIGN: (&str, &str) = (
    "this script belongs to another user than root, who runs it, and the file that it names is not theirs to write",
    "run as the owner of the database, or give the script, and every directory that it is in, to root",
);

impl Runner<'_> {
    pub(super) fn not_prepared(&self, error: &rusqlite::Error) -> Stopped {
        let seen = self.seen.what();
        if seen & saw::OUTSIDE != 0 {
            return self.refused(OUTSIDE, None);
        }
        if seen & saw::FOREIGN != 0 {
            return self.refused(FOREIGN.0, Some(FOREIGN.1));
        }
        if seen & saw::ROLLBACK != 0 {
            let message = "ROLLBACK is not possible in a migration: it would undo the script and let what follows it stand";
            let remedy = "remove it; a script that fails is rolled back as a whole (ROLLBACK TO a savepoint is fine)";
            return self.refused(message, Some(remedy));
        }
        let (offset, from) = match error {
            rusqlite::Error::SqlInputError { sql, offset, .. } => {
                let offset = usize::try_from(*offset).unwrap_or(0);
                let from = self.place.sql().len() - sql.len();
                (from + offset, from)
            }
            _ => {
                let rest = &self.place.sql()[self.place.end..];
                let first = super::text::skip_blank(rest, true).unwrap_or(0);
                (self.place.end + first, self.place.end)
            }
        };
        self.stopped_at(error, Some(offset), &self.place.sql()[from..])
    }

    /// A statement that was prepared and failed when it was run.
    pub(super) fn not_run(
        &self,
        connection: &Connection,
        seen: u32,
        error: &rusqlite::Error,
    ) -> Stopped {
        // Of VACUUM INTO only running it tells.
        if self.seen.what() & saw::OUTSIDE != 0 {
            return self.refused(OUTSIDE, None);
        }
        if self.seen.what() & saw::FOREIGN != 0 {
            return self.refused(FOREIGN.0, Some(FOREIGN.1));
        }
        let mut stopped = self.stopped_here(error);
        // RESTRICT fails as a trigger does.
        let is_key = matches!(
            error.sqlite_extended_error_code(),
            Some(SQLITE_CONSTRAINT_FOREIGNKEY | SQLITE_CONSTRAINT_TRIGGER)
        ) && stopped.message.contains("FOREIGN KEY");
        if seen & saw::DROP != 0 && is_key {
            let _pause = self.seen.pause();
            let notes = self.seen.notes();
            if let Ok(Some(rows)) = referring(connection, &notes.own_schema, &notes.own_table) {
                stopped.message = format!(
                    "{}: rows of other tables refer to {}: {rows}",
                    stopped.message, notes.own_table
                );
                let remedy = match self.is_renamed(&notes.own_table) {
                    true => RENAMED,
                    false => KEPT,
                };
                stopped.remedy = Some(remedy.to_owned());
            }
        }
        stopped
    }

    /// The rest of the script cannot be read, or is another now.
    pub(super) fn unread(&self, error: Error) -> Stopped {
        Stopped {
            statements: self.kept,
            unread: Some(Box::new(error)),
            ..Stopped::at_end(Cause::Statement, String::new())
        }
    }

    pub(super) fn stopped_here(&self, error: &rusqlite::Error) -> Stopped {
        self.stopped(error, Some(self.place.first_token()))
    }

    pub(super) fn stopped(&self, error: &rusqlite::Error, offset: Option<usize>) -> Stopped {
        let from = offset.unwrap_or(self.place.sql().len());
        self.stopped_at(error, offset, &self.place.sql()[from..])
    }

    pub(super) fn stopped_at(
        &self,
        error: &rusqlite::Error,
        offset: Option<usize>,
        statement: &str,
    ) -> Stopped {
        let message = sqlite_message(error);
        let seen = self.seen.what();
        let attached = seen & saw::ATTACH != 0;
        let extended = error.sqlite_extended_error_code();
        let cause = match Cause::of(error) {
            // The database could be written a moment ago. What cannot be written
            // or opened now is what the statement names, or a new journal.
            Cause::Permission | Cause::CannotOpen if attached => Cause::Statement,
            Cause::Permission if extended == Some(SQLITE_READONLY_DIRECTORY) => Cause::Permission,
            Cause::Permission => Cause::Statement,
            Cause::CannotOpen => Cause::Permission,
            Cause::Busy if error.sqlite_error_code() == Some(ErrorCode::DatabaseLocked) => {
                Cause::Statement
            }
            cause => cause,
        };
        let remedy = match extended {
            Some(SQLITE_IOERR_GETTEMPPATH) => Some(NO_TEMPORARY.to_owned()),
            Some(SQLITE_CORRUPT_VTAB) => Some(UNFILLED.to_owned()),
            _ if self.query_only && message.contains("readonly") => {
                Some("the script has set PRAGMA query_only itself: take it out".to_owned())
            }
            _ => remedy(
                &message,
                (cause, error.sqlite_error_code()),
                seen,
                statement,
            ),
        };
        Stopped {
            remedy,
            position: offset.map(|offset| self.place.position(offset)),
            message,
            cause,
            statements: self.kept,
            by_warning: false,
            unread: None,
        }
    }

    pub(super) fn refused(&self, message: &str, remedy: Option<&'static str>) -> Stopped {
        // What could not be prepared has not become the current statement yet.
        Stopped {
            position: Some(self.place.here()),
            message: short(message.to_owned(), 4000),
            remedy: remedy.map(str::to_owned),
            cause: Cause::Statement,
            statements: self.kept,
            by_warning: false,
            unread: None,
        }
    }

    pub(super) fn refuse_unreadable_schema(
        &self,
        readable: rusqlite::Result<bool>,
    ) -> Result<(), Stopped> {
        match readable {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.refused(
                "this statement brings in a schema that is not UTF-8 text",
                None,
            )),
            Err(error) => Err(self.stopped_here(&error)),
        }
    }
}

/// Whether a database is attached that is the main one, too, under whatever name.
pub(super) fn attaches_itself(connection: &Connection) -> rusqlite::Result<bool> {
    let query = "SELECT name = 'main', file FROM pragma_database_list WHERE name != 'temp' AND file != '' ORDER BY seq";
    let mut statement = connection.prepare(query)?;
    let files = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let files: Vec<(bool, String)> = files.collect::<rusqlite::Result<_>>()?;
    let identity = |file: &String| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    let main = files.iter().find(|(is_main, _)| *is_main);
    let main = main.and_then(|(_, file)| identity(file));
    let mut others = files.iter().filter(|(is_main, _)| !is_main);
    Ok(main.is_some() && others.any(|(_, file)| identity(file) == main))
}
