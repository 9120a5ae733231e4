//! What a script that drops or renames has done to what it did not name.
//!
//! Owns what is noticed about a rebuild: indexes and triggers that did not come back,
//! an AUTOINCREMENT that forgets, columns that cross in a copy by position, an FTS index
//! that no longer agrees with its table. Costs nothing in a script that drops and
//! renames nothing. Only looks.

use super::notes::Notes;
use crate::schema::references::quoted;
use crate::schema::sql::one_line;
use crate::schema::tokens::{Token, tokens};
use rusqlite::{Connection, OptionalExtension};
use std::collections::{BTreeMap, BTreeSet};

/// The schema before the first statement that drops or renames.
pub(crate) struct Before {
    parts: Vec<Part>,
    tables: BTreeMap<String, i64>,
    /// The highest rowid that was ever given, by table, where it is kept.
    sequences: Vec<(String, i64)>,
    /// Indexes and triggers that the script itself has dropped, in lower case.
    dropped: BTreeSet<String>,
}

/// An index or a trigger.
struct Part {
    kind: String,
    name: String,
    table: String,
    sql: String,
}

/// Something that a rebuild has lost: a kind of warning, the table, and a sentence.
pub(crate) struct Lost {
    pub kind: &'static str,
    pub table: String,
    pub message: String,
}

impl Before {
    pub(crate) fn look(connection: &Connection) -> rusqlite::Result<Self> {
        let query = "SELECT type, name, tbl_name, sql FROM main.sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL";
        let mut statement = connection.prepare(query)?;
        let parts = statement.query_map([], |row| {
            Ok(Part {
                kind: row.get(0)?,
                name: row.get(1)?,
                table: row.get(2)?,
                sql: row.get(3)?,
            })
        })?;
        Ok(Self {
            parts: parts.collect::<rusqlite::Result<_>>()?,
            tables: tables(connection)?,
            sequences: sequences(connection)?,
            dropped: BTreeSet::new(),
        })
    }

    /// The script itself drops an index, a trigger or a view.
    pub(crate) fn note_dropped(&mut self, names: &[String]) {
        self.dropped
            .extend(names.iter().map(|name| name.to_ascii_lowercase()));
    }

    /// What is not there any more and should be.
    pub(crate) fn lost(&self, connection: &Connection) -> rusqlite::Result<Vec<Lost>> {
        let now = Self::look(connection)?;
        let kept: BTreeSet<(&str, String, String)> = now.parts.iter().map(Part::key).collect();
        let mut lost = Vec::new();
        for part in &self.parts {
            let is_there = now.tables.contains_key(&part.table.to_ascii_lowercase());
            let is_dropped = self.dropped.contains(&part.name.to_ascii_lowercase());
            if !is_there || is_dropped || kept.contains(&part.key()) {
                continue;
            }
            if now.parts.iter().any(|other| part.is_same(other)) || part.is_in_table(connection)? {
                continue;
            }
            lost.push(Lost {
                kind: "lost-by-rebuild",
                table: part.table.clone(),
                message: format!(
                    "{} was made again without its {} {}: make it again after the rebuild: {};",
                    part.table,
                    part.kind,
                    part.name,
                    one_line(&part.sql)
                ),
            });
        }
        let rebuilt: Vec<&str> = now
            .tables
            .iter()
            .filter(|(name, row)| self.tables.get(*name).is_some_and(|before| before != *row))
            .map(|(name, _)| name.as_str())
            .collect();
        self.forgotten(connection, &now, &rebuilt, &mut lost)?;
        if !rebuilt.is_empty() {
            stale_search(connection, &rebuilt, &mut lost)?;
        }
        Ok(lost)
    }

    /// Tables that give numbers again that they have given before.
    fn forgotten(
        &self,
        connection: &Connection,
        now: &Self,
        rebuilt: &[&str],
        lost: &mut Vec<Lost>,
    ) -> rusqlite::Result<()> {
        for (table, before) in &self.sequences {
            let lower = table.to_ascii_lowercase();
            if !rebuilt.contains(&lower.as_str()) {
                continue;
            }
            let is_it = |(name, _): &&(String, i64)| name.eq_ignore_ascii_case(table);
            let kept = match now.sequences.iter().find(is_it) {
                Some((_, number)) => *number,
                // Without AUTOINCREMENT, or without a row, the highest one there is counts.
                None => {
                    let query = format!("SELECT max(rowid) FROM main.{}", quoted(table));
                    let found: rusqlite::Result<Option<i64>> =
                        connection.query_row(&query, [], |row| row.get(0));
                    found.ok().flatten().unwrap_or(0)
                }
            };
            if kept < *before {
                let mend =
                    format!("UPDATE sqlite_sequence SET seq = {before} WHERE name = '{table}'");
                lost.push(Lost {
                    kind: "lost-by-rebuild",
                    table: table.clone(),
                    message: format!(
                        "{table} was made again and has forgotten its AUTOINCREMENT high-water mark, {before}: it is {kept} now, so numbers of deleted rows will be given again: keep AUTOINCREMENT and a row, then {mend} (INSERT it where there is none)"
                    ),
                });
            }
        }
        Ok(())
    }
}

