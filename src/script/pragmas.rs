//! What a pragma in a script does, and what is said where it does nothing.
//!
//! Owns the rules for single pragmas. Sets none: what must be put back afterwards is
//! `database/settings`'s business.

use super::Stopped;
use super::notes::Pragma;
use super::remedy::{ALONE, OF_CONNECTION};
use super::runner::Runner;
use crate::diagnostics::position::Position;
use crate::schema::pragma::ask;
use rusqlite::Connection;
use std::sync::Arc;

/// Whether SQLite takes `value` for "off" in `PRAGMA foreign_keys = value`
/// (`sqlite3GetBoolean`): a number of 32 bits that is not zero and three words are
/// "on", anything else is "off".
pub(crate) fn is_off(value: &str) -> bool {
    let hexadecimal = value.strip_prefix("0x").or(value.strip_prefix("0X"));
    if let Some(digits) = hexadecimal {
        // What is no number of 32 bits counts as the zero that it begins with.
        let digits: String = digits.chars().take_while(char::is_ascii_hexdigit).collect();
        return i32::from_str_radix(&digits, 16).map_or(true, |number| number == 0);
    }
    let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
    if !digits.is_empty() {
        return digits.parse::<i32>().unwrap_or(0) == 0;
    }
    let lower = value.to_ascii_lowercase();
    !["on", "yes", "true"].contains(&lower.as_str())
}

/// Whether what stands behind a pragma only says what is asked, or is set when it is run:
/// EXPLAIN of it does nothing.
pub(crate) fn is_harmless_explained(name: &str) -> bool {
    let asks = [
        "table_info",
        "table_xinfo",
        "table_list",
        "index_list",
        "index_info",
        "index_xinfo",
        "foreign_key_list",
        "foreign_key_check",
        "integrity_check",
        "quick_check",
        "optimize",
        "wal_checkpoint",
        "incremental_vacuum",
        "user_version",
        "application_id",
    ];
    asks.contains(&name)
}

/// Whether a value is a word or a number for on or off, as whoever wrote it means it.
pub(crate) fn is_switch(value: &str) -> bool {
    let words = ["on", "off", "yes", "no", "true", "false"];
    words.contains(&value.to_ascii_lowercase().as_str())
        || value.starts_with(|c: char| c.is_ascii_digit())
}

/// The journal mode that SQLite takes `value` for: the first whose name begins so
/// (`sqlite3Pragma`, `PragTyp_JOURNAL_MODE`). `None` if it is none, and only asks.
pub(super) fn journal_mode(value: &str) -> Option<&'static str> {
    let value = value.to_ascii_lowercase();
    ["delete", "persist", "off", "truncate", "memory", "wal"]
        .into_iter()
        .find(|mode| mode.starts_with(&value))
}

/// What is to be said of a `PRAGMA journal_mode` that was made to do nothing.
pub(crate) enum Journal {
    /// The database has this mode already.
    IsSo,
    /// To or from WAL, which SQLite refuses in a transaction that has written nothing,
    /// and passes over silently in one that has.
    Wal,
    /// Another mode, which would take effect.
    NotTaken(&'static str),
    /// It is no mode at all.
    Unknown,
}

pub(crate) fn judge_journal(connection: &Connection, value: &str) -> rusqlite::Result<Journal> {
    let Some(mode) = journal_mode(value) else {
        return Ok(Journal::Unknown);
    };
    let now = ask(connection, "main.journal_mode")?.unwrap_or_default();
    // What a database in memory has is no mode of a file: it stands for a new one.
    let is_in_memory = connection.path() == Some("");
    let now = if is_in_memory { "delete" } else { now.as_str() };
    Ok(if mode == now {
        Journal::IsSo
    } else if mode == "wal" || now == "wal" {
        Journal::Wal
    } else {
        Journal::NotTaken(mode)
    })
}

/// Whether this SQLite knows a pragma.
pub(crate) fn is_known(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let query = "SELECT 1 FROM pragma_pragma_list WHERE name = ?1";
    connection.prepare(query)?.exists([name])
}

/// A pragma that SQLite may take note of and not obey: what was asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub pragma: String,
    value: String,
    /// Where its statement begins.
    pub position: Position,
}

