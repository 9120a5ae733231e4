//! Where everything is, in one call: scripts, database, and what SQLPage does to its
//! connections.
//!
//! Owns the order in which arguments, environment and settings are asked, which
//! follows `src/app_config.rs` of SQLPage. Never opens a database.

use crate::database::location::{Location, Mode};
use crate::database::permission::discovery::refuse_foreign_finds;
use crate::database::permission::world_writable;
use crate::diagnostics::error::Error;
use crate::diagnostics::problem::Finding;
use crate::diagnostics::text::shown;
use crate::sqlpage::environment::Environment;
use crate::sqlpage::settings::{self, Settings};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// How connections behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As SQLPage's own.
    Sqlpage,
    /// As stock SQLite.
    Sqlite,
}

impl Profile {
    /// The one that was named, or else that of a folder that was named or not.
    pub(crate) fn chosen(named: Option<Self>, migrations: Option<&Path>) -> Self {
        named.unwrap_or(match migrations {
            Some(_) => Self::Sqlite,
            None => Self::Sqlpage,
        })
    }
}

/// How much of a project is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Where the scripts are.
    Scripts,
    /// What a connection is to be like, too: the database is named elsewhere, or none.
    Connections,
    /// All of it.
    Database,
}

/// What was typed about where things are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Typed<'a> {
    pub config_dir: Option<&'a Path>,
    pub config_file: Option<&'a Path>,
    pub profile: Option<Profile>,
    pub migrations: Option<&'a Path>,
    pub database: Option<&'a OsStr>,
    pub vfs: Option<&'a str>,
    pub no_create: bool,
    pub no_dotenv: bool,
    pub needs: Needs,
}

/// Where everything is.
#[derive(Debug)]
pub(crate) struct Project {
    /// The folder of scripts.
    pub migrations: PathBuf,
    /// The database; a nameless one if it was not asked for.
    pub database: Location,
    /// What SQLPage does to its connections, if ours are to be like them.
    pub sqlpage: Option<Connections>,
    pub warnings: Vec<Finding>,
    /// What is used of it though nobody has named it.
    found: Vec<PathBuf>,
}

impl Project {
    /// As root, refuses what was found by itself and is a stranger's.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] with what is another's.
    pub fn refuse_foreign_finds(&self) -> Result<(), Error> {
        refuse_foreign_finds(&self.found, &self.database.path)
    }
}

/// What SQLPage does to its connections.
#[derive(Debug)]
pub(crate) struct Connections {
    /// The configuration directory, where `on_connect.sql` is.
    pub directory: PathBuf,
    pub extensions: Vec<String>,
}

impl Typed<'_> {
    /// A database that was named in `origin`: the arguments, or a list that they name.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] as of [`Location::parse`].
    pub fn location(&self, name: &OsStr, origin: &str) -> Result<Location, Error> {
        Ok(self.adjusted(Location::parse(name, origin)?))
    }

    /// What options say of the database, wherever it was named.
    fn adjusted(&self, mut database: Location) -> Location {
        if let Some(vfs) = self.vfs {
            database.vfs = Some(vfs.to_owned());
        }
        if self.no_create && database.mode == Mode::Create {
            database.mode = Mode::ReadWrite;
        }
        database
    }
}

/// Finds everything.
///
/// # Errors
///
/// [`Error::Configuration`] with the setting that is wrong.
pub(crate) fn project(typed: &Typed<'_>) -> Result<Project, Error> {
    let profile = Profile::chosen(typed.profile, typed.migrations);
    let mut environment = Environment::of_this_process();
    if profile == Profile::Sqlpage && !typed.no_dotenv {
        environment.add_dotenv()?;
    }
    let mut explicit = typed.config_file.map(settings::read).transpose()?;
    let directory = configuration_directory(typed, explicit.as_mut(), &environment)?;
    let mut project = Project {
        migrations: match typed.migrations {
            Some(migrations) => migrations.to_owned(),
            None => directory.join("migrations"),
        },
        database: Location::file(PathBuf::new()),
        sqlpage: None,
        warnings: std::mem::take(&mut environment.warnings),
        found: environment.dotenv.iter().cloned().collect(),
    };
    let is_found = typed.config_dir.is_none() && directory == Path::new("sqlpage");
    if is_found && typed.migrations.is_none() {
        project.found.push(project.migrations.clone());
    }
    if typed.needs == Needs::Scripts {
        return Ok(project);
    }
    let named = match typed.needs {
        Needs::Database => typed.database,
        Needs::Connections | Needs::Scripts => Some(OsStr::new("")),
    };
    let from_environment = match named {
        Some(_) => None,
        None => environment.setting("database_url")?,
    };
    let is_named = named.is_some() || from_environment.is_some();
    let mut settings = match explicit {
        Some(settings) => settings,
        None if is_named && profile == Profile::Sqlite => Settings::default(),
        None => settings::of_directory(&directory)?,
    };
    if !is_named {
        settings.refuse_unread()?;
    }
    if is_found && typed.config_file.is_none() {
        project.found.extend(settings.path.clone());
    }
    project.warnings.append(&mut settings.warnings);
    if typed.needs == Needs::Database {
        let found = match (named, from_environment) {
            (Some(text), _) => Location::parse(text, "--database")?,
            // SQLPage takes an empty setting for none, and does not ask further.
            (None, Some((_, value))) if value.is_empty() => {
                default_database(&directory, &mut project.warnings)
            }
            (None, Some((name, value))) => database_of_setting(value, &name)?,
            (None, None) => configured_database(&settings, &directory, &mut project.warnings)?,
        };
        if !is_named && (is_found || found.path == Path::new("sqlpage.db")) {
            project.found.push(found.path.clone());
        }
        project.database = typed.adjusted(found);
    }
    if profile == Profile::Sqlpage {
        let on_connect = directory.join("on_connect.sql");
        if is_found {
            project.found.push(on_connect.clone());
        }
        let paths = [directory.clone(), on_connect];
        let paths: Vec<PathBuf> = paths.into_iter().chain(settings.path.clone()).collect();
        warn_of_password(&settings, &environment, &mut project.warnings)?;
        project.sqlpage = Some(Connections {
            extensions: extensions(settings, &environment, &mut project.warnings)?,
            directory,
        });
        project.warnings.extend(world_writable(&paths));
    } else if !is_named && !typed.no_dotenv {
        project.warnings.extend(environment.passed_over_dotenv());
    }
    if typed.needs == Needs::Database {
        project.refuse_foreign_finds()?;
    }
    Ok(project)
}

