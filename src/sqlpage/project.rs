//! SQLPage's own rules: where its files are, and where it will differ from us.
//!
//! Follows `src/app_config.rs` of SQLPage. Never opens a database on disk, and
//! writes no file. What its connections do is in [`connection`](crate::sqlpage::connection).

use crate::database::location::{Location, Mode};
use crate::diagnostics::error::{Error, sqlite_message};
use crate::diagnostics::position::Position;
use crate::diagnostics::problem::Finding;
use crate::files::directory::read_text;
use rusqlite::{Connection, OptionalExtension};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Tells an environment variable by its exact name.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The folder of SQLPage's configuration: the first of the environment's
/// variables that is set, in SQLPage's order, else `./sqlpage`.
#[must_use]
pub fn configuration_directory(environment: Environment<'_>) -> PathBuf {
    [
        "configuration_directory",
        "CONFIGURATION_DIRECTORY",
        "sqlpage_configuration_directory",
        "SQLPAGE_CONFIGURATION_DIRECTORY",
    ]
    .into_iter()
    .find_map(environment)
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
        let location = Location {
            mode: Mode::ReadWrite,
            ..Location::file(old.to_owned())
        };
        return (location, Some(warning));
    }
    (Location::file(new), None)
}

/// A setting of the environment: with SQLPage's prefix before without it, in
/// any case, as SQLPage reads them. Gives back the name that was found, too.
#[must_use]
pub fn environment_setting(
    name: &str,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Option<(String, OsString)> {
    let prefixed = format!("sqlpage_{name}");
    let mut found = None;
    for (key, value) in variables {
        let key = key.to_string_lossy();
        if key.eq_ignore_ascii_case(&prefixed) {
            return Some((key.into_owned(), value));
        }
        if key.eq_ignore_ascii_case(name) {
            found = Some((key.into_owned(), value));
        }
    }
    found
}

/// The database that a setting of SQLPage names. It takes URLs only.
///
/// # Errors
///
/// [`Error::Configuration`] if it is not the URL of a SQLite database.
pub fn database_of_setting(value: &std::ffi::OsStr, origin: &str) -> Result<Location, Error> {
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

/// What SQLPage's settings file says that matters here.
#[derive(Debug, Default)]
pub struct ConfigFile {
    /// The file, if there is one.
    pub path: Option<PathBuf>,
    /// `database_url`.
    pub database_url: Option<String>,
    /// `configuration_directory`, which counts in an explicit file only.
    pub configuration_directory: Option<String>,
    /// `sqlite_extensions`.
    pub sqlite_extensions: Vec<String>,
    /// A file in a language that is not read here.
    pub unread: Option<PathBuf>,
}

/// Reads `explicit`, or the `sqlpage.json` or `sqlpage.json5` of the directory.
/// A file in another language that SQLPage knows (TOML, YAML, INI, RON) is not
/// read but named, so that the caller can refuse rather than pass it over.
///
/// # Errors
///
/// [`Error::Configuration`] if it cannot be read or is wrong, or if there is
/// more than one, of which SQLPage would take any.
pub fn read_config(directory: &Path, explicit: Option<&Path>) -> Result<ConfigFile, Error> {
    const LANGUAGES: [&str; 7] = ["json", "json5", "toml", "yaml", "yml", "ini", "ron"];
    let path = match explicit {
        Some(path) => path.to_owned(),
        None => {
            let names = std::fs::read_dir(directory).into_iter().flatten().flatten();
            let mut found: Vec<PathBuf> = names
                .map(|entry| directory.join(entry.file_name()))
                .filter(|path| path.file_stem().is_some_and(|stem| stem == "sqlpage"))
                .filter(|path| language(path).is_some_and(|language| LANGUAGES.contains(&language)))
                .collect();
            found.sort();
            match found.as_slice() {
                [] => return Ok(ConfigFile::default()),
                [path] => path.clone(),
                [first, second, ..] => {
                    return Err(wrong(
                        first,
                        format!(
                            "{} is there too, and SQLPage would read either: remove one",
                            second.display()
                        ),
                    ));
                }
            }
        }
    };
    if !language(&path).is_some_and(|language| language == "json" || language == "json5") {
        return Ok(ConfigFile {
            unread: Some(path.clone()),
            path: Some(path),
            ..ConfigFile::default()
        });
    }
    let text = read_text(&path).map_err(|message| wrong(&path, message))?;
    parse_config(path, &text)
}

fn language(path: &Path) -> Option<&str> {
    path.extension()?.to_str()
}

fn wrong(path: &Path, message: impl Into<String>) -> Error {
    Error::Configuration {
        origin: path.to_string_lossy().into_owned(),
        message: message.into(),
        position: None,
    }
}

/// SQLite reads JSON and JSON5 (sqlite.org/json1.html). Names of settings are
/// taken in any case, as SQLPage does.
fn parse_config(path: PathBuf, text: &str) -> Result<ConfigFile, Error> {
    let failed = |error: rusqlite::Error| wrong(&path, sqlite_message(&error));
    let connection = Connection::open_in_memory().map_err(failed)?;
    let error: i64 = connection
        .query_row("SELECT json_error_position(?1)", [text], |row| row.get(0))
        .map_err(failed)?;
    if let Some(error) = usize::try_from(error).ok().filter(|error| *error > 0) {
        let offset = text
            .char_indices()
            .nth(error - 1)
            .map_or(text.len(), |(index, _)| index);
        return Err(Error::Configuration {
            origin: path.to_string_lossy().into_owned(),
            message: "is not JSON from here on".to_owned(),
            position: Some(Position::new(&path, text, offset)),
        });
    }
    let root: String = connection
        .query_row("SELECT json_type(?1)", [text], |row| row.get(0))
        .map_err(failed)?;
    if root != "object" {
        return Err(wrong(
            &path,
            "is not a JSON object: { \"database_url\": … }",
        ));
    }
    let setting = |name: &str, kind: &str| {
        let query =
            "SELECT type, value FROM json_each(?1) WHERE lower(key) = ?2 ORDER BY id DESC LIMIT 1";
        let found = connection
            .query_row(query, [text, name], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)))
            })
            .optional()
            .map_err(failed)?;
        match found {
            None => Ok(None),
            Some((found, _)) if found == "null" => Ok(None),
            Some((found, value)) if found == kind => Ok(Some(value.map_err(failed)?)),
            Some(_) => Err(wrong(&path, format!("its setting {name} is not {kind}"))),
        }
    };
    let database_url = setting("database_url", "text")?;
    let configuration_directory = setting("configuration_directory", "text")?;
    let mut sqlite_extensions = Vec::new();
    if let Some(list) = setting("sqlite_extensions", "array")? {
        let mut statement = connection
            .prepare("SELECT type = 'text', value FROM json_each(?1)")
            .map_err(failed)?;
        let mut rows = statement.query([list]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            if !row.get::<_, bool>(0).map_err(failed)? {
                return Err(wrong(
                    &path,
                    "its setting sqlite_extensions is not a list of names",
                ));
            }
            sqlite_extensions.push(row.get(1).map_err(failed)?);
        }
    }
    Ok(ConfigFile {
        path: Some(path.clone()),
        database_url,
        configuration_directory,
        sqlite_extensions,
        unread: None,
    })
}

