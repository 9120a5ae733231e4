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
use super::notes::{Notes, Side, Write};
use super::remedy::{REBUILD, RENAMED, REPLACE, REPLACED};
use crate::schema::references::{of_child, quoted};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A statement that may take rows with it, before it is run.
pub(super) struct Guard {
    what: String,
    own: Write,
    own_schema: String,
    own_table: String,
    own_has_rowid: bool,
    suspects: Vec<Suspect>,
    /// By triggers: their DELETEs only count if a key acted.
    by_triggers: Vec<Suspect>,
    /// The tables of which rows may be replaced, and how many they had, where it is not
    /// clear by what is told row by row whether any was.
    replaced: Option<Vec<(String, String, i64)>>,
    total_changes: u64,
}

/// A table that may lose rows, or values of its references.
struct Suspect {
    schema: String,
    table: String,
    has_rowid: bool,
    is_emptied: bool,
    /// The statement or a trigger writes to it, too.
    is_written: bool,
    /// Where SQLite's word of each row is not enough.
    rows_before: Option<i64>,
    references_before: Option<References>,
}

impl Guard {
    /// What to do where something was lost.
    pub(super) fn cure(&self, is_renamed: impl Fn(&str) -> bool) -> &'static str {
        match self.own {
            Write::Drop if is_renamed(&self.own_table) => RENAMED,
            Write::Drop => REBUILD,
            Write::Update if self.what.starts_with("REPLACE of rows of ") => REPLACED,
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
        let replaced = match notes.own {
            Write::Drop => Vec::new(),
            _ => schemas.replaced(connection, notes, text)?,
        };
        let (what, suspects) = match notes.own {
            Write::Drop => (
                format!("DROP TABLE {}", notes.own_table),
                dropped_with(connection, schemas, notes)?,
            ),
            _ if replaced.is_empty() => return Ok(None),
            _ => (
                replacing(notes, &replaced),
                replaced_with(connection, schemas, notes, &replaced)?,
            ),
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
                    suspect.count_rows(connection)?;
                }
                by_triggers.push(suspect);
            }
        }
        Ok(Some(Self {
            what,
            own: notes.own,
            own_schema: notes.own_schema.clone(),
            own_table: notes.own_table.clone(),
            own_has_rowid: schemas.has_rowid(connection, &notes.own_schema, &notes.own_table)?,
            replaced: counted(connection, schemas, notes, &suspects, &replaced)?,
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
        let total = connection.total_changes() - self.total_changes;
        let is_drop = self.own == Write::Drop;
        if (total == 0 && !is_drop) || self.has_replaced_none(connection, changed)? {
            return Ok(None);
        }
        let (direct, total) = (number(direct), number(total));
        // Changes of tables without rowid, of which nothing is told row by row.
        let own_untold = if self.own_has_rowid { 0 } else { direct };
        let untold = total - changed.in_all() - own_untold;
        let (mut phrases, mut tables) = (Vec::new(), Vec::new());
        let mut is_own_too = false;
        for suspect in &self.suspects {
            let told = changed.of(&suspect.schema, &suspect.table);
            let is_own = suspect.is_of(self);
            let (deleted, emptied) = match (suspect.has_rowid, is_own) {
                (true, true) if self.own == Write::Delete => (told.deleted - direct, told.updated),
                (true, true) => (told.deleted, told.inserted + told.updated - direct),
                (true, false) => (told.deleted, told.updated),
                (false, _) => self.untold_losses(connection, suspect, untold)?,
            };
            let emptied = match &suspect.references_before {
                None => emptied,
                Some(before) => before.lost(&References::of(connection, suspect)?),
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
            let gone = match suspect.rows_before {
                Some(before) => before - suspect.rows(connection)?,
                None => changed
                    .of(&suspect.schema, &suspect.table)
                    .deleted
                    .max(untold),
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

    /// How many rows and references a table without rowid has lost, of as many changes of
    /// such tables as were `untold`.
    fn untold_losses(
        &self,
        connection: &Connection,
        suspect: &Suspect,
        untold: i64,
    ) -> rusqlite::Result<(i64, i64)> {
        let Some(before) = suspect.rows_before else {
            return Ok(match suspect.is_emptied {
                true => (0, untold),
                false => (untold, 0),
            });
        };
        let more = suspect.rows(connection)? - before;
        Ok(match self.own {
            // It makes no row.
            Write::Drop if more < 0 => (-more, 0),
            Write::Drop => (0, untold),
            _ if more < 0 => (-more, 0),
            // The others are what triggers did elsewhere.
            _ if !suspect.is_written && !suspect.is_emptied => (0, 0),
            // What a trigger made is not all that was changed.
            _ => (untold - more, 0),
        })
    }

    /// Whether no row was replaced after all: then all that went was meant.
    fn has_replaced_none(
        &self,
        connection: &Connection,
        changed: &Changed,
    ) -> rusqlite::Result<bool> {
        let Some(replaced) = &self.replaced else {
            return Ok(false);
        };
        for (schema, table, before) in replaced {
            let told = changed.of(schema, table);
            let now = count(connection, schema, table)?;
            if before + told.inserted - told.deleted != now {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Suspect {
    fn new(
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

    fn rows(&self, connection: &Connection) -> rusqlite::Result<i64> {
        count(connection, &self.schema, &self.table)
    }

    fn count_rows(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.rows_before = Some(self.rows(connection)?);
        Ok(())
    }

    fn is(&self, schema: &str, table: &str) -> bool {
        self.schema == schema && self.table.eq_ignore_ascii_case(table)
    }

    fn is_of(&self, guard: &Guard) -> bool {
        self.is(&guard.own_schema, &guard.own_table)
    }
}

/// The references of a table, by its rowid: which of them are set, and a digest.
struct References(Vec<(i64, u64, u64)>);

impl References {
    fn of(connection: &Connection, suspect: &Suspect) -> rusqlite::Result<Self> {
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
    fn lost(&self, now: &Self) -> i64 {
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
fn replaced_with(
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
fn counted(
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

fn count(connection: &Connection, schema: &str, table: &str) -> rusqlite::Result<i64> {
    let query = format!("SELECT count(*) FROM {}.{}", quoted(schema), quoted(table));
    connection.query_row(&query, [], |row| row.get(0))
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn rows(count: i64) -> String {
    format!("{count} {}", if count == 1 { "row" } else { "rows" })
}
