//! Why we stopped, and where.
//!
//! Owns every sentence that the library says about a failure. Each variant
//! carries the file, the version or the database it is about, and says what to
//! do next. Never decides on an exit code: the program does.

use crate::diagnostics::difference::Difference;
use crate::diagnostics::position::Position;
use crate::diagnostics::problem::{Finding, Problem};
use crate::diagnostics::text::short;
use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_CORRUPT_VTAB;
use std::io;
use std::path::{Path, PathBuf};

/// What kind of thing went wrong inside SQLite; decides on the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The statement is at fault: syntax, constraint, no such table …
    Statement,
    /// Somebody else holds a lock, or time ran out.
    Busy,
    /// The disk, the file or the memory: I/O error, full, damaged, not a database.
    Storage,
    /// No permission, or read-only.
    Permission,
    /// The file cannot be opened or created.
    CannotOpen,
}

impl Cause {
    /// Sorts an error of SQLite by its result code (sqlite.org/rescode.html).
    #[must_use]
    pub fn of(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::OperationInterrupted,
            ) => Self::Busy,
            // A search index that does not agree with its content, in a healthy file.
            Some(ErrorCode::DatabaseCorrupt)
                if error.sqlite_extended_error_code() == Some(SQLITE_CORRUPT_VTAB) =>
            {
                Self::Statement
            }
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::DiskFull
                | ErrorCode::OutOfMemory
                | ErrorCode::NoLargeFileSupport,
            ) => Self::Storage,
            Some(ErrorCode::ReadOnly) if is_moved(error) => Self::Storage,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::Permission,
            Some(ErrorCode::CannotOpen) => Self::CannotOpen,
            _ => Self::Statement,
        }
    }
}

/// `SQLITE_READONLY_DBMOVED`: the file was removed or replaced under us.
fn is_moved(error: &rusqlite::Error) -> bool {
    error.sqlite_extended_error_code() == Some(rusqlite::ffi::SQLITE_READONLY_DBMOVED)
}

/// SQLite's message without the statement's text, which rusqlite's own
/// `Display` appends and which can be megabytes.
#[must_use]
pub fn sqlite_message(error: &rusqlite::Error) -> String {
    short(whole_message(error), 500)
}

fn whole_message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqliteFailure(code, None) => match code.extended_code {
            // As SQLite itself says it; there is no connection to ask.
            rusqlite::ffi::SQLITE_BUSY => "database is locked".to_owned(),
            rusqlite::ffi::SQLITE_INTERRUPT => "interrupted".to_owned(),
            code => rusqlite::ffi::code_to_str(code).to_owned(),
        },
        other => other.to_string(),
    }
}

/// SQLite's message, and what to do where it does not say it.
#[must_use]
pub fn explained_message(error: &rusqlite::Error) -> String {
    use rusqlite::ffi;
    let message = sqlite_message(error);
    if message.contains("malformed database schema") && message.contains("non-deterministic") {
        return format!(
            "{message}: it has an index or a generated column on lower() or upper(), with which SQLPage cannot open it either; if it is not SQLPage's, use --profile sqlite"
        );
    }
    let advice = match error.sqlite_extended_error_code() {
        Some(ffi::SQLITE_READONLY_DIRECTORY) => {
            "SQLite makes a journal beside the database, so this user must be able to write to its directory too"
        }
        Some(ffi::SQLITE_READONLY_ROLLBACK | ffi::SQLITE_READONLY_RECOVERY) => {
            "a crash left a -journal or -wal file beside it, which must be brought in first: run this once as a user who may write to it"
        }
        Some(
            ffi::SQLITE_IOERR_LOCK
            | ffi::SQLITE_IOERR_RDLOCK
            | ffi::SQLITE_IOERR_UNLOCK
            | ffi::SQLITE_IOERR_CHECKRESERVEDLOCK,
        ) => {
            "the file system refuses locks, as some network, 9p and overlay file systems do: keep the database elsewhere, or use --vfs unix-dotfile, in every program that opens it"
        }
        Some(ffi::SQLITE_IOERR_SHMOPEN | ffi::SQLITE_IOERR_SHMLOCK | ffi::SQLITE_IOERR_SHMMAP) => {
            "the file system refuses the shared memory that WAL mode needs, as JFFS2 and 9p do: keep the database elsewhere, use --vfs unix-excl while no other program has it open, or leave WAL (PRAGMA journal_mode = DELETE) where it works"
        }
        Some(ffi::SQLITE_IOERR_SHMSIZE) => {
            "the -shm file beside it cannot grow: make room on its disk (or its file system has no shared memory for WAL mode, as JFFS2 and 9p)"
        }
        Some(ffi::SQLITE_IOERR_GETTEMPPATH) => NO_TEMPORARY,
        Some(ffi::SQLITE_READONLY_DBMOVED) => "its file was removed or replaced: run again",
        _ => match error.sqlite_error_code() {
            Some(ErrorCode::ReadOnly) => "may this user write to the file and to its directory?",
            Some(ErrorCode::CannotOpen) => {
                "may this user read and write the file and its directory, and are there file handles left?"
            }
            Some(ErrorCode::PermissionDenied) => "may this user read and write the file?",
            Some(ErrorCode::OperationInterrupted) => {
                "the time is over (--timeout): run again, or give it more"
            }
            Some(ErrorCode::FileLockingProtocolFailed) => {
                "another process holds the locks of its WAL all the time, or was stopped while it held them: try again"
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "another process holds a lock: try again, or wait longer with --lock-wait and, where it is given, --timeout"
            }
            Some(ErrorCode::DiskFull) => "make room on the disk that is full",
            Some(ErrorCode::OutOfMemory) => "give the process more memory",
            Some(ErrorCode::NotADatabase) => {
                "is it the right file? If it is, it is damaged: put a backup back (`litemigrate restore FILE`)"
            }
            Some(ErrorCode::DatabaseCorrupt) => {
                "the database is damaged: put a backup back (`litemigrate restore FILE`), or see what PRAGMA integrity_check says"
            }
            Some(ErrorCode::SystemIoFailure) => "look at the disk and its mount",
            _ => return message,
        },
    };
    format!("{message}: {advice}")
}