impl Asked {
    /// `None` for a pragma that does what it says.
    pub(crate) fn new(pragma: &Pragma, position: Position) -> Option<Self> {
        let names = [
            "page_size",
            "auto_vacuum",
            "encoding",
            "temp_store",
            "user_version",
            "application_id",
        ];
        let value = pragma.value.as_ref()?;
        let schema = pragma.schema.as_deref().unwrap_or("main");
        (names.contains(&pragma.name.as_str()) && schema == "main").then(|| Self {
            pragma: pragma.name.clone(),
            value: value.to_ascii_lowercase(),
            position,
        })
    }

    /// What is to be said; `None` if it is as it was asked for.
    pub(crate) fn complaint(&self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        let Some(now) = ask(connection, &self.pragma)? else {
            return Ok(None);
        };
        let Self { pragma, value, .. } = self;
        if pragma == "encoding" {
            // UTF-16 is that of the machine.
            let (asked, now_lower) = (value.replace('-', ""), now.to_ascii_lowercase());
            let is_so = now_lower.replace('-', "").starts_with(&asked);
            return Ok((!is_so).then(|| {
                format!("PRAGMA encoding has no effect here: it is {now}, because the database has been made already")
            }));
        }
        if ["user_version", "application_id"].contains(&pragma.as_str()) {
            // SQLite takes of anything else what it begins with, or 0 (`sqlite3GetInt32`).
            let value = value.trim_end();
            let digits = value.strip_prefix("0x");
            let number = match digits {
                Some(digits) => u32::from_str_radix(digits, 16).is_ok_and(|n| n <= 0x7fff_ffff),
                None => value.parse::<i32>().is_ok(),
            };
            return Ok((!number).then(|| {
                format!("PRAGMA {pragma} = {value} sets {now}: it takes a number from -2147483648 to 2147483647")
            }));
        }
        let number = value.parse::<u32>().ok();
        let (meant, possible) = match pragma.as_str() {
            "page_size" => (
                number.filter(|n| n.is_power_of_two() && (512..=65536).contains(n)),
                "a power of two from 512 to 65536",
            ),
            "auto_vacuum" => (
                among(value, &["none", "full", "incremental"]),
                "none, full or incremental (0, 1, 2)",
            ),
            _ => (
                among(value, &["default", "file", "memory"]),
                "default, file or memory (0, 1, 2)",
            ),
        };
        let Some(meant) = meant else {
            return Ok(Some(format!(
                "PRAGMA {pragma} = {value} has no effect: it takes {possible}, and is {now}"
            )));
        };
        if now == meant.to_string() {
            return Ok(None);
        }
        if pragma == "page_size" && ask(connection, "main.journal_mode")?.as_deref() == Some("wal")
        {
            return Ok(Some(format!(
                "PRAGMA page_size has no effect here: it is {now}, and no database in WAL mode can change it: in a `-- no-transaction` script put PRAGMA journal_mode = DELETE before it, and VACUUM and PRAGMA journal_mode = WAL after it"
            )));
        }
        Ok(Some(format!(
            "PRAGMA {pragma} has no effect here: it is {now}, because the database has tables already; a `-- no-transaction` script with VACUUM after it can change page_size and auto_vacuum"
        )))
    }
}

/// The number that a value stands for: itself, or the place of its word.
fn among(value: &str, words: &[&str]) -> Option<u32> {
    let word = words.iter().position(|word| *word == value);
    let number = word.and_then(|at| u32::try_from(at).ok());
    let number = number.or_else(|| value.parse().ok());
    number.filter(|number| usize::try_from(*number).is_ok_and(|n| n < words.len()))
}

