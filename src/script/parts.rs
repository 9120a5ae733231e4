//! Indexes and triggers, and whether they are the same after a rebuild.
//!
//! Owns what counts as the same, and when one could be made again. Only looks.

use crate::diagnostics::sorted::sort;
use crate::schema::references::written;
use crate::schema::tokens::{Kind, tokens};
use rusqlite::{Connection, OptionalExtension};

/// An index or a trigger.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub kind: String,
    pub name: String,
    pub table: String,
    pub sql: String,
    /// Of an index: but for expressions.
    columns: Vec<String>,
}

/// Whether an index or a trigger could be made again as it was.
pub(super) enum NotAgain {
    Possible,
    /// Its name is taken: it is on the table that was renamed.
    IsElsewhere(String),
    /// What it is about is gone, so it was meant.
    Impossible,
}

impl Part {
    /// One that nobody has made yet, or whose columns nobody asks for.
    pub(super) fn new(kind: &str, table: &str, sql: String) -> Self {
        Self {
            kind: kind.to_owned(),
            name: String::new(),
            table: table.to_owned(),
            sql,
            columns: Vec::new(),
        }
    }

    pub(super) fn has_name_of(&self, other: &Self) -> bool {
        self.kind == other.kind && self.name.eq_ignore_ascii_case(&other.name)
    }

    /// Whether it does what another did, maybe under another name: an index on more
    /// columns, or that is UNIQUE besides, does too.
    pub(super) fn does_what(&self, other: &Self) -> bool {
        let (now, before) = (self.definition(), other.definition());
        if self.kind != other.kind || now == before {
            return self.kind == other.kind;
        }
        let now = now.replacen("create unique index", "create index", 1);
        // Of some rows only: which, must be the same, or they are all there.
        let apart = |definition: &str| match definition.split_once(" ) where ") {
            Some((columns, rows)) => (columns.to_owned(), Some(rows.to_owned())),
            None => (definition.trim_end_matches(" )").to_owned(), None),
        };
        let ((now, rows), (before, rows_before)) = (apart(&now), apart(&before));
        let has_rows = rows == rows_before || rows.is_none();
        let more = now.strip_prefix(&before).filter(|_| has_rows);
        self.kind == "index" && more.is_some_and(|more| more.is_empty() || more.starts_with(" ,"))
    }

    pub(super) fn is_unique(&self) -> bool {
        tokens(&self.sql)
            .nth(1)
            .is_some_and(|token| token.is_word("unique"))
    }

