//! litemigrate applies SQL migration files to a SQLite database.
//!
//! argv in, text out, exit code. The only place that knows exit codes.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::unreachable))]

mod cli;
mod json;
mod report;
mod settings;

use cli::{Arguments, Command};
use litemigrate::apply::{refuse, refuse_problems, refuse_unknown_target};
use litemigrate::database::{Location, Mode};
use litemigrate::look::{Access, look};
use litemigrate::repair::{self, Selection};
use litemigrate::rusqlite::{self, Connection};
use litemigrate::schema::{ChangeKind, Schema};
use litemigrate::{
    AppliedMigration, Cause, Directory, Error, Migration, Options, Plan, Problem, backup,
    connection, create, down, history, plan, read_dir, sqlpage, up,
};
use report::Report;
use settings::Settings;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// What a run came to, if nothing went wrong.
enum Outcome {
    Done,
    Pending,
}

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        let _ = writeln!(
            io::stderr(),
            "litemigrate: this is a bug in litemigrate, please report it: {info}"
        );
        std::process::exit(70);
    }));
    let arguments = match cli::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => return usage_error(&message),
    };
    let mut report = Report::new(&arguments);
    let code = if arguments.databases.len() > 1 || arguments.databases_from.is_some() {
        run_several(&arguments, &mut report)
    } else {
        let result = run(&arguments, &mut report);
        if let Err(error) = &result {
            report.failed(error);
        }
        exit_code(&result)
    };
    report.finish(code);
    ExitCode::from(code)
}

fn usage_error(message: &str) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    let mut report = Report::new(&Arguments {
        json,
        ..Arguments::default()
    });
    report.usage(message);
    report.finish(64);
    ExitCode::from(64)
}

fn run(arguments: &Arguments, report: &mut Report) -> Result<Outcome, Error> {
    match &arguments.command {
        Command::Print(text) => {
            report.print(text);
            Ok(Outcome::Done)
        }
        Command::New(name) => {
            let directory = settings::migrations(arguments)?;
            let created =
                create::create(&directory, name, arguments.numbering, arguments.reversible)?;
            report.created(&created);
            Ok(Outcome::Done)
        }
        Command::Restore(file) => {
            let settings = settings::resolve(arguments)?;
            report.database(&settings.database.path);
            let newest = backup::restore(file, &settings.database, options(arguments).lock_wait)?;
            report.restored(file, newest);
            Ok(Outcome::Done)
        }
        Command::Up => {
            let (settings, directory) = prepare(arguments, report)?;
            run_up(arguments, &settings, &directory, report)
        }
        Command::Schema => {
            let (settings, directory) = prepare(arguments, report)?;
            settings
                .warnings
                .iter()
                .for_each(|warning| report.warning(warning));
            report.schema(&replay(&settings, &directory.migrations)?.to_sql());
            Ok(Outcome::Done)
        }
        Command::Down | Command::Baseline(_) | Command::Repair(_) => {
            let (settings, directory) = prepare(arguments, report)?;
            run_change(arguments, &settings, &directory, report)
        }
        Command::Status | Command::Check => {
            let (settings, directory) = prepare(arguments, report)?;
            run_look(arguments, &settings, &directory, report)
        }
    }
}

