//! What a CREATE or an ALTER … ADD says and SQLite does not do, and says nothing of.
//!
//! Owns `IF NOT EXISTS` where there is something else of that name. What columns say is in
//! `columns`.

use super::Stopped;
use super::columns::{added, defined};
use super::parts::Part;
use super::runner::Runner;
use super::seen::saw;
use super::unmeant::Unmeant;
use crate::schema::references::{quoted, written};
use crate::schema::sql::one_line;
use crate::schema::tokens::{Kind, tokens};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a schema holds, by whether it is a trigger, and its name in lower case.
type Objects = BTreeMap<(bool, String), Object>;

/// What the schemas hold that was asked for, for as long as they stand.
#[derive(Default)]
pub(super) struct There {
    by_schema: BTreeMap<String, Objects>,
}

struct Object {
    kind: String,
    table: String,
    sql: String,
}

impl There {
    /// A schema is another now.
    pub(super) fn forget(&mut self) {
        self.by_schema.clear();
    }

    /// Something is made that was not there.
    fn note(&mut self, creation: &Creation<'_>, statement: &str) {
        let kind = match creation.kind {
            "virtual" => "table",
            "table" | "view" => creation.kind,
            // They are on a table.
            _ => return self.forget(),
        };
        let object = Object {
            kind: kind.to_owned(),
            table: creation.name.clone(),
            sql: statement.to_owned(),
        };
        if let Some(objects) = self.by_schema.get_mut(&creation.schema) {
            objects.insert((false, creation.name.to_ascii_lowercase()), object);
        }
    }

    fn find(
        &mut self,
        connection: &Connection,
        schema: &str,
        (is_trigger, name): (bool, &str),
    ) -> rusqlite::Result<Option<&Object>> {
        if !self.by_schema.contains_key(schema) {
            let objects = objects(connection, schema)?;
            self.by_schema.insert(schema.to_owned(), objects);
        }
        let objects = self.by_schema.get(schema);
        Ok(objects.and_then(|all| all.get(&(is_trigger, name.to_ascii_lowercase()))))
    }
}

fn objects(connection: &Connection, schema: &str) -> rusqlite::Result<Objects> {
    let query = format!(
        "SELECT type, name, tbl_name, sql FROM {}.sqlite_schema WHERE sql IS NOT NULL",
        quoted(schema)
    );
    let mut statement = connection.prepare(&query)?;
    let rows = statement.query_map([], |row| {
        let (kind, name): (String, String) = (row.get(0)?, row.get(1)?);
        let object = Object {
            table: row.get(2)?,
            sql: row.get(3)?,
            kind,
        };
        let is_trigger = object.kind == "trigger";
        Ok(((is_trigger, name.to_ascii_lowercase()), object))
    })?;
    rows.collect()
}

/// A statement that makes something.
pub(super) struct Creation<'a> {
    /// `table`, `virtual`, `view`, `index` or `trigger`.
    pub kind: &'static str,
    is_unique: bool,
    schema: String,
    name: String,
    if_not_exists: bool,
    pub after_name: &'a str,
}

impl<'a> Creation<'a> {
    pub(super) fn of(statement: &'a str) -> Option<Self> {
        let mut all = tokens(statement);
        // An empty statement belongs to the one that follows it.
        if !all.find(|token| token.text != ";")?.is_word("create") {
            return None;
        }
        let mut word = all.next()?;
        let is_unique = word.is_word("unique");
        let is_temporary = word.is_word("temp") || word.is_word("temporary");
        if is_unique || is_temporary {
            word = all.next()?;
        }
        let schema = if is_temporary { "temp" } else { "main" };
        let mut schema = schema.to_owned();
        let kinds = ["table", "virtual", "view", "index", "trigger"];
        let kind = kinds.into_iter().find(|kind| word.is_word(kind))?;
        if kind == "virtual" {
            all.next()?;
        }
        let mut name = all.next()?;
        let mut if_not_exists = false;
        // A table may be called `if`, too.
        if name.is_word("if") && tokens(all.rest()).next()?.is_word("not") {
            name = all.nth(2)?;
            if_not_exists = true;
        }
        let mut after_name = all.rest();
        if all.next()?.text == "." {
            schema = name.content().to_ascii_lowercase();
            name = all.next()?;
            after_name = all.rest();
        }
        Some(Self {
            kind,
            is_unique,
            schema,
            name: name.content().trim_matches('\'').to_owned(),
            if_not_exists,
            after_name,
        })
    }
}

