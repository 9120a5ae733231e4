//! Rows that refer to nothing, as a message lists them.
//!
//! Owns how many are named.

use super::{digest, query_of};
use crate::schema::references::Reference;
use rusqlite::Connection;

/// The most rows that a message lists.
const LISTED: usize = 10;

/// Rows that refer to nothing, as a message lists them.
#[derive(Default)]
pub(super) struct Listed {
    phrases: Vec<String>,
    count: usize,
}

impl Listed {
    /// Adds those with these digests, which are sorted.
    pub(super) fn add(
        &mut self,
        connection: &Connection,
        schema: &str,
        reference: &Reference,
        digests: &[u64],
    ) -> rusqlite::Result<()> {
        self.count += digests.len();
        if digests.is_empty() || self.phrases.len() >= LISTED {
            return Ok(());
        }
        let parent = &reference.parent;
        let child = match schema {
            "main" => reference.child.clone(),
            other => format!("{other}.{}", reference.child),
        };
        // Not every table has a rowid.
        let by_rowid = match query_of(connection, schema, reference, "c.rowid")? {
            Some(query) => connection.prepare(&query).ok(),
            None => {
                let phrase = format!("{child} -> {parent} (foreign key mismatch)");
                self.phrases.push(phrase);
                return Ok(());
            }
        };
        let Some(mut statement) = by_rowid else {
            self.phrases.push(format!("{child} -> {parent}"));
            return Ok(());
        };
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            let digest = digest(row, reference.from.len())?;
            if digests.binary_search(&digest).is_ok() {
                let rowid: i64 = row.get(0)?;
                self.phrases
                    .push(format!("{child} row {rowid} -> {parent}"));
                if self.phrases.len() == LISTED {
                    break;
                }
            }
        }
        Ok(())
    }

    pub(super) fn phrase(self) -> Option<String> {
        let more = match self.count.saturating_sub(self.phrases.len()) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        (self.count > 0).then(|| self.phrases.join("; ") + &more)
    }
}