/// The same on each of several databases: the folder is read once, and what
/// befalls one does not stop the others. Gives back the worst exit code.
fn run_several(arguments: &Arguments, report: &mut Report) -> u8 {
    let prepared =
        settings::several(arguments).and_then(|names| Ok((names, prepare(arguments, report)?)));
    let (names, (mut settings, directory)) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            report.failed(&error);
            return exit_code(&Err(error));
        }
    };
    let warnings = std::mem::take(&mut settings.warnings);
    let mut worst = 0;
    let mut idle = true;
    for name in names {
        let mut one = report.one_of_several(Path::new(&name));
        let result = settings::one_of_several(arguments, &name).and_then(|database| {
            settings.database = database;
            one.database(&settings.database.path);
            match arguments.command {
                Command::Up => run_up(arguments, &settings, &directory, &mut one),
                _ => run_look(arguments, &settings, &directory, &mut one),
            }
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
        warnings.iter().for_each(|warning| report.warning(warning));
    }
    worst
}

/// Which of two exit codes tells more about several databases: the worst is a
/// failed script, then what a person must look at, then what time may heal.
fn severity(code: u8) -> usize {
    const FROM_GOOD_TO_BAD: [u8; 12] = [0, 3, 75, 4, 66, 73, 77, 78, 74, 65, 64, 1];
    FROM_GOOD_TO_BAD
        .iter()
        .position(|known| *known == code)
        .unwrap_or(FROM_GOOD_TO_BAD.len())
}

/// Finds everything, and reads the folder: before the database is touched.
fn prepare(arguments: &Arguments, report: &mut Report) -> Result<(Settings, Directory), Error> {
    let mut settings = settings::resolve(arguments)?;
    if arguments.databases.len() <= 1 && arguments.databases_from.is_none() {
        report.database(&settings.database.path);
    }
    report.using(&settings.migrations, &settings.database.path);
    let mut directory = match read_dir(&settings.migrations) {
        Err(Error::Directory { source, .. })
            if arguments.optional && source.kind() == io::ErrorKind::NotFound =>
        {
            Directory::default()
        }
        result => result?,
    };
    settings.warnings.append(&mut directory.warnings);
    Ok((settings, directory))
}

fn options(arguments: &Arguments) -> Options {
    Options {
        policy: arguments.policy,
        to: arguments.to,
        lock_wait: arguments.lock_wait.unwrap_or(Options::default().lock_wait),
        timeout: arguments.timeout,
        single_transaction: arguments.single_transaction,
        dry_run: arguments.dry_run,
        allow_cascade: arguments.allow_cascade,
        backup: arguments.backup.clone(),
    }
}

fn run_up(
    arguments: &Arguments,
    settings: &Settings,
    directory: &Directory,
    report: &mut Report,
) -> Result<Outcome, Error> {
    let options = options(arguments);
    let migrations = &directory.migrations;
    refuse_unknown_target(migrations, options.to)?;
    // Whether anything is to be done, and the newest version.
    let judge = |history: &[AppliedMigration]| {
        let plan = plan(migrations, history);
        refuse(&plan, &options)?;
        Ok((
            plan.pending(options.to).next().is_some(),
            plan.newest_applied(),
        ))
    };
    let seen = look(
        &settings.database,
        Access::LookThenWrite,
        options.lock_wait,
        |connection| judge(&read_history(settings, connection)?),
    );
    // From cron, a run with nothing to do says nothing, about odd files either.
    let idle = matches!(&seen, Ok(Some(((false, _), _))));
    if !idle || report.talks_when_idle() {
        settings
            .warnings
            .iter()
            .for_each(|warning| report.warning(warning));
    }
    let seen = seen?;
    let is_new = seen.is_none();
    let (connection, to_do, newest) = match seen {
        Some(((to_do, newest), connection)) => (connection, to_do, newest),
        None => (None, judge(&[])?.0, None),
    };
    if !to_do {
        report.up_done(0, newest);
        return Ok(Outcome::Done);
    }
    let mut connection = match connection {
        // A database that is not there is not made for show.
        None if options.dry_run && is_new => {
            Connection::open_in_memory().map_err(|error| Error::Database {
                path: settings.database.path.clone(),
                doing: "open a database in memory",
                cause: Cause::Storage,
                message: error.to_string(),
            })?
        }
        connection => settings.database.open_to_write(connection)?,
    };
    prepare_connection(settings, &mut connection, options.lock_wait)?;
    if settings.sqlpage.is_some() {
        let history = history::read(&connection)?;
        let plan = plan(migrations, &history);
        sqlpage::warnings(plan.pending(options.to))
            .iter()
            .for_each(|warning| report.warning(warning));
    }
    let summary = up(&mut connection, migrations, &options, &mut |event| {
        report.event(event, arguments)
    })?;
    if arguments.dry_run {
        report.dry_run_done(summary.applied);
    } else {
        report.up_done(summary.applied, summary.newest);
    }
    Ok(Outcome::Done)
}

/// The commands that change the history of a database that is there.
fn run_change(
    arguments: &Arguments,
    settings: &Settings,
    directory: &Directory,
    report: &mut Report,
) -> Result<Outcome, Error> {
    let options = options(arguments);
    let migrations = &directory.migrations;
    settings
        .warnings
        .iter()
        .for_each(|warning| report.warning(warning));
    let existing = Location {
        mode: if settings.database.mode == Mode::Create {
            Mode::ReadWrite
        } else {
            settings.database.mode
        },
        ..settings.database.clone()
    };
    let mut connection = existing.open_to_write(None)?;
    prepare_connection(settings, &mut connection, options.lock_wait)?;
    let how = repair::Apply {
        lock_wait: options.lock_wait,
        dry_run: arguments.dry_run,
    };
    let changes = match &arguments.command {
        Command::Down => {
            let summary = down(&mut connection, migrations, &options, &mut |event| {
                report.event(event, arguments)
            })?;
            report.down_done(summary.applied, summary.newest, arguments.dry_run);
            return Ok(Outcome::Done);
        }
        Command::Baseline(version) => repair::baseline(
            &mut connection,
            migrations,
            *version,
            &arguments.policy,
            arguments.force,
            &how,
        )?,
        Command::Repair(versions) => {
            let selection = if arguments.line_endings {
                Selection::Spelling
            } else {
                Selection::Versions(versions.clone())
            };
            repair::repair(&mut connection, migrations, &selection, &how)?
        }
        _ => Vec::new(),
    };
    report.history_changed(&changes, arguments.dry_run);
    Ok(Outcome::Done)
}

/// The schema that migrations make, found out in memory.
fn replay(settings: &Settings, migrations: &[Migration]) -> Result<Schema, Error> {
    let failed = |error: &rusqlite::Error| Error::Database {
        path: settings.database.path.clone(),
        doing: "replay the migrations in memory",
        cause: Cause::of(error),
        message: error.to_string(),
    };
    let mut memory = Connection::open_in_memory().map_err(|error| failed(&error))?;
    prepare_connection(settings, &mut memory, Duration::ZERO)?;
    let options = Options {
        allow_cascade: true,
        ..Options::default()
    };
    up(&mut memory, migrations, &options, &mut |_| {})?;
    Schema::read(&memory).map_err(|error| failed(&error))
}

/// Compares the database's schema with what its applied migrations make.
fn refuse_drift(
    settings: &Settings,
    directory: &Directory,
    plan: &Plan<'_>,
    found: &Schema,
) -> Result<(), Error> {
    let applied: Vec<Migration> = directory
        .migrations
        .iter()
        .filter(|migration| {
            plan.states
                .iter()
                .any(|state| state.version() == migration.version && state.row().is_some())
        })
        .cloned()
        .collect();
    let differences: Vec<String> = replay(settings, &applied)?
        .differences(found)
        .into_iter()
        .map(|change| match change.kind {
            ChangeKind::Dropped => format!("{} {} is missing", change.object, change.name),
            ChangeKind::Created => {
                format!("{} {} is extra: {}", change.object, change.name, change.sql)
            }
            ChangeKind::Changed => format!(
                "{} {} is different: {}",
                change.object, change.name, change.sql
            ),
        })
        .collect();
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::Drift {
        database: settings.database.path.clone(),
        differences,
    })
}

