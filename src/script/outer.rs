//! A column that a subquery names and its table has not: SQLite takes that of the statement
//! around it, and the condition holds for every row.
//!
//! Owns what counts as this: a column that a SELECT gives, and in which no name is of its
//! own tables, but for EXISTS, which looks at no column. Where the outer column is meant,
//! it is named with its table.

use super::Stopped;
use super::mistaken::Mistake;
use super::quoted::with_names_only;
use super::runner::Runner;
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
    pub(super) fn judge_outer_columns(&mut self, connection: &Connection) -> Result<(), Stopped> {
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
        self.mistake(Mistake {
            kind: "outer-column",
            position: self.place.here(),
            message,
            remedy,
            takes_more: true,
        })
    }
}

fn outer_column(connection: &Connection, statement: &str) -> Option<Outer> {
    let mut all = tokens(statement);
    let mut before: Option<Token<'_>> = None;
    // The WITH before a statement that writes.
    let mut with = None;
    // Of each bracket that is open, whether EXISTS stands before it.
    let mut brackets = Vec::new();
    let at = |token: &Token<'_>| token.at(statement);
    while let Some(token) = all.next() {
        let writes = ["insert", "replace", "update", "delete"];
        match token.text {
            "(" => brackets.push(before.is_some_and(|token| token.is_word("exists"))),
            ")" => drop(brackets.pop()),
            // An empty statement belongs to the one that follows it.
            ";" => continue,
            _ if token.is_word("with") && before.is_none() => with = Some(at(&token)..at(&token)),
            // Its tables may have any name.
            _ if token.is_word("with") => return None,
            _ if brackets.is_empty() && writes.iter().any(|word| token.is_word(word)) => {
                with = with.map(|with| match with.is_empty() {
                    true => with.start..at(&token),
                    false => with,
                });
            }
            _ => {}
        }
        before = Some(token);
        let begins = token.text == "(" || is_compound(&token);
        let is_in_with = with.as_ref().is_some_and(Range::is_empty);
        if !begins || is_in_with || brackets.last() != Some(&false) {
            continue;
        }
        let Some(select) = Select::of(all.rest()) else {
            continue;
        };
        let with = with.clone().map_or("", |with| &statement[with]);
        if let Some(column) = select.outer_column(connection, with) {
            let table = select.table();
            return Some(Outer { column, table });
        }
    }
    None
}

fn is_compound(token: &Token<'_>) -> bool {
    let words = ["union", "except", "intersect"];
    words.iter().any(|word| token.is_word(word))
}

/// `SELECT a, b + c FROM …`, to the end of its bracket or to the next one of a compound.
struct Select<'a> {
    /// What it gives: all between SELECT and FROM.
    gives: &'a str,
    /// From FROM on.
    from: &'a str,
}

impl<'a> Select<'a> {
    /// The one that `text` begins with; after UNION it may be that of ALL.
    fn of(text: &'a str) -> Option<Self> {
        let mut all = tokens(text);
        let first = all.find(|token| !token.is_word("all"))?;
        if !first.is_word("select") {
            return None;
        }
        let start = all.rest();
        let (mut depth, mut from) = (0_usize, None);
        let end = all.find(|token| {
            match token.text {
                "(" => depth += 1,
                ")" if depth == 0 => return true,
                ")" => depth -= 1,
                _ if depth == 0 && token.is_word("from") => from = from.or(Some(token.at(start))),
                _ => {}
            }
            depth == 0 && is_compound(token)
        });
        let end = end.map_or(start.len(), |end| end.at(start));
        let (gives, from) = start[..end].split_at(from?);
        Some(Self { gives, from })
    }

    /// The table that it is of, for a message.
    fn table(&self) -> String {
        let mut all = tokens(self.from).skip(1);
        let mut table = all.next();
        if all.next().is_some_and(|token| token.text == ".") {
            table = all.next();
        }
        let table = table.filter(|table| table.text != "(");
        let table = table.map(|table| table.content().into_owned());
        table.unwrap_or_else(|| "the SELECT in it".to_owned())
    }

