//! SQLPage's own rules: where its files are.
//!
//! Follows `src/app_config.rs` of SQLPage. Never opens a database.

use crate::database::{Location, Mode};
use crate::error::{Error, Finding};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The folder of SQLPage's configuration: the first of the environment's
/// variables that is set, in SQLPage's order, else `./sqlpage`.
#[must_use]
pub fn configuration_directory(variable: &dyn Fn(&str) -> Option<OsString>) -> PathBuf {
    [
        "configuration_directory",
        "CONFIGURATION_DIRECTORY",
        "sqlpage_configuration_directory",
        "SQLPAGE_CONFIGURATION_DIRECTORY",
    ]
    .into_iter()
    .find_map(variable)
    .map_or_else(|| PathBuf::from("sqlpage"), PathBuf::from)
}

/// The database that SQLPage uses if no URL is set: `./sqlpage.db` if it
/// exists, with a warning, else `sqlpage.db` in the configuration directory.
#[must_use]
pub fn default_database(configuration_directory: &Path) -> (Location, Option<Finding>) {
    let old = Path::new("sqlpage.db");
    let new = configuration_directory.join("sqlpage.db");
    if old.exists() {
        let message = format!(
            "is where SQLPage's web server can serve it to anybody: move it to {}",
            new.display()
        );
        let warning = Finding::new("public-database", old, message);
        return (
            Location {
                mode: Mode::ReadWrite,
                ..Location::file(old.to_owned())
            },
            Some(warning),
        );
    }
    (Location::file(new), None)
}

/// The database of `DATABASE_URL`, which `SQLPAGE_DATABASE_URL` overrides.
/// SQLPage takes URLs only.
///
/// # Errors
///
/// [`Error::Configuration`] if it is not the URL of a SQLite database.
pub fn environment_database(
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Option<Location>, Error> {
    for name in [
        "SQLPAGE_DATABASE_URL",
        "sqlpage_database_url",
        "DATABASE_URL",
        "database_url",
    ] {
        if let Some(value) = variable(name).filter(|value| !value.is_empty()) {
            let location = Location::parse(&value, name)?;
            if !value.as_encoded_bytes().starts_with(b"sqlite:") {
                return Err(Error::Configuration {
                    origin: name.to_owned(),
                    message: format!(
                        "'{}' is not the URL of a SQLite database: write sqlite://data.db, or name a file with -D",
                        value.to_string_lossy()
                    ),
                    position: None,
                });
            }
            return Ok(Some(location));
        }
    }
    Ok(None)
}
