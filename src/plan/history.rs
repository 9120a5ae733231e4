//! The table of the history, `_sqlx_migrations` if nothing else is said: the only SQL
//! about it.
//!
//! Owns its form, which is sqlx's to the byte
//! (`sqlx-sqlite/src/migrate.rs`, `create_migrations_table`). Reads it leniently,
//! refuses clearly; what writes is in `write`. Never decides what they mean.

mod write;

use crate::diagnostics::error::{Cause, Error, sqlite_message};
use crate::diagnostics::sorted::sort;
use crate::schema::history_table::HistoryTable;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use std::path::PathBuf;
pub(crate) use write::{WriteError, correct, record, record_at, remove, renumber, replace};

/// What should be text is turned into it by SQLite, whatever it is. What is far longer
/// than any that we, SQLPage or sqlx write is not read at all: SQLite knows the length
/// without it, and a row costs no more memory than a good one.
const COLUMNS: &str = "version, CASE WHEN octet_length(description) >= 65536 THEN '(too long to be shown)' ELSE CAST(description AS TEXT) END, CASE WHEN octet_length(installed_on) < 1024 THEN CAST(installed_on AS TEXT) END, success, CASE WHEN octet_length(checksum) < 1024 THEN checksum END, execution_time";

/// What decides whether anything is to be done.
const BRIEF: &str = "version, success, CASE WHEN octet_length(checksum) = 48 THEN checksum END";

/// One row: a version that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedMigration {
    /// The version.
    pub version: i64,
    /// Its description when it was applied.
    pub description: String,
    /// When, as stored: UTC, `YYYY-MM-DD HH:MM:SS`.
    pub installed_on: String,
    /// False only if another tool failed half way.
    pub success: bool,
    /// The checksum as stored: 48 bytes if sqlx, SQLPage or we wrote it.
    pub checksum: Vec<u8>,
    /// Nanoseconds; -1 if unknown.
    pub execution_time: i64,
}

/// The rows, by version; empty if there is no such table.
///
/// # Errors
///
/// [`Error::History`] if the table is not sqlx's, [`Error::Database`] if it
/// cannot be read.
pub fn read(connection: &Connection, table: &HistoryTable) -> Result<Vec<AppliedMigration>, Error> {
    let mut history = rows(connection, table)?;
    sort(&mut history, &|a, b| a.version.cmp(&b.version));
    match history
        .windows(2)
        .find(|pair| pair[0].version == pair[1].version)
    {
        Some(pair) => Err(unusable(
            connection,
            table,
            format!("version {} is in it twice", pair[0].version),
        )),
        None => Ok(history),
    }
}

/// The applied versions in the order in which they were applied, which is that
/// of the rows; by version in a table without rowids.
///
/// # Errors
///
/// As [`read`].
pub fn order_of_application(
    connection: &Connection,
    table: &HistoryTable,
) -> Result<Vec<i64>, Error> {
    Ok(rows(connection, table)?
        .iter()
        .map(|row| row.version)
        .collect())
}

fn unusable(connection: &Connection, table: &HistoryTable, message: String) -> Error {
    Error::History {
        table: table.to_string(),
        database: PathBuf::from(connection.path().unwrap_or_default()),
        message,
    }
}

fn rows(connection: &Connection, table: &HistoryTable) -> Result<Vec<AppliedMigration>, Error> {
    let mut history = Vec::new();
    each_row(connection, table, COLUMNS, |row| {
        let row = applied(row)?;
        Ok(row.map(|row| {
            history.push(row);
            true
        }))
    })?;
    Ok(history)
}

/// Whether each row in turn, in the order of the rows, is what `expected` says: its version, if
/// the script succeeded, and its checksum. Reads nothing else, and stops at the first that
/// is not. `false` also if there is no such table.
///
/// # Errors
///
/// As [`read`].
pub(super) fn all_rows_are(
    connection: &Connection,
    table: &HistoryTable,
    mut expected: impl FnMut(i64, bool, &[u8]) -> bool,
) -> Result<bool, Error> {
    let mut all = true;
    let exists = each_row(connection, table, BRIEF, |row| {
        let values = (row.get_ref(0)?, row.get_ref(1)?, row.get_ref(2)?);
        all = match values {
            (ValueRef::Integer(version), ValueRef::Integer(success), ValueRef::Blob(checksum)) => {
                expected(version, success != 0, checksum)
            }
            _ => false,
        };
        Ok(Ok(all))
    })?;
    Ok(exists && all)
}

