//! A column that a subquery names and its table has not: SQLite takes that of the statement
//! around it, and the condition holds for every row.
//!
//! Owns what counts as this: `(SELECT name FROM …)`, but for EXISTS, which SQLite does not
//! take by itself. Where the outer column is meant, it is named with its table.

use super::Stopped;
use super::notes::Write;
use super::quoted::with_names_only;
use super::runner::Runner;
use super::seen::saw;
use crate::diagnostics::error::sqlite_message;
use crate::schema::tokens::{Kind, Token, tokens};
use rusqlite::Connection;
use std::ops::Range;
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
        let shared = Arc::clone(&self.seen);
        let _pause = shared.pause();
        let text = self.place.text();
        // In double quotes it may be a name of the statement around, too.
        let found = match text.contains('"') {
            true => with_names_only(connection, |connection| outer_column(connection, text)),
            false => Ok(outer_column(connection, text)),
        };
        let found = found.map_err(|error| self.stopped_here(&error))?;
        let Some(Outer { column, table }) = found else {
            return Ok(());
        };
        let message = format!(
            "{table} has no column {column}, so SQLite looks for it in the statement around the SELECT, whatever {table} holds"
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

fn outer_column(connection: &Connection, statement: &str) -> Option<Outer> {
    let mut all = tokens(statement);
    let mut before: Option<Token<'_>> = None;
    // The WITH before a statement that writes.
    let (mut with, mut depth) = (None, 0_usize);
    let at = |token: &Token<'_>| token.at(statement);
    while let Some(token) = all.next() {
        let writes = ["insert", "replace", "update", "delete"];
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            // An empty statement belongs to the one that follows it.
            ";" => continue,
            _ if token.is_word("with") && before.is_none() => with = Some(at(&token)..at(&token)),
            // Its tables may have any name.
            _ if token.is_word("with") => return None,
            _ if depth == 0 && writes.iter().any(|word| token.is_word(word)) => {
                with = with.map(|with| match with.is_empty() {
                    true => with.start..at(&token),
                    false => with,
                });
            }
            _ => {}
        }
        let is_asked = token.text == "(" && !before.is_some_and(|token| token.is_word("exists"));
        before = Some(token);
        let is_in_with = with.as_ref().is_some_and(Range::is_empty);
        let is_asked = is_asked && !is_in_with;
        let Some((column, select)) = is_asked.then(|| simple(all.rest())).flatten() else {
            continue;
        };
        let with = with.clone().map_or("", |with| &statement[with]);
        if lacks(connection, &format!("{with} {select}"), &column) {
            let mut tables = tokens(select).skip_while(|token| !token.is_word("from"));
            let mut table = tables.nth(1);
            if tables.next().is_some_and(|token| token.text == ".") {
                table = tables.next();
            }
            let table = table.filter(|table| table.text != "(");
            let table = table.map(|table| table.content().into_owned());
            let table = table.unwrap_or_else(|| "the SELECT in it".to_owned());
            return Some(Outer { column, table });
        }
    }
    None
}

/// `SELECT name FROM …)`: the name, and the whole but for the bracket.
fn simple(text: &str) -> Option<(String, &str)> {
    let mut all = tokens(text);
    all.next().filter(|token| token.is_word("select"))?;
    let is_name = |token: &Token<'_>| match token.kind {
        Kind::Word => !token.text.starts_with(|first: char| first.is_ascii_digit()),
        Kind::Name | Kind::Double => true,
        Kind::String | Kind::Sign => false,
    };
    let column = all
        .find(|token| !token.is_word("distinct"))
        .filter(is_name)?;
    let mut next = all.next()?;
    if next.is_word("as") {
        all.next();
        next = all.next()?;
    }
    if !next.is_word("from") {
        return None;
    }
    let mut depth = 0_usize;
    let end = all.find(|token| {
        match token.text {
            "(" => depth += 1,
            ")" if depth == 0 => return true,
            ")" => depth -= 1,
            _ => {}
        }
        false
    })?;
    Some((column.content().into_owned(), &text[..end.at(text)]))
}

/// Whether a SELECT by itself has no such column: what it gives is looked up first.
fn lacks(connection: &Connection, select: &str, column: &str) -> bool {
    let Err(error) = connection.prepare(select) else {
        return false;
    };
    let message = sqlite_message(&error);
    let Some(missing) = message.strip_prefix("no such column: ") else {
        return false;
    };
    // "x" - should this be a string literal in single-quotes?
    let missing = missing.split(" - should").next().unwrap_or(missing);
    missing.trim_matches('"').eq_ignore_ascii_case(column)
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
            ("DELETE FROM a WHERE x IN (SELECT [x] FROM v)", true),
            ("DELETE FROM a WHERE x IN (SELECT x AS y FROM main.b)", true),
            (
                "WITH b AS (SELECT id AS x FROM a), c AS (SELECT x FROM b) DELETE FROM a WHERE x IN (SELECT x FROM c)",
                false,
            ),
            (
                "INSERT INTO a WITH b AS (SELECT 1 AS x) SELECT 1, 2, 3 FROM a WHERE x IN (SELECT x FROM b)",
                false,
            ),
            (
                "; WITH w AS (SELECT 1 AS k) UPDATE a SET y = replace(y, 'a', 'b') WHERE x IN (SELECT x FROM b JOIN w)",
                true,
            ),
            (
                "WITH w AS (SELECT 1 AS k) DELETE FROM a WHERE x IN (SELECT x FROM b JOIN w)",
                true,
            ),
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
            let found = outer_column(&connection, statement);
            assert_eq!(found.is_some(), expected, "{statement}");
        }
    }
}
