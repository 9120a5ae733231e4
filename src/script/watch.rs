//! What a script that drops or renames has done to what it did not name.
//!
//! Owns what is noticed about a rebuild: indexes and triggers that did not come back, and
//! an AUTOINCREMENT that forgets. Remembers of each table that is dropped or renamed what
//! belongs to it; costs nothing in a script that drops and renames nothing. Only looks.

use super::search::Search;
use crate::diagnostics::position::Position;
use crate::schema::references::{quoted, written};
use crate::schema::sql::one_line;
use crate::schema::tokens::tokens;
use rusqlite::{Connection, OptionalExtension};
use std::collections::{BTreeMap, BTreeSet};

/// What was there before the statements that drop and rename.
#[derive(Debug, Default, Clone)]
pub(crate) struct Before {
    /// By name in lower case.
    tables: BTreeMap<String, Table>,
    parts: Vec<Part>,
    /// The rows of tables that were made by CREATE TABLE … AS.
    copies: BTreeSet<i64>,
    /// The search indexes that there were.
    searches: Option<Vec<Search>>,
    /// Indexes and triggers that the script itself has dropped, in lower case.
    dropped: BTreeSet<String>,
}

/// A table or a view that is dropped or altered.
#[derive(Debug, Clone)]
struct Table {
    name: String,
    /// Its row in the schema, which is another after a rebuild.
    row: i64,
    sql: String,
    /// The highest rowid that was ever given, where it is kept.
    sequence: Option<i64>,
    /// Where the last statement that drops or alters it begins.
    position: Position,
    was_dropped: bool,
}

/// An index or a trigger.
#[derive(Debug, Clone)]
struct Part {
    kind: String,
    name: String,
    table: String,
    sql: String,
    /// Of an index: but for expressions.
    columns: Vec<String>,
}

/// Something that a rebuild has lost: a kind of warning, and a sentence.
pub(crate) struct Lost {
    pub kind: &'static str,
    pub table: String,
    pub message: String,
}

impl Before {
    /// An object is about to be dropped, or a table altered.
    pub(crate) fn note_table(
        &mut self,
        connection: &Connection,
        name: &str,
        position: &Position,
        is_dropped: bool,
    ) -> rusqlite::Result<()> {
        let lower = name.to_ascii_lowercase();
        if let Some(known) = self.tables.get_mut(&lower) {
            known.position = position.clone();
            known.was_dropped |= is_dropped;
            return Ok(());
        }
        let (row, parts) = parts(connection, name)?;
        let Some((row, sql)) = row else {
            return Ok(());
        };
        self.parts.extend(parts);
        if self.searches.is_none() {
            self.searches = Some(Search::all(connection)?);
        }
        for search in self.searches.iter_mut().flatten() {
            search.note(connection, &lower)?;
        }
        let table = Table {
            name: name.to_owned(),
            row,
            sql,
            sequence: sequence(connection, name)?,
            position: position.clone(),
            was_dropped: is_dropped,
        };
        self.tables.insert(lower, table);
        Ok(())
    }

    /// The script itself drops an index, a trigger or a view.
    pub(crate) fn note_dropped(&mut self, names: &[String]) {
        self.dropped
            .extend(names.iter().map(|name| name.to_ascii_lowercase()));
    }

    /// Where the last statement that dropped or altered a table begins.
    pub(crate) fn place_of(&self, table: &str) -> Option<&Position> {
        let table = self.tables.get(&table.to_ascii_lowercase())?;
        Some(&table.position)
    }

    /// What is not there any more and should be.
    pub(crate) fn lost(&self, connection: &Connection) -> rusqlite::Result<Vec<Lost>> {
        let mut lost = Vec::new();
        let now = self.tables_now(connection)?;
        for (lower, table) in &self.tables {
            let Some((name, row)) = now.get(lower) else {
                continue;
            };
            if table.was_dropped || table.row != *row {
                if let Some(message) = self.lost_definition(connection, table, *row)? {
                    lost.push(Lost {
                        kind: "lost-by-rebuild",
                        table: name.clone(),
                        message,
                    });
                }
                self.lost_parts(connection, name, &mut lost)?;
                forgotten(connection, table, &mut lost)?;
            }
        }
        for search in self.searches.iter().flatten() {
            lost.extend(search.lost(connection)?);
        }
        Ok(lost)
    }

