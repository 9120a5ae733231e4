//! Names in double quotes that name nothing, which SQLite takes for text
//! (sqlite.org/quirks.html, section 8).
//!
//! Owns which of them were meant as names: where others in the same statement are names,
//! and no value is asked for. SQLite itself is asked, by preparing the statement without
//! that quirk. Runs nothing.

use super::Stopped;
use super::creation::Creation;
use super::mistaken::Mistake;
use super::runner::Runner;
use crate::schema::references::written;
use crate::schema::tokens::{Kind, Token, tokens};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// As many as are told of one statement, and as many as are looked for.
const MOST: usize = 5;
const ENOUGH: usize = 20;

/// A word of a statement: where it stands, and what it says.
struct Word {
    at: usize,
    content: String,
    role: Role,
}

/// What a word can be where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Text makes no sense: it is what an index is on, the name of something that stands in
    /// the statement without quotes, too, or is compared with a value.
    Name,
    Either,
    /// A pattern, a part of a text, or what no name looks like.
    Text,
}

impl Runner<'_> {
    pub(super) fn judge_quoted(
        &mut self,
        connection: &Connection,
        asked: &Asked,
    ) -> Result<(), Stopped> {
        if let Some((at, text)) = &asked.compared {
            let position = self.place.position(self.place.start + at);
            self.mistake(Mistake {
                kind: "text-for-column",
                position,
                message: format!(
                    "'{text}' is text, and is compared with a value: that is so for every row, or for none"
                ),
                remedy: "name a column, without quotes or in double quotes".to_owned(),
                takes_more: true,
            })?;
        }
        let Asked { words, values, .. } = asked;
        if words.is_empty() {
            return Ok(());
        }
        let shared = Arc::clone(&self.seen);
        let _pause = shared.pause();
        let found = with_names_only(connection, |connection| {
            named_nothing(connection, self.place.text(), values)
        });
        let found = found.map_err(|error| self.stopped_here(&error))?;
        // Whoever puts names in double quotes puts no text in them.
        // Of so many that are text nothing is known, and a name that needs its quotes proves
        // nothing of the others.
        let is_name = |word: &Word| !found.contains(&word.at) && is_plain(&word.content);
        let has_names = found.len() < ENOUGH && words.iter().any(is_name);
        let is_suspect = |word: &Word| match word.role {
            Role::Name => true,
            Role::Either => has_names,
            Role::Text => false,
        };
        let is_text = |word: &&Word| found.contains(&word.at) && is_suspect(word);
        let texts: Vec<&Word> = words.iter().filter(is_text).collect();
        let mut told: BTreeSet<&str> = BTreeSet::new();
        for word in texts {
            if !told.insert(&word.content) || told.len() > MOST {
                continue;
            }
            let position = self.place.position(self.place.start + word.at);
            let message = format!(
                "\"{0}\" names no column here, so SQLite takes it for the text '{0}'",
                word.content
            );
            let remedy = format!(
                "name a column, or write '{}' if that is meant",
                word.content
            );
            self.mistake(Mistake {
                kind: "text-for-column",
                position,
                message,
                remedy,
                takes_more: true,
            })?;
        }
        Ok(())
    }
}

/// The names in double quotes of a statement.
#[derive(Default)]
pub(super) struct Asked {
    /// Those that may be a column.
    words: Vec<Word>,
    /// Text that looks like a name and is compared with a value: where, and what it says.
    compared: Option<(usize, String)>,
    /// Where those stand that are values of VALUES.
    values: Vec<usize>,
    /// A digest of all but values, by which a statement of the same shape is known again.
    pub shape: u64,
}

