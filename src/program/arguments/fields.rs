//! The fields of the JSON output, as `help json` lists them.
//!
//! Owns their list.

/// What `help json` prints: each field of the object, in which commands, and what it
/// holds. Fields may be added, never removed.
#[rustfmt::skip]
pub(crate) const JSON_FIELDS: &[(&str, &str, &str)] = &[
    ("format", "all", "1"),
    ("command", "all", "up, status, check, new, down, baseline, repair, schema, restore, import, help"),
    ("database", "all", "path, or null"),
    ("exit", "all", "the exit code"),
    ("version", "up, down, restore, status, check", "the newest applied version, or null"),
    ("pending", "status, check", "how many are pending"),
    ("problem_kinds", "status, check", "how many problems there are of each kind"),
    ("folder_checksum, litemigrate, sqlite", "status, check", "the checksum of the folder as a whole; the versions of program and SQLite; of several databases once"),
    ("migrations", "status, check", "version, description, state, path, installed_on, execution_ms, checksum of each; state is pending, applied, modified, missing, failed, replaces or replaced; renumbered_to of a script that has another number now; replaces: the versions whose place it will take"),
    ("created", "new", "paths"),
    ("would_apply", "up --dry-run", "as applied, and schema: change, object, name, sql of each; rows: table, before, after of each table that is changed"),
    ("undone, would_undo", "down, down --dry-run", "as applied, would_apply"),
    ("tool", "import", "the word of --from"),
    ("imported", "import", "version, path, from, state of each file; state is new or there"),
    ("changes, would_change", "baseline, repair, import, with --dry-run", "change, version, description, path, before, checksum of each; renumbered_to, replaced"),
    ("schema", "schema", "SQL"),
    ("text", "help, --version, --generate", "what they print"),
    ("databases", "several -D", "an object for each: database, exit, and the fields of its command"),
    ("backup", "up --backup", "path, if a copy was made"),
    ("backup_kept", "up --backup", "path, if the copy that is there was left alone"),
    ("applied", "all", "version, description, path, execution_ms, statements, rows_changed of each; replaced: the versions whose place it took, without being run"),
    ("problems", "all", "kind, message, path, and version or line and column; of drift kind, message, difference, object, name, expected, found"),
    ("warnings", "all", "kind, message, path, line, column"),
    ("error", "all", "null, or kind, message, path, line, column, version, and holder of the lock, at_fault of denied permission, remedy, each where there is one"),
];
