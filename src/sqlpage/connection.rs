//! What SQLPage does to each of its connections: a Unicode-aware `NOCASE`,
//! `upper` and `lower`, extensions, and `on_connect.sql`.
//!
//! Follows `src/webserver/database/connect.rs` of SQLPage. Never opens a
//! connection, and knows nothing of migrations. The only unsafe code is here.

use crate::database::location::file_of;
use crate::database::permission::discovery::{refuse_foreign_library, rights_of};
use crate::database::permission::is_root;
use crate::diagnostics::error::{Cause, Error, sqlite_message};
use crate::files::read::read_text;
use crate::schema::history_table::HistoryTable;
use crate::script::authorizer::Rules;
use crate::script::{self, Watched};
use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use std::cell::OnceCell;
use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Registers what SQLPage registers on each of its connections: a `NOCASE` that
/// compares `to_lowercase()` of both, and `upper` and `lower` for all of
/// Unicode. Like SQLPage's, the functions are not marked deterministic, so that
/// an index on them is refused as it would be by SQLPage.
///
/// An index on a `NOCASE` column must be written by the same comparison that
/// reads it: whoever writes to a database of SQLPage's needs this, and whoever
/// writes to any other must not have it.
///
/// # Errors
///
/// [`Error::Database`] if SQLite refuses.
pub fn register_functions(connection: &Connection) -> Result<(), Error> {
    // A schema that uses them can be looked at though it is not trusted.
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    let [for_upper, for_lower] = [RealText::default(), RealText::default()];
    connection
        .create_collation("NOCASE", compare_without_case)
        .and_then(|()| {
            connection.create_scalar_function("upper", -1, flags, move |context| {
                convert(context, &for_upper, str::to_uppercase)
            })
        })
        .and_then(|()| {
            connection.create_scalar_function("lower", -1, flags, move |context| {
                convert(context, &for_lower, str::to_lowercase)
            })
        })
        .map_err(|error| Error::database(connection, "register SQLPage's functions", &error))
}

fn compare_without_case(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        // The same, without two allocations for each comparison.
        let lower = |byte: u8| byte.to_ascii_lowercase();
        return a.bytes().map(lower).cmp(b.bytes().map(lower));
    }
    a.to_lowercase().cmp(&b.to_lowercase())
}

/// How SQLite writes a number with a fraction is a matter of its own: asked of a
/// connection that is opened when the first such number comes.
#[derive(Default)]
struct RealText(OnceCell<Connection>);

impl RealText {
    fn of(&self, value: f64) -> rusqlite::Result<String> {
        if self.0.get().is_none() {
            let _ = self.0.set(Connection::open_in_memory()?);
        }
        let connection = self.0.get().ok_or(rusqlite::Error::InvalidQuery)?;
        connection.query_row("SELECT CAST(?1 AS TEXT)", [value], |row| row.get(0))
    }
}

/// The first argument as text, converted; NULL stays NULL.
fn convert(
    context: &mut Context<'_>,
    real: &RealText,
    with: fn(&str) -> String,
) -> rusqlite::Result<Option<String>> {
    let failed = |message: String| rusqlite::Error::UserFunctionError(message.into());
    if context.is_empty() {
        return Err(failed("invalid argument index".to_owned()));
    }
    match context.get_raw(0) {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(value) => Ok(Some(value.to_string())),
        ValueRef::Real(value) => real.of(value).map(|text| Some(with(&text))),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(with(text))),
            Err(error) => Err(failed(error.to_string())),
        },
    }
}

/// Does what SQLPage does to a connection before anything else: loads the
/// extensions, then runs `on_connect.sql` of the configuration directory. On a
/// database in memory that file may attach no other.
///
/// # Errors
///
/// [`Error::Configuration`], with the place in `on_connect.sql`.
pub fn connect(
    connection: &mut Connection,
    directory: &Path,
    extensions: &[String],
) -> Result<(), Error> {
    load_extensions(connection, extensions)?;
    let Some((path, text)) = on_connect(directory)? else {
        return Ok(());
    };
    // Only run: a person who runs a script is told about it, and nobody about this file.
    let rules = Rules {
        transactional: false,
        allow_cascade: true,
        replayed: true,
        counted: false,
        shared: false,
        for_sqlpage: false,
        strict: false,
        rights: is_root().then(|| rights_of(&path)).flatten(),
        history: HistoryTable::default(),
        others: None,
        // Nothing is kept in memory: it is only for show.
        contained: file_of(connection).as_os_str().is_empty(),
    };
    let watched = &mut Watched::default();
    let mut read_on = |piece: &mut String| {
        piece.push_str(&text);
        Ok(true)
    };
    match script::execute_batch(connection, &path, &mut read_on, rules, watched, &mut |_| {}) {
        Ok(_) => Ok(()),
        Err(stopped) if stopped.cause == Cause::Statement => Err(Error::Configuration {
            origin: path.to_string_lossy().into_owned(),
            message: stopped.message,
            position: stopped.position,
        }),
        Err(stopped) => Err(Error::Database {
            path: connection.path().unwrap_or_default().into(),
            doing: "run on_connect.sql",
            cause: stopped.cause,
            message: match stopped.remedy {
                Some(remedy) => format!("{}: {remedy}", stopped.message),
                None => stopped.message,
            },
        }),
    }
}

