//! The tables in which other tools keep what they have applied: the only SQL about them.
//!
//! Owns what their rows mean. Reads a real table with that tool's own columns and nothing
//! else; writes nothing.

use crate::diagnostics::error::Error;
use crate::files::foreign::{TOOLS, Tool};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use std::collections::BTreeMap;

/// A time in whatever form a tool keeps it, as `YYYY-MM-DD HH:MM:SS` in UTC: text that
/// SQLite understands, text of Go with a zone of `+0000 UTC`, seconds or milliseconds.
macro_rules! time {
    ($column:literal) => {
        concat!(
            "CASE typeof(",
            $column,
            ") WHEN 'integer' THEN strftime('%Y-%m-%d %H:%M:%S', ",
            $column,
            " / iif(",
            $column,
            " > 100000000000, 1000, 1), 'unixepoch') ELSE coalesce(strftime('%Y-%m-%d %H:%M:%S', ",
            $column,
            "), iif(instr(",
            $column,
            ", '+0000'), strftime('%Y-%m-%d %H:%M:%S', substr(",
            $column,
            ", 1, 19)), NULL)) END"
        )
    };
}

/// The columns that a tool's table must have, and how its rows are read: version, name,
/// what became of it, when, SHA-256 of the file. What comes later about the same
/// migration counts.
fn query(tool: Tool) -> (&'static [&'static str], &'static str) {
    match tool {
        Tool::Dbmate => (
            &["version"],
            "SELECT version, NULL, 'applied', NULL, NULL FROM main.schema_migrations",
        ),
        Tool::GolangMigrate => (
            &["version", "dirty"],
            "SELECT version, NULL, iif(dirty, 'dirty', 'up to'), NULL, NULL FROM main.schema_migrations",
        ),
        Tool::Goose => (
            &["id", "version_id", "is_applied", "tstamp"],
            concat!(
                "SELECT version_id, NULL, iif(is_applied, 'applied', 'undone'), ",
                time!("tstamp"),
                ", NULL FROM main.goose_db_version WHERE version_id != 0 ORDER BY id"
            ),
        ),
        Tool::SqlMigrate => (
            &["id", "applied_at"],
            concat!(
                "SELECT NULL, id, 'applied', ",
                time!("applied_at"),
                ", NULL FROM main.gorp_migrations ORDER BY applied_at, id"
            ),
        ),
        Tool::Refinery => (
            &["version", "name", "applied_on", "checksum"],
            concat!(
                "SELECT version, name, 'applied', ",
                time!("applied_on"),
                ", NULL FROM main.refinery_schema_history ORDER BY applied_on, version"
            ),
        ),
        Tool::Diesel => (
            &["version", "run_on"],
            concat!(
                "SELECT version, NULL, 'applied', ",
                time!("run_on"),
                ", NULL FROM main.__diesel_schema_migrations ORDER BY run_on, version"
            ),
        ),
        // CoreMigrationType.java; SCHEMA says that Flyway made the schema.
        Tool::Flyway => (
            &[
                "installed_rank",
                "version",
                "description",
                "type",
                "installed_on",
                "success",
            ],
            concat!(
                "SELECT version, description, CASE WHEN NOT success THEN 'failed' WHEN type IN ('UNDO_SQL', 'DELETE') THEN 'undone' WHEN type IN ('BASELINE', 'SQL_BASELINE') THEN 'baseline' WHEN version IS NULL THEN 'repeatable' WHEN type = 'SQL' THEN 'applied' ELSE 'code' END, ",
                time!("installed_on"),
                ", NULL FROM main.flyway_schema_history WHERE type != 'SCHEMA' ORDER BY installed_rank"
            ),
        ),
        Tool::Prisma => (
            &[
                "migration_name",
                "checksum",
                "finished_at",
                "rolled_back_at",
                "started_at",
            ],
            concat!(
                "SELECT NULL, migration_name, CASE WHEN rolled_back_at IS NOT NULL THEN 'rolled back' WHEN finished_at IS NULL THEN 'failed' ELSE 'applied' END, ",
                time!("finished_at"),
                ", checksum FROM main._prisma_migrations ORDER BY rolled_back_at IS NULL, started_at, migration_name"
            ),
        ),
        Tool::Drizzle => (
            &["hash", "created_at"],
            "SELECT created_at, NULL, 'applied', NULL, hash FROM main.__drizzle_migrations ORDER BY created_at",
        ),
        Tool::D1 => (
            &["id", "name", "applied_at"],
            concat!(
                "SELECT NULL, name, 'applied', ",
                time!("applied_at"),
                ", NULL FROM main.d1_migrations ORDER BY id"
            ),
        ),
        // sql/migrate/migrate.go, RevisionType: 1 is a baseline, 4 was set by hand. A
        // version that begins with a dot is Atlas' own.
        Tool::Atlas => (
            &[
                "version",
                "description",
                "type",
                "applied",
                "total",
                "executed_at",
                "error",
            ],
            concat!(
                "SELECT version, description, CASE WHEN type & 1 THEN 'baseline' WHEN NOT type & 4 AND (coalesce(error, '') != '' OR applied < total) THEN 'failed' ELSE 'applied' END, ",
                time!("executed_at"),
                ", NULL FROM main.atlas_schema_revisions WHERE version NOT LIKE '.%' ORDER BY version"
            ),
        ),
        Tool::Rusqlite => (
            &[],
            "SELECT user_version, NULL, 'up to', NULL, NULL FROM pragma_user_version WHERE user_version > 0",
        ),
    }
}