impl Creation<'_> {
    /// But for its name.
    fn part(&self, table: &str) -> Part {
        let unique = if self.is_unique { "UNIQUE " } else { "" };
        let end = [';', ' ', '\t', '\n', '\r'];
        let after_name = self.after_name.trim_end_matches(end);
        Part::new(
            self.kind,
            table,
            format!("CREATE {unique}{} x {after_name}", self.kind),
        )
    }

    /// Whether a table or a view of this name is there.
    fn is_there(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let query = "SELECT 1 FROM pragma_table_xinfo(?1, ?2)";
        connection
            .prepare(query)?
            .exists([&self.name, &self.schema])
    }

    /// What is asked for, and what is there has not: columns, and constraints of others.
    fn lacking(&self, connection: &Connection) -> rusqlite::Result<(Vec<String>, Vec<String>)> {
        let query = "SELECT name, \"notnull\" OR pk > 0 FROM pragma_table_xinfo(?1, ?2)";
        let mut statement = connection.prepare(query)?;
        let columns = statement.query_map([&self.name, &self.schema], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        let there: Vec<(String, bool)> = columns.collect::<rusqlite::Result<_>>()?;
        let (mut columns, mut constraints) = (Vec::new(), Vec::new());
        for column in defined(self.after_name) {
            let mut found = there.iter();
            match found.find(|(name, _)| name.eq_ignore_ascii_case(&column.name)) {
                None => columns.push(format!("the column {}", column.name)),
                Some((name, false)) if column.not_null => {
                    constraints.push(format!("NOT NULL of {name}"));
                }
                Some(_) => {}
            }
        }
        Ok((columns, constraints))
    }

    /// In what is there another than what is asked for, with the cure.
    fn otherwise(
        &self,
        connection: &Connection,
        there: &Object,
    ) -> rusqlite::Result<Option<String>> {
        let name = written(&self.name);
        let message = match (self.kind, there.kind.as_str()) {
            ("table" | "virtual", "view") => format!(
                "a view {name} is there already, so IF NOT EXISTS makes no table: give the table another name, or DROP VIEW {name} before it"
            ),
            ("view", "table") => format!(
                "a table {name} is there already, so IF NOT EXISTS makes no view: give the view another name"
            ),
            ("virtual", _) if Creation::of(&there.sql).is_some_and(|it| it.kind == "table") => {
                format!(
                    "a table {name} is there already, so IF NOT EXISTS makes no virtual table: give it another name"
                )
            }
            ("table", _) => {
                if tokens(self.after_name)
                    .next()
                    .is_some_and(|token| token.is_word("as"))
                {
                    return Ok(Some(format!(
                        "{name} is there already, so IF NOT EXISTS copies nothing: give the copy another name"
                    )));
                }
                let (columns, constraints) = self.lacking(connection)?;
                let is_virtual =
                    Creation::of(&there.sql).is_some_and(|other| other.kind == "virtual");
                let cure = match constraints.is_empty() && !is_virtual {
                    true => format!("write ALTER TABLE {name} ADD COLUMN in its place"),
                    false => {
                        "give it another name, or make the table again with its rows".to_owned()
                    }
                };
                let lacking: Vec<String> = columns.into_iter().chain(constraints).collect();
                if lacking.is_empty() {
                    return Ok(None);
                }
                format!(
                    "{name} is there already, so IF NOT EXISTS makes nothing, and it lacks {}: {cure}",
                    lacking.join(", ")
                )
            }
            (kind, _) => {
                let Some(other) = Creation::of(&there.sql) else {
                    return Ok(None);
                };
                let (asked, found) = (self.part(&there.table), other.part(&there.table));
                if found.does_what(&asked) {
                    return Ok(None);
                }
                let what = match kind {
                    "index" => format!("as {}", one_line(&there.sql)),
                    "trigger" => "and does something else".to_owned(),
                    "view" => "and shows something else".to_owned(),
                    _ => "with other arguments".to_owned(),
                };
                // What holds rows, or is another table's, is not to be dropped.
                let is_on = tokens(self.after_name).nth(1);
                let is_its_own = kind != "index"
                    || is_on.is_some_and(|on| on.content().eq_ignore_ascii_case(&there.table));
                let cure = match kind {
                    "virtual" => "give it another name, or make it again with its rows".to_owned(),
                    _ if is_its_own => format!(
                        "DROP {} {name} before this, or give it another name",
                        kind.to_ascii_uppercase()
                    ),
                    _ => "give it another name".to_owned(),
                };
                let kind = if kind == "virtual" { "table" } else { kind };
                format!(
                    "the {kind} {name} is there already, {what}, so IF NOT EXISTS makes nothing: {cure}"
                )
            }
        };
        Ok(Some(message))
    }
}

