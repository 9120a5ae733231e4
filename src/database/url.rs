//! What the URL of a database says, as sqlx and SQLPage read it, and what is none.
//!
//! Opens nothing, and knows nothing of who wrote it.

use crate::database::location::{Location, Mode};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// Why a database in memory is refused.
pub(super) const IN_MEMORY: &str = "a database in memory cannot be migrated: nothing of it would remain; name a file (./:memory: if it is called so)";

/// Whether the scheme of a URL is another database's.
pub(super) fn is_other_engine(scheme: &str) -> bool {
    const ENGINES: [&str; 10] = [
        "postgres",
        "postgresql",
        "mysql",
        "mariadb",
        "mssql",
        "sqlserver",
        "odbc",
        "libsql",
        "http",
        "https",
    ];
    let scheme = scheme.to_ascii_lowercase();
    ENGINES.contains(&scheme.strip_prefix("jdbc:").unwrap_or(&scheme))
}

/// As SQLPage tells an ODBC connection string, which often holds a password.
pub(super) fn is_odbc(text: &str) -> bool {
    let upper = text.to_uppercase();
    ["ODBC:", "DSN=", "DRIVER=", "FILEDSN="]
        .iter()
        .any(|start| upper.starts_with(start))
        || (upper.contains("DRIVER=") && upper.contains(';'))
}

