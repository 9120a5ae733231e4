//! Rows that a statement takes with it by way of foreign keys, without being a DELETE
//! or an UPDATE of them: DROP TABLE, and REPLACE in any spelling.
//!
//! Owns what counts as lost: rows of the tables that refer to what goes, and values of
//! their references that are emptied. DELETE and UPDATE mean what they do to others.
//! Costs nothing where the authorizer saw no action of a foreign key. Begins and ends
//! nothing.

use super::authorizer::{Notes, Write};
use crate::schema::references::{Reference, all, of_child, quoted};
use rusqlite::Connection;
use std::collections::BTreeSet;

/// What was there before a statement that may take rows with it.
pub(crate) struct Guard {
    what: String,
    schema: String,
    counted: Vec<Counted>,
    total_changes: u64,
    /// The statement's own changes are all that it may make.
    only_its_own: bool,
    /// Statements of triggers, or UPDATE: whose actions are meant where a DELETE or an
    /// UPDATE of what a table refers to is among them.
    meant: Vec<String>,
}

/// A table that may lose rows, or values of its references.
struct Counted {
    table: String,
    before: Option<Count>,
}

#[derive(Clone, Copy)]
struct Count {
    rows: i64,
    references: i64,
}

/// What was lost, in which tables.
#[derive(Debug)]
pub(crate) struct Loss {
    pub message: String,
    pub tables: Vec<String>,
}

impl Guard {
    /// Looks at a statement with actions of foreign keys before it is run. `None` if it
    /// means what it does.
    pub(crate) fn before(connection: &Connection, notes: &Notes) -> rusqlite::Result<Option<Self>> {
        let schema = &notes.own_schema;
        let table = &notes.own_table;
        let tables: BTreeSet<&str> = notes.actions.iter().map(|(_, t)| t.as_str()).collect();
        let deletes = notes
            .actions
            .iter()
            .any(|(write, _)| *write == Write::Delete);
        let inserts_by_trigger = notes.triggered.iter().any(|(w, _)| *w == Write::Insert);
        let what = match notes.own {
            Write::Drop => {
                // An empty table takes nothing with it.
                let any = format!("SELECT 1 FROM {}.{}", quoted(schema), quoted(table));
                if !connection.prepare(&any)?.exists([])? {
                    return Ok(None);
                }
                format!("DROP TABLE {table}")
            }
            Write::Insert if notes.triggered.is_empty() => {
                format!("REPLACE of rows of {table}")
            }
            Write::Insert => format!("REPLACE by this INSERT INTO {table}, or by a trigger of it,"),
            // ON UPDATE never deletes: that is a REPLACE.
            Write::Update if deletes || inserts_by_trigger => {
                format!("REPLACE by this UPDATE of {table}, or by a trigger of it,")
            }
            Write::Delete if inserts_by_trigger => {
                format!("REPLACE by a trigger of this DELETE FROM {table}")
            }
            Write::Update | Write::Delete | Write::Nothing => return Ok(None),
        };
        // REPLACE of many rows, one statement each, is not to count its children each time.
        let only_its_own =
            notes.own == Write::Insert && notes.triggered.is_empty() && !notes.upserts;
        let meant = match notes.own {
            Write::Drop => Vec::new(),
            _ => meant(connection, notes)?,
        };
        let counted = tables
            .into_iter()
            .map(|name| {
                let before = match only_its_own {
                    true => None,
                    false => Some(count(connection, schema, name)?),
                };
                Ok(Counted {
                    table: name.to_owned(),
                    before,
                })
            })
            .collect::<rusqlite::Result<_>>()?;
        Ok(Some(Self {
            what,
            schema: schema.clone(),
            counted,
            total_changes: connection.total_changes(),
            only_its_own,
            meant,
        }))
    }