impl Runner<'_> {
    pub(super) fn before_pragma(&mut self, connection: &Connection) -> Result<(), Stopped> {
        let pragma = self.seen.notes().pragma.clone();
        let Some(pragma) = pragma else {
            return Ok(());
        };
        if self.rules.replayed {
            // What it was put back from when it was applied, it is put back from now.
            self.ran.settings.insert(pragma.name);
            return Ok(());
        }
        let seen = Arc::clone(&self.seen);
        let _pause = seen.pause();
        let is_known = is_known(connection, &pragma.name).map_err(|e| self.stopped_here(&e))?;
        if !is_known {
            let message = format!(
                "SQLite does not know PRAGMA {}, and passes it over: check its spelling, or take it out",
                pragma.name
            );
            return match self.is_said(&message) {
                true => Ok(()),
                false => self.warn("unknown-pragma", message),
            };
        }
        if pragma.name == "wal_checkpoint" && self.rules.transactional {
            let message = "PRAGMA wal_checkpoint does nothing here, because SQLite makes no checkpoint inside a transaction: take it out, SQLite makes one by itself";
            return self.warn("no-checkpoint", message.to_owned());
        }
        let Some(value) = &pragma.value else {
            return Ok(());
        };
        if pragma.name == "foreign_keys" && !is_switch(value) {
            let message = format!(
                "PRAGMA foreign_keys = {value} is OFF for SQLite, as all is that it does not know: write ON or OFF"
            );
            self.warn("pragma-value", message)?;
        }
        if let Some(asked) = Asked::new(&pragma, self.place.here()) {
            // The last one counts.
            self.asked.retain(|other| other.pragma != asked.pragma);
            self.asked.push(asked);
        }
        let is_temporary = pragma
            .schema
            .as_deref()
            .is_some_and(|s| s.eq_ignore_ascii_case("temp"));
        match pragma.name.as_str() {
            "journal_mode" if self.rules.transactional && is_temporary => Ok(()),
            "journal_mode" if self.rules.transactional || journal_mode(value).is_none() => {
                self.judge_journal(connection, value)
            }
            // They write to the database's header.
            "user_version" | "application_id" => {
                self.changed = true;
                Ok(())
            }
            "hard_heap_limit" if value != "0" => Err(self.refused(
                "PRAGMA hard_heap_limit can only be lowered, and for the whole process: no later script could undo it",
                Some("take it out; soft_heap_limit is put back after the script"),
            )),
            "defer_foreign_keys" if is_off(value) => {
                // If it is obeyed, SQLite counts no rows any more of what was dropped.
                if seen.may_forget() {
                    self.deferred_drops.clear();
                }
                Ok(())
            }
            "defer_foreign_keys" => {
                if !self.changed {
                    seen.let_forget();
                }
                self.deferring = true;
                self.ran.deferring = true;
                Ok(())
            }
            name => {
                self.query_only |= name == "query_only" && !is_off(value);
                self.ran.settings.insert(pragma.name.clone());
                Ok(())
            }
        }
    }

    pub(super) fn judge_journal(
        &mut self,
        connection: &Connection,
        value: &str,
    ) -> Result<(), Stopped> {
        let verdict = judge_journal(connection, value).map_err(|e| self.stopped_here(&e))?;
        let message = match verdict {
            Journal::IsSo => return Ok(()),
            Journal::Wal if !self.changed || self.committed => {
                return Err(self.refused(
                    "PRAGMA journal_mode cannot change to or from WAL inside a transaction, and the whole script is one",
                    Some(ALONE),
                ));
            }
            Journal::Wal => format!(
                "PRAGMA journal_mode = {value} does nothing here, because SQLite cannot change to or from WAL inside a transaction: {ALONE}"
            ),
            Journal::NotTaken(mode @ ("off" | "memory")) => format!(
                "PRAGMA journal_mode = {mode} is ignored: without a journal neither a failing script nor a power cut could be rolled back"
            ),
            Journal::NotTaken(mode) => {
                format!(
                    "PRAGMA journal_mode = {mode} is ignored inside a transaction: {OF_CONNECTION}"
                )
            }
            Journal::Unknown => format!(
                "SQLite knows no journal mode '{value}', and passes this over: delete, truncate, persist, memory, off and wal are the modes"
            ),
        };
        self.warn("journal-mode-pragma", message)
    }
}

