//! What is said of `up` and `down` while they run, and at their end.
//!
//! Owns these lines and fields. Says of nothing that it is done before it is durable.

use crate::database::holder::lock_holder;
use crate::diagnostics::problem::listed;
use crate::diagnostics::text::{counted, escape, shown};
use crate::files::migration::Migration;
use crate::operations::apply::{Event, Step};
use crate::program::report::json::Json;
use crate::program::report::objects::{self, path};
use crate::program::report::{Report, database_is_at};
use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::{Duration, Instant};

impl Report {
    /// What happens during `up` and `down`.
    pub(crate) fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Waiting => self.waiting(),
            Event::Started(migration) => self.began(migration),
            Event::Progress {
                migration,
                statements,
            } => self.progress(migration, statements),
            Event::BackingUp => self.printer.begin("the backup"),
            Event::BackedUp(file) => self.backed_up(file),
            Event::BackupKept { file, why } => self.backup_kept(file, why),
            Event::Warning(warning) => {
                if !self.dry_run && warning.leaves_something() {
                    self.warned_of.insert(warning.path.clone());
                }
                self.warning(&warning);
            }
            Event::Applied(step) if self.dry_run => self.would_run(&step),
            Event::Applied(step) => self.ran(&step),
        }
    }

    /// A script begins: who asked for more words hears of it, and so does who reads
    /// a log in which the next line never came.
    fn began(&mut self, migration: &Migration) {
        self.told = Some(Instant::now());
        let name = migration.file_name();
        if self.printer.verbose {
            let verb = match (self.dry_run, self.is_down()) {
                (true, _) => "trying",
                (false, true) => "undoing",
                (false, false) => "applying",
            };
            self.printer.say(&format!("{verb} {}", escape(&name)));
        }
        self.printer.begin(&name);
    }

    /// How far a script is: on the live line, and of one outside a transaction,
    /// which may stop half way, in lines that stay if they are asked for.
    fn progress(&mut self, migration: &Migration, statements: usize) {
        if let Some(live) = &self.printer.live {
            live.statements(statements);
        }
        let is_due = |told: Instant| told.elapsed() >= Duration::from_secs(1);
        if self.printer.verbose && !migration.transactional && self.told.is_none_or(is_due) {
            self.told = Some(Instant::now());
            let name = migration.file_name();
            let done = counted(statements, "statement", "statements");
            self.printer
                .say(&format!("{}: {done} done so far", escape(&name)));
        }
    }

    /// The script that was running has ended.
    pub(crate) fn ended(&self) {
        if let Some(live) = &self.printer.live {
            live.end();
        }
    }

    /// Whether the command undoes.
    fn is_down(&self) -> bool {
        self.command == "down"
    }

    /// A migration that was applied or undone, durably.
    fn ran(&mut self, step: &Step<'_>) {
        self.ended();
        self.has_applied = true;
        self.has_applied_with_warning |= self.warned_of.contains(&step.migration.path);
        if !step.replaced.is_empty() {
            self.took_the_place(step, "recorded");
            return;
        }
        let verb = match self.is_down() {
            true => self.printer.colored("undone", 33),
            false => self.printer.colored("applied", 32),
        };
        self.printer.say(&format!(
            "{verb} {} in {}",
            escape(&step.migration.file_name()),
            human(step.elapsed)
        ));
        if self.printer.verbose {
            self.printer.say(&format!(
                "  {}",
                counted(step.statements, "statement", "statements")
            ));
        }
        if self.printer.json {
            let step = Json::Object(objects::step(step));
            match self.is_down() {
                true => self.others.push(step),
                false => self.applied.push(step),
            }
        }
    }

    /// A migration that would be applied or undone, and what that would do.
    fn would_run(&mut self, step: &Step<'_>) {
        self.ended();
        if !step.replaced.is_empty() {
            self.took_the_place(step, "would record");
            return;
        }
        self.printer.say(&format!(
            "would {} {} in {}: {}, {} changed",
            if self.is_down() { "undo" } else { "apply" },
            escape(&step.migration.file_name()),
            human(step.elapsed),
            counted(step.statements, "statement", "statements"),
            counted(
                usize::try_from(step.rows_changed).unwrap_or(usize::MAX),
                "row",
                "rows"
            ),
        ));
        for change in &step.schema_changes {
            self.printer.say(&format!(
                "  {} {} {}",
                objects::verb(change.kind),
                change.object,
                escape(&change.name)
            ));
            for line in change.sql.lines() {
                self.printer.say(&format!("      {}", escape(line)));
            }
        }
        for rows in &step.rows {
            let count =
                |rows: Option<u64>| rows.map_or("no table".to_owned(), |rows| rows.to_string());
            self.printer.say(&format!(
                "  rows of {}: {} before, {} after",
                escape(&rows.table),
                count(rows.before),
                count(rows.after)
            ));
        }
        if self.printer.json {
            self.others.push(objects::step_for_show(step));
        }
    }

    /// A migration whose row took the place of others, without being run.
    fn took_the_place(&mut self, step: &Step<'_>, verb: &str) {
        self.printer.say(&format!(
            "{verb} {} in the place of version {}",
            escape(&step.migration.file_name()),
            listed(&step.replaced)
        ));
        if self.printer.json && self.dry_run {
            self.others.push(objects::step_for_show(step));
        } else if self.printer.json {
            self.applied.push(Json::Object(objects::step(step)));
        }
    }

    /// The end of `up`.
    pub(crate) fn up_done(&mut self, count: usize, newest: Option<i64>) {
        let counted = match self.dry_run {
            true => {
                let mut counted = counted(
                    count,
                    "migration would be applied",
                    "migrations would be applied",
                );
                if self.was_not_run {
                    counted.push_str(", beside what was not run for show");
                }
                counted
            }
            false => counted(count, "migration applied", "migrations applied"),
        };
        if self.has_applied_with_warning && !self.printer.quiet {
            self.printer.warning("what is said above of a script that is applied now is mended in a new migration, because an edited script is refused; --strict refuses it beforehand");
        }
        self.done(count, &counted, "nothing to do", newest);
    }

    /// The end of `down`.
    pub(crate) fn down_done(&mut self, count: usize, newest: Option<i64>) {
        let counted = match self.dry_run {
            true => counted(
                count,
                "migration would be undone",
                "migrations would be undone",
            ),
            false => counted(count, "migration undone", "migrations undone"),
        };
        self.done(count, &counted, "nothing to undo", newest);
    }

    fn done(&mut self, count: usize, counted: &str, nothing: &str, newest: Option<i64>) {
        let at = database_is_at(newest);
        self.ended();
        if let Some(live) = &self.printer.live {
            live.status(&format!("{counted}; {at}"));
        }
        // In a dry run a script may be passed over, which a warning says.
        let is_idle = count == 0 && (self.warnings.is_empty() || !self.dry_run);
        if is_idle && (self.is_down() || self.printer.talks_when_idle()) {
            self.printer.say(&format!("{nothing}; {at}"));
        } else if !is_idle && self.dry_run {
            self.printer.say(&format!("{counted}; nothing was changed"));
        } else if !is_idle {
            self.printer.say(&format!("{counted}; {at}"));
        }
        self.fields.push(("version", Json::from(newest)));
    }

    /// The backup is there.
    fn backed_up(&mut self, file: &Path) {
        self.ended();
        self.printer.say(&format!("backed up to {}", shown(file)));
        self.fields.push(("backup", path(file)));
    }

    /// There is one already that is worth more.
    fn backup_kept(&mut self, file: &Path, why: &str) {
        self.ended();
        self.printer
            .say(&format!("kept the backup {}: {why}", shown(file)));
        self.fields.push(("backup_kept", path(file)));
    }

    /// Somebody else has held the lock for a second: says who, to a person.
    fn waiting(&mut self) {
        if io::stderr().is_terminal() && !self.printer.quiet {
            let holder = self.database.as_deref().and_then(lock_holder);
            let holder = holder.map_or(String::new(), |holder| format!(": {holder}"));
            self.printer
                .warning(&format!("waiting for the lock on the database{holder}"));
        }
    }

    /// Whether anything was applied.
    pub(crate) fn has_applied(&self) -> bool {
        self.has_applied
    }
}

/// `850 µs`, `12.3 ms`, `4.56 s`.
fn human(duration: Duration) -> String {
    let microseconds = (duration.as_nanos() + 500) / 1000;
    match microseconds {
        ..=999 => format!("{microseconds} µs"),
        1000..=999_999 => {
            let tenths = (microseconds + 50) / 100;
            format!("{}.{} ms", tenths / 10, tenths % 10)
        }
        _ => {
            let hundredths = (microseconds + 5000) / 10_000;
            format!("{}.{:02} s", hundredths / 100, hundredths % 100)
        }
    }
}
