//! What became of the tables that have lost rows.
//!
//! Owns when a loss is meant: the script has dropped all that lost something, looked at
//! none of it in between, and put nothing in its place. Only looks.

use crate::diagnostics::position::Position;
use crate::schema::references::quoted;
use rusqlite::{Connection, OptionalExtension};
use std::collections::{BTreeMap, BTreeSet};

/// What was lost, in which tables.
#[derive(Debug, Clone)]
pub(super) struct Loss {
    pub message: String,
    pub tables: Vec<Lost>,
}

/// A table that has lost rows, followed through the rest of the script.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub loss: Loss,
    pub position: Position,
    pub cure: &'static str,
}

/// All of them, in the order of the script.
#[derive(Debug, Default, Clone)]
pub(super) struct Losses {
    pending: Vec<Pending>,
    /// What the tables are called now, in lower case, until the schema is another.
    names: Option<BTreeMap<String, Vec<(usize, usize)>>>,
}

impl Losses {
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    pub(super) fn push(&mut self, pending: Pending) {
        self.pending.push(pending);
        self.names = None;
    }

    /// A schema is another now.
    pub(super) fn forget_names(&mut self) {
        self.names = None;
    }

    /// Tables of these names, in lower case, are read.
    pub(super) fn note_reads(
        &mut self,
        connection: &Connection,
        read: &BTreeSet<String>,
    ) -> rusqlite::Result<()> {
        if self.names.is_none() {
            self.names = Some(self.names_now(connection)?);
        }
        let names = self.names.as_ref();
        for name in read {
            for &(pending, table) in names
                .and_then(|names| names.get(name))
                .into_iter()
                .flatten()
            {
                self.pending[pending].loss.tables[table].was_read = true;
            }
        }
        Ok(())
    }

    fn names_now(
        &self,
        connection: &Connection,
    ) -> rusqlite::Result<BTreeMap<String, Vec<(usize, usize)>>> {
        let mut names: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
        for (pending, each) in self.pending.iter().enumerate() {
            for (table, lost) in each.loss.tables.iter().enumerate() {
                let Some(row) = lost.row else { continue };
                let query = format!(
                    "SELECT lower(name) FROM {}.sqlite_schema WHERE rowid = ?1",
                    quoted(&lost.schema)
                );
                let name: Option<String> = connection
                    .query_row(&query, [row], |row| row.get(0))
                    .optional()?;
                if let Some(name) = name {
                    names.entry(name).or_default().push((pending, table));
                }
            }
        }
        Ok(names)
    }

    /// A table is about to be dropped.
    pub(super) fn note_drop(
        &mut self,
        connection: &Connection,
        schema: &str,
        table: &str,
    ) -> rusqlite::Result<()> {
        let row = match self.is_empty() {
            true => None,
            false => schema_row(connection, schema, table)?,
        };
        let tables = self
            .pending
            .iter_mut()
            .flat_map(|each| &mut each.loss.tables);
        for lost in tables {
            if lost.row.is_some() && lost.row == row && lost.schema == schema {
                lost.row = None;
                lost.names.push(table.to_owned());
            }
        }
        Ok(())
    }

    /// The first that was not meant: not all was dropped, something was read in between,
    /// or something has the name of what was dropped.
    pub(super) fn take_unmeant(
        &mut self,
        connection: &Connection,
    ) -> rusqlite::Result<Option<Pending>> {
        let mut there: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for pending in std::mem::take(&mut self.pending) {
            for lost in &pending.loss.tables {
                if lost.row.is_some() || lost.was_read {
                    return Ok(Some(pending));
                }
                if !there.contains_key(&lost.schema) {
                    there.insert(lost.schema.clone(), all_names(connection, &lost.schema)?);
                }
                let is_there = |name: &String| {
                    there
                        .get(&lost.schema)
                        .is_some_and(|names| names.contains(&name.to_ascii_lowercase()))
                };
                if lost.names.iter().any(is_there) {
                    return Ok(Some(pending));
                }
            }
        }
        Ok(None)
    }
}

fn all_names(connection: &Connection, schema: &str) -> rusqlite::Result<BTreeSet<String>> {
    let query = format!("SELECT lower(name) FROM {}.sqlite_schema", quoted(schema));
    let mut statement = connection.prepare(&query)?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

fn schema_row(connection: &Connection, schema: &str, name: &str) -> rusqlite::Result<Option<i64>> {
    let query = format!(
        "SELECT rowid FROM {}.sqlite_schema WHERE name = ?1 COLLATE NOCASE",
        quoted(schema)
    );
    let found = connection.query_row(&query, [name], |row| row.get(0));
    found.optional()
}