    /// The text without the name: `create unique index on t ( a , b )`. The order of an
    /// index's columns is ascending, whether it is said or not.
    fn definition(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        let mut tokens = tokens(&self.sql).peekable();
        let mut is_after_on = false;
        while let Some(token) = tokens.next() {
            let word = match token.kind {
                Kind::String => token.text.to_owned(),
                _ => token.content().to_ascii_lowercase(),
            };
            is_after_on |= words.last().is_some_and(|word| word == "on");
            if is_after_on {
                if !["asc", "desc"].contains(&&*word) || self.kind != "index" {
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
        // The only kind of trigger that there is, whether it is said or not.
        words.join(" ").replace(" for each row ", " ")
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
    pub(super) fn is_in_table(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let words = self.definition();
        let list = words
            .split_once('(')
            .and_then(|(_, rest)| rest.strip_suffix(')'));
        let (Some(list), "index") = (list, self.kind.as_str()) else {
            return Ok(false);
        };
        // As they are, or with the collation that the column has; one that is not UNIQUE may
        // be the beginning of more, and of one that is the order is no matter.
        let sorted = |list: &str| {
            let mut names: Vec<String> = list.split(" , ").map(str::to_owned).collect();
            sort(&mut names, &|a, b| a.cmp(b));
            names
        };
        let wanted = list.trim();
        let lists = "SELECT (SELECT lower(group_concat(name || CASE ?2 WHEN 1 THEN '' ELSE ' collate ' || coll END, ' , ')) FROM pragma_index_xinfo(l.name, 'main') WHERE key) FROM pragma_index_list(?1, 'main') AS l WHERE l.origin != 'c'";
        let mut lists = connection.prepare(lists)?;
        for plain in [true, false] {
            let mut rows = lists.query(rusqlite::params![self.table, plain])?;
            while let Some(row) = rows.next()? {
                let found: String = row.get::<_, Option<String>>(0)?.unwrap_or_default();
                let is_it = match self.is_unique() {
                    true => sorted(&found) == sorted(wanted),
                    false => found == wanted || found.starts_with(&format!("{wanted} , ")),
                };
                if is_it {
                    return Ok(true);
                }
            }
        }
        let rowid = rowid_of(connection, &self.table)?;
        Ok(rowid.is_some_and(|name| name.to_ascii_lowercase() == wanted))
    }

    /// Whether a trigger finds the tables and columns that it writes to, and has something
    /// to stand in for.
    fn finds_its_tables(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let all: Vec<_> = tokens(&self.sql).collect();
        let is = |at: usize, word: &str| all.get(at).is_some_and(|token| token.is_word(word));
        let query = "SELECT type FROM main.sqlite_schema WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')";
        let kind_of = |name: &str| -> rusqlite::Result<Option<String>> {
            connection
                .query_row(query, [name], |row| row.get(0))
                .optional()
        };
        let instead = all.iter().any(|token| token.is_word("instead"));
        if instead && kind_of(&self.table)?.as_deref() == Some("table") {
            return Ok(false);
        }
        let begin = all.iter().position(|token| token.is_word("begin"));
        for at in begin.unwrap_or_default()..all.len() {
            let after = match () {
                () if is(at, "into") || (is(at, "from") && is(at.wrapping_sub(1), "delete")) => {
                    at + 1
                }
                () if is(at, "update") && is(at + 1, "or") => at + 3,
                () if is(at, "update") && !is(at.wrapping_sub(1), "do") => at + 1,
                () => continue,
            };
            let Some(name) = all.get(after).map(|token| token.content().into_owned()) else {
                continue;
            };
            if kind_of(&name)?.is_none() {
                return Ok(false);
            }
            // UPDATE t SET a = …
            if let Some(column) = all.get(after + 2).filter(|_| is(after + 1, "set"))
                && !columns(connection, &name)?
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(&column.content()))
                && column.text != "("
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn why_not_again(
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
        // What it is on, or of, is not all there: SQLite is asked of an index, and of the
        // tables that a trigger writes to.
        let is_refused = match self.kind.as_str() {
            "index" => connection.prepare(&self.sql).is_err(),
            _ => !self.finds_its_tables(connection)?,
        };
        if is_refused {
            return Ok(NotAgain::Impossible);
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

/// The column that is the rowid itself (sqlite.org/lang_createtable.html#rowid).
pub(super) fn rowid_of(connection: &Connection, table: &str) -> rusqlite::Result<Option<String>> {
    let query = "SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE pk = 1 AND upper(type) = 'INTEGER' AND 1 = (SELECT count(*) FROM pragma_table_xinfo(?1, 'main') WHERE pk > 0)";
    connection
        .query_row(query, [table], |row| row.get(0))
        .optional()
}

pub(super) fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let query = "SELECT name FROM pragma_table_xinfo(?1, 'main')";
    let mut statement = connection.prepare(query)?;
    let names = statement.query_map([table], |row| row.get(0))?;
    names.collect()
}

/// A row of the schema, and the definition that it holds.
pub(super) type Defined = (i64, String);

/// The row of a table or view in the schema, and its indexes and triggers that were made
/// by a statement.
pub(super) fn parts(
    connection: &Connection,
    table: &str,
) -> rusqlite::Result<(Option<Defined>, Vec<Part>)> {
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
