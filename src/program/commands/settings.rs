//! Where things are: arguments, environment and SQLPage's settings become paths.
//!
//! Owns the order in which these are asked. Opens no database.

use crate::database::location::{Location, Mode};
use crate::diagnostics::error::Error;
use crate::diagnostics::problem::Finding;
use crate::program::arguments::parse::{Arguments, Command, Profile};
use crate::sqlpage::project::{self as sqlpage, ConfigFile};
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where things are.
#[derive(Debug)]
pub(crate) struct Settings {
    pub migrations: PathBuf,
    pub database: Location,
    /// What SQLPage does to its connections, if ours are to be like them.
    pub sqlpage: Option<Sqlpage>,
    pub warnings: Vec<Finding>,
}

/// What SQLPage does to its connections.
#[derive(Debug)]
pub(crate) struct Sqlpage {
    pub directory: PathBuf,
    pub extensions: Vec<String>,
}

/// The folder of scripts, for a command that needs nothing else.
pub(crate) fn migrations(arguments: &Arguments) -> Result<PathBuf, Error> {
    match &arguments.migrations {
        Some(directory) => Ok(directory.clone()),
        None => Ok(config_dir(arguments, &explicit_config(arguments)?).join("migrations")),
    }
}

/// The file of `--config-file`, which must be there and be readable.
fn explicit_config(arguments: &Arguments) -> Result<Option<ConfigFile>, Error> {
    let file = arguments.config_file.as_deref();
    file.map(|file| sqlpage::read_config(Path::new(""), Some(file)))
        .transpose()
}

/// SQLPage asks in another order if it was given a file: then its own settings,
/// which the environment overrides, name the folder.
fn config_dir(arguments: &Arguments, explicit: &Option<ConfigFile>) -> PathBuf {
    if let Some(directory) = &arguments.config_dir {
        return directory.clone();
    }
    if let Some(config) = explicit {
        let setting = sqlpage::environment_setting("configuration_directory", std::env::vars_os());
        let in_file = config.configuration_directory.clone().map(PathBuf::from);
        if let Some(directory) = setting.map(|(_, value)| PathBuf::from(value)).or(in_file) {
            return directory;
        }
    }
    sqlpage::configuration_directory(&|name| std::env::var_os(name))
}

/// Everything that a command on a database needs to know.
pub(crate) fn resolve(arguments: &Arguments) -> Result<Settings, Error> {
    let explicit = explicit_config(arguments)?;
    let directory = config_dir(arguments, &explicit);
    let by_default = match arguments.migrations {
        Some(_) => Profile::Sqlite,
        None => Profile::Sqlpage,
    };
    let profile = arguments.profile.unwrap_or(by_default);
    let named = arguments.databases.first();
    // The database is named elsewhere, or not needed.
    let unnamed =
        arguments.is_for_several() || (arguments.command == Command::Schema && named.is_none());
    let from_environment = match named {
        Some(_) => None,
        None if unnamed => None,
        None => sqlpage::environment_setting("database_url", std::env::vars_os()),
    };
    let is_named = named.is_some() || unnamed || from_environment.is_some();
    let config = match explicit {
        Some(config) => config,
        None if is_named && profile == Profile::Sqlite => ConfigFile::default(),
        None => sqlpage::read_config(&directory, None)?,
    };
    let mut warnings = Vec::new();
    if let (Some(unread), true) = (&config.unread, is_named) {
        let message = "is not read, only sqlpage.json and sqlpage.json5 are: sqlite_extensions that it names are not loaded (SQLITE_EXTENSIONS in the environment names them too)";
        warnings.push(Finding::new("unread-settings", unread, message));
    }
    let mut database = match (named, from_environment) {
        _ if unnamed => Location::file(PathBuf::new()),
        (Some(text), _) => Location::parse(text, "--database")?,
        // SQLPage takes an empty setting for none, and does not ask further.
        (None, Some((_, value))) if value.is_empty() => {
            let (location, warning) = sqlpage::default_database(&directory);
            warnings.extend(warning);
            location
        }
        (None, Some((name, value))) => sqlpage::database_of_setting(&value, &name)?,
        (None, None) => {
            let (location, warning) = configured_database(&config, &directory)?;
            warnings.extend(warning);
            location
        }
    };
    adjust(arguments, &mut database);
    let sqlpage = match profile {
        Profile::Sqlite => None,
        Profile::Sqlpage => Some(Sqlpage {
            extensions: extensions(config),
            directory: directory.clone(),
        }),
    };
    Ok(Settings {
        migrations: match &arguments.migrations {
            Some(migrations) => migrations.clone(),
            None => directory.join("migrations"),
        },
        database,
        sqlpage,
        warnings,
    })
}

/// What options say of the database, wherever it was named.
fn adjust(arguments: &Arguments, database: &mut Location) {
    if arguments.vfs.is_some() {
        database.vfs.clone_from(&arguments.vfs);
    }
    if arguments.no_create && database.mode == Mode::Create {
        database.mode = Mode::ReadWrite;
    }
}

/// One of several databases.
pub(crate) fn one_of_several(arguments: &Arguments, name: &OsStr) -> Result<Location, Error> {
    let mut database = Location::parse(name, "--database")?;
    adjust(arguments, &mut database);
    Ok(database)
}

/// The names of several databases: those of `--database`, then those of the list.
pub(crate) fn several(arguments: &Arguments) -> Result<Vec<OsString>, Error> {
    let mut names = arguments.databases.clone();
    let Some(file) = &arguments.databases_from else {
        return Ok(names);
    };
    let mut bytes = Vec::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| ())
    } else {
        std::fs::read(file).map(|content| bytes = content)
    };
    read.map_err(|error| Error::Configuration {
        origin: format!("--databases-from {}", file.display()),
        message: format!("cannot be read: {error}"),
        position: None,
    })?;
    let end = if arguments.null { 0 } else { b'\n' };
    let listed = bytes
        .split(|byte| *byte == end)
        // A list that was written on Windows.
        .map(|name| match arguments.null {
            true => name,
            false => name.strip_suffix(b"\r").unwrap_or(name),
        })
        .filter(|name| !name.is_empty());
    names.extend(listed.map(|name| OsStr::from_bytes(name).to_owned()));
    Ok(names)
}

/// The database of SQLPage's settings file, else its default.
fn configured_database(
    config: &ConfigFile,
    directory: &Path,
) -> Result<(Location, Option<Finding>), Error> {
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
            Ok((
                sqlpage::database_of_setting(OsStr::new(url), &origin)?,
                None,
            ))
        }
        _ => Ok(sqlpage::default_database(directory)),
    }
}

/// The environment's list, separated by spaces, overrides the file's.
fn extensions(config: ConfigFile) -> Vec<String> {
    match sqlpage::environment_setting("sqlite_extensions", std::env::vars_os()) {
        Some((_, list)) => list
            .to_string_lossy()
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        None => config.sqlite_extensions,
    }
}
