//! How a run is to go about it.
//!
//! Owns the defaults. Decides nothing.

use crate::database::limits::{Heartbeat, Limits};
use crate::plan::Policy;
use crate::schema::history_table::HistoryTable;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How to run [`up`](crate::up) and [`down`](crate::down).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// What the user allows.
    pub policy: Policy,
    /// Stop after this version.
    pub to: Option<i64>,
    /// How long to wait for a lock that somebody else holds.
    pub lock_wait: Duration,
    /// When the whole run must be over.
    pub deadline: Option<Instant>,
    /// All scripts and their rows in one transaction, or none.
    pub single_transaction: bool,
    /// Run everything, report what it did, and roll it back.
    pub dry_run: bool,
    /// Let DROP TABLE and REPLACE delete or change rows of other tables.
    pub allow_cascade: bool,
    /// A warning about a script refuses it.
    pub strict: bool,
    /// The database is SQLPage's: say where SQLPage would do something else.
    pub for_sqlpage: bool,
    /// Copy the database to this file, or into this folder, before the first write.
    pub backup: Option<PathBuf>,
    /// How many backups of one database the folder is to keep; all if none is said.
    pub keep: Option<usize>,
    /// Look whether the database is damaged before the first write.
    pub verify: bool,
    /// The table that holds the history.
    pub table: HistoryTable,
    /// The VFS that the connection was opened with, if it was named: for the backup, and
    /// for what [`restore`](crate::restore) opens.
    pub vfs: Option<String>,
    /// Called again and again while scripts run.
    pub heartbeat: Option<Heartbeat>,
}

impl Default for Options {
    /// Everything, the default policy, and five seconds of patience, as sqlx has.
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            to: None,
            lock_wait: Duration::from_secs(5),
            deadline: None,
            single_transaction: false,
            dry_run: false,
            allow_cascade: false,
            strict: false,
            for_sqlpage: false,
            backup: None,
            keep: None,
            verify: false,
            table: HistoryTable::default(),
            vfs: None,
            heartbeat: None,
        }
    }
}

impl Options {
    /// How long may be waited and worked.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            lock_wait: self.lock_wait,
            deadline: self.deadline,
            heartbeat: self.heartbeat.clone(),
        }
    }
}