impl Asked {
    pub(super) fn of(statement: &str) -> Self {
        let mut found = Self::default();
        let mut shape = DefaultHasher::new();
        let (mut depth, mut values) = (0_usize, None);
        // The columns of `INSERT INTO t (a, b)`, in lower case.
        let (mut targets, mut target) = (BTreeSet::new(), Target::Before);
        let is_of_index = |creation: Creation<'_>| creation.kind == "index";
        let mut is_index = Creation::of(statement).is_some_and(is_of_index);
        let mut copies = false;
        let mut all = tokens(statement);
        let Some(mut before) = all.next() else {
            return found;
        };
        while let Some(token) = all.next() {
            is_index &= !token.is_word("where");
            // Without FROM there is no column that it could be.
            copies |= token.is_word("from");
            match token.text {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                "," => {}
                _ if token.is_word("values") => values = Some(depth),
                _ if values.is_some_and(|within| depth <= within) => values = None,
                _ => {}
            }
            target = target.next(&token);
            // A label, a collation, or a default, which is text in such quotes.
            let is_other = ["as", "collate", "default"]
                .iter()
                .any(|word| before.is_word(word));
            let begins = matches!(before.text, "(" | ",");
            let is_quoted = matches!(token.kind, Kind::Double | Kind::String);
            let is_compared = is_quoted && compares(&before, all.rest());
            let is_of_text = is_quoted && is_of_text(&before, all.rest());
            before = token;
            match token.kind {
                Kind::Double if is_other || token.text.len() <= 2 => {}
                Kind::Double => {
                    let at = token.at(statement);
                    if values.is_some() {
                        found.values.push(at);
                        continue;
                    }
                    token.text.hash(&mut shape);
                    let content = token.content().into_owned();
                    let is_name = is_compared || (is_index && depth == 1 && begins);
                    let role = match is_name {
                        true => Role::Name,
                        false if is_of_text || is_no_name(&content) => Role::Text,
                        false => Role::Either,
                    };
                    found.words.push(Word { at, content, role });
                }
                // Of a pattern it may be asked how LIKE compares.
                Kind::String
                    if is_compared && !is_pattern(all.rest()) && found.compared.is_none() =>
                {
                    let text = token.text.trim_matches('\'');
                    let is_same = tokens(all.rest()).nth(1);
                    let is_same = is_same.is_some_and(|other| other.text == token.text);
                    let is_name =
                        token.text.len() == text.len() + 2 && !is_no_name(text) && !is_same;
                    found.compared = is_name.then(|| (token.at(statement), text.to_owned()));
                }
                Kind::Sign if values.is_none() => token.text.hash(&mut shape),
                Kind::String | Kind::Sign => {}
                Kind::Word | Kind::Name if token.text.starts_with(|c: char| c.is_ascii_digit()) => {
                }
                Kind::Word | Kind::Name => {
                    token.text.hash(&mut shape);
                    if target == Target::List {
                        targets.insert(token.content().to_ascii_lowercase());
                    }
                }
            }
        }
        for word in &mut found.words {
            if copies && targets.contains(&word.content.to_ascii_lowercase()) {
                word.role = Role::Name;
            }
        }
        found.shape = shape.finish();
        found
    }
}

/// Whether a text in single quotes may stand where a condition begins, after WHERE, AND, OR,
/// NOT, ON, WHEN, HAVING or a bracket: of the many statements that hold one, few do.
pub(super) fn may_compare_text(statement: &str) -> bool {
    let bytes = statement.as_bytes();
    let mut quotes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\'');
    quotes.any(|(at, _)| {
        let mut before = bytes[..at].iter().rev();
        let last = before.find(|byte| !byte.is_ascii_whitespace());
        // Or after a comment.
        last.is_some_and(|last| b"(/ednrtgEDNRTG".contains(last))
    })
}