impl Part {
    fn key(&self) -> (&str, String, String) {
        (
            &self.kind,
            self.name.to_ascii_lowercase(),
            self.table.to_ascii_lowercase(),
        )
    }

    /// Whether another does the same under another name.
    fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.table.eq_ignore_ascii_case(&other.table)
            && self.definition() == other.definition()
    }

    /// The text without the name: `CREATE UNIQUE INDEX … (a, b)`.
    fn definition(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        for token in tokens(&self.sql) {
            let word = token.content().to_ascii_lowercase();
            let is_name = word == self.name.to_ascii_lowercase() || word == "main" || word == ".";
            let is_condition = ["if", "not", "exists"].contains(&word.as_str()) && words.len() < 6;
            if !is_name && (!is_condition || words.iter().any(|word| word == "on")) {
                words.push(word);
            }
        }
        words.join(" ")
    }

    /// Whether a constraint of the table does what the index did.
    fn is_in_table(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let words = self.definition();
        let list = words
            .split_once('(')
            .and_then(|(_, rest)| rest.strip_suffix(')'));
        let (Some(list), "index") = (list, self.kind.as_str()) else {
            return Ok(false);
        };
        let query = "SELECT 1 FROM pragma_index_list(?1, 'main') AS l WHERE l.origin != 'c' AND (SELECT lower(group_concat(name, ' , ')) FROM pragma_index_info(l.name, 'main')) = ?2";
        connection
            .prepare(query)?
            .exists([self.table.as_str(), list.trim()])
    }
}

/// The tables and views by name in lower case, each with its row in the schema, which
/// is another after a rebuild.
fn tables(connection: &Connection) -> rusqlite::Result<BTreeMap<String, i64>> {
    let query = "SELECT lower(name), rowid FROM main.sqlite_schema WHERE type IN ('table', 'view')";
    let mut statement = connection.prepare(query)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn sequences(connection: &Connection) -> rusqlite::Result<Vec<(String, i64)>> {
    let query = "SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_sequence'";
    if !connection.prepare(query)?.exists([])? {
        return Ok(Vec::new());
    }
    let query = "SELECT name, seq FROM main.sqlite_sequence WHERE typeof(name) = 'text' AND typeof(seq) = 'integer'";
    let mut statement = connection.prepare(query)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// FTS indexes over tables that were made again: asks their own check.
fn stale_search(
    connection: &Connection,
    rebuilt: &[&str],
    lost: &mut Vec<Lost>,
) -> rusqlite::Result<()> {
    let query = "SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%USING%fts%content%'";
    let mut statement = connection.prepare(query)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let indexes: Vec<(String, String)> = rows.collect::<rusqlite::Result<_>>()?;
    for (name, sql) in indexes {
        let Some(content) = content_of(&sql) else {
            continue;
        };
        let views = "SELECT 1 FROM main.sqlite_schema WHERE type = 'view' AND lower(name) = ?1";
        let is_view = connection.prepare(views)?.exists([&content])?;
        if !is_view && !rebuilt.contains(&content.as_str()) {
            continue;
        }
        let name_quoted = quoted(&name);
        let is_fts5 = tokens(&sql).any(|token| token.text.eq_ignore_ascii_case("fts5"));
        let check = match is_fts5 {
            true => format!(
                "INSERT INTO main.{name_quoted} ({name_quoted}, rank) VALUES ('integrity-check', 1)"
            ),
            false => {
                format!("INSERT INTO main.{name_quoted} ({name_quoted}) VALUES ('integrity-check')")
            }
        };
        let outcome = connection.prepare(&check).and_then(|mut s| s.raw_execute());
        let Err(error) = outcome else { continue };
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt) {
            lost.push(Lost {
                kind: "stale-search",
                table: content.clone(),
                message: format!(
                    "{content} was made again, and the search index {name} no longer agrees with it: mend it with INSERT INTO {name} ({name}) VALUES ('rebuild');"
                ),
            });
        }
    }
    Ok(())
}

/// The external content of an FTS table, in lower case: `content = 'docs'`.
fn content_of(sql: &str) -> Option<String> {
    let tokens: Vec<Token<'_>> = tokens(sql).collect();
    let at = tokens
        .windows(2)
        .position(|pair| pair[0].text.eq_ignore_ascii_case("content") && pair[1].text == "=")?;
    let value = tokens.get(at + 2)?.content().to_ascii_lowercase();
    let value = value.trim_matches('\'').to_owned();
    (!value.is_empty() && value != "," && value != ")").then_some(value)
}

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
