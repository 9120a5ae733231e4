//! What migrations make of an empty database, and how a real one differs from it.
//!
//! Owns the replay in memory. Touches no file; the database is only compared with.

use crate::diagnostics::difference::{Difference, DifferenceKind};
use crate::diagnostics::error::{Cause, Error, explained_message};
use crate::diagnostics::problem::listed;
use crate::files::foreign::whose_table;
use crate::files::migration::{Kind, Migration};
use crate::operations::apply;
use crate::plan::Plan;
use crate::plan::policy::Options;
use crate::schema::Schema;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;

/// What scripts made of a database in memory.
#[derive(Debug)]
pub struct Replayed {
    /// What was there before them, such as what `on_connect.sql` makes.
    given: Schema,
    schema: Schema,
}

/// Runs scripts on a database in memory, in this order, and tells what they make.
/// Nothing outside of `memory` is touched: a script that attaches a file or
/// vacuums into one stops the replay.
///
/// # Errors
///
/// [`Error::Replay`] if a script fails; [`Error::Changed`], [`Error::Database`].
pub fn replay(
    memory: &mut Connection,
    scripts: &[&Migration],
    options: &Options,
) -> Result<Replayed, Error> {
    let read = |memory: &Connection| {
        Schema::read(memory).map_err(|error| Error::database(memory, "read the schema", &error))
    };
    let given = read(memory)?;
    apply::replay(memory, scripts, options).map_err(|error| match error {
        Error::Script(script) => Error::Replay(script),
        other => other,
    })?;
    let schema = read(memory)?;
    Ok(Replayed { given, schema })
}

impl Replayed {
    /// What the scripts made.
    #[must_use]
    pub fn made(&self) -> Schema {
        let mut made = self.schema.clone();
        made.remove_all(&self.given);
        made
    }

    /// Refuses if a schema is not what the scripts made. What was there before
    /// them, and is as it was, may be in it or not, and so may what matches a pattern
    /// of `ignore`, and what Litestream makes.
    ///
    /// # Errors
    ///
    /// [`Error::Drift`] with every object that is missing, extra or different.
    pub fn refuse_drift(
        &self,
        database: &Path,
        found: &Schema,
        ignore: &[String],
    ) -> Result<(), Error> {
        let mut untouched = self.given.clone();
        untouched.keep_all(&self.schema);
        let [mut expected, mut found] = [self.schema.clone(), found.clone()];
        expected.remove_named(&untouched);
        found.remove_named(&untouched);
        let others = LITESTREAM
            .iter()
            .filter(|name| !expected.has("table", name));
        let globs: Vec<String> = others.map(|name| (*name).to_owned()).collect();
        let globs = [ignore, &globs].concat();
        for schema in [&mut expected, &mut found] {
            schema
                .remove_matching(&globs)
                .map_err(|error| Error::Database {
                    path: database.to_owned(),
                    doing: "compare the schema",
                    cause: Cause::of(&error),
                    message: explained_message(&error),
                })?;
        }
        let mut differences = expected.differences(&found);
        for difference in &mut differences {
            if let Some(tool) = history_of(difference) {
                difference.kind = DifferenceKind::HistoryOf(tool);
            }
        }
        if !differences.iter().any(Difference::is_drift) {
            return Ok(());
        }
        Err(Error::Drift {
            database: database.to_owned(),
            differences,
        })
    }
}

/// Whose history an extra table is, or the table that an extra index is on.
fn history_of(difference: &Difference) -> Option<String> {
    if difference.kind != DifferenceKind::Extra {
        return None;
    }
    let table = match (difference.object.as_str(), &difference.found) {
        ("table", _) => difference.name.as_str(),
        ("index", Some(sql)) => index_table(sql)?,
        _ => return None,
    };
    whose_table(table)
}

/// The name after ON in an index's SQL, without quotes.
fn index_table(sql: &str) -> Option<&str> {
    let on = sql.to_ascii_uppercase().find(" ON ")?;
    let rest = sql[on + 4..].trim_start();
    let name = rest.split(['(', ' ']).next()?;
    Some(name.trim_matches(['"', '`', '[', ']']))
}

/// The tables that Litestream makes in every database that it replicates.
const LITESTREAM: [&str; 2] = ["_litestream_lock", "_litestream_seq"];

/// The scripts of the applied versions, in the order in which they were applied,
/// as [`order_of_application`](crate::plan::history::order_of_application) tells it.
///
/// # Errors
///
/// [`Error::Declined`] if a version cannot be replayed because its script is gone.
pub fn applied_scripts<'a>(
    database: &Path,
    migrations: &'a [Migration],
    plan: &Plan<'_>,
    order: &[i64],
) -> Result<Vec<&'a Migration>, Error> {
    let applies = migrations.iter().filter(|m| m.kind != Kind::Down);
    let scripts: BTreeMap<i64, &Migration> = applies.map(|m| (m.version, m)).collect();
    // What a file replaces has made what the file makes: it is replayed where the
    // last of them was applied.
    let mut replaced: BTreeMap<i64, i64> = BTreeMap::new();
    for state in &plan.states {
        let version = state.version();
        let rows = plan.replaced_by(version).unwrap_or_default();
        replaced.extend(rows.iter().map(|row| (*row, version)));
    }
    let mut last = BTreeMap::new();
    for version in order {
        last.extend(replaced.get(version).map(|by| (*by, *version)));
    }
    let script = |version: &i64| match replaced.get(version) {
        Some(by) if last.get(by) == Some(version) => scripts.get(by).copied(),
        Some(_) => None,
        None => scripts.get(version).copied(),
    };
    let gone: Vec<i64> = order
        .iter()
        .filter(|version| !replaced.contains_key(version) && !scripts.contains_key(version))
        .copied()
        .collect();
    if !gone.is_empty() {
        return Err(Error::Declined {
            database: database.to_owned(),
            message: format!(
                "the schema cannot be compared, because what was applied cannot be replayed: there is no file of version {}; put it back, or check without --drift",
                listed(&gone)
            ),
        });
    }
    Ok(order.iter().filter_map(script).collect())
}
