//! What each command does, by way of the library.
//!
//! Owns which command is done by what, for one database or for several, and the order:
//! project, folder, database, report. Decides nothing that the library decides, and
//! prints nothing itself.

mod backups;
mod connecting;
pub(crate) mod databases;
mod files;
mod history;
mod import;
mod looking;
mod up;

use crate::database::permission::discovery::foreign_owners;
use crate::database::permission::group_writable;
use crate::database::room::no_more_files;
use crate::diagnostics::error::{Cause, Error};
use crate::diagnostics::problem::{Finding, Problem};
use crate::files::directory::{Directory, read_dir_of};
use crate::files::folder::{folder_checksum, refuse_other};
use crate::files::migration::Migration;
use crate::operations::drift::Replayed;
use crate::plan::policy::Options;
use crate::program::arguments::parse::{Arguments, Command};
use crate::program::exit_codes::{Outcome, exit_code, severity};
use crate::program::report::Report;
use crate::sqlpage::project::{Project, project};
use crate::sqlpage::warnings;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

/// What a command does with the scripts of a folder and one database.
type Work<'a> = &'a dyn Fn(&Run<'_>, &mut Report) -> Result<Outcome, Error>;

/// Does what was asked for, and gives back the exit code.
pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> u8 {
    let options = options(arguments, report);
    let work: Work = match &arguments.command {
        Command::Print(text) => {
            report.print(text);
            return 0;
        }
        Command::Embed => return ended(files::embed(arguments, report), report),
        Command::New(name) => return ended(files::new(arguments, name, report), report),
        Command::Import(folder) => {
            let result = import::import(arguments, folder, &options, report);
            return ended(result, report);
        }
        Command::Restore(file) => {
            return ended(files::restore(arguments, file, &options, report), report);
        }
        Command::Up => &|run, report| run.up(report),
        Command::Status => &|run, report| run.status(report),
        Command::Check => &|run, report| run.check(report),
        Command::Schema => &|run, report| run.schema(report),
        Command::Down => &|run, report| run.down(report),
        Command::Baseline(version) => &|run, report| run.baseline(*version, report),
        Command::Repair(versions) => &|run, report| run.repair(versions, report),
    };
    if let Err(error) = backups::refuse_what_cannot_be_kept_apart(arguments) {
        return ended(Err(error), report);
    }
    if arguments.is_for_several() {
        return run_several(arguments, options, work, report);
    }
    let prepared = Run::prepare(arguments, options, report);
    let result = prepared.and_then(|run| run.located(work(&run, report)));
    ended(result, report)
}

fn options(arguments: &Arguments, report: &Report) -> Options {
    Options {
        policy: arguments.policy,
        to: arguments.to,
        lock_wait: arguments.lock_wait.unwrap_or(Options::default().lock_wait),
        deadline: arguments
            .timeout
            .and_then(|timeout| Instant::now().checked_add(timeout)),
        single_transaction: arguments.single_transaction,
        dry_run: arguments.dry_run,
        allow_cascade: arguments.allow_cascade,
        strict: arguments.strict,
        for_sqlpage: false, // known when the settings are
        backup: arguments.backup.clone(),
        keep: arguments.keep,
        verify: arguments.verify,
        table: arguments.table.clone().unwrap_or_default(),
        vfs: None, // known when the database is
        heartbeat: report.heartbeat(),
    }
}

/// Tells a failure, and gives back the exit code.
fn ended(result: Result<Outcome, Error>, report: &mut Report) -> u8 {
    if let Err(error) = &result {
        report.failed(error);
    }
    exit_code(&result)
}

/// The same on each of several databases: the folder is read once, and what
/// befalls one does not stop the others. Gives back the worst exit code.
fn run_several(arguments: &Arguments, options: Options, work: Work<'_>, report: &mut Report) -> u8 {
    let prepared = databases::several(arguments).and_then(|names| {
        backups::refuse_one_name(arguments, &names)?;
        Ok((names, Run::prepare(arguments, options, report)?))
    });
    let (names, mut run) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return ended(Err(error), report),
    };
    report.several();
    let mut warnings = std::mem::take(&mut run.project.warnings);
    let mut worst = 0;
    let mut idle = true;
    let listed = databases::list_of(arguments);
    for (index, name) in names.into_iter().enumerate() {
        let origin = match index < arguments.databases.len() {
            true => "--database",
            false => &listed,
        };
        let mut one = report.one_of_several(Path::new(&name));
        let result = databases::typed(arguments)
            .location(&name, origin)
            .and_then(|database| {
                one.database(&database.path);
                run.options.vfs.clone_from(&database.vfs);
                run.project.database = database;
                run.project.refuse_foreign_finds()?;
                let strangers = foreign_owners(&run.owners, &run.project.database.path);
                let is_new = |found: &Finding| warnings.iter().all(|other| other != found);
                let strangers: Vec<Finding> = strangers.into_iter().filter(is_new).collect();
                warnings.extend(strangers);
                run.located(work(&run, &mut one))
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
    project: Project,
    migrations: Vec<Migration>,
    /// Whose they are, with one of each owner.
    owners: BTreeMap<u32, PathBuf>,
    warned_of_group: Cell<bool>,
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
        let mut project = project(&databases::typed(arguments))?;
        if !arguments.is_for_several() {
            report.database(&project.database.path);
        }
        report.using(&project.migrations);
        let recorded = || match arguments.is_for_several() {
            true => Vec::new(),
            false => looking::recorded(&project.database, &options),
        };
        let mut directory = match read_dir_of(&project.migrations, recorded) {
            Err(Error::Directory { source, .. })
                if arguments.optional && source.kind() == io::ErrorKind::NotFound =>
            {
                Directory::default()
            }
            Err(error) => {
                report.warnings(&project.warnings);
                if let (Error::Directory { source, .. }, Some(_)) = (&error, &project.sqlpage)
                    && source.kind() == io::ErrorKind::NotFound
                {
                    report.warning(&warnings::missing_directory(&project.migrations));
                }
                return Err(error);
            }
            Ok(directory) => directory,
        };
        if let Some(expected) = arguments.folder_checksum {
            refuse_other(&project.migrations, &directory.migrations, expected)?;
        }
        if matches!(arguments.command, Command::Status | Command::Check) {
            report.folder(&folder_checksum(&directory.migrations));
        }
        project.warnings.append(&mut directory.warnings);
        if !arguments.is_for_several() {
            let strangers = foreign_owners(&directory.owners, &project.database.path);
            project.warnings.extend(strangers);
        }
        Ok(Self {
            arguments,
            options: Options {
                vfs: project.database.vfs.clone(),
                for_sqlpage: project.sqlpage.is_some(),
                ..options
            },
            project,
            migrations: directory.migrations,
            owners: directory.owners,
            warned_of_group: Cell::new(false),
            replayed: RefCell::default(),
        })
    }

    /// Where something is pending: that a group may write to the folder, said once.
    fn warn_of_group(&self, report: &mut Report) {
        if !self.warned_of_group.replace(true)
            && let Some(warning) = group_writable(&self.project.migrations)
        {
            report.warning(&warning);
        }
    }

    /// Names folder and database where the library does not know them, and tells what the
    /// system has no more of from what may not be done.
    fn located(&self, mut result: Result<Outcome, Error>) -> Result<Outcome, Error> {
        match &mut result {
            Err(Error::Refused { problems }) => {
                for problem in problems {
                    if let Problem::NoFiles {
                        directory,
                        database,
                        ..
                    } = problem
                    {
                        *directory = Some(self.project.migrations.clone());
                        *database = Some(self.project.database.path.clone());
                    }
                }
            }
            Err(Error::Database { cause, message, .. }) => self.tell_apart(cause, message),
            Err(Error::Script(script)) => self.tell_apart(&mut script.cause, &script.message),
            _ => {}
        }
        result
    }

    fn tell_apart(&self, cause: &mut Cause, message: &str) {
        if matches!(cause, Cause::Permission | Cause::CannotOpen)
            && message.contains("unable to open database file")
            && no_more_files(&self.project.database.path).is_some()
        {
            *cause = Cause::Storage;
        }
    }
}
