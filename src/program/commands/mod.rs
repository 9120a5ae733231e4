//! What each command does, by way of the library.
//!
//! Owns the order: settings, folder, database, report. Decides nothing that the
//! library decides, and prints nothing itself.

pub(crate) mod settings;

use crate::database::location::{Location, Mode};
use crate::database::look::{Access, look};
use crate::database::permission::world_writable;
use crate::diagnostics::error::{Cause, Error};
use crate::diagnostics::problem::Finding;
use crate::files::directory::{Directory, read_dir};
use crate::files::migration::{Kind, Migration};
use crate::operations::apply::{down, up};
use crate::operations::drift::{self, Replayed, applied_scripts};
use crate::operations::repair::{self, Selection};
use crate::operations::{backup, create};
use crate::plan::history::{self, AppliedMigration};
use crate::plan::plan;
use crate::plan::policy::Options;
use crate::plan::targets::{refuse_problems, to_apply};
use crate::program::arguments::parse::{Arguments, Command};
use crate::program::exit_codes::Outcome;
use crate::program::exit_codes::{exit_code, severity};
use crate::program::report::Report;
use crate::schema::Schema;
use crate::sqlpage::{connection, project as sqlpage};
use rusqlite::Connection;
use settings::Settings;
use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

/// Does what was asked for, and gives back the exit code.
pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> u8 {
    let options = Options {
        policy: arguments.policy,
        to: arguments.to,
        lock_wait: arguments.lock_wait.unwrap_or(Options::default().lock_wait),
        deadline: arguments
            .timeout
            .and_then(|timeout| Instant::now().checked_add(timeout)),
        single_transaction: arguments.single_transaction,
        dry_run: arguments.dry_run,
        allow_cascade: arguments.allow_cascade,
        backup: arguments.backup.clone(),
        vfs: None, // known when the database is
        heartbeat: report.heartbeat(),
    };
    if arguments.is_for_several() {
        return run_several(arguments, options, report);
    }
    let result = run_one(arguments, options, report);
    if let Err(error) = &result {
        report.failed(error);
    }
    exit_code(&result)
}

fn run_one(arguments: &Arguments, options: Options, report: &mut Report) -> Result<Outcome, Error> {
    match &arguments.command {
        Command::Print(text) => {
            report.print(text);
            return Ok(Outcome::Done);
        }
        Command::New(name) => {
            let directory = settings::migrations(arguments)?;
            let created =
                create::create(&directory, name, arguments.numbering, arguments.reversible)?;
            report.created(&created);
            return Ok(Outcome::Done);
        }
        Command::Restore(file) => {
            let database = settings::resolve(arguments)?.database;
            report.database(&database.path);
            let newest = backup::restore(file, &database, &options.limits())?;
            report.restored(file, newest);
            return Ok(Outcome::Done);
        }
        _ => {}
    }
    Run::prepare(arguments, options, report)?.execute(report)
}

/// The same on each of several databases: the folder is read once, and what
/// befalls one does not stop the others. Gives back the worst exit code.
fn run_several(arguments: &Arguments, options: Options, report: &mut Report) -> u8 {
    let prepared = settings::several(arguments)
        .and_then(|names| Ok((names, Run::prepare(arguments, options, report)?)));
    let (names, mut run) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            report.failed(&error);
            return exit_code(&Err(error));
        }
    };
    report.several();
    let warnings = std::mem::take(&mut run.settings.warnings);
    let mut worst = 0;
    let mut idle = true;
    for name in names {
        let mut one = report.one_of_several(Path::new(&name));
        let result = settings::one_of_several(arguments, &name).and_then(|database| {
            one.database(&database.path);
            run.options.vfs.clone_from(&database.vfs);
            run.settings.database = database;
            run.execute(&mut one)
        });
        if let Err(error) = &result {
            one.failed(error);
        }
        let code = exit_code(&result);
        idle &= code == 0 && !one.has_applied();
        report.add(one, code);
        if severity(code) > severity(worst) {
            worst = code;
        }
        if arguments.fail_fast && result.is_err() {
            break;
        }
    }
    if !idle || report.talks_when_idle() {
        report.warnings(&warnings);
    }
    worst
}

/// What is known before a database is touched.
struct Run<'a> {
    arguments: &'a Arguments,
    options: Options,
    settings: Settings,
    migrations: Vec<Migration>,
    /// What the scripts of these versions make, in this order: the same for most
    /// of several databases.
    replayed: RefCell<Option<(Vec<i64>, Rc<Replayed>)>>,
}