/// `on_connect.sql` and its text, if it is there.
///
/// # Errors
///
/// [`Error::Configuration`] if it cannot be read.
pub fn on_connect(directory: &Path) -> Result<Option<(PathBuf, String)>, Error> {
    let path = directory.join("on_connect.sql");
    if !path.exists() {
        return Ok(None);
    }
    let text = read_text(&path).map_err(|message| Error::Configuration {
        origin: path.to_string_lossy().into_owned(),
        message,
        position: None,
    })?;
    Ok(Some((path, text)))
}

/// Loads SQLite's extensions by their names or paths.
///
/// # Errors
///
/// [`Error::Configuration`] with the name.
pub fn load_extensions(connection: &Connection, extensions: &[String]) -> Result<(), Error> {
    for name in extensions {
        for library in libraries(name, std::env::var_os("LD_LIBRARY_PATH")) {
            refuse_foreign_library(&library)?;
        }
        load_extension(connection, name).map_err(|error| Error::Configuration {
            origin: "sqlite_extensions".to_owned(),
            message: format!(
                "the extension '{name}' cannot be loaded: {}",
                sqlite_message(&error)
            ),
            position: None,
        })?;
    }
    Ok(())
}

/// What the system may take for a library of this name: a path, or what lies in the
/// folders of `LD_LIBRARY_PATH`, of which an empty one is where we are (dlopen(3)). Its
/// other folders are root's.
fn libraries(name: &str, searched: Option<OsString>) -> Vec<PathBuf> {
    if name.contains('/') {
        return vec![PathBuf::from(name)];
    }
    let searched = searched.unwrap_or_default();
    let folders = searched.as_bytes().split(|byte| b":;".contains(byte));
    let folders = folders.map(|folder| match folder {
        b"" => Path::new("."),
        folder => Path::new(OsStr::from_bytes(folder)),
    });
    match searched.is_empty() {
        true => Vec::new(),
        false => folders.map(|folder| folder.join(name)).collect(),
    }
}

/// Loads an extension by SQLite's C interface; the SQL function
/// `load_extension()` stays disabled (sqlite.org/c3ref/c_dbconfig_defensive.html).
#[cfg(feature = "extensions")]
#[expect(
    unsafe_code,
    reason = "a shared library is foreign code: the user names it, and rusqlite leaves the call to us"
)]
fn load_extension(connection: &Connection, name: &str) -> rusqlite::Result<()> {
    use rusqlite::ffi;
    let switch = |on: std::ffi::c_int| {
        // SAFETY: the handle is open as long as `connection` lives, and this
        // operation takes an int and a pointer that may be null.
        let code = unsafe {
            ffi::sqlite3_db_config(
                connection.handle(),
                ffi::SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION,
                on,
                std::ptr::null_mut::<std::ffi::c_int>(),
            )
        };
        match code {
            ffi::SQLITE_OK => Ok(()),
            code => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
        }
    };
    switch(1)?;
    // SAFETY: no other SQL runs while loading is enabled. What the library does
    // is up to the person who named it in SQLPage's settings.
    let result = unsafe { connection.load_extension(name, None::<&str>) };
    switch(0)?;
    result
}

/// This build has none.
#[cfg(not(feature = "extensions"))]
fn load_extension(_: &Connection, _: &str) -> rusqlite::Result<()> {
    let message = "this litemigrate was built without extensions, as the static one is";
    Err(rusqlite::Error::UserFunctionError(message.into()))
}

#[cfg(test)]
mod tests {
    use super::{compare_without_case, register_functions};
    use rusqlite::Connection;

    #[test]
    fn nocase_compares_what_to_lowercase_says() {
        let words = [
            "",
            "a",
            "A",
            "ab",
            "Ab",
            "É",
            "é",
            "ß",
            "SS",
            "ǅ",
            "ǆ",
            "İ",
            "z",
            "ſ",
            "K",
            "k",
            &"X".repeat(100),
            &"x".repeat(101),
        ];
        for a in words {
            for b in words {
                assert_eq!(
                    compare_without_case(a, b),
                    a.to_lowercase().cmp(&b.to_lowercase()),
                    "{a} {b}"
                );
            }
        }
    }

    #[test]
    fn functions_are_sqlpages() {
        let connection = Connection::open_in_memory().unwrap();
        register_functions(&connection).unwrap();
        let value =
            |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Option<String>>(0));
        assert_eq!(
            value("SELECT upper('é ß ' || 1)").unwrap().as_deref(),
            Some("É SS 1")
        );
        assert_eq!(
            value("SELECT lower('ÀÉ', 2, 3)").unwrap().as_deref(),
            Some("àé")
        );
        assert_eq!(value("SELECT upper(NULL)").unwrap(), None);
        assert_eq!(value("SELECT upper(-5)").unwrap().as_deref(), Some("-5"));
        assert_eq!(
            value("SELECT upper(1e300)").unwrap().as_deref(),
            Some("1.0E+300")
        );
        assert_eq!(
            value("SELECT upper(x'c3a9')").unwrap().as_deref(),
            Some("É")
        );
        assert!(value("SELECT upper(x'ff')").is_err());
        assert!(value("SELECT upper()").is_err());
        assert!(
            connection
                .query_row("SELECT 'É' = 'é' COLLATE NOCASE", [], |row| row
                    .get::<_, bool>(0))
                .unwrap()
        );
        let index = connection.execute_batch("CREATE TABLE t (x); CREATE INDEX i ON t (lower(x))");
        assert!(index.unwrap_err().to_string().contains("non-deterministic"));
        assert!(
            !connection
                .query_row("SELECT 'É' LIKE 'é'", [], |row| row.get::<_, bool>(0))
                .unwrap()
        );
    }
}
