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
    let is_plain = |migration: &Migration| migration.replaces.is_empty();
    if options.to.is_some() || !migrations.iter().all(is_plain) {
        return Ok(None);
    }
    let mut matching = Matching::new(migrations);
    let fits = |version, success, checksum: &[u8]| matching.fits(version, success, checksum);
    let all = all_rows_are(connection, &options.table, fits)?;
    Ok(matching.newest().filter(|_| all))
}

/// Rows and files, side by side.
pub(super) struct Matching<'a> {
    /// The files that no row was about, by version.
    files: &'a [Migration],
    newest: Option<i64>,
}

impl<'a> Matching<'a> {
    /// With files in the order in which a folder is read.
    pub fn new(files: &'a [Migration]) -> Self {
        Self {
            files: past_undoing(files),
            newest: None,
        }
    }

    /// Whether the next row is about the next file.
    pub fn fits(&mut self, version: i64, success: bool, checksum: &[u8]) -> bool {
        let Some((file, rest)) = self.files.split_first() else {
            return false;
        };
        self.files = past_undoing(rest);
        self.newest = Some(version);
        success && file.version == version && file.checksum.0 == checksum
    }

    /// The newest version, if every file had its row.
    pub fn newest(&self) -> Option<i64> {
        self.newest.filter(|_| self.files.is_empty())
    }
}

/// What undoes has no row of its own.
fn past_undoing(files: &[Migration]) -> &[Migration] {
    let applies = |file: &Migration| file.kind != Kind::Down;
    let next = files.iter().position(applies);
    &files[next.unwrap_or(files.len())..]
}

#[cfg(test)]
mod tests {
    use super::newest_if_settled;
    use crate::files::directory::embedded;
    use crate::plan::policy::Options;
    use rusqlite::Connection;

    #[test]
    fn it_is_settled_when_every_file_has_its_row() {
        let files = embedded(&[("1_a.sql", "SELECT 1"), ("2_b.sql", "SELECT 2")]).unwrap();
        let files = &files.migrations;
        let connection = Connection::open_in_memory().unwrap();
        let options = Options::default();
        let settled = || newest_if_settled(&connection, files, &options).unwrap();
        assert_eq!(settled(), None, "no table");
        crate::plan::history::create(&connection, &options.table).unwrap();
        let row = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (?1, '', ?2, ?3, 0)";
        for (file, expected) in files.iter().zip([None, Some(2)]) {
            let values = (file.version, true, &file.checksum.0[..]);
            connection.execute(row, values).unwrap();
            assert_eq!(settled(), expected, "{}", file.version);
        }
        let first = "UPDATE _sqlx_migrations SET success = 0";
        connection.execute(first, []).unwrap();
        assert_eq!(settled(), None, "failed");
    }
}
