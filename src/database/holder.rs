//! Who holds a lock on a database, as far as Linux tells (`/proc/locks`, proc(5)).
//!
//! For a message, never for a decision. Opens no database.

use crate::database::permission::with_suffix;
use crate::diagnostics::text::escape;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The first byte of the range in which readers in rollback-journal mode lock
/// (`PENDING_BYTE + 2` of SQLite's os.h).
const READERS: u64 = 0x4000_0002;

/// The process that keeps others from writing, as `name (pid 123)`: who writes, or else
/// who reads, for a commit in rollback-journal mode waits for readers.
#[must_use]
pub fn lock_holder(database: &Path) -> Option<String> {
    let database = std::fs::canonicalize(database).ok()?;
    let inode = |path: &Path| std::fs::metadata(path).map(|found| found.ino()).ok();
    let [file, shared_memory] =
        [&database, &with_suffix(&database, "-shm")].map(|path| inode(path));
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let own = std::process::id().to_string();
    let mut reader = None;
    for line in locks.lines() {
        // "1: POSIX  ADVISORY  WRITE 708 08:01:1313 1073741825 1073741825"
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, _, _, kind, pid, place, first, ..] = words.as_slice() else {
            continue;
        };
        let inode = place
            .rsplit(':')
            .next()
            .and_then(|inode| inode.parse().ok());
        if inode.is_none() || *pid == own || (inode != file && inode != shared_memory) {
            continue;
        }
        match *kind {
            "WRITE" => return Some(format!("{} holds a lock on it", process(pid))),
            "READ" if inode == file && first.parse() == Ok(READERS) => reader = Some(*pid),
            _ => {}
        }
    }
    reader.map(|pid| format!("{} is reading it, and keeps writers waiting", process(pid)))
}

fn process(pid: &str) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("{} (pid {pid})", escape(name.trim()))
}
