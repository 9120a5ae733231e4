//! Changes of the history's table: one finished row at a time.
//!
//! Owns the SQL that writes, and the look at what became of it. Never decides what is to
//! be written.

use crate::diagnostics::error::{Cause, explained_message};
use crate::files::migration::Migration;
use crate::schema::history_table::HistoryTable;
use rusqlite::{Connection, ToSql, params};
use std::ffi::CString;
use std::time::Duration;

/// Why a change of the history could not be made.
pub(crate) enum WriteError {
    /// SQLite refused it.
    Sqlite(rusqlite::Error),
    /// SQLite accepted it, and the row is not as it should be: a trigger
    /// swallowed or changed it.
    Swallowed,
    /// The same, and there is no trigger: the table has lost a default or a type.
    Redefined,
    /// A trigger or a foreign key changed other rows with it.
    Others,
}

impl WriteError {
    /// What kind of failure, and a sentence about it.
    pub fn explained(&self) -> (Cause, String) {
        let message = match self {
            Self::Sqlite(error) => return (Cause::of(error), explained_message(error)),
            Self::Swallowed => "a trigger on it swallowed or changed the row: drop the trigger",
            Self::Redefined => {
                "the table is not defined as it was, and makes another row of it: make it with the definition that it had, PRIMARY KEY and DEFAULT CURRENT_TIMESTAMP with it"
            }
            Self::Others => "a trigger or a foreign key on it would change other rows too: drop it",
        };
        (Cause::Statement, message.to_owned())
    }
}

/// One change of the history, of one row: makes it, then looks whether `wanted`
/// finds as many rows as it should, because a trigger with `RAISE(IGNORE)` makes a
/// statement succeed without a change.
///
/// `[history]` in a statement stands for the table.
struct Change {
    sql: &'static str,
    wanted: &'static str,
    found: i64,
    /// Whether `sql` inserts that row with all its values.
    inserts: bool,
}

impl Change {
    fn make(
        &self,
        connection: &Connection,
        table: &HistoryTable,
        values: &[&dyn ToSql],
    ) -> Result<(), WriteError> {
        let of_table = |sql: &str| sql.replace("[history]", table.name());
        let before = connection.total_changes();
        let written = connection.execute(&of_table(self.sql), values);
        let written = written.map_err(WriteError::Sqlite)?;
        let changed = connection.total_changes() - before;
        // One row was inserted and nothing else was changed: it is what it was to be,
        // unless the table makes something else of it.
        if self.inserts && (written, changed) == (1, 1) && is_as_created(connection, table) {
            return Ok(());
        }
        let found: i64 = connection
            .query_row(&of_table(self.wanted), values, |row| row.get(0))
            .map_err(WriteError::Sqlite)?;
        if found != self.found {
            let query = "SELECT count(*) FROM (SELECT tbl_name AS t FROM main.sqlite_schema WHERE type = 'trigger' UNION ALL SELECT tbl_name FROM temp.sqlite_schema WHERE type = 'trigger') WHERE t = ?1 COLLATE NOCASE";
            let triggers: rusqlite::Result<i64> =
                connection.query_row(query, [table.name()], |row| row.get(0));
            return Err(match triggers {
                Ok(0) => WriteError::Redefined,
                _ => WriteError::Swallowed,
            });
        }
        match changed {
            0 | 1 => Ok(()),
            _ => Err(WriteError::Others),
        }
    }
}

/// Whether the columns are those of [`create`](super::create), which keep every value as it is given and
/// let no row be without its time.
fn is_as_created(connection: &Connection, table: &HistoryTable) -> bool {
    let columns = [
        (c"version", c"BIGINT", false, true),
        (c"description", c"TEXT", true, false),
        (c"installed_on", c"TIMESTAMP", true, false),
        (c"success", c"BOOLEAN", true, false),
        (c"checksum", c"BLOB", true, false),
        (c"execution_time", c"BIGINT", true, false),
    ];
    let Ok(table) = CString::new(table.name()) else {
        return false;
    };
    columns.iter().all(|&(column, of, not_null, is_key)| {
        let found = connection.column_metadata(Some(c"main"), table.as_c_str(), column);
        found.is_ok_and(|(kind, _, set, key, _)| {
            kind.as_deref() == Some(of) && set == not_null && key == is_key
        })
    })
}

