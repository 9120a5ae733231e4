//! The settings of a connection: what it must be set to so that a commit is durable,
//! what a script may have changed, and what the caller gets back.
//!
//! Owns the list of settings that must not leak from one script into the next. Never
//! runs a script.

use crate::database::limits::Limits;
use crate::database::location::{file_of, refuse_read_only};
use crate::database::transaction::roll_back;
use crate::diagnostics::error::{Cause, Error};
use crate::schema::pragma::ask;
use crate::schema::readable::refuse_unreadable;
use rusqlite::Connection;
use rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY;
use rusqlite::hooks::{AuthContext, Authorization};
use std::collections::BTreeSet;
use std::time::Duration;

/// Pragmas of the connection that change what later statements do, or may do. `PRAGMA
/// foreign_keys` goes by another way, `busy_timeout` is set for each lock, and what
/// `temp_store` is set to decides nothing about rows.
const SETTINGS: [&str; 27] = [
    "analysis_limit",
    "automatic_index",
    "cache_size",
    "cache_spill",
    "cell_size_check",
    "checkpoint_fullfsync",
    "count_changes",
    "empty_result_callbacks",
    "full_column_names",
    "fullfsync",
    "ignore_check_constraints",
    "journal_size_limit",
    "legacy_alter_table",
    "locking_mode",
    "max_page_count",
    "mmap_size",
    "query_only",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "secure_delete",
    "short_column_names",
    "soft_heap_limit",
    "synchronous",
    "trusted_schema",
    "wal_autocheckpoint",
    "writable_schema",
];

/// Of a rollback journal, this is the connection's alone (sqlite.org/pragma.html).
const JOURNAL: &str = "journal_mode";

/// Cannot be asked for, but be seen (sqlite.org/pragma.html#pragma_case_sensitive_like).
const LIKE: &str = "case_sensitive_like";

/// The settings of the connection when the run began.
pub(crate) struct Settings {
    /// Whether foreign keys were enforced.
    pub foreign_keys: bool,
    busy_timeout: Duration,
    query_only: String,
    synchronous: String,
    journal_mode: String,
    /// As the run needs them, each with its name.
    values: Vec<(&'static str, String)>,
    like_ignores_case: bool,
}

impl Settings {
    /// Makes sure that the database can be written, durably and within the time.
    pub(crate) fn prepare(connection: &mut Connection, limits: &Limits) -> Result<Self, Error> {
        refuse_read_only(connection)?;
        if !connection.is_autocommit() {
            return Err(Error::Database {
                path: file_of(connection),
                doing: "begin",
                cause: Cause::Statement,
                message: "the connection is in a transaction: end it first".to_owned(),
            });
        }
        refuse_unreadable(connection)?;
        let ask = |pragma: &str| {
            ask(connection, pragma)
                .map(Option::unwrap_or_default)
                .map_err(|error| Error::database(connection, "read its settings", &error))
        };
        let milliseconds = ask("busy_timeout")?.parse::<u64>().unwrap_or(0);
        let mut settings = Self {
            foreign_keys: ask("foreign_keys")? != "0",
            busy_timeout: Duration::from_millis(milliseconds),
            query_only: ask("query_only")?,
            synchronous: ask("main.synchronous")?,
            journal_mode: String::new(),
            values: Vec::new(),
            like_ignores_case: like_ignores_case(connection),
        };
        settings.journal_mode = settings.make_durable(connection)?;
        let values = SETTINGS
            .iter()
            .map(|name| Ok((*name, crate::schema::pragma::ask(connection, name)?)));
        let values: rusqlite::Result<Vec<_>> = values.collect();
        let values =
            values.map_err(|error| Error::database(connection, "read its settings", &error))?;
        settings.values = values
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        limits.watch(connection)?;
        Ok(settings)
    }

    /// Sets what a commit needs. Gives back the journal mode that there was.
    fn make_durable(&self, connection: &Connection) -> Result<String, Error> {
        let configure = || {
            let pragmas = "PRAGMA query_only = OFF; PRAGMA main.synchronous = EXTRA";
            connection.execute_batch(pragmas)?;
            let mode = ask(connection, "main.journal_mode")?.unwrap_or_default();
            if is_volatile(&mode) && connection.path() != Some("") {
                ask(connection, "main.journal_mode = DELETE")?;
            }
            Ok(mode)
        };
        configure().map_err(|error| Error::database(connection, "configure the connection", &error))
    }