/// Makes a connection like SQLPage's, if that is what it is to be.
fn prepare_connection(
    settings: &Settings,
    connection: &mut Connection,
    lock_wait: Duration,
) -> Result<(), Error> {
    let busy = connection.busy_timeout(lock_wait);
    busy.map_err(|error| Error::database(connection, "configure the connection", &error))?;
    if let Some(sqlpage) = &settings.sqlpage {
        connection::register_functions(connection)?;
        connection::connect(connection, &sqlpage.directory, &sqlpage.extensions)?;
    }
    Ok(())
}

/// The history, seen as SQLPage would see the database if it is SQLPage's: one
/// that it cannot open is refused here too.
fn read_history(
    settings: &Settings,
    connection: &Connection,
) -> Result<Vec<AppliedMigration>, Error> {
    if settings.sqlpage.is_some() {
        connection::register_functions(connection)?;
    }
    history::read(connection)
}

fn run_look(
    arguments: &Arguments,
    settings: &Settings,
    directory: &Directory,
    report: &mut Report,
) -> Result<Outcome, Error> {
    let options = options(arguments);
    let seen = look(
        &settings.database,
        Access::Look,
        options.lock_wait,
        |connection| {
            let history = read_history(settings, connection)?;
            let schema = if arguments.drift {
                Schema::read(connection)
                    .map_err(|error| Error::database(connection, "read the schema", &error))?
            } else {
                Schema::default()
            };
            Ok((history, schema))
        },
    )?;
    settings
        .warnings
        .iter()
        .for_each(|warning| report.warning(warning));
    let (history, schema) = seen.map_or_else(Default::default, |(found, _)| found);
    let plan = plan(&directory.migrations, &history);
    if arguments.command == Command::Status {
        report.status(&plan);
        return Ok(Outcome::Done);
    }
    refuse_problems(&plan, &arguments.policy)?;
    plan.warnings(&arguments.policy, None)
        .iter()
        .for_each(|warning| report.warning(warning));
    if arguments.drift {
        refuse_drift(settings, directory, &plan, &schema)?;
    }
    report.check(&plan);
    if plan.pending(None).next().is_some() {
        Ok(Outcome::Pending)
    } else {
        Ok(Outcome::Done)
    }
}

