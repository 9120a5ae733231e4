//! What is said of scripts that are brought over from another tool.
//!
//! Owns the lines and fields of `import`.

use crate::diagnostics::text::shown;
use crate::operations::import::Import;
use crate::operations::repair::Change;
use crate::program::report::Report;
use crate::program::report::json::Json;
use crate::program::report::objects::path;

impl Report {
    /// What `import` did, or would do.
    pub(crate) fn imported(&mut self, import: &Import, changes: &[Change]) {
        let form = import.tool.form();
        let wrote = if self.dry_run {
            "would have written"
        } else {
            "wrote"
        };
        for file in &import.files {
            let line = match file.is_there {
                true => format!("{} is there already", shown(&file.migration.path)),
                false => format!(
                    "{wrote} {} from {}",
                    shown(&file.migration.path),
                    shown(&file.from)
                ),
            };
            self.printer.say(&line);
        }
        let files = import.files.iter().map(|file| {
            Json::Object(vec![
                ("version", Json::Integer(file.migration.version)),
                ("path", path(&file.migration.path)),
                ("from", path(&file.from)),
                (
                    "state",
                    Json::from(if file.is_there { "there" } else { "new" }),
                ),
            ])
        });
        let files = files.collect();
        self.fields.push(("tool", Json::from(form.word)));
        self.fields.push(("imported", Json::Array(files)));
        match &self.database {
            Some(_) if import.has_history => self.history_changed(changes),
            Some(database) => {
                let what = match import.has_database {
                    true => format!("has no history of {}", form.name),
                    false => "is not there".to_owned(),
                };
                let line = format!("nothing to record: {} {what}", shown(database));
                self.printer.say(&line);
            }
            None if self.dry_run => self.printer.say("nothing was changed"),
            None => self
                .printer
                .say("nothing was recorded: no database is named with -D"),
        }
        if let Some(table) = form.table.filter(|_| import.has_history) {
            self.printer.say(&format!(
                "the table {table} of {} is as it was: it may be dropped",
                form.name
            ));
        }
    }
}
