//! The tables that may lose rows, or values of their references, by a statement.
//!
//! Owns which they are, and what must be read of them before it is run because SQLite's
//! word of each row will not be enough.

use super::conflicts::{Loser, Schemas};
use super::notes::{Notes, Side, Write};
use crate::schema::references::{of_child, quoted};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A table that may lose rows, or values of its references.
pub(super) struct Suspect {
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) has_rowid: bool,
    pub(super) is_emptied: bool,
    /// The statement or a trigger writes to it, too.
    pub(super) is_written: bool,
    /// Where SQLite's word of each row is not enough.
    pub(super) rows_before: Option<i64>,
    pub(super) references_before: Option<References>,
}

impl Suspect {
    pub(super) fn new(
        connection: &Connection,
        schemas: &mut Schemas,
        schema: &str,
        table: &str,
    ) -> rusqlite::Result<Self> {
        Ok(Self {
            schema: schema.to_owned(),
            table: table.to_owned(),
            has_rowid: schemas.has_rowid(connection, schema, table)?,
            is_emptied: true,
            is_written: true,
            rows_before: None,
            references_before: None,
        })
    }

    pub(super) fn rows(&self, connection: &Connection) -> rusqlite::Result<i64> {
        count(connection, &self.schema, &self.table)
    }

    pub(super) fn count_rows(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.rows_before = Some(self.rows(connection)?);
        Ok(())
    }

    pub(super) fn is(&self, schema: &str, table: &str) -> bool {
        self.schema == schema && self.table.eq_ignore_ascii_case(table)
    }
}

/// The references of a table, by its rowid: which of them are set, and a digest.
pub(super) struct References(Vec<(i64, u64, u64)>);

impl References {
    pub(super) fn of(connection: &Connection, suspect: &Suspect) -> rusqlite::Result<Self> {
        let (schema, table) = (&suspect.schema, &suspect.table);
        let references = of_child(connection, schema, table)?;
        let defaults = references.iter().any(|r| r.on_delete == "SET DEFAULT");
        let columns: BTreeSet<String> = references.into_iter().flat_map(|r| r.from).collect();
        let mut query = String::from("SELECT _rowid_");
        for column in &columns {
            query.push_str(&format!(", {}", quoted(column)));
        }
        query.push_str(&format!(
            " FROM {}.{} ORDER BY _rowid_",
            quoted(schema),
            quoted(table)
        ));
        let mut statement = connection.prepare(&query)?;
        let mut rows = statement.raw_query();
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (mut set, mut hasher) = (0, DefaultHasher::new());
            for column in 1..=columns.len() {
                let value = row.get_ref(column)?;
                if value != ValueRef::Null {
                    set |= 1 << (column % 64);
                }
                // Only what falls back to a default is another and not empty.
                if defaults {
                    format!("{value:?}").hash(&mut hasher);
                }
            }
            found.push((row.get(0)?, set, hasher.finish()));
        }
        Ok(Self(found))
    }

    /// In how many rows a reference is empty, or another default, that was none.
    pub(super) fn lost(&self, now: &Self) -> i64 {
        let mut now = now.0.iter().peekable();
        let mut lost = 0;
        for (rowid, set, digest) in &self.0 {
            while now.next_if(|(other, _, _)| other < rowid).is_some() {}
            let same = now.next_if(|(other, _, _)| other == rowid);
            let is_lost = |(_, now, other): &(i64, u64, u64)| set & !now != 0 || digest != other;
            lost += i64::from(same.is_some_and(is_lost));
        }
        lost
    }
}

/// What may go with a table that is dropped.
pub(super) fn dropped_with(
    connection: &Connection,
    schemas: &mut Schemas,
    notes: &Notes,
) -> rusqlite::Result<Vec<Suspect>> {
    let mut suspects: Vec<Suspect> = Vec::new();
    // An empty table takes nothing with it.
    let any = format!(
        "SELECT 1 FROM {}.{}",
        quoted(&notes.own_schema),
        quoted(&notes.own_table)
    );
    if !connection.prepare(&any)?.exists([])? {
        return Ok(suspects);
    }
    for side in &notes.actions {
        let is_known = |suspect: &Suspect| suspect.is(&side.schema, &side.table);
        if !suspects.iter().any(is_known) {
            let mut suspect = Suspect::new(connection, schemas, &side.schema, &side.table)?;
            if !suspect.has_rowid {
                suspect.count_rows(connection)?;
            }
            suspects.push(suspect);
        }
    }
    Ok(suspects)
}