impl<'a> Run<'a> {
    /// Finds everything, and reads the folder.
    fn prepare(
        arguments: &'a Arguments,
        options: Options,
        report: &mut Report,
    ) -> Result<Self, Error> {
        let mut settings = settings::resolve(arguments)?;
        if !arguments.is_for_several() {
            report.database(&settings.database.path);
        }
        report.using(&settings.migrations);
        let mut directory = match read_dir(&settings.migrations) {
            Err(Error::Directory { source, .. })
                if arguments.optional && source.kind() == io::ErrorKind::NotFound =>
            {
                Directory::default()
            }
            result => result?,
        };
        settings.warnings.append(&mut directory.warnings);
        if let Some(sqlpage) = &settings.sqlpage {
            let files = ["", "sqlpage.json", "sqlpage.json5", "on_connect.sql"];
            let paths = files.map(|file| sqlpage.directory.join(file));
            settings.warnings.extend(world_writable(&paths));
        }
        Ok(Self {
            arguments,
            options: Options {
                vfs: settings.database.vfs.clone(),
                ..options
            },
            settings,
            migrations: directory.migrations,
            replayed: RefCell::default(),
        })
    }

    fn execute(&self, report: &mut Report) -> Result<Outcome, Error> {
        match &self.arguments.command {
            Command::Up => self.up(report),
            Command::Schema => self.schema(report),
            Command::Down | Command::Baseline(_) | Command::Repair(_) => self.change(report),
            Command::Status
            | Command::Check
            | Command::New(_)
            | Command::Restore(_)
            | Command::Print(_) => self.look(report),
        }
    }

    fn up(&self, report: &mut Report) -> Result<Outcome, Error> {
        // Whether anything is to be done, what a person should know about that,
        // and the newest version.
        let judge = |history: &[AppliedMigration]| {
            let plan = plan(&self.migrations, history);
            let targets = to_apply(&self.migrations, &plan, &self.options)?;
            let warnings = match self.settings.sqlpage {
                Some(_) => sqlpage::warnings(targets.iter().copied()),
                None => Vec::new(),
            };
            Ok((!targets.is_empty(), warnings, plan.newest_applied()))
        };
        let seen = look(
            &self.settings.database,
            Access::LookThenWrite,
            &self.options.limits(),
            |connection| judge(&self.read_history(connection)?),
        );
        // From cron, a run with nothing to do says nothing, about odd files either.
        let idle = matches!(&seen, Ok(Some(((false, ..), _))));
        if !idle || report.talks_when_idle() {
            report.warnings(&self.settings.warnings);
        }
        let seen = seen?;
        let is_new = seen.is_none();
        let ((to_do, warnings, newest), connection) = match seen {
            Some(seen) => seen,
            None => (judge(&[])?, None),
        };
        if !to_do {
            report.up_done(0, newest);
            return Ok(Outcome::Done);
        }
        let mut connection = match connection {
            // A database that is not there is not made for show.
            None if self.options.dry_run && is_new => self.in_memory()?,
            connection => self.settings.database.open_to_write(connection)?,
        };
        self.prepare_connection(&mut connection, report)?;
        report.warnings(&warnings);
        let summary = up(
            &mut connection,
            &self.migrations,
            &self.options,
            &mut |event| report.event(event, self.arguments),
        )?;
        report.up_done(summary.applied, summary.newest);
        Ok(Outcome::Done)
    }

    fn schema(&self, report: &mut Report) -> Result<Outcome, Error> {
        report.warnings(&self.settings.warnings);
        let applies = |migration: &&Migration| migration.kind != Kind::Down;
        let scripts: Vec<&Migration> = self.migrations.iter().filter(applies).collect();
        report.schema(&self.replay(&scripts)?.made().to_sql());
        Ok(Outcome::Done)
    }

    /// The commands that change the history of a database that is there.
    fn change(&self, report: &mut Report) -> Result<Outcome, Error> {
        report.warnings(&self.settings.warnings);
        let existing = Location {
            mode: match self.settings.database.mode {
                Mode::Create => Mode::ReadWrite,
                mode => mode,
            },
            ..self.settings.database.clone()
        };
        let mut connection = existing.open_to_write(None)?;
        if self.arguments.command == Command::Down {
            self.prepare_connection(&mut connection, report)?;
        } else if self.settings.sqlpage.is_some() {
            // No script runs, so neither does on_connect.sql.
            connection::register_functions(&connection)?;
        }
        let changes = match &self.arguments.command {
            Command::Baseline(version) => repair::baseline(
                &mut connection,
                &self.migrations,
                *version,
                self.arguments.force,
                &self.options,
            )?,
            Command::Repair(versions) => {
                let selection = if self.arguments.line_endings {
                    Selection::Spelling
                } else {
                    Selection::Versions(versions.clone())
                };
                repair::repair(&mut connection, &self.migrations, &selection, &self.options)?
            }
            _ => {
                let summary = down(
                    &mut connection,
                    &self.migrations,
                    &self.options,
                    &mut |event| report.event(event, self.arguments),
                )?;
                report.down_done(summary.applied, summary.newest);
                return Ok(Outcome::Done);
            }
        };
        report.history_changed(&changes);
        Ok(Outcome::Done)
    }