/// What to do where SQLite finds no directory for temporary files.
pub(crate) const NO_TEMPORARY: &str = "SQLite finds no directory for temporary files that this user can write to: name one in the environment variable SQLITE_TMPDIR";

/// Whether what a script did became part of the database after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It did not.
    No,
    /// COMMIT failed after it had happened: SQLite could not sync the folder after the
    /// journal was gone. A power cut may still undo it.
    Yes,
    /// COMMIT failed, and the history could not be read afterwards.
    Unknown,
}

/// A script that failed, and what is left of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ScriptError {
    /// The version of the migration.
    pub version: i64,
    /// The file.
    pub path: PathBuf,
    /// The statement or the token, unless the failure came at the end.
    pub position: Option<Position>,
    /// What SQLite said.
    pub message: String,
    /// What to do, where more can be said than the message says.
    pub remedy: Option<String>,
    /// What kind of failure.
    pub cause: Cause,
    /// The statements that stay done: 0 unless the script is `-- no-transaction`.
    pub statements_kept: usize,
    /// Whether the script ran in a transaction, so that nothing of it is left.
    pub rolled_back: bool,
    /// Whether it is in the database all the same.
    pub committed: Committed,
    /// How many scripts before it were rolled back with it.
    pub rolled_back_with_it: usize,
    /// The newest version in the history now.
    pub newest: Option<i64>,
}

