//! Of which database each backup in a folder is: by their histories two that are copies of
//! one, or have none yet, are not told apart.
//!
//! Owns the small hidden file in the folder that says so, one for each name of a database.
//! Never touches a backup.

use super::folder::beginning;
use super::unfinished::LONGEST;
use super::{Job, is_another, write_whole};
use crate::database::permission::open_without_waiting;
use crate::database::permission::place::{Place, is_ours};
use crate::diagnostics::text::shown;
use crate::schema::history_table::HistoryTable;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The path of the database by the name of the backup.
#[derive(Default)]
pub(super) struct Owners(BTreeMap<OsString, PathBuf>);

/// The note's name: it is hidden, so that only backups are seen.
fn note(database: &Path, table: &HistoryTable) -> OsString {
    let mut name = OsString::from(".");
    name.push(beginning(database, table));
    name.push(".litemigrate-origin");
    name
}

impl Owners {
    /// What is noted of those whose names begin as those of this database do.
    pub(super) fn read(database: &Path, table: &HistoryTable, folder: &Path) -> io::Result<Self> {
        let note = folder.join(note(database, table));
        let mut owners = Self::default();
        if !is_ours(&note, database) {
            return Ok(owners);
        }
        let mut bytes = Vec::new();
        let file = open_without_waiting(&note)?;
        file.take(LONGEST).read_to_end(&mut bytes)?;
        let mut words = bytes.split(|byte| *byte == 0);
        while let (Some(name), Some(database)) = (words.next(), words.next()) {
            let word = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
            owners.0.insert(word(name), word(database).into());
        }
        Ok(owners)
    }

    /// The other database that this is the backup of, if that is still there.
    pub(super) fn another(&self, name: &OsStr, database: &Path) -> Option<&Path> {
        let origin = self.0.get(name)?;
        is_another(origin, database).then_some(origin)
    }

    /// Notes, durably, of which database the backup is that is to be made, and no more of
    /// those that are gone. The error names the note.
    pub(super) fn note(&mut self, job: &Job<'_>, folder: &Path, like: &Metadata) -> io::Result<()> {
        let name = job.file.file_name().unwrap_or_default().to_owned();
        self.0.retain(|name, _| folder.join(name).exists());
        let before = self.0.insert(name, job.database.to_owned());
        if before.as_deref() == Some(job.database) {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for (name, database) in &self.0 {
            for word in [name.as_bytes(), database.as_os_str().as_bytes()] {
                bytes.extend_from_slice(word);
                bytes.push(0);
            }
        }
        let note = note(job.database, job.table);
        let written = Place::in_folder(folder, &note);
        let written = written.and_then(|place| write_whole(&place, &bytes, like));
        written.map_err(|error| {
            io::Error::other(format!(
                "the note {} cannot be written ({error}): remove what is there",
                shown(&folder.join(note))
            ))
        })
    }
}
