//! Search indexes over tables that are dropped, altered or made again.
//!
//! Owns how FTS is asked whether it still agrees with its content. Only looks.

use super::watch::Lost;
use crate::diagnostics::error::sqlite_message;
use crate::schema::references::{quoted, written};
use crate::schema::sql::in_any_case;
use crate::schema::tokens::{Token, tokens};
use rusqlite::{Connection, ErrorCode};

/// A search index whose content is in another table or view.
#[derive(Debug, Clone)]
pub(super) struct Search {
    name: String,
    /// In lower case.
    content: String,
    is_view: bool,
    is_fts5: bool,
    /// Whether it agreed with its content before, if that was asked.
    was_fine: Option<bool>,
}

/// What FTS says against itself.
enum Complaint {
    Disagrees,
    /// It looks for something that is gone.
    Dead(String),
}

impl Search {
    /// All that there are.
    pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Self>> {
        let query = format!(
            "SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND rootpage = 0 AND sql GLOB {}",
            in_any_case("*using*fts*content*")
        );
        let mut statement = connection.prepare(&query)?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (name, sql): (String, String) = (row.get(0)?, row.get(1)?);
            let Some(content) = content_of(&sql) else {
                continue;
            };
            let views = "SELECT 1 FROM main.sqlite_schema WHERE type = 'view' AND lower(name) = ?1";
            found.push(Self {
                name,
                is_view: connection.prepare(views)?.exists([&content])?,
                content,
                is_fts5: tokens(&sql).any(|token| token.is_word("fts5")),
                was_fine: None,
            });
        }
        Ok(found)
    }

    /// A table or view, in lower case, is about to be dropped or altered.
    pub(super) fn note(&mut self, connection: &Connection, table: &str) -> rusqlite::Result<()> {
        // What a view is made of is not known.
        if self.was_fine.is_none() && (self.is_view || self.content == table) {
            self.was_fine = Some(self.complaint(connection)?.is_none());
        }
        Ok(())
    }

    /// What is lost of one that was fine.
    pub(super) fn lost(&self, connection: &Connection) -> rusqlite::Result<Option<Lost>> {
        let query = "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?1";
        if self.was_fine != Some(true) || !connection.prepare(query)?.exists([&self.name])? {
            return Ok(None);
        }
        let Self { name, content, .. } = self;
        let message = match self.complaint(connection)? {
            None => return Ok(None),
            Some(Complaint::Disagrees) => format!(
                "after what was done to {content} the search index {name} no longer agrees with it: mend it with INSERT INTO {0} ({0}) VALUES ('rebuild');",
                written(name)
            ),
            Some(Complaint::Dead(message)) => format!(
                "the search index {name} no longer finds its content {content} ({message}): drop it, or make it again"
            ),
        };
        Ok(Some(Lost {
            kind: "stale-search",
            table: content.clone(),
            message,
        }))
    }

    /// What is to be said of one that the script has made, over rows that were there.
    pub(super) fn unfilled(&self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        let Self { name, content, .. } = self;
        // It may hold some of the rows on purpose.
        let rows = format!("SELECT 1 FROM main.{}", quoted(&format!("{name}_docsize")));
        let has_rows = connection
            .prepare(&rows)
            .and_then(|mut rows| rows.exists([]));
        if has_rows.unwrap_or_default() {
            return Ok(None);
        }
        Ok(match self.complaint(connection)? {
            Some(Complaint::Disagrees) => Some(format!(
                "the search index {name} does not hold the rows of {content}, which are not found, and whose next UPDATE or DELETE may fail: fill it with INSERT INTO {0} ({0}) VALUES ('rebuild');",
                written(name)
            )),
            // A view that is made later, for example: it is told at the end of the run.
            Some(Complaint::Dead(_)) | None => None,
        })
    }

    pub(super) fn is_one_of(&self, names: &[String]) -> bool {
        names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&self.name))
    }

    /// Asks its own check, and whether its content can be read.
    fn complaint(&self, connection: &Connection) -> rusqlite::Result<Option<Complaint>> {
        let name = quoted(&self.name);
        let is_gone = |message: &str| {
            ["no such table", "no such column"]
                .iter()
                .any(|what| message.contains(what))
        };
        let read = connection
            .prepare(&format!("SELECT * FROM main.{name} LIMIT 1"))
            .and_then(|mut statement| statement.exists([]).map(|_| ()));
        let check = match self.is_fts5 {
            true => format!("INSERT INTO main.{name} ({name}, rank) VALUES ('integrity-check', 1)"),
            false => format!("INSERT INTO main.{name} ({name}) VALUES ('integrity-check')"),
        };
        let checked = || {
            let mut statement = connection.prepare(&check)?;
            statement.raw_execute().map(|_| ())
        };
        let Err(error) = read.and_then(|()| checked()) else {
            return Ok(None);
        };
        let message = sqlite_message(&error);
        Ok(match error.sqlite_error_code() {
            _ if is_gone(&message) => Some(Complaint::Dead(message)),
            Some(ErrorCode::DatabaseCorrupt) => Some(Complaint::Disagrees),
            // This connection lacks its module or tokenizer, or it cannot tell.
            _ => None,
        })
    }
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
