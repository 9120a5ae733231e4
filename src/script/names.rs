//! The names that a script gives: to what looks for something else, and to tables that have
//! another already.
//!
//! Owns what is remembered of them, in lower case. Judges nothing.

use super::runner::Runner;
use crate::schema::tokens::tokens;

impl Runner<'_> {
    /// A view, a trigger or a table was made, or a table altered: whether it looks for
    /// something else.
    pub(super) fn note_looking(&mut self) {
        let notes = self.seen.notes();
        let refers = || {
            let mut tokens = tokens(self.place.text());
            tokens.any(|token| token.is_word("references"))
        };
        let made = notes.created_part.as_ref();
        let tables = [&notes.created, &notes.altered].into_iter().flatten();
        let tables = tables.filter(|(schema, _)| schema == "main" && refers());
        let names = made.into_iter().chain(tables.map(|(_, table)| table));
        let names: Vec<String> = names.map(|name| name.to_ascii_lowercase()).collect();
        drop(notes);
        self.ran.looking.extend(names);
    }

    /// ALTER TABLE of this table was run: maybe it has another name now.
    pub(super) fn note_rename(&mut self, table: Option<&str>) {
        let Some(name) = renamed_to(self.place.text()) else {
            return;
        };
        self.renames
            .extend(table.map(|old| (old.to_ascii_lowercase(), name.clone())));
        let old = table.map(str::to_ascii_lowercase);
        if old.is_some_and(|old| self.ran.looking.contains(&old)) {
            self.ran.looking.insert(name.clone());
        }
        self.ran.gone.push(name.clone());
        self.renamed.insert(name);
    }

    /// Whether the script has given this name to a table that had another.
    pub(super) fn is_renamed(&self, table: &str) -> bool {
        self.renamed.contains(&table.to_ascii_lowercase())
    }
}

/// The name that `ALTER TABLE … RENAME TO` gives, in lower case.
pub(super) fn renamed_to(statement: &str) -> Option<String> {
    let mut tokens = tokens(statement).skip_while(|token| !token.is_word("rename"));
    let (_, to) = (tokens.next()?, tokens.next()?);
    let name = to.is_word("to").then(|| tokens.next())??;
    Some(name.content().to_ascii_lowercase())
}
