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
use litemigrate::database::{Access, look};
use litemigrate::rusqlite::Connection;
use litemigrate::{
    AppliedMigration, Cause, Directory, Error, Event, Options, Problem, backup, connection, create,
    history, plan, read_dir, sqlpage, up,
};
use report::Report;
use settings::Settings;
use std::io::{self, Write};
use std::process::ExitCode;

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
    let result = run(&arguments, &mut report);
    if let Err(error) = &result {
        report.failed(error);
    }
    let code = exit_code(&result);
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
        Command::Status | Command::Check => {
            let (settings, directory) = prepare(arguments, report)?;
            run_look(arguments, &settings, &directory, report)
        }
    }
}

/// Finds everything, and reads the folder: before the database is touched.
fn prepare(arguments: &Arguments, report: &mut Report) -> Result<(Settings, Directory), Error> {
    let mut settings = settings::resolve(arguments)?;
    report.database(&settings.database.path);
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
    let busy = connection.busy_timeout(options.lock_wait);
    busy.map_err(|error| Error::database(&connection, "configure the connection", &error))?;
    if let Some(sqlpage) = &settings.sqlpage {
        connection::register_functions(&connection)?;
        connection::connect(&mut connection, &sqlpage.directory, &sqlpage.extensions)?;
        let history = history::read(&connection)?;
        let plan = plan(migrations, &history);
        sqlpage::warnings(plan.pending(options.to))
            .iter()
            .for_each(|warning| report.warning(warning));
    }
    let summary = up(
        &mut connection,
        migrations,
        &options,
        &mut |event| match event {
            Event::Waiting => report.waiting(),
            Event::BackedUp => report.backed_up(arguments.backup.as_deref()),
            Event::Warning(warning) => report.warning(&warning),
            Event::Applied(step) if arguments.dry_run => report.would_apply(&step),
            Event::Applied(step) => report.applied(&step),
        },
    )?;
    if arguments.dry_run {
        report.dry_run_done(summary.applied);
    } else {
        report.up_done(summary.applied, summary.newest);
    }
    Ok(Outcome::Done)
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
        |connection| read_history(settings, connection),
    )?;
    settings
        .warnings
        .iter()
        .for_each(|warning| report.warning(warning));
    let history = seen.map_or_else(Vec::new, |(history, _)| history);
    let plan = plan(&directory.migrations, &history);
    if arguments.command == Command::Status {
        report.status(&plan);
        return Ok(Outcome::Done);
    }
    refuse_problems(&plan, &arguments.policy)?;
    plan.warnings(&arguments.policy, None)
        .iter()
        .for_each(|warning| report.warning(warning));
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
        Error::Changed { .. } | Error::History { .. } => 65,
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
