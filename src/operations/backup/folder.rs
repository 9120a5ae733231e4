//! A folder of backups: one for each version of each database.
//!
//! Owns the names in it, and which of them may go. Removes nothing but older states of
//! the same database, and never the last, and copies that were never complete.

use super::copying::Job;
use super::judge::has_shared_row;
use super::origin::{self, Begins, Found, Origin};
use crate::database::permission::directory_of;
use crate::database::permission::place::{Place, lead_to_one};
use crate::diagnostics::sorted::sort;
use crate::operations::copy::{at, history_of};
use crate::schema::history_table::HistoryTable;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A backup in a folder, by its name.
pub(super) struct Copy {
    /// `None` of the state before the first version.
    pub version: Option<i64>,
    /// Which of those of that version.
    pub number: usize,
    pub path: PathBuf,
    modified: Option<SystemTime>,
}

/// Whether this names a folder: there is one, or the name can be nothing else.
pub(crate) fn is_folder(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(b"/") || path.is_dir()
}

/// What the names of all backups of a database begin with: its own name, and that of the
/// history's table where it is not the usual one, because two may share a database.
fn beginning(database: &Path, table: &HistoryTable) -> OsString {
    let mut name = database.file_name().unwrap_or_default().to_owned();
    if *table != HistoryTable::default() {
        name.push(format!(".{}", table.name()));
    }
    name
}

/// The name of the backup of this version; of others of the same version from the second on
/// with their number.
pub(crate) fn name_in(
    database: &Path,
    table: &HistoryTable,
    newest: Option<i64>,
    number: usize,
) -> OsString {
    let mut name = beginning(database, table);
    match newest {
        Some(version) => name.push(format!(".v{version}")),
        None => name.push(".v-none"),
    }
    if number > 1 {
        name.push(format!(".{number}"));
    }
    name
}

/// Which version a name in a folder is of, and which of those, if it is a backup's.
fn version_in(name: &[u8], database: &Path, table: &HistoryTable) -> Option<(Option<i64>, usize)> {
    let start = beginning(database, table);
    let rest = name.strip_prefix(start.as_bytes())?.strip_prefix(b".v")?;
    let rest = std::str::from_utf8(rest).ok()?;
    let (version, number) = match rest.split_once('.') {
        Some((version, number)) => (version, number.parse().ok()?),
        None => (rest, 1),
    };
    let version = match version {
        "-none" => None,
        version => Some(version.parse().ok()?),
    };
    let is_it = name_in(database, table, version, number).as_bytes() == name;
    is_it.then_some((version, number))
}

/// All that have the name of a backup of this database, the oldest version first.
pub(super) fn all_in(
    folder: &Path,
    database: &Path,
    table: &HistoryTable,
) -> io::Result<Vec<Copy>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some((version, number)) = version_in(name.as_bytes(), database, table) else {
            continue;
        };
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let metadata = entry.metadata().ok();
            found.push(Copy {
                version,
                number,
                path: folder.join(&name),
                modified: metadata.and_then(|found| found.modified().ok()),
            });
        }
    }
    sort(&mut found, &|a: &Copy, b: &Copy| {
        (a.version, a.number).cmp(&(b.version, b.number))
    });
    Ok(found)
}

/// The backup of `database` in `folder` to be put back: the state before an update that is
/// not over, if there is one, else the one that was made last, by its time; and which.
pub(crate) fn best_in(
    folder: &Path,
    database: &Path,
    table: &HistoryTable,
) -> Option<(PathBuf, bool)> {
    // It may be gone.
    let name = database.file_name()?;
    let real = std::fs::canonicalize(database).ok().or_else(|| {
        let directory = std::fs::canonicalize(directory_of(database)).ok()?;
        Some(directory.join(name))
    });
    let database = real?;
    let all = all_in(folder, &database, table).ok()?.into_iter();
    let ours = all.filter_map(|copy| match Origin::read(&copy.path) {
        Found::Known(origin) if origin.belongs_to(&database, table) => {
            Some((copy, origin.update.is_some()))
        }
        Found::Known(_) => None,
        _ => Some((copy, false)),
    });
    // Of several the first is that before all of them.
    let (before, others): (Vec<_>, Vec<_>) = ours.partition(|(_, is_before)| *is_before);
    let first = before.into_iter().min_by_key(|(copy, _)| copy.modified);
    let best = first.or_else(|| others.into_iter().max_by_key(|(copy, _)| copy.modified));
    best.map(|(copy, is_before)| (copy.path, is_before))
}

/// Removes the oldest backups of the database of `job`, by version, so that `keep` are
/// left with the one that was made for this run. Those of later versions stay, as `down`
/// leaves them, and so do the states before an update that is not over, and what is not
/// known to be this database's: by the note, and by the history, for one that was lost and
/// made anew has the same path.
pub(super) fn remove_older(job: &Job<'_>, folder: &Path, keep: usize) -> io::Result<()> {
    let newest = job.history.last().map(|row| row.version);
    let all = all_in(folder, job.database, job.table)?;
    let is_older = |copy: &Copy| {
        let is_over = is_ours(job, copy, |origin| origin.update.is_none());
        copy.version <= newest && !lead_to_one(&copy.path, &job.file) && is_over
    };
    let older: Vec<Copy> = all.into_iter().filter(is_older).collect();
    for copy in older.into_iter().rev().skip(keep.saturating_sub(1)) {
        remove(&copy)?;
    }
    Ok(())
}

/// Of an update that is tried again and again, and undone or cut off each time, the state
/// before the first try stays, and those before the last `keep`.
pub(super) fn remove_tries(job: &Job<'_>, folder: &Path, keep: usize) -> io::Result<()> {
    let newest = job.history.last().map(|row| row.version);
    let is_try = |copy: &Copy| {
        // Or given up, by a restore.
        let is_begun = |origin: &Origin| match origin.begins() {
            Some(begins) => begins == Begins::Begun,
            None => !origin.is_void,
        };
        copy.version == newest
            && !lead_to_one(&copy.path, &job.file)
            && is_ours(job, copy, is_begun)
    };
    let all = all_in(folder, job.database, job.table)?.into_iter();
    let tries: Vec<Copy> = all.filter(is_try).skip(1).collect();
    for copy in tries.into_iter().rev().skip(keep.saturating_sub(1)) {
        remove(&copy)?;
    }
    Ok(())
}

/// Whether a copy is of this database, by its note and by its history: one that was lost and
/// made anew has the same path.
fn is_ours(job: &Job<'_>, copy: &Copy, is_so: impl Fn(&Origin) -> bool) -> bool {
    let is_known = match Origin::read(&copy.path) {
        Found::Known(origin) => origin.belongs_to(job.database, job.table) && is_so(&origin),
        _ => false,
    };
    // One from before the first migration has no history.
    let found = || history_of(&at(&copy.path, job.vfs), job.table, job.limits);
    is_known && found().is_ok_and(|found| has_shared_row(&found, &job.history))
}

fn remove(copy: &Copy) -> io::Result<()> {
    Place::of(&copy.path)?.remove("")?;
    origin::forget(&copy.path);
    Ok(())
}
