//! What the environment says, and `.env` where it counts: asked once for a whole start.
//!
//! Owns how SQLPage reads names there. Sets nothing: what `.env` says is for us alone.

use crate::database::permission::{open_without_waiting, world_writable};
use crate::diagnostics::error::Error;
use crate::diagnostics::position::Position;
use crate::diagnostics::problem::Finding;
use crate::sqlpage::dotenv;
use crate::sqlpage::settings::{NAMES, place};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The variables, in their order.
pub(super) struct Environment {
    variables: Vec<(OsString, OsString)>,
    /// The names of those that `.env` has set.
    from_dotenv: Vec<OsString>,
    /// Names that stand in `.env` where it is not read any more.
    unread: Vec<(String, Position)>,
    /// The line that ended it.
    stopped: usize,
    pub warnings: Vec<Finding>,
    /// The `.env` that was read. Whoever may write it names the database and the
    /// extensions.
    pub dotenv: Option<PathBuf>,
}

impl Environment {
    /// Of this process.
    pub fn of_this_process() -> Self {
        Self {
            variables: std::env::vars_os().collect(),
            from_dotenv: Vec::new(),
            unread: Vec::new(),
            stopped: 0,
            warnings: Vec::new(),
            dotenv: None,
        }
    }

    /// Adds what the nearest `.env` sets and the environment does not.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] if there is one that cannot be read at all.
    pub fn add_dotenv(&mut self) -> Result<(), Error> {
        let Some((path, text)) = self::dotenv()? else {
            return Ok(());
        };
        self.dotenv = Some(path.clone());
        self.warnings
            .extend(world_writable(std::slice::from_ref(&path)));
        let utf8 = |(key, value): &(OsString, OsString)| {
            Some((key.to_str()?.to_owned(), value.to_str()?.to_owned()))
        };
        let mut known: HashMap<String, String> = self.variables.iter().filter_map(utf8).collect();
        // One that is there, and is not text, does not count as there.
        let is_odd = |(_, value): &&(OsString, OsString)| value.to_str().is_none();
        let odd = self.variables.iter().filter(is_odd);
        let odd: Vec<OsString> = odd.map(|(name, _)| name.clone()).collect();
        let (variables, from_dotenv) = (&mut self.variables, &mut self.from_dotenv);
        let stopped = dotenv::load(&text, &mut known, &mut |key, value| {
            if odd.iter().any(|name| *name == *key) {
                variables.retain(|(name, _)| *name != *key);
            }
            from_dotenv.push((&key).into());
            variables.push((key.into(), value.into()));
        });
        if let Some(stopped) = stopped {
            self.stopped(&path, &text, stopped, &known);
        }
        Ok(())
    }

    /// Notes what is lost because a line cannot be read.
    fn stopped(&mut self, path: &Path, text: &[u8], at: usize, known: &HashMap<String, String>) {
        let lossy = String::from_utf8_lossy(&text[at..]);
        let before = String::from_utf8_lossy(&text[..at]);
        let whole = format!("{before}{lossy}");
        let message = "cannot be read from this line on: SQLPage stops here too, and starts with what stands before it";
        let position = place(path, &whole, before.len());
        self.stopped = position.line;
        self.warnings.push(Finding::at("dotenv", position, message));
        let mut start = before.len();
        for line in lossy.split_inclusive('\n') {
            let words = line.trim_start();
            let words = words.strip_prefix("export ").unwrap_or(words).trim_start();
            let key = words.split('=').next().unwrap_or_default().trim_end();
            let lower = key.to_ascii_lowercase();
            let name = lower.strip_prefix("sqlpage_").unwrap_or(&lower);
            let is_first = self.unread.iter().all(|(unread, _)| unread != name);
            let is_set = words.contains('=') && !known.contains_key(key);
            if is_first && is_set && NAMES.contains(&name) {
                let name = name.to_owned();
                self.unread.push((name, place(path, &whole, start)));
            }
            start += line.len();
        }
    }

