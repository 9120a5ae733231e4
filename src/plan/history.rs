//! The table `_sqlx_migrations`: the only SQL about it.
//!
//! Owns its form, which is sqlx's to the byte
//! (`sqlx-sqlite/src/migrate.rs`, `create_migrations_table`). Reads it leniently,
//! refuses clearly, and writes nothing but finished rows. Never decides what they mean.

use crate::diagnostics::error::{Cause, Error, sqlite_message};
use crate::files::migration::Migration;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use std::path::PathBuf;
use std::time::Duration;

/// The table as sqlx leaves it in `sqlite_schema`. `IF NOT EXISTS` is not kept
/// by SQLite, and neither is `main.`.
const CREATE: &str = "CREATE TABLE IF NOT EXISTS main._sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
)";

/// What should be text is turned into it by SQLite, whatever it is.
const COLUMNS: &str = "version, CAST(description AS TEXT), CAST(installed_on AS TEXT), success, checksum, execution_time";

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
pub fn read(connection: &Connection) -> Result<Vec<AppliedMigration>, Error> {
    let mut history = rows(connection)?;
    history.sort_by_key(|row| row.version);
    match history
        .windows(2)
        .find(|pair| pair[0].version == pair[1].version)
    {
        Some(pair) => Err(unusable(
            connection,
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
pub fn order_of_application(connection: &Connection) -> Result<Vec<i64>, Error> {
    Ok(rows(connection)?.iter().map(|row| row.version).collect())
}

fn unusable(connection: &Connection, message: String) -> Error {
    Error::History {
        database: PathBuf::from(connection.path().unwrap_or_default()),
        message,
    }
}

fn rows(connection: &Connection) -> Result<Vec<AppliedMigration>, Error> {
    let unusable = |message| unusable(connection, message);
    let failed = |error| Error::database(connection, "read the history", &error);

    // `rowid` costs nothing and is what a view does not have.
    let query = format!("SELECT {COLUMNS} FROM main._sqlx_migrations ORDER BY rowid");
    let mut statement = match connection.prepare(&query) {
        Ok(statement) => statement,
        Err(error) if Cause::of(&error) == Cause::Statement => match object_type(connection)? {
            None => return Ok(Vec::new()),
            Some(kind) if kind != "table" => return Err(unusable(format!("it is a {kind}"))),
            Some(_) => {
                // A table WITHOUT ROWID is as good as any.
                let query = format!("SELECT {COLUMNS} FROM main._sqlx_migrations ORDER BY version");
                let message = sqlite_message(&error);
                connection.prepare(&query).map_err(|_| unusable(message))?
            }
        },
        Err(error) => return Err(failed(error)),
    };
    let mut rows = statement.raw_query();
    let mut history: Vec<AppliedMigration> = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        history.push(applied(row).map_err(failed)?.map_err(unusable)?);
    }
    Ok(history)
}

/// What `_sqlx_migrations` is in the schema: `table`, `view` …
fn object_type(connection: &Connection) -> Result<Option<String>, Error> {
    let query = "SELECT type FROM main.sqlite_schema WHERE lower(name) = '_sqlx_migrations'";
    let result =
        connection
            .prepare(query)
            .and_then(|mut statement| match statement.raw_query().next()? {
                Some(row) => Ok(Some(lossy(row.get_ref(0)?))),
                None => Ok(None),
            });
    result.map_err(|error| Error::database(connection, "read the schema", &error))
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

/// Makes the table unless it is there.
pub(crate) fn create(connection: &Connection) -> Result<(), Error> {
    let result = connection
        .prepare(CREATE)
        .and_then(|mut statement| statement.raw_execute());
    match result {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::database(
            connection,
            "create the table _sqlx_migrations",
            &error,
        )),
    }
}

/// Why a row could not be recorded.
pub(crate) enum RecordError {
    /// SQLite refused it.
    Sqlite(rusqlite::Error),
    /// SQLite accepted it, and the row is not as it should be: a trigger
    /// swallowed or changed it.
    Swallowed,
}

/// Inserts the finished row of `migration` and looks whether it is there: a
/// trigger with `RAISE(IGNORE)` makes an INSERT succeed without a row.
pub(crate) fn record(
    connection: &Connection,
    migration: &Migration,
    elapsed: Duration,
) -> Result<(), RecordError> {
    let nanoseconds = i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX);
    let checksum = &migration.checksum.0[..];
    let insert = "INSERT INTO main._sqlx_migrations (version, description, success, checksum, execution_time) VALUES (?1, ?2, TRUE, ?3, ?4)";
    connection
        .execute(
            insert,
            params![
                migration.version,
                migration.description,
                checksum,
                nanoseconds
            ],
        )
        .map_err(RecordError::Sqlite)?;
    let query = "SELECT count(*) FROM main._sqlx_migrations WHERE version = ?1 AND success AND checksum = ?2 AND description = ?3 AND execution_time = ?4 AND installed_on IS NOT NULL";
    let count = connection
        .query_row(
            query,
            params![
                migration.version,
                checksum,
                migration.description,
                nanoseconds
            ],
            |row| row.get::<_, i64>(0),
        )
        .map_err(RecordError::Sqlite)?;
    expect(count, 1)
}

/// As [`record`], for what another tool applied at `installed_on`, if that is known.
pub(crate) fn record_at(
    connection: &Connection,
    migration: &Migration,
    installed_on: Option<&str>,
) -> Result<(), RecordError> {
    let Some(installed_on) = installed_on else {
        return record(connection, migration, Duration::ZERO);
    };
    let row = params![
        migration.version,
        migration.description,
        &migration.checksum.0[..],
        installed_on
    ];
    let insert = "INSERT INTO main._sqlx_migrations (version, description, success, checksum, execution_time, installed_on) VALUES (?1, ?2, TRUE, ?3, 0, ?4)";
    connection
        .execute(insert, row)
        .map_err(RecordError::Sqlite)?;
    let query = "SELECT count(*) FROM main._sqlx_migrations WHERE version = ?1 AND success AND description = ?2 AND checksum = ?3 AND execution_time = 0 AND CAST(installed_on AS TEXT) = ?4";
    let count: i64 = connection
        .query_row(query, row, |row| row.get(0))
        .map_err(RecordError::Sqlite)?;
    expect(count, 1)
}

/// Removes the row of a version, and looks whether it is gone.
pub(crate) fn remove(connection: &Connection, version: i64) -> Result<(), RecordError> {
    let delete = "DELETE FROM main._sqlx_migrations WHERE version = ?1";
    connection
        .execute(delete, [version])
        .map_err(RecordError::Sqlite)?;
    let query = "SELECT count(*) FROM main._sqlx_migrations WHERE version = ?1";
    let count: i64 = connection
        .query_row(query, [version], |row| row.get(0))
        .map_err(RecordError::Sqlite)?;
    expect(count, 0)
}

/// Sets the recorded checksum of a version to that of its file, and looks whether
/// it is there.
pub(crate) fn correct(connection: &Connection, migration: &Migration) -> Result<(), RecordError> {
    let update = "UPDATE main._sqlx_migrations SET checksum = ?2 WHERE version = ?1";
    let written = params![migration.version, &migration.checksum.0[..]];
    connection
        .execute(update, written)
        .map_err(RecordError::Sqlite)?;
    let query = "SELECT count(*) FROM main._sqlx_migrations WHERE version = ?1 AND checksum = ?2";
    let count: i64 = connection
        .query_row(query, written, |row| row.get(0))
        .map_err(RecordError::Sqlite)?;
    expect(count, 1)
}

fn expect(count: i64, expected: i64) -> Result<(), RecordError> {
    if count == expected {
        Ok(())
    } else {
        Err(RecordError::Swallowed)
    }
}
