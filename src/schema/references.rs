//! Which table refers to which.
//!
//! Owns the questions about foreign keys that SQLite answers from its schema. Reads
//! only, and never the rows.

use super::sql::{in_any_case, is_keyword};
use rusqlite::{Connection, Params, Row};

/// A foreign key: a table refers to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub child: String,
    pub parent: String,
    /// The columns of the child, and those of the parent: none if it is its key.
    pub from: Vec<String>,
    pub to: Vec<Option<String>>,
    /// `CASCADE`, `SET NULL`, `SET DEFAULT`, `RESTRICT` or `NO ACTION`.
    pub on_delete: String,
    pub on_update: String,
    /// The child's definition has a key that is only checked at COMMIT.
    pub deferred: bool,
}

impl Reference {
    /// Whether rows of the child go, or lose their reference, with the parent's.
    pub(crate) fn acts_on_delete(&self) -> bool {
        acts(&self.on_delete)
    }

    /// The condition by which a row of the child refers to something. `of` stands before
    /// each column: nothing, or `c.`.
    pub(crate) fn is_set(&self, of: &str) -> String {
        let set: Vec<String> = self
            .from
            .iter()
            .map(|name| format!("{of}{} IS NOT NULL", quoted(name)))
            .collect();
        set.join(" AND ")
    }

    /// Whether the child's reference follows the parent's key, or is emptied with it.
    pub(crate) fn acts_on_update(&self) -> bool {
        acts(&self.on_update)
    }
}

fn acts(action: &str) -> bool {
    action == "CASCADE" || action.starts_with("SET")
}

/// A name as it can stand in SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A name as a person would write it in SQL: in quotes only where it needs them.
pub(crate) fn written(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !is_keyword(&name.to_ascii_lowercase());
    match is_plain {
        true => name.to_owned(),
        false => quoted(name),
    }
}

fn columns() -> String {
    format!(
        "m.name, f.id, f.\"table\", f.\"from\", f.\"to\", upper(f.on_delete), upper(f.on_update), m.sql GLOB {}",
        in_any_case("*deferred*")
    )
}

/// All foreign keys of a schema, of each table in the order of their numbers. Only the
/// definitions that have the word in them are asked.
pub(crate) fn all(connection: &Connection, schema: &str) -> rusqlite::Result<Vec<Reference>> {
    all_after(connection, schema, 0)
}

/// Those of the tables whose row in the schema comes after the row `after`.
pub(crate) fn all_after(
    connection: &Connection,
    schema: &str,
    after: i64,
) -> rusqlite::Result<Vec<Reference>> {
    let query = format!(
        "SELECT {} FROM {}.sqlite_schema AS m, pragma_foreign_key_list(m.name, ?1) AS f WHERE m.rowid > ?2 AND m.type = 'table' AND m.rootpage != 0 AND m.sql GLOB {} ORDER BY m.rowid, f.id, f.seq",
        columns(),
        quoted(schema),
        in_any_case("*references*")
    );
    read(connection, &query, (schema, after))
}

/// The foreign keys of one table.
pub(crate) fn of_child(
    connection: &Connection,
    schema: &str,
    child: &str,
) -> rusqlite::Result<Vec<Reference>> {
    let query = format!(
        "SELECT {} FROM {}.sqlite_schema AS m, pragma_foreign_key_list(m.name, ?1) AS f WHERE m.type = 'table' AND m.name = ?2 COLLATE BINARY ORDER BY f.id, f.seq",
        columns(),
        quoted(schema)
    );
    read(connection, &query, [schema, child])
}

fn read(
    connection: &Connection,
    query: &str,
    parameters: impl Params,
) -> rusqlite::Result<Vec<Reference>> {
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query(parameters)?;
    let mut found: Vec<(i64, Reference)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (child, id): (String, i64) = (row.get(0)?, row.get(1)?);
        match found.last_mut() {
            Some((last, reference)) if *last == id && reference.child == child => {
                reference.from.push(row.get(3)?);
                reference.to.push(row.get(4)?);
            }
            _ => found.push((id, reference(child, row)?)),
        }
    }
    Ok(found.into_iter().map(|(_, reference)| reference).collect())
}

fn reference(child: String, row: &Row<'_>) -> rusqlite::Result<Reference> {
    Ok(Reference {
        child,
        parent: row.get(2)?,
        from: vec![row.get(3)?],
        to: vec![row.get(4)?],
        on_delete: row.get(5)?,
        on_update: row.get(6)?,
        deferred: row.get(7)?,
    })
}

/// The columns of the parent that a reference means; `None` if there is no such table,
/// or if they are no key of it ("foreign key mismatch").
pub(crate) fn parent_key(
    connection: &Connection,
    schema: &str,
    reference: &Reference,
) -> rusqlite::Result<ParentKey> {
    let query = "SELECT name, pk FROM pragma_table_xinfo(?1, ?2) ORDER BY pk";
    let mut statement = connection.prepare(query)?;
    let columns = statement.query_map([&reference.parent, schema], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let columns: Vec<(String, i64)> = columns.collect::<rusqlite::Result<_>>()?;
    if columns.is_empty() {
        return Ok(ParentKey::NoTable);
    }
    let primary = columns.into_iter().filter(|(_, pk)| *pk > 0);
    let primary: Vec<String> = primary.map(|(name, _)| name).collect();
    let columns: Option<Vec<String>> = reference.to.iter().cloned().collect();
    let columns = columns.unwrap_or_else(|| primary.clone());
    let is_primary = columns.len() == primary.len()
        && columns
            .iter()
            .all(|a| primary.iter().any(|b| a.eq_ignore_ascii_case(b)));
    if columns.len() != reference.from.len() {
        return Ok(ParentKey::Mismatch);
    }
    let is_key = is_primary || is_unique(connection, schema, &reference.parent, &columns)?;
    Ok(match is_key {
        true => ParentKey::Columns(columns),
        false => ParentKey::Mismatch,
    })
}

/// What a reference leads to.
pub(crate) enum ParentKey {
    Columns(Vec<String>),
    NoTable,
    Mismatch,
}

fn is_unique(
    connection: &Connection,
    schema: &str,
    table: &str,
    columns: &[String],
) -> rusqlite::Result<bool> {
    let indexes = "SELECT name FROM pragma_index_list(?1, ?2) WHERE \"unique\" AND NOT partial";
    let mut statement = connection.prepare(indexes)?;
    let mut rows = statement.query([table, schema])?;
    while let Some(row) = rows.next()? {
        let index: String = row.get(0)?;
        let query = "SELECT name FROM pragma_index_info(?1, ?2)";
        let mut statement = connection.prepare(query)?;
        let names = statement.query_map([&index, schema], |row| row.get::<_, Option<String>>(0))?;
        let names: Vec<Option<String>> = names.collect::<rusqlite::Result<_>>()?;
        let is_among = |name: &Option<String>| {
            name.as_ref()
                .is_some_and(|name| columns.iter().any(|c| c.eq_ignore_ascii_case(name)))
        };
        if names.len() == columns.len() && names.iter().all(is_among) {
            return Ok(true);
        }
    }
    Ok(false)
}