/// What to write instead of a URL that other tools, or SQLite's own shell, take for
/// one; nothing for what begins with `./` or `/./`, which is a path for certain.
pub(super) fn misspelt(text: &str) -> Option<String> {
    const SCHEMES: [&str; 5] = ["jdbc:sqlite:", "sqlite3:", "sqlite2:", "sqlite:", "file:"];
    if text.starts_with("./") || text.starts_with("/./") {
        return None;
    }
    let begins = |with: &&str| {
        let head = text.get(..with.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(with))
    };
    let scheme = match begins(&"sqlite+") {
        // With the name of a driver, as SQLAlchemy writes it.
        true => text.find(':').map(|colon| colon + 1),
        false => SCHEMES.into_iter().find(begins).map(str::len),
    };
    let rest = &text[scheme.unwrap_or(0)..];
    let (file, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let has_parameters = parameters.split('&').any(|pair| pair.contains('='));
    if scheme.is_none() && !has_parameters {
        return None;
    }
    let slashes = if begins(&"sqlite+") { "///" } else { "//" };
    let file = [slashes, "//"]
        .iter()
        .find_map(|slashes| file.strip_prefix(slashes))
        .unwrap_or(file);
    let file = match file.strip_prefix("localhost/") {
        Some(_) if scheme.is_some() && rest.starts_with("//") => &file["localhost".len()..],
        _ => file,
    };
    if file == ":memory:" {
        return Some(IN_MEMORY.to_owned());
    }
    let file = if file.is_empty() { "data.db" } else { file };
    let modes = ["ro", "rw", "rwc"];
    let mode = parameters.split('&').find_map(|pair| {
        let mode = pair.strip_prefix("mode=")?;
        modes.into_iter().find(|known| *known == mode)
    });
    let mode = mode.unwrap_or("rwc");
    let slash = if text.starts_with('/') { "/." } else { "./" };
    Some(format!(
        "there is no file '{text}', and a URL is written sqlite://{file}?mode={mode} (for a file that is really called so: -D {slash}{text})"
    ))
}

/// As `sqlx-sqlite/src/options/parse.rs` reads it. The error is a sentence.
pub(super) fn parse_url(url: &[u8]) -> Result<Location, String> {
    let mut rest = url;
    for prefix in [&b"sqlite://"[..], b"sqlite:"] {
        while let Some(stripped) = rest.strip_prefix(prefix) {
            rest = stripped;
        }
    }
    let (path, parameters) = match rest.iter().position(|&byte| byte == b'?') {
        Some(mark) => (&rest[..mark], &rest[mark + 1..]),
        None => (rest, &b""[..]),
    };
    if path == b":memory:" {
        return Err(IN_MEMORY.to_owned());
    }
    let host = path.split(|byte| *byte == b'/').next().unwrap_or_default();
    if let Some(at) = host.iter().position(|byte| *byte == b'@')
        && host[..at].contains(&b':')
    {
        return Err("the URL holds a user and a password, which a SQLite database has not: write sqlite://data.db or sqlite:///srv/data.db".to_owned());
    }
    let mut path = percent_decode(path, false);
    if std::str::from_utf8(&path).is_err() {
        return Err("the URL's path is not UTF-8 once its %XX are read, and SQLPage and sqlx refuse it: name the file with -D".to_owned());
    }
    // SQLite takes a name that begins so for a URI of its own.
    let uri = path.strip_prefix(b"file:").map(uri_path).transpose()?;
    let is_uri = uri.is_some();
    path = uri.unwrap_or(path);
    if path.is_empty() {
        return Err(
            "the URL names no file: write sqlite://data.db or sqlite:///srv/data.db".to_owned(),
        );
    }
    if path.contains(&0) {
        return Err("the URL's path holds a NUL byte".to_owned());
    }
    let mut location = Location {
        mode: Mode::ReadWrite,
        ..Location::file(PathBuf::from(std::ffi::OsString::from_vec(path)))
    };
    for pair in parameters
        .split(|&byte| byte == b'&')
        .filter(|pair| !pair.is_empty())
    {
        let (name, value) = match pair.iter().position(|&byte| byte == b'=') {
            Some(mark) => (&pair[..mark], &pair[mark + 1..]),
            None => (pair, &b""[..]),
        };
        let name = String::from_utf8_lossy(&percent_decode(name, true)).into_owned();
        let value = String::from_utf8_lossy(&percent_decode(value, true)).into_owned();
        match (name.as_str(), value.as_str()) {
            ("mode", "ro") => location.mode = Mode::ReadOnly,
            ("mode", "rw") => location.mode = Mode::ReadWrite,
            ("mode", "rwc") => location.mode = Mode::Create,
            ("mode", "memory") => return Err(IN_MEMORY.to_owned()),
            ("cache", "private" | "shared") => {}
            ("immutable", "true" | "1") => location.immutable = true,
            ("immutable", "false" | "0") => location.immutable = false,
            ("vfs", name) if !name.is_empty() && !name.contains('\0') => {
                location.vfs = Some(name.to_owned())
            }
            ("mode" | "cache" | "immutable" | "vfs", _) => {
                return Err(format!(
                    "the URL's parameter {name} cannot be '{value}': mode is ro, rw or rwc; cache is private or shared; immutable is 0 or 1"
                ));
            }
            _ => {
                return Err(format!(
                    "the URL has an unknown parameter '{name}': known are mode, cache, immutable, vfs"
                ));
            }
        }
    }
    // For these, too, SQLPage makes a URI of the name.
    let is_odd = is_uri
        || location
            .path
            .as_os_str()
            .as_bytes()
            .iter()
            .any(|byte| b"%#?".contains(byte));
    if is_odd && (location.immutable || location.vfs.is_some()) {
        return Err("SQLPage would read the URL's path once more, because of immutable or vfs, and open another file: use a name without %, # and ?, and without file:".to_owned());
    }
    Ok(location)
}

/// The file that SQLite opens for `file:` and this (sqlite.org/uri.html).
fn uri_path(uri: &[u8]) -> Result<Vec<u8>, String> {
    let path = match uri.strip_prefix(b"//") {
        None => uri,
        Some(after) => {
            let end = after.iter().position(|&byte| byte == b'/');
            let (authority, path) = after.split_at(end.unwrap_or(after.len()));
            if !authority.is_empty() && authority != b"localhost" {
                return Err("the URL's path begins with file:// and a host, which SQLite refuses: write sqlite://data.db".to_owned());
            }
            path
        }
    };
    if path.contains(&b'?') {
        return Err(
            "the URL's path holds a URI with parameters: write them after the ? of the URL itself"
                .to_owned(),
        );
    }
    let end = path.iter().position(|&byte| byte == b'#');
    let path = percent_decode(&path[..end.unwrap_or(path.len())], false);
    match path.contains(&0) {
        true => Err("the URL's path holds a NUL byte".to_owned()),
        false => Ok(path),
    }
}

fn percent_decode(text: &[u8], form: bool) -> Vec<u8> {
    let hex = |byte: Option<&u8>| byte.and_then(|&byte| char::from(byte).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut index = 0;
    while let Some(&byte) = text.get(index) {
        index += 1;
        match (byte, hex(text.get(index)), hex(text.get(index + 1))) {
            (b'%', Some(high), Some(low)) => {
                out.extend(u8::try_from(high * 16 + low));
                index += 2;
            }
            (b'+', ..) if form => out.push(b' '),
            _ => out.push(byte),
        }
    }
    out
}
