//! Rows that refer to nothing: those that were there, and those that a script made.
//!
//! Owns what counts as the same row: the table (wherever a rename or a rebuild has taken
//! it), the columns of the key and their values, never the rowid. Looks only at tables
//! that were written to while nobody else looked at their keys, and keeps eight bytes
//! for each row that refers to nothing.

use crate::schema::references::{ParentKey, Reference, all, of_child, parent_key, quoted};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The most rows that a message lists.
const LISTED: usize = 10;

/// What was there before the first write that nobody checked.
#[derive(Default)]
pub(crate) struct Orphans {
    before: Vec<Table>,
    /// All foreign keys, asked once and again after ALTER TABLE.
    references: Option<Vec<Reference>>,
    /// A key was touched that is checked at COMMIT only.
    pub has_deferred: bool,
}

/// A table with foreign keys, and its rows that refer to nothing.
struct Table {
    name: String,
    /// Its row in the schema, by which it is known again under another name.
    row: i64,
    /// By the columns of each key: the digests of the values, sorted.
    keys: BTreeMap<String, Vec<u64>>,
}

impl Orphans {
    /// ALTER TABLE may have given a table another name.
    pub(crate) fn forget_names(&mut self) {
        self.references = None;
    }

    /// A table is about to be written to: remembers which rows of it, and of the tables
    /// that refer to it, refer to nothing. Of tables whose keys are only checked at
    /// COMMIT if `deferred_only`.
    pub(crate) fn before_write(
        &mut self,
        connection: &Connection,
        table: &str,
        deferred_only: bool,
    ) -> rusqlite::Result<()> {
        let references = match self.references.take() {
            Some(references) => references,
            None => all(connection, "main")?,
        };
        let mut children = vec![table];
        children.extend(
            references
                .iter()
                .filter(|reference| reference.parent.eq_ignore_ascii_case(table))
                .map(|reference| reference.child.as_str()),
        );
        for child in children {
            let is_known = |known: &Table| known.name.eq_ignore_ascii_case(child);
            if self.before.iter().any(is_known) {
                continue;
            }
            let Some((name, row)) = identity(connection, child)? else {
                continue;
            };
            if self.before.iter().any(|known| known.row == row) {
                continue;
            }
            let keys = of_child(connection, "main", &name)?;
            self.has_deferred |= keys.iter().any(|key| key.deferred);
            if deferred_only && !keys.iter().any(|key| key.deferred) {
                continue;
            }
            let keys = digests(connection, &keys)?;
            self.before.push(Table { name, row, keys });
        }
        self.references = Some(references);
        Ok(())
    }

    /// The rows that refer to nothing now and did not before, as a phrase; `None` if
    /// there are none.
    pub(crate) fn new_ones(&self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        if self.before.is_empty() {
            return Ok(None);
        }
        let now = self.tables_now(connection)?;
        // What is gone without a successor may have been copied into what is new.
        let (gone, known): (Vec<&Table>, Vec<&Table>) = self
            .before
            .iter()
            .partition(|table| !now.iter().any(|(name, row)| table.is(name, *row)));
        let mut listed = Vec::new();
        let mut count = 0;
        for (name, row) in &now {
            let same: Vec<&Table> = known
                .iter()
                .copied()
                .filter(|table| table.is(name, *row))
                .collect();
            let references = of_child(connection, "main", name)?;
            let after = digests(connection, &references)?;
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
                count += new.len();
                if !new.is_empty() && listed.len() < LISTED {
                    list(connection, reference, &new, &mut listed)?;
                }
            }
        }
        if count == 0 {
            return Ok(None);
        }
        let more = match count.saturating_sub(listed.len()) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        Ok(Some(listed.join("; ") + &more))
    }

    /// The tables that are or were one of those before, by name and row of the schema.
    fn tables_now(&self, connection: &Connection) -> rusqlite::Result<Vec<(String, i64)>> {
        let query = "SELECT name, rowid FROM main.sqlite_schema WHERE type = 'table'";
        let mut statement = connection.prepare(query)?;
        let mut rows = statement.query([])?;
        let names: BTreeSet<String> = self
            .before
            .iter()
            .map(|table| table.name.to_ascii_lowercase())
            .collect();
        let known_rows: BTreeSet<i64> = self.before.iter().map(|table| table.row).collect();
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (name, schema_row): (String, i64) = (row.get(0)?, row.get(1)?);
            if known_rows.contains(&schema_row) || names.contains(&name.to_ascii_lowercase()) {
                found.push((name, schema_row));
            }
        }
        Ok(found)
    }
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

