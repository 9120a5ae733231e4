//! Which script of a run has made what, and which has taken what away.
//!
//! Owns whom a warning names that is given at the end of the run. Judges nothing.

use crate::schema::last_row;
use crate::script::Ran;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Default)]
pub(super) struct Blame {
    /// The last script that has dropped or renamed something.
    last: PathBuf,
    /// Which script was the last to drop or alter what has, or had, this name, after how many
    /// others that did.
    droppers: BTreeMap<String, (usize, PathBuf)>,
    drops: usize,
    /// Which script has made what looks for something else.
    makers: BTreeMap<String, PathBuf>,
    /// The last row of the schema before the first script: what was made since comes after it.
    first_row: Option<i64>,
}

impl Blame {
    /// The first script is about to begin.
    pub(super) fn begin(&mut self, connection: &Connection) {
        if self.first_row.is_none() {
            self.first_row = last_row(connection).ok();
        }
    }

    /// A script has come to its end.
    pub(super) fn note(&mut self, script: &Path, ran: &mut Ran) {
        if let (Some(row), Some(lowest)) = (&mut self.first_row, ran.lowest_last_row) {
            *row = lowest.min(*row);
        }
        for name in std::mem::take(&mut ran.looking) {
            self.makers.insert(name, script.to_owned());
        }
        if ran.drops {
            self.note_drop(script);
            self.drops += 1;
            for name in std::mem::take(&mut ran.gone) {
                self.droppers.insert(name, (self.drops, script.to_owned()));
            }
        }
    }

    /// A script has dropped or renamed something, and what that was stays gone.
    pub(super) fn note_drop(&mut self, script: &Path) {
        script.clone_into(&mut self.last);
    }

    /// The last script that has dropped or altered one of these, or else anything.
    pub(super) fn dropper(&self, names: impl IntoIterator<Item = impl AsRef<str>>) -> &Path {
        let names = names.into_iter();
        let found = names.filter_map(|name| self.droppers.get(&name.as_ref().to_ascii_lowercase()));
        let last = found.max_by_key(|(place, _)| *place);
        last.map_or(&self.last, |(_, path)| path)
    }

    /// The row of the schema after which stands what the scripts have made, if any of that
    /// looks for something else.
    pub(super) fn made_after(&self) -> Option<i64> {
        self.first_row.filter(|_| !self.makers.is_empty())
    }

    pub(super) fn maker(&self, name: &str) -> Option<&Path> {
        let found = self.makers.get(&name.to_ascii_lowercase());
        found.map(PathBuf::as_path)
    }
}
