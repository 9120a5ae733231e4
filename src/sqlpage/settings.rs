//! SQLPage's settings file: which one is read, and what it says that matters here.
//!
//! Owns what each setting may be, and that no line of such a file is printed with the
//! secrets that it can hold. Follows `load_from_file` in `src/app_config.rs` of SQLPage,
//! and the crate `config` that it uses. Asks nobody else: what goes before the file is
//! [`project`](crate::sqlpage::project)'s.

mod escapes;
mod json;
mod toml;
mod yaml;

use crate::diagnostics::error::Error;
use crate::diagnostics::position::Position;
use crate::diagnostics::problem::Finding;
use crate::files::read::read_text;
use json::Refused;
use std::path::{Path, PathBuf};

/// The settings that are read, of the many that there are.
pub(super) const NAMES: [&str; 4] = [
    "database_url",
    "database_password",
    "sqlite_extensions",
    "configuration_directory",
];

/// Where SQLPage looks, in this order; the first that is there is the only one.
const LANGUAGES: [&str; 5] = ["toml", "json", "yaml", "yml", "json5"];

/// What SQLPage's settings file says that matters here.
#[derive(Debug, Default)]
pub struct Settings {
    /// The file, if there is one.
    pub path: Option<PathBuf>,
    pub database_url: Option<String>,
    /// Whether `database_password` is set; what it is, nobody needs to know.
    pub has_password: bool,
    /// `configuration_directory`, which counts in an explicit file only.
    pub configuration_directory: Option<String>,
    pub sqlite_extensions: Vec<String>,
    pub warnings: Vec<Finding>,
    /// From where on the file is not read, if it is not: a reason to refuse it only for
    /// whoever needs what it says.
    pub unread: Option<Position>,
    /// Whether a file that is not read to its end may name extensions.
    pub may_name_extensions: bool,
}

/// A setting of a file, before anybody has asked what it may be.
struct Entry {
    key: String,
    value: Value,
    /// The byte at which it begins, where the language's reader tells.
    at: Option<usize>,
}

enum Value {
    Text(String),
    List(Vec<String>),
    Null,
    Other,
}

/// The byte from which on a file is not read.
struct Unreadable {
    at: usize,
}

impl Unreadable {
    fn at(at: usize) -> Self {
        Self { at }
    }
}

/// Reads the settings file of the configuration directory that SQLPage would read.
///
/// # Errors
///
/// As of [`read`].
pub(crate) fn of_directory(directory: &Path) -> Result<Settings, Error> {
    // A file of this very name hides all others, in a language that nobody knows.
    let plain = directory.join("sqlpage");
    let of = |language: &&str| {
        let path = plain.with_extension(language);
        path.is_file().then_some(path)
    };
    let mut found: Vec<PathBuf> = LANGUAGES.iter().filter_map(of).collect();
    let mut settings = Settings::default();
    let mut reason = String::new();
    if plain.is_file() {
        reason = format!(
            "is not read by SQLPage, because there is a file {}: rename that",
            plain.display()
        );
    } else if !found.is_empty() {
        let first = found.remove(0);
        reason = format!(
            "is not read by SQLPage, which reads {}: remove one",
            first.display()
        );
        settings = read(&first)?;
    }
    for passed in found {
        let warning = Finding::new("unread-settings", &passed, reason.as_str());
        settings.warnings.push(warning);
    }
    for passed in ["ini", "ron"].iter().filter_map(of) {
        let message = "is no longer read by SQLPage: write it as sqlpage.json";
        let warning = Finding::new("unread-settings", &passed, message);
        settings.warnings.push(warning);
    }
    Ok(settings)
}