/// Why the library stopped. Nothing was changed, except where a variant says so. `Debug` says
/// what `Display` does, because it is what `?` in `main` shows.
#[non_exhaustive]
pub enum Error {
    /// The migrations directory cannot be listed.
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder of another tool cannot be listed.
    Import {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What another tool has cannot be brought over; every reason is listed.
    NotImported {
        /// The folder of the other tool.
        path: PathBuf,
        /// One for each file or row.
        findings: Vec<Finding>,
    },
    /// The directory holds files that make it unusable; all of them are listed.
    Unusable {
        /// The directory.
        directory: PathBuf,
        /// One for each file.
        findings: Vec<Finding>,
        /// Files that are passed over but look like a mistake.
        warnings: Vec<Finding>,
    },
    /// The folder is not the one that was signed off.
    OtherFolder {
        /// The folder.
        path: PathBuf,
        /// The checksum that it should have, in hexadecimal.
        expected: String,
        /// The one that it has.
        found: String,
    },
    /// A script is no longer what it was at the start of the run.
    Changed {
        /// The file.
        path: PathBuf,
        /// What happened to it.
        message: String,
    },
    /// A script could be read at the start of the run, and cannot be now.
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A new migration file cannot be made.
    CannotCreate {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
    /// The version that was asked for is in no file.
    NoSuchVersion {
        /// The version.
        version: i64,
    },
    /// Files and history do not fit together; all problems are listed.
    Refused {
        /// At least one.
        problems: Vec<Problem>,
    },
    /// What was asked for makes no sense for this database.
    Declined {
        /// The database.
        database: PathBuf,
        /// Why, and what to do.
        message: String,
    },
    /// The database's schema is not what its migrations make.
    Drift {
        /// The database.
        database: PathBuf,
        /// One for each object.
        differences: Vec<Difference>,
    },
    /// The table of the history is not what sqlx makes.
    History {
        /// The table: `_sqlx_migrations`, unless another was named.
        table: String,
        /// The database.
        database: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A script failed.
    Script(Box<ScriptError>),
    /// A script drew a warning, and was rolled back because warnings refuse.
    Warned(Box<ScriptError>),
    /// A script failed where it was only replayed in memory.
    Replay(Box<ScriptError>),
    /// There is no such database, and it may not be created.
    NoDatabase {
        /// The database.
        path: PathBuf,
    },
    /// There is no such backup.
    NoBackup {
        /// What was named.
        path: PathBuf,
        /// What it is, and what to name.
        message: String,
    },
    /// SQLite or the file system failed.
    Database {
        /// The database.
        path: PathBuf,
        /// What was tried: completes "cannot …".
        doing: &'static str,
        /// What kind of failure.
        cause: Cause,
        /// What SQLite or the system said, and what to do.
        message: String,
    },
    /// The database cannot be created where it should be.
    CannotCreateDatabase {
        /// The database.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// A word on the command line is wrong.
    Usage {
        /// The option.
        option: String,
        /// What is wrong and what to write instead.
        message: String,
    },
    /// A database URL or a setting is wrong.
    Configuration {
        /// Where it was said: a file, an environment variable or an option.
        origin: String,
        /// What is wrong and what to do.
        message: String,
        /// The place in the file, where there is one.
        position: Option<Position>,
    },
}

impl Error {
    /// A failure of SQLite on the database of `connection`.
    #[must_use]
    pub fn database(
        connection: &rusqlite::Connection,
        doing: &'static str,
        error: &rusqlite::Error,
    ) -> Self {
        Self::Database {
            path: PathBuf::from(connection.path().unwrap_or_default()),
            doing,
            cause: Cause::of(error),
            message: explained_message(error),
        }
    }

    /// A stable word for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Directory { .. } | Self::Import { .. } => "directory",
            Self::Unusable { .. } => "unusable-scripts",
            Self::NotImported { .. } => "not-imported",
            Self::OtherFolder { .. } => "other-folder",
            Self::Changed { .. } => "script-changed",
            Self::Read { .. } => "read",
            Self::CannotCreate { .. } | Self::CannotCreateDatabase { .. } => "cannot-create",
            Self::NoSuchVersion { .. } => "no-such-version",
            Self::Refused { .. } => "refused",
            Self::Declined { .. } => "declined",
            Self::Drift { .. } => "drift",
            Self::History { .. } => "history",
            Self::Script(_) => "script",
            Self::Warned(_) => "warned",
            Self::Replay(_) => "replay",
            Self::NoDatabase { .. } => "no-database",
            Self::NoBackup { .. } => "no-backup",
            Self::Database { .. } => "database",
            Self::Configuration { .. } => "configuration",
            Self::Usage { .. } => "usage",
        }
    }

    /// The file or directory that the error is about, if it is about one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Directory { path, .. }
            | Self::Import { path, .. }
            | Self::NotImported { path, .. }
            | Self::OtherFolder { path, .. }
            | Self::Changed { path, .. }
            | Self::Read { path, .. }
            | Self::CannotCreate { path, .. }
            | Self::CannotCreateDatabase { path, .. }
            | Self::NoDatabase { path }
            | Self::NoBackup { path, .. }
            | Self::Database { path, .. } => Some(path),
            Self::Unusable { directory, .. } => Some(directory),
            Self::Declined { database, .. }
            | Self::Drift { database, .. }
            | Self::History { database, .. } => Some(database),
            Self::Script(script) | Self::Warned(script) | Self::Replay(script) => {
                Some(&script.path)
            }
            Self::Configuration { position, .. } => position.as_ref().map(|p| p.path.as_path()),
            Self::NoSuchVersion { .. } | Self::Refused { .. } | Self::Usage { .. } => None,
        }
    }

    /// The place in a file, where there is one.
    #[must_use]
    pub fn position(&self) -> Option<&Position> {
        match self {
            Self::Script(script) | Self::Warned(script) | Self::Replay(script) => {
                script.position.as_ref()
            }
            Self::Configuration { position, .. } => position.as_ref(),
            _ => None,
        }
    }
}

impl std::error::Error for Error {}
