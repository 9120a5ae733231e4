//! A folder of backups: one for each version of each database.
//!
//! Owns the names in it, and which of them may go. Removes nothing but older states of
//! the same database, and never the last.

use super::Job;
use crate::database::permission::place::Place;
use crate::diagnostics::error::Error;
use crate::diagnostics::sorted::sort;
use crate::operations::copy::{at, history_of};
use crate::plan::history::AppliedMigration;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Whether this names a folder: there is one, or the name can be nothing else.
pub(crate) fn is_folder(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(b"/") || path.is_dir()
}

/// The name of the backup of this version.
pub(crate) fn name_in(database: &Path, newest: Option<i64>) -> OsString {
    let mut name = database.file_name().unwrap_or_default().to_owned();
    match newest {
        Some(version) => name.push(format!(".v{version}")),
        None => name.push(".v-none"),
    }
    name
}

/// The backup of `database` in `folder` that was made last, by its name.
pub(crate) fn newest_in(folder: &Path, database: &Path) -> Option<PathBuf> {
    let mut start = database.file_name()?.as_bytes().to_vec();
    start.extend_from_slice(b".v");
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let ours = entries.filter(|entry| {
        let name = entry.file_name();
        let version = name.as_bytes().strip_prefix(&*start);
        let version = version.and_then(|version| std::str::from_utf8(version).ok());
        version.is_some_and(|version| version == "-none" || version.parse::<i64>().is_ok())
    });
    let newest = ours.max_by_key(|entry| entry.metadata().and_then(|found| found.modified()).ok());
    newest.map(|entry| entry.path())
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
pub(super) fn remove_older(job: &Job<'_>, folder: &Path, keep: usize) -> Result<(), Error> {
    let failed = |error: io::Error| Error::CannotCreate {
        path: folder.to_owned(),
        message: format!("older backups cannot be removed: {error}"),
    };
    let newest = job.history.last().map(|row| row.version);
    let mut found: Vec<Option<i64>> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let start = name_in(job.database, None);
        let version = match name == start {
            true => Some(None),
            false => version_in(job, name.as_bytes()).map(Some),
        };
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        found.extend(version.filter(|version| is_file && *version < newest));
    }
    sort(&mut found, &|a, b| b.cmp(a));
    for version in found.into_iter().skip(keep - 1) {
        let path = folder.join(name_in(job.database, version));
        let is_ours = history_of(&at(&path, job.vfs), job.table, job.limits).is_ok_and(|history| {
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

/// The version in a name that `name_in` would give.
fn version_in(job: &Job<'_>, name: &[u8]) -> Option<i64> {
    let mut start = job.database.file_name()?.as_bytes().to_vec();
    start.extend_from_slice(b".v");
    let version = std::str::from_utf8(name.strip_prefix(start.as_slice())?).ok()?;
    let version = version.parse::<i64>().ok()?;
    (name_in(job.database, Some(version)).as_bytes() == name).then_some(version)
}