/// What may go with rows that are replaced. What refers to the table of a DELETE goes
/// with that.
pub(super) fn replaced_with(
    connection: &Connection,
    schemas: &mut Schemas,
    notes: &Notes,
    replaced: &[(&str, &str)],
) -> rusqlite::Result<Vec<Suspect>> {
    let mut suspects: Vec<Suspect> = Vec::new();
    let own = (notes.own_schema.as_str(), notes.own_table.as_str());
    for &table in replaced {
        if notes.own == Write::Delete && table == own {
            continue;
        }
        for loser in schemas.losers(connection, table)?.to_vec() {
            let is_known = |suspect: &Suspect| suspect.is(table.0, &loser.table);
            if suspects.iter().any(is_known) {
                continue;
            }
            let mut suspect = Suspect::new(connection, schemas, table.0, &loser.table)?;
            suspect.is_emptied = loser.is_emptied;
            let mut sides = notes.triggered.iter();
            suspect.is_written = own.1.eq_ignore_ascii_case(&loser.table)
                || sides.any(|side| suspect.is(&side.schema, &side.table));
            let is_ambiguous = is_ambiguous(notes, table.0, &loser);
            if is_ambiguous && !suspect.has_rowid {
                suspect.count_rows(connection)?;
            } else if is_ambiguous && loser.is_emptied {
                suspect.references_before = Some(References::of(connection, &suspect)?);
            }
            suspects.push(suspect);
        }
    }
    // What triggers do to tables without rowid is not told apart from what keys do.
    let mut is_unclear = false;
    for side in &notes.triggered {
        let has_rowid = schemas.has_rowid(connection, &side.schema, &side.table)?;
        is_unclear |= side.write == Write::Delete || !has_rowid;
    }
    if is_unclear {
        for suspect in suspects.iter_mut().filter(|suspect| !suspect.has_rowid) {
            suspect.count_rows(connection)?;
        }
    }
    Ok(suspects)
}

/// The tables of which rows may be replaced, each with how many it has, where a trigger
/// or the statement itself takes rows or references of a suspect on purpose, too.
pub(super) fn counted(
    connection: &Connection,
    schemas: &mut Schemas,
    notes: &Notes,
    suspects: &[Suspect],
    replaced: &[(&str, &str)],
) -> rusqlite::Result<Option<Vec<(String, String, i64)>>> {
    let is_meant_too = |suspect: &Suspect| {
        let by_trigger =
            |side: &Side| side.write != Write::Insert && side.is(&suspect.schema, &suspect.table);
        suspect.references_before.is_some()
            || suspect.rows_before.is_some()
            || notes.triggered.iter().any(by_trigger)
    };
    let deletes = notes.own == Write::Delete;
    if replaced.is_empty() || !(deletes || suspects.iter().any(is_meant_too)) {
        return Ok(None);
    }
    let mut tables = Vec::new();
    for &(schema, table) in replaced {
        if !schemas.has_rowid(connection, schema, table)? {
            return Ok(None);
        }
        let rows = count(connection, schema, table)?;
        tables.push((schema.to_owned(), table.to_owned(), rows));
    }
    Ok(Some(tables))
}

/// Whether a reference that is emptied cannot be told from one that is written, or that
/// follows what it refers to.
fn is_ambiguous(notes: &Notes, schema: &str, loser: &Loser) -> bool {
    let by_trigger = |table: &str| {
        let mut sides = notes.triggered.iter();
        sides.any(|side| side.write == Write::Update && side.is(schema, table))
    };
    let is_updated = |table: &String| {
        let is_own = notes.own_table.eq_ignore_ascii_case(table) && notes.own_schema == schema;
        (is_own && notes.own == Write::Update) || by_trigger(table)
    };
    let is_own = notes.own_table.eq_ignore_ascii_case(&loser.table);
    by_trigger(&loser.table) || (!is_own && loser.follows.iter().any(is_updated))
}

pub(super) fn count(connection: &Connection, schema: &str, table: &str) -> rusqlite::Result<i64> {
    let query = format!("SELECT count(*) FROM {}.{}", quoted(schema), quoted(table));
    connection.query_row(&query, [], |row| row.get(0))
}
