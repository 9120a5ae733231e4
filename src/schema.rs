//! The schema of a database, and how two of them differ.
//!
//! Owns the comparison of `sqlite_schema` with itself at another time. Reads
//! only, and knows nothing of migrations.

use rusqlite::Connection;
use std::collections::BTreeMap;

/// What happened to an object of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// Its SQL is another.
    Changed,
    /// It is gone.
    Dropped,
}

/// One object of the schema that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaChange {
    /// What happened to it.
    pub kind: ChangeKind,
    /// `table`, `index`, `trigger` or `view`.
    pub object: String,
    /// Its name.
    pub name: String,
    /// Its SQL now, or what it was if it is gone; empty for an automatic index.
    pub sql: String,
}

/// The objects of a schema: type and name, with the SQL of each.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Schema(BTreeMap<(String, String), String>);

impl Schema {
    /// Reads the schema of the main database, without the history.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let query = "SELECT type, name, coalesce(sql, '') FROM main.sqlite_schema WHERE lower(tbl_name) != '_sqlx_migrations'";
        let mut statement = connection.prepare(query)?;
        let objects =
            statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
        objects.collect::<rusqlite::Result<_>>().map(Self)
    }

    /// What is different in `now`, by type and name.
    #[must_use]
    pub fn changes(&self, now: &Self) -> Vec<SchemaChange> {
        let change = |kind, (object, name): &(String, String), sql: &String| SchemaChange {
            kind,
            object: object.clone(),
            name: name.clone(),
            sql: sql.clone(),
        };
        let dropped = self
            .0
            .iter()
            .filter(|(key, _)| !now.0.contains_key(key))
            .map(|(key, sql)| change(ChangeKind::Dropped, key, sql));
        let others = now.0.iter().filter_map(|(key, sql)| match self.0.get(key) {
            None => Some(change(ChangeKind::Created, key, sql)),
            Some(before) if before != sql => Some(change(ChangeKind::Changed, key, sql)),
            Some(_) => None,
        });
        dropped.chain(others).collect()
    }
}
