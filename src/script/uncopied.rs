//! Columns that a rebuild has left behind: the new table has one of the same name, and
//! nobody has copied its values, or those of another column; and rows that nobody has
//! copied at all.
//!
//! Owns what is remembered of copies, and when a column counts as left behind. Only looks;
//! costs little where every column of the same name is copied.

use super::crossing::Copy;
use super::notes::Notes;
use super::parts::{columns, rowid_of};
use crate::diagnostics::position::Position;
use crate::schema::references::{all, quoted, written};
use crate::schema::tokens::{Token, tokens};
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// `INSERT INTO new(…) SELECT … FROM old` that leaves out columns which both have.
#[derive(Debug, Clone)]
pub(super) struct Uncopied {
    pub position: Position,
    old: String,
    new: String,
    columns: Vec<Column>,
    /// Once the old table was dropped, of which those are left that had values.
    is_dropped: bool,
}

#[derive(Debug, Clone)]
struct Column {
    name: String,
    /// In SQL.
    default: Option<String>,
    /// The rowid itself, which each row gets by itself.
    is_rowid: bool,
    /// What the copy gives it instead of its own values.
    given: Option<String>,
}

impl Uncopied {
    /// What a copy is known again by, if it names its columns: its tables, and these.
    pub(super) fn shape(notes: &Notes, copy: &Copy<'_>) -> Option<u64> {
        let columns = copy.columns.as_ref()?;
        let mut shape = DefaultHasher::new();
        (&notes.own_schema, &notes.own_table, columns).hash(&mut shape);
        notes.reads().next().hash(&mut shape);
        Some(shape.finish())
    }

    /// Of an INSERT that names its columns: what it may leave behind of each table that it
    /// reads.
    pub(super) fn all_of(
        connection: &Connection,
        notes: &Notes,
        copy: &Copy<'_>,
        position: impl Fn() -> Position,
    ) -> rusqlite::Result<Vec<Self>> {
        // What brings rows together has no key to copy.
        let is_grouped = |token: Token<'_>| token.is_word("distinct") || token.is_word("group");
        let Some(copied) = copy.columns.as_ref() else {
            return Ok(Vec::new());
        };
        if notes.own_schema != "main" || tokens(copy.rest).any(is_grouped) {
            return Ok(Vec::new());
        }
        let new = &notes.own_table;
        let sources = notes.reads().map(|(table, _)| table);
        let sources: BTreeSet<&str> = sources
            .filter(|old| !old.eq_ignore_ascii_case(new))
            .collect();
        if sources.is_empty() {
            return Ok(Vec::new());
        }
        let given = copy.given(connection);
        let given = given.filter(|given| given.len() == copied.len());
        let mut found = Vec::new();
        for old in sources {
            let mut columns = in_both(connection, old, new)?;
            let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
            let is_read = |name: &str| {
                let mut reads = notes.reads();
                reads.any(|(table, column)| table == old && column.eq_ignore_ascii_case(name))
            };
            columns.retain_mut(|column| {
                let is_it = |name: &String| name.eq_ignore_ascii_case(&column.name);
                let Some(at) = copied.iter().position(is_it) else {
                    return !is_read(&column.name);
                };
                // Another column of both, or its own name as text; with AS it is meant.
                let given = given.as_ref().map(|given| &*given[at]).unwrap_or_default();
                let is_other = names.iter().any(|name| name.eq_ignore_ascii_case(given));
                let is_text = given
                    .strip_prefix('\'')
                    .and_then(|text| text.strip_suffix('\''));
                let is_itself = given.eq_ignore_ascii_case(&column.name);
                let is_its_name =
                    is_text.is_some_and(|text| text.eq_ignore_ascii_case(&column.name));
                let is_wrong = (is_other && !is_itself) || is_its_name;
                column.given = is_wrong.then(|| given.to_owned());
                is_wrong
            });
            if !columns.is_empty() {
                found.push(Self {
                    position: position(),
                    old: old.to_owned(),
                    new: new.clone(),
                    columns,
                    is_dropped: false,
                });
            }
        }
        Ok(found)
    }

    /// The table is about to be dropped: which columns have values that the new one has not?
    pub(super) fn note_drop(&mut self, connection: &Connection, table: &str) {
        if self.is_dropped || !self.old.eq_ignore_ascii_case(table) {
            return;
        }
        self.is_dropped = true;
        let (old, new) = (&self.old, &self.new);
        // A key that nothing refers to may be given anew; what cannot be asked, too.
        let references = all(connection, "main").unwrap_or_default();
        let is_referred_to = references
            .iter()
            .any(|key| key.parent.eq_ignore_ascii_case(old));
        self.columns.retain(|column| match column.is_rowid {
            true if !is_referred_to => false,
            true => {
                let (old, new, name) = (quoted(old), quoted(new), quoted(&column.name));
                let query = format!(
                    "SELECT 1 FROM main.{old} WHERE {name} NOT IN (SELECT {name} FROM main.{new})"
                );
                is_any(connection, &query)
            }
            false => column.has_values(connection, old) && column.is_less(connection, old, new),
        });
    }