/// Reads a settings file in the language that its name tells.
///
/// # Errors
///
/// [`Error::Configuration`] if it cannot be read or is wrong, or if it says what is
/// needed in a way that is not read here.
pub fn read(path: &Path) -> Result<Settings, Error> {
    let wrong = |message: &str| Error::Configuration {
        origin: path.to_string_lossy().into_owned(),
        message: message.to_owned(),
        position: None,
    };
    let text = read_text(path).map_err(|message| wrong(&message))?;
    // A byte order mark is passed over, and counts in no place.
    let body = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    let place = |at: usize| place(path, &text, at + text.len() - body.len());
    let placed = |at: usize, message: &str| Error::Configuration {
        origin: path.to_string_lossy().into_owned(),
        message: message.to_owned(),
        position: Some(place(at)),
    };
    let language = path.extension().and_then(|extension| extension.to_str());
    let entries = match language {
        Some("json" | "json5") => match json::entries(body, language == Some("json")) {
            Ok(entries) => entries,
            Err(Refused::Failed(message)) => return Err(wrong(&message)),
            Err(Refused::NoObject) => {
                return Err(wrong("is not a JSON object: { \"database_url\": … }"));
            }
            Err(Refused::At(unreadable)) => {
                return Err(placed(unreadable.at, "is not JSON from here on"));
            }
            Err(Refused::NotStrict(at)) => return Err(placed(at, NOT_STRICT)),
        },
        Some(language @ ("toml" | "yaml" | "yml")) => {
            let read = match language {
                "toml" => toml::entries(body),
                _ => yaml::entries(body, &NAMES),
            };
            match read {
                Ok(entries) => entries,
                Err(Unreadable { at }) => {
                    return Ok(Settings {
                        path: Some(path.to_owned()),
                        unread: Some(place(at)),
                        may_name_extensions: text.contains("sqlite_extensions"),
                        ..Settings::default()
                    });
                }
            }
        }
        _ => {
            return Err(wrong(
                "is in no language that SQLPage reads: its name ends in .json, .json5, .toml, .yaml or .yml",
            ));
        }
    };
    let is_json = matches!(language, Some("json" | "json5"));
    let mut settings = interpreted(
        path,
        entries,
        is_json,
        place,
        |entry, message| match entry.at {
            Some(at) => placed(at, message),
            None => wrong(message),
        },
    )?;
    settings.path = Some(path.to_owned());
    Ok(settings)
}

impl Settings {
    /// For whoever needs what the file says.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] if it is not known.
    pub(super) fn refuse_unread(&mut self) -> Result<(), Error> {
        match self.unread.take() {
            None => Ok(()),
            Some(position) => Err(Error::Configuration {
                origin: position.path.to_string_lossy().into_owned(),
                message: UNREAD.to_owned(),
                position: Some(position),
            }),
        }
    }
}

const NOT_STRICT: &str = "is JSON5 here and not JSON, and SQLPage refuses it in a file of this name: take it out, or let the name end in .json5";
const UNREAD: &str = "is written in a way that is not read here, so what the file says is not known: name the database with -D or DATABASE_URL, or write the file as sqlpage.json";

/// What the settings are, of which the last counts in JSON, and which may stand once
/// elsewhere.
fn interpreted(
    path: &Path,
    entries: Vec<Entry>,
    is_json: bool,
    place: impl Fn(usize) -> Position,
    wrong: impl Fn(&Entry, &str) -> Error,
) -> Result<Settings, Error> {
    let mut settings = Settings::default();
    let mut seen = [false; NAMES.len()];
    for mut entry in entries {
        let key = std::mem::take(&mut entry.key);
        let is_path = |name: &str| {
            let rest = key.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['.', '[']))
        };
        if NAMES.iter().any(|name| is_path(name)) {
            return Err(wrong(
                &entry,
                &format!("'{key}' is part of a setting for SQLPage: write the setting whole"),
            ));
        }
        let Some(index) = NAMES.iter().position(|name| key.eq_ignore_ascii_case(name)) else {
            continue;
        };
        let name = NAMES[index];
        if key != name {
            let message = format!("'{key}' is no setting of SQLPage's: it is called {name}");
            settings
                .warnings
                .push(Finding::new("unknown-setting", path, message));
            continue;
        }
        if std::mem::replace(&mut seen[index], true) && !is_json {
            return Err(wrong(
                &entry,
                &format!("sets {name} a second time: SQLPage refuses that"),
            ));
        }
        let value = std::mem::replace(&mut entry.value, Value::Other);
        match (name, value) {
            ("database_password", value) => {
                settings.has_password = !matches!(value, Value::Null);
            }
            ("sqlite_extensions", Value::List(list)) => settings.sqlite_extensions = list,
            ("database_url", Value::Text(text)) => settings.database_url = Some(text),
            ("configuration_directory", Value::Text(text)) => {
                settings.configuration_directory = Some(text);
            }
            (_, Value::Null) => {
                let message =
                    format!("its setting {name} is null, which SQLPage refuses: take it out");
                return Err(wrong(&entry, &message));
            }
            ("sqlite_extensions", _) if is_json => {
                return Err(wrong(
                    &entry,
                    "its setting sqlite_extensions is not a list of names",
                ));
            }
            (_, _) if is_json => {
                return Err(wrong(&entry, &format!("its setting {name} is not text")));
            }
            // It may be right, over several lines, say.
            (name, _) => {
                settings.may_name_extensions |= name == "sqlite_extensions";
                settings.unread = entry.at.map(&place);
            }
        }
    }
    Ok(settings)
}

