//! Search indexes over tables that were made again.
//!
//! Owns how FTS is asked whether it still agrees with its content. Only looks.

use super::watch::Lost;
use crate::schema::references::{quoted, written};
use crate::schema::tokens::{Token, tokens};
use rusqlite::Connection;
use std::collections::BTreeSet;

/// FTS indexes over tables that were made again: asks their own check.
pub(super) fn stale_search(
    connection: &Connection,
    rebuilt: &BTreeSet<String>,
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
        if !is_view && !rebuilt.contains(&content) {
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
                    "{content} was made again, and the search index {name} no longer agrees with it: mend it with INSERT INTO {0} ({0}) VALUES ('rebuild');",
                    written(&name)
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
