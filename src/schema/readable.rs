//! Whether a schema can be read at all.
//!
//! Owns the question and its refusal. Reads only.

use crate::diagnostics::error::{Cause, Error};
use rusqlite::{Connection, OpenFlags};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Whether every name in the schemas is UTF-8, as it is unless a database is
/// damaged: rusqlite cannot hand any other name to an authorizer.
pub(crate) fn has_readable_schemas(connection: &Connection) -> rusqlite::Result<bool> {
    let mut names = connection.prepare("SELECT name FROM pragma_database_list")?;
    let mut names = names.raw_query();
    while let Some(row) = names.next()? {
        let Ok(name) = row.get_ref(0)?.as_str() else {
            return Ok(false);
        };
        let name = name.replace('"', "\"\"");
        let query = format!("SELECT name, tbl_name, sql FROM \"{name}\".sqlite_schema");
        let mut objects = connection.prepare(&query)?;
        let mut objects = objects.raw_query();
        while let Some(object) = objects.next()? {
            for column in 0..3 {
                let text = object.get_ref(column)?.as_bytes_or_null();
                if !text.is_ok_and(|text| std::str::from_utf8(text.unwrap_or_default()).is_ok()) {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// The same of the files that are attached, each asked by a connection of its own: a
/// transaction that has read an attached database cannot detach it any more.
pub(crate) fn has_readable_attachments(connection: &Connection) -> rusqlite::Result<bool> {
    let query =
        "SELECT file FROM pragma_database_list WHERE name NOT IN ('main', 'temp') AND file != ''";
    let mut files = connection.prepare(query)?;
    let mut files = files.raw_query();
    while let Some(row) = files.next()? {
        let file = PathBuf::from(OsStr::from_bytes(row.get_ref(0)?.as_bytes()?));
        let is_empty = std::fs::metadata(&file).is_ok_and(|metadata| metadata.len() == 0);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        // What cannot be opened or read so is for the statement to say that reads it.
        let readable = Connection::open_with_flags(&file, flags)
            .and_then(|connection| has_readable_schemas(&connection));
        if !is_empty && matches!(readable, Ok(false)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Refuses a database whose schema holds text that is not UTF-8.
pub(crate) fn refuse_unreadable(connection: &Connection) -> Result<(), Error> {
    match has_readable_schemas(connection) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::Database {
            path: connection.path().unwrap_or_default().into(),
            doing: "read the schema",
            cause: Cause::Storage,
            message: "it holds text that is not UTF-8: the database is damaged; look at PRAGMA integrity_check".to_owned(),
        }),
        Err(error) => Err(Error::database(connection, "read the schema", &error)),
    }
}
