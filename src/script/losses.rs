//! Rows that a statement takes with it by way of foreign keys, without being a DELETE
//! or an UPDATE of them: DROP TABLE, and REPLACE in any spelling.
//!
//! Owns what counts as lost: rows of the tables that refer to what goes, and values of
//! their references that are emptied. DELETE and UPDATE mean what they do to others.
//! What goes is counted as it goes, and not by reading tables.
//! Costs nothing where the authorizer saw no action of a foreign key. Begins and ends
//! nothing.

use super::changed::Changed;
use super::conflicts::{Loser, Schemas};
use super::lost::{Loss, Lost};
use super::notes::{Notes, Write};
use super::remedy::{REBUILD, REPLACE};
use crate::schema::references::{of_child, quoted};
use rusqlite::Connection;
use std::collections::BTreeSet;

/// A statement that may take rows with it, before it is run.
pub(super) struct Guard {
    what: String,
    own: Write,
    own_schema: String,
    own_table: String,
    suspects: Vec<Suspect>,
    /// By triggers: their DELETEs only count if a key acted.
    by_triggers: Vec<Suspect>,
    total_changes: u64,
}

/// A table that may lose rows, or values of its references.
struct Suspect {
    schema: String,
    table: String,
    /// Where SQLite's word of each row is not enough.
    before: Option<Count>,
    has_rowid: bool,
    is_emptied: bool,
}

#[derive(Clone, Copy)]
struct Count {
    rows: i64,
    references: i64,
}

impl Guard {
    /// What to do where something was lost.
    pub(super) fn cure(&self) -> &'static str {
        match self.own {
            Write::Drop => REBUILD,
            _ => REPLACE,
        }
    }

    /// Looks at a statement with this text before it is run. `None` if it means what it
    /// does.
    pub(super) fn before(
        connection: &Connection,
        schemas: &mut Schemas,
        notes: &Notes,
        text: &str,
    ) -> rusqlite::Result<Option<Self>> {
        let (what, suspects) = match notes.own {
            Write::Drop => (
                format!("DROP TABLE {}", notes.own_table),
                dropped_with(connection, schemas, notes)?,
            ),
            _ => {
                let replaced = schemas.replaced(connection, notes, text)?;
                if replaced.is_empty() {
                    return Ok(None);
                }
                let suspects = replaced_with(connection, schemas, notes, &replaced)?;
                (replacing(notes, &replaced), suspects)
            }
        };
        if suspects.is_empty() {
            return Ok(None);
        }
        let mut by_triggers = Vec::new();
        for side in &notes.triggered {
            let is_one = |suspect: &Suspect| suspect.is(&side.schema, &side.table);
            let is_known = suspects.iter().chain(&by_triggers).any(is_one);
            if side.write == Write::Delete && !is_known {
                let mut suspect = Suspect::new(connection, schemas, &side.schema, &side.table)?;
                // A DELETE without WHERE is not told row by row.
                if notes.own == Write::Drop {
                    suspect.count(connection)?;
                }
                by_triggers.push(suspect);
            }
        }
        Ok(Some(Self {
            what,
            own: notes.own,
            own_schema: notes.own_schema.clone(),
            own_table: notes.own_table.clone(),
            suspects,
            by_triggers,
            total_changes: connection.total_changes(),
        }))
    }

    /// What the statement took with it; `None` if nothing.
    pub(super) fn after(
        &self,
        connection: &Connection,
        changed: &Changed,
    ) -> rusqlite::Result<Option<Loss>> {
        let direct = connection.changes();
        let others = connection.total_changes() - self.total_changes;
        if others == 0 && self.own != Write::Drop {
            return Ok(None);
        }
        let others = others.saturating_sub(direct);
        let (direct, others) = (number(direct), number(others));
        let (mut phrases, mut tables) = (Vec::new(), Vec::new());
        let mut is_own_too = false;
        for suspect in &self.suspects {
            let seen = changed.of(&suspect.schema, &suspect.table);
            let is_own = suspect.is(&self.own_schema, &self.own_table);
            let (deleted, emptied) = match (is_own, suspect.has_rowid) {
                (true, false) => (others, 0),
                (true, true) if self.own == Write::Delete => (seen.deleted - direct, seen.updated),
                (true, true) => (seen.deleted, seen.inserted + seen.updated - direct),
                (false, true) => (seen.deleted, seen.updated),
                (false, false) => (0, 0),
            };
            let (deleted, emptied) = match suspect.before {
                None => (deleted, emptied),
                Some(before) => {
                    let now = count(connection, &suspect.schema, &suspect.table)?;
                    let gone = before.rows - now.rows;
                    let deleted = if suspect.has_rowid { deleted } else { gone };
                    (deleted, before.references - now.references)
                }
            };
            if deleted > 0 {
                phrases.push(format!("{} loses {}", suspect.table, rows(deleted)));
            } else if emptied > 0 && suspect.is_emptied {
                phrases.push(format!(
                    "{} loses {emptied} of its references",
                    suspect.table
                ));
            } else {
                continue;
            }
            is_own_too |= is_own;
            tables.push(Lost::new(connection, &suspect.schema, &suspect.table)?);
        }
        if tables.is_empty() {
            return Ok(None);
        }
        for suspect in &self.by_triggers {
            let gone = match suspect.before {
                None => changed.of(&suspect.schema, &suspect.table).deleted,
                Some(before) => {
                    before.rows - count(connection, &suspect.schema, &suspect.table)?.rows
                }
            };
            if gone > 0 {
                phrases.push(format!(
                    "{} loses {} by a trigger",
                    suspect.table,
                    rows(gone)
                ));
                tables.push(Lost::new(connection, &suspect.schema, &suspect.table)?);
            }
        }
        let whose = if is_own_too { "" } else { " of other tables" };
        let message = format!(
            "{} would take rows{whose} with it, through ON DELETE: {}",
            self.what,
            phrases.join(", ")
        );
        Ok(Some(Loss { message, tables }))
    }
}

