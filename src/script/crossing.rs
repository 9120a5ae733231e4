//! Rows copied by position, into columns that stand in another order.
//!
//! Owns what counts as that. Looks at the first words of an INSERT, and at no more unless
//! they are followed by a SELECT.

use super::notes::Notes;
use crate::schema::tokens::tokens;
use rusqlite::Connection;

/// An `INSERT INTO new SELECT … FROM old` without a list of columns, by which columns of
/// one name change places: the phrase that says which.
pub(crate) fn crossing(
    connection: &Connection,
    notes: &Notes,
    statement: &str,
) -> rusqlite::Result<Option<String>> {
    let Some(select) = select_by_position(statement) else {
        return Ok(None);
    };
    // The names of what it gives; a clause for conflicts after it is no part of it.
    let Ok(select) = connection.prepare(&select) else {
        return Ok(None);
    };
    let given: Vec<&str> = select.column_names().collect();
    let target = columns(connection, &notes.own_schema, &notes.own_table)?;
    if given.len() != target.len() {
        return Ok(None);
    }
    let mut phrases = Vec::new();
    for (from, to) in given.iter().zip(&target) {
        let is_one = target.iter().any(|name| name.eq_ignore_ascii_case(from));
        if from.eq_ignore_ascii_case(to) || !is_one {
            continue;
        }
        let mut reads = notes.reads();
        let Some((source, _)) = reads.find(|(_, column)| column.eq_ignore_ascii_case(from)) else {
            continue;
        };
        if source.eq_ignore_ascii_case(&notes.own_table) {
            return Ok(None);
        }
        phrases.push(format!(
            "{source}.{from} goes into {}.{to}",
            notes.own_table
        ));
    }
    Ok((!phrases.is_empty()).then(|| phrases.join(", ")))
}

/// The SELECT of an INSERT that names no columns, with the WITH before it.
fn select_by_position(statement: &str) -> Option<String> {
    let mut tokens = tokens(statement);
    let mut depth = 0_usize;
    let prefix = loop {
        let rest = tokens.rest();
        let token = tokens.next()?;
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ if depth == 0 && (token.is_word("insert") || token.is_word("replace")) => {
                break &statement[..statement.len() - rest.len()];
            }
            _ => {}
        }
    };
    tokens.find(|token| token.is_word("into"))?;
    tokens.next()?;
    let mut rest = tokens.rest();
    let mut next = tokens.next()?;
    // A schema before the name, an alias after it.
    for word in [".", "as"] {
        if next.text.eq_ignore_ascii_case(word) {
            tokens.next()?;
            rest = tokens.rest();
            next = tokens.next()?;
        }
    }
    let selects = next.is_word("select") || next.is_word("with");
    selects.then(|| format!("{prefix} {rest}"))
}

fn columns(connection: &Connection, schema: &str, table: &str) -> rusqlite::Result<Vec<String>> {
    let query = "SELECT name FROM pragma_table_xinfo(?1, ?2) WHERE hidden = 0 ORDER BY cid";
    let mut statement = connection.prepare(query)?;
    let rows = statement.query_map([table, schema], |row| row.get(0))?;
    rows.collect()
}