    /// After a script outside a transaction, which may have set anything.
    pub(crate) fn restore_outside(&self, connection: &Connection) -> Result<(), Error> {
        self.enforce(connection)?;
        self.make_durable(connection).map(|_| ())
    }

    /// Foreign keys are enforced, or not, as they were when the run began.
    pub(crate) fn enforce(&self, connection: &Connection) -> Result<(), Error> {
        connection
            .set_db_config(SQLITE_DBCONFIG_ENABLE_FKEY, self.foreign_keys)
            .map(|_| ())
            .map_err(|error| Error::database(connection, "configure the connection", &error))
    }

    /// Puts back those of the named settings that a script has left changed, and names
    /// them: one run of two scripts is to end as two runs of one.
    pub(crate) fn put_back(
        &self,
        connection: &Connection,
        named: &BTreeSet<String>,
    ) -> rusqlite::Result<Vec<&'static str>> {
        self.put_back_those(connection, |name| named.contains(name))
    }

    /// Puts back all that a script that failed may have set: which, is not known. The
    /// failure is told, and not this one.
    pub(crate) fn put_back_all(&self, connection: &Connection) {
        roll_back(connection);
        let _ = self.put_back_those(connection, |_| true);
    }

    fn put_back_those(
        &self,
        connection: &Connection,
        is_named: impl Fn(&str) -> bool,
    ) -> rusqlite::Result<Vec<&'static str>> {
        let mut changed = Vec::new();
        for (name, value) in &self.values {
            if is_named(name) && ask(connection, name)?.as_ref() != Some(value) {
                ask(connection, &format!("{name} = {value}"))?;
                changed.push(*name);
            }
        }
        // Without a word they wait for the next VACUUM, which would be another script's; what
        // is asked for is what they are until then.
        for name in ["page_size", "auto_vacuum"] {
            if is_named(name)
                && let Some(now) = ask(connection, name)?
            {
                ask(connection, &format!("{name} = {now}"))?;
            }
        }
        // WAL is the database's, and meant to stay.
        let rollback_journal = match self.journal_mode.as_str() {
            mode @ ("truncate" | "persist") => mode,
            _ => "delete",
        };
        if is_named(JOURNAL)
            && connection.path() != Some("")
            && let Some(now) = ask(connection, "main.journal_mode")?
            && !["wal", rollback_journal].contains(&now.as_str())
        {
            ask(
                connection,
                &format!("main.journal_mode = {rollback_journal}"),
            )?;
            changed.push(JOURNAL);
        }
        if is_named(LIKE) && like_ignores_case(connection) != self.like_ignores_case {
            let value = if self.like_ignores_case { "OFF" } else { "ON" };
            ask(connection, &format!("{LIKE} = {value}"))?;
            changed.push(LIKE);
        }
        Ok(changed)
    }

    /// Ends what is open, and gives the caller the connection as it was, without any
    /// authorizer, progress handler or busy handler.
    pub(crate) fn give_back(&self, connection: &mut Connection) -> Result<(), Error> {
        let _ = connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>);
        let _ = connection.progress_handler(0, None::<fn() -> bool>);
        roll_back(connection);
        self.enforce(connection)?;
        connection
            .busy_timeout(self.busy_timeout)
            .and_then(|()| {
                if is_volatile(&self.journal_mode) {
                    let mode = format!("main.journal_mode = {}", self.journal_mode);
                    ask(connection, &mode)?;
                }
                ask(
                    connection,
                    &format!("main.synchronous = {}", self.synchronous),
                )?;
                ask(connection, &format!("query_only = {}", self.query_only))
            })
            .map(|_| ())
            .map_err(|error| Error::database(connection, "configure the connection", &error))
    }
}

/// Whether nothing could be rolled back after a crash; a database in memory has no other.
fn is_volatile(journal_mode: &str) -> bool {
    journal_mode == "off" || journal_mode == "memory"
}

fn like_ignores_case(connection: &Connection) -> bool {
    connection
        .query_row("SELECT 'a' LIKE 'A'", [], |row| row.get(0))
        .unwrap_or(true)
}