/// Since 1.0 it keeps names and times (drizzle-orm, branch beta,
/// `src/sqlite-core/async/session.ts`).
const NEWER_DRIZZLE: &str = concat!(
    "SELECT created_at, name, 'applied', ",
    time!("applied_at"),
    ", hash FROM main.__drizzle_migrations ORDER BY created_at"
);

/// What became of a migration, as its tool has recorded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Applied,
    /// It and all before it.
    UpTo,
    /// It and all before it are taken for applied, whether they are there or not.
    Baseline,
    Undone,
}

/// What a tool has recorded of one migration.
#[derive(Debug)]
pub(crate) struct Record {
    pub version: Option<i64>,
    pub name: Option<String>,
    pub fate: Fate,
    pub installed_on: Option<String>,
    pub sha256: Option<String>,
    /// The version or name as it is shown.
    pub shown: String,
}

/// What another tool has recorded.
#[derive(Debug)]
pub(crate) struct OtherHistory {
    pub tool: Tool,
    pub records: Vec<Record>,
    /// Rows that say that something was left half done or cannot be meant here.
    pub problems: Vec<String>,
}

/// The tools whose table the database has: by its name and its columns.
///
/// # Errors
///
/// [`Error::Database`] if the schema cannot be read.
pub(crate) fn tools(connection: &Connection) -> Result<Vec<Tool>, Error> {
    let failed = |error| Error::database(connection, "read the schema", &error);
    let names: Vec<String> = connection
        .prepare(
            "SELECT lower(name) FROM main.sqlite_schema WHERE type = 'table' AND rootpage != 0",
        )
        .and_then(|mut statement| {
            let rows = statement.query_map([], |row| Ok(text(row.get_ref(0)?)))?;
            rows.map(|name| Ok(name?.unwrap_or_default())).collect()
        })
        .map_err(failed)?;
    let mut found = Vec::new();
    for form in &TOOLS {
        if let Some(table) = form.table
            && names.iter().any(|name| name == table)
            && has_its_columns(connection, form.tool, table).map_err(failed)?
        {
            found.push(form.tool);
        }
    }
    Ok(found)
}

