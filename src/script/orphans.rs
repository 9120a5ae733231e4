//! Rows that refer to nothing: those that were there, and those that a script made.
//!
//! Owns what counts as the same row: the table (wherever a rename or a rebuild has taken
//! it), the columns of the key and their values, never the rowid. Looks only at tables
//! that were written to while nobody else looked at their keys, and keeps eight bytes
//! for each row that refers to nothing.

mod listed;

use crate::schema::references::{ParentKey, Reference, all, of_child, parent_key, quoted};
use listed::Listed;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What was there before the first write that nobody checked.
#[derive(Default)]
pub(crate) struct Orphans {
    before: Vec<Table>,
    /// All foreign keys of each schema, asked once and again after ALTER TABLE.
    references: BTreeMap<String, Vec<Reference>>,
    /// A key was touched that is checked at COMMIT only.
    pub has_deferred: bool,
}

/// A table with foreign keys, and its rows that refer to nothing.
struct Table {
    schema: String,
    name: String,
    /// Its row in the schema, by which it is known again under another name.
    row: i64,
    /// By the columns of each key: the digests of the values, sorted.
    keys: BTreeMap<String, Vec<u64>>,
}

impl Orphans {
    /// ALTER TABLE may have given a table another name, or another key.
    pub(crate) fn forget_names(&mut self) {
        self.references.clear();
    }

    /// A table was made: its keys are known from now on. Whether it has any.
    pub(crate) fn note_created(
        &mut self,
        connection: &Connection,
        schema: &str,
        table: &str,
    ) -> rusqlite::Result<bool> {
        let keys = of_child(connection, schema, table)?;
        let has_keys = !keys.is_empty();
        if let Some(references) = self.references.get_mut(schema) {
            references.retain(|reference| !reference.child.eq_ignore_ascii_case(table));
            references.extend(keys);
        }
        Ok(has_keys)
    }

    /// The foreign keys of a schema, if one of its tables was looked at.
    pub(crate) fn references(&self, schema: &str) -> Option<&[Reference]> {
        self.references.get(schema).map(Vec::as_slice)
    }

    /// Whether tables of another database than the main one were looked at.
    pub(crate) fn has_attached(&self) -> bool {
        self.before.iter().any(|table| table.schema != "main")
    }

    /// They are about to be detached.
    pub(crate) fn forget_attached(&mut self) {
        self.before.retain(|table| table.schema == "main");
        self.references.retain(|schema, _| schema == "main");
    }

    /// A table is about to be written to: remembers which rows of it, and of the tables
    /// that refer to it, refer to nothing. Of tables whose keys are only checked at
    /// COMMIT if `deferred_only`.
    pub(crate) fn before_write(
        &mut self,
        connection: &Connection,
        schema: &str,
        table: &str,
        deferred_only: bool,
    ) -> rusqlite::Result<()> {
        let references = match self.references.remove(schema) {
            Some(references) => references,
            None => all(connection, schema)?,
        };
        let mut children = vec![table];
        children.extend(
            references
                .iter()
                .filter(|reference| reference.parent.eq_ignore_ascii_case(table))
                .map(|reference| reference.child.as_str()),
        );
        for child in children {
            let here = self.before.iter().filter(|known| known.schema == schema);
            if here.clone().any(|t| t.name.eq_ignore_ascii_case(child)) {
                continue;
            }
            let Some((name, row)) = identity(connection, schema, child)? else {
                continue;
            };
            if here.clone().any(|known| known.row == row) {
                continue;
            }
            let keys = of_child(connection, schema, &name)?;
            self.has_deferred |= keys.iter().any(|key| key.deferred);
            if deferred_only && !keys.iter().any(|key| key.deferred) {
                continue;
            }
            let keys = digests(connection, schema, &keys)?;
            self.before.push(Table {
                schema: schema.to_owned(),
                name,
                row,
                keys,
            });
        }
        self.references.insert(schema.to_owned(), references);
        Ok(())
    }