    /// The tables that there are of those that were dropped or altered, by name in lower
    /// case, each with its name and its row.
    fn tables_now(
        &self,
        connection: &Connection,
    ) -> rusqlite::Result<BTreeMap<String, (String, i64)>> {
        // One way or the other the schema is read no more than a few times.
        let few = self.tables.len() < 8;
        let query = match few {
            true => {
                "SELECT name, rowid FROM main.sqlite_schema WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')"
            }
            false => {
                "SELECT name, rowid FROM main.sqlite_schema WHERE type IN ('table', 'view') AND ?1 IS NOT NULL"
            }
        };
        let mut statement = connection.prepare(query)?;
        let mut found = BTreeMap::new();
        for name in self.tables.keys().take(if few { 8 } else { 1 }) {
            let rows = statement.query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?;
            for row in rows {
                let (name, row): (String, i64) = row?;
                found.insert(name.to_ascii_lowercase(), (name, row));
            }
        }
        Ok(found)
    }

    /// What the definition of a table had that was made again by CREATE TABLE … AS, which
    /// takes over the columns and nothing else.
    fn lost_definition(
        &self,
        connection: &Connection,
        table: &Table,
        row: i64,
    ) -> rusqlite::Result<Option<String>> {
        let query = "SELECT sql FROM main.sqlite_schema WHERE rowid = ?1 AND type = 'table'";
        let sql: Option<String> = connection
            .query_row(query, [row], |row| row.get(0))
            .optional()?
            .flatten();
        let Some(sql) = sql.filter(|_| self.copies.contains(&row)) else {
            return Ok(None);
        };
        let has = |sql: &str, word: &str| tokens(sql).any(|token| token.is_word(word));
        let words = [
            ("primary", "PRIMARY KEY"),
            ("unique", "UNIQUE"),
            ("not", "NOT NULL"),
            ("references", "FOREIGN KEY"),
            ("check", "CHECK"),
            ("default", "DEFAULT"),
            ("collate", "COLLATE"),
            ("generated", "GENERATED"),
        ];
        let gone: Vec<&str> = words
            .iter()
            .filter(|(word, _)| has(&table.sql, word) && !has(&sql, word))
            .map(|(_, name)| *name)
            .collect();
        Ok((!gone.is_empty()).then(|| {
            format!(
                "{} was made again by CREATE TABLE … AS SELECT, without its {}: write its definition, and copy the rows with INSERT",
                table.name,
                gone.join(", ")
            )
        }))
    }

    /// A table was made by CREATE TABLE … AS.
    pub(crate) fn note_copy(
        &mut self,
        connection: &Connection,
        table: &str,
    ) -> rusqlite::Result<()> {
        let query = "SELECT rowid FROM main.sqlite_schema WHERE name = ?1";
        let row: Option<i64> = connection
            .query_row(query, [table], |row| row.get(0))
            .optional()?;
        self.copies.extend(row);
        Ok(())
    }

    /// The indexes and triggers of a table that was made again.
    fn lost_parts(
        &self,
        connection: &Connection,
        table: &str,
        lost: &mut Vec<Lost>,
    ) -> rusqlite::Result<()> {
        let (_, now) = parts(connection, table)?;
        // A view that is broken itself has none, and is told of elsewhere.
        let columns = columns(connection, table).unwrap_or_default();
        for part in &self.parts {
            let is_of_it = part.table.eq_ignore_ascii_case(table);
            if !is_of_it || self.dropped.contains(&part.name.to_ascii_lowercase()) {
                continue;
            }
            if now.iter().any(|other| part.is_same(other)) || part.is_in_table(connection)? {
                continue;
            }
            let how = match now.iter().find(|other| part.has_name_of(other)) {
                Some(other) if part.is_unique() && !other.is_unique() => {
                    let sql = one_line(&part.sql);
                    format!(
                        "and its index {} is no longer UNIQUE, as it was: {sql};",
                        part.name
                    )
                }
                Some(_) => continue,
                None => match part.why_not_again(connection, &columns)? {
                    NotAgain::Possible => format!(
                        "without its {} {}: make it again after the rebuild: {};",
                        part.kind,
                        part.name,
                        one_line(&part.sql)
                    ),
                    NotAgain::IsElsewhere(other) => format!(
                        "without its {0} {1}, which is on {other}: drop that, and make it again: {2};",
                        part.kind,
                        part.name,
                        one_line(&part.sql)
                    ),
                    NotAgain::Impossible => continue,
                },
            };
            lost.push(Lost {
                kind: "lost-by-rebuild",
                table: part.table.clone(),
                message: format!("{} was made again {how}", part.table),
            });
        }
        Ok(())
    }
}