#[cfg(test)]
mod tests {
    use super::{is_off, journal_mode};
    use rusqlite::Connection;

    /// SQLite is the judge.
    #[test]
    fn every_spelling_means_what_sqlite_takes_it_for() {
        let connection = Connection::open_in_memory().unwrap();
        for value in [
            "on",
            "ON",
            "off",
            "OFF",
            "yes",
            "no",
            "true",
            "false",
            "0",
            "1",
            "2",
            "255",
            "256",
            "99999999999",
            "010",
            "257",
            "00",
            "extra",
            "full",
            "normal",
            "nonsense",
            "'off'",
            "\"on\"",
            "1x",
            "0x1",
            "0X0",
            "0x10",
            "0xffffffff",
            "0x100000000",
        ] {
            connection.execute_batch("PRAGMA foreign_keys = 1").unwrap();
            let before = connection.execute_batch(&format!("PRAGMA foreign_keys = {value}"));
            if before.is_err() {
                continue;
            }
            let on: bool = connection
                .query_row("PRAGMA foreign_keys", [], |row| row.get(0))
                .unwrap();
            assert_eq!(is_off(value.trim_matches(['\'', '"'])), !on, "{value}");
        }
    }

    /// SQLite is the judge, on a file: a database in memory has one mode only.
    #[test]
    fn journal_modes_are_recognised_by_any_beginning() {
        let path = std::env::temp_dir().join(format!("litemigrate-modes-{}", std::process::id()));
        for mode in [
            "off", "OFF", "o", "of", "memory", "MEM", "m", "d", "t", "p", "delete", "wal", "W",
            "persist", "truncate", "offf", "memoryx", "''", "x",
        ] {
            let _ = std::fs::remove_file(&path);
            let connection = Connection::open(&path).unwrap();
            connection
                .execute_batch("CREATE TABLE t (x); PRAGMA journal_mode = TRUNCATE")
                .ok();
            let before = "truncate";
            let found: String = connection
                .query_row(&format!("PRAGMA journal_mode = {mode}"), [], |row| {
                    row.get(0)
                })
                .unwrap();
            let expected = journal_mode(mode.trim_matches('\'')).unwrap_or(before);
            assert_eq!(found, expected, "{mode}");
        }
        let _ = std::fs::remove_file(&path);
    }

    /// The foundation of switching keys where a script says so: a SQLite that behaves
    /// otherwise one day is noticed here.
    #[test]
    fn enforcement_can_be_switched_inside_a_transaction() {
        use rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY as KEYS;
        let connection = Connection::open_in_memory().unwrap();
        let run = |sql: &str| connection.execute_batch(sql);
        let count = |table: &str| -> i64 {
            let query = format!("SELECT count(*) FROM {table}");
            connection.query_row(&query, [], |row| row.get(0)).unwrap()
        };
        run("PRAGMA foreign_keys = ON; CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p ON DELETE CASCADE); INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1), (2); BEGIN").unwrap();
        run("PRAGMA foreign_keys = OFF; DELETE FROM p WHERE id = 1").unwrap();
        assert_eq!(count("c"), 1, "the pragma does nothing in a transaction");
        connection.set_db_config(KEYS, false).unwrap();
        run("DELETE FROM p WHERE id = 2").unwrap();
        assert_eq!(count("c"), 1, "off");
        connection.set_db_config(KEYS, true).unwrap();
        assert!(run("INSERT INTO c VALUES (9)").is_err(), "on again");
        run("INSERT INTO p VALUES (3); INSERT INTO c VALUES (3); DELETE FROM p WHERE id = 3")
            .unwrap();
        assert_eq!(count("c"), 1, "and cascading again");
        connection.set_db_config(KEYS, false).unwrap();
        run("ROLLBACK").unwrap();
        let on = connection.db_config(KEYS).unwrap();
        assert!(!on, "ROLLBACK does not put it back");
    }
}
