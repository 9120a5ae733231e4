//! What was typed about where things are, handed over; and the list of
//! `--databases-from`.
//!
//! Decides nothing about the order in which they count: that is
//! [`project`](crate::sqlpage::project)'s.

use crate::diagnostics::error::Error;
use crate::program::arguments::parse::{Arguments, Command};
use crate::sqlpage::project::{Needs, Typed};
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

/// What was typed about where things are.
pub(crate) fn typed(arguments: &Arguments) -> Typed<'_> {
    let database = arguments.databases.first();
    let needs = match &arguments.command {
        Command::New(_) => Needs::Scripts,
        // Only a database that is named has a history to bring over.
        Command::Import(_) if database.is_none() => Needs::Scripts,
        Command::Schema if database.is_none() => Needs::Connections,
        _ if arguments.is_for_several() => Needs::Connections,
        _ => Needs::Database,
    };
    Typed {
        config_dir: arguments.config_dir.as_deref(),
        config_file: arguments.config_file.as_deref(),
        profile: arguments.profile,
        migrations: arguments.migrations.as_deref(),
        database: database.map(OsString::as_os_str),
        vfs: arguments.vfs.as_deref(),
        no_create: arguments.no_create,
        no_dotenv: arguments.no_dotenv,
        needs,
    }
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