/// A table that gives numbers again that it has given before.
fn forgotten(connection: &Connection, table: &Table, lost: &mut Vec<Lost>) -> rusqlite::Result<()> {
    let Some(before) = table.sequence else {
        return Ok(());
    };
    let name = &table.name;
    // With a key of another kind there are no numbers to be given again.
    let query = "SELECT 1 FROM pragma_table_xinfo(?1, 'main') WHERE pk = 1 AND upper(type) = 'INTEGER' AND 1 = (SELECT count(*) FROM pragma_table_xinfo(?1, 'main') WHERE pk > 0)";
    if !connection.prepare(query)?.exists([name])? {
        return Ok(());
    }
    let kept = match sequence(connection, name)? {
        Some(number) => number,
        // Without AUTOINCREMENT, or without a row, the highest one there is counts.
        None => {
            let query = format!("SELECT max(rowid) FROM main.{}", quoted(name));
            let found: rusqlite::Result<Option<i64>> =
                connection.query_row(&query, [], |row| row.get(0));
            found.ok().flatten().unwrap_or(0)
        }
    };
    if kept < before {
        let literal = name.replace('\'', "''");
        let mend = format!("UPDATE sqlite_sequence SET seq = {before} WHERE name = '{literal}'");
        lost.push(Lost {
            kind: "lost-by-rebuild",
            table: name.clone(),
            message: format!(
                "{name} was made again and has forgotten its AUTOINCREMENT high-water mark, {before}: it is {kept} now, so numbers of deleted rows will be given again: keep AUTOINCREMENT and a row, then {mend} (INSERT it where there is none)"
            ),
        });
    }
    Ok(())
}

/// Whether an index or a trigger could be made again as it was.
enum NotAgain {
    Possible,
    /// Its name is taken: it is on the table that was renamed.
    IsElsewhere(String),
    /// What it is about is gone, so it was meant.
    Impossible,
}

impl Part {
    fn has_name_of(&self, other: &Self) -> bool {
        self.kind == other.kind && self.name.eq_ignore_ascii_case(&other.name)
    }

    /// Whether another does the same, maybe under another name.
    fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind && self.definition() == other.definition()
    }

    fn is_unique(&self) -> bool {
        tokens(&self.sql)
            .nth(1)
            .is_some_and(|token| token.is_word("unique"))
    }

    /// The text without the name: `create unique index on t ( a , b )`. The order of an
    /// index's columns is ascending, whether it is said or not.
    fn definition(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        let mut tokens = tokens(&self.sql).peekable();
        while let Some(token) = tokens.next() {
            let word = token.content().to_ascii_lowercase();
            if words.iter().any(|word| word == "on") {
                if word != "asc" || self.kind != "index" {
                    words.push(word);
                }
                continue;
            }
            let is_kind = token.is_word(&self.kind);
            words.push(word);
            if is_kind {
                for condition in ["if", "not", "exists"] {
                    tokens.next_if(|token| token.is_word(condition));
                }
                tokens.next();
                if tokens.next_if(|token| token.text == ".").is_some() {
                    tokens.next();
                }
            }
        }
        words.join(" ")
    }

    /// The columns of its table that it cannot do without.
    fn needed(&self) -> Vec<String> {
        if self.kind == "index" {
            return self.columns.clone();
        }
        let all: Vec<_> = tokens(&self.sql).collect();
        let mut needed = Vec::new();
        for (at, token) in all.iter().enumerate() {
            let is_row = token.is_word("new") || token.is_word("old");
            if is_row && all.get(at + 1).is_some_and(|dot| dot.text == ".") {
                needed.extend(all.get(at + 2).map(|name| name.content().into_owned()));
            }
            // UPDATE OF a, b ON t
            if token.is_word("of") && at > 0 && all[at - 1].is_word("update") {
                let list = all[at + 1..]
                    .iter()
                    .take_while(|token| !token.is_word("on"));
                let names = list.filter(|token| token.text != ",");
                needed.extend(names.map(|name| name.content().into_owned()));
            }
        }
        needed
    }

    /// Whether the table itself does what the index did: by a constraint, or because the
    /// column is its rowid now.
    fn is_in_table(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let words = self.definition();
        let list = words
            .split_once('(')
            .and_then(|(_, rest)| rest.strip_suffix(')'));
        let (Some(list), "index") = (list, self.kind.as_str()) else {
            return Ok(false);
        };
        let query = "SELECT 1 FROM pragma_index_list(?1, 'main') AS l WHERE l.origin != 'c' AND (SELECT lower(group_concat(name, ' , ')) FROM pragma_index_info(l.name, 'main')) = ?2 UNION ALL SELECT 1 FROM pragma_table_xinfo(?1, 'main') WHERE pk = 1 AND upper(type) = 'INTEGER' AND lower(name) = ?2 AND 1 = (SELECT count(*) FROM pragma_table_xinfo(?1, 'main') WHERE pk > 0)";
        connection
            .prepare(query)?
            .exists([self.table.as_str(), list.trim()])
    }

    fn why_not_again(
        &self,
        connection: &Connection,
        columns: &[String],
    ) -> rusqlite::Result<NotAgain> {
        let query = "SELECT tbl_name FROM main.sqlite_schema WHERE name = ?1 COLLATE NOCASE";
        let elsewhere: Option<String> = connection
            .query_row(query, [&self.name], |row| row.get(0))
            .optional()?;
        if let Some(other) = elsewhere {
            return Ok(NotAgain::IsElsewhere(written(&other)));
        }
        let is_there = |name: &String| {
            let is_rowid = ["rowid", "oid", "_rowid_"].iter();
            let mut known = columns.iter().map(String::as_str).chain(is_rowid.copied());
            known.any(|column| column.eq_ignore_ascii_case(name))
        };
        Ok(
            match columns.is_empty() || self.needed().iter().all(is_there) {
                true => NotAgain::Possible,
                false => NotAgain::Impossible,
            },
        )
    }
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let query = "SELECT name FROM pragma_table_xinfo(?1, 'main')";
    let mut statement = connection.prepare(query)?;
    let names = statement.query_map([table], |row| row.get(0))?;
    names.collect()
}

