//! A path or URL becomes a connection, for looking or for writing.
//!
//! Owns what SQLite is told when a database is opened, and what is said when it
//! cannot be. Never runs a script and knows nothing of migrations.

use crate::database::permission::place::{
    Place, is_trusted, refuse_exchanged, refuse_strangers_link, remove_made_elsewhere,
};
use crate::database::permission::{directory_of, is_root, with_suffix};
use crate::database::room::no_more_files;
use crate::database::url::{IN_MEMORY, is_odbc, is_other_engine, misspelt, parse_url};
use crate::diagnostics::error::{Cause, Error, explained_message, sqlite_message};
use crate::diagnostics::text::shown;
use rusqlite::{Connection, OpenFlags};
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What may be done with a database file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `mode=ro`: only looked at.
    ReadOnly,
    /// `mode=rw`: must exist.
    ReadWrite,
    /// `mode=rwc`, and every plain path: created if a migration is to be applied.
    Create,
}

/// Where a database is, and how it may be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub path: PathBuf,
    /// What may be done with it.
    pub mode: Mode,
    /// `immutable=1`: the caller vouches that nobody changes it.
    pub immutable: bool,
    /// The name of a VFS of SQLite's, such as `unix-dotfile`.
    pub vfs: Option<String>,
}

impl Location {
    /// A file, whatever characters its name holds.
    #[must_use]
    pub fn file(path: PathBuf) -> Self {
        Self {
            path,
            mode: Mode::Create,
            immutable: false,
            vfs: None,
        }
    }

    /// Reads what a user wrote: a URL if it starts with `sqlite:`, else a path.
    /// `origin` says where it was written, for the error: an option or a setting.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] if the URL is wrong, names another engine, or
    /// names a database in memory, of which nothing would remain. [`Error::Usage`] if
    /// the value of an option is a URL as another tool writes it, and no file is
    /// called so.
    pub fn parse(text: &OsStr, origin: &str) -> Result<Self, Error> {
        let wrong = |message: String| Error::Configuration {
            origin: origin.to_owned(),
            message,
            position: None,
        };
        let utf8 = text.to_str().unwrap_or_default();
        if let Some((scheme, _)) = utf8.split_once("://")
            && is_other_engine(scheme)
        {
            return Err(wrong(format!(
                "a {scheme} database cannot be migrated: litemigrate is for SQLite; name a file, or a URL such as sqlite://data.db"
            )));
        }
        if is_odbc(utf8) && !Path::new(text).exists() {
            return Err(wrong(
                "an ODBC database cannot be migrated: litemigrate is for SQLite; name a file, or a URL such as sqlite://data.db".to_owned(),
            ));
        }
        if utf8 == ":memory:" {
            return Err(wrong(IN_MEMORY.to_owned()));
        }
        if text.is_empty() {
            return Err(wrong(
                "the database's name is empty: name a file".to_owned(),
            ));
        }
        if text.as_bytes().starts_with(b"sqlite:") {
            return parse_url(text.as_bytes()).map_err(wrong);
        }
        match misspelt(&text.to_string_lossy()) {
            Some(message) if std::fs::symlink_metadata(text).is_err() => {
                Err(match origin.starts_with("--") {
                    true => Error::Usage {
                        option: origin.to_owned(),
                        message,
                    },
                    false => wrong(message),
                })
            }
            _ => Ok(Self::file(PathBuf::from(text))),
        }
    }

    /// The path as SQLite must hear it: not empty, not `:memory:`, not `file:…`,
    /// which it would all take for something else than a name.
    pub(crate) fn sqlite_path(&self) -> PathBuf {
        if self.path.is_absolute() {
            self.path.clone()
        } else {
            Path::new(".").join(&self.path)
        }
    }