/// Where SQLPage will differ from what is about to be done with `pending`: each
/// kind once, with its first file.
#[must_use]
pub fn warnings<'a>(
    pending: impl Iterator<Item = &'a crate::files::migration::Migration>,
) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    let mut add = |kind: &'static str, path: &Path, message: &str| {
        if found.iter().all(|finding| finding.kind != kind) {
            found.push(Finding::new(kind, path, message));
        }
    };
    for migration in pending {
        let path = &migration.path;
        if std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
            add(
                "link",
                path,
                "is a link: SQLPage passes it over, and calls its version missing once it is applied: make it a file",
            );
        }
        if !migration.transactional {
            add(
                "no-transaction",
                path,
                "begins with `-- no-transaction`: SQLPage does not know that, and would run it in a transaction",
            );
        }
        let text = read_text(path).unwrap_or_default();
        if text.starts_with('\u{FEFF}') {
            add(
                "byte-order-mark",
                path,
                "begins with a byte order mark: it is part of the checksum, so an editor that drops it changes the script",
            );
        }
        if text.contains("\r\n") {
            add(
                "line-endings",
                path,
                "has CRLF line endings: they are part of the checksum, so keep Git from changing them (`*.sql -text` in .gitattributes)",
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::parse_config;
    use std::path::PathBuf;

    #[test]
    fn settings_are_read_from_json_and_json5() {
        let parse = |text: &str| parse_config(PathBuf::from("sqlpage.json"), text);
        let config =
            parse("// comment\n{Database_URL: 'sqlite://x.db', sqlite_extensions: ['a', 'b'],}")
                .unwrap();
        assert_eq!(config.database_url.as_deref(), Some("sqlite://x.db"));
        assert_eq!(config.sqlite_extensions, ["a", "b"]);
        assert_eq!(parse("{\"port\": 8080}").unwrap().database_url, None);
        assert_eq!(
            parse("{\"database_url\": null}").unwrap().database_url,
            None
        );
        let twice = "{\"database_url\": \"a\", \"database_url\": \"b\"}";
        assert_eq!(parse(twice).unwrap().database_url.as_deref(), Some("b"));
        for bad in [
            "[]",
            "\"x\"",
            "",
            "{",
            "{\"database_url\": 5}",
            "{\"sqlite_extensions\": \"a\"}",
            "{\"sqlite_extensions\": [1]}",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let error = parse("{\n  \"port\": 80,\n  nonsense here\n}").unwrap_err();
        assert_eq!(error.position().map(|position| position.line), Some(3));
    }
}
