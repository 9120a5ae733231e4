//! Whether all is done, without a plan: the common case of every minute and every boot.
//!
//! Owns what may be left out then. Never says why something is to be done: the plan does.

use crate::diagnostics::error::Error;
use crate::files::migration::{Kind, Migration};
use crate::plan::history::all_rows_are;
use crate::plan::policy::Options;
use rusqlite::Connection;

/// The newest version, if the history holds the files that apply and nothing else, each
/// with its checksum and in order: then a plan has neither problems nor anything to do.
/// `None` says nothing: a plan must be made.
///
/// # Errors
///
/// As [`read`](crate::plan::history::read).
pub(crate) fn newest_if_settled(
    connection: &Connection,
    migrations: &[Migration],
    options: &Options,
) -> Result<Option<i64>, Error> {
    let applies = |migration: &&Migration| migration.kind != Kind::Down;
    let plain = |migration: &Migration| migration.replaces.is_empty();
    if options.to.is_some() || !migrations.iter().all(plain) {
        return Ok(None);
    }
    let mut files = migrations.iter().filter(applies);
    let mut newest = None;
    let matching = all_rows_are(connection, &options.table, |version, success, checksum| {
        // The files are in order, so the rows are if each belongs to the next file, and
        // two files of one version belong to no two rows.
        newest = Some(version);
        let fits = |file: &Migration| file.version == version && file.checksum.0 == checksum;
        success && files.next().is_some_and(fits)
    })?;
    Ok(newest.filter(|_| matching && files.next().is_none()))
}