/// Inserts the finished row of `migration`.
pub(crate) fn record(
    connection: &Connection,
    table: &HistoryTable,
    migration: &Migration,
    elapsed: Duration,
) -> Result<(), WriteError> {
    let nanoseconds = i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX);
    let change = Change {
        sql: "INSERT INTO main.[history] (version, description, success, checksum, execution_time) VALUES (?1, ?2, TRUE, ?3, ?4)",
        wanted: "SELECT count(*) FROM main.[history] WHERE version = ?1 AND success AND checksum = ?3 AND description = ?2 AND execution_time = ?4 AND installed_on IS NOT NULL",
        found: 1,
        inserts: true,
    };
    let checksum = &migration.checksum.0[..];
    let values = params![
        migration.version,
        migration.description,
        checksum,
        nanoseconds
    ];
    change.make(connection, table, values)
}

/// As [`record`], for what another tool applied at `installed_on`, if that is known.
pub(crate) fn record_at(
    connection: &Connection,
    table: &HistoryTable,
    migration: &Migration,
    installed_on: Option<&str>,
) -> Result<(), WriteError> {
    let Some(installed_on) = installed_on else {
        return record(connection, table, migration, Duration::ZERO);
    };
    let change = Change {
        sql: "INSERT INTO main.[history] (version, description, success, checksum, execution_time, installed_on) VALUES (?1, ?2, TRUE, ?3, 0, ?4)",
        wanted: "SELECT count(*) FROM main.[history] WHERE version = ?1 AND success AND description = ?2 AND checksum = ?3 AND execution_time = 0 AND CAST(installed_on AS TEXT) = ?4",
        found: 1,
        inserts: false,
    };
    let values = params![
        migration.version,
        migration.description,
        &migration.checksum.0[..],
        installed_on
    ];
    change.make(connection, table, values)
}

/// Removes the row of a version.
pub(crate) fn remove(
    connection: &Connection,
    table: &HistoryTable,
    version: i64,
) -> Result<(), WriteError> {
    let change = Change {
        sql: "DELETE FROM main.[history] WHERE version = ?1",
        wanted: "SELECT count(*) FROM main.[history] WHERE version = ?1",
        found: 0,
        inserts: false,
    };
    change.make(connection, table, params![version])
}

/// Sets the recorded checksum of a version to that of its file.
pub(crate) fn correct(
    connection: &Connection,
    table: &HistoryTable,
    migration: &Migration,
) -> Result<(), WriteError> {
    let change = Change {
        sql: "UPDATE main.[history] SET checksum = ?2 WHERE version = ?1",
        wanted: "SELECT count(*) FROM main.[history] WHERE version = ?1 AND checksum = ?2",
        found: 1,
        inserts: false,
    };
    change.make(
        connection,
        table,
        params![migration.version, &migration.checksum.0[..]],
    )
}

/// Gives the row of a version another number and description.
pub(crate) fn renumber(
    connection: &Connection,
    table: &HistoryTable,
    version: i64,
    now: i64,
    description: &str,
) -> Result<(), WriteError> {
    let change = Change {
        sql: "UPDATE main.[history] SET version = ?2, description = ?3 WHERE version = ?1",
        wanted: "SELECT count(*) FROM main.[history] WHERE (version = ?2 AND description = ?3) OR version = ?1",
        found: 1,
        inserts: false,
    };
    change.make(connection, table, params![version, now, description])
}

/// Puts the row of `migration` in the place of the rows of `replaced`.
pub(crate) fn replace(
    connection: &Connection,
    table: &HistoryTable,
    migration: &Migration,
    replaced: &[i64],
) -> Result<(), WriteError> {
    for version in replaced {
        remove(connection, table, *version)?;
    }
    record(connection, table, migration, Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::is_as_created;
    use crate::plan::history::create;
    use crate::schema::history_table::HistoryTable;
    use rusqlite::Connection;

    /// Only then may what was inserted go unread.
    #[test]
    fn a_table_of_another_definition_is_not_ours() {
        let table = HistoryTable::default();
        let connection = Connection::open_in_memory().unwrap();
        create(&connection, &table).unwrap();
        assert!(is_as_created(&connection, &table));
        let query = "SELECT sql FROM sqlite_schema WHERE type = 'table'";
        let made: String = connection.query_row(query, [], |row| row.get(0)).unwrap();
        let columns = made.lines().filter(|line| line.starts_with("    "));
        for column in columns {
            let words: Vec<&str> = column.split_whitespace().collect();
            for other in [
                column.replacen(words[0], "another", 1),
                column.replacen(words[1], "REAL", 1),
                match column.contains("NOT NULL") {
                    true => column.replacen("NOT NULL", "", 1),
                    false => column.replacen("KEY", "KEY NOT NULL", 1),
                },
                column.replacen("PRIMARY KEY", "UNIQUE", 1),
            ] {
                let connection = Connection::open_in_memory().unwrap();
                let sql = made.replace(column, &other);
                connection.execute_batch(&sql).unwrap();
                let same = other == column;
                assert_eq!(is_as_created(&connection, &table), same, "{other}");
            }
        }
    }
}
