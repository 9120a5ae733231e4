//! Where everything is, in one call: scripts, database, and what SQLPage does to its
//! connections.
//!
//! Owns the order in which arguments, environment and settings are asked, which
//! follows `src/app_config.rs` of SQLPage. Never opens a database.

use crate::database::location::{Location, Mode};
use crate::diagnostics::error::Error;
use crate::diagnostics::problem::Finding;
use crate::sqlpage::environment::Environment;
use crate::sqlpage::settings::{ConfigFile, read_config};
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
}

/// What SQLPage does to its connections.
#[derive(Debug)]
pub(crate) struct Connections {
    /// The configuration directory, where `on_connect.sql` is.
    pub directory: PathBuf,
    pub extensions: Vec<String>,
}

impl Typed<'_> {
    /// A database that was named in the arguments, or in a list that they name.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] as of [`Location::parse`].
    pub fn location(&self, name: &OsStr) -> Result<Location, Error> {
        Ok(self.adjusted(Location::parse(name, "--database")?))
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
    let environment = Environment::of_this_process();
    let explicit = typed
        .config_file
        .map(|file| read_config(Path::new(""), Some(file)))
        .transpose()?;
    let directory = configuration_directory(typed, explicit.as_ref(), &environment);
    let mut project = Project {
        migrations: match typed.migrations {
            Some(migrations) => migrations.to_owned(),
            None => directory.join("migrations"),
        },
        database: Location::file(PathBuf::new()),
        sqlpage: None,
        warnings: Vec::new(),
    };
    if typed.needs == Needs::Scripts {
        return Ok(project);
    }
    let profile = typed.profile.unwrap_or(match typed.migrations {
        Some(_) => Profile::Sqlite,
        None => Profile::Sqlpage,
    });
    let named = match typed.needs {
        Needs::Database => typed.database,
        Needs::Connections | Needs::Scripts => Some(OsStr::new("")),
    };
    let from_environment = match named {
        Some(_) => None,
        None => environment.setting("database_url"),
    };
    let is_named = named.is_some() || from_environment.is_some();
    let config = match explicit {
        Some(config) => config,
        None if is_named && profile == Profile::Sqlite => ConfigFile::default(),
        None => read_config(&directory, None)?,
    };
    if let (Some(unread), true) = (&config.unread, is_named) {
        let message = "is not read, only sqlpage.json and sqlpage.json5 are: sqlite_extensions that it names are not loaded (SQLITE_EXTENSIONS in the environment names them too)";
        let warning = Finding::new("unread-settings", unread, message);
        project.warnings.push(warning);
    }
    if typed.needs == Needs::Database {
        let found = match (named, from_environment) {
            (Some(text), _) => Location::parse(text, "--database")?,
            // SQLPage takes an empty setting for none, and does not ask further.
            (None, Some((_, value))) if value.is_empty() => {
                default_database(&directory, &mut project.warnings)
            }
            (None, Some((name, value))) => database_of_setting(value, &name)?,
            (None, None) => configured_database(&config, &directory, &mut project.warnings)?,
        };
        project.database = typed.adjusted(found);
    }
    if profile == Profile::Sqlpage {
        project.sqlpage = Some(Connections {
            extensions: extensions(config, &environment),
            directory,
        });
    }
    Ok(project)
}

/// SQLPage asks in another order if it was given a file: then its own settings,
/// which the environment overrides, name the folder.
fn configuration_directory(
    typed: &Typed<'_>,
    explicit: Option<&ConfigFile>,
    environment: &Environment,
) -> PathBuf {
    if let Some(directory) = typed.config_dir {
        return directory.to_owned();
    }
    if let Some(config) = explicit {
        let setting = environment.setting("configuration_directory");
        let in_file = config.configuration_directory.as_deref().map(OsStr::new);
        if let Some(directory) = setting.map(|(_, value)| value).or(in_file) {
            return directory.into();
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
    let message = format!(
        "is where SQLPage's web server can serve it to anybody: move it to {}",
        new.display()
    );
    warnings.push(Finding::new("public-database", old, message));
    Location {
        mode: Mode::ReadWrite,
        ..Location::file(old.to_owned())
    }
}

/// The database that a setting of SQLPage names. It takes URLs only.
fn database_of_setting(value: &OsStr, origin: &str) -> Result<Location, Error> {
    let location = Location::parse(value, origin)?;
    if value.as_encoded_bytes().starts_with(b"sqlite:") {
        return Ok(location);
    }
    Err(Error::Configuration {
        origin: origin.to_owned(),
        message: format!(
            "'{}' is not the URL of a SQLite database: write sqlite://data.db, or name a file with -D",
            value.to_string_lossy()
        ),
        position: None,
    })
}

/// The database of SQLPage's settings file, else its default.
fn configured_database(
    config: &ConfigFile,
    directory: &Path,
    warnings: &mut Vec<Finding>,
) -> Result<Location, Error> {
    if let Some(unread) = &config.unread {
        return Err(Error::Configuration {
            origin: unread.to_string_lossy().into_owned(),
            message: "only sqlpage.json and sqlpage.json5 are read here, so the database is not known: name it with -D or DATABASE_URL, or turn the file into JSON".to_owned(),
            position: None,
        });
    }
    match (&config.database_url, &config.path) {
        (Some(url), Some(path)) if !url.is_empty() => {
            let origin = format!("{}: database_url", path.display());
            database_of_setting(OsStr::new(url), &origin)
        }
        _ => Ok(default_database(directory, warnings)),
    }
}

/// The environment's list, separated by spaces, overrides the file's.
fn extensions(config: ConfigFile, environment: &Environment) -> Vec<String> {
    match environment.setting("sqlite_extensions") {
        Some((_, list)) => list
            .to_string_lossy()
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        None => config.sqlite_extensions,
    }
}
