//! Columns that a rebuild has left behind: the new table has one of the same name, and
//! nobody has copied its values.
//!
//! Owns what is remembered of copies, and when a column counts as left behind. Only looks;
//! costs nothing where every column of the same name is copied.

use super::crossing::Copy;
use super::notes::Notes;
use super::parts::rowid_of;
use crate::diagnostics::position::Position;
use crate::schema::references::{all, quoted, written};
use crate::schema::tokens::{Token, tokens};
use rusqlite::{Connection, OptionalExtension};
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

    /// Of an INSERT that names its columns.
    pub(super) fn of(
        connection: &Connection,
        notes: &Notes,
        copy: &Copy<'_>,
        position: impl Fn() -> Position,
    ) -> rusqlite::Result<Option<Self>> {
        // What brings rows together has no key to copy.
        let is_grouped = |token: Token<'_>| token.is_word("distinct") || token.is_word("group");
        let Some(copied) = copy.columns.as_ref() else {
            return Ok(None);
        };
        if tokens(copy.rest).any(is_grouped) {
            return Ok(None);
        }
        let new = &notes.own_table;
        let mut sources = notes.reads().map(|(table, _)| table);
        let Some(old) = sources.next().filter(|old| !old.eq_ignore_ascii_case(new)) else {
            return Ok(None);
        };
        if notes.own_schema != "main" || sources.any(|other| !other.eq_ignore_ascii_case(old)) {
            return Ok(None);
        }
        let both = "SELECT n.name, n.dflt_value FROM pragma_table_xinfo(?1, 'main') AS n JOIN pragma_table_xinfo(?2, 'main') AS o ON o.name = n.name COLLATE NOCASE WHERE n.hidden = 0";
        let rowid = rowid_of(connection, new)?;
        let mut statement = connection.prepare(both)?;
        let rows = statement.query_map([new, old], |row| {
            let name = row.get(0)?;
            Ok(Column {
                is_rowid: rowid.as_ref() == Some(&name),
                name,
                default: row.get(1)?,
            })
        })?;
        let mut columns: Vec<Column> = rows.collect::<rusqlite::Result<_>>()?;
        let is_copied = |column: &Column| {
            let mut copied = copied.iter();
            copied.any(|name| name.eq_ignore_ascii_case(&column.name))
        };
        columns.retain(|column| !is_copied(column));
        Ok((!columns.is_empty()).then(|| Self {
            position: position(),
            old: old.to_owned(),
            new: new.clone(),
            columns,
            is_dropped: false,
        }))
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
            false => column.has_values(connection, old),
        });
    }

    /// What to say of it at the script's end: nothing if it was no rebuild, or the values
    /// came over in another way.
    pub(super) fn lost(
        &self,
        connection: &Connection,
        is_renamed: impl Fn(&str) -> bool,
    ) -> rusqlite::Result<Option<String>> {
        if !self.is_dropped || !is_renamed(&self.old) {
            return Ok(None);
        }
        let query = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name COLLATE NOCASE IN (?1, ?2)";
        let now: Option<String> = connection
            .query_row(query, [&self.old, &self.new], |row| row.get(0))
            .optional()?;
        let Some(now) = now else {
            return Ok(None);
        };
        let is_filled = is_any(connection, &format!("SELECT 1 FROM main.{}", quoted(&now)));
        let is_lost = |column: &&Column| {
            column.is_rowid || column.moves() || !column.has_values(connection, &now)
        };
        let lost: Vec<&Column> = self.columns.iter().filter(is_lost).collect();
        if lost.is_empty() || !is_filled {
            return Ok(None);
        }
        let names: Vec<&str> = lost.iter().map(|column| &*column.name).collect();
        let then = match lost.iter().all(|column| column.is_rowid) {
            true => "rows have other numbers now than what refers to them knows",
            false => "every row has its default now, and the values are gone",
        };
        Ok(Some(format!(
            "the rebuild of {} does not copy its {} {}: {then}; name what is to be kept on both sides of the INSERT, or empty it before the copy if that is meant",
            written(&now),
            if names.len() == 1 {
                "column"
            } else {
                "columns"
            },
            names.join(", ")
        )))
    }
}

impl Column {
    /// Whether its default is another for each row, or at another time.
    fn moves(&self) -> bool {
        let default = self.default.as_deref().unwrap_or_default();
        default.contains('(') || default.to_ascii_lowercase().starts_with("current_")
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

/// What cannot be asked has none.
fn is_any(connection: &Connection, query: &str) -> bool {
    let found = connection.prepare(query);
    found.is_ok_and(|mut found| found.exists([]).unwrap_or_default())
}
