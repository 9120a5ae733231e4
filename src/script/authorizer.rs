//! What SQLite asks about each statement of a script while it prepares it.
//!
//! Owns what a script may do to the transaction it runs in and to its journal, and
//! the notes that are taken on the way. Runs nothing.

use crate::script::foreign_keys;
use rusqlite::ffi::SQLITE_ATTACH;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization, TransactionOperation};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// What a script may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// It runs in a transaction that is not its own.
    pub transactional: bool,
    /// Foreign keys are enforced.
    pub enforced: bool,
    /// They are not, only because another script in the same transaction asks so.
    pub mixed: bool,
    /// A DROP TABLE may delete and change rows of other tables.
    pub allow_cascade: bool,
    /// It may touch no other file: what it does to a database in memory is for show.
    pub contained: bool,
}

/// Something that the authorizer saw in the statement that was just prepared.
pub(crate) mod saw {
    /// BEGIN, made to do nothing.
    pub const BEGIN: u32 = 1;
    /// COMMIT or END, made to do nothing.
    pub const COMMIT: u32 = 1 << 1;
    /// ROLLBACK, denied.
    pub const ROLLBACK: u32 = 1 << 2;
    /// Any pragma.
    pub const PRAGMA: u32 = 1 << 3;
    /// `PRAGMA foreign_keys = OFF`, which does nothing in a transaction.
    pub const FOREIGN_KEYS_OFF: u32 = 1 << 4;
    /// `PRAGMA journal_mode = OFF` or `MEMORY`, made to do nothing.
    pub const UNSAFE_JOURNAL: u32 = 1 << 5;
    /// `PRAGMA writable_schema`, by which a script can destroy the schema.
    pub const WRITABLE_SCHEMA: u32 = 1 << 6;
    /// ATTACH, whose file may be what cannot be opened, and which may stay.
    pub const ATTACH: u32 = 1 << 7;
    /// A temporary table, index, view or trigger, which may stay.
    pub const TEMPORARY: u32 = 1 << 8;
    /// DROP TABLE, by which other tables may lose rows.
    pub const DROP: u32 = 1 << 9;
    /// ALTER TABLE, the second half of a rebuild.
    pub const ALTER: u32 = 1 << 10;
    /// DELETE or UPDATE, whose effect may depend on foreign keys.
    pub const ROWS: u32 = 1 << 11;
    /// INSERT, which may be a REPLACE.
    pub const INSERT: u32 = 1 << 12;
    /// ATTACH of a file, or VACUUM INTO one, denied.
    pub const OUTSIDE: u32 = 1 << 13;
}

/// What the authorizer saw in the statement that was just prepared.
#[derive(Default)]
pub(crate) struct Seen {
    what: AtomicU32,
    /// The schema and the name of a table that is about to be dropped.
    dropped: Mutex<Option<(String, String)>>,
}

impl Seen {
    pub(crate) fn clear(&self) {
        self.what.store(0, Ordering::Relaxed);
    }

    /// The flags of [`saw`].
    pub(crate) fn what(&self) -> u32 {
        self.what.load(Ordering::Relaxed)
    }

    /// The schema and the name of the table that the statement drops.
    pub(crate) fn take_dropped(&self) -> Option<(String, String)> {
        self.dropped.lock().ok()?.take()
    }

    fn add(&self, what: u32) {
        self.what.fetch_or(what, Ordering::Relaxed);
    }
}

/// Tells SQLite what to do with an action that its parser found in a statement,
/// and leaves word of it in `seen`.
pub(crate) fn authorize(seen: &Seen, rules: &Rules, context: &AuthContext<'_>) -> Authorization {
    let (what, answer) = match context.action {
        AuthAction::Transaction { operation } if rules.transactional => match operation {
            TransactionOperation::Rollback => (saw::ROLLBACK, Authorization::Deny),
            TransactionOperation::Begin => (saw::BEGIN, Authorization::Ignore),
            _ => (saw::COMMIT, Authorization::Ignore),
        },
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => {
            return authorize_pragma(seen, rules.transactional, pragma_name, pragma_value);
        }
        // A name that is no literal comes as an unknown action.
        AuthAction::Attach { filename } if rules.contained && !is_in_memory(filename) => {
            (saw::OUTSIDE, Authorization::Deny)
        }
        AuthAction::Unknown { code, .. } if rules.contained && code == SQLITE_ATTACH => {
            (saw::OUTSIDE, Authorization::Deny)
        }
        AuthAction::Attach { .. } => (saw::ATTACH, Authorization::Allow),
        AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. } => (saw::TEMPORARY, Authorization::Allow),
        AuthAction::Delete { table_name } | AuthAction::Update { table_name, .. }
            if !table_name.starts_with("sqlite_") =>
        {
            (saw::ROWS, Authorization::Allow)
        }
        AuthAction::Insert { table_name } if !table_name.starts_with("sqlite_") => {
            (saw::INSERT, Authorization::Allow)
        }
        AuthAction::AlterTable { .. } => (saw::ALTER, Authorization::Allow),
        AuthAction::DropTable { table_name } => {
            let schema = context.database_name.unwrap_or("main").to_owned();
            if let Ok(mut dropped) = seen.dropped.lock() {
                *dropped = Some((schema, table_name.to_owned()));
            }
            (saw::DROP, Authorization::Allow)
        }
        _ => return Authorization::Allow,
    };
    seen.add(what);
    answer
}

/// A database of ATTACH that is no file; VACUUM attaches one without a name.
fn is_in_memory(filename: &str) -> bool {
    filename.is_empty() || filename == ":memory:"
}

fn authorize_pragma(
    seen: &Seen,
    transactional: bool,
    name: &str,
    value: Option<&str>,
) -> Authorization {
    seen.add(saw::PRAGMA);
    let is = |expected: &str| name.eq_ignore_ascii_case(expected);
    let Some(value) = value else {
        return Authorization::Allow;
    };
    if is("writable_schema") {
        seen.add(saw::WRITABLE_SCHEMA);
    } else if transactional && is("foreign_keys") && foreign_keys::is_off(value) {
        seen.add(saw::FOREIGN_KEYS_OFF);
    } else if transactional && is("journal_mode") && takes_the_journal_away(value) {
        // At the head of a transaction SQLite would obey, and neither a failing
        // script nor a power cut could be rolled back any more.
        seen.add(saw::UNSAFE_JOURNAL);
        return Authorization::Ignore;
    }
    Authorization::Allow
}

/// `OFF` or `MEMORY`: SQLite takes any beginning of a mode's name for the mode.
fn takes_the_journal_away(mode: &str) -> bool {
    let mode = mode.to_ascii_lowercase();
    !mode.is_empty() && ["off", "memory"].iter().any(|name| name.starts_with(&mode))
}

#[cfg(test)]
mod tests {
    use super::takes_the_journal_away;

    #[test]
    fn journal_modes_are_recognised_by_any_beginning() {
        for mode in ["off", "OFF", "o", "of", "memory", "MEM", "m"] {
            assert!(takes_the_journal_away(mode), "{mode}");
        }
        for mode in [
            "", "delete", "wal", "persist", "truncate", "offf", "memoryx",
        ] {
            assert!(!takes_the_journal_away(mode), "{mode}");
        }
    }
}
