//! What the library tells becomes objects of the JSON output.
//!
//! Owns the names of their fields, which the README lists: fields may be added,
//! never removed.

use crate::diagnostics::difference::{Difference, DifferenceKind};
use crate::diagnostics::position::Position;
use crate::diagnostics::problem::{Finding, Problem};
use crate::diagnostics::text::discreet;
use crate::files::migration::Checksum;
use crate::operations::apply::Step;
use crate::operations::repair::{Change, hexadecimal};
use crate::plan::{Plan, State};
use crate::program::report::json::Json;
use crate::schema::ChangeKind;
use std::path::Path;
use std::time::Duration;

/// The fields of a migration that was run.
pub(crate) fn step(step: &Step<'_>) -> Vec<(&'static str, Json)> {
    let replaced = (!step.replaced.is_empty()).then(|| ("replaced", versions(&step.replaced)));
    let mut fields = vec![
        ("version", Json::Integer(step.migration.version)),
        (
            "description",
            Json::from(step.migration.description.as_str()),
        ),
        ("path", path(&step.migration.path)),
        ("execution_ms", milliseconds(step.elapsed)),
        ("statements", Json::from(step.statements)),
        (
            "rows_changed",
            Json::from(usize::try_from(step.rows_changed).unwrap_or(usize::MAX)),
        ),
    ];
    fields.extend(replaced);
    fields
}

/// A migration in `would_apply` or `would_undo`, with what it would do to the schema.
pub(crate) fn step_for_show(step: &Step<'_>) -> Json {
    let changes = step.schema_changes.iter().map(|change| {
        Json::Object(vec![
            ("change", Json::from(verb(change.kind))),
            ("object", Json::from(change.object.as_str())),
            ("name", Json::from(change.name.as_str())),
            ("sql", Json::from(change.sql.as_str())),
        ])
    });
    let mut fields = self::step(step);
    fields.push(("schema", Json::Array(changes.collect())));
    let count = |rows: Option<u64>| Json::from(rows.and_then(|rows| i64::try_from(rows).ok()));
    let rows = step.rows.iter().map(|rows| {
        Json::Object(vec![
            ("table", Json::from(rows.table.as_str())),
            ("before", count(rows.before)),
            ("after", count(rows.after)),
        ])
    });
    fields.push(("rows", Json::Array(rows.collect())));
    Json::Object(fields)
}

/// Milliseconds, to the microsecond.
fn milliseconds(duration: Duration) -> Json {
    Json::Thousandths((duration.as_nanos() + 500) / 1000)
}

pub(crate) fn verb(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Created => "created",
        ChangeKind::Changed => "changed",
        ChangeKind::Dropped => "dropped",
    }
}

pub(crate) fn path(path: &Path) -> Json {
    Json::from(discreet(&path.to_string_lossy()).into_owned())
}

pub(crate) fn error(
    kind: &str,
    message: String,
    file: Option<&Path>,
    position: Option<&Position>,
    version: Option<i64>,
) -> Json {
    let [line, column] = line_and_column(position);
    Json::Object(vec![
        ("kind", Json::from(kind)),
        ("message", Json::from(discreet(&message).into_owned())),
        ("path", file.map_or(Json::Null, path)),
        ("line", line),
        ("column", column),
        ("version", Json::from(version)),
    ])
}

fn line_and_column(position: Option<&Position>) -> [Json; 2] {
    match position {
        Some(position) => [Json::from(position.line), Json::from(position.column)],
        None => [Json::Null, Json::Null],
    }
}

pub(crate) fn finding(finding: &Finding) -> Json {
    let [line, column] = line_and_column(finding.position.as_ref());
    Json::Object(vec![
        ("kind", Json::from(finding.kind)),
        (
            "message",
            Json::from(discreet(&finding.message).into_owned()),
        ),
        ("path", path(&finding.path)),
        ("line", line),
        ("column", column),
    ])
}

pub(crate) fn problem(problem: &Problem) -> Json {
    Json::Object(vec![
        ("kind", Json::from(problem.kind())),
        (
            "message",
            Json::from(discreet(&problem.sentence()).into_owned()),
        ),
        ("path", problem.path().map_or(Json::Null, path)),
        ("version", Json::Integer(problem.version())),
    ])
}