/// Whether what stands between `before` and `rest` is compared with a value, and with that
/// alone.
fn compares(before: &Token<'_>, rest: &str) -> bool {
    let begins = ["where", "and", "or", "not", "when", "on", "having"];
    let is_first = before.text == "(" || begins.iter().any(|word| before.is_word(word));
    let mut after = tokens(rest).filter(|token| !token.is_word("not"));
    let signs = ["=", "==", "<>", "!=", "<", "<=", ">", ">="];
    let words = ["is", "like", "glob", "between", "in"];
    let is_comparison = |token: Token<'_>| {
        signs.contains(&token.text) || words.iter().any(|word| token.is_word(word))
    };
    let is_value = |token: &Token<'_>| match token.kind {
        Kind::String => true,
        Kind::Word => token.is_word("null") || token.text.starts_with(|c: char| c.is_ascii_digit()),
        Kind::Sign | Kind::Name | Kind::Double => false,
    };
    is_first
        && after.next().is_some_and(is_comparison)
        && after
            .find(|token| token.text != "(" && token.text != "-")
            .is_some_and(|token| is_value(&token))
}

fn is_pattern(rest: &str) -> bool {
    let mut next = tokens(rest).filter(|token| !token.is_word("not"));
    let next = next.next();
    next.is_some_and(|next| next.is_word("like") || next.is_word("glob"))
}

/// Whether what stands between `before` and `rest` is a pattern, or a part of a text.
fn is_of_text(before: &Token<'_>, rest: &str) -> bool {
    let words = ["like", "glob", "match", "regexp", "escape"];
    before.text == "||"
        || words.iter().any(|word| before.is_word(word))
        || tokens(rest).next().is_some_and(|next| next.text == "||")
}

/// Whether nobody calls a column so, but writes it as text.
fn is_no_name(content: &str) -> bool {
    let of_times = ["now", "localtime", "utc", "unixepoch", "auto", "subsec"];
    let lower = content.to_ascii_lowercase();
    content.starts_with(|c: char| c.is_ascii_digit())
        || !content.chars().all(|c| c.is_alphanumeric() || c == '_')
        || of_times.contains(&&*lower)
}

/// Where in `INSERT INTO t (a, b)` a token stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Before,
    /// After INTO, and maybe a schema and a dot.
    Name,
    Named,
    List,
    After,
}

impl Target {
    fn next(self, token: &Token<'_>) -> Self {
        match (self, token.text) {
            (Self::Before, _) if token.is_word("into") => Self::Name,
            (Self::Before, _) => Self::Before,
            (Self::Name, _) => Self::Named,
            (Self::Named, ".") => Self::Name,
            (Self::Named, "(") => Self::List,
            (Self::List, ")") => Self::After,
            (Self::List, _) => Self::List,
            (Self::Named | Self::After, _) => Self::After,
        }
    }
}

/// Whether a name could stand without quotes.
fn is_plain(name: &str) -> bool {
    written(name) == name
}

/// Where the SELECT of CREATE VIEW begins.
fn of_view(statement: &str) -> Option<usize> {
    let view = Creation::of(statement).filter(|creation| creation.kind == "view")?;
    let mut all = tokens(view.after_name);
    all.find(|token| token.is_word("as"))?;
    Some(statement.len() - all.rest().len())
}

/// Does something while double quotes hold nothing but names.
pub(super) fn with_names_only<T>(
    connection: &Connection,
    what: impl FnOnce(&Connection) -> T,
) -> rusqlite::Result<T> {
    let both = [
        DbConfig::SQLITE_DBCONFIG_DQS_DML,
        DbConfig::SQLITE_DBCONFIG_DQS_DDL,
    ];
    let before = [
        connection.db_config(both[0])?,
        connection.db_config(both[1])?,
    ];
    for setting in both {
        connection.set_db_config(setting, false)?;
    }
    let result = what(connection);
    for (setting, value) in both.into_iter().zip(before) {
        connection.set_db_config(setting, value)?;
    }
    Ok(result)
}

