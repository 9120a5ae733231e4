//! Where a statement may replace rows: by its own words, by those of a trigger, or by a
//! conflict clause in a table's definition (sqlite.org/lang_conflict.html).
//!
//! Owns what is known of it from the schemas, for as long as they stand, and who loses
//! rows with a row that is replaced. Only looks.

use super::notes::{Notes, Write};
use crate::schema::references::{Reference, all, of_child, quoted};
use crate::schema::tokens::tokens;
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;

/// What the schemas say, asked once until one of them changes.
#[derive(Default)]
pub(super) struct Schemas {
    by_name: BTreeMap<String, Known>,
}

#[derive(Default)]
struct Known {
    references: Option<Vec<Reference>>,
    /// Whether a trigger on its tables replaces rows.
    triggers: BTreeMap<String, bool>,
    /// Whether a table's definition replaces rows.
    tables: BTreeMap<String, bool>,
    losers: BTreeMap<String, Vec<Loser>>,
    /// Whether a table has a rowid.
    rowids: BTreeMap<String, bool>,
}

/// A table that refers to another, directly or by way of others.
#[derive(Debug, Clone)]
pub(super) struct Loser {
    pub table: String,
    /// Its rows go too.
    pub is_deleted: bool,
    /// Its references are emptied, and its rows stay.
    pub is_emptied: bool,
    /// What it refers to where an UPDATE of that is followed.
    pub follows: Vec<String>,
}

impl Loser {
    fn new(references: &[Reference], table: &str) -> Self {
        let own = references
            .iter()
            .filter(|reference| reference.child == table);
        let follows = own.filter(|reference| reference.acts_on_update());
        Self {
            table: table.to_owned(),
            is_deleted: false,
            is_emptied: false,
            follows: follows.map(|reference| reference.parent.clone()).collect(),
        }
    }
}

impl Schemas {
    /// A schema is another now.
    pub(super) fn forget(&mut self) {
        self.by_name.clear();
    }

    /// A table was made.
    pub(super) fn note_created(
        &mut self,
        connection: &Connection,
        schema: &str,
        table: &str,
    ) -> rusqlite::Result<()> {
        self.note_dropped(schema, table);
        if let Some(references) = self.known(schema).references.as_mut() {
            references.extend(of_child(connection, schema, table)?);
        }
        Ok(())
    }

    /// A table was dropped.
    pub(super) fn note_dropped(&mut self, schema: &str, table: &str) {
        let known = self.known(schema);
        if let Some(references) = &mut known.references {
            references.retain(|reference| !reference.child.eq_ignore_ascii_case(table));
        }
        known.losers.clear();
        known.tables.remove(table);
        known.rowids.remove(table);
        self.forget_triggers();
    }

    /// Something else was made or dropped: an index, a view, a trigger.
    pub(super) fn forget_triggers(&mut self) {
        let all = self.by_name.values_mut();
        all.for_each(|known| known.triggers.clear());
    }