/// A row of the schema, and the definition that it holds.
type Defined = (i64, String);

/// The row of a table or view in the schema, and its indexes and triggers that were made
/// by a statement.
fn parts(connection: &Connection, table: &str) -> rusqlite::Result<(Option<Defined>, Vec<Part>)> {
    let query = "SELECT type, name, tbl_name, sql, rowid FROM main.sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE AND sql IS NOT NULL";
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query([table])?;
    let (mut its_row, mut parts) = (None, Vec::new());
    while let Some(row) = rows.next()? {
        let mut part = Part {
            kind: row.get(0)?,
            name: row.get(1)?,
            table: row.get(2)?,
            sql: row.get(3)?,
            columns: Vec::new(),
        };
        match part.kind.as_str() {
            "table" | "view" => its_row = Some((row.get(4)?, part.sql)),
            "index" => {
                let query = "SELECT name FROM pragma_index_info(?1, 'main') WHERE name IS NOT NULL";
                let mut statement = connection.prepare(query)?;
                let names = statement.query_map([&part.name], |row| row.get(0))?;
                part.columns = names.collect::<rusqlite::Result<_>>()?;
                parts.push(part);
            }
            _ => parts.push(part),
        }
    }
    Ok((its_row, parts))
}

/// The highest rowid that a table with AUTOINCREMENT has ever given.
fn sequence(connection: &Connection, table: &str) -> rusqlite::Result<Option<i64>> {
    let query = "SELECT seq FROM main.sqlite_sequence WHERE name = ?1 COLLATE NOCASE AND typeof(seq) = 'integer'";
    // There is no such table before the first AUTOINCREMENT.
    let Ok(mut statement) = connection.prepare(query) else {
        return Ok(None);
    };
    statement.query_row([table], |row| row.get(0)).optional()
}

/// How many rows a table has; `None` if there is no such table that can be counted.
pub(crate) fn rows_of(connection: &Connection, table: &str) -> rusqlite::Result<Option<u64>> {
    let query = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE AND sql NOT LIKE 'CREATE VIRTUAL%'";
    let name: Option<String> = connection
        .query_row(query, [table], |row| row.get(0))
        .optional()?;
    let Some(name) = name else { return Ok(None) };
    let query = format!("SELECT count(*) FROM main.{}", quoted(&name));
    let count: i64 = connection.query_row(&query, [], |row| row.get(0))?;
    Ok(u64::try_from(count).ok())
}