/// A place in a file that can hold passwords: of its line only the names of the
/// settings that are read, and what separates values, is shown.
pub(super) fn place(path: &Path, text: &str, at: usize) -> Position {
    let masked = |c: char| match c {
        _ if c.is_ascii_whitespace() || "\"'{}[]:,=#/\\\u{FEFF}".contains(c) => c,
        // As long as what it stands for, so that places stay the same.
        _ => ['*', '·', '•', '𐄀'][c.len_utf8() - 1],
    };
    let mut shown: String = text.chars().map(masked).collect();
    let lower = text.to_ascii_lowercase();
    for name in NAMES.iter().chain(&["sqlpage_"]) {
        for (start, found) in lower.match_indices(name) {
            let end = start + found.len();
            shown.replace_range(start..end, &text[start..end]);
        }
    }
    Position::new(path, &shown, at)
}

#[cfg(test)]
mod tests {
    use super::{Settings, read};
    use crate::diagnostics::error::Error;

    fn of(name: &str, text: &str) -> Result<Settings, Error> {
        let directory = format!("litemigrate-{}-{name}", std::process::id());
        let directory = std::env::temp_dir().join(directory);
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        let settings = read(&path);
        std::fs::remove_dir_all(&directory).unwrap();
        settings
    }

    /// The URL; `?` and the line where the file is not read; `!` and that of an error.
    fn url(name: &str, text: &str) -> String {
        match of(name, text) {
            Ok(settings) => match settings.unread {
                Some(position) => format!("? {}", position.line),
                None => settings.database_url.unwrap_or_default(),
            },
            Err(error) => format!("! {}", error.position().map_or(0, |position| position.line)),
        }
    }

    #[test]
    fn json_is_strict_and_json5_is_not() {
        for (text, json, json5) in [
            ("{\"database_url\": \"a\"}", "a", "a"),
            ("\u{FEFF}{\"database_url\": \"\\u0062\"}", "b", "b"),
            (
                "{\"database_url\": \"a\", \"database_url\": \"b\"}",
                "b",
                "b",
            ),
            ("{\n\"database_url\": \"a\",\n}", "! 2", "a"),
            ("{\n// a\n\"database_url\": \"a\"}", "! 2", "a"),
            ("{database_url: 'a'}", "! 1", "a"),
            ("{\"x\": [1.5e3, true, false, null, -0]}", "", ""),
            ("{\"x\": \"a\tb\"}", "! 1", ""),
            ("{\"database_url\": 5}", "! 0", "! 0"),
            ("{\"database_url\": null}", "! 0", "! 0"),
            ("{\"database_url.x\": \"a\"}", "! 0", "! 0"),
            ("{\"DATABASE_URL\": \"a\"}", "", ""),
            ("{\"sqlite_extensions\": \"a\"}", "! 0", "! 0"),
            ("{\"sqlite_extensions\": [1]}", "! 0", "! 0"),
            ("[]", "! 0", "! 0"),
            ("{\n \"port\": 80,\n nonsense here\n}", "! 3", "! 3"),
            ("", "! 1", "! 1"),
        ] {
            assert_eq!(url("a.json", text), json, "{text}");
            assert_eq!(url("a.json5", text), json5, "{text}");
        }
    }