    /// The tables of which a statement, whose text this is, may replace rows.
    pub(super) fn replaced<'n>(
        &mut self,
        connection: &Connection,
        notes: &'n Notes,
        text: &str,
    ) -> rusqlite::Result<Vec<(&'n str, &'n str)>> {
        let writes = |write| matches!(write, Write::Insert | Write::Update);
        // What a statement says holds for the triggers that it fires, too.
        let by_words = writes(notes.own) && says_replace(text);
        let mut found = Vec::new();
        if writes(notes.own) {
            let own = (notes.own_schema.as_str(), notes.own_table.as_str());
            if by_words || self.table_replaces(connection, own)? {
                found.push(own);
            }
        }
        for side in notes.triggered.iter().filter(|side| writes(side.write)) {
            let table = (side.schema.as_str(), side.table.as_str());
            let trigger = side.trigger.as_deref().unwrap_or_default();
            let replaces = by_words
                || self.trigger_replaces(connection, table.0, trigger)?
                || self.table_replaces(connection, table)?;
            if replaces && !found.contains(&table) {
                found.push(table);
            }
        }
        Ok(found)
    }

    /// Who loses rows or references where rows of a table are deleted.
    pub(super) fn losers(
        &mut self,
        connection: &Connection,
        (schema, table): (&str, &str),
    ) -> rusqlite::Result<&[Loser]> {
        let known = self.known(schema);
        if known.references.is_none() {
            known.references = Some(all(connection, schema)?);
        }
        let references = known.references.as_deref().unwrap_or_default();
        let losers = known.losers.entry(table.to_ascii_lowercase());
        Ok(losers.or_insert_with(|| losers_among(references, table)))
    }

    pub(super) fn has_rowid(
        &mut self,
        connection: &Connection,
        schema: &str,
        table: &str,
    ) -> rusqlite::Result<bool> {
        let known = self.known(schema);
        if let Some(&known) = known.rowids.get(table) {
            return Ok(known);
        }
        let query = "SELECT NOT wr FROM pragma_table_list(?1) WHERE schema = ?2";
        let has_rowid = connection
            .query_row(query, [table, schema], |row| row.get(0))
            .optional()?
            .unwrap_or(true);
        known.rowids.insert(table.to_owned(), has_rowid);
        Ok(has_rowid)
    }

    fn known(&mut self, schema: &str) -> &mut Known {
        self.by_name.entry(schema.to_owned()).or_default()
    }

    fn table_replaces(
        &mut self,
        connection: &Connection,
        (schema, table): (&str, &str),
    ) -> rusqlite::Result<bool> {
        let known = self.by_name.get(schema);
        if let Some(&known) = known.and_then(|known| known.tables.get(table)) {
            return Ok(known);
        }
        let query = format!(
            "SELECT sql FROM {}.sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
            quoted(schema)
        );
        let sql: Option<String> = connection
            .query_row(&query, [table], |row| row.get(0))
            .optional()?
            .flatten();
        let mut before = false;
        let replaces = sql.is_some_and(|sql| {
            tokens(&sql).any(|token| {
                let found = before && token.is_word("replace");
                before = token.is_word("conflict");
                found
            })
        });
        let tables = &mut self.known(schema).tables;
        tables.insert(table.to_owned(), replaces);
        Ok(replaces)
    }

    /// It is in the schema of its table, or temporary.
    fn trigger_replaces(
        &mut self,
        connection: &Connection,
        schema: &str,
        trigger: &str,
    ) -> rusqlite::Result<bool> {
        let known = self.by_name.get(schema);
        if let Some(&known) = known.and_then(|known| known.triggers.get(trigger)) {
            return Ok(known);
        }
        let query = format!(
            "SELECT sql FROM {}.sqlite_schema WHERE type = 'trigger' AND name = ?1 COLLATE NOCASE UNION ALL SELECT sql FROM temp.sqlite_schema WHERE type = 'trigger' AND name = ?1 COLLATE NOCASE",
            quoted(schema)
        );
        let mut statement = connection.prepare(&query)?;
        let mut rows = statement.query([trigger])?;
        let mut replaces = false;
        while let Some(row) = rows.next()? {
            let sql: String = row.get(0)?;
            replaces |= says_replace(&sql);
        }
        let triggers = &mut self.known(schema).triggers;
        triggers.insert(trigger.to_owned(), replaces);
        Ok(replaces)
    }
}

fn losers_among(references: &[Reference], table: &str) -> Vec<Loser> {
    let mut found: Vec<Loser> = Vec::new();
    let mut parents = vec![table];
    while let Some(parent) = parents.pop() {
        let children = references.iter().filter(|reference| {
            reference.parent.eq_ignore_ascii_case(parent) && reference.acts_on_delete()
        });
        for reference in children {
            let cascades = reference.on_delete == "CASCADE";
            let is_it = |loser: &Loser| loser.table == reference.child;
            let at = found.iter().position(is_it).unwrap_or_else(|| {
                found.push(Loser::new(references, &reference.child));
                found.len() - 1
            });
            found[at].is_emptied |= !cascades;
            if cascades && !found[at].is_deleted {
                found[at].is_deleted = true;
                parents.push(&reference.child);
            }
        }
    }
    found
}

/// Whether the word is in a text, and not as the function's name.
fn says_replace(text: &str) -> bool {
    let word = b"replace";
    let mut pieces = text.as_bytes().windows(word.len());
    if !pieces.any(|piece| piece.eq_ignore_ascii_case(word)) {
        return false;
    }
    let mut tokens = tokens(text).peekable();
    while let Some(token) = tokens.next() {
        let is_called = tokens.peek().is_some_and(|next| next.text == "(");
        if token.is_word("replace") && !is_called {
            return true;
        }
    }
    false
}
