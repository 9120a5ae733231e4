//! What became of the tables that have lost rows.
//!
//! Owns when a loss is meant: the script has dropped all that lost something, looked at
//! none of it in between, and put nothing in its place. Only looks.

use crate::diagnostics::position::Position;
use crate::schema::references::quoted;
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeSet;

/// What was lost, in which tables.
#[derive(Debug)]
pub(super) struct Loss {
    pub message: String,
    pub tables: Vec<Lost>,
}

/// A table that has lost rows, followed through the rest of the script.
#[derive(Debug)]
pub(super) struct Lost {
    schema: String,
    /// When it lost them, and when it was dropped.
    names: Vec<String>,
    /// Its row in the schema; `None` when it was dropped.
    row: Option<i64>,
    was_read: bool,
}

impl Lost {
    pub(super) fn new(
        connection: &Connection,
        schema: &str,
        table: &str,
    ) -> rusqlite::Result<Self> {
        Ok(Self {
            schema: schema.to_owned(),
            names: vec![table.to_owned()],
            row: schema_row(connection, schema, table)?,
            was_read: false,
        })
    }
}

/// A loss that is fine if the script drops all that has lost something, without having
/// looked at it.
#[derive(Debug)]
pub(super) struct Pending {
    pub loss: Loss,
    pub position: Position,
    pub cure: &'static str,
}

impl Pending {
    /// Tables of these names are read.
    pub(super) fn note_reads(
        &mut self,
        connection: &Connection,
        read: &BTreeSet<String>,
    ) -> rusqlite::Result<()> {
        for lost in &mut self.loss.tables {
            let Some(row) = lost.row.filter(|_| !lost.was_read) else {
                continue;
            };
            let query = format!(
                "SELECT lower(name) FROM {}.sqlite_schema WHERE rowid = ?1",
                quoted(&lost.schema)
            );
            let name: Option<String> = connection
                .query_row(&query, [row], |row| row.get(0))
                .optional()?;
            lost.was_read = name.is_some_and(|name| read.contains(&name));
        }
        Ok(())
    }

    /// A table is about to be dropped.
    pub(super) fn note_drop(
        &mut self,
        connection: &Connection,
        schema: &str,
        table: &str,
    ) -> rusqlite::Result<()> {
        let row = schema_row(connection, schema, table)?;
        for lost in &mut self.loss.tables {
            if lost.row.is_some() && lost.row == row && lost.schema == schema {
                lost.row = None;
                lost.names.push(table.to_owned());
            }
        }
        Ok(())
    }

    /// Whether all was dropped, and nothing has its name.
    pub(super) fn is_meant(&self, connection: &Connection) -> rusqlite::Result<bool> {
        for lost in &self.loss.tables {
            if lost.row.is_some() || lost.was_read {
                return Ok(false);
            }
            for name in &lost.names {
                if schema_row(connection, &lost.schema, name)?.is_some() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

fn schema_row(connection: &Connection, schema: &str, name: &str) -> rusqlite::Result<Option<i64>> {
    let query = format!(
        "SELECT rowid FROM {}.sqlite_schema WHERE name = ?1 COLLATE NOCASE",
        quoted(schema)
    );
    let found = connection.query_row(&query, [name], |row| row.get(0));
    found.optional()
}
