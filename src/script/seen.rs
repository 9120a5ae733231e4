//! What the authorizer saw in the statement that was just prepared.
//!
//! Owns the flags and the notes, and when none are taken: our own statements are none of
//! the script's.

use super::notes::Notes;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    /// `PRAGMA writable_schema`, by which a script can destroy the schema.
    pub const WRITABLE_SCHEMA: u32 = 1 << 4;
    /// ATTACH, whose file may be what cannot be opened, and which may stay.
    pub const ATTACH: u32 = 1 << 5;
    /// A temporary table, index, view or trigger, which may stay.
    pub const TEMPORARY: u32 = 1 << 6;
    /// DROP TABLE, by which other tables may lose rows.
    pub const DROP: u32 = 1 << 7;
    /// ALTER TABLE, the second half of a rebuild.
    pub const ALTER: u32 = 1 << 8;
    /// DROP VIEW, DROP INDEX or DROP TRIGGER.
    pub const DROP_OTHER: u32 = 1 << 9;
    /// INSERT, UPDATE or DELETE of the statement's own, on an ordinary table.
    pub const WRITE: u32 = 1 << 10;
    /// A trigger may write.
    pub const TRIGGER: u32 = 1 << 11;
    /// A foreign key's action may delete or change rows.
    pub const ACTION: u32 = 1 << 12;
    /// ATTACH of a file, or VACUUM INTO one, denied.
    pub const OUTSIDE: u32 = 1 << 13;
    /// The statement itself writes to the history.
    pub const HISTORY: u32 = 1 << 14;
    /// A trigger may write to the history, or its table is dropped or renamed.
    pub const HISTORY_ASIDE: u32 = 1 << 15;
    /// `sqlite_schema` is written to, as by all that creates, alters and drops.
    pub const SCHEMA: u32 = 1 << 16;
    /// `load_extension()`, which SQLite will not authorize.
    pub const EXTENSION: u32 = 1 << 17;
    /// DETACH.
    pub const DETACH: u32 = 1 << 18;
    /// Columns that an INSERT reads, as of `INSERT … SELECT`.
    pub const READ: u32 = 1 << 19;
    /// A table is made.
    pub const CREATE_TABLE: u32 = 1 << 20;
    /// ATTACH of a file, or VACUUM INTO one, that the script's owner may not write, denied.
    pub const FOREIGN: u32 = 1 << 21;
    /// The table that the statement writes to is updated once more, by the statement
    /// itself or by a key of the table to itself.
    pub const AGAIN: u32 = 1 << 22;
    /// SAVEPOINT, RELEASE or ROLLBACK TO; outside a transaction BEGIN, COMMIT and ROLLBACK.
    pub const SAVEPOINT: u32 = 1 << 23;
    /// CREATE TABLE … AS SELECT.
    pub const COPY: u32 = 1 << 24;
    /// The history of another application is written to, or dropped.
    pub const OTHER_HISTORY: u32 = 1 << 25;
    /// A view or a trigger is made.
    pub const CREATE_PART: u32 = 1 << 26;
    /// A virtual table is made.
    pub const CREATE_VIRTUAL: u32 = 1 << 27;
    /// A SELECT in a statement that writes.
    pub const SELECT: u32 = 1 << 28;
}

/// What the authorizer saw in the statement that was just prepared.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    what: AtomicU32,
    /// Our own statements are none of the script's.
    paused: AtomicU32,
    /// Every read is noted, not only those of INSERT.
    reads: AtomicBool,
    /// `PRAGMA defer_foreign_keys = OFF` may be obeyed.
    may_forget: AtomicBool,
    notes: Mutex<Notes>,
}

/// While this lives, statements are not noted.
pub(crate) struct Pause<'a>(&'a Seen);

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        self.0.paused.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Seen {
    pub(crate) fn clear(&self) {
        self.what.store(0, Ordering::Relaxed);
        self.notes().clear();
    }

    /// The flags of [`saw`].
    pub(crate) fn what(&self) -> u32 {
        self.what.load(Ordering::Relaxed)
    }

    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For statements of our own, between two of the script's.
    pub(crate) fn pause(&self) -> Pause<'_> {
        self.paused.fetch_add(1, Ordering::Relaxed);
        Pause(self)
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed) != 0
    }

    pub(super) fn notes_reads(&self) -> bool {
        self.reads.load(Ordering::Relaxed)
    }

    /// From now on every read is noted.
    pub(crate) fn note_reads(&self) {
        self.reads.store(true, Ordering::Relaxed);
    }

    /// Rows are compared from here on, so that SQLite may forget those that it has counted
    /// for COMMIT, as it does with `PRAGMA defer_foreign_keys = OFF`.
    pub(crate) fn let_forget(&self) {
        self.may_forget.store(true, Ordering::Relaxed);
    }

    pub(crate) fn may_forget(&self) -> bool {
        self.may_forget.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, what: u32) {
        self.what.fetch_or(what, Ordering::Relaxed);
    }
}