    /// A setting: with SQLPage's prefix before without it, in any case, as SQLPage
    /// reads them. Gives back where it was found, too.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] if a line of `.env` that is not read sets it.
    pub fn setting(&self, name: &str) -> Result<Option<(String, &OsStr)>, Error> {
        let found = self.variable(name)?;
        Ok(found.map(|(key, value)| {
            let name = key.to_string_lossy().into_owned();
            let origin = match &self.dotenv {
                Some(path) if self.from_dotenv.contains(key) => {
                    format!("{}: {name}", path.display())
                }
                _ => name,
            };
            (origin, value.as_os_str())
        }))
    }

    /// The variable that sets it.
    fn variable(&self, name: &str) -> Result<Option<&(OsString, OsString)>, Error> {
        self.refuse_unread(name)?;
        let prefixed = format!("sqlpage_{name}");
        let last = |name: &str| {
            let mut found = self.variables.iter().rev();
            found.find(|(key, _)| key.eq_ignore_ascii_case(name))
        };
        Ok(last(&prefixed).or_else(|| last(name)))
    }

    /// The folder of SQLPage's configuration, if no file names it: the first of four
    /// names, which are taken as they are written.
    ///
    /// # Errors
    ///
    /// As of [`Environment::setting`].
    pub fn configuration_directory(&self) -> Result<PathBuf, Error> {
        self.refuse_unread("configuration_directory")?;
        let variables = [
            "configuration_directory",
            "CONFIGURATION_DIRECTORY",
            "sqlpage_configuration_directory",
            "SQLPAGE_CONFIGURATION_DIRECTORY",
        ];
        let found = variables
            .into_iter()
            .find_map(|name| self.variables.iter().find(|(key, _)| key == name));
        Ok(found.map_or_else(|| PathBuf::from("sqlpage"), |(_, value)| value.into()))
    }

    /// Where `.env` does not count, a word if it names the database: so that nobody
    /// wonders why another one is used.
    pub fn passed_over_dotenv(mut self) -> Option<Finding> {
        self.add_dotenv().ok()?;
        let name = match self.variable("database_url") {
            Ok(None) => return None,
            Ok(Some((name, _))) => name.to_string_lossy().into_owned(),
            Err(_) => "database_url".to_owned(),
        };
        let message = format!(
            "sets {name}, and is read with --profile sqlpage only: name the database with -D (--no-dotenv silences this)"
        );
        Some(Finding::new("dotenv", Path::new(".env"), message))
    }

    fn refuse_unread(&self, name: &str) -> Result<(), Error> {
        let Some((_, position)) = self.unread.iter().find(|(unread, _)| unread == name) else {
            return Ok(());
        };
        Err(Error::Configuration {
            origin: position.path.to_string_lossy().into_owned(),
            message: format!(
                "sets {name}, and SQLPage does not read that, because it stops at line {}, which it cannot read: mend that line, or say --no-dotenv",
                self.stopped
            ),
            position: Some(position.clone()),
        })
    }
}

/// The nearest `.env`, as it is named from here, and its content.
fn dotenv() -> Result<Option<(PathBuf, Vec<u8>)>, Error> {
    // Without a working directory there is none above it either.
    let Ok(here) = std::env::current_dir() else {
        return Ok(None);
    };
    let found = dotenv::find(&here).and_then(|found| {
        let read = |path: PathBuf| {
            let mut text = Vec::new();
            let read = open_without_waiting(&path).and_then(|mut file| file.read_to_end(&mut text));
            match read {
                Ok(_) => Ok((path, text)),
                Err(error) => Err((path, error)),
            }
        };
        found.map(read).transpose()
    });
    match found {
        Ok(Some((path, text))) if path.parent() == Some(&here) => Ok(Some((".env".into(), text))),
        Ok(found) => Ok(found),
        Err((path, error)) => Err(Error::Configuration {
            origin: path.to_string_lossy().into_owned(),
            message: format!(
                "cannot be read, so it is not known what SQLPage is told: {error}; --no-dotenv passes it over"
            ),
            position: None,
        }),
    }
}