    /// The tables whose rows referred to nothing before, with how many did.
    pub(crate) fn of_before(&self) -> Vec<(String, usize)> {
        let rows = |table: &Table| table.keys.values().map(Vec::len).sum();
        let counts = self
            .before
            .iter()
            .map(|table| (table.name.clone(), rows(table)));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// The rows that refer to nothing now and did not before, as a phrase; `None` if
    /// there are none.
    pub(crate) fn new_ones(&self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        let schemas: BTreeSet<&str> = self.before.iter().map(|t| t.schema.as_str()).collect();
        let mut listed = Listed::default();
        for schema in schemas {
            self.new_ones_of(connection, schema, &mut listed)?;
        }
        Ok(listed.phrase())
    }

    fn new_ones_of(
        &self,
        connection: &Connection,
        schema: &str,
        listed: &mut Listed,
    ) -> rusqlite::Result<()> {
        let before: Vec<&Table> = self.before.iter().filter(|t| t.schema == schema).collect();
        let now = tables_now(connection, schema, &before)?;
        // What is gone without a successor may have been copied into what is new.
        let (gone, known): (Vec<&Table>, Vec<&Table>) = before
            .into_iter()
            .partition(|table| !now.iter().any(|(name, row)| table.is(name, *row)));
        for (name, row) in &now {
            let same: Vec<&Table> = known
                .iter()
                .copied()
                .filter(|table| table.is(name, *row))
                .collect();
            let references = of_child(connection, schema, name)?;
            let after = digests(connection, schema, &references)?;
            let mut done = BTreeSet::new();
            for reference in &references {
                let key = key_of(reference);
                if !done.insert(key.clone()) {
                    continue;
                }
                let digests = after.get(&key).map_or(&[][..], Vec::as_slice);
                let is_own = same.iter().any(|table| table.keys.contains_key(&key));
                let old = allowed(&same, &gone, &key, &after, is_own);
                let new = difference(digests, &old);
                listed.add(connection, schema, reference, &new)?;
            }
        }
        Ok(())
    }
}

/// The tables that are or were one of those before, by name and row of the schema.
fn tables_now(
    connection: &Connection,
    schema: &str,
    before: &[&Table],
) -> rusqlite::Result<Vec<(String, i64)>> {
    let query = format!(
        "SELECT name, rowid FROM {}.sqlite_schema WHERE type = 'table'",
        quoted(schema)
    );
    let mut statement = connection.prepare(&query)?;
    let mut rows = statement.query([])?;
    let names: BTreeSet<String> = before
        .iter()
        .map(|table| table.name.to_ascii_lowercase())
        .collect();
    let known_rows: BTreeSet<i64> = before.iter().map(|table| table.row).collect();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, schema_row): (String, i64) = (row.get(0)?, row.get(1)?);
        if known_rows.contains(&schema_row) || names.contains(&name.to_ascii_lowercase()) {
            found.push((name, schema_row));
        }
    }
    Ok(found)
}

impl Table {
    fn is(&self, name: &str, row: i64) -> bool {
        self.row == row || self.name.eq_ignore_ascii_case(name)
    }
}

/// The digests that a key may have: its own of before; if it is new, those of the keys
/// that are no more, as after RENAME COLUMN; and those of tables that are gone.
fn allowed(
    same: &[&Table],
    gone: &[&Table],
    key: &str,
    after: &BTreeMap<String, Vec<u64>>,
    is_own: bool,
) -> Vec<u64> {
    let of_same = same.iter().flat_map(|table| &table.keys);
    let of_gone = gone.iter().flat_map(|table| &table.keys);
    let mut old: Vec<u64> = of_same
        .filter(|(known, _)| match is_own {
            true => *known == key,
            false => !after.contains_key(*known),
        })
        .chain(of_gone)
        .flat_map(|(_, digests)| digests.iter().copied())
        .collect();
    old.sort_unstable();
    old
}

/// What is in `new` more often than in `old`; both are sorted.
fn difference(new: &[u64], old: &[u64]) -> Vec<u64> {
    let mut old = old.iter().copied().peekable();
    let mut found = Vec::new();
    for &digest in new {
        while old.next_if(|&other| other < digest).is_some() {}
        if old.next_if_eq(&digest).is_none() {
            found.push(digest);
        }
    }
    found
}

/// The columns of a key and its parent: one column may refer to two tables.
fn key_of(reference: &Reference) -> String {
    let mut key = reference.from.join("\0");
    key.push_str("\0\0");
    key.push_str(&reference.parent);
    key.make_ascii_lowercase();
    key
}

/// The name as the schema has it, and the row of the schema of a table.
fn identity(
    connection: &Connection,
    schema: &str,
    table: &str,
) -> rusqlite::Result<Option<(String, i64)>> {
    let query = format!(
        "SELECT name, rowid FROM {}.sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE AND rootpage != 0",
        quoted(schema)
    );
    let mut statement = connection.prepare(&query)?;
    let mut rows = statement.query([table])?;
    match rows.next()? {
        Some(row) => Ok(Some((row.get(0)?, row.get(1)?))),
        None => Ok(None),
    }
}

