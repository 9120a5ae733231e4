//! What happened becomes lines for people, or one JSON object.
//!
//! Owns stdout and stderr; what is said of a failure is in `failure`. Failing to write to them is remembered by nobody: it
//! must not stop a migration, and there is nowhere left to say it.

mod failure;
pub(crate) mod json;
pub(crate) mod live;
pub(crate) mod objects;

use crate::database::limits::Heartbeat;
use crate::database::location::lock_holder;
use crate::diagnostics::position::Position;
use crate::diagnostics::problem::Finding;
use crate::diagnostics::text::{counted, escape, fitted, shown};
use crate::files::migration::Migration;
use crate::operations::apply::{Event, Step};
use crate::operations::repair::{Change, hexadecimal};
use crate::plan::{Plan, State};
use crate::program::arguments::parse::{Arguments, Color, Command};
use crate::program::report::json::Json;
use crate::program::report::live::Live;
use crate::program::report::objects::path;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How serious a line on stderr is, as syslog and journald number it.
#[derive(Clone, Copy)]
enum Severity {
    Error = 3,
    Warning = 4,
}

/// Collects what happened, and tells people at once.
#[derive(Default)]
pub(crate) struct Report {
    /// What each line begins with, if there are several databases.
    prefix: String,
    /// One object for each of several databases.
    several: Option<Vec<Json>>,
    dry_run: bool,
    has_applied: bool,
    command: &'static str,
    json: bool,
    quiet: bool,
    verbose: bool,
    out_is_terminal: bool,
    color_out: bool,
    color_err: bool,
    journal: bool,
    /// Who is told while a script runs, if anybody.
    live: Option<Arc<Live>>,
    /// When `--verbose` last told how far a script is.
    told: Option<Instant>,
    database: Option<PathBuf>,
    /// The fields that only some commands have.
    fields: Vec<(&'static str, Json)>,
    applied: Vec<Json>,
    /// What was undone, or would be done in a dry run.
    others: Vec<Json>,
    warnings: Vec<Json>,
    problems: Vec<Json>,
    error: Option<Json>,
}

impl Report {
    /// For a command line that was understood.
    pub fn new(arguments: &Arguments) -> Self {
        let out_is_terminal = io::stdout().is_terminal();
        let color = |terminal: bool| match arguments.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let unset =
                    |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
                terminal && unset("NO_COLOR") && !terminal_is_dumb()
            }
        };
        Self {
            command: arguments.command.word(),
            dry_run: arguments.dry_run,
            json: arguments.json,
            quiet: arguments.quiet,
            verbose: arguments.verbose,
            out_is_terminal,
            color_out: color(out_is_terminal),
            color_err: color(io::stderr().is_terminal()),
            journal: stderr_is_journal(),
            live: match arguments.command {
                Command::Up | Command::Down => {
                    let to_person = !arguments.quiet && io::stderr().is_terminal();
                    Live::new(to_person && !terminal_is_dumb()).map(Arc::new)
                }
                _ => None,
            },
            ..Self::default()
        }
    }

    /// Names the database that the run is about; it may need none.
    pub fn database(&mut self, path: &Path) {
        self.database = (!path.as_os_str().is_empty()).then(|| path.to_owned());
    }

    /// What `--verbose` says about where things are.
    pub fn using(&mut self, migrations: &Path) {
        if self.verbose {
            self.say(&format!("migrations: {}", shown(migrations)));
            if let Some(database) = &self.database {
                self.say(&format!("database: {}", shown(database)));
            }
        }
    }

    /// Whether a run with nothing to do says so: to a person, or to a program.
    pub fn talks_when_idle(&self) -> bool {
        self.out_is_terminal || self.verbose || self.json
    }

    /// What is to be called while scripts run.
    pub fn heartbeat(&self) -> Option<Heartbeat> {
        let live = self.live.clone()?;
        Some(Heartbeat(Arc::new(move || live.tick())))
    }

    /// Takes the live line away before another line is written.
    fn erase(&self) {
        if let Some(live) = &self.live {
            live.erase();
        }
    }

    fn say(&self, line: &str) {
        self.erase();
        if !self.json && !self.quiet {
            let line = format!("{}{line}\n", self.prefix);
            let _ = io::stdout().lock().write_all(line.as_bytes());
        }
    }

    /// Says that this is about several databases, even if the list is empty.
    pub fn several(&mut self) {
        self.several = Some(Vec::new());
    }

    /// A report about one of several databases, whose lines begin with its name.
    pub fn one_of_several(&self, name: &Path) -> Self {
        Self {
            prefix: format!("{}: ", shown(name)),
            database: Some(name.to_owned()),
            ..Self {
                command: self.command,
                dry_run: self.dry_run,
                json: self.json,
                quiet: self.quiet,
                verbose: self.verbose,
                out_is_terminal: self.out_is_terminal,
                color_out: self.color_out,
                color_err: self.color_err,
                journal: self.journal,
                live: self.live.clone(),
                ..Self::default()
            }
        }
    }

    /// Takes the report of one of several databases into this one.
    pub fn add(&mut self, one: Self, exit: u8) {
        if let (true, Some(several)) = (self.json, &mut self.several) {
            several.push(Json::Object(one.object(exit)));
        }
    }

    /// Whether anything was applied.
    pub fn has_applied(&self) -> bool {
        self.has_applied
    }

    fn complain(&self, severity: Severity, line: &str) {
        self.erase();
        let names_it = line.starts_with(&self.prefix);
        let prefix = if names_it { "" } else { &self.prefix };
        let color = match severity {
            Severity::Error => 31,
            Severity::Warning => 33,
        };
        if self.journal {
            write_err(&format!("<{}>{prefix}{line}", severity as u8));
        } else if self.color_err {
            write_err(&format!("\x1b[{color}mlitemigrate:\x1b[0m {prefix}{line}"));
        } else {
            write_err(&format!("litemigrate: {prefix}{line}"));
        }
    }

    fn show(&self, position: &Position) {
        position.excerpt().iter().for_each(|line| self.quote(line));
    }

    /// A line that belongs to the error before it.
    fn quote(&self, line: &str) {
        let priority = if self.journal { "<3>" } else { "" };
        write_err(&format!("{priority}{line}"));
    }

    /// Something that a person should know.
    pub fn warning(&mut self, warning: &Finding) {
        self.warnings.push(objects::finding(warning));
        if !self.quiet {
            self.complain(Severity::Warning, &format!("warning: {warning}"));
        }
    }

    /// Things that a person should know.
    pub fn warnings(&mut self, warnings: &[Finding]) {
        warnings.iter().for_each(|warning| self.warning(warning));
    }

    /// What happens during `up` and `down`.
    pub fn event(&mut self, event: Event<'_>, arguments: &Arguments) {
        match event {
            Event::Waiting => self.waiting(),
            Event::Started(migration) => {
                self.told = Some(Instant::now());
                if let Some(live) = &self.live {
                    live.begin(&migration.file_name());
                }
            }
            Event::Progress {
                migration,
                statements,
            } => self.progress(migration, statements),
            Event::BackingUp => {
                if let Some(live) = &self.live {
                    live.begin("the backup");
                }
            }
            Event::BackedUp => self.backed_up(arguments.backup.as_deref()),
            Event::Warning(warning) => self.warning(&warning),
            Event::Applied(step) if self.dry_run => self.would_run(&step),
            Event::Applied(step) => self.ran(&step),
        }
    }

    /// How far a script is: on the live line, and of one outside a transaction,
    /// which may stop half way, in lines that stay if they are asked for.
    fn progress(&mut self, migration: &Migration, statements: usize) {
        if let Some(live) = &self.live {
            live.statements(statements);
        }
        let is_due = |told: Instant| told.elapsed() >= Duration::from_secs(1);
        if self.verbose && !migration.transactional && self.told.is_none_or(is_due) {
            self.told = Some(Instant::now());
            let name = migration.file_name();
            let done = counted(statements, "statement", "statements");
            self.say(&format!("{}: {done} done so far", escape(&name)));
        }
    }

    /// The script that was running has ended.
    fn ended(&self) {
        if let Some(live) = &self.live {
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
        let verb = match self.is_down() {
            true => self.colored("undone", 33),
            false => self.colored("applied", 32),
        };
        self.say(&format!(
            "{verb} {} in {}",
            escape(&step.migration.file_name()),
            human(step.elapsed)
        ));
        if self.verbose {
            self.say(&format!(
                "  {}",
                counted(step.statements, "statement", "statements")
            ));
        }
        if self.json {
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
        self.say(&format!(
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
            self.say(&format!(
                "  {} {} {}",
                objects::verb(change.kind),
                change.object,
                escape(&change.name)
            ));
            for line in change.sql.lines() {
                self.say(&format!("      {}", escape(line)));
            }
        }
        if self.json {
            self.others.push(objects::step_for_show(step));
        }
    }

    /// The end of `up`.
    pub fn up_done(&mut self, count: usize, newest: Option<i64>) {
        let counted = match self.dry_run {
            true => counted(
                count,
                "migration would be applied",
                "migrations would be applied",
            ),
            false => counted(count, "migration applied", "migrations applied"),
        };
        self.done(count, &counted, "nothing to do", newest);
    }

    /// The end of `down`.
    pub fn down_done(&mut self, count: usize, newest: Option<i64>) {
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
        if let Some(live) = &self.live {
            live.status(&format!("{counted}; {at}"));
        }
        // In a dry run a script may be passed over, which a warning says.
        let is_idle = count == 0 && (self.warnings.is_empty() || !self.dry_run);
        if is_idle && (self.is_down() || self.talks_when_idle()) {
            self.say(&format!("{nothing}; {at}"));
        } else if !is_idle && self.dry_run {
            self.say(&format!("{counted}; nothing was changed"));
        } else if !is_idle {
            self.say(&format!("{counted}; {at}"));
        }
        self.fields.push(("version", Json::from(newest)));
    }

    /// The schema that the migrations make.
    pub fn schema(&mut self, sql: &str) {
        if self.json {
            self.fields.push(("schema", Json::from(sql)));
        } else {
            let _ = io::stdout().lock().write_all(sql.as_bytes());
        }
    }

    /// What `baseline` and `repair` did to the history, or would do.
    pub fn history_changed(&mut self, changes: &[Change]) {
        let would = if self.dry_run { "would have " } else { "" };
        for change in changes {
            self.say(&match change {
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
            });
        }
        if changes.is_empty() {
            self.say("nothing to record");
        } else if self.dry_run {
            self.say("nothing was changed");
        }
        let name = match self.dry_run {
            true => "would_change",
            false => "changes",
        };
        let list = changes.iter().map(objects::change).collect();
        self.fields.push((name, Json::Array(list)));
    }

    /// The backup is there.
    fn backed_up(&mut self, file: Option<&Path>) {
        self.ended();
        if let Some(file) = file {
            self.say(&format!("backed up to {}", shown(file)));
            self.fields.push(("backup", path(file)));
        }
    }

    /// The end of `restore`.
    pub fn restored(&mut self, file: &Path, newest: Option<i64>) {
        self.say(&format!(
            "restored {}; {}",
            shown(file),
            database_is_at(newest)
        ));
        self.fields.push(("version", Json::from(newest)));
    }

    /// Somebody else has held the lock for a second: says who, to a person.
    fn waiting(&mut self) {
        if io::stderr().is_terminal() && !self.quiet {
            let holder = self.database.as_deref().and_then(lock_holder);
            let holder = holder.map_or(String::new(), |holder| format!(", held by {holder}"));
            self.complain(
                Severity::Warning,
                &format!("waiting for the lock on the database{holder}"),
            );
        }
    }

    /// The table of `status`.
    pub fn status(&mut self, plan: &Plan<'_>) {
        if self.json {
            let rows = plan.states.iter().map(objects::state).collect();
            self.fields.push(("migrations", Json::Array(rows)));
            return;
        }
        let width = plan
            .states
            .iter()
            .map(|state| state.version().to_string().len())
            .max();
        let width = width.unwrap_or(0).max("VERSION".len());
        if !plan.states.is_empty() {
            self.say(&format!(
                "{:>width$}  {:<8}  {:<19}  MIGRATION",
                "VERSION", "STATE", "APPLIED (UTC)"
            ));
        }
        for state in &plan.states {
            let when = state.row().map_or("", |row| row.installed_on.as_str());
            let name = match (state.migration(), state.row()) {
                (Some(migration), _) => escape(&migration.file_name()).into_owned(),
                (None, Some(row)) => format!("({})", escape(&row.description)),
                (None, None) => String::new(),
            };
            let color = match state {
                State::Applied(..) => 32,
                State::Pending(_) => 33,
                State::Modified(..) | State::Missing(_) | State::Failed(..) => 31,
            };
            // A terminal has 80 columns; a program gets the whole name.
            let name = match self.out_is_terminal {
                true => {
                    let used = width + 33 + self.prefix.chars().count();
                    fitted(&name, columns().saturating_sub(used).max(10)).into_owned()
                }
                false => name,
            };
            let padded = format!("{:<8}", state.name());
            self.say(&format!(
                "{:>width$}  {}  {:<19}  {name}",
                state.version(),
                self.colored(&padded, color),
                escape(when)
            ));
        }
        self.say(&summary(plan));
    }

    /// The verdict of `check`, if nothing is wrong.
    pub fn check(&mut self, plan: &Plan<'_>) {
        let pending: Vec<&Migration> = plan.pending(None).collect();
        if self.json {
            let rows = plan.states.iter().map(objects::state).collect();
            self.fields.push(("migrations", Json::Array(rows)));
        }
        if !pending.is_empty() {
            let names: Vec<String> = pending
                .iter()
                .map(|m| escape(&m.file_name()).into_owned())
                .collect();
            self.say(&format!(
                "{}: {}",
                counted(
                    names.len(),
                    "migration is pending",
                    "migrations are pending"
                ),
                names.join(", ")
            ));
        } else if self.talks_when_idle() {
            self.say("up to date");
        }
    }

    /// A file that `new` created.
    pub fn created(&mut self, paths: &[PathBuf]) {
        for path in paths {
            self.say(&format!("Migration file created: {}", shown(path)));
        }
        let created = paths.iter().map(|file| path(file)).collect();
        self.fields.push(("created", Json::Array(created)));
    }

    /// A help text or a version.
    pub fn print(&mut self, text: &str) {
        if self.json {
            self.fields.push(("text", Json::from(text)));
        } else {
            let _ = io::stdout().lock().write_all(text.as_bytes());
        }
    }

    /// A command line that was not understood.
    pub fn usage(&mut self, message: &str) {
        self.complain(Severity::Error, message);
        self.error = Some(objects::error(
            "usage",
            message.to_owned(),
            None,
            None,
            None,
        ));
    }

    fn colored(&self, text: &str, color: u8) -> String {
        if self.color_out && !self.json {
            format!("\x1b[{color}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// The end of the run: the JSON object, if one was asked for.
    pub fn finish(self, exit: u8) {
        if !self.json {
            return;
        }
        let mut fields = vec![
            ("format", Json::Integer(1)),
            ("command", Json::from(self.command)),
        ];
        fields.extend(self.object(exit));
        let line = format!("{}\n", Json::Object(fields));
        let _ = io::stdout().lock().write_all(line.as_bytes());
    }

    /// What there is to say about one database, or about all.
    fn object(mut self, exit: u8) -> Vec<(&'static str, Json)> {
        let mut fields = vec![
            (
                "database",
                self.database.as_deref().map_or(Json::Null, path),
            ),
            ("exit", Json::Integer(i64::from(exit))),
        ];
        fields.append(&mut self.fields);
        if let Some(several) = self.several {
            fields.push(("databases", Json::Array(several)));
        }
        match (self.command, self.dry_run) {
            ("up", true) => fields.push(("would_apply", Json::Array(self.others))),
            ("down", true) => fields.push(("would_undo", Json::Array(self.others))),
            ("down", false) => fields.push(("undone", Json::Array(self.others))),
            _ => {}
        }
        fields.push(("applied", Json::Array(self.applied)));
        fields.push(("problems", Json::Array(self.problems)));
        fields.push(("warnings", Json::Array(self.warnings)));
        fields.push(("error", self.error.unwrap_or(Json::Null)));
        fields
    }
}

/// One line in one system call, so that lines of several processes do not mix.
fn write_err(line: &str) {
    let _ = io::stderr()
        .lock()
        .write_all(format!("{line}\n").as_bytes());
}

fn database_is_at(newest: Option<i64>) -> String {
    match newest {
        Some(version) => format!("the database is at version {version}"),
        None => "the database holds no migration".to_owned(),
    }
}

fn summary(plan: &Plan<'_>) -> String {
    let mut parts = Vec::new();
    for name in ["applied", "pending", "modified", "missing", "failed"] {
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

/// How wide the terminal is, as far as the environment tells.
fn columns() -> usize {
    let columns = std::env::var("COLUMNS").ok();
    columns.and_then(|text| text.parse().ok()).unwrap_or(80)
}

/// Whether the terminal knows no escape sequences.
fn terminal_is_dumb() -> bool {
    std::env::var_os("TERM").as_deref() == Some(OsStr::new("dumb"))
}

/// Whether `JOURNAL_STREAM` names the device and inode of stderr
/// (systemd.exec(5)).
fn stderr_is_journal() -> bool {
    let Some(stream) = std::env::var_os("JOURNAL_STREAM") else {
        return false;
    };
    io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .and_then(|descriptor| File::from(descriptor).metadata())
        .is_ok_and(|metadata| {
            stream.to_str() == Some(&format!("{}:{}", metadata.dev(), metadata.ino()))
        })
}