/// Where the words in double quotes stand that name nothing.
fn named_nothing(connection: &Connection, statement: &str, values: &[usize]) -> BTreeSet<usize> {
    // A view's SELECT is looked at when somebody reads it.
    let from = of_view(statement).unwrap_or_default();
    let mut text = statement[from..].to_owned();
    for value in values {
        as_text(&mut text, value.saturating_sub(from));
    }
    let mut found = BTreeSet::new();
    // SQLite tells one after the other, and nobody reads them all.
    while found.len() < ENOUGH
        && let Err(error) = connection.prepare(&text)
    {
        let rusqlite::Error::SqlInputError { msg, offset, .. } = error else {
            break;
        };
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let is_new = msg.starts_with("no such column") && !found.contains(&(from + at));
        if !is_new || !as_text(&mut text, at) {
            break;
        }
        found.insert(from + at);
    }
    found
}

/// Makes text of a name in double quotes, in the same place; false if there is none, or one
/// that cannot be made so.
fn as_text(text: &mut String, at: usize) -> bool {
    let word = text.get(at..).and_then(|rest| tokens(rest).next());
    let Some(length) = word
        .filter(|word| word.kind == Kind::Double)
        .map(|word| word.text.len())
    else {
        return false;
    };
    // Whatever it says.
    let filled = format!("'{}'", "x".repeat(length.saturating_sub(2)));
    text.replace_range(at..at + length, &filled);
    true
}

#[cfg(test)]
mod tests {
    use super::{Asked, named_nothing, with_names_only};
    use rusqlite::Connection;

    #[test]
    fn what_names_nothing_is_found() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE t(a UNIQUE, b); CREATE TABLE u(a, b);")
            .unwrap();
        for (statement, expected) in [
            ("DELETE FROM \"t\" WHERE \"c\" = 1 AND \"a\" = \"d\"", "c d"),
            ("UPDATE \"t\" SET \"a\" = lower(\"x\"), \"b\" = \"b\"", "x"),
            (
                "INSERT INTO \"t\"(\"a\") SELECT \"c\" AS \"a\" FROM \"u\" GROUP BY \"e\"",
                "c e",
            ),
            ("INSERT INTO \"t\" VALUES (\"c\", 1), (\"d\", (\"e\"))", ""),
            (
                "INSERT INTO \"t\"(\"a\") VALUES (1) ON CONFLICT DO UPDATE SET \"b\" = \"bb\"",
                "bb",
            ),
            (
                "CREATE INDEX \"i\" ON \"t\"(\"a\", \"c\") WHERE \"d\" > 1",
                "c d",
            ),
            (
                "CREATE TABLE \"v\"(\"a\" TEXT DEFAULT \"x\" CHECK (\"c\" > 1))",
                "c",
            ),
            (
                "CREATE TEMP VIEW \"v\" AS SELECT \"a\", \"c\" FROM \"t\"",
                "c",
            ),
            ("CREATE TABLE \"v\" AS SELECT \"a\", \"c\" FROM \"t\"", "c"),
        ] {
            let Asked { words, values, .. } = Asked::of(statement);
            let found = with_names_only(&connection, |connection| {
                named_nothing(connection, statement, &values)
            });
            let found = found.unwrap();
            let words = words.into_iter();
            let words = words.filter(|word| found.contains(&word.at));
            let words: Vec<String> = words.map(|word| word.content).collect();
            assert_eq!(words.join(" "), expected, "{statement}");
        }
        // The quirk is as it was.
        assert!(connection.prepare("SELECT \"x\" FROM t").is_ok());
    }

    #[test]
    fn a_statement_with_other_values_has_the_same_shape() {
        let shape = |statement| Asked::of(statement).shape;
        assert_eq!(
            shape("UPDATE \"t\" SET \"a\" = 1 WHERE \"b\" = 'x'"),
            shape("UPDATE \"t\" SET \"a\" = 23 WHERE \"b\" = 'y'")
        );
        assert_ne!(
            shape("DELETE FROM \"t\" WHERE \"a\" = 1"),
            shape("DELETE FROM \"t\" WHERE \"b\" = 1")
        );
    }
}