/// Hands over `columns` of each row, in the order of the rows, until `work` says that
/// it is enough. Whether there is such a table.
fn each_row(
    connection: &Connection,
    table: &HistoryTable,
    columns: &str,
    mut work: impl FnMut(&Row<'_>) -> rusqlite::Result<Result<bool, String>>,
) -> Result<bool, Error> {
    let unusable = |message| unusable(connection, table, message);
    let failed = |error| Error::database(connection, "read the history", &error);

    // A view or a virtual table may never end, and have a rowid too.
    let without_rowid = match form(connection, table)? {
        None => return Ok(false),
        Some(Form { kind, .. }) if kind != "table" => {
            let of_module = if kind == "virtual" { " table" } else { "" };
            return Err(unusable(format!("it is a {kind}{of_module}")));
        }
        Some(Form {
            computes: Some(column),
            ..
        }) => {
            return Err(unusable(format!("its column {column} is generated")));
        }
        Some(Form { without_rowid, .. }) => without_rowid,
    };
    // A table WITHOUT ROWID is as good as any.
    let order = if without_rowid { "version" } else { "rowid" };
    let query = format!("SELECT {columns} FROM main.{table} ORDER BY {order}");
    let mut statement = match connection.prepare(&query) {
        Ok(statement) => statement,
        Err(error) if Cause::of(&error) == Cause::Statement => {
            return Err(unusable(sqlite_message(&error)));
        }
        Err(error) => return Err(failed(error)),
    };
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(failed)? {
        if !work(row).map_err(failed)?.map_err(unusable)? {
            break;
        }
    }
    Ok(true)
}

/// What the table is.
struct Form {
    /// `table`, `view`, `virtual` …
    kind: String,
    without_rowid: bool,
    /// A column whose value is computed when it is read, and may be anything.
    computes: Option<String>,
}

/// Asks SQLite's parser, which nothing in the schema can fool, and runs nothing of it.
/// Plain pragmas: those that are tables are many times dearer to prepare.
fn form(connection: &Connection, table: &HistoryTable) -> Result<Option<Form>, Error> {
    let read = || {
        let mut list = connection.prepare(&format!("PRAGMA main.table_list({table})"))?;
        let mut rows = list.raw_query();
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let mut form = Form {
            kind: lossy(row.get_ref(2)?),
            without_rowid: row.get(4)?,
            computes: None,
        };
        let mut columns = connection.prepare(&format!("PRAGMA main.table_xinfo({table})"))?;
        let mut rows = columns.raw_query();
        while let Some(row) = rows.next()? {
            if row.get::<_, i64>(6)? > 1 {
                form.computes = Some(lossy(row.get_ref(1)?));
                break;
            }
        }
        Ok(Some(form))
    };
    read().map_err(|error| Error::database(connection, "read the history", &error))
}

/// One row, or why it cannot be one. NULLs and foreign types become what cannot
/// be mistaken for a good row: an empty checksum fits no file.
fn applied(row: &Row<'_>) -> rusqlite::Result<Result<AppliedMigration, String>> {
    let ValueRef::Integer(version) = row.get_ref(0)? else {
        let found = lossy(row.get_ref(0)?);
        return Ok(Err(format!("a row's version is no integer: '{found}'")));
    };
    let success = match row.get_ref(3)? {
        ValueRef::Integer(value) => value != 0,
        _ => false,
    };
    let checksum = match row.get_ref(4)? {
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => bytes.to_vec(),
        _ => Vec::new(),
    };
    let execution_time = match row.get_ref(5)? {
        ValueRef::Integer(value) => value,
        _ => -1,
    };
    Ok(Ok(AppliedMigration {
        version,
        description: lossy(row.get_ref(1)?),
        installed_on: lossy(row.get_ref(2)?),
        success,
        checksum,
        execution_time,
    }))
}

fn lossy(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(_) => "a fraction".to_owned(),
        ValueRef::Null => String::new(),
    }
}

/// Whether the database has tables, besides this history and SQLite's own.
pub(crate) fn has_other_tables(
    connection: &Connection,
    table: &HistoryTable,
) -> rusqlite::Result<bool> {
    let query = "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND lower(name) != lower(?1) AND name NOT GLOB 'sqlite_*')";
    connection.query_row(query, [table.name()], |row| row.get(0))
}

/// Makes the table unless it is there, as sqlx leaves it in `sqlite_schema`:
/// `IF NOT EXISTS` is not kept by SQLite, and neither is `main.`.
pub(crate) fn create(connection: &Connection, table: &HistoryTable) -> Result<(), Error> {
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS main.{table} (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
)"
    );
    let made = connection
        .prepare(&sql)
        .and_then(|mut made| made.raw_execute());
    match made {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::database(
            connection,
            "create the table of the history",
            &error,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::schema::history_table::HistoryTable;
    use rusqlite::Connection;

    /// What another tool left empty is no good row, and none that lasted a nanosecond.
    #[test]
    fn what_a_row_does_not_say_is_not_known() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE _sqlx_migrations (version, description, installed_on, success, checksum, execution_time); INSERT INTO _sqlx_migrations (version) VALUES (1)")
            .unwrap();
        let rows = read(&connection, &HistoryTable::default()).unwrap();
        let row = &rows[0];
        assert_eq!((row.version, row.success), (1, false));
        assert_eq!((&*row.description, &*row.installed_on), ("", ""));
        assert_eq!((&row.checksum[..], row.execution_time), (&[][..], -1));
    }
}
