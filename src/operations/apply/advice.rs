//! What to do about a script that makes what is there already.
//!
//! Owns this one remedy, which depends on the history besides the script. Looks at the
//! database, and ends the transaction of the script that failed.

use super::run::Run;
use crate::database::transaction::roll_back;
use crate::script::{self, Stopped};
use rusqlite::Connection;

impl Run<'_, '_> {
    /// "already exists" in a database that has no history of ours, and had it before the
    /// script: it was not migrated by us, but has what the script makes.
    pub(super) fn advise(&self, connection: &Connection, is_undone: bool, stopped: &mut Stopped) {
        let Some(name) = existing(&stopped.message) else {
            return;
        };
        // Nothing of ours is there, and nothing of the script when it is rolled back.
        let is_first = self.newest.is_none() && (is_undone || stopped.statements == 0);
        if stopped.remedy.is_some() || (is_undone && !is_first) {
            return;
        }
        if !is_undone {
            // An earlier start may have made it, and failed later.
            let mut remedy = "if an earlier start of this script has made it (it runs outside a transaction, so what was done stays), let the script pass over what is there (IF NOT EXISTS)".to_owned();
            if is_first {
                remedy.push_str("; `litemigrate baseline VERSION` is for a database that holds all that these scripts make");
            }
            stopped.remedy = Some(remedy);
            return;
        }
        roll_back(connection);
        let query = "SELECT 1 FROM main.sqlite_schema WHERE name = ?1 COLLATE NOCASE";
        let was_there = connection
            .prepare(query)
            .and_then(|mut statement| statement.exists([name]));
        if was_there.is_ok_and(|was_there| was_there) {
            let others = script::histories(connection).unwrap_or_default();
            let table = &self.job.options.table;
            stopped.remedy = Some(match others.iter().find(|other| !table.is(other)) {
                Some(other) => format!(
                    "the database has no history in {table}, but one in {other}: if that is the one of these scripts, name it with --table"
                ),
                None => "the database has tables and no history: if it holds what these scripts make, `litemigrate baseline VERSION` records them as applied, up to the version that it is at, without running them".to_owned(),
            });
        }
    }
}

/// The name in `table t already exists`, `there is already a table named t`.
fn existing(message: &str) -> Option<&str> {
    if let Some((_, name)) = message.split_once("there is already ") {
        return name.split_once(" named ").map(|(_, name)| name);
    }
    let what = message.strip_suffix(" already exists")?;
    what.split_once(' ').map(|(_, name)| name)
}