/// A change of the history.
pub(crate) fn change(change: &Change) -> Option<Json> {
    let (what, version, description, migration, before) = match change {
        Change::Recorded(file) => (
            "recorded",
            file.version,
            &file.description,
            Some(file),
            None,
        ),
        Change::Corrected { migration, before } => (
            "corrected",
            migration.version,
            &migration.description,
            Some(migration),
            Some(before),
        ),
        Change::Removed {
            version,
            description,
        } => ("removed", *version, description, None, None),
        Change::Renumbered {
            version,
            description,
            migration,
        } => ("renumbered", *version, description, Some(migration), None),
        Change::Replaced { migration, .. } => (
            "replaced",
            migration.version,
            &migration.description,
            Some(migration),
            None,
        ),
        Change::InOrder { .. } => return None,
    };
    let now = match change {
        Change::Renumbered { migration, .. } => Some(migration.version),
        _ => None,
    };
    let replaced = match change {
        Change::Replaced { versions, .. } => Some(self::versions(versions)),
        _ => None,
    };
    let mut fields = vec![
        ("change", Json::from(what)),
        ("version", Json::Integer(version)),
        ("description", Json::from(description.as_str())),
        (
            "path",
            migration.map_or(Json::Null, |file| path(&file.path)),
        ),
        ("before", Json::from(before.map(|sum| hexadecimal(sum)))),
        (
            "checksum",
            Json::from(migration.map(|file| file.checksum.to_string())),
        ),
    ];
    fields.extend(now.map(|version| ("renumbered_to", Json::Integer(version))));
    fields.extend(replaced.map(|versions| ("replaced", versions)));
    Some(Json::Object(fields))
}

fn versions(versions: &[i64]) -> Json {
    Json::Array(versions.iter().copied().map(Json::Integer).collect())
}

/// A difference between the schema and what the migrations make.
pub(crate) fn difference(difference: &Difference) -> Json {
    let what = match difference.kind {
        DifferenceKind::Missing => "missing",
        DifferenceKind::Extra => "extra",
        DifferenceKind::HistoryOf(_) => "history",
        DifferenceKind::Different(_) => "different",
    };
    Json::Object(vec![
        ("kind", Json::from("drift")),
        ("message", Json::from(difference.to_string())),
        ("difference", Json::from(what)),
        ("object", Json::from(difference.object.as_str())),
        ("name", Json::from(difference.name.as_str())),
        ("expected", Json::from(difference.expected.as_deref())),
        ("found", Json::from(difference.found.as_deref())),
    ])
}

/// The state of every version.
pub(crate) fn states(plan: &Plan<'_>) -> Json {
    let states = plan.states.iter().map(|state| self::state(state, plan));
    Json::Array(states.collect())
}

/// The state of a version.
fn state(state: &State<'_>, plan: &Plan<'_>) -> Json {
    let row = state.row();
    let description = match (state.migration(), row) {
        (Some(migration), _) => migration.description.as_str(),
        (None, Some(row)) => row.description.as_str(),
        (None, None) => "",
    };
    let checksum = match (row, state.migration()) {
        (Some(row), _) => hexadecimal(&row.checksum),
        (None, Some(migration)) => Checksum::to_string(&migration.checksum),
        (None, None) => String::new(),
    };
    let execution = row
        .map(|row| row.execution_time)
        .filter(|&nanoseconds| nanoseconds >= 0);
    let execution = execution.map_or(Json::Null, |nanoseconds| {
        let elapsed = Duration::from_nanos(nanoseconds.unsigned_abs());
        milliseconds(elapsed)
    });
    let mut fields = vec![
        ("version", Json::Integer(state.version())),
        ("description", Json::from(description)),
        ("state", Json::from(state.name())),
        (
            "path",
            state
                .migration()
                .map_or(Json::Null, |migration| path(&migration.path)),
        ),
        (
            "installed_on",
            Json::from(row.map(|row| row.installed_on.as_str())),
        ),
        ("execution_ms", execution),
        ("checksum", Json::from(checksum)),
    ];
    let moved = plan.moved_to(state.version());
    fields.extend(moved.map(|file| ("renumbered_to", Json::Integer(file.version))));
    let rows = plan.replaced_by(state.version());
    fields.extend(rows.map(|rows| ("replaces", versions(rows))));
    Json::Object(fields)
}