fn key_of(reference: &Reference) -> String {
    reference.from.join("\0").to_ascii_lowercase()
}

/// The name as the schema has it, and the row of the schema of a table.
fn identity(connection: &Connection, table: &str) -> rusqlite::Result<Option<(String, i64)>> {
    let query = "SELECT name, rowid FROM main.sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE AND sql NOT LIKE 'CREATE VIRTUAL%'";
    let mut statement = connection.prepare(query)?;
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
    references: &[Reference],
) -> rusqlite::Result<BTreeMap<String, Vec<u64>>> {
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for reference in references {
        let digests = found.entry(key_of(reference)).or_default();
        match query_of(connection, reference, "1")? {
            Some(query) => {
                let mut statement = connection.prepare(&query)?;
                let mut rows = statement.raw_query();
                while let Some(row) = rows.next()? {
                    digests.push(digest(row, reference.from.len())?);
                }
            }
            None => digests.push(0),
        }
    }
    found
        .values_mut()
        .for_each(|digests| digests.sort_unstable());
    Ok(found)
}

/// A value has the same digest whatever its type, as it is after a rebuild that gives
/// its column another.
fn digest(row: &rusqlite::Row<'_>, columns: usize) -> rusqlite::Result<u64> {
    let mut hasher = DefaultHasher::new();
    for column in 0..columns {
        match row.get_ref(column + 1)? {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.hash(&mut hasher),
            _ => 0.hash(&mut hasher),
        }
    }
    Ok(hasher.finish())
}

/// The rows that refer to nothing: `what`, then the values of the key as text. The
/// comparison is that of a foreign key: with the affinity and the collation of the
/// parent's column (sqlite.org/foreignkeys.html, section 3); the sign takes those of the
/// child's away. `None` if the key fits nothing.
fn query_of(
    connection: &Connection,
    reference: &Reference,
    what: &str,
) -> rusqlite::Result<Option<String>> {
    let names: Vec<String> = reference.from.iter().map(|name| quoted(name)).collect();
    let values: Vec<String> = names
        .iter()
        .map(|name| format!("CAST(c.{name} AS TEXT)"))
        .collect();
    let set: Vec<String> = names
        .iter()
        .map(|name| format!("c.{name} IS NOT NULL"))
        .collect();
    let mut query = format!(
        "SELECT {what}, {} FROM main.{} AS c WHERE {}",
        values.join(", "),
        quoted(&reference.child),
        set.join(" AND ")
    );
    match parent_key(connection, "main", reference)? {
        ParentKey::NoTable => {}
        ParentKey::Mismatch => return Ok(None),
        ParentKey::Columns(columns) => {
            let equal: Vec<String> = columns
                .iter()
                .zip(&names)
                .map(|(column, name)| format!("p.{} = +c.{name}", quoted(column)))
                .collect();
            query.push_str(&format!(
                " AND NOT EXISTS (SELECT 1 FROM main.{} AS p WHERE {})",
                quoted(&reference.parent),
                equal.join(" AND ")
            ));
        }
    }
    Ok(Some(query))
}

/// Adds phrases about rows with these digests, which are sorted.
fn list(
    connection: &Connection,
    reference: &Reference,
    digests: &[u64],
    listed: &mut Vec<String>,
) -> rusqlite::Result<()> {
    let Reference { child, parent, .. } = reference;
    // Not every table has a rowid.
    let by_rowid = match query_of(connection, reference, "c.rowid")? {
        Some(query) => connection.prepare(&query).ok(),
        None => {
            listed.push(format!("{child} -> {parent} (foreign key mismatch)"));
            return Ok(());
        }
    };
    let Some(mut statement) = by_rowid else {
        listed.push(format!("{child} -> {parent}"));
        return Ok(());
    };
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        if digests
            .binary_search(&digest(row, reference.from.len())?)
            .is_ok()
        {
            let rowid: i64 = row.get(0)?;
            listed.push(format!("{child} row {rowid} -> {parent}"));
            if listed.len() == LISTED {
                break;
            }
        }
    }
    Ok(())
}

/// All rows that refer to nothing, as a phrase: for what COMMIT refuses.
pub(crate) fn all_of_them(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut listed = Vec::new();
    let mut count = 0;
    for reference in all(connection, "main")? {
        let found = digests(connection, std::slice::from_ref(&reference))?;
        let found = found.into_values().next().unwrap_or_default();
        count += found.len();
        if !found.is_empty() && listed.len() < LISTED {
            list(connection, &reference, &found, &mut listed)?;
        }
    }
    let more = match count.saturating_sub(listed.len()) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Ok((count > 0).then(|| listed.join("; ") + &more))
}
