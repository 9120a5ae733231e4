//! What is said of a database that is only looked at.
//!
//! Owns the lines and fields of `status`, `check` and `schema`.

use crate::diagnostics::text::{counted, escape, fitted};
use crate::files::migration::{Checksum, Migration};
use crate::plan::{Plan, Policy, State};
use crate::program::report::Report;
use crate::program::report::json::Json;
use crate::program::report::objects;

impl Report {
    /// The checksum of the folder, and which program looks at it.
    pub(crate) fn folder(&mut self, checksum: &Checksum) {
        let checksum = checksum.to_string();
        if self.printer.verbose && self.command == "status" {
            self.printer.say(&format!("folder checksum: {checksum}"));
        }
        self.fields.extend([
            ("folder_checksum", Json::from(checksum)),
            ("litemigrate", Json::from(env!("CARGO_PKG_VERSION"))),
            ("sqlite", Json::from(rusqlite::version())),
        ]);
    }

    /// What one who collects reports asks first.
    pub(crate) fn judged(&mut self, plan: &Plan<'_>, policy: &Policy) {
        if !self.printer.json {
            return;
        }
        let mut kinds: Vec<(&'static str, Json)> = Vec::new();
        for problem in plan.problems(policy) {
            match kinds.iter_mut().find(|(kind, _)| *kind == problem.kind()) {
                Some((_, Json::Integer(count))) => *count += 1,
                _ => kinds.push((problem.kind(), Json::Integer(1))),
            }
        }
        self.fields.extend([
            ("version", Json::from(plan.newest_applied())),
            ("pending", Json::from(plan.pending(None).count())),
            ("problem_kinds", Json::Object(kinds)),
            ("migrations", objects::states(plan)),
        ]);
    }

    /// The table of `status`; names are cut where the terminal is too narrow, unless
    /// they are wanted whole.
    pub(crate) fn status(&mut self, plan: &Plan<'_>, whole: bool) {
        if self.printer.json {
            return;
        }
        let width = plan
            .states
            .iter()
            .map(|state| state.version().to_string().len())
            .max();
        let width = width.unwrap_or(0).max("VERSION".len());
        if !plan.states.is_empty() {
            self.printer.say(&format!(
                "{:>width$}  {:<8}  {:<19}  MIGRATION",
                "VERSION", "STATE", "APPLIED (UTC)"
            ));
        }
        let columns = match whole || plan.states.is_empty() {
            true => usize::MAX,
            false => self.printer.columns_left(width + 33),
        };
        for state in &plan.states {
            let when = state.row().map_or("", |row| row.installed_on.as_str());
            let name = match (state.migration(), state.row()) {
                (Some(migration), _) => escape(&migration.file_name()).into_owned(),
                (None, Some(row)) => format!("({})", escape(&row.description)),
                (None, None) => String::new(),
            };
            let name = match (plan.moved_to(state.version()), state.row()) {
                (Some(file), Some(_)) => format!("{name}, now {}", escape(&file.file_name())),
                _ => name,
            };
            let color = match state {
                State::Applied(..) => 32,
                State::Pending(_) | State::Replaces(..) => 33,
                State::ReplacedRow(..) | State::ReplacedFile(_) => 33,
                State::Modified(..) | State::Missing(_) | State::Failed(..) => 31,
            };
            let name = fitted(&name, columns);
            let padded = format!("{:<8}", state.name());
            self.printer.say(&format!(
                "{:>width$}  {}  {:<19}  {name}",
                state.version(),
                self.printer.colored(&padded, color),
                escape(when)
            ));
        }
        self.printer.say(&summary(plan));
    }

    /// The verdict of `check`, if nothing is wrong.
    pub(crate) fn check(&mut self, plan: &Plan<'_>) {
        let pending: Vec<&Migration> = plan.pending(None).collect();
        if !pending.is_empty() {
            let names: Vec<String> = pending
                .iter()
                .map(|m| escape(&m.file_name()).into_owned())
                .collect();
            self.printer.say(&format!(
                "{}: {}",
                counted(
                    names.len(),
                    "migration is pending",
                    "migrations are pending"
                ),
                names.join(", ")
            ));
        } else if self.printer.talks_when_idle() {
            self.printer.say("up to date");
        }
    }

    /// The schema that the migrations make.
    pub(crate) fn schema(&mut self, sql: &str) {
        if self.printer.json {
            self.fields.push(("schema", Json::from(sql)));
        } else {
            self.write_result(sql);
        }
    }
}

fn summary(plan: &Plan<'_>) -> String {
    let mut parts = Vec::new();
    for name in [
        "applied", "pending", "replaces", "replaced", "modified", "missing", "failed",
    ] {
        let count = plan
            .states
            .iter()
            .filter(|state| state.name() == name)
            .count();
        if count > 0 {
            parts.push(format!("{count} {name}"));
        }
    }
    match plan.states.len() {
        0 => "no migrations".to_owned(),
        count => format!(
            "{}: {}",
            counted(count, "migration", "migrations"),
            parts.join(", ")
        ),
    }
}