    fn look(&self, report: &mut Report) -> Result<Outcome, Error> {
        let database = &self.settings.database;
        let seen = look(
            database,
            Access::Look,
            &self.options.limits(),
            |connection| {
                let history = self.read_history(connection)?;
                let schema = match self.arguments.drift {
                    true => Some(self.read_schema(connection)?),
                    false => None,
                };
                Ok((history, schema))
            },
        )?;
        report.warnings(&self.settings.warnings);
        let (history, schema) = seen.map_or_else(Default::default, |(found, _)| found);
        let plan = plan(&self.migrations, &history);
        if self.arguments.command == Command::Status {
            report.status(&plan);
            return Ok(Outcome::Done);
        }
        refuse_problems(&plan, &self.options.policy)?;
        report.warnings(&plan.warnings(&self.options.policy, None));
        if let Some((order, found)) = schema {
            let applied = applied_scripts(&database.path, &self.migrations, &plan, &order)?;
            self.replay_applied(order, applied)?
                .refuse_drift(&database.path, &found)?;
        }
        report.check(&plan);
        match plan.pending(None).next() {
            Some(_) => Ok(Outcome::Pending),
            None => Ok(Outcome::Done),
        }
    }

    /// The history, seen as SQLPage would see the database if it is SQLPage's: one
    /// that it cannot open is refused here too.
    fn read_history(&self, connection: &Connection) -> Result<Vec<AppliedMigration>, Error> {
        if self.settings.sqlpage.is_some() {
            connection::register_functions(connection)?;
        }
        history::read(connection)
    }

    /// What drift is found out from: which script came when, and the schema.
    fn read_schema(&self, connection: &Connection) -> Result<(Vec<i64>, Schema), Error> {
        if let Some(sqlpage) = &self.settings.sqlpage {
            // Their virtual tables tell which tables are theirs.
            connection::load_extensions(connection, &sqlpage.extensions)?;
        }
        let schema = Schema::read(connection)
            .map_err(|error| Error::database(connection, "read the schema", &error))?;
        Ok((history::order_of_application(connection)?, schema))
    }

    /// Replays in the order of application, or if that is not possible by version:
    /// the order of the rows is another where somebody has mended them.
    fn replay_applied(
        &self,
        order: Vec<i64>,
        mut scripts: Vec<&Migration>,
    ) -> Result<Rc<Replayed>, Error> {
        if let Some((known, replayed)) = &*self.replayed.borrow()
            && *known == order
        {
            return Ok(Rc::clone(replayed));
        }
        let replayed = match self.replay(&scripts) {
            Err(error @ Error::Replay(_)) => {
                scripts.sort_by_key(|migration| migration.version);
                self.replay(&scripts).map_err(|_| error)?
            }
            result => result?,
        };
        let replayed = Rc::new(replayed);
        self.replayed.replace(Some((order, Rc::clone(&replayed))));
        Ok(replayed)
    }

    fn replay(&self, scripts: &[&Migration]) -> Result<Replayed, Error> {
        let mut memory = self.in_memory()?;
        self.connect(&mut memory)?;
        drift::replay(&mut memory, scripts)
    }

    fn in_memory(&self) -> Result<Connection, Error> {
        let failed = |error: rusqlite::Error| Error::Database {
            path: self.settings.database.path.clone(),
            doing: "open a database in memory",
            cause: Cause::Storage,
            message: error.to_string(),
        };
        let connection = Connection::open_in_memory().map_err(failed)?;
        connection
            .execute_batch("PRAGMA foreign_keys = ON")
            .map_err(failed)?;
        Ok(connection)
    }

    /// Makes the connection ready; of a run for show, says if that was not only show.
    fn prepare_connection(
        &self,
        connection: &mut Connection,
        report: &mut Report,
    ) -> Result<(), Error> {
        let Some(sqlpage) = self
            .settings
            .sqlpage
            .as_ref()
            .filter(|_| self.options.dry_run)
        else {
            return self.connect(connection);
        };
        let state = |connection: &Connection| {
            let query = "PRAGMA main.schema_version";
            let schema = connection.query_row(query, [], |row| row.get::<_, i64>(0));
            (connection.total_changes(), schema.unwrap_or_default())
        };
        self.options.limits().set_patience(connection)?;
        let before = state(connection);
        self.connect(connection)?;
        if before != state(connection) && connection.path() != Some("") {
            let message = "was run and has changed the database, as it does each time that SQLPage connects: that is not rolled back";
            let path = sqlpage.directory.join("on_connect.sql");
            report.warning(&Finding::new("on-connect", &path, message));
        }
        Ok(())
    }

    /// Makes a connection like SQLPage's, if that is what it is to be.
    fn connect(&self, connection: &mut Connection) -> Result<(), Error> {
        self.options.limits().set_patience(connection)?;
        if let Some(sqlpage) = &self.settings.sqlpage {
            connection::register_functions(connection)?;
            connection::connect(connection, &sqlpage.directory, &sqlpage.extensions)?;
        }
        Ok(())
    }
}
