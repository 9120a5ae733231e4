//! Which rows refer to a table, in words.
//!
//! Owns the phrase. Only looks.

use super::losses::rows;
use crate::diagnostics::error::sqlite_message;
use crate::schema::references::{Reference, all, quoted};
use rusqlite::Connection;

/// Which tables refer to rows of `table`, as a phrase: all that keep it from being
/// dropped.
pub(crate) fn referring(
    connection: &Connection,
    schema: &str,
    table: &str,
) -> rusqlite::Result<Option<String>> {
    let references = all(connection, schema)?;
    among(connection, schema, table, references.iter())
}

/// Those of `references` that would lose rows, or what they refer to, with `table`.
pub(super) fn losing(
    connection: &Connection,
    schema: &str,
    table: &str,
    references: &[Reference],
) -> rusqlite::Result<Option<String>> {
    let acting = references.iter().filter(|r| r.acts_on_delete());
    among(connection, schema, table, acting)
}

fn among<'r>(
    connection: &Connection,
    schema: &str,
    table: &str,
    references: impl Iterator<Item = &'r Reference>,
) -> rusqlite::Result<Option<String>> {
    let mut referring = references
        .filter(|reference| {
            reference.parent.eq_ignore_ascii_case(table)
                && !reference.child.eq_ignore_ascii_case(table)
        })
        .peekable();
    let any = format!("SELECT 1 FROM {}.{}", quoted(schema), quoted(table));
    if referring.peek().is_none() || !connection.prepare(&any)?.exists([])? {
        return Ok(None);
    }
    let mut phrases = Vec::new();
    for reference in referring {
        let count = match referring_rows(connection, schema, reference) {
            // Dropped before what it refers to.
            Err(error) if sqlite_message(&error).starts_with("no such table") => 0,
            count => count?,
        };
        if count > 0 {
            phrases.push(format!("{} of {}", rows(count), reference.child));
        }
    }
    Ok((!phrases.is_empty()).then(|| phrases.join(", ")))
}

fn referring_rows(
    connection: &Connection,
    schema: &str,
    reference: &Reference,
) -> rusqlite::Result<i64> {
    let query = format!(
        "SELECT count(*) FROM {}.{} WHERE {}",
        quoted(schema),
        quoted(&reference.child),
        reference.is_set("")
    );
    connection.query_row(&query, [], |row| row.get(0))
}