    /// What to say of it at the script's end: nothing if it was no rebuild, or the values
    /// came over in another way.
    pub(super) fn lost(
        &self,
        connection: &Connection,
        is_renamed: impl Fn(&str) -> bool,
    ) -> rusqlite::Result<Vec<String>> {
        if !self.is_dropped || !is_renamed(&self.old) {
            return Ok(Vec::new());
        }
        let query = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name COLLATE NOCASE IN (?1, ?2)";
        let now: Option<String> = connection
            .query_row(query, [&self.old, &self.new], |row| row.get(0))
            .optional()?;
        let Some(now) = now else {
            return Ok(Vec::new());
        };
        let is_filled = has_rows(connection, &now) == Some(true);
        let is_lost = |column: &&Column| {
            column.is_rowid
                || column.moves()
                || column.given.is_some()
                || !column.has_values(connection, &now)
        };
        let lost = self.columns.iter().filter(is_lost);
        let (given, lost): (Vec<&Column>, Vec<&Column>) =
            lost.partition(|column| column.given.is_some());
        let mut told = Vec::new();
        if !is_filled {
            return Ok(told);
        }
        if let Some(Column {
            name,
            given: Some(given),
            ..
        }) = given.first()
        {
            told.push(format!(
                "the rebuild of {} puts {given} into its column {name}, whose own values are gone: name the columns in one order on both sides, or write {given} AS {name} if that is meant",
                written(&now)
            ));
        }
        if lost.is_empty() {
            return Ok(told);
        }
        let names: Vec<&str> = lost.iter().map(|column| &*column.name).collect();
        let then = match lost.iter().all(|column| column.is_rowid) {
            true => "rows have other numbers now than what refers to them knows",
            false => "every row has its default now, and the values are gone",
        };
        told.push(format!(
            "the rebuild of {} does not copy its {} {}: {then}; name what is to be kept on both sides of the INSERT, or empty it before the copy if that is meant",
            written(&now),
            if names.len() == 1 {
                "column"
            } else {
                "columns"
            },
            names.join(", ")
        ));
        Ok(told)
    }
}

impl Column {
    /// Whether its default is another for each row, or at another time.
    fn moves(&self) -> bool {
        let default = self.default.as_deref().unwrap_or_default();
        default.contains('(') || default.to_ascii_lowercase().starts_with("current_")
    }

    /// Whether the new table lacks any of the values.
    fn is_less(&self, connection: &Connection, old: &str, new: &str) -> bool {
        let (old, new, name) = (quoted(old), quoted(new), quoted(&self.name));
        let query = format!(
            "SELECT {name} FROM main.{old} WHERE {name} IS NOT NULL EXCEPT SELECT {name} FROM main.{new}"
        );
        is_any(connection, &query) || self.is_moved(connection, &old, &new)
    }

    /// Whether a column that is given another has its values in other rows now.
    fn is_moved(&self, connection: &Connection, old: &str, new: &str) -> bool {
        let name = quoted(&self.name);
        let query = format!(
            "SELECT 1 FROM main.{old} AS o JOIN main.{new} AS n ON n._rowid_ = o._rowid_ WHERE o.{name} IS NOT n.{name}"
        );
        // Rows without a number cannot be told apart by it.
        self.given.is_some() && answers(connection, &query).unwrap_or(true)
    }

    /// Whether any row has a value here that is not its default.
    fn has_values(&self, connection: &Connection, table: &str) -> bool {
        let (table, name) = (quoted(table), quoted(&self.name));
        let default = match self.default.as_deref() {
            Some(default) if !self.moves() => default,
            _ => "NULL",
        };
        let query = format!(
            "SELECT 1 FROM main.{table} WHERE {name} IS NOT NULL AND {name} IS NOT ({default})"
        );
        is_any(connection, &query)
    }
}

/// The columns that two tables both have, by their names.
fn in_both(connection: &Connection, old: &str, new: &str) -> rusqlite::Result<Vec<Column>> {
    let names = columns(connection, old)?.into_iter();
    let of_old: BTreeSet<String> = names.map(|name| name.to_ascii_lowercase()).collect();
    let rowid = rowid_of(connection, new)?;
    let query = "SELECT name, dflt_value FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0";
    let mut statement = connection.prepare(query)?;
    let defined = statement.query_map([new], |row| {
        let name = row.get(0)?;
        Ok(Column {
            is_rowid: rowid.as_ref() == Some(&name),
            name,
            default: row.get(1)?,
            given: None,
        })
    })?;
    let is_in_old = |column: &Column| of_old.contains(&column.name.to_ascii_lowercase());
    let mut both: Vec<Column> = defined.collect::<rusqlite::Result<_>>()?;
    both.retain(is_in_old);
    Ok(both)
}

/// Whether a table has rows; `None` if there is none of that name.
pub(super) fn has_rows(connection: &Connection, table: &str) -> Option<bool> {
    answers(connection, &format!("SELECT 1 FROM main.{}", quoted(table)))
}

/// Whether a query gives a row; `None` if it cannot be asked.
fn answers(connection: &Connection, query: &str) -> Option<bool> {
    connection.prepare(query).ok()?.exists([]).ok()
}

/// What cannot be asked has none.
fn is_any(connection: &Connection, query: &str) -> bool {
    answers(connection, query).unwrap_or_default()
}
