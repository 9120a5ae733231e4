//! Rows that a statement takes with it by way of foreign keys, without being a DELETE
//! or an UPDATE of them: DROP TABLE, and REPLACE in any spelling.
//!
//! Owns what counts as lost: rows of the tables that refer to what goes, and values of
//! their references that are emptied. DELETE and UPDATE mean what they do to others.
//! What goes is counted as it goes, and not by reading tables.
//! Costs nothing where the authorizer saw no action of a foreign key. Begins and ends
//! nothing.

use super::changed::Changed;
use super::conflicts::Schemas;
use super::lost::{Loss, Lost};
use super::notes::{Notes, Write};
use super::remedy::{REBUILD, RENAMED, REPLACE, REPLACED};
use super::suspects::{References, Suspect, count, counted, dropped_with, replaced_with};
use rusqlite::Connection;

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
            let is_own = suspect.is(&self.own_schema, &self.own_table);
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