/// The database that `DROP … IF EXISTS database.name` names, if none is attached under that
/// name.
fn missing_schema(connection: &Connection, statement: &str) -> Option<String> {
    let mut all = tokens(statement).skip_while(|token| token.text == ";");
    all.next().filter(|token| token.is_word("drop"))?;
    all.next()?;
    let words: Vec<_> = all.take(4).collect();
    let [condition, exists, schema, dot] = &words[..] else {
        return None;
    };
    if !condition.is_word("if") || !exists.is_word("exists") || dot.text != "." {
        return None;
    }
    let schema = schema.content().into_owned();
    let query = "SELECT 1 FROM pragma_database_list WHERE name = ?1 COLLATE NOCASE";
    let is_there = connection.query_row(query, [&schema], |_| Ok(())).is_ok();
    let is_temporary = schema.eq_ignore_ascii_case("temp");
    (!is_there && !is_temporary).then_some(schema)
}

/// A column after UPDATE OF that the table of a trigger has not, and that table: SQLite asks
/// for none (sqlite.org/lang_createtrigger.html).
fn unknown_column(
    connection: &Connection,
    creation: &Creation<'_>,
) -> rusqlite::Result<Option<(String, String)>> {
    let mut all = tokens(creation.after_name);
    let mut head = all.by_ref().take(4);
    if !head.any(|token| token.is_word("update")) || !all.next().is_some_and(|of| of.is_word("of"))
    {
        return Ok(None);
    }
    let list = all.by_ref().take_while(|token| !token.is_word("on"));
    let names: Vec<String> = list
        .filter(|token| token.text != ",")
        .map(|token| token.content().into_owned())
        .collect();
    let Some(table) = all.next().map(|table| table.content().into_owned()) else {
        return Ok(None);
    };
    let query = "SELECT name FROM pragma_table_xinfo(?1)";
    let mut columns = connection.prepare(query)?;
    let columns = columns.query_map([&table], |row| row.get(0))?;
    let columns: Vec<String> = columns.collect::<rusqlite::Result<_>>()?;
    let is_there = |name: &String| {
        let mut columns = columns.iter();
        columns.any(|column| column.eq_ignore_ascii_case(name))
    };
    let missing = names.into_iter().find(|name| !is_there(name));
    Ok(missing
        .filter(|_| !columns.is_empty())
        .map(|name| (name, table)))
}

