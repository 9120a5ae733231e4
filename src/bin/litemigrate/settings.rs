//! Where things are: arguments and environment become paths.
//!
//! Owns the order in which these are asked. Opens nothing.

use crate::cli::Arguments;
use litemigrate::database::{Location, Mode};
use litemigrate::{Error, Finding, sqlpage};
use std::path::PathBuf;

/// Where things are.
#[derive(Debug)]
pub struct Settings {
    pub migrations: PathBuf,
    pub database: Location,
    pub warnings: Vec<Finding>,
}

/// The folder of scripts.
pub fn migrations(arguments: &Arguments) -> PathBuf {
    match &arguments.migrations {
        Some(directory) => directory.clone(),
        None => config_dir(arguments).join("migrations"),
    }
}

fn config_dir(arguments: &Arguments) -> PathBuf {
    match &arguments.config_dir {
        Some(directory) => directory.clone(),
        None => sqlpage::configuration_directory(&|name| std::env::var_os(name)),
    }
}

/// Everything that a command on a database needs to know.
pub fn resolve(arguments: &Arguments) -> Result<Settings, Error> {
    let mut warnings = Vec::new();
    let from_environment = || sqlpage::environment_database(&|name| std::env::var_os(name));
    let mut database = match &arguments.database {
        Some(text) => Location::parse(text, "--database")?,
        None => match from_environment()? {
            Some(location) => location,
            None => {
                let (location, warning) = sqlpage::default_database(&config_dir(arguments));
                warnings.extend(warning);
                location
            }
        },
    };
    if arguments.no_create && database.mode == Mode::Create {
        database.mode = Mode::ReadWrite;
    }
    Ok(Settings {
        migrations: migrations(arguments),
        database,
        warnings,
    })
}
