//! A column that a subquery names and its table has not: SQLite takes that of the statement
//! around it, and the condition holds for every row.
//!
//! Owns what counts as this: `(SELECT name FROM table …` of one table, but for EXISTS. Where
//! the outer column is meant, it is named with its table.

use super::Stopped;
use super::authorizer::saw;
use super::notes::Write;
use super::runner::Runner;
use crate::schema::sql::is_keyword;
use crate::schema::tokens::{Kind, Token, tokens};
use rusqlite::Connection;
use std::sync::Arc;

/// The column, and the table that has no such one.
struct Outer {
    column: String,
    table: String,
}

impl Runner<'_> {
    /// Rows that a DELETE takes are gone; of anything else it is said.
    pub(super) fn judge_outer_columns(
        &mut self,
        connection: &Connection,
        seen: u32,
    ) -> Result<(), Stopped> {
        if seen & (saw::SELECT | saw::CREATE_PART) == 0 || self.rules.replayed {
            return Ok(());
        }
        let shared = Arc::clone(&self.seen);
        let _pause = shared.pause();
        let found = outer_column(connection, self.place.text());
        let Some(Outer { column, table }) = found.map_err(|error| self.stopped_here(&error))?
        else {
            return Ok(());
        };
        let message = format!(
            "{table} has no column {column}, so SQLite takes the one of the statement around the SELECT, whatever {table} holds"
        );
        let remedy = format!("name a column of {table}, or the table whose {column} is meant");
        match seen & saw::CREATE_PART == 0 && shared.notes().own == Write::Delete {
            true => Err(Stopped {
                remedy: Some(remedy),
                ..self.refused(&message, None)
            }),
            false => self.warn("outer-column", format!("{message}: {remedy}")),
        }
    }
}

fn outer_column(connection: &Connection, statement: &str) -> rusqlite::Result<Option<Outer>> {
    let mut all = tokens(statement);
    let mut before: Option<Token<'_>> = None;
    while let Some(token) = all.next() {
        // A table of WITH may have any name.
        if token.is_word("with") {
            return Ok(None);
        }
        let is_asked = token.text == "(" && !before.is_some_and(|token| token.is_word("exists"));
        before = Some(token);
        if let Some((column, schema, table)) = is_asked.then(|| simple(all.rest())).flatten()
            && lacks(connection, schema.as_deref(), &table, &column)?
        {
            return Ok(Some(Outer { column, table }));
        }
    }
    Ok(None)
}

/// `SELECT name FROM schema.table`, of that table alone.
fn simple(text: &str) -> Option<(String, Option<String>, String)> {
    let mut all = tokens(text);
    all.next().filter(|token| token.is_word("select"))?;
    let is_name = |token: &Token<'_>| match token.kind {
        Kind::Word => {
            let word = token.text.to_ascii_lowercase();
            let is_value = ["true", "false", "rowid", "oid", "_rowid_"].contains(&&*word)
                || word.starts_with("current_")
                || word.starts_with(|first: char| first.is_ascii_digit());
            !is_keyword(&word) && !is_value
        }
        Kind::Name | Kind::Double => true,
        Kind::String | Kind::Sign => false,
    };
    let column = all
        .find(|token| !token.is_word("distinct"))
        .filter(is_name)?;
    all.next().filter(|token| token.is_word("from"))?;
    let mut table = all.next().filter(is_name)?;
    let mut schema = None;
    let mut next = all.next();
    if next.is_some_and(|token| token.text == ".") {
        schema = Some(table.content().into_owned());
        table = all.next()?;
        next = all.next();
    }
    // An alias.
    if next.is_some_and(|token| token.is_word("as")) {
        all.next();
        next = all.next();
    } else if next.is_some_and(|token| is_name(&token) && !begins_more(&token)) {
        next = all.next();
    }
    let is_one =
        next.is_none_or(|token| token.text != "," && token.text != "(" && !begins_more(&token));
    is_one.then(|| {
        let column = column.content().into_owned();
        (column, schema, table.content().into_owned())
    })
}

/// Whether this begins another table, as a word after the first.
fn begins_more(token: &Token<'_>) -> bool {
    let words = [
        "join", "inner", "left", "right", "full", "cross", "natural", "outer",
    ];
    words.iter().any(|word| token.is_word(word))
}

/// Whether there is such a table, and it has no such column.
fn lacks(
    connection: &Connection,
    schema: Option<&str>,
    table: &str,
    column: &str,
) -> rusqlite::Result<bool> {
    let query = "SELECT name FROM pragma_table_xinfo(?1, ?2)";
    // One that cannot be looked at is not judged.
    let Ok(mut statement) = connection.prepare(query) else {
        return Ok(false);
    };
    let names = statement.query_map([Some(table), schema], |row| row.get(0))?;
    let names: Vec<String> = names.collect::<rusqlite::Result<_>>().unwrap_or_default();
    let is_it = |name: &String| name.eq_ignore_ascii_case(column);
    Ok(!names.is_empty() && !names.iter().any(is_it))
}

#[cfg(test)]
mod tests {
    use super::outer_column;
    use rusqlite::Connection;

    #[test]
    fn a_column_of_the_statement_around_is_told_from_one_of_the_table() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE a(id, x, y); CREATE TABLE b(id, z); CREATE VIEW v AS SELECT z FROM b;")
            .unwrap();
        for (statement, expected) in [
            ("DELETE FROM a WHERE x IN (SELECT x FROM b)", true),
            (
                "DELETE FROM a WHERE x NOT IN (SELECT DISTINCT X FROM main.b AS b WHERE z > 1)",
                true,
            ),
            ("UPDATE a SET y = (SELECT y FROM b WHERE b.id = a.id)", true),
            ("DELETE FROM a WHERE x IN (SELECT \"x\" FROM v)", true),
            ("DELETE FROM a WHERE x IN (SELECT z FROM b)", false),
            ("DELETE FROM a WHERE id IN (SELECT id FROM b)", false),
            ("DELETE FROM a WHERE x IN (SELECT a.x FROM b)", false),
            (
                "DELETE FROM a WHERE EXISTS (SELECT x FROM b WHERE b.id = a.id)",
                false,
            ),
            ("DELETE FROM a WHERE x IN (SELECT x FROM b, a)", false),
            ("DELETE FROM a WHERE x IN (SELECT x FROM b q JOIN a)", false),
            ("DELETE FROM a WHERE x IN (SELECT rowid FROM b)", false),
            ("DELETE FROM a WHERE x IN (SELECT 1 FROM b)", false),
            (
                "WITH b AS (SELECT 1 AS x) DELETE FROM a WHERE x IN (SELECT x FROM b)",
                false,
            ),
            (
                "DELETE FROM a WHERE x IN (SELECT value FROM json_each(y))",
                false,
            ),
            ("DELETE FROM a WHERE x IN (SELECT x FROM nosuch)", false),
        ] {
            let found = outer_column(&connection, statement).unwrap();
            assert_eq!(found.is_some(), expected, "{statement}");
        }
    }
}