    #[test]
    fn toml_is_read_where_it_is_plain() {
        for (text, expected) in [
            ("database_url = \"a\\\"\\u0062\"  # c", "a\"b"),
            ("'database_url' = 'a\\b'\r\n[t]\r\ndatabase_url = 1", "a\\b"),
            (
                "x = \"\"\"\ndatabase_url = 'no'\n\"\"\"\ndatabase_url = 'a'",
                "a",
            ),
            ("x = [1, {y = '#'},\n # ]\n]\ndatabase_url = 'a'", "a"),
            ("x = 1979-05-27 07:32:00\ndatabase_url = 'a'", "a"),
            ("Database_url = 'a'", ""),
            ("[t]\ndatabase_url = 'a'", ""),
            ("\ndatabase_url = '''a'''", "? 2"),
            ("\ndatabase_url.x = 'a'", "? 2"),
            ("\n[database_url]", "? 2"),
            ("\ndatabase_url = a", "? 2"),
            ("\ndatabase_url = 'a", "? 2"),
            ("\ndatabase_url 'a'", "? 2"),
            ("database_url = 'a'\ndatabase_url = 'a'", "! 2"),
        ] {
            assert_eq!(url("a.toml", text), expected, "{text}");
        }
        let list = of("b.toml", "sqlite_extensions = [\n 'a', # b\n \"c\",\n]").unwrap();
        assert_eq!(list.sqlite_extensions, ["a", "c"]);
    }

    #[test]
    fn yaml_is_read_where_it_is_plain() {
        for (text, expected) in [
            ("database_url: sqlite://a?b=c # d", "sqlite://a?b=c"),
            ("---\n# x\n'database_url' : 'it''s'\n", "it's"),
            ("\"database_url\": \"a\\x62\"\r\n", "ab"),
            ("x:\n- 1\ny: |\n  database_url: no\ndatabase_url: a", "a"),
            ("x: {a: [\"b\",\n 'c']}\ndatabase_url: a", "a"),
            ("Database_url: a", ""),
            ("x:\n  database_url: a", ""),
            ("database_url: ''", ""),
            ("\ndatabase_url: >\n  a", "? 2"),
            ("\ndatabase_url: &x a", "? 2"),
            ("database_url: a\n  b", "? 2"),
            ("\ndatabase_url: 5", "? 2"),
            ("\ndatabase_url: \"a", "? 2"),
            ("\n{database_url: a}", "? 2"),
            ("\n? database_url\n: a", "? 2"),
            ("x: \"\ndatabase_url: a\"", "? 2"),
            ("\ndatabase_url:\ta", "? 2"),
            ("x: 1\n---\ndatabase_url: a", "? 2"),
            ("\ndatabase_url: ~", "! 2"),
            ("\ndatabase_url:", "! 2"),
            ("database_url: a\ndatabase_url: a", "! 2"),
        ] {
            assert_eq!(url("a.yaml", text), expected, "{text}");
        }
        for text in [
            "[a, 'b c', \"d\"] # e",
            "\n- a\n# x\n- b c\n- \"d\"",
            "\n  - a\n  - b c\n  - d",
        ] {
            let list = of("a.yml", &format!("sqlite_extensions: {text}")).unwrap();
            assert_eq!(list.sqlite_extensions, ["a", "b c", "d"], "{text}");
        }
    }

    #[test]
    fn no_value_of_a_settings_file_is_printed() {
        let text = "{\n  \"database_password\": \"hämlich€😀\" nonsense\n}";
        let error = of("c.json", text).unwrap_err();
        let position = error.position().unwrap();
        assert_eq!((position.line, position.column), (2, 36));
        let [line, _] = position.excerpt();
        assert!(line.contains("database_password"), "{line}");
        assert!(!line.contains("mlich"), "{line}");
        assert!(!line.contains(['ä', '€', '😀']), "{line}");
    }
}