/// For each key the digests of its values in the rows that refer to nothing, sorted. A
/// key that fits nothing ("foreign key mismatch") counts as one such row.
fn digests(
    connection: &Connection,
    schema: &str,
    references: &[Reference],
) -> rusqlite::Result<BTreeMap<String, Vec<u64>>> {
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for reference in references {
        let digests = found.entry(key_of(reference)).or_default();
        match query_of(connection, schema, reference, "1")? {
            Some(query) => {
                let mut statement = connection.prepare(&query)?;
                let mut rows = statement.raw_query();
                while let Some(row) = rows.next()? {
                    digests.push(digest(row, reference.from.len())?);
                }
            }
            None if is_used(connection, schema, reference)? => digests.push(0),
            None => {}
        }
    }
    found
        .values_mut()
        .for_each(|digests| digests.sort_unstable());
    Ok(found)
}

/// Whether any row of the child refers to something.
fn is_used(connection: &Connection, schema: &str, reference: &Reference) -> rusqlite::Result<bool> {
    let query = format!(
        "SELECT 1 FROM {}.{} WHERE {}",
        quoted(schema),
        quoted(&reference.child),
        reference.is_set("")
    );
    connection.prepare(&query)?.exists([])
}

/// A value has the same digest whatever its type and spelling, as it is after a rebuild
/// that gives its column another type: 7, 7.0, '7' and '007' are one.
fn digest(row: &rusqlite::Row<'_>, columns: usize) -> rusqlite::Result<u64> {
    let mut hasher = DefaultHasher::new();
    for column in 0..columns {
        match row.get_ref(column + 1)? {
            ValueRef::Integer(number) => number.hash(&mut hasher),
            ValueRef::Real(number) => hash_real(number, &mut hasher),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                let text = std::str::from_utf8(bytes).unwrap_or_default();
                let looks_like_one =
                    text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
                if let Ok(number) = text.parse::<i64>() {
                    number.hash(&mut hasher);
                } else if let (true, Ok(number)) = (looks_like_one, text.parse()) {
                    hash_real(number, &mut hasher);
                } else {
                    bytes.hash(&mut hasher);
                }
            }
            ValueRef::Null => {}
        }
    }
    Ok(hasher.finish())
}

fn hash_real(number: f64, hasher: &mut DefaultHasher) {
    // Beyond that not every whole number is a REAL.
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    match number.fract() == 0.0 && number.abs() <= WHOLE {
        #[allow(clippy::cast_possible_truncation)]
        true => (number as i64).hash(hasher),
        false => number.to_bits().hash(hasher),
    }
}

/// The rows that refer to nothing: `what`, then the values of the key. The
/// comparison is that of a foreign key: with the affinity and the collation of the
/// parent's column (sqlite.org/foreignkeys.html, section 3); the sign takes those of the
/// child's away. `None` if the key fits nothing.
fn query_of(
    connection: &Connection,
    schema: &str,
    reference: &Reference,
    what: &str,
) -> rusqlite::Result<Option<String>> {
    let names: Vec<String> = reference.from.iter().map(|name| quoted(name)).collect();
    let values: Vec<String> = names.iter().map(|name| format!("c.{name}")).collect();
    let mut query = format!(
        "SELECT {what}, {} FROM {}.{} AS c WHERE {}",
        values.join(", "),
        quoted(schema),
        quoted(&reference.child),
        reference.is_set("c.")
    );
    match parent_key(connection, schema, reference)? {
        ParentKey::NoTable => {}
        ParentKey::Mismatch => return Ok(None),
        ParentKey::Columns(columns) => {
            let equal: Vec<String> = columns
                .iter()
                .zip(&names)
                .map(|(column, name)| format!("p.{} = +c.{name}", quoted(column)))
                .collect();
            query.push_str(&format!(
                " AND NOT EXISTS (SELECT 1 FROM {}.{} AS p WHERE {})",
                quoted(schema),
                quoted(&reference.parent),
                equal.join(" AND ")
            ));
        }
    }
    Ok(Some(query))
}

/// All rows of the main database that refer to nothing, as a phrase: for what COMMIT
/// refuses.
pub(crate) fn all_of_them(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut listed = Listed::default();
    for reference in all(connection, "main")? {
        let found = digests(connection, "main", std::slice::from_ref(&reference))?;
        let found = found.into_values().next().unwrap_or_default();
        listed.add(connection, "main", &reference, &found)?;
    }
    Ok(listed.phrase())
}
