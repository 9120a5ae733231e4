//! The calls that SQLite makes of a machine, and how they fail.
//!
//! Owns the lists. Does nothing.

use litemigrate::rusqlite::ffi;
use std::ffi::c_int;

/// What SQLite asks of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    Open,
    Delete,
    Access,
    Read,
    Write,
    Truncate,
    Sync,
    FileSize,
    Lock,
    Unlock,
    CheckReserved,
    ShmMap,
    ShmLock,
    ShmBarrier,
    ShmUnmap,
    Close,
}

impl Call {
    /// How it can fail (sqlite.org/rescode.html).
    pub fn errors(self) -> &'static [c_int] {
        match self {
            Self::Open => &[ffi::SQLITE_CANTOPEN, ffi::SQLITE_IOERR_NOMEM],
            // The second one after the file is gone.
            Self::Delete => &[ffi::SQLITE_IOERR_DELETE, ffi::SQLITE_IOERR_DIR_FSYNC],
            Self::Access => &[ffi::SQLITE_IOERR_ACCESS],
            Self::Read => &[ffi::SQLITE_IOERR_READ, ffi::SQLITE_IOERR_CORRUPTFS],
            Self::Write => &[ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_FULL],
            Self::Truncate => &[ffi::SQLITE_IOERR_TRUNCATE],
            Self::Sync => &[ffi::SQLITE_IOERR_FSYNC],
            Self::FileSize => &[ffi::SQLITE_IOERR_FSTAT],
            Self::Lock => &[ffi::SQLITE_IOERR_LOCK],
            Self::Unlock => &[ffi::SQLITE_IOERR_UNLOCK],
            Self::CheckReserved => &[ffi::SQLITE_IOERR_CHECKRESERVEDLOCK],
            Self::ShmMap => &[ffi::SQLITE_IOERR_SHMMAP, ffi::SQLITE_IOERR_SHMSIZE],
            Self::ShmLock => &[ffi::SQLITE_IOERR_SHMLOCK],
            Self::ShmBarrier | Self::ShmUnmap | Self::Close => &[],
        }
    }

    pub fn is_needed_to_read(self) -> bool {
        !matches!(
            self,
            Self::Delete | Self::Write | Self::Truncate | Self::Sync | Self::Unlock
        )
    }

    /// Whether it matters to others when it happens: locks, names, and what is written.
    pub fn is_visible(self) -> bool {
        !matches!(
            self,
            Self::Read | Self::FileSize | Self::Close | Self::ShmUnmap | Self::ShmMap
        )
    }
}

/// For how long calls fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// This call only.
    Once,
    /// From this call on each of its kind.
    Kind,
    /// From this call on each of every kind.
    Every,
}

/// The call that fails.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub at: usize,
    /// Which of the call's errors.
    pub error: usize,
    pub span: Span,
}

/// A machine that does not keep what it promises: faults that the exploration must find.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lies {
    pub sync: bool,
    pub directory_sync: bool,
    pub directory_sync_after_removal: bool,
    pub locks: bool,
}