    /// The file's metadata, or `None` if there is no file and there may be none.
    pub(crate) fn metadata(&self) -> Result<Option<Metadata>, Error> {
        // SQLite would take `x.db/` for `x.db` and create it, the first time.
        let name = self.path.as_os_str().as_bytes();
        if [&b"/"[..], b"/.", b"/.."]
            .iter()
            .any(|end| name.ends_with(end))
        {
            return Err(self.cannot_open("its name is that of a directory: name a file"));
        }
        let sidecars = ["-journal", "-wal", "-shm", ".litemigrate-lock"];
        let beside = |end: &&&str| {
            let database = name.strip_suffix(end.as_bytes());
            database.is_some_and(|database| Path::new(OsStr::from_bytes(database)).exists())
        };
        if let Some(end) = sidecars.iter().find(beside) {
            return Err(self.cannot_open(&format!(
                "it is SQLite's own or ours, beside the database that is called so without {end}: name that"
            )));
        }
        match std::fs::metadata(&self.path) {
            Ok(metadata) if metadata.is_dir() => {
                Err(self.cannot_open("it is a directory: name a file in it"))
            }
            Ok(metadata) if !metadata.is_file() => {
                Err(self.cannot_open("it is not a regular file"))
            }
            Ok(metadata) => {
                let real = std::fs::canonicalize(&self.path)
                    .map_err(|error| self.cannot_open(&error.to_string()))?;
                refuse_strangers_link(&self.path, &real).map_err(|error| self.not_ours(&error))?;
                self.refuse_odd_sidecars(&real)?;
                Ok(Some(metadata))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => match self.mode {
                // SQLite's own limit of a path (os_unix.c, MAX_PATHNAME, less `-journal`), and the system's of
                // a name, which those beside the database must keep, too.
                Mode::Create if is_too_long(&self.path) => Err(self.cannot_open(
                    "its name is too long: SQLite takes paths of 504 bytes, and makes files beside it whose names are longer by 8 than its own, of 255",
                )),
                Mode::Create => self.refuse_odd_sidecars(&self.path).map(|()| None),
                Mode::ReadOnly | Mode::ReadWrite => Err(Error::NoDatabase {
                    path: self.path.clone(),
                }),
            },
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Error::Database {
                path: self.path.clone(),
                doing: "open the database",
                cause: Cause::Permission,
                message: format!("{error}: a directory above it may not be entered"),
            }),
            Err(error) => Err(self.cannot_open(&error.to_string())),
        }
    }

    /// SQLite would wait for a writer of a FIFO, whatever limits there are, and says of a
    /// link only that it cannot open something.
    fn refuse_odd_sidecars(&self, real: &Path) -> Result<(), Error> {
        for suffix in ["-journal", "-wal", "-shm"] {
            let sidecar = with_suffix(real, suffix);
            let Ok(found) = std::fs::symlink_metadata(&sidecar) else {
                continue;
            };
            // SQLite gives it to the database's owner, as root, and writes into it.
            let what = match (found.is_file(), found.nlink() > 1) {
                (false, _) => "is not a regular file",
                (true, true) => "has another name elsewhere (a hard link)",
                // What is in it would become part of the database.
                (true, false) if is_root() && !is_trusted(&found, &sidecar, real) => {
                    "is another user's, where everybody may put one"
                }
                (true, false) => continue,
            };
            return Err(self.cannot_open(&format!(
                "{} is beside it, and {what}: remove it",
                shown(&sidecar)
            )));
        }
        Ok(())
    }

    fn not_ours(&self, error: &io::Error) -> Error {
        Error::Database {
            path: self.path.clone(),
            doing: "open the database",
            cause: Cause::Permission,
            message: error.to_string(),
        }
    }

    fn cannot_open(&self, message: &str) -> Error {
        Error::CannotCreateDatabase {
            path: self.path.clone(),
            message: message.to_owned(),
        }
    }

    /// Opens the database for writing, creating it if it may be created, or
    /// takes the connection that [`look`](crate::database::look::look) gave back. Foreign keys are on, as sqlx
    /// and SQLPage have them: SQLite's own default depends on how it was built.
    ///
    /// # Errors
    ///
    /// [`Error::NoDatabase`], [`Error::CannotCreateDatabase`], [`Error::Database`].
    pub fn open_to_write(&self, opened: Option<Connection>) -> Result<Connection, Error> {
        let connection = match opened {
            Some(connection) => connection,
            None => self.open_or_create()?,
        };
        refuse_exchanged(&self.path).map_err(|error| self.not_ours(&error))?;
        refuse_read_only(&connection)?;
        connection
            .execute_batch("PRAGMA foreign_keys = ON")
            .map_err(|error| Error::database(&connection, "configure the connection", &error))?;
        Ok(connection)
    }