/// The one conversion of what happened to the documented exit codes.
fn exit_code(result: &Result<Outcome, Error>) -> u8 {
    let error = match result {
        Ok(Outcome::Done) => return 0,
        Ok(Outcome::Pending) => return 3,
        Err(error) => error,
    };
    match error {
        Error::Script(script) => database_code(script.cause, 1),
        Error::Refused { problems } => {
            let newer = |problem: &Problem| matches!(problem, Problem::Newer { .. });
            if problems.iter().all(newer) { 4 } else { 65 }
        }
        Error::NoSuchVersion { .. } => 64,
        Error::Unusable { findings, .. } => {
            let all = |kinds: &[&str]| findings.iter().all(|found| kinds.contains(&found.kind));
            if all(&["no-permission"]) {
                77
            } else if all(&["no-permission", "io-error"]) {
                74
            } else {
                65
            }
        }
        Error::Changed { .. }
        | Error::Declined { .. }
        | Error::Drift { .. }
        | Error::History { .. } => 65,
        Error::NoDatabase { .. } => 66,
        Error::Read { source, .. } => match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::InvalidData => 65,
            io::ErrorKind::PermissionDenied => 77,
            _ => 74,
        },
        Error::Directory { source, .. } => match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => 66,
            io::ErrorKind::PermissionDenied => 77,
            _ => 74,
        },
        Error::CannotCreate { .. } | Error::CannotCreateDatabase { .. } => 73,
        Error::Database { cause, .. } => database_code(*cause, 74),
        Error::Configuration { .. } => 78,
    }
}

/// `statement` is the code for a statement that is at fault itself.
fn database_code(cause: Cause, statement: u8) -> u8 {
    match cause {
        Cause::Statement => statement,
        Cause::Busy => 75,
        Cause::Storage => 74,
        Cause::Permission | Cause::CannotOpen => 77,
    }
}
