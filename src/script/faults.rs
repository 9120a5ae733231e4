//! Pragmas of a script that look for faults, and whose answer nobody reads.
//!
//! Owns what counts as a fault. Looks for none itself.

use super::Stopped;
use super::runner::Runner;
use crate::diagnostics::text::counted;
use rusqlite::Statement;

impl Runner<'_> {
    /// Whether the pragma that is about to run looks for faults, and answers with them.
    pub(super) fn asks_for_faults(&self) -> bool {
        let asks = ["foreign_key_check", "integrity_check", "quick_check"];
        let notes = self.seen.notes();
        let name = notes.pragma.as_ref().map(|pragma| pragma.name.as_str());
        !self.rules.replayed && name.is_some_and(|name| asks.contains(&name))
    }

    /// Steps it to its end: how many it has found.
    pub(super) fn step_to_faults(&self, statement: &mut Statement<'_>) -> rusqlite::Result<usize> {
        // A table may be called so, of which foreign_key_check tells.
        let is_alone = statement.column_count() == 1;
        let mut rows = statement.raw_query();
        let mut faults = 0;
        while let Some(row) = rows.next()? {
            let is_ok = is_alone && row.get_ref(0)?.as_bytes_or_null() == Ok(Some(b"ok"));
            faults += usize::from(!is_ok);
        }
        Ok(faults)
    }

    pub(super) fn warn_of_faults(&mut self, faults: usize) -> Result<(), Stopped> {
        let name = self
            .seen
            .notes()
            .pragma
            .as_ref()
            .map(|pragma| pragma.name.clone());
        let message = format!(
            "PRAGMA {} finds {}, and nobody hears of it: run it in a shell, and mend what it says",
            name.unwrap_or_default(),
            counted(faults, "fault", "faults")
        );
        self.warn("faults-found", message)
    }
}
