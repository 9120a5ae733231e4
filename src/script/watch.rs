//! What a script that drops or renames has done to what it did not name.
//!
//! Owns what is noticed about a rebuild: indexes and triggers that did not come back, and
//! an AUTOINCREMENT that forgets. Remembers of each table that is dropped or renamed what
//! belongs to it; costs nothing in a script that drops and renames nothing. Only looks.

use super::parts::{NotAgain, Part, columns, parts, rowid_of};
use super::search::Search;
use crate::diagnostics::position::Position;
use crate::schema::references::quoted;
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
    /// Whether it had rows then.
    had_rows: bool,
    /// Where the last statement that drops or alters it begins.
    position: Position,
    was_dropped: bool,
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
        self.note_searches(connection, &lower)?;
        let sequence = sequence(connection, name)?;
        let query = format!("SELECT 1 FROM main.{}", quoted(name));
        let has_rows = || connection.prepare(&query)?.exists([]);
        let table = Table {
            name: name.to_owned(),
            row,
            sql,
            sequence,
            had_rows: sequence.is_some() && has_rows().unwrap_or_default(),
            position: position.clone(),
            was_dropped: is_dropped,
        };
        self.tables.insert(lower, table);
        Ok(())
    }

    /// The script itself drops an index, a trigger or a view.
    pub(crate) fn note_dropped(
        &mut self,
        connection: &Connection,
        names: &[String],
    ) -> rusqlite::Result<()> {
        // Without its trigger a search index does not hear of what is written.
        let query = "SELECT lower(tbl_name) FROM main.sqlite_schema WHERE type = 'trigger' AND name = ?1 COLLATE NOCASE";
        for name in names {
            let table: Option<String> = connection
                .query_row(query, [name], |row| row.get(0))
                .optional()?;
            if let Some(table) = table {
                self.note_searches(connection, &table)?;
            }
        }
        self.dropped
            .extend(names.iter().map(|name| name.to_ascii_lowercase()));
        Ok(())
    }

    /// What search indexes say of a table, in lower case, before it changes.
    fn note_searches(&mut self, connection: &Connection, table: &str) -> rusqlite::Result<()> {
        if self.searches.is_none() {
            self.searches = Some(Search::all(connection)?);
        }
        for search in self.searches.iter_mut().flatten() {
            search.note(connection, table)?;
        }
        Ok(())
    }

    /// Where the last statement that dropped or altered a table begins.
    pub(crate) fn place_of(&self, table: &str) -> Option<&Position> {
        let table = self.tables.get(&table.to_ascii_lowercase())?;
        Some(&table.position)
    }

    /// What is not there any more and should be.
    /// `renamed` are the names that the script has given to tables, in lower case.
    pub(crate) fn lost(
        &self,
        connection: &Connection,
        renamed: &BTreeSet<String>,
    ) -> rusqlite::Result<Vec<Lost>> {
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
                // Whoever throws rows away throws their numbers away.
                let is_filled = || rows_of(connection, name).map(|rows| rows != Some(0));
                if !table.had_rows || renamed.contains(lower) || is_filled()? {
                    forgotten(connection, table, &mut lost)?;
                }
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
        let query =
            "SELECT 1 FROM main.sqlite_schema WHERE type = 'view' AND name = ?1 COLLATE NOCASE";
        let is_view = connection.prepare(query)?.exists([table])?;
        // A view that is broken itself has none, and is told of elsewhere.
        let columns = columns(connection, table).unwrap_or_default();
        for part in &self.parts {
            let is_of_it = part.table.eq_ignore_ascii_case(table);
            if !is_of_it || self.dropped.contains(&part.name.to_ascii_lowercase()) {
                continue;
            }
            // A view in a table's place can have none of its parts.
            if is_view && !tokens(&part.sql).any(|token| token.is_word("instead")) {
                continue;
            }
            if now.iter().any(|other| other.does_what(part)) || part.is_in_table(connection)? {
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
                        "without its {0} {1}: make it again after the rebuild, or DROP {2} {1} before it if that is meant: {3};",
                        part.kind,
                        part.name,
                        part.kind.to_ascii_uppercase(),
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
    if rowid_of(connection, name)?.is_none() {
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
    let query = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE AND rootpage != 0";
    let name: Option<String> = connection
        .query_row(query, [table], |row| row.get(0))
        .optional()?;
    let Some(name) = name else { return Ok(None) };
    let query = format!("SELECT count(*) FROM main.{}", quoted(&name));
    let count: i64 = connection.query_row(&query, [], |row| row.get(0))?;
    Ok(u64::try_from(count).ok())
}
