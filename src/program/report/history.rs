//! What is said of the commands that change the history, or what lies around it.
//!
//! Owns the lines and fields of `baseline`, `repair`, `restore` and `new`.

use crate::diagnostics::problem::listed;
use crate::diagnostics::text::{escape, shown};
use crate::operations::repair::{Change, hexadecimal};
use crate::program::report::json::Json;
use crate::program::report::objects::{self, path};
use crate::program::report::{Report, database_is_at};
use std::path::{Path, PathBuf};

impl Report {
    /// What `baseline` and `repair` did to the history, or would do.
    pub(crate) fn history_changed(&mut self, changes: &[Change]) {
        let would = if self.dry_run { "would have " } else { "" };
        for change in changes {
            self.printer.say(&match change {
                Change::Recorded(migration) => format!(
                    "{would}recorded {} as applied",
                    escape(&migration.file_name())
                ),
                Change::Corrected { migration, before } => format!(
                    "{would}corrected the checksum of {}\n  from {}\n  to   {}",
                    escape(&migration.file_name()),
                    hexadecimal(before),
                    migration.checksum
                ),
                Change::Removed {
                    version,
                    description,
                } => format!(
                    "{would}removed version {version} ({}) from the history",
                    escape(description)
                ),
                Change::Renumbered {
                    version,
                    description,
                    migration,
                } => format!(
                    "{would}given version {version} ({}) the number of {}",
                    escape(description),
                    escape(&migration.file_name())
                ),
                Change::Replaced {
                    migration,
                    versions,
                } => format!(
                    "{would}recorded {} in the place of version {}",
                    escape(&migration.file_name()),
                    listed(versions)
                ),
                Change::InOrder {
                    version,
                    state: Some(state),
                } => match *state {
                    "replaces" => format!("version {version} replaces others: nothing to repair"),
                    state => format!("version {version} is {state}: nothing to repair"),
                },
                Change::InOrder {
                    version,
                    state: None,
                } => format!(
                    "version {version} is neither in the files nor in the history: nothing to repair"
                ),
            });
        }
        let is_change = |change: &Change| !matches!(change, Change::InOrder { .. });
        if changes.is_empty() {
            let verb = match self.command.as_str() {
                "repair" => "repair",
                _ => "record",
            };
            self.printer.say(&format!("nothing to {verb}"));
        } else if self.dry_run && changes.iter().any(is_change) {
            self.printer.say("nothing was changed");
        }
        let name = match self.dry_run {
            true => "would_change",
            false => "changes",
        };
        let list = changes.iter().filter_map(objects::change).collect();
        self.fields.push((name, Json::Array(list)));
    }

    /// The end of `restore`.
    pub(crate) fn restored(&mut self, file: &Path, newest: Option<i64>) {
        self.printer.say(&format!(
            "restored {}; {}",
            shown(file),
            database_is_at(newest)
        ));
        self.fields.push(("version", Json::from(newest)));
    }

    /// A file that `new` created.
    pub(crate) fn created(&mut self, paths: &[PathBuf]) {
        for path in paths {
            self.printer
                .say(&format!("Migration file created: {}", shown(path)));
        }
        let created = paths.iter().map(|file| path(file)).collect();
        self.fields.push(("created", Json::Array(created)));
    }
}
