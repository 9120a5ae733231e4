//! SQLPage's settings file: which one is read, and what it says that matters here.
//!
//! Follows `load_from_file` in `src/app_config.rs` of SQLPage. Asks nobody else: what
//! goes before the file is [`project`](crate::sqlpage::project)'s.

use crate::diagnostics::error::{Error, sqlite_message};
use crate::diagnostics::position::Position;
use crate::files::directory::read_text;
use rusqlite::{Connection, OptionalExtension};
use std::path::{Path, PathBuf};

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