/// SQLPage asks in another order if it was given a file: then its own settings,
/// which the environment overrides, name the folder.
fn configuration_directory(
    typed: &Typed<'_>,
    explicit: Option<&mut Settings>,
    environment: &Environment,
) -> Result<PathBuf, Error> {
    if let Some(directory) = typed.config_dir {
        // Where it does not lead to the scripts, nobody would miss it: `-dry-run` is `-d ry-run`.
        if typed.migrations.is_some() && !directory.exists() {
            return Err(Error::Configuration {
                origin: "--config-dir".to_owned(),
                message: format!("there is no directory {}: check its path", shown(directory)),
                position: None,
            });
        }
        return Ok(directory.to_owned());
    }
    if let Some(settings) = explicit {
        if let Some((_, directory)) = environment.setting("configuration_directory")? {
            return Ok(directory.into());
        }
        settings.refuse_unread()?;
        if let Some(directory) = &settings.configuration_directory {
            return Ok(directory.into());
        }
    }
    environment.configuration_directory()
}

/// The database that SQLPage uses if no URL is set: `./sqlpage.db` if it
/// exists, with a warning, else `sqlpage.db` in the configuration directory.
fn default_database(configuration_directory: &Path, warnings: &mut Vec<Finding>) -> Location {
    let old = Path::new("sqlpage.db");
    let new = configuration_directory.join("sqlpage.db");
    if !old.exists() {
        return Location::file(new);
    }
    let message = match new.exists() {
        true => format!(
            "is where SQLPage's web server can serve it to anybody, and is used although {} is there too: keep one of them, in that place",
            new.display()
        ),
        false => format!(
            "is where SQLPage's web server can serve it to anybody: stop what has it open, and move it, with a -wal beside it, to {}",
            new.display()
        ),
    };
    warnings.push(Finding::new("public-database", old, message));
    Location {
        mode: Mode::ReadWrite,
        ..Location::file(old.to_owned())
    }
}

/// The database that a setting of SQLPage names. It takes URLs only, and what is none
/// may hold a password.
fn database_of_setting(value: &OsStr, origin: &str) -> Result<Location, Error> {
    let bytes = value.as_encoded_bytes();
    if let [first @ (b'"' | b'\''), .., last] = bytes
        && first == last
    {
        return Err(Error::Configuration {
            origin: origin.to_owned(),
            message: "its quotes are part of the value: take them away (docker --env-file and Kubernetes keep them)".to_owned(),
            position: None,
        });
    }
    let location = Location::parse(value, origin)?;
    if bytes.starts_with(b"sqlite:") {
        return Ok(location);
    }
    Err(Error::Configuration {
        origin: origin.to_owned(),
        message: "it is not the URL of a SQLite database: write sqlite://data.db?mode=rwc, or name a file with -D".to_owned(),
        position: None,
    })
}

/// The database of SQLPage's settings file, else its default.
fn configured_database(
    settings: &Settings,
    directory: &Path,
    warnings: &mut Vec<Finding>,
) -> Result<Location, Error> {
    match (&settings.database_url, &settings.path) {
        (Some(url), Some(path)) if !url.is_empty() => {
            let origin = format!("{}: database_url", path.display());
            database_of_setting(OsStr::new(url), &origin)
        }
        _ => Ok(default_database(directory, warnings)),
    }
}

/// A password is of no use to SQLite, as SQLPage says too.
fn warn_of_password(
    settings: &Settings,
    environment: &Environment,
    warnings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let named = match environment.setting("database_password")? {
        Some((name, _)) => Some(PathBuf::from(name)),
        None => settings.path.clone().filter(|_| settings.has_password),
    };
    let message = "database_password is of no use: a SQLite database has none, and SQLPage passes it over too";
    warnings.extend(named.map(|origin| Finding::new("database-password", &origin, message)));
    Ok(())
}

/// The environment's list, separated by single spaces, overrides the file's.
fn extensions(
    settings: Settings,
    environment: &Environment,
    warnings: &mut Vec<Finding>,
) -> Result<Vec<String>, Error> {
    if let Some((name, list)) = environment.setting("sqlite_extensions")? {
        let text = list.to_str().unwrap_or_default();
        let names: Vec<String> = text.split(' ').map(str::to_owned).collect();
        if !names.iter().any(String::is_empty) {
            return Ok(names);
        }
        return Err(Error::Configuration {
            origin: name,
            message: "names an extension without a name, which SQLPage cannot load: write names with one space between two, or unset it".to_owned(),
            position: None,
        });
    }
    if let (Some(unread), true) = (settings.unread, settings.may_name_extensions) {
        let message = "is written in a way that is not read here: sqlite_extensions that it names are not loaded (SQLITE_EXTENSIONS in the environment names them too)";
        warnings.push(Finding::at("unread-settings", unread, message));
    }
    Ok(settings.sqlite_extensions)
}