impl Suspect {
    /// Of a table without rowid SQLite's hook says nothing.
    fn new(
        connection: &Connection,
        schemas: &mut Schemas,
        schema: &str,
        table: &str,
    ) -> rusqlite::Result<Self> {
        let has_rowid = schemas.has_rowid(connection, schema, table)?;
        let mut suspect = Self {
            schema: schema.to_owned(),
            table: table.to_owned(),
            before: None,
            has_rowid,
            is_emptied: true,
        };
        if !has_rowid {
            suspect.count(connection)?;
        }
        Ok(suspect)
    }

    fn count(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.before.is_none() {
            self.before = Some(count(connection, &self.schema, &self.table)?);
        }
        Ok(())
    }

    fn is(&self, schema: &str, table: &str) -> bool {
        self.schema == schema && self.table.eq_ignore_ascii_case(table)
    }
}

/// What may go with a table that is dropped.
fn dropped_with(
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
            suspects.push(Suspect::new(
                connection,
                schemas,
                &side.schema,
                &side.table,
            )?);
        }
    }
    Ok(suspects)
}

/// What may go with rows that are replaced. What refers to the table of a DELETE goes
/// with that.
fn replaced_with(
    connection: &Connection,
    schemas: &mut Schemas,
    notes: &Notes,
    replaced: &[(&str, &str)],
) -> rusqlite::Result<Vec<Suspect>> {
    let mut suspects: Vec<Suspect> = Vec::new();
    let own = (notes.own_schema.as_str(), notes.own_table.as_str());
    let meant: Vec<Loser> = match notes.own {
        Write::Delete if !replaced.is_empty() => schemas.losers(connection, own)?.to_vec(),
        _ => Vec::new(),
    };
    for &table in replaced {
        for loser in schemas.losers(connection, table)?.to_vec() {
            let is_known = |suspect: &Suspect| suspect.is(table.0, &loser.table);
            let is_meant = table.0 == own.0 && meant.iter().any(|m| m.table == loser.table);
            if is_meant || suspects.iter().any(is_known) {
                continue;
            }
            let mut suspect = Suspect::new(connection, schemas, table.0, &loser.table)?;
            suspect.is_emptied = loser.is_emptied;
            if loser.is_emptied && is_ambiguous(notes, table.0, &loser) {
                suspect.count(connection)?;
            }
            suspects.push(suspect);
        }
    }
    Ok(suspects)
}

/// Whether a reference that is emptied cannot be told from one that is written, or that
/// follows what it refers to.
fn is_ambiguous(notes: &Notes, schema: &str, loser: &Loser) -> bool {
    let by_trigger = |table: &str| {
        let mut sides = notes.triggered.iter();
        sides.any(|side| side.write != Write::Delete && side.is(schema, table))
    };
    let is_updated = |table: &String| {
        let is_own = notes.own_table.eq_ignore_ascii_case(table) && notes.own_schema == schema;
        (is_own && notes.own == Write::Update) || by_trigger(table)
    };
    let is_own = notes.own_table.eq_ignore_ascii_case(&loser.table);
    by_trigger(&loser.table) || (!is_own && loser.follows.iter().any(is_updated))
}

/// Which statement replaces, as a phrase.
fn replacing(notes: &Notes, replaced: &[(&str, &str)]) -> String {
    let own = &notes.own_table;
    if replaced == [(notes.own_schema.as_str(), own.as_str())] {
        return format!("REPLACE of rows of {own}");
    }
    let statement = match notes.own {
        Write::Insert => format!("INSERT INTO {own}"),
        Write::Update => format!("UPDATE of {own}"),
        _ => format!("DELETE FROM {own}"),
    };
    match replaced.iter().any(|(_, table)| table == own) {
        true => format!("REPLACE by this {statement}, or by a trigger of it,"),
        false => format!("REPLACE by a trigger of this {statement}"),
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn rows(count: i64) -> String {
    format!("{count} {}", if count == 1 { "row" } else { "rows" })
}

/// How many rows a table has, and how many values of references in them.
fn count(connection: &Connection, schema: &str, table: &str) -> rusqlite::Result<Count> {
    let columns: BTreeSet<String> = of_child(connection, schema, table)?
        .into_iter()
        .flat_map(|reference| reference.from)
        .collect();
    let mut query = String::from("SELECT count(*), 0");
    for column in columns {
        query.push_str(&format!(" + count({})", quoted(&column)));
    }
    query.push_str(&format!(" FROM {}.{}", quoted(schema), quoted(table)));
    connection.query_row(&query, [], |row| {
        Ok(Count {
            rows: row.get(0)?,
            references: row.get(1)?,
        })
    })
}
