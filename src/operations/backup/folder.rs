//! A folder of backups: one for each version of each database.
//!
//! Owns the names in it, and which of them may go. Removes nothing but older states of
//! the same database, and never the last, and copies that were never complete.

use super::owners::Owners;
use super::unfinished::MARK;
use super::{Job, TEMPORARY};
use crate::database::permission::place::Place;
use crate::diagnostics::error::Error;
use crate::diagnostics::sorted::sort;
use crate::operations::copy::{at, history_of};
use crate::plan::history::AppliedMigration;
use crate::schema::history_table::HistoryTable;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Whether this names a folder: there is one, or the name can be nothing else.
pub(crate) fn is_folder(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(b"/") || path.is_dir()
}

/// What the names of all backups of a database begin with: its own name, and that of the
/// history's table where it is not the usual one, because two may share a database.
pub(super) fn beginning(database: &Path, table: &HistoryTable) -> OsString {
    let mut name = database.file_name().unwrap_or_default().to_owned();
    if *table != HistoryTable::default() {
        name.push(format!(".{}", table.name()));
    }
    name
}

/// The name of the backup of this version.
pub(crate) fn name_in(database: &Path, table: &HistoryTable, newest: Option<i64>) -> OsString {
    let mut name = beginning(database, table);
    match newest {
        Some(version) => name.push(format!(".v{version}")),
        None => name.push(".v-none"),
    }
    name
}

/// Which version a name in a folder is of, with `ending` after it, if it is a backup's:
/// `None` within is the state before the first.
fn version_in(
    name: &[u8],
    database: &Path,
    table: &HistoryTable,
    ending: &str,
) -> Option<Option<i64>> {
    let name = name.strip_suffix(ending.as_bytes())?;
    let start = beginning(database, table);
    let version = name.strip_prefix(start.as_bytes())?.strip_prefix(b".v")?;
    let version = match version {
        b"-none" => None,
        version => Some(std::str::from_utf8(version).ok()?.parse().ok()?),
    };
    (name_in(database, table, version).as_bytes() == name).then_some(version)
}

/// The backup of `database` in `folder` that was made last, by its name.
pub(crate) fn newest_in(folder: &Path, database: &Path, table: &HistoryTable) -> Option<PathBuf> {
    let owners = Owners::read(database, table, folder).unwrap_or_default();
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let ours = entries.filter(|entry| {
        let name = entry.file_name();
        version_in(name.as_bytes(), database, table, "").is_some()
            && owners.another(&name, database).is_none()
    });
    let newest = ours.max_by_key(|entry| entry.metadata().and_then(|found| found.modified()).ok());
    newest.map(|entry| entry.path())
}

/// The backups in the folder that have a mark, without it.
pub(super) fn marked(job: &Job<'_>, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        if let Some(version) = version_in(name.as_bytes(), job.database, job.table, MARK) {
            found.push(folder.join(name_in(job.database, job.table, version)));
        }
    }
    Ok(found)
}

/// Removes copies that a killed run has left, whatever version they are of: nobody else
/// makes one of this database while we hold its lock. What may not be removed is another's.
pub(super) fn remove_cut_off(job: &Job<'_>, folder: &Path, owners: &Owners) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        for suffix in ["", "-wal", "-journal"] {
            let ending = format!("{TEMPORARY}{suffix}");
            if let Some(version) = version_in(name.as_bytes(), job.database, job.table, &ending) {
                let backup = name_in(job.database, job.table, version);
                if owners.another(&backup, job.database).is_none() {
                    let _ = Place::of(&folder.join(backup)).and_then(|p| p.remove(&ending));
                }
            }
        }
    }
    Ok(())
}

/// By what a row is known again, though its script was repaired since.
pub(super) fn origins(
    history: &[AppliedMigration],
) -> impl Iterator<Item = (i64, &str, i64)> + Clone {
    history
        .iter()
        .map(|row| (row.version, row.installed_on.as_str(), row.execution_time))
}

/// Removes the oldest backups of the database of `job`, by version, so that `keep` are
/// left with the one that was just made. Those of later versions stay, as `down` leaves
/// them, and so does what is no earlier state of this database.
pub(super) fn remove_older(
    job: &Job<'_>,
    folder: &Path,
    owners: &Owners,
    keep: usize,
) -> Result<(), Error> {
    let failed = |error: io::Error| Error::CannotCreate {
        path: folder.to_owned(),
        message: format!("older backups cannot be removed: {error}"),
    };
    let newest = job.history.last().map(|row| row.version);
    let mut found: Vec<Option<i64>> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let version = version_in(name.as_bytes(), job.database, job.table, "");
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        found.extend(version.filter(|version| is_file && *version < newest));
    }
    sort(&mut found, &|a, b| b.cmp(a));
    for version in found.into_iter().skip(keep - 1) {
        let name = name_in(job.database, job.table, version);
        let path = folder.join(&name);
        let is_ours = owners.another(&name, job.database).is_none()
            && history_of(&at(&path, job.vfs), job.table, job.limits).is_ok_and(|history| {
                let mut ours = origins(&job.history);
                origins(&history).all(|row| ours.any(|own| own == row))
            });
        if is_ours {
            Place::of(&path)
                .and_then(|place| place.remove(""))
                .map_err(failed)?;
        }
    }
    Ok(())
}
