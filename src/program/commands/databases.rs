//! What was typed about where things are, handed over; and the list of
//! `--databases-from`.
//!
//! Decides nothing about the order in which they count: that is
//! [`project`](crate::sqlpage::project)'s.

use crate::diagnostics::error::Error;
use crate::program::arguments::parse::{Arguments, Command};
use crate::sqlpage::project::{Needs, Typed};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

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

/// A list of a hundred thousand databases fits into it, and a device that never ends
/// does not take the machine's memory.
const LONGEST_LIST: u64 = 16 << 20;

/// Whether there is no standard input: Rust opens `/dev/null` for reading and writing in
/// the place of one that is closed, and a shell for reading only.
fn stdin_is_closed() -> bool {
    let is_null =
        std::fs::read_link("/proc/self/fd/0").is_ok_and(|target| target == Path::new("/dev/null"));
    let flags = std::fs::read_to_string("/proc/self/fdinfo/0").unwrap_or_default();
    let flags = flags.lines().find_map(|line| line.strip_prefix("flags:"));
    is_null && flags.is_some_and(|flags| flags.trim().ends_with('2'))
}

/// What the list of databases is called in a sentence.
pub(crate) fn list_of(arguments: &Arguments) -> String {
    let file = arguments.databases_from.as_deref().unwrap_or(Path::new(""));
    format!("--databases-from {}", file.display())
}

/// The names of several databases: those of `--database`, then those of the list.
pub(crate) fn several(arguments: &Arguments) -> Result<Vec<OsString>, Error> {
    let mut names = arguments.databases.clone();
    let Some(file) = &arguments.databases_from else {
        return Ok(names);
    };
    let wrong = |message: String| Error::Configuration {
        origin: list_of(arguments),
        message,
        position: None,
    };
    let is_stdin = file.as_os_str() == "-";
    if is_stdin && stdin_is_closed() {
        return Err(wrong(
            "standard input is closed: give it the list, or name a file".to_owned(),
        ));
    }
    let mut bytes = Vec::new();
    let read = match is_stdin {
        true => std::io::stdin()
            .lock()
            .take(LONGEST_LIST)
            .read_to_end(&mut bytes),
        false => File::open(file).and_then(|file| file.take(LONGEST_LIST).read_to_end(&mut bytes)),
    };
    read.map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 == LONGEST_LIST {
        return Err(wrong(format!(
            "is longer than {LONGEST_LIST} bytes, so it is no list of databases, or must be split"
        )));
    }
    let end = if arguments.null { 0 } else { b'\n' };
    // As an editor on Windows begins a file.
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
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