/// Whether a table has the tool's columns, each of them stored. `schema_migrations` is
/// the name of several tools' tables, and only its columns tell them apart.
fn has_its_columns(connection: &Connection, tool: Tool, table: &str) -> rusqlite::Result<bool> {
    let mut statement = connection
        .prepare("SELECT lower(name) FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0")?;
    let rows = statement.query_map([table], |row| Ok(text(row.get_ref(0)?)))?;
    let columns: Vec<String> = rows
        .map(|name| Ok(name?.unwrap_or_default()))
        .collect::<rusqlite::Result<_>>()?;
    let (needed, _) = query(tool);
    let is_exact =
        !matches!(tool, Tool::Dbmate | Tool::GolangMigrate) || columns.len() == needed.len();
    Ok(is_exact
        && needed
            .iter()
            .all(|needed| columns.iter().any(|name| name == needed)))
}

/// What `tool` has recorded.
///
/// # Errors
///
/// [`Error::Database`] if its table cannot be read.
pub(crate) fn read(connection: &Connection, tool: Tool) -> Result<OtherHistory, Error> {
    let failed = |error| Error::database(connection, "read another tool's history", &error);
    let mut history = OtherHistory {
        tool,
        records: Vec::new(),
        problems: Vec::new(),
    };
    let newer = match tool {
        Tool::Drizzle => connection.prepare(NEWER_DRIZZLE).ok(),
        _ => None,
    };
    let mut statement = match newer {
        Some(statement) => statement,
        None => connection.prepare(query(tool).1).map_err(failed)?,
    };
    let mut rows = statement.raw_query();
    // The last row about a migration counts.
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut states: Vec<Option<Result<Record, String>>> = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let (about, read) = record(row).map_err(failed)?;
        if let Some(place) = places.insert(about, states.len()) {
            states[place] = None;
        }
        states.push(Some(read));
    }
    for state in states.into_iter().flatten() {
        match state {
            Ok(record) => history.records.push(record),
            Err(problem) => history.problems.push(problem),
        }
    }
    Ok(history)
}

/// One row, or why it stops the import, and before it what it is about: a version, and
/// only without one a name.
fn record(row: &Row<'_>) -> rusqlite::Result<(String, Result<Record, String>)> {
    let [version_text, name, state, installed_on, sha256] = [0, 1, 2, 3, 4].map(|column| {
        // A row that a damaged file ends in is told of by the step, not here.
        row.get_ref(column).map(text).unwrap_or_default()
    });
    let version: Option<i64> = version_text.as_deref().and_then(|text| text.parse().ok());
    let shown = match (&version_text, &name) {
        (Some(version), _) => format!("version {version}"),
        (None, Some(name)) => name.clone(),
        (None, None) => "a row without a name".to_owned(),
    };
    let fate = match state.as_deref() {
        Some("applied") if version_text.is_some() && version.is_none() => {
            Err(format!("{shown} is no whole number"))
        }
        Some("applied") => Ok(Fate::Applied),
        Some("up to") => Ok(Fate::UpTo),
        Some("baseline") => Ok(Fate::Baseline),
        Some("undone") => Ok(Fate::Undone),
        Some("dirty") => Err(format!("{shown} is dirty: it failed half way")),
        Some("failed") => Err(format!("{shown} is recorded as failed half way")),
        Some("rolled back") => Err(format!("{shown} is recorded as rolled back")),
        Some("repeatable") => Err(format!(
            "{} is repeatable, which a migration here is not",
            name.as_deref().unwrap_or(&shown)
        )),
        _ => Err(format!("{shown} is a migration in a programming language")),
    };
    let about = shown.clone();
    let read = fate.map(|fate| Record {
        version,
        name,
        fate,
        installed_on,
        sha256,
        shown,
    });
    Ok((about, read))
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(value) => Some(value.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        // What should be a number and is none fits nothing.
        ValueRef::Real(_) => Some("a fraction".to_owned()),
    }
}