    /// The name in a column that it gives, if that names columns of the statement around
    /// and none of its own tables.
    fn outer_column(&self, connection: &Connection, with: &str) -> Option<String> {
        let missing = |gives: &str| {
            let select = format!("{with} SELECT {gives} {}", self.from);
            missing_column(connection, &select)
        };
        // Nearly all have what they name.
        missing(self.gives)?;
        columns(self.gives).find_map(|column| {
            let outer = missing(column)?;
            let is_it = |name: &str| outer.eq_ignore_ascii_case(name);
            let names = names(column)?;
            let has_it = names.iter().any(|name| is_it(&name.content()));
            let is_of_its_own = |name: &Token<'_>| {
                let is_outer = |missing: String| missing.eq_ignore_ascii_case(&name.content());
                !missing(name.text).is_some_and(is_outer) && is_column(connection, name.text)
            };
            (has_it && !names.iter().any(is_of_its_own)).then_some(outer)
        })
    }
}

/// What a SELECT gives, column by column.
fn columns(gives: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    let mut start = 0;
    let commas = tokens(gives).filter(move |token| {
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && token.text == ","
    });
    let ends = commas.map(|comma| comma.at(gives));
    ends.chain([gives.len()]).map(move |end| {
        let column = &gives[start..end];
        start = end + 1;
        column
    })
}

/// The words of a column that may be names of others. None if one is named with its table,
/// which is meant, or a SELECT is in it, which is looked at by itself.
fn names(column: &str) -> Option<Vec<Token<'_>>> {
    let mut found = Vec::new();
    let mut all = tokens(column).peekable();
    let mut is_type_or_alias = false;
    while let Some(token) = all.next() {
        let is_all = token.text == "(" && all.peek().is_some_and(|next| next.text == "*");
        // What counts rows is of its own tables.
        if token.text == "." || token.is_word("select") || is_all {
            return None;
        }
        let is_name = match token.kind {
            Kind::Word => !token.text.starts_with(|first: char| first.is_ascii_digit()),
            Kind::Name | Kind::Double => true,
            Kind::String | Kind::Sign => false,
        };
        let is_called = all.peek().is_some_and(|next| next.text == "(");
        if is_name && !is_called && !is_type_or_alias {
            found.push(token);
        }
        is_type_or_alias = token.is_word("as");
    }
    Some(found)
}

/// Whether a word is the name of a column, if it is known where it stands: NULL and the
/// like are none, and CASE and the like nothing by themselves.
fn is_column(connection: &Connection, word: &str) -> bool {
    missing_column(connection, &format!("SELECT {word}")).is_some()
}

/// The column that SQLite does not find in a SELECT by itself: what it gives is looked up
/// first.
fn missing_column(connection: &Connection, select: &str) -> Option<String> {
    let error = connection.prepare(select).err()?;
    let message = sqlite_message(&error);
    let missing = message.strip_prefix("no such column: ")?;
    // "x" - should this be a string literal in single-quotes?
    let missing = missing.split(" - should").next().unwrap_or(missing);
    Some(missing.trim_matches('"').to_owned())
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
            (
                "DELETE FROM a WHERE lower(x) IN (SELECT lower(x) FROM b)",
                true,
            ),
            ("DELETE FROM a WHERE (id, x) IN (SELECT id, x FROM b)", true),
            (
                "DELETE FROM a WHERE id IN (SELECT id FROM b UNION ALL SELECT y FROM b)",
                true,
            ),
            (
                "UPDATE a SET y = (SELECT max(CAST(x AS TEXT)) FROM b WHERE b.id = a.id)",
                true,
            ),
            ("UPDATE a SET y = (SELECT x || z FROM b)", false),
            (
                "UPDATE a SET y = (SELECT CASE WHEN z THEN x END FROM b)",
                false,
            ),
            ("UPDATE a SET y = (SELECT a.x || 1 FROM b)", false),
            (
                "UPDATE a SET y = (SELECT max(1) m FROM b WHERE b.id = a.id)",
                false,
            ),
            (
                "UPDATE a SET y = (SELECT CAST('1' AS TEXT) FROM b WHERE b.id = a.id)",
                false,
            ),
            (
                "UPDATE a SET y = (SELECT (SELECT max(z) FROM b) FROM b WHERE b.id = x)",
                false,
            ),
            (
                "UPDATE a SET y = (SELECT json_group_array(value) FROM json_each(x))",
                false,
            ),
            (
                "UPDATE a SET y = (SELECT count(*) FROM b WHERE b.id = x)",
                false,
            ),
            (
                "DELETE FROM a WHERE id IN (SELECT id FROM b UNION SELECT NULL FROM b)",
                false,
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