/// What looks like a space, or like nothing, and is a part of a name without quotes: where
/// it stands, and what it is.
fn odd_space(statement: &str) -> Option<(usize, &'static str)> {
    const ODD: [(char, &str); 5] = [
        ('\u{A0}', "a no-break space (U+00A0)"),
        ('\u{AD}', "a soft hyphen (U+00AD)"),
        ('\u{200B}', "a zero width space (U+200B)"),
        ('\u{2060}', "a word joiner (U+2060)"),
        ('\u{3000}', "an ideographic space (U+3000)"),
    ];
    if statement.is_ascii() {
        return None;
    }
    let mut words = tokens(statement).filter(|token| token.kind == Kind::Word);
    words.find_map(|word| {
        word.text.char_indices().find_map(|(at, c)| {
            let (_, name) = ODD.iter().find(|(odd, _)| *odd == c)?;
            Some((word.at(statement) + at, *name))
        })
    })
}

impl Runner<'_> {
    /// Something is made, or a table altered.
    pub(super) fn before_create(
        &mut self,
        connection: &Connection,
        seen: u32,
    ) -> Result<(), Stopped> {
        let shared = Arc::clone(&self.seen);
        let _pause = shared.pause();
        if let Some((at, name)) = odd_space(self.place.text()) {
            let position = self.place.position(self.place.start + at);
            let message = format!(
                "here is {name}, which SQLite takes for a part of a name: write an ordinary space, or take it out"
            );
            self.warn_at("odd-space", position, message)?;
        }
        let text = self.place.text();
        if seen & saw::ALTER != 0 {
            self.there.forget();
            let column = added(text).into_iter();
            let unmeant: Vec<_> = column.flat_map(|column| column.unmeant(true)).collect();
            return self.warn_of_unmeant(unmeant);
        }
        let Some(creation) = Creation::of(text) else {
            if seen != 0 {
                self.there.forget();
            }
            // SQLite has found nothing to ask for.
            return match missing_schema(connection, text).filter(|_| seen == 0) {
                Some(schema) => self.warn(
                    "unknown-schema",
                    format!(
                        "IF EXISTS passes this over, because there is no database {schema}: the tables of this one are called by their names alone"
                    ),
                ),
                None => Ok(()),
            };
        };
        let is_there = creation.if_not_exists
            && match creation.kind {
                // SQLite has not come to ask.
                "index" | "trigger" => seen == 0,
                _ => creation.is_there(connection).unwrap_or_default(),
            };
        if is_there {
            let mut notes = shared.notes();
            (notes.created, notes.created_part) = (None, None);
            drop(notes);
            let key = (creation.kind == "trigger", creation.name.as_str());
            let found = self.there.find(connection, &creation.schema, key);
            let otherwise = found.and_then(|found| {
                let message = found.map(|found| creation.otherwise(connection, found));
                message.transpose().map(Option::flatten)
            });
            return match otherwise.map_err(|error| self.stopped_here(&error))? {
                Some(message) => self.warn("already-there", message),
                None => Ok(()),
            };
        }
        let unknown = match creation.kind {
            "trigger" => unknown_column(connection, &creation),
            _ => Ok(None),
        };
        let unknown = unknown.map_err(|error| self.stopped_here(&error))?;
        let columns = match creation.kind {
            "table" => defined(creation.after_name),
            _ => Vec::new(),
        };
        let unmeant = columns.iter().flat_map(|column| column.unmeant(false));
        let unmeant: Vec<_> = unmeant.collect();
        self.there.note(&creation, text);
        if let Some((name, table)) = unknown {
            let message = format!(
                "{table} has no column {name}, so no UPDATE OF it fires this trigger: name one of its columns"
            );
            self.warn("unknown-column", message)?;
        }
        self.warn_of_unmeant(unmeant)
    }

    fn warn_of_unmeant(&mut self, unmeant: Vec<Unmeant>) -> Result<(), Stopped> {
        for Unmeant { kind, message } in unmeant {
            self.warn(kind, message)?;
        }
        Ok(())
    }
}