    /// What the statement took with it; `None` if nothing.
    pub(crate) fn after(&self, connection: &Connection) -> rusqlite::Result<Option<Loss>> {
        let total = connection.total_changes() - self.total_changes;
        if self.only_its_own {
            let others = total.saturating_sub(connection.changes());
            let tables: Vec<String> = self.counted.iter().map(|c| c.table.clone()).collect();
            let message = format!(
                "{} would take rows with it, through ON DELETE: {} of {}",
                self.what,
                rows(i64::try_from(others).unwrap_or(i64::MAX)),
                tables.join(", ")
            );
            return Ok((others > 0).then_some(Loss { message, tables }));
        }
        if total == 0 {
            return Ok(None);
        }
        let (mut phrases, mut tables) = (Vec::new(), Vec::new());
        for Counted { table, before } in &self.counted {
            let Some(before) = before else { continue };
            if self
                .meant
                .iter()
                .any(|name| name.eq_ignore_ascii_case(table))
            {
                continue;
            }
            let now = count(connection, &self.schema, table)?;
            let deleted = before.rows - now.rows;
            let emptied = before.references - now.references;
            if deleted > 0 {
                phrases.push(format!("{table} loses {}", rows(deleted)));
            } else if emptied > 0 {
                phrases.push(format!("{table} loses {emptied} of its references"));
            } else {
                continue;
            }
            tables.push(table.clone());
        }
        let message = format!(
            "{} would take rows of other tables with it, through ON DELETE: {}",
            self.what,
            phrases.join(", ")
        );
        Ok((!tables.is_empty()).then_some(Loss { message, tables }))
    }
}

/// The tables, among those that keys act on, whose loss follows from a DELETE or UPDATE
/// of what they refer to, and is therefore meant.
fn meant(connection: &Connection, notes: &Notes) -> rusqlite::Result<Vec<String>> {
    let own = match notes.own {
        Write::Delete => Some(notes.own_table.as_str()),
        _ => None,
    };
    let by_triggers = notes
        .triggered
        .iter()
        .filter(|(write, _)| matches!(write, Write::Delete));
    let mut sources: Vec<String> = own
        .into_iter()
        .chain(by_triggers.map(|(_, table)| table.as_str()))
        .map(str::to_owned)
        .collect();
    if sources.is_empty() {
        return Ok(Vec::new());
    }
    let references = all(connection, &notes.own_schema)?;
    let mut found = Vec::new();
    while let Some(parent) = sources.pop() {
        for reference in &references {
            let is_new =
                reference.parent.eq_ignore_ascii_case(&parent) && !found.contains(&reference.child);
            if is_new {
                found.push(reference.child.clone());
                sources.push(reference.child.clone());
            }
        }
    }
    Ok(found)
}

fn rows(count: i64) -> String {
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

/// Which tables refer to rows of `table`, as a phrase: all that keep it from being
/// dropped, or if `acting_only` those that would lose rows or references with it.
pub(crate) fn referring(
    connection: &Connection,
    schema: &str,
    table: &str,
    acting_only: bool,
) -> rusqlite::Result<Option<String>> {
    let any = format!("SELECT 1 FROM {}.{}", quoted(schema), quoted(table));
    if !connection.prepare(&any)?.exists([])? {
        return Ok(None);
    }
    let mut phrases = Vec::new();
    for reference in all(connection, schema)? {
        let refers = reference.parent.eq_ignore_ascii_case(table)
            && !reference.child.eq_ignore_ascii_case(table)
            && (reference.acts_on_delete() || !acting_only);
        if refers {
            let count = referring_rows(connection, schema, &reference)?;
            if count > 0 {
                phrases.push(format!("{} of {}", rows(count), reference.child));
            }
        }
    }
    Ok((!phrases.is_empty()).then(|| phrases.join(", ")))
}

fn referring_rows(
    connection: &Connection,
    schema: &str,
    reference: &Reference,
) -> rusqlite::Result<i64> {
    let set: Vec<String> = reference
        .from
        .iter()
        .map(|name| format!("{} IS NOT NULL", quoted(name)))
        .collect();
    let query = format!(
        "SELECT count(*) FROM {}.{} WHERE {}",
        quoted(schema),
        quoted(&reference.child),
        set.join(" AND ")
    );
    connection.query_row(&query, [], |row| row.get(0))
}