    /// Opens a database that is there only to replace what it holds, damaged or not:
    /// nothing of it is read.
    pub(crate) fn open_to_replace(&self) -> Result<Connection, Error> {
        self.refuse_read_only_url()?;
        let connection = self.open(&self.sqlite_path(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        refuse_exchanged(&self.path).map_err(|error| self.not_ours(&error))?;
        Ok(connection)
    }

    fn refuse_read_only_url(&self) -> Result<(), Error> {
        if self.mode == Mode::ReadOnly || self.immutable {
            return Err(Error::Database {
                path: self.path.clone(),
                doing: "write to the database",
                cause: Cause::Permission,
                message: "its URL says mode=ro or immutable=1".to_owned(),
            });
        }
        Ok(())
    }

    fn open_or_create(&self) -> Result<Connection, Error> {
        let exists = self.metadata()?.is_some();
        self.refuse_read_only_url()?;
        let made = match exists {
            true => None,
            false => self.make_for_owner()?,
        };
        let opened = self.open(&self.sqlite_path(), self.flags_to_write());
        if let (Err(_), Some((place, _))) = (&opened, &made) {
            let _ = place.remove("");
        }
        let connection = opened.map_err(|error| match error {
            Error::Database {
                cause: Cause::CannotOpen,
                ..
            } if !exists => self.cannot_open(&self.why_not_created()),
            other => other,
        })?;
        match made {
            Some((_, file)) if !Place::is_open_twice(&file) => {
                remove_made_elsewhere(&file_of(&connection), &file);
                Err(self.cannot_open("somebody else has exchanged it while it was made"))
            }
            _ => Ok(connection),
        }
    }

    /// ATTACH opens its file as the database was opened, so every connection that may
    /// write is opened in the same way, whether the file is there already or not.
    pub(crate) fn flags_to_write(&self) -> OpenFlags {
        match self.mode {
            Mode::Create => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
            Mode::ReadOnly | Mode::ReadWrite => OpenFlags::SQLITE_OPEN_READ_WRITE,
        }
    }

    /// As root: makes the file for the owner of its directory, following nobody's link,
    /// and holds it until SQLite, which opens it by its path, has opened this very file.
    fn make_for_owner(&self) -> Result<Option<(Place, File)>, Error> {
        // Without /proc nobody knows who this is before a file is made.
        let may_be_root = is_root() || !Path::new("/proc/self/fd").exists();
        if self.mode != Mode::Create || !may_be_root {
            return Ok(None);
        }
        let made = Place::of(&self.path).and_then(|place| {
            let directory = place.directory()?;
            let file = place.create("", 0o644, &directory)?;
            Ok((place, file))
        });
        match made {
            Ok(made) => Ok(Some(made)),
            // Another start was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            // SQLite, which finds it by its path, must not make what we could not.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(self.cannot_open(&self.why_not_created()))
            }
            Err(error) => Err(self.cannot_open(&error.to_string())),
        }
    }

    fn why_not_created(&self) -> String {
        let parent = directory_of(&self.path);
        match std::fs::metadata(parent) {
            Err(_)
                if parent.starts_with("~") || parent.as_os_str().as_bytes().starts_with(b"$") =>
            {
                format!(
                    "nobody has put a path in the place of {}: write it in full",
                    parent.display()
                )
            }
            Err(error) => format!(
                "its directory {}: {error}; create it first, or name the database with -D",
                parent.display()
            ),
            Ok(metadata) if !metadata.is_dir() => {
                format!("{} is not a directory", parent.display())
            }
            Ok(_) if std::fs::symlink_metadata(&self.path).is_ok() => {
                "it is a link whose target cannot be created".to_owned()
            }
            Ok(_) => no_more_files(&self.path).unwrap_or_else(|| {
                format!("may this user write to the directory {}?", parent.display())
            }),
        }
    }

    pub(crate) fn open(&self, path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let wrong_vfs = |message: String| Error::Configuration {
            origin: "vfs".to_owned(),
            message,
            position: None,
        };
        if self.vfs.as_deref() == Some("memdb") {
            return Err(wrong_vfs(
                "memdb keeps a database in memory, and nothing of it would remain: on Unix there are unix, unix-dotfile, unix-excl and unix-none".to_owned(),
            ));
        }
        let opened = match &self.vfs {
            Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str()),
            None => Connection::open_with_flags(path, flags),
        };
        opened.map_err(|error| match &self.vfs {
            Some(vfs) if sqlite_message(&error).contains("no such vfs") => wrong_vfs(format!(
                "SQLite has no VFS '{vfs}': on Unix there are unix, unix-dotfile, unix-excl and unix-none"
            )),
            _ => Error::Database {
                path: self.path.clone(),
                doing: "open the database",
                cause: Cause::of(&error),
                message: explained_message(&error),
            },
        })
    }
}

fn is_too_long(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let absolute = std::path::absolute(path).unwrap_or_default();
    name.len() > 247 || absolute.as_os_str().len() > 504
}

/// `BEGIN IMMEDIATE` succeeds on a database that can only be read.
pub(crate) fn refuse_read_only(connection: &Connection) -> Result<(), Error> {
    match connection.is_readonly("main") {
        Ok(false) => Ok(()),
        Ok(true) => Err(Error::Database {
            path: connection.path().unwrap_or_default().into(),
            doing: "write to the database",
            cause: Cause::Permission,
            message: "the file or its file system is read-only for this user: nothing was changed"
                .to_owned(),
        }),
        Err(error) => Err(Error::database(connection, "read its settings", &error)),
    }
}

/// The file of a connection's main database, whatever characters its name holds;
/// empty for a database in memory.
pub(crate) fn file_of(connection: &Connection) -> PathBuf {
    // The plain pragma: the one that is a table is many times dearer to prepare.
    let main = || {
        let mut list = connection.prepare("PRAGMA database_list")?;
        let mut rows = list.raw_query();
        while let Some(row) = rows.next()? {
            if row.get_ref(1)?.as_bytes_or_null() == Ok(Some(b"main")) {
                let file = row.get_ref(2)?.as_bytes_or_null().ok().flatten();
                let file = OsStr::from_bytes(file.unwrap_or_default());
                return Ok::<_, rusqlite::Error>(PathBuf::from(file));
            }
        }
        Ok(PathBuf::new())
    };
    main().unwrap_or_default()
}
